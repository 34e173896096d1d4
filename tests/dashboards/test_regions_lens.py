"""The lens Regions, its brain on the screen and in print, and its command."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from analysis.answers.answer import Answer
from analysis.progress import SILENT
from dashboards import Regions
from dashboards.figures.brain import Brain, picture
from dashboards.figures.export import figure
from dashboards.figures.paper import boxes
from dashboards.figures.screen import draw
from dashboards.lens.parcels_picker import OWN, ParcelsPicker
from dashboards.lenses.regions import brain_of, by_depth, by_region, example
from dashboards.page.checks import checks
from dashboards.state import Selection
from dashboards.work.ledger import Refused
from dashboards.work.score_computations import offered
from data.errors import BrainLensError
from data.surface import CENTRES, mesh, on_cortex
from tests.data.test_parcels import annot
from tests.figures import misprints


@pytest.fixture(scope="module")
def answer():
    import pandas as pd

    rows = [
        {"model": "told", "region": name, "r": r, "r_low": r - 0.1, "r_high": r + 0.1, "p": 0.01, "q": 0.02, "above": True,
         "layer": 2, "depth": 0.5, "agreement": 0.8, "r_whole": r, "ceiling": 0.6, "others": 0.5,
         "n_targets": 6, "n_people": 6}
        for name, r in (("LIFG", 0.4), ("RATL", 0.2))
    ]  # fmt: skip
    said = {"told": "told predicts LIFG best.", "other": "other predicts RATL best."}
    return Answer(pd.DataFrame(rows), " ".join(said.values()), "Held out.", facts={"place": "region", "said": said},
                  axes={"x_title": "Region", "y_title": "r"})  # fmt: skip


@pytest.fixture(scope="module")
def cortex():
    return on_cortex([0.4, 0.2], np.array([CENTRES["LIFG"], CENTRES["RATL"]]), how="told places")


def coloured(image: np.ndarray) -> np.ndarray:
    """Pixels that are no grey, (row, column)."""
    rgb = image[..., :3].astype(int)
    return np.argwhere(np.ptp(rgb, axis=2) > 40)


@pytest.mark.parametrize("surface", ["pial", "inflated"])
def test_blobs_are_drawn_on_their_side_and_at_their_place(cortex, surface):
    """Left frontal: in the left half of the left lateral view. Right temporal pole: low, in the right half of the right one."""
    picture_ = picture(Brain(cortex.left, cortex.right, surfaces=(surface,), high=0.5), 600, 400)
    found = coloured(picture_)
    above = found[found[:, 0] < 200]  # outer sides above, inner ones below
    left, right = above[above[:, 1] < 300], above[above[:, 1] >= 300]
    assert len(left) > 10 and len(right) > 10
    assert np.median(left[:, 1]) < 150 and np.median(right[:, 1] - 300) > 150
    assert np.median(right[:, 0]) > 100  # row 0 is the top
    few = Brain(cortex.left, cortex.right, surfaces=(surface,), threshold=0.3, high=0.5)
    assert (coloured(picture(few, 600, 400))[:, 1] < 300).all()


def test_flat_maps_have_left_and_right(cortex):
    found = coloured(
        picture(Brain(cortex.left, cortex.right, surfaces=("flat",), high=0.5), 600, 300)
    )
    assert {int(c) // 300 for c in found[:, 1]} == {0, 1}


def test_the_brain_leaves_as_pdf_with_real_text_at_174_mm(answer, cortex):
    spec = brain_of(answer, "told", cortex, "all", 0.1, "simulated data")
    data = figure(spec, "pdf", width_mm=174)
    import re
    import zlib

    text = b"".join(
        zlib.decompressobj().decompress(one)
        for one in re.findall(rb"stream\r?\n(.*?)\r?\nendstream", data, re.S)
        if one[:1] == b"x"
    )
    assert b"/Type /Font" in data and text.count(b"BT") >= 10  # words are words
    width = float(re.search(rb"/MediaBox \[ ?0 0 ([\d.]+)", data)[1])
    assert width == pytest.approx(174 / 25.4 * 72, abs=1) and len(data) < 900_000
    svg = figure(spec, "svg", width_mm=174).decode()
    assert "left lateral" in svg and "mean over 6 people" in svg and "simulated data" in svg
    assert "2 of 2" not in spec.caption and "told places" in spec.caption
    assert "mean over 6 people; grey below 0.10" in svg  # the bar says what the grey is


@pytest.mark.parametrize(
    ("surface", "width", "size"), [("pial", 174, 7), ("inflated", 300, 7), ("pial", 300, 9)]
)
def test_names_of_views_stay_on_the_paper(answer, cortex, surface, width, size):
    texts, page = boxes(
        brain_of(answer, "told", cortex, surface, 0.0, ""), width_mm=width, font_size=size
    )
    tops = {words: box[3] for words, box in texts}
    assert max(tops.values()) <= page[1] and "right lateral" in tops


@pytest.mark.parametrize(("dpi", "least"), [(300, 400), (600, 800)])
def test_the_cortex_in_a_pdf_is_a_raster_of_the_printed_resolution(answer, cortex, dpi, least):
    """Four views side by side in 174 mm are 40 mm each."""
    import re

    spec = brain_of(answer, "told", cortex, "inflated", 0.0, "")
    data = figure(spec, "pdf", width_mm=174, height_mm=45, dpi=dpi)
    widths = [int(one) for one in re.findall(rb"/Width (\d+)", data)]
    assert sum(width >= least for width in widths) >= 4, widths


def test_an_own_recording_is_not_taken_away_by_what_an_empty_lens_offers():
    selection = Selection(recording="fox", preset="story")
    words, act = offered(selection, example)
    act()
    assert words == "Choose two models that ship" and selection.recording == "fox"
    assert selection.models == ["zoo-causal-1m", "zoo-glove-64d"]
    words, act = offered(fresh := Selection(), example)
    act()
    assert words == "Show the built-in example" and fresh.recording == "simulated-story"


def test_nothing_shines_through_the_cortex():
    """Values of the insula are not seen from the middle."""
    from data.surface import mesh

    place = mesh("pial", "left").points
    hidden = (place[:, 0] < -33) & (np.abs(place[:, 1:] - 5) < 13).all(axis=1)
    values, none = np.where(hidden, 0.4, np.nan), np.full(len(place), np.nan)
    assert hidden.sum() > 20
    bare, drawn = (
        picture(Brain(one, none, surfaces=("pial",), high=0.6), 1200, 800)[400:, :600].astype(int)
        for one in (none, values)
    )  # inner sides below, the left one left
    assert np.abs(drawn - bare).max() < 10


def test_what_is_drawn_has_a_dark_rim_without_which_grey_print_loses_it():
    """Values in the middle of the colours are as grey as the cortex."""
    none = np.full(10242, np.nan)
    one = none.copy()
    one[mesh("inflated", "left").points[:, 0] < -40] = 0.62
    drawn, bare = (
        picture(Brain(values, none, surfaces=("inflated",), high=1.0), 600, 400)[..., :3] / 255
        for values in (one, none)
    )
    changed = np.abs(drawn - bare).max(axis=-1) > 0.05
    dark = changed & (drawn.max(axis=-1) < 0.2)
    assert dark.sum() > 60 and dark.sum() < 0.3 * changed.sum()


def test_the_brain_on_the_screen_has_a_colour_bar_and_names(answer, cortex):
    from bokeh.models import ColorBar, LabelSet

    plot = draw(brain_of(answer, "told", cortex, "inflated", 0.0, ""))
    (bar,) = plot.select({"type": ColorBar})
    (names,) = plot.select({"type": LabelSet})
    assert (
        plot.match_aspect and type(plot.x_range).__name__ == "DataRange1d"
    )  # a brain is not stretched
    assert bar.title.startswith("Pearson r") and names.source.data["words"][0] == "left lateral"
    (bar,) = draw(brain_of(answer, "told", cortex, "inflated", 0.1, "")).select({"type": ColorBar})
    assert (
        max(map(len, bar.title.split("\n"))) < 48
    )  # not cut where the bar stands at the right edge
    places = dict(zip(names.source.data["words"], zip(names.source.data["x"], names.source.data["y"])))  # fmt: skip
    assert places["left lateral"][0] < places["right lateral"][0]
    assert places["left lateral"][1] > places["left medial"][1]  # one shape alone fills two rows
    glyph = plot.renderers[0].glyph
    assert glyph.dw / glyph.dh == 1.5
    rows = draw(brain_of(answer, "told", cortex, "all", 0.0, ""))
    (names,) = rows.select({"type": LabelSet})
    assert len(names.source.data["words"]) == 10 and len(set(names.source.data["y"])) == 3


@pytest.mark.parametrize("surface", ["inflated", "pial", "flat", "all"])
def test_names_of_views_do_not_lie_on_the_cortex(answer, cortex, surface):
    """Letters of 11 pixels take 27 units where a tile draws one shape, 20 where a window draws three."""
    from bokeh.models import LabelSet

    spec = brain_of(answer, "told", cortex, surface, 0.0, "")
    plot = draw(spec)
    high = plot.renderers[0].glyph.dh
    drawn, letters = picture(spec.brain, 1200, high), 20 if surface == "all" else 27
    (names,) = plot.select({"type": LabelSet})
    assert names.text_align == "left" and names.text_baseline == "top"
    for x, y in zip(names.source.data["x"], names.source.data["y"]):
        under = drawn[int(high - y) : int(high - y) + letters, int(x) : int(x) + 140, :3]
        assert (under == 255).all()


def test_a_brain_says_what_its_own_model_does(answer, cortex):
    assert brain_of(answer, "told", cortex, "flat", 0.0, "").answer == "told predicts LIFG best."
    assert brain_of(answer, "other", cortex, "flat", 0.0, "").answer == "other predicts RATL best."


def test_wrong_brains_are_refused(cortex):
    with pytest.raises(BrainLensError, match="shape of the cortex"):
        Brain(cortex.left, cortex.right, surfaces=("round",))
    with pytest.raises(BrainLensError, match="has no length"):
        Brain(cortex.left, cortex.right, low=1, high=1)


def test_points_of_regions_and_depths(answer):
    spec = by_region(answer, "")
    assert [(mark.name, mark.y, mark.ringed) for mark in spec.marks[:2]] == [
        ("ceiling", "ceiling", False), ("other people (lower bound of the ceiling)", "others", True),
    ]  # fmt: skip
    without = dataclasses.replace(answer, frame=answer.frame.assign(ceiling=np.nan, others=np.nan))
    assert len(by_region(without, "").marks) == 1 and not spec.empty
    assert "LIFG: layer 2 (depth 0.50, 80 % of folds)" in by_depth(answer, "").answer


def test_the_lens_shows_brain_regions_and_depth(answer, cortex, monkeypatch):
    from dashboards.work.score_computations import Scores
    from tests.analysis.conftest import build_score

    score = build_score()
    dots = pd.DataFrame(
        {"model": score.model, "region": "LIFG", "person": ["a", "b"], "r": [0.1, 0.3], "others": 0.2, "n_targets": 3}
    )  # fmt: skip
    mean = pd.DataFrame(
        [(score.model, "LIFG", 0.2, 0.1, 0.3, 2, 2)],
        columns=["model", "region", "r", "low", "high", "n", "above"],
    )
    people = Answer(dots, "2 of 2 people above 0.", "Each dot is a person.",
                    facts={"summary": mean, "others": dots[:0], "others_summary": mean[:0]},
                    axes={"x_title": "Region", "y_title": "r"})  # fmt: skip
    told = Answer(
        answer.frame.assign(model=score.model),
        answer.sentence,
        answer.caption,
        facts={**answer.facts, "people": people, "said": {score.model: "It predicts LIFG best."}},
        axes=answer.axes,
    )
    monkeypatch.setattr(Scores, "missing", lambda *_: [])
    monkeypatch.setattr(Scores, "found", lambda *_: [score])
    monkeypatch.setattr(
        "dashboards.lenses.regions._answered", lambda *_: (told, {score.model: cortex})
    )
    lens = Regions(models=["zoo-causal-3m"], recording="simulated-story", protocol="story").run(
        wait=True
    )
    assert [one.label for one in lens.shown.pictures] == [
        "Brain",
        "Regions",
        "Depth",
        "People",
    ]
    assert lens.shown.pictures[3].spec.answer.startswith("2 of 2 people")
    for one in lens.shown.pictures:
        assert misprints(one.spec) == []
    compile(lens.shown.pictures[0].python, "regions.py", "exec")
    lens.selection.parcels = "hemispheres"
    lens.run(wait=True)
    code = lens.shown.pictures[0].python
    compile(code, "regions.py", "exec")
    assert "parcels = load_parcels('hemispheres')" in code and code.count("parcels=parcels") == 2
    lens.selection.parcels = ""
    lens.selection.cortex = "none"
    lens.refresh()
    assert [one.label for one in lens.shown.pictures] == ["Regions", "Depth", "People"]
    assert "Choose a model" in Regions(recording="simulated-story").shown.empty


def parcels_of(lens) -> ParcelsPicker:
    (found,) = (one for one in lens.controls.select(ParcelsPicker))
    return found


def test_annotations_are_dropped_chosen_and_forgotten(clean_home, tmp_path):
    """Two files of one atlas are read together, off the page's loop; what is none is told and chooses nothing."""
    lens = Regions(models=["zoo-causal-3m"], recording="simulated-story", protocol="story")
    box = parcels_of(lens)
    assert list(box.chosen.options) == [OWN, "hemispheres"] and not box.drop.visible
    right = ("Unknown", "RH_Temp_1", "RH_Front_1")
    files = {
        one.name: one.read_bytes() for one in (annot(tmp_path, "lh"), annot(tmp_path, "rh", right))
    }
    before = lens._key
    box.file.value = files
    lens.wait(60)
    assert lens.selection.parcels == box.chosen.value == "mine" and box.drop.visible
    assert lens._key != before and "parcels=mine" in lens.selection.query()
    checks()["parcels"]("mine")
    with pytest.raises(BrainLensError, match="Unknown parcels 'other'"):
        checks()["parcels"]("other")
    key = lens._key
    box.take({"rh.Mine.annot": files["lh.Mine.annot"]})  # another right side under the same name
    lens.wait(60)
    assert lens._key != key and not lens.desk.errors.objects
    box.take({"notes.txt": b"x"})
    lens.wait(60)
    assert "no annotation of the cortex" in str([card.says for card in lens.desk.errors.objects])
    assert lens.selection.parcels == "mine"
    box.drop.clicks += 1
    assert lens.selection.parcels == "" and list(box.chosen.options) == [OWN, "hemispheres"]
    lens.close()


def test_parcels_that_are_not_here_are_named():
    lens = Regions(models=["zoo-causal-3m"], recording="simulated-story", parcels="gone")
    assert parcels_of(lens).chosen.options["gone (not here)"] == "gone"
    from dashboards.lenses.regions import _answered

    said = _answered({}, [], "simulated-story", lens.selection.protocol, "", "gone", SILENT)
    assert isinstance(said, Refused) and "Unknown parcels 'gone'" in said.reason
    lens.close()
