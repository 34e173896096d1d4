"""Content keys of stored scores: equal exactly where the number must be equal."""

from __future__ import annotations

import hashlib
import json

from analysis.protocol import Protocol
from data.recording import Recording

__all__ = ["CODE_VERSION", "content_key", "data_key", "score_key"]

CODE_VERSION = "2"
"""Changed whenever a number may come out differently: part of the key of every stored score."""


def content_key(*parts: object) -> str:
    """Hash of the parts and of the code's version."""
    return hashlib.sha256(json.dumps([CODE_VERSION, *map(str, parts)]).encode()).hexdigest()[:32]


def data_key(recording: Recording, protocol: Protocol) -> str:
    """What was measured and how it is scored, whoever reads."""
    return content_key(
        recording.stimulus_hash,
        recording.response_hash,
        recording.group,
        recording.within,
        protocol.key(),
    )


def score_key(source, recording: Recording, protocol: Protocol) -> str:
    """One model (or ready activations) on one recording under one protocol."""
    return content_key(
        "score", source.id, source.fingerprint, source.tokenizer_hash, data_key(recording, protocol)
    )
