"""How large a printed figure is, and how the figures of one page share it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

import numpy as np
from matplotlib import font_manager
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from dashboards.figures.labels import broken, joints
from dashboards.figures.panels import Drawing, Entry, short
from dashboards.figures.paper_ink import small
from dashboards.figures.style import ink

__all__ = [
    "TWO_LINES",
    "Ink",
    "bare_height",
    "beside_stamp",
    "bins",
    "crowded",
    "entries_of",
    "fitted",
    "foot_lines",
    "foot_mm",
    "foot_size",
    "grid_of",
    "height_of",
    "least_height",
    "legend_columns",
    "long_names",
    "name_size",
    "notes_of",
    "rows_with_room",
    "settings",
    "wrapped",
]

MOST_ENTRIES = 20
"""More names than this make no legend."""
MANY = 24
"""A ranking of more names is written small and close."""
TWO_LINES = 2.4
"""Lines that a row of two takes: with room to the next."""
TALLEST_MM = 95
"""Of the rows of a ranking in one column."""
TALLEST_COLUMN_MM = 118
"""Of a whole ranking in one column, with its axis."""
TALLEST_PAGE_MM = 230
"""Of a ranking on a page."""
FOOT = 5 / 7
"""Of the size of the words of a figure: names that found no room, their count, and a link in its corner."""
_MM = 1 / 25.4


_FONTS = ("Arial", "Helvetica", "Liberation Sans", "DejaVu Sans")


@dataclass(frozen=True)
class Ink:
    """How a figure is printed.

    Parameters
    ----------
    font_size : float
        Points; tick labels and legend are one point smaller, never below 5.
    line_width : float
        Times the lines and points of the house.
    legend : str
        ``"top"``, ``"right"`` or ``"none"``.
    corner : str
        Small words in the lower right corner, such as a short link; empty for none.
    theme : str
    heading : tuple of str
        Paragraphs above the panels of a page, the first one in bold.
    """

    font_size: float = 7
    line_width: float = 1.0
    legend: str = "top"
    corner: str = ""
    theme: str = "light"
    heading: tuple[str, ...] = ()


def grid_of(plan: Drawing, width_mm: float, font_size: float = 7) -> tuple[int, int]:
    """Rows and columns of the parts of a figure."""
    count = len(plan.panels)
    columns = min(count, max(1, int(width_mm // (6 * font_size))), 4)
    return -(-count // columns), columns


def height_of(plan: Drawing, width_mm: float, style: Ink) -> float:
    """Millimetres that suit what a figure shows."""
    font_size = style.font_size
    if (
        brain := plan.spec.brain
    ) is not None:  # outside views are about 3 : 4, flat maps 1 : 1 and twice as wide
        views = sum(0.30 if surface == "flat" else 0.165 for surface in brain.surfaces)
        return width_mm * views + font_size * (0.5 * len(brain.surfaces) + 1.6)
    rows, columns = grid_of(plan, width_mm, font_size)
    if plan.spec.horizontal:
        names = plan.categories or ()
        line = name_size(len(names), font_size) * 0.3528 * 1.24
        if len(names) <= MANY:
            tall = line * TWO_LINES if long_names(plan, width_mm, font_size) else line
            if width_mm < 100 and len(names) * tall > TALLEST_MM:
                tall = line  # a column is no taller than a page allows
            line = max(tall, _dodged(plan, 2.2))
        heads = (
            max((len(short(name)) for name in plan.spec.heat.columns), default=0)
            if plan.spec.heat is not None
            else 0
        )
        return max(30.0, line * len(names)) * rows + 2 * font_size + 0.75 * heads
    panel = width_mm / columns * (0.68 if columns == 1 else 0.95)
    if width_mm > 140 and columns == 1:
        panel = width_mm * 0.55
    if crowded(plan) and columns == 1:
        panel = max(panel, width_mm * (0.95 if width_mm < 100 else 0.72))
    entries = entries_of(plan)
    legend = (
        3.2
        * -(
            -len(entries) // legend_columns(entries, font_size, beside_stamp(plan, style, width_mm))
        )
        if entries and style.legend == "top"
        else 0.0
    )
    return panel * rows + legend + _bar(plan, style) + 4 + foot_mm(font_size) * crowded(plan)


def _bar(plan: Drawing, style: Ink) -> float:
    """Millimetres of the bar that names training steps."""
    return 1.24 * style.font_size if plan.ramp is not None and style.legend == "top" else 0.0


def least_height(plan: Drawing, width_mm: float, style: Ink) -> float:
    """Millimetres below which names, legend and axis of a figure would lie on each other."""
    if plan.spec.brain is not None:
        return height_of(plan, width_mm, style)
    names, size = plan.categories or (), style.font_size
    around = _around(plan, width_mm, style)
    if plan.spec.horizontal:
        return around + max(_line(plan, style), _dodged(plan, 1.5)) * (len(names) + 0.6)
    return around + 16 * grid_of(plan, width_mm, size)[0]


def bare_height(plan: Drawing, width_mm: float, style: Ink, title: str) -> float:
    """Millimetres for the words of a panel alone, its title on so many lines: points of one row may touch, names may not."""
    if plan.spec.brain is not None:
        return least_height(plan, width_mm, style)
    size = style.font_size
    around = _around(plan, width_mm, style) + title.count("\n") * 1.24 * 0.3528 * (size + 1)
    if plan.spec.horizontal:
        return around + _line(plan, style) * len(plan.categories or ())
    return around + 9 * grid_of(plan, width_mm, size)[0]


def _line(plan: Drawing, style: Ink) -> float:
    """Millimetres of a name of a ranking."""
    return name_size(len(plan.categories or ()), style.font_size) * 0.3528 * 1.24


def _around(plan: Drawing, width_mm: float, style: Ink) -> float:
    """Millimetres of legend, title, ticks and what stands below them, and of names below or above the panel."""
    names, size = plan.categories or (), style.font_size
    entries = entries_of(plan) if style.legend == "top" else []
    room = beside_stamp(plan, style, width_mm)
    legend = -(-len(entries) // legend_columns(entries, size, room)) if entries else 0
    around = (legend + 4.5) * 1.24 * 0.3528 * size + 3
    if plan.spec.horizontal:
        heads = 0 if plan.spec.heat is None else max(len(short(one)) for one in plan.spec.heat)
        return around + 0.75 * heads
    longest = max(map(len, names), default=0)
    words = wrapped(names, width_mm * _MM, size)
    more = max((one.count("\n") for one in words), default=0) if words is not None else 0
    below = 0.1 * longest * small(size) if words is None else 0.44 * small(size) * more
    return around + _bar(plan, style) + below


def _dodged(plan: Drawing, each: float) -> float:
    """Millimetres of a row that holds several points below each other."""
    beside = round(0.8 / plan.width)
    return each * beside if beside > 1 else 0.0


def long_names(plan: Drawing, width_mm: float, font_size: float) -> bool:
    """Whether the names of a ranking would take so much of the width that they are better written on two lines."""
    names = plan.categories or ()
    size = name_size(len(names), font_size)
    return 0.5 * size * max(map(len, names), default=0) > 0.42 * width_mm * _MM * 72


def fitted(
    heights: list[float], least: list[float], room: float, bare: list[float] | None = None
) -> list[float]:
    """Rows that fill the page: each as it needs, and what is left in proportion to what it would like.

    Where the page has no room for that, each keeps what its words need (``bare``), and the rest is shared in the same way.
    """
    if len(heights) == 1:
        return [room]
    if room > sum(least):
        low, wished = least, heights
    else:
        low, wished = bare or [0.0] * len(least), least
    if room <= sum(low):
        return [room * one / sum(low) for one in low]
    spare = [max(one - some, 0.0) + 1e-6 for one, some in zip(wished, low)]
    return [some + (room - sum(low)) * one / sum(spare) for some, one in zip(low, spare)]


def rows_with_room(plan: Drawing, width_mm: float, height_mm: float | None, style: Ink) -> int:
    """How many rows of a long ranking a page holds; at a height of their own, as many as a column or a page is tall."""
    names = plan.categories or ()
    if not (plan.spec.horizontal and len(names) > MANY):
        return len(names)
    tallest = height_mm or (TALLEST_COLUMN_MM if width_mm < 100 else max(TALLEST_PAGE_MM, width_mm))
    tall = least_height if height_mm else height_of
    holds = (
        count
        for count in range(len(names), 3, -1)
        if tall(replace(plan, categories=names[:count]), width_mm, style) <= tallest
    )
    return next(holds, 3)


def crowded(plan: Drawing) -> bool:
    """Whether so many points are named that some names may find no room."""
    labelled = (
        mark for mark in plan.spec.marks if mark.label is not None and mark.kind == "points"
    )
    return sum(len(mark.frame) for mark in labelled) > 15


def foot_size(font_size: float) -> float:
    """Points of what stands at the foot of a figure, never below 5."""
    return max(5.0, FOOT * font_size)


def foot_mm(font_size: float) -> float:
    """Millimetres of a line of the foot: names that are numbers in the figure, and the count of what found no room."""
    return 0.48 * foot_size(font_size)


def foot_lines(key: dict[str, int], font_size: float, width_mm: float) -> list[str]:
    """What the numbers in a figure stand for, on as many lines as the page asks for.

    Parameters
    ----------
    key : dict of str to int
        Name -> number.
    font_size, width_mm : float

    Returns
    -------
    list of str

    Examples
    --------
    >>> foot_lines({"gpt2": 1, "bert": 2}, 7, 85)
    ['1 gpt2   2 bert']
    """
    size, lines = foot_size(font_size), [""]
    for name, number in sorted(key.items(), key=lambda one: one[1]):
        entry = f"{number} {' '.join(name.split())}"
        longer = f"{lines[-1]}   {entry}" if lines[-1] else entry
        if lines[-1] and _wide(longer, size) > 0.97 * width_mm / 25.4 * 72:
            lines.append(entry)
        else:
            lines[-1] = longer
    return [line for line in lines if line]


def name_size(names: int, font_size: float) -> float:
    """Points of the names of a ranking: smaller where there are many, never below 5, nor below 9 on a slide."""
    return max(
        5.0,
        small(font_size) if names <= MANY else min(small(font_size), max(5.5, 0.65 * font_size)),
    )


def entries_of(plan: Drawing) -> list[Entry]:
    """The legend's entries; names that are written beside their points need none."""
    entries = plan.legend()
    labelled = any(
        mark.label is not None and mark.kind == "points" and not mark.muted
        for mark in plan.spec.marks
    )
    if labelled and len(entries) > 8:
        entries = [entry for entry in entries if entry.explains]
    if (
        len(entries) > MOST_ENTRIES
    ):  # a legend larger than its figure: the table and the screen name them
        entries = [entry for entry in entries if entry.explains]
    return entries


_APART = 1.2
"""Heights of a letter that two words below an axis are apart at least: one space between them, and they read as one."""


def wrapped(names: tuple[str, ...], inches: float, font_size: float) -> list[str] | None:
    """The words of a categorical axis on up to three lines each; None where that is not enough: then they are slanted."""
    size = small(font_size)
    place = inches * 72 * 0.82 / max(1, len(names))
    least = max((len(part.rstrip()) for name in names for part in joints(name)), default=0)
    for letters in range(max(map(len, names), default=0), least - 1, -1):
        found = [broken(name, letters) for name in names]
        if any(words.count("\n") > 2 for words in found):
            return None
        wide = [max(_wide(line, size) for line in words.split("\n")) for words in found]
        if len(names) < 2 and (not wide or wide[0] <= place):
            return found
        if len(names) > 1 and all((a + b) / 2 + _APART * size <= place for a, b in pairwise(wide)):
            return found
    return None


@lru_cache(maxsize=4096)
def _wide(words: str, size: float) -> float:
    """Points that a line of words takes in print."""
    return text_to_path.get_text_width_height_descent(words, FontProperties(size=size), False)[0]


def beside_stamp(plan: Drawing, style: Ink, width_mm: float) -> float:
    """Millimetres that the stamp, which stands on the right, leaves to a legend above the figure."""
    return width_mm - 0.7 * small(style.font_size) * len(notes_of(plan)) / 72 * 25.4


def notes_of(plan: Drawing) -> str:
    """The stamp, and how many values are ringed in red."""
    notes = [plan.spec.stamp] if plan.spec.stamp else []
    if count := plan.flagged():
        notes.append(f"ringed in red: {count} above {plan.spec.flag_above:g}")
    return "  ·  ".join(notes)


def legend_columns(entries: list[Entry], font_size: float, width_mm: float) -> int:
    """Into how many columns the names of a legend fit, lines about equally full."""
    longest = max(len(entry.name) for entry in entries)
    handle = 24 if sum(one.kind == "line" and one.mark.muted for one in entries) < 2 else 38
    room = width_mm / 25.4 * 72
    columns = max(1, min(len(entries), int(room // (longest * small(font_size) * 0.52 + handle))))
    return -(-len(entries) // -(-len(entries) // columns))


def bins(inches: float, font_size: float) -> int:
    """How many ticks of an axis have room for their numbers."""
    return int(np.clip(inches * 72 * 0.75 / (4.2 * small(font_size)), 2, 6))


def settings(style: Ink) -> dict:
    """What Matplotlib is told of a style: fonts, sizes, colours."""
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
