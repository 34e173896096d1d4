"""Figures of a map of units: in which blocks the localised ones stand, and what they predict."""

from __future__ import annotations

from dashboards.figures.spec import FigureSpec, Mark, Rule

__all__ = ["in_blocks", "predicted"]


def in_blocks(answer) -> FigureSpec:
    """Share of each block's units that are among the localised ones, of :func:`analysis.answers.units.localised`."""
    blocks = answer.facts["blocks"]
    hover = ("block", "units", "of", "share", "largest")
    return FigureSpec(
        "Where are the localised units?",
        (
            Mark("line", blocks, "block", "share"),
            Mark("points", blocks, "block", "share", hover=hover, name="localised units"),
        ),
        "Block",
        "Per cent of the block's units",
        (Rule("y", 0.0),),
        answer=answer.sentence,
        caption=answer.caption,
        whole_x=True,
    )


def predicted(answer, stamp: str = "") -> FigureSpec:
    """r of localised units and of others of the same blocks, of :func:`analysis.answers.units.score_map`."""
    own = answer.frame[answer.frame["units"] == "localised"]
    others = answer.frame[answer.frame["units"] == "others"]
    hover = ("percent", "n", "r")
    return FigureSpec(
        "What do the localised units predict?",
        (
            Mark("points", others, "percent", "r", hover=(*hover, "seed"), name="others, same blocks", muted=True),
            Mark("line", own, "percent", "r"),
            Mark("points", own, "percent", "r", "r_low", "r_high", hover=hover, name="localised units"),
        ),
        "Per cent of all units (log scale)",
        "Pearson r, held out",
        (Rule("y", 0.0),),
        answer=answer.sentence,
        caption=answer.caption,
        stamp=stamp,
        log_x=True,
    )  # fmt: skip
