"""Let a figure that is shown become another: what differs is sent to the browser, not a new figure.

A new plot costs the browser a tenth of a second and Panel as much to put it in the old one's place, where a change of the
selection often moves some points and renames an axis. ``Shown(plot).become(new)`` pairs the parts of both, gives each old part
what is said of its twin and was not said of it before, and takes over from the new figure what has no twin.

What was *said* is compared, not what a part has by now: in the browser the page's theme gives axes, grids and legends colours and
sizes of its own, and they stay.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from difflib import SequenceMatcher
from functools import cache

import numpy as np
from bokeh.model import Model
from bokeh.models import GlyphRenderer, HoverTool, Range1d, Selection, Toolbar

__all__ = ["Shown"]

_OWN = frozenset(("id", "subscribed_events", "syncable", "tags"))
"""Properties that belong to the model, not to what it shows."""
_MOVED = {Range1d: ("start", "end"), Selection: ("indices",)}
"""What the user changes: another figure begins without it."""


class Shown:
    """A figure, or a grid of figures, that is shown and may become others.

    Parameters
    ----------
    plot : bokeh.model.Model
        As it was drawn.
    """

    def __init__(self, plot: Model):
        self.plot = plot
        self._said = {part.id: _said(part) for part in plot.references()}

    def become(self, new: Model) -> bool:
        """Show what another figure shows.

        Parameters
        ----------
        new : bokeh.model.Model
            As it was drawn, in no document; used up.

        Returns
        -------
        bool
            False, and nothing is changed, where they are not of one build (a grid of two panels and one of three), or the
            new one has more tools: where the list of tools changes, Bokeh takes the legend and the tools out of the page and
            does not put them back. Tools that are not needed rest.
        """
        if _build(self.plot) != _build(new):
            return False
        twins: dict[str, Model] = {}
        _pair(self.plot, new, twins, set())
        bars = [part for part in new.references() if isinstance(part, Toolbar)]
        needed = {twins.get(tool.id) for bar in bars for tool in bar.tools}
        resting = {
            bar: [tool for tool in twins[bar.id].tools if tool not in needed] for bar in bars
        }
        if None in needed or not all(
            isinstance(o, HoverTool) for on in resting.values() for o in on
        ):
            return False
        for bar, tools in resting.items():
            for tool in tools:
                tool.renderers = []
            bar.tools = [*bar.tools, *tools]
        parts, before = new.references(), self._said
        said = {part.id: _said(part, twins) for part in parts}
        self._said = {twins[name].id if name in twins else name: one for name, one in said.items()}
        doc = self.plot.document
        with doc.models.freeze() if doc else nullcontext():  # Bokeh looks for its models once
            for part in parts:
                if part.id not in twins:
                    for name in _with_models(type(part)) & said[part.id].keys():
                        setattr(part, name, said[part.id][name])
            for part in parts:
                if part.id in twins:
                    old = twins[part.id]
                    _give(old, part, before[old.id], said[part.id])
        return True


def _said(part: Model, twins: dict[str, Model] | None = None) -> dict:
    """What is said of a part, twins in place of models of a new figure."""
    values, never = part.properties_with_values(include_defaults=False), _fixed(type(part))
    return {name: _told(value, twins or {}) for name, value in values.items() if name not in never}


def _build(plot: Model) -> tuple:
    """What has to be alike: kind of layout, number and place of panels, kinds of their axes."""
    if hasattr(plot, "renderers"):
        return (type(plot), type(plot.x_scale), type(plot.y_scale), type(plot.x_range))
    return (type(plot), *((*place, _build(child)) for child, *place in plot.children))


def _pair(old: Model, new: Model, twins: dict[str, Model], taken: set[str]) -> None:
    if new.id in twins or old.id in taken or _kind(old) != _kind(new):
        return
    twins[new.id] = old
    taken.add(old.id)
    for name in _with_models(type(new)):
        for was, one in _alike(getattr(old, name), getattr(new, name)):
            _pair(was, one, twins, taken)


def _alike(old: object, new: object) -> Iterator[tuple[Model, Model]]:
    """Models that stand in the same place of two values."""
    if isinstance(old, Model) and isinstance(new, Model):
        yield old, new
    elif isinstance(old, dict) and isinstance(new, dict):
        for key in new:
            if key in old:
                yield from _alike(old[key], new[key])
    elif isinstance(old, list | tuple) and isinstance(new, list | tuple) and new:
        kinds = [[_kind(one) for one in side] for side in (old, new)]
        for was, one, size in SequenceMatcher(None, *kinds, autojunk=False).get_matching_blocks():
            for i in range(size):
                yield from _alike(old[was + i], new[one + i])


def _kind(value: object) -> tuple:
    """What two parts have in common that can be twins."""
    if isinstance(value, GlyphRenderer):
        return (type(value), type(value.glyph), type(value.data_source))
    if isinstance(value, list | tuple):
        return (type(value), *map(_kind, value))
    return (type(value),)


def _give(old: Model, new: Model, before: dict, said: dict) -> None:
    """Give a part what is said of its twin now, and whom it tells."""
    old._callbacks = new._callbacks  # they know the rows that stand behind the points now
    for name in before.keys() | said.keys():
        told = said[name] if name in said else getattr(new, name)
        if name not in before or not _same(before[name], told):
            setattr(old, name, told)
    for name in _MOVED.get(type(old), ()):
        if getattr(old, name) != getattr(new, name):
            setattr(old, name, getattr(new, name))


def _told(value: object, twins: dict[str, Model]) -> object:
    """A value of its own, in which twins stand in for models of the new figure."""
    if isinstance(value, Model):
        return twins.get(value.id, value)
    if isinstance(value, tuple):
        return tuple(_told(one, twins) for one in value)
    if isinstance(value, list):
        return [_told(one, twins) for one in value]
    if isinstance(value, dict):
        return {key: _told(one, twins) for key, one in value.items()}
    return value


def _same(one: object, other: object) -> bool:
    if one is other:
        return True
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        one, other = np.asarray(one), np.asarray(other)
        both = one.dtype.kind == other.dtype.kind == "f"
        return one.shape == other.shape and np.array_equal(one, other, equal_nan=both)
    if isinstance(one, Model) or isinstance(other, Model):
        return False
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)


@cache
def _with_models(kind: type[Model]) -> frozenset[str]:
    """Properties of a class that can hold models."""
    return frozenset(kind.properties_with_refs())


@cache
def _fixed(kind: type[Model]) -> frozenset[str]:
    """Properties of a class that belong to each model of it or are set once."""
    return _OWN | {name for name in kind.properties() if kind.lookup(name).property.readonly}
