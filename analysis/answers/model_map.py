"""Which models are alike? Every layer with every layer of other models, next to the same measure with the brain."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.answers.answer import Answer, decimal, listed, plural
from analysis.answers.similarity import complete, layers_of
from analysis.mapping.alignment import rotation, shape_similarity
from analysis.mapping.similarity import debiased_alignment, dissimilarity, rsa
from analysis.progress import SILENT, Report
from analysis.protocol import Protocol
from data.catalog.catalog import recording as load_recording
from data.errors import BrainLensError, unknown
from data.recording import Recording

__all__ = ["MEASURES", "STIMULI", "model_map", "shown_layers"]

MEASURES = {
    "cka": "debiased CKA",
    "rsa": "RSA (Spearman)",
    "shape": "shape similarity, rotation learnt on one half of the groups and judged on the other",
}
STIMULI = 1500
"""Above so many stimuli a random part of them is compared: the squares of their number have to be held."""


def model_map(
    models: Sequence[str],
    recording: Recording | str,
    protocol: Protocol | None = None,
    *,
    measure: str = "cka",
    store=None,
    report: Report = SILENT,
) -> Answer:
    """Similarity of every layer with every other layer and with the responses, on the stimuli of a recording.

    Parameters
    ----------
    models : sequence of str
        Two or more, or one (its layers among themselves).
    recording : Recording or str
        Its stimuli are read, in its context; its responses are what is called brain.
    measure : str
        One of :data:`MEASURES`.

    Returns
    -------
    Answer
        ``frame``: first, first_layer, second, second_layer, value; ``facts["matrix"]``: the same as a square table with one label
        per layer, ``facts["brain"]``: model, layer, label, brain (the same measure with the responses; empty where no stimuli
        have every response), ``facts["between"]``: first, second, value: the mean over layers of the most similar layer of the
        other model, both ways.

    Notes
    -----
    No interval: pairs of stimuli are not independent. RSA counts pairs of different groups only. A layer is 1 with itself
    except where the measure is judged on other stimuli than it is learnt on.
    """
    if measure not in MEASURES:
        raise unknown("measure", measure, MEASURES)
    if not models:
        raise BrainLensError("No model to compare", remedy="Name one or more models")
    if isinstance(recording, str):
        recording = load_recording(recording)
    if recording.sampled:
        raise BrainLensError(
            f"{recording.id}: its rows are samples of a run, not stimuli", remedy="Choose sentences or words"
        )  # fmt: skip
    protocol = protocol or Protocol()
    rows = np.arange(recording.n_stimuli)
    if len(rows) > STIMULI:
        rows = np.sort(np.random.default_rng(0).permutation(len(rows))[:STIMULI])
    groups = _groups(recording, rows)
    sides, labels = [], []
    for name in models:
        values, numbers = layers_of(name, recording, protocol, store=store, report=report)
        for number, features in zip(numbers, values, strict=True):
            sides.append(_Side.of(np.asarray(features, float)[rows], measure, groups))
            labels.append((name, number))
    matrix = np.empty((len(sides), len(sides)))
    for i, one in enumerate(sides):
        report.step(i, len(sides), "layers")
        for j in range(i, len(sides)):
            matrix[i, j] = matrix[j, i] = one.like(sides[j])
    report.step(len(sides), len(sides), "layers")
    names = [f"{name} {number}" for name, number in labels]
    square = pd.DataFrame(matrix, index=names, columns=names)
    frame = pd.DataFrame(
        [
            (*labels[i], *labels[j], matrix[i, j])
            for i in range(len(labels))
            for j in range(i, len(labels))
        ],
        columns=["first", "first_layer", "second", "second_layer", "value"],
    )
    brain = pd.DataFrame(labels, columns=["model", "layer"]).assign(label=names)
    brain["brain"] = _with_brain(recording, protocol, labels, models, measure, rows, store, report)
    between = _between(labels, matrix, list(models))
    return Answer(
        frame,
        _sentence(between, brain, measure, recording.id),
        _caption(recording, len(rows), groups, measure),
        facts={
            "matrix": square,
            "brain": brain,
            "between": between,
            "stamp": "; ".join(recording.stamps),
        },
        axes={
            "x_title": "",
            "y_title": f"{MEASURES[measure].partition(',')[0]} with {recording.id}",
        },
    )


class _Side:
    """One layer, or the responses, as a measure wants it."""

    def __init__(self, values: np.ndarray, measure: str, groups: np.ndarray, kept: np.ndarray):
        self.values, self.measure, self.groups, self.kept = values, measure, groups, kept

    @classmethod
    def of(cls, x: np.ndarray, measure: str, groups: np.ndarray) -> _Side:
        if measure == "cka":
            centred = x - x.mean(axis=0)
            kept = centred @ centred.T
        elif measure == "rsa":
            plain = x.shape[1] <= 2 or (np.ptp(x, axis=1) == 0).any()
            kept = dissimilarity(x, distance="euclidean" if plain else "correlation")
        else:
            kept = x
        return cls(x, measure, groups, kept)

    def like(self, other: _Side) -> float:
        if self.measure == "cka":
            return debiased_alignment(self.kept, other.kept)
        if self.measure == "rsa":
            apart = self.groups[:, None] != self.groups
            return rsa(self.kept, other.kept, keep=apart if apart.any() else None)
        labels = np.unique(self.groups)
        half = np.isin(self.groups, labels[: len(labels) // 2])
        found = []
        for train, test in ((half, ~half), (~half, half)):
            a, b = self.values, other.values
            mean_a, mean_b = a[train].mean(axis=0), b[train].mean(axis=0)
            turned = rotation(a[train] - mean_a, b[train] - mean_b)
            found.append(shape_similarity(a[test] - mean_a, b[test] - mean_b, turned))
        return float(np.mean(found))


def _groups(recording: Recording, rows: np.ndarray) -> np.ndarray:
    """Code of each stimulus's group; each its own where none are known."""
    if not recording.group:
        return np.arange(len(rows))
    return pd.factorize(np.asarray(recording.column(recording.group))[rows])[0]


def _with_brain(recording, protocol, labels, models, measure, rows, store, report) -> np.ndarray:
    """The same measure with the responses, on the stimuli that have every one."""
    try:
        there, targets = complete(recording)
    except BrainLensError:
        return np.full(len(labels), np.nan)
    there = np.intersect1d(np.flatnonzero(there), rows)
    groups = _groups(recording, there)
    side = _Side.of(
        recording.responses.values[np.ix_(there, targets)].astype(float), measure, groups
    )
    found = []
    for name in models:
        values, _ = layers_of(name, recording, protocol, store=store, report=report)
        found += [
            _Side.of(np.asarray(one, float)[there], measure, groups).like(side) for one in values
        ]
    return np.array(found)


def _between(labels: list, matrix: np.ndarray, models: list[str]) -> pd.DataFrame:
    whose = np.array([name for name, _ in labels])
    rows = []
    for at, first in enumerate(models):
        for second in models[at + 1 :]:
            block = matrix[np.ix_(whose == first, whose == second)]
            value = (block.max(axis=1).mean() + block.max(axis=0).mean()) / 2
            rows.append((first, second, float(value)))
    return pd.DataFrame(rows, columns=["first", "second", "value"])


def _sentence(between: pd.DataFrame, brain: pd.DataFrame, measure: str, recording: str) -> str:
    said = []
    name = MEASURES[measure].partition(",")[0].partition(" (")[0]
    if len(between):
        ranked = between.sort_values("value", ascending=False)
        top, last = ranked.iloc[0], ranked.iloc[-1]
        pair, value = f"{top['first']} and {top['second']}", f"{name} {decimal(top['value'])}"
        said.append(
            f"Most alike are {pair} ({value}), least {last['first']} and {last['second']} ({decimal(last['value'])})"
            if len(ranked) > 1
            else f"{pair} have {value}"
        )
    known = brain.dropna(subset="brain")
    if len(known):
        best = known.loc[known.groupby("model", sort=False)["brain"].idxmax()]
        best = best.sort_values("brain", ascending=False)
        names = [
            f"layer {one.layer} of {one.model} ({decimal(one.brain)})" for one in best.itertuples()
        ]
        whose = "of each model's layers, most" if len(names) > 1 else "most"
        whose = whose if said else f"{whose[0].upper()}{whose[1:]}"
        said.append(f"{whose} like {recording} {'are' if len(names) > 1 else 'is'} {listed(names)}")
    if not said:
        return f"There are no two models to compare on {recording}."
    return f"{'; '.join(said)}. These are orders of values: no difference was tested."


def _caption(recording: Recording, count: int, groups: np.ndarray, measure: str) -> str:
    part = f", a random {count:,} of {recording.n_stimuli:,}" if count < recording.n_stimuli else ""
    pairs = " RSA counts pairs of stimuli of different groups only." if measure == "rsa" else ""
    name = MEASURES[measure]
    return (
        f"{name[0].upper()}{name[1:]} on {count:,} stimuli of {recording.id}{part}, in "
        f"{plural(len(np.unique(groups)), 'group')}.{pairs} Points: with the responses, of all people together; cells: with each "
        "layer. Similarity of two models: mean over layers of the other's most similar layer, both ways. Nothing is fitted to "
        "single responses, and there is no interval: pairs of stimuli are not independent."
    )


def shown_layers(labels: Sequence[tuple[str, int]], most: int = 24) -> list[int]:
    """Positions of the layers that fit in a figure: the same number of each model, evenly over its depth, both ends in it."""
    models = list(dict.fromkeys(name for name, _ in labels))
    each = max(2, most // len(models))
    kept = []
    for model in models:
        mine = [at for at, (name, _) in enumerate(labels) if name == model]
        spread = np.unique(np.linspace(0, len(mine) - 1, min(each, len(mine))).round().astype(int))
        kept += [mine[at] for at in spread]
    return kept
