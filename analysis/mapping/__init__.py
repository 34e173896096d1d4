"""From features to responses: folds, ridge, ordinary least squares, banded ridge, similarity."""

from data._lazy import attach

_NAMES = {
    "Fit": "analysis.mapping.fit",
    "Part": "analysis.mapping.splits",
    "cross_validate": "analysis.mapping.fit",
    "make_folds": "analysis.mapping.splits",
}
__all__ = list(_NAMES)
__getattr__, __dir__ = attach(__name__, _NAMES)
