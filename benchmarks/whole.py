"""A whole score at the paper's size, stage by stage: when is what on the screen?

``python -m benchmarks.whole`` (13 layers of 768 units on 384 x 12,155, five people, one fold seed) takes some
minutes on two quiet cores; ``--size xl`` has gpt2-xl's 49 layers of 1,600; ``--quick`` is a smoke test.
"""

from __future__ import annotations

import argparse
import tempfile
import time

import numpy as np
import pandas as pd
import xarray as xr

from analysis.features.activations import Activations
from analysis.models.base import Card
from analysis.progress import Report
from analysis.protocol import preset
from analysis.scoring.verb import score
from analysis.store.store import Store
from benchmarks.common import machine, table, write
from data.recording import Recording

SIZES = {
    "paper": {"n": 384, "p": 768, "v": 12_155, "layers": 13},
    "xl": {"n": 384, "p": 1600, "v": 12_155, "layers": 49},
    "quick": {"n": 120, "p": 96, "v": 3_000, "layers": 3},
}
BARS = {
    "paper": {"first preview": 2, "whole preview": 8, "layers and intervals": 35, "everything": 80},
    "xl": {"everything": 300},
    "quick": {},
}


class Layers:
    """Features of a made-up model: a shared signal that is strongest in the middle layers."""

    def __init__(self, n: int, p: int, layers: int, groups: np.ndarray):
        rng = np.random.default_rng(0)
        latent = (
            rng.standard_normal((n, 40)) + 0.7 * rng.standard_normal((groups.max() + 1, 40))[groups]
        )
        self.latent, self.values = latent, []
        for number in range(layers):
            share = 1 - abs(number / max(layers - 1, 1) - 0.6)
            x = share * latent @ rng.standard_normal((40, p)) * np.linspace(1, 0.05, p)
            x += rng.standard_normal((n, p)) * np.logspace(0, -1.5, p)
            self.values.append(x.astype(np.float32))

    def layer(self, number: int) -> np.ndarray:
        return self.values[number]


def made(n: int, p: int, v: int, layers: int, people: int = 5) -> tuple[Activations, Recording]:
    """Ready activations and responses of their size: 24 groups of stimuli, five people."""
    groups = np.arange(n) * 24 // n
    source = Layers(n, p, layers, groups)
    rng = np.random.default_rng(1)
    y = source.latent @ rng.standard_normal((40, v)) * rng.uniform(0, 0.5, v)
    y += 3 * rng.standard_normal((n, v))
    ids = [f"s{i}" for i in range(n)]
    recording = Recording(
        id=f"made-{n}x{v}",
        responses=xr.DataArray(
            y.astype(np.float32),
            dims=("stimulus", "target"),
            coords={
                "stimulus": ids,
                "target": np.arange(v),
                "subject": ("target", [f"p{i * people // v}" for i in range(v)]),
            },
        ),
        stimuli=pd.DataFrame(
            {"text": [f"sentence number {i}" for i in range(n)], "passage": groups}, index=ids
        ),
        group="passage",
        context="passage",
    )
    card = Card(
        id="made", cls="activations", family="made", layers=layers - 1, width=p, parameters=0
    )
    return (
        Activations(
            card,
            id="made",
            fingerprint=f"{n}-{p}-{layers}",
            tokenizer_hash="",
            widths=[p] * layers,
            layers=list(range(layers)),
            key="made",
            fresh=False,
            source=source,
        ),
        recording,
    )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=SIZES, default="paper")
    parser.add_argument("--quick", action="store_true", help="the smallest size")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--set", nargs="*", default=[], metavar="FIELD=VALUE")
    chosen = parser.parse_args(arguments)
    size = "quick" if chosen.quick else chosen.size
    activations, recording = made(**SIZES[size])
    protocol = preset("defended").but(
        seeds=chosen.seeds, **dict(one.split("=", 1) for one in chosen.set)
    )
    seen: dict[str, tuple[float, float]] = {}
    layers, stage = SIZES[size]["layers"], {"now": ""}
    began, cpu = time.perf_counter(), time.process_time()

    def mark(name: str) -> None:
        seen.setdefault(name, (time.perf_counter() - began, time.process_time() - cpu))

    def partial(found) -> None:
        notes = [str(note) for note in found.dataset.note.values]
        previews = sum(note.startswith("preview") for note in notes)
        if previews:
            mark("first preview")
        if previews == layers:
            mark("whole preview")
        if len(notes) == layers and not previews:
            mark("layers and intervals")

    def step(done: int, total: int, what: str, left) -> None:
        if what not in (stage["now"], "scoring", "bootstrap"):
            now = time.perf_counter() - began
            print(f"{now:8.1f} s  {what}", flush=True)
            stage["now"] = what

    with tempfile.TemporaryDirectory() as folder:
        found = score(
            activations, recording, protocol, store=Store(folder), report=Report(step, partial)
        )
    mark("everything")
    rows = [
        {
            "what": name,
            "seconds": round(wall, 1),
            "processor seconds": round(processor, 1),
            "bar": BARS[size].get(name) if chosen.seeds == 1 else None,
        }
        for name, (wall, processor) in seen.items()
    ]
    path = write(
        f"whole-{size}",
        {
            "size": SIZES[size],
            "seeds": chosen.seeds,
            "protocol": protocol.changes(),
            "machine": machine(),
            "value": found.value,
            "rows": rows,
        },
    )
    print(table([{k: str(v) for k, v in row.items()} for row in rows]), f"\n{path}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
