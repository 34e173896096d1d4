"""What a score would cost, told before it is asked for."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.protocol import Protocol
from data.recording import Recording

__all__ = ["Cost", "cost"]

READING = 2.5e10
"""Multiplications per second of a forward pass on two laptop cores, about."""
SOLVING = 1.5e10
"""The same for the regressions in double precision."""


@dataclass(frozen=True)
class Cost:
    """What stands between a model and its score.

    Parameters
    ----------
    layers, scored, read : int
        Layers of the model; those whose score is stored; those whose activations are.
    seconds : float or None
        Estimated for what is missing, on two cores; None where the model's size is not known.
    download : int
        Bytes to fetch first.
    memory : int
        Bytes the weights and one batch of activations take, about; 0 where nothing has to be loaded.
    """

    layers: int
    scored: int = 0
    read: int = 0
    seconds: float | None = None
    download: int = 0
    memory: int = 0

    @property
    def cached(self) -> bool:
        """Whether everything is stored: nothing is computed and no model is loaded."""
        return self.layers > 0 and self.scored == self.layers


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
    from analysis.activations import activation_key
    from analysis.keys import score_key
    from analysis.models.catalog import card, load, state
    from analysis.store import Store

    store = store or Store()
    facts = card(model)
    parameters = facts.parameters or (12 * facts.layers * facts.width**2 if facts.layers and facts.width else None)
    if state(model) == "needs download":
        layers = (facts.layers or 12) + 1
        return Cost(
            layers,
            seconds=_seconds(parameters, layers, layers, facts.width, recording, protocol),
            download=facts.download or 0,
            memory=6 * (parameters or 0),
        )
    reader = load(model)
    key = score_key(reader, recording, protocol)
    scored = sum(_has_score(store, f"{key}-layer{n}") for n in range(reader.n_layers))
    if scored == reader.n_layers:
        return Cost(scored, scored, scored, seconds=0.1)
    read = len(store.activations(activation_key(reader, recording, protocol)).complete())
    unread = 0 if read == reader.n_layers else reader.n_layers
    seconds = _seconds(parameters if unread else 0, unread, reader.n_layers - scored, max(reader.widths), recording, protocol)
    memory = 6 * (parameters or 0) if unread else 0
    return Cost(reader.n_layers, scored, read, seconds, memory=memory)


def _has_score(store, key: str) -> bool:
    return any((base / "scores" / f"{key}.nc").exists() for base in (store.root, *store.readers))


def _seconds(
    parameters: int | None, unread: int, unscored: int, width: int | None, recording: Recording, protocol: Protocol
) -> float | None:
    if parameters is None:
        return None
    words = sum(len(text.split()) for text in recording.texts)
    reading = (2.0 + 2 * parameters * 1.4 * words / READING) if unread else 0.0
    n, p, targets = recording.n_stimuli, width or 768, recording.n_targets
    fits = protocol.folds * (1 + protocol.inner_folds * (protocol.criterion == "kfold")) * (2 if protocol.shuffled_twin else 1)
    each = 5.0 * min(n, p) ** 3 + n * n * p / max(protocol.folds, 1) + 2.0 * n * min(n, p) * targets * len(protocol.alphas)
    return reading + unscored * (0.05 + fits * each / SOLVING)
