"""A lens in a notebook: the program behind its widgets stands once in a cell's output, not once for each widget."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import panel_material_ui as pmui
from bokeh.model import Model
from bokeh.models import ImportedStyleSheet, InlineStyleSheet
from panel.custom import ReactiveESM
from panel.io.resources import CDN_DIST, DIST_DIR
from panel.io.state import state

from dashboards.lens.client import Client

__all__ = ["Cell"]

_FONTS = (
    ("Material Icons", "400", "material-icons-[A-Z]*.woff2"),
    ("Roboto", "400", "roboto-latin-400-normal-*.woff2"),
    ("Roboto", "700", "roboto-latin-700-normal-*.woff2"),
)


class Cell(pmui.Row):
    """What a notebook cell shows, of itself alone: no style sheet, font or program is asked of another host.

    Without a network (``pn.extension(inline=True)``) every widget brings the whole program that draws it, a lens 100 MB. The
    browser keeps a program by its hash (``bundle``) from the first widget that it meets, so the others need none.
    """

    def __init__(self, *objects, **params):
        super().__init__(*objects, **params)
        _listen_to_children()
        self._holders: dict[str, dict] = {}  # root -> program -> the model that brought it

    def _render_model(self, doc=None, comm=None) -> Model:
        if comm is not None:
            for client in self.select(Client):
                client.fonts = list(fonts())
        model = super()._render_model(doc, comm)
        if comm is not None:
            slim(model, self._holders.setdefault(model.ref["id"], {}))
        return model

    def _preprocess(self, root: Model, changed=None, old_models=None) -> None:
        """What is made after the first picture of a cell, such as a dialog's widgets, is of itself too."""
        super()._preprocess(root, changed, old_models)
        self.bring(root, changed)

    def bring(self, root: Model, changed) -> None:
        """Let what was added somewhere below bring what it needs."""
        name = root.ref["id"]
        *_, comm = state._views.get(name, (None,))
        if comm is not None and changed is not None and name in changed._models:
            slim(changed._models[name][0], self._holders.setdefault(name, {}))


@lru_cache(maxsize=1)
def _listen_to_children() -> None:
    """Panel 1.9 tells the root of a page what was added to a list of Panel's own, and not what was added to a box of Material."""
    update = ReactiveESM._update_model

    def told(self, events, msg, root, model, doc, comm) -> None:
        update(self, events, msg, root, model, doc, comm)
        view = state._views.get(root.ref["id"], (None,))[0]
        if comm is not None and isinstance(view, Cell):
            view.bring(root, self)

    ReactiveESM._update_model = told


@lru_cache(maxsize=1)
def fonts() -> tuple[tuple[str, str, str], ...]:
    """Family, weight and data URL of what widgets are written in: a browser takes no font from a widget's own style sheet."""
    found = []
    for family, weight, name in _FONTS:
        data = base64.b64encode(next(_dist().glob(name)).read_bytes()).decode()
        found.append((family, weight, f"data:font/woff2;base64,{data}"))
    return tuple(found)


def _dist() -> Path:
    return Path(pmui.__file__).parent / "dist"


@lru_cache(maxsize=1)
def _icon_rules() -> str:
    """How a word becomes an icon, from the sheet that comes with the widgets' program."""
    text = (_dist() / "panel-material-ui.bundle.css").read_text("utf-8")
    return "".join(re.findall(r"\.material-icons[\w-]*\{[^}]*\}", text))


def slim(root: Model, holders: dict) -> None:
    """Leave each program to the first model that has it, in the browser's order, and bring style sheets along.

    Parameters
    ----------
    root : Model
        What was made: all of a cell, or what was added to it.
    holders : dict
        Program -> id of the model that brings it, kept up to date.
    """
    sheets: dict[str, InlineStyleSheet] = {}
    for model in _made(root, set()):
        if any(
            isinstance(one, ImportedStyleSheet) for one in getattr(model, "stylesheets", None) or ()
        ):
            model.stylesheets = [_brought(sheet, sheets) for sheet in model.stylesheets]
        bundle = getattr(model, "bundle", None)
        if bundle in (None, "url"):
            continue
        model.css_bundle = _icon_rules()
        if holders.setdefault(bundle, model.id) != model.id:
            model.esm = ""


def _brought(sheet, sheets: dict[str, InlineStyleSheet]):
    """A style sheet of Panel's host as the text that lies here, one for all models."""
    if not isinstance(sheet, ImportedStyleSheet) or not sheet.url.startswith(CDN_DIST):
        return sheet
    name = sheet.url.removeprefix(CDN_DIST).partition("?")[0]
    path = Path(DIST_DIR) / name
    if not path.is_file():
        return sheet
    return sheets.setdefault(name, InlineStyleSheet(css=path.read_text("utf-8")))


def _made(value: object, seen: set[str]) -> Iterator[Model]:
    """Every model below a value, after those that it holds: BokehJS makes a model when all its properties are there."""
    if isinstance(value, Model):
        if value.id not in seen:
            seen.add(value.id)
            yield from _made(value.properties_with_values(include_defaults=False), seen)
            yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _made(key, seen)
            yield from _made(item, seen)
    elif isinstance(value, list | tuple | set):
        for item in value:
            yield from _made(item, seen)
