"""Names with what stands behind them now: keys of what a running page keeps.

A file may be corrected, a recording removed and another one added under its id, weights replaced: what was computed
before must not be shown for it. Nor may a running page show what was locked since.
"""

from __future__ import annotations

from analysis.models.catalog import signature
from analysis.store.promises import mark
from analysis.store.store import Store
from data.catalog import catalog

__all__ = ["case", "model", "promised", "recording"]


def model(name: str) -> str:
    """A model's name, and a word that changes with its files."""
    return f"{name}~{signature(name)}"


def recording(name: str) -> str:
    """A recording's name, and a word that changes with its files."""
    return f"{name}~{catalog.signature(name)}"


def case(models: str | list[str], recorded: str, protocol) -> str:
    """One model, or several, on one recording under one protocol; another one as soon as something is locked or revealed."""
    named = [models] if isinstance(models, str) else models
    return "|".join([*map(model, named), recording(recorded), protocol.key(), promised()])


def promised() -> str:
    """Another word as soon as something is locked or revealed: what is kept until then is looked up again."""
    return mark(Store().root)
