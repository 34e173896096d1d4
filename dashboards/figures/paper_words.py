"""Words of a printed figure that are placed when nothing moves any more: names at the ends of lines, beside points, on bars."""

from __future__ import annotations

import textwrap
from collections.abc import Callable

import numpy as np

from dashboards.figures.labels import broken, spread
from dashboards.figures.panels import Drawing, Panel, X
from dashboards.figures.paper_ink import RING, small
from dashboards.figures.paper_layout import Ink
from dashboards.figures.placing import obstacles, place_labels
from dashboards.figures.style import ink, lettering

__all__ = ["name_ends", "write_labels"]


def name_ends(figure, axes, plan: Drawing, panel: Panel, font_size: float) -> None:
    """Names in the right margin of the finished figure, none over another."""
    ends = plan.ends(panel)
    if not ends:
        return
    canvas, size = figure.canvas.get_renderer(), small(font_size)
    area = axes.get_window_extent(canvas)
    right = plan.extent[1]
    at = axes.transData.transform([(right, end.value) for end in ends])
    gap, line = 0.35 * size * figure.dpi / 72, size * figure.dpi / 72 * 1.16
    style = {"fontsize": size, "ha": "left", "va": "center", "transform": axes.transAxes}
    drawn = [
        axes.text(0, 0, end.words, color=end.colour, zorder=8, linespacing=1.2, **style)
        for end in ends
    ]
    for text, (x, _) in zip(drawn, at, strict=True):
        text.set_in_layout(False)
        wide, room = text.get_window_extent(canvas).width, area.x1 - x - gap
        if wide > room + 1:  # a long name takes two lines
            words = text.get_text()
            text.set_text(broken(words, max(6, int(0.97 * len(words) * room / wide))))
    # as high as they are drawn: lines of one font stand further apart than those of another
    tall = [text.get_window_extent(canvas).height for text in drawn]
    lines = [line * (1 + text.get_text().count("\n")) for text in drawn]
    sizes = np.maximum(lines, tall)
    places = spread(at[:, 1], sizes, area.y0, area.y1)
    inverse = axes.transAxes.inverted()
    for text, (x, _), y in zip(drawn, at, places, strict=True):
        text.set_position(inverse.transform((x + gap, y)))


def write_labels(figure, axes, plan: Drawing, panel: Panel, style: Ink, key: dict[str, int]) -> int:
    """Words beside points, after the layout is settled: positions are those of the finished figure.

    Parameters
    ----------
    figure, axes, plan, panel, style
        What is drawn.
    key : dict of str to int
        Names that are numbers on this page, which grows: a name without room is a number beside its point.

    Returns
    -------
    int
        How many words had no room, not even for a number.
    """
    font_size, items = style.font_size, []

    def at(x, y) -> np.ndarray:
        return axes.transData.transform(np.column_stack([x, y]).astype(float))

    values = set()  # words that are no names: a number for them says nothing
    for mark in panel.marks:
        if mark.label is None or mark.kind not in ("points", "line", "text"):
            continue
        for series in plan.series(mark):
            frame = series.frame
            if mark.kind == "text" and _write_above(axes, plan, frame, mark, font_size):
                continue
            role = "axis" if mark.muted else "text" if mark.kind == "text" else None
            colour = ink(role, plan.theme) if role else lettering(series.look.colour, plan.theme)
            points = zip(at(frame[X], frame[mark.y]), frame[mark.label], strict=True)
            items += [(point, str(word), colour) for point, word in points if str(word)]
            values |= set(frame[mark.label].astype(str)) if mark.kind == "text" else set()
    early = plan.early(panel)
    items = [(at([end.at], [end.value])[0], end.words, end.colour) for end in early] + items
    if not items:
        return 0
    size = max(4.5, font_size - 1.5) if len(items) > 15 else small(font_size)
    extent = (*sorted(axes.get_xlim()), *sorted(axes.get_ylim()))
    every = obstacles(plan, panel, at, extent, RING * figure.dpi / 72 * style.line_width)

    def place(some: list, always: int = 0) -> list[int]:
        return place_labels(
            figure, axes, some, *every, size, points=style.line_width, always=always
        )

    out = [items[i] for i in place(items, len(early))]
    named = sorted((one for one in out if one[1] not in values), key=lambda one: tuple(one[0]))
    return len(out) - len(named) + (_number(axes, named, place, key) if named else 0)


def _number(axes, items: list, place: Callable[[list], list[int]], key: dict[str, int]) -> int:
    """Numbers beside the points whose names had no room, from the left; how many had none for a number either."""
    wide = "0" * len(str(len(key) + len(items)))
    left = set(place([(point, wide, colour) for point, _, colour in items]))
    there = [words for i, (_, words, _) in enumerate(items) if i not in left]
    for text, words in zip(axes.texts[len(axes.texts) - len(there) :], there, strict=True):
        text.set_text(str(key.setdefault(words, len(key) + 1)))
    return len(left)


def _write_above(axes, plan: Drawing, frame, mark, font_size: float) -> bool:
    """Words on bars, in the middle of each, on lines no wider than its place, else upright; False where both are too long."""
    if plan.categories is None or plan.spec.horizontal:
        return False
    size = small(font_size)
    room = axes.get_window_extent().width / len(plan.categories)
    # one letter's height apart: side by side they would read as one
    letters = int((room / axes.figure.dpi * 72 - size) / (0.55 * size))
    words = [textwrap.fill(str(word), max(4, letters), break_long_words=False) for word in frame[mark.label]]  # fmt: skip
    height = axes.get_window_extent().height / axes.figure.dpi * 72
    upright = max((len(line) for word in words for line in word.split("\n")), default=0) > letters
    if upright:
        words = [str(word) for word in frame[mark.label]]
        if (
            0.6 * size * max(map(len, words)) > 0.4 * height
            or room / axes.figure.dpi * 72 < 1.2 * size
        ):
            return False
    bottom, top = axes.get_ylim()
    for y, word in zip(frame[mark.y], words):  # room for the highest of them
        tall = 0.6 * len(word) + 0.3 if upright else 1.25 * (word.count("\n") + 1)
        share = 1 - min(0.6, size * tall / height)
        top = max(top, bottom + (y - bottom) / share)
    axes.set_ylim(bottom, top)
    for x, y, word in zip(frame[X], frame[mark.y], words):
        axes.annotate(word, (x, y), (0, 2 if upright else 0), textcoords="offset points", ha="center", va="bottom",
                      fontsize=size, linespacing=1.0, rotation=90 if upright else 0, color=ink("text", plan.theme),
                      zorder=8).set_in_layout(False)  # fmt: skip
    return True
