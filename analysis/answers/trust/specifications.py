"""Specification curve: every defensible way to compute the number, sorted; inference over all of them at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
import pandas as pd

from analysis.answers.answer import Answer, decimal, p_value, plural
from analysis.protocol import Protocol
from data.errors import BrainLensError, unknown
from data.shares import percent

__all__ = ["AXES", "CHOSEN", "Specification", "curve", "specifications"]

AXES: dict[str, dict[str, Mapping[str, object]]] = {
    "split": {
        "grouped": {"split": "grouped"},
        "contiguous": {"split": "contiguous"},
        "leave-one-group-out": {"split": "leave-one-group-out"},
        "shuffled": {"split": "shuffled"},
    },
    "pooling": {name: {"pooling": name} for name in ("last", "mean", "sum")},
    "context": {"own": {"context": "recording"}, "none": {"context": "none"}},
    "start": {name: {"start": name} for name in ("policy", "tokenizer")},
    "mapping": {"ridge": {"method": "ridge"}, "ols": {"method": "ols"}},
    "layer": {"nested": {"layer": "nested"}, "last": {"layer": "last"}, "best": {"layer": "max"}},
    "aggregation": {
        "mean": {"targets": "mean", "people": "mean"},
        "median": {"targets": "median", "people": "median"},
    },
}
"""Choice -> option -> the fields of the protocol that it sets."""

CHOSEN = {
    "split": ("grouped", "shuffled"),
    "pooling": ("last", "mean"),
    "context": ("own", "none"),
    "mapping": ("ridge", "ols"),
    "layer": ("nested", "best"),
}
"""Cells that are priced unless others are asked for: 16 fits and, with both layer choices of each, 32 cells."""

INDEFENSIBLE = {("split", "shuffled"), ("layer", "best")}
"""Options that are drawn and never counted: a leak, and a layer chosen on the reported data."""


@dataclass(frozen=True)
class Specification:
    """One way to compute the number.

    Parameters
    ----------
    choices : mapping of str to str
        Choice -> option.
    protocol : Protocol
    defensible : bool
        Whether it counts in the inference.
    """

    choices: Mapping[str, str]
    protocol: Protocol
    defensible: bool

    @property
    def name(self) -> str:
        """Its options in one line."""
        return ", ".join(self.choices.values())


def specifications(
    protocol: Protocol, axes: Mapping[str, Sequence[str]] | None = None
) -> list[Specification]:
    """Every combination of the options.

    Parameters
    ----------
    protocol : Protocol
        What is not an axis stays as it is here.
    axes : mapping of str to sequence of str
        Of :data:`AXES`; None: :data:`CHOSEN`.

    Raises
    ------
    BrainLensError
        For an unknown choice or option, or a choice without an option.
    """
    axes = dict(CHOSEN if axes is None else axes)
    for name, options in axes.items():
        if name not in AXES:
            raise unknown("choice of a specification", name, AXES)
        if isinstance(options, str) or not options:
            raise BrainLensError(
                f"The choice {name!r} has no option",
                choices=AXES[name],
                remedy="Name one or several",
            )
        for option in options:
            if option not in AXES[name]:
                raise unknown(f"option of {name}", option, AXES[name])
    found = []
    for options in product(*axes.values()):
        choices = dict(zip(axes, options, strict=True))
        fields = {k: v for name, option in choices.items() for k, v in AXES[name][option].items()}
        found.append(
            Specification(choices, protocol.but(**fields), not INDEFENSIBLE & set(choices.items()))
        )
    return found


def curve(frame: pd.DataFrame, null: np.ndarray | None = None, *, rule: str = "") -> Answer:
    """Sorted specifications with intervals, what they agree on, and whether it is more than chance.

    Parameters
    ----------
    frame : pandas.DataFrame
        One row per model and specification: model, cell (its name), one column per choice, r, low, high, defensible.
    null : ndarray, shape (n_draws, n_rows), optional
        r of the same rows with the responses exchanged, each exchange applied to *all* rows at once; only
        defensible ones are read.
    rule : str
        How responses were exchanged, in words.

    Returns
    -------
    Answer
        ``frame``: sorted by r within a model, with ``place``. ``facts``: per model ``share`` (of defensible cells above 0),
        ``clear`` (whose interval lies above 0), ``median``, ``null_share``, ``p_share``, ``p_median``; ``tau`` (mean
        Kendall's tau of the models' rankings over pairs of defensible specifications), ``tau_low`` (its minimum).

    Notes
    -----
    Source: Simonsohn, Simmons & Nelson 2020, doi 10.1038/s41562-020-0912-z. Cells share data, so under the null they are above 0
    together: the share that exchanges give is shown, and it is not 50 %.
    """
    from scipy.stats import kendalltau

    if frame.empty:
        raise BrainLensError("No specification was run", remedy="Choose cells and run them")
    facts: dict = {"models": {}}
    defensible = frame["defensible"].to_numpy(bool)
    for model, rows in frame.groupby("model", sort=False):
        mine = np.flatnonzero((frame["model"] == model).to_numpy() & defensible)
        r = frame["r"].to_numpy(float)[mine]
        if not len(r):
            raise BrainLensError(
                f"No cell of {model} can be defended: nothing is inferred",
                remedy="Add held-out groups and a layer that is not chosen on the reported data",
            )
        one = {
            "cells": len(rows),
            "counted": len(r),
            "share": float((r > 0).mean()),
            "clear": float((frame["low"].to_numpy(float)[mine] > 0).mean()),
            "median": float(np.median(r)),
            "lowest": float(r.min()),
            "highest": float(r.max()),
            "null_share": np.nan,
            "p_share": np.nan,
            "p_median": np.nan,
            "draws": 0 if null is None else len(null),
        }
        if null is not None and len(null):
            drawn = np.asarray(null, float)[:, mine]
            shares, medians = (drawn > 0).mean(axis=1), np.median(drawn, axis=1)
            one |= {
                "null_share": float(shares.mean()),
                "p_share": _p(one["share"], shares),
                "p_median": _p(one["median"], medians),
            }
        facts["models"][model] = one
    ranks = frame[defensible].pivot_table(index="cell", columns="model", values="r", sort=False)
    taus = [
        kendalltau(a, b).statistic for a, b in combinations(ranks.dropna().to_numpy(float), 2)
    ] if ranks.shape[1] > 1 else []  # fmt: skip
    taus = [tau for tau in taus if np.isfinite(tau)]
    facts |= {"tau": float(np.mean(taus)) if taus else np.nan, "tau_low": min(taus, default=np.nan)}
    shown = frame.sort_values("r", kind="stable").assign(
        place=lambda t: t.groupby("model", sort=False).cumcount() + 1
    )
    return Answer(
        shown.reset_index(drop=True),
        " ".join(_words(model, one) for model, one in facts["models"].items()),
        _caption(int((~defensible).sum()), rule if null is not None else "", facts),
        facts=facts,
        axes={"x_title": "Specifications, sorted", "y_title": "Pearson r, held out"},
    )


def _caption(left: int, rule: str, facts: dict) -> str:
    said = (
        f"Every combination of the chosen options with its 95 % interval, sorted. {plural(left, 'cell')} (shuffled folds, or "
        "the best layer of the same data) are drawn in grey and never counted. "
    )
    said += (
        f"Null: {rule}; each exchange is applied to all cells at once; p of the median of the defensible cells."
        if rule
        else "The null was not run."
    )
    if np.isfinite(facts["tau"]):
        said += (
            f" Kendall's tau between the models' rankings: mean {decimal(facts['tau'])} over pairs of specifications, lowest "
            f"{decimal(facts['tau_low'])}."
        )
    return said


def _p(observed: float, null: np.ndarray) -> float:
    return float((1 + (null >= observed - 1e-12).sum()) / (1 + len(null)))


def _words(model: str, one: dict) -> str:
    said = (
        f"{model}: {percent(one['share'])} of {plural(one['counted'], 'defensible cell')} above 0, "
        f"{percent(one['clear'])} with their interval; median r {decimal(one['median'], 3)} "
        f"({decimal(one['lowest'], 3)} to {decimal(one['highest'], 3)})"
    )
    if np.isfinite(one["null_share"]):
        said += (
            f"; by chance {percent(one['null_share'])} would be above 0 "
            f"(the median's {p_value(one['p_median'])}, "
            f"{plural(one['draws'], 'exchange')})"
        )
    return said + "."
