"""Where in the model is the brain predicted?"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from analysis.answers.answer import Answer, decimal, interval, listed, percent, plural
from data.errors import BrainLensError

__all__ = ["layers"]


def layers(scores: Iterable) -> Answer:
    """Score per layer of one or several models on one recording.

    Parameters
    ----------
    scores : iterable of Score
        All on the same recording.

    Returns
    -------
    Answer
        ``frame``: the rows of ``Score.table()`` of every model, with ``held_out`` (the folds in words) and ``source`` (stored,
        fresh or partial), ``best`` (the maximum on the reported data) and ``optimism`` (what choosing that layer would add). A
        layer whose features are constant keeps its row, with an empty r and a note. ``missing``: the layers that have no r, and
        why. ``facts``: ``controls`` (control, r, r_low, r_high, model) and ``ceiling``.

    Raises
    ------
    BrainLensError
        Without a score, or where the scores are of several recordings.
    """
    scores = list(scores)
    if not scores:
        raise BrainLensError(
            "No score to answer with", remedy="Choose a model and a recording, then run"
        )
    recordings = list(dict.fromkeys(score.recording for score in scores))
    if len(recordings) > 1:
        raise BrainLensError(
            f"Scores of {len(recordings)} recordings do not belong on one axis",
            choices=recordings,
            remedy="Choose one recording",
        )
    frame = pd.concat([_table(score) for score in scores], ignore_index=True)
    empty = frame[frame["r"].isna()]
    missing = pd.DataFrame(
        {
            "model": empty["model"] + " layer " + empty["layer"].astype(str),
            "reason": empty["note"].replace("", "no r"),
        }
    )
    sentences = [_sentence(score, first=i == 0) for i, score in enumerate(scores)]
    axes = {
        "x_title": "Relative depth (0 embedding, 1 top layer)",
        "y_title": "Pearson r, held out",
        "log_x": False,
        "invert_x": False,
    }
    return Answer(
        frame,
        " ".join(sentences),
        _caption(scores, missing),
        missing=missing.reset_index(drop=True),
        axes=axes,
        facts={"controls": _controls(scores), "ceiling": scores[0].ceiling.value},
    )


def _table(score) -> pd.DataFrame:
    state = "partial" if not score.complete else "stored" if score.cached else "fresh"
    table = score.table()
    best = (table["layer"] == score.best_layer) & table["r"].notna()
    return table.assign(
        held_out=score.provenance["folds"], source=state, best=best, optimism=_optimism(score)
    )


def _optimism(score) -> float:
    """What the same-data maximum adds to the nested choice; NaN where there is nothing to choose or the choice is not nested."""
    nested = score.protocol.layer == "nested" and len(score.layers) > 1 and score.complete
    return float(score.optimism) if nested else np.nan


def _sentence(score, *, first: bool) -> str:
    table = score.table().set_index("layer")
    chosen = score.chosen_layer
    row, top = table.loc[chosen], max(table.index)
    how = {"nested": "", "max": ", the best on the same data,", "last": ", the last,"}[
        score.protocol.layer
    ]
    where = f"layer {chosen} of {top}{how}" if top > 0 else "single layer"
    parts = [
        f"{score.model}'s {where} predicts {score.recording if first else 'it'} with r = {decimal(row['r'])}"
        + (f" {span}" if (span := interval(row["r_low"], row["r_high"])) else "")
    ]
    if np.isfinite(row["normalised"]):
        above = ", which is too low for this measure" if row["normalised"] > 1 else ""
        parts.append(
            f"{percent(row['normalised'])} of the ceiling {decimal(row['ceiling'])}{above}"
        )
    parts += _beside(score, row)
    if np.isfinite(gain := _optimism(score)):
        parts.append(
            f"choosing the layer on the reported data would add {gain:+.3f} (selection optimism)"
        )
    return "; ".join(parts) + "."


def _beside(score, row: pd.Series) -> list[str]:
    """What the number has to be seen beside: position and length, the random embedding, shuffled folds."""
    said, controls = (
        [],
        score.controls.set_index("control")["r"] if len(score.controls) else pd.Series(dtype=float),
    )
    for name, words in (
        ("position+length", "length and position alone give"),
        ("random-embedding", "a random embedding of the same width gives"),
    ):
        if name in controls.index and np.isfinite(controls[name]):
            said.append(f"{words} {decimal(controls[name])}")
    shuffled = row.get("r_shuffled", np.nan)
    if np.isfinite(shuffled):
        said.append(
            f"shuffled folds {'would give' if shuffled > row['r'] else 'give'} {decimal(shuffled)}"
        )
    return said


def _caption(scores: list, missing: pd.DataFrame) -> str:
    first, about = scores[0], scores[0].provenance["recording"]
    people = "averaged over people" if about["averaged"] else plural(about["n_subjects"], "subject")
    size = f"{plural(about['n_stimuli'], about['scored_unit'])}, {plural(about['n_targets'], 'target')}, {people}"
    if unmeasured := about.get("n_unmeasured"):
        size += f"; {unmeasured:,} more without a measurement are read as context and not scored"
    rule = "r is the mean over folds of the fold's Pearson r; bands are 95 % bootstrap intervals."
    parts = [f"Held out: {first.provenance['folds']}. {size}. {rule}"]
    if first.protocol.layer == "nested" and any(len(score.layers) > 1 for score in scores):
        parts.append(
            "The ringed layer was chosen on inner folds, the plain mark is the best one on the reported data."
        )
    if first.ceiling.flag:
        parts.append(f"Ceiling: {first.ceiling.flag.rstrip('.')}.")
    if len(missing):
        parts.append(
            "Without r: "
            + "; ".join(f"{row.model} ({row.reason})" for row in missing.itertuples())
            + "."
        )
    partial = [score.model for score in scores if not score.complete]
    if partial:
        parts.append(f"Still being computed: {listed(partial)}.")
    return " ".join(parts)


def _controls(scores: list) -> pd.DataFrame:
    frames = [score.controls.assign(model=score.model) for score in scores if len(score.controls)]
    return (
        pd.concat(frames, ignore_index=True)
        if frames
        else pd.DataFrame(columns=["control", "r", "r_low", "r_high", "model"])
    )
