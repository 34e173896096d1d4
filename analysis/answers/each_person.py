"""Does a score hold for every person? A dot for each, beside the person's ceiling and what other people predict."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from analysis.answers.answer import Answer, decimal, interval, plural

__all__ = ["each_person"]


def each_person(scores: Iterable, *, seed: int = 0) -> Answer | None:
    """Every person's score under one or several models, on one recording.

    Parameters
    ----------
    scores : iterable of Score
        All on the same recording.

    Returns
    -------
    Answer or None
        ``frame``: predictor (models; ``"other people"``: what the others predict of the person, a lower bound; ``"ceiling"``),
        kind (model, people, ceiling), person, r, n_targets. ``facts["summary"]``: predictor, kind, r, low, high (people
        resampled), n, above_people (persons of whom the model predicts more than other people do). None: the recording is no
        people's, or of one.
    """
    scores = list(scores)
    tables = {score.model: score.per_person() for score in scores}
    if not tables or max(len(one) for one in tables.values()) < 2:
        return None
    first = next(one for one in tables.values() if len(one) > 1)
    frames = [one.assign(predictor=name, kind="model") for name, one in tables.items()]
    for column, name, kind in (
        ("others", "other people", "people"),
        ("ceiling", "ceiling", "ceiling"),
    ):
        if first[column].notna().any():
            frames.append(first.assign(r=first[column], predictor=name, kind=kind))
    frame = pd.concat(frames, ignore_index=True)[
        ["predictor", "kind", "person", "r", "n_targets"]
    ].dropna(subset=["r"])
    others = first.set_index("person")["others"]
    rng, rows = np.random.default_rng([seed, 15]), []
    for (name, kind), own in frame.groupby(["predictor", "kind"], sort=False):
        r = own["r"].to_numpy(float)
        drawn = r[rng.integers(len(r), size=(2000, len(r)))].mean(axis=1)
        bound = own["person"].map(others).to_numpy(float)
        above = int((r > bound).sum()) if kind == "model" and np.isfinite(bound).any() else np.nan
        rows.append((name, kind, r.mean(), *np.quantile(drawn, [0.025, 0.975]), len(r), above))
    summary = pd.DataFrame(
        rows, columns=["predictor", "kind", "r", "low", "high", "n", "above_people"]
    )
    said = []
    for row in summary[summary["kind"] == "model"].itertuples():
        own = frame[frame["predictor"] == row.predictor]["r"]
        span = f"{row.predictor} predicts {'each' if own.min() > 0 else int((own > 0).sum())} of {row.n} people above 0"
        span = span.replace("each of", "all of")
        span += f" (r from {decimal(own.min())} to {decimal(own.max())}, mean {decimal(row.r)} {interval(row.low, row.high)})"
        if np.isfinite(row.above_people):
            span += f", {int(row.above_people)} of them better than other people do"
        said.append(span)
    caption = (
        f"Each dot is a person of {scores[0].recording}: held-out r over the person's targets, every fold with the layer chosen "
        f"on its training data. Interval of the mean: 95 %, {plural(len(first), 'person')} resampled"
        f"{', too few for it to mean much' if len(first) < 6 else ''}."
    )
    return Answer(frame, f"{'; '.join(said)}.", caption, facts={"summary": summary},
                  axes={"x_title": "", "y_title": "Pearson r of a person, held out"})  # fmt: skip
