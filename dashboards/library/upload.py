"""An own table, dropped onto the page: checked in words before it is added to the library."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import panel as pn
import panel_material_ui as pmui

from analysis.features.adding import fits, holds_words_of, keep
from analysis.features.from_file import holds_activations, peek
from analysis.features.surprisal_table import (
    UNITS,
    SurprisalTable,
    only_surprisals,
    unit_is_told,
)
from dashboards.library.cards import report_rows
from dashboards.library.first_rows import rows_box
from dashboards.library.roles import MoreRoles
from dashboards.look.look import heading, note
from dashboards.work.desk import Desk
from data.catalog import shelf
from data.catalog.catalog import recording
from data.errors import BrainLensError
from data.own.read import corpora_of
from data.own.sidecar import write_sidecar
from data.own.validation import check
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
_ONE = ("text", "subject")
_NONE = "(none)"
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
        self._kept_rules = ("", "")
        self._checks = 0
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
                "stimulus ids. So do surprisals of other tools: a table of words or tokens. "
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

    def _dropper(self) -> pn.widgets.FileDropper:
        dropper = pn.widgets.FileDropper(
            label="Files of your own recording",
            multiple=True,
            max_file_size=f"{shelf.MOST_BYTES // 10**6}MB",
            max_files=3,
            sizing_mode="stretch_width",
            height=150,
            margin=(4, 10),
            stylesheets=[_DROP],
        )
        dropper.param.watch(self._dropped, "value")
        return dropper

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
        if new:
            self.take(new)

    def take(self, files: dict[str, bytes]) -> None:
        """Look at files: name -> content."""
        self.discard()
        self._desk.clear("upload")
        self._report.objects = [note("Reading your file ...", margin=(10, 10))]
        key, work = (
            "upload:" + ",".join(files),
            partial(_staged, files),
        )  # quiet: it does not wait for the scores that run
        self._desk.submit(
            key,
            "Reading your file",
            work,
            self._arrived,
            failed=lambda _: self._report.clear(),
            quiet=True,
        )

    def _arrived(self, found: tuple) -> None:
        self._place.visible = False
        self._report.objects = []
        if len(found) == 2:
            self.staged = found[0]
            self._form.objects = self._ready_form(found[1])
            self._form.visible = True
            return
        self.staged, names, plain, corpora, self._source, taken = found
        self._build(names, plain, corpora)
        if taken or plain.get("subject"):  # a row per person: some may not count
            self._form.insert(1, self._trials_box(taken or _LONG))
        self._form.visible = True
        self.check()

    def _trials_box(self, taken: str):
        """What was understood of an experiment's results, and which trials count."""
        wide = dict(size="small", sizing_mode="stretch_width", margin=(6, 10, 0, 10))
        self._rules = pmui.TextAreaInput(
            label="Trials that count, one rule a line", value=self._kept_rules[0], rows=3,
            placeholder="100 < rt < 3000\nmean(correct) by person >= 0.8", **wide,
        )  # fmt: skip
        self._missing = pmui.TextInput(
            label="Codes for 'no value'", value=self._kept_rules[1], placeholder="-999,-1", **wide
        )
        apply = pmui.Button(
            label="Apply the rules",
            icon="filter_alt",
            variant="outlined",
            on_click=lambda _: self._again(),
            margin=(10, 10),
        )
        head, *lines = taken.splitlines()
        return pmui.Column(
            heading("Trials of an experiment", "overline", margin=(6, 10, 0, 10)),
            note(head, margin=(2, 10)),
            *(note(line.strip(), margin=(0, 10, 0, 20)) for line in lines),
            pmui.FlexBox(
                pmui.Column(self._rules, width=420, margin=0),
                pmui.Column(self._missing, width=220, margin=0),
                sizing_mode="stretch_width",
            ),
            apply,
            sizing_mode="stretch_width",
            margin=0,
        )

    def _again(self) -> None:
        """Take the trials in anew, under the rules that stand in the form."""
        self._kept_rules = (self._rules.value or "", self._missing.value or "")
        rules = [line.strip() for line in self._kept_rules[0].splitlines() if line.strip()]
        self._add.disabled = True
        self._desk.clear("upload")
        missing = [code.strip() for code in self._kept_rules[1].split(",") if code.strip()]
        said = self.said() if self.staged == self._source else {}
        roles = {
            "person": said.get("subject"),
            "text": said.get("text"),
            "rt": said.get("responses"),
            "item": said.get("context") or said.get("group"),
        }
        named = {
            role: one[0] if isinstance(one, list) else one for role, one in roles.items() if one
        }
        work = partial(_read_staged, self._source, rules, missing, columns=named)
        self._desk.submit(
            f"upload-rules:{self._source}:{self._kept_rules}",
            "Applying the rules",
            work,
            self._arrived,
            failed=lambda _: self.check(),
            quiet=True,
        )

    def _ready_form(self, said: dict) -> list:
        """Activations or surprisals: what they hold and fit, and the name they get."""
        wide = dict(size="small", sizing_mode="stretch_width", margin=(6, 10, 0, 10))
        self._name = pmui.TextInput(
            label="Name among the models", value=self.staged.stem.lower(), **wide
        )
        self._quality = pmui.TextInput(
            label="Note for every figure", placeholder="such as: layer 12 of our model", **wide
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
            label="Unit of the surprisals", options={"choose": "", **{name: name for name in UNITS}}, value="",
            size="small", width=300, margin=(6, 10, 0, 10), description="minicons writes nats unless base_two is set",
        )  # fmt: skip

        def told(event) -> None:
            if event.new:
                work = partial(_told_unit, self.staged, event.new)
                key = f"upload-unit:{self.staged}:{event.new}"
                self._desk.submit(key, "Reading your file", work, self._arrived, quiet=True)

        unit.param.watch(told, "value")
        return unit

    def _add_ready(self) -> None:
        self._add.disabled = True
        work = partial(_kept_ready, self.staged, self._name.value, self._quality.value)
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

    def _build(self, names: list[str], plain: dict, corpora: list[str]) -> None:
        array = not plain["responses"] and shelf.is_array(self.staged)
        self.pickers = {}
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
            if key in _ONE:
                options = names if key == "text" else [_NONE, *names]
                value = (
                    plain[key] if plain[key] in names else (names[0] if key == "text" else _NONE)
                )
                picker = pmui.Select(
                    options=options, value=value, searchable=len(names) > 12, **common
                )
            else:
                picker = pmui.MultiChoice(
                    options=names,
                    value=[n for n in plain[key] if n in names],
                    **{k: v for k, v in common.items() if k != "size"},
                )
            picker.param.watch(lambda _: self.check(), "value")
            self.pickers[key] = picker
            boxes.append(
                pmui.Column(picker, note(meaning, margin=(0, 10, 4, 10)), width=300, margin=0)
            )
        wide = dict(size="small", sizing_mode="stretch_width", margin=(6, 10, 0, 10))
        self._name = pmui.TextInput(
            label="Name in the library", value=shelf.suggested_id(self.staged), **wide
        )
        if len(corpora) > 1:
            boxes.insert(0, self._corpus_box(corpora))
        self._kind = pmui.Select(
            label="Kind",
            options={"as the columns say": "", **{k.replace("_", " "): k for k in KINDS}},
            value="",
            **wide,
        )
        self._quality = pmui.TextInput(
            label="Note for every figure", placeholder="such as: pilot, retyped by hand", **wide
        )
        self._licence = pmui.TextInput(
            label="Licence", placeholder="such as: not to be passed on", **wide
        )
        self._citation = pmui.TextInput(
            label="Citation", placeholder="a reference or BibTeX", **wide
        )
        about = [
            pmui.Column(widget, width=300, margin=0)
            for widget in (self._name, self._kind, self._quality, self._licence, self._citation)
        ]
        self._kind.param.watch(lambda _: self.check(), "value")
        self.more = MoreRoles(names, self.check)
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
                    "More roles: scored apart, target, region, repeat, averaging, unit, language",
                    pmui.FlexBox(*self.more.boxes, sizing_mode="stretch_width", gap="0 12px"),
                ),
                sizing_mode="stretch_width",
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
        """How the columns are meant, as a sidecar says it; None where there is none."""
        found = {}
        for key, picker in self.pickers.items():
            value = picker.value
            found[key] = None if value in (_NONE, [], "") else value
        if self._kind.value:
            found["kind"] = self._kind.value
        return found | self.more.said()

    def check(self) -> None:
        """Check the file as its columns are meant now."""
        if self.staged is None:
            return
        self._checks += 1
        self._add.disabled = True
        self._report.objects = [note("Checking ...", margin=(10, 10))]
        work = partial(_checked, self.staged, self.said())
        self._desk.submit(
            f"upload-check:{self.staged}:{self._checks}",
            "Checking",
            work,
            partial(self._judged, self._checks),
            quiet=True,
        )

    def _judged(self, number: int, report) -> None:
        if number != self._checks or self.staged is None:
            return  # the columns were changed since
        self._add.disabled = not report.ok
        verdict = "It can be used" if report.ok else "It cannot be used like this"
        counts = f"{len(report.errors)} errors, {len(report.warnings)} warnings"
        self._report.objects = [
            heading(f"{verdict} ({counts})", "h6", margin=(14, 10, 2, 10)),
            *(rows_box(report.recording) if report.recording is not None else ()),
            *report_rows(report),
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
        work = partial(_kept, self.staged, self._source, self._name.value, {**self.said(), **facts})
        key = f"upload-add:{self.staged}"
        self._desk.submit(
            key, "Adding your file", work, self._is_there, failed=lambda _: self.check(), quiet=True
        )

    def _is_there(self, name: str) -> None:
        self.staged = None
        self.discard()
        self._done(name)

    def discard(self) -> None:
        """Forget the file."""
        if self.staged is not None:
            shelf.drop(self.staged)
        self.staged, self._source, self._kept_rules = None, None, ("", "")
        if not self._place.visible:  # an empty place to drop: the old one would keep the bytes
            self.dropper, self._seen = self._dropper(), {}
            self._place.param.update(objects=[self.dropper], visible=True)
        self._form.visible, self._form.objects, self._report.objects = False, [], []


def _staged(files: dict[str, bytes], report) -> tuple:
    staged = shelf.stage(files)
    try:
        if holds_activations(staged):
            return staged, _looked_at(staged)
        if only_surprisals(staged):
            return staged, _surprisals_of(staged)
        return _read_staged(staged, (), (), report)
    except BrainLensError:
        shelf.drop(staged)
        raise


def _read_staged(source: Path, rules, missing, report, columns=None) -> tuple:
    """The table of a staged file, its columns and corpora, the file itself, and how an experiment's trials were taken in."""
    staged, taken = shelf.take_in(source, rules=rules, missing=missing, columns=columns)
    return staged, *shelf.columns(staged), corpora_of(staged), source, taken


def _looked_at(staged: Path) -> dict:
    ids, widths, _ = peek(staged)
    layers = f"{len(widths)} layer{'s' if len(widths) > 1 else ''} of {min(widths.values()):,}"
    layers += f" to {max(widths.values()):,} units" if len(set(widths.values())) > 1 else " units"
    example = ", ".join(map(str, recording("simulated").stimuli.index[:3]))
    here = fits(staged)
    fitting = f"They fit {', '.join(here)}." if here else (
        "They hold the stimuli of no recording that is on this machine: name the stimuli by the recording's ids, such as "
        f"{example}. These begin {', '.join(ids[:3])}."
    )  # fmt: skip
    return {
        "what": f"Ready activations: {len(ids):,} stimuli, {layers}.",
        "fits": fitting,
        "usable": bool(here),
    }


def _surprisals_of(staged: Path) -> dict:
    """What a table of surprisals holds; it may be added whatever texts it has, for other recordings may come."""
    if not unit_is_told(staged):
        why = "A column 'surprisal' may be in bits or in nats: choose."
        return {"what": "Surprisals of words or tokens.", "fits": why, "usable": False, "ask": True}
    here, why = holds_words_of(staged)
    reason = f": {why}" if why else ""
    fitting = f"They hold the words of {', '.join(here)}." if here else (
        f"They hold the words of no recording that is on this machine{reason}. They can be added all the same."
    )  # fmt: skip
    about = SurprisalTable.describe(staged, staged.stem).note
    return {"what": f"{about[0].upper()}{about[1:]}.", "fits": fitting, "usable": True}


def _told_unit(staged: Path, unit: str, report) -> tuple:
    write_sidecar(staged, unit=unit)
    return staged, _surprisals_of(staged)


def _kept_ready(staged: Path, name: str, words: str, report) -> str:
    return keep(staged, name, words)


def _checked(staged: Path, said: dict, report):
    write_sidecar(staged, **said)
    return check(staged)


def _kept(staged: Path, source: Path, name: str, said: dict, report) -> str:
    if source != staged and source.parent == staged.parent:
        source.unlink(
            missing_ok=True
        )  # results of an experiment hold more of its people than the trials do
    return shelf.keep(staged, name, **said).id
