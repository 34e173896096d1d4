"""Everything that determines a number, as plain values."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

import numpy as np

from analysis.protocol import Protocol
from data.notes import FILTER, of_kind
from data.recording import Recording

__all__ = ["provenance", "recorded", "rules"]


def provenance(
    source,
    about: dict,
    protocol: Protocol,
    parts,
    ceiling,
    made: Sequence[dict],
    numbers: Sequence[str] = (),
) -> dict:
    """The record behind a score: model, tokenizer, stimuli, folds, ceiling, versions; ready for JSON.

    Parameters
    ----------
    about : dict
        Of :func:`recorded`.
    made : sequence of dict
        What was written down when each layer was computed (:func:`analysis.store.keys.made`).
    numbers : sequence of str
        What its r is by content (:func:`analysis.scoring.sameness.same_number`).
    """
    card = source.card
    return {
        "protocol": protocol.to_dict(),
        "model": {
            "id": source.id,
            "fingerprint": source.fingerprint,
            "tokenizer_hash": source.tokenizer_hash,
            "class": card.cls,
            "family": card.family,
            "parameters": card.parameters,
            "width": max(source.widths),
            "layers": source.n_layers - 1,
            "bos": card.bos,
            "dtype": protocol.dtype,
            "note": card.note,
            "licence": card.licence,
            "citation": card.citation,
        },
        "recording": dict(about),
        "folds": rules(parts, protocol),
        "ceiling": {"kind": ceiling.kind, "flag": ceiling.flag},
        "numbers": list(numbers),
        **_made(made),
    }


def recorded(recording: Recording) -> dict:
    """What a recording is, its hashes included; with many targets that takes a third of a second."""
    subjects, hashes = recording.subjects, _hashes(recording)
    return {
        "id": recording.id,
        "kind": recording.kind,
        "unit": recording.unit,
        "scored_unit": recording.scored_unit,
        **{name: hashes[name] for name in ("stimulus_hash", "response_hash", "content_hash")},
        "n_stimuli": recording.n_measured,
        "stops": _stops(recording),
        "n_unmeasured": recording.n_stimuli - recording.n_measured,
        "n_targets": recording.n_targets,
        "n_subjects": 0 if subjects is None else len(set(subjects)),
        "people": [] if subjects is None else sorted(set(map(str, subjects))),
        **{name: hashes[name] for name in ("rows_hash", "rows_sketch", "order_hash", "texts_hash")},
        "people_hashes": dict(hashes["people_hashes"]),
        "filters": [str(note) for note in of_kind(recording.notes, FILTER)],
        "averaged": recording.averaged,
        "joiner": recording.joiner,
        "language": recording.language,
        "context": recording.context,
        "group": recording.group,
        "within": recording.within,
        "simulated": recording.simulated,
        "planted_ceiling": _planted(recording),
        "quality": recording.quality,
        "licence": recording.licence,
        "citation": recording.citation,
        "source": recording.source,
    }


_HASHES: dict[str, dict] = {}
_KEPT = 32
_SKETCH = 48
"""Rows in the sketch of a recording's rows."""


def _hashes(recording: Recording) -> dict:
    """All hashes of a recording; made once for one content in this process."""
    content = recording.content_hash
    if content not in _HASHES:
        if len(_HASHES) >= _KEPT:
            _HASHES.clear()
        _HASHES[content] = {
            "stimulus_hash": recording.stimulus_hash,
            "response_hash": recording.response_hash,
            "content_hash": content,
            "rows_hash": _rows_hash(recording),
            "rows_sketch": _rows_sketch(recording),
            **_text_hashes(recording),
            "people_hashes": _people_hashes(recording),
        }
    return _HASHES[content]


def _rows_hash(recording: Recording, mine=slice(None)) -> str:
    """Hash of texts and responses whatever the order of rows and targets: another order is not other data."""
    return hashlib.sha256(b"".join(sorted(_rows(recording, mine)))).hexdigest()


def _rows(recording: Recording, mine=slice(None)) -> list[bytes]:
    """Hash of the text and the responses of each row, whatever the order of targets."""
    names = recording.responses.target.values.astype(str)[mine]
    values = recording.responses.values[:, mine]
    values = np.ascontiguousarray(values[:, np.argsort(names, kind="stable")])
    texts = map(str, recording.stimuli.get("text", recording.stimuli.index))
    return [
        hashlib.sha256(text.encode("utf-8", "surrogatepass") + row.tobytes()).digest()
        for text, row in zip(texts, values)
    ]


def _rows_sketch(recording: Recording) -> list[str]:
    """The smallest hashes of measured rows: where the rows of one recording are some of another's, so are these.

    See Broder (1997), On the resemblance and containment of documents.
    """
    measured = np.isfinite(recording.responses.values).any(axis=1)
    rows = {row.hex()[:12] for row, there in zip(_rows(recording), np.asarray(measured)) if there}
    return sorted(rows)[:_SKETCH]


def _text_hashes(recording: Recording) -> dict[str, str]:
    """Hash of the texts as they stand, and whatever their order: two that agree in the second alone were turned."""
    texts = [str(one).strip() for one in recording.stimuli.get("text", recording.stimuli.index)]
    return {
        name: hashlib.sha256("\0".join(some).encode("utf-8", "surrogatepass")).hexdigest()
        for name, some in (("order_hash", texts), ("texts_hash", sorted(texts)))
    }


def _people_hashes(recording: Recording) -> dict[str, str]:
    """Person -> hash of the rows that are his or hers: where people were left out, those who stay can be compared."""
    if recording.subjects is None:
        return {}
    return {
        str(one): _rows_hash(recording, recording.subjects == one)[:16]
        for one in dict.fromkeys(recording.subjects)
    }


def _stops(recording: Recording) -> float:
    """Share of stimuli that end with a punctuation mark: their last token often is that mark."""
    texts = [text.rstrip() for text in recording.texts]
    return float(np.mean([bool(text) and not text[-1].isalnum() for text in texts]))


def _planted(recording: Recording) -> float | None:
    """The planted ceiling of a simulated recording, mean over all of its targets (0 for pure noise); None where none is known."""
    coords, each = recording.responses.coords, recording.truth.get("ceilings")
    if not each or "pair" not in coords or "planted" not in coords:
        return None
    pair, planted = coords["pair"].values.astype(int), coords["planted"].values.astype(bool)
    known = np.where(planted, np.asarray(each)[np.minimum(pair, len(each)) - 1], 0.0)
    return float(known.mean())


def rules(parts, protocol: Protocol) -> str:
    """How the folds were made; a rule with a seed holds for all of the protocol's."""
    said = "; ".join(
        dict.fromkeys(f"{part.name}: {part.rule}" if part.name else part.rule for part in parts)
    )
    if protocol.seeds == 1:
        return said
    last = protocol.seed + protocol.seeds - 1
    return re.sub(rf"\bseed {protocol.seed}\b", f"seeds {protocol.seed} to {last}", said)


def _made(layers: Sequence[dict]) -> dict:
    """Versions, machine, times and seconds of all layers together: one value where they agree, else each."""

    def agreed(name: str):
        values = list(dict.fromkeys(one[name] for one in layers))
        return values[0] if len(values) == 1 else values

    versions = [one["versions"] for one in layers]
    packages = {
        name: list(dict.fromkeys(one.get(name, "") for one in versions)) for name in versions[0]
    }
    times = sorted(one["time"] for one in layers)
    return {
        "code_version": agreed("code_version"),
        "versions": {name: ", ".join(found) for name, found in packages.items()},
        "machine": agreed("machine"),
        "device": ", ".join(dict.fromkeys(filter(None, (one.get("device", "") for one in layers)))),
        "computed": times[0] if times[0] == times[-1] else f"{times[0]} to {times[-1]}",
        "seconds": round(sum(one.get("seconds", 0.0) for one in layers), 3),
        "seeds": sorted({seed for one in layers for seed in one.get("seeds", {}).values()}),
    }
