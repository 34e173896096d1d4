"""What is selected: one object per session, shared by all lenses, and its link."""

from __future__ import annotations

import numbers
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from os import PathLike, fspath
from urllib.parse import parse_qsl, quote, urlencode

import param

from analysis.protocol import FIELDS as PROTOCOL_FIELDS
from analysis.protocol import PRESETS, STRICTER, Protocol, preset
from dashboards import LENSES
from data.errors import BrainLensError, unknown
from data.filters import FILTERS

__all__ = ["MAPS", "VIEW", "Selection", "Words", "declare", "decode", "encode"]

VERSION = 1
THEMES = ("light", "dark")
OWN_X = (
    "bits-per-byte",
    "bits-per-word",
    "perplexity",
    "readout",
    "task",
    "parameters",
    "year",
    "width",
)
MAPS = "Layers from the map"
"""The picker of committed maps, by its label."""
_CHANGE = "set."  # a changed protocol field is its own field of the link: set.pooling=mean
_COLOUR = "colour."  # and so is a model's colour: colour.gpt2=d55e00


class Words(param.String):
    """Text that may be given as a number or a path: an effect of 0.01, layer 3, a file."""

    def __set__(self, obj, val):
        if isinstance(val, numbers.Real | PathLike) and not isinstance(val, bool):
            val = fspath(val) if isinstance(val, PathLike) else str(val)
        super().__set__(obj, val)


class Names(param.List):
    """Texts, each of which may be given as a path: a recording or a model of one's own."""

    def __set__(self, obj, val):
        if isinstance(val, list | tuple):
            val = [fspath(one) if isinstance(one, PathLike) else one for one in val]
        super().__set__(obj, val)


class Selection(param.Parameterized):
    """What the user has selected; plain values only, so that it is a link, a notebook argument and a recipe alike."""

    lens = Words("task", doc="The lens in front.")
    models = Names([], item_type=str, doc="Models chosen, by id.")
    recording = Words("simulated", doc="Recording, by id or path.")
    preset = param.Selector(default="defended", objects=list(PRESETS), doc="Protocol preset.")
    changes = param.Dict({}, doc="Protocol fields that differ from the preset.")
    benchmark = Words("neural", doc="Published benchmark.")
    x = Words("log-perplexity", doc="What the horizontal axis shows.")
    own_x = param.Selector(
        default="bits-per-byte",
        objects=list(OWN_X),
        doc="What the horizontal axis of own scores shows.",
    )
    text = Words("prose", doc="Text that bits per byte and per word are of.")
    tables = param.ListSelector(
        default=["schrimpf2021"],
        objects=["schrimpf2021", "hadidi2025"],
        doc="Published tables shown, each on axes of its own.",
    )
    pooling = param.Selector(
        default="last",
        objects=["last", "mean", "sum"],
        doc="Pooling over tokens in the table of Hadidi et al.",
    )
    clip = param.Boolean(False, doc="Published scores clipped at 1, the paper's rule.")
    scale = param.Selector(
        default="raw", objects=["raw", "normalised"], doc="Raw or normalised scores."
    )
    layer = Words("", doc="Layer picked; empty: the protocol's choice.")
    by = param.Selector(
        default="mean",
        objects=["mean", "subject", "region"],
        doc="mean, subject or region: what a line of the layers is.",
    )
    protocols = param.ListSelector(
        default=[],
        objects=[*PRESETS, STRICTER],
        doc="Further presets, each in a figure of its own.",
    )
    tested = param.Boolean(False, doc="Whether each target is tested against chance.")
    scheme = param.List(["init"], item_type=str, doc="How untrained copies are made.")
    seeds = param.Integer(5, bounds=(1, 20), doc="Untrained copies of each model.")
    corpora = Names(["simulated-reading"], item_type=str, doc="Recordings of words, by id or path.")
    form = param.Selector(
        default="linear", objects=["linear", "mixed", "gam"], doc="Model of the reading times."
    )
    link = param.Selector(
        default="identity", objects=["identity", "log"], doc="Scale of the reading times."
    )
    filter = param.Selector(
        default="no-edges", objects=list(FILTERS), doc="Which reading times count."
    )
    neural = Words("", doc="Recording of a brain that reading is compared with; empty: none.")
    fitted = param.Boolean(False, doc="Reading times also predicted from activations.")
    slice = param.Selector(
        default="length",
        objects=["length", "frequency", "position", "topic"],
        doc="What items are sliced by.",
    )
    ranked = Names([], item_type=str, doc="Recordings that the ranking averages; empty: all.")
    hidden = Names([], item_type=str, doc="Models left out of the ranking.")
    picked = Names([], item_type=str, doc="Items marked in every lens.")
    colours = param.Dict({}, doc="Model -> #rrggbb, where the user chose another colour.")
    theme = param.Selector(default="light", objects=list(THEMES), doc="light or dark.")
    facets = param.Selector(
        default="",
        objects=["", "family", "size", "training", "class", "year"],
        doc="What a ranking is split by.",
    )
    columns = param.List([], item_type=str, doc="Columns of the ranking that are hidden.")
    folded = param.Boolean(True, doc="Seeds and checkpoints stand under their model.")
    tab = param.Selector(default="figure", objects=["figure", "table"], doc="What is in front.")
    sort = Words("", doc="Column the table is sorted by; -column: downwards.")
    rows = Words("", doc="Words that the table's rows must have.")
    zoom = Words("", doc="Frame of the first figure: left,right,bottom,top.")
    design = param.Selector(
        default="drive",
        objects=["drive", "controversial", "power"],
        doc="Which experiment is designed.",
    )
    candidates = Words("prose", doc="Sentences that a design chooses from.")
    target = Words("", doc="Target of the recording that a design is about; empty: all.")
    by_response = param.Boolean(
        False, doc="Models disagree in predicted responses, not in surprisal."
    )
    effect = Words("", doc="Smallest difference of interest of a power plan.")
    repeats = param.Integer(1, bounds=(1, 20), doc="Times that a person meets an item.")
    grown = param.Boolean(False, doc="A power plan counts that items also train the regression.")
    gaps = param.Selector(
        default="empty",
        objects=["empty", "zero", "shared"],
        doc="What a ranking does where a model lacks a recording: empty, zero or shared.",
    )
    task = Words(
        "syntaxgym",
        doc="Task that models are run on: syntaxgym, syntaxgym:SUITE, glue:SET, pairs:FILE or table:FILE.",
    )
    alike = param.Selector(
        default="cka", objects=["cka", "rsa", "shape"], doc="How two geometries are compared."
    )
    decimal = param.Selector(
        default="point", objects=["point", "comma"], doc="Decimal mark in exports."
    )

    lent: Mapping[str, object] = {}
    """Fields that stand where they do because the lens in front asks for it, not because somebody chose them."""

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
        self.lent = {}
        self.param.update(**{**defaults(), **values})
        return problems


@dataclass(frozen=True)
class _Field:
    """How one field is written into a link and read from it."""

    many: bool = False
    kind: Callable = str
    choices: Collection[str] = field(default=())
    bounds: tuple[int, int] | None = None

    def read(self, name: str, text: str) -> object:
        try:
            value = self.kind(text)
        except (KeyError, ValueError):
            wanted = "a whole number" if self.kind is int else "true or false"
            raise BrainLensError(f"{name}={text[:60]!r} is not {wanted}") from None
        if self.choices and value not in self.choices:
            raise unknown(name, value, self.choices)
        if self.bounds and not self.bounds[0] <= value <= self.bounds[1]:
            raise BrainLensError(
                f"{name}={value} is not between {self.bounds[0]} and {self.bounds[1]}"
            )
        return value


def _field(name: str, parameter: param.Parameter) -> _Field:
    """How a parameter is written into a link."""
    if name == "lens":
        return _Field(choices=LENSES)
    many = isinstance(parameter, param.List | param.ListSelector)
    choices = tuple(parameter.objects) if isinstance(parameter, param.Selector) else ()
    if isinstance(parameter, param.Boolean):
        return _Field(kind=lambda text: {"true": True, "false": False}[text])
    if isinstance(parameter, param.Integer):
        return _Field(kind=int, bounds=parameter.bounds)
    return _Field(many=many, choices=choices)


_FIELDS: dict[str, _Field] = {
    name: _field(name, parameter)
    for name, parameter in vars(Selection).items()
    if isinstance(parameter, param.Parameter) and name != "name"
}


def declare(name: str, parameter: param.Parameter) -> None:
    """Add a field that a lens brings: it is part of every selection and of the link.

    Raises
    ------
    BrainLensError
        Where another field has that name.
    """
    if name in _FIELDS:
        raise BrainLensError(
            f"The selection has a field {name!r} already", remedy="Give it another name"
        )
    Selection.param.add_parameter(name, parameter)
    _FIELDS[name] = _field(name, parameter)


VIEW = ("tab", "sort", "rows", "zoom")
"""Fields that belong to one lens at a time."""


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
    _load_for(values)
    pairs: list[tuple[str, str]] = [("v", str(VERSION))]
    start = defaults()
    named = values.get("task", start["task"]) != start["task"]  # and would be shown without own_x
    for name, how in _FIELDS.items():
        value = values.get(name, start[name])
        if value == start[name] and not (name == "own_x" and named):
            continue
        if name == "changes":
            pairs += [(_CHANGE + key, _flat(item)) for key, item in value.items()]
        elif name == "colours":
            pairs += [(_COLOUR + model, colour.lstrip("#")) for model, colour in value.items()]
        elif how.many:
            pairs += [(name, str(item)) for item in value]
        else:
            pairs.append((name, _flat(value)))
    # half a character pair, as a broken link may hold, has no bytes
    return urlencode(pairs, quote_via=quote, safe="/:@,", errors="replace")


def _load_for(names: Iterable[str]) -> None:
    """Load the lenses where a field is not known yet: a lens declares its own when it is loaded."""
    if all(name in _FIELDS for name in names):
        return
    for slug in LENSES:
        with suppress(BrainLensError):
            LENSES[slug]


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
    _load_for(key for key, _ in pairs if key != "v" and not key.startswith((_CHANGE, _COLOUR)))
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
            except BrainLensError as error:
                problems.append(_sentence(error))
                continue
            if _FIELDS[key].many:
                kept = values.setdefault(key, [])
                if value not in kept:
                    kept.append(value)
            else:
                values[key] = value
    if "task" in values:  # whoever names a task means to see it
        values.setdefault("own_x", "task")
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
            of_regions = name == "layer" and text.startswith("map:")
            where = f" {MAPS} in the lens Regions takes one." if of_regions else ""
            problems.append(_sentence(error) + where)
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
