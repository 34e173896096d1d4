"""Talk mode: one picture with its question and verdict, in big type on the whole screen; arrow keys go on."""

from __future__ import annotations

import panel as pn
import panel_material_ui as pmui

from dashboards.figures.screen import draw, enlarge
from dashboards.look.look import Words, cut, note, plain
from dashboards.page.bookmarks import kept
from data.errors import BrainLensError

__all__ = ["Talk"]

TIMES = 1.75
"""How much larger the type of the figure is."""


class Talk:
    """A full-screen dialog over the page.

    Its stops are the pictures of the lens in front, then the user's bookmarks.

    Parameters
    ----------
    bench : Workbench
    """

    def __init__(self, bench):
        self._bench, self._place, self._stops, self.on = bench, 0, [], False
        self._home = ""
        self._question = pmui.Typography("", variant="h3", margin=(18, 32, 0, 32),
                                         sx={"fontSize": "2.3rem", "fontWeight": 700, "lineHeight": 1.15})  # fmt: skip
        self._verdict = Words("", sizing_mode="stretch_width", margin=(8, 32, 4, 32),
                              styles={"font-size": "1.5rem", "line-height": "1.35"})  # fmt: skip
        self._pane = pn.pane.Bokeh(None, sizing_mode="stretch_width", margin=0)
        self._where = note("", margin=(0, 32, 8, 32), styles={"font-size": "1rem"})
        self.dialog = pmui.Dialog(
            self._question,
            self._verdict,
            pmui.Column(self._pane, sizing_mode="stretch_width", margin=(0, 24),
                        styles={"min-height": "300px"}),
            self._where,
            full_screen=True,
            open=False,
            sizing_mode="stretch_width",
            show_close_button=False,
        )  # fmt: skip

    def start(self) -> None:
        """Show the first picture of the lens in front."""
        self._stops, self._place = self._found(), 0
        self._home = self._bench.selection.query()
        if not self._stops:
            return
        self.on = self._bench.client.talking = True
        self._draw()  # before it opens: words that come while a dialog opens are not always drawn
        self.dialog.open = True

    def stop(self) -> None:
        """Back to the page."""
        self.on = self._bench.client.talking = self.dialog.open = False
        self._pane.object = None

    def pressed(self, key: str) -> None:
        """Arrows go on and back, Escape and t end it."""
        if key in ("Escape", "t"):
            self.stop()
        elif key in ("ArrowRight", "ArrowLeft"):
            step = 1 if key == "ArrowRight" else -1
            self._place = (self._place + step) % len(self._stops)
            kind, what = self._stops[self._place]
            query = what if kind == "bookmark" else self._home
            if query != self._bench.selection.query():  # or back from a bookmark to where it began
                self._bench.go(query)
            self._draw()

    def follow(self) -> None:
        """The lens in front was drawn again, such as after a bookmark or a result."""
        if self.on:
            self._draw()

    def _found(self) -> list[tuple[str, object]]:
        shown = getattr(self._bench.lens, "shown", None)
        pictures = [one for one in shown.pictures if not one.spec.empty] if shown else []
        try:
            marks = [("bookmark", query) for query in kept().values()]
        except BrainLensError:
            marks = []
        return [*(("picture", place) for place in range(len(pictures))), *marks]

    @property
    def _height(self) -> int:
        return max(300, (self._bench.client.window or 900) - 270)

    def _draw(self) -> None:
        lens = self._bench.lens
        shown = getattr(lens, "shown", None)
        pictures = [one for one in shown.pictures if not one.spec.empty] if shown else []
        kind, what = self._stops[self._place]
        place = what if kind == "picture" else 0
        self._where.object = f"{self._place + 1} of {len(self._stops)}; arrow keys go on, Esc ends"
        if place >= len(pictures):
            self._question.object, self._verdict.object = plain(lens.question), "Being computed ..."
            self._pane.object = None
            return
        spec = pictures[place].spec
        self._question.object = plain(spec.title)
        self._verdict.object = cut(spec.answer, 190)[0].rstrip("; ")
        self._pane.object = enlarge(
            draw(
                spec,
                theme=self._bench.selection.theme,
                height=int(self._height / TIMES),
                room=int((self._bench.client.across or 1440) / TIMES) - 40,
            ),
            TIMES,
        )
