"""Natural Stories, UCL and tables of words: alignment, filters, and what two versions do not share."""

import numpy as np
import pandas as pd
import pytest

from data import filters
from data.catalog import catalog
from data.catalog.catalog import recording as load
from data.errors import BrainLensError
from data.readers import reading_times
from data.words import add_word_columns, log_frequency, sentences

FACTS = {"id": "natural-stories", "citation": "", "licence": "", "source": ""}


def wordinfo(
    tmp_path,
    words=(
        ("1", ["If", "you", "went", "there.", "You", "saw", "null."]),
        ("2", ["Then", "'come'", "back?"]),
    ),
):
    rows = [
        (w, z + 1, int(s), 80, 300.0 + 10 * z + 1000 * (z == 4))
        for s, text in words
        for z, w in enumerate(text)
    ]
    frame = pd.DataFrame(rows, columns=["word", "zone", "item", "nItem", "meanItemRT"]).sample(
        frac=1, random_state=0
    )
    frame.to_csv(tmp_path / "processed_wordinfo.tsv", sep="\t", index=False)
    return tmp_path / "processed_wordinfo.tsv"


def test_realigned_moves_each_time_one_word_later(tmp_path):
    path = wordinfo(tmp_path)
    released = reading_times.natural_stories(path, version="as-released", **FACTS)
    moved = reading_times.natural_stories(path, **FACTS)
    assert released.texts == moved.texts and "null." in moved.texts
    old, new = released.responses.values[:, 0], moved.responses.values[:, 0]
    assert np.isnan(new[[0, 7]]).all() and int(np.isnan(new).sum()) == 2
    np.testing.assert_array_equal(new[1:7], old[:6])
    np.testing.assert_array_equal(new[8:], old[7:9])
    assert any("inferred" in note and "2 times without a word" in note for note in moved.notes)
    assert released.id == "natural-stories@as-released"
    with pytest.raises(
        BrainLensError,
        match="Unknown version of natural-stories 'realined'; did you mean 'realigned'",
    ):
        reading_times.natural_stories(path, version="realined", **FACTS)


def test_word_columns(tmp_path):
    table = reading_times.natural_stories(wordinfo(tmp_path), **FACTS).stimuli
    assert table["sentence"].tolist() == ["1.0"] * 4 + ["1.1"] * 3 + ["2.0"] * 3
    assert table["position"].tolist() == [*range(7), *range(3)]
    assert table["first_in_sentence"].sum() == table["last_in_sentence"].sum() == 3
    assert table["length"].tolist()[:4] == [2, 3, 4, 6]
    assert log_frequency(pd.Series(["the", "The,", "zxqvk"])).tolist() == [7.73, 7.73, 0.0]


def test_sentences_end_where_they_end():
    text = "Mr. Smith said 'Why?' and left. (Really!) Then he slept."
    assert sentences(pd.Series(text.split())).tolist() == [0, 0, 0, 0, 0, 0, 1, 2, 2, 2]


def test_filters_count_what_they_leave_out(tmp_path):
    recording = reading_times.natural_stories(
        wordinfo(tmp_path), version="as-released", filter="official", **FACTS
    )
    assert recording.n_stimuli == 10  # every word is still read
    note = recording.notes[-1]
    assert note == "filter official: left out 6 times of 6 first and last words of sentences"
    slow = filters.Filter(longest=1000.0)
    assert (
        "1 times not below 1000 ms"
        in filters.apply_filter(
            reading_times.natural_stories(wordinfo(tmp_path), version="as-released", **FACTS), slow
        ).notes[-1]
    )
    with pytest.raises(BrainLensError, match="Unknown filter 'oficial'; did you mean 'official'"):
        reading_times.natural_stories(wordinfo(tmp_path), filter="oficial", **FACTS)
    with pytest.raises(BrainLensError, match="leaves nothing"):
        filters.apply_filter(recording, filters.Filter(longest=1.0))


def people(tmp_path, **changes):
    rows = [
        (who, correct, item, zone, 350 + 10 * zone, word, 1)
        for who, correct in (("A1", 6), ("B2", 3))
        for item, text in ((1, "If you went there. You saw null."), (2, "Then 'come' back?"))
        for zone, word in enumerate(text.split(), 1)
        if not (who == "B2" and item == 2)
    ]
    frame = pd.DataFrame(
        rows, columns=["WorkerId", "correct", "item", "zone", "RT", "word", "WorkTimeInSeconds"]
    ).assign(**changes)
    frame.to_csv(tmp_path / "processed_RTs.tsv", sep="\t", index=False)
    return tmp_path / "processed_RTs.tsv"


def test_times_per_person(tmp_path):
    recording = reading_times.natural_stories(wordinfo(tmp_path), people=people(tmp_path), **FACTS)
    assert recording.subjects.tolist() == ["A1", "B2"] and not recording.averaged
    assert (
        recording.responses.values[0, 0] == 360
        and np.isnan(recording.responses.values[7:, 1]).all()
    )
    official = filters.apply_filter(recording, "official")
    assert official.subjects.tolist() == ["A1"]
    assert "times of 1 people with fewer than 5 right answers" in " ".join(official.notes)


def test_words_of_another_version_are_refused(tmp_path):
    with pytest.raises(
        BrainLensError, match="of 17 words are not the corpus's, first 'other' where 'If' stands"
    ):
        reading_times.natural_stories(
            wordinfo(tmp_path), people=people(tmp_path, word="other"), **FACTS
        )
    broken = wordinfo(tmp_path, ((("1"), ["Only", "one", "story", "here."]),))
    frame = pd.read_csv(broken, sep="\t")
    frame[frame["zone"] != 2].to_csv(broken, sep="\t", index=False)
    with pytest.raises(BrainLensError, match="story 1 has word 3 where word 2 should stand"):
        reading_times.natural_stories(broken, **FACTS)


def test_a_row_without_a_zone_and_a_word_read_twice(tmp_path):
    path = people(tmp_path)
    frame = pd.read_csv(path, sep="\t", dtype={"zone": object})
    frame.assign(zone=[None, *frame["zone"][1:]]).to_csv(path, sep="\t", index=False)
    with pytest.raises(
        BrainLensError, match=r"processed_RTs.tsv: 1 rows have no whole number as zone \(line 2\)"
    ):
        reading_times.natural_stories(wordinfo(tmp_path), people=path, **FACTS)
    twice = pd.concat([frame, frame.iloc[[0, 2]].assign(RT=999)])
    twice.to_csv(path, sep="\t", index=False)
    recording = reading_times.natural_stories(wordinfo(tmp_path), people=path, **FACTS)
    assert recording.responses.values[:3, 0].tolist() == [360, 370, 380]  # the first time counts
    said = (
        "2 times left out because the person had read the word before, first that of A1 at word 1.1"
    )
    assert said in recording.notes


def test_a_time_that_is_no_number_is_named_with_its_line(tmp_path):
    path = people(tmp_path)
    frame = pd.read_csv(path, sep="\t", dtype=object)
    frame.loc[0, "zone"], frame.loc[3, "RT"] = (
        "99",
        "slow",
    )  # a row of an unknown word stands before it
    frame.to_csv(path, sep="\t", index=False)
    with pytest.raises(
        BrainLensError,
        match=r"column 'RT' holds 1 cells that are not numbers, first 'slow' \(line 5\)",
    ):
        reading_times.natural_stories(wordinfo(tmp_path), people=path, **FACTS)


def test_two_versions_side_by_side(tmp_path):
    path = wordinfo(tmp_path)
    released = reading_times.natural_stories(path, version="as-released", **FACTS)
    diff = filters.compare_versions(released, reading_times.natural_stories(path, **FACTS))
    assert len(diff) == 10 and diff["stimulus"].iloc[1] == "1.2"
    assert diff["delta"].iloc[1] == -10.0 and np.isnan(diff["delta"].iloc[0])
    assert filters.compare_versions(released, released).empty


def test_gpt3_probabilities_must_be_the_corpus(tmp_path):
    words = pd.DataFrame(
        {"text": ["If", "peaked", "here."], "story": "2", "zone": [748, 749, 750]},
        index=["a", "b", "c"],
    )
    tokens = [("If", ""), (" pe", -1.0), ("eked", -0.5), (" here", -2.0), (".", -1.0)]
    frame = pd.DataFrame([(t, lp, 1) for t, lp in tokens], columns=["token", "logprob", "story"])
    frame.to_csv(tmp_path / "g.csv", index=False)
    bits = reading_times.gpt3_surprisal(tmp_path / "g.csv", words)
    np.testing.assert_allclose(bits.to_numpy() * np.log(2), [np.nan, 1.5, 3.0])
    with pytest.raises(BrainLensError, match="word a is 'If', the corpus says 'When'"):
        reading_times.gpt3_surprisal(
            tmp_path / "g.csv", words.assign(text=["When", "peaked", "here."])
        )
    with pytest.raises(BrainLensError, match="story 2 has 3 words, the corpus 2"):
        reading_times.gpt3_surprisal(tmp_path / "g.csv", words.head(2))


def test_ucl_reads_whole_sentences(tmp_path):
    rows = [
        ("lost", "Anne lost null.", 1, 1, -0.4, 250.0),
        ("null.", "Anne lost null.", 2, 1, 0.9, 260.0),
        ("ran.", "He ran.", 1, 2, 1.0, 270.0),
    ]
    frame = pd.DataFrame(
        rows,
        columns=[
            "word",
            "sentence",
            "context_length",
            "sent_id",
            "N400",
            "self_paced_reading_time",
        ],
    )
    for column in {
        c for columns, _, _ in reading_times.UCL_MEASURES.values() for c in columns
    } - set(frame.columns):
        frame[column] = 1.0 + np.arange(3)
    frame.to_csv(tmp_path / "u.csv", index=False)
    recording = reading_times.ucl(tmp_path / "u.csv", measures="erp", targets="n400", **FACTS)
    assert recording.texts == ["Anne", "lost", "null.", "He", "ran."] and recording.kind == "eeg"
    np.testing.assert_array_equal(
        recording.responses.values[:, 0], [np.nan, -0.4, 0.9, np.nan, 1.0]
    )
    with pytest.raises(
        BrainLensError, match="Unknown target of ucl-erp 'n40'; did you mean 'n400'"
    ):
        reading_times.ucl(tmp_path / "u.csv", measures="erp", targets="n40", **FACTS)
    frame.assign(context_length=0).head(1).to_csv(tmp_path / "u.csv", index=False)
    with pytest.raises(BrainLensError, match="words are not where their sentence has them"):
        reading_times.ucl(tmp_path / "u.csv", **FACTS)


def test_a_table_of_words(tmp_path):
    frame = pd.DataFrame(
        {
            "corpus": ["a"] * 4 + ["b"] * 2,
            "text_idx": [0, 0, 1, 1, 0, 0],
            "word_idx": [1, 0, 0, 1, 0, 1],
            "word": ["world", "Hello", "Two", "words", "Other", "text"],
            "mean_rt_ms": [1, 2, 3, np.nan, 5, 6],
        }
    )
    frame.to_csv(tmp_path / "w_t.csv", index=False)
    recording = reading_times.word_table(tmp_path / "w_t.csv", corpus="a")
    assert recording.texts == ["Hello", "world", "Two", "words"] and recording.id == "w-t-a"
    with pytest.raises(BrainLensError, match=r"holds 2 corpora. Choices: a, b"):
        reading_times.word_table(tmp_path / "w_t.csv")
    with pytest.raises(BrainLensError, match=r"Unknown time column of w_t.csv 'rt'"):
        reading_times.word_table(tmp_path / "w_t.csv", columns={"time": "rt"})


# ---- the real ones --------------------------------------------------------------------------------------------------------
@pytest.mark.realdata
@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("natural-stories", (10256, 1)),
        ("natural-stories@as-released", (10256, 1)),
        ("ucl", (1931, 1)),
        ("ucl-eye", (1931, 4)),
        ("ucl-erp", (1931, 6)),
        ("ucl-n400", (1931, 1)),
    ],
)
def test_real_recordings_load(mirror, name, shape):
    recording = load(name)
    assert (
        recording.responses.shape == shape
        and recording.averaged
        and recording.citation.startswith("@")
    )
    assert {"sentence", "position", "length", "log_frequency"} <= set(recording.stimuli.columns)


@pytest.mark.realdata
def test_sentences_agree_with_annotated_ones(mirror):
    """485 sentences in a published annotation of the same words; punctuation alone differs at 15 of 10,256 words."""
    words = load("natural-stories").stimuli
    annotated = pd.read_csv(mirror / "delta_ll" / "ns.csv", keep_default_na=False).sort_values(
        ["article", "zone"]
    )
    last = annotated["is_last"].astype(str).eq("True").to_numpy()
    assert int((words["last_in_sentence"].to_numpy() != last).sum()) <= 15
    np.testing.assert_array_equal(annotated["word"].to_numpy(), words["text"].to_numpy())


@pytest.mark.realdata
@pytest.mark.parametrize("corpus", ["brown", "meco", "natstor", "provo", "ucl", "ucl_spr"])
def test_the_six_corpora(own_data, corpus):
    recording = reading_times.word_table(
        own_data / "reading_times.csv.gz", corpus=corpus, filter="official"
    )
    assert (
        recording.n_stimuli
        == {
            "brown": 7188,
            "meco": 2108,
            "natstor": 10256,
            "provo": 2714,
            "ucl": 1931,
            "ucl_spr": 1931,
        }[corpus]
    )
    assert recording.notes[-1].startswith("filter official: left out")


def joint_lags(words: pd.DataFrame, times: np.ndarray, bits: pd.Series) -> dict[str, float]:
    """t values of surprisal, length and log frequency of the words t+2 .. t-3, fitted jointly with zone and its square."""
    import statsmodels.api as sm

    story = words["story"].to_numpy()
    columns = {
        "const": np.ones(len(words)),
        "zone": words["zone"].to_numpy(float),
        "zone2": words["zone"].to_numpy(float) ** 2,
    }
    for name, values in (
        ("surprisal", bits),
        ("length", words["length"]),
        ("frequency", words["log_frequency"]),
    ):
        for lag in range(-2, 4):
            columns[f"{name}{-lag:+d}"] = (
                pd.Series(values.to_numpy(float)).groupby(story).shift(lag).to_numpy()
            )
    design, response = pd.DataFrame(columns), np.log(times)
    rows = design.notna().all(axis=1).to_numpy() & ~np.isnan(response)
    return dict(sm.OLS(response[rows], design[rows]).fit().tvalues)


@pytest.mark.realdata
def test_reading_times_respond_to_the_unseen_word_until_they_are_realigned(mirror):
    words = load("natural-stories").stimuli
    bits = reading_times.gpt3_surprisal(catalog.paths("natural-stories-gpt3")[0], words)
    assert int(bits.isna().sum()) == 10  # the first word of each story
    released = joint_lags(words, load("natural-stories@as-released").responses.values[:, 0], bits)
    moved = joint_lags(words, load("natural-stories").responses.values[:, 0], bits)
    found = {
        version: [round(fit[f"surprisal{lag}"], 1) for lag in ("+1", "+0", "-1")]
        for version, fit in (("old", released), ("new", moved))
    }
    assert found["old"] == pytest.approx([11.7, 14.8, 9.8], abs=0.9), found
    assert found["new"] == pytest.approx([0.6, 11.7, 14.8], abs=0.4), found
    assert released["length+1"] == pytest.approx(22.7, abs=3.5) and moved[
        "length+1"
    ] == pytest.approx(2.5, abs=0.6)


def test_word_columns_keep_what_is_there():
    table = pd.DataFrame(
        {"text": ["A", "b."], "story": "1", "sentence": ["x", "y"], "position": [5, 6]}
    )
    assert add_word_columns(table)["sentence"].tolist() == ["x", "y"] and add_word_columns(table)[
        "position"
    ].tolist() == [5, 6]
