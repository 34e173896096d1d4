"""A story from the network is first read in a process of its own, with limits, as other files are."""

from __future__ import annotations

import sys
from pathlib import Path

from data.own import apart
from data.stories.story import read_story

__all__ = ["tried"]


def tried(path: Path) -> None:
    """Read the story of a ``story.toml`` elsewhere; nothing is given back but that it can be done.

    Raises
    ------
    BrainLensError
        As :func:`data.own.apart.tried`.
    """
    apart.tried(path, module="data.stories.apart")


if __name__ == "__main__":
    sys.exit(apart.limited(lambda: read_story(sys.argv[1]), int(sys.argv[2])))
