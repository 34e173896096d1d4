"""Where the layers of a transformer are: raw block outputs by hooks, one scheme for all families."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from data.errors import BrainLensError

__all__ = ["Anatomy", "Stop", "anatomy", "listen", "looks_ahead", "position_limit", "stated_limit"]


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
    """

    first: object
    blocks: tuple
    n_blocks: int
    batch_second: bool = False


def anatomy(body) -> Anatomy:
    """Find the blocks of a transformer without its head.

    Raises
    ------
    BrainLensError
        Where the blocks cannot be told apart.
    """
    import torch

    config = (
        body.config.get_text_config() if hasattr(body.config, "get_text_config") else body.config
    )
    count = config.num_hidden_layers
    if hasattr(body, "attentions") and hasattr(
        body, "layer_norm2"
    ):  # XLM: no block modules, the second norm ends each block
        return Anatomy(body.attentions[0], tuple(body.layer_norm2), count)
    groups = [m for name, m in body.named_modules() if name.endswith("albert_layer_groups")]
    if groups:  # ALBERT: one group of layers, called again and again
        return Anatomy(groups[0][0], tuple(groups[0]), count)
    lists = [
        (name, m)
        for name, m in body.named_modules()
        if isinstance(m, torch.nn.ModuleList) and len(m) == count
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
            f"The blocks of {type(body).__name__} cannot be found: {len(lists)} lists of {count} modules",
            choices=[name for name, _ in lists],
            remedy="Import its activations from a file instead",
        )
    blocks = outer[0][1]
    return Anatomy(blocks[0], tuple(blocks), count, batch_second=body.config.model_type == "xlnet")


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


def looks_ahead(body) -> bool:
    """Whether a token's last hidden state changes with the token behind it: tried out on eight tokens."""
    import torch

    device = next(body.parameters()).device
    ids = torch.arange(8, device=device).repeat(2, 1) % body.get_input_embeddings().weight.shape[0]
    ids[1, -1] = 0
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


def position_limit(config, tokenizer=None) -> int | None:
    """Tokens a model can see at once, special tokens included; None: no limit of its own."""
    config = config.get_text_config() if hasattr(config, "get_text_config") else config
    for name in ("max_position_embeddings", "n_positions"):
        limit = getattr(config, name, None)
        if isinstance(limit, int) and limit > 0:
            if config.model_type in _PAD_SHIFTED:
                limit -= 2 if config.model_type == "mpnet" else config.pad_token_id + 1
            return limit
    stated = getattr(tokenizer, "model_max_length", None)
    return int(stated) if stated is not None and stated < 1_000_000 else None


def stated_limit(config: dict) -> int | None:
    """:func:`position_limit` as config.json states it; None where it has to be asked of the loaded config.

    Examples
    --------
    >>> stated_limit({"model_type": "gpt2", "n_positions": 1024})
    1024
    """
    if config.get("model_type") in _PAD_SHIFTED or isinstance(config.get("text_config"), dict):
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
