"""Do items with a larger difference in surprisal slow people more?"""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd

from analysis.answers.answer import Answer, interval, plural
from analysis.answers.persons import Bits, surprisals_of
from analysis.progress import SILENT, Report
from analysis.reading.by_trial import trial_table
from data.errors import BrainLensError

__all__ = ["garden_paths"]


def garden_paths(
    surprisals: Bits, *, region: str = "sum", correct_only: bool = False, report: Report = SILENT
) -> Answer:
    """The slowing of each item by ambiguity or wrong agreement, against the difference in surprisal of its two versions.

    Parameters
    ----------
    surprisals : mapping
        Name -> model's id, table, or bits per stimulus of ``sap2024-agreement``.
    region : str
        ``"0"`` (the word that disambiguates), ``"1"``, ``"2"``, or ``"sum"`` over the three.
    correct_only : bool
        Only trials whose question was answered right.

    Returns
    -------
    Answer
        ``frame``: predictor, construction, item, bits (difference), rt (difference in ms), low, high (people resampled), n.
        ``facts["slopes"]``: predictor, construction, slope (ms per bit over items), low, high (people and items resampled);
        ``facts["lines"]``: predictor, construction, bits, rt, low, high of the fitted line, resampled alike.

    Notes
    -----
    No amount is "predicted": milliseconds per bit would have to come from filler words, which the file lacks.
    """
    if region not in ("0", "1", "2", "sum"):
        raise BrainLensError(
            f"There is no region {region!r}",
            choices=("0", "1", "2", "sum"),
            remedy="Name one of these",
        )
    bits = surprisals_of(surprisals, "sap2024-agreement", report)
    table = trial_table("sap2024-agreement", filter="none").table
    table = table[table["correct"]] if correct_only else table
    if region != "sum":
        table = table[table["region"] == int(region)]
    keys = ["person", "construction", "item", "ambiguous"]
    complete = table.groupby(keys)["rt"].agg(["sum", "size"])
    trials = (
        complete[complete["size"] == (3 if region == "sum" else 1)]["sum"]
        .rename("rt")
        .reset_index()
    )
    words = table.drop_duplicates("stimulus")
    rows, slopes, lines = [], [], []
    for name, own in bits.items():
        word_bits = (
            words.assign(bits=words["stimulus"].map(own))
            .groupby(["construction", "item", "ambiguous"])["bits"]
            .sum(min_count=1)
        )
        gap = word_bits.unstack("ambiguous")
        gap = (gap[True] - gap[False]).rename("bits")
        for construction, each in trials.groupby("construction"):
            report.step(len(slopes), 2 * len(bits), "items")
            found, slope, line = _item_effects(each, gap.loc[construction])
            lines += [(name, construction, *point) for point in line]
            rows += [(name, construction, *row) for row in found]
            slopes.append((name, construction, *slope))
    frame = pd.DataFrame(
        rows, columns=["predictor", "construction", "item", "bits", "rt", "low", "high", "n"]
    )
    table_of = pd.DataFrame(
        slopes,
        columns=["predictor", "construction", "slope", "low", "high", "n_items", "rt", "bits"],
    )
    said = [
        f"{row.construction}: "
        + (
            f"{row.slope:.1f} ms per bit {interval(row.low, row.high, 1)} over {row.n_items} items by {row.predictor}"
            if np.isfinite(row.slope)
            else f"no slope over items by {row.predictor}, whose differences between versions do not differ"
        )
        + f" (mean effect {row.rt:.0f} ms, {row.bits:.1f} bits)"
        for row in table_of.itertuples()
    ]
    sentence = (
        f"Do items with a larger difference in surprisal slow people more? {'; '.join(said)}."
    )
    caption = (
        "Each point is an item: mean time in "
        f"{'the three words from the disambiguating one on' if region == 'sum' else f'region {region}'}, hard "
        "version minus easy, over people; intervals: 95 %, people resampled. Slopes: least squares over items inside a "
        "construction; 95 % with "
        f"people and items resampled. {len(trials):,} trials of {plural(trials['person'].nunique(), 'person')}. Milliseconds "
        "per bit of ordinary "
        "words are not in this file, so nothing is said on how much of an effect surprisal predicts."
    )
    line_of = pd.DataFrame(
        lines, columns=["predictor", "construction", "bits", "rt", "low", "high"]
    )
    return Answer(frame, sentence, caption, facts={"slopes": table_of, "lines": line_of},
                  axes={"x_title": "Difference in surprisal (bits)", "y_title": "Difference in reading time (ms)"})  # fmt: skip


def _item_effects(trials: pd.DataFrame, gap: pd.Series, draws: int = 1000, seed: int = 0):
    """Effect of each item with an interval over people; slope and line over items with intervals over people and items."""
    person, people = pd.factorize(trials["person"])
    item, items = pd.factorize(trials["item"], sort=True)
    hard = trials["ambiguous"].to_numpy(bool)
    sums, counts = np.zeros((2, len(people), len(items))), np.zeros((2, len(people), len(items)))
    np.add.at(sums, (hard.astype(int), person, item), trials["rt"].to_numpy(float))
    np.add.at(counts, (hard.astype(int), person, item), 1.0)
    x = gap.reindex(items).to_numpy(float)
    known = np.isfinite(x)

    def effects(weights):
        with np.errstate(invalid="ignore", divide="ignore"):
            means = [(weights @ sums[k]) / (weights @ counts[k]) for k in (0, 1)]
        return means[1] - means[0]

    def line(y, v):
        """Slope, and the mean of bits and of effects that the line goes through."""
        y, v = np.where(np.isfinite(y), y, 0.0), v * np.isfinite(y) * known
        z = np.where(known, x, 0.0)
        with np.errstate(invalid="ignore", divide="ignore"):  # draws with one item only
            centre, level = (v * z).sum(-1) / v.sum(-1), (v * y).sum(-1) / v.sum(-1)
            own = z - centre[..., None]
            return (v * own * (y - level[..., None])).sum(-1) / (v * own**2).sum(-1), centre, level

    rng = np.random.default_rng([seed, 9])
    w = rng.multinomial(len(people), np.full(len(people), 1 / len(people)), size=draws).astype(
        float
    )
    v = rng.multinomial(len(items), np.full(len(items), 1 / len(items)), size=draws).astype(float)
    observed, drawn = effects(np.ones((1, len(people))))[0], effects(w)
    low, high = np.nanquantile(drawn, [0.025, 0.975], axis=0)
    total = counts.sum(axis=(0, 1)).astype(int)
    rows = [
        (items[k], x[k], observed[k], low[k], high[k], int(total[k])) for k in range(len(items))
    ]
    slope, centre, level = line(observed[None], np.ones((1, len(items))))
    slopes, centres, levels = line(drawn, v)
    at = np.linspace(np.nanmin(x), np.nanmax(x), 21)
    with warnings.catch_warnings():  # differences that do not differ have no slope in any draw
        warnings.simplefilter("ignore", RuntimeWarning)
        ends = np.nanquantile(
            levels[:, None] + slopes[:, None] * (at - centres[:, None]), [0.025, 0.975], axis=0
        )
        between = np.nanquantile(slopes, [0.025, 0.975])
    return (
        rows,
        (
            float(slope[0]), *map(float, between),
            int(known.sum()), float(np.nanmean(observed)), float(np.nanmean(x)),
        ),
        list(zip(at, level[0] + slope[0] * (at - centre[0]), *ends)),
    )  # fmt: skip
