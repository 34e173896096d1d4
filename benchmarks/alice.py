"""What models come to on the real story: the rows of the table in docs/stories.md.

``python -m benchmarks.alice`` (with ``alice2016`` and the models on this machine; about two minutes of a core for SmolLM2) writes
``benchmarks/results/alice.json``, which the documents are held against by a test.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from benchmarks.common import machine, write

__all__ = ["MODELS", "main", "quick", "row"]

MODELS = ("smollm2-135m", "glove-50d")


def quick():
    """The preset of stories with one fold seed: its contiguous blocks are the same under every seed."""
    from analysis import preset

    return preset("story").but(seeds=1, shuffled_twin=False, unique=False, controls=())


def row(model: str, store) -> dict:
    """r with its interval over all regions, and of each region with the layer chosen for it."""
    from analysis import score
    from analysis.answers.regions import regions
    from data.catalog.catalog import recording
    from data.readers.alice import REGIONS

    alice = recording("alice2016")
    found = score(model, alice, quick(), store=store)
    frame = regions([found], recording=alice).frame.set_index("region").loc[list(REGIONS)]
    cells = {"all regions": [found.value, found.low, found.high]}
    cells |= {name: frame.loc[name, ["r", "r_low", "r_high"]].tolist() for name in REGIONS}
    return {name: [round(float(one), 4) for one in three] for name, three in cells.items()}


def main(arguments: list[str] | None = None) -> dict:
    """Score the models and keep their rows."""
    from analysis.store.store import Store

    parser = argparse.ArgumentParser(prog="python -m benchmarks.alice", description=__doc__)
    parser.add_argument("models", nargs="*", default=list(MODELS))
    chosen = parser.parse_args(arguments)
    rows, seconds = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for model in chosen.models:
            began = time.process_time()
            rows[model] = row(model, Store(Path(folder)))
            seconds[model] = round(time.process_time() - began, 1)
            print(model, rows[model], f"{seconds[model]} s of processor", flush=True)
    result = {"rows": rows, "processor_seconds": seconds, "machine": machine()}
    print(write("alice", result))
    return result


if __name__ == "__main__":
    main()
