"""Whether the words of a story stand where they were heard, as a computation of a lens."""

from __future__ import annotations

from functools import partial

from analysis.answers.word_times import bits_heard, word_times
from analysis.models.catalog import state
from analysis.progress import Report
from analysis.protocol import Protocol
from analysis.scoring.cost import Cost, downloads
from dashboards.work import identity, opened
from dashboards.work.computation import Computation
from dashboards.work.ledger import Ledger, Priced, Ready, Refused, Wish
from dashboards.work.text_computations import seconds_of_reading, unpredictive
from data.catalog import catalog
from data.errors import BrainLensError

__all__ = ["Doctors", "no_bits"]

TOKENS = 1.4
"""Of a word, about."""


class Doctors(Ledger):
    """Whether a story's words stand where they were heard, by recording; a look of seconds at most, without a model.

    With a model's surprisal beside it where one is named: stored, or read for the price that is told.
    """

    def key(self, recording: str, model: str = "", protocol: Protocol | None = None) -> str:
        """Content key of what is said of one recording."""
        if model:
            return f"words:{identity.case(model, recording, protocol)}"
        return f"words:{identity.recording(recording)}"

    def missing(
        self, recording: str, model: str = "", protocol: Protocol | None = None
    ) -> list[Computation]:
        """The look, where nobody has looked; the reading, where it was priced."""
        title, look = f"Words of {recording}", partial(_heard, recording)
        wishes = [Wish(self.key(recording), title, look, look, quiet=True)]
        if model:
            asked = (model, recording, protocol)
            wishes.append(
                Wish(
                    self.key(recording, model, protocol),
                    f"Surprisal of {model} in {recording}",
                    partial(_heard_with, *asked),
                    partial(_look_heard, *asked),
                )
            )
        return self.computations(wishes)

    def best(self, recording: str, model: str, protocol: Protocol) -> tuple[object | None, str]:
        """What is said of the words, with the model's surprisal where that is there; why it is not."""
        plain = self.value(self.key(recording))
        if plain is None or not model:
            return plain, ""
        key = self.key(recording, model, protocol)
        return self.value(key) or plain, self.lacking(key)


def no_bits(model: str) -> str:
    """Why a model's surprisal cannot be followed; empty where it can."""
    try:
        return unpredictive(model)
    except BrainLensError as error:
        return error.problem


def _heard(name: str, report: Report) -> Ready | Refused:
    try:
        return Ready(word_times(opened.recording(name)))
    except BrainLensError as error:  # epochs, sentences, another kind of signal
        return Refused(str(error))


def _look_heard(model: str, name: str, protocol: Protocol, report: Report):
    """With what is stored of the model; else what reading costs."""
    try:
        story = opened.recording(name)
        here = state(model) == "ready"
        if here and bits_heard(model, story, protocol, known=True) is not None:
            return Ready(word_times(story, surprisal=model, protocol=protocol))
        tokens = round(TOKENS * len(story.timed.words))
        seconds = seconds_of_reading(model, tokens)
        return Priced(Cost(1, seconds=seconds, downloads=downloads(model)))
    except BrainLensError as error:  # as of _heard
        return Refused(str(error))


def _heard_with(model: str, name: str, protocol: Protocol, report: Report):
    return word_times(catalog.recording(name), surprisal=model, protocol=protocol, report=report)
