"""What the command line says with options, the page says with its controls; and it asks where a file cannot be read alone."""

from __future__ import annotations

import ast
import io
import re
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from dashboards.library.on_page import in_page_words, on_page
from data.errors import BrainLensError
from tests.dashboards.conftest import settle
from tests.dashboards.test_library import words

ROOT = Path(__file__).parents[2]
TABLE = pd.DataFrame(
    {
        "topic": [f"t{k // 5}" for k in range(40)],
        "sentence": [f"sentence number {k} of these" for k in range(40)],
        "bold": [0.1 * (k % 7) for k in range(40)],
    }
)


def said_by(tree: ast.AST):
    """Every string of a module, with COLUMN for what is put in."""
    parts = {
        id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values
    }  # fmt: skip
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(
                part.value if isinstance(part, ast.Constant) else "COLUMN" for part in node.values
            )
        elif (
            isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts
        ):
            yield node.value


def test_every_next_step_of_a_file_can_be_done_on_the_page():
    found = []
    for path in (*ROOT.glob("data/own/**/*.py"), ROOT / "data/language.py"):
        for text in said_by(ast.parse(path.read_text(encoding="utf-8"))):
            if re.search(r"--[a-z]", text) and "\n" not in text:
                found.append(text)
    left = [
        (text, told)
        for text in found
        if re.search(r"--[a-z]|sidecar|'brainlens ", told := on_page(text))
    ]
    assert len(found) > 30 and not left


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Name it (--order COLUMN, with --context COLUMN for the texts)",
         "Name it ('Order', with 'Context' for the texts)"),
        ("Say --subject reader, --repeat run_nr, or --subject none",
         "Say 'Subject' = reader, 'Repeat' = run_nr, or 'Subject' = (none)"),
        ("Say it: --kind eeg (or another) and --unit uV, or 'kind' and 'unit' in the sidecar",
         "Say it: 'Kind' = eeg (or another) and 'Unit' = uV"),
        ("name the code: --missing -999", "name the code: 'Codes for no value' = -999"),
        ('Say --decimal ","', "Say 'Decimal mark' = ,"),
        ("of each column (--subject left=s1,right=s2, --response 'sub-{subject}_*', a table .targets.csv)",
         "of each column ('Pattern of the responses' = 'sub-{subject}_*', a table NAME.targets.csv that is dropped with it)"),
        ("items: --column item=list+item.", "items: item = list+item under 'Columns of the trials'."),
        ("two dashes -- and a-b stay, as does --other", "two dashes -- and a-b stay, as does --other"),
        (
            'Where it stopped early say rows = "samples" in story.toml; else save it with samples in rows',
            "Where it stopped early fill in 'Rows of plain arrays': samples; else save it with samples in rows",
        ),
    ],
)  # fmt: skip
def test_options_become_controls(text, told):
    assert on_page(text) == told
    error = in_page_words(BrainLensError("A", choices=[text], remedy=text))
    assert error.choices == (told,) and error.remedy == told


def test_one_of_several_sheets_is_asked_for(library):
    book = io.BytesIO()
    with pd.ExcelWriter(book) as writer:
        pd.DataFrame({"about": ["a pilot"]}).to_excel(writer, sheet_name="notes", index=False)
        TABLE.to_excel(writer, sheet_name="data", index=False)
    upload = library.upload
    upload.take({"book.xlsx": book.getvalue()})
    settle(library, lambda: upload.staged)
    said = words(upload._form.objects)
    assert "holds 2 sheets" in said and "Name one ('Sheet')" in said and not upload.pickers
    upload._read_cells({"sheet": "data", "range": None})
    settle(library, lambda: upload.pickers and not upload._add.disabled)
    assert upload.pickers["text"].value == "sentence"
    upload._name.value = "book"
    upload.add()
    settle(library, lambda: "book" in library.recordings.ids)


def test_columns_of_an_experiment_that_are_not_plain_are_asked_for(library):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for person in range(3):
            table = TABLE.assign(
                who=f"w{person}", latency=[400 + 7 * k + person for k in range(40)]
            )
            archive.writestr(f"p{person}.csv", table.drop(columns="bold").to_csv(index=False))
    upload = library.upload
    upload.take({"lab.zip": packed.getvalue()})
    settle(library, lambda: upload.staged)
    said = words(upload._form.objects)
    assert "cannot be told" in said and "under 'Columns of the trials'" in said and "--" not in said
    upload._trials.columns.value = "person = who\nrt = latency\nitem = topic"
    upload._again()
    settle(library, lambda: upload.pickers and not upload._add.disabled)
    assert "120 of 120 trials count, 3 people" in words(upload._form.objects)
    assert upload.pickers["subject"].value == "person"


def test_rows_that_stand_twice_are_counted_and_the_decimal_mark_can_be_said(library):
    whole = pd.concat([TABLE.assign(who=f"w{k}", rt=300 + 9 * TABLE.index + k) for k in range(4)])
    whole = whole.rename(columns={"who": "participant"}).drop(columns="bold")
    upload = library.upload
    upload.take({"twice.csv": pd.concat([whole, whole.iloc[[3, 77]]]).to_csv(index=False).encode()})
    settle(library, lambda: upload.pickers and not upload._add.disabled)
    assert "2 rows left out: the same person met the same stimulus before" in words(upload._form)
    table = TABLE.assign(bold=[f"{1 + k % 9},{100 + k}" for k in range(40)])
    upload.take({"marks.csv": table.to_csv(index=False).encode()})
    settle(library, lambda: upload.pickers and "It cannot" in words(upload._report))
    assert "'Decimal mark' = ," in words(upload._report)
    upload.more.pickers["decimal"].value = ","
    settle(library, lambda: not upload._add.disabled)


def test_whose_column_is_whose_can_be_said_by_a_pattern_or_a_table_of_targets(library):
    """Of wide tables: the page says both ways out, and takes both."""
    people = {f"sub-{k}_LIFG": TABLE["bold"] + k * (TABLE.index % 3) for k in range(1, 5)}
    wide = TABLE.drop(columns="bold").assign(**people)
    upload = library.upload
    upload.take({"wide.csv": wide.to_csv(index=False).encode()})
    settle(library, lambda: upload.pickers and "It cannot" in words(upload._report))
    upload.pickers["responses"].value = list(people)
    settle(library, lambda: "It can be used" in words(upload._report))
    assert "'Pattern of the responses' = 'sub-{subject}_*'" in words(upload._report)
    upload.more.pickers["responses"].value = "sub-{subject}_{region}"
    settle(library, lambda: "4 people" in words(upload._report))
    assert upload.said()["responses"] == "sub-{subject}_{region}"
    upload.discard()
    who = "column,person\n" + "".join(f"{name},p{k}\n" for k, name in enumerate(people))
    upload.take({"wide.targets.csv": who.encode(), "wide.csv": wide.to_csv(index=False).encode()})
    settle(library, lambda: upload.pickers and "It cannot" in words(upload._report))
    upload.pickers["responses"].value = list(people)
    settle(library, lambda: "4 people" in words(upload._report))
    upload.add()
    settle(library, lambda: "wide" in library.recordings.ids)


def test_what_is_not_said_is_asked_about_on_the_page_too(library):
    """Readers under a name that nobody knows: an empty field says nothing, and what is taken back is forgotten."""
    read = [
        "the",
        "old",
        "boat",
        "lay",
        "on",
        "the",
        "sand",
        "and",
        "nobody",
        "came",
        "near",
        "it",
        "in",
        "summer",
    ]
    rows = [f"{vp},{k + 1},{w},{300 + 7 * k + n}" for n, vp in enumerate(("x1", "x2", "x3"))
            for k, w in enumerate(read * 3)]  # fmt: skip
    upload = library.upload
    upload.take({"spr.csv": "\n".join(["VP,nr,word,rt", *rows]).encode()})
    settle(library, lambda: upload.pickers and "It can" in words(upload._report))
    assert "It cannot" in words(upload._report) and "'Subject' = VP" in words(upload._report)
    upload.pickers["subject"].value = "VP"
    settle(library, lambda: "3 people" in words(upload._report))
    upload.pickers["subject"].value = "as the columns say"
    settle(library, lambda: "It cannot" in words(upload._report))
    upload.pickers["subject"].value = "(none)"
    settle(library, lambda: "It can be used" in words(upload._report))
    assert upload.said()["subject"] is None and "context" not in upload.said()


def test_what_was_said_of_files_that_were_alone_goes_once_they_are_whole(library):
    """A browser sends file after file: the first of a story may be refused before the others are there."""
    spoken = "onset\tduration\tword\n" + "".join(
        f"{0.6 * k:.1f}\t0.4\tword{k}\n" for k in range(40)
    )
    signal = "time,LIFG\n" + "".join(f"{2.0 * k},{k * 1.7 % 5}\n" for k in range(14))
    upload = library.upload
    upload.take({"fox.TextGrid": b"", "words.tsv": spoken.encode()})
    settle(library, lambda: library.desk.errors.objects)
    upload.take({"words.tsv": spoken.encode(), "bold.csv": signal.encode()})
    settle(library, lambda: upload.story and "It can be used" in words(upload.story.report))
    assert not library.desk.errors.objects
    library.desk.fail(BrainLensError("another"), where="uploads")
    library.desk.clear("upload")
    assert library.desk.errors.objects


def test_a_session_that_ends_draws_no_new_place_to_drop_files(library):
    before = library.upload.dropper
    library.close()
    assert library.upload.dropper is before
