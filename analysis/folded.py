"""One feature array through every part's folds, folds of all parts side by side."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.progress import Report
from analysis.protocol import Protocol
from data.recording import Recording

__all__ = ["fit_parts", "fit_with_twin", "side_by_side"]


def fit_with_twin(features: np.ndarray, recording: Recording, protocol: Protocol, parts, twins, report: Report) -> xr.Dataset:
    """r, R2, alpha and draws of r under the protocol's folds, and r under their shuffled twins where there are any.

    Parameters
    ----------
    features : ndarray, shape (n_stimuli, n_units)
    parts, twins : list of Part
        From :func:`analysis.mapping.splits.make_folds`.

    Returns
    -------
    xarray.Dataset
        ``r``, ``r2``, ``alpha``, ``constant`` over (fold, target), ``dropped`` over fold, ``draws_r`` over draw, ``r_shuffled``
        over (twin_fold, target).
    """
    fit = fit_parts(features, recording, protocol, parts, report, draws=protocol.split != "shuffle-split")
    if not twins:
        return fit
    twin = fit_parts(features, recording, protocol, twins, report)[["r"]]
    twin = twin.rename(r="r_shuffled", fold="twin_fold", part="twin_part")
    return fit.merge(twin, combine_attrs="override")


def fit_parts(features: np.ndarray, recording: Recording, protocol: Protocol, parts, report: Report, *,
               draws: bool = False) -> xr.Dataset:
    """One feature array through every part's folds; folds of all parts side by side.

    ``draws`` adds bootstrap draws of r from the held-out predictions (not where folds test a stimulus more than once).
    """
    from analysis.mapping import cross_validate
    from analysis.statistics import hierarchical_bootstrap, moments

    responses = recording.responses.values
    blocks, samples = [], []
    for part in parts:
        rows = part.rows
        local = np.full(recording.n_stimuli, -1)
        local[rows] = np.arange(len(rows))
        seen = np.flatnonzero(~np.isnan(responses[rows]).all(axis=0))
        folds = _relabel(part.folds, local)
        inner = [_relabel(folds_inside, local) for folds_inside in part.inner] if part.inner else None
        here = np.ascontiguousarray(responses[np.ix_(rows, seen)])
        fit = cross_validate(
            features[rows], here, folds, method=protocol.method, alphas=np.asarray(protocol.alphas),
            criterion=protocol.criterion, inner_folds=inner if protocol.criterion == "kfold" else None,
            standardize=protocol.standardize, shared_alpha=protocol.shared_alpha, rcond=protocol.rcond, predictions=draws,
            report=report)
        block = {name: _spread(getattr(fit, name)[0], seen, recording.n_targets) for name in ("r", "r2", "alpha", "inner")
                 if getattr(fit, name, None) is not None}
        block["constant"] = _spread(fit.constant[0].astype(float), seen, recording.n_targets)
        block["dropped"] = np.asarray(fit.dropped[0], dtype=float)
        blocks.append(block)
        if draws:
            predictions = np.full((len(rows), recording.n_targets), np.nan)
            predictions[:, seen] = fit.predictions[0]
            samples.append(moments(predictions, responses[rows], folds, part.groups[rows]))
    dataset = side_by_side(blocks, parts, recording)
    if draws:
        drawn = hierarchical_bootstrap(samples, recording.subjects, draws=protocol.bootstrap, seed=protocol.seed,
                                       targets=protocol.targets, people=protocol.people)
        dataset["draws_r"] = ("draw", drawn.draws)
        dataset.attrs["interval"] = f"{drawn.resampled}; {drawn.note}" if drawn.note else drawn.resampled
    return dataset


def _relabel(folds, local: np.ndarray):
    return [(local[train], local[test]) for train, test in folds]


def _spread(values: np.ndarray, seen: np.ndarray, n_targets: int) -> np.ndarray:
    """(fold, seen target) -> (fold, target), NaN for targets that a part has no data of."""
    out = np.full((values.shape[0], n_targets), np.nan)
    out[:, seen] = values
    return out


def side_by_side(blocks: list[dict], parts, recording: Recording) -> xr.Dataset:
    names = [name for name in blocks[0] if name != "dropped"]
    labels = [part.name for part in parts for _ in part.folds]
    data = {name: (("fold", "target"), np.concatenate([block[name] for block in blocks])) for name in names}
    data["dropped"] = ("fold", np.concatenate([block["dropped"] for block in blocks]))
    return xr.Dataset(data, coords={"target": recording.responses.target.values, "part": ("fold", labels)})
