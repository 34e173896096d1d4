"""The page of Trust on paper: names of many panels have places of their own."""

from __future__ import annotations

from itertools import pairwise

import pandas as pd

from analysis.answers.answer import Answer
from dashboards.figures import paper
from dashboards.figures.panels import short
from dashboards.figures.spec import FigureSpec, Mark
from dashboards.figures.trust import leaks


def test_names_of_a_page_that_is_full_lie_on_no_other():
    """All panels of four models, and their verdicts: where a page has no room to spare, points come closer and names do not."""

    def points(title: str, names: int, series: int) -> FigureSpec:
        rows = [
            (f"{title[0]} name {i}", f"a-model-of-a-long-name-{j}", 0.1 * i)
            for i in range(names)
            for j in range(series)
        ]
        frame = pd.DataFrame(rows, columns=["what", "of", "r"])
        mark = Mark("points", frame, "what", "r", colour="of")
        return FigureSpec(
            f"{title}: does it hold for others and here?", (mark,), "r", "", horizontal=True
        )

    sizes = {"A": (10, 2), "B": (5, 4), "C": (5, 4), "D": (7, 2), "E": (3, 4), "F": (3, 4), "G": (6, 4), "H": (6, 4),
             "I": (6, 1), "J": (4, 2), "K": (4, 2), "L": (6, 2)}  # fmt: skip
    specs = [points(f"{letter} panel", *size) for letter, size in sizes.items()]
    heading = ("Is this number real?", *["some words of a verdict " * 18] * 4, "rules " * 240)
    texts, _ = paper.boxes(specs, width_mm=190, height_mm=277, font_size=6, heading=heading)
    for letter, (names, _) in sizes.items():
        places = [box for text, box in texts if text.startswith(f"{letter} name")]
        assert len(places) == names
        below = sorted(places, key=lambda box: box[1])
        for one, other in pairwise(below):
            assert other[1] >= one[3], letter


def test_a_leak_meter_of_long_names_stays_inside_one_column():
    """Names on two lines, the axis' title as wide as its axis, no line over another, a head of cells as it is or with dots."""
    models = [
        "a-model-with-a-rather-long-name",
        "another-model-of-a-long-name",
        "a-third-long-name",
    ]
    models.append("zoo-causal-200k@untrained:a-name-of-a-seed:0")
    names = [
        one
        for name in models
        for one in (name, f"random embedding beside {name}", f"{name}, untrained")
    ]
    rows = [
        (name, folds, 0.1 * i, 0.0, 0.2 * i)
        for i, name in enumerate(names)
        for folds in ("held-out groups", "shuffled")
    ]
    frame = pd.DataFrame(rows, columns=["what", "folds", "r", "low", "high"]).assign(n=1)
    said = Answer(frame, "", "", axes={"x_title": "", "y_title": "Pearson r, held out"})
    for width in (85, 174):
        texts, page = paper.boxes(leaks(said), width_mm=width)
        for words, box in texts:
            assert box[0] >= 0.7 and box[2] <= page[0] - 0.3, words
        lines = sorted(
            (box for words, box in texts if "name" in words and "folds" not in words),
            key=lambda box: box[1],
        )
        assert len(lines) == 12
        assert all(low[3] + 0.4 <= high[1] for low, high in pairwise(lines))  # they do not touch
        assert width > 100 or page[1] < 120
    assert short("beekeeping to tuxedo") == "beekeeping to tuxedo"
    assert short("a name that nobody reads above a cell") == "a name that nobody read…"
