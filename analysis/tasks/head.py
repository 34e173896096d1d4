"""A linear head on frozen features: softmax regression or ridge, its penalty chosen inside the training rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.mapping.pearson import pearson
from data.errors import BrainLensError

__all__ = ["PENALTIES", "Head", "fit_head", "measured"]

PENALTIES = tuple(float(p) for p in np.logspace(-4, 2, 7))
"""Per training row, on z-scored features."""
_HELD = 0.2  # of the training rows choose the penalty


@dataclass(frozen=True)
class Head:
    """A fitted head.

    Parameters
    ----------
    classes : ndarray or None
        In the order of the columns of ``weights``; None: a number is predicted.
    weights : ndarray, shape (n_units + 1, n_classes)
        The last row is the intercept.
    mean, scale : ndarray, shape (n_units,)
        Of the training rows.
    penalty : float
    """

    classes: np.ndarray | None
    weights: np.ndarray
    mean: np.ndarray
    scale: np.ndarray
    penalty: float

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Class or number of each row."""
        z = (np.asarray(features, float) - self.mean) / self.scale
        scores = z @ self.weights[:-1] + self.weights[-1]
        return scores[:, 0] if self.classes is None else self.classes[scores.argmax(axis=1)]


def fit_head(
    features: np.ndarray,
    labels: np.ndarray,
    *,
    numeric: bool = False,
    penalties: tuple[float, ...] = PENALTIES,
    seed: int = 0,
) -> Head:
    r"""Fit on all rows, with the penalty that predicts a random fifth of them best.

    .. math:: \min_W \frac1n \sum_i -\log p_W(y_i \mid x_i) + \frac\lambda2 \|W\|^2

    (for numbers the mean squared error over 2); features are z-scored, the intercept is not penalised.

    Parameters
    ----------
    features : ndarray, shape (n, n_units)
    labels : ndarray, shape (n,)
    numeric : bool
        Labels are numbers.
    penalties : tuple of float
        Candidates for lambda.
    seed : int
        Of the held-out fifth.

    Raises
    ------
    BrainLensError
        For fewer than ten rows or one class.
    """
    x, y = np.asarray(features, float), np.asarray(labels)
    classes = None if numeric else np.unique(y)
    if len(x) < 10 or (classes is not None and len(classes) < 2):
        raise BrainLensError(
            f"{len(x)} rows to train on, with {1 if classes is None else len(classes)} labels, are too few for a head",
            remedy="Give ten rows or more besides those held out (15 in all), with at least two labels",
        )
    mean, scale = x.mean(axis=0), x.std(axis=0)
    scale = np.where(scale > 1e-8 * np.maximum(np.abs(mean), 1e-30), scale, np.inf)
    z = (x - mean) / scale
    target = y.astype(float)[:, None] if classes is None else np.searchsorted(classes, y)
    penalty = penalties[0]
    if len(penalties) > 1:
        held = np.zeros(len(x), bool)
        held[np.random.default_rng([seed, 5]).permutation(len(x))[: max(1, round(_HELD * len(x)))]] = True  # fmt: skip
        losses, start = [], None
        for candidate in reversed(penalties):  # from stiff to loose, each from the one before
            start = _solve(z[~held], target[~held], candidate, classes, start)
            losses.append(_loss(z[held], target[held], start, classes))
        penalty = penalties[::-1][int(np.argmin(losses))]
    return Head(classes, _solve(z, target, penalty, classes, None), mean, scale, penalty)


def _solve(z, target, penalty: float, classes, start) -> np.ndarray:
    return _ridge(z, target, penalty) if classes is None else _softmax(z, target, penalty, len(classes), start)  # fmt: skip


def _ridge(z: np.ndarray, target: np.ndarray, penalty: float) -> np.ndarray:
    centre, level = z.mean(axis=0), target.mean(axis=0)
    x, y = z - centre, target - level
    n, p = x.shape
    if p <= n:
        weights = np.linalg.solve(x.T @ x / n + penalty * np.eye(p), x.T @ y / n)
    else:
        weights = x.T @ np.linalg.solve(x @ x.T / n + penalty * np.eye(n), y / n)
    return np.vstack([weights, level - centre @ weights])


def _softmax(z: np.ndarray, target: np.ndarray, penalty: float, count: int, start) -> np.ndarray:
    from scipy.optimize import minimize

    n, p = z.shape
    hot = np.zeros((n, count))
    hot[np.arange(n), target] = 1.0

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weights = flat.reshape(p + 1, count)
        scores = z @ weights[:-1] + weights[-1]
        scores -= scores.max(axis=1, keepdims=True)
        total = np.log(np.exp(scores).sum(axis=1))
        value = (total - (scores * hot).sum(axis=1)).mean() + penalty / 2 * (weights[:-1] ** 2).sum()  # fmt: skip
        residual = (np.exp(scores - total[:, None]) - hot) / n
        gradient = np.vstack([z.T @ residual + penalty * weights[:-1], residual.sum(axis=0)])
        return value, gradient.ravel()

    first = np.zeros((p + 1, count)) if start is None else start
    found = minimize(
        loss, first.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 300, "ftol": 1e-9, "gtol": 1e-6}
    )  # fmt: skip
    return found.x.reshape(p + 1, count)


def _loss(z: np.ndarray, target: np.ndarray, weights: np.ndarray, classes) -> float:
    scores = z @ weights[:-1] + weights[-1]
    if classes is None:
        return float(((scores - target) ** 2).mean())
    scores = scores - scores.max(axis=1, keepdims=True)
    return float((np.log(np.exp(scores).sum(axis=1)) - scores[np.arange(len(z)), target]).mean())


# ---- what a prediction is worth -----------------------------------------------------------------------------------------
def measured(metric: str, labels: np.ndarray, predictions: np.ndarray) -> float:
    """One measure of a task: accuracy, f1 (of the class 1), macro-f1, matthews, pearson or spearman.

    A constant prediction has r = 0 and Matthews' coefficient 0.
    """
    y, p = np.asarray(labels), np.asarray(predictions)
    if metric == "accuracy":
        return float((y == p).mean())
    if metric == "f1":
        return _f1(y == 1, p == 1)
    if metric == "macro-f1":
        return float(np.mean([_f1(y == one, p == one) for one in np.unique(y)]))
    if metric == "matthews":
        return float(pearson((y == 1).astype(float), (p == 1).astype(float)))
    if metric == "spearman":
        from scipy.stats import rankdata

        y, p = rankdata(y), rankdata(p)
    return float(pearson(y.astype(float), p.astype(float)))


def _f1(y: np.ndarray, p: np.ndarray) -> float:
    both, either = (y & p).sum(), y.sum() + p.sum()
    return float(2 * both / either) if either else 0.0
