"""Figures of designs: ranked sentences, models that disagree, power."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dashboards.figures.spec import FigureSpec, Mark, Rule

__all__ = ["apart", "curves", "ranked"]

_SHOWN = ("text", "prediction", "low", "high", "distance", "condition", "reason", "start")


def ranked(title: str, answer) -> tuple[FigureSpec, pd.DataFrame]:
    """Sentences from the highest to the lowest prediction; what is picked in colour."""
    frame = answer.frame.reset_index(drop=True)
    frame = frame.assign(rank=np.arange(1, len(frame) + 1))
    hover = tuple(name for name in _SHOWN if name in frame)
    rest = frame[(frame["condition"] == "") & ~frame["outside"]]
    far = frame[frame["outside"]]
    picked = frame[frame["condition"] != ""]
    marks = [
        Mark("points", rest, "rank", "prediction", hover=hover, name="not picked", muted=True),
        Mark("points", far, "rank", "prediction", hover=hover, name="outside of what was measured", ringed=True, muted=True),
        Mark("points", picked, "rank", "prediction", "low", "high", colour="condition", hover=hover),
    ]  # fmt: skip
    spec = FigureSpec(
        title,
        tuple(mark for mark in marks if len(mark.frame)),
        answer.axes["x_title"],
        answer.axes["y_title"],
        answer=answer.sentence,
        caption=answer.caption,
        stamp=answer.facts.get("stamp", ""),
    )
    return spec, frame


def apart(title: str, answer) -> tuple[FigureSpec, pd.DataFrame]:
    """Every candidate's rank within both models, those of pairs in colour."""
    first, second = answer.facts["models"]
    items = answer.facts["items"].dropna(subset=[first, second])
    ranks = items.assign(x=items[second].rank(pct=True), y=items[first].rank(pct=True))[
        ["text", "x", "y", "words", "frequency"]
    ]
    place = ranks.set_index("text")
    ends = []
    for row in answer.frame.itertuples():
        for whose, text in ((first, row.preferred_by_first), (second, row.preferred_by_second)):
            ends.append(
                (row.pair, text, f"preferred by {whose}", row.gap, *place.loc[text, ["x", "y"]])
            )
    chosen = pd.DataFrame(ends, columns=["pair", "text", "whose", "gap", "x", "y"])
    rest = ranks[~ranks["text"].isin(chosen["text"])]
    marks = (
        Mark("points", rest, "x", "y", hover=("text", "words", "frequency"), name="other candidates", muted=True),
        Mark("points", chosen, "x", "y", colour="whose", hover=("pair", "text", "gap")),
    )  # fmt: skip
    spec = FigureSpec(
        title,
        tuple(mark for mark in marks if len(mark.frame)),
        answer.axes["x_title"],
        answer.axes["y_title"],
        (Rule("xy", label="agreement"),),
        answer=answer.sentence,
        caption=answer.caption,
    )
    return spec, answer.frame


def curves(title: str, answer) -> tuple[FigureSpec, pd.DataFrame]:
    """Power against people, a line with its band for each number of items."""
    frame = answer.frame.assign(items_word=[f"{count} items" for count in answer.frame["items"]])
    hover = ("people", "items", "repeats", "effect", "power", "low", "high")
    spec = FigureSpec(
        title,
        (Mark("line", frame, "people", "power", "low", "high", colour="items_word", hover=hover),),
        f"{answer.axes['x_title']} (log scale)",
        answer.axes["y_title"],
        (Rule("y", 0.8, "80 %"), Rule("y", 0.0), Rule("y", 1.0)),
        log_x=True,
        answer=answer.sentence,
        caption=answer.caption,
    )
    return spec, answer.frame
