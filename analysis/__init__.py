"""How it is scored: models, activations, mappings, ceilings, statistics."""

from pathlib import Path

import data

if Path(data.__file__ or "").resolve().parent.parent != Path(__file__).resolve().parent.parent:
    raise ImportError(  # a user's own data.py or data/, which would end in an error that names nobody
        f"BrainLens needs its own package 'data', but Python finds {data.__file__} first. "
        f"Rename that file, or start from another folder."
    )

from data._lazy import attach, check_neighbours

check_neighbours(__file__, "data")

_NAMES = {
    "Protocol": "analysis.protocol",
    "Report": "analysis.progress",
    "Score": "analysis.scoring.verb",
    "preset": "analysis.protocol",
    "score": "analysis.scoring.verb",
}
__all__ = list(_NAMES)
__getattr__, __dir__ = attach(__name__, _NAMES)
