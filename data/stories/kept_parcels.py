"""Parcels that are kept under a name, for the page and for commands: a person's own annotations, and what ships."""

from __future__ import annotations

import hashlib
import io
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np

from data.errors import BrainLensError, first_line, unknown
from data.files import Damaged, atomic, in_words
from data.home import home, personal, shared
from data.own import apart
from data.own.archive import DAMAGE
from data.rights import require_room
from data.stories.parcels import ANNOTATIONS, Parcels, joined, plain_name, sides_of
from data.surface import VERTICES

__all__ = [
    "HEMISPHERES",
    "MOST_BYTES",
    "drop_parcels",
    "keep_parcels",
    "kept_parcels",
    "load_parcels",
    "own_parcels",
    "parcels_mark",
]

HEMISPHERES = "hemispheres"
"""Parcels that ship: each side of the cortex as one."""
MOST_BYTES = 20_000_000
"""Of the annotations that come through the browser at once; one of fsaverage has about 1 MB."""
LONGEST = 200
"""Letters of a parcel's name."""
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,59}")
_FOLDER = "parcels"


def keep_parcels(files: Mapping[str, bytes]) -> str:
    """Keep annotations in the person's own folder, under the name of their files without the hemisphere.

    A hemisphere that is kept under that name already stays where the files are of the other one, and is replaced where they
    are of the same.

    Parameters
    ----------
    files : mapping of str to bytes
        File name -> content, as a browser sends them: ``lh.NAME.annot``, ``rh.NAME.annot`` or ``.label.gii``.

    Returns
    -------
    str
        The name; of several the first.

    Raises
    ------
    BrainLensError
        Too large, no annotation, of another surface, or more than a process can read; and where it would go beyond the
        person's quota.
    """
    if not files:
        raise BrainLensError(
            "There are no annotations to keep", remedy="Give lh.NAME.annot and rh.NAME.annot"
        )
    size = sum(map(len, files.values()))
    if size > MOST_BYTES:
        raise BrainLensError(
            f"These files have {size / 1e6:,.0f} MB; annotations have {MOST_BYTES / 1e6:,.0f} MB at most here",
            remedy="Give lh.NAME.annot and rh.NAME.annot of one atlas at a time",
        )
    together: dict[str, dict[str, bytes]] = {}
    for name, content in files.items():
        together.setdefault(plain_name(_last(name)), {})[_last(name)] = content
    if HEMISPHERES in together:
        raise BrainLensError(
            f"The name {HEMISPHERES!r} is taken by parcels that ship", remedy="Rename the files"
        )
    found = {name: _read_apart(some) for name, some in together.items()}
    for name, sides in found.items():
        _write(name, {**(_sides(_own(name)) if _own(name).is_file() else {}), **sides})
    return next(iter(found))


def _last(name: str) -> str:
    """The name of a file as a browser sent it, safe on every system."""
    last = re.split(r"[\\/]", str(name))[-1]
    kind = next((one for one in ANNOTATIONS if last.lower().endswith(one)), "")
    if not kind:
        raise BrainLensError(
            f"{last[:80]!r} is no annotation of the cortex",
            choices=ANNOTATIONS[:2],
            remedy="Give lh.NAME.annot and rh.NAME.annot, on fsaverage",
        )
    stem = re.sub(r"[^A-Za-z0-9_.-]+", "-", last[: -len(kind)]).replace("..", ".").strip("-._")
    return (stem[:80] or "parcels") + kind


def _read_apart(files: Mapping[str, bytes]) -> dict[str, np.ndarray]:
    """The parcels of each hemisphere; a file that ends the process that reads it ends no page."""
    folder = Path(tempfile.mkdtemp(prefix="brainlens-"))
    try:
        paths = [folder / name for name in files]
        with in_words(folder, sum(map(len, files.values()))):
            for path, content in zip(paths, files.values(), strict=True):
                path.write_bytes(content)
        for path in paths:
            apart.tried(path, module="data.stories.kept_parcels")
        sides = sides_of(paths)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if long := next((one for side in sides.values() for one in side if len(one) > LONGEST), ""):
        raise BrainLensError(
            f"A parcel's name has {len(long):,} letters, and {LONGEST} are the most: {long[:40]!r} ...",
            remedy="Is this an annotation of the cortex?",
        )
    return sides


def _write(name: str, sides: Mapping[str, np.ndarray]) -> None:
    arrays = {}
    for side, labels in sides.items():
        names, codes = np.unique(labels.astype(str), return_inverse=True)
        arrays |= {f"{side}_names": names, f"{side}_codes": codes.astype(np.int16)}
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    require_room(content.getbuffer().nbytes)
    with atomic(_own(name)) as part:
        part.write_bytes(content.getbuffer())


def _own(name: str) -> Path:
    return personal(_FOLDER) / f"{name}.npz"


def own_parcels(name: str) -> bool:
    """Whether parcels are the person's own: only such can be dropped."""
    return bool(_NAME.fullmatch(name)) and _own(name).is_file()


def kept_parcels() -> list[str]:
    """Names of parcels that can be chosen: what ships, the person's own, those of the data folder and of the shared one."""
    folders = [personal(_FOLDER), home(_FOLDER)]
    if (common := shared()) is not None:
        folders.append(common / _FOLDER)
    names = {path.stem for folder in folders for path in folder.glob("*.npz")}
    return [HEMISPHERES, *sorted(filter(_NAME.fullmatch, names))]


def load_parcels(name: str) -> Parcels:
    """Parcels by their name.

    Raises
    ------
    BrainLensError
        For a name that no parcels have, and for a damaged file.
    """
    if name == HEMISPHERES:
        return joined({side: np.full(VERTICES, side, object) for side in ("left", "right")}, name)
    if name not in kept_parcels():
        raise unknown("parcels", name, kept_parcels())
    return joined(_sides(_place(name)), name)


def parcels_mark(name: str) -> str:
    """Hash of what a name stands for now; empty where there are no such parcels."""
    if name == HEMISPHERES or name not in kept_parcels():
        return ""
    return hashlib.sha256(_place(name).read_bytes()).hexdigest()[:16]


def drop_parcels(name: str) -> None:
    """Forget parcels of the person's own.

    Raises
    ------
    BrainLensError
        For a name that no parcels have, and for what ships or belongs to everybody.
    """
    if not own_parcels(name):
        if name in kept_parcels():
            raise BrainLensError(
                f"The parcels {name!r} belong to everybody",
                remedy="Ask who keeps the data folder to delete them",
            )
        raise unknown("parcels", name, kept_parcels())
    _own(name).unlink()


def _place(name: str) -> Path:
    """Where parcels lie: the person's own first."""
    folders = [personal(_FOLDER), home(_FOLDER)]
    if (common := shared()) is not None:
        folders.append(common / _FOLDER)
    for folder in folders:
        if (path := folder / f"{name}.npz").is_file():
            return path
    raise unknown("parcels", name, kept_parcels())  # deleted meanwhile


def _sides(path: Path) -> dict[str, np.ndarray]:
    when = path.stat().st_mtime_ns
    return dict(_read(path, when))


@lru_cache(maxsize=8)
def _read(path: Path, when: int) -> Mapping[str, np.ndarray]:
    """The parcel of each vertex by hemisphere, of a file as it stood at a time."""
    try:
        with np.load(path, allow_pickle=False) as held:
            found = {}
            for side in ("left", "right"):
                if f"{side}_codes" in held:
                    names, codes = held[f"{side}_names"], held[f"{side}_codes"]
                    if codes.shape != (VERTICES,) or names.ndim != 1:
                        raise ValueError(f"{codes.shape} vertices")
                    found[side] = names.astype(object)[codes]
            if not found:
                raise ValueError("it holds no hemisphere")
    except (*DAMAGE, TypeError) as error:
        raise Damaged(
            f"The parcels {path} are damaged: {first_line(error)}",
            remedy="Drop their annotation again, or delete the file",
        ) from None
    return found


if __name__ == "__main__":
    sys.exit(apart.limited(lambda: sides_of([Path(sys.argv[1])]), int(sys.argv[2])))
