"""The pure function behind each lens, one file per question: tidy frames, and the answer in words.

``layers.layers(scores)``, ``task.task(benchmark, x)``, ``task.own_task(table)``, ``untrained.untrained(benchmark)`` and
``untrained.own_untrained(scores)`` all return an :class:`~analysis.answers.answer.Answer`.
"""

from data._lazy import attach

_NAMES = {"Answer": "analysis.answers.answer"}
__all__ = list(_NAMES)
__getattr__, __dir__ = attach(__name__, _NAMES)
