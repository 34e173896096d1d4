"""What a variant is made of beside its name: part of a model's identity, so that nothing stale is served."""

from __future__ import annotations

from analysis.models.variants.maps import load_map
from analysis.models.variants.spec import Variant
from analysis.models.zoo.wire import mark

__all__ = ["made_of"]


def made_of(variant: Variant) -> str:
    """A mark of the training text and of the saved maps behind a variant; empty where its name says all.

    Examples
    --------
    >>> made_of(Variant.parse("untrained:init:0@noise:all:0.1"))
    ''
    """
    marks = []
    for step in variant.steps:
        name = step.scheme.partition("-")[2]
        if step.kind == "lesion" and name:
            marks.append(load_map(name).mark)
        if step.kind == "wire":
            marks.append(mark())
    return "".join(f"+{one}" for one in marks)
