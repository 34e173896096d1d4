"""Token probabilities of transformers: causal, masked and encoder-decoder.

Causal models have sliding windows, masked ones a pseudo-log-likelihood; of an encoder-decoder the encoder reads what stands
before a sentence, and the decoder predicts the sentence.

The language-model head is computed on scored tokens only, its log-sum-exp over chunks of the vocabulary in float32.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.models.architectures import Stop
from analysis.models.base import TokenSurprisal
from analysis.models.files.tokenizer import check_rows
from analysis.models.files.weights import head_class
from analysis.progress import SILENT, Report
from analysis.text.alignment import Encoded, encode, partition
from analysis.text.passages import sentences, words
from data.errors import BrainLensError

__all__ = ["Passes", "start_tokens", "surprisals", "windows"]

VOCABULARY_CHUNK = 8192
ROWS = 512
BATCH_TOKENS = 4096
MASKED_BATCH = 16
_SPACES = (
    "\u0120",
    "\u2581",
    " ",
    "\u010a",
    "\u0109",
    "\u010d",
    "\n",
    "\t",
    "\r",
    "<0x0A>",
)  # G with dot: byte BPE's space


@dataclass(frozen=True)
class _Pass:
    """One sequence to run: text number, its tokens, which of them are hidden, and the tokens scored in it.

    The encoder of an encoder-decoder reads the tokens from ``before`` to ``begin``.
    """

    text: int
    begin: int
    end: int
    scored: tuple[int, ...]
    masked: tuple[int, ...] = ()
    last: bool = False  # the text ends here: what may follow is scored too
    before: int = 0


def windows(count: int, room: int, stride: int) -> list[tuple[int, int, int]]:
    """(begin, end, first scored) of windows that move over ``count`` tokens; each token is scored once.

    Examples
    --------
    >>> windows(10, room=6, stride=3)
    [(0, 6, 0), (3, 9, 6), (6, 10, 9)]
    """
    found, scored = [], 0
    for begin in range(0, max(count, 1), stride):
        end = min(begin + room, count)
        found.append((begin, end, scored))
        scored = end
        if end == count:
            break
    return found


def start_tokens(tokenizer, size: int, config) -> np.ndarray | None:
    """Tokens with which a new word begins: led by white space, a newline, or the end of the text.

    Returns
    -------
    ndarray of bool, shape (size,), or None
        None where words do not carry their space in front (WordPiece, ``</w>``, tokens that end with a space): then there is
        nothing to correct.
    """
    pieces = tokenizer.convert_ids_to_tokens(list(range(min(size, len(tokenizer)))))
    second = tokenizer.tokenize("a b")[1:2]
    if not second or not second[0].startswith(_SPACES[:3]):
        return None
    if any(
        piece and piece[-1:] in _SPACES[:3] and piece.strip("".join(_SPACES[:3]))
        for piece in pieces
    ):
        return None  # "the ": some words end with the space
    mask = np.zeros(size, bool)
    mask[: len(pieces)] = [piece is not None and piece.startswith(_SPACES) for piece in pieces]
    told = getattr(config, "eos_token_id", None)
    special = set(tokenizer.all_special_ids)  # a config may name an ordinary piece by mistake
    ends = {e for e in (told if isinstance(told, list | tuple) else [told]) if e in special}
    for end in ends | {tokenizer.eos_token_id}:
        if end is not None and 0 <= end < size:
            mask[end] = True
    return mask


class _Head:
    """The output layer of a language model, on chosen tokens only."""

    def __init__(self, lm, start: np.ndarray | None, device: str, *, decoder: bool = False):
        import torch

        self._lm, self._out = lm, lm.get_output_embeddings()
        if self._out is None:
            raise BrainLensError(
                f"{type(lm).__name__} has no output layer",
                remedy="Pick a causal or masked language model",
            )
        self.device = device
        self.start = None if start is None else torch.tensor(start, device=self.device)
        self._linear = self._is_plain(decoder)

    def _is_plain(self, decoder: bool) -> bool:
        """Whether the model's logits are this layer's output and nothing more (no soft cap, no scale): tried out."""
        import torch

        if self._out.weight.device.type == "meta":  # its weights are elsewhere until it runs
            return False
        probe = {"input_ids": torch.arange(4, device=self.device)[None] % self._out.weight.shape[0]}
        if decoder:
            probe["decoder_input_ids"] = probe["input_ids"]
        at = torch.tensor([[0, 2], [0, 3]], device=self.device)
        with torch.inference_mode():
            told = self._lm(**probe).logits[0, [2, 3]].float()
            hidden = self._hidden(probe, at)
            plain = torch.nn.functional.linear(hidden, self._out.weight, self._out.bias).float()
        return bool(torch.allclose(told, plain, rtol=1e-4, atol=1e-4))

    def _hidden(self, inputs: dict, at):
        """What enters the output layer at the tokens ``at`` (batch, token), shape (n, unit)."""
        caught = []

        def before(module, args):
            caught.append(args[0][at[:, 0], at[:, 1]])
            raise Stop

        handle = self._out.register_forward_pre_hook(before)
        try:
            with contextlib.suppress(Stop):
                self._lm(**inputs)
        finally:
            handle.remove()
        return caught[0]

    def _logits(self, inputs: dict, at):
        """Finished logits at the tokens ``at``, with whatever the model does behind its output layer."""
        handle = self._out.register_forward_pre_hook(
            lambda module, args: (args[0][at[:, 0], at[:, 1]][None],)
        )
        try:
            return self._lm(**inputs).logits[0].float()
        finally:
            handle.remove()

    def score(
        self, inputs: dict, at: np.ndarray, targets: np.ndarray, report: Report
    ) -> tuple[np.ndarray, np.ndarray]:
        """Nats of each target token, and log P(a new word starts), at the tokens ``at``.

        Parameters
        ----------
        at : ndarray of int, shape (n, 2)
            Batch and token whose hidden state predicts.
        targets : ndarray of int, shape (n,)
            -1: nothing to be scored, only the start of a word.
        """
        import torch

        places = torch.tensor(at, device=self.device)
        wanted = torch.tensor(targets, device=self.device)
        nats, start = np.full(len(at), np.nan), np.full(len(at), np.nan)
        with torch.inference_mode():
            rows = self._hidden(inputs, places) if self._linear else self._logits(inputs, places)
            for low in range(0, len(at), ROWS):
                report.checkpoint()
                some = slice(low, low + ROWS)
                total, hit, begun = self._reduce(rows[some], wanted[some])
                nats[some] = (
                    torch.where(wanted[some] >= 0, total - hit, torch.nan).cpu().double().numpy()
                )
                if begun is not None:
                    start[some] = (begun - total).cpu().double().numpy()
        return nats, start

    def _reduce(self, rows, targets):
        """Log-sum-exp over the vocabulary, the target's logit, log-sum-exp over word starts; each of shape (n,)."""
        import torch

        starts, size = self.start, self._out.weight.shape[0] if self._linear else rows.shape[1]
        total = torch.full(targets.shape, -torch.inf, device=self.device)
        begun, hit = (
            total.clone() if starts is not None else None,
            torch.full_like(total, torch.nan),
        )
        for low in range(0, size, VOCABULARY_CHUNK):
            high = min(low + VOCABULARY_CHUNK, size)
            if self._linear:
                bias = None if self._out.bias is None else self._out.bias[low:high]
                logits = torch.nn.functional.linear(rows, self._out.weight[low:high], bias).float()
            else:
                logits = rows[:, low:high]
            total = torch.logaddexp(total, logits.logsumexp(dim=1))
            inside = (targets >= low) & (targets < high)
            column = (targets - low).clamp(0, high - low - 1)
            hit = torch.where(inside, logits.gather(1, column[:, None])[:, 0], hit)
            if begun is not None and starts is not None and bool(starts[low:high].any()):
                begun = torch.logaddexp(begun, logits[:, starts[low:high]].logsumexp(dim=1))
        return total, hit, begun


class Passes:
    """All forward passes that score the tokens of some texts, batch by batch, so that a long run can be resumed.

    Parameters
    ----------
    model : TransformerModel
    window, stride : int, optional
        Tokens seen at once, start token included (None: all the model can), and tokens by which the window moves (None: half of
        the window). Every window begins with the start token.

    Raises
    ------
    BrainLensError
        A window the model does not have, a stride that leaves tokens out.
    """

    def __init__(
        self, model, texts: Sequence[str], *, window: int | None = None, stride: int | None = None
    ):
        self._model = model
        self.coded: list[Encoded] = [encode(model.tokenizer, text) for text in texts]
        masked = (
            model.card.cls == "bidirectional"
            and head_class(model.config, model.card.cls) is not None
        )
        if masked and model.tokenizer.mask_token_id is None:
            raise BrainLensError(
                f"{model.id}: its tokenizer has no mask token, and a masked model's surprisal hides words behind it",
                remedy="Name it as 'mask_token' in tokenizer_config.json if the vocabulary holds one; "
                "its layers can be scored as they are",
            )
        self.front, self.back = model.frame()
        for coded in self.coded:
            check_rows(model.id, model.tokenizer, coded.ids, model.rows)
        if masked:
            check_rows(model.id, model.tokenizer, [model.tokenizer.mask_token_id], model.rows)
        self.window = self._window(window)
        self.stride = self._stride(stride)
        self._decodes = model.card.cls == "encoder-decoder"
        self._encoder = (self.front, self.back)
        if self._decodes:
            self.front, self.back = (model.decoder_start, *self.front), ()
        make = {"causal": self._causal, "encoder-decoder": self._sentences}.get(
            model.card.cls, self._hidden_words
        )
        passes = [p for i, text in enumerate(texts) for p in make(i, text)]
        size = 10**9 if model.is_causal else MASKED_BATCH
        self.batches: list[list[_Pass]] = []
        for one in sorted(passes, key=lambda p: (p.end - p.begin, p.begin - p.before)):
            batch = self.batches[-1] if self.batches else None
            if (
                batch is None
                or len(batch) == size
                or (len(batch) + 1) * (one.end - (one.before if self._decodes else one.begin) + 2)
                > BATCH_TOKENS
            ):
                self.batches.append([one])
            else:
                batch.append(one)
        self._head: _Head | None = None

    def _window(self, window: int | None) -> int | None:
        most = self._model.window
        if window is None or most is None:
            window = window or most
        if window is not None and not len(self.front) + len(self.back) + 2 <= window <= (
            most or window
        ):
            raise BrainLensError(
                f"{self._model.id} has no window of {window} tokens",
                remedy=f"Give 8 to {most or 'any number'}",
            )
        return window

    def _stride(self, stride: int | None) -> int | None:
        if self.window is None:
            return None
        room = self.window - len(self.front) - len(self.back)
        stride = stride or max(1, min(self.window // 2, room))
        if not 1 <= stride <= room:
            raise BrainLensError(
                f"A stride of {stride} leaves out tokens between windows of {self.window}",
                remedy=f"Give 1 to {room}",
            )
        return stride

    def _causal(self, number: int, text: str) -> list[_Pass]:
        count = len(self.coded[number].ids)
        room = count if self.window is None else self.window - len(self.front)
        return [
            _Pass(number, begin, end, tuple(range(first, end)), last=end == count)
            for begin, end, first in windows(count, max(room, 1), self.stride or max(count, 1))
        ]

    def _sentences(self, number: int, text: str) -> list[_Pass]:
        """Each sentence in the decoder, with the newest tokens before it in the encoder."""
        coded = self.coded[number]
        count = len(coded.ids)
        room = max(count, 1)
        ahead = count
        if self.window is not None:
            room = max(1, self.window - len(self.front))
            ahead = max(0, self.window - sum(map(len, self._encoder)))
        starts = [
            int(np.searchsorted(coded.offsets[:, 1], a, side="right")) for a in sentences(text)
        ]
        found = []
        for first, last in zip(starts, [*starts[1:], count]):
            for begin in range(first, last, room):
                end = min(begin + room, last)
                found.append(
                    _Pass(
                        number, begin, end, tuple(range(begin, end)), before=max(0, begin - ahead)
                    )
                )
        return found

    def _hidden_words(self, number: int, text: str) -> list[_Pass]:
        """Each token with itself and the rest of its word hidden (within-word left-to-right)."""
        coded = self.coded[number]
        count = len(coded.ids)
        room = (
            count
            if self.window is None
            else min(count, self.window - len(self.front) - len(self.back))
        )
        ranges: list[tuple[int, int]] = []
        for a, b in partition(text, words(text), coded.offsets).tolist():
            if ranges and a < ranges[-1][1]:  # a token spans two words: they are hidden together
                a = ranges.pop()[0]
            ranges.append((a, b))
        inside = {t for a, b in ranges for t in range(a, b)}
        ranges += [(t, t + 1) for t in range(count) if t not in inside]
        found = []
        for first, last in ranges:
            begin = min(max(0, (first + last - room) // 2), count - room)
            found += [
                _Pass(number, begin, begin + room, (t,), tuple(range(t, min(last, begin + room))))
                for t in range(first, last)
                if t < begin + room
            ]
        return found

    def tokens(self, number: int) -> int:
        """Tokens that one batch reads."""
        return sum(one.end - one.begin for one in self.batches[number])

    def run(
        self, number: int, report: Report = SILENT
    ) -> list[tuple[int, np.ndarray, np.ndarray, np.ndarray]]:
        """One batch.

        Returns
        -------
        list of (text, positions, nats, start)
            ``positions`` may hold the position after a text's last token: there only ``start`` is known.
        """
        import torch

        model, batch = self._model, self.batches[number]
        if self._head is None:
            lm = model.lm
            size = (
                lm.get_output_embeddings().weight.shape[0]
                if lm.get_output_embeddings() is not None
                else 0
            )
            starts = start_tokens(model.tokenizer, size, model.config) if model.is_causal else None
            self._head = _Head(lm, starts, model.device, decoder=self._decodes)
        longest = max(p.end - p.begin for p in batch) + len(self.front) + len(self.back)
        ids = torch.full((len(batch), longest), model.padding, dtype=torch.long)
        seen = torch.zeros_like(ids)
        at, targets, found = [], [], []
        for b, one in enumerate(batch):
            tokens = self.coded[one.text].ids
            sequence = tokens[one.begin : one.end].copy()
            sequence[[t - one.begin for t in one.masked]] = (
                model.tokenizer.mask_token_id if one.masked else 0
            )
            whole = [*self.front, *sequence.tolist(), *self.back]
            ids[b, : len(whole)], seen[b, : len(whole)] = torch.tensor(whole), 1
            shift = (
                len(self.front) - one.begin - (0 if one.masked else 1)
            )  # a causal model predicts from the token before
            positions = [
                t for t in (*one.scored, *([one.end] if one.last else [])) if t + shift >= 0
            ]
            at += [(b, t + shift) for t in positions]
            targets += [int(tokens[t]) if t < one.end else -1 for t in positions]
            found.append((one.text, np.asarray(positions, int)))
        if self._decodes:
            inputs = model.encoder_inputs(
                [self.coded[p.text].ids[p.before : p.begin].tolist() for p in batch], self._encoder
            )
            inputs["decoder_input_ids"] = ids.to(model.device)
        else:
            inputs = {"input_ids": ids.to(model.device)}
            if not model.is_causal and not bool(seen.all()):
                inputs["attention_mask"] = seen.to(model.device)
        if not at:
            return [(text, positions, np.zeros(0), np.zeros(0)) for text, positions in found]
        nats, start = self._head.score(inputs, np.asarray(at), np.asarray(targets), report)
        cuts = np.cumsum([len(positions) for _, positions in found])[:-1]
        return [
            (text, positions, n, s)
            for (text, positions), n, s in zip(found, np.split(nats, cuts), np.split(start, cuts))
        ]


def surprisals(
    model,
    texts: Sequence[str],
    *,
    window: int | None = None,
    stride: int | None = None,
    report: Report = SILENT,
) -> list[TokenSurprisal]:
    """Token surprisals of each text, see :meth:`analysis.models.base.Model.surprisal`."""
    passes = Passes(model, texts, window=window, stride=stride)
    nats = [np.full(len(coded.ids), np.nan) for coded in passes.coded]
    start = [np.full(len(coded.ids) + 1, np.nan) for coded in passes.coded]
    tokens = 0
    for number in range(len(passes.batches)):
        report.step(number, len(passes.batches), "batches", tokens=tokens)
        tokens += passes.tokens(number)
        for text, positions, n, s in passes.run(number, report):
            inside = positions < len(nats[text])
            nats[text][positions[inside]] = n[inside]
            start[text][positions] = s
    report.step(len(passes.batches), len(passes.batches), "batches")
    return [TokenSurprisal(coded.offsets, n, s) for coded, n, s in zip(passes.coded, nats, start)]
