"""Words beside points that lie on nothing: candidate places around each point, a greedy choice, and a search that makes room.

One placer for the screen and for print. A place is *taken* by what cannot move (dots, drawn lines, words that stand already, the
frame) or by another name and the line that joins it to its point; a name that finds no free place is left out and counted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dashboards.figures.panels import Drawing, Panel, X

__all__ = ["LEADER", "NAME", "RADII", "joined", "obstacles", "place_labels", "placed"]

NAME, LEADER = "name", "leader"
"""What names beside points, and the lines that join them to their points, are known by in a printed figure."""

RADII = (3.2, 6, 9.5, 14, 20, 28, 38, 50, 66, 86)
"""How far from its point a label may stand, in typographic points."""
_ANGLES = np.deg2rad([0, 180, 90, 270, 35, 145, 325, 215, 60, 120, 240, 300])
_BETWEEN = np.deg2rad([15, 165, 345, 195, 75, 105, 255, 285])  # further out there is room for more
_NEAR = 9.0
"""Nearer rings have no places between their twelve."""
_JOINED = 5.5
"""Typographic points from which on a thin line joins a name to its point."""
# What a place costs: a typographic point of distance, a side that is not right, left, above or below, a dot that is near, a
# dot under the joining line, a drawn line under it.
_FAR, _ODD, _DOT, _UNDER, _ACROSS = 0.3, 0.5, 2.0, 6.0, 1.0
_TOUCH, _NEARBY, _STRUCK = (
    2.0,
    2.8,
    0.6,
)  # margins in typographic points: of dots, of near dots, of drawn lines
_GAP = 0.5  # between two names
_PLACES, _LEAST, _TRIES = 4500, 10, 1000
"""Places that are compared with each other, all names together; places of a name at least; names that are moved at most."""


def placed(points: np.ndarray, sizes: np.ndarray, dots: np.ndarray, frame: tuple[float, float, float, float], unit: float, *,
           radii: tuple[float, ...] = RADII, lines: np.ndarray | None = None, words: np.ndarray | None = None,
           ways: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
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
    lines : ndarray, shape (k, 4), optional
        Pieces of drawn lines, from (x, y) to (x, y), that strike no name.
    words : ndarray, shape (l, 4), optional
        Boxes (left, bottom, right, top) of words that stand already.
    ways : ndarray, shape (j, 4), optional
        Lines that join these to their points: no name lies on one, and no other such line crosses it.

    Returns
    -------
    corners : ndarray, shape (n, 2)
    clear : ndarray of bool, shape (n,)
        No other clear label, dot, line or word is covered, the frame is not left, and the line that joins it to its point runs
        through no clear label and across no other such line.

    Notes
    -----
    Free places are chosen one name after the other, the most confined first. Then each name that found none takes the place
    that the fewest others stand in, and these look for another; what drives names out again and again becomes dear. Nothing is
    drawn by chance: the same figure has the same names.
    """
    points, sizes = (
        np.asarray(points, float).reshape(-1, 2),
        np.asarray(sizes, float).reshape(-1, 2),
    )
    lines = np.empty((0, 4)) if lines is None else np.asarray(lines, float).reshape(-1, 4)
    words = np.empty((0, 4)) if words is None else np.asarray(words, float).reshape(-1, 4)
    ways = np.empty((0, 4)) if ways is None else np.asarray(ways, float).reshape(-1, 4)
    dots = np.asarray(dots, float).reshape(-1, 2)
    if not len(points):
        return points.copy(), np.zeros(0, bool)
    lines = lines[_near(lines, frame)]
    every = _Places.around(points, sizes, unit, radii)
    cost, free = every.judged(points, dots, lines, words, ways, frame, unit)
    most = max(_LEAST, _PLACES // len(points))
    kept = np.flatnonzero(free & (_rank(every.owner, np.where(free, cost, np.inf)) < most))
    some = every.taken(kept)
    chosen = _chosen(some.owner, cost[kept], some.clashes(unit), len(points))
    corners = np.empty_like(points)
    clear = chosen >= 0
    corners[clear] = some.boxes[chosen[clear], :2]
    for i in np.flatnonzero(~clear):  # for who shows it all the same: where it is least in the way
        mine = np.flatnonzero(every.owner == i)
        corners[i] = every.boxes[mine[np.argmin(cost[mine] + 1e3 * ~free[mine])], :2]
    return corners, clear


@dataclass(frozen=True)
class _Places:
    """Places for names: whose they are, their boxes, the lines that join them to their points and how far they are."""

    owner: np.ndarray
    boxes: np.ndarray
    leaders: np.ndarray
    joined: np.ndarray
    far: np.ndarray

    @classmethod
    def around(cls, points, sizes, unit: float, radii) -> _Places:
        """The places around each point, ring by ring; the side towards the point touches the ring."""
        ring = [
            (r, a, n >= 4)
            for r in radii
            for n, a in enumerate([*_ANGLES, *(_BETWEEN if r > _NEAR else ())])
        ]
        radius, angle, odd = (np.array(one, float) for one in zip(*ring, strict=True))
        ways = np.column_stack([np.cos(angle), np.sin(angle)])
        shift = ways / np.abs(ways).max(axis=1, keepdims=True) - 1
        corners = (
            points[:, None]
            + (unit * radius[:, None] * ways)[None]
            + shift[None] * sizes[:, None] / 2
        )
        ends = np.clip(points[:, None], corners, corners + sizes[:, None])
        starts = np.broadcast_to(points[:, None], ends.shape)
        far = np.tile(_FAR * radius + _ODD * odd, len(points))
        leaders = np.concatenate([starts, ends], axis=2).reshape(-1, 4)
        boxes = np.concatenate([corners, corners + sizes[:, None]], axis=2).reshape(-1, 4)
        return cls(
            np.repeat(np.arange(len(points)), len(ring)), boxes, leaders, joined(leaders, unit), far
        )

    def taken(self, which: np.ndarray) -> _Places:
        """Some of them."""
        return _Places(
            *(one[which] for one in (self.owner, self.boxes, self.leaders, self.joined, self.far))
        )

    def judged(
        self, points, dots, lines, words, ways, frame, unit: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Cost of each place, and whether nothing that cannot move is in its way."""
        left, bottom, right, top = frame
        boxes, cost = self.boxes, self.far.copy()
        free = (
            (boxes[:, 0] >= left)
            & (boxes[:, 1] >= bottom)
            & (boxes[:, 2] <= right)
            & (boxes[:, 3] <= top)
        )
        free &= ~_holds(boxes, dots, _TOUCH * unit).any(axis=1)
        cost += _DOT * _holds(boxes, dots, _NEARBY * unit).sum(axis=1)
        struck = np.concatenate([lines, ways])
        free &= ~_strikes(struck, _grown(boxes, _STRUCK * unit)).any(axis=1)
        free &= ~_overlap(boxes, _grown(words, _GAP * unit)).any(axis=1)
        drawn = np.flatnonzero(self.joined)
        leaders, own = self.leaders[drawn], points[self.owner[drawn]]
        through = _strikes(leaders, words).any(axis=0) if len(words) else np.zeros(len(drawn), bool)
        free[drawn[through | _cross(leaders, ways).any(axis=1)]] = False
        other = np.abs(own[:, None] - dots[None]).max(axis=2) > 0.5  # it starts at its own dot
        cost[drawn] += _UNDER * ((_distance(leaders, dots) < 1.8 * unit) & other).sum(axis=1)
        cost[drawn] += _ACROSS * _cross(leaders, lines).sum(axis=1)
        return cost, free

    def clashes(self, unit: float) -> np.ndarray:
        """Which two places of different names cannot both be taken, shape (n, n)."""
        found = _overlap(self.boxes, _grown(self.boxes, _GAP * unit))
        drawn = np.flatnonzero(self.joined)
        leaders, reach = self.leaders[drawn], _reach(self.leaders[drawn])
        one, two = np.nonzero(_overlap(reach, self.boxes) & ~found[drawn])
        through = _struck(leaders[one], self.boxes[two])
        one, two = drawn[one[through]], two[through]
        found[one, two] = found[two, one] = True
        among = np.ix_(drawn, drawn)
        one, two = np.nonzero(np.triu(_overlap(reach, reach) & ~found[among], 1))
        cross = _crossed(leaders[one], leaders[two])
        one, two = drawn[one[cross]], drawn[two[cross]]
        found[one, two] = found[two, one] = True
        return found & (self.owner[:, None] != self.owner[None])


def obstacles(
    plan: Drawing,
    panel: Panel,
    at: Callable[..., np.ndarray],
    extent: tuple[float, ...],
    ring: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Dots of a panel, and pieces of the lines that are drawn in it: of marks, of intervals and of reference.

    Parameters
    ----------
    plan, panel
        What is drawn.
    at : callable
        ``at(x, y)``: pixels, shape (n, 2).
    extent : (left, right, bottom, top)
        Of the axes, in the units of the data.
    ring : float
        Radius in pixels of the ring around a marked point.

    Returns
    -------
    dots : ndarray, shape (m, 2)
    lines : ndarray, shape (k, 4)
    """
    left, right, bottom, top = extent
    dots, lines = [np.empty((0, 2))], [np.empty((0, 4))]
    for mark in panel.marks:
        for series in plan.series(mark) if mark.kind in ("line", "points") else ():
            x, points = series.frame[X], at(series.frame[X], series.frame[mark.y])
            if mark.kind == "line":
                lines.append(_pieces(points))
                continue
            dots.append(points)
            if mark.ringed:  # a ring is as much in the way as what stands in it
                around = np.array([(1, 0), (-1, 0), (0, 1), (0, -1)])
                dots.append((points[:, None] + ring * around).reshape(-1, 2))
            if mark.low is not None:
                ends = [at(x, series.frame[end]) for end in (mark.low, mark.high)]
                lines.append(np.hstack(ends))
    for rule in panel.rules:
        first, last = max(left, bottom), min(right, top)
        along = {"xy": ([first, last], [first, last]), "x": ([rule.value] * 2, [bottom, top]),
                 "y": ([left, right], [rule.value] * 2)}[rule.axis]  # fmt: skip
        lines.append(at(*along).reshape(1, 4))
    found = np.concatenate(lines)
    return np.concatenate(dots), found[np.isfinite(found).all(axis=1)]


def _pieces(points: np.ndarray) -> np.ndarray:
    """The pieces of a line through points, a straight stretch as one: shape (k, 4)."""
    points = points[np.isfinite(points).all(axis=1)]
    if len(points) > 2:
        way = np.diff(points, axis=0)
        turn = way[:-1, 0] * way[1:, 1] - way[:-1, 1] * way[1:, 0]
        bent = np.abs(turn) > 1e-3 * np.hypot(*way[:-1].T) * np.hypot(*way[1:].T)
        points = points[np.concatenate([[True], bent, [True]])]
    return np.hstack([points[:-1], points[1:]])


def joined(leaders: np.ndarray, unit: float) -> np.ndarray:
    """Whether a line is drawn from a point to its name, for lines (x, y, x, y) from the one to the other."""
    return np.hypot(leaders[:, 2] - leaders[:, 0], leaders[:, 3] - leaders[:, 1]) > _JOINED * unit


# ---- choice ------------------------------------------------------------------------------------------------------------
def _rank(owner: np.ndarray, cost: np.ndarray) -> np.ndarray:
    """The how manyth best place of its name each one is."""
    order = np.lexsort((cost, owner))
    first = np.searchsorted(owner[order], owner[order])
    found = np.empty(len(owner), int)
    found[order] = np.arange(len(owner)) - first
    return found


def _chosen(owner: np.ndarray, cost: np.ndarray, clashes: np.ndarray, names: int) -> np.ndarray:
    """The place of each name, -1 where it has none; no two of them clash."""
    mine = [np.flatnonzero(owner == i) for i in range(names)]
    now, stood, dear = np.full(names, -1), np.zeros(len(owner), int), np.zeros(len(owner))

    def take(i: int, place: int) -> None:
        if now[i] >= 0:
            stood[clashes[now[i]]] -= 1
        if place >= 0:
            stood[clashes[place]] += 1
        now[i] = place

    def settle(order) -> None:
        for i in order:
            here = mine[i]
            if len(here):
                taken = stood[here] - (clashes[now[i], here] if now[i] >= 0 else 0)
                best = np.where(taken > 0, np.inf, cost[here])
                if np.isfinite(best.min()):
                    take(i, here[best.argmin()])

    order = sorted(range(names), key=lambda i: (len(mine[i]), i))
    settle(order)
    settle(order)
    best = now.copy()
    out = [i for i in order if now[i] < 0 and len(mine[i])]
    for _ in range(_TRIES):
        if not out:
            break
        i = out.pop(0)
        here = mine[i]
        place = here[(100.0 * stood[here] + 30.0 * dear[here] + cost[here]).argmin()]
        for other in np.flatnonzero((now >= 0) & clashes[place, now]):
            dear[now[other]] += 1
            take(other, -1)
            out.append(other)
        take(i, place)
        if (now >= 0).sum() > (best >= 0).sum():
            best = now.copy()
    for i in np.flatnonzero(now != best):
        take(i, -1)
    for i in np.flatnonzero(now != best):
        take(i, best[i])
    for _ in range(3):
        settle(order)
    return now


# ---- geometry ----------------------------------------------------------------------------------------------------------
def _grown(boxes: np.ndarray, margin: float) -> np.ndarray:
    return boxes + margin * np.array([-1.0, -1.0, 1.0, 1.0])


def _near(lines: np.ndarray, frame) -> np.ndarray:
    """Which pieces of lines reach into the frame."""
    low, high = np.minimum(lines[:, :2], lines[:, 2:]), np.maximum(lines[:, :2], lines[:, 2:])
    return ((high >= frame[:2]) & (low <= frame[2:])).all(axis=1)


def _holds(boxes: np.ndarray, dots: np.ndarray, margin: float) -> np.ndarray:
    """Which dots each box covers, shape (boxes, dots)."""
    return _overlap(_grown(boxes, margin), np.concatenate([dots, dots], axis=1))


def _overlap(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Which boxes share area, shape (boxes, others)."""
    found = boxes[:, None, 0] < others[None, :, 2]
    found &= boxes[:, None, 2] > others[None, :, 0]
    found &= boxes[:, None, 1] < others[None, :, 3]
    found &= boxes[:, None, 3] > others[None, :, 1]
    return found


def _reach(lines: np.ndarray) -> np.ndarray:
    """The boxes around lines."""
    low, high = np.minimum(lines[:, :2], lines[:, 2:]), np.maximum(lines[:, :2], lines[:, 2:])
    return np.concatenate([low - 1e-6, high + 1e-6], axis=1)


def _strikes(lines: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Which lines run through which boxes, shape (boxes, lines)."""
    one, two = np.nonzero(_overlap(boxes, _reach(lines)))
    found = np.zeros((len(boxes), len(lines)), bool)
    found[one, two] = _struck(lines[two], boxes[one])
    return found


def _struck(lines: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Whether each line runs through the box of its place: what is left of it between the sides (Liang & Barsky 1984)."""
    first, last = np.zeros(len(lines)), np.ones(len(lines))
    for axis in (0, 1):
        start = lines[:, axis]
        way = lines[:, 2 + axis] - start
        way = np.where(np.abs(way) < 1e-9, 1e-9, way)
        near, far = (boxes[:, axis] - start) / way, (boxes[:, 2 + axis] - start) / way
        first, last = (
            np.maximum(first, np.minimum(near, far)),
            np.minimum(last, np.maximum(near, far)),
        )
    return first < last


def _cross(lines: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Which lines cross which others, shape (lines, others)."""
    found = _overlap(_reach(lines), _reach(others))
    one, two = np.nonzero(found)
    found[one, two] = _crossed(lines[one], others[two])
    return found


def _crossed(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Whether each line crosses that of the same place."""

    def side(line, x, y):
        return (line[:, 2] - line[:, 0]) * (y - line[:, 1]) - (line[:, 3] - line[:, 1]) * (
            x - line[:, 0]
        )

    apart = side(a, b[:, 0], b[:, 1]) * side(a, b[:, 2], b[:, 3]) < 0
    return apart & (side(b, a[:, 0], a[:, 1]) * side(b, a[:, 2], a[:, 3]) < 0)


def _distance(lines: np.ndarray, dots: np.ndarray) -> np.ndarray:
    """Of dots from lines, shape (lines, dots)."""
    x, y = lines[:, 2] - lines[:, 0], lines[:, 3] - lines[:, 1]
    to_x, to_y = dots[:, 0] - lines[:, :1], dots[:, 1] - lines[:, 1:2]
    share = (to_x * x[:, None] + to_y * y[:, None]) / np.maximum(x**2 + y**2, 1e-12)[:, None]
    share = np.clip(share, 0, 1)
    return np.hypot(to_x - share * x[:, None], to_y - share * y[:, None])


# ---- print -------------------------------------------------------------------------------------------------------------
def place_labels(figure, axes, items: list[tuple[np.ndarray, str, str]], dots: np.ndarray, lines: np.ndarray,
                 font_size: float, *, points: float = 1.0, always: int = 0) -> list[int]:  # fmt: skip
    """Write (point in pixels, words, colour) items beside their points; a thin line joins those that had to move away.

    ``points`` is how many times as large as on a page they are drawn: words keep clear of them; the
    first ``always`` items are written whatever they cover: no legend has them.

    Returns
    -------
    list of int
        Which found no room and were left out.
    """
    renderer = figure.canvas.get_renderer()
    unit = figure.dpi / 72 * points
    there = [
        text for text in axes.texts if text.get_zorder() > 1
    ]  # the pale word across simulated data lies behind
    words = [text.get_window_extent(renderer).extents for text in there]
    ways = [line.get_transform().transform(line.get_xydata()).ravel()
            for line in axes.lines if line.get_gid() == LEADER]  # fmt: skip
    style = dict(
        fontsize=font_size, ha="left", va="bottom", zorder=8, transform=axes.transAxes, gid=NAME
    )
    texts = [axes.text(0, 0, said, color=colour, **style) for _, said, colour in items]
    drawn = [text.get_window_extent(renderer) for text in texts]
    sizes = np.array([[box.width, box.height] for box in drawn])
    places = np.array([point for point, _, _ in items])
    frame = tuple(axes.get_window_extent(renderer).extents)
    corners, clear = placed(places, sizes, dots, frame, unit, lines=lines, words=np.array(words),
                            ways=np.array(ways))  # fmt: skip
    clear[:always] = True
    ends = np.clip(places, corners, corners + sizes)
    leaders = np.concatenate([places, ends], axis=1)
    inverse, far = axes.transAxes.inverted(), joined(leaders, unit)
    for i, text in enumerate(texts):
        if not clear[i]:  # it would lie over another
            text.remove()
            continue
        text.set_position(inverse.transform(corners[i]))
        text.set_in_layout(False)
        if far[i]:
            at = inverse.transform(leaders[i].reshape(2, 2))
            (line,) = axes.plot(*at.T, transform=axes.transAxes, color=items[i][2], linewidth=0.35, alpha=0.7,
                                zorder=1.8, gid=LEADER)  # fmt: skip
            line.set_in_layout(False)
    return [int(i) for i in np.flatnonzero(~clear)]
