"""What both renderers need to know before they draw: panels, categorical axes, series with their looks, bins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from dashboards.figures.spec import FigureSpec, Mark, Rule
from dashboards.figures.style import Look, ink, looks

__all__ = ["Drawing", "Panel", "Series", "drawing"]

X = "_x"
"""Column with the position on the x axis that every prepared frame carries."""


@dataclass(frozen=True)
class Panel:
    """One pair of axes."""

    title: str
    marks: tuple[Mark, ...]
    rules: tuple[Rule, ...]


@dataclass(frozen=True)
class Series:
    """The rows of a mark that look alike."""

    name: str
    look: Look
    frame: pd.DataFrame


@dataclass(frozen=True)
class Drawing:
    """A spec, prepared.

    Parameters
    ----------
    panels : tuple of Panel
        One without a facet.
    categories : tuple of str or None
        Words of a categorical x axis; their positions are 0, 1, ...
    looks : dict
        (column, value) -> Look.
    width : float
        Width of one bar.
    """

    spec: FigureSpec
    theme: str
    panels: tuple[Panel, ...]
    categories: tuple[str, ...] | None
    looks: dict[tuple[str, object], Look]
    width: float
    offsets: dict[tuple[str, object], float]

    def series(self, mark: Mark) -> Iterator[Series]:
        """The mark's rows split by colour, with :data:`X` and without rows that have nothing to draw."""
        frame = self._placed(mark)
        if mark.colour is None:
            role = "muted" if mark.muted else "rule"
            yield Series(mark.name, Look(ink(role, self.theme), "circle"), frame)
            return
        for value, rows in frame.groupby(mark.colour, sort=False, observed=True):
            look = self.looks[mark.colour, value]
            if mark.muted:
                look = replace(look, colour=ink("muted", self.theme))
            yield Series(f"{value}, {mark.name}" if mark.name else str(value), look, rows)

    def _placed(self, mark: Mark) -> pd.DataFrame:
        frame = mark.frame.copy()
        if self.categories is None or mark.kind == "histogram":
            frame[X] = pd.to_numeric(frame[mark.x], errors="coerce").astype(float)
        else:
            place = {name: i for i, name in enumerate(self.categories)}
            frame[X] = frame[mark.x].astype(str).map(place).astype(float)
            if mark.colour is not None:
                frame[X] += [self.offsets.get((mark.colour, value), 0.0) for value in frame[mark.colour]]
        ends = [mark.low, mark.high] if mark.kind == "band" else [] if mark.kind == "histogram" else [mark.y]
        keep = frame[[X, *ends]].notna().all(axis=1)
        if self.spec.log_x and self.categories is None:
            keep &= frame[X] > 0
        frame = frame[keep]
        return frame.sort_values(X, kind="stable") if mark.kind in ("line", "band") else frame

    def legend(self) -> list[tuple[str, str, Look, Mark]]:
        """(entry, kind, look, mark) of every series that needs naming, each name once."""
        entries: dict[str, tuple[str, str, Look, Mark]] = {}
        for mark in self.spec.marks:
            if mark.frame.empty or mark.kind == "text" or (mark.colour is None and not mark.name):
                continue
            if mark.muted and mark.colour is not None:
                if mark.name:
                    entries.setdefault(mark.name, (mark.name, mark.kind, Look(ink("muted", self.theme), "circle"), mark))
                continue
            for series in self.series(mark):
                shown = entries.get(series.name)
                if shown is None or (shown[1] == "band" and mark.kind != "band"):
                    entries[series.name] = (series.name, mark.kind, series.look, mark)
        return list(entries.values())

    @property
    def flagged(self) -> int:
        """How many values lie above ``flag_above``."""
        return sum(len(self.above(mark, mark.frame)) for mark in self.spec.marks)

    def above(self, mark: Mark, frame: pd.DataFrame) -> pd.DataFrame:
        """The rows above ``flag_above`` (none where nothing is flagged)."""
        if self.spec.flag_above is None or mark.kind not in ("points", "bars", "line"):
            return frame.iloc[:0]
        return frame[frame[mark.y] > self.spec.flag_above]


def drawing(spec: FigureSpec, theme: str = "light") -> Drawing:
    """Prepare a spec for a renderer."""
    categories = _categories(spec)
    columns: dict[str, dict] = {}
    for mark in spec.marks:
        if mark.colour is not None:
            columns.setdefault(mark.colour, {}).update(dict.fromkeys(mark.frame[mark.colour]))
    found = {(column, value): look for column, values in columns.items() for value, look in looks(values, theme, column).items()}
    offsets, width = _dodge(spec, columns) if categories is not None else ({}, 0.8)
    return Drawing(spec, theme, _panels(spec), categories, found, width, offsets)


def bins(values: np.ndarray) -> np.ndarray:
    """Edges of a histogram: Freedman & Diaconis, at most 60 bins."""
    values = np.asarray(values, float)
    values = values[np.isfinite(values)]
    if values.size == 0 or values.min() == values.max():
        centre = values[0] if values.size else 0.0
        return np.array([centre - 0.5, centre + 0.5])
    edges = np.histogram_bin_edges(values, bins="fd")
    return edges if len(edges) <= 61 else np.histogram_bin_edges(values, bins=60)


def _categories(spec: FigureSpec) -> tuple[str, ...] | None:
    marks = [mark for mark in spec.marks if mark.kind != "histogram" and not mark.frame.empty]
    if not any(not pd.api.types.is_numeric_dtype(mark.frame[mark.x]) for mark in marks):
        return None
    return tuple(dict.fromkeys(str(value) for mark in marks for value in mark.frame[mark.x]))


def _dodge(spec: FigureSpec, columns: dict[str, dict]) -> tuple[dict, float]:
    """Side-by-side offsets where a category holds several colours."""
    offsets, width = {}, 0.8
    for column, values in columns.items():
        crowded = any(mark.colour == column and mark.frame.groupby(mark.x)[column].nunique().max() > 1
                      for mark in spec.marks if not mark.frame.empty and mark.kind != "histogram")
        if crowded:
            width = 0.8 / len(values)
            offsets.update({(column, value): (i - (len(values) - 1) / 2) * width for i, value in enumerate(values)})
    return offsets, width


def _panels(spec: FigureSpec) -> tuple[Panel, ...]:
    if spec.facet is None:
        return (Panel("", spec.marks, spec.rules),)
    values = list(dict.fromkeys(value for mark in spec.marks for value in mark.frame[spec.facet]))
    result = []
    for value in values:
        marks = tuple(replace(mark, frame=mark.frame[mark.frame[spec.facet] == value]) for mark in spec.marks)
        rules = tuple(rule for rule in spec.rules if rule.facet is None or rule.facet == value)
        result.append(Panel(str(value), marks, rules))
    return tuple(result) or (Panel("", spec.marks, spec.rules),)
