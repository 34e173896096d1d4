"""What a sweep is to compute: a TOML file of models, recordings and protocols, and the tasks that follow from it.

.. code-block:: toml

    name = "sizes"
    models = ["zoo-*", "gpt2"]           # names or patterns of the catalogue
    recordings = ["simulated"]
    protocols = ["defended", "no-context"]
    revisions = []                       # of every model, such as ["step1000", "step143000"]
    layers = []                          # all; or numbers, or places inside the blocks: ["attn", "mlp:3"]
    exclude = [{ model = "zoo-causal-3m", protocol = "no-context" }]

    [protocol.no-context]                # a preset with other choices
    preset = "defended"
    context = "none"

    [run]
    cores = 1                            # of each task: the same for every runner
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path

from analysis.features.activations import activation_key
from analysis.models import load
from analysis.models.catalog import cards
from analysis.models.sites import KINDS, is_site
from analysis.protocol import PRESETS, Protocol, preset
from analysis.scoring.keys import score_key
from analysis.store.keys import content_key
from data.catalog.catalog import entries
from data.catalog.catalog import recording as open_recording
from data.errors import BrainLensError, unknown

__all__ = ["Cell", "Plan", "Task", "read_plan", "tasks"]

FIELDS = (
    "name",
    "models",
    "recordings",
    "protocols",
    "revisions",
    "layers",
    "exclude",
    "protocol",
    "run",
)


@dataclass(frozen=True)
class Cell:
    """One score of the grid: who, on what, how."""

    model: str
    recording: str
    protocol: str


@dataclass(frozen=True)
class Plan:
    """A sweep as it was asked for.

    Parameters
    ----------
    name : str
    models, recordings, protocols : tuple of str
        Names, patterns are resolved.
    changed : mapping of str to Protocol
        Protocols that are no presets.
    layers : tuple of int or str
        Empty: all. Numbers, or places inside the blocks of transformers (:mod:`analysis.models.sites`).
    exclude : tuple of mappings
        Patterns of model, recording, protocol; a cell that matches all of one is left out.
    cores : int
        Cores of each task, whatever the runner: numbers are the same to the bit.
    """

    name: str
    models: tuple[str, ...]
    recordings: tuple[str, ...]
    protocols: tuple[str, ...]
    changed: Mapping[str, Protocol] = field(default_factory=dict)
    layers: tuple[int | str, ...] = ()
    exclude: tuple[Mapping[str, str], ...] = ()
    cores: int = 1

    def protocol(self, name: str) -> Protocol:
        """The protocol of that name: one that the plan changed, else the preset."""
        return self.changed[name] if name in self.changed else preset(name)

    def cells(self) -> list[Cell]:
        """Every combination that is not excluded, models slowest."""
        every = [
            Cell(model, recording, protocol)
            for model in self.models
            for recording in self.recordings
            for protocol in self.protocols
        ]
        kept = [cell for cell in every if not any(_matches(cell, out) for out in self.exclude)]
        return [replace(cell, model=f"{cell.model}{self.suffix}") for cell in kept]

    @property
    def suffix(self) -> str:
        """What makes a model one that is read at the plan's places; empty where layers are numbers."""
        if not any(map(is_site, self.layers)):
            return ""
        names = [one if is_site(one) else f"block:{one}" for one in self.layers]
        return f"@at:{'+'.join(map(str, names))}"

    @property
    def numbers(self) -> list[int] | None:
        """Layers of each model; None: all, and all places where it is read at places."""
        return None if self.suffix or not self.layers else [int(one) for one in self.layers]

    def to_dict(self) -> dict:
        """Plain values, for JSON: what a worker on another machine is given."""
        return {
            "name": self.name,
            "models": list(self.models),
            "recordings": list(self.recordings),
            "protocols": list(self.protocols),
            "protocol": {name: one.to_dict() for name, one in self.changed.items()},
            "layers": list(self.layers),
            "exclude": [dict(one) for one in self.exclude],
            "cores": self.cores,
        }

    @classmethod
    def from_dict(cls, fields: Mapping) -> Plan:
        """The plan that was written as these fields."""
        return cls(
            fields["name"],
            tuple(fields["models"]),
            tuple(fields["recordings"]),
            tuple(fields["protocols"]),
            {name: Protocol.from_dict(one) for name, one in fields["protocol"].items()},
            tuple(fields["layers"]),
            tuple(fields["exclude"]),
            fields["cores"],
        )

    def toml(self) -> str:
        """The plan as a file that :func:`read_plan` reads."""
        lines = [f"name = {json.dumps(self.name)}"]
        lines += [
            f"{name} = {json.dumps(list(getattr(self, name)))}"
            for name in ("models", "recordings", "protocols", "layers")
        ]
        if self.exclude:
            rows = ", ".join(
                "{ " + ", ".join(f"{key} = {json.dumps(v)}" for key, v in one.items()) + " }"
                for one in self.exclude
            )
            lines.append(f"exclude = [{rows}]")
        for name, one in self.changed.items():
            lines += [
                "",
                f"[protocol.{json.dumps(name)}]",
                f"preset = {json.dumps(one.name.rstrip('*'))}",
            ]
            lines += [f"{key} = {_toml(value)}" for key, value in one.changes().items()]
        return "\n".join([*lines, "", "[run]", f"cores = {self.cores}", ""])

    @property
    def key(self) -> str:
        """Equal for equal plans."""
        text = json.dumps(self.to_dict(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Task:
    """A piece of work that one worker does alone, named by the content of its result.

    Parameters
    ----------
    key : str
    kind : str
        ``"read"``: a model reads a recording's texts; ``"score"``: all layers of one cell.
    cell : Cell
        Of a reading, one of those it serves.
    after : str
        Key of the reading it needs; empty where it needs none.
    """

    key: str
    kind: str
    cell: Cell
    after: str = ""


def _toml(value) -> str:
    if value is None:
        return '"none"'
    return json.dumps(list(value) if isinstance(value, tuple) else value)


def _matches(cell: Cell, pattern: Mapping[str, str]) -> bool:
    return all(fnmatchcase(getattr(cell, name), text) for name, text in pattern.items())


# ---- reading a plan -------------------------------------------------------------------------------------------------
def read_plan(path: str | Path) -> Plan:
    """A plan from its TOML file; patterns are resolved against the catalogues of this machine.

    Raises
    ------
    BrainLensError
        For a file that is no plan, unknown fields, names that do not exist, patterns that match nothing.
    """
    path = Path(path)
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BrainLensError(
            f"The plan {path} cannot be read ({error.strerror})", remedy="Check its path"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BrainLensError(
            f"The plan {path} is no TOML: {error}", remedy="Mend this line"
        ) from error
    for name in said:
        if name not in FIELDS:
            raise unknown("field of a plan", name, FIELDS)
    for name in ("models", "recordings"):
        if not said.get(name) or not isinstance(said[name], list):
            raise BrainLensError(
                f"The plan {path} names no {name}", remedy=f'For example {name} = ["..."]'
            )
    changed = {name: _protocol(name, one) for name, one in said.get("protocol", {}).items()}
    protocols = said.get("protocols") or [*changed] or ["defended"]
    for name in protocols:
        if name not in changed and name not in PRESETS:
            raise unknown("protocol", name, [*changed, *PRESETS])
    for out in said.get("exclude", []):
        for name in out:
            if name not in ("model", "recording", "protocol"):
                raise unknown("field of exclude", name, ("model", "recording", "protocol"))
    cores = said.get("run", {}).get("cores", 1)
    if not isinstance(cores, int) or cores < 1:
        raise BrainLensError(
            f"run.cores = {cores!r} is no number of cores", remedy="Give 1 or more"
        )
    models = _named(said["models"], cards(), "model")
    if said.get("revisions"):
        models = [f"{model}@{revision}" for model in models for revision in said["revisions"]]
    return Plan(
        str(said.get("name", path.stem)),
        tuple(models),
        tuple(_named(said["recordings"], entries(recordings=True), "recording")),
        tuple(protocols),
        changed,
        checked_layers(said.get("layers", ())),
        tuple(said.get("exclude", ())),
        cores,
    )


def checked_layers(said: Iterable) -> tuple[int | str, ...]:
    """Numbers of layers and names of places.

    Raises
    ------
    BrainLensError
        For what is neither, and for a layer counted from the top beside places: that differs from model to model.
    """
    found: list[int | str] = []
    for one in [said] if isinstance(said, str) else said:
        text = str(one).strip()
        if re.fullmatch(r"-?\d+", text):
            found.append(int(text))
        elif is_site(text):
            found.append(text)
        else:
            raise unknown(
                "layer",
                text,
                [f"{kind}:1" for kind in KINDS],
                remedy="Give numbers such as 0, 6, -1, or places such as attn, mlp:3, head:3.5",
            )
    if any(map(is_site, found)) and any(isinstance(one, int) and one < 0 for one in found):
        raise BrainLensError(
            f"layers = {found} counts from the top beside places inside the blocks",
            remedy="Write block:N, or make a plan of its own for the layers",
        )
    return tuple(dict.fromkeys(found))


def _protocol(name: str, said: Mapping) -> Protocol:
    fields = {
        key: value.lower() if isinstance(value, str) and key in ("rcond", "window") else value
        for key, value in said.items()
        if key != "preset"
    }
    return preset(said.get("preset", "defended")).but(**fields)


def _named(asked: Iterable[str], known: Iterable[str], what: str) -> list[str]:
    """Names as they are (files and ids of the hub are no part of a catalogue); patterns as what they match."""
    known, found = list(known), []
    for text in asked:
        if not any(mark in text for mark in "*?["):
            found.append(text)
            continue
        matched = [name for name in known if fnmatchcase(name, text)]
        if not matched:
            raise BrainLensError(
                f"No {what} here is called {text!r}",
                choices=known,
                remedy="Change the pattern, or fetch what it means first",
            )
        found += matched
    return list(dict.fromkeys(found))


# ---- from cells to tasks ------------------------------------------------------------------------------------------------
def tasks(plan: Plan) -> list[Task]:
    """What has to be done, readings before the scores that need them; equal work has one task.

    Raises
    ------
    BrainLensError
        For models and recordings that do not exist.
    """
    readings: dict[str, Task] = {}
    scores: dict[str, Task] = {}
    recordings = {name: open_recording(name) for name in plan.recordings}
    models = {}
    for cell in plan.cells():
        if cell.model not in models:
            models[cell.model] = load(cell.model)
        model, on = models[cell.model], recordings[cell.recording]
        protocol = plan.protocol(cell.protocol)
        after = ""
        if not hasattr(model, "of"):
            after = f"read-{activation_key(model, on, protocol)}"
            readings.setdefault(after, Task(after, "read", cell))
        key = f"score-{content_key(score_key(model, on, protocol), tuple(plan.numbers or ()))}"
        scores.setdefault(key, Task(key, "score", cell, after))
    return [*readings.values(), *scores.values()]
