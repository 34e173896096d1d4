"""The table under a figure: every number, filters, export."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pandas as pd
import panel as pn
import panel_material_ui as pmui

from dashboards.figures.numbers import written
from dashboards.figures.spec import ITEM
from dashboards.lens.meanings import meanings
from dashboards.look.look import note, plain
from data.files import guarded

__all__ = ["DataTable", "named", "names"]


def names(frame: pd.DataFrame) -> pd.Series:
    """What each row is picked by: its item, or its model, or nothing (an empty string); no rows for tables of neither."""
    column = next((column for column in (ITEM, "model") if column in frame), None)
    return (
        pd.Series(dtype=str)
        if column is None
        else frame[column].astype(str).where(frame[column].notna(), "")
    )


def named(rows: pd.Series) -> list[str]:
    """The names among some rows, each once."""
    return [name for name in rows.unique() if name]


LONG_TEXT, LONG_COLUMN = 80, 460
"""Letters from which on a column is cut to so many pixels."""


class DataTable(pmui.Column):
    """The numbers behind a figure: sorted, filtered, downloaded. Drawn only while it is looked at.

    Parameters
    ----------
    name : str
        Of the files.
    picked : callable
        Called with the names of the rows that the user picked.

    Attributes
    ----------
    notes : tuple of (term, meaning)
        What the columns mean, for their tooltips; set before the tables.
    """

    def __init__(self, *, name: str, picked: Callable[[list[str]], None], height: int = 430):
        self._height, self._picked, self._marked = height, picked, []
        buttons = [
            pmui.FileDownload(
                label=kind,
                callback=write,
                filename=f"{name}.{ending}",
                variant="outlined",
                size="small",
                icon=None,
                margin=(4, 6),
                description=f"{kind}: the rows as they are shown",
            )
            for kind, ending, write in (
                ("CSV", "csv", self.csv),
                ("Parquet", "parquet", self.parquet),
            )
        ]
        self._filter = pmui.TextInput(
            label="Filter rows",
            placeholder="part of any column",
            size="small",
            width=260,
            margin=(4, 6),
        )
        self._filter.param.watch(lambda event: self._found(event.new or ""), "value_input")
        self._which = pmui.RadioButtonGroup(
            label="Table", options=[], size="small", visible=False, margin=(4, 6)
        )
        self._which.param.watch(lambda _: self._show(), "value")
        self._holder = pmui.Column(sizing_mode="stretch_width", margin=0)
        self._count = note()
        bar = pmui.Row(
            self._which,
            self._filter,
            *buttons,
            margin=0,
            sx={"alignItems": "center", "flexWrap": "wrap"},
        )
        super().__init__(bar, self._holder, self._count, sizing_mode="stretch_width", margin=0)
        self.notes: tuple[tuple[str, str], ...] = ()
        self._tables: dict[str, pd.DataFrame] = {}
        self._table: pn.widgets.Tabulator | None = None
        self._looked_at = False
        self._sort = ""
        self.noted: Callable[[str, str], None] = lambda what, value: None
        self.leaving: Callable[[], None] = lambda: None  # asked before rows leave as a file

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The tables to choose from, before filters."""
        return self._tables

    @tables.setter
    def tables(self, tables: dict[str, pd.DataFrame]) -> None:
        self._tables = tables
        names = list(tables)
        if names != self._which.options:
            self._which.param.update(
                options=names, value=names[0] if names else None, visible=len(names) > 1
            )
        self._show()

    def told(self, sort: str, rows: str) -> None:
        """Sort and filter as a link says: ``r`` upwards, ``-r`` downwards."""
        self._sort = sort
        if rows != (self._filter.value_input or ""):
            self._filter.param.update(value=rows, value_input=rows)
        if self._table is not None and self._sorters() != list(self._table.sorters):
            self._table.sorters = self._sorters()

    def _found(self, rows: str) -> None:
        self._fill()
        self.noted("rows", rows)

    def _sorters(self) -> list[dict]:
        name = self._sort.removeprefix("-")
        if name not in self.frame.columns:
            return []
        return [{"field": name, "dir": "desc" if self._sort.startswith("-") else "asc"}]

    def _resorted(self, event) -> None:
        first = event.new[0] if event.new else None
        self._sort = ("-" if first["dir"] == "desc" else "") + first["field"] if first else ""
        self.noted("sort", self._sort)

    def look(self, active: bool) -> None:
        """Whether the table is in front."""
        self._looked_at = active
        self._show()

    @property
    def frame(self) -> pd.DataFrame:
        """The chosen table, before filters."""
        return self._tables.get(self._which.value, pd.DataFrame())

    @property
    def current(self) -> pd.DataFrame:
        """The rows that passed the filter, in the order the user sorted them."""
        if self._table is None:
            return self._filtered()
        view = self._table.current_view
        return view if len(view.columns) else self._filtered()

    def _show(self) -> None:
        if not self._looked_at:
            self._table = None
            self._holder.clear()
            return
        said = {
            name: plain(words) for name, words in meanings(self.frame.columns, self.notes).items()
        }
        known = (
            (list(self._table.value.columns), self._table.header_tooltips)
            if self._table is not None
            else None
        )
        if known != (
            list(self.frame.columns),
            said,
        ):  # neither can be changed in a table that is on the page
            self._table = _tabulator(
                self._filtered(), self._height, header_tooltips=said, sorters=self._sorters()
            )
            self._table.param.watch(self._pick, "selection")
            self._table.param.watch(self._resorted, "sorters")
            self._holder.objects = [self._table]
        self._fill()

    def _fill(self) -> None:
        frame = self._filtered()
        if self._table is not None and not frame.equals(self._table.value):
            self._table.value = frame
        self.mark(self._marked)
        every = len(self.frame)
        self._count.object = (
            f"{len(frame)} of {every} rows" if len(frame) < every else f"{every} rows"
        )

    def mark(self, values: list[str]) -> None:
        """Select the rows of these items or models."""
        self._marked = list(values)
        if self._table is None:
            return
        rows = np.flatnonzero(names(self._table.value).isin(values)).tolist()
        if rows != self._table.selection:
            self._table.selection = rows

    def _pick(self, event) -> None:
        """A click selects one row: all of what it belongs to is picked, or let go where it was picked before."""
        every = names(self._table.value)
        if every.empty:
            return
        gone, come = (
            named(every.iloc[sorted(set(a) - set(b))])
            for a, b in ((event.old, event.new), (event.new, event.old))
        )
        picked = [value for value in self._marked if value not in gone]
        picked += [value for value in come if value not in picked]
        if picked != self._marked:
            self._picked(picked)

    def _filtered(self) -> pd.DataFrame:
        words, frame = (self._filter.value_input or "").lower().split(), self.frame
        if words and len(frame):
            texts = [" ".join(map(str, row)).lower() for row in frame.itertuples(index=False)]
            frame = frame[[all(word in text for word in words) for text in texts]]
        return frame.reset_index(drop=True)

    def csv(self) -> io.StringIO:
        """The rows as shown, as CSV."""
        self.leaving()
        return io.StringIO(guarded(self.current).to_csv(index=False))

    def parquet(self) -> io.BytesIO:
        """The rows as shown, as Parquet."""
        self.leaving()
        stream = io.BytesIO()
        self.current.to_parquet(stream, index=False)
        stream.seek(0)
        return stream


def _tabulator(frame: pd.DataFrame, height: int, **params) -> pn.widgets.Tabulator:
    kinds = {name: _kind(name, frame[name]) for name in frame.columns}
    formatters = _formatters()
    return pn.widgets.Tabulator(
        frame,
        disabled=True,
        show_index=False,
        pagination="local",
        page_size=25,
        height=height,
        sizing_mode="stretch_width",
        layout="fit_data_fill",
        margin=(4, 0),
        titles={name: plain(name.replace("_", " ")) for name in frame.columns},
        formatters={name: formatters[kind] for name, kind in kinds.items() if kind in formatters},
        widths=_widths(frame),
        configuration={"columnDefaults": {"tooltip": True}},  # the whole text of a cell that is cut
        text_align={name: "right" for name, kind in kinds.items() if kind in ("fraction", "count")},
        **params,
    )


def _widths(frame: pd.DataFrame) -> dict[str, int]:
    """Columns of long texts get a part of the screen's width, or all others would stand beside it."""
    texts = frame.select_dtypes(exclude="number").columns
    longest = {name: frame[name].astype(str).str.len().max() for name in texts if len(frame[name])}
    return {name: LONG_COLUMN for name, letters in longest.items() if letters > LONG_TEXT}


def _formatters() -> dict:
    """How a kind of column is written; the cells stay numbers, by which they are sorted."""
    from bokeh.models import (
        HTMLTemplateFormatter,
    )  # one for each table: a Bokeh object belongs to one document

    return {
        "fraction": HTMLTemplateFormatter(
            template=f"<%= (function (value) {{ {written(3)} }})(value) %>"
        ),
        "count": {"type": "money", "precision": 0, "thousand": ","},
        "flag": {"type": "tickCross", "crossElement": False},
    }


def _kind(name: str, column: pd.Series) -> str:
    if pd.api.types.is_bool_dtype(column):
        return "flag"
    if not pd.api.types.is_numeric_dtype(column) or name in ("layer", "year", "seed", "folds"):
        return ""
    if pd.api.types.is_integer_dtype(column):
        return "count"
    whole = column.dropna()
    return (
        "count" if len(whole) and whole.abs().max() > 1 and (whole % 1 == 0).all() else "fraction"
    )
