"""How a share is written, in every sentence, figure, table and command."""

from __future__ import annotations

__all__ = ["percent"]


def percent(share: float, digits: int = 0) -> str:
    """A share in percent, with a space before the sign.

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
    return f"{100 * share:.{digits}f} %"
