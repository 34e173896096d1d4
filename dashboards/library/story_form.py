"""What each file of a dropped story, or of epochs, is, what the files do not say, what was understood; and into the library."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar

import panel_material_ui as pmui

from dashboards.library.on_page import BETWEEN, FIRST_LAG, LAG_STEP, MOVED, ROWS, TIER
from dashboards.library.staged import (
    Story,
    checked_epochs,
    checked_story,
    kept_epochs,
    kept_story,
    moved_words,
)
from dashboards.look.look import MONO, Html, heading, note, plain
from dashboards.work.desk import Desk
from dashboards.work.newest import Newest
from data.catalog import shelf
from data.catalog.own_epochs import ROLES as ROLES_OF_EPOCHS
from data.catalog.own_story import ROLES, Part
from data.errors import BrainLensError

__all__ = ["EpochsForm", "StoryForm"]

_BOX = dict(size="small", margin=(6, 10, 0, 10))
_ABOUT = {
    "language": ("Language", "a code; none: en"),
    "quality": ("Note for every figure", "such as: pilot, aligned by hand"),
    "licence": ("Licence", "such as: not to be passed on"),
    "citation": ("Citation", "a reference or BibTeX"),
}


class StoryForm(pmui.Column):
    """Say what each file of a story is, look at what was understood, add.

    Parameters
    ----------
    desk : Desk
        Where reading and checking run.
    found : Story
    added : callable
        ``added(id)``, once the story is in the library.
    away : callable
        Forgets the files.
    typed : mapping, optional
        What was filled in before another file of the same drop came.
    """

    title = "A story"
    lead = (
        "Each run has one file of words, and each person one of signals for each run (or a left and a right hemisphere as "
        "GIFTI). A mask without a person is everybody's."
    )
    drawn = "Words in each part of a run, from its first sample to its last:"
    roles = ROLES
    runs = True
    free, kinds, unit = "story", ("fmri", "ecog", "eeg", "meg"), "seconds"
    asked: ClassVar = {
        "interval": (BETWEEN, "where no file says it, such as 2.0"),
        "offset": (MOVED, "such as -20 where 20 s of signal were cut off"),
        "tier": (TIER, "of a TextGrid; none: word or words"),
        "rows": (ROWS, "samples, where they look turned and are not"),
    }
    """What no file may say: what it is called, and an example."""
    seconds: ClassVar = {"interval": (BETWEEN, True), "offset": (MOVED, False)}
    """Fields that are numbers: what they are called, and whether they must be above 0."""
    checked, kept = staticmethod(checked_story), staticmethod(kept_story)

    def __init__(
        self,
        desk: Desk,
        found: Story,
        *,
        added: Callable[[str], None],
        away: Callable[[], None],
        typed: Mapping[str, str] | None = None,
    ):
        self._desk, self._found, self._done = desk, found, added
        self._look = Newest(desk, f"upload-story:{found.staged}", "Checking")
        self._follow = Newest(
            desk, f"upload-heard:{found.staged}", "Following the words through the signal"
        )
        self.files = [_FileRow(part, self.check, self.roles, self.runs) for part in found.parts]
        self.boxes = self._about(found.facts)
        self._offered = {key: box.value for key, box in self.boxes.items()}
        for key, value in (typed or {}).items():
            self.boxes["name" if key == "id" else key].value = value
        for key in (*self.asked, "kind", "language"):
            self.boxes[key].param.watch(lambda _: self.check(), "value")
        self._add = pmui.Button(
            label="Add to the library",
            icon="add",
            on_click=lambda _: self.add(),
            margin=(10, 10),
            disabled=True,
        )
        discard = pmui.Button(
            label="Discard", variant="text", on_click=lambda _: away(), margin=(10, 4)
        )
        self.report = pmui.Column(sizing_mode="stretch_width", margin=0)
        super().__init__(
            heading(self.title, "h6", margin=(14, 10, 0, 10)),
            note(self.lead, margin=(2, 10)),
            heading("What each file is", "overline", margin=(6, 10, 0, 10)),
            *(row.box for row in self.files),
            heading("About it", "overline", margin=(10, 10, 0, 10)),
            pmui.FlexBox(
                *(pmui.Column(box, width=300, margin=0) for box in self.boxes.values()),
                sizing_mode="stretch_width",
                gap="0 12px",
            ),
            pmui.Row(self._add, discard, margin=0),
            self.report,
            sizing_mode="stretch_width",
            margin=0,
        )
        self.check()

    def _about(self, facts: dict) -> dict[str, Any]:
        """Fields of the story: what no file says, and what the library shows."""
        found = {"name": _text(facts, "Name in the library", "id", value=shelf.free_id(self.free))}
        found |= {key: _text(facts, label, key, such) for key, (label, such) in self.asked.items()}
        kind = str(facts.get("kind", self.kinds[0]))
        found["kind"] = pmui.Select(
            label="Kind",
            options={one or "as the files say": one for one in (*self.kinds, kind)},
            value=kind,
            sizing_mode="stretch_width",
            **_BOX,
        )
        found |= {key: _text(facts, label, key, such) for key, (label, such) in _ABOUT.items()}
        return found

    def typed(self) -> dict[str, str]:
        """What differs from what was offered, by field of the ``story.toml``."""
        found = {key: str(box.value or "") for key, box in self.boxes.items()}
        return {
            "id" if key == "name" else key: value
            for key, value in found.items()
            if value != str(self._offered[key] or "")
        }

    # ---- what stands in the form -----------------------------------------------------------------------------------------
    def parts(self) -> list[Part]:
        """What each file is said to be."""
        return [row.part() for row in self.files]

    def facts(self) -> dict:
        """Fields of the ``story.toml``.

        Raises
        ------
        BrainLensError
            For seconds that are no number.
        """
        said = {
            key: str(box.value or "").strip() for key, box in self.boxes.items() if key != "name"
        }
        said = {key: value for key, value in said.items() if value}
        for key, (label, positive) in self.seconds.items():
            if key in said:
                said[key] = _number(said[key], label, self.unit, positive=positive)
        if "source" in self._found.facts:
            said["source"] = self._found.facts["source"]
        return said

    # ---- checking and adding ---------------------------------------------------------------------------------------------
    def check(self) -> None:
        """Read the story as it is meant now."""
        self._add.disabled = True
        self.forget()
        try:
            facts = self.facts()
        except BrainLensError as error:
            self._judged((None, error))
            return
        self.report.objects = [note("Checking ...", margin=(10, 10))]
        self._desk.clear("upload")
        self._look.ask(partial(self.checked, self._found.staged, self.parts(), facts), self._judged)

    def forget(self) -> None:
        """Tell nothing more of what was asked about the files."""
        self._look.forget()
        self._follow.forget()

    def _judged(self, found: tuple) -> None:
        recording, said = found
        self._add.disabled = recording is None
        if recording is None:
            self.report.objects = [
                heading("It cannot be used like this", "h6", margin=(14, 10, 2, 10)),
                note(str(said), margin=(4, 10)),
            ]
            return
        heard = note(margin=(4, 10))
        self.report.objects = [
            heading("It can be used", "h6", margin=(14, 10, 2, 10)),
            note(self.drawn, margin=(2, 10)),
            Html(
                f"<pre style='font-family:{MONO};font-size:.82rem;line-height:1.5;margin:0;overflow-x:auto;"
                f"white-space:pre-wrap'>{plain(said)}</pre>",
                sizing_mode="stretch_width",
                margin=(4, 10),
            ),
            heard,
        ]
        if recording.sampled and recording.kind == "fmri":
            heard.object = "Looking whether the words stand where they were heard ..."
            stands = float(self.facts().get("offset", 0.0))
            self._follow.ask(
                partial(moved_words, recording, stands),
                lambda sentence: heard.param.update(object=sentence),
                failed=lambda _: heard.param.update(object=""),
            )

    def add(self) -> None:
        """Put the story into the library."""
        self._add.disabled = True
        self._desk.clear("upload")
        work = partial(
            self.kept, self._found.staged, self.boxes["name"].value, self.parts(), self.facts()
        )
        self._desk.submit(
            f"upload-add:{self._found.staged}",
            "Adding your story",
            work,
            self._done,
            failed=lambda _: self.check(),
            quiet=True,
        )


class _FileRow:
    """One file: its name, what it is, its run and person."""

    def __init__(self, part: Part, changed: Callable[[], None], roles: tuple[str, ...], runs: bool):
        self._file = part.file
        self._runs = runs
        self.role = pmui.Select(
            label="What it is", options=list(roles), value=part.role, width=150, **_BOX
        )
        self.run = pmui.TextInput(label="Run", value=part.run, width=170, **_BOX)
        self.person = pmui.TextInput(label="Person", value=part.person, width=170, **_BOX)
        self._fit()
        self.box = pmui.Row(
            pmui.Column(
                note(part.file, margin=(16, 10, 0, 10), styles={"overflow-wrap": "anywhere"}),
                width=280,
                margin=0,
            ),
            self.role,
            *((self.run,) if runs else ()),
            self.person,
            sizing_mode="stretch_width",
            margin=0,
        )

        def moved(_) -> None:
            self._fit()
            changed()

        for box in (self.role, self.run, self.person):
            box.param.watch(moved, "value")

    def _fit(self) -> None:
        """Words of a run belong to no person, masks to no run."""
        role = self.role.value
        self.run.disabled = role in ("mask", "left out")
        self.person.disabled = role == "left out" or (self._runs and role == "words")

    def part(self) -> Part:
        """What the file is said to be."""
        return Part(self._file, self.role.value, self.run.value or "", self.person.value or "")


class EpochsForm(StoryForm):
    """Say whose each file of epochs is, look at what was understood, add."""

    title = "Epochs"
    lead = "Each person has one file of epochs, one epoch a word. A table of words without a person is everybody's."
    drawn = "What was understood:"
    roles = ROLES_OF_EPOCHS
    runs = False
    free, kinds, unit = "epochs", ("", "eeg", "meg", "ecog"), "milliseconds"
    asked: ClassVar = {
        "first_lag": (FIRST_LAG, "of an array without times, such as -200"),
        "lag_step": (LAG_STEP, "of an array without times, such as 4"),
    }
    seconds: ClassVar = {"first_lag": (FIRST_LAG, False), "lag_step": (LAG_STEP, True)}
    checked, kept = staticmethod(checked_epochs), staticmethod(kept_epochs)


def _text(facts: Mapping, label: str, key: str, placeholder: str = "", value: str = ""):
    return pmui.TextInput(
        label=label,
        value=str(facts.get(key, value)),
        placeholder=placeholder,
        sizing_mode="stretch_width",
        **_BOX,
    )


def _number(text: str, label: str, unit: str, *, positive: bool) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not abs(value) < 1e6 or (positive and value <= 0):
        what = "a number above 0" if positive else "a number"
        raise BrainLensError(
            f"'{label}' is {text!r}: it needs {what} of {unit}",
            remedy="Such as 2.0" if positive else "Such as -20",
        )
    return value
