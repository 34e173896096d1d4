"""From folds and targets to one number."""

import numpy as np

from analysis.protocol import Protocol, preset
from analysis.scoring.summary import choose_layers, per_target, summarise, targets_of
from analysis.scoring.verb import bisection

PARTS = np.array(["a", "a", "b"])
VALUES = np.array([[0.2, 0.4, np.nan], [0.4, 0.8, np.nan], [0.1, np.nan, 0.5]])
PEOPLE = np.array(["s1", "s1", "s2"])


def test_a_target_is_averaged_over_folds_then_over_the_parts_it_was_measured_in():
    np.testing.assert_allclose(per_target(VALUES, PARTS), [(0.3 + 0.1) / 2, 0.6, 0.5])


def test_targets_are_summarised_within_people_first():
    protocol = preset("defended")
    assert np.isclose(summarise(VALUES, PARTS, PEOPLE, protocol), ((0.2 + 0.6) / 2 + 0.5) / 2)
    assert np.isclose(summarise(VALUES, PARTS, None, protocol), (0.2 + 0.6 + 0.5) / 3)


def test_the_paper_takes_medians_and_brainscore_summarises_folds_first():
    rng = np.random.default_rng(0)
    values, people, parts = (
        rng.normal(size=(6, 9)),
        np.repeat(["a", "b", "c"], 3),
        np.repeat(["x", "y"], 3),
    )
    target = (values[:3].mean(0) + values[3:].mean(0)) / 2
    expected = np.median([np.median(target[people == s]) for s in "abc"])
    assert np.isclose(summarise(values, parts, people, preset("schrimpf2021")), expected)
    assert np.isclose(
        summarise(values, parts, people, preset("brainscore2026")), np.median(values, axis=1).mean()
    )


def test_nothing_measured_is_not_zero():
    assert np.isnan(summarise(np.full((3, 3), np.nan), PARTS, PEOPLE, preset("defended")))


def test_the_layer_of_a_fold_is_chosen_by_people_not_by_voxels():
    inner = np.zeros((2, 1, 11))
    inner[0, 0, :10], inner[1, 0, 10] = (
        0.1,
        0.9,
    )  # ten voxels of one person against one voxel of another
    people = np.array(["a"] * 10 + ["b"])
    assert choose_layers(inner, people).tolist() == [1]
    assert choose_layers(inner, None).tolist() == [0]


def test_bisection_visits_every_layer_once_and_the_ends_first():
    for n in range(1, 50):
        order = bisection(range(n))
        assert sorted(order) == list(range(n))
        assert set(order[:2]) == {0, n - 1}
    assert bisection(range(9))[:5] == [0, 8, 4, 2, 6]


def test_people_are_found_once_and_give_the_same_bits():
    """Whose the targets are may be told as names or as :func:`targets_of` them, in whatever order the people come."""
    rng = np.random.default_rng(3)
    people = np.array(["b", "a", "c"])[rng.integers(3, size=60)]
    values = rng.standard_normal((4, 60)).astype(np.float32)
    values[:, people == "c"] = np.nan  # nobody measured
    parts, protocol = np.array(["x", "x", "y", "y"]), Protocol()
    told = summarise(values, parts, targets_of(people), protocol)
    assert told == summarise(values, parts, people, protocol)
    each = per_target(values, parts)
    by_hand = [each[people == one].mean() for one in dict.fromkeys(people) if one != "c"]
    assert told == float(np.mean(by_hand))
    assert [set(people[at]) for at in targets_of(people)] == [
        {one} for one in dict.fromkeys(people)
    ]
    assert targets_of(None) is None


def test_the_layer_of_a_fold_is_a_mean_over_people_not_over_targets():
    people = np.array(["a"] * 9 + ["b"])
    inner = np.zeros((2, 1, 10))
    inner[0, 0, :9], inner[1, 0, 9] = 0.1, 0.3  # nine targets of one person, one of the other
    assert choose_layers(inner, people).tolist() == [1]
    assert choose_layers(inner, None).tolist() == [0]
