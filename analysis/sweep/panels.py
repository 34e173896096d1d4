"""The runs behind a Trust screen as sweeps: many processes may share them, a lost one costs one task."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.answers.trust.panels import Asked, needs
from analysis.progress import SILENT, Report
from analysis.protocol import Protocol
from analysis.sweep.board import Sweep
from analysis.sweep.plan import Plan
from analysis.sweep.runners import run
from data.errors import BrainLensError

__all__ = ["plans", "run_plans"]


def plans(asked: Asked, panels: Sequence[str]) -> tuple[list[Plan], dict[str, str]]:
    """The scores that panels need, as plans without a cell too many; and the panels that cannot be asked, with the reason.

    Models that need the same protocols on the same recording stand in one plan. A file whose columns were said with the question
    has no plan: a sweep knows recordings by name, so its runs are made one by one where panels ask for them.
    """
    wanted: dict[tuple[str, str], dict[str, Protocol]] = {}
    empty: dict[str, str] = {}
    for name in panels:
        try:
            for model, recording, protocol in needs(name, asked):
                wanted.setdefault((model, recording), {})[protocol.key()] = protocol
        except BrainLensError as error:
            empty[name] = error.problem
    if asked.said:
        return [], empty
    alike: dict[tuple, tuple[list[str], dict[str, Protocol]]] = {}
    for (model, recording), protocols in wanted.items():
        same = alike.setdefault((recording, *sorted(protocols)), ([], protocols))
        same[0].append(model)
    made = []
    for (recording, *_), (models, protocols) in alike.items():
        named = {f"{one.name}-{key[:8]}": one for key, one in protocols.items()}
        made.append(Plan(f"trust-{recording}", tuple(models), (recording,), tuple(named), named))
    return made, empty


def run_plans(
    made: Sequence[Plan],
    *,
    runner: str = "serial",
    workers: int = 2,
    store=None,
    report: Report = SILENT,
) -> int:
    """Do what is left of the plans; how many tasks failed (their panels say why)."""
    sweeps = [Sweep.of(plan, store) for plan in made]
    total, before, failed = sum(len(sweep.tasks) for sweep in sweeps), 0, 0
    for sweep in sweeps:
        told = report
        if runner == "serial":
            told = report.part(before, len(sweep.tasks), total, "runs", of="tasks")
        counts = run(sweep, runner, mode="retry", workers=workers, report=told)
        before, failed = before + len(sweep.tasks), failed + counts["failed"]
    return failed
