"""The grammar of marks, drawn: ``python -m tools.marks`` makes ``docs/images/marks.png`` from two invented figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from dashboards.figures.spec import FigureSpec, Mark, Rule

PLACE = Path(__file__).parent.parent / "docs" / "images" / "marks.png"


def models() -> FigureSpec:
    """Trained and untrained models, people, a control and the ceiling."""
    rng = np.random.default_rng(0)
    depth = np.linspace(0, 1, 7)
    rows, people = [], []
    for model, top in (("gpt2", 0.40), ("gpt2-xl", 0.46), ("gpt2@untrained:init:0", 0.24)):
        r = top - 0.35 * (depth - 0.65) ** 2
        rows.append(pd.DataFrame({"model": model, "depth": depth, "r": r, "low": r - 0.02, "high": r + 0.02,
                                  "chosen": np.arange(7) == 4}))  # fmt: skip
    for value in 0.44 + 0.05 * rng.standard_normal(8):
        people.append({"model": "gpt2-xl", "depth": depth[4], "r": value})
    frame = pd.concat(rows, ignore_index=True)
    best = frame[frame["model"] == "gpt2-xl"]
    marks = (
        Mark("line", best.assign(r=best["r"] + 0.03), "depth", "r", colour="model", dashed=True, name="shuffled folds"),
        Mark("line", frame, "depth", "r", "low", "high", colour="model"),
        Mark("points", pd.DataFrame(people), "depth", "r", muted=True, name="people"),
        Mark("points", best[best["chosen"]], "depth", "r", colour="model", ringed=True, name="layer chosen"),
    )  # fmt: skip
    rules = (Rule("y", 0.52, "ceiling"), Rule("y", 0.18, "length and position"))
    return FigureSpec("Models", marks, "Relative depth", "Pearson r, held out", rules)


def checkpoints() -> FigureSpec:
    """A ramp from the first step to the last."""
    rows = []
    for place, step in enumerate((0, 64, 512, 4_000, 32_000, 143_000)):
        for layer in range(7):
            r = 0.1 + 0.055 * place - 0.006 * (layer - 4) ** 2
            rows.append({"trained": f"step {step:,}", "layer": layer, "r": r})
    mark = Mark("line", pd.DataFrame(rows), "layer", "r", colour="trained")
    return FigureSpec(
        "Checkpoints", (mark,), "Layer (0 embedding)", "Pearson r, held out", whole_x=True
    )


def main() -> None:
    """Write the picture."""
    from dashboards.figures.paper import render

    PLACE.write_bytes(
        render([models(), checkpoints()], width_mm=174, height_mm=70, format="png", dpi=150)
    )


if __name__ == "__main__":
    main()
