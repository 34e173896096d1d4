"""One training loop for the causal, masked and recurrent members: AdamW, cosine, resumable to the bit."""

from __future__ import annotations

import csv
import json
import math
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

from analysis.models.lstm import LSTMModule
from analysis.models.lstm_config import LSTMConfig
from analysis.models.seeds import seeded
from analysis.models.shared import MARK, tie_blocks
from analysis.models.zoo.corpus import END, MASK, Corpus
from analysis.models.zoo.recipes import VOCABULARY, Recipe
from analysis.progress import SILENT, Report
from data.errors import BrainLensError
from data.files import atomic

__all__ = ["State", "batch_of", "build", "loss_of", "optimizer_of", "train", "update"]

WARM_UP, FLOOR = (
    0.03,
    0.1,
)  # share of the steps with a rising rate; last rate as a share of the peak
MASKED = 0.3  # share of the pieces that the masked model has to guess
LOG_EVERY, SAVE_EVERY = 20, 200


# options that the constructors take and their declarations leave out
_EAGER: dict[str, Any] = {"attn_implementation": "eager"}
_EVERYWHERE: dict[str, Any] = {"global_attn_every_n_layers": 1}


def build(recipe: Recipe) -> nn.Module:
    """The untrained model of a recipe, initialised from its seed (attention written out: on a processor that is the fastest)."""
    with seeded(recipe.seed):
        return tie_blocks(_fresh(recipe))


def _fresh(recipe: Recipe) -> nn.Module:
    import transformers

    if recipe.kind in ("causal", "shared"):
        once = {MARK: True} if recipe.kind == "shared" else {}
        return transformers.LlamaForCausalLM(
            transformers.LlamaConfig(
                vocab_size=VOCABULARY,
                hidden_size=recipe.width,
                num_hidden_layers=recipe.layers,
                intermediate_size=recipe.inner,
                num_attention_heads=recipe.heads,
                num_key_value_heads=recipe.heads,
                max_position_embeddings=recipe.length,
                initializer_range=recipe.spread,
                tie_word_embeddings=True,
                bos_token_id=0,
                eos_token_id=0,
                pad_token_id=0,
                **once,
                **_EAGER,
            )
        )
    if recipe.kind == "masked":
        return transformers.ModernBertForMaskedLM(
            transformers.ModernBertConfig(
                vocab_size=VOCABULARY,
                hidden_size=recipe.width,
                num_hidden_layers=recipe.layers,
                intermediate_size=recipe.inner,
                num_attention_heads=recipe.heads,
                max_position_embeddings=recipe.length + 2,
                **_EVERYWHERE,
                initializer_range=recipe.spread,
                pad_token_id=0,
                bos_token_id=0,
                eos_token_id=0,
                cls_token_id=0,
                sep_token_id=0,
                **_EAGER,
            )
        )
    return LSTMModule(LSTMConfig(vocab_size=VOCABULARY, width=recipe.width, layers=recipe.layers))


def batch_of(tokens: np.ndarray, recipe: Recipe, step: int) -> torch.Tensor:
    """The texts of one update, shape (batch, length): windows in a new order each time through the text.

    The order depends on seed and length alone, so all models of the same length read the same text.
    """
    windows = len(tokens) // recipe.length
    first = step * recipe.batch
    chosen = []
    for number in range(first, first + recipe.batch):
        order = np.random.default_rng((recipe.seed, number // windows)).permutation(windows)
        start = order[number % windows] * recipe.length
        chosen.append(tokens[start : start + recipe.length])
    return torch.from_numpy(np.stack(chosen).astype(np.int64))


def loss_of(module: Any, recipe: Recipe, batch: torch.Tensor, step: int) -> torch.Tensor:
    """Mean nats per piece: the next one, or the masked ones."""
    if recipe.kind in ("causal", "shared"):
        hidden = module.model(batch, use_cache=False).last_hidden_state[:, :-1]
        logits = hidden @ module.lm_head.weight.T
        return F.cross_entropy(logits.reshape(-1, VOCABULARY), batch[:, 1:].reshape(-1))
    if recipe.kind == "recurrent":
        return F.cross_entropy(
            module(batch)[:, :-1].reshape(-1, VOCABULARY), batch[:, 1:].reshape(-1)
        )
    drawn = torch.rand(
        batch.shape, generator=torch.Generator().manual_seed(recipe.seed * 1_000_003 + step)
    )
    hide = (drawn < MASKED) & (batch != 0)
    ends = torch.zeros(
        len(batch), 1, dtype=batch.dtype
    )  # the end-of-text piece at both ends, as the tokenizer adds it
    shown = torch.cat([ends, batch.masked_fill(hide, 1), ends], dim=1)
    hidden = module.model(shown).last_hidden_state[:, 1:-1][hide]
    return F.cross_entropy(module.decoder(module.head(hidden)), batch[hide])


def train(
    recipe: Recipe,
    corpus: Corpus,
    work: Path,
    *,
    stop: int | None = None,
    report: Report = SILENT,
    on_checkpoint=None,
) -> tuple[nn.Module, list[dict]]:
    """Train one model, from where an earlier run was stopped.

    Parameters
    ----------
    recipe : Recipe
    corpus : Corpus
    work : Path
        Folder for the state, ``<work>/<id>/``.
    stop : int, optional
        Stop after this many steps (the schedule stays that of the whole training).
    on_checkpoint : callable, optional
        Called as ``on_checkpoint(step, module, log)`` at the recipe's checkpoints.

    Returns
    -------
    module : torch.nn.Module
    log : list of dict
        step, tokens, loss (mean nats per piece since the entry before), rate, seconds (of processor time).

    Raises
    ------
    BrainLensError
        Where the state in ``work`` was left by another recipe, or by the same one on another text.
    """
    assert corpus.tokenizer.token_to_id(END) == 0 and corpus.tokenizer.token_to_id(MASK) == 1
    module = build(recipe)
    named = dict(module.named_parameters())
    optimizer = optimizer_of(named, recipe)
    state = State(
        work / recipe.id,
        {**asdict(recipe), "text": zlib.crc32(np.ascontiguousarray(corpus.tokens["train"]).data)},
    )
    step, log = state.load(named, optimizer)
    began, recent = time.process_time() - (log[-1]["seconds"] if log else 0.0), []
    last = min(stop or recipe.steps, recipe.steps)
    module.train()
    if step == 0 and on_checkpoint is not None and 0 in recipe.checkpoints:
        on_checkpoint(0, module, log)
    while step < last:
        loss, rate = update(module, optimizer, recipe, corpus.tokens["train"], step)
        step += 1
        recent.append(loss)
        if step % LOG_EVERY == 0 or step == last:
            log.append(
                {
                    "step": step,
                    "tokens": step * recipe.batch * recipe.length,
                    "loss": round(float(np.mean(recent)), 5),
                    "rate": round(rate, 7),
                    "seconds": round(time.process_time() - began, 1),
                }
            )
            recent = []
            if step % SAVE_EVERY == 0 or step == last:
                state.save(step, named, optimizer, log)
            report.step(step, recipe.steps, f"{recipe.id}, loss {log[-1]['loss']:.3f}")
        if step in recipe.checkpoints and on_checkpoint is not None:
            on_checkpoint(step, module, log)
    return module.eval(), log


def update(
    module: nn.Module,
    optimizer: torch.optim.Optimizer,
    recipe: Recipe,
    tokens: np.ndarray,
    step: int,
    loss_of: Callable = loss_of,
) -> tuple[float, float]:
    """One update of the weights: its loss (nats per piece), and the rate it was made with."""
    rate = _rate(recipe, step)
    for group in optimizer.param_groups:
        group["lr"] = rate
    batch = batch_of(tokens, recipe, step)
    short = recipe.dtype == "bfloat16" and multiplies_short()
    short = short and (recipe.kind != "recurrent" or short_lstm())
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=short):
        loss = loss_of(module, recipe, batch, step)
    loss.backward()
    nn.utils.clip_grad_norm_(module.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()
    return loss.item(), rate


@cache
def multiplies_short() -> bool:
    """Whether this processor multiplies bfloat16 by itself; elsewhere that is emulated and takes ten times as long as float32."""
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


@cache
def short_lstm() -> bool:
    """Whether this processor trains an LSTM in bfloat16, tried out once; where it does not, float32 is what is left."""
    with torch.random.fork_rng(devices=[]):
        tried = nn.LSTM(2, 2, batch_first=True)
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            tried(torch.zeros(1, 2, 2))[0].sum().backward()
    except RuntimeError:
        return False
    return True


def optimizer_of(named: Mapping[str, nn.Parameter], recipe: Recipe) -> torch.optim.Optimizer:
    """AdamW over these parameters; matrices decay, gains and biases do not."""
    decay = [p for p in named.values() if p.dim() >= 2]
    plain = [p for p in named.values() if p.dim() < 2]
    groups = [{"params": decay, "weight_decay": 0.1}, {"params": plain, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=recipe.rate, betas=(0.9, 0.95), fused=True)


def _rate(recipe: Recipe, step: int) -> float:
    """Linear warm-up, then a cosine down to a tenth."""
    warm = max(1, int(WARM_UP * recipe.steps))
    if step < warm:
        return recipe.rate * (step + 1) / warm
    through = (step - warm) / max(1, recipe.steps - warm)
    return recipe.rate * (FLOOR + (1 - FLOOR) * 0.5 * (1 + math.cos(math.pi * through)))


class State:
    """Weights, optimizer moments and log of a training that goes on later: safetensors and JSON, written whole or not at all."""

    def __init__(self, folder: Path, made_by: dict):
        self.path, self.log = folder / "state.safetensors", folder / "log.csv"
        self.made_by = json.loads(json.dumps(made_by))

    def save(
        self,
        step: int,
        named: Mapping[str, nn.Parameter],
        optimizer: torch.optim.Optimizer,
        log: list[dict],
    ) -> None:
        """Keep where the training stands."""
        tensors = {}
        for name, parameter in named.items():
            moments = optimizer.state[parameter]
            tensors |= {
                f"weight.{name}": parameter.data,
                f"first.{name}": moments["exp_avg"],
                f"second.{name}": moments["exp_avg_sq"],
                f"step.{name}": moments["step"],
            }
        with atomic(self.path) as part:
            save_file(
                tensors,
                part,
                metadata={
                    "step": str(step),
                    "log": json.dumps(log),
                    "made_by": json.dumps(self.made_by),
                },
            )
        write_log(self.log, log)

    def load(
        self, named: Mapping[str, nn.Parameter], optimizer: torch.optim.Optimizer
    ) -> tuple[int, list[dict]]:
        """Bring parameters and optimizer to where the training stands: its step and log; 0 where it has not begun."""
        if not self.path.exists():
            return 0, []
        with safe_open(self.path, "pt") as file:
            told = file.metadata()
            self._same(json.loads(told.get("made_by", "{}")))
            for name, parameter in named.items():
                parameter.data.copy_(file.get_tensor(f"weight.{name}"))
                moments = {"step": "step", "exp_avg": "first", "exp_avg_sq": "second"}
                optimizer.state[parameter] = {
                    kind: file.get_tensor(f"{stored}.{name}") for kind, stored in moments.items()
                }
        return int(told["step"]), json.loads(told["log"])

    def _same(self, made_by: dict) -> None:
        wrong = [
            f"{name} {made_by.get(name)}, not {value}"
            for name, value in self.made_by.items()
            if made_by.get(name) != value
        ]
        if wrong:
            raise BrainLensError(
                f"The training state {self.path} is of another training: {'; '.join(wrong)}",
                remedy="Remove that file to train from the start, or name another folder with --work",
            )


def write_log(path: Path, log: list[dict]) -> None:
    """The loss curve as CSV."""
    with atomic(path) as part, open(part, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(log[0]) if log else ["step"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(log)
