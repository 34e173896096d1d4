"""The hierarchical bootstrap against a slow loop, its coverage, and the comparison of models."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.statistics import compare_models, hierarchical_bootstrap, moments
from analysis.statistics.bootstrap import of_few, widening
from data.errors import BrainLensError


def toy(seed=0, n=48, groups=12, folds=4, targets=6, signal=1.0, width=1.0):
    """Predictions, responses, grouped folds and labels with whole groups in each fold."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(groups), n // groups)
    truth = rng.standard_normal((n, 1)) * signal
    responses = truth + rng.standard_normal((n, targets)) * width + 3
    predictions = truth + 0.5 * rng.standard_normal((n, targets))
    rows = np.arange(n)
    held = [np.flatnonzero(labels % folds == fold) for fold in range(folds)]
    return predictions, responses, [(np.setdiff1d(rows, test), test) for test in held], labels


def fold_scores(predictions, responses, folds, measure="r"):
    out = []
    for train, test in folds:
        row = []
        for x, y, y_train in zip(
            predictions[test].T, responses[test].T, responses[train].T, strict=True
        ):
            ok = np.isfinite(y)
            if measure == "r":
                row.append(np.corrcoef(x[ok], y[ok])[0, 1] if np.ptp(x[ok]) > 0 else 0.0)
            else:
                row.append(
                    1 - ((y - x)[ok] ** 2).sum() / ((y[ok] - np.nanmean(y_train)) ** 2).sum()
                )
        out.append(row)
    return np.array(out)


@pytest.mark.parametrize("measure", ["r", "r2"])
def test_moments_give_each_folds_score(measure):
    predictions, responses, folds, labels = toy()
    responses[5:9, 2] = np.nan
    data = moments(predictions, responses, folds, labels)
    assert np.allclose(
        data.per_fold(measure), fold_scores(predictions, responses, folds, measure), atol=1e-12
    )


def test_constant_predictions_count_as_zero_and_missing_targets_as_nothing():
    predictions, responses, folds, labels = toy()
    predictions[folds[1][1], 0] = 2.5
    responses[:, 3] = np.nan
    r = moments(predictions, responses, folds, labels).per_fold()
    assert r[1, 0] == 0 and np.isnan(r[:, 3]).all() and np.isfinite(np.delete(r, 3, axis=1)).all()


@pytest.mark.parametrize("measure", ["r", "r2"])
@pytest.mark.parametrize("targets, people", [("mean", "mean"), ("median", "median")])
def test_every_draw_equals_the_slow_bootstrap(measure, targets, people):
    predictions, responses, folds, labels = toy(groups=16, n=64)
    subjects = np.array(["a", "a", "b", "b", "b", "c"])
    boot = hierarchical_bootstrap(
        moments(predictions, responses, folds, labels),
        subjects,
        draws=7,
        seed=3,
        measure=measure,
        targets=targets,
        people=people,
    )
    order = list(dict.fromkeys(labels))  # by their rows, whatever the folds
    counts = np.random.default_rng([3, 1, 0]).multinomial(16, np.full(16, 1 / 16), size=7)
    who = np.random.default_rng([3, 0]).integers(3, size=(7, 3))
    average = {"mean": np.mean, "median": np.median}
    for draw in range(7):
        scores, weights = [], []
        for train, test in folds:
            mine = [g for g in order if g in labels[test]]
            rows = np.concatenate(
                [np.repeat(np.flatnonzero(labels == g), counts[draw][order.index(g)]) for g in mine]
            )
            if len(rows):
                scores.append(fold_scores(predictions, responses, [(train, rows)], measure)[0])
                weights.append(sum(counts[draw][order.index(g)] for g in mine) / len(mine))
        per_target = np.average(scores, axis=0, weights=weights)
        per_person = np.array([average[targets](per_target[subjects == s]) for s in "abc"])
        per_person += (of_few(3) - 1) * (boot.per_subject - boot.value)
        assert boot.raw[draw] == pytest.approx(average[people](per_person[who[draw]]), abs=1e-10)
    assert boot.low <= boot.value <= boot.high and np.median(boot.draws) == pytest.approx(
        boot.value
    )
    assert boot.resampled == "3 people and 16 stimulus groups" and "counts 2.7 times" in boot.note


def test_targets_with_different_missing_stimuli_are_drawn_as_if_alone():
    predictions, responses, folds, labels = toy(targets=4)
    responses[folds[0][1][:3], 1] = np.nan
    responses[folds[2][1], 2] = np.nan
    subjects = np.array(["a", "a", "a", "a"])
    together = hierarchical_bootstrap(
        moments(predictions, responses, folds, labels), subjects, draws=50
    )
    alone = [
        hierarchical_bootstrap(
            moments(predictions[:, [t]], responses[:, [t]], folds, labels), None, draws=50
        )
        for t in range(4)
    ]
    assert together.per_target == pytest.approx([one.value for one in alone])
    assert together.raw == pytest.approx(np.mean([one.raw for one in alone], axis=0))


def test_the_addends_of_the_folds_sum_to_the_draws_with_missing_targets_and_parts():
    first, second = toy(0), toy(1)
    first[1][:, 0] = np.nan
    second[1][second[2][1][1][:4], 3] = np.nan
    parts = [moments(*one) for one in (first, second)]
    boot = hierarchical_bootstrap(parts, np.array(list("aabbcc")), draws=40)
    assert boot.by_fold.shape == (40, 8)
    np.testing.assert_allclose(boot.by_fold.sum(axis=1), boot.raw, atol=1e-12)


def test_layers_mixed_fold_by_fold_from_addends_equal_the_bootstrap_of_mixed_predictions():
    one, responses, folds, labels = toy(0)
    two = one + np.random.default_rng(3).standard_normal(one.shape)
    subjects, chosen = np.array(list("aabbcc")), [0, 1, 1, 0]
    mixed = one.copy()
    for (_, test), layer in zip(folds, chosen, strict=True):
        mixed[test] = (one, two)[layer][test]
    whole = hierarchical_bootstrap(moments(mixed, responses, folds, labels), subjects, draws=60)
    each = [
        hierarchical_bootstrap(moments(x, responses, folds, labels), subjects, draws=60).by_fold
        for x in (one, two)
    ]
    picked = sum(each[layer][:, fold] for fold, layer in enumerate(chosen))
    np.testing.assert_allclose(picked, whole.raw, atol=1e-12)


def test_other_folds_draw_the_same_groups():
    x, y, folds, labels = toy()
    other = [folds[i] for i in (2, 0, 3, 1)]
    one, two = (
        hierarchical_bootstrap(moments(x, y, each, labels), None, draws=30)
        for each in (folds, other)
    )
    np.testing.assert_allclose(one.draws, two.draws, atol=1e-12)


def test_an_interval_over_stimuli_alone_is_widened_for_training():
    x, y, folds, labels = toy(targets=1)
    boot = hierarchical_bootstrap(moments(x, y, folds, labels), None, draws=200)
    assert boot.widened == pytest.approx(np.sqrt(1 + 4 / 3)) and "widened" in boot.note
    assert np.std(boot.draws) == pytest.approx(boot.widened * np.std(boot.raw))
    assert widening(10) == pytest.approx(1.453, abs=1e-3)
    assert hierarchical_bootstrap(moments(*toy()), np.array(list("aabbcc")), draws=9).widened == 1


def test_one_averaged_target_draws_stimulus_groups_only_and_says_so():
    predictions, responses, folds, labels = toy(targets=1)
    boot = hierarchical_bootstrap(moments(predictions, responses, folds, labels), None, draws=200)
    assert boot.resampled.startswith("12 stimulus groups only") and boot.per_subject.size == 0
    assert boot.low < boot.value < boot.high


def test_parts_are_averaged_over_those_in_which_a_target_was_measured():
    first, second = toy(0), toy(1)
    first[1][:, 0] = np.nan
    parts = [moments(*one) for one in (first, second)]
    boot = hierarchical_bootstrap(parts, np.array(list("aabbcc")), draws=20)
    per_part = [part.per_fold().mean(axis=0) for part in parts]
    assert boot.per_target[0] == pytest.approx(per_part[1][0])
    assert boot.per_target[1:] == pytest.approx(np.mean(per_part, axis=0)[1:])


def test_one_group_in_each_fold_still_has_an_interval():
    predictions, responses, folds, labels = toy(groups=8, folds=8, n=160)
    boot = hierarchical_bootstrap(moments(predictions, responses, folds, labels), None, draws=300)
    assert boot.high - boot.low > 0.02


def test_comparison_is_paired():
    predictions, responses, folds, labels = toy(n=240, groups=24)
    subjects = np.repeat(["a", "b", "c"], 2)
    worse = predictions + 0.6 * np.random.default_rng(5).standard_normal(predictions.shape)
    one, two = (moments(x, responses, folds, labels) for x in (predictions, worse))
    paired = compare_models(one, two, subjects, draws=500)
    assert (
        paired.low > 0
        and paired.p < 0.05
        and paired.difference == pytest.approx(paired.first.value - paired.second.value)
    )
    unpaired = np.hypot(*(one.high - one.low for one in (paired.first, paired.second)))
    assert paired.high - paired.low < 0.6 * unpaired
    same = compare_models(one, one, subjects, draws=100)
    assert same.difference == 0 and same.p == 1.0


def test_errors_name_what_does_not_fit():
    predictions, responses, folds, labels = toy()
    data = moments(predictions, responses, folds, labels)
    with pytest.raises(BrainLensError, match="do not belong together"):
        moments(predictions[:, :2], responses, folds, labels)
    with pytest.raises(BrainLensError, match="more than once"):
        moments(predictions, responses, [folds[0], folds[0]], labels)
    with pytest.raises(BrainLensError, match="2 subject labels for 6 targets"):
        hierarchical_bootstrap(data, np.array(["a", "b"]))
    with pytest.raises(BrainLensError, match="same folds"):
        compare_models(data, moments(predictions, responses, folds[:3], labels))


def coverage(simulations=200, people=10, groups=40, per_group=4, targets=5, sd_person=0.08):
    """Share of intervals that hold the population's mean r, with people who differ and noise shared by nobody."""
    rng, hits = np.random.default_rng(0), 0
    n = groups * per_group
    labels = np.repeat(np.arange(groups), per_group)
    held = [np.flatnonzero(labels % 10 == fold) for fold in range(10)]
    folds = [(np.setdiff1d(np.arange(n), test), test) for test in held]
    truth = 0.4
    for _ in range(simulations):
        r = np.repeat(truth + sd_person * rng.standard_normal(people), targets)
        x = rng.standard_normal((n, 1))
        y = r * x + np.sqrt(1 - r**2) * rng.standard_normal((n, people * targets))
        boot = hierarchical_bootstrap(
            moments(np.broadcast_to(x, y.shape), y, folds, labels),
            np.repeat(np.arange(people), targets),
            draws=300,
        )
        hits += boot.low <= truth <= boot.high
    return hits / simulations


def test_intervals_cover_the_population_value():
    assert 0.90 <= coverage() <= 0.99


def test_the_spread_of_two_or_three_people_counts_as_students_t_has_it():
    """Students's t over two persons' scores is 12.7 standard errors wide; so few were drawn as if 1.4 were enough."""
    assert of_few(2) == pytest.approx(2**0.5 * 12.7062 / 1.95996, rel=1e-4)
    assert of_few(3) == pytest.approx(1.5**0.5 * 4.30265 / 1.95996, rel=1e-4)
    assert [of_few(n) for n in (0, 1, 4, 27)] == [1.0] * 4
    x, y, folds, labels = toy(targets=4)
    x[:, 2:] = np.random.default_rng(0).standard_normal(
        x[:, 2:].shape
    )  # nothing of the second person
    boot = hierarchical_bootstrap(moments(x, y, folds, labels), np.array(list("aabb")), draws=400)
    apart = np.ptp(boot.per_subject)
    assert apart > 0.2 and boot.high - boot.low > 8 * apart


def test_equal_people_are_not_drawn_apart():
    x, y, folds, labels = toy(targets=1)
    one, two = (
        hierarchical_bootstrap(
            moments(np.tile(x, n), np.tile(y, n), folds, labels), np.arange(n), draws=200
        )
        for n in (2, 4)
    )
    assert (two.low, two.high) == pytest.approx((one.low, one.high))


def test_items_and_similarity_draw_two_people_apart_too():
    from types import SimpleNamespace

    import xarray as xr

    from analysis.answers.items import _drawn
    from analysis.protocol import preset
    from analysis.scoring.geometry import _with_draws

    gap = np.repeat([[0.1], [0.3]], 40, axis=1)  # two people, no noise inside either
    point, drawn, _ = _drawn(gap, np.zeros(40, int), 1, np.arange(40) // 4, 400, 0)
    assert point == pytest.approx(0.2)
    assert np.ptp(drawn) == pytest.approx(0.2 * of_few(2), rel=1e-6)

    part = SimpleNamespace(groups=np.arange(40) // 4, rows=np.arange(40), folds=[None] * 5)
    found = [(np.arange(2) + 2 * fold, np.zeros((1, 2))) for fold in range(5)]
    kept = [(who, part, np.full(5, value), [(g, f[0]) for g, f in found])
            for who, value in (("a", 0.1), ("b", 0.3))]  # fmt: skip
    made = _with_draws(xr.Dataset(), [part], kept, preset("defended"), learnt=True)
    assert np.ptp(made["draws_r"].values) == pytest.approx(0.2 * of_few(2), rel=1e-6)
