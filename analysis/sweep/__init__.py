"""Many scores as one plan: models x recordings x protocols through one of four runners, with the store as their only channel."""

from data._lazy import attach

_NAMES = {
    "Plan": "analysis.sweep.plan",
    "Standing": "analysis.sweep.board",
    "Sweep": "analysis.sweep.board",
    "calibrate": "analysis.sweep.price",
    "read_plan": "analysis.sweep.plan",
    "run": "analysis.sweep.runners",
    "schedule": "analysis.sweep.price",
    "standing": "analysis.sweep.board",
    "submit": "analysis.sweep.runners",
}
__all__ = list(_NAMES)
__getattr__, __dir__ = attach(__name__, _NAMES)
