"""The pieces of a lens: the table, the empty state, an error that stays, a computation on its way."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import panel as pn
import panel_material_ui as pmui

from dashboards.figures.numbers import written
from dashboards.figures.spec import ITEM
from dashboards.lens.meanings import meanings
from dashboards.look.look import MONO, Words, heading, note, plain
from dashboards.work.jobs import Job
from data.errors import BrainLensError

__all__ = ["DataTable", "Empty", "ErrorCard", "Frame", "ProgressRow"]

PLOT_HEIGHT = 440
MANY = 15
"""More labelled points than this do not fit into half the page."""


class Frame(pmui.Column):
    """One figure on the screen, with its heading and caption.

    Parameters
    ----------
    picked : callable
        Called with the names of what the user picked in it.
    """

    def __init__(self, picked: Callable[[list[str]], None]):
        self._picked, self._marking, self._marks = picked, False, []
        self._drawn, self._theme = None, ""
        self._heading = heading("", "h6", visible=False)
        self._pane = pn.pane.Bokeh(None, sizing_mode="stretch_width", margin=(4, 0))
        self._caption = note()
        holder = pmui.Column(
            self._pane, sizing_mode="stretch_width", height=PLOT_HEIGHT + 8, margin=0
        )  # fixed: a plot that arrives moves nothing
        super().__init__(
            self._heading,
            holder,
            self._caption,
            sizing_mode="stretch_width",
            margin=0,
            styles={"flex": "1 1 440px", "min-width": "0"},
        )

    def draw(self, picture, *, theme: str, alone: bool) -> None:
        """Show a picture."""
        from dashboards.figures.screen import draw

        self._heading.param.update(object=picture.label, visible=not alone)
        self._caption.object = picture.spec.caption
        spec = picture.spec
        if not alone:  # half as wide: hover names the points
            spec = replace(
                spec,
                marks=tuple(
                    replace(m, label=None) if len(m.frame) > MANY and m.kind == "points" else m
                    for m in spec.marks
                ),
            )
        if theme == self._theme and spec.draws_like(
            self._drawn
        ):  # a new plot costs the browser a tenth of a second or two
            return
        self._pane.object = draw(spec, theme=theme, height=PLOT_HEIGHT, on_pick=self._pick)
        self._drawn, self._theme = spec, theme

    def mark(self, values: list[str]) -> None:
        """Dim everything else; nothing takes it back."""
        self._marks = list(values)
        if (doc := pn.state.curdoc) is not None and doc.session_context is not None:
            doc.add_next_tick_callback(
                self._highlight
            )  # Bokeh's own objects may be changed only by who holds the document
        else:
            self._highlight()

    def _highlight(self) -> None:
        from dashboards.figures.screen import highlight

        if self._pane.object is None:
            return
        self._marking = True  # what is marked from here was not picked by the user
        try:
            highlight(self._pane.object, self._marks)
        finally:
            self._marking = False

    def _pick(self, rows: list[dict]) -> None:
        """A tap on one mark takes back what was selected in the others, each with an event of its own: that is no letting go."""
        from dashboards.figures.screen import anything_picked

        picked = named(names(pd.DataFrame(rows)))
        if not self._marking and (picked or (not rows and not anything_picked(self._pane.object))):
            self._picked(picked)


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
                description=f"The rows as they are shown, as {kind}",
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
        self._filter.param.watch(lambda _: self._fill(), "value_input")
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
            styles={"align-items": "center", "flex-wrap": "wrap"},
        )
        super().__init__(bar, self._holder, self._count, sizing_mode="stretch_width", margin=0)
        self.notes: tuple[tuple[str, str], ...] = ()
        self._tables: dict[str, pd.DataFrame] = {}
        self._table: pn.widgets.Tabulator | None = None
        self._looked_at = False

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
            self._table = _tabulator(self._filtered(), self._height, header_tooltips=said)
            self._table.param.watch(self._pick, "selection")
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
        return io.StringIO(self.current.to_csv(index=False))

    def parquet(self) -> io.BytesIO:
        """The rows as shown, as Parquet."""
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
        titles={name: name.replace("_", " ") for name in frame.columns},
        formatters={name: formatters[kind] for name, kind in kinds.items() if kind in formatters},
        text_align={name: "right" for name, kind in kinds.items() if kind in ("fraction", "count")},
        **params,
    )


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
    whole = column.dropna()
    return (
        "count" if len(whole) and whole.abs().max() > 1 and (whole % 1 == 0).all() else "fraction"
    )


class Empty(pmui.Column):
    """Why there is nothing to see, and what to do."""

    def __init__(self, **params):
        self._words = Words(
            "",
            styles={
                "font-size": "1rem",
                "text-align": "center",
                "line-height": "1.5",
                "max-width": "560px",
            },
            align="center",
            margin=(0, 20),
        )
        self._button = pmui.Button(
            label="",
            variant="outlined",
            align="center",
            margin=(14, 0, 0, 0),
            visible=False,
            on_click=lambda _: self._action and self._action(),
        )
        self._action: Callable | None = None
        super().__init__(
            self._words,
            self._button,
            sizing_mode="stretch_width",
            margin=(20, 10),
            styles={
                "border": "1px dashed var(--mui-palette-divider, #d9dee4)",
                "border-radius": "8px",
                "padding": "56px 12px",
            },
            **params,
        )

    def say(self, words: str, action: tuple[str, Callable] | None = None) -> None:
        """Set the words and the button."""
        self._words.object = words
        self._button.visible = action is not None
        if action is not None:
            self._button.label, self._action = action


class ErrorCard(pmui.Paper):
    """An error that stays until it is dismissed: cause, remedy, traceback to copy. What fails for the same reason shares a card.

    Parameters
    ----------
    error : BaseException
    trace : str
        Traceback as text.
    title : str
        What was being done.
    where : str
        What the error is about; when it is tried again, it is forgotten.
    copy : callable
        ``copy(text)``, to the clipboard.
    dismiss : callable
        ``dismiss(card)``.
    """

    def __init__(
        self,
        error: BaseException,
        trace: str,
        *,
        title: str,
        where: str,
        copy: Callable,
        dismiss: Callable,
    ):
        head, cause, remedy = explain(error, title)
        self.says, self._heads = (cause, remedy), {where: head}
        self._heading = heading(head, "h6", margin=(2, 4))
        copy_button = pmui.Button(
            label="Copy traceback",
            icon="content_copy",
            size="small",
            variant="text",
            on_click=lambda _: copy(trace),
        )
        close = pmui.IconButton(
            icon="close",
            label="Dismiss",
            size="small",
            description="Dismiss",
            on_click=lambda _: dismiss(self),
            margin=0,
            align="start",
        )
        parts = [
            pmui.Row(
                pmui.Row(self._heading, sizing_mode="stretch_width"),
                close,
                sizing_mode="stretch_width",
                margin=0,
            ),
            Words(
                cause,
                sizing_mode="stretch_width",
                margin=(0, 4),
                styles={"line-height": "1.5", "overflow-wrap": "anywhere"},
            ),
        ]
        if remedy:
            parts.append(
                Words(
                    remedy,
                    sizing_mode="stretch_width",
                    margin=(6, 4, 0, 4),
                    styles={"font-weight": "500"},
                )
            )
        text = Words(
            trace,
            styles={
                "font-family": MONO,
                "font-size": "0.75rem",
                "white-space": "pre-wrap",
                "overflow-wrap": "anywhere",
                "max-height": "240px",
                "overflow": "auto",
            },
            sizing_mode="stretch_width",
        )
        parts.append(
            pmui.Accordion(
                ("Technical details", pmui.Column(copy_button, text, sizing_mode="stretch_width")),
                elevation=0,
                sizing_mode="stretch_width",
                title_variant="body2",
                margin=(4, 0),
            )
        )
        super().__init__(
            *parts,
            elevation=0,
            variant="outlined",
            sizing_mode="stretch_width",
            margin=(6, 10),
            sx={"borderColor": "error.main", "borderLeftWidth": 4, "p": 1},
            css_classes=["brainlens-error"],
        )

    def also(self, where: str, title: str) -> None:
        """Something else failed for the same reason."""
        self._heads[where] = title
        self._told()

    def forget(self, where: str) -> bool:
        """One thing is tried again; whether nothing is left that failed."""
        self._heads.pop(where, None)
        if self._heads:
            self._told()
        return not self._heads

    def _told(self) -> None:
        first, *others = self._heads.values()
        self._heading.object = plain(first + (f" and {len(others)} more" if others else ""))


def explain(error: BaseException, title: str = "") -> tuple[str, str, str]:
    """Heading, cause and remedy of an error, in words."""
    if isinstance(error, BrainLensError):
        cause = error.problem if error.problem.endswith((".", "?", "!")) else error.problem + "."
        if error.choices:
            shown = ", ".join(error.choices[:12]) + (
                f" and {len(error.choices) - 12} more" if len(error.choices) > 12 else ""
            )
            cause += f" Choices: {shown}."
        return title or "This does not work", cause, error.remedy
    if isinstance(error, MemoryError):
        return (
            title or "Out of memory",
            "The computation needs more memory than there is.",
            "Take a smaller model, or fewer stimuli",
        )
    return (
        title or "Something broke",
        f"{type(error).__name__}: {error}",
        "This is a fault of the program, not of your input: please report it with the technical details",
    )


class ProgressRow(pmui.Column):
    """One computation on its way: title, counts, time left, cancel."""

    def __init__(self, title: str, cancel: Callable[[], None]):
        self._bar = pmui.LinearProgress(
            value=-1, variant="indeterminate", sizing_mode="stretch_width", margin=(0, 10, 6, 10)
        )
        self._words = note("starting", margin=(0, 10))
        stop = pmui.IconButton(
            icon="close",
            label=f"Cancel {title}",
            description=f"Cancel {title}",
            size="small",
            on_click=lambda _: cancel(),
            margin=0,
        )
        name = Words(
            title,
            margin=(0, 10),
            styles={"font-weight": "500", "font-size": "0.92rem", "white-space": "nowrap"},
        )
        super().__init__(
            pmui.Row(
                name,
                self._words,
                stop,
                sizing_mode="stretch_width",
                margin=0,
                styles={"align-items": "center"},
            ),
            self._bar,
            sizing_mode="stretch_width",
            margin=(2, 0),
        )

    def update_from(self, job: Job) -> None:
        """Show where the job stands."""
        self._words.object = job.words()
        if job.fraction is None:
            self._bar.variant = "indeterminate"
        else:
            self._bar.param.update(variant="determinate", value=round(100 * job.fraction))
