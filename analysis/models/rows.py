"""The rows of the catalogue, and the ids behind their aliases."""

from __future__ import annotations

import csv
from functools import cache
from importlib.resources import files
from typing import Any

from analysis.models.base import Card

__all__ = ["resolve", "rows"]


_NUMBERS = ("layers", "width", "parameters", "year", "download")


@cache
def rows() -> dict[str, Card]:
    """The rows of catalogue.csv."""
    table = files("analysis.models").joinpath("catalogue.csv")
    with table.open(encoding="utf-8", newline="") as stream:  # pyright: ignore[reportCallIssue]  # newline is not declared
        return {row["id"]: _from_row(row) for row in csv.DictReader(stream)}


def _from_row(row: dict[str, str]) -> Card:
    fields: dict[str, Any] = {
        name: row[name]
        for name in row
        if name not in ("aliases", "layer_names", "space_before", *_NUMBERS)
    }
    fields |= {name: int(row[name]) if row[name] else None for name in _NUMBERS}
    fields |= {
        "space_before": row["space_before"] == "yes",
        "aliases": tuple(row["aliases"].split()),
        "headless": row["family"] == "xlnet" or row["note"] == "sentence-tuned",
    }
    return Card(**fields, layer_names=_layer_names(row["layer_names"], fields["layers"] or 0))


def _layer_names(text: str, layers: int) -> dict[str, int]:
    """``drop h.{}`` -> {"drop": 0, "h.0": 1, ...}; ``-`` stands for a layer 0 that has no name."""
    if not text:
        return {}
    first, *block = text.split()
    names = {} if first == "-" else {first: 0}
    return names | {block[0].format(i): i + 1 for i in range(layers) if block}


def resolve(name: str) -> str:
    """The id behind an alias; any other name is given back as it is."""
    if name in rows():
        return name
    for known in rows().values():
        if name.lower() in (known.id, known.hub_id.lower()) or name in known.aliases:
            return known.id
    return name
