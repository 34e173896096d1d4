"""What the further pictures of an answer say, in a sentence each: read off the numbers that they draw."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from analysis.answers.answer import decimal, interval, listed, plural
from data.shares import percent, percent_within

__all__ = [
    "BIRTH_WORDS",
    "VISION",
    "ahead",
    "alike",
    "at_birth",
    "at_the_end",
    "best_so_far",
    "by_layer",
    "by_step",
    "front",
    "half_gone",
    "of_a_word",
    "plane",
    "remade",
]

BIRTH_WORDS = {
    "init": "library initialisation",
    "permute": "trained weights, shuffled",
    "gaussian": "Gaussian",
    "mixture": "mixture, weight compression",
    "hashed": "hashed",
}
VISION = 0.8
"""Share of the finished model's r that 2 % of the updates reach in vision (Geiger, Schrimpf et al. 2022)."""
_DIGITS = {"delta_ll": 4}


def _told(row, name: str, digits: int | None = None) -> str:
    """``.31 [.28, .34]`` of one row of a table of means."""
    digits = _DIGITS.get(name, 2) if digits is None else digits
    low, high = (row.get(f"{name}_{end}", np.nan) for end in ("low", "high"))
    return f"{decimal(row[name], digits)} {interval(low, high, digits)}".rstrip()


def at_the_end(
    frame: pd.DataFrame,
    name: str,
    by: str,
    x: str,
    unit: str,
    *,
    label: str,
    whole: str = "",
    first: bool = False,
) -> str:
    """A measure at the end of each line.

    Parameters
    ----------
    frame : DataFrame
        Means over seeds.
    name, by, x : str
        Columns: of the measure, of the lines, and of the axis.
    unit : str
        Of the axis.
    label : str
        The measure in words.
    whole : str
        What stands before the lines: the measure of the model that nothing was done to.
    first : bool
        The first point of each line as well.
    """
    told = []
    for line, own in frame.dropna(subset=[name]).groupby(by, sort=False):
        own = own.sort_values(x)
        start, end = own.iloc[0], own.iloc[-1]
        said = f"{line} {_told(end, name)} at {end[x]:,g}{unit}"
        if first and end[x] > start[x]:
            said += f" ({_told(start, name)} at {start[x]:,g}{unit})"
        told.append(said)
    return f"{label}: {'; '.join(filter(None, [whole, *told]))}."


def half_gone(half: Mapping[str, float], last: float) -> str:
    """At how many masked words half of r is gone, of :func:`analysis.answers.occlusion.occlusion`."""
    gone = [f"{model} at {percent(at / 100)}" for model, at in half.items() if np.isfinite(at)]
    never = [model for model, at in half.items() if not np.isfinite(at)]
    said = f"Half of r is gone in {listed(gone)} of masked words" if gone else ""
    left = f"up to {percent(last / 100)} it is not in {listed(never)}" if never else ""
    words = "; ".join(filter(None, [said, left]))
    return f"{words[:1].upper()}{words[1:]}."


# ---- wiring ---------------------------------------------------------------------------------------------------------------
def at_birth(born: pd.DataFrame) -> str:
    """How much of the finished model's r is there before any training, birth by birth."""
    rows = born.sort_values("share", ascending=False).to_dict("records")
    told = [f"{_share(row)} by {BIRTH_WORDS.get(row['birth'], row['birth'])}" for row in rows]
    return f"Of the finished model's r there is at birth: {listed(told)}."


def _share(row: Mapping) -> str:
    ends = (row.get("share_low", np.nan), row.get("share_high", np.nan))
    return percent_within(row["share"], *ends)


def plane(iso: pd.DataFrame) -> str:
    """What reaches the share of r that vision is measured by, or the highest that is reached."""
    top = VISION if (iso["level"] == VISION).any() else float(iso["level"].max())
    rows = iso[(iso["level"] == top) & iso["front"]].sort_values("updates_percent")
    told = [
        f"{row.updates_percent:.3g} % of the updates of {row.weights_percent:.3g} % of the weights ({row.part})"
        for row in rows.itertuples()
    ]
    less = f"No set of weights reaches {percent(VISION)} of r; " if top < VISION else ""
    said = (
        f"{percent(top)} of r is reached by {' or '.join(told)}, from the library's initialisation."
    )
    return f"{less}{said}"


# ---- architectures --------------------------------------------------------------------------------------------------------
def front(frame: pd.DataFrame) -> str:
    """How many networks are on the Pareto front, and its two ends."""
    own = frame[frame["front"]].sort_values("weights")
    ends = [
        f"{row.formula} ({row.weights:,.0f} weights, r = {decimal(row.held_out)} unseen)"
        for row in own.iloc[[0, -1]].itertuples()
    ]
    if len(own) == 1:
        return f"One of {plural(len(frame), 'network')} is on the front: {ends[0]}."
    return f"{len(own)} of {plural(len(frame), 'network')} are on the front, from {ends[0]} to {ends[1]}."


def best_so_far(frame: pd.DataFrame) -> str:
    """When the best network came, and what those that were drawn first had reached."""
    best = frame.loc[frame["search"].idxmax()]
    begun = frame[frame["number"] < max(1, len(frame) // 4)]["search"].max()
    return (
        f"The best of the search is network {int(best['number']) + 1} of {len(frame)} (r = {decimal(best['search'])} on its "
        f"stimuli); its first quarter reached {decimal(begun)}."
    )


_REMADE = {
    "held_out": "on unseen stimuli",
    "bits_per_byte": "bits per byte",
    "delta_ll": "nats a word that surprisal adds to reading times",
}


def remade(means: pd.DataFrame, measure: str = "held_out") -> str:
    """Networks from fresh seeds, best first; fewest bits first."""
    order = means.sort_values(measure, ascending=measure == "bits_per_byte")
    told = [f"{row['formula']} {_told(row, measure)}" for row in order.to_dict("records")]
    seeds = plural(int(means["seeds"].min()), "fresh seed")
    return f"From {seeds} each, {_REMADE[measure]}: {listed(told)}."


# ---- others ---------------------------------------------------------------------------------------------------------------
def alike(between: pd.DataFrame) -> str:
    """The pair of models that is most alike, and the one that is least."""
    order = between.sort_values("value", ascending=False)
    most, least = order.iloc[0], order.iloc[-1]
    if len(order) == 1:
        return f"{most['first']} and {most['second']}: {decimal(most['value'])}."
    said = f"{most['first']} and {most['second']} are most alike ({decimal(most['value'])})"
    said += f", {least['first']} and {least['second']} least ({decimal(least['value'])})"
    return f"{said}, of {plural(len(order), 'pair')}."


def ahead(frame: pd.DataFrame, first: str, second: str) -> str:
    """In which slices the interval of a mean difference leaves 0 out."""
    if not len(frame):
        return ""
    sides = {
        first: frame[frame["low"] > 0]["level"],
        second: frame[frame["high"] < 0]["level"],
    }
    told = [f"{model} in {listed(map(str, at))}" for model, at in sides.items() if len(at)]
    if not told:
        return f"In none of {plural(len(frame), 'slice')} is one of them shown to be ahead."
    return f"Ahead by its own interval, of {plural(len(frame), 'slice')}: {'; '.join(told)}."


def by_step(frame: pd.DataFrame) -> str:
    """Bits per byte at the first and the last checkpoint of each training."""
    told = []
    for model, own in frame.groupby("model", sort=False):
        own = own.sort_values("step")
        start, end = own.iloc[0], own.iloc[-1]
        said = f"{model} {decimal(end['bits_per_byte'])} at step {int(end['step']):,}"
        if end["step"] > start["step"]:
            said += f" ({decimal(start['bits_per_byte'])} at step {int(start['step']):,})"
        told.append(said)
    return f"Bits per byte: {'; '.join(told)}."


def by_layer(frame: pd.DataFrame) -> str:
    """The layer that most folds use, at the first and the last checkpoint of each training."""
    told = []
    for model, own in frame[frame["chosen"]].groupby("model", sort=False):
        own = own.sort_values("step")
        start, end = own.iloc[0], own.iloc[-1]
        said = f"{model} layer {int(end['layer'])} at step {int(end['step']):,}"
        if end["step"] > start["step"]:
            said += f" ({int(start['layer'])} at step {int(start['step']):,})"
        told.append(said)
    return f"Most folds use: {'; '.join(told)}." if told else "No layer was chosen."


def of_a_word(words: pd.DataFrame, word: str, bits: str) -> str:
    """Mean surprisal of some words, and the most surprising one."""
    known = words.dropna(subset=[bits])
    if not len(known):
        return "No word has a probability."
    top = known.loc[known[bits].idxmax()]
    return (
        f"{known[bits].mean():.1f} bits in the mean of {plural(len(known), 'word')}, most at "
        f"“{str(top[word]).strip()}” ({top[bits]:.1f})."
    )
