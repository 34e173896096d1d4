"""Progressive scoring: the order, the labels, the last word, and stopping."""

import numpy as np
import pytest

from analysis.mapping.fit import cross_validate
from analysis.mapping.progressive import bisection, progressive
from analysis.progress import Cancelled, Report

RNG = np.random.default_rng(0)
LAYERS = [RNG.standard_normal((40, 60)) for _ in range(5)]
Y = RNG.standard_normal((40, 300))
FOLDS = [(np.setdiff1d(np.arange(40), test), test) for test in np.split(np.arange(40), 4)]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 13, 49])
def test_bisection_visits_every_layer_once_ends_and_middle_first(count):
    order = bisection(count)
    assert sorted(order) == list(range(count))
    if count > 2:
        assert order[:3] == [0, count - 1, (count - 1) // 2]


def test_previews_come_first_and_the_final_scores_are_those_of_cross_validate():
    steps = []
    report = Report(lambda done, total, what, left: steps.append((done, total)))
    parts = list(progressive(LAYERS, Y, FOLDS, preview_targets=100, criterion="loo", report=report))
    assert [p.layer for p in parts] == 2 * bisection(5)
    assert [p.final for p in parts] == [False] * 5 + [True] * 5
    assert (
        parts[0].label == "preview: GCV, 100 of 300 targets"
        and parts[-1].label == "final: loo, all 300 targets"
    )
    whole = cross_validate(LAYERS, Y, FOLDS, criterion="loo")
    preview = cross_validate(LAYERS, Y, FOLDS, criterion="gcv")
    for part in parts:
        expected = (whole if part.final else preview).r[part.layer][:, part.targets]
        np.testing.assert_allclose(part.fit.r[0], expected, atol=1e-6)
        assert part.fit.criterion == ("loo" if part.final else "gcv")
    assert steps == [(i, 10) for i in range(1, 11)]


def test_no_preview_where_it_would_be_the_answer():
    assert [p.final for p in progressive(LAYERS[:2], Y, FOLDS, criterion="gcv")] == [True, True]
    assert [p.final for p in progressive(LAYERS[:2], Y, FOLDS, method="ols")] == [True, True]


def test_a_cancelled_report_ends_it():
    report = Report()
    parts = progressive(LAYERS, Y, FOLDS, report=report)
    next(parts)
    report.cancel()
    with pytest.raises(Cancelled):
        next(parts)
