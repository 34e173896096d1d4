"""The card of what is picked: a model or a stimulus in words, with its values in the tables that are shown."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import pandas as pd
import panel_material_ui as pmui

from analysis.models import catalog
from dashboards.figures.numbers import shown
from dashboards.figures.spec import ITEM
from dashboards.figures.style import looks
from dashboards.lens.meanings import meanings
from dashboards.lens.table import names
from dashboards.lens.view import Picture, View
from dashboards.look.look import Html, Words, note, plain
from data.errors import BrainLensError

__all__ = ["ItemCards", "Told", "cited", "told"]

MOST = 3
"""Cards at once: the last picked."""
ROWS = 8
"""More rows of one thing are counted, not listed."""
VALUES = 12
"""Values of one row; the table has all of them."""
_FIRST = ("recording", "condition", "layer", "r", "y", "mean", "delta_ll", "difference", "normalised", "ceiling", "x", "trained",
          "untrained", "gain", "r_shuffled", "unique_r2", "optimism", "n_stimuli", "n_targets", "n_subjects",
          "source")  # fmt: skip
_NEVER = ("model", ITEM, "entry", "text", "stamp", "chosen", "best", "depth", "protocol_key", "simulated", "low", "high",
          "rank")  # fmt: skip
_TELL_APART = ("checkpoint", "group", "condition", "label", "recording", "measure", "protocol", "target", "word", "source",
                "layer")  # fmt: skip


@dataclass(frozen=True)
class Told:
    """What one card says.

    Parameters
    ----------
    name : str
    colour : str
        ``#rrggbb`` of a model; empty for a stimulus.
    about : str
        A model's card, or a stimulus's words.
    parts : tuple of (heading, lines)
        For each table that holds it: term, value and meaning of each line.
    """

    name: str
    colour: str
    about: str
    parts: tuple[tuple[str, tuple[tuple[str, str, str], ...]], ...]


# ---- what it says --------------------------------------------------------------------------------------------------------
def told(name: str, view: View, theme: str = "light") -> Told:
    """What is known of a picked model or stimulus.

    Parameters
    ----------
    name : str
        A model or an item.
    view : View
        What is shown now.
    theme : str
    """
    tables = [
        picture for picture in view.pictures if not picture.spec.empty and len(names(picture.table))
    ]
    rows = [(picture, picture.table[names(picture.table) == name]) for picture in tables]
    rows = [(picture, found) for picture, found in rows if len(found)]
    stimulus = next((found for _, found in rows if ITEM in found), None)
    if stimulus is not None:
        text = stimulus["text"].iloc[0] if "text" in stimulus else ""
        colour, about = "", f"“{text}”" if text else ""
    else:
        about = _about(name)
        colour = _colour(name, view, theme) or (looks([name], theme)[name].colour if about else "")
    parts = tuple((picture.label, _lines(picture, found, view.notes)) for picture, found in rows)
    return Told(name, colour, about, parts)


def _about(name: str) -> str:
    """Class, size, licence and note of a model; empty where the name is none."""
    try:
        one = catalog.card(name)
    except (
        BrainLensError,
        OSError,
        ValueError,
    ):  # a link may hold any text, such as one that can be no file's name
        return ""
    size = (
        f"{one.layers} layers x {one.width:,}"
        if one.layers and one.width
        else f"width {one.width:,}"
        if one.width
        else ""
    )
    weights = f"{one.parameters:,} parameters" if one.parameters else ""
    facts = [one.cls, weights, size, str(one.year or ""), one.licence]
    return ", ".join(filter(None, facts)) + (f". Note: {one.note}." if one.note else ".")


def _colour(name: str, view: View, theme: str) -> str:
    """As in the figure that shows it: neighbours that look alike move aside there."""
    for picture in view.pictures:
        marks = [mark for mark in picture.spec.marks if mark.colour == "model"]
        models = list(dict.fromkeys(value for mark in marks for value in mark.frame["model"]))
        if name in models:
            return looks(models, theme, chosen=picture.spec.colours)[name].colour
    return ""


def _lines(
    picture: Picture, rows: pd.DataFrame, notes: Iterable
) -> tuple[tuple[str, str, str], ...]:
    if "chosen" in rows and rows["chosen"].any():
        rows = rows[rows["chosen"].astype(bool)]
    if len(rows) > ROWS:
        return ((f"{len(rows)} rows", "in the table", ""),)
    said = meanings(rows.columns, notes)
    if len(rows) > 1:
        apart = next(
            (
                column
                for column in _TELL_APART
                if column in rows and rows[column].nunique() == len(rows)
            ),
            None,
        )
        drawn = next((mark.y for mark in picture.spec.marks if mark.y in rows), None)
        if apart is None or drawn is None:
            return ((f"{len(rows)} rows", "in the table", ""),)
        term = "layer " if apart == "layer" else ""
        return tuple(
            (f"{term}{shown(row[apart])}", _with_interval(picture, row, drawn), said.get(drawn, ""))
            for _, row in rows.iterrows()
        )
    row = rows.iloc[0]
    columns = [
        name
        for name in rows.columns
        if name not in _NEVER and not str(name).endswith(("_low", "_high"))
    ]
    columns.sort(
        key=lambda name: _FIRST.index(name) if name in _FIRST else len(_FIRST)
    )  # the rest as in the table
    lines = [(_title(picture, name), _with_interval(picture, row, name), said.get(str(name), "")) for name in columns
             if _known(row[name])]  # fmt: skip
    seeds = (
        []
        if "seed" in rows
        else [score.protocol.seed for score in picture.scores if score.model == row.get("model")]
    )
    return (*lines[:VALUES], *(("seed", str(seed), "") for seed in seeds[:1]))


def _title(picture: Picture, column: str) -> str:
    axis = {"x": picture.spec.x_title, "y": picture.spec.y_title}.get(column, "")
    return axis.partition(" (")[0] or str(column).replace("_", " ")


def _with_interval(picture: Picture, row: pd.Series, column: str) -> str:
    """The value with the ends that the figure draws, or that are called after it."""
    drawn = [(mark.low, mark.high) for mark in picture.spec.marks if mark.y == column]
    for low, high in (*drawn, (f"{column}_low", f"{column}_high")):
        if low in row and high in row and _known(row[low]) and _known(row[high]):
            return f"{shown(row[column])} [{shown(row[low])}, {shown(row[high])}]"
    return shown(row[column])


def _known(value: object) -> bool:
    return not pd.isna(value) and value != ""


# ---- the cards -----------------------------------------------------------------------------------------------------------
class ItemCards(pmui.Column):
    """A card for each of the last picked things, the last first; nothing where nothing is picked.

    Parameters
    ----------
    let_go : callable
        ``let_go(names)``: the user closes their cards.
    act : callable, optional
        ``act(what, name)`` with ``"compare"``, ``"hide"`` or ``"cite"``; None: no such buttons.
    """

    def __init__(
        self,
        let_go: Callable[[list[str]], None],
        act: Callable[[str, str], None] | None = None,
    ):
        self._let_go, self._act, self._cards, self._picked = let_go, act, {}, []
        self._all = pmui.Button(
            label="",
            icon="close",
            variant="text",
            size="small",
            margin=(0, 0, 6, 0),
            on_click=lambda _: let_go(self._picked),
        )
        super().__init__(sizing_mode="stretch_width", margin=0)

    def tell(self, picked: list[str], view: View, theme: str) -> None:
        """Say what is known of what is picked; a card whose words stay the same stays."""
        if not picked and not self._cards:
            return
        before, self._cards, self._picked = self._cards, {}, list(picked)
        for said in (told(name, view, theme) for name in reversed(picked[-MOST:])):
            old = before.get(said.name)
            self._cards[said.name] = (
                old if old is not None and old[0] == said else (said, self._card(said))
            )
        parts = [card for _, card in self._cards.values()]
        if len(picked) > 1:
            self._all.label = f"Let go of all {len(picked)}"
            parts.append(self._all)
        if parts != self.objects:
            self.objects = parts

    def _card(self, said: Told) -> pmui.Paper:
        label = f"Let go of {said.name}"
        close = pmui.IconButton(
            icon="close",
            label=label,
            description=label,
            size="small",
            margin=0,
            on_click=lambda _: self._let_go([said.name]),
        )
        dot = f"<span style='flex:none;width:12px;height:12px;border-radius:50%;background:{said.colour}'></span>"
        head = Html(
            f"<div style='display:flex;align-items:center;gap:8px'>{dot if said.colour else ''}"
            f"<b style='overflow-wrap:anywhere'>{plain(said.name)}</b></div>",
            sizing_mode="stretch_width",
            margin=(6, 4, 0, 4),
        )
        parts = [pmui.Row(head, close, sizing_mode="stretch_width", margin=0)]
        if said.about:
            parts.append(
                Words(
                    said.about,
                    sizing_mode="stretch_width",
                    margin=(2, 4),
                    styles={**_SMALL, "line-height": "1.4"},
                )
            )
        parts += [_part(label, lines, said.colour, alone=len(said.parts) == 1)
                  for label, lines in said.parts]  # fmt: skip
        if said.colour and self._act is not None:
            parts.append(
                pmui.Row(*(self._button(what, said.name) for what in _ACTS), margin=(2, 0))
            )
        if not said.parts:
            parts.append(note("Not in the tables shown here.", margin=(2, 4)))
        return pmui.Paper(
            *parts, elevation=0, variant="outlined", sizing_mode="stretch_width", margin=(4, 0), sx={"p": 0.5},
            css_classes=["brainlens-item"],
        )  # fmt: skip

    def _button(self, what: str, name: str) -> pmui.Button:
        hint = _ACTS[what].format(name=name)
        return pmui.Button(
            label=what.capitalize(),
            description=hint,
            size="small",
            variant="text",
            margin=(0, 2),
            on_click=lambda _: self._act(what, name),
        )


_ACTS = {
    "compare": "{name} first in Compare",
    "hide": "Leave {name} out",
    "cite": "Copy the reference of {name}",
}
_SMALL = {"font-size": "0.82rem", "overflow-wrap": "anywhere"}


def _part(label: str, lines: tuple, colour: str, *, alone: bool) -> Html:
    """One table's values, those between 0 and 1 as small plots too; the meaning of a term is its tooltip."""
    rows = "".join(
        f"<dt title='{plain(meaning)}' style='opacity:.75'>{plain(term)}</dt>"
        f"<dd style='margin:0;text-align:right;overflow-wrap:anywhere'>{plain(value)}{_spark(value, colour)}</dd>"
        for term, value, meaning in lines
    )
    head = "" if alone else f"<div style='font-weight:600;margin-top:4px'>{plain(label)}</div>"
    grid = "display:grid;grid-template-columns:minmax(90px,auto) 1fr;gap:1px 10px;margin:2px 0;line-height:1.4"
    return Html(
        f"{head}<dl style='{grid}'>{rows}</dl>",
        sizing_mode="stretch_width",
        margin=(2, 4),
        styles=_SMALL,
    )


def _spark(value: str, colour: str) -> str:
    """A value with its interval on a line from 0 to 1; nothing for what is not such a value."""
    found = re.fullmatch(r"(-?[\d.]+) \[(-?[\d.]+), (-?[\d.]+)\]", value)
    if not found or not all(-1 <= float(one) <= 1 for one in found.groups()):
        return ""
    at, low, high = (60 * max(0.0, float(one)) for one in found.groups())
    ink = colour or "#57606a"
    return (
        "<svg width='62' height='10' style='display:block;margin-left:auto' aria-hidden='true'>"
        f"<line x1='0' x2='60' y1='5' y2='5' stroke='{ink}' stroke-opacity='.25'/>"
        f"<line x1='{low:.1f}' x2='{high:.1f}' y1='5' y2='5' stroke='{ink}' stroke-width='2.5'/>"
        f"<circle cx='{at:.1f}' cy='5' r='2.8' fill='{ink}'/></svg>"
    )


def cited(model: str) -> str:
    """The reference of a model, or its name."""
    try:
        return catalog.card(model).citation or model
    except BrainLensError:
        return model
