"""Files of the user's own that were put into the library: each in a folder of its own, under an id of its own."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import re
import shutil
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from data.catalog.entries import Entry, all_entries
from data.catalog.fetch import RemoteFile
from data.errors import BrainLensError, unknown
from data.files import Damaged, DiskError, in_words, read_json, touched, weighed, written_json
from data.home import home, person, personal, shared
from data.own import formats, tables
from data.own.apart import tried
from data.own.columns import meant_columns
from data.own.experiments import Experiment, import_trials, layout_of
from data.own.foreign import advice
from data.own.meaning import checked, plain_columns, reading_options
from data.own.read import corpora_of, read, understood
from data.own.sidecar import SIDECAR, sidecar, write_sidecar
from data.own.wide import TARGETS
from data.recording import Recording
from data.rights import require_room

_LABELS = ("group", "context", "order")
_SINGLE = {"subject": "people", "target": "target", "repeat": "repeat"}
__all__ = [
    "MOST_BYTES",
    "SUFFIXES",
    "columns",
    "drop",
    "file_name",
    "free_id",
    "is_array",
    "keep",
    "kept",
    "put",
    "remove",
    "require_size",
    "safe_name",
    "stage",
    "staged_folder",
    "suggested_id",
    "take_in",
]

SUFFIXES = (*tables.TABLE_SUFFIXES, *formats.SUFFIXES, ".jsonl", ".jsonl.zip")
MOST_BYTES = 500_000_000
"""Of all files that come through the browser at once; larger ones are named by their path instead."""

_LOG = logging.getLogger("brainlens.shelf")
_FOLDER = "own"
_ABOUT = "about.json"
_TEXT = (".csv", ".tsv", ".txt", ".tab")
_PLAIN = 5_000_000  # bytes of a text table that are read here without being tried elsewhere first
_OLD = 24 * 3600  # seconds after which a half-finished upload is forgotten


def file_name(name: str) -> str:
    """A name that is safe on every system, made from what a browser sent.

    Raises
    ------
    BrainLensError
        Where its suffix is of no format that can be read.

    Examples
    --------
    >>> file_name("../My data (final).CSV")
    'My-data-final.csv'
    """
    last = re.split(r"[\\/]", str(name))[-1]
    kind = _suffix(last)
    if not kind:
        raise BrainLensError(
            f"{last[:80]!r} is not of a format that can be read",
            choices=SUFFIXES,
            remedy=advice(Path(last).suffix.lower()),
        )
    return safe_name(last, kind)


def safe_name(last: str, kind: str) -> str:
    """A file's name in letters, digits, hyphens and dots that ends in ``kind``."""
    stem = re.sub(r"[^A-Za-z0-9_.]+", "-", last[: -len(kind)]).replace("..", ".").strip("-._")[:80]
    return (stem or "table") + kind


def stage(files: Mapping[str, bytes]) -> Path:
    """Write what came from a browser into a folder where nothing is known yet, and name the file that is the recording.

    Parameters
    ----------
    files : mapping
        Name -> content: one table or array; beside an array its ``<name>.stimuli.csv``; ``<name>.targets.csv`` and a sidecar
        where there are such.

    Returns
    -------
    Path
        For :func:`data.own.validation.check`, :func:`keep` or :func:`drop`.

    Raises
    ------
    BrainLensError
        Too large, of no known format, several recordings at once, or more than a process can read; nothing is left behind.
    """
    size = sum(len(content) for content in files.values())
    require_size(size)
    named = {_beside_name(name): content for name, content in files.items()}
    main = _main(list(named))
    folder = staged_folder(named)
    if size > _PLAIN or tables.suffix(Path(main)) not in _TEXT:
        try:
            tried(folder / main)
        except BrainLensError:
            shutil.rmtree(folder, ignore_errors=True)
            raise
    return folder / main


def require_size(size: int) -> None:
    """Refuse what the browser does not take, or a person has no room for, in bytes."""
    if size > MOST_BYTES:
        raise BrainLensError(
            f"These files have {size / 1e6:,.0f} MB; the browser takes {MOST_BYTES / 1e6:,.0f} MB",
            remedy="Name the path of the file instead",
        )
    require_room(size)


def staged_folder(named: Mapping[str, bytes]) -> Path:
    """A folder of files (safe name -> content) of which nothing is known yet; gone again where one cannot be written."""
    _tidy()
    folder = personal("recordings", _FOLDER) / f".staged-{uuid.uuid4().hex[:12]}"
    try:
        with in_words(folder, sum(map(len, named.values()))):
            folder.mkdir()
            for name, content in named.items():
                (folder / name).write_bytes(content)
    except DiskError:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise BrainLensError(
            f"The file could not be written: {error}", remedy="Make room on the disk"
        ) from None
    return folder


def _beside_name(name: str) -> str:
    base = str(name).removesuffix(SIDECAR)
    return file_name(base) + (SIDECAR if base != str(name) else "")


def _describes(name: str, others: list[str]) -> bool:
    """Whether a table is that of the targets of another file, such as ``mine.targets.csv`` of ``mine.csv``."""
    stem = next((name[: -len(end)] for end in TARGETS if name.endswith(end)), "")
    return bool(stem) and any(
        one != name and one[: len(one) - len(_suffix(one))] == stem for one in others
    )


def _main(names: list[str]) -> str:
    """The recording among the files; the others stand beside it."""
    if not names:
        raise BrainLensError("There is no file", remedy="Drop a table or an array")
    found = [name for name in names if not name.endswith(SIDECAR)]
    found = [name for name in found if not _describes(name, found)]
    arrays = [name for name in found if formats.handles(Path(name))]
    chosen = arrays or found
    if len(chosen) != 1:
        raise BrainLensError(
            f"{len(chosen)} recordings at once" if chosen else "A sidecar alone is no recording",
            choices=chosen,
            remedy="Drop one recording at a time: a table, or an array with its table of stimuli; many files of an experiment as "
            "a zip",
        )
    return chosen[0]


def take_in(
    staged: Path,
    *,
    rules: Sequence[str] = (),
    missing: Sequence[str] = (),
    columns: Mapping[str, str] | None = None,
    trials: bool = False,
) -> tuple[Path, str]:
    """Trials of experiment software, or a long table under rules, as a table beside what was staged; others stay as they are.

    Parameters
    ----------
    rules, missing, columns
        As of :func:`data.own.experiments.import_trials`. A long table is taken in only where there are rules or codes, or where
        it cannot be read as it is: rows that stand twice, item numbers that start anew in each list.
    trials : bool
        It is an experiment's: take a long table in whatever is said.

    Returns
    -------
    Path
        The table, with its sidecar; or ``staged``.
    str
        How the trials were understood and what was left out; "" where the file is none of an experiment.
    """
    if formats.handles(staged):
        return staged, ""
    plain = layout_of(staged) == "table"
    if plain and not (rules or missing or trials):
        try:
            if len(corpora_of(staged)) < 2:  # one of several is chosen first
                understood(staged)
            return staged, ""
        except BrainLensError:
            if sidecar(staged):  # it says how it is meant
                return staged, ""
        try:
            made = import_trials(staged)
        except BrainLensError:
            return staged, ""
        return _written(made, staged)
    made = import_trials(staged, rules=rules, missing=missing, columns=columns)
    return _written(made, staged)


def _written(made: Experiment, staged: Path) -> tuple[Path, str]:
    place = staged.with_name("trials-of-" + staged.name.partition(".")[0] + ".csv")
    place.unlink(missing_ok=True)
    made.write(place)
    return place, str(made)


def columns(staged: Path) -> tuple[list[str], dict]:
    """The columns to choose from, and what is plain, for the pickers.

    Returns
    -------
    names : list of str
        Of an array, the columns of its table of stimuli.
    plain : dict
        text, responses, group, context, subject, order: what the sidecar says, else what the names say.
    """
    said = sidecar(staged)
    if formats.handles(staged):
        table, own = formats.table_of(staged, said)
        values = set(own["responses"])
        names = [str(name) for name in table.frame.columns if str(name) not in values]
        plain = plain_columns(table.frame[names])
        plain["responses"] = []  # the array itself
    else:
        table = tables.read_table(staged, **reading_options(said))
        names = [str(name) for name in table.frame.columns]
        plain = plain_columns(table.frame)
        with contextlib.suppress(BrainLensError):  # what is wrong is told by the check
            meant = meant_columns(table, checked(said))
            plain |= {key: getattr(meant, key) for key in ("text", "responses", *_LABELS)}
            plain |= {key: getattr(meant, own) for key, own in _SINGLE.items() if key in plain}
    for key in plain:
        if key in said:
            value = said[key]
            many = key not in ("text", "subject", "target", "repeat")
            plain[key] = (
                ([value] if isinstance(value, str) else list(value or [])) if many else value
            )
    return names, plain


def is_array(staged: Path) -> bool:
    """Whether the responses are an array of their own, not columns among others."""
    return formats.handles(staged)


def suggested_id(staged: Path, corpus: str = "") -> str:
    """A free id, made from the file's name, and the corpus where it is one of several in it."""
    return free_id(f"{staged.name[: len(staged.name) - len(_suffix(staged.name))]} {corpus}")


def keep(staged: Path, name: str = "", **said) -> Entry:
    """Put a staged file into the library; from then on it is a recording like those of the catalogue.

    Parameters
    ----------
    name : str
        Its id; default: made from the file's name.
    **said
        As for :func:`data.own.sidecar.write_sidecar`.

    Raises
    ------
    BrainLensError
        Where it cannot be read so; nothing is put into the library then.
    """

    def bound(wanted: str) -> Recording:
        write_sidecar(staged, **{**said, "id": wanted})
        return read(staged)

    return put(staged, bound, lambda: free_id(name) if name else suggested_id(staged))


def put(
    staged: Path,
    bound: Callable[[str], Recording],
    free: Callable[[], str],
    *,
    story: bool = False,
) -> Entry:
    """Move a staged folder into the library, its facts beside it.

    Parameters
    ----------
    staged : Path
        The file that is read.
    bound : callable
        Writes an id into the folder and reads it so.
    free : callable
        A free id; asked again where another process took it meanwhile.
    story : bool
        It is a ``story.toml`` that binds the others.

    Raises
    ------
    BrainLensError
        Where it cannot be read so, or the disk takes no more; nothing is put into the library then.
    """
    while True:
        wanted = free()
        with in_words(staged.parent):
            _describe(staged, bound(wanted), wanted, story)
            try:
                os.replace(
                    staged.parent, personal("recordings", _FOLDER) / wanted
                )  # whole, or not at all
            except OSError as error:
                if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                    raise
                continue
        return kept()[wanted]


def _describe(staged: Path, recording: Recording, wanted: str, story: bool) -> None:
    """Write what the library says of a recording into its folder."""
    epochs = "lag" in recording.responses.coords
    unit = "sample" if recording.sampled else "epoch" if epochs else recording.scored_unit
    people = recording.subjects
    who = (
        "mean over people"
        if recording.averaged
        else f"{len(set(people))} people"
        if people is not None
        else "people unknown"
    )
    about = {
        "id": wanted,
        "file": staged.name,
        "files": sorted({path.name for path in staged.parent.iterdir()} - {_ABOUT}),
        "kind": recording.kind,
        "story": story,
        "shape": f"{recording.n_stimuli:,} {unit}s x {recording.n_targets:,}, {who}",
        "licence": recording.licence,
        "citation": recording.citation,
        "source": recording.source,
        "traps": [text for text in (recording.quality, *recording.notes) if text],
        "added": time.time(),
    }
    (staged.parent / _ABOUT).write_text(written_json(about), encoding="utf-8")


def drop(staged: Path) -> None:
    """Forget a staged file."""
    if staged.parent.name.startswith(".staged-"):
        shutil.rmtree(staged.parent, ignore_errors=True)


def kept() -> dict[str, Entry]:
    """The user's own recordings in the library, and those of the shared folder."""
    found: dict[str, Entry] = {}
    for base in (
        personal("recordings", _FOLDER),
        *([home("recordings", _FOLDER)] if person() else []),
        *([common / "recordings" / _FOLDER] if (common := shared()) else []),
    ):
        for path in sorted(base.glob(f"*/{_ABOUT}")):
            if path.parent.name.startswith(".") or path.parent.name in found:
                continue
            try:
                facts = read_json(path.read_text(encoding="utf-8"))
                found[path.parent.name] = _entry(facts, path.parent)
            except (OSError, ValueError, KeyError, TypeError, Damaged) as error:
                _say(str(path), f"{type(error).__name__}: {error}"[:120])
    return found


@lru_cache(maxsize=200)
def _say(path: str, why: str) -> None:
    """Say once that a recording is left out; its file is still there, and can be added again."""
    _LOG.warning("%s cannot be read (%s): this recording is left out", path, why)


def remove(name: str) -> int:
    """Take an own recording out of the library for good; returns the bytes freed."""
    folder = personal("recordings", _FOLDER) / name
    if name not in kept() or not folder.is_dir():
        raise unknown(
            "own recording", name, kept(), remedy="One of the shared folder is removed there"
        )
    freed = weighed(folder)
    away = folder.with_name(f".gone-{uuid.uuid4().hex[:12]}")
    folder.rename(away)
    shutil.rmtree(away, ignore_errors=True)
    return freed


def _entry(about: Mapping, folder: Path) -> Entry:
    names = dict.fromkeys([about["file"], *about["files"]])  # the recording itself first
    return Entry(
        folder.name,
        "Your own story" if about.get("story") else f"Your own file {about['file']}",
        "data.stories.story:read_story" if about.get("story") else "data.own.read:read",
        about["kind"],
        about["shape"],
        about["licence"] or "yours: not stated",
        about["citation"],
        source=about["source"] or "your own file",
        traps=tuple(about["traps"]),
        files=tuple(
            RemoteFile(f"{_FOLDER}/{folder.name}", one, size=(folder / one).stat().st_size)
            for one in names
        ),
    )


def _suffix(name: str) -> str:
    return next(
        (one for one in sorted(SUFFIXES, key=len, reverse=True) if name.lower().endswith(one)), ""
    )


def free_id(text: str) -> str:
    """A free id made from a text."""
    return _free(_id(text))


def _id(text: str) -> str:
    name = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:60]
    if not name:
        raise BrainLensError(f"{text!r} makes no id", remedy="Use letters and digits")
    return name


def _free(wanted: str) -> str:
    """The id itself, or with a number behind it where it is taken."""
    taken = {
        *all_entries(),
        *(alias for one in all_entries().values() for alias in one.aliases),
        *kept(),
        *(path.name for path in personal("recordings", _FOLDER).iterdir()),
    }
    count, name = 2, wanted
    while name in taken:
        count, name = count + 1, f"{wanted}-{count}"
    return name


def _tidy() -> None:
    for pattern in (".staged-*", ".gone-*"):
        for folder in personal("recordings", _FOLDER).glob(pattern):
            if time.time() - touched(folder) > _OLD:  # 0 where another process took it away
                shutil.rmtree(folder, ignore_errors=True)
