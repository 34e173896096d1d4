"""ZIP archives of users: opened, or refused in words."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from data.errors import BrainLensError

__all__ = ["DAMAGE", "unpacking"]

DAMAGE = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError, OSError, KeyError, ValueError,
)  # fmt: skip
"""What opening and unpacking a damaged ZIP archive raises (a UnicodeError is a ValueError)."""


@contextmanager
def unpacking(path: Path) -> Iterator[zipfile.ZipFile]:
    """The open archive; whatever is wrong with it while it is read becomes one message.

    Raises
    ------
    BrainLensError
        Where it is no ZIP archive, damaged, encrypted, or packed in a way that Python does not know.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except (BrainLensError, MemoryError):
        raise
    except DAMAGE as error:
        raise BrainLensError(
            f"{Path(path).name} is an archive that cannot be unpacked: {error}",
            remedy="Download or pack it again",
        ) from None
