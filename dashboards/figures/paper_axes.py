"""One panel of a printed figure: its marks, rules and axes, and the names along them."""

from __future__ import annotations

import numpy as np
from matplotlib.collections import PathCollection
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullFormatter

from dashboards.figures.labels import broken, shortened
from dashboards.figures.panels import Drawing, Panel
from dashboards.figures.paper_ink import DRAWERS, rule_area, rule_line, rules_above, small
from dashboards.figures.paper_layout import TWO_LINES, Ink, bins, long_names, name_size, wrapped
from dashboards.figures.style import ink

__all__ = ["category_names", "draw_panel", "thicken"]


def draw_panel(axes, plan: Drawing, panel: Panel, style: Ink, width: float) -> None:
    """Marks, rules, axes and title of one panel."""
    spec, font_size = plan.spec, style.font_size
    margin = plan.margin(0.55 * small(font_size), 0.82 * 72 * width, wraps=True)
    reach = 1 / (1 + margin)  # rules end where the names in the margin begin
    for rule in panel.rules:
        rule_area(axes, plan, rule, reach)
    for depth, mark in enumerate(panel.marks):
        if mark.frame.empty:
            continue
        for series in plan.series(mark):
            if not series.frame.empty:
                DRAWERS[mark.kind](
                    axes, plan, mark, series, 2 + depth * 0.1 + (0 if mark.muted else 1)
                )
    if spec.log_x and plan.categories is None:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(FixedLocator(_with_room(plan, reach * width, font_size)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
    elif spec.horizontal:
        axes.xaxis.set_major_locator(
            MaxNLocator(nbins=min(5, bins(0.6 * width, font_size)), steps=[1, 2, 2.5, 5, 10])
        )
    elif plan.categories is not None:
        _category_axis(axes, plan.categories, width, font_size)
    elif spec.whole_x:
        axes.xaxis.set_major_locator(FixedLocator(plan.whole_ticks))
    else:
        axes.xaxis.set_major_locator(
            MaxNLocator(nbins=bins(reach * width, font_size), steps=[1, 2, 2.5, 5, 10])
        )
    if spec.powers_y:
        axes.set_yticks(list(plan.power_ticks), list(plan.power_ticks.values()))
    else:
        axes.yaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 2.5, 5, 10]))
    left, right, bottom, top = plan.extent
    if spec.horizontal:
        _ranking_axis(axes, plan, font_size)
        axes.set_xlim(bottom, top)
        axes.set_ylim(right, left)  # the first category on top
    else:
        axes.set_xlim(*((right, left) if spec.invert_x else (left, right)))
        axes.set_ylim(bottom, top)
        if margin:
            ticks = [tick for tick in axes.get_xticks() if left <= tick <= right]
            fine = [tick for tick in axes.get_xticks(minor=True) if left <= tick <= right]
            axes.set_xlim(left, plan.beyond(margin))
            axes.xaxis.set_major_locator(FixedLocator(ticks))
            axes.xaxis.set_minor_locator(FixedLocator(fine))
            axes.spines["bottom"].set_bounds(left, right)  # names stand where there is no axis
    for rule in panel.rules:
        rule_line(axes, plan, rule, font_size, reach)
    above = rules_above(axes, plan, panel.rules, font_size, width) if spec.horizontal else 0
    for line in (*axes.lines, *axes.collections):
        thicken(line, style.line_width)
    if panel.title:
        letters = int(0.82 * 72 * width / (0.62 * font_size))
        axes.set_title(broken(panel.title, max(8, letters)), loc="left", fontweight="bold",
                       pad=3 + 1.25 * small(font_size) * above)  # fmt: skip


def thicken(artist, times: float) -> None:
    """Lines and points so many times as thick: a slide is read from afar."""
    artist.set_linewidth(np.asarray(artist.get_linewidth()) * times)
    if isinstance(artist, PathCollection):
        artist.set_sizes(artist.get_sizes() * times**2)
    elif isinstance(artist, Line2D):
        artist.set_markersize(artist.get_markersize() * times)


def _with_room(plan: Drawing, inches: float, font_size: float) -> list[float]:
    """The ticks of a logarithmic axis that have room for their numbers, powers of ten first."""
    left, right = plan.extent[:2]
    width = 0.78 * 72 * inches
    kept: list[tuple[float, float]] = []  # place, half of the width
    for tick in sorted(plan.log_ticks, key=lambda tick: (f"{tick:e}"[0] != "1", tick)):
        at = width * np.log(tick / left) / np.log(right / left)
        half = 0.33 * small(font_size) * len(f"{tick:,.10g}")
        if all(abs(at - other) > half + reach + 0.3 * font_size for other, reach in kept):
            kept.append((at, half))
    places = {round(at, 6) for at, _ in kept}
    return [
        tick
        for tick in plan.log_ticks
        if round(width * np.log(tick / left) / np.log(right / left), 6) in places
    ]


def _ranking_axis(axes, plan: Drawing, font_size: float) -> None:
    names = plan.categories or ()
    axes.set_yticks(range(len(names)), names, fontsize=name_size(len(names), font_size))
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", color=ink("grid", plan.theme), linewidth=0.4, zorder=0)


def category_names(plan: Drawing, inches: tuple[float, float], font_size: float) -> list[str]:
    """Names of a ranking; long ones on two lines where its rows are high enough."""
    names, size = list(plan.categories or ()), name_size(len(plan.categories or ()), font_size)
    if not (plan.spec.horizontal and long_names(plan, inches[0] * 25.4, font_size)):
        return names
    row = (72 * inches[1] - 40) / len(names)  # without axis and legend
    most = max(12, int(0.6 * 72 * inches[0] / (0.52 * size)))  # the points need the rest
    if row < 0.95 * 1.24 * TWO_LINES * size:
        return [shortened(name, most) for name in names]
    letters = min(most, max(12, max(map(len, names)) // 2 + 4))
    return [_two_lines(name, letters, most) for name in names]


def _two_lines(words: str, letters: int, most: int) -> str:
    """Words on one line where that is enough, else on two, the second cut where it is too long."""
    found = broken(words, letters).split("\n")
    if len(found) > 2 and len(words) <= most:
        return words
    rest = words[len(found[0]) :].lstrip()
    return "\n".join([found[0], *([shortened(rest, letters)] if rest else [])])


def _category_axis(axes, categories: tuple[str, ...], inches: float, font_size: float) -> None:
    lines = wrapped(categories, inches, font_size)
    axes.set_xticks(range(len(categories)), lines or categories)
    if lines is None:
        axes.tick_params(axis="x", rotation=40)
        for label in axes.get_xticklabels():
            label.set(ha="right", rotation_mode="anchor")
