"""The ink of a figure on the screen: marks, reference lines, words beside points and hover cards, in Bokeh.

Every drawer of :data:`DRAWERS` is called as ``drawer(figure, plan, mark, named, on_pick)`` and notes in ``named`` which renderers
belong to which entry of the legend.
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import replace
from functools import partial
from html import escape
from itertools import pairwise

import numpy as np
import pandas as pd
from bokeh.models import (
    BoxAnnotation,
    CDSView,
    ColorBar,
    ColumnDataSource,
    CustomJSHover,
    FixedTicker,
    HoverTool,
    IndexFilter,
    Label,
    LabelSet,
    LinearColorMapper,
    Slope,
    Span,
)
from bokeh.models.renderers import GlyphRenderer

from dashboards.figures.numbers import written
from dashboards.figures.panels import Drawing, Panel, Series, X, bins
from dashboards.figures.placing import obstacles, placed
from dashboards.figures.spec import ITEM, Mark, Rule
from dashboards.figures.style import ink, lettering

__all__ = ["DRAWERS", "KEY", "LEGEND_LIMIT", "RING", "Renderers", "labels", "rule_line", "step_bar"]

LEGEND_LIMIT = 14
"""More entries than this make a legend that hides the plot: hover and labels name the points then."""
KEY = "_key"
"""Column of a source with what a point is picked by: its item, where the frame has items, else what gave it its colour."""
RING = "ring"
"""Name of the rings around marked points."""
_SIZES = {
    "diamond": 1.3,
    "star": 1.3,
    "plus": 1.15,
    "triangle": 1.05,
    "inverted_triangle": 1.05,
    "square": 0.92,
}
_DASHES = {
    "dotdash": [9, 4, 2, 4],
    "dotdotdash": [9, 4, 2, 4, 2, 4],
    "dotdotdotdash": [9, 4, 2, 4, 2, 4, 2, 4],
}
"""In pixels, the dash first, so that the short sample of a legend has it."""
_RADIUS = 7.5  # pixels of the ring around a marked point, nearly
_POINT = 1.3  # pixels of a typographic point
_LETTER = 5.6  # pixels of a letter of the words beside points, about
Renderers = dict[str, list[GlyphRenderer]]


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
                line_width=1.5 if mark.muted else 2,
                line_dash=_DASHES.get(dash := plan.dash(mark, series.look), dash),
                muted_alpha=0.1,
            ),
        )
    if mark.colour is not None and not mark.dashed:
        _scatter(figure, plan, mark, named, on_pick, 6.5)


def _points(figure, plan: Drawing, mark: Mark, named: Renderers, on_pick) -> None:
    for series in plan.series(mark):
        if mark.low is not None:
            _whiskers(figure, mark, series, named, series.look.colour, flip=plan.spec.horizontal)
    _scatter(figure, plan, mark, named, on_pick, 5.5 if mark.muted else 9)


def _bars(figure, plan: Drawing, mark: Mark, named: Renderers, on_pick) -> None:
    for series in plan.series(mark):
        bars = figure.vbar(
            x=X,
            top=mark.y,
            bottom=mark.base or 0,
            width=0.92 * plan.bar_width(series.frame),
            source=_source(mark, series.frame),
            line_color=series.look.colour,
            fill_color=series.look.colour,
            fill_alpha=0.12 if series.look.open else 0.88,
            hatch_pattern=plan.hatch(mark, series.name),
            hatch_color=ink("paper", plan.theme),
            hatch_alpha=0.75,
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
        _tell(figure, [boxes], "@{left}{custom} to @{right}{custom}: @{top}")


def _text(figure, plan: Drawing, mark: Mark, named: Renderers, on_pick) -> None:
    """Words are written with the labels of the other marks."""


DRAWERS = {
    "line": _line,
    "points": _points,
    "bars": _bars,
    "band": _band,
    "histogram": _histogram,
    "text": _text,
}


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
            *((mark.y, X) if plan.spec.horizontal else (X, mark.y)),
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
        rings = [
            (plan.above(mark, rows), "flag", 8),
            (rows if mark.ringed else rows.iloc[:0], "text", 7),
        ]
        for ringed, role, grow in rings:
            if len(ringed):
                colour = ink(role, plan.theme)
                at = ringed[X].to_numpy(), ringed[mark.y].to_numpy()
                at = at[::-1] if plan.spec.horizontal else at
                ring = figure.scatter(
                    *at,
                    size=size + grow,
                    fill_alpha=0,
                    line_color=colour,
                    line_width=1.4,
                    muted_alpha=0.1,
                    name=RING if role == "text" else None,
                )
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


def _source(
    mark: Mark, frame: pd.DataFrame, more: dict[str, np.ndarray] | None = None
) -> ColumnDataSource:
    base = [mark.base] if mark.base else []
    columns = list(dict.fromkeys([X, mark.y, *base, *_hover_columns(mark)]))
    data = {column: frame[column].to_numpy() for column in columns} | (more or {})
    key = ITEM if ITEM in frame.columns else mark.colour
    return ColumnDataSource(
        data if key is None else data | {KEY: frame[key].astype(str).to_numpy()}
    )


def _name(named: Renderers, series: Series, renderer: GlyphRenderer) -> None:
    if series.name:
        named.setdefault(series.name, []).append(renderer)


def _whiskers(
    figure, mark: Mark, series: Series, named: Renderers, colour: str, *, flip: bool = False
) -> None:
    frame = series.frame[series.frame[[mark.low, mark.high]].notna().all(axis=1)]
    at, low, high = (frame[name].to_numpy() for name in (X, mark.low, mark.high))
    ends = (low, at, high, at) if flip else (at, low, at, high)
    _name(
        named,
        series,
        figure.segment(
            *ends,
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


def rule_line(figure, plan: Drawing, rule: Rule) -> None:
    """Draw a reference line with its label."""
    if plan.spec.horizontal:
        rule = replace(rule, axis={"x": "y", "y": "x"}.get(rule.axis, rule.axis))
    colour, along = ink("rule", plan.theme), "width" if rule.axis == "y" else "height"
    if rule.axis == "xy":
        figure.add_layout(Slope(gradient=1, y_intercept=0, line_color=colour, line_dash="dotted"))
        return
    if rule.low is not None and rule.high is not None:
        edges = (
            {"bottom": rule.low, "top": rule.high}
            if rule.axis == "y"
            else {"left": rule.low, "right": rule.high}
        )
        figure.add_layout(
            BoxAnnotation(
                **edges,
                fill_color=ink("muted", plan.theme),
                fill_alpha=0.18,
                line_alpha=0,
                level="underlay",
            )
        )
    look = {"line_color": colour, "line_dash": "dashed", "line_width": 1, "level": "underlay"}
    if rule.axis == "y" and any(plan.ends(panel) for panel in plan.panels):
        left, right = plan.extent[:2]  # it ends where the names begin
        ends = {"x0": left, "y0": rule.value, "x1": right, "y1": rule.value}
        figure.segment(**{name: np.array([at], float) for name, at in ends.items()}, **look)
    else:
        figure.add_layout(Span(location=rule.value, dimension=along, **look))
    if rule.label and not (plan.named_at_ends and rule.axis == "y"):
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


def step_bar(figure, plan: Drawing, room: int) -> None:
    """Above the figure: which colour is which training step."""
    ramp = plan.ramp
    if ramp is None:
        return
    wide = int(min(420, 0.5 * room, max(120, 48 * len(ramp.steps))))
    named, text = ramp.named(wide, 5.5), ink("text", plan.theme)
    figure.add_layout(
        ColorBar(
            color_mapper=LinearColorMapper(
                palette=list(ramp.colours), low=-0.5, high=len(ramp.steps) - 0.5
            ),
            ticker=FixedTicker(ticks=named),
            major_label_overrides={place: f"{ramp.steps[place]:,}" for place in named},
            major_label_text_color=text,
            major_label_text_font_size="8.5pt",
            major_tick_line_color=None,
            title=ramp.title,
            title_text_color=text,
            title_text_font_size="9pt",
            title_text_font_style="normal",
            title_standoff=3,
            label_standoff=3,
            orientation="horizontal",
            width=wide,
            height=9,
            padding=4,
            margin=0,
            background_fill_color=None,
        ),
        "above",
    )


def _hover_columns(mark: Mark) -> list[str]:
    named = mark.hover or tuple(
        column for column in (mark.colour, mark.x, mark.y, mark.low, mark.high) if column
    )
    return list(dict.fromkeys(named))


def _hover(figure, mark: Mark, renderers: list) -> None:
    """One line: who it is, its value with the interval, and where; what else is known stands in the inspector."""
    told = _hover_columns(mark)
    named = [name for name in (ITEM, "entry", "condition", "label") if name in told][:1]
    if mark.colour and mark.colour in told and not ({"entry"} & set(named)):
        named.insert(0, mark.colour)
    named = named or [name for name in told if name not in (mark.y, mark.low, mark.high)][:1]
    words = " ".join(_cell(mark, name) for name in named)
    value = ""
    if mark.y in mark.frame:
        value = f"{escape(mark.y.replace('_', ' '))} {_cell(mark, mark.y)}"
        if mark.low in told and mark.high in told:
            value += f" [{_cell(mark, mark.low)}, {_cell(mark, mark.high)}]"
    where = [
        f"{escape(name.replace('_', ' '))} {_cell(mark, name)}"
        for name in _WHERE
        if name in told and name not in named
    ]
    _tell(figure, renderers, ", ".join(filter(None, [words, value, *where])))


_WHERE = ("layer", "step", "rank", "word", "text")


def _cell(mark: Mark, name: str) -> str:
    fraction = pd.api.types.is_float_dtype(mark.frame[name])
    return f"@{{{name}}}{{custom}}" if fraction else f"@{{{name}}}"


def _tell(figure, renderers: list, words: str) -> None:
    """A hover line; marks that tell the same share one, for every tool is built, sent and drawn on its own."""
    words = f"<div style='max-width:420px;pointer-events:none'>{words}</div>"
    tools = [tool for tool in figure.tools if isinstance(tool, HoverTool)]
    if same := next((tool for tool in tools if tool.tooltips == words), None):
        same.renderers = [*same.renderers, *renderers]
        return
    format_ = next(
        (one for tool in tools for one in tool.formatters.values()), None
    ) or CustomJSHover(code=written())
    used = re.findall(r"@\{([^}]+)\}\{custom\}", words)
    figure.add_tools(
        HoverTool(
            renderers=renderers,
            tooltips=words,
            formatters={f"@{{{name}}}": format_ for name in used},
            visible=False,
        )
    )


def _listen(source: ColumnDataSource, frame: pd.DataFrame, on_pick) -> None:
    if on_pick is None or not {ITEM, "model"} & set(
        frame.columns
    ):  # a slice or a word is nobody: it picks nothing
        return
    rows = frame.drop(
        columns=[column for column in frame.columns if str(column).startswith("_")]
    ).reset_index(drop=True)
    source.selected.on_change("indices", partial(_picked, rows, on_pick))


def _picked(rows: pd.DataFrame, on_pick, attribute: str, old: list[int], new: list[int]) -> None:
    on_pick(rows.iloc[list(new)].to_dict("records"))


WORDS_PT = 8
"""Size of words on bars."""


def labels(figure, plan: Drawing, panel: Panel, area: tuple[int, int], margin: float = 0.0) -> int:
    """Words beside points where there is room; how many found none: the hover line, the table and the print have them.

    Parameters
    ----------
    area : (width, height)
        Pixels of the frame.
    margin : float
        Share of the data's width that names in the right margin take beside it.
    """
    area = area[0] / (1 + margin), area[1]
    told = [_early(plan, panel)]
    for mark in panel.marks:
        if mark.label is None or mark.frame.empty:
            continue
        words = _worded(plan, mark)
        if len(words) and not (mark.kind == "text" and _above(figure, plan, words, area)):
            told.append(words)
    words = pd.concat(told, ignore_index=True)
    if words.empty:
        return 0
    points = plan.pixels(words["x"], words["y"], area)
    long = words["_text"].str.len().to_numpy()
    sizes = np.column_stack([_LETTER * long + 2, np.full(len(long), 12.0)])
    corners, clear = placed(points, sizes, **_in_the_way(plan, panel, area))
    show = clear | words["_always"].to_numpy(bool)
    shift = corners - points
    source = words.assign(_dx=shift[:, 0], _dy=shift[:, 1])[show]
    if len(source):
        figure.add_layout(
            LabelSet(
                x="x",
                y="y",
                text="_text",
                x_offset="_dx",
                y_offset="_dy",
                text_color="_colour",
                text_font_size="8pt",
                text_baseline="bottom",
                source=ColumnDataSource(
                    {name: source[name].to_numpy() for name in source if name != "_always"}
                ),
            )
        )
    return int((~show).sum())


def _early(plan: Drawing, panel: Panel) -> pd.DataFrame:
    """Names of lines that end far from the right margin, which stand where these end."""
    rows = [(end.at, end.value, end.words, end.colour, True) for end in plan.early(panel)]
    return pd.DataFrame(rows, columns=["x", "y", "_text", "_colour", "_always"])


def _worded(plan: Drawing, mark: Mark) -> pd.DataFrame:
    """Places, words and colours of the rows of a mark that have words."""
    text = mark.kind == "text"
    frames = [
        pd.DataFrame(
            {
                "x": series.frame[X],
                "y": series.frame[mark.y],
                "_text": series.frame[mark.label],
                "_colour": ink("text", plan.theme)
                if text
                else lettering(series.look.colour, plan.theme),
                "_always": text,
            }
        )
        for series in plan.series(mark)
    ]
    words = pd.concat(frames) if frames else pd.DataFrame(columns=["_text"])
    words = words[words["_text"].notna() & (words["_text"].astype(str) != "")]
    return words.assign(_text=words["_text"].astype(str))


def _in_the_way(plan: Drawing, panel: Panel, area: tuple[int, int]) -> dict:
    """What :func:`placed` is told of a panel: dots, lines, and the words of the lines of reference."""
    dots, lines = obstacles(plan, panel, partial(plan.pixels, area=area), plan.extent, _RADIUS)
    words = []
    for rule in panel.rules:
        if rule.label and rule.axis != "xy" and not (plan.named_at_ends and rule.axis == "y"):
            x, y = plan.pixels([rule.value], [rule.value], area)[0]
            long = _LETTER * len(rule.label)
            words.append((6, y, 6 + long, y + 14) if rule.axis == "y" else (x - 14, 6, x, 6 + long))
    return {"dots": dots, "frame": (0, 0, *area), "unit": _POINT, "radii": (5, 8, 12), "lines": lines,
            "words": np.array(words)}  # fmt: skip


def _above(figure, plan: Drawing, words: pd.DataFrame, area: tuple[float, float]) -> bool:
    """Words on bars, in the middle of each, with room above the highest; False where they are wider than a bar's place."""
    if plan.categories is None or plan.spec.horizontal:
        return False
    letters = int((area[0] / len(plan.categories) - WORDS_PT) / (0.75 * WORDS_PT))
    lines = [textwrap.wrap(word, max(4, letters))[::-1] for word in words["_text"]]
    if max((len(line) for word in lines for line in word), default=0) > letters:
        return False
    bottom, top = plan.extent[2:]
    deep = max(map(len, lines))
    share = min(0.6, (1.7 * WORDS_PT * deep + 4) / max(40, area[1]))
    top = max(top, bottom + (words["y"].max() - bottom) / (1 - share))
    if figure.y_range.end == figure.y_range.reset_end:  # a frame that was asked for stays
        figure.y_range.end = top
    figure.y_range.reset_end = top
    for depth in range(deep):  # from the lowest line up
        shown = [line[depth] if depth < len(line) else "" for line in lines]
        source = {"x": words["x"].to_numpy(), "y": words["y"].to_numpy(), "_text": shown}
        figure.add_layout(
            LabelSet(
                x="x",
                y="y",
                text="_text",
                text_align="center",
                text_baseline="bottom",
                y_offset=2 + 1.5 * WORDS_PT * depth,
                text_color=ink("text", plan.theme),
                text_font_size=f"{WORDS_PT}pt",
                source=ColumnDataSource(source),
            )
        )
    return True
