"""From features to responses: folds, ridge, ordinary least squares, banded ridge, similarity."""

from data._lazy import attach

_NAMES = {
    "Fit": "analysis.mapping.fit",
    "cross_validate": "analysis.mapping.fit",
}
__all__ = list(_NAMES)
__getattr__, __dir__ = attach(__name__, _NAMES)
