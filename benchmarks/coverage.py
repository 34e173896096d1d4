"""What every interval covers and how often every test errs, on simulated data with a planted truth.

python -m benchmarks.coverage [--processes N] [--data-sets N] [--only WORD] [--work FOLDER] [--list] [--quick]

Cells of the grid run in chunks of fixed seeds. What is done is kept in the work folder, so that a run that was stopped goes on;
the summary, with Monte Carlo errors, goes to benchmarks/results/coverage.json and, as tables, into docs/method.md (--docs). Needs
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
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

CHUNK = 10
RESULTS = Path(__file__).resolve().parent / "results"
DATA_SETS = 400


@dataclass(frozen=True)
class Cell:
    """One place of the grid.

    Parameters
    ----------
    name : str
    simulate : callable
        (seed, **sizes) -> dict of measure -> (value, low, high) or one outcome (0 or 1).
    sizes : dict
    nominal : dict
        Measure -> what it should be: ``0.95`` of an interval, ``0.05`` of a test, ``0.025`` of a lower end above 0.
    planted : dict
        Measure -> the planted truth; its own mean where it is not named.
    """

    name: str
    simulate: Callable
    sizes: dict
    nominal: dict
    planted: dict = field(default_factory=dict)

    def seed(self, number: int) -> int:
        """Fixed by the cell's name and the data set's number."""
        return zlib.crc32(self.name.encode()) + number


# ---- data ----------------------------------------------------------------------------------------------------------------
def recorded(responses: np.ndarray, people: np.ndarray | None, length: int, **fields):
    """A recording of stimuli in groups of ``length``."""
    from data.recording import Recording

    n, count = responses.shape
    coords = {"stimulus": np.arange(n), "target": np.arange(count)}
    if people is not None:
        coords["subject"] = ("target", np.array([f"p{one}" for one in people]))
    array = xr.DataArray(responses, dims=("stimulus", "target"), coords=coords)
    table = pd.DataFrame(
        {"text": [f"sentence {i}" for i in range(n)], "topic": np.arange(n) // length},
        index=np.arange(n),
    )
    return Recording("simulated", array, table, group="topic", averaged=people is None, **fields)


def slow(rng, n: int, columns: int, length: int, rho: float) -> np.ndarray:
    """Noise that changes slowly inside each group."""
    out = rng.standard_normal((n, columns))
    for row in range(1, n):
        if row % length:
            out[row] = rho * out[row - 1] + np.sqrt(1 - rho**2) * out[row]
    return out


def scored(layers: list[np.ndarray], recording, protocol):
    """A Score of ready layers, made as :func:`analysis.score` makes it, without store and controls."""
    from analysis.ceiling.kinds import Ceiling
    from analysis.progress import SILENT
    from analysis.scoring.folds import fit_parts, over_seeds, runs
    from analysis.scoring.result import Score

    every = [run for number, run in enumerate(runs(recording, protocol)) if run.same == number]
    seeds = [run.protocol.seed for run in every]
    fits = [
        over_seeds(
            [
                fit_parts(x, recording, run.protocol, run.parts, SILENT, draws=True, choosing=True)
                for run in every
            ],
            seeds,
        )
        for x in layers
    ]
    dataset = xr.concat(fits, dim=pd.Index(range(len(layers)), name="layer"), coords="different",
                        compat="equals", combine_attrs="drop_conflicts")  # fmt: skip
    if recording.subjects is not None:
        dataset = dataset.assign_coords(subject=("target", recording.subjects))
    about = {"id": "simulated", "averaged": recording.averaged, "simulated": True, "quality": "",
             "n_stimuli": recording.n_stimuli, "n_targets": recording.n_targets,
             "n_subjects": 0 if recording.subjects is None else len(set(recording.subjects))}  # fmt: skip
    dataset = dataset.assign_coords(
        depth=("layer", np.linspace(0, 1, len(layers))), note=("layer", [""] * len(layers))
    )
    provenance = {"recording": about, "model": {"id": "simulated"}, "folds": ""}
    none = Ceiling.none("", recording.n_targets)
    return Score(dataset, none, protocol, pd.DataFrame({"control": []}), {}, provenance)


def defended(**changes):
    from analysis.protocol import preset

    quick = {"controls": (), "shuffled_twin": False, "unique": False, "bootstrap": 500}
    return preset("defended").but(**quick, **changes)


def population(cell_seed: int, width: int, targets: int) -> np.ndarray:
    """Weights of the planted layer, the same in every data set of a cell."""
    return np.random.default_rng(cell_seed).standard_normal((width, targets)) / np.sqrt(width)


# ---- what is simulated -----------------------------------------------------------------------------------------------------
def score_intervals(seed, *, people, r, groups, length, targets, layers, width, spread, rho):
    """Nested score of several layers of which one carries the signal; subjects, shares of the ceiling, the lower bound."""
    from analysis.answers.groups import grouped
    from analysis.ceiling.kinds import ceiling

    rng = np.random.default_rng(seed)
    n, who = groups * length, max(people, 1)
    features = [rng.standard_normal((n, width)) for _ in range(layers)]
    signal = features[layers // 2] @ population(7, width, targets)
    strength = np.clip(r + spread * rng.standard_normal(who), 0, 0.95) if r else np.zeros(who)
    noise = slow(rng, n, who * targets, length, rho)
    y = np.hstack([strength[p] * signal + np.sqrt(1 - strength[p] ** 2) * noise[:, p * targets : (p + 1) * targets]
                   for p in range(who)])  # fmt: skip
    protocol = defended()
    recording = recorded(y, np.repeat(np.arange(who), targets) if people else None, length)
    score = scored(features, recording, protocol)
    found = {"nested": (score.value, score.low, score.high), "above 0": float(score.low > 0)}
    if people:
        first = grouped([score], "subject").frame.drop_duplicates("group").iloc[0]
        found["one subject"] = (first["score"], first["score_low"], first["score_high"])
        bound = ceiling(recording, protocol)
        found["ceiling (pools)"] = (bound.value, bound.low, bound.high)
        lower = bound.lower_bound
        found["others predict"] = (lower.value, lower.low, lower.high)
        from dataclasses import replace

        found["share"] = replace(score, ceiling=bound).share
    return found


def equal_models(seed, *, people, r, groups, length, targets, width):
    """Two models that predict equally well: each has half of the signal's features."""
    from analysis.statistics import paired

    rng = np.random.default_rng(seed)
    n, who = groups * length, max(people, 1)
    both = [rng.standard_normal((n, width)) for _ in range(2)]
    signal = sum(x @ population(7 + i, width, targets) for i, x in enumerate(both)) / np.sqrt(2)
    y = np.hstack(
        [r * signal + np.sqrt(1 - r**2) * rng.standard_normal((n, targets)) for _ in range(who)]
    )
    recording = recorded(y, np.repeat(np.arange(who), targets) if people else None, length)
    one, two = (scored([x], recording, defended()) for x in both)
    low, high, p = paired(one.draws, two.draws)
    return {"difference": (one.value - two.value, low, high), "p <= .05": float(p <= 0.05)}


def shared_ceiling(seed, *, people, ceiling, groups, length, targets, dimensions, own):
    """People who share ``dimensions`` signals; ``own`` of the rest of each is a signal of his or her own targets."""
    from analysis.ceiling.kinds import ceiling as estimate

    rng = np.random.default_rng(seed)
    n = groups * length
    shared = rng.standard_normal((n, dimensions))
    weights = population(11, dimensions, targets)
    weights = weights / np.sqrt((weights**2).sum(axis=0))
    columns = []
    for _ in range(people):
        private = rng.standard_normal((n, 1)) * np.ones(targets)
        noise = np.sqrt(own) * private + np.sqrt(1 - own) * rng.standard_normal((n, targets))
        columns.append(ceiling * (shared @ weights) + np.sqrt(1 - ceiling**2) * noise)
    recording = recorded(np.hstack(columns), np.repeat(np.arange(people), targets), length)
    found = estimate(recording, defended(), kind="pools")
    lower = found.lower_bound
    return {
        "pools": (found.value, found.low, found.high),
        "lower bound, planted": (lower.value, lower.low, lower.high),
        "lower bound, own": (lower.value, lower.low, lower.high),
    }


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


def noise_tested(seed, *, layers, groups, length, width, draws):
    """One averaged target and layers of noise: the layer is chosen anew in each draw."""
    from analysis.scoring.significance import targets_test

    rng = np.random.default_rng(seed)
    n = groups * length
    features = [rng.standard_normal((n, width)) for _ in range(layers)]
    recording = recorded(slow(rng, n, 1, length, 0.3), None, length)
    test = targets_test(features, recording, defended(seeds=1), draws=draws)
    return {"p <= .05": float(test.p[0] <= 0.05)}


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
def grid() -> Iterator[Cell]:
    """Every cell, in the order in which they run."""
    size = dict(groups=32, length=4, targets=3, layers=6, width=12, spread=0.08, rho=0.3)
    kinds = ("nested", "one subject", "ceiling (pools)", "others predict", "share")
    for people in (0, 4, 10):
        for r in (0.0, 0.4, 0.7):
            nominal = {"nested": 0.95, **({"above 0": 0.025} if not r else {})}
            planted = {"nested": 0.0} if not r else {}
            if people and r:
                nominal |= dict.fromkeys(kinds, 0.95)
            yield Cell(f"score, {people or 'no'} people, r {r:g}", score_intervals,
                       size | {"people": people, "r": r}, nominal, planted)  # fmt: skip
    yield Cell("score, averaged, 12 layers of noise", score_intervals,
               size | {"people": 0, "r": 0.0, "targets": 1, "layers": 12}, {"above 0": 0.025})  # fmt: skip
    size = dict(groups=32, length=4, targets=3, width=12, r=0.6)
    for people in (0, 6):
        yield Cell(f"equal models, {people or 'no'} people", equal_models, size | {"people": people},
                   {"difference": 0.95, "p <= .05": 0.05}, {"difference": 0.0})  # fmt: skip
    for people in (3, 6, 10):
        for c in (0.35, 0.6):
            for dimensions, own in ((1, 0.0), (3, 0.0), (3, 0.3)):
                yield Cell(f"ceiling {c:g}, {people} people, {dimensions} shared, own {own:g}", shared_ceiling,
                           dict(people=people, ceiling=c, groups=30, length=5, targets=4, dimensions=dimensions, own=own),
                           {"pools": 0.95, "lower bound, planted": 0.95, "lower bound, own": 0.95},
                           {"pools": c, "lower bound, planted": c})  # fmt: skip
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
    yield Cell("target test, 12 layers of noise", noise_tested,
               dict(layers=12, groups=24, length=4, width=10, draws=39), {"p <= .05": 0.05})  # fmt: skip


# ---- running ---------------------------------------------------------------------------------------------------------------
def run_chunk(name: str, start: int, stop: int) -> dict:
    """Data sets ``start`` to ``stop`` of one cell: measure -> list of outcomes."""
    from threadpoolctl import threadpool_limits  # one thread each: the processes share the cores

    cell = next(one for one in grid() if one.name == name)
    found: dict[str, list] = {}
    began = time.process_time()
    with threadpool_limits(1):
        for number in range(start, stop):
            for measure, outcome in cell.simulate(cell.seed(number), **cell.sizes).items():
                found.setdefault(measure, []).append(outcome)
    return {"outcomes": found, "seconds": time.process_time() - began}


def summary(cell: Cell, outcomes: dict[str, list]) -> list[dict]:
    """Coverage or rate of each measure that the cell says something about, with its Monte Carlo error and 99 % band."""
    from scipy.stats import binom

    rows = []
    for measure, nominal in cell.nominal.items():
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
        rows.append(row)
    return rows


def plan(cells: list[Cell], data_sets: int, work: Path) -> tuple[dict, list[tuple[str, int, int]]]:
    """What is there already, and the chunks that are missing."""
    done, missing = {}, []
    for cell in cells:
        path = work / f"{zlib.crc32(repr((cell.name, cell.sizes)).encode()):08x}.json"
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


def documented(rows: list[dict]) -> str:
    """The rows as a table in Markdown."""
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
        if row.get("undefined"):
            note = "; ".join(filter(None, [note, f"{row['undefined']} not defined"]))
        said.append(f"| {row['cell']} | {row['measure']} | {row['nominal']:.1%} | {row['rate']:.1%} ± {row['error'] or 0:.1%} | "
                    f"{row['data_sets']} | {note} |")  # fmt: skip
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
    parser.add_argument("--docs", action="store_true", help="write the tables into docs/method.md")
    options = parser.parse_args(arguments)
    cells = [cell for cell in grid() if options.only in cell.name]
    if options.list:
        print("\n".join(f"{cell.name}: {', '.join(cell.nominal)}" for cell in cells))
        return 0
    data_sets = 2 if options.quick else options.data_sets
    options.work.mkdir(parents=True, exist_ok=True)
    done, missing = plan(cells, data_sets, options.work)
    began = time.monotonic()
    os.environ["BRAINLENS_CORES"] = "1"  # of each process: its threads would wait for the others'
    with ProcessPoolExecutor(options.processes, mp_context=get_context("spawn")) as pool:
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
    rows = [row for cell in cells for row in summary(cell, collected(done[cell.name][1]))]
    print(documented(rows))
    seconds = sum(chunk["seconds"] for _, known in done.values() for chunk in known.values())
    if not (options.quick or options.only):
        told = {"data_sets": data_sets, "cpu_seconds": round(seconds), "chunk": CHUNK,
                "cells": {cell.name: cell.sizes for cell in cells}, "rows": rows}  # fmt: skip
        options.out.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    if options.docs:
        write_docs(rows)
    print(f"{seconds:.0f} CPU seconds in all", file=sys.stderr)
    return 0


MARKS = ("<!-- coverage: begin -->", "<!-- coverage: end -->")


def write_docs(rows: list[dict]) -> None:
    """Put the table between its marks in docs/method.md."""
    path = Path(__file__).resolve().parents[1] / "docs" / "method.md"
    head, _, rest = path.read_text(encoding="utf-8").partition(MARKS[0])
    _, _, tail = rest.partition(MARKS[1])
    path.write_text(f"{head}{MARKS[0]}\n\n{documented(rows)}\n\n{MARKS[1]}{tail}", encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(main())
