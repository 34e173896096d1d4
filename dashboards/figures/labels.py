"""Words beside points that do not lie on each other: a small greedy placement with repair."""

from __future__ import annotations

import numpy as np

__all__ = ["RADII", "place_labels", "placed"]

_ANGLES = np.deg2rad([0, 180, 90, 270, 35, 145, 325, 215, 60, 120, 240, 300])
RADII = (3.2, 6, 9.5, 14, 20, 28, 38)  # points
_ROUNDS = 4


def placed(
    points: np.ndarray,
    sizes: np.ndarray,
    obstacles: np.ndarray,
    frame: tuple[float, float, float, float],
    unit: float,
    radii: tuple[float, ...] = RADII,
) -> tuple[np.ndarray, np.ndarray]:
    """Lower left corners of label boxes, and which of them lie clear of everything.

    Parameters
    ----------
    points : ndarray, shape (n, 2)
        What each label belongs to, in pixels.
    sizes : ndarray, shape (n, 2)
        Width and height of each label.
    obstacles : ndarray, shape (m, 2)
        Points not to be covered.
    frame : (left, bottom, right, top)
        Labels stay inside.
    unit : float
        Pixels per typographic point.
    radii : tuple of float
        Distances to try, in typographic points.

    Returns
    -------
    corners : ndarray, shape (n, 2)
    clear : ndarray of bool, shape (n,)
        No other clear label and no obstacle is covered, and the frame is not left.
    """
    count = len(points)
    choices = [_candidates(point, size, unit, radii) for point, size in zip(points, sizes)]
    fixed = [
        _fixed_cost(corners, size, point, obstacles, frame, unit, len(radii))
        for corners, size, point in zip(choices, sizes, points)
    ]
    chosen = np.array([corners[cost.argmin()] for corners, cost in zip(choices, fixed)]).reshape(-1, 2)
    distance = np.abs(points[:, None] - points[None]).sum(-1)
    order = np.argsort(-(distance < 40 * unit).sum(axis=1), kind="stable")  # the most crowded first
    settled = np.zeros(count, bool)
    for turn in range(_ROUNDS):
        for i in order:
            others = settled.copy() if turn == 0 else np.ones(count, bool)
            others[i] = False
            cost = fixed[i] + _overlap(choices[i], sizes[i], chosen[others], sizes[others]) * 60 / (sizes[i][0] * sizes[i][1])
            chosen[i] = choices[i][cost.argmin()]
            settled[i] = True
    return chosen, _clear(points, chosen, sizes, obstacles, frame, unit)


def _clear(points, corners, sizes, obstacles, frame, unit) -> np.ndarray:
    clear = np.zeros(len(corners), bool)
    for i in np.lexsort((corners[:, 0], sizes[:, 0])):  # the shortest words first: more of them fit
        cost = _fixed_cost(corners[i : i + 1], sizes[i], points[i], obstacles, frame, unit, 1)[0]
        clear[i] = cost < 5 and not _overlap(corners[i : i + 1], sizes[i], corners[clear], sizes[clear])[0]
    return clear


def _candidates(point: np.ndarray, size: np.ndarray, unit: float, radii: tuple[float, ...]) -> np.ndarray:
    """Boxes around a point, nearest ring first; the box's nearest edge lies on the ring."""
    corners = []
    for radius in radii:
        for angle in _ANGLES:
            cos, sin = np.cos(angle), np.sin(angle)
            centre = point + radius * unit * np.array([cos, sin])
            corners.append(
                centre
                + np.array([(cos / max(abs(cos), abs(sin)) - 1) * size[0] / 2, (sin / max(abs(cos), abs(sin)) - 1) * size[1] / 2])
            )
    return np.array(corners)


def _fixed_cost(corners, size, point, obstacles, frame, unit, rings):
    cost = np.zeros(len(corners))
    if len(corners) == rings * len(_ANGLES):
        cost = np.repeat(np.arange(rings), len(_ANGLES)) * 1.6 + np.tile(np.where(np.arange(len(_ANGLES)) < 4, 0, 0.5), rings)
    if len(obstacles):
        margin = 1.6 * unit
        inside = (
            (obstacles[None, :, 0] > corners[:, None, 0] - margin)
            & (obstacles[None, :, 0] < corners[:, None, 0] + size[0] + margin)
            & (obstacles[None, :, 1] > corners[:, None, 1] - margin)
            & (obstacles[None, :, 1] < corners[:, None, 1] + size[1] + margin)
        )
        cost = cost + 9.0 * inside.sum(axis=1)
    left, bottom, right, top = frame
    outside = np.maximum(left - corners[:, 0], 0) + np.maximum(corners[:, 0] + size[0] - right, 0)
    outside = outside + np.maximum(bottom - corners[:, 1], 0) + np.maximum(corners[:, 1] + size[1] - top, 0)
    return cost + np.where(outside > 0, 200 + outside / unit, 0)


def _overlap(corners: np.ndarray, size: np.ndarray, others: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Area that each candidate shares with the boxes already placed."""
    if not len(others):
        return np.zeros(len(corners))
    width = np.minimum(corners[:, None, 0] + size[0], others[None, :, 0] + sizes[None, :, 0]) - np.maximum(
        corners[:, None, 0], others[None, :, 0]
    )
    height = np.minimum(corners[:, None, 1] + size[1], others[None, :, 1] + sizes[None, :, 1]) - np.maximum(
        corners[:, None, 1], others[None, :, 1]
    )
    return (np.clip(width, 0, None) * np.clip(height, 0, None)).sum(axis=1)


def place_labels(figure, axes, items: list[tuple[np.ndarray, str, str]], obstacles: np.ndarray, font_size: float) -> None:
    """Write (point in pixels, words, colour) items beside their points; a thin line joins those that had to move away."""
    renderer = figure.canvas.get_renderer()
    unit = figure.dpi / 72
    texts = [
        axes.text(0, 0, words, fontsize=font_size, color=colour, transform=None, ha="left", va="bottom", zorder=8)
        for _, words, colour in items
    ]
    sizes = np.array([[box.width, box.height] for box in (text.get_window_extent(renderer) for text in texts)])
    points = np.array([point for point, _, _ in items])
    area = axes.get_window_extent(renderer)
    corners, _ = placed(points, sizes, obstacles, (area.x0, area.y0, area.x1, area.y1), unit)
    inverse = axes.transAxes.inverted()
    for text, corner, size, point, item in zip(texts, corners, sizes, points, items):
        text.set_transform(axes.transAxes)
        text.set_position(inverse.transform(corner))
        text.set_in_layout(False)
        nearest = np.clip(point, corner, corner + size)
        if np.hypot(*(nearest - point)) > 5.5 * unit:
            (x0, y0), (x1, y1) = inverse.transform(point), inverse.transform(nearest)
            (line,) = axes.plot(
                [x0, x1], [y0, y1], transform=axes.transAxes, color=item[2], linewidth=0.35, alpha=0.7, zorder=1.8
            )
            line.set_in_layout(False)
