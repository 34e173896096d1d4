"""What intervals of regions and their shares of the ceiling, of differences by item, and of similarities cover."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from types import SimpleNamespace

import numpy as np
import pandas as pd

__all__ = ["cells", "compared_items", "region_intervals", "similarities"]


def _people(rng, signal: np.ndarray, strength: np.ndarray) -> np.ndarray:
    """Responses of everybody side by side: the signal with a person's strength, and noise of their own."""
    return np.hstack(
        [r * signal + np.sqrt(1 - r**2) * rng.standard_normal(signal.shape) for r in strength]
    )


def region_intervals(design, seeds, *, people, r, groups, length, targets, layers, width):
    """A region of some targets beside another one, in the same people throughout: its r and its share of the ceiling."""
    from analysis.answers.groups import grouped
    from analysis.ceiling.kinds import ceiling
    from benchmarks.simulated import defended, population, recorded, scored

    rng = np.random.default_rng(design)
    features = [rng.standard_normal((groups * length, width)) for _ in range(layers)]
    signal = features[layers // 2] @ population(7, width, targets)
    strength = np.clip(r + 0.08 * np.random.default_rng(13).standard_normal(people), 0, 0.95)
    recordings = [
        recorded(
            _people(np.random.default_rng(seed), signal, strength),
            np.repeat(np.arange(people), targets),
            length,
        )
        for seed in seeds
    ]
    region = ("target", np.where(np.tile(np.arange(targets), people) % 2, "B", "A"))
    protocol, outcomes = defended(), []
    for recording, score in zip(recordings, scored(features, recordings, protocol), strict=True):
        bound = ceiling(recording, protocol, beside=False)
        told = replace(score, dataset=score.dataset.assign_coords(region=region), ceiling=bound)
        first = grouped([told], "region").frame.drop_duplicates("group").set_index("group").loc["A"]
        names = ("score", "score_low", "score_high")
        shares = ("score_share", "score_share_low", "score_share_high")
        outcomes.append(
            {
                "a region": tuple(first[name] for name in names),
                "share of a region": tuple(first[name] for name in shares),
            }
        )
    return outcomes


def compared_items(design, seeds, *, people, r, groups, length, targets, width, spread):
    """Two models with one half of the signal each: as good as each other in the population, better or worse in each person."""
    from analysis.answers.items import items
    from analysis.mapping.splits import make_folds
    from analysis.progress import SILENT
    from analysis.scoring.per_stimulus import Items, _by_person, _each
    from benchmarks.simulated import defended, population, recorded

    rng = np.random.default_rng(design)
    n, who = groups * length, max(people, 1)
    both = [rng.standard_normal((n, width)) for _ in range(2)]
    halves = [x @ population(7 + i, width, targets) for i, x in enumerate(both)]
    about = pd.DataFrame(
        {
            "item": [str(i) for i in range(n)],
            "text": [f"sentence {i}" for i in range(n)],
            "length": rng.integers(4, 20, n),
            "frequency": rng.normal(5, 1, n),
            "position": np.tile(np.arange(1, length + 1), groups),
        }
    )
    labels = (np.arange(n) // length).astype(str)
    protocol, outcomes = defended(seeds=1), []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        tilt = spread * rng.standard_normal(who) if people > 1 else np.zeros(who)
        parts = [
            (np.cos(np.pi / 4 + t) * halves[0] + np.sin(np.pi / 4 + t) * halves[1]) for t in tilt
        ]
        y = np.hstack([_people(rng, signal, np.array([r])) for signal in parts])
        recording = recorded(y, np.repeat(np.arange(who), targets) if people else None, length)
        made = make_folds(recording, protocol)
        folds = sum(len(part.folds) for part in made)
        found = []
        for number, x in enumerate(both):
            held = SimpleNamespace(layer=lambda _, x=x: x)
            values = _by_person(
                _each(held, [0] * folds, recording, protocol, made, SILENT), recording
            )
            names = tuple(map(str, range(who))) if people else ("all",)
            found.append(Items(f"model {number}", "simulated", values, names, (0,), "", folds))
        facts = items(*found, about, (labels, labels)).facts
        whole, trends = facts["overall"], facts["trends"]
        outcomes.append(
            {
                "difference by item": (whole["difference"], whole["low"], whole["high"]),
                "a trend is shown": float(((trends["low"] > 0) | (trends["high"] < 0)).any()),
            }
        )
    return outcomes


def similarities(design, seeds, *, people, r, groups, length, targets, width, spread):
    """Every measure of similarity with responses of people who differ in the strength of their signal."""
    from analysis.mapping.splits import make_folds
    from analysis.progress import SILENT
    from analysis.protocol import SIMILARITIES
    from analysis.scoring.geometry import fit_geometry
    from benchmarks.simulated import defended, population, recorded

    rng = np.random.default_rng(design)
    n, who = groups * length, max(people, 1)
    x = rng.standard_normal((n, width))
    signal = x @ population(7, width, targets)
    outcomes = []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        apart = spread if people > 1 else 0.0
        strength = np.clip(r + apart * rng.standard_normal(who), 0, 0.95) if r else np.zeros(who)
        y = _people(rng, signal, strength)
        recording = recorded(y, np.repeat(np.arange(who), targets) if people else None, length)
        found = {}
        for method in SIMILARITIES:
            protocol = defended(seeds=1, method=method, layer="last")
            parts = make_folds(recording, protocol)
            fit = fit_geometry(x, recording, protocol, parts, SILENT, draws=True)
            low, high = np.percentile(fit.draws_r.values, [2.5, 97.5])
            found[method] = (float(fit.r.mean()), float(low), float(high))
            found[f"{method}, above 0"] = float(low > 0)
        outcomes.append(found)
    return outcomes


def cells() -> Iterator[tuple]:
    """Arguments of the grid's cells."""
    from analysis.protocol import SIMILARITIES

    for people in (4, 10):
        yield (
            f"regions, {people} people, r 0.5",
            region_intervals,
            dict(people=people, r=0.5, groups=32, length=4, targets=4, layers=6, width=12),
            {"a region": 0.95, "share of a region": 0.95},
            {},
            True,
        )
    for people in (0, 6, 2, 3):
        yield (
            f"items of equal models, {f'{people} people' if people else 'averaged'}",
            compared_items,
            dict(people=people, r=0.6, groups=32, length=4, targets=3, width=12, spread=0.15),
            {"difference by item": 0.95, "a trend is shown": 0.05},
            {"difference by item": 0.0},
            True,
        )
    for people, r in product((0, 2, 3, 6), (0.6, 0.0)):
        nothing = {} if r else {f"{method}, above 0": 0.025 for method in SIMILARITIES}
        yield (
            f"similarity, {f'{people} people' if people else 'averaged'}, r {r:g}",
            similarities,
            dict(people=people, r=r, groups=32, length=4, targets=6, width=12, spread=0.08),
            dict.fromkeys(SIMILARITIES, 0.95) | nothing,
            {} if r else dict.fromkeys(SIMILARITIES, 0.0),
            True,
        )
