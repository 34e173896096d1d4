"""What a file holds, in one word: hashes that are remembered, and the marks by which a change is noticed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import threading
import time
from collections.abc import Iterable
from pathlib import Path

from data.files import atomic
from data.home import home

__all__ = ["Mark", "file_hash", "mark", "marks", "recheck"]

_LOG = logging.getLogger("brainlens.files")
_MEMORY = "file-hashes.json"
_AGE = 7 * 24 * 3600.0  # seconds after which a remembered hash is compared with the file again
_LOCK = threading.RLock()
_HERE: dict[str, list] = {}  # what this process has hashed or looked up
_CHECKING = threading.Event()

Mark = tuple[int, int, int, int]


def mark(path: Path) -> Mark:
    """Size, time of the last write, inode and time of the last change of a file.

    Writing a file in place, putting another in its place, and setting its time back each change at least one of the four.

    Raises
    ------
    OSError
        Where it is not there.
    """
    told = path.stat()
    return told.st_size, told.st_mtime_ns, told.st_ino, told.st_ctime_ns


def marks(paths: Iterable[Path]) -> str:
    """One short word for the marks of several files; another one as soon as one of them changes, comes or goes."""
    found = []
    for path in paths:
        with contextlib.suppress(OSError, ValueError):
            found.append([str(path), *mark(path)])
    return hashlib.sha256(json.dumps(found).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def file_hash(path: Path) -> str:
    """sha256 of a file, remembered as long as its :func:`mark` stays the same.

    Weights of many gigabytes are read through once. What is remembered is compared with the file again, in the background, where
    that was last done more than a week ago (:func:`recheck`): a disk can lose a bit without telling.
    """
    path = path.resolve()
    name, seen = str(path), list(mark(path))
    with _LOCK:
        if not _HERE:
            _HERE.update(_remembered())
        known = _HERE.get(name)
    if known is not None and known[:4] == seen:
        if time.time() - known[5] > _AGE:
            _recheck_later()
        return known[4]
    digest = _digest(path)
    if list(mark(path)) == seen:  # not written to meanwhile
        _remember({name: [*seen, digest, time.time()]})
    return digest


def recheck(older_than: float = _AGE) -> list[Path]:
    """Compare remembered hashes with the files they are of.

    Parameters
    ----------
    older_than : float
        Seconds since the last comparison; younger ones are left alone.

    Returns
    -------
    list of Path
        Files whose content is another although nobody changed them; their new hash is remembered, so that nothing
        that was computed from what they held before is shown for them.
    """
    wrong, fresh, gone = [], {}, []
    for name, known in _remembered().items():
        if time.time() - known[5] < older_than:
            continue
        path = Path(name)
        try:
            seen = list(mark(path))
            if seen != known[:4]:
                gone.append(name)  # changed: hashed again when it is next asked for
                continue
            digest = _digest(path)
        except OSError:
            gone.append(name)
            continue
        if digest != known[4]:
            wrong.append(path)
            _LOG.warning(
                "%s holds other bytes than when it was first read: the disk may be failing", path
            )
        fresh[name] = [*seen, digest, time.time()]
    _remember(fresh, gone)
    return wrong


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _remembered() -> dict[str, list]:
    """What earlier processes wrote down; damaged entries do not count."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        told = json.loads((home("cache") / _MEMORY).read_text(encoding="utf-8"))
        return {name: known for name, known in told.items() if _sound(known)}
    return {}


def _sound(known: object) -> bool:
    """Four numbers, a hash over the entry that is as long as one, and a time."""
    return (
        isinstance(known, list)
        and len(known) == 6
        and all(isinstance(one, int) for one in known[:4])
        and isinstance(known[4], str)
        and len(known[4]) == 64
        and isinstance(known[5], int | float)
    )


def _remember(fresh: dict[str, list], gone: Iterable[str] = ()) -> None:
    """Write it down for other processes; where that cannot be, this process knows it all the same."""
    from filelock import FileLock, Timeout

    gone = set(gone)
    with _LOCK:
        _HERE.update(fresh)
        for name in gone:
            _HERE.pop(name, None)
    with contextlib.suppress(OSError, Timeout):
        memory = home("cache") / _MEMORY
        with FileLock(f"{memory}.lock", timeout=10, mode=0o666):
            kept = {name: known for name, known in _remembered().items() if name not in gone}
            with atomic(memory) as part:
                part.write_text(json.dumps({**kept, **fresh}), encoding="utf-8")


def _recheck_later() -> None:
    """Once in a process, beside its work."""
    if _CHECKING.is_set():
        return
    _CHECKING.set()
    threading.Thread(target=recheck, name="recheck-hashes", daemon=True).start()
