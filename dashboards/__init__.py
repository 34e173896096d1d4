"""How it is shown: lenses, figures, the page and the command line."""

from pathlib import Path

import data

if Path(data.__file__ or "").resolve().parent.parent != Path(__file__).resolve().parent.parent:
    raise ImportError(  # a user's own data.py or data/, which would end in an error that names nobody
        f"BrainLens needs its own package 'data', but Python finds {data.__file__} first. "
        f"Rename that file, or start from another folder."
    )

from data._lazy import attach, check_neighbours
from data.registry import Registry

check_neighbours(__file__, "data", "analysis")

LENSES = Registry(
    "brainlens.lenses",
    "lens",
    {
        "task": "dashboards.lenses.task:Task",
        "layers": "dashboards.lenses.layers:Layers",
        "reading": "dashboards.lenses.reading:Reading",
        "untrained": "dashboards.lenses.untrained:Untrained",
        "training": "dashboards.lenses.training:Training",
        "design": "dashboards.lenses.design:Design",
        "similarity": "dashboards.lenses.similarity:Similarity",
        "wiring": "dashboards.lenses.wiring:Wiring",
        "perturb": "dashboards.lenses.perturb:Perturb",
        "architectures": "dashboards.lenses.architectures:Architectures",
        "items": "dashboards.lenses.items:Items",
        "time": "dashboards.lenses.time:Time",
        "regions": "dashboards.lenses.regions:Regions",
        "compare": "dashboards.lenses.compare:Compare",
        "trust": "dashboards.lenses.trust:Trust",
        "library": "dashboards.library.library:Library",
    },
)
"""Slug -> lens, in the order of the tabs; a new lens is one file and one line here, or an entry point of another package."""

_NAMES = {place.partition(":")[2]: place.partition(":")[0] for place in LENSES.own.values()}
__all__ = ["LENSES", *_NAMES]
__getattr__, __dir__ = attach(__name__, _NAMES)
