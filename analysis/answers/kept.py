"""Answers about one model that were finished before: found in the store without loading weights and without computing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from analysis.features.divergence import CODE_VERSION as DIVERGENCE
from analysis.features.surprisal import CODE_VERSION as SURPRISAL
from analysis.models import Model, load
from analysis.models.catalog import state
from analysis.protocol import Protocol
from analysis.reading.source import corpus as as_corpus
from analysis.scoring.keys import cell_numbers, score_key
from analysis.scoring.lock import require_open
from analysis.store.keys import READING, content_key, packages
from analysis.store.promises import Locked
from analysis.store.store import Store
from analysis.store.told import find_told, keep_told
from data.recording import Recording

__all__ = ["Kept", "here"]

CODE_VERSION = 1


class Kept:
    """The place of one finished answer.

    Parameters
    ----------
    kind : str
        Of the answer.
    readers : sequence of Model
        Whose numbers are in it.
    recording : Recording
    protocol : Protocol
    text : str
        Whose bits per byte are in it; empty: none.
    corpus : Recording or str
        Whose reading times are in it; empty: none.
    more : tuple
        What else it depends on.
    """

    def __init__(
        self,
        kind: str,
        readers: Sequence[Model],
        recording: Recording,
        protocol: Protocol,
        text: str = "",
        corpus: Recording | str = "",
        more: tuple = (),
        *,
        store: Store,
    ):
        self._readers, self._store = readers, store
        self._cells = [(recording, protocol)]
        if corpus:
            self._cells.append((as_corpus(corpus), Protocol()))
        who = [(one.identity, score_key(one, recording, protocol)) for one in readers]
        heard = [one.content_hash for one, _ in self._cells]
        code = (CODE_VERSION, SURPRISAL, DIVERGENCE, packages(READING))
        self._key = content_key("answer", kind, *code, who, heard, text, *more)

    def find(self) -> dict | None:
        """What was kept, or None.

        Raises
        ------
        analysis.store.promises.Locked
            Where the brain score of a reader is locked; where only other numbers in it are, nothing is found.
        """
        for reader in self._readers:
            require_open(reader, *self._cells[0], self._store)
        try:
            return find_told(self._store, self._key)
        except Locked:
            return None

    def keep(self, told: Mapping) -> None:
        """Keep plain values; they are refused like the scores that they tell of."""
        cells = [(reader, *on) for reader in self._readers for on in self._cells]
        numbers = [key for cell in cells for key in cell_numbers(*cell)]
        keep_told(self._store, self._key, told, numbers=list(dict.fromkeys(numbers)))


def here(names: Sequence[str]) -> list[Model] | None:
    """The readers of these names, or None where one would have to be fetched first."""
    absent = any(state(one) == "needs download" for one in names)
    return None if absent else [load(one) for one in names]
