"""How alike people's signals are over one story: inter-subject correlation, and the ceiling that follows from it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from analysis.ceiling.result import Ceiling
from analysis.features.time import detrended
from analysis.protocol import Protocol
from analysis.statistics.bootstrap import recentred
from data.recording import Recording

__all__ = ["synchrony", "synchrony_ceiling"]

DRAWS = 1000
SPLITS = 50
"""Random halves of the others behind the reliability of their mean."""


def synchrony(recording: Recording, protocol: Protocol) -> np.ndarray:
    """r of each target with the mean of its region in everybody else, shape (n_targets,); NaN where nobody else has it.

    Drifts are taken out of whole runs: nothing is fitted to anybody, so nothing can leak. Source: Hasson et al. 2004, doi
    10.1126/science.1089506; leave-one-out as in Nastase et al. 2019, doi 10.1093/scan/nsz037.
    """
    values, people, regions = _signals(recording, protocol)
    out = np.full(recording.n_targets, np.nan)
    for region in pd.unique(regions):
        mine = np.flatnonzero(regions == region)
        if len(mine) < 2 or len(set(people[mine])) < len(mine):
            continue
        z = _unit(values[:, mine])
        others = np.nansum(z, axis=1, keepdims=True) - np.nan_to_num(z)
        others[np.isnan(z)] = np.nan  # samples that the person has
        out[mine] = np.nansum(_unit(z) * _unit(others), axis=0)
    return out


def synchrony_ceiling(recording: Recording, protocol: Protocol, *, seed: int = 0) -> Ceiling:
    r"""Ceiling of one person's signal: what the shared part of it would let a perfect model reach.

    .. math:: c = \frac{\overline{r(y_s, \bar y_{-s})}}{\sqrt{\overline{\rho(\bar y_{-s})}}}

    with the reliability :math:`\rho` of the others' mean from random halves of them (Spearman-Brown, from the size of a half to
    that of all others); numerator and denominator are averaged over targets and people before one ratio is taken. Intervals
    draw people, wider for few of them: :math:`\sqrt{n / (n - 1)}` times Student's t over the normal quantile. They hold for
    this story.

    Returns
    -------
    Ceiling
        Of kind ``"synchrony"``, with the plain inter-subject correlation as its lower bound; ``none`` where no region is
        shared.
    """
    plain = synchrony(recording, protocol)
    if not np.isfinite(plain).any():
        return Ceiling.none(
            "no two people have the same region: nothing says how alike they are",
            recording.n_targets,
        )
    values, people, regions = _signals(recording, protocol)
    reliability = np.full(recording.n_targets, np.nan)
    rng = np.random.default_rng(seed)
    for region in pd.unique(regions):
        mine = np.flatnonzero(regions == region)
        if np.isfinite(plain[mine]).all() and len(mine) >= 4:
            reliability[mine] = _reliability(_unit(values[:, mine]), rng)
    names = pd.unique(people)
    by_person = pd.DataFrame({"person": people, "r": plain, "rho": reliability}).groupby(
        "person", sort=False
    )
    table = by_person.mean().loc[names]
    picks = rng.integers(0, len(names), (DRAWS, len(names)))
    r, rho = table["r"].to_numpy(), table["rho"].to_numpy()
    bound = _ceiling("leave-one-out", r.mean(), r[picks].mean(axis=1), plain, len(names), "")
    with np.errstate(invalid="ignore", divide="ignore"):
        value = r.mean() / np.sqrt(rho.mean())
        draws = r[picks].mean(axis=1) / np.sqrt(rho[picks].mean(axis=1))
        each = plain / np.sqrt(reliability)
    note = "what people share because of the sound or of arousal counts in it: no ceiling of language alone"
    found = _ceiling("synchrony", value, draws, each, len(names), note)
    return replace(found, lower_bound=bound)


def _ceiling(kind: str, value, draws, each, people: int, note: str) -> Ceiling:
    from scipy.stats import norm, t

    if people > 1:
        few = np.sqrt(people / (people - 1)) * t.ppf(0.975, people - 1) / norm.ppf(0.975)
        draws = recentred(np.asarray(draws, float), value, float(few))
    low, high = np.quantile(draws, [0.025, 0.975]) if np.isfinite(draws).all() else (np.nan, np.nan)
    doubts = [note] if note else []
    if people < 3:
        doubts.insert(0, f"{people} people are too few for a ceiling")
    if not low > 0:
        doubts.insert(0, "its interval includes 0")
    return Ceiling(
        kind,
        float(value),
        float(low),
        float(high),
        np.asarray(each, float),
        bool(people >= 3 and low > 0 and kind == "synchrony"),
        "; ".join(doubts),
        "targets",
        "people",
        np.asarray(draws, float),
    )


def _signals(recording: Recording, protocol: Protocol):
    """Filtered, z-scored signals (n_samples, n_targets), and person and region of each target."""
    runs = recording.stimuli["run"].to_numpy()
    values = detrended(
        recording.responses.values,
        np.arange(recording.n_stimuli),
        runs,
        recording.timed.interval,
        protocol.highpass,
        scale=True,
    )
    people = recording.subjects
    coords = recording.responses.coords
    regions = (
        coords["region"].values.astype(str)
        if "region" in coords
        else np.array([str(t).partition(".")[2] for t in coords["target"].values])
    )
    people = np.array([""] * len(regions)) if people is None else people
    return values, people, regions


def _unit(values: np.ndarray) -> np.ndarray:
    """Columns of mean 0 and length 1 over the samples they have."""
    values = values - np.nanmean(values, axis=0)
    return values / np.maximum(np.sqrt(np.nansum(values**2, axis=0)), 1e-12)


def _reliability(z: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Reliability of the mean of everybody but one, for each left out, shape (n_people,)."""
    out = np.empty(z.shape[1])
    for person in range(z.shape[1]):
        others = np.delete(z, person, axis=1)
        half = others.shape[1] // 2
        found = []
        for _ in range(SPLITS):
            order = rng.permutation(others.shape[1])
            halves = [others[:, some] for some in (order[:half], order[half : 2 * half])]
            both = ~np.any([np.isnan(some).all(axis=1) for some in halves], axis=0)
            one, two = (_unit(np.nanmean(some[both], axis=1, keepdims=True)) for some in halves)
            found.append(float((one * two).sum()))
        r = float(np.mean(found))
        single = r / (half - (half - 1) * r)  # of one person, from halves of that many
        count = others.shape[1]
        out[person] = count * single / (1 + (count - 1) * single)
    return out
