"""The two tables of the library: which row is looked at, which one is used."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import panel as pn
import panel_material_ui as pmui

from dashboards.look.look import note, plain
from data.catalog.fetch import size_text

__all__ = ["Holdings", "model_rows", "recording_rows"]

_STYLE = """
:host { height: max(300px, calc(100vh - 235px)) !important; flex: 0 0 auto !important; }
.pnx-tabulator.tabulator { height: 100% !important; }
.tabulator .tabulator-cell, .tabulator .tabulator-col-title { font-size: 13.5px !important; }
.tabulator-cell button { font: inherit; cursor: pointer; color: inherit; border-radius: 4px; }
.tabulator-cell button.name { background: none; border: none; padding: 0; font-weight: 600; text-align: left; }
.tabulator-cell button.name:hover { text-decoration: underline; }
.tabulator-cell button.use { background: var(--mui-palette-background-paper, #ffffff); border: 1px solid currentColor;
  color: var(--mui-palette-text-primary, #1f2328); padding: 1px 10px; font-size: .85em; }
.tabulator-cell button:focus-visible { outline: 2px solid currentColor; outline-offset: 1px; }
.tabulator-row { cursor: pointer; }
"""


class Holdings(pmui.Column):
    """A filtered table; a click on a row opens its card, a click on Use takes it.

    Parameters
    ----------
    widths : dict
        Column -> pixels.
    looked, used : callable
        Called with an id.
    """

    def __init__(
        self, widths: dict[str, int], *, looked: Callable[[str], None], used: Callable[[str], None]
    ):
        self._widths, self._looked, self._used = widths, looked, used
        self._frame = pd.DataFrame({"_id": [], "_use": []})
        self._shown: pd.DataFrame | None = None
        self._in_front = False
        self._table: pn.widgets.Tabulator | None = None
        self._count = note()
        self._holder = pmui.Column(
            pmui.Skeleton(height=240, sizing_mode="stretch_width"),
            sizing_mode="stretch_width",
            margin=0,
        )
        super().__init__(self._holder, self._count, sizing_mode="stretch_width", margin=0)

    def show(self, frame: pd.DataFrame, every: int) -> None:
        """The rows that passed the filters, of ``every``: columns as shown, ``_id`` and ``_use`` (whether it can be used)."""
        self._frame = frame.reset_index(drop=True)
        shown = self._frame.drop(columns=["_id", "_use"])
        shown.insert(
            0, "id", [_button("name", name, f"Show {name}") for name in self._frame["_id"]]
        )
        shown.insert(
            1,
            "",
            [
                _button("use", "Use", f"Use {name}") if use else ""
                for name, use in zip(self._frame["_id"], self._frame["_use"])
            ],
        )
        self._count.object = (
            f"{len(frame)} of {every} rows" if len(frame) < every else f"{every} rows"
        )
        self._shown = shown
        self._draw()

    def front(self, active: bool) -> None:
        """Whether it is in front: it is drawn only then, and stays, since a table that is taken away half-built breaks."""
        self._in_front = active
        self._draw()

    def _draw(self) -> None:
        if not self._in_front or self._shown is None:
            return
        if self._table is None:
            self._table = self._made(self._shown)
            self._holder.objects = [self._table]
        elif not self._shown.equals(self._table.value):
            self._table.value = self._shown

    @property
    def ids(self) -> list[str]:
        """Of the rows that are shown."""
        return list(self._frame["_id"])

    def _made(self, frame: pd.DataFrame) -> pn.widgets.Tabulator:
        table = pn.widgets.Tabulator(
            frame,
            disabled=True,
            selectable=False,
            show_index=False,
            height=560,  # until its style says: what the window leaves to it
            sizing_mode="stretch_width",
            layout="fit_data_fill",
            margin=(4, 0),
            widths={"id": 200, "": 76, **self._widths},
            formatters={"id": {"type": "html"}, "": {"type": "html"}},
            frozen_columns=["id"],
            stylesheets=[_STYLE],
        )
        table.on_click(self._clicked)
        return table

    def _clicked(self, event) -> None:
        name = self._frame["_id"].iloc[event.row]
        if event.column == "" and self._frame["_use"].iloc[event.row]:
            self._used(name)
        else:
            self._looked(name)


def recording_rows(frame: pd.DataFrame, words: str, show: str, state: str) -> pd.DataFrame:
    """The table of recordings, filtered."""
    if show == "recordings":
        frame = frame[frame["recording"]]
    elif show == "own":
        frame = frame[frame["own"]]
    frame = _filtered(frame, words, state)
    return pd.DataFrame(
        {
            "kind": frame["kind"],
            "unit": frame["unit"],
            "state": frame["state"],
            "size": [
                size_text(int(size)) if pd.notna(size) and size else "" for size in frame["size"]
            ],
            "licence": frame["licence"],
            "first trap": frame["trap"],
            "shape": frame["shape"],
            "_id": frame["id"],
            "_use": frame["recording"],
        }
    )


def model_rows(frame: pd.DataFrame, words: str, kind: str, state: str) -> pd.DataFrame:
    """The table of models, filtered."""
    frame = _filtered(
        frame if kind == "every class" else frame[frame["class"] == kind], words, state
    )
    return pd.DataFrame(
        {
            "class": frame["class"],
            "layers x width": [
                f"{a} x {b}" if pd.notna(a) and pd.notna(b) else ""
                for a, b in zip(frame["layers"], frame["width"])
            ],
            "parameters": [million(value) for value in frame["parameters"]],
            "state": frame["state"],
            "download": [
                download_words(row.state, row.download, row.parameters)
                for row in frame.itertuples()
            ],
            "source": frame["source"],
            "note": frame["note"],
            "_id": frame["id"],
            "_use": ~frame["state"].isin(["published only", "needs a file", "damaged"]),
        }
    )


def download_words(state: str, size, parameters) -> str:
    """What a fetch brings: exactly, or from the number of weights."""
    if state != "needs download":
        return ""
    if pd.notna(size):
        return size_text(int(size))
    return f"about {size_text(4 * int(parameters))}" if pd.notna(parameters) else "size unknown"


def million(value) -> str:
    """A number of weights in words."""
    if pd.isna(value):
        return ""
    return f"{value / 1e9:.1f} G" if value >= 1e9 else f"{value / 1e6:.1f} M"


def _filtered(frame: pd.DataFrame, words: str, state: str) -> pd.DataFrame:
    if state != "every state":
        ready = frame["state"] == "ready"
        frame = frame[ready if state == "ready" else ~ready]
    if found := words.lower().split():
        texts = [" ".join(map(str, row)).lower() for row in frame.itertuples(index=False)]
        frame = frame[[all(word in text for word in found) for text in texts]]
    return frame


def _button(kind: str, label: str, title: str) -> str:
    return (
        f'<button type="button" class="{kind}" aria-label="{plain(title)}">{plain(label)}</button>'
    )
