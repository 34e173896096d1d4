"""A user's own recording: a table with one row per stimulus, and how its columns are meant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from data.errors import BrainLensError
from data.own import formats
from data.own.columns import Understood, corpora, understand
from data.own.experiments.read import LAYOUTS, layout_of
from data.own.meaning import checked, reading_options
from data.own.sidecar import sidecar
from data.own.tables import Table, read_table
from data.recording import Recording

__all__ = ["corpora_of", "file_of", "read", "understood"]


def read(
    path: str | Path,
    *,
    text: str | None = None,
    responses: str | Sequence[str] | None = None,
    group: str | Sequence[str] | None = None,
    context: str | Sequence[str] | None = None,
    subject: str | Mapping[str, str] | None = None,
    order: str | Sequence[str] | None = None,
    within: str | None = None,
    target: str | None = None,
    region: str | Mapping[str, str] | None = None,
    repeat: str | None = None,
    stimuli: str | Path | None = None,
    targets: str | Path | None = None,
    corpus: str | None = None,
    **facts,
) -> Recording:
    """The recording in a user's file.

    What is not said here is looked up in the sidecar ``<file>.brainlens.json``, then guessed where a column's name is plain.

    Parameters
    ----------
    path : path-like
        CSV, TSV, Parquet; NetCDF, npy, npz or mat with a table of stimuli beside it (see :mod:`data.own.formats`).
        ``file#corpus`` is one corpus of a table with a column ``corpus``, ``file#corpus:eye_tracking`` says its kind as well.
    text : str
        Column of the words that were read.
    responses : str or list of str
        Columns of the measurements (a string is split at commas), or patterns such as ``sub-*`` and ``sub-{subject}_{region}``,
        whose names in braces become coordinates of the targets. Empty cells are missing measurements; the row stays, because
        its words are still context for the rows that follow.
    group : str or list of str
        Column whose rows are held out together; several are joined into one label.
    context : str or list of str
        Column whose rows are read as one text; several are joined.
    subject : str or mapping
        Column with one row per stimulus and subject (the table is then turned to one target per subject and response), or the
        subject of each response column.
    order : str or list of str
        Columns of numbers (or dates) to sort by; without it the rows are in order. An order that starts again in every text
        (context, else group) holds inside it; the texts then stay in the order of the file, and so do rows of equal order.
    within : str
        Column whose values are scored apart and averaged.
    target : str
        Column that names the target of each row (voxel, region, electrode, measure) in a table with one row for each.
    region : str or mapping
        Column that says where a row's target lies, or the region of each response column.
    repeat : str
        Column that numbers the presentations of a stimulus to the same person: each is kept, and they give a ceiling.
    stimuli : path-like
        The table of stimuli that belongs to an array file, where it is not ``<name>.stimuli.csv`` beside it.
    targets : path-like
        A table with one row per response column or column of an array: subject, region, and what else is known of it; by default
        ``<name>.targets.csv`` beside the file.
    corpus : str
        As ``#corpus`` behind the path.
    **facts
        Fields of :class:`data.recording.Recording`: id, kind, unit, scored_unit, averaged, simulated, language, joiner, quality,
        citation, licence, source; and how cells are read: decimal (``","`` or ``"."``), missing (codes such as ``"-999"``), sheet
        and range of a spreadsheet. ``"none"`` for a column says that there is none, so that none is guessed.

    Raises
    ------
    BrainLensError
        Naming the column, its choices and the line.
    """
    columns = dict(
        text=text,
        responses=responses,
        group=group,
        context=context,
        subject=subject,
        order=order,
        within=within,
        target=target,
        region=region,
        repeat=repeat,
    )
    files = dict(stimuli=stimuli, targets=targets, corpus=corpus)
    return understood(path, **files, **columns, **facts).recording


def understood(path: str | Path, **said) -> Understood:
    """As :func:`read`, with where each row stands in the file and what was doubtful."""
    path, corpus = file_of(path)
    given = {key: value for key, value in said.items() if value is not None}
    beside = sidecar(path)
    if corpus:
        beside.pop("id", None)  # which names the whole file
        given = {"corpus": corpus, **given}
    table, said = _table(path, {**beside, **checked(given)})
    return understand(table, said)


def file_of(path: str | Path) -> tuple[Path, str]:
    """The file and the corpus of ``file#corpus``; the corpus is "" where none is named, or where the file itself is called so."""
    whole = Path(path).expanduser()
    name, mark, corpus = str(whole).rpartition("#")
    return (Path(name), corpus) if mark and name and not whole.exists() else (whole, "")


def corpora_of(path: str | Path) -> list[str]:
    """The corpora of a file with a column ``corpus``, to choose one from; none where it has no such column."""
    path, _ = file_of(path)
    return corpora(_table(path, sidecar(path))[0].frame)


def _table(path: Path, said: dict) -> tuple[Table, dict]:
    """The file as one table, and what is said of it: by its sidecar or the caller, else by itself."""
    if path.is_file() and (layout := layout_of(path)) in ("ibex", "prompts"):
        raise BrainLensError(
            f"{path.name} holds {LAYOUTS[layout]}, not a table with one row per stimulus",
            remedy=f"Take its trials in first: 'brainlens data trials {path.name} --out mine.csv', then name mine.csv",
        )
    if formats.handles(path):
        table, own = formats.table_of(path, said)
        return table, {**own, **said}
    return _filled(read_table(path, **reading_options(said))), said


def _filled(table: Table) -> Table:
    """The rows in which something stands; spreadsheets keep empty ones as ``,,,``."""
    empty = np.ones(len(table.frame), dtype=bool)
    for column in table.frame:
        cells = table.frame[column]
        if str(column).startswith("Unnamed:") or not empty.any():
            continue
        bare = cells.isna() | cells.map(lambda cell: isinstance(cell, str) and not cell.strip())
        empty &= bare.to_numpy(bool)
    if not empty.any() or empty.all():
        return table
    rows = np.flatnonzero(empty)
    note = f"{len(rows)} empty rows left out, first {table.where(int(rows[0]))}"
    return replace(table.part(np.flatnonzero(~empty)), said=(*table.said, note))
