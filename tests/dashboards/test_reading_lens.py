"""The Reading lens without a browser: the built-in example, several models, what is asked of the store, errors, code, export."""

from __future__ import annotations

import io
import zipfile

import pytest

from dashboards import Reading
from dashboards.exporter import make
from dashboards.jobs import Runner
from dashboards.state import decode, encode

EXAMPLE = {"models": ["zoo-causal-400k"], "corpora": ["simulated-reading"]}


@pytest.fixture(scope="module")
def lens():
    one = Reading(runner=Runner(workers=1), **EXAMPLE)
    one.run(wait=True)
    yield one
    one.close()


def pictures(lens):
    return {picture.label: picture for picture in lens.shown.pictures}


def errors(lens) -> str:
    return " ".join(str(getattr(part, "object", "")) for card in lens._errors.objects for part in card.select())


def test_an_empty_selection_says_what_to_do_and_offers_the_example():
    lens = Reading(runner=Runner(workers=1))
    assert not lens.shown.there and "Choose a model" in lens.shown.empty
    _, show = lens.shown.action
    show()
    assert lens.selection.models == EXAMPLE["models"] and lens.selection.corpora == EXAMPLE["corpora"]
    lens.close()


def test_the_example_shows_gain_alignment_and_words(lens):
    shown = pictures(lens)
    assert list(shown) == ["Delta log-likelihood", "Alignment", "Words"] and not lens._errors.objects
    assert shown["Delta log-likelihood"].table["low"].iloc[0] > 0
    assert "goes with how people read" in shown["Delta log-likelihood"].spec.answer
    assert "do not respond to the next, unseen word" in shown["Alignment"].spec.caption
    assert lens.shown.stamps == ("simulated data",) == tuple({picture.spec.stamp for picture in shown.values()})
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
    assert pictures(lens)["Delta log-likelihood"].table["delta_ll"].iloc[0] == before  # kept, not computed again
    assert not lens.tasks()


def test_a_model_without_probabilities_and_a_recording_of_sentences_are_errors_in_words():
    lens = Reading(runner=Runner(workers=1), models=["zoo-glove-64d"], corpora=["simulated-reading"])
    lens.run(wait=True)
    assert "no next-word probabilities" in errors(lens) and not lens.shown.there
    lens.selection.param.update(models=["zoo-causal-400k"], corpora=["simulated"])
    lens.run(wait=True)
    assert "one response per sentence" in errors(lens) and not lens.shown.there
    lens.close()


def test_the_export_holds_figure_numbers_and_code(lens):
    bundle = make(pictures(lens)["Alignment"], "reading", lens.recipe(), width_mm=174, font_size=7)
    with zipfile.ZipFile(io.BytesIO(bundle.archive)) as opened:
        names = opened.namelist()
        assert {".pdf", ".svg", ".png", ".csv", ".py"} <= {"." + name.rpartition(".")[2] for name in names}
        code = next(name for name in names if name.endswith(".py"))
        assert b"from analysis.answers.reading import reading" in opened.read(code)


def test_the_link_carries_what_was_chosen():
    chosen = {"lens": "reading", "corpora": ["natural-stories", "words.csv#a"], "form": "gam", "link": "log"}
    values, problems = decode(encode(chosen))
    assert not problems and {name: values[name] for name in chosen} == chosen
    values, problems = decode("form=cubic&link=log")
    assert values == {"link": "log"} and "cubic" in problems[0]
