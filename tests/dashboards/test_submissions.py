"""Compare's door for submissions: written, handed in, run again for a told price, and what was changed is seen."""

from __future__ import annotations

import json

import pytest

from analysis.protocol import preset
from analysis.scoring.submission import submit
from analysis.scoring.verb import score
from analysis.store.store import Store
from dashboards import Compare
from dashboards.figures import paper
from tests.figures import misprints

QUICK = preset("defended").but(
    folds=3, inner_folds=2, seeds=1, bootstrap=20, ceiling="none", controls=(), shuffled_twin=False, unique=False,
)  # fmt: skip


@pytest.fixture
def theirs(clean_home, tmp_path) -> bytes:
    """Two results of another lab, whose store is not here."""
    store = Store(tmp_path / "theirs")
    for model in ("random-16", "random-32"):
        score(model, "simulated", QUICK, store=store)
    return submit(tmp_path / "s.json", lab="A lab", store=store).read_bytes()


def handed_in(content: bytes) -> Compare:
    lens = Compare(tables=[])
    lens.wait(60)
    lens.bring("s.json", content)
    lens.wait(60)
    return lens


FORM = b'{"format": "brainlens-submission/1", "rows": [%s]}'


def said(lens) -> str:
    return " ".join(str(card.says) for card in lens.desk.errors.objects)


def test_a_submission_is_handed_in_priced_run_and_answered_with_a_receipt(theirs):
    lens = handed_in(theirs)
    box = lens.submissions
    assert "s.json of A lab: 2 results of 2 models on 1 recording." in box._said.object
    assert not box.receipt.visible and box.away.visible
    (wanted,) = (one for one in lens.missing() if one.key.startswith("submission:"))
    assert wanted.title == "2 submitted results of A lab" and not wanted.free
    assert lens._run.visible and "2 submitted results of A lab" in lens._cost.object
    lens.run(wait=True)
    first = lens.shown.pictures[0]
    assert first.label == "Submission" and first.spec.stamp == "simulated data"
    assert first.spec.answer == "2 of 2 results of A lab came out the same here."
    assert first.table["outcome"].tolist() == ["same", "same"] and misprints(first.spec) == []
    assert paper.render(first.spec, format="svg").startswith(b"<?xml")
    assert json.loads(box.receipt_file().getvalue())["verified"] is True and box.receipt.visible
    compile(first.python, "submission.py", "exec")
    assert "came out the same" in first.paper()[0]
    assert {"random-16", "random-32"} <= set(lens.shown.pictures[1].table["model"])  # ranked since
    box.put_away()
    assert [one.label for one in lens.shown.pictures] == ["Results here"]
    assert not box._said.visible and not box.receipt.visible
    lens.close()


def test_what_was_changed_is_told_before_anything_runs_and_drawn_without_a_number(theirs):
    body = json.loads(theirs)
    body["rows"][1]["r"] = 0.9
    lens = handed_in(json.dumps(body).encode())
    told = lens.submissions._said.object
    assert "Changed after it was written: 1 result (first: random-32 on simulated)" in told
    lens.run(wait=True)
    first = lens.shown.pictures[0]
    assert "1 of 2 results of A lab came out the same here; 1 changed." in first.spec.answer
    drawn = first.spec.marks[0].frame
    assert drawn["entry"].iloc[0] == "random-32 on simulated: changed"  # what is not the same first
    assert len(first.spec.marks[1].frame) == 1 and "its hash does not fit" in first.spec.caption
    lens.close()


def test_own_results_leave_as_a_submission_that_is_verified(theirs):
    lens = handed_in(theirs)
    with pytest.raises(Exception, match="no result to submit"):
        lens.submissions.file()
    lens.run(wait=True)
    lens.submissions.lab.value = "Here"
    written = json.loads(lens.submissions.file().getvalue())
    assert written["lab"] == "Here" and len(written["rows"]) == 2
    other = handed_in(lens.submissions.file().getvalue())
    other.run(wait=True)  # stored: nothing is computed again
    assert other.shown.pictures[0].spec.answer.startswith("2 of 2 results of Here came out")
    lens.close()
    other.close()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"{", "no submission of BrainLens"),
        (b"[" * 100_000, "no submission of BrainLens"),
        (FORM % b"", "holds no results"),
        (FORM % b'{"model": "random-16"}', "row 1: no recording"),
        (FORM % b'{"model": "a", "recording": "b", "r": "x"}', "r = 'x' is not a number"),
        (FORM % (b'{"model": "a", "recording": "b", "r": 1' + b"0" * 400 + b"}"), "is not a number"),
    ],
)  # fmt: skip
def test_what_is_no_submission_is_an_error_in_words(clean_home, content, told):
    lens = handed_in(content)
    assert told in said(lens) and lens.submissions.wish is None
    lens.close()


def test_rows_that_cannot_be_followed_end_as_outcomes(theirs, tmp_path):
    row = json.loads(theirs)["rows"][0]
    recipe = json.loads(row["provenance"])
    lacking = {key: value for key, value in recipe.items() if key != "folds"}
    rows = [
        {**row, "hash": "", "provenance": json.dumps(lacking)},
        {**row, "hash": "", "provenance": json.dumps({**recipe, "protocol": "x"})},
        {**row, "hash": "", "model": "no\0such"},
        {**row, "hash": "", "r": None},
    ]
    lens = handed_in(
        json.dumps({"format": "brainlens-submission/1", "lab": "", "rows": rows}).encode()
    )
    lens.run(wait=True)
    table = lens.shown.pictures[0].table
    assert table["outcome"].tolist() == ["no recipe", "no recipe", "not run", "other number"]
    lens.close()
