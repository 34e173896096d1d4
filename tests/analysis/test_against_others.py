"""What a score is beside what other people predict: said only where their intervals do not meet."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from analysis.scoring.words import against_others


def _score(low: float, high: float, others: tuple[float, float]):
    bound = SimpleNamespace(low=others[0], high=others[1])
    return SimpleNamespace(low=low, high=high, ceiling=SimpleNamespace(lower_bound=bound))


@pytest.mark.parametrize(
    "score, others, said",
    [
        ((0.4, 0.5), (0.1, 0.2), "above"),
        ((0.1, 0.2), (0.4, 0.5), "below"),
        ((-0.27, 0.16), (-0.4, 0.0), "not told apart from"),  # noise: both are nothing
        ((0.1, 0.2), (np.nan, np.nan), "not told apart from"),
    ],
)
def test_only_intervals_that_do_not_meet_are_told_apart(score, others, said):
    assert against_others(_score(*score, others)) == said


def test_scores_and_people_that_are_alike_are_told_apart_seldom():
    """Two noisy means of one truth, as strongly correlated as predictions of the same stimuli are, or not at all."""
    random, told = np.random.default_rng(1), 0
    for shared in (0.0, 0.7):
        for _ in range(2000):
            both = np.sqrt(shared) * random.normal() + np.sqrt(1 - shared) * random.normal(size=2)
            score, others = ((mean - 1.96, mean + 1.96) for mean in both)
            told += against_others(_score(*score, others)) != "not told apart from"
    assert told / 4000 < 0.02
