"""Stories of laboratories: LeBel et al. 2023 (fMRI, one array a story) and the podcast under electrodes (Zada et al. 2025)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from data.errors import BrainLensError, first_line
from data.language import joiner_of
from data.mapped import laid_down, room_for
from data.presentation import Presentation, sample_table
from data.recording import Recording
from data.stories.epochs import epochs_recording
from data.stories.signals import read_signal
from data.stories.words import read_words

__all__ = ["lebel2023", "lebel2023_repeats", "podcast_ecog"]

INTERVAL = 2.0
FIRST_SAMPLE = 10.0
"""Seconds of sound before the first volume kept: the arrays begin with the eleventh volume, and the first came 10 s before the
sound."""

WINDOW, STEP = (-1000, 1000), 50
"""Milliseconds around a word's onset, and of each bin of the signal."""


def lebel2023(paths: Sequence[Path], **facts) -> Recording:
    """One person of LeBel et al. 2023 in the derivative layout of OpenNeuro ds003020.

    Parameters
    ----------
    paths : sequence of path-like
        For each story ``<story>.hf5`` with one array (volumes, voxels) and ``<story>.TextGrid`` with a tier of words; the
        folder of an array is the person's name.

    Returns
    -------
    Recording
        Volumes of 2 s, a run a story; words 10 s earlier than in the TextGrid, for the arrays begin 10 s into the sound: of the
        volumes that ``respdict.json`` counts (363 of alternateithicatom) the first ten and the last ten are cut off (343).

    Raises
    ------
    BrainLensError
        Where a story has no TextGrid or stories have other voxels.

    Notes
    -----
    Source: LeBel et al. 2023, doi 10.1038/s41597-023-02437-z. Voxels are in the person's own space, without coordinates; voxels
    that do not vary in some story are left out and counted.
    """
    grids = {
        path.name.partition(".")[0]: path
        for path in map(Path, paths)
        if path.suffix.lower() == ".textgrid"
    }
    arrays = {
        path.stem: path for path in map(Path, paths) if path.suffix.lower() in (".hf5", ".h5")
    }
    if lonely := sorted(set(arrays) - set(grids)):
        raise BrainLensError(f"No TextGrid for {', '.join(lonely)}", remedy="Fetch the entry again")
    if not arrays:
        raise BrainLensError(
            "No array of a story (.hf5) is among the files", remedy="Fetch the entry again"
        )
    person = next(iter(arrays.values())).parent.name
    blocks = {  # read one at a time: in float64, as they are stored, a story alone is 300 MB
        story: laid_down(read_signal(path).values, among=len(arrays))
        for story, path in arrays.items()
    }
    widths = {story: block.shape[1] for story, block in blocks.items()}
    if len(set(widths.values())) > 1:
        raise BrainLensError(
            f"The stories have other voxels: {widths}", remedy="Give files of one person"
        )
    words = pd.concat([read_words(grids[story], run=story) for story in blocks], ignore_index=True)
    words[["onset", "offset"]] -= FIRST_SAMPLE
    presentation = Presentation(words, INTERVAL)
    table = sample_table(presentation, {story: len(block) for story, block in blocks.items()})
    keep = np.all(
        [
            (np.nan_to_num(block).std(axis=0) > 0) & np.isfinite(block).all(axis=0)
            for block in blocks.values()
        ],
        axis=0,
    )
    values, at = room_for((len(table), int(keep.sum()))), 0
    for block in blocks.values():
        values[at : at + len(block)] = block[:, keep]
        at += len(block)
    names = np.array([f"{person}.v{i}" for i in np.flatnonzero(keep)], object)
    responses = xr.DataArray(
        values,
        dims=("stimulus", "target"),
        coords={
            "stimulus": table.index.to_numpy(),
            "target": names,
            "subject": ("target", np.full(len(names), person, object)),
        },
    )
    early, lost = int((presentation.middle < 0).sum()), int((~keep).sum())
    notes = (
        f"{len(blocks)} stories of {person}; {lost} of {len(keep)} voxels that do not vary or are no numbers were left out",
        f"words are {FIRST_SAMPLE:g} s earlier than in the TextGrid; {early} lie before the first volume, without a signal",
    )
    return Recording(
        responses=responses, stimuli=table, kind="fmri", scored_unit="tr", context="run",
        group="run" if len(blocks) > 2 else None, notes=notes, joiner=joiner_of(list(words["text"]))[0],
        presentation=presentation, **{"id": "lebel2023", **facts},
    )  # fmt: skip


def lebel2023_repeats(paths: Sequence[Path], **facts) -> Recording:
    """The story that one person of LeBel et al. 2023 heard again and again, a target for each voxel in each listen.

    Parameters
    ----------
    paths : sequence of path-like
        ``<story>.hf5`` with an array ``individual_repeats`` (listens, volumes, voxels), in a folder of the person's name, and
        ``<story>.TextGrid``.

    Returns
    -------
    Recording
        One run; targets have coordinates ``voxel`` and ``listen`` (1, 2, ...), from which comes a ceiling of single listens. The
        same volume is one row in all listens, so that no listen is predicted from another listen of the same words.

    Raises
    ------
    BrainLensError
        Where the array is missing or there is one listen only.

    Notes
    -----
    Source and times as of :func:`lebel2023`.
    """
    import h5py

    found = {path.suffix.lower(): path for path in map(Path, paths)}
    array, grid = found.get(".hf5") or found.get(".h5"), found.get(".textgrid")
    if array is None or grid is None:
        raise BrainLensError(
            "The repeated story needs its array (.hf5) and its TextGrid", remedy="Fetch it again"
        )
    person, story = array.parent.name, array.name.partition(".")[0]
    with h5py.File(array, "r") as file:
        item = file.get(LISTENS)
        shape = getattr(item, "shape", ())
        if len(shape) != 3 or shape[0] < 2 or item.is_virtual or item.external:
            raise BrainLensError(
                f"{array.name} holds no array {LISTENS!r} of two listens or more (listens, volumes, voxels)",
                choices=list(map(str, file)),
                remedy="Name the file of a story that was heard several times",
            )
        listens, volumes, width = shape
        keep = np.ones(width, bool)
        blocks = []
        for one in range(listens):  # a listen alone is 200 MB in float64, as they are stored
            block = laid_down(np.asarray(item[one], np.float32), among=listens)
            keep &= np.isfinite(block).all(axis=0) & (np.nan_to_num(block).std(axis=0) > 0)
            blocks.append(block)
    if not keep.any():
        raise BrainLensError(f"{array.name}: no voxel varies in every listen", remedy="Fetch again")
    kept = np.flatnonzero(keep)
    values = room_for((volumes, listens * len(kept)))
    for one, block in enumerate(blocks):
        values[:, one * len(kept) : (one + 1) * len(kept)] = block[:, kept]
    words = read_words(grid, run=story)
    words[["onset", "offset"]] -= FIRST_SAMPLE
    presentation = Presentation(words, INTERVAL)
    table = sample_table(presentation, {story: volumes})
    names = [f"{person}.v{i}.listen{one + 1}" for one in range(listens) for i in kept]
    responses = xr.DataArray(
        values,
        dims=("stimulus", "target"),
        coords={
            "stimulus": table.index.to_numpy(),
            "target": np.array(names, object),
            "subject": ("target", np.full(len(names), person, object)),
            "voxel": ("target", np.tile(kept, listens)),
            "listen": ("target", np.repeat(np.arange(1, listens + 1), len(kept))),
        },
    )
    notes = (
        f"{story}, heard {listens} times by {person}; {width - len(kept)} of {width} voxels that do not vary or are no numbers "
        "in some listen were left out",
        f"words are {FIRST_SAMPLE:g} s earlier than in the TextGrid",
    )
    return Recording(
        responses=responses, stimuli=table, kind="fmri", scored_unit="tr", context="run", notes=notes,
        joiner=joiner_of(list(words["text"]))[0], presentation=presentation, **{"id": "lebel2023-repeats", **facts},
    )  # fmt: skip


LISTENS = "individual_repeats"
"""The array of single listens in the file of a repeated story."""


def podcast_ecog(paths: Sequence[Path], **facts) -> Recording:
    """High gamma of the podcast under electrodes, cut around each word (OpenNeuro ds005574).

    Parameters
    ----------
    paths : sequence of path-like
        ``sub-*_desc-highgamma_ieeg.fif`` of each patient, and the transcript (columns word, start, end in seconds).

    Returns
    -------
    Recording
        A row a word, a target an electrode at a lag: means over bins of 50 ms from -1 to 1 s, without a baseline taken off.

    Raises
    ------
    BrainLensError
        Where mne is not installed, there is no transcript, or no word lies inside the recording.

    Notes
    -----
    Source: Zada et al. 2025, doi 10.1038/s41597-025-05462-2. Neighbouring words overlap: folds are contiguous blocks.
    """
    fifs = sorted(path for path in map(Path, paths) if path.suffix == ".fif")
    tables = [path for path in map(Path, paths) if path.suffix in (".csv", ".tsv")]
    if not fifs or not tables:
        raise BrainLensError(
            "The podcast needs a transcript (.csv) and at least one .fif",
            remedy="Fetch the entry again",
        )
    words = read_words(
        tables[0], run="podcast", text="word", onset="start", offset="end", untimed="leave out"
    )
    untimed = words.attrs["untimed"]
    words = words.sort_values("onset", kind="stable").reset_index(drop=True)
    lags = np.arange(WINDOW[0], WINDOW[1], STEP)
    found, keep = [], np.ones(len(words), bool)
    for path in fifs:
        values, names, places, inside = _around(path, words["onset"].to_numpy(float), lags)
        keep &= inside
        found.append((path.name.partition("_")[0], values, names, places))
    if not keep.any():
        raise BrainLensError(
            "No word lies inside the recording", remedy="Give onsets in seconds of the sound"
        )
    table = words.loc[keep].reset_index(drop=True)
    columns, coords = [], {name: [] for name in ("subject", "electrode", "lag", "x", "y", "z")}
    for person, values, names, places in found:
        columns.append(values[keep].reshape(int(keep.sum()), -1))
        electrodes = [f"{person}.{name}" for name in names]
        coords["subject"] += [person] * (len(names) * len(lags))
        coords["electrode"] += list(np.repeat(electrodes, len(lags)))
        coords["lag"] += list(np.tile(lags + STEP / 2, len(names)))
        for axis, one in zip("xyz", np.repeat(places, len(lags), axis=0).T):
            coords[axis] += list(one)
    notes = [
        f"{int((~keep).sum())} of {len(keep)} words have no whole window inside the recording and were left out"
    ]
    if untimed:
        notes.append(f"{untimed} words of the transcript have no time and were left out")
    return epochs_recording(
        np.hstack(columns), coords, table, notes=tuple(notes), **{"id": "podcast-ecog", **facts}
    )


def _around(path: Path, onsets: np.ndarray, lags: np.ndarray):
    """Means over bins around each onset, (word, electrode, lag), electrodes, their places (mm), words inside."""
    try:
        import mne
    except ImportError:
        raise BrainLensError(
            f"{path.name} is read by the package mne", remedy="pip install 'brainlens[meeg]'"
        ) from None
    try:
        raw = mne.io.read_raw_fif(path, preload=True, verbose="error")
    except MemoryError:
        raise
    except Exception as error:  # mne raises many kinds
        raise BrainLensError(
            f"{path.name} cannot be read: {first_line(error)}", remedy="Fetch it again"
        ) from None
    rate, signal = float(raw.info["sfreq"]), raw.get_data()
    start = np.round((onsets[:, None] + lags / 1000) * rate).astype(int)
    width = max(round(STEP / 1000 * rate), 1)
    inside = (start[:, 0] >= 0) & (start[:, -1] + width <= signal.shape[1])
    total = np.concatenate([np.zeros((len(signal), 1)), np.cumsum(signal, axis=1)], axis=1)
    begin = np.clip(start, 0, signal.shape[1] - width)
    values = (total[:, begin + width] - total[:, begin]) / width
    places = np.array([np.asarray(one["loc"][:3], float) * 1000 for one in raw.info["chs"]])
    return np.moveaxis(values, 0, 1).astype(np.float32), list(raw.ch_names), places, inside
