"""Scores made of numbers, so that what is said about them can be checked without computing any."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from analysis.ceiling.result import Ceiling
from analysis.protocol import preset
from analysis.scoring.result import Score


def build_score(
    model="gpt2",
    n_layers=5,
    *,
    peak=3,
    height=0.4,
    recording="pereira2018",
    protocol="defended",
    changes=None,
    n_subjects=4,
    averaged=False,
    simulated=False,
    quality="",
    ceiling=0.5,
    empty_layers=(),
    cached=False,
    complete=True,
    citation="",
    seed=0,
) -> Score:
    """A score whose r rises to ``height`` at layer ``peak``."""
    rng = np.random.default_rng(seed)
    protocol = preset(protocol).but(**changes) if changes else preset(protocol)
    layers, folds, targets = np.arange(n_layers), 4, 1 if averaged else 2 * n_subjects
    top = height - 0.05 * np.abs(layers - peak)
    r = top[:, None, None] + rng.normal(0, 0.005, (n_layers, folds, targets))
    shape = ("layer", "fold", "target")
    data = {
        "r": (shape, r),
        "r2": (shape, r**2),
        "alpha": (shape, np.full(r.shape, 10.0)),
        "constant": (
            shape,
            np.broadcast_to(np.isin(layers, empty_layers)[:, None, None], r.shape).copy(),
        ),
        "dropped": (("layer", "fold"), np.zeros((n_layers, folds), int)),
        "draws_r": (("layer", "draw"), top[:, None] + rng.normal(0, 0.02, (n_layers, 50))),
        "draws_r2": (("layer", "draw"), top[:, None] ** 2 + rng.normal(0, 0.02, (n_layers, 50))),
        "inner": (shape, r),
    }
    coords = {
        "layer": layers,
        "fold": np.arange(folds),
        "target": [f"t{i}" for i in range(targets)],
        "part": ("fold", [""] * folds),
        "depth": ("layer", layers / max(1, n_layers - 1)),
        "note": (
            "layer",
            ["constant features" if layer in empty_layers else "" for layer in layers],
        ),
    }
    if protocol.shuffled_twin:
        data["r_shuffled"] = (("layer", "twin_fold", "target"), r + 0.06)
        coords["twin_part"] = ("twin_fold", [""] * folds)
    if not averaged:
        coords["subject"] = ("target", [f"s{i // 2}" for i in range(targets)])
    bound = _bound(
        None if averaged else ceiling,
        targets,
        "the responses are averaged over people" if averaged else "",
    )
    provenance = _provenance(model, n_layers, protocol, folds, bound)
    provenance["recording"] |= {
        "id": recording,
        "n_targets": targets,
        "n_subjects": 0 if averaged else n_subjects,
        "averaged": averaged,
        "simulated": simulated,
        "quality": quality,
        "citation": citation,
    }
    controls = _controls() if protocol.controls else _controls().iloc[:0]
    return Score(
        xr.Dataset(data, coords=coords), bound, protocol, controls, {}, provenance, cached, complete
    )


def _bound(value: float | None, targets: int, flag: str) -> Ceiling:
    if value is None:
        return Ceiling.none(flag or "none was asked for", targets)
    # as two disjoint pools have it: r_ay = r_by = .8 c and r_ab = .64 make the ceiling c; folds differ by next to nothing
    pairs = np.array([0.8 * value, 0.8 * value, 0.64])[:, None, None]
    pairs = pairs + 1e-9 * np.array([-1, 1, 1, -1])[:, None] + np.zeros(targets)
    details = {
        "pools": (("pair", "pool_fold", "target"), pairs),
        "pools_rank": (("pool_fold", "target"), np.zeros((4, targets))),
        "pools_part": (("pool_fold",), np.array([""] * 4)),
        "pools_seed": (("pool_fold",), np.zeros(4, int)),
    }
    return Ceiling(
        "pools",
        value,
        value - 0.05,
        value + 0.05,
        np.full(targets, value),
        True,
        flag,
        details=details,
    )


def _controls() -> pd.DataFrame:
    frame = pd.DataFrame({"control": ["position+length", "random-embedding"], "r": [0.3, 0.2]})
    return frame.assign(
        r_low=frame.r - 0.03, r_high=frame.r + 0.03, r2=frame.r**2, r_shuffled=frame.r + 0.01
    )


def _provenance(model: str, n_layers: int, protocol, folds: int, bound) -> dict:
    return {
        "protocol": protocol.to_dict(),
        "model": {
            "id": model,
            "fingerprint": "607a30d783dfa663caf39e06633721c8",
            "tokenizer_hash": "ab",
            "class": "causal",
            "family": "gpt",
            "parameters": 124439808,
            "width": 768,
            "layers": n_layers - 1,
            "bos": "",
            "note": "",
            "licence": "MIT",
            "citation": "Radford et al. 2019",
        },
        "recording": {
            "kind": "fmri",
            "unit": "a.u.",
            "scored_unit": "sentence",
            "stimulus_hash": "aa",
            "response_hash": "bb",
            "n_stimuli": 627,
            "context": "passage",
            "group": "topic",
            "within": None,
            "licence": "",
            "source": "",
        },
        "folds": f"{folds} folds grouped by topic",
        "ceiling": {"kind": bound.kind, "flag": bound.flag},
        "code_version": "1",
        "versions": {"brainlens": "0.1.0", "numpy": "2.3.0", "torch": "not installed"},
    }


@pytest.fixture
def make_score():
    """``make_score(model, n_layers, *, peak, height, ...) -> Score``."""
    return build_score
