"""Surprisal of words and stimuli in bits, from any model that gives next-token probabilities."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.models.base import Model, TokenSurprisal
from analysis.progress import SILENT, Report
from analysis.protocol import Protocol
from analysis.store.keys import READING, packages
from analysis.store.store import Store
from analysis.text.alignment import joined, partition
from analysis.text.passages import Passage, passages, words
from data.errors import BrainLensError
from data.recording import Recording

__all__ = [
    "CODE_VERSION",
    "is_stored",
    "kind_of",
    "span_surprisal",
    "token_surprisals",
    "window_of",
    "word_surprisal",
]

CODE_VERSION = 3
GROUP = 16
LN2 = float(np.log(2))


def kind_of(model: Model) -> str:
    """What the numbers of a model are: surprisal, or the pseudo-log-likelihood of a masked one."""
    if model.card.cls == "bidirectional":
        return "pseudo-log-likelihood, within word left to right"
    return "surprisal"


def window_of(model: Model, protocol: Protocol) -> int | None:
    """Tokens of the protocol's window where it narrows what the model sees, else None."""
    return model.reading_options(protocol).get("window")


def token_surprisals(
    model: Model,
    texts: Sequence[str],
    *,
    window: int | None = None,
    stride: int | None = None,
    store: Store | None = None,
    report: Report = SILENT,
) -> list[TokenSurprisal]:
    """Token surprisals of each text, from the store where they are there; a run that was stopped goes on where it was."""
    store = store or Store()
    key = _key(model, texts, window, stride)
    found: list[TokenSurprisal] = []
    with store.lock(key, report):
        for at in range(0, len(texts), GROUP):
            report.step(at, len(texts), "texts")
            piece = store.piece(key, str(at))
            if piece is None:
                scored = model.surprisal(
                    texts[at : at + GROUP], window=window, stride=stride, report=_inner(report)
                )
                arrays = {
                    f"{name}{i}": getattr(s, name)
                    for i, s in enumerate(scored)
                    for name in ("offsets", "nats", "start")
                }
                store.save_piece(key, str(at), **arrays)
                piece = arrays
            found += [
                TokenSurprisal(piece[f"offsets{i}"], piece[f"nats{i}"], piece[f"start{i}"])
                for i in range(len(piece) // 3)
            ]
    report.step(len(texts), len(texts), "texts")
    return found


def is_stored(
    model: Model,
    texts: Sequence[str],
    *,
    window: int | None = None,
    stride: int | None = None,
    store=None,
) -> bool:
    """Whether :func:`token_surprisals` would find everything in the store."""
    key, store = _key(model, texts, window, stride), store or Store()
    return all(store.piece(key, str(at)) is not None for at in range(0, len(texts), GROUP))


def _key(model: Model, texts: Sequence[str], window: int | None, stride: int | None) -> str:
    recipe = [
        CODE_VERSION,
        model.identity,
        packages(READING),
        window,
        stride,
        list(texts),
    ]
    return hashlib.sha256(json.dumps(recipe).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _inner(report: Report) -> Report:
    """The same report for an inner loop: it can be cancelled, and says nothing of its own."""

    class Inner(Report):
        def checkpoint(self) -> None:
            report.checkpoint()

    return Inner()


def span_surprisal(
    text: str, spans: Sequence[tuple[int, int]], tokens: TokenSurprisal
) -> pd.DataFrame:
    """Surprisal of spans of a text.

    Parameters
    ----------
    spans : sequence of (start, end)
        Words or stimuli, in order.

    Returns
    -------
    DataFrame
        One row per span: ``uncorrected`` (bits), ``corrected`` (bits, NaN where the model's words do not carry their space),
        ``tokens``, ``joined`` (bool: shares a token with a neighbour). NaN where a token of the span has nothing before it, and
        where a token spans words, for then only the words together have a probability.

    Notes
    -----
    Uncorrected: -log2 of the product of p(token | all before). Corrected (Oh & Schuler 2024; Pimentel & Meister 2024): that
    product times P(a word starts | context + span) / P(a word starts | context), so that the space after the span belongs to
    it and not the one before; at the start of the text the denominator is 1, and so is each factor where no white space stands
    between two spans (before punctuation and clitics, in scripts without blanks).
    """
    ranges = partition(text, spans, tokens.offsets)
    total = np.concatenate([[0.0], np.cumsum(np.nan_to_num(tokens.nats))])
    unknown = np.concatenate([[0], np.cumsum(np.isnan(tokens.nats))])
    first, last = ranges[:, 0], ranges[:, 1]
    shared = joined(ranges)
    lost = (unknown[last] > unknown[first]) | shared
    nats = np.where(lost, np.nan, total[last] - total[first])
    before = np.where(first == 0, 0.0, tokens.start[first])
    glued = np.where(np.isnan(tokens.start), np.nan, 0.0)
    after = np.where([_parted(text, end) for _, end in spans], tokens.start[last], glued[last])
    before = np.where([_parted(text, start) for start, _ in spans], before, np.zeros(len(first)))
    corrected = nats - after + before
    return pd.DataFrame(
        {
            "uncorrected": nats / LN2,
            "corrected": corrected / LN2,
            "tokens": last - first,
            "joined": shared,
        }
    )


def _parted(text: str, place: int) -> bool:
    """Whether a word may begin here: at the ends of the text and beside white space."""
    return place <= 0 or place >= len(text) or text[place - 1].isspace() or text[place].isspace()


def word_surprisal(
    model: Model,
    source: Recording | Sequence[str] | str,
    protocol: Protocol | None = None,
    *,
    window: int | None = None,
    stride: int | None = None,
    store: Store | None = None,
    report: Report = SILENT,
) -> pd.DataFrame:
    """Surprisal of every stimulus of a recording, or of every word of some texts.

    Parameters
    ----------
    source : Recording, str or sequence of str
        A recording's stimuli are scored in the passages of the protocol's context, in presentation order; of a text, its words.
    protocol : Protocol, optional
        ``context``, ``window`` and ``word_boundary`` count; default: the defended one.
    window, stride : int, optional
        Tokens seen at once (default: the protocol's, else all the model can see) and tokens by which the window moves (default:
        half of it).
    store : Store, optional
        Default: the user's own.

    Returns
    -------
    DataFrame
        One row per stimulus or word: ``text``, ``surprisal`` (bits; corrected where the protocol asks for it and the model
        allows), ``uncorrected``, ``corrected``, ``tokens``; for a recording indexed by stimulus id, for texts with ``passage``
        (number of the text) and ``word``. ``attrs``: unit, kind, correction, bos, window, stride, joined (words
        that share a token with a neighbour, for the tokenizer joins words: they have no surprisal).

    Raises
    ------
    BrainLensError
        A model without probabilities, a word no token covers, words that share a token.
    """
    protocol = protocol or Protocol()
    window = window or window_of(model, protocol)
    if isinstance(source, Recording):
        read = passages(source, protocol.context)
    else:
        texts = [source] if isinstance(source, str) else list(source)
        read = [
            Passage(text, tuple(spans), tuple(range(len(spans))))
            for text in texts
            for spans in [words(text)]
        ]
    scored = token_surprisals(
        model, [p.text for p in read], window=window, stride=stride, store=store, report=report
    )
    frames = []
    for number, (passage, tokens) in enumerate(zip(read, scored, strict=True)):
        frame = span_surprisal(passage.text, passage.spans, tokens)
        frame.insert(0, "text", [passage.text[a:b] for a, b in passage.spans])
        frames.append(frame.assign(passage=number, row=passage.rows))
    table = pd.concat(frames, ignore_index=True)
    spaced = not isinstance(source, Recording) or source.joiner != ""
    correct = protocol.word_boundary and spaced and bool(table["corrected"].notna().any())
    table.insert(1, "surprisal", table["corrected" if correct else "uncorrected"])
    table.attrs = {
        "unit": "bits",
        "kind": kind_of(model),
        "word_boundary": correct,
        "bos": model.card.bos,
        "window": window,
        "stride": stride,
        "joined": int(table.pop("joined").sum()),
    }
    if len(table) and table.attrs["joined"] == len(table):
        raise BrainLensError(
            f"{model.id}: every word shares a token with its neighbour, for its tokenizer joins words",
            remedy="Score its layers, or longer stimuli, instead of words",
        )
    if isinstance(source, Recording):
        table = table.sort_values("row").drop(columns=["passage", "row"])
        table.index = source.stimuli.index
        return table
    return table.rename(columns={"row": "word"})
