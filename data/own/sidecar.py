"""The file beside a user's file that says how its columns are meant."""

from __future__ import annotations

import json
from pathlib import Path

from data.errors import BrainLensError
from data.files import atomic
from data.own.gate import beside_of
from data.own.meaning import checked

__all__ = ["SIDECAR", "sidecar", "write_sidecar"]


SIDECAR = ".brainlens.json"
"""What is appended to a file's name for the file that says how its columns are meant."""


def sidecar(path: str | Path) -> dict:
    """What the sidecar of a file says, or an empty dict.

    Raises
    ------
    BrainLensError
        Where it is not a JSON object, or holds an unknown field or a value of the wrong type.
    """
    beside = Path(str(path) + SIDECAR)
    if not beside.is_file():
        return {}
    try:
        said = json.loads(beside.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise BrainLensError(
            f"{beside.name} is not JSON: {error}", remedy="Correct it or remove it"
        ) from None
    if not isinstance(said, dict):
        raise BrainLensError(
            f"{beside.name} holds a {type(said).__name__}, not fields",
            remedy='Write {"text": "sentence", ...}',
        )
    said = checked(said, beside.name)
    for key in ("stimuli", "targets"):
        if said.get(key):  # what a file names may lie beside it only
            said[key] = str(beside_of(Path(path), said[key], f"{key} table"))
    return said


def write_sidecar(path: str | Path, **said) -> Path:
    """Keep how the columns of ``path`` are meant in a file beside it; fields already there are replaced one by one.

    None for a role such as ``group``, ``context``, ``subject`` or ``order`` says that there is none, so that none is guessed.
    """
    said = checked(said)
    beside = Path(str(path) + SIDECAR)
    fields = {**sidecar(path), **said}
    for key in ("stimuli", "targets"):
        if fields.get(key) and Path(fields[key]).parent == Path(path).parent:
            fields[key] = Path(fields[key]).name
    with atomic(beside) as half:
        half.write_text(json.dumps(fields, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return beside
