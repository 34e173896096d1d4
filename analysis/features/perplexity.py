"""How well a model predicts a text: bits per byte, per character and per word, and its native token perplexity."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

import numpy as np

from analysis.features.surprisal import CODE_VERSION, LN2, kind_of
from analysis.models.base import Model, TokenSurprisal
from analysis.models.next_token import Passes
from analysis.models.transformer import TransformerModel
from analysis.progress import SILENT, Report
from analysis.store.keys import READING, packages
from analysis.store.store import Store
from analysis.text.passages import words
from data.errors import BrainLensError

__all__ = ["Perplexity", "evaluate", "stored_evaluation"]


@dataclass(frozen=True)
class Perplexity:
    """The result of :func:`evaluate`.

    Parameters
    ----------
    bits_per_byte, bits_per_character, bits_per_word : float
        Bits of the scored tokens over the UTF-8 bytes, the characters, and the words that begin in exactly those tokens. Only
        these compare models with different tokenizers. A model that scores words only (n-grams: no spaces, no punctuation) has no
        bits per byte or character (NaN).
    token_perplexity : float
        exp(mean nats per token), in the model's own tokens.
    tokens, bytes, characters, words : int
        What was scored.
    left_out : int
        Tokens without a probability (nothing stands before them, or the model does not know the word).
    window, stride : int or None
        As used; None: the whole text at once.
    bos : str
        What stood in front of every window.
    kind : str
        ``surprisal`` or pseudo-log-likelihood.
    note : str
        What one has to know beside the numbers.
    fresh : bool
        Whether the model had to read; False: from the store.
    """

    bits_per_byte: float
    bits_per_character: float
    bits_per_word: float
    token_perplexity: float
    tokens: int
    bytes: int
    characters: int
    words: int
    left_out: int
    window: int | None
    stride: int | None
    bos: str
    kind: str
    note: str = ""
    fresh: bool = True

    def to_dict(self) -> dict:
        """Plain values, ready for JSON."""
        return asdict(self)


def evaluate(
    model: Model,
    text: str,
    *,
    window: int | None = None,
    stride: int | None = None,
    store: Store | None = None,
    report: Report = SILENT,
) -> Perplexity:
    """Score a text with a sliding window; a run that was stopped goes on after its last finished batch.

    Parameters
    ----------
    window : int, optional
        Tokens seen at once, start token included (default: all the model can see).
    stride : int, optional
        Tokens by which the window moves (default: half of the window). ``window=512, stride=511`` gives disjoint windows of 511
        tokens, each after one start token.

    Raises
    ------
    BrainLensError
        An empty text, a model without probabilities, a stride that leaves tokens out.
    """
    if not text.strip():
        raise BrainLensError("The text is empty", remedy="Give a text of some sentences at least")
    store, key = store or Store(), _key(model, text, window, stride)
    with store.lock(key, report):
        done = store.piece(key, "all")
        if done is None:
            tokens, used = _scored(model, text, window, stride, store, key, report)
            done = {
                "offsets": tokens.offsets,
                "nats": tokens.nats,
                "used": np.asarray([-1 if u is None else u for u in used]),
            }
            store.save_piece(key, "all", **done)
            fresh = True
        else:
            fresh = False
    return _told(text, done, model, fresh)


def stored_evaluation(
    model: Model,
    text: str,
    *,
    window: int | None = None,
    stride: int | None = None,
    store: Store | None = None,
) -> Perplexity | None:
    """What :func:`evaluate` gave before, or None; nothing is computed, loaded or fetched."""
    done = (store or Store()).piece(_key(model, text, window, stride), "all")
    return None if done is None else _told(text, done, model, fresh=False)


def _key(model: Model, text: str, window: int | None, stride: int | None) -> str:
    recipe = [CODE_VERSION, "evaluate", model.identity, packages(READING), window, stride, text]
    return hashlib.sha256(json.dumps(recipe).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _told(text: str, done: dict[str, np.ndarray], model: Model, fresh: bool) -> Perplexity:
    used = [None if u < 0 else int(u) for u in done["used"]]
    return _summary(text, done["offsets"], done["nats"], used, model, fresh)


def _scored(model: Model, text: str, window, stride, store: Store, key: str, report: Report):
    """Token surprisals of the whole text, with window and stride as used."""
    if not isinstance(model, TransformerModel):
        return model.surprisal([text], window=window, stride=stride, report=report)[0], (
            window,
            stride,
        )
    passes = Passes(model, [text], window=window, stride=stride)
    coded = passes.coded[0]
    nats = np.full(len(coded.ids), np.nan)
    tokens = 0
    for number in range(len(passes.batches)):
        report.step(number, len(passes.batches), "batches", tokens=tokens)
        piece = store.piece(key, str(number))
        if piece is None:
            runs = passes.run(number, report)
            tokens += passes.tokens(number)
            piece = {
                "at": np.concatenate([at for _, at, _, _ in runs]),
                "nats": np.concatenate([n for _, _, n, _ in runs]),
            }
            store.save_piece(key, str(number), **piece)
        inside = piece["at"] < len(nats)
        nats[piece["at"][inside]] = piece["nats"][inside]
    report.step(len(passes.batches), len(passes.batches), "batches")
    return TokenSurprisal(coded.offsets, nats, np.full(len(nats) + 1, np.nan)), (
        passes.window,
        passes.stride,
    )


def _summary(
    text: str, offsets: np.ndarray, nats: np.ndarray, used, model: Model, fresh: bool
) -> Perplexity:
    known = ~np.isnan(nats)
    if not known.any():
        raise BrainLensError(
            f"{model.id} knows nothing of this text: no token has a probability",
            remedy="Give a longer text",
        )
    owner = _owners(text, offsets)
    characters = known[owner] & (np.arange(len(text)) < offsets[-1, 1])
    at = [i for i, _ in words(text) if characters[i]]
    size = sum(
        len(char.encode("utf-8", "surrogatepass"))
        for char, scored in zip(text, characters)
        if scored
    )
    bits, note = float(nats[known].sum()) / LN2, ""
    whole = not model.words_only
    if not whole:
        note = "scores words alone, without spaces and punctuation: compare bits per word"
        note += "" if known.all() else f"; {int((~known).sum())} without a probability are left out"
    return Perplexity(
        bits_per_byte=bits / max(size, 1) if whole else np.nan,
        bits_per_character=bits / max(int(characters.sum()), 1) if whole else np.nan,
        bits_per_word=bits / max(len(at), 1),
        token_perplexity=float(np.exp(nats[known].mean())),
        tokens=int(known.sum()),
        bytes=size,
        characters=int(characters.sum()),
        words=len(at),
        left_out=int((~known).sum()),
        window=used[0],
        stride=used[1],
        bos=model.card.bos,
        kind=kind_of(model),
        note=note,
        fresh=fresh,
    )


def _owners(text: str, offsets: np.ndarray) -> np.ndarray:
    """The token of each character: the first whose end lies behind it, so that skipped white space goes with what follows."""
    ends = np.maximum.accumulate(offsets[:, 1])
    return np.minimum(np.searchsorted(ends, np.arange(len(text)), side="right"), len(ends) - 1)
