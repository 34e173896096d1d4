"""Figures for print: real text, right size, nothing clipped, stamped."""

from __future__ import annotations

import io
import re
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

from dashboards.figures import paper
from dashboards.figures.placing import RADII, placed
from dashboards.figures.spec import FigureSpec, Mark
from dashboards.figures.style import looks
from data.errors import BrainLensError
from tests.figures import SPECS, make_spec


def pixels(data: bytes) -> np.ndarray:
    return imread(io.BytesIO(data))[..., :3]


def svg_words(data: bytes) -> str:
    return " ".join(re.findall(r"<text[^>]*>([^<]+)</text>", data.decode()))


def pdf_streams(data: bytes) -> bytes:
    found = b""
    for stream in re.findall(rb"stream\r?\n(.*?)endstream", data, re.S):
        try:
            found += zlib.decompress(stream)
        except zlib.error:
            continue
    return found


def pdf_words(data: bytes) -> str:
    pieces = re.findall(rb"\(((?:\\.|[^\\()])*)\)", pdf_streams(data))
    return "".join(piece.decode("latin-1") for piece in pieces).replace(
        "\0", ""
    )  # two bytes per letter


@pytest.mark.parametrize("kind", SPECS)
def test_nothing_touches_the_edge(kind):
    image = pixels(paper.render(make_spec(kind), format="png", dpi=120))
    for edge in (image[0], image[-1], image[:, 0], image[:, -1]):
        assert (edge > 0.99).all()
    assert (image < 0.5).any()


@pytest.mark.parametrize("width_mm", paper.WIDTHS_MM)
def test_the_size_is_what_was_asked_for(width_mm):
    image = pixels(
        paper.render(make_spec("layers"), format="png", dpi=100, width_mm=width_mm, height_mm=60)
    )
    assert image.shape[:2] == (round(60 / 25.4 * 100 - 0.5), round(width_mm / 25.4 * 100 - 0.5))
    svg = paper.render(make_spec("layers"), format="svg", width_mm=width_mm, height_mm=60).decode()
    assert float(re.search(r'width="([\d.]+)pt"', svg)[1]) == pytest.approx(
        width_mm / 25.4 * 72, abs=0.01
    )


def test_text_is_text_in_svg():
    words = svg_words(paper.render(make_spec("layers"), format="svg"))
    for word in (
        "Relative depth",
        "Pearson r, held out",
        "gpt2@untrained:init:0",
        "ceiling .55",
        "shuffled folds",
        "chosen layer",
    ):
        assert word in words, word


def test_text_is_text_in_pdf():
    data = paper.render(make_spec("layers"), format="pdf")
    assert data.startswith(b"%PDF")
    assert b"/FontFile2" in data and b"/Type3" not in data  # TrueType, as editors want it
    assert "smollm2-135m" in pdf_words(data) and "Relative depth" in pdf_words(data)


@pytest.mark.parametrize("kind", ["layers", "bars", "histogram", "facets"])
def test_every_format_is_stamped(kind):
    spec = make_spec(kind, stamp="simulated data")
    words = svg_words(paper.render(spec, format="svg"))
    assert "simulated data" in words and "SIMULATED" in words
    pdf = paper.render(spec, format="pdf")
    assert "SIMULATED" in pdf_words(pdf) and b"simulated data" in pdf
    assert b"simulated data" in paper.render(spec, format="png")
    assert "SIMULATED" not in svg_words(paper.render(make_spec(kind, stamp=""), format="svg"))


def test_a_quality_note_is_on_the_figure():
    words = svg_words(
        paper.render(make_spec("bars", stamp="retyped, may carry digit errors"), format="svg")
    )
    assert "retyped, may carry digit errors" in words and "SIMULATED" not in words


def test_scores_above_one_are_flagged_and_counted():
    assert "ringed in red: 5 above 1" in svg_words(paper.render(make_spec("facets"), format="svg"))
    assert "ringed" not in svg_words(
        paper.render(make_spec("facets", flag_above=None), format="svg")
    )


def test_all_43_names_are_written():
    spec = make_spec("task")
    words = svg_words(paper.render(spec, format="svg", width_mm=174))
    assert all(model in words for model in spec.marks[1].frame["model"])
    assert len(spec.marks[1].frame) == 42


def test_colours_are_those_of_the_screen():
    svg = paper.render(make_spec("layers"), format="svg").decode()
    for look in looks(["gpt2", "smollm2-135m"]).values():
        assert look.colour in svg


def test_the_same_spec_gives_the_same_bytes():
    for format in paper.FORMATS:
        assert paper.render(make_spec("bars"), format=format, dpi=80) == paper.render(
            make_spec("bars"), format=format, dpi=80
        )


def test_two_threads_do_not_disturb_each_other():
    jobs = [("layers", "svg", 7), ("bars", "pdf", 12), ("histogram", "svg", 5), ("bars", "svg", 9)]

    def one(job):
        kind, format, size = job
        return paper.render(make_spec(kind), format=format, font_size=size)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(one, jobs)) == [one(job) for job in jobs]


def test_metadata_tell_the_answer():
    pdf = paper.render(make_spec("layers"), format="pdf", metadata={"Protocol": "defended"})
    for words in (
        b"gpt2's layer 4 of 6 predicts.",
        b"Held out by topic.",
        b"Protocol: defended",
        b"BrainLens",
    ):
        assert words in pdf, words


def test_a_negative_logarithm_is_left_out_not_an_error():
    frame = pd.DataFrame({"x": [-1.0, 0.0, 1.0, 10.0], "y": [1.0, 2.0, 3.0, 4.0]})
    assert paper.render(
        FigureSpec("t", (Mark("points", frame, "x", "y"),), log_x=True), format="svg"
    )


@pytest.mark.parametrize(("fields", "message"), [
    ({"format": "eps"}, "Unknown format 'eps'"),
    ({"width_mm": 4}, r"width_mm=4 cannot be drawn. Give 40 to 1200"),
    ({"font_size": 99}, "font_size=99 cannot be drawn"),
    ({"dpi": 9999}, "dpi=9999 cannot be drawn"),
])  # fmt: skip
def test_sizes_that_cannot_be_drawn(fields, message):
    with pytest.raises(BrainLensError, match=message):
        paper.render(make_spec("bars"), **fields)


def test_an_empty_figure_says_what_to_do():
    empty = FigureSpec("t", (Mark("points", pd.DataFrame({"x": [], "y": []}), "x", "y"),))
    with pytest.raises(
        BrainLensError, match=r"nothing to draw.*Choose models and a recording first"
    ):
        paper.render(empty)


def test_labels_do_not_lie_on_each_other():
    rng = np.random.default_rng(0)
    points = rng.uniform(20, 380, (30, 2))
    sizes = np.column_stack([rng.uniform(30, 60, 30), np.full(30, 9.0)])
    corners, clear = placed(points, sizes, points, (0, 0, 400, 400), 1.0)
    low, high = corners, corners + sizes
    for i in range(30):
        for j in range(i):
            assert (high[i] <= low[j]).any() or (high[j] <= low[i]).any(), (i, j)
    assert clear.all() and (low >= 0).all() and (high <= 400).all()
    gap = np.abs(np.clip(points, low, high) - points).max()
    assert gap <= max(RADII)


def test_labels_that_find_no_room_are_told():
    points = np.tile([50.0, 50.0], (12, 1)) + np.arange(12)[:, None] * 0.1
    _, clear = placed(
        points, np.tile([60.0, 10.0], (12, 1)), points, (0, 0, 100, 100), 1.0, radii=(3, 5)
    )
    assert 1 <= clear.sum() < 12
