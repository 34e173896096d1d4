"""Who reads: transformers, recurrent networks, n-grams, static embeddings, and their untrained selves."""

from data._lazy import attach

_NAMES = {
    "Card": "analysis.models.base",
    "Model": "analysis.models.base",
    "load": "analysis.models.catalog",
}
__all__ = list(_NAMES)
__getattr__, __dir__ = attach(__name__, _NAMES)
