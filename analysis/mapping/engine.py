"""The run of a cross-validation: units (layer, fold) in groups that fit memory, blocks of targets over workers."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from analysis.mapping import scattered
from analysis.mapping.decomposed import Decomposed, Known
from analysis.mapping.evaluate import (
    agreement,
    correlations,
    held_rows,
    responses_block,
    restore,
    training_rows,
)
from analysis.mapping.gram import Kernel, layer_of, robust_centre
from analysis.mapping.group_out import GroupPenalties, left_out
from analysis.mapping.ols import Linear, least_squares
from analysis.mapping.plan import BLOCK, Pattern, Pieces, choose_form
from analysis.mapping.result import Fit
from analysis.mapping.ridge import TIE, InnerFold, Penalties, inner_fold, shared_errors
from analysis.mapping.threads import LARGE, clear_scratch, cores, one_blas_thread, scratch, work
from analysis.mapping.torch_path import BLOCK as TORCH_BLOCK
from analysis.mapping.torch_path import FEEDERS, on_device, torch_device, torch_eigh, torch_roots
from analysis.progress import Report
from data.errors import BrainLensError

__all__ = ["Engine"]

ALONE = 256
"""Targets of a block at least, where one fit is parted among workers."""
SECOND_MOMENT = 4096
"""Rows up to which the shared alpha is chosen from the n x n second moment of the responses."""


@dataclass(eq=False)
class Unit:
    """One layer on one fold, for the targets of one pattern."""

    layer: int
    fold: int
    train: np.ndarray
    test: np.ndarray
    inner: list
    model: Any = None  # Penalties or Linear, or its copy on the device, once it is solved
    pick: np.ndarray | None = None


class Engine:
    """State of one call of :func:`~analysis.mapping.fit.cross_validate`, which has checked the arguments."""

    def __init__(
        self,
        features,
        y,
        folds,
        inner,
        *,
        method,
        grid,
        criterion,
        standardize,
        shared_alpha,
        rcond,
        device,
        memory,
        predictions,
    ):
        self.y, self.folds, self.method, self.grid = y, folds, method, grid
        self.group_out = method == "ridge" and criterion == "logo"
        self.criterion, self.standardize, self.shared, self.rcond = (
            criterion,
            standardize,
            shared_alpha,
            rcond,
        )
        self.device, self.memory = device, memory
        if isinstance(features, Decomposed):
            if method == "ols":
                raise BrainLensError(
                    "least squares needs the features, not their decomposition",
                    remedy="Give arrays or Grams",
                )
            self.layers: list[Any] = features.layers(folds, inner, standardize)
        else:
            listed = list(features) if isinstance(features, (list, tuple)) else [features]
            self.layers = [layer_of(layer, len(y), standardize) for layer in listed]
        if not self.layers:
            raise BrainLensError(
                "there are no layers", remedy="Give at least one array of features"
            )
        shape = (len(self.layers), len(folds), y.shape[1])
        self.r, self.r2 = np.full(shape, np.nan, np.float32), np.full(shape, np.nan, np.float32)
        self.pick = np.full(shape, -1, np.int16)
        own = method == "ridge" and not shared_alpha and criterion in ("kfold", "logo")
        self.inner: Any = np.full(shape, np.nan, np.float32) if own else None
        self.constant = np.zeros(shape, bool)
        self.dropped = np.full(shape[:2], -1)
        self.solver = np.full(shape[:2], "", dtype="<U8")
        self.used_rcond = 0.0
        self.forms = [""] * len(self.layers)
        self.estimate = 0
        self.totals: Any = None  # an array where one alpha serves all targets
        self.torch = None if device == "cpu" else torch_device(device)
        if self.torch is not None:
            for layer in self.layers:
                layer.eigh = torch_eigh(self.torch)
        self.predicted = np.zeros((shape[0], *y.shape), y.dtype) if predictions else None
        self.tested: Any = np.zeros(y.shape, np.uint8) if predictions else None
        self.lock = threading.Lock()

    # ---- the run ----------------------------------------------------------------------------------------------------
    def run(self, found: list[Pattern], report: Report) -> None:
        """Score every pattern of missing responses in turn."""
        weight = [len(pattern.folds) * (len(pattern.targets) + pattern.rows) for pattern in found]
        rounds = [False]
        if self.shared and self.method == "ridge":
            self.totals = np.zeros((len(self.layers), len(self.folds), len(self.grid)))
            rounds = (
                [True, False] if len(found) > 1 else [None]
            )  # sum errors over the patterns first; or do both at once
        share, start = 1 / (sum(weight) * len(rounds)) if any(weight) else 1, 0.0
        with one_blas_thread():
            for only_errors in rounds:
                for pattern, size in zip(found, weight, strict=True):
                    if pattern.folds:
                        self._pattern(pattern, report, start, share * size, only_errors)
                    start += share * size
        clear_scratch()

    def _pattern(
        self, pattern: Pattern, report: Report, start: float, share: float, only_errors: bool | None
    ) -> None:
        p = max(layer.shape[1] for layer in self.layers)
        m, t = pattern.rows, max(len(test) for _, _, test, _ in pattern.folds)
        forms = [self._form(layer, m, len(pattern.targets)) for layer in self.layers]
        for i, form in enumerate(forms):
            self.forms[i] = self.forms[i] or form
        pieces = self._pieces(pattern, m, t, p, "dual" if "dual" in forms else "primal")
        self.estimate = max(self.estimate, pieces.estimate)
        blocks = self._blocks(pattern, pieces)
        groups = self._groups(len(self.layers), len(pattern.folds), pieces.units)
        kfold = self.method == "ridge" and self.criterion == "kfold"
        summing = (
            self.totals is not None and only_errors is not False
        )  # errors of one alpha for all targets
        second = (
            self._second_moment(pattern, blocks)
            if summing and not kfold and len(self.y) <= SECOND_MOMENT
            else None
        )
        for number, (layers, folds) in enumerate(groups):
            units = [Unit(layer, *pattern.folds[fold]) for fold in folds for layer in layers]
            stage = _Stage(
                report,
                start + share * number / len(groups),
                share / len(groups),
                pieces.workers,
                3 if kfold else 2,
            )
            stage.run([partial(_prepare, self.layers[i], forms[i]) for i in layers], 0)
            if kfold and (summing or self.totals is None):
                self._choose_over_inner(units, forms, pattern, blocks, stage)
            if not (kfold and only_errors):
                alone = pieces.workers if len(units) == 1 else 1
                stage.run([partial(self._solve, unit, forms[unit.layer], alone) for unit in units])
            if summing and not kfold:
                tasks = [
                    partial(self._shared_error, unit, second, pattern, blocks) for unit in units
                ]
                assert self.totals is not None  # what is summed into
                for unit, error in zip(units, stage.run(tasks, 0), strict=True):
                    self.totals[unit.layer, unit.fold] += error
            if not only_errors:
                if self.totals is not None:
                    for unit in units:
                        best = int(self.totals[unit.layer, unit.fold].argmin())
                        unit.pick = np.full(len(pattern.targets), best)
                stage.run(self._score_tasks(units, pattern, blocks, pieces.workers))
            for i in layers:  # what folds share is kept for the next group, or for all patterns where all fits at once
                if len(groups) > 1 and (
                    number + 1 == len(groups) or i not in groups[number + 1][0]
                ):
                    self.layers[i].release()

    def _form(self, layer, m: int, targets: int) -> str:
        if isinstance(layer, Kernel):
            return "dual"
        if isinstance(layer, Known):
            return layer.form
        return choose_form(m, layer.shape[1], targets)

    def _pieces(self, pattern: Pattern, m: int, t: int, p: int, form: str) -> Pieces:
        splits = max((len(inner) for *_, inner in pattern.folds), default=0)
        budget = None if self.memory is None else int(self.memory)
        return Pieces.cut(
            budget=budget,
            workers=self._workers(),
            n=len(self.y),
            m=m,
            t=t,
            p=p,
            form=form,
            grid=max(len(self.grid), 1),
            targets=len(pattern.targets),
            itemsize=self.y.itemsize,
            exact=self.criterion == "loo" and self.method == "ridge",
            standardize=self.standardize,
            splits=splits,
            grouped=self.group_out,
            most=TORCH_BLOCK if self.torch is not None and self.torch.type != "cpu" else BLOCK,
        )

    def _blocks(self, pattern: Pattern, pieces: Pieces) -> list[slice]:
        """Blocks of targets; of one layer on one fold they are the workers' only tasks, and shared among them alike."""
        targets, wide = len(pattern.targets), pieces.targets
        alone = len(self.layers) * len(pattern.folds) == 1 and self.torch is None
        if alone and targets * pattern.rows >= LARGE and targets >= ALONE * pieces.workers:
            count = -(-targets // wide)
            wide = -(-targets // (-(-count // pieces.workers) * pieces.workers))
        return [slice(at, at + wide) for at in range(0, targets, wide)]

    def _workers(self) -> int:
        """Threads: one per core; torch's CPU brings its own; a card is fed by a few, which decompose small matrices beside it."""
        if self.torch is None:
            return cores()
        return 1 if self.torch.type == "cpu" else min(FEEDERS, cores())

    @staticmethod
    def _groups(layers: int, folds: int, units: int) -> list[tuple[list[int], list[int]]]:
        """(layers, folds) computed together: whole layers where they fit, else some folds of one."""
        if units >= folds:
            step = max(1, units // folds)
            return [
                (list(range(at, min(at + step, layers))), list(range(folds)))
                for at in range(0, layers, step)
            ]
        return [
            ([layer], list(range(at, min(at + units, folds))))
            for layer in range(layers)
            for at in range(0, folds, units)
        ]

    # ---- solving ----------------------------------------------------------------------------------------------------
    def _solve(self, unit: Unit, form: str, workers: int, checkpoint) -> None:
        checkpoint()
        layer = self.layers[unit.layer]
        if self.method == "ols":
            unit.model = least_squares(
                layer, unit.train, unit.test, form, self.rcond, rows=self.predicted is not None
            )
            solver, self.used_rcond = unit.model.solver, max(self.used_rcond, unit.model.rcond)
        else:
            spectrum = layer.spectrum(unit.train, unit.test, form)
            rows = self.predicted is not None
            unit.model = (
                GroupPenalties(
                    spectrum,
                    self.grid,
                    left_out(unit.train, unit.inner),
                    rows=rows,
                    roots=None if self.torch is None else torch_roots(self.torch),
                    targets=0 if self.shared else self.y.shape[1],
                    kept=layer.shared(unit.train, unit.test) if isinstance(layer, Known) else None,
                    workers=workers,
                )
                if self.group_out
                else Penalties(spectrum, self.grid, exact=self.criterion == "loo", rows=rows)
            )
            solver = "eigh"
        if self.torch is not None:
            unit.model = on_device(unit.model, self.torch)
        if not self.solver[unit.layer, unit.fold]:
            self.solver[unit.layer, unit.fold] = solver
            self.dropped[unit.layer, unit.fold] = unit.model.dropped

    # ---- choosing alpha over inner folds ------------------------------------------------------------------------------
    def _choose_over_inner(self, units, forms, pattern, blocks, stage) -> None:
        tasks = [
            partial(self._inner_errors, unit, split, forms[unit.layer], pattern.targets, blocks)
            for unit in units
            for split in range(len(unit.inner))
        ]
        errors = stage.run(tasks)
        at, settle = 0, []
        for unit in units:
            count = len(unit.inner)
            error = np.zeros((len(pattern.targets), len(self.grid)))
            for part in errors[at : at + count]:
                error += part
            errors[at : at + count] = [None] * count
            at += count
            if self.shared:
                self.totals[unit.layer, unit.fold] += error.sum(axis=0) / max(count, 1)
                continue
            unit.pick = error.argmin(axis=1)
            self.inner[unit.layer, unit.fold, pattern.targets] = 1 - error.min(axis=1) / max(
                count, 1
            )
            near = error <= (error.min(axis=1) * (1 + TIE))[:, None]
            tied = np.flatnonzero(near.sum(axis=1) > 1)
            if len(tied) and count:
                settle.append((unit, tied, near[tied]))
        stage.run(
            [
                partial(self._settle, *item, forms[item[0].layer], pattern.targets)
                for item in settle
            ],
            0,
        )

    def _inner_errors(self, unit, split, form, targets, blocks, checkpoint) -> np.ndarray:
        train, held = unit.inner[split]
        spectrum = self.layers[unit.layer].spectrum(train, held, form)
        fold: Any = inner_fold(spectrum, self.grid, len(targets))
        if self.torch is not None:
            fold = on_device(fold, self.torch)
        error = np.empty((len(targets), len(self.grid)), np.float32)
        for block in blocks:
            checkpoint()
            y = self._targets(targets[block])
            rows, mean, norm, _ = training_rows(y, train)
            against = scratch("against", len(y), len(held))
            against[:] = held_rows(y, held, mean, norm)[0]
            error[block] = fold.errors(rows, against)
        return error

    def _settle(self, unit, tied, near, form, targets, checkpoint) -> None:
        """Ties between penalties, decided in float64."""
        error = np.zeros(near.shape)
        columns = np.flatnonzero(near.any(axis=0))
        for train, held in unit.inner:
            spectrum = self.layers[unit.layer].spectrum(train, held, form)
            fold = InnerFold(spectrum, self.grid[columns], np.float64, hats=False)
            for at in range(0, len(tied), 512):
                checkpoint()
                y = self._targets(targets[tied[at : at + 512]]).astype(np.float64)
                rows, mean, norm, _ = training_rows(y, train, np.float64)
                error[at : at + 512, columns] += fold.errors(
                    rows, held_rows(y, held, mean, norm)[0]
                )
        unit.pick[tied] = np.where(near, error, np.inf).argmin(axis=1)

    # ---- one alpha for all targets ------------------------------------------------------------------------------------
    def _second_moment(self, pattern: Pattern, blocks) -> np.ndarray:
        """Sum over targets of y y' (n, n), less a central value per target; zero in rows nothing is trained on."""
        total = np.zeros((len(self.y), len(self.y)))
        rows = np.unique(np.concatenate([train for _, train, _, _ in pattern.folds]))
        for block in blocks:
            y = self._targets(pattern.targets[block])[:, rows].astype(np.float64)
            y -= robust_centre(y.T)[:, None]
            total[np.ix_(rows, rows)] += y.T @ y
        return total

    def _shared_error(
        self, unit: Unit, second: np.ndarray | None, pattern: Pattern, blocks, checkpoint
    ) -> np.ndarray:
        """Error (A,) summed over the pattern's targets, mean over rows."""
        checkpoint()
        model = getattr(unit.model, "model", unit.model)
        if second is not None:
            block = second[np.ix_(unit.train, unit.train)]
            block -= block.mean(axis=0)
            block -= block.mean(axis=1, keepdims=True)
            if self.group_out:
                return model.shared_errors(block)
            return shared_errors(model, block)
        total = np.zeros(len(self.grid))
        for block in blocks:
            checkpoint()
            rows, _, norm, _ = training_rows(
                self._targets(pattern.targets[block]), unit.train, np.float64
            )
            total += (norm**2) @ model.all_errors(rows)
        return total / len(unit.train)

    # ---- scoring ----------------------------------------------------------------------------------------------------
    def _targets(self, targets: np.ndarray) -> np.ndarray:
        """Target-major responses (T, n)."""
        out = scratch("targets", len(targets), len(self.y), dtype=self.y.dtype)
        np.copyto(out, self.y[:, _span(targets)].T)
        return out

    def _score_tasks(self, units, pattern, blocks, workers):
        if pattern.scattered:
            return [
                partial(self._score_scattered, unit, pattern.targets[block])
                for block in blocks
                for unit in units
            ]
        by_fold: dict[int, list[Unit]] = {}
        for unit in units:
            by_fold.setdefault(unit.fold, []).append(unit)
        parts = max(1, -(-4 * workers // (len(by_fold) * len(blocks))))
        tasks = []
        for members in by_fold.values():
            step = -(-len(members) // parts)
            chunks = [members[at : at + step] for at in range(0, len(members), step)]
            stacks = [_stacked(chunk) for chunk in chunks]
            tasks += [
                partial(self._score_block, chunk, stack, pattern.targets, block)
                for block in blocks
                for chunk, stack in zip(chunks, stacks, strict=True)
            ]
        return tasks

    def _score_block(self, units, stack, targets, block, checkpoint) -> None:
        at = targets[block]
        data = responses_block(self._targets(at), units[0].train, units[0].test)
        joint = (
            None
            if stack is None
            else np.matmul(data.train, stack, out=scratch("joint", len(at), stack.shape[1]))
        )
        width = units[0].model.out.shape[1] if joint is not None else 0
        products = np.empty((3, len(units), len(at)))
        place = _span(at)
        for i, unit in enumerate(units):
            checkpoint()
            if joint is not None:
                predicted = joint[:, i * width : (i + 1) * width]
            else:
                predicted, pick, inner = unit.model.respond(
                    data.train, None if unit.pick is None else unit.pick[block]
                )
                if pick is not None:
                    self.pick[unit.layer, unit.fold, place] = pick
                if inner is not None:
                    self.inner[unit.layer, unit.fold, place] = inner
            products[:, i] = agreement(predicted, data)
            if self.predicted is not None:
                values = restore(predicted, data).T
                with self.lock:  # folds may test the same rows
                    self.predicted[unit.layer][np.ix_(unit.test, at)] += values
                    if unit.layer == 0:
                        self.tested[np.ix_(unit.test, at)] += 1
        still = np.array([unit.model.still for unit in units])
        for unit, *scores in zip(units, *correlations(products, data, still), strict=True):
            where = unit.layer, unit.fold, place
            self.r[where], self.r2[where], self.constant[where] = scores

    def _score_scattered(self, unit: Unit, at: np.ndarray, checkpoint) -> None:
        checkpoint()
        found = scattered.fit(unit.model, self._targets(at), unit.train, unit.test)
        where = unit.layer, unit.fold, at
        self.r[where], self.r2[where], self.constant[where] = found.r, found.r2, found.constant
        self.pick[where] = found.pick
        if found.inner is not None:
            self.inner[where] = found.inner
        if self.predicted is not None:
            place = np.ix_(unit.test, at)
            with self.lock:
                self.predicted[unit.layer][place] += found.predicted.T
                if unit.layer == 0:
                    self.tested[place] += 1

    # ---- the result ---------------------------------------------------------------------------------------------------
    def result(self) -> Fit:
        """What has been found, as one :class:`~analysis.mapping.result.Fit`."""
        ols = self.method == "ols"
        if self.predicted is not None:
            self.predicted /= np.where(self.tested > 0, self.tested, np.nan).astype(self.y.dtype)
        return Fit(
            r=self.r,
            r2=self.r2,
            pick=self.pick,
            constant=self.constant,
            dropped=self.dropped,
            form=self.forms,
            solver=self.solver,
            alphas=self.grid,
            method=self.method,
            criterion="" if ols else self.criterion,
            shared_alpha=self.shared,
            standardize=self.standardize,
            rcond=self.used_rcond if ols else None,
            device=self.device,
            dtype="float64 decompositions and ties, float32 products",
            estimate=self.estimate,
            predictions=self.predicted,
            inner=self.inner,
        )


def _prepare(layer, form: str, checkpoint) -> None:
    checkpoint()
    layer.prepare(form)


def _span(targets: np.ndarray) -> slice | np.ndarray:
    """Neighbouring targets as a slice: no copy, and quicker to write to."""
    return (
        slice(targets[0], targets[-1] + 1)
        if targets[-1] - targets[0] + 1 == len(targets)
        else targets
    )


def _stacked(units: list[Unit]) -> np.ndarray | None:
    """The maps of several layers of one fold side by side: one product predicts them all."""
    maps = [unit.model for unit in units]
    if len(maps) > 1 and all(isinstance(m, Linear) and m.basis is None for m in maps):
        return np.concatenate([m.out for m in maps], axis=1)
    return None


class _Stage:
    """Parts of the progress bar: one group of units, stage by stage."""

    def __init__(self, report: Report, start: float, share: float, workers: int, stages: int):
        self.report, self.at, self.share, self.workers, self.stages = (
            report,
            start,
            share,
            workers,
            stages,
        )

    def run(self, tasks: list, stages: int = 1) -> list:
        span = self.share * stages / self.stages

        def step(done: int, total: int) -> None:
            self.report.step(round(1000 * (self.at + span * done / total)), 1000, "scoring")

        results = work(tasks, self.report, step, workers=self.workers)
        self.at += span
        return results
