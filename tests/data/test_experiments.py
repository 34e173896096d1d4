"""Trials of experiment software: the same experiment out of every format, rules with counts, and what is refused."""

import json
import zipfile

import numpy as np
import pandas as pd
import pytest

from data.errors import BrainLensError
from data.own.experiments import import_trials, layout_of, rule
from data.own.experiments.rules import apply_rules
from data.own.long import own_trials
from data.own.read import read
from data.own.validation import check
from tests.data import experiment_files as files

WRITERS = {
    "ibex": ("ibex", lambda at, t: files.ibex(at / "results.csv", t)),
    "pcibex": ("ibex", lambda at, t: files.pcibex(at / "results_dev.csv", t)),
    "pavlovia": ("files", lambda at, t: files.pavlovia(at / "data", t)),
    "lists": ("table", lambda at, t: files.listed(at / "jspsych.csv", t)),
    "prompts": ("prompts", lambda at, t: files.prompts(at / "prompts.jsonl", t)),
    "zipped": ("prompts", lambda at, t: files.prompts(at / "prompts.jsonl.zip", t, zipped=True)),
    "codebook": ("table", lambda at, t: files.codebook(at / "exp1.csv", t)),
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_the_same_trials(name, tmp_path):
    table = files.readings()
    layout, write = WRITERS[name]
    path = write(tmp_path, table)
    assert layout_of(path) == layout
    made = import_trials(path)
    found = made.table
    assert len(found) == len(table) and found["person"].nunique() == 6
    if name == "ibex":  # people are numbered there
        found = found.assign(person="s" + (found["person"].str[1:].astype(int) - 1).astype(str))
    keys = ["person", "trial", "word_position"]
    if name in ("ibex", "pcibex", "pavlovia", "lists", "prompts", "zipped"):
        found["trial"] = found.groupby("person")["trial"].transform(
            lambda t: pd.factorize(t)[0] + 1
        )
    one, two = (t.sort_values(keys).reset_index(drop=True) for t in (found, table))
    assert (one["text"] == two["text"]).all()
    np.testing.assert_allclose(one["rt"], two["rt"], atol=1e-6)
    if "prompts" not in str(path):
        assert (one["item"] == two["item"]).all() and (one["condition"] == two["condition"]).all()
    if name in ("ibex", "pavlovia", "codebook"):
        assert (one["correct"] == two["correct"]).all()
    assert (
        "313362cc" not in found.to_csv() and f"{1:032x}" not in found.to_csv()
    )  # no hash of an address


@pytest.mark.parametrize("name", ["ibex", "pavlovia", "prompts"])
def test_what_was_taken_in_is_a_recording_of_people(name, tmp_path):
    table = files.readings()
    made = import_trials(WRITERS[name][1](tmp_path, table), rules=["rt < 450"])
    path = made.write(tmp_path / "mine.csv")
    recording = read(path)
    assert (
        recording.kind == "reading_times"
        and recording.unit == "ms"
        and recording.scored_unit == "word"
    )
    assert recording.n_targets == 6 and recording.n_stimuli == made.table["stimulus_id"].nunique()
    first = recording.stimuli[recording.stimuli["text_id"] == recording.stimuli["text_id"].iloc[0]]
    assert " ".join(first["text"]) in set(files.SENTENCES.values())
    long = own_trials(path)
    kept = table[table["rt"] < 450]
    assert len(long) == len(kept) and sorted(long["rt"]) == sorted(kept["rt"].astype(float))
    assert "condition" in long or name == "prompts"
    with pytest.raises(BrainLensError, match="there already"):
        made.write(path)


def test_rules_say_what_they_leave_out():
    table = files.readings().assign(rt=lambda t: t["rt"].astype(float))
    table.loc[[0, 1], "rt"] = [50, 9000]
    table.loc[2, "rt"] = np.nan
    keep, notes = apply_rules(
        table, ["100 < rt < 3000", "mean(correct) by person >= 0.8", "condition != hard"]
    )
    assert (
        notes[0]
        == "2 rows left out that break the rule '100 < rt < 3000', of 1 people; 1 rows have no value for it and were kept"
    )
    assert "of 1 people (1 of them wholly)" in notes[1] and not table["person"][keep].eq("s5").any()
    assert set(table["condition"][keep]) == {"easy"} and not keep[:2].any()
    kept, _ = apply_rules(table, ["condition in hard, x"])
    assert (table["condition"][kept] == "hard").all()
    spread, notes = apply_rules(table, ["rt within 3 sd by person"])
    assert not spread[1] and "1 rows" in notes[0]
    assert apply_rules(table, ["count by person >= 2", "text not in mat., idea."])[0].sum() < len(
        table
    )


def test_accuracy_counts_trials_not_words():
    rows = [("a", 1, 1.0)] * 9 + [("a", 2, 0.0), ("b", 1, 1.0), ("b", 2, 1.0)]
    table = pd.DataFrame(rows, columns=["person", "trial", "correct"])
    keep, _ = apply_rules(table, ["mean(correct) by person > 0.6"])
    assert set(table["person"][keep]) == {"b"}  # over words, person a would have .9


@pytest.mark.parametrize("text, said", [
    ("rt between 1 and 2", "cannot be read"), ("3000 < rt < 100", "keeps nothing"), ("", "cannot be read"),
])  # fmt: skip
def test_rules_that_are_none(text, said):
    with pytest.raises(BrainLensError, match=said):
        rule(text)


@pytest.mark.parametrize("text, said", [
    ("speed > 3", "speed"), ("text > 3", "holds words"), ("text > word", "by size"), ("rt < 3", "No trial is left"),
])  # fmt: skip
def test_rules_that_do_not_fit_the_table(text, said):
    with pytest.raises(BrainLensError, match=said):
        apply_rules(files.readings(), [text])


def test_missing_codes_are_counted(tmp_path):
    table = files.readings().astype({"rt": float})
    table.loc[[3, 5], "rt"] = -999
    table.to_csv(tmp_path / "t.csv", index=False)
    made = import_trials(tmp_path / "t.csv", missing=["-999"])
    assert made.table["rt"].isna().sum() == 2 and (made.table["rt"].min() or 0) > 0


def test_what_cannot_be_told_is_asked(tmp_path):
    table = files.readings()
    table.rename(columns={"person": "who"}).to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(BrainLensError, match="which column is the person"):
        import_trials(tmp_path / "a.csv")
    assert (
        import_trials(tmp_path / "a.csv", columns={"person": "who"}).table["person"].nunique() == 6
    )
    two = table.rename(columns={"rt": "one.rt"}).assign(**{"two.rt": 1.0})
    two.to_csv(tmp_path / "b.csv", index=False)
    with pytest.raises(BrainLensError, match="several components"):
        import_trials(tmp_path / "b.csv")
    with pytest.raises(BrainLensError, match="role of a column"):
        import_trials(tmp_path / "a.csv", columns={"people": "who"})
    with pytest.raises(BrainLensError, match="column of the table"):
        import_trials(tmp_path / "a.csv", columns={"person": "nobody"})
    table.assign(rt="fast").to_csv(tmp_path / "c.csv", index=False)
    with pytest.raises(BrainLensError, match="are no times"):
        import_trials(tmp_path / "c.csv")
    with pytest.raises(BrainLensError, match="no file"):
        import_trials(tmp_path / "none.csv")
    with pytest.raises(BrainLensError, match="layout of trials"):
        import_trials(tmp_path / "a.csv", layout="qualtrics")


def test_damaged_files_are_answered_in_words(tmp_path):
    table = files.readings()
    text = files.pcibex(tmp_path / "r.csv", table).read_text(encoding="utf-8")
    (tmp_path / "no.csv").write_text(
        "\n".join(x for x in text.splitlines() if "DashedSentence" not in x)
    )
    with pytest.raises(BrainLensError, match="none of its rows has a reading time"):
        import_trials(tmp_path / "no.csv")
    cut = tmp_path / "cut.csv"
    cut.write_text(text[: int(len(text) * 0.6)], encoding="utf-8")  # a line that ends in the middle
    assert 0 < len(import_trials(cut).table) < len(table)
    for content, said in (("{", "no JSON"), ("[1]", "lacks"), ('{"text": "a <<1>>", "participant_id": 1}', "quotation marks"),
                          (json.dumps({"text": "'a' <<b>>", "participant_id": 1, "rt": [1, 2]}), "2 times")):  # fmt: skip
        (tmp_path / "p.jsonl").write_text(content)
        with pytest.raises(BrainLensError, match=said):
            import_trials(tmp_path / "p.jsonl")
    (tmp_path / "p.jsonl.zip").write_bytes(b"PK no")
    with pytest.raises(BrainLensError, match="an archive that cannot be unpacked"):
        import_trials(tmp_path / "p.jsonl.zip")


def test_an_archive_of_files_is_taken_apart_and_stays_inside(tmp_path):
    folder = files.pavlovia(tmp_path / "d", files.readings())
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as packed:
        for number, one in enumerate(sorted(folder.iterdir())):
            packed.write(one, f"../../x{number}/{one.name}")
    made = import_trials(tmp_path / "all.zip")
    assert made.layout == "files" and made.table["person"].nunique() == 6
    assert not (tmp_path.parent / "x0").exists()


def test_choices_with_times_in_a_list(tmp_path):
    text = "Trial 1: The word is 'table'. You press <<a>>.\nTrial 2: The word is 'flummol'. You press <<l>>."
    line = {"text": text, "participant": 7, "experiment": "lexical", "rt": [512.0, 730.5]}
    (tmp_path / "p.jsonl").write_text(json.dumps(line))
    table = import_trials(tmp_path / "p.jsonl").table
    assert list(table["text"]) == ["table", "flummol"] and list(table["rt"]) == [512.0, 730.5]
    assert list(table["response"]) == ["a", "l"] and set(table["person"]) == {"7"}


def test_words_of_a_long_table_stand_in_their_texts(tmp_path):
    """Person, item, word and time, in order of reading: no column numbers the trials or the words."""
    read = {"a": ["The", "cat", "sat"], "b": ["The", "dog", "sat", "down"]}
    rows = [
        f"{p},{t},{word},{300 + k}" for p in "xyz" for t in read for k, word in enumerate(read[t])
    ]
    (tmp_path / "long.csv").write_text("\n".join(["participant,story,word,RT", *rows]))
    made = import_trials(tmp_path / "long.csv")
    assert len(made.table) == 21 and made.table["stimulus_id"].nunique() == 7
    first = made.table[made.table["person"] == "x"]
    assert list(first["stimulus_id"]) == ["a.1", "a.2", "a.3", "b.1", "b.2", "b.3", "b.4"]
    assert made.said["context"] == ["text_id"]


def words_of(people: int = 3) -> pd.DataFrame:
    """Sentences word by word, with the names that many laboratories give the columns; 'the' comes twice."""
    texts = [["the", "cat", "saw", "the", "dog"], ["a", "dog", "ran", "home", "again"]]
    rows = [
        (p, s + 1, k + 1, word, 300.0 + 10 * k + p)
        for p in range(people)
        for s, words in enumerate(texts)
        for k, word in enumerate(words)
    ]
    return pd.DataFrame(rows, columns=["subj", "sent", "pos", "word", "RT"])


def test_sentences_and_places_are_known_by_their_usual_names(tmp_path):
    words_of().to_csv(tmp_path / "t.csv", index=False)
    made = import_trials(tmp_path / "t.csv")
    assert made.table["text_id"].nunique() == 2 and made.table["stimulus_id"].nunique() == 10
    assert {"item = sent", "word_position = pos"} <= set(made.notes) and "WARNING" not in str(made)
    tagged = words_of().assign(pos="NOUN")  # parts of speech are no places
    tagged.to_csv(tmp_path / "tags.csv", index=False)
    made = import_trials(tmp_path / "tags.csv")
    assert "kept as they are: pos" in made.notes and made.table["word_position"].max() == 5


def test_words_of_no_text_are_warned_of_and_what_is_lost_is_counted(tmp_path):
    words_of().drop(columns=["sent", "pos"]).to_csv(tmp_path / "t.csv", index=False)
    made = import_trials(tmp_path / "t.csv")
    (said,) = (note for note in made.notes if note.startswith("WARNING"))
    assert "each is read alone" in said and "--column trial=COLUMN" in said
    assert any("6 rows left out: the same person met" in note for note in made.notes)


@pytest.mark.parametrize("column", [[-999.0, 312.0], ["-999", "lost"]])
def test_codes_of_the_times_are_counted_as_numbers_and_as_words(tmp_path, column):
    table = words_of().astype({"RT": object})
    table.loc[[2, 5], "RT"] = column
    table.to_csv(tmp_path / "t.csv", index=False)
    codes = ["-999", "lost"] if "lost" in column else ["-999"]
    made = import_trials(tmp_path / "t.csv", missing=codes)
    assert f"{len(codes)} cells of RT hold {' or '.join(codes)}: no value" in made.notes
    report = str(check(tmp_path / "t.csv", missing=codes))
    assert f"{len(codes)} cells of RT hold {' or '.join(codes)}: no value" in report
    assert "no cell of the responses holds -77" in str(
        check(tmp_path / "t.csv", missing=["-77"])
    ) or ("lost" in column)


def test_rows_that_stand_twice_are_left_out_before_texts_are_told_apart(tmp_path):
    table = two_lists()
    whole = import_trials(_written(table, tmp_path / "a.csv"))
    twice = pd.concat([table, table[table["person"] == "A1"]])
    made = import_trials(_written(twice, tmp_path / "b.csv"))
    assert any("the same word of the same trial twice" in note for note in made.notes)
    assert len(made.table) == len(whole.table)
    assert set(made.table["stimulus_id"]) == set(whole.table["stimulus_id"])


def two_lists() -> pd.DataFrame:
    """Two lists of three items of the same numbers, other sentences in each; a practice trial, a code."""
    texts = {
        "A": ["the old dog slept", "rain fell all night", "we sold that house"],
        "B": ["some pilots fly planes", "my aunt bakes bread", "ink stains her sleeve"],
    }
    rows = [
        (f"{one}{p}", k + 1, one, k + 1, w + 1, word, 300.0 + w, "practice" if not k else "main")
        for one, sentences in texts.items()
        for p in range(2)
        for k, text in enumerate(sentences)
        for w, word in enumerate(text.split())
    ]
    names = ["person", "trial", "list", "item", "position", "word", "rt", "phase"]
    return pd.DataFrame(rows, columns=names)


def test_what_looks_wrong_is_said_with_what_to_do(tmp_path):
    table = two_lists()
    table.loc[[1, 2], "rt"] = -999
    path = _written(table, tmp_path / "t.csv")
    told = "\n".join(import_trials(path).notes)
    assert "2 times are 0 or less (-999): name -999 as a code" in told
    assert "16 rows are 'practice' in phase: leave them out by the rule 'phase != practice'" in told
    assert "3 items have texts without words in common" in told and "item=list+item" in told
    made = import_trials(
        path, columns={"item": "list+item"}, missing=["-999"], rules=["phase != practice"]
    )
    assert not any("WARNING" in note for note in made.notes)
    assert sorted(made.table["item"].unique()) == ["A:2", "A:3", "B:2", "B:3"]


def test_versions_of_an_item_that_share_their_words_are_no_other_items(tmp_path):
    table = two_lists().assign(
        word=lambda t: t["word"].where((t["list"] == "A") | (t["position"] == 4))
    )
    table["word"] = table["word"].fillna("same")
    table.loc[table["list"] == "A", "word"] = table.loc[table["list"] == "A", "word"].where(
        table["position"] == 4, "same"
    )
    told = import_trials(_written(table, tmp_path / "t.csv")).notes
    assert not any("in common" in note for note in told)


def test_a_code_is_not_turned_into_milliseconds(tmp_path):
    table = two_lists().assign(rt=lambda t: t["rt"] / 1000)
    table.loc[0, "rt"] = -999
    made = import_trials(_written(table, tmp_path / "t.csv"))
    assert any("turned into ms" in note for note in made.notes)
    assert any("(-999)" in note for note in made.notes) and made.table["rt"].min() == -999


def _written(table: pd.DataFrame, path) -> object:
    table.to_csv(path, index=False)
    return path


@pytest.mark.parametrize("name", ["subj", "WorkerId", "ppt", "who"])
def test_people_keep_their_names_as_they_are_written(tmp_path, name):
    rows = [
        (who, item, f"sentence number {item} of these", 400 + item)
        for who in ("01", "1", "001")
        for item in range(1, 5)
    ]
    pd.DataFrame(rows, columns=[name, "item", "sentence", "rt"]).to_csv(
        tmp_path / "t.csv", index=False
    )
    made = import_trials(tmp_path / "t.csv", columns={"person": name} if name == "who" else None)
    assert set(made.table["person"]) == {"01", "1", "001"} and len(made.table) == 12
    assert read(made.write(tmp_path / "mine.csv")).n_targets == 3


def _words_of_two_items(
    people=("p1", "p2", "p3"), sentences=("He read it at once.", "Some bees sleep late.")
):
    rows, count = [], 0
    for who in people:
        for item, text in enumerate(sentences, 1):
            rows.append((who, None, None, count, "<p>+</p>", 400))
            for place, word in enumerate(text.split(), 1):
                count += 1
                rows.append((who, item, place, count, f"<p>{word}</p>", 300 + count))
            count += 1
            rows.append((who, item, None, count, "Was it late?", 900))
    names = ["subject", "item", "word_num", "trial_index", "stimulus", "rt"]
    return pd.DataFrame(rows, columns=names)


def test_a_counter_of_rows_is_no_trial_and_crosses_and_questions_are_no_words(tmp_path):
    path = tmp_path / "spr.csv"
    rows = _words_of_two_items()
    rows.to_csv(path, index=False)
    made = import_trials(path)
    assert made.table.groupby("text_id")["text"].agg(
        lambda t: " ".join(dict.fromkeys(t))
    ).tolist() == [
        "He read it at once.",
        "Some bees sleep late.",
    ]
    said = " ".join(made.notes)
    assert (
        "trial_index counts rows, not trials" in said
        and "such as '+'" in said
        and "'Was it late?'" in said
    )
    loops = rows[rows["word_num"].notna()].rename(columns={"word_num": "words.thisN"})
    loops.drop(columns="trial_index").to_csv(path, index=False)
    made = import_trials(path)
    assert "words.thisN numbers the words of each item" in made.notes
    assert made.table["text_id"].nunique() == 2 and made.said["order"] == ["word_position"]


def test_versions_of_an_item_name_the_column_that_tells_them_apart(tmp_path):
    path = tmp_path / "latin.csv"
    rows = files.readings().drop(columns=["trial", "correct"])
    rows["list"] = rows["person"].str[1].astype(int) % 2
    rows.to_csv(path, index=False)
    with pytest.raises(BrainLensError, match=r"Choices: condition, list.*item=ITEM\+condition"):
        import_trials(path)
    assert import_trials(path, columns={"item": "item+condition"}).table["text_id"].nunique() == 6


def test_the_names_of_an_eye_tracker_are_known(tmp_path):
    names = {
        "person": "RECORDING_SESSION_LABEL",
        "trial": "TRIAL_INDEX",
        "word_position": "IA_ID",
        "text": "IA_LABEL",
    }
    path = tmp_path / "gaze.txt"
    files.readings().rename(columns={**names, "rt": "IA_DWELL_TIME"}).to_csv(
        path, index=False, sep="\t"
    )
    made = import_trials(path, columns={"rt": "IA_DWELL_TIME"})
    assert made.said["kind"] == "eye_tracking" and made.table["person"].nunique() == 6


def test_wrong_answers_and_lists_of_times_are_told_by_the_check(tmp_path):
    path = tmp_path / "maze.csv"
    rows = files.readings().assign(right=lambda t: np.where(t["correct"] > 0, "yes", "no"))
    rows = rows[rows["condition"] == "easy"].drop(columns=["correct", "trial", "condition"])
    rows.rename(columns={"right": "correct"}).to_csv(path, index=False)
    report = check(path)
    assert any('--rule "correct == yes"' in one.fix for one in report.warnings), str(report)
    lists = pd.DataFrame(
        {
            "subject": ["a", "b"],
            "text": ["He left.", "She came."],
            "rt": ["[300, 301]", "[302, 303]"],
        }
    )
    lists.to_csv(path, index=False)
    assert "data trials maze.csv" in check(path).errors[0].fix
