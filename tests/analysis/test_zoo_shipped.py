"""The zoo as it ships: complete, small, better than untrained and unigram, and truthful on its cards."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from analysis import score
from analysis.mapping.fit import cross_validate
from analysis.mapping.splits import make_folds
from analysis.models import load
from analysis.models.catalog import cards, state
from analysis.models.zoo.recipes import CHECKPOINTS, RECIPES
from analysis.protocol import preset
from data import embedded
from data.own.read import read
from data.readers.simulated import default
from tools.zoo.__main__ import ZOO, main
from tools.zoo.cards import _parameters, bits_per_byte, table

CAUSAL = ("zoo-causal-200k", "zoo-causal-400k", "zoo-causal-700k", "zoo-causal-1m", "zoo-causal-3m")
STEPS = tuple(f"zoo-causal-400k-step{step}" for step in CHECKPOINTS)


@pytest.fixture(scope="module")
def told() -> dict:
    return {path.parent.name: json.loads(path.read_text()) for path in ZOO.glob("*/card.json")}


def test_everything_is_there_and_small(told):
    assert set(told) == {*RECIPES, *STEPS}
    assert sum(path.stat().st_size for path in ZOO.rglob("*") if path.is_file()) < 30e6
    assert {card["cls"] for card in told.values()} == {
        "causal",
        "bidirectional",
        "recurrent",
        "embedding",
    }
    assert not list(ZOO.rglob("*.part")) and not list(ZOO.rglob("*.bin"))


def test_the_causal_family_spans_a_factor_of_fourteen(told):
    sizes = [told[name]["parameters"] for name in CAUSAL]
    assert (
        150_000 < sizes[0] < sizes[1] < 600_000 < sizes[-1] < 3.01e6
        and sizes[-1] > 14 * sizes[0]
        and sizes == sorted(sizes)
    )
    assert len({(told[name]["width"], told[name]["layers"]) for name in CAUSAL}) == len(CAUSAL)
    hashes = {
        (ZOO / name / "tokenizer.json").read_bytes() for name in (*CAUSAL, *STEPS, "zoo-lstm-1m")
    }
    assert len(hashes) == 1


@pytest.mark.parametrize("text", ["prose", "held_out"])
def test_bits_per_byte_fall_with_size_and_along_the_training(told, text):
    of = {name: told[name]["bits_per_byte"]["trained"][text] for name in (*CAUSAL, *STEPS)}
    by_size = [of[name] for name in CAUSAL]
    assert by_size == sorted(by_size, reverse=True) and len(set(by_size)) == len(CAUSAL)
    along = [of[name] for name in (*STEPS, "zoo-causal-400k")]
    assert along == sorted(along, reverse=True)


def test_every_trained_model_beats_its_untrained_self_and_the_unigram(told):
    for name in (n for n in RECIPES if RECIPES[n].kind != "embedding"):
        for text in told[name]["bits_per_byte"]["trained"]:
            bits = {who: values[text] for who, values in told[name]["bits_per_byte"].items()}
            assert bits["trained"] < bits["unigram"] < bits["untrained"], (name, text, bits)


def test_cards_say_what_a_reader_needs(told):
    for name, card in told.items():
        training = card["training"]
        assert card["licence"] == "MIT" and "tiny" in card["note"] and training["seed"] == 0
        assert len(training["text"]) == 4 and all(
            "domain" in t or "WordNet" in t for t in training["text"]
        )
        if card["cls"] != "embedding":
            assert training["tokens"] == training["step"] * training["batch"] * training["length"]
        known = cards()[name]
        assert (known.cls, known.parameters, known.note) == (
            card["cls"],
            card["parameters"],
            card["note"],
        )
        assert state(name) == "ready"


def test_cards_count_the_weights_that_are_stored(told):
    assert {name: card["parameters"] for name, card in told.items()} == {
        name: _parameters(ZOO / name) for name in told
    }


def test_the_recurrent_block_has_the_compute_of_one_model_and_the_weights_of_another(told):
    recurrent, same = RECIPES["zoo-recurrent-700k"], RECIPES["zoo-causal-1m"]
    shape = ("width", "layers", "heads", "inner", "rate", "steps", "batch", "length", "seed")
    assert [getattr(recurrent, one) for one in shape] == [getattr(same, one) for one in shape]
    weights = told["zoo-recurrent-700k"]["parameters"]
    assert abs(weights / told["zoo-causal-700k"]["parameters"] - 1) < 0.01


@pytest.mark.parametrize("name", ["zoo-causal-200k", "zoo-lstm-1m", "zoo-recurrent-700k"])
def test_the_card_s_bits_per_byte_come_out_again(told, name):
    found = bits_per_byte(load(name), embedded.prose())
    assert found == pytest.approx(told[name]["bits_per_byte"]["trained"]["prose"], abs=2e-3)


def test_the_documentation_shows_the_cards():
    page = (Path(__file__).parents[2] / "docs" / "zoo.md").read_text()
    assert table(ZOO) in page


@pytest.mark.realdata
@pytest.mark.slow
@pytest.mark.parametrize("name", ["zoo-causal-200k", "zoo-recurrent-700k", "zoo-glove-64d"])
def test_the_documentation_shows_what_is_scored_on_the_real_average_now(name, own_data, clean_home):
    """The table of docs/zoo.md once stood for a protocol that was not computed any more."""
    recording = read(
        own_data / "pereira2018_average.csv",
        text="sentence",
        responses=["lang_LH_avg_effect_size"],
        group="passage_category",
    )
    found = score(name, recording, preset("defended").but(unique=False, controls=()))
    page = (Path(__file__).parents[2] / "docs" / "zoo.md").read_text()
    section = page.split("## On real recordings")[1]
    (told,) = re.findall(rf"\| `{name}` \| (\S+) \[(\S+), (\S+)\] \|", section)
    shown = (found.value, found.low, found.high)
    assert [float(one) for one in told] == pytest.approx(shown, abs=0.006)


def test_an_unknown_member_is_refused_with_the_choices(capsys):
    assert main(["zoo-causal-2m"]) == 2
    assert "zoo-causal-200k" in capsys.readouterr().err


# ---- the embedded recording grows from it -----------------------------------------------------------------------------------
def test_the_embedded_responses_are_made_by_their_script(tmp_path):
    from tools.plant import make, write

    shipped = default()
    made = make(shipped.truth["model"], shipped.truth["layer"])
    np.testing.assert_allclose(made.responses.values, shipped.responses.values, atol=2e-3)
    assert made.stimulus_hash == shipped.stimulus_hash
    assert {k: v for k, v in made.truth.items() if not isinstance(v, (float, list))} == {
        k: v for k, v in shipped.truth.items() if not isinstance(v, (float, list))
    }
    assert made.truth["ceiling"] == pytest.approx(shipped.truth["ceiling"], abs=1e-3)
    write(made, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["responses.npz", "truth.json"]


@pytest.fixture(scope="module")
def profile():
    """r per layer of planted and of noise targets, for a model."""
    from tools.plant import features

    recording, protocol = default(), preset("defended")
    (part,) = make_folds(recording, protocol)
    planted = recording.responses["planted"].values

    @cache
    def scores(name):
        layers = [features(name, layer) for layer in range(1, load(name).n_layers)]
        fit = cross_validate(
            layers,
            recording.responses.values,
            part.folds,
            alphas=protocol.alphas,
            criterion="kfold",
            inner_folds=part.inner,
            standardize=True,
        )
        r = fit.r.mean(axis=1)
        return r[:, planted].mean(axis=1), r[:, ~planted].mean(axis=1)

    return scores


def test_the_planted_layer_wins_and_noise_stays_at_zero(profile):
    truth = default().truth
    planted, noise = profile(truth["model"])
    assert planted.argmax() + 1 == truth["layer"]
    assert 0.85 * truth["model_ceiling"] < planted.max() < truth["model_ceiling"] + 0.02
    assert np.abs(noise).max() < 0.06


def test_the_planted_model_beats_smaller_untrained_and_younger_ones(profile):
    truth = default().truth
    best = profile(truth["model"])[0].max()
    for other in (
        "zoo-causal-200k",
        "zoo-causal-400k-step80",
        f"{truth['model']}@untrained:init:0",
    ):
        assert profile(other)[0].max() < best - 0.02


def test_models_that_are_loaded_at_the_same_time_are_whole():
    from concurrent.futures import ThreadPoolExecutor

    def nats(name):
        return load(name).surprisal(["The cat sat on the mat."])[0].nats.tolist()

    names = [*STEPS[:5], "zoo-causal-200k", "zoo-causal-200k@untrained:init:0"]
    with ThreadPoolExecutor(len(names)) as pool:
        together = list(pool.map(nats, names))
    assert together == [nats(name) for name in names]


def test_the_score_rises_with_size_where_it_was_planted_so(profile, told):
    assert default().truth["model"] == CAUSAL[-1]
    bits = [told[name]["bits_per_byte"]["trained"]["prose"] for name in CAUSAL]
    scores = [profile(name)[0].max() for name in CAUSAL]
    assert scores == sorted(scores) and bits == sorted(bits, reverse=True)
