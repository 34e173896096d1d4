"""Maps of a model's units, made and chosen on the page: a contrast of one's own texts, kept under a name."""

from __future__ import annotations

from functools import partial

import panel_material_ui as pmui

from analysis.models.catalog import card
from analysis.models.variants.lesion import STRINGS
from analysis.models.variants.maps import check_name, drop_map, maps_told, own_map
from analysis.models.variants.spec import split
from analysis.progress import Report
from analysis.scoring.cost import READING
from dashboards.look.look import note
from dashboards.state import Selection
from dashboards.work.desk import Desk
from dashboards.work.jobs import duration
from data.counts import plural
from data.errors import BrainLensError

__all__ = ["UnitMaps"]

FOUND = "Sentences above non-words"
"""What localises the units where no map is chosen."""
MOST_LETTERS = 2_000_000
"""Of the texts of one kind."""


class UnitMaps(pmui.Column):
    """Which units count as localised: those of a saved map, or of one that is made here from two kinds of texts.

    Parameters
    ----------
    selection : Selection
        Its ``unit_map`` is kept in step; the map is of the first of its ``models``.
    desk : Desk
        Where maps are made.
    """

    def __init__(self, selection: Selection, desk: Desk):
        self._selection, self._desk = selection, desk
        look = dict(sizing_mode="stretch_width", size="small", margin=(8, 0, 4, 0))
        self.chosen = pmui.Select(label="Localised by", options={FOUND: ""}, value="", **look)
        self._there = note(margin=(0, 4))
        self.called = pmui.TextInput(
            label="Name of a new map", placeholder="such as questions", **look
        )
        areas = {**look, "rows": 3, "max_rows": 8, "max_length": MOST_LETTERS}
        self.first = pmui.TextAreaInput(
            label="First texts, one a line", placeholder="none: sentences", **areas
        )
        self.second = pmui.TextAreaInput(
            label="Second texts, one a line", placeholder="none: non-words", **areas
        )
        self.about = pmui.TextInput(
            label="The contrast in words", placeholder="questions above statements", **look
        )
        self._price = note(margin=(0, 4))
        act = dict(size="small", variant="outlined", margin=(6, 0))
        self.make = pmui.Button(
            label="Make the map", icon="grid_on", on_click=lambda _: self.made(), **act
        )
        self.add = pmui.Button(
            label="Add the model without 1 % of them",
            icon="content_cut",
            on_click=lambda _: self._cut(),
            **act,
        )
        self.drop = pmui.Button(
            label="Delete this map", icon="delete", on_click=lambda _: self._drop(), **act
        )
        super().__init__(
            self.chosen, self._there, self.add, self.drop, self.called, self.first, self.second, self.about,
            self._price, self.make,
            sizing_mode="stretch_width", margin=0,
        )  # fmt: skip
        self.chosen.param.watch(self._choose, "value")
        for field in (self.called, self.first, self.second):
            field.param.watch(lambda _: self._tell(), "value")
        selection.param.watch(lambda _: self.look_again(), ["models", "unit_map"])
        self.look_again()

    @property
    def model(self) -> str:
        """The model whose units are mapped: the first that is chosen, as it is trained."""
        return split(self._selection.models[0])[0] if self._selection.models else ""

    def look_again(self) -> None:
        """What was made meanwhile, here or by a command, can be chosen too."""
        told, name = maps_told(), self._selection.unit_map
        own = [one for one, about in told.items() if about["model"] == self.model]
        options = {FOUND: "", **{_label(one, told[one]): one for one in own}}
        if name and name not in own:
            options[name] = name
        self.chosen.param.update(options=options, value=name)
        others = [f"{one} ({about['model']})" for one, about in told.items() if one not in own]
        self._there.object = f"Of other models: {', '.join(others)}." if others else ""
        self._there.visible = bool(others)
        self.add.visible = bool(name and self.model)
        self.drop.visible = own_map(name)
        self._tell()

    def _choose(self, event) -> None:
        self._selection.unit_map = event.new or ""

    def _tell(self) -> None:
        """What a new map would take, and whether one of that name is there."""
        self.make.disabled = not (self.model and (self.called.value or "").strip())
        self.make.label = (
            "Replace the map"
            if (self.called.value or "").strip() in maps_told()
            else "Make the map"
        )
        if not self.model:
            self._price.object = "Choose a model first: a map is of its units."
            return
        first, second = self.texts
        texts = (len(first) + len(second)) or 2 * STRINGS
        words = sum(map(len, (*first, *second))) / 5 / texts if first or second else 10
        seconds = _seconds(self.model, texts, max(1, round(words)))
        takes = "how long is not known" if seconds is None else f"about {duration(seconds)}"
        self._price.object = f"{plural(texts, 'text')} read by {self.model}: {takes}."

    @property
    def texts(self) -> tuple[list[str], list[str]]:
        """The texts of both kinds, an empty line left out."""
        first, second = (
            [line.strip() for line in (field.value or "").splitlines() if line.strip()]
            for field in (self.first, self.second)
        )
        return first, second

    def made(self) -> None:
        """Make the map that the fields say, off the page's loop."""
        name = (self.called.value or "").strip()
        try:
            check_name(name)
        except BrainLensError as error:
            self.called.param.update(error_state=True, helper_text=str(error))
            return
        self.called.param.update(error_state=False, helper_text="")
        self.make.disabled = True
        work = partial(_make, self.model, name, *self.texts, (self.about.value or "").strip())
        self._desk.submit(
            f"units:{name}", f"Map {name} of {self.model}", work, self._is_there,
            failed=lambda _: self._tell(),
        )  # fmt: skip

    def _is_there(self, name: str) -> None:
        self._selection.unit_map = name
        self.look_again()

    def _drop(self) -> None:
        """Delete the chosen map; what is localised by sentences above non-words is shown then."""
        drop_map(self._selection.unit_map)
        self._selection.unit_map = ""
        self.look_again()

    def _cut(self) -> None:
        name = f"{self.model}@lesion:map-{self._selection.unit_map}:1"
        if name not in self._selection.models:
            self._selection.models = [*self._selection.models, name]


def _label(name: str, told: dict) -> str:
    return f"{name}: {told['about']}" if told["about"] else name


def _seconds(model: str, texts: int, words: int) -> float | None:
    """About what a map of so many texts takes; None where the model's size is not known."""
    parameters = card(model).parameters_about
    return None if parameters is None else 3.0 + texts * (0.01 + 3 * parameters * words / READING)


def _make(model: str, name: str, first: list[str], second: list[str], about: str, report: Report):
    from analysis.answers.units import make_map

    return make_map(model, name, first, second, about=about, report=report).name
