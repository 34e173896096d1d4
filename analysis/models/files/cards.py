"""``card.json``: what a model's folder says of itself that its other files do not tell, made sure of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from analysis.models.base import CLASSES, Card
from analysis.models.files.json_files import read_json
from data.errors import BrainLensError, unknown

__all__ = ["read_card"]


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _names(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _numbered(value: object) -> bool:
    return isinstance(value, dict) and all(map(_whole, value.values()))


_CHECKS: dict[str, tuple[Callable[[object], bool], str]] = {
    **dict.fromkeys(
        ("layers", "width", "parameters", "year", "download"), (_whole, "a whole number")
    ),
    **dict.fromkeys(
        ("space_before", "headless"), (lambda value: isinstance(value, bool), "true or false")
    ),
    "aliases": (_names, "a list of names"),
    "layer_names": (_numbered, 'names with the number of a layer, such as {"encoder.0": 1}'),
}
_BESIDE = ("adapter", "file", "form", "weights", "packages", "training", "bits_per_byte")
"""What the card holds for others than :class:`analysis.models.base.Card`: who reads the folder, where it is from."""


def read_card(path: Path) -> dict:
    """What a card says; empty where there is none.

    Parameters
    ----------
    path : path-like
        ``card.json`` of a folder, or ``NAME.card.json`` beside a file.

    Raises
    ------
    BrainLensError
        Where it does not parse, for a field that there is not, or a value of another kind; with the choices.
    """
    said = read_json(path)
    for field, value in said.items():
        if field in _BESIDE:
            continue
        if field not in Card.__dataclass_fields__:
            raise unknown(
                f"field of {path}",
                field,
                [*Card.__dataclass_fields__, *_BESIDE],
                remedy="Correct or remove it; what the fields mean is told in the documentation, 'Models'",
            )
        if field == "cls" and value not in CLASSES:
            raise unknown(f"class of model in {path}", value, CLASSES)
        right, what = _CHECKS.get(field, (lambda one: isinstance(one, str), "a text"))
        if value is not None and not right(value):
            raise BrainLensError(
                f"{field!r} in {path} is {value!r}, not {what}",
                remedy=f"Write it as {what}, or leave it out",
            )
    return {field: value for field, value in said.items() if value is not None}
