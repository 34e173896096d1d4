"""What is asked of a recording and a protocol beside one model's score: OASM, and joint fits beyond other controls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import xarray as xr

from analysis.features.controls import SIGMAS, context_blocks, oasm, reach
from analysis.mapping.splits import gap_of, held_labels
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
    "for_oasm",
    "oasm_key",
    "oasm_of",
    "oasm_widths",
    "stored_oasm",
]

OASM_STIMULI = 4000
"""OASM has a column for each row; of more rows its fits would outlast everything else, and it is made on part of them."""
OASM_ROWS = 2000
"""So many rows are then taken, at most."""


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
    rows, of : int
        Rows that it was computed on, and rows of the recording: see :func:`for_oasm`.
    """

    grouped: float
    low: float
    high: float
    shuffled: float
    sigma: float
    widths: pd.DataFrame
    rows: int = 0
    of: int = 0

    @property
    def part(self) -> str:
        """On which part of the recording it was computed, in words; empty where on all of it."""
        return f"on {self.rows:,} of {self.of:,} rows" if 0 < self.rows < self.of else ""


def first_seed(protocol: Protocol) -> Protocol:
    """The protocol under its first fold seed, with a shuffled twin: what a comparison in kind needs."""
    return replace(protocol.each_seed()[0], shuffled_twin=True)


def oasm_key(content_hash: str, protocol: Protocol) -> str:
    """Where OASM lies in the store; known from the provenance of a score alone."""
    return content_key("oasm", content_key("data", content_hash, first_seed(protocol).key()))


def for_oasm(recording: Recording, protocol: Protocol) -> Recording:
    """What OASM is computed on: the recording, or of more than :data:`OASM_STIMULI` rows a part in which it finds the same.

    No column of OASM reaches from one context group into another, and inside one it reaches a few rows. So whole units (context
    groups, or what is held out together where that is coarser) are taken evenly over the recording, or, where fewer would be
    left than there are folds, an unbroken stretch from the beginning of each.
    """
    if recording.n_stimuli <= OASM_STIMULI:
        return recording
    units = _units(recording, protocol)
    sizes = np.bincount(units)
    many = int(len(sizes) * OASM_ROWS / sizes.sum())
    if many >= max(protocol.folds, 2):
        taken = np.unique(np.linspace(0, len(sizes) - 1, many).round().astype(int))
        rows = np.flatnonzero(np.isin(units, taken))
    else:
        place = pd.Series(units).groupby(units).cumcount().to_numpy()
        rows = np.flatnonzero(place < np.maximum(sizes * OASM_ROWS // sizes.sum(), 1)[units])
    return recording.select(stimuli=rows)


def _units(recording: Recording, protocol: Protocol) -> np.ndarray:
    """Number of each row's context group, or of what is held out together where there are fewer of these."""
    blocks = context_blocks(recording)
    labels = held_labels(recording, protocol)
    if labels is None:
        return blocks
    held = pd.factorize(labels)[0]
    return held if held.max() < blocks.max() else blocks


def oasm_widths(recording: Recording, protocol: Protocol, parts) -> tuple[float, ...]:
    """Widths of the sweep: all, or of samples and epochs those of which no column reaches over the gap beside a held-out block.

    Such a column, with its middle in the gap, would have its last, tiny tail among the training rows, and standardized it is a
    feature like any other.
    """
    gap = gap_of(recording, protocol)
    if gap is None:
        return SIGMAS
    blocks = context_blocks(recording)  # no column reaches from one into another
    apart = all(
        not set(blocks[train]) & set(blocks[test]) for part in parts for train, test in part.folds
    )
    return (
        SIGMAS
        if apart
        else tuple(one for one in SIGMAS if 2 * int(reach(one)) <= gap) or SIGMAS[:1]
    )


def oasm_of(
    recording: Recording, protocol: Protocol, *, store=None, report: Report = SILENT
) -> Oasm:
    """OASM of a recording under a protocol's folds, kept in the store: no model has a part in it.

    Of samples of a run the blocks are the runs, and features and responses are filtered as those of a model are, each held-out
    block by itself; OASM is neither resampled nor delayed. Above :data:`OASM_STIMULI` rows it is computed on part of them,
    :func:`for_oasm`, under folds of that part.
    """
    store, first = store or Store(), first_seed(protocol)
    key = oasm_key(recording.content_hash, protocol)
    found = store.load_score(key)
    if found is None:
        here = for_oasm(recording, first)
        run, rows, intervals = runs(here, first)[0], [], []
        widths = oasm_widths(here, first, run.parts)
        for number, sigma in enumerate(widths):
            report.step(number, len(widths), "OASM")
            fit = fit_with_twin(oasm(here, sigma), here, first, run.parts, run.twins, report)
            rows.append(
                [
                    summarise(fit[r].values, fit[part].values, here.subjects, first)
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
            coords={"sigma": list(widths)},
            attrs={
                "recording": recording.id,
                "model": "",
                "protocol": protocol.name,
                "rows": here.n_stimuli,
                "of": recording.n_stimuli,
            },
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
        int(found.attrs.get("rows", 0)),
        int(found.attrs.get("of", 0)),
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
