"""What both renderers need to know before they draw: panels, categorical axes, series with their looks, bins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pandas as pd

from dashboards.figures.labels import broken
from dashboards.figures.spec import FigureSpec, Mark, Rule
from dashboards.figures.style import Look, ink, lettering, looks, ramped

__all__ = ["Drawing", "Entry", "Panel", "Ramp", "Series", "X", "bins", "drawing", "short"]

X = "_x"
"""Column with the position on the x axis that every prepared frame carries."""
DOTTINGS = ("dotted", "dotdash", "dotdotdash", "dotdotdotdash")
"""Of grey lines beside models: so many are told apart without colour."""
MOST_NAMES = 12
LONGEST_HEAD = 24  # letters of a name above a column of cells
"""More lines than this are named in the legend."""


@dataclass(frozen=True)
class Panel:
    """One pair of axes."""

    title: str
    marks: tuple[Mark, ...]
    rules: tuple[Rule, ...]


@dataclass(frozen=True)
class Series:
    """The rows of a mark that look alike; ``value`` is what gave them their look."""

    name: str
    look: Look
    frame: pd.DataFrame
    value: object = None


@dataclass(frozen=True)
class End:
    """A name at the end of a line: in the right margin, or, where the line ends far from it, beside its last point (``at``)."""

    value: float
    words: str
    colour: str
    at: float = float("nan")


@dataclass(frozen=True)
class Ramp:
    """Checkpoints of a training, or of several that share their steps: what a colour bar says.

    Parameters
    ----------
    title : str
    steps : tuple of int
        Increasing.
    colours : tuple of str
        One for each step.
    """

    title: str
    steps: tuple[int, ...]
    colours: tuple[str, ...]

    def named(self, room: float, letter: float) -> list[int]:
        """Places of the steps that are written below a bar as wide as ``room``: the ends, and between them what has room."""
        cell = room / len(self.steps)
        half = [0.5 * letter * (len(f"{step:,}") + 1.5) for step in self.steps]
        last = len(self.steps) - 1
        kept = [0]
        for place in range(1, last):
            if all(
                abs(place - other) * cell > half[place] + half[other] for other in (kept[-1], last)
            ):
                kept.append(place)
        return [*kept, last] if last * cell > half[0] + half[last] else [last]


@dataclass(frozen=True)
class Entry:
    """One line of the legend, and the names of the series it speaks for."""

    name: str
    kind: str
    look: Look
    mark: Mark
    names: tuple[str, ...]

    @property
    def explains(self) -> bool:
        """Whether it is needed even when it stands alone."""
        return bool(self.mark.name) or self.look.open


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
    _series: dict[int, list[Series]] = field(default_factory=dict, repr=False)

    def series(self, mark: Mark) -> list[Series]:
        """The mark's rows split by colour, with :data:`X` and without rows that have nothing to draw."""
        if id(mark) not in self._series:
            self._series[id(mark)] = list(self._split(mark))
        return self._series[id(mark)]

    def _split(self, mark: Mark) -> Iterator[Series]:
        frame = self._placed(mark)
        if mark.colour is None:
            if not frame.empty:
                yield Series(mark.name, self._neutral(mark), frame)
            return
        for value, rows in frame.groupby(mark.colour, sort=False, observed=True):
            if rows.empty:
                continue
            look = self.looks[mark.colour, value]
            if mark.muted:
                look = replace(look, colour=ink("muted", self.theme))
            name = f"{value}, {mark.name}" if mark.name else str(value)
            yield Series(name, look, rows, value)

    def _placed(self, mark: Mark) -> pd.DataFrame:
        frame = mark.frame.copy()
        if self.categories is None or mark.kind == "histogram":
            frame[X] = pd.to_numeric(frame[mark.x], errors="coerce").astype(float)
        else:
            place = {name: i for i, name in enumerate(self.categories)}
            frame[X] = frame[mark.x].astype(str).map(place).astype(float)
            if mark.colour is not None:
                frame[X] += [
                    self.offsets.get((mark.colour, value), 0.0) for value in frame[mark.colour]
                ]
        ends = (
            [mark.low, mark.high]
            if mark.kind == "band"
            else []
            if mark.kind == "histogram"
            else [mark.y]
        )
        keep = frame[[X, *ends]].notna().all(axis=1)
        if self.spec.log_x and self.categories is None:
            keep &= frame[X] > 0
        frame = frame[keep]
        return frame.sort_values(X, kind="stable") if mark.kind in ("line", "band") else frame

    @cached_property
    def _trainings(self) -> dict[object, tuple[str, int]]:
        """Checkpoints that a colour bar names, with training and step."""
        columns = {
            mark.colour
            for mark in self.spec.marks
            if mark.colour is not None and not (mark.frame.empty or self._on_axis(mark))
        }
        return ramped(value for column, value in self.looks if column in columns)

    @cached_property
    def ramp(self) -> Ramp | None:
        """What the colour bar says; None where no checkpoints are drawn, or the axis names them."""
        if not self._trainings:
            return None
        by_step = {
            self._trainings[value][1]: look.colour
            for (_, value), look in self.looks.items()
            if value in self._trainings
        }
        bases = sorted({base for base, _ in self._trainings.values()} - {""})
        steps = tuple(sorted(by_step))
        title = f"Training step of {bases[0]}" if len(bases) == 1 else "Training step"
        return Ramp(title, steps, tuple(by_step[step] for step in steps))

    def dash(self, mark: Mark, look: Look) -> str:
        """How a line is drawn: trained solid, untrained or otherwise changed dashed, what stands beside a model dotted.

        Several grey lines have dots and dashes of their own.
        """
        if mark.dashed:
            return self._dottings.get(mark.name, DOTTINGS[0])
        return "dashed" if look.changed else "solid"

    def _neutral(self, mark: Mark) -> Look:
        """Of what has no colour of its own; a thin grey line is darker than a grey dot."""
        grey = "axis" if mark.kind == "line" else "muted"
        return Look(ink(grey if mark.muted else "rule", self.theme), "circle")

    @cached_property
    def _grey_lines(self) -> list[str]:
        """Names of lines without a colour, each once."""
        return list(
            dict.fromkeys(
                mark.name
                for mark in self.spec.marks
                if mark.kind == "line" and mark.colour is None and mark.muted
                and mark.name and not mark.frame.empty
            )
        )  # fmt: skip

    @cached_property
    def _dottings(self) -> dict[str, str]:
        """How each of a few grey lines is dotted: a legend tells them apart."""
        few = len(self._grey_lines) <= len(DOTTINGS)
        return dict(zip(self._grey_lines, DOTTINGS)) if few else {}

    @property
    def several_dottings(self) -> bool:
        """Whether a legend needs longer samples of its lines."""
        return len(self._dottings) > 1

    def legend(self) -> list[Entry]:
        """What needs naming, each name once: the colours, and neutrally the ways of drawing that come on top of them."""
        entries: dict[str, Entry] = {}
        plain = {
            mark.colour for mark in self.spec.marks if mark.colour is not None and not mark.name
        }
        at_ends = {
            series.name
            for mark in self.spec.marks
            if self._line_names(mark)
            for series in self.series(mark)
            if series.value not in self._trainings
        }
        for mark in self.spec.marks:
            if mark.frame.empty or mark.kind == "text" or (mark.colour is None and not mark.name):
                continue
            if mark.colour is None and mark.kind == "line" and mark.name in self._alike:
                continue
            if mark.colour in plain and not mark.name and mark.ringed:
                continue
            for series in self.series(mark):
                neutral = mark.name and (mark.muted or mark.colour in plain or mark.colour is None)
                if (
                    mark.colour is not None
                    and not neutral
                    and (
                        self._on_axis(mark)
                        or series.name in at_ends
                        or (mark.kind == "points" and mark.label == mark.colour)
                    )
                ):
                    continue
                if mark.muted and not mark.name:
                    continue
                name = mark.name if neutral else series.name
                look = series.look if mark.colour is None or not neutral else self._neutral(mark)
                if not neutral and series.value in self._trainings:  # the bar tells the step
                    base = self._trainings[series.value][0]
                    if len({base for base, _ in self._trainings.values()}) == 1:
                        continue
                    name = f"{base}, by step"
                    look = Look(ink("rule", self.theme), series.look.marker)
                known = entries.get(name)
                kind = mark.kind if known is None or known.kind == "band" else known.kind
                names = tuple(dict.fromkeys([*(known.names if known else ()), series.name]))
                entries[name] = Entry(
                    name,
                    kind,
                    look if known is None else known.look,
                    mark if known is None else known.mark,
                    names,
                )
        return list(entries.values())

    @cached_property
    def named_at_ends(self) -> bool:
        """Whether names stand at the right: rules across, and lines, of figures whose lines end there."""
        spec = self.spec
        return not (spec.horizontal or spec.invert_x or self.categories is not None)

    def beyond(self, margin: float) -> float:
        """Right end of an axis with so much more room for names, as a share of what the data take."""
        left, right = self.extent[:2]
        if self.spec.log_x and self.categories is None:
            return right * (right / left) ** margin
        return right + margin * (right - left)

    @cached_property
    def _alike(self) -> set[str]:
        """Grey lines that no legend could tell apart: they are named at their ends."""
        many = len(DOTTINGS) < len(self._grey_lines) <= MOST_NAMES
        return set(self._grey_lines) if self.named_at_ends and many else set()

    def ends(self, panel: Panel) -> list[End]:
        """What is named in the right margin of a panel."""
        if not self.named_at_ends:
            return []
        found = [
            End(rule.value, rule.label, ink("text", self.theme))
            for rule in panel.rules
            if rule.axis == "y" and rule.label
        ]
        for mark in panel.marks:
            if self._line_names(mark):
                found += [end for end in self._named(mark) if end.words in self._reaching]
            elif mark.colour is None and mark.kind == "line" and mark.name in self._alike:
                for series in self.series(mark):
                    last = float(series.frame.iloc[-1][mark.y])
                    found.append(End(last, mark.name, lettering(series.look.colour, self.theme)))
        return found

    def early(self, panel: Panel) -> list[End]:
        """What is named beside its last point: lines that end in the left half, whose names would stand far from them."""
        return [
            end
            for mark in panel.marks
            if self._line_names(mark)
            for end in self._named(mark)
            if end.words not in self._reaching
        ]

    def _named(self, mark: Mark) -> Iterator[End]:
        """The ends of a mark's lines; none where the title of their panel has their name."""
        for series in self.series(mark) if mark.colour != self.spec.facet else ():
            if series.value not in self._trainings:
                last, colour = series.frame.iloc[-1], lettering(series.look.colour, self.theme)
                yield End(float(last[mark.y]), series.name, colour, float(last[X]))

    @cached_property
    def _reaching(self) -> set[str]:
        """Lines that end in the right half: a name in the margin would stand far from the others, which the legend names."""
        left, right = self.extent[:2]
        middle = (left * right) ** 0.5 if self.spec.log_x else (left + right) / 2
        lines = (mark for mark in self.spec.marks if mark.kind == "line")
        return {
            series.name
            for mark in lines
            for series in self.series(mark)
            if series.frame[X].max() >= middle
        }

    def _line_names(self, mark: Mark) -> bool:
        """Whether a mark's lines are named at their ends."""
        named = (
            mark.kind == "line"
            and mark.colour is not None
            and not (mark.name or mark.muted or mark.frame.empty)
        )
        if not (self.named_at_ends and named):
            return False
        return len(set(mark.frame[mark.colour]) - set(self._trainings)) <= MOST_NAMES

    def margin(self, letter: float, width: float, *, wraps: bool = False) -> float:
        """Share of the data's width that the names in the right margin need.

        Parameters
        ----------
        letter, width : float
            Width of a letter, and of a panel, in the same unit.
        wraps : bool
            Whether names that take more than a third of the panel stand on several lines.
        """
        most = max(8, int(0.32 * width / letter)) if wraps else 10_000
        longest = max(
            (
                len(line)
                for panel in self.panels
                for end in self.ends(panel)
                for line in broken(end.words, most).split("\n")
            ),
            default=0,
        )
        room = min(0.42 * width, longest * letter + 2 * letter) if longest else 0.0
        return room / (width - room)

    def _on_axis(self, mark: Mark) -> bool:
        """Whether the names of the colours stand on the axis already."""
        names = set(map(str, mark.frame[mark.colour]))
        if self.spec.horizontal:  # a ranking: each entry names its model
            return all(any(name in entry for name in names) for entry in self.categories or ())
        return self.categories is not None and names <= set(self.categories)

    def flagged(self, panel: Panel | None = None) -> int:
        """How many values lie above ``flag_above``, in one panel or in all."""
        panels = self.panels if panel is None else (panel,)
        return sum(len(self.above(mark, mark.frame)) for one in panels for mark in one.marks)

    def above(self, mark: Mark, frame: pd.DataFrame) -> pd.DataFrame:
        """The rows above ``flag_above`` (none where nothing is flagged)."""
        if self.spec.flag_above is None or mark.kind not in ("points", "bars", "line"):
            return frame.iloc[:0]
        return frame[frame[mark.y] > self.spec.flag_above]

    # ---- extent --------------------------------------------------------------------------------------------------------
    @cached_property
    def extent(self) -> tuple[float, float, float, float]:
        """left, right, bottom, top that hold all ink of all panels, rules included, with a margin."""
        xs, ys = [], []
        for mark in self.spec.marks:
            if mark.frame.empty:
                continue
            if mark.kind == "histogram":
                edges = bins(mark.frame[mark.x].to_numpy())
                xs += [edges[0], edges[-1]]
                ys += [
                    0,
                    max(
                        np.histogram(series.frame[X].dropna(), bins=edges)[0].max()
                        for series in self.series(mark)
                    ),
                ]
                continue
            columns = [
                column
                for column in (
                    mark.low,
                    mark.high,
                    mark.base,
                    None if mark.kind == "band" else mark.y,
                )
                if column
            ]
            for series in self.series(mark):
                xs += [series.frame[X].min(), series.frame[X].max()]
                ys += [
                    v
                    for column in columns
                    for v in (series.frame[column].min(), series.frame[column].max())
                ]
            ys += [0.0] if mark.kind == "bars" else []
            half = 0.0
            if mark.kind == "bars" and self.categories is None:
                half = self.bar_width(mark.frame.assign(**{X: mark.frame[mark.x]})) / 2
            xs += [min(xs) - half, max(xs) + half] if half else []
        for rule in self.spec.rules:
            ends = [v for v in (rule.value, rule.low, rule.high) if v is not None]
            (ys if rule.axis == "y" else xs if rule.axis == "x" else []).extend(ends)
        left, right = (
            (-0.6, len(self.categories) - 0.4)
            if self.categories is not None
            else _padded(xs, self.spec.log_x)
        )
        bottom, top = _padded(ys, False)
        if (
            any(mark.kind in ("bars", "histogram") for mark in self.spec.marks)
            and min(v for v in ys if np.isfinite(v)) >= 0
        ):
            bottom = 0.0
        return left, right, bottom, top

    @cached_property
    def log_ticks(self) -> list[float]:
        """Ticks of a logarithmic x axis: powers of ten, 2 and 5 where there is room, finer ones in less than a decade."""
        left, right = self.extent[:2]
        decades = range(int(np.floor(np.log10(left))), int(np.ceil(np.log10(right))) + 1)
        for steps in ((1,) if right / left >= 500 else (1, 2, 5), range(1, 10)):
            ticks = [step * 10.0**decade for decade in decades for step in steps]
            there = [tick for tick in ticks if left <= tick <= right]
            if len(there) > 1:
                return there
        step = 10.0 ** np.floor(np.log10((right - left) / 2))  # of a small part of a decade
        fine = np.arange(np.ceil(left / step), np.floor(right / step) + 1) * step
        return [float(f"{tick:.12g}") for tick in fine[:: -(-len(fine) // 7)]]

    @cached_property
    def whole_ticks(self) -> list[int]:
        """Whole numbers on the x axis, at most about a dozen."""
        left, right = self.extent[:2]
        margin = 0.05 / 1.1 * (right - left)  # of the extent: no tick stands where no data can
        first, last = int(np.ceil(left + margin - 1e-6)), int(np.floor(right - margin + 1e-6))
        steps = (base * 10**power for power in range(12) for base in (1, 2, 5))
        step = next(one for one in steps if (last - first) / one <= 12)
        return [tick for tick in range(first - first % step, last + 1, step) if tick >= first] or [
            round((left + right) / 2)
        ]

    @cached_property
    def power_ticks(self) -> dict[float, str]:
        """Ticks of a y axis of powers of ten, with the numbers that stand at them."""
        bottom, top = self.extent[2:]
        decades = range(int(np.floor(bottom)), int(np.ceil(top)) + 1)
        there: list[float] = []
        for steps in ((1,), (1, 3), (1, 2, 5), range(1, 10)):
            ticks = [decade + float(np.log10(step)) for decade in decades for step in steps]
            there = [tick for tick in ticks if bottom <= tick <= top]
            if len(there) > 2:
                break
        return {tick: f"{float(f'{10**tick:.6g}'):,.10g}" for tick in there}

    def first_rows(self, count: int) -> Drawing:
        """The first rows of a ranking."""
        kept = set((self.categories or ())[:count])
        marks = tuple(
            replace(mark, frame=mark.frame[mark.frame[mark.x].astype(str).isin(kept)])
            for mark in self.spec.marks
        )
        return drawing(replace(self.spec, marks=marks), self.theme)

    def hatch(self, mark: Mark, name: str) -> str | None:
        """Bars that lie side by side differ by hatching too, not by colour alone; None for the first of them."""
        there = [series.name for series in self.series(mark)]
        names = [str(one) for one in _values(mark)] if len(there) > 1 else there
        return HATCHES[names.index(name) % len(HATCHES)] if len(names) > 1 else None

    def heat_cells(self) -> dict[str, list]:
        """Cells of the heat columns: x, y, colour, and what is said of them."""
        heat, cells = (
            self.spec.heat,
            {name: [] for name in ("x", "y", "colour", "entry", "recording", "said")},
        )
        for y, entry in enumerate(self.categories or ()):
            for x, name in enumerate(heat.columns):
                value = float(heat.loc[entry, name]) if entry in heat.index else np.nan
                row = (x, y, heat_colour(value, self.heat_range(name), self.theme), entry, str(name),
                       f"{value:.3f}" if np.isfinite(value) else "no result")  # fmt: skip
                for key, one in zip(cells, row, strict=True):
                    cells[key].append(one)
        return cells

    def heat_range(self, column: object = None) -> tuple[float, float]:
        """Ends of the scale of a column of cells; of all columns where they share one."""
        heat = self.spec.heat if self.spec.heat_title else self.spec.heat[[column]]
        return float(heat.min().min()), float(heat.max().max())

    def heat_steps(self) -> list[str]:
        """Colours of the scale that all cells share, low to high; none where there is no such scale to draw."""
        low, high = self.heat_range() if self.spec.heat_title else (0.0, 0.0)
        shares = np.linspace(low, high, 32) if high > low else ()
        return [heat_colour(float(value), (low, high), self.theme) for value in shares]

    def bar_width(self, frame: pd.DataFrame) -> float:
        """Width of a bar in units of x."""
        if self.categories is not None:
            return self.width
        gaps = np.diff(np.unique(frame[X]))
        return float(gaps.min()) if len(gaps) else 1.0

    def pixels(self, x, y, area: tuple[float, float]) -> np.ndarray:
        """Positions on an area of that many pixels, shape (n, 2)."""
        left, right, bottom, top = self.extent
        x, y = np.asarray(x, float), np.asarray(y, float)
        if self.spec.log_x and self.categories is None:
            x, left, right = np.log(x), np.log(left), np.log(right)
        across = (x - left) / (right - left)
        return np.column_stack(
            [
                (1 - across if self.spec.invert_x else across) * area[0],
                (y - bottom) / (top - bottom) * area[1],
            ]
        )


HATCHES = (None, "/", "\\", "x", ".", "-", "+")
"""By Bokeh's names; Matplotlib knows the same letters."""


def heat_colour(value: float, ends: tuple[float, float], theme: str) -> str:
    """A step between the paper and a dark blue, by where the value stands between two ends."""
    if not np.isfinite(value):
        return ink("grid", theme)
    low, high = ends
    share = 0.5 if high == low else (value - low) / (high - low)
    start, end = (
        ((226, 234, 243), (24, 66, 112)) if theme == "light" else ((38, 50, 64), (150, 196, 240))
    )
    return "#" + "".join(
        f"{round(a + (b - a) * share):02x}" for a, b in zip(start, end, strict=True)
    )


def drawing(spec: FigureSpec, theme: str = "light") -> Drawing:
    """Prepare a spec for a renderer."""
    categories = _categories(spec)
    columns: dict[str, dict] = {}
    for mark in spec.marks:
        if mark.colour is not None:
            columns.setdefault(mark.colour, {}).update(dict.fromkeys(_values(mark)))
    found = {
        (column, value): look
        for column, values in columns.items()
        for value, look in looks(values, theme, column, spec.colours).items()
    }
    offsets, width = _dodge(spec, columns) if categories is not None else ({}, 0.8)
    return Drawing(spec, theme, _panels(spec), categories, found, width, offsets)


def _values(mark: Mark) -> list:
    """What is told apart by colour; all categories where the column has them, so that figures with a few of them look alike."""
    column = mark.frame[mark.colour]
    known = isinstance(column.dtype, pd.CategoricalDtype)
    return list(column.cat.categories if known else dict.fromkeys(column))


def short(name: object) -> str:
    """A name above a column of cells; with dots where it is cut."""
    text = str(name)
    return text if len(text) <= LONGEST_HEAD else f"{text[: LONGEST_HEAD - 1].rstrip()}…"


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
        crowded = any(
            mark.colour == column and mark.frame.groupby(mark.x)[column].nunique().max() > 1
            for mark in spec.marks
            if not mark.frame.empty and mark.kind != "histogram"
        )
        if crowded:
            width = 0.8 / len(values)
            offsets.update(
                {
                    (column, value): (i - (len(values) - 1) / 2) * width
                    for i, value in enumerate(values)
                }
            )
    return offsets, width


def _panels(spec: FigureSpec) -> tuple[Panel, ...]:
    if spec.facet is None:
        return (Panel("", spec.marks, spec.rules),)
    values = list(dict.fromkeys(value for mark in spec.marks for value in mark.frame[spec.facet]))
    result = []
    for value in values:
        marks = tuple(
            replace(mark, frame=mark.frame[mark.frame[spec.facet] == value]) for mark in spec.marks
        )
        rules = tuple(rule for rule in spec.rules if rule.facet is None or rule.facet == value)
        result.append(Panel(str(value), marks, rules))
    return tuple(result) or (Panel("", spec.marks, spec.rules),)


def _padded(values: list, log: bool) -> tuple[float, float]:
    finite = [v for v in values if v is not None and np.isfinite(v) and (v > 0 or not log)]
    if not finite:
        return (1.0, 10.0) if log else (0.0, 1.0)
    low, high = (np.log(min(finite)), np.log(max(finite))) if log else (min(finite), max(finite))
    margin = 0.05 * (high - low) or 0.05 * abs(high) or 0.5
    low, high = low - margin, high + margin
    return (float(np.exp(low)), float(np.exp(high))) if log else (float(low), float(high))
