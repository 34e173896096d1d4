"""Recordings with a planted truth: what the answer is, is known, so that a method can be seen to find it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from data.embedded import recording
from data.errors import BrainLensError, unknown
from data.recording import Recording

__all__ = ["SIMULATIONS", "default", "hrf", "simulate"]

SIMULATIONS = {
    "fmri_sentence": ("fmri", "a.u.", "sentence"),
    "ecog_word": ("ecog", "a.u.", "word"),
    "story_tr": ("fmri", "a.u.", "tr"),
    "reading_times": ("reading_times", "ms", "word"),
}
"""What can be simulated: ``{name: (kind, unit, scored unit)}``."""

SPILLOVER = (
    1.0,
    0.5,
    0.25,
)  # share of a word's effect that shows on it and on the two words after it
MEAN_RT, SD_RT = 330.0, 40.0  # ms; where self-paced reading lies


def simulate(
    features: np.ndarray,
    stimuli: pd.DataFrame,
    *,
    kind: str = "fmri_sentence",
    n_subjects: int = 5,
    targets_per_subject: int = 10,
    noise: float = 1.0,
    autocorrelation: float = 0.0,
    length_effect: float = 0.0,
    position_effect: float = 0.0,
    noise_targets: int = 0,
    context: str | None = None,
    group: str | None = None,
    within: str | None = None,
    tr: float = 2.0,
    spillover: Sequence[float] = SPILLOVER,
    layer: int | None = None,
    seed: int = 0,
    id: str = "simulated",
    **facts,
) -> Recording:
    r"""People who respond to ``features``, and to nothing else but what is said here.

    Target :math:`k` of subject :math:`s` at stimulus :math:`t` is

    .. math:: y_{skt} = h * (x_t w_k + a \, \ell_t + b \, p_t) + \sigma \, e_{skt},
              \quad e_{skt} = \rho \, e_{sk,t-1} + \sqrt{1 - \rho^2} \, \epsilon_{skt}

    with the features' part :math:`x_t w_k`, the length :math:`\ell` in words (in letters where a stimulus is one word) and the
    position :math:`p` inside the context group each of mean 0 and variance 1. The weights :math:`w_k` are standard normal and the
    same for all subjects, so that subjects share the signal; :math:`h` is nothing (sentences, ECoG words), a haemodynamic
    response (story TRs) or spillover onto the next words (reading times). Both :math:`h` and the noise end with a
    context group.

    Parameters
    ----------
    features : array (n_stimuli, n_features)
        What drives the responses, such as one layer of a model or the surprisal of each word.
    stimuli : pandas.DataFrame
        One row per stimulus, with a column ``text``.
    kind : str
        One of :data:`SIMULATIONS`.
    n_subjects, targets_per_subject, noise_targets : int
        People, targets with signal and targets of pure noise in each.
    noise : float
        sigma: standard deviation of the noise, where the features' part has 1.
    autocorrelation : float
        rho of the noise from one stimulus to the next, in [0, 1).
    length_effect, position_effect : float
        a and b.
    context, group, within : str
        Columns of ``stimuli`` as in :class:`data.recording.Recording`.
    tr : float
        Seconds between two rows (story TRs only).
    spillover : sequence of float
        Weight of a word's effect on itself, the next word, the one after, ... (reading times only).
    layer : int
        Which layer of a model ``features`` is, to be kept among the truths.
    seed : int
        Seed of weights and noise.
    id : str
        Id of the recording.
    **facts
        Further fields of :class:`data.recording.Recording` (roles, notes, citation, ...).

    Returns
    -------
    Recording
        With ``simulated=True``; target coordinates ``subject``, ``planted`` (False for pure noise) and ``pair`` (the same number
        for targets that share a signal across subjects). ``truth`` holds every parameter and
        ``ceiling``: r between one subject's target and what drives it, :math:`\sqrt{V / (V + \sigma^2)}`, with V the variance of
        the driven part;
        ``reliability``: its square, r between two subjects' targets;
        ``ceiling_average``: the same ceiling for the mean over the subjects, with :math:`\sigma^2 / n`;
        ``model_ceiling``: r that the features alone can reach, without length and position.
        Each is the mean over the planted targets; ``ceilings`` holds the first per target pair.

    Raises
    ------
    BrainLensError
        For parameters out of range or features that do not fit the stimuli.
    """
    if kind not in SIMULATIONS:
        raise unknown("kind of simulation", kind, SIMULATIONS)
    features = np.asarray(features, dtype=np.float64)
    features = features[:, None] if features.ndim == 1 else features
    _check(features, stimuli, noise, autocorrelation, n_subjects, targets_per_subject)
    rng = np.random.default_rng(seed)
    measure, unit, scored_unit = SIMULATIONS[kind]
    blocks = (
        pd.factorize(stimuli[context])[0]
        if context is not None
        else np.zeros(len(stimuli), dtype=int)
    )
    kernel = {"story_tr": hrf(tr), "reading_times": np.asarray(spillover, float)}.get(
        kind, np.ones(1)
    )

    signal = _standard(
        _standard(features) @ rng.standard_normal((features.shape[1], targets_per_subject))
    )
    nuisance = (
        length_effect * _standard(_length(stimuli["text"]))[:, None]
        + position_effect * _standard(_position(blocks))[:, None]
    )
    driven = _convolve(signal + nuisance, kernel, blocks)
    modelled = _convolve(signal, kernel, blocks)

    columns, subjects, names, planted, pairs = [], [], [], [], []
    for subject in range(1, n_subjects + 1):
        noises = noise * _noise(rng, blocks, targets_per_subject + noise_targets, autocorrelation)
        columns.append(
            np.hstack([driven + noises[:, :targets_per_subject], noises[:, targets_per_subject:]])
        )
        count = targets_per_subject + noise_targets
        subjects += [f"s{subject}"] * count
        names += [f"s{subject}.t{k + 1}" for k in range(targets_per_subject)] + [
            f"s{subject}.noise{k + 1}" for k in range(noise_targets)
        ]
        planted += [True] * targets_per_subject + [False] * noise_targets
        pairs += list(range(1, count + 1))
    values = np.hstack(columns)
    scale = SD_RT if unit == "ms" else 1.0
    values = values * scale + (MEAN_RT if unit == "ms" else 0.0)

    table = stimuli.copy()
    if "position" not in table.columns:
        table["position"] = _position(blocks).astype(int)
    ids = table.index.to_numpy() if table.index.is_unique else np.arange(len(table))
    table.index = pd.Index(ids, name="stimulus")
    responses = xr.DataArray(
        values,
        dims=("stimulus", "target"),
        coords={
            "stimulus": ids,
            "target": np.array(names, dtype=object),
            "subject": ("target", np.array(subjects, dtype=object)),
            "planted": ("target", np.array(planted)),
            "pair": ("target", np.array(pairs)),
        },
    )
    truth = {
        "kind": kind,
        "noise": noise,
        "autocorrelation": autocorrelation,
        "length_effect": length_effect,
        "position_effect": position_effect,
        "seed": seed,
        "n_subjects": n_subjects,
        "kernel": [float(k) for k in kernel],
        "noise_targets": [n for n, p in zip(names, planted) if not p],
        **_ceilings(driven, modelled, noise, n_subjects),
    }
    if layer is not None:
        truth["layer"] = layer
    notes = (
        *facts.pop("notes", ()),
        "simulated: the responses were computed, no person was measured",
    )
    return Recording(
        id=id,
        responses=responses,
        stimuli=table,
        kind=measure,
        unit=unit,
        scored_unit=scored_unit,
        context=context,
        group=group,
        within=within,
        simulated=True,
        truth=truth,
        notes=notes,
        **facts,
    )


def hrf(tr: float, seconds: float = 24.0) -> np.ndarray:
    r"""The canonical haemodynamic response sampled every ``tr`` seconds from 0, scaled to unit sum.

    Two gamma densities, :math:`g(t; 6) - g(t; 16) / 6` with unit scale (Friston et al. 1998): peak at 5 s, undershoot at 15 s.
    """
    from math import gamma

    times = np.arange(0.0, seconds, tr)
    values = times**5 * np.exp(-times) / gamma(6) - times**15 * np.exp(-times) / gamma(16) / 6
    return values / values.sum()


def default() -> Recording:
    """The recording that ships with BrainLens, id ``simulated``: original sentences, simulated people."""
    return recording()


# ---- parts ----------------------------------------------------------------------------------------------------------------
def _check(features, stimuli, noise, autocorrelation, n_subjects, targets) -> None:
    if len(features) != len(stimuli):
        raise BrainLensError(
            f"features has {len(features)} rows for {len(stimuli)} stimuli",
            remedy="Give one row per stimulus",
        )
    if not np.isfinite(features).all():
        raise BrainLensError(
            f"features holds {int((~np.isfinite(features)).sum())} values that are not finite",
            remedy="Fill them in",
        )
    if (features.std(axis=0) == 0).all():
        raise BrainLensError(
            "features is constant: there is nothing to plant",
            remedy="Give features that vary over stimuli",
        )
    if not 0 <= autocorrelation < 1:
        raise BrainLensError(
            f"autocorrelation={autocorrelation} is not in [0, 1)",
            remedy="For example autocorrelation=0.4",
        )
    if noise < 0:
        raise BrainLensError(f"noise={noise} is negative", remedy="For example noise=1.0")
    if n_subjects < 1 or targets < 1:
        raise BrainLensError(
            f"n_subjects={n_subjects}, targets_per_subject={targets}: at least 1 of each is needed",
            remedy="For example n_subjects=5, targets_per_subject=10",
        )


def _standard(values: np.ndarray) -> np.ndarray:
    """Mean 0 and variance 1 in every column; a constant column becomes 0."""
    sd = values.std(axis=0)
    return (values - values.mean(axis=0)) / np.where(sd > 0, sd, 1.0)


def _length(texts: pd.Series) -> np.ndarray:
    words = texts.str.split().str.len()
    return (texts.str.strip().str.len() if (words == 1).all() else words).to_numpy(float)


def _position(blocks: np.ndarray) -> np.ndarray:
    return pd.Series(blocks).groupby(blocks).cumcount().to_numpy(float)


def _convolve(values: np.ndarray, kernel: np.ndarray, blocks: np.ndarray) -> np.ndarray:
    """Each block's rows convolved with a causal kernel."""
    if len(kernel) == 1:
        return values * kernel[0]
    out = np.zeros_like(values)
    for block in np.unique(blocks):
        rows = np.flatnonzero(blocks == block)
        for lag, weight in enumerate(kernel[: len(rows)]):
            out[rows[lag:]] += weight * values[rows[: len(rows) - lag]]
    return out


def _noise(rng: np.random.Generator, blocks: np.ndarray, n: int, rho: float) -> np.ndarray:
    """Stationary AR(1) noise of unit variance, begun anew in every block, shape (n_stimuli, n)."""
    noise = rng.standard_normal((len(blocks), n))
    for t in range(1, len(blocks)):
        if rho and blocks[t] == blocks[t - 1]:
            noise[t] = rho * noise[t - 1] + np.sqrt(1 - rho**2) * noise[t]
    return noise


def _ceilings(driven: np.ndarray, modelled: np.ndarray, noise: float, n_subjects: int) -> dict:
    variance = driven.var(axis=0)
    single = variance / (variance + noise**2)
    spread = driven.std(axis=0) * modelled.std(axis=0)
    shared = ((driven - driven.mean(axis=0)) * (modelled - modelled.mean(axis=0))).mean(
        axis=0
    ) / np.where(spread > 0, spread, 1.0)
    ceilings = np.sqrt(single)
    return {
        "ceiling": float(ceilings.mean()),
        "reliability": float(single.mean()),
        "ceiling_average": float(np.sqrt(variance / (variance + noise**2 / n_subjects)).mean()),
        "model_ceiling": float((ceilings * shared).mean()),
        "ceilings": [float(c) for c in ceilings],
    }
