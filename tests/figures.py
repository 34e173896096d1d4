"""Figures as the lenses make them, for the tests of everything that draws or exports one."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dashboards.figures.spec import FigureSpec, Mark, Rule


def layers_spec(
    models=("gpt2", "smollm2-135m", "gpt2@untrained:init:0"),
    stamp: str = "simulated data",
    **fields,
) -> FigureSpec:
    rng = np.random.default_rng(0)
    rows = []
    for i, model in enumerate(models):
        for layer in range(7):
            r = 0.4 - 0.1 * i - 0.01 * (layer - 4) ** 2 + rng.normal(0, 0.004)
            rows.append({"model": model, "layer": layer, "depth": layer / 6, "r": r, "low": r - 0.03, "high": r + 0.03,
                         "twin": r + 0.05, "chosen": layer == 4})  # fmt: skip
    frame = pd.DataFrame(rows)
    marks = (
        Mark(
            "line",
            frame,
            "depth",
            "r",
            "low",
            "high",
            colour="model",
            hover=("model", "layer", "r"),
        ),
        Mark("line", frame, "depth", "twin", colour="model", name="shuffled folds", dashed=True),
        Mark(
            "points",
            frame[frame.chosen],
            "depth",
            "r",
            colour="model",
            name="chosen layer",
            ringed=True,
        ),
    )
    rules = (Rule("y", 0.55, "ceiling .55", 0.5, 0.6), Rule("y", 0.3, "length and position"))
    said = {"answer": "gpt2's layer 4 of 6 predicts.", "caption": "Held out by topic."}
    given = (
        {"x_title": "Relative depth", "y_title": "Pearson r, held out", "rules": rules}
        | said
        | fields
    )
    return FigureSpec("Where in the model is the brain predicted?", marks, stamp=stamp, **given)


def task_spec(label: str | None = "model", **fields) -> FigureSpec:
    from analysis.answers.task import task

    answer = task()
    marks = (
        Mark("line", answer.fit, "x", "y", "low", "high", name="fit, 95 %"),
        Mark(
            "points", answer.frame, "x", "y", colour="model", label=label, hover=("model", "x", "y")
        ),
    )
    title = "Does better next-word prediction mean a better brain score?"
    return FigureSpec(
        title, marks, answer=answer.sentence, caption=answer.caption, **(answer.axes | fields)
    )


def facet_spec(**fields) -> FigureSpec:
    from analysis.answers.task import published
    from data.readers.published import BENCHMARKS

    table = published()[["model", "perplexity", *BENCHMARKS]].melt(
        ["model", "perplexity"], var_name="benchmark", value_name="score"
    )
    given = {
        "x_title": "Perplexity",
        "y_title": "Score",
        "log_x": True,
        "invert_x": True,
        "facet": "benchmark",
        "flag_above": 1.0,
    } | fields
    return FigureSpec(
        "Four recordings", (Mark("points", table, "perplexity", "score", colour="model"),), **given
    )


def bars_spec(**fields) -> FigureSpec:
    rows = [
        (m, c, r)
        for m, r in (("glove", 0.26), ("gpt2", 0.54))
        for c, r in (("held out by topic", r), ("shuffled", r + 0.06))
    ]
    frame = pd.DataFrame(rows, columns=["model", "folds", "r"]).assign(
        low=lambda d: d.r - 0.03, high=lambda d: d.r + 0.03
    )
    return FigureSpec(
        "The leak meter",
        (Mark("bars", frame, "model", "r", "low", "high", colour="folds"),),
        y_title="Pearson r",
        **fields,
    )


def histogram_spec(**fields) -> FigureSpec:
    frame = pd.DataFrame(
        {"r": np.random.default_rng(0).normal(0.2, 0.1, 400), "subject": ["s1", "s2"] * 200}
    )
    return FigureSpec(
        "Targets",
        (Mark("histogram", frame, "r", "r", colour="subject"),),
        rules=(Rule("x", 0.0, "chance"),),
        **fields,
    )


def untrained_spec(**fields) -> FigureSpec:
    from analysis.answers.untrained import untrained

    answer = untrained()
    marks = (Mark("points", answer.frame, "untrained", "trained", colour="model", label="model"),)
    return FigureSpec(
        "Before training",
        marks,
        rules=(Rule("xy"),),
        answer=answer.sentence,
        caption=answer.caption,
        **(answer.axes | fields),
    )


SPECS = {
    "layers": layers_spec,
    "task": task_spec,
    "facets": facet_spec,
    "bars": bars_spec,
    "histogram": histogram_spec,
    "untrained": untrained_spec,
}


def make_spec(kind: str, *args, **fields) -> FigureSpec:
    """One of :data:`SPECS`, with some fields of the figure changed."""
    return SPECS[kind](*args, **fields)
