"""Epochs from the files they are kept in: MNE, NetCDF, npz, npy, and tables of epoch, time and channels."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from data.errors import BrainLensError, first_line, unknown
from data.own.formats import load_npy, load_npz
from data.own.gate import beside_of, inside
from data.own.netcdf import open_array
from data.own.tables import Table, read_table, squashed, suffix

__all__ = ["ENDINGS", "Epochs", "holds_epochs", "read_epochs"]

ENDINGS = (".fif", ".fif.gz", ".nc", ".npz", ".npy", ".csv", ".tsv", ".csv.gz", ".tsv.gz")
"""What epochs may be read from."""

WORDS = ("word", "text")
"""Columns that are taken for the words."""

EPOCH = ("epoch", "epochs", "epochnumber", "epochid")
CHANNEL = ("channel", "channels", "electrode", "electrodes", "chnames", "chname", "sensor", "sensors")  # fmt: skip
MILLISECONDS = ("lag", "lags", "lagms", "lagsms", "timems", "timesms", "ms", "milliseconds")
SECONDS = ("time", "times", "timess", "seconds", "timeseconds")
TIMES = (*MILLISECONDS, *SECONDS)
VALUE = ("value", "values", "amplitude", "response")
ROWS = (*EPOCH, "stimulus", "presentation", "trial", "word")
FURTHEST = 20.0
"""Seconds around a word beyond which a time is one in milliseconds."""


@dataclass(frozen=True)
class Epochs:
    """Epochs of one person.

    Parameters
    ----------
    values : ndarray, shape (n_epochs, n_channels, n_lags), float32
    channels : list of str
    lags : ndarray, shape (n_lags,)
        Milliseconds after the word's onset.
    words : pandas.DataFrame or None
        One row per epoch with what the file itself says of it; None: nothing.
    numbers : ndarray of shape (n_epochs,), or None
        What the file calls its epochs: of MNE, their places among all events.
    events : int or None
        How many events there were before some were dropped, where the file says it.
    kind : str
        ``eeg``, ``meg`` or ``ecog``, where the file says it; else "".
    notes : tuple of str
        What was left out, and whether a baseline was taken off.
    """

    values: np.ndarray
    channels: list[str]
    lags: np.ndarray
    words: pd.DataFrame | None = None
    numbers: np.ndarray | None = None
    events: int | None = None
    kind: str = ""
    notes: tuple[str, ...] = field(default=())


def read_epochs(
    path: str | Path, *, first_lag: float | None = None, lag_step: float | None = None
) -> Epochs:
    """Epochs of one person.

    Parameters
    ----------
    path : path-like
        One of :data:`ENDINGS`: MNE's ``..-epo.fif``; an array (epoch, channel, time) in NetCDF, npz or npy; a table with a row
        for each epoch and time and a column for each channel, or with columns ``channel`` and ``value``, as MNE's
        ``to_data_frame`` gives them. Times are milliseconds where they are called ``lag`` or ``time_ms``, seconds where ``time``.
    first_lag, lag_step : float, optional
        Milliseconds of the first sample and from one to the next, of an array without times.

    Raises
    ------
    BrainLensError
        For other endings, missing files, arrays without three dimensions, times that are not told or in another unit than they
        are called, epochs of different times.
    """
    path = Path(path)
    if not path.is_file():
        raise BrainLensError(f"There is no file {path}", remedy="Check the name and the folder")
    lower = path.name.lower()
    if lower.endswith((".fif", ".fif.gz")):
        found = _mne(path)
    elif lower.endswith(".nc"):
        found = _netcdf(path, first_lag, lag_step)
    elif lower.endswith((".npz", ".npy")):
        arrays = load_npz(path) if lower.endswith(".npz") else {"values": load_npy(path)}
        found = _arrays(path, arrays, first_lag, lag_step)
    elif lower.endswith(ENDINGS):
        found = _table(path, read_table(path, texts=(*WORDS, "sentence")))
    else:
        raise unknown("kind of epochs file", suffix(path) or path.name, ENDINGS)
    if found.values.dtype.kind not in "iuf":
        raise BrainLensError(
            f"{path.name} holds {found.values.dtype}, not real numbers",
            remedy="Give floating point",
        )
    if len(np.unique(found.lags)) < len(found.lags) or (np.diff(found.lags) < 0).any():
        raise BrainLensError(
            f"{path.name}: times do not rise from sample to sample",
            remedy="Give one time per sample, in order",
        )
    return found


def holds_epochs(path: Path) -> bool:
    """Whether a file looks like epochs: by its ending, three dimensions, or columns of epoch and time."""
    lower = path.name.lower()
    if lower.endswith((".fif", ".fif.gz")):
        return True
    try:
        if lower.endswith(".nc"):
            dims = [str(name) for name in open_array(path).squeeze().dims]
            return len(dims) == 3 and all(_named(dims, one) for one in (ROWS, CHANNEL, TIMES))
        if lower.endswith(".npz"):
            return any(one.ndim == 3 for one in load_npz(path).values())
        if lower.endswith(".npy"):
            return load_npy(path).ndim == 3
        if lower.endswith(ENDINGS):
            heads = {squashed(name) for name in _heads(path)}
            return bool(heads & set(EPOCH)) and bool(heads & set(TIMES))
    except (BrainLensError, OSError, ValueError):
        return False
    return False


def _heads(path: Path) -> list[str]:
    """Names of a table's columns, from its first megabyte."""
    import gzip

    opened = gzip.open if path.name.lower().endswith(".gz") else open
    with opened(path, "rb") as stream:
        first = stream.readline(1_000_000).decode("utf-8-sig", errors="replace").strip()
    mark = next((one for one in ("\t", ";", ",") if one in first), ",")
    return [one.strip().strip('"') for one in first.split(mark)]


# ---- times -----------------------------------------------------------------------------------------------------------
def _lags(path: Path, name: str, values: np.ndarray, unit: str = "") -> np.ndarray:
    """Milliseconds of times that are called so; refused where the numbers are plainly of the other unit."""
    values = np.asarray(values, float)
    if not np.isfinite(values).all():
        raise BrainLensError(
            f"{path.name}: {int((~np.isfinite(values)).sum())} of the times {name!r} are no numbers",
            remedy="Give every sample its time",
        )
    called = unit.strip().lower()
    seconds = called in ("s", "sec", "second", "seconds") or (
        called not in ("ms", "msec", "millisecond", "milliseconds")
        and squashed(name) not in MILLISECONDS
    )
    reach = float(np.abs(values).max(initial=0.0))
    if seconds and reach > FURTHEST:
        raise BrainLensError(
            f"{path.name}: {name!r} goes from {values.min():g} to {values.max():g}: these look like milliseconds, not seconds",
            remedy="Call it 'lag' (milliseconds), or divide it by 1000",
        )
    if not seconds and len(values) > 1 and reach <= FURTHEST and (np.diff(values) < 0.1).all():
        raise BrainLensError(
            f"{path.name}: {name!r} goes from {values.min():g} to {values.max():g}: these look like seconds, not milliseconds",
            remedy="Call it 'time' (seconds), or multiply it by 1000",
        )
    return np.round(values * (1000.0 if seconds else 1.0), 3)


def _counted(path: Path, n: int, first: float | None, step: float | None) -> np.ndarray:
    if first is None or step is None:
        raise BrainLensError(
            f"{path.name}: the times of its {n} samples are not told",
            remedy="Add an array 'lag' (milliseconds) or 'time' (seconds), or first_lag = -200 and lag_step = 4 to story.toml",
        )
    if not step > 0:
        raise BrainLensError(f"lag_step={step:g}: it must be above 0", remedy="Give milliseconds")
    return np.round(first + step * np.arange(n), 3)


# ---- MNE -------------------------------------------------------------------------------------------------------------
_KINDS = {"eeg": "eeg", "mag": "meg", "grad": "meg", "ecog": "ecog", "seeg": "ecog", "dbs": "ecog"}


def _mne(path: Path) -> Epochs:
    try:
        import mne
    except ImportError:
        raise BrainLensError(
            f"{path.name} is read by the package mne", remedy="pip install 'brainlens[meeg]'"
        ) from None
    try:
        _its_own_parts(path)
        epochs = mne.read_epochs(path, preload=True, verbose="error")
    except (BrainLensError, MemoryError):
        raise
    except Exception as error:  # mne raises many kinds
        raise BrainLensError(
            f"{path.name} holds no epochs that can be read: {first_line(error)}",
            remedy="Save them with Epochs.save as ..-epo.fif",
        ) from None
    types = dict(zip(epochs.ch_names, epochs.get_channel_types()))
    bads = set(epochs.info["bads"])
    kept = [name for name in epochs.ch_names if types[name] in _KINDS and name not in bads]
    kept = kept or [name for name in epochs.ch_names if name not in bads]
    lost = [name for name in epochs.ch_names if name not in kept]
    notes = []
    if lost:
        notes.append(
            f"{len(lost)} channels were left out: marked bad, or no signal of the brain ({', '.join(lost[:6])})"
        )
    notes.append(
        "no baseline was taken off" if epochs.baseline is None
        else f"the file's baseline, {1000 * epochs.baseline[0]:g} to {1000 * epochs.baseline[1]:g} ms, is taken off"
    )  # fmt: skip
    table = epochs.metadata
    return Epochs(
        epochs.get_data(picks=kept, copy=False),
        kept,
        np.round(epochs.times * 1000, 3),
        None if table is None else table.reset_index(drop=True),
        np.asarray(epochs.selection),
        len(epochs.drop_log),
        next((_KINDS[types[name]] for name in kept if types[name] in _KINDS), ""),
        tuple(notes),
    )


def _its_own_parts(path: Path) -> None:
    """Refuse epochs that go on in a file elsewhere: a file names the next one, and mne would read whatever it names."""
    from mne._fiff.open import _get_next_fname, fiff_open

    part, seen = path, [path.resolve()]
    while True:
        file, tree, _ = fiff_open(part, verbose="error")
        with file:
            following = _get_next_fname(file, part, tree)
        if following is None:
            return
        name = os.path.relpath(following, part.parent)
        if Path(following).parent != part.parent or not inside(name):
            raise BrainLensError(
                f"{path.name} goes on in {str(following)!r}, which lies elsewhere: it was not read",
                remedy="Save it anew from MNE, all parts in one folder",
            )
        part = beside_of(path, name, "next part")
        if part.resolve() in seen:
            raise BrainLensError(f"{path.name} goes on in itself", remedy="Save it anew from MNE")
        seen.append(part.resolve())


# ---- arrays ----------------------------------------------------------------------------------------------------------
def _named(names: Sequence[str], usual: Sequence[str]) -> str:
    return next((name for name in names if squashed(name) in usual), "")


def _three(path: Path, shape: tuple[int, ...], n_lags: int) -> None:
    """Refuse an array whose last dimension is not that of its times."""
    if shape[2] == n_lags:
        return
    where = [place for place, n in enumerate(shape) if n == n_lags]
    said = (
        f"its {n_lags} times are those of dimension {where[0] + 1}"
        if where
        else f"it has {n_lags} times"
    )
    raise BrainLensError(
        f"{path.name} has shape {shape}: {said}",
        remedy="Give the array as (epoch, channel, time)",
    )


def _arrays(path: Path, arrays: dict[str, np.ndarray], first, step) -> Epochs:
    cubes = [name for name, one in arrays.items() if one.ndim == 3 and one.dtype.kind in "iuf"]
    if len(cubes) != 1:
        shapes = {name: one.shape for name, one in arrays.items()}
        raise BrainLensError(
            f"{path.name} holds {len(cubes)} arrays of three dimensions: {shapes}",
            choices=cubes,
            remedy="Write one array (epoch, channel, time)",
        )
    values = arrays.pop(cubes[0])
    flat = {name: one for name, one in arrays.items() if one.ndim == 1}
    time = _named(list(flat), TIMES)
    channel = _named(list(flat), CHANNEL)
    lags = _lags(path, time, flat[time]) if time else _counted(path, values.shape[2], first, step)
    _three(path, values.shape, len(lags))
    names = _channels(path, flat[channel] if channel else None, values.shape[1])
    own = {
        n: one for n, one in flat.items() if n not in (time, channel) and len(one) == len(values)
    }
    return _with_own(values, names, lags, own)


def _with_own(values, names: list[str], lags, own: dict[str, np.ndarray]) -> Epochs:
    """Epochs of an array with what stands beside its rows."""
    number = _named(list(own), EPOCH)
    return Epochs(
        np.asarray(values),
        names,
        lags,
        pd.DataFrame(own) if own else None,
        np.asarray(own[number]) if number else None,
        notes=("nothing is known of a baseline",),
    )


def _channels(path: Path, names, n: int) -> list[str]:
    if names is None:
        return [f"ch{i + 1}" for i in range(n)]
    if len(names) != n:
        raise BrainLensError(
            f"{path.name} names {len(names)} channels and holds {n}",
            remedy="Give the array as (epoch, channel, time), and one name per channel",
        )
    return [str(name) for name in names]


def _netcdf(path: Path, first, step) -> Epochs:
    array = open_array(path, words=True)
    array = array.squeeze([d for d in array.dims if array.sizes[d] == 1][: array.ndim - 3], drop=True)  # fmt: skip
    dims = [str(name) for name in array.dims]
    found = [_named(dims, usual) for usual in (ROWS, CHANNEL, TIMES)]
    if array.ndim != 3 or not all(found):
        raise BrainLensError(
            f"{path.name} holds an array with dims {', '.join(f'{d} ({n})' for d, n in array.sizes.items())}",
            remedy="Call them epoch, channel, and lag (milliseconds) or time (seconds)",
        )
    row, channel, time = found
    array = array.transpose(row, channel, time)
    lags = (
        _lags(path, time, array[time].values, str(array[time].attrs.get("units", "")))
        if time in array.coords
        else _counted(path, array.sizes[time], first, step)
    )
    names = array[channel].values if channel in array.coords else None
    own = {str(n): c.values for n, c in array.coords.items() if c.dims == (row,)}
    return _with_own(array.values, _channels(path, names, array.sizes[channel]), lags, own)


# ---- tables ----------------------------------------------------------------------------------------------------------
def _table(path: Path, table: Table) -> Epochs:
    frame = table.frame
    heads = [str(name) for name in frame.columns]
    epoch, time = _named(heads, EPOCH), _named(heads, TIMES)
    for name, what in ((epoch, "'epoch'"), (time, "'lag' (milliseconds) or 'time' (seconds)")):
        if not name:
            raise BrainLensError(
                f"{path.name} has no column {what}",
                choices=heads,
                remedy="Give a row for each epoch and time: epoch, lag, and a column for each channel",
            )
    frame = frame.assign(**{time: _lags(path, time, pd.to_numeric(frame[time], errors="coerce"))})
    frame = frame[frame[epoch].notna()]
    channel, value = _named(heads, CHANNEL), _named(heads, VALUE)
    beside = [name for name in heads if name not in (epoch, time, channel, value)]
    constant = frame.groupby(epoch, sort=False)[beside].nunique(dropna=False).max() <= 1
    own = [
        name for name in beside
        if constant[name] or channel or frame[name].dtype.kind not in "iuf" or squashed(name) in WORDS
    ]  # fmt: skip
    if channel and value:
        values, names, lags = _cube(path, frame, epoch, time, channel, lambda f: f[value])
    else:
        names = [name for name in beside if name not in own]
        if not names:
            raise BrainLensError(
                f"{path.name} has no column of a channel", choices=heads,
                remedy="Give a column of numbers for each channel, or columns 'channel' and 'value'",
            )  # fmt: skip
        melted = frame.melt([epoch, time], names, "channel\0", "value\0")
        values, names, lags = _cube(path, melted, epoch, time, "channel\0", lambda f: f["value\0"])
    rows = frame.drop_duplicates(epoch)
    return Epochs(
        values,
        names,
        lags,
        rows[own].reset_index(drop=True) if own else None,
        rows[epoch].to_numpy(),
        notes=("nothing is known of a baseline",),
    )


def _cube(
    path: Path, frame: pd.DataFrame, epoch: str, time: str, channel: str, of: Callable
) -> tuple[np.ndarray, list[str], np.ndarray]:
    """Values (epoch, channel, time) of long rows, each combination once."""
    epochs, names = pd.unique(frame[epoch]), pd.unique(frame[channel])
    lags = np.sort(pd.unique(frame[time]))
    place = [pd.Index(some).get_indexer(frame[c]) for some, c in ((epochs, epoch), (names, channel), (lags, time))]  # fmt: skip
    counts = np.zeros((len(epochs), len(names), len(lags)), np.int32)
    np.add.at(counts, tuple(place), 1)
    if (twice := np.argwhere(counts > 1)).size:
        e, c, t = twice[0]
        raise BrainLensError(
            f"{path.name}: epoch {epochs[e]}, {names[c]}, stands {counts[e, c, t]} times at {lags[t]:g} ms",
            remedy="Number epochs through the whole file, one for each word",
        )
    if (missing := np.argwhere(counts == 0)).size:
        e, c, t = missing[0]
        raise BrainLensError(
            f"{path.name}: epoch {epochs[e]}, {names[c]}, has no value at {lags[t]:g} ms, other epochs have",
            remedy="Give all epochs the same times",
        )
    values = np.empty(counts.shape, np.float32)
    numbers = pd.to_numeric(of(frame), errors="coerce")
    values[tuple(place)] = numbers.to_numpy(np.float32)
    return values, [str(name) for name in names], lags
