"""The one verb: how well does a model predict a recording, layer by layer?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd
import xarray as xr

from analysis.ceiling.result import Ceiling
from analysis.progress import SILENT, Report
from analysis.protocol import Protocol
from analysis.scoring.case import Case
from analysis.scoring.comparisons import headline
from analysis.scoring.folds import over_seeds
from analysis.scoring.lock import require_open
from analysis.scoring.provenance import provenance
from analysis.scoring.result import Score
from analysis.scoring.results import keep
from analysis.scoring.stages import Stages, bisection
from analysis.scoring.summary import interval, summarise
from data.errors import BrainLensError
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
    model : str, Model, Activations, ndarray, DataFrame or dict
        A catalogue id, folder or hub id (with ``@untrained:...`` and the like), a loaded model, or ready activations, as they are
        or as arrays (see :func:`analysis.features.arrays.from_arrays`).
    recording : str, path or Recording
        A catalogue id, a file, or a loaded recording.
    protocol : Protocol or str
        A preset's name or a protocol.
    layers : sequence of int or str, optional
        Layers to score; None: all. 0 is the embedding output, negative numbers count from the top. Or places inside the
        blocks: ``attn:3``, ``mlp:3``, ``head:3.5``, of an encoder-decoder ``dec:3`` (see :mod:`analysis.models.sites`).
    store : Store, optional
        Where activations and scores are kept; None: the user's own.
    report : Report
        Progress, partial scores (a preview of every layer where there are many targets, then after every layer and all that
        stands beside them) and cancel.

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
    case = Case.of(model, recording, protocol, layers=layers, store=store, report=report)
    _wide_enough(case)
    require_open(case.source, case.recording, case.protocol, case.store)
    work = Stages(case)

    def assembled(runs: list[int], *, last: bool = False) -> Score:
        return _assemble(case, work, runs, complete=last)

    work.run(lambda runs: report.partial(assembled(runs)))
    scored = assembled(case.wanted, last=True)
    beyond, known = headline(case, scored.fold_layers)
    scored = replace(scored, headline=beyond, cached=work.cached and known)
    if (
        len(case.numbers) == case.source.n_layers
    ):  # a result stands for a model, so all its layers had their chance
        keep(scored, case.key, case.store)
    require_open(case.source, case.recording, case.protocol, case.store)  # locked meanwhile
    return scored


def _wide_enough(case: Case) -> None:
    """Refuse a common width that some layer does not have: it would not be common."""
    source, protocol = case.source, case.protocol
    if protocol.width is None or not source.widths:
        return
    for number in case.numbers:
        if source.widths[number] < protocol.width:
            raise BrainLensError(
                f"Layer {number} of {source.id} has {source.widths[number]} units: fewer than "
                f"dimensions={protocol.dimensions}",
                remedy=f"Set it to {min(source.widths)} or fewer for every model that is compared",
            )


# ---- the record -----------------------------------------------------------------------------------------------------
def _assemble(case: Case, work: Stages, runs: list[int], *, complete: bool) -> Score:
    source, recording, protocol = case.source, case.recording, case.protocol
    fits, seeds = work.shown(runs), [case.every[run].protocol.seed for run in runs]
    layers = sorted(fits[0])
    dataset = xr.concat(
        [over_seeds([fit[n] for fit in fits], seeds) for n in layers],
        dim=pd.Index(layers, name="layer"),
        combine_attrs="drop_conflicts",
        coords="different",
        compat="equals",
    )
    top = max(source.n_layers - 1, 1)
    depths = getattr(source, "depths", None) or [n / top for n in range(source.n_layers)]
    sites = [site.name for site in getattr(source, "sites", ())]
    notes = [fits[0][n].attrs.get("note", "") for n in layers]
    if sites:
        notes = ["; ".join(filter(None, [sites[n], note])) for n, note in zip(layers, notes)]
    dataset = dataset.assign_coords(
        depth=("layer", [depths[n] for n in layers]), note=("layer", notes)
    )
    for name, values in recording.responses.coords.items():
        if values.dims == ("target",) and name != "target":
            dataset = dataset.assign_coords({name: ("target", values.values)})
    if recording.averaged:
        dataset = dataset.drop_vars("subject", errors="ignore")
    if sites:
        dataset = dataset.assign_coords(site=("layer", [sites[n] for n in layers]))
    bound = work.ceiling or Ceiling.none("the ceiling is being estimated", recording.n_targets)
    return Score(
        dataset,
        bound,
        protocol,
        _control_table(work.controls, recording, protocol),
        provenance=provenance(
            source,
            work.about,
            protocol,
            case.every[0].parts,
            bound,
            [fit.attrs["made"] for found in fits for fit in found.values()],
            case.same,
        ),
        cached=work.cached,
        complete=complete and len(layers) == len(case.numbers),
        control_draws=_control_draws(work.controls),
    )


def _control_draws(controls: list[dict[str, xr.Dataset]]) -> dict:
    """Control -> its r in each draw, over the fold seeds as the control itself."""
    whole = {name: over_seeds([run[name] for run in controls], range(len(controls)))
             for name in (controls[0] if controls else ())}  # fmt: skip
    return {name: fit["draws_r"].values for name, fit in whole.items() if "draws_r" in fit}


def _control_table(
    controls: list[dict[str, xr.Dataset]], recording: Recording, protocol: Protocol
) -> pd.DataFrame:
    """One row per control; a random embedding was drawn anew with each fold seed."""
    rows = []
    for name in controls[0] if controls else ():
        each = [run[name] for run in controls]
        fit = over_seeds(each, range(len(each)))
        row: dict[str, Any] = {"control": name}
        for column, values, labels in (
            ("r", fit.r, fit.part),
            ("r2", fit.r2, fit.part),
            ("r_shuffled", fit.get("r_shuffled"), fit.get("twin_part")),
        ):
            if values is not None and labels is not None:
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
