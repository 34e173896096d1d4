"""The words of a ranking: protocols briefly, who is first, what its means are over."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pandas as pd

from analysis.answers.answer import decimal, interval, listed, plural
from analysis.protocol import PRESETS, SINGLE
from analysis.statistics.measured import beside

__all__ = [
    "GAPS",
    "SCALES",
    "as_given",
    "axes",
    "caption",
    "entry_name",
    "leaks",
    "sentence",
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
TOLD = 4
"""Protocols that the sentence tells of."""


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


def entry_name(one, said: dict[str, str]) -> str:
    """What a row of the ranking is called: its model, and what tells it from others of that model."""
    extra = [said[one.protocol]] if said else []
    extra += ["imported"] if one.source == "imported" else []
    return one.model + (f" ({', '.join(extra)})" if extra else "")


def axes(scale: str) -> dict:
    """Titles and scales of the axes."""
    return {"x_title": "", "y_title": SCALES[scale][1], "log_x": False, "invert_x": False}


def sentence(frame: pd.DataFrame, chosen: list[str], scale: str) -> str:
    """Who is first, under each of the first :data:`TOLD` protocols."""
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
    return leaks(protocol), protocol.count("=")


def leaks(protocol: str) -> bool:
    """Whether single items are held out, so that their neighbours train."""
    name, *changes = re.split(r", (?=\w+=)", protocol)
    split = dict(one.split("=", 1) for one in changes).get("split")
    return (split or getattr(PRESETS.get(name), "split", "")) in SINGLE


def caption(
    frame: pd.DataFrame, chosen: list[str], scale: str, missing: pd.DataFrame, gaps: str
) -> str:
    """What the means are over, what their intervals and ranks are, and what is missing."""
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
