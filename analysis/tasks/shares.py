"""Intervals of shares: of one set of items, and of the mean over several sets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["mean_interval", "share_interval"]


def share_interval(values: np.ndarray) -> tuple[float, float]:
    """Wilson's 95 % interval of a share over items; values between 0 and 1 are treated as one share of as many items."""
    n = len(values)
    if not n:
        return float("nan"), float("nan")
    z, p = 1.959964, float(values.mean())
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    low = 0.0 if p == 0 else float(centre - half)  # both ends exactly, whatever is rounded
    return low, 1.0 if p == 1 else float(centre + half)


def mean_interval(
    shares: Sequence[float], lows: Sequence[float], highs: Sequence[float]
) -> tuple[float, float]:
    """95 % interval of the mean of the shares of independent sets, from the interval of each; sets without a share count not.

    Notes
    -----
    The distances of both ends from the share add up as standard errors do (Zou & Donner 2008, Statistics in Medicine 27, 1693).
    One set keeps its own interval, and sets that are solved wholly or not at all have one of some width, which drawing their
    items with replacement does not give them.
    """
    table = np.array([shares, lows, highs], float)
    share, low, high = table[:, np.isfinite(table).all(axis=0)]
    n = len(share)
    if not n:
        return float("nan"), float("nan")
    mean = share.mean()
    return (
        float(mean - np.sqrt(np.square(share - low).sum()) / n),
        float(mean + np.sqrt(np.square(high - share).sum()) / n),
    )
