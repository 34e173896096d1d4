"""Sentences that are predicted to drive or to suppress a response, and how far each lies outside of what was measured."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.mapping.pearson import pearson
from data.errors import BrainLensError
from data.language import frequencies
from data.words import core

__all__ = ["Limits", "Range", "Response", "allowed", "fit_range", "fit_response", "search"]

DRAWS = 100
ALPHAS = tuple(float(a) for a in np.logspace(-1, 7, 17))
FOLDS = 5
RARER = 0.5
"""Steps of the Zipf scale below the rarest measured sentence, from which on a sentence is not used."""
REPEATED = 0.2
"""Share of repeated words above the largest of a measured sentence, from which on it is not."""


# ---- what is predicted ----------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Response:
    """A target's response as a linear function of a layer, with bootstrap copies.

    Parameters
    ----------
    weights : ndarray, shape (n_draws + 1, n_units + 1)
        Of z-scored units, the intercept last; row 0 is the fit itself, the others are of resampled training stimuli.
    mean, scale : ndarray, shape (n_units,)
    alpha : float
    r : float
        Held-out correlation over the folds on which alpha was chosen: how well the function predicts at all.
    r_low, r_high : float
        Its 95 % interval, groups of stimuli drawn anew; NaN without draws.
    """

    weights: np.ndarray
    mean: np.ndarray
    scale: np.ndarray
    alpha: float
    r: float
    r_low: float = np.nan
    r_high: float = np.nan

    def predict(
        self, features: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Prediction of each row, standard deviation over draws, and the ends of their 95 %."""
        z = (np.asarray(features, float) - self.mean) / self.scale
        every = z @ self.weights[:, :-1].T + self.weights[:, -1]
        drawn = every[:, 1:]
        low, high = np.percentile(drawn, [2.5, 97.5], axis=1)
        return every[:, 0], drawn.std(axis=1, ddof=1), low, high


def fit_response(
    features: np.ndarray,
    response: np.ndarray,
    groups: np.ndarray,
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> Response:
    """Ridge regression of one target on all its stimuli; alpha by leaving out fifths of the groups.

    Parameters
    ----------
    features : ndarray, shape (n, n_units)
    response : ndarray, shape (n,)
        NaN where it was not measured.
    groups : ndarray, shape (n,)
        What belongs together: folds and bootstrap draws take whole groups.

    Raises
    ------
    BrainLensError
        For fewer than twenty stimuli or five groups, and a constant response.
    """
    there = np.isfinite(response)
    x, y, groups = np.asarray(features, float)[there], np.asarray(response, float)[there], np.asarray(groups)[there]  # fmt: skip
    labels = np.unique(groups)
    if len(y) < 20 or len(labels) < FOLDS or np.ptp(y) == 0:
        raise BrainLensError(
            f"{len(y)} stimuli in {len(labels)} groups{' with one response' if len(y) and np.ptp(y) == 0 else ''} "
            "are too few to learn what drives a response",
            remedy="Choose another target or recording",
        )
    rng = np.random.default_rng([seed, 17])
    mean, scale = x.mean(axis=0), x.std(axis=0)
    scale = np.where(scale > 1e-8, scale, np.inf)
    z = (x - mean) / scale
    fold = np.empty(len(y), int)
    for place, label in enumerate(rng.permutation(labels)):
        fold[groups == label] = place % FOLDS
    guesses = np.empty((len(ALPHAS), len(y)))
    for number in range(FOLDS):
        train, test = fold != number, fold == number
        for at, weights in enumerate(_path(z[train], y[train])):
            guesses[at, test] = z[test] @ weights[:-1] + weights[-1]
    errors = ((guesses - y) ** 2).mean(axis=1)
    best = int(errors.argmin())
    r = float(pearson(guesses[best], y))
    rows = {label: np.flatnonzero(groups == label) for label in labels.tolist()}
    found = [_ridge(z, y, ALPHAS[best])]
    for _ in range(draws):
        chosen = rng.choice(labels, len(labels))
        drawn = np.concatenate([rows[label] for label in chosen.tolist()])
        found.append(_ridge(z[drawn], y[drawn], ALPHAS[best]))
    ends = _ends(guesses[best], y, list(rows.values()), seed) if draws else ()
    return Response(np.stack(found), mean, scale, ALPHAS[best], r, *ends)


def _ends(
    guess: np.ndarray, y: np.ndarray, rows: list[np.ndarray], seed: int
) -> tuple[float, float]:
    """95 % interval of the held-out r: groups drawn anew."""
    rng = np.random.default_rng([seed, 23])
    found = []
    for _ in range(DRAWS):
        drawn = np.concatenate([rows[at] for at in rng.integers(len(rows), size=len(rows))])
        found.append(float(pearson(guess[drawn], y[drawn])))
    low, high = np.nanpercentile(found, [2.5, 97.5])
    return float(low), float(high)


def _path(z: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
    """Weights with the intercept for every alpha, through one decomposition."""
    centre, level = z.mean(axis=0), y.mean()
    u, s, v = np.linalg.svd(z - centre, full_matrices=False)
    inner = u.T @ (y - level)
    found = []
    for alpha in ALPHAS:
        weights = v.T @ (s / (s * s + alpha) * inner)
        found.append(np.append(weights, level - centre @ weights))
    return found


def _ridge(z: np.ndarray, y: np.ndarray, alpha: float) -> np.ndarray:
    centre, level = z.mean(axis=0), y.mean()
    x, n = z - centre, len(y)
    if x.shape[1] > n:
        weights = x.T @ np.linalg.solve(x @ x.T + alpha * np.eye(n), y - level)
    else:
        weights = np.linalg.solve(x.T @ x + alpha * np.eye(x.shape[1]), x.T @ (y - level))
    return np.append(weights, level - centre @ weights)


# ---- what lies outside ----------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Range:
    r"""Where the measured stimuli lie in feature space.

    Two distances: inside the main directions, :math:`\sum_k t_k^2 / \lambda_k / K`, and beside them, the squared residual over
    its mean. A sentence is out of the distribution where one of them exceeds what all but 1 % of left-out measured stimuli have.

    Parameters
    ----------
    mean, scale : ndarray, shape (n_units,)
    axes : ndarray, shape (K, n_units)
    spread : ndarray, shape (K,)
    beside : float
    limits : tuple of float
        Of both distances.
    """

    mean: np.ndarray
    scale: np.ndarray
    axes: np.ndarray
    spread: np.ndarray
    beside: float
    limits: tuple[float, float]

    def distance(self, features: np.ndarray) -> np.ndarray:
        """The larger of both distances over its limit, per row: above 1 it lies outside."""
        inside, beside = _distances(np.asarray(features, float), self)
        return np.maximum(inside / self.limits[0], beside / self.limits[1])


def fit_range(
    features: np.ndarray, groups: np.ndarray, *, share: float = 0.99, seed: int = 0
) -> Range:
    """Where stimuli lie, with limits from stimuli whose groups were left out.

    Parameters
    ----------
    features : ndarray, shape (n, n_units)
    groups : ndarray, shape (n,)
    share : float
        Of left-out stimuli that lie within each limit.
    """
    x, groups = np.asarray(features, float), np.asarray(groups)
    labels = np.random.default_rng([seed, 19]).permutation(np.unique(groups))
    folds = min(FOLDS, len(labels))
    inside, beside = [], []
    for number in range(folds):
        test = np.isin(groups, labels[number::folds])
        if test.all() or not test.any():
            continue
        a, b = _distances(x[test], _space(x[~test]))
        inside.append(a)
        beside.append(b)
    near, far = (float(np.quantile(np.concatenate(one), share)) for one in (inside, beside))
    space = _space(x)
    return Range(space.mean, space.scale, space.axes, space.spread, space.beside, (near, far))


def _space(x: np.ndarray) -> Range:
    """Main directions that hold nine tenths of the variance, at most a fifth as many as stimuli."""
    mean, scale = x.mean(axis=0), x.std(axis=0)
    scale = np.where(scale > 1e-8, scale, np.inf)
    z = (x - mean) / scale
    _, s, v = np.linalg.svd(z, full_matrices=False)
    share = np.cumsum(s**2) / (s**2).sum()
    k = int(min(np.searchsorted(share, 0.9) + 1, max(1, len(x) // 5), len(s)))
    left = float((s[k:] ** 2).sum() / len(x))
    return Range(mean, scale, v[:k], s[:k] ** 2 / (len(x) - 1), max(left, 1e-12), (1.0, 1.0))


def _distances(x: np.ndarray, space: Range) -> tuple[np.ndarray, np.ndarray]:
    z = (x - space.mean) / space.scale
    t = z @ space.axes.T
    rest = np.maximum((z**2).sum(axis=1) - (t**2).sum(axis=1), 0.0)
    return (t**2 / space.spread).mean(axis=1), rest / space.beside


# ---- which sentences may be asked -----------------------------------------------------------------------------------
@dataclass(frozen=True)
class Limits:
    """What a sentence must be like.

    Parameters
    ----------
    shortest, longest : int
        Words.
    overlap : float
        Share of words (of both sentences together) that it may have in common with a measured one; 1: any but an equal one.
    """

    shortest: int = 3
    longest: int = 30
    overlap: float = 0.8

    def __post_init__(self):
        if not 1 <= self.shortest <= self.longest:
            raise BrainLensError(
                f"No sentence has {self.shortest} words or more and {self.longest} or fewer",
                remedy="Give 1 or more, the shorter length first",
            )
        if not 0 <= self.overlap <= 1:
            raise BrainLensError(
                f"overlap={self.overlap:g} is no share between 0 and 1", remedy="For example 0.8"
            )


def allowed(
    texts: Sequence[str], measured: Sequence[str], limits: Limits, language: str = ""
) -> list[str]:
    """Why each sentence may not be used; empty where it may.

    Beside its length and likeness to what was measured, it may not lie far beyond all measured sentences by how common its words
    are (mean Zipf frequency, where there are frequencies of the language) and how often it repeats them: a model's features may
    hide that "aaaa bbbb" is no sentence.
    """
    known = [_words(text) for text in measured]
    common, repeats = _lexical(texts, language), _repeats(texts)
    rarest = np.nanmin(_lexical(measured, language), initial=np.inf) - RARER
    most = max(_repeats(measured), default=0.0) + REPEATED
    holders: dict[str, list[int]] = {}
    for at, words in enumerate(known):
        for word in words:
            holders.setdefault(word, []).append(at)
    reasons, seen = [], set()
    for at, text in enumerate(texts):
        words, count = _words(text), len(text.split())
        if not limits.shortest <= count <= limits.longest:
            reasons.append(f"{count} words")
        elif " ".join(text.lower().split()) in seen:
            reasons.append("occurs twice")
        elif common[at] < rarest:
            reasons.append("rarer words than any measured")
        elif repeats[at] > most:
            reasons.append("repeats words more than any measured")
        else:
            near = {row for word in words for row in holders.get(word, ())}
            share = max(
                (len(words & known[row]) / len(words | known[row]) for row in near), default=0.0
            )
            equal = share == 1.0
            reasons.append(
                "measured already"
                if equal
                else "close to a measured one"
                if share > limits.overlap
                else ""
            )
        seen.add(" ".join(text.lower().split()))
    return reasons


def _lexical(texts: Sequence[str], language: str) -> np.ndarray:
    """Mean Zipf frequency of each text's words; NaN where there are none, or no frequencies."""
    try:
        return np.array(
            [
                np.mean(frequencies(sorted(_words(text)), language) if _words(text) else np.nan)
                for text in texts
            ]
        )
    except BrainLensError:
        return np.full(len(texts), np.nan)


def _repeats(texts: Sequence[str]) -> list[float]:
    """Share of each text's words that occurred in it before."""
    each = [[core(word).lower() for word in text.split()] for text in texts]
    return [1 - len(set(words)) / len(words) if words else 0.0 for words in each]


def _words(text: str) -> frozenset[str]:
    return frozenset(filter(None, (core(word).lower() for word in text.split())))


def search(
    starts: Sequence[str],
    words: Sequence[str],
    value: Callable[[list[str]], np.ndarray],
    keep: Callable[[list[str]], np.ndarray],
    *,
    rounds: int = 3,
    places: int = 4,
    seed: int = 0,
) -> pd.DataFrame:
    """Better sentences by replacing single words.

    Each round tries, at a few random places of every sentence, some of the words, and keeps the best sentence that may be used.

    Parameters
    ----------
    starts : sequence of str
    words : sequence of str
        Candidates.
    value : callable
        Sentences -> what is to be large.
    keep : callable
        Sentences -> mask of those that may be used.
    rounds, places : int
        Rounds, and trials per sentence and round.

    Returns
    -------
    pandas.DataFrame
        start, text, before, value, replaced (number of words).
    """
    rng = np.random.default_rng([seed, 29])
    current, scores = list(starts), np.asarray(value(list(starts)), float)
    before = scores.copy()
    for _ in range(rounds):
        trials, whose = [], []
        for at, text in enumerate(current):
            parts = text.split()
            for _ in range(places):
                place = int(rng.integers(len(parts)))
                other = _as(str(rng.choice(words)), parts[place])
                trials.append(" ".join([*parts[:place], other, *parts[place + 1 :]]))
                whose.append(at)
        found = np.where(keep(trials), np.asarray(value(trials), float), -np.inf)
        for at in range(len(current)):
            mine = [number for number, owner in enumerate(whose) if owner == at]
            best = max(mine, key=lambda number: found[number])
            if found[best] > scores[at]:
                current[at], scores[at] = trials[best], found[best]
    changed = [
        sum(a != b for a, b in zip(one.split(), two.split(), strict=True))
        for one, two in zip(starts, current, strict=True)
    ]
    return pd.DataFrame(
        {
            "start": list(starts),
            "text": current,
            "before": before,
            "value": scores,
            "replaced": changed,
        }
    )


def _as(word: str, like: str) -> str:
    """A word with the capital and the marks of the one it replaces."""
    parts = re.fullmatch(r"(\W*)(.*?)(\W*)", like)
    assert parts is not None  # every word has that form
    before, inside, after = parts.groups()
    return before + (word.capitalize() if inside[:1].isupper() else word) + after
