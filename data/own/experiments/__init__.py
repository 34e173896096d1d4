"""What experiment software writes becomes a table of trials: Ibex and PCIbex, Pavlovia, PsychLing-101, long tables."""

from data._lazy import attach

_NAMES = {
    "Experiment": "data.own.experiments.read",
    "Rule": "data.own.experiments.rules",
    "import_trials": "data.own.experiments.read",
    "layout_of": "data.own.experiments.read",
    "rule": "data.own.experiments.rules",
}
__all__ = list(_NAMES)
__getattr__, __dir__ = attach(__name__, _NAMES)
