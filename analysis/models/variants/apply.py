"""A variant of a model, made step by step: untrained, trained in part, with noise in its weights, or with units cut out."""

from __future__ import annotations

from collections.abc import Callable

from analysis.models.variants.lesion import lesioned
from analysis.models.variants.spec import Variant
from analysis.models.variants.untrained import noisy, untrained
from analysis.models.variants.wired import wired

__all__ = ["apply"]


def apply(
    module,
    variant: Variant,
    *,
    fresh: Callable | None = None,
    tokenizer: Callable | None = None,
    name: str = "",
):
    """A module with its variant.

    Parameters
    ----------
    module : torch.nn.Module or None
        The trained one, changed in place; None is enough where ``variant.starts_fresh``.
    variant : Variant
        Its steps that change weights are done in their order; those that change the text are left to the reader.
    fresh : callable, optional
        Gives a module of the same shape as the library initialises it (untrained ``init`` and ``blocks``, training).
    tokenizer : callable, optional
        Gives the module's tokenizer (lesions, training).
    name : str
        Of the model, by which its own recipe of training is found.

    Returns
    -------
    torch.nn.Module
    """
    born = False  # whether the module is as it was at its birth, which is where training begins
    for step in variant.on_weights.steps:
        if step.kind == "untrained":
            module, born = untrained(module, step.scheme, step.seed, fresh=fresh), True
        elif step.kind == "wire":
            if not born:
                module = untrained(None, "init", step.seed, fresh=fresh)
            module, born = wired(module, step, name=name, tokenizer=tokenizer), True
        elif step.kind == "noise":
            module = noisy(module, step.scheme, step.amount, step.seed)
        else:
            module = lesioned(module, step, tokenizer=tokenizer)
    return module
