"""Does better next-word prediction mean a better brain score?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import pandas as pd

from analysis.answers.answer import Answer, decimal, interval, listed, plural
from analysis.mapping.pearson import pearson
from analysis.statistics import correlate
from analysis.statistics.correlation import FEW_FAMILIES, leave_one_family_out
from analysis.statistics.measured import beside
from data.errors import BrainLensError, unknown
from data.readers.published import BENCHMARKS, schrimpf2021, schrimpf2021_models, schrimpf2021_tasks

__all__ = [
    "DRAWS",
    "FEWEST",
    "MEASURES",
    "NEURAL",
    "committed",
    "correlation_words",
    "own_task",
    "published",
    "task",
    "tokenizers",
]

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

# What the paper's text says, by the two measures on the axes.
_PAPER = {
    frozenset(
        ("perplexity", "futrell2018")
    ): "The paper's text says .67, which the released table gives by neither rule.",
    frozenset(("log-perplexity", "futrell2018")): (
        "The paper's text says .67 for perplexity, which the released table gives by neither rule."
    ),
    frozenset(("neural", "futrell2018")): "The paper's text says .65, with scores clipped at 1.",
}
_BOUNDED = (*BENCHMARKS, "neural")  # measures that clipping changes
DRAWS = 2000
"""Bootstrap draws over families behind every interval and band: the second digit does not move with more."""
FEWEST = 4
"""Models that a correlation takes."""
_GRID = 60  # points of a fitted line


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
    wide = scores[scores["variant"] == variant].pivot(
        index="model", columns="benchmark", values="score"
    )[list(BENCHMARKS)]
    if clip:
        wide = wide.clip(upper=1)
    wide["neural"] = wide[list(NEURAL)].mean(axis=1, skipna=False)
    tasks = schrimpf2021_tasks()
    tasks = tasks[tasks["variant"] == variant].set_index("model")
    wide["perplexity"], wide["glue"] = tasks["wikitext2_ppl"], tasks["glue_mean"]
    models = schrimpf2021_models()
    models = models[models["in_paper"]][["model", "family", "group", "width"]]
    return models.merge(wide.reset_index(), on="model", how="left")


def task(
    benchmark: str = "neural",
    x: str = "log-perplexity",
    *,
    clip: bool = False,
    variant: str = "trained",
) -> Answer:
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
    return replace(
        found, frame=found.frame.copy(), fit=found.fit.copy(), missing=found.missing.copy()
    )


@lru_cache(maxsize=64)
def _task(benchmark: str, x: str, clip: bool, variant: str) -> Answer:
    table = published(variant=variant, clip=clip)
    across, up = MEASURES[x], MEASURES[benchmark]
    table["x"], table["y"] = table[across.column], table[up.column]
    if benchmark in BENCHMARKS:
        table["layer"] = table["model"].map(_best_layers(benchmark, variant))
    result = _answered(table, across, benchmark, x)
    rule = [
        "Schrimpf et al. 2021, released table: best layer per benchmark on the reported data, divided by the ceiling"
        + (", clipped at 1 before averaging (the paper's rule)." if clip else ", not clipped.")
    ]
    if above := int((table["y"] > 1).sum()):
        rule.append(f"{plural(above, 'score')} above 1.")
    if (across.column in _BOUNDED or up.column in _BOUNDED) and len(result.frame):
        twin = decimal(_other_rule(across, up, clip, variant), 3)
        if twin != (here := decimal(result.correlation.r, 3)):
            rule.append(
                f"r = {here}; with the scores {'as they are' if clip else 'clipped at 1'}, {twin}."
            )
    if paper := _PAPER.get(frozenset((x, benchmark))):
        rule.append(paper)
    if across.column == "perplexity":
        other = "perplexity" if across.log else "log-perplexity"
        twin = _r(_scaled(result.frame["x"], MEASURES[other]), result.frame["y"])
        rule.append(
            f"Perplexity is of a read-out trained on frozen features; in {other.replace('-', ' ')} r = {decimal(twin, 3)}."
        )
    found, without = result.correlation, result.facts["without"]
    subject = {
        "perplexity": "better next-word prediction",
        "glue": "a higher GLUE score",
        "width": "a wider layer",
    }.get(
        across.column,
        f"a higher score on {across.column}"
        if across.column != "neural"
        else "higher neural predictivity",
    )
    verb = {1: "goes with", -1: "goes against", 0: "is not shown to go with"}[found.claim]
    goal = (
        "higher neural predictivity" if benchmark == "neural" else f"a higher score on {benchmark}"
    )
    numbers = correlation_words(found, without)
    sentence = f"{subject} {verb} {goal} over {plural(found.n, 'published model')}: {numbers}."
    sentence = sentence[0].upper() + sentence[1:]
    axes = {
        "x_title": across.title,
        "y_title": up.title,
        "log_x": across.log,
        "invert_x": across.better < 0,
    }
    return Answer(
        result.frame,
        sentence,
        f"{' '.join(rule)} {result.caption}",
        result.fit,
        result.missing,
        result.correlation,
        {"x": x, "y": benchmark, "clip": clip, "variant": variant, "without": without},
        axes,
    )


def _best_layers(benchmark: str, variant: str) -> pd.Series:
    """The layer behind each model's score on one benchmark, by its released name."""
    scores = schrimpf2021()
    scores = scores[(scores["benchmark"] == benchmark) & (scores["variant"] == variant)]
    return scores.set_index("model")["layer"]


def _other_rule(across: Measure, up: Measure, clip: bool, variant: str) -> float:
    """r of the same pair with clipping turned round."""
    table = published(variant=variant, clip=not clip)
    x, y = _scaled(table[across.column], across), table[up.column].to_numpy(float)
    return _r(x, y)


def _r(x, y) -> float:
    return float(pearson(np.asarray(x, float), np.asarray(y, float)))


def own_task(
    table: pd.DataFrame,
    *,
    x_title: str,
    y_title: str,
    better: int = -1,
    log: bool = False,
    rule: str = "",
) -> Answer:
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
        Without a fit below 4 models, or where x or y does not vary: the points are shown and the sentence says so. Without an
        interval and a band below 5 families. ``correlation.partial`` is on log width, unless the width is x or y itself.
    """
    result = _answered(table.copy(), Measure(x_title, "x", better, log), "y", "x")
    count = len(result.frame)
    if result.correlation is None:
        why = (
            f"too few for a correlation (at least {FEWEST} are needed)"
            if count < FEWEST
            else "x or y does not vary"
        )
        sentence = f"{plural(count, 'model')} of your own: {why}."
    else:
        numbers = correlation_words(result.correlation, result.facts["without"])
        sentence = f"Over {plural(count, 'model')} of your own, {numbers}."
    axes = {"x_title": x_title, "y_title": y_title, "log_x": log, "invert_x": better < 0}
    caption = f"{rule} {result.caption}".strip()
    return Answer(
        result.frame,
        sentence,
        caption,
        result.fit,
        result.missing,
        result.correlation,
        result.facts,
        axes,
    )


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
        layer, r, normalised, each with low and high. Where the layer was chosen, r takes each fold's own choice, the interval is
        of exactly that, and ``layer`` is the one most folds chose.

    Raises
    ------
    BrainLensError
        For a layer that the model does not have.
    """
    if not layer:
        whole = score.summary()
        return {"layer": whole["layer"], "r": whole["r"], "r_low": whole["r_low"], "r_high": whole["r_high"],
                "normalised": whole["share"], "normalised_low": whole["share_low"],
                "normalised_high": whole["share_high"]}  # fmt: skip
    at = _layer_of(score, layer)
    row = score.table().set_index("layer").loc[at]
    names = ("r", "r_low", "r_high", "normalised", "normalised_low", "normalised_high")
    return {"layer": int(at), **{name: float(row[name]) for name in names}}


def tokenizers(models: Iterable[tuple[str, str, int | None]]) -> str:
    """Whether models cut a text into the same tokens, which is what their perplexities per token are compared by.

    Parameters
    ----------
    models : iterable of (str, str, int or None)
        Model, hash of its tokenizer's files (empty: it reads words or characters), and how many tokens it cut the text into.

    Returns
    -------
    str
        One sentence; empty for fewer than two models.
    """
    models = list(models)
    if len(models) < 2:
        return ""
    groups: dict[str, list[tuple[str, int | None]]] = {}
    for model, fingerprint, count in models:
        groups.setdefault(fingerprint or f"{model} without", []).append((model, count))
    if len(groups) == 1:
        return f"The {len(models)} models share one tokenizer."
    counts = {count for _, _, count in models}
    if len(counts) == 1 and None not in counts and all(fingerprint for _, fingerprint, _ in models):
        return f"Their tokenizers' files differ, but each of the {len(models)} models cuts the text into {counts.pop():,} tokens."
    named = "; ".join(listed(model + (f", {count:,} tokens" if count else "") for model, count in group)
                      for group in groups.values())  # fmt: skip
    if None in counts:  # files can differ in what does not touch the tokens
        return f"The tokenizers' files differ ({named}): whether the {len(models)} models can be compared is not known."
    return (f"The {len(models)} models do not share one tokenizer ({named}): their order here says nothing, compare bits per "
            "byte.")  # fmt: skip


def _layer_of(score, layer: str) -> int:
    layers = score.layers
    try:
        number = float(layer)
    except ValueError:
        raise BrainLensError(
            f"layer={layer!r} is no layer",
            remedy="Give a number such as -1, or a depth such as 0.67",
        ) from None
    if "." in layer and 0 <= number <= 1:
        return min(layers, key=lambda one: abs(one / max(max(layers), 1) - number))
    at = int(number) + (max(layers) + 1 if number < 0 else 0)
    if number != int(number) or at not in layers:
        raise BrainLensError(
            f"{score.model} has no layer {layer}", choices=[str(one) for one in layers]
        )
    return at


# ---- what both share ---------------------------------------------------------------------------------------------------
def _answered(table: pd.DataFrame, across: Measure, y: str, x: str) -> Answer:
    usable = (
        np.isfinite(table["x"]) & np.isfinite(table["y"]) & ((table["x"] > 0) | (not across.log))
    )
    missing = table[~usable]
    reasons = [
        getattr(row, "reason", "") or f"no {x if not np.isfinite(row.x) else y} in the table"
        for row in missing.itertuples()
    ]
    missing = pd.DataFrame({"model": missing["model"].to_numpy(), "reason": reasons})
    frame = table[usable].reset_index(drop=True)
    varies = (
        len(frame) >= FEWEST
        and min(np.ptp(_scaled(frame["x"], across)), np.ptp(frame["y"].to_numpy(float))) > 0
    )
    correlation = _correlation(frame, across) if varies else None
    fit = (
        _fit(frame, across, band=not _few(correlation))
        if correlation is not None
        else Answer(frame, "").fit
    )
    families = frame["family"].nunique()
    parts = [f"n = {plural(len(frame), 'model')} of {families} {'family' if families == 1 else 'families'}; "
             "a model counts where it has both numbers."]  # fmt: skip
    if len(missing):
        parts.append(
            "Left out: "
            + "; ".join(f"{row.model} ({row.reason})" for row in missing.itertuples())
            + "."
        )
    if correlation is not None:
        few = f"No interval and no band below {FEW_FAMILIES} model families."
        parts.append(
            few
            if _few(correlation)
            else "Intervals: 95 %, Fisher's z without each model family in turn (jackknife, t); band: bootstrap over families. A "
            f"relation is claimed only where the intervals of r and of the rank r agree. {beside('families')}"
        )
        parts += _partial(frame, correlation)
    without = (
        leave_one_family_out(_scaled(frame["x"], across), frame["y"], frame["family"].to_numpy(str))
        if correlation is not None and not _few(correlation)
        else pd.DataFrame(columns=["family", "n", "r", "low", "high"])
    )
    return Answer(frame, "", " ".join(parts), fit, missing, correlation, {"without": without})


def _few(correlation) -> bool:
    return correlation.n_families < FEW_FAMILIES


def _partial(frame: pd.DataFrame, correlation) -> list[str]:
    """The partial correlation on log width in words, or why there is none."""
    width = _log_width(frame)
    if width is None:
        return []
    lacking = listed(frame.loc[~np.isfinite(width), "model"])
    whose = f"width of {lacking} unknown" if lacking else ""
    if np.isfinite(correlation.partial):
        span = (
            "" if _few(correlation) else interval(correlation.partial_low, correlation.partial_high)
        )
        over = f"over {plural(correlation.n_partial, 'model')} ({whose})" if whose else ""
        return [
            " ".join(
                filter(
                    None,
                    [
                        "With log width taken out of both, r =",
                        decimal(correlation.partial),
                        span,
                        over,
                    ],
                )
            )
            + "."
        ]
    why = whose or (
        "all models have one width" if np.ptp(width) == 0 else "it leaves nothing of x or of y"
    )
    return [f"Partial correlation on width not given: {why}."]


def _log_width(frame: pd.DataFrame) -> np.ndarray | None:
    """NaN where it is not known; None where the width is on an axis: it cannot be taken out of itself."""
    if "width" not in frame:
        return None
    width = frame["width"].to_numpy(float)
    if any(np.array_equal(width, frame[axis].to_numpy(float)) for axis in ("x", "y")):
        return None
    return np.log(np.where(width > 0, width, np.nan))


def _scaled(values: pd.Series, across: Measure) -> np.ndarray:
    values = values.to_numpy(float)
    return across.better * (np.log(values) if across.log else values)


def _correlation(table: pd.DataFrame, across: Measure):
    """Pearson, rank, and partial on log width where that is not an axis."""
    x, y = _scaled(table["x"], across), table["y"].to_numpy(float)
    width = _log_width(table)
    varies = width is not None and len(set(width[np.isfinite(width)])) > 1
    return correlate(
        x, y, table["family"].to_numpy(str), partial=width if varies else None, draws=DRAWS
    )


def _fit(frame: pd.DataFrame, across: Measure, *, band: bool = True) -> pd.DataFrame:
    r"""Least squares with the 95 % band of a bootstrap that draws families; low and high are NaN without a band.

    With weights :math:`w` (how often a model's family was drawn), the slope is
    :math:`\sum w (x - \bar x_w)(y - \bar y_w) / \sum w (x - \bar x_w)^2`.
    """
    x, y = _scaled(frame["x"], across), frame["y"].to_numpy(float)
    families, member = np.unique(frame["family"].to_numpy(str), return_inverse=True)
    drawn = np.random.default_rng(0).multinomial(
        len(families), np.full(len(families), 1 / len(families)), DRAWS
    )
    weights = np.vstack([np.ones(len(x)), drawn[:, member]])  # the first row is the fit itself
    total = weights.sum(axis=1, keepdims=True)
    centre_x, centre_y = weights @ x[:, None] / total, weights @ y[:, None] / total
    spread = (weights * (x - centre_x) ** 2).sum(axis=1)
    slope = (weights * (x - centre_x) * (y - centre_y)).sum(axis=1) / np.where(
        spread > 0, spread, np.nan
    )
    grid = np.linspace(x.min(), x.max(), _GRID)
    lines = centre_y + slope[:, None] * (grid - centre_x)
    low, high = (
        np.nanpercentile(lines[1:], [2.5, 97.5], axis=0)
        if band
        else np.full((2, len(grid)), np.nan)
    )
    shown = across.better * grid
    return pd.DataFrame(
        {"x": np.exp(shown) if across.log else shown, "y": lines[0], "low": low, "high": high}
    ).sort_values("x", ignore_index=True)


def correlation_words(correlation, without: pd.DataFrame | None = None) -> str:
    """Pearson's and the rank r with their intervals, what disagrees, and the family without which least is left.

    ``r = .62 [.15, .80], not shown by rank (.42 [-.11, .78]); without the gpt family r = .47 [-.04, .75]``.
    """
    r = f"r = {decimal(correlation.r)}"
    if _few(correlation):
        return f"{r} (too few families for an interval) and rank r = {decimal(correlation.rho)}"
    r += f" {interval(correlation.low, correlation.high)}"
    rank = f"{decimal(correlation.rho)} {interval(correlation.rho_low, correlation.rho_high)}"
    clear, by_rank = (
        low > 0 or high < 0
        for low, high in (
            (correlation.low, correlation.high),
            (correlation.rho_low, correlation.rho_high),
        )
    )
    if clear and by_rank and not correlation.claim:
        said = f"{r}, of which ranks show the opposite ({rank})"
    elif clear and not by_rank:
        said = f"{r}, not shown by rank ({rank})"
    elif by_rank and not clear:
        said = f"{r}, shown by rank only ({rank})"
    else:
        said = f"{r} and rank r = {rank}"
    if without is None or without.empty:
        return said
    least = without.loc[(without["r"] * np.sign(correlation.r)).idxmin()]
    return f"{said}; without the {least['family']} family r = {decimal(least['r'])} {interval(least['low'], least['high'])}"
