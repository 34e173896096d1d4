"""How it is shown: lenses, figures, the page and the command line."""

from data._lazy import attach, check_neighbours

check_neighbours(__file__, "data", "analysis")

_NAMES = {
    "Layers": "dashboards.lenses.layers",
    "Task": "dashboards.lenses.task",
    "Untrained": "dashboards.lenses.untrained",
}
__all__ = list(_NAMES)
__getattr__, __dir__ = attach(__name__, _NAMES)
