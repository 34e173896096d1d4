"""Does better next-word prediction mean a better brain score?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import pandas as pd

from analysis.answers.answer import Answer, decimal, interval, plural
from data.errors import BrainLensError, unknown
from data.published import BENCHMARKS, schrimpf2021, schrimpf2021_models, schrimpf2021_tasks

__all__ = ["DRAWS", "MEASURES", "NEURAL", "committed", "own_task", "published", "task"]

NEURAL = ("pereira2018", "fedorenko2016", "blank2014")
"""The benchmarks whose mean the paper calls neural predictivity."""


@dataclass(frozen=True)
class Measure:
    """Something that a model has one number of.

    Parameters
    ----------
    title : str
        Of an axis.
    column : str
        In the table of :func:`published`.
    better : int
        -1 where lower is better: r is then taken with the sign turned.
    log : bool
        r and fit are in the logarithm.
    """

    title: str
    column: str
    better: int = 1
    log: bool = False


MEASURES = {
    "log-perplexity": Measure(
        "Perplexity on WikiText-2 (log scale, better to the right)", "perplexity", -1, True
    ),
    "perplexity": Measure("Perplexity on WikiText-2 (better to the right)", "perplexity", -1),
    "glue": Measure("GLUE score (mean of eight tasks)", "glue"),
    "width": Measure("Features per layer", "width"),
    "log-width": Measure("Features per layer (log scale)", "width", 1, True),
    "neural": Measure("Normalised score (mean of three neural recordings)", "neural"),
    **{name: Measure(f"Normalised score ({name})", name) for name in BENCHMARKS},
}
"""What can stand on an axis of the published table."""

# The figures of the paper's text, where the released table gives another one (x, y, clipped) -> what the paper says.
_PAPER = {
    ("perplexity", "futrell2018", False): "the paper's text says .67, which the released table does not give",
    ("log-perplexity", "futrell2018", False): "the paper's text says .67 for perplexity, which the released table does not give",
    ("neural", "futrell2018", False): "the paper clips each score at 1 and says .65",
}
DRAWS = 2000
"""Bootstrap draws over families behind every interval and band: the second digit does not move with more."""
_GRID = 60


def published(*, variant: str = "trained", clip: bool = False) -> pd.DataFrame:
    """The 43 models of Schrimpf et al. 2021, one row each: the four benchmarks at their best layer, their mean, tasks, width.

    Parameters
    ----------
    variant : str
        ``"trained"`` or ``"untrained"``.
    clip : bool
        Each benchmark clipped at 1 before averaging: the paper's rule.

    Returns
    -------
    pandas.DataFrame
        model, family, group, width, the four benchmarks, neural, perplexity, glue.
    """
    return _published(variant, clip).copy()


@lru_cache(maxsize=4)
def _published(variant: str, clip: bool) -> pd.DataFrame:
    scores = schrimpf2021()
    wide = scores[scores["variant"] == variant].pivot(index="model", columns="benchmark", values="score")[list(BENCHMARKS)]
    if clip:
        wide = wide.clip(upper=1)
    wide["neural"] = wide[list(NEURAL)].mean(axis=1, skipna=False)
    tasks = schrimpf2021_tasks()
    tasks = tasks[tasks["variant"] == variant].set_index("model")
    wide["perplexity"], wide["glue"] = tasks["wikitext2_ppl"], tasks["glue_mean"]
    models = schrimpf2021_models()
    models = models[models["in_paper"]][["model", "family", "group", "width"]]
    return models.merge(wide.reset_index(), on="model", how="left")


def task(benchmark: str = "neural", x: str = "log-perplexity", *, clip: bool = False, variant: str = "trained") -> Answer:
    """Published scores of the 43 models against another number of theirs.

    Parameters
    ----------
    benchmark : str
        y: a benchmark, or ``"neural"``, the mean of the three neural ones.
    x : str
        One of :data:`MEASURES`.
    clip : bool
        Each benchmark clipped at 1 before anything else, as in the paper's text; never by default.
    variant : str
        ``"trained"`` or ``"untrained"``.

    Returns
    -------
    Answer
        ``frame``: model, family, group, x, y and every other number of the model; ``fit``: x, y, low, high (95 % band of a
        bootstrap over families); ``correlation``; ``missing``: models without a pair, with the reason.
    """
    for name in (benchmark, x):
        if name not in MEASURES:
            raise unknown("measure", name, MEASURES)
    found = _task(benchmark, x, clip, variant)
    return replace(found, frame=found.frame.copy(), fit=found.fit.copy(), missing=found.missing.copy())


@lru_cache(maxsize=64)
def _task(benchmark: str, x: str, clip: bool, variant: str) -> Answer:
    table = published(variant=variant, clip=clip)
    across, up = MEASURES[x], MEASURES[benchmark]
    table["x"], table["y"] = table[across.column], table[up.column]
    result = _answered(table, across, benchmark, x)
    rule = [
        "Schrimpf et al. 2021, released table: best layer per benchmark on the reported data, divided by the ceiling"
        + (", clipped at 1 before averaging (the paper's rule)." if clip else ", not clipped.")
    ]
    if above := int((table["y"] > 1).sum()):
        rule.append(f"{plural(above, 'score')} above 1.")
    if paper := _PAPER.get((x, benchmark, clip)):
        rule.append(f"Beside it: {paper}.")
    if across.column == "perplexity":
        other = "perplexity" if across.log else "log-perplexity"
        twin = np.corrcoef(_scaled(result.frame["x"], MEASURES[other]), result.frame["y"])[0, 1]
        rule.append(
            f"Perplexity is of a read-out trained on frozen features; in {other.replace('-', ' ')} r = {decimal(twin, 3)}."
        )
    found = result.correlation
    subject = {"perplexity": "better next-word prediction", "glue": "a higher GLUE score", "width": "a wider layer"}.get(
        across.column, f"a higher score on {across.column}" if across.column != "neural" else "higher neural predictivity"
    )
    verb = "goes with" if found.low > 0 else "goes against" if found.high < 0 else "is not shown to go with"
    goal = "higher neural predictivity" if benchmark == "neural" else f"a higher score on {benchmark}"
    sentence = f"{subject} {verb} {goal}: {_numbers(found)} over {plural(found.n, 'published model')}."
    sentence = sentence[0].upper() + sentence[1:]
    axes = {"x_title": across.title, "y_title": up.title, "log_x": across.log, "invert_x": across.better < 0}
    return Answer(
        result.frame,
        sentence,
        f"{' '.join(rule)} {result.caption}",
        result.fit,
        result.missing,
        result.correlation,
        {"x": x, "y": benchmark, "clip": clip, "variant": variant},
        axes,
    )


def own_task(table: pd.DataFrame, *, x_title: str, y_title: str, better: int = -1, log: bool = False,
             rule: str = "") -> Answer:
    """Own scores against another number of the same models: their own axes and their own fit, apart from the published ones.

    Parameters
    ----------
    table : pandas.DataFrame
        model, family, x, y, and optionally low, high, width and ``reason`` (why a number is missing).
    x_title, y_title : str
        With units.
    better : int
        -1 where a lower x is better.
    log : bool
        r and fit are in the logarithm of x.
    rule : str
        How x and y were got: it begins the caption.

    Returns
    -------
    Answer
        Without a fit below 4 models: the points are shown and the sentence says so.
    """
    result = _answered(table.copy(), Measure(x_title, "x", better, log), "y", "x")
    count = len(result.frame)
    if result.correlation is None:
        sentence = f"{plural(count, 'model')} of your own: too few for a correlation (at least 4 are needed)."
    else:
        sentence = f"Over {plural(count, 'model')} of your own, {_numbers(result.correlation)}."
    axes = {"x_title": x_title, "y_title": y_title, "log_x": log, "invert_x": better < 0}
    caption = f"{rule} {result.caption}".strip()
    return Answer(result.frame, sentence, caption, result.fit, result.missing, result.correlation, {}, axes)


def committed(score, layer: str = "") -> dict:
    """One layer's score for a model: the nested choice, or a layer named before the data were seen.

    Parameters
    ----------
    score : Score
    layer : str
        Empty: chosen on inner folds. A layer's number (negative: from the top), or a share of the depth (``0.67``).

    Returns
    -------
    dict
        layer, r, normalised, each with low and high. Where the layer was chosen, r takes each fold's own choice, and the
        interval is that of the layer most folds chose.

    Raises
    ------
    BrainLensError
        For a layer that the model does not have.
    """
    table = score.table().set_index("layer")
    at = _layer_of(score, layer) if layer else score.chosen_layer
    row = table.loc[at]
    r = float(row["r"]) if layer else float(score.value)
    share = row["normalised"] / row["r"] if row["r"] else np.nan
    normalised = float(row["normalised"]) if layer else r * share
    return {"layer": int(at), "r": r, "r_low": row["r_low"], "r_high": row["r_high"], "normalised": normalised,
            "normalised_low": row["normalised_low"], "normalised_high": row["normalised_high"]}  # fmt: skip


def _layer_of(score, layer: str) -> int:
    layers = score.layers
    try:
        number = float(layer)
    except ValueError:
        raise BrainLensError(f"layer={layer!r} is no layer", remedy="Give a number such as -1, or a depth such as 0.67") from None
    if "." in layer and 0 <= number <= 1:
        return min(layers, key=lambda one: abs(one / max(max(layers), 1) - number))
    at = int(number) + (max(layers) + 1 if number < 0 else 0)
    if number != int(number) or at not in layers:
        raise BrainLensError(f"{score.model} has no layer {layer}", choices=[str(one) for one in layers])
    return at


# ---- what both share ---------------------------------------------------------------------------------------------------
def _answered(table: pd.DataFrame, across: Measure, y: str, x: str) -> Answer:
    usable = np.isfinite(table["x"]) & np.isfinite(table["y"]) & ((table["x"] > 0) | (not across.log))
    missing = table[~usable]
    reasons = [
        getattr(row, "reason", "") or f"no {x if not np.isfinite(row.x) else y} in the table" for row in missing.itertuples()
    ]
    missing = pd.DataFrame({"model": missing["model"].to_numpy(), "reason": reasons})
    frame = table[usable].reset_index(drop=True)
    correlation = _correlation(frame, across) if len(frame) >= 4 else None
    fit = _fit(frame, across) if correlation is not None else Answer(frame, "").fit
    parts = [
        f"n = {plural(len(frame), 'model')} of {plural(frame['family'].nunique(), 'famil')}".replace(
            "famils", "families"
        ).replace("1 famil", "1 family")
        + "; a model counts where it has both numbers."
    ]
    if len(missing):
        parts.append("Left out: " + "; ".join(f"{row.model} ({row.reason})" for row in missing.itertuples()) + ".")
    if correlation is not None:
        parts.append("Intervals and band: 95 %, bootstrap over model families.")
        if np.isfinite(correlation.partial):
            span = interval(correlation.partial_low, correlation.partial_high)
            parts.append(f"With log width taken out of both, r = {decimal(correlation.partial)} {span}.")
    return Answer(frame, "", " ".join(parts), fit, missing, correlation)


def _scaled(values: pd.Series, across: Measure) -> np.ndarray:
    values = values.to_numpy(float)
    return across.better * (np.log(values) if across.log else values)


def _correlation(table: pd.DataFrame, across: Measure):
    """Pearson, rank, and partial on log width where the widths are known and are not an axis."""
    from analysis.statistics import correlate

    width = table["width"].to_numpy(float) if "width" in table and across.column != "width" else np.full(len(table), np.nan)
    partial = np.log(width) if np.isfinite(width).all() and np.ptp(width) > 0 else None
    return correlate(
        _scaled(table["x"], across), table["y"].to_numpy(float), table["family"].to_numpy(str), partial=partial, draws=DRAWS
    )


def _fit(frame: pd.DataFrame, across: Measure) -> pd.DataFrame:
    r"""Least squares with the 95 % band of a bootstrap that draws families.

    With weights :math:`w` (how often a model's family was drawn), the slope is
    :math:`\sum w (x - \bar x_w)(y - \bar y_w) / \sum w (x - \bar x_w)^2`.
    """
    x, y = _scaled(frame["x"], across), frame["y"].to_numpy(float)
    families, member = np.unique(frame["family"].to_numpy(str), return_inverse=True)
    drawn = np.random.default_rng(0).multinomial(len(families), np.full(len(families), 1 / len(families)), DRAWS)
    weights = np.vstack([np.ones(len(x)), drawn[:, member]])  # the first row is the fit itself
    total = weights.sum(axis=1, keepdims=True)
    centre_x, centre_y = weights @ x[:, None] / total, weights @ y[:, None] / total
    spread = (weights * (x - centre_x) ** 2).sum(axis=1)
    slope = (weights * (x - centre_x) * (y - centre_y)).sum(axis=1) / np.where(spread > 0, spread, np.nan)
    grid = np.linspace(x.min(), x.max(), _GRID)
    lines = centre_y + slope[:, None] * (grid - centre_x)
    low, high = np.nanpercentile(lines[1:], [2.5, 97.5], axis=0)
    shown = across.better * grid
    return pd.DataFrame({"x": np.exp(shown) if across.log else shown, "y": lines[0], "low": low, "high": high}).sort_values(
        "x", ignore_index=True
    )


def _numbers(correlation) -> str:
    few = correlation.n_families < 5
    span = "(too few families for an interval)" if few else interval(correlation.low, correlation.high)
    ranks = "" if few else interval(correlation.rho_low, correlation.rho_high)
    return f"r = {decimal(correlation.r)} {span}".strip() + f" and rank r = {decimal(correlation.rho)} {ranks}".rstrip()
