"""What the eye would see: no text of a printed figure over another or off the page, readable colours, sensible heights."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from analysis.answers.compare import published
from dashboards.figures import paper, style
from dashboards.figures.export import PRESETS, preview
from dashboards.figures.labels import spread
from dashboards.lenses.compare import dots
from tests.figures import SPECS, layers_spec

SHEETS = ((85, None, 7), (114, None, 7), (174, None, 7), (254, 142.9, 14))


def ranking(**options):
    return dots("How do the models rank?", published("schrimpf2021"), **options)


ALL = {**SPECS, "ranking": ranking}


def overlaps(texts, least: float = 0.15) -> list[tuple[str, str]]:
    """Pairs of texts whose boxes share more than this many millimetres both ways."""
    return [
        (one, other)
        for (one, a), (other, b) in combinations(texts, 2)
        if min(a[2], b[2]) - max(a[0], b[0]) > least and min(a[3], b[3]) - max(a[1], b[1]) > least
    ]


@pytest.mark.parametrize("kind", ALL)
def test_no_text_lies_over_another_or_off_the_page(kind):
    for width, height, size in SHEETS:
        texts, page = paper.boxes(ALL[kind](), width_mm=width, height_mm=height, font_size=size)
        assert len(texts) > 4
        assert overlaps(texts) == [], width
        for words, (left, bottom, right, top) in texts:
            assert (
                left > -0.1 and bottom > -0.1 and right < page[0] + 0.1 and top < page[1] + 0.1
            ), (words, width)
        if width == 85:
            assert page[1] < 120, page


def test_names_that_find_no_room_are_counted_on_the_figure():
    models = set(SPECS["task"]().marks[1].frame["model"])
    for width in (60, 85, 174):
        texts, _ = paper.boxes(SPECS["task"](), width_mm=width)
        left_out = len(models - {words for words, _ in texts})
        said = [words for words, _ in texts if "without room" in words]
        assert [int(words.split()[0]) for words in said] == ([left_out] if left_out else [])
    assert left_out == 0  # two columns hold them all


def test_the_measure_of_overlap_can_fail():
    texts = [("a", (0, 0, 10, 5)), ("b", (9, 4, 20, 8)), ("c", (30, 0, 40, 5))]
    assert overlaps(texts) == [("a", "b")]


def test_names_in_the_margin_stay_in_order_and_apart():
    places = spread(np.array([0.0, 1.0, 1.1, 50.0]), 10, 0, 100)
    assert (np.diff(np.sort(places)) >= 10 - 1e-9).all() and (
        np.argsort(places) == [0, 1, 2, 3]
    ).all()
    assert abs(places[3] - 50) < 1e-9 and places.min() >= 5
    crowded = spread(np.full(5, 99.0), 10, 0, 100)
    assert crowded.max() <= 95 + 1e-9 and len(set(np.round(crowded, 6))) == 5


def test_rules_of_near_values_are_both_read():
    from dashboards.figures.spec import Rule

    rules = (
        Rule("y", 0.30, "random embedding of width 64 0.30"),
        Rule("y", 0.302, "random embedding of width 192 0.30"),
    )
    texts, _ = paper.boxes(layers_spec(rules=rules), width_mm=85)
    assert overlaps(texts) == [] and sum("random embedding" in words for words, _ in texts) == 2


def test_a_ranking_puts_the_first_on_top_and_has_no_legend_of_its_own_names():
    from bokeh.models import Legend

    from dashboards.figures.screen import draw

    plot = draw(ranking())
    first = plot.yaxis[0].major_label_overrides[0]
    assert first == "gpt2-xl" and plot.y_range.start > plot.y_range.end
    assert not list(plot.select({"type": Legend}))


@pytest.mark.parametrize("theme", style.THEMES)
def test_words_are_readable_on_the_paper(theme):
    for role in ("text", "axis", "stamp", "flag"):
        assert style.contrast(style.ink(role, theme), style.ink("paper", theme)) >= 4.5, role
    from dashboards.look.look import THEME

    palette = THEME[theme]["palette"]
    for colour in (
        palette["warning"]["main"],
        palette["text"]["secondary"],
        palette["primary"]["main"],
    ):
        assert style.contrast(colour, palette["background"]["default"]) >= 4.5, colour


def test_previews_in_grey_have_no_colour_left():
    import io

    from PIL import Image

    spec = layers_spec()
    grey = np.asarray(Image.open(io.BytesIO(preview(spec, seen="grey"))).convert("RGB"), int)
    assert np.ptp(grey, axis=-1).max() == 0
    seen = np.asarray(
        Image.open(io.BytesIO(preview(spec, seen="deuteranopia"))).convert("RGB"), int
    )
    assert np.ptp(seen, axis=-1).max() > 0 and seen.shape == grey.shape


def test_a_sheet_has_letters_and_one_size():
    specs = [layers_spec(), SPECS["bars"]()]
    texts, page = paper.boxes(specs, width_mm=174)
    assert (
        {"A", "B"} <= {words for words, _ in texts}
        and round(page[0]) == 174
        and overlaps(texts) == []
    )


@pytest.mark.parametrize("name", PRESETS)
def test_presets_can_be_drawn(name):
    assert paper.render(layers_spec(), format="svg", **PRESETS[name]).startswith(b"<?xml")
