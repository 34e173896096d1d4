"""Why does my number differ? Two results field by field, in the order in which a field is the likely cause."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.answers.answer import Answer, decimal, listed, signed
from analysis.models.variants.spec import GRAMMAR
from analysis.scoring.capsules import Capsule, read_capsule
from analysis.scoring.lock import refuse_told
from analysis.store.store import Store
from data.errors import BrainLensError

__all__ = ["SUSPECTS", "Record", "compare_results", "record_of"]


@dataclass(frozen=True)
class Record:
    """One result, as far as it is known.

    Parameters
    ----------
    name : str
        How it is called in the answer.
    r : float
        On the scale of ``scale``.
    provenance : dict
        As of :mod:`analysis.scoring.provenance`; empty fields are unknown, not equal.
    scale : str
        What ``r`` is: ``"r"``, or what a foreign table says of it.
    origin : str
        ``score``, ``result``, ``capsule``, ``Brain-Score``, ``neural-nlp`` or ``LITcoder``.
    """

    name: str
    r: float
    provenance: dict = field(default_factory=dict)
    scale: str = "r"
    origin: str = "score"

    def get(self, path: str):
        """A field by its path with dots; None where it is not known."""
        value = self.provenance
        for part in path.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        return None if value == "" else value

    def tells(self, path: str) -> bool:
        """Whether a field is known; a choice of None (such as no window) and texts joined by nothing are."""
        *parents, last = path.split(".")
        value = self.provenance
        for part in parents:
            value = value.get(part) if isinstance(value, Mapping) else None
        if not isinstance(value, Mapping) or last not in value:
            return False
        return value[last] != "" or path == "recording.joiner"


@dataclass(frozen=True)
class Suspect:
    """A field, what it is called, and which fields follow from it."""

    what: str
    paths: tuple[str, ...]
    explains: tuple[str, ...] = ()


_DATA = (
    "rows left out",
    "data file",
    "row order",
    "target order",
    "number of stimuli",
    "number of targets",
    "folds",
)
_COUNTS = _DATA[-3:]
SUSPECTS: tuple[Suspect, ...] = (
    Suspect("recording", ("recording.id",), (*_DATA, "roles of columns", "people left out", "filter", "text joiner", "language")),
    Suspect("people left out", ("recording.people", "recording.n_subjects"), ("rows left out", "target order", *_COUNTS)),
    Suspect("filter", ("recording.filters",), ("rows left out", "data file", *_COUNTS)),
    Suspect("rows left out", ("recording.n_stimuli",), ("row order", "target order", *_COUNTS)),
    Suspect("data file", ("recording.rows_hash",), ("target order", *_COUNTS)),
    Suspect("row order", ("recording.order_hash",), ("target order", "folds")),
    Suspect("text joiner", ("recording.joiner",), ("target order",)),
    Suspect("language", ("recording.language",), ("target order",)),
    Suspect("target order", ("recording.response_hash", "recording.stimulus_hash")),
    Suspect("roles of columns", ("recording.context", "recording.group", "recording.within", "recording.averaged",
                                 "recording.unit"), ("folds", "target order")),
    Suspect("model", ("model.family", "model.width", "model.layers"), ("tokenizer", "model revision", "start token")),
    Suspect("tokenizer", ("model.tokenizer_hash",), ("model name", "start token")),
    Suspect("model revision", ("model.fingerprint",), ("model name",)),
    Suspect("start token", ("protocol.start", "model.bos")),
    Suspect("pooling", ("protocol.pooling",)),
    Suspect("context", ("protocol.context",)),
    Suspect("window", ("protocol.window",)),
    Suspect("attention", ("protocol.attention",)),
    Suspect("split", ("protocol.split",), ("folds",)),
    Suspect("what is held out together", ("protocol.group",), ("folds",)),
    Suspect("number of folds", ("protocol.folds",), ("folds",)),
    Suspect("fold seed", ("protocol.seed",), ("folds",)),
    Suspect("number of fold seeds", ("protocol.seeds",), ("folds",)),
    Suspect("regression", ("protocol.method",)),
    Suspect("how alpha is chosen", ("protocol.criterion", "protocol.shared_alpha")),
    Suspect("inner folds", ("protocol.inner_folds",)),
    Suspect("standardisation", ("protocol.standardize", "protocol.standardize_run")),
    Suspect("cut-off of least squares", ("protocol.rcond",)),
    Suspect("alpha grid", ("protocol.alphas",)),
    Suspect("layer choice", ("protocol.layer", "scored.layers")),
    Suspect("norm behind the last layer", ("protocol.last_layer",)),
    Suspect("aggregation", ("protocol.targets", "protocol.people", "protocol.order", "protocol.by_experiment")),
    Suspect("ceiling kind", ("protocol.ceiling", "protocol.normalise", "protocol.clip"), ("ceiling",)),
    Suspect("ceiling", ("ceiling.kind",)),
    Suspect("dtype", ("protocol.dtype",)),
    Suspect("device", ("device",)),
    Suspect("version", ("code_version", "versions")),
    Suspect("folds", ("folds",)),
    Suspect("number of stimuli", ("recording.n_stimuli",)),
    Suspect("number of targets", ("recording.n_targets",)),
    Suspect("model name", ("model.id",)),
    Suspect("machine", ("machine",)),
)  # fmt: skip
"""Most likely causes first: what was measured, who read, how it was scored, with what it was computed."""
_HARMLESS = ("name of the recording", "model name", "machine")
"""These change no number by themselves."""
_PATHS = {path for one in SUSPECTS for path in one.paths}


# ---- records --------------------------------------------------------------------------------------------------------
def record_of(given, name: str = "") -> Record:
    """A score, a row of results, a capsule, or a file, as a record.

    Parameters
    ----------
    given : Score, mapping, Capsule or path
        A path is a capsule (``.zip``), a Brain-Score export (``.json``, ``.csv``), a table of neural-nlp (``.csv``) or results of
        LITcoder (``.json``); a foreign file must hold one result, or be named as ``FILE#MODEL``.

    Raises
    ------
    BrainLensError
        For what is none of these, holds several results of which none was named, or is locked by a prediction here.
    """
    if hasattr(given, "provenance") and hasattr(given, "summary"):
        told = given.provenance | {"scored": {"layers": [str(one) for one in given.layers]}}
        return Record(name or f"{given.model} on {given.recording}", given.value, told)
    if isinstance(given, Capsule):
        told = given.result
        refuse_told(told | {"provenance": given.provenance}, Store())
        known = given.provenance
        if "layer" in (table := given.tables.get("layers", pd.DataFrame())):
            known = known | {"scored": {"layers": list(map(str, table["layer"]))}}
        return Record(
            name or f"{told['model']} (capsule)", float(told["r"]), known, origin="capsule"
        )
    if isinstance(given, Mapping):
        refuse_told(given, Store())
        about = given.get("provenance") or "{}"
        about = json.loads(about) if isinstance(about, str) else about
        known = about or {"model": {"id": given["model"]}, "recording": {"id": given["recording"]}}
        return Record(name or f"{given['model']} on {given['recording']}", float(given["r"]), known, origin="result")  # fmt: skip
    text, _, which = str(given).partition("#")
    path = Path(text)
    if path.suffix == ".zip":
        return record_of(read_capsule(path), name or path.name)
    return _foreign(path, which, name)


_MODEL = ("model", "model_id", "model_identifier", "identifier", "model_name")
_BENCHMARK = (
    "benchmark",
    "benchmark_id",
    "benchmark_identifier",
    "dataset",
    "dataset_name",
    "recording",
)
_LAYER = ("layer", "best_layer", "layer_idx")
_SCORES = {
    "score_raw": "raw score", "raw": "raw score", "score_ceiled": "share of the ceiling", "score": "score as told",
    "median_correlation": "r, median", "mean_correlation": "r", "correlation": "r", "value": "score as told",
}  # fmt: skip


def _foreign(path: Path, which: str, name: str) -> Record:
    rows = _rows(path)
    keys = {key for row in rows for key in row}
    score = next((one for one in _SCORES if one in keys), None)
    model = next((one for one in _MODEL if one in keys), None)
    if score is None:
        raise BrainLensError(
            f"{path.name} holds no score that is known", choices=list(_SCORES),
            remedy="Give a capsule, or an export of Brain-Score, neural-nlp or LITcoder",
        )  # fmt: skip
    if which and model is not None:
        rows = [row for row in rows if str(row.get(model)) == which]
    rows = [row for row in rows if _number(row.get(score)) is not None]
    if len(rows) != 1:
        some = [str(row.get(model)) for row in rows][:5] if model else []
        raise BrainLensError(
            f"{path.name} holds {len(rows)} results{' of ' + which if which else ''}", choices=some,
            remedy=f"Name one model as {path.name}#MODEL, or leave one row in it",
        )  # fmt: skip
    row = rows[0]
    about: dict = {"model": {"id": row.get(model)} if model else {}, "recording": {}}
    if (bench := next((one for one in _BENCHMARK if row.get(one)), None)) is not None:
        about["recording"]["id"] = str(row[bench])
    if (layer := next((one for one in _LAYER if row.get(one) is not None), None)) is not None:
        about["layer"] = row[layer]
    origin = (
        "LITcoder" if {"mean_correlation", "median_correlation", "correlation"} & keys
        else "Brain-Score" if {"score_raw", "score_ceiled", "benchmark_identifier", "raw", "ceiling"} & keys
        else "neural-nlp"
    )  # fmt: skip
    value = _number(row[score])
    assert value is not None  # rows without one were left out
    return Record(name or path.name, value, about, _SCORES[score], origin)


def _rows(path: Path) -> list[dict]:
    """The results of a foreign file as flat rows."""
    try:
        if path.suffix == ".csv":
            return pd.read_csv(path).to_dict("records")
        if path.suffix == ".json":
            told = json.loads(path.read_text(encoding="utf-8"))
            found = (
                told.get("results", told.get("scores", told)) if isinstance(told, dict) else told
            )
            found = found if isinstance(found, list) else [found]
            return [_flat(one) for one in found if isinstance(one, dict)]
    except (OSError, ValueError) as error:
        raise BrainLensError(f"{path.name} cannot be read ({error})", remedy="Check the file") from error  # fmt: skip
    raise BrainLensError(
        f"{path.name} is no result", choices=(".zip", ".json", ".csv"), remedy="Give one of these"
    )


def _flat(row: dict) -> dict:
    """Nested records beside each other: ``{"metrics": {"correlation": .2}}`` has ``correlation``."""
    found: dict = {}
    for key, value in row.items():
        if isinstance(value, dict):
            found |= {k: v for k, v in _flat(value).items() if k not in found}
        else:
            found[key] = value
    return found


def _number(value) -> float | None:
    try:
        found = float(value)
    except (TypeError, ValueError):
        return None
    return found if np.isfinite(found) else None


# ---- comparing ------------------------------------------------------------------------------------------------------
def compare_results(first: Record, second: Record) -> Answer:
    """Which fields differ, the likely cause first.

    Returns
    -------
    Answer
        ``frame``: what, path, first, second, follows (from which cause it follows; empty for a cause), known. ``facts``:
        ``causes`` (names of the independent differences, in order), ``unknown`` (fields that one side does not tell).
    """
    rows, unknown, seen = [], [], set()
    explained: dict[str, str] = {}
    alike = _alike(first, second)
    for suspect in SUSPECTS:
        different = [path for path in suspect.paths if _differ(first, second, path)]
        lacking = [path for path in suspect.paths if _lacking(first, second, path)]
        unknown += [suspect.what] if len(lacking) == len(suspect.paths) else []
        seen |= set(different)
        if not different or suspect.what in alike:
            what = _RENAMED.get(suspect.what)
            rows += [_row(first, second, what, path, "") for path in different if what]
            continue
        for other in suspect.explains:
            explained.setdefault(other, suspect.what)
        what = suspect.what
        if what == "model revision" and _otherwise(first) != _otherwise(second):
            what = "model variant"
        for path in different:
            rows.append(_row(first, second, what, path, explained.get(suspect.what, "")))
    for path in sorted(_other_protocol(first, second) - seen):
        rows.append(_row(first, second, path.removeprefix("protocol."), path, ""))
    frame = pd.DataFrame(rows, columns=["what", "path", "first", "second", "follows"])
    if len(frame):
        order = frame["what"].isin(_HARMLESS) * 2 + (frame["follows"] != "")
        frame = frame.assign(order=order).sort_values("order", kind="stable").drop(columns="order")
    causes = list(dict.fromkeys(frame.loc[frame["follows"] == "", "what"]))
    causes = [one for one in causes if one not in _HARMLESS] or causes
    return Answer(
        frame.reset_index(drop=True),
        _sentence(first, second, causes),
        "Order of suspicion: what was measured and who is in it, who read, how it was scored, with what it was computed. What "
        "follows from another difference stands behind it. "
        + (f"Not told by one side: {listed(dict.fromkeys(unknown))}." if unknown else "Both sides tell everything."),
        facts={"causes": causes, "unknown": list(dict.fromkeys(unknown))},
    )  # fmt: skip


_RENAMED = {"recording": "name of the recording", "model": "model name"}


def _alike(first: Record, second: Record) -> set[str]:
    """Suspects that the contents clear although a name or a hash differs.

    A file under another name is no other recording where its texts are the same; weights of one shape with one tokenizer, or one
    set of weights, are no other model; data are not other data where all who are in both have the same rows, or where all rows
    of one are among the other's; and rows that hold other texts are not turned ones.
    """
    found: set[str] = set()
    same = {path: _same(first, second, path) for path in
            ("recording.texts_hash", "recording.rows_hash", "model.fingerprint", "model.tokenizer_hash")}  # fmt: skip
    if _rows_left_out(first, second):
        found |= {"recording", "data file", "row order", "number of stimuli"}
    else:
        found.add("rows left out")
    if same["recording.texts_hash"] or same["recording.rows_hash"]:
        found.add("recording")
    elif same["recording.texts_hash"] is False:
        found.add("row order")
    shape = all(_same(first, second, f"model.{name}") for name in ("width", "layers"))
    if same["model.fingerprint"] or (shape and same["model.tokenizer_hash"]):
        found.add("model")
    people = _same(first, second, "recording.people")
    mine, theirs = (one.get("recording.people_hashes") or {} for one in (first, second))
    if people is False and all(mine[one] == theirs[one] for one in set(mine) & set(theirs)):
        found.add("data file")
    return found


def _rows_left_out(first: Record, second: Record) -> bool:
    """Whether one has fewer rows and all of them are the other's, as far as their sketches tell."""
    sides = [
        (
            int(str(one.get("recording.n_stimuli") or 0)),
            list(one.get("recording.rows_sketch") or ()),
        )
        for one in (first, second)
    ]
    if not all(count and rows for count, rows in sides) or sides[0][0] == sides[1][0]:
        return False
    (_, fewer), (many, more) = sorted(sides, key=lambda side: side[0])
    seen = fewer if len(more) == many else [row for row in fewer if row <= more[-1]]
    return bool(seen) and set(seen) <= set(more)


def _otherwise(record: Record) -> list[str]:
    """The steps by which a model is not its trained self (``@untrained``, ``@noise`` and so on); a revision is none."""
    _, *steps = str(record.get("model.id") or "").split("@")
    kinds = {name for name in GRAMMAR if name != "revision"}
    return [one for one in steps if one.partition(":")[0] in kinds]


def _same(first: Record, second: Record, path: str) -> bool | None:
    """Whether both tell the same; None where one of them does not tell."""
    if not (first.tells(path) and second.tells(path)):
        return None
    return _plain(first.get(path)) == _plain(second.get(path))


def _differ(first: Record, second: Record, path: str) -> bool:
    return _same(first, second, path) is False


def _lacking(first: Record, second: Record, path: str) -> bool:
    return first.tells(path) != second.tells(path)


def _plain(value) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _other_protocol(first: Record, second: Record) -> set[str]:
    """Protocol fields that no suspect names, and differ; the preset's name is no choice."""
    a, b = (one.provenance.get("protocol") or {} for one in (first, second))
    names = {f"protocol.{key}" for key in (*a, *b) if key != "name"} - _PATHS
    return {path for path in names if _differ(first, second, path)}


def _row(first: Record, second: Record, what: str, path: str, follows: str) -> dict:
    return {
        "what": what,
        "path": path,
        "first": _short(first.get(path), second.get(path)),
        "second": _short(second.get(path), first.get(path)),
        "follows": follows,
    }


def _short(value, other) -> str:
    """A value; of long lists and records what the other side does not have."""
    if isinstance(value, list) and isinstance(other, list) and len(value) > 6:
        rest = [one for one in value if one not in other]
        rest = [f"{one:.4g}" if isinstance(one, float) else str(one) for one in rest]
        return f"{len(value)} values" + (f", among them {listed(rest[:5])}" if rest else "")
    if isinstance(value, Mapping) and isinstance(other, Mapping):
        value = {key: one for key, one in value.items() if other.get(key) != one}
    text = value if isinstance(value, str) else _plain(value)
    return text if len(text) <= 48 else f"{text[:45]}..."


def _sentence(first: Record, second: Record, causes: list[str]) -> str:
    gap = second.r - first.r
    numbers = f"{first.name}: {decimal(first.r, 4)} ({first.scale}); {second.name}: {decimal(second.r, 4)} ({second.scale})"
    if first.scale != second.scale:
        numbers += "; they are on different scales, their difference means nothing"
    else:
        numbers += f"; difference {signed(gap, 4)}"
    if not causes:
        told = first.provenance.get("protocol") and second.provenance.get("protocol")
        return f"{numbers}. {'Nothing that is recorded differs.' if told else 'Too little is told to say why.'}"
    rest = f"; then {listed(causes[1:])}" if len(causes) > 1 else ""
    return f"{numbers}. Suspect first: {causes[0]}{rest}."
