"""How a correlation and a p are written, in every sentence, figure and command: ``r = .54``, ``p = .005``."""

from __future__ import annotations

import math

__all__ = ["decimal", "least_p", "p_value"]


def decimal(value: float | None, digits: int = 2) -> str:
    """A correlation as journals print it: ``.54``, ``-.18``, ``1.04``; ``not defined`` for NaN.

    Parameters
    ----------
    value : float or None
    digits : int
        Decimals.

    Returns
    -------
    str

    Examples
    --------
    >>> decimal(0.539), decimal(-0.184), decimal(1.04), decimal(float("nan"))
    ('.54', '-.18', '1.04', 'not defined')
    """
    if value is None or not math.isfinite(value):
        return "not defined"
    text = f"{value:.{digits}f}"
    if float(text) == 0:
        text = text.lstrip("-")
    return text.replace("0.", ".", 1) if abs(float(text)) < 1 else text


def p_value(p: float, digits: int = 3) -> str:
    """A p as journals print it; below what the digits can show it is said to be below, and never 0.

    Parameters
    ----------
    p : float
    digits : int
        Decimals.

    Returns
    -------
    str

    Examples
    --------
    >>> p_value(0.0052), p_value(0.0002), p_value(1.0), p_value(0.004, 2)
    ('p = .005', 'p < .001', 'p = 1.000', 'p < .01')
    """
    least = 10.0**-digits
    return f"p < {decimal(least, digits)}" if p < least else f"p = {decimal(p, digits)}"


def least_p(p: float) -> str:
    """The least p that there can be, in as many decimals as it needs to be seen.

    Parameters
    ----------
    p : float

    Returns
    -------
    str

    Examples
    --------
    >>> least_p(0.05), least_p(1 / 300), least_p(1 / 100_001)
    ('.05', '.0033', '.00001')
    """
    digits = next(n for n in range(1, 18) if n == 17 or abs(round(p, n) - p) <= 0.05 * p)
    return decimal(p, digits)
