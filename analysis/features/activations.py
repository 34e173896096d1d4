"""Activations of every layer, read once, kept in the store, and served from it without the model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from analysis.features.from_file import read_layers
from analysis.models.base import Card, Model, Passage
from analysis.progress import SILENT, Report
from analysis.protocol import Protocol
from analysis.store.keys import READING, made, packages
from analysis.store.store import Store
from analysis.text.passages import context_labels, ending_with_words, passages, passages_hash
from data.errors import BrainLensError, unknown
from data.recording import Recording

__all__ = [
    "CODE_VERSION",
    "Activations",
    "activation_key",
    "extract",
    "from_file",
    "reading_recipe",
]

CODE_VERSION = 2
"""Changed whenever an activation may come out differently: part of every key."""

CONSTANT = "constant feature: every stimulus gives the same vector"


class Activations:
    """Activations of one model for the stimuli of one recording.

    Attributes
    ----------
    id, fingerprint, tokenizer_hash : str
        Of the model that read.
    card : Card
    layers : list of int
        Layers that are here.
    widths : tuple of int
        Units of every layer of the model, layer 0 first.
    key : str
        Content key in the store.
    fresh : bool
        Whether the model had to read; False: served from the store, the model was never loaded.
    device : str
        Where it read: ``cpu``, ``cuda`` and so on; empty where it was read elsewhere.
    """

    def __init__(
        self,
        card: Card,
        *,
        id: str,
        fingerprint: str,
        tokenizer_hash: str,
        widths: Sequence[int],
        layers: Sequence[int],
        key: str,
        fresh: bool,
        source,
        device: str = "",
    ):
        self.card, self.id, self.fingerprint, self.tokenizer_hash = (
            card,
            id,
            fingerprint,
            tokenizer_hash,
        )
        self.widths, self.layers, self.key, self.fresh = tuple(widths), list(layers), key, fresh
        self.device = device
        self._source = source  # .layer(number), .gram(number)

    @classmethod
    def in_memory(
        cls, card: Card, layers: dict[int, np.ndarray], recording: Recording, digest: str
    ) -> Activations:
        """Layers that are there already, in the recording's order; ``digest`` of their content."""
        widths = [layers[n].shape[1] if n in layers else 0 for n in range(max(layers) + 1)]
        ids = [str(i) for i in recording.stimuli.index]
        return cls(
            card,
            id=card.id,
            fingerprint=digest,
            tokenizer_hash="",
            widths=widths,
            layers=sorted(layers),
            key=_key({"file": digest, "stimuli": ids, "code": CODE_VERSION}),
            fresh=False,
            source=_Held(layers),
        )

    @property
    def n_layers(self) -> int:
        """Layers of the model, counted with layer 0."""
        return len(self.widths)

    def layer_number(self, layer: int | str) -> int:
        """A layer by number (negative from the top), digits, or the paper's name.

        Raises
        ------
        BrainLensError
            Where it is not among these activations.
        """
        names: Mapping[Any, int] = self.card.layer_names
        try:
            number = names[layer] if layer in names else int(layer)
        except (TypeError, ValueError):
            raise unknown(f"layer of {self.id}", layer, [*self.layers, *names]) from None
        number = number + self.n_layers if number < 0 else number
        if number not in self.layers:
            raise unknown(f"layer of {self.id}", layer, self.layers, remedy="Extract it first")
        return number

    def layer(self, layer: int | str) -> np.ndarray:
        """One layer, shape (n_stimuli, width), float32."""
        return self._source.layer(self.layer_number(layer))

    def gram(self, layer: int | str) -> np.ndarray:
        """Centred Gram matrix X_c X_c^T of one layer, shape (n_stimuli, n_stimuli), float64."""
        return self._source.gram(self.layer_number(layer))

    def note(self, layer: int | str) -> str:
        """What one has to know about a layer; empty where there is nothing.

        A constant layer is a legitimate feature: it predicts a constant, and says so.
        """
        values = self.layer(layer)
        spread = np.ptp(values, axis=0).max(initial=0.0)
        return (
            CONSTANT if spread <= 1e-6 * max(float(np.abs(values).max(initial=0.0)), 1e-30) else ""
        )

    def __repr__(self) -> str:
        whence = "read now" if self.fresh else "from the store"
        return f"<Activations {self.id}: layers {self.layers[0]} to {self.layers[-1]}, {whence}>"


# ---- reading through the store ------------------------------------------------------------------------
def activation_key(model: Model, recording: Recording, protocol: Protocol) -> str:
    """Content key: equal exactly where the same model reads the same passages in the same way; no weights are loaded."""
    return _key(_recipe(model, _read_hash(model, recording, protocol)[0], protocol))


def reading_recipe(model: Model, recording: Recording, protocol: Protocol) -> dict:
    """What :func:`activation_key` is over, without what makes next to no difference.

    A window that holds every passage (a token is a byte at least) is no window; precision and the norm behind the last block
    leave the other layers as they are; static vectors know neither context nor which word is the last.
    """
    if model.card.cls in ("embedding", "random"):
        texts = hashlib.sha256("\0".join(recording.texts).encode("utf-8", "surrogatepass"))
        pooling = "mean" if protocol.pooling == "last" else protocol.pooling
        return {**model.identity, "texts": texts.hexdigest(), "pooling": pooling}
    read, longest = _read_hash(model, recording, protocol)
    recipe = _recipe(model, read, protocol)
    options = {k: v for k, v in recipe["options"].items() if k != "last_layer"}
    if options.get("window", 0) > longest + 2:
        del options["window"]
    return {k: v for k, v in recipe.items() if k != "dtype"} | {"options": options}


def _texts(model: Model, recording: Recording, protocol: Protocol) -> list[Passage]:
    """What the model reads; for ``pooling="last"`` a stimulus ends with its last word (static vectors are means over words).

    Where each stimulus is read alone the punctuation at the word's end is left out too: the full stop is the last token of nearly
    all of them, and knows least of what tells them apart.
    """
    read = passages(recording, protocol.context)
    at_words, bare = _ends(model, recording, protocol)
    return ending_with_words(read, bare=bare) if at_words else read


def _ends(model: Model, recording: Recording, protocol: Protocol) -> tuple[bool, bool]:
    """Whether stimuli end with their last word, and whether without the punctuation at its end."""
    static = model.card.cls in ("embedding", "random")
    if protocol.pooling != "last" or static:
        return False, False
    return True, (
        protocol.context in ("none", "recording")
        and protocol.start != "tokenizer"  # the paper's last token is the mark
        and context_labels(recording, protocol.context) is None
    )


_HASHES: dict[tuple, tuple[str, int]] = {}
_KEPT = 64


def _read_hash(model: Model, recording: Recording, protocol: Protocol) -> tuple[str, int]:
    """Hash of the passages that are read, and bytes of the longest: put together once for equal texts, blanks and groups."""
    ends, context = _ends(model, recording, protocol), protocol.context
    counted = context.startswith("words:")
    labels = context_labels(recording, "recording" if counted else context)
    given = None if labels is None else labels.tobytes()
    told = (*recording.texts,), (*recording.before,), given, context if counted else "", ends
    if (known := _HASHES.get(told)) is None:
        read = _texts(model, recording, protocol)
        longest = max((len(one.text.encode("utf-8", "surrogatepass")) for one in read), default=0)
        if len(_HASHES) >= _KEPT:
            _HASHES.clear()
        known = _HASHES[told] = passages_hash(read), longest
    return known


def _recipe(model: Model, read: str, protocol: Protocol) -> dict:
    looks_ahead = model.card.looks_ahead
    return {
        **model.identity,
        "passages": read,
        "pooling": protocol.pooling,
        "attention": protocol.attention if looks_ahead else "prefix",
        "dtype": protocol.dtype,
        "options": model.reading_options(protocol),
        "code": CODE_VERSION,
        "packages": packages(READING),
    }


def _key(recipe: dict) -> str:
    return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:32]


def extract(
    model: Model,
    recording: Recording,
    protocol: Protocol,
    layers: Sequence[int | str] | None = None,
    *,
    store: Store | None = None,
    report: Report = SILENT,
) -> Activations:
    """Activations of a model for a recording's stimuli, from the store where they are there.

    Parameters
    ----------
    protocol : Protocol
        Only ``context``, ``window``, ``pooling``, ``attention``, ``start``, ``last_layer`` and ``dtype`` count here.
    layers : sequence of int or str, optional
        Numbers or the paper's names; None: all. Reading stops after the highest one that is missing.
    store : Store, optional
        Default: the user's own.

    Returns
    -------
    Activations
        With at least the layers asked for. What the store holds in another form, or only in part, is read anew. Two processes
        that ask for the same thing compute it once; a killed one that is started again goes on after its last finished batch.

    Raises
    ------
    BrainLensError
        Unknown layers or contexts, words no token covers, a model without activations.
    Cancelled
        Where the report was cancelled; finished batches are kept.
    """
    if hasattr(model, "of"):  # made elsewhere
        ready: Any = model
        return ready.of(recording)
    store = store or Store()
    texts = _texts(model, recording, protocol)
    numbers = (
        list(range(model.n_layers))
        if layers is None
        else sorted({model.layer_number(layer) for layer in layers})
    )
    recipe = _recipe(model, passages_hash(texts), protocol)
    key = _key(recipe)
    entry = store.activations(key, (recording.n_stimuli, model.widths))

    def read(wanted: Sequence[int]) -> bool:
        """Read what is not there; whether something was."""
        with store.lock(key, report):
            about = {"recording": recording.id, "context": protocol.context}
            meta = {**recipe, **about, "device": getattr(model, "device", "cpu"), **made()}
            entry.create(list(recording.stimuli.index), model.widths, meta)
            missing = sorted(set(wanted) - entry.complete())
            if missing:
                _read(model, texts, missing, recording, protocol, entry, recipe, report)
        return bool(missing)

    fresh = False
    if not entry.complete().issuperset(numbers):
        fresh = read(numbers)
        store.make_room(keep=key)
    return Activations(
        model.card,
        id=model.id,
        fingerprint=model.fingerprint,
        tokenizer_hash=model.tokenizer_hash,
        widths=model.widths,
        layers=numbers,
        key=key,
        fresh=fresh,
        source=_Kept(entry, read),
        device=str(entry.meta().get("device", "")),
    )


class _Kept:
    """What the store keeps; a layer that turns out to be damaged, or was evicted meanwhile, is read again once."""

    def __init__(self, entry, read):
        self._entry, self._again = entry, read

    def layer(self, number: int) -> np.ndarray:
        return self._asked(self._entry.layer, number)

    def gram(self, number: int) -> np.ndarray:
        return self._asked(self._entry.gram, number)

    def _asked(self, get, number: int) -> np.ndarray:
        try:
            return get(number)
        except BrainLensError:
            self._again([number])
            return get(number)


def _read(
    model: Model,
    texts,
    missing: list[int],
    recording: Recording,
    protocol: Protocol,
    entry,
    recipe: dict,
    report: Report,
) -> None:
    """Let the model read, batch by batch into the journal, then layer by layer into the store."""
    journal = entry.journal(missing, [model.widths[n] for n in missing], recording.n_stimuli)
    options = {**recipe["options"], **({"skip": journal.done.tolist()} if model.resumable else {})}
    for rows, values in model.read(
        texts,
        missing,
        pooling=protocol.pooling,
        attention=protocol.attention,
        dtype=protocol.dtype,
        report=report,
        **options,
    ):
        journal.add(rows, values)
    if journal.missing:
        raise BrainLensError(
            f"{model.id} gave no activations for {journal.missing} of {recording.n_stimuli} stimuli",
            remedy="Report this: a reader has to return every row",
        )
    for i, number in enumerate(missing):
        entry.write(number, journal.values(i))
    entry.drop_journals()


# ---- made elsewhere ------------------------------------------------------------------------
class _Held:
    """Layers in memory, with the face of what the store keeps."""

    def __init__(self, layers: dict[int, np.ndarray]):
        self._layers = layers

    def layer(self, number: int) -> np.ndarray:
        return self._layers[number]

    def gram(self, number: int) -> np.ndarray:
        centred = self._layers[number].astype(np.float64)
        centred -= centred.mean(axis=0)
        return centred @ centred.T


def from_file(
    path: str | Path, recording: Recording, *, card: Card | None = None, contiguous: bool = False
) -> Activations:
    """Activations made elsewhere, brought into the recording's order by stimulus id.

    Parameters
    ----------
    path : path
        As in :func:`analysis.features.from_file.read_layers`.
    card : Card, optional
        Default: one made from the file's name.
    contiguous : bool
        Count the layers 0, 1, ... whatever numbers they have in the file.

    Raises
    ------
    BrainLensError
        Stimuli that are missing or occur twice, pickled arrays, values that are not finite.
    """
    path = Path(path).expanduser()
    layers, digest, told = read_layers(path, recording)
    if contiguous:
        layers = dict(enumerate(layers[n] for n in sorted(layers)))
    card = card or Card(
        id=path.stem.lower(),
        cls="activations",
        source="folder",
        note="activations from a file",
        layers=max(layers),
        width=max(values.shape[1] for values in layers.values()),
    )
    if told:
        card = replace(card, note="; ".join(filter(None, [card.note, told])))
    return Activations.in_memory(card, layers, recording, digest)
