"""Random numbers of torch by seed, whatever else runs in the process.

Modules draw their first weights from torch's one default generator, which every thread shares, and transformers replaces
torch's initialisers for the whole process while it builds or loads. Here each draw of a block of code is handed to a generator
of its own, and one thread builds at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from analysis.models.building import BUILDING
from data.errors import BrainLensError

__all__ = ["seeded"]


class _Drawn(TorchDispatchMode):
    """Every random operation of this thread, with the given generator in place of the default one."""

    def __init__(self, generator: torch.Generator):
        super().__init__()
        self._generator = generator

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if torch.Tag.nondeterministic_seeded in func.tags and not _on_meta(args, kwargs):
            func = _taking_a_generator(func)
            if kwargs.get("generator") is None:
                kwargs = {**kwargs, "generator": self._generator}
        return func(*args, **kwargs)


def _on_meta(args: tuple, kwargs: dict) -> bool:
    """Whether nothing is drawn, for there is no memory behind the tensor."""
    device = args[0].device if args and isinstance(args[0], torch.Tensor) else kwargs.get("device")
    return device is not None and torch.device(device).type == "meta"


def _taking_a_generator(func):
    """The same operation in the form that takes a generator."""
    if any(argument.name == "generator" for argument in func._schema.arguments):
        return func
    kind = func._overloadname
    other = "generator" if kind == "default" else f"{kind}_generator"
    if other not in func.overloadpacket.overloads():
        raise BrainLensError(
            f"The operation {func} cannot be drawn by seed",
            remedy="Draw with torch.rand, torch.randn or an initialiser of torch.nn.init",
        )
    return getattr(func.overloadpacket, other)


@contextmanager
def seeded(seed: int) -> Iterator[torch.Generator]:
    """Build modules from a seed: the same bits as ``torch.manual_seed(seed)`` gives a process that does nothing else.

    The default generator is neither read nor set. One thread at a time is inside.

    Yields
    ------
    torch.Generator
        The generator that is drawn from, on the CPU.

    Examples
    --------
    >>> with seeded(3):
    ...     first = torch.nn.Linear(4, 4)
    >>> with seeded(3):
    ...     again = torch.nn.Linear(4, 4)
    >>> bool((first.weight == again.weight).all())
    True
    """
    generator = torch.Generator().manual_seed(seed)
    with BUILDING, _Drawn(generator):
        yield generator
