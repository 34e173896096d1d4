"""One description of a figure, drawn twice: on the screen (HoloViews) and for print (Matplotlib)."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from data.errors import BrainLensError, unknown

__all__ = ["MARKS", "FigureSpec", "Mark", "Rule"]

MARKS = ("line", "points", "bars", "band", "histogram", "text")


@dataclass(frozen=True)
class Mark:
    """One layer of ink: a tidy frame and which column means what.

    Parameters
    ----------
    kind : str
        One of :data:`MARKS`.
    frame : pandas.DataFrame
        One row per drawn thing.
    x, y : str
        Columns.
    low, high : str, optional
        Columns of an interval around y (error bars; edges of a band).
    colour : str, optional
        Column whose values have a colour and a marker each, the same in every figure (usually ``model``).
    label : str, optional
        Column written beside each point.
    hover : tuple of str
        Columns shown when the pointer rests on a thing.
    name : str
        Legend entry where ``colour`` is not given.
    muted : bool
        Drawn behind and in grey (published figures beside own ones).
    """

    kind: str
    frame: pd.DataFrame
    x: str
    y: str
    low: str | None = None
    high: str | None = None
    colour: str | None = None
    label: str | None = None
    hover: tuple[str, ...] = ()
    name: str = ""
    muted: bool = False

    def __post_init__(self):
        if self.kind not in MARKS:
            raise unknown("mark", self.kind, MARKS)
        for role in ("x", "y", "low", "high", "colour", "label"):
            column = getattr(self, role)
            if column is not None and column not in self.frame.columns:
                raise unknown(f"column for {role}", column, self.frame.columns)
        if (self.low is None) != (self.high is None):
            raise BrainLensError("An interval needs both ends", remedy="Give low and high together")


@dataclass(frozen=True)
class Rule:
    """A reference line across the figure: a ceiling, zero, chance."""

    axis: str
    value: float
    label: str = ""
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class FigureSpec:
    """A figure.

    Parameters
    ----------
    title : str
        The question.
    marks : tuple of Mark
        Drawn in order, first at the back.
    x_title, y_title : str
        With units.
    rules : tuple of Rule
    log_x, invert_x : bool
    answer : str
        One sentence in words: the text alternative of the plot.
    caption : str
        Rule, n, interval, what was left out.
    stamp : str
        "simulated", or a quality note: on every rendering and export; empty for none.
    facet : str, optional
        Column, present in every mark's frame, that splits the figure into panels.
    """

    title: str
    marks: tuple[Mark, ...]
    x_title: str = ""
    y_title: str = ""
    rules: tuple[Rule, ...] = field(default=())
    log_x: bool = False
    invert_x: bool = False
    answer: str = ""
    caption: str = ""
    stamp: str = ""
    facet: str | None = None

    @property
    def empty(self) -> bool:
        """Whether there is nothing to draw."""
        return all(mark.frame.empty for mark in self.marks)
