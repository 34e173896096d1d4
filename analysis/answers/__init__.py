"""The pure function behind each lens: tidy frames, and the answer in words."""

from data._lazy import attach

_NAMES = {
    "Answer": "analysis.answers.answer",
    "layers": "analysis.answers.layers",
    "own_task": "analysis.answers.task",
    "own_untrained": "analysis.answers.untrained",
    "task": "analysis.answers.task",
    "untrained": "analysis.answers.untrained",
}
__all__ = list(_NAMES)
__getattr__, __dir__ = attach(__name__, _NAMES)
