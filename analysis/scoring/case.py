"""One model on one recording under one protocol: what every step of a score needs, put together once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, runtime_checkable
from typing import Protocol as Shape

import numpy as np

from analysis.features.activations import Activations, extract
from analysis.features.arrays import from_arrays, is_arrays
from analysis.features.controls import CONTROLS
from analysis.models import load
from analysis.models.sites import is_site
from analysis.progress import SILENT, Report
from analysis.protocol import Protocol, preset
from analysis.scoring.folds import Run, runs
from analysis.scoring.in_time import CONTROLS as IN_TIME
from analysis.scoring.in_time import followed
from analysis.scoring.keys import score_key
from analysis.scoring.sameness import same_number
from analysis.store.store import Store
from data.catalog.catalog import recording as open_recording
from data.errors import BrainLensError, unknown
from data.recording import Recording

__all__ = ["Case", "Source", "as_model", "as_recording"]


@runtime_checkable
class Source(Shape):
    """What a model and ready activations share: a name, and layers of known widths."""

    id: str

    @property
    def n_layers(self) -> int:
        """Layers, the embedding output counted."""
        ...

    @property
    def widths(self) -> Sequence[int]:
        """Units of each layer; empty where there are no activations, only probabilities of words."""
        ...

    def layer_number(self, layer: int | str) -> int:
        """A layer by number (negative from the top), digits, or the paper's name."""
        ...


@dataclass(frozen=True)
class Case:
    """One model on one recording under one protocol.

    Parameters
    ----------
    source : Source
        A model, or ready activations.
    recording : Recording
    protocol : Protocol
    every : tuple of Run
        The folds of each fold seed.
    store : Store
        Where activations and scores are kept.
    report : Report
        Progress, partial results and cancel.
    numbers : tuple of int
        Layers that are asked for, ascending.

    Attributes
    ----------
    wanted : list of int
        Numbers of the runs whose folds are not those of an earlier one.
    keys : list of str
        Of the source's score under each run.
    key : str
        Of the whole score.
    """

    source: Source
    recording: Recording
    protocol: Protocol
    every: tuple[Run, ...]
    store: Store
    report: Report = field(default=SILENT, compare=False)
    numbers: tuple[int, ...] = ()

    @classmethod
    def of(
        cls,
        model,
        recording,
        protocol: Protocol | str = "defended",
        *,
        layers: Sequence[int | str] | None = None,
        store=None,
        report: Report = SILENT,
    ) -> Case:
        """Names to things, and the folds; nothing is read and nothing is fitted.

        Parameters
        ----------
        model, recording, protocol, layers, store, report
            As for :func:`analysis.score`.

        Raises
        ------
        BrainLensError
            For unknown names and layers, and recordings that cannot be split as the protocol asks.
        """
        protocol = preset(protocol) if isinstance(protocol, str) else protocol
        recording = as_recording(recording)
        _controls_fit(recording, protocol)
        every = tuple(runs(recording, protocol))
        if is_arrays(model):
            model = from_arrays(model, recording)
        elif not (
            isinstance(model, str | Path) or hasattr(model, "card") or hasattr(model, "n_layers")
        ):
            raise BrainLensError(
                f"{type(model).__name__} is neither a model nor activations",
                remedy="Give a model's id or folder, a loaded model, or an array (stimulus, unit)",
            )
        source, layers = _at_sites(as_model(model), layers)
        return cls(
            source,
            recording,
            protocol,
            every,
            store or Store(),
            report,
            tuple(_numbers(source, layers)),
        )

    @property
    def wanted(self) -> list[int]:
        """Numbers of the runs whose folds are not those of an earlier one."""
        return [number for number, run in enumerate(self.every) if run.same == number]

    @cached_property
    def keys(self) -> list[str]:
        """Of the source's score under each run."""
        return [score_key(self.source, self.recording, run.protocol) for run in self.every]

    @cached_property
    def key(self) -> str:
        """Of the whole score."""
        return score_key(self.source, self.recording, self.protocol)

    @cached_property
    def same(self) -> list[str]:
        """What its r is by content: :func:`analysis.scoring.sameness.same_number`."""
        return same_number(self.source, self.recording, self.protocol)

    @property
    def first(self) -> Case:
        """The same with its first fold seed alone."""
        return replace(self, protocol=self.every[0].protocol, every=self.every[:1])

    def activations(self, layers: Sequence[int]) -> Activations:
        """Activations that have these layers: the source itself, or read by it, from the store where they are there."""
        if isinstance(self.source, Activations):
            return self.source
        reader: Any = self.source  # a model, where it is no activations
        return extract(
            reader,
            self.recording.reading(),
            self.protocol,
            sorted(set(layers)),
            store=self.store,
            report=self.report,
        )

    def features(self, layer: int) -> np.ndarray:
        """One layer's features, shape (n_stimuli, n_units); of a story as the signal should follow them."""
        return followed(self.activations([layer]).layer(layer), self.recording, self.protocol)


# ---- names to things ------------------------------------------------------------------------------------------------
def as_model(model):
    """The reader of a name; a model or activations are given back."""
    return load(str(model)) if isinstance(model, str | Path) else model


def as_recording(recording) -> Recording:
    """The recording of an id or a path; a recording is given back."""
    return recording if isinstance(recording, Recording) else open_recording(recording)


def _at_sites(model, layers: Sequence[int | str] | None):
    """A model read at the places that ``layers`` names, and all of them; both as they are where it names layers."""
    if layers is None or not any(map(is_site, layers)):
        return model, layers
    if getattr(getattr(model, "variant", None), "sites", None):  # it is read there already
        return model, layers
    if not hasattr(model, "at"):
        raise BrainLensError(
            f"{model.id} is no transformer and has no {next(filter(is_site, layers))!r}",
            remedy="Give layers by their numbers",
        )
    names = [one if is_site(one) else f"block:{model.layer_number(one)}" for one in layers]
    return model.at(names), None


def _numbers(source, layers: Sequence[int | str] | None) -> list[int]:
    if layers is not None:
        return sorted({source.layer_number(layer) for layer in layers})
    ready = isinstance(source, Activations)
    return sorted(source.layers) if ready else list(range(source.n_layers))


def _controls_fit(recording: Recording, protocol: Protocol) -> None:
    """Refuse a control that this kind of recording does not have, before a model reads."""
    known, others = list(CONTROLS), list(IN_TIME)
    if recording.sampled:
        known, others = others, known
    for name in protocol.controls:
        kind = name.partition(":")[0]
        if kind in known:
            continue
        if kind not in others:
            raise unknown("control", name, known, remedy="Write controls=none for none")
        rows = (
            "samples of a run" if recording.sampled else f"one response per {recording.scored_unit}"
        )
        better = (
            "story"
            if recording.sampled
            else "epochs"
            if "lag" in recording.responses.coords
            else "defended"
        )
        raise BrainLensError(
            f"{recording.id} has {rows}, and there is no control {name} of them (protocol {protocol.name})",
            choices=known,
            remedy=f"Choose the protocol {better}, or controls of this recording",
        )
