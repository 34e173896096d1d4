"""Epochs as recordings: a row a word, a target a channel at a lag."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from data.errors import BrainLensError
from data.language import joiner_of
from data.own.tables import read_table
from data.recording import Recording
from data.stories.signals import read_epochs

__all__ = ["epochs_recording", "is_epochs", "read_epochs_recording"]

WORDS = ("word", "text")
"""Columns of an epochs table that are taken for the words."""
GROUPS = ("story", "run", "block", "passage", "sentence")
"""Columns that are taken for what is read as one text, the first that is there."""


def is_epochs(path: Path) -> bool:
    """Whether a path is a file of MNE epochs."""
    return path.name.endswith((".fif", ".fif.gz"))


def read_epochs_recording(
    path: str | Path,
    *,
    words: str | Path | None = None,
    subject: str | None = None,
    kind: str = "eeg",
    **facts,
) -> Recording:
    """A file of MNE epochs, one epoch a word.

    Parameters
    ----------
    path : path-like
        ``..-epo.fif``.
    words : path-like, optional
        A table with one row per epoch, in their order, and a column ``word``; None: the file's own metadata, else a table of the
        same stem beside it (``.tsv`` or ``.csv``).
    subject : str, optional
        Whose it is; None: what stands before the first ``_`` of the name.
    kind : str
        ``eeg``, ``meg`` or ``ecog``.

    Raises
    ------
    BrainLensError
        Where no words are known, or their number is not that of the epochs.
    """
    path = Path(path)
    values, channels, lags = read_epochs(path)
    table = _words(path, None if words is None else Path(words))
    if len(table) != len(values):
        raise BrainLensError(
            f"{path.name} holds {len(values)} epochs, its words {len(table)} rows",
            remedy="Give one row per epoch, dropped ones left out",
        )
    who = subject or path.name.partition("_")[0].partition("-epo")[0]
    coords = {
        "subject": [who] * (len(channels) * len(lags)),
        "electrode": list(np.repeat([f"{who}.{name}" for name in channels], len(lags))),
        "lag": list(np.tile(np.round(lags, 3), len(channels))),
    }
    flat = np.asarray(values, np.float32).reshape(len(values), -1)
    told = {
        "id": path.name.partition(".")[0].removesuffix("-epo").lower().replace("_", "-"),
        "kind": kind,
    }
    return epochs_recording(flat, coords, table, **{**told, **facts})


def _words(path: Path, named: Path | None) -> pd.DataFrame:
    table = None
    if named is None:
        import mne

        table = mne.read_epochs(path, preload=False, verbose="error").metadata
        stem = path.name.partition(".fif")[0]
        beside = [path.with_name(f"{stem}{end}") for end in (".tsv", ".csv")]
        named = next((one for one in beside if one.is_file()), None) if table is None else None
    if table is None and named is not None:
        if not named.is_file():
            raise BrainLensError(
                f"There is no file {named}", remedy="Check the name and the folder"
            )
        table = read_table(named, texts=WORDS).frame
    column = None if table is None else next((c for c in WORDS if c in table.columns), None)
    if table is None or column is None:
        raise BrainLensError(
            f"{path.name}: it is not known which word each epoch belongs to",
            remedy=f"Put {path.name.partition('.fif')[0]}.tsv with a column 'word', one row per epoch, beside it",
        )
    group = next((c for c in GROUPS if c in table.columns), None)
    out = pd.DataFrame({"text": table[column].astype(str).to_numpy()})
    out["run"] = "1" if group is None else table[group].astype(str).to_numpy()
    return out


def epochs_recording(values: np.ndarray, coords: dict, words: pd.DataFrame, **facts) -> Recording:
    """Epochs as a recording: a row a word, a target a channel at a lag.

    Parameters
    ----------
    values : ndarray, shape (n_words, n_targets)
    coords : mapping of str to sequence, length n_targets
        ``electrode`` and ``lag`` (milliseconds) among them; NaN coordinates are left out.
    words : pandas.DataFrame
        ``text``, ``run``, ``onset``, ``offset``.
    """
    table = words.rename(columns={"run": "story"})
    table["position"] = table.groupby("story").cumcount()
    table.index = pd.Index(
        [f"{s}.{p}" for s, p in zip(table["story"], table["position"])], name="stimulus"
    )
    names = np.array(
        [f"{e}.{lag:+g}ms" for e, lag in zip(coords["electrode"], coords["lag"])], object
    )
    own = {
        name: np.asarray(one, float if name in ("lag", "x", "y", "z") else object)
        for name, one in coords.items()
    }
    kept = {
        name: ("target", one)
        for name, one in own.items()
        if name not in "xyz" or np.isfinite(one).all()
    }
    several = table["story"].nunique() > 2
    return Recording(
        responses=xr.DataArray(
            values, dims=("stimulus", "target"), coords={"stimulus": table.index.to_numpy(), "target": names, **kept}
        ),
        stimuli=table, scored_unit="word", context="story", group="story" if several else None,
        roles={"story": "story", "passage": "story"}, joiner=joiner_of(list(table["text"]))[0], **{"kind": "ecog", **facts},
    )  # fmt: skip
