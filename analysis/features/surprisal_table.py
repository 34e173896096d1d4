"""Surprisals that another tool wrote stand in for a model: minicons, lm-zoo, pangoling, or any table of words or tokens."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from analysis.models.base import Card, Model, TokenSurprisal
from analysis.models.variants.spec import Variant
from analysis.progress import SILENT, Report
from data.errors import BrainLensError
from data.hashes import file_hash, marks
from data.own.tables import numbers, read_table

__all__ = ["ENDINGS", "SurprisalTable", "holds_surprisals"]

ENDINGS = (".csv", ".tsv")
TOKENS = ("token", "word", "words")
BITS = ("surprisal_bits", "surprisal_bit", "surprisal_base2", "bits")
NATS = ("surprisal_nats", "surprisal_nat", "nats")
LOGS = ("lp", "pred", "logprob", "log_prob", "log_p", "logp")
"""Natural logarithms of probabilities, as pangoling and others write them."""
LM_ZOO = {"sentence_id", "token_id", "token", "surprisal"}
OWN = {"passage", "text", "surprisal", "uncorrected"}
"""What ``brainlens surprisal`` writes of texts, in bits."""
PLAIN = "surprisal"
LN2 = float(np.log(2))
_SPECIAL = (
    "<|endoftext|>",
    "<s>",
    "</s>",
    "<bos>",
    "<eos>",
    "<|begin_of_text|>",
    "[CLS]",
    "[SEP]",
    "<pad>",
    "[PAD]",
)
_MARKS = str.maketrans("", "", "\u0120\u010a\u2581\u00a0")


@dataclass(frozen=True)
class _Table:
    """Tokens without white space and case, and their surprisals in nats."""

    tokens: list[str]
    nats: np.ndarray
    note: str


def holds_surprisals(path: Path) -> bool:
    """Whether the header of a table names tokens (or words) and their surprisals or log probabilities."""
    if path.suffix.lower() not in ENDINGS or not path.is_file():
        return False
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            head = file.readline()
    except OSError:
        return False
    names = {
        part.strip().strip("\"'").lower()
        for part in head.replace("\t", ",").replace(";", ",").split(",")
    }
    return (
        bool(names & set(TOKENS))
        and bool(names & {*BITS, *NATS, *LOGS, PLAIN})
        and "stimulus" not in names
    )


class SurprisalTable(Model):
    """A table of surprisals with the face of a model: it predicts the words that are in it and reads nothing.

    Rows follow the texts; each is a word or a piece of one. A text is found in the table by its characters, without regard to
    white space, case and the marks that tokenizers put before words.

    Parameters
    ----------
    card : Card
    path : Path
        ``.csv`` or ``.tsv`` with a column ``token`` or ``word`` and one of ``surprisal_bits``, ``surprisal_nats``, natural log
        probabilities (``lp``, ``pred``, ``logprob``), or lm-zoo's ``sentence_id, token_id, token, surprisal`` (bits).
    """

    endings = ENDINGS

    @classmethod
    def claims(cls, path: Path) -> bool:
        """A table whose header names tokens and surprisals."""
        return holds_surprisals(path)

    @classmethod
    def describe(cls, path: Path, name: str) -> Card:
        """The card of a table."""
        note = _read(path).note
        return Card(
            id=path.stem.lower(),
            cls="table",
            family=path.stem.lower(),
            source="folder",
            layers=None,
            parameters=0,
            note=note,
        )

    @classmethod
    def open(cls, card: Card, path: Path | None, variant: Variant) -> SurprisalTable:
        """The reader.

        Raises
        ------
        BrainLensError
            For a variant: numbers cannot be read otherwise.
        """
        if variant:
            raise BrainLensError(
                f"{card.id} holds surprisals and has no variant {variant}",
                remedy="Leave the variant out",
            )
        return cls(card, path)

    def __init__(self, card: Card, path):
        self.card, self.path, self.id = card, Path(path), card.id

    @property
    def widths(self) -> tuple[int, ...]:
        """None: it has no activations."""
        return ()

    @property
    def fingerprint(self) -> str:
        """Hash of the file."""
        return file_hash(self.path)

    def surprisal(
        self,
        texts,
        *,
        window: int | None = None,
        stride: int | None = None,
        report: Report = SILENT,
    ) -> list[TokenSurprisal]:
        """Surprisal of every row of the table that belongs to a text.

        Raises
        ------
        BrainLensError
            Where a text is not in the table, with the place up to which it is; where it is there twice with other numbers.
        """
        table = _read(self.path)
        starts = np.concatenate([[0], np.cumsum([len(token) for token in table.tokens])])
        whole, at = "".join(table.tokens), {int(start): row for row, start in enumerate(starts)}
        return [self._found(text, table, whole, starts, at) for text in texts]

    def _found(
        self, text: str, table: _Table, whole: str, starts: np.ndarray, at: dict
    ) -> TokenSurprisal:
        plain = [(folded, place) for place, c in enumerate(text) for folded in _plain(c)]
        wanted = "".join(c for c, _ in plain)
        rows: list[tuple[int, int]] = []
        start = whole.find(wanted) if wanted else -1
        while start >= 0:
            if start in at and start + len(wanted) in at:
                rows.append((at[start], at[start + len(wanted)]))
            start = whole.find(wanted, start + 1)
        if not rows:
            raise self._missing(text, wanted, whole)
        first, last = rows[0]
        for other, end in rows[1:]:
            if end - other != last - first or not np.array_equal(
                table.nats[other:end], table.nats[first:last], equal_nan=True
            ):
                raise BrainLensError(
                    f"{self.path.name} holds {text[:40]!r} {len(rows)} times with different surprisals",
                    remedy="Keep the rows of the texts that were read, or set context to what stands in one piece",
                )
        kept = [row for row in range(first, last) if table.tokens[row]]
        places = [place for _, place in plain]
        offsets = []
        for row in kept:
            a, b = starts[row] - starts[first], starts[row + 1] - starts[first]
            offsets.append((places[a], places[b - 1] + 1))
        return TokenSurprisal(
            np.asarray(offsets, int).reshape(-1, 2),
            table.nats[kept],
            np.full(len(kept) + 1, np.nan),
        )

    def _missing(self, text: str, wanted: str, whole: str) -> BrainLensError:
        low, high = 0, len(wanted)
        while low < high:  # the longest begin of the text that stands somewhere
            middle = (low + high + 1) // 2
            low, high = (middle, high) if wanted[:middle] in whole else (low, middle - 1)
        return BrainLensError(
            f"{self.path.name} does not hold the text {text[:40]!r} as it stands: it agrees for {low} of {len(wanted)} "
            f"characters, up to {wanted[max(0, low - 20) : low]!r}, then comes {wanted[low : low + 20]!r}",
            remedy="Give one row for each word or token, in the texts' order, and the texts as the recording has them",
        )


def _plain(text: str) -> str:
    return "".join(text.translate(_MARKS).split()).casefold()


def _token(value) -> str:
    text = str(value)
    if text in _SPECIAL:
        return ""
    text = text.removesuffix("</w>")
    return _plain(text[2:] if text.startswith("##") and len(text) > 2 else text)


def _read(path: Path) -> _Table:
    return _parsed(path, marks([path]))


@lru_cache(maxsize=8)
def _parsed(path: Path, held: str) -> _Table:
    raw = read_table(path, texts=(*TOKENS, "text"))
    raw.frame.columns = [str(name).strip().lower() for name in raw.frame.columns]
    names = list(raw.frame.columns)
    own = set(names) >= OWN
    words = "text" if own else next((name for name in TOKENS if name in names), None)
    kind = next((name for name in (*BITS, *NATS, *LOGS, PLAIN) if name in names), None)
    if words is None or kind is None:
        raise BrainLensError(
            f"{path.name} names no tokens with surprisals",
            choices=names,
            remedy="Give a column 'token' or 'word' and 'surprisal_bits' or 'surprisal_nats'",
        )
    if kind == PLAIN and not (own or set(names) >= LM_ZOO):
        raise BrainLensError(
            f"{path.name}: 'surprisal' may be in bits or in nats (minicons writes nats unless base_two is set)",
            remedy="Name the column surprisal_bits or surprisal_nats",
        )
    values = numbers(raw, kind).astype(float)
    if kind in LOGS:
        if (values > 0).any():
            raise BrainLensError(
                f"{path.name}: {kind!r} holds values above 0, which no logarithm of a probability is",
                remedy="Name the column surprisal_bits or surprisal_nats if it holds surprisals",
            )
        nats, note = -values, f"{kind} taken as natural logarithms of probabilities"
    elif kind in NATS:
        nats, note = values, "surprisal in nats"
    else:
        nats = values * LN2
        note = "surprisal in bits" + (", as lm-zoo writes it" if kind == PLAIN and not own else "")
    if (nats < -1e-9).any():
        raise BrainLensError(
            f"{path.name}: surprisals below 0, first {values[int(np.argmax(nats < -1e-9))]:g}",
            remedy="Name log probabilities 'logprob'; surprisals are never negative",
        )
    tokens = [_token(value) for value in raw.frame[words]]
    return _Table(tokens, np.asarray(nats), f"surprisals from a table; {note}")
