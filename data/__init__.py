"""What was measured: recordings, reading times, texts and published tables."""

from data._lazy import attach

_NAMES = {
    "BrainLensError": "data.errors",
    "Recording": "data.recording",
    "check": "data.own",
    "entries": "data.catalog",
    "hadidi2025": "data.published",
    "read": "data.own",
    "schrimpf2021": "data.published",
    "simulate": "data.simulated",
    "write": "data.own",
}
__all__ = list(_NAMES)
__getattr__, __dir__ = attach(__name__, _NAMES)
