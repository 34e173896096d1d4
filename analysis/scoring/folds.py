"""One feature array through every part's folds, folds of all parts side by side."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis.mapping.splits import within
from analysis.progress import Report
from analysis.protocol import Protocol
from data.recording import Recording

__all__ = ["fit_parts", "fit_with_twin", "side_by_side"]


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
        ``r``, ``r2``, ``alpha``, ``constant`` over (fold, target), ``dropped`` over fold, ``draws_r`` over draw, ``r_shuffled``
        over (twin_fold, target).
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
    twin = fit_parts(features, recording, protocol, twins, report)[["r"]]
    twin = twin.rename(r="r_shuffled", fold="twin_fold", part="twin_part")
    return fit.merge(twin, combine_attrs="override")


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

    ``draws`` adds bootstrap draws of r from the held-out predictions (not where folds test a stimulus more than once);
    ``choosing`` adds ``inner``, the score inside each training fold by which a layer may be chosen.
    """
    from analysis.statistics import hierarchical_bootstrap, moments

    responses = recording.responses.values
    blocks, samples = [], []
    for part in parts:
        rows = part.rows
        local = np.full(recording.n_stimuli, -1)
        local[rows] = np.arange(len(rows))
        seen = np.flatnonzero(~np.isnan(responses[rows]).all(axis=0))
        folds = _relabel(part.folds, local)
        inner = [_relabel(inside, local) for inside in part.inner]
        chosen = _chosen(part, protocol, local)
        here = np.ascontiguousarray(responses[np.ix_(rows, seen)])
        fit = _cross_validate(
            features[rows], here, folds, chosen, protocol, report, predictions=draws
        )
        block = {
            "r": fit.r[0],
            "r2": fit.r2[0],
            "alpha": fit.alpha[0],
            "constant": fit.constant[0].astype(float),
        }
        if choosing:
            block["inner"] = (
                fit.inner[0]
                if fit.inner is not None
                else _inner_r(features[rows], here, inner, protocol, report)
            )
        block = {name: _spread(values, seen, recording.n_targets) for name, values in block.items()}
        blocks.append(block | {"dropped": np.asarray(fit.dropped[0], dtype=float)})
        if draws:
            predictions = np.full((len(rows), recording.n_targets), np.nan)
            predictions[:, seen] = fit.predictions[0]
            samples.append(moments(predictions, responses[rows], folds, part.groups[rows]))
    dataset = side_by_side(blocks, parts, recording)
    if draws:
        drawn = hierarchical_bootstrap(
            samples,
            recording.subjects,
            draws=protocol.bootstrap,
            seed=protocol.seed,
            targets=protocol.targets,
            people=protocol.people,
        )
        dataset["draws_r"] = ("draw", drawn.draws)
        dataset.attrs["interval"] = (
            f"{drawn.resampled}; {drawn.note}" if drawn.note else drawn.resampled
        )
    return dataset


def _chosen(part, protocol: Protocol, local: np.ndarray) -> dict:
    """How alpha is chosen inside the training folds, as arguments of the solver."""
    criterion, inner = within(part, protocol)
    return {
        "criterion": criterion,
        "inner_folds": inner and [_relabel(inside, local) for inside in inner],
    }


def _cross_validate(
    features,
    responses,
    folds,
    chosen: dict,
    protocol: Protocol,
    report: Report,
    *,
    predictions: bool,
):
    from analysis.mapping import cross_validate

    return cross_validate(
        features,
        responses,
        folds,
        method=protocol.method,
        alphas=protocol.alphas,
        **chosen,
        standardize=protocol.standardize,
        shared_alpha=protocol.shared_alpha,
        rcond=protocol.rcond,
        predictions=predictions,
        report=report,
    )


def _inner_r(features, responses, inner, protocol: Protocol, report: Report) -> np.ndarray:
    """Mean r over the inner folds of each outer fold, where the choice of alpha does not give such a score, (fold, target)."""
    flat = [fold for inside in inner for fold in inside]
    third = protocol.criterion in ("kfold", "logo")  # there is no third level of folds
    chosen = {"criterion": "gcv" if third else protocol.criterion}
    r = _cross_validate(features, responses, flat, chosen, protocol, report, predictions=False).r[0]
    ends = np.cumsum([len(inside) for inside in inner])[:-1]
    return np.stack([each.mean(axis=0) for each in np.split(r, ends)])


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
    data = {
        name: (("fold", "target"), np.concatenate([block[name] for block in blocks]))
        for name in names
    }
    data["dropped"] = ("fold", np.concatenate([block["dropped"] for block in blocks]))
    return xr.Dataset(
        data, coords={"target": recording.responses.target.values, "part": ("fold", labels)}
    )
