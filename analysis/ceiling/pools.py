"""People predicted from pools of other people, by the regression and the folds that the model is scored with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations
from typing import cast

import numpy as np

from analysis.mapping import cross_validate
from analysis.mapping.decomposed import Decomposed, decompose_each
from analysis.mapping.gram import Gram, gram
from analysis.mapping.splits import Part, within
from analysis.mapping.threads import LARGE
from analysis.progress import SILENT, Report
from analysis.protocol import Protocol

__all__ = ["FEW", "Pool", "PoolPredictor", "pools"]

FEW = 6
"""Up to so many people every pool is drawn; above, :data:`DRAWN` pools of each size."""
DRAWN = 10
HELD = 5
"""People held out of a drawn pool, one at a time."""


@dataclass(frozen=True)
class Pool:
    """``members`` of a pool of people, each of ``held`` predicted from all the others in it."""

    members: tuple[int, ...]
    held: tuple[int, ...]


def pools(people: int, seed: int = 0) -> list[Pool]:
    """Pools of 2, 3, ... people, as Schrimpf et al. (2021) draw them.

    All pools with everybody held out where there are few people; else ten random ones of each size with five held out.
    """
    if people <= FEW:
        return [
            Pool(members, members)
            for size in range(2, people + 1)
            for members in combinations(range(people), size)
        ]
    rng, drawn = np.random.default_rng([seed, people]), {}
    for size in range(2, people + 1):
        for _ in range(DRAWN):
            members = tuple(sorted(rng.choice(people, size, replace=False).tolist()))
            held = tuple(sorted(rng.choice(members, min(HELD, size), replace=False).tolist()))
            drawn.setdefault((members, held), Pool(members, held))
    return list(drawn.values())


class PoolPredictor:
    """Predictions of some people's targets from all targets of others, for many sets of others.

    The Gram of a pool is the sum of its people's Grams, so that no pool costs more than an addition and a decomposition;
    pools with fewer targets than half the stimuli are handed over as they are. With ``standardize`` targets are z-scored by
    the rows of the outer training fold.

    Parameters
    ----------
    responses : ndarray, shape (n_stimuli, n_targets)
        Without NaN in the part's rows.
    codes : ndarray of int, shape (n_targets,)
        Person of each target.
    part : Part
    protocol : Protocol
    """

    def __init__(self, responses: np.ndarray, codes: np.ndarray, part: Part, protocol: Protocol):
        self.part, self.protocol = part, protocol
        self.place = np.full(len(part.groups), -1)
        self.place[part.rows] = np.arange(len(part.rows))
        self.targets = [np.flatnonzero(codes == person) for person in range(codes.max() + 1)]
        self.y = np.ascontiguousarray(responses[part.rows], float)
        self.folds = [self._local(fold) for fold in part.folds]
        self.criterion, inner = within(part, protocol)
        self.inner = inner and [[self._local(fold) for fold in inside] for inside in inner]
        self._grams: dict[tuple[int, int], Gram] = {}

    def _local(self, fold):
        return tuple(self.place[rows] for rows in fold)

    def predict(
        self,
        others: Iterable[int],
        held: Iterable[int],
        *,
        predictions: bool = False,
        report: Report = SILENT,
    ):
        """``(targets, fit)``: the held people's targets and the engine's result for them, in local row numbers."""
        others, held = sorted(others), sorted(held)
        targets = np.concatenate([self.targets[person] for person in held])
        y = self.y[:, targets]
        protocol = self.protocol
        options = {
            "method": protocol.method,
            "criterion": self.criterion,
            "alphas": protocol.alphas,
            "shared_alpha": protocol.shared_alpha,
            "rcond": protocol.rcond,
            "predictions": predictions,
            "report": report,
        }
        units = sum(len(self.targets[person]) for person in others)
        if units < len(self.y) / 2:
            x = self.y[:, np.concatenate([self.targets[person] for person in others])]
            scaled = protocol.standardize
            return targets, [
                cross_validate(
                    x, y, self.folds, inner_folds=self.inner, standardize=scaled, **options
                )
            ]
        if not protocol.standardize:
            return targets, [
                cross_validate(
                    self._sum(others, -1), y, self.folds, inner_folds=self.inner, **options
                )
            ]
        if (
            protocol.method == "ridge"
        ):  # all folds at once: each with its own Gram, decomposed side by side
            known = self._decomposed(others, report)
            return targets, [
                cross_validate(
                    known, y, self.folds, inner_folds=self.inner, standardize=True, **options
                )
            ]
        return targets, [
            cross_validate(
                self._sum(others, fold),
                y,
                [self.folds[fold]],
                inner_folds=self.inner and [self.inner[fold]],
                **options,
            )
            for fold in range(len(self.folds))
        ]

    def _decomposed(self, others: list[int], report: Report) -> Decomposed:
        """The others' targets on every fold, z-scored by its training rows, and on its inner folds where those are refitted."""
        inner = self.inner if self.criterion == "kfold" and self.inner else [()] * len(self.folds)
        pairs = [[fold, *inside] for fold, inside in zip(self.folds, inner, strict=True)]
        workers = None if self.y.size >= LARGE else 1
        return decompose_each(
            lambda fold: self._sum(others, fold), pairs, report=report, workers=workers
        )

    def scores(
        self, others: Iterable[int], held: Iterable[int], report: Report = SILENT
    ) -> tuple[np.ndarray, np.ndarray]:
        """``(targets, r)`` with r of shape (fold, target)."""
        targets, fits = self.predict(others, held, report=report)
        return targets, np.concatenate([fit.r[0] for fit in fits])

    def held_out(
        self, others: Iterable[int], held: Iterable[int], report: Report = SILENT
    ) -> tuple[np.ndarray, np.ndarray]:
        """``(targets, predictions)`` with predictions of shape (the part's rows, target), NaN where never tested."""
        targets, fits = self.predict(others, held, predictions=True, report=report)
        out = fits[0].predictions[0]
        for (_, test), fit in zip(self.folds[1:], fits[1:], strict=False):
            out[test] = fit.predictions[0][test]
        return targets, out

    def _sum(self, others: list[int], fold: int) -> Gram:
        parts = [self._gram(person, fold) for person in others]
        return Gram(
            cast(np.ndarray, sum(part.matrix for part in parts)), sum(part.units for part in parts)
        )

    def _gram(self, person: int, fold: int) -> Gram:
        """Gram of one person's targets; z-scored by the training rows of ``fold`` (-1: as they are)."""
        if (person, fold) not in self._grams:
            x = self.y[:, self.targets[person]]
            if fold >= 0:
                train = x[self.folds[fold][0]]
                varies = np.ptp(train, axis=0) > 0
                x = (x[:, varies] - train[:, varies].mean(axis=0)) / train[:, varies].std(axis=0)
            self._grams[person, fold] = gram(x)
        return self._grams[person, fold]
