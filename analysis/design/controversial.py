"""Items on which two models disagree most: ranks within a model, at matched length and frequency."""

from __future__ import annotations

import numpy as np
import pandas as pd

from data.errors import BrainLensError
from data.words import log_frequency

__all__ = ["described", "pairs_apart"]

BLOCK = 2000
"""Items at most: the squares of their number have to be held."""


def described(texts: list[str], language: str = "en") -> pd.DataFrame:
    """Words and mean log frequency (Zipf: log10 per billion words) of sentences: what has to match."""
    words = [text.split() for text in texts]
    mean = [
        float(log_frequency(pd.Series(each), language).mean()) if each else np.nan for each in words
    ]
    return pd.DataFrame({"text": texts, "words": [len(each) for each in words], "frequency": mean})


def pairs_apart(
    items: pd.DataFrame,
    first: str,
    second: str,
    *,
    count: int = 20,
    words: float = 1,
    frequency: float = 0.2,
) -> pd.DataFrame:
    r"""Pairs of items, one of which the first model puts high and the second low, the other the other way round.

    With :math:`\rho` the rank of an item within a model from 0 to 1, a pair (i, j) is as controversial as the smaller gap,

    .. math:: \min\left( \rho^A_i - \rho^A_j, \; \rho^B_j - \rho^B_i \right)

    Differences of raw scores are never compared: two models' log probabilities have no common scale.

    Parameters
    ----------
    items : pandas.DataFrame
        text, words, frequency, and one column per model: predicted response, or minus the surprisal.
    first, second : str
        Columns.
    count : int
        Pairs at most; each item is in one pair.
    words, frequency : float
        By how much the two of a pair may differ in words and in mean log frequency.

    Returns
    -------
    pandas.DataFrame
        pair, preferred_by_first, preferred_by_second (texts), gap, gap_first, gap_second (in ranks), words and frequency of both;
        the most controversial pair first.

    Raises
    ------
    BrainLensError
        Where no pair is matched, or none is controversial.

    Notes
    -----
    Golan, Siegelman, Kriegeskorte & Baldassano 2023, doi 10.1038/s42256-023-00718-1.
    """
    from scipy.stats import rankdata

    if count < 1 or words < 0 or frequency < 0:
        raise BrainLensError(
            f"count={count}, words={words:g}, frequency={frequency:g}: there is no such pair",
            remedy="Give a count of 1 or more, and differences of 0 or more",
        )
    there = items.dropna(subset=[first, second, "words", "frequency"]).drop_duplicates("text")
    if len(there) > BLOCK:
        raise BrainLensError(
            f"{len(there):,} items are too many to pair (at most {BLOCK:,})", remedy="Give fewer candidates"
        )  # fmt: skip
    near = f"{words:g} word{'' if words == 1 else 's'} and {frequency:g} of log frequency"
    if len(there) < 4:
        raise BrainLensError(
            f"{len(there)} of {len(items)} candidates have a value of both models: pairing takes four or more",
            remedy="Give more candidates",
        )  # fmt: skip
    a, b = ((rankdata(there[name]) - 1) / (len(there) - 1) for name in (first, second))
    length, common = there["words"].to_numpy(float), there["frequency"].to_numpy(float)
    matched = (np.abs(length[:, None] - length) <= words) & (
        np.abs(common[:, None] - common) <= frequency
    )
    ahead, behind = a[:, None] - a, b[None, :] - b[:, None]
    gap = np.where(matched, np.minimum(ahead, behind), -np.inf)
    if not np.isfinite(gap[~np.eye(len(gap), dtype=bool)]).any():
        raise BrainLensError(
            f"No two of {len(there)} candidates are within {near}",
            remedy="Allow larger differences, or give more candidates",
        )
    rows, texts = [], there["text"].to_numpy(object)
    while len(rows) < count:
        i, j = np.unravel_index(int(gap.argmax()), gap.shape)
        if not gap[i, j] > 0:
            break
        rows.append(
            (len(rows) + 1, texts[i], texts[j], gap[i, j], ahead[i, j], behind[i, j], length[i], length[j], common[i], common[j])
        )  # fmt: skip
        gap[[i, j], :] = gap[:, [i, j]] = -np.inf
    if not rows:
        raise BrainLensError(
            f"{first} and {second} order all matched items alike: nothing is controversial",
            remedy="Give more candidates, or allow larger differences",
        )
    return pd.DataFrame(
        rows,
        columns=["pair", "preferred_by_first", "preferred_by_second", "gap", "gap_first", "gap_second",
                 "words_first", "words_second", "frequency_first", "frequency_second"],
    )  # fmt: skip
