"""Where models run: the user's choice reaches the model, and a model spread over memory and disk gives the same numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from analysis.models.device import VARIABLE, choose, device
from analysis.models.files import weights
from analysis.models.transformer import TransformerModel
from analysis.progress import SILENT
from analysis.protocol import Protocol
from analysis.scoring.solver import ON_CARD, cross_validate_under, solver_device
from analysis.text.passages import Passage
from data.errors import BrainLensError
from tests import tiny_models

TEXT = "The old keeper climbed the stairs. He didn't mind the wind."


@pytest.fixture(autouse=True)
def unset(monkeypatch):
    monkeypatch.setenv(VARIABLE, "")


@pytest.fixture
def model(tmp_path):
    folder = tiny_models.make("llama", tmp_path / "llama")
    return TransformerModel(tiny_models.card("llama", folder, bos="<s>"), folder)


def read(model, dtype="float32"):
    return next(model.read([Passage(TEXT, ((0, 34),), (0,))], range(model.n_layers), dtype=dtype))[
        1
    ]


def test_the_choice_is_kept_for_this_process_and_those_it_starts(monkeypatch):
    import os

    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert device() == "cpu"
    choose("offload")
    assert device() == "offload" and os.environ[VARIABLE] == "offload"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("cuda:7", r"no device 'cuda:7'.*Choose auto or cpu"),
        ("tpu", r"device.*'tpu'.*cpu"),
        ("cpu:1", r"device.*'cpu:1'"),
    ],
)
def test_a_device_that_is_not_there_is_refused(name, told, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(BrainLensError, match=told):
        choose(name)
    monkeypatch.setenv(VARIABLE, name)
    with pytest.raises(BrainLensError, match=told):
        device()


def test_a_model_spread_over_memory_and_disk_gives_the_same_numbers(model, monkeypatch, tmp_path):
    plain, nats = read(model), model.surprisal([TEXT])[0].nats
    size = sum(p.numel() for p in model.lm.parameters()) * 4
    monkeypatch.setattr(weights, "room_by_place", lambda: {"cpu": size // 2})
    monkeypatch.setenv("BRAINLENS_HOME", str(tmp_path / "home"))
    choose("offload")
    spread = read(model)
    assert {p.device.type for p in model.loaded.network.parameters()} >= {
        "meta"
    }  # a part is elsewhere
    for a, b in zip(plain, spread, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    np.testing.assert_allclose(model.surprisal([TEXT])[0].nats, nats, rtol=1e-5, atol=1e-5)
    half = read(model, dtype="bfloat16")
    assert min(np.corrcoef(a, b)[0, 1] for a, b in zip(plain, half)) > 0.99
    choose("cpu")
    np.testing.assert_array_equal(read(model)[1], plain[1])


def test_variants_are_not_spread(model):
    choose("offload")
    variant = TransformerModel(model.card, model.source, variant="untrained:permute:0")
    with pytest.raises(BrainLensError, match="Choose another device than 'offload'"):
        read(variant)


def test_the_command_line_refuses_a_device_that_is_not_there(monkeypatch):
    from click.testing import CliRunner

    from dashboards.command.cli import main

    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    told = CliRunner().invoke(
        main, ["score", "random-16", "--on", "natural-stories", "--device", "cuda"]
    )
    assert told.exit_code == 2 and "There is no device 'cuda'" in " ".join(told.output.split())


def test_scores_go_to_the_card_that_models_run_on_where_that_pays(monkeypatch):
    """Many whole targets go there, few and gappy ones stay; the numbers are those of the cores."""
    rng = np.random.default_rng(0)
    x, many = rng.standard_normal((40, 12)), rng.standard_normal((40, ON_CARD))
    many[:, :500] += x @ rng.standard_normal((12, 500))
    monkeypatch.setattr("analysis.scoring.solver.device", lambda: "cuda:1")
    assert solver_device(x, many) == "cuda:1"
    assert solver_device(x, many[:, 1:]) == solver_device(x[:, :2], many) == "cpu"
    gappy = np.where(np.arange(40)[:, None] == 3, np.nan, many)
    assert solver_device(x, gappy) == "cpu"
    monkeypatch.setattr("analysis.scoring.solver.device", lambda: "mps")
    assert solver_device(x, many) == "cpu"
    folds = [(np.arange(30), np.arange(30, 40)), (np.arange(10, 40), np.arange(10))]
    found = {}
    for name in ("cpu", "torch", *(["cuda"] if torch.cuda.is_available() else [])):
        monkeypatch.setattr("analysis.scoring.solver.solver_device", lambda *_, name=name: name)
        fit = cross_validate_under(
            Protocol(), x, many, folds, criterion="loo", predictions=True, report=SILENT
        )
        assert fit.device == name
        found[name] = fit
        np.testing.assert_allclose(fit.predictions, found["cpu"].predictions, atol=1e-5)
        np.testing.assert_allclose(fit.r, found["cpu"].r, atol=1e-5)


@pytest.mark.parametrize(
    ("words", "goes_on"), [("CUDA out of memory", True), ("misaligned", False)]
)
def test_a_card_without_room_leaves_the_fit_to_the_cores(monkeypatch, words, goes_on):
    tried = []

    def fit(*_, device, **__):
        tried.append(device)
        if device != "cpu":
            raise RuntimeError(words)
        return device

    monkeypatch.setattr("analysis.scoring.solver.cross_validate_narrow", fit)
    monkeypatch.setattr("analysis.scoring.solver.solver_device", lambda *_: "cuda")
    x = np.zeros((4, 2))
    asked = {"criterion": "loo", "predictions": False, "report": SILENT}
    if goes_on:
        assert cross_validate_under(Protocol(), x, x, [], **asked) == "cpu"
        assert tried == ["cuda", "cpu"]
    else:
        with pytest.raises(RuntimeError, match=words):
            cross_validate_under(Protocol(), x, x, [], **asked)
        assert tried == ["cuda"]
