"""Perturb's door for the localiser: a map is made on the page, listed, scored, cut out, and a model of its own."""

from __future__ import annotations

import numpy as np
import pytest
from click.testing import CliRunner

from analysis.answers.outcomes import Outcome
from analysis.answers.units import localised, make_map, score_map
from analysis.models.catalog import signature
from analysis.models.variants.maps import drop_map, load_map, maps
from dashboards import Perturb
from dashboards.command.cli import main
from dashboards.lens.controls import model_problem
from dashboards.lens.unit_maps import FOUND
from dashboards.page.checks import checks
from dashboards.work.ledger import Ready
from dashboards.work.outcome_computations import outcome_key
from data.errors import BrainLensError
from data.home import acting_for
from tests.figures import misprints

MODEL = "zoo-causal-200k"
NOUNS = ("dog", "cat", "fox", "man", "boy", "sun", "bird", "fish", "tree", "ship")
QUESTIONS = [f"Where did the {noun} go?" for noun in NOUNS]
STATEMENTS = [f"The {noun} went home ." for noun in NOUNS]
QUICK = {"folds": 3, "inner_folds": 2, "bootstrap": 50}


def opened(**more):
    asked = dict(models=[MODEL], breaks="lesion", recording="simulated", draws=1, changes=QUICK)
    lens = Perturb(**asked | more)
    (box,) = lens.controls._members[2]
    return lens, box


def test_a_map_is_made_listed_and_chosen_on_the_page(clean_home):
    lens, box = opened()
    assert list(box.chosen.options) == [FOUND] and box.make.disabled and not box.add.visible
    box.called.value = "Asked!"
    box.made()
    assert box.called.error_state and "cannot be the name of a map" in box.called.helper_text
    box.called.value, box.about.value = "asked", "questions above statements"
    box.first.value, box.second.value = "\n".join(QUESTIONS), "\n\n".join(STATEMENTS)
    assert (
        f"20 texts read by {MODEL}: about" in box._price.object and box.make.label == "Make the map"
    )
    box.make.clicks += 1
    lens.wait(120)
    assert maps() == ["asked"] and lens.selection.unit_map == "asked"
    assert box.chosen.options == {FOUND: "", "asked: questions above statements": "asked"}
    assert box.make.label == "Replace the map" and not lens.desk.errors.objects
    assert f"{MODEL}@lesion:map-asked:5:0" in lens.wanted()
    assert f"{MODEL}@lesion:matched-asked:5:0" in lens.wanted()
    box.add.clicks += 1
    cut = f"{MODEL}@lesion:map-asked:1"
    assert lens.selection.models == [MODEL, cut] and model_problem(cut) == ""
    checks()["unit_map"]("asked")
    with pytest.raises(BrainLensError, match="map of units 'other'"):
        checks()["unit_map"]("other")
    lens.close()


def test_a_map_is_deleted_by_who_made_it(clean_home):
    make_map(MODEL, "asked", QUESTIONS, STATEMENTS)
    make_map(MODEL, "again", STATEMENTS, QUESTIONS)
    lens, box = opened()
    assert not box.drop.visible  # sentences above non-words are nobody's
    lens.selection.unit_map = "asked"
    assert box.drop.visible
    box.drop.clicks += 1
    assert maps() == ["again"] and lens.selection.unit_map == ""
    assert list(box.chosen.options.values()) == ["", "again"] and not box.drop.visible
    with acting_for("ann"):  # what lies in the data folder is everybody's
        with pytest.raises(BrainLensError, match="belongs to everybody"):
            drop_map("again")
        lens.selection.unit_map = "again"
        assert not box.drop.visible
    assert CliRunner().invoke(main, ["units", "remove", "again"]).exit_code == 0 and maps() == []
    with pytest.raises(BrainLensError, match="Unknown map of units 'again'"):
        drop_map("again")
    lens.close()


def test_what_fits_no_map_is_told_beside_it(clean_home):
    lens, box = opened()
    box.called.value, box.first.value = "few", "One text."
    box.made()
    lens.wait(120)
    assert "two kinds of texts" in str([card.says for card in lens.desk.errors.objects])
    make_map(MODEL, "asked", QUESTIONS, STATEMENTS)
    other, beside = opened(models=["zoo-causal-1m"], unit_map="asked")
    assert f"Of other models: asked ({MODEL})." == beside._there.object
    assert f"The map asked was made on {MODEL}" in other.shown.empty and not other.missing()
    lens.close()
    other.close()


def test_a_damaged_map_blocks_nothing_and_is_told(clean_home, caplog):
    from analysis.models.variants.maps import maps_told
    from data.home import personal

    made = make_map(MODEL, "asked", QUESTIONS, STATEMENTS)
    folder = personal("units")
    whole = (folder / "asked.npz").read_bytes()
    turned = bytearray(whole)
    turned[whole.index(b"\x93NUMPY") + 400] ^= 1  # one bit among the values
    damages = {"empty": b"", "cut": whole[:200], "array": b"[]", "json": b"{}", "turned": bytes(turned)}  # fmt: skip
    for name, content in damages.items():
        (folder / f"{name}.npz").write_bytes(content)
    for name in ("Upper", "with space", ".hidden", "x" * 200):
        (folder / f"{name}.npz").write_bytes(whole)
    assert set(maps_told()) - {"turned"} == {"asked"} and set(maps()) == {"asked", *damages}
    assert np.array_equal(load_map("asked").t, made.t)
    for name in damages:
        with pytest.raises(BrainLensError, match=f"{name}.npz is damaged"):
            load_map(name)
    lens, box = opened()
    assert "asked: " not in str(box.chosen.options) and "asked" in box.chosen.options.values()
    maps_told()
    assert sum("empty.npz" in one.message for one in caplog.records) == 1  # said once
    lens.close()


def test_maps_and_bookmarks_count_against_the_quota(clean_home):
    from dashboards.page import bookmarks
    from dashboards.serve.rules import Rules
    from data.home import personal
    from data.rights import ruled_by

    ruled_by(Rules(administrators=("ada",), megabytes=1))
    try:
        with acting_for("bob"):
            personal("results").joinpath("large").write_bytes(bytes(999_000))
            with pytest.raises(BrainLensError, match="1 MB are allowed"):
                make_map(MODEL, "asked", QUESTIONS, STATEMENTS)
            with pytest.raises(BrainLensError, match="1 MB are allowed"):
                bookmarks.keep("long", "lens=layers&models=" + "x" * 20_000)
            bookmarks.keep("short", "lens=layers")
            bookmarks.remove("short")  # to remove needs no room
            assert maps() == [] and bookmarks.kept() == {}
    finally:
        ruled_by(None)


def test_lesions_by_a_map_are_drawn_with_where_its_units_are_and_what_they_predict(clean_home):
    make_map(MODEL, "asked", QUESTIONS, STATEMENTS, about="questions above statements")
    lens, _ = opened(unit_map="asked", draws=2)
    for name in lens.wanted():
        key = outcome_key("outcome", name, lens.selection, MODEL)
        lens.outcomes.keep(key, Ready(Outcome(name, r=0.4 - 0.1 * ("map-" in name), kl=np.nan)))
    lens.refresh()
    (left,) = lens.missing()
    assert left.title == "units of the map asked on simulated" and left.seconds > 0
    left.take(left.work(lens_report()), True)
    lens.refresh()
    score, where, predicted = lens.shown.pictures
    assert "by the map asked (questions above statements)" in score.spec.caption
    assert (
        where.label == "Localised units"
        and "that answer most to questions above" in where.spec.answer
    )
    assert (
        where.table["t"].is_monotonic_decreasing
        and len(where.table) == localised("asked").frame.shape[0]
    )
    assert predicted.label == "What they predict" and "simulated" in predicted.spec.stamp
    assert predicted.table.groupby("percent")["n"].nunique().tolist() == [1, 1, 1]
    assert "named='asked'" in score.python
    for picture in lens.shown.pictures:
        assert misprints(picture.spec) == []
        compile(picture.python, picture.label, "exec")
    lens.close()


def lens_report():
    from analysis.progress import SILENT

    return SILENT


def test_sizes_of_a_map_are_scored_as_one_by_one(clean_home):
    from analysis import preset
    from analysis.answers.units import score_units

    make_map(MODEL, "asked", QUESTIONS, STATEMENTS)
    short = preset("defended").but(**QUICK)
    both = score_map("asked", "simulated", short, percents=(5.0, 20.0), seeds=1).frame
    alone = score_units("asked", "simulated", short, percent=20.0, seeds=1).frame
    assert both[both["percent"] == 20]["r"].tolist() == alone["r"].tolist()


def test_a_map_that_is_made_again_changes_what_a_running_page_keeps_and_is_its_owners(clean_home):
    name = f"{MODEL}@lesion:map-asked:5"
    make_map(MODEL, "asked", QUESTIONS, STATEMENTS)
    before, plain = signature(name), signature(MODEL)
    make_map(MODEL, "asked", STATEMENTS, QUESTIONS)
    assert signature(name) != before and signature(MODEL) == plain
    common = load_map("asked").mark
    with acting_for("ana"):
        make_map(MODEL, "asked", QUESTIONS, STATEMENTS)
        own = load_map("asked").mark
    with acting_for("ben"):
        assert load_map("asked").mark == common != own  # what all see is as it was


def test_the_command_breaks_by_a_map_and_refuses_one_that_is_not_there(clean_home):
    run = CliRunner().invoke
    wrong = run(main, ["perturb", MODEL, "--by", "lesion", "--map", "nobody"])
    assert wrong.exit_code == 1 and "map of units 'nobody'" in wrong.output
    wrong = run(main, ["perturb", MODEL, "--map", "nobody"])
    assert wrong.exit_code == 1 and "--by lesion" in wrong.output
