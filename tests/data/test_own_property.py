"""Random recordings in each layout that people write: what is read back is the same recording, or a question."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.errors import BrainLensError
from data.own.read import understood

VOCABULARY = ["the", "old", "boat", "lay", "on", "sand", "nobody", "came", "near", "every", "summer", "children", "built",
              "a", "house", "from", "wood", "wind", "took", "away", "left"]  # fmt: skip
TEXT = ("text", "sentence", "stimulus_text", "Sentence")
WORD = ("word", "Word", "IA_LABEL")
PERSON = ("subject", "participant", "Subject", "subj", "WorkerId")
PLACE = ("voxel", "roi", "electrode", "region")
VALUE = ("response", "bold", "amplitude")
STORY = ("story", "passage", "item", "text_id")


@dataclass
class Truth:
    """Texts in order, and values (stimulus, person, place), NaN where a person has none."""

    texts: list[str]
    groups: np.ndarray
    values: np.ndarray
    people: list[str]
    places: list[str]


@st.composite
def truths(draw, words: bool, most_places: int = 2):
    seed = draw(st.integers(0, 10**6))
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(draw(st.integers(2, 3))), draw(st.integers(3, 5)))
    n, who, where = len(groups), draw(st.integers(2, 3)), draw(st.integers(1, most_places))
    if words:
        texts = [str(rng.choice(VOCABULARY)) for _ in range(n)]
    else:
        texts = [" ".join(rng.permutation(VOCABULARY)[:5]) for _ in range(n)]
    values = rng.normal(0, 1, (n, who, where)).round(4)
    if draw(st.booleans()):  # gaps, never a whole row
        holes = rng.random(values.shape) < 0.15
        holes[:, 0, 0] = False
        values[holes] = np.nan
    return Truth(texts, groups, values, [f"s{i + 1:02d}" for i in range(who)], ["LH", "RH"][:where])


def long(truth: Truth, names: dict, by_place: bool, by_person: bool) -> pd.DataFrame:
    """One row for each stimulus, person and place; a value that is missing has an empty cell."""
    rows = []
    for p, person in enumerate(truth.people):
        for s, text in enumerate(truth.texts):
            for k, place in enumerate(truth.places if by_place else truth.places[:1]):
                row = {names["text"]: text, names["group"]: f"t{truth.groups[s]}"}
                if names.get("order"):
                    row[names["order"]] = int((truth.groups[:s] == truth.groups[s]).sum()) + 1
                if by_person:
                    row[names["person"]] = person
                if by_place:
                    row[names["place"]] = place
                rows.append(row | {names["value"]: truth.values[s, p, k]})
    return pd.DataFrame(rows)


def compared(found, truth: Truth, by_place: bool) -> None:
    """The recording is the truth: texts, their order, and every value at its person and place."""
    assert [text.strip() for text in found.texts] == truth.texts
    array = found.responses
    subjects = [str(one) for one in found.subjects]
    for column in range(array.sizes["target"]):
        p = truth.people.index(subjects[column])
        coords = {name: str(array.coords[name].values[column]) for name in array.coords if name != "stimulus"
                  and array.coords[name].dims == ("target",)}  # fmt: skip
        k = 0
        if by_place and len(truth.places) > 1:
            k = next(
                i
                for i, place in enumerate(truth.places)
                if any(place in v for v in coords.values())
            )
        np.testing.assert_allclose(array.values[:, column], truth.values[:, p, k])
    count = len(truth.places) if by_place else 1
    assert array.sizes["target"] == len(truth.people) * count


def outcome(path, **said):
    """What is read and what is doubted, or None where the file is asked about in words that name a way."""
    try:
        found = understood(path, **said)
    except BrainLensError as question:
        assert question.remedy or question.choices, str(question)
        return None, []
    assert all(doubt and step for doubt, step in found.doubts)
    return found.recording, [doubt for doubt, _ in found.doubts]


FAST = settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@FAST
@given(
    truth=truths(words=False),
    text=st.sampled_from(TEXT),
    person=st.sampled_from(PERSON),
    place=st.sampled_from(PLACE),
    value=st.sampled_from(VALUE),
    group=st.sampled_from(STORY),
    by_place=st.booleans(),
    seed=st.none() | st.integers(0, 99),
    drop=st.booleans(),
)
def test_sentences_in_long_tables(
    tmp_path, truth, text, person, place, value, group, by_place, seed, drop
):
    names = {"text": text, "person": person, "place": place, "value": value, "group": group}
    frame = long(truth, names, by_place, True)
    if drop:
        frame = frame.dropna(subset=[value])
    path = tmp_path / "long.csv"
    frame.to_csv(path, index=False)
    found, _ = outcome(path)
    assert found is not None or by_place  # plain tables need no question
    if found is not None:
        compared(found, truth, by_place)
    if seed is not None:  # columns in any order
        frame = frame[list(np.random.default_rng(seed).permutation(frame.columns))]
        frame.to_csv(path, index=False)
        again, _ = outcome(path)
        assert (again is None) == (found is None)
        if again is not None:
            compared(again, truth, by_place)


@FAST
@given(
    truth=truths(words=True, most_places=1),
    word=st.sampled_from(WORD),
    person=st.sampled_from(PERSON),
    group=st.sampled_from(STORY),
    known=st.booleans(),
    numbered=st.booleans(),
    twice=st.booleans(),
)
def test_words_of_several_readers(tmp_path, truth, word, person, group, known, numbered, twice):
    truth.values = np.where(np.isnan(truth.values), np.nan, 300 + 40 * truth.values).round(2)
    names = {"text": word, "person": person, "value": "rt", "group": group, "place": "roi"}
    if numbered:
        names["order"] = "word_number"
    frame = long(truth, names, False, True)
    if not known:
        frame = frame.drop(columns=group)
    if twice:
        frame = pd.concat([frame.iloc[:2], frame.iloc[1:]], ignore_index=True)
    path = tmp_path / "words.csv"
    frame.to_csv(path, index=False)
    found, doubts = outcome(path)
    assert found is not None or twice
    if found is not None:
        alone = any("read alone" in doubt for doubt in doubts)
        assert found.context is not None or alone  # never one word at a time in silence
        compared(found, truth, False)
        assert found.kind in ("reading_times", "eye_tracking") and found.unit == "ms"


@FAST
@given(
    truth=truths(words=False, most_places=1),
    text=st.sampled_from(TEXT),
    group=st.sampled_from(STORY),
    prefix=st.sampled_from(["sub-", "subject_", "resp_"]),
    said=st.booleans(),
)
def test_wide_tables(tmp_path, truth, text, group, prefix, said):
    frame = pd.DataFrame({text: truth.texts, group: [f"t{g}" for g in truth.groups]})
    columns = [f"{prefix}{person}" for person in truth.people]
    for p, column in enumerate(columns):
        frame[column] = truth.values[:, p, 0]
    path = tmp_path / "wide.csv"
    frame.to_csv(path, index=False)
    options = {"responses": f"{prefix}{{subject}}", "text": text} if said else {}
    found, _ = outcome(path, **options)
    assert found is not None or not said
    if found is not None:
        assert found.texts == truth.texts and found.n_targets == len(columns)
        np.testing.assert_allclose(found.responses.values, truth.values[:, :, 0])
        if said:
            assert [str(one) for one in found.subjects] == truth.people
