"""Content keys of scores: one model (or ready activations) on one recording under one protocol."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

from analysis.features.activations import Activations, activation_key
from analysis.protocol import Protocol
from analysis.store.keys import content_key
from data.errors import BrainLensError
from data.recording import Recording

__all__ = ["NEUTRAL", "data_key", "number_keys", "score_key", "told_keys"]


def data_key(recording: Recording, protocol: Protocol) -> str:
    """What was measured and how it is scored, whoever reads."""
    return content_key("data", recording.content_hash, protocol.key())


def score_key(source, recording: Recording, protocol: Protocol) -> str:
    """One model (or ready activations) on one recording under one protocol; no weights are loaded."""
    read = (
        source.key
        if isinstance(source, Activations)
        else activation_key(source, recording.reading(), protocol)
    )
    return content_key("score", source.id, read, data_key(recording, protocol))


# ---- numbers, whatever stands beside them ------------------------------------------------------------
NEUTRAL = {
    "name": "",
    "controls": (),
    "shuffled_twin": False,
    "unique": False,
    "ceiling": "none",
    "normalise": "aggregate",
    "clip": False,
    "bootstrap": 1000,
}
"""Choices that stand beside r and leave it as it is: with other ones of these a locked number is the same number."""
OF_SAMPLES = ("resample", "hrf", "delays", "highpass", "trim", "gap", "standardize_run", "nuisance")
"""Choices that say nothing of recordings whose rows are stimuli."""


def number_keys(
    model: str, data_key: str, protocol: Protocol, *, sampled: bool = False
) -> list[str]:
    """What a cell's r is, one for each fold seed, whatever is computed beside it.

    Where rows are stimuli (or this is not known: ``sampled=False``) the keys without :data:`OF_SAMPLES` are among them.
    """
    plain = {name: getattr(Protocol(), name) for name in OF_SAMPLES}
    found = []
    for one in protocol.each_seed():
        bare = replace(one, **NEUTRAL)
        found.append(content_key("number", model, data_key, bare.key()))
        if not sampled:
            found.append(
                content_key("number of stimuli", model, data_key, replace(bare, **plain).key())
            )
    return found


def told_keys(told: Mapping) -> list[str]:
    """The :func:`number_keys` of a row; empty where it does not tell its protocol."""
    try:
        about = told.get("provenance") or "{}"
        about = json.loads(about) if isinstance(about, str) else about
        protocol = Protocol.from_dict(about["protocol"])
    except (ValueError, KeyError, TypeError, BrainLensError):
        return []
    return number_keys(str(told.get("model")), str(told.get("data_key")), protocol)
