"""How should alpha be chosen? Simulated responses with a known truth, and three criteria on the same folds.

``python -m benchmarks.criterion`` takes some minutes; ``--quick`` half a minute. Stimuli come in groups that share a part of
their features and, in some worlds, of their noise; new groups are drawn without end, so that the best alpha and the layer
that carries the signal are known. For each criterion: held-out r, how far alpha lies from the best one, and how often the
nested choice finds the planted layer.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd

from analysis.mapping import cross_validate
from analysis.scoring.summary import choose_layers
from benchmarks.common import machine, table, write

ALPHAS = np.logspace(-1, 7, 17)
CRITERIA = ("kfold", "logo", "loo")
WORLDS = {
    "24 groups of 16": {"groups": 24, "size": 16},
    "96 groups of 4": {"groups": 96, "size": 4},
    "8 groups of 48": {"groups": 8, "size": 48},
    "24 groups of 16, noise shared in a group": {"groups": 24, "size": 16, "shared_noise": 0.5},
    "groups of 4 to 40": {"groups": 24, "size": None},
    "weak signal, layers alike": {"groups": 24, "size": 16, "noise": 4.0, "lost": 0.15},
}
LAYERS, PLANTED = 4, 2


def world(rng, *, groups, size, noise=2.0, shared_noise=0.0, p=150, targets=40, fresh=40, lost=0.5):
    """Features of four layers and responses that the third one drives, with as many new groups again for the truth."""
    sizes = rng.integers(4, 41, groups + fresh) if size is None else np.full(groups + fresh, size)
    label = np.repeat(np.arange(groups + fresh), sizes)
    n, rank = len(label), 30
    latent = (
        rng.standard_normal((n, rank)) + 0.8 * rng.standard_normal((groups + fresh, rank))[label]
    )
    scale = np.linspace(1, 0.1, rank)
    layers = []
    for number in range(LAYERS):
        mixed = latent * scale
        if number != PLANTED:  # its neighbours know most of it
            mixed = mixed + lost * abs(number - PLANTED) * rng.standard_normal((n, rank)) * scale
        x = mixed @ rng.standard_normal((rank, p)) / np.sqrt(rank)
        layers.append(x + 0.3 * rng.standard_normal((n, p)) * np.logspace(0, -1, p))
    signal = latent @ (scale[:, None] * rng.standard_normal((rank, targets)))
    signal /= signal.std(axis=0)
    strength = rng.uniform(0, 1, targets)
    own = np.sqrt(1 - shared_noise) * rng.standard_normal((n, targets))
    common = np.sqrt(shared_noise) * rng.standard_normal((groups + fresh, targets))[label]
    y = strength * signal + noise * (own + common)
    return layers, y, label, label < groups


def folds_of(label: np.ndarray, rows: np.ndarray, k: int, rng) -> list:
    """(train, test) of whole groups."""
    names = rng.permutation(np.unique(label[rows]))
    tests = [rows[np.isin(label[rows], part)] for part in np.array_split(names, min(k, len(names)))]
    return [(np.setdiff1d(rows, test), test) for test in tests]


def one(seed: int, facts: dict) -> list[dict]:
    """What each criterion finds in one world."""
    rng = np.random.default_rng(seed)
    layers, y, label, here = world(rng, **facts)
    rows = np.flatnonzero(here)
    folds = folds_of(label, rows, 8, rng)
    refits = [folds_of(label, train, 5, rng) for train, _ in folds]
    each = [folds_of(label, train, len(rows), rng) for train, _ in folds]
    truth = [(train, np.flatnonzero(~here)) for train, _ in folds]
    # the best alpha of a fold: smallest squared error on groups that nobody has seen
    errors = np.stack(
        [
            1
            - cross_validate(
                layers[PLANTED], y, truth, alphas=[a], criterion="gcv", standardize=True
            ).r2[0]
            for a in ALPHAS
        ]
    )
    best = errors.argmin(axis=0)
    out = []
    for name in CRITERIA:
        inner = {"kfold": refits, "logo": each}.get(name)
        fit = cross_validate(
            layers, y, folds, alphas=ALPHAS, criterion=name, inner_folds=inner, standardize=True
        )
        new = cross_validate(
            layers[PLANTED],
            y,
            truth,
            alphas=ALPHAS,
            criterion=name,
            inner_folds=inner,
            standardize=True,
        )
        steps = fit.pick[PLANTED] - best
        regret = np.take_along_axis(errors, fit.pick[PLANTED][None].astype(int), axis=0)[
            0
        ] - errors.min(axis=0)
        row = {
            "criterion": name,
            "r": fit.r[PLANTED].mean(),
            "r on new groups": new.r[0].mean(),
            "alpha, decades above the best": steps.mean() / 2,
            "decades from the best": np.abs(steps).mean() / 2,
            "R2 lost": regret.mean(),
        }
        if fit.inner is not None:
            row["planted layer found"] = (choose_layers(fit.inner, None) == PLANTED).mean()
        out.append(row)
    return out


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="two draws of each world")
    parser.add_argument("--draws", type=int, default=12)
    chosen = parser.parse_args(arguments)
    draws = 2 if chosen.quick else chosen.draws
    rows = []
    for name, facts in WORLDS.items():
        found = pd.DataFrame([row for seed in range(draws) for row in one(seed, facts)])
        grouped = found.groupby("criterion", sort=False)
        means, paired = grouped.mean(), found.set_index("criterion")
        for criterion in CRITERIA:
            apart = (
                paired.loc[[criterion], "r on new groups"].values
                - paired.loc[["kfold"], "r on new groups"].values
            )
            rows.append(
                {"world": name, "criterion": criterion}
                | {key: float(value) for key, value in means.loc[criterion].items()}
                | {
                    "r on new groups, less kfold's": float(apart.mean()),
                    "its standard error": float(apart.std(ddof=1) / np.sqrt(len(apart))),
                }
            )
            print(
                table(
                    [{k: f"{v:.4f}" if isinstance(v, float) else v for k, v in rows[-1].items()}]
                ).splitlines()[-1],
                flush=True,
            )
    path = write(
        "criterion-quick" if chosen.quick else "criterion",
        {"draws": draws, "machine": machine(), "rows": rows},
    )
    print(
        table(
            [{k: f"{v:.4f}" if isinstance(v, float) else v for k, v in row.items()} for row in rows]
        ),
        f"\n{path}",
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
