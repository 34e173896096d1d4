"""Figures as the lenses make them, for the tests of everything that draws or exports one."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pandas as pd

from dashboards.figures import paper
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


def checkpoints_spec(trainings=("zoo-causal-400k", "pythia-70m"), **fields) -> FigureSpec:
    """Checkpoints of trainings beside a finished model and an untrained copy."""
    rows = [
        {"model": f"{model}-step{step}", "depth": layer / 5, "r": 0.1 * i + 0.05 * place + 0.1 - 0.01 * (layer - 3) ** 2}
        for i, model in enumerate(trainings)
        for place, step in enumerate((0, 64, 512, 4000, 32000))
        for layer in range(6)
    ]  # fmt: skip
    for model, r in (("zoo-causal-400k", 0.5), ("zoo-causal-400k@untrained:init:0", 0.04)):
        rows += [{"model": model, "depth": layer / 5, "r": r} for layer in range(6)]
    mark = Mark("line", pd.DataFrame(rows), "depth", "r", colour="model")
    rules = (Rule("y", 0.0), Rule("y", 0.6, "ceiling .60"))
    return FigureSpec("When does it emerge?", (mark,), "Depth", "Pearson r", rules, **fields)


def steps_spec(steps=tuple(range(0, 143_001, 1000)), **fields) -> FigureSpec:
    rows = [
        {"trained": f"step {step:,}", "layer": layer, "r": 0.002 * place + 0.01 * layer}
        for place, step in enumerate(steps)
        for layer in range(5)
    ]
    mark = Mark("line", pd.DataFrame(rows), "layer", "r", colour="trained")
    return FigureSpec("Layers", (mark,), "Layer", "Pearson r", whole_x=True, **fields)


LONG = ("zoo-causal-200k", "random-64", "zoo-causal-200k@untrained:init:0", "zoo-causal-400k-step0")


def people_spec(names=LONG, **fields) -> FigureSpec:
    """Long names on a categorical axis, with a dot for each person."""
    frame = pd.DataFrame(
        [{"predictor": name, "r": 0.1 * i + 0.01 * j} for i, name in enumerate(names) for j in range(4)]
    )  # fmt: skip
    mark = Mark("points", frame, "predictor", "r", colour="predictor", muted=True)
    return FigureSpec(
        "People", (mark,), "", "Pearson r of a person, held out", (Rule("y", 0.0),), stamp="simulated data", **fields
    )  # fmt: skip


def families_spec(**fields) -> FigureSpec:
    """Many short words below an axis, which have to be slanted."""
    names = "all gpt ETM word2vec glove xlm xlm-r roberta ctrl xlnet lm_1b transfo-xl-wt103 bert t5 albert skip-thoughts"
    return people_spec(tuple(names.split()), **fields)


def targets_spec(**fields) -> FigureSpec:
    """A panel for each of several models with long names."""
    values = np.random.default_rng(0).normal(0.2, 0.1, 800)
    frame = pd.DataFrame({"r": values, "model": np.repeat(LONG, 200)})
    mark = Mark("histogram", frame, "r", "r", name="all targets")
    said = {
        "x_title": "Pearson r of a target, held out",
        "y_title": "Targets",
        "stamp": "simulated data",
    }
    return FigureSpec("Targets", (mark,), facet="model", **(said | fields))


def course_spec(**fields) -> FigureSpec:
    """A legend that is as wide as the figure, under a stamp; networks in the order in which they were tried."""
    kinds = [
        f"{a}, {b}" for a in ("norm", "sin", "plain", "div") for b in ("feed-forward", "recurrent")
    ]
    frame = pd.DataFrame(
        {
            "number": range(60),
            "r": np.linspace(0, 0.3, 60),
            "kind": [kinds[i % 8] for i in range(60)],
        }
    )
    marks = (
        Mark("points", frame, "number", "r", colour="kind"),
        Mark("line", frame, "number", "r", name="best so far"),
    )
    return FigureSpec(
        "Course", marks, "Network", "r", stamp="simulated data", whole_x=True, **fields
    )


def births_spec(**fields) -> FigureSpec:
    """Lines across a ranking whose names are longer than the way between them, and whiskers under both."""
    frame = pd.DataFrame(
        {"birth": [f"birth {n}, by a scheme" for n in range(5)], "share": np.linspace(0.95, 0.2, 5)}
    )
    frame = frame.assign(low=frame["share"] - 0.3, high=frame["share"] + 0.3)
    rules = (
        Rule("y", 0.0),
        Rule("y", 0.54, "vision, weight compression"),
        Rule("y", 1.0, "finished"),
    )
    marks = (Mark("points", frame, "birth", "share", "low", "high"),)
    return FigureSpec(
        "At birth", marks, "", "Share of the finished model's r", rules, stamp="simulated data", horizontal=True, **fields
    )  # fmt: skip


SPECS = {
    "births": births_spec,
    "layers": layers_spec,
    "task": task_spec,
    "facets": facet_spec,
    "bars": bars_spec,
    "histogram": histogram_spec,
    "untrained": untrained_spec,
    "checkpoints": checkpoints_spec,
    "steps": steps_spec,
    "people": people_spec,
    "families": families_spec,
    "targets": targets_spec,
    "course": course_spec,
}


def make_spec(kind: str, *args, **fields) -> FigureSpec:
    """One of :data:`SPECS`, with some fields of the figure changed."""
    return SPECS[kind](*args, **fields)


SHEETS = ((85, None, 7), (114, None, 7), (174, None, 7), (254, 142.9, 14))
"""Width and height in millimetres and font size: one, one and a half and two columns, a slide of 16:9."""


def overlaps(texts, least: float = 0.15) -> list[tuple[str, str]]:
    """Pairs of texts whose boxes share more than this many millimetres both ways."""
    return [
        (one, other)
        for (one, a), (other, b) in combinations(texts, 2)
        if min(a[2], b[2]) - max(a[0], b[0]) > least and min(a[3], b[3]) - max(a[1], b[1]) > least
    ]


def misprints(spec: FigureSpec) -> list[tuple]:
    """Texts of a printed figure that lie over another or off the page, on each sheet, and a column that is too tall."""
    found: list[tuple] = []
    for width, height, size in SHEETS:
        texts, page = paper.boxes(spec, width_mm=width, height_mm=height, font_size=size)
        assert len(texts) > 4
        found += [(width, *pair) for pair in overlaps(texts)]
        for words, (left, bottom, right, top) in texts:
            if min(left, bottom) < -0.1 or right > page[0] + 0.1 or top > page[1] + 0.1:
                found.append((width, words))
        if width == 85 and page[1] >= 120:
            found.append((width, page))
    return found


def strikes(spec: FigureSpec, width: float, height: float | None, size: float) -> list[tuple]:
    """Names inside the axes of a printed figure that a drawn line strikes, or through which another's joining line runs.

    Measured on the finished figure, with nothing of what places them: every line, interval and reference line as it is drawn,
    cut into pieces of a third of a millimetre, against every box of words, a fifth of a millimetre less on each side.
    """
    found: list[tuple] = []
    with paper._drawn(spec, paper.Ink(font_size=size), width, height, 72) as figure:
        canvas, less = figure.canvas.get_renderer(), 0.2 / 25.4 * 72
        for axes in figure.axes:
            names = [text for text in axes.texts if text.get_gid() == "name"]
            boxes = [text.get_window_extent(canvas).extents for text in names]
            leaders = [line for line in axes.lines if line.get_gid() == "leader"]
            for kind, sampled in _drawn_lines(axes):
                for text, (left, bottom, right, top) in zip(names, boxes, strict=True):
                    inside = (sampled > (left + less, bottom + less)) & (
                        sampled < (right - less, top - less)
                    )
                    if inside.all(axis=1).any():
                        found.append((width, kind, text.get_text()))
            ways = [line.get_transform().transform(line.get_xydata()) for line in leaders]
            found += [
                (width, "leaders cross", i, j)
                for (i, a), (j, b) in combinations(enumerate(ways), 2)
                if _meet(*a, *b)
            ]
    return found


def _drawn_lines(axes):
    """Kind and points, a third of a millimetre apart, of every line in a pair of axes."""
    from matplotlib.collections import LineCollection

    ways = [
        (line.get_gid() or "line", line.get_transform().transform_path(line.get_path()).vertices)
        for line in axes.lines
        if line.get_linestyle() not in ("None", "none", "") and line.get_visible()
    ]
    for many in axes.collections:
        if isinstance(many, LineCollection):
            ways += [("interval", axes.transData.transform(way)) for way in many.get_segments()]
    for kind, way in ways:
        for a, b in pairwise(way):
            if np.isfinite([*a, *b]).all():
                steps = max(2, int(np.hypot(*(b - a)) / 72 * 25.4 * 3))
                yield kind, a + (b - a) * np.linspace(0, 1, min(steps, 5000))[:, None]


def _meet(a, b, c, d) -> bool:
    """Whether the way from a to b crosses that from c to d."""

    def side(one, two, at):
        return np.sign((two[0] - one[0]) * (at[1] - one[1]) - (two[1] - one[1]) * (at[0] - one[0]))

    return side(a, b, c) * side(a, b, d) < 0 and side(c, d, a) * side(c, d, b) < 0
