"""What an answer is made of, and how numbers are written in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from data.counts import plural
from data.decimals import decimal, p_value

__all__ = ["Answer", "decimal", "interval", "listed", "p_value", "plural", "signed"]


@dataclass(frozen=True)
class Answer:
    """A tidy frame with its answer in words; unpacks as ``frame, sentence = answer``.

    Parameters
    ----------
    frame : pandas.DataFrame
        One row per thing that is drawn.
    sentence : str
        The answer in words, for above the plot.
    caption : str
        Rule, n, interval and what was left out, for below it.
    fit : pandas.DataFrame
        x, y, low, high of a fitted line with its 95 % band; empty where nothing was fitted.
    missing : pandas.DataFrame
        model, reason of what could not be drawn.
    correlation : Correlation or None
        As of :func:`analysis.statistics.correlate`.
    facts : dict
        Further numbers by name, for tables and tests.
    axes : dict
        x_title, y_title, log_x, invert_x of the figure.
    """

    frame: pd.DataFrame
    sentence: str
    caption: str = ""
    fit: pd.DataFrame = field(
        default_factory=lambda: pd.DataFrame(columns=["x", "y", "low", "high"])
    )
    missing: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=["model", "reason"]))
    correlation: Any = None
    facts: dict = field(default_factory=dict)
    axes: dict = field(default_factory=dict)

    def __iter__(self) -> Iterator:
        return iter((self.frame, self.sentence))


def signed(value: float, digits: int = 3) -> str:
    """What is added or lost: ``+.086``, ``-.004``; ``.000`` without a sign where it rounds to nothing."""
    text = decimal(value, digits)
    return f"+{text}" if value > 0 and float(text) else text


def interval(low: float, high: float, digits: int = 2) -> str:
    """``[.04, .73]``, or nothing where an end is not known."""
    return (
        f"[{decimal(low, digits)}, {decimal(high, digits)}]"
        if np.isfinite(low) and np.isfinite(high)
        else ""
    )


def listed(words: Iterable[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    words = list(words)
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]])) if words else ""
