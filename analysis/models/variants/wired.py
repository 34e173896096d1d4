"""A model of which some weights are trained for some updates, from its birth: which weights those are."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import contextmanager

from analysis.models.shared import shared
from analysis.models.variants.spec import PARTS, Variant
from analysis.models.variants.untrained import layer_of
from analysis.models.zoo.wire import recipe_of, tokens_for, train_part
from analysis.progress import SILENT, Report
from data.errors import BrainLensError, unknown

__all__ = ["piece_loss", "progress_to", "trained_weights", "wired"]

_ATTENTION = re.compile(r"attn|attention", re.IGNORECASE)
_NORM = re.compile(r"norm|ln_?\d?|layer_?norm", re.IGNORECASE)
_DOWN = re.compile(
    r"mlp\.(?:down_proj|c_proj|Wo|dense_4h_to_h|fc_out|fc2)|\.fc2|\.w2|ffn\.lin2|(?<!attention\.)output\.dense"
)
_REPORT: list[Report] = []


@contextmanager
def progress_to(report: Report):
    """Trainings that loading a model starts inside tell this report how far they are, and are cancelled by it."""
    _REPORT.append(report)
    try:
        yield
    finally:
        _REPORT.pop()


def chosen(module, what: str) -> dict:
    """The parameters of a part, by name; for ``rank-R`` those of an update that is put onto every matrix of the blocks.

    Raises
    ------
    BrainLensError
        Where the model has no such part.
    """
    own = dict(module.named_parameters())
    layers = {name: layer_of(name) or 0 for name in own}
    kind, _, number = what.partition("-")
    top = max(layers.values(), default=0)
    if kind == "all":
        found = own
    elif kind == "embeddings":
        found = {name: value for name, value in own.items() if layer_of(name) == 0}
    elif kind == "norms":
        found = {name: value for name, value in own.items() if value.dim() == 1}
    elif kind == "last":
        above = {name for name in own if layers[name] > top - int(number)}
        rest = {name for name in own if layer_of(name) is None and own[name].dim() == 1}
        found = (
            {name: own[name] for name in own if name in above | rest} if int(number) <= top else {}
        )
    elif kind == "rank":
        return _low_rank(module, int(number))
    else:
        pattern = _ATTENTION if kind == "attention" else _DOWN
        found = {
            name: value
            for name, value in own.items()
            if layers[name]
            and value.dim() > 1
            and pattern.search(name)
            and not _NORM.search(name.split(".")[-2])
        }
    if not found:
        raise unknown(
            f"part of {type(module).__name__} to train", what, PARTS,
            remedy=f"It has {top} blocks; 'all', 'embeddings' and 'last-1' are in every model",
        )  # fmt: skip
    return found


def trained_weights(module, what: str) -> int:
    """How many weights a part has."""
    return sum(value.numel() for value in chosen(module, what).values())


def wired(
    module, variant: Variant, *, name: str, tokenizer: Callable | None, report: Report | None = None
):
    """The module after so many updates of one of its parts.

    Parameters
    ----------
    module : torch.nn.Module
        As at its birth; changed in place.
    variant : Variant
        A ``wire`` step.
    name : str
        The model's id.
    tokenizer : callable
        Gives its tokenizer.

    Raises
    ------
    BrainLensError
        For a model that cannot be trained on the next piece, or has no such part.
    """
    if tokenizer is None:
        raise BrainLensError(
            f"The variant {variant} needs a model that reads pieces of text",
            remedy="Pick a causal or recurrent model",
        )
    recipe = recipe_of(name, module.config, variant.seed)
    if recipe.kind == "other" and not _predicts(module):
        raise BrainLensError(
            f"{name} does not predict the next piece: it cannot be trained here",
            remedy="Pick a causal or recurrent model",
        )
    named = chosen(module, variant.scheme)
    merge = variant.scheme.startswith("rank-")
    told = report or (_REPORT[-1] if _REPORT else SILENT)
    train_part(
        module,
        named,
        recipe,
        tokens_for(tokenizer()),
        int(variant.amount),
        variant.scheme,
        loss_of=piece_loss if recipe.kind == "other" else None,
        report=told,
    )
    if merge:
        _merge(module)
    return module


def _predicts(module) -> bool:
    return hasattr(module, "read_out") or (
        hasattr(module, "lm_head") and not getattr(module.config, "is_encoder_decoder", False)
    )


def piece_loss(module, recipe, batch, step):
    """Mean nats of the next piece, of any model whose output has logits."""
    from torch.nn.functional import cross_entropy

    out = module(batch)
    logits = getattr(out, "logits", out)[:, :-1]
    return cross_entropy(logits.reshape(-1, logits.shape[-1]), batch[:, 1:].reshape(-1))


# ---- an update of low rank -----------------------------------------------------------------------------------------------
def _low_rank(module, rank: int) -> dict:
    """W + L R on every matrix of the blocks (Hu et al. 2022), R at zero: the parameters L and R."""
    import torch
    from torch.nn.utils import parametrize

    class LowRank(torch.nn.Module):
        def __init__(self, shape, generator):
            super().__init__()
            few = min(rank, *shape)
            left = torch.randn(shape[0], few, generator=generator) / few**0.5
            self.left = torch.nn.Parameter(left)
            self.right = torch.nn.Parameter(torch.zeros(few, shape[1]))

        def forward(self, weight):
            return weight + self.left @ self.right

    if shared(getattr(module, "config", None)):
        raise BrainLensError(
            f"rank-{rank} would give each depth an update of its own, and this model applies one block again and again",
            remedy="Choose another part: all, embeddings, norms, attention",
        )
    generator = torch.Generator().manual_seed(rank)
    holders = [
        holder
        for name, holder in module.named_modules()
        if layer_of(f"{name}.weight") and getattr(getattr(holder, "weight", None), "ndim", 0) == 2
    ]
    full = max((min(holder.weight.shape) for holder in holders), default=0)
    if holders and rank > full:
        raise BrainLensError(
            f"rank-{rank} is no small update: no matrix of its blocks has a rank above {full}",
            remedy=f"Train rank-{full} or less, or 'all'",
        )
    for holder in holders:
        parametrize.register_parametrization(
            holder, "weight", LowRank(holder.weight.shape, generator)
        )
    found = {
        name: value
        for name, value in module.named_parameters()
        if name.endswith((".left", ".right")) and "parametrizations" in name
    }
    if not found:
        raise BrainLensError(
            f"{type(module).__name__} has no matrices that an update of low rank could be put on",
            remedy="Choose another part: all, embeddings, last-1",
        )
    return found


def _merge(module) -> None:
    """Write the updates of low rank into the matrices."""
    from torch.nn.utils import parametrize

    for holder in [m for m in module.modules() if parametrize.is_parametrized(m, "weight")]:
        parametrize.remove_parametrizations(holder, "weight", leave_parametrized=True)
