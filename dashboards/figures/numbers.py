"""Numbers as the browser writes them: three decimals, and three significant digits where three decimals would say nothing."""

from __future__ import annotations

__all__ = ["written"]


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
