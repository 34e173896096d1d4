"""The lens Time and its command: figures, table, words; the curves are told, not computed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from analysis.answers.each_person import each_person_over_time
from analysis.answers.time_course import rows_over_time
from dashboards import Time
from dashboards.command.cli import main
from dashboards.figures.export import figure
from dashboards.figures.screen import draw
from dashboards.state import decode
from dashboards.work.ledger import Ready
from data.catalog.catalog import recording
from tests.analysis.test_time_course import course
from tests.figures import misprints


@pytest.fixture
def lens(monkeypatch):
    monkeypatch.setattr(
        "dashboards.lenses.time._look", lambda model, *_: Ready(course(model=model))
    )
    return Time(models=["zoo-causal-3m"], recording="simulated-story", protocol="story").run(
        wait=True
    )


def test_the_lens_draws_curves_and_gains(lens):
    view = lens.shown
    assert [one.label for one in view.pictures] == ["Time", "Peaks", "People", "Words"]
    assert view.stamps == ("simulated data",)
    assert view.pictures[2].table["person"].nunique() == 6
    assert "the others peak" in view.pictures[2].spec.answer
    spec = view.pictures[0].spec
    assert "zoo-causal-3m predicts told best at" in spec.answer
    assert any(rule.low == -2 and rule.high == 0 for rule in spec.rules)  # before the words
    assert {"word-rate"} == {mark.name for mark in spec.marks if mark.muted}
    for one in view.pictures:
        draw(one.spec)
        assert misprints(one.spec) == []
        assert figure(one.spec, "pdf", width_mm=174)[:4] == b"%PDF"
        compile(one.python, "time.py", "exec")
    assert all("lag_course" in one.python and "Owen" in one.methods for one in view.pictures[:3])
    assert "the words stand where the signal heard them" in view.pictures[3].spec.answer


def test_each_region_has_a_panel_and_the_link_holds_it(lens):
    lens.selection.places = "region"
    lens.refresh()
    assert lens.shown.pictures[0].spec.facet == "group"
    rows = 1 + max(row for _, row, *_ in lens._frames[0]._pane.object.children)
    heights = {child.height for child, *_ in lens._frames[0]._pane.object.children}
    room = int(lens._frames[0]._holder.styles["min-height"].removesuffix("px"))
    assert rows * heights.pop() <= room  # all rows lie above the caption
    assert set(lens.shown.pictures[1].table["group"]) == {"A", "B"}
    values, problems = decode(lens.selection.query())
    assert values["places"] == "region" and not problems


def test_surprisal_of_a_chosen_model_is_followed_beside_the_words(lens):
    """Offered are the chosen models that have one; what is not read yet is said below the figure, with the price above."""
    choice = lens.selection
    choice.models = ["zoo-causal-3m", "zoo-glove-64d", "zoo-causal-200k"]
    lens.run(wait=True)
    assert list(lens._bits.options) == ["none", "zoo-causal-3m", "zoo-causal-200k"]
    assert "surprisal" not in lens.shown.pictures[-1].table
    lens._bits.value = "zoo-causal-200k"
    lens.run(wait=True)
    words = lens.shown.pictures[-1]
    assert words.label == "Words" and words.table["surprisal"].notna().all()
    assert "Surprisal of zoo-causal-200k follows it best at" in words.spec.answer
    assert "surprisal='zoo-causal-200k', protocol=preset('story')" in words.python
    assert draw(words.spec) and misprints(words.spec) == []
    looks = {(mark.dashed, mark.muted) for mark in words.spec.marks}
    assert len(looks) == len(words.spec.marks) == 3  # word rate, surprisal, chance
    assert words.spec.y_title == "Pearson r with the signal"
    values, problems = decode(choice.query())
    assert values["bits"] == "zoo-causal-200k" and not problems
    choice.models = ["zoo-causal-3m"]
    assert "zoo-causal-200k" in lens._bits.options  # as a link may name it
    choice.bits = "zoo-glove-64d"
    lens.run(wait=True)
    words = lens.shown.pictures[-1]
    assert "surprisal" not in words.table
    assert words.spec.caption.endswith("zoo-glove-64d: embedding: no next-word probabilities.")


def test_surprisal_that_is_not_there_yet_is_said_so(lens, monkeypatch):
    from analysis.scoring.cost import Cost
    from dashboards.work.ledger import Priced

    monkeypatch.setattr(
        "dashboards.work.heard._look_heard", lambda *_: Priced(Cost(1, seconds=600.0))
    )
    lens.selection.bits = "zoo-causal-3m"
    words = lens.shown.pictures[-1]
    assert words.spec.caption.endswith("Surprisal of zoo-causal-3m: not computed yet.")
    assert "surprisal=" not in words.python
    assert any("Surprisal of zoo-causal-3m" in one.title for one in lens._wanted)


def test_a_recording_without_time_is_said_so():
    view = Time(models=["zoo-causal-3m"], recording="simulated").run(wait=True).shown
    assert "neither words with times" in view.empty and view.action is not None
    assert "Choose a model" in Time(recording="simulated-story").shown.empty


def test_the_command_says_writes_and_draws(monkeypatch, tmp_path):
    monkeypatch.setattr("dashboards.command.time.lag_course", lambda *_, **__: course(model="told"))
    out, drawn = tmp_path / "a.csv", tmp_path / "a.pdf"
    done = CliRunner().invoke(
        main,
        [
            "time",
            "random-16",
            "--on",
            "simulated-story",
            "--by",
            "region",
            "--out",
            str(out),
            "--figure",
            str(drawn),
        ],
    )
    assert done.exit_code == 0, done.output
    assert (
        "told predicts told best in A at 2 s" in done.output and drawn.read_bytes()[:4] == b"%PDF"
    )
    assert out.read_text().startswith("model,kind,group,lag,r,")
    done = CliRunner().invoke(
        main, ["time", "random-16", "--on", "simulated-story", "--figure", "a.gif"]
    )
    assert done.exit_code != 0 and ".pdf" in done.output


def test_the_command_writes_each_person(monkeypatch, tmp_path):
    monkeypatch.setattr("dashboards.command.time.lag_course", lambda *_, **__: course(model="told"))
    people = tmp_path / "people.csv"
    asked = ["time", "random-16", "--on", "simulated-story", "--people"]
    done = CliRunner().invoke(main, [*asked, str(people)])
    assert done.exit_code == 0, done.output
    told = each_person_over_time([course(model="told")])
    assert told.sentence in done.output
    written = pd.read_csv(people)
    assert list(written.columns) == list(told.frame.columns) and len(written) == len(told.frame)
    np.testing.assert_allclose(written["r"], told.frame["r"])
    monkeypatch.setattr(
        "dashboards.command.time.lag_course", lambda *_, **__: course(people=1, model="told")
    )
    done = CliRunner().invoke(main, [*asked, str(tmp_path / "none.csv")])
    assert done.exit_code != 0 and "has no table of people" in done.output
    assert not (tmp_path / "none.csv").exists()


def test_every_person_region_and_lag_is_a_row_in_file_table_and_zip(lens, monkeypatch, tmp_path):
    told, other = course(model="=told"), course(seed=1, model="other")
    rows = rows_over_time([told, other])
    assert list(rows.columns) == ["model", "kind", "person", "region", "lag", "unit", "r", "blocks"]
    assert not rows.duplicated(["model", "person", "region", "lag"]).any()
    assert len(rows) == 3 * 6 * 2 * 9  # two models and one control of the first
    one = rows.query("model == 'other' and person == 's3' and region == 'B' and lag == 4").iloc[0]
    own = other["r"].sel(curve="other", lag=4.0).values[:, 9]
    assert one["r"] == pytest.approx(own.mean()) and one["blocks"] == 5 and one["unit"] == "s"
    gone = told.copy(deep=True)
    gone["r"].loc[{"curve": "=told"}] = np.nan
    assert rows_over_time([gone]).query("kind == 'model'")[["r", "blocks"]].isna().any(axis=None)
    monkeypatch.setattr(
        "dashboards.command.time.lag_course", lambda model, *_, **__: course(model="=told")
    )
    out = tmp_path / "rows.csv"
    asked = ["time", "random-16", "--on", "simulated-story", "--rows", str(out)]
    done = CliRunner().invoke(main, asked)
    assert done.exit_code == 0, done.output
    written = pd.read_csv(out)
    assert len(written) == 2 * 6 * 2 * 9 and set(written["model"]) == {"'=told", "word-rate"}
    lens.refresh()
    first, _, people, _ = lens.shown.pictures
    assert first.more()["people_regions_lags.csv"].startswith(
        b"model,kind,person,region,lag,unit,r,blocks"
    )
    assert {"person", "region", "lag"} <= set(people.table) and b"own_peak" in people.more()[
        "people_peaks.csv"
    ]


def test_the_command_writes_each_person_in_each_region_and_takes_a_map(tmp_path):
    people = tmp_path / "people.csv"
    asked = ["regions", "random-8", "--on", "simulated-story"]
    for change in ("controls=", "shuffled_twin=no", "unique=no", "bootstrap=20", "ceiling=none"):
        asked += ["--set", change]
    done = CliRunner().invoke(main, [*asked, "--people", str(people)])
    assert done.exit_code == 0, done.output
    written = pd.read_csv(people)
    assert list(written.columns) == ["model", "region", "person", "r", "others", "n_targets"]
    story = recording("simulated-story")
    assert written["person"].nunique() == len(set(story.subjects.tolist()))
    assert "random-8 predicts" in done.output
    done = CliRunner().invoke(main, [*asked, "--set", "layer=map:none-such"])
    assert done.exit_code != 0 and "map of layers" in done.output
    done = CliRunner().invoke(main, [*asked, "--set", "layer=map:a", "--map", "b"])
    assert done.exit_code != 0 and "Two maps at once" in done.output
