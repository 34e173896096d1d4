"""What is right and wrong with a user's file, before anything runs."""

from __future__ import annotations

from pathlib import Path

from data.errors import BrainLensError, memory_error
from data.notes import AVERAGE, REPORTED, SUPPOSED, kind_of
from data.own.columns import Understood
from data.own.findings.counts import counts, groups, missing, neighbours
from data.own.findings.finding import LEVELS, Finding, Places, ValidationReport, fact, warning
from data.own.findings.texts import aligned, texts
from data.own.findings.values import values
from data.own.read import understood
from data.own.tables import coded
from data.recording import Recording

__all__ = ["Finding", "ValidationReport", "check", "inspect"]

PARTS = (counts, texts, aligned, missing, groups, neighbours, values)
"""What is looked at, in this order."""
SAID = (AVERAGE, SUPPOSED, REPORTED)
"""Kinds of notes whose matter a part tells itself."""


def check(path: str | Path, **columns) -> ValidationReport:
    """The validation report of a user's file; the columns are named as in :func:`data.own.read.read`."""
    name = Path(path).name
    try:
        source = understood(path, **columns)
        return inspect(source.recording, source=source, name=name)
    except BrainLensError as error:
        return refused(name, error)
    except MemoryError as error:
        said = memory_error(error)
        assert said is not None  # it is one of memory
        return refused(name, said)
    except Exception as error:  # a report is owed even for a file that no check foresaw
        why = " ".join(str(error).split())[:300]
        what = f"{name} could not be read: {type(error).__name__}{': ' + why if why else ''}"
        fix = "Save it again as CSV (UTF-8) or NetCDF, or report this line"
        return ValidationReport(name, (Finding("error", what, fix),))


def refused(name: str, error: BrainLensError) -> ValidationReport:
    """The report of a file that could not be read at all."""
    what = str(BrainLensError(error.problem, choices=error.choices))
    return ValidationReport(name, (Finding("error", what, error.remedy),))


def inspect(
    recording: Recording, *, source: Understood | None = None, name: str = ""
) -> ValidationReport:
    """The validation report of a recording; ``source`` gives the lines of the file it came from and what was doubtful in it."""
    findings: list[Finding] = []
    facts: dict = {}
    doubts = () if source is None else source.doubts
    if source is not None:
        findings.append(fact(f"understood as: {source.meant}"))
        findings += [warning(what, fix) for what, fix in doubts]
        findings += _named_codes(source)
    places = Places(recording, source)
    for part in PARTS:
        findings += part(recording, places, facts)
    told = {what for what, _ in doubts}
    findings += [
        fact(note) for note in recording.notes if kind_of(note) not in SAID and note not in told
    ]
    findings.sort(key=lambda f: LEVELS.index(f.level))
    return ValidationReport(name or recording.id, tuple(findings), recording, facts)


def _named_codes(source: Understood) -> list[Finding]:
    """How many cells of the responses hold the codes for 'no value' that were named."""
    table = source.table
    if table is None or not table.missing:
        return []
    said = " or ".join(table.missing)
    counted = {
        name: int(coded(table, name).sum())
        for name in source.responses
        if name in table.frame.columns
    }
    if not any(counted.values()):
        return [
            warning(
                f"no cell of the responses holds {said}",
                "Check the code for 'no value': it is matched as it stands",
            )
        ]
    told = ", ".join(f"{count:,} cells of {name}" for name, count in counted.items() if count)
    return [fact(f"{told} hold {said}: no value")]
