"""From features to responses: folds, ridge, ordinary least squares, banded ridge, similarity."""

from data._lazy import attach

_NAMES = {
    "BandedFit": "analysis.mapping.banded",
    "Decomposed": "analysis.mapping.decomposed",
    "Fit": "analysis.mapping.result",
    "Gram": "analysis.mapping.gram",
    "Part": "analysis.mapping.splits",
    "banded_ridge": "analysis.mapping.banded",
    "cross_validate": "analysis.mapping.fit",
    "decompose": "analysis.mapping.decomposed",
    "dissimilarity": "analysis.mapping.similarity",
    "linear_cka": "analysis.mapping.similarity",
    "make_folds": "analysis.mapping.splits",
    "rsa": "analysis.mapping.similarity",
}
__all__ = list(_NAMES)
__getattr__, __dir__ = attach(__name__, _NAMES)
