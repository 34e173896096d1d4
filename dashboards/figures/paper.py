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
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import Bbox

from dashboards.figures.brain import COLOURS, paint, views
from dashboards.figures.labels import on_lines, without_room
from dashboards.figures.panels import Drawing, drawing
from dashboards.figures.paper_around import draw_legend, write_stamp, write_titles
from dashboards.figures.paper_axes import category_names, draw_panel
from dashboards.figures.paper_ink import small, step_bar, with_heat
from dashboards.figures.paper_layout import (
    TALLEST_COLUMN_MM,
    Ink,
    bare_height,
    crowded,
    fitted,
    foot_lines,
    foot_mm,
    foot_size,
    grid_of,
    height_of,
    least_height,
    name_size,
    rows_with_room,
    settings,
)
from dashboards.figures.paper_words import name_ends, write_labels
from dashboards.figures.spec import FigureSpec
from dashboards.figures.style import ink
from data.errors import BrainLensError, unknown

__all__ = ["FORMATS", "LEGENDS", "WIDTHS_MM", "Ink", "boxes", "lettered", "render", "rows_drawn"]

WIDTHS_MM = (85, 114, 174)
"""One column, one and a half, two."""
FORMATS = ("pdf", "svg", "png")
LEGENDS = ("top", "right", "none")
_FOOTS = 4
"""Times a figure is drawn at most, until its foot has the lines that its numbered names ask for."""
_MM = 1 / 25.4
_LOCK = threading.Lock()  # rcParams are global to the process


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
        every = [spec] if isinstance(spec, FigureSpec) else list(spec)
        page = None
        if margin_mm:
            (wide, high), edge = figure.get_size_inches(), margin_mm * _MM
            page = Bbox.from_extents(-edge, -edge, wide + edge, high + edge)
        figure.savefig(
            out,
            format=format,
            dpi="figure"
            if all(one.brain is None for one in every)
            else dpi,  # a mesh is a raster, also in PDF and SVG
            bbox_inches=page,
            facecolor=figure.get_facecolor(),
            metadata=_metadata(every, format, metadata or {}),
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


def rows_drawn(
    spec: FigureSpec, *, width_mm: float = 85, height_mm: float | None = None, **style
) -> tuple[int, int]:
    """How many rows of a ranking find room on a page of this size, and how many there are; 0 of 0 where there are no rows."""
    ink_ = Ink(**style)
    plan = drawing(spec, ink_.theme)
    whole = len(plan.categories or ())
    return min(whole, rows_with_room(plan, width_mm, height_mm, ink_)), whole


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
    cut = [0] * len(plans)
    if len(plans) == 1:
        whole = len(plans[0].categories or ())
        room = rows_with_room(plans[0], width_mm, height_mm, style)
        if room < whole:
            cut, plans = [whole - room], [plans[0].first_rows(room)]
            rows = [plans]
    heights = [max(height_of(plan, each, style) for plan in row) for row in rows]
    paragraphs = _paragraphs(style, width_mm)
    above = (len(paragraphs) + 0.8) * 1.3 * style.font_size * 25.4 / 72 if paragraphs else 0.0
    if height_mm:
        least = [max(least_height(plan, each, style) for plan in row) for row in rows]
        titles = [
            _title(letter, plan, style, each) for letter, plan in zip(lettered(len(plans)), plans)
        ]
        words = [bare_height(plan, each, style, title) for plan, title in zip(plans, titles)]
        bare = [max(words[i : i + across]) for i in range(0, len(plans), across)]
        heights = fitted(heights, least, height_mm - above, bare)
    first = foot = int(any(map(crowded, plans)) or any(cut))  # a line for what finds no room
    high = sum(heights) + above
    with _LOCK, mpl.rc_context(settings(style)):
        for _ in range(_FOOTS):
            tall = high + (foot - first) * foot_mm(style.font_size) * (not height_mm)
            page = max(high, min(tall, TALLEST_COLUMN_MM) if width_mm < 100 else tall)
            figure, said = _made(rows, heights, (width_mm, page, above), foot, cut, style, dpi, paragraphs)  # fmt: skip
            if len(said) + bool(said and style.corner) <= foot:
                break
            foot = len(said) + bool(style.corner)  # the link in the corner keeps its own line
        for number, words in enumerate(reversed(said)):
            line = (number + bool(style.corner)) * foot_mm(style.font_size) / page
            figure.text(0.002, 0.004 + line, words, ha="left", va="bottom", fontsize=foot_size(style.font_size),
                        color=ink("axis", style.theme))  # fmt: skip
        yield figure


def _made(rows: list[list[Drawing]], heights: list[float], page: tuple[float, float, float], foot: int, cut: list[int],
          style: Ink, dpi: float, paragraphs: list[tuple[str, str]]) -> tuple[Figure, list[str]]:  # fmt: skip
    """The figure above ``foot`` empty lines, and what is to stand on them; ``page``: its width and height, and its heading's."""
    (width_mm, tall, above), plans = page, [plan for row in rows for plan in row]
    figure = Figure(
        figsize=(width_mm * _MM, tall * _MM),
        dpi=dpi,
        layout="constrained",
        facecolor=ink("paper", style.theme),
    )
    FigureCanvasAgg(figure)
    figure.get_layout_engine().set(w_pad=2.5 / 72, h_pad=2 / 72, wspace=0.03,
                                   hspace=0.07 if len(rows) < 5 else 0.01)  # fmt: skip
    if foot:
        share = foot * foot_mm(style.font_size) / tall
        figure.get_layout_engine().set(rect=(0, share, 1, 1 - share))
    part = figure
    if paragraphs:
        top, part = figure.subfigures(2, 1, height_ratios=[above, tall - above])
        _write_heading(top, paragraphs, style)
    across = len(rows[0])
    each = width_mm / across
    if len(plans) == 1:
        parts = [part]
    else:
        grid = part.subfigures(len(rows), across, squeeze=False, height_ratios=heights)
        parts = list(grid.flat)[: len(plans)]
    places = [place for place, row in enumerate(rows) for _ in row]
    drawn = []
    for letter, part, plan, row in zip(lettered(len(plans)), parts, plans, places):
        title = _title(letter, plan, style, each) if len(plans) > 1 else ""
        drawn.append(_part(part, plan, (each * _MM, heights[row] * _MM), style, title))
    if style.corner:
        figure.text(0.998, 0.004, style.corner, ha="right", va="bottom", fontsize=foot_size(style.font_size),
                    color=ink("axis", style.theme)).set_in_layout(False)  # fmt: skip
    figure.draw_without_rendering()
    figure.set_layout_engine(
        "none"
    )  # from here on nothing moves: labels are placed in the finished figure
    left_out, key = 0, {}
    for plan, grid in zip(plans, drawn, strict=True):
        for axes, panel in zip(grid.flat, plan.panels, strict=False):
            name_ends(figure, axes, plan, panel, style.font_size)
            left_out += write_labels(figure, axes, plan, panel, style, key)
    counted = _without_room(left_out, sum(cut))  # nothing is dropped silently
    return figure, [*foot_lines(key, style.font_size, width_mm), *filter(None, [counted])]


def _without_room(names: int, rows: int) -> str:
    """What the foot says of names and rows that are not on the page; empty where all are."""
    if rows:
        return f"… {rows} more {'row' if rows == 1 else 'rows'}: see the table"
    return without_room(names)


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
    return on_lines(
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
        draw_panel(axes, plan, panel, style, size[0] / columns)
    for axes in list(grid.flat)[len(plan.panels) :]:
        axes.remove()
    if style.legend != "none":
        axes = [one for one in grid.flat if one.figure is not None]
        step_bar(part, axes, plan, style.font_size, size[0], above=style.legend == "top")
    names = category_names(plan, size, style.font_size)
    if names != list(plan.categories or ()):
        for axes in grid.flat[: len(plan.panels)]:
            lines = name_size(len(names), style.font_size)
            axes.set_yticks(range(len(names)), names, fontsize=lines, linespacing=1.1)
    write_titles(part, grid, plan, size, names)
    draw_legend(part, plan, style, size[0] / _MM)
    write_stamp(part, grid, plan, style.font_size, letter)
    return grid


def _cortex(part, plan: Drawing, size: tuple[float, float], style: Ink, letter: str):
    """Views of the cortex with their names and a colour bar; no axes that marks could be written into."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

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
    _below_the_edge(part, every)
    return np.empty((0, 0), object)


def _below_the_edge(part, every: list) -> None:
    """Room for the names of views: the layout takes views of a fixed shape for lower than they are, and names left the paper."""
    engine, page = part.get_layout_engine(), part.get_figure(root=True)
    engine.execute(page)
    for axes in every:
        axes.apply_aspect()
    over = max(axes.title.get_window_extent().y1 for axes in every) - part.bbox.y1
    if over > 0:
        engine.set(rect=(0, 0, 1, 1 - (over + 1) / page.bbox.height))


def _metadata(every: Sequence[FigureSpec], format: str, extra: Mapping[str, str]) -> dict:
    """What a file says of itself; of a sheet what each of its panels says."""
    title = "; ".join(dict.fromkeys(one.title for one in every))
    if stamps := "; ".join(dict.fromkeys(one.stamp for one in every if one.stamp)):
        title += f" [{stamps}]"
    said = [" ".join(filter(None, (one.answer, one.caption))) for one in every]
    letters = lettered(len(every)) if len(every) > 1 else [""]
    subject = " ".join(
        f"{a}. {words}" if a else words for a, words in zip(letters, said, strict=True)
    )
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
