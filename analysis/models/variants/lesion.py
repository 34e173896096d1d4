"""Units that answer to language, found as in the scanner, and cut out: sentences against strings of non-words."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np

from analysis.models.architectures import anatomy
from analysis.models.variants.maps import load_map
from analysis.models.variants.spec import Variant
from data.embedded import stimuli
from data.errors import BrainLensError

__all__ = ["contrast", "lesioned", "nonwords", "select", "sentences", "t_map", "unit_means"]

STRINGS, LONGEST = 96, 12  # of each kind; words per string
_ONSETS = (
    "b",
    "bl",
    "br",
    "c",
    "cl",
    "d",
    "dr",
    "f",
    "fl",
    "fr",
    "g",
    "gl",
    "gr",
    "h",
    "j",
    "k",
    "l",
    "m",
    "n",
    "p",
    "pl",
    "pr",
    "r",
    "s",
    "sc",
    "sl",
    "sm",
    "sn",
    "sp",
    "st",
    "str",
    "t",
    "th",
    "tr",
    "v",
    "w",
    "z",
)
_VOWELS = ("a", "e", "i", "o", "u", "ai", "ea", "ee", "oa", "oo", "ou")
_CODAS = (
    "b",
    "ck",
    "d",
    "ft",
    "g",
    "ld",
    "lk",
    "m",
    "mp",
    "n",
    "nd",
    "ng",
    "nk",
    "nt",
    "p",
    "r",
    "rd",
    "rk",
    "s",
    "sk",
    "st",
    "t",
    "th",
)


def sentences(count: int = STRINGS) -> list[str]:
    """The first words of original English sentences, at most 12 of each, without punctuation at the end."""
    texts = stimuli()["text"].tolist()
    step = max(1, len(texts) // count)
    return [" ".join(text.split()[:LONGEST]).rstrip(".,;:!?") for text in texts[::step][:count]]


def nonwords(strings: Sequence[str], seed: int = 0) -> list[str]:
    """Pronounceable non-words, as many and about as long as the words of each string; the same for the same seed."""
    rng = np.random.default_rng(seed)

    def one(length: int) -> str:
        word = ""
        while len(word) < length:
            word += rng.choice(_ONSETS) + rng.choice(_VOWELS)
        return word if len(word) > length else word + str(rng.choice(_CODAS))

    made = [" ".join(one(len(word) - 1) for word in string.split()) for string in strings]
    return [text[:1].upper() + text[1:] for text in made]


def contrast(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Welch's t of each unit, first above second, shape (string, ...) each -> (...); 0 where a unit never changes.

    Notes
    -----
    t = (m1 - m2) / sqrt(s1^2 / n1 + s2^2 / n2)
    """
    gap = first.mean(axis=0) - second.mean(axis=0)
    error = np.sqrt(
        first.var(axis=0, ddof=1) / len(first) + second.var(axis=0, ddof=1) / len(second)
    )
    return np.divide(gap, error, out=np.zeros_like(gap), where=error > 0)


def select(t: np.ndarray, units: str, percent: float, seed: int = 0) -> np.ndarray:
    """Which units are cut out.

    Parameters
    ----------
    t : ndarray, shape (block, unit)
    units : str
        language: the largest t of all blocks together. random: as many of the other units, by seed. matched: in each block
        as many of its other units as language takes there, by seed. least: the smallest |t|.
    percent : float
        Of all units; at least one.

    Returns
    -------
    ndarray of bool, shape (block, unit)
    """
    count = max(1, round(t.size * percent / 100))
    order = np.argsort(-t, axis=None, kind="stable")
    if units == "matched":
        return _matched(select(t, "language", percent), seed)
    if units == "random":
        rest = order[count:] if count <= t.size // 2 else np.sort(order)
        order = np.random.default_rng(seed).permutation(np.sort(rest))
    elif units == "least":
        order = np.argsort(np.abs(t), axis=None, kind="stable")
    chosen = np.zeros(t.size, bool)
    chosen[order[:count]] = True
    return chosen.reshape(t.shape)


def _matched(found: np.ndarray, seed: int) -> np.ndarray:
    """In each block as many units as were found there, others where there are enough, by seed."""
    rng, chosen = np.random.default_rng(seed), np.zeros_like(found)
    for block, own in enumerate(found):
        others = np.flatnonzero(~own) if 2 * own.sum() <= own.size else np.arange(own.size)
        chosen[block, rng.permutation(others)[: own.sum()]] = True
    return chosen


def unit_means(body, parts, tokenizer, texts: Sequence[str]) -> np.ndarray:
    """Mean activation over a text's tokens of every unit of every block, shape (text, block, unit)."""
    import torch

    heard: dict[int, np.ndarray] = {}

    def listen(block):
        def hook(module, args, output):
            hidden = output[0] if isinstance(output, tuple) else output
            heard[block] = hidden.float().mean(dim=(0, 1)).cpu().numpy()

        return hook

    handles = [
        module.register_forward_hook(listen(block)) for block, module in enumerate(parts.blocks)
    ]
    device, values = next(body.parameters()).device, []
    try:
        with torch.inference_mode():
            for text in texts:
                ids = tokenizer(text, return_tensors="pt")["input_ids"].to(device)
                body(input_ids=ids)
                values.append(np.stack([heard[block] for block in range(len(parts.blocks))]))
    finally:
        for handle in handles:
            handle.remove()
    return np.stack(values).astype(np.float64)


def lesioned(module, variant: Variant, *, tokenizer: Callable | None):
    """The module with units of its blocks set to zero whenever it runs, or with attention heads or whole blocks left out.

    The units are found on this very model: 96 sentences against as many strings of non-words (after Fedorenko et al. 2010;
    AlKhamissi et al. 2025 for language models), mean over tokens, Welch's t, over all blocks together; or they stand in a map
    that was saved (``map-NAME``, and as many others in the same blocks: ``matched-NAME``). ``module.lesion`` keeps
    the units (heads, blocks) that were cut out, shape (block, unit), (block, head) or (block,).

    Raises
    ------
    BrainLensError
        For a model without blocks of its own for each layer, or one that reads no text; for a map of another model.
    """
    if tokenizer is None or not hasattr(module, "base_model"):
        raise BrainLensError(
            f"The variant {variant} needs a transformer",
            remedy="Pick a transformer, or an untrained variant",
        )
    body = module.base_model
    if getattr(body.config, "is_encoder_decoder", False) and hasattr(body, "get_encoder"):
        body = body.get_encoder()
    parts = anatomy(body)
    if len(parts.blocks) != parts.n_blocks:
        raise BrainLensError(
            "The model applies one block again and again: its units cannot be cut out layer by layer",
            remedy="Pick a model with a block for each layer",
        )
    module.eval()
    text = body.config.get_text_config() if hasattr(body.config, "get_text_config") else body.config
    width = text.hidden_size
    if variant.scheme == "heads":
        module.lesion = _without_heads(body, parts, variant)
    elif variant.scheme == "blocks":
        module.lesion = _without_blocks(parts, variant)
    else:
        units, _, saved = variant.scheme.partition("-")
        if saved:
            t = load_map(saved, shape=(parts.n_blocks, width)).t
            units = {"map": "language"}.get(units, units)
        else:
            t = t_map(body, parts, tokenizer())
        module.lesion = select(t, units, variant.amount, variant.seed)
        _silence(parts, module.lesion)
    return module


def t_map(
    body, parts, tokenizer, first: Sequence[str] = (), second: Sequence[str] = ()
) -> np.ndarray:
    """Welch's t of every unit, first texts above second ones (default: sentences above non-words), shape (block, unit)."""
    first = list(first) or sentences()
    second = list(second) or nonwords(first)
    return contrast(
        unit_means(body, parts, tokenizer, first), unit_means(body, parts, tokenizer, second)
    )


def _silence(parts, lesion: np.ndarray) -> None:
    import torch

    def cut(keep):
        def hook(block, args, output):
            if isinstance(output, tuple):
                return (output[0] * keep.to(output[0]), *output[1:])
            return output * keep.to(output)

        return hook

    for block, units in zip(parts.blocks, lesion):
        if units.any():
            block.register_forward_hook(cut(torch.from_numpy(~units)))


def _some(count: int, variant: Variant) -> np.ndarray:
    """Which of ``count`` things are cut out, by seed: at least one, never all."""
    wanted = min(max(1, round(count * variant.amount / 100)), count - 1)
    chosen = np.zeros(count, bool)
    chosen[np.random.default_rng(variant.seed).permutation(count)[:wanted]] = True
    return chosen


def _without_heads(body, parts, variant: Variant) -> np.ndarray:
    """Random attention heads, their part of what enters the output matrix set to zero."""
    import torch

    config = (
        body.config.get_text_config() if hasattr(body.config, "get_text_config") else body.config
    )
    heads = config.num_attention_heads
    gone = _some(parts.n_blocks * heads, variant).reshape(parts.n_blocks, heads)

    def cut(keep):
        def hook(module, args):
            return (args[0] * keep.to(args[0]), *args[1:])

        return hook

    for block, own in zip(parts.blocks, gone):
        outputs = [m for name, m in block.named_modules() if _HEADS_OUT.search(name)]
        if not outputs:
            raise BrainLensError(
                f"The output of attention cannot be found in {type(block).__name__}",
                remedy="Cut out units or blocks instead: @lesion:random:1:0, @lesion:blocks:20:0",
            )
        weight = outputs[0].weight
        inside = weight.shape[0] if type(outputs[0]).__name__ == "Conv1D" else weight.shape[1]
        if own.any():
            keep = torch.from_numpy(np.repeat(~own, inside // heads))
            outputs[0].register_forward_pre_hook(cut(keep))
    return gone


_HEADS_OUT = re.compile(
    r"(?:attn|attention|self_attention)\.(?:o_proj|c_proj|out_proj|dense|out_lin|Wo|output\.dense|o)$"
)


def _without_blocks(parts, variant: Variant) -> np.ndarray:
    """Random blocks that hand on what they get."""

    def skip(block, args, kwargs, output):
        given = args[0] if args else kwargs["hidden_states"]
        return (given, *output[1:]) if isinstance(output, tuple) else given

    gone = _some(parts.n_blocks, variant)
    for block, out in zip(parts.blocks, gone):
        if out:
            block.register_forward_hook(skip, with_kwargs=True)
    return gone
