"""Features without a language model: what a score must beat before it says anything about language."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.models.static import random_vectors, words_of
from data.errors import BrainLensError
from data.language import frequencies
from data.recording import Recording
from data.registry import Registry

__all__ = [
    "CONTROLS",
    "SIGMAS",
    "Asked",
    "context_blocks",
    "features",
    "oasm",
    "random_embedding",
    "reach",
    "words",
]

CONTROLS = Registry(
    "brainlens.controls",
    "control",
    {
        "position": "analysis.features.controls:position",
        "length": "analysis.features.controls:length",
        "word-rate": "analysis.features.controls:word_rate",
        "log-frequency": "analysis.features.controls:log_frequency",
        "static-embedding": "analysis.features.controls:static_embedding",
        "oasm": "analysis.features.controls:oasm_sweep",
        "random-embedding": "analysis.features.controls:random_words",
    },
)
"""Name -> function of a recording and what was :class:`Asked`; the first line of its docstring says what it is."""

SIGMAS = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Widths of the OASM sweep, in stimuli."""
LEAST = float(np.finfo(np.float32).eps) / 2
"""Where the bell of OASM ends: of its peak, below a float32's precision."""

WIDTH = 1600
"""Width of the random embedding of Schrimpf et al. (2021), used where no width is given."""


def features(
    recording: Recording,
    names: Iterable[str],
    *,
    width: int | None = None,
    seed: int = 0,
    static: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """Control features of a recording.

    Parameters
    ----------
    recording : Recording
    names : iterable of str
        Of :data:`CONTROLS`. ``oasm`` gives one entry for each of :data:`SIGMAS`, named ``oasm:0.5``, ``oasm:1`` ...;
        ``oasm:3`` gives that width alone.
    width : int, optional
        Units of the random embedding: the width of the model's layer it stands beside.
    seed : int
        Of the random embedding.
    static : ndarray, shape (n_stimuli, k), optional
        Static embeddings of the stimuli, for ``static-embedding``.

    Returns
    -------
    dict of str to ndarray, shape (n_stimuli, k), float32 or float64

    Raises
    ------
    BrainLensError
        For an unknown name, or where the embedding is missing or has the wrong number of rows.
    """
    made: dict[str, np.ndarray] = {}
    for name in names:
        kind, _, argument = name.partition(":")
        found = CONTROLS[kind](recording, Asked(name, argument, width, seed, static))
        made.update(found if isinstance(found, dict) else {name: found})
    return made


@dataclass(frozen=True)
class Asked:
    """What a control is made from beside the recording.

    Parameters
    ----------
    name, argument : str
        As it was asked for, such as ``oasm:3``, and what stands behind the colon.
    width : int or None
        Units of the layer that it stands beside.
    seed : int
    static : ndarray or None
        Static embeddings of the stimuli, shape (n_stimuli, k).
    """

    name: str
    argument: str = ""
    width: int | None = None
    seed: int = 0
    static: np.ndarray | None = None


def words(text: str) -> list[str]:
    """Words of a text without their punctuation, lower case; a text of punctuation alone is one word."""
    return [word.lower() for word in words_of(text)] or [text.strip()]


# ---- what the stimuli look like ------------------------------------------------------------------------------------------
def context_blocks(recording: Recording) -> np.ndarray:
    """Context group of each stimulus, numbered; parts of a recording never share one. Of samples: their run."""
    table = recording.stimuli
    if recording.sampled:
        return pd.factorize(table["run"])[0]
    column = recording.context or recording.group
    columns = [name for name in (recording.within, column) if name is not None]
    return (
        table.groupby(columns, sort=False, dropna=False).ngroup().to_numpy()
        if columns
        else np.zeros(len(table), int)
    )


def position(recording: Recording, asked: Asked) -> np.ndarray:
    """Place of the stimulus in its context group: index, index squared, first or not.

    On groups of up to four stimuli these three columns and an intercept say everything a position can say.
    """
    given = recording.stimuli.get("position")
    if given is not None and given.dtype.kind in "iuf" and given.notna().all():
        index = given.to_numpy(float)
        first = index == index.min()
    else:
        blocks = pd.Series(context_blocks(recording))
        index = blocks.groupby(blocks).cumcount().to_numpy(float)
        first = index == 0
    return np.column_stack([index, index**2, first])


def length(recording: Recording, asked: Asked) -> np.ndarray:
    """Number of words and of characters."""
    return np.array([[len(words(text)), len(text)] for text in recording.texts], float)


def word_rate(recording: Recording, asked: Asked) -> np.ndarray:
    """Words per stimulus, or per second where onsets are known."""
    counts = np.array([len(words(text)) for text in recording.texts], float)
    onset = recording.stimuli.get("onset")
    if onset is None or onset.dtype.kind not in "iuf" or onset.isna().any():
        return counts[:, None]
    seconds = (
        pd.Series(onset.to_numpy(float))
        .groupby(context_blocks(recording))
        .transform(lambda one: one.shift(-1) - one)
    )
    seconds = seconds.where(
        seconds > 0
    )  # the last one of a group ends unseen: take the usual duration
    return (counts / seconds.fillna(seconds.median() if seconds.notna().any() else 1.0).to_numpy())[
        :, None
    ]


def log_frequency(recording: Recording, asked: Asked) -> np.ndarray:
    """Zipf frequency of the words in the recording's language: mean, smallest, last (wordfreq)."""
    zipf = [frequencies(words(text), recording.language) for text in recording.texts]
    return np.array([[np.mean(one), min(one), one[-1]] for one in zipf])


def static_embedding(recording: Recording, asked: Asked) -> np.ndarray:
    """Mean static vector of the words; the vectors are passed in."""
    static = asked.static
    if static is None:
        raise BrainLensError(
            "The control 'static-embedding' needs the vectors",
            remedy="Pass static=, one row per stimulus, such as GloVe's layer 0",
        )
    static = np.asarray(static)
    if static.ndim != 2 or len(static) != recording.n_stimuli:
        raise BrainLensError(
            f"The static embedding has shape {static.shape} for {recording.n_stimuli} stimuli",
            remedy="Give one row for each stimulus of the recording",
        )
    return static


# ---- OASM ----------------------------------------------------------------------------------------------------------------
def oasm(recording: Recording, sigma: float) -> np.ndarray:
    r"""Orthogonal autocorrelated sequences model: an identity matrix smoothed along time inside each context group.

    .. math:: X_{ij} \propto e^{-(i - j)^2 / 2 \sigma^2} \text{ where i and j share a context group, else } 0

    Each row sums to 1. Under folds of whole groups it predicts a constant; what it scores under shuffled folds is leakage. The
    bell ends where it is below a float32's precision of its peak (5.8 widths): tails of 1e-30 among the training rows,
    standardized, would be features of their own.

    Parameters
    ----------
    recording : Recording
    sigma : float
        Width in stimuli.

    Returns
    -------
    ndarray, shape (n_stimuli, n_stimuli), float32

    Notes
    -----
    Source: Hadidi, Feghhi et al. 2024, arXiv 2406.01538.
    """
    if not sigma > 0:
        raise BrainLensError(f"sigma={sigma:g} must be positive", remedy="For example oasm:1")
    blocks = context_blocks(recording)
    matrix = np.zeros((len(blocks), len(blocks)), np.float32)
    for block in range(blocks.max() + 1):
        rows = np.flatnonzero(blocks == block)
        place = np.arange(len(rows))
        bell = np.exp(-0.5 * ((place[:, None] - place) / sigma) ** 2)
        bell[bell < LEAST] = 0.0
        matrix[np.ix_(rows, rows)] = bell / bell.sum(axis=1, keepdims=True)
    return matrix


def reach(sigma: float) -> float:
    """Rows from the middle of a bell of this width to its end."""
    return sigma * float(np.sqrt(-2 * np.log(LEAST)))


def oasm_sweep(recording: Recording, asked: Asked) -> dict[str, np.ndarray]:
    """Knows when a stimulus came and nothing of what it says: a smoothed identity, one width per entry."""
    if asked.argument or asked.name.endswith(":"):
        return {asked.name: oasm(recording, _sigma(asked.name))}
    return {f"oasm:{sigma:g}": oasm(recording, sigma) for sigma in SIGMAS}


def _sigma(name: str) -> float:
    try:
        return float(name.partition(":")[2])
    except ValueError:
        raise BrainLensError(f"{name!r} names no width", remedy="For example oasm:1") from None


# ---- random embedding ----------------------------------------------------------------------------------------------------
def random_embedding(texts: Iterable[str], width: int, seed: int = 0) -> np.ndarray:
    """A random vector for each word type, averaged over each text's own words: the model ``random-WIDTH``.

    Returns
    -------
    ndarray, shape (n_texts, width), float32

    Notes
    -----
    Source: the random-embedding control of Schrimpf et al. 2021, doi 10.1073/pnas.2105646118.
    """
    split = [words(text) for text in texts]
    types = {
        word: number
        for number, word in enumerate(dict.fromkeys(word for text in split for word in text))
    }
    vectors = random_vectors(list(types), width, seed)
    return np.stack([vectors[[types[word] for word in text]].mean(axis=0) for text in split])


def random_words(recording: Recording, asked: Asked) -> np.ndarray:
    """A random vector for each word type, mean over the stimulus's words."""
    return random_embedding(recording.texts, asked.width or WIDTH, asked.seed)
