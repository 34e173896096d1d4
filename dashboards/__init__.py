"""How it is shown: lenses, figures, the page and the command line."""

import data

if not hasattr(
    data, "__path__"
):  # a user's own data.py, which would end in an error that names nobody
    raise ImportError(
        f"BrainLens needs its own package 'data', but Python finds {data.__file__} first. "
        f"Rename that file, or start from another folder."
    )

from data._lazy import attach, check_neighbours

check_neighbours(__file__, "data", "analysis")

_NAMES = {
    "Compare": "dashboards.lenses.compare",
    "Items": "dashboards.lenses.items",
    "Layers": "dashboards.lenses.layers",
    "Reading": "dashboards.lenses.reading",
    "Task": "dashboards.lenses.task",
    "Training": "dashboards.lenses.training",
    "Untrained": "dashboards.lenses.untrained",
}
__all__ = list(_NAMES)
__getattr__, __dir__ = attach(__name__, _NAMES)
