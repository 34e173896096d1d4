"""One description of a figure, drawn twice: on the screen (Bokeh) and for print (Matplotlib).

A lens fills a :class:`FigureSpec`; ``screen.draw(spec)`` and ``paper.render(spec)`` draw the same marks with the same colours,
and ``spec.table`` is the data behind the ink, which is what the exports write.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

import pandas as pd

from dashboards.figures.brain import Brain
from data.errors import BrainLensError, unknown

__all__ = ["AXES", "ITEM", "MARKS", "FigureSpec", "Mark", "Rule"]

MARKS = ("line", "points", "bars", "band", "histogram", "text")
AXES = ("x", "y", "xy")
ITEM = "item"
"""Column that names a stimulus; points of a frame without it are known by their model."""


@dataclass(frozen=True)
class Mark:
    """One layer of ink: a tidy frame and which column means what.

    Parameters
    ----------
    kind : str
        One of :data:`MARKS`. ``line`` joins the rows in the order of x and shades low to high; ``points`` and ``bars`` draw
        low to high as a whisker; ``band`` shades low to high and nothing else; ``histogram`` counts the values of x (one row
        per value, y is not read); ``text`` writes ``label`` at (x, y).
    frame : pandas.DataFrame
        One row per drawn thing.
    x, y : str
        Columns. Words in x make a categorical axis, in order of appearance.
    low, high : str, optional
        Columns of an interval around y (error bars; edges of a band).
    colour : str, optional
        Column whose values have a colour and a marker each, the same in every figure (usually ``model``).
    label : str, optional
        Column written beside each point.
    base : str, optional
        Column where bars begin, instead of 0: a waterfall.
    hover : tuple of str
        Columns shown when the pointer rests on a thing.
    name : str
        Legend entry where ``colour`` is not given; beside the colours' entries where it is.
    muted : bool
        Drawn behind and in grey (published figures beside own ones).
    dashed : bool
        Lines are dashed (a shuffled twin, a control).
    ringed : bool
        Points get a ring (the layer that was chosen).
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
    dashed: bool = False
    ringed: bool = False
    base: str | None = None

    def __post_init__(self):
        if self.kind not in MARKS:
            raise unknown("mark", self.kind, MARKS)
        named = [
            (role, getattr(self, role))
            for role in ("x", "y", "low", "high", "colour", "label", "base")
        ]
        for role, column in [*named, *(("hover", column) for column in self.hover)]:
            if column is not None and column not in self.frame.columns:
                raise unknown(f"column for {role}", column, self.frame.columns)
        if (self.low is None) != (self.high is None):
            raise BrainLensError("An interval needs both ends", remedy="Give low and high together")
        if self.kind == "band" and self.low is None:
            raise BrainLensError(
                "A band needs low and high", remedy="Name the columns of its edges"
            )
        if self.kind == "text" and self.label is None:
            raise BrainLensError(
                "A text mark needs a label", remedy="Name the column that holds the words"
            )


@dataclass(frozen=True)
class Rule:
    """A reference line across the figure: a ceiling, zero, chance, the identity.

    Parameters
    ----------
    axis : str
        ``"y"``: a horizontal line at y = value; ``"x"``: a vertical one; ``"xy"``: the line y = x (value is not read).
    value : float
    label : str
        Written on the line.
    low, high : float, optional
        Interval around the value, shaded.
    facet : object, optional
        The panel it belongs to; None: all panels.
    """

    axis: str
    value: float = 0.0
    label: str = ""
    low: float | None = None
    high: float | None = None
    facet: object = None

    def __post_init__(self):
        if self.axis not in AXES:
            raise unknown("axis of a rule", self.axis, AXES)


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
    flag_above : float, optional
        Values of y above it are flagged and counted, never clipped (1 for normalised scores).
    colours : mapping
        Model id -> ``#rrggbb``, where the user chose another colour.
    horizontal : bool
        The categories of x stand below each other on the left, the first on top, and y runs to the right: a ranking. Points, with
        their intervals, and rules are drawn so.
    heat : pandas.DataFrame, optional
        Category of x -> one column of values each, drawn as cells to the right of a horizontal figure.
    heat_title : str
        What the cells are, where all columns share one scale: it is drawn beside them. Empty: each column has its own.
    whole_x : bool
        Ticks of x are whole numbers (layers).
    powers_y : bool
        y holds powers of ten: their numbers stand at the ticks, as on a logarithmic axis.
    brain : Brain, optional
        Drawn in place of the marks, which are its table: values on the cortex.
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
    flag_above: float | None = None
    colours: Mapping[str, str] = field(default_factory=dict)
    horizontal: bool = False
    heat: pd.DataFrame | None = None
    heat_title: str = ""
    whole_x: bool = False
    powers_y: bool = False
    brain: Brain | None = None

    def __post_init__(self):
        if self.heat is not None and not self.horizontal:
            raise BrainLensError(
                "Heat columns stand beside a horizontal figure only", remedy="Set horizontal"
            )
        for mark in self.marks:
            if self.facet is not None and self.facet not in mark.frame.columns:
                raise unknown("column for facet", self.facet, mark.frame.columns)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to draw."""
        return all(mark.frame.empty for mark in self.marks)

    def draws_like(self, other: FigureSpec | None) -> bool:
        """Whether both give the same picture: every word, choice and row is equal."""
        if (
            other is None
            or len(self.marks) != len(other.marks)
            or _plain(self, "marks") != _plain(other, "marks")
            or (self.heat is None) != (other.heat is None)
            or (self.heat is not None and not self.heat.equals(other.heat))
        ):
            return False
        pairs = list(zip(self.marks, other.marks, strict=True))
        return all(_plain(a, "frame") == _plain(b, "frame") for a, b in pairs) and all(
            a.frame.equals(b.frame) for a, b in pairs
        )

    @property
    def table(self) -> pd.DataFrame:
        """Every row that is drawn, in drawing order; a column ``mark`` tells the layers of ink apart where there are several."""
        frames = [
            mark.frame.assign(mark=mark.name or mark.kind) if len(self.marks) > 1 else mark.frame
            for mark in self.marks
        ]
        frames = [frame for frame in frames if not frame.empty]
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def _plain(record: Mark | FigureSpec, but: str) -> list:
    """The values of all fields but the one that holds frames."""
    return [getattr(record, one.name) for one in fields(record) if one.name not in (but, "heat")]
