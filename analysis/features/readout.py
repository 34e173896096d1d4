"""Perplexity of a linear read-out trained on frozen features: the task measure of Schrimpf et al. 2021."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from analysis.models.base import Model
from analysis.models.transformer import TransformerModel
from analysis.progress import SILENT, Report
from analysis.store.entry import Journal
from analysis.store.keys import READING, content_key, packages
from analysis.store.store import Store
from analysis.store.told import find_told, keep_told
from analysis.text.alignment import encode
from data.errors import BrainLensError

__all__ = ["CODE_VERSION", "Readout", "readout_perplexity", "stored_readout"]

CODE_VERSION = 2
MOST_WORDS = 250_000


@dataclass(frozen=True)
class Readout:
    """The result of :func:`readout_perplexity`.

    Parameters
    ----------
    perplexity, loss : float
        exp(mean test loss), and that loss in nats per token, both as means over batches.
    validation : tuple of float
        Validation perplexity after each epoch.
    features : int
        Units the read-out sees.
    blocks : tuple of int
        Blocks of training, validation and test text.
    """

    perplexity: float
    loss: float
    validation: tuple[float, ...]
    features: int
    blocks: tuple[int, ...]

    def to_dict(self) -> dict:
        """Plain values, ready for JSON."""
        return asdict(self)


def readout_perplexity(
    model: Model,
    train: str,
    valid: str,
    test: str,
    *,
    block: int = 32,
    most_features: int = 4000,
    epochs: int = 50,
    batch: int = 4,
    rate: float = 5e-5,
    gain: float = 1.0,
    seed: int = 42,
    store: Store | None = None,
    report: Report = SILENT,
) -> Readout:
    """Train a softmax on frozen last-layer features to predict the next token, and score the test text.

    The text is cut into blocks; a token's feature is the model's normed last layer at it, seeing the tokens before it in its
    block and none behind. Of more than ``most_features`` units a fixed random choice is kept. AdamW without weight decay, linear
    decay of the learning rate over all epochs, gradients clipped to norm 1; training stops after the first epoch that does not
    better the validation perplexity by ``gain``.

    Parameters
    ----------
    train, valid, test : str
    block, batch : int
        Tokens per block, blocks per step.

    Returns
    -------
    Readout

    Raises
    ------
    BrainLensError
        A text shorter than one block, or a model without tokens of its own.

    References
    ----------
    Schrimpf et al. 2021, PNAS, doi 10.1073/pnas.2105646118, "language modeling".
    """
    if not isinstance(model, TransformerModel):
        raise BrainLensError(
            f"{model.id} is {model.card.kind_of_model}; the read-out is defined for tokens of a transformer",
            remedy="Compare it by bits per word instead",
        )
    store, how = store or Store(), Settings(block, most_features, epochs, batch, rate, gain, seed)
    key = _place(model, (train, valid, test), how)
    if (kept := find_told(store, key)) is not None:
        return _told(kept)
    made = _trained(model, (train, valid, test), how, store, report)
    keep_told(store, key, made.to_dict())
    return made


def stored_readout(
    model: Model, train: str, valid: str, test: str, *, store: Store | None = None, **settings
) -> Readout | None:
    """What :func:`readout_perplexity` gave before, or None; nothing is computed, loaded or fetched.

    Parameters
    ----------
    **settings
        As of :func:`readout_perplexity`.
    """
    key = _place(model, (train, valid, test), Settings(**settings))
    kept = find_told(store or Store(), key)
    return None if kept is None else _told(kept)


@dataclass(frozen=True)
class Settings:
    """How a read-out is trained; as of :func:`readout_perplexity`."""

    block: int = 32
    most_features: int = 4000
    epochs: int = 50
    batch: int = 4
    rate: float = 5e-5
    gain: float = 1.0
    seed: int = 42


def _place(model: Model, texts: tuple[str, str, str], how: Settings) -> str:
    """Key of a finished read-out."""
    told = (CODE_VERSION, model.identity, packages(READING), asdict(how), json.dumps(texts))
    return content_key("read-out", *told)


def _told(kept: dict) -> Readout:
    fields: dict[str, Any] = kept | {name: tuple(kept[name]) for name in ("validation", "blocks")}
    return Readout(**fields)


def _trained(
    model: TransformerModel, parts: tuple[str, ...], how: Settings, store: Store, report: Report
) -> Readout:
    import torch

    from analysis.models.seeds import seeded

    block, batch, epochs = how.block, how.batch, how.epochs
    texts = [
        _blocks(model, name, text, block)
        for name, text in zip(("training", "validation", "test"), parts, strict=True)
    ]
    size = min(len(model.tokenizer), MOST_WORDS)
    features = [_features(model, blocks, store, report) for blocks in texts]
    chosen = np.arange(model.widths[-1])
    if len(chosen) > how.most_features:
        chosen = np.random.RandomState(0).choice(chosen, size=how.most_features, replace=False)

    with seeded(how.seed):
        head = torch.nn.Linear(len(chosen), size).to(model.device)
    optimiser = torch.optim.AdamW(head.parameters(), lr=how.rate, weight_decay=0.0)
    steps = -(-len(texts[0]) // batch)
    decay = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: max(0.0, 1 - step / (steps * epochs))
    )

    def loss_of(split: int, at: np.ndarray):
        states = torch.from_numpy(
            features[split].reshape(-1, block, model.widths[-1])[at][:, :-1, chosen]
        ).to(model.device)
        labels = torch.from_numpy(texts[split][at][:, 1:]).to(model.device)
        return torch.nn.functional.cross_entropy(head(states).flatten(0, 1), labels.flatten())

    def mean_loss(split: int) -> float:
        with torch.no_grad():
            losses = []
            for low in range(0, len(texts[split]), batch):
                report.checkpoint()
                losses.append(
                    float(loss_of(split, np.arange(low, min(low + batch, len(texts[split])))))
                )
        return float(np.mean(losses))

    order = torch.Generator().manual_seed(how.seed)
    validation: list[float] = []
    for _ in range(epochs):
        shuffled = torch.randperm(len(texts[0]), generator=order).numpy()
        for step in range(steps):
            report.step(
                len(validation) * steps + step, epochs * steps, "steps of training (at most)"
            )
            loss = loss_of(0, np.sort(shuffled[step * batch : (step + 1) * batch]))
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(head.parameters(), 1.0)
            optimiser.step()
            decay.step()
        validation.append(float(np.exp(mean_loss(1))))
        if len(validation) > 1 and not validation[-1] < validation[-2] - how.gain:
            break
    loss = mean_loss(2)
    return Readout(
        float(np.exp(loss)), loss, tuple(validation), len(chosen), tuple(len(t) for t in texts)
    )


def _blocks(model, name: str, text: str, block: int) -> np.ndarray:
    """The text's tokens in whole blocks, shape (n_blocks, block)."""
    ids = encode(model.tokenizer, text).ids
    if len(ids) < block:
        raise BrainLensError(
            f"The {name} text has {len(ids)} tokens, fewer than one block of {block}",
            remedy="Give a longer text",
        )
    if ids.max() >= MOST_WORDS:
        ids = np.where(ids < MOST_WORDS, ids, model.tokenizer.unk_token_id or 0)
    return ids[: len(ids) // block * block].reshape(-1, block)


def _features(model, blocks: np.ndarray, store: Store, report: Report) -> np.ndarray:
    """Frozen features of every token, shape (n_blocks * block, width), on disk and made once."""
    recipe = [
        CODE_VERSION,
        "read-out",
        model.identity,
        packages(READING),
        hashlib.sha256(blocks.tobytes()).hexdigest(),
        blocks.shape[1],
    ]
    key = hashlib.sha256(json.dumps(recipe).encode()).hexdigest()[:32]
    with store.lock(key, report):
        journal = Journal(store.root / "runs" / key, [model.widths[-1]], blocks.size)
        block = blocks.shape[1]
        ready = np.bincount(journal.done // block, minlength=len(blocks)) == block
        todo = np.flatnonzero(~ready)
        for low in range(0, len(todo), 64):
            report.step(low, len(todo), "blocks of text")
            some = todo[low : low + 64]
            for places, states in model.token_states(blocks[some], report=report):
                journal.add(some[places // block] * block + places % block, [states])
        return journal.values(0)
