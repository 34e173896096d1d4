r"""The static member: GloVe (Pennington et al. 2014) on the same text.

Minimises :math:`\sum_{ij} f(X_{ij}) (w_i^\top c_j + a_i + b_j - \log X_{ij})^2` over the co-occurrences :math:`X_{ij}` inside a
window, each weighted by one over the distance, with :math:`f(x) = \min(1, (x / x_{max})^{3/4})`.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from scipy import sparse

from analysis.models.zoo.corpus import Corpus
from analysis.models.zoo.recipes import Recipe
from analysis.models.zoo.train import write_log
from analysis.progress import SILENT, Report
from data.files import atomic

__all__ = ["cooccurrences", "train_embedding", "vocabulary"]

WORDS, MINIMUM, WINDOW, X_MAX, POWER, CHUNK = 20_000, 4, 6, 10.0, 0.75, 16_384
RARE = 0.4  # pairs that met less than this (once, three or more words apart) are left out: half of all, and mostly chance
_WORD = re.compile(r"[^\W\d_]+(?:['-][^\W\d_]+)*|\d+")


def vocabulary(texts: list[str], size: int = WORDS) -> tuple[list[str], list[np.ndarray]]:
    """The most frequent words in lower case, and each text as word numbers (-1: not among them)."""
    tokenized = [_WORD.findall(text.lower()) for text in texts]
    counts = Counter(word for words in tokenized for word in words)
    words = [
        word
        for word, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        if count >= MINIMUM
    ][:size]
    index = {word: number for number, word in enumerate(words)}
    return words, [np.array([index.get(word, -1) for word in text], np.int64) for text in tokenized]


def cooccurrences(texts: list[np.ndarray], size: int, window: int = WINDOW) -> sparse.coo_array:
    """Symmetric counts, weighted by one over the distance; never across texts."""
    stream = np.concatenate([np.concatenate([text, np.full(window, -1)]) for text in texts])
    total = sparse.csr_array((size, size), dtype=np.float32)
    for distance in range(1, window + 1):
        left, right = stream[:-distance], stream[distance:]
        both = (left >= 0) & (right >= 0)
        ones = np.full(int(both.sum()), 1.0 / distance, np.float32)
        total += sparse.coo_array((ones, (left[both], right[both])), shape=(size, size)).tocsr()
    return (total + total.T).tocoo()


def train_embedding(
    recipe: Recipe, corpus: Corpus, folder: Path, *, report: Report = SILENT
) -> list[dict]:
    """Train and write ``vectors.npy`` (float16) and ``words.txt``.

    Returns
    -------
    list of dict
        step (time through the counts), loss.
    """
    words, texts = vocabulary(corpus.texts["train"])
    counts = cooccurrences(texts, len(words))
    kept = counts.data >= RARE
    counts = sparse.coo_array(
        (counts.data[kept], (counts.coords[0][kept], counts.coords[1][kept])), shape=counts.shape
    )
    row, column = (
        torch.from_numpy(counts.coords[0].astype(np.int64)),
        torch.from_numpy(counts.coords[1].astype(np.int64)),
    )
    target = torch.from_numpy(np.log(counts.data))
    weight = torch.from_numpy(np.minimum(1.0, (counts.data / X_MAX) ** POWER))
    generator = torch.Generator().manual_seed(recipe.seed)
    # the last column is the bias; AdaGrad as in the original, squared gradients summed from 1
    tables = [
        (torch.rand(len(words), recipe.width + 1, generator=generator) - 0.5) / recipe.width
        for _ in range(2)
    ]
    squares = [torch.ones(len(words), recipe.width + 1) for _ in range(2)]
    log = []
    for step in range(1, recipe.steps + 1):
        order, losses = torch.randperm(len(target), generator=generator), []
        for part in order.split(CHUNK):
            i, j = row[part], column[part]
            left, right = tables[0][i], tables[1][j]
            error = (
                (left[:, :-1] * right[:, :-1]).sum(1) + left[:, -1] + right[:, -1] - target[part]
            )
            scaled = (weight[part] * error)[:, None]
            losses.append(float((scaled[:, 0] * error).mean()))
            ones = torch.ones(len(part), 1)
            for k, at, other in ((0, i, right), (1, j, left)):
                gradient = scaled * torch.cat([other[:, :-1], ones], 1)
                squares[k].index_add_(0, at, gradient**2)
                tables[k].index_add_(0, at, -recipe.rate * gradient / squares[k][at].sqrt())
        log.append({"step": step, "loss": round(float(np.mean(losses)), 5)})
        report.step(step, recipe.steps, f"{recipe.id}, loss {log[-1]['loss']:.4f}")
    vectors = (tables[0] + tables[1])[:, :-1].numpy().astype(np.float16)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "words.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    write_log(folder / "training.csv", log)
    with atomic(folder / "vectors.npy") as part, open(part, "wb") as file:
        np.save(file, vectors, allow_pickle=False)
    return log
