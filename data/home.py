"""Where things live on this machine."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_data_dir

__all__ = ["find", "home", "mirror", "shared"]


def home(*parts: str) -> Path:
    """A folder under ``BRAINLENS_HOME`` (default: the platform's user data folder), made where it is missing."""
    base = Path(os.environ.get("BRAINLENS_HOME") or user_data_dir("brainlens", appauthor=False)).expanduser()
    folder = base.joinpath(*parts)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def shared() -> Path | None:
    """The read-only folder of ``BRAINLENS_SHARED``, laid out like :func:`home`, that a lab fills once for everybody."""
    folder = os.environ.get("BRAINLENS_SHARED", "").strip()
    return Path(folder).expanduser() if folder else None


def find(*parts: str) -> Path | None:
    """An existing file or folder of that name under the user's home, else under the shared folder, else None."""
    for base in (home(), shared()):
        if base is not None and (path := base.joinpath(*parts)).exists():
            return path
    return None


def mirror() -> str:
    """The folder or URL of ``BRAINLENS_MIRROR`` that stands in for the network, or an empty string."""
    return os.environ.get("BRAINLENS_MIRROR", "").strip()
