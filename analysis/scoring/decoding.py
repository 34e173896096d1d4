"""Which stimulus was it? 2-v-2 decoding and retrieval from held-out predictions, both candidates held out in one fold.

Only stimuli of one stratum compete: the same fold, the same topic (group), a similar length. What a model knows of topic or
length alone decides nothing then. Chance comes from exchanging stimuli inside strata, the same exchange for all people; pairs
share stimuli, so that no binomial holds. Predictions are exchanged as they stand, and folds share training rows: the deviations
from chance are widened as :func:`analysis.statistics.turning.as_refitted` says, so that p is rather too large than too small.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.progress import SILENT, Report
from analysis.protocol import Protocol, preset
from analysis.scoring.case import Case
from analysis.scoring.geometry import refuse_geometry
from analysis.scoring.predictions import held_out
from analysis.scoring.verb import score
from analysis.statistics.turning import as_refitted
from data.decimals import p_value
from data.errors import BrainLensError
from data.shares import percent

__all__ = [
    "MEASURES",
    "Decoding",
    "decode",
    "pattern_match",
    "rank_accuracy",
    "retrieval_metric",
    "strata",
    "two_vs_two",
    "two_vs_two_metric",
]

MEASURES = ("2v2", "retrieval", "first")
TOLERANCE = 2.0
"""Words by which stimuli that compete may differ in length."""
FEWEST_TARGETS = 3
"""A pattern over fewer targets has no shape."""


def pattern_match(responses: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """Correlation over targets of every predicted with every measured pattern.

    Parameters
    ----------
    responses, predictions : ndarray, shape (n, n_targets)
        Of the test rows of one fold; each target is centred and scaled over them first, so that targets count alike and a mean
        pattern decides nothing.

    Returns
    -------
    ndarray, shape (n, n)
        Entry (i, j): prediction of i with response to j.
    """
    y, p = (_patterns(values) for values in (responses, predictions))
    return p @ y.T


def _patterns(values: np.ndarray) -> np.ndarray:
    z = values - values.mean(axis=0)
    spread = z.std(axis=0)
    z = z / np.where(spread > 0, spread, np.inf)
    z = z - z.mean(axis=1, keepdims=True)
    norm = np.linalg.norm(z, axis=1, keepdims=True)
    return z / np.where(norm > 0, norm, np.inf)


def two_vs_two(match: np.ndarray, stratum: np.ndarray) -> tuple[float, int]:
    r"""Share of pairs decoded, and how many there are.

    A pair (i, j) is decoded where :math:`m_{ii} + m_{jj} > m_{ij} + m_{ji}`; equality counts as half.

    Parameters
    ----------
    match : ndarray, shape (n, n)
        Of :func:`pattern_match`.
    stratum : ndarray, shape (n,)
        Only stimuli of the same stratum compete.

    Notes
    -----
    Mitchell et al. 2008, doi 10.1126/science.1152876.
    """
    own = np.diag(match)
    gain = own[:, None] + own - match - match.T
    pairs = np.triu(stratum[:, None] == stratum, 1)
    count = int(pairs.sum())
    won = (gain > 0) + 0.5 * (gain == 0)
    return (float(won[pairs].mean()) if count else float("nan")), count


def rank_accuracy(match: np.ndarray, stratum: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rank of the right stimulus among its stratum, 1 the first .. 0 the last, and how many compete; ties share their ranks.

    NaN where a stimulus is alone in its stratum.
    """
    same = stratum[:, None] == stratum
    rivals = same.sum(axis=1) - 1
    own = np.diag(match)[:, None]
    behind = ((match < own) & same).sum(axis=1) + 0.5 * (((match == own) & same).sum(axis=1) - 1)
    return np.where(rivals > 0, behind / np.maximum(rivals, 1), np.nan), rivals + 1


def strata(groups: np.ndarray, lengths: np.ndarray, tolerance: float) -> np.ndarray:
    """Number of the stratum of each stimulus: one group, and lengths no further apart than ``tolerance``.

    Inside a group the stimuli are taken from the shortest to the longest; a stratum ends before the first that is longer than its
    shortest by more than the tolerance.
    """
    found = np.empty(len(groups), int)
    number = -1
    for group in dict.fromkeys(np.asarray(groups).tolist()):
        mine = np.flatnonzero(np.asarray(groups) == group)
        shortest = -np.inf
        for row in mine[np.argsort(lengths[mine], kind="stable")]:
            if lengths[row] - shortest > tolerance:
                number, shortest = number + 1, lengths[row]
            found[row] = number
    return found


@dataclass(frozen=True)
class Decoding:
    """How well stimuli are told apart from the predictions of a model.

    Parameters
    ----------
    table : pandas.DataFrame
        One row per measure (``2v2``; ``retrieval``: mean rank accuracy; ``first``: the right one is the best of its stratum):
        value, chance (mean of the permutations), p, n (pairs or stimuli).
    people : pandas.DataFrame
        The same values for each person.
    draws : int
    tolerance : float
        Words by which stimuli of a stratum may differ in length.
    strata : int
        With two stimuli or more, over all folds of the first fold seed.
    alone : int
        Stimuli without any rival: they count nowhere.
    """

    table: pd.DataFrame
    people: pd.DataFrame
    draws: int
    tolerance: float
    strata: int
    alone: int

    def sentence(self, model: str, recording: str) -> str:
        """The result in words."""
        row = self.table.set_index("measure").loc["2v2"]
        return (
            f"From {model}, {percent(row['value'], 1)} of {row['n']:,.0f} pairs of {recording} are decoded (chance "
            f"{percent(row['chance'], 1)}; {p_value(row['p'])} by {self.draws:,} exchanges inside folds, topics and lengths)."
        )


def decode(
    model,
    recording,
    protocol: Protocol | str = "defended",
    *,
    tolerance: float = TOLERANCE,
    draws: int = 1000,
    layers: Sequence[int | str] | None = None,
    store=None,
    report: Report = SILENT,
) -> Decoding:
    """2-v-2 decoding and retrieval on the folds, at the layers and with the predictions of a score.

    Parameters
    ----------
    model, recording, protocol
        As for :func:`analysis.score`; the first fold seed counts.
    tolerance : float
        Words by which two stimuli that compete may differ in length.
    draws : int
        Permutations: inside every stratum predictions change places, the same way for all people; the largest p that is possible
        is 1, the smallest 1 / (draws + 1).

    Returns
    -------
    Decoding

    Raises
    ------
    BrainLensError
        Where no two stimuli of a fold share a topic and a length, people have too few targets, or the method predicts nothing.
    """
    protocol = preset(protocol) if isinstance(protocol, str) else protocol
    refuse_geometry(protocol, "decoding")
    protocol = protocol.each_seed()[0]
    case = Case.of(model, recording, protocol, layers=layers, store=store, report=report)
    scored = score(
        case.source,
        case.recording,
        protocol,
        layers=case.numbers,
        store=case.store,
        report=report.inner(),
    )
    matches = _matches(case, scored.fold_layers, tolerance)
    return _judged(matches, draws, tolerance, report)


def _matches(case: Case, chosen: list[int], tolerance: float):
    """Per fold (person -> match), strata."""
    recording, activations = case.recording, case.activations(chosen)
    lengths = np.array([len(str(text).split()) for text in recording.texts], float)
    people = (
        np.full(recording.n_targets, "")
        if recording.subjects is None
        else np.asarray(recording.subjects).astype(str)
    )
    found = []
    run = case.every[0]
    for part in held_out(activations, chosen, recording, run.protocol, run.parts, case.report):
        whose = people[part.targets]
        for _, test in part.folds:
            rows = part.rows[test]
            by_person, there = {}, None
            for person in dict.fromkeys(whose.tolist()):
                mine = np.flatnonzero(whose == person)
                y, p = part.responses[np.ix_(test, mine)], part.predictions[np.ix_(test, mine)]
                kept = np.isfinite(y).mean(axis=0) >= 0.5
                if kept.sum() < FEWEST_TARGETS:
                    continue
                y, p = y[:, kept], p[:, kept]
                whole = np.isfinite(y).all(axis=1)
                there = whole if there is None else there & whole
                by_person[person] = (y, p)
            if not by_person or there is None or there.sum() < 2:
                continue
            rows = rows[there]
            marks = strata(np.asarray(part.part.groups)[rows], lengths[rows], tolerance)
            found.append(
                (
                    {who: pattern_match(y[there], p[there]) for who, (y, p) in by_person.items()},
                    marks,
                )
            )
    if not found:
        raise BrainLensError(
            f"No person of {recording.id} has {FEWEST_TARGETS} targets with the same stimuli: there is no pattern to match",
            remedy="Choose a recording with several targets per person",
        )
    if not any(len(np.unique(marks)) < len(marks) for _, marks in found):
        raise BrainLensError(
            f"No two stimuli of {recording.id} are held out together with one topic and lengths within {tolerance:g} words",
            remedy="Set split=grouped with fewer folds, or a larger tolerance",
        )
    return found


def _judged(matches: list, draws: int, tolerance: float, report: Report) -> Decoding:
    rng = np.random.default_rng(0)
    people = _values(matches)
    observed = np.mean(list(people.values()), axis=0)
    null = np.empty((draws, len(MEASURES)))
    for draw in range(draws):
        if draw % 50 == 0:
            report.step(draw, draws, "permutations")
        null[draw] = np.mean(list(_values(matches, rng).values()), axis=0)
    report.step(draws, draws, "permutations")
    pairs = sum(two_vs_two(next(iter(by.values())), marks)[1] for by, marks in matches)
    rivals = sum(int((np.bincount(marks)[marks] > 1).sum()) for _, marks in matches)
    table = pd.DataFrame(
        {
            "measure": MEASURES,
            "value": observed,
            "chance": null.mean(axis=0),
            "p": (1 + (as_refitted(null) >= observed - 1e-12).sum(axis=0)) / (1 + draws),
            "n": [pairs, rivals, rivals],
        }
    )
    each = pd.DataFrame(people, index=list(MEASURES)).T.rename_axis("person").reset_index()
    several = sum(int((np.bincount(marks) > 1).sum()) for _, marks in matches)
    alone = sum(len(marks) for _, marks in matches) - rivals
    return Decoding(table, each, draws, tolerance, several, alone)


def _values(matches: list, rng: np.random.Generator | None = None) -> dict[str, np.ndarray]:
    """Person -> :data:`MEASURES` over folds, weighted by what competes; with ``rng`` after an exchange inside strata."""
    sums: dict[str, np.ndarray] = {}
    for by_person, marks in matches:
        order = np.arange(len(marks)) if rng is None else _exchanged(marks, rng)
        for person, match in by_person.items():
            share, pairs = two_vs_two(match[order], marks)
            ranks, _ = rank_accuracy(match[order], marks)
            ranks = ranks[np.isfinite(ranks)]
            if pairs:
                first = (ranks == 1).sum()
                kept = [share * pairs, pairs, ranks.sum(), first, len(ranks)]
                sums[person] = sums.get(person, 0) + np.array(kept)
    return {
        person: np.array([won / pairs, rank / count, first / count])
        for person, (won, pairs, rank, first, count) in sums.items()
    }


def _exchanged(marks: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """An order in which rows change places inside their stratum only."""
    order = np.empty(len(marks), int)
    order[np.argsort(marks, kind="stable")] = np.lexsort((rng.random(len(marks)), marks))
    return order


# ---- as metrics -----------------------------------------------------------------------------------------------------
def two_vs_two_metric(
    responses: np.ndarray, predictions: np.ndarray, stratum: np.ndarray | None = None
) -> np.ndarray:
    """Share of pairs of held-out stimuli that the pattern over all targets tells apart (2-v-2); chance is .5."""
    return _metric(responses, predictions, stratum, lambda *args: two_vs_two(*args)[0])


def retrieval_metric(
    responses: np.ndarray, predictions: np.ndarray, stratum: np.ndarray | None = None
) -> np.ndarray:
    """Mean rank of the right stimulus among those held out with it, 1 the first to 0 the last; chance is .5."""

    def mean_rank(*args):
        ranks = rank_accuracy(*args)[0]
        return float(np.nanmean(ranks)) if np.isfinite(ranks).any() else float("nan")

    return _metric(responses, predictions, stratum, mean_rank)


def _metric(responses, predictions, stratum, judge) -> np.ndarray:
    there = np.isfinite(responses).all(axis=1) & np.isfinite(predictions).all(axis=1)
    marks = np.zeros(len(responses), int) if stratum is None else np.asarray(stratum)
    y, p, marks = responses[there], predictions[there], marks[there]
    value = judge(pattern_match(y, p), marks) if len(y) > 1 else float("nan")
    return np.full(responses.shape[1], value)


for _function in (two_vs_two_metric, retrieval_metric):
    _function.of_patterns = True  # :func:`analysis.scoring.metrics.measure` gives it one person at a time, and the strata
