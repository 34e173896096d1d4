"""A user's own recording: a table with one row per stimulus, and how its columns are meant."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from data.errors import BrainLensError
from data.own.columns import Understood, corpora, understand
from data.own.meaning import checked, word_columns
from data.own.tables import Table, read_table
from data.recording import Recording

__all__ = [
    "SIDECAR",
    "check",
    "corpora_of",
    "file_of",
    "read",
    "sidecar",
    "understood",
    "write",
    "write_sidecar",
]

SIDECAR = ".brainlens.json"
"""What is appended to a file's name for the file that says how its columns are meant."""


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
        Columns of numbers (or dates) to sort by; without it the rows are in order. An order that starts again in every text
        (context, else group) holds inside it; the texts then stay in the order of the file, and so do rows of equal order.
    within : str
        Column whose values are scored apart and averaged.
    stimuli : path-like
        The table of stimuli that belongs to an array file, where it is not ``<name>.stimuli.csv`` beside it.
    corpus : str
        As ``#corpus`` behind the path.
    **facts
        Fields of :class:`data.recording.Recording`: id, kind, unit, scored_unit, averaged, simulated, quality, citation, licence,
        source.

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
    )
    return understood(path, stimuli=stimuli, corpus=corpus, **columns, **facts).recording


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
    from data.own import formats

    if not path.exists():
        _of_the_catalogue(str(path))
    if formats.handles(path):
        table, own = formats.table_of(path, said)
        return table, {**own, **said}
    return read_table(path, texts=word_columns(said)), said


def _of_the_catalogue(name: str) -> None:
    from data.catalog.catalog import entries, entry

    try:
        one = entry(name)
    except BrainLensError:
        return
    if one.is_recording:
        raise BrainLensError(
            f"{name!r} is a recording of the catalogue, not a file",
            remedy=f"Use it by its id, as in 'brainlens score MODEL --on {name}'; only files of your own are checked",
        )
    raise BrainLensError(
        f"{name!r} is {one.kind} of the catalogue, not a file",
        choices=entries(recordings=True),
        remedy="Name a file",
    )


def sidecar(path: str | Path) -> dict:
    """What the sidecar of a file says, or an empty dict.

    Raises
    ------
    BrainLensError
        Where it is not a JSON object, or holds an unknown field or a value of the wrong type.
    """
    beside = Path(str(path) + SIDECAR)
    if not beside.is_file():
        return {}
    try:
        said = json.loads(beside.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise BrainLensError(
            f"{beside.name} is not JSON: {error}", remedy="Correct it or remove it"
        ) from None
    if not isinstance(said, dict):
        raise BrainLensError(
            f"{beside.name} holds a {type(said).__name__}, not fields",
            remedy='Write {"text": "sentence", ...}',
        )
    return checked(said, beside.name)


def write_sidecar(path: str | Path, **said) -> Path:
    """Keep how the columns of ``path`` are meant in a file beside it; fields already there are replaced one by one.

    None for ``group``, ``context``, ``subject``, ``order`` or ``within`` says that there is none, so that none is guessed.
    """
    said = checked(said)
    beside = Path(str(path) + SIDECAR)
    fields = {**sidecar(path), **said}
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
    from data.own.write import write as run

    return run(recording, Path(path))


def check(path: str | Path, **columns):
    """The validation report of a user's file; see :func:`data.own.validation.check`."""
    from data.own.validation import check as run

    return run(path, **columns)
