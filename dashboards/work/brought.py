"""Results that came through the browser: read beside the page, and elsewhere first where they could be more than they seem."""

from __future__ import annotations

import tempfile
from pathlib import Path

from analysis.progress import Report
from analysis.scoring.apart import tried
from analysis.scoring.results import bring
from data.errors import BrainLensError
from data.files import in_words

__all__ = ["MOST_BYTES", "brought", "require_small"]

MOST_BYTES = 20_000_000
"""Of a file of results, a capsule or a submission that comes through the browser."""


def require_small(name: str, content: bytes) -> None:
    """Refuse what the field would not have taken: what a browser sends is whatever somebody made it send.

    Raises
    ------
    BrainLensError
    """
    if len(content) > MOST_BYTES:
        raise BrainLensError(
            f"{name[:80]} has {len(content) / 1e6:,.0f} MB; the browser takes {MOST_BYTES / 1e6:,.0f} MB",
            remedy="Bring a part of it, or use 'brainlens results import'",
        )


def brought(name: str, content: bytes, report: Report) -> None:
    """Take a file's results in.

    Raises
    ------
    BrainLensError
        As :func:`analysis.scoring.results.bring`; for a file that is too large or takes too much to be read.
    """
    require_small(name, content)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"given{Path(name).suffix.lower()}"
        with in_words(path.parent, len(content)):
            path.write_bytes(content)
        tried(path)
        bring(path, name=name)
