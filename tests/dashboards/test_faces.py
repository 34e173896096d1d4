"""One number with one interval on every face: the verb, the command line, the lenses, the ranking, the exports, the paper."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from analysis.answers.answer import decimal, interval
from analysis.protocol import preset
from analysis.scoring.verb import score
from data.shares import percent

MODEL = "zoo-causal-200k"
CHANGES = {
    "folds": "4",
    "inner_folds": "2",
    "seeds": "2",
    "bootstrap": "100",
    "unique": "no",
    "shuffled_twin": "no",
}
PROTOCOL = preset("defended").but(**CHANGES, controls="position,length")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    patch = pytest.MonkeyPatch()
    folder = tmp_path_factory.mktemp("home")
    patch.setenv("BRAINLENS_HOME", str(folder))
    yield folder
    patch.undo()


@pytest.fixture(scope="module")
def one(home):
    return score(MODEL, "simulated", PROTOCOL)


def ends(r, low, high):
    return pytest.approx((r, low, high), abs=1e-9)


def test_the_score_is_nested_and_inside_its_interval(one):
    table = one.table()
    assert one.low < one.value < one.high and one.complete and one.preview == ""
    picked = [
        one.dataset.r.sel(layer=layer).values[fold] for fold, layer in enumerate(one.fold_layers)
    ]
    assert one.value == pytest.approx(np.mean(picked), abs=1e-6)
    assert set(table["score"]) == {one.value} and set(table["score_low"]) == {one.low}
    assert one.value <= table["r"].max() + 1e-9
    assert len(one.by_seed) == 2 and np.mean(list(one.by_seed.values())) == pytest.approx(one.value)
    share, low, high = one.share
    assert share == pytest.approx(one.value / one.ceiling.value) and low < share < high
    assert low != pytest.approx(
        one.low / one.ceiling.value
    )  # the ceiling's own uncertainty is in it


def test_the_command_line_says_the_same(one, tmp_path):
    from dashboards.command.cli import main

    settings = [
        f"--set={name}={value}"
        for name, value in (CHANGES | {"controls": "position,length"}).items()
    ]
    out = tmp_path / "table.csv"
    run = CliRunner().invoke(
        main, ["score", MODEL, "--on", "simulated", *settings, "--out", str(out)]
    )
    assert run.exit_code == 0, run.output
    said = " ".join(run.output.split())
    assert f"with r = {one.value:.3f} [{one.low:.3f}, {one.high:.3f}]" in said
    assert (
        f"{percent(one.share[0])} [{percent(one.share[1])}, {percent(one.share[2])}] of the ceiling"
        in said
    )
    read = pd.read_csv(out).iloc[0]
    assert (read["score"], read["score_low"], read["score_high"]) == ends(
        one.value, one.low, one.high
    )


def test_the_lenses_say_the_same(one):
    from dashboards import Layers, Task

    words = f"r = {decimal(one.value)} {interval(one.low, one.high)}"
    lens = Layers(models=[MODEL], recording="simulated", protocol=PROTOCOL).run(wait=True)
    picture = lens.view().pictures[0]
    assert (
        picture.spec.answer.startswith(f"{MODEL} predicts simulated")
        and words in picture.spec.answer
    )
    row = picture.table.iloc[0]
    assert (row["score"], row["score_low"], row["score_high"]) == ends(one.value, one.low, one.high)
    lens.close()
    lens = Task(
        models=[MODEL], recording="simulated", protocol=PROTOCOL, tables=[], own_x="width"
    ).run(wait=True)
    row = lens.view().pictures[0].table.iloc[0]
    assert (row["y"], row["low"], row["high"]) == ends(one.value, one.low, one.high)
    lens.close()


def test_the_answers_say_the_same(one):
    from dataclasses import replace

    from analysis.answers.reading import benchmark
    from analysis.answers.training import training
    from analysis.answers.untrained import at_chosen_layer

    row = at_chosen_layer([one]).frame.set_index("condition").loc["trained"]
    assert (row["r"], row["low"], row["high"]) == ends(one.value, one.low, one.high)
    row = benchmark([one]).frame.iloc[0]
    assert (row["r"], row["low"], row["high"]) == ends(one.value, one.low, one.high)
    model = one.provenance["model"] | {"id": "toy-step10"}
    step = replace(one, provenance=one.provenance | {"model": model})
    row = training([step]).frame.iloc[0]
    assert (row["r"], row["r_low"], row["r_high"]) == ends(one.value, one.low, one.high)


def test_the_ranking_and_the_exports_say_the_same(one, tmp_path):
    from analysis.answers.compare import rank
    from analysis.paper.tables import long_table
    from analysis.scoring.results import bring, export, results, targets

    board = results()
    row = board.iloc[0]
    assert (row["r"], row["r_low"], row["r_high"]) == ends(one.value, one.low, one.high)
    assert (row["normalised"], row["normalised_low"], row["normalised_high"]) == ends(*one.share)
    for scale, expected in (("raw", (one.value, one.low, one.high)), ("normalised", one.share)):
        ranked = rank(board, scale=scale).frame.iloc[0]
        assert (ranked["mean"], ranked["low"], ranked["high"]) == ends(*expected)
    for ending in ("csv", "parquet", "nc"):
        back = bring(export(board, tmp_path / f"board.{ending}")).iloc[0]
        assert (back["r"], back["r_low"], back["r_high"]) == ends(one.value, one.low, one.high)
    whole = pd.read_csv(one.save(tmp_path / "score.csv")).iloc[0]
    assert (whole["score"], whole["score_low"], whole["score_high"]) == ends(
        one.value, one.low, one.high
    )
    each = targets(row["key"])["r"].values
    np.testing.assert_allclose(each, one.per_target()["r"])
    table = long_table(one)
    chosen = table[table["chosen"]].groupby("target", sort=False)["r"].mean()
    np.testing.assert_allclose(chosen.to_numpy(), each, atol=1e-7)


def test_compare_the_tiles_the_capsule_and_the_people_say_the_same(one, tmp_path):
    from analysis.answers.groups import targets as by_target
    from analysis.answers.tiles import tiles
    from analysis.paper.capsule import write_capsule
    from analysis.scoring.capsules import read_capsule
    from dashboards import Compare
    from data.catalog.catalog import recording

    lens = Compare()
    lens.wait(30)
    for scale, expected in (("raw", (one.value, one.low, one.high)), ("normalised", one.share)):
        lens.selection.scale = scale
        ranked = lens.shown.pictures[0].table  # a file that was brought in again stands beside it
        assert set(ranked["model"]) == {MODEL}
        for row in ranked.itertuples():
            assert (row.mean, row.low, row.high) == ends(*expected)
    lens.close()
    tile = tiles([one])[0]
    assert (tile.r, tile.low, tile.high) == ends(one.value, one.low, one.high)
    made = write_capsule(tmp_path / "one.zip", one, recording("simulated"), predictions=False)
    back = read_capsule(made).result
    assert (back["r"], back["r_low"], back["r_high"]) == ends(one.value, one.low, one.high)
    each = by_target([one], {}).frame
    people = each.groupby("subject")["r"].mean()
    assert people.mean() == pytest.approx(one.value, abs=1e-6)


def test_the_draws_behind_every_face_are_those_of_the_number(one):
    """Differences, shares and ranks are made of draws: these have the ends that are shown, and know of the choice."""
    from analysis.scoring.nested import nested_draws
    from analysis.scoring.results import results

    stored = np.asarray(results().iloc[0]["draws"], float)
    assert np.percentile(stored, [2.5, 97.5]) == pytest.approx([one.low, one.high], abs=1e-6)
    fixed = nested_draws(one.dataset, one._positions, one.value)
    low, high = np.percentile(fixed, [2.5, 97.5])
    assert one.low <= low + 1e-12 and one.high >= high - 1e-12
    assert len(fixed) == len(one.draws) == 100


def test_one_fold_seed_is_a_preview_and_says_so_wherever_it_goes(home, tmp_path):
    from analysis.paper.tables import long_table
    from analysis.progress import Report
    from analysis.store.store import Store

    seen = []
    report = Report(on_partial=seen.append)
    few = PROTOCOL.but(controls="", ceiling="none")
    finished = score(MODEL, "simulated", few, store=Store(tmp_path / "store"), report=report)
    preview = next(part for part in seen if len(part.layers) == len(finished.layers))
    assert preview.preview == "preview: 1 of 2 fold seeds" and preview.preview in preview.stamp
    assert preview.value == pytest.approx(finished.by_seed[0]) and finished.preview == ""
    assert pd.read_csv(preview.save(tmp_path / "part.csv"))["preview"].eq(preview.preview).all()
    assert long_table(preview)["stamp"].str.contains("preview").all()
    assert "preview" not in pd.read_csv(finished.save(tmp_path / "whole.csv"))


def test_one_seed_gives_the_number_of_an_old_link(one, tmp_path):
    from analysis.store.store import Store

    alone = score(MODEL, "simulated", PROTOCOL.but(seeds=1), store=Store(tmp_path / "store"))
    assert alone.value == pytest.approx(one.by_seed[0], abs=1e-9)
    assert alone.dataset.sizes["fold"] == 4 and "seeds=1" in str(alone.protocol.changes()).replace(
        "'seeds': ", "seeds="
    )


def test_a_region_that_is_the_whole_recording_has_the_number_of_the_score(one):
    from dataclasses import replace

    from analysis.answers.regions import regions

    points = dict.fromkeys("xyz", ("target", np.arange(one.dataset.sizes["target"], dtype=float)))
    placed = replace(one, dataset=one.dataset.assign_coords(points))
    row = regions([placed]).frame.iloc[0]
    assert row["r"] == pytest.approx(one.value) == row["r_whole"]
    assert row["r_low"] < one.value < row["r_high"]  # people and blocks are drawn here
    halves = np.where(np.arange(one.dataset.sizes["target"]) % 2, "left", "right")
    placed = replace(one, dataset=one.dataset.assign_coords(region=("target", halves)))
    frame = regions([placed]).frame
    assert np.average(frame["r_whole"], weights=frame["n_targets"]) == pytest.approx(one.value)
