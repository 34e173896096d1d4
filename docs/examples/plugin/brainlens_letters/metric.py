"""A metric: how often prediction and response lie on the same side of their means."""

from __future__ import annotations

import numpy as np

__all__ = ["same_sign"]


def same_sign(responses: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """Share of test rows on which prediction and response lie on the same side of their means; chance is about 0.5."""
    above = responses > np.nanmean(responses, axis=0)
    told = predictions > np.nanmean(predictions, axis=0)
    measured = np.isfinite(responses)
    return np.where(measured, above == told, False).sum(axis=0) / measured.sum(axis=0)
