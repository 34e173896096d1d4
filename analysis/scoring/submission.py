"""Submission files: results that another lab's BrainLens runs again and compares, number by number.

A submission names the model with the hash of its weights, the recording with the hash of its content, and every choice of the
protocol. Nothing in it is run: a verification loads the model and the recording of the verifier's own machine and scores them.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.progress import SILENT, Report
from analysis.protocol import Protocol
from analysis.scoring.case import as_model, as_recording
from analysis.scoring.results import plain_row, results, row_hash
from analysis.scoring.verb import score
from data.errors import BrainLensError, unknown
from data.files import atomic

__all__ = ["OUTCOMES", "TOLERANCE", "Verification", "read_submission", "submit", "verify"]

FORMAT = "brainlens-submission/1"
TOLERANCE = 5e-4
"""By which r may differ between machines: float32 on other processors and patch releases."""
LARGEST = 50_000_000
OUTCOMES = {
    "same": "run again here, r within the tolerance",
    "other number": "run again here, r differs",
    "other weights": "the model of that name has other weights here",
    "other data": "the recording of that name has other content here",
    "other folds": "the folds come out differently here",
    "changed": "the row was changed after it was written",
    "no recipe": "the row does not say how it was made",
    "not run": "model or recording are not here, or cannot be scored",
}


def submit(
    path: str | Path,
    models: Iterable[str] = (),
    recordings: Iterable[str] = (),
    *,
    lab: str = "",
    store=None,
) -> Path:
    """Write own results as a submission.

    Parameters
    ----------
    path : path
        Ends in ``.json``.
    models, recordings : iterable of str
        Those to submit; none: all that were computed here.
    lab : str
        Who submits, in words.

    Raises
    ------
    BrainLensError
        For another ending, unknown names, and where nothing was computed here.
    """
    path = Path(path)
    if path.suffix.lower() != ".json":
        raise unknown("file type", path.suffix, (".json",), remedy="End the file's name in .json")
    board = results(store)
    board = board[board["source"] == "own"]
    for column, asked in (("model", list(models)), ("recording", list(recordings))):
        for name in asked:
            if name not in set(board[column]):
                raise unknown(f"{column} of a result", name, board[column].unique())
        if asked:
            board = board[board[column].isin(asked)]
    if board.empty:
        raise BrainLensError("There is no result to submit", remedy="Score a model first")
    rows = [plain_row(row) for row in board.to_dict("records")]
    body = {"format": FORMAT, "lab": lab, "rows": rows}
    with atomic(path) as part:
        part.write_text(json.dumps({**body, "sha256": _digest(body)}, indent=1), encoding="utf-8")
    return path


def _digest(body: dict) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def read_submission(path: str | Path) -> dict:
    """What a submission says: lab, rows, and whether the file is as it was written (``whole``).

    Raises
    ------
    BrainLensError
        For a file that is none.
    """
    path = Path(path)
    if not path.is_file():
        raise BrainLensError(f"There is no file {path}", remedy="Check the path")
    if path.stat().st_size > LARGEST:
        raise BrainLensError(f"{path.name} is too large for a submission", remedy="Split it")
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        rows = [dict(row) for row in told["rows"]]
        if told["format"] != FORMAT or not all(isinstance(row.get("model"), str) for row in rows):
            raise ValueError("another format")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BrainLensError(
            f"{path.name} is no submission of BrainLens: {type(error).__name__} {error}"[:200],
            remedy="Write one with 'brainlens results submit'",
        ) from None
    body = {name: told.get(name) for name in ("format", "lab", "rows")}
    return {
        "lab": str(told.get("lab", "")),
        "rows": rows,
        "whole": told.get("sha256") == _digest(body),
    }


@dataclass(frozen=True)
class Verification:
    """What came out of running a submission again.

    Parameters
    ----------
    table : pandas.DataFrame
        model, recording, protocol, outcome (of :data:`OUTCOMES`), submitted, here, apart, why.
    lab : str
        Who submitted.
    whole : bool
        The file is as it was written.
    """

    table: pd.DataFrame
    lab: str
    whole: bool

    @property
    def verified(self) -> bool:
        """Whether every row came out the same."""
        return bool(len(self.table)) and bool((self.table["outcome"] == "same").all())

    def sentence(self) -> str:
        """The outcome in words."""
        same = int((self.table["outcome"] == "same").sum())
        whose = f" of {self.lab}" if self.lab else ""
        rest = self.table.loc[self.table["outcome"] != "same", "outcome"].value_counts()
        others = (
            "; " + ", ".join(f"{count} {what}" for what, count in rest.items()) if len(rest) else ""
        )
        file = "" if self.whole else " The file was changed after it was written."
        return f"{same} of {len(self.table)} results{whose} came out the same here{others}.{file}"


def verify(
    path: str | Path, *, receipt: str | Path | None = None, store=None, report: Report = SILENT
) -> Verification:
    """Score every row of a submission again, with the models and recordings of this machine.

    Parameters
    ----------
    path : path
        Of :func:`submit`.
    receipt : path, optional
        Also write the outcome, with the submission's hash, for whoever submitted.

    Raises
    ------
    BrainLensError
        Where the file is no submission.

    Notes
    -----
    Fold rule, weights and data are compared before anything runs. A row that cannot be run ends as an outcome, not as an error.
    """
    told = read_submission(path)
    rows = []
    for number, row in enumerate(told["rows"]):
        report.step(number, len(told["rows"]), "results")
        outcome, here, why = _again(row, store, report)
        submitted = float(row["r"]) if row.get("r") is not None else float("nan")
        rows.append(
            {"model": row["model"], "recording": row.get("recording", ""), "protocol": row.get("protocol", ""),
             "outcome": outcome, "submitted": submitted, "here": here, "apart": abs(here - submitted), "why": why}
        )  # fmt: skip
    report.step(len(rows), len(rows), "results")
    found = Verification(pd.DataFrame(rows), told["lab"], told["whole"])
    if receipt is not None:
        _receipt(Path(receipt), Path(path), found)
    return found


def _again(row: dict, store, report: Report) -> tuple[str, float, str]:
    """Outcome, r here, and why."""
    nan = float("nan")
    if row.get("hash") and row["hash"] != row_hash(row):
        return "changed", nan, "its hash does not fit"
    try:
        recipe = json.loads(row.get("provenance") or "")
        protocol = Protocol.from_dict(recipe["protocol"])
        weights, content = recipe["model"]["fingerprint"], recipe["recording"]["content_hash"]
    except (ValueError, KeyError, TypeError, BrainLensError) as error:
        return "no recipe", nan, f"{type(error).__name__}: {error}"[:120]
    try:
        model, recording = as_model(row["model"]), as_recording(row["recording"])
        if recording.content_hash != content:
            return (
                "other data",
                nan,
                f"content {recording.content_hash[:12]}, submitted {content[:12]}",
            )
        if model.fingerprint != weights:
            return (
                "other weights",
                nan,
                f"weights {model.fingerprint[:12]}, submitted {weights[:12]}",
            )
        made = score(model, recording, protocol, store=store, report=report.inner())
    except BrainLensError as error:
        return "not run", nan, str(error.problem)
    if made.provenance["folds"] != recipe["folds"]:
        return "other folds", made.value, made.provenance["folds"]
    same = abs(made.value - float(row["r"])) <= TOLERANCE
    theirs = recipe.get("versions", {}).get("brainlens", "")
    here = made.provenance["versions"].get("brainlens", "")
    versions = "" if theirs == here else f"BrainLens {here} here, {theirs} there"
    return ("same" if same else "other number"), made.value, versions


def _receipt(path: Path, submission: Path, found: Verification) -> None:
    digest = hashlib.sha256(submission.read_bytes()).hexdigest()
    rows = json.loads(found.table.replace({np.nan: None}).to_json(orient="records"))
    body = {
        "format": "brainlens-verification/1",
        "submission": digest,
        "verified": found.verified,
        "tolerance": TOLERANCE,
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "rows": rows,
    }
    with atomic(path) as part:
        part.write_text(json.dumps(body, indent=1), encoding="utf-8")
