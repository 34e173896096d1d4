"""Where in the model is the brain predicted?"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from analysis.answers.answer import Answer, decimal, interval, listed, plural, signed
from analysis.scoring.summary import letter, statistic
from analysis.scoring.words import against_others, question, without_r
from analysis.statistics.measured import beside_scores
from data.errors import BrainLensError
from data.shares import percent

__all__ = ["ceiling_words", "layers", "seed_words"]


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
        "y_title": statistic(scores[0].protocol),
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
    whole, top = score.summary(), max(score.layers)
    subject = score.model if len(score.layers) > 1 else f"{score.model} ({score.layer_words})"
    span = f" {span}" if (span := interval(whole["r_low"], whole["r_high"])) else ""
    parts = [
        f"{subject} predicts {score.recording if first else 'it'} with r = {decimal(whole['r'])}{span}"
    ]
    if score.protocol.layer != "nested" and top > 0:
        parts[0] += f" ({score.layer_words})"
    parts += ceiling_words(score)
    parts += _beside(score)
    if np.isfinite(gain := _optimism(score)):
        parts.append(
            f"{_of(score, top)} stands highest in the profile; quoting it would add {signed(gain)} "
            "(selection optimism)"
        )
    return "; ".join(parts) + "."


def _of(score, top: int) -> str:
    """The layer that stands highest, of how many; a place by its name."""
    name = score.place(score.best_layer)
    return f"{name} of {top}" if name.startswith("layer ") else name


def ceiling_words(score) -> list[str]:
    """What a score is beside the ceiling: a share of what may be divided by, of a lower bound a comparison and no percentage."""
    whole, said = score.summary(), []
    if np.isfinite(whole["share"]):
        above = ", which is too low for this measure" if whole["share"] > 1 else ""
        ends = (whole["share_low"], whole["share_high"])
        span = f" [{percent(ends[0])}, {percent(ends[1])}]" if np.isfinite(ends).all() else ""
        said.append(
            f"{percent(whole['share'])}{span} of the ceiling {decimal(whole['ceiling'])}{above}"
        )
    if np.isfinite(whole["others"]):
        said.append(
            f"{against_others(score)} what other people predict, {decimal(whole['others'])} "
            "(a lower bound of the ceiling)"
        )
    return said


def _beside(score) -> list[str]:
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
    if np.isfinite(shuffled := score.shuffled):
        said.append(
            f"shuffled folds {'would give' if shuffled > score.value else 'give'} {decimal(shuffled)}"
        )
    return said


def _caption(scores: list, missing: pd.DataFrame) -> str:
    first, about = scores[0], scores[0].provenance["recording"]
    people = "averaged over people" if about["averaged"] else plural(about["n_subjects"], "subject")
    size = f"{plural(about['n_stimuli'], about['scored_unit'])}, {plural(about['n_targets'], 'target')}, {people}"
    if unmeasured := about.get("n_unmeasured"):
        size += f"; {unmeasured:,} more without a measurement are read as context and not scored"
    name = letter(first.protocol)
    each = "the fold's Pearson r" if name == "r" else f"the {name} of the fold's held-out stimuli"
    subject = "r" if name == "r" else "The score"
    rule = f"{subject} is the mean over folds of {each}; intervals and bands are 95 % bootstrap intervals."
    parts = [f"Held out: {first.provenance['folds']}. {size}. {rule}"]
    if first.protocol.layer == "nested" and any(len(score.layers) > 1 for score in scores):
        parts.append(
            "The result takes in each fold the layer chosen on its training data, and its interval knows of that choice; the "
            "profile shows each layer by itself. Ringed: the layer that most folds chose; plain mark: the highest one on the "
            "reported data."
        )
    parts += [*question(first), *without_r(first)]
    if seeds := seed_words(scores):
        parts.append(seeds)
    if first.ceiling.flag:
        what = "Ceiling" if np.isfinite(first.ceiling.value) or not first.complete else "No ceiling"
        parts.append(f"{what}: {first.ceiling.flag.rstrip('.')}.")
    if len(missing):
        parts.append(
            "Without r: "
            + "; ".join(f"{row.model} ({row.reason})" for row in missing.itertuples())
            + "."
        )
    if kept := beside_scores(scores):
        parts.append(kept)
    partial = [score.model for score in scores if not score.complete]
    if partial:
        parts.append(f"Still being computed: {listed(partial)}.")
    return " ".join(parts)


def seed_words(scores: list) -> str:
    """By how much the draw of the folds moves a score, in words; empty for one fold seed."""
    several = [score for score in scores if len(score.by_seed) > 1]
    if not several:
        return ""
    spread = [
        (f"{score.model} " if len(scores) > 1 else "")
        + f"{decimal(min(score.by_seed.values()), 3)} to {decimal(max(score.by_seed.values()), 3)}"
        for score in several
    ]
    return f"Mean over {len(several[0].by_seed)} fold seeds (alone: {listed(spread)}), which are no replications."


def _controls(scores: list) -> pd.DataFrame:
    frames = [score.controls.assign(model=score.model) for score in scores if len(score.controls)]
    return (
        pd.concat(frames, ignore_index=True)
        if frames
        else pd.DataFrame(columns=["control", "r", "r_low", "r_high", "model"])
    )
