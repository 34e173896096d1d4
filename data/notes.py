"""Notes on a recording: sentences for people, each with its kind for the code that has to know."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["AVERAGE", "FILTER", "INFERRED", "REPORTED", "SUPPOSED", "Note", "kind_of", "of_kind"]

AVERAGE = "average"
"""The responses are averages over people, as was said."""
SUPPOSED = "supposed average"
"""They are taken as such, since nothing says whose they are."""
REPORTED = "reported"
"""The report on a file counts the same, with the lines."""
FILTER = "filter"
"""What a filter left out."""
INFERRED = "inferred"
"""The direction of a realignment was inferred from the data."""


class Note(str):
    """A sentence, and what kind of note it is.

    Examples
    --------
    >>> kind_of(Note("filter none", FILTER)), kind_of("any other sentence")
    ('filter', '')
    """

    kind: str

    def __new__(cls, text: str, kind: str) -> Note:
        """The sentence with its kind."""
        made = super().__new__(cls, text)
        made.kind = kind
        return made

    def __getnewargs__(self) -> tuple[str, str]:
        """What another process makes it from."""
        return str(self), self.kind


def kind_of(note: str) -> str:
    """The kind of a note; "" of a plain sentence."""
    return getattr(note, "kind", "")


def of_kind(notes: Iterable[str], *kinds: str) -> list[str]:
    """Those notes that are of one of these kinds."""
    return [note for note in notes if kind_of(note) in kinds]
