"""What is asked of a recording and a protocol beside one model's score: OASM, and joint fits beyond other controls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import xarray as xr

from analysis.features.controls import SIGMAS, oasm
from analysis.progress import SILENT, Report
from analysis.protocol import Protocol
from analysis.scoring.case import Case
from analysis.scoring.comparisons import joint_fits
from analysis.scoring.folds import fit_with_twin, runs
from analysis.scoring.summary import ends, summarise
from analysis.store.keys import content_key
from analysis.store.store import Store
from data.errors import BrainLensError
from data.recording import Recording

__all__ = [
    "OASM_STIMULI",
    "Oasm",
    "beyond",
    "first_seed",
    "no_oasm",
    "oasm_key",
    "oasm_of",
    "stored_oasm",
]

OASM_STIMULI = 4000
"""OASM has a column for each stimulus; above so many its fits would outlast everything else."""


# ---- OASM -----------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Oasm:
    """The text-free autocorrelation model on a recording, under held-out groups and under shuffled folds.

    Parameters
    ----------
    grouped, low, high : float
        r under the protocol's own folds with its interval.
    shuffled : float
        r under the shuffled twin.
    sigma : float
        Width, in stimuli, with the highest shuffled r: the leak is what the worst width finds.
    widths : pandas.DataFrame
        sigma, grouped, shuffled of every width.
    """

    grouped: float
    low: float
    high: float
    shuffled: float
    sigma: float
    widths: pd.DataFrame


def first_seed(protocol: Protocol) -> Protocol:
    """The protocol under its first fold seed, with a shuffled twin: what a comparison in kind needs."""
    return replace(protocol.each_seed()[0], shuffled_twin=True)


def oasm_key(content_hash: str, protocol: Protocol) -> str:
    """Where OASM lies in the store; known from the provenance of a score alone."""
    return content_key("oasm", content_key("data", content_hash, first_seed(protocol).key()))


def no_oasm(recording: Recording) -> str:
    """Why OASM is not computed on a recording, in words; empty where it can be."""
    if recording.sampled:
        return "its rows are samples of a run"
    many = recording.n_stimuli > OASM_STIMULI
    return f"{recording.n_stimuli:,} stimuli are more than {OASM_STIMULI:,}" if many else ""


def oasm_of(
    recording: Recording, protocol: Protocol, *, store=None, report: Report = SILENT
) -> Oasm:
    """OASM of a recording under a protocol's folds, kept in the store: no model has a part in it.

    Raises
    ------
    BrainLensError
        For samples of a run (its blocks are no stimuli), and above :data:`OASM_STIMULI` stimuli.
    """
    if why := no_oasm(recording):
        raise BrainLensError(
            f"OASM is not computed on {recording.id}: {why}",
            remedy="Read the shuffled twin of the score instead",
        )
    store, first = store or Store(), first_seed(protocol)
    key = oasm_key(recording.content_hash, protocol)
    found = store.load_score(key)
    if found is None:
        run, rows, intervals = runs(recording, first)[0], [], []
        for number, sigma in enumerate(SIGMAS):
            report.step(number, len(SIGMAS), "OASM")
            fit = fit_with_twin(
                oasm(recording, sigma), recording, first, run.parts, run.twins, report
            )
            rows.append(
                [
                    summarise(fit[r].values, fit[part].values, recording.subjects, first)
                    for r, part in (("r", "part"), ("r_shuffled", "twin_part"))
                ]
            )
            intervals.append(ends(fit["draws_r"].values) if "draws_r" in fit else (np.nan, np.nan))
        values = np.array(rows)
        found = xr.Dataset(
            {
                "grouped": ("sigma", values[:, 0]),
                "shuffled": ("sigma", values[:, 1]),
                "low": ("sigma", [low for low, _ in intervals]),
                "high": ("sigma", [high for _, high in intervals]),
            },
            coords={"sigma": list(SIGMAS)},
            attrs={"recording": recording.id, "model": "", "protocol": protocol.name},
        )
        store.save_score(key, found)
    return _oasm(found)


def stored_oasm(content_hash: str, protocol: Protocol, store=None) -> Oasm | None:
    """OASM where it was computed before, else None: quick, for badges and tables."""
    found = (store or Store()).load_score(oasm_key(content_hash, protocol))
    return None if found is None else _oasm(found)


def _oasm(found: xr.Dataset) -> Oasm:
    best = int(np.nanargmax(found["shuffled"].values))
    at = found.isel(sigma=best)
    widths = pd.DataFrame({name: found[name].values for name in ("sigma", "grouped", "shuffled")})
    return Oasm(
        float(at.grouped),
        float(at.low),
        float(at.high),
        float(at.shuffled),
        float(at.sigma),
        widths,
    )


# ---- beyond controls ------------------------------------------------------------------------------------------------
def beyond(
    model,
    recording: Recording,
    score,
    names: Sequence[str],
    *,
    store=None,
    report: Report = SILENT,
) -> list[xr.Dataset]:
    """R2 of a model, of named controls and of both, per fold and target, with the layers that a score chose.

    Parameters
    ----------
    model : str, Model or Activations
    score : Score
        Of the model on the recording; its protocol's folds and its layers are used.
    names : sequence of str
        Of :data:`analysis.features.controls.CONTROLS`; OASM is a leak meter and no control.

    Returns
    -------
    list of xarray.Dataset
        One for each fold seed: ``joint``, ``alone``, ``controls`` over (fold, target), ``part`` of each fold.
    """
    if any(name.partition(":")[0] == "oasm" for name in names):
        raise BrainLensError(
            "OASM is no control: under held-out groups it predicts a constant",
            remedy="Take it out of the controls; the leak meter shows it",
        )
    case = Case.of(model, recording, score.protocol, store=store, report=report)
    fits, _ = joint_fits(case, score.fold_layers, names=tuple(names), width=max(case.source.widths))
    return fits
