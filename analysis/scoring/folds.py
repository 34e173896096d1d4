"""One feature array through every part's folds, folds of all parts side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from analysis.mapping.narrow import narrowed, projected
from analysis.mapping.splits import make_folds, same_folds, within
from analysis.progress import Report
from analysis.protocol import SIMILARITIES, Protocol
from analysis.scoring.blocks import responding, side_by_side, streams
from analysis.scoring.geometry import fit_geometry
from analysis.scoring.in_time import cross_validate_in_time
from analysis.scoring.solver import cross_validate_under
from analysis.statistics.bootstrap import DRAWS_SEED, Moments, hierarchical_bootstrap, moments
from data.recording import Recording

__all__ = [
    "Run",
    "drawn_onto",
    "fit_parts",
    "fit_with_twin",
    "fitted",
    "over_seeds",
    "runs",
    "twin_of",
]


@dataclass(frozen=True)
class Run:
    """The folds of one fold seed.

    Parameters
    ----------
    protocol : Protocol
        With this seed alone.
    parts, twins : list of Part
        Twins only of the first seed: the leak meter is a comparison in kind.
    same : int
        Number of the run with the very same folds (its own where it is the first): contiguous folds depend on no seed.
    """

    protocol: Protocol
    parts: list
    twins: list
    same: int


def runs(recording: Recording, protocol: Protocol) -> list[Run]:
    """The folds of each of the protocol's seeds."""
    found: list[Run] = []
    for number, single in enumerate(protocol.each_seed()):
        parts = make_folds(recording, single)
        twins = make_folds(recording, single, shuffled=True) if single.shuffled_twin else []
        same = next((i for i, other in enumerate(found) if same_folds(other.parts, parts)), number)
        found.append(Run(single, parts, twins, same))
    return found


def over_seeds(fits: Sequence[xr.Dataset], seeds: Sequence[int]) -> xr.Dataset:
    """One layer's (or control's) fits of several fold seeds: folds side by side with their ``seed``, draws averaged draw by draw.

    Seeds are no replications: the same people and stimulus groups are drawn for all of them, and nothing is divided by their
    number but the sum.
    """
    once = [name for name in ("r_shuffled", "twin_part") if name in fits[0]]
    twin, rest = fits[0][once], [fit.drop_vars([*once, "draws_r"], errors="ignore") for fit in fits]
    rest = [
        fit.assign(draws_fold=fit.draws_fold / len(fits)) if "draws_fold" in fit else fit
        for fit in rest
    ]
    labelled = [
        fit.assign_coords(seed=("fold", np.full(fit.sizes["fold"], seed)))
        for fit, seed in zip(rest, seeds, strict=True)
    ]
    whole = (
        labelled[0]
        if len(fits) == 1
        else xr.concat(
            labelled,
            dim="fold",
            data_vars="minimal",
            coords="minimal",
            compat="override",
            join="override",
            combine_attrs="override",
        )
    )
    if "draws_r" in fits[0]:
        whole["draws_r"] = ("draw", np.mean([fit.draws_r.values for fit in fits], axis=0))
    return whole.merge(twin, combine_attrs="override") if once else whole


def fit_with_twin(
    features: np.ndarray,
    recording: Recording,
    protocol: Protocol,
    parts,
    twins,
    report: Report,
    *,
    choosing: bool = False,
) -> xr.Dataset:
    """r, R2, alpha and draws of r under the protocol's folds, and r under their shuffled twins where there are any.

    Parameters
    ----------
    features : ndarray, shape (n_stimuli, n_units)
    parts, twins : list of Part
        From :func:`analysis.mapping.splits.make_folds`.
    choosing : bool
        Add the inner scores by which the protocol chooses a layer.

    Returns
    -------
    xarray.Dataset
        ``r``, ``r2``, ``alpha``, ``constant`` over (fold, target), ``dropped`` over fold, ``draws_r`` over draw, ``draws_fold``
        over (draw, fold), ``r_shuffled`` over (twin_fold, target).
    """
    fit = fit_parts(
        features,
        recording,
        protocol,
        parts,
        report,
        draws=protocol.split != "shuffle-split",
        choosing=choosing and protocol.layer == "nested",
    )
    if not twins:
        return fit
    twin = _twin(features, recording, protocol, twins, report)
    return fit.merge(twin, combine_attrs="override")


def twin_of(features: np.ndarray, recording: Recording, run: Run, report: Report) -> xr.Dataset:
    """``r_shuffled`` over (twin_fold, target): the leak meter of one layer."""
    return _twin(features, recording, run.protocol, run.twins, report)


def _twin(features, recording: Recording, protocol: Protocol, twins, report: Report) -> xr.Dataset:
    twin = fit_parts(features, recording, protocol, twins, report)[["r"]]
    return twin.rename(r="r_shuffled", fold="twin_fold", part="twin_part")


def fit_parts(
    features: np.ndarray,
    recording: Recording,
    protocol: Protocol,
    parts,
    report: Report,
    *,
    draws: bool = False,
    choosing: bool = False,
) -> xr.Dataset:
    """One feature array through every part's folds; folds of all parts side by side.

    ``draws`` adds bootstrap draws of r from the held-out predictions (not where folds test a stimulus more than once), and what
    each fold gives to them, so that folds of different layers can be put together;
    ``choosing`` adds ``inner``, the score inside each training fold by which a layer may be chosen.
    """
    if protocol.method in SIMILARITIES:
        return _geometry(features, recording, protocol, parts, report, draws, choosing)
    dataset, samples = fitted(
        features, recording, protocol, parts, report, draws=draws, choosing=choosing
    )
    return drawn_onto(dataset, samples, recording.subjects, protocol) if draws else dataset


def fitted(
    features: np.ndarray,
    recording: Recording,
    protocol: Protocol,
    parts,
    report: Report,
    *,
    draws: bool,
    choosing: bool,
) -> tuple[xr.Dataset, list]:
    """The folds of all parts side by side, and per part the moments of which the bootstrap draws (where it is to)."""
    blocks, samples = [], []
    for part in parts:
        local = np.full(recording.n_stimuli, -1)
        local[part.rows] = np.arange(len(part.rows))
        folds = _relabel(part.folds, local)
        kept: dict = {}  # of a story each fold's features are decomposed once for all targets
        columns = streams(recording, responding(recording, part.rows))
        fields, sums = [], []
        for some in columns:
            fit, compared, predicted = (
                _in_time(features, part, recording, protocol, some, draws, choosing, kept, report)
                if recording.sampled
                else _at_once(
                    features, part, local, recording, protocol, some, draws, choosing, report
                )
            )
            fields.append(
                {"r": fit.r[0], "r2": fit.r2[0], "alpha": fit.alpha[0], "constant": fit.constant[0]}
                | ({"inner": fit.inner[0]} if choosing else {})
            )
            if predicted is not None:
                sums.append(moments(predicted, compared, folds, part.groups[part.rows]))
        block = {
            name: _spread([one[name] for one in fields], columns, recording.n_targets)
            for name in fields[0]
        }
        blocks.append(block | {"dropped": np.asarray(fit.dropped[0], dtype=float)})
        if draws:
            samples.append(Moments.joined(sums, columns, recording.n_targets))
    return side_by_side(blocks, parts, recording), samples


def _at_once(features, part, local, recording, protocol, seen, draws, choosing, report):
    """The fit of one part whose rows are stimuli, and responses and held-out predictions by row of the part."""
    here = np.ascontiguousarray(recording.responses.values[np.ix_(part.rows, seen)])
    fit = cross_validate_under(
        protocol,
        features[part.rows],
        here,
        _relabel(part.folds, local),
        **_chosen(part, protocol, local),
        predictions=draws,
        report=report,
    )
    if choosing and fit.inner is None:
        inner = [_relabel(inside, local) for inside in part.inner]
        fit.inner = _inner_r(features[part.rows], here, inner, protocol, report)[None]
    return fit, here, fit.predictions[0] if draws else None


def drawn_onto(
    dataset: xr.Dataset, samples: list, subjects: np.ndarray | None, protocol: Protocol
) -> xr.Dataset:
    """The fit with its draws: ``draws_r``, ``draws_fold``, and in words what was drawn."""
    drawn = hierarchical_bootstrap(
        samples,
        subjects,
        draws=protocol.bootstrap,
        seed=DRAWS_SEED,
        targets=protocol.targets,
        people=protocol.people,
    )
    dataset = dataset.assign(draws_r=("draw", drawn.draws))
    if drawn.by_fold.size:
        dataset["draws_fold"] = (("draw", "fold"), drawn.by_fold.astype(np.float32))
    dataset.attrs["widened"] = drawn.widened
    dataset.attrs["interval"] = (
        f"{drawn.resampled}; {drawn.note}" if drawn.note else drawn.resampled
    )
    return dataset


def _geometry(features, recording, protocol, parts, report, draws, choosing) -> xr.Dataset:
    """Similarity in place of a fit; a common width by projection, or on the components of all of a part's rows."""
    x = projected(features, protocol.dimensions, protocol.seed)
    rows = np.unique(np.concatenate([part.rows for part in parts]))
    x = narrowed(x, rows, protocol.dimensions, standardize=protocol.standardize)
    return fit_geometry(x, recording, protocol, parts, report, draws=draws, choosing=choosing)


def _in_time(features, part, recording, protocol, seen, draws, choosing, kept, report):
    """As :func:`_at_once`, of samples: each fold filtered by itself, and responses as they were compared."""
    criterion, inner = within(part, protocol)

    def inner_of(x, y, number, place):
        there = [_relabel(part.inner[number], place)]
        return _inner_r(x, y, there, protocol, report)

    fit, held = cross_validate_in_time(
        features,
        part.folds,
        {"criterion": criterion, "inner_folds": inner},
        inner_of if choosing else None,
        recording,
        protocol,
        report,
        targets=seen,
        predictions=draws,
        kept=kept if len(seen) < recording.n_targets else None,
    )
    return fit, held[part.rows], fit.predictions[0][part.rows] if draws else None


def _chosen(part, protocol: Protocol, local: np.ndarray) -> dict:
    """How alpha is chosen inside the training folds, as arguments of the solver."""
    criterion, inner = within(part, protocol)
    return {
        "criterion": criterion,
        "inner_folds": inner and [_relabel(inside, local) for inside in inner],
    }


def _inner_r(features, responses, inner, protocol: Protocol, report: Report) -> np.ndarray:
    """Mean r over the inner folds of each outer fold, where the choice of alpha does not give such a score, (fold, target)."""
    flat = [fold for inside in inner for fold in inside]
    third = protocol.criterion in ("kfold", "logo")  # there is no third level of folds
    criterion = "gcv" if third else protocol.criterion
    r = cross_validate_under(
        protocol, features, responses, flat, criterion=criterion, predictions=False, report=report
    ).r[0]
    ends = np.cumsum([len(inside) for inside in inner])[:-1]
    return np.stack([each.mean(axis=0) for each in np.split(r, ends)])


def _relabel(folds, local: np.ndarray):
    return [(local[train], local[test]) for train, test in folds]


def _spread(blocks: Sequence[np.ndarray], columns, n_targets: int) -> np.ndarray:
    """Blocks (fold, seen target) -> (fold, target), NaN for targets that a part has no data of."""
    out = np.full((len(blocks[0]), n_targets), np.nan)
    for values, where in zip(blocks, columns, strict=True):
        out[:, where] = values
    return out
