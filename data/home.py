"""Where things live on this machine."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from urllib.parse import unquote, urlsplit

from platformdirs import user_data_dir

from data.errors import BrainLensError

__all__ = [
    "acting_for",
    "ask_person",
    "find",
    "for_person",
    "home",
    "mirror",
    "person",
    "personal",
    "place",
    "shared",
]


def home(*parts: str) -> Path:
    """A folder under ``BRAINLENS_HOME`` (default: the platform's user data folder), made where it is missing.

    Raises
    ------
    BrainLensError
        Where it cannot be made: a file stands in its place, or nothing may be written there.
    """
    base = Path(
        os.environ.get("BRAINLENS_HOME") or user_data_dir("brainlens", appauthor=False)
    ).expanduser()
    folder = base.joinpath(*parts)
    if os.path.isdir(folder):
        return folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        why = (
            "a file stands in its place"
            if isinstance(error, FileExistsError | NotADirectoryError)
            else error.strerror or error
        )
        raise BrainLensError(
            f"The folder {folder} for data and results cannot be made: {why}",
            remedy="Set BRAINLENS_HOME to a folder in which you may write",
        ) from None
    return folder


_PERSON: ContextVar[str | None] = ContextVar("brainlens_person", default=None)
_ASKED: list[Callable[[], str]] = []


@contextmanager
def acting_for(name: str | None) -> Iterator[None]:
    """Everything inside belongs to this person of a lab's server."""
    token = _PERSON.set(name)
    try:
        yield
    finally:
        _PERSON.reset(token)


def for_person(name: str, work: Callable, *given):
    """Do a piece of work for somebody, in another process too."""
    with acting_for(name):
        return work(*given)


def ask_person(who: Callable[[], str]) -> None:
    """Who is asked for the person in front, where nobody said it (:func:`acting_for`): a server's sessions."""
    _ASKED[:] = [who]


def person() -> str:
    """The person of a lab's server for whom this is done; empty on a machine of one's own."""
    told = _PERSON.get()
    return told if told is not None else _ASKED[0]() if _ASKED else ""


def personal(*parts: str) -> Path:
    """A folder of the person's own: bookmarks, uploads, results; :func:`home` itself on a machine of one's own."""
    name = person()
    if not name:
        return home(*parts)
    plain = re.sub(r"[^A-Za-z0-9-]+", "-", name).strip("-")[:40]
    mark = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return home("people", f"{plain}-{mark}", *parts)


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
    """The folder or URL of ``BRAINLENS_MIRROR`` that stands in for the network, or an empty string; see :func:`place`."""
    return place(os.environ.get("BRAINLENS_MIRROR", ""))


def place(text: str) -> str:
    """A mirror as it is used: an address of ``http`` or ``https`` as it stands, a folder or ``file://`` as a path.

    Raises
    ------
    BrainLensError
        For an address of another kind.
    """
    text = text.strip()
    kind = re.match(r"([A-Za-z][A-Za-z0-9+.-]+):/", text)  # one letter is the drive of a path
    if kind is None:
        return str(Path(text).expanduser()) if text else ""
    if (scheme := kind[1].lower()) in ("http", "https"):
        return text
    address = urlsplit(text)
    if scheme == "file" and address.netloc in ("", "localhost"):
        return unquote(address.path)
    raise BrainLensError(
        f"The mirror {text!r} is neither a folder nor an address that can be read",
        choices=("a folder", "http://", "https://", "file:///"),
        remedy="Give one of these, or leave the mirror out",
    )
