"""OASM of samples of a run, and of more rows than it has columns for: what the leak meter shows beside every score."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from analysis import preset, score
from analysis.answers.trust.leaks import leak_meter
from analysis.answers.trust.panels import Asked, panel
from analysis.features.controls import SIGMAS, context_blocks, oasm, reach
from analysis.mapping.splits import gap_of
from analysis.scoring import beside, lags
from analysis.scoring.beside import for_oasm, oasm_of, oasm_widths, stored_oasm
from analysis.scoring.folds import runs
from analysis.store.store import Store
from data.catalog.catalog import recording as open_recording
from tests.analysis.trust_cases import FAST, activations, recording, smooth

STORY = preset("story").but(
    seeds=1, folds=3, inner_folds=2, bootstrap=50, criterion="gcv", alphas=(1.0, 100.0, 10_000.0),
    controls=(), unique=False, ceiling="none", nuisance=(), shuffled_twin=False,
)  # fmt: skip


@pytest.fixture(scope="module", params=["runs", "one run"])
def noise(request):
    """The story that ships, or a run of it, with a signal that changes slowly and has no language in it."""
    story = open_recording("simulated-story")
    targets = np.flatnonzero(story.subjects == story.subjects[0])[:2]
    kept = ["run2", "run4", "run5"] if request.param == "runs" else ["run1"]
    story = story.select(targets=targets, stimuli=story.stimuli["run"].isin(kept).to_numpy())
    responses = story.responses.copy(data=slow(story, len(targets), 3))
    return replace(story, id="noise", responses=responses)


def slow(story, columns: int, seed: int) -> np.ndarray:
    rng, lengths = np.random.default_rng(seed), story.stimuli["run"].value_counts(sort=False)
    return np.concatenate([smooth(rng, 1, int(n), columns, 0.9) for n in lengths])


def test_oasm_of_samples_is_high_when_shuffled_and_nothing_beyond_the_gap(noise, tmp_path):
    store = Store(tmp_path)
    found = oasm_of(noise, STORY, store=store)
    assert found.shuffled > 0.4 and abs(found.grouped) < 1e-9
    assert stored_oasm(noise.content_hash, STORY, store).shuffled == found.shuffled
    assert found.rows == found.of == noise.n_stimuli and found.part == ""


def test_no_bell_reaches_from_a_held_out_block_over_the_gap_or_into_another_run(noise):
    parts = runs(noise, STORY)[0].parts
    widths, blocks = oasm_widths(noise, STORY, parts), noise.stimuli["run"].to_numpy()
    if len(set(blocks)) > 1:  # whole runs are held out
        assert widths == SIGMAS
    else:
        assert widths == (0.5, 1.0) and 2 * reach(1.0) <= 12 < 2 * reach(2.0)
    assert list(context_blocks(noise)) == list(np.unique(blocks, return_inverse=True)[1])
    for width in widths:
        matrix = oasm(noise, width)
        assert not matrix[blocks[:, None] != blocks].any()
        for train, test in parts[0].folds:
            assert not (matrix[train].any(axis=0) & matrix[test].any(axis=0)).any()
    assert oasm_widths(recording(np.zeros((48, 1))), FAST, []) == SIGMAS


def test_beside_a_course_over_lags_no_bell_reaches_over_the_gap(noise, tmp_path, monkeypatch):
    """The gap there is that of the longest lag; what knows the time and nothing else predicts nothing held out."""
    for name, less in {"NULLS": 20, "BEFORE": 4.0, "AFTER": 4.0}.items():
        monkeypatch.setattr(lags, name, less)
    course = lags.lag_course("random-8", noise, STORY, store=Store(tmp_path))
    one_run = noise.stimuli["run"].nunique() == 1
    assert course["curve"].values[-1] == ("oasm:1" if one_run else "oasm:2")
    assert np.abs(course["r"].values[-1]).max() < 1e-9


def test_of_epochs_held_out_inside_a_text_no_bell_reaches_over_the_gap(tmp_path):
    ecog = open_recording("simulated-ecog")
    one = ecog.select(targets=np.arange(2), stimuli=np.arange(200))
    one = replace(one, id="epochs", context=None, group=None, within=None)
    asked = preset("epochs").but(
        seeds=1, folds=3, inner_folds=2, bootstrap=50, criterion="gcv", controls=(), unique=False, ceiling="none",
        split="contiguous",
    )  # fmt: skip
    parts = runs(one, asked)[0].parts
    widths, gap = oasm_widths(one, asked, parts), gap_of(one, asked)
    assert widths == tuple(sigma for sigma in SIGMAS if 2 * int(reach(sigma)) <= gap) != SIGMAS
    assert abs(oasm_of(one, asked, store=Store(tmp_path)).grouped) < 1e-9


def test_the_leak_meter_of_a_story_has_oasm(noise, tmp_path):
    """A model that knows the time and nothing else leaks, and the verdict says so with OASM's number."""
    store, asked = Store(tmp_path), STORY.but(shuffled_twin=True, hrf="none", delays=(0,))
    found = score(activations([slow(noise, 40, 4)]), noise, asked, store=store)
    answer = leak_meter([found], oasm_of(noise, asked, store=store))
    assert answer.facts["verdicts"]["planted"] in ("leak", "partly a leak"), answer.sentence
    assert "OASM, which reads no text" in answer.sentence
    assert {"OASM, no text"} <= set(answer.frame["what"])


def test_the_panel_of_a_story_computes_oasm_and_the_store_knows_it_afterwards(clean_home):
    asked = STORY.but(shuffled_twin=True)
    answer = panel("leaks", Asked(("random-8",), "simulated-story", asked, copies=0))
    story = open_recording("simulated-story")
    assert answer.facts["oasm"].shuffled == stored_oasm(story.content_hash, asked).shuffled
    assert "it was not computed here" not in answer.caption


def test_of_many_rows_oasm_is_computed_on_whole_groups_and_finds_the_same(monkeypatch, tmp_path):
    """Autocorrelation inside 60 groups; a third of them tells what all of them do."""
    rng = np.random.default_rng(0)
    measured = recording(smooth(rng, 60, 8, 3, 0.85), groups=60)
    whole = oasm_of(measured, FAST, store=Store(tmp_path / "whole"))
    monkeypatch.setattr(beside, "OASM_STIMULI", 400)
    monkeypatch.setattr(beside, "OASM_ROWS", 160)
    part = for_oasm(measured, FAST)
    assert part.n_stimuli == 160 and (part.stimuli.groupby("passage").size() == 8).all()
    assert np.diff(np.unique(part.stimuli["passage"])).max() <= 4  # evenly over the recording
    found = oasm_of(measured, FAST, store=Store(tmp_path / "part"))
    assert found.part == "on 160 of 480 rows"
    assert found.shuffled == pytest.approx(whole.shuffled, abs=0.08) and abs(found.grouped) < 1e-9
    score_ = score(
        activations([rng.standard_normal((480, 4))]), measured, FAST, store=Store(tmp_path / "m")
    )
    assert "on 160 of 480 rows, in whole groups" in leak_meter([score_], found).caption


def test_of_few_long_groups_an_unbroken_stretch_of_each_is_taken(monkeypatch, tmp_path):
    rng = np.random.default_rng(0)
    measured = recording(smooth(rng, 6, 80, 3, 0.85), groups=6)
    whole = oasm_of(measured, FAST, store=Store(tmp_path / "whole"))
    monkeypatch.setattr(beside, "OASM_STIMULI", 400)
    monkeypatch.setattr(beside, "OASM_ROWS", 240)
    part = for_oasm(measured, FAST)
    rows = part.stimuli.index.to_numpy().reshape(6, 40)
    assert (np.diff(rows, axis=1) == 1).all() and list(rows[:, 0]) == [0, 80, 160, 240, 320, 400]
    found = oasm_of(measured, FAST, store=Store(tmp_path / "part"))
    assert found.shuffled == pytest.approx(whole.shuffled, abs=0.08) and abs(found.grouped) < 1e-9
