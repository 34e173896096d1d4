"""Texts that come in versions, languages and lists; words that have no row; texts as programs write them; odd codes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from data.errors import BrainLensError
from data.own.names import kind_of
from data.own.read import read
from data.own.validation import check
from tests.data.own_tables import saved, table

SENTENCES = (
    "The old captain watched the harbour lights fade slowly",
    "Nobody expected the letter to arrive before noon",
    "A small brown dog followed the children home",
    "My sister planted seven rows of beans yesterday",
    "The teacher explained the rule without raising her voice",
    "Heavy rain flooded the cellar during the night",
)
PEOPLE = ("p1", "p2", "p3", "p4")


def read_by(people=PEOPLE, *, shuffled=False, versions=False, sentences=SENTENCES) -> pd.DataFrame:
    """Rows of words, numbered in each item; trials in each person's own order, or items in two versions of a Latin square."""
    rng, rows = np.random.default_rng(1), []
    for who, name in enumerate(people):
        order = rng.permutation(len(sentences)) if shuffled else range(len(sentences))
        for trial, item in enumerate(order, 1):
            words = sentences[item].split()
            version = "ab"[(item + who) % 2]
            if versions and version == "b":
                words = [*words[:2], "really", *words[2:]]
            rows += [
                (name, trial, item + 1, version, place, word, int(rng.integers(200, 500)))
                for place, word in enumerate(words, 1)
            ]
    columns = ["subject", "TRIAL_INDEX", "item", "condition", "pos", "word", "rt"]
    return pd.DataFrame(rows, columns=columns)


def test_items_name_the_texts_where_trials_come_in_another_order_for_each_person(tmp_path):
    rows = read_by(shuffled=True).drop(columns="condition")
    found = read(saved(tmp_path, rows))
    assert found.context == "item" and found.n_targets == 4
    assert sorted(found.texts) == sorted(" ".join(SENTENCES).split())
    first = rows[(rows["subject"] == "p2") & (rows["item"] == 1)].sort_values("pos")["rt"]
    here = found.column("item").astype(str) == "1"
    assert found.responses.values[here, list(found.subjects).index("p2")].tolist() == list(first)
    trials = rows.drop(columns="pos").rename(
        columns={"item": "ItemID"}
    )  # nothing numbers the words
    assert sorted(read(saved(tmp_path, trials)).texts) == sorted(found.texts)


@pytest.mark.parametrize("said", [{}, {"context": "item"}])
def test_versions_of_an_item_are_asked_about_and_never_mixed(tmp_path, said):
    rows = read_by(versions=True)
    path = saved(tmp_path, rows)
    with pytest.raises(
        BrainLensError, match=r"item stands for different words in 6 of 6.*--context item,condition"
    ):
        read(path, **said)
    found = read(path, context="item,condition", group="item")
    assert found.n_stimuli == 2 * len(" ".join(SENTENCES).split()) + 6
    assert np.isfinite(found.responses.values).sum() == len(rows)


def test_numbers_that_start_anew_in_each_list_or_language_are_asked_about(tmp_path):
    first, second = read_by(sentences=SENTENCES[:3]), read_by(sentences=SENTENCES[3:])
    lists = pd.concat([first.assign(experiment="spr"), second.assign(experiment="fillers")])
    lists = lists.drop(columns=["condition", "TRIAL_INDEX"])
    with pytest.raises(
        BrainLensError, match=r"told apart by experiment.*--context item,experiment"
    ):
        read(saved(tmp_path, lists))
    means = (
        lists.groupby(["experiment", "item", "pos", "word"], sort=False)["rt"].mean().reset_index()
    )
    with pytest.raises(BrainLensError, match="told apart by experiment"):
        read(saved(tmp_path, means))
    other = second.assign(subject=second["subject"] + "x", lang="b")
    tongues = pd.concat([first.assign(lang="a"), other]).drop(columns=["condition", "TRIAL_INDEX"])
    with pytest.raises(BrainLensError, match="told apart by lang"):
        read(saved(tmp_path, tongues))
    found = read(saved(tmp_path, tongues), context="lang,item")
    assert sorted(found.texts) == sorted(" ".join(SENTENCES).split())


def test_words_without_a_row_are_told(tmp_path):
    rows = read_by().drop(columns=["condition", "TRIAL_INDEX"])
    assert not [one for one in check(saved(tmp_path, rows)).warnings if "no row" in one.what]
    gone = rows[~((rows["item"] == 2) & (rows["pos"] == 4))]
    what = [one.what for one in check(saved(tmp_path, gone)).warnings]
    assert any("pos jumps: 1 words of 1 texts have no row" in one for one in what)
    firstless = rows[rows["pos"] > 1]  # the first word of a screen was never measured
    what = [one.what for one in check(saved(tmp_path, firstless)).warnings]
    assert any(
        "pos jumps: 6 words of 6 texts have no row, first before line 2," in one for one in what
    )


def test_fixations_are_no_words(tmp_path):
    rows = read_by(("p1",)).drop(columns=["subject", "condition", "TRIAL_INDEX"])
    fixations = pd.concat([rows, rows.iloc[::3]]).sort_values(["item", "pos"], kind="stable")
    with pytest.raises(BrainLensError, match=r"the same word stands at the same place .*Fixations"):
        read(saved(tmp_path, fixations))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("The {}&nbsp;<b>one</b> is here.", "marks of HTML"),
        ("The_{}_one_is_here.", "joined by underscores"),
        ("['The', '{}', 'one']", "are lists"),
        ('"The {} one is here."', "stand in quotation marks"),
        ("The\u00a0{}\u00a0one is here.", "do not break lines"),
        ("The {} one%2C here.", "a program wrote"),
        ("The {} one isn?t here.", "inside a word"),
        ("The {} Ä±ÅŸÄ± here.", "broken or invisible"),
    ],
)  # fmt: skip
def test_texts_as_programs_write_them_are_told(tmp_path, text, said):
    names = [text.format(f"n{chr(97 + i // 26)}{chr(97 + i % 26)}") for i in range(48)]
    what = [one.what for one in check(saved(tmp_path, table(sentence=names))).warnings]
    assert any(said in one for one in what), what
    plain = [
        "Is it 5 < 6? The café's “best” one, isn't it: Müller & Söhne, naïve, 3:45."
        for _ in range(48)
    ]
    report = check(saved(tmp_path, table(sentence=plain)))
    assert not [
        one for one in report.warnings if "texts hold" in one.what or "texts stand" in one.what
    ]


@pytest.mark.parametrize("code", [9, -9, 99])
def test_codes_beside_a_scale_are_told(tmp_path, code):
    ratings = np.random.default_rng(0).integers(1, 8, 48)
    plain = table(bold=ratings)
    assert not [
        w for w in check(saved(tmp_path, plain), responses="bold").warnings if "missing" in w.what
    ]
    ratings[[3, 20]] = code
    report = check(saved(tmp_path, table(bold=ratings)), responses="bold")
    assert any(f"the value {code} occurs 2 times" in one.what for one in report.warnings)


def test_columns_in_another_notation_are_rivals(tmp_path):
    frame = table().rename(columns={"bold": "lh"})
    frame["rh"] = [f"{value:.3f}".replace(".", ",") for value in frame["lh"]]
    path = tmp_path / "both.csv"
    frame.to_csv(path, index=False, sep=";")
    with pytest.raises(BrainLensError, match=r"not plain.*lh, rh"):
        read(path)
    dots = table(bold=[f"1.{100 + i}" if i % 2 else str(500 + i) for i in range(48)])
    with pytest.raises(BrainLensError, match="thousands or decimals cannot be told"):
        read(saved(tmp_path, dots.rename(columns={"bold": "lh"})))


def test_empty_rows_units_and_merged_cells_are_told(tmp_path):
    frame = table()
    lines = frame.to_csv(index=False).splitlines()
    path = tmp_path / "ghosts.csv"
    path.write_text("\n".join([*lines[:9], ",,", *lines[9:], ",,", ",,"]) + "\n")
    found = read(path)
    assert found.n_stimuli == 48 and any(
        "3 empty rows left out, first line 10" in n for n in found.notes
    )
    path.write_text("\n".join([lines[0], ",,(ms)", *lines[1:]]) + "\n")
    with pytest.raises(
        BrainLensError, match=r"line 2 seems to hold units \(\(ms\)\): say them by --unit"
    ):
        read(path)
    rows = read_by(shuffled=False).drop(columns=["condition", "TRIAL_INDEX"])
    merged = rows.assign(subject=rows["subject"].where(~rows["subject"].duplicated(), ""))
    with pytest.raises(BrainLensError, match="merged cells keep it in their first one"):
        read(saved(tmp_path, merged))
    one = rows[rows["subject"] == "p1"].drop(columns="subject")
    one = one.assign(item=one["item"].astype(object).where(~one["item"].duplicated(), ""))
    fixes = [w.fix for w in check(saved(tmp_path, one)).warnings]
    assert any("item stands in the first row of each text only" in fix for fix in fixes)


def test_electrodes_of_the_scalp_are_eeg_and_numbered_people_are_not():
    assert kind_of(["Cz", "Pz"])[0] == kind_of(["F3", "CP4"])[0] == "eeg"
    assert kind_of(["P1", "P2", "P3"])[0] == ""
    assert kind_of(["rater1", "rater2"])[0] == "behaviour"


def test_files_of_other_programs_say_what_to_do(tmp_path):
    for name, said in (
        ("a.rds", "write.csv"),
        ("a.sav", "SPSS"),
        ("a.h5", "numpy.savez"),
        ("a.asc", "interest area"),
        ("a.xyz", "CSV"),
    ):
        path = tmp_path / name
        path.write_bytes(b"something")
        (error,) = check(path).errors
        assert said in error.fix and ".npz" in error.what


def test_a_square_array_may_lie_the_other_way_round(tmp_path):
    np.save(tmp_path / "scan.npy", np.random.default_rng(0).standard_normal((48, 48)))
    table().drop(columns="bold").to_csv(tmp_path / "scan.stimuli.csv", index=False)
    assert any("is square (48 x 48)" in one.what for one in check(tmp_path / "scan.npy").warnings)
