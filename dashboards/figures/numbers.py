"""Numbers as the page writes them: three decimals, and three significant digits where three decimals would say nothing."""

from __future__ import annotations

import math
from numbers import Real

__all__ = ["shown", "written"]


def written(decimals: int = 0) -> str:
    """Body of a JavaScript function of ``value`` that returns it as text; what is missing stays empty.

    Parameters
    ----------
    decimals : int
        Digits after the point that are written below 1,000 even where they are zeros, at most 3.

    Returns
    -------
    str
        0.5 becomes ``0.5`` (``0.500`` with three decimals), 0.00862 ``0.00862``, -0.0001 ``-0.0001``, 1234567.8 ``1,234,567.8``.
    """
    return (
        'if (value == null || value === "" || Number.isNaN(Number(value))) { return "" }\n'
        "const number = Number(value) + 0, size = Math.abs(number)\n"  # + 0: minus zero is zero
        "if (size > 0 && size < 0.1) { return String(Number(number.toPrecision(3))) }\n"
        f"const least = size < 1000 ? {decimals} : 0\n"
        'return number.toLocaleString("en-US", {minimumFractionDigits: least, maximumFractionDigits: 3})'
    )


def shown(value: object) -> str:
    """The same in Python; what is no number stays as it is.

    Examples
    --------
    >>> [shown(value) for value in (0.5, 0.00862, -0.0001, 1234567.8, 3, "raw")]
    ['0.5', '0.00862', '-0.0001', '1,234,567.8', '3', 'raw']
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        return str(value)
    if math.isnan(value):
        return ""
    if 0 < abs(value) < 0.1:
        return f"{value:.3g}"
    return f"{value:,.3f}".rstrip("0").rstrip(".")
