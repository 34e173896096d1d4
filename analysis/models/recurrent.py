"""Recurrent language models: an LSTM over word pieces or over characters.

A folder of an LSTM language model holds ``model.safetensors`` and ``config.json``::

    {"architecture": "lstm-lm", "vocab_size": 4096, "width": 192, "layers": 2, "embedding": 192, "tied": true,
     "start": "<|endoftext|>"}

``embedding`` (default: the width), ``tied`` (default: true) and ``start`` (default: ``bos_token`` of tokenizer_config.json,
else nothing) may be left out. Word pieces come from ``tokenizer.json`` beside it. A model over characters says
``"architecture": "character-lstm"`` and brings ``"characters"`` (a list; the position is the id), ``"unknown"`` (an id) and
``"direction"`` (``forward`` or ``backward``) instead of a tokenizer. Tensors: ``embedding.weight``, ``rnn.weight_ih_l0``...
as ``torch.nn.LSTM`` names them, ``projection.weight`` (width to embedding, where they differ and the model is tied),
``head.weight`` (where not tied) and ``head.bias``. They may be float16 on disk and are float32 in memory.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.models.base import Card, Model, TokenSurprisal
from analysis.models.building import building
from analysis.models.files import folders
from analysis.models.files.json_files import read_json
from analysis.models.files.packages import folder_hash
from analysis.models.files.weights import tokenizer_hash
from analysis.models.lstm_config import LSTMConfig
from analysis.models.variants.apply import apply
from analysis.models.variants.made_of import made_of
from analysis.models.variants.spec import Variant
from analysis.progress import SILENT, Report
from analysis.text.alignment import align
from analysis.text.passages import Passage
from data.errors import BrainLensError, memory_error, unknown

if TYPE_CHECKING:
    from analysis.models.lstm import LSTMModule

__all__ = ["CharacterLSTM", "LSTMLanguageModel"]

CHUNK, BATCH = 256, 16  # tokens scored at once, texts read at once


@dataclass(frozen=True)
class _Run:
    """A segment of one text: ids[low:high] is read, ids[first:high] is scored."""

    number: int
    ids: list[int]
    low: int
    first: int
    high: int


class LSTMLanguageModel(Model):
    """An LSTM over word pieces. Layers: 0 the embedding, 1..L the states h, L+1..2L the cells c.

    Parameters
    ----------
    card : Card
    folder : Path
        As described at the top of the module.
    variant : Variant or str, optional

    Raises
    ------
    BrainLensError
        A config without shape, a missing tokenizer or missing weights, tensors of another shape.
    """

    backward = False
    resumable = True

    @classmethod
    def describe(cls, path: Path, name: str) -> Card:
        """As its folder tells."""
        return folders.describe(path, name)

    def __init__(self, card: Card, folder: Path, *, variant: Variant | str | None = None):
        self.folder, self.variant = Path(folder), Variant.parse(variant)
        told = read_json(self.folder / "config.json")
        if not {"vocab_size", "width"} <= told.keys():
            raise BrainLensError(
                f"{self.folder}/config.json does not tell the shape of an LSTM",
                choices=("vocab_size", "width", "layers"),
                remedy="Write at least vocab_size and width",
            )
        self.told = told
        self.config = LSTMConfig(
            **{f.name: told[f.name] for f in dataclasses.fields(LSTMConfig) if f.name in told}
        )
        count = self.config.layers
        names = (
            {"embedding": 0}
            | {f"h.{k}": 1 + k for k in range(count)}
            | {f"c.{k}": 1 + count + k for k in range(count)}
        )
        self.card = dataclasses.replace(
            card,
            cls="recurrent",
            layers=count,
            width=self.config.width,
            bos=self._start_text(),
            space_before=True,
            layer_names=names,
        )
        self.id = f"{card.id}@{self.variant}" if self.variant else card.id
        self._lock = threading.RLock()
        self._module: Any = None  # an LSTMModule, once it is asked for
        self._tokenizer = self._hash = None

    # ---- identity and shape ------------------------------------------------------------------------------------------
    @property
    def fingerprint(self) -> str:
        """Hash of what determines its numbers, part of every cache key."""
        if self._hash is None:
            self._hash = folder_hash(self.folder)
        return f"{self._hash}:{self.variant}{made_of(self.variant)}"

    @property
    def tokenizer_hash(self) -> str:
        """sha256 of the tokenizer's files."""
        return tokenizer_hash(self.folder)

    @property
    def widths(self) -> tuple[int, ...]:
        """Units of each layer."""
        return (self.config.embedding, *(self.config.width,) * (2 * self.config.layers))

    # ---- parts -------------------------------------------------------------------------------------------------------
    @property
    def module(self) -> LSTMModule:
        """The torch module in evaluation mode, with its variant; loaded when first asked for."""
        with self._lock:
            if self._module is None:
                from analysis.models.lstm import LSTMModule

                def fresh() -> LSTMModule:
                    return LSTMModule(self.config)

                with building():
                    trained = None if self.variant.starts_fresh else self._trained()
                    module: Any = (
                        apply(
                            trained,
                            self.variant,
                            fresh=fresh,
                            tokenizer=lambda: self.tokenizer,
                            name=self.card.id,
                        )
                        if self.variant
                        else trained
                    )
                self._module = module.eval().requires_grad_(False)
            return self._module

    def _trained(self) -> LSTMModule:
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        from analysis.models.lstm import LSTMModule

        file = self.folder / "model.safetensors"
        if not file.is_file():
            raise BrainLensError(
                f"The model folder {self.folder} has no weights (model.safetensors)",
                remedy="Fetch or save the model again",
            )
        module = LSTMModule(self.config)
        try:
            tensors = {name: value.float() for name, value in load_file(file).items()}
            if self.config.tied:
                tensors["head.weight"] = tensors["embedding.weight"]
            module.load_state_dict(tensors)
        except (SafetensorError, RuntimeError, KeyError) as error:
            if memory_error(error) is not None:
                raise
            first = str(error).strip().splitlines()
            raise BrainLensError(
                f"The weights in {self.folder} do not fit its config.json ({' '.join(first[:2])[:300]})",
                remedy="Fetch or save the model again",
            ) from None
        return module

    @property
    def tokenizer(self):
        """The tokenizer of the folder (``tokenizers.Tokenizer``)."""
        if self._tokenizer is None:
            from tokenizers import Tokenizer

            file = self.folder / "tokenizer.json"
            if not file.is_file():
                raise BrainLensError(
                    f"The model folder {self.folder} has no tokenizer (tokenizer.json)",
                    remedy="Save the tokenizer into the same folder",
                )
            self._tokenizer = Tokenizer.from_file(str(file))
            self._tokenizer.no_truncation()
            self._tokenizer.no_padding()
        return self._tokenizer

    def _start_text(self) -> str:
        if self.config.start:
            return self.config.start
        token = read_json(self.folder / "tokenizer_config.json").get("bos_token") or ""
        return token.get("content", "") if isinstance(token, dict) else token

    def _start(self) -> list[int]:
        if not self.card.bos:
            return []
        piece = self.tokenizer.token_to_id(self.card.bos)
        if piece is None:
            raise BrainLensError(
                f"{self.id}: the tokenizer has no start token {self.card.bos!r}",
                remedy="Correct 'start' in config.json",
            )
        return [piece]

    def encode(self, text: str) -> tuple[list[int], np.ndarray]:
        """Ids and character offsets (n, 2) of a text, without the start token."""
        coded = self.tokenizer.encode(text, add_special_tokens=False)
        return coded.ids, np.asarray(coded.offsets, np.int64).reshape(-1, 2)

    def _word_starts(self) -> np.ndarray:
        """Ids of pieces after which, or with which, a new word begins: they start with white space, or end the text."""
        pieces = self.tokenizer.get_vocab()
        specials = {
            token.content
            for token in self.tokenizer.get_added_tokens_decoder().values()
            if token.special
        }
        return np.array(
            sorted(
                i for piece, i in pieces.items() if piece[:1] in "Ġ▁ĊĉĠ \n\t" or piece in specials
            ),
            np.int64,
        )

    # ---- reading -----------------------------------------------------------------------------------------------------
    def _tokens(self, passage: Passage, offsets: np.ndarray) -> np.ndarray:
        """First token and end of every stimulus, shape (stimulus, 2)."""
        return align(passage.text, passage.spans, offsets)

    def read(
        self,
        passages: Sequence[Passage],
        layers: Sequence[int],
        *,
        pooling: str = "last",
        attention: str = "prefix",
        dtype: str = "float32",
        report: Report = SILENT,
        skip: Collection[int] = (),
    ) -> Iterator[tuple[np.ndarray, list[np.ndarray]]]:
        """Activations as in :meth:`Model.read`; ``last`` is the state at the stimulus's last token (or character).

        Parameters
        ----------
        skip : collection of int
            Rows that are there already: a batch of them alone is not run, the others stay what they were.
        """
        import torch

        pools = {
            "last": lambda v: v[-1],
            "mean": lambda v: v.mean(0),
            "sum": lambda v: v.sum(0),
            "max": lambda v: v.amax(0),
        }
        if pooling not in pools:
            raise unknown("pooling", pooling, pools)
        if self.backward and attention != "whole":
            raise BrainLensError(
                f"{self.id} reads from right to left and would see the words to come",
                choices=("attention=whole",),
                remedy="Set attention=whole, or use the model that reads forward",
            )
        if dtype != "float32":
            raise BrainLensError(
                f"{self.id} runs in float32 only, not {dtype}", remedy="Set dtype=float32"
            )
        layers = [self.layer_number(layer) for layer in layers]
        front = self._start()
        coded = []
        for passage in passages:
            ids, offsets = self.encode(passage.text)
            spans = self._tokens(passage, offsets)
            end = len(ids) if self.backward else int(spans[:, 1].max(initial=0))
            coded.append((ids[:end], spans))
        order = sorted(range(len(passages)), key=lambda p: len(coded[p][0]))
        total, done, skip = sum(len(p.rows) for p in passages), 0, set(skip)
        report.step(0, total, "stimuli")
        for at in range(0, len(order), BATCH):
            batch = [p for p in order[at : at + BATCH] if passages[p].rows]
            rows = [row for p in batch for row in passages[p].rows]
            done += len(rows)
            if skip.issuperset(rows):
                report.step(done, total, "stimuli")
                continue
            longest = max(len(coded[p][0]) for p in batch)
            ids = torch.zeros(len(batch), len(front) + longest, dtype=torch.long)
            for b, p in enumerate(batch):
                pieces = [*front, *(coded[p][0][::-1] if self.backward else coded[p][0])]
                ids[b, : len(pieces)] = torch.tensor(pieces)
            with torch.inference_mode():
                states = self._states(ids, layers)
                values: list[list[np.ndarray]] = [[] for _ in layers]
                for b, p in enumerate(batch):
                    count = len(coded[p][0])
                    for first, last in coded[p][1]:
                        low, high = (
                            (count - last, count - first) if self.backward else (first, last)
                        )
                        for k, layer in enumerate(layers):
                            own = states[layer][b, len(front) + low : len(front) + high]
                            values[k].append(pools[pooling](own).numpy())
            yield np.asarray(rows), [np.stack(v).astype(np.float32) for v in values]
            report.step(done, total, "stimuli")

    def _states(self, ids, layers: Sequence[int]) -> list:
        return self.module.states(ids, cells=max(layers) > self.config.layers)

    # ---- surprisal ---------------------------------------------------------------------------------------------------
    def surprisal(
        self,
        texts: Sequence[str],
        *,
        window: int | None = None,
        stride: int | None = None,
        report: Report = SILENT,
    ) -> list[TokenSurprisal]:
        """Surprisals as in :meth:`Model.surprisal`; without a window the state runs through the whole text.

        The start token counts as one of the window's tokens.
        """
        room = window and window - len(self._start())
        coded = [self.encode(text) for text in texts]
        nats = [np.full(len(ids), np.nan) for ids, _ in coded]
        start = [np.full(len(ids) + 1, np.nan) for ids, _ in coded]
        runs = [
            _Run(number, ids[::-1] if self.backward else ids, *segment)
            for number, (ids, _) in enumerate(coded)
            for segment in _segments(len(ids), room, stride)
        ]
        runs.sort(key=lambda run: run.high - run.low)
        total, done = sum(len(ids) for ids, _ in coded), 0
        report.step(0, total, "tokens")
        for at in range(0, len(runs), BATCH):
            batch = runs[at : at + BATCH]
            for run, places, surprisals, begins in self._score(batch, report):
                start[run.number][places] = begins
                nats[run.number][places[: len(surprisals)]] = surprisals
            done += sum(run.high - run.first for run in batch)
            report.step(done, total, "tokens")
        if self.backward:
            nats, start = (
                [values[::-1].copy() for values in nats],
                [np.full_like(values, np.nan) for values in start],
            )
        return [
            TokenSurprisal(offsets, *scores) for (_, offsets), *scores in zip(coded, nats, start)
        ]

    def _score(
        self, batch: list[_Run], report: Report
    ) -> Iterator[tuple[_Run, np.ndarray, np.ndarray, np.ndarray]]:
        """Run segments side by side, in chunks.

        Yields
        ------
        run : _Run
        places : ndarray of int
            Consecutive places of the text that are predicted.
        surprisals : ndarray
            Nats of the tokens there; one fewer where the last place is the end of the segment.
        begins : ndarray
            log P(a new word begins) there.
        """
        import torch

        front, module, state = self._start(), self.module, None
        starts = torch.from_numpy(self._word_starts())
        sequences = [[*front, *run.ids[run.low : run.high]] for run in batch]
        ids = torch.zeros(len(batch), max(map(len, sequences)), dtype=torch.long)
        for b, sequence in enumerate(sequences):
            ids[b, : len(sequence)] = torch.tensor(sequence, dtype=torch.long)
        with torch.inference_mode():
            for at in range(0, ids.shape[1], CHUNK):
                report.checkpoint()
                hidden, state = module.rnn(module.embedding(ids[:, at : at + CHUNK]), state)
                for b, run in enumerate(batch):
                    places = (
                        run.low - len(front) + 1 + np.arange(at, min(at + CHUNK, len(sequences[b])))
                    )  # what is predicted
                    own = np.flatnonzero(places >= run.first)
                    if len(own) == 0:
                        continue
                    places = places[own]
                    logs = module.read_out(hidden[b, torch.from_numpy(own)]).log_softmax(-1)
                    targets = torch.tensor(
                        run.ids[places[0] : min(places[-1] + 1, run.high)], dtype=torch.long
                    )
                    surprisals = -logs[torch.arange(len(targets)), targets]
                    yield (
                        run,
                        places,
                        surprisals.double().numpy(),
                        logs[:, starts].logsumexp(-1).double().numpy(),
                    )

    def close(self) -> None:
        """Give back memory; it loads itself again when it is next asked."""
        with self._lock:
            self._module = None


class CharacterLSTM(LSTMLanguageModel):
    """An LSTM over characters, forward or backward (flair's contextual string embeddings, Akbik et al. 2018)."""

    def __init__(self, card: Card, folder: Path, *, variant: Variant | str | None = None):
        super().__init__(card, folder, variant=variant)
        if not isinstance(self.told.get("characters"), list):
            raise BrainLensError(
                f"{self.folder}/config.json lists no characters", remedy="Fetch the model again"
            )
        self.characters: list[str] = self.told["characters"]
        self._ids = {character: i for i, character in enumerate(self.characters)}
        self.backward = self.told.get("direction") == "backward"

    @property
    def tokenizer_hash(self) -> str:
        """sha256 of the tokenizer's files."""
        return ""

    def _start(self) -> list[int]:
        return [self._ids[self.config.start]] if self.config.start else []

    def encode(self, text: str) -> tuple[list[int], np.ndarray]:
        """Ids of the characters, and the offsets of each."""
        other: int = self.told.get("unknown", 0)
        ids = [self._ids.get(character, other) for character in text]
        return ids, np.stack([np.arange(len(text)), np.arange(1, len(text) + 1)], axis=1)

    def _tokens(self, passage: Passage, offsets: np.ndarray) -> np.ndarray:
        return np.array([_bare(passage.text, span) for span in passage.spans], np.int64).reshape(
            -1, 2
        )

    def _word_starts(self) -> np.ndarray:
        return np.array(
            [i for i, character in enumerate(self.characters) if character.isspace()], np.int64
        )


def _bare(text: str, span: tuple[int, int]) -> tuple[int, int]:
    """A span without the white space at its ends, unless it holds nothing else."""
    start, end = span
    inside = text[start:end]
    if not inside.strip():
        return span
    return start + len(inside) - len(inside.lstrip()), end - len(inside) + len(inside.rstrip())


def _segments(count: int, window: int | None, stride: int | None) -> Iterator[tuple[int, int, int]]:
    """Windows over ``count`` tokens as (first read, first scored, end).

    Examples
    --------
    >>> list(_segments(10, 4, 3))
    [(0, 0, 4), (3, 4, 7), (6, 7, 10)]
    """
    if window is not None and window < 1:
        raise BrainLensError(
            "The window has no room for a token beside the start token",
            remedy="Give a window of 2 or more",
        )
    if window is None or window >= count:
        yield 0, 0, count
        return
    stride = stride or max(1, window // 2)
    if not 0 < stride <= window:
        raise BrainLensError(
            f"stride={stride} does not fit window={window}",
            remedy="Give 1 to the window's number of tokens",
        )
    scored = 0
    for low in range(0, count, stride):
        high = min(low + window, count)
        if high > scored:
            yield low, scored, high
        scored = high
        if high == count:
            return
