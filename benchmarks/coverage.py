"""What every interval covers and how often every test errs, on simulated data with a planted truth.

python -m benchmarks.coverage [--processes N] [--data-sets N] [--only WORD] [--work FOLDER] [--list] [--quick] [--collect]

Cells of the grid run in chunks of fixed seeds. What is done is kept in the work folder, so that a run that was stopped goes on;
the summary, with Monte Carlo errors, goes to benchmarks/results/coverage.json and, as tables, into docs/method.md (--docs);
--only puts the cells that it measures in their place there, unless they would have fewer data sets.
--collect runs nothing: it tells what is there, and names what was not measured. Needs
numpy, scipy, scikit-learn, xarray, pandas and threadpoolctl only.

A value's *own* truth is the mean of the value over the data sets of its cell (what the procedure estimates at this size); a
*planted* truth is put into the data. An interval is in order where its coverage lies inside the 99 % binomial band of what it
says.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from itertools import groupby
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks import coverage_groups, coverage_story, coverage_wiring
from benchmarks.simulated import defended, of_people, population, recorded, scored, slow
from data.shares import percent

CHUNK = 10
SECOND = 2
"""Series of data sets of scores: the rule for a chosen layer was found by looking at the first, and is measured on others."""
RESULTS = Path(__file__).resolve().parent / "results"
DATA_SETS = 400


@dataclass(frozen=True)
class Cell:
    """One place of the grid.

    Parameters
    ----------
    name : str
    simulate : callable
        (seed, **sizes) -> dict of measure -> (value, low, high) or one outcome (0 or 1). Of a ``shared`` cell
        (design, seeds, **sizes) -> list of such dicts.
    sizes : dict
    nominal : dict
        Measure -> what it should be: ``0.95`` of an interval, ``0.05`` of a test, ``0.025`` of a lower end above 0.
    planted : dict
        Measure -> the planted truth; its own mean where it is not named.
    least : tuple of str
        Measures whose rate should be the nominal one or more.
    """

    name: str
    simulate: Callable
    sizes: dict
    nominal: dict
    planted: dict = field(default_factory=dict)
    shared: bool = False
    series: int = 1
    least: tuple[str, ...] = ()

    def seed(self, number: int) -> int:
        """Fixed by the series, the cell's name and the data set's number."""
        name = self.name if self.series == 1 else f"{self.series}: {self.name}"
        return zlib.crc32(name.encode()) + number

    def outcomes(self, start: int, stop: int) -> Iterator[dict]:
        """Of data sets ``start`` to ``stop``; each ten of a shared cell have the same features, which are decomposed once."""
        numbers = range(start, stop)
        if not self.shared:
            yield from (self.simulate(self.seed(number), **self.sizes) for number in numbers)
            return
        for design, some in groupby(numbers, lambda number: number // CHUNK):
            seeds = [self.seed(number) for number in some]
            yield from self.simulate([self.seed(0), design + 1], seeds, **self.sizes)


# ---- what is simulated -----------------------------------------------------------------------------------------------------
def score_intervals(
    design, seeds, *, people, r, groups, length, targets, layers, width, spread, rho
):
    """Nested score of several layers of which one carries the signal; subjects, shares of the ceiling, the lower bound."""
    from dataclasses import replace

    from analysis.answers.groups import grouped
    from analysis.ceiling.kinds import ceiling
    from analysis.statistics.bootstrap import ENOUGH_PEOPLE

    rng = np.random.default_rng(design)
    n, who = groups * length, max(people, 1)
    features = [rng.standard_normal((n, width)) for _ in range(layers)]
    signal = features[layers // 2] @ population(7, width, targets)
    recordings = []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        apart = (
            spread if people > 1 else 0.0
        )  # of one person or average the interval claims nothing about others
        strength = np.clip(r + apart * rng.standard_normal(who), 0, 0.95) if r else np.zeros(who)
        noise = slow(rng, n, who * targets, length, rho)
        y = np.hstack([strength[p] * signal + np.sqrt(1 - strength[p] ** 2) * noise[:, p * targets : (p + 1) * targets]
                       for p in range(who)])  # fmt: skip
        recordings.append(
            recorded(y, np.repeat(np.arange(who), targets) if people else None, length)
        )
    protocol, outcomes = defended(), []
    for recording, score in zip(recordings, scored(features, recordings, protocol), strict=True):
        found = {"nested": (score.value, score.low, score.high), "above 0": float(score.low > 0)}
        if people == 1:
            first = grouped([score], "subject").frame.drop_duplicates("group").iloc[0]
            found["one subject"] = (first["score"], first["score_low"], first["score_high"])
        if people >= ENOUGH_PEOPLE and r:
            bound = ceiling(recording, protocol, beside=False)
            found["ceiling (pools)"] = (bound.value, bound.low, bound.high)
            found["share"] = replace(score, ceiling=bound).share
        outcomes.append(found)
    return outcomes


def equal_models(design, seeds, *, people, r, groups, length, targets, width):
    """Two models that predict equally well: each has half of the signal's features."""
    from analysis.statistics import paired

    rng = np.random.default_rng(design)
    n = groups * length
    both = [rng.standard_normal((n, width)) for _ in range(2)]
    signal = sum(x @ population(7 + i, width, targets) for i, x in enumerate(both)) / np.sqrt(2)
    recordings = of_people(signal, seeds, people, r, length)
    outcomes = []
    for one, two in zip(*(scored([x], recordings, defended()) for x in both), strict=True):
        low, high, p = paired(one.draws, two.draws)
        outcomes.append(
            {"difference": (one.value - two.value, low, high), "p <= .05": float(p <= 0.05)}
        )
    return outcomes


def ranked_models(design, seeds, *, people, r, groups, length, targets, width, less):
    """Three models with a part of the signal each: two parts are equal, the third is smaller."""
    from analysis.answers.compare import rank_interval

    rng = np.random.default_rng(design)
    n = groups * length
    parts, size = [rng.standard_normal((n, width)) for _ in range(3)], np.sqrt(2 + less**2)
    signal = sum(
        weight * x @ population(7 + i, width, targets) / size
        for i, (x, weight) in enumerate(zip(parts, (1.0, 1.0, less), strict=True))
    )
    recordings = of_people(signal, seeds, people, r, length)
    outcomes = []
    for made in zip(*(scored([x], recordings, defended()) for x in parts), strict=True):
        low, high = rank_interval([one.draws for one in made])
        outcomes.append(
            {
                "both ranks of equals": float((low[:2] <= 1).all() and (high[:2] >= 2).all()),
                "rank of the last": float(high[2] == 3),
            }
        )
    return outcomes


UNLIKE = {
    "a fifth noise": lambda targets: np.where(np.arange(targets) % 5 == 4, 0.0, 0.6),
    "half noise": lambda targets: np.where(np.arange(targets) % 2 == 1, 0.0, 0.6),
    "spread .3 to .9": lambda targets: np.linspace(0.3, 0.9, targets),
}
"""Ceilings of a person's targets that differ."""


def perfect(ceiling: np.ndarray | float, rows: int) -> float:
    r"""Mean r over folds of a perfect prediction: what a score could reach, a little less than the correlation in the population.

    .. math:: E[r] = \frac{2 \rho}{n - 1} \left(\frac{\Gamma(n / 2)}{\Gamma((n - 1) / 2)}\right)^2
        {}_2F_1(\tfrac12, \tfrac12; \tfrac{n + 1}2; \rho^2)

    of a sample of n normal pairs (Hotelling 1953).
    """
    from scipy.special import gammaln, hyp2f1

    rho = np.atleast_1d(np.asarray(ceiling, float))
    scale = 2 / (rows - 1) * np.exp(2 * (gammaln(rows / 2) - gammaln((rows - 1) / 2)))
    return float(np.mean(scale * rho * hyp2f1(0.5, 0.5, (rows + 1) / 2, rho**2)))


def shared_ceiling(seed, *, people, ceiling, groups, length, targets, dimensions, own, lower):
    """People who share ``dimensions`` signals; ``own`` of the rest of each is a signal of his or her own targets."""
    from analysis.ceiling.kinds import ceiling as estimate

    rng = np.random.default_rng(seed)
    n = groups * length
    shared = rng.standard_normal((n, dimensions))
    weights = population(11, dimensions, targets)
    weights = weights / np.sqrt((weights**2).sum(axis=0))
    c = UNLIKE[ceiling](targets) if ceiling in UNLIKE else np.full(targets, ceiling)
    columns = []
    for _ in range(people):
        private = rng.standard_normal((n, 1)) * np.ones(targets)
        noise = np.sqrt(own) * private + np.sqrt(1 - own) * rng.standard_normal((n, targets))
        columns.append(c * (shared @ weights) + np.sqrt(1 - c**2) * noise)
    recording = recorded(np.hstack(columns), np.repeat(np.arange(people), targets), length)
    found = estimate(recording, defended(), kind="pools", beside=lower)
    outcomes = {"pools": (found.value, found.low, found.high)}
    if lower:
        bound = found.lower_bound
        each = bound.value, bound.low, bound.high
        outcomes |= {"lower bound, planted": each, "lower bound, own": each}
    return outcomes


def repeated(seed, *, items, times, c, length, rho):
    """Items that neighbours resemble, presented several times."""
    from analysis.ceiling.reliability import repeats

    rng = np.random.default_rng(seed)
    labels = np.tile(np.arange(items), times)
    signal = slow(rng, items, 1, length, rho)[labels]
    y = c * signal + np.sqrt(1 - c**2) * rng.standard_normal((items * times, 1))
    found = repeats(y, labels, labels // length, draws=500)
    low, high = np.nanquantile(found.draws, [0.025, 0.975])
    return {"repeats": (float(found.value[0]), float(low), float(high))}


def halves(seed, *, people, stimuli, sd):
    from analysis.ceiling.reliability import split_half

    rng = np.random.default_rng(seed)
    y = rng.standard_normal((stimuli, 1)) + sd * rng.standard_normal((stimuli, people))
    found = split_half(y, np.arange(stimuli) // 4, draws=500)
    low, high = np.nanquantile(found.draws, [0.025, 0.975])
    return {"split-half": (float(found.value[0]), float(low), float(high))}


def families(seed, *, rho, between, tails):
    """Two measures of 43 models in 15 families, with family effects in both."""
    from analysis.statistics import correlate

    rng = np.random.default_rng(seed)
    sizes = [7, 6, 6, 4, 4, 3, 3, 2, 2, 1, 1, 1, 1, 1, 1]

    def draw(count):
        z = (
            rng.standard_normal((count, 2))
            if not tails
            else rng.standard_t(tails, (count, 2)) / np.sqrt(tails / (tails - 2))
        )
        z[:, 1] = rho * z[:, 0] + np.sqrt(1 - rho**2) * z[:, 1]
        return z

    label = np.repeat(np.arange(len(sizes)), sizes)
    values = np.sqrt(between) * draw(len(sizes))[label] + np.sqrt(1 - between) * draw(len(label))
    found = correlate(*values.T, label, draws=0)
    return {
        "r": (found.r, found.low, found.high),
        "rank r": (found.rho, found.rho_low, found.rho_high),
        "claimed": float(found.claim != 0),
        "Pearson alone": float(found.low > 0 or found.high < 0),
    }


def noise_tested(design, seeds, *, layers, groups, length, width, draws):
    """Averaged targets and layers of noise: the layer is chosen anew in each draw. The data sets share their permutations."""
    from analysis.scoring.significance import targets_test

    rng = np.random.default_rng(design)
    n = groups * length
    features = [rng.standard_normal((n, width)) for _ in range(layers)]
    y = np.hstack([slow(np.random.default_rng(seed), n, 1, length, 0.3) for seed in seeds])
    test = targets_test(features, recorded(y, None, length), defended(seeds=1), draws=draws)
    return [{"p <= .05": float(p <= 0.05)} for p in test.p]


def reading_gain(seed, *, texts, words, effect):
    """Delta log-likelihood of surprisals with or without an effect."""
    from analysis.reading.delta_ll import delta_log_likelihood

    rng = np.random.default_rng(seed)
    n = texts * words
    table = pd.DataFrame(
        rng.standard_normal((n, 4)), columns=["length", "frequency", "surprisal", "noise"]
    )
    table["story"] = np.arange(n) // words
    by_text = rng.standard_normal(texts)[table["story"]]
    table["time"] = (
        300
        + 20 * table["length"]
        + 40 * table["noise"]
        + 5 * by_text
        + 40 * effect * table["surprisal"]
    )
    found = delta_log_likelihood(
        table, "time", ["length", "frequency"], ["surprisal"], folds="story"
    )
    return {
        "delta-LL": (found.per_word, found.low, found.high),
        "above 0": float(found.low > 0),
        "below 0": float(found.high < 0),
    }


# ---- the grid --------------------------------------------------------------------------------------------------------------
FIRST = (
    "score, averaged, r 0.4",
    "score, averaged, 12 layers of noise",
    "equal models, averaged",
    "equal models, 6 people",
    "target test, 12 layers of noise",
    "score, one person, r 0.4",
    "score, 4 people, r 0.4",
    "ceiling 0.6, 6 people, 3 shared, own 0",
    "ceiling 0.6, 3 people, 3 shared, own 0",
    "score, averaged, r 0",
)
"""One cell of each kind, before the others of their kind."""


def grid() -> list[Cell]:
    """Every cell, in the order in which they run."""
    cells = list(_cells())
    order = {name: place for place, name in enumerate(FIRST)}
    return sorted(cells, key=lambda cell: order.get(cell.name, len(FIRST)))


def _cells() -> Iterator[Cell]:
    from analysis.statistics.bootstrap import ENOUGH_PEOPLE

    size = dict(groups=32, length=4, targets=3, layers=6, width=12, spread=0.08, rho=0.3)
    kinds = ("ceiling (pools)", "share")

    def scores(people: int) -> Iterator[Cell]:
        for r in (0.4, 0.0, 0.7):
            nominal = {"nested": 0.95, **({"above 0": 0.025} if not r else {})}
            planted = {"nested": 0.0} if not r else {}
            if people == 1:
                nominal["one subject"] = 0.95
                planted |= {"one subject": 0.0} if not r else {}
            if people >= ENOUGH_PEOPLE and r:
                nominal |= dict.fromkeys(kinds, 0.95)
            who = {0: "averaged", 1: "one person"}.get(people, f"{people} people")
            yield Cell(f"score, {who}, r {r:g}", score_intervals,
                       size | {"people": people, "r": r}, nominal, planted, True, SECOND)  # fmt: skip

    yield from scores(0)
    yield from scores(1)
    for people, who in ((0, "averaged"), (1, "one person"), (4, "4 people")):
        subject = {"one subject": 0.95} if people == 1 else {}
        yield Cell(f"score, {who}, 12 layers of noise", score_intervals,
                   size | {"people": people, "r": 0.0, "targets": 1, "layers": 12},
                   {"nested": 0.95, "above 0": 0.025} | subject, {"nested": 0.0, "one subject": 0.0},
                   True, SECOND)  # fmt: skip
    for people in (0, 6, 2, 3):
        yield Cell(f"equal models, {f'{people} people' if people else 'averaged'}", equal_models,
                   dict(groups=32, length=4, targets=3, width=12, r=0.6, people=people),
                   {"difference": 0.95, "p <= .05": 0.05}, {"difference": 0.0}, True, SECOND)  # fmt: skip
    for people in (0, 6):
        yield Cell(f"three models, {f'{people} people' if people else 'averaged'}", ranked_models,
                   dict(groups=32, length=4, targets=3, width=12, r=0.7, people=people, less=0.7),
                   {"both ranks of equals": 0.95, "rank of the last": 0.95}, {}, True, SECOND)  # fmt: skip
    yield Cell("target test, 12 layers of noise", noise_tested,
               dict(layers=12, groups=24, length=4, width=10, draws=39), {"p <= .05": 0.05}, shared=True)  # fmt: skip
    for people in (4, 10, 2, 3):
        yield from scores(people)
    for dimensions, own in ((3, 0.0), (3, 0.3), (1, 0.0)):
        for people in (6, 3, 10):
            for c in (0.6, 0.35):
                lower = (people, dimensions, own) == (3, 3, 0.0)  # it costs most
                bounds = {"lower bound, planted": 0.95, "lower bound, own": 0.95} if lower else {}
                yield Cell(f"ceiling {c:g}, {people} people, {dimensions} shared, own {own:g}", shared_ceiling,
                           dict(people=people, ceiling=c, groups=30, length=5, targets=4, dimensions=dimensions, own=own,
                                lower=lower),
                           {"pools": 0.95} | bounds,
                           dict.fromkeys(("pools", "lower bound, planted"), perfect(c, 15)))  # fmt: skip
    for name, each in UNLIKE.items():
        yield Cell(f"ceilings of unlike targets, {name}", shared_ceiling,
                   dict(people=6, ceiling=name, groups=30, length=5, targets=20, dimensions=3, own=0.0, lower=False),
                   {"pools": 0.95}, {"pools": perfect(each(20), 15)})  # fmt: skip
    for length, rho in ((1, 0.0), (4, 0.0), (4, 0.7)):
        for items in (40, 80):
            yield Cell(f"repeats, {items} items in runs of {length}, rho {rho:g}", repeated,
                       dict(items=items, times=3, c=0.6, length=length, rho=rho), {"repeats": 0.95},
                       {"repeats": 0.6})  # fmt: skip
    for people in (10, 20):
        sd = 2.5
        yield Cell(f"split-half, {people} people", halves, dict(people=people, stimuli=160, sd=sd), {"split-half": 0.95},
                   {"split-half": float(1 / np.sqrt(1 + sd**2 / people))})  # fmt: skip
    for rho in (0.0, 0.6):
        for between, tails in ((0.2, 0), (0.6, 0), (0.6, 4)):
            tests = {} if rho else {"claimed": 0.05, "Pearson alone": 0.05}
            yield Cell(f"families, rho {rho:g}, between {between:g}, {'t' + str(tails) if tails else 'normal'}", families,
                       dict(rho=rho, between=between, tails=tails), {"r": 0.95, "rank r": 0.95} | tests,
                       {"r": rho} | ({} if rho else {"rank r": 0.0}))  # fmt: skip
    for texts in (4, 10):
        for effect in (0.0, 0.2):
            rates = {"above 0": 0.025} if not effect else {}
            yield Cell(f"delta-LL, {texts} texts, effect {effect:g}", reading_gain, dict(texts=texts, words=200, effect=effect),
                       {"delta-LL": 0.95, "below 0": 0.025 if not effect else 0.0} | rates)  # fmt: skip
    for arguments in (
        *coverage_story.cells(),
        *coverage_wiring.cells(),
        *coverage_groups.cells(),
    ):
        yield Cell(*arguments)


# ---- running ---------------------------------------------------------------------------------------------------------------
def run_chunk(name: str, start: int, stop: int) -> dict:
    """Data sets ``start`` to ``stop`` of one cell: measure -> list of outcomes."""
    from threadpoolctl import threadpool_limits  # one thread each: the processes share the cores

    cell = next(one for one in grid() if one.name == name)
    found: dict[str, list] = {}
    began = time.process_time()
    with threadpool_limits(1):
        for outcomes in cell.outcomes(start, stop):
            for measure, outcome in outcomes.items():
                found.setdefault(measure, []).append(outcome)
    return {"outcomes": found, "seconds": time.process_time() - began}


def summary(cell: Cell, outcomes: dict[str, list]) -> list[dict]:
    """Coverage or rate of each measure that the cell says something about, with its Monte Carlo error and 99 % band."""
    from scipy.stats import binom

    rows = []
    for measure, nominal in cell.nominal.items():
        if measure not in outcomes:
            continue
        values = np.asarray(outcomes[measure], float)
        row = {"cell": cell.name, "measure": measure, "nominal": nominal}
        if values.ndim == 1:
            hits, n = values, len(values)
        else:
            kept = np.isfinite(values).all(axis=1)
            row["undefined"] = int((~kept).sum())
            value, low, high = values[kept].T
            truth = cell.planted.get(measure, value.mean() if len(value) else np.nan)
            hits, n = (low <= truth) & (truth <= high), int(kept.sum())
            row |= {"truth": "planted" if measure in cell.planted else "own", "true": float(truth),
                    "mean": float(value.mean()) if n else None, "bias_error": float(value.std() / np.sqrt(n)) if n else None,
                    "width": float((high - low).mean()) if n else None}  # fmt: skip
        rate = float(np.mean(hits)) if n else float("nan")
        band = binom.ppf([0.005, 0.995], n, nominal) / n if n else [np.nan, np.nan]
        row |= {"data_sets": n, "rate": rate, "error": float(np.sqrt(rate * (1 - rate) / n)) if n else None,
                "inside": bool(band[0] <= rate <= band[1])}  # fmt: skip
        if measure in cell.least:
            row |= {"rule": "at least", "inside": bool(band[0] <= rate)}
        rows.append(row)
    return rows


def plan(cells: list[Cell], data_sets: int, work: Path) -> tuple[dict, list[tuple[str, int, int]]]:
    """What is there already, and the chunks that are missing."""
    done, missing = {}, []
    for cell in cells:
        path = work / f"{zlib.crc32(repr((cell.series, cell.name, cell.sizes)).encode()):08x}.json"
        known = json.loads(path.read_text()) if path.exists() else {}
        done[cell.name] = (path, known)
        missing += [
            (cell.name, start, min(start + CHUNK, data_sets))
            for start in range(0, data_sets, CHUNK)
            if f"{start}-{min(start + CHUNK, data_sets)}" not in known
        ]
    return done, missing


def collected(chunks: dict) -> dict[str, list]:
    """The outcomes of all chunks of a cell, by measure."""
    found: dict[str, list] = {}
    for key in sorted(chunks, key=lambda one: int(one.partition("-")[0])):
        for measure, values in chunks[key]["outcomes"].items():
            found.setdefault(measure, []).extend(values)
    return found


def documented(rows: list[dict], unmeasured: list[str] = ()) -> str:
    """The rows as a table in Markdown, and the cells that were not measured by name."""
    said = [
        "| simulated | measure | nominal | measured | data sets | |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        note = "" if row["inside"] else "outside"
        if row.get("truth") == "planted" and row["mean"] is not None:
            note = "; ".join(
                filter(None, [f"planted {row['true']:.3g}, mean {row['mean']:.3f}", note])
            )
        if row["data_sets"] + row.get("undefined", 0) < DATA_SETS:
            note = "; ".join(filter(None, [note, "too few to judge yet"]))
        if row.get("undefined"):
            note = "; ".join(filter(None, [note, f"{row['undefined']} not defined"]))
        nominal = f"{row.get('rule', '')} {percent(row['nominal'], 1)}".strip()
        rate = f"{percent(row['rate'], 1)} ± {percent(row['error'] or 0, 1)}"
        said.append(f"| {row['cell']} | {row['measure']} | {nominal} | {rate} | "
                    f"{row['data_sets']} | {note} |")  # fmt: skip
    if unmeasured:
        said += ["", f"In the grid and not measured yet: {'; '.join(unmeasured)}."]
    return "\n".join(said)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--processes", type=int, default=max(1, (os.cpu_count() or 2)))
    parser.add_argument("--data-sets", type=int, default=DATA_SETS)
    parser.add_argument("--only", default="", help="cells whose name holds this word")
    parser.add_argument("--work", type=Path, default=RESULTS / ".coverage")
    parser.add_argument("--out", type=Path, default=RESULTS / "coverage.json")
    parser.add_argument("--list", action="store_true", help="name the cells and stop")
    parser.add_argument(
        "--quick", action="store_true", help="2 data sets of each cell, not written"
    )
    parser.add_argument("--collect", action="store_true", help="run nothing, tell what is there")
    parser.add_argument("--docs", action="store_true", help="write the tables into docs/method.md")
    options = parser.parse_args(arguments)
    cells = [cell for cell in grid() if options.only in cell.name]
    if options.list:
        print("\n".join(f"{cell.name}: {', '.join(cell.nominal)}" for cell in cells))
        return 0
    data_sets = 2 if options.quick else options.data_sets
    options.work.mkdir(parents=True, exist_ok=True)
    done, missing = plan(cells, data_sets, options.work)
    if not options.collect:
        run(missing, done, options.processes)
    rows = [row for cell in cells for row in summary(cell, collected(done[cell.name][1]))]
    unmeasured = [cell.name for cell in cells if not done[cell.name][1]]
    seconds = sum(chunk["seconds"] for _, known in done.values() for chunk in known.values())
    told = json.loads(options.out.read_text()) if options.only and options.out.exists() else {}
    kept = not options.quick and data_sets >= told.get("data_sets", 0)
    if kept and told:
        rows, unmeasured, seconds = merged(told, rows, seconds)
    if kept:
        cells = grid()
        told = {"data_sets": data_sets, "cpu_seconds": round(seconds), "chunk": CHUNK,
                "cells": {cell.name: cell.sizes for cell in cells}, "not_measured": unmeasured,
                "rows": rows}  # fmt: skip
        options.out.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    print(documented(rows, unmeasured))
    if options.docs:
        write_docs(documented(rows, unmeasured))
    print(f"{seconds:.0f} CPU seconds in all", file=sys.stderr)
    return 0


def merged(told: dict, rows: list[dict], seconds: float) -> tuple[list[dict], list[str], float]:
    """Rows of the cells that were measured anew in place of theirs in what was told before, in the grid's order."""
    anew = {row["cell"] for row in rows}
    every = [row for row in told["rows"] if row["cell"] not in anew] + rows
    names = [cell.name for cell in grid()]
    every = sorted(
        (row for row in every if row["cell"] in names), key=lambda row: names.index(row["cell"])
    )
    there = {row["cell"] for row in every}
    return every, [name for name in names if name not in there], told["cpu_seconds"] + seconds


def run(missing: list[tuple[str, int, int]], done: dict, processes: int) -> None:
    """Run the missing chunks; each is kept as soon as it is there."""
    began = time.monotonic()
    os.environ["BRAINLENS_CORES"] = "1"  # of each process: its threads would wait for the others'
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        futures = {pool.submit(run_chunk, *chunk): chunk for chunk in missing}
        for number, future in enumerate(as_completed(futures), 1):
            name, start, stop = futures[future]
            path, known = done[name]
            known[f"{start}-{stop}"] = future.result()
            part = path.with_suffix(".part")
            part.write_text(json.dumps(known))
            part.replace(path)
            left = (time.monotonic() - began) / number * (len(futures) - number)
            print(
                f"{number}/{len(futures)} {name} {start}-{stop}; {left / 60:.0f} min left",
                file=sys.stderr,
                flush=True,
            )


MARKS = ("<!-- coverage: begin -->", "<!-- coverage: end -->")


def write_docs(table: str) -> None:
    """Put the table between its marks in docs/method.md."""
    path = Path(__file__).resolve().parents[1] / "docs" / "method.md"
    head, _, rest = path.read_text(encoding="utf-8").partition(MARKS[0])
    _, _, tail = rest.partition(MARKS[1])
    path.write_text(f"{head}{MARKS[0]}\n\n{table}\n\n{MARKS[1]}{tail}", encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(main())
