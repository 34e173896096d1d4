"""How well a model predicts a text, as a task of a lens."""

from __future__ import annotations

from functools import partial

from analysis.progress import Report
from dashboards.view import Task

__all__ = ["TEXTS", "TextTasks", "unpredictive"]

TEXTS = {"Built-in prose (11 kB)": "prose", "WikiText-2, test part": "wikitext-2"}
_PREDICTIVE = ("causal", "recurrent", "n-gram")
_TOKENS = {"prose": 2_800, "wikitext-2": 290_000}
_SPEED = 2.5e10  # multiplications per second on two laptop cores, about
FREE_SECONDS = 2.0


class TextTasks:
    """Bits per byte and per word of a session's models on one text."""

    def __init__(self):
        self._found: dict[str, object] = {}

    def tasks(self, models: list[str], text: str) -> list[Task]:
        """What is missing for those models that predict the next word."""
        found = []
        for model in models:
            key = f"text:{model}|{text}"
            if key in self._found or unpredictive(model):
                continue
            seconds = _seconds(model, text)
            found.append(
                Task(
                    key,
                    f"{model} on {text}",
                    partial(_evaluate, model, text),
                    seconds,
                    free=seconds is not None and seconds < FREE_SECONDS,
                )
            )
        return found

    def take(self, key: str, result: object) -> bool:
        """Keep a result; False where the key is not of this kind."""
        if not key.startswith("text:"):
            return False
        self._found[key] = result
        return True

    def found(self, model: str, text: str):
        """The Perplexity of a model, or None."""
        return self._found.get(f"text:{model}|{text}")


def unpredictive(model: str) -> str:
    """Why a model has no next-word probabilities; empty where it has."""
    from analysis.models.catalog import card

    kind = card(model).cls
    return "" if kind in _PREDICTIVE else f"{kind}: no next-word probabilities"


def _seconds(model: str, text: str) -> float | None:
    from analysis.models.catalog import card

    facts = card(model)
    parameters = facts.parameters or (12 * facts.layers * facts.width**2 if facts.layers and facts.width else None)
    return None if parameters is None else 1.0 + 4 * parameters * _TOKENS[text] / _SPEED


def _evaluate(model: str, text: str, report: Report):
    from analysis.models.catalog import load
    from analysis.perplexity import evaluate

    return evaluate(load(model, report=report), _words(text), report=report)


def _words(text: str) -> str:
    if text == "prose":
        from data.embedded import prose

        return "\n\n".join(prose())
    from data.catalog import entry
    from data.catalog import load as read

    return read(entry("wikitext-2"))
