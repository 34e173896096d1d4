"""The bridge from names of variants to what they gave: brain score, bits per byte, delta log-likelihood."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from analysis.models.catalog import card
from analysis.progress import Report
from analysis.protocol import Protocol
from analysis.scoring.cost import Cost
from dashboards.work import identity
from dashboards.work.computation import Computation
from dashboards.work.ledger import Ledger, Wish
from dashboards.work.text_computations import TEXTS, words_of

__all__ = ["Outcomes", "outcome_key"]


def outcome_key(kind: str, model: str, choice, *more: object) -> str:
    """Content key of what one model gave under a selection: recording, protocol, text and reading times are in it."""
    text = choice.text if choice.text in TEXTS.values() else identity.recording(choice.text)
    corpora = [identity.recording(name) for name in choice.corpora[:1]]
    case = identity.case(model, choice.recording, choice.protocol)
    return "|".join([f"{kind}:{case}", text, *corpora, *map(str, more)])


class Outcomes(Ledger):
    """Outcomes of a session's variants.

    Parameters
    ----------
    selection : Selection
        Recording, protocol, text and reading times come from it.
    """

    def __init__(self, selection):
        super().__init__()
        self._selection = selection

    def missing(self, names: Iterable[str], whole: str = "", *, seconds=None) -> list[Computation]:
        """What is missing.

        Parameters
        ----------
        whole : str
            The model that the divergence is from; empty: none.
        seconds : callable, optional
            ``seconds(name)``: what a name costs beside its reading and scoring.
        """
        choice = self._selection
        corpus = choice.corpora[0] if choice.corpora else ""
        return self.computations(
            Wish(
                outcome_key("outcome", name, choice, whole),
                f"{name} on {choice.recording}",
                partial(
                    _outcome, name, choice.recording, choice.protocol, choice.text, corpus, whole
                ),
                cost=Cost(1, seconds=reading_seconds(name) + (seconds(name) if seconds else 0.0)),
            )
            for name in names
        )

    def found(self, names: Iterable[str], whole: str = "") -> list:
        """The outcomes that are there, in the order of the names."""
        choice = self._selection
        return self.values(outcome_key("outcome", name, choice, whole) for name in names)


def reading_seconds(name: str) -> float:
    """About what one outcome takes beyond its training: five seconds, more for a model of many weights."""
    return 5.0 + (card(name).parameters_about or 0) * 2.5e-7


def _outcome(
    name: str,
    recording: str,
    protocol: Protocol,
    text: str,
    corpus: str,
    whole: str,
    report: Report,
):
    from analysis.answers.outcomes import outcome

    return outcome(
        name, recording, protocol, text=words_of(text), corpus=corpus, whole=whole, report=report
    )
