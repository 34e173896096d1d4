"""Control features: what they hold, and OASM as the leak meter it is meant to be."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from analysis.features.controls import CONTROLS, SIGMAS, features, oasm, random_embedding, words
from analysis.mapping import cross_validate
from analysis.mapping.splits import make_folds
from analysis.protocol import preset
from data.errors import BrainLensError
from data.recording import Recording


def recording(texts, columns=None, responses=None, **fields) -> Recording:
    ids = list(range(len(texts)))
    values = np.zeros((len(texts), 1)) if responses is None else responses
    array = xr.DataArray(
        values,
        dims=("stimulus", "target"),
        coords={"stimulus": ids, "target": np.arange(values.shape[1])},
    )
    return Recording(
        id="toy",
        responses=array,
        stimuli=pd.DataFrame({"text": texts, **(columns or {})}, index=ids),
        **fields,
    )


SENTENCES = ["The old dog slept.", "It didn't wake up", "Rain fell; the dog slept on", "Dogs sleep"]


def test_words_keep_their_inner_marks_and_lose_the_outer_ones():
    assert words('It didn’t -- wake-up, "Now"!') == ["it", "didn’t", "wake-up", "now"]
    assert words(" -- ") == ["--"]


def test_plain_controls_are_what_they_say():
    record = recording(SENTENCES, {"passage": ["a", "a", "b", "b"]}, context="passage")
    made = features(record, ["position", "length", "word-rate", "log-frequency"])
    assert made["position"].tolist() == [[0, 0, 1], [1, 1, 0], [0, 0, 1], [1, 1, 0]]
    assert made["length"].tolist() == [[4, 18], [4, 17], [6, 27], [2, 10]]
    assert made["word-rate"].ravel().tolist() == [4, 4, 6, 2]
    zipf = made["log-frequency"]
    assert (
        zipf.shape == (4, 3) and (zipf[:, 0] >= zipf[:, 1]).all() and zipf[0, 1] == zipf[0, 2]
    )  # slept: rarest and last
    assert zipf.max() > 6


def test_known_positions_and_onsets_are_used():
    record = recording(SENTENCES, {"position": [5, 6, 7, 8], "onset": [0.0, 2.0, 4.0, 8.0]})
    made = features(record, ["position", "word-rate"])
    assert made["position"][:, 0].tolist() == [5, 6, 7, 8] and made["position"][:, 2].tolist() == [
        1,
        0,
        0,
        0,
    ]
    assert made["word-rate"].ravel() == pytest.approx(
        [2, 2, 1.5, 1.0]
    )  # the last lasts as long as the usual one: 2 s


def test_random_embedding_is_one_vector_per_word_type():
    a = random_embedding(["dog", "Dog!", "dog cat", "cat"], 40, seed=1)
    assert np.array_equal(a[0], a[1]) and a[2] == pytest.approx((a[0] + a[3]) / 2)
    assert np.array_equal(a[3], random_embedding(["a cat", "cat"], 40, seed=1)[1])
    assert not np.allclose(a[0], random_embedding(["dog"], 40, seed=2)[0])
    assert (
        a.min() >= 0
        and a.max() < 1
        and abs(random_embedding([f"w{i}" for i in range(200)], 50).mean() - 0.5) < 0.02
    )
    assert features(recording(SENTENCES), ["random-embedding"], width=7)[
        "random-embedding"
    ].shape == (4, 7)


def test_oasm_never_crosses_a_block_and_is_swept():
    record = recording(["x"] * 7, {"story": list("aaaabbb")}, context="story")
    made = features(record, ["oasm"])
    assert list(made) == [f"oasm:{sigma:g}" for sigma in SIGMAS]
    matrix = made["oasm:1"]
    assert matrix.shape == (7, 7) and not matrix[:4, 4:].any() and not matrix[4:, :4].any()
    assert matrix.sum(axis=1) == pytest.approx(1) and matrix[1, 2] / matrix[1, 1] == pytest.approx(
        np.exp(-0.5)
    )
    assert np.allclose(features(record, ["oasm:0.01"])["oasm:0.01"], np.eye(7))


def test_oasm_has_no_tails_that_only_standardizing_would_show():
    """Far from its own moment a column is 0: behind a gap it says nothing, whatever its scale."""
    record = recording(["x"] * 90, {"story": ["a"] * 90}, context="story")
    matrix = features(record, ["oasm:2"])["oasm:2"]
    inside = matrix[matrix > 0]
    assert inside.min() > 1e-9 and (matrix[np.arange(78), np.arange(12, 90)] == 0).all()
    held, train = np.arange(40, 60), np.r_[0:28, 72:90]  # twelve left out on both sides
    spread = matrix[train].std(axis=0)
    assert np.abs(matrix[held] / np.where(spread > 0, spread, 1)).max() < 1e8  # it was above 1e20
    noise = np.random.default_rng(0).standard_normal((90, 4))
    found = cross_validate(matrix, noise, [(train, held)], criterion="gcv", predictions=True)
    assert np.isfinite(found.predictions[0][held]).all() and np.isfinite(found.r).all()


def test_oasm_is_high_when_shuffled_and_nothing_when_groups_are_held_out():
    rng = np.random.default_rng(0)
    stories, length, targets = 20, 20, 20
    noise = rng.standard_normal((stories, length + 6, targets))
    smooth = sum(noise[:, lag : lag + length] for lag in range(6)).reshape(
        stories * length, targets
    )  # no text anywhere
    record = recording(
        ["word"] * (stories * length),
        {"story": np.repeat(np.arange(stories), length)},
        smooth,
        group="story",
        context="story",
    )
    protocol = preset("defended").but(folds=5)
    scores = {}
    for shuffled in (False, True):
        (part,) = make_folds(record, protocol, shuffled=shuffled)
        fits = [
            cross_validate(x, smooth, part.folds, criterion="gcv", alphas=protocol.alphas).r.mean()
            for x in features(record, ["oasm:1", "oasm:2"]).values()
        ]
        scores[shuffled] = max(fits)
    assert scores[True] > 0.6 and abs(scores[False]) < 0.02


def test_unknown_and_missing_controls_are_named():
    record = recording(SENTENCES)
    with pytest.raises(BrainLensError, match="Unknown control 'lenght'; did you mean 'length'"):
        features(record, ["lenght"])
    with pytest.raises(BrainLensError, match="needs the vectors"):
        features(record, ["static-embedding"])
    with pytest.raises(BrainLensError, match=r"shape \(3, 2\) for 4 stimuli"):
        features(record, ["static-embedding"], static=np.zeros((3, 2)))
    with pytest.raises(BrainLensError, match="names no width"):
        features(record, ["oasm:wide"])
    with pytest.raises(BrainLensError, match="must be positive"):
        oasm(record, 0)
    static = np.ones((4, 2))
    assert features(record, CONTROLS, static=static, width=3)["static-embedding"] is static
