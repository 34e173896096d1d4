"""An own table, dropped onto the page: checked in words before it is added to the library."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from uuid import uuid4

import panel_material_ui as pmui

from dashboards.library.cards import report_rows
from dashboards.library.first_rows import rows_box
from dashboards.library.on_page import in_page_words, on_page
from dashboards.library.roles import FOUND, NONE, MoreRoles
from dashboards.library.staged import (
    Asked,
    EpochFiles,
    Story,
    checked_file,
    kept_file,
    kept_ready,
    staged_files,
    together,
    told_cells,
    told_unit,
    trials_anew,
)
from dashboards.library.story_form import EpochsForm, StoryForm
from dashboards.library.trials_box import Rules, TrialsBox, sheet_box
from dashboards.look.dropper import Dropper
from dashboards.look.look import heading, note
from dashboards.look.session import in_session, later
from dashboards.work.desk import Desk
from dashboards.work.newest import Newest
from data.catalog import shelf
from data.errors import BrainLensError
from data.own.sidecar import sidecar
from data.own.tables import SPREADSHEETS, suffix
from data.recording import KINDS

__all__ = ["Upload"]

_MEANINGS = {
    "text": ("Text", "The words that were read or heard"),
    "responses": ("Responses", "The measurements; an empty cell is a missing one"),
    "group": ("Group", "Rows that are held out together: it decides whether the number is real"),
    "context": ("Context", "Rows that are read as one text, in order"),
    "subject": ("Subject", "Where each row is one stimulus and person"),
    "order": ("Order", "Columns to sort by; none: the rows are in order"),
}
MOST_FILES = 200
"""At once: a story has one of words for each run and one of signals for each run and person."""
_QUIET = (
    0.7  # seconds without a new file before they are looked at: a browser sends file after file
)
_ONE_DROP = 5.0  # seconds between two files of one drop at most, where the first were refused alone
_OUT_OF_SIGHT = {
    "position": "fixed", "left": "-10000px", "width": "600px", "opacity": "0", "visibility": "hidden",
}  # fmt: skip
_UNITS = {
    "choose": "", "bits (logarithms of base 2)": "bits", "nats (natural logarithms)": "nats", "bans (base 10)": "bans",
}  # fmt: skip
_ONE = ("text", "subject")
_WIDE = dict(size="small", sizing_mode="stretch_width", margin=(6, 10, 0, 10))
_LONG = (
    "One row per person and stimulus: a trial that breaks a rule loses its response, its word stays as context. In rules the "
    "person, the text and the response are called person, text and rt; other columns keep their names."
)
_DROP = """
.filepond { box-shadow: none !important; background: transparent !important; border: none !important; }
.filepond--root { font-family: inherit; min-height: 120px; border-radius: 8px; }
.filepond--root { border: 2px dashed #8a94a0 !important; }
.filepond--panel-root, .filepond--panel > * { background: transparent !important; }
.filepond--drop-label { color: inherit; min-height: 116px; }
.filepond--item[data-filepond-item-state="processing-complete"] { visibility: hidden; }
.filepond--drop-label label { color: inherit; font-size: 1rem; }
"""


class Upload(pmui.Column):
    """Drop, look, correct the columns, add.

    Parameters
    ----------
    desk : Desk
        Where reading and checking run.
    added, model_added : callable
        ``added(id)``, once the recording, or ready activations, are in the library.
    """

    def __init__(
        self,
        desk: Desk,
        *,
        added: Callable[[str], None],
        model_added: Callable[[str], None] = lambda _: None,
    ):
        self._desk, self._done, self._done_model = desk, added, model_added
        self.staged: Path | None = None
        self._source: Path | None = None
        self._kept_rules = Rules()
        self._own = uuid4().hex  # another window drops another file of the same name
        self._look = Newest(desk, f"upload-check:{self._own}", "Checking")
        self._arrivals = self._takes = 0
        self._last = -_ONE_DROP
        self._open = False  # from the first file of a drop until it is added, discarded or refused
        self._coming: dict[str, bytes] = {}
        self.story: StoryForm | None = None
        self._more, self._typed = (
            False,
            {},
        )  # whether files are late ones of a drop, and what was filled in before they came
        self._seen: dict[str, int] = {}
        self._filling = False
        self.dropper = self._dropper()
        self._place = pmui.Column(self.dropper, sizing_mode="stretch_width", margin=0)
        self._form = pmui.Column(sizing_mode="stretch_width", margin=0, visible=False)
        self._report = pmui.Column(sizing_mode="stretch_width", margin=0)
        self.pickers: dict[str, object] = {}
        super().__init__(
            heading("Your own recording, activations or surprisals", "h5", margin=(12, 10, 0, 10)),
            note(
                "One row per stimulus with its text, one column per target: CSV, TSV, Parquet, NetCDF, npz, npy or MATLAB; "
                "beside an array its NAME.stimuli.csv. Results of Ibex, PCIbex and PsychLing-101, and Pavlovia's files as one "
                "zip, become tables of trials. Activations made elsewhere stand in for a model: npz or NetCDF with "
                "stimulus ids. So do surprisals of other tools: a table of words or tokens. Stories are dropped with all their "
                "files: words with onsets (TextGrid, SubRip, tables) and signals over time (npy, npz, MATLAB, tables, "
                "NIfTI, GIFTI, HDF5), with masks, confounds or a story.toml. Epochs around each word (EEG, MEG, ECoG): one "
                "file for each person, MNE's -epo.fif, an array (epoch, channel, time) or a table, and a table of the words. "
                "Nothing in a file is ever run, and it stays on this machine.",
                margin=(2, 10, 8, 10),
            ),
            self._place,
            self._form,
            self._report,
            sizing_mode="stretch_width",
            margin=0,
            styles={"max-width": "980px"},
        )

    def _dropper(self) -> Dropper:
        made = Dropper(
            label="Files of your own recording",
            multiple=True,
            max_file_size=f"{shelf.MOST_BYTES // 10**6}MB",
            max_files=MOST_FILES,
            sizing_mode="stretch_width",
            height=150,
            margin=(4, 10),
            stylesheets=[_DROP],
        )
        made.param.watch(self._dropped, "value")
        return made

    # ---- a file arrives --------------------------------------------------------------------------------------------------
    def _dropped(self, event) -> None:
        """The widget gives every file since it was made: those that were looked at before are left out."""
        files = {
            name: content.encode() if isinstance(content, str) else bytes(content)
            for name, content in event.new.items()
        }
        new = {
            name: content
            for name, content in files.items()
            if self._seen.get(name) != hash(content)
        }
        self._seen.update({name: hash(content) for name, content in new.items()})
        if not new:
            return
        # a browser sends file after file, a slow line with long pauses: what comes while a form stands is of its drop
        recent = time.monotonic() - self._last <= _ONE_DROP
        self._more = (
            self._open or recent or (bool(self._coming) and together({**self._coming, **new}))
        )
        if not self._more:
            self._coming = {}
        self._open = True
        self._last = time.monotonic()
        self._coming |= new
        if not in_session():
            self.take(dict(self._coming))
            return
        self._arrivals += 1
        later(_QUIET, partial(self._quiet, self._arrivals))

    def _quiet(self, arrival: int) -> None:
        """Nothing came for a while. Where something comes later still, all is looked at again."""
        if arrival == self._arrivals:
            self.take(dict(self._coming))

    def _put_away(self) -> None:
        """Out of sight, not gone: it receives the files of the drop that are still on their way."""
        self._place.styles = _OUT_OF_SIGHT
        if not in_session():
            self._place.visible = False

    def take(self, files: dict[str, bytes]) -> None:
        """Look at files: name -> content."""
        if not self._more:
            self._typed = {}
        elif self.story is not None:  # the form is made anew for a file that came late
            self._typed = self.story.typed()
        self._forget()
        self._desk.clear("upload")
        self._report.objects = [note("Reading your file ...", margin=(10, 10))]
        self._takes += 1
        self._desk.submit(
            f"upload:{self._own}:{self._takes}",
            "Reading your file",
            partial(staged_files, files),
            partial(self._taken, self._takes),
            failed=partial(self._unread, self._takes),
            quiet=True,  # it does not wait for the scores that run
        )

    def _taken(self, number: int, found: tuple | Asked | Story) -> None:
        """What was read, unless more files came since."""
        if number == self._takes:
            try:
                self._arrived(found)
            except Exception:  # told by the desk; the place to drop another stays
                self._unread(number, None)
                raise
        else:
            shelf.drop(found[0] if isinstance(found, tuple) else found.staged)

    def _unread(self, number: int, _) -> None:
        if number != self._takes:
            self._desk.clear("upload")
            return
        self._open = False
        self._report.clear()
        self._place.param.update(styles={}, visible=True)

    def _arrived(self, found: tuple | Asked | Story) -> None:
        self._put_away()
        self._report.objects = []
        if isinstance(found, Story):
            self.staged = found.staged
            form = EpochsForm if isinstance(found, EpochFiles) else StoryForm
            self.story = form(
                self._desk, found, added=self._is_there, away=self.discard, typed=self._typed
            )
            self._form.objects = [self.story]
            self._form.visible = True
            return
        if isinstance(found, Asked):
            self.staged, self.pickers = found.staged, {}
            self._source = found.staged
            self._form.objects = self._asking(found.error)
            self._form.visible = True
            return
        if len(found) == 2:
            self.staged = found[0]
            self._form.objects = self._ready_form(found[1])
            self._form.visible = True
            return
        self.staged, names, plain, corpora, self._source, taken = found
        trials = bool(taken or plain.get("subject"))  # a row per person: some may not count
        self._build(names, plain, corpora, trials)
        if suffix(self.staged) in SPREADSHEETS:
            self._form.insert(1, self._sheet_box())
        if trials:
            self._form.insert(1, self._trials_box(taken or _LONG))
        self._form.visible = True
        self.check()

    def _asking(self, error: BrainLensError) -> list:
        """The error, and what may be told so that the file can be read."""
        sheet = suffix(self.staged) in SPREADSHEETS
        told = in_page_words(error)
        away = pmui.Button(
            label="Discard", variant="text", on_click=lambda _: self.discard(), margin=(10, 4)
        )
        return [
            heading(self.staged.name, "h6", margin=(14, 10, 0, 10)),
            note(str(told), margin=(4, 10)),
            self._sheet_box() if sheet else self._trials_box("What its columns are was not plain."),
            away,
        ]

    def _trials_box(self, taken: str) -> TrialsBox:
        self._trials = TrialsBox(taken, self._kept_rules, self._again)
        return self._trials

    def _sheet_box(self):
        return sheet_box(self.staged, self._read_cells)

    def _read_cells(self, said: dict) -> None:
        self._desk.clear("upload")
        key = f"upload-cells:{self.staged}:{said}"
        work = partial(told_cells, self.staged, said)
        self._desk.submit(key, "Reading your file", work, self._arrived, quiet=True)

    def _again(self) -> None:
        """Take the trials in anew, under the rules that stand in the form."""
        kept = self._trials.said
        if self.pickers and self.staged == self._source:  # the pickers are of the file itself
            said = self.said()
            named = {
                "person": said.get("subject"),
                "text": said.get("text"),
                "rt": said.get("responses"),
                "item": said.get("context") or said.get("group"),
            }
            first = {k: v[0] if isinstance(v, list) else v for k, v in named.items() if v}
            told = {**first, **kept.roles}
            kept = replace(kept, columns="\n".join(f"{k} = {v}" for k, v in told.items()))
        self._kept_rules = kept
        if self.pickers:
            self._add.disabled = True
        self._desk.clear("upload")
        work = partial(trials_anew, self._source, kept.lines, kept.codes, kept.roles)
        self._desk.submit(
            f"upload-rules:{self._source}:{kept}",
            "Applying the rules",
            work,
            self._arrived,
            failed=lambda _: self.check() if self.pickers else None,
            quiet=True,
        )

    def _ready_form(self, said: dict) -> list:
        """Activations or surprisals: what they hold and fit, and the name they get."""
        self._name = pmui.TextInput(
            label="Name among the models", value=self.staged.stem.lower(), **_WIDE
        )
        self._quality = pmui.TextInput(
            label="Note for every figure", placeholder="such as: layer 12 of our model", **_WIDE
        )
        self._add = pmui.Button(
            label="Add to the models",
            icon="add",
            on_click=lambda _: self._add_ready(),
            margin=(10, 10),
            disabled=not said["usable"],
        )
        away = pmui.Button(
            label="Discard", variant="text", on_click=lambda _: self.discard(), margin=(10, 4)
        )
        return [
            heading(self.staged.name, "h6", margin=(14, 10, 0, 10)),
            note(said["what"], margin=(4, 10)),
            note(said["fits"], margin=(4, 10)),
            *([self._unit_box()] if said.get("ask") else []),
            pmui.FlexBox(
                *(
                    pmui.Column(widget, width=300, margin=0)
                    for widget in (self._name, self._quality)
                ),
                sizing_mode="stretch_width",
            ),
            pmui.Row(self._add, away, margin=0),
        ]

    def _unit_box(self):
        """The unit of surprisals that no name tells: it is asked for."""
        unit = pmui.Select(
            label="Unit of the surprisals", options=_UNITS, value="",
            size="small", width=300, margin=(6, 10, 0, 10),
        )  # fmt: skip

        def told(event) -> None:
            if event.new:
                work = partial(told_unit, self.staged, event.new)
                key = f"upload-unit:{self.staged}:{event.new}"
                self._desk.submit(key, "Reading your file", work, self._arrived, quiet=True)

        unit.param.watch(told, "value")
        return unit

    def _add_ready(self) -> None:
        self._add.disabled = True
        work = partial(kept_ready, self.staged, self._name.value, self._quality.value)
        self._desk.submit(
            f"upload-add:{self.staged}",
            "Adding your activations",
            work,
            self._ready_is_there,
            failed=lambda _: setattr(self._add, "disabled", False),
            quiet=True,
        )

    def _ready_is_there(self, name: str) -> None:
        self.discard()
        self._done_model(name)

    def _build(self, names: list[str], plain: dict, corpora: list[str], trials: bool) -> None:
        array = not plain["responses"] and shelf.is_array(self.staged)
        self.pickers, self._beside, self._untold = {}, sidecar(self.staged), set()
        boxes = []
        for key, (label, meaning) in _MEANINGS.items():
            if key == "responses" and array:
                boxes.append(
                    pmui.Column(
                        heading("Responses", "body1"), note("The array itself"), width=300, margin=0
                    )
                )
                continue
            common = dict(
                label=label, sizing_mode="stretch_width", size="small", margin=(6, 10, 0, 10)
            )
            none = key in self._beside and self._beside[key] is None  # as a sidecar says
            if key in _ONE:
                known = plain[key] in names
                others = [NONE] if key == "text" else [FOUND, NONE]
                options = names if key == "text" and known else [*others, *names]
                value = plain[key] if known else NONE if none else others[0]
                picker = pmui.Select(
                    options=options, value=value, searchable=len(names) > 12, **common
                )
            else:
                value = [NONE] if none else [n for n in plain[key] if n in names]
                picker = pmui.MultiChoice(
                    options=names if key == "responses" else [NONE, *names],
                    value=value,
                    **{k: v for k, v in common.items() if k != "size"},
                )
            self._untold |= {key} if value in ([], FOUND) else set()
            picker.param.watch(partial(self._told, key), "value")
            self.pickers[key] = picker
            boxes.append(
                pmui.Column(picker, note(meaning, margin=(0, 10, 4, 10)), width=300, margin=0)
            )
        self._name = pmui.TextInput(
            label="Name in the library", value=shelf.suggested_id(self.staged), **_WIDE
        )
        if len(corpora) > 1:
            boxes.insert(0, self._corpus_box(corpora))
        self._kind = pmui.Select(
            label="Kind",
            options={"as the columns say": "", **{k.replace("_", " "): k for k in KINDS}},
            value="",
            **_WIDE,
        )
        self._quality = pmui.TextInput(
            label="Note for every figure", placeholder="such as: pilot, retyped by hand", **_WIDE
        )
        self._licence = pmui.TextInput(
            label="Licence", placeholder="such as: not to be passed on", **_WIDE
        )
        self._citation = pmui.TextInput(
            label="Citation", placeholder="a reference or BibTeX", **_WIDE
        )
        about = [
            pmui.Column(widget, width=300, margin=0)
            for widget in (self._name, self._kind, self._quality, self._licence, self._citation)
        ]
        self._kind.param.watch(lambda _: self.check(), "value")
        self.more = MoreRoles(names, self.check, codes=not trials)
        self._add = pmui.Button(
            label="Add to the library",
            icon="add",
            on_click=lambda _: self.add(),
            margin=(10, 10),
            disabled=True,
        )
        away = pmui.Button(
            label="Discard", variant="text", on_click=lambda _: self.discard(), margin=(10, 4)
        )
        self._form.objects = [
            heading(self.staged.name, "h6", margin=(14, 10, 0, 10)),
            heading("What the columns mean", "overline", margin=(6, 10, 0, 10)),
            pmui.FlexBox(*boxes, sizing_mode="stretch_width", gap="0 12px"),
            pmui.Accordion(
                (
                    "More roles: scored apart, target, region, repeat, pattern, averaging, unit, language, decimals",
                    pmui.FlexBox(*self.more.boxes, sizing_mode="stretch_width", gap="0 12px"),
                ),
                sizing_mode="stretch_width",
                title_variant="body1",
                margin=(6, 10),
            ),
            heading("About it", "overline", margin=(10, 10, 0, 10)),
            pmui.FlexBox(*about, sizing_mode="stretch_width", gap="0 12px"),
            pmui.Row(self._add, away, margin=0),
        ]

    def _corpus_box(self, corpora: list[str]):
        """Which of several corpora: each is a recording of its own."""
        picker = pmui.Select(label="Corpus", options=corpora, value=corpora[0], size="small", sizing_mode="stretch_width",
                             margin=(6, 10, 0, 10))  # fmt: skip

        def chosen(*_) -> None:
            self._name.value = shelf.suggested_id(self.staged, picker.value)
            if "corpus" in self.pickers:
                self.check()

        chosen()
        picker.param.watch(chosen, "value")
        self.pickers["corpus"] = picker
        return pmui.Column(picker, note("One of those in the file; add it again for another", margin=(0, 10, 4, 10)), width=300,
                           margin=0)  # fmt: skip

    # ---- checking and adding ---------------------------------------------------------------------------------------------
    def said(self) -> dict:
        """How the columns are meant, as a sidecar says it; None where there is said to be none.

        What is empty because nothing plain was found is not said, so that the check asks where it matters.
        """
        found = {}
        for key, picker in self.pickers.items():
            if key in self._untold:
                continue
            value = picker.value
            some = [name for name in value if name != NONE] if isinstance(value, list) else value
            found[key] = None if some in (NONE, [], "") else some
        if found.get("text") is None:  # there are words: which column holds them is asked
            found.pop("text", None)
        if self._kind.value:
            found["kind"] = self._kind.value
        return found | self.more.said()

    def _told(self, key: str, event) -> None:
        """Somebody chose something for a role, or let it be found again."""
        self._untold = (self._untold | {key}) if event.new == FOUND else (self._untold - {key})
        self.check()

    def check(self) -> None:
        """Check the file as its columns are meant now."""
        if self.staged is None:
            return
        self._add.disabled = True
        self._report.objects = [note("Checking ...", margin=(10, 10))]
        said = {**self._beside, **self.said()}
        self._look.ask(partial(checked_file, self.staged, said), self._judged)

    def _judged(self, report) -> None:
        self._add.disabled = not report.ok
        verdict = "It can be used" if report.ok else "It cannot be used like this"
        worded = [
            replace(one, what=on_page(one.what), fix=on_page(one.fix)) for one in report.findings
        ]
        self._report.objects = [
            heading(f"{verdict} ({report.counts})", "h6", margin=(14, 10, 2, 10)),
            *(rows_box(report.recording) if report.recording is not None else ()),
            *report_rows(replace(report, findings=tuple(worded))),
        ]

    def add(self) -> None:
        """Put the file into the library."""
        facts = {
            "quality": self._quality.value,
            "licence": self._licence.value,
            "citation": self._citation.value,
        }
        facts = {key: text.strip() for key, text in facts.items() if text and text.strip()}
        self._add.disabled = True
        work = partial(
            kept_file, self.staged, self._source, self._name.value, {**self.said(), **facts}
        )
        key = f"upload-add:{self.staged}"
        self._desk.submit(
            key, "Adding your file", work, self._is_there, failed=lambda _: self.check(), quiet=True
        )

    def _is_there(self, name: str) -> None:
        self.staged = None
        self.discard()
        self._done(name)

    def discard(self) -> None:
        """Forget the file, and offer a place to drop another."""
        self._forget()
        self._open = False
        if (
            self._place.styles or not self._place.visible
        ):  # an empty place: the old one would keep the bytes
            self.dropper, self._seen, self._coming = self._dropper(), {}, {}
            self._place.param.update(objects=[self.dropper], styles={}, visible=True)

    def close(self) -> None:
        """The session has ended: forget the file, and draw nothing more."""
        self._forget()

    def _forget(self) -> None:
        """Forget what was staged and its form."""
        self._look.forget()
        if self.story is not None:
            self.story.forget()
        if self.staged is not None:
            shelf.drop(self.staged)
        self.staged, self._source, self._kept_rules = None, None, Rules()
        self.story = None
        self._form.visible, self._form.objects, self._report.objects = False, [], []
