"""What is to be computed, checked and cut into pieces that fit a memory budget before anything runs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.mapping.scattered import GAPS, MISSING
from data.errors import BrainLensError

__all__ = [
    "Pattern",
    "Pieces",
    "checked_folds",
    "checked_grid",
    "checked_inner",
    "checked_responses",
    "choose_form",
    "patterns",
]

DEFAULT_MEMORY = 200 * 2**20
"""Working memory above features, responses and results where the caller states none."""
TRIANGLES = 2**28
"""Bytes that leave-one-group-out may keep of one fold to save half of the products; above, it goes group by group."""
ALIKE, SCATTERED = 16, 4
"""Targets with the same gaps that are worth a fit of their own, and different gaps from which on rare ones are filled."""
BLOCK = 2048
"""Targets at a time: wide enough for full-speed products, small enough for the last-level cache."""


# ---- checks -------------------------------------------------------------------------------------------------------------
def checked_responses(responses) -> np.ndarray:
    """(stimulus, target) floating point; NaN means missing.

    Raises
    ------
    BrainLensError
    """
    y = np.asarray(responses)
    if y.ndim != 2 or not np.issubdtype(y.dtype, np.number) or np.iscomplexobj(y):
        raise BrainLensError(
            f"responses of shape {y.shape} and dtype {y.dtype} are not (stimuli, targets) numbers",
            remedy="Give a 2-D array; one target is a column, y[:, None]",
        )
    return y if y.dtype in (np.float32, np.float64) else y.astype(np.float64)


def _rows(rows, n: int, name: str) -> np.ndarray:
    rows = np.asarray(rows)
    if rows.dtype == bool:
        raise BrainLensError(
            f"{name} is a mask, not row numbers", remedy="Give np.flatnonzero(mask)"
        )
    if rows.ndim != 1 or not len(rows) or not np.issubdtype(rows.dtype, np.integer):
        raise BrainLensError(
            f"{name} is not a list of at least one row number", remedy="Check the split"
        )
    if rows.min() < 0 or rows.max() >= n:
        raise BrainLensError(
            f"{name} names row {rows.max() if rows.max() >= n else rows.min()} of {n}",
            remedy="Row numbers count from 0 over the whole recording",
        )
    if np.bincount(rows).max() > 1:
        raise BrainLensError(
            f"{name} names a row twice", remedy="List each row once; never refit on duplicates"
        )
    return rows


def _pair(pair, n: int, name: str) -> tuple[np.ndarray, np.ndarray]:
    train, test = pair
    train, test = (
        _rows(train, n, f"the training part of {name}"),
        _rows(test, n, f"the held-out part of {name}"),
    )
    if _member(train, n)[test].any():
        raise BrainLensError(
            f"{name} holds out rows it trains on", remedy="Make the two parts disjoint"
        )
    return train, test


def _member(rows: np.ndarray, n: int) -> np.ndarray:
    """Mask (n,) of these rows."""
    mask = np.zeros(n, bool)
    mask[rows] = True
    return mask


def checked_folds(folds, n: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Pairs of disjoint row numbers.

    Raises
    ------
    BrainLensError
        For no folds, masks, rows out of range, named twice, or on both sides.
    """
    folds = [_pair(pair, n, f"fold {i}") for i, pair in enumerate(folds)]
    if not folds:
        raise BrainLensError(
            "there are no folds", remedy="Give a list of (training rows, held-out rows)"
        )
    return folds


def checked_inner(
    inner_folds, folds, n: int, *, once: bool = False
) -> list[list[tuple[np.ndarray, np.ndarray]]]:
    """Inner pairs per outer fold, all inside its training rows; ``once``: no row held out twice.

    Raises
    ------
    BrainLensError
    """
    if inner_folds is None:
        raise BrainLensError(
            "the criteria 'kfold' and 'logo' choose alpha over inner_folds, and there are none",
            remedy="Give a list of (train, test) pairs per outer fold, or choose criterion='loo'",
        )
    if len(inner_folds) != len(folds):
        raise BrainLensError(
            f"inner_folds has {len(inner_folds)} entries for {len(folds)} folds",
            remedy="Give one list per fold",
        )
    checked = []
    for i, (pairs, (train, _)) in enumerate(zip(inner_folds, folds, strict=True)):
        pairs = [_pair(pair, n, f"inner fold {j} of fold {i}") for j, pair in enumerate(pairs)]
        if not pairs:
            raise BrainLensError(
                f"fold {i} has no inner folds",
                remedy="Give at least one (train, test) pair per fold",
            )
        inside = _member(train, n)
        for j, pair in enumerate(pairs):
            if not (inside[pair[0]].all() and inside[pair[1]].all()):
                raise BrainLensError(
                    f"inner fold {j} of fold {i} uses rows outside of that fold's training rows",
                    remedy="Split the training rows only: anything else leaks",
                )
        held = np.concatenate([b for _, b in pairs])
        if once and np.bincount(held).max() > 1:
            raise BrainLensError(
                f"inner folds of fold {i} hold out a row twice, and criterion='logo' counts each once",
                remedy="Make the held-out rows disjoint, or choose criterion='kfold'",
            )
        checked.append(pairs)
    return checked


def checked_grid(alphas: Sequence[float]) -> np.ndarray:
    """(A,) positive, ascending penalties."""
    grid = np.atleast_1d(np.asarray(alphas, dtype=np.float64))
    if (
        grid.ndim != 1
        or not len(grid)
        or not np.isfinite(grid).all()
        or (grid <= 0).any()
        or (np.diff(grid) <= 0).any()
    ):
        raise BrainLensError(
            f"alphas={grid.tolist()} must be positive and ascending",
            remedy="For example numpy.logspace(-1, 7, 17); for no penalty choose method='ols'",
        )
    return grid


# ---- missing responses --------------------------------------------------------------------------------------------------
@dataclass
class Pattern:
    """Targets that miss the same stimuli, and the folds as they see them.

    ``folds`` holds ``(number, train, test, inner)`` for every fold with two rows on either side (and an inner fold
    with as many, where alpha is chosen on inner folds). ``scattered`` targets miss a few stimuli each, not the same ones, and
    their folds have all rows.
    """

    targets: np.ndarray
    folds: list[tuple[int, np.ndarray, np.ndarray, list]]
    scattered: bool = False

    @property
    def rows(self) -> int:
        """Training rows of the largest fold."""
        return max((len(train) for _, train, _, _ in self.folds), default=0)


def patterns(
    y: np.ndarray, folds, inner, *, once: bool = False, scatter: bool = False
) -> list[Pattern]:
    """Targets grouped by which of the rows in use they have.

    ``once``: inner folds may hold out a single row. ``scatter``: targets whose few gaps hardly any other target has make one
    group, which the solver fits by :mod:`analysis.mapping.scattered`.

    Raises
    ------
    BrainLensError
        For infinite responses.
    """
    least = 0 if once else 1
    used = np.unique(np.concatenate([np.concatenate(pair) for pair in folds]))
    groups: dict[bytes, list[int]] = {}
    for at in range(0, y.shape[1], BLOCK):
        part = y[used, at : at + BLOCK]
        missing = np.isnan(part)
        if np.isinf(part).any():
            raise BrainLensError(
                f"responses are infinite for target {at + int(np.isinf(part).any(axis=0).argmax())}",
                remedy="Set what was not measured to NaN",
            )
        if not missing.any():
            groups.setdefault(b"", []).extend(range(at, at + part.shape[1]))
            continue
        packed = np.packbits(missing, axis=0)
        for j in range(part.shape[1]):
            groups.setdefault(packed[:, j].tobytes() if missing[:, j].any() else b"", []).append(
                at + j
            )
    rare: list[int] = []
    if scatter:
        most = min(GAPS, int(MISSING * len(used)))
        few = [
            key
            for key, members in groups.items()
            if key and len(members) < ALIKE and np.isnan(y[used, members[0]]).sum() <= most
        ]
        if len(few) >= SCATTERED:
            rare = sorted(target for key in few for target in groups.pop(key))
    found = []
    if rare:
        kept = [(i, *fold, inner[i] if inner else []) for i, fold in enumerate(folds)]
        found.append(Pattern(np.array(rare), kept, scattered=True))
    for targets in groups.values():
        targets = np.array(targets)
        has = ~np.isnan(y[:, targets[0]])
        kept = []
        for i, (train, test) in enumerate(folds):
            tr, te = train[has[train]], test[has[test]]
            if len(tr) < 2 or len(te) < 2:
                continue
            pairs = [(a[has[a]], b[has[b]]) for a, b in inner[i]] if inner else []
            pairs = [(a, b) for a, b in pairs if len(a) > 1 and len(b) > least]
            if pairs or not inner:
                kept.append((i, tr, te, pairs))
        found.append(Pattern(targets, kept))
    return found


def _free_memory() -> int:
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return 2 * 2**30


# ---- cost ---------------------------------------------------------------------------------------------------------------
def choose_form(m: int, p: int, targets: int) -> str:
    """``"dual"`` (m x m) or ``"primal"`` (p x p), whichever takes fewer operations per fold.

    Both need an eigendecomposition (about 9 k^3) of their side and the responses' projection.
    """
    dual = 9 * m**3 + m * m * targets
    primal = 9 * p**3 + m * p * min(m, p) + m * p * targets
    return "dual" if m <= p or dual < primal else "primal"


@dataclass(frozen=True)
class Pieces:
    """How the work is cut: ``units`` (layer, fold) pairs held at once and ``targets`` per block, for ``workers``."""

    units: int
    targets: int
    workers: int
    estimate: int

    @classmethod
    def cut(
        cls,
        *,
        budget: int | None,
        workers: int,
        n: int,
        m: int,
        t: int,
        p: int,
        form: str,
        grid: int,
        targets: int,
        itemsize: int,
        exact: bool,
        standardize: bool,
        splits: int,
        grouped: bool = False,
        most: int = BLOCK,
    ) -> Pieces:
        """Sizes that keep the estimate inside ``budget`` bytes: smaller blocks first, then fewer workers.

        Without a budget: ``DEFAULT_MEMORY``, or what full speed takes up to half of the free memory.

        Raises
        ------
        BrainLensError
            Where not even one fold and 64 targets at a time fit into the budget.
        """
        k = m if form == "dual" else min(m, p)
        unit = (
            m * k * (12 if exact or grouped else 4)
            + t * k * 4
            + grid * k * 16
            + (m * grid * 24 if exact else 0)
        )
        if grouped:  # the triangles, and the inverses
            unit += min(TRIANGLES, grid * k * k * 9 // 4) + grid * m * m * 8 // max(splits, 1)
            splits = 0
        unit += splits * grid * targets * 4
        shared = (
            n * n * 8
            if form == "dual" and not standardize
            else p * p * 8
            if form == "primal"
            else 0
        )
        side = k * k * 8
        solve = (
            5 * side + (m + t) * k * 8 + ((m + t) * p * 8 if standardize and form == "dual" else 0)
        )
        if splits:
            solve += grid * t * m * 4
        per_target = itemsize * 2 * n + 4 * (2 * m + 3 * k + 6 * grid + 4 * t) + 16 * t
        if splits:
            per_target += 8 * grid * t
        default = budget is None
        if default:
            wanted = shared + unit + workers * (solve + min(most // 2, targets) * per_target)
            budget = max(DEFAULT_MEMORY, min(wanted, _free_memory() // 2))
        while True:
            room = budget - shared - unit - workers * solve
            block = min(most, targets)
            while block > 64 and workers * block * per_target > room:
                block //= 2
            fits = workers * block * per_target <= room
            if fits or workers == 1:
                break
            workers -= 1
        need = shared + unit + workers * (solve + block * per_target)
        if not fits and not default:
            raise BrainLensError(
                f"the smallest piece of this computation needs about {need / 2**20:.0f} MiB, and memory allows "
                f"{budget / 2**20:.0f} MiB",
                remedy=f"Set memory={need} or more, or score fewer stimuli or units",
            )
        spare = room - workers * block * per_target
        units = 1 + max(0, int(spare // (unit + (shared if form == "dual" else 0))))
        return cls(units, block, workers, need)
