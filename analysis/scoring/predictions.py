"""What a model predicts for the held-out rows of each fold, with the layer that was chosen for the fold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from analysis.mapping.splits import Part, within
from analysis.progress import Report
from analysis.protocol import Protocol
from analysis.scoring.geometry import refuse_geometry
from analysis.scoring.solver import cross_validate_under
from data.errors import BrainLensError
from data.recording import Recording

__all__ = ["HeldOut", "held_out"]


@dataclass(frozen=True)
class HeldOut:
    """Responses and predictions of one part of a recording.

    Parameters
    ----------
    part : Part
    targets : ndarray of int
        Columns of the recording that have a response in this part.
    responses, predictions : ndarray, shape (n_rows, n_targets)
        NaN where not measured; predictions NaN where never tested.
    folds : list of (train, test)
        By row of ``responses``.
    """

    part: Part
    targets: np.ndarray
    responses: np.ndarray
    predictions: np.ndarray
    folds: list[tuple[np.ndarray, np.ndarray]]

    @property
    def rows(self) -> np.ndarray:
        """Rows of the recording."""
        return self.part.rows


def held_out(
    activations,
    fold_layers: list[int],
    recording: Recording,
    protocol: Protocol,
    parts: list[Part],
    report: Report,
) -> Iterator[HeldOut]:
    """Fit every fold at the layer that stands for the model in it, part by part.

    Parameters
    ----------
    activations : Activations
    fold_layers : list of int
        A layer for every fold of every part, in their order.
    """
    refuse_geometry(protocol, "prediction of single stimuli")
    if recording.sampled:
        raise BrainLensError(
            f"{recording.id}: its rows are samples of a run, not stimuli that could be looked at one by one",
            remedy="Choose a recording of sentences or words, or look at it over time",
        )
    done, wanted = 0, len(fold_layers)
    for part in parts:
        local = np.full(recording.n_stimuli, -1)
        local[part.rows] = np.arange(len(part.rows))
        folds = [(local[train], local[test]) for train, test in part.folds]
        criterion, inside = within(part, protocol)
        inner = inside and [[(local[a], local[b]) for a, b in pairs] for pairs in inside]
        mine = fold_layers[done : done + len(folds)]
        y = recording.responses.values[part.rows]
        seen = np.flatnonzero(~np.isnan(y).all(axis=0))
        y = np.ascontiguousarray(y[:, seen])
        predicted = np.full(y.shape, np.nan)
        for layer in sorted(set(mine)):
            which = [number for number, one in enumerate(mine) if one == layer]
            report.step(done, wanted, "folds")
            fit = cross_validate_under(
                protocol,
                activations.layer(layer)[part.rows],
                y,
                [folds[i] for i in which],
                criterion=criterion,
                inner_folds=inner and [inner[i] for i in which],
                predictions=True,
                report=report,
            )
            tested = np.concatenate([folds[i][1] for i in which])
            predicted[tested] = fit.predictions[0][tested]
            done += len(which)
        yield HeldOut(part, seen, y, predicted, folds)
    report.step(wanted, wanted, "folds")
