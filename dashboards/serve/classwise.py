"""What Bokeh asks each model of a figure, asked once of its class: a figure of 150 models is drawn and sent in half the time.

Whether a property's default is made anew for each model, and what its default is where nobody can change it, is the same for all
models of a class. Bokeh works it out for every property of every model, validation included, when the model is made and when it
is sent.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from bokeh.core.has_props import HasProps
from bokeh.core.property.bases import Property
from bokeh.core.property.dataspec import DataSpec
from bokeh.core.property.descriptors import AliasPropertyDescriptor, PropertyDescriptor
from bokeh.core.property.nothing import Nothing
from bokeh.core.property.primitive import String
from bokeh.core.property.singletons import Intrinsic, Undefined
from bokeh.core.property.vectorization import Field, Value
from bokeh.core.property.wrappers import PropertyValueContainer

__all__ = ["ask_classes"]

_PLAIN = (str, int, float, bool, type(None))
"""Kinds of defaults that nobody can change in place."""
_QUERY, _DEFAULT = HasProps.query_properties_with_values, PropertyDescriptor.instance_default
_UNSTABLE, _OVERRIDDEN = (
    PropertyDescriptor.has_unstable_default,
    HasProps._overridden_defaults.__func__,
)


def ask_classes() -> None:
    """Let the models of this process be made so; once is enough."""
    HasProps.__init__ = _init
    HasProps._overridden_defaults = classmethod(cache(_OVERRIDDEN))
    HasProps.query_properties_with_values = _query
    HasProps.themed_values = _themed_values
    PropertyDescriptor.has_unstable_default = _has_unstable_default
    PropertyDescriptor.instance_default = _instance_default
    DataSpec.to_serializable = _to_serializable


def _init(self, **properties: Any) -> None:
    super(HasProps, self).__init__()
    self._property_values, self._unstable_default_values, self._unstable_themed_values = {}, {}, {}
    for name, value in properties.items():
        if value is not Undefined and value is not Intrinsic:
            setattr(self, name, value)
    for descriptor in _made_anew(type(self)):
        if descriptor.name not in properties:
            descriptor._get(self)  # which keeps it
    self._initialized = True


@cache
def _made_anew(kind: type[HasProps]) -> tuple:
    """The properties of a class whose defaults are made for each model."""
    return tuple(one for _, one in _own(kind) if one.has_unstable_default(kind))


def _themed_values(self) -> dict[str, Any] | None:
    return self.__dict__.get("__themed_values__")


def _has_unstable_default(self, obj) -> bool:
    return _unstable(self, obj if isinstance(obj, type) else type(obj))


@cache
def _unstable(descriptor: PropertyDescriptor, kind: type[HasProps]) -> bool:
    return _UNSTABLE(descriptor, kind)


def _instance_default(self, obj):
    themed = obj.themed_values()
    if themed is not None and self.name in themed:
        return _DEFAULT(self, obj)
    plain, default = _default(self, type(obj))
    if plain:
        return default
    fits, made_of = _origin(self, type(obj))
    if not fits:
        return _DEFAULT(self, obj)
    prop = self.property
    return prop.wrap(prop.transform(prop._copy_default(made_of)))


@cache
def _origin(descriptor: PropertyDescriptor, kind: type[HasProps]) -> tuple[bool, Any]:
    """What a default is made of for each model, and whether it fits its property, so that one need not look every time."""
    prop = descriptor.property
    made_of = kind._overridden_defaults().get(descriptor.name, prop._default)
    plain = type(prop).prepare_value is Property.prepare_value
    if not plain or made_of is Undefined or made_of is Intrinsic:
        return False, made_of
    made = prop._copy_default(made_of)
    return made is not Undefined and made is not Intrinsic and prop.is_valid(made), made_of


@cache
def _default(descriptor: PropertyDescriptor, kind: type[HasProps]) -> tuple[bool, Any]:
    """Whether a default is the same unchangeable value for all models of a class, and the value."""
    if _unstable(descriptor, kind):
        return False, None
    found = descriptor.class_default(kind)
    return isinstance(found, _PLAIN), found


def _to_serializable(self, obj, name: str, value: Any):
    """As Bokeh's, which makes the type of a value that is no column's name anew for every value."""
    fixed = self.__dict__.get("_brainlens_fixed")
    if fixed is None:
        fixed = self._brainlens_fixed = self.value_type.replace(String, Nothing())
    try:
        fixed.validate(value, False)
    except ValueError:
        return Field(value) if isinstance(value, str) else value
    return Value(value)


def _query(self, query, *, include_defaults: bool = True, include_undefined: bool = False):
    """As Bokeh's; of what is sent, the properties at their defaults are not asked for, except those that have none."""
    if include_defaults or include_undefined:
        return _QUERY(
            self, query, include_defaults=include_defaults, include_undefined=include_undefined
        )
    themed = self.themed_values() or {}
    told, made = self._property_values, self._unstable_default_values
    found = {}
    for name, descriptor, bare in _asked(type(self)):
        there = name in told or name in made or name in themed
        if not (there or bare) or not query(descriptor):
            continue
        value = descriptor.get_value(self)  # one that has no default and no value raises
        if there and not (
            name in made and name not in themed and isinstance(value, PropertyValueContainer)
        ):
            found[name] = value
    return found


@cache
def _asked(kind: type[HasProps]) -> tuple[tuple[str, Any, bool], ...]:
    """Names, descriptors, and whether there is no default."""
    return tuple((name, one, _bare(one, kind)) for name, one in _own(kind))


def _bare(descriptor: PropertyDescriptor, kind: type[HasProps]) -> bool:
    return any(told(descriptor, kind)[1] is Undefined for told in (_default, _origin))


def _own(kind: type[HasProps]) -> list[tuple[str, Any]]:
    """The properties of a class and what describes them, without other names of the same property."""
    every = [(name, kind.lookup(name)) for name in kind.properties(_with_props=True)]
    return [(name, one) for name, one in every if not isinstance(one, AliasPropertyDescriptor)]
