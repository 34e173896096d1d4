"""Results that are steps of a larger question, such as the specifications of a Trust screen, told from results of their own."""

from __future__ import annotations

import json

import pandas as pd

from analysis.answers.compare import derived

__all__ = ["headlines", "steps"]


def steps(board: pd.DataFrame) -> pd.Series:
    """Whether each result has nothing beside it while its model, or the one that it stands under, has a whole one there.

    Parameters
    ----------
    board : pandas.DataFrame
        Rows of :func:`analysis.scoring.results.results`.

    Returns
    -------
    pandas.Series
        True where the protocol asks for no controls, no joint fit with them and no ceiling, and another result on the same
        responses has some of these: what waterfalls, specifications and untrained copies of Trust are made of. A result that is
        the only one of its model is none, nor is one that does not tell its protocol.
    """
    bare = board["provenance"].map(_bare).astype(bool)
    models = board["model"].astype(str)
    named = models.map(lambda model: derived(model) or model)
    data = board["data_key"].astype(str)
    whole = set(zip(models[~bare], data[~bare]))
    there = [
        (model, key) in whole or (base, key) in whole
        for model, base, key in zip(models, named, data)
    ]
    return bare & pd.Series(there, board.index, dtype=bool)


def headlines(board: pd.DataFrame) -> pd.DataFrame:
    """The results without those that are :func:`steps`."""
    return board[~steps(board)]


def _bare(provenance: object) -> bool:
    """Whether a result's protocol asks for nothing beside the number; False where it does not tell."""
    try:
        said = json.loads(str(provenance))["protocol"]
        return not said["controls"] and not said["unique"] and said["ceiling"] == "none"
    except (ValueError, KeyError, TypeError):
        return False
