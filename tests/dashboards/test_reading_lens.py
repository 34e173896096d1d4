"""The Reading lens without a browser: the built-in example, several models, what is asked of the store, errors, code, export."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace

import pandas as pd
import pytest

from analysis.reading import mixed_model
from analysis.reading.run import price
from dashboards import Reading
from dashboards.lens.export_dialog import _TEXTS, make
from dashboards.state import decode, encode
from dashboards.work.jobs import Runner
from tests.figures import misprints

EXAMPLE = {"models": ["zoo-causal-400k"], "corpora": ["simulated-reading"]}


@pytest.fixture(scope="module")
def lens():
    one = Reading(runner=Runner(workers=1), **EXAMPLE)
    one.run(wait=True)
    before = one.selection.to_dict()
    yield one
    assert one.selection.to_dict() == before, "a test changed what the others share"
    one.close()


def pictures(lens):
    return {picture.label: picture for picture in lens.shown.pictures}


def errors(lens) -> str:
    return " ".join(
        str(getattr(part, "object", ""))
        for card in lens.desk.errors.objects
        for part in card.select()
    )


def test_an_empty_selection_says_what_to_do_and_offers_the_example():
    lens = Reading(runner=Runner(workers=1))
    assert not lens.shown.there and "Choose a model" in lens.shown.empty
    _, show = lens.shown.action
    show()
    assert (
        lens.selection.models == EXAMPLE["models"] and lens.selection.corpora == EXAMPLE["corpora"]
    )
    lens.close()


def test_the_example_shows_gain_alignment_and_words(lens):
    shown = pictures(lens)
    assert (
        list(shown) == ["Delta log-likelihood", "Alignment", "Words"]
        and not lens.desk.errors.objects
    )
    for picture in shown.values():
        assert misprints(picture.spec) == []
    assert shown["Delta log-likelihood"].table["low"].iloc[0] > 0
    assert "goes with how people read" in shown["Delta log-likelihood"].spec.answer
    assert "do not respond to the next, unseen word" in shown["Alignment"].spec.caption
    assert (
        lens.shown.stamps
        == ("simulated data",)
        == tuple({picture.spec.stamp for picture in shown.values()})
    )
    words = shown["Words"]
    assert len(words.table) == 2218 and len(words.spec.marks[-1].frame) == 24
    assert any("|" in label for label in words.spec.marks[-1].frame["label"])
    assert {"uncorrected", "corrected", "pieces"} <= set(words.table)


def test_the_code_behind_the_figure_gives_the_same_numbers(lens):
    code = pictures(lens)["Delta log-likelihood"].python
    scope: dict = {}
    exec(compile(code.replace('answer.frame.to_csv("reading.csv", index=False)', "").replace(
        'answer.facts["profile"].to_csv("lags.csv", index=False)', ""), "code", "exec"), scope)  # fmt: skip
    shown = pictures(lens)["Delta log-likelihood"].table
    assert scope["answer"].frame["delta_ll"].tolist() == shown["delta_ll"].tolist()


def test_another_scale_is_another_question(lens):
    before = pictures(lens)["Delta log-likelihood"].table["delta_ll"].iloc[0]
    lens.selection.link = "log"
    lens.run(wait=True)
    after = pictures(lens)["Delta log-likelihood"].table["delta_ll"].iloc[0]
    assert after != before and "log link" in pictures(lens)["Delta log-likelihood"].spec.caption
    lens.selection.link = "identity"
    assert (
        pictures(lens)["Delta log-likelihood"].table["delta_ll"].iloc[0] == before
    )  # kept, not computed again
    assert not lens.missing()


def test_a_model_without_probabilities_is_refused_in_words_and_a_recording_of_sentences_is_an_error():
    lens = Reading(
        runner=Runner(workers=1), models=["zoo-glove-64d"], corpora=["simulated-reading"]
    )
    lens.run(wait=True)
    assert (
        "no next-word probabilities" in lens.shown.empty
        and not lens.desk.errors.objects
        and not lens.missing()
    )
    lens.selection.models = ["zoo-glove-64d", "zoo-causal-400k"]
    lens.run(wait=True)
    assert (
        "zoo-glove-64d (embedding: no next-word"
        in pictures(lens)["Delta log-likelihood"].spec.caption
    )
    lens.selection.param.update(models=["zoo-causal-400k"], corpora=["simulated"])
    lens.run(wait=True)
    assert "one response per sentence" in errors(lens) and not lens.shown.there
    lens.close()


def test_single_trials_show_the_fit_each_person_and_models_among_readers():
    lens = Reading(runner=Runner(workers=1), form="mixed", **EXAMPLE)
    lens.run(wait=True)
    shown = pictures(lens)
    assert not lens.desk.errors.objects
    assert list(shown) == ["Delta log-likelihood", "Mixed model", "People", "Models and people", "Alignment",
                           "Words"]  # fmt: skip
    fit = shown["Mixed model"]
    assert "chi2(2) =" in fit.spec.answer and "(1 + surprisal | person)" in fit.spec.caption
    slope = fit.table.set_index("term").loc["surprisal"].iloc[0]
    assert slope["low"] < slope["per_sd"] < slope["high"] and 0.01 < slope["estimate"] < 0.02
    assert set(fit.table.loc[fit.table["part"] == "random", "group"]) == {
        "person",
        "item",
        "Residual",
    }
    made = make(fit, "reading", lens.recipe())
    handed = {name.split("/R/")[1]: data for name, data in made.files.items() if "/R/" in name}
    ours = pd.read_csv(io.BytesIO(handed["ours.csv"])).iloc[0]
    (file,) = (name for name in handed if "trials" in name)
    trials = pd.read_csv(io.BytesIO(handed[file]), dtype={"person": str, "item": str})
    formula = pd.read_csv(io.BytesIO(handed["models.csv"]))["formula"][0]
    again = mixed_model(trials, formula)
    assert again.aic == pytest.approx(ours["aic"], abs=1e-3) and again.n == len(trials)
    assert "lme4" in made.words(_TEXTS["R"]) and shown["People"].more is None
    alike = shown["Models and people"].table
    assert {"zoo-causal-400k", "one other person", "other people", "best other person"} <= set(alike["who"])  # fmt: skip
    assert set(alike["direction"]) == {"predicts a person", "is predicted by people"}
    assert {picture.spec.stamp for picture in shown.values()} == {"simulated data"}
    lens.close()


def test_averages_are_refused_for_trials_before_anything_runs(tmp_path):
    words = ["The", "quick", "brown", "fox", "jumps", "over", "the", "lazy", "dog", "."]
    rows = [f"t{t},{word},{300 + 9 * k + t}" for t in range(4) for k, word in enumerate(words)]
    (tmp_path / "averages.csv").write_text("\n".join(["story,word,rt", *rows]))
    lens = Reading(
        models=["zoo-causal-200k"], corpora=[str(tmp_path / "averages.csv")], form="mixed"
    ).run(wait=True)
    assert (
        "averages, no persons" in lens.shown.empty
        and "Choose a recording of persons" in lens.shown.empty
    )
    assert "gives every next word" not in lens.shown.empty and lens.shown.action is None


def test_the_filter_is_part_of_the_question_and_says_what_it_left_out(lens):
    lens.selection.filter = "none"
    lens.run(wait=True)
    shown = pictures(lens)["Delta log-likelihood"]
    whole, spec = shown.table["n_words"].iloc[0], shown.spec
    lens.selection.filter = "no-edges"
    shown = pictures(lens)["Delta log-likelihood"]
    assert shown.table["n_words"].iloc[0] < whole
    assert (
        "filter no-edges: left out" in shown.spec.caption and "filter no-edges" not in spec.caption
    )
    assert "bias the value downwards by about k / 2n" in shown.spec.caption
    assert "In sample the value would always be above 0" in shown.spec.caption


def test_beside_a_brain_score_pairs_are_listed_and_missing_ones_have_a_reason(lens):
    from analysis import preset, score

    quick = preset("defended").but(
        folds=3,
        inner_folds=2,
        seeds=1,
        bootstrap=50,
        ceiling="none",
        controls=(),
        shuffled_twin=False,
    )
    lens.selection.protocol = quick
    lens.selection.neural = "simulated"
    lens.run(wait=True)
    shown = pictures(lens)["Against neural score"]
    assert (
        "no stored score on simulated" in shown.spec.caption
        and "No model has both" in shown.spec.caption
    )
    stored = score("zoo-causal-400k", "simulated", quick)
    other = Reading(runner=Runner(workers=1), protocol=quick, neural="simulated", **EXAMPLE)
    other.run(wait=True)
    shown = pictures(other)["Against neural score"]
    assert (
        "held out" in shown.methods
        and "ridge" in shown.methods
        and "nats per word" in shown.methods
    )  # of both measures
    assert (
        shown.bibtex.count("brainlens")
        == 1
        == shown.bibtex.count("hoerl1970ridge,")
        == shown.bibtex.count("goodkind2018")
    )
    assert (
        shown.table["x"].iloc[0] == pytest.approx(stored.value)
        and "Pairs: zoo-causal-400k." in shown.spec.caption
    )
    assert (
        shown.table["y"].iloc[0]
        == pictures(other)["Delta log-likelihood"].table["delta_ll"].iloc[0]
    )
    other.close()
    lens.selection.lens = "layers"
    assert "no stored score on simulated" in pictures(lens)["Against neural score"].spec.caption
    lens.selection.lens = "reading"  # to the front again: the store is looked into again
    lens.wait(60)
    assert "Pairs: zoo-causal-400k." in pictures(lens)["Against neural score"].spec.caption
    lens.selection.param.update(neural="", preset="defended", changes={})


def test_each_verdict_names_its_model(lens):
    from analysis.answers.reading import answer
    from dashboards.figures import reading

    (first,) = lens._readings.values(key for key, *_ in lens._pairs())
    one = dict(
        model="second",
        rows=first.rows.assign(model="second"),
        profile=first.profile.assign(model="second"),
    )
    second = replace(
        first, says={"mean over people": ("shifted", "People respond to the next word.")}, **one
    )
    spec = reading.profile(answer([first, second]), "simulated-reading")
    assert (
        "mean over people: aligned (zoo-causal-400k), shifted (second). zoo-causal-400k: People do not"
        in spec.caption
    )
    assert "second: People respond to the next word." in spec.caption
    assert (
        spec.answer
        == "simulated-reading by the surprisal of second: People respond to the next word."
    )
    alone = reading.profile(answer([first]), "simulated-reading")
    assert alone.caption.startswith("mean over people: aligned. People do not") and not alone.answer


def test_a_model_that_failed_or_was_not_run_is_listed_with_the_reason(monkeypatch):
    real = price

    def costly(model, *args, **options):
        found = real(model, *args, **options)
        return found if model == "zoo-causal-400k" else replace(found, scored=0, seconds=60.0)

    monkeypatch.setattr("dashboards.lenses.reading.price", costly)
    lens = Reading(
        runner=Runner(workers=1), models=["zoo-causal-400k"], corpora=["simulated-reading"]
    )
    lens.run(wait=True)
    lens.selection.models = ["zoo-causal-400k", "zoo-causal-200k"]
    lens.wait(60)
    caption = pictures(lens)["Delta log-likelihood"].spec.caption
    assert "Left out: zoo-causal-200k (simulated-reading: not computed yet)." in caption

    def broken(*_, **__):
        raise ValueError("out of order")

    monkeypatch.setattr("dashboards.lenses.reading.read", broken)
    lens.run(wait=True)
    caption = pictures(lens)["Delta log-likelihood"].spec.caption
    assert (
        "zoo-causal-200k (simulated-reading: failed: ValueError: out of order)" in caption
        and "out of order" in errors(lens)
    )
    lens.close()


def test_times_are_predicted_from_activations_for_each_person():
    from analysis import preset

    quick = preset("defended").but(
        folds=3,
        inner_folds=2,
        seeds=1,
        bootstrap=50,
        ceiling="none",
        controls=(),
        unique=False,
        shuffled_twin=False,
    )
    lens = Reading(runner=Runner(workers=1), protocol=quick, fitted=True, **EXAMPLE)
    lens.run(wait=True)
    shown = pictures(lens)["Times from activations"]
    assert shown.table["people"].tolist() == [8] and shown.table["r"].iloc[0] > 0.1 and shown.scores
    assert "of 8 people" in shown.spec.answer and not lens.desk.errors.objects
    lens.close()


def test_the_export_holds_figure_numbers_and_code(lens):
    bundle = make(pictures(lens)["Alignment"], "reading", lens.recipe(), width_mm=174, font_size=7)
    with zipfile.ZipFile(io.BytesIO(bundle.archive)) as opened:
        names = opened.namelist()
        assert {".pdf", ".svg", ".png", ".csv", ".py"} <= {
            "." + name.rpartition(".")[2] for name in names
        }
        code = next(name for name in names if name.endswith(".py"))
        assert b"from analysis.answers.reading import reading" in opened.read(code)
        methods = opened.read(next(name for name in names if name.endswith("methods.txt"))).decode()
        assert (
            "zoo-causal-400k" in methods
            and "whole texts were held out" in methods
            and "nobody was measured" in methods
        )
        assert "simulated-reading: aligned" in methods
        references = opened.read(
            next(name for name in names if name.endswith("references.bib"))
        ).decode()
        assert (
            references.count("@") >= 3
            and "goodkind2018" in references
            and "brainlens" in references
        )


def test_the_link_carries_what_was_chosen():
    chosen = {"lens": "reading", "corpora": ["natural-stories", "words.csv#a"], "form": "gam", "link": "log",
              "filter": "official", "neural": "simulated", "fitted": True}  # fmt: skip
    values, problems = decode(encode(chosen))
    assert not problems and {name: values[name] for name in chosen} == chosen
    values, problems = decode("form=cubic&link=log")
    assert values == {"link": "log"} and "cubic" in problems[0]
