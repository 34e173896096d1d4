"""What Bokeh and Panel do for each part of a page, with less work: fifty people at one server wait for nothing else.

A document of Bokeh knows its models by walking from its roots through every property of every model, those at their defaults
included: a tenth of a second for a page of ours, at every change that Panel holds together, whether a model came or not. The same
models are found by looking at the values that were set, and the walk is needed only after one of them changed.

Panel asks each part of a page for each of its parameters when it makes the model of it, and param copies a parameter that is
asked of an instance: forty copies for a button, kept as long as the button, of which none is ever changed.

Panel lets a change that a browser told wait 50 ms for others of the same widget. A click on a choice is one change.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import panel_material_ui as pmui
from bokeh.core.has_props import HasProps
from bokeh.core.property.descriptors import AliasPropertyDescriptor
from bokeh.document.models import DocumentModelManager
from bokeh.model import util
from panel.custom import ReactiveESM

from dashboards.serve.classwise import ask_classes

__all__ = ["AT_ONCE", "spare"]

AT_ONCE = 5
"""Milliseconds that a change waits for others which belong to the same click."""
_CLICKED = (
    pmui.Checkbox,
    pmui.MultiChoice,
    pmui.RadioButtonGroup,
    pmui.Select,
    pmui.Switch,
    pmui.Tabs,
)
"""Widgets that are clicked, not dragged or typed into."""

_EVERYWHERE = util.visit_immediate_value_references
"""Bokeh's own walk through one value."""


def spare() -> None:
    """Let the documents of this process be made and kept so; once is enough."""
    if util.visit_immediate_value_references is _visit:
        return
    util.visit_immediate_value_references = _visit
    _look_after_changes()
    ReactiveESM._get_properties = _uncopied(ReactiveESM._get_properties)
    ReactiveESM._get_children = _uncopied(ReactiveESM._get_children)
    ask_classes()
    for widget in _CLICKED:
        widget._debounce = AT_ONCE


def _look_after_changes() -> None:
    invalidate = DocumentModelManager.invalidate

    def invalidate_(self) -> None:
        self._brainlens_changed = True
        invalidate(self)

    def pop_freeze(self) -> None:
        self._freeze_count -= 1
        document = self._document()
        if self._freeze_count == 0 and document is not None:
            roots = [root.id for root in document.roots]
            if getattr(self, "_brainlens_changed", True) or roots != self._brainlens_roots:
                self._brainlens_changed, self._brainlens_roots = False, roots
                self.recompute()

    DocumentModelManager.invalidate, DocumentModelManager._pop_freeze = invalidate_, pop_freeze


def _visit(value: Any, visitor: Callable) -> None:
    """Show a visitor each model that a value refers to directly, as Bokeh's ``visit_immediate_value_references`` does."""
    if not isinstance(value, HasProps) or value.themed_values():
        _EVERYWHERE(value, visitor)
        return
    told, made = value._property_values, value._unstable_default_values
    for name, of_models in _references(type(value)):
        if name in told:
            util.visit_value_and_its_immediate_references(told[name], visitor)
        elif name in made:
            util.visit_value_and_its_immediate_references(made[name], visitor)
        elif of_models:
            util.visit_value_and_its_immediate_references(getattr(value, name), visitor)


@cache
def _references(kind: type[HasProps]) -> tuple[tuple[str, bool], ...]:
    """The properties of a class that can hold models, and whether they do at their default."""
    found = []
    for name in kind.properties_with_refs():
        descriptor = kind.lookup(name)
        if isinstance(descriptor, AliasPropertyDescriptor):  # of a property that is here too
            continue
        seen: list = []
        util.visit_value_and_its_immediate_references(descriptor.class_default(kind), seen.append)
        found.append((name, bool(seen)))
    return tuple(found)


def _uncopied(ask: Callable) -> Callable:
    """A method that only reads parameters of an instance, given those of the class for all that nobody asked the instance for."""

    def ask_(self, *given, **named):
        own, lent = self._param__private.params, type(self).param.objects(instance=False)
        lent = {name: one for name, one in lent.items() if name not in own}
        own.update(lent)
        try:
            return ask(self, *given, **named)
        finally:
            for name, one in lent.items():
                if own.get(name) is one:
                    del own[name]

    return ask_
