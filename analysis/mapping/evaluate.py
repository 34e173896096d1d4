"""Responses as the solvers want them, and the scores of their predictions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from analysis.mapping.pearson import still as constant_values
from analysis.mapping.threads import scratch

__all__ = [
    "Block",
    "agreement",
    "correlations",
    "held_rows",
    "responses_block",
    "restore",
    "training_rows",
    "with_mean",
]


@dataclass
class Block:
    """Some targets of one fold, target-major, in units of each target's training norm.

    ``train`` and ``test`` are this thread's scratch: good until its next block.

    Parameters
    ----------
    train : ndarray (T, m) float32
        Training responses, centred on the training rows.
    test : ndarray (T, t) float32
        Held-out responses, centred on the held-out rows, of unit norm.
    test_norm, test_mean : ndarray (T,)
        What was taken off ``test``: its norm, and its mean above the training mean.
    mean, norm : ndarray (T,) float64
        Training mean and norm in the responses' own unit.
    still : ndarray (T,) bool
        The held-out or the training responses are constant.
    """

    train: np.ndarray
    test: np.ndarray
    test_norm: np.ndarray
    test_mean: np.ndarray
    mean: np.ndarray
    norm: np.ndarray
    still: np.ndarray


def training_rows(
    y: np.ndarray, train: np.ndarray, dtype: DTypeLike = np.float32
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Training rows (T, m) of target-major ``y``, centred, of unit norm; mean, norm, constant targets.

    Nothing here depends on any other row, so held-out rows cannot reach the fit, not even through rounding.
    """
    rows = np.take(
        y, train, axis=1, out=scratch("train", len(y), len(train), dtype=y.dtype), mode="clip"
    )
    mean = rows.mean(axis=1, dtype=np.float64)
    still = (rows == rows[:, :1]).all(axis=1)
    rows = np.subtract(rows, mean[:, None].astype(rows.dtype), out=rows)
    norm = np.sqrt(np.vecdot(rows, rows).astype(np.float64))
    norm[still] = 1.0
    norm[norm == 0] = 1.0
    rows = np.multiply(rows, (1 / norm)[:, None].astype(rows.dtype), out=rows)
    rows[still] = 0
    if rows.dtype != dtype:
        converted = scratch("train", *rows.shape, dtype=dtype)
        converted[:] = rows
        rows = converted
    return rows, mean, norm, still


def held_rows(
    y: np.ndarray, test: np.ndarray, mean: np.ndarray, norm: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Held-out rows (T, t), float64, less the training mean, in training norms; which of them are constant."""
    raw = np.take(
        y, test, axis=1, out=scratch("held", len(y), len(test), dtype=y.dtype), mode="clip"
    )
    still = (raw == raw[:, :1]).all(axis=1)
    held = np.subtract(raw, mean[:, None], out=scratch("held64", *raw.shape, dtype=np.float64))
    held *= (1 / norm)[:, None]
    return held, still


def responses_block(y: np.ndarray, train: np.ndarray, test: np.ndarray) -> Block:
    """The targets of ``y`` (T, n) on one fold."""
    rows, mean, norm, still = training_rows(y, train)
    held, same = held_rows(y, test, mean, norm)
    test_mean = held.mean(axis=1)
    held -= test_mean[:, None]
    test_norm = np.sqrt(np.vecdot(held, held))
    held *= (1 / np.where(test_norm > 0, test_norm, 1))[:, None]
    held32 = scratch("held32", *held.shape)
    held32[:] = held
    return Block(rows, held32, test_norm, test_mean, mean, norm, still | same)


def with_mean(p: np.ndarray, rows: bool = False) -> np.ndarray:
    """(t, k) -> (t + 1, k): rows centred over the held-out rows, their mean times sqrt(t) below.

    The correlation needs the centred rows only, R2 both; kept apart, float32 loses nothing to a large mean. With
    ``rows`` the rows as they are follow, (2t + 1, k), for predictions that owe nothing to their neighbours. Rows of
    zeros fill up to a multiple of 16: products of other widths run a tenth slower.
    """
    mean = p.mean(axis=0)
    used = [p - mean, np.sqrt(len(p)) * mean[None], *([p] if rows else [])]
    return np.concatenate([*used, np.zeros((-sum(map(len, used)) % 16, p.shape[1]))])


def agreement(predicted: np.ndarray, block: Block) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Per target of predictions (T, t + 1 or more) through :func:`with_mean`: <yhat, y>, |yhat|^2 centred, mean of yhat."""
    count = block.test.shape[1]
    centred = predicted[:, :count]
    return np.vecdot(centred, block.test), np.vecdot(centred, centred), predicted[:, count]


def correlations(
    products: np.ndarray, block: Block, still: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """``(r, r2, constant)``, each (layer, T), from :func:`agreement` of several layers (3, layer, T) in float64.

    ``still`` (layer,) says whose held-out rows all have the same features.
    """
    inner, square, shift = products
    constant = block.still | still[:, None] | constant_values(square, square + shift * shift)
    r = np.where(constant, 0.0, inner / np.sqrt(np.where(constant, 1.0, square)))
    level = np.sqrt(block.test.shape[1]) * block.test_mean
    total = block.test_norm**2 + level**2
    error = block.test_norm**2 - 2 * block.test_norm * inner + square + (level - shift) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        return r, np.where(total > 0, 1 - error / total, np.nan), constant


def restore(predicted: np.ndarray, block: Block) -> np.ndarray:
    """Predictions (T, t) in the responses' unit, of predictions (T, 2t + 1)."""
    count = block.test.shape[1]
    return predicted[:, count + 1 : 2 * count + 1] * block.norm[:, None] + block.mean[:, None]
