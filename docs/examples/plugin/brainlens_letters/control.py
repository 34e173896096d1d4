"""A control: what the punctuation marks of a stimulus predict by themselves."""

from __future__ import annotations

import numpy as np

__all__ = ["punctuation"]


def punctuation(recording, asked) -> np.ndarray:
    """Number of punctuation marks, and of capital letters."""
    return np.array(
        [
            [sum(c in ".,;:!?" for c in text), sum(c.isupper() for c in text)]
            for text in recording.texts
        ],
        float,
    )
