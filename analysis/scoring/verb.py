"""The one verb: how well does a model predict a recording, layer by layer?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
import xarray as xr

from analysis.progress import SILENT, Report
from analysis.protocol import Protocol, preset
from analysis.scoring.comparisons import Context, headline
from analysis.scoring.comparisons import context as context_of
from analysis.scoring.folds import fit_with_twin
from analysis.scoring.keys import score_key
from analysis.scoring.provenance import provenance
from analysis.scoring.result import Score
from analysis.scoring.results import keep
from analysis.scoring.summary import interval, summarise
from data.recording import Recording

__all__ = ["Score", "bisection", "score"]


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
    over folds per target, then over a subject's targets, then over subjects (Schrimpf et al. 2021 take medians).
    """
    from analysis.features.activations import Activations
    from analysis.mapping.splits import make_folds
    from analysis.store.store import Store

    protocol = preset(protocol) if isinstance(protocol, str) else protocol
    recording = _recording(recording)
    store = store or Store()
    parts = make_folds(recording, protocol)
    twins = make_folds(recording, protocol, shuffled=True) if protocol.shuffled_twin else []
    source = model if isinstance(model, Activations) else _model(model)
    numbers = _layer_numbers(source, layers)
    key = score_key(source, recording, protocol)

    found = {n: d for n in numbers if (d := store.load_score(f"{key}-layer{n}")) is not None}
    cached = len(found) == len(numbers)
    missing = [n for n in bisection(numbers) if n not in found]
    context = context_of(source, recording, protocol, parts, twins, store, report)
    if missing:
        activations = _activations(source, recording, protocol, missing, store, report)
        for done, number in enumerate(missing):
            report.step(done, len(missing), "layers")
            found[number] = _score_layer(
                activations, number, recording, protocol, parts, twins, report
            )
            found[number].attrs |= {
                "model": source.id,
                "recording": recording.id,
                "protocol": protocol.name,
                "layer": number,
            }
            store.save_score(f"{key}-layer{number}", found[number])
            report.partial(
                _assemble(
                    source,
                    recording,
                    protocol,
                    parts,
                    found,
                    context,
                    wanted=len(numbers),
                    cached=False,
                )
            )
        report.step(len(missing), len(missing), "layers")
    scored = _assemble(
        source, recording, protocol, parts, found, context, wanted=len(numbers), cached=cached
    )
    layer = scored.chosen_layer
    beyond, known = headline(
        lambda: _activations(source, recording, protocol, [layer], store, report).layer(layer),
        layer,
        recording,
        protocol,
        parts,
        key,
        store,
        report,
    )
    scored = replace(scored, headline=beyond, cached=cached and known)
    if (
        len(numbers) == source.n_layers
    ):  # a result stands for a model, so all its layers had their chance
        keep(scored, key, store)
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
    activations, number: int, recording: Recording, protocol: Protocol, parts, twins, report: Report
) -> xr.Dataset:
    """r, R2, alpha over (fold, target) of one layer, its interval, and its shuffled twin."""
    features = activations.layer(number)
    result = fit_with_twin(features, recording, protocol, parts, twins, report, choosing=True)
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
def _model(model):
    if not isinstance(model, str | Path):
        return model
    from analysis.models import load

    return load(str(model))


def _recording(recording) -> Recording:
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
    parts,
    found: dict[int, xr.Dataset],
    context: Context,
    *,
    wanted: int,
    cached: bool,
) -> Score:
    layers = sorted(found)
    dataset = xr.concat(
        [found[n] for n in layers],
        dim=pd.Index(layers, name="layer"),
        combine_attrs="drop_conflicts",
        coords="different",
        compat="equals",
    )
    top = max(source.n_layers - 1, 1)
    dataset = dataset.assign_coords(
        depth=("layer", [n / top for n in layers]),
        note=("layer", [found[n].attrs.get("note", "") for n in layers]),
    )
    for name, values in recording.responses.coords.items():
        if values.dims == ("target",) and name != "target":
            dataset = dataset.assign_coords({name: ("target", values.values)})
    if recording.averaged:
        dataset = dataset.drop_vars("subject", errors="ignore")
    return Score(
        dataset,
        context.ceiling,
        protocol,
        _control_table(context.controls, recording, protocol),
        provenance=provenance(source, recording, protocol, parts, context.ceiling),
        cached=cached,
        complete=len(layers) == wanted,
    )


def _control_table(
    controls: dict[str, xr.Dataset], recording: Recording, protocol: Protocol
) -> pd.DataFrame:
    rows = []
    for name, fit in controls.items():
        row = {"control": name}
        for column, values, labels in (
            ("r", fit.r, fit.part),
            ("r2", fit.r2, fit.part),
            ("r_shuffled", fit.get("r_shuffled"), fit.get("twin_part")),
        ):
            if values is not None:
                row[column] = summarise(values.values, labels.values, recording.subjects, protocol)
        row["r_low"], row["r_high"] = interval(fit)
        rows.append(row)
    return pd.DataFrame(rows, columns=["control", "r", "r_low", "r_high", "r2", "r_shuffled"])
