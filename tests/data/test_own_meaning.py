"""What a user's table is taken to mean: the order, one corpus of several, and everything that was not said; with lines."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from data.catalog import shelf
from data.catalog.catalog import recording as load
from data.catalog.files import check
from data.errors import BrainLensError
from data.own import read as own
from data.own.sidecar import write_sidecar
from tests.data.own_tables import saved, table


def said(report, level=""):
    return "\n".join(f.what for f in report.findings if not level or f.level == level)


# ---- order ----------------------------------------------------------------------------------------------------------------
def test_an_order_that_starts_again_holds_inside_each_text(tmp_path):
    whole = table(order=[i % 8 for i in range(48)])
    shuffled = pd.concat(
        [part.sample(frac=1, random_state=1) for _, part in whole.groupby("topic")]
    )
    report = check(saved(tmp_path, shuffled))
    assert report.recording.texts == whole[
        "sentence"
    ].tolist() and "rows sorted inside each topic" in said(report, "fact")
    assert not any("order" in finding.what for finding in report.warnings)
    finer = whole.assign(passage=[i // 4 for i in range(48)]).sample(frac=1, random_state=2)
    read = own.read(
        saved(tmp_path, finer), context="passage"
    )  # passages of a topic follow each other as the order says
    for _, part in read.stimuli.groupby("topic", sort=False):
        assert part["order"].tolist() == list(range(8))


def test_an_order_over_the_whole_table_and_one_with_ties(tmp_path):
    whole = table(
        order=list(range(48)), topic=["a", "b"] * 24
    )  # topics alternate, as they were presented
    path = saved(tmp_path, whole.sample(frac=1, random_state=1))
    assert own.read(path).texts == whole["sentence"].tolist()
    tied = whole.assign(order=[*range(46), 3, 3])
    report = check(saved(tmp_path, tied))
    assert (
        "order is the same in 3 rows, which stay in turn as they stand in the file: line 5, line 48, line 49"
        in said(report, "warning")
    )
    assert report.recording.stimuli["order"].is_monotonic_increasing
    assert any("order is the same in 3 rows" in note for note in report.recording.notes)
    once = table(order=[*range(7), 6, *list(range(8)) * 5])
    assert "order is the same inside one 'topic' in 2 rows" in said(
        check(saved(tmp_path, once)), "warning"
    )


def test_a_guessed_order_that_is_none_is_left_alone(tmp_path):
    path = saved(tmp_path, table(order=[i % 8 for i in range(48)]).drop(columns="topic"))
    report = check(path)
    assert report.recording.texts == table()["sentence"].tolist()
    assert "in 48 rows, so all rows stay as they stand in the file" in said(report, "warning")


@pytest.mark.parametrize("cell", ["four", "4a", "2024-01-01"])
def test_an_order_of_words_is_refused_with_its_line(tmp_path, cell):
    frame = table(order=list(range(48))).astype(object)
    frame.loc[4, "order"] = cell
    with pytest.raises(
        BrainLensError,
        match=rf"'order' holds 1 cells that are not numbers, first '{cell}' \(line 6\)",
    ):
        own.read(saved(tmp_path, frame))


def test_dates_are_an_order(tmp_path):
    frame = table(when=pd.date_range("2024-01-01", periods=48, freq="min"))
    frame.sample(frac=1, random_state=1).to_parquet(tmp_path / "x.parquet")
    assert own.read(tmp_path / "x.parquet", order="when").texts == frame["sentence"].tolist()


def test_an_order_that_differs_between_people_is_said(tmp_path):
    frames = [
        table(12).assign(subject=s, stimulus_id=range(12), order=np.roll(range(12), k))
        for k, s in enumerate("ab")
    ]
    report = check(saved(tmp_path, pd.concat(frames)))
    assert (
        "order differs between people for 12 stimuli: the first person's is taken, first line 2"
        in said(report, "warning")
    )
    apart = check(
        saved(tmp_path, pd.concat(frames).drop(columns="stimulus_id").assign(trial=range(24)))
    )
    assert apart.recording.n_stimuli == 12 and "trial" not in apart.recording.stimuli
    assert "differ between people for the same stimulus, so not kept of the stimuli: trial" in said(
        apart
    )


# ---- corpora --------------------------------------------------------------------------------------------------------------
def words(**columns):
    texts = ["The bees live here .", "A hive has one queen .", "It is warm inside now ."]
    rows = [
        {
            "corpus": corpus,
            "text_idx": t,
            "word_idx": w,
            "word": word,
            "mean_rt_ms": 300 + 7.5 * len(word) + w + offset,
        }
        for corpus, offset in (("one", 0), ("two", 50))
        for t, text in enumerate(texts * 5)
        for w, word in enumerate(text.split())
    ]
    return pd.DataFrame(rows).assign(**columns)


def test_several_corpora_are_not_taken_for_one(tmp_path):
    path = saved(tmp_path, words(), "my_times.csv")
    report = check(path)
    assert (
        not report.ok and "holds 2 corpora" in said(report) and "Choices: one, two" in said(report)
    )
    assert "my_times.csv#one" in report.errors[0].fix
    both = own.read(path, group="corpus,text_idx", context="corpus,text_idx")
    assert both.n_stimuli == len(words()) and len(set(both.column(both.group))) == 30


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_one_corpus_is_named_behind_the_path(tmp_path, suffix):
    path = tmp_path / f"my_times{suffix}"
    frame = words()
    frame.loc[100, "mean_rt_ms"] = np.nan
    frame.to_csv(path, index=False) if suffix == ".csv" else frame.to_parquet(path)
    two = own.read(f"{path}#two")
    assert (
        two.id == "my-times-two"
        and two.n_stimuli == len(frame) // 2
        and two.kind == "reading_times"
    )
    assert own.read(path, corpus="two").stimuli.equals(two.stimuli)
    assert load(f"{path}#two").id == "my-times-two" and own.corpora_of(path) == ["one", "two"]
    eyes = own.read(f"{path}#one:eye_tracking")
    assert (eyes.kind, eyes.unit, eyes.id) == ("eye_tracking", "ms", "my-times-one")
    report = check(f"{path}#two")
    assert report.ok and report.name == f"my_times{suffix}#two"
    assert ("line 102" if suffix == ".csv" else "row 101") in said(report)
    with pytest.raises(
        BrainLensError, match=r"Unknown corpus of my_times.* 'too'; did you mean 'two'"
    ):
        own.read(f"{path}#too")
    with pytest.raises(BrainLensError, match="Unknown kind of recording 'eyes'"):
        own.read(f"{path}#two:eyes")
    with pytest.raises(BrainLensError, match="has no column 'corpus' to find 'two' in"):
        own.read(f"{saved(tmp_path, table())}#two")
    odd = saved(tmp_path, table(), "odd#name.csv")
    assert own.read(odd).n_stimuli == 48


def test_one_corpus_can_be_kept(clean_home):
    staged = shelf.stage({"times.csv": words().to_csv(index=False).encode()})
    with pytest.raises(BrainLensError, match="holds 2 corpora"):
        shelf.keep(staged)
    assert load(shelf.keep(staged, corpus="two").id).n_stimuli == len(words()) // 2


@pytest.mark.realdata
def test_six_corpora(own_data):
    path = own_data / "reading_times.csv.gz"
    assert not check(path).ok
    brown = own.read(f"{path}#brown")
    assert (brown.id, brown.n_stimuli, brown.group, brown.unit) == (
        "reading-times-brown",
        7188,
        "text_idx",
        "ms",
    )


# ---- what is said ---------------------------------------------------------------------------------------------------------
WRONG = [
    ({"averaged": "false"}, "averaged is 'false', not true or false"),
    ({"simulated": "no"}, "simulated is 'no', not true or false"),
    ({"averaged": 1}, "averaged is 1, not true or false"),
    ({"quality": ["a"]}, r"quality is \['a'\], not a text"),
    ({"responses": 7}, "responses is 7, not the name of a column or a list of names"),
    ({"responses": ["bold", 7]}, r"responses is \['bold', 7\]"),
    ({"text": ["sentence"]}, r"text is \['sentence'\], not the name of a column"),
    ({"subject": ["a"]}, r"subject is \['a'\], not the name of a column, or the subject of each"),
    ({"subject": {"bold": 1.5}}, "subject is .*1.5"),
    ({"unit": 3}, "unit is 3, not a text"),
]


@pytest.mark.parametrize(("fields", "message"), WRONG)
def test_types_are_made_sure_of(tmp_path, fields, message):
    path = saved(tmp_path, table())
    beside = tmp_path / "mine.csv.brainlens.json"
    beside.write_text(json.dumps(fields))
    with pytest.raises(BrainLensError, match=f"mine.csv.brainlens.json: {message}"):
        own.read(path)
    assert not check(path).ok
    beside.unlink()
    with pytest.raises(BrainLensError, match=message):
        own.read(path, **fields)
    with pytest.raises(BrainLensError, match=message):
        write_sidecar(path, **fields)
    assert not beside.exists()


def test_null_facts_are_as_good_as_not_said(tmp_path):
    path = saved(tmp_path, table())
    (tmp_path / "mine.csv.brainlens.json").write_text(
        '{"averaged": null, "quality": null, "responses": null, "group": null}'
    )
    recording = own.read(path, responses=("bold",))
    assert recording.averaged and recording.quality == "" and recording.group is None


def test_a_column_is_one_thing(tmp_path):
    frame = table(text=[f"set {i // 12}" for i in range(48)])
    recording = own.read(saved(tmp_path, frame), text="sentence", group="text", within="text")
    assert (
        recording.column(recording.group).tolist() == frame["text"].tolist()
        and recording.within == recording.group
    )
    people = saved(tmp_path, table(subject=["a", "b"] * 24))
    with pytest.raises(
        BrainLensError, match="column 'subject' cannot be both the subject and group"
    ):
        own.read(people, group="subject")


# ---- what was understood --------------------------------------------------------------------------------------------------
def test_the_report_says_how_the_columns_were_understood(tmp_path):
    path = saved(tmp_path, table(s1_bold=np.arange(48) * 0.5, s2_bold=np.arange(48) * 0.25, part=1))
    report = check(path, group="topic", text="sentence")
    assert (
        "understood as: text = sentence; responses = bold (guessed); group = topic; not used: s1_bold, s2_bold, part; "
        "kind = fmri (guessed)"
    ) in said(report, "fact")
    assert "bold was taken as the response and s1_bold, s2_bold left aside" in said(
        report, "warning"
    )
    named = check(path, responses="bold", kind="fmri")
    assert (
        "responses = bold;" in said(named)
        and "left aside" not in said(named)
        and "kind" not in said(named, "fact")
    )


def test_one_column_is_taken_as_an_average_until_it_is_said(tmp_path):
    path = saved(tmp_path, table())
    report = check(path)
    assert "1 targets, taken as an average over people" in said(report)
    assert any('"averaged": false' in finding.fix for finding in report.findings)
    assert "averaged over people;" in said(check(path, averaged=True))
    one = check(path, averaged=False)
    assert not one.recording.averaged and "it is not known which target belongs to whom" in said(
        one, "warning"
    )


def test_ids_that_occur_twice_are_said(tmp_path):
    ids = [f"s{i}" for i in range(47)] + ["s3"]
    report = check(saved(tmp_path, table(stimulus_id=ids)))
    assert (
        "'stimulus_id' has ids more than once in 2 rows, so the rows are numbered instead: line 5, line 49"
        in said(report, "warning")
    )
    assert list(report.recording.stimuli.index) == list(range(48))
    assert "'stimulus_id' is empty in 1 rows" in said(
        check(saved(tmp_path, table(stimulus_id=[*ids[:-1], None])))
    )
    assert "stimulus_id" not in said(check(saved(tmp_path, table(stimulus_id=range(48)))))


# ---- places ---------------------------------------------------------------------------------------------------------------
def test_lines_survive_sorting(tmp_path):
    frame = table(order=list(range(48))[::-1])
    frame.loc[6, "sentence"], frame.loc[9, "bold"] = "Two  spaces here.", 12345.6
    report = check(saved(tmp_path, frame))
    assert report.recording.texts[-1].startswith("Sentence 0")
    assert "several spaces in a row: line 8" in said(
        report
    ) and "50 median deviations away: line 11" in said(report)


def test_lines_survive_one_row_per_person(tmp_path):
    frame = pd.concat(
        [table().assign(subject=s, bold=lambda f, k=k: f["bold"] + k) for k, s in enumerate("abc")]
    )
    frame = frame.reset_index(drop=True)
    frame.loc[100, "bold"] = 9999.5
    frame.loc[[6, 54, 102], "sentence"] = "Two  spaces here."
    report = check(saved(tmp_path, frame))
    assert report.facts["n_subjects"] == 3
    assert "1 values lie more than 50 median deviations away: line 102" in said(report)
    assert "several spaces in a row: line 8" in said(report)


# ---- words in their text --------------------------------------------------------------------------------------------------
def test_words_stand_in_their_text(tmp_path):
    texts = [
        "The bees live here.",
        "A hive has one queen.",
        "“It’s well-known,” she said, said again.",
    ] * 5
    rows = [
        {"story": i, "line": text, "word": word, "rt": 300.5 + len(word) + i}
        for i, text in enumerate(texts)
        for word in text.replace("-", " ").replace(",”", ",” ").split()
    ]
    frame = pd.DataFrame(rows)
    right = check(saved(tmp_path, frame), text="word")
    assert right.recording.scored_unit == "word" and "in order" not in said(right)
    swapped = frame.copy()
    swapped.loc[[1, 2], "word"] = ["live", "bees"]
    swapped.loc[5, "word"] = "hives"
    report = check(saved(tmp_path, swapped), text="word")
    assert (
        "the words of 2 texts are not found in order in 'line', first 'bees': line 4, line 7"
        in said(report, "warning")
    )
    other = check(
        saved(tmp_path, swapped.assign(line="Read by people at home in the evening.")), text="word"
    )
    assert "in order" not in said(other)


# ---- anything else --------------------------------------------------------------------------------------------------------
def test_what_is_no_file_is_said(tmp_path):
    path = saved(tmp_path, table())
    report = check(tmp_path)
    assert "is a folder, not a file. Choices: mine.csv" in said(report) and not report.ok
    assert "'pereira2018' is a recording of the catalogue" in said(check("pereira2018"))
    assert "'wikitext-2' is text of the catalogue" in said(check("wikitext-2"))
    assert "There is no file" in said(check(path.with_name("none.csv")))


@pytest.mark.parametrize(("failure", "what"), [
    (ZeroDivisionError("no part\nof this"), "mine.csv could not be read: ZeroDivisionError: no part of this"),
    (MemoryError("no room\nfor this"), "Out of memory: no room"),
])  # fmt: skip
def test_a_failure_that_nobody_foresaw_is_a_finding(tmp_path, monkeypatch, failure, what):
    def fails(*_):
        raise failure

    monkeypatch.setattr("data.own.read._table", fails)
    report = check(saved(tmp_path, table()))
    assert len(report.findings) == 1 and not report.ok
    assert report.errors[0].what.removesuffix(".") == what
