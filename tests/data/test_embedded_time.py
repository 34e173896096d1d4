"""The embedded recordings over time: what was planted is what their words and truths say."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.stats import binom

from analysis.protocol import preset
from data.catalog.catalog import recording
from data.embedded.time import LAGS, REGIONS, spoken_words
from data.errors import BrainLensError


@pytest.fixture(scope="module")
def story():
    return recording("simulated-story")


@pytest.fixture(scope="module")
def ecog():
    return recording("simulated-ecog")


def test_the_story_is_sampled_and_says_what_is_planted(story):
    assert story.sampled and story.simulated and story.presentation.interval == 2.0
    assert story.n_targets == 6 * len(REGIONS) and len(story.presentation.words) == 2218
    assert set(story.truth["layers"]) == {"LPTL", "LATL", "RATL", "LIFG"}
    assert {"sound-power", *(f"motion-{i}" for i in range(1, 7))} == set(
        story.presentation.nuisance
    )
    assert story.truth["late"]["LIFG"] == 2.0 and story.truth["noise_regions"] == ["LFoot"]


def test_people_share_what_is_planted_and_nothing_where_nothing_is(story):
    """r of two people's signals, drifts out: the square of the planted ceiling, roughly, and none in the region of noise."""
    from analysis.features.time import detrended

    rows = np.arange(story.n_stimuli)
    values = detrended(story.responses.values, rows, story.stimuli["run"], 2.0, 128.0, scale=True)
    regions = story.responses["region"].values
    for region in REGIONS:
        own = np.corrcoef(values[:, regions == region].T)
        shared = own[np.triu_indices(6, 1)].mean()
        if region in story.truth["ceilings"]:
            assert 0.15 < shared < story.truth["ceilings"][region] ** 2 + 0.1, region
        else:
            assert abs(shared) < 0.08, region


def test_the_doctor_finds_the_words_where_they_are(story):
    from analysis.answers.word_times import word_times

    assert word_times(story).facts["verdict"] == "right"
    late = replace(story, presentation=story.presentation.shifted(14.0))
    assert word_times(late).facts["add"] == pytest.approx(-14.0, abs=2.0)


@pytest.mark.parametrize("stories", [24, pytest.param(400, marks=pytest.mark.deep)])
def test_noise_seldom_follows_words_and_surprisal_that_says_nothing_seldom_the_signal(
    story, stories
):
    """Shares of p at .05 and .01 lie in the 99 % band; turns that spared the signal's own place gave .0275 at .01."""
    from analysis.answers.word_times import word_times

    words, found = len(story.presentation.words), []
    for seed in range(stories):
        rng = np.random.default_rng(500_000 + seed)
        noise = lfilter([1.0], [1.0, -0.3], rng.standard_normal(story.responses.shape), axis=0)
        told = replace(story, responses=story.responses.copy(data=noise.astype(np.float32)))
        answer = word_times(told, seed=seed, surprisal=rng.gamma(2, 3, words))
        found.append((answer.facts["p"], answer.facts["p_surprisal"]))
    for level in (0.05, 0.01):
        most = binom.ppf(0.995, stories, level)
        assert ((np.array(found) <= level).sum(axis=0) <= most).all(), (level, found)


def test_the_doctor_follows_surprisal_beside_word_rate(story):
    """Planted in the signal beside the words: it peaks where they stand; its mean, which only counts words, is taken off."""
    from analysis.answers.word_times import word_times
    from analysis.features.time import resample
    from data.readers.simulated import hrf

    rng, words = np.random.default_rng(3), story.presentation.words
    bits = rng.exponential(5.0, len(words))
    runs, times = story.stimuli["run"].to_numpy(), story.stimuli["time"].to_numpy(float)
    heard = resample((bits - bits.mean())[:, None], story.presentation, runs, times, "sum")[:, 0]
    heard = np.concatenate(
        [np.convolve(heard[runs == r], hrf(2.0))[: (runs == r).sum()] for r in dict.fromkeys(runs)]
    )
    told = replace(story, responses=story.responses + 2 * heard[:, None] / heard.std())
    plain, both = word_times(told), word_times(told, surprisal=bits)
    assert both.frame["r"].equals(plain.frame["r"])
    assert both.facts == plain.facts | {"p_surprisal": 1 / 201}
    own = both.frame.set_index("offset")["surprisal"]
    assert (
        abs(own.idxmax()) <= 2
        and own.max() > 0.5
        and "Surprisal follows it best at" in both.sentence
        and both.sentence.endswith("p = .005).")
    )
    flat = word_times(told, surprisal=np.full(len(words), 7.0)).frame["surprisal"]
    assert np.abs(flat).max() < 1e-9
    with pytest.raises(BrainLensError, match="none of its 2,218 words has a surprisal"):
        word_times(told, surprisal=np.full(len(words), np.nan))
    with pytest.raises(BrainLensError, match="3 surprisals for 2218 words"):
        word_times(told, surprisal=[1.0, 2.0, 3.0])


def test_the_doctor_reads_a_model_that_is_named(story):
    from analysis.answers.word_times import bits_heard, word_times

    some = replace(story, id="told")
    bits = bits_heard("zoo-causal-200k", some)
    assert bits.shape == (2218,) and np.isfinite(bits).all()
    assert np.array_equal(bits_heard("zoo-causal-200k", some, known=True), bits)
    assert bits_heard("zoo-causal-200k", some, preset("story").but(window=64), known=True) is None
    named, given = word_times(some, surprisal="zoo-causal-200k"), word_times(some, surprisal=bits)
    assert named.frame.equals(given.frame) and "surprisal" in named.frame
    assert "Surprisal of zoo-causal-200k follows it best at" in named.sentence
    p = float(re.search(r"best at .* p = (.\d+)\)", named.sentence)[1])
    assert p > 0.05  # nothing of this model's surprisal was planted
    assert "words have none" not in named.caption
    bits = np.where(np.arange(2218) == 7, np.nan, bits)
    assert "1 of 2,218 words have none" in word_times(some, surprisal=bits).caption
    with pytest.raises(BrainLensError, match="zoo-glove-64d gives no surprisal: embedding models"):
        word_times(some, surprisal="zoo-glove-64d")


def test_electrodes_answer_at_their_lag(ecog):
    """Variance that the patients share is largest at the planted lag, and there is none in the electrode of noise."""
    assert ecog.n_stimuli == 750 and ecog.n_targets == 3 * 3 * len(LAGS)
    lag, region = ecog.responses["lag"].values, ecog.responses["region"].values
    for name in ("STG", "IFG", "none"):
        shared = []
        for one in LAGS:
            mine = ecog.responses.values[:, (region == name) & (lag == one)]
            shared.append(np.corrcoef(mine.T)[np.triu_indices(3, 1)].mean())
        assert max(map(abs, shared)) < 0.1 if name == "none" else min(shared) > 0.2


def test_words_have_times_that_follow_from_the_text():
    words = spoken_words(5)
    assert words["onset"].iloc[0] == 4.0 and (words["offset"] > words["onset"]).all()
    assert words["run"].nunique() == 5 and len(words) == 25


@pytest.mark.slow
def test_the_planting_can_be_done_again():
    """The files are what the tool makes of the model that ships, to the step they were rounded to."""
    from tools.plant_time import ecog as planted

    values, truth = planted()
    kept = recording("simulated-ecog")
    step = np.abs(values).max() / 127
    np.testing.assert_allclose(kept.responses.values, values, atol=step)
    assert kept.truth["lags"] == truth["lags"]


def test_a_recording_of_stimuli_has_no_words_with_times(story):
    assert story.timed is story.presentation
    with pytest.raises(BrainLensError, match="no words with times") as refused:
        _ = recording("simulated").timed
    assert "simulated-story" in refused.value.remedy
