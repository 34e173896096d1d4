"""A variant of a model, made: untrained, with noise in its weights, or with units cut out."""

from __future__ import annotations

from collections.abc import Callable

from analysis.models.variants.lesion import lesioned
from analysis.models.variants.spec import Variant
from analysis.models.variants.untrained import noisy, untrained

__all__ = ["apply"]


def apply(
    module, variant: Variant, *, fresh: Callable | None = None, tokenizer: Callable | None = None
):
    """A module with its variant.

    Parameters
    ----------
    module : torch.nn.Module or None
        The trained one, changed in place; None is enough for ``untrained:init``.
    variant : Variant
    fresh : callable, optional
        Gives a module of the same shape as the library initialises it (untrained ``init`` and ``blocks``).
    tokenizer : callable, optional
        Gives the module's tokenizer (lesions).

    Returns
    -------
    torch.nn.Module
    """
    if not variant:
        return module
    if variant.kind == "untrained":
        return untrained(module, variant.scheme, variant.seed, fresh=fresh)
    if variant.kind == "noise":
        return noisy(module, variant.scheme, variant.amount, variant.seed)
    return lesioned(module, variant, tokenizer=tokenizer)
