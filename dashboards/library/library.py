"""What do I have? Recordings and models: their state, licence and traps; fetched, checked, removed, added, and taken into use."""

from __future__ import annotations

import itertools
from functools import partial

import pandas as pd
import panel as pn
import panel_material_ui as pmui

from analysis.answers.holdings import describe
from analysis.models.base import CLASSES
from analysis.models.catalog import card
from dashboards.lens.client import Client
from dashboards.library import work as library_work
from dashboards.library.cards import button, model_card, recording_card
from dashboards.library.selftest import SelfTest
from dashboards.library.storage import Storage
from dashboards.library.sweeps import Sweeps
from dashboards.library.tables import Holdings, download_words, model_rows, recording_rows
from dashboards.library.upload import Upload
from dashboards.library.versions import VersionsDialog, comparable
from dashboards.look.look import answer, heading, note
from dashboards.state import Selection
from dashboards.work.desk import Desk
from dashboards.work.jobs import RUNNER, Runner
from data.catalog import licences
from data.catalog.catalog import entries, sharers

__all__ = ["Library"]

IN_TIME = {"sample": "story", "volume": "story", "epoch": "epochs"}
"""What a row of a recording is, and the preset that takes it."""
ASKING = {"sample": "regions", "epoch": "time"}
"""What a row of an own recording is, and the lens that shows it first; ``layers`` asks the others."""
CARD = 460
"""Width of the card, in pixels."""
TABS = ("Recordings", "Models", "Add your own", "Storage", "Sweeps")
READ = ("reading times", "eye tracking", "eeg")
"""Kinds that the Reading lens asks first, where they are measured word by word."""
_LOOKS = itertools.count()


class Library(pn.viewable.Viewer):
    """Shows what there is and puts it into the selection that the lenses share.

    Parameters
    ----------
    selection : Selection
    client : Client, optional
    runner : Runner, optional
        Where fetches and checks run; None: the process's.
    """

    slug, label, icon = "library", "Library", "inventory_2"
    question = "What do I have?"

    def __init__(
        self, selection: Selection, *, client: Client | None = None, runner: Runner | None = None
    ):
        super().__init__()
        self.selection = selection
        self.client = client or Client(active=False)
        self.desk = Desk(runner or RUNNER, self.client.copy)
        self._recordings = self._models = pd.DataFrame()
        self._open: tuple[str, str] | None = None
        self._new = ""  # just added, not yet looked at
        self._described: dict[tuple, object] = {}
        self._build()
        self._watch = selection.param.watch(self._moved, ["lens", "theme", "recording", "models"])
        self.look()

    def wake(self) -> None:
        """It comes to the front."""

    def follow(self) -> None:
        """A link says nothing about its tables."""

    def keep_promises(self) -> None:
        """It shows no numbers that could be locked."""

    def showing(self) -> None:
        """Replaced by the page: nothing of the library is told to it."""

    # ---- parts -----------------------------------------------------------------------------------------------------------
    def _build(self) -> None:
        self.recordings = Holdings(
            {"first trap": 300}, looked=self.open_recording, used=self.use_recording
        )
        self.models = Holdings({"note": 300}, looked=self.open_model, used=self.use_model)
        self.upload = Upload(self.desk, added=self._added, model_added=self._model_added)
        self.storage = Storage(self.desk, tell=self.tell)
        self.selftest = SelfTest(self.desk)
        self.sweeps = Sweeps(self.selection, self.desk)
        kept = pmui.Column(self.storage, self.selftest, sizing_mode="stretch_width", margin=0)
        # The tabs are headers only and their contents stay in the page, shown or not: a child that changes while its tab is
        # being opened is not drawn.
        self.tabs = pmui.Tabs(
            *((name, pn.Spacer(height=0)) for name in TABS),
            sizing_mode="stretch_width",
            margin=(0, 6),
        )
        self._rooms = [
            pmui.Column(part, sizing_mode="stretch_width", margin=(0, 6), visible=not index)
            for index, part in enumerate(
                (self.recordings, self.models, self.upload, kept, self.sweeps)
            )
        ]
        self.tabs.param.watch(self._turned, "active")
        self.recordings.front(True)
        self._said = note(margin=(2, 10, 6, 10))
        self._told = pmui.Column(sizing_mode="stretch_width", margin=0)
        self._title = heading("", "h5", margin=(84, 4, 0, 14))  # below the page's bar
        close = pmui.IconButton(
            icon="close",
            label="Close the card",
            description="Close the card",
            size="small",
            margin=(80, 10, 0, 0),
            on_click=lambda _: self.close_card(),
        )
        self._card = pmui.Column(sizing_mode="stretch_width", margin=(0, 6, 24, 6))
        self.drawer = pmui.Drawer(
            pmui.Row(
                pmui.Row(self._title, sizing_mode="stretch_width"),
                close,
                sizing_mode="stretch_width",
                margin=0,
            ),
            self._card,
            anchor="right",
            size=CARD,
            variant="persistent",
            open=False,
        )
        self.drawer.param.watch(self._make_room, "open")
        self._confirm = pmui.Dialog(
            title="", show_close_button=True, close_on_click=True, title_variant="h5"
        )
        self.versions = VersionsDialog(self.desk)
        self.controls = pmui.Column(*self._controls(), sizing_mode="stretch_width", margin=0)
        self.inspector = pmui.Column(margin=0)
        self.body = pmui.Column(
            heading(self.question, "h4", margin=(8, 10, 0, 10)),
            self._said,
            self._told,
            self.desk.progress,
            self.desk.errors,
            self.tabs,
            *self._rooms,
            self.drawer,
            self._confirm,
            self.versions,
            sizing_mode="stretch_width",
            margin=0,
        )

    def _controls(self) -> list:
        wide = dict(sizing_mode="stretch_width", size="small", margin=(8, 0, 2, 0))
        self._words = pmui.TextInput(label="Filter", placeholder="Search the library", **wide)
        self._state = pmui.Select(
            label="State",
            options=["every state", "ready", "not here yet"],
            value="every state",
            **wide,
        )
        kinds = {"Recordings": "recordings", "My own": "own", "With texts and results": "all"}
        self._kind = pmui.Select(label="Show", options=kinds, value="recordings", **wide)
        self._class = pmui.Select(
            label="Class of model",
            options=["every class", *CLASSES],
            value="every class",
            visible=False,
            **wide,
        )
        self._words.param.watch(lambda _: self._fill(), "value_input")
        for widget in (self._state, self._kind, self._class):
            widget.param.watch(lambda _: self._fill(), "value")
        self._chosen = note(margin=(2, 4))
        self._go = pmui.Button(
            label="Open Layers",
            icon="stacked_line_chart",
            sizing_mode="stretch_width",
            margin=(8, 0),
            on_click=lambda _: setattr(self.selection, "lens", self._asking),
        )
        return [
            self._words,
            self._state,
            self._kind,
            self._class,
            heading("In use", "overline", margin=(14, 4, 0, 4)),
            self._chosen,
            self._go,
        ]

    # ---- what there is ---------------------------------------------------------------------------------------------------
    def look(self) -> None:
        """Look again at what is there, off the page's loop."""
        self.desk.submit(
            f"library:{next(_LOOKS)}",
            "Looking at what is here",
            library_work.holdings,
            self._looked,
            quiet=True,
        )

    def _looked(self, found: tuple) -> None:
        self._recordings, self._models = found
        self._read_new()
        self._fill()
        ready = self._recordings[self._recordings["recording"]]
        here = int((self._models["state"] == "ready").sum())
        self._said.object = (
            f"{int((ready['state'] == 'ready').sum())} of {len(ready)} recordings and {here} of {len(self._models)} models "
            f"are ready on this machine. Nothing is fetched before you ask for it."
        )
        if self._open is not None:
            self._draw_card()

    def _read_new(self) -> None:
        """What was just added is in use at once: words that are read are asked by Reading too."""
        rows = self._recordings.set_index("id")
        if self._new in rows.index:
            row, name, self._new = rows.loc[self._new], self._new, ""
            if row["kind"] in READ and row["unit"] == "word":
                self.selection.corpora = [name]
            self._suit(row["unit"])
            self.tell(f"{name} is in use: every lens asks it now.")

    def _fill(self) -> None:
        if self._recordings.empty:
            return
        words, state = self._words.value_input or "", self._state.value
        shown, every = (
            recording_rows(self._recordings, some, self._kind.value, how)
            for some, how in ((words, state), ("", "every state"))
        )
        self.recordings.show(shown, len(every))  # of its kind, as the line above the tabs counts
        self.models.show(
            model_rows(self._models, words, self._class.value, state), len(self._models)
        )
        self._go.label = f"Open {self._asking.title()}"
        models = ", ".join(self.selection.models) or "no model yet"
        self._chosen.object = f"Recording: {self.selection.recording}\nModels: {models}"

    def _turned(self, event) -> None:
        for index, room in enumerate(self._rooms):
            room.visible = index == event.new
        self._kind.visible, self._class.visible = event.new == 0, event.new == 1
        self.recordings.front(event.new == 0)
        self.models.front(event.new == 1)
        self._words.visible = self._state.visible = event.new < 2
        self.close_card()
        if event.new == TABS.index("Storage"):
            self.storage.look()
        self.sweeps.front(event.new == TABS.index("Sweeps"))

    def _moved(self, *events) -> None:
        names = {event.name for event in events}
        if "lens" in names:
            if self.selection.lens == self.slug:
                self.look()
            else:
                self.close_card()
        elif "theme" in names:
            self._draw_card()
        self._fill()

    # ---- taking into use -------------------------------------------------------------------------------------------------
    def use_recording(self, name: str) -> None:
        """Take a recording; then on to the lens that asks it, or to the models where none is chosen yet."""
        self.selection.recording = name
        row = self._recordings.set_index("id").loc[name]
        if row["kind"] in READ and row["unit"] == "word":
            self.selection.corpora = [name]
        self._suit(row["unit"])
        self._onward("models", TABS.index("Models"), "Choose a model")

    def _suit(self, unit: str) -> None:
        """The preset that takes the recording, where it would be refused under the one that opens, or that of a story."""
        choice = self.selection
        if choice.preset not in ("defended", "story") or choice.changes:
            return
        choice.preset = IN_TIME.get(unit, "defended")

    def use_model(self, name: str) -> None:
        """Take a model beside those that are chosen, and go to the lens that asks the recording."""
        if name not in self.selection.models:
            self.selection.models = [*self.selection.models, name]
        self._onward("recording", TABS.index("Recordings"), "Choose a recording")

    @property
    def _asking(self) -> str:
        """The lens that asks the recording first."""
        name, rows = self.selection.recording, self._recordings
        if name in self.selection.corpora:
            return "reading"
        units = rows.loc[rows["id"] == name, "unit"] if len(rows) else ()
        return ASKING.get(next(iter(units), ""), "layers")

    def _onward(self, other: str, tab: int, words: str) -> None:
        self.close_card()
        if getattr(self.selection, other):
            self.selection.lens = self._asking
        else:
            self.tabs.active = tab
            self.tell(f"{self.selection.recording} is in use. {words}.")

    def tell(self, words: str) -> None:
        """What was just done, until something else is."""
        self._told.objects = [answer(words)] if words else []

    # ---- cards -----------------------------------------------------------------------------------------------------------
    def open_recording(self, name: str) -> None:
        """Show a recording's card."""
        self._show("recording", name)

    def open_model(self, name: str) -> None:
        """Show a model's card."""
        self._show("model", name)

    def close_card(self) -> None:
        """Put the card away."""
        self._open, self.drawer.open = None, False

    def _make_room(self, _) -> None:
        """What lies beside the card ends where it begins; on a narrow window it covers what it must."""
        room = f"min({CARD}px, max(0px, 100vw - 820px))"
        self.body.styles = {"padding-right": room} if self.drawer.open else {}

    def _show(self, kind: str, name: str) -> None:
        self._open = (kind, name)
        self._draw_card()
        self.drawer.open = True

    def _draw_card(self) -> None:
        if self._open is None:
            return
        kind, name = self._open
        self._title.object = name
        self._card.objects = (
            self._recording_parts(name) if kind == "recording" else self._model_parts(name)
        )

    def _recording_parts(self, name: str) -> list:
        one = entries().get(name)
        if one is None:
            return [note("It is no longer here.")]
        if name not in set(self._recordings["id"]):
            return []  # just added; the next look knows it
        row = self._recordings.set_index("id").loc[name]
        key = (name, self.selection.protocol.key())
        described, waiting = self._described.get(key), ""
        if not one.is_recording:
            waiting = "Language material: used by lenses, not scored itself."
        elif row["state"] != "ready":
            waiting = "Fetch it to see its texts, groups and responses."
        elif described is None:
            waiting = "Reading it ..."
            self.desk.submit(
                f"describe:{key}",
                name,
                partial(describe, name, self.selection.protocol),
                partial(self._got, key),
                quiet=True,
            )
        actions = (
            [button("Use", "play_arrow", lambda: self.use_recording(name), strong=True)]
            if one.is_recording
            else []
        )
        if row["state"] != "ready" and one.files:
            size = download_words("needs download", one.size, None)
            actions.append(
                button(
                    f"Fetch {size}",
                    "download",
                    lambda: self._ask_licence(
                        name, one.id, one.licence, partial(library_work.fetch_recording, name)
                    ),
                    strong=not actions,
                )
            )
        if row["state"] == "ready" and (pair := comparable(one)):
            actions.append(
                button(
                    "Compare versions",
                    "compare",
                    lambda: self.versions.show(pair, self.selection.theme),
                )
            )
        if one.files:
            actions.append(button("Check", "fact_check", lambda: self._check(name)))
            if row["state"] != "needs download":
                actions.append(
                    button("Remove", "delete", lambda: self._ask_recording(name), color="error")
                )
        return recording_card(
            one, described, theme=self.selection.theme, actions=actions, waiting=waiting
        )

    def _got(self, key: tuple, described) -> None:
        self._described[key] = described
        if self._open == ("recording", key[0]):
            self._draw_card()

    def _model_parts(self, name: str) -> list:
        if name not in set(self._models["id"]):
            return [note("It is no longer here.")]
        row = self._models.set_index("id").loc[name]
        known, actions = card(name), []
        size = download_words(row["state"], row["download"], row["parameters"])
        if row["state"] in ("ready", "needs download"):
            actions.append(button("Use", "play_arrow", lambda: self.use_model(name), strong=True))
        if row["state"] == "needs download":
            actions.append(
                button(
                    f"Fetch {size}",
                    "download",
                    lambda: self._ask_licence(
                        name,
                        known.hub_id or name,
                        known.licence,
                        partial(library_work.fetch_model, name),
                    ),
                )
            )
        elif row["state"] == "ready" and (
            known.source in ("package", "hub") or known.cls == "activations"
        ):
            actions.append(
                button(
                    "Remove",
                    "delete",
                    lambda: self._ask(name, partial(library_work.remove_model, name)),
                    color="error",
                )
            )
        return model_card(known, row["state"], size, actions=actions)

    # ---- what is done with them ------------------------------------------------------------------------------------------
    def _ask_licence(self, name: str, owned: str, licence: str, work) -> None:
        """Fetch; where the licence asks something, only after a yes, which is kept."""
        question = licences.asked(owned, licence)
        if not question:
            self._fetch(name, work)
            return

        def yes(_):
            self._confirm.open = False
            licences.accept(owned, licence)
            self._fetch(name, work)

        self._confirm.param.update(
            title=f"Fetch {name}?",
            objects=[
                note(question, margin=(4, 10, 12, 10)),
                note("You are asked once; the answer is kept.", margin=(0, 10, 12, 10)),
                pmui.Button(
                    label="Accept and fetch", icon="download", on_click=yes, margin=(4, 10)
                ),
            ],
            open=True,
        )

    def _fetch(self, name: str, work) -> None:
        self.desk.submit(
            f"fetch:{name}",
            f"Fetching {name}",
            work,
            lambda _: self._changed(name, f"{name} is ready"),
            files=True,
        )

    def _check(self, name: str) -> None:
        self.desk.submit(
            f"check:{name}",
            f"Checking {name}",
            partial(library_work.check_recording, name),
            lambda words: self._changed(name, words),
            files=True,
        )

    def _ask_recording(self, name: str) -> None:
        others = sharers(name)
        self._ask(name, partial(library_work.remove_recording, name, also=bool(others)), others)

    def _ask(self, name: str, work, others: tuple[str, ...] = ()) -> None:
        """Ask before anything is deleted, with the names of the others that go with it."""

        def really(_):
            self._confirm.open = False
            self._described = {
                key: value for key, value in self._described.items() if key[0] not in others
            }
            self.desk.submit(
                f"remove:{name}",
                f"Removing {name}",
                work,
                lambda words: self._changed(name, words),
                files=True,
            )

        self._confirm.param.update(
            title=f"Remove {name}?",
            objects=[
                note(
                    "Its files are deleted from your data folder. What a shared folder or a mirror holds stays.",
                    margin=(4, 10, 12, 10),
                ),
                note(
                    f"They are also the files of {', '.join(others)}, which will have to be fetched again.",
                    margin=(0, 10, 12, 10),
                    visible=bool(others),
                ),
                pmui.Button(
                    label="Remove", color="error", icon="delete", on_click=really, margin=(4, 10)
                ),
            ],
            open=True,
        )

    def _changed(self, name: str, words: str) -> None:
        self._described = {key: value for key, value in self._described.items() if key[0] != name}
        self.tell(words)
        self.look()

    def _added(self, name: str) -> None:
        """An own file is in the library now, and what every lens asks."""
        self.selection.recording, self._new = name, name
        self._kind.value = "recordings"
        self.tabs.active = 0
        self.look()
        self._open = ("recording", name)
        self.drawer.open = True

    def _model_added(self, name: str) -> None:
        """Ready activations are among the models now."""
        self.tabs.active = TABS.index("Models")
        self.look()
        self.tell(
            f"{name} is among the models. It can be used with recordings whose stimuli it holds."
        )

    # ---- the page --------------------------------------------------------------------------------------------------------
    def pressed(self, key: str) -> None:
        """A key of the page: Escape closes what is open, or cancels."""
        if key == "Escape":
            if self._confirm.open or self.versions.open:
                self._confirm.open = self.versions.open = False
            elif self.drawer.open:
                self.close_card()
            else:
                self.desk.cancel_all()

    def close(self) -> None:
        """The session has ended."""
        self.desk.close()
        self.upload.close()
        self.selection.param.unwatch(self._watch)

    def __panel__(self):
        return pmui.Row(
            pmui.Column(self.controls, width=320), self.body, sizing_mode="stretch_width"
        )
