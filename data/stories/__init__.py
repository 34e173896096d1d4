"""Recordings whose rows are moments: words with times, signals with runs, and what binds them."""

from data._lazy import attach

_NAMES = {
    "confounds": "data.stories.signals",
    "read_signal": "data.stories.signals",
    "read_story": "data.stories.story",
    "read_words": "data.stories.words",
}
__all__ = list(_NAMES)
__getattr__, __dir__ = attach(__name__, _NAMES)
