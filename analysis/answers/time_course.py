"""When is the brain predicted?"""

from __future__ import annotations

import warnings
from collections.abc import Iterable

import numpy as np
import pandas as pd
import xarray as xr

from analysis.answers.answer import Answer, decimal, interval, listed, p_value, plural, signed
from analysis.statistics.measured import beside
from analysis.statistics.turning import people_by_blocks
from data.errors import BrainLensError, unknown

__all__ = ["ALL", "latencies", "methods", "rows_over_time", "time_course"]

ALL = "all"
"""Curves of everything together, people first averaged over their regions."""

DRAWS = 1000
SHARE = 0.5
"""Share of the peak whose first crossing counts as the onset of a curve."""


def time_course(courses: Iterable[xr.Dataset], *, by: str = ALL, seed: int = 0) -> Answer:
    r"""r of models and controls against lag, with peak, onset, and what the models add to the controls.

    Parameters
    ----------
    courses : iterable of xarray.Dataset
        Of :func:`analysis.scoring.lags.lag_course`, on one recording.
    by : str
        ``"all"`` or ``"region"``: one curve, or one for each region (electrode).
    seed : int
        Of the draws.

    Returns
    -------
    Answer
        ``frame``: model (or control), kind, group, lag, r, r_low, r_high, p, p_blocks. ``facts["peaks"]``: per model and group
        ``peak`` and ``onset`` with intervals, r there, p, p_blocks, ``control`` (the best one at that lag), ``gain`` over it with
        its interval (the same people and blocks are drawn for both), ``before`` (highest r before the words).

    Raises
    ------
    BrainLensError
        For courses of several recordings, or another ``by``.

    Notes
    -----
    Intervals draw people and held-out blocks (:func:`analysis.statistics.turning.people_by_blocks`). p is corrected over all lags
    and regions: the share of shifted predictions whose largest r is as large; p_blocks: of predictions whose blocks of 10 rows
    stand in another order, which breaks what is slower than a block as well. The onset is where the curve first exceeds half of
    its peak on the way up, between lags by a straight line, its interval by a jackknife over people (Miller, Patterson & Ulrich
    1998, doi 10.1111/1469-8986.3510099); the first significant lag is none, for it moves with the noise.
    """
    courses = list(courses)
    if by not in (ALL, "region"):
        raise unknown("grouping over time", by, (ALL, "region"))
    if len({course.attrs["recording"] for course in courses}) != 1:
        raise BrainLensError(
            "Curves over time are of one recording at a time", remedy="Choose one recording"
        )
    frames, peaks = [], []
    for number, course in enumerate(courses):
        groups = [ALL] if by == ALL else list(map(str, course["region"].values))
        nulls = {"p": course["null"].values, "p_blocks": course["null_blocks"].values}
        largest = {
            name: np.nanmax(one.reshape(len(one), -1), axis=1) for name, one in nulls.items()
        }
        for group in groups:
            own, drawn = _curves(course, group, seed)
            model = own["kind"] == "model"
            for name, null in nulls.items():
                own[name], most = np.nan, _largest(null, group, largest[name])
                own.loc[model, name] = [
                    (1 + int((most >= r).sum())) / (1 + len(null)) for r in own.loc[model, "r"]
                ]
            frames.append(own if not number else own[model])
            peaks.append(_peak(course, own, drawn, group))
    frame = pd.concat(frames, ignore_index=True)
    table = pd.DataFrame(peaks)
    first = courses[0]
    unit = first.attrs["unit"]
    return Answer(
        frame,
        " ".join(_sentence(course, table, by) for course in courses),
        _caption(first, table),
        facts={"peaks": table, "before": before_words(table)},
        axes={
            "x_title": f"Lag after the {'words' if unit == 's' else 'onset of the word'} ({unit})",
            "y_title": "Pearson r, held out",
        },
    )


def _largest(null: np.ndarray, group: str, over_regions: np.ndarray) -> np.ndarray:
    """What an r is held against: the largest over lags and regions; of the mean over regions, the largest of such means."""
    return over_regions if group != ALL else np.nanmax(np.nanmean(null, axis=2), axis=1)


def _curves(course: xr.Dataset, group: str, seed: int) -> tuple[pd.DataFrame, dict]:
    mine = np.flatnonzero(
        np.ones(course.sizes["series"], bool) if group == ALL else course["place"].values == group
    )
    subjects, lags = course["subject"].values[mine], course["lag"].values
    rows, drawn = [], {}
    for name, kind in zip(course["curve"].values, course["kind"].values):
        r = course["r"].sel(curve=name).values[:, :, mine]
        value, draws = people_by_blocks(r, subjects, draws=DRAWS, seed=seed)
        low, high = np.nanpercentile(draws, [2.5, 97.5], axis=0)
        drawn[str(name)] = value, draws
        rows.append(
            pd.DataFrame(
                {"model": name, "kind": kind, "group": group, "lag": lags, "r": value, "r_low": low, "r_high": high}
            )
        )  # fmt: skip
    return pd.concat(rows, ignore_index=True), drawn


def rows_over_time(courses: Iterable[xr.Dataset]) -> pd.DataFrame:
    """Every person in every region (electrode) at every lag, a row each: models, and the controls once.

    Parameters
    ----------
    courses : iterable of xarray.Dataset
        Of :func:`analysis.scoring.lags.lag_course`, on one recording.

    Returns
    -------
    pandas.DataFrame
        model, kind (model, control), person, region, lag, unit (s or ms), r (held out, mean over blocks), blocks (how many had
        an r). ``all`` where nobody, or no place, is known.
    """
    frames = []
    for number, course in enumerate(courses):
        series = pd.DataFrame(
            {
                "person": course["subject"].values.astype(str),
                "region": course["place"].values.astype(str),
            }
        )
        for name, kind in zip(course["curve"].values, course["kind"].values):
            if number and kind != "model":
                continue
            r = course["r"].sel(curve=name).transpose("series", "lag", "fold").values
            blocks = np.isfinite(r).sum(axis=2)
            mean = np.where(blocks > 0, np.nansum(r, axis=2) / np.maximum(blocks, 1), np.nan)
            own = series.loc[np.repeat(series.index, r.shape[1])].reset_index(drop=True)
            own.insert(0, "model", str(name))
            own.insert(1, "kind", str(kind))
            own["lag"] = np.tile(course["lag"].values.astype(float), len(series))
            own["unit"] = course.attrs["unit"]
            own["r"], own["blocks"] = mean.ravel(), blocks.ravel()
            frames.append(own)
    return pd.concat(frames, ignore_index=True)


# ---- peak and onset --------------------------------------------------------------------------------------------------
def latencies(lags: np.ndarray, curve: np.ndarray) -> tuple[float, float]:
    """Peak of a curve, and its onset: where it first exceeds half of the peak on the way up.

    Parameters
    ----------
    lags, curve : ndarray, shape (n_lags,)

    Returns
    -------
    tuple of float
        NaN for a curve without a positive value. A curve that is above half of its peak at the first lag begins there.
    """
    if not (np.nanmax(curve) > 0):
        return float("nan"), float("nan")
    top = int(np.nanargmax(curve))
    level = SHARE * curve[top]
    below = np.flatnonzero(curve[:top] < level)
    if not len(below):
        return float(lags[top]), float(lags[0])
    start = below[-1]
    step = (level - curve[start]) / (curve[start + 1] - curve[start])
    return float(lags[top]), float(lags[start] + step * (lags[start + 1] - lags[start]))


def _peak(course: xr.Dataset, own: pd.DataFrame, drawn: dict, group: str) -> dict:
    model, lags = course.attrs["model"], course["lag"].values
    value, draws = drawn[model]
    peak, onset = latencies(lags, value)
    at = int(np.nanargmax(value))
    where = [lags[int(np.argmax(one))] for one in draws]
    controls = {name: one for name, one in drawn.items() if name != model}
    name = max(controls, key=lambda one: controls[one][0][at]) if controls else ""
    gain = gain_low = gain_high = level = np.nan
    if name:
        other, others = controls[name]
        level, gain = float(other[at]), float(value[at] - other[at])
        gain_low, gain_high = np.percentile(draws[:, at] - others[:, at], [2.5, 97.5])
    low, high = _jackknife(course, model, group)
    row = own[(own["model"] == model) & (own["lag"] == lags[at])].iloc[0]
    early = value[lags < 0]
    return {
        "model": model,
        "group": group,
        "peak": peak,
        "peak_low": float(np.percentile(where, 2.5)),
        "peak_high": float(np.percentile(where, 97.5)),
        "onset": onset,
        "onset_low": onset - low,
        "onset_high": onset + high,
        "r": float(row["r"]),
        "r_low": float(row["r_low"]),
        "r_high": float(row["r_high"]),
        "p": float(row["p"]),
        "p_blocks": float(row["p_blocks"]),
        "control": name,
        "control_r": level,
        "gain": gain,
        "gain_low": float(gain_low),
        "gain_high": float(gain_high),
        "before": float(early.max()) if len(early) else np.nan,
    }


def _jackknife(course: xr.Dataset, model: str, group: str) -> tuple[float, float]:
    """Half-widths of the onset's 95 % interval: one person (or, of one person, one block) left out at a time."""
    from scipy.stats import t

    mine = (
        np.ones(course.sizes["series"], bool) if group == ALL else course["place"].values == group
    )
    r, lags = course["r"].sel(curve=model).values[:, :, mine], course["lag"].values
    subjects = course["subject"].values[mine]
    people = list(dict.fromkeys(subjects))
    several = len(people) > 1
    found = []
    for left in people if several else range(r.shape[1]):
        kept = r[:, :, subjects != left] if several else np.delete(r, left, axis=1)
        with warnings.catch_warnings():  # of folds that the others lack
            warnings.simplefilter("ignore", RuntimeWarning)
            curve = np.nanmean(np.nanmean(kept, axis=2), axis=1)
        found.append(latencies(lags, curve)[1])
    found, n = np.array(found), len(found)
    if n < 2 or not np.isfinite(found).all():
        return float("nan"), float("nan")
    error = np.sqrt((n - 1) / n * ((found - found.mean()) ** 2).sum())
    half = float(t.ppf(0.975, n - 1) * error)
    return half, half


# ---- words -----------------------------------------------------------------------------------------------------------
def _lag(value: float, unit: str) -> str:
    return f"{value:g} {unit}"


def _sentence(course: xr.Dataset, table: pd.DataFrame, by: str) -> str:
    model, unit = course.attrs["model"], course.attrs["unit"]
    mine = table[(table["model"] == model) & table["r"].notna()]
    if not len(mine):
        return f"{model} has no curve here."
    best = mine.loc[mine["r"].idxmax()]
    where = "" if by == ALL else f" in {best.group}"
    if best.p > 0.05:
        return (
            f"{model} predicts {course.attrs['recording']} at no lag beyond chance (largest r = {decimal(best.r)} at "
            f"{_lag(best.peak, unit)}{where}, {p_value(best.p)})."
        )
    parts = [
        f"{model} predicts {course.attrs['recording']} best{where} at {_lag(best.peak, unit)} "
        f"[{best.peak_low:g}, {best.peak_high:g}] after the words, r = {decimal(best.r)} {interval(best.r_low, best.r_high)}"
        f" ({p_value(best.p)})"
    ]
    if np.isfinite(best.onset_low):
        parts.append(
            f"the curve begins at {best.onset:.1f} [{best.onset_low:.1f}, {best.onset_high:.1f}] {unit}"
        )
    if best.control:
        verdict = (
            "more than"
            if best.gain_low > 0
            else "less than"
            if best.gain_high < 0
            else "not told from"
        )
        parts.append(
            f"that is {verdict} {best.control} alone ({decimal(best.control_r)}; difference "
            f"{signed(best.gain, 2)} {interval(best.gain_low, best.gain_high)})"
        )
    return "; ".join(parts) + "."


def before_words(table: pd.DataFrame) -> str:
    """What r before the words is, and why it is no sight of the future."""
    early = table["before"].max()
    if not np.isfinite(early):
        return ""
    return (
        f"Before the words (shaded) r reaches {decimal(early)}: nothing is heard before it is said, but features of a word "
        "resemble those of the words before it, and the signal then follows those; neighbouring samples of a slow signal are "
        "alike as well."
    )


def methods(courses: Iterable[xr.Dataset]) -> str:
    """What was done beyond the scores, for a methods paragraph, in complete sentences."""
    first = next(iter(courses))
    story, draws = first.attrs["unit"] == "s", first.sizes["draw"]
    fitted = (
        "For every lag from "
        f"{float(first['lag'].values[0]):g} to {float(first['lag'].values[-1]):g} s a mapping of its own was fitted from the "
        "features, delayed by that much alone, on the same folds, with a gap for the longest lag around each held-out block."
        if story
        else "Every electrode at every lag was a target of its own."
    )
    return (
        f"{fitted} Layers were those chosen for each fold on its training rows. Intervals (95 %) draw people and held-out blocks "
        f"with replacement, independently of each other ({DRAWS:,} draws; Owen 2007), and are widened by Student's t for the "
        "smaller number of the two; differences between curves use the same draws. The onset of a curve is where it first "
        "exceeds half of its peak, with a jackknife interval over people (Miller, Patterson & Ulrich 1998). P values are "
        f"corrected over lags and regions by the largest r of {draws} predictions shifted around their run by at least "
        f"{int(first.attrs['closest'])} rows, their deviations from the mean times the square root of 2, since folds that share "
        "training rows make fitted predictions vary more than shifted ones; by block permutation they come from as many orders "
        f"of blocks of {int(first.attrs['length'])} rows."
    )


def _layers(chosen: str) -> str:
    return f"layer{'s' if ',' in chosen else ''} {chosen}"


def _caption(course: xr.Dataset, table: pd.DataFrame) -> str:
    about = course.attrs
    controls = course["curve"].values[course["kind"].values == "control"].astype(str)
    shifted, cut = (
        decimal(float(np.nanmean(course[n].values)), 3) for n in ("null", "null_blocks")
    )
    by_blocks = table[(table["model"] == about["model"]) & table["r"].notna()]
    people, blocks = int(about["n_people"]), course.sizes["fold"]
    story = about["unit"] == "s"
    parts = [
        f"Held out: {about['folds']}. "
        + (
            "Each lag is a fit of its own, the features so many seconds later; "
            if story
            else "Each lag is a target of its own; "
        )
        + f"{_layers(about['layers'])} as chosen for the whole score. Grey: {listed(controls)} on the same folds.",
        f"Bands: 95 %, drawn over {plural(people, 'person') if people == 1 else f'{people} people'} and {blocks} blocks"
        + ("; eight blocks or fewer are optimistic" if blocks <= 8 else "")
        + ("; one story says nothing about other stories" if story else "")
        + ".",
        f"p: share of {course.sizes['draw']} predictions, shifted around their run by {int(about['closest'])} rows or "
        f"more, whose largest r over lags and regions is as large (mean r of the shifted {shifted}, deviations "
        "widened by 1.41, the most that fits can vary more; they are worth "
        f"about {float(about['effective']):.0f} independent ones)"
        + (
            f"; with blocks of {int(about['length'])} rows in another order {p_value(by_blocks['p_blocks'].min())} "
            f"(mean r {cut})."
            if len(by_blocks)
            else "."
        ),
        before_words(table),
        beside("onset", "peak", "score over time", "p over time") if story and people > 1 else "",
    ]
    return " ".join(filter(None, parts))
