"""Content keys of scores: one model (or ready activations) on one recording under one protocol."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

from analysis.features.activations import Activations, activation_key
from analysis.protocol import Protocol
from analysis.scoring.sameness import plain_name, same_number, same_rows
from analysis.store.keys import content_key
from data.errors import BrainLensError
from data.recording import Recording

__all__ = ["NEUTRAL", "cell_numbers", "data_key", "number_keys", "score_key", "told_keys"]


def data_key(recording: Recording, protocol: Protocol) -> str:
    """What was measured and how it is scored, whoever reads."""
    # epochs: windows that overlap a held-out one are left out of training since their folds were called so
    apart = ("windows apart",) if "lag" in recording.responses.coords else ()
    return content_key("data", recording.content_hash, protocol.key(), *apart)


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
    "layer": "nested",
    "targets": "mean",
    "people": "mean",
    "order": "targets-first",
    "dtype": "float32",
    "last_layer": "raw",
    "word_boundary": True,
}
"""Choices that stand beside r, or only sum up the same fits: whoever sees the profile under another layer choice, the median over
targets, or r of the same layers in half precision has seen what is locked."""
OF_SAMPLES = ("resample", "hrf", "delays", "highpass", "trim", "gap", "standardize_run", "nuisance")
"""Choices that say nothing of recordings whose rows are stimuli."""
_PLAIN = {name: getattr(Protocol(), name) for name in OF_SAMPLES}


def number_keys(
    model: str, data_key: str, protocol: Protocol, *, sampled: bool = False, weights: str = ""
) -> list[str]:
    """What a cell's r is, one for each fold seed, whatever is computed beside it.

    Where rows are stimuli (or this is not known: ``sampled=False``) the keys without :data:`OF_SAMPLES` are among them; with
    ``weights`` (fingerprint and tokenizer) those of the same model under another name are; and those of the model that a slight
    variant (:data:`analysis.scoring.sameness.SLIGHT`) was made of.
    """
    found = []
    for one in protocol.each_seed():
        bare, plain = (_bare(one, sampled=each) for each in (True, False))
        for who in dict.fromkeys(filter(None, (model, plain_name(model), weights))):
            found.append(content_key("number", who, data_key, bare.key()))
            if not sampled:
                found.append(content_key("number of stimuli", who, data_key, plain.key()))
    return found


def cell_numbers(source, recording: Recording, protocol: Protocol) -> list[str]:
    """The :func:`number_keys` of one model (or ready activations) on a recording, by the names of its choices and by content."""
    weights = _weights(source.fingerprint, source.tokenizer_hash)
    data = content_key("data", recording.content_hash)
    named = number_keys(source.id, data, protocol, sampled=recording.sampled, weights=weights)
    nearly = [
        key
        for one in protocol.each_seed()
        for key in same_rows(source, recording, _bare(one, sampled=recording.sampled))
    ]
    return [*named, *same_number(source, recording, protocol), *nearly]


def _bare(protocol: Protocol, *, sampled: bool) -> Protocol:
    """The choices that its r depends on; of rows that are stimuli without :data:`OF_SAMPLES`."""
    bare = replace(protocol, **NEUTRAL)
    return bare if sampled else replace(bare, **_PLAIN)


def _weights(fingerprint, tokenizer_hash) -> str:
    """Who reads, by content: another name or folder is no other model."""
    return f"weights {fingerprint} {tokenizer_hash}" if fingerprint else ""


def told_keys(told: Mapping) -> list[str]:
    """The :func:`number_keys` of a row, and those that its provenance tells; empty where it does not tell its protocol."""
    try:
        about = told.get("provenance") or "{}"
        about = json.loads(about) if isinstance(about, str) else about
        protocol = Protocol.from_dict(about["protocol"])
    except (ValueError, KeyError, TypeError, BrainLensError):
        return []
    who = about.get("model")
    who = who if isinstance(who, Mapping) else {}
    weights = _weights(who.get("fingerprint"), who.get("tokenizer_hash"))
    on = about.get("recording")
    content = on.get("content_hash") if isinstance(on, Mapping) else None
    data = content_key("data", content) if content else str(told.get("data_key"))
    told_by_itself = [str(one) for one in about.get("numbers") or ()]
    named = number_keys(str(told.get("model")), data, protocol, weights=weights)
    return [*named, *told_by_itself]
