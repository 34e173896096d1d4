"""Two models in detail."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.answers.answer import Answer, decimal, interval, p_value, plural
from analysis.statistics import paired
from analysis.statistics.bootstrap import ENOUGH_PEOPLE
from analysis.statistics.measured import beside
from data.errors import BrainLensError

__all__ = ["detail"]


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
        + (f"; {p_value(p)}" if np.isfinite(p) else "")
        + ")."
        + (f" {beside(*_few(people))}" if np.isfinite(low) and _few(people) else "")
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


def _few(people: int | None) -> tuple[str, ...]:
    """Kinds of :func:`~analysis.statistics.measured.beside` for a difference in so many people."""
    if people is None or people >= ENOUGH_PEOPLE:
        return ()
    return ("difference, averaged",) if people <= 1 else ("difference, few people",)
