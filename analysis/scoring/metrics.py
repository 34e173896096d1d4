"""What the held-out predictions are worth by another measure than r: named functions, which other packages add to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np

from analysis.mapping.pearson import pearson as correlation
from analysis.progress import SILENT, Report
from analysis.protocol import Protocol, preset
from analysis.scoring.case import Case
from analysis.scoring.decoding import TOLERANCE, strata
from analysis.scoring.predictions import held_out
from analysis.scoring.summary import summarise
from analysis.scoring.verb import score
from data.errors import BrainLensError
from data.registry import Registry

__all__ = ["METRICS", "measure", "pearson", "rmse", "spearman"]

METRICS = Registry(
    "brainlens.metrics",
    "metric",
    {
        "pearson": "analysis.scoring.metrics:pearson",
        "spearman": "analysis.scoring.metrics:spearman",
        "rmse": "analysis.scoring.metrics:rmse",
        "2v2": "analysis.scoring.decoding:two_vs_two_metric",
        "retrieval": "analysis.scoring.decoding:retrieval_metric",
    },
)
"""Name -> function of responses and predictions of one fold's test rows, each (n_rows, n_targets), to one value per target.

NaN stands where a response was not measured. The first line of the docstring says what it is, with its unit. A function with the
attribute ``of_patterns`` is given the targets of one person at a time, and as ``stratum`` which stimuli have one topic and length
(:func:`analysis.scoring.decoding.strata`)."""


def pearson(responses: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """Pearson correlation of prediction and response; 0 where one of them is constant, as in every score."""
    return cast(np.ndarray, correlation(responses, predictions))


def spearman(responses: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """Rank correlation of prediction and response (Spearman); 0 where one of them is constant."""
    from scipy import stats

    there = np.isfinite(responses) & np.isfinite(predictions)
    ranks = (
        stats.rankdata(np.where(there, values, np.nan), axis=0, nan_policy="omit")
        for values in (responses, predictions)
    )
    return cast(np.ndarray, correlation(*ranks))


def rmse(responses: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """Root of the mean squared error, in the unit of the responses; smaller is better."""
    error = np.where(np.isnan(responses), np.nan, responses - predictions) ** 2
    count = np.isfinite(error).sum(axis=0)
    return np.sqrt(np.nansum(error, axis=0) / np.where(count > 0, count, np.nan))


def measure(
    model,
    recording,
    protocol: Protocol | str = "defended",
    metrics: tuple[str, ...] = ("spearman",),
    *,
    layers: Sequence[int | str] | None = None,
    store=None,
    report: Report = SILENT,
) -> dict[str, float]:
    """A model by other metrics, on the folds and at the layers of its score.

    Parameters
    ----------
    model, recording, protocol
        As for :func:`analysis.score`, whose stored scores and activations are used where they are there.
    metrics : tuple of str
        Of :data:`METRICS`.
    layers : sequence of int or str, optional
        Layers to choose from; None: all.

    Returns
    -------
    dict of str to float
        Mean over folds per target, then over targets and people as the protocol says.

    Raises
    ------
    BrainLensError
        For an unknown metric, one that gives no value per target, and a protocol that tests a stimulus more than once.
    """
    functions = {name: METRICS[name] for name in metrics}
    protocol = preset(protocol) if isinstance(protocol, str) else protocol
    if protocol.split == "shuffle-split":
        raise BrainLensError(
            f"The protocol {protocol.name} draws its test stimuli at random, some several times and some never",
            remedy="Choose a protocol that tests each stimulus once, such as defended",
        )
    case = Case.of(model, recording, protocol, layers=layers, store=store, report=report)
    recording = case.recording
    scored = score(
        case.source,
        recording,
        protocol,
        layers=case.numbers,
        store=case.store,
        report=report.inner(),
    )
    chosen = scored.fold_layers
    activations = case.activations(chosen)
    rows: dict[str, list[np.ndarray]] = {name: [] for name in functions}
    labels: list[str] = []
    for run in (case.every[number] for number in case.wanted):
        mine = chosen[len(labels) : len(labels) + sum(len(part.folds) for part in run.parts)]
        for part in held_out(activations, mine, recording, run.protocol, run.parts, report):
            for _, test in part.folds:
                labels.append(part.part.name)
                for name, function in functions.items():
                    values = np.full(recording.n_targets, np.nan)
                    values[part.targets] = _of_fold(name, function, part, test, recording)
                    rows[name].append(values)
    parts_of = np.array(labels)
    return {
        name: summarise(np.stack(values), parts_of, recording.subjects, protocol)
        for name, values in rows.items()
    }


def _of_fold(name: str, function, part, test: np.ndarray, recording) -> np.ndarray:
    """One value per target of a part; a metric of patterns takes each person's targets together, inside strata."""
    y, p = part.responses[test], part.predictions[test]
    if not getattr(function, "of_patterns", False):
        return _checked(name, function(y, p), len(part.targets))

    lengths = np.array([len(str(text).split()) for text in recording.texts], float)
    rows = part.rows[test]
    stratum = strata(np.asarray(part.part.groups)[rows], lengths[rows], TOLERANCE)
    people = np.asarray(
        recording.subjects if recording.subjects is not None else [""] * recording.n_targets
    )
    whose, values = people[part.targets], np.full(len(part.targets), np.nan)
    for person in dict.fromkeys(whose.tolist()):
        mine = np.flatnonzero(whose == person)
        values[mine] = _checked(name, function(y[:, mine], p[:, mine], stratum=stratum), len(mine))
    return values


def _checked(name: str, values, count: int) -> np.ndarray:
    values = np.asarray(values, dtype=float)
    if values.shape != (count,):
        raise BrainLensError(
            f"The metric {name!r} gives an array of shape {values.shape} for {count} targets",
            remedy="Return one number per target",
        )
    return values
