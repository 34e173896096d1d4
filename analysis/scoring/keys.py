"""Content keys of scores: one model (or ready activations) on one recording under one protocol."""

from __future__ import annotations

from analysis.features.activations import Activations, activation_key
from analysis.protocol import Protocol
from analysis.store.keys import content_key
from data.recording import Recording

__all__ = ["data_key", "score_key"]


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
