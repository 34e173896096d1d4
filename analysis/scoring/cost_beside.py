"""What stands beside a score costs too: controls, joint fits with them, ceilings, and responses that change places."""

from __future__ import annotations

from dataclasses import replace
from math import ceil, comb

from analysis.ceiling.disjoint import SPLITS
from analysis.ceiling.kinds import chosen_kind
from analysis.models.catalog import card, load, state
from analysis.protocol import SIMILARITIES, Protocol
from analysis.scoring.comparisons import HEADLINE_TARGETS, ceiling_key, controls_key
from analysis.scoring.cost import FITTING, SOLVING, Cost
from analysis.scoring.keys import data_key
from analysis.scoring.significance import BLOCK
from analysis.store.store import Store
from data.recording import Recording

__all__ = [
    "ceiling_seconds",
    "control_seconds",
    "court_seconds",
    "embedding_key",
    "embedding_seconds",
    "exchange_seconds",
    "fit_seconds",
    "headline_seconds",
    "joint_seconds",
    "with_beside",
]

JOINT = 7
"""Fits of full width that a joint fit with controls takes as long as, about: weights of two bands are searched."""
VALUE = 7e-9
"""Seconds for one held-out value under one alpha where thousands of targets are fitted at once, about."""
EMBEDDING = "random-embedding"
"""The control that is as wide as the model."""
SMALL, POOLED = 0.004, 0.001
"""Seconds that a fit takes however small it is, alone and among the many of pools of people, about."""


def fit_seconds(recording: Recording, protocol: Protocol, width: int, times: int) -> float:
    """Seconds of so many fits of that width, about."""
    n = recording.n_measured
    least = min(n, width)
    each = 5.0 * least**3 + 2.0 * n * least * recording.n_targets * len(protocol.alphas)
    return times * (0.05 + protocol.folds * each / SOLVING)


def joint_seconds(recording: Recording, protocol: Protocol) -> float:
    """Of a model's joint fits with one set of controls, under all fold seeds."""
    return JOINT * protocol.seeds * fit_seconds(recording, protocol, recording.n_measured, 1)


def headline_seconds(recording: Recording, protocol: Protocol) -> float:
    """Of the joint fit behind a score's unique R2; 0 where the protocol does not ask for it, or it is not made."""
    left_out = protocol.method in SIMILARITIES or recording.n_targets > HEADLINE_TARGETS
    return 0.0 if left_out or not protocol.unique else joint_seconds(recording, protocol)


def control_seconds(recording: Recording, protocol: Protocol) -> float:
    """Of the protocol's narrow controls, with their shuffled twins: made once for all models."""
    narrow = [name for name in protocol.controls if name.partition(":")[0] != EMBEDDING]
    fits = protocol.folds * (protocol.seeds + protocol.shuffled_twin)
    return len(narrow) * (0.05 * protocol.seeds + fits * FITTING)


def embedding_seconds(model: str, recording: Recording, protocol: Protocol, store) -> float:
    """Of the random embedding among the controls, as wide as the model, under all fold seeds: made once for each width.

    0 where the controls of a model of this width are in the store.
    """
    if EMBEDDING not in {name.partition(":")[0] for name in protocol.controls}:
        return 0.0
    if state(model) != "needs download":
        keys = [controls_key(load(model), recording, one) for one in protocol.each_seed()]
        if all(key and store.has_score(key) for key in keys):
            return 0.0
    fits = protocol.folds * (protocol.seeds + protocol.shuffled_twin) * FITTING
    each = fit_seconds(recording, protocol, _shape(model)[1], 1)
    return fits + (protocol.seeds + protocol.shuffled_twin) * each


def embedding_key(model: str, recording: Recording, protocol: Protocol) -> str:
    """What tells one model's random embedding from another's: their width."""
    return f"{data_key(recording, protocol)} {_shape(model)[1]}"


def ceiling_seconds(recording: Recording, protocol: Protocol) -> float:
    """Of the ceiling that the protocol takes; only what people tell of each other takes long."""
    kind = chosen_kind(recording, protocol)
    if kind == "pools":
        return _pools(recording, protocol) + _left_out(recording, protocol)
    found = {"leave-one-out": _left_out, "extrapolated": _extrapolated}.get(kind)
    return 0.0 if found is None else found(recording, protocol)


def court_seconds(recording: Recording, protocol: Protocol) -> float:
    """Of every ceiling that people allow."""
    if recording.subjects is None:
        return 0.0
    twice = 2 * _left_out(recording, protocol)  # by itself, and beside the pools
    return _pools(recording, protocol) + twice + _extrapolated(recording, protocol)


def with_beside(
    price: Cost, model: str, recording: Recording, protocol: Protocol, *, store=None
) -> Cost:
    """The price of a score with what stands beside it: joint fits, and ceiling and controls where they are not stored.

    Ceiling and controls are among what is spent ``once`` for several models. Of samples of a run nothing is added: what stands
    beside them is not counted yet.
    """
    if price.cached or price.seconds is None or recording.sampled:
        return price
    data, store = data_key(recording, protocol), store or Store()
    known = store.has_score(ceiling_key(recording, protocol))
    once = {
        f"ceiling {data}": 0.0 if known else ceiling_seconds(recording, protocol),
        f"controls {data}": 0.0 if known else control_seconds(recording, protocol),  # made with it
        f"embedding {embedding_key(model, recording, protocol)}": embedding_seconds(model, recording, protocol, store),
    }  # fmt: skip
    parts = {
        "reading": price.reading,
        "fits": price.seconds - price.reading,
        "joint fits with controls": headline_seconds(recording, protocol),
        "ceilings": once[f"ceiling {data}"],
        "controls": sum(once.values()) - once[f"ceiling {data}"],
    }
    told = sorted(
        ((what, seconds) for what, seconds in parts.items() if seconds), key=lambda one: -one[1]
    )
    kept = {what: seconds for what, seconds in once.items() if seconds}
    return replace(price, seconds=sum(parts.values()), made_of=tuple(told), once=kept)


def _people(recording: Recording) -> int:
    return 0 if recording.subjects is None else len(set(recording.subjects))


def _of_others(recording: Recording, protocol: Protocol) -> float:
    """One fold in which somebody's targets are predicted from those of the others."""
    n, own = recording.n_measured, recording.n_targets / max(1, _people(recording))
    least = min(n, recording.n_targets)
    products = 5.0 * least**3 + 2.0 * n * least * own * len(protocol.alphas)
    return SMALL + products / SOLVING


def _left_out(recording: Recording, protocol: Protocol) -> float:
    fits = protocol.seeds * _people(recording) * protocol.folds
    return fits * (2 * SMALL + _of_others(recording, protocol))


def _pools(recording: Recording, protocol: Protocol) -> float:
    people, half = _people(recording), recording.n_measured / 2
    least, own = min(half, recording.n_targets / 2), recording.n_targets / max(1, people)
    splits = protocol.seeds * ceil(SPLITS / protocol.seeds)
    each = POOLED + (5.0 * least**3 + 2.0 * half * least * own) / SOLVING
    return splits * people * 4 * protocol.folds * each


def _extrapolated(recording: Recording, protocol: Protocol) -> float:
    people = _people(recording)
    held = sum(min(10, comb(people, size)) * min(size, 5) for size in range(2, people + 1))
    return held * protocol.folds * _of_others(recording, protocol)


def exchange_seconds(model: str, recording: Recording, protocol: Protocol, draws: int) -> float:
    """Of a model's r for so many orders of the responses, as :func:`analysis.scoring.significance.summary_of_moved` has it."""
    folds, n = protocol.folds, recording.n_measured
    layers, width = _shape(model)
    layers = 1 if protocol.layer == "last" else layers
    ridge = protocol.method == "ridge"
    refits = ridge and protocol.criterion in ("kfold", "logo")
    inside = protocol.inner_folds * (
        protocol.criterion == "kfold" if refits else protocol.layer == "nested" and layers > 1
    )
    each = (1 + inside) * (SMALL + 5.0 * min(n, width) ** 3 / SOLVING) + FITTING * refits
    blocks = ceil(draws / max(1, BLOCK // recording.n_targets))
    values = folds * n * recording.n_targets * draws
    alphas = 2 + 6 * bool(inside) + len(protocol.alphas) * refits
    return layers * (blocks * folds * each + values * alphas * VALUE)


def _shape(model: str) -> tuple[int, int]:
    """Layers and units of a layer; of a model that is not here as its card tells."""
    if state(model) == "needs download":
        facts = card(model)
        return (facts.layers or 12) + 1, facts.width or 768
    return (len(widths), max(widths)) if (widths := load(model).widths) else (1, 1)
