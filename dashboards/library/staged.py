"""What the upload page does with files beside the page: reading, checking and keeping them, errors in the page's words."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from analysis.answers.word_times import word_times
from analysis.features.adding import fits, holds_words_of, keep
from analysis.features.from_file import holds_activations, peek
from analysis.features.surprisal_table import SurprisalTable, only_surprisals, unit_asked
from dashboards.library.on_page import MOVED, in_page_words, worded
from data.catalog import own_epochs, own_story, shelf
from data.catalog.catalog import recording
from data.errors import BrainLensError
from data.own.experiments import layout_of
from data.own.read import corpora_of
from data.own.sidecar import SIDECAR, write_sidecar
from data.own.spreadsheets import sheets
from data.own.tables import SPREADSHEETS, suffix
from data.own.validation import check
from data.stories.report import drawn

__all__ = [
    "Asked", "EpochFiles", "Story", "checked_epochs", "checked_file", "checked_story", "kept_epochs", "kept_file",
    "kept_ready", "kept_story", "moved_words", "staged_files", "together", "told_cells", "told_unit", "trials_anew",
]  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """A file that cannot be read before something is told: the sheet, or what the columns of an experiment are."""

    staged: Path
    error: BrainLensError


@dataclass(frozen=True)
class Story:
    """Files of a story: where its ``story.toml`` will stand, what each file seems to be, and what is said already."""

    staged: Path
    parts: list[own_story.Part]
    facts: dict


@dataclass(frozen=True)
class EpochFiles(Story):
    """Files of epochs around each word."""


def together(files: dict[str, bytes]) -> bool:
    """Whether files are those of one story, or of epochs: what was refused alone may be whole now."""
    return own_epochs.is_epochs_drop(files) or own_story.is_story_drop(files)


@worded
def staged_files(files: dict[str, bytes], report) -> tuple | Asked | Story:
    """Write dropped files beside the library and look at them: epochs, a story, activations, surprisals, or a table's columns."""
    if own_epochs.is_epochs_drop(files):
        return EpochFiles(*own_epochs.stage_epochs(files))
    if own_story.is_story_drop(files):
        return Story(*own_story.stage_story(files))
    staged = shelf.stage(files)
    try:
        if holds_activations(staged):
            return staged, _looked_at(staged)
        if only_surprisals(staged):
            return staged, _surprisals_of(staged)
        return _read_staged(staged)
    except BrainLensError as error:
        if _may_be_told(staged):
            return Asked(staged, error)
        shelf.drop(staged)
        raise


def _may_be_told(staged: Path) -> bool:
    """Whether the page can ask: for one of several sheets, or for the columns of an experiment's results."""
    try:
        if suffix(staged) in SPREADSHEETS:
            return len(sheets(staged)) > 1
        return not shelf.is_array(staged) and layout_of(staged) in ("files", "ibex", "prompts")
    except (BrainLensError, OSError):
        return False


def _read_staged(source: Path, **how) -> tuple:
    """The table of a staged file, its columns and corpora, the file itself, and how an experiment's trials were taken in."""
    staged, taken = shelf.take_in(source, **how)
    return staged, *shelf.columns(staged), corpora_of(staged), source, taken


@worded
def trials_anew(source: Path, rules, missing, columns, report) -> tuple:
    """Take an experiment's trials in under rules, codes for "no value" and named columns."""
    return _read_staged(source, rules=rules, missing=missing, columns=columns, trials=True)


@worded
def told_cells(staged: Path, said: dict, report) -> tuple:
    """Read the sheet and the cells of a spreadsheet that were named."""
    write_sidecar(staged, **said)
    return _read_staged(staged)


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
    if asked := unit_asked(staged):
        why = f"{asked}: choose."
        return {"what": "Surprisals of words or tokens.", "fits": why, "usable": False, "ask": True}
    here, why = holds_words_of(staged)
    reason = f": {why}" if why else ""
    fitting = f"They hold the words of {', '.join(here)}." if here else (
        f"They hold the words of no recording that is on this machine{reason}. They can be added all the same."
    )  # fmt: skip
    about = SurprisalTable.describe(staged, staged.stem).note
    return {"what": f"{about[0].upper()}{about[1:]}.", "fits": fitting, "usable": True}


def told_unit(staged: Path, unit: str, report) -> tuple:
    """Keep the unit of surprisals."""
    write_sidecar(staged, unit=unit)
    return staged, _surprisals_of(staged)


def kept_ready(staged: Path, name: str, words: str, report) -> str:
    """Put activations or surprisals among the models."""
    return keep(staged, name, words)


def checked_file(staged: Path, said: dict, report):
    """The validation report of a staged file, its columns meant as said and as no check before."""
    Path(f"{staged}{SIDECAR}").unlink(missing_ok=True)
    write_sidecar(staged, **said)
    return check(staged)


@worded
def kept_file(staged: Path, source: Path, name: str, said: dict, report) -> str:
    """Put a staged file into the library; its id."""
    if source != staged and source.parent == staged.parent:
        source.unlink(
            missing_ok=True
        )  # results of an experiment hold more of its people than the trials do
    return shelf.keep(staged, name, **said).id


# ---- stories -----------------------------------------------------------------------------------------------------------
def checked_story(path: Path, parts: list, facts: dict, report):
    """The recording of a staged story and what was understood of it, drawn; the error where it is none."""
    return _checked(own_story.write_story, own_story.understood_story, path, parts, facts)


def checked_epochs(path: Path, parts: list, facts: dict, report):
    """As :func:`checked_story`, of epochs."""
    facts = {"id": "epochs", **facts}  # not the folder they were staged in
    return _checked(own_epochs.write_epochs, own_epochs.understood_epochs, path, parts, facts)


def _checked(write, understood, path: Path, parts: list, facts: dict):
    try:
        write(path, parts, facts)
        recording = understood(path)
    except BrainLensError as error:
        return None, without_folder(in_page_words(error), path.parent)
    return recording, drawn(recording)


def without_folder(error: BrainLensError, folder: Path) -> BrainLensError:
    """The same error without the folder that files were staged in: nobody chose it."""

    def bare(text: str) -> str:
        return text.replace(f"{folder}/story.toml: ", "").replace(f"{folder}{os.sep}", "")

    choices = [bare(one) for one in error.choices]
    return BrainLensError(bare(error.problem), choices=choices, remedy=bare(error.remedy))


def moved_words(recording, stands: float, report) -> str:
    """Whether the words stand where they were heard; what to write where they do not, ``stands`` seconds being added now."""
    said = word_times(recording)
    if not (add := said.facts["add"]):
        return said.sentence
    return f"{said.sentence} Nothing was moved: write {stands + add:g} under '{MOVED}' to move the words."


@worded
def kept_story(path: Path, name: str, parts: list, facts: dict, report) -> str:
    """Put a staged story into the library; its id."""
    return own_story.keep_story(path, name, parts, facts).id


@worded
def kept_epochs(path: Path, name: str, parts: list, facts: dict, report) -> str:
    """Put staged epochs into the library; their id."""
    return own_epochs.keep_epochs(path, name, parts, facts).id
