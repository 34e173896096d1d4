"""Folds: the three presets against slow implementations written from their definitions, and what no split may ever do."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.mapping.splits import GAP, make_folds, within
from analysis.protocol import preset
from data.errors import BrainLensError
from data.recording import Recording

DEFENDED, PAPER, TODAY = (preset(name) for name in ("defended", "schrimpf2021", "brainscore2026"))


def recording(columns: dict, *, id="toy", **fields) -> Recording:
    n = len(next(iter(columns.values())))
    ids = [f"s{i}" for i in range(n)]
    responses = xr.DataArray(
        np.random.default_rng(0).standard_normal((n, 3)),
        dims=("stimulus", "target"),
        coords={"stimulus": ids, "target": ["a", "b", "c"]},
    )
    return Recording(
        id=id,
        responses=responses,
        stimuli=pd.DataFrame({"text": ["word"] * n, **columns}, index=ids),
        **fields,
    )


def pereira(sizes=(24, 24), sentences=(10, 16)) -> Recording:
    """Two experiments, each with its own topics, each topic with a few passages."""
    experiment, story = [], []
    for name, topics, length in zip(
        ("243sentences", "384sentences"), sizes, sentences, strict=True
    ):
        for topic in range(topics):
            experiment += [name] * length
            story += [f"{name}.topic{topic:02d}"] * length
    return recording(
        {"experiment": experiment, "story": story}, id="pereira", within="experiment", group="story"
    )


def blank() -> Recording:
    lengths = [165, 171, 160, 168, 150, 180, 163, 160]
    return recording(
        {"story": np.repeat([f"story{i}" for i in range(8)], lengths)},
        id="blank",
        group="story",
        roles={"paper_stratify": "story"},
        scored_unit="tr",
    )


def fedorenko() -> Recording:
    return recording(
        {"sentence": np.repeat(np.arange(52), 8)},
        id="fedorenko",
        group="sentence",
        roles={"paper_stratify": "sentence"},
        scored_unit="word",
        kind="ecog",
    )


# ---- slow implementations ---------------------------------------------------------------------------------------------
def slow_kfold(n, k, seed):
    order = np.random.RandomState(seed).permutation(n)
    sizes = [n // k + (fold < n % k) for fold in range(k)]
    return [sorted(order[sum(sizes[:fold]) : sum(sizes[: fold + 1])]) for fold in range(k)]


def slow_group_kfold(labels, k, seed):
    groups = list(np.random.RandomState(seed).permutation(sorted(set(labels))))
    sizes = [len(groups) // k + (fold < len(groups) % k) for fold in range(k)]
    chosen = [set(groups[sum(sizes[:fold]) : sum(sizes[: fold + 1])]) for fold in range(k)]
    return [[row for row, label in enumerate(labels) if label in chosen[fold]] for fold in range(k)]


def slow_stratified(labels, k, seed):
    """Deal the sorted labels to the folds one by one to fix how many of each class a fold gets; shuffle inside a class."""
    rng = np.random.RandomState(seed)
    classes = list(dict.fromkeys(labels))
    dealt = sorted(classes.index(label) for label in labels)
    wanted = [[dealt[fold::k].count(c) for c in range(len(classes))] for fold in range(k)]
    tests = [[] for _ in range(k)]
    for c, label in enumerate(classes):
        fold_of = np.array([fold for fold in range(k) for _ in range(wanted[fold][c])])
        rng.shuffle(fold_of)
        for row, fold in zip(
            [r for r, one in enumerate(labels) if one == label], fold_of, strict=True
        ):
            tests[fold].append(row)
    return [sorted(test) for test in tests]


def assert_tests(part, expected):
    assert len(part.folds) == len(expected)
    for (train, test), rows in zip(part.folds, expected, strict=True):
        rows = part.rows[np.asarray(rows)]
        assert np.array_equal(test, rows)
        assert np.array_equal(train, np.setdiff1d(part.rows, rows))


# ---- presets ----------------------------------------------------------------------------------------------------------
def test_schrimpf2021_pereira_is_shuffled_kfold_in_each_experiment():
    parts = make_folds(pereira(), PAPER)
    assert [part.name for part in parts] == ["243sentences", "384sentences"]
    for part in parts:
        assert_tests(part, slow_kfold(len(part.rows), 5, 1))


@pytest.mark.parametrize("make, column", [(blank, "story"), (fedorenko, "sentence")])
def test_schrimpf2021_stratifies_stories_and_sentences(make, column):
    record = make()
    (part,) = make_folds(record, PAPER)
    assert_tests(part, slow_stratified(list(record.column(column)), 5, 1))


def test_schrimpf2021_reading_times_per_subject_are_the_folds_of_that_subjects_rows():
    record = recording(
        {"sentence": np.repeat(np.arange(30), 21)},
        kind="reading_times",
        roles={"paper_stratify": "sentence"},
    )
    seen = np.arange(record.n_stimuli) % 210 < 150
    (part,) = make_folds(record.select(stimuli=seen), PAPER)
    assert_tests(part, slow_stratified(list(record.column("sentence")[seen]), 5, 1))


@pytest.mark.parametrize(
    "make, column, folds",
    [(pereira, "story", 10), (blank, "story", 8), (fedorenko, "sentence", 10)],
)
def test_brainscore2026_holds_out_whole_groups_as_scikit_learn_draws_them(make, column, folds):
    record = make()
    for part in make_folds(record, TODAY):
        assert_tests(part, slow_group_kfold(list(record.column(column)[part.rows]), folds, 1234))


def test_brainscore2026_legacy_is_shuffle_split():
    record = recording({"story": np.repeat(["a", "b"], 60)}, group="story")
    (part,) = make_folds(record, TODAY.but(split="shuffle-split", seed=1))
    rng = np.random.RandomState(1)
    for _, test in part.folds:
        assert np.array_equal(test, np.sort(rng.permutation(120)[:12]))


def test_defended_assigns_largest_group_first_to_the_emptiest_fold():
    sizes = [3, 9, 4, 4, 5, 7, 3, 3, 6, 8, 2, 5, 4]
    record = recording(
        {"topic": np.repeat([f"t{i}" for i in range(len(sizes))], sizes)}, group="topic"
    )
    (part,) = make_folds(record, DEFENDED.but(folds=4))
    order = sorted(
        np.random.default_rng(0).permutation(len(sizes)), key=lambda group: -sizes[group]
    )
    folds = [[] for _ in range(4)]
    for group in order:
        min(folds, key=lambda fold: sum(sizes[g] for g in fold)).append(group)
    starts = np.cumsum([0, *sizes])
    assert_tests(
        part,
        [sorted(row for g in fold for row in range(starts[g], starts[g + 1])) for fold in folds],
    )
    held = [len(test) for _, test in part.folds]
    assert max(held) - min(held) <= 2


def test_defended_on_the_three_recordings():
    assert [len(part.folds) for part in make_folds(pereira(), DEFENDED)] == [10, 10]
    assert len(make_folds(blank(), DEFENDED)[0].folds) == 8
    assert len(make_folds(fedorenko(), DEFENDED)[0].folds) == 10


# ---- what no split may do -----------------------------------------------------------------------------------------------
@settings(max_examples=150, derandomize=True, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 9), min_size=3, max_size=14),
    seed=st.integers(0, 5),
    k=st.integers(2, 12),
    split=st.sampled_from(
        ["grouped", "leave-one-group-out", "contiguous", "shuffled", "shuffle-split"]
    ),
    group=st.sampled_from(["recording", "paper"]),
)
def test_every_split(sizes, seed, k, split, group):
    sizes = [*sizes, 4, 4]
    order = (
        np.random.default_rng(seed).permutation(sum(sizes))
        if split != "contiguous"
        else np.arange(sum(sizes))
    )
    record = recording({"topic": np.repeat(np.arange(len(sizes)), sizes)[order]}, group="topic")
    protocol = DEFENDED.but(split=split, seed=seed, folds=k, group=group)
    (part,) = make_folds(record, protocol)
    topic = record.column("topic")
    again = make_folds(record, protocol)[0]
    tested = np.concatenate([test for _, test in part.folds])
    if split != "shuffle-split":
        assert np.array_equal(np.sort(tested), part.rows)
    for (train, test), inner, (train2, _) in zip(part.folds, part.inner, again.folds, strict=True):
        assert not np.intersect1d(train, test).size and len(train) and len(test)
        assert np.array_equal(train, train2)
        if split in {"grouped", "leave-one-group-out"}:
            assert not set(topic[train]) & set(topic[test])
        assert len(inner) >= 2
        assert np.array_equal(np.sort(np.concatenate([held for _, held in inner])), train)
        for fit, held in inner:
            assert not np.intersect1d(fit, held).size and len(fit)
            assert np.isin(fit, train).all()
            if split in {"grouped", "leave-one-group-out"}:
                assert not set(topic[fit]) & set(topic[held])


def test_contiguous_leaves_a_gap_and_counts_it():
    record = recording({"onset": np.arange(100.0)})
    (part,) = make_folds(record, DEFENDED)  # no group is known: contiguous, never shuffled
    assert "contiguous" in part.rule and len(part.folds) == 10
    for train, test in part.folds:
        assert np.array_equal(test, np.arange(test[0], test[0] + 10))
        assert np.abs(train[:, None] - test).min() == GAP + 1
    assert part.dropped == 8 * 2 * GAP + 2 * GAP and str(part.dropped) in part.rule
    assert len(np.unique(part.groups)) == 10


def test_contiguous_folds_of_uneven_groups_always_train_on_something():
    for sizes in ([1, 1, 2, 4, 4], [1, 1, 1, 4, 4], [20, 6], [3, 30, 3]):
        record = recording({"passage": np.repeat(np.arange(len(sizes)), sizes)}, group="passage")
        for k in (2, 5):
            (part,) = make_folds(record, DEFENDED.but(split="contiguous", folds=k))
            for (train, test), inner in zip(part.folds, part.inner, strict=True):
                assert len(train) and len(test) and len(inner) >= 2
                assert all(len(fit) and len(held) for fit, held in inner)


def test_contiguous_cuts_where_groups_end():
    record = recording(
        {"passage": np.repeat(np.arange(9), [11, 12, 9, 10, 8, 13, 10, 9, 12])}, group="passage"
    )
    (part,) = make_folds(record, DEFENDED.but(split="contiguous", folds=3))
    passage = record.column("passage")
    assert len(part.folds) == 3
    assert all(not set(passage[train]) & set(passage[test]) for train, test in part.folds)
    assert [len(set(passage[test])) for _, test in part.folds] == [3, 3, 3]


def test_shuffled_twin_has_as_many_folds_and_the_same_groups():
    for part, twin in zip(
        make_folds(pereira(), DEFENDED), make_folds(pereira(), DEFENDED, shuffled=True), strict=True
    ):
        assert len(twin.folds) == len(part.folds) and np.array_equal(part.groups, twin.groups)
        assert_tests(twin, slow_kfold(len(part.rows), len(part.folds), 0))
        assert "shuffled twin" in twin.rule


def test_two_groups_still_have_inner_folds_and_the_rule_says_how():
    record = recording({"story": np.repeat(["a", "b"], 40)}, group="story")
    (part,) = make_folds(record, DEFENDED)
    assert len(part.folds) == 2 and all(len(inner) == 5 for inner in part.inner)
    assert "inner folds contiguous in 2 of 2" in part.rule


def test_stratified_over_a_chosen_column():
    record = recording({"condition": np.tile(["x", "y", "z"], 20)})
    (part,) = make_folds(record, DEFENDED.but(split="stratified", group="condition", folds=5))
    assert_tests(part, slow_stratified(list(record.column("condition")), 5, 0))


def test_joined_columns_make_one_grouping():
    record = recording(
        {"experiment": np.repeat(["e", "f"], 24), "passage": np.tile(np.repeat(np.arange(6), 4), 2)}
    )
    (part,) = make_folds(record, DEFENDED.but(group="experiment+passage"))
    assert len(np.unique(part.groups)) == 12 and len(part.folds) == 10


# ---- errors -------------------------------------------------------------------------------------------------------------
def test_one_group_is_an_error_that_names_recording_columns_and_next_step():
    record = recording(
        {"story": ["only"] * 40, "half": ["a"] * 20 + ["b"] * 20}, id="diary", group="story"
    )
    with pytest.raises(
        BrainLensError, match=r"diary: .*needs two or more.*only 'only'.*half.*Set group to"
    ):
        make_folds(record, DEFENDED)
    with pytest.raises(BrainLensError, match="gives none"):
        make_folds(record, DEFENDED.but(split="leave-one-group-out", group="none"))


def test_one_group_in_one_experiment_names_the_experiment():
    record = recording(
        {"experiment": ["e"] * 20 + ["f"] * 20, "topic": ["a"] * 10 + ["b"] * 10 + ["c"] * 20},
        within="experiment",
        group="topic",
    )
    with pytest.raises(BrainLensError, match="toy, f: "):
        make_folds(record, DEFENDED)


def test_missing_label_unknown_column_too_few_rows():
    record = recording({"story": [None, *["a"] * 20, *["b"] * 20]}, group="story")
    with pytest.raises(BrainLensError, match=r"1 stimuli have no 'story', first: .* \(row 1\)"):
        make_folds(record, DEFENDED)
    with pytest.raises(
        BrainLensError, match="Unknown grouping of toy 'storry'; did you mean 'story'"
    ):
        make_folds(record, DEFENDED.but(group="storry"))
    with pytest.raises(BrainLensError, match="3 stimuli are too few"):
        make_folds(recording({"story": list("abc")}, group="story"), DEFENDED)
    with pytest.raises(BrainLensError, match="fewer than two stimuli to train on"):
        make_folds(recording({"story": list("aaaab")}, group="story"), DEFENDED)
    with pytest.raises(BrainLensError, match="largest group has 3 stimuli"):
        make_folds(
            recording({"c": np.repeat(np.arange(8), 3)}),
            DEFENDED.but(split="stratified", group="c"),
        )
    (part,) = make_folds(
        recording({"c": ["a"] * 30 + ["b"] * 2}), DEFENDED.but(split="stratified", group="c")
    )
    assert "1 groups have fewer than 10 stimuli" in part.rule


# ---- what is left out to choose alpha ------------------------------------------------------------------------------------
@pytest.fixture
def simulated() -> Recording:
    return recording({"passage": np.repeat(np.arange(12), [5, 3, 4] * 4)}, group="passage")


def test_leave_one_group_out_leaves_out_every_group_of_the_training_rows_once(simulated):
    protocol = preset("defended").but(criterion="logo")
    for part in make_folds(simulated, protocol):
        criterion, inner = within(part, protocol)
        assert criterion == "logo"
        for (train, _), folds in zip(part.folds, inner, strict=True):
            assert {frozenset(part.groups[held]) for _, held in folds} == {
                frozenset([group]) for group in part.groups[train]
            }
            for fitted, held in folds:
                np.testing.assert_array_equal(np.union1d(fitted, held), train)


def test_more_groups_than_can_be_left_out_one_by_one_go_in_bundles(simulated, monkeypatch):
    protocol = preset("defended").but(criterion="logo")
    monkeypatch.setattr("analysis.mapping.splits.MOST_GROUPS", 3)
    part = make_folds(simulated, protocol)[0]
    for folds in within(part, protocol)[1]:
        assert len(folds) == 3
        for fitted, held in folds:
            assert not set(part.groups[fitted]) & set(part.groups[held])


def test_single_stimuli_are_left_out_one_by_one_and_blocks_with_what_is_beside_them(simulated):
    protocol = preset("defended").but(criterion="logo")
    twin = make_folds(simulated, protocol, shuffled=True)[0]
    assert within(twin, protocol) == ("loo", None)
    blocks = protocol.but(split="contiguous")
    part = make_folds(simulated, blocks)[0]
    assert within(part, blocks) == ("logo", part.inner)
    assert within(part, protocol.but(criterion="kfold")) == ("kfold", part.inner)
    assert within(part, protocol.but(method="ols")) == ("logo", None)
