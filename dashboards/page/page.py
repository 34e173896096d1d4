"""The page: the way to the lenses in its header, one selection, the inspector, the activity drawer."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

import panel as pn
import panel_material_ui as pmui
import param
from panel.io.resources import get_dist_path
from panel.util import edit_readonly

from dashboards import LENSES
from dashboards.lens.client import Client
from dashboards.lens.parts import CONTROLS, INSPECTOR, NARROW
from dashboards.look.look import THEME, Html, heading, note, plain
from dashboards.look.session import in_session, later
from dashboards.page.bookmarks import Bookmarks
from dashboards.page.checks import checks
from dashboards.page.navigation import Navigation, grouped
from dashboards.page.place import AROUND, OF_ONE_SIZE, Place
from dashboards.page.settings import Settings
from dashboards.page.talk import Talk
from dashboards.page.welcome import Welcome
from dashboards.state import VIEW, Selection, defaults
from dashboards.work.activity import Activity

__all__ = ["Workbench", "open_page"]

_HELP = (
    ("/", "search a model"),
    ("r", "run what is missing"),
    ("e", "export"),
    ("t", "talk mode: the figure alone, arrows go on"),
    ("Esc", "close or cancel"),
    ("g", "go to another lens: arrow keys choose, Enter opens"),
    ("?", "this help"),
)
AFTER_PAINT = 1500
"""Milliseconds between the first paint and the other lenses, which are made ready one by one behind the one in front."""
AHEAD = os.environ.get("BRAINLENS_AHEAD", "1") != "0"
"""Whether they are; 0 spares a server whose visitors look at one lens each the work and memory of the others."""
REST = 4.0
"""After a lens was made ready, no session of this process makes another for so many times the seconds that it took: who clicks
waits behind it, and a crowd would wait behind nothing else."""
LOOK_AT_PROMISES = 2000
"""Milliseconds between looks whether something was locked or revealed."""
KEPT = 4
"""Lenses that a browser has drawn, the last looked at: a page of sixteen takes seconds to change its theme or lens."""
MADE = 8
"""Lenses whose parts a session keeps, drawn or not: a server looks through them all whenever one comes or goes."""
_BAR = {
    "& .MuiToolbar-root": {"minHeight": "48px !important"},
    "& .MuiToolbar-root > .MuiBox-root": {"minWidth": 0},
    "& .MuiAppBar-root .title": {
        "color": "inherit !important",
        "fontSize": "1.2rem",
        "fontWeight": 700,
    },
    "& .MuiAppBar-root a": {"color": "inherit !important", "textDecoration": "none"},
    "& .MuiAppBar-root": {
        "backgroundColor": "background.paper",
        "color": "text.primary",
        "borderBottom": "1px solid",
        "borderColor": "divider",
    },
    "& .main-content": {"padding": "0 !important"},
    "@media (max-width: 560px)": {"& .MuiAppBar-root .title": {"display": "none"}},
    # a window that narrows gives the page the room of the controls at once, before the server has heard of it
    f"@media (max-width: {NARROW - 1}px)": {
        "& nav:has(> .MuiDrawer-docked > .sidebar)": {"display": "none"},
        "& nav:has(> .MuiDrawer-docked > .sidebar) ~ main": {"marginLeft": "0 !important"},
    },
}
_BARE = {
    **_BAR,
    "& .MuiAppBar-root": {"display": "none"},
    "& .MuiToolbar-root": {"display": "none !important"},
}


class Workbench(pn.viewable.Viewer):
    """One session: the lenses, what they share, and the frame around them.

    Parameters
    ----------
    query : str
        Of the page's address.
    embedded : bool
        Only the lens that the link names, for a frame in another page.
    """

    rests_until = 0.0
    """When the next lens may be made ready behind another, in any session (monotonic seconds)."""

    def __init__(self, query: str = "", *, embedded: bool = False):
        super().__init__()
        self.selection, self.embedded = Selection(), embedded
        problems = self.selection.read(query, checks())
        self.client = Client(
            on_key=self._pressed,
            on_copied=self._copied,
            on_went=self._went,
            query=self.selection.query(),
            lens=self.selection.lens,
            active=not embedded,
            framed=embedded,
        )
        # a lens of another package that cannot be loaded takes no other down
        self._kinds = kinds = LENSES.loadable()
        if self.selection.lens not in kinds:
            problems.append(f"The lens {self.selection.lens!r} cannot be loaded.")
            self.selection.lens = next(iter(kinds))
        self._lend(self.selection.lens, dict(parse_qsl(query.lstrip("?"))))
        self.client.query = self.selection.query()
        self._places = {slug: Place() for slug in kinds}
        self.lenses: dict[str, object] = {}
        self._sidebar = pmui.Column(
            *(place.controls for place in self._places.values()),
            sizing_mode="stretch_width",
            margin=(0, 8),
            sx=AROUND,
            styles=OF_ONE_SIZE,
        )
        self._inspector = pmui.Column(sizing_mode="stretch_width", margin=(4, 10))
        self._notices = pmui.Column(sizing_mode="stretch_width", margin=0)
        self.activity = Activity(self.client)
        self.bookmarks = Bookmarks(self.selection.query, self.go)
        self.settings = Settings(self.selection)
        self.talk = Talk(self)
        self.welcome = Welcome(
            self.selection,
            lambda: self.lens.run_by_itself(),
            visible=not query.strip("?") and not embedded,
            client=self.client,
        )
        self._names = list(kinds)
        self._recent: list[str] = []
        self._painted = self._narrow = False
        self.navigation = Navigation(
            groups=grouped(kinds),
            lens=self.selection.lens,
            dark=self.selection.theme == "dark",
        )
        self.navigation.param.watch(
            lambda event: setattr(self.selection, "lens", event.new), "lens"
        )
        self._help = pmui.Dialog(
            Html(
                "<dl style='display:grid;grid-template-columns:50px auto;gap:12px 20px;margin:5px 10px'>"
                + "".join(
                    f"<dt><b>{plain(key)}</b></dt><dd style='margin:0'>{plain(text)}</dd>"
                    for key, text in _HELP
                )
                + "</dl>"
            ),
            title="Keyboard",
            show_close_button=True,
            close_on_click=True,
        )
        if problems:
            self.notice(
                "Parts of this link could not be used and were left at their defaults.", problems
            )
        self._places[self.selection.lens].body.param.update(objects=[_skeleton()], visible=True)
        # after a click before the browser is connected: what a page is told then, its address among it, never comes
        self._opening = pn.state.curdoc is not None
        if self._opening:
            pn.state.onload(self._open_first)  # the frame is painted first
        else:
            self._open_lens()
        self.selection.param.watch(self._changed, [n for n in Selection.param if n != "name"])
        self.page = self._page()
        with edit_readonly(self.page):
            # every event of any session would else set this, which walks the whole page twice (a tenth of a second) and keeps
            # the session in memory after it ended; what is running is told by the lens and the activity list
            self.page.busy = self.page.param.loading
        self.client.param.watch(self._fit, "across")
        self.page.param.watch(
            lambda event: setattr(self.selection, "theme", "dark" if event.new else "light"),
            "dark_theme",
        )

    def __panel__(self):
        return self.page

    def _fit(self, *_) -> None:
        """In a narrow window the controls lie over the page when they are opened; what is set before the first paint is lost."""
        narrow = 0 < self.client.across < NARROW
        if self._painted and narrow != self._narrow:
            self._narrow = narrow
            self.page.param.update(
                sidebar_open=not narrow, sidebar_variant="temporary" if narrow else "auto"
            )

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
            pmui.Row(
                self.navigation,
                sizing_mode="stretch_width",
                margin=0,
                styles={"min-width": "0", "flex": "1 1 0"},
            ),
            pmui.Row(
                self._link,
                self.bookmarks.button,
                self.activity.button,
                self.settings.button,
                pmui.IconButton(
                    icon="help_outline",
                    label="Help",
                    description="Help: keyboard",
                    on_click=lambda _: self._help.param.update(open=True),
                    **button,
                ),
                margin=(3, 0, 0, 0),  # on one line with the theme's and the inspector's
                styles={"flex": "none"},
            ),
            sizing_mode="stretch_width",
            sx={"alignItems": "center"},
            styles={"min-width": "0"},
            margin=0,
        )
        return pmui.Page(
            title="BrainLens",
            header=[] if self.embedded else [header],
            sidebar=[] if self.embedded else [self._sidebar],
            sidebar_width=CONTROLS,
            contextbar=[] if self.embedded else [self._inspector],
            contextbar_width=INSPECTOR,
            contextbar_resizable=True,
            contextbar_open=False,
            contextbar_variant="persistent",
            main=[
                pmui.Column(
                    self._notices,
                    self.welcome,
                    *(place.body for place in self._places.values()),
                    self._help,
                    self.bookmarks.dialog,
                    self.settings.dialog,
                    self.talk.dialog,
                    self.activity.drawer,
                    self.client,
                    sizing_mode="stretch_width",
                    margin=0,
                    sx=AROUND,
                    styles={"padding": "0 12px 24px 12px", **OF_ONE_SIZE},
                )
            ],
            template=Path(__file__).with_name("page.html"),
            theme_config=THEME,
            busy_indicator=None,
            dark_theme=self.selection.theme == "dark",
            meta_description="Which language models predict the human brain, and is the number real?",
            sx=_BARE if self.embedded else _BAR,
        )

    # ---- lenses ----------------------------------------------------------------------------------------------------------
    def _open_first(self) -> None:
        self._painted, self._opening = True, False
        self._fit()
        self._open_lens()
        self._tell()
        if (doc := pn.state.curdoc) is not None and AHEAD and not self.embedded:
            doc.add_timeout_callback(self._open_another, AFTER_PAINT)
        if in_session():
            doc.add_periodic_callback(self._keep_promises, LOOK_AT_PROMISES)

    def _open_another(self) -> None:
        """Make the next lens ready behind the one in front, so that a click only has to draw it."""
        slug = next((name for name in self._names if name not in self.lenses), None)
        if slug is None:
            return
        began = time.monotonic()
        if began >= Workbench.rests_until:
            self._made(slug)
            took = time.monotonic() - began
            Workbench.rests_until = time.monotonic() + REST * took
        later(max(AFTER_PAINT / 3000, Workbench.rests_until - time.monotonic()), self._open_another)

    def _keep_promises(self) -> None:
        """What is locked while nobody touches the page goes from it."""
        for lens in self.lenses.values():
            lens.keep_promises()

    def _made(self, slug: str):
        if slug not in self.lenses:
            self.lenses[slug] = lens = self._kinds[slug](self.selection, client=self.client)
            lens.showing = lambda lens=lens: self._shown(lens)
        return self.lenses[slug]

    def _open_lens(self) -> None:
        slug = self.selection.lens
        if not self._places[slug].body.objects and pn.state.curdoc is not None:
            self._places[slug].body.objects = [_skeleton()]
        self._places[slug].show(True)  # first: the page is never without a lens
        for name, place in self._places.items():
            if name != slug:
                place.show(False)
        with _at_once():
            self._bring(slug)

    def _bring(self, slug: str) -> None:
        lens = self._made(slug)
        lens.wake()  # before it is in the page, which then hears of it once
        self._places[slug].fill(lens)
        self._recent = [slug, *(name for name in self._recent if name != slug)]
        for at, name in enumerate(self._recent):
            if at < MADE:
                self._places[name].put(away=at >= KEPT)
            else:
                self._places[name].empty()
        del self._recent[MADE:]
        self.navigation.lens = slug
        self._shown(lens)

    def _shown(self, lens) -> None:
        """A lens has drawn itself, or what is picked has changed."""
        if lens.slug == self.selection.lens and hasattr(self, "page"):
            wanted = bool(lens.inspector.objects)
            held = [lens.inspector] if wanted else []
            if self._inspector.objects != held:
                self._inspector.objects = held
            if self.page.contextbar_open != wanted:
                self.page.contextbar_open = wanted
            self.talk.follow()

    def _changed(self, *events) -> None:
        names = {event.name for event in events}
        if "lens" in names:
            if not names & set(VIEW):
                self.selection.param.update(**{name: defaults()[name] for name in VIEW})
            self._give_back()
            self._lend(self.selection.lens)
            if not self._opening:
                self._open_lens()
        if not self._opening:
            self._tell()

    def _tell(self) -> None:
        """The address, and the theme: to the browser."""
        self.client.param.update(query=self.selection.query(), lens=self.selection.lens)
        self.navigation.dark = self.selection.theme == "dark"
        if hasattr(self, "page"):
            self.page.dark_theme = self.selection.theme == "dark"

    def _lend(self, slug: str, asked: Collection[str] = ()) -> None:
        """A lens that asks of what the default recording has not opens on one that has it, where nobody chose another."""
        wanted, start = dict(getattr(self._kinds[slug], "opens_with", {})), defaults()
        free = all(getattr(self.selection, name) == start[name] for name in wanted)
        if wanted and free and not set(wanted) & set(asked):
            self.selection.param.update(**wanted)
            self.selection.lent = wanted

    def _give_back(self) -> None:
        """The next lens finds what was there before, unless somebody chose something meanwhile."""
        lent, self.selection.lent, start = self.selection.lent, {}, defaults()
        if all(getattr(self.selection, name) == value for name, value in lent.items()):
            self.selection.param.update(**{name: start[name] for name in lent})

    def go(self, query: str) -> None:
        """Show another view, such as a bookmark's; light or dark stays as it is."""
        theme = self.selection.theme
        with param.parameterized.batch_call_watchers(self.selection):
            problems = self.selection.read(query, checks())
            self.selection.theme = theme
        self.lens.follow()
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
        if self.talk.on:
            self.talk.pressed(key)
        elif key == "t":
            self.talk.start()
        elif key == "?":
            self._help.open = not self._help.open
        elif key == "Escape" and any(part.open for part in self._dialogs):
            for part in self._dialogs:
                part.open = False
        elif (
            self.selection.lens in self.lenses
        ):  # a key that was pressed while the lens opens is for none
            self.lens.pressed(key)

    @property
    def _dialogs(self) -> tuple:
        return self._help, self.activity.drawer, self.bookmarks.dialog, self.settings.dialog

    def _went(self, query: str) -> None:
        """Back or forward in the browser's history."""
        if query.lstrip("?") != self.selection.query():
            self.go(query)

    def _copied(self, well: bool) -> None:
        if not well:
            self.notice(
                "The browser did not allow copying.", ["Copy the address of the page by hand."]
            )
            return
        self._link.icon = "check"
        later(1.5, lambda: self._link.param.update(icon="link"))

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


@contextmanager
def _at_once() -> Iterator[None]:
    """Let Bokeh look through the page for what came and went when all has come, not after each part."""
    doc = pn.state.curdoc
    failed = None
    with doc.models.freeze() if doc is not None else nullcontext():
        try:
            yield
        except Exception as error:  # through which Bokeh would leave the page frozen
            failed = error
    if failed is not None:
        raise failed


def _skeleton() -> pmui.Column:
    """The shape of a lens that is being opened."""
    return pmui.Column(
        pmui.Skeleton(width=380, height=30, margin=(8, 16)),
        pmui.Skeleton(height=520, sizing_mode="stretch_width", margin=16, variant="rounded"),
        sizing_mode="stretch_width",
        margin=0,
    )


def open_page() -> Workbench:
    """The page of a new session, with what its address says selected."""
    pn.extension(
        "tabulator", "filedropper"
    )  # Panel's notifications would keep every session in memory
    _own_sheets(pn.state.curdoc)
    location = pn.state.location
    query, embedded = framed(location.search if location is not None else "")
    bench = Workbench(query, embedded=embedded)
    if pn.state.curdoc is not None:
        pn.state.on_session_destroyed(lambda _: bench.close())
    return bench


def _own_sheets(doc) -> None:
    """Let style sheets come from this server however the session began.

    Panel says so when it writes the page. A browser whose socket opens after the session of the page was let go (a slow line, a
    busy machine) gets a session without a page, whose sheets would be asked of Panel's host: none without a network.
    """
    if doc is not None and doc.session_context is not None:
        doc.template_variables["dist_url"] = get_dist_path()


def framed(query: str) -> tuple[str, bool]:
    """A query without ``embed=1``, and whether it was there.

    Examples
    --------
    >>> framed("?embed=1&lens=layers")
    ('lens=layers', True)
    """
    pairs = parse_qsl((query or "").lstrip("?"), keep_blank_values=True)
    rest = [(name, value) for name, value in pairs if name != "embed"]
    if len(rest) == len(pairs):
        return query or "", False
    return urlencode(rest), ("embed", "1") in pairs
