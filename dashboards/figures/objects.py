"""A figure as HoloViews objects, for notebooks: the same data, colours and labels, to be overlaid, linked and restyled.

``holoviews(spec) -> hv.Overlay`` (``hv.Layout`` where the figure has panels). The page itself draws plain Bokeh, which is
four times faster; here every mark becomes the element that HoloViews has for it: points, curves, spreads, error bars, bars,
histograms, labels, and an image where points are so many that they would hide each other.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from bokeh.models import NumeralTickFormatter

from dashboards.figures.panels import Drawing, Panel, X, bins, drawing
from dashboards.figures.spec import FigureSpec, Mark
from dashboards.figures.style import ink
from data.errors import BrainLensError

__all__ = ["MANY", "holoviews"]

MANY = 10_000
"""More points than this are rasterised by datashader."""
CROWD = 14
"""More colours than this are one element: no legend could name them."""


def holoviews(spec: FigureSpec, *, theme: str = "light", width: int = 700, height: int = 420):
    """The figure as HoloViews elements.

    Parameters
    ----------
    spec : FigureSpec
    theme : str
    width, height : int
        Pixels of one panel.

    Returns
    -------
    holoviews.Overlay or holoviews.Layout

    Raises
    ------
    BrainLensError
        Where there is nothing to draw.

    Notes
    -----
    Columns keep their names, so that ``holoviews.selection.link_selections`` links two figures through the columns that they
    share, such as ``model`` or ``item``: link their points, for bands and rules belong to no row.
    """
    import holoviews as hv

    if spec.empty:
        raise BrainLensError(
            "There is nothing to draw: every mark is empty",
            remedy="Choose models and a recording first",
        )
    if not hv.Store.renderers:
        hv.extension("bokeh")
    plan = drawing(spec, theme)
    parts = [_panel(plan, panel, width, height) for panel in plan.panels]
    return parts[0] if len(parts) == 1 else hv.Layout(parts).cols(min(3, len(parts)))


def _panel(plan: Drawing, panel: Panel, width: int, height: int):
    import holoviews as hv

    spec, elements = plan.spec, []
    for rule in panel.rules:
        upright = (rule.axis == "x") != spec.horizontal
        if rule.axis == "xy":
            elements.append(hv.Slope(1, 0).opts(color=ink("rule", plan.theme), line_dash="dotted"))
        else:
            line = hv.VLine if upright else hv.HLine
            elements.append(
                line(rule.value).opts(
                    color=ink("rule", plan.theme), line_dash="dashed", line_width=1
                )
            )
    for mark in panel.marks:
        if not mark.frame.empty:
            elements += _DRAWERS[mark.kind](plan, mark)
    left, right, bottom, top = plan.extent
    across, up = (bottom, top), (right, left)
    if not spec.horizontal:
        across, up = ((right, left) if spec.invert_x else (left, right)), (bottom, top)
    ticks: dict = {}
    if plan.categories is not None:
        ticks["yticks" if spec.horizontal else "xticks"] = list(enumerate(plan.categories))
    elif spec.log_x:
        ticks["xticks"] = list(plan.log_ticks)
        ticks["xformatter"] = NumeralTickFormatter(format="0,0.[000]")
    elif spec.whole_x:
        ticks["xticks"] = list(plan.whole_ticks)
    if spec.powers_y:
        ticks["yticks"] = list(plan.power_ticks.items())
    titles = (spec.x_title, spec.y_title)[:: -1 if spec.horizontal else 1]
    title = "  ·  ".join(filter(None, [panel.title, spec.stamp]))
    return hv.Overlay(elements).opts(
        width=width, height=height, xlabel=titles[0] or " ", ylabel=titles[1] or " ", title=title, xlim=across, ylim=up,
        logx=spec.log_x and plan.categories is None, legend_position="right", show_legend=True, **ticks,
    )  # fmt: skip


def _columns(mark: Mark, frame: pd.DataFrame) -> list[str]:
    """What stands behind an element: everything a hover or a linked selection may ask for.

    Columns of tables (the choices behind a step) are left out: HoloViews sorts what it is given, and these have no order.
    """
    several = (dict, list, tuple, set)
    return [
        name
        for name in frame.columns
        if name not in (X, mark.y)
        and not (
            frame[name].dtype == object and frame[name].map(lambda v: isinstance(v, several)).any()
        )
    ]


def _points(plan: Drawing, mark: Mark) -> list:
    import holoviews as hv

    found, every = [], plan.series(mark)
    if sum(len(series.frame) for series in every) > MANY:
        return _shaded(plan, mark)
    if len(every) > CROWD:
        return _crowd(plan, mark, every)
    for series in plan.series(mark):
        frame, look = series.frame, series.look
        dims = [mark.y, X] if plan.spec.horizontal else [X, mark.y]
        points = hv.Points(frame, dims, _columns(mark, frame), label=series.name or mark.kind)
        found.append(
            points.opts(color=look.colour, marker=look.marker, size=7, tools=["hover", "box_select", "tap"],
                        fill_alpha=0.0 if look.open else 1.0, line_color=look.colour)
        )  # fmt: skip
        if mark.low is not None:
            found.append(_whiskers(plan, mark, series))
    return found


def _crowd(plan: Drawing, mark: Mark, every: list) -> list:
    """Many models as one element, coloured by two columns more: a hundred elements take minutes to link."""
    import holoviews as hv

    frame = pd.concat(
        [one.frame.assign(_colour=one.look.colour, _marker=one.look.marker) for one in every]
    )
    dims = [mark.y, X] if plan.spec.horizontal else [X, mark.y]
    points = hv.Points(frame, dims, _columns(mark, frame), label=mark.name or mark.kind)
    found = [points.opts(color="_colour", marker="_marker", size=7, show_legend=False,
                         tools=["hover", "box_select", "tap"])]  # fmt: skip
    if mark.low is not None:
        found.append(_whiskers(plan, mark, replace(every[0], frame=frame)))
    return found


def _whiskers(plan: Drawing, mark: Mark, series):
    import holoviews as hv

    frame = series.frame.dropna(subset=[mark.low, mark.high])
    ends = pd.DataFrame({X: frame[X], mark.y: frame[mark.y], "below": frame[mark.y] - frame[mark.low],
                         "above": frame[mark.high] - frame[mark.y]})  # fmt: skip
    along, across = (mark.y, X) if plan.spec.horizontal else (X, mark.y)
    bars = hv.ErrorBars(ends, along, [across, "below", "above"], horizontal=plan.spec.horizontal)
    return bars.opts(line_color=series.look.colour, lower_head=None, upper_head=None)


def _shaded(plan: Drawing, mark: Mark) -> list:
    """Where points are many: an image of how many lie in each pixel."""
    import holoviews as hv
    from holoviews.operation.datashader import rasterize

    frame = pd.concat([series.frame for series in plan.series(mark)])
    image = rasterize(hv.Points(frame, [X, mark.y]), dynamic=False, width=600, height=400)
    return [
        image.opts(
            cmap="Blues" if plan.theme == "light" else "Blues_r", cnorm="eq_hist", tools=["hover"]
        )
    ]


def _line(plan: Drawing, mark: Mark) -> list:
    import holoviews as hv

    found = []
    for series in plan.series(mark):
        frame, look = series.frame, series.look
        if mark.low is not None:
            found.append(_spread(mark, series))
        curve = hv.Curve(frame, X, [mark.y, *_columns(mark, frame)], label=series.name or mark.kind)
        found.append(
            curve.opts(color=look.colour, line_dash=plan.dash(mark, look), tools=["hover"])
        )
    return found


def _spread(mark: Mark, series):
    import holoviews as hv

    frame = series.frame.dropna(subset=[mark.low, mark.high])
    area = pd.DataFrame({X: frame[X], "low": frame[mark.low], "high": frame[mark.high]})
    return hv.Area(area, X, ["low", "high"]).opts(
        color=series.look.colour, alpha=0.16, line_alpha=0
    )


def _band(plan: Drawing, mark: Mark) -> list:
    return [_spread(mark, series) for series in plan.series(mark)]


def _bars(plan: Drawing, mark: Mark) -> list:
    import holoviews as hv

    found = []
    for series in plan.series(mark):
        frame, half = series.frame, 0.46 * plan.bar_width(series.frame)
        boxes = pd.DataFrame(
            {
                "x0": frame[X] - half,
                "y0": frame[mark.base] if mark.base else 0.0,
                "x1": frame[X] + half,
                "y1": frame[mark.y],
            }
        )
        known = [one for one in (mark.y, *_columns(mark, frame)) if one not in boxes.columns]
        boxes = pd.concat(
            [boxes.reset_index(drop=True), frame[known].reset_index(drop=True)], axis=1
        )
        bars = hv.Rectangles(boxes, ["x0", "y0", "x1", "y1"], known, label=series.name or mark.kind)
        found.append(
            bars.opts(color=series.look.colour, line_color=series.look.colour, tools=["hover"])
        )
        if mark.low is not None:
            found.append(_whiskers(plan, mark, series))
    return found


def _histogram(plan: Drawing, mark: Mark) -> list:
    import holoviews as hv

    edges, found = bins(mark.frame[mark.x].to_numpy()), []
    for series in plan.series(mark):
        counts, _ = np.histogram(series.frame[X].dropna(), bins=edges)
        boxes = hv.Histogram(
            (edges, counts), kdims=[X], vdims=["count"], label=series.name or mark.kind
        )
        found.append(
            boxes.opts(color=series.look.colour, alpha=0.45, line_color=series.look.colour)
        )
    return found


def _text(plan: Drawing, mark: Mark) -> list:
    import holoviews as hv

    frame = pd.concat([series.frame for series in plan.series(mark)])
    words = hv.Labels(frame.assign(words=frame[mark.label].astype(str)), [X, mark.y], "words")
    return [words.opts(text_font_size="8pt", text_color=ink("text", plan.theme))]


_DRAWERS = {
    "points": _points,
    "line": _line,
    "band": _band,
    "bars": _bars,
    "histogram": _histogram,
    "text": _text,
}
