"""The store: one layer of a large model read back, against a bare .npy file.

Run with ``python -m benchmarks.store``; writes ``benchmarks/results/store.json``.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from analysis.store.store import Store
from benchmarks.common import interleaved, machine, median, write
from data.files import unseal

LAYERS, STIMULI, WIDTH = 49, 1317, 1600
BARS = {"times a raw npy read": 5.0, "milliseconds": 15.0}


def measure(repeats: int) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        rng = np.random.default_rng(0)
        entry = Store(Path(folder) / "cache", readers=[]).activations("k")
        entry.create(
            [f"s{i}" for i in range(STIMULI)], [WIDTH] * LAYERS, {"model": "gpt2-xl shape"}
        )
        began = time.perf_counter()
        for layer in range(LAYERS):
            values = rng.standard_normal((STIMULI, WIDTH), dtype=np.float32)
            entry.write(layer, values)
            np.save(Path(folder) / f"{layer}.npy", values)
        written = time.perf_counter() - began
        assert np.array_equal(entry.layer(3), np.load(Path(folder) / "3.npy"))
        order = iter(
            layer for layer in range(10**6) for _ in range(2)
        )  # another layer each round, the same one for both
        sides = {
            "ours": lambda: entry.layer(next(order) * 7 % LAYERS),
            "raw": lambda: np.load(Path(folder) / f"{next(order) * 7 % LAYERS}.npy"),
        }
        times = interleaved(sides, repeats)
        path = entry.folder / "layers" / "0.npy"
        seals = interleaved(
            {"read": lambda: path.read_bytes(), "unseal": lambda: unseal(path)}, repeats
        )
        began = time.perf_counter()
        assert len(entry.complete()) == LAYERS
        complete = time.perf_counter() - began
    ms, bare = 1e3 * median(times["ours"]), 1e3 * median(times["raw"])
    return {
        "what": f"one layer of {LAYERS} x {STIMULI} x {WIDTH} float32",
        "milliseconds": ms,
        "raw_npy_milliseconds": bare,
        "ratio": ms / bare,
        "which_layers_milliseconds": 1e3 * complete,
        "checksum_milliseconds": 1e3 * (median(seals["unseal"]) - median(seals["read"])),
        "write_all_seconds": written,
        "bars": BARS,
        "repeats": repeats,
        "passed": ms / bare < BARS["times a raw npy read"] or ms < BARS["milliseconds"],
        "machine": machine(),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=41)
    result = measure(parser.parse_args().repeats)
    write("store", result)
    ours, raw = result["milliseconds"], result["raw_npy_milliseconds"]
    print(f"one layer: {ours:.1f} ms, {ours / raw:.1f} times the {raw:.1f} ms of raw npy", end=" ")
    print(f"of it the checksum {result['checksum_milliseconds']:.1f} ms", end=" ")
    print(f"(bar: {BARS['times a raw npy read']:g} times or {BARS['milliseconds']:g} ms)")
    return 0 if result["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())
