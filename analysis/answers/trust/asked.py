"""What a Trust screen is about, and what every panel of it is made with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from analysis.answers.answer import Answer
from analysis.answers.trust.specifications import CHOSEN
from analysis.progress import Report
from analysis.protocol import Protocol
from analysis.scoring import verb
from data.catalog.catalog import recording as open_recording
from data.errors import BrainLensError
from data.recording import Recording

__all__ = ["CONTROLS", "COPIES", "VERSION", "Asked", "Panel", "plain", "scores_of"]

CONTROLS = ("position", "length", "word-rate", "log-frequency")
"""What Omega goes beyond, unless other controls are named."""
VERSION = 4
"""Of what a panel computes beside its scores; raised where that changes, so that nothing older is served."""
COPIES = 5
"""Untrained copies behind the band of the leak meter."""


@dataclass(frozen=True)
class Asked:
    """What a Trust screen is about; plain values only, so that it travels to a worker.

    Parameters
    ----------
    models : tuple of str
    recording : str
        A catalogue id or a file.
    protocol : Protocol
        Today's choices: the end of the waterfall, and what a specification does not change.
    elsewhere : str
        Recording on which a layer is chosen for this one; empty: none.
    committed : mapping of str to int
        Model -> layer named beforehand; a model without one gets its middle layer.
    controls : tuple of str
        What Omega goes beyond.
    axes : mapping of str to tuple of str
        Cells of the specification curve, of :data:`analysis.answers.trust.specifications.AXES`.
    copies : int
        Untrained copies of each model; 0: no band.
    draws : int
        Exchanges of the responses behind the null of the specification curve; 0: none.
    said : mapping
        How the columns of an own file are read, as for :func:`data.catalog.catalog.recording`.
    """

    models: tuple[str, ...]
    recording: str
    protocol: Protocol = field(default_factory=Protocol)
    elsewhere: str = ""
    committed: Mapping[str, int] = field(default_factory=dict)
    controls: tuple[str, ...] = CONTROLS
    axes: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: dict(CHOSEN))
    copies: int = COPIES
    draws: int = 100
    said: Mapping = field(default_factory=dict)
    _opened: dict = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self):
        if not self.models:
            raise BrainLensError("No model is named", remedy="Name one model, or two")

    def open(self, name: str = "") -> Recording:
        """A recording of this question by its name, read once; by default the one it is about."""
        name = name or self.recording
        if name not in self._opened:
            said = self.said if name == self.recording else {}
            self._opened[name] = open_recording(name, **said)
        return self._opened[name]

    def hold(self, recording: Recording) -> None:
        """Take what it is about from somebody who has read it already, as this question says."""
        self._opened[self.recording] = recording

    def __getstate__(self) -> dict:
        return vars(self) | {"_opened": {}}  # names travel, recordings do not


@dataclass(frozen=True)
class Panel:
    """One doubt.

    Parameters
    ----------
    label, question : str
    needs : callable
        ``needs(asked, recording)``: the scores it is made of, as (model, recording id, protocol).
    answer : callable
        ``answer(asked, recording, store, report)``.
    extra : callable
        ``extra(asked, recording)``: seconds beside those scores, about.
    made_of : str
        What these are spent on, in words.
    covered : str
        A panel whose extra work is this one's too.
    """

    label: str
    question: str
    needs: Callable[[Asked, Recording], list[tuple[str, str, Protocol]]]
    answer: Callable[..., Answer]
    extra: Callable[[Asked, Recording], float] = lambda asked, recording: 0.0
    made_of: str = "other work"
    covered: str = ""


def plain(protocol: Protocol) -> Protocol:
    """The same number without what stands beside it, under the first fold seed: a step or a specification of many."""
    return replace(
        protocol.each_seed()[0],
        name=f"{protocol.name.rstrip('*')}*",
        controls=(),
        shuffled_twin=False,
        unique=False,
        ceiling="none",
        bootstrap=min(protocol.bootstrap, 500),
    )


def scores_of(asked: Asked, recording: Recording, store, report: Report, protocol=None) -> list:
    """Of each model, under one protocol."""
    return [
        verb.score(model, recording, protocol or asked.protocol, store=store, report=report)
        for model in asked.models
    ]
