"""What stands beside a score: the ceiling, the controls on the same folds, and what the model adds to length and position."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version

import numpy as np
import xarray as xr

from analysis.ceiling.kinds import ceiling
from analysis.ceiling.listens import heard_again, listens_ceiling
from analysis.ceiling.result import Ceiling
from analysis.ceiling.synchrony import synchrony_ceiling
from analysis.features.controls import CONTROLS
from analysis.features.controls import features as controls_by_name
from analysis.mapping.banded import banded_ridge
from analysis.mapping.narrow import narrowed, projected
from analysis.mapping.scattered import MISSING
from analysis.progress import Report
from analysis.protocol import SIMILARITIES, Protocol
from analysis.scoring.blocks import side_by_side
from analysis.scoring.case import Case
from analysis.scoring.folds import Run, fit_with_twin
from analysis.scoring.in_time import CONTROLS as IN_TIME
from analysis.scoring.in_time import banded_in_time, controls_in_time, nuisance
from analysis.scoring.keys import cell_numbers, data_key
from analysis.scoring.summary import summarise
from analysis.store.keys import content_key
from data.errors import BrainLensError
from data.recording import Recording
from data.shares import percent

__all__ = [
    "BEYOND",
    "HEADLINE_TARGETS",
    "ceiling_key",
    "ceiling_of",
    "controls_key",
    "controls_of",
    "headline",
    "joint_fits",
]


BEYOND = ("position", "length")
"""The controls that the headline goes beyond."""

HEADLINE_TARGETS = 1000
"""Above so many targets the joint fit would outlast everything else, and is left to a request of its own."""


def controls_of(case: Case, run: Run) -> dict[str, xr.Dataset]:
    """The protocol's controls on the folds of one seed, from the store where they are there.

    Each lies under the content of its features; which contents those are is written down under all that they follow from, so that
    what is stored is found without making them.
    """
    recording, store, report = case.recording, case.store, case.report
    told = controls_key(case.source, recording, run.protocol)
    if told and (known := store.load_score(told)) is not None:
        stored = {name: store.load_score(key) for name, key in known.attrs["keys"]}
        there = {name: one for name, one in stored.items() if one is not None}
        if len(there) == len(stored):
            return there
    sets = _control_features(case.source, recording, run.protocol)
    controls, keys = {}, []
    for done, (name, matrix) in enumerate(sets.items()):
        report.step(done, len(sets), "controls")
        content = hashlib.sha256(np.ascontiguousarray(matrix).tobytes()).hexdigest()
        key = content_key("control", content, data_key(recording, run.protocol))
        found = store.load_score(key)
        if found is None:
            found = fit_with_twin(matrix, recording, run.protocol, run.parts, run.twins, report)
            store.save_score(key, found)
        controls[name] = found
        keys.append((name, key))
    if told:
        store.save_score(told, xr.Dataset(attrs={"keys": keys, "recording": recording.id}))
    return controls


def controls_key(source, recording: Recording, protocol: Protocol) -> str:
    """Key of all that the controls' features follow from; empty where only the features tell (another package's control)."""
    if not source.widths or not protocol.controls:
        return ""
    told: list[object] = []
    for name in protocol.controls:
        kind = name.partition(":")[0]
        if kind not in (IN_TIME if recording.sampled else CONTROLS) or kind == "static-embedding":
            return ""
        if kind in CONTROLS and CONTROLS.package(kind) != "brainlens":
            return ""
        drawn = (max(source.widths), protocol.seed) if kind == "random-embedding" else ()
        counted = (version("wordfreq"),) if kind == "log-frequency" else ()
        told.append((name, *drawn, *counted))
    return content_key("controls", told, data_key(recording, protocol))


def _control_features(source, recording: Recording, protocol: Protocol) -> dict[str, np.ndarray]:
    if not source.widths:
        raise BrainLensError(
            f"{source.id} has no activations, only probabilities of words",
            remedy="Compare it in reading times, or by bits per word",
        )
    width = max(source.widths)
    if recording.sampled:
        return controls_in_time(recording, protocol, width)
    sets = controls_by_name(recording, protocol.controls, width=width, seed=protocol.seed)
    if set(BEYOND) <= sets.keys():
        sets["+".join(BEYOND)] = np.column_stack([sets[name] for name in BEYOND])
    return sets


def ceiling_of(
    recording: Recording,
    protocol: Protocol,
    every: Sequence[Run],
    store,
    report: Report,
    *,
    known: bool = False,
):
    """The recording's ceiling under the protocol, kept in the store: no model has a part in it.

    Parameters
    ----------
    every : list of Run
        One for each fold seed.
    known : bool
        Only look: None where it is not stored.
    """
    if protocol.method in SIMILARITIES:
        return Ceiling.none(
            f"no ceiling is known for method={protocol.method}", recording.n_targets
        )
    key = ceiling_key(recording, protocol)
    if (found := store.load_score(key)) is not None:
        bound = _restored(found, "")
        lower = _restored(found, "others_") if "others_value" in found else None
        return replace(bound, lower_bound=lower)
    if known:
        return None
    if heard_again(recording) and protocol.ceiling in ("auto", "repeats"):
        bound = listens_ceiling(recording, protocol)
    elif recording.sampled and protocol.ceiling == "auto":
        bound = synchrony_ceiling(recording, protocol)
    else:
        bound = ceiling(recording, protocol, report=report)
    numbers, attrs = _kept(bound, "")
    if bound.lower_bound is not None:
        more, words = _kept(bound.lower_bound, "others_")
        numbers, attrs = numbers | more, attrs | words
    store.save_score(
        key, xr.Dataset(numbers, attrs=attrs | {"recording": recording.id, "model": ""})
    )
    return bound


def ceiling_key(recording: Recording, protocol: Protocol) -> str:
    """Where a ceiling lies in the store."""
    return content_key("ceiling", data_key(recording, protocol))


_CEILING_FIELDS = ("kind", "valid", "flag", "holds_for", "resampled")


def _kept(bound, prefix: str) -> tuple[dict, dict]:
    """A ceiling as numbers and words of a dataset."""
    numbers = {
        f"{prefix}value": bound.value,
        f"{prefix}low": bound.low,
        f"{prefix}high": bound.high,
        f"{prefix}per_target": ("target", bound.per_target),
        f"{prefix}draws": (f"{prefix}draw", bound.draws),
    }
    numbers |= {
        f"{prefix}{name}": values
        for name, values in bound.details.items()
        if isinstance(values, tuple) and name.startswith("pools")
    }
    return numbers, {prefix + name: getattr(bound, name) for name in _CEILING_FIELDS}


def _restored(found: xr.Dataset, prefix: str):
    fields = {name: found.attrs[prefix + name] for name in _CEILING_FIELDS}
    fields["valid"] = bool(fields["valid"])
    details = {
        str(name): (found[name].dims, found[name].values)
        for name in found.data_vars
        if str(name).startswith("pools") and not prefix
    }
    return Ceiling(
        **fields,
        value=float(found[f"{prefix}value"]),
        low=float(found[f"{prefix}low"]),
        high=float(found[f"{prefix}high"]),
        per_target=found[f"{prefix}per_target"].values,
        draws=found[f"{prefix}draws"].values,
        details=details,
    )


def headline(case: Case, fold_layers: Sequence[int]) -> tuple[dict, bool]:
    """R2 of a model beyond position and length, of them alone, and of both together; and whether it was in the store.

    Parameters
    ----------
    case : Case
        Read only where the result is not stored.
    fold_layers : sequence of int
        The layer chosen for each fold; the folds of all wanted runs follow each other.

    Returns
    -------
    dict
        unique_r2, joint_r2, controls_r2, model_r2, beyond, left_out (targets that miss too many stimuli); empty where the
        protocol does not ask for it; only ``why_not``, in words, where it cannot be had.
    bool
    """
    recording, protocol = case.recording, case.protocol
    if (
        not protocol.unique
        or protocol.method in SIMILARITIES
        or (recording.sampled and not nuisance(recording, protocol))
    ):
        return {}, True
    if recording.n_targets > HEADLINE_TARGETS:
        return {
            "why_not": f"with {recording.n_targets:,} targets it would outlast all else; up to {HEADLINE_TARGETS:,} have one"
        }, True
    if not all(_measured(recording, part)[1].any() for part in case.every[0].parts):
        return {"why_not": f"every target misses more than {percent(MISSING)} of the stimuli"}, True
    fits, known = joint_fits(case, fold_layers)
    joint, controls, alone = (
        summarise(
            np.concatenate([fit[name].values for fit in fits]),
            np.concatenate([fit.part.values for fit in fits]),
            recording.subjects,
            protocol,
        )
        for name in ("joint", "controls", "alone")
    )
    return {
        "unique_r2": joint - controls,
        "joint_r2": joint,
        "controls_r2": controls,
        "model_r2": alone,
        "beyond": " and ".join(nuisance(recording, protocol) if recording.sampled else BEYOND),
        "left_out": int(fits[0].attrs["left_out"]),
    }, known


def joint_fits(
    case: Case,
    fold_layers: Sequence[int],
    *,
    names: Sequence[str] = BEYOND,
    width: int | None = None,
) -> tuple[list[xr.Dataset], bool]:
    """R2 of a model, of controls, and of both together, one dataset for each fold seed; and whether all were stored.

    Parameters
    ----------
    case, fold_layers
        As for :func:`headline`.
    names : sequence of str
        The controls, one band together.
    width : int, optional
        Units of a random embedding among them; it is drawn anew with each fold seed.

    Returns
    -------
    list of xarray.Dataset
        ``joint``, ``alone`` (the model), ``controls`` over (fold, target); ``part`` of each fold.
    bool
    """
    recording, store = case.recording, case.store
    fits, known, start = [], True, 0
    for run, key in ((case.every[number], case.keys[number]) for number in case.wanted):
        count = sum(len(part.folds) for part in run.parts)
        layers = list(fold_layers[start : start + count])
        start += count
        told = layers if tuple(names) == BEYOND else [",".join(names), *layers]
        key = f"{key}-unique{content_key(*told)[:12]}"
        found = store.load_score(key)
        if found is None:
            known = False
            beside = None
            if tuple(names) != BEYOND and not recording.sampled:
                beside = controls_by_name(recording, names, width=width, seed=run.protocol.seed)
            found = _joint_fit(
                case.features,
                layers,
                recording,
                run.protocol,
                run.parts,
                case.report,
                beside=beside,
            )
            found.attrs |= {"recording": recording.id, "protocol": case.protocol.name}
            numbers = cell_numbers(case.source, recording, run.protocol)
            store.save_score(key, found, numbers=numbers)
        fits.append(found)
    return fits, known


def _measured(recording: Recording, part) -> tuple[np.ndarray, np.ndarray]:
    """The part's rows with a measurement (words between them are only read), and the targets that have one in nearly all.

    Samples are filtered whole: there a target has one in all of them.
    """
    there = ~np.isnan(recording.responses.values)
    rows = part.rows[there[part.rows].any(axis=1)]
    least = 1.0 if recording.sampled else 1 - MISSING
    return rows, there[rows].mean(axis=0) >= least


def _joint_fit(
    features: Callable[[int], np.ndarray],
    fold_layers: Sequence[int],
    recording: Recording,
    protocol: Protocol,
    parts,
    report: Report,
    *,
    beside: Mapping[str, np.ndarray] | None = None,
) -> xr.Dataset:
    """R2 of model and controls together and of each alone, every fold with the layer chosen for it."""
    if recording.sampled:
        beside = nuisance(recording, protocol)
    elif beside is None:
        beside = controls_by_name(recording, BEYOND)
    controls = np.column_stack(list(beside.values()))
    read = {layer: features(layer) for layer in sorted(set(fold_layers))}
    blocks, left_out, start = [], 0, 0
    for part in parts:
        rows, _ = _measured(recording, part)
        folds = _among(part.folds, rows)
        inner = [_among(inside, rows) for inside in part.inner]
        used = np.asarray(fold_layers[start : start + len(folds)])
        start += len(folds)
        shape = (len(folds), recording.n_targets)
        block = {name: np.full(shape, np.nan) for name in ("joint", "alone", "controls")}
        missing = 0
        for layer, mine in _alike(used, protocol):
            model = projected(read[layer][rows], protocol.dimensions, protocol.seed)
            if protocol.width:
                train = folds[mine[0]][0]
                model = narrowed(model, train, protocol.dimensions, standardize=True)
            bands = {"model": model, "controls": controls[rows]}
            how = {"alphas": protocol.alphas, "seed": protocol.seed, "report": report}
            outside, inside = [folds[fold] for fold in mine], [inner[fold] for fold in mine]
            if recording.sampled:
                fit = banded_in_time(bands, outside, inside, rows, recording, protocol, **how)
            else:
                fit = banded_ridge(bands, recording.responses.values[rows], outside, inside, **how)
            block["joint"][mine] = fit.r2["model", "controls"]
            block["alone"][mine] = fit.r2["model",]
            block["controls"][mine] = fit.r2["controls",]
            missing = max(missing, fit.left_out)
        blocks.append(block | {"dropped": np.zeros(len(folds))})
        left_out += missing
    return side_by_side(blocks, parts, recording).assign_attrs(left_out=left_out)


def _alike(used: np.ndarray, protocol: Protocol) -> list[tuple[int, np.ndarray]]:
    """(layer, folds) that can be fitted at once: those of one layer, but each alone where components are of its training rows."""
    if protocol.dimensions.startswith("pca"):
        return [(int(layer), np.array([fold])) for fold, layer in enumerate(used)]
    return [(int(layer), np.flatnonzero(used == layer)) for layer in np.unique(used)]


def _among(folds, rows: np.ndarray):
    """Folds that count the given rows only, by their place among them."""
    return [tuple(np.flatnonzero(np.isin(rows, side)) for side in fold) for fold in folds]
