"""One person of a size like LeBel's: samples x voxels of a story through folds, filters and the ridge; memory and time.

``python -m benchmarks.story`` writes ``benchmarks/results/story.json``; of another size ``story-SAMPLESxVOXELS.json``.
"""

from __future__ import annotations

import argparse
import json
import resource
import time

import numpy as np
import pandas as pd
import xarray as xr
from threadpoolctl import threadpool_limits

from benchmarks.common import machine, median, write
from data.mapped import room_for
from data.presentation import Presentation, sample_table
from data.recording import Recording

__all__ = ["BAR_GB", "main", "person"]

BAR_GB = 6.0
"""Gigabytes that a whole cortex of a story may take (80,000 voxels)."""
WIDE = 2000
"""Targets of the block whose products are measured."""
FULL = {"samples": 9000, "voxels": 20_000}


def person(
    samples: int, voxels: int, runs: int = 30, seed: int = 0, units: int = 100
) -> tuple[Recording, np.ndarray]:
    """A recording of noise in single precision, and features of its words (n_words, units)."""
    rng = np.random.default_rng(seed)
    each = samples // runs
    words = pd.concat(
        [
            pd.DataFrame({"run": f"run{i}", "onset": np.arange(0, 2.0 * each - 1, 0.5)}).assign(
                offset=lambda t: t["onset"] + 0.3, text="word"
            )
            for i in range(runs)
        ],
        ignore_index=True,
    )
    presentation = Presentation(words, 2.0)
    table = sample_table(presentation, {f"run{i}": each for i in range(runs)})
    values = room_for((len(table), voxels))
    for row in values:
        row[:] = rng.standard_normal(voxels, dtype=np.float32)
    responses = xr.DataArray(
        values,
        dims=("stimulus", "target"),
        coords={
            "stimulus": table.index.to_numpy(),
            "target": np.array([f"v{i}" for i in range(voxels)], object),
        },
    )
    made = Recording(
        "large-story",
        responses,
        table,
        scored_unit="tr",
        context="run",
        group="run",
        presentation=presentation,
    )
    return made, rng.standard_normal((len(words), units))


def shapes_of(train: int, held: int, features: int) -> list[tuple[int, int, int]]:
    """Products of one block of targets in one fold that no choice of the penalty spares: projection, and predictions by row."""
    return [(WIDE, train, features), (WIDE, features, 2 * held)]


def chosen_by(train: int, features: int, groups: int, penalties: int) -> list[tuple[int, int, int]]:
    """Those of choosing the penalty by left-out groups (:mod:`analysis.mapping.wide_groups`)."""
    side = features + 1
    forms = [(WIDE, side + features, penalties * side)] * groups
    return [(WIDE, features, train), (WIDE, train, side), *forms]


def products(shapes: list[tuple[int, int, int]], times: int) -> float:
    """Processor seconds that ``times`` rounds of float32 products (m, k) @ (k, n) take on one core, nothing else done."""
    rng, total = np.random.default_rng(0), 0.0
    for m, k, n in shapes:
        left, right = (rng.standard_normal(one, dtype=np.float32) for one in ((m, k), (k, n)))
        out, seconds = np.empty((m, n), np.float32), []
        with threadpool_limits(1, user_api="blas"):
            for _ in range(4):
                began = time.process_time()
                np.matmul(left, right, out=out)
                seconds.append(time.process_time() - began)
        total += median(seconds[1:])
    return times * total


def main(arguments: list[str] | None = None) -> dict:
    """Fit one layer with four delays on all folds, keep seconds and the peak of memory, and print them."""
    from analysis.mapping.splits import make_folds
    from analysis.progress import SILENT
    from analysis.protocol import preset
    from analysis.scoring.folds import fit_parts
    from analysis.scoring.in_time import followed

    parser = argparse.ArgumentParser(prog="python -m benchmarks.story", description=__doc__)
    parser.add_argument("--samples", type=int, default=FULL["samples"])
    parser.add_argument("--voxels", type=int, default=FULL["voxels"])
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--units", type=int, default=100)
    parser.add_argument("--criterion", choices=("gcv", "logo"), default="logo")
    options = parser.parse_args(arguments)
    began, started = time.perf_counter(), time.process_time()
    recording, words = person(options.samples, options.voxels, units=options.units)
    protocol = preset("story").but(
        folds=options.folds,
        seeds=1,
        bootstrap=100,
        alphas=tuple(10.0**k for k in range(0, 7, 2)),
        criterion=options.criterion,
    )
    made = time.perf_counter() - began
    parts = make_folds(recording, next(iter(protocol.each_seed())))
    fit = fit_parts(
        followed(words, recording, protocol),
        recording,
        protocol,
        parts,
        SILENT,
        draws=True,
        choosing=options.criterion == "logo",
    )
    seconds = time.perf_counter() - began - made
    worked = time.process_time() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    features = 4 * options.units
    train, held = parts[0].folds[0]
    ends = shapes_of(len(train), len(held), features)
    choice = [] if options.criterion != "logo" else chosen_by(
        len(train), features, len(parts[0].inner[0]), len(protocol.alphas)
    )  # fmt: skip
    blocks = fit.sizes["fold"] * -(-recording.n_targets // WIDE)
    alone, every = products(ends, blocks), products([*ends, *choice], blocks)
    result = {
        "samples": recording.n_stimuli,
        "targets": recording.n_targets,
        "features": features,
        "folds": fit.sizes["fold"],
        "criterion": options.criterion,
        "penalties": len(protocol.alphas),
        "seconds_made": round(made, 1),
        "seconds": round(seconds, 1),
        "processor_seconds": round(worked, 1),
        "seconds_a_fold": round(seconds / fit.sizes["fold"], 1),
        "processor_seconds_of_projection_and_prediction": round(alone, 1),
        "processor_seconds_of_all_its_products": round(every, 1),
        "times_its_products": round(worked / every, 2),
        "peak_gb": round(peak, 2),
        "responses_gb": round(recording.responses.nbytes / 1e9, 2),
        "bar_gb": BAR_GB,
        "holds": bool(peak <= BAR_GB),
        "mean_r": round(float(np.nanmean(fit.r.values)), 4),
        "machine": machine(),
    }
    whole = (options.samples, options.voxels) == tuple(FULL.values())
    path = write("story" if whole else f"story-{options.samples}x{options.voxels}", result)
    print(json.dumps(result, indent=1))
    print(path)
    return result


if __name__ == "__main__":
    main()
