"""What was understood of a story, drawn: words against samples, run by run; of epochs, their strength over lags."""

from __future__ import annotations

import numpy as np
import pandas as pd

from data.counts import plural
from data.errors import BrainLensError
from data.recording import Recording
from data.shares import percent

__all__ = ["drawn"]

BARS = " ▁▂▃▄▅▆▇█"
WIDTH = 60


def drawn(recording: Recording) -> str:
    """Runs, samples and words of a sampled recording in lines of text, or epochs, channels and lags.

    Each run's line shows how many words fall into each part of it, that of epochs how strong the mean epoch is at each lag; what
    looks wrong stands below.

    Raises
    ------
    BrainLensError
        For a recording without times of words.
    """
    if "lag" in recording.responses.coords:
        return _of_epochs(recording)
    presentation = recording.presentation
    if presentation is None:
        raise BrainLensError(
            f"{recording.id} has no times of words", remedy="Choose a story recording"
        )
    table, words, step = recording.stimuli, presentation.words, presentation.interval
    people = recording.subjects
    lines = [
        f"{recording.id}: {plural(table['run'].nunique(), 'run')}, {len(table):,} samples of {step:g} s, "
        f"{recording.n_targets:,} targets of {_people(people)}, {len(words):,} words"
    ]
    warnings = list(recording.notes)
    for run in pd.unique(table["run"]):
        samples = int((table["run"] == run).sum())
        mine = words[words["run"] == run]
        end, middle = samples * step, presentation.middle[(words["run"] == run).to_numpy()]
        if not len(mine):
            warnings.append(f"run {run}: no words")
            continue
        counts, _ = np.histogram(middle, bins=min(WIDTH, samples), range=(0, end))
        heights = np.ceil(counts / max(counts.max(), 1) * (len(BARS) - 1)).astype(int)
        lines += [
            f"run {run}: {samples} samples, 0 to {end:g} s; "
            f"words from {mine['onset'].iloc[0]:g} to {mine['offset'].iloc[-1]:g} s",
            f"  |{''.join(BARS[height] for height in heights)}|",
        ]
        before, after = int((middle < 0).sum()), int((middle >= end).sum())
        if before + after:
            doubt = (
                f": are {step:g} s from one sample to the next right?"
                if after > 0.2 * len(mine)
                else ""
            )
            warnings.append(
                f"run {run}: {before} words before the first sample and {after} after the last have no signal{doubt}"
            )
        onset, offset = mine["onset"].to_numpy(float), mine["offset"].to_numpy(float)
        overlapping = int((onset[1:] < offset[:-1] - 1e-6).sum())
        if overlapping:
            warnings.append(
                f"run {run}: {overlapping} words begin before the word before them ends"
            )
        if (quiet := float(np.mean(counts == 0))) > 0.5:
            warnings.append(f"run {run}: no words in {percent(quiet)} of it")
    if len(words) > 50 and words["text"].nunique() < 0.05 * len(words):
        warnings.append(_few(words["text"].nunique()))
    per_sample = len(words) * step / max(len(table) * step, 1e-9)
    lines.append(f"{per_sample:.1f} words a sample on average")
    return "\n".join(lines + [f"- {warning}" for warning in warnings])


def _of_epochs(recording: Recording) -> str:
    lag = recording.responses["lag"].values.astype(float)
    lags, words = np.unique(lag), list(recording.texts)
    values = recording.responses.values
    mean = np.nanmean(values, axis=0) - np.nanmean(values)
    strength = np.array([np.sqrt(np.mean(mean[lag == one] ** 2)) for one in lags])
    top = strength.max() or 1.0
    parts = [part.max() for part in np.array_split(strength, min(WIDTH, len(lags)))]
    people = recording.subjects
    channels = len(set(recording.responses["electrode"].values.astype(str)))
    whose = "" if people is None else f" of {_people(people)}"
    texts = recording.stimuli["story"].nunique()
    step = f" by {np.median(np.diff(lags)):g}" if len(lags) > 1 else ""
    lines = [
        f"{recording.id}: {len(words):,} epochs, a word each, in {texts} text{'s' if texts > 1 else ''}; "
        f"{channels:,} channels{whose}, {len(lags)} lags from {lags[0]:g} to {lags[-1]:g} ms{step}",
        f"first words: {' '.join(words[:12])}{' ...' if len(words) > 12 else ''}",
        f"strength of the mean epoch, {lags[0]:g} to {lags[-1]:g} ms, highest at {lags[int(strength.argmax())]:g} ms:",
        f"  |{''.join(BARS[int(np.ceil(part / top * (len(BARS) - 1)))] for part in parts)}|",
    ]
    warnings = list(recording.notes)
    if lags[0] >= 0:
        warnings.append(
            "no sample lies before the words: what is predicted there cannot be told from it"
        )
    if len(words) > 50 and len(set(words)) < 0.05 * len(words):
        warnings.append(_few(len(set(words))))
    if texts == 1 and len(words) > 50:
        warnings.append("all words are read as one text: a column 'story' or 'sentence' parts them")
    loud = _loud(values)
    if loud:
        warnings.append(f"{loud} epochs are more than ten times as strong as the usual one")
    return "\n".join(lines + [f"- {warning}" for warning in warnings])


def _people(subjects: np.ndarray | None) -> str:
    n = 0 if subjects is None else len(set(subjects))
    return f"{n} {'person' if n == 1 else 'people'}"


def _few(n: int) -> str:
    what = "only one word, again and again" if n == 1 else f"only {n} different words"
    return f"{what}: is the column that of the words, or of a condition?"


def _loud(values: np.ndarray) -> int:
    """Epochs whose deviation from the mean epoch is more than ten times the median's."""
    away = values - np.nanmean(values, axis=0)
    counted = np.where(np.all(np.isnan(values), axis=1, keepdims=True), 0.0, away)
    power = np.asarray(np.sqrt(np.nanmean(counted**2, axis=1)))
    some = power[power > 0]
    return int((some > 10 * np.median(some)).sum()) if len(some) else 0
