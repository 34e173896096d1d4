"""Training some of a model's weights for some updates: resumable, and the same bits for the same seed on the same machine.

The text ships as pieces of the zoo's tokenizer (:func:`data.embedded.training_tokens`); for another tokenizer it is decoded and
cut anew. Order of the text, schedule and optimizer are the zoo's own, so that all weights of ``zoo-causal-1m`` are trained as the
zoo's script trains them, on the public-domain part of its text.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import zlib
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from analysis.models.building import building
from analysis.models.zoo.recipes import RECIPES, Recipe
from analysis.progress import SILENT, Report
from analysis.store.keys import packages
from data.embedded import training_tokens
from data.errors import BrainLensError
from data.files import atomic, locked
from data.home import home

__all__ = [
    "MARKS",
    "VERSION",
    "brief",
    "mark",
    "one_thread",
    "recipe_of",
    "tokens_for",
    "train_part",
]

VERSION = 1
"""Raised whenever a training may come out differently; part of the identity of what was trained."""

MARKS = (0, 16, 64, 160, 320, 640, 1600, 3200)
"""Updates at which weights are kept on the way to a later one: 0, .5, 2, 5, 10, 20, 50 and 100 % of the zoo's 3,200."""

_SAVE_EVERY, _LOG_EVERY = 100, 20


@lru_cache(maxsize=1)
def mark() -> str:
    """What every training depends on beside its name: the version of this code, and the text."""
    return f"wire{VERSION}-{zlib.crc32(training_tokens().data):08x}"


def recipe_of(name: str, config, seed: int) -> Recipe:
    """How a model is trained: as the zoo's script trains it, or, for any other, with a lower rate and single precision.

    Parameters
    ----------
    name : str
        The model's id.
    config
        Of the model, for the longest text it can see.
    """
    if name in RECIPES:
        return dataclasses.replace(RECIPES[name], seed=seed)
    longest = getattr(config, "max_position_embeddings", None) or 256
    width = getattr(config, "hidden_size", None) or getattr(config, "width", 0)
    layers = getattr(config, "num_hidden_layers", None) or getattr(config, "layers", 0)
    rate = getattr(config, "rate", None) or 1e-3
    return Recipe(name, "other", width, layers, rate=rate, length=min(256, longest), seed=seed)


def tokens_for(tokenizer) -> np.ndarray:
    """The training text in the pieces of a tokenizer: as it ships where it is the zoo's, else decoded and cut anew (kept).

    Parameters
    ----------
    tokenizer
        Of transformers, or ``tokenizers.Tokenizer``.
    """
    shipped, own = training_tokens(), getattr(tokenizer, "backend_tokenizer", tokenizer)
    zoo = _zoo_tokenizer()
    if own.get_vocab() == zoo.get_vocab():
        return shipped
    told = hashlib.sha256((own.to_str() + mark()).encode()).hexdigest()[:24]
    path = home("wiring") / f"tokens-{told}.npy"
    if not path.is_file():
        ends = np.flatnonzero(shipped == 0)
        starts = np.concatenate([[0], ends[:-1] + 1])
        texts = zoo.decode_batch([shipped[a:b].tolist() for a, b in zip(starts, ends, strict=True)])
        end = getattr(tokenizer, "eos_token_id", None)
        pieces = [
            np.array([*one.ids, *([] if end is None else [end])], np.int32)
            for one in own.encode_batch(texts, add_special_tokens=False)
        ]
        with atomic(path) as part, open(part, "wb") as file:
            np.save(file, np.concatenate(pieces), allow_pickle=False)
    return np.load(path, mmap_mode="r", allow_pickle=False)


def _zoo_tokenizer():
    from importlib.resources import files

    from tokenizers import Tokenizer

    made = Tokenizer.from_str(
        (files("data") / "zoo" / "zoo-causal-1m" / "tokenizer.json").read_text(encoding="utf-8")
    )
    made.no_truncation()
    made.no_padding()
    return made


def train_part(
    module,
    named: Mapping[str, Any],
    recipe: Recipe,
    tokens: np.ndarray,
    updates: int,
    what: str,
    *,
    loss_of: Callable | None = None,
    report: Report = SILENT,
) -> list[dict]:
    """Train some parameters of a module that is as at its birth, in place; what was trained before is gone on with.

    Parameters
    ----------
    module : torch.nn.Module
    named : mapping of str to torch.nn.Parameter
        What is trained; everything else stays what it is.
    recipe : Recipe
        Schedule, batch and length; its seed orders the text.
    tokens : ndarray of int
    updates : int
    what : str
        Name of the part, for key and progress.
    loss_of : callable, optional
        As :func:`analysis.models.zoo.train.loss_of`, which is the default.

    Returns
    -------
    list of dict
        The log as of :func:`analysis.models.zoo.train.train`, up to ``updates``.

    Raises
    ------
    BrainLensError
        For more updates than the recipe has.
    """
    import torch
    from safetensors.torch import load_file, save_file

    from analysis.models.zoo import train

    if updates > recipe.steps:
        raise BrainLensError(
            f"{updates} updates are more than the {recipe.steps:,} that the training of {recipe.id} has",
            remedy=f"Give up to {recipe.steps}",
        )
    if not updates:
        return []
    told = [_birth(module), what, dataclasses.asdict(recipe), mark(), packages(("torch", "numpy"))]
    told += [len(tokens), zlib.crc32(np.ascontiguousarray(tokens[:100_000]).data)]
    key = hashlib.sha256(json.dumps(told).encode()).hexdigest()[:24]
    folder = home("wiring") / key

    def kept(step: int) -> Path:
        return folder / f"at-{step}.safetensors"

    with locked(home("wiring") / f"{key}.lock", report):
        if kept(updates).is_file():
            for name, value in load_file(kept(updates)).items():
                named[name].data.copy_(value)
            return _log(folder, updates)
        with one_thread():
            optimizer = train.optimizer_of(named, recipe)
            state = train.State(folder, {**dataclasses.asdict(recipe), "part": what})
            birth = {name: value.detach().clone() for name, value in named.items()}
            step, log = state.load(named, optimizer)
            if step > updates:  # further on than asked for, and not kept there: from the beginning
                for name, value in birth.items():
                    named[name].data.copy_(value)
                optimizer, step, log = train.optimizer_of(named, recipe), 0, []
            module.train()
            module.requires_grad_(False)
            for value in named.values():
                value.requires_grad_(True)
            recent = []
            while step < updates:
                loss, rate = train.update(
                    module, optimizer, recipe, tokens, step, loss_of or train.loss_of
                )
                step += 1
                recent.append(loss)
                if step % _LOG_EVERY == 0 or step == updates or step in MARKS:
                    report.step(step, updates, f"{recipe.id}, training {what}, loss {loss:.3f}")
                    entry = {
                        "step": step,
                        "tokens": step * recipe.batch * recipe.length,
                        "loss": round(float(np.mean(recent)), 5),
                        "rate": round(rate, 7),
                        "seconds": 0.0,
                    }
                    log, recent = [*log, entry], []
                if step in MARKS or step == updates:
                    with atomic(kept(step)) as part:
                        save_file({n: p.detach().contiguous() for n, p in named.items()}, part)
                if step % _SAVE_EVERY == 0 or step == updates:
                    state.save(step, named, optimizer, log)
            module.eval()
            module.requires_grad_(False)
            torch.clear_autocast_cache()
        return log


def brief(module, recipe: Recipe, tokens: np.ndarray, updates: int, loss_of: Callable) -> None:
    """Train all weights for a few updates, in place; nothing is kept."""
    from analysis.models.zoo import train

    with building(), one_thread():
        named = dict(module.named_parameters())
        module.train().requires_grad_(True)
        optimizer = train.optimizer_of(named, recipe)
        for step in range(updates):
            train.update(module, optimizer, recipe, tokens, step, loss_of)
        module.eval().requires_grad_(False)


def _log(folder: Path, updates: int) -> list[dict]:
    import pandas as pd

    table = pd.read_csv(folder / "log.csv") if (folder / "log.csv").is_file() else pd.DataFrame()
    return [row for row in table.to_dict("records") if row["step"] <= updates]


def _birth(module) -> str:
    """Hash of all weights of a module."""
    digest = hashlib.sha256()
    for name, value in module.state_dict().items():
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


@contextmanager
def one_thread():
    """One thread gives the same bits on every run."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
