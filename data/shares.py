"""How a share is written, in every sentence, figure, table and command."""

from __future__ import annotations

import math

__all__ = ["percent", "percent_within"]


def percent(share: float, digits: int = 0) -> str:
    """A share in percent, with a space before the sign; ``not defined`` for what is no number.

    Parameters
    ----------
    share : float
        1 for all.
    digits : int
        Decimals.

    Returns
    -------
    str

    Examples
    --------
    >>> percent(0.807), percent(0.045, 1)
    ('81 %', '4.5 %')
    """
    return f"{100 * share:.{digits}f} %" if math.isfinite(share) else "not defined"


def percent_within(share: float, low: float, high: float, digits: int = 0) -> str:
    """A share with the ends of its interval; alone where an end is not known.

    Parameters
    ----------
    share, low, high : float
        1 for all.
    digits : int
        Decimals.

    Returns
    -------
    str

    Examples
    --------
    >>> percent_within(0.61, 0.55, 0.67), percent_within(0.61, float("nan"), 0.67)
    ('61 % [55, 67]', '61 %')
    """
    said = percent(share, digits)
    if not math.isfinite(share + low + high):
        return said
    return f"{said} [{100 * low:.{digits}f}, {100 * high:.{digits}f}]"
