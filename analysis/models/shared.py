"""A transformer that applies one block again and again: the blocks of its folder share their weights."""

from __future__ import annotations

from analysis.models.architectures import anatomy, without_head
from data.errors import BrainLensError

__all__ = ["MARK", "shared", "tie_blocks", "told_by_the_first"]

MARK = "shared_blocks"
"""Entry of ``config.json``: true where all blocks are one, stored once as the first."""


def shared(config) -> bool:
    """Whether a model's configuration says that its blocks are one."""
    return bool(getattr(config, MARK, False))


def tie_blocks(module):
    """Give every block the parameters of the first, in place; what the config does not call shared stays as it is.

    Blocks stay modules of their own, so that each depth can be read, and cut, by itself. What changes weights changes them at
    every depth at once, and the weights are counted once.

    Raises
    ------
    BrainLensError
        Where the blocks are not of one kind: what the first lacks would stay as it was drawn.
    """
    if not shared(module.config):
        return module
    first, *others = anatomy(without_head(module)).blocks
    shapes = {name: value.shape for name, value in first.named_parameters()}
    for number, block in enumerate(others, 1):
        own = {name: value.shape for name, value in block.named_parameters()}
        if own != shapes:
            name = sorted(set(own.items()) ^ set(shapes.items()))[0][0]
            raise BrainLensError(
                f"config.json says {MARK!r}, and block {number} of {type(module).__name__} is not like the first: {name}",
                remedy=f"Take {MARK!r} out of config.json, or save a model whose blocks are all of one kind",
            )
        for name, parameter in first.named_parameters():
            path, _, last = name.rpartition(".")
            setattr(block.get_submodule(path), last, parameter)
    return module


def told_by_the_first(module) -> tuple[str, ...]:
    """How the names of tensors begin that need not be stored, for the first block has them; none where blocks are their own."""
    if not shared(module.config):
        return ()
    others = anatomy(without_head(module)).blocks[1:]
    return tuple(f"{name}." for name, part in module.named_modules() if part in others)
