"""Small things that a person keeps by name: bookmarks, colours."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from data.files import Damaged, atomic, in_words, read_json, touched, written_json
from data.home import personal
from data.rights import require_room

__all__ = ["Kept"]

_LOG = logging.getLogger("brainlens.kept")


class Kept:
    """Texts by name in a JSON file of the person's own folder.

    Parameters
    ----------
    name : str
        Of the file, without its ending; what it holds, in messages.
    """

    def __init__(self, name: str):
        self._name = name

    @property
    def path(self) -> Path:
        """The file of the person in front."""
        return personal() / f"{self._name}.json"

    def read(self) -> dict[str, str]:
        """Name -> text, in the order they were kept.

        A damaged file is put aside under another name, so that new ones can be kept.
        """
        path = self.path
        try:
            found = read_json(path.read_text(encoding="utf-8"))
            if isinstance(
                inside := found.get("kept"), dict
            ):  # else names alone, as older ones were
                found = inside
            return {str(name): str(text) for name, text in found.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, Damaged) as error:
            aside = path.with_name(f"{self._name}-damaged-{touched(path):.6f}.json")
            _LOG.warning(
                "The %s cannot be read (%s); they are put aside as %s", self._name, error, aside
            )
            with contextlib.suppress(OSError):
                path.replace(aside)
            return {}

    @contextmanager
    def changing(self) -> Iterator[dict[str, str]]:
        """What is kept, to be changed inside; two windows that do so at once do not lose each other's.

        Raises
        ------
        BrainLensError
            Where the folder cannot be written to, or the person's quota is used up.
        """
        lock = FileLock(self.path.with_suffix(".lock"), timeout=10)
        with in_words(personal()), lock:
            found = self.read()
            yield found
            content = written_json({"kept": found})
            more = len(content) - (self.path.stat().st_size if self.path.is_file() else 0)
            if more > 0:
                require_room(more)
            with atomic(self.path) as path:
                path.write_text(content, encoding="utf-8")
