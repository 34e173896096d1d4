"""A user's own tables: what is guessed, what is asked for, and 30 broken files named by line or column."""

import gzip
import json

import numpy as np
import pandas as pd
import pytest

from data.catalog.catalog import recording as load
from data.errors import BrainLensError
from data.own import read as own
from data.own.sidecar import write_sidecar
from data.own.validation import check, inspect
from tests.data.own_tables import saved, table


def test_plain_columns_are_guessed(tmp_path):
    recording = own.read(saved(tmp_path, table()))
    assert recording.texts[0] == "Sentence 0 is about thing 0." and recording.group == "topic"
    assert recording.responses.target.values.tolist() == ["bold"] and recording.averaged
    assert recording.id == "mine" and recording.stimuli["position"].tolist() == list(range(48))


def test_what_is_not_plain_is_asked_for(tmp_path):
    path = saved(
        tmp_path,
        table(bold=1.5, left=np.arange(48) + 0.5, right=np.arange(48) * 0.25).rename(
            columns={"bold": "x"}
        ),
    )
    with pytest.raises(
        BrainLensError,
        match=r"which columns hold the responses is not plain. Choices: x, left, right",
    ):
        own.read(path)
    both = own.read(path, responses="left,right")
    assert both.n_targets == 2 and not both.averaged and both.subjects is None


def test_joined_context_and_order(tmp_path):
    frame = table(
        experiment=["a"] * 24 + ["b"] * 24,
        part=[i % 2 for i in range(48)],
        when=list(range(48))[::-1],
    )
    path = saved(tmp_path, frame)
    recording = own.read(path, context="experiment,part", order="when", within="experiment")
    assert (
        recording.context == "experiment+part"
        and recording.stimuli["experiment+part"].iloc[0] == "b | 1"
    )
    assert recording.texts[0].startswith("Sentence 47") and recording.within == "experiment"
    assert recording.column("passage").tolist() == recording.column("experiment+part").tolist()
    assert recording.column("part+topic")[0] == "1 | topic5"


def test_one_row_per_subject_becomes_one_target_per_subject(tmp_path):
    frame = pd.concat(
        [
            table(nr=range(48)).assign(subject=s, bold=lambda f, k=k: f["bold"] + k)
            for k, s in enumerate("abc")
        ]
    )
    shuffled = (
        frame.reset_index(drop=True).drop(5).sample(frac=1, random_state=1)
    )  # subject a has no sentence 5
    recording = own.read(saved(tmp_path, shuffled), order="nr")
    assert recording.n_stimuli == 48 and recording.texts == table()["sentence"].tolist()
    assert set(recording.subjects) == {"a", "b", "c"} and not recording.averaged
    wide = recording.responses.sel(target="b").values - recording.responses.sel(target="a").values
    np.testing.assert_allclose(wide[~np.isnan(wide)], 1.0)
    assert (
        recording.texts[int(np.flatnonzero(np.isnan(wide))[0])].startswith("Sentence 5 ")
        and np.isnan(wide).sum() == 1
    )


def test_a_stimulus_twice_by_one_subject_is_refused(tmp_path):
    frame = pd.concat(
        [
            table().assign(subject="a", stimulus_id=range(48)),
            table().assign(subject="a", stimulus_id=range(48)).head(2),
        ]
    )
    with pytest.raises(
        BrainLensError,
        match="subject and stimulus_id occur together more than once: line 50, line 51",
    ):
        own.read(saved(tmp_path, frame))


def test_words_that_look_missing_are_words(tmp_path):
    words = ["null", "NA", "None", "nan", "n/a", "true", "1984", "the"] * 6
    path = saved(tmp_path, table(sentence=words))
    recording = own.read(path)
    assert recording.texts[:7] == words[:7] and recording.scored_unit == "word"


def test_the_sidecar_is_used_and_overruled(tmp_path):
    path = saved(tmp_path, table().rename(columns={"sentence": "what", "bold": "y"}))
    write_sidecar(
        path,
        text="what",
        responses=["y"],
        quality="retyped, may carry digit errors",
        kind="ecog",
        unit="uV",
    )
    recording = own.read(path)
    assert recording.quality == "retyped, may carry digit errors" and (
        recording.kind,
        recording.unit,
    ) == ("ecog", "uV")
    assert own.read(path, unit="mV").unit == "mV"
    write_sidecar(path, unit="nV")
    assert (
        own.read(path).unit == "nV"
        and json.loads((tmp_path / "mine.csv.brainlens.json").read_text())["text"] == "what"
    )
    (tmp_path / "mine.csv.brainlens.json").write_text('{"txt": "what"}')
    with pytest.raises(
        BrainLensError, match=r"Unknown field of mine.csv.brainlens.json 'txt'; did you mean 'text'"
    ):
        own.read(path)
    (tmp_path / "mine.csv.brainlens.json").write_text("{")
    with pytest.raises(BrainLensError, match="is not JSON"):
        own.read(path)
    with pytest.raises(BrainLensError, match="Unknown field of a recording 'txet'"):
        write_sidecar(path, txet="what")


def test_subjects_of_columns(tmp_path):
    path = saved(tmp_path, table(v1=np.arange(48) % 5 * 1.5, v2=np.arange(48) % 3 * 2.5))
    recording = own.read(path, responses=["v1", "v2"], subject={"v1": "anna", "v2": "ben"})
    assert recording.subjects.tolist() == ["anna", "ben"]
    with pytest.raises(
        BrainLensError, match=r"no subject is given for the response columns \['v2'\]"
    ):
        own.read(path, responses=["v1", "v2"], subject={"v1": "anna"})


def test_separators_decimals_and_packing(tmp_path):
    frame = table()
    german = frame.assign(bold=[str(b).replace(".", ",") for b in frame["bold"]])
    german.to_csv(tmp_path / "g.csv", index=False, sep=";")
    np.testing.assert_allclose(own.read(tmp_path / "g.csv").responses.values[:, 0], frame["bold"])
    frame.to_csv(tmp_path / "t.tsv", index=False, sep="\t")
    frame.to_csv(tmp_path / "z.csv.gz", index=False)
    (tmp_path / "u.csv").write_bytes(frame.to_csv(index=False).encode("utf-16"))
    for name in ("t.tsv", "z.csv.gz", "u.csv"):
        np.testing.assert_allclose(own.read(tmp_path / name).responses.values[:, 0], frame["bold"])


# ---- broken files ---------------------------------------------------------------------------------------------------------
def text_of(frame):
    return frame.to_csv(index=False)


def with_cell(row, column, value):
    frame = table().astype(object)
    frame.loc[row, column] = value
    return text_of(frame)


def semicolons(cell):
    rows = [f"Row {i} says it.;t{i % 5};{cell if i == 6 else f'0,{i + 1}'}\n" for i in range(45)]
    return "sentence;topic;bold\n" + "".join(rows)


HEAD = "sentence,topic,bold\n"
ROWS = [f"Row {i} says something.,t{i % 5},{i * 0.37:.3f}\n" for i in range(45)]
BROKEN = {
    "empty": ("", {}, r"is empty \(0 bytes\)"),
    "header only": (HEAD, {}, "holds a header and no rows"),
    "no text": (
        text_of(table().drop(columns="sentence")),
        {},
        "no column that is plainly the text.*Choices: topic, bold",
    ),
    "unknown text": (
        text_of(table()),
        {"text": "sentense"},
        "Unknown text column of .* 'sentense'; did you mean 'sentence'",
    ),
    "unknown response": (
        text_of(table()),
        {"responses": "bald"},
        "Unknown responses column of .* 'bald'; did you mean 'bold'",
    ),
    "unknown group": (
        text_of(table()),
        {"group": "topik"},
        "Unknown group column of .* 'topik'; did you mean 'topic'",
    ),
    "empty text": (
        with_cell(3, "sentence", ""),
        {},
        "column 'sentence' is empty in 1 rows: line 5",
    ),
    "blank text": (
        with_cell(4, "sentence", "   "),
        {},
        "column 'sentence' is empty in 1 rows: line 6",
    ),
    "no response at all": (
        text_of(table(bold=np.nan)),
        {"responses": "bold"},
        r"without a single measurement: \['bold'\]",
    ),
    "constant": (
        text_of(table(bold=2.5)),
        {"responses": "bold"},
        r"the response column is constant: \['bold'\]",
    ),
    "word in numbers": (
        with_cell(7, "bold", "0.5 approx"),
        {"responses": "bold"},
        r"'bold' holds 1 cells that are not numbers.*\(line 9\)",
    ),
    "infinite": (
        with_cell(8, "bold", "inf"),
        {"responses": "bold"},
        "infinite responses in 1 rows: line 10",
    ),
    "one group": (
        text_of(table(topic="one")),
        {"group": "topic"},
        r"column 'topic' holds one group only \('one'\)",
    ),
    "group empty": (with_cell(2, "topic", ""), {}, "no group in 1 rows of column 'topic': line 4"),
    "too many cells": (
        HEAD + ROWS[0] + "Oh, no,t1,0.5\n" + "".join(ROWS),
        {},
        "1 rows do not have the 3 cells of the header: line 3 has 4",
    ),
    "too few cells": (HEAD + "".join(ROWS) + "Short row\n", {}, "line 47 has 1"),
    "open quote": (
        HEAD + ROWS[0] + '"Never closed,t1,0.5\n' + "".join(ROWS),
        {},
        "line 48: unexpected end of data",
    ),
    "same name twice": (
        "sentence,bold,bold\n" + "".join(ROWS),
        {},
        r"columns of the same name: \['bold'\]",
    ),
    "latin-1": (
        (HEAD + "".join(ROWS) + "Caf\u00e9 noir.,t1,0.5\n").encode("latin-1"),
        {},
        "not UTF-8: byte 0xe9 on line 47",
    ),
    "binary": (b"\x01\x02\x00\x03" * 50, {}, "holds binary data, not text"),
    "web page": ("<!DOCTYPE html>\n<html>404</html>", {}, "is a web page, not a table"),
    "spreadsheet": (b"PK\x03\x04" + bytes(100), {}, "is a zip archive or a spreadsheet"),
    "numbers as text": (
        text_of(table(sentence=range(48))),
        {"text": "sentence"},
        "column 'sentence' holds numbers, not words",
    ),
    "response is text": (
        text_of(table()),
        {"responses": "topic"},
        r"'topic' holds 48 cells that are not numbers, first 'topic0' \(line 2",
    ),
    "text is response": (
        text_of(table()),
        {"responses": "bold", "group": "bold"},
        "column 'bold' cannot be both a response and group",
    ),
    "half of UTF-16": (text_of(table()).encode("utf-16")[:-1], {}, "is UTF-16 and damaged at byte"),
    "one n.a. among decimal commas": (
        semicolons("n.a."),
        {"responses": "bold"},
        r"'bold' holds 1 cells that are not numbers, first 'n.a.' \(line 8\)",
    ),
    "a minus sign among decimal commas": (
        semicolons("-"),
        {"responses": "bold"},
        r"1 cells that are not numbers, first '-' \(line 8\)",
    ),
    "no subject": (with_cell(3, "topic", " "), {"subject": "topic"}, "no subject in line 5"),
    "response of dates": (
        text_of(table(bold="2024-01-01")),
        {"responses": "bold"},
        "48 cells that are not numbers",
    ),
    "order has holes": (
        with_cell(5, "topic", ""),
        {"order": "topic", "group": "bold", "responses": "bold"},
        "cannot be both|is empty in 1 rows",
    ),
}


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_each_fault_is_named(tmp_path, name):
    content, columns, message = BROKEN[name]
    path = tmp_path / "broken.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    before = sorted(p.name for p in tmp_path.iterdir())
    report = check(path, **columns)
    assert not report.ok and len(report.errors) == 1
    with pytest.raises(BrainLensError, match=message):
        raise BrainLensError(report.errors[0].what, remedy=report.errors[0].fix)
    assert report.errors[0].fix and report.errors[0].what in str(report)
    assert report.counts.startswith("1 error, ") and f"({report.counts})" in str(report)
    assert sorted(p.name for p in tmp_path.iterdir()) == before
    if name != "one group":
        with pytest.raises(BrainLensError):
            own.read(path, **columns)


WARNED = {
    "duplicate texts": (
        with_cell(40, "sentence", "Sentence 3 is about thing 3."),
        "1 texts occur more than once; 1 of them in different groups.*line 5, line 42",
    ),
    "missing": (with_cell(9, "bold", ""), "1 of 48 responses are missing; by target: bold 2 %"),
    "sentinel": (
        text_of(table(bold=[-999.0 if i in (3, 9) else i * 0.1 for i in range(48)])),
        "-999 occurs 2 times and looks like a code",
    ),
    "typing error": (
        with_cell(11, "bold", 12345.6),
        "1 values lie more than 50 median deviations away: line 13",
    ),
    "upper case": (
        text_of(table(sentence=[f"THIS IS NUMBER {chr(65 + i % 26)}{i}" for i in range(48)])),
        "all texts are upper case",
    ),
    "mojibake": (
        with_cell(5, "sentence", "The cafÃ© is open."),
        "1 texts hold broken or invisible characters: line 7",
    ),
    "double space": (
        with_cell(6, "sentence", "Two  spaces here."),
        "1 texts hold several spaces in a row: line 8",
    ),
    "no letters": (with_cell(7, "sentence", "..."), "1 texts hold no letter or digit.*line 9"),
    "line break": (
        with_cell(7, "sentence", "one\ntwo"),
        "1 texts hold line breaks or tabs: line 10",
    ),
    "every row a group": (
        text_of(table(topic=[f"t{i}" for i in range(48)])),
        "every row of 'topic' is a group of its own",
    ),
    "few rows": (text_of(table().head(20)), "20 stimuli are too few"),
    "label as response": (
        text_of(table(bold=[i % 2 + 0.5 for i in range(48)])),
        "targets with two values only: bold",
    ),
    "texts apart": (
        text_of(table(passage=[i % 4 for i in range(48)])),
        "rows of one text of 'passage' do not stand together",
    ),
}


@pytest.mark.parametrize("name", sorted(WARNED))
def test_each_doubt_is_named(tmp_path, name):
    content, message = WARNED[name]
    (tmp_path / "odd.csv").write_text(content)
    report = check(
        tmp_path / "odd.csv",
        responses="bold",
        **({"context": "passage"} if name == "texts apart" else {}),
    )
    assert report.ok, str(report)
    with pytest.raises(BrainLensError, match=message):
        raise BrainLensError("\n".join(finding.what for finding in report.warnings))


def test_a_bomb_is_not_unpacked(tmp_path):
    (tmp_path / "bomb.csv.gz").write_bytes(gzip.compress(b"sentence,bold\n" + b"a" * 80_000_000))
    with pytest.raises(BrainLensError, match=r"unpacks to more than .* so it was not read"):
        own.read(tmp_path / "bomb.csv.gz")
    (tmp_path / "half.csv.gz").write_bytes(gzip.compress(text_of(table()).encode())[:-30])
    with pytest.raises(BrainLensError, match="cannot be unpacked"):
        own.read(tmp_path / "half.csv.gz")


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n", "\r"),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: "sep=,\n" + text,
        lambda text: "\ufeffsep=;\r\n" + text.replace(",", ";").replace("\n", "\r\n"),
        lambda text: "# pilot, second session\n#\n\n" + text,
        lambda text: text.replace("sentence,topic,bold", ' sentence ,"topic ", bold'),
    ],
)
def test_tables_as_other_programs_write_them(tmp_path, change):
    (tmp_path / "mine.csv").write_bytes(change(text_of(table())).encode())
    recording = own.read(tmp_path / "mine.csv")
    assert recording.texts == table()["sentence"].tolist() and recording.group == "topic"
    np.testing.assert_array_equal(recording.responses.values[:, 0], table()["bold"])


def test_lines_are_counted_from_the_top_of_the_file(tmp_path):
    (tmp_path / "mine.csv").write_text("sep=,\n# pilot\n" + with_cell(3, "sentence", ""))
    with pytest.raises(BrainLensError, match="is empty in 1 rows: line 7"):
        own.read(tmp_path / "mine.csv")


def test_words_with_a_comma_stay_words(tmp_path):
    rows = "".join(f"{i},5;t{i % 5};0,{i + 1}\n" for i in range(44))
    (tmp_path / "mine.csv").write_text("word;topic;rt\nOne;t0;0,3\n" + rows)
    recording = own.read(tmp_path / "mine.csv")
    assert recording.texts[:2] == ["One", "0,5"] and recording.responses.values[1, 0] == 0.1


def test_constant_targets_are_left_out_and_counted(tmp_path):
    recording = own.read(saved(tmp_path, table(flat=3.5)), responses="bold,flat")
    assert recording.n_targets == 1 and "1 targets left out as constant: flat" in recording.notes


def test_neighbours_leak_and_the_report_says_so(tmp_path):
    smooth = np.repeat(
        np.random.default_rng(1).standard_normal(12), 4
    ) + 0.1 * np.random.default_rng(2).standard_normal(48)
    report = check(saved(tmp_path, table(bold=smooth)))
    assert report.facts["autocorrelation"] > 0.5 and report.facts["folds"] == 6
    assert any("shuffled folds would leak" in finding.what for finding in report.warnings)
    assert set(report.to_frame().columns) == {"level", "what", "fix"}


def test_a_report_of_the_default_recording():
    report = inspect(load("simulated"))
    assert (
        report.ok
        and report.facts["n_subjects"] == 6
        and any("simulated" in f.what for f in report.warnings)
    )


def test_a_missing_file_and_a_wrong_suffix(tmp_path):
    with pytest.raises(BrainLensError, match="There is no file"):
        own.read(tmp_path / "none.csv")
    (tmp_path / "x.docx").write_bytes(b"PK\x03\x04")
    with pytest.raises(
        BrainLensError, match=r"is not a table that can be read here. Choices: .csv"
    ):
        own.read(tmp_path / "x.docx")


@pytest.mark.realdata
def test_the_pereira_average(own_data):
    recording = own.read(
        own_data / "pereira2018_average.csv",
        text="sentence",
        responses=["lang_LH_avg_effect_size"],
        group="passage_category",
        context="experiment,passage_label,passage_index",
    )
    assert (recording.n_stimuli, recording.n_targets, recording.averaged) == (627, 1, True)
    assert (
        len(set(recording.column("topic"))) == 48 and len(set(recording.column("passage"))) == 168
    )
    report = inspect(recording)
    assert report.facts["autocorrelation"] == pytest.approx(0.43, abs=0.005)
