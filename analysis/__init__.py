"""How it is scored: models, activations, mappings, ceilings, statistics."""

from data._lazy import attach, check_neighbours

check_neighbours(__file__, "data")

_NAMES = {
    "Protocol": "analysis.protocol",
    "Report": "analysis.progress",
    "Score": "analysis.scoring",
    "preset": "analysis.protocol",
    "score": "analysis.scoring",
}
__all__ = list(_NAMES)
__getattr__, __dir__ = attach(__name__, _NAMES)
