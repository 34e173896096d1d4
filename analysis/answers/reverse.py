"""The way back: units of a model predicted from people's brains, beside one person's brain predicted from another's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.answers.answer import Answer, decimal, interval, plural
from analysis.answers.similarity import layers_of
from analysis.mapping.fit import cross_validate
from analysis.mapping.splits import Part, make_folds
from analysis.progress import SILENT, Report
from analysis.protocol import Protocol
from data.catalog.catalog import recording as load_recording
from data.errors import BrainLensError
from data.recording import Recording

__all__ = ["reverse"]

MOST_PEOPLE = 24
FORWARD, BACK, BETWEEN = "model to person", "person to model", "person to person"


def reverse(
    models: Sequence[str], recording: Recording | str, protocol: Protocol | None = None, *, seed: int = 0, store=None,
    report: Report = SILENT,
) -> Answer:  # fmt: skip
    """Model to person, person to model and person to person, by the same regression on the same folds.

    Parameters
    ----------
    models : sequence of str
    recording : str or Recording
        With people, each with one target or more.
    protocol : Protocol, optional
        Its folds count; None: the defended one.

    Returns
    -------
    Answer
        ``frame``: direction (``"model to person"``, ``"person to model"``, ``"person to person"``), model ("" between
        people), layer, person (the one who is predicted, or predicts the model), r: mean over targets or units, then over
        folds. ``facts["summary"]``: direction, model, layer, r, low, high (people resampled), n; ``facts["together"]``:
        model, layer, r of the units predicted from all people at once.

    Raises
    ------
    BrainLensError
        For fewer than two people, or without stimuli that two of them met.

    Notes
    -----
    Ridge regression, its penalty by leave-one-out inside the training rows. Between people: each one's targets from those of one
    other person at a time, mean over the others. A layer's units have no noise: the way back is bounded by the noise of the
    person, the way forth by the noise of the targets.
    """
    if isinstance(recording, str):
        recording = load_recording(recording)
    protocol = protocol or Protocol()
    subjects = None if recording.averaged else recording.subjects
    people = [] if subjects is None else list(dict.fromkeys(subjects))
    if len(people) < 2:
        raise BrainLensError(
            f"{recording.id} has {'averages' if subjects is None else 'one person'}: the way back needs two people or more",
            remedy="Choose a recording of several people",
        )
    if len(people) > MOST_PEOPLE:
        drawn = np.random.default_rng([seed, 16]).choice(len(people), MOST_PEOPLE, replace=False)
        people = [people[k] for k in np.sort(drawn)]
    values = recording.responses.values.astype(float)
    columns = {person: np.flatnonzero(subjects == person) for person in people}
    parts = make_folds(recording, protocol)
    rows: list[tuple] = []
    report.step(0, len(models) + 1, "people among themselves")
    for person, r in _between(values, columns, parts).items():
        rows.append((BETWEEN, "", -1, str(person), r))
    together = []
    for number, model in enumerate(models):
        report.step(number + 1, len(models) + 1, model)
        features, layers = layers_of(model, recording, protocol, store=store, report=report)
        features = [np.asarray(one, float) for one in features]
        every = np.concatenate(list(columns.values()))
        forward = _mapped(features, values[:, every], parts)
        place = 0
        for person, mine in columns.items():
            own = forward[:, place : place + len(mine)]
            place += len(mine)
            rows += [
                (FORWARD, model, layer, str(person), _mean(r)) for layer, r in zip(layers, own)
            ]
            back = _mapped_from(values[:, mine], features, parts)
            rows += [(BACK, model, layer, str(person), r) for layer, r in zip(layers, back)]
        together += [
            (model, layer, r)
            for layer, r in zip(layers, _mapped_from(values[:, every], features, parts))
        ]
    report.step(len(models) + 1, len(models) + 1, "done")
    frame = pd.DataFrame(rows, columns=["direction", "model", "layer", "person", "r"]).dropna(
        subset=["r"]
    )
    whole = pd.DataFrame(together, columns=["model", "layer", "r"])
    summary = _summary(frame, seed)
    sentence = _sentence(summary, whole, list(models), recording.id)
    late = " Features follow the signal (hrf = {}); nothing is filtered or partialled out.".format(
        protocol.hrf + (f" at {', '.join(map(str, protocol.delays))}" if protocol.hrf == "fir" else "")
    ) if recording.sampled else ""  # fmt: skip
    caption = (
        f"{plural(len(people), 'person')} of {recording.id}; ridge regression on the same folds in all directions "
        f"({parts[0].rule}); r: mean over targets, or over the units of a layer, then over folds. Intervals: 95 %, people "
        "resampled. A model's units have no noise, so the way back is not bounded as the way forth is; layers are all shown, "
        f"none is chosen.{late}"
    )
    return Answer(frame, sentence, caption, facts={"summary": summary, "together": whole},
                  axes={"x_title": "Layer", "y_title": "Pearson r, held out"})  # fmt: skip


# ---- regressions -----------------------------------------------------------------------------------------------------------
def _mapped(features: list[np.ndarray], responses: np.ndarray, parts: list[Part]) -> np.ndarray:
    """r of every layer and target, mean over folds, then over parts; shape (n_layers, n_targets)."""
    found = []
    for part in parts:
        fit = cross_validate(features, responses, part.folds, criterion="loo")
        found.append(_nanmean(fit.r.astype(float), 1))
    return _nanmean(np.stack(found), 0)


def _mapped_from(
    responses: np.ndarray, features: list[np.ndarray], parts: list[Part]
) -> np.ndarray:
    """r of the units of every layer from responses, mean over units, folds and parts; shape (n_layers,)."""
    found = np.full((len(parts), len(features)), np.nan)
    for k, part in enumerate(parts):
        x, rows, folds = _there(responses, part)
        if x is None:
            continue
        for layer, units in enumerate(features):
            moving = units[rows].std(axis=0) > 0
            if moving.any():
                fit = cross_validate(x, units[rows][:, moving], folds, criterion="loo")
                found[k, layer] = _mean(fit.r.astype(float))
    return _nanmean(found, 0)


def _there(responses: np.ndarray, part: Part):
    """The rows and columns of responses that are there in a part, and its folds among these rows."""
    own = responses[part.rows]
    share = np.isfinite(own).mean(axis=0)  # of lists of items each person meets a part
    columns = share > 0.5 * share.max()
    rows = (
        part.rows[np.isfinite(own[:, columns]).all(axis=1)] if columns.any() else np.empty(0, int)
    )
    if len(rows) < 10:
        return None, rows, []
    place = np.full(len(responses), -1)
    place[rows] = np.arange(len(rows))
    folds = [tuple(place[side][place[side] >= 0] for side in fold) for fold in part.folds]
    return (
        responses[np.ix_(rows, columns)],
        rows,
        [fold for fold in folds if len(fold[0]) > 2 and len(fold[1]) > 2],
    )


def _between(values: np.ndarray, columns: dict, parts: list[Part]) -> dict:
    """How well each person is predicted by one other person, mean over the others."""
    found: dict = {person: [] for person in columns}
    for source, mine in columns.items():
        for part in parts:
            x, rows, folds = _there(values[:, mine], part)
            if x is None:
                continue
            others = [person for person in columns if person != source]
            joint = np.concatenate([columns[person] for person in others])
            r = _nanmean(
                cross_validate(x, values[np.ix_(rows, joint)], folds, criterion="loo")
                .r[0]
                .astype(float),
                0,
            )
            place = 0
            for person in others:
                count = len(columns[person])
                found[person].append(_mean(r[place : place + count]))
                place += count
    return {person: _mean(np.array(r)) if r else np.nan for person, r in found.items()}


def _mean(values: np.ndarray) -> float:
    there = np.isfinite(values)
    return float(values[there].mean()) if there.any() else np.nan


def _nanmean(values: np.ndarray, axis: int) -> np.ndarray:
    there = np.isfinite(values)
    return np.where(
        there.any(axis),
        np.where(there, values, 0.0).sum(axis) / np.maximum(there.sum(axis), 1),
        np.nan,
    )


def _summary(frame: pd.DataFrame, seed: int) -> pd.DataFrame:
    rng, rows = np.random.default_rng([seed, 17]), []
    for (direction, model, layer), own in frame.groupby(
        ["direction", "model", "layer"], sort=False
    ):
        r = own["r"].to_numpy(float)
        drawn = r[rng.integers(len(r), size=(2000, len(r)))].mean(axis=1)
        rows.append(
            (direction, model, layer, r.mean(), *np.quantile(drawn, [0.025, 0.975]), len(r))
        )
    return pd.DataFrame(rows, columns=["direction", "model", "layer", "r", "low", "high", "n"])


def _sentence(summary: pd.DataFrame, whole: pd.DataFrame, models: list[str], name: str) -> str:
    between = summary[summary["direction"] == BETWEEN]
    said = []
    for model in models:
        own = summary[summary["model"] == model]
        parts = []
        for direction, words in (
            (FORWARD, "predicts a person with"),
            (BACK, "is predicted from one person with"),
        ):
            mine = own[own["direction"] == direction]
            parts.append(
                f"{words} r = {decimal(mine['r'].min())} to {decimal(mine['r'].max())} over its layers"
            )
        all_ = whole[whole["model"] == model]["r"]
        parts.append(
            f"from all people at once {decimal(all_.min())} to {decimal(all_.max())}"
            if all_.notna().any()
            else "not from all people at once (too few stimuli that all of them met)"
        )
        said.append(f"{model} {', '.join(parts)}")
    ends = "no two people met the same stimuli"
    if len(between):
        one = between.iloc[0]
        ends = f"one person predicts another with {decimal(one['r'])} {interval(one['low'], one['high'])}"
    return f"On {name}: {'; '.join(said)}; {ends}."
