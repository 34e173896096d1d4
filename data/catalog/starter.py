"""Real people in the first five minutes: small open recordings, fetched together from their public addresses or a mirror."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from data.catalog.catalog import Entry, entry, fetch
from data.catalog.fetch import size_text
from data.catalog.licences import asked
from data.errors import BrainLensError, unknown

__all__ = ["FIRST", "STARTER", "Brought", "bring", "missing", "price"]

FIRST = "alice2016"
"""What the first questions are asked of."""

STARTER = (
    FIRST,
    "brothers2021",
    "nieuwland2018",
    "ucl-eeg",
    "ucl-eyetracking-people",
    "naturalstories-maze",
    "sap2024-agreement",
)
"""Recordings of single people that are small and open."""


@dataclass(frozen=True)
class Brought:
    """What became of one recording: ``"here"`` already, ``"fetched"``, ``"asked"`` or ``"failed"`` with the reason."""

    id: str
    state: str
    reason: str = ""


def missing(names: Sequence[str] = STARTER) -> list[Entry]:
    """Entries of the pack that are not on this machine.

    Raises
    ------
    BrainLensError
        For a name that is not in the pack.
    """
    for name in names:
        if name not in STARTER:
            raise unknown("recording of the starter pack", name, STARTER)
    return [one for one in map(entry, names) if one.state != "ready"]


def price(names: Sequence[str] = STARTER) -> str:
    """What a fetch would bring, in words: sizes and licences.

    Examples
    --------
    >>> price(("alice2016",))  # doctest: +SKIP
    'alice2016 3.5 MB (CC BY 4.0); 3.5 MB in all'
    """
    wanted = missing(names)
    if not wanted:
        return "everything is here"
    files = {
        (file.folder, file.name): file.size or file.about or 0
        for one in wanted
        for file in one.files
    }
    said = [f"{one.id} {one.size_words} ({one.licence})" for one in wanted]
    return f"{'; '.join(said)}; {size_text(sum(files.values()))} in all"


def bring(
    names: Sequence[str] = STARTER, *, mirror: str | Path | None = None, report=None
) -> list[Brought]:
    """Fetch and verify what is missing; one that fails, or whose licence nobody has accepted, does not stop the others.

    Parameters
    ----------
    names : sequence of str
    mirror : path-like or str, optional
        Folder or URL laid out ``<folder>/<file>``; default ``BRAINLENS_MIRROR``.
    report : object, optional
        With ``step(done, total, what)``.
    """
    wanted, found = {one.id for one in missing(names)}, []
    for done, name in enumerate(names):
        if report is not None:
            report.step(done, len(names), f"recordings, {name}")
        if name not in wanted:
            found.append(Brought(name, "here"))
            continue
        if question := asked(name, entry(name).licence):
            found.append(Brought(name, "asked", question))
            continue
        try:
            fetch(name, mirror=mirror)
            found.append(Brought(name, "fetched"))
        except BrainLensError as error:
            found.append(Brought(name, "failed", str(error)))
    if report is not None:
        report.step(len(names), len(names), "recordings")
    return found
