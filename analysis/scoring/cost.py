"""What a score would cost, told before it is asked for."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from analysis.features.activations import activation_key
from analysis.models.catalog import card, state
from analysis.models.variants.spec import split
from analysis.protocol import Protocol
from analysis.scoring.case import Case
from analysis.store.store import Store
from analysis.text.passages import passages
from data.errors import BrainLensError
from data.recording import Recording

__all__ = ["Cost", "cost", "downloads", "estimate", "fetched", "slowdown", "tokens_read"]

READING = 2.5e10
"""Multiplications per second of a forward pass on two laptop cores, about."""
SOLVING = 1.5e10
"""The same for the regressions in double precision."""
FITTING = 0.02
"""Seconds that one fit takes however small it is, about: what small recordings with many folds consist of."""
SPLITTING = 5e5
"""Tokens per second that a tokenizer makes of text, about."""
LETTERS = 4.0
"""Characters per token, about."""


@dataclass(frozen=True)
class Cost:
    """What stands between a model and its score.

    Parameters
    ----------
    layers, scored, read : int
        Layers of the model; those whose score is stored for all fold seeds; those whose activations are.
    seconds : float or None
        Estimated for what is missing, on two cores; None where the model's size is not known.
    downloads : mapping of str to (int or None)
        Models to fetch first and their bytes; None where nobody knows how many. Copies of a model are fetched with it, once.
    memory : int
        Bytes the weights and one batch of activations take, about; 0 where nothing has to be loaded.
    reading : float
        Of the seconds those of reading: once for all scores of the same activations.
    made_of : tuple of (str, float)
        Kinds of work and the seconds of each, where they are told apart.
    once : mapping of str to float
        Of the seconds those that are spent once for all prices that name them alike (a ceiling, controls): what -> seconds.
    """

    layers: int
    scored: int = 0
    read: int = 0
    seconds: float | None = None
    downloads: Mapping[str, int | None] = field(default_factory=dict)
    memory: int = 0
    reading: float = 0.0
    made_of: tuple[tuple[str, float], ...] = ()
    once: Mapping[str, float] = field(default_factory=dict)

    @property
    def download(self) -> int | None:
        """Bytes to fetch first; None where something has to be fetched and nobody knows how much."""
        return fetched([self.downloads])

    @property
    def cached(self) -> bool:
        """Whether everything is stored: nothing is computed and no model is loaded."""
        return self.layers > 0 and self.scored == self.layers


def fetched(every: Iterable[Mapping[str, int | None]]) -> int | None:
    """Bytes that several downloads come to, each model once; None where one is not known.

    Examples
    --------
    >>> fetched([{"gpt2": 548}, {"gpt2": 548, "bert": 440}]), fetched([{"gpt2": None}])
    (988, None)
    """
    sizes = {name: size for one in every for name, size in one.items()}.values()
    known = [size for size in sizes if size is not None]
    return sum(known) if len(known) == len(sizes) else None


def downloads(*models: str) -> dict[str, int | None]:
    """What has to be fetched before these models can be read, variants with their model: id -> bytes, None where not known.

    A name that stands for no model is left to what reads it, which refuses it in words.
    """
    absent = {}
    for name in models:
        with suppress(BrainLensError):
            base, revision, _ = split(name)
            if state(name) == "needs download":
                facts = card(base)
                absent["@revision:".join(filter(None, (facts.id, revision)))] = facts.download
    return absent


def cost(model: str, recording: Recording, protocol: Protocol, *, store=None) -> Cost:
    """Look into the store and at the model's card; loads no weights and fetches nothing.

    Parameters
    ----------
    model : str
        As for :func:`analysis.score`.
    recording : Recording
    protocol : Protocol
    store : Store, optional
        None: the user's own.

    Raises
    ------
    BrainLensError
        For a model that does not exist.
    """
    store = store or Store()
    facts = card(model)
    parameters = facts.parameters_about
    if state(model) == "needs download":
        layers = (facts.layers or 12) + 1
        return Cost(
            layers,
            seconds=estimate(
                facts, parameters, layers, layers * protocol.seeds, facts.width, recording, protocol
            ),
            downloads=downloads(model),
            memory=6 * (parameters or 0),
        )
    case = Case.of(model, recording, protocol, store=store)
    reader: Any = case.source
    keys = [case.keys[number] for number in case.wanted]
    twin = bool(case.every[0].twins)
    there = [
        sum(
            store.has_score(f"{key}-layer{n}")
            and (key != keys[0] or not twin or store.has_score(f"{key}-twin{n}"))
            for key in keys
        )
        for n in range(reader.n_layers)
    ]
    scored = there.count(len(keys))
    if scored == reader.n_layers:
        return Cost(scored, scored, scored, seconds=0.1)
    key = activation_key(reader, recording.reading(), protocol)
    read = len(store.activations(key).complete())
    unread = 0 if read == reader.n_layers else reader.n_layers
    about = (facts, parameters if unread else 0, unread)
    window = getattr(reader, "window", None) if unread else None
    rest = (max(reader.widths), recording, protocol)
    seconds = estimate(*about, len(keys) * reader.n_layers - sum(there), *rest, window=window)
    reading = estimate(*about, 0, *rest, window=window) or 0.0
    memory = 6 * (parameters or 0) if unread else 0
    return Cost(reader.n_layers, scored, read, seconds, memory=memory, reading=reading)


def slowdown() -> float:
    """How many times longer than on an idle machine work takes now; 1.0 where nothing else runs, or where nobody knows.

    Notes
    -----
    Processes that run or wait for a core in the last minute, with one more, over the cores of the machine (``os.getloadavg``).
    """
    try:
        waiting = os.getloadavg()[0]
    except (AttributeError, OSError):  # not told on every system
        return 1.0
    return max(1.0, (waiting + 1) / (os.cpu_count() or 1))


def tokens_read(
    recording: Recording,
    protocol: Protocol,
    *,
    looks_ahead: bool = False,
    window: int | None = None,
) -> tuple:
    """Tokens that pass through a transformer, and tokens that are made of text on the way, about.

    Parameters
    ----------
    looks_ahead : bool
        A bidirectional model: every prefix has a pass of its own where the protocol hides what follows.
    window : int, optional
        Tokens the model sees at once; the protocol's own window counts too.

    Notes
    -----
    A causal model reads a text once, as far as its window reaches; every stimulus behind that has a pass of its own over the
    newest tokens (a sentence at the end of a long story costs a whole window).
    """
    seen = min((w for w in (window, protocol.window) if w is not None), default=np.inf)
    read = split = 0.0
    for passage in passages(recording, protocol.context):
        ends = np.asarray(passage.spans, float).reshape(-1, 2)[:, 1] / LETTERS
        whole = len(passage.text) / LETTERS
        if looks_ahead and protocol.attention == "whole":
            read += whole if whole <= seen else seen * len(ends)
            split += whole
            continue
        alone = np.ones(len(ends), bool) if looks_ahead else ends > seen
        read += np.minimum(ends[alone], seen).sum() + ends[~alone].max(initial=0.0)
        split += ends.sum()
    return read, split


def estimate(
    facts,
    parameters: int | None,
    unread: int,
    unscored: int,
    width: int | None,
    recording: Recording,
    protocol: Protocol,
    *,
    window: int | None = None,
) -> float | None:
    """Seconds that reading and scoring take, about; None where the number of weights is not known.

    Parameters
    ----------
    facts : Card
    parameters : int or None
        Weights that are read with; 0 where nothing is read.
    unread, unscored : int
        Layers without activations, and fits of a layer under a fold seed without a score.
    width : int or None
        Units of a layer.
    window : int, optional
        Tokens the model sees at once.
    """
    if parameters is None:
        return None
    reading = 0.0
    if unread:
        reading = 2.0
        if facts.cls not in ("embedding", "random", "n-gram", "activations"):  # these look words up
            read, split = tokens_read(
                recording,
                protocol,
                looks_ahead=facts.looks_ahead,
                window=window,
            )
            reading += 2 * parameters * read / READING + split / SPLITTING
    n, p, targets = recording.n_measured, width or 768, recording.n_targets
    fits = (
        protocol.folds
        * (1 + protocol.inner_folds * (protocol.criterion == "kfold"))
        * (1 + protocol.shuffled_twin / protocol.seeds)  # the twin has one fold seed
    )
    each = (
        5.0 * min(n, p) ** 3
        + n * n * p / max(protocol.folds, 1)
        + 2.0 * n * min(n, p) * targets * len(protocol.alphas)
    )
    return float(reading + unscored * (0.05 + fits * (FITTING + each / SOLVING)))
