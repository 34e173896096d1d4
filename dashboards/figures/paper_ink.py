"""The ink of a figure in print: marks and reference lines on Matplotlib axes.

Every drawer of :data:`DRAWERS` is called as ``drawer(axes, plan, mark, series, depth)`` for one series of a mark; ``depth`` is
its place in the drawing order.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.patches import Rectangle

from dashboards.figures.panels import Drawing, Series, X, bins, short
from dashboards.figures.spec import Mark, Rule
from dashboards.figures.style import ink

__all__ = [
    "DASHES",
    "DRAWERS",
    "RING",
    "rule_area",
    "rule_line",
    "rules_above",
    "small",
    "step_bar",
    "with_heat",
]


def small(font_size: float) -> float:
    """Size of the smaller lettering, in points."""
    return max(5.0, font_size - 1)


RING = 3.4
"""Radius of the ring around a marked point, in points."""
_DOT, _DASH = (1.2, 1.5), (4, 1.5)
DASHES = {
    "solid": "-",
    "dashed": (0, (4, 1.8)),
    "dotted": (0, _DOT),
    "dotdash": (0, _DASH + _DOT),
    "dotdotdash": (0, _DASH + 2 * _DOT),
    "dotdotdotdash": (0, _DASH + 3 * _DOT),
}
"""How lines are drawn, by the names that the screen has for it."""


def _line(axes, plan, mark: Mark, series: Series, depth: float) -> None:
    frame, look = series.frame, series.look
    if mark.low is not None:
        axes.fill_between(
            frame[X],
            frame[mark.low],
            frame[mark.high],
            color=look.colour,
            alpha=0.16,
            linewidth=0,
            zorder=depth - 0.5,
        )
    points = mark.colour is not None and not mark.dashed
    axes.plot(
        frame[X],
        frame[mark.y],
        color=look.colour,
        linewidth=0.9 if mark.muted else 1.1,
        linestyle=DASHES[plan.dash(mark, look)],
        marker=look.matplotlib_marker if points else None,
        markersize=3.2,
        markerfacecolor=ink("paper", plan.theme) if look.open else look.colour,
        markeredgewidth=0.7,
        zorder=depth,
    )
    _flags(axes, plan, mark, frame, depth)


def _points(axes, plan, mark: Mark, series: Series, depth: float) -> None:
    frame, look, flip = series.frame, series.look, plan.spec.horizontal
    at = (frame[mark.y], frame[X]) if flip else (frame[X], frame[mark.y])
    if mark.low is not None:
        (axes.hlines if flip else axes.vlines)(
            frame[X],
            frame[mark.low],
            frame[mark.high],
            color=look.colour,
            linewidth=0.7,
            alpha=0.5 if mark.muted else 0.9,
            zorder=depth - 0.05,
        )
    axes.scatter(
        *at,
        s=5 if mark.muted else 14,  # told from what they are of without colour too
        marker=look.matplotlib_marker,
        zorder=depth,
        facecolor=ink("paper", plan.theme) if look.open else look.colour,
        edgecolor=look.colour,
        linewidth=0.7,
        alpha=0.8 if mark.muted else 1,
    )
    if mark.ringed:
        axes.scatter(
            *at,
            s=(2 * RING) ** 2,
            marker="o",
            facecolor="none",
            edgecolor=ink("text", plan.theme),
            linewidth=0.8,
            zorder=depth + 0.05,
        )
    _flags(axes, plan, mark, frame, depth)


def _flags(axes, plan, mark: Mark, frame: pd.DataFrame, depth: float) -> None:
    above = plan.above(mark, frame)
    if len(above):
        axes.scatter(
            *((above[mark.y], above[X]) if plan.spec.horizontal else (above[X], above[mark.y])),
            s=44,
            marker="o",
            facecolor="none",
            edgecolor=ink("flag", plan.theme),
            linewidth=0.6,
            zorder=depth,
        )


def _bars(axes, plan, mark: Mark, series: Series, depth: float) -> None:
    frame, look = series.frame, series.look
    width = 0.92 * plan.bar_width(frame)
    bottom = frame[mark.base] if mark.base else 0.0
    height = frame[mark.y] - bottom
    axes.bar(
        frame[X],
        height,
        bottom=bottom,
        width=width,
        facecolor=ink("paper", plan.theme) if look.open else look.colour,
        edgecolor=look.colour,
        linewidth=0.7,
        zorder=depth,
    )
    if hatch := plan.hatch(mark, series.name):  # lines in the paper's colour over the filled bar
        axes.bar(
            frame[X],
            height,
            bottom=bottom,
            width=width,
            facecolor="none",
            edgecolor=look.colour if look.open else ink("paper", plan.theme),
            hatch=2 * hatch,
            linewidth=0,
            zorder=depth + 0.01,
        )
    if mark.low is not None:
        axes.vlines(
            frame[X],
            frame[mark.low],
            frame[mark.high],
            color=ink("text", plan.theme),
            linewidth=0.7,
            zorder=depth + 0.05,
        )


def _band(axes, plan, mark: Mark, series: Series, depth: float) -> None:
    frame = series.frame
    axes.fill_between(
        frame[X],
        frame[mark.low],
        frame[mark.high],
        color=series.look.colour,
        alpha=0.16,
        linewidth=0,
        zorder=depth,
    )


def _histogram(axes, plan, mark: Mark, series: Series, depth: float) -> None:
    axes.hist(
        series.frame[X],
        bins=bins(mark.frame[mark.x].to_numpy()),
        facecolor=series.look.colour,
        edgecolor=series.look.colour,
        alpha=0.5,
        linewidth=0.5,
        zorder=depth,
        histtype="stepfilled",
    )


def _text(axes, plan, mark: Mark, series: Series, depth: float) -> None:
    axes.plot(
        series.frame[X], series.frame[mark.y], linestyle="none"
    )  # the words take part in the limits


DRAWERS = {
    "line": _line,
    "points": _points,
    "bars": _bars,
    "band": _band,
    "histogram": _histogram,
    "text": _text,
}


def step_bar(
    part, axes: list, plan: Drawing, font_size: float, inches: float, *, above: bool
) -> None:
    """Which colour is which training step: a bar above the axes, or right of them."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import BoundaryNorm, ListedColormap
    from matplotlib.ticker import FixedLocator, NullLocator

    ramp = plan.ramp
    if ramp is None:
        return
    steps, size = len(ramp.steps), small(font_size)
    norm = BoundaryNorm([place - 0.5 for place in range(steps + 1)], steps)
    share = 0.8
    bar = part.colorbar(
        ScalarMappable(norm, ListedColormap(list(ramp.colours))),
        ax=axes,
        location="top" if above else "right",
        shrink=share,
        aspect=34 if above else 24,
        pad=0.02,
        anchor=(0.0, 0.5) if above else (0.5, 1.0),
    )
    room = 0.75 * share * inches * 72
    named = ramp.named(room, 0.55 * size if above else 1.2 * size / 4)
    axis = bar.ax.xaxis if above else bar.ax.yaxis
    axis.set_major_locator(FixedLocator(named))
    axis.set_minor_locator(NullLocator())
    axis.set_ticklabels([f"{ramp.steps[place]:,}" for place in named])
    bar.ax.tick_params(length=0, labelsize=size, pad=1.5)
    if above:
        bar.ax.xaxis.set_ticks_position("bottom")
        bar.ax.xaxis.set_label_position("top")
    bar.set_label(ramp.title, fontsize=size)
    bar.outline.set_linewidth(0)


# ---- rules ---------------------------------------------------------------------------------------------------------------
def rule_area(axes, plan: Drawing, rule: Rule, reach: float = 1.0) -> None:
    """Shade the interval around a reference line."""
    if rule.low is None or rule.high is None or rule.axis == "xy":
        return
    rule = _turned(rule, plan)
    span = axes.axhspan if rule.axis == "y" else axes.axvspan
    end = {"xmax": reach} if rule.axis == "y" else {}
    span(
        rule.low,
        rule.high,
        color=ink("muted", plan.theme),
        alpha=0.18,
        linewidth=0,
        zorder=0.5,
        **end,
    )


def _turned(rule: Rule, plan: Drawing) -> Rule:
    """A horizontal figure has its y across."""
    axis = {"x": "y", "y": "x"}.get(rule.axis, rule.axis) if plan.spec.horizontal else rule.axis
    return replace(rule, axis=axis)


def rule_line(axes, plan: Drawing, rule: Rule, font_size: float, reach: float = 1.0) -> None:
    """Draw a reference line with its label."""
    rule = _turned(rule, plan)
    style = dict(
        color=ink("rule", plan.theme),
        linewidth=0.6,
        zorder=6 if any(mark.kind == "bars" for mark in plan.spec.marks) else 1.5,
    )
    if rule.axis == "xy":
        axes.axline((0, 0), slope=1, linestyle=(0, (1, 2)), **style)
        return
    size, behind = (
        small(font_size),
        {"facecolor": ink("paper", plan.theme), "alpha": 0.7, "linewidth": 0, "pad": 0.6},
    )
    if rule.axis == "y":
        axes.axhline(rule.value, xmax=reach, linestyle=(0, (4, 2)), **style)
        if rule.label and not plan.named_at_ends:
            axes.annotate(
                rule.label,
                (1, rule.value),
                xycoords=axes.get_yaxis_transform(),
                xytext=(0, 1.2),
                textcoords="offset points",
                ha="right",
                va="bottom",
                fontsize=size,
                bbox=behind,
                zorder=6,
            )
    else:
        axes.axvline(rule.value, linestyle=(0, (4, 2)), **style)
        if rule.label and not plan.spec.horizontal:  # names of a ranking's lines stand above it
            axes.annotate(
                rule.label,
                (rule.value, 1),
                xycoords=axes.get_xaxis_transform(),
                xytext=(1.2, 0),
                textcoords="offset points",
                ha="left",
                va="top",
                rotation=90,
                fontsize=size,
                bbox=behind,
                zorder=6,
            )


def rules_above(axes, plan: Drawing, rules, font_size: float, inches: float) -> int:
    """Names of a ranking's reference lines above it, each ending at its line: beside them they would lie over whiskers.

    Parameters
    ----------
    inches : float
        Of the whole part, names on the left included.

    Returns
    -------
    int
        Lines of names: one above the other where they would lie over each other.
    """
    named = sorted(
        (one for one in rules if one.label and one.axis == "y"), key=lambda one: one.value
    )
    _, _, low, high = plan.extent
    size, room, rows = small(font_size), 0.55 * 72 * inches, []
    for rule in named:
        end = room * (rule.value - low) / (high - low)
        start = end - 0.56 * size * len(rule.label) - 0.5 * size
        row = next((n for n, used in enumerate(rows) if used < start), len(rows))
        rows[row : row + 1] = [end]
        axes.annotate(
            rule.label,
            (rule.value, 1),
            xycoords=axes.get_xaxis_transform(),
            xytext=(1.0, 1.5 + 1.25 * size * row),
            textcoords="offset points",
            ha="right",
            va="bottom",
            fontsize=size,
            annotation_clip=False,
        )
    return len(rows)


def _scale_of_cells(part, plan: Drawing, beside, style) -> None:
    """The bar of colours to the right of cells that share one scale."""
    low, high = plan.heat_range()
    shades = ScalarMappable(Normalize(low, high), ListedColormap(plan.heat_steps()))
    bar = part.colorbar(shades, ax=beside, location="right", aspect=25, pad=0.03, fraction=0.08)
    bar.outline.set_visible(False)
    size, text = small(style.font_size), ink("text", plan.theme)
    bar.ax.tick_params(length=2, labelsize=size, colors=text)
    bar.set_label(plan.spec.heat_title, fontsize=size, color=text)


def with_heat(part, plan: Drawing, style):
    """The axes of a ranking, with its heat cells drawn beside it."""
    heat = plan.spec.heat
    main, beside = part.subplots(1, 2, width_ratios=[12, 0.9 * len(heat.columns)], sharey=True)
    cells = plan.heat_cells()
    for x, y, colour in zip(cells["x"], cells["y"], cells["colour"], strict=True):
        beside.add_patch(Rectangle((x - 0.47, y - 0.47), 0.94, 0.94, facecolor=colour, linewidth=0))
    beside.set_xlim(-0.5, len(heat.columns) - 0.5)
    beside.set_xticks(range(len(heat.columns)), [short(name) for name in heat.columns],
                      rotation=60, ha="left", rotation_mode="anchor", fontsize=max(5.0, small(style.font_size) - 1))  # fmt: skip
    beside.xaxis.tick_top()
    beside.tick_params(length=0)
    for spine in beside.spines.values():
        spine.set_visible(False)
    beside.tick_params(axis="y", left=False, labelleft=False)
    if plan.heat_steps():
        _scale_of_cells(part, plan, beside, style)
    return np.array([[main]])
