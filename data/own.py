"""A user's own recording: a table with one row per stimulus, and how its columns are meant."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from data.columns import from_table, word_columns
from data.errors import BrainLensError, unknown
from data.recording import Recording
from data.tables import read_table

__all__ = ["SIDECAR", "check", "read", "sidecar", "write", "write_sidecar"]

SIDECAR = ".brainlens.json"
"""What is appended to a file's name for the file that says how its columns are meant."""

COLUMNS = ("text", "responses", "group", "context", "subject", "order", "within", "stimuli")
FACTS = ("id", "kind", "unit", "scored_unit", "averaged", "simulated", "quality", "citation", "licence", "source")


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
    stimuli: str | Path | None = None,
    **facts,
) -> Recording:
    """The recording in a user's file.

    What is not said here is looked up in the sidecar ``<file>.brainlens.json``, then guessed where a column's name is plain.

    Parameters
    ----------
    path : path-like
        CSV, TSV, Parquet; NetCDF, npy, npz or mat with a table of stimuli beside it (see :mod:`data.formats`).
    text : str
        Column of the words that were read.
    responses : str or list of str
        Columns of the measurements (a string is split at commas). Empty cells are missing measurements; the row stays, because
        its words are still context for the rows that follow.
    group : str or list of str
        Column whose rows are held out together; several are joined into one label.
    context : str or list of str
        Column whose rows are read as one text; several are joined.
    subject : str or mapping
        Column with one row per stimulus and subject (the table is then turned to one target per subject and response), or the
        subject of each response column.
    order : str or list of str
        Columns to sort by; without it the rows are in order.
    within : str
        Column whose values are scored apart and averaged.
    stimuli : path-like
        The table of stimuli that belongs to an array file, where it is not ``<name>.stimuli.csv`` beside it.
    **facts
        Fields of :class:`data.recording.Recording`: id, kind, unit, scored_unit, averaged, simulated, quality, citation, licence,
        source.

    Raises
    ------
    BrainLensError
        Naming the column, its choices and the line.
    """
    from data import formats

    path = Path(path)
    said = {
        **sidecar(path),
        **{
            k: v
            for k, v in dict(
                text=text,
                responses=responses,
                group=group,
                context=context,
                subject=subject,
                order=order,
                within=within,
                stimuli=stimuli,
                **facts,
            ).items()
            if v is not None
        },
    }
    for name in said:
        if name not in (*COLUMNS, *FACTS):
            raise unknown("field of a recording", name, (*COLUMNS, *FACTS))
    if formats.handles(path):
        table, own = formats.table_of(path, said)
        return from_table(table, {**own, **said})
    return from_table(read_table(path, texts=word_columns(said)), said)


def sidecar(path: str | Path) -> dict:
    """What the sidecar of a file says, or an empty dict.

    Raises
    ------
    BrainLensError
        Where it is not a JSON object or holds an unknown field.
    """
    beside = Path(str(path) + SIDECAR)
    if not beside.is_file():
        return {}
    try:
        said = json.loads(beside.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise BrainLensError(f"{beside.name} is not JSON: {error}", remedy="Correct it or remove it") from None
    if not isinstance(said, dict):
        raise BrainLensError(f"{beside.name} holds a {type(said).__name__}, not fields", remedy='Write {"text": "sentence", ...}')
    for name in said:
        if name not in (*COLUMNS, *FACTS):
            raise unknown(f"field of {beside.name}", name, (*COLUMNS, *FACTS))
    return said


def write_sidecar(path: str | Path, **said) -> Path:
    """Keep how the columns of ``path`` are meant in a file beside it; fields already there are replaced one by one.

    None for ``group``, ``context``, ``subject``, ``order`` or ``within`` says that there is none, so that none is guessed.
    """
    for name in said:
        if name not in (*COLUMNS, *FACTS):
            raise unknown("field of a recording", name, (*COLUMNS, *FACTS))
    beside = Path(str(path) + SIDECAR)
    fields = {**sidecar(path), **{name: value for name, value in said.items() if value is not None or name in COLUMNS}}
    half = beside.with_name(beside.name + ".part")
    half.write_text(json.dumps(fields, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    half.replace(beside)
    return beside


def write(recording: Recording, path: str | Path) -> Path:
    """Write a recording as a user's own file, with a sidecar that says how its columns are meant; :func:`read` gives it back.

    Parameters
    ----------
    path : path-like
        Ends in .csv, .tsv, .parquet, .nc, .npz, .npy or .mat (the last three with the texts in ``<name>.stimuli.csv``).

    Raises
    ------
    BrainLensError
        For another suffix.
    """
    from data.writing import write as run

    return run(recording, Path(path))


def check(path: str | Path, **columns):
    """The validation report of a user's file; see :func:`data.validation.check`."""
    from data.validation import check as run

    return run(path, **columns)
