"""The numbers an LSTM language model is built from; they load no torch."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

__all__ = ["LSTMConfig"]


@dataclass(frozen=True)
class LSTMConfig:
    """Shape of an LSTM language model, as config.json holds it (see :mod:`analysis.models.recurrent`)."""

    vocab_size: int
    width: int
    layers: int = 1
    embedding: Any = None  # an int once it is made
    tied: bool = True
    start: str = ""

    def __post_init__(self):
        object.__setattr__(self, "embedding", self.embedding or self.width)

    def to_dict(self) -> dict:
        """Ready for config.json."""
        return dataclasses.asdict(self)
