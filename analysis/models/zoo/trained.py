"""What trainings of parts of models left on the disk: how much it is, and giving its room back."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from data.files import weighed
from data.home import home
from data.rights import require

__all__ = ["clear", "held"]


def _items() -> Iterator[Path]:
    """Folders of trainings, and texts cut into the pieces of other tokenizers."""
    for path in sorted(home("wiring").glob("*")):
        if not path.name.startswith(".") and (path.is_dir() or path.suffix == ".npy"):
            yield path


def held() -> tuple[int, int]:
    """How many trainings are kept, and the bytes of all."""
    items = list(_items())
    return sum(path.is_dir() for path in items), sum(map(weighed, items))


def clear() -> int:
    """Delete them; what is being trained now stays. Scores of what was trained are not lost.

    Returns
    -------
    int
        Bytes given back.
    """
    from filelock import FileLock, Timeout

    require("clear")
    freed = 0
    for path in list(_items()):
        try:
            with FileLock(path.with_name(f"{path.stem}.lock"), timeout=0, mode=0o666):
                size, away = weighed(path), path.with_name(f".gone-{uuid.uuid4().hex[:8]}")
                path.rename(away)
        except (Timeout, OSError):
            continue
        if away.is_dir():
            shutil.rmtree(away, ignore_errors=True)
        else:
            away.unlink(missing_ok=True)
        freed += size
    return freed
