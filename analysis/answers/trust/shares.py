"""Omega: what share of the model's R2 do plain controls explain, and what is left to the model alone?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from analysis.answers.answer import Answer, decimal, listed
from analysis.scoring.summary import ends, omega, per_target
from analysis.statistics.bootstrap import DRAWS_SEED, of_few, recentred, widening
from analysis.statistics.measured import omega_comes_out, omega_covers
from data.errors import BrainLensError
from data.shares import percent_within

__all__ = ["explained_by_controls"]

_PARTS = ("joint", "alone", "controls")
_SHOWN = {"unique": "the model alone", "shared": "model and controls", "left": "the controls alone"}
MOST_UNDEFINED = 0.05
"""Where the model's R2 is not above 0 in more of the draws, no interval is given."""


def explained_by_controls(
    fits: Mapping[str, Sequence[xr.Dataset]],
    names: Sequence[str],
    subjects: np.ndarray | None = None,
    *,
    draws: int = 1000,
) -> Answer:
    r"""Unique and shared out-of-sample R2 of each model beside the same controls, per person and over people.

    .. math:: R^2_{joint} = \underbrace{R^2_{joint} - R^2_{controls}}_{unique} + \underbrace{R^2_{model} + R^2_{controls} -
              R^2_{joint}}_{shared} + \underbrace{R^2_{joint} - R^2_{model}}_{controls\ alone}

    Parameters
    ----------
    fits : mapping of str to sequence of xarray.Dataset
        Model -> its joint fits, one for each fold seed, as of :func:`analysis.scoring.beside.beyond`.
    names : sequence of str
        The controls, for the words: a unique R2 without its control set means nothing.
    subjects : ndarray, shape (n_targets,), optional
        Whose each target is; None: one average.
    draws : int
        Of people and folds.

    Returns
    -------
    Answer
        ``frame``: model, person (``all`` is the mean over people), unique, shared, left (the controls alone), joint, alone,
        controls, omega, omega_low, omega_high. The three parts add up to ``joint`` exactly; a part may be
        below 0, and is shown so.
        ``facts["bars"]``: the same in long form (part, r2).

    Notes
    -----
    R2 is averaged over a person's targets and folds, then over people, and only then divided: an average of ratios of noisy parts
    is biased. Draws: people with replacement, and folds with replacement inside each part; the spread is that of the first fold
    seed (seeds are no replications), the value that of all of them. Over one average the interval is widened as of
    :func:`analysis.statistics.bootstrap.widening`.
    """
    if not fits:
        raise BrainLensError("No joint fit to answer with", remedy="Run a score first")
    frame = pd.concat(
        [_one(model, list(found), subjects, draws) for model, found in fits.items()],
        ignore_index=True,
    )
    whole = frame[frame["person"] == "all"]
    said = [_words(row) for row in whole.to_dict("records")]
    bars = frame.melt(["model", "person"], list(_SHOWN), "part", "r2").assign(
        what=lambda t: t["part"].map(_SHOWN)
    )
    beyond = listed(name.replace("-", " ") for name in names)
    people = int(frame["person"].nunique() - 1)
    caption = (
        f"Out-of-sample R2 against the training mean, every fold with the layer chosen for it; controls: {beyond}, one band of a "
        "banded ridge beside the model. Unique, shared and the controls' own part add up to the joint R2; below 0 is shown as it "
        "is. Omega: 100 (1 - (max(joint, model) - controls) / model), clipped to 0 and 100, of averaged parts. Interval: 95 %, "
        + (f"{people} people and folds drawn" if people > 1 else "folds drawn, widened for the training they share")
        + f"; {omega_covers(people)}. There {omega_comes_out()}."
    )  # fmt: skip
    return Answer(
        frame,
        f"Controls: {beyond}. " + " ".join(said),
        caption,
        facts={"bars": bars, "controls": tuple(names)},
        axes={"x_title": "", "y_title": "Out-of-sample R2"},
    )


def _one(model: str, found: list[xr.Dataset], subjects, draws: int) -> pd.DataFrame:
    n_targets = found[0].sizes["target"]
    labels = np.array(["one"] * n_targets) if subjects is None else np.asarray(subjects).astype(str)
    people = list(dict.fromkeys(labels))
    means = np.array([[_mean(fit, labels == person) for person in people] for fit in found])
    value = means.mean(axis=0)  # (person, part), over fold seeds
    drawn = _drawn(found[0], labels, people, draws)  # (draw, person, part), first seed
    rng = np.random.default_rng(DRAWS_SEED)
    several = len(people) > 1
    who = (
        rng.integers(len(people), size=(draws, len(people)))
        if several
        else np.zeros((draws, 1), int)
    )
    apart = drawn + (of_few(len(people)) - 1.0) * (value - value.mean(axis=0))
    over = np.take_along_axis(apart, who[:, :, None], axis=1).mean(axis=1)
    wide = (
        1.0 if several else widening(int(min(np.bincount(pd.factorize(found[0].part.values)[0]))))
    )
    rows = [_row(model, "all", value.mean(axis=0), over, wide)]
    if subjects is not None:
        wide = widening(int(min(np.bincount(pd.factorize(found[0].part.values)[0]))))
        rows += [
            _row(model, person, value[i], drawn[:, i], wide) for i, person in enumerate(people)
        ]
    return pd.DataFrame(rows)


def _mean(fit: xr.Dataset, mine: np.ndarray) -> list[float]:
    """Joint, model, controls of one person: over folds per target, then over targets."""
    return [
        float(np.nanmean(per_target(fit[name].values[:, mine], fit.part.values))) for name in _PARTS
    ]


def _drawn(fit: xr.Dataset, labels: np.ndarray, people: list[str], draws: int) -> np.ndarray:
    """Draws of each person's three parts: the folds of each part with replacement, the same for everybody."""
    rng = np.random.default_rng([DRAWS_SEED, 1])
    parts = fit.part.values
    blocks = []
    for part in dict.fromkeys(parts):
        rows = np.flatnonzero(parts == part)
        by_person = np.stack(
            [
                np.stack(
                    [
                        np.nanmean(fit[name].values[rows][:, labels == one], axis=1)
                        for name in _PARTS
                    ],
                    -1,
                )
                for one in people
            ],
            axis=1,
        )  # (fold, person, part)
        chosen = rng.integers(len(rows), size=(draws, len(rows)))
        blocks.append(by_person[chosen].mean(axis=1))
    return np.mean(blocks, axis=0)


def _row(model: str, person: str, value: np.ndarray, drawn: np.ndarray, wide: float) -> dict:
    joint, alone, controls = value
    drawn = np.stack([recentred(drawn[:, i], value[i], wide) for i in range(3)], axis=1)
    shares = omega(*drawn.T)
    known = np.isfinite(shares)
    low, high = ends(shares) if known.mean() >= 1 - MOST_UNDEFINED else (np.nan, np.nan)
    return {
        "model": model,
        "person": person,
        "unique": joint - controls,
        "shared": alone + controls - joint,
        "left": joint - alone,
        "joint": joint,
        "alone": alone,
        "controls": controls,
        "omega": float(omega(joint, alone, controls)),
        "omega_low": low,
        "omega_high": high,
        "undefined": float(1 - known.mean()),
    }


def _words(row: dict) -> str:
    if not np.isfinite(row["omega"]):
        return f"{row['model']}: Omega is not defined, its own R2 is not above 0 ({decimal(row['alone'], 3)})."
    said = percent_within(*(row[name] / 100 for name in ("omega", "omega_low", "omega_high")))
    if not np.isfinite(row["omega_low"]):
        said += " (no interval: the model's R2 is too near 0)"
    return (
        f"{row['model']}: of its R2 of {decimal(row['alone'], 3)} they explain {said}; "
        f"its unique R2 is {decimal(row['unique'], 3)}."
    )
