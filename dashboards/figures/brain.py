"""Cortex in figures: both hemispheres from outside and from the middle, and flat, drawn without a display."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from data.errors import BrainLensError, unknown
from data.surface import HEMISPHERES, SURFACES, mesh

__all__ = ["COLOURS", "Brain", "on_screen", "paint", "picture", "views"]

COLOURS = "viridis"
"""Colour map: even steps to the eye, told apart without red or green."""

RIM = 0.1
"""Grey of the line around what is drawn, without which it is lost in grey print and for eyes that see no green."""

VIEWS = (("left", "lateral"), ("left", "medial"), ("right", "medial"), ("right", "lateral"))


@dataclass(frozen=True, eq=False)
class Brain:
    """What is drawn on the cortex.

    Parameters
    ----------
    left, right : ndarray, shape (10242,)
        Values of fsaverage5's vertices, NaN where nothing was measured.
    label : str
        Of the colour bar, with the mean over what.
    surfaces : tuple of str
        Of :data:`data.surface.SURFACES`, a row each.
    threshold : float
        Values below it are not drawn.
    low, high : float
        Ends of the colour bar.
    """

    left: np.ndarray
    right: np.ndarray
    label: str = "Pearson r"
    surfaces: tuple[str, ...] = ("inflated",)
    threshold: float = 0.0
    low: float = 0.0
    high: float = 1.0

    def __post_init__(self):
        for surface in self.surfaces:
            if surface not in SURFACES:
                raise unknown("shape of the cortex", surface, SURFACES)
        if not self.low < self.high:
            raise BrainLensError(
                f"The colour bar from {self.low} to {self.high} has no length",
                remedy="Give low < high",
            )

    def __eq__(self, other) -> bool:
        return isinstance(other, Brain) and self.key == other.key

    @property
    def key(self) -> tuple:
        """What determines the picture."""
        return (
            self.left.tobytes(), self.right.tobytes(), self.label, self.surfaces, self.threshold, self.low, self.high,
        )  # fmt: skip


def views(brain: Brain) -> Iterator[tuple[int, int, int, str, str, str]]:
    """(row, first column, columns, surface, hemisphere, view) of each picture, in a grid of four columns."""
    for row, surface in enumerate(brain.surfaces):
        if surface == "flat":
            for number, side in enumerate(HEMISPHERES):
                yield row, 2 * number, 2, surface, side, "flat"
        else:
            for column, (side, view) in enumerate(VIEWS):
                yield row, column, 1, surface, side, view


def on_screen(brain: Brain) -> tuple[list[int], list[tuple[int, int, int, str, str, str]]]:
    """Heights of rows of a picture 1,200 pixels wide, and its views as of :func:`views`.

    One shape alone stands in two rows, outer sides above inner ones: four views side by side would leave a window mostly empty.
    """
    if len(brain.surfaces) > 1 or brain.surfaces[0] == "flat":
        return [470 if one == "flat" else 260 for one in brain.surfaces], list(views(brain))
    places = {("left", "lateral"): (0, 0), ("right", "lateral"): (0, 2),
              ("left", "medial"): (1, 0), ("right", "medial"): (1, 2)}  # fmt: skip
    laid = [
        (*places[side, view], 2, surface, side, view)
        for _, _, _, surface, side, view in views(brain)
    ]
    return [400, 400], laid


def paint(axes, brain: Brain, surface: str, hemisphere: str, view: str):
    """One view as shaded triangles; a raster inside vector files, so that a page stays small.

    Front is left in the lateral view of the left hemisphere and right in that of the right one, as one sees it from outside.
    """
    from matplotlib.collections import PolyCollection

    triangles, colours, extent = _triangles(brain, surface, hemisphere, view)
    # edges as wide as this close the seams between triangles, through which the far side would shine
    ink = PolyCollection(
        triangles, facecolors=colours, edgecolors=colours, linewidths=0.5, rasterized=True
    )
    axes.add_collection(ink)
    axes.set_xlim(extent[0], extent[1])
    axes.set_ylim(extent[2], extent[3])
    axes.set_aspect("equal")
    axes.axis("off")
    return ink


def _triangles(brain: Brain, surface: str, hemisphere: str, view: str):
    right, up, order, shade, dark, extent = _seen(surface, hemisphere, view)
    values = brain.left if hemisphere == "left" else brain.right
    one = mesh(surface, hemisphere)
    faces = one.faces[order]
    corner = values[faces]
    shown = np.isfinite(corner) & (np.abs(np.nan_to_num(corner)) >= brain.threshold)
    count = shown.sum(axis=1)
    mean = np.where(shown, np.nan_to_num(corner), 0.0).sum(axis=1) / np.maximum(count, 1)
    grey = np.where(dark[:, None], 0.58, 0.76) * np.ones((1, 3))
    colour = _map()((mean - brain.low) / (brain.high - brain.low))[:, :3]
    rgb = np.where((count >= 2)[:, None], colour, grey) * shade[:, None]
    rgb[count == 1] = RIM  # around what is drawn: some of its colours are as grey as the cortex
    plane = np.column_stack([one.points @ right, one.points @ up])
    return plane[faces], np.clip(rgb, 0, 1), extent


def _map():
    from matplotlib import colormaps

    return colormaps[COLOURS]


@lru_cache(maxsize=32)
def _seen(surface: str, hemisphere: str, view: str):
    """What of a mesh is seen from where, whatever lies on it."""
    one = mesh(surface, hemisphere)
    if view == "flat":
        forward, right, up = np.array([0.0, 0, -1]), np.array([1.0, 0, 0]), np.array([0.0, 1, 0])
    else:
        towards = (1.0 if hemisphere == "left" else -1.0) * (1.0 if view == "lateral" else -1.0)
        forward = np.array([towards, 0.0, 0.0])
        up = np.array([0.0, 0.0, 1.0])
        right = np.cross(forward, up)
    a, b, c = (one.points[one.faces[:, i]] for i in range(3))
    normal = np.cross(b - a, c - a)
    size = np.linalg.norm(normal, axis=1)
    facing = -(normal @ forward) / np.maximum(size, 1e-12)
    if view == "flat":
        edges = np.stack([np.linalg.norm(p - q, axis=1) for p, q in ((a, b), (b, c), (c, a))]).max(
            axis=0
        )
        keep = np.flatnonzero(edges < 8 * np.median(edges))  # not across a cut
        order, shade = keep, np.ones(len(keep))
    else:
        outward = (
            1.0
            if np.mean(np.sign((normal * (a - one.points.mean(axis=0))).sum(axis=1))) > 0
            else -1.0
        )
        facing = outward * facing
        keep = np.flatnonzero(facing > 0)
        near = -((a + b + c)[keep] @ forward)
        order = keep[np.argsort(near, kind="stable")]
        shade = 0.45 + 0.55 * facing[order]
    dark = one.depth[one.faces[order]].mean(axis=1) > 0
    plane = np.column_stack([one.points @ right, one.points @ up])[np.unique(one.faces[order])]
    pad = 0.03 * np.ptp(plane, axis=0).max()
    extent = (plane[:, 0].min() - pad, plane[:, 0].max() + pad, plane[:, 1].min() - pad, plane[:, 1].max() + pad)  # fmt: skip
    return right, up, order, shade, dark, extent


def picture(brain: Brain, width: int, height: int, background: str = "white") -> np.ndarray:
    """All views without words, as they are shown on the screen; the newest few are kept.

    Returns
    -------
    ndarray of uint8, shape (height, width, 4)
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    key = (brain.key, width, height, background)
    if (known := _PICTURES.pop(key, None)) is not None:
        _PICTURES[key] = known
        return known
    figure = Figure(figsize=(width / 100, height / 100), dpi=100, facecolor=background)
    canvas = FigureCanvasAgg(figure)
    rows, laid = on_screen(brain)
    grid = figure.add_gridspec(
        len(rows), 4, left=0, right=1, bottom=0, top=1, wspace=0.02, hspace=0.02, height_ratios=rows
    )
    for row, column, span, surface, side, view in laid:
        paint(figure.add_subplot(grid[row, column : column + span]), brain, surface, side, view)
    canvas.draw()
    _PICTURES[key] = made = np.asarray(canvas.buffer_rgba()).copy()
    while len(_PICTURES) > _KEPT:
        _PICTURES.pop(next(iter(_PICTURES)))
    return made


_PICTURES: dict[tuple, np.ndarray] = {}
_KEPT = 8
