"""Running a submission again, as a computation of a lens."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import partial

from analysis.progress import Report
from analysis.scoring.cost import Cost, cost
from analysis.scoring.cost_beside import with_beside
from analysis.scoring.submission import recipe_of, told_submission, verify, was_changed
from dashboards.work import identity, opened
from dashboards.work.brought import require_small
from dashboards.work.ledger import Priced, Wish
from data.counts import plural
from data.errors import BrainLensError

__all__ = ["read_told", "verification"]


def read_told(content: bytes, name: str, report: Report) -> dict:
    """What a file that was handed in says."""
    require_small(name, content)
    return told_submission(content, name)


def verification(told: Mapping) -> Wish:
    """Every row of a submission run again: another key as soon as a file behind one of its names changes."""
    marks = [f"{told['digest']}|{identity.promised()}"]
    for column, mark in (("model", identity.model), ("recording", identity.recording)):
        for name in dict.fromkeys(row[column] for row in told["rows"]):
            with suppress(
                BrainLensError, OSError, ValueError
            ):  # what has no such name is told by the run
                marks.append(mark(name))
    lab = f" of {told['lab'][:60]}" if told["lab"] else ""
    title = f"{plural(len(told['rows']), 'submitted result')}{lab}"
    return Wish(
        f"submission:{'|'.join(marks)}", title, partial(_verify, told), partial(_look, told)
    )


def _verify(told: Mapping, report: Report):
    return verify(told, report=report)


def _look(told: Mapping, report: Report) -> Priced:
    """What those rows cost that can be run: nothing is loaded, nothing fetched."""
    known, once, absent, memory = [], {}, {}, 0
    for number, row in enumerate(told["rows"]):
        report.step(number, len(told["rows"]), "prices")
        if was_changed(row):
            continue
        with suppress(BrainLensError, OSError, ValueError, RuntimeError):  # told by the run
            recorded, protocol = opened.recording(row["recording"]), recipe_of(row).protocol
            one = with_beside(
                cost(row["model"], recorded, protocol), row["model"], recorded, protocol
            )
            known.append(None if one.seconds is None else one.seconds - sum(one.once.values()))
            once |= one.once
            absent |= one.downloads
            memory = max(memory, one.memory)
    seconds = None if None in known else 0.1 + sum(known) + sum(once.values())
    return Priced(Cost(len(told["rows"]), seconds=seconds, downloads=absent, memory=memory))
