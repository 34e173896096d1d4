"""When does it emerge? Score and bits per byte along the training of one model."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from analysis.answers.answer import Answer, decimal, interval, listed, plural
from analysis.models.catalog import installed, place
from analysis.models.files.cards import read_card
from analysis.scoring.summary import statistic
from analysis.statistics.measured import beside_scores
from data.errors import BrainLensError

__all__ = ["LIMITS", "checkpoints", "trained_steps", "training"]

_STEP = re.compile(r"(.+?)(?:-step|@revision:step)(\d+)")

LIMITS = (
    "Tiny models show how a measure behaves along a training, and its traps. They do not show what larger models do: they read "
    "about as many words as a child hears in a few months, and a score of theirs on real recordings bounds nothing."
)
"""What the models that ship can and cannot show."""


def trained_steps(model: str) -> tuple[str, int] | None:
    """Whose checkpoint a model is, and of which step; None where that is not known.

    ``X-stepN`` and ``X@revision:stepN`` say it themselves; a finished model that is installed says it on its card.

    Examples
    --------
    >>> trained_steps("pythia-70m@revision:step1000")
    ('pythia-70m', 1000)
    """
    if match := _STEP.fullmatch(model):
        return match[1], int(match[2])

    folder = place(model)
    step = read_card(folder / "card.json").get("training", {}).get("step") if folder else None
    return (model, int(step)) if step is not None else None


def checkpoints(models: Iterable[str]) -> list[str]:
    """The checkpoints that are installed for these models, and those that are named singly; by model and step.

    A model without any is left out.
    """
    found: dict[str, dict[int, str]] = {}
    for model in models:
        if (of := trained_steps(model)) is None:
            if place(model) is None:
                continue
            of = (model, -1)
        family = found.setdefault(of[0], {})
        for name in (
            model,
            of[0],
            *(name for name in installed() if name.startswith(f"{of[0]}-step")),
        ):
            at = trained_steps(name)
            if at is not None and at[0] == of[0]:
                family.setdefault(at[1], name)
    return [family[step] for family in found.values() if len(family) > 1 for step in sorted(family)]


def training(scores: Iterable, perplexities: Mapping[str, object] | None = None) -> Answer:
    """Score and bits per byte of a model's checkpoints against the step they were taken at.

    Parameters
    ----------
    scores : iterable of Score
        Of checkpoints (``X-stepN``, ``X@revision:stepN``, or the finished ``X``), all on the same recording.
    perplexities : mapping, optional
        model -> :class:`analysis.features.perplexity.Perplexity`, or bits per byte; a model without one keeps its score.

    Returns
    -------
    Answer
        ``frame``: one row per checkpoint: model (the training), checkpoint, step, x (step + 1, so that step 0 has a place on a
        log axis), r (each fold with the layer chosen for it), r_low, r_high, layer, ceiling, normalised with its ends, n_stimuli,
        source (stored or fresh), bits_per_byte. ``facts``: ``layers`` (the rows of every ``Score.table()`` with model, step,
        checkpoint and source), and per training ``rho``, ``half_score``, ``half_bits``. ``missing``: models of which the step is
        not known.

    Raises
    ------
    BrainLensError
        Without a score of a checkpoint, or where the scores are of several recordings.
    """
    scores, perplexities = list(scores), perplexities or {}
    recordings = list(dict.fromkeys(score.recording for score in scores))
    if len(recordings) > 1:
        raise BrainLensError(
            f"Scores of {len(recordings)} recordings do not belong on one axis",
            choices=recordings,
            remedy="Choose one recording",
        )
    known = {score.model: at for score in scores if (at := trained_steps(score.model))}
    used = sorted(
        (score for score in scores if score.model in known), key=lambda score: known[score.model]
    )
    if not used:
        raise BrainLensError(
            "No score of a checkpoint", remedy="Choose a model with checkpoints, then run"
        )
    frame = pd.DataFrame(
        [_row(score, *known[score.model], perplexities.get(score.model)) for score in used]
    )
    missing = [score.model for score in scores if score.model not in known]
    facts, sentences = {}, []
    for model, rows in frame.groupby("model", sort=False):
        facts[model] = _facts(rows)
        sentences.append(_sentence(model, rows, facts[model], recordings[0], first=not sentences))
    facts["layers"] = pd.concat(
        [_profile(score, *known[score.model]) for score in used], ignore_index=True
    )
    return Answer(
        frame,
        " ".join(sentences),
        _caption(used, missing),
        missing=pd.DataFrame(
            {"model": missing, "reason": ["step of the training not known"] * len(missing)}
        ),
        facts=facts,
        axes={
            "x_title": "Training step + 1 (log scale)",
            "y_title": statistic(used[0].protocol) if used else "Pearson r, held out",
            "log_x": True,
            "invert_x": False,
        },
    )


# ---- pieces -------------------------------------------------------------------------------------------------------------
def _row(score, model: str, step: int, perplexity: Any) -> dict:
    whole = score.summary()
    bits = getattr(perplexity, "bits_per_byte", np.nan if perplexity is None else perplexity)
    return {
        "model": model,
        "checkpoint": score.model,
        "step": step,
        "x": step + 1,
        **{name: whole[name] for name in ("r", "r_low", "r_high", "ceiling")},
        "normalised": whole["share"],
        "normalised_low": whole["share_low"],
        "normalised_high": whole["share_high"],
        "n_stimuli": score.provenance["recording"]["n_stimuli"],
        "layer": whole["layer"],
        "source": _source(score),
        "bits_per_byte": float(bits),
    }


def _profile(score, model: str, step: int) -> pd.DataFrame:
    named = dict(
        model=model,
        checkpoint=score.model,
        step=step,
        trained=f"step {step:,}",
        source=_source(score),
    )
    return score.table().assign(**named)


def _source(score) -> str:
    return "stored" if score.cached else "fresh"


def _facts(rows: pd.DataFrame) -> dict:
    both = rows[["r", "bits_per_byte"]].dropna()
    varies = len(both) >= 3 and (both.nunique() > 1).all()
    return {
        "rho": float(both.rank().corr().iloc[0, 1]) if varies else np.nan,
        "pairs": len(both),
        "half_score": _half(rows, "r"),
        "half_bits": _half(rows, "bits_per_byte"),
    }


def _half(rows: pd.DataFrame, column: str) -> int | None:
    """First checkpoint at which half of the change from the first to the last is there."""
    values = rows[["step", column]].dropna()
    if len(values) < 3 or values[column].iloc[0] == values[column].iloc[-1]:
        return None
    change = (values[column] - values[column].iloc[0]) / (
        values[column].iloc[-1] - values[column].iloc[0]
    )
    return int(values["step"][change >= 0.5].iloc[0])


def _sentence(model: str, rows: pd.DataFrame, facts: dict, recording: str, *, first: bool) -> str:
    start, end = rows.iloc[0], rows.iloc[-1]
    on = f" on {recording}" if first else ""
    if len(rows) == 1:
        return f"The score of {model}{on} is {decimal(end['r'])} at step {end['step']:,}; one checkpoint is no course."
    values = [
        f"{decimal(row['r'])} {interval(row['r_low'], row['r_high'])}".strip()
        for row in (start, end)
    ]
    said = [f"The score of {model}{on} {_verb(start['r'], end['r'], 'rises', 'falls')} from {values[0]} at step "
            f"{start['step']:,} to {values[1]} at step {end['step']:,}"]  # fmt: skip
    bits = rows.dropna(subset=["bits_per_byte"])
    if len(bits) > 1:
        ends = bits["bits_per_byte"].iloc[0], bits["bits_per_byte"].iloc[-1]
        said.append(
            f"bits per byte {_verb(*ends, 'rise', 'fall')} from {ends[0]:.2f} to {ends[1]:.2f}"
        )
    halves = [f"half of {what} is there by step {facts[name]:,}"
              for name, what in (("half_score", "the score's change"), ("half_bits", "the change in bits"))
              if facts[name] is not None]  # fmt: skip
    if halves:
        said.append(listed(halves))
    if np.isfinite(facts["rho"]):
        said.append(f"rank r of score and bits per byte = {decimal(facts['rho'])} over {plural(facts['pairs'], 'checkpoint')}, "
                    "which are not independent")  # fmt: skip
    return "; ".join(said) + "."


def _verb(start: float, end: float, up: str, down: str) -> str:
    return up if end > start else down


def _caption(scores: list, missing: list[str]) -> str:
    first, about = scores[0], scores[0].provenance["recording"]
    people = "averaged over people" if about["averaged"] else plural(about["n_subjects"], "subject")
    rule = {
        "nested": "each fold with the layer chosen on its training rows",
        "max": "the best layer on the same data",
        "last": "the last layer",
    }[first.protocol.layer]
    size = f"{plural(about['n_stimuli'], about['scored_unit'])}, {plural(about['n_targets'], 'target')}, {people}"
    parts = [
        f"Held out: {first.provenance['folds']}. {size}. r: {rule}; whiskers are 95 % bootstrap intervals of "
        "exactly that.",
        f"{plural(len(scores), 'checkpoint')}. Checkpoints of one training share their history: they are one model, and the "
        "rank r has no interval.",
    ]
    if first.ceiling.flag:
        what = "Ceiling" if np.isfinite(first.ceiling.value) or not first.complete else "No ceiling"
        parts.append(f"{what}: {first.ceiling.flag.rstrip('.')}.")
    if missing:
        parts.append(f"Left out, the step is not known: {listed(missing)}.")
    return " ".join(filter(None, [*parts, beside_scores(scores)]))
