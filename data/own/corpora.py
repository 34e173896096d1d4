"""Several corpora in one table: which there are, and the rows of the one that is named."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from data.errors import BrainLensError, unknown
from data.own.tables import Table
from data.recording import KINDS

__all__ = ["corpora", "one_corpus"]


def corpora(frame: pd.DataFrame) -> list[str]:
    """The values of a column ``corpus``, in their order; none where there is no such column."""
    column = _corpus_column(frame)
    return [] if column is None else list(pd.unique(frame[column].dropna().astype(str).str.strip()))


def _corpus_column(frame: pd.DataFrame) -> str | None:
    return next((column for column in frame.columns if str(column).lower() == "corpus"), None)


def one_corpus(table: Table, said: Mapping) -> tuple[Table, dict]:
    """The rows of the corpus that is named; several corpora are one recording only where they are said to be groups."""
    name, column, there = table.path.name, _corpus_column(table.frame), corpora(table.frame)
    wanted = said.get("corpus")
    if not wanted:
        named = [said.get(key) or [] for key in ("text", "responses", "group", "context", "within")]
        named = {
            part.strip()
            for one in named
            for part in (one.split(",") if isinstance(one, str) else one)
        }
        if len(there) < 2 or column in named:
            return table, dict(said)
        raise BrainLensError(
            f"{name} holds {len(there)} corpora, whose texts must not be taken for one",
            choices=there,
            remedy=f"Name one, as in {name}#{there[0]} (corpus={there[0]!r} in Python and in the sidecar), "
            f"or name {column} among the groups and contexts",
        )
    if column is None:
        raise BrainLensError(
            f"{name} has no column 'corpus' to find {wanted!r} in",
            choices=table.frame.columns,
            remedy=f"Read {name} as it is",
        )
    which, kind = wanted, None
    if which not in there:
        which, _, kind = wanted.rpartition(":")
    if which not in there:
        raise unknown(f"corpus of {name}", wanted, there)
    if kind is not None and kind not in KINDS:
        raise unknown("kind of recording", kind, KINDS)
    rows = np.flatnonzero(table.frame[column].astype(str).str.strip() == which)
    own = {"id": f"{name.split('.')[0]}-{which}".replace("_", "-").lower()}
    return table.part(rows), {**own, **said, **({"kind": kind} if kind else {})}
