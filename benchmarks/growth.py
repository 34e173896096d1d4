"""How the time of scoring grows with targets, layers, rows, features and folds, one at a time, as a figure with slopes.

``python -m benchmarks.growth`` (about ten minutes on two quiet cores, ``--quick`` a minute) measures processor seconds, which
neighbours disturb least, at the size of Pereira's sentences with 4,000 targets. A slope is the power of growth in the upper half
of a range: 1 is twice the time for twice the size. Writes ``results/growth.json`` and ``docs/images/growth.png``.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from analysis.mapping.fit import cross_validate
from benchmarks.common import machine, table, write

FIGURE = Path(__file__).resolve().parents[1] / "docs" / "images" / "growth.png"
ALPHAS = np.logspace(-3, 6, 17)
CRITERIA = {"logo": "groups left out", "loo": "rows left out", "gcv": "GCV"}
GROUPS = 24


@dataclass(frozen=True)
class Size:
    """One problem: stimuli, units of a layer, targets, layers, outer folds."""

    rows: int = 384
    features: int = 768
    targets: int = 4000
    layers: int = 1
    folds: int = 5


AXES = {
    "targets": (500, 1000, 2000, 4000, 8000, 16000),
    "layers": (1, 2, 4, 8),
    "rows": (96, 192, 384, 768, 1536),
    "features": (192, 384, 768, 1536, 3072),
    "folds": (3, 6, 12, 24),
}


def seconds(size: Size, criterion: str, repeats: int) -> float:
    """Processor seconds of all layers of one problem, the least of some repeats."""
    rng = np.random.default_rng(0)
    shared = rng.standard_normal((size.rows, 40))
    layers = [
        (
            shared @ rng.standard_normal((40, size.features))
            + rng.standard_normal((size.rows, size.features))
        ).astype(np.float32)
        for _ in range(size.layers)
    ]
    y = (
        shared @ rng.standard_normal((40, size.targets))
        + 20 * rng.standard_normal((size.rows, size.targets))
    ).astype(np.float32)
    groups = np.arange(size.rows) * GROUPS // size.rows
    parts = np.array_split(np.arange(GROUPS), size.folds)
    folds = [
        (np.flatnonzero(~np.isin(groups, part)), np.flatnonzero(np.isin(groups, part)))
        for part in parts
    ]
    inner = [
        [
            (train[groups[train] != one], train[groups[train] == one])
            for one in np.unique(groups[train])
        ]
        for train, _ in folds
    ]
    found = []
    for _ in range(repeats):
        began = time.process_time()
        for x in layers:
            cross_validate(
                x,
                y,
                folds,
                alphas=ALPHAS,
                criterion=criterion,
                inner_folds=inner if criterion == "logo" else None,
                standardize=True,
            )
        found.append(time.process_time() - began)
    return min(found)


def slope(sizes: list[int], took: list[float]) -> float:
    """The power of growth over the upper half of the range."""
    half = len(sizes) // 2
    return float(np.polyfit(np.log(sizes[half - 1 :]), np.log(took[half - 1 :]), 1)[0])


def draw(found: dict) -> None:
    """A panel for each axis, both scales logarithmic, the slope beside each line."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib.figure import Figure

    sheet = Figure(figsize=(12, 2.9), layout="constrained")
    panels = sheet.subplots(1, len(found), sharey=True)
    for panel, (axis, lines) in zip(panels, found.items(), strict=True):
        for number, (criterion, line) in enumerate(lines.items()):
            colour = ("#0072b2", "#d55e00", "#009e73")[number]
            panel.loglog(
                line["sizes"],
                line["seconds"],
                "o-",
                color=colour,
                ms=4,
                lw=1.3,
                label=CRITERIA[criterion],
            )
            panel.annotate(
                f"{line['slope']:.2f}", (line["sizes"][-1], line["seconds"][-1]), (4, 0), textcoords="offset points",
                fontsize=8, color=colour, va="center", annotation_clip=False,
            )  # fmt: skip
        panel.set_xticks(
            line["sizes"], [f"{one:,}" for one in line["sizes"]], rotation=45, fontsize=8
        )
        panel.minorticks_off()
        panel.set_title(axis, fontsize=10)
        panel.spines[["top", "right"]].set_visible(False)
        panel.grid(alpha=0.25)
    panels[0].set_ylabel("Processor seconds")
    panels[0].legend(fontsize=8, frameon=False)
    sheet.savefig(FIGURE, dpi=150)


def main() -> int:
    """Measure, print, draw, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="the lower half of each range, once")
    chosen = parser.parse_args()
    found: dict[str, dict] = {}
    with threadpool_limits(1, user_api="blas"):
        seconds(Size(targets=500), "gcv", 1)  # warm
        for axis, sizes in AXES.items():
            kept = list(sizes[: max(2, len(sizes) // 2)] if chosen.quick else sizes)
            for criterion in CRITERIA:
                took = [
                    seconds(Size(**{axis: one}), criterion, 1 if chosen.quick else 2)
                    for one in kept
                ]
                found.setdefault(axis, {})[criterion] = {
                    "sizes": kept,
                    "seconds": [round(one, 3) for one in took],
                    "slope": round(slope(kept, took), 2),
                }
                print(axis, criterion, found[axis][criterion], flush=True)
    print(
        table(
            [
                {"axis": axis, **{CRITERIA[name]: one["slope"] for name, one in lines.items()}}
                for axis, lines in found.items()
            ]
        )
    )
    if not chosen.quick:
        draw(found)
        print(
            f"Wrote {write('growth', {'base': vars(Size()), 'axes': found, 'machine': machine()})} and {FIGURE}"
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
