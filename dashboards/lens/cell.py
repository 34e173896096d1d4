"""A lens in a notebook: the program behind its widgets stands once in a cell's output, not once for each widget."""

from __future__ import annotations

from collections.abc import Iterator

import panel_material_ui as pmui
from bokeh.model import Model

__all__ = ["Cell"]


class Cell(pmui.Row):
    """What a notebook cell shows.

    Without a network (``pn.extension(inline=True)``) every widget brings the whole program that draws it, a lens 100 MB. The
    browser keeps a program by its hash (``bundle``) from the first widget that it meets, so the others need none.
    """

    def _render_model(self, doc=None, comm=None) -> Model:
        model = super()._render_model(doc, comm)
        if comm is not None:
            slim(model)
        return model


def slim(root: Model) -> None:
    """Leave each program to the first model that has it, in the order in which the browser makes them."""
    known = set()
    for model in _made(root, set()):
        bundle = getattr(model, "bundle", None)
        if bundle in (None, "url"):
            continue
        if bundle in known:
            model.esm = ""
        known.add(bundle)


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
