"""Ceilings, bootstraps and banded ridge against the plain way of doing them: ratios of one run, as JSON and a table.

python -m benchmarks.ceilings [--quick] [--repeats N]
"""

from __future__ import annotations

import argparse
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from threadpoolctl import threadpool_limits

from analysis.ceiling.extrapolate import asymptotes
from analysis.ceiling.pools import PoolPredictor, pools
from analysis.mapping.bands import scale, solve_himalaya, solve_narrow
from analysis.mapping.splits import make_folds
from analysis.mapping.threads import cores
from analysis.protocol import preset
from analysis.statistics import hierarchical_bootstrap, moments
from benchmarks.common import interleaved, machine, median, table, write

FULL = {
    "people": 5,
    "targets": 400,
    "groups": 24,
    "length": 16,
    "curves": 20_000,
    "peer_curves": 200,
    "voxels": 12_155,
    "draws": 1000,
    "peer_draws": 2,
    "width": 768,
    "peer_step": 6,
}
SMALL = {
    "people": 3,
    "targets": 30,
    "groups": 10,
    "length": 6,
    "curves": 500,
    "peer_curves": 20,
    "voxels": 50,
    "draws": 50,
    "peer_draws": 2,
    "width": 60,
    "peer_step": 1,
}


def recording(size: dict):
    """People who share a signal, as many stimuli as Pereira et al.'s second experiment."""
    import pandas as pd
    import xarray as xr

    from data.recording import Recording

    rng = np.random.default_rng(0)
    n, targets = size["groups"] * size["length"], size["people"] * size["targets"]
    y = 0.5 * rng.standard_normal((n, 8)) @ rng.standard_normal((8, targets)) + rng.standard_normal(
        (n, targets)
    )
    array = xr.DataArray(
        y,
        dims=("stimulus", "target"),
        coords={
            "stimulus": np.arange(n),
            "target": np.arange(targets),
            "subject": (
                "target",
                np.repeat(np.arange(size["people"]), size["targets"]).astype(str),
            ),
        },
    )
    table_ = pd.DataFrame(
        {"text": ["word"] * n, "topic": np.repeat(np.arange(size["groups"]), size["length"])}
    )
    return Recording(id="bench", responses=array, stimuli=table_, group="topic", simulated=True)


def pooled(size: dict, repeats: int) -> dict:
    """All pools of the people by the paper's regression: summed Grams against a fit for each pool, person and fold."""
    from sklearn.linear_model import LinearRegression

    record, protocol = recording(size), preset("schrimpf2021")
    (part,) = make_folds(record, protocol)
    y, codes = record.responses.values, record.subjects.astype(int)
    found: dict = {"ours": {}, "peer": {}}
    cases = [
        (tuple(m for m in pool.members if m != person), person)
        for pool in pools(size["people"])
        for person in pool.held
    ]

    every = [(case, fold) for case in cases for fold in range(len(part.folds))]

    def ours():
        predictor = PoolPredictor(y, codes, part, protocol)
        for others in dict.fromkeys(others for others, _ in cases):
            held = {person for pool, person in cases if pool == others}
            targets, r = predictor.scores(others, held)
            for person in held:
                found["ours"][others, person] = r[:, np.isin(targets, predictor.targets[person])]

    def refit(case):
        (others, person), fold = case
        x, mine = y[:, np.isin(codes, others)], y[:, codes == person]
        train, test = part.folds[fold]
        predicted = LinearRegression().fit(x[train], mine[train]).predict(x[test])
        a, b = predicted - predicted.mean(axis=0), mine[test] - mine[test].mean(axis=0)
        found["peer"][others, person, fold] = (a * b).sum(axis=0) / np.sqrt(
            (a * a).sum(axis=0) * (b * b).sum(axis=0)
        )

    def peer():
        with ThreadPoolExecutor(cores()) as workers:
            list(workers.map(refit, every[:: size["peer_step"]]))

    ours()  # warm
    seconds = interleaved({"ours": ours, "scikit-learn": peer}, repeats)
    share = len(every) / len(every[:: size["peer_step"]])
    seconds["scikit-learn"] = [s * share for s in seconds["scikit-learn"]]
    apart = max(
        np.abs(found["ours"][others, person][fold] - r).max()
        for (others, person, fold), r in found["peer"].items()
    )
    return _row(
        f"extrapolated ceiling, {len(cases)} fits x {len(part.folds)} folds",
        seconds,
        f"scikit-learn, from {len(every) // size['peer_step']} of them",
        bar=40,
        max_abs_dr=float(apart),
    )


def curves(size: dict, repeats: int) -> dict:
    """Asymptotes by variable projection against scipy's curve_fit."""
    from scipy.optimize import curve_fit

    rng, k = np.random.default_rng(0), np.arange(2, 11)
    v0, tau = rng.uniform(0.1, 0.8, size["curves"]), rng.uniform(0.5, 10, size["curves"])
    y = v0[:, None] * -np.expm1(-k / tau[:, None]) + 0.005 * rng.standard_normal(
        (size["curves"], len(k))
    )
    few = y[: size["peer_curves"]]
    slow: list = []

    def peer():
        slow.clear()
        for row in few:
            slow.append(
                curve_fit(
                    lambda x, a, b: a * (1 - np.exp(-x / b)),
                    k,
                    row,
                    bounds=([0, -np.inf], [1, np.inf]),
                )[0]
            )

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        seconds = interleaved({"ours": lambda: asymptotes(k, y), "curve_fit": peer}, repeats)
    seconds["curve_fit"] = [s * size["curves"] / size["peer_curves"] for s in seconds["curve_fit"]]
    ours, theirs = asymptotes(k, few)[0], np.array(slow)[:, 0]
    return _row(
        f"v0 of {size['curves']:,} curves",
        seconds,
        f"curve_fit, from {size['peer_curves']}",
        median_abs_dv0=float(np.median(np.abs(ours - theirs))),
    )


def bootstrap(size: dict, repeats: int, groups: int) -> dict:
    """Draws of r by group sums against taking rows, and r, anew."""
    rng = np.random.default_rng(0)
    n = size["groups"] * size["length"]
    y = rng.standard_normal((n, size["voxels"]))
    x = 0.3 * y + rng.standard_normal(y.shape)
    labels = np.arange(n) * groups // n
    folds = [
        (np.flatnonzero(labels % 10 != f), np.flatnonzero(labels % 10 == f))
        for f in range(min(10, groups))
    ]
    people = np.arange(size["voxels"]) * 10 // size["voxels"]

    def ours():
        hierarchical_bootstrap(moments(x, y, folds, labels), people, draws=size["draws"])

    def peer():
        for _ in range(size["peer_draws"]):
            drawn = rng.integers(groups, size=groups)
            r = []
            for _, test in folds:
                mine = [np.flatnonzero(labels == g) for g in drawn if g in labels[test]]
                if mine:
                    rows = np.concatenate(mine)
                    a, b = x[rows] - x[rows].mean(axis=0), y[rows] - y[rows].mean(axis=0)
                    r.append(
                        (a * b).sum(axis=0) / np.sqrt((a * a).sum(axis=0) * (b * b).sum(axis=0))
                    )
            np.mean(r, axis=0)

    seconds = interleaved({"ours": ours, "naive": peer}, repeats)
    seconds["naive"] = [s * size["draws"] / size["peer_draws"] for s in seconds["naive"]]
    return _row(
        f"bootstrap, {size['draws']} draws, {size['voxels']:,} targets, {groups} groups",
        seconds,
        f"rows drawn anew, from {size['peer_draws']} draws",
    )


def banded(size: dict, repeats: int) -> dict:
    """A wide band beside five narrow units, one target, one outer fold."""
    rng = np.random.default_rng(0)
    n = size["groups"] * size["length"]
    wide, narrow = rng.standard_normal((n, size["width"])), rng.standard_normal((n, 5))
    y = wide[:, :4].sum(axis=1, keepdims=True) + narrow[:, :1] + 2 * rng.standard_normal((n, 1))
    rows = np.arange(n)
    train, test = rows[rows % 10 > 0], rows[rows % 10 == 0]
    share = 1 / (1 + 10.0 ** np.linspace(-3, 3, 13))
    splits = [
        (
            np.flatnonzero(np.arange(len(train)) % 5 != i),
            np.flatnonzero(np.arange(len(train)) % 5 == i),
        )
        for i in range(5)
    ]
    arguments = (
        [scale(x, train, test) for x in (wide, narrow)],
        y[train] - y[train].mean(axis=0),
        splits,
        np.logspace(-1, 7, 17) / (size["width"] + 5),
        np.column_stack([share, 1 - share]),
    )
    kept = {}
    seconds = interleaved(
        {
            "ours": lambda: kept.__setitem__("ours", solve_narrow(*arguments)[0]),
            "himalaya": lambda: kept.__setitem__("himalaya", solve_himalaya(*arguments)[0]),
        },
        repeats,
    )
    return _row(
        "banded ridge, one fold, 13 weightings x 17 alphas",
        seconds,
        "himalaya",
        max_abs_difference=float(np.abs(kept["ours"] - kept["himalaya"]).max()),
    )


def _row(name: str, seconds: dict, peer: str, bar: float | None = None, **more) -> dict:
    ours, theirs = (median(each) for each in seconds.values())
    ratio = median([b / a for a, b in zip(*seconds.values(), strict=True)])
    return {
        "name": name,
        "seconds_ours": ours,
        "seconds_peer": theirs,
        "peer": peer,
        "ratio": ratio,
        "bar": bar,
        "holds": bar is None or ratio >= bar,
        **more,
        "all_seconds": seconds,
    }


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--quick", action="store_true", help="small data, one repeat: a smoke test, no bars"
    )
    parser.add_argument("--repeats", type=int, default=3)
    chosen = parser.parse_args(arguments)
    size, repeats = (SMALL, 1) if chosen.quick else (FULL, chosen.repeats)
    rows = []
    threadpool_limits(1)  # one BLAS thread for each worker, on both sides
    for make, *more in (
        (curves,),
        (bootstrap, size["groups"]),
        (bootstrap, 4 * size["groups"]),
        (banded,),
        (pooled,),
    ):
        began = time.perf_counter()
        rows.append(make(size, repeats, *more))
        print(
            f"{rows[-1]['name']}: {rows[-1]['ratio']:.1f}x ({time.perf_counter() - began:.0f} s)",
            flush=True,
        )
    path = write(
        "ceilings-quick" if chosen.quick else "ceilings",
        {"size": size, "repeats": repeats, "machine": machine(), "rows": rows},
    )
    print(
        table(
            [
                {
                    "what": row["name"],
                    "ours, s": f"{row['seconds_ours']:.3g}",
                    "against": row["peer"],
                    "s": f"{row['seconds_peer']:.3g}",
                    "ratio": f"{row['ratio']:.1f}x",
                    "bar": row["bar"] or "-",
                    "holds": "yes" if row["holds"] else "NO",
                }
                for row in rows
            ]
        ),
        f"\n{path}",
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
