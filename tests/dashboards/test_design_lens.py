"""The Design and Similarity lenses, one view each, and the command's templates."""

from __future__ import annotations

import io
import re

import pandas as pd
import pytest
from click.testing import CliRunner

from analysis.progress import SILENT
from analysis.protocol import preset
from dashboards import Design, Similarity
from dashboards.command.cli import main
from dashboards.figures import paper
from dashboards.figures.panels import drawing
from tests.figures import misprints

QUICK = preset("defended").but(folds=3, inner_folds=2, seeds=1, bootstrap=20, ceiling="none", controls=(),
                               shuffled_twin=False, unique=False)  # fmt: skip


def made(lens):
    """The lens with everything computed that it asks for."""
    for _ in range(3):
        for one in lens.missing():
            one.take(one.work(SILENT), True)
    lens.refresh()
    assert lens.shown.there, lens.shown.empty
    for picture in lens.shown.pictures:
        assert paper.render(picture.spec, format="svg").startswith(b"<?xml")
        assert misprints(picture.spec) == []
        compile(picture.python, "design.py", "exec")
    return lens.shown.pictures


def test_what_is_missing_is_asked_for():
    assert "Choose a model" in Design(models=[]).shown.empty
    assert (
        "Choose two models that are to be set apart"
        in Design(models=["random-16"], design="controversial").shown.empty
    )
    lens = Design(models=["random-16", "random-32"], design="power")
    assert "smallest difference" in lens.shown.empty
    lens.selection.effect = "much"
    assert "'much' is no number" in lens.shown.empty
    alike = Similarity(models=[])
    assert "Choose two or more models" in alike.shown.empty
    for lens in (
        alike,
        Design(models=[], design="drive"),
        Design(models=[], design="controversial"),
    ):
        lens.shown.action[1]()
        assert len(lens.selection.models) == 2 and lens.missing()


@pytest.mark.parametrize("mute", ["zoo-glove-64d", "all-minilm-l6-v2", "xlnet-base-cased"])
def test_models_that_give_no_probabilities_are_told_before_anything_runs(mute):
    lens = Design(models=["zoo-causal-200k", mute], design="controversial")
    assert f"{mute} gives no probabilities of words" in lens.shown.empty
    assert not lens.missing()
    label, press = lens.shown.action
    assert label == "Compare predicted responses"
    press()
    assert lens.selection.by_response and lens.missing()
    masked = Design(models=["zoo-causal-200k", "zoo-masked-1m"], design="controversial")
    assert masked.missing()


def assert_experiments(picture, what):
    """The zip has the items for PCIbex and PsychoPy, each of them once or, as a pair, in two lists."""
    files = picture.more()
    assert {"experiment/README.txt", "experiment/items.csv", "experiment/pcibex/main.js"} <= set(
        files
    )
    compile(files["experiment/psychopy/experiment.py"], "experiment.py", "exec")
    items, shown = (
        pd.read_csv(io.BytesIO(files[f"experiment/{name}"]))
        for name in ("items.csv", "psychopy/conditions.csv")
    )
    assert len(items) and len(shown) == len(items) * (2 if what == "pairs" else 1)


def test_sentences_that_drive_and_suppress_are_drawn():
    lens = Design(models=["zoo-causal-200k"], recording="simulated", design="drive", layer="1")
    (picture,) = made(lens)
    assert picture.spec.stamp == "simulated data" and {"drive", "suppress"} <= set(
        picture.table["condition"]
    )
    assert "driving sentences" in picture.spec.answer
    assert_experiments(picture, "picked")


def test_power_is_drawn_against_people():
    lens = Design(
        models=["random-16", "random-32"], recording="simulated", design="power", effect="0.02"
    )
    lens.selection.protocol = QUICK
    (picture,) = made(lens)
    assert picture.spec.stamp == "simulated data"  # the pilot is
    assert picture.table["items"].nunique() == 3 and "it takes" in picture.spec.answer


def test_models_that_disagree_and_models_that_are_alike_are_drawn():
    lens = Design(models=["zoo-causal-400k", "zoo-causal-400k-step32"], recording="simulated", design="controversial",
                  candidates="simulated")  # fmt: skip
    (picture,) = made(lens)
    assert {"preferred_by_first", "gap"} <= set(picture.table) and not picture.spec.stamp
    assert_experiments(picture, "pairs")
    alike = Similarity(models=["zoo-causal-200k", "random-16", "random-32"], recording="simulated")
    first, second = made(alike)
    assert first.spec.heat.shape == (5, 5) and len(second.table) == 3
    assert {name[0] for name in first.spec.heat} == {
        "A",
        "B",
        "C",
    } and "B random-16" in first.spec.caption
    assert [row.split()[-1] for row in first.spec.heat.index] == list(first.spec.heat)
    one_scale = drawing(first.spec)
    assert one_scale.heat_range() == (first.spec.heat.min().min(), first.spec.heat.max().max())
    assert len(one_scale.heat_steps()) == 32 and len(set(one_scale.heat_steps())) > 20


def test_a_plan_from_a_table_of_ones_own_on_the_command_line(tmp_path):
    rows = [
        (p, i, (p % 3) * 0.1 + (i % 5) * 0.05 + ((p * 7 + i * 3) % 11) * 0.1)
        for p in range(12)
        for i in range(20)
    ]
    pd.DataFrame(rows, columns=["person", "item", "difference"]).to_csv(
        tmp_path / "pilot.csv", index=False
    )
    done = CliRunner().invoke(main, ["design", "power", "--pilot", str(tmp_path / "pilot.csv"), "--effect", "0.1",
                                     "--people", "10,20", "--out", str(tmp_path / "power.csv")])  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "To find a difference of 0.1 between A and B" in done.output
    assert pd.read_csv(tmp_path / "power.csv")["people"].unique().tolist() == [10, 20]
    done = CliRunner().invoke(main, ["design", "power", "--effect", "0.1"])
    assert done.exit_code == 1 and "There is no pilot" in done.output


def test_templates_are_written_beside_the_pairs(tmp_path):
    done = CliRunner().invoke(main, ["design", "controversial", "zoo-causal-400k",
                                     "zoo-causal-400k-step32", "--from", "simulated",
                                     "--count", "4", "--templates", str(tmp_path / "items")])  # fmt: skip
    assert done.exit_code == 0, done.output
    assert (tmp_path / "items" / "pcibex" / "main.js").is_file() and "Wrote" in done.output
    again = CliRunner().invoke(
        main, ["design", "controversial", "a", "b", "--templates", str(tmp_path / "items")]
    )
    assert again.exit_code == 1 and "is not empty" in again.output


def test_results_are_submitted_and_verified_on_the_command_line(tmp_path, clean_home):
    from analysis import score as scored

    scored("random-16", "simulated", QUICK)
    path = str(tmp_path / "s.json")
    done = CliRunner().invoke(main, ["results", "submit", path, "--lab", "A lab"])
    assert done.exit_code == 0 and "Wrote 1 results" in done.output, done.output
    done = CliRunner().invoke(main, ["results", "verify", path])
    assert (
        done.exit_code == 0 and "1 of 1 results of A lab came out the same here." in done.output
    ), done.output
    done = CliRunner().invoke(main, ["results", "history"])
    assert done.exit_code == 0 and "All results are of one version" in done.output


CONTROLS = {
    "drive": {"Candidate sentences", "Target", "Layer", "Recording"},
    "controversial": {
        "Candidate sentences",
        "Disagree in predicted responses, not in surprisal",
    },
    "power": {
        "Recording",
        "Smallest effect of interest",
        "Repeats of each item",
        "Items also train the regression (scores parts of the stimuli)",
    },
}


def controls_of(lens):
    """Labels of the controls that stand in the sidebar."""
    parts = [part for part in lens.controls._parts if part.visible]
    return {
        getattr(inner, "label", "")
        for part in parts
        for inner in (part, *getattr(part, "objects", ()))
    }


def test_only_controls_that_the_chosen_design_uses_stand_there():
    lens, every = Design(models=[]), set().union(*CONTROLS.values())
    for design, wanted in CONTROLS.items():
        lens.selection.design = design
        assert controls_of(lens) & every == wanted, design
    lens.controls.find("layer")  # the search does not bring back what is of no use
    assert not controls_of(lens) & every
    lens.controls.find("")
    assert controls_of(lens) & every == CONTROLS["power"]
    lens.controls.find("candidate")
    lens.selection.design = "drive"
    lens.controls.find("")
    assert controls_of(lens) & every == CONTROLS["drive"]
    lens.selection.param.update(design="controversial", by_response=True)
    assert {"Recording", "Target"} <= controls_of(lens)


@pytest.mark.parametrize(
    ("effect", "says"),
    [
        ("-1", "is a size"),
        ("0", "would care about"),
        ("nan", "would care about"),
        ("inf", "would care about"),
    ],
)
def test_an_effect_that_is_no_size_is_refused_in_the_lens(effect, says):
    lens = Design(models=["random-16", "random-32"], design="power", effect=effect)
    assert says in lens.shown.empty and not lens.missing()


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (["--effect", "-1"], "it has no direction. Give 1, which"),
        (["--effect", "0"], "would care about"),
        (
            ["--effect", ".1", "--people", "10,1"],
            "people=1: a test over people and items needs two of each",
        ),
        (["--effect", ".1", "--items", "0"], "items=0"),
        (["--effect", ".1", "--repeats", "0"], "repeats=0"),
        (["--effect", ".1", "--wanted", "2"], "wanted=2 is no probability"),
        (["--effect", ".1", "--alpha", "0"], "alpha=0 is no probability"),
    ],
)
def test_numbers_that_no_study_has_are_refused(tmp_path, asked, says):
    rows = [(p, i, 0.1 * p + 0.01 * i * p) for p in range(4) for i in range(4)]
    table = pd.DataFrame(rows, columns=["person", "item", "difference"])
    table.to_csv(tmp_path / "pilot.csv", index=False)
    command = ["design", "power", "--pilot", str(tmp_path / "pilot.csv"), *asked]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 1 and says in " ".join(done.output.split())


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "it is empty"),
        (b"\xff\xfe\x00", "cannot be read as a table"),
        (b"person,item,difference\n1,1,0.5\n1,2,much\n", "first 'much' (row 2)"),
        (b"person,item,difference\n" + b"".join(b"%d,%d,.5\n" % (p, i) for p in range(3) for i in range(3)),
         "nothing varies"),
    ],
)  # fmt: skip
def test_a_pilot_that_is_none_is_refused(tmp_path, content, says):
    (tmp_path / "pilot.csv").write_bytes(content)
    asked = ["design", "power", "--pilot", str(tmp_path / "pilot.csv"), "--effect", ".1"]
    done = CliRunner().invoke(main, asked)
    assert done.exit_code == 1 and says in " ".join(done.output.split())


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (["power", "random-16", "random-16", "--on", "simulated", "--effect", ".1"], "does not differ from itself"),
        (["drive", "random-16", "--on", "simulated", "--count", "0"], "count=0"),
        (["drive", "random-16", "--on", "simulated", "--shortest", "9", "--longest", "3"], "9 words or more and 3 or fewer"),
        (["drive", "random-16", "--on", "simulated", "--overlap", "7"], "overlap=7 is no share"),
        (["controversial", "zoo-causal-200k", "zoo-causal-400k", "--match-words", "-1"], "there is no such pair"),
        (["controversial", "zoo-causal-200k#1", "zoo-causal-200k#2"], "zoo-causal-200k#1 names a layer"),
    ],
)  # fmt: skip
def test_what_no_design_has_is_refused(asked, says):
    done = CliRunner().invoke(main, ["design", *asked])
    assert done.exit_code == 1 and re.search(says, " ".join(done.output.split()))
