"""Scoring against scikit-learn and himalaya: same data, same folds, same penalties, one run.

``python -m benchmarks.scoring`` takes about half an hour on two busy cores; ``--quick`` a minute on small data;
``--only ols13 gcv`` some rows.
"""

from __future__ import annotations

import argparse
import warnings
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from threadpoolctl import threadpool_limits

from analysis.mapping.decomposed import decompose
from analysis.mapping.fit import cross_validate
from analysis.mapping.plan import BLOCK
from analysis.mapping.threads import cores
from benchmarks.common import (
    apart,
    interleaved,
    machine,
    median,
    peak_memory,
    products_alone,
    table,
    write,
)
from data.shares import percent

LIMIT = "its products alone"
FULL = {"n": 384, "p": 768, "v": 12_155, "layers": 13}
SMALL = {"n": 120, "p": 160, "v": 1_500, "layers": 3}


@dataclass
class Data:
    """Synthetic features and responses of Pereira's size: 40 shared dimensions, a decaying spectrum, one massive unit."""

    n: int
    p: int
    v: int
    layers: int
    alphas: np.ndarray = field(default_factory=lambda: np.logspace(-3, 6, 20))

    def __post_init__(self):
        rng = np.random.default_rng(0)
        shared = rng.standard_normal((self.n, 40))
        self.x = []
        for _ in range(self.layers):
            x = shared @ rng.standard_normal((40, self.p)) * np.linspace(1, 0.05, self.p)
            x += rng.standard_normal((self.n, self.p)) * np.logspace(0, -1.5, self.p)
            x[:, 3] = 50 * x[:, 3] + 300
            self.x.append(x.astype(np.float32))
        y = shared @ rng.standard_normal((40, self.v)) * rng.uniform(
            0, 0.5, self.v
        ) + 3 * rng.standard_normal((self.n, self.v))
        self.y = y.astype(np.float32)
        self.y64 = self.y.astype(np.float64)
        self.folds = [
            (np.setdiff1d(np.arange(self.n), part), part)
            for part in np.array_split(np.arange(self.n), 5)
        ]
        self.inner, self.groups = (
            [
                [(np.setdiff1d(train, part), part) for part in np.array_split(train, parts)]
                for train, _ in self.folds
            ]
            for parts in (5, 20)
        )


def correlation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    return (a * b).sum(axis=0) / np.sqrt((a * a).sum(axis=0) * (b * b).sum(axis=0))


def sklearn_scores(make, x: np.ndarray, y: np.ndarray, folds, threads: int) -> np.ndarray:
    """(fold, target) r of a scikit-learn estimator."""
    with threadpool_limits(threads):
        return np.array(
            [
                correlation(make().fit(x[train], y[train]).predict(x[test]), y[test])
                for train, test in folds
            ]
        )


def himalaya_scores(data: Data, backend: str, targets: slice, threads: int) -> np.ndarray:
    from himalaya.backend import set_backend
    from himalaya.kernel_ridge import KernelRidgeCV
    from himalaya.scoring import r2_score

    lib = set_backend(backend)
    x, y, r = data.x[0].astype(np.float64), data.y64[:, targets], []
    with threadpool_limits(threads), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for (train, test), inner in zip(data.folds, data.inner, strict=True):
            place = np.full(data.n, -1)
            place[train] = np.arange(len(train))
            model = KernelRidgeCV(
                data.alphas,
                fit_intercept=True,
                cv=[(place[a], place[b]) for a, b in inner],
                solver_params={"score_func": r2_score},
            )
            model.fit(lib.asarray(x[train]), lib.asarray(y[train]))
            r.append(correlation(lib.to_numpy(model.predict(lib.asarray(x[test]))), y[test]))
    return np.array(r)


def best(options: dict) -> str:
    """The fastest of some ways to run a peer, from two turns on part of the targets."""
    seconds = interleaved(options, 2)
    return min(seconds, key=lambda name: min(seconds[name]))


class Bench:
    """The rows of the table, measured one after the other."""

    def __init__(self, data: Data, repeats: int, small: bool):
        self.data, self.repeats, self.small, self.rows = data, repeats, small, []
        self.part = slice(0, min(1500, data.v))

    def versus(
        self,
        name: str,
        bar: float | None,
        tolerance: float,
        ours,
        theirs,
        peer: str,
        *,
        times: int = 1,
    ) -> None:
        """Measure one row; ``times``: the peer does that share of our work, and its seconds are multiplied."""
        kept = {}
        ours()  # warm
        sides = {
            "ours": lambda: kept.update(ours=ours()),
            "peer": lambda: kept.update(peer=theirs()),
        }
        seconds = interleaved(sides, self.repeats)
        difference = float(np.nanmax(np.abs(kept["ours"].r[0] - kept["peer"])))
        mine, other = median(seconds["ours"]), median(seconds["peer"]) * times
        self.add(
            name,
            seconds_ours=mine,
            seconds_peer=other,
            peer=peer,
            ratio=other / mine,
            bar=bar,
            holds=bar is None or other / mine >= bar,
            max_abs_dr=difference,
            dr_bar=tolerance,
            same=difference <= tolerance,
            all_seconds=seconds,
            peer_times=times,
        )

    def add(self, name: str, **facts) -> None:
        if self.small:  # the bars are for the real size
            facts |= {"bar": None, "holds": True}
        self.rows.append({"name": name, **facts})
        print(show(self.rows[-1:]).splitlines()[-1], flush=True)

    # ---- rows -------------------------------------------------------------------------------------------------------
    def sklearn(self, make, folds=None):
        """A peer's run at the better of one thread and all, and that number of threads."""
        x, y = self.data.x[0].astype(np.float64), self.data.y64
        folds = folds or self.data.folds
        threads = int(
            best(
                {
                    str(t): lambda t=t: sklearn_scores(make, x, y[:, self.part], folds[:2], t)
                    for t in {1, cores()}
                }
            )
        )
        return (
            lambda: sklearn_scores(make, x, y, folds, threads)
        ), f"scikit-learn, {threads} threads"

    def loo(self) -> None:
        from sklearn.linear_model import RidgeCV

        d = self.data
        theirs, peer = self.sklearn(lambda: RidgeCV(d.alphas, alpha_per_target=True))
        self.versus(
            "ridge, exact leave-one-out, alpha per target",
            10,
            5e-6,
            lambda: cross_validate(d.x[0], d.y, d.folds, alphas=d.alphas),
            theirs,
            peer,
        )

    def shared(self) -> None:
        from sklearn.linear_model import RidgeCV

        d = self.data
        theirs, peer = self.sklearn(lambda: RidgeCV(d.alphas))
        self.versus(
            "ridge, exact leave-one-out, one alpha",
            None,
            5e-6,
            lambda: cross_validate(d.x[0], d.y, d.folds, alphas=d.alphas, shared_alpha=True),
            theirs,
            peer,
        )

    def kfold(self) -> None:
        d = self.data
        ways = {f"{b}, {t} threads": (b, t) for b in ("numpy", "torch") for t in {1, cores()}}
        way = best(
            {
                name: lambda b=b, t=t: himalaya_scores(d, b, self.part, t)
                for name, (b, t) in ways.items()
            }
        )
        self.versus(
            "ridge, inner 5-fold R2, alpha per target",
            2.5,
            5e-6,
            lambda: cross_validate(
                d.x[0], d.y, d.folds, alphas=d.alphas, criterion="kfold", inner_folds=d.inner
            ),
            lambda: himalaya_scores(d, ways[way][0], slice(None), ways[way][1]),
            f"himalaya float64, {way}",
        )

    def logo(self) -> None:
        """Leave-one-group-out in closed form against inner folds that are refitted, both ours; another criterion, so no dr."""
        d = self.data

        def run(criterion: str, inner) -> object:
            return cross_validate(
                d.x[0], d.y, d.folds, alphas=d.alphas, criterion=criterion, inner_folds=inner
            )

        run("logo", d.groups)
        seconds = interleaved(
            {"logo": lambda: run("logo", d.groups), "kfold": lambda: run("kfold", d.inner)},
            self.repeats,
        )
        ours, other = median(seconds["logo"]), median(seconds["kfold"])
        self.add(
            "ridge, 20 groups left out in closed form",
            seconds_ours=ours,
            seconds_peer=other,
            peer="our inner 5-fold refits",
            ratio=other / ours,
            bar=None,
            holds=True,
            all_seconds=seconds,
        )

    def ols13(self) -> None:
        from sklearn.linear_model import LinearRegression

        d = self.data
        theirs, peer = self.sklearn(lambda: LinearRegression(tol=1e-6))
        self.versus(
            f"OLS, {d.layers} layers from raw arrays",
            60,
            1e-6,
            lambda: cross_validate(d.x, d.y, d.folds, method="ols"),
            theirs,
            peer + f" (one layer, times {d.layers})",
            times=d.layers,
        )

    def gcv(self) -> None:
        """GCV with cached decompositions: share of what its float32 products alone take on the same workers."""
        d, kept = self.data, {}
        known = decompose(d.x, d.folds, targets=d.v)
        m, t = len(d.folds[0][0]), len(d.folds[0][1])
        shapes = [(BLOCK, m, m - 1), (BLOCK, m - 1, len(d.alphas)), (BLOCK, m - 1, t + 1)]
        rounds = -(-d.layers * len(d.folds) * d.v // BLOCK)

        def run() -> None:
            kept["fit"] = cross_validate(known, d.y, d.folds, alphas=d.alphas, criterion="gcv")

        run()
        limits: list[float] = []
        seconds = interleaved(
            {"ours": run, "limit": lambda: limits.append(products_alone(shapes, rounds))},
            max(self.repeats, 7),
        )
        shares = [limit / own for limit, own in zip(limits, seconds["ours"], strict=True)]
        operations = 2.0 * rounds * sum(a * b * c for a, b, c in shapes)
        self.add(
            f"GCV per target, {d.layers} layers, decompositions cached",
            seconds_ours=median(seconds["ours"]),
            seconds_peer=median(limits),
            peer=LIMIT,
            ratio=median(shares),
            bar=0.8,
            holds=median(shares) >= 0.8,
            gemm_gflops=operations / median(limits) / 1e9,
            shares=shares,
            all_seconds=seconds,
        )

    def memory(self) -> None:
        for name in PEAKS:
            peak = apart(peak_of, name, (self.data.n, self.data.p, self.data.v))
            if peak is not None:
                self.add(
                    f"memory above the data, {name}",
                    ratio=peak / 2**20,
                    bar=250,
                    holds=peak <= 250 * 2**20,
                    unit="MiB",
                )


PEAKS = ("leave-one-out", "GCV", "inner folds", "OLS")


def peak_of(name: str, size: tuple[int, int, int]) -> int | None:
    """Peak memory of one layer's run above the data, results included, in a process that has run a small one before."""
    small, data = Data(60, 80, 300, 1), Data(*size, 1)
    choices = {
        "GCV": {"criterion": "gcv"},
        "inner folds": {"criterion": "kfold"},
        "OLS": {"method": "ols"},
    }.get(name, {})

    def run(d: Data) -> object:
        return cross_validate(d.x, d.y, d.folds, alphas=d.alphas, inner_folds=d.inner, **choices)

    run(small)
    return peak_memory(lambda: run(data))


ROWS = ("loo", "shared", "kfold", "logo", "ols13", "gcv", "memory")


def on_device(device: str, size: dict, repeats: int) -> int:
    """All layers by each criterion on a device and on this machine's cores, in turns: seconds, and how far r differs."""
    import torch

    data, rows = Data(**size), []
    card = torch.cuda.get_device_name(device) if device.startswith("cuda") else "torch on the CPU"

    def run(where: str, criterion: str):
        inner = {"kfold": data.inner, "logo": data.groups}.get(criterion)
        fit = cross_validate(
            data.x,
            data.y,
            data.folds,
            alphas=data.alphas,
            criterion=criterion,
            inner_folds=inner,
            standardize=True,
            device=where,
        )
        if where.startswith("cuda"):
            torch.cuda.synchronize(where)
        return fit

    for criterion in ("gcv", "logo", "loo", "kfold"):
        kept: dict = {}
        run(device, criterion)  # warm

        def side(name: str, criterion: str = criterion, kept: dict = kept) -> None:
            kept[name] = run(name, criterion)

        sides = {name: partial(side, name) for name in (device, "cpu")}
        seconds = interleaved(sides, repeats)
        there, here = (median(seconds[name]) for name in (device, "cpu"))
        same = float((kept[device].pick == kept["cpu"].pick).mean())
        rows.append(
            {
                "what": f"{criterion}, {data.layers} layers",
                f"{card}, s": f"{there:.2f}",
                f"{cores()} cores, s": f"{here:.2f}",
                "ratio": f"{here / there:.1f}",
                "max abs dr": f"{np.nanmax(np.abs(kept[device].r - kept['cpu'].r)):.0e}",
                "same alpha": percent(same, 4),
            }
        )
        print(table(rows[-1:]).splitlines()[-1], flush=True)
    name = f"scoring-{device.split(':')[0]}"
    path = write(name, {"size": size, "card": card, "machine": machine(), "rows": rows})
    print(table(rows), f"\n{path}")
    return 0


def show(rows: list[dict]) -> str:
    """The measured table."""

    def text(row: dict) -> dict:
        unit = row.get("unit") or ("of the limit" if row.get("peer") == LIMIT else "x")
        number = percent(row["ratio"]) if unit == "of the limit" else f"{row['ratio']:.1f}"
        bar = (
            "-"
            if row["bar"] is None
            else percent(row["bar"])
            if unit == "of the limit"
            else str(row["bar"])
        )
        return {
            "what": row["name"],
            "ours, s": f"{row['seconds_ours']:.2f}" if "seconds_ours" in row else "",
            "against": row.get("peer", ""),
            "s": f"{row['seconds_peer']:.2f}" if "seconds_peer" in row else "",
            "result": f"{number} {unit}",
            "bar": bar,
            "max abs dr": f"{row['max_abs_dr']:.0e}" if "max_abs_dr" in row else "",
            "holds": "yes" if row["holds"] and row.get("same", True) else "NO",
        }

    return table([text(row) for row in rows])


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--quick", action="store_true", help="small data, one repeat: a smoke test, no bars"
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=ROWS, default=ROWS)
    parser.add_argument(
        "--device", default="", help="torch, cuda, cuda:1: that device against this machine's cores"
    )
    chosen = parser.parse_args(arguments)
    size = SMALL if chosen.quick else FULL
    if chosen.device:
        return on_device(chosen.device, size, 1 if chosen.quick else chosen.repeats)
    bench = Bench(Data(**size), 1 if chosen.quick else chosen.repeats, chosen.quick)
    for row in chosen.only:
        getattr(bench, row)()
    name = (
        "scoring-quick"
        if chosen.quick
        else "scoring"
        if tuple(chosen.only) == ROWS
        else "scoring-part"
    )
    path = write(
        name, {"size": size, "repeats": bench.repeats, "machine": machine(), "rows": bench.rows}
    )
    print(show(bench.rows), f"\n{path}")
    wrong = [row["name"] for row in bench.rows if not row.get("same", True)]
    if wrong:
        print("different scores:", ", ".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
