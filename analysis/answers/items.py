"""On which sentences or words does one model beat another?"""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.answers.answer import Answer, decimal, interval, listed, plural
from analysis.scoring.per_stimulus import Items
from analysis.statistics.bootstrap import (
    ENOUGH_PEOPLE,
    FEW_PEOPLE,
    of_few,
    recentred,
    widening,
)
from analysis.statistics.measured import beside
from data.errors import BrainLensError, unknown

__all__ = ["SLICES", "farthest", "interval_rule", "items", "methods"]

SLICES = {
    "length": "length",
    "frequency": "word frequency",
    "position": "position in the text",
    "topic": "topic",
}
DRAWS = 2000
QUARTERS = 4
_BLOCK = 100  # draws held in memory at once


def items(
    first: Items,
    second: Items,
    about: pd.DataFrame,
    clusters: tuple[np.ndarray, np.ndarray],
    *,
    by: str = "length",
    unit: str = "sentence",
    draws: int = DRAWS,
    seed: int = 0,
) -> Answer:
    r"""What each model explains of every stimulus, and where one explains more than the other.

    Parameters
    ----------
    first, second : Items
        Of the same recording and protocol.
    about : pandas.DataFrame
        :func:`analysis.scoring.per_stimulus.about`.
    clusters : tuple of ndarray
        :func:`analysis.scoring.per_stimulus.clusters`: drawn with replacement, the groups
        held out together for the numeric slices, the texts inside them for the slice by topic.
    by : str
        Slice to draw: one of :data:`SLICES`.
    unit : str
        What one stimulus is, in words.

    Returns
    -------
    Answer
        ``frame``: item, model (the one that is ahead), text, one column per model, ``difference`` (first minus second), length,
        frequency, position, topic. ``facts``: ``slices`` (slice, level, difference, low, high, n, n_clusters; order), ``trends``
        (slice, difference between highest and lowest quarter, low, high), ``overall`` (difference, low, high), ``sliced`` (those
        that exist), ``by`` (the one to draw), ``people`` (how many; 0 where they are not known), ``draws``.

    Notes
    -----
    A slice's difference is the mean over people and stimuli in it. Its interval draws people and clusters with replacement,
    independently (a stimulus never goes alone: neighbours share context and folds); where no people are drawn it is widened for
    the training stimuli that folds share (:func:`analysis.statistics.bootstrap.widening`). The interval of a trend is widened
    for the number of numeric slices too (Bonferroni).
    """
    if by not in SLICES:
        raise unknown("slice", by, SLICES)
    if (
        first.model == second.model
        or first.recording != second.recording
        or first.values.shape != second.values.shape
    ):
        raise BrainLensError(
            f"{first.model} on {first.recording} and {second.model} on {second.recording} cannot be compared",
            remedy="Choose two models and one recording",
        )
    gap = first.values - second.values
    frame = about.copy()
    frame[first.model], frame[second.model] = _mean(first.values), _mean(second.values)
    frame["difference"] = _mean(gap)
    frame.insert(1, "model", np.where(frame["difference"] >= 0, first.model, second.model))
    used = frame["difference"].notna().to_numpy()
    there = [name for name in SLICES if name in frame and frame.loc[used, name].nunique() > 1]
    numeric = [name for name in there if name != "topic"]
    levels = {name: _levels(frame.loc[used, name], name, unit) for name in there}
    wide = 1.0 if len(gap) > 1 else widening(first.n_folds)
    tables, trends = [], []
    for name in there:
        codes = np.full(len(frame), -1)
        codes[used] = levels[name].cat.codes
        labels = list(levels[name].cat.categories)
        values, drawn, counts = _drawn(
            gap, codes, len(labels), clusters[1 if name == "topic" else 0], draws, seed
        )
        alone = counts < 2
        low, high = np.transpose(
            [_ends(one, value, wide) for one, value in zip(drawn.T, values, strict=True)]
        )
        tables.append(pd.DataFrame({"slice": name, "level": labels, "difference": values, "low": np.where(alone, np.nan, low),
                                    "high": np.where(alone, np.nan, high), "n": np.bincount(codes[used], minlength=len(labels)),
                                    "n_clusters": counts}))  # fmt: skip
        if name in numeric:
            moved = values[-1] - values[0]
            low, high = _ends(drawn[:, -1] - drawn[:, 0], moved, wide, 0.025 / len(numeric))
            trends.append({"slice": name, "difference": moved, "low": low, "high": high})
    value, drawn, _ = _drawn(gap, np.where(used, 0, -1), 1, clusters[0], draws, seed)
    low, high = _ends(drawn[:, 0], value[0], wide)
    overall = {"difference": float(value[0]), "low": float(low), "high": float(high)}
    trends = pd.DataFrame(trends, columns=["slice", "difference", "low", "high"])
    order = ["item", "model", "text", first.model, second.model, "difference"]
    frame = frame[[*order, *(name for name in frame if name not in order)]]
    slices = (
        pd.concat(tables, ignore_index=True)
        if tables
        else pd.DataFrame(columns=["slice", "level", "difference"])
    )
    shown = by if by in there else (there or [""])[0]
    facts = {"slices": slices, "trends": trends, "overall": overall, "sliced": there, "by": shown,
             "people": 0 if first.people == ("all",) else len(first.people), "draws": draws}  # fmt: skip
    most = farthest(first, second)
    sentence = _sentence(
        first, second, overall, trends, unit, None if most is None else frame.iloc[most]
    )
    titles = {"x_title": f"Explained by {second.model}", "y_title": f"Explained by {first.model}"}
    axes = titles | {"log_x": False, "invert_x": False}
    return Answer(
        frame,
        sentence,
        _caption(first, second, frame, clusters, unit, trends),
        facts=facts,
        axes=axes,
    )


def interval_rule(people: int, by: str = "") -> str:
    """What the bootstrap of an interval draws, and whether it is to be trusted, in words.

    Parameters
    ----------
    people : int
        0 where they are not known.
    by : str
        Slice; topics are drawn by the texts inside them.
    """
    what = "the texts inside each topic" if by == "topic" else "the groups held out together"
    if people <= 1:
        shared = "widened for the training stimuli that folds share"
        return f"bootstrap over {what}, {shared}; it says nothing of other people"
    few = ""
    if people < ENOUGH_PEOPLE:
        few = f"; the spread between {people} people counts {of_few(people):.1f} times, for so few tell little of it"
    elif people <= FEW_PEOPLE:
        few = f"; with {people} people the interval is optimistic"
    return f"bootstrap over people and {what}{few}"


def methods(first: Items, second: Items, answer: Answer, unit: str = "sentence") -> str:
    """What was done beyond the scores of both models, for a methods paragraph, in complete sentences."""
    trends = answer.facts["trends"]
    said = [
        f"{first.model} and {second.model} were compared {unit} by {unit} on {first.recording}. What a model explains of a "
        "response is the squared error of the mean of the training rows minus the squared error of the held-out prediction, in "
        "shares of the target's variance (the mean of the former over all held-out responses), averaged over a person's targets "
        "and over people; its mean over stimuli is the out-of-sample R2. Predictions are those of the layer chosen for each fold "
        "without its test rows.",
        f"The 95 % intervals of differences are those of {answer.facts['draws']:,} draws of a "
        f"{interval_rule(answer.facts['people'])}.",
    ]
    if len(trends):
        said.append(f"Trends are differences between the highest and the lowest quarter of the {unit}s by "
                    f"{listed(SLICES[name] for name in trends['slice'])}, their intervals widened for the number of slices "
                    "(Bonferroni).")  # fmt: skip
    return " ".join(said)


def _mean(values: np.ndarray) -> np.ndarray:
    there = np.isfinite(values)
    count = there.sum(axis=0)
    return np.where(there, values, 0.0).sum(axis=0) / np.where(count > 0, count, np.nan)


def _ends(drawn: np.ndarray, value: float, wide: float, tail: float = 0.025) -> tuple[float, float]:
    """Ends of an interval from its draws, which are spread about the value where it is widened."""
    drawn = recentred(drawn, value, wide) if wide > 1 else drawn
    low, high = np.nanquantile(drawn, [tail, 1 - tail])
    return float(low), float(high)


def _levels(values: pd.Series, name: str, unit: str) -> pd.Series:
    """Quarters of a number, each named by its range, with as many digits as tell them apart; topics as they are."""
    if name == "topic":
        return values.astype(pd.CategoricalDtype(list(dict.fromkeys(values))))
    binned = pd.qcut(values, QUARTERS, labels=False, duplicates="drop")
    ends = {code: (inside.min(), inside.max()) for code, inside in values.groupby(binned)}
    for digits in range(1 if name == "frequency" else 0, 18):
        names = {
            code: " to ".join(dict.fromkeys(f"{end:.{digits}f}" for end in both))
            for code, both in ends.items()
        }
        if len(set(names.values())) == len(names):
            break
    suffix = {
        "length": " letters" if unit == "word" else " words",
        "frequency": "",
        "position": "",
    }[name]
    return (
        binned.map(names)
        .astype(pd.CategoricalDtype(list(names.values())))
        .cat.rename_categories(lambda one: one + suffix)
    )


def _drawn(
    gap: np.ndarray, codes: np.ndarray, n_levels: int, clusters: np.ndarray, draws: int, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean difference per level: of the data, of each draw (draw, level), and how many clusters each level is of."""
    people, n_people = gap.shape[0] > 1, gap.shape[0]
    groups, member = np.unique(np.asarray(clusters).astype(str), return_inverse=True)
    cell = member * n_levels + codes
    size = len(groups) * n_levels
    inside = codes >= 0
    there = np.isfinite(gap) & inside
    sums = np.stack(
        [
            np.bincount(cell[one], weights=row[one], minlength=size)
            for row, one in zip(gap, there, strict=True)
        ]
    )
    counts = np.stack([np.bincount(cell[one], minlength=size) for one in there]).astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        point = (sums.sum(axis=0).reshape(-1, n_levels).sum(axis=0)) / counts.sum(axis=0).reshape(
            -1, n_levels
        ).sum(axis=0)
        apart = np.nan_to_num(_of_each(sums, n_levels) / _of_each(counts, n_levels) - point)
        apart *= of_few(n_people) - 1.0
        rng, rows = np.random.default_rng(seed), []
        for start in range(0, draws, _BLOCK):
            number = min(_BLOCK, draws - start)
            who = (
                rng.multinomial(n_people, np.full(n_people, 1 / n_people), number)
                if people
                else np.ones((number, 1))
            )
            which = rng.multinomial(len(groups), np.full(len(groups), 1 / len(groups)), number)
            total, n = (
                np.einsum("dgl,dg->dl", (who @ each).reshape(number, -1, n_levels), which)
                for each in (sums, counts)
            )
            rows.append(total / n + who @ apart / n_people)
    several = (counts.sum(axis=0).reshape(-1, n_levels) > 0).sum(axis=0)
    return point, np.concatenate(rows), several


def _of_each(cells: np.ndarray, n_levels: int) -> np.ndarray:
    """Sums over the clusters, shape (person, level)."""
    return cells.reshape(len(cells), -1, n_levels).sum(axis=1)


# ---- words -----------------------------------------------------------------------------------------------------------------
_ENDS = {
    "length": ("longest", "shortest"),
    "frequency": ("most frequent", "rarest"),
    "position": ("latest", "earliest"),
}


def _sentence(
    first: Items,
    second: Items,
    overall: dict,
    trends: pd.DataFrame,
    unit: str,
    most: pd.Series | None,
) -> str:
    gap = overall["difference"]
    better, other = (first.model, second.model) if gap >= 0 else (second.model, first.model)
    ends = (overall["low"], overall["high"]) if gap >= 0 else (-overall["high"], -overall["low"])
    clear = ends[0] > 0
    share = f"{decimal(abs(gap), 3)} {interval(*ends, 3)} of the responses' variance".replace(
        "  ", " "
    )
    doubt = "" if clear else "; the interval includes 0, so that neither is shown to be better"
    said = [f"Over all {unit}s, {better} explains {share} more than {other}{doubt}."]
    if most is not None:
        said.append(
            f"They differ most on {most['item']} ({_quoted(most['text'])}), for {most['model']}."
        )
    moves = trends[(trends["low"] > 0) | (trends["high"] < 0)]
    for one in moves.itertuples():
        up = one.difference > 0
        most, least = _ENDS[one.slice]
        where, where_not = (most, least) if up else (least, most)
        ends = (one.low, one.high) if up else (-one.high, -one.low)
        said.append(
            f"{first.model} gains on the {where} quarter of the {unit}s against the {where_not}: "
            f"{decimal(abs(one.difference), 3)} {interval(*ends, 3)} more of an advantage over {second.model}."
        )
    still = [SLICES[name] for name in trends["slice"] if name not in set(moves["slice"])]
    if still:
        said.append(f"The difference is not shown to change with {listed(still)}.")
    return " ".join(said)


def farthest(first: Items, second: Items) -> int | None:
    """Place of the item on which two models differ most, mean over people; None where they do not differ at all."""
    gap = np.nan_to_num(np.abs(_mean(first.values - second.values)))
    return int(gap.argmax()) if gap.any() else None


def _quoted(text: str, words: int = 6) -> str:
    """The first words, in quotation marks."""
    parts = str(text).split()
    return "\u201c" + " ".join(parts[:words]) + (" \u2026" if len(parts) > words else "") + "\u201d"


def _caption(
    first: Items,
    second: Items,
    frame: pd.DataFrame,
    clusters: tuple,
    unit: str,
    trends: pd.DataFrame,
) -> str:
    used = frame["difference"].notna()
    groups = len(set(np.asarray(clusters[0])[used]))
    people = (
        plural(len(first.people), "person").replace("persons", "people")
        if first.people != ("all",)
        else "people not known"
    )
    layers = "; ".join(
        f"{one.model}: layer {', '.join(map(str, one.layers))}" for one in (first, second)
    )
    parts = [
        f"Each point is one {unit}: how much smaller the squared error of the held-out prediction is than that of the training "
        "mean, in shares of the target's variance, mean over targets, then over people. The mean over all of them is the "
        "out-of-sample R2; single values may be far below 0 and above 1.",
        f"n = {int(used.sum())} {unit}s in {groups} groups; {people}. {layers}. Held out: {first.folds}.",
    ]
    count = 0 if first.people == ("all",) else len(first.people)
    measured = f" {beside('trend')}" if len(trends) else ""
    widened = "; those of quarters are widened for the number of slices" if len(trends) else ""
    parts.append(f"Intervals in the sentence: 95 %, {interval_rule(count)}{widened}.{measured}")
    if (~used).any():
        parts.append(f"Without a held-out response: {int((~used).sum())}.")
    return " ".join(parts)
