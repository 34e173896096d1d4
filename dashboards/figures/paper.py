"""Draw a figure for print: Matplotlib, real text, no browser.

``render(spec, *, width_mm=85, height_mm=None, font_size=7, format="pdf", dpi=300, theme="light", metadata=None) -> bytes``

Text stays text (``pdf.fonttype`` 42, ``svg.fonttype`` none), nothing is clipped, and two calls with the same spec give the same
bytes.
"""

from __future__ import annotations

import io
import textwrap
import threading
from collections.abc import Mapping

import matplotlib as mpl
import numpy as np
from matplotlib import font_manager
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullFormatter

from dashboards.figures.labels import place_labels
from dashboards.figures.panels import Drawing, Entry, Panel, X, drawing
from dashboards.figures.paper_ink import DRAWERS, rule_area, rule_line, small
from dashboards.figures.spec import FigureSpec
from dashboards.figures.style import ink
from data.errors import BrainLensError, unknown

__all__ = ["FORMATS", "WIDTHS_MM", "render"]

WIDTHS_MM = (85, 114, 174)
"""One column, one and a half, two."""
FORMATS = ("pdf", "svg", "png")
_MM = 1 / 25.4
_LOCK = threading.Lock()  # rcParams are global to the process
_FONTS = ("Arial", "Helvetica", "Liberation Sans", "DejaVu Sans")


def render(
    spec: FigureSpec,
    *,
    width_mm: float = 85,
    height_mm: float | None = None,
    font_size: float = 7,
    format: str = "pdf",
    dpi: int = 300,
    theme: str = "light",
    metadata: Mapping[str, str] | None = None,
) -> bytes:
    """The figure as a file.

    Parameters
    ----------
    spec : FigureSpec
    width_mm : float
        85, 114 and 174 mm are a journal's one, one and a half and two columns; any width from 40 to 400 is drawn.
    height_mm : float, optional
        None: what suits the content.
    font_size : float
        Points; tick labels and legend are one point smaller, never below 5.
    format : str
        One of :data:`FORMATS`.
    dpi : int
        Of a PNG.
    metadata : mapping, optional
        Added to the file's title and subject.

    Returns
    -------
    bytes

    Raises
    ------
    BrainLensError
        For an unknown format, a size that cannot be drawn, or an empty figure.
    """
    if format not in FORMATS:
        raise unknown("format", format, FORMATS)
    for name, value, low, high in (
        ("width_mm", width_mm, 40, 400),
        ("height_mm", height_mm or 60, 25, 600),
        ("font_size", font_size, 4, 24),
        ("dpi", dpi, 36, 1200),
    ):
        if not low <= value <= high:
            raise BrainLensError(f"{name}={value} cannot be drawn", remedy=f"Give {low} to {high}")
    if spec.empty:
        raise BrainLensError(
            "There is nothing to draw: every mark is empty",
            remedy="Choose models and a recording first",
        )
    plan = drawing(spec, theme)
    rows, columns = _grid(plan, width_mm)
    size = (width_mm * _MM, (height_mm or _height(plan, width_mm, font_size, rows, columns)) * _MM)
    with _LOCK, mpl.rc_context(_rc(font_size, theme)):
        figure = Figure(
            figsize=size,
            dpi=dpi if format == "png" else 72,
            layout="constrained",
            facecolor=ink("paper", theme),
        )
        FigureCanvasAgg(figure)
        figure.get_layout_engine().set(w_pad=2.5 / 72, h_pad=2 / 72, wspace=0.03, hspace=0.04)
        grid = figure.subplots(rows, columns, squeeze=False, sharey=len(plan.panels) > 1)
        for axes, panel in zip(grid.flat, plan.panels, strict=False):
            _panel(axes, plan, panel, font_size)
        for axes in list(grid.flat)[len(plan.panels) :]:
            axes.remove()
        _titles(figure, grid, plan)
        _legend(figure, plan, font_size, width_mm)
        _stamp(figure, grid, plan, font_size)
        figure.draw_without_rendering()
        figure.set_layout_engine(
            "none"
        )  # from here on nothing moves: labels are placed in the finished figure
        for axes, panel in zip(grid.flat, plan.panels, strict=False):
            _write_labels(figure, axes, plan, panel, font_size)
        out = io.BytesIO()
        figure.savefig(
            out,
            format=format,
            dpi="figure",
            facecolor=figure.get_facecolor(),
            metadata=_metadata(spec, format, metadata or {}),
        )
    return out.getvalue()


def _rc(font_size: float, theme: str) -> dict:
    known = {font.name for font in font_manager.fontManager.ttflist}
    size = small(font_size)
    return {
        "font.family": [name for name in _FONTS if name in known] or ["sans-serif"],
        "font.size": font_size,
        "pdf.fonttype": 42,
        "svg.fonttype": "none",
        "svg.hashsalt": "brainlens",
        "axes.unicode_minus": True,
        "mathtext.default": "regular",
        "axes.titlesize": font_size,
        "axes.labelsize": font_size,
        "xtick.labelsize": size,
        "ytick.labelsize": size,
        "legend.fontsize": size,
        "axes.linewidth": 0.6,
        "xtick.major.width": 0.6,
        "ytick.major.width": 0.6,
        "xtick.major.size": 2.2,
        "ytick.major.size": 2.2,
        "xtick.major.pad": 2,
        "ytick.major.pad": 2,
        "axes.labelpad": 2.5,
        "lines.solid_capstyle": "round",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.edgecolor": ink("axis", theme),
        "axes.facecolor": ink("paper", theme),
        "axes.labelcolor": ink("text", theme),
        "text.color": ink("text", theme),
        "xtick.color": ink("axis", theme),
        "ytick.color": ink("axis", theme),
        "xtick.labelcolor": ink("text", theme),
        "ytick.labelcolor": ink("text", theme),
    }


def _grid(plan: Drawing, width_mm: float) -> tuple[int, int]:
    count = len(plan.panels)
    columns = min(count, max(1, int(width_mm // 42)), 4)
    return -(-count // columns), columns


def _height(plan: Drawing, width_mm: float, font_size: float, rows: int, columns: int) -> float:
    if plan.spec.horizontal:
        line = _name_size(len(plan.categories or ()), font_size) * 0.3528 * 1.24
        return max(30.0, line * len(plan.categories or ())) * rows + 14
    panel = width_mm / columns * (0.68 if columns == 1 else 0.95)
    if width_mm > 140 and columns == 1:
        panel = width_mm * 0.55
    labelled = sum(
        len(mark.frame)
        for mark in plan.spec.marks
        if mark.label is not None and mark.kind == "points"
    )
    if labelled > 15 and columns == 1:
        panel = max(panel, width_mm * (0.95 if width_mm < 100 else 0.72))
    entries = _entries(plan)
    legend = (
        3.2 * -(-len(entries) // _legend_columns(entries, font_size, width_mm)) if entries else 0.0
    )
    return panel * rows + legend + 4


# ---- one panel ----------------------------------------------------------------------------------------------------------
def _panel(axes, plan: Drawing, panel: Panel, font_size: float) -> None:
    spec = plan.spec
    for rule in panel.rules:
        rule_area(axes, plan, rule)
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
        axes.xaxis.set_major_locator(FixedLocator(plan.log_ticks))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
    elif spec.horizontal:
        axes.xaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]))
    elif plan.categories is not None:
        _category_axis(axes, plan.categories, axes.get_gridspec().ncols, font_size)
    elif spec.whole_x:
        axes.xaxis.set_major_locator(FixedLocator(plan.whole_ticks))
    else:
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 2.5, 5, 10]))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 2.5, 5, 10]))
    left, right, bottom, top = plan.extent
    if spec.horizontal:
        _ranking_axis(axes, plan, font_size)
        axes.set_xlim(bottom, top)
        axes.set_ylim(right, left)  # the first category on top
    else:
        axes.set_xlim(*((right, left) if spec.invert_x else (left, right)))
        axes.set_ylim(bottom, top)
    for rule in panel.rules:
        rule_line(axes, plan, rule, font_size)
    if panel.title:
        axes.set_title(panel.title, loc="left", fontweight="bold", pad=3)


def _ranking_axis(axes, plan: Drawing, font_size: float) -> None:
    names = plan.categories or ()
    axes.set_yticks(range(len(names)), names, fontsize=_name_size(len(names), font_size))
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", color=ink("grid", plan.theme), linewidth=0.4, zorder=0)


def _name_size(names: int, font_size: float) -> float:
    """Points of the names of a ranking: smaller where there are many, never below 5."""
    return max(5.0, small(font_size) if names <= 24 else min(small(font_size), 5.5))


def _category_axis(axes, categories: tuple[str, ...], columns: int, font_size: float) -> None:
    axes.set_xticks(range(len(categories)), categories)
    width = axes.get_figure().get_figwidth() / columns * 72 * 0.86 / len(categories)
    if max(len(name) for name in categories) * small(font_size) * 0.5 > width:
        axes.tick_params(axis="x", rotation=40)
        for label in axes.get_xticklabels():
            label.set(ha="right", rotation_mode="anchor")


# ---- around the panels ----------------------------------------------------------------------------------------------------
def _titles(figure, grid, plan: Drawing) -> None:
    size = mpl.rcParams["axes.labelsize"]
    titles = (plan.spec.x_title, plan.spec.y_title)
    across, up = (
        _wrapped(text, 0.84 * side * 72, size)
        for text, side in zip(
            titles[::-1] if plan.spec.horizontal else titles, figure.get_size_inches()
        )
    )
    for axes in grid[:, 0]:
        axes.set_ylabel(
            _wrapped(up, 0.9 * figure.get_figheight() / len(grid) * 72, size)
            if len(grid) > 1
            else up
        )
    if len(plan.panels) == 1:
        grid[0, 0].set_xlabel(across)
    else:
        figure.supxlabel(across, fontsize=size)


def _wrapped(words: str, room: float, font_size: float) -> str:
    """Words on as many lines as ``room`` typographic points ask for, the lines about equally long."""
    limit = max(12, int(room / (0.5 * font_size)))
    lines = len(textwrap.wrap(words, limit, break_long_words=False))
    even = next(width for width in range(max(1, len(words) // max(1, lines)), limit + 1)
                if len(textwrap.wrap(words, width, break_long_words=False)) <= lines)  # fmt: skip
    return "\n".join(textwrap.wrap(words, even, break_long_words=False))


def _entries(plan: Drawing) -> list[Entry]:
    """The legend's entries; names that are written beside their points need none."""
    entries = plan.legend()
    labelled = any(
        mark.label is not None and mark.kind == "points" and not mark.muted
        for mark in plan.spec.marks
    )
    if labelled and len(entries) > 8:
        entries = [entry for entry in entries if entry.explains]
    return [] if len(entries) == 1 and not entries[0].explains else entries


def _legend_columns(entries: list[Entry], font_size: float, width_mm: float) -> int:
    longest = max(len(entry.name) for entry in entries)
    columns = max(
        1, min(len(entries), int(width_mm / 25.4 * 72 // (longest * small(font_size) * 0.52 + 24)))
    )
    return -(-len(entries) // -(-len(entries) // columns))


def _legend(figure, plan: Drawing, font_size: float, width_mm: float) -> None:
    if entries := _entries(plan):
        figure.legend(
            handles=[_handle(plan, entry) for entry in entries],
            loc="outside upper left",
            frameon=False,
            handlelength=1.7,
            columnspacing=1.2,
            ncols=_legend_columns(entries, font_size, width_mm),
            handletextpad=0.5,
            borderpad=0.1,
            labelspacing=0.3,
        )


def _handle(plan: Drawing, entry: Entry):
    name, kind, look, mark = entry.name, entry.kind, entry.look, entry.mark
    if kind in ("band", "histogram"):
        return Patch(facecolor=look.colour, alpha=0.3, linewidth=0, label=name)
    if kind == "bars":
        return Patch(
            facecolor=ink("paper", plan.theme) if look.open else look.colour,
            edgecolor=look.colour,
            linewidth=0.7,
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
        linestyle=(0, (3, 1.6)) if mark.dashed else "-",
        marker=look.matplotlib_marker if points else None,
        markersize=3.4,
        markeredgewidth=0.7,
        markerfacecolor=ink("paper", plan.theme) if look.open else look.colour,
        label=name,
    )


def _stamp(figure, grid, plan: Drawing, font_size: float) -> None:
    notes = [plan.spec.stamp] if plan.spec.stamp else []
    if count := plan.flagged():
        notes.append(f"ringed in red: {count} above {plan.spec.flag_above:g}")
    if notes:
        figure.suptitle(
            "  ·  ".join(notes),
            x=0.995,
            ha="right",
            fontsize=small(font_size),
            color=ink("stamp", plan.theme),
            fontweight="bold",
        )
    if plan.spec.stamp.lower().startswith("simulated"):
        for axes in grid.flat:
            if axes.get_figure() is not None:
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


def _write_labels(figure, axes, plan: Drawing, panel: Panel, font_size: float) -> None:
    """Words beside points, after the layout is settled: positions are those of the finished figure."""
    items, dots, lines = [], [np.empty((0, 2))], [np.empty((0, 2))]
    for mark in panel.marks:
        for series in plan.series(mark):
            if mark.kind not in ("points", "line", "text"):
                continue
            at = axes.transData.transform(series.frame[[X, mark.y]].to_numpy(float))
            if mark.kind == "line":
                lines.append(_along(at, figure.dpi / 12))
            elif mark.kind == "points":
                dots.append(at)
            if mark.label is not None:
                role = "muted" if mark.muted else "text" if mark.kind == "text" else None
                colour = ink(role, plan.theme) if role else series.look.colour
                items += [
                    (point, str(word), colour)
                    for point, word in zip(at, series.frame[mark.label])
                    if str(word)
                ]
    if items:
        size = max(4.5, font_size - 1.5) if len(items) > 15 else small(font_size)
        place_labels(figure, axes, items, np.concatenate(dots), np.concatenate(lines), size)


def _along(points: np.ndarray, step: float) -> np.ndarray:
    """Points every ``step`` pixels along a line."""
    if len(points) < 2:
        return points
    reach = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    at = np.arange(0, reach[-1], step)
    return np.column_stack([np.interp(at, reach, points[:, axis]) for axis in (0, 1)])


def _metadata(spec: FigureSpec, format: str, extra: Mapping[str, str]) -> dict:
    title = f"{spec.title} [{spec.stamp}]" if spec.stamp else spec.title
    subject = " ".join(part for part in (spec.answer, spec.caption) if part)
    if format == "pdf":
        return {
            "Title": title,
            "Subject": subject,
            "Creator": "BrainLens",
            "Keywords": "; ".join(f"{k}: {v}" for k, v in extra.items()),
            "CreationDate": None,
        }
    if format == "svg":
        return {"Title": title, "Description": subject, "Creator": "BrainLens", "Date": None}
    return {
        "Title": title,
        "Description": subject,
        "Software": "BrainLens",
        **{str(k): str(v) for k, v in extra.items()},
    }
