"""Submission files: results that another lab's BrainLens runs again and compares, number by number.

A submission names the model with the hash of its weights, the recording with the hash of its content, and every choice of the
protocol. Nothing in it is run: a verification loads the model and the recording of the verifier's own machine and scores them.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.progress import SILENT, Report
from analysis.protocol import Protocol
from analysis.scoring.case import as_model, as_recording
from analysis.scoring.lock import refuse_told
from analysis.scoring.results import NUMBERS, plain_row, results, row_hash
from analysis.scoring.verb import score
from analysis.store.promises import Locked
from analysis.store.store import Store
from data.errors import BrainLensError, unknown
from data.files import atomic

__all__ = [
    "OUTCOMES",
    "TOLERANCE",
    "Recipe",
    "Verification",
    "read_submission",
    "receipt_of",
    "recipe_of",
    "submit",
    "told_submission",
    "verify",
    "was_changed",
]

FORMAT = "brainlens-submission/1"
TOLERANCE = 5e-4
"""By which r may differ between machines: float32 on other processors and patch releases."""
LARGEST = 50_000_000
MOST_ROWS = 5_000
"""Of one submission: each of them is looked up before anything runs."""
OUTCOMES = {
    "same": "run again here, r within the tolerance",
    "other number": "run again here, r differs",
    "other weights": "the model of that name has other weights here",
    "other data": "the recording of that name has other content here",
    "other folds": "the folds come out differently here",
    "changed": "the row was changed after it was written",
    "no recipe": "the row does not say how it was made",
    "not run": "model or recording are not here, or cannot be scored",
    "locked": "a prediction here has locked this number, which is shown when it is revealed",
}


def submit(
    path: str | Path,
    models: Iterable[str] = (),
    recordings: Iterable[str] = (),
    *,
    lab: str = "",
    board: pd.DataFrame | None = None,
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
    board : pandas.DataFrame, optional
        Rows of :func:`analysis.scoring.results.results` to choose from; None: all that are in the store.

    Raises
    ------
    BrainLensError
        For another ending, unknown names, and where nothing was computed here.
    """
    path = Path(path)
    if path.suffix.lower() != ".json":
        raise unknown("file type", path.suffix, (".json",), remedy="End the file's name in .json")
    own = results(store) if board is None else board
    own = own[own["source"] == "own"]
    for column, asked in (("model", list(models)), ("recording", list(recordings))):
        for name in asked:
            if name not in set(own[column]):
                raise unknown(f"{column} of a result", name, own[column].unique())
        if asked:
            own = own[own[column].isin(asked)]
    if own.empty:
        raise BrainLensError("There is no result to submit", remedy="Score a model first")
    rows = [plain_row(row) for row in own.sort_values(["recording", "model"]).to_dict("records")]
    body = {"format": FORMAT, "lab": lab, "rows": rows}
    with atomic(path) as part:
        part.write_text(json.dumps({**body, "sha256": _digest(body)}, indent=1), encoding="utf-8")
    return path


def _digest(body: dict) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def read_submission(path: str | Path) -> dict:
    """What a submission says, as :func:`told_submission`.

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
    return told_submission(path.read_bytes(), path.name)


def told_submission(content: bytes, name: str) -> dict:
    """What a submission says: ``lab``, ``rows``, whether it is as it was written (``whole``), and its ``digest``.

    Parameters
    ----------
    content : bytes
        Of the file.
    name : str
        Of the file, for errors.

    Raises
    ------
    BrainLensError
        For a file that is none, and for rows without a model, a recording or a number where one belongs.
    """
    try:
        told = json.loads(content.decode("utf-8"))
        rows = [dict(row) for row in told["rows"]]
        if told["format"] != FORMAT:
            raise ValueError("another format")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BrainLensError(
            f"{name} is no submission of BrainLens: {type(error).__name__} {error}"[:200],
            remedy="Write one with 'brainlens results submit', or in Compare",
        ) from None
    if not rows:
        raise BrainLensError(f"{name} holds no results", remedy="Submit some")
    if len(rows) > MOST_ROWS:
        raise BrainLensError(
            f"{name} holds {len(rows):,} results; {MOST_ROWS:,} are run again at once",
            remedy="Split it",
        )
    for number, row in enumerate(rows, start=1):
        _check(row, f"{name}, row {number}")
    body = {key: told.get(key) for key in ("format", "lab", "rows")}
    return {
        "lab": str(told.get("lab") or ""),
        "rows": rows,
        "whole": told.get("sha256") == _digest(body),
        "digest": hashlib.sha256(content).hexdigest(),
    }


def _check(row: dict, where: str) -> None:
    """A row names a model and a recording, and its numbers are numbers."""
    for name in ("model", "recording"):
        if not isinstance(row.get(name), str) or not row[name].strip():
            raise BrainLensError(
                f"{where}: no {name}", remedy="Ask for the submission again, as it was written"
            )
    for name in NUMBERS:
        value = row.get(name)
        plain = isinstance(value, int | float) and not isinstance(value, bool)
        if value is not None and (not plain or abs(value) > 1e300):
            raise BrainLensError(
                f"{where}: {name} = {str(value)[:40]!r} is not a number",
                remedy="Ask for the submission again, as it was written",
            )


def was_changed(row: dict) -> bool:
    """Whether a row was changed after it was written: its hash does not fit."""
    return bool(row.get("hash")) and row["hash"] != row_hash(row)


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
    digest : str
        sha256 of the submission.
    """

    table: pd.DataFrame
    lab: str
    whole: bool
    digest: str = ""

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
    path: str | Path | Mapping,
    *,
    receipt: str | Path | None = None,
    store=None,
    report: Report = SILENT,
) -> Verification:
    """Score every row of a submission again, with the models and recordings of this machine.

    Parameters
    ----------
    path : path or mapping
        Of :func:`submit`, or what :func:`told_submission` gave.
    receipt : path, optional
        Also write the outcome, with the submission's hash, for whoever submitted.

    Raises
    ------
    BrainLensError
        Where the file is no submission.

    Notes
    -----
    Fold rule, weights and data are compared before anything runs. A row that cannot be run ends as an outcome, not as an
    error; of a number that a prediction has locked here neither the submitted one nor one of this machine is told.
    """
    told = path if isinstance(path, Mapping) else read_submission(path)
    rows = []
    for number, row in enumerate(told["rows"]):
        report.step(number, len(told["rows"]), "results")
        outcome, here, why = _again(row, store, report)
        submitted = np.nan if outcome == "locked" else _number(row.get("r"))
        rows.append(
            {"model": row["model"], "recording": row["recording"], "protocol": str(row.get("protocol") or ""),
             "outcome": outcome, "submitted": submitted, "here": here, "apart": abs(here - submitted), "why": why}
        )  # fmt: skip
    report.step(len(rows), len(rows), "results")
    found = Verification(pd.DataFrame(rows), told["lab"], told["whole"], told["digest"])
    if receipt is not None:
        with atomic(Path(receipt)) as part:
            part.write_text(receipt_of(found), encoding="utf-8")
    return found


def _number(value) -> float:
    return float("nan") if value is None else float(value)


@dataclass(frozen=True)
class Recipe:
    """How a row says it was made: protocol, folds, version of BrainLens, hash of the weights and of the recording's content."""

    protocol: Protocol
    folds: str
    version: str
    weights: str
    content: str


def recipe_of(row: dict) -> Recipe:
    """The recipe of a row of a submission.

    Raises
    ------
    BrainLensError
        Where it has none that can be followed.
    """
    try:
        told = json.loads(row.get("provenance") or "")
        return Recipe(
            Protocol.from_dict(told["protocol"]),
            told["folds"],
            str(told.get("versions", {}).get("brainlens", "")),
            str(told["model"]["fingerprint"]),
            str(told["recording"]["content_hash"]),
        )
    except BrainLensError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BrainLensError(
            f"{type(error).__name__}: {error}"[:120], remedy="Ask for the submission again"
        ) from None


def _again(row: dict, store, report: Report) -> tuple[str, float, str]:
    """Outcome, r here, and why."""
    nan = float("nan")
    try:
        refuse_told(row, store or Store())
    except Locked as error:  # nor is the number that somebody else submitted told
        return "locked", nan, str(error.problem)
    if was_changed(row):
        return "changed", nan, "its hash does not fit"
    try:
        recipe = recipe_of(row)
    except BrainLensError as error:
        return "no recipe", nan, str(error.problem)
    try:
        model, recording = as_model(row["model"]), as_recording(row["recording"])
    except BrainLensError as error:
        return "not run", nan, str(error.problem)
    except (OSError, ValueError, RuntimeError) as error:  # no file can have such a name
        return "not run", nan, f"{type(error).__name__}: {error}"[:120]
    if recording.content_hash != recipe.content:
        apart = f"content {recording.content_hash[:12]}, submitted {recipe.content[:12]}"
        return "other data", nan, apart
    try:
        if model.fingerprint != recipe.weights:
            apart = f"weights {model.fingerprint[:12]}, submitted {recipe.weights[:12]}"
            return "other weights", nan, apart
        made = score(model, recording, recipe.protocol, store=store, report=report.inner())
    except Locked as error:
        return "locked", nan, str(error.problem)
    except BrainLensError as error:
        return "not run", nan, str(error.problem)
    if made.provenance["folds"] != recipe.folds:
        return "other folds", made.value, made.provenance["folds"]
    same = abs(made.value - _number(row.get("r"))) <= TOLERANCE
    here = made.provenance["versions"].get("brainlens", "")
    versions = "" if recipe.version == here else f"BrainLens {here} here, {recipe.version} there"
    return ("same" if same else "other number"), made.value, versions


def receipt_of(found: Verification) -> str:
    """The outcome as JSON, with the submission's hash, for whoever submitted."""
    rows = json.loads(found.table.replace({np.nan: None}).to_json(orient="records"))
    body = {
        "format": "brainlens-verification/1",
        "submission": found.digest,
        "verified": found.verified,
        "tolerance": TOLERANCE,
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "rows": rows,
    }
    return json.dumps(body, indent=1)
