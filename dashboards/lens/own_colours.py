"""The colours that a person gave to models: the same in every view until they are forgotten."""

from __future__ import annotations

from collections.abc import Iterable

from dashboards.figures.style import checked
from data.errors import BrainLensError
from data.kept import Kept

__all__ = ["forget", "keep", "missing", "own"]

_KEPT = Kept("colours")
MOST = 500
"""Models; of more the first are forgotten."""


def own() -> dict[str, str]:
    """Model -> ``#rrggbb``; what is none of both is left out."""
    found = {}
    for model, colour in _KEPT.read().items():
        try:
            found |= checked({model: colour})
        except BrainLensError:
            continue
    return found


def keep(model: str, colour: str) -> None:
    """Keep a model's colour for this person.

    Raises
    ------
    BrainLensError
        For what is no colour, and where the person's folder cannot be written to.
    """
    told = checked({model: colour})
    with _KEPT.changing() as found:
        found.pop(model, None)
        found |= told
        for name in list(found)[:-MOST]:
            del found[name]


def forget() -> None:
    """Forget all of them: models have the colours of their families again, in views that are opened from then on."""
    with _KEPT.changing() as found:
        found.clear()


def missing(models: Iterable[str], chosen: dict[str, str]) -> dict[str, str]:
    """The person's colours of models for which the view (a link, a bookmark) has none."""
    unnamed = [model for model in models if model not in chosen]
    mine = own() if unnamed else {}
    return {model: mine[model] for model in unnamed if model in mine}
