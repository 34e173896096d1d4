"""The pieces of a lens: the figure, the empty state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pandas as pd
import panel as pn
import panel_material_ui as pmui

from dashboards.figures.screen import anything_picked, draw, highlight, resize
from dashboards.lens.table import named, names
from dashboards.look.look import Folded, Html, Words, plain
from dashboards.look.session import in_session

__all__ = [
    "CONTROLS",
    "INSPECTOR",
    "NARROW",
    "PANEL_HEIGHT",
    "PLOT_HEIGHT",
    "Empty",
    "Frame",
    "broad",
    "letters",
    "tall",
]

PLOT_HEIGHT = 440
"""Pixels of a figure that is not the first of its page."""
PANEL_HEIGHT = 270
"""Pixels of one of many panels."""
AROUND = 262
"""Pixels of a window that the first figure leaves to what stands above and below it."""
NARROW = 1000
"""Pixels: in a narrower window the controls would take more than 30 % and lie over the page instead."""
CONTROLS = 300
"""Pixels of the controls beside the page."""
INSPECTOR = 320
"""Pixels of what is picked, on the other side."""
MANY = 15
"""More labelled points than this do not fit into half the page."""


def tall(window: int) -> int:
    """Height of the first figure in a window of this height."""
    return max(340, window - AROUND)


def broad(across: int, *, inspected: bool = False) -> int:
    """Width that a window of this width leaves to a figure; 0 where nobody has told."""
    beside = (CONTROLS if across >= NARROW else 0) + INSPECTOR * inspected
    return max(320, across - 44 - beside) if across else 0


def letters(room: int, *, lines: int = 1, most: int = 200, size: float = 7.9) -> int:
    """Characters that lines of this width hold, with a link to the rest behind them; ``most`` where no width is known.

    Examples
    --------
    >>> letters(1116), letters(1116, lines=2), letters(0)
    (135, 200, 200)
    """
    return min(most, max(60, int(room / size) * lines - 6)) if room else most


def least_height(spec) -> int:
    """Pixels below which the names of a ranking would lie on each other."""
    if not spec.horizontal:
        return 0
    names = {name for mark in spec.marks for name in mark.frame[mark.x]}
    panels = 1 if spec.facet is None else spec.marks[0].frame[spec.facet].nunique()
    across = panels if panels <= 3 else 2 if panels == 4 else 3
    lines = 1 if panels > 1 else max((-(-len(str(one)) // ROW_LETTERS) for one in names), default=1)
    return -(-panels // across) * (13 * len(names) * min(lines, 2) + 90)


ROW_LETTERS = 28
"""Letters of a row's name that stand on one line of a panel of half the screen's width."""


_HEADING = "h6 { margin: 0; font-size: 1rem; font-weight: 600; line-height: 1.6; }"
"""Of a figure: of Bokeh's own kind, for a heading of the theme's that changes while it is mounted keeps its first words."""


class Frame(pmui.Column):
    """One figure on the screen, with its heading and caption.

    Parameters
    ----------
    picked : callable
        Called with the names of what the user picked in it.
    """

    def __init__(self, picked: Callable[[list[str]], None]):
        self._picked, self._marking, self._marks = picked, False, []
        self._drawn, self._theme, self._room, self._least = None, "", 0, 0
        self._heading = Html("", visible=False, margin=(0, 10), stylesheets=[_HEADING])
        self._pane = pn.pane.Bokeh(None, sizing_mode="stretch_width", margin=0)
        self._answer = Folded(
            limit=240, margin=(0, 10), styles={"font-size": "0.95rem"}, visible=False
        )
        self._caption = Folded(margin=(2, 10), styles={"font-size": "0.85rem", "opacity": ".85"})
        self._run = Html("", margin=(0, 10, 4, 10), visible=False)
        self._holder = pmui.Column(
            self._pane, sizing_mode="stretch_width", margin=0
        )  # never lower than its plot: one that arrives moves nothing
        super().__init__(
            self._heading,
            self._answer,
            self._holder,
            self._caption,
            self._run,
            sizing_mode="stretch_width",
            margin=0,
            styles={"flex": "1 1 440px", "min-width": "0"},
        )

    def draw(
        self,
        picture,
        *,
        theme: str,
        alone: bool,
        first: bool = True,
        zoom: str = "",
        zoomed: Callable[[str], None] | None = None,
        window: int = 0,
        height: int = PLOT_HEIGHT,
        room: int = 0,
    ) -> None:
        """Show a picture; the first of a page takes what the window leaves, the others share rows below it."""
        words = f"<h6>{plain(picture.label)}</h6>"
        self._heading.param.update(object=words, visible=not alone and not first)
        across = room if first else room // max(1, room // 464)
        self._answer.fit(letters(across - 20, lines=2, most=240, size=7.6))
        self._answer.param.update(
            object=picture.spec.answer, visible=not first and bool(picture.spec.answer)
        )
        self._caption.object = picture.spec.caption
        flex = "1 1 100%" if first else "1 1 440px"
        self.styles = {"flex": flex, "min-width": "0"}
        links = _links(picture, theme)
        self._run.param.update(object=links, visible=bool(links))
        height, room = tall(window) if first and window else height, across
        self._least = least_height(picture.spec)
        height = max(height, self._least)
        self._keep_open(height)
        spec = picture.spec
        if not first:  # half as wide: hover names the points
            spec = replace(
                spec,
                marks=tuple(
                    replace(m, label=None) if len(m.frame) > MANY and m.kind == "points" else m
                    for m in spec.marks
                ),
            )
        if (
            theme == self._theme and spec.draws_like(self._drawn) and room == self._room
        ):  # a new plot costs the browser a tenth of a second or two
            self.fit(height)
            return
        self._pane.object = draw(
            spec,
            theme=theme,
            height=height,
            on_pick=self._pick,
            room=room,
            zoom=zoom,
            on_zoom=zoomed,
        )
        self._drawn, self._theme, self._room = spec, theme, room
        resize(self._pane.object, height)  # rows of panels share it

    def _keep_open(self, height: int) -> None:
        """Room for a plot; a height of the box itself would reach its inside one change late."""
        self._holder.styles = {"min-height": f"{height + 8}px"}

    def fit(self, height: int) -> None:
        """Another height, without a new plot."""
        height = max(height, self._least)
        self._keep_open(height)
        if self._pane.object is not None:
            resize(self._pane.object, height)

    def mark(self, values: list[str]) -> None:
        """Dim everything else; nothing takes it back."""
        self._marks = list(values)
        if in_session():
            pn.state.curdoc.add_next_tick_callback(
                self._highlight
            )  # Bokeh's own objects may be changed only by who holds the document
        else:
            self._highlight()

    def _highlight(self) -> None:
        if self._pane.object is None:
            return
        self._marking = True  # what is marked from here was not picked by the user
        try:
            highlight(self._pane.object, self._marks)
        finally:
            self._marking = False

    def _pick(self, rows: list[dict]) -> None:
        """A tap on one mark takes back what was selected in the others, each with an event of its own: that is no letting go."""
        picked = named(names(pd.DataFrame(rows)))
        if not self._marking and (picked or (not rows and not anything_picked(self._pane.object))):
            self._picked(picked)


def _links(picture, theme: str) -> str:
    """The run behind a picture, and where it is written how it is computed; the latter where our own server shows the page."""
    words, query = picture.link
    found = [f"<a href='?{plain(query)}' target='_blank'>{plain(words)}</a>"] if words else []
    if picture.method and pn.state.location is not None:
        page, _, heading_ = picture.method.partition("#")
        asked = "?theme=dark" if theme == "dark" else ""
        where = f"docs/{plain(page)}{asked}#{plain(heading_)}"
        found.append(f"<a href='{where}' target='_blank'>Method: {plain(picture.label)}</a>")
    return " &middot; ".join(found)


class Empty(pmui.Column):
    """Why there is nothing to see, and what to do."""

    def __init__(self, **params):
        self._words = Words(
            "",
            styles={
                "font-size": "1rem",
                "text-align": "center",
                "line-height": "1.5",
                "max-width": "560px",
            },
            align="center",
            margin=(0, 20),
        )
        self._button = pmui.Button(
            label="",
            variant="outlined",
            align="center",
            margin=(14, 0, 0, 0),
            visible=False,
            on_click=lambda _: self._action and self._action(),
        )
        self._action: Callable | None = None
        super().__init__(
            self._words,
            self._button,
            sizing_mode="stretch_width",
            margin=(20, 10),
            styles={
                "border": "1px dashed var(--mui-palette-divider, #d9dee4)",
                "border-radius": "8px",
                "padding": "56px 12px",
            },
            **params,
        )

    def say(self, words: str, action: tuple[str, Callable] | None = None) -> None:
        """Set the words and the button."""
        self._words.object = words
        self._button.visible = action is not None
        if action is not None:
            self._button.label, self._action = action
