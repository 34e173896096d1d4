"""Draw a figure on the screen: Bokeh.

``draw(spec, *, theme="light", height=420, width="stretch", on_pick=None) -> bokeh figure or grid of figures``
``highlight(plot, ["gpt2"])`` dims the points of all other models, in a plot that is already shown.

Show the result with ``pn.pane.Bokeh(plot, sizing_mode="stretch_width")`` or return it from a notebook cell. ``on_pick`` is
called with a list of dicts, one per picked row (tap or box select; all columns of the mark's frame), and with an empty list
when the selection is taken back; rows that name neither an item nor a model are not told. Nothing is global: theme, size and
callbacks belong to the one figure.

Bokeh is asked directly: through HoloViews the same figures took .47 s (a layer profile of four models) and .9 s (43 labelled
points) to build on the event loop, where a cached change of the selection has .3 s in all; directly they take a quarter of that.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np
from bokeh.layouts import gridplot
from bokeh.models import (
    BasicTicker,
    BasicTickFormatter,
    ColorBar,
    ColumnDataSource,
    CustomJSTickFormatter,
    DataRange1d,
    FixedTicker,
    HoverTool,
    LabelSet,
    Legend,
    LegendItem,
    LinearAxis,
    LinearColorMapper,
    NumeralTickFormatter,
    Range1d,
    Title,
)
from bokeh.plotting import figure as bokeh_figure

from dashboards.figures.brain import COLOURS, on_screen, picture
from dashboards.figures.labels import broken, joints, on_lines, shortened, spread, without_room
from dashboards.figures.panels import Drawing, Panel, drawing, short
from dashboards.figures.screen_ink import (
    DRAWERS,
    KEY,
    LEGEND_LIMIT,
    RING,
    Renderers,
    labels,
    rule_line,
    step_bar,
)
from dashboards.figures.spec import FigureSpec
from dashboards.figures.style import ink
from data.errors import BrainLensError

__all__ = ["anything_picked", "draw", "enlarge", "highlight", "resize"]

_TOOLS = "pan,box_zoom,box_select,tap,wheel_zoom,save,reset"
_LETTER = 6.1  # pixels of a letter of the names in the margin, about
_TITLE = 13  # pixels of the letters of an axis's title
_LONGEST = 36  # letters of a name in the margin; the hover line has all of it
_ALIKE = """
const far = Math.max(...ticks.map(Math.abs)), whole = (one) => Math.abs(one) < 1e-9 * far ? 0 : one
if (far >= 1e7 || (far > 0 && far < 1e-5)) { return tick.toExponential(2).replaceAll("-", "\u2212") }
const decimals = Math.max(...ticks.map((one) => {
  const [digits, power] = whole(one).toPrecision(6).split("e")
  return Math.max(0, (digits.split(".")[1] || "").replace(/0+$/, "").length - Number(power || 0))
}))
const style = {minimumFractionDigits: decimals, maximumFractionDigits: decimals, useGrouping: far >= 10000}
return whole(tick).toLocaleString("en-US", style).replace("-", "\u2212")
"""
"""Numbers of an axis with equally many decimals, as on paper."""
_AROUND_ROWS = 90
"""Pixels of a ranking's height that are not its rows': tools, legend and axis."""
_TWO_LINES = 25
"""Pixels of a row that holds a name of two lines."""
_LONG = 24
"""A ranking of more rows is longer than a window: its numbers stand above it too."""
_KEPT = "if (cb_obj[name] !== value) { cb_obj[name] = value }"
"""A size or a colour stays: in the browser the page's theme gives axes and titles others."""
_NOMINAL_WIDTH = 1080  # pixels assumed for a stretched figure when labels are placed


def draw(
    spec: FigureSpec,
    *,
    theme: str = "light",
    height: int = 420,
    width: int | str = "stretch",
    on_pick: Callable[[list[dict]], None] | None = None,
    room: int = 0,
    zoom: str = "",
    on_zoom: Callable[[str], None] | None = None,
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
    room : int
        Pixels that a stretched figure will have, about: names are placed for them; 0: a page's usual width.
    zoom : str
        Frame as ``left,right,bottom,top``; empty: all there is.
    on_zoom : callable, optional
        Called with the frame whenever the user moved it, with an empty string when it is reset.

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
        raise BrainLensError(
            "There is nothing to draw: every mark is empty",
            remedy="Choose models and a recording first",
        )
    if spec.brain is not None:
        return _cortex(spec, theme, height, None if width == "stretch" else int(width))
    plan = drawing(spec, theme)
    across = _across(len(plan.panels))
    pixels = None if width == "stretch" else int(width) // across
    wide = (pixels or (room or _NOMINAL_WIDTH) // across) - 80
    ranges = _ranges(plan, zoom, plan.margin(_LETTER, wide))
    plots = [
        _panel(
            plan,
            panel,
            height,
            pixels,
            (room or _NOMINAL_WIDTH) // across,
            ranges,
            on_pick,
            first=i == 0,
        )
        for i, panel in enumerate(plan.panels)
    ]
    if on_zoom is not None:
        _listen_to_zoom(plots[0], ranges, on_zoom)
    if spec.heat is not None and len(plots) == 1:
        return _with_heat(plots[0], plan, height)
    if len(plots) == 1:
        return plots[0]
    return gridplot(
        plots,
        ncols=across,
        toolbar_location="right",
        toolbar_options={
            "logo": None,
            "active_drag": None,
            "active_scroll": None,
            "active_tap": "auto",
        },
        sizing_mode="stretch_width" if pixels is None else None,
    )


def _cortex(spec: FigureSpec, theme: str, height: int, width: int | None):
    """The cortex as a picture, with a colour bar whose words are words."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    brain = spec.brain
    heights, laid = on_screen(brain)
    wide, high = 1200, sum(heights)
    raw = picture(brain, wide, high, ink("paper", theme))
    image = np.ascontiguousarray(raw[::-1]).view(np.uint32).reshape(high, wide)
    plot = bokeh_figure(
        height=height,
        width=width or _NOMINAL_WIDTH,
        sizing_mode="stretch_width" if width is None else None,
        x_range=DataRange1d(
            range_padding=0
        ),  # only such ranges keep the proportions of the picture
        y_range=DataRange1d(range_padding=0),
        match_aspect=True,
        tools="pan,wheel_zoom,save,reset",
        toolbar_location="right",
        background_fill_color=ink("paper", theme),
        border_fill_color=ink("paper", theme),
        outline_line_color=None,
    )
    plot.toolbar.logo = None
    plot.image_rgba(image=[image], x=0, y=0, dw=wide, dh=high)
    plot.axis.visible = plot.grid.visible = False
    rows = np.cumsum([0, *heights])
    names = {"x": [], "y": [], "words": []}
    for row, column, _, _, side, view in laid:
        names["x"].append(column * wide / 4 + 4)  # the corner: above the middle the cortex begins
        names["y"].append(high - rows[row] - 4)
        names["words"].append(f"{side} {view}")
    source = ColumnDataSource(names)
    plot.add_layout(LabelSet(x="x", y="y", text="words", source=source, text_align="left", text_baseline="top",
                             text_color=ink("text", theme), text_font_size="11px"))  # fmt: skip
    colours = [to_hex(colormaps[COLOURS](i / 255)) for i in range(256)]
    head, comma, rest = brain.label.partition(
        ", "
    )  # a title that is longer than its bar would be cut
    bar = ColorBar(color_mapper=LinearColorMapper(palette=colours, low=brain.low, high=brain.high),
                   title=f"{head}{comma.rstrip()}\n{rest}" if rest else head,
                   height=12, width=300, background_fill_color=None, title_text_color=ink("text", theme),
                   major_label_text_color=ink("text", theme))  # fmt: skip
    plot.add_layout(bar, "below")
    if spec.stamp:
        plot.add_layout(_stamped(spec.stamp, theme, text_font_size="11px"), "above")
    return plot


def _with_heat(figure, plan: Drawing, height: int):
    """Cells to the right of a ranking: one column for each recording, darker where the score is higher."""
    heat = plan.spec.heat
    cells = plan.heat_cells()
    beside = bokeh_figure(
        height=height,
        width=30 * len(heat.columns) + 26 + 72 * bool(plan.heat_steps()),
        y_range=figure.y_range,
        x_range=Range1d(-0.6, len(heat.columns) - 0.4),
        tools="tap",
        toolbar_location=None,
        x_axis_location="above",
    )
    rects = beside.rect("x", "y", 0.94, 0.94, fill_color="colour", line_color=None,
                        source=ColumnDataSource(cells))  # fmt: skip
    beside.add_tools(
        HoverTool(renderers=[rects], tooltips="@entry on @recording: @said", visible=False)
    )
    beside.background_fill_color = beside.border_fill_color = ink("paper", plan.theme)
    beside.outline_line_color = None
    beside.grid.grid_line_color = None
    beside.yaxis.visible = False
    figure.xaxis.ticker = BasicTicker(desired_num_ticks=4)  # the cells take half of the room
    beside.xaxis.ticker = FixedTicker(ticks=list(range(len(heat.columns))))
    beside.xaxis.major_label_overrides = {i: short(name) for i, name in enumerate(heat.columns)}
    beside.xaxis.major_label_orientation = 0.9
    beside.xaxis.axis_line_color = beside.xaxis.major_tick_line_color = None
    beside.xaxis.major_label_text_color = ink("text", plan.theme)
    beside.xaxis.major_label_text_font_size = "8pt"
    if plan.heat_steps():
        beside.add_layout(_scale_of_cells(plan), "right")
    return gridplot(
        [[figure, beside]],
        toolbar_location="above",
        toolbar_options={
            "logo": None,
            "active_drag": None,
            "active_scroll": None,
            "active_tap": "auto",
        },
        sizing_mode="stretch_width",
    )


def _scale_of_cells(plan: Drawing) -> ColorBar:
    """The bar of colours to the right of cells that share one scale."""
    low, high = plan.heat_range()
    text = ink("text", plan.theme)
    return ColorBar(
        color_mapper=LinearColorMapper(palette=plan.heat_steps(), low=low, high=high), width=10, padding=4, margin=0,
        title=plan.spec.heat_title, title_text_color=text, title_text_font_size="8pt", major_label_text_color=text,
        major_tick_line_color=text, background_fill_color=None, ticker=BasicTicker(desired_num_ticks=5),
    )  # fmt: skip


def _listen_to_zoom(figure, ranges, on_zoom: Callable[[str], None]) -> None:
    from bokeh.events import RangesUpdate, Reset

    def moved(_) -> None:
        ends = (ranges[0].start, ranges[0].end, ranges[1].start, ranges[1].end)
        if None not in ends:
            on_zoom(",".join(f"{end:.4g}" for end in ends))

    figure.on_event(RangesUpdate, moved)
    figure.on_event(Reset, lambda _: on_zoom(""))


def resize(plot, height: int) -> None:
    """Give a plot that is already shown another height, in pixels, divided among the rows of its panels."""
    if hasattr(plot, "renderers"):
        plot.height = height
        return
    rows = 1 + max(row for _, row, *_ in plot.children)
    for child, *_ in plot.children:
        child.height = max(180, height // rows)


def _stamped(words: str, theme: str, **how) -> Title:
    """What is said of the data, above a figure, in a colour of its own."""
    title = Title(text=words, align="right", text_color=ink("stamp", theme), **how)
    _keep(title, "text_color")
    return title


def _keep(model, *names: str) -> None:
    """Some of a model's properties stay as they are, whatever a theme of the page makes of them."""
    from bokeh.models import CustomJS

    for name in names:
        kept = CustomJS(args={"name": name, "value": getattr(model, name)}, code=_KEPT)
        model.js_on_change(name, kept)


def enlarge(plot, times: float):
    """The same plot so many times as high, with larger type, thicker lines and larger points, for a talk.

    Draw it for a window that is so many times smaller: names are placed for that, and what is between them grows too.
    """
    from bokeh.models import Axis, GlyphRenderer, Label, LabelSet, Legend, Plot, Title

    def grown(size: str) -> str:
        return f"{float(size.removesuffix('pt')) * times:.1f}pt"

    for one in plot.select({"type": Plot}):
        if one.height:
            one.height = int(one.height * times)
        # the page's theme gives legends sizes in em
        one.styles = {"--bokeh-font-size": f"{12 * times:.0f}px"}
    for axis in plot.select({"type": Axis}):
        axis.axis_label_text_font_size = grown(axis.axis_label_text_font_size)
        axis.major_label_text_font_size = grown(axis.major_label_text_font_size)
        _keep(axis, "axis_label_text_font_size", "major_label_text_font_size")
    for kind in (Label, LabelSet, Title):
        for words in plot.select({"type": kind}):
            if isinstance(words.text_font_size, str) and words.text_font_size.endswith("pt"):
                words.text_font_size = grown(words.text_font_size)
            if kind is Title:
                _keep(words, "text_font_size")
    for words in plot.select({"type": LabelSet}):
        data = words.source.data
        words.source.data = {
            name: np.asarray(data[name]) * times if name in ("_dx", "_dy") else data[name]
            for name in data
        }
    for legend in plot.select({"type": Legend}):
        legend.label_text_font_size = grown(legend.label_text_font_size)
    for renderer in plot.select({"type": GlyphRenderer}):
        width = getattr(renderer.glyph, "line_width", None)
        if isinstance(width, int | float):
            renderer.glyph.line_width = width * 1.5
        if isinstance(size := getattr(renderer.glyph, "size", None), int | float):
            renderer.glyph.size = size * 1.4
    return plot


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
    for source in _sources(plot):
        indices = [i for i, value in enumerate(source.data[KEY]) if value in wanted]
        if list(source.selected.indices) != indices:
            source.selected.indices = indices


def anything_picked(plot) -> bool:
    """Whether some point of a drawn plot is selected."""
    return any(source.selected.indices for source in _sources(plot))


def _sources(plot) -> list[ColumnDataSource]:
    """What points can be picked from; asked of the renderers, for Bokeh's own search walks through the whole figure."""
    figures = [plot] if hasattr(plot, "renderers") else [child for child, *_ in plot.children]
    found = {id(one.data_source): one.data_source for figure in figures for one in figure.renderers}
    return [source for source in found.values() if KEY in source.data]


def _across(panels: int) -> int:
    return panels if panels <= 3 else 2 if panels == 4 else 3


def _ranges(plan: Drawing, zoom: str = "", margin: float = 0.0) -> tuple[Range1d, Range1d]:
    left, right, bottom, top = plan.extent
    right = plan.beyond(margin)
    ends = (right, left) if plan.spec.invert_x else (left, right)
    whole = (*ends, bottom, top)
    if plan.spec.horizontal:  # the first category on top
        whole = (bottom, top, right, left)
    x0, x1, y0, y1 = _frame(zoom) or whole
    return (
        Range1d(x0, x1, reset_start=whole[0], reset_end=whole[1]),
        Range1d(y0, y1, reset_start=whole[2], reset_end=whole[3]),
    )


def _frame(zoom: str) -> tuple[float, ...] | None:
    """The four ends of a frame, or None for what is none (a link may hold any text)."""
    try:
        ends = tuple(float(part) for part in zoom.split(","))
    except ValueError:
        return None
    usable = len(ends) == 4 and all(map(math.isfinite, ends)) and ends[0] != ends[1]
    return ends if usable and ends[2] < ends[3] else None


def _panel(
    plan: Drawing,
    panel: Panel,
    height: int,
    pixels: int | None,
    room: int,
    ranges,
    on_pick,
    *,
    first: bool,
):
    spec = plan.spec
    size = {"sizing_mode": "stretch_width"} if pixels is None else {"width": pixels}
    figure = bokeh_figure(
        height=height,
        x_range=ranges[0],
        y_range=ranges[1],
        tools=_TOOLS,
        toolbar_location="above",
        x_axis_label=on_lines(
            spec.y_title if spec.horizontal else spec.x_title, (pixels or room) - 90, _TITLE
        ),
        x_axis_type="log" if spec.log_x and plan.categories is None else "linear",
        y_axis_label=on_lines(
            spec.x_title if spec.horizontal else spec.y_title, height - 110, _TITLE
        ),
        **size,
    )
    for rule in panel.rules:
        rule_line(figure, plan, rule)
    named: Renderers = {}
    for mark in panel.marks:
        if not mark.frame.empty:
            DRAWERS[mark.kind](figure, plan, mark, named, on_pick)
    unnamed = 0
    if not spec.horizontal:
        area = (pixels or room) - 70, height - 90
        unnamed = labels(figure, plan, panel, area, plan.margin(_LETTER, area[0] - 10))
    _name_ends(figure, plan, panel, height - 100, (pixels or room) - 80)
    _dress(figure, plan, pixels or room, height)
    if first:
        _legend(figure, plan, named, pixels or room)
        step_bar(figure, plan, pixels or room)
    notes = [spec.stamp] if spec.stamp else []
    if count := plan.flagged(panel):
        notes.append(f"ringed in red: {count} above {spec.flag_above:g}")
    if notes:
        figure.add_layout(_stamped("  ·  ".join(notes), plan.theme, text_font_size="9pt"), "above")
    if unnamed:
        figure.add_layout(
            Title(text=without_room(unnamed), text_color=ink("axis", plan.theme), align="right",
                  text_font_size="8.5pt", text_font_style="normal"), "below"
        )  # fmt: skip
    if panel.title:
        figure.add_layout(
            Title(text=panel.title, text_color=ink("text", plan.theme), text_font_size="10pt"),
            "above",
        )
    return figure


def _name_ends(figure, plan: Drawing, panel: Panel, pixels: int, wide: int) -> None:
    """Names in the right margin, none over another; in a narrow panel on several lines."""
    ends = plan.ends(panel)
    if not ends:
        return
    left, right, bottom, top = plan.extent
    letters = max(8, int(0.42 * wide / _LETTER) - 2)  # what the margin has at most
    words = [broken(shortened(end.words, _LONGEST), letters) for end in ends]
    figure.xaxis.bounds = figure.xgrid.bounds = (left, right)  # names stand where there is no axis
    scale = max(pixels, 80) / (top - bottom)
    tall = np.array([13.5 * (1 + one.count("\n")) for one in words])
    at = spread(np.array([(end.value - bottom) * scale for end in ends]), tall, 0, max(pixels, 80))
    figure.add_layout(
        LabelSet(
            x="x",
            y="y",
            text="words",
            text_color="colour",
            x_offset=6,
            text_font_size="8.5pt",
            text_baseline="middle",
            source=ColumnDataSource(
                {
                    "x": np.full(len(ends), right),
                    "y": bottom + at / scale,
                    "words": np.array(words),
                    "colour": np.array([end.colour for end in ends]),
                }
            ),
        )
    )


# ---- around the ink -------------------------------------------------------------------------------------------------------
def _dress(figure, plan: Drawing, room: int, height: int) -> None:
    theme = plan.theme
    if plan.spec.horizontal and len(plan.categories or ()) > _LONG:
        figure.add_layout(LinearAxis(axis_label=plan.spec.y_title), "above")
    figure.background_fill_color = figure.border_fill_color = ink("paper", theme)
    figure.outline_line_color = None
    figure.toolbar.logo = None
    figure.toolbar.styles = {"--button-color": ink("grid", theme)}  # of the lines between tools
    figure.toolbar.active_tap = figure.toolbar.active_drag = figure.toolbar.active_scroll = None
    figure.toolbar.active_tap = next(
        tool for tool in figure.tools if type(tool).__name__ == "TapTool"
    )
    for axis in figure.axis:
        axis.axis_line_color = axis.major_tick_line_color = ink("axis", theme)
        axis.minor_tick_line_color = None
        axis.major_label_text_color = axis.axis_label_text_color = ink("text", theme)
        if isinstance(axis.formatter, BasicTickFormatter):
            axis.formatter = CustomJSTickFormatter(code=_ALIKE)
        (
            axis.axis_label_text_font_style,
            axis.axis_label_text_font_size,
            axis.major_label_text_font_size,
        ) = "normal", "10pt", "9pt"
    for grid in figure.grid:
        grid.grid_line_color = ink("grid", theme)
    if not plan.spec.invert_x and any(plan.ends(panel) for panel in plan.panels):
        left, right = plan.extent[
            :2
        ]  # lines of the grid end where the names begin, and reach as far to the left as one goes
        far = left / 1e6 if plan.spec.log_x else left - 100 * (right - left)
        figure.ygrid.cross_bounds = (float(far), float(right))
    if plan.spec.horizontal:
        names = plan.categories or ()
        figure.yaxis.ticker = FixedTicker(ticks=list(range(len(names))))
        figure.yaxis.major_label_overrides = dict(enumerate(_beside(names, room, height)))
        figure.yaxis.major_label_text_line_height = 0.9  # a name on two lines is one name
        figure.yaxis.major_tick_line_color = None
        figure.yaxis.major_label_text_font_size = "9pt" if len(names) <= 32 else "8pt"
        figure.ygrid.grid_line_alpha = 0.5
    elif plan.categories is not None:
        figure.xaxis.ticker = FixedTicker(ticks=list(range(len(plan.categories))))
        words, slanted = _below(plan.categories, room)
        figure.xaxis.major_label_overrides = dict(enumerate(words))
        figure.xgrid.grid_line_color = None
        figure.xaxis.major_label_orientation = 0.6 if slanted else 0.0
    elif plan.spec.log_x:
        figure.xaxis.ticker = FixedTicker(ticks=plan.log_ticks)
        figure.xaxis.formatter = NumeralTickFormatter(format="0,0.[000]")
    elif plan.spec.whole_x:
        figure.xaxis.ticker = FixedTicker(ticks=plan.whole_ticks)
    if plan.spec.powers_y:
        figure.yaxis.ticker = FixedTicker(ticks=list(plan.power_ticks))
        figure.yaxis.major_label_overrides = plan.power_ticks


def _beside(names: tuple[str, ...], room: int, height: int) -> list[str]:
    """Names of a ranking, which leave most of the figure to it: on two lines where its rows are high enough.

    Where they are not, a name has up to half of the figure and what is longer is cut: the hover line has all of it.
    """
    letters, half = max(20, int(0.36 * room / _LETTER)), max(20, int(0.5 * room / _LETTER))
    rows = (height - _AROUND_ROWS) / max(1, len(names))
    if len(names) > 12 and rows < _TWO_LINES:
        return [shortened(name, half) for name in names]
    found = [_evenly(name, letters) for name in names]
    return [
        one if one.count("\n") < 2 else _evenly(name, half)
        for one, name in zip(found, names, strict=True)
    ]


def _evenly(words: str, letters: int) -> str:
    r"""Words on as few lines as there have to be, these about equally long.

    Examples
    --------
    >>> _evenly("random embedding beside zoo-causal-1m", 29).split("\n")
    ['random embedding', 'beside zoo-causal-1m']
    """
    lines = broken(words, letters).count("\n")
    found = (broken(words, width) for width in range(len(words) // (lines + 1), letters + 1))
    return next(one for one in found if one.count("\n") == lines)


def _below(names: tuple[str, ...], room: int) -> tuple[list[str], bool]:
    """Words below an axis, on up to three lines, and whether they have to be slanted."""
    letters = int((room - 80) / max(1, len(names)) / _LETTER)
    if all(len(part.rstrip()) <= letters for name in names for part in joints(name)):
        lines = [broken(name, letters) for name in names]
        if all(words.count("\n") < 3 for words in lines):
            return lines, False
    return list(names), True


def _legend(figure, plan: Drawing, named: Renderers, room: int) -> None:
    """One entry per colour, and one neutral entry per way of drawing (dashed, ringed); a click mutes what it names.

    It stands above on the right: what is wider than the figure would lose its first entries.
    """
    entries = plan.legend()
    items = []
    for entry in entries:
        drawn = [renderer for name in entry.names for renderer in named.get(name, [])]
        rings = [one for one in drawn if one.name == RING] if entry.mark.ringed else []
        if rings:  # its sample is the ring, as in print: over one another, ring and point are drawn as large as each other
            for other in drawn:
                if other not in rings:
                    rings[0].js_link("muted", other, "muted")
        if drawn:
            items.append(LegendItem(label=entry.name, renderers=rings or drawn))
    if not items or len(items) > LEGEND_LIMIT or (len(items) == 1 and not entries[0].explains):
        return
    sample = 36 if plan.several_dottings else 20
    widths = [7 * len(entry.name) + 20 + sample for entry in entries]
    room = min(700, room - 30)
    wide = sum(widths) > room
    legend = Legend(
        items=items,
        click_policy="mute",
        orientation="vertical" if wide and len(items) > 4 else "horizontal",
        border_line_alpha=0,
        padding=2,
        ncols="auto" if not wide else max(1, room // max(widths)),
        background_fill_alpha=0,
        label_text_color=ink("text", plan.theme),
        label_text_font_size="9pt",
        glyph_width=sample,
        spacing=10,
        margin=2,
    )
    figure.add_layout(legend, "above")
    if plan.several_dottings:
        _keep(legend, "glyph_width")  # the page's theme has shorter samples, which look alike
