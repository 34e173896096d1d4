"""What other packages add: the example plugin is installed and used; what fails takes nothing else down."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest

from analysis.features.controls import CONTROLS, Asked
from analysis.models.base import Model
from analysis.models.classes import CLASSES
from analysis.scoring.metrics import METRICS, measure
from dashboards import LENSES
from dashboards.lens.lens import Lens
from data.catalog.catalog import RECORDINGS, recording
from data.errors import BrainLensError
from data.registry import Registry

PLUGIN = Path(__file__).parent.parent / "docs" / "examples" / "plugin"
ALL = (LENSES, CLASSES, RECORDINGS, METRICS, CONTROLS)


# ---- what ships -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("registry", ALL, ids=lambda one: one.group)
def test_every_name_that_ships_loads(registry):
    assert set(registry.own) <= set(registry.loadable())
    assert {registry.package(name) for name in registry.own} <= {"brainlens"}


@pytest.mark.parametrize("slug", LENSES.own)
def test_a_lens_says_what_it_is(slug):
    lens = LENSES[slug]
    assert lens.slug == slug and lens.label and lens.icon and lens.question.endswith("?")
    assert slug == "library" or issubclass(lens, Lens)


@pytest.mark.parametrize("name", CLASSES.own)
def test_a_class_of_model_is_one(name):
    assert issubclass(CLASSES[name], Model) and CLASSES[name].__doc__


@pytest.mark.parametrize("name", METRICS.own)
def test_a_metric_gives_a_value_per_target_and_leaves_out_what_was_not_measured(name):
    rng = np.random.default_rng(0)
    responses = rng.normal(size=(30, 4))
    predictions = responses + rng.normal(size=(30, 4))
    whole = METRICS[name](responses[:20], predictions[:20])
    responses[20:] = np.nan
    assert whole.shape == (4,) and np.isfinite(whole).all()
    np.testing.assert_allclose(METRICS[name](responses, predictions), whole)


@pytest.mark.parametrize("name", sorted(set(CONTROLS.own) - {"static-embedding"}))
def test_a_control_gives_a_row_per_stimulus(name):
    simulated = recording("simulated")
    made = CONTROLS[name](simulated, Asked(name))
    for matrix in made.values() if isinstance(made, dict) else [made]:
        assert len(matrix) == simulated.n_stimuli and np.isfinite(matrix).all()


def test_the_metric_pearson_is_the_r_of_the_score(tmp_path):
    from analysis import preset, score
    from analysis.store.store import Store

    protocol = preset("defended").but(
        folds=3, inner_folds=2, bootstrap=20, ceiling="none", controls=(), shuffled_twin=False,
        unique=False,
    )  # fmt: skip
    store = Store(tmp_path)
    found = measure("random-8", "simulated", protocol, ("pearson", "spearman"), store=store)
    made = score("random-8", "simulated", protocol, store=store)
    assert found["pearson"] == pytest.approx(made.value, abs=1e-5)
    assert 0 < abs(found["spearman"] - found["pearson"]) < 0.2


# ---- one that goes wrong --------------------------------------------------------------------------------------------------
def registry_with(monkeypatch, *points: tuple[str, str]) -> Registry:
    made = [EntryPoint(name, value, "brainlens.things") for name, value in points]
    monkeypatch.setattr("data.registry.entry_points", lambda group: made)
    return Registry("brainlens.things", "thing", {"ours": "data.errors:BrainLensError"})


def test_an_unknown_name_is_told_with_the_closest(monkeypatch):
    things = registry_with(monkeypatch)
    with pytest.raises(BrainLensError, match=r"thing.*our.*ours"):
        things["our"]


def test_a_package_that_fails_is_named_and_takes_nothing_else_down(monkeypatch):
    things = registry_with(monkeypatch, ("bad", "no_such_module:Thing"))
    with pytest.raises(
        BrainLensError, match=r"'bad' of the package .*cannot be loaded.*no_such_module"
    ):
        things["bad"]
    with pytest.warns(UserWarning, match="cannot be loaded"):
        assert list(things.loadable()) == ["ours"]


def test_a_name_that_is_taken_is_left_out_with_a_warning(monkeypatch):
    things = registry_with(monkeypatch, ("ours", "data.words:core"))
    with pytest.warns(UserWarning, match="'ours' of the package .* is left out: BrainLens has one"):
        assert list(things) == ["ours"]
    assert things["ours"] is BrainLensError


def test_one_can_be_added_for_this_process():
    METRICS.add("half", lambda responses, predictions: np.full(responses.shape[1], 0.5))
    try:
        assert "half" in METRICS and METRICS.package("half") == ""
    finally:
        METRICS.remove("half")
    assert "half" not in METRICS


def test_a_metric_of_the_wrong_shape_is_refused(tmp_path):
    from analysis.scoring.metrics import _checked

    with pytest.raises(BrainLensError, match=r"'odd' gives an array of shape \(3,\) for 2 targets"):
        _checked("odd", np.zeros(3), 2)


# ---- the example ----------------------------------------------------------------------------------------------------------
USED = """
from analysis import preset
from analysis.features.controls import features
from analysis.models import load
from analysis.models.catalog import cards, state
from analysis.scoring.metrics import measure
from dashboards import LENSES
from data.catalog.catalog import entries, recording

assert "letter-counts" in cards() and state("letter-counts") == "ready"
assert "rhythm" in entries(recordings=True)
data = recording("rhythm")
protocol = preset("defended").but(folds=4, inner_folds=2, bootstrap=20, ceiling="none", unique=False,
                                  shuffled_twin=False, controls=("length", "punctuation"))
found = measure("letter-counts", data, protocol, ("pearson", "same-sign"))
assert found["pearson"] > 0.6 and 0.6 < found["same-sign"] <= 1, found
from analysis import score
table = score("letter-counts", data, protocol).controls
assert list(table["control"]) == ["length", "punctuation"], table
lens = LENSES["lengths"](recording="rhythm")
assert "r = " in lens.shown.pictures[0].spec.answer
from dashboards.page.page import Workbench
bench = Workbench("lens=lengths&recording=rhythm")
assert bench.selection.lens == "lengths" and bench.lens.shown.there
print("used")
"""


def test_the_example_package_is_installed_and_used(tmp_path):
    """As pip leaves it: the package and its entry points in a folder on the path."""
    project = tomllib.loads((PLUGIN / "pyproject.toml").read_text())["project"]
    about = tmp_path / "brainlens_letters-1.0.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: 1.0.0\n"
    )
    (about / "entry_points.txt").write_text(
        "\n".join(
            f"[{group}]\n" + "\n".join(f"{name} = {place}" for name, place in points.items())
            for group, points in project["entry-points"].items()
        )
    )
    paths = [str(tmp_path), str(PLUGIN)]
    done = subprocess.run(
        [sys.executable, "-c", USED],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(paths),
            "BRAINLENS_HOME": str(tmp_path / "home"),
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and done.stdout.strip() == "used", done.stderr[-3000:]
