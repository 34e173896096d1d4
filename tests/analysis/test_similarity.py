"""RSA and CKA: definitions, invariances, and no similarity where there is none."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import spearmanr

from analysis.mapping.similarity import dissimilarity, linear_cka, rsa
from data.errors import BrainLensError

RNG = np.random.default_rng(0)


def test_distances_equal_scipy():
    x = RNG.standard_normal((12, 7))
    assert dissimilarity(x) == pytest.approx(cdist(x, x, "correlation"), abs=1e-12)
    assert dissimilarity(x, distance="euclidean") == pytest.approx(
        cdist(x, x, "sqeuclidean") / 7, abs=1e-12
    )


def test_crossvalidated_distance_equals_its_definition_and_ignores_the_order_of_rows():
    items, repeats = np.repeat([3, 1, 2], 3), np.tile([0, 1, 2], 3)
    x = RNG.standard_normal((9, 5))
    found = dissimilarity(x, distance="crossvalidated", items=items, repeats=repeats)
    for i, a in enumerate([3, 1, 2]):
        for j, b in enumerate([3, 1, 2]):
            total = 0.0
            for s in range(3):
                for t in range(3):
                    if s != t:
                        difference = [
                            x[(items == a) & (repeats == r)][0]
                            - x[(items == b) & (repeats == r)][0]
                            for r in (s, t)
                        ]
                        total += difference[0] @ difference[1]
            assert found[i, j] == pytest.approx(total / (5 * 3 * 2))
    order = np.array([0, 4, 8, 1, 2, 3, 5, 6, 7])
    again = dissimilarity(
        x[order], distance="crossvalidated", items=items[order], repeats=repeats[order]
    )
    assert again == pytest.approx(found)


def test_crossvalidated_distance_is_zero_in_expectation_for_noise_and_the_plain_one_is_not():
    items, repeats = np.tile(np.arange(20), 4), np.repeat(np.arange(4), 20)
    noise = RNG.standard_normal((80, 400))
    pairs = np.triu_indices(20, 1)
    found = dissimilarity(noise, distance="crossvalidated", items=items, repeats=repeats)[pairs]
    assert abs(found.mean()) < 0.02 and found.min() < 0
    plain = dissimilarity(noise.reshape(4, 20, -1).mean(axis=0), distance="euclidean")[pairs]
    assert plain.mean() == pytest.approx(0.5, abs=0.02)


def test_rsa():
    a, b = (dissimilarity(RNG.standard_normal((15, 6))) for _ in range(2))
    pairs = np.triu_indices(15, 1)
    assert rsa(a, b) == pytest.approx(spearmanr(a[pairs], b[pairs])[0])
    assert rsa(a, a) == pytest.approx(1) and rsa(
        a, 3 * a + 1, comparison="pearson"
    ) == pytest.approx(1)
    assert rsa(a, 2 * a, comparison="cosine") == pytest.approx(1) and rsa(a, np.ones_like(a)) == 0
    groups = np.repeat(np.arange(5), 3)
    apart = groups[:, None] != groups
    expected = spearmanr(a[pairs][apart[pairs]], b[pairs][apart[pairs]])[0]
    assert rsa(a, b, keep=apart) == pytest.approx(expected)


def test_cka_is_one_for_rotations_and_scalings_only():
    x = RNG.standard_normal((60, 10))
    rotation = np.linalg.qr(RNG.standard_normal((10, 10)))[0]
    assert linear_cka(x, 3 * x @ rotation + 5) == pytest.approx(1)
    assert linear_cka(x, x * np.linspace(0.1, 5, 10)) < 0.95
    assert linear_cka(x, np.ones((60, 3))) == 0


def test_debiased_cka_is_zero_for_independent_wide_features_and_the_plain_one_is_not():
    found = [
        [
            linear_cka(
                RNG.standard_normal((40, 400)), RNG.standard_normal((40, 400)), debiased=flag
            )
            for _ in range(40)
        ]
        for flag in (True, False)
    ]
    assert abs(np.mean(found[0])) < 0.02 and np.min(found[0]) < 0 and np.mean(found[1]) > 0.8


def test_errors_say_what_to_do():
    x = RNG.standard_normal((6, 4))
    with pytest.raises(BrainLensError, match="Unknown distance 'cosine'"):
        dissimilarity(x, distance="cosine")
    with pytest.raises(BrainLensError, match="need independent repeats"):
        dissimilarity(x, distance="crossvalidated")
    with pytest.raises(BrainLensError, match="5 rows are not 3 stimuli"):
        dissimilarity(
            x[:5],
            distance="crossvalidated",
            items=np.array([1, 2, 3, 1, 2]),
            repeats=np.array([0, 0, 0, 1, 1]),
        )
    with pytest.raises(BrainLensError, match=r"two or more repeats \(1 found\)"):
        dissimilarity(
            x[:3], distance="crossvalidated", items=np.array([1, 2, 3]), repeats=np.zeros(3)
        )
    with pytest.raises(BrainLensError, match="same value in every unit"):
        dissimilarity(np.ones((4, 3)))
    with pytest.raises(BrainLensError, match="cannot be compared"):
        rsa(np.eye(3), np.eye(4))
    with pytest.raises(BrainLensError, match="1 pairs of stimuli"):
        rsa(np.eye(2), np.eye(2))
    with pytest.raises(BrainLensError, match="Unknown comparison"):
        rsa(np.eye(3), np.eye(3), comparison="kendall")
    with pytest.raises(BrainLensError, match="cannot be aligned"):
        linear_cka(x, x[:3])
    with pytest.raises(BrainLensError, match="3 stimuli are too few"):
        linear_cka(x[:3], x[:3])
