"""The bridge from a selection to scores: what is stored is shown at once, the rest becomes tasks with a price."""

from __future__ import annotations

from functools import partial

from analysis.progress import Report
from analysis.protocol import Protocol
from dashboards.lens import Task
from dashboards.state import Selection

__all__ = ["ScoreTasks"]

FREE_SECONDS = 2.0
"""A score that takes no longer, and needs no download, is computed without being asked for."""


class ScoreTasks:
    """Scores of a session, by model, recording and protocol.

    Parameters
    ----------
    selection : Selection
        Recording and protocol come from it; models are given with each call.
    """

    def __init__(self, selection: Selection):
        self._selection = selection
        self._scores: dict[str, object] = {}
        self._costs: dict[str, object] = {}

    def key(self, model: str) -> str:
        """Content key of one score."""
        return f"score:{model}|{self._selection.recording}|{self._selection.protocol.key()}"

    def tasks(self, models: list[str]) -> list[Task]:
        """What is missing for these models: first a look into the store, then the computation."""
        recording, protocol, found = self._selection.recording, self._selection.protocol, []
        for model in models:
            key = self.key(model)
            score = self._scores.get(key)
            if score is not None and score.complete:
                continue
            title = f"{model} on {recording}"
            if key not in self._costs:
                found.append(Task(f"look:{key}", title, partial(_look, model, recording, protocol), free=True, quiet=True))
                continue
            cost = self._costs[key]
            cheap = not cost.download and cost.seconds is not None and cost.seconds <= FREE_SECONDS
            found.append(Task(key, title, partial(_score, model, recording, protocol), cost.seconds, cost.download, cost.memory, free=cheap))
        return found

    def take(self, key: str, result: object, *, final: bool) -> None:
        """Keep what a task gave."""
        if not key.startswith("look:"):
            self._scores[key] = result
        elif hasattr(result, "cached") and not hasattr(result, "dataset"):
            self._costs[key.removeprefix("look:")] = result
        else:
            self._scores[key.removeprefix("look:")] = result

    def found(self, models: list[str]) -> list:
        """The scores that are there, whole or partial, in the order of the models."""
        return [self._scores[key] for key in map(self.key, models) if key in self._scores]


def _look(model: str, recording: str, protocol: Protocol, report: Report):
    """The score where it is stored, else what it costs."""
    from analysis.cost import cost
    from analysis.scoring import score
    from data.simulated import default

    loaded = default()
    price = cost(model, loaded, protocol)
    return score(model, loaded, protocol, report=report) if price.cached else price


def _score(model: str, recording: str, protocol: Protocol, report: Report):
    from analysis.scoring import score
    from data.simulated import default

    return score(model, default(), protocol, report=report)
