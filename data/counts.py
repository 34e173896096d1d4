"""How a number of things is written."""

from __future__ import annotations

__all__ = ["plural"]


def plural(count: int, word: str) -> str:
    """``1 model``, ``43 models``.

    Examples
    --------
    >>> plural(1, "error"), plural(1200, "warning")
    ('1 error', '1,200 warnings')
    """
    return f"{count:,} {word}" + ("" if count == 1 else "s")
