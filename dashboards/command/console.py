"""What the command line prints: progress bars and tables."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from analysis.models.catalog import cards, state
from analysis.progress import Report
from analysis.scoring.beside import stored_oasm
from analysis.store.store import Store
from data.catalog.catalog import entries
from data.shares import percent

__all__ = [
    "progress",
    "show_frame",
    "show_models",
    "show_recordings",
    "show_scores",
    "show_store",
    "show_versions",
]

OUT, ERR = Console(), Console(stderr=True)
WIDE = 200
"""Characters assumed where the output is not a terminal, so that a table in a file is not cut."""


CUT = 48
"""Characters after which a cell that may be cut is cut."""


@contextmanager
def progress(title: str):
    """A report that draws a bar on the error stream where that is a terminal, and prints the rows of a score as they come."""
    rows = _Rows(title)
    if not ERR.is_terminal:
        yield Report(on_partial=rows.show)
        return
    columns = (
        TextColumn("{task.fields[title]}"),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=ERR, transient=True) as bar:
        task = bar.add_task("", title=title, total=None)

        def show(done: int, total: int, what: str, left: float | None) -> None:
            bar.update(task, description=what, completed=done, total=total or None)

        yield Report(on_progress=show, on_partial=rows.show)


class _Rows:
    """Lines of a score's layers on the error stream, each once, and again where a preview was replaced."""

    def __init__(self, title: str):
        self.title, self.told = title, {}

    def show(self, found) -> None:
        if not hasattr(found, "table"):
            return
        for row in found.table().to_dict("records"):
            said = (row["r"], row["r_low"], row["note"])
            if self.told.get(row["layer"]) == repr(said):
                continue
            self.told[row["layer"]] = repr(said)
            bounds = (
                f" [{_number(row['r_low'])}, {_number(row['r_high'])}]"
                if row["r_low"] == row["r_low"]
                else ""
            )
            note = f"  {row['note']}" if row["note"] else ""
            ERR.print(
                f"{self.title}, layer {row['layer']}: r = {_number(row['r'])}{bounds}{note}",
                highlight=False,
                markup=False,
            )


def _print(table: Table) -> None:
    console = OUT if OUT.is_terminal else Console(width=WIDE)
    console.print(table)


def _table(*columns: str, title: str = "") -> Table:
    """An empty table; ``>`` in front of a column's name aligns it right, ``~`` cuts it to one line."""
    table = Table(title=title or None, box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False)
    for column in columns:
        name, right, cut = column.lstrip(">~"), column.startswith(">"), column.startswith("~")
        table.add_column(
            name,
            justify="right" if right else "left",
            no_wrap=True,
            overflow="ellipsis" if cut else "fold",
            max_width=CUT if cut else None,
        )
    return table


def _number(value: float, digits: int = 3) -> str:
    return "" if value is None or not np.isfinite(value) else f"{value:.{digits}f}"


def show_frame(frame, title: str = "") -> None:
    """Any small table; numbers with four digits that count."""
    table = _table(
        *(name if frame[name].dtype == object else f">{name}" for name in frame.columns),
        title=title,
    )
    for row in frame.itertuples(index=False):
        table.add_row(*(_cell(value) for value in row))
    _print(table)


def _cell(value) -> str:
    if isinstance(value, float | np.floating):
        return (
            ""
            if not np.isfinite(value)
            else f"{value:.2f}"
            if abs(value) >= 1000
            else f"{value:.4g}"
        )
    return (
        f"{value:,}"
        if isinstance(value, int | np.integer) and not isinstance(value, bool)
        else str(value)
    )


def show_scores(scores, recording) -> None:
    """One table per model, the controls, and what has to be known about the numbers."""
    for score in scores:
        rows = score.table()
        shuffled = "r_shuffled" in rows
        ceiling = bool(rows["normalised"].notna().any())
        head = [
            ">layer",
            ">r",
            "95 % interval",
            ">R2",
            *([">r shuffled"] if shuffled else []),
            *([">normalised"] if ceiling else []),
            ">n",
            ">folds",
            "note",
        ]
        table = _table(
            *head,
            title=f"{score.model} on {score.recording}"
            + (f" ({score.stamp})" if score.stamp else ""),
        )
        for row in rows.to_dict("records"):
            interval = (
                f"[{row['r_low']:.3f}, {row['r_high']:.3f}]" if np.isfinite(row["r_low"]) else ""
            )
            cells = [
                f"{row['layer']}{'*' if row['chosen'] else ''}",
                _number(row["r"]),
                interval,
                _number(row["r2"]),
            ]
            cells += [_number(row["r_shuffled"])] if shuffled else []
            cells += [_number(row["normalised"])] if ceiling else []
            table.add_row(*cells, str(row["n_stimuli"]), str(row["folds"]), row["note"])
        _print(table)
        OUT.print(score.sentence(), soft_wrap=True, highlight=False)
        OUT.print(_doubts(score), soft_wrap=True, highlight=False)
        for line in score.warnings():
            OUT.print(line, soft_wrap=True, highlight=False)
        OUT.print()
    _show_controls(scores)
    for note in recording.notes:
        OUT.print(f"Note: {note}", soft_wrap=True, highlight=False)


def _doubts(score) -> str:
    """Omega and OASM of a score in one line, and where they come from when they are not here."""
    oasm = stored_oasm(score.provenance["recording"].get("content_hash", ""), score.protocol)
    beyond = score.headline.get("beyond", "") if score.headline else ""
    said = (
        f"Omega: {beyond} explain {percent(score.omega / 100)} of its R2 of {score.headline['model_r2']:.3f}"
        if np.isfinite(score.omega)
        else "Omega: not defined (no unique R2 was asked for, or the model's R2 is not above 0)"
    )
    if oasm is None:
        return f"{said}; OASM, a model without text: not run, see 'brainlens trust'"
    part = f" ({oasm.part})" if oasm.part else ""
    return f"{said}; OASM, a model without text: r = {oasm.shuffled:.3f} shuffled, {oasm.grouped:.3f} held out{part}"


def _show_controls(scores) -> None:
    with_controls = [score for score in scores if len(score.controls)]
    if not with_controls:
        return
    table = _table("control (same folds)", ">r", "95 % interval", ">r shuffled", "beside")
    shown = set()
    for score in with_controls:
        for row in score.controls.to_dict("records"):
            line = (
                row["control"],
                _number(row["r"]),
                f"[{row['r_low']:.3f}, {row['r_high']:.3f}]",
                _number(row["r_shuffled"]),
            )
            if (
                line in shown
            ):  # controls that do not depend on the model are the same beside every one of them
                continue
            shown.add(line)
            table.add_row(*line, score.model if "embedding" in row["control"] else "all models")
    _print(table)


def show_models(everything: bool) -> None:
    """The model catalogue with the state of each on this machine."""
    table = _table("id", "class", ">layers", ">width", ">parameters", "from", "state", "~note")
    rows = [(name, card, state(name)) for name, card in cards().items()]
    for name, card, found in sorted(rows, key=lambda row: row[2] != "ready"):  # what is here first
        if found == "published only" and not everything:
            continue
        size = f"{card.parameters / 1e6:,.1f} M" if card.parameters else ""
        table.add_row(
            name,
            card.cls,
            str(card.layers or ""),
            str(card.width or ""),
            size,
            card.source,
            found,
            card.reason or card.note,
        )
    _print(table)


def show_recordings() -> None:
    """The recordings with licence, state and traps."""
    table = _table("id", "kind", "state", ">size", "~licence", "~known traps")
    for name, entry in entries().items():
        traps = f"{len(entry.traps)}: " if len(entry.traps) > 1 else ""
        size = entry.size_words if entry.files else ""
        table.add_row(
            name, entry.kind, entry.state, size, entry.licence, traps + "; ".join(entry.traps)
        )
    _print(table)
    OUT.print(
        "The traps in full: docs/datasets.md, and each recording's card in the library.",
        soft_wrap=True,
    )


def show_versions(said) -> None:
    """Two versions side by side: t of every predictor and word, delta log-likelihood, the verdict and its grounds in words."""
    first, second = said.facts["names"]
    table = _table(
        "predictor",
        "word",
        f">{first}",
        f">{second}",
        ">difference",
        title="t of the regression on both versions",
    )
    for row in said.frame.to_dict("records"):
        if row["quantity"] == "t":
            cells = (f"{row[name]:.1f}" for name in (first, second, "difference"))
            table.add_row(row["predictor"].replace("_", " "), row["word"], *cells)
    for quantity, title in _QUANTITIES.items():
        row = said.frame[said.frame["quantity"] == quantity].iloc[0]
        digits = 0 if quantity == "words" else 5
        shown = (
            (first, second) if quantity.endswith(("low", "high")) else (first, second, "difference")
        )
        table.add_row(title, "", *(f"{row[name]:,.{digits}f}" for name in shown))
    _print(table)
    for name, verdict in said.facts["verdicts"].items():
        OUT.print(f"{name}: {verdict}.", soft_wrap=True, highlight=False)
    OUT.print(said.sentence, soft_wrap=True, highlight=False)
    OUT.print(said.caption, soft_wrap=True, highlight=False)


_QUANTITIES = {
    "delta_ll": "delta log-likelihood",
    "delta_ll_low": "  95 % from",
    "delta_ll_high": "  to",
    "words": "words",
}


def show_store() -> None:
    """What the store holds."""
    store = Store()
    table = _table("kind", "model", ">layers", ">MB", "last used")
    for row in store.list().iloc[::-1].to_dict("records"):
        table.add_row(
            row["kind"],
            row["model"],
            str(row["layers"] or ""),
            f"{row['bytes'] / 1e6:.1f}",
            str(row["used"])[:16],
        )
    _print(table)
    OUT.print(f"{store.size() / 1e6:.0f} MB in {store.root}", soft_wrap=True)
