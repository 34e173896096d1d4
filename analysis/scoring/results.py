"""Results that leave and come in: one row per model, recording and protocol, with the recipe behind it and a hash over both.

:func:`keep` writes the row of a finished score into the store, :func:`results` lists own and imported rows, :func:`export` writes
CSV, Parquet or NetCDF, :func:`bring` takes such a file in.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from analysis.protocol import Protocol
from analysis.scoring.beside import stored_oasm
from analysis.scoring.capsules import read_any_capsule
from analysis.scoring.keys import told_keys
from analysis.scoring.sameness import plain_name
from analysis.store.keys import content_key
from analysis.store.promises import held_cells, held_numbers, held_pairs
from analysis.store.sealed import healed, load_json, save_json
from analysis.store.store import Store
from data.errors import BrainLensError, unknown
from data.files import Damaged, atomic, guarded, unguarded
from data.home import personal
from data.own.hdf5 import harmless
from data.parquet import read_parquet
from data.rights import require_room

__all__ = [
    "COLUMNS",
    "FORMATS",
    "NUMBERS",
    "bring",
    "export",
    "forget",
    "keep",
    "plain_row",
    "read_results",
    "results",
    "row",
    "row_hash",
    "targets",
]

FORMATS = (".csv", ".parquet", ".nc")
REQUIRED = ("model", "recording", "r")
_WORDS = (
    "model",
    "family",
    "recording",
    "protocol",
    "protocol_key",
    "data_key",
    "folds",
    "provenance",
    "hash",
)
NUMBERS = (
    "r",
    "r_low",
    "r_high",
    "ceiling",
    "normalised",
    "normalised_low",
    "normalised_high",
    "r_seed_low",
    "r_seed_high",
    "others",
    "layer",
    "optimism",
    "omega",
    "n_stimuli",
    "n_targets",
    "n_subjects",
)
COLUMNS = (*_WORDS[:4], *NUMBERS, "simulated", *_WORDS[4:7], "draws", *_WORDS[7:])
"""Columns of a result; ``draws`` (bootstrap draws of r) is not in CSV. Only :data:`REQUIRED` must be in a file of one's own."""


# ---- one row -----------------------------------------------------------------------------------------------------------
def row(score) -> dict:
    """The result of one finished score.

    ``r`` is the model's score with every fold's layer chosen for it, ``r_low`` and ``r_high`` the interval of exactly that, and
    ``normalised`` its share of the ceiling. ``protocol_key`` and ``data_key`` say exactly which rows may be compared.
    """
    about, whole = score.provenance["recording"], score.summary()
    protocol = score.protocol.name.rstrip("*") + "".join(
        f", {k}={v}" for k, v in score.protocol.changes().items()
    )
    found = {
        "model": score.model,
        "family": score.provenance["model"]["family"] or score.model,
        "recording": score.recording,
        "protocol": protocol,
        **{
            name: whole[name]
            for name in ("r", "r_low", "r_high", "ceiling", "layer", "optimism", "omega")
        },
        "normalised": whole["share"],
        "normalised_low": whole["share_low"],
        "normalised_high": whole["share_high"],
        "r_seed_low": whole["r_seed_low"],
        "r_seed_high": whole["r_seed_high"],
        "others": whole["others"],
        **{name: about[name] for name in ("n_stimuli", "n_targets", "n_subjects")},
        "simulated": bool(about["simulated"]),
        "folds": score.provenance["folds"],
        "protocol_key": score.protocol.key(),
        "data_key": content_key("data", about["content_hash"]),
        "draws": [float(value) for value in score.draws] or None,
        "provenance": json.dumps(score.provenance, sort_keys=True, default=str),
    }
    return found | {"hash": _hash(found)}


_SINCE = ("normalised_low", "normalised_high", "r_seed_low", "r_seed_high", "others")
"""Numbers that the oldest exports do not have, nor their hash."""
_LATER = ("omega",)
"""The same of exports from before they had these."""


def _hash(found: dict, left_out: tuple[str, ...] = ()) -> str:
    """sha256 of what a result says, whichever file it travels in: its words and its numbers to nine digits."""
    words = [str(found.get(name) or "") for name in _WORDS if name != "hash"]
    numbers = [
        f"{float(value):.9g}" if (value := found.get(name)) is not None else "nan"
        for name in NUMBERS
        if name not in left_out
    ]
    simulated = bool(found.get("simulated"))
    return hashlib.sha256(json.dumps([words, numbers, simulated]).encode()).hexdigest()


def keep(score, key: str, store) -> None:
    """Put the result of a finished score into the store, once.

    Parameters
    ----------
    score : Score
        Of all layers.
    key : str
        Of the score.
    store : Store
    """
    name = f"{key}-result"
    if store.has_score(name) and store.load_score(name) is not None:
        return
    found = row(score)
    frame = score.per_target()
    values = xr.Dataset(
        {"r": ("target", frame["r"].values)}, coords={"target": frame["target"].values}
    )
    store.save_score(
        name,
        values.assign_attrs(result=json.dumps(found), model=score.model, recording=score.recording),
        numbers=told_keys(found),
    )


# ---- what is there -----------------------------------------------------------------------------------------------------
def results(store=None) -> pd.DataFrame:
    """All results: own ones of the store and imported ones.

    Returns
    -------
    pandas.DataFrame
        :data:`COLUMNS`, ``source`` (``own`` or ``imported``), ``origin`` (file it came from), ``key`` (in the store),
        ``oasm_shuffled`` and ``oasm`` (of the recording under its folds, where that was computed); the per-target r of own
        results is under the key, see :func:`targets`. Cells of locked predictions are not among them; ``attrs["locked"]`` is
        their number.
    """
    rows = []
    for told in (store or Store()).scores("-result").to_dict("records"):
        with contextlib.suppress(ValueError, KeyError, TypeError):
            rows.append(
                json.loads(told["result"]) | {"source": "own", "origin": "", "key": told["key"]}
            )
    for path in sorted(personal("results").glob("*.json")):
        rows += _brought(path)
    rows, locked = _open_only(rows, store or Store())
    frame = pd.DataFrame(rows).reindex(columns=[*COLUMNS, "source", "origin", "key", "edited"])
    frame["edited"] = frame["edited"].fillna(False).astype(bool)
    for name in NUMBERS:
        frame[name] = pd.to_numeric(frame[name], errors="coerce")
    frame = _with_oasm(frame, store or Store())
    frame.attrs["locked"] = locked
    return frame


def _with_oasm(frame: pd.DataFrame, store) -> pd.DataFrame:
    """``oasm_shuffled`` and ``oasm`` (held out) of each result's recording and folds, where the store has them."""
    known: dict[tuple, tuple[float, float]] = {}
    found = []
    for row in frame.itertuples():
        about = _told(row.provenance)
        key = (str(row.data_key), str(row.protocol_key))
        if key not in known:
            one = None
            if "protocol" in about and "recording" in about:
                content = about["recording"].get("content_hash", "")
                with contextlib.suppress(BrainLensError, TypeError):
                    one = stored_oasm(content, Protocol.from_dict(about["protocol"]), store)
            known[key] = (np.nan, np.nan) if one is None else (one.shuffled, one.grouped)
        found.append(known[key])
    both = np.array(found, float).reshape(-1, 2)
    return frame.assign(oasm_shuffled=both[:, 0], oasm=both[:, 1])


def _told(provenance: object) -> dict:
    """The record behind a row; empty where it is none."""
    try:
        said = json.loads(str(provenance))
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _open_only(rows: list[dict], store) -> tuple[list[dict], int]:
    """Rows that no locked prediction is about, and the number of cells that are locked."""
    locked, numbers = held_cells(store.root), held_numbers(store.root)
    if not locked:
        return rows, 0
    names, pairs = ("model", "data_key", "protocol_key"), held_pairs(store.root)

    def is_open(row: dict) -> bool:
        keys = told_keys(row)
        if not keys and (plain_name(str(row.get("model"))), row.get("recording")) in pairs:
            return False  # it does not tell under which protocol
        return tuple(row.get(n) for n in names) not in locked and not numbers.keys() & set(keys)

    return [one for one in rows if is_open(one)], len(locked)


def _brought(path: Path) -> list[dict]:
    """The rows of one imported file; a damaged one is said, kept aside and not shown."""
    try:
        try:
            told = load_json(path)
        except Damaged:  # before files were sealed, their name was the hash of their content
            content = path.read_bytes()
            if hashlib.sha256(content).hexdigest()[:24] != path.stem:
                raise
            told = json.loads(content)
        more = {"source": "imported", "origin": str(told["origin"]), "key": path.stem}
        return [{**one, **more} | _marked(one, more["origin"]) for one in told["rows"]]
    except (OSError, Damaged, KeyError, TypeError) as error:
        healed(
            path,
            Damaged(f"The imported results {path} are damaged ({error}): import them again"),
            own=False,
        )
        return []


def _marked(row: dict, origin: str) -> dict:
    """A row that was changed after it was exported says so wherever its origin stands."""
    return {"origin": f"{origin} (edited after its export)"} if row.get("edited") else {}


def targets(key: str, store=None) -> xr.Dataset | None:
    """``r`` of every target of one own result, or None where it is not there any more."""
    return (store or Store()).load_score(key)


# ---- out ---------------------------------------------------------------------------------------------------------------
def export(frame: pd.DataFrame, path: str | Path) -> Path:
    """Write results as CSV, Parquet or NetCDF, by the ending of the file's name.

    Parameters
    ----------
    frame : pandas.DataFrame
        Rows of :func:`results`.

    Raises
    ------
    BrainLensError
        For another ending, or without a row.
    """
    path = Path(path)
    kind = path.suffix.lower()
    if kind not in FORMATS:
        raise unknown("file type", kind, FORMATS, remedy="End the file's name in one of these")
    if frame.empty:
        raise BrainLensError(
            "There is no result to export", remedy="Score a model first, or choose other rows"
        )
    frame = frame.reindex(columns=list(COLUMNS)).reset_index(drop=True)
    with atomic(path) as part:
        if kind == ".csv":
            guarded(frame.drop(columns="draws")).to_csv(part, index=False, float_format="%.17g")
        elif kind == ".parquet":
            frame.assign(draws=[_listed(value) for value in frame["draws"]]).to_parquet(
                part, index=False
            )
        else:
            _dataset(frame).to_netcdf(part, engine="h5netcdf")
    return path


def _dataset(frame: pd.DataFrame) -> xr.Dataset:
    draws = [_listed(value) for value in frame["draws"]]
    most = max((len(value) for value in draws), default=0)
    padded = np.full((len(frame), max(most, 1)), np.nan)
    for number, value in enumerate(draws):
        padded[number, : len(value)] = value
    columns = {name: ("result", frame[name].to_numpy(float)) for name in NUMBERS}
    columns |= {
        name: ("result", frame[name].fillna("").astype(str).to_numpy(object)) for name in _WORDS
    }
    columns["simulated"] = (
        "result",
        frame["simulated"].fillna(False).astype(bool).to_numpy().astype("int8"),
    )
    return xr.Dataset(
        columns | {"draws": (("result", "draw"), padded)}, attrs={"title": "BrainLens results"}
    )


def plain_row(given: dict) -> dict:
    """A row of :func:`results` as plain values, without its draws: what its hash is over, and the hash."""
    found: dict = {name: str(given.get(name) or "") for name in _WORDS}
    for name in NUMBERS:
        value = given.get(name)
        found[name] = None if value is None or pd.isna(value) else float(value)
    return found | {"simulated": bool(given.get("simulated"))}


def row_hash(found: dict) -> str:
    """sha256 of what a plain row says."""
    return _hash(found)


def _listed(value: Any) -> list[float]:
    return [] if value is None or np.ndim(value) == 0 else [float(one) for one in value]


# ---- in ----------------------------------------------------------------------------------------------------------------
def bring(path: str | Path, *, name: str = "") -> pd.DataFrame:
    """Take results in: one's own of another machine, a colleague's, or a plain table with model, recording and r.

    They are kept under ``results`` in the user's home folder and stay labelled imported.

    Parameters
    ----------
    path : path
        ``.csv``, ``.parquet``, ``.nc``, or a capsule (``.zip``).
    name : str
        How the file is called to the user; default: its own name.

    Returns
    -------
    pandas.DataFrame
        The rows, as :func:`results` lists them: those of locked predictions are kept and not shown, ``attrs["locked"]`` is
        their number.

    Raises
    ------
    BrainLensError
        A file that cannot be read, columns that are missing, numbers that are none; what would go beyond the person's quota.

    Notes
    -----
    Rows keep their origin and their hash; those that were changed after they were exported (their hash does not fit) are marked
    ``edited``, in every table that names their origin too.
    """
    path = Path(path)
    name = name or path.name
    frame = read_results(path, name)
    lacking = [column for column in REQUIRED if column not in frame.columns]
    if lacking:
        raise BrainLensError(
            f"{name} has no column {', '.join(lacking)}",
            choices=frame.columns,
            remedy="Give at least the columns model, recording and r",
        )
    if frame.empty:
        raise BrainLensError(f"{name} has no rows", remedy="Export results first")
    rows = [
        _checked(one, number, name) for number, one in enumerate(frame.to_dict("records"), start=1)
    ]
    content = json.dumps({"origin": name, "rows": rows}, sort_keys=True)
    target = personal("results") / f"{hashlib.sha256(content.encode()).hexdigest()[:24]}.json"
    if not target.exists():
        require_room(len(content))
    save_json(target, {"origin": name, "rows": rows})
    shown = _open_only(rows, Store())[0]
    frame = pd.DataFrame(shown).reindex(columns=list(COLUMNS))
    edited = [bool(one.get("edited")) for one in shown]
    origins = [_marked(one, name).get("origin", name) for one in shown]
    frame = frame.assign(source="imported", origin=origins, key=target.stem, edited=edited)
    frame.attrs["locked"] = len(rows) - len(shown)
    return frame


def forget(key: str) -> None:
    """Take an imported file's results out again."""
    (personal("results") / f"{Path(key).name}.json").unlink(missing_ok=True)


def read_results(path: Path, name: str) -> pd.DataFrame:
    """The table of results of a file, whatever stands in it.

    Raises
    ------
    BrainLensError
        For another ending, and a file that cannot be read.
    """
    kind = path.suffix.lower()
    if kind not in (*FORMATS, ".zip"):
        raise unknown(
            "file type",
            kind,
            (*FORMATS, ".zip"),
            remedy="Give results as CSV, Parquet, NetCDF or a capsule",
        )
    if not path.is_file():
        raise BrainLensError(f"There is no file {path}", remedy="Check the path")
    try:
        if kind == ".zip":
            return pd.DataFrame([read_any_capsule(path).result])
        if kind == ".csv":
            words = {column: str for column in _WORDS}
            return unguarded(pd.read_csv(path, dtype=words, keep_default_na=True))
        if kind == ".parquet":
            return read_parquet(path)
        harmless(path)
        with path.open("rb") as stream:
            data = xr.load_dataset(stream, engine="h5netcdf")
        frame = data.drop_vars("draws", errors="ignore").to_dataframe().reset_index(drop=True)
        if "draws" in data:
            frame["draws"] = [list(one[np.isfinite(one)]) for one in data["draws"].values]
        return frame
    except (BrainLensError, MemoryError):
        raise
    except Exception as error:  # every reader has its own classes
        raise BrainLensError(
            f"{name} cannot be read as {kind[1:]} ({type(error).__name__}: {str(error)[:120]})",
            remedy="Export it again, or check that it is what its ending says",
        ) from error


def _checked(given: dict, number: int, name: str) -> dict:
    """One row, whole and of plain values."""
    found: dict = {}
    for column in _WORDS:
        value = given.get(column)
        found[column] = (
            ""
            if value is None or (isinstance(value, float) and np.isnan(value))
            else str(value).strip()
        )
    for column in ("model", "recording"):
        if not found[column]:
            raise BrainLensError(
                f"{name}, row {number}: no {column}", remedy="Fill it in, or leave the row out"
            )
    for column in NUMBERS:
        value = given.get(column)
        try:
            found[column] = None if value is None or pd.isna(value) else float(value)
        except (TypeError, ValueError):
            raise BrainLensError(
                f"{name}, row {number}: {column} = {value!r} is not a number",
                remedy="Correct it, or leave it empty",
            ) from None
    if found["r"] is None or not -1 <= found["r"] <= 1:
        raise BrainLensError(
            f"{name}, row {number}: r = {given.get('r')} is not between -1 and 1",
            remedy="Give Pearson's r; normalised scores have a column of their own",
        )
    found["simulated"] = str(given.get("simulated")).strip().lower() in ("true", "1", "1.0")
    found["draws"] = _listed(given.get("draws")) or None
    if found["hash"]:
        eras = ((), _LATER, (*_SINCE, *_LATER))
        possible = [one for one in eras if all(found[name] is None for name in one)]
        found["edited"] = found["hash"] not in [_hash(found, one) for one in possible]
    else:
        found["protocol"] = found["protocol"] or "not said"
        found["protocol_key"] = found["protocol_key"] or f"imported: {found['protocol']}"
    found["family"] = found["family"] or found["model"]
    return found
