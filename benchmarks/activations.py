"""Activations of a causal model: one pass per passage against the context re-run per sentence with the language-model head.

Run with ``python -m benchmarks.activations``; writes ``benchmarks/results/activations.json``. The model has GPT-2's shape and
random weights, so that no download is needed; the texts are the embedded recording's.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np

from analysis.models.base import Card
from analysis.models.transformer import TransformerModel
from analysis.text.passages import Passage
from benchmarks.common import interleaved, machine, median, write

BARS = {"all layers": 4.0, "layers up to half": 7.0, "max abs difference": 2e-5}
SEEN = {"all layers": 5.2, "layers up to half": 9.7}


def sentences() -> list[list[str]]:
    """Twelve passages of four sentences."""
    from data.readers.simulated import default

    recording = default()
    labels = recording.column(recording.context)
    groups = {
        label: [t for t, own in zip(recording.texts, labels, strict=True) if own == label][:4]
        for label in dict.fromkeys(labels)
    }
    return [group for group in groups.values() if len(group) == 4][:12]


def build(folder: Path, texts: list[list[str]]) -> TransformerModel:
    """A random GPT-2 with a byte-level tokenizer made from the texts."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer, backend.decoder = (
        pre_tokenizers.ByteLevel(add_prefix_space=False),
        decoders.ByteLevel(),
    )
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=2000,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=alphabet,
        show_progress=False,
    )
    backend.train_from_iterator([" ".join(group) for group in texts], trainer)
    PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token="<|endoftext|>", eos_token="<|endoftext|>"
    ).save_pretrained(folder)
    torch.manual_seed(0)
    GPT2LMHeadModel(GPT2Config()).save_pretrained(folder)
    return TransformerModel(Card(id="gpt2-shape", cls="causal", family="gpt"), folder)


def per_sentence(lm, tokenizer, texts: list[list[str]]) -> list[np.ndarray]:
    """Brain-Score's way: each sentence's context once more, with the head; every layer's last token."""
    import torch

    rows = []
    with torch.inference_mode():
        for group in texts:
            for end in range(1, len(group) + 1):
                ids = tokenizer(" ".join(group[:end]), return_tensors="pt")["input_ids"]
                told = lm(ids, output_hidden_states=True)
                rows.append([state[0, -1].float().numpy() for state in told.hidden_states])
    return [np.stack(layer) for layer in zip(*rows, strict=True)]


def per_passage(
    model: TransformerModel, texts: list[list[str]], layers: list[int]
) -> list[np.ndarray]:
    passages, row = [], 0
    for group in texts:
        ends = np.cumsum([len(s) + 1 for s in group]) - 1
        spans = tuple((int(end) - len(s), int(end)) for s, end in zip(group, ends, strict=True))
        passages.append(Passage(" ".join(group), spans, tuple(range(row, row + len(group)))))
        row += len(group)
    values = [np.zeros((row, model.widths[layer]), np.float32) for layer in layers]
    for rows, batch in model.read(passages, layers):
        for store, value in zip(values, batch, strict=True):
            store[rows] = value
    return values


def measure(repeats: int) -> dict:
    import torch

    texts = sentences()
    with tempfile.TemporaryDirectory() as folder:
        model = build(Path(folder), texts)
        lm = model.lm  # one set of weights for both
        ways = {
            "per sentence, with head": lambda: per_sentence(lm, model.tokenizer, texts),
            "all layers": lambda: per_passage(model, texts, list(range(13))),
            "layers up to half": lambda: per_passage(model, texts, list(range(7))),
        }
        results = {name: way() for name, way in ways.items()}  # warms up, too
        theirs, ours = results["per sentence, with head"], results["all layers"]
        with torch.inference_mode():
            normed = lm.transformer.ln_f(torch.from_numpy(ours[12])).numpy()
        difference = max(
            float(np.abs(a - b).max()) for a, b in zip(theirs, [*ours[:12], normed], strict=True)
        )
        seconds = {name: median(times) for name, times in interleaved(ways, repeats).items()}
    base = seconds["per sentence, with head"]
    ratios = {name: base / seconds[name] for name in ("all layers", "layers up to half")}
    return {
        "what": "12 passages x 4 sentences, GPT-2 shape, random weights, float32",
        "seconds": seconds,
        "ratios": ratios,
        "bars": BARS,
        "seen_before": SEEN,
        "max_abs_difference": difference,
        "repeats": repeats,
        "passed": difference <= BARS["max abs difference"]
        and all(ratios[name] >= BARS[name] for name in ratios),
        "threads": torch.get_num_threads(),
        "device": model.device,
        "machine": machine(),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    result = measure(parser.parse_args().repeats)
    write("activations", result)
    for name, ratio in result["ratios"].items():
        print(f"{name}: {ratio:.1f}x (bar {BARS[name]:g}x, seen {SEEN[name]:g}x)")
    print(
        f"max abs difference: {result['max_abs_difference']:.1e} (bar {BARS['max abs difference']:.0e})"
    )
    return 0 if result["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())
