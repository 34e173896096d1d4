"""The lenses Wiring, Perturb and Architectures by themselves, with outcomes that were planted, and on short real runs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from analysis import preset
from analysis.answers.architectures import architectures, searched, stored_search
from analysis.answers.occlusion import Curve, occlusion_curve, stored_curve
from analysis.answers.outcomes import Outcome, lean, outcome
from analysis.answers.wiring import UPDATES, Course, course, stored_course
from analysis.models.operators.language import sampled
from analysis.models.variants.spec import split
from analysis.scoring.lock import lock
from analysis.store.promises import Locked
from dashboards import Architectures, Design, Perturb, Wiring
from dashboards.command.cli import main
from dashboards.figures import paper
from dashboards.figures.spec import FigureSpec, Mark
from dashboards.lens.controls import model_problem
from dashboards.lens.lens import Picture
from dashboards.lenses import perturb
from dashboards.lenses.perturb import stamped_times
from dashboards.state import Selection
from dashboards.work.ledger import Ready
from dashboards.work.outcome_computations import outcome_key
from tests.figures import misprints


def rendered(lens, labels):
    assert not lens.failed and [picture.label for picture in lens.shown.pictures] == labels
    for picture in lens.shown.pictures:
        assert paper.render(picture.spec, format="svg").startswith(b"<?xml")
        assert misprints(picture.spec) == []
        assert "simulated" in picture.spec.stamp or picture.label == "Bits per byte"
        compile(picture.python, picture.label, "exec")


def plant(lens, names, whole, value):
    for name in names:
        key = outcome_key("outcome", name, lens.selection, whole)
        lens.outcomes.keep(key, Ready(value(name)))
    lens.refresh()


def fallen(name):
    variant, rng = split(name)[2], np.random.default_rng(abs(hash(name)) % 1000)
    fall = (
        0.0
        if not variant
        else 0.2 * variant.amount
        if variant.kind == "noise"
        else variant.amount / 100
    )
    return Outcome(name, r=0.4 - fall + 0.005 * rng.normal(), r_nested=0.4, bits_per_byte=2 + fall, delta_ll=0.2,
                   kl=np.nan if not variant else fall + 0.01)  # fmt: skip


def test_what_stands_for_a_masked_word_is_asked_only_where_words_are_masked():
    lens = Perturb(models=[])

    def stands():
        labels = [getattr(part, "label", "") for part in lens.controls._parts if part.visible]
        return "In place of a masked word" in labels

    assert not stands()
    lens.controls.find("masked")
    assert not stands()
    lens.controls.find("")
    lens.selection.breaks = "masks"
    assert stands()


def test_a_group_without_a_control_has_no_heading():
    """By what is chosen, and by what is searched: the style of the others stays, what is open stays open."""
    lens = Perturb(models=[])
    side = lens.controls
    assert side.headings == ["What", "How"] and list(side._groups.active) == [0, 1, 2]
    assert side._groups.sx["&:nth-of-type(3)"] == {"display": "none"}
    lens.selection.breaks = "lesion"
    assert side.headings == ["What", "How", "Localised units"]
    assert "&:nth-of-type(3)" not in side._groups.sx
    side.find("seeds")
    assert side.headings == ["How"]
    side.find("")
    assert side.headings == ["What", "How", "Localised units"]
    design = Design(models=[], design="power").controls
    assert "Results in and out" not in design.headings


@pytest.mark.parametrize("kind", [Perturb, Wiring, Architectures])
def test_run_is_not_offered_before_the_store_was_looked_into(kind):
    lens = kind(models=["zoo-causal-1m"], recording="simulated")
    assert not lens._empty._button.visible and "Looking into" in lens._empty._words.object
    lens.wait()
    assert lens._empty._button.visible and "Press Run" in lens._empty._words.object
    assert lens._empty._action == lens.run and lens._run.visible


def test_noise_is_asked_for_by_name_priced_and_drawn():
    lens = Perturb(models=["zoo-causal-1m"], recording="simulated", draws=2)
    assert "have not been run" in lens.shown.empty and len(lens.wanted()) == 1 + 3 * 3 * 2
    lens.wait()  # nothing of it is stored
    assert {one.title for one in lens.missing()} == {
        f"{name} on simulated" for name in lens.wanted()
    }
    assert all(one.seconds > 0 and not one.free for one in lens.missing())
    plant(lens, lens.wanted(), "zoo-causal-1m", fallen)
    rendered(lens, ["Score", "At the same KL", "Bits per byte", "Reading times"])
    assert (
        "zoo-causal-1m predicts with r" in lens.shown.pictures[0].spec.answer and not lens.missing()
    )
    assert "nats per word: .2000 of zoo-causal-1m, whole" in lens.shown.pictures[3].spec.answer


def test_a_mask_token_that_a_model_has_not_is_told_before_anything_runs():
    lens = Perturb(models=["zoo-causal-200k"], breaks="masks", hiding="token", draws=1)
    lens.wait(120)
    assert "zoo-causal-200k was not trained with a mask token" in lens.shown.empty
    assert not lens._run.visible
    lens.selection.models = ["zoo-causal-200k", "zoo-masked-1m"]
    lens.wait(120)
    assert lens._run.visible and lens._cost.object.count("zoo-") == 1


def test_lesions_and_masks_are_drawn_and_the_link_holds_what_was_chosen():
    lens = Perturb(models=["zoo-causal-1m"], recording="simulated", breaks="lesion", draws=3)
    plant(lens, lens.wanted(), "zoo-causal-1m", fallen)
    rendered(lens, ["Score", "Bits per byte", "Reading times"])
    lens.selection.breaks = "masks"
    for model in lens.selection.models:
        for seed in range(3):
            r = np.array([0.4, 0.3, 0.1])
            rest = {"bits_per_byte": 6 * r, "delta_ll": np.nan, "words": 0}
            frame = pd.DataFrame({"percent": [0, 50, 90], "r": r, "r_nested": r, **rest})
            key = outcome_key("curve", model, lens.selection, "word", seed)
            lens.curves.keep(key, Ready(Curve(model, "causal", "word", seed, frame)))
    lens.refresh()
    rendered(lens, ["Score", "What is left", "Bits per byte"])
    other = Selection()
    assert not other.read(lens.selection.query())
    assert (other.breaks, other.draws, other.models) == ("masks", 3, ["zoo-causal-1m"])


def test_reading_times_have_the_stamp_of_the_times_and_not_of_the_recording(monkeypatch):
    """Times of real readers stood under "simulated data" beside a simulated recording, and the other way round."""
    frame = pd.DataFrame({"x": [0.0, 1.0], "y": [0.1, 0.2]})
    made = tuple(
        Picture(label, FigureSpec("What?", (Mark("points", frame, "x", "y"),), stamp=stamp), frame)
        for label, stamp in (("Score", "simulated data"), ("Reading times", "simulated data"))
    )
    asked = perturb.simulated_stamp
    monkeypatch.setattr(
        perturb, "simulated_stamp", lambda name: (name != "real" and asked(name)) or ""
    )
    real, simulated = (stamped_times(made, [name]) for name in ("real", "simulated-reading"))
    assert [one.spec.stamp for one in real] == ["simulated data", ""]
    assert [one.spec.stamp for one in simulated] == ["simulated data"] * 2
    assert [one.spec.stamp for one in stamped_times(made, [])] == ["simulated data", ""]


def test_changed_sentences_are_run_kept_and_drawn(clean_home, tmp_path):
    choice = dict(models=["zoo-glove-64d"], breaks="words", draws=1, corpora=[], text="prose",
                  changes={"folds": 3, "inner_folds": 2, "bootstrap": 50})  # fmt: skip
    lens = Perturb(**choice)
    lens.wait()
    assert "have not been made" in lens.shown.empty and lens.missing()[0].seconds > 0
    lens.run(wait=True)
    rendered(lens, ["What is left", "Score"])
    assert (
        "zoo-glove-64d (r = .13) keeps 100 % of r with words in"
        in lens.shown.pictures[0].spec.answer
    )
    other = Perturb(**choice)
    other.wait()
    assert other.shown.there and not other.missing()
    wrong = Perturb(**choice | {"paraphrases": str(tmp_path / "none.csv")})
    wrong.run(wait=True)
    assert wrong.failed
    for one in (lens, other, wrong):
        one.close()


def test_without_a_model_each_offers_some_that_ship():
    for cls in (Perturb, Wiring):
        lens = cls(recording="simulated")
        assert "Choose" in lens.shown.empty
        lens.shown.action[1]()
        assert lens.selection.models[0] == "zoo-causal-1m" and lens.missing()


def test_noise_in_thirds_is_not_asked_of_a_model_of_two_blocks():
    lens = Perturb(models=["zoo-causal-200k"], recording="simulated")
    assert "zoo-causal-200k has 2 blocks" in lens.shown.empty and not lens.missing()
    lens.selection.breaks = "lesion"
    assert lens.missing()
    lens.selection.breaks = "noise"
    lens.shown.action[1]()
    assert lens.selection.models[0] == "zoo-causal-1m" and lens.missing()


def test_wiring_draws_what_was_trained_and_prices_the_rest():
    lens = Wiring(
        models=["zoo-causal-1m"], recording="simulated", parts=["all", "norms"], runs=2, updates=160
    )
    wishes = lens._wishes()
    assert len(wishes) == 1 + 5 * 2 + 2 * 2
    lens.wait()
    assert len({one.title for one in lens.missing()}) == len(wishes)
    long = next(one for one in lens.missing() if "all trained" in one.title)
    assert long.seconds > next(one for one in lens.missing() if "finished" in one.title).seconds
    for (birth, part, seed), wish in zip(lens._runs(), wishes, strict=True):
        steps = [n for n in UPDATES if n <= 160] if part else [0]
        done = tuple(
            (n, Outcome("w", r=0.1 + 0.05 * np.log1p(n), r_low=0, r_high=1, bits_per_byte=3.0))
            for n in steps
        )
        if not birth:
            done = ((3200, Outcome("zoo-causal-1m", r=0.4, r_low=0.35, r_high=0.45)),)
        weights = {"": 0, "all": 1000, "norms": 2}[part]
        lens.courses.keep(
            wish.key, Ready(Course("zoo-causal-1m", birth, part, seed, weights, 1000, 3200, done))
        )
    lens.refresh()
    rendered(lens, ["Updates", "At birth", "Updates x weights", "Bits per byte"])
    first, _, plane, _ = (picture.spec for picture in lens.shown.pictures)
    assert "vision: 54 %" in first.answer
    anchors = next(mark.frame for mark in plane.marks if mark.name == "vision, 80 %")
    assert set(zip(anchors["updates_percent"], anchors["log_weights"].round(3))) == {
        (2, 2),
        (100, 0.699),
    }


def test_what_is_stored_is_shown_when_a_page_opens_and_the_rest_priced(clean_home, monkeypatch):
    names = ["zoo-causal-200k", *(f"zoo-causal-200k@lesion:heads:25:{seed}" for seed in range(2))]
    monkeypatch.setattr("analysis.answers.perturb.lesion_names", lambda *_, **__: names)
    changes = {"folds": 3, "inner_folds": 2, "bootstrap": 50}
    asked = dict(
        recording="simulated", text="", corpus="", protocol=preset("defended").but(**changes)
    )
    first = [outcome(name, whole=names[0], **asked) for name in names[:2]]
    choice = dict(models=names[:1], changes=changes, corpora=[], text="prose")
    monkeypatch.setattr("dashboards.work.outcome_computations.words_of", lambda _: "")
    lens = Perturb(breaks="lesion", **choice)
    lens.wait()
    assert lens.outcomes.found(names, names[0]) == first
    assert lens.shown.there
    (rest,) = lens.missing()
    assert rest.title.startswith(names[2]) and rest.seconds > 0 and not rest.free


def test_a_stored_course_and_curve_are_found_whole_or_not_at_all(clean_home):
    model = "zoo-causal-200k"
    short = preset("defended").but(folds=3, inner_folds=2, bootstrap=50)
    asked = dict(recording="simulated", protocol=short, text="", corpus="")
    born = dict(birth="init", updates=[0], **asked)
    assert stored_course(model, "", **born) == (None, (0,))
    made = course(model, "", **born)
    assert stored_course(model, "", **born) == (made, ())
    assert stored_course(model, "norms", **born | {"updates": [0, 16]})[1] == (16,)
    levels = dict(levels=(0, 50))
    assert stored_curve(model, **levels, **asked) is None
    curve = occlusion_curve(model, **levels, **asked)
    pd.testing.assert_frame_equal(stored_curve(model, **levels, **asked).frame, curve.frame)
    assert stored_curve(model, how="delete", **levels, **asked) is None
    lock("the whole model is best", [model], ["simulated"], lean(short))
    with pytest.raises(Locked):
        stored_curve(model, **levels, **asked)


def _judged(one, on, *, seed=0, **_):
    """A network's numbers, planted by its name."""
    rng = np.random.default_rng([seed, *one.name.encode()])
    search, held_out = rng.normal(0.2, 0.05, 2)
    return {
        "search": search,
        "held_out": held_out,
        "layer": 1.0,
        "bits_per_byte": np.nan,
        "weights": 1e5,
    }


def test_a_search_is_found_again_to_the_last_bit_and_not_where_a_network_is_locked(
    clean_home, monkeypatch
):
    asked = dict(protocol=preset("defended"), count=8)
    monkeypatch.setattr("analysis.answers.architectures.judged", _judged)
    assert stored_search("simulated", **asked) is None
    made = searched("simulated", **asked)
    monkeypatch.setattr("analysis.answers.architectures.judged", None)  # nothing is judged again
    for again in (stored_search("simulated", **asked), searched("simulated", **asked)):
        pd.testing.assert_frame_equal(again.frame, made.frame)
        pd.testing.assert_frame_equal(again.facts["fresh"], made.facts["fresh"])
        assert (again.sentence, again.caption) == (made.sentence, made.caption)
    assert stored_search("simulated", **asked | {"seed": 1}) is None
    assert stored_search("simulated", preset("defended").but(context="none"), count=8) is None
    lens = Architectures(recording="simulated", networks=8)
    lens.wait()
    assert lens.shown.there and not lens.missing()
    lens.close()
    tried = f"{made.frame['name'][3]}@untrained:init:0"
    lock("it does better", [tried], ["simulated"], preset("defended"))
    with pytest.raises(Locked):
        stored_search("simulated", **asked)


def test_architectures_draw_search_and_unseen_apart():
    rng = np.random.default_rng(0)
    rows = []
    for number in range(40):
        one = sampled(rng)
        rows.append({"number": number, "name": one.name, "formula": one.formula, "family": one.family, "parent": -1,
                     "strategy": "random", "search": rng.normal(0.2, 0.05), "held_out": rng.normal(0.2, 0.05), "layer": 1,
                     "bits_per_byte": np.nan, "weights": one.width * 1000.0})  # fmt: skip
    answer = architectures(pd.DataFrame(rows))
    lens = Architectures(recording="simulated")
    lens.wait()  # it is not stored
    assert "No search was run" in lens.shown.empty and lens.missing()[0].seconds > 5
    lens.searches.keep(lens._wish().key, Ready(answer))
    lens.refresh()
    rendered(lens, ["Search and unseen", "Front", "Course"])
    course = lens.shown.pictures[2].spec  # its sentence counts from 1, and so does its axis
    drawn = course.marks[0].frame
    best = int(drawn.loc[drawn["search"].idxmax(), "number"])
    assert f"network {best} of 40" in course.answer and drawn["number"].tolist() == list(
        range(1, 41)
    )
    fresh = pd.DataFrame([
        {"name": one["name"], "formula": one["formula"], "family": one["family"], "seed": seed, "held_out": 0.2 + 0.01 * seed,
         "bits_per_byte": 3.0 + 0.1 * seed, "delta_ll": 0.002 + 0.0001 * seed}
        for one in rows[:3] for seed in range(3)
    ])  # fmt: skip
    trained = Architectures(recording="simulated", trained=16, corpora=["simulated-reading"])
    assert trained._wish().key != lens._wish().key
    trained.wait()
    trained.searches.keep(trained._wish().key, Ready(architectures(pd.DataFrame(rows), fresh)))
    trained.refresh()
    more = ["Fresh seeds", "Bits per byte", "Reading times"]
    rendered(trained, ["Search and unseen", "Front", "Course", *more])
    assert "nats a word" in trained.shown.pictures[-1].spec.answer
    assert "corpus='simulated-reading'" in trained.shown.pictures[0].python


@pytest.mark.slow
def test_a_search_runs_in_the_lens_and_on_the_command_line(tmp_path):
    lens = Architectures(recording="simulated", networks=6)
    lens.run(wait=True)
    assert not lens.failed and not lens.missing()
    assert [picture.label for picture in lens.shown.pictures][-1] == "Fresh seeds"
    done = CliRunner().invoke(
        main, ["architectures", "search", "--candidates", "6", "--out", str(tmp_path / "a.csv")]
    )
    assert done.exit_code == 0, done.output
    made = pd.read_csv(tmp_path / "a.csv")
    shown = lens.shown.pictures[0].table
    assert made["name"].tolist() == shown["name"].tolist()
    np.testing.assert_allclose(made["held_out"], shown["held_out"], rtol=1e-6)


def test_wrong_words_of_the_commands_are_answered_with_the_choices():
    run = CliRunner().invoke
    born = run(main, ["architectures", "search", "--times", "simulated-reading"])
    assert born.exit_code and "--updates 64" in f"{born.output}{born.exception}"
    assert "21 runs of 640 updates" in run(main, ["wiring", "--price"]).output
    wrong = run(main, ["perturb", "zoo-causal-1m", "zoo-causal-3m"])
    assert wrong.exit_code and "Give one model" in wrong.output
    wrong = run(main, ["units", "score", "nobody"])
    assert wrong.exit_code and "map of units 'nobody'" in wrong.output


@pytest.mark.parametrize(
    "variant,said",
    [
        ("lesion:map-nobodys:5", "Unknown map of units 'nobodys'"),
        ("lesion:matched-nobodys:5", "Unknown map of units 'nobodys'"),
        ("noise:all:0.1@mask:30:token", "was not trained with a mask token"),
    ],
)
def test_a_variant_that_cannot_be_is_told_before_any_model_runs(variant, said):
    name = f"zoo-causal-200k@{variant}"
    assert said in model_problem(name)
    assert not model_problem("zoo-masked-1m@mask:30:token")
    result = CliRunner().invoke(main, ["score", "random-16", name, "--on", "simulated"])
    assert result.exit_code and said in result.output and "random-16" not in result.output


def test_a_masked_model_is_priced_by_the_pass_that_it_needs_for_each_token():
    from dashboards.work.outcome_computations import bits_seconds, reading_seconds

    causal, masked = (
        f(name) for f in (bits_seconds,) for name in ("zoo-causal-1m", "zoo-masked-1m")
    )
    assert 2 < causal < 5 and 30 < masked < 60  # 2.5 and 44 s on one quiet core
    assert reading_seconds("zoo-masked-1m") > masked
