"""What stands around the panels of a printed figure: titles of axes, legend, stamp and letter."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from dashboards.figures.labels import on_lines
from dashboards.figures.panels import Drawing, Entry
from dashboards.figures.paper_axes import thicken
from dashboards.figures.paper_ink import DASHES, small
from dashboards.figures.paper_layout import (
    Ink,
    beside_stamp,
    entries_of,
    legend_columns,
    name_size,
    notes_of,
    wrapped,
)
from dashboards.figures.style import ink

__all__ = ["draw_legend", "write_stamp", "write_titles"]


def write_titles(
    figure, grid, plan: Drawing, inches: tuple[float, float], names: list[str]
) -> None:
    """Titles of both axes, on as many lines as their room asks for."""
    size = mpl.rcParams["axes.labelsize"]
    titles = (plan.spec.x_title, plan.spec.y_title)
    # names on the left, the other title and notes at the foot take the rest
    if plan.spec.horizontal:
        longest = max((len(line) for name in names for line in name.split("\n")), default=0)
        taken = 0.52 * name_size(len(names), size) * longest / (72 * inches[0])
        shares = (float(np.clip(0.9 - taken, 0.15, 0.5)), 0.5)
    else:
        shares = (0.84, _upright(plan, inches, size))
    across, up = (
        on_lines(text, share * side * 72, size)
        for text, share, side in zip(
            titles[::-1] if plan.spec.horizontal else titles, shares, inches
        )
    )
    for axes in grid[:, 0]:
        axes.set_ylabel(
            on_lines(up, 0.9 * inches[1] / len(grid) * 72, size) if len(grid) > 1 else up
        )
    if len(plan.panels) == 1:
        grid[0, 0].set_xlabel(across)
    else:
        figure.supxlabel(across, fontsize=size)


def _upright(plan: Drawing, inches: tuple[float, float], font_size: float) -> float:
    """Share of a part's height that slanted words below the axis leave to its title."""
    names = plan.categories or ()
    if wrapped(names, inches[0], font_size) is not None:
        return 0.7
    slanted = max(map(len, names)) * 0.55 * small(font_size) * 0.64 / 72
    return max(0.25, 0.7 - slanted / inches[1])


def draw_legend(figure, plan: Drawing, style: Ink, width_mm: float) -> None:
    """The legend of one part, above it or on its right."""
    entries = entries_of(plan) if style.legend != "none" else []
    if entries:
        font_size, above = style.font_size, style.legend == "top"
        handles = [_handle(plan, entry) for entry in entries]
        for handle in handles:
            thicken(handle, style.line_width)
        figure.legend(
            handles=handles,
            loc="outside upper left" if above else "outside right upper",
            frameon=False,
            handlelength=3.6 if plan.several_dottings else 1.7,
            columnspacing=1.2,
            ncols=legend_columns(entries, font_size, beside_stamp(plan, style, width_mm))
            if above
            else 1,
            handletextpad=0.5,
            borderpad=0.25,
            labelspacing=0.3,
        )


def _handle(plan: Drawing, entry: Entry):
    name, kind, look, mark = entry.name, entry.kind, entry.look, entry.mark
    if kind in ("band", "histogram"):
        return Patch(facecolor=look.colour, alpha=0.3, linewidth=0, label=name)
    if kind == "bars":
        hatch = None if mark.name else plan.hatch(mark, entry.names[0])
        return Patch(
            facecolor=ink("paper", plan.theme) if look.open else look.colour,
            edgecolor=ink("paper", plan.theme) if hatch and not look.open else look.colour,
            linewidth=0.0 if hatch and not look.open else 0.7,  # a frame of paper would cut it
            hatch=hatch and 5 * hatch,
            label=name,
        )
    if mark.ringed:
        return Line2D(
            [],
            [],
            linewidth=0,
            marker="o",
            markersize=5.5,
            markerfacecolor="none",
            markeredgecolor=ink("text", plan.theme),
            markeredgewidth=0.8,
            label=name,
        )
    points = kind == "points" or (mark.colour is not None and not mark.dashed)
    return Line2D(
        [],
        [],
        color=look.colour,
        linewidth=1.1 if kind == "line" else 0,
        linestyle=DASHES[plan.dash(mark, look)],
        marker=look.matplotlib_marker if points else None,
        markersize=2.3 if mark.muted and kind == "points" else 3.4,
        markeredgewidth=0.7,
        markerfacecolor=ink("paper", plan.theme) if look.open else look.colour,
        label=name,
    )


def write_stamp(figure, grid, plan: Drawing, font_size: float, letter: str = "") -> None:
    """The letter of a part and what no figure may lose: stamp and notes."""
    notes = notes_of(plan)
    if letter:
        size = font_size + (2 if len(letter) <= 2 else 1)
        grid[0, 0].set_title(letter, loc="left", fontweight="bold", fontsize=size, pad=3)
    if notes:
        figure.suptitle(
            notes,
            x=0.995,
            ha="right",
            fontsize=small(font_size),
            color=ink("stamp", plan.theme),
            fontweight="bold",
        )
    if plan.spec.stamp.lower().startswith("simulated"):
        for axes in grid.flat:
            if axes.figure is not None:
                axes.text(
                    0.5,
                    0.5,
                    "SIMULATED",
                    transform=axes.transAxes,
                    ha="center",
                    va="center",
                    rotation=24,
                    fontsize=font_size * 2.6,
                    color=ink("stamp", plan.theme),
                    alpha=0.10,
                    fontweight="bold",
                    zorder=0.2,
                )
