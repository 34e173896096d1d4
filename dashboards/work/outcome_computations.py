"""The bridge from names of variants to what they gave: brain score, bits per byte, delta log-likelihood."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from analysis.models.catalog import card
from analysis.progress import Report
from analysis.protocol import Protocol
from analysis.scoring.cost import Cost, downloads
from analysis.store.keys import content_key
from dashboards.work import identity, opened
from dashboards.work.computation import Computation
from dashboards.work.ledger import Ledger, Priced, Ready, Wish
from dashboards.work.text_computations import TEXTS, words_of

__all__ = [
    "Answers",
    "Outcomes",
    "asked_of",
    "bits_seconds",
    "outcome_key",
    "priced",
    "reading_seconds",
]


def outcome_key(kind: str, model: str, choice, *more: object) -> str:
    """Content key of what one model gave under a selection: recording, protocol, text and reading times are in it."""
    text = choice.text if choice.text in TEXTS.values() else identity.recording(choice.text)
    corpora = [identity.recording(name) for name in choice.corpora[:1]]
    case = identity.case(model, choice.recording, choice.protocol)
    return "|".join([f"{kind}:{case}", text, *corpora, *map(str, more)])


class Answers(Ledger):
    """Answers about single models: one look into the store for all that are asked for together, then a price for each."""

    def wanted(self, wishes: Iterable[Wish], look: Callable, runs: Iterable[tuple], choice):
        """What is missing.

        Parameters
        ----------
        wishes : iterable of Wish
            Without a look of their own.
        look : callable
            ``look(*run, recording=, protocol=, text=, corpus=)``: what is known of one, without computing.
        runs : iterable of tuple
            One for each wish.
        choice : Selection
        """
        wishes = list(wishes)
        unknown = {
            wish.key: run
            for wish, run in zip(wishes, runs, strict=True)
            if self.finding(wish.key) is None
        }
        known = self.computations(wish for wish in wishes if wish.key not in unknown)
        if not unknown:
            return known
        work = partial(_looks, look, list(unknown.values()), *asked_of(choice))
        take = partial(self._found_together, list(unknown))
        title = f"what is stored of {len(unknown)}"
        key = f"looks:{content_key(*unknown)}"
        return [Computation(key, title, work, take, free=True, quiet=True), *known]

    def _found_together(self, keys: list[str], findings: list, final: bool) -> None:
        if final:
            for key, finding in zip(keys, findings, strict=True):
                self.keep(key, finding)


class Outcomes(Answers):
    """Outcomes of a session's variants.

    Parameters
    ----------
    selection : Selection
        Recording, protocol, text and reading times come from it.
    """

    def __init__(self, selection):
        super().__init__()
        self._selection = selection

    def missing(self, names: Iterable[str], whole: str = "") -> list[Computation]:
        """What is missing: first a look into the store, then the computation.

        Parameters
        ----------
        whole : str
            The model that the divergence is from; empty: none.
        """
        choice, names = self._selection, list(names)
        wishes = (
            Wish(
                outcome_key("outcome", name, choice, whole),
                f"{name} on {choice.recording}",
                partial(_outcome, name, *asked_of(choice), whole),
            )
            for name in names
        )
        return self.wanted(wishes, _look, [(name, whole) for name in names], choice)

    def found(self, names: Iterable[str], whole: str = "") -> list:
        """The outcomes that are there, in the order of the names."""
        choice = self._selection
        return self.values(outcome_key("outcome", name, choice, whole) for name in names)


def asked_of(choice) -> tuple[str, Protocol, str, str]:
    """Recording, protocol, text and recording of words of a selection."""
    return (
        choice.recording,
        choice.protocol,
        choice.text,
        choice.corpora[0] if choice.corpora else "",
    )


def priced(name: str, seconds: float) -> Priced:
    """What work on a model costs that takes so long, with what has to be fetched."""
    return Priced(Cost(1, seconds=seconds, downloads=downloads(name)))


def reading_seconds(name: str) -> float:
    """About what one outcome takes beyond its training: five seconds, more for a model of many weights."""
    return 2.5 + bits_seconds(name)


def bits_seconds(name: str) -> float:
    """About what bits per byte of the built-in text take; a masked model reads it once for each token (44 s against 2.5)."""
    about = card(name)
    passes = 17 if about.cls == "bidirectional" else 1
    return passes * (2.5 + (about.parameters_about or 0) * 2.5e-7)


def _looks(look: Callable, runs: list[tuple], recording, protocol, text, corpus, report: Report):
    """What is known of each; what all are measured on is read once."""
    asked = dict(recording=opened.recording(recording), protocol=protocol, text=words_of(text))
    asked["corpus"] = opened.recording(corpus) if corpus else ""
    found = []
    for run in runs:
        report.checkpoint()
        found.append(look(*run, **asked))
    return found


def _look(name: str, whole: str, **asked):
    """The outcome where it is stored, else what it costs."""
    from analysis.answers.outcomes import stored_outcome

    found = stored_outcome(name, whole=whole, **asked)
    return priced(name, reading_seconds(name)) if found is None else Ready(found)


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
