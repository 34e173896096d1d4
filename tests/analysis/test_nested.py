"""The interval of a score whose layer is chosen: it knows of the choice."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from analysis.scoring.nested import chosen_anew, nested_draws, stretched
from analysis.statistics.selection import select_layer


def dataset(addends: np.ndarray, seeds=None, parts=None, widened: float = 1.45) -> xr.Dataset:
    folds = addends.shape[1]
    coords = {"part": ("fold", np.array(parts if parts is not None else ["all"] * folds))}
    if seeds is not None:
        coords["seed"] = ("fold", np.asarray(seeds))
    raw = addends.sum(axis=1)
    centre = np.median(raw, axis=1, keepdims=True)
    return xr.Dataset(
        {
            "draws_fold": (("layer", "fold", "draw"), addends),
            "draws_r": (("layer", "draw"), centre + widened * (raw - centre)),
        },
        coords=coords,
        attrs={"widened": widened},
    )


def test_choosing_anew_is_the_choice_on_the_other_folds_in_every_draw():
    addends = np.random.default_rng(0).standard_normal((4, 5, 30))
    found = chosen_anew(addends, np.zeros(5, int))
    expected = [5 * select_layer(addends[:, :, draw]).nested for draw in range(30)]
    np.testing.assert_allclose(found, expected)
    seeds = np.array([0, 0, 0, 1, 1])
    by_seed = chosen_anew(addends[:, :3], seeds[:3]) + chosen_anew(addends[:, 3:], seeds[3:])
    np.testing.assert_allclose(chosen_anew(addends, seeds), by_seed)


def test_a_layer_without_scores_is_never_chosen_and_a_lone_fold_asks_all_others():
    addends = np.random.default_rng(1).standard_normal((3, 2, 20)) - 5
    addends[1] = np.nan
    found = chosen_anew(addends, np.array([0, 1]))
    there = addends[[0, 2]]
    best = there[:, ::-1].argmax(axis=0)
    np.testing.assert_allclose(found, np.take_along_axis(there, best[None], 0)[0].sum(axis=0))


def test_draws_are_stretched_on_each_side_and_keep_their_order():
    draws = np.random.default_rng(2).standard_normal(4001)
    draws -= np.median(draws)
    wide = np.where(draws < 0, 3 * draws, 0.5 * draws) + 7
    found = stretched(0.2 + draws, 0.2, wide)
    low, high = np.percentile(found, [2.5, 97.5])
    assert low == pytest.approx(0.2 + np.percentile(draws, 2.5) * 3)
    assert high == pytest.approx(0.2 + np.percentile(draws, 97.5))
    assert (np.argsort(found) == np.argsort(draws)).all()


def test_one_layer_far_ahead_leaves_the_interval_as_it_was_and_equal_ones_widen_it():
    rng = np.random.default_rng(3)
    addends = 0.02 * rng.standard_normal((6, 10, 400))
    addends[2] += 0.1  # chosen in every draw, whatever is drawn
    ahead = dataset(addends)
    fixed = nested_draws(ahead, np.full(10, 2), 1.0)
    np.testing.assert_allclose(nested_draws(ahead, np.full(10, 2), 1.0, chosen=True), fixed)
    shifts = 0.05 * rng.standard_normal((6, 1, 400))  # good and bad draws of whole layers
    alike = dataset(0.02 * rng.standard_normal((6, 10, 400)) + shifts, widened=1.0)
    layers = np.arange(10) % 6
    before, after = (
        np.ptp(np.percentile(nested_draws(alike, layers, 0.0, chosen=yes), [2.5, 97.5]))
        for yes in (False, True)
    )
    assert after > 1.3 * before


def test_medians_have_no_addends_and_a_single_layer_no_choice():
    rng = np.random.default_rng(4)
    one = dataset(rng.standard_normal((1, 4, 50)))
    np.testing.assert_array_equal(
        nested_draws(one, np.zeros(4, int), 0.0, chosen=True), one.draws_r.values[0]
    )
    two = dataset(rng.standard_normal((2, 4, 50))).drop_vars("draws_fold")
    layers = np.array([0, 0, 1, 1])
    np.testing.assert_array_equal(
        nested_draws(two, layers, 0.0, chosen=True), nested_draws(two, layers, 0.0)
    )
