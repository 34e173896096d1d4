"""A recording of stories: 9,000 rows, 6,400 delayed features, 80,000 targets on disk, one layer, one outer fold.

``python -m benchmarks.large`` measures the decomposition and one block of targets, the peak of memory, and the same block by
himalaya, and prices the rest; ``--whole`` runs the outer fold over all targets (about twenty minutes on two quiet cores);
``--scale 0.1`` has a tenth of every side.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from analysis.mapping.decomposed import decompose
from analysis.mapping.fit import cross_validate
from analysis.mapping.threads import cores
from benchmarks.common import apart, machine, peak_memory, products_alone, table, write

FULL = {"n": 9000, "p": 6400, "v": 80_000}
BLOCK = 2048
ALPHAS = np.logspace(0, 6, 10)
STORIES = 27
LIMIT = 6e9


def made(n: int, p: int, v: int, folder: Path) -> tuple[np.ndarray, np.memmap, np.ndarray]:
    """Features in memory, responses float32 on disk (written a block at a time), story of every row."""
    rng = np.random.default_rng(0)
    latent = rng.standard_normal((n, 60), np.float32)
    x = latent @ rng.standard_normal((60, p), np.float32)
    x += rng.standard_normal((n, p), np.float32) * 3
    y = np.lib.format.open_memmap(folder / "y.npy", "w+", np.float32, (n, v))
    for at in range(0, v, BLOCK):
        wide = min(BLOCK, v - at)
        y[:, at : at + wide] = latent @ rng.standard_normal((60, wide), np.float32)
        y[:, at : at + wide] += 20 * rng.standard_normal((n, wide), np.float32)
    y.flush()
    return x, np.load(folder / "y.npy", mmap_mode="r"), np.arange(n) * STORIES // n


def folds_of(stories: np.ndarray) -> tuple[list, list]:
    """One outer fold of a tenth of the stories, and one inner fold per story of the rest."""
    held = stories < STORIES // 9
    train, test = np.flatnonzero(~held), np.flatnonzero(held)
    inner = [
        (train[stories[train] != one], train[stories[train] == one])
        for one in np.unique(stories[train])
    ]
    return [(train, test)], [inner]


def run(x, y, folds, inner, criterion: str, memory: int | None):
    return cross_validate(
        x,
        y,
        folds,
        alphas=ALPHAS,
        criterion=criterion,
        inner_folds=inner if criterion == "logo" else None,
        standardize=True,
        memory=memory,
    )


def peak_of(size: dict, criterion: str, targets: int) -> int:
    """Peak bytes above the features of one block, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        x, y, stories = made(**(size | {"v": targets}), folder=Path(folder))
        folds, inner = folds_of(stories)
        return peak_memory(lambda: run(x, y, folds, inner, criterion, None))


def himalaya(x, y, folds, inner) -> tuple[float, np.ndarray]:
    """Seconds and r of himalaya's ridge by inner folds (five of them), float32, on the same block."""
    from himalaya.backend import set_backend
    from himalaya.ridge import RidgeCV

    set_backend("numpy")
    (train, test), began = folds[0], time.perf_counter()
    mean, sd = x[train].mean(axis=0), x[train].std(axis=0)
    place = np.full(len(x), -1)
    place[train] = np.arange(len(train))
    cv = [(place[a], place[b]) for a, b in inner[0]][:5]
    model = RidgeCV(ALPHAS, fit_intercept=True, cv=cv)
    model.fit((x[train] - mean) / sd, np.asarray(y[train]))
    predicted = model.predict((x[test] - mean) / sd)
    return time.perf_counter() - began, predicted


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--criterion", choices=("loo", "gcv", "logo"), default="gcv")
    parser.add_argument("--whole", action="store_true", help="all targets of the outer fold")
    parser.add_argument("--no-peer", action="store_true")
    chosen = parser.parse_args(arguments)
    size = {name: max(64, round(value * chosen.scale)) for name, value in FULL.items()}
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        x, y, stories = made(**size, folder=Path(folder))
        folds, inner = folds_of(stories)
        block = np.ascontiguousarray(y[:, : min(BLOCK, size["v"])])
        began = time.perf_counter()
        known = decompose(x, folds, standardize=True, targets=size["v"])
        decomposed = time.perf_counter() - began
        began = time.perf_counter()
        run(known, block, folds, inner, chosen.criterion, None)
        each = time.perf_counter() - began
        (train, test), k = folds[0], min(len(folds[0][0]), size["p"])
        shapes = [(block.shape[1], len(train), k), (block.shape[1], k, len(test))]
        limit = products_alone(shapes, 1)
        blocks = size["v"] / block.shape[1]
        rows += [
            {"what": "decomposition", "seconds": decomposed},
            {
                "what": f"one block of {block.shape[1]:,} targets, {chosen.criterion}",
                "seconds": each,
            },
            {"what": "its products of projection and prediction alone", "seconds": limit},
            {
                "what": "the outer fold over all targets, priced",
                "seconds": decomposed + blocks * each,
            },
            {"what": "ten outer folds, priced", "seconds": 10 * (decomposed + blocks * each)},
        ]
        if not chosen.no_peer:
            rows.append(
                {
                    "what": "himalaya, five inner folds, the same block",
                    "seconds": himalaya(x, block, folds, inner)[0],
                }
            )
        if chosen.whole:
            began = time.perf_counter()
            run(known, y, folds, inner, chosen.criterion, None)
            rows.append({"what": "all targets, decomposed", "seconds": time.perf_counter() - began})
    peak = apart(peak_of, size, chosen.criterion, min(BLOCK, size["v"]))
    facts = {
        "size": size,
        "cores": cores(),
        "criterion": chosen.criterion,
        "peak_above_features_and_block": peak,
        "holds": peak is None or peak < LIMIT,
        "machine": machine(),
        "rows": rows,
    }
    path = write("large" if chosen.scale == 1 else f"large-{chosen.scale:g}", facts)
    print(
        table(
            [{k: v if isinstance(v, str) else f"{v:.1f}" for k, v in row.items()} for row in rows]
        )
    )
    print(f"peak above features and block: {(peak or 0) / 2**20:.0f} MiB\n{path}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
