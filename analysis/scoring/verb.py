"""The one verb: how well does a model predict a recording, layer by layer?"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
import xarray as xr

from analysis.progress import SILENT, Report
from analysis.protocol import Protocol, preset
from analysis.scoring.comparisons import ceiling_of, controls_of, headline
from analysis.scoring.folds import Run, fit_with_twin, over_seeds, runs
from analysis.scoring.keys import score_key
from analysis.scoring.provenance import provenance
from analysis.scoring.result import Score
from analysis.scoring.results import keep
from analysis.scoring.summary import interval, summarise
from analysis.store.keys import made
from data.recording import Recording

__all__ = ["Score", "as_model", "as_recording", "bisection", "score"]


# ---- the verb -------------------------------------------------------------------------------------------------------
def score(
    model,
    recording,
    protocol: Protocol | str = "defended",
    *,
    layers: Sequence[int | str] | None = None,
    store=None,
    report: Report = SILENT,
) -> Score:
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
    over folds per target, then over a subject's targets, then over subjects (Schrimpf et al. 2021 take medians). All of it is
    done for each of the protocol's fold seeds and averaged; after the first seed the profile is shown as a preview.
    """
    from analysis.features.activations import Activations
    from analysis.store.store import Store

    protocol = preset(protocol) if isinstance(protocol, str) else protocol
    recording = as_recording(recording)
    store = store or Store()
    every = runs(recording, protocol)
    source = model if isinstance(model, Activations) else as_model(model)
    numbers = _layer_numbers(source, layers)
    keys = [score_key(source, recording, run.protocol) for run in every]
    wanted = [number for number, run in enumerate(every) if run.same == number]
    fits: list[dict[int, xr.Dataset]] = [
        {n: d for n in numbers if (d := store.load_score(f"{keys[run]}-layer{n}")) is not None}
        if run in wanted
        else {}
        for run in range(len(every))
    ]
    cached = all(len(fits[run]) == len(numbers) for run in wanted)
    total, done = sum(len(numbers) - len(fits[run]) for run in wanted), 0
    bound = ceiling_of(recording, protocol, every, store, report, known=not cached)
    table: list[dict[str, xr.Dataset]] = []
    activations = None

    def assembled(complete_runs: list[int], *, last: bool) -> Score:
        return _assemble(
            source,
            recording,
            protocol,
            every,
            [fits[run] for run in complete_runs],
            [every[run].protocol.seed for run in complete_runs],
            table,
            bound,
            wanted=len(numbers),
            complete=last,
            cached=cached,
        )

    for run, each in enumerate(every):
        table.append(controls_of(source, recording, each, store, report))
        missing = [n for n in bisection(numbers) if n not in fits[run]] if run in wanted else []
        if missing and activations is None:
            activations = _activations(source, recording, protocol, missing, store, report)
        for number in missing:
            report.step(done, total, "layers")
            began = time.perf_counter()
            fits[run][number] = _score_layer(activations, number, recording, each, report)
            fits[run][number].attrs |= {
                "model": source.id,
                "recording": recording.id,
                "protocol": protocol.name,
                "layer": number,
                "made": made(time.perf_counter() - began, seed=each.protocol.seed),
            }
            store.save_score(f"{keys[run]}-layer{number}", fits[run][number])
            done += 1
            if run == 0:
                report.partial(assembled([0], last=False))
        if missing and 0 < run < wanted[-1]:
            report.partial(assembled([one for one in wanted if one <= run], last=False))
    report.step(total, total, "layers")
    if bound is None:
        bound = ceiling_of(recording, protocol, every, store, report)
    scored = assembled(wanted, last=True)

    def features(layer: int):
        return _activations(source, recording, protocol, [layer], store, report).layer(layer)

    beyond, known = headline(
        features,
        scored.fold_layers,
        recording,
        protocol,
        [every[run] for run in wanted],
        [keys[run] for run in wanted],
        store,
        report,
    )
    scored = replace(scored, headline=beyond, cached=cached and known)
    if (
        len(numbers) == source.n_layers
    ):  # a result stands for a model, so all its layers had their chance
        keep(scored, score_key(source, recording, protocol), store)
    return scored


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
def _score_layer(
    activations, number: int, recording: Recording, run: Run, report: Report
) -> xr.Dataset:
    """r, R2, alpha over (fold, target) of one layer, its interval, and its shuffled twin."""
    features = activations.layer(number)
    result = fit_with_twin(
        features, recording, run.protocol, run.parts, run.twins, report, choosing=True
    )
    result.attrs["note"] = _layer_note(result, activations.note(number))
    return result


def _layer_note(result: xr.Dataset, note: str) -> str:
    """What a reader must know about this layer's number."""
    constant, measured = float(result["constant"].sum()), int(result["r"].notnull().sum())
    if constant and constant == measured:
        note = note or "constant prediction: r = 0 by definition"
    elif constant:
        note = "; ".join(
            filter(None, [note, f"{constant / measured:.0%} of predictions constant (r = 0)"])
        )
    return note


# ---- names to things, and things to keys ----------------------------------------------------------------------------
def as_model(model):
    """The reader of a name; a model or activations are given back."""
    if not isinstance(model, str | Path):
        return model
    from analysis.models import load

    return load(str(model))


def as_recording(recording) -> Recording:
    """The recording of an id or a path; a recording is given back."""
    if isinstance(recording, Recording):
        return recording
    from data.catalog.catalog import recording as load

    return load(recording)


def _layer_numbers(source, layers: Sequence[int | str] | None) -> list[int]:
    from analysis.features.activations import Activations

    if isinstance(source, Activations):
        return (
            sorted(source.layers)
            if layers is None
            else sorted({source.layer_number(layer) for layer in layers})
        )
    return (
        list(range(source.n_layers))
        if layers is None
        else sorted({source.layer_number(layer) for layer in layers})
    )


def _activations(
    source, recording: Recording, protocol: Protocol, layers: list[int], store, report: Report
):
    from analysis.features.activations import Activations, extract

    if isinstance(source, Activations):
        return source
    return extract(source, recording, protocol, layers, store=store, report=report)


# ---- the record -----------------------------------------------------------------------------------------------------
def _assemble(
    source,
    recording: Recording,
    protocol: Protocol,
    every: list[Run],
    fits: list[dict[int, xr.Dataset]],
    seeds: list[int],
    controls: list[dict[str, xr.Dataset]],
    bound,
    *,
    wanted: int,
    complete: bool,
    cached: bool,
) -> Score:
    from analysis.ceiling.kinds import Ceiling

    layers = sorted(fits[0])
    dataset = xr.concat(
        [over_seeds([fit[n] for fit in fits], seeds) for n in layers],
        dim=pd.Index(layers, name="layer"),
        combine_attrs="drop_conflicts",
        coords="different",
        compat="equals",
    )
    top = max(source.n_layers - 1, 1)
    dataset = dataset.assign_coords(
        depth=("layer", [n / top for n in layers]),
        note=("layer", [fits[0][n].attrs.get("note", "") for n in layers]),
    )
    for name, values in recording.responses.coords.items():
        if values.dims == ("target",) and name != "target":
            dataset = dataset.assign_coords({name: ("target", values.values)})
    if recording.averaged:
        dataset = dataset.drop_vars("subject", errors="ignore")
    bound = bound or Ceiling.none("the ceiling is being estimated", recording.n_targets)
    return Score(
        dataset,
        bound,
        protocol,
        _control_table(controls, recording, protocol),
        provenance=provenance(
            source,
            recording,
            protocol,
            every[0].parts,
            bound,
            [fit.attrs["made"] for found in fits for fit in found.values()],
        ),
        cached=cached,
        complete=complete and len(layers) == wanted,
    )


def _control_table(
    controls: list[dict[str, xr.Dataset]], recording: Recording, protocol: Protocol
) -> pd.DataFrame:
    """One row per control; a random embedding was drawn anew with each fold seed."""
    rows = []
    for name in controls[0]:
        each = [run[name] for run in controls]
        fit = over_seeds(each, range(len(each)))
        row = {"control": name}
        for column, values, labels in (
            ("r", fit.r, fit.part),
            ("r2", fit.r2, fit.part),
            ("r_shuffled", fit.get("r_shuffled"), fit.get("twin_part")),
        ):
            if values is not None:
                row[column] = summarise(values.values, labels.values, recording.subjects, protocol)
        row["r_low"], row["r_high"] = interval(fit)
        alone = [
            summarise(one.r.values, one.part.values, recording.subjects, protocol) for one in each
        ]
        row["r_seed_low"], row["r_seed_high"] = min(alone), max(alone)
        rows.append(row)
    return pd.DataFrame(
        rows,
        columns=[
            "control",
            "r",
            "r_low",
            "r_high",
            "r2",
            "r_shuffled",
            "r_seed_low",
            "r_seed_high",
        ],
    )
