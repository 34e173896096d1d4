"""Words beside points that do not lie on each other: candidate places around each point, greedy choice, repair."""

from __future__ import annotations

import re
import textwrap

import numpy as np

__all__ = [
    "RADII",
    "broken",
    "joints",
    "on_lines",
    "place_labels",
    "placed",
    "shortened",
    "spread",
]

RADII = (3.2, 6, 9.5, 14, 20, 28, 38)
"""How far from its point a label may stand, in typographic points."""
_ANGLES = np.deg2rad([0, 180, 90, 270, 35, 145, 325, 215, 60, 120, 240, 300])
_ROUNDS = 6
_LEADER = np.linspace(0.15, 0.9, 6)  # where the line from a point to its label is looked at
# What it costs: a typographic point of distance, a side that is not right, left, above or below, a dot covered, a sample of a
# drawn line covered, a label covered entirely, a leader that runs through a label or a dot, and leaving the frame.
_FAR, _ODD, _DOT, _LINE, _LABEL, _CROSSED, _OUTSIDE = 0.3, 0.5, 8.0, 0.5, 45.0, 1.5, 200.0


def broken(words: str, letters: int) -> str:
    r"""Words on lines of at most so many letters, parted where names have joints.

    Examples
    --------
    >>> broken("zoo-causal-400k@untrained:init:0", 17).split("\n")
    ['zoo-causal-400k', '@untrained:init:0']
    """
    lines = [""]
    for part in re.split(
        "(?=@)", words
    ):  # a model and what was done to it, each on a line where that is enough
        for piece in [part] if len(part) <= letters else joints(part):
            if len(lines[-1]) + len(piece.rstrip()) > letters and lines[-1]:
                lines.append("")
            while len(piece) > letters:
                lines[-1], piece = piece[:letters], piece[letters:]
                lines.append("")
            lines[-1] += piece
    return "\n".join(line.rstrip() for line in lines)


def shortened(words: str, letters: int) -> str:
    """Words of at most so many letters; a number at their end stays.

    Examples
    --------
    >>> shortened("random embedding of width 1600 0.84", 26)
    'random embedding of … 0.84'
    >>> shortened("a name without a number", 12)
    'a name with…'
    """
    if len(words) <= letters:
        return words
    head, _, last = words.rpartition(" ")
    if head and re.fullmatch(r"[-+−]?[\d.,]+ ?%?", last) and len(last) < letters - 3:
        return f"{head[: letters - len(last) - 3].rstrip()} … {last}"
    return f"{words[: letters - 1]}…"


def on_lines(words: str, room: float, font_size: float) -> str:
    """Words on as many lines as ``room`` (in the unit of the letters' size) asks for.

    They are parted before a bracket, else about evenly.
    """
    limit = max(12, int(room / (0.5 * font_size)))
    head, bracket, rest = words.partition(" (")
    if len(words) > limit and bracket and max(len(head), len(rest) + 1) <= limit:
        return f"{head}\n({rest}"
    lines = len(textwrap.wrap(words, limit, break_long_words=False))
    even = next(width for width in range(max(1, len(words) // max(1, lines)), limit + 1)
                if len(textwrap.wrap(words, width, break_long_words=False)) <= lines)  # fmt: skip
    return "\n".join(textwrap.wrap(words, even, break_long_words=False))


def joints(words: str) -> list[str]:
    """The pieces between which words may be parted: behind a space, a colon, a dash, and before an @."""
    return [piece for piece in re.split(r"(?<=[ :_-])|(?=@)", words) if piece]


def spread(wanted: np.ndarray, size: float | np.ndarray, low: float, high: float) -> np.ndarray:
    """Places of labels along one side, as near as can be to where they belong, none over another.

    Parameters
    ----------
    wanted : ndarray, shape (n,)
        Where each label's middle should be.
    size : float or ndarray, shape (n,)
        Height of a label.
    low, high : float
        Ends of the side; more labels than fit are packed from the top.

    Returns
    -------
    ndarray, shape (n,)

    Notes
    -----
    Least squares under the order of the labels: what wants the same place is pooled and shares its mean (pool adjacent
    violators), after the distance that each label keeps to the first was taken off.
    """
    wanted = np.asarray(wanted, float)
    order = np.argsort(wanted, kind="stable")
    sizes = np.broadcast_to(np.asarray(size, float), wanted.shape)[order]
    offset = np.concatenate([np.zeros(min(1, len(sizes))), np.cumsum((sizes[1:] + sizes[:-1]) / 2)])
    pools: list[list[float]] = []  # mean, count
    for value in wanted[order] - offset:
        pools.append([value, 1])
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            mean, count = pools.pop()
            last = pools[-1]
            last[0] = (last[0] * last[1] + mean * count) / (last[1] + count)
            last[1] += count
    flat = np.concatenate([np.full(int(count), mean) for mean, count in pools]) if pools else wanted
    if len(wanted):
        first = low + sizes[0] / 2
        flat = np.clip(flat, first, max(high - sizes[-1] / 2 - offset[-1], first))
    places = np.empty(len(wanted))
    places[order] = flat + offset
    return places


def placed(points: np.ndarray, sizes: np.ndarray, dots: np.ndarray, frame: tuple[float, float, float, float], unit: float, *,
           radii: tuple[float, ...] = RADII, lines: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Lower left corners of label boxes, and which of them lie clear of everything.

    Parameters
    ----------
    points : ndarray, shape (n, 2)
        What each label belongs to, in pixels.
    sizes : ndarray, shape (n, 2)
        Width and height of each label.
    dots : ndarray, shape (m, 2)
        Points not to be covered.
    frame : (left, bottom, right, top)
        Labels stay inside.
    unit : float
        Pixels per typographic point.
    radii : tuple of float
        Distances to try, in typographic points.
    lines : ndarray, shape (k, 2), optional
        Samples of lines that are better not covered.

    Returns
    -------
    corners : ndarray, shape (n, 2)
    clear : ndarray of bool, shape (n,)
        No other clear label and no dot is covered, and the frame is not left.
    """
    lines = np.empty((0, 2)) if lines is None else lines
    choices = [_candidates(point, size, unit, radii) for point, size in zip(points, sizes)]
    leaders = [
        _leaders(point, corners, size) for point, corners, size in zip(points, choices, sizes)
    ]
    odd = np.tile(np.where(np.arange(len(_ANGLES)) < 4, 0, _ODD), len(radii))
    fixed = []
    for point, size, corners, leader in zip(points, sizes, choices, leaders):
        others = dots[np.abs(dots - point).max(axis=1) > 0.5]  # a leader starts at its own dot
        cost = (
            _FAR * np.repeat(radii, len(_ANGLES)) + odd + _OUTSIDE * _leaves(corners, size, frame)
        )
        cost = (
            cost
            + _DOT * _covered(corners, size, dots, 1.6 * unit)
            + _LINE * _covered(corners, size, lines, 0)
        )
        near = np.abs(leader[:, :, None] - others[None, None]).max(axis=-1) < 2 * unit
        fixed.append(cost + _CROSSED * near.any(axis=1).sum(axis=1))
    chosen = np.array([cost.argmin() for cost in fixed], int)
    corners = np.array([places[i] for places, i in zip(choices, chosen)]).reshape(-1, 2)
    distance = np.abs(points[:, None] - points[None]).sum(-1)
    order = np.argsort(-(distance < 40 * unit).sum(axis=1), kind="stable")  # the most crowded first
    settled = np.zeros(len(points), bool)
    for turn in range(_ROUNDS):
        for i in order:
            others = settled.copy() if turn == 0 else np.ones(len(points), bool)
            others[i] = False
            shared = (
                _overlap(choices[i], sizes[i], corners[others], sizes[others]) / sizes[i].prod()
            )
            crossed = _through(leaders[i], corners[others], sizes[others])
            corners[i] = choices[i][
                (fixed[i] + _LABEL * shared + 2 * (shared > 0) + _CROSSED * crossed).argmin()
            ]
            settled[i] = True
    return corners, _clear(corners, sizes, dots, frame, unit)


def _candidates(
    point: np.ndarray, size: np.ndarray, unit: float, radii: tuple[float, ...]
) -> np.ndarray:
    """Lower left corners of boxes around a point, the nearest ring first; the side towards the point touches the ring."""
    rings = np.repeat(np.asarray(radii, float) * unit, len(_ANGLES))[:, None]
    ways = np.tile(np.column_stack([np.cos(_ANGLES), np.sin(_ANGLES)]), (len(radii), 1))
    return point + rings * ways + (ways / np.abs(ways).max(axis=1, keepdims=True) - 1) * size / 2


def _leaders(point: np.ndarray, corners: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Samples of the line from a point to each candidate box, shape (candidates, samples, 2)."""
    nearest = np.clip(point, corners, corners + size)
    return point + (nearest - point)[:, None] * _LEADER[:, None]


def _covered(corners: np.ndarray, size: np.ndarray, dots: np.ndarray, margin: float) -> np.ndarray:
    """How many dots each candidate covers."""
    if not len(dots):
        return np.zeros(len(corners))
    inside = (dots[None] > corners[:, None] - margin) & (
        dots[None] < corners[:, None] + size + margin
    )
    return inside.all(axis=-1).sum(axis=1)


def _leaves(
    corners: np.ndarray, size: np.ndarray, frame: tuple[float, float, float, float]
) -> np.ndarray:
    left, bottom, right, top = frame
    return (corners < (left, bottom)).any(axis=1) | (corners + size > (right, top)).any(axis=1)


def _overlap(
    corners: np.ndarray, size: np.ndarray, others: np.ndarray, sizes: np.ndarray
) -> np.ndarray:
    """Area that each candidate shares with other boxes."""
    sides = np.minimum(corners[:, None] + size, (others + sizes)[None]) - np.maximum(
        corners[:, None], others[None]
    )
    return np.clip(sides, 0, None).prod(axis=-1).sum(axis=1)


def _through(leaders: np.ndarray, others: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Through how many boxes each candidate's leader runs."""
    inside = (leaders[:, :, None] > others[None, None]) & (
        leaders[:, :, None] < (others + sizes)[None, None]
    )
    return inside.all(axis=-1).any(axis=1).sum(axis=1)


def _clear(
    corners: np.ndarray, sizes: np.ndarray, dots: np.ndarray, frame, unit: float
) -> np.ndarray:
    clear = np.zeros(len(corners), bool)
    for i in np.lexsort((corners[:, 0], sizes[:, 0])):  # the shortest words first: more of them fit
        one, size = corners[i : i + 1], sizes[i]
        free = not (_covered(one, size, dots, unit)[0] or _leaves(one, size, frame)[0])
        clear[i] = free and not _overlap(one, size, corners[clear], sizes[clear])[0]
    return clear


def place_labels(
    figure,
    axes,
    items: list[tuple[np.ndarray, str, str]],
    dots: np.ndarray,
    lines: np.ndarray,
    font_size: float,
    *,
    points: float = 1.0,
) -> int:
    """Write (point in pixels, words, colour) items beside their points; a thin line joins those that had to move away.

    ``points`` is how many times as large as on a page they are drawn: words keep clear of them.

    Returns
    -------
    int
        How many found no room and were left out.
    """
    renderer = figure.canvas.get_renderer()
    unit = figure.dpi / 72
    style = {
        "fontsize": font_size,
        "ha": "left",
        "va": "bottom",
        "zorder": 8,
        "transform": axes.transAxes,
    }
    texts = [axes.text(0, 0, words, color=colour, **style) for _, words, colour in items]
    sizes = np.array(
        [[box.width, box.height] for box in (text.get_window_extent(renderer) for text in texts)]
    )
    places = np.array([point for point, _, _ in items])
    area = axes.get_window_extent(renderer)
    frame, unit = (area.x0, area.y0, area.x1, area.y1), unit * points
    corners, clear = placed(places, sizes, dots, frame, unit, lines=lines)
    inverse = axes.transAxes.inverted()
    for text, corner, size, point, (_, _, colour), free in zip(
        texts, corners, sizes, places, items, clear, strict=True
    ):
        if not free:  # it would lie over another: the table and the screen name it
            text.remove()
            continue
        text.set_position(inverse.transform(corner))
        text.set_in_layout(False)
        nearest = np.clip(point, corner, corner + size)
        if np.hypot(*(nearest - point)) > 5.5 * unit:
            ends = inverse.transform(np.array([point, nearest]))
            (line,) = axes.plot(
                *ends.T,
                transform=axes.transAxes,
                color=colour,
                linewidth=0.35,
                alpha=0.7,
                zorder=1.8,
            )
            line.set_in_layout(False)
    return int((~clear).sum())
