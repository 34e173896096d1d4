"""What every lens has: the question, controls, an answer in words, figure and table, caption, progress, errors, export."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import panel as pn
import panel_material_ui as pmui
import param

from analysis.scoring.cost import slowdown
from dashboards.figures.objects import holoviews
from dashboards.figures.style import looks
from dashboards.lens.alone import selected
from dashboards.lens.cell import Cell
from dashboards.lens.client import Client
from dashboards.lens.export_dialog import Exporter
from dashboards.lens.item_card import ItemCards, cited
from dashboards.lens.parts import PANEL_HEIGHT, PLOT_HEIGHT, Empty, Frame, broad, letters, tall
from dashboards.lens.sidebar import Sidebar, control, grouped, put_in_use
from dashboards.lens.table import DataTable
from dashboards.lens.tile_table import TileTable
from dashboards.lens.view import Picture, View
from dashboards.look.look import THEME, Folded, Html, Labels, heading, note, plain
from dashboards.look.session import later
from dashboards.state import Selection, declare
from dashboards.work import identity
from dashboards.work.computation import Computation, cost_in_words
from dashboards.work.desk import Desk
from dashboards.work.jobs import RUNNER, Job, Runner
from data.errors import BrainLensError, unknown

__all__ = ["Computation", "Lens", "Picture", "View"]

TABS = ("Figure", "Table")
WAITING = 1.0
"""Seconds between two drawings of parts of a result while a script waits for the whole."""
REST = 3.0
"""After a part of a result was drawn, no session of this process draws another for so many times the seconds that it took: who
clicks waits behind it."""
_STRIP = {
    "position": "sticky",
    "bottom": "0",
    "z-index": "4",
    "background": "var(--mui-palette-background-paper, #ffffff)",
}
"""What is under way stands at the window's foot: a figure does not move when it begins or ends."""


class Lens(pn.viewable.Viewer):
    """One question, in the browser and in a notebook cell alike.

    Parameters
    ----------
    selection : Selection, optional
        Shared with the other lenses of a page; None: one of its own.
    client : Client, optional
        The page's; None: one of its own.
    runner : Runner, optional
        Where computations run; None: the process's.
    **fields
        Fields of the selection, such as ``models=["gpt2"], recording="pereira2018", protocol="defended"``.
    """

    slug = label = question = icon = ""
    watches: tuple[str, ...] = ()
    fields: Mapping[str, param.Parameter] = {}
    """Fields of the selection that only this lens has, by name."""
    opens_with: Mapping[str, object] = {}
    """Fields that a page lends to it where nobody chose them: a recording that has what the question asks of."""
    panels = False
    """Whether its figures are panels of one size, none of them the first."""
    parts_rest_until = 0.0
    """When a part of a result may be drawn again, in any session (monotonic seconds)."""

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        for name, parameter in cls.__dict__.get("fields", {}).items():
            declare(name, parameter)

    def __init__(
        self,
        selection: Selection | None = None,
        *,
        client: Client | None = None,
        runner: Runner | None = None,
        **fields,
    ):
        super().__init__()
        self._alone = selection is None
        self.selection = selection if selection is not None else selected(self.slug, fields)
        self.client = client or Client(active=False)
        self.desk = Desk(
            runner or RUNNER, self.client.copy, self.refresh_state, self._draw_what_came
        )
        self._wanted: list[Computation] = []
        self._stale = False  # the selection changed while another lens was in front
        self.showing = lambda: None  # the page's: called when something was drawn or picked
        self._eager = False  # everything runs by itself until the selection changes
        self._undrawn: Callable[[], None] | None = None  # how what came last will be drawn
        self._behind = False  # a part of a result was not drawn
        self._comes = False  # and will be
        self._next_part = 0.0  # when a part of a result is drawn again while somebody waits for all
        self.shown = View()
        self._promised = ""  # what was locked when it was drawn last
        self._beside = False  # whether the inspector stands beside the figure
        self._said: tuple = ()  # the notes that are on the page
        self._build()
        self.selection.param.watch(self._selected, [*self.watches, "theme", "colours"])
        self.selection.param.watch(lambda event: self._mark(), "picked")
        self.client.param.watch(self._resized, ["window", "across"])
        self.follow()
        self.refresh()

    @property
    def in_front(self) -> bool:
        """Whether somebody looks at it."""
        return self._alone or self.selection.lens == self.slug

    def wake(self) -> None:
        """It comes to the front: catch up with what was selected and added meanwhile, and start what is cheap."""
        for picker in self.controls.select(lambda part: hasattr(part, "look_again")):
            picker.look_again()
        if self._stale:
            self._stale = False
            self.refresh()
        else:
            if self._behind:
                self._show_again()
            self._start_free()

    # ---- what a lens fills in ------------------------------------------------------------------------------------------
    def make_controls(self) -> Mapping[str, list] | list:
        """Widgets, made once; in groups that fold (:data:`dashboards.lens.sidebar.GROUPS`), or a list."""
        raise NotImplementedError

    def view(self) -> View:
        """What can be shown now; quick."""
        raise NotImplementedError

    def missing(self) -> list[Computation]:
        """What the selection asks for and is not there yet."""
        return []

    def reflect(self, view: View) -> None:
        """Let the controls say what the view found out about them (``view.controls``)."""

    def link(self, widget, name: str, *, throttled: bool = False) -> None:
        """Keep a widget and a field of the selection in step."""
        widget.param.watch(
            lambda event: setattr(self.selection, name, event.new),
            "value_throttled" if throttled else "value",
        )
        self.selection.param.watch(lambda event: setattr(widget, "value", event.new), name)

    def control(self, kind: type, name: str, label: str, **options):
        """A widget of the sidebar in step with a field of the selection: one look for all of its kind."""
        widget = control(kind, label, getattr(self.selection, name), **options)
        self.link(widget, name, throttled=isinstance(widget, pmui.IntSlider))
        return widget

    def only_with(self, widget, name: str, *values) -> None:
        """Show a control only while a field of the selection has one of these values: it does nothing with the others."""

        def follow(*_) -> None:
            put_in_use(widget, getattr(self.selection, name) in values)

        self.selection.param.watch(follow, name)
        follow()

    # ---- parts ---------------------------------------------------------------------------------------------------------
    def _build(self) -> None:
        act = dict(size="small", margin=(2, 4))
        self._run = pmui.Button(
            label="Run", icon="play_arrow", on_click=lambda _: self.run(), visible=False, **act
        )
        self._stop = pmui.Button(label="Cancel", icon="stop", color="error", variant="outlined",
                                 on_click=lambda _: self.cancel(), visible=False, **act)  # fmt: skip
        self._export = pmui.Button(label="Export", icon="download", variant="outlined",
                                   on_click=lambda _: self.open_export(), disabled=True, **act)  # fmt: skip
        self._cost = note(visible=False)
        self._cost.styles = {**self._cost.styles, "flex": "0 1 auto", "max-width": "92ch"}
        self._stamps = Labels()
        self._answer = Folded(
            limit=200,
            margin=(0, 10, 2, 10),
            styles={
                "font-size": "1rem",
                "flex": "1 0 460px",
                "max-width": "100%",
                "min-width": "0",
            },
        )
        self._tiles = TileTable()
        self._frames: list[Frame] = []
        self._figure_tab = pmui.FlexBox(sizing_mode="stretch_width", margin=0, gap="8px 24px")
        self._table = DataTable(name=self.slug, picked=self._pick)
        self._table.leaving = self.keep_promises
        self._table.noted = self._noted
        self._table_tab = pmui.Column(  # filled when it is looked at
            sizing_mode="stretch_width", margin=(0, 10), visible=False
        )
        self._tabs = pmui.Tabs(
            *((name, pn.Spacer(width=0, height=0)) for name in TABS),
            margin=(0, 6),
            sx={"& .MuiTabs-root, & .MuiTab-root": {"minHeight": "34px", "padding": "4px 12px"},
                "& .MuiTabPanel-root, & [role=tabpanel]": {"display": "none"}},
        )  # fmt: skip
        self._tabs.param.watch(lambda event: self._put_in_front(event.new), "active")
        self._empty = Empty(visible=False)
        self._coming = pmui.Column(
            note("Computing: the figure appears with the first result."),
            pmui.Skeleton(
                height=420, sizing_mode="stretch_width", margin=(6, 10), variant="rounded"
            ),
            sizing_mode="stretch_width",
            margin=0,
            visible=False,
        )
        self._notes = pmui.Accordion(
            ("What the numbers mean", pn.Column(sizing_mode="stretch_width")),
            sizing_mode="stretch_width",
            margin=(10, 10),
            visible=False,
            elevation=0,
            title_variant="h6",
        )
        self._exporter = Exporter(self)
        self.inspector = ItemCards(self._let_go, self._act_on)
        self.controls = Sidebar(grouped(self.make_controls()))
        self.body = pmui.Column(
            pmui.Row(
                heading(self.question, "h4", margin=(0, 10), styles={"flex": "0 1 auto"},
                        sx={"@media (max-width: 1399px)": {"fontSize": "1.1rem", "lineHeight": 1.15}}),
                self._stamps,
                pmui.Row(self._run, self._stop, self._export, self._tabs, margin=0,
                         sx={"alignItems": "center", "flex": "0 0 auto"}),
                sizing_mode="stretch_width",
                margin=0,
                sx={"alignItems": "center", "@media (max-width: 720px)": {"flexWrap": "wrap"}},
            ),
            pmui.Row(
                self._answer,
                self._cost,
                sizing_mode="stretch_width",
                margin=0,
                sx={"alignItems": "start", "@media (max-width: 999px)": {"flexWrap": "wrap"}},
            ),
            self._tiles,
            self.desk.errors,
            self._empty,
            self._coming,
            self._figure_tab,
            self._table_tab,
            self._notes,
            self._exporter,
            pmui.Column(self.desk.progress, sizing_mode="stretch_width", margin=0, styles=_STRIP),
            sizing_mode="stretch_width",
            margin=0,
        )  # fmt: skip

    def holoviews(self, label: str | None = None):
        """Every picture, or one, as HoloViews elements with the same data, colours and labels.

        Parameters
        ----------
        label : str, optional
            Of the picture; None: all of them.

        Returns
        -------
        holoviews.Overlay or dict
            One picture, or label -> picture.

        Raises
        ------
        BrainLensError
            For a label that no picture has.
        """
        self.keep_promises()
        specs = {one.label: replace(one.spec, colours=self.selection.colours) for one in self.shown.pictures
                 if not one.spec.empty}  # fmt: skip
        if label is None:
            return {
                name: holoviews(spec, theme=self.selection.theme) for name, spec in specs.items()
            }
        if label not in specs:
            raise unknown("picture", label, specs)
        return holoviews(specs[label], theme=self.selection.theme)

    def _repr_mimebundle_(self, include=None, exclude=None):
        """What a notebook cell shows; what it needs in the page is loaded by itself, without a network."""
        if not pn.extension._loaded:
            pn.extension("tabulator", "filedropper", inline=True)
        self.keep_promises()
        return super()._repr_mimebundle_(include, exclude)

    def __panel__(self):
        """The lens by itself, as a notebook cell shows it."""
        side = pmui.Paper(
            self.controls,
            width=300,
            elevation=0,
            variant="outlined",
            margin=(6, 12, 6, 0),
            sx={"p": 1},
        )
        beside = pmui.Column(  # empty, it would take the figure's room
            self.inspector,
            max_width=300,
            margin=0,
            visible=pn.bind(bool, self.inspector.param["objects"]),
        )
        return Cell(
            side,
            self.body,
            beside,
            self.client,
            sizing_mode="stretch_width",
            theme_config=THEME,
            margin=0,
        )

    # ---- showing -------------------------------------------------------------------------------------------------------
    def _selected(self, *events) -> None:
        if not self.in_front:
            self._stale = True
        elif {event.name for event in events} <= {"theme", "colours"}:
            self.show(self.shown)
        else:
            self.desk.held.clear()
            self._eager = False
            self.selection.zoom = ""  # of another picture
            self.refresh()

    def refresh(self) -> None:
        """Show what is there for the selection, and say what the rest would cost."""
        self._promised = identity.promised()
        try:
            self._wanted = self.missing()
            view = self.view()
        except Exception as error:
            self._wanted, view = [], View(empty="There is nothing to show for this selection.")
            self.fail(error)
        else:
            self.desk.clear("selection")
        self.show(view)
        self._price()
        self._start_free()

    def keep_promises(self) -> None:
        """Show nothing that was locked since it was drawn, and again what was revealed."""
        if identity.promised() != self._promised:
            self._exporter.forget()
            self.refresh()

    def _start_free(self) -> None:
        """Start what is cheap, and listen again to what is under way; behind another lens, look only."""
        free = [
            one
            for one in self._wanted
            if one.key not in self.desk.held
            and (one.quiet or self.in_front)
            and (one.free or self._eager or self.desk.goes_on(one.key))
        ]
        if free:
            self._submit(free)

    def show(self, view: View) -> None:
        """Draw a view."""
        self._behind = False
        view = self.shown = view.coloured(self.selection.colours)
        self.reflect(view)
        pictures = [picture for picture in view.pictures if not picture.spec.empty]
        self._tabs.visible = view.there
        self._put_in_front(self._tabs.active)
        self._export.disabled = not view.there
        self._vacant()
        self._answer.object = view.verdict or (pictures[0].spec.answer if pictures else "")
        self._answer.visible = bool(self._answer.object)
        self._fit_words()
        self._tiles.tell(view.tiles, self._colours([tile.model for tile in view.tiles]))
        self._tiles.visible = bool(view.tiles)
        self._table.notes = view.notes
        self._table.tables = {picture.label: picture.table for picture in pictures}
        self._notes.visible = view.there and bool(view.notes)
        if self._notes.visible and view.notes != self._said:
            lines = "".join(
                f"<dt><b>{plain(term)}</b></dt><dd style='margin:0 0 8px 16px'>{plain(text)}</dd>"
                for term, text in view.notes
            )
            self._notes[0].objects = [
                Html(
                    f"<dl style='margin:0;line-height:1.5'>{lines}</dl>",
                    sizing_mode="stretch_width",
                )
            ]
        self._said = view.notes if self._notes.visible else self._said
        self._draw(view)

    def _offered(self, view: View) -> tuple[str, tuple[str, Callable] | None]:
        """Words and button of a view without a figure: no Run before it is known what is missing, it would do nothing."""
        looks = any(
            one.free and one.quiet and one.key not in self.desk.held for one in self._wanted
        )
        if looks and view.action and view.action[1] == self.run:
            return "Looking into the store ...", None
        if self.failed and view.action and view.action[1] == self.run:
            ended = (
                "That failed: see the error above."
                if self.desk.errors.objects
                else "That was cancelled."
            )
            return f"{ended} Press Try again (or the key r).", ("Try again", self.run)
        return view.empty, view.action

    def _draw(self, view: View) -> None:
        pictures = [picture for picture in view.pictures if not picture.spec.empty]
        self._beside = bool(self.selection.picked)  # the inspector opens, or is open
        while len(self._frames) < len(pictures):
            self._frames.append(Frame(self._pick))
        pairs = list(zip(self._frames, pictures, strict=False))
        self._draw_frames(pairs[:1], alone=len(pairs) == 1)
        shown = self._frames[: len(pictures)]
        if shown != self._figure_tab.objects:
            self._figure_tab.objects = shown
        self._mark()
        others = partial(self._draw_others, view, pairs[1:])
        if len(pairs) > 1 and not later(0, others):  # in a page the first figure is sent before
            others()

    def _draw_others(self, view: View, pairs: list[tuple[Frame, Picture]]) -> None:
        if self.shown is view:
            began = time.monotonic()
            self._draw_frames(pairs, alone=False)
            for frame, _ in pairs:
                frame.mark(self.selection.picked)
            if Lens.parts_rest_until > began:
                Lens.parts_rest_until += REST * (time.monotonic() - began)

    def _draw_frames(self, pairs: list[tuple[Frame, Picture]], *, alone: bool) -> None:
        for frame, picture in pairs:
            first = frame is self._frames[0]
            zoom = {"zoom": self.selection.zoom, "zoomed": self._zoomed} if first else {}
            zoom |= {
                "window": self.client.window,
                "room": broad(self.client.across, inspected=self._beside),
            }
            try:
                frame.draw(
                    picture,
                    theme=self.selection.theme,
                    alone=alone,
                    first=first and not self.panels,
                    height=self._panel(1 if alone else 2) if self.panels else PLOT_HEIGHT,
                    **zoom,
                )
            except Exception as error:  # the figure fails, the table and the rest stay
                self.fail(error, where=f"figure {picture.label}")

    def _panel(self, panels: int) -> int:
        """Height of a panel; one that is alone has the window, but for the line that answers it."""
        if panels == 1 and self.client.window:
            return max(PANEL_HEIGHT, tall(self.client.window) - 60)
        return PANEL_HEIGHT

    def _fit_words(self) -> None:
        """One line of the verdict where tiles, panels or a price follow it, two where the figure does: it starts near the top."""
        room = broad(self.client.across, inspected=self._beside) - 20 if self.client.across else 0
        beside = int(6.4 * len(str(self._cost.object))) if self._cost.visible else 0
        more = bool(self.shown.tiles) or self.panels or self._cost.visible
        if room and beside > room - 460:  # a price that takes two lines leaves two to the verdict
            more = False
        self._answer.fit(letters(max(460, room - beside), lines=1 if more else 2))

    def _resized(self, *events) -> None:
        """The window has another height or width, and the first figure with it."""
        if self._frames and self.client.window:
            pictures = sum(not picture.spec.empty for picture in self.shown.pictures)
            if not self.panels:
                self._frames[0].fit(tall(self.client.window))
            elif pictures == 1:
                self._frames[0].fit(self._panel(1))
        if self.in_front and any(event.name == "across" for event in events):
            self._fit_words()
            self._draw(self.shown)

    def _colours(self, models: list[str]) -> dict[str, str]:
        found = looks(models, self.selection.theme, chosen=self.selection.colours) if models else {}
        return {model: look.colour for model, look in found.items()}

    def _put_in_front(self, active: int) -> None:
        """Figure or table."""
        there = self.shown.there
        self._figure_tab.visible, self._table_tab.visible = (
            there and active == 0,
            there and active == 1,
        )
        self._table.look(there and active == 1)
        if self._table_tab.visible and not self._table_tab.objects:
            # as a whole: what comes into a part that a browser is still putting up is sometimes never drawn
            self._table_tab.objects = [self._table]
        pictures = self.shown.pictures if self._figure_tab.visible else ()
        first = {picture.spec.stamp for picture in pictures[:1] if not picture.spec.empty}
        self._stamps.tell(self.shown.stamps, drawn=first)
        if self.selection.lens == self.slug:
            self.selection.tab = TABS[active].lower()

    def follow(self) -> None:
        """Show the tab, sort and filter that the link says."""
        choice = self.selection
        self._tabs.active = [name.lower() for name in TABS].index(choice.tab)
        self._table.told(choice.sort, choice.rows)

    def _noted(self, what: str, value: str) -> None:
        """The user sorted or filtered the table."""
        if self.selection.lens == self.slug:
            setattr(self.selection, what, value)

    def _zoomed(self, place: str) -> None:
        """The user moved the first figure's frame."""
        if self.selection.lens == self.slug:
            self.selection.zoom = place

    # ---- what is picked ------------------------------------------------------------------------------------------------
    def _pick(self, values: list[str]) -> None:
        """The user picked points or rows: they are marked in every figure and table of every lens."""
        if set(values) != set(self.selection.picked):
            self.selection.picked = values

    def _let_go(self, values: list[str]) -> None:
        self.selection.picked = [name for name in self.selection.picked if name not in values]

    def _mark(self) -> None:
        for part in (*self._frames, self._table):
            part.mark(self.selection.picked)
        self.inspector.tell(self.selection.picked, self.shown, self.selection.theme)
        self._beside = bool(self.inspector.objects)  # its room counts when the figure is drawn next
        self.showing()

    def _act_on(self, what: str, name: str) -> None:
        """What the inspector's buttons do with a picked thing."""
        choice = self.selection
        if what == "hide":
            choice.param.update(
                hidden=[*choice.hidden, name],
                models=[one for one in choice.models if one != name],
                picked=[one for one in choice.picked if one != name],
            )
        elif what == "compare":
            others = [one for one in choice.models if one != name]
            choice.param.update(
                models=[name, *others], lens="compare" if not self._alone else choice.lens
            )
        elif what == "cite":
            self.client.copy(cited(name))

    def _price(self) -> None:
        """Say before the click what it costs."""
        held = self.desk.held
        open_ = [
            one
            for one in self._wanted
            if not self.desk.running(one.key) and (not one.free or one.key in held)
        ]
        self._run.visible = bool(open_)
        self._run.label = "Try again" if open_ and all(one.key in held for one in open_) else "Run"
        self._stop.visible = self.desk.busy
        self._cost.object = cost_in_words([one for one in open_ if not one.quiet], slowdown())
        self._cost.visible = bool(self._cost.object)
        self._fit_words()

    # ---- running -------------------------------------------------------------------------------------------------------
    def run(self, *, wait: bool = False) -> Lens:
        """Compute what is missing.

        Parameters
        ----------
        wait : bool
            Return only when everything is there (in a notebook or a script).
        """
        if wait:
            self.wait()  # until the store has been looked into
        tried: set[str] = set()
        while missing := [one for one in self._wanted if one.key not in {*self.desk.keys, *tried}]:
            self._submit(missing)
            if not wait:
                self.show(self.view())  # its words tell that it runs
                break
            tried |= {one.key for one in missing}
            self.wait()  # what is there now may ask for more
        return self

    def run_by_itself(self) -> None:
        """Compute what is missing for this selection as soon as it is known, without a click on Run."""
        self._eager = True
        self.refresh()

    def wait(self, timeout: float | None = None) -> None:
        """Return when all computations of this lens have ended; not to be called from the page's own loop."""
        self._next_part = time.monotonic() + WAITING
        try:
            self.desk.wait(timeout)
        finally:
            self._next_part = 0.0
            if self._behind:  # cancelled, or waited for long enough
                self._show_again()

    def cancel(self) -> None:
        """Stop listening to all computations; those that nobody else wants end at their next checkpoint."""
        self.desk.cancel_all()

    def close(self) -> None:
        """The session has ended: leave all computations."""
        self.desk.close()

    def _submit(self, wanted: list[Computation]) -> None:
        for one in wanted:
            self.desk.submit(
                one.key,
                one.title,
                one.work,
                partial(self._came, one),
                partly=partial(self._came_partly, one),
                failed=partial(self._failed, one),
                quiet=one.quiet,
                shared=not one.quiet,  # what is looked up may be a person's own results
            )

    def _came(self, one: Computation, result: object) -> None:
        one.take(result, True)
        self._undrawn = self.refresh

    def _came_partly(self, one: Computation, result: object) -> None:
        one.take(result, False)
        if self._next_part:  # in a script that waits for the whole
            if time.monotonic() < self._next_part:
                self._behind = True
                return
            self._next_part = time.monotonic() + WAITING
        self._undrawn = self._undrawn or self._show_again

    def _failed(self, one: Computation, error: BaseException) -> None:
        if one.failed is not None:
            one.failed(error)
        self._undrawn = self.refresh

    def _show_again(self) -> None:
        self.show(self.view())

    def _draw_what_came(self) -> None:
        """Draw once what arrived together; parts of a result seldom, and behind another lens not at all."""
        draw, self._undrawn = self._undrawn, None
        if draw == self._show_again and not self._now():
            self._behind = True
        elif draw is not None:
            began = time.monotonic()
            draw()
            if draw == self._show_again:
                now = time.monotonic()
                Lens.parts_rest_until = now + REST * (now - began)

    def _now(self) -> bool:
        """Whether a part of a result is to be drawn at once; else it is later, unless the whole comes first."""
        rest = Lens.parts_rest_until - time.monotonic()
        if not self.in_front:
            return False
        if rest > 0 and not self._comes:
            self._comes = later(rest, self._draw_later)
        return not self._comes

    def _draw_later(self) -> None:
        self._comes = False
        if self._behind:
            self._undrawn = self._undrawn or self._show_again
            self._draw_what_came()

    def refresh_state(self) -> None:
        """Buttons, cost and empty state after computations began or ended."""
        if self._undrawn == self.refresh:
            return  # it says so too, once what came is drawn
        self._price()
        self._vacant()

    def _vacant(self) -> None:
        """What stands where nothing can be drawn: a shape of what is coming, or why there is nothing."""
        self._coming.visible = not self.shown.there and self.desk.busy
        self._empty.visible = not self.shown.there and not self.desk.busy
        self._empty.say(*self._offered(self.shown))

    # ---- errors --------------------------------------------------------------------------------------------------------
    def fail(
        self, error: BaseException, *, trace: str = "", where: str = "selection", title: str = ""
    ) -> None:
        """Show an error until it is dismissed."""
        self.desk.fail(error, where=where, title=title, trace=trace)

    def leaving(self, make: Callable[[], io.BytesIO]) -> Callable[[], io.BytesIO]:
        """The callback of a download; what stands in its way is told on the page, where alone it would reach the log only."""

        def callback() -> io.BytesIO:
            try:
                return make()
            except (BrainLensError, OSError, MemoryError) as error:
                self.fail(error, where="export", title="Nothing was downloaded")
                raise

        return callback

    def recipe(self) -> dict:
        """What the view is made from, as plain values: selection, link, and the provenance of every score in it."""
        self.keep_promises()
        scores = {
            score.model: score.provenance
            for picture in self.shown.pictures
            for score in picture.scores
        }
        return {
            "lens": self.slug,
            "selection": self.selection.to_dict(),
            "link": f"?{self.selection.query()}",
            "scores": list(scores.values()),
        }

    @property
    def failed(self) -> bool:
        """Whether something of what is wanted has failed or was cancelled."""
        return any(one.key in self.desk.held for one in self._wanted)

    # ---- export and keyboard ---------------------------------------------------------------------------------------------
    def open_export(self) -> None:
        """Open the export dialog, where there is something to export."""
        self.keep_promises()
        if not self._export.disabled:
            self._exporter.open()

    def pressed(self, key: str) -> None:
        """A key of the page: r runs, e exports, Escape closes or cancels."""
        if key == "r" and self._run.visible:
            self.run()
        elif key == "e":
            self.open_export()
        elif key == "Escape":
            if self._exporter.is_open:
                self._exporter.close()
            else:
                self.cancel()

    @property
    def running(self) -> list[Job]:
        """Computations this lens listens to."""
        return self.desk.jobs
