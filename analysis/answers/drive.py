"""Which sentences should drive, and which should suppress, a response?"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.answers.answer import Answer, decimal, interval, plural
from analysis.design.drive import Limits, Response, allowed, fit_range, fit_response, search
from analysis.models import load
from analysis.progress import SILENT, Report
from analysis.protocol import Protocol
from analysis.scoring.lock import require_open
from analysis.store.store import Store
from analysis.tasks.probe import sentence_features
from analysis.text.passages import sentences
from data.catalog import catalog
from data.catalog.catalog import recording as load_recording
from data.embedded import prose
from data.errors import BrainLensError, unknown
from data.gate import existing
from data.readers.texts import read_text
from data.recording import Recording
from data.shares import percent

__all__ = ["candidates_of", "drive", "target_of"]


def drive(
    model,
    recording: Recording | str,
    candidates: Sequence[str],
    protocol: Protocol | None = None,
    *,
    target: str = "",
    layer: int | str | None = None,
    count: int = 10,
    limits: Limits | None = None,
    words: Sequence[str] = (),
    rounds: int = 3,
    draws: int = 100,
    store=None,
    report: Report = SILENT,
) -> Answer:
    """Candidate sentences by the response that a model predicts for them.

    Parameters
    ----------
    model : str or Model
    recording : Recording or str
        Whose stimuli and responses the prediction is learnt from.
    candidates : sequence of str
        Sentences to choose from.
    protocol : Protocol, optional
        Pooling, window and the like; measured and new sentences are read alone in any case.
    target : str
        A target of the recording; empty: the mean over a person's targets, then over people.
    layer : int or str, optional
        None: the one that predicts best over fifths of the groups, on these data.
    count : int
        Sentences to pick at either end.
    limits : Limits, optional
        Length, and how much a sentence may share with a measured one.
    words : sequence of str
        With them, picked sentences are searched on by replacing single words; without, only ranked.

    Returns
    -------
    Answer
        ``frame``: text, prediction, sd, low, high (bootstrap over training stimuli), distance (above 1 the sentence is out of
        the distribution), outside, reason (why it may not be used), condition (``drive``, ``suppress`` or empty), start
        (of a searched sentence); the highest prediction first. ``facts``: layer, r (held out), picked (the items to export).

    Raises
    ------
    BrainLensError
        For models without layers, recordings in time, no candidates, and too little to learn from.
    analysis.store.promises.Locked
        Where the score of this model on this recording is locked: how well it predicts is told here, too.

    Notes
    -----
    Tuckute et al. 2024, doi 10.1038/s41562-023-01783-7. The intervals are of the mean prediction: single responses scatter more.
    """
    if isinstance(recording, str):
        recording = load_recording(recording)
    if recording.sampled:
        raise BrainLensError(
            f"{recording.id}: its rows are samples of a run, not sentences",
            remedy="Choose a recording of sentences",
        )
    if count < 1:
        raise BrainLensError(f"count={count}: at least one sentence at either end", remedy="Give 1 or more")  # fmt: skip
    texts = [str(text).strip() for text in candidates if str(text).strip()]
    if not texts:
        raise BrainLensError("There are no candidates", remedy="Give sentences to choose from")
    source = load(model) if isinstance(model, str) else model
    if not source.widths:
        raise BrainLensError(
            f"{source.id} has no layers to predict from", remedy="Choose another model"
        )
    asked, limits = protocol or Protocol(), limits or Limits()
    protocol = asked.but(context="none")
    for one in (asked, protocol):
        require_open(source, recording, one, store or Store())
    measured = [str(text) for text in recording.texts]
    y, groups = target_of(recording, target), _groups(recording)

    def read(sentences: list[str], number: int) -> np.ndarray:
        return sentence_features(source, sentences, number, protocol, store=store, report=report)

    number, fit = _fitted(source, layer, measured, y, groups, draws, read, report)
    there = np.isfinite(y)
    space = fit_range(read(measured, number)[there], groups[there])
    frame = _judged(texts, fit, space, read(texts, number), measured, limits, recording.language)
    frame["start"] = ""
    usable = frame[(frame["reason"] == "") & ~frame["outside"]]
    ordered = usable.sort_values("prediction", ascending=False)
    ends = {"drive": ordered.head(count), "suppress": ordered.iloc[::-1].head(count)}
    if len(usable) < 2 * count:
        ends = {name: some.head(len(usable) // 2) for name, some in ends.items()}
    if len(words):
        found = [
            _searched(name, some["text"].tolist(), words, rounds, fit, space, number, read, measured, limits,
                      recording.language)
            for name, some in ends.items()
            if len(some)
        ]  # fmt: skip
        picked = pd.concat(found, ignore_index=True) if found else frame.head(0)
        frame = pd.concat([frame.assign(condition=""), picked], ignore_index=True)
    else:
        frame["condition"] = ""
        for name, some in ends.items():
            frame.loc[some.index, "condition"] = name
    frame = frame.sort_values("prediction", ascending=False, ignore_index=True)
    picked = frame[frame["condition"] != ""]
    return Answer(
        frame,
        _sentence(frame, picked, source.id, recording.id, target, number, fit),
        _caption(recording, texts, frame, limits, layer is None),
        facts={"layer": number, "r": fit.r, "picked": picked, "stamp": "simulated data" if recording.simulated else ""},
        axes={"x_title": "Rank of the sentence", "y_title": f"Predicted response ({recording.unit})"},
    )  # fmt: skip


def target_of(recording: Recording, target: str) -> np.ndarray:
    """One response per stimulus: of a target, or the mean over a person's targets, then over people.

    Raises
    ------
    BrainLensError
        For an unknown target.
    """
    values = recording.responses.values.astype(float)
    names = recording.responses.target.values.astype(str)
    if target:
        if target not in names:
            raise unknown(f"target of {recording.id}", target, names[:20])
        return values[:, names == target][:, 0]
    people = (
        np.full(len(names), "")
        if recording.subjects is None
        else np.asarray(recording.subjects).astype(str)
    )
    each = [_mean(values[:, people == one]) for one in dict.fromkeys(people.tolist())]
    return _mean(np.column_stack(each))


def _mean(values: np.ndarray) -> np.ndarray:
    there = np.isfinite(values)
    count = there.sum(axis=1)
    return np.where(there, values, 0.0).sum(axis=1) / np.where(count > 0, count, np.nan)


def _groups(recording: Recording) -> np.ndarray:
    if recording.group is None:
        return np.arange(recording.n_stimuli)
    return pd.factorize(np.asarray(recording.column(recording.group)))[0]


def _fitted(
    source, layer, measured, y, groups, draws, read, report: Report
) -> tuple[int, Response]:
    if layer is not None and layer != "":
        number = source.layer_number(layer)
        return number, fit_response(read(measured, number), y, groups, draws=draws)
    scores = {}
    for number in range(source.n_layers):
        report.step(number, source.n_layers, "layers")
        scores[number] = fit_response(read(measured, number), y, groups, draws=0).r
    number = max(scores, key=lambda one: scores[one])
    return number, fit_response(read(measured, number), y, groups, draws=draws)


def _judged(
    texts, fit: Response, space, features, measured, limits: Limits, language: str
) -> pd.DataFrame:
    prediction, spread, low, high = fit.predict(features)
    distance = space.distance(features)
    return pd.DataFrame(
        {
            "text": texts,
            "prediction": prediction,
            "sd": spread,
            "low": low,
            "high": high,
            "distance": distance,
            "outside": distance > 1,
            "reason": allowed(texts, measured, limits, language),
        }
    )


def _searched(
    name, starts, words, rounds, fit, space, number, read, measured, limits, language
) -> pd.DataFrame:
    sign = 1 if name == "drive" else -1

    def value(texts: list[str]) -> np.ndarray:
        return sign * fit.predict(read(texts, number))[0]

    def keep(texts: list[str]) -> np.ndarray:
        fresh = np.array(
            [
                reason in ("", "occurs twice")
                for reason in allowed(texts, measured, limits, language)
            ]
        )
        return fresh & (space.distance(read(texts, number)) <= 1)

    found = search(starts, words, value, keep, rounds=rounds)
    table = _judged(
        found["text"].tolist(),
        fit,
        space,
        read(found["text"].tolist(), number),
        measured,
        limits,
        language,
    )
    return table.assign(start=found["start"], condition=name)


def _sentence(frame, picked, model, recording, target, number, fit: Response) -> str:
    means = picked.groupby("condition")["prediction"].mean()
    if len(means) < 2:
        usable = int(((frame["reason"] == "") & ~frame["outside"]).sum())
        few = "Only one" if usable else "None"
        why = "two are needed, one for either end" if usable else "see the reasons in the table"
        return f"{few} of {plural(len(frame), 'sentence')} may be used: {why}."
    what = f"{target} of {recording}" if target else f"the mean response of {recording}"
    driving = plural(int((picked["condition"] == "drive").sum()), "driving sentence")
    ends = interval(fit.r_low, fit.r_high)
    says = f"By layer {number} of {model} (held-out r = {decimal(fit.r)} {ends}), the {driving}"
    if not fit.r_low > 0:
        return (
            f"{says} have the highest predictions for {what} ({means['drive']:.3g}; suppressing {means['suppress']:.3g}), "
            "but it is not shown that the layer predicts it at all: these are guesses."
        )
    return f"{says} should raise {what} to {means['drive']:.3g} and the suppressing ones lower it to {means['suppress']:.3g}."


def _caption(recording, texts, frame, limits: Limits, chosen: bool) -> str:
    reasons = (
        frame["reason"]
        .replace("", np.nan)
        .dropna()
        .str.replace(r"^\d+ words$", "too short or long", regex=True)
    )
    left = ", ".join(f"{count} {reason}" for reason, count in reasons.value_counts().items())
    return (
        f"{plural(len(texts), 'candidate')}, read alone like the {recording.n_stimuli:,} measured stimuli. Intervals: 95 % of "
        f"a bootstrap over the training stimuli's groups; they are of the mean prediction. {int(frame['outside'].sum())} lie "
        "outside of what was measured (further in feature space than 99 % of left-out measured stimuli) and are not picked"
        + (f"; not used: {left}" if left else "")
        + f". {limits.shortest} to {limits.longest} words, at most {percent(limits.overlap)} of words shared with a measured one."
        + (" The layer was chosen on these data." if chosen else "")
    )


def candidates_of(source: str) -> list[str]:
    """Sentences to choose from: built-in prose (``prose``), a text file with a sentence per line, or a recording's stimuli.

    Raises
    ------
    BrainLensError
        Where there is no such thing.
    """
    if source in ("", "prose"):
        found = []
        for passage in prose():
            starts = [*sentences(passage), len(passage)]
            found += [passage[a:b].strip() for a, b in pairwise(starts)]
        return [one for one in dict.fromkeys(" ".join(text.split()) for text in found) if one]
    if Path(source).suffix.lower() in (".txt", ".md", ".text"):
        if existing(source) is None:
            raise BrainLensError(
                f"There is no text {source!r}", remedy="Name a file with a sentence per line"
            )
        return [
            line.strip()
            for line in read_text(Path(source).expanduser()).splitlines()
            if line.strip()
        ]
    return list(
        dict.fromkeys(
            str(text).strip() for text in catalog.recording(source).texts if str(text).strip()
        )
    )
