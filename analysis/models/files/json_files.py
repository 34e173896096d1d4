"""JSON files of model folders."""

from __future__ import annotations

import json
from pathlib import Path

from data.errors import BrainLensError

__all__ = ["pointer", "read_json"]

_LFS = b"version https://git-lfs"


def pointer(path: Path) -> bool:
    """Whether a file is what Git leaves in place of a large file that was not fetched."""
    if path.stat().st_size > 1024:
        return False
    return path.read_bytes().startswith(_LFS)


def read_json(path: Path) -> dict:
    """A JSON file as a dict; empty where it is not there.

    Raises
    ------
    BrainLensError
        Where it does not parse, holds no object, or is a pointer of Git LFS.
    """
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        if pointer(path):
            raise BrainLensError(
                f"{path} is a pointer of Git LFS, not the file itself",
                remedy="Run 'git lfs pull' in the folder the model was cloned into, or fetch the model again",
            ) from None
        raise BrainLensError(
            f"{path} is not valid JSON ({error})", remedy="Fetch or save the model again"
        ) from None
    if not isinstance(content, dict):
        raise BrainLensError(
            f"{path} holds {'a list' if isinstance(content, list) else repr(content)[:40]}, not an object {{...}}",
            remedy="Fetch or save the model again",
        )
    return content
