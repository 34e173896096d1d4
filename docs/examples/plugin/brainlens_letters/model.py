"""A model: how often each letter stands in a stimulus."""

from __future__ import annotations

import string

import numpy as np

from analysis.models.base import Card, Model

__all__ = ["LetterCounts"]

ID = "letter-counts"


class LetterCounts(Model):
    """One layer with 26 units, the counts of a to z in the stimulus; nothing is learned and nothing is downloaded."""

    card = Card(
        id=ID, cls="embedding", family="letters", layers=0, width=26, parameters=0, source="built"
    )

    @classmethod
    def named(cls, name):
        return cls.card if name == ID else None

    @classmethod
    def offered(cls):
        return (cls.card,)

    @classmethod
    def open(cls, card, path, variant):
        return cls()

    id = ID
    fingerprint = (
        "letters-1"  # raised whenever the numbers change, so that no stored score is stale
    )
    widths = (26,)

    def read(
        self, passages, layers, *, pooling="last", attention="prefix", dtype="float32", report=None
    ):
        for passage in passages:
            texts = [passage.text[start:end].lower() for start, end in passage.spans]
            counts = [[text.count(letter) for letter in string.ascii_lowercase] for text in texts]
            yield np.asarray(passage.rows), [np.array(counts, np.float32) for _ in layers]
