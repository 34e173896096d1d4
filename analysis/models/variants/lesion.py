"""Units that answer to language, found as in the scanner, and cut out: sentences against strings of non-words."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from analysis.models.variants.spec import Variant
from data.errors import BrainLensError

__all__ = ["contrast", "lesioned", "nonwords", "select", "sentences", "unit_means"]

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
    from data.embedded import stimuli

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
        language: the largest t of all blocks together. random: as many of the other units, by seed. least: the smallest |t|.
    percent : float
        Of all units; at least one.

    Returns
    -------
    ndarray of bool, shape (block, unit)
    """
    count = max(1, round(t.size * percent / 100))
    order = np.argsort(-t, axis=None, kind="stable")
    if units == "random":
        rest = order[count:] if count <= t.size // 2 else np.sort(order)
        order = np.random.default_rng(seed).permutation(np.sort(rest))
    elif units == "least":
        order = np.argsort(np.abs(t), axis=None, kind="stable")
    chosen = np.zeros(t.size, bool)
    chosen[order[:count]] = True
    return chosen.reshape(t.shape)


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
    """The module with units of its blocks set to zero whenever it runs.

    The units are found on this very model: 96 sentences against as many strings of non-words (after Fedorenko et al. 2010;
    AlKhamissi et al. 2025 for language models), mean over tokens, Welch's t, over all blocks together. ``module.lesion`` keeps
    the units that were cut out, shape (block, unit).

    Raises
    ------
    BrainLensError
        For a model without blocks of its own for each layer, or one that reads no text.
    """
    import torch

    from analysis.models.architectures import anatomy

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
    reads, strings = tokenizer(), sentences()
    t = contrast(
        unit_means(body, parts, reads, strings), unit_means(body, parts, reads, nonwords(strings))
    )
    lesion = select(t, variant.scheme, variant.amount, variant.seed)

    def cut(keep):
        def hook(block, args, output):
            if isinstance(output, tuple):
                return (output[0] * keep.to(output[0]), *output[1:])
            return output * keep.to(output)

        return hook

    for block, units in zip(parts.blocks, lesion):
        if units.any():
            block.register_forward_hook(cut(torch.from_numpy(~units)))
    module.lesion = lesion
    return module
