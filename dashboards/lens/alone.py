"""The selection of a lens that stands alone, in a notebook or a script."""

from __future__ import annotations

from analysis.protocol import Protocol, preset
from dashboards.state import Selection
from data.errors import BrainLensError, unknown

__all__ = ["selected"]


def selected(slug: str, fields: dict) -> Selection:
    """A selection of a lens that stands alone.

    Raises
    ------
    BrainLensError
        For a field or a value that does not exist.
    """
    fields = dict(fields)
    protocol = fields.pop("protocol", None)
    known = [name for name in Selection.param if name != "name"]
    for name in fields:
        if name not in known:
            raise unknown("field of a lens", name, [*known, "protocol"])
    if isinstance(fields.get("models"), str):
        raise BrainLensError(
            f"models={fields['models']!r} is one string, not a list",
            remedy=f"Give models=[{fields['models']!r}]",
        )
    try:
        selection = Selection(lens=slug, **fields)
    except ValueError as error:
        raise BrainLensError(str(error)) from None
    if protocol is not None:
        selection.protocol = protocol if isinstance(protocol, Protocol) else preset(protocol)
    return selection
