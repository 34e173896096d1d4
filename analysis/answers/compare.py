"""How do the models rank?"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.answers.answer import Answer, decimal, interval, listed, plural
from analysis.protocol import PRESETS, SINGLE
from analysis.statistics import paired
from analysis.statistics.measured import beside
from data.errors import BrainLensError, unknown
from data.readers.published import BENCHMARKS, hadidi2025, schrimpf2021

__all__ = [
    "GAPS",
    "SCALES",
    "TABLES",
    "as_given",
    "benchmarks",
    "derived",
    "detail",
    "known",
    "methods",
    "most_results",
    "paired_methods",
    "published",
    "rank",
    "rank_interval",
    "told_apart",
    "told_briefly",
]

SCALES = {
    "raw": ("r", "Mean Pearson r, held out"),
    "normalised": ("normalised", "Mean share of the ceiling"),
}
GAPS = {
    "empty": "a model has a mean where it has a result on each of them",
    "zero": "a recording without a result counts as 0",
    "shared": "of these only those that every model of a protocol has a result on",
}
"""What a mean over recordings does where a model lacks one; none lets two means of one ranking be of different recordings."""
TABLES = {
    "schrimpf2021": "Schrimpf et al. 2021: best layer on the reported data, divided by the ceiling, not clipped",
    "hadidi2025": "Hadidi et al. 2025: ridge, contiguous folds, raw r, not normalised; PWR is position and word rate alone",
}
"""Published tables, each by its own rule: never averaged with own results nor with each other."""


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
            axes=_axes(scale),
        )
    frame = pd.DataFrame(rows)
    leaks = frame["protocol"].map(_leaks).astype(int)
    frame = (
        frame.assign(_last=leaks.where(frame["mean"].notna(), 2))
        .sort_values(["_last", "mean", "model"], ascending=[True, False, True], ignore_index=True)
        .drop(columns="_last")
    )
    several = frame["protocol_key"].nunique() > 1
    said = told_briefly(frame["protocol"]) if several else {}
    frame.insert(0, "entry", [_name(one, said) for one in frame.itertuples()])
    frame["rank"] = frame.groupby("protocol_key")["mean"].rank(ascending=False, method="min")
    frame = _numbers_first(_with_rank_intervals(frame))
    without = frame[frame["mean"].isna()]
    missing = pd.DataFrame(
        {"model": without["entry"], "reason": "no result on " + without["lacking"]}
    ).reset_index(drop=True)
    return Answer(
        frame,
        _sentence(frame, chosen, scale),
        _caption(frame, chosen, scale, missing, gaps),
        missing=missing,
        facts={"recordings": chosen, "protocols": int(frame["protocol_key"].nunique())},
        axes=_axes(scale),
    )


TOLD = 4
"""Protocols that the sentence tells of."""
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
    low, high = _interval(group, column, chosen) if whole else (np.nan, np.nan)
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
        "_draws": _mean_draws(group, column) if whole else None,
    }


def _mean_draws(group: pd.DataFrame, column: str) -> np.ndarray | None:
    """Draws of the mean over recordings; None where a result brings none."""
    scales = group[column] / group["r"] if column != "r" else pd.Series(1.0, index=group.index)
    draws = [_shuffled(value, name) for name, value in group["draws"].items()]
    known = [one for one in draws if one is not None]
    if len(known) < len(draws) or len({len(one) for one in known}) > 1:
        return None
    return np.mean([one * scale for one, scale in zip(known, scales, strict=True)], axis=0)


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


def _interval(group: pd.DataFrame, column: str, chosen: list[str]) -> tuple[float, float]:
    """Of the mean over recordings, from the draws of each; of one recording its own interval."""
    scales = group[column] / group["r"] if column != "r" else pd.Series(1.0, index=group.index)
    if len(group) == 1:
        one, scale = group.iloc[0], scales.iloc[0]
        if column != "r" and np.isfinite(one.get("normalised_low", np.nan)):
            return one["normalised_low"], one["normalised_high"]
        return one["r_low"] * scale, one["r_high"] * scale
    draws = [_shuffled(value, name) for name, value in group["draws"].items()]
    known = [one for one in draws if one is not None]
    if len(known) < len(draws) or len({len(one) for one in known}) > 1:
        return np.nan, np.nan
    mean = np.mean([one * scale for one, scale in zip(known, scales, strict=True)], axis=0)
    low, high = np.nanquantile(mean, [0.025, 0.975])
    return float(low), float(high)


def _shuffled(draws: Any, recording: str) -> np.ndarray | None:
    """The draws in an order that depends on the recording only: models stay paired, recordings become independent."""
    if draws is None or np.ndim(draws) == 0 or not len(draws):
        return None
    seed = [ord(letter) for letter in recording]
    return np.random.default_rng(seed).permutation(np.asarray(draws, float))


def as_given(protocol: str) -> str:
    """A result's protocol with its changes as they are given to ``--set`` and in links, not as Python prints them.

    Results name their protocol once and for all, in a text that their hash covers; so it is rewritten where it is shown.

    Examples
    --------
    >>> as_given("defended, controls=('position', 'length'), shuffled_twin=False, alphas=(), rcond=None")
    'defended, controls=position,length, shuffled_twin=false, alphas=none, rcond=none'
    """
    return re.sub(r"=(\([^()]*\)|True|False|None)(?=, \w+=|$)", _plainly, protocol)


def _plainly(found: re.Match) -> str:
    if not found[1].startswith("("):
        return f"={found[1].lower()}"
    parts = [part.strip(" '\"") for part in found[1].strip("()").split(",")]
    return "=" + (",".join(part for part in parts if part) or "none")


def told_briefly(protocols: Iterable[str]) -> dict[str, str]:
    """Protocols in words, each by what it does not share with all the others.

    Examples
    --------
    >>> list(told_briefly(["defended, folds=3, seeds=1", "defended, folds=3, seeds=2"]).values())
    ['seeds=1', 'seeds=2']
    >>> list(told_briefly(["defended", "defended, controls=position,length"]).values())
    ['defended', 'controls=position,length']
    """
    parts = {text: re.split(r", (?=\w+=)", text) for text in protocols}
    shared = set.intersection(*map(set, parts.values())) if len(parts) > 1 else set()
    return {
        text: ", ".join(part for part in every if part not in shared) or every[0]
        for text, every in parts.items()
    }


def _name(one, said: dict[str, str]) -> str:
    extra = [said[one.protocol]] if said else []
    extra += ["imported"] if one.source == "imported" else []
    return one.model + (f" ({', '.join(extra)})" if extra else "")


def _axes(scale: str) -> dict:
    return {"x_title": "", "y_title": SCALES[scale][1], "log_x": False, "invert_x": False}


def _sentence(frame: pd.DataFrame, chosen: list[str], scale: str) -> str:
    ranked = frame[frame["mean"].notna()]
    over = chosen[0] if len(chosen) == 1 else f"{len(chosen)} recordings"
    if ranked.empty:
        return f"No model has a result on every one of {over}: choose fewer recordings."
    said, briefly = [], told_briefly(ranked["protocol"])
    groups = sorted(ranked.groupby("protocol", sort=False), key=lambda one: _last(str(one[0])))
    for protocol, group in groups[:TOLD]:
        top = group.iloc[0]
        under = f" ({briefly[protocol]})" if len(briefly) > 1 else ""
        span = interval(top["low"], top["high"])
        kind = "r" if scale == "raw" else "share of the ceiling"
        what = f"a mean {kind} of" if len(chosen) > 1 else f"{kind} ="
        words = f"{top['model']} is first of {plural(len(group), 'model')} on {over}{under}, with {what} {decimal(top['mean'])}"
        said.append(f"{words} {span}".rstrip())
        if len(group) > 1:
            second = group.iloc[1]
            said[-1] += f", before {second['model']} with {decimal(second['mean'])}"
        said[-1] += "."
    if more := len(groups) - TOLD:
        said += [f"{plural(more, 'more protocol')}: see the table."] if more > 0 else []
    return " ".join(said)


def _last(protocol: str) -> tuple[bool, int]:
    """What is told of last: folds that leak, then what was changed most, such as the specifications of a Trust screen."""
    return _leaks(protocol), protocol.count("=")


def _leaks(protocol: str) -> bool:
    """Whether single items are held out, so that their neighbours train."""
    name, *changes = re.split(r", (?=\w+=)", protocol)
    split = dict(one.split("=", 1) for one in changes).get("split")
    return (split or getattr(PRESETS.get(name), "split", "")) in SINGLE


def _caption(
    frame: pd.DataFrame, chosen: list[str], scale: str, missing: pd.DataFrame, gaps: str
) -> str:
    parts = [f"Mean over {listed(chosen)}; {GAPS[gaps]} (n = {len(chosen)})."]
    parts.append(
        "Layer by nested choice, so that choosing it costs nothing, unless the protocol says otherwise."
    )
    if frame["low"].notna().any():
        parts.append(
            "Intervals: 95 %, bootstrap over people and stimulus groups, recordings taken as independent."
        )
    if frame["rank_low"].notna().any():
        parts.append(f"Ranks: 95 % of the same draws. {beside('ranks')}")
    if frame["protocol_key"].nunique() > 1:
        parts.append(
            "Protocols differ and have rows of their own: their means are not one ranking; folds that leak stand last."
        )
    if (frame["source"] == "imported").any():
        parts.append("Imported results were not computed here.")
    if scale == "normalised" and (frame["mean"] > 1).any():
        parts.append("Above 1 the ceiling is too low; nothing is clipped.")
    if len(missing):
        parts.append(
            "Without a mean: "
            + "; ".join(f"{one.model} ({one.reason})" for one in missing.itertuples())
            + "."
        )
    return " ".join(parts)


_LAYERS = {"nested": "the layer chosen in each fold on inner folds of the training data", "last": "the last layer",
           "max": "the layer with the highest score on the reported data, which is optimistic"}  # fmt: skip


def methods(board: pd.DataFrame, answer: Answer, scale: str = "raw") -> str:
    """The methods paragraph of a ranking, in complete sentences, from the recipes of its results.

    Parameters
    ----------
    board : pandas.DataFrame
        The results that were ranked.
    answer : Answer
        Of :func:`rank`.
    """
    kind = "Pearson's r of predicted and held-out responses"
    kind += ", divided by the ceiling and not clipped" if scale == "normalised" else ""
    said = [f"Models were ranked by the mean of {kind}, over {listed(answer.facts['recordings'])}; a model without a result on "
            "one of them has no mean."]  # fmt: skip
    said += _recipes(board)
    if answer.frame["low"].notna().any():
        said.append("Intervals are 95 % bootstrap intervals over people and stimulus groups, every fold with the layer "
                    "chosen for it; recordings are taken as independent.")  # fmt: skip
    if (board["source"] == "imported").any():
        brought = board[board["source"] == "imported"]
        said.append(
            f"Results of {listed(dict.fromkeys(brought['model']))} marked as imported were not computed here."
        )
    return " ".join(said)


def paired_methods(first: pd.Series, second: pd.Series) -> str:
    """The methods paragraph of :func:`detail`."""
    said = [f"{first['model']} and {second['model']} were compared on {first['recording']}, target by target, by Pearson's r of "
            "predicted and held-out responses."]  # fmt: skip
    said += _recipes(pd.DataFrame([first, second]))
    said.append("The 95 % interval of their difference is that of a paired bootstrap: the same people and stimulus groups were "
                "drawn for both, every fold with the layer chosen for it.")  # fmt: skip
    return " ".join(said)


def _recipes(board: pd.DataFrame) -> list[str]:
    """One sentence for each protocol and kind of folds, and the versions."""
    said, versions = {}, {}
    for text, protocol, recording in zip(
        board["provenance"], board["protocol"], board["recording"], strict=True
    ):
        if not isinstance(text, str) or not text:
            continue
        recipe = json.loads(text)
        rule = f"Protocol {protocol} (held out: {recipe['folds']}; {_LAYERS[recipe['protocol']['layer']]}) was used for"
        said.setdefault(rule, {})[recording] = None
        versions[recipe["versions"].get("brainlens", "")] = None
    sentences = [f"{rule} {listed(recordings)}." for rule, recordings in said.items()]
    return [
        *sentences,
        *([f"Computed with BrainLens {listed(versions)}."] if any(versions) else []),
    ]


# ---- two models in detail ------------------------------------------------------------------------------------------------
def detail(first: pd.Series, second: pd.Series, targets: tuple) -> Answer:
    """Two results on one recording, target by target, with the paired interval of their difference.

    Parameters
    ----------
    first, second : pandas.Series
        Rows of the board.
    targets : tuple of xarray.Dataset
        :func:`analysis.scoring.results.targets` of both.

    Returns
    -------
    Answer
        ``frame``: target, the two models' r and their ``difference``; ``facts``: difference, low, high, p.

    Raises
    ------
    BrainLensError
        Where the two are not of the same data and protocol.
    """
    if first["data_key"] != second["data_key"] or first["protocol_key"] != second["protocol_key"]:
        raise BrainLensError(
            f"{first['model']} and {second['model']} were not scored on the same data by the same protocol",
            remedy="Score both under one protocol",
        )
    one, two = targets
    frame = pd.DataFrame(
        {
            "target": one["target"].values.astype(str),
            "first": one["r"].values,
            "second": two["r"].values,
        }
    )
    frame["difference"] = frame["first"] - frame["second"]
    low, high, p = np.nan, np.nan, np.nan
    draws = [one if np.ndim(one) else () for one in (first["draws"], second["draws"])]
    if len(draws[0]) and len(draws[0]) == len(draws[1]):
        low, high, p = paired(*draws)
    gap = float(first["r"] - second["r"])
    better, other = (first, second) if gap >= 0 else (second, first)
    span = interval(min(low, high), max(low, high)) if gap >= 0 else interval(-high, -low)
    clear = np.isfinite(low) and (low > 0 or high < 0)
    size = abs(gap)
    verdict = (
        ""
        if clear or not span
        else "; the interval includes 0, so that neither is shown to be better"
    )
    wins, people = int((frame["difference"] > 0).sum()), first.get("n_subjects")
    more = " ".join(filter(None, [decimal(size, 3), span, "more"]))
    sentence = (
        f"On {first['recording']}, {better['model']} scores {more} than {other['model']}{verdict}. "
        f"{first['model']} is ahead on {wins} of {plural(len(frame), 'target')}."
    )
    caption = (
        "Each point is one target: r held out, every fold with the layer chosen for it. The interval is of the paired "
        "difference (95 %, the same people and stimulus groups drawn for both, every fold with the layer chosen for it"
        + (f"; p = {p:.3f}" if np.isfinite(p) else "")
        + ")."
        + (
            f" {beside('difference, averaged')}"
            if np.isfinite(low) and people is not None and people <= 1
            else ""
        )
    )
    axes = {
        "x_title": f"r of {second['model']}",
        "y_title": f"r of {first['model']}",
        "log_x": False,
        "invert_x": False,
    }
    return Answer(
        frame,
        sentence,
        caption,
        facts={"difference": gap, "low": low, "high": high, "p": p},
        axes=axes,
    )


# ---- published, apart ------------------------------------------------------------------------------------------------------
_BENCHMARKS = {
    "pereira2018-language": "pereira2018",
    "fedorenko2016-language": "fedorenko2016",
    "blank2014-froi": "blank2014",
}
"""Recordings that a benchmark of the tables is of, where it goes by another name."""


def published(
    table: str = "schrimpf2021",
    recordings: Iterable[str] = (),
    *,
    hidden: Iterable[str] = (),
    pooling: str = "last",
) -> Answer:
    """A published table as a leaderboard of its own.

    Parameters
    ----------
    table : str
        One of :data:`TABLES`.
    recordings : iterable of str
        Benchmarks to average, or the recordings they are of; none, or none that the table holds: all, which the caption says.
    hidden : iterable of str
        Models left out.
    pooling : str
        Of the models in the table of Hadidi et al.

    Returns
    -------
    Answer
        ``frame``: entry, model, source, mean, n, of, one column per benchmark; sorted by mean.
    """
    wide = _wide(table, pooling)
    asked = list(
        dict.fromkeys(_BENCHMARKS.get(name.partition(" (")[0], name) for name in recordings)
    )
    chosen = [name for name in wide.columns if name in asked]
    absent, every = [name for name in asked if name not in wide.columns], wide.shape[1]
    wide = wide[chosen] if chosen else wide
    wide = wide[~wide.index.isin(set(hidden))]
    means = wide.mean(axis=1, skipna=False).values
    frame = pd.DataFrame(
        {
            "entry": wide.index,
            "model": wide.index,
            "source": table,
            "mean": means,
            "n": wide.notna().sum(axis=1).values,
            "of": wide.shape[1],
        }
    )
    frame = pd.concat([frame, wide.reset_index(drop=True)], axis=1)
    frame = frame.sort_values("mean", ascending=False, na_position="last", ignore_index=True)
    lacking = frame[frame["mean"].isna()]
    ranked = frame[frame["mean"].notna()]
    over = plural(wide.shape[1], "benchmark")
    missing = pd.DataFrame(
        {"model": lacking["model"], "reason": "not on every benchmark"}
    ).reset_index(drop=True)
    left = f" Without a mean: {listed(missing['model'])}." if len(missing) else ""
    top = (
        f"{ranked['model'].iloc[0]} is first of {plural(len(ranked), 'model')}"
        if len(ranked)
        else "no model has a mean"
    )
    sentence = f"Published: {top} over {over}."
    some = f", {wide.shape[1]} of its {every} benchmarks" if wide.shape[1] < every else ""
    lacks = f" It does not hold {listed(absent)}." if absent else ""
    caption = (f"{TABLES[table]}. Mean over {listed(map(str, wide.columns))}{some}.{lacks} Not comparable with own "
               f"results.{left}")  # fmt: skip
    axes = _axes("normalised" if table == "schrimpf2021" else "raw")
    return Answer(
        frame,
        sentence,
        caption,
        missing=missing,
        axes=axes | {"y_title": axes["y_title"] + " (published)"},
    )


def benchmarks() -> list[str]:
    """The benchmarks of all published tables."""
    return list(
        dict.fromkeys(str(name) for table in TABLES for name in _wide(table, "last").columns)
    )


def _wide(table: str, pooling: str) -> pd.DataFrame:
    """Models by benchmarks."""
    if table not in TABLES:
        raise unknown("published table", table, TABLES)
    if table == "schrimpf2021":
        scores = schrimpf2021()
        scores = scores[scores["variant"] == "trained"]
        return scores.pivot(index="model", columns="benchmark", values="score")[list(BENCHMARKS)]
    scores = hadidi2025()
    scores = scores[
        (scores["split"] == "contiguous") & scores["pooling"].fillna(pooling).isin(("", pooling))
    ]
    return scores.pivot_table(index="model", columns="benchmark", values="score")
