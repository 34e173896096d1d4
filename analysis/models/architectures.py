"""Where the layers of a transformer are: raw block outputs by hooks, one scheme for all families."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from data.errors import BrainLensError

__all__ = [
    "Anatomy",
    "Stop",
    "anatomy",
    "listen",
    "looks_ahead",
    "position_limit",
    "stated_limit",
    "without_head",
]


class Stop(Exception):
    """Ends a forward pass after the last layer asked for."""


@dataclass(frozen=True)
class Anatomy:
    """The layers of one torch module.

    Parameters
    ----------
    first : torch.nn.Module
        Its input is layer 0, the embedding output.
    blocks : tuple of torch.nn.Module
        Their outputs, in the order of their calls, are layers 1..L; a shared block (ALBERT) stands here once.
    n_blocks : int
        L.
    batch_second : bool
        Hidden states are (token, batch, unit) (XLNet).
    stream : int or None
        Hidden states are (stream, batch, token, unit), and this stream is the one the head reads (Gemma 3n).
    """

    first: Any
    blocks: tuple
    n_blocks: int
    batch_second: bool = False
    stream: int | None = None


def anatomy(body, count: int | None = None) -> Anatomy:
    """Find the blocks of a transformer without its head; ``count`` of them, else as many as its config tells.

    Raises
    ------
    BrainLensError
        Where the blocks cannot be told apart.
    """
    import torch

    config = (
        body.config.get_text_config() if hasattr(body.config, "get_text_config") else body.config
    )
    n: Any = count or config.num_hidden_layers
    if count is None and getattr(config, "is_decoder", False) and not config.is_encoder_decoder:
        n = getattr(config, "decoder_layers", n)  # BART's decoder by itself
    if hasattr(body, "attentions") and hasattr(
        body, "layer_norm2"
    ):  # XLM: no block modules, the second norm ends each block
        return Anatomy(body.attentions[0], tuple(body.layer_norm2), n)
    groups = [m for name, m in body.named_modules() if name.endswith("albert_layer_groups")]
    if groups:  # ALBERT: one group of layers, called again and again
        return Anatomy(groups[0][0], tuple(groups[0]), n)
    lists = [
        (name, m)
        for name, m in body.named_modules()
        if isinstance(m, torch.nn.ModuleList) and len(m) == n
    ]
    lists.sort(key=lambda pair: pair[0].count("."))
    outer = (
        [(name, m) for name, m in lists if name.count(".") == lists[0][0].count(".")]
        if lists
        else []
    )
    if len(outer) > 1:
        outer = [
            (name, m)
            for name, m in outer
            if name.split(".")[-1] in ("h", "layer", "layers", "block", "blocks")
        ]
    if len(outer) != 1:
        raise BrainLensError(
            f"The blocks of {type(body).__name__} cannot be found: {len(lists)} lists of {n} modules",
            choices=[name for name, _ in lists],
            remedy="Import its activations from a file instead",
        )
    blocks = outer[0][1]
    return Anatomy(
        blocks[0],
        tuple(blocks),
        n,
        batch_second=body.config.model_type == "xlnet",
        stream=getattr(config, "altup_active_idx", None),
    )


@contextmanager
def listen(parts: Anatomy, layers: Sequence[int], hear: Callable, *, stop: bool = True):
    """Hooks that hand each wanted layer to ``hear(layer, hidden)`` during one forward pass.

    Parameters
    ----------
    layers : sequence of int
        0..L.
    hear : callable
        Gets the layer's number and its hidden states, (batch, token, unit), still owned by the model: copy what you keep.
    stop : bool
        Raise :class:`Stop` after the highest wanted layer.

    Yields
    ------
    callable
        To be called before each forward pass: it starts the count of blocks anew.
    """
    wanted, highest = set(layers), max(layers, default=-1)
    calls = 0

    def reset():
        nonlocal calls
        calls = 0

    def tell(layer, hidden):
        if layer in wanted:
            if parts.stream is not None and hidden.dim() == 4:
                hidden = hidden[parts.stream]
            hear(layer, hidden.transpose(0, 1) if parts.batch_second else hidden)
        if stop and layer >= highest:
            raise Stop

    def before(module, args, kwargs):
        if calls == 0:
            tell(0, args[0] if args else kwargs["hidden_states"])

    def after(module, args, output):
        nonlocal calls
        calls += 1
        tell(calls, output[0] if isinstance(output, tuple | list) else output)

    handles = [parts.first.register_forward_pre_hook(before, with_kwargs=True)]
    handles += [block.register_forward_hook(after) for block in parts.blocks]
    try:
        yield reset
    finally:
        for handle in handles:
            handle.remove()


def without_head(network):
    """The part of a torch module below its language-model head; the module itself where it has none."""
    body = network.base_model
    if body is network and network.get_output_embeddings() is not None and hasattr(body, "model"):
        return body.model  # Llama 4's text model names its body otherwise than it says
    return body


def looks_ahead(body, rows: int, device: str = "cpu") -> bool:
    """Whether a token's last hidden state changes with the token behind it: tried out on eight tokens of ``rows``."""
    import torch

    ids = (torch.arange(8, device=device) + rows // 2).repeat(2, 1) % rows  # past the special ones
    ids[1, -1] = rows // 2
    with torch.inference_mode():
        states = body(ids).last_hidden_state[:, :-1].float()
    return bool((states[0] - states[1]).abs().max() > 1e-3 * states.abs().max())


# ---- what the config tells ------------------------------------------------------------------------
_PAD_SHIFTED = {
    "roberta",
    "xlm-roberta",
    "xlm-roberta-xl",
    "roberta-prelayernorm",
    "camembert",
    "data2vec-text",
    "longformer",
    "mpnet",
    "xmod",
    "ibert",
}  # positions begin behind the padding index


_BY_LENGTH = ("dynamic", "longrope")
"""Rotary scalings that change for all tokens when a text outgrows the length it was trained at."""


def position_limit(config, tokenizer=None) -> int | None:
    """Tokens a model can see at once, special tokens included; None: no limit of its own.

    Where the rotary scaling depends on the length of the whole sequence (dynamic, longrope), the limit is the length below
    which it does not: beyond it, the reading of a word would change with the words to come and with what is in the batch.
    """
    config = config.get_text_config() if hasattr(config, "get_text_config") else config
    for name in ("max_position_embeddings", "n_positions"):
        limit = getattr(config, name, None)
        if isinstance(limit, int) and limit > 0:
            if config.model_type in _PAD_SHIFTED:
                limit -= 2 if config.model_type == "mpnet" else config.pad_token_id + 1
            return min(limit, _scaling_limit(config) or limit)
    stated = getattr(tokenizer, "model_max_length", None)
    return int(stated) if stated is not None and stated < 1_000_000 else None


def _scaling_limit(config) -> int | None:
    """Tokens below which the rotary scaling is one and the same; None where it always is."""
    told = getattr(config, "rope_parameters", None) or {}
    kinds = [
        told,
        *(one for one in told.values() if isinstance(one, dict)),
    ]  # some by kind of layer
    limits = [
        one.get("original_max_position_embeddings")
        or getattr(config, "original_max_position_embeddings", None)
        for one in kinds
        if one.get("rope_type") in _BY_LENGTH
    ]
    return min((limit for limit in limits if limit), default=None)


def stated_limit(config: dict) -> int | None:
    """:func:`position_limit` as config.json states it; None where it has to be asked of the loaded config.

    Examples
    --------
    >>> stated_limit({"model_type": "gpt2", "n_positions": 1024})
    1024
    """
    if config.get("model_type") in _PAD_SHIFTED or isinstance(config.get("text_config"), dict):
        return None
    scaling = json.dumps([config.get(name) for name in ("rope_scaling", "rope_parameters")])
    if any(kind in scaling for kind in (*_BY_LENGTH, '"su"')):
        return None
    limit = next(
        (
            config[name]
            for name in ("max_position_embeddings", "n_positions")
            if isinstance(config.get(name), int)
        ),
        0,
    )
    return limit if limit > 0 else None
