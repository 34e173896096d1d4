"""A seed gives the same bits whatever runs beside it: every class of model, untrained scheme and trainer, among busy threads."""

from __future__ import annotations

import contextlib
import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch

from analysis.features.readout import readout_perplexity
from analysis.mapping.fit import cross_validate
from analysis.models.base import Card
from analysis.models.lstm import LSTMModule
from analysis.models.lstm_config import LSTMConfig
from analysis.models.recurrent import CharacterLSTM, LSTMLanguageModel
from analysis.models.seeds import seeded
from analysis.models.static import random_vectors
from analysis.models.transformer import TransformerModel
from analysis.models.variants.lesion import sentences
from analysis.models.variants.spec import SCHEMES
from analysis.models.zoo.corpus import Corpus
from analysis.models.zoo.recipes import Recipe
from analysis.models.zoo.train import build, train
from analysis.store.store import Store
from analysis.text.passages import Passage
from data.errors import BrainLensError
from tests import tiny_models
from tools.zoo import glove
from tools.zoo.prepare import train_tokenizer

FAMILIES = ("gpt2", "bert", "t5", "mamba")
KINDS = ("lstm", "characters", *FAMILIES)
VARIANTS = (*(f"untrained:{scheme}" for scheme in SCHEMES), "noise:all:0.5")


@contextlib.contextmanager
def neighbours(count: int = 1):
    """Threads that draw from torch's and numpy's own generators, set their seeds and build modules of their own."""
    stop = threading.Event()

    def busy(number: int):
        while not stop.is_set():
            torch.manual_seed(number)
            np.random.seed(number)
            torch.rand(64)
            torch.nn.LSTM(4, 8, 2)
            with seeded(number):
                torch.nn.Linear(32, 32)

    threads = [threading.Thread(target=busy, args=(n,), daemon=True) for n in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def weights(module) -> np.ndarray:
    return torch.cat([p.detach().flatten() for p in module.parameters()]).numpy()


def lstm(config: LSTMConfig, folder, kind: type, told: str):
    """A folder of a tiny LSTM, and what makes its variants."""
    import json

    from safetensors.torch import save_file

    folder.mkdir()
    with seeded(9):
        module = LSTMModule(config)
    save_file({n: p.detach() for n, p in module.named_parameters()}, folder / "model.safetensors")
    more = {"characters": ["<unk>", " ", *"abcdefgh"], "unknown": 0} if "character" in told else {}
    (folder / "config.json").write_text(
        json.dumps(config.to_dict() | {"architecture": told} | more)
    )
    return lambda name: kind(Card(folder.name, "recurrent"), folder, variant=name).module


@pytest.fixture(scope="module")
def makers(tmp_path_factory):
    """Class of model -> what loads a variant of it anew."""
    base = tmp_path_factory.mktemp("seeds")
    made = {
        "lstm": lstm(LSTMConfig(10, 12, layers=2), base / "lstm", LSTMLanguageModel, "lstm-lm"),
        "characters": lstm(
            LSTMConfig(10, 12, tied=False), base / "chars", CharacterLSTM, "character-lstm"
        ),
    }

    def transformer(family):
        folder = tiny_models.make(family, base / family, layers=2, width=16)
        card = tiny_models.card(family, folder)

        def network(name: str):
            model = TransformerModel(card, folder, variant=name)
            assert model.module is not None
            return model.loaded.network  # with its head, where it has one

        return network

    return made | {family: transformer(family) for family in FAMILIES}


@pytest.mark.parametrize(
    ("kind", "variant"),
    [*itertools.product(KINDS, VARIANTS), ("gpt2", "lesion:random:5")],
)
def test_variants_are_the_same_among_busy_threads(kind, variant, makers, monkeypatch):
    lesion = variant.startswith("lesion")
    few = sentences(6)
    monkeypatch.setattr("analysis.models.variants.lesion.sentences", lambda: few)

    def read(module) -> np.ndarray:
        return module.lesion if lesion else weights(module)

    alone = {seed: read(makers[kind](f"{variant}:{seed}")) for seed in (0, 1)}
    with neighbours(), ThreadPoolExecutor(3) as pool:
        seeds = [0, 1] if lesion else [0, 1] * 3
        among = list(pool.map(lambda seed: read(makers[kind](f"{variant}:{seed}")), seeds))
    assert all(np.array_equal(alone[seed], got) for seed, got in zip(seeds, among))
    assert not np.array_equal(alone[0], alone[1])


def test_forty_copies_of_two_seeds_in_two_threads():
    config = LSTMConfig(50, 16, layers=2)

    def drawn(seed):
        with seeded(seed):
            return weights(LSTMModule(config))

    alone = [drawn(0), drawn(1)]
    with ThreadPoolExecutor(2) as pool:
        copies = list(pool.map(drawn, [0, 1] * 40))
    assert sum(not np.array_equal(alone[i % 2], copy) for i, copy in enumerate(copies)) == 0


# ---- trainers ---------------------------------------------------------------------------------------------------------
TINY = {"rate": 1e-2, "steps": 6, "batch": 2, "length": 16}
RECIPES = {
    "causal": Recipe("t-causal", "causal", 16, 1, heads=2, inner=32, **TINY),
    "masked": Recipe("t-masked", "masked", 16, 1, heads=2, inner=32, spread=0.08, **TINY),
    "recurrent": Recipe("t-lstm", "recurrent", 16, 1, **TINY),
    "embedding": Recipe("t-glove", "embedding", 8, 0, rate=0.05, steps=2),
}


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    texts = tiny_models.CORPUS.splitlines() * 6
    tokenizer = train_tokenizer(texts, pieces=300)
    tokens = np.concatenate([[*tokenizer.encode(text).ids, 0] for text in texts]).astype(np.uint16)
    return Corpus(tokenizer, {"train": texts, "held-out": texts[:2]}, {"train": tokens})


@pytest.mark.parametrize("kind", RECIPES)
def test_trainings_are_the_same_among_busy_threads(kind, corpus, tmp_path):
    before = torch.get_num_threads()
    torch.set_num_threads(1)

    def trained(place: str) -> np.ndarray:
        if kind == "embedding":
            glove.train_embedding(RECIPES[kind], corpus, tmp_path / place)
            return np.load(tmp_path / place / "vectors.npy")
        return weights(train(RECIPES[kind], corpus, tmp_path / place)[0])

    try:
        alone = trained("alone")
        with neighbours(), ThreadPoolExecutor(2) as pool:
            among = list(pool.map(trained, ["first", "second"]))
    finally:
        torch.set_num_threads(before)
    assert all(np.array_equal(alone, got) for got in among)
    other = replace(RECIPES[kind], seed=1)
    if kind != "embedding":
        assert not np.array_equal(weights(build(other)), weights(build(RECIPES[kind])))


def test_the_read_out_is_the_same_among_busy_threads(tmp_path):
    folder = tiny_models.make("gpt2", tmp_path / "gpt2", layers=1, width=16)
    model = TransformerModel(tiny_models.card("gpt2", folder), folder)
    text = tiny_models.CORPUS

    def told(place: str):
        store = Store(tmp_path / place, readers=[])
        return readout_perplexity(model, text, text, text, block=8, epochs=2, store=store)

    alone = told("alone")
    with neighbours():
        assert told("among") == alone


def test_random_embeddings_are_the_same_among_busy_threads():
    words = ["the", "boat", "came", "home"]
    alone = random_vectors(words, 64, seed=3)
    with neighbours():
        np.testing.assert_array_equal(random_vectors(words, 64, seed=3), alone)


# ---- the seeding itself ---------------------------------------------------------------------------------------------------
DRAWS = {
    "rand": lambda: torch.rand(3, 40),
    "randn": lambda: torch.randn(3, 40),
    "randn_like": lambda: torch.randn_like(torch.ones(50)),
    "randint": lambda: torch.randint(0, 9, (40,)),
    "randperm": lambda: torch.randperm(40),
    "bernoulli": lambda: torch.bernoulli(torch.full((40,), 0.5)),
    "multinomial": lambda: torch.multinomial(torch.ones(9), 5),
    "trunc_normal_": lambda: torch.nn.init.trunc_normal_(torch.zeros(40)),
    "orthogonal_": lambda: torch.nn.init.orthogonal_(torch.zeros(6, 6)),
    "LSTM": lambda: torch.nn.LSTM(3, 4).weight_hh_l0.detach(),
}


@pytest.mark.parametrize("name", DRAWS)
def test_seeded_draws_are_those_of_a_seeded_process(name):
    before = torch.get_rng_state()
    with seeded(5):
        own = DRAWS[name]()
    assert torch.equal(torch.get_rng_state(), before)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        assert torch.equal(DRAWS[name](), own)


def test_what_takes_no_generator_is_refused():
    with seeded(0), pytest.raises(BrainLensError, match=r"cannot be drawn by seed"):
        torch.randint_like(torch.ones(3), 0, 9)


# ---- a layer without variance -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("p", [5, 60])
@pytest.mark.parametrize("standardize", [False, True])
def test_least_squares_on_a_layer_without_variance_is_constant_as_ridge_is(p, standardize):
    y = np.random.default_rng(0).normal(size=(40, 3))
    folds = [(np.setdiff1d(np.arange(40), t), t) for t in np.array_split(np.arange(40), 5)]
    fits = {
        method: cross_validate(np.ones((40, p)), y, folds, method=method, standardize=standardize)
        for method in ("ols", "ridge")
    }
    for fit in fits.values():
        assert np.all(fit.r == 0) and np.all(fit.constant)
    np.testing.assert_allclose(fits["ols"].r2, fits["ridge"].r2, atol=1e-6)


# ---- a masked model without a mask token ------------------------------------------------------------------------------
def test_a_masked_model_without_a_mask_token_can_be_read_and_says_why_it_has_no_surprisal(tmp_path):
    import json

    folder = tiny_models.make("bert", tmp_path / "bert", layers=1, width=16)
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        if (file := folder / name).is_file():
            told = json.loads(file.read_text())
            told.pop("mask_token", None)
            file.write_text(json.dumps(told))
    model = TransformerModel(tiny_models.card("bert", folder), folder)
    passage = Passage("The old dog", ((0, 11),), (0,))
    assert np.isfinite(next(model.read([passage], [1]))[1][0]).all()
    with pytest.raises(BrainLensError, match=r"no mask token.*'mask_token' in tokenizer_config"):
        model.surprisal(["The old dog"])
