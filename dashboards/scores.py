"""The bridge from a selection to scores: what is stored is shown at once, the rest becomes tasks with a price."""

from __future__ import annotations

from functools import partial

from analysis.progress import Report
from analysis.protocol import Protocol
from dashboards.state import Selection
from dashboards.view import Task

__all__ = ["NOTES", "PUBLISHED_NOTES", "ScoreTasks", "example", "stamps"]

FREE_SECONDS = 2.0
"""A score that takes no longer, and needs no download, is computed without being asked for."""

NOTES = (
    ("r", "Pearson's r between predicted and measured responses, per held-out fold, then averaged; analysis.scoring.score."),
    (
        "interval",
        "95 %, bootstrap of held-out predictions over subjects and groups; analysis.statistics.hierarchical_bootstrap.",
    ),
    (
        "ceiling",
        "What a perfect model could reach, given the recording's noise; analysis.ceiling. Averaged recordings have none.",
    ),
    ("normalised", "r divided by the ceiling, never clipped; above 1 the ceiling is too low."),
    (
        "shuffled",
        "Folds that ignore topics and stories: what is higher there leaks; analysis.mapping.splits.make_folds.",
    ),
    ("controls", "Position, length and a random embedding of the same width on the same folds; analysis.controls.features."),
    ("chosen", "The layer picked on inner folds, without looking at the held-out ones; analysis.summary.choose_layers."),
)
PUBLISHED_NOTES = (
    (
        "published score",
        "Ceiling-normalised r at the best layer on the reported data, by the paper's protocol; data.published.schrimpf2021.",
    ),
    (
        "correlation",
        "Pearson and rank r over models, intervals by a bootstrap over model families; analysis.statistics.correlate.",
    ),
)


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
            found.append(
                Task(
                    key, title, partial(_score, model, recording, protocol), cost.seconds, cost.download, cost.memory, free=cheap
                )
            )
        return found

    def looking(self, models: list[str]) -> bool:
        """Whether it is not known yet what is stored."""
        return any(key not in self._scores and key not in self._costs for key in map(self.key, models))

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


def example() -> dict:
    """A model and a recording that ship with the program."""
    return {"models": ["zoo-causal-400k"], "recording": "simulated"}


def stamps(scores: list) -> tuple[str, ...]:
    """What has to be seen beside these scores."""
    found = [score.stamp for score in scores]
    found += [f"{score.model}: {note}" for score in scores if (note := score.provenance["model"]["note"])]
    return tuple(dict.fromkeys(filter(None, found)))


def _look(model: str, recording: str, protocol: Protocol, report: Report):
    """The score where it is stored, else what it costs."""
    from analysis.cost import cost
    from analysis.scoring import score
    from data.catalog import recording as load

    loaded = load(recording)
    price = cost(model, loaded, protocol)
    return score(model, loaded, protocol, report=report) if price.cached else price


def _score(model: str, recording: str, protocol: Protocol, report: Report):
    from analysis.scoring import score

    return score(model, recording, protocol, report=report)
