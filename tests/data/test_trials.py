"""Single trials: the published files as they are, and what is wrong with each."""

import numpy as np
import pandas as pd
import pytest

from data.catalog.catalog import recording
from data.errors import BrainLensError
from data.readers import trials as reading
from data.readers.trials import choices, maze_table, nieuwland_table, trials, ucl_eye_table

REAL = pytest.mark.realdata


def _story_file(folder, lengths):
    rows = [{"rt": 700 + p, "wlen": n, "unigramsurp": 3.0, "subject": f"s{p}", "docid": "Boar", "sentid": s, "sentpos": i}
            for p in range(3) for s, own in enumerate(lengths) for i, n in own]  # fmt: skip
    path = folder / "maze.tsv"
    pd.DataFrame(rows).to_csv(path, sep="\t", index=False)
    return path


def test_maze_words_are_found_by_the_lengths_of_their_sentences(tmp_path):
    text = "A bee flew over nine hills. It sang so well."
    words = pd.DataFrame(
        {"text": text.split(), "story": "1"}, index=[f"1.{i}" for i in range(1, 11)]
    )
    path = _story_file(tmp_path, [[(2, 3), (3, 4), (4, 4), (5, 4)], [(2, 4), (3, 2)]])
    _, table = maze_table(path, words)
    assert table["stimulus"].iloc[:6].tolist() == ["1.2", "1.3", "1.4", "1.5", "1.8", "1.9"]
    assert table.attrs["response"] == "rt" and table["person"].nunique() == 3
    with pytest.raises(
        BrainLensError, match="sentence 1 of Boar fits nowhere in the story: its lengths are"
    ):
        maze_table(_story_file(tmp_path, [[(2, 3), (3, 4)], [(2, 4), (3, 9)]]), words)


def test_a_damaged_r_file_is_named(tmp_path):
    (tmp_path / "df.rda").write_bytes(b"RDX3\nnothing")
    with pytest.raises(BrainLensError, match=r"df\.rda is no R file that can be read"):
        nieuwland_table(tmp_path / "df.rda")


def test_what_has_no_trials_is_refused():
    with pytest.raises(BrainLensError, match="recording of single trials"):
        trials("natural-stories")
    with pytest.raises(BrainLensError, match="choice of people"):
        ucl_eye_table("nowhere.csv", people="half")


@REAL
@pytest.mark.parametrize("name, people, words, measured, kind", [
    ("ucl-eeg", 24, 1931, 1931, "eeg"),
    ("ucl-eyetracking-people", 43, 1931, 1931, "eye_tracking"),
    ("ucl-eyetracking-people@published", 35, 1931, 1931, "eye_tracking"),
    ("naturalstories-maze", 63, 10256, 9304, "reading_times"),
    ("brothers2021", 216, 6568, 648, "reading_times"),
])  # fmt: skip
def test_recordings_of_persons(mirror, name, people, words, measured, kind):
    found = recording(name)
    assert (found.n_targets, found.n_stimuli, found.n_measured, found.kind) == (
        people,
        words,
        measured,
        kind,
    )
    assert len(set(found.subjects)) == people and found.citation.startswith("@") and found.licence


@REAL
def test_every_length_in_the_maze_is_that_of_its_word(mirror):
    source = pd.read_csv(mirror / "maze_ns" / "boyce_2023.tsv", sep="\t")
    table = trials("naturalstories-maze")
    assert len(table) == len(source) == 56_447 and table["stimulus"].nunique() == 9_304
    assert (table["text"].str.len().to_numpy() == source["wlen"].to_numpy()).all()
    np.testing.assert_array_equal(table["rt"], source["rt"])


@REAL
@pytest.mark.slow
def test_nieuwland_without_its_traps(mirror):
    found, table = recording("nieuwland2018"), trials("nieuwland2018")
    assert found.n_targets == 334 and found.n_measured == 159 and table["lab"].nunique() == 9
    assert len(table) == 26_176 - 198 - 328 and not table.duplicated(["person", "item"]).any()
    nouns = table["item_noun"].str.partition("-")[2].str.split().str[0]
    assert (table["text"].str.strip(".,") == nouns).all()
    raw = reading._r_file(mirror / "nieuwland2018" / "df_eeg_complete.rda")
    assert len(raw) == 26_176
    assert np.corrcoef(raw["cloze"], raw["n400"])[0, 1] == pytest.approx(0.0843, abs=5e-5)
    items = table.groupby("item_noun")[["cloze", "n400"]].mean()
    assert items.corr().iloc[0, 1] == pytest.approx(0.50, abs=0.005)
    assert table[["cloze", "n400"]].corr().iloc[0, 1] == pytest.approx(0.0876, abs=5e-4)


@REAL
def test_choices_are_turned_with_their_pair(mirror):
    table = choices()
    assert (
        len(table) == 3960
        and table["pair"].nunique() == 132
        and (table.groupby("pair")["person"].nunique() == 30).all()
    )
    assert (table.groupby("pair")["bert"].nunique() == 1).all() and set(table["rating"]) == {
        -2.5,
        -1.5,
        -0.5,
        0.5,
        1.5,
        2.5,
    }
    first = table.iloc[
        0
    ]  # "Somewhat confident" in the second sentence shown, which is the first in the fixed order
    assert (
        first["first"].startswith("I understand")
        and not first["chose_second"]
        and first["bert"] < 0
    )


@REAL
@pytest.mark.slow
def test_garden_paths_and_agreement(mirror):
    found, table = recording("sap2024-agreement"), trials("sap2024-agreement")
    assert found.n_targets == 2000 and found.n_measured == 216 and len(table) == 81_924 - 15
    assert table.groupby("construction")["item"].nunique().to_dict() == {"AGREE": 18, "NPZ": 18}
    assert set(table["region"]) == {0, 1, 2} and table["rt"].min() == 17
