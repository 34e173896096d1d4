"""What the library does off the page's loop; everything it needs is imported where it runs."""

from __future__ import annotations

from analysis.answers.holdings import models, recordings
from analysis.models import catalog, removal
from data.catalog.catalog import entry, fetch, paths, recording, remove
from data.catalog.fetch import size_text, verify
from data.own.validation import inspect

__all__ = [
    "check_recording",
    "fetch_model",
    "fetch_recording",
    "holdings",
    "remove_model",
    "remove_recording",
]


def holdings(report) -> tuple:
    """Recordings and models, with the state of each."""
    return recordings(), models()


def fetch_recording(name: str, report) -> None:
    """Bring a recording to this machine."""
    fetch(name, report=report)


def fetch_model(name: str, report) -> None:
    """Bring a model to this machine."""
    catalog.fetch(name, report=report)


def remove_recording(name: str, report=None, *, also: bool = False) -> str:
    """Remove a recording; what was freed, in words."""
    return _freed(name, remove(name, also=also))


def remove_model(name: str, report) -> str:
    """Remove a model; what was freed, in words."""
    return _freed(name, removal.remove(name))


def _freed(name: str, size: int) -> str:
    return (
        f"{name}: {size_text(size)} freed"
        if size
        else f"{name} is not in your own data folder, so nothing was removed"
    )


def check_recording(name: str, report) -> str:
    """Read every byte again: hashes as published, invariants of the file, and what a check finds."""
    one = entry(name)
    for done, (file, path) in enumerate(zip(one.files, paths(one))):
        report.step(done, len(one.files), "files verified")
        verify(path, file, again=True)
    known = sum(bool(file.hash[0]) for file in one.files)
    words = (
        f"{name}: {known} of {len(one.files)} files have the published hash"
        if known
        else f"{name} can be read"
    )
    if one.is_recording:
        words += f"; {inspect(recording(name)).counts}"
    return words
