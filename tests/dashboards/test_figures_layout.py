"""What the eye would see: no text of a printed figure over another or off the page, readable colours, sensible heights."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from bokeh.models import LabelSet

from analysis.answers.compare import published
from dashboards.figures import paper, paper_words, style
from dashboards.figures.export import PRESETS, preview
from dashboards.figures.labels import spread
from dashboards.figures.panels import drawing
from dashboards.figures.ranking import dots
from dashboards.figures.screen import draw as screen_draw
from dashboards.figures.spec import FigureSpec, Mark, Rule
from tests.figures import SHEETS, SPECS, births_spec, layers_spec, misprints, overlaps, strikes


def ranking(**options):
    return dots("How do the models rank?", published("schrimpf2021"), **options)


ALL = {**SPECS, "ranking": ranking}


@pytest.mark.parametrize("kind", ALL)
def test_no_text_lies_over_another_or_off_the_page(kind):
    assert misprints(ALL[kind]()) == []


def intervals_spec(**fields):
    """Own models, each named, with its interval, beside lines across and a fit."""
    spec = SPECS["task"](**fields)
    points = spec.marks[1]
    frame = points.frame.iloc[::2].assign(low=lambda d: d["y"] - 0.06, high=lambda d: d["y"] + 0.06)
    marks = (spec.marks[0], replace(points, frame=frame, low="low", high="high"))
    return replace(spec, marks=marks, rules=(Rule("y", 0.4), Rule("x", 150.0, "chance")))


NAMED = {"task": SPECS["task"], "untrained": SPECS["untrained"], "intervals": intervals_spec}


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda sheet: str(sheet[0]))
@pytest.mark.parametrize("kind", NAMED)
def test_no_line_strikes_a_name_and_no_joining_line_runs_through_one(kind, sheet):
    """42 models: the fit and the diagonal ran through names, and the lines that join names to points through others."""
    assert strikes(NAMED[kind](), *sheet) == []


@pytest.mark.parametrize("kind", NAMED)
def test_the_measure_of_strikes_can_fail(kind, monkeypatch):
    seen = paper_words.obstacles
    monkeypatch.setattr(paper_words, "obstacles", lambda *a: (seen(*a)[0], np.empty((0, 4))))
    assert strikes(NAMED[kind](), 85, None, 7)


def keyed(texts) -> dict[str, str]:
    """Name -> number of what a figure's foot explains, by number."""
    words = [said for said, _ in texts if "without room" not in said]
    entries = [entry.split(" ", 1) for said in words for entry in said.split("   ")]
    found = {one[1]: one[0] for one in entries if len(one) == 2 and one[0].isdecimal()}
    return dict(sorted(found.items(), key=lambda one: int(one[1])))


@pytest.mark.parametrize(("kind", "most"), [("task", 8), ("untrained", 9)])
def test_most_names_of_42_models_find_room_in_one_column(kind, most):
    """The others are numbers, which the foot explains."""
    texts, _ = paper.boxes(SPECS[kind]())
    counted = sum(int(words.split()[0]) for words, _ in texts if "without room" in words)
    assert keyed(texts) and len(keyed(texts)) + counted <= most and counted <= 2


def test_names_stand_in_the_same_places_each_time():
    assert paper.boxes(SPECS["untrained"]()) == paper.boxes(SPECS["untrained"]())


@pytest.mark.parametrize("sheet", [(60, None, 7), *SHEETS], ids=lambda sheet: str(sheet[0]))
@pytest.mark.parametrize("kind", ["task", "untrained"])
def test_every_model_is_named_or_numbered_or_counted(kind, sheet):
    """A name without room is a number beside its point and stands at the foot; one without room for a number is counted."""
    spec, (width, height, size) = SPECS[kind](), sheet
    models = set(spec.marks[-1 if kind == "untrained" else 1].frame["model"])
    texts, page = paper.boxes(spec, width_mm=width, height_mm=height, font_size=size)
    key, written = keyed(texts), [words for words, _ in texts]
    assert set(key) <= models - set(written)
    assert list(key.values()) == [str(n + 1) for n in range(len(key))]
    assert all(written.count(number) >= 1 for number in key.values())
    counted = sum(int(words.split()[0]) for words in written if "without room" in words)
    assert counted == len(models - set(written) - set(key))
    assert overlaps(texts) == []
    if height:
        assert abs(page[1] - height) < 0.1


def test_the_link_in_the_corner_stands_below_the_key():
    link = "localhost/app?lens=task&theme=light&models=zoo-causal-200k&benchmark=pereira2018"
    texts, page = paper.boxes(SPECS["task"](), corner=link)
    assert overlaps(texts) == [] and keyed(texts)
    assert min(box[1] for _, box in texts) > -0.1 and page[1] < 120


def test_panels_of_a_sheet_share_their_numbers():
    texts, _ = paper.boxes([SPECS["task"](), SPECS["untrained"]()], width_mm=174)
    key = keyed(texts)
    assert list(key.values()) == [str(n + 1) for n in range(len(key))]
    assert overlaps(texts) == []


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
    if (
        theme == "dark"
    ):  # plus and minus of a field of numbers: #424242 where the theme does not say
        assert style.contrast(palette["default"]["dark"], palette["background"]["default"]) >= 4.5


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


@pytest.mark.parametrize("kind", ["layers", "task"])
def test_points_and_their_signs_grow_with_the_lines(kind):
    """A slide has them as large as its words ask for."""
    from matplotlib.collections import PathCollection
    from matplotlib.lines import Line2D

    sizes = []
    for times in (1.0, 2.0):
        with paper._drawn(ALL[kind](), paper.Ink(line_width=times), 174, None, 72) as figure:
            lines = [
                line
                for line in figure.findobj(Line2D)
                if line.get_marker() not in ("None", "|", "_", "", None, 2, 3, 0, 1)
            ]
            points = [
                area**0.5 for one in figure.findobj(PathCollection) for area in one.get_sizes()
            ]
            sizes.append([*(line.get_markersize() for line in lines), *points])
    assert len(sizes[0]) > 0 and sizes[1] == pytest.approx([2 * one for one in sizes[0]])


@pytest.mark.parametrize("theme", style.THEMES)
@pytest.mark.parametrize("kind", ALL)
def test_every_word_of_a_figure_is_readable(kind, theme):
    from matplotlib.colors import to_hex
    from matplotlib.text import Text

    spec, paper_ = ALL[kind](), style.ink("paper", theme)
    with paper._drawn(spec, paper.Ink(theme=theme, corner="a link"), 85, None, 72) as figure:
        words = [text for text in figure.findobj(Text) if text.get_text().strip()]
        for text in words:
            if text.get_text() != "SIMULATED":  # behind everything; the stamp says it
                assert style.contrast(to_hex(text.get_color()), paper_) >= 4.5, text.get_text()


@pytest.mark.parametrize("kind", ["checkpoints", "steps"])
def test_training_steps_are_told_by_a_bar_and_not_by_names(kind):
    from bokeh.models import ColorBar, LabelSet, Legend

    from dashboards.figures.screen import draw

    texts, _ = paper.boxes(SPECS[kind](), width_mm=174)
    said = [words for words, _ in texts]
    assert "Training step" in said and "0" in said
    assert not [words for words in said if "-step" in words or words.startswith("step ")]
    plot = draw(SPECS[kind]())
    (bar,) = plot.select({"type": ColorBar})
    assert bar.title == "Training step" and len(set(bar.color_mapper.palette)) > 4
    names = [item.label.value for legend in plot.select({"type": Legend}) for item in legend.items]
    ends = [
        word for words in plot.select({"type": LabelSet}) for word in words.source.data["words"]
    ]
    assert not [name for name in [*names, *ends] if "-step" in name or name.startswith("step ")]


def test_a_bar_of_one_training_names_it_and_two_are_told_apart_by_markers():
    one = SPECS["checkpoints"](trainings=("zoo-causal-400k",))
    said = [words for words, _ in paper.boxes(one)[0]]
    assert "Training step of zoo-causal-400k" in said and "zoo-causal-400k, by step" not in said
    said = [words for words, _ in paper.boxes(SPECS["checkpoints"]())[0]]
    assert {"zoo-causal-400k, by step", "pythia-70m, by step"} <= set(said)


def test_a_long_name_at_the_end_of_a_line_stays_on_the_page():
    texts, _ = paper.boxes(SPECS["checkpoints"](), width_mm=85)
    assert "zoo-causal-400k\n@untrained:init:0" in [words for words, _ in texts]


def test_slanted_words_are_measured_along_their_slant():
    texts, _ = paper.boxes(SPECS["families"](), width_mm=85)
    squares = [box for words, box in texts if words == "transfo-xl-wt103"]
    assert len(squares) > 5 and len({round(box[2] - box[0], 6) for box in squares}) == 1
    assert squares[0][0] < squares[-1][0] and squares[0][1] < squares[-1][1]
    bert, five = ([one for one in texts if one[0] == name] for name in ("bert", "t5"))
    assert not overlaps([*bert, *five][len(bert) - 2 :])
    by = five[-1][1][0] - bert[-1][1][0]
    slid = [(words, (a + by, b, c + by, d)) for words, (a, b, c, d) in bert]
    assert overlaps([slid[-1], five[-1]])  # nearer, they touch


def test_words_below_an_axis_stand_upright_where_lines_hold_them():
    said = [words for words, _ in paper.boxes(SPECS["people"](), width_mm=114)[0]]
    assert "zoo-causal-200k\n@untrained:init:0" in said
    assert said.count("zoo-causal-200k@untrained:init:0") == 0


@pytest.mark.parametrize("width", [85, 114, 174, 254])
@pytest.mark.parametrize(
    "names",
    [
        ("5 to 9 words", "10 to 11 words", "12 to 13 words", "14 to 19 words"),
        ("LAud 100 mm", "LPTL 100 mm", "LATL 100 mm", "LIFG 100 mm", "LFoot 10 mm"),
    ],
)
def test_words_below_an_axis_do_not_read_as_one(names, width):
    """One space apart they would; where they have no room for two they stand on lines, or slanted."""
    frame = pd.DataFrame({"x": names, "y": np.arange(len(names)) / 10})
    spec = FigureSpec("Apart?", (Mark("points", frame, "x", "y"),), "Length", "r")
    size = 14 if width > 200 else 7
    texts, _ = paper.boxes(spec, width_mm=width, font_size=size)
    own = [(said, box) for said, box in texts if said.replace("\n", " ") in names]
    if len(own) > len(names):  # slanted words are rows of squares
        return
    assert len(own) == len(names)
    ends = sorted((box[0], box[2]) for _, box in own)
    gaps = [right[0] - left[1] for left, right in itertools.pairwise(ends)]
    assert min(gaps) > 0.5 * size / 72 * 25.4, [said for said, _ in own]


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda sheet: str(sheet[0]))
def test_words_above_bars_do_not_read_as_one(sheet):
    """Changes of a waterfall stood as "+.080 (+.059)+.000 (-.007)" on a slide."""
    said = [
        ".292",
        "-.084",
        "+.049 (+.065)",
        "-.028 (-.016)",
        "+.080 (+.059)",
        "+.000 (-.007)",
        ".308",
    ]
    frame = pd.DataFrame({"step": list("abcdefg"), "top": 0.3, "said": said})
    marks = (Mark("bars", frame, "step", "top"), Mark("text", frame, "step", "top", label="said"))
    width, height, size = sheet
    spec = FigureSpec("t", marks, "", "Pearson r")
    texts, _ = paper.boxes(spec, width_mm=width, height_mm=height, font_size=size)
    own = sorted(box for words, box in texts if words.replace("\n", " ") in said)
    assert len(own) == len(said)
    gaps = [right[0] - left[2] for left, right in itertools.pairwise(own)]
    assert min(gaps) > 0.4 * size / 72 * 25.4


def test_whole_ticks_are_round_and_stand_where_data_can():
    from dashboards.figures.panels import drawing

    assert drawing(SPECS["course"]()).whole_ticks == list(range(0, 60, 5))
    assert drawing(SPECS["steps"]()).whole_ticks == [0, 1, 2, 3, 4]


def grey_lines(*names):
    frame = pd.DataFrame({"x": [1.0, 10, 100], "y": [0.1, 0.2, 0.3]})
    marks = tuple(
        Mark("line", frame.assign(y=frame["y"] - 0.02 * place), "x", "y", name=name, muted=True, dashed=True)
        for place, name in enumerate(names)
    )  # fmt: skip
    return FigureSpec("t", marks, rules=(Rule("y", 0.0, "none"),), log_x=True)


@pytest.mark.parametrize("theme", style.THEMES)
def test_a_few_grey_lines_are_told_apart_by_their_dots_and_are_seen(theme):
    """Controls of Time: what the model is held against was a hair of dots, alike for all of them."""
    from bokeh.models import Legend

    from dashboards.figures.screen import draw

    spec = grey_lines("rate", "power", "oasm")
    plan = drawing(spec, theme)
    assert [entry.name for entry in plan.legend()] == ["rate", "power", "oasm"]
    assert [end.words for end in plan.ends(plan.panels[0])] == ["none"]
    with paper._drawn(spec, paper.Ink(theme=theme), 85, None, 72) as figure:
        lines = [line for line in figure.axes[0].lines if len(line.get_xdata()) == 3]
        assert len({str(line._unscaled_dash_pattern) for line in lines}) == 3
        for line in lines:
            assert style.contrast(line.get_color(), style.ink("paper", theme)) >= 4.5
    assert misprints(spec) == []
    plot = draw(spec, theme=theme)
    (legend,) = plot.select({"type": Legend})
    assert legend.glyph_width > 30 and "change:glyph_width" in legend.js_property_callbacks
    dashes = [
        tuple(one.glyph.line_dash) for one in plot.renderers if type(one.glyph).__name__ == "Line"
    ]
    assert len(set(dashes)) == 3


def test_grey_lines_that_no_legend_could_tell_apart_are_named_at_their_ends_on_a_logarithmic_axis_too():
    names = ["rate", "power", "length", "frequency", "oasm"]
    spec = grey_lines(*names)
    plan = drawing(spec)
    assert [end.words for end in plan.ends(plan.panels[0])] == ["none", *names]
    assert plan.legend() == []
    left, right = plan.extent[:2]
    assert plan.beyond(0.5) == pytest.approx(right * (right / left) ** 0.5)
    alone = drawing(grey_lines("rate"))
    assert [entry.name for entry in alone.legend()] == ["rate"]
    with paper._drawn(spec, paper.Ink(), 85, None, 72) as figure:
        axis = figure.axes[0].xaxis
        ticks = [*axis.get_majorticklocs(), *axis.get_minorticklocs()]
        assert len(ticks) > 5 and max(ticks) <= right  # none below the names
        assert figure.axes[0].get_xlim()[1] > right


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ((-1.3, 2), ["0.1", "1", "10", "100"]),
        ((0.4, 2), ["3", "10", "30", "100"]),
        ((2, 2), ["80", "90", "100"]),
    ],
)
def test_powers_of_ten_are_written_as_their_numbers(values, said):
    from dashboards.figures.screen import draw

    frame = pd.DataFrame({"x": [0.5, 2.0], "y": values})
    spec = FigureSpec("t", (Mark("points", frame, "x", "y"),), log_x=True, powers_y=True)
    assert list(drawing(spec).power_ticks.values()) == said
    assert set(said) <= {words for words, _ in paper.boxes(spec)[0]}
    assert list(draw(spec).yaxis[0].major_label_overrides.values()) == said


def one_model(frame=None, **fields):
    """A point of one model for each recording."""
    table = pd.DataFrame({"recording": ["a", "b"], "r": [0.2, 0.3], "model": "gpt2"})
    mark = Mark("points", table if frame is None else frame, "recording", "r", colour="model")
    return FigureSpec("t", (mark,), "", "Pearson r", (Rule("y", 0.0),), **fields)


def test_a_printed_figure_of_one_model_names_it():
    said = [words for words, _ in paper.boxes(one_model())[0]]
    assert "gpt2" in said


def test_a_line_that_ends_far_from_the_margin_is_named_beside_its_last_point():
    """Of two models the one with a single layer had its name in a legend alone."""
    early = pd.DataFrame({"model": "random-64", "depth": [0.0], "r": [0.06]})
    spec = layers_spec(("gpt2", "smollm2-135m"))
    frame = pd.concat([spec.marks[0].frame, early], ignore_index=True)
    spec = FigureSpec("t", (Mark("line", frame, "depth", "r", colour="model"),))
    plan = drawing(spec)
    assert [end.words for end in plan.ends(plan.panels[0])] == ["gpt2", "smollm2-135m"]
    assert [(end.words, end.at) for end in plan.early(plan.panels[0])] == [("random-64", 0.0)]
    assert plan.legend() == []
    for sheet in SHEETS:
        assert strikes(spec, *sheet) == []
        said = [words for words, _ in paper.boxes(spec, width_mm=sheet[0])[0]]
        assert said.count("random-64") == 1
    assert misprints(spec) == []
    (named,) = [
        one for one in screen_draw(spec).select({"type": LabelSet}) if "_text" in one.source.data
    ]
    assert list(named.source.data["_text"]) == ["random-64"]


def test_a_name_stands_beside_the_ring_of_its_point_and_not_on_it():
    """On the screen "zoo-glove-64d" began inside the ring of its chosen layer."""
    frame = pd.DataFrame(
        {"model": ["gpt2"] * 3 + ["random-64"], "depth": [0, 0.5, 1, 0], "r": [0.2, 0.3, 0.3, 0.1]}
    )
    chosen = frame.iloc[[2, 3]]
    marks = (Mark("line", frame, "depth", "r", colour="model"),
             Mark("points", chosen, "depth", "r", colour="model", name="chosen layer", ringed=True))  # fmt: skip
    plot = screen_draw(FigureSpec("t", marks))
    (named,) = [one for one in plot.select({"type": LabelSet}) if "_text" in one.source.data]
    data = named.source.data
    left, low = float(data["_dx"][0]), float(data["_dy"][0])
    right, high = left + 5.6 * len(data["_text"][0]), low + 12
    nearest = np.hypot(np.clip(0, left, right), np.clip(0, low, high))
    assert nearest > 8


def test_words_that_are_wider_than_their_bars_stand_upright_above_them():
    words = ["Can", "a", "forest", "be", "protected", "by", "burning", "it?"]
    frame = pd.DataFrame(
        {
            "word": words,
            "bits": [9.0, 12, 12, 8, 15, 3, 14, 17],
            "said": [f"{w}|ing" for w in words],
        }
    )
    marks = (
        Mark("bars", frame, "word", "bits"),
        Mark("text", frame, "word", "bits", label="said"),
    )
    spec = FigureSpec("t", marks, "Words", "Surprisal (bits)")
    assert misprints(spec) == []
    boxes = dict(paper.boxes(spec)[0])
    wide, high = (
        boxes["protected|ing"][side + 2] - boxes["protected|ing"][side] for side in (0, 1)
    )
    assert high > 3 * wide
    middle = lambda name: (boxes[name][0] + boxes[name][2]) / 2  # noqa: E731
    steps = np.diff([middle(f"{word}|ing") for word in words])
    assert np.ptp(steps) < 0.3  # each in the middle of its bar


def test_the_key_of_numbered_names_grows_with_the_words():
    slide = dict(width_mm=254, height_mm=142.9, font_size=14)
    heights = []
    for how in ({"width_mm": 85}, slide):
        texts = paper.boxes(SPECS["task"](), **how)[0]
        (said,) = [box for words, box in texts if words.startswith("1 ") and "   " in words]
        heights.append(said[3] - said[1])
    assert heights[1] > 1.7 * heights[0]


def test_names_keep_clear_of_larger_points():
    gaps = []
    for times in (1.0, 3.0):
        frame = pd.DataFrame(
            {"x": [0.0, 1.0, 0.5], "y": [0.0, 1.0, 0.5], "model": ["a", "b", "here"]}
        )
        spec = FigureSpec("t", (Mark("points", frame, "x", "y", colour="model", label="model"),))
        with paper._drawn(spec, paper.Ink(line_width=times), 85, None, 72) as figure:
            (word,) = [
                text
                for text in figure.findobj(lambda one: getattr(one, "get_text", str)() == "here")
            ]
            at = figure.axes[0].transData.transform((0.5, 0.5))
            box = word.get_window_extent()
            gaps.append(np.hypot(*(np.clip(at, (box.x0, box.y0), (box.x1, box.y1)) - at)))
    assert gaps[1] > 2 * gaps[0]


@pytest.mark.parametrize("rule", [Rule("y", 0.5), Rule("x", 0.5)])
def test_no_name_is_struck_by_a_line_of_reference(rule):
    frame = pd.DataFrame(
        {"x": [0.0, 1.0, 0.5], "y": [0.0, 1.0, 0.5], "model": ["a", "b", "a long name"]}
    )
    spec = FigureSpec(
        "t", (Mark("points", frame, "x", "y", colour="model", label="model"),), rules=(rule,)
    )
    with paper._drawn(spec, paper.Ink(), 85, None, 72) as figure:
        (word,) = figure.findobj(lambda one: getattr(one, "get_text", str)() == "a long name")
        box, axes = word.get_window_extent(), figure.axes[0]
        at = np.linspace(0.0, 1.0, 200)
        line = {"y": (at, 0 * at + 0.5), "x": (0 * at + 0.5, at)}[rule.axis]
        samples = axes.transData.transform(np.column_stack(line))
        inside = (samples > (box.x0, box.y0)) & (samples < (box.x1, box.y1))
    assert not inside.all(axis=1).any()


def test_names_with_every_choice_of_a_protocol_leave_the_points_their_room():
    models = [f"zoo-causal-{size}k (defended, folds=3, inner_folds=2, seeds={size}, ceiling=none, "
              "controls=('position', 'length', 'word-rate'), bootstrap=50)"
              for size in (200, 400, 800)]  # fmt: skip
    frame = pd.DataFrame({"entry": models, "r": [0.1, 0.2, 0.3], "model": models})
    mark = Mark("points", frame, "entry", "r", colour="model")
    spec = FigureSpec("t", (mark,), "", "Mean Pearson r, held out", horizontal=True)
    assert misprints(spec) == []
    with paper._drawn(spec, paper.Ink(), 85, None, 72) as figure:
        assert figure.axes[0].get_position().width > 0.3


def test_numbers_of_both_axes_stay_apart_on_a_slide():
    values = np.concatenate([np.linspace(-0.22, 0.64, 60), np.full(12, 0.1)])
    frame = pd.DataFrame({"r": np.tile(values, 2), "model": np.repeat(["gpt2", "random-64"], 72)})
    spec = FigureSpec("t", (Mark("histogram", frame, "r", "r", name="all targets"),), "Pearson r of a target", "Targets",
                      (Rule("x", 0.0),), facet="model", stamp="simulated data")  # fmt: skip
    assert misprints(spec) == []


def test_an_axis_ends_where_the_names_begin():
    with paper._drawn(layers_spec(), paper.Ink(), 85, None, 72) as figure:
        axes = figure.axes[0]
        assert axes.spines["bottom"].get_bounds()[1] < axes.get_xlim()[1]


def sizes_of(spec, **style_):
    from matplotlib.text import Text

    how = {"width_mm": 85, "height_mm": None, "font_size": 7, "line_width": 1.0} | style_
    ink_ = paper.Ink(how["font_size"], how["line_width"])
    with paper._drawn(spec, ink_, how["width_mm"], how["height_mm"], 72) as figure:
        every = [text for text in figure.findobj(Text) if text.get_text().strip()]
        return [text.get_fontsize() for text in every if text.get_visible()]


def test_a_long_ranking_is_cut_where_it_could_not_be_read_and_says_so():
    """43 models on a slide were written in 5.5 points."""
    spec, slide = ranking(), PRESETS["Slide 16:9"]
    assert min(sizes_of(spec, **slide)) >= 9 and min(sizes_of(spec)) >= 5
    frame = spec.marks[0].frame
    for how in (slide, {"width_mm": 85}, {"width_mm": 174}):
        texts, _ = paper.boxes(spec, **how)
        said = {words for words, _ in texts}
        shown = [entry for entry in frame["entry"].astype(str) if entry in said]
        left = len(frame) - len(shown)
        assert shown == list(frame["entry"].astype(str)[: len(shown)])  # the first ones
        more = [words for words in said if "more rows" in words]
        assert more == ([f"… {left} more rows: see the table"] if left else [])
        assert overlaps(texts) == [] and (how is slide) == bool(left)
    long = pd.concat([frame.assign(entry=frame["entry"] + end) for end in ("", "'", "*", "+", "-")])
    longer = FigureSpec("t", (Mark("points", long, "entry", spec.marks[0].y),), horizontal=True)
    assert paper.boxes(longer)[1][1] <= 120 and paper.boxes(longer, width_mm=174)[1][1] <= 240


@pytest.mark.parametrize(("width", "height", "size"), SHEETS)
def test_names_of_lines_across_a_ranking_stand_above_it_and_not_on_whiskers(width, height, size):
    spec = births_spec()
    texts, page = paper.boxes(spec, width_mm=width, height_mm=height, font_size=size)
    places = dict(texts)
    rows = [places[name] for name in places if name.startswith("birth")]
    highest = max(top for _, _, _, top in rows)
    named = [rule.label for rule in spec.rules if rule.label]
    assert len(named) == 2
    for label in named:
        left, bottom, right, top = places[label]
        assert bottom > highest and left >= -0.1 and right <= page[0] + 0.1 and top <= page[1] + 0.1
        assert right - left > top - bottom  # it is read without turning the head
    assert overlaps(texts) == []


def test_rows_of_large_letters_get_their_room_where_no_height_is_named():
    texts, _ = paper.boxes(births_spec(), width_mm=254, font_size=14)
    assert overlaps(texts) == []


def test_single_people_are_smaller_than_what_stands_for_them():
    """In grey print both had one size and one shade."""
    from dashboards.figures.paper_around import _handle

    frame = pd.DataFrame({"x": ["a", "a", "b"], "y": [0.1, 0.3, 0.2], "model": "gpt2"})
    marks = (
        Mark("points", frame, "x", "y", name="one person", muted=True),
        Mark("points", frame, "x", "y", colour="model"),
    )
    plan = drawing(FigureSpec("t", marks))
    with paper._drawn(plan.spec, paper.Ink(), 85, None, 72) as figure:
        dots, means = (one.get_sizes()[0] for one in figure.axes[0].collections)
    assert means > 2 * dots
    sizes = {entry.name: _handle(plan, entry).get_markersize() for entry in plan.legend()}
    assert sizes["one person"] < 0.75 * sizes["gpt2"]


def test_bars_that_are_hatched_are_hatched_in_the_legend():
    from dashboards.figures.paper_around import _handle

    plan = drawing(SPECS["bars"]())
    hatches = [_handle(plan, entry).get_hatch() for entry in plan.legend()]
    assert len(hatches) > 1 and len(set(hatches)) == len(hatches)
