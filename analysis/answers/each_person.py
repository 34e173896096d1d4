"""Does a score hold for every person: over all targets, in every region, at every lag? A dot for each person."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
import xarray as xr

from analysis.answers.answer import Answer, decimal, interval, plural

__all__ = ["each_person", "each_person_by_region", "each_person_over_time"]

DRAWS = 2000
EVERYWHERE = "everywhere"
"""What targets without a place have in its stead."""
FEW = 6
"""People below which an interval over people means little."""


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
        low, high = _over_people(r, rng)
        bound = own["person"].map(others).to_numpy(float)
        above = int((r > bound).sum()) if kind == "model" and np.isfinite(bound).any() else np.nan
        rows.append((name, kind, r.mean(), low, high, len(r), above))
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
        f"on its training data. {_rule(len(first))}"
    )
    return Answer(frame, f"{'; '.join(said)}.", caption, facts={"summary": summary},
                  axes={"x_title": "", "y_title": "Pearson r of a person, held out"})  # fmt: skip


def each_person_by_region(
    targets: Mapping[str, np.ndarray], scores: Iterable, labels: np.ndarray, *, seed: int = 0
) -> Answer | None:
    """Every person's score in every region, by one or several models.

    Parameters
    ----------
    targets : mapping
        Model -> r of each target, shape (n_targets,), such as ``facts["targets"]`` of :func:`analysis.answers.regions.regions`.
    scores : iterable of Score
        Of these models, on one recording.
    labels : ndarray of str, shape (n_targets,)
        Region of each target.

    Returns
    -------
    Answer or None
        ``frame``: model, region, person, r (mean over the person's targets there), others (what other people predict there),
        n_targets. ``facts["summary"]``: model, region, r, low, high (people resampled), n, above (people above 0);
        ``facts["others"]`` and ``facts["others_summary"]``: the same of what other people predict, where it is known. None where
        the responses are of nobody, of one person, or averages.
    """
    scores, frames = list(scores), []
    for score in scores:
        if not len(score.per_person()):
            return None
        lower = score.ceiling.lower_bound
        bound = np.nan if lower is None else np.asarray(lower.per_target, float)
        frames.append(
            pd.DataFrame(
                {
                    "region": labels,
                    "person": score.dataset["subject"].values.astype(str),
                    "r": targets[score.model],
                    "others": bound,
                }
            )
            .groupby(["region", "person"], sort=False)
            .agg(r=("r", "mean"), others=("others", "mean"), n_targets=("r", "size"))
            .reset_index()
            .assign(model=score.model)
        )
    frame = pd.concat(frames, ignore_index=True).dropna(subset=["r"])
    frame = frame[["model", "region", "person", "r", "others", "n_targets"]]
    if frame["person"].nunique() < 2:
        return None
    rng = np.random.default_rng([seed, 16])
    summary = _by_region(frame, rng)
    first = frame[frame["model"] == frame["model"].iloc[0]]
    others = first.assign(r=first["others"], model="other people").dropna(subset=["r"])
    above = _by_region(others, rng)
    said = []
    for model, own in summary.groupby("model", sort=False):
        best, least = own.loc[own["above"].idxmax()], own.loc[own["above"].idxmin()]
        where = best.region if best.region == EVERYWHERE else f"in {best.region}"
        said.append(f"{model} predicts {_of(best)} {where}")
        if len(own) > 1:
            said[-1] += f", {_of(least)} in {least.region}"
    caption = (
        f"Each dot is a person of {scores[0].recording}: mean held-out r over the person's targets in the region, every fold "
        f"with the region's layer chosen on its training data. {_others(len(others))}{_rule(frame['person'].nunique())}"
    )
    return Answer(frame, f"{'; '.join(said)}.", caption,
                  facts={"summary": summary, "others": others, "others_summary": above},
                  axes={"x_title": "Region", "y_title": "Pearson r of a person, held out"})  # fmt: skip


def _by_region(frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    rows = [
        (model, region, own.mean(), *_over_people(own, rng), len(own), int((own > 0).sum()))
        for (model, region), group in frame.groupby(["model", "region"], sort=False)
        for own in [group["r"].to_numpy(float)]
    ]
    return pd.DataFrame(rows, columns=["model", "region", "r", "low", "high", "n", "above"])


def _others(known: int) -> str:
    return (
        "Other people: what the mean of the others predicts of a person, a lower bound of what can be predicted. "
        if known
        else ""
    )


def each_person_over_time(courses: Iterable[xr.Dataset], *, seed: int = 0) -> Answer | None:
    """Every person's curve over lags, and the person's r where the curve of the other people peaks.

    Parameters
    ----------
    courses : iterable of xarray.Dataset
        Of :func:`analysis.scoring.lags.lag_course`, on one recording.

    Returns
    -------
    Answer or None
        ``frame``: model, person, lag, r (mean over blocks, then over the person's series). ``facts["people"]``: model, person,
        lag (where the mean of the *other* people is highest), r (of the person there: the lag is not chosen on the person),
        own_peak. ``facts["mean"]``: model, lag, r, low, high (people resampled). ``facts["others"]``: person, r (what the mean
        of the other people predicts of a person, at no lag), with ``facts["others_mean"]``: (r, low, high) or None. None: of
        nobody or of one person.
    """
    courses = list(courses)
    frames, people, means = [], [], []
    for course in courses:
        curves = _curves_of_people(course)
        if len(curves) < 2:
            return None
        lags, model = curves.columns.to_numpy(float), course.attrs["model"]
        rng = np.random.default_rng([seed, 17])
        values = curves.to_numpy()
        drawn = values[rng.integers(len(values), size=(DRAWS, len(values)))].mean(axis=1)
        low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
        means.append(
            pd.DataFrame(
                {"model": model, "lag": lags, "r": values.mean(axis=0), "low": low, "high": high}
            )
        )
        frames.append(
            curves.rename_axis("person")
            .melt(ignore_index=False, var_name="lag", value_name="r")
            .reset_index()
            .assign(model=model)
        )
        for k, person in enumerate(curves.index):
            at = int(np.argmax(np.delete(values, k, axis=0).mean(axis=0)))
            own = float(lags[int(np.argmax(values[k]))])
            people.append((model, person, float(lags[at]), float(values[k, at]), own))
    frame = pd.concat(frames, ignore_index=True)[["model", "person", "lag", "r"]]
    table = pd.DataFrame(people, columns=["model", "person", "lag", "r", "own_peak"])
    unit, said = courses[0].attrs["unit"], []
    for model, own in table.groupby("model", sort=False):
        r, rng = own["r"].to_numpy(), np.random.default_rng([seed, 18])
        mean, low, high = r.mean(), *_over_people(r, rng)
        said.append(
            f"{model} predicts {int((r > 0).sum())} of {len(r)} people above 0 at the lag where the others peak (r from "
            f"{decimal(r.min())} to {decimal(r.max())}, mean {decimal(mean)} {interval(low, high)}); the middle half of their "
            f"own peaks lies from {own['own_peak'].quantile(0.25):g} to {own['own_peak'].quantile(0.75):g} {unit}"
        )
    count = table["person"].nunique()
    others, bound = _people_at_no_lag(courses[0], seed)
    if bound is not None:
        said.append(
            f"other people predict a person with r = {decimal(bound[0])} {interval(*bound[1:])}"
        )
    caption = (
        f"Each dot is a person of {courses[0].attrs['recording']} at a lag: held-out r, mean over the person's series. The lag "
        "of a person's r is where the mean of all other people is highest, so that it is not chosen on the person. Line: mean "
        f"over people. {_others(len(others))}{_rule(count)}"
    )
    return Answer(frame, f"{'; '.join(said)}.", caption,
                  facts={"people": table, "mean": pd.concat(means, ignore_index=True), "others": others, "others_mean": bound},
                  axes={"x_title": f"Lag ({unit})", "y_title": "Pearson r of a person, held out"})  # fmt: skip


def _people_at_no_lag(course: xr.Dataset, seed: int) -> tuple[pd.DataFrame, tuple | None]:
    """What other people predict of each person, and its mean with an interval; empty and None where it is not known."""
    if "others" not in course:
        return pd.DataFrame({"person": [], "r": []}), None
    r = course["others"].values.astype(float)
    low, high = _over_people(r, np.random.default_rng([seed, 19]))
    people = course["person"].values.astype(str)
    return pd.DataFrame({"person": people, "r": r}), (float(r.mean()), low, high)


def _curves_of_people(course: xr.Dataset) -> pd.DataFrame:
    """r of the model at every lag, persons x lags; people without a value at some lag are left out."""
    r = course["r"].sel(curve=course.attrs["model"]).transpose("series", "fold", "lag").values
    with np.errstate(invalid="ignore"):
        blocks = np.isfinite(r).sum(axis=1)
        each = np.where(blocks > 0, np.nansum(r, axis=1) / np.maximum(blocks, 1), np.nan)
    table = pd.DataFrame(each, course["subject"].values.astype(str), course["lag"].values)
    return table.groupby(level=0, sort=False).mean().dropna()


def _over_people(r: np.ndarray, rng: np.random.Generator) -> tuple[float, float]:
    """95 % interval of a mean, people resampled."""
    drawn = r[rng.integers(len(r), size=(DRAWS, len(r)))].mean(axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(low), float(high)


def _rule(count: int) -> str:
    few = ", too few for it to mean much" if count < FEW else ""
    return f"Interval of the mean: 95 %, {plural(count, 'person')} resampled{few}."


def _of(row) -> str:
    return f"{row.above} of {row.n} people above 0 (mean r {decimal(row.r)} {interval(row.low, row.high)})"
