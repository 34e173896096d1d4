"""Transformers as readers: every layer of a causal, bidirectional or encoder-decoder model in as few passes as is exact."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Collection, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from analysis.models import next_token, sites
from analysis.models.architectures import (
    Stop,
    anatomy,
    listen,
    position_limit,
    stated_limit,
)
from analysis.models.base import Card, Model, TokenSurprisal
from analysis.models.device import device
from analysis.models.files import checks, folders, weights
from analysis.models.files.json_files import read_json
from analysis.models.files.tokenizer import check_rows, load_tokenizer, own_frame
from analysis.models.loaded import Loaded
from analysis.models.runs import POOL, Run, batches, planned, pooled
from analysis.models.variants.made_of import made_of
from analysis.models.variants.spec import Variant
from analysis.progress import SILENT, Report
from analysis.text.passages import Passage
from data.errors import BrainLensError, unknown

__all__ = ["NORMED", "TransformerModel"]

NORMED = "normed"
"""Alias of the last layer after the model's final norm, which is what the 2021 paper stored as its last layer."""

CAUSAL_BATCH, PREFIX_BATCH = 8, 16
_UNKNOWN = object()


class TransformerModel(Model):
    """A model that transformers can load, from a folder or from the hub.

    Parameters
    ----------
    card : Card
        ``card.bos`` stands in front of every text; where it is empty, what the tokenizer itself puts there (``[CLS]``).
    source : str or Path
        A folder with ``config.json``, safetensors and a tokenizer, or a hub id.
    revision : str, optional
        Branch, tag or commit on the hub.
    variant : str or Variant, optional
        ``untrained:init:0`` and its like, see :mod:`analysis.models.variants.spec`.

    Notes
    -----
    Layer 0 is the embedding output (what enters the first block); layers 1..L are raw block outputs, before the model's final
    norm. The first layer of Gemma is scaled by the square root of its width, as the model itself scales it.
    """

    resumable = True

    @classmethod
    def describe(cls, path: Path, name: str) -> Card:
        """As its folder tells, once nothing is missing in it."""
        checks.check(path)
        return folders.describe(path, name)

    @classmethod
    def open(cls, card: Card, path: Path, variant: Variant) -> TransformerModel:
        """The reader of a folder that has all it needs."""
        checks.check(path)
        revision = card.revision if card.source == "hub" else None
        return cls(card, str(path), revision=revision, variant=variant or None)

    def __init__(
        self,
        card: Card,
        source: str | Path,
        *,
        revision: str | None = None,
        variant: str | Variant | None = None,
    ):
        self.card, self.source, self.revision = card, str(source), revision or card.revision or None
        self._folder = None
        self.variant = Variant.parse(variant)
        self.id = f"{card.id}@{self.variant}" if self.variant else card.id
        self._sites = None
        self._lock = threading.RLock()
        self.loaded = Loaded(self._lock)
        self._config = self._tokenizer = self._fingerprint = self._tokenizer_hash = None
        self._window: Any = _UNKNOWN

    # ---- identity ------------------------------------------------------------------------
    @property
    def fingerprint(self) -> str:
        """Hash of what determines its numbers, part of every cache key."""
        with self._lock:
            if self._fingerprint is None:
                plain = self.variant.starts_fresh
                self._fingerprint = weights.fingerprint(self.folder, weightless=plain)
            return (
                f"{self._fingerprint}@{self.variant}{made_of(self.variant)}"
                if self.variant
                else self._fingerprint
            )

    @property
    def tokenizer_hash(self) -> str:
        """sha256 of the tokenizer's files."""
        with self._lock:
            if self._tokenizer_hash is None:
                self._tokenizer_hash = weights.tokenizer_hash(self.folder)
            return self._tokenizer_hash

    def reading_options(self, protocol) -> dict[str, Any]:
        """What a protocol asks of this model beside the common choices; it goes to :meth:`read` and into the cache key.

        ``start="tokenizer"``: only the special tokens the tokenizer itself adds. ``last_layer="normed"``: layer L after the
        final norm. ``window``: only so many of the newest tokens. All as in the 2021 paper; what is known to make no difference
        for this model is left out, without loading its tokenizer to find out.
        """
        options = {}
        if protocol.start == "tokenizer" and self.card.bos:
            options["start"] = "tokenizer"
        if protocol.window is not None and (self.window is None or protocol.window < self.window):
            options["window"] = protocol.window
        if protocol.last_layer == NORMED and not self.variant.sites:
            options["last_layer"] = NORMED
        return options

    # ---- parts ------------------------------------------------------------------------
    @property
    def folder(self) -> Path:
        """Where the model's files are."""
        with self._lock:
            if self._folder is None:
                self._folder = weights.locate(self.source, self.revision)
            return self._folder

    @property
    def config(self):
        """The model's configuration; no weights are read."""
        with self._lock:
            if self._config is None:
                self._config = weights.load_config(self.folder)
            return self._config

    @property
    def _told(self) -> dict:
        """config.json as it stands, which tells most without transformers."""
        return read_json(self.folder / "config.json")

    @property
    def tokenizer(self):
        """The tokenizer, loaded when it is first asked for."""
        with self._lock:
            if self._tokenizer is None:
                self._tokenizer = load_tokenizer(self.folder)
            return self._tokenizer

    @property
    def widths(self) -> tuple[int, ...]:
        """Units of each layer, or of each site where those are read."""
        width, layers = folders.shape(self._told)
        if width is None or layers is None:
            config = self.config.get_text_config()
            width, layers = config.hidden_size, config.num_hidden_layers
        if not self.variant.sites:
            return (width,) * (layers + 1)
        return tuple(
            self._head_width(width) if site.kind == "head" else width for site in self.sites
        )

    def _head_width(self, width: int) -> int:
        told = getattr(self.config.get_text_config(), "head_dim", None)
        if isinstance(told, int):
            return told
        assert self._heads is not None  # only heads that there are can be read
        return width // self._heads

    @property
    def _heads(self) -> int | None:
        return getattr(self.config.get_text_config(), "num_attention_heads", None)

    @property
    def decoder_blocks(self) -> int | None:
        """Blocks of the decoder that reads what an encoder gives; None where there is none."""
        config = self.config.get_text_config()
        if not self.config.is_encoder_decoder:
            return None
        return getattr(config, "num_decoder_layers", None) or config.decoder_layers

    @property
    def sites(self) -> list[sites.Site]:
        """The places that are read in place of layers, in order; empty where layers are."""
        if not self.variant.sites:
            return []
        with self._lock:
            if self._sites is None:
                blocks = self.config.get_text_config().num_hidden_layers
                self._sites = sites.expanded(
                    self.variant.sites, blocks, self._heads, self.decoder_blocks
                )
            return self._sites

    @property
    def depths(self) -> list[float]:
        """Relative depth of each layer or site: 0 is the embedding output, 1 the last block."""
        if not self.variant.sites:
            return [n / max(self.n_layers - 1, 1) for n in range(self.n_layers)]
        config = self.config.get_text_config()
        last: dict[str, Any] = {"dec": self.decoder_blocks}
        return [site.block / last.get(site.kind, config.num_hidden_layers) for site in self.sites]

    def layer_number(self, layer: int | str) -> int:
        """As :meth:`Model.layer_number`; a site by its name."""
        if self.variant.sites and sites.is_site(layer):
            names = [site.name for site in self.sites]
            if layer not in names:
                raise unknown(f"site of {self.id}", layer, names)
            return names.index(layer)
        return super().layer_number(layer)

    def at(self, names: Sequence[str]) -> TransformerModel:
        """The same model, read at other places: ``attn:3``, ``mlp:3``, ``head:3.5``, ``dec:3``, ``block:3``."""
        steps = [step for step in self.variant.steps if step.kind != "at"]
        variant = Variant.of([*steps, Variant.parse("at:" + "+".join(names))])
        return type(self)(self.card, self.source, revision=self.revision, variant=variant)

    def network(self, dtype: str):
        """The whole torch module with its head, an encoder-decoder's decoder among it."""
        return self.loaded.whole(self, dtype)

    @property
    def window(self) -> int | None:
        """Tokens the model sees at most, special tokens included; None: no limit of its own."""
        with self._lock:
            if self._window is _UNKNOWN:
                plain = stated_limit(self._told)
                self._window = (
                    plain if plain is not None else position_limit(self.config, self.tokenizer)
                )
            return self._window

    @property
    def is_causal(self) -> bool:
        """No token sees the tokens after it."""
        return self.card.cls == "causal"

    @property
    def module(self):
        """The torch module without its head, in evaluation mode; loaded when first asked for."""
        return self.loaded.body(self, "float32")

    @property
    def lm(self):
        """The torch module with its language-model head, in float32.

        Raises
        ------
        BrainLensError
            Where the architecture has none.
        """
        return self.network("float32")

    @property
    def device(self) -> str:
        """Where the model computes: ``cpu``, ``cuda``, ``cuda:N`` or ``mps``."""
        import torch

        place = device()
        if place == "offload":
            return "cuda" if torch.cuda.is_available() else "cpu"
        return place

    def close(self) -> None:
        """Give back memory; it loads itself again when it is next asked."""
        self.loaded.close(self)

    @property
    def padding(self) -> int:
        """Token that fills up shorter sequences of a batch; never seen by the others."""
        pad = self.tokenizer.pad_token_id
        pad = self.config.get_text_config().pad_token_id if pad is None else pad
        return pad if isinstance(pad, int) and 0 <= pad < (self.rows or pad + 1) else 0

    @property
    def decoder_start(self) -> int:
        """Token that a decoder begins with.

        Raises
        ------
        BrainLensError
            Where neither config tells one.
        """
        for config in (self.config, getattr(self.loaded.network, "generation_config", None)):
            for name in ("decoder_start_token_id", "bos_token_id", "pad_token_id"):
                token = getattr(config, name, None)
                if isinstance(token, int):
                    return token
        raise BrainLensError(
            f"{self.id}: config.json names no token that the decoder starts with",
            remedy="Write 'decoder_start_token_id' into config.json",
        )

    def encoder_inputs(self, texts: list[list[int]], frame: tuple) -> dict:
        """What the encoder reads, in its frame, padded to the right; an empty text is its frame, or one padding token."""
        import torch

        front, back = frame
        sequences = [[*front, *ids, *back] or [self.padding] for ids in texts]
        longest = max(map(len, sequences))
        ids = torch.full((len(sequences), longest), self.padding, dtype=torch.long)
        seen = torch.zeros_like(ids)
        for b, sequence in enumerate(sequences):
            ids[b, : len(sequence)], seen[b, : len(sequence)] = torch.tensor(sequence), 1
        return {"input_ids": ids.to(self.device), "attention_mask": seen.to(self.device)}

    @property
    def rows(self) -> int | None:
        """Rows of the embedding, as the config states them; None for a model of characters, which has a hash for each."""
        return getattr(self.config.get_text_config(), "vocab_size", None)

    def frame(self, start: str = "policy") -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Special tokens before and after every text.

        Parameters
        ----------
        start : str
            ``"policy"``: the card's start token where it names one; ``"tokenizer"``: what the tokenizer adds by itself.
        """
        front, back = own_frame(self.tokenizer)
        if start == "policy" and self.card.bos:
            token = self.tokenizer.convert_tokens_to_ids(self.card.bos)
            if token is None or (
                token == self.tokenizer.unk_token_id and self.card.bos != self.tokenizer.unk_token
            ):
                raise BrainLensError(
                    f"{self.id}: the tokenizer has no start token {self.card.bos!r}",
                    choices=self.tokenizer.all_special_tokens,
                    remedy=f'Write the one it has, or {{"bos": ""}} for none, into {self.folder / "card.json"}',
                )
            front = (token,)
        check_rows(self.id, self.tokenizer, (*front, *back), self.rows)
        return front, () if self.is_causal else back

    # ---- reading ------------------------------------------------------------------------
    def read(
        self,
        passages: Sequence[Passage],
        layers: Sequence[int],
        *,
        pooling: str = "last",
        attention: str = "prefix",
        dtype: str = "float32",
        report: Report = SILENT,
        start: str = "policy",
        last_layer: str = "raw",
        window: int | None = None,
        skip: Collection[int] = (),
    ) -> Iterator[tuple[np.ndarray, list[np.ndarray]]]:
        """Activations of every stimulus, batch by batch.

        A causal model reads a context group in one pass, where that is exact: the tokens of each prefix begin the tokens of
        the whole, and they fit the window. Any other prefix, and every prefix of a bidirectional model, has a pass of its own.

        Parameters
        ----------
        start, last_layer, window
            See :meth:`reading_options`.
        skip : collection of int
            Rows that are there already: a batch of them alone is not run. The other batches stay what they were, to the bit.

        Yields
        ------
        rows : ndarray, shape (n,)
        values : list of ndarray, one per layer asked for, shape (n, width), float32
        """
        if pooling not in POOL:
            raise unknown("pooling", pooling, POOL)
        layers = [self.layer_number(layer) for layer in layers]
        wanted = [self.sites[n] for n in layers] if self.variant.sites else []
        if any(site.kind == "dec" for site in wanted):
            if not all(site.kind == "dec" for site in wanted):
                raise BrainLensError(
                    f"{self.id}: the decoder reads the sentence, the encoder what stands before it, in passes of their own",
                    remedy="Score layers of the decoder and of the encoder one after the other",
                )
            pool = partial(pooled, pooling=pooling)
            yield from sites.read_decoder(self, passages, wanted, pool, dtype, report)
            return
        runs = planned(
            self,
            passages,
            start,
            window,
            whole=attention == "whole" and not self.is_causal,
            report=report,
        )
        size = CAUSAL_BATCH if self.is_causal else PREFIX_BATCH
        total, done, tokens = sum(len(p.rows) for p in passages), 0, 0
        skip = set(skip)
        report.step(0, total, "stimuli")
        for batch in batches(runs, size, self.device):
            rows = [row for run in batch for row, _, _ in run.wants]
            if not skip.issuperset(rows):
                self.loaded.check_memory(
                    self, max(len(run.ids) for run in batch) * len(batch), dtype
                )
                yield (
                    np.asarray(rows),
                    self._forward(batch, layers, pooling, dtype, last_layer, report),
                )
                tokens += sum(len(run.ids) for run in batch)
            done += len(rows)
            report.step(done, total, "stimuli", tokens=tokens)

    def _forward(
        self,
        batch: list[Run],
        layers: list[int],
        pooling: str,
        dtype: str,
        last_layer: str,
        report: Report,
    ) -> list[np.ndarray]:
        import torch

        body = self.loaded.body(self, dtype)
        parts = anatomy(body)
        heard: dict[int, np.ndarray] = {}
        wants = [(b, first, last) for b, run in enumerate(batch) for _, first, last in run.wants]
        final = self.n_layers - 1
        normed = last_layer == NORMED and final in layers and not self.variant.sites

        def hear(layer, hidden):
            report.checkpoint()
            heard[layer] = pooled(hidden, wants, pooling)

        inputs = self._inputs(batch)
        if self.variant.sites:
            places = [self.sites[n] for n in layers]
            ear = sites.listen_at(parts, places, self._heads, lambda n, h: hear(layers[n], h))
        else:
            listened = [layer for layer in layers if not (normed and layer == final)]
            ear = listen(parts, listened, hear, stop=not normed)
        with (
            torch.inference_mode(),
            ear,
            contextlib.suppress(Stop),
        ):
            output = body(**inputs)
            if normed:
                hear(final, output.last_hidden_state)
        return [heard[layer] for layer in layers]

    def _inputs(self, batch: list[Run]) -> dict:
        import torch

        longest = max(len(run.ids) for run in batch)
        ids = torch.full((len(batch), longest), self.padding, dtype=torch.long)
        seen = torch.zeros_like(ids)
        for b, run in enumerate(batch):
            ids[b, : len(run.ids)] = torch.tensor(run.ids)
            seen[b, : len(run.ids)] = 1
        inputs = {"input_ids": ids.to(self.device)}
        if not self.is_causal and not bool(
            seen.all()
        ):  # to the right of a causal model's tokens nothing is seen anyway
            inputs["attention_mask"] = seen.to(self.device)
        return inputs

    def token_states(
        self, blocks: np.ndarray, *, report: Report = SILENT
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Normed last-layer states of every token of short blocks, each without the tokens behind it.

        Parameters
        ----------
        blocks : ndarray of int, shape (n_blocks, n_tokens)

        Yields
        ------
        places : ndarray, shape (n,)
            ``block * n_tokens + token``.
        states : ndarray, shape (n, width), float32
        """
        front, back = self.frame("tokenizer")
        width, lead = blocks.shape[1], len(front)
        runs = []
        for number, block in enumerate(blocks.tolist()):
            for end in [width] if self.is_causal else range(1, width + 1):
                wants = [
                    (number * width + t, lead + t, lead + t + 1)
                    for t in (range(width) if self.is_causal else [end - 1])
                ]
                runs.append(Run((*front, *block[:end], *back), wants))
        for batch in batches(runs, 64, self.device):
            values = self._forward(batch, [self.n_layers - 1], "last", "float32", NORMED, report)[0]
            yield np.asarray([place for run in batch for place, _, _ in run.wants]), values

    # ---- surprisal ------------------------------------------------------------------------
    def surprisal(
        self,
        texts: Sequence[str],
        *,
        window: int | None = None,
        stride: int | None = None,
        report: Report = SILENT,
    ) -> list[TokenSurprisal]:
        """Token surprisals of each text, as in :meth:`Model.surprisal`; of a masked model its pseudo-log-likelihood."""
        return next_token.surprisals(self, texts, window=window, stride=stride, report=report)
