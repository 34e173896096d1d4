"""A map of units by a user's own contrast: saved, cut out, and scored against as many others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from analysis import preset
from analysis.answers.units import make_map, score_units
from analysis.features.activations import extract
from analysis.models import load
from analysis.models.variants.lesion import select
from analysis.models.variants.maps import load_map
from data.catalog.catalog import recording
from data.errors import BrainLensError

MODEL = "zoo-causal-200k"
NOUNS = ("dog", "cat", "fox", "man", "boy", "sun", "bird", "fish", "tree", "ship")
QUESTIONS = [f"Where did the {noun} go?" for noun in NOUNS]
STATEMENTS = [f"The {noun} went home ." for noun in NOUNS]
QUICK = preset("defended").but(
    folds=4, inner_folds=2, bootstrap=50, criterion="gcv", alphas=(1.0, 100.0, 1e4), seeds=1, ceiling="none",
    controls=(), unique=False, shuffled_twin=False,
)  # fmt: skip


def test_a_contrast_is_welchs_t_and_is_kept(clean_home):
    made = make_map(MODEL, "questions", QUESTIONS, STATEMENTS, about="questions above statements")
    model = load(MODEL)
    assert made.t.shape == (model.n_layers - 1, model.widths[-1]) and (made.first, made.second) == (
        10,
        10,
    )
    assert np.isfinite(made.t).all() and np.abs(made.t).max() > 5  # a question mark is plain to see
    turned = make_map(MODEL, "turned", STATEMENTS, QUESTIONS)
    np.testing.assert_allclose(turned.t, -made.t, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(load_map("questions").t, made.t)
    assert load_map("questions").about == "questions above statements"


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        (QUESTIONS, (), "two kinds"),
        (QUESTIONS[:7], STATEMENTS, "7 texts of a kind are too few"),
    ],
)
def test_what_is_no_contrast_is_refused(clean_home, first, second, told):
    with pytest.raises(BrainLensError, match=told):
        make_map(MODEL, "none", first, second)


def test_a_model_without_blocks_is_refused(clean_home):
    with pytest.raises(BrainLensError, match="units stand in no blocks"):
        make_map("zoo-glove-64d", "none", QUESTIONS, STATEMENTS)


def test_units_that_a_recording_follows_are_told_from_others(clean_home):
    """Responses made of the localised units alone: those predict best of six sets; of other units they do not."""
    made = make_map(MODEL, "questions", QUESTIONS, STATEMENTS)
    simulated, model, rng = recording("simulated"), load(MODEL), np.random.default_rng(0)
    numbers = list(range(1, model.n_layers))
    read = extract(model, simulated, QUICK, numbers)

    def planted(rule: str, seed: int):
        chosen = select(made.t, rule, 5.0, seed)
        x = np.concatenate(
            [read.layer(at + 1)[:, own] for at, own in enumerate(chosen) if own.any()], axis=1
        )
        x = (x - x.mean(axis=0)) / x.std(axis=0)
        values = x @ rng.standard_normal((x.shape[1], simulated.n_targets)) / np.sqrt(x.shape[1])
        values += 0.5 * rng.standard_normal(values.shape)
        return replace(simulated, responses=simulated.responses.copy(data=values.astype("float32")))

    answer = score_units("questions", planted("language", 0), QUICK, percent=5.0)
    frame = answer.frame
    assert list(frame["units"]) == ["localised", *["others"] * 5] and frame["n"].nunique() == 1
    own, others = frame["r"].iloc[0], frame["r"].iloc[1:]
    assert own > others.max() + 0.02 and answer.facts["p"] == pytest.approx(1 / 6)
    assert "p = .17" in answer.sentence and frame["r_low"].iloc[0] < own < frame["r_high"].iloc[0]
    other = score_units("questions", planted("matched", 3), QUICK, percent=5.0)
    assert other.frame["r"].iloc[0] < other.frame["r"].iloc[1:].max()


def test_the_command_makes_lists_and_scores(clean_home, tmp_path):
    from dashboards.command.cli import main

    for name, texts in (("a.txt", QUESTIONS), ("b.txt", STATEMENTS)):
        (tmp_path / name).write_text("\n".join(texts), encoding="utf-8")
    run = CliRunner().invoke
    files = ["--first", str(tmp_path / "a.txt"), "--second", str(tmp_path / "b.txt")]
    said = run(main, ["units", "map", MODEL, "asked", *files, "--about", "questions"])
    assert said.exit_code == 0 and f"{MODEL}@lesion:map-asked:1" in said.output, said.output
    assert run(main, ["units", "list"]).output == f"asked\t{MODEL}\tquestions\n"
    sets = [f"--set={name}={value}" for name, value in (
        ("folds", 4), ("inner_folds", 2), ("bootstrap", 20), ("criterion", "gcv"), ("alphas", "10,1000"), ("seeds", 1),
    )]  # fmt: skip
    out = tmp_path / "units.csv"
    asked = [
        "units",
        "score",
        "asked",
        "--on",
        "simulated",
        "--percent",
        "5",
        "--seeds",
        "2",
        *sets,
    ]
    said = run(main, [*asked, "--out", str(out)])
    assert said.exit_code == 0 and "as many others of the same blocks" in " ".join(
        said.output.split()
    )
    assert out.read_text(encoding="utf-8").count("others") == 2
    wrong = run(main, ["units", "score", "nobody", "--on", "simulated"])
    assert wrong.exit_code == 1 and "asked" in wrong.output  # the maps that there are
