"""What a number is by content: who reads what, of which values, in which folds, fitted how; whatever it is called."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

import numpy as np
import pandas as pd

from analysis.features.activations import Activations, reading_recipe
from analysis.mapping.splits import make_folds
from analysis.protocol import SIMILARITIES, Protocol
from analysis.store.keys import content_key
from data.errors import BrainLensError
from data.recording import Recording

__all__ = ["same_number"]

_IN_TIME = ("resample", "hrf", "delays", "highpass", "trim", "gap", "standardize_run", "nuisance")
_CALLED = ("model", "fingerprint", "packages", "code")
_PLACES = re.compile(r"@at:[^@|]*")


def same_number(source, recording: Recording, protocol: Protocol) -> list[str]:
    """Keys of what a cell's r is by content, one for each set of folds.

    Equal for two names of one thing: columns, people and targets of other names, a context named by its column, more folds than
    there are groups, seeds that change no fold, choices that a static embedding, a single alpha or least squares do not know;
    and for other layers and summaries (median, order) of the same fits.

    Parameters
    ----------
    source : Model or Activations
    recording : Recording
    protocol : Protocol

    Returns
    -------
    list of str
        Empty where no folds can be made under this protocol (then there is no r).
    """
    try:
        who, what = _who(source), _read(source, recording, protocol)
        data = _data(recording)
        keys = []
        for one in protocol.each_seed():
            how = _how(source, recording, one)
            keys.append(
                content_key(
                    "same", who, what, data, _folds(recording, one, how), sorted(how.items())
                )
            )
    except BrainLensError:
        return []
    return list(dict.fromkeys(keys))


def _who(source) -> str:
    """Weights and tokenizer where they are known by content, else the name; another place inside is no other model."""
    if not source.fingerprint:
        return source.id
    return f"{_PLACES.sub('', source.fingerprint)} {source.tokenizer_hash}"


def _read(source, recording: Recording, protocol: Protocol) -> object:
    """What is read, and how; a variant that only has another name is not told apart."""
    if isinstance(source, Activations):
        return source.key
    recipe = reading_recipe(source, recording.reading(), protocol)
    return sorted((k, repr(v)) for k, v in recipe.items() if k not in _CALLED)


def _data(recording: Recording) -> str:
    """Responses with the texts they belong to, whose each target is, and which rows are scored apart."""
    import xxhash

    values = np.ascontiguousarray(recording.responses.values, np.float64)
    digest = hashlib.sha256(xxhash.xxh3_128(values.data).digest())
    told: list[object] = [values.shape, list(map(str, recording.texts)), recording.averaged]
    told.append(_codes(recording.subjects))
    if recording.within is not None:
        told.append(_codes(recording.column(recording.within)))
    if recording.sampled:
        told.append(recording.content_hash)
    digest.update(repr(told).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _codes(labels) -> list[int]:
    return [] if labels is None else pd.factorize(np.asarray(labels).astype(str))[0].tolist()


def _how(source, recording: Recording, protocol: Protocol) -> dict[str, object]:
    """The choices of the fit that can make a difference here; layer and summary are chosen from the same fits."""
    found: dict[str, object] = {"method": protocol.method}
    kind, _, width = protocol.dimensions.partition(":")
    if kind == "random" or (kind == "pca" and int(width) < max(source.widths)):
        found["dimensions"] = protocol.dimensions
    if kind == "random":
        found["seed"] = protocol.seed
    if protocol.method not in SIMILARITIES:
        found["standardize"] = protocol.standardize
    if protocol.method == "ridge":
        found["alphas"] = protocol.alphas
        if len(protocol.alphas) > 1:
            found |= {"criterion": protocol.criterion, "shared": protocol.shared_alpha}
    elif protocol.method == "ols":
        found["rcond"] = protocol.rcond
    if recording.sampled:
        found |= {name: getattr(protocol, name) for name in _IN_TIME}
    return found


def _folds(recording: Recording, protocol: Protocol, how: dict) -> str:
    """Hash of the outer folds; of the inner ones and the groups where alpha is chosen by them."""
    digest = hashlib.sha256()
    inside = how.get("criterion") in ("kfold", "logo")
    for part in make_folds(recording, protocol):
        _add(digest, (rows for fold in part.folds for rows in fold))
        if inside:
            _add(digest, (rows for folds in part.inner for fold in folds for rows in fold))
            _add(digest, [pd.factorize(np.asarray(part.groups))[0]])
        digest.update(b"part")
    return digest.hexdigest()


def _add(digest, arrays: Iterable[np.ndarray]) -> None:
    for one in arrays:
        digest.update(np.asarray(one, np.int64).tobytes() + b"|")
