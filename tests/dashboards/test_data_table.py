"""The table behind a figure: its filter takes every cell as it is written, missing ones too."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dashboards.lens.table import LONG_COLUMN, DataTable


def test_rows_are_filtered_whatever_their_cells_hold():
    frame = pd.DataFrame({
        "model": ["gpt2", None, "bert"],
        "r": [0.1, np.nan, 0.3],
        "layers": pd.array([12, None, 24], dtype="Int64"),
        "kind": pd.Categorical(["a", None, "b"]),
        "chosen": [True, False, True],
    })  # fmt: skip
    table = DataTable(name="t", picked=lambda _: None)
    table.tables = {"one": frame}
    for words, rows in (("gpt2", 1), ("true", 2), ("12 a", 1), ("nothing", 0), ("", 3)):
        table._filter.value_input = words
        assert len(table.current) == rows, words
        assert table.csv().getvalue().count("\n") == rows + 1
    table.tables = {"empty": frame.iloc[:0]}
    table._filter.value_input = "gpt2"
    assert table.current.empty


def test_small_numbers_keep_three_digits_and_stay_numbers():
    from bokeh.models import HTMLTemplateFormatter

    table = DataTable(name="t", picked=lambda _: None)
    table.tables = {
        "one": pd.DataFrame({"gain": [0.00862, -0.0001, 0.5], "n": [1000.0, 2000.0, 3.0]})
    }
    table.look(True)
    formatter = table._table.formatters["gain"]
    assert isinstance(formatter, HTMLTemplateFormatter) and "toPrecision(3)" in formatter.template
    assert table._table.formatters["n"]["precision"] == 0
    assert pd.api.types.is_float_dtype(
        table._table.value["gain"]
    )  # sorted as numbers, not as words


def test_a_column_of_long_texts_leaves_room_for_the_others_and_counts_are_no_fractions():
    table = DataTable(name="t", picked=lambda _: None)
    table.tables = {
        "one": pd.DataFrame(
            {"entry": ["a model (" + "folds=3, " * 20 + ")"], "model": ["a"], "n": [1]}
        )
    }
    table.look(True)
    assert table._table.widths == {"entry": LONG_COLUMN}
    assert table._table._configuration["columnDefaults"]["tooltip"]
    assert table._table.formatters["n"]["precision"] == 0
