"""What the ids of a link or a bookmark are checked against before they are taken over."""

from __future__ import annotations

from collections.abc import Callable

from analysis.answers.compare import TABLES, known, published
from analysis.models.catalog import card, cards, state
from analysis.models.variants.maps import maps
from analysis.scoring.results import results
from dashboards.lenses.task import BENCHMARKS, MEASURES
from dashboards.lenses.untrained import SCHEMES
from dashboards.work.text_computations import texts
from data.catalog.catalog import entry
from data.errors import BrainLensError, unknown
from data.gate import existing
from data.stories.kept_parcels import kept_parcels

__all__ = ["checks"]


def checks() -> dict[str, Callable[[str], None]]:
    """Field -> check, which raises :class:`BrainLensError` for a value that is not available here.

    Nothing is loaded and nothing is fetched; only for a result of something that no catalogue knows the list of results is read.
    """
    return {
        "models": _model,
        "bits": _model,
        "recording": _recording,
        "corpora": _recording,
        "neural": _recording,
        "ranked": _ranked,
        "hidden": _hidden,
        "benchmark": _among("benchmark", BENCHMARKS),
        "x": _among("measure", MEASURES),
        "scheme": _among("untrained scheme", SCHEMES),
        "text": _text,
        "folder": _folder,
        "unit_map": _unit_map,
        "parcels": _parcels,
    }


def _among(what: str, choices: dict[str, str]) -> Callable[[str], None]:
    def check(name: str) -> None:
        if name not in choices.values():
            raise unknown(what, name, choices.values())

    return check


def _model(name: str) -> None:
    try:
        card(name)
        where = state(name)
    except BrainLensError:
        raise
    except (OSError, ValueError, RuntimeError):  # no file can have such a name
        raise unknown("model", name, ()) from None
    if where == "published only":
        raise BrainLensError(f"{name} has published scores only")


def _recording(name: str) -> None:
    path, mark, _ = name.partition("#")  # one corpus of a table of words
    if _is_file(name) or _is_file(path):
        return
    if mark:
        raise BrainLensError(f"There is no table {path!r}")
    one, version = entry(name), name.partition("@")[2]
    if not one.is_recording:
        raise BrainLensError(f"{one.id} is {one.kind}, not a recording")
    if version and version not in one.versions:
        raise unknown(f"version of {one.id}", version, one.versions or ("none",))


def _parcels(name: str) -> None:
    if name and name not in kept_parcels():
        raise unknown("parcels", name, kept_parcels())


def _text(name: str) -> None:
    if name not in texts().values() and not _is_file(name):
        raise unknown("text", name, texts().values())


def _unit_map(name: str) -> None:
    if name not in maps():
        raise unknown("map of units", name, maps())


def _folder(name: str) -> None:
    if not name.strip():
        return
    path = existing(name)
    if path is None or not path.is_dir():
        raise BrainLensError(f"There is no folder {name!r}")


def _ranked(name: str) -> None:
    """A recording, or whatever else a result is of: files that were scored or brought have ids of their own."""
    try:
        _recording(name)
    except BrainLensError:
        if name not in known(results()):
            raise


def _hidden(name: str) -> None:
    """A model, or whatever else a result or a published table is of."""
    if name not in cards() and name not in set(results()["model"]):
        tables = [published(table).frame["model"] for table in TABLES]
        if not any(name in set(models) for models in tables):
            raise unknown(
                "model of a result",
                name,
                dict.fromkeys(model for models in tables for model in models),
            )


# ---- files ---------------------------------------------------------------------------------------------------------------
def _is_file(name: str) -> bool:
    """Whether this is a file that a link may name."""
    path = existing(name)
    return path is not None and path.is_file()
