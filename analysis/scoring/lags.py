"""How well a model predicts each target at each lag: samples after the words, or milliseconds around their onset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import xarray as xr

from analysis.features.controls import features as controls_by_name
from analysis.features.controls import oasm
from analysis.features.time import delayed, resample
from analysis.mapping import cross_validate
from analysis.mapping.splits import Part, gap_of, make_folds, within
from analysis.progress import SILENT, Report
from analysis.protocol import Protocol
from analysis.scoring.beside import oasm_widths
from analysis.scoring.blocks import streams
from analysis.scoring.case import Case
from analysis.scoring.in_time import cross_validate_in_time
from analysis.scoring.keys import cell_numbers
from analysis.scoring.lock import require_open
from analysis.scoring.verb import score
from analysis.statistics.turning import (
    LENGTH,
    as_refitted,
    block_r,
    effective_shifts,
    permuted,
    turned,
)
from analysis.store.keys import content_key
from data.errors import BrainLensError
from data.recording import Recording

__all__ = ["CONTROLS", "has_time", "lag_course", "lags_of", "places"]

VERSION = 6
"""Raised when a stored course means something else."""

BEFORE, AFTER = 8.0, 16.0
"""Seconds before and after the words that a sampled signal is looked at."""

CONTROLS = {
    True: ("word-rate", "sound-power", "oasm"),
    False: ("length", "log-frequency", "oasm"),
}
"""What stands beside a model: of samples (True), of epochs (False)."""

WIDEST = 2.0
"""Width of OASM in rows, or the widest below it whose columns do not reach over the gap beside a held-out block."""

WORDS_APART = 10
"""Words between a shifted null and the right moment, in epochs."""

NULLS = 200

PLACES = ("region", "electrode", "network", "roi", "area", "parcel", "channel")
"""Target coordinates that are taken for a place, the first that is there."""


def has_time(recording: Recording) -> str:
    """Why a recording cannot be looked at over time; empty where it can."""
    if recording.sampled or "lag" in recording.responses.coords:
        return ""
    return f"the recording {recording.id} has neither words with times nor targets with a lag: choose a story, or epochs"


def lags_of(recording: Recording) -> np.ndarray:
    """Lags of a recording: whole samples (a story), or milliseconds (epochs).

    Raises
    ------
    BrainLensError
        For a recording that has no time.
    """
    if why := has_time(recording):
        raise BrainLensError(why, remedy="For example simulated-story or simulated-ecog")
    if not recording.sampled:
        return np.unique(recording.responses["lag"].values.astype(float))
    step = recording.timed.interval
    return np.arange(-int(BEFORE // step), int(AFTER // step) + 1)


def places(recording: Recording) -> np.ndarray:
    """Region or electrode of each target; ``all`` where none is known."""
    for name in PLACES:
        if name in recording.responses.coords:
            return recording.responses[name].values.astype(str)
    return np.full(recording.n_targets, "all", dtype=object).astype(str)


def lag_course(
    model,
    recording,
    protocol: Protocol | str = "story",
    *,
    store=None,
    report: Report = SILENT,
    known: bool = False,
) -> xr.Dataset | None:
    """r of a model and of its controls at every lag, held out, and what chance gives.

    Parameters
    ----------
    model, recording, protocol
        As for :func:`analysis.score`, which is asked for the layer of each fold.
    known : bool
        Only look into the store: None where it is not there.

    Returns
    -------
    xarray.Dataset
        ``r`` over (curve, lag, fold, series), a curve being the model or a control, a series one region (electrode) of one
        person, its targets averaged; ``others`` over person: what the mean of the other people predicts of a person, where it is
        known; ``null`` over (draw, lag, place): the model's mean r with predictions turned around in
        their run, ``null_blocks`` with blocks of them in another order. Coordinates ``subject`` and ``place`` of series; ``kind``
        of curves; attributes ``unit`` (s or ms), ``closest``, ``effective``, ``length`` (rows of such a block), ``layers``,
        ``folds``.

    Raises
    ------
    BrainLensError
        For a recording without time.

    Notes
    -----
    In a story each lag has a fit of its own, the features that many samples later and nothing else (a curve is no sum over
    delays); blocks are held out with the gap of the longest lag, and filtered apart from the rest. In epochs each lag is a
    target of its own.
    """
    case = Case.of(model, recording, protocol, store=store, report=report)
    recording, store, protocol = case.recording, case.store, case.protocol
    lags = lags_of(recording)
    require_open(case.source, recording, protocol, store)
    key = content_key("lags", VERSION, case.key)
    if (found := store.load_score(key)) is not None or known:
        return found
    scored = score(case.source, recording, protocol, store=store, report=report.inner())
    wide = _wide(protocol, lags) if recording.sampled else protocol
    single = next(iter(wide.each_seed()))
    parts = make_folds(recording, single)
    layers = scored.fold_layers[: sum(len(part.folds) for part in parts)]
    read = case.activations(layers)
    curves = {scored.model: {layer: read.layer(layer) for layer in set(layers)}}
    for name, values in _controls(recording, single, parts).items():
        curves[name] = dict.fromkeys(layers, values)
    found = _courses(curves, layers, parts, lags, recording, single, report)
    found.attrs |= {
        "model": scored.model,
        "recording": recording.id,
        "protocol": protocol.name,
        "unit": "s" if recording.sampled else "ms",
        "layers": ", ".join(map(str, sorted(set(layers)))),
        "folds": scored.provenance["folds"],
        "stamp": scored.stamp,
        "ceiling": float(scored.ceiling.value),
        "n_people": len(set(found["subject"].values.tolist())),
        "kind": recording.kind,
    }
    if (others := _others(scored)) is not None:
        found["others"] = ("person", others.to_numpy())
        found = found.assign_coords(person=others.index.to_numpy().astype(str))
    store.save_score(key, found, numbers=cell_numbers(case.source, recording, protocol))
    return found


def _others(scored) -> pd.Series | None:
    """What the mean of the other people predicts of each person, over the person's targets; None where it is not known."""
    bound = scored.ceiling.lower_bound
    if bound is None or "subject" not in scored.dataset:
        return None
    each = pd.Series(np.asarray(bound.per_target, float))
    return each.groupby(scored.dataset["subject"].values.astype(str)).mean().dropna()


def _wide(protocol: Protocol, lags: np.ndarray) -> Protocol:
    """The protocol with a gap for the longest lag, so that every lag has the same folds."""
    most = int(np.abs(lags).max())
    return (
        protocol.but(hrf="fir", delays=tuple(range(most + 1)))
        if protocol.gap == "auto"
        else protocol
    )


def _controls(
    recording: Recording, protocol: Protocol, parts: Sequence[Part]
) -> dict[str, np.ndarray]:
    """Control name -> features of words or of rows."""
    made = {}
    for name in CONTROLS[recording.sampled]:
        if name == "word-rate":
            made[name] = np.ones((len(recording.timed.words), 1))
        elif name == "sound-power":
            if (power := recording.timed.nuisance.get(name)) is not None:
                values = power.values if power.ndim == 1 else power.values.mean(axis=1)
                made[name] = values[:, None]
        elif name == "log-frequency" and recording.language != "en":
            continue
        elif name == "oasm":
            width = max(one for one in oasm_widths(recording, protocol, parts) if one <= WIDEST)
            made[f"oasm:{width:g}"] = oasm(recording, width)
        else:
            made |= controls_by_name(recording, [name])
    return made


# ---- fits ------------------------------------------------------------------------------------------------------------
def _courses(curves, layers, parts, lags, recording, protocol, report) -> xr.Dataset:
    """r of every curve; the null of the first, which is the model."""
    place = places(recording)
    people = recording.subjects
    people = np.full(recording.n_targets, "all") if people is None else people
    rows, null, worth = {}, np.empty((2, 0, 0, 0)), np.nan
    total = len(curves)
    for number, (name, by_layer) in enumerate(curves.items()):
        report.step(number, total, "curves")
        fits = (
            _sampled(by_layer, layers, parts, lags, recording, protocol, report, turn=not number, oasm=name.startswith("oasm"))
            if recording.sampled
            else _epochs(by_layer, layers, parts, lags, recording, protocol, report, turn=not number)
        )  # fmt: skip
        r, series, turns = _series(fits, people, place, lags)
        rows[name] = r
        if turns is not None:
            null, worth = turns, fits[0][3]
    report.step(total, total, "curves")
    names = list(rows)
    regions = list(dict.fromkeys(series["place"]))
    closest = _closest(recording, protocol)
    data = xr.Dataset(
        {
            "r": (("curve", "lag", "fold", "series"), np.stack([rows[name] for name in names])),
            "null": (("draw", "lag", "region"), null[0]),
            "null_blocks": (("draw", "lag", "region"), null[1]),
        },
        coords={
            "curve": np.array(names, object),
            "kind": ("curve", np.array(["model", *["control"] * (len(names) - 1)], object)),
            "lag": lags * recording.timed.interval if recording.sampled else lags,
            "region": np.array(regions, object),
            "subject": ("series", series["subject"].to_numpy(object)),
            "place": ("series", series["place"].to_numpy(object)),
        },
    )
    data.attrs |= {"closest": closest, "effective": worth, "length": LENGTH}
    return data


def _closest(recording: Recording, protocol: Protocol) -> int:
    gap = gap_of(recording, protocol)
    return gap if recording.sampled and gap is not None else max(WORDS_APART, gap or 0)


def _sampled(by_layer, layers, parts, lags, recording, protocol, report, *, turn: bool, oasm: bool):
    """One fit per lag: (r (fold, target), targets, null or None, effective shifts)."""
    runs = recording.stimuli["run"].to_numpy()
    times = recording.stimuli["time"].to_numpy(float)
    on_samples = {}
    for layer, values in by_layer.items():
        words = len(values) == len(recording.timed.words) and not oasm
        on_samples[layer] = (
            resample(values, recording.timed, runs, times, protocol.resample)
            if words
            else np.asarray(values, float)
        )
    found = []
    for lag in lags[:1] if oasm else lags:  # where a sample stands is the same at every lag
        report.checkpoint()
        late = {
            layer: values if oasm else delayed(values, runs, (int(lag),))
            for layer, values in on_samples.items()
        }
        blocks = streams(recording, np.arange(recording.n_targets))
        found.append(
            _together(
                [
                    _at_lag(late, layers, parts, block, recording, protocol, turn=turn)
                    for block in blocks
                ]
            )
        )
    return found * len(lags) if oasm else found


def _at_lag(late, layers, parts, targets, recording, protocol, *, turn: bool):
    """Some targets of a story at one lag, as of :func:`_fit`; ``late``: layer -> its features so many samples later."""
    shape = (recording.n_stimuli, len(targets))
    predicted, measured, folds = np.full(shape, np.nan), np.full(shape, np.nan), []
    for part, mine in _by_part(parts, layers):
        folds += part.folds
        for layer, some in _by_layer(part, mine):
            criterion, inner = within(some, protocol)
            fit, held = cross_validate_in_time(
                late[layer], some.folds, {"criterion": criterion, "inner_folds": inner}, None,
                recording, protocol, SILENT, targets=targets, predictions=True,
            )  # fmt: skip
            tested = np.concatenate([test for _, test in some.folds])
            predicted[tested], measured[tested] = fit.predictions[0][tested], held[tested]
    runs = recording.stimuli["run"].to_numpy()
    return _fit(predicted, measured, folds, runs, targets, recording, protocol, turn)


def _together(blocks: list[tuple]) -> tuple:
    """What :func:`_fit` gives of blocks of targets, as of all at once."""
    r, targets, null, worth = zip(*blocks, strict=True)
    turned = null[0] is not None
    return (
        np.concatenate(r, axis=1),
        np.concatenate(targets),
        np.concatenate(null, axis=2) if turned else None,
        float(np.average(worth, weights=list(map(len, targets)))) if turned else None,
    )


def _epochs(by_layer, layers, parts, lags, recording, protocol, report, *, turn: bool):
    """One fit for all lags, as each (electrode, lag) is a target of its own, parted by lag afterwards."""
    column = recording.group or recording.context
    runs = recording.column(column) if column else np.zeros(recording.n_stimuli)
    y = np.ascontiguousarray(recording.responses.values, dtype=np.float32)
    predicted, folds = np.full(y.shape, np.nan), []
    for part, mine in _by_part(parts, layers):
        folds += part.folds
        for layer, some in _by_layer(part, mine):
            report.checkpoint()
            criterion, inner = within(some, protocol)
            fit = cross_validate(
                np.asarray(by_layer[layer]), y, some.folds, method=protocol.method, alphas=protocol.alphas,
                criterion=criterion, inner_folds=inner, standardize=protocol.standardize,
                shared_alpha=protocol.shared_alpha, rcond=protocol.rcond, predictions=True, report=SILENT,
            )  # fmt: skip
            tested = np.concatenate([test for _, test in some.folds])
            predicted[tested] = fit.predictions[0][tested]
    own = recording.responses["lag"].values.astype(float)
    return [
        _fit(
            predicted[:, mine],
            y[:, mine].astype(float),
            folds,
            runs,
            mine,
            recording,
            protocol,
            turn,
        )
        for mine in (np.flatnonzero(own == lag) for lag in lags)
    ]


def _fit(predicted, measured, folds, runs, targets, recording, protocol, turn: bool):
    null = worth = None
    tested = np.zeros(len(measured), bool)
    tested[np.concatenate([test for _, test in folds])] = True
    # features that do not vary in the training rows predict nothing: a constant, whose r is 0 by definition
    predicted = np.where(tested[:, None] & np.isnan(predicted), 0.0, predicted)
    if turn:
        closest = _closest(recording, protocol)
        how = {"draws": NULLS, "seed": protocol.seed}
        null = np.stack(
            [
                as_refitted(turned(predicted, measured, folds, runs, closest, **how)),
                as_refitted(permuted(predicted, measured, folds, runs, **how)),
            ]
        )
        worth = effective_shifts(predicted, measured, runs, closest)
    return block_r(predicted, measured, folds), targets, null, worth


def _by_part(parts: Sequence[Part], layers: Sequence[int]):
    done = 0
    for part in parts:
        yield part, layers[done : done + len(part.folds)]
        done += len(part.folds)


def _by_layer(part: Part, layers: Sequence[int]):
    """The folds of each layer, as a part of its own."""
    for layer in sorted(set(layers)):
        mine = [i for i, one in enumerate(layers) if one == layer]
        yield layer, replace(part, folds=[part.folds[i] for i in mine], inner=[part.inner[i] for i in mine])  # fmt: skip


def _series(fits, people, place, lags):
    """r (lag, fold, series), a series a region of a person, and both nulls' mean over people, (2, draw, lag, region)."""
    table = pd.DataFrame({"subject": people, "place": place})
    series = table.drop_duplicates().reset_index(drop=True)
    which = table.merge(series.reset_index(), on=["subject", "place"], how="left")[
        "index"
    ].to_numpy()
    n_folds = len(fits[0][0])
    r = np.full((len(lags), n_folds, len(series)), np.nan)
    null = (
        None
        if fits[0][2] is None
        else np.full((*fits[0][2].shape[:2], len(lags), len(series)), np.nan)
    )
    for number, (values, targets, turns, _) in enumerate(fits):
        for one in range(len(series)):
            mine = which[targets] == one
            if mine.any():
                r[number, :, one] = _nanmean(values[:, mine])
                if null is not None:
                    null[..., number, one] = _nanmean(turns[..., mine])
    if null is not None:
        regions = list(dict.fromkeys(series["place"]))
        null = np.stack([_nanmean(null[..., (series["place"] == one).to_numpy()]) for one in regions], axis=-1)  # fmt: skip
    return r, series, null


def _nanmean(values: np.ndarray) -> np.ndarray:
    """Mean over the last axis of what is there."""
    there = np.isfinite(values)
    count = there.sum(axis=-1)
    return np.where(
        count > 0, np.where(there, values, 0).sum(axis=-1) / np.maximum(count, 1), np.nan
    )
