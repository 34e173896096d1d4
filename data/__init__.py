"""What was measured: recordings, reading times, texts and published tables."""

from data._lazy import attach

_NAMES = {
    "BrainLensError": "data.errors",
    "Recording": "data.recording",
    "check": "data.catalog.files",
    "entries": "data.catalog.catalog",
    "hadidi2025": "data.readers.published",
    "read": "data.catalog.files",
    "schrimpf2021": "data.readers.published",
    "simulate": "data.readers.simulated",
    "write": "data.stories.written",
}
__all__ = list(_NAMES)
__getattr__, __dir__ = attach(__name__, _NAMES)
