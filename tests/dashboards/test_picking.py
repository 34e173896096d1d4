"""What a tap picks: stimuli and models, and nobody else."""

from __future__ import annotations

import pandas as pd

from dashboards.figures.spec import FigureSpec, Mark
from dashboards.lens.parts import Frame
from dashboards.lens.table import DataTable, names
from dashboards.lens.view import Picture


def drawn(heard: list, *frames: pd.DataFrame) -> Frame:
    part = Frame(heard.append)
    spec = FigureSpec("t", tuple(Mark("points", frame, "x", "y") for frame in frames))
    part.draw(Picture("P", spec, frames[0]), theme="light", alone=True)
    return part


def sources(part: Frame) -> list:
    return [one.data_source for one in part._pane.object.renderers]


def frame(**columns) -> pd.DataFrame:
    return pd.DataFrame({"x": [0.0, 1.0], "y": [0.2, 0.3]} | columns)


def test_a_slice_neither_picks_nor_takes_the_picks_back():
    heard = []
    (source,) = sources(drawn(heard, frame(level=["short", "long"])))
    source.selected.indices = [1]
    source.selected.indices = []
    assert heard == []


def test_rows_without_a_name_pick_nothing():
    heard = []
    (source,) = sources(drawn(heard, frame(model=["gpt2", None])))
    source.selected.indices = [1]
    assert heard == []
    source.selected.indices = [0, 1]
    assert heard == [["gpt2"]]


def test_a_tap_on_one_mark_is_not_undone_by_the_other_it_takes_back():
    """The browser tells of the point that was hit and, apart, of the marks whose points are let go; in either order."""
    for hit_first in (True, False):
        heard = []
        part = drawn(heard, frame(model=["gpt2", "bert"]), frame(model=["bert", "gpt2"]))
        part.mark(["gpt2"])
        one, other = sources(part)
        steps = [(one, [1]), (other, [])] if hit_first else [(other, []), (one, [1])]
        for source, indices in steps:
            source.selected.indices = indices
        assert heard == [["bert"]]
        for source in (one, other):
            source.selected.indices = []
        assert heard == [["bert"], []]


def test_table_rows_without_a_name_pick_nothing():
    heard = []
    table = DataTable(name="t", picked=heard.append)
    table.tables = {"one": frame(model=["gpt2", None])}
    table.look(True)
    table._table.selection = [1]
    assert heard == []
    table._table.selection = [0, 1]
    assert heard == [["gpt2"]]
    assert names(frame(level=[1, 2])).empty
