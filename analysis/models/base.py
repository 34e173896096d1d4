"""What every reader has in common: a card, an identity, and two abilities (activations, surprisal)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from analysis.models.variants.spec import Variant
from analysis.progress import SILENT, Report
from analysis.protocol import Protocol
from analysis.text.passages import Passage
from data.errors import BrainLensError, unknown

__all__ = ["CLASSES", "Abilities", "Card", "Model", "TokenSurprisal"]


@dataclass(frozen=True)
class Abilities:
    """What the models of a class can do."""

    predicts_words: bool = False
    has_layers: bool = True
    looks_ahead: bool = False


CLASSES = {
    "causal": Abilities(predicts_words=True),
    "bidirectional": Abilities(looks_ahead=True),
    "encoder-decoder": Abilities(predicts_words=True, looks_ahead=True),
    "recurrent": Abilities(predicts_words=True),
    "n-gram": Abilities(predicts_words=True, has_layers=False),
    "embedding": Abilities(),
    "random": Abilities(),
    "activations": Abilities(),
    "table": Abilities(predicts_words=True, has_layers=False),
}


@dataclass(frozen=True)
class Card:
    """What is known about a model before it is loaded.

    Parameters
    ----------
    id : str
        The name used everywhere, lower case.
    cls : str
        One of :data:`CLASSES`.
    family : str
        Relatives share it (``gpt``, ``bert``, ...): correlations cluster on it.
    layers, width : int or None
        Number of blocks L (layer 0, the embedding output, comes on top) and units per layer; None: told by the config.
    parameters : int or None
        Number of weights.
    year : int or None
    hub_id, revision : str
        Address and pinned revision on the model hub; empty: not there.
    source : str
        ``"hub"``, ``"package"``, ``"folder"``, ``"built"`` (made at run time) or ``"published"`` (scores only).
    reason : str
        Why it cannot be run here, where it cannot.
    bos : str
        What stands in front of every text: the token, or ``""`` for none (then the first word has no surprisal).
    space_before : bool
        The tokenizer's words begin with their space (matters for the surprisal of words).
    licence, citation, note : str
        ``note`` goes beside every score ("instruction-tuned").
    download : int or None
        Bytes to fetch.
    layer_names : mapping
        Alias (the paper's layer name) -> layer number.
    headless : bool
        Of a bidirectional model: its weights hold nothing that predicts a hidden word (a sentence encoder).
    """

    id: str
    cls: str
    family: str = ""
    layers: int | None = None
    width: int | None = None
    parameters: int | None = None
    year: int | None = None
    hub_id: str = ""
    revision: str = ""
    source: str = "hub"
    reason: str = ""
    bos: str = ""
    space_before: bool = False
    licence: str = ""
    citation: str = ""
    note: str = ""
    download: int | None = None
    aliases: tuple[str, ...] = ()
    layer_names: Mapping[str, int] = field(default_factory=dict)
    headless: bool = False

    @property
    def looks_ahead(self) -> bool:
        """A word is read with the words after it in view."""
        return CLASSES[self.cls].looks_ahead

    @property
    def predicts_words(self) -> bool:
        """It gives every word a probability from the words before it."""
        return CLASSES[self.cls].predicts_words

    @property
    def rates_sentences(self) -> bool:
        """It says how probable a sentence is, word after word or each word hidden in turn."""
        return self.predicts_words or (self.cls == "bidirectional" and not self.headless)

    @property
    def has_layers(self) -> bool:
        """It has activations."""
        return CLASSES[self.cls].has_layers

    @property
    def kind_of_model(self) -> str:
        """The class with its article: ``an embedding model``."""
        return (
            f"a{'n' if self.cls[0] in 'aeio' or self.cls.startswith('n-') else ''} {self.cls} model"
        )

    @property
    def parameters_about(self) -> int | None:
        """Number of weights, counted from layers and width where it is not told; None where those are not known either."""
        return self.parameters or (
            12 * self.layers * self.width**2 if self.layers and self.width else None
        )

    def __post_init__(self):
        if self.cls not in CLASSES:
            raise unknown("class of model", self.cls, CLASSES)


@dataclass(frozen=True)
class TokenSurprisal:
    """Surprisal of every token of one text.

    Parameters
    ----------
    offsets : ndarray, shape (n_tokens, 2)
        Character offsets in the text.
    nats : ndarray, shape (n_tokens,)
        -log p(token | tokens before), NaN where nothing stands before it.
    start : ndarray, shape (n_tokens + 1,)
        log P(the next piece starts a new word | what stands before position t), for the word-boundary correction; the last
        entry is after the last token. NaN where the model has no such reading.
    """

    offsets: np.ndarray
    nats: np.ndarray
    start: np.ndarray


class Model(ABC):
    """A reader of text.

    Attributes
    ----------
    id : str
        With its variant: ``gpt2``, ``gpt2@untrained:init:0``.
    card : Card
    """

    id: str
    card: Card
    resumable: bool = False
    """:meth:`read` takes ``skip``, rows that are there already, and leaves batches of them out."""
    words_only: bool = False
    """It scores words and nothing between them: bits per byte or character would leave out what the others are scored on."""

    # ---- who reads what: asked before anything is loaded -------------------------------------------------------------
    endings: ClassVar[tuple[str, ...]] = ()
    """Of the single files that this class reads, such as ``.vec``."""

    @classmethod
    def claims(cls, path: Path) -> bool:
        """Whether this class reads a file or folder in which nothing names a class."""
        return path.is_file() and path.suffix in cls.endings

    @classmethod
    def describe(cls, path: Path, name: str) -> Card:
        """The card of a file or folder of the user's."""
        raise NotImplementedError

    @classmethod
    def named(cls, name: str) -> Card | None:
        """The card of a model that this class makes of its name alone, such as ``random-1600``; None where it is not one."""
        return None

    @classmethod
    def offered(cls) -> tuple[Card, ...]:
        """Models without any file that stand in every list of models."""
        return ()

    @classmethod
    def open(cls, card: Card, path: Path | None, variant: Variant) -> Model:
        """The reader itself; ``path`` is None where :meth:`named` told the card."""
        made: Any = cls
        return made(card, path, variant=variant)

    # ---- identity: together these are the model's part of every cache key --------------------------------------------
    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """Pinned revision or hash of the weights, with variant and seed."""

    @property
    def tokenizer_hash(self) -> str:
        """sha256 of the tokenizer's files; empty for a model that reads words or characters directly."""
        return ""

    @property
    def identity(self) -> dict[str, object]:
        """What of this model determines a number: part of every key of what it read."""
        card = self.card
        return {
            "model": self.id,
            "fingerprint": self.fingerprint,
            "tokenizer": self.tokenizer_hash,
            "class": card.cls,
            "bos": card.bos,
            "space_before": card.space_before,
        }

    def reading_options(self, protocol: Protocol) -> dict[str, Any]:
        """What the protocol asks of this class of model alone: further arguments of :meth:`read`, part of the cache key.

        ``window``, where it is there, counts for surprisal too.
        """
        return {}

    # ---- shape -----------------------------------------------------------------------------------------------------
    @property
    @abstractmethod
    def widths(self) -> tuple[int, ...]:
        """Units of each layer, layer 0 first; its length is the number of layers counted with the embedding output."""

    @property
    def n_layers(self) -> int:
        """Layers counted with layer 0."""
        return len(self.widths)

    def layer_number(self, layer: int | str) -> int:
        """A layer by number (negative from the top), digits, or the paper's name.

        Raises
        ------
        BrainLensError
            Where the model has no such layer.
        """
        names: Mapping[Any, int] = self.card.layer_names
        try:
            number = names[layer] if layer in names else int(layer)
        except (TypeError, ValueError):
            raise unknown(f"layer of {self.id}", layer, [*range(self.n_layers), *names]) from None
        if not -self.n_layers <= number < self.n_layers:
            raise unknown(
                f"layer of {self.id}",
                layer,
                range(self.n_layers),
                remedy=f"Give 0 to {self.n_layers - 1}",
            )
        return number % self.n_layers

    # ---- abilities ---------------------------------------------------------------------------------------------------
    def read(
        self,
        passages: Sequence[Passage],
        layers: Sequence[int],
        *,
        pooling: str = "last",
        attention: str = "prefix",
        dtype: str = "float32",
        report: Report = SILENT,
    ) -> Iterator[tuple[np.ndarray, list[np.ndarray]]]:
        """Activations of every stimulus, batch by batch.

        Yields
        ------
        rows : ndarray, shape (n,)
            Rows of the recording that are ready.
        values : list of ndarray, one per layer asked for, shape (n, width of that layer), float32
            Raw block outputs, pooled over the stimulus's own tokens.
        """
        raise BrainLensError(
            f"{self.id} is {self.card.kind_of_model} and has no activations",
            remedy="Use it for surprisal, or pick a model with layers",
        )

    def surprisal(
        self,
        texts: Sequence[str],
        *,
        window: int | None = None,
        stride: int | None = None,
        report: Report = SILENT,
    ) -> list[TokenSurprisal]:
        """Token surprisals of each text.

        Parameters
        ----------
        window, stride : int, optional
            Tokens seen at once (None: the model's maximum) and tokens by which the window moves (None: half of it).
        """
        raise BrainLensError(
            f"{self.id} is {self.card.kind_of_model} and gives no next-word probabilities",
            remedy="Pick a causal, recurrent or n-gram model",
        )

    def close(self) -> None:  # noqa: B027 - most readers have nothing to give back
        """Give back memory; the model loads itself again when it is next asked."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id}: {self.card.cls}, {self.n_layers} layers>"
