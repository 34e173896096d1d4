"""Figures of people and items are drawn by the screen and by the printer, with their answers."""

import pandas as pd
import pytest

from analysis.answers.answer import Answer
from analysis.answers.choices import forced_choices
from dashboards.figures import people
from dashboards.figures.export import figure


def garden():
    frame = pd.DataFrame({"predictor": "m", "construction": "NPZ", "item": list("abc"), "bits": [1.0, 2, 3], "rt": [10.0, 22, 29],
                          "low": 0.0, "high": 40.0, "n": 9})  # fmt: skip
    line = pd.DataFrame({"predictor": "m", "construction": "NPZ", "bits": [1.0, 3.0], "rt": [10.8, 29.8], "low": 5.0,
                         "high": 35.0})  # fmt: skip
    return Answer(
        frame, "Yes.", "Items.", facts={"lines": line}, axes={"x_title": "bits", "y_title": "ms"}
    )


def shapes():
    frame = pd.DataFrame({"predictor": "m", "shape": ["probability", "spline"], "delta_ll": [0.1, 0.2], "low": 0.0, "high": 0.3,
                          "delta_aic": 1.0, "converged": True})  # fmt: skip
    return Answer(frame, "No.", axes={"x_title": "", "y_title": "nats"})


def labs():
    frame = pd.DataFrame({"predictor": "cloze", "lab": ["all", "kent"], "estimate": [0.8, 0.5], "low": 0.1, "high": 1.0, "z": 4.0,
                          "n": 9, "converged": True})  # fmt: skip
    return Answer(frame, "Yes.", axes={"x_title": "Laboratory", "y_title": "microvolts"})


def dots():
    frame = pd.DataFrame({"predictor": ["m", "m", "other people"], "person": list("aba"), "r": [0.1, 0.3, 0.2], "n_items": 9,
                          "chosen": ""})  # fmt: skip
    summary = pd.DataFrame({"predictor": ["m"], "r": [0.2], "low": [0.1], "high": [0.3]})
    return Answer(frame, "Some.", facts={"summary": summary}, axes={"x_title": "", "y_title": "r"})


def chosen():
    rows = [(p, q, p != "d") for p in "abcd" for q in range(3)]
    table = pd.DataFrame(rows, columns=["person", "pair", "chose_second"])
    return forced_choices(table.assign(second_model="n", right=1.0))


@pytest.mark.parametrize("make", [
    lambda: people.garden_paths(garden(), "NPZ"), lambda: people.predictability(shapes()), lambda: people.laboratories(labs()),
    lambda: people.persons(dots()), lambda: people.choices(chosen()),
], ids=["garden paths", "predictability", "laboratories", "persons", "choices"])  # fmt: skip
def test_every_figure_is_printed_with_its_answer(make):
    spec = make()
    assert (
        spec.answer
        and spec.y_title
        and len(spec.table)
        and figure(spec, "svg").lstrip().startswith(b"<?xml")
    )


def test_the_reading_lens_has_a_dot_for_each_person():
    from analysis.reading.run import read

    found = read("zoo-causal-400k", "simulated-reading", form="mixed", over="people",
                 formula="log(rt) ~ surprisal + length + (1 | person) + (1 | story)")  # fmt: skip
    spec = people.gains_of_people([found])
    assert len(found.people) == 8 and spec.answer.startswith(
        "zoo-causal-400k on simulated-reading: surprisal helps for "
    )
    assert people.gains_of_people([type("Reading", (), {"people": None})()]) is None


def test_the_dots_of_people_are_explained_on_the_figure():
    assert b">one person<" in figure(people.persons(dots()), "svg")
