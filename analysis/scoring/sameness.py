"""What a number is by content: who reads what, of which values, in which folds, fitted how; whatever it is called."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

import numpy as np
import pandas as pd

from analysis.features.activations import Activations, reading_recipe
from analysis.mapping.splits import make_folds
from analysis.models import load
from analysis.models.variants.spec import Variant, split
from analysis.protocol import SIMILARITIES, Protocol
from analysis.store.keys import content_key
from data.errors import BrainLensError
from data.recording import Recording

__all__ = ["SLIGHT", "plain_name", "same_number", "same_rows"]

SLIGHT = {"noise": 0.01, "lesion": 0.1, "mask": 1.0}
"""Kind of variant -> amount below which it tells nearly the number of the model that it was made of."""
BANDS, BITS = 6, 64
"""Of the sketch of the responses: where r with other responses is .9999 or more some band is the same, at .95 none (99.4 %)."""
ROW_BANDS, ROW_HASHES = 6, 16
"""Of the sketch of the rows: where one of 100 rows is left out some band is the same, of a tenth mostly, of half none."""
NEAR_BANDS, NEAR_HASHES, NEAR_PLACES = 16, 6, 6
"""Of the sketch of rows whose values may differ slightly: each lies in a cell of a grid along so many random directions."""
NEAR_SHARE = 0.1
"""More rows than this in one cell (ratings, right or wrong): another person's lie in the same cells, no such sketch is made."""
_SKETCHES: dict[str, list[str]] = {}
_ROWS: dict[str, list[str]] = {}
_KEPT = 32
_IN_TIME = ("resample", "hrf", "delays", "highpass", "trim", "gap", "standardize_run", "nuisance")
_CALLED = ("model", "fingerprint", "packages", "code")
_PLACES = re.compile(r"@at:[^@|]*")


def same_number(source, recording: Recording, protocol: Protocol) -> list[str]:
    """Keys of what a cell's r is by content, one for each set of folds.

    Equal for two names of one thing: columns, people and targets of other names, a context named by its column, more folds than
    there are groups, seeds that change no fold, choices that a static embedding, a single alpha or least squares do not know;
    and for other layers and summaries (median, order) of the same fits. A variant of a model that is :data:`SLIGHT` is that
    model. Responses that hardly differ (digits cut off, another unit, a value here and there) share some of their keys.

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
        source = _unvaried(source)
        who, what = _who(source), _read(source, recording, protocol)
        data, keys = _data(recording), []
        every = [data, *_sketches(recording, data)]
        for one in protocol.each_seed():
            how = _how(source, recording, one)
            folds = _folds(recording, one, how)
            keys += [
                content_key("same", who, what, each, folds, sorted(how.items())) for each in every
            ]
    except BrainLensError:
        return []
    return list(dict.fromkeys(keys))


def same_rows(source, recording: Recording, protocol: Protocol) -> list[str]:
    """Keys that a recording shares with one of nearly the same rows: a few left out or added, or in another order.

    Other rows make other folds, and so another number that lies near: the choices of the protocol stand in the keys, not the
    folds. Rows are known by their text and responses: exactly (in float32, targets in whatever order), and by about where they
    lie among the others, so that rows whose values differ slightly (r above .9999) are known too.

    Parameters
    ----------
    source : Model or Activations
    recording : Recording
    protocol : Protocol
        As bare as its number allows (:data:`analysis.scoring.keys.NEUTRAL`).

    Returns
    -------
    list of str
        Empty for samples of a run, which cannot change places.

    References
    ----------
    Broder (1997). On the resemblance and containment of documents.
    """
    if recording.sampled:
        return []
    if (bands := _ROWS.get(recording.content_hash)) is None:
        if len(_ROWS) >= _KEPT:
            _ROWS.clear()
        bands = _ROWS[recording.content_hash] = _row_bands(recording)
    who = _who(_unvaried(source))
    return [content_key("same rows", who, band, protocol.key()) for band in bands]


def plain_name(name: str) -> str:
    """A model's name without variants that are :data:`SLIGHT`.

    Examples
    --------
    >>> plain_name("gpt2@noise:all:0.000001@mask:50:word:0")
    'gpt2@mask:50:word:0'
    """
    try:
        base, revision, variant = split(name)
    except BrainLensError:  # arrays that bear such a name
        return name
    steps = _lasting(variant)
    if len(steps) == len(variant.steps):
        return name
    return "@".join(
        filter(None, [base, revision and f"revision:{revision}", str(Variant.of(steps))])
    )


def _lasting(variant: Variant) -> list[Variant]:
    return [one for one in variant.steps if one.amount >= SLIGHT.get(one.kind, 0.0)]


def _unvaried(source):
    """The model that a :data:`SLIGHT` variant was made of; every other source is given back."""
    if isinstance(source, Activations) or (name := plain_name(str(source.id))) == source.id:
        return source
    return load(name)


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


def _row_bands(recording: Recording) -> list[str]:
    """Each the smallest hashes of the measured rows under some hash functions: two sets of rows share them as they overlap."""
    import xxhash

    values = np.asarray(recording.responses.values, np.float32)
    texts = [str(one).strip().encode("utf-8", "surrogatepass") for one in recording.texts]
    measured = np.flatnonzero(np.isfinite(values).any(axis=1))
    sketches: list[tuple[str, np.ndarray, int, int]] = [
        ("rows", np.sort(values, axis=1), ROW_BANDS, ROW_HASHES)
    ]
    if (cells := _cells(recording.responses.values[measured])) is not None:
        near = np.zeros((len(values), NEAR_PLACES), np.int32)
        near[measured] = cells
        sketches.append(("rows nearly", near, NEAR_BANDS, NEAR_HASHES))
    found = []
    for name, rows, bands, hashes in sketches:
        told = [xxhash.xxh3_64_intdigest(texts[row] + rows[row].tobytes()) for row in measured]
        rng = np.random.default_rng(0)
        odd = rng.integers(0, 2**63, bands * hashes, np.uint64) * np.uint64(2) + np.uint64(1)
        more = rng.integers(0, 2**63, len(odd), np.uint64)
        every = np.array(told, np.uint64)[:, None] * odd + more
        least = every.min(axis=0, initial=2**64 - 1)
        found += [content_key(name, band, least[band::bands].tobytes()) for band in range(bands)]
    return found


def _cells(values: np.ndarray) -> np.ndarray | None:
    """Cell of each row in a grid of one standard deviation along random directions of the standardised targets.

    None where it would not tell one person's rows from another's (:data:`NEAR_SHARE`).
    """
    rng, along = np.random.default_rng(1), np.zeros((len(values), NEAR_PLACES))
    shifts = rng.random(NEAR_PLACES)
    for first in range(0, values.shape[1], 1000):
        some = _standardised(np.asarray(values[:, first : first + 1000], np.float64))
        along += some @ rng.standard_normal((some.shape[1], NEAR_PLACES))
    spread = along.std(axis=0) if len(along) else np.zeros(NEAR_PLACES)
    found = np.floor(along / np.where(spread > 0, spread, 1.0) + shifts).astype(np.int32)
    most = np.unique(found, axis=0, return_counts=True)[1].max(initial=0)
    return None if most > NEAR_SHARE * len(found) else found


def _sketches(recording: Recording, digest: str) -> list[str]:
    """Signs of random sums over the standardised responses, in bands: what changes them slightly leaves some bands as they are.

    Whose each target is does not count: another file may not tell it.
    """
    if (known := _SKETCHES.get(digest)) is None:
        values = recording.responses.values
        rng, total = np.random.default_rng(0), np.zeros(len(values))
        signs = rng.choice([-1.0, 1.0], values.shape[1])
        for first in range(0, values.shape[1], 1000):
            some = slice(first, first + 1000)
            total += _standardised(np.asarray(values[:, some], np.float64)) @ signs[some]
        bits = rng.standard_normal((BANDS * BITS, len(total))) @ total > 0
        told = [values.shape, list(map(str, recording.texts)), recording.sampled]
        known = [
            content_key("nearly", *told, band, bits[band::BANDS].tobytes()) for band in range(BANDS)
        ]
        if len(_SKETCHES) >= _KEPT:
            _SKETCHES.clear()
        _SKETCHES[digest] = known
    return known


def _standardised(values: np.ndarray) -> np.ndarray:
    """Each column with mean 0 and deviation 1; what is missing or constant as 0."""
    there = np.isfinite(values)
    count = np.maximum(there.sum(axis=0), 1)
    centred = np.where(there, values, 0.0)
    centred = np.where(there, centred - centred.sum(axis=0) / count, 0.0)
    spread = np.sqrt((centred**2).sum(axis=0) / count)
    return centred / np.where(spread > 0, spread, 1.0)


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
