"""Draw a figure on the screen: HoloViews on Bokeh.

``draw(spec, *, theme="light", height=420, width="stretch", on_pick=None) -> holoviews.Overlay | holoviews.Layout``

Wrap the result in ``pn.pane.HoloViews(plot, sizing_mode="stretch_width", linked_axes=False)`` or return it from a notebook cell.
``on_pick`` is called with a list of dicts, one per picked row (tap or box select; all columns of the mark's frame), and with an
empty list when the selection is taken back. Nothing is global: theme, size and callbacks belong to the one figure.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import holoviews as hv
import numpy as np
import pandas as pd

from dashboards.figures.panels import Drawing, Panel, Series, X, bins, drawing
from dashboards.figures.spec import FigureSpec, Mark, Rule
from dashboards.figures.style import ink
from data.errors import BrainLensError

__all__ = ["draw"]

LEGEND_LIMIT = 14
"""More entries than this make a legend that hides the plot: hover and labels name the points then."""


def draw(spec: FigureSpec, *, theme: str = "light", height: int = 420, width: int | str = "stretch",
         on_pick: Callable[[list[dict]], None] | None = None) -> hv.Overlay | hv.Layout:
    """The figure as a HoloViews object.

    Parameters
    ----------
    spec : FigureSpec
    theme : str
        ``"light"`` or ``"dark"``.
    height : int
        Pixels of one panel.
    width : int or "stretch"
        Pixels, or as wide as the page.
    on_pick : callable, optional
        Called with the picked rows.

    Returns
    -------
    holoviews.Overlay or holoviews.Layout
        A Layout where the spec has facets.

    Raises
    ------
    BrainLensError
        Where there is nothing to draw.
    """
    if spec.empty:
        raise BrainLensError("There is nothing to draw: every mark is empty", remedy="Choose models and a recording first")
    if "bokeh" not in hv.Store.registry:
        hv.Store.set_current_backend("bokeh") if "bokeh" in hv.Store.registry else hv.extension("bokeh", logo=False)
    plan = drawing(spec, theme)
    plots = [_panel(plan, panel, height, width, on_pick, first=i == 0) for i, panel in enumerate(plan.panels)]
    if len(plots) == 1:
        return plots[0]
    return hv.Layout(plots).cols(3 if len(plots) in (3, 5, 6) else 2).opts(shared_axes=False, toolbar="right")


def _panel(plan: Drawing, panel: Panel, height: int, width: int | str, on_pick, *, first: bool) -> hv.Overlay:
    spec = plan.spec
    elements = [element for rule in panel.rules for element in _rule_area(plan, rule)]
    named = {entry[0] for entry in plan.legend()}
    for mark in panel.marks:
        if not mark.frame.empty:
            elements += _DRAWERS[mark.kind](plan, mark, on_pick)
    elements += [element for rule in panel.rules for element in _rule_line(plan, rule)]
    size = {"responsive": True, "min_height": height, "height": height} if width == "stretch" else {"width": int(width), "height": height}
    options = dict(
        size, xlabel=spec.x_title, ylabel=spec.y_title, logx=spec.log_x and plan.categories is None, invert_xaxis=spec.invert_x,
        title=panel.title, show_grid=True, framewise=True, axiswise=True, shared_axes=False, toolbar="above", padding=0.06,
        show_legend=first and 1 <= len(named) <= LEGEND_LIMIT, legend_position="right" if len(named) > 3 else "top",
        active_tools=[], hooks=[partial(_finish, plan=plan, panel=panel)])
    if plan.categories is not None:
        options["xticks"] = list(enumerate(plan.categories))
        options["xlim"] = (-0.6, len(plan.categories) - 0.4)
        options["xrotation"] = 30 if len(plan.categories) > 8 else 0
    if spec.invert_x and "xlim" in options:
        options["xlim"] = options["xlim"][::-1]
    return hv.Overlay(elements).opts(hv.opts.Overlay(**options))


# ---- marks --------------------------------------------------------------------------------------------------------------
def _line(plan: Drawing, mark: Mark, on_pick) -> list:
    elements = []
    for series in plan.series(mark):
        if series.frame.empty:
            continue
        if mark.low is not None:
            elements.append(_area(mark, series, series.name))
        curve = hv.Curve(series.frame, X, mark.y, label=series.name).opts(
            color=series.look.colour, line_width=1 if mark.muted else 2, line_dash="dashed" if mark.dashed else "solid", muted_alpha=0.1)
        elements.append(curve)
    if mark.colour is not None and len(mark.frame) <= 400 and not mark.dashed:
        elements += _scatter(plan, mark, on_pick, size=6)
    return elements


def _points(plan: Drawing, mark: Mark, on_pick) -> list:
    elements = []
    if mark.low is not None:
        elements += [_whiskers(mark, series) for series in plan.series(mark) if not series.frame.empty]
    elements += _scatter(plan, mark, on_pick, size=9)
    if mark.label is not None:
        elements += _labels(plan, mark)
    return elements


def _bars(plan: Drawing, mark: Mark, on_pick) -> list:
    elements = []
    for series in plan.series(mark):
        frame = series.frame
        if frame.empty:
            continue
        half = 0.46 * (plan.width if plan.categories is not None else _step(frame[X]))
        boxes = frame.assign(_left=frame[X] - half, _right=frame[X] + half, _base=0.0)
        boxes = hv.Rectangles(boxes, ["_left", "_base", "_right", mark.y], _hover_columns(mark), label=series.name).opts(
            color=series.look.colour, line_color=series.look.colour, fill_alpha=0.15 if series.look.open else 0.85, tools=["hover"],
            hover_tooltips=_tooltips(mark))
        elements.append(boxes)
        _listen(boxes, frame, on_pick)
        if mark.low is not None:
            elements.append(_whiskers(mark, series, ink("text", plan.theme)))
    return elements


def _band(plan: Drawing, mark: Mark, on_pick) -> list:
    return [_area(mark, series, series.name) for series in plan.series(mark) if not series.frame.empty]


def _histogram(plan: Drawing, mark: Mark, on_pick) -> list:
    every = bins(mark.frame[mark.x].to_numpy())
    elements = []
    for series in plan.series(mark):
        counts, edges = np.histogram(series.frame[X].dropna(), bins=every)
        elements.append(hv.Histogram((edges, counts), kdims=X, vdims="count", label=series.name).opts(
            fill_color=series.look.colour, line_color=series.look.colour, fill_alpha=0.45, tools=["hover"]))
    return elements


def _text(plan: Drawing, mark: Mark, on_pick) -> list:
    return _labels(plan, mark)


_DRAWERS = {"line": _line, "points": _points, "bars": _bars, "band": _band, "histogram": _histogram, "text": _text}


# ---- pieces -------------------------------------------------------------------------------------------------------------
def _scatter(plan: Drawing, mark: Mark, on_pick, size: int) -> list:
    """Points, one element per series while a legend can hold them, else one element with vectorised looks."""
    series = [part for part in plan.series(mark) if not part.frame.empty]
    if not series:
        return []
    if mark.muted or len(series) > LEGEND_LIMIT:
        series = [Series(mark.name, series[0].look, pd.concat([_looked(part) for part in series]))]
    elements = []
    for part in series:
        frame = part.frame if "_colour" in part.frame else _looked(part)
        hover = [column for column in _hover_columns(mark) if column in frame]
        points = hv.Scatter(frame, X, list(dict.fromkeys([mark.y, *hover, "_colour", "_fill", "_marker"])), label=part.name).opts(
            color="_colour", fill_color="_fill", line_color="_colour", marker="_marker" if len(series) == 1 and frame["_marker"].nunique() > 1
            else frame["_marker"].iloc[0], size=size, line_width=1.4, alpha=0.75 if mark.muted else 1.0,
            tools=["hover", "tap", "box_select"], hover_tooltips=_tooltips(mark), nonselection_alpha=0.35, muted_alpha=0.1)
        elements.append(points)
        _listen(points, part.frame, on_pick)
        above = plan.above(mark, frame)
        if len(above):
            elements.append(hv.Scatter(above, X, mark.y).opts(
                color=None, fill_alpha=0, line_color=ink("flag", plan.theme), marker="circle", size=size + 8, line_width=1.2, show_legend=False))
        if mark.ringed:
            elements.append(hv.Scatter(frame, X, mark.y).opts(
                fill_alpha=0, line_color=ink("text", plan.theme), marker="circle", size=size + 7, line_width=1.6, show_legend=False))
    return elements


def _looked(series: Series) -> pd.DataFrame:
    look = series.look
    return series.frame.assign(_colour=look.colour, _fill="#00000000" if look.open else look.colour, _marker=look.marker)


def _labels(plan: Drawing, mark: Mark) -> list:
    elements = []
    for series in plan.series(mark):
        if series.frame.empty:
            continue
        words = series.frame.assign(_text=series.frame[mark.label].astype(str))
        elements.append(hv.Labels(words, [X, mark.y], "_text").opts(
            text_font_size="8pt", text_color=ink("text", plan.theme) if mark.kind == "text" else series.look.colour,
            text_align="left", text_baseline="bottom", xoffset=0, yoffset=0, show_legend=False))
    return elements


def _whiskers(mark: Mark, series: Series, colour: str | None = None):
    frame = series.frame[series.frame[[mark.low, mark.high]].notna().all(axis=1)]
    ends = frame.assign(_x2=frame[X])
    return hv.Segments(ends, [X, mark.low, "_x2", mark.high]).opts(
        color=colour or series.look.colour, line_width=1.2, alpha=0.5 if mark.muted else 0.85, show_legend=False)


def _area(mark: Mark, series: Series, label: str):
    frame = series.frame[series.frame[[mark.low, mark.high]].notna().all(axis=1)]
    return hv.Area(frame, X, [mark.low, mark.high], label=label).opts(
        color=series.look.colour, fill_alpha=0.16, line_alpha=0, muted_alpha=0.02)


def _rule_area(plan: Drawing, rule: Rule) -> list:
    if rule.low is None or rule.high is None or rule.axis == "xy":
        return []
    span = hv.HSpan if rule.axis == "y" else hv.VSpan
    return [span(rule.low, rule.high).opts(color=ink("muted", plan.theme), alpha=0.18, apply_ranges=True)]


def _rule_line(plan: Drawing, rule: Rule) -> list:
    style = dict(color=ink("rule", plan.theme), line_width=1, line_dash="dotted" if rule.axis == "xy" else "dashed")
    if rule.axis == "xy":
        return [hv.Slope(1, 0).opts(**style)]
    line = hv.HLine if rule.axis == "y" else hv.VLine
    return [line(rule.value).opts(apply_ranges=True, **style)]


def _hover_columns(mark: Mark) -> list[str]:
    named = mark.hover or tuple(column for column in (mark.colour, mark.x, mark.y, mark.low, mark.high) if column)
    return list(dict.fromkeys(named))


def _tooltips(mark: Mark) -> list[tuple[str, str]]:
    shown = []
    for column in _hover_columns(mark):
        fraction = pd.api.types.is_float_dtype(mark.frame[column])
        shown.append((column.replace("_", " "), f"@{{{column}}}{{0[.]000}}" if fraction else f"@{{{column}}}"))
    return shown


def _listen(element, frame: pd.DataFrame, on_pick) -> None:
    if on_pick is None:
        return
    rows = frame.drop(columns=[column for column in frame.columns if column.startswith("_")])

    def picked(index):
        on_pick(rows.iloc[list(index)].to_dict("records"))

    hv.streams.Selection1D(source=element).add_subscriber(picked)


def _step(values: pd.Series) -> float:
    gaps = np.diff(np.unique(values))
    return float(gaps.min()) if len(gaps) else 1.0


# ---- what HoloViews has no word for: theme, stamp, rule labels, flags -----------------------------------------------------------
def _finish(plot, element, *, plan: Drawing, panel: Panel) -> None:
    from bokeh.models import Label

    figure, theme = plot.state, plan.theme
    figure.background_fill_color = figure.border_fill_color = ink("paper", theme)
    figure.outline_line_color = None
    for axis in figure.axis:
        axis.axis_line_color = axis.major_tick_line_color = ink("axis", theme)
        axis.minor_tick_line_color = None
        axis.major_label_text_color = axis.axis_label_text_color = ink("text", theme)
        axis.axis_label_text_font_style = "normal"
        axis.axis_label_text_font_size, axis.major_label_text_font_size = "10pt", "9pt"
    for grid in figure.grid:
        grid.grid_line_color = ink("grid", theme)
    figure.title.text_color, figure.title.text_font_style = ink("text", theme), "bold"
    for legend in figure.legend:
        legend.background_fill_alpha, legend.border_line_alpha = 0.0, 0.0
        legend.label_text_color, legend.click_policy, legend.label_text_font_size = ink("text", theme), "mute", "9pt"
    if getattr(figure, "_brainlens_done", None) or any(getattr(item, "name", "") == "brainlens" for item in figure.center):
        return
    for rule in panel.rules:
        if rule.label and rule.axis == "y":
            figure.add_layout(Label(x=6, y=rule.value, x_units="screen", y_units="data", text=rule.label, text_font_size="8pt",
                                    text_baseline="bottom", text_color=ink("text", theme), name="brainlens"))
        elif rule.label and rule.axis == "x":
            figure.add_layout(Label(x=rule.value, y=6, x_units="data", y_units="screen", text=rule.label, text_font_size="8pt", angle=np.pi / 2,
                                    text_baseline="bottom", text_color=ink("text", theme), name="brainlens"))
    notes = [plan.spec.stamp] if plan.spec.stamp else []
    if plan.flagged:
        notes.append(f"ringed: {plan.flagged} above {plan.spec.flag_above:g}")
    for i, note in enumerate(notes):
        figure.add_layout(Label(x=8, y=8 + 16 * i, x_units="screen", y_units="screen", text=note, text_font_size="9pt", name="brainlens",
                                text_font_style="bold", text_color=ink("stamp", theme), background_fill_color=ink("paper", theme),
                                background_fill_alpha=0.75))
