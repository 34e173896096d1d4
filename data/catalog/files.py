"""A user's own file by its path, where an id of the catalogue may have been meant."""

from __future__ import annotations

from pathlib import Path

from data.catalog.catalog import entries, entry
from data.errors import BrainLensError
from data.own import read as own
from data.own import validation
from data.recording import Recording

__all__ = ["check", "read"]


def read(path: str | Path, **columns) -> Recording:
    """The recording in a user's file, as :func:`data.own.read.read`.

    Raises
    ------
    BrainLensError
        As there; and where the catalogue has that id, how it is used.
    """
    _no_id(path)
    return own.read(path, **columns)


def check(path: str | Path, **columns) -> validation.ValidationReport:
    """The validation report of a user's file, as :func:`data.own.validation.check`; an id is told how it is used."""
    try:
        _no_id(path)
    except BrainLensError as error:
        return validation.refused(Path(path).name, error)
    return validation.check(path, **columns)


def _no_id(path: str | Path) -> None:
    if own.file_of(path)[0].exists():
        return
    name = str(path)
    try:
        one = entry(name)
    except BrainLensError:
        return
    if one.is_recording:
        raise BrainLensError(
            f"{name!r} is a recording of the catalogue, not a file",
            remedy=f"Use it by its id, as in 'brainlens score MODEL --on {name}'; only files of your own are checked",
        )
    raise BrainLensError(
        f"{name!r} is {one.kind} of the catalogue, not a file",
        choices=entries(recordings=True),
        remedy="Name a file",
    )
