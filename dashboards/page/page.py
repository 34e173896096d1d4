"""The page: lenses as tabs, one selection, the activity drawer."""

from __future__ import annotations

from pathlib import Path

import panel as pn
import panel_material_ui as pmui
import param
from panel.util import edit_readonly

from dashboards import LENSES
from dashboards.lens.client import Client
from dashboards.look.look import THEME, Words, heading, note
from dashboards.page.bookmarks import Bookmarks
from dashboards.page.checks import checks
from dashboards.page.welcome import Welcome
from dashboards.state import Selection
from dashboards.work.activity import Activity

__all__ = ["Workbench", "open_page"]

_HELP = (
    ("/", "search a model"),
    ("r", "run what is missing"),
    ("e", "export"),
    ("Esc", "close or cancel"),
    ("?", "this help"),
)


class Workbench(pn.viewable.Viewer):
    """One session: the lenses, what they share, and the frame around them."""

    def __init__(self, query: str = ""):
        super().__init__()
        self.selection = Selection()
        problems = self.selection.read(query, checks())
        self.client = Client(
            on_key=self._pressed, on_copied=self._copied, query=self.selection.query()
        )
        # a lens of another package that cannot be loaded takes no other down
        self._kinds = kinds = LENSES.loadable()
        if self.selection.lens not in kinds:
            problems.append(f"The lens {self.selection.lens!r} cannot be loaded.")
            self.selection.lens = next(iter(kinds))
        self._bodies = {slug: pmui.Column(sizing_mode="stretch_width", margin=0) for slug in kinds}
        self.lenses: dict[str, object] = {}
        self._sidebar = pmui.Column(sizing_mode="stretch_width", margin=(4, 8))
        self._notices = pmui.Column(sizing_mode="stretch_width", margin=0)
        self.activity = Activity()
        self.bookmarks = Bookmarks(self.selection.query, self.go)
        self.welcome = Welcome(
            self.selection, lambda: self.lens.run_by_itself(), visible=not query.strip("?")
        )
        names = list(kinds)
        self._tabs = pmui.Tabs(
            *((lens.label, self._bodies[slug]) for slug, lens in kinds.items()),
            active=names.index(self.selection.lens),
            sizing_mode="stretch_width",
            margin=0,
        )
        self._tabs.param.watch(
            lambda event: setattr(self.selection, "lens", names[event.new]), "active"
        )
        self._help = pmui.Dialog(
            *[
                pmui.Row(Words(key, width=50, styles={"font-weight": "600"}), Words(text))
                for key, text in _HELP
            ],
            title="Keyboard",
            show_close_button=True,
            close_on_click=True,
        )
        if problems:
            self.notice(
                "Parts of this link could not be used and were left at their defaults.", problems
            )
        self._bodies[self.selection.lens].objects = [
            pmui.Skeleton(height=320, sizing_mode="stretch_width", margin=16)
        ]
        if pn.state.curdoc is not None:
            pn.state.onload(self._open_lens)  # the frame is painted first
        else:
            self._open_lens()
        self.selection.param.watch(self._changed, [n for n in Selection.param if n != "name"])
        self.page = self._page()
        with edit_readonly(self.page):
            # every event of any session would else set this, which walks the whole page twice (a tenth of a second) and keeps
            # the session in memory after it ended; what is running is told by the lens and the activity list
            self.page.busy = self.page.param.loading
        self.page.param.watch(
            lambda event: setattr(self.selection, "theme", "dark" if event.new else "light"),
            "dark_theme",
        )

    def __panel__(self):
        return self.page

    # ---- the frame -------------------------------------------------------------------------------------------------------
    def _page(self) -> pmui.Page:
        button = dict(color="default", size="medium", margin=0)
        self._link = pmui.IconButton(
            icon="link",
            label="Copy link",
            description="Copy a link to this view",
            on_click=lambda _: self.client.copy_link(),
            **button,
        )
        header = pmui.Row(
            pmui.Row(sizing_mode="stretch_width"),
            self._link,
            self.bookmarks.button,
            self.activity.button,
            pmui.IconButton(
                icon="help_outline",
                label="Help",
                description="Help: keyboard",
                on_click=lambda _: self._help.param.update(open=True),
                **button,
            ),
            sizing_mode="stretch_width",
            styles={"align-items": "center"},
            margin=0,
        )
        return pmui.Page(
            title="BrainLens",
            header=[header],
            sidebar=[self._sidebar],
            sidebar_width=320,
            main=[
                pmui.Column(
                    self._notices,
                    self.welcome,
                    self._tabs,
                    self._help,
                    self.bookmarks.dialog,
                    self.activity.drawer,
                    self.client,
                    sizing_mode="stretch_width",
                    margin=0,
                    styles={
                        "max-width": "1500px",
                        "margin": "0 auto",
                        "padding": "0 12px 40px 12px",
                    },
                )
            ],
            template=Path(__file__).with_name("page.html"),
            theme_config=THEME,
            busy_indicator=None,
            dark_theme=self.selection.theme == "dark",
            meta_description="Which language models predict the human brain, and is the number real?",
            sx={
                "& .MuiAppBar-root .title": {"color": "inherit !important", "fontSize": "1.35rem"},
                "& .MuiAppBar-root a": {"color": "inherit !important", "textDecoration": "none"},
                "& .MuiAppBar-root": {
                    "backgroundColor": "background.paper",
                    "color": "text.primary",
                    "borderBottom": "1px solid",
                    "borderColor": "divider",
                },
            },
        )

    def _open_lens(self) -> None:
        slug = self.selection.lens
        if slug not in self.lenses:
            self.lenses[slug] = self._kinds[slug](self.selection, client=self.client)
            self._bodies[slug].objects = [self.lenses[slug].body]
        self._sidebar.objects = [self.lenses[slug].controls]
        self._tabs.active = list(self._kinds).index(slug)

    def _changed(self, *events) -> None:
        self.client.query = self.selection.query()
        if any(event.name == "lens" for event in events):
            self._open_lens()

    def go(self, query: str) -> None:
        """Show another view, such as a bookmark's; light or dark stays as it is."""
        theme = self.selection.theme
        with param.parameterized.batch_call_watchers(self.selection):
            problems = self.selection.read(query, checks())
            self.selection.theme = theme
        if problems:
            self.notice(
                "Parts of this bookmark could not be used and were left at their defaults.",
                problems,
            )

    @property
    def lens(self):
        """The lens in front."""
        return self.lenses[self.selection.lens]

    # ---- what the browser tells ------------------------------------------------------------------------------------------
    def _pressed(self, key: str) -> None:
        if key == "?":
            self._help.open = not self._help.open
        elif key == "Escape" and (
            self._help.open or self.activity.drawer.open or self.bookmarks.dialog.open
        ):
            self._help.open = self.activity.drawer.open = self.bookmarks.dialog.open = False
        else:
            self.lens.pressed(key)

    def _copied(self, well: bool) -> None:
        if not well:
            self.notice(
                "The browser did not allow copying.", ["Copy the address of the page by hand."]
            )
            return
        self._link.icon = "check"
        if pn.state.curdoc is not None and pn.state.curdoc.session_context is not None:
            pn.state.curdoc.add_timeout_callback(lambda: self._link.param.update(icon="link"), 1500)

    def notice(self, words: str, lines: list[str]) -> None:
        """One message that stays until it is dismissed."""
        box = pmui.Paper(
            elevation=0,
            variant="outlined",
            sizing_mode="stretch_width",
            margin=(8, 10),
            sx={"borderColor": "secondary.main", "borderLeftWidth": 4, "p": 1},
        )
        close = pmui.IconButton(
            icon="close",
            label="Dismiss",
            description="Dismiss",
            size="small",
            on_click=lambda _: self._notices.remove(box),
            margin=0,
        )
        box.objects = [
            pmui.Row(
                heading(words, "body1"),
                pmui.Row(sizing_mode="stretch_width"),
                close,
                sizing_mode="stretch_width",
                margin=0,
            ),
            note("\n".join(lines)),
        ]
        self._notices.append(box)

    def close(self) -> None:
        """The session has ended: let go of everything that outlives it."""
        for lens in self.lenses.values():
            lens.close()
        self.activity.close()


def open_page() -> Workbench:
    """The page of a new session, with what its address says selected."""
    pn.extension(
        "tabulator", "filedropper"
    )  # Panel's notifications would keep every session in memory
    location = pn.state.location
    bench = Workbench(location.search if location is not None else "")
    if pn.state.curdoc is not None:
        pn.state.on_session_destroyed(lambda _: bench.close())
    return bench
