"""The ground for everybody who writes: whole files or none, one writer at a time, seals, and a full disk in words."""

from __future__ import annotations

import contextlib
import errno
import glob
import json
import os
import re
import shutil
import stat
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import xxhash
from filelock import FileLock, Timeout

from data.errors import BrainLensError
from data.home import home

__all__ = [
    "Damaged",
    "DiskError",
    "atomic",
    "below",
    "disk_error",
    "guarded",
    "in_words",
    "locked",
    "made_folder",
    "need_room",
    "no_room",
    "read_json",
    "reserve",
    "seal",
    "sweep",
    "touch",
    "touched",
    "unguarded",
    "unseal",
    "weighed",
    "working",
    "written_json",
]

_MARK = b"BLSEAL1\n"
SEAL_BYTES = len(_MARK) + 16
"""What a seal adds to the end of a file: a mark and the xxh3 checksum of everything before it."""

_FULL = {errno.ENOSPC: "the disk is full", errno.EDQUOT: "your quota is used up",
         errno.EFBIG: "a file may not become so large", errno.EROFS: "nothing may be written there",
         errno.EACCES: "you may not write there", errno.EPERM: "you may not write there"}  # fmt: skip
_STALE = 3600.0  # seconds after which half a file belongs to nobody


class Damaged(BrainLensError):
    """A file does not hold what was written into it."""


class DiskError(BrainLensError, OSError):
    """A folder takes no more: full, over quota, or read-only."""


# ---- a full disk ---------------------------------------------------------------------------------------------------------
def disk_error(error: OSError, folder: Path, needed: int | None = None) -> DiskError | None:
    """The error in words where it is one of room or rights; None for every other."""
    number = _number(error)
    if isinstance(error, DiskError) or number not in _FULL:
        return None
    free, folder = None, Path(folder)
    with contextlib.suppress(OSError):
        there = next(one for one in (folder, *folder.parents) if one.exists())
        free = shutil.disk_usage(there).free
    needs = f"{needed:,} bytes are needed, " if needed is not None else ""
    has = f"{free:,} bytes are free" if free is not None else "its free room is not known"
    said = DiskError(
        f"Nothing could be written to {folder}: {_FULL[number]} ({needs}{has})",
        remedy="Make room ('brainlens cache clear'), or set BRAINLENS_HOME to a folder with room in which you may write",
    )
    said.errno = number
    return said


def no_room(error: BaseException) -> DiskError | None:
    """The words for a disk that takes no more, whatever raised it; None for every other error.

    Examples
    --------
    >>> no_room(OSError(errno.ENOENT, "absent")), no_room(ValueError())
    (None, None)
    """
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, DiskError):
            return seen
        if isinstance(seen, OSError):
            named = seen.filename2 or seen.filename
            known = isinstance(named, str | bytes)
            return disk_error(seen, Path(os.fsdecode(named)).parent if known else _fullest())
        seen = seen.__cause__
    return None


def _fullest() -> Path:
    """Where an error that names no file most likely happened: the folder for data, or the one for what lasts a moment."""
    places = [Path(tempfile.gettempdir())]
    with contextlib.suppress(BrainLensError):
        places.insert(0, home())
    return min(places, key=lambda place: shutil.disk_usage(place).free)


def _number(error: OSError) -> int | None:
    """The system's number of an error; copies of a whole folder gather theirs as text and have none of their own."""
    if isinstance(error, shutil.Error) and (told := re.search(r"\[Errno (\d+)\]", str(error))):
        return int(told[1])
    return error.errno


@contextlib.contextmanager
def in_words(folder: Path, needed: int | None = None) -> Iterator[None]:
    """Turn errors of the file system into ones that say what to do."""
    try:
        yield
    except OSError as error:
        said = disk_error(error, folder, needed)
        if said is None:
            raise
        raise said from error


def made_folder(folder: Path) -> Path:
    """A folder that is there afterwards.

    Raises
    ------
    DiskError
        Where the disk is full or nothing may be written there.
    """
    with in_words(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return folder


def need_room(folder: Path, needed: int) -> None:
    """Refuse before the work what will not fit after it.

    Raises
    ------
    DiskError
        With the folder, what is needed and what is free.
    """
    there = next(one for one in (folder, *folder.parents) if one.exists())
    if shutil.disk_usage(there).free < needed:
        said = disk_error(OSError(errno.ENOSPC, "full"), folder, needed)
        assert said is not None  # a full disk is one of those in words
        raise said


def reserve(path: Path, size: int) -> None:
    """A file of this size whose blocks are the file's own: writing to it later cannot run out of disk.

    Raises
    ------
    DiskError
        Where there is no room; nothing is left then.
    """
    need_room(path.parent, size)
    with in_words(path.parent, size):
        try:
            with path.open("wb") as stream:
                if size:
                    try:
                        os.posix_fallocate(stream.fileno(), 0, size)
                    except (AttributeError, OSError) as error:
                        if getattr(error, "errno", None) in _FULL:
                            raise
                        _zeros(stream, size)  # a file system, or a system, that reserves nothing
        except OSError:
            path.unlink(missing_ok=True)
            raise


def _zeros(stream, size: int) -> None:
    block = bytes(1 << 20)
    for start in range(0, size, len(block)):
        stream.write(block[: min(len(block), size - start)])


# ---- whole files -----------------------------------------------------------------------------------------------------------
@contextlib.contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A path to write to that becomes ``path`` in one step, or nothing where writing failed.

    What a killed process left half-written under the same name is taken away.

    Raises
    ------
    DiskError
        Where the disk is full or nothing may be written there.
    """
    with in_words(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        for left in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
            with contextlib.suppress(OSError):
                if time.time() - left.stat().st_mtime > _STALE:
                    left.unlink()
        part = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
        try:
            yield part
            part.replace(path)
        finally:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)


def seal(path: Path, *parts) -> None:
    """Write bytes into a file, whole or not at all, with a checksum behind them that :func:`unseal` verifies.

    What reads such files by themselves (numpy, zip) does not mind the 24 bytes at the end.
    """
    digest = xxhash.xxh3_128()
    with atomic(path) as part, part.open("wb") as stream:
        for one in parts:
            digest.update(one)
            stream.write(one)
        stream.write(_MARK + digest.digest())


def unseal(path: Path) -> memoryview:
    """The bytes of a sealed file, without the seal.

    Raises
    ------
    FileNotFoundError
    Damaged
        Cut, changed or unreadable.
    """
    try:
        with path.open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            content = memoryview(bytearray(size))
            if stream.readinto(content) != size or stream.read(1):
                raise Damaged(f"{path} changed while it was read")
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Damaged(f"{path} cannot be read ({error.strerror or error})") from None
    inside, tail = content[:-SEAL_BYTES], bytes(content[-SEAL_BYTES:])
    if len(tail) != SEAL_BYTES or not tail.startswith(_MARK):
        raise Damaged(f"{path} is cut or was not written as a whole")
    if xxhash.xxh3_128_digest(inside) != tail[len(_MARK) :]:
        raise Damaged(f"{path} does not hold the bytes that were written into it")
    return inside


def written_json(content: dict) -> str:
    """A small JSON file for people and programs, with a checksum of the rest in it that :func:`read_json` verifies."""
    return json.dumps({**content, "checksum": _sum(content)}, indent=1, ensure_ascii=False) + "\n"


def read_json(text: str) -> dict:
    """What :func:`written_json` wrote; one that has no checksum (an older one, or a person's) is taken as it is.

    Raises
    ------
    Damaged
        No object, or not the one that was written.
    """
    try:
        found = json.loads(text)
    except ValueError as error:
        raise Damaged(f"it is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise Damaged("it is no JSON object")
    told = found.pop("checksum", None)
    if told is not None and told != _sum(found):
        raise Damaged("it does not hold what was written into it")
    return found


def _sum(content: dict) -> str:
    return xxhash.xxh3_64_hexdigest(json.dumps(content, sort_keys=True).encode())


def touch(path: Path) -> None:
    """Mark as used now, where the folder may be written to."""
    with contextlib.suppress(OSError):
        os.utime(path)


# ---- one writer at a time ----------------------------------------------------------------------------------------------------
@contextlib.contextmanager
def locked(path: Path, report) -> Iterator[None]:
    """Hold a lock among processes; waiting for another one can be cancelled. A killed process lets go of its locks."""
    with in_words(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path, mode=0o666)
        while True:
            try:
                lock.acquire(timeout=0.2)
                break
            except Timeout:
                report.step(0, 1, "waiting: another process reads the same texts")
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def working(base: Path) -> Iterator[Path]:
    """A folder for work under way, gone afterwards; :func:`sweep` knows by its lock whether a killed process left it."""
    with in_words(base):
        folder = base / f".part-{uuid.uuid4().hex[:12]}"
        folder.mkdir(parents=True)
        lock = FileLock(folder / ".lock")
        lock.acquire(timeout=0)
    try:
        with in_words(base):
            yield folder
    finally:
        lock.release()
        shutil.rmtree(folder, ignore_errors=True)


def sweep(base: Path, *, older_than: float = _STALE, patterns: tuple[str, ...] = ()) -> int:
    """Take away what killed processes left under a folder; returns the bytes given back.

    Work folders (``.part-*``) go when nobody holds their lock, and without a lock when they are old; so do ``.gone-*``,
    ``.*.part`` and further patterns.
    """
    freed = 0
    for pattern in (".part-*", ".gone-*", ".*.part", *patterns):
        for path in base.glob(pattern):
            with contextlib.suppress(OSError):
                if (path / ".lock").is_file() if path.is_dir() else False:
                    lock = FileLock(path / ".lock")
                    try:
                        lock.acquire(timeout=0)
                    except Timeout:
                        continue
                    lock.release()
                elif time.time() - touched(path) < older_than:
                    continue
                freed += weighed(path)
                shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink()
    return freed


def touched(path: Path) -> float:
    """When a path or something below it was last written, seconds; 0 where nothing is there."""
    return max((one.st_mtime for one in _stats(path)), default=0.0)


def weighed(path: Path) -> int:
    """Bytes of a file, or of all files below a folder, which others may write and clear meanwhile."""
    return sum(one.st_size for one in _stats(path) if stat.S_ISREG(one.st_mode))


def below(path: Path) -> list[Path]:
    """All files and folders below a folder, in order; ``Path.rglob`` fails where one is taken away while it looks."""
    return sorted(
        Path(folder, name)
        for folder, folders, files in os.walk(path)
        for name in (*folders, *files)
    )


def _stats(path: Path) -> Iterator[os.stat_result]:
    """What the disk says of a path and of all below it, as far as it is still there."""
    for one in (path, *below(path)):
        with contextlib.suppress(OSError):
            yield one.stat()


# ---- tables that leave ----------------------------------------------------------------------------------------------------
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_GUARDED = re.compile(r"'+[=+\-@\t\r]")


def guarded(table: pd.DataFrame) -> pd.DataFrame:
    """The table with an apostrophe before each text that a spreadsheet would run as a formula; numbers stay.

    Texts that begin with ``=``, ``+``, ``-``, ``@``, a tab or a return are meant, and those that already have apostrophes before
    one, so that :func:`unguarded` gives back what was there.

    Examples
    --------
    >>> guarded(pd.DataFrame({"word": ["=1+1", "no", "'-"]}))["word"].tolist()
    ["'=1+1", 'no', "''-"]
    """
    return _texts(table, lambda cell: f"'{cell}" if _FORMULA.match(cell) else cell)


def unguarded(table: pd.DataFrame) -> pd.DataFrame:
    """What :func:`guarded` was given."""
    return _texts(table, lambda cell: cell[1:] if _GUARDED.match(cell) else cell)


def _texts(table: pd.DataFrame, change: Callable[[str], str]) -> pd.DataFrame:
    changed = {}
    for place in range(table.shape[1]):
        values = table.iloc[:, place]
        category = isinstance(values.dtype, pd.CategoricalDtype)
        if category or values.dtype.kind == "O":
            cells = [change(cell) if isinstance(cell, str) else cell for cell in values]
            if any(new is not old for new, old in zip(cells, values)):
                kind = object if category else values.dtype
                changed[place] = pd.Series(cells, index=table.index, dtype=kind)
    if changed:
        columns = [changed.get(place, table.iloc[:, place]) for place in range(table.shape[1])]
        columns = [column.rename(name) for column, name in zip(columns, table.columns)]
        table = pd.concat(columns, axis=1)
    names = [change(name) if isinstance(name, str) else name for name in table.columns]
    return table if names == list(table.columns) else table.set_axis(names, axis=1)
