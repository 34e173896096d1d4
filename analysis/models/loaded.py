"""The torch module of a transformer, in memory while it is asked."""

from __future__ import annotations

import contextlib
import threading
from typing import Any

from analysis.models.architectures import looks_ahead, without_head
from analysis.models.device import device
from analysis.models.files import weights
from data.errors import BrainLensError

__all__ = ["Loaded"]


class Loaded:
    """The network of one model: loaded when first asked for, in one dtype at one place at a time, with or without its head.

    Methods are given the :class:`analysis.models.transformer.TransformerModel`; none is held, so that one that nobody needs any
    more gives its memory back at once.

    Parameters
    ----------
    lock : threading.RLock
        The model's own: while one thread loads, no other does, nor gives back.

    Attributes
    ----------
    network : torch.nn.Module or None
        What is in memory.
    """

    def __init__(self, lock: threading.RLock):
        self._lock, self._has_head = lock, False
        self.network: Any = None
        self._dtype = self._place = None

    def _there(self, dtype: str) -> bool:
        return self.network is not None and (self._dtype, self._place) == (dtype, device())

    def whole(self, model, dtype: str):
        """The module with its head, an encoder-decoder's decoder among it."""
        with self._lock:
            if model.card.headless and model.variant.starts_fresh:
                raise BrainLensError(
                    f"{model.id} is a copy of a sentence encoder, which predicts no words: its numbers would stand beside none",
                    remedy="Pick a causal, masked, recurrent or n-gram model",
                )
            if not self._has_head or not self._there(dtype):
                try:
                    self._load(model, dtype, head=True)
                except weights.IncompleteWeights as lack:
                    if not model.card.headless:
                        raise
                    raise BrainLensError(
                        f"{model.id} is a sentence encoder: its weights hold nothing that predicts a word",
                        remedy="Pick a causal, masked, recurrent or n-gram model",
                    ) from lack
            return self.network

    def body(self, model, dtype: str):
        """The module without its head; of an encoder-decoder its encoder."""
        with self._lock:
            if not self._there(dtype):
                self._load_body(model, dtype)
            body = without_head(self.network)
            return (
                body.get_encoder()
                if model.config.is_encoder_decoder and hasattr(body, "get_encoder")
                else body
            )

    def close(self, model) -> None:
        """Give back memory, that of a graphics card too."""
        with self._lock:
            held, self.network, self._has_head = self.network is not None, None, False
        if held and model.device.startswith("cuda"):
            import torch

            torch.cuda.empty_cache()

    def check_memory(self, model, tokens: int, dtype: str) -> None:
        """Refuse what does not fit in the memory that is free, before anything is loaded."""
        if self.network is not None or device() == "offload":
            return
        parameters = model.card.parameters or weights.count_parameters(model.folder)
        needed = weights.estimate(parameters, model.config, tokens, dtype)
        free = weights.available_memory(model.device)
        if free is not None and needed > free:
            raise BrainLensError(
                f"{model.id} needs about {needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free",
                remedy="Close other programs, set dtype=bfloat16, or pick a smaller model",
            )

    def _load_body(self, model, dtype: str) -> None:
        """Without a head; a variant with its head where there is one, so that reading and surprisal draw the same numbers."""
        head = weights.head_class(model.config, model.card.cls) is not None
        if model.variant.on_weights and head:
            with contextlib.suppress(weights.IncompleteWeights):
                return self._load(model, dtype, head=True)
        try:
            self._load(model, dtype, head=False)
        except weights.IncompleteWeights as lack:
            if not head:
                raise
            try:  # some are saved in a way that only the whole finds again
                self._load(model, dtype, head=True)
            except weights.IncompleteWeights:
                raise lack from None

    def _load(self, model, dtype: str, *, head: bool) -> None:
        import torch

        self.close(model)
        auto = (
            weights.head_class(model.config, model.card.cls)
            if head
            else weights.body_class(model.config)
        )
        if auto is None:
            raise BrainLensError(
                f"{model.id} is {model.card.kind_of_model} and gives no next-word probabilities",
                remedy="Pick a causal, masked, recurrent or n-gram model",
            )
        place = device()
        if place == "offload":
            if model.variant.on_weights:
                raise BrainLensError(
                    f"{model.id} is a variant, and the weights of a variant are changed in memory",
                    remedy="Choose another device than 'offload' for it",
                )
            network = weights.load_spread(auto, model.folder, getattr(torch, dtype))
        else:
            network = weights.load_network(
                auto,
                model.folder,
                model.config,
                model.variant,
                lambda: model.tokenizer,
                model.card.id,
            ).to(device=place, dtype=getattr(torch, dtype))
        if hasattr(network.config, "use_cache"):
            network.config.use_cache = False  # nothing is generated
        self.network = network.eval().requires_grad_(False)
        self._dtype, self._place, self._has_head = dtype, place, head
        body, rows = without_head(self.network), model.rows or 8
        if model.is_causal and looks_ahead(body, rows, model.device):
            self.close(model)
            raise BrainLensError(
                f"{model.id} is called causal, and its tokens see the ones behind them",
                remedy="Set the class on its card to 'bidirectional': then every prefix is read by itself",
            )
