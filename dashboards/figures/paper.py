"""Draw a figure for print: Matplotlib, real text, no browser.

``render(spec, *, width_mm=85, height_mm=None, font_size=7, format="pdf", dpi=300, theme="light", metadata=None) -> bytes``

Text stays text (``pdf.fonttype`` 42, ``svg.fonttype`` none), nothing is clipped, and two calls with the same spec give the same
bytes.
"""

from __future__ import annotations

import io
import textwrap
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import product
from string import ascii_uppercase

import matplotlib as mpl
import numpy as np
from matplotlib import font_manager
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.text import Text
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullFormatter
from matplotlib.transforms import Bbox

from dashboards.figures.labels import broken, shortened
from dashboards.figures.panels import Drawing, Entry, Panel, drawing
from dashboards.figures.paper_ink import (
    DASHES,
    DRAWERS,
    rule_area,
    rule_line,
    small,
    step_bar,
    with_heat,
)
from dashboards.figures.paper_layout import (
    TWO_LINES,
    Ink,
    beside_stamp,
    bins,
    crowded,
    entries_of,
    fitted,
    foot_mm,
    foot_size,
    grid_of,
    height_of,
    least_height,
    legend_columns,
    long_names,
    name_size,
    notes_of,
    wrapped,
)
from dashboards.figures.paper_words import name_ends, write_labels
from dashboards.figures.spec import FigureSpec
from dashboards.figures.style import ink
from data.errors import BrainLensError, unknown

__all__ = ["FORMATS", "LEGENDS", "WIDTHS_MM", "Ink", "boxes", "lettered", "render"]

WIDTHS_MM = (85, 114, 174)
"""One column, one and a half, two."""
FORMATS = ("pdf", "svg", "png")
LEGENDS = ("top", "right", "none")
_MM = 1 / 25.4
_LOCK = threading.Lock()  # rcParams are global to the process
_FONTS = ("Arial", "Helvetica", "Liberation Sans", "DejaVu Sans")


def render(
    spec: FigureSpec | Sequence[FigureSpec],
    *,
    width_mm: float = 85,
    height_mm: float | None = None,
    font_size: float = 7,
    format: str = "pdf",
    dpi: int = 300,
    theme: str = "light",
    line_width: float = 1.0,
    legend: str = "top",
    corner: str = "",
    heading: tuple[str, ...] = (),
    margin_mm: float = 0.0,
    metadata: Mapping[str, str] | None = None,
) -> bytes:
    """The figure as a file.

    Parameters
    ----------
    spec : FigureSpec or sequence of FigureSpec
        Several become panels A, B, C of one sheet.
    width_mm : float
        85, 114 and 174 mm are a journal's one, one and a half and two columns; any width from 40 to 1200 is drawn.
    height_mm : float, optional
        None: what suits the content.
    font_size, line_width, legend, corner, theme, heading
        As of :class:`Ink`.
    format : str
        One of :data:`FORMATS`.
    dpi : int
        Of a PNG, and of the cortex in every format.
    margin_mm : float
        Blank paper around the figure, beyond its width and height: a page for a printer.
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
    if not 36 <= dpi <= 1200:
        raise BrainLensError(f"dpi={dpi} cannot be drawn", remedy="Give 36 to 1200")
    ink_ = Ink(font_size, line_width, legend, corner, theme, heading)
    with _drawn(spec, ink_, width_mm, height_mm, dpi if format == "png" else 72) as figure:
        out = io.BytesIO()
        first = spec if isinstance(spec, FigureSpec) else spec[0]
        page = None
        if margin_mm:
            (wide, high), edge = figure.get_size_inches(), margin_mm * _MM
            page = Bbox.from_extents(-edge, -edge, wide + edge, high + edge)
        figure.savefig(
            out,
            format=format,
            dpi="figure" if first.brain is None else dpi,  # a mesh is a raster, also in PDF and SVG
            bbox_inches=page,
            facecolor=figure.get_facecolor(),
            metadata=_metadata(first, format, metadata or {}),
        )
    return out.getvalue()


def boxes(
    spec, *, width_mm: float = 85, height_mm: float | None = None, **style
) -> tuple[list, tuple[float, float]]:
    """Every text of the finished figure with the box it takes, and the size of the page, in millimetres.

    Returns
    -------
    texts : list of (words, (left, bottom, right, top))
        Without the pale word across simulated data, which lies behind everything.
    page : (width, height)
    """
    with _drawn(spec, Ink(**style), width_mm, height_mm, 72) as figure:
        canvas = figure.canvas.get_renderer()
        found, hidden = [], _undrawn(figure)
        for text in figure.findobj(Text):
            words = text.get_text().strip()
            if not words or not text.get_visible() or words == "SIMULATED" or id(text) in hidden:
                continue
            found += [
                (words, tuple(side / 72 * 25.4 for side in box)) for box in _covers(text, canvas)
            ]
        page = tuple(25.4 * side for side in figure.get_size_inches())
    return found, page


def _covers(text: Text, canvas) -> list[tuple[float, ...]]:
    """What a text covers, as upright boxes: slanted words are a row of squares."""
    box = text.get_window_extent(canvas)
    angle = np.deg2rad(text.get_rotation() % 180)
    cos, sin = abs(np.cos(angle)), abs(np.sin(angle))
    if min(cos, sin) < 0.01 or angle > np.pi / 2:
        return [(box.x0, box.y0, box.x1, box.y1)]
    long, high = np.linalg.solve([[cos, sin], [sin, cos]], [box.width, box.height])
    half, step = 0.4 * high, 0.8 * high / max(cos, sin)
    at = np.arange(high / 2, max(long, high), step)[:, None]
    middle = np.array([box.x0 + high / 2 * sin, box.y0 + high / 2 * cos]) + at * [cos, sin]
    return [(x - half, y - half, x + half, y + half) for x, y in middle]


def _undrawn(figure: Figure) -> set[int]:
    """Labels of ticks that lie outside their axis or whose axes are off, by identity: they exist and are not drawn."""
    every, drawn = set(), set()
    for axes in figure.axes:
        for axis in axes._axis_map.values():
            shown = axis._update_ticks() if axes.axison else ()
            for found, ticks in ((every, (*axis.majorTicks, *axis.minorTicks)), (drawn, shown)):
                found |= {id(label) for tick in ticks for label in (tick.label1, tick.label2)}
    return every - drawn


@contextmanager
def _drawn(
    spec, style: Ink, width_mm: float, height_mm: float | None, dpi: float
) -> Iterator[Figure]:
    specs = [spec] if isinstance(spec, FigureSpec) else list(spec)
    for name, value, low, high in (
        ("width_mm", width_mm, 40, 1200),
        ("height_mm", height_mm or 60, 25, 1200),
        ("font_size", style.font_size, 4, 60),
        ("line_width", style.line_width, 0.3, 6),
    ):
        if not low <= value <= high:
            raise BrainLensError(f"{name}={value} cannot be drawn", remedy=f"Give {low} to {high}")
    if style.legend not in LEGENDS:
        raise unknown("place of the legend", style.legend, LEGENDS)
    if not specs or any(one.empty for one in specs):
        raise BrainLensError(
            "There is nothing to draw: every mark is empty",
            remedy="Choose models and a recording first",
        )
    plans = [drawing(one, style.theme) for one in specs]
    across = 1 if len(plans) == 1 else max(1, min(len(plans), int(width_mm // 80), 3))
    rows = [plans[i : i + across] for i in range(0, len(plans), across)]
    each = width_mm / across
    heights = [max(height_of(plan, each, style) for plan in row) for row in rows]
    paragraphs = _paragraphs(style, width_mm)
    above = (len(paragraphs) + 0.8) * 1.3 * style.font_size * 25.4 / 72 if paragraphs else 0.0
    if height_mm:
        least = [max(least_height(plan, each, style) for plan in row) for row in rows]
        heights = fitted(heights, least, height_mm - above)
    with _LOCK, mpl.rc_context(_rc(style)):
        figure = Figure(
            figsize=(width_mm * _MM, (sum(heights) + above) * _MM),
            dpi=dpi,
            layout="constrained",
            facecolor=ink("paper", style.theme),
        )
        FigureCanvasAgg(figure)
        figure.get_layout_engine().set(w_pad=2.5 / 72, h_pad=2 / 72, wspace=0.03,
                                       hspace=0.07 if len(rows) < 5 else 0.01)  # fmt: skip
        if any(crowded(plan) for plan in plans):  # a line for the count of names that find no room
            foot = foot_mm(style.font_size) / (sum(heights) + above)
            figure.get_layout_engine().set(rect=(0, foot, 1, 1 - foot))
        page = figure
        if paragraphs:
            top, page = figure.subfigures(2, 1, height_ratios=[above, sum(heights)])
            _write_heading(top, paragraphs, style)
        if len(plans) == 1:
            parts = [page]
        else:
            grid = page.subfigures(len(rows), across, squeeze=False, height_ratios=heights)
            parts = list(grid.flat)[: len(plans)]
        places = [place for place, row in enumerate(rows) for _ in row]
        drawn = []
        for letter, part, plan, row in zip(lettered(len(plans)), parts, plans, places):
            size = (each * _MM, heights[row] * _MM)
            drawn.append(
                _part(
                    part,
                    plan,
                    size,
                    style,
                    _title(letter, plan, style, each) if len(plans) > 1 else "",
                )
            )
        if style.corner:
            figure.text(0.998, 0.004, style.corner, ha="right", va="bottom", fontsize=foot_size(style.font_size),
                        color=ink("axis", style.theme)).set_in_layout(False)  # fmt: skip
        figure.draw_without_rendering()
        figure.set_layout_engine(
            "none"
        )  # from here on nothing moves: labels are placed in the finished figure
        left_out = 0
        for plan, grid in zip(plans, drawn, strict=True):
            for axes, panel in zip(grid.flat, plan.panels, strict=False):
                name_ends(figure, axes, plan, panel, style.font_size)
                left_out += write_labels(figure, axes, plan, panel, style)
        if left_out:  # nothing is dropped silently
            words = f"{left_out} {'name' if left_out == 1 else 'names'} without room: see the table"
            figure.text(
                0.002,
                0.004,
                words,
                ha="left",
                va="bottom",
                fontsize=foot_size(style.font_size),
                color=ink("axis", style.theme),
            )
        yield figure


def lettered(count: int) -> list[str]:
    """Of the panels of a sheet: A to Z, then AA to ZZ.

    Parameters
    ----------
    count : int

    Examples
    --------
    >>> lettered(28)[25:]
    ['Z', 'AA', 'AB']
    """
    every = [*ascii_uppercase, *map("".join, product(ascii_uppercase, repeat=2))]
    return every[:count]


def _title(letter: str, plan: Drawing, style: Ink, width_mm: float) -> str:
    """The letter of a panel; on a page with a heading its question too, on as many lines as it needs."""
    if not style.heading:
        return letter
    share = 0.42 if plan.spec.horizontal else 0.8  # names stand on the left
    return _wrapped(
        f"{letter}  {plan.spec.title}", share * width_mm * _MM * 72, style.font_size + 1
    )


def _paragraphs(style: Ink, width_mm: float) -> list[tuple[str, str]]:
    """Lines of the heading that fit the page, with their weight."""
    letters = max(20, int(width_mm * _MM * 72 / (0.57 * style.font_size)))
    return [
        (line, "bold" if number == 0 else "normal")
        for number, words in enumerate(style.heading)
        for line in textwrap.wrap(words, letters)
    ]


def _write_heading(part, lines: list[tuple[str, str]], style: Ink) -> None:
    """The paragraphs, line by line from the top."""
    step = 1 / (len(lines) + 0.8)
    for number, (words, weight) in enumerate(lines):
        part.text(0.008, 1 - (number + 0.7) * step, words, ha="left", va="center", weight=weight,
                  fontsize=style.font_size, color=ink("text", style.theme)).set_in_layout(False)  # fmt: skip


def _part(part, plan: Drawing, size: tuple[float, float], style: Ink, letter: str):
    """One figure of the sheet; its axes."""
    if plan.spec.brain is not None:
        return _cortex(part, plan, size, style, letter)
    rows, columns = grid_of(plan, size[0] / _MM, style.font_size)
    if plan.spec.heat is not None:
        grid = with_heat(part, plan, style)
    else:
        grid = part.subplots(rows, columns, squeeze=False, sharey=len(plan.panels) > 1)
    for axes, panel in zip(grid.flat, plan.panels, strict=False):
        _panel(axes, plan, panel, style, size[0] / columns)
    for axes in list(grid.flat)[len(plan.panels) :]:
        axes.remove()
    if style.legend != "none":
        axes = [one for one in grid.flat if one.figure is not None]
        step_bar(part, axes, plan, style.font_size, size[0], above=style.legend == "top")
    names = _names(plan, size, style.font_size)
    if names != list(plan.categories or ()):
        for axes in grid.flat[: len(plan.panels)]:
            lines = name_size(len(names), style.font_size)
            axes.set_yticks(range(len(names)), names, fontsize=lines, linespacing=1.1)
    _titles(part, grid, plan, size, names)
    _legend(part, plan, style, size[0] / _MM)
    _stamp(part, grid, plan, style.font_size, letter)
    return grid


def _cortex(part, plan: Drawing, size: tuple[float, float], style: Ink, letter: str):
    """Views of the cortex with their names and a colour bar; no axes that marks could be written into."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    from dashboards.figures.brain import COLOURS, paint, views

    brain, theme = plan.spec.brain, plan.theme
    folded = size[1] > 0.5 * size[0] and brain.surfaces != ("flat",) and len(brain.surfaces) == 1
    grid = part.add_gridspec(2, 2) if folded else part.add_gridspec(len(brain.surfaces), 4)
    every = []
    for row, column, span, surface, side, view in views(brain):
        place = (column // 2, column % 2) if folded else (row, slice(column, column + span))
        axes = part.add_subplot(grid[place])
        paint(axes, brain, surface, side, view)
        axes.set_title(f"{side} {view}", fontsize=small(style.font_size), pad=1)
        every.append(axes)
    bar = part.colorbar(
        ScalarMappable(Normalize(brain.low, brain.high), COLOURS),
        ax=every,
        location="bottom",
        shrink=0.4,
        aspect=30,
        pad=0.02,
    )
    bar.outline.set_linewidth(0.4)
    bar.set_label(brain.label, fontsize=style.font_size)
    bar.ax.xaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]))
    bar.ax.tick_params(labelsize=small(style.font_size))
    if letter:
        every[0].text(0, 1.12, letter, transform=every[0].transAxes, fontweight="bold", fontsize=style.font_size + 2)  # fmt: skip
    if plan.spec.stamp:
        part.suptitle(plan.spec.stamp, x=0.995, ha="right", fontsize=small(style.font_size),
                      color=ink("stamp", theme), fontweight="bold")  # fmt: skip
    return np.empty((0, 0), object)


def _rc(style: Ink) -> dict:
    font_size, theme = style.font_size, style.theme
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
        "xtick.major.pad": max(2, 0.42 * font_size),
        "ytick.major.pad": max(2, 0.3 * font_size),
        "axes.labelpad": 2.5,
        "lines.solid_capstyle": "round",
        "hatch.linewidth": 0.5,
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


# ---- one panel ----------------------------------------------------------------------------------------------------------
def _panel(axes, plan: Drawing, panel: Panel, style: Ink, width: float) -> None:
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
    for line in (*axes.lines, *axes.collections):
        _thicken(line, style.line_width)
    if panel.title:
        letters = int(0.82 * 72 * width / (0.62 * font_size))
        axes.set_title(broken(panel.title, max(8, letters)), loc="left", fontweight="bold", pad=3)


def _thicken(artist, times: float) -> None:
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


def _names(plan: Drawing, inches: tuple[float, float], font_size: float) -> list[str]:
    """Names of a ranking; long ones on two lines where its rows are high enough."""
    names, size = list(plan.categories or ()), name_size(len(plan.categories or ()), font_size)
    if not (plan.spec.horizontal and long_names(plan, inches[0] / _MM, font_size)):
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


# ---- around the panels ----------------------------------------------------------------------------------------------------
def _titles(figure, grid, plan: Drawing, inches: tuple[float, float], names: list[str]) -> None:
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
        _wrapped(text, share * side * 72, size)
        for text, share, side in zip(
            titles[::-1] if plan.spec.horizontal else titles, shares, inches
        )
    )
    for axes in grid[:, 0]:
        axes.set_ylabel(
            _wrapped(up, 0.9 * inches[1] / len(grid) * 72, size) if len(grid) > 1 else up
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


def _wrapped(words: str, room: float, font_size: float) -> str:
    """Words on as many lines as ``room`` typographic points ask for, parted before a bracket, else about evenly."""
    limit = max(12, int(room / (0.5 * font_size)))
    head, bracket, rest = words.partition(" (")
    if len(words) > limit and bracket and max(len(head), len(rest) + 1) <= limit:
        return f"{head}\n({rest}"
    lines = len(textwrap.wrap(words, limit, break_long_words=False))
    even = next(width for width in range(max(1, len(words) // max(1, lines)), limit + 1)
                if len(textwrap.wrap(words, width, break_long_words=False)) <= lines)  # fmt: skip
    return "\n".join(textwrap.wrap(words, even, break_long_words=False))


def _legend(figure, plan: Drawing, style: Ink, width_mm: float) -> None:
    entries = entries_of(plan) if style.legend != "none" else []
    if entries:
        font_size, above = style.font_size, style.legend == "top"
        handles = [_handle(plan, entry) for entry in entries]
        for handle in handles:
            _thicken(handle, style.line_width)
        figure.legend(
            handles=handles,
            loc="outside upper left" if above else "outside right upper",
            frameon=False,
            handlelength=1.7,
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
        linestyle=DASHES[plan.dash(mark, look)],
        marker=look.matplotlib_marker if points else None,
        markersize=3.4,
        markeredgewidth=0.7,
        markerfacecolor=ink("paper", plan.theme) if look.open else look.colour,
        label=name,
    )


def _stamp(figure, grid, plan: Drawing, font_size: float, letter: str = "") -> None:
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
        words = [f"{key}: {value}" for key, value in extra.items()]
        return {"Title": title, "Description": subject, "Creator": "BrainLens", "Date": None} | (
            {"Keywords": words} if words else {}
        )
    return {
        "Title": title,
        "Description": subject,
        "Software": "BrainLens",
        **{str(k): str(v) for k, v in extra.items()},
    }
