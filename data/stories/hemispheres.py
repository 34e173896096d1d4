"""Both hemispheres of one run: two GIFTI files that are read as one signal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from data.errors import BrainLensError
from data.stories.signals import Signal, read_signal

__all__ = ["read_run"]


def read_run(
    paths: Sequence[str | Path], *, mask: str | Path | None = None, dataset: str | None = None
) -> Signal:
    """The signal of one run of one person: of one file, or of a left and a right hemisphere side by side.

    Parameters
    ----------
    paths : sequence of path-like
        One file, as for :func:`data.stories.signals.read_signal`, or two GIFTI files of one hemisphere each, in any order.
    mask : path-like, optional
        Of a NIfTI file.
    dataset : str, optional
        Of one HDF5 or npz file.

    Returns
    -------
    Signal
        Of two files the left hemisphere comes first; ``vertex`` is counted in each hemisphere.

    Raises
    ------
    BrainLensError
        For more than two files, other files than GIFTI, a pair that is not one left and one right hemisphere, and hemispheres
        of other lengths or intervals.
    """
    paths = [Path(path) for path in paths]
    if len(paths) == 1:
        return read_signal(paths[0], mask=mask, dataset=dataset)
    names = " and ".join(path.name for path in paths)
    if len(paths) > 2 or any(not path.name.lower().endswith(".gii") for path in paths):
        raise BrainLensError(
            f"Only two GIFTI files, one of each hemisphere, are read as one run, not {names}",
            remedy="Give one file for each run of a person, or its left and right hemisphere",
        )
    found = {path.name: read_signal(path, mask=mask) for path in paths}
    sides = {name: _side(signal) for name, signal in found.items()}
    for name, side in sides.items():
        if not side:
            raise BrainLensError(
                f"{name} does not say which hemisphere it is of",
                remedy="Put hemi-L or hemi-R into its name",
            )
    if len(set(sides.values())) == 1:
        raise BrainLensError(
            f"{names} are both of the {next(iter(sides.values()))} hemisphere",
            remedy="Give one of the left and one of the right, or name another run or person",
        )
    left, right = sorted(found.values(), key=_side)
    _alike(found)
    return Signal(
        np.hstack([left.values, right.values]),
        [*left.names, *right.names],
        left.interval or right.interval,
        {
            name: np.concatenate([left.coordinates[name], right.coordinates[name]])
            for name in ("vertex", "hemisphere")
        },
    )


def _side(signal: Signal) -> str:
    return str(signal.coordinates["hemisphere"][0])


def _alike(found: dict[str, Signal]) -> None:
    """Refuse hemispheres that cannot be of one run."""
    lengths = {name: len(signal.values) for name, signal in found.items()}
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{name} has {count}" for name, count in lengths.items())
        raise BrainLensError(
            f"The hemispheres of one run have other numbers of samples: {said}",
            remedy="Give both of the same run, cut to the same samples",
        )
    steps = {name: signal.interval for name, signal in found.items() if signal.interval}
    if len(steps) == 2 and not np.isclose(*steps.values(), rtol=1e-3):
        said = ", ".join(f"{name} says {step:g} s" for name, step in steps.items())
        raise BrainLensError(
            f"The hemispheres of one run have other seconds between two samples: {said}",
            remedy="Give both of the same run",
        )
