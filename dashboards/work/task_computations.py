"""What models do on a task, as a computation of a lens."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from pathlib import Path

from analysis.answers.live_tasks import run_task, stored_task, task_kind, told
from analysis.models.catalog import card
from analysis.progress import Report
from analysis.protocol import Protocol
from analysis.scoring.cost import READING, Cost, downloads
from dashboards.work import identity
from dashboards.work.computation import Computation
from dashboards.work.ledger import Ledger, Priced, Ready, Refused, Wish
from data.errors import BrainLensError

__all__ = ["TaskReadings", "incapable"]

_TOKENS = {"syntaxgym": 40_000, "glue": 1_500_000, "pairs": 30_000, "table": 20_000}
"""Tokens that a task has, about."""


class TaskReadings(Ledger):
    """A session's models on one task."""

    def missing(
        self, models: list[str], task: str, protocol: Protocol, layer: str
    ) -> list[Computation]:
        """What is missing of those models that can do it."""
        return self.computations(
            Wish(
                _key(model, task, protocol, layer),
                f"{model} on {told(task)}",
                partial(_run, model, task, protocol, layer),
                partial(_look, model, task, protocol, layer),
            )
            for model in models
            if not incapable(model, task)
        )

    def found(self, model: str, task: str, protocol: Protocol, layer: str):
        """The TaskResult of a model, or None."""
        return self.value(_key(model, task, protocol, layer))

    def without(
        self, model: str, task: str, protocol: Protocol, layer: str, held: Collection[str]
    ) -> str:
        """Why the result of a model is not there."""
        return incapable(model, task) or self.lacking(_key(model, task, protocol, layer), held)

    def refusals(
        self, models: list[str], task: str, protocol: Protocol, layer: str
    ) -> dict[str, str]:
        """Why each model that cannot do the task, or was refused by its files, has no result: model -> reason."""
        reasons = {}
        for model in models:
            finding = self.finding(_key(model, task, protocol, layer))
            refused = finding.reason if isinstance(finding, Refused) else ""
            if why := incapable(model, task) or refused:
                reasons[model] = why
        return reasons


def incapable(model: str, task: str) -> str:
    """Why a model cannot do a task, or what is wrong with the task's name; empty where it can."""
    try:
        kind, _ = task_kind(task)
    except BrainLensError as error:
        return str(error.problem)
    about = card(model)
    if kind in ("glue", "table"):
        return "" if about.has_layers else f"{about.cls}: no layers for a head"
    kind = "sentence encoder" if about.headless else about.cls
    return "" if about.rates_sentences else f"{kind}: no next-word probabilities"


def _key(model: str, task: str, protocol: Protocol, layer: str) -> str:
    kind, _, rest = task.partition(":")
    if kind in ("pairs", "table"):
        path = Path(rest).expanduser()
        told = path.stat() if path.exists() else None
        task = f"{task}~{told.st_mtime_ns}~{told.st_size}" if told else task
    how = f"|{protocol.key()}|{layer}" if kind in ("glue", "table") else ""
    return f"task:{identity.model(model)}|{task}{how}"


def _seconds(model: str, task: str) -> float | None:
    parameters = card(model).parameters_about
    kind, _, rest = task.partition(":")
    parts = {"syntaxgym": 31, "glue": 8}.get(kind, 1) if rest else 1
    tokens = _TOKENS.get(kind, 0) / parts
    return None if parameters is None else 3.0 + 2 * parameters * tokens / READING


def _look(model: str, task: str, protocol: Protocol, layer: str, report: Report):
    """What it did before, else what it costs; what is wrong with the task's files is told by the run."""
    try:
        found = stored_task(model, task, protocol, layer=layer or -1)
    except BrainLensError:
        found = None
    if found is not None:
        return Ready(found)
    return Priced(Cost(1, seconds=_seconds(model, task), downloads=downloads(model)))


def _run(model: str, task: str, protocol: Protocol, layer: str, report: Report):
    try:
        return run_task(model, task, protocol, layer=layer or -1, report=report)
    except BrainLensError as error:
        return Refused(str(error))
