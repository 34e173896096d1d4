"""Scores per subject, region or network, and target by target: where the mean over everything hides a difference."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

import numpy as np
import pandas as pd

from analysis.answers.answer import Answer, decimal, interval, listed, plural
from analysis.ceiling.disjoint import levelled, levels_within
from analysis.protocol import Protocol
from analysis.scoring.blocks import empty_layers
from analysis.scoring.summary import statistic, summarise
from analysis.statistics import fdr
from analysis.statistics.measured import beside
from data.decimals import least_p
from data.errors import BrainLensError

__all__ = ["grouped", "groupings", "targets"]

REGIONS = ("network", "region", "roi", "parcel", "area", "electrode_group")
"""Target coordinates that are taken for a place, the first that is there."""
MOST = 24
"""More groups than this cannot be told apart."""
_BINS = 24


def groupings(score) -> dict[str, tuple[str, str]]:
    """What a score can be shown by.

    Returns
    -------
    dict
        ``"subject"`` and ``"region"`` -> (target coordinate, why not): the coordinate is empty where the reason is given.
    """
    found, about = {}, score.provenance["recording"]
    labels = _labels(score)
    if about["averaged"]:
        found["subject"] = ("", "the responses are averaged over people")
    elif "subject" not in labels:
        found["subject"] = ("", "it is not known who is who")
    elif labels["subject"] < 2:
        found["subject"] = ("", "there is one person")
    else:
        found["subject"] = ("subject", "")
    places = [name for name in REGIONS if labels.get(name, 0) > 1]
    places += [
        name
        for name, count in labels.items()
        if name not in (*REGIONS, "subject") and 1 < count <= MOST
    ]
    found["region"] = (places[0], "") if places else ("", "its targets carry no region or network")
    return found


def _labels(score) -> dict[str, int]:
    """Target coordinates of words, and how many different ones there are."""
    names = [n for n, c in score.dataset.coords.items() if c.dims == ("target",) and n != "target"]
    return {
        n: len(set(map(str, score.dataset[n].values)))
        for n in names
        if score.dataset[n].dtype.kind in "OUS"
    }


def grouped(scores: Iterable, by: str = "subject") -> Answer:
    """Score per layer of each subject, region or network.

    Parameters
    ----------
    scores : iterable of Score
        On one recording.
    by : str
        A coordinate of the recording's targets.

    Returns
    -------
    Answer
        ``frame``: model, group, layer, depth, r, r_low, r_high, ceiling, normalised, normalised_low, normalised_high, n_targets,
        chosen (by most folds), and the group's result ``score``, ``score_low``, ``score_high``, ``score_share``, every fold with
        the layer chosen for the model. In a group that is no person, targets are summarised inside each person first, as the
        protocol says. The interval is of Student's t over held-out folds: it says nothing about other people.

    Raises
    ------
    BrainLensError
        Where the recording has no such coordinate.
    """
    scores = list(scores)
    frames = []
    for score in scores:
        if by not in score.dataset.coords or score.dataset[by].dims != ("target",):
            names = [n for n, c in score.dataset.coords.items() if c.dims == ("target",)]
            raise BrainLensError(f"The targets of {score.recording} carry no {by!r}", choices=names)
        frames.append(_groups(score, by))
    frame = pd.concat(frames, ignore_index=True)
    sentences = []
    for score, own in zip(scores, frames, strict=True):
        at = (
            own.drop_duplicates("group")
            .dropna(subset="score")
            .sort_values("score", ascending=False)
        )
        if len(at):
            top, last = at.iloc[0], at.iloc[-1]
            ends = [
                f"{one.group} {how} (r = {decimal(one.score)} {interval(one.score_low, one.score_high)}".rstrip()
                + ")"
                for one, how in ((top, "best"), (last, "least"))
            ]
            sentences.append(
                f"{score.model} predicts {by} {ends[0]} and {ends[1]}, of {plural(len(at), by)}."
            )
    caption = (
        f"Held out: {scores[0].provenance['folds']}. One line per {by} of {scores[0].recording}; r is the "
        f"{scores[0].protocol.targets} over its targets. Bands: 95 %, Student's t over {_folds(scores[0])}, widened for the "
        "training stimuli that folds share (Nadeau & Bengio 2003); they say nothing about other people. "
        f"{beside(*_KINDS.get(by, ('region', 'share of a region')))} Results in words take in "
        "each fold the layer chosen for the whole recording; the ringed layer is the one most folds chose."
    )
    axes = {
        "x_title": "Relative depth (0 embedding, 1 top layer)",
        "y_title": statistic(scores[0].protocol),
    }
    return Answer(frame, " ".join(sentences), caption, axes=axes)


_KINDS = {"subject": ("one subject",)}
"""What was measured of bands of a person; of any other group what was measured of regions."""


def _groups(score, by: str) -> pd.DataFrame:
    data, parts, chosen = score.dataset, score.dataset.part.values, score.chosen_layer
    labels = data[by].values.astype(str)
    people = data["subject"].values.astype(str) if "subject" in data.coords else None
    rows = []
    r_all = data.r.transpose("layer", "fold", "target").values
    depths, empty = data.depth.values, empty_layers(data).tolist()
    seeds = data.seed.values if "seed" in data.coords else np.zeros(len(parts), int)
    nested = score.at_chosen_layers("r")
    for name in dict.fromkeys(labels):
        mine = labels == name
        whose = None if people is None else people[mine]
        ceiling, relative = _ceiling_of(score, mine, whose)
        every = np.concatenate([nested[None, :, mine], r_all[:, :, mine]])
        widths = half_widths(every, parts, whose, score.protocol, seeds)
        found = [
            _shared(summarise(values, parts, whose, score.protocol), width, ceiling, relative)
            for values, width in zip(every, widths, strict=True)
        ]
        whole = dict(
            zip(
                (
                    "score",
                    "score_low",
                    "score_high",
                    "score_share",
                    "score_share_low",
                    "score_share_high",
                ),
                found[0],
                strict=True,
            )
        )
        for i, (layer, each) in enumerate(zip(score.layers, found[1:], strict=True)):
            r, low, high, share, share_low, share_high = [np.nan] * 6 if empty[i] else each
            rows.append(
                {"model": score.model, "group": name, "layer": layer, "depth": float(depths[i]), "r": r, "r_low": low,
                 "r_high": high, "ceiling": ceiling, "normalised": share, "normalised_low": share_low,
                 "normalised_high": share_high, **whole, "n_targets": int(mine.sum()), "chosen": layer == chosen}
            )  # fmt: skip
    return pd.DataFrame(rows)


def _shared(r: float, width: float, ceiling: float, relative: float) -> tuple[float, ...]:
    """r with its band, and the share of the ceiling with one that carries the ceiling's relative error."""
    share = r / ceiling if ceiling > 0 else np.nan
    reach = abs(share) * np.hypot(width / r, relative) if r else np.nan
    return r, r - width, r + width, share, share - reach, share + reach


def _ceiling_of(score, mine: np.ndarray, whose: np.ndarray | None) -> tuple[float, float]:
    """A group's ceiling and half its 95 % interval relative to it; NaN where the ceiling may not be divided by."""
    bound = score.ceiling
    if not bound.divides or bound.holds_for != "targets":
        return np.nan, np.nan
    if bound.kind == "pools":
        return _pooled_ceiling(bound, mine, whose, score.protocol)
    per = np.asarray(bound.per_target, float)[mine]
    per = per[per > 0]
    return (float(per.mean()), 0.0) if len(per) else (np.nan, np.nan)


def _pooled_ceiling(
    bound, mine: np.ndarray, whose: np.ndarray | None, protocol: Protocol
) -> tuple[float, float]:
    r"""A group's ceiling from two disjoint pools, and half its 95 % interval relative to it.

    The three mean correlations of each level of the group's targets make :math:`c_l = \sqrt{r_{ay} r_{by} / r_{ab}}` and these
    the ceiling, as in :mod:`analysis.ceiling.disjoint`; NaN unless the t intervals of all three over the whole group lie above 0.
    The interval is that of :math:`\log c`, linear in the folds' correlations.
    """
    values = np.asarray(bound.details["pools"][1], float)[:, :, mine]
    parts, seeds = (np.asarray(bound.details[name][1]) for name in ("pools_part", "pools_seed"))

    def mean_and_width(some: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        means = np.array([summarise(one, parts, whose, protocol) for one in some])
        return means, half_widths(some, parts, whose, protocol, seeds)

    means, widths = mean_and_width(values)
    if not (means - widths > 0).all():
        return np.nan, np.nan
    level = levels_within(np.asarray(bound.details["pools_rank"][1], float)[:, mine])
    each = range(int(level.max()) + 1)
    found = [mean_and_width(np.where(level == one, values, np.nan)) for one in each]
    means, widths = (np.stack(both, axis=1) for both in zip(*found, strict=True))
    weight = np.array([(level == one).mean() for one in each])
    ceiling = float(levelled(means, weight, widths[2]))
    alone = np.array([levelled(means[:, [one]], np.ones(1), widths[2, one]) for one in each])
    slopes = (
        np.array([[0.5], [0.5], [-0.5]]) * np.abs(alone) / np.maximum(np.abs(means), widths)
    )  # (pair, level)
    log = (slopes[:, level] * values).sum(axis=0) / ceiling
    relative = half_widths(log[None], parts, whose, protocol, seeds)[0]
    return ceiling, float(relative)


def _folds(score) -> str:
    counts = [
        int((score.dataset.part.values == part).sum())
        for part in dict.fromkeys(score.dataset.part.values)
    ]
    return f"{' + '.join(map(str, counts))} held-out folds"


def half_widths(
    values: np.ndarray,
    parts: np.ndarray,
    people: np.ndarray | None,
    protocol: Protocol,
    seeds: np.ndarray | None = None,
) -> np.ndarray:
    r"""Half the 95 % interval of a group's score in each layer, by Student's t over folds.

    With :math:`a_p = (1 / n_p + 1 / (n_p - 1)) s_p^2 / P^2` for the :math:`n_p` folds of each of the P parts that measured the
    group, the half width is :math:`t_{.975, \nu} \sqrt{\sum a_p}` with :math:`\nu = (\sum a_p)^2 / \sum (a_p^2 / (n_p - 1))`
    (Satterthwaite 1946, doi 10.2307/3002019). The second term is what folds share in training (Nadeau & Bengio 2003, doi
    10.1023/A:1024068626366). Fold seeds are no replications: :math:`s_p^2` is their mean, :math:`n_p` the folds of one.

    Parameters
    ----------
    values : ndarray, shape (n_layers, n_folds, n_targets)
    parts : ndarray, shape (n_folds,)
    people : ndarray, shape (n_targets,), optional

    Returns
    -------
    ndarray, shape (n_layers,)
        NaN where such a part has a single fold.
    """
    from scipy.special import stdtrit

    centre = {"mean": np.nanmean, "median": np.nanmedian}
    with warnings.catch_warnings():  # folds without a measurement are NaN, and stay so
        warnings.simplefilter("ignore", RuntimeWarning)
        each = (
            [values]
            if people is None
            else [values[..., people == one] for one in dict.fromkeys(people)]
        )
        each = np.stack([centre[protocol.targets](own, axis=-1) for own in each])
        folds = centre[protocol.people](each, axis=0)  # (layer, fold)
        seeds = np.zeros(len(parts), int) if seeds is None else seeds
        count, error = [], []
        for part in dict.fromkeys(parts):
            each = [folds[:, (parts == part) & (seeds == seed)] for seed in dict.fromkeys(seeds)]
            count.append(np.isfinite(each[0]).sum(axis=1))
            error.append(np.nanmean([np.nanvar(own, axis=1, ddof=1) for own in each], axis=0))
        count = np.stack(count)  # (part, layer)
        wider = 1 / count + 1 / np.where(count > 1, count - 1, np.nan)
        error = np.stack(error) * wider / (count > 0).sum(axis=0) ** 2
        error = np.where(count > 0, error, 0.0)
        freedom = error.sum(axis=0) ** 2 / (error**2 / (count - 1)).sum(axis=0)
        return stdtrit(freedom, 0.975) * np.sqrt(error.sum(axis=0))


def targets(scores: Iterable, tests: dict | None = None, *, level: float = 0.05) -> Answer:
    """Every target, each fold with the layer chosen for it: a histogram, with those above chance in another mark.

    Parameters
    ----------
    scores : iterable of Score
    tests : dict, optional
        Model id -> :class:`analysis.scoring.significance.TargetTest`.
    level : float
        False-discovery rate.

    Returns
    -------
    Answer
        ``frame``: model, target, its coordinates, r, ceiling, normalised, and p, q, significant where tested.
        ``facts["histogram"]``: model, r (middle of a bin), targets, significant, tested.
    """
    scores, tests = list(scores), tests or {}
    frames, sentences, floors = [], [], {}
    for score in scores:
        frame = score.per_target().assign(model=score.model)
        test = tests.get(score.model)
        middle = f"median r = {decimal(frame['r'].median())} over {plural(len(frame), 'target')}"
        if test is None:
            frame = frame.assign(p=np.nan, q=np.nan, significant=False)
            sentences.append(f"{score.model}: {middle}; not tested against chance yet.")
        else:
            found = fdr(test.p, level=level, family=f"targets of {score.model}")
            frame = frame.assign(p=test.p, q=found.q, significant=found.rejected)
            floors[score.model] = _floor(test, found)
            sentences.append(f"{score.model}: {middle}; {int(found.rejected.sum())} of {found.n} targets are "
                             f"above chance (q < {level:g}).")  # fmt: skip
        frames.append(frame)
    frame = pd.concat(frames, ignore_index=True)
    frame = frame[["model", *(c for c in frame if c != "model")]]
    rules = listed(dict.fromkeys(test.rule for test in tests.values()))
    caption = "Each target's r is its mean over held-out folds, every fold with the layer chosen on its training data."
    if rules:
        caption += (f" Against chance: {rules}; in each everything is fitted and the layer chosen anew; one-sided p "
                    "with +1 correction, false discoveries by Benjamini & Hochberg over a model's targets. ")  # fmt: skip
        if any(len(score.by_seed) > 1 for score in scores):
            caption += "The test has the folds of the first seed. "
        alone = len(set(floors.values())) < 2
        caption += " ".join(
            dict.fromkeys(said if alone else f"{model}: {said}" for model, said in floors.items())
        )
    axes = {"x_title": "Pearson r of a target, held out", "y_title": "Targets"}
    return Answer(
        frame,
        " ".join(sentences),
        caption,
        facts={"histogram": _histogram(frame, set(tests))},
        axes=axes,
    )


def _floor(test, found) -> str:
    """How small p can get, and how many targets it takes to be seen: at rank k Benjamini & Hochberg ask for p <= k level / n."""
    fewest = max(1, int(np.ceil(test.floor * found.n / found.level - 1e-9)))
    said = f"With {plural(test.draws, 'draw')}" + (
        f" of {test.orders:,.0f} orders" if test.orders < test.draws else ""
    )
    said += f" p cannot be below {least_p(test.floor)}"
    if fewest == 1:
        return f"{said}, small enough for a single target."
    if fewest > found.n:
        return f"{said}, too much for any number of the {found.n:,} targets to pass: this test can find nothing."
    share = 100 * fewest / found.n
    return f"{said}: fewer than {plural(fewest, 'target')} ({share:.2g} % of {found.n:,}) cannot be told from chance."


def _histogram(frame: pd.DataFrame, tested: set) -> pd.DataFrame:
    values = frame["r"].dropna()
    low, high = (values.min(), values.max()) if len(values) else (0.0, 1.0)
    edges = np.linspace(low, high, _BINS + 1) if high > low else np.array([low - 0.01, low + 0.01])
    middles, rows = (edges[:-1] + edges[1:]) / 2, []
    for model, own in frame.groupby("model", sort=False):
        whole = np.histogram(own["r"].dropna(), edges)[0]
        hits = np.histogram(own.loc[own["significant"], "r"].dropna(), edges)[0]
        found = {"r": middles, "targets": whole, "significant": hits}
        rows.append(pd.DataFrame(found).assign(model=model, tested=model in tested))
    return pd.concat(rows, ignore_index=True)
