"""What models do on a task, as a computation of a lens."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial

from analysis.answers.live_tasks import run_task, stored_task, task_files, task_kind, told
from analysis.models.catalog import card
from analysis.progress import Report
from analysis.protocol import Protocol
from analysis.scoring.cost import READING, Cost, downloads
from dashboards.work import identity
from dashboards.work.computation import Computation
from dashboards.work.ledger import Ledger, Priced, Ready, Refused, Wish
from data.errors import BrainLensError
from data.hashes import marks

__all__ = ["TaskReadings", "incapable"]

_TOKENS = {"syntaxgym": 40_000, "glue": 1_500_000, "pairs": 30_000, "table": 20_000}
"""Tokens that a task has, about."""


class TaskReadings(Ledger):
    """A session's models on one task: its name, how sentences become features of a head, the layer, and GLUE's folder."""

    def missing(
        self, models: list[str], task: str, protocol: Protocol, layer: str, folder: str = ""
    ) -> list[Computation]:
        """What is missing of those models that can do it."""
        return self.computations(
            Wish(
                _key(model, task, protocol, layer, folder),
                f"{model} on {told(task)}",
                partial(_run, model, task, protocol, layer, folder),
                partial(_look, model, task, protocol, layer, folder),
            )
            for model in models
            if not incapable(model, task)
        )

    def found(self, model: str, task: str, protocol: Protocol, layer: str, folder: str = ""):
        """The TaskResult of a model, or None."""
        return self.value(_key(model, task, protocol, layer, folder))

    def without(self, model: str, task: str, *how, held: Collection[str]) -> str:
        """Why the result of a model is not there; ``how`` as for :meth:`found`."""
        return incapable(model, task) or self.lacking(_key(model, task, *how), held)

    def refusals(
        self, models: list[str], task: str, protocol: Protocol, layer: str, folder: str = ""
    ) -> dict[str, str]:
        """Why each model that cannot do the task, or was refused by its files, has no result: model -> reason."""
        reasons = {}
        for model in models:
            finding = self.finding(_key(model, task, protocol, layer, folder))
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


def _key(model: str, task: str, protocol: Protocol, layer: str, folder: str = "") -> str:
    kind = task.partition(":")[0]
    how = f"|{protocol.key()}|{layer}" if kind in ("glue", "table") else ""
    if kind in ("glue", "pairs", "table"):  # another word as soon as a file changes
        try:
            how += f"|{folder}~{marks(task_files(task, folder))}"
        except BrainLensError:  # told by the run
            how += f"|{folder}"
    return f"task:{identity.model(model)}|{task}{how}"


def _seconds(model: str, task: str) -> float | None:
    parameters = card(model).parameters_about
    kind, _, rest = task.partition(":")
    parts = {"syntaxgym": 31, "glue": 8}.get(kind, 1) if rest else 1
    tokens = _TOKENS.get(kind, 0) / parts
    return None if parameters is None else 3.0 + 2 * parameters * tokens / READING


def _look(model: str, task: str, protocol: Protocol, layer: str, folder: str, report: Report):
    """What it did before, else what it costs; what is wrong with the task's files is told by the run."""
    try:
        found = stored_task(model, task, protocol, layer=layer or -1, folder=folder)
    except BrainLensError:
        found = None
    if found is not None:
        return Ready(found)
    return Priced(Cost(1, seconds=_seconds(model, task), downloads=downloads(model)))


def _run(model: str, task: str, protocol: Protocol, layer: str, folder: str, report: Report):
    try:
        return run_task(model, task, protocol, layer=layer or -1, folder=folder, report=report)
    except BrainLensError as error:
        return Refused(str(error))
