"""The classes of model there are, by the name that a folder's card.json or config.json gives; other packages add theirs."""

from __future__ import annotations

from pathlib import Path

from analysis.models.base import Card, Model
from analysis.models.files.checks import is_gguf
from analysis.models.files.folders import named_class
from data.errors import BrainLensError
from data.registry import Registry

__all__ = ["CLASSES", "built", "class_of", "offers"]

CLASSES = Registry(
    "brainlens.models",
    "class of model",
    {
        "activations": "analysis.features.ready:ReadyActivations",
        "surprisal-table": "analysis.features.surprisal_table:SurprisalTable",
        "static": "analysis.models.static:StaticEmbedding",
        "lstm-lm": "analysis.models.recurrent:LSTMLanguageModel",
        "character-lstm": "analysis.models.recurrent:CharacterLSTM",
        "ngram": "analysis.models.ngram:Trigram",
        "operators": "analysis.models.operators.reader:OperatorModel",
        "random": "analysis.models.static:RandomEmbedding",
        "transformer": "analysis.models.transformer:TransformerModel",
    },
)
"""Name -> class. A folder without a name of its own goes to the class that claims it, else to the transformers."""


def class_of(path: Path) -> type[Model]:
    """The class that reads a folder or a file.

    Raises
    ------
    BrainLensError
        For a file that no class reads.
    """
    named = named_class(path) if path.is_dir() else ""
    if named in CLASSES:
        return CLASSES[named]
    for cls in CLASSES.loadable().values():
        if cls.claims(path):
            return cls
    if path.is_dir():
        return CLASSES["transformer"]
    if path.suffix == ".gguf":
        raise is_gguf(path)
    endings = [ending for cls in CLASSES.loadable().values() for ending in cls.endings]
    raise BrainLensError(
        f"{path} is a file, but no table of word vectors and no activations",
        choices=sorted(set(endings)),
        remedy="Models are given as folders",
    )


def built(name: str) -> tuple[type[Model], Card] | None:
    """The class that makes a model of that name when it is asked for, without any file; None where none does."""
    for cls in CLASSES.loadable().values():
        if (card := cls.named(name)) is not None:
            return cls, card
    return None


def offers() -> list[Card]:
    """Cards of the models without any file that stand in every list; those that ship have rows of their own."""
    return [card for cls in CLASSES.loadable(own=False).values() for card in cls.offered()]
