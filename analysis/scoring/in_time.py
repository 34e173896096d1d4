"""Scores of recordings whose rows are moments: features follow the signal, and each held-out block is filtered by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from analysis.features.controls import features as controls_by_name
from analysis.features.time import beside, convolve, delayed, detrended, pieces, resample
from analysis.mapping.banded import BandedFit, banded_ridge
from analysis.mapping.decomposed import Decomposed, decompose
from analysis.mapping.group_out import SPREAD
from analysis.progress import Report
from analysis.protocol import Protocol
from analysis.scoring.solver import cross_validate_under, solver_device
from data.errors import BrainLensError, unknown
from data.mapped import laid_down
from data.recording import Recording

__all__ = [
    "CONTROLS",
    "banded_in_time",
    "controls_in_time",
    "cross_validate_in_time",
    "followed",
    "nuisance",
    "own_nuisance",
    "quiet",
]

CONTROLS = {
    "word-rate": "one for every word: when words come, and nothing of what they say",
    "word-length": "letters of the word",
    "log-frequency": "Zipf frequency of the word (wordfreq)",
    "sound-power": "power of the sound, where the recording has it",
    "random-embedding": "a random vector in (0, 1) for each word type; unlike vectors around 0 it carries word rate",
    "oasm": "knows when a sample came and nothing of what was said: a smoothed identity, one width per entry",
}
"""Controls of recordings whose rows are samples: name -> what it is, in one line."""


def followed(values: np.ndarray, recording: Recording, protocol: Protocol) -> np.ndarray:
    """Features of words (or of samples) as the signal should follow them: resampled, then delayed or convolved.

    Parameters
    ----------
    values : ndarray, shape (n_words, n_units) or (n_samples, n_units)
        Of a recording without times of words: returned as they are.

    Returns
    -------
    ndarray, shape (n_samples, n_units * n_delays)

    Raises
    ------
    BrainLensError
        Where the rows are neither the words nor the samples.
    """
    if not recording.sampled:
        return values
    table, words = recording.stimuli, recording.timed.words
    runs = table["run"].to_numpy()
    if len(values) == len(words):
        times = table["time"].to_numpy(float)
        values = resample(values, recording.timed, runs, times, protocol.resample)
    elif len(values) != len(table):
        raise BrainLensError(
            f"{recording.id}: features has {len(values)} rows, for {len(words)} words in {len(table)} samples",
            remedy="Give one row per word or per sample",
        )
    if protocol.hrf == "fir":
        return delayed(values, runs, protocol.delays)
    if protocol.hrf == "none":
        return np.asarray(values, float)
    return convolve(values, runs, recording.timed.interval, protocol.hrf)


# ---- nuisance --------------------------------------------------------------------------------------------------------
def nuisance(recording: Recording, protocol: Protocol) -> dict[str, np.ndarray]:
    """What the protocol partials out that is the same for everybody, as the signal should follow it.

    Returns
    -------
    dict of str to ndarray, shape (n_samples, k)
        ``word-rate``, and columns of the recording by name; those that differ between people are :func:`own_nuisance`.

    Raises
    ------
    BrainLensError
        For a name that the recording does not have.
    """
    if not recording.sampled:
        return {}
    known, found = recording.timed.nuisance, {}
    for name in protocol.nuisance:
        if name == "word-rate":
            found[name] = followed(np.ones((len(recording.timed.words), 1)), recording, protocol)
        elif name in known and "subject" not in known[name].dims:
            found[name] = followed(known[name].values[:, None], recording, protocol)
        elif name not in known and not any(one.startswith(name) for one in known):
            if name in OPTIONAL:
                continue
            raise unknown(f"nuisance of {recording.id}", name, ["word-rate", *known])
    return found


OPTIONAL = ("sound-power", "motion")
"""Nuisance that a preset asks for where the recording has it."""


def own_nuisance(recording: Recording, protocol: Protocol) -> dict[str, np.ndarray]:
    """Nuisance that differs between people, such as motion: subject -> (n_samples, k); taken out of that person's own signal."""
    if not recording.sampled:
        return {}
    found: dict[str, list[np.ndarray]] = {}
    for name, values in recording.timed.nuisance.items():
        wanted = any(name == one or name.startswith(f"{one}-") for one in protocol.nuisance)
        if wanted and "subject" in values.dims:
            for subject, column in zip(values["subject"].values, values.values.T):
                found.setdefault(str(subject), []).append(column)
    return {subject: np.column_stack(columns) for subject, columns in found.items()}


def controls_in_time(recording: Recording, protocol: Protocol, width: int) -> dict[str, np.ndarray]:
    """The protocol's controls as the signal should follow them, each of shape (n_samples, k).

    Parameters
    ----------
    width : int
        Units of the random embedding: those of the model it stands beside.

    Raises
    ------
    BrainLensError
        For a name that is no control of samples. A power of the sound that the recording does not have is left out.
    """
    words = recording.reading()
    texts, made = words.texts, {}
    for name in protocol.controls:
        if name == "word-rate":
            values = np.ones((len(texts), 1))
        elif name in ("word-length", "length"):
            values = np.array([[len(text)] for text in texts], float)
        elif name == "log-frequency":
            values = controls_by_name(words, [name])[name][:, :1]
        elif name == "random-embedding":
            values = uniform_embedding(texts, width, protocol.seed)
        elif name == "sound-power":
            known = recording.timed.nuisance.get(name)
            if known is None:
                continue
            values = known.values[:, None]
        elif name == "position":
            continue  # a drift, and drifts are filtered out
        elif name == "oasm" or name.startswith("oasm:"):
            made |= controls_by_name(recording, [name])
            continue
        else:
            raise unknown("control", name, CONTROLS)
        made[name] = followed(values, recording, protocol)
    return made


def uniform_embedding(texts: Sequence[str], width: int, seed: int) -> np.ndarray:
    """A vector uniform in (0, 1) for each word type, shape (n_words, width)."""
    types = {word: number for number, word in enumerate(dict.fromkeys(map(str.lower, texts)))}
    table = np.random.default_rng(seed).uniform(0, 1, (len(types), width))
    return table[[types[text.lower()] for text in texts]]


def banded_in_time(
    bands: Mapping[str, np.ndarray],
    folds: Sequence[tuple[np.ndarray, np.ndarray]],
    inner: Sequence,
    rows: np.ndarray,
    recording: Recording,
    protocol: Protocol,
    **how,
) -> BandedFit:
    """As :func:`analysis.mapping.banded.banded_ridge`, each fold filtered by itself; folds are places among ``rows``."""
    fits = []
    for (train, test), inside in zip(folds, inner, strict=True):
        both = np.concatenate([train, test])
        place = np.full(len(rows), -1)
        place[both] = np.arange(len(both))

        def apart(values: np.ndarray, *, responses: bool = False, sides=(train, test)):
            whole = np.empty((recording.n_stimuli, values.shape[1]))
            whole[rows] = values
            return np.concatenate(
                [
                    quiet(whole, rows[side], recording, protocol, responses=responses)
                    for side in sides
                ]
            )

        fits.append(
            banded_ridge(
                {name: apart(values) for name, values in bands.items()},
                apart(recording.responses.values[rows], responses=True),
                [(place[train], place[test])],
                [[(place[a], place[b]) for a, b in inside]],
                **how,
            )
        )
    first = fits[0]
    return BandedFit(
        first.bands,
        {one: np.concatenate([fit.r2[one] for fit in fits]) for one in first.r2},
        {one: np.concatenate([fit.r[one] for fit in fits]) for one in first.r},
        np.concatenate([fit.weights for fit in fits]),
        max(fit.left_out for fit in fits),
        first.tried,
    )


# ---- folds -----------------------------------------------------------------------------------------------------------
def quiet(
    values: np.ndarray,
    rows: np.ndarray,
    recording: Recording,
    protocol: Protocol,
    *,
    responses: bool = False,
) -> np.ndarray:
    """The given rows of features or responses without slow drifts, each contiguous piece by itself.

    Responses also lose what follows the person's own nuisance, and are z-scored by piece where the protocol says so.
    """
    runs, step = recording.stimuli["run"].to_numpy(), recording.timed.interval
    if not responses:
        return detrended(values, rows, runs, step, protocol.highpass)
    own = own_nuisance(recording, protocol)
    out = detrended(values, rows, runs, step, protocol.highpass, scale=protocol.standardize_run)
    subjects = recording.subjects
    if own and subjects is not None:
        people = [subject for subject in pd.unique(subjects) if subject in own]
        moved = detrended(
            np.column_stack([own[subject] for subject in people]),
            rows,
            runs,
            step,
            protocol.highpass,
        )
        ends = np.cumsum([0, *(own[subject].shape[1] for subject in people)])
        places = [np.flatnonzero(subjects == subject) for subject in people]
        for piece in pieces(rows, runs):
            for mine, first, last in zip(places, ends, ends[1:]):
                block = np.ix_(piece, mine)
                out[block] = beside(out[block], moved[piece, first:last])
    return out


def cross_validate_in_time(
    features: np.ndarray,
    folds: Sequence[tuple[np.ndarray, np.ndarray]],
    chosen: dict,
    inner_of,
    recording: Recording,
    protocol: Protocol,
    report: Report,
    *,
    targets: np.ndarray,
    predictions: bool,
    kept: dict[int, Decomposed] | None = None,
) -> tuple[SimpleNamespace, np.ndarray]:
    """As :func:`analysis.mapping.cross_validate`, training rows and held-out block filtered apart in each fold.

    Where the held-out rows are scattered (a shuffled twin) there are no blocks to filter, and the whole run is filtered: the
    leak that the twin is there to show. Where whole runs are held out both ways are the same, and the run is filtered once.

    Parameters
    ----------
    features : ndarray, shape (n_samples, n_units)
    folds : list of (train, test)
        Rows of the recording.
    chosen : dict
        How alpha is chosen, as arguments of :func:`analysis.mapping.cross_validate`, with inner folds in rows of the recording.
    inner_of : callable or None
        (features, responses, inner folds) -> (1, n_targets), the inner score where the solver gives none.
    targets : ndarray of int
        Targets to fit.
    kept : dict, optional
        Fold -> its features, filtered and decomposed: filled, and used where a fold is in it, when the same features and folds
        are gone through block by block of targets.

    Returns
    -------
    fit : namespace
        Fields of the solver's fit.
    held : ndarray, shape (n_samples, n_targets)
        Responses as they were compared with predictions; NaN where a row was never held out.
    """
    runs = recording.stimuli["run"].to_numpy()
    responses = recording.responses.values[:, targets]
    view = recording.select(targets=targets) if len(targets) < recording.n_targets else recording
    once = all(_one_pass(train, test, runs) for train, test in folds)

    @cache
    def whole(of_responses: bool) -> np.ndarray:
        values = responses if of_responses else features
        return quiet(values, np.arange(len(runs)), view, protocol, responses=of_responses)

    def filtered(of_responses: bool, *sides: np.ndarray) -> np.ndarray:
        """Features or responses of some rows and then others, as a fold sees them."""
        if once:
            return whole(of_responses)[np.concatenate(sides)]
        values = responses if of_responses else features
        return np.concatenate(
            [quiet(values, rows, view, protocol, responses=of_responses) for rows in sides]
        )

    def seen_by(number: int, fold, y: np.ndarray) -> np.ndarray | Decomposed:
        """A fold's features; decomposed where other targets are to come and every row has a response."""
        if kept is None or np.isnan(y).any():
            return filtered(False, *folds[number])
        if number not in kept:
            x = filtered(False, *folds[number])
            if not _worth_keeping(x, y, protocol, chosen["criterion"], inner_of):
                return x
            kept[number] = _spread_out(
                decompose(x, fold, standardize=protocol.standardize, targets=y.shape[1])
            )
        return kept[number]

    if once and _apart(folds) and not np.isnan(responses).any():
        y = whole(True)
        x = None if kept is None else kept.get(ALL)
        if x is None:
            x = whole(False)
            if kept is not None and _worth_keeping(x, y, protocol, chosen["criterion"], inner_of):
                how = {"standardize": protocol.standardize, "targets": y.shape[1]}
                x = kept[ALL] = _spread_out(decompose(x, folds, **how))
        return _side_by_side(x, y, folds, chosen, inner_of, protocol, predictions, report)

    # of a whole cortex each of these is a gigabyte: they are made once, in the responses' own precision
    held = np.full(responses.shape, np.nan, responses.dtype)
    guesses: Any = np.full(responses.shape, np.nan, responses.dtype) if predictions else None
    fits, names = [], ("r", "r2", "alpha", "constant", "dropped")
    for number, (train, test) in enumerate(folds):
        both = np.concatenate([train, test])
        y = filtered(True, train, test)
        place = np.full(len(runs), -1)
        place[both] = np.arange(len(both))
        here = dict(chosen)
        if chosen.get("inner_folds"):
            here["inner_folds"] = [[(place[a], place[b]) for a, b in chosen["inner_folds"][number]]]
        fold = [(place[train], place[test])]
        x = seen_by(number, fold, y)
        fit = cross_validate_under(
            protocol,
            x,
            np.ascontiguousarray(y, dtype=np.float32),
            fold,
            **here,
            predictions=predictions,
            report=report,
        )
        inner = fit.inner[0] if fit.inner is not None else None
        if inner is None and inner_of is not None:
            inner = inner_of(x, y, number, place)
        held[test] = y[len(train) :]
        if predictions:  # the first one counts where a row is held out more than once
            known, new = guesses[test], fit.predictions[0][place[test]]
            guesses[test] = np.where(np.isnan(known), new, known)
        fits.append({**{name: getattr(fit, name)[0] for name in names}, "inner": inner})
    joined = SimpleNamespace(
        **{name: np.concatenate([fit[name] for fit in fits])[None] for name in names},
        inner=None
        if any(fit["inner"] is None for fit in fits)
        else np.concatenate([fit["inner"] for fit in fits])[None],
        predictions=None if guesses is None else guesses[None],
    )
    return joined, held


ALL = -1
"""Place of a decomposition on all folds among those of single ones."""


def _apart(folds) -> bool:
    """Whether no row is held out twice."""
    tested = np.concatenate([test for _, test in folds])
    return len(np.unique(tested)) == len(tested)


def _side_by_side(
    x,
    y: np.ndarray,
    folds,
    chosen: dict,
    inner_of,
    protocol: Protocol,
    predictions: bool,
    report: Report,
) -> tuple[SimpleNamespace, np.ndarray]:
    """All folds in one call: where runs are filtered whole, every fold sees the same features and responses."""
    single = np.ascontiguousarray(y, dtype=np.float32)
    fit = cross_validate_under(
        protocol, x, single, folds, **chosen, predictions=predictions, report=report
    )
    inner, place = fit.inner, np.arange(len(y))
    if inner is None and inner_of is not None:
        inner = np.concatenate([inner_of(x, y, number, place) for number in range(len(folds))])[
            None
        ]
    held = np.full(y.shape, np.nan, y.dtype)
    tested = np.concatenate([test for _, test in folds])
    held[tested] = y[tested]
    names = ("r", "r2", "alpha", "constant", "dropped")
    found = SimpleNamespace(
        **{name: getattr(fit, name) for name in names},
        inner=inner,
        predictions=fit.predictions if predictions else None,
    )
    return found, held


def _spread_out(found: Decomposed) -> Decomposed:
    """A decomposition whose larger arrays lie on disk (all folds of a whole cortex take gigabytes), for blocks of targets."""
    for layer in found.known:
        layer.kept = {}
        for one in layer.spectra.values():
            one.q, one.p = laid_down(one.q, least=SPREAD), laid_down(one.p, least=SPREAD)
    return found


def _worth_keeping(x, y, protocol: Protocol, criterion: str, inner_of) -> bool:
    """Whether a fold's decomposition is all that the next targets need of its features."""
    enough = criterion == "logo" or (criterion in ("gcv", "loo") and inner_of is None)
    plain = protocol.method == "ridge" and protocol.dimensions == "all"
    return enough and plain and solver_device(x, y) == "cpu"


def _one_pass(train: np.ndarray, test: np.ndarray, runs: np.ndarray) -> bool:
    """Whether filtering whole runs is right (whole runs held out) or all that can be done (scattered rows)."""
    whole = not set(runs[train]) & set(runs[test])
    scattered = len(pieces(test, runs)) > 2 * len(set(runs[test]))
    return whole or scattered
