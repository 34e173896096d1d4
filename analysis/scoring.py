"""The one verb: how well does a model predict a recording, layer by layer?"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from analysis.progress import SILENT, Report
from analysis.protocol import Protocol, preset
from analysis.result import Score
from analysis.summary import interval, summarise
from data.recording import Recording

__all__ = ["Score", "bisection", "score"]

CODE_VERSION = "1"
"""Changed whenever a number may come out differently: part of the key of every stored score."""


# ---- the verb -------------------------------------------------------------------------------------------------------
def score(model, recording, protocol: Protocol | str = "defended", *, layers: Sequence[int | str] | None = None, store=None,
          report: Report = SILENT) -> Score:
    """Predict a recording from a model's activations, held out, layer by layer.

    Parameters
    ----------
    model : str, Model or Activations
        A catalogue id, folder or hub id (with ``@untrained:...`` and the like), a loaded model, or ready activations.
    recording : str, path or Recording
        A catalogue id, a file, or a loaded recording.
    protocol : Protocol or str
        A preset's name or a protocol.
    layers : sequence of int or str, optional
        Layers to score; None: all. 0 is the embedding output, negative numbers count from the top.
    store : Store, optional
        Where activations and scores are kept; None: the user's own.
    report : Report
        Progress, partial scores (after every layer) and cancel.

    Returns
    -------
    Score

    Raises
    ------
    BrainLensError
        For unknown names, recordings that cannot be split as the protocol asks, models without activations.
    Cancelled
        Where the report was cancelled; layers that were finished stay in the store.

    Notes
    -----
    For every fold the mapping is fitted on the training rows only; r is Pearson's correlation on the held-out rows, averaged
    over folds per target, then over a subject's targets, then over subjects (Schrimpf et al. 2021 take medians).
    """
    from analysis.activations import Activations
    from analysis.mapping.splits import make_folds
    from analysis.store import Store

    protocol = preset(protocol) if isinstance(protocol, str) else protocol
    recording = _recording(recording)
    store = store or Store()
    parts = make_folds(recording, protocol)
    twins = make_folds(recording, protocol, shuffled=True) if protocol.shuffled_twin else []
    source = model if isinstance(model, Activations) else _model(model)
    numbers = _layer_numbers(source, layers)
    key = _score_key(source, recording, protocol)

    found = {n: d for n in numbers if (d := store.load_score(f"{key}-layer{n}")) is not None}
    cached = len(found) == len(numbers)
    missing = [n for n in bisection(numbers) if n not in found]
    context = _context(source, recording, protocol, parts, twins, store, report)
    if missing:
        activations = _activations(source, recording, protocol, missing, store, report)
        for done, number in enumerate(missing):
            report.step(done, len(missing), "layers")
            found[number] = _score_layer(activations, number, recording, protocol, parts, twins, report)
            found[number].attrs |= {"model": source.id, "recording": recording.id, "protocol": protocol.name, "layer": number}
            store.save_score(f"{key}-layer{number}", found[number])
            report.partial(_assemble(source, recording, protocol, parts, found, context, wanted=len(numbers), cached=False))
        report.step(len(missing), len(missing), "layers")
    scored = _assemble(source, recording, protocol, parts, found, context, wanted=len(numbers), cached=cached)
    beyond, known = _headline(source, scored.chosen_layer, recording, protocol, parts, key, store, report)
    return replace(scored, headline=beyond, cached=cached and known)


def bisection(layers: Sequence[int]) -> list[int]:
    """Layers in the order 0, L, L/2, L/4, ..: the shape of the profile is there after a few of them.

    Examples
    --------
    >>> bisection([0, 1, 2, 3, 4])
    [0, 4, 2, 1, 3]
    """
    layers = sorted(layers)
    if len(layers) <= 2:
        return layers
    order, gaps = [0, len(layers) - 1], [(0, len(layers) - 1)]
    while gaps:
        low, high = gaps.pop(0)
        if high - low > 1:
            middle = (low + high) // 2
            order.append(middle)
            gaps += [(low, middle), (middle, high)]
    return [layers[i] for i in order]


# ---- one layer ------------------------------------------------------------------------------------------------------
def _score_layer(activations, number: int, recording: Recording, protocol: Protocol, parts, twins, report: Report) -> xr.Dataset:
    """r, R2, alpha over (fold, target) of one layer, its interval, and its shuffled twin."""
    features = activations.layer(number)
    result = _fit_parts(features, recording, protocol, parts, report, draws=_tests_once(protocol))
    if twins:
        result = result.merge(_twin(features, recording, protocol, twins, report), combine_attrs="override")
    result.attrs["note"] = _layer_note(result, activations.note(number))
    return result


def _tests_once(protocol: Protocol) -> bool:
    """Whether no stimulus is held out twice, so that one held-out prediction stands for it in the bootstrap."""
    return protocol.split != "shuffle-split"


def _twin(features: np.ndarray, recording: Recording, protocol: Protocol, twins, report: Report) -> xr.Dataset:
    """r of the same features under shuffled folds."""
    fit = _fit_parts(features, recording, protocol, twins, report)
    return fit[["r"]].rename(r="r_shuffled", fold="twin_fold", part="twin_part")


def _fit_parts(features: np.ndarray, recording: Recording, protocol: Protocol, parts, report: Report, *,
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
    dataset = _side_by_side(blocks, parts, recording)
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


def _side_by_side(blocks: list[dict], parts, recording: Recording) -> xr.Dataset:
    names = [name for name in blocks[0] if name != "dropped"]
    labels = [part.name for part in parts for _ in part.folds]
    data = {name: (("fold", "target"), np.concatenate([block[name] for block in blocks])) for name in names}
    data["dropped"] = ("fold", np.concatenate([block["dropped"] for block in blocks]))
    return xr.Dataset(data, coords={"target": recording.responses.target.values, "part": ("fold", labels)})


def _layer_note(result: xr.Dataset, note: str) -> str:
    """What a reader must know about this layer's number."""
    constant, measured = float(result["constant"].sum()), int(result["r"].notnull().sum())
    if constant and constant == measured:
        note = note or "constant prediction: r = 0 by definition"
    elif constant:
        note = "; ".join(filter(None, [note, f"{constant / measured:.0%} of predictions constant (r = 0)"]))
    return note


# ---- what stands beside the layers: ceiling and controls ------------------------------------------------------------
@dataclass(frozen=True)
class _Context:
    """What is the same for every layer: the ceiling, and the controls on the same folds."""

    ceiling: object
    controls: dict[str, xr.Dataset]


def _context(source, recording: Recording, protocol: Protocol, parts, twins, store, report: Report) -> _Context:
    bound = _ceiling(recording, protocol, store, report)
    sets: dict[str, np.ndarray] = {}
    if protocol.controls:
        from analysis.controls import features

        sets = features(recording, protocol.controls, width=max(source.widths), seed=protocol.seed)
        if {"position", "length"} <= sets.keys():
            sets["position+length"] = np.column_stack([sets["position"], sets["length"]])
    controls = {}
    for done, (name, matrix) in enumerate(sets.items()):
        report.step(done, len(sets), "controls")
        key = _key("control", hashlib.sha256(np.ascontiguousarray(matrix).tobytes()).hexdigest(), _data_key(recording, protocol))
        found = store.load_score(key)
        if found is None:
            found = _fit_parts(matrix, recording, protocol, parts, report, draws=_tests_once(protocol))
            if twins:
                found = found.merge(_twin(matrix, recording, protocol, twins, report), combine_attrs="override")
            store.save_score(key, found)
        controls[name] = found
    return _Context(bound, controls)


def _ceiling(recording: Recording, protocol: Protocol, store, report: Report):
    """The recording's ceiling under the protocol, kept in the store: no model has a part in it."""
    from analysis.ceiling import Ceiling, ceiling

    key = _key("ceiling", _data_key(recording, protocol))
    if (found := store.load_score(key)) is not None:
        fields = {name: found.attrs[name] for name in _CEILING_FIELDS}
        return Ceiling(**fields, value=float(found.value), low=float(found.low), high=float(found.high),
                       per_target=found.per_target.values)
    bound = ceiling(recording, protocol, report=report)
    numbers = {"value": bound.value, "low": bound.low, "high": bound.high, "per_target": ("target", bound.per_target)}
    attrs = {name: getattr(bound, name) for name in _CEILING_FIELDS}
    store.save_score(key, xr.Dataset(numbers, attrs=attrs | {"recording": recording.id, "model": ""}))
    return bound


_CEILING_FIELDS = ("kind", "valid", "flag", "holds_for", "resampled")


BEYOND = ("position", "length")
"""The controls that the headline goes beyond."""

HEADLINE_TARGETS = 1000
"""Above so many targets the joint fit would outlast everything else, and is left to a request of its own."""


def _headline(source, layer: int, recording: Recording, protocol: Protocol, parts, key: str, store,
              report: Report) -> tuple[dict, bool]:
    """R2 of one layer beyond position and length, of them alone, and of both together; and whether it was in the store."""
    if not protocol.unique or recording.n_targets > HEADLINE_TARGETS:
        return {}, True
    key = f"{key}-unique{layer}"
    found = store.load_score(key)
    known = found is not None
    if not known:
        found = _joint_fit(source, layer, recording, protocol, parts, store, report)
        found.attrs |= {"model": source.id, "recording": recording.id, "protocol": protocol.name, "layer": layer}
        store.save_score(key, found)
    joint, controls, alone = (summarise(found[name].values, found.part.values, recording.subjects, protocol)
                              for name in ("joint", "controls", "alone"))
    return {"layer": layer, "unique_r2": joint - controls, "joint_r2": joint, "controls_r2": controls, "model_r2": alone,
            "beyond": " and ".join(BEYOND), "left_out": int(found.attrs["left_out"])}, known


def _joint_fit(source, layer: int, recording: Recording, protocol: Protocol, parts, store, report: Report) -> xr.Dataset:
    from analysis.controls import features
    from analysis.mapping.banded import banded_ridge

    plain = features(recording, BEYOND)
    bands = {"model": _activations(source, recording, protocol, [layer], store, report).layer(layer),
             "controls": np.column_stack([plain[name] for name in BEYOND])}
    blocks, left_out = [], 0
    for part in parts:
        fit = banded_ridge(bands, recording.responses.values, part.folds, part.inner, alphas=protocol.alphas,
                           seed=protocol.seed, report=report)
        blocks.append({"joint": fit.r2["model", "controls"], "alone": fit.r2["model",], "controls": fit.r2["controls",],
                       "dropped": np.zeros(len(part.folds))})
        left_out += fit.left_out
    return _side_by_side(blocks, parts, recording).assign_attrs(left_out=left_out)


# ---- names to things, and things to keys ----------------------------------------------------------------------------
def _model(model):
    if not isinstance(model, str | Path):
        return model
    from analysis.models import load

    return load(str(model))


def _recording(recording) -> Recording:
    if isinstance(recording, Recording):
        return recording
    from data.catalog import recording as load

    return load(recording)


def _layer_numbers(source, layers: Sequence[int | str] | None) -> list[int]:
    from analysis.activations import Activations

    if isinstance(source, Activations):
        return sorted(source.layers) if layers is None else sorted({source.layer_number(layer) for layer in layers})
    return list(range(source.n_layers)) if layers is None else sorted({source.layer_number(layer) for layer in layers})


def _activations(source, recording: Recording, protocol: Protocol, layers: list[int], store, report: Report):
    from analysis.activations import Activations, extract

    if isinstance(source, Activations):
        return source
    return extract(source, recording, protocol, layers, store=store, report=report)


def _key(*parts: object) -> str:
    return hashlib.sha256(json.dumps([CODE_VERSION, *map(str, parts)]).encode()).hexdigest()[:32]


def _data_key(recording: Recording, protocol: Protocol) -> str:
    return _key(recording.stimulus_hash, recording.response_hash, recording.group, recording.within, protocol.key())


def _score_key(source, recording: Recording, protocol: Protocol) -> str:
    return _key("score", source.id, source.fingerprint, source.tokenizer_hash, _data_key(recording, protocol))


# ---- the record -----------------------------------------------------------------------------------------------------
def _assemble(source, recording: Recording, protocol: Protocol, parts, found: dict[int, xr.Dataset], context: _Context, *,
              wanted: int, cached: bool) -> Score:
    layers = sorted(found)
    dataset = xr.concat([found[n] for n in layers], dim=pd.Index(layers, name="layer"), combine_attrs="drop_conflicts",
                        coords="different", compat="equals")
    top = max(source.n_layers - 1, 1)
    dataset = dataset.assign_coords(depth=("layer", [n / top for n in layers]),
                                    note=("layer", [found[n].attrs.get("note", "") for n in layers]))
    for name, values in recording.responses.coords.items():
        if values.dims == ("target",) and name != "target":
            dataset = dataset.assign_coords({name: ("target", values.values)})
    if recording.averaged:
        dataset = dataset.drop_vars("subject", errors="ignore")
    return Score(dataset, context.ceiling, protocol, _control_table(context.controls, recording, protocol),
                 provenance=_provenance(source, recording, protocol, parts, context), cached=cached,
                 complete=len(layers) == wanted)


def _control_table(controls: dict[str, xr.Dataset], recording: Recording, protocol: Protocol) -> pd.DataFrame:
    rows = []
    for name, fit in controls.items():
        row = {"control": name}
        for column, values, labels in (("r", fit.r, fit.part), ("r2", fit.r2, fit.part),
                                       ("r_shuffled", fit.get("r_shuffled"), fit.get("twin_part"))):
            if values is not None:
                row[column] = summarise(values.values, labels.values, recording.subjects, protocol)
        row["r_low"], row["r_high"] = interval(fit)
        rows.append(row)
    return pd.DataFrame(rows, columns=["control", "r", "r_low", "r_high", "r2", "r_shuffled"])


def _provenance(source, recording: Recording, protocol: Protocol, parts, context: _Context) -> dict:
    card, subjects = source.card, recording.subjects
    return {
        "protocol": protocol.to_dict(),
        "model": {"id": source.id, "fingerprint": source.fingerprint, "tokenizer_hash": source.tokenizer_hash,
                  "class": card.cls, "family": card.family, "parameters": card.parameters, "width": max(source.widths),
                  "layers": source.n_layers - 1, "bos": card.bos, "note": card.note, "licence": card.licence,
                  "citation": card.citation},
        "recording": {"id": recording.id, "kind": recording.kind, "unit": recording.unit, "scored_unit": recording.scored_unit,
                      "stimulus_hash": recording.stimulus_hash, "response_hash": recording.response_hash,
                      "n_stimuli": recording.n_stimuli, "n_targets": recording.n_targets,
                      "n_subjects": 0 if subjects is None else len(set(subjects)), "averaged": recording.averaged,
                      "context": recording.context, "group": recording.group, "within": recording.within,
                      "simulated": recording.simulated, "quality": recording.quality, "licence": recording.licence,
                      "citation": recording.citation, "source": recording.source},
        "folds": "; ".join(dict.fromkeys(f"{part.name}: {part.rule}" if part.name else part.rule for part in parts)),
        "ceiling": {"kind": context.ceiling.kind, "flag": context.ceiling.flag},
        "code_version": CODE_VERSION,
        "versions": _versions(),
    }


def _versions() -> dict[str, str]:
    found = {}
    for package in ("brainlens", "numpy", "scipy", "scikit-learn", "torch", "transformers", "xarray"):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found
