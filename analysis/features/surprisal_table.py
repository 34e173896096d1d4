"""Surprisals that another tool wrote stand in for a model: minicons, llm_surprisal, lm-zoo, pangoling, or any table of tokens."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from analysis.models.base import Card, Model, TokenSurprisal
from analysis.models.files.cards import read_card
from analysis.models.variants.spec import Variant
from analysis.progress import SILENT, Report
from data.errors import BrainLensError, unknown
from data.hashes import file_hash, marks
from data.own.sidecar import SIDECAR, sidecar
from data.own.tables import Table, numbers, read_table

__all__ = [
    "ENDINGS",
    "UNITS",
    "SurprisalTable",
    "holds_surprisals",
    "only_surprisals",
    "unit_asked",
]

ENDINGS = (".csv", ".tsv")
TOKENS = ("token", "word", "words", "w")
NATS_OF = {"bits": float(np.log(2)), "nats": 1.0, "bans": float(np.log(10))}
"""Unit -> nats; the unit of a logarithm follows from its base: 2, e, 10."""
SURPRISALS = {
    **dict.fromkeys(("surprisal_bits", "surprisal_bit", "surprisal_base2", "bits"), "bits"),
    **dict.fromkeys(("surprisal_nats", "surprisal_nat", "nats"), "nats"),
}
"""Column -> the unit of its surprisals."""
LOGS = {
    **dict.fromkeys(("log2prob", "log2_prob", "log2_p", "logprob_base2"), "bits"),
    **dict.fromkeys(("lp", "pred", "lnprob", "ln_prob", "ln_p"), "nats"),
    **dict.fromkeys(("log10prob", "log10_prob", "log10_p", "logprob_base10"), "bans"),
}
"""Column -> the unit of its log probabilities; pangoling writes natural ones."""
PLAIN = "surprisal"
PLAIN_LOGS = ("logprob", "log_prob", "log_p", "logp")
"""Log probabilities whose base no name tells: most tools write natural ones, n-gram tools those of base 10."""
NAMES = (*SURPRISALS, *LOGS, *PLAIN_LOGS, PLAIN)
"""Columns of surprisals and log probabilities; the first one that a table has is taken."""
IN_BITS = {
    "lm-zoo": {"sentence_id", "token_id", "token", "surprisal"},
    "llm_surprisal": {"item", "idx", "token", "surprisal"},
    "llm_surprisal, as it was": {"item", "wn", "w", "surprisal"},
}
"""Tools whose column ``surprisal`` is in bits, known by the columns that they write."""
COUNTERS = {
    "item", "idx", "wn", "sentence_id", "token_id", "word_id", "sent_id", "sentence", "passage", "text_id", "text_number",
    "stimulus", "position", "start", "end", "model", "id", "n", "uncorrected", "text", "",
}  # fmt: skip
"""Columns that say where a token stands and measure nothing."""
OWN = {"passage", "text", "surprisal", "uncorrected"}
"""What ``brainlens surprisal`` writes of texts, in bits."""
UNITS = tuple(NATS_OF)
"""What the field ``unit`` of a table's sidecar says of a column whose name tells no unit."""
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


def _header(path: Path) -> set[str]:
    """Names of the columns in lower case; none where it is no text table."""
    if path.suffix.lower() not in ENDINGS or not path.is_file():
        return set()
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            head = file.readline()
    except OSError:
        return set()
    return {
        part.strip().strip("\"'").lower()
        for part in head.replace("\t", ",").replace(";", ",").split(",")
    }


def unit_asked(path: Path) -> str:
    """What is not known of the unit of a table's surprisals; "" where its column, the tool or the file beside it says it."""
    names = _header(path)
    column = next((name for name in NAMES if name in names), "")
    told = _unit_of(column, names) or sidecar(path).get("unit") in UNITS
    return "" if told else _question(column)


def _question(column: str) -> str:
    if column == PLAIN:
        return "'surprisal' may be in bits or in nats (minicons writes nats unless base_two is set)"
    return f"{column!r} may be of base 2, e or 10 (most tools write natural logarithms, SRILM and KenLM decimal ones)"


def _unit_of(column: str, names: set[str]) -> str:
    """The unit that the name of a column tells, or the tool that wrote these columns; "" where neither does."""
    by_tool = names >= OWN or _tool(names)
    return {**SURPRISALS, **LOGS}.get(column, "bits" if column == PLAIN and by_tool else "")


def _tool(names: set[str]) -> str:
    return next((tool for tool, columns in IN_BITS.items() if names >= columns), "")


def only_surprisals(path: Path) -> bool:
    """Whether a table holds tokens with their surprisals and nothing that was measured: it is no recording."""
    others = _header(path) - {*TOKENS, *NAMES, *COUNTERS}
    return holds_surprisals(path) and not others


def holds_surprisals(path: Path) -> bool:
    """Whether the header of a table names tokens (or words) and their surprisals or log probabilities."""
    names = _header(path)
    return bool(names & set(TOKENS)) and bool(names & set(NAMES)) and "stimulus" not in names


class SurprisalTable(Model):
    """A table of surprisals with the face of a model: it predicts the words that are in it and reads nothing.

    Rows follow the texts; each is a word or a piece of one. A text is found in the table by its characters, without regard to
    white space, case and the marks that tokenizers put before words.

    Parameters
    ----------
    card : Card
    path : Path
        ``.csv`` or ``.tsv`` with a column ``token`` or ``word`` and one of :data:`SURPRISALS` or :data:`LOGS`, one of
        :data:`PLAIN_LOGS` or ``surprisal`` with its unit said beside the file, or the columns of a tool that writes bits
        (:data:`IN_BITS`). Or a folder of the models folder that holds such a table beside its card.
    """

    endings = ENDINGS

    @classmethod
    def claims(cls, path: Path) -> bool:
        """A table whose header names tokens and surprisals."""
        return holds_surprisals(path)

    @classmethod
    def describe(cls, path: Path, name: str) -> Card:
        """The card of a table."""
        note = _read(_file(path)).note
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
        assert path is not None  # a table is a file
        return cls(card, _file(path))

    def __init__(self, card: Card, path):
        self.card, self.path, self.id = card, Path(path), card.id

    @property
    def widths(self) -> tuple[int, ...]:
        """None: it has no activations."""
        return ()

    @property
    def fingerprint(self) -> str:
        """Hash of the file, and the unit that was told beside it."""
        return "|".join(filter(None, [file_hash(self.path), sidecar(self.path).get("unit", "")]))

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


def _file(path: Path) -> Path:
    """The table itself, where a folder of the models folder holds it beside its card."""
    return (
        path / Path(str(read_card(path / "card.json").get("file", ""))).name
        if path.is_dir()
        else path
    )


def _agree(raw: Table, names: list[str]) -> None:
    """Refuse columns of bits and of nats that are not the same surprisals."""
    of = {unit: name for name, unit in reversed(SURPRISALS.items()) if name in names}
    if len(of) < 2:
        return
    bits, nats = (numbers(raw, of[unit]) * NATS_OF[unit] for unit in ("bits", "nats"))
    if not np.allclose(bits, nats, rtol=0.01, atol=0.01, equal_nan=True):
        raise BrainLensError(
            f"{raw.path.name}: {of['bits']!r} and {of['nats']!r} are not the same surprisals: a bit is "
            f"{NATS_OF['bits']:.4f} nats",
            remedy="Leave out the one that is not right",
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
    return _parsed(path, marks([path, Path(f"{path}{SIDECAR}")]))


@lru_cache(maxsize=8)
def _parsed(path: Path, held: str) -> _Table:
    raw = read_table(path, texts=(*TOKENS, "text"))
    raw.frame.columns = [str(name).strip().lower() for name in raw.frame.columns]
    names = list(raw.frame.columns)
    own = set(names) >= OWN
    words = "text" if own else next((name for name in TOKENS if name in names), None)
    kind = next((name for name in NAMES if name in names), None)
    if words is None or kind is None:
        raise BrainLensError(
            f"{path.name} names no tokens with surprisals",
            choices=names,
            remedy="Give a column 'token' or 'word' and 'surprisal_bits' or 'surprisal_nats'",
        )
    values = numbers(raw, kind).astype(float)
    _agree(raw, names)
    logs = kind in (*LOGS, *PLAIN_LOGS)
    if logs and (values > 0).any():
        raise BrainLensError(
            f"{path.name}: {kind!r} holds values above 0, which no logarithm of a probability is",
            remedy="Name the column surprisal_bits or surprisal_nats if it holds surprisals",
        )
    unit = _unit_of(kind, set(names))
    told = "" if unit else sidecar(path).get("unit", "")
    if told and told not in UNITS:
        raise unknown("unit of surprisals", told, UNITS)
    if not (unit or told):
        raise _asked(path, kind)
    nats = (-values if logs else values) * NATS_OF[unit or told]
    if (nats < -1e-9).any():
        raise BrainLensError(
            f"{path.name}: surprisals below 0, first {values[int(np.argmax(nats < -1e-9))]:g}",
            remedy="Name log probabilities 'lnprob' (natural) or 'log2prob'; surprisals are never negative",
        )
    tokens = [_token(value) for value in raw.frame[words]]
    by = ", as it was told" if told else ""
    if tool := _tool(set(names)) if kind == PLAIN and not told else "":
        by = f", as {tool} writes it"
    what = f"{kind} taken as {_BASES[unit or told]} logarithms of probabilities" if logs else (
        f"surprisal in {unit or told}"
    )  # fmt: skip
    return _Table(tokens, np.asarray(nats), f"surprisals from a table; {what}{by}")


_BASES = {"bits": "binary", "nats": "natural", "bans": "decimal"}


def _asked(path: Path, kind: str) -> BrainLensError:
    """The question for a unit that nothing tells."""
    names, units = "surprisal_bits or surprisal_nats", '{"unit": "nats"}'
    if kind != PLAIN:
        names = "log2prob, lnprob or log10prob"
        units += ' for natural logarithms, "bits" for base 2, "bans" for base 10'
    return BrainLensError(
        f"{path.name}: {_question(kind)}",
        remedy=f"Name the column {names}, or say it beside the file, in {path.name}{SIDECAR}: {units}",
    )
