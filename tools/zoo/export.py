"""A trained model as a folder that the ordinary adapters load: float16 safetensors, config, tokenizer."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from analysis.models.zoo.corpus import Corpus
from analysis.models.zoo.recipes import Recipe
from analysis.models.zoo.train import write_log
from data.files import atomic
from tools.zoo.prepare import write_tokenizer

__all__ = ["SHORT", "export"]

SHORT = 6
"""Bits of float16's ten behind the point that checkpoints and the recurrent member keep: they pack a quarter better, and a wheel
stays small. A weight moves by .4 % on average, the bits per byte of the prose by less than .0005."""


def export(
    module: torch.nn.Module,
    recipe: Recipe,
    corpus: Corpus,
    folder: Path,
    log: list[dict],
    *,
    bits: int = 10,
) -> None:
    """Write the model; the weights come last, so that a folder with weights is complete.

    Parameters
    ----------
    folder : Path
        For example ``data/zoo/zoo-causal-1m``.
    log : list of dict
        The loss curve, kept beside the weights as ``training.csv``.
    bits : int
        Of each weight behind the point, float16 has 10.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_tokenizer(corpus.tokenizer, folder, kind=recipe.kind, length=recipe.length)
    if recipe.kind == "recurrent":
        config = {"architecture": "lstm-lm"} | module.config.to_dict()
    else:
        config = module.config.to_diff_dict() | {
            "architectures": [type(module).__name__],
            "dtype": "float32",
        }
        config.pop("transformers_version", None)
    (folder / "config.json").write_text(
        json.dumps(config, indent=1, sort_keys=True) + "\n", encoding="utf-8"
    )
    if log:
        write_log(folder / "training.csv", log)
    halved = {name: shortened(tensor, bits) for name, tensor in _own(module).items()}
    with atomic(folder / "model.safetensors") as part:
        save_file(halved, part, metadata={"format": "pt"})
        part.chmod(0o644)


def shortened(tensor: torch.Tensor, bits: int = 10) -> torch.Tensor:
    """As float16, rounded to the nearest number of so many bits behind the point (to the even one between two)."""
    half = tensor.to(torch.float16).contiguous()
    if bits == 10:
        return half
    drop = 10 - bits
    raw = half.view(torch.int16).to(torch.int32) & 0xFFFF
    raw = (raw + (1 << (drop - 1)) - 1 + ((raw >> drop) & 1)) >> drop << drop
    return raw.to(torch.int16).view(torch.float16)


def _own(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The state without the second name of tied tensors and without what the library makes itself."""
    seen, state = set(), {}
    for name, parameter in module.named_parameters():
        if id(parameter) not in seen:
            seen.add(id(parameter))
            state[name] = parameter.detach()
    return state
