"""How do the models rank?"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.answers.answer import Answer
from analysis.answers.compare.words import (
    GAPS,
    SCALES,
    as_given,
    axes,
    caption,
    entry_name,
    leaks,
    sentence,
    told_briefly,
)
from data.errors import unknown

__all__ = ["derived", "known", "most_results", "rank", "rank_interval", "told_apart"]


def rank(
    board: pd.DataFrame,
    recordings: Iterable[str] = (),
    *,
    scale: str = "raw",
    hidden: Iterable[str] = (),
    gaps: str = "empty",
) -> Answer:
    """Models by their mean over recordings, one row per model, protocol and source.

    Parameters
    ----------
    board : pandas.DataFrame
        Rows of :func:`analysis.scoring.results.results`.
    recordings : iterable of str
        Those to average, by a name of :func:`known`; none: all that are on the board.
    scale : str
        ``"raw"`` or ``"normalised"``.
    hidden : iterable of str
        Models left out.
    gaps : str
        One of :data:`GAPS`: what happens where a model lacks one of the recordings.

    Returns
    -------
    Answer
        ``frame``: entry, model, family, protocol, source, mean, low, high, ceiling (mean over recordings), layer (of each
        recording), n_stimuli, n (recordings in the mean), of, lacking, one column per recording, on_simulated (whether any of
        the data are); sorted by mean. The mean is over *all* chosen recordings; by default empty where one is missing: no two
        means are of different recordings. ``missing``: model, reason.

    Raises
    ------
    BrainLensError
        For a recording that no result is of.

    Notes
    -----
    Protocols never share a row. The interval of a mean over recordings takes their draws as independent; it is empty where an
    imported result brings no draws and there are several recordings.
    """
    if scale not in SCALES:
        raise unknown("scale", scale, SCALES)
    if gaps not in GAPS:
        raise unknown("rule for what is missing", gaps, GAPS)
    names, asked = known(board), list(recordings)
    for name in asked:
        if name not in names:
            raise unknown("recording of a result", name, names)
    board = board[~board["model"].isin(set(hidden))].assign(recording=told_apart(board))
    chosen = list(
        dict.fromkeys(one for name in asked for one in names[name])
        if asked
        else dict.fromkeys(board["recording"])
    )
    board = board[board["recording"].isin(chosen)]
    rows = [
        _entry(group, keys, _counted(board, keys[1], chosen, scale, gaps), scale, gaps)
        for keys, group in board.groupby(["model", "protocol_key", "source"], sort=False)
    ]
    if not rows:
        return Answer(
            pd.DataFrame(columns=["entry", "model", "mean", "rank_low", "rank_high"]),
            "No result is here yet.",
            axes=axes(scale),
        )
    frame = pd.DataFrame(rows)
    leaking = frame["protocol"].map(leaks).astype(int)
    frame = (
        frame.assign(_last=leaking.where(frame["mean"].notna(), 2))
        .sort_values(["_last", "mean", "model"], ascending=[True, False, True], ignore_index=True)
        .drop(columns="_last")
    )
    several = frame["protocol_key"].nunique() > 1
    said = told_briefly(frame["protocol"]) if several else {}
    frame.insert(0, "entry", [entry_name(one, said) for one in frame.itertuples()])
    frame["rank"] = frame.groupby("protocol_key")["mean"].rank(ascending=False, method="min")
    frame = _numbers_first(_with_rank_intervals(frame))
    without = frame[frame["mean"].isna()]
    missing = pd.DataFrame(
        {"model": without["entry"], "reason": "no result on " + without["lacking"]}
    ).reset_index(drop=True)
    return Answer(
        frame,
        sentence(frame, chosen, scale),
        caption(frame, chosen, scale, missing, gaps),
        missing=missing,
        facts={"recordings": chosen, "protocols": int(frame["protocol_key"].nunique())},
        axes=axes(scale),
    )


BESIDE = ("omega", "oasm_shuffled", "oasm")
"""Of a ranked result, mean over the recordings: what plain controls explain, and what a model without text scores."""


def _numbers_first(frame: pd.DataFrame) -> pd.DataFrame:
    """The ranking with what a number has to be seen with right beside it; the words that tell entries apart come later."""
    first = [name for name in ("entry", "mean", "low", "high", "ceiling", *BESIDE) if name in frame]
    return frame[first + [name for name in frame.columns if name not in first]]


def most_results(board: pd.DataFrame) -> str:
    """The recording on which most models have a result, by its name in the ranking; the first of several."""
    counts = (
        board.assign(recording=told_apart(board))
        .groupby("recording", sort=False)["model"]
        .nunique()
    )
    return str(counts.idxmax()) if len(counts) else ""


def derived(model: str) -> str:
    """The model that a seed, a variant or a checkpoint stands under; empty for a model of its own.

    Examples
    --------
    >>> [derived(name) for name in ("gpt2@untrained:init:3", "zoo-causal-400k-step80", "gpt2")]
    ['gpt2', 'zoo-causal-400k', '']
    """
    base = re.sub(r"-step\d+$", "", model.partition("@")[0])
    return base if base != model else ""


_FIELDS = {
    *("entry", "model", "family", "protocol", "protocol_key", "source", "layer", "ceiling", "n_stimuli", "on_simulated"),
    *("mean", "low", "high", "rank", "rank_low", "rank_high", "n", "of", "lacking", "_draws", *BESIDE),
}  # fmt: skip
"""Columns of a ranking that are no recordings."""


def told_apart(board: pd.DataFrame) -> pd.Series:
    """The recording of each result: its id, or where one id stands for different data, with the first letters of their hash.

    A recording that is called as another column of the ranking has ``(recording)`` behind its name.
    """
    name, key = board["recording"].astype(str), board["data_key"].fillna("").astype(str)
    name = name.where(~name.isin(_FIELDS), name + " (recording)")
    kinds = key.where(key != "").groupby(name).transform("nunique")
    return name.where(kinds <= 1, name + " (" + key.str[:6].replace("", "data not known") + ")")


def known(board: pd.DataFrame) -> dict[str, list[str]]:
    """What recordings may be chosen by -> those of the ranking: one by its name, by an id all data sets that it stands for."""
    names: dict[str, list[str]] = {}
    for name, one in zip(told_apart(board), board["recording"], strict=True):
        for called in dict.fromkeys((name, one)):
            if name not in names.setdefault(called, []):
                names[called].append(name)
    return names


def _counted(
    board: pd.DataFrame, protocol_key: str, chosen: list[str], scale: str, gaps: str
) -> list[str]:
    """The recordings that a protocol's means are over."""
    if gaps != "shared":
        return chosen
    mine = board[(board["protocol_key"] == protocol_key) & board[SCALES[scale][0]].notna()]
    held = mine.groupby(["model", "source"])["recording"].agg(set)
    return [name for name in chosen if all(name in one for one in held)]


def _entry(group: pd.DataFrame, keys: tuple, chosen: list[str], scale: str, gaps: str) -> dict:
    model, protocol_key, source = keys
    column = SCALES[scale][0]
    first = group[group["protocol"].notna()].iloc[0]
    group = group.drop_duplicates("recording", keep="last").set_index("recording")
    cells = dict(group[column])
    group = group.reindex(chosen)
    values = group[column]
    there = values.notna()
    whole = bool(len(chosen)) and bool(there.all())
    zero = gaps == "zero" and not whole
    drawn = _mean_draws(group, column) if whole else None
    low, high = _interval(group, column, drawn) if whole else (np.nan, np.nan)
    return {
        "model": model,
        "family": first["family"],
        "protocol": as_given(first["protocol"]),
        "source": source,
        "mean": values.fillna(0.0).mean() if whole or zero else np.nan,
        "low": low,
        "high": high,
        "ceiling": group["ceiling"].mean(skipna=False),
        "layer": ", ".join(f"{layer:.0f}" for layer in group["layer"].dropna()),
        **{name: group[name].mean(skipna=False) for name in BESIDE if name in group},
        "n_stimuli": group["n_stimuli"].sum(min_count=1),
        "n": int(there.sum()),
        "of": len(chosen),
        "lacking": ", ".join(values.index[~there]),
        **{name: cells.get(name, np.nan) for name in dict.fromkeys([*chosen, *cells])},
        "on_simulated": bool(group["simulated"].fillna(False).astype(bool).any()),
        "protocol_key": protocol_key,
        "_draws": drawn,
    }


def _scales(group: pd.DataFrame, column: str) -> pd.Series:
    """What the r of each recording is multiplied by."""
    return group[column] / group["r"] if column != "r" else pd.Series(1.0, index=group.index)


def _mean_draws(group: pd.DataFrame, column: str) -> np.ndarray | None:
    """Draws of the mean over recordings; None where a result brings none."""
    draws = [_shuffled(value, name) for name, value in group["draws"].items()]
    known = [one for one in draws if one is not None]
    if len(known) < len(draws) or len({len(one) for one in known}) > 1:
        return None
    scaled = [one * scale for one, scale in zip(known, _scales(group, column), strict=True)]
    return np.mean(scaled, axis=0)


def rank_interval(drawn: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest rank of each model in 95 % of the draws.

    Parameters
    ----------
    drawn : sequence of ndarray, shape (n_draws,)
        Of each model, the same people and stimulus groups drawn for all.
    """
    every = np.stack(drawn)
    ranks = 1 + (every[None] > every[:, None]).sum(axis=1)
    low, high = np.quantile(ranks, [0.025, 0.975], axis=1, method="inverted_cdf")
    return low, high


def _with_rank_intervals(frame: pd.DataFrame) -> pd.DataFrame:
    """``rank_low`` and ``rank_high``: the ranks that 95 % of the draws give, people and stimulus groups drawn alike for all."""
    frame = frame.assign(rank_low=np.nan, rank_high=np.nan)
    for _, group in frame[frame["mean"].notna()].groupby("protocol_key"):
        drawn = [value for value in group["_draws"] if value is not None]
        if len(drawn) < len(group) or len({len(one) for one in drawn}) != 1:
            continue
        low, high = rank_interval(drawn)
        frame.loc[group.index, "rank_low"], frame.loc[group.index, "rank_high"] = low, high
    return frame.drop(columns="_draws")


def _interval(group: pd.DataFrame, column: str, drawn: np.ndarray | None) -> tuple[float, float]:
    """Of the mean over recordings, from its draws; of one recording its own interval."""
    if len(group) == 1:
        one, scale = group.iloc[0], _scales(group, column).iloc[0]
        if column != "r" and np.isfinite(one.get("normalised_low", np.nan)):
            return one["normalised_low"], one["normalised_high"]
        return one["r_low"] * scale, one["r_high"] * scale
    if drawn is None:
        return np.nan, np.nan
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return float(low), float(high)


def _shuffled(draws: Any, recording: str) -> np.ndarray | None:
    """The draws in an order that depends on the recording only: models stay paired, recordings become independent."""
    if draws is None or np.ndim(draws) == 0 or not len(draws):
        return None
    seed = [ord(letter) for letter in recording]
    return np.random.default_rng(seed).permutation(np.asarray(draws, float))
