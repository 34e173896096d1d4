"""Published tables, each by its own rule."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from analysis.answers.answer import Answer, listed, plural
from analysis.answers.compare.words import axes
from data.errors import unknown
from data.readers.published import BENCHMARKS, hadidi2025, schrimpf2021

__all__ = ["TABLES", "benchmarks", "published"]

TABLES = {
    "schrimpf2021": "Schrimpf et al. 2021: best layer on the reported data, divided by the ceiling, not clipped",
    "hadidi2025": "Hadidi et al. 2025: ridge, contiguous folds, raw r, not normalised; PWR is position and word rate alone",
}
"""Published tables, each by its own rule: never averaged with own results nor with each other."""
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
    drawn = axes("normalised" if table == "schrimpf2021" else "raw")
    return Answer(
        frame,
        sentence,
        caption,
        missing=missing,
        axes=drawn | {"y_title": drawn["y_title"] + " (published)"},
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
