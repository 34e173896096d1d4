"""Scores for the screen: a rough answer for every layer first, then the exact one, each labelled as what it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from analysis.mapping.fit import cross_validate
from analysis.mapping.result import Fit
from analysis.progress import SILENT, Report

__all__ = ["Partial", "bisection", "progressive"]

PREVIEW_TARGETS = 1000


@dataclass(frozen=True)
class Partial:
    """One layer's scores on the way to the final ones.

    Parameters
    ----------
    layer : int
        Position in the list of layers.
    fit : Fit
        Of that layer alone.
    targets : ndarray of int
        Which targets ``fit`` covers, in its order.
    label : str
        What it is, in words: ``"preview: GCV, 1,000 of 12,155 targets"``, or ``"final: kfold, all targets"``.
    final : bool
        Nothing better will follow for this layer.
    """

    layer: int
    fit: Fit
    targets: np.ndarray
    label: str
    final: bool


def bisection(count: int) -> list[int]:
    """Layers in the order that fills a curve soonest: first, last, middle, then the middles of the gaps.

    Examples
    --------
    >>> bisection(7)
    [0, 6, 3, 1, 4, 2, 5]
    """
    if count < 1:
        return []
    order, gaps = [0], [(0, count - 1)]
    if count > 1:
        order.append(count - 1)
    while gaps:
        halves = []
        for low, high in gaps:
            middle = (low + high) // 2
            if middle not in (low, high):
                order.append(middle)
                halves += [(low, middle), (middle, high)]
        gaps = halves
    return order


class _Inside(Report):
    """Cancelled where the caller's report is; progress is counted outside, by layer."""

    def __init__(self, outer: Report):
        super().__init__()
        self._outer = outer

    @property
    def cancelled(self) -> bool:
        return self._outer.cancelled

    def checkpoint(self) -> None:
        self._outer.checkpoint()


def progressive(
    features,
    responses,
    folds,
    *,
    seed: int = 0,
    preview_targets: int = PREVIEW_TARGETS,
    report: Report | None = None,
    **choices,
) -> Iterator[Partial]:
    """Score layer by layer in bisection order: all layers on some targets by GCV, then all targets as asked.

    Parameters
    ----------
    features : list of arrays (n_stimuli, n_units)
    responses, folds
        As for :func:`~analysis.mapping.fit.cross_validate`.
    seed : int
        Seed of the random targets of the preview.
    preview_targets : int
        How many.
    report : Report, optional
        Cancel takes effect within one block. Progress counts layers of both rounds.
    **choices
        Passed to :func:`~analysis.mapping.fit.cross_validate`.

    Yields
    ------
    Partial
        Two per layer; one where nothing is saved by a preview (few targets and no search for alpha).

    Raises
    ------
    Cancelled
    """
    report = report or SILENT
    layers = list(features) if isinstance(features, (list, tuple)) else [features]
    y = np.asarray(responses)
    ols = choices.get("method") == "ols"
    some = np.sort(np.random.default_rng(seed).permutation(y.shape[1])[:preview_targets])
    everything = np.arange(y.shape[1])
    asked = "least squares" if ols else choices.get("criterion", "loo")
    quick = {**choices, "predictions": False}
    if not ols:
        quick |= {"criterion": "gcv", "inner_folds": None}
    rounds = [(everything, choices, f"final: {asked}, all {y.shape[1]:,} targets", True)]
    if len(some) < y.shape[1] or (not ols and asked != "gcv"):
        what = "least squares" if ols else "GCV"
        rounds.insert(
            0, (some, quick, f"preview: {what}, {len(some):,} of {y.shape[1]:,} targets", False)
        )
    order = bisection(len(layers))
    for turn, (targets, options, label, final) in enumerate(rounds):
        block = y if final else np.ascontiguousarray(y[:, targets])
        for number, layer in enumerate(order):
            fit = cross_validate(layers[layer], block, folds, report=_Inside(report), **options)
            report.step(turn * len(order) + number + 1, len(rounds) * len(order), "scoring")
            yield Partial(layer, fit, targets, label, final)
