"""Minimal pairs: which of two sentences that differ in one point does a model find more probable?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.features.surprisal import token_surprisals
from analysis.models.base import Model
from analysis.progress import SILENT, Report
from analysis.tasks.shares import mean_interval, share_interval
from data.errors import BrainLensError

__all__ = ["PairScore", "judge"]


@dataclass(frozen=True)
class PairScore:
    """What one model does on minimal pairs.

    Parameters
    ----------
    pairs : pandas.DataFrame
        set, good, bad, gain (nats by which the good sentence is more probable), right (1, .5 for a tie, 0).
    sets : pandas.DataFrame
        set, accuracy, low, high (Wilson's, over pairs), n, unknown.
    accuracy, low, high : float
        Mean over sets; :func:`analysis.tasks.shares.mean_interval`.
    """

    pairs: pd.DataFrame
    sets: pd.DataFrame
    accuracy: float
    low: float
    high: float


def judge(
    model: Model,
    pairs: pd.DataFrame,
    *,
    store=None,
    report: Report = SILENT,
) -> PairScore:
    """A model on minimal pairs, by the summed log probability of whole sentences.

    Parameters
    ----------
    pairs : pandas.DataFrame
        Of :func:`data.readers.tasks.minimal_pairs`: set, good, bad.

    Raises
    ------
    BrainLensError
        Where no pair can be judged: a model without a start token gives the first token none.

    Notes
    -----
    Warstadt et al. 2020, doi 10.1162/tacl_a_00321. A token without probability is left out of both sentences only where it is the
    same first token in both; else the pair is not judged.
    """
    texts = list(dict.fromkeys([*pairs["good"], *pairs["bad"]]))
    read = dict(zip(texts, token_surprisals(model, texts, store=store, report=report), strict=True))
    gain = np.array(
        [
            _gain(good, read[good], bad, read[bad])
            for good, bad in zip(pairs["good"], pairs["bad"], strict=True)
        ]
    )
    right = np.where(np.isnan(gain), np.nan, np.where(gain == 0, 0.5, gain > 0))
    if not np.isfinite(gain).any():
        raise BrainLensError(
            f"{model.id} gives no pair a probability: nothing stands before the first token",
            remedy="Choose a model with a start token, or pairs that begin alike",
        )
    table = pairs[["set", "good", "bad"]].assign(gain=gain, right=right).reset_index(drop=True)
    rows = []
    for name, mine in table.groupby("set", sort=False):
        known = mine["right"].dropna().to_numpy(float)
        share = known.mean() if len(known) else np.nan
        rows.append((name, share, *share_interval(known), len(known), len(mine) - len(known)))
    sets = pd.DataFrame(rows, columns=["set", "accuracy", "low", "high", "n", "unknown"])
    low, high = mean_interval(sets["accuracy"], sets["low"], sets["high"])
    return PairScore(table, sets, float(sets["accuracy"].mean()), low, high)


def _gain(good: str, one, bad: str, other) -> float:
    """Log probability of the good sentence minus that of the bad one, in nats."""
    a, b = np.asarray(one.nats, float), np.asarray(other.nats, float)
    if len(a) and len(b) and np.isnan(a[0]) and np.isnan(b[0]):
        ends = tuple(one.offsets[0]), tuple(other.offsets[0])
        same = ends[0] == ends[1] and good[: ends[0][1]] == bad[: ends[1][1]]
        a, b = (a[1:], b[1:]) if same else (a, b)
    return float(b.sum() - a.sum())
