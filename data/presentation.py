"""When words came: the table of words beside a signal that was sampled while they were heard or read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from data.errors import BrainLensError

__all__ = ["Presentation", "sample_table", "spoken"]

COLUMNS = ("run", "onset", "offset", "text")


@dataclass(frozen=True)
class Presentation:
    """Words with their times, and how the signal beside them was sampled.

    Parameters
    ----------
    words : pandas.DataFrame
        One row per word in the order heard, with ``run``, ``onset``, ``offset`` (seconds on the clock of the run's samples: 0 is
        the beginning of the first sample) and ``text``. Further columns (``sentence``, ``story``) are kept as they are.
    interval : float
        Seconds from one sample to the next: the repetition time of fMRI.
    nuisance : mapping of str to xarray.DataArray
        What is known of each sample besides the words (motion, power of the sound), dims ``("stimulus",)`` or
        ``("stimulus", "subject")`` where it differs between people.

    Raises
    ------
    BrainLensError
        Where a column is missing, a time is no number, a word ends before it begins or has no text, or words of a run are out of
        order.
    """

    words: pd.DataFrame
    interval: float
    nuisance: Mapping[str, xr.DataArray] = field(default_factory=dict)

    def __post_init__(self):
        words = self.words
        for column in COLUMNS:
            if column not in words.columns:
                raise BrainLensError(
                    f"The table of words has no column {column!r}",
                    choices=list(map(str, words.columns)),
                    remedy="Name the columns that hold run, onset, offset and text",
                )
        if not len(words):
            raise BrainLensError("The table of words is empty", remedy="Give at least one word")
        if not self.interval > 0:
            raise BrainLensError(
                f"interval={self.interval}: seconds between two samples must be above 0",
                remedy="Give the repetition time in seconds, such as 2.0",
            )
        onset, offset = (words[c].to_numpy(float) for c in ("onset", "offset"))
        self._refuse(~np.isfinite(onset + offset), "have no time", "Fill in or leave these out")
        self._refuse(offset < onset, "end before they begin", "Exchange onset and offset")
        empty = [not isinstance(t, str) or not t.strip() for t in words["text"]]
        self._refuse(np.array(empty), "have no text", "Leave these rows out")
        same = words["run"].to_numpy()[1:] == words["run"].to_numpy()[:-1]
        early = np.r_[False, same & (np.diff(onset) < 0)]
        self._refuse(early, "begin before the word before them", "Sort the words of each run")

    def _refuse(self, wrong: np.ndarray, what: str, remedy: str) -> None:
        if wrong.any():
            first = self.words.iloc[int(np.flatnonzero(wrong)[0])]
            raise BrainLensError(
                f"{int(wrong.sum())} words {what}, first: {first['text']!r} of run {first['run']} "
                f"at {first['onset']} s",
                remedy=remedy,
            )

    @property
    def middle(self) -> np.ndarray:
        """Midpoint of every word in seconds, shape (n_words,)."""
        return (self.words["onset"].to_numpy(float) + self.words["offset"].to_numpy(float)) / 2

    def content(self) -> list:
        """Everything that determines a number, as plain values."""
        words = [[str(c), list(map(str, self.words[c]))] for c in self.words.columns]
        beside = [
            [
                name,
                list(one.dims),
                one.values.tolist(),
                list(map(str, one.coords.get("subject", []))),
            ]
            for name, one in sorted(self.nuisance.items())
        ]
        return [float(self.interval), words, beside]

    def shifted(self, seconds: float) -> Presentation:
        """The same words ``seconds`` later (earlier where it is below 0)."""
        moved = self.words.assign(
            onset=self.words["onset"] + seconds, offset=self.words["offset"] + seconds
        )
        return Presentation(moved, self.interval, self.nuisance)


def spoken(presentation: Presentation, runs: Sequence | np.ndarray, times: np.ndarray) -> list[str]:
    """The words whose midpoint lies in each sample's interval, joined by spaces; empty where nobody spoke.

    Parameters
    ----------
    runs : sequence, length n_samples
    times : ndarray, shape (n_samples,)
        Beginning of each sample in seconds.
    """
    texts = [""] * len(times)
    for sample, word in _places(presentation, runs, times):
        texts[sample] = f"{texts[sample]} {presentation.words['text'].iloc[word]}".strip()
    return texts


def _places(presentation: Presentation, runs: Sequence | np.ndarray, times: np.ndarray):
    """(sample, word) for every word that falls into a sample, in order."""
    runs, times = np.asarray(runs), np.asarray(times, float)
    word_runs, middle = presentation.words["run"].to_numpy(), presentation.middle
    for run in pd.unique(runs):
        rows, mine = np.flatnonzero(runs == run), np.flatnonzero(word_runs == run)
        place = np.searchsorted(times[rows], middle[mine], side="right") - 1
        inside = (place >= 0) & (middle[mine] < times[rows][place] + presentation.interval)
        yield from zip(rows[place[inside]], mine[inside])


def sample_table(presentation: Presentation, counts: Mapping[Any, int]) -> pd.DataFrame:
    """One row per sample: ``run``, ``time`` (seconds, its beginning), and the words spoken in it as ``text``.

    Parameters
    ----------
    counts : mapping
        Samples of each run, in order.
    """
    runs = np.repeat(np.array(list(counts), dtype=object), list(counts.values()))
    times = np.concatenate([np.arange(n) * presentation.interval for n in counts.values()])
    table = pd.DataFrame(
        {"text": spoken(presentation, runs, times), "run": runs, "time": times},
        index=pd.Index(
            [f"{run}.{i}" for run, n in counts.items() for i in range(n)], name="stimulus"
        ),
    )
    return table
