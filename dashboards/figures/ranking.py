"""Figures of Compare: the ranking, ranks over versions, and two models target by target."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from analysis.models.catalog import card
from analysis.scoring.submission import OUTCOMES, TOLERANCE, Verification
from dashboards.figures.spec import FigureSpec, Mark, Rule
from data.errors import BrainLensError

__all__ = ["again", "courses", "dots", "two_models"]

HOVER = (
    "entry",
    "mean",
    "low",
    "high",
    "ceiling",
    "layer",
    "n_stimuli",
    "n",
    "of",
    "protocol",
    "source",
    "rank",
)


def dots(
    title: str,
    answer,
    *,
    stamp: str = "",
    absent: Sequence[str] = (),
    folded: pd.DataFrame | None = None,
    others: str = "",
    facets: str = "",
    left_out: Sequence[str] = (),
) -> FigureSpec:
    """Models below each other in the order of their means, with intervals where there are any.

    Parameters
    ----------
    title, stamp : str
    answer : Answer
        Of :func:`analysis.answers.compare.rank` or :func:`analysis.answers.compare.published`.
    absent : sequence of str
        Recordings that were chosen and that no result is of.
    folded : pandas.DataFrame, optional
        model, protocol_key, mean and name of seeds and checkpoints, drawn small on the line of their model.
    others : str
        What was left out, and why.
    facets : str
        What splits the ranking: family, size, training, class or year; empty: nothing.
    left_out : sequence of str
        Heat columns that the user hides.
    """
    share = "share" in answer.axes["y_title"]
    frame = answer.frame[answer.frame["mean"].notna()]
    frame = frame.assign(entry=_ranked(frame))
    marks, below = _marks(frame, folded, facets)
    left = [
        f"Chosen too, but no result here is of {', '.join(absent)}." if absent else "",
        others,
        f"{below} seeds, variants and checkpoints stand on the line of their model."
        if below
        else "",
    ]
    columns = [
        name
        for name in answer.facts.get("recordings", [])
        if name in frame and name not in left_out
    ]
    heat = (
        frame.set_index("entry")[columns].astype(float) if len(columns) > 1 and not facets else None
    )
    return FigureSpec(
        title,
        marks,
        "",
        answer.axes["y_title"],
        (Rule("y", 0.0), *((Rule("y", 1.0, "ceiling"),) if share else ())),
        answer=answer.sentence,
        caption=" ".join(filter(None, [answer.caption, *left])),
        stamp=stamp,
        flag_above=1.0 if share else None,
        horizontal=True,
        heat=heat,
    )


def _marks(
    frame: pd.DataFrame, folded: pd.DataFrame | None, facets: str
) -> tuple[tuple[Mark, ...], int]:
    """A dot for each row, small ones for what is folded onto their lines, and how many of these there are."""
    ends = ("low", "high") if {"low", "high"} <= set(frame) else (None, None)
    hover = tuple(name for name in HOVER if name in frame)
    rows = _in_groups(frame, facets) if facets and not frame.empty else frame
    marks = (Mark("points", rows, "entry", "mean", *ends, colour="model", hover=hover),)
    if folded is None or not len(folded):
        return marks, 0
    lines = frame[["model", "protocol_key", "entry"]].drop_duplicates(["model", "protocol_key"])
    below = folded.merge(lines, on=["model", "protocol_key"])
    if below.empty:
        return marks, 0
    small = Mark("points", below, "entry", "mean", name="seeds and checkpoints", muted=True,
                 hover=("condition", "mean"))  # fmt: skip
    return (*marks, small), len(below)


def courses(answer) -> FigureSpec:
    """Rank against version, one line per model; the first rank on top."""
    frame = answer.frame.assign(above=-answer.frame["rank"])
    hover = ("model", "version", "since", "protocol", "mean", "rank", "of")
    several = frame["protocol"].nunique() > 1
    marks = (
        Mark("line", frame, "order", "above", colour="model"),
        Mark("points", frame, "order", "above", colour="model", hover=hover),
    )
    return FigureSpec(
        "How has a model's rank moved?",
        marks,
        answer.axes["x_title"],
        "Rank, written negative: the first on top",
        answer=answer.sentence,
        caption=answer.caption,
        facet="protocol" if several else None,
        whole_x=True,
    )


SHOWN = 40
"""Results of a submission that are drawn."""


def again(found: Verification, name: str, stamp: str = "") -> FigureSpec:
    """Results of a submission beside what they came to here, those that are not the same first.

    Parameters
    ----------
    found : Verification
    name : str
        Of the file.
    """
    table = found.table.assign(other=found.table["outcome"] != "same")
    table = table.sort_values("other", ascending=False, kind="stable")
    several = table["protocol"].nunique() > 1
    words = [
        f"{row.model} on {row.recording}"
        + (f", {row.protocol}" if several and row.protocol else "")
        + (f": {row.outcome}" if row.other else "")
        for row in table.itertuples()
    ]
    twice = pd.Series(words).groupby(words).cumcount()
    entries = [f"{word} ({at + 1})" if at else word for word, at in zip(words, twice, strict=True)]
    drawn = table.assign(entry=entries).head(SHOWN)
    hover = ("model", "recording", "protocol", "outcome", "submitted", "here", "why")
    met = " ".join(f"{one}: {OUTCOMES[one]}." for one in dict.fromkeys(table["outcome"]))
    why = [
        f"{row.model} on {row.recording}: {row.why}" for row in table[table["other"]].itertuples()
    ]
    caption = (
        f"{name}. r as submitted and as it came out here; the same within {TOLERANCE:g}. {met}"
        + (f" Why: {'; '.join(why[:3])}" + (f" and {len(why) - 3} more" if len(why) > 3 else "") + "." if why else "")
        + (f" {SHOWN} of {len(table)} results are drawn; the table has all." if len(table) > SHOWN else "")
    )  # fmt: skip
    here = drawn.dropna(subset=["here"])
    return FigureSpec(
        "Does it come out the same here?",
        (
            Mark("points", drawn, "entry", "submitted", hover=hover, name="submitted", muted=True),
            Mark("points", here, "entry", "here", hover=hover, name="run here"),
        ),
        "",
        "Pearson r, held out",
        (Rule("y", 0.0),),
        answer=found.sentence(),
        caption=caption,
        stamp=stamp,
        horizontal=True,
    )


def two_models(found, pair: tuple) -> FigureSpec:
    """One point per target, the first model's r against the second's."""
    return FigureSpec(
        f"{pair[0]['model']} or {pair[1]['model']}?",
        (
            Mark(
                "points",
                found.frame,
                "second",
                "first",
                hover=("target", "first", "second", "difference"),
            ),
        ),
        found.axes["x_title"],
        found.axes["y_title"],
        (Rule("xy", label="as good"),),
        answer=found.sentence,
        caption=found.caption,
        stamp="simulated data" if pair[0]["simulated"] else "",
    )


def _ranked(frame: pd.DataFrame) -> pd.Series:
    """Names with the rank and its interval in front: ``2 [1-3] gpt2``."""
    if "rank_low" not in frame or frame["rank_low"].isna().all():
        return frame["entry"]
    return pd.Series(
        [
            f"{row.entry}  {row.rank:.0f}\N{NO-BREAK SPACE}[{row.rank_low:.0f}–{row.rank_high:.0f}]"
            if pd.notna(row.rank_low)
            else row.entry
            for row in frame[["entry", "rank", "rank_low", "rank_high"]].itertuples()
        ],
        index=frame.index,
    )


def _in_groups(frame: pd.DataFrame, by: str) -> pd.DataFrame:
    """The rows by group, the group with the best model first, each below a row that only names it."""
    groups = frame["model"].map(lambda model: _group(model, by))
    parts = []
    for name in dict.fromkeys(groups):
        head = frame.iloc[:1].assign(entry=f"{by}: {name}", mean=float("nan"), model="")
        parts += [head, frame[groups == name]]
    return pd.concat(parts, ignore_index=True)


def _group(model: str, by: str) -> str:
    if by == "training":
        return "untrained" if "@untrained" in model else "trained"
    try:
        about = card(model)
    except (BrainLensError, OSError, ValueError):  # imported results may be of anything
        return "not known"
    size = about.parameters_about
    if by == "size":
        steps = ((1e7, "below 10 M"), (1e8, "10 to 100 M"), (1e9, "100 M to 1 G"))
        return (
            next((words for most, words in steps if size < most), "above 1 G")
            if size
            else "not known"
        )
    return str({"family": about.family, "class": about.cls, "year": about.year}[by] or "not known")
