"""How far a changed model's next-piece probabilities are from the whole one's."""

from __future__ import annotations

from typing import Any

import numpy as np

from analysis.models.base import Model
from analysis.progress import SILENT, Report
from analysis.store.keys import READING, content_key, packages
from analysis.store.store import Store
from analysis.text.alignment import encode
from data.errors import BrainLensError

__all__ = ["next_piece_kl"]

CODE_VERSION = 1
LENGTH = 256


def next_piece_kl(
    whole: Model,
    changed: Model,
    text: str,
    *,
    length: int = LENGTH,
    store: Store | None = None,
    report: Report = SILENT,
) -> float:
    r"""Mean over pieces of KL(p || q), p of the whole model and q of the changed one, in nats.

    .. math:: \frac1n \sum_t \sum_w p_w^{(t)} (\log p_w^{(t)} - \log q_w^{(t)})

    Parameters
    ----------
    whole, changed : Model
        Causal or recurrent, with the same tokenizer.
    text : str
        Read in blocks of ``length`` pieces, each by itself behind a start token.

    Raises
    ------
    BrainLensError
        For models of two tokenizers, or without probabilities of the next piece.
    """
    import torch
    import xarray as xr

    if whole.tokenizer_hash != changed.tokenizer_hash or not whole.tokenizer_hash:
        raise BrainLensError(
            f"{whole.id} and {changed.id} do not read the same pieces: they have no divergence",
            remedy="Compare a model with its own variant",
        )
    store = store or Store()
    told = [whole.identity, changed.identity, text, length, packages(READING)]
    key = content_key("kl", CODE_VERSION, *told)
    if (kept := store.load_score(key)) is not None:
        return float(kept["kl"])
    total, count = 0.0, 0
    blocks = _blocks(whole, text, length)
    for number, ids in enumerate(blocks):
        report.step(number, len(blocks), "blocks of text, next-piece probabilities")
        with torch.inference_mode():
            p, q = (_logits(model, ids).log_softmax(-1) for model in (whole, changed))
            total += float((p.exp() * (p - q)).sum(-1).double().sum())
        count += ids.shape[1]
    value = total / count
    store.save_score(key, xr.Dataset({"kl": ((), np.float64(value))}))
    return value


def _blocks(model: Any, text: str, length: int) -> list:
    import torch

    start = model._start() if hasattr(model, "_start") else list(model.frame()[0])
    ids = model.encode(text)[0] if hasattr(model, "encode") else encode(model.tokenizer, text).ids
    step = length - len(start)
    return [
        torch.tensor([[*start, *map(int, ids[at : at + step])]]) for at in range(0, len(ids), step)
    ]


def _logits(model: Any, ids):
    if model.card.cls == "recurrent":
        return model.module(ids)
    if model.card.cls != "causal":
        raise BrainLensError(
            f"{model.id} is {model.card.kind_of_model} and gives no probabilities of the next piece",
            remedy="Pick a causal or recurrent model",
        )
    return model.lm(ids.to(model.device)).logits.float().cpu()
