"""ZIP archives of users: opened, or refused in words."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from data.errors import BrainLensError

__all__ = ["unpacking"]

_DAMAGE = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError, UnicodeError, OSError, KeyError,
)  # fmt: skip


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
    except (*_DAMAGE, ValueError) as error:
        raise BrainLensError(
            f"{Path(path).name} is an archive that cannot be unpacked: {error}",
            remedy="Download or pack it again",
        ) from None
