"""What stands on a zoo model's card: what it read, and how well it predicts text that no model saw."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from analysis.features.perplexity import evaluate
from analysis.models import load
from analysis.models.base import Model
from analysis.models.files.json_files import read_json
from analysis.models.zoo.corpus import END, Corpus
from analysis.models.zoo.recipes import RECIPES, VOCABULARY, Recipe
from analysis.progress import SILENT, Report
from data import embedded
from data.files import atomic
from tools.zoo.text import SOURCES

__all__ = ["bits_per_byte", "document", "table", "unigram", "write_cards"]

HELD_OUT_BYTES = 40_000
MARKS = "<!-- zoo table -->", "<!-- end of zoo table -->"
_STEP = re.compile(r"(.+)-step(\d+)")
CLASSES = {
    "causal": "causal",
    "shared": "causal",
    "masked": "bidirectional",
    "recurrent": "recurrent",
    "embedding": "embedding",
}


def bits_per_byte(model: Model, texts: Sequence[str], report: Report = SILENT) -> float:
    """Bits of all texts over the bytes that were scored, as the Task lens measures them.

    For a masked model it is a pseudo-log-likelihood: each piece is guessed from both sides.
    """
    found = [evaluate(model, text, report=report) for text in texts]
    return sum(one.bits_per_byte * one.bytes for one in found) / sum(one.bytes for one in found)


def unigram(corpus: Corpus, texts: Sequence[str]) -> float:
    """Bits per byte of the baseline that knows how often each piece occurs, and nothing else."""
    counts = np.bincount(corpus.tokens["train"], minlength=VOCABULARY) + 1.0
    bits = -np.log2(counts / counts.sum())
    total = sum(bits[encoding.ids].sum() for encoding in corpus.tokenizer.encode_batch(list(texts)))
    return float(total / sum(len(text.encode()) for text in texts))


def write_cards(out: Path, corpus: Corpus, *, report: Report = SILENT) -> None:
    """``card.json`` of every model in the folder.

    Measured on the embedded prose and on a part of the held-out split, through the ordinary adapters: the numbers are those
    that the app shows. The masked model reads the prose only, for it takes a pass per piece.
    """
    texts = {"prose": embedded.prose(), "held_out": _held_out(corpus)}
    baseline = {name: unigram(corpus, pieces) for name, pieces in texts.items()}
    folders = [path for path in sorted(out.iterdir()) if _recipe(path.name) is not None]
    for done, folder in enumerate(folders):
        report.step(done, len(folders), f"cards, {folder.name}")
        recipe, step = _recipe(folder.name)
        _write(folder, _facts(folder, recipe, step))
        if recipe.kind == "embedding":
            continue
        found = {"unigram": baseline}
        for name, variant in (("trained", None), ("untrained", "untrained:init:0")):
            model = load(folder, variant=variant)
            read = ("prose",) if recipe.kind == "masked" else tuple(texts)
            found[name] = {key: bits_per_byte(model, texts[key]) for key in read}
        rounded = {
            who: {text: round(bits, 4) for text, bits in values.items()}
            for who, values in found.items()
        }
        _write(folder, _facts(folder, recipe, step) | {"bits_per_byte": rounded})
    report.step(len(folders), len(folders), "cards")


def _recipe(name: str) -> tuple[Recipe, int] | None:
    """The recipe behind a folder, and the step it was taken at."""
    if match := _STEP.fullmatch(name):
        recipe = RECIPES.get(match[1])
        return (recipe, int(match[2])) if recipe and int(match[2]) in recipe.checkpoints else None
    return (RECIPES[name], RECIPES[name].steps) if name in RECIPES else None


def _held_out(corpus: Corpus) -> list[str]:
    texts, size = [], 0
    for text in corpus.texts["held-out"]:
        if size + len(text.encode()) <= HELD_OUT_BYTES:
            texts.append(text)
            size += len(text.encode())
    return texts


def _facts(folder: Path, recipe: Recipe, step: int) -> dict:
    log = (
        (folder / "training.csv").read_text().splitlines()
        if (folder / "training.csv").exists()
        else []
    )
    last = dict(zip(log[0].split(","), log[-1].split(","))) if len(log) > 1 else {}
    tokens = step * recipe.batch * recipe.length if recipe.kind != "embedding" else None
    note = (
        f"tiny, trained on {tokens / 1e6:.1f} million pieces"
        if tokens
        else "tiny, trained on 4 million words"
    )
    if recipe.kind == "shared":
        note = f"one block applied {recipe.layers} times, {note}"
    if step < recipe.steps:
        note = f"tiny, after step {step} of {recipe.steps}"
    facts = {
        "cls": CLASSES[recipe.kind],
        "family": f"zoo-{recipe.kind}",
        "layers": recipe.layers,
        "width": recipe.width,
        "parameters": _parameters(folder),
        "source": "folder",
        "licence": "MIT",
        "note": note,
        "bos": "" if recipe.kind == "embedding" else END,
        "space_before": recipe.kind != "embedding",
        "training": {
            "text": [
                f"{source.what} ({source.package.spec}, {source.licence})"
                for source in SOURCES.values()
            ],
            "step": step,
            "steps": recipe.steps,
            "tokens": tokens,
            "seed": recipe.seed,
            "rate": recipe.rate,
            "batch": recipe.batch,
            "length": recipe.length,
            "seconds": float(last["seconds"]) if "seconds" in last else None,
            "loss": float(last["loss"]) if last else None,
        },
    }
    if recipe.kind == "recurrent":
        facts["adapter"] = "lstm-lm"
    return facts


def _parameters(folder: Path) -> int:
    if (folder / "vectors.npy").is_file():
        return int(np.load(folder / "vectors.npy", mmap_mode="r", allow_pickle=False).size)
    from safetensors import safe_open

    with safe_open(folder / "model.safetensors", "np") as file:
        return sum(math.prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118


def _write(folder: Path, card: dict) -> None:
    with atomic(folder / "card.json") as part:
        part.write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")


def table(out: Path) -> str:
    """The zoo as a Markdown table, from the cards."""
    lines = [
        "| model | weights | layers x width | pieces seen | prose | held-out split | untrained, prose | minutes |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    cards = {
        path.name: read_json(path / "card.json")
        for path in out.iterdir()
        if _recipe(path.name) is not None
    }

    def place(item):
        return item[1]["family"], item[1]["parameters"], item[1]["training"]["step"]

    for name, card in sorted(cards.items(), key=place):
        bits, training = card.get("bits_per_byte"), card["training"]
        cells = [f"`{name}`", f"{card['parameters']:,}", f"{card['layers']} x {card['width']}"]
        cells.append(f"{training['tokens']:,}" if training["tokens"] is not None else "-")
        shown = (("trained", "prose"), ("trained", "held_out"), ("untrained", "prose"))
        cells += [
            f"{bits[who][text]:.3f}" if bits and text in bits[who] else "-" for who, text in shown
        ]
        cells.append(f"{training['seconds'] / 60:.1f}" if training["seconds"] is not None else "-")
        lines.append("| " + " | ".join(cells) + " |")
    known = next(
        (card["bits_per_byte"]["unigram"] for card in cards.values() if "bits_per_byte" in card),
        None,
    )
    if known:
        lines.append(
            f"| unigram baseline | {VOCABULARY:,} | - | - | {known['prose']:.3f} | {known['held_out']:.3f} | - | - |"
        )
    return "\n".join(lines)


def document(out: Path, page: Path) -> None:
    """Put the table into the page, between its two marks."""
    before, rest = page.read_text(encoding="utf-8").split(MARKS[0])
    after = rest.split(MARKS[1])[1]
    with atomic(page) as part:
        part.write_text(f"{before}{MARKS[0]}\n{table(out)}\n{MARKS[1]}{after}", encoding="utf-8")
