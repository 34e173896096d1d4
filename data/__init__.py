"""What was measured: recordings, reading times, texts and published tables."""

from data._lazy import attach

_NAMES = {
    "BrainLensError": "data.errors",
    "Recording": "data.recording",
}
__all__ = list(_NAMES)
__getattr__, __dir__ = attach(__name__, _NAMES)
