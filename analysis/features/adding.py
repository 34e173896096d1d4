"""A file of activations, or a table of surprisals, put among the models."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

from analysis.features.ready import _peeked, _told
from analysis.features.surprisal_table import SurprisalTable, holds_surprisals
from analysis.models.catalog import cards
from analysis.protocol import Protocol
from analysis.text.passages import passages
from data.catalog.catalog import entries, recording
from data.errors import BrainLensError
from data.files import working
from data.home import personal
from data.own.sidecar import SIDECAR

__all__ = ["fits", "holds_words_of", "keep"]


def fits(path: Path) -> list[str]:
    """Ids of the recordings on this machine whose stimuli are all in the file."""
    here, ids = [], set(_peeked(path)[0])
    for name, one in entries(recordings=True).items():
        if one.state != "ready":
            continue
        try:
            wanted = recording(name).stimuli.index
        except BrainLensError:
            continue
        if ids.issuperset(map(str, wanted)):
            here.append(name)
    return here


def holds_words_of(path: Path) -> tuple[list[str], str]:
    """Ids of the recordings of words on this machine whose texts are in a table of surprisals, and why one is not.

    Raises
    ------
    BrainLensError
        Where the table cannot be read.
    """
    model = SurprisalTable(SurprisalTable.describe(path, path.stem), path)
    context = Protocol().context
    here, why = [], ""
    for name, one in entries(recordings=True).items():
        if one.state != "ready" or one.kind not in ("reading_times", "eye_tracking"):
            continue
        try:
            model.surprisal([read.text for read in passages(recording(name), context)])
            here.append(name)
        except BrainLensError as error:
            why = why or error.problem
    return here, why


def keep(path: Path, name: str = "", note: str = "") -> str:
    """Put a file of activations, or a table of surprisals, among the models; its id from then on.

    Raises
    ------
    BrainLensError
        Where it cannot be read, or the name makes no id.
    """
    wanted = re.sub(r"[^a-z0-9]+", "-", (name or path.stem).lower()).strip("-")[:60]
    if not wanted:
        raise BrainLensError(f"{name!r} makes no id", remedy="Use letters and digits")
    taken, free, count = cards(), wanted, 2
    while free in taken:
        free, count = f"{wanted}-{count}", count + 1
    table = holds_surprisals(path)
    if table:
        told = {"layers": None, "parameters": 0, "note": SurprisalTable.describe(path, free).note}
    else:
        told = _told(path)
    told["note"] = "; ".join(filter(None, [told["note"], note.strip()]))
    about = {
        "cls": "table" if table else "activations",
        "family": free,
        "adapter": "surprisal-table" if table else "activations",
        "file": path.name,
        "source": "folder",
        **told,
    }
    with working(personal("models")) as under_way:
        folder = under_way / free
        folder.mkdir()
        shutil.copytree(path, folder / path.name) if path.is_dir() else shutil.copyfile(
            path, folder / path.name
        )
        beside = Path(f"{path}{SIDECAR}")
        if table and beside.is_file():  # the unit that was told
            shutil.copyfile(beside, folder / beside.name)
        (folder / "card.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
        os.replace(folder, personal("models") / free)  # whole, or not at all
    return free
