"""Do the words of a story stand where the signal heard them?"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd

from analysis.answers.answer import Answer, decimal, p_value
from analysis.features.surprisal import is_stored, window_of, word_surprisal
from analysis.features.time import detrended, resample
from analysis.models.catalog import load
from analysis.progress import SILENT, Report
from analysis.protocol import Protocol, preset
from analysis.scoring.lock import require_open
from analysis.store.promises import held
from analysis.store.store import Store
from analysis.text.passages import passages
from data.errors import BrainLensError
from data.readers.simulated import hrf
from data.recording import Recording

__all__ = ["bits_heard", "word_times"]

REACH = 40.0
"""Seconds to either side that are looked at."""
HIGHPASS = 128.0
NULLS = 200
BLOCK = 2048
"""Targets that are standardised at a time."""
TOLERANCE = 1.5
"""Samples that a peak may lie beside zero and still pass: responses differ in latency between regions and people."""


def word_times(
    recording: Recording,
    *,
    reach: float = REACH,
    seed: int = 0,
    surprisal: str | Sequence[float] | np.ndarray | None = None,
    protocol: Protocol | None = None,
    report: Report = SILENT,
) -> Answer:
    r"""The doctor of a story: how word rate follows the signal when all words are moved by so many seconds.

    The number of words in each sample, convolved with the canonical haemodynamic response, is moved from ``-reach`` to ``reach``
    seconds and correlated with each region's signal (mean over people where a region has several, drifts taken out). Words that
    stand where they were heard peak at 0. Nothing is fitted, so nothing is held out; the peak is compared with the largest
    that the same words reach on signals turned around in their run (:math:`p = (1 + \#\{\max_{null} \ge \max\}) / (1 + n)`).

    Parameters
    ----------
    recording : Recording
        With a presentation.
    reach : float
        Seconds.
    seed : int
        Of the turned signals.
    surprisal : str or sequence of float, length n_words, optional
        A model whose surprisal it is (:func:`bits_heard`), or that of each word of the presentation, in its order (NaN: none
        known): a second profile, of what it says beyond word rate. The verdict stays that of word rate, which needs no model.
    protocol : Protocol, optional
        How the model reads; default: the preset ``story``.

    Returns
    -------
    Answer
        ``frame``: ``offset`` (seconds added to the words' times), ``r`` (mean over regions), ``chance`` (95th percentile of the
        largest peak of the null), with ``surprisal`` its profile. ``facts``: ``peak`` (seconds), ``p``, ``verdict``: ``"right"``,
        ``"shifted"`` or ``"unclear"``, and ``add``: what to add to the words' times, a whole number of samples.

    Raises
    ------
    BrainLensError
        For a recording without word times, or one that is not fMRI; for a model without next-word probabilities.
    """
    presentation = recording.presentation
    if presentation is None:
        raise BrainLensError(
            f"{recording.id} has no times of words", remedy="Choose a story recording"
        )
    if recording.kind != "fmri":
        raise BrainLensError(
            f"{recording.id} is {recording.kind}: the expected delay is known for fMRI only",
            remedy="Look at the Time lens instead",
        )
    runs, times = recording.stimuli["run"].to_numpy(), recording.stimuli["time"].to_numpy(float)
    step, rows = presentation.interval, np.arange(recording.n_stimuli)
    signal = detrended(_regions(recording), rows, runs, step, HIGHPASS, scale=True)
    lags = np.arange(-int(reach // step), int(reach // step) + 1)
    ones = np.ones(len(presentation.words))
    profile, null = _profiles(recording, runs, times, signal, lags, seed, ones)
    best = int(profile.argmax())
    peak = float(lags[best] * step)
    p = _beyond(null, profile[best])
    chance = float(np.quantile(null.max(axis=1), 0.95))
    unclear = p > 0.05
    verdict = "unclear" if unclear else "right" if abs(lags[best]) <= TOLERANCE else "shifted"
    frame = pd.DataFrame({"offset": lags * step, "r": profile, "chance": chance})
    said, more, beside = (
        _sentence(recording, verdict, peak, lags[best], profile, best, lags, p),
        "",
        {},
    )
    if surprisal is not None:
        of = f" of {surprisal}" if isinstance(surprisal, str) else ""
        if isinstance(surprisal, str):
            if held((store := Store()).root):
                require_open(load(surprisal), recording, protocol or preset("story"), store)
            surprisal = bits_heard(surprisal, recording, protocol, report=report)
        beyond, more = _beyond_the_mean(surprisal, len(ones), recording.id)
        own, turned = _profiles(recording, runs, times, signal, lags, seed, beyond)
        frame["surprisal"] = own
        beside["p_surprisal"] = _beyond(turned, own.max())
        said += (
            f" Surprisal{of} follows it best at {lags[own.argmax()] * step:+g} s "
            f"(r = {decimal(own.max())}, {p_value(beside['p_surprisal'])})."
        )
    return Answer(
        frame,
        said,
        f"Words per sample, convolved with the canonical haemodynamic response and moved, against the signal of "
        f"{signal.shape[1]} regions (cycles over {HIGHPASS:g} s taken out). The line is chance: the 95th percentile of "
        f"the largest peak over {len(null)} signals that were turned around in their run, each by a time drawn anew."
        + more,
        facts={
            "peak": peak,
            "p": p,
            "verdict": verdict,
            "add": 0.0 if verdict != "shifted" else peak,
            **beside,
        },
        axes={
            "x_title": "Seconds added to the words' times",
            "y_title": "Pearson r with " + ("word rate" if surprisal is None else "the signal"),
            "log_x": False,
            "invert_x": False,
        },
    )


def bits_heard(
    model: str,
    recording: Recording,
    protocol: Protocol | None = None,
    *,
    known: bool = False,
    report: Report = SILENT,
) -> np.ndarray | None:
    """Surprisal of each word of a story, as a model reads it run by run.

    Parameters
    ----------
    model : str
        With next-word probabilities.
    protocol : Protocol, optional
        ``context``, ``window`` and ``word_boundary`` count; default: the preset ``story``.
    known : bool
        Only what is stored, without loading weights.

    Returns
    -------
    ndarray, shape (n_words,), bits, or None
        NaN where a word has none, such as the first of a run; None where ``known`` and nothing is stored.

    Raises
    ------
    BrainLensError
        For a model without next-word probabilities.
    """
    protocol, reader = protocol or preset("story"), load(model, report=report)
    if not reader.card.predicts_words:
        raise BrainLensError(
            f"{model} gives no surprisal: {reader.card.cls} models have no next-word probabilities",
            remedy="Name a causal or recurrent model, or an n-gram",
        )
    words = recording.reading()
    if known:
        texts = [one.text for one in passages(words, protocol.context)]
        if not is_stored(reader, texts, window=window_of(reader, protocol)):
            return None
    return word_surprisal(reader, words, protocol, report=report)["surprisal"].to_numpy(float)


def _regions(recording: Recording) -> np.ndarray:
    """Signals to look at: the mean over people of each region (of all targets where there are none), shape (n_samples, k)."""
    values = recording.responses.values
    labels = (
        recording.responses["region"].values.astype(str)
        if "region" in recording.responses.coords
        else np.zeros(values.shape[1], int).astype(str)
    )
    return np.column_stack(
        [_mean_signal(values, np.flatnonzero(labels == one)) for one in pd.unique(labels)]
    )


def _mean_signal(values: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Mean over targets of their standardised signals, a block at a time: a whole cortex need not be copied."""
    total, there = np.zeros(len(values)), np.zeros(len(values))
    for first in range(0, len(targets), BLOCK):
        block = values[:, targets[first : first + BLOCK]]
        spread = np.nanstd(block, axis=0)
        scaled = (block - np.nanmean(block, axis=0)) / np.where(spread > 0, spread, 1)
        total += np.nansum(scaled, axis=1)
        there += np.isfinite(scaled).sum(axis=1)
    return total / np.maximum(there, 1)


def _beyond_the_mean(surprisal, count: int, name: str) -> tuple[np.ndarray, str]:
    """Surprisal of each word around its mean, which would only count words; 0 where none is known, and a sentence on it."""
    values = np.asarray(surprisal, float)
    if values.shape != (count,):
        raise BrainLensError(
            f"{name}: {values.size} surprisals for {count} words",
            remedy="Give one for each word of recording.presentation.words, in its order",
        )
    unknown = int((~np.isfinite(values)).sum())
    if unknown == count:
        raise BrainLensError(
            f"{name}: none of its {count:,} words has a surprisal", remedy="Name another model"
        )
    said = " Surprisal: bits of each word around their mean, moved likewise." + (
        f" {unknown:,} of {count:,} words have none and count as the mean." if unknown else ""
    )
    return np.nan_to_num(values - np.nanmean(values)), said


def _profiles(
    recording: Recording, runs, times, signal: np.ndarray, lags: np.ndarray, seed: int, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """r over lags (mean over regions) of words with these weights, and of turned signals, shape (NULLS, n_lags)."""
    presentation = recording.timed
    rate = resample(weights[:, None], presentation, runs, times, "sum")[:, 0]
    kernel = hrf(presentation.interval)
    expected = np.zeros((len(rate), len(lags)))
    for run in pd.unique(runs):
        rows = np.flatnonzero(runs == run)
        driven = np.convolve(rate[rows], kernel)[: len(rows)]
        for number, lag in enumerate(lags):
            target = np.arange(len(rows)) + lag
            inside = (target >= 0) & (target < len(rows))
            expected[rows[target[inside]], number] = driven[inside]
    filtered = partial(
        detrended, rows=np.arange(len(rate)), runs=runs, interval=presentation.interval, seconds=HIGHPASS, scale=True
    )  # fmt: skip
    expected = filtered(expected)
    expected /= np.maximum(np.linalg.norm(expected, axis=0), 1e-12)
    rng = np.random.default_rng(seed)

    def r(values: np.ndarray) -> np.ndarray:
        unit = values / np.maximum(np.linalg.norm(values, axis=0), 1e-12)
        return (expected.T @ unit).mean(axis=1)

    null = []
    for _ in range(NULLS):
        turned = signal.copy()
        for run in pd.unique(runs):
            rows = np.flatnonzero(runs == run)
            # by nothing too: a null that spares the signal's own place is too narrow (.028 for .01 of one run of noise)
            turned[rows] = np.roll(signal[rows], rng.integers(len(rows)), axis=0)
        null.append(r(filtered(turned)))  # turned, a signal has drifts again, which took from its r
    return r(signal), np.array(null)


def _beyond(null: np.ndarray, peak: float) -> float:
    """p of a largest r among those of turned signals, shape (draws, n_lags)."""
    return float((1 + (null.max(axis=1) >= peak).sum()) / (1 + len(null)))


def _sentence(recording, verdict, peak, samples, profile, best, lags, p) -> str:
    here = decimal(profile[list(lags).index(0)])
    if verdict == "unclear":
        return (
            f"{recording.id}: no offset of the words follows the signal beyond chance (largest r {decimal(profile[best])}, "
            f"{p_value(p)}): whether the words stand where they were heard cannot be told."
        )
    if verdict == "right":
        return (
            f"{recording.id}: the words stand where the signal heard them "
            f"(r = {decimal(profile[best])} at {peak:+g} s, {p_value(p)})."
        )
    late = "late" if peak < 0 else "early"
    verb = "subtract" if peak < 0 else "add"
    return (
        f"{recording.id}: word times run {abs(peak):g} s {late}: {verb} {abs(peak):g} s ({abs(int(samples))} samples). "
        f"Word rate follows the signal with r = {decimal(profile[best])} there and {here} as they stand ({p_value(p)})."
    )
