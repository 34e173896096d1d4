"""Own scores in the lenses: what is left out, what is written at the points, and on which rule a line stands."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from analysis.answers.layers import layers
from analysis.protocol import preset
from analysis.scoring.provenance import recorded
from dashboards import Layers, Task, Untrained
from dashboards.lenses.layers import by_group, ceiling_rules, control_rules, profile
from dashboards.lenses.untrained import SCHEMES
from dashboards.work import identity
from dashboards.work.jobs import Job, Runner
from dashboards.work.ledger import Ready
from data.catalog.catalog import recording
from data.errors import BrainLensError
from tests.analysis.conftest import build_score

MODELS = ("zoo-causal-200k", "zoo-causal-400k", "zoo-causal-1m")
WAITING = "zoo-masked-1m"


class Idle(Runner):
    """Takes every task and starts none."""

    def submit(self, key, title, work, notify, **options):
        return SimpleNamespace(number=0, job=Job(key, title, 0))

    def leave(self, ticket):
        pass


def made(model, width=64, **options):
    score = build_score(model, recording="simulated", **options)
    score.provenance["model"] |= {"width": width, "family": model}
    return score


def filled(kind, scores, models, **fields):
    """A lens with these scores; nothing is computed."""
    lens = kind(models=[], recording="simulated", runner=Idle(), **fields)
    for score in scores:
        key = lens.scores.key(score.model)
        lens.scores.keep(key, Ready(score)) if score.complete else lens.scores.keep_part(key, score)
    lens.selection.models = list(models)
    return lens


def columns(spec):
    return {mark.name or mark.kind: set(mark.hover) for mark in spec.marks}


# ---- Task ----------------------------------------------------------------------------------------------------------------
def test_models_without_a_finished_score_are_left_out_with_the_reason():
    lens = filled(Task, [made(MODELS[0]), made(MODELS[1], complete=False)], [*MODELS, WAITING, "trigram-en-us"],
                  own_x="parameters", tables=[])  # fmt: skip
    lens.scores.fail(lens.scores.key(WAITING), BrainLensError("The disk is full"))
    lens.desk.held.add(f"look:{lens.scores.key(WAITING)}")
    lens.desk.held.add(lens.scores.key(MODELS[2]))
    caption = lens.view().pictures[0].spec.caption
    assert f"{MODELS[1]} (still being computed)" in caption
    assert f"{MODELS[2]} (cancelled)" in caption
    assert f"{WAITING} (failed: The disk is full)" in caption
    assert "trigram-en-us (n-gram: no activations)" in caption
    lens.desk.held.clear()
    caption = lens.view().pictures[0].spec.caption
    assert (
        f"{WAITING} (not computed yet)" in caption and f"{MODELS[2]} (not computed yet)" in caption
    )


def test_a_text_that_failed_says_why():
    lens = filled(Task, [made(MODELS[0])], MODELS[:1], tables=[])
    key = f"text:{identity.model(MODELS[0])}|prose"
    assert (
        "bits per byte: not computed yet" in lens._own(lens.scores.found(MODELS[:1]))["reason"][0]
    )
    lens.desk.held.add(key)
    lens.texts.fail(key, ValueError("no"))
    assert (
        lens._own(lens.scores.found(MODELS[:1]))["reason"][0]
        == "bits per byte: failed: ValueError: no"
    )


def test_points_say_layer_n_ceiling_and_source():
    lens = filled(Task, [made(MODELS[0], cached=True), made(MODELS[1])], MODELS[:2], own_x="width", tables=["schrimpf2021"],
                  benchmark="pereira2018")  # fmt: skip
    own, published, strip = lens.view().pictures[:3]
    assert strip.label.endswith("without one family")
    assert len(strip.table) == 15 and strip.spec.marks[0].frame["r"][0] == pytest.approx(
        -np.corrcoef(np.log(published.table["x"]), published.table["y"])[0, 1]
    )
    assert {"layer", "n_stimuli", "ceiling", "source", "low", "high"} <= columns(own.spec)["points"]
    assert own.table["source"].tolist() == ["stored", "fresh"] and set(own.table["n_stimuli"]) == {
        627
    }
    assert "layer" in columns(published.spec)["points"]


def test_a_whisker_belongs_to_the_layers_that_the_point_takes():
    lens = filled(Task, [made(MODELS[0])], MODELS[:1], own_x="width", tables=[])
    assert "its whisker is of exactly that" in lens.view().pictures[0].spec.caption
    lens.selection.layer = "-1"
    caption = lens.view().pictures[0].spec.caption
    assert "Layer -1, committed to beforehand." in caption and "outside" not in caption


def test_a_band_needs_five_families():
    scores = [made(f"m{i}", 64 * (i + 1), height=0.2 + 0.05 * i, seed=i) for i in range(6)]
    lens = filled(Task, scores, [score.model for score in scores], own_x="width", tables=[])
    assert lens.view().pictures[0].spec.marks[0].name == "fit, 95 %"
    lens.selection.models = lens.selection.models[:4]
    line = lens.view().pictures[0].spec.marks[0]
    assert line.name == "fit" and line.low is None


def test_token_perplexity_says_whether_a_tokenizer_is_shared():
    lens = filled(Task, [made(model) for model in MODELS], MODELS, own_x="perplexity", tables=[])
    for i, model in enumerate(MODELS):
        read = SimpleNamespace(
            token_perplexity=100.0 * (i + 1), tokens=990 + 10 * (i == 2), left_out=10
        )
        lens.texts.keep(f"text:{identity.model(model)}|prose", Ready(read))
    own = lens.view().pictures[0]
    assert own.table["x"].tolist() == [100.0, 200.0, 300.0] and own.spec.log_x and own.spec.invert_x
    assert (
        "compares only models that cut a text into the same tokens. The 3 models share one tokenizer."
        in own.spec.caption
    )
    scores = lens.scores.found(MODELS)
    scores[2].provenance["model"]["tokenizer_hash"] = "cd"
    caption = lens.view().pictures[0].spec.caption
    assert (
        f"do not share one tokenizer ({MODELS[0]}, 1,000 tokens and {MODELS[1]}, 1,000 tokens; {MODELS[2]}, 1,010"
        in caption
    )
    assert "perplexity" in lens.selection.query()
    lens.selection.own_x = "width"
    assert "tokenizer" not in str([picture.spec.caption for picture in lens.view().pictures])


# ---- Untrained -----------------------------------------------------------------------------------------------------------
def copies(model, seeds, **options):
    return [
        made(f"{model}@untrained:init:{seed}", height=0.15 + 0.01 * seed, seed=seed, **options)
        for seed in seeds
    ]


@pytest.mark.parametrize("scale", ["raw", "normalised"])
def test_the_random_embedding_and_the_ceiling_stand_in_every_untrained_figure(scale):
    scores = [made(MODELS[0]), *copies(MODELS[0], range(5))]
    lens = filled(Untrained, scores, MODELS[:1], scale=scale)
    _, layer, chosen = lens.view().pictures
    labels = [rule.label for rule in layer.spec.rules]
    assert labels == (["", "random embedding 0.20", "ceiling 0.50"] if scale == "raw"
                      else ["", "random embedding 0.40", "ceiling"])  # fmt: skip
    column = "r" if scale == "raw" else "normalised"
    assert {mark.y for mark in (*layer.spec.marks, *chosen.spec.marks)} == {column}
    frame = chosen.table.set_index("condition")
    assert frame.loc["random embedding", "normalised"] == pytest.approx(0.4)
    assert frame.loc["init", "normalised_low"] == pytest.approx(
        min(score.value for score in scores[1:]) / 0.5
    )
    assert layer.spec.flag_above == (None if scale == "raw" else 1.0)
    assert {"seed", "layer", "n_stimuli", "source"} <= columns(chosen.spec)["single seeds"]
    assert chosen.spec.marks[1].frame["seed"].tolist() == [0, 1, 2, 3, 4]
    assert {"layer", "n_stimuli", "ceiling", "source"} <= columns(layer.spec)["line"]


def test_what_others_predict_and_the_planted_ceiling_are_drawn_beside_the_ceiling():
    told = recorded(recording("simulated"))["planted_ceiling"]
    score = made(MODELS[0])
    about = score.provenance["recording"] | {"planted_ceiling": told}
    lower = dataclasses.replace(score.ceiling, kind="leave-one-out", value=0.4, holds_for="nothing")
    score = dataclasses.replace(
        score,
        provenance=score.provenance | {"recording": about},
        ceiling=dataclasses.replace(score.ceiling, lower_bound=lower),
    )
    labels = [rule.label for rule in ceiling_rules(score, normalised=False)]
    assert labels == [
        "ceiling 0.50", "other people 0.40 (lower bound)", f"planted ceiling {told:.2f}",
    ]  # fmt: skip


def test_without_a_ceiling_raw_r_is_shown_and_said():
    scores = [made(MODELS[0], averaged=True), *copies(MODELS[0], range(2), averaged=True)]
    lens = filled(Untrained, scores, MODELS[:1], scale="normalised", seeds=2)
    layer = lens.view().pictures[1].spec
    assert (
        layer.marks[0].y == "r"
        and "Raw r is shown: the responses are averaged over people." in layer.caption
    )


def test_missing_copies_are_listed_by_scheme():
    scores = [made(MODELS[0]), *copies(MODELS[0], range(2))]
    lens = filled(Untrained, scores, MODELS[:2], seeds=4)
    key = lens.scores.key(f"{MODELS[0]}@untrained:init:3")
    lens.desk.held.add(key)
    lens.scores.fail(key, MemoryError("too big"))
    caption = lens.view().pictures[1].spec.caption
    assert f"{MODELS[0]}@untrained:init, seed 2 (not computed yet)" in caption
    assert f"{MODELS[0]}@untrained:init, seed 3 (failed: MemoryError: too big)" in caption
    assert f"{MODELS[1]}@untrained:init, seeds 0, 1, 2 and 3 (not computed yet)" in caption
    lens.selection.param.update(models=[MODELS[0]], scheme=[])
    assert f"{MODELS[0]} (no untrained copy was scored)" in lens.view().pictures[1].spec.caption
    assert "init" in SCHEMES.values()


# ---- Layers --------------------------------------------------------------------------------------------------------------
def test_a_random_embedding_is_drawn_for_each_width():
    wide = made("b", 128)
    wide = dataclasses.replace(wide, controls=wide.controls.assign(r=[0.3, 0.25]))
    spec = profile(layers([made("a"), wide]), [made("a"), wide], normalised=False)
    labels = [rule.label for rule in spec.rules]
    assert labels == ["", "position and length alone 0.30", "random embedding of width 64 0.20",
                      "random embedding of width 128 0.25", "ceiling 0.50"]  # fmt: skip
    assert [rule.label for rule in control_rules([made("a"), made("c")])] == ["position and length alone 0.30",
                                                                            "random embedding 0.20"]  # fmt: skip


@pytest.mark.parametrize("normalised", [False, True])
def test_groups_have_bands_on_both_scales(normalised):
    from analysis.answers.groups import grouped

    score = made("a")
    line = by_group(grouped([score], "subject"), [score], normalised=normalised).marks[0]
    assert line.frame[[line.low, line.high]].notna().all(axis=None)
    assert (line.frame[line.low] < line.frame[line.y]).all()


def counted(function, calls):
    def ask(*given):
        calls.append(function.__name__)
        return function(*given)

    return ask


def test_a_change_of_the_scale_computes_nothing_anew(monkeypatch):
    from dashboards.lenses import layers as module

    asked, kind = [], type(made("a"))
    monkeypatch.setattr(kind, "_row", counted(kind._row, asked))
    for name in ("grouped", "layers", "targets", "each_person"):
        monkeypatch.setattr(module, name, counted(getattr(module, name), asked))
    lens = filled(Layers, [made("a"), made("b")], ["a", "b"], by="subject")
    assert set(asked) == {"_row", "grouped", "layers", "targets", "each_person"}
    asked.clear()
    for scale in ("normalised", "raw"):
        lens.selection.scale = scale
    assert asked == []
    lens.selection.models = ["b"]
    assert "grouped" in asked and lens.view().pictures[0].table["model"].unique().tolist() == ["b"]


# ---- what a test costs ---------------------------------------------------------------------------------------------------
def test_more_permutations_where_they_are_affordable():
    from dashboards.work.score_computations import TEST_DRAWS, draws_of

    def draws(n_targets, n_stimuli):
        score = made("a")
        score.provenance["recording"] |= {"n_targets": n_targets, "n_stimuli": n_stimuli}
        return draws_of(score)

    assert draws(1, 300) == 1000 and draws(100, 50) == 2000
    assert draws(13_553, 627) == TEST_DRAWS[0] == 200
    assert 1 / (1 + draws(100, 50)) <= 0.05 / 100
    assert np.isfinite(draws(1, 10_000))


def test_a_file_of_ones_own_is_called_by_its_name_and_not_by_its_path(tmp_path):
    rng = np.random.default_rng(0)
    nouns = rng.choice(["dog", "tree", "river", "stone"], 48)
    rows = [
        f"The {noun} stands there.,p{i // 4},{rng.normal():.3f}" for i, noun in enumerate(nouns)
    ]
    (tmp_path / "mine.csv").write_text("\n".join(["text,passage,response", *rows]))
    protocol = preset("defended").but(
        seeds=1, folds=3, inner_folds=2, bootstrap=20, criterion="gcv", alphas=(10.0, 1000.0), unique=False,
        controls=("position", "length"), ceiling="none",
    )  # fmt: skip
    lens = Layers(
        models=["zoo-glove-64d", MODELS[0]],
        recording=str(tmp_path / "mine.csv"),
        protocol=protocol,
    ).run(wait=True)
    said = " ".join([lens.shown.verdict, *(one.spec.answer for one in lens.shown.pictures)])
    assert "length and position alone" in said and "predict mine" in said
    assert str(tmp_path) not in said
    lens.close()
