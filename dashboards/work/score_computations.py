"""The bridge from a selection to scores: what is stored is shown at once, the rest becomes tasks with a price."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial

from analysis.progress import Report
from analysis.protocol import Protocol
from dashboards.state import Selection
from dashboards.work import identity
from dashboards.work.computation import Computation
from data.errors import BrainLensError

__all__ = [
    "NOTES",
    "PUBLISHED_NOTES",
    "ScoreTasks",
    "TargetTasks",
    "example",
    "failure",
    "stamps",
    "unscorable",
]

TEST_DRAWS = (200, 20_000)
"""Fewest and most permutations of a test of targets; the fewest are drawn whatever they cost."""
TEST_SECONDS = 60.0
"""More permutations than the fewest are drawn as long as the test takes no longer, about."""
FREE_SECONDS = 2.0
"""A score that takes no longer, and needs no download, is computed without being asked for."""

NOTES = (
    (
        "r",
        "Pearson's r between predicted and measured responses, per held-out fold, then averaged; analysis.scoring.verb.score.",
    ),
    (
        "interval",
        "95 %, bootstrap of held-out predictions over subjects and groups; analysis.statistics.hierarchical_bootstrap.",
    ),
    (
        "ceiling",
        "What a perfect model could reach, given the recording's noise; analysis.ceiling.kinds. Averaged recordings have none.",
    ),
    ("normalised", "r divided by the ceiling, never clipped; above 1 the ceiling is too low."),
    (
        "shuffled",
        "Folds that ignore topics and stories: what is higher there leaks; analysis.mapping.splits.make_folds.",
    ),
    (
        "controls",
        "Position, length and a random embedding of the same width on the same folds; analysis.features.controls.features.",
    ),
    (
        "selection optimism",
        "What choosing the layer on the reported data adds to the nested choice; analysis.scoring.verb.Score.",
    ),
    (
        "q",
        "Share of false discoveries among targets called above chance; analysis.scoring.significance.targets_test, "
        "analysis.statistics.fdr.",
    ),
    (
        "chosen",
        "The layer picked on inner folds, without looking at the held-out ones; analysis.scoring.summary.choose_layers.",
    ),
)
PUBLISHED_NOTES = (
    (
        "published score",
        "Ceiling-normalised r at the best layer on the reported data, the paper's protocol; data.readers.published.schrimpf2021.",
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
        self._failed: dict[str, str] = {}

    def key(self, model: str, protocol: Protocol | None = None) -> str:
        """Content key of one score; None: the selection's protocol."""
        return f"score:{identity.case(model, self._selection.recording, protocol or self._selection.protocol)}"

    def tasks(self, models: list[str], protocol: Protocol | None = None) -> list[Computation]:
        """What is missing for these models: first a look into the store, then the computation."""
        recording, found = self._selection.recording, []
        named = f" ({protocol.name})" if protocol else ""
        protocol = protocol or self._selection.protocol
        for model in models:
            if unscorable(model):
                continue
            key = self.key(model, protocol)
            score = self._scores.get(key)
            if score is not None and score.complete:
                continue
            title = f"{model} on {recording}{named}"
            if key not in self._costs:
                found.append(
                    Computation(
                        f"look:{key}",
                        title,
                        partial(_look, model, recording, protocol),
                        free=True,
                        quiet=True,
                    )
                )
                continue
            cost = self._costs[key]
            cheap = not cost.download and cost.seconds is not None and cost.seconds <= FREE_SECONDS
            found.append(
                Computation(
                    key,
                    title,
                    partial(_score, model, recording, protocol),
                    cost.seconds,
                    cost.download,
                    cost.memory,
                    free=cheap,
                )
            )
        return found

    def looking(self, models: list[str], protocol: Protocol | None = None) -> bool:
        """Whether it is not known yet what is stored."""
        return any(
            key not in self._scores and key not in self._costs
            for key in self._keys(models, protocol)
        )

    def take(self, key: str, result: object, *, final: bool) -> None:
        """Keep what a task gave."""
        self._failed.pop(key, None)
        if not key.startswith("look:"):
            self._scores[key] = result
        elif hasattr(result, "cached") and not hasattr(result, "dataset"):
            self._costs[key.removeprefix("look:")] = result
        else:
            self._scores[key.removeprefix("look:")] = result

    def failed(self, key: str, error: BaseException) -> None:
        """Keep why a task gave nothing."""
        self._failed[key] = failure(error)

    def lacking(self, models: list[str], held: Collection[str]) -> dict[str, str]:
        """Model -> why it has no finished score under the selection's protocol.

        Parameters
        ----------
        models : list of str
        held : collection of str
            Keys of tasks that failed or were cancelled.
        """
        found, protocol = {}, self._selection.protocol
        for model in models:
            key = self.key(model, protocol)
            score = self._scores.get(key)
            stopped = next((one for one in (key, f"look:{key}") if one in held), "")
            if score is not None and score.complete:
                continue
            if reason := unscorable(model):
                found[model] = reason
            elif stopped:
                found[model] = self._failed.get(stopped, "cancelled")
            else:
                found[model] = "not computed yet" if score is None else "still being computed"
        return found

    def found(self, models: list[str], protocol: Protocol | None = None) -> list:
        """The scores that are there, whole or partial, in the order of the models."""
        return [self._scores[key] for key in self._keys(models, protocol) if key in self._scores]

    def _keys(self, models: list[str], protocol: Protocol | None) -> list[str]:
        return [self.key(model, protocol) for model in models if not unscorable(model)]


def unscorable(model: str) -> str:
    """Why a model has no score on any recording; empty where it may have one."""
    from analysis.models.catalog import card

    try:
        about = card(model)
        return "" if about.has_layers else f"{about.cls}: no activations"
    except BrainLensError:  # said where it is looked up
        return ""


def failure(error: BaseException) -> str:
    """Why something could not be computed, short enough for a caption."""
    return "failed: " + (
        error.problem if isinstance(error, BrainLensError) else f"{type(error).__name__}: {error}"
    ).rstrip(".")


class TargetTasks:
    """Tests of each target against chance, by model, recording, protocol and layer."""

    def __init__(self, selection: Selection):
        self._selection = selection
        self._found: dict[str, object] = {}

    def _key(self, score) -> str:
        return f"targets:{identity.case(score.model, self._selection.recording, score.protocol)}|{score.chosen_layer}"

    def tasks(self, scores: list) -> list[Computation]:
        """What is missing for these complete scores."""
        recording = self._selection.recording
        return [
            Computation(key, f"{one.model}: {draws:,} permutations", partial(_test, one.model, recording, one.protocol,
                 one.chosen_layer, draws), 1.0 + draws * _seconds_a_draw(one))
            for one in scores if (key := self._key(one)) not in self._found and (draws := draws_of(one))
        ]  # fmt: skip

    def take(self, key: str, result: object) -> bool:
        """Keep a result; False where the key is not of this kind."""
        if not key.startswith("targets:"):
            return False
        self._found[key] = result
        return True

    def found(self, scores: list) -> dict:
        """Model -> TargetTest, of what is there."""
        return {
            one.model: self._found[key] for one in scores if (key := self._key(one)) in self._found
        }


def example() -> dict:
    """A model and a recording that ship with the program."""
    return {"models": ["zoo-causal-3m"], "recording": "simulated"}


def stamps(scores: list) -> tuple[str, ...]:
    """What has to be seen beside these scores."""
    found = [score.stamp for score in scores]
    found += [
        f"{score.model}: {note}" for score in scores if (note := score.provenance["model"]["note"])
    ]
    return tuple(dict.fromkeys(filter(None, found)))


def _look(model: str, recording: str, protocol: Protocol, report: Report):
    """The score where it is stored, else what it costs."""
    from analysis.scoring.cost import cost
    from analysis.scoring.verb import score
    from data.catalog.catalog import recording as load

    loaded = load(recording)
    price = cost(model, loaded, protocol)
    return score(model, loaded, protocol, report=report) if price.cached else price


def _score(model: str, recording: str, protocol: Protocol, report: Report):
    from analysis.scoring.verb import score

    return score(model, recording, protocol, report=report)


def _test(model: str, recording: str, protocol: Protocol, layer: int, draws: int, report: Report):
    from analysis.features.activations import extract
    from analysis.models.catalog import load
    from analysis.scoring.significance import targets_test
    from data.catalog.catalog import recording as read

    loaded = read(recording)
    features = extract(load(model), loaded, protocol, [layer], report=report).layer(layer)
    return targets_test(features, loaded, protocol, layer=layer, draws=draws, report=report)


def draws_of(score, level: float = 0.05) -> int:
    """As many permutations as let a single target pass Benjamini & Hochberg at this level, within what is affordable."""
    fewest, most = TEST_DRAWS
    wanted = max(1000, round(score.provenance["recording"]["n_targets"] / level))
    affordable = int(TEST_SECONDS / _seconds_a_draw(score))
    return max(fewest, min(most, wanted, affordable))


def _seconds_a_draw(score) -> float:
    """About: what one moved copy of all targets costs, measured on two cores."""
    about, protocol = score.provenance["recording"], score.protocol
    folds = protocol.folds * (1 + protocol.inner_folds * (protocol.criterion == "kfold"))
    n = about["n_stimuli"]
    rank = min(n, score.provenance["model"]["width"] or n)
    return 2.0 * about["n_targets"] * n * rank * len(protocol.alphas) * folds / 4e10
