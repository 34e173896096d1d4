"""Designs on a real small model: a planted target's preferred direction, nonsense outside, disagreement, a pilot's power."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from analysis.answers.controversial import controversial
from analysis.answers.drive import candidates_of, drive
from analysis.answers.planning import _needed, growth, pilot_of, planning
from analysis.models import load
from analysis.protocol import preset
from analysis.store.store import Store
from analysis.tasks.probe import sentence_features
from data.catalog.catalog import recording
from data.errors import BrainLensError
from data.recording import Recording

MODEL = "zoo-causal-200k"
MEAN = preset("defended").but(pooling="mean")
QUICK = preset("defended").but(folds=3, inner_folds=2, seeds=1, bootstrap=20, ceiling="none", controls=(),
                               shuffled_twin=False, unique=False)  # fmt: skip


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return Store(tmp_path_factory.mktemp("design"))


@pytest.fixture(scope="module")
def planted(store):
    """A target that prefers one direction of a layer, measured on two thirds of some sentences; the others with their truth."""
    texts = [str(text) for text in recording("simulated").texts]
    features = sentence_features(load(MODEL), texts, 1, MEAN, store=store)
    rng = np.random.default_rng(0)
    z = (features - features.mean(axis=0)) / features.std(axis=0)
    _, _, axes = np.linalg.svd(z, full_matrices=False)
    truth = z @ axes[:8].T @ rng.standard_normal(8)
    truth /= truth.std()
    order = rng.permutation(len(texts))
    known, new = np.sort(order[: 2 * len(texts) // 3]), order[2 * len(texts) // 3 :]
    ids = [f"s{i}" for i in known]
    y = truth[known] + 0.7 * rng.standard_normal(len(known))
    made = Recording(
        "planted",
        xr.DataArray(
            y[:, None], dims=("stimulus", "target"), coords={"stimulus": ids, "target": ["v"]}
        ),
        pd.DataFrame(
            {"text": [texts[i] for i in known], "block": np.arange(len(known)) // 4}, index=ids
        ),
        group="block",
    )
    return made, dict(zip((texts[i] for i in new), truth[new], strict=True))


NONSENSE = [
    "zxqv wprt kkjj ##@@ %%&& 9931 xxzz qqqq vvvv", "0x1f 0x2a 0x3c 0x4d 0x5e 0x6f 0x70 0x81 0x92",
    "}{ }{ }{ }{ }{ }{ }{ }{ }{ }{", "aaaa aaaa aaaa aaaa aaaa aaaa aaaa aaaa aaaa aaaa aaaa aaaa",
]  # fmt: skip


def test_the_preferred_direction_of_a_planted_target_is_recovered_on_held_out_sentences(
    planted, store
):
    made, truth = planted
    found = drive(MODEL, made, [*truth, *NONSENSE], MEAN, layer=1, count=8, store=store, draws=40)
    frame = found.frame.set_index("text")
    held = frame.loc[list(truth)]
    wanted = [truth[text] for text in held.index]
    assert np.corrcoef(held["prediction"], wanted)[0, 1] > 0.7
    picked = found.facts["picked"].assign(truth=lambda table: table["text"].map(truth))
    means = picked.groupby("condition")["truth"].mean()
    assert means["drive"] > 0.8 and means["suppress"] < -0.8
    assert held["outside"].mean() < 0.1 and frame.loc[NONSENSE, "outside"].mean() >= 0.75
    assert not picked["outside"].any() and (picked["reason"] == "").all()
    assert "should raise the mean response of planted" in found.sentence
    measured = str(made.texts[0])
    again = drive(
        MODEL, made, [*truth, measured, "Too short."], MEAN, layer=1, store=store, draws=2
    )
    reasons = again.frame.set_index("text")["reason"]
    assert reasons[measured] == "measured already" and reasons["Too short."] == "2 words"


def test_a_layer_that_is_not_shown_to_predict_promises_nothing(planted, store):
    made, truth = planted
    y = made.responses.copy(data=np.random.default_rng(3).standard_normal(made.responses.shape))
    found = drive(
        MODEL, replace(made, responses=y), list(truth), MEAN, layer=1, store=store, draws=2
    )
    assert "these are guesses" in found.sentence and "should raise" not in found.sentence
    one = drive(MODEL, made, list(truth)[:1], MEAN, layer=1, store=store, draws=2)
    assert "Only one of 1 sentence may be used: two are needed" in one.sentence


def test_a_search_by_substitution_goes_beyond_what_was_given(planted, store):
    made, truth = planted
    words = [
        "time",
        "people",
        "house",
        "water",
        "night",
        "world",
        "story",
        "music",
        "garden",
        "king",
        "little",
        "dark",
        "never",
        "always",
    ]
    plain = drive(MODEL, made, list(truth)[:30], MEAN, layer=1, count=3, store=store, draws=2)
    found = drive(
        MODEL,
        made,
        list(truth)[:30],
        MEAN,
        layer=1,
        count=3,
        words=words,
        rounds=4,
        store=store,
        draws=2,
    )
    better, before = (
        one.facts["picked"].groupby("condition")["prediction"].mean() for one in (found, plain)
    )
    assert better["drive"] > before["drive"] and better["suppress"] < before["suppress"]
    assert (found.facts["picked"]["start"] != "").all() and not found.facts["picked"][
        "outside"
    ].any()


def test_what_cannot_be_driven_is_said(planted, store):
    made, truth = planted
    with pytest.raises(BrainLensError, match="no candidates"):
        drive(MODEL, made, [" "], store=store)
    with pytest.raises(BrainLensError, match="target of planted"):
        drive(MODEL, made, list(truth), target="w", store=store)
    with pytest.raises(BrainLensError, match="has no layers to predict from"):
        drive(_Layerless(), made, list(truth), store=store)


class _Layerless:
    id, widths, n_layers = "counts", (), 0


def test_candidates_come_from_prose_a_file_or_a_recording(tmp_path):
    assert len(candidates_of("prose")) > 50 and all(candidates_of("prose"))
    (tmp_path / "mine.txt").write_text(
        "One sentence here.\n\nAnother one there.\n", encoding="utf-8"
    )
    assert candidates_of(str(tmp_path / "mine.txt")) == ["One sentence here.", "Another one there."]
    assert set(candidates_of("simulated")) <= {str(t).strip() for t in recording("simulated").texts}
    with pytest.raises(BrainLensError, match="There is no text"):
        candidates_of(str(tmp_path / "none.txt"))


def test_two_models_disagree_on_matched_sentences(store):
    first, second = "zoo-causal-400k", "zoo-causal-400k-step32"
    found = controversial(
        first, second, candidates_of("simulated"), count=6, frequency=0.3, store=store
    )
    items = found.facts["items"].set_index("text")
    for row in found.frame.itertuples():
        a, b = row.preferred_by_first, row.preferred_by_second
        assert (
            items.loc[a, first] > items.loc[b, first]
            and items.loc[a, second] < items.loc[b, second]
        )
        assert abs(items.loc[a, "words"] - items.loc[b, "words"]) <= 1
    nats = sum(
        one.nats.sum() for one in load(first).surprisal([found.frame["preferred_by_first"].iloc[0]])
    )
    assert items.loc[found.frame["preferred_by_first"].iloc[0], first] == pytest.approx(
        -nats, abs=1e-3
    )
    assert found.sentence.startswith(f"{first} and {second} disagree most on")
    with pytest.raises(BrainLensError, match="does not disagree with itself"):
        controversial(first, first, ["a"], store=store)


def test_a_model_without_probabilities_is_refused_before_the_other_is_read(store, monkeypatch):
    monkeypatch.setattr("analysis.answers.controversial.token_surprisals", pytest.fail)
    with pytest.raises(BrainLensError, match=r"zoo-glove-64d gives no .* predicted responses"):
        controversial("zoo-causal-400k", "zoo-glove-64d", candidates_of("simulated"), store=store)


def test_a_pilot_of_two_scores_becomes_a_plan(store):
    pilot = pilot_of(MODEL, "random-16", "simulated", QUICK, store=store)
    assert set(pilot) == {"person", "item", "difference"} and pilot["person"].nunique() >= 3
    answer = planning(pilot, 0.02, people=(4, 12, 40), names=(MODEL, "random-16"))
    assert answer.frame.groupby("items")["power"].is_monotonic_increasing.all()
    assert (
        (answer.frame["low"] <= answer.frame["power"])
        & (answer.frame["power"] <= answer.frame["high"])
    ).all()
    assert "To find a difference of 0.02 between zoo-causal-200k and random-16" in answer.sentence
    assert "is not planned with" in answer.caption
    with pytest.raises(BrainLensError, match="smallest difference that you would care about"):
        planning(pilot, 0.0)
    curve = growth(MODEL, "random-16", "simulated", QUICK, fractions=(0.34, 0.67, 1.0), store=store)
    assert curve.table["items"].is_monotonic_increasing and len(curve.table) == 3


def test_an_average_over_people_is_no_pilot(planted):
    made, _ = planted
    with pytest.raises(BrainLensError, match="has no three people"):
        pilot_of(MODEL, "random-16", made)


@pytest.mark.parametrize(
    ("needed", "words"),
    [
        ({100: 30, 200: 24}, "30 people with 100 items or 24 people with 200 items"),
        ({144: None, 288: 14, 576: 4}, "14 people with 288 items or 4 people with 576 items "
         "(144 items are too few for any number of people)"),
        ({10: None, 20: None}, "more items: 10 and 20 items are too few for any number of people"),
        ({10: 5, 20: 5}, "5 people, with 10 as with 20 items"),
    ],
)  # fmt: skip
def test_how_many_people_says_first_what_is_enough(needed, words):
    assert _needed(needed) == words
