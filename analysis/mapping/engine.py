"""The run of a cross-validation: units (layer, fold) in groups that fit memory, blocks of targets over workers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from analysis.mapping.decomposed import Decomposed, Known
from analysis.mapping.evaluate import Block, correlate, responses_block, restore, training_rows
from analysis.mapping.fit import Fit
from analysis.mapping.gram import Kernel, Units, layer_of
from analysis.mapping.ols import Linear, least_squares
from analysis.mapping.plan import DEFAULT_MEMORY, Pattern, Pieces, choose_form
from analysis.mapping.ridge import TIE, InnerFold, Penalties, inner_fold, shared_errors
from analysis.mapping.threads import cores, one_blas_thread, work
from analysis.progress import Report
from data.errors import BrainLensError

__all__ = ["Engine"]

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
    model: Penalties | Linear | None = None
    pick: np.ndarray | None = None


class Engine:
    """State of one call of :func:`~analysis.mapping.fit.cross_validate`, which has checked the arguments."""

    def __init__(self, features, y, folds, inner, *, method, grid, criterion, standardize, shared_alpha, rcond, device, memory,
                 predictions):
        self.y, self.folds, self.method, self.grid = y, folds, method, grid
        self.criterion, self.standardize, self.shared, self.rcond = criterion, standardize, shared_alpha, rcond
        self.device, self.memory = device, memory
        if isinstance(features, Decomposed):
            if method == "ols":
                raise BrainLensError("least squares needs the features, not their decomposition", remedy="Give arrays or Grams")
            self.layers = features.layers(folds, inner, standardize)
        else:
            listed = list(features) if isinstance(features, (list, tuple)) else [features]
            self.layers = [layer_of(layer, len(y), standardize) for layer in listed]
        if not self.layers:
            raise BrainLensError("there are no layers", remedy="Give at least one array of features")
        shape = (len(self.layers), len(folds), y.shape[1])
        self.r, self.r2 = np.full(shape, np.nan, np.float32), np.full(shape, np.nan, np.float32)
        self.pick = np.full(shape, -1, np.int16)
        self.constant = np.zeros(shape, bool)
        self.dropped = np.full(shape[:2], -1)
        self.solver = np.full(shape[:2], "", dtype="<U8")
        self.used_rcond = 0.0
        self.forms = [""] * len(self.layers)
        self.estimate = 0
        self.predicted = np.zeros((shape[0], *y.shape), np.float32) if predictions else None
        self.tested = np.zeros(y.shape, np.uint8) if predictions else None

    # ---- the run ----------------------------------------------------------------------------------------------------
    def run(self, found: list[Pattern], report: Report) -> None:
        """Score every pattern of missing responses in turn."""
        shared_picks = self._shared_over_patterns(found, report) if self.shared and len(found) > 1 else None
        weight = [len(pattern.folds) * (len(pattern.targets) + pattern.rows) for pattern in found]
        done = 0
        with one_blas_thread():
            for pattern, share in zip(found, weight, strict=True):
                if pattern.folds:
                    self._pattern(pattern, report, done / sum(weight), share / sum(weight), shared_picks)
                done += share

    def _pattern(self, pattern: Pattern, report: Report, start: float, share: float, shared_picks) -> None:
        p = max(layer.shape[1] for layer in self.layers)
        m, t = pattern.rows, max(len(test) for _, _, test, _ in pattern.folds)
        forms = [self._form(layer, m, len(pattern.targets)) for layer in self.layers]
        for i, form in enumerate(forms):
            self.forms[i] = self.forms[i] or form
        pieces = self._pieces(pattern, m, t, p, "dual" if "dual" in forms else "primal")
        self.estimate = max(self.estimate, pieces.estimate)
        blocks = [slice(at, at + pieces.targets) for at in range(0, len(pattern.targets), pieces.targets)]
        groups = self._groups(len(self.layers), len(pattern.folds), pieces.units)
        second = self._second_moment(pattern, blocks) if self._uses_second_moment(pattern) and shared_picks is None else None
        for number, (layers, folds) in enumerate(groups):
            units = [Unit(layer, *pattern.folds[fold]) for fold in folds for layer in layers]
            stage = _Stage(report, start + share * number / len(groups), share / len(groups), pieces.workers,
                           3 if self.method == "ridge" and self.criterion == "kfold" else 2)
            stage.run([partial(_prepare, self.layers[i], forms[i]) for i in layers], 0)
            if shared_picks is not None:
                for unit in units:
                    unit.pick = np.full(len(pattern.targets), shared_picks[unit.layer, unit.fold])
            elif self.method == "ridge" and self.criterion == "kfold":
                self._choose_over_inner(units, forms, pattern, blocks, stage)
            stage.run([partial(self._solve, unit, forms[unit.layer]) for unit in units])
            if second is not None:
                for unit in units:
                    self._choose_shared(unit, second, len(pattern.targets))
            elif self.shared and unit_needs_pick(units):
                self._choose_shared_blockwise(units, pattern, blocks, stage)
            stage.run(self._score_tasks(units, pattern, blocks, pieces.workers))
            last = number + 1 == len(groups)
            for i in layers:
                if last or i not in groups[number + 1][0]:
                    self.layers[i].release()

    def _form(self, layer, m: int, targets: int) -> str:
        if isinstance(layer, Kernel):
            return "dual"
        if isinstance(layer, Known):
            return layer.form
        return choose_form(m, layer.shape[1], targets)

    def _pieces(self, pattern: Pattern, m: int, t: int, p: int, form: str) -> Pieces:
        splits = max((len(inner) for *_, inner in pattern.folds), default=0)
        return Pieces.cut(budget=DEFAULT_MEMORY if self.memory is None else int(self.memory), workers=cores(), n=len(self.y), m=m, t=t,
                          p=p, form=form, grid=max(len(self.grid), 1), targets=len(pattern.targets), itemsize=self.y.itemsize,
                          exact=self.criterion == "loo" and self.method == "ridge", standardize=self.standardize, splits=splits,
                          strict=self.memory is not None)

    @staticmethod
    def _groups(layers: int, folds: int, units: int) -> list[tuple[list[int], list[int]]]:
        """(layers, folds) computed together: whole layers where they fit, else some folds of one."""
        if units >= folds:
            step = max(1, units // folds)
            return [(list(range(at, min(at + step, layers))), list(range(folds))) for at in range(0, layers, step)]
        return [([layer], list(range(at, min(at + units, folds)))) for layer in range(layers) for at in range(0, folds, units)]

    # ---- solving ----------------------------------------------------------------------------------------------------
    def _solve(self, unit: Unit, form: str, checkpoint) -> None:
        checkpoint()
        layer = self.layers[unit.layer]
        if self.method == "ols":
            unit.model = least_squares(layer, unit.train, unit.test, form, self.rcond)
            solver, self.used_rcond = unit.model.solver, max(self.used_rcond, unit.model.rcond)
        else:
            spectrum = layer.spectrum(unit.train, unit.test, form)
            unit.model = Penalties(spectrum, self.grid, exact=self.criterion == "loo" and unit.pick is None)
            solver = "eigh"
        if not self.solver[unit.layer, unit.fold]:
            self.solver[unit.layer, unit.fold] = solver
            self.dropped[unit.layer, unit.fold] = unit.model.dropped

    # ---- choosing alpha over inner folds ------------------------------------------------------------------------------
    def _choose_over_inner(self, units, forms, pattern, blocks, stage) -> None:
        tasks = [partial(self._inner_errors, unit, split, forms[unit.layer], pattern.targets, blocks)
                 for unit in units for split in range(len(unit.inner))]
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
                unit.pick = np.full(len(error), int(error.mean(axis=0).argmin()))
                continue
            unit.pick = error.argmin(axis=1)
            near = error <= (error.min(axis=1) * (1 + TIE))[:, None]
            tied = np.flatnonzero(near.sum(axis=1) > 1)
            if len(tied) and count:
                settle.append((unit, tied, near[tied]))
        stage.run([partial(self._settle, *item, forms[item[0].layer], pattern.targets) for item in settle], 0)

    def _inner_errors(self, unit, split, form, targets, blocks, checkpoint) -> np.ndarray:
        train, held = unit.inner[split]
        spectrum = self.layers[unit.layer].spectrum(train, held, form)
        fold = inner_fold(spectrum, self.grid, len(targets))
        error = np.empty((len(targets), len(self.grid)), np.float32)
        for block in blocks:
            checkpoint()
            y = self._targets(targets[block])
            rows, mean, norm, still = training_rows(y, train)
            error[block] = fold.errors(rows, _against(y, held, mean, norm).astype(np.float32))
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
                rows, mean, norm, still = training_rows(y, train, np.float64)
                error[at : at + 512, columns] += fold.errors(rows, _against(y, held, mean, norm))
        unit.pick[tied] = np.where(near, error, np.inf).argmin(axis=1)

    # ---- one alpha for all targets ------------------------------------------------------------------------------------
    def _uses_second_moment(self, pattern: Pattern) -> bool:
        return self.shared and self.method == "ridge" and self.criterion != "kfold" and len(self.y) <= SECOND_MOMENT

    def _second_moment(self, pattern: Pattern, blocks) -> np.ndarray:
        """Sum over targets of y y' (n, n), less a central value per target; zero in rows the pattern misses."""
        total = np.zeros((len(self.y), len(self.y)))
        has = ~np.isnan(self.y[:, pattern.targets[0]])
        for block in blocks:
            y = self._targets(pattern.targets[block])[:, has].astype(np.float64)
            y -= np.median(y[:, np.unique(np.linspace(0, y.shape[1] - 1, 9).astype(int))], axis=1, keepdims=True)
            total[np.ix_(has, has)] += y.T @ y
        return total

    def _choose_shared(self, unit: Unit, second: np.ndarray, targets: int) -> None:
        block = second[np.ix_(unit.train, unit.train)]
        block -= block.mean(axis=0)
        block -= block.mean(axis=1, keepdims=True)
        unit.pick = np.full(targets, int(shared_errors(unit.model, block).argmin()))

    def _choose_shared_blockwise(self, units, pattern, blocks, stage) -> None:
        def errors(unit, checkpoint):
            total = np.zeros(len(self.grid))
            for block in blocks:
                checkpoint()
                y = self._targets(pattern.targets[block])
                rows, _, norm, _ = training_rows(y, unit.train, np.float64)
                total += (norm**2) @ unit.model.all_errors(rows)
            return total

        for unit, error in zip(units, stage.run([partial(errors, unit) for unit in units], 0), strict=True):
            unit.pick = np.full(len(pattern.targets), int(error.argmin()))

    # ---- scoring ----------------------------------------------------------------------------------------------------
    def _targets(self, targets: np.ndarray) -> np.ndarray:
        """Target-major responses (T, n)."""
        span = slice(targets[0], targets[-1] + 1) if targets[-1] - targets[0] + 1 == len(targets) else targets
        return np.ascontiguousarray(self.y[:, span].T)

    def _score_tasks(self, units, pattern, blocks, workers):
        by_fold: dict[int, list[Unit]] = {}
        for unit in units:
            by_fold.setdefault(unit.fold, []).append(unit)
        parts = max(1, -(-4 * workers // (len(by_fold) * len(blocks))))
        tasks = []
        for members in by_fold.values():
            step = -(-len(members) // parts)
            chunks = [members[at : at + step] for at in range(0, len(members), step)]
            stacks = [_stacked(chunk) for chunk in chunks]
            tasks += [partial(self._score_block, chunk, stack, pattern.targets, block)
                      for block in blocks for chunk, stack in zip(chunks, stacks, strict=True)]
        return tasks

    def _score_block(self, units, stack, targets, block, checkpoint) -> None:
        y = self._targets(targets[block])
        at = targets[block]
        data = responses_block(y, units[0].train, units[0].test)
        joint = None if stack is None else data.train @ stack
        width = data.test.shape[1] + 1
        for i, unit in enumerate(units):
            checkpoint()
            model = unit.model
            if isinstance(model, Linear):
                if joint is not None:
                    predicted = joint[:, i * width : (i + 1) * width]
                else:
                    predicted = (data.train @ model.basis) @ model.out if model.basis is not None else data.train @ model.out
            else:
                z = model.project(data.train)
                pick = model.choose(data.train, z) if unit.pick is None else unit.pick[block]
                predicted = model.predict(z, pick)
                self.pick[unit.layer, unit.fold, at] = pick
            self._store(unit, at, predicted, data, model.still)
        if self.tested is not None and any(unit.layer == 0 for unit in units):
            self.tested[np.ix_(units[0].test, at)] += 1

    def _store(self, unit: Unit, at: np.ndarray, predicted: np.ndarray, data: Block, still: bool) -> None:
        where = unit.layer, unit.fold, at
        self.r[where], self.r2[where], self.constant[where] = correlate(predicted, data, still)
        if self.predicted is not None:
            self.predicted[unit.layer][np.ix_(unit.test, at)] += restore(predicted, data).T

    # ---- the result ---------------------------------------------------------------------------------------------------
    def result(self) -> Fit:
        ols = self.method == "ols"
        if self.predicted is not None:
            self.predicted /= np.where(self.tested > 0, self.tested, np.nan).astype(np.float32)
        return Fit(r=self.r, r2=self.r2, pick=self.pick, constant=self.constant, dropped=self.dropped, form=self.forms,
                   solver=self.solver, alphas=self.grid, method=self.method, criterion="" if ols else self.criterion,
                   shared_alpha=self.shared, standardize=self.standardize, rcond=self.used_rcond if ols else None, device=self.device,
                   dtype="float64 decompositions and ties, float32 products", estimate=self.estimate, predictions=self.predicted)


def _prepare(layer, form: str, checkpoint) -> None:
    checkpoint()
    layer.prepare(form)


def unit_needs_pick(units: list[Unit]) -> bool:
    return any(unit.pick is None and isinstance(unit.model, Penalties) for unit in units)


def _against(y: np.ndarray, rows: np.ndarray, mean: np.ndarray, norm: np.ndarray) -> np.ndarray:
    """Held-out rows (T, t) less the training mean, in training norms."""
    held = np.take(y, rows, axis=1).astype(np.float64)
    held -= mean[:, None]
    held /= norm[:, None]
    return held


def _stacked(units: list[Unit]) -> np.ndarray | None:
    """The maps of several layers of one fold side by side: one product predicts them all."""
    maps = [unit.model for unit in units]
    if len(maps) > 1 and all(isinstance(m, Linear) and m.basis is None for m in maps):
        return np.concatenate([m.out for m in maps], axis=1)
    return None


class _Stage:
    """Parts of the progress bar: one group of units, stage by stage."""

    def __init__(self, report: Report, start: float, share: float, workers: int, stages: int):
        self.report, self.at, self.share, self.workers, self.stages = report, start, share, workers, stages

    def run(self, tasks: list, stages: int = 1) -> list:
        span = self.share * stages / self.stages

        def step(done: int, total: int) -> None:
            self.report.step(round(1000 * (self.at + span * done / total)), 1000, "scoring")

        results = work(tasks, self.report, step, workers=self.workers)
        self.at += span
        return results
