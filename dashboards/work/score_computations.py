"""The bridge from a selection to scores: what is stored is shown at once, the rest is priced and waits to be asked for."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial

from analysis.features.activations import extract
from analysis.models.catalog import card, load
from analysis.progress import Report
from analysis.protocol import Protocol
from analysis.scoring import verb
from analysis.scoring.cost import Cost, cost
from analysis.scoring.cost_beside import with_beside
from analysis.scoring.result import Score
from analysis.scoring.significance import targets_test
from dashboards.state import Selection, defaults
from dashboards.work import identity, opened
from dashboards.work.computation import Computation
from dashboards.work.ledger import Ledger, Priced, Ready, Wish
from data.catalog import catalog
from data.errors import BrainLensError

__all__ = [
    "NOTES",
    "PUBLISHED_NOTES",
    "Scores",
    "TargetTests",
    "example",
    "offered",
    "stamps",
    "unscorable",
]

TEST_DRAWS = (200, 20_000)
"""Fewest and most permutations of a test of targets; the fewest are drawn whatever they cost."""
TEST_SECONDS = 150.0
"""More permutations than the fewest are drawn as long as the test takes no longer, about."""

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
        "Pearson and rank r over models, intervals by a jackknife over model families; analysis.statistics.correlate.",
    ),
)


class Scores(Ledger):
    """Scores of a session, by model, recording and protocol.

    Parameters
    ----------
    selection : Selection
        Recording and protocol come from it; models are given with each call.
    """

    def __init__(self, selection: Selection):
        super().__init__()
        self._selection = selection

    def key(self, model: str, protocol: Protocol | None = None) -> str:
        """Content key of one score; None: the selection's protocol."""
        return f"score:{identity.case(model, self._selection.recording, protocol or self._selection.protocol)}"

    def missing(self, models: list[str], protocol: Protocol | None = None) -> list[Computation]:
        """What is missing for these models: first a look into the store, then the computation."""
        recording, named = self._selection.recording, f" ({protocol.name})" if protocol else ""
        protocol = protocol or self._selection.protocol
        return self.computations(
            Wish(
                self.key(model, protocol),
                f"{model} on {recording}{named}",
                partial(_score, model, recording, protocol),
                partial(_look, model, recording, protocol),
                grows=Score,
            )
            for model in models
            if not unscorable(model)
        )

    def unseen(self, models: list[str], protocol: Protocol | None = None) -> bool:
        """Whether it is not known yet what is stored."""
        return self.looking(self._keys(models, protocol))

    def without(self, models: list[str], held: Collection[str]) -> dict[str, str]:
        """Model -> why it has no finished score under the selection's protocol.

        Parameters
        ----------
        models : list of str
        held : collection of str
            Keys of computations that failed or were cancelled.
        """
        why = {model: unscorable(model) or self.lacking(self.key(model), held) for model in models}
        return {model: reason for model, reason in why.items() if reason}

    def found(self, models: list[str], protocol: Protocol | None = None) -> list:
        """The scores that are there, whole or partial, in the order of the models."""
        return self.values(self._keys(models, protocol))

    def _keys(self, models: list[str], protocol: Protocol | None) -> list[str]:
        return [self.key(model, protocol) for model in models if not unscorable(model)]


def unscorable(model: str) -> str:
    """Why a model has no score on any recording; empty where it may have one."""
    try:
        about = card(model)
        return "" if about.has_layers else f"{about.cls}: no activations"
    except BrainLensError:  # said where it is looked up
        return ""


class TargetTests(Ledger):
    """Tests of each target against chance, by model, recording and protocol."""

    def __init__(self, selection: Selection):
        super().__init__()
        self._selection = selection

    def _key(self, score) -> str:
        return f"targets:{identity.case(score.model, self._selection.recording, score.protocol)}"

    def missing(self, scores: list) -> list[Computation]:
        """What is missing for these complete scores."""
        recording, wishes = self._selection.recording, []
        for one in scores:
            if not (draws := draws_of(one)):
                continue
            work = partial(_test, one.model, recording, one.protocol, one.layers, draws)
            cost = Cost(1, seconds=1.0 + draws * _seconds_a_draw(one))
            wishes.append(
                Wish(self._key(one), f"{one.model}: {draws:,} permutations", work, cost=cost)
            )
        return self.computations(wishes)

    def found(self, scores: list) -> dict:
        """Model -> TargetTest, of what is there."""
        known = {one.model: self.value(self._key(one)) for one in scores}
        return {model: test for model, test in known.items() if test is not None}


SHIPPED = ("zoo-causal-1m", "zoo-glove-64d")
"""A model that reads in context and one that does not, small enough for any recording."""


def example() -> dict:
    """A model and a recording that ship with the program."""
    return {"models": ["zoo-causal-3m"], "recording": "simulated"}


def offered(selection: Selection, example: Callable[[], dict]) -> tuple[str, Callable]:
    """What a lens without a model offers: the built-in example, or models for the recording that the user has chosen."""
    if selection.recording == defaults()["recording"]:
        return ("Show the built-in example", lambda: selection.param.update(**example()))
    return (
        "Choose two models that ship",
        lambda: setattr(selection, "models", list(SHIPPED)),
    )


def stamps(scores: list) -> tuple[str, ...]:
    """What has to be seen beside these scores: the recording's, and of each model, not of its untrained copies, its own."""
    found, notes = [score.stamp for score in scores], {}
    for score in scores:
        note = score.provenance["model"]["note"]
        if note and "@" not in score.model:  # a copy without the training has nothing of it
            notes.setdefault(note, []).append(score.model)
    found += [f"{note}: {', '.join(dict.fromkeys(models))}" for note, models in notes.items()]
    return tuple(dict.fromkeys(filter(None, found)))


def _look(model: str, recording: str, protocol: Protocol, report: Report) -> Ready | Priced:
    """The score where it is stored, else what it costs."""
    loaded = opened.recording(recording)
    price = cost(model, loaded, protocol)
    if not price.cached:
        return Priced(with_beside(price, model, loaded, protocol))
    return Ready(verb.score(model, loaded, protocol, report=report))


def _score(model: str, recording: str, protocol: Protocol, report: Report):
    return verb.score(model, recording, protocol, report=report)


def _test(
    model: str, recording: str, protocol: Protocol, layers: list[int], draws: int, report: Report
):
    loaded = catalog.recording(recording)
    read = extract(load(model), loaded, protocol, layers, report=report)
    features = [read.layer(layer) for layer in layers]
    return targets_test(features, loaded, protocol, draws=draws, report=report)


def draws_of(score, level: float = 0.05) -> int:
    """As many permutations as let a single target pass Benjamini & Hochberg at this level, within what is affordable."""
    fewest, most = TEST_DRAWS
    wanted = max(1000, round(score.provenance["recording"]["n_targets"] / level))
    affordable = int(TEST_SECONDS / _seconds_a_draw(score))
    return max(fewest, min(most, wanted, affordable))


def _seconds_a_draw(score) -> float:
    """About: what one moved copy of all targets costs in all layers, measured on two cores."""
    about, protocol = score.provenance["recording"], score.protocol
    folds = protocol.folds * (1 + protocol.inner_folds * (protocol.criterion == "kfold"))
    n = about["n_stimuli"]
    rank = min(n, score.provenance["model"]["width"] or n)
    return (
        2.0
        * len(score.layers)
        * about["n_targets"]
        * n
        * rank
        * len(protocol.alphas)
        * folds
        / 4e10
    )
