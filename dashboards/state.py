"""What is selected: one object per session, shared by all lenses, and its link."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, urlencode

import param

from analysis.protocol import FIELDS as PROTOCOL_FIELDS
from analysis.protocol import PRESETS, Protocol, preset
from dashboards import LENSES
from data.errors import BrainLensError, unknown
from data.filters import FILTERS

__all__ = ["Selection", "decode", "encode"]

VERSION = 1
THEMES = ("light", "dark")
_CHANGE = "set."  # a changed protocol field is its own field of the link: set.pooling=mean
_COLOUR = "colour."  # and so is a model's colour: colour.gpt2=d55e00


class Selection(param.Parameterized):
    """What the user has selected; plain values only, so that it is a link, a notebook argument and a recipe alike."""

    lens = param.String("task", doc="The lens in front.")
    models = param.List([], item_type=str, doc="Models chosen, by id.")
    recording = param.String("simulated", doc="Recording, by id or path.")
    preset = param.String("defended", doc="Protocol preset.")
    changes = param.Dict({}, doc="Protocol fields that differ from the preset.")
    benchmark = param.String("neural", doc="Published benchmark.")
    x = param.String("log-perplexity", doc="What the horizontal axis shows.")
    own_x = param.String("bits-per-byte", doc="What the horizontal axis of own scores shows.")
    text = param.String("prose", doc="Text that bits per byte and per word are of.")
    tables = param.List(
        ["schrimpf2021"], item_type=str, doc="Published tables shown, each on axes of its own."
    )
    pooling = param.String("last", doc="Pooling over tokens in the table of Hadidi et al.")
    clip = param.Boolean(False, doc="Published scores clipped at 1, the paper's rule.")
    scale = param.String("raw", doc="Raw or normalised scores.")
    layer = param.String("", doc="Layer picked; empty: the protocol's choice.")
    by = param.String("mean", doc="mean, subject or region: what a line of the layers is.")
    protocols = param.List([], item_type=str, doc="Further presets, each in a figure of its own.")
    tested = param.Boolean(False, doc="Whether each target is tested against chance.")
    scheme = param.List(["init"], item_type=str, doc="How untrained copies are made.")
    seeds = param.Integer(5, bounds=(1, 20), doc="Untrained copies of each model.")
    corpora = param.List(
        ["simulated-reading"], item_type=str, doc="Recordings of words, by id or path."
    )
    form = param.String("linear", doc="Model of the reading times.")
    link = param.String("identity", doc="Scale of the reading times.")
    filter = param.String("no-edges", doc="Which reading times count.")
    neural = param.String(
        "", doc="Recording of a brain that reading is compared with; empty: none."
    )
    fitted = param.Boolean(False, doc="Reading times also predicted from activations.")
    slice = param.String("length", doc="What items are sliced by.")
    ranked = param.List([], item_type=str, doc="Recordings that the ranking averages; empty: all.")
    hidden = param.List([], item_type=str, doc="Models left out of the ranking.")
    picked = param.List([], item_type=str, doc="Items marked in every lens.")
    colours = param.Dict({}, doc="Model -> #rrggbb, where the user chose another colour.")
    theme = param.String("light", doc="light or dark.")

    @property
    def protocol(self) -> Protocol:
        """The preset with its changed fields."""
        return preset(self.preset).but(**self.changes) if self.changes else preset(self.preset)

    @protocol.setter
    def protocol(self, protocol: Protocol) -> None:
        self.param.update(preset=protocol.name.rstrip("*"), changes=protocol.changes())

    def to_dict(self) -> dict:
        """Plain values of every field."""
        return {name: getattr(self, name) for name in _FIELDS}

    def query(self) -> str:
        """The link's query, without the question mark; only what differs from the defaults is in it."""
        return encode(self.to_dict())

    def read(self, query: str, checks: dict[str, Callable] | None = None) -> list[str]:
        """Take over what a link says.

        Parameters
        ----------
        query : str
            With or without the question mark.
        checks : dict of callable, optional
            ``{field: check}``; a check raises :class:`BrainLensError` for a value that is not available here.

        Returns
        -------
        list of str
            One sentence for each field that could not be used; that field keeps its default.
        """
        values, problems = decode(query, checks)
        self.param.update(**{**defaults(), **values})
        return problems


@dataclass(frozen=True)
class _Field:
    """How one field is written into a link and read from it."""

    many: bool = False
    kind: Callable = str
    choices: tuple[str, ...] = field(default=())

    def read(self, name: str, text: str) -> object:
        try:
            value = self.kind(text)
        except (KeyError, ValueError):
            wanted = "a whole number" if self.kind is int else "true or false"
            raise BrainLensError(f"{name}={text[:60]!r} is not {wanted}") from None
        if self.choices and value not in self.choices:
            raise unknown(name, value, self.choices)
        return value


_FIELDS: dict[str, _Field] = {
    "lens": _Field(choices=tuple(LENSES)),
    "models": _Field(many=True),
    "recording": _Field(),
    "preset": _Field(choices=tuple(PRESETS)),
    "changes": _Field(),
    "benchmark": _Field(),
    "x": _Field(),
    "own_x": _Field(
        choices=(
            "bits-per-byte",
            "bits-per-word",
            "perplexity",
            "readout",
            "parameters",
            "year",
            "width",
        )
    ),
    "text": _Field(),
    "tables": _Field(many=True, choices=("schrimpf2021", "hadidi2025")),
    "pooling": _Field(choices=("last", "mean", "sum")),
    "clip": _Field(kind=lambda text: {"true": True, "false": False}[text]),
    "scale": _Field(choices=("raw", "normalised")),
    "layer": _Field(),
    "by": _Field(choices=("mean", "subject", "region")),
    "protocols": _Field(many=True, choices=tuple(PRESETS)),
    "tested": _Field(kind=lambda text: {"true": True, "false": False}[text]),
    "scheme": _Field(many=True),
    "seeds": _Field(kind=int),
    "corpora": _Field(many=True),
    "form": _Field(choices=("linear", "mixed", "gam")),
    "link": _Field(choices=("identity", "log")),
    "filter": _Field(choices=tuple(FILTERS)),
    "neural": _Field(),
    "fitted": _Field(kind=lambda text: {"true": True, "false": False}[text]),
    "slice": _Field(choices=("length", "frequency", "position", "topic")),
    "ranked": _Field(many=True),
    "hidden": _Field(many=True),
    "picked": _Field(many=True),
    "colours": _Field(),
    "theme": _Field(choices=THEMES),
}


def defaults() -> dict:
    """The value of every field in a new session."""
    return {name: _copy(Selection.param[name].default) for name in _FIELDS}


def encode(values: dict) -> str:
    """Write a selection as the query of a link.

    Examples
    --------
    >>> encode({"lens": "layers", "models": ["gpt2", "glove-50d"], "changes": {"pooling": "mean"}})
    'v=1&lens=layers&models=gpt2&models=glove-50d&set.pooling=mean'
    """
    pairs: list[tuple[str, str]] = [("v", str(VERSION))]
    start = defaults()
    for name, how in _FIELDS.items():
        value = values.get(name, start[name])
        if value == start[name]:
            continue
        if name == "changes":
            pairs += [(_CHANGE + key, _flat(item)) for key, item in value.items()]
        elif name == "colours":
            pairs += [(_COLOUR + model, colour.lstrip("#")) for model, colour in value.items()]
        elif how.many:
            pairs += [(name, str(item)) for item in value]
        else:
            pairs.append((name, _flat(value)))
    return urlencode(pairs, quote_via=quote, safe="/:@,")


def decode(query: str, checks: dict[str, Callable] | None = None) -> tuple[dict, list[str]]:
    """Read the query of a link, field by field.

    Returns
    -------
    values : dict
        The fields that could be read.
    problems : list of str
        One sentence for each that could not.
    """
    checks = checks or {}
    pairs = parse_qsl(query.lstrip("?"), keep_blank_values=True)
    values: dict = {}
    problems: list[str] = []
    changes: dict[str, str] = {}
    for key, text in pairs:
        if key == "v":
            if text != str(VERSION):
                problems.append(
                    f"The link is of version {text[:20]!r}, not {VERSION}: it was read as far as possible."
                )
        elif key.startswith(_CHANGE):
            changes[key.removeprefix(_CHANGE)] = text
        elif key.startswith(_COLOUR):
            if re.fullmatch("[0-9a-f]{6}", text):
                values.setdefault("colours", {})[key.removeprefix(_COLOUR)] = f"#{text}"
            else:
                problems.append(f"{key[:60]}={text[:20]!r} is not a colour written as rrggbb.")
        elif key not in _FIELDS or key in ("changes", "colours"):
            problems.append(_sentence(unknown("field of a link", key[:60], _FIELDS)))
        else:
            try:
                value = _FIELDS[key].read(key, text)
                if key in checks:
                    checks[key](value)
                if key == "seeds" and not 1 <= value <= 20:
                    raise BrainLensError(f"seeds={value} is not between 1 and 20")
            except BrainLensError as error:
                problems.append(_sentence(error))
                continue
            if _FIELDS[key].many:
                kept = values.setdefault(key, [])
                if value not in kept:
                    kept.append(value)
            else:
                values[key] = value
    if changes:
        values["changes"], wrong = _changes(preset(values.get("preset", "defended")), changes)
        problems += wrong
    return values, problems


def _changes(base: Protocol, changes: dict[str, str]) -> tuple[dict, list[str]]:
    """The protocol fields of a link that can be used on this preset, and why the others cannot."""
    problems, protocol = [], base
    for name, text in changes.items():
        try:
            if name == "name" or name not in PROTOCOL_FIELDS:
                raise unknown(
                    "protocol field", name[:60], [f for f in PROTOCOL_FIELDS if f != "name"]
                )
            protocol = protocol.but(**{name: text})
        except BrainLensError as error:
            problems.append(_sentence(error))
    return protocol.changes(), problems


def _flat(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return ",".join(str(v) for v in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _copy(value: object) -> object:
    return type(value)(value) if isinstance(value, (list, dict)) else value


def _sentence(error: BrainLensError) -> str:
    """The problem and the nearest choices, short enough for one notice."""
    known = f" (known: {_first(error.choices)})" if error.choices else ""
    return f"{error.problem.rstrip('.')}{known}."


def _first(choices: Iterable[str], count: int = 5) -> str:
    names = list(choices)
    return ", ".join(names[:count]) + (
        f" and {len(names) - count} more" if len(names) > count else ""
    )
