"""One gate for every path that comes from outside: links, bookmarks, typed fields, names of models and recordings.

On a user's own machine any file may be named. Where the page is served to others (``BRAINLENS_ADDRESS`` is another address than
this machine's own, or ``BRAINLENS_SERVED=1``) only files of one's own folder, of the library, of the shared folder and of the
mirror may; whatever else is named is answered as if it were not there.
"""

from __future__ import annotations

import os
from pathlib import Path

from data.home import home, mirror, personal, shared

__all__ = ["beyond", "existing", "may_be_named", "served"]

_HERE = ("", "localhost", "127.0.0.1", "::1")


def served() -> bool:
    """Whether the page is served to people on other machines."""
    told = os.environ.get("BRAINLENS_SERVED", "")
    return told == "1" or beyond(os.environ.get("BRAINLENS_ADDRESS", ""))


def beyond(address: str) -> bool:
    """Whether a page at this address can be reached from other machines."""
    return address not in _HERE


def may_be_named(path: str | Path) -> bool:
    """Whether somebody outside may name this file; links are followed first, and what cannot be a path may not."""
    if not served():
        return True
    try:
        place = Path(path).expanduser().resolve()
        return any(place.is_relative_to(root) for root in _roots())
    except (OSError, ValueError, RuntimeError):
        return False


def existing(name: str | Path) -> Path | None:
    """The file or folder of that name where there is one and it may be named; else None, whatever the reason."""
    try:
        path = Path(name).expanduser()
        return path if str(name).strip() and path.exists() and may_be_named(path) else None
    except (
        OSError,
        ValueError,
        RuntimeError,
    ):  # no file can have such a name, or nobody has such a home
        return None


def _roots() -> list[Path]:
    folders = [personal(), home("models"), home("recordings")]
    if (common := shared()) is not None:
        folders += [common / "models", common / "recordings"]
    if (place := mirror()) and not place.startswith(("http://", "https://")):
        folders.append(Path(place))
    return [folder.resolve() for folder in folders]
