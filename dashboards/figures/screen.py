"""Draw a figure on the screen: Bokeh.

``draw(spec, *, theme="light", height=420, width="stretch", on_pick=None) -> bokeh figure or grid of figures``
``highlight(plot, ["gpt2"])`` dims the points of all other models, in a plot that is already shown.

Show the result with ``pn.pane.Bokeh(plot, sizing_mode="stretch_width")`` or return it from a notebook cell. ``on_pick`` is
called with a list of dicts, one per picked row (tap or box select; all columns of the mark's frame), and with an empty list when
the selection is taken back. Nothing is global: theme, size and callbacks belong to the one figure.

Bokeh is asked directly: through HoloViews the same figures took .47 s (a layer profile of four models) and .9 s (43 labelled
points) to build on the event loop, where a cached change of the selection has .3 s in all; directly they take a quarter of that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from html import escape
from itertools import pairwise

import numpy as np
import pandas as pd
from bokeh.layouts import gridplot
from bokeh.models import (
    BoxAnnotation,
    CDSView,
    ColumnDataSource,
    FixedTicker,
    HoverTool,
    IndexFilter,
    Label,
    LabelSet,
    Legend,
    LegendItem,
    NumeralTickFormatter,
    Range1d,
    Slope,
    Span,
    Title,
)
from bokeh.models.renderers import GlyphRenderer
from bokeh.plotting import figure as bokeh_figure

from dashboards.figures.labels import placed
from dashboards.figures.panels import Drawing, Panel, Series, X, bins, drawing
from dashboards.figures.spec import ITEM, FigureSpec, Mark, Rule
from dashboards.figures.style import ink
from data.errors import BrainLensError

__all__ = ["draw", "highlight"]

LEGEND_LIMIT = 14
"""More entries than this make a legend that hides the plot: hover and labels name the points then."""
KEY = "_key"
"""Column of a source with what a point is picked by: its item, where the frame has items, else what gave it its colour."""
_SIZES = {"diamond": 1.3, "star": 1.3, "plus": 1.15, "triangle": 1.05, "inverted_triangle": 1.05, "square": 0.92}
_TOOLS = "pan,box_zoom,box_select,tap,wheel_zoom,save,reset"
_NOMINAL_WIDTH = 900  # pixels assumed for a stretched figure when labels are placed
Renderers = dict[str, list[GlyphRenderer]]


def draw(
    spec: FigureSpec,
    *,
    theme: str = "light",
    height: int = 420,
    width: int | str = "stretch",
    on_pick: Callable[[list[dict]], None] | None = None,
):
    """The figure as a Bokeh object.

    Parameters
    ----------
    spec : FigureSpec
    theme : str
        ``"light"`` or ``"dark"``.
    height : int
        Pixels of one panel.
    width : int or "stretch"
        Pixels of the whole figure, or as wide as the page.
    on_pick : callable, optional
        Called with the picked rows.

    Returns
    -------
    bokeh.plotting.figure or bokeh.models.GridPlot
        A grid where the spec has facets; its panels share their ranges.

    Raises
    ------
    BrainLensError
        Where there is nothing to draw.
    """
    if spec.empty:
        raise BrainLensError("There is nothing to draw: every mark is empty", remedy="Choose models and a recording first")
    plan = drawing(spec, theme)
    across = _across(len(plan.panels))
    pixels = None if width == "stretch" else int(width) // across
    ranges = _ranges(plan)
    plots = [_panel(plan, panel, height, pixels, across, ranges, on_pick, first=i == 0) for i, panel in enumerate(plan.panels)]
    if len(plots) == 1:
        return plots[0]
    return gridplot(
        plots,
        ncols=across,
        toolbar_location="right",
        toolbar_options={"logo": None},
        sizing_mode="stretch_width" if pixels is None else None,
    )


def highlight(plot, values: Iterable[object]) -> None:
    """Mark some points and dim the others; no values take the marking back.

    Parameters
    ----------
    plot
        What :func:`draw` gave.
    values : iterable
        Items, where the marks have them, else model ids (values of the marks' colour column).
    """
    wanted = {str(value) for value in values}
    for source in plot.select({"type": ColumnDataSource}):
        if KEY in source.data:
            indices = [i for i, value in enumerate(source.data[KEY]) if value in wanted]
            if list(source.selected.indices) != indices:
                source.selected.indices = indices


def _across(panels: int) -> int:
    return panels if panels <= 3 else 2 if panels == 4 else 3


def _ranges(plan: Drawing) -> tuple[Range1d, Range1d]:
    left, right, bottom, top = plan.extent
    return Range1d(*((right, left) if plan.spec.invert_x else (left, right))), Range1d(bottom, top)


def _panel(plan: Drawing, panel: Panel, height: int, pixels: int | None, across: int, ranges, on_pick, *, first: bool):
    spec = plan.spec
    size = {"sizing_mode": "stretch_width"} if pixels is None else {"width": pixels}
    figure = bokeh_figure(
        height=height,
        x_range=ranges[0],
        y_range=ranges[1],
        tools=_TOOLS,
        toolbar_location="above",
        x_axis_label=spec.x_title,
        x_axis_type="log" if spec.log_x and plan.categories is None else "linear",
        y_axis_label=spec.y_title,
        **size,
    )
    for rule in panel.rules:
        _rule(figure, plan, rule)
    named: Renderers = {}
    for mark in panel.marks:
        if not mark.frame.empty:
            _DRAWERS[mark.kind](figure, plan, mark, named, on_pick)
    for mark in panel.marks:
        if mark.label is not None and not mark.frame.empty:
            _labels(figure, plan, panel, mark, ((pixels or _NOMINAL_WIDTH // across) - 70, height - 90))
    _dress(figure, plan)
    if first:
        _legend(figure, plan, named)
    notes = [spec.stamp] if spec.stamp else []
    if count := plan.flagged(panel):
        notes.append(f"ringed in red: {count} above {spec.flag_above:g}")
    if notes:
        figure.add_layout(
            Title(text="  ·  ".join(notes), align="right", text_color=ink("stamp", plan.theme), text_font_size="9pt"), "above"
        )
    if panel.title:
        figure.add_layout(Title(text=panel.title, text_color=ink("text", plan.theme), text_font_size="10pt"), "above")
    return figure


# ---- marks --------------------------------------------------------------------------------------------------------------
def _line(figure, plan: Drawing, mark: Mark, named: Renderers, on_pick) -> None:
    for series in plan.series(mark):
        if mark.low is not None:
            _area(figure, mark, series, named)
        _name(
            named,
            series,
            figure.line(
                series.frame[X].to_numpy(),
                series.frame[mark.y].to_numpy(),
                line_color=series.look.colour,
                line_width=1 if mark.muted else 2,
                line_dash="dashed" if mark.dashed else "solid",
                muted_alpha=0.1,
            ),
        )
    if mark.colour is not None and not mark.dashed:
        _scatter(figure, plan, mark, named, on_pick, 6.5)


def _points(figure, plan: Drawing, mark: Mark, named: Renderers, on_pick) -> None:
    for series in plan.series(mark):
        if mark.low is not None:
            _whiskers(figure, mark, series, named, series.look.colour)
    _scatter(figure, plan, mark, named, on_pick, 7 if mark.muted else 9)


def _bars(figure, plan: Drawing, mark: Mark, named: Renderers, on_pick) -> None:
    for series in plan.series(mark):
        bars = figure.vbar(
            x=X,
            top=mark.y,
            width=0.92 * plan.bar_width(series.frame),
            source=_source(mark, series.frame),
            line_color=series.look.colour,
            fill_color=series.look.colour,
            fill_alpha=0.12 if series.look.open else 0.88,
            muted_alpha=0.1,
        )
        _name(named, series, bars)
        _hover(figure, mark, [bars])
        _listen(bars.data_source, series.frame, on_pick)
        if mark.low is not None:
            _whiskers(figure, mark, series, named, ink("text", plan.theme))


def _band(figure, plan: Drawing, mark: Mark, named: Renderers, on_pick) -> None:
    for series in plan.series(mark):
        _area(figure, mark, series, named)


def _histogram(figure, plan: Drawing, mark: Mark, named: Renderers, on_pick) -> None:
    edges = bins(mark.frame[mark.x].to_numpy())
    for series in plan.series(mark):
        counts, _ = np.histogram(series.frame[X].dropna(), bins=edges)
        boxes = figure.quad(
            left=edges[:-1],
            right=edges[1:],
            top=counts,
            bottom=0,
            fill_color=series.look.colour,
            fill_alpha=0.45,
            line_color=series.look.colour,
            muted_alpha=0.05,
        )
        _name(named, series, boxes)
        figure.add_tools(
            HoverTool(
                renderers=[boxes], tooltips=[("from", "@left{0.000}"), ("to", "@right{0.000}"), ("count", "@top")], visible=False
            )
        )


def _text(figure, plan: Drawing, mark: Mark, named: Renderers, on_pick) -> None:
    """Words are written with the labels of the other marks."""


_DRAWERS = {"line": _line, "points": _points, "bars": _bars, "band": _band, "histogram": _histogram, "text": _text}


# ---- pieces -------------------------------------------------------------------------------------------------------------
def _scatter(figure, plan: Drawing, mark: Mark, named: Renderers, on_pick, size: float) -> None:
    """Points from one source, so that what is picked dims all the rest; one renderer per series while a legend can hold them."""
    series = plan.series(mark)
    if not series:
        return
    frame = pd.concat([part.frame for part in series])
    source = _source(mark, frame, _looked(series, size))
    ends = np.cumsum([0, *(len(part.frame) for part in series)])
    parts, spans = series, list(pairwise(ends))
    if len(series) > LEGEND_LIMIT:
        parts, spans = [Series(mark.name, series[0].look, frame)], [(0, len(frame))]
    drawn = []
    for part, (start, stop) in zip(parts, spans):
        points = figure.scatter(
            X,
            mark.y,
            source=source,
            view=CDSView(filter=IndexFilter(list(range(start, stop)))),
            marker="_marker",
            size="_size",
            line_color="_colour",
            fill_color="_fill",
            line_width=1.4,
            alpha=0.7 if mark.muted else 1.0,
            nonselection_alpha=0.2,
            muted_alpha=0.1,
        )
        drawn.append(points)
        _name(named, part, points)
        rows = frame.iloc[start:stop]
        rings = [(plan.above(mark, rows), "flag", 8), (rows if mark.ringed else rows.iloc[:0], "text", 7)]
        for ringed, role, grow in rings:
            if len(ringed):
                colour = ink(role, plan.theme)
                at = ringed[X].to_numpy(), ringed[mark.y].to_numpy()
                ring = figure.scatter(*at, size=size + grow, fill_alpha=0, line_color=colour, line_width=1.4, muted_alpha=0.1)
                _name(named, part, ring)
    _hover(figure, mark, drawn)
    _listen(source, frame, on_pick)


def _looked(group: list[Series], size: float) -> dict[str, np.ndarray]:
    """Colour, fill, marker and size of each row."""
    rows = [len(part.frame) for part in group]
    looks = [part.look for part in group]
    columns = {
        "_colour": [look.colour for look in looks],
        "_fill": ["rgba(0,0,0,0)" if look.open else look.colour for look in looks],
        "_marker": [look.marker for look in looks],
        "_size": [size * _SIZES.get(look.marker, 1.0) for look in looks],
    }
    return {name: np.repeat(values, rows) for name, values in columns.items()}


def _source(mark: Mark, frame: pd.DataFrame, more: dict[str, np.ndarray] | None = None) -> ColumnDataSource:
    columns = list(dict.fromkeys([X, mark.y, *_hover_columns(mark)]))
    data = {column: frame[column].to_numpy() for column in columns} | (more or {})
    key = ITEM if ITEM in frame.columns else mark.colour
    return ColumnDataSource(data if key is None else data | {KEY: frame[key].astype(str).to_numpy()})


def _name(named: Renderers, series: Series, renderer: GlyphRenderer) -> None:
    if series.name:
        named.setdefault(series.name, []).append(renderer)


def _whiskers(figure, mark: Mark, series: Series, named: Renderers, colour: str) -> None:
    frame = series.frame[series.frame[[mark.low, mark.high]].notna().all(axis=1)]
    _name(
        named,
        series,
        figure.segment(
            frame[X].to_numpy(),
            frame[mark.low].to_numpy(),
            frame[X].to_numpy(),
            frame[mark.high].to_numpy(),
            line_color=colour,
            line_width=1.3,
            line_alpha=0.5 if mark.muted else 0.9,
            muted_alpha=0.1,
        ),
    )


def _area(figure, mark: Mark, series: Series, named: Renderers) -> None:
    frame = series.frame[series.frame[[mark.low, mark.high]].notna().all(axis=1)]
    _name(
        named,
        series,
        figure.varea(
            frame[X].to_numpy(),
            frame[mark.low].to_numpy(),
            frame[mark.high].to_numpy(),
            fill_color=series.look.colour,
            fill_alpha=0.16,
            muted_alpha=0.02,
        ),
    )


def _rule(figure, plan: Drawing, rule: Rule) -> None:
    colour, along = ink("rule", plan.theme), "width" if rule.axis == "y" else "height"
    if rule.axis == "xy":
        figure.add_layout(Slope(gradient=1, y_intercept=0, line_color=colour, line_dash="dotted"))
        return
    if rule.low is not None and rule.high is not None:
        edges = {"bottom": rule.low, "top": rule.high} if rule.axis == "y" else {"left": rule.low, "right": rule.high}
        figure.add_layout(
            BoxAnnotation(**edges, fill_color=ink("muted", plan.theme), fill_alpha=0.18, line_alpha=0, level="underlay")
        )
    figure.add_layout(
        Span(location=rule.value, dimension=along, line_color=colour, line_dash="dashed", line_width=1, level="underlay")
    )
    if rule.label:
        place = (
            {"x": 6, "y": rule.value, "x_units": "screen"}
            if rule.axis == "y"
            else {"x": rule.value, "y": 6, "y_units": "screen", "angle": np.pi / 2}
        )
        figure.add_layout(
            Label(
                **place,
                text=rule.label,
                text_font_size="8.5pt",
                text_baseline="bottom",
                text_color=ink("text", plan.theme),
                y_offset=1,
                background_fill_color=ink("paper", plan.theme),
                background_fill_alpha=0.6,
            )
        )


def _hover_columns(mark: Mark) -> list[str]:
    named = mark.hover or tuple(column for column in (mark.colour, mark.x, mark.y, mark.low, mark.high) if column)
    return list(dict.fromkeys(named))


def _hover(figure, mark: Mark, renderers: list) -> None:
    rows = []
    for column in _hover_columns(mark):
        fraction = pd.api.types.is_float_dtype(mark.frame[column])
        rows.append((escape(column.replace("_", " ")), f"@{{{column}}}{{0,0.[000]}}" if fraction else f"@{{{column}}}"))
    figure.add_tools(HoverTool(renderers=renderers, tooltips=rows, visible=False))


def _listen(source: ColumnDataSource, frame: pd.DataFrame, on_pick) -> None:
    if on_pick is None:
        return
    rows = frame.drop(columns=[column for column in frame.columns if str(column).startswith("_")]).reset_index(drop=True)
    source.selected.on_change("indices", partial(_picked, rows, on_pick))


def _picked(rows: pd.DataFrame, on_pick, attribute: str, old: list[int], new: list[int]) -> None:
    on_pick(rows.iloc[list(new)].to_dict("records"))


def _labels(figure, plan: Drawing, panel: Panel, mark: Mark, area: tuple[int, int]) -> None:
    """Words beside points where there is room; the others are told by the hover card, the table and the print."""
    words = pd.concat(
        [
            series.frame.assign(_colour=ink("text", plan.theme) if mark.kind == "text" else series.look.colour)
            for series in plan.series(mark)
        ]
    )
    words = words[words[mark.label].notna() & (words[mark.label].astype(str) != "")]
    if words.empty:
        return
    points = plan.pixels(words[X], words[mark.y], area)
    sizes = np.array([[5.6 * len(str(word)) + 2, 12] for word in words[mark.label]])
    dots = [
        plan.pixels(series.frame[X], series.frame[other.y], area)
        for other in panel.marks
        if other.kind == "points"
        for series in plan.series(other)
    ]
    corners, clear = placed(
        points, sizes, np.concatenate(dots) if dots else np.empty((0, 2)), (0, 0, *area), 1.3, radii=(5, 8, 12)
    )
    show = clear if mark.kind != "text" else np.ones(len(words), bool)
    shift = corners - points
    figure.add_layout(
        LabelSet(
            x=X,
            y=mark.y,
            text="_text",
            x_offset="_dx",
            y_offset="_dy",
            text_color="_colour",
            text_font_size="8pt",
            text_baseline="bottom",
            source=ColumnDataSource(
                {
                    X: words[X].to_numpy()[show],
                    mark.y: words[mark.y].to_numpy()[show],
                    "_text": words[mark.label].astype(str).to_numpy()[show],
                    "_dx": shift[show, 0],
                    "_dy": shift[show, 1],
                    "_colour": words["_colour"].to_numpy()[show],
                }
            ),
        )
    )


# ---- around the ink -------------------------------------------------------------------------------------------------------
def _dress(figure, plan: Drawing) -> None:
    theme = plan.theme
    figure.background_fill_color = figure.border_fill_color = ink("paper", theme)
    figure.outline_line_color = None
    figure.toolbar.logo = None
    figure.toolbar.active_tap = figure.toolbar.active_drag = figure.toolbar.active_scroll = None
    figure.toolbar.active_tap = next(tool for tool in figure.tools if type(tool).__name__ == "TapTool")
    for axis in figure.axis:
        axis.axis_line_color = axis.major_tick_line_color = ink("axis", theme)
        axis.minor_tick_line_color = None
        axis.major_label_text_color = axis.axis_label_text_color = ink("text", theme)
        axis.axis_label_text_font_style, axis.axis_label_text_font_size, axis.major_label_text_font_size = "normal", "10pt", "9pt"
    for grid in figure.grid:
        grid.grid_line_color = ink("grid", theme)
    if plan.categories is not None:
        figure.xaxis.ticker = FixedTicker(ticks=list(range(len(plan.categories))))
        figure.xaxis.major_label_overrides = dict(enumerate(plan.categories))
        figure.xgrid.grid_line_color = None
        figure.xaxis.major_label_orientation = 0.6 if sum(map(len, plan.categories)) > 90 else 0.0
    elif plan.spec.log_x:
        figure.xaxis.ticker = FixedTicker(ticks=plan.log_ticks)
        figure.xaxis.formatter = NumeralTickFormatter(format="0,0.[000]")


def _legend(figure, plan: Drawing, named: Renderers) -> None:
    """One entry per colour, and one neutral entry per way of drawing (dashed, ringed); a click mutes what it names."""
    entries = plan.legend()
    items = []
    for entry in entries:
        drawn = [renderer for name in entry.names for renderer in named.get(name, [])]
        if drawn:
            items.append(LegendItem(label=entry.name, renderers=drawn))
    if not items or len(items) > LEGEND_LIMIT or (len(items) == 1 and not entries[0].explains):
        return
    wide = sum(len(entry.name) for entry in entries) * 7 + 40 * len(entries) > 700
    legend = Legend(
        items=items,
        click_policy="mute",
        orientation="vertical" if wide and len(items) > 4 else "horizontal",
        border_line_alpha=0,
        padding=2,
        ncols="auto" if not wide else max(1, 700 // (max(len(entry.name) for entry in entries) * 7 + 40)),
        background_fill_alpha=0,
        label_text_color=ink("text", plan.theme),
        label_text_font_size="9pt",
        spacing=10,
        margin=2,
    )
    figure.add_layout(legend, "above")
