"""Words that have to fit: on several lines, shortened, or spread along one side."""

from __future__ import annotations

import re
import textwrap

import numpy as np

__all__ = ["broken", "joints", "on_lines", "shortened", "spread", "without_room"]


def broken(words: str, letters: int) -> str:
    r"""Words on lines of at most so many letters, parted where names have joints.

    Examples
    --------
    >>> broken("zoo-causal-400k@untrained:init:0", 17).split("\n")
    ['zoo-causal-400k', '@untrained:init:0']
    """
    lines = [""]
    for part in re.split(
        "(?=@)", words
    ):  # a model and what was done to it, each on a line where that is enough
        for piece in [part] if len(part) <= letters else joints(part):
            if len(lines[-1]) + len(piece.rstrip()) > letters and lines[-1]:
                lines.append("")
            while len(piece) > letters:
                lines[-1], piece = piece[:letters], piece[letters:]
                lines.append("")
            lines[-1] += piece
    return "\n".join(line.rstrip() for line in lines)


def shortened(words: str, letters: int) -> str:
    """Words of at most so many letters; a number at their end stays.

    Examples
    --------
    >>> shortened("random embedding of width 1600 0.84", 26)
    'random embedding of … 0.84'
    >>> shortened("a name without a number", 12)
    'a name with…'
    """
    if len(words) <= letters:
        return words
    head, _, last = words.rpartition(" ")
    if head and re.fullmatch(r"[-+−]?[\d.,]+ ?%?", last) and len(last) < letters - 3:
        return f"{head[: letters - len(last) - 3].rstrip()} … {last}"
    return f"{words[: letters - 1]}…"


def on_lines(words: str, room: float, font_size: float) -> str:
    """Words on as many lines as ``room`` (in the unit of the letters' size) asks for.

    They are parted before a bracket, else about evenly.
    """
    limit = max(12, int(room / (0.5 * font_size)))
    head, bracket, rest = words.partition(" (")
    if len(words) > limit and bracket and max(len(head), len(rest) + 1) <= limit:
        return f"{head}\n({rest}"
    lines = len(textwrap.wrap(words, limit, break_long_words=False))
    even = next(width for width in range(max(1, len(words) // max(1, lines)), limit + 1)
                if len(textwrap.wrap(words, width, break_long_words=False)) <= lines)  # fmt: skip
    return "\n".join(textwrap.wrap(words, even, break_long_words=False))


def joints(words: str) -> list[str]:
    """The pieces between which words may be parted: behind a space, a colon, a dash, and before an @."""
    return [piece for piece in re.split(r"(?<=[ :_-])|(?=@)", words) if piece]


def spread(wanted: np.ndarray, size: float | np.ndarray, low: float, high: float) -> np.ndarray:
    """Places of labels along one side, as near as can be to where they belong, none over another.

    Parameters
    ----------
    wanted : ndarray, shape (n,)
        Where each label's middle should be.
    size : float or ndarray, shape (n,)
        Height of a label.
    low, high : float
        Ends of the side; more labels than fit are packed from the top.

    Returns
    -------
    ndarray, shape (n,)

    Notes
    -----
    Least squares under the order of the labels: what wants the same place is pooled and shares its mean (pool adjacent
    violators), after the distance that each label keeps to the first was taken off.
    """
    wanted = np.asarray(wanted, float)
    order = np.argsort(wanted, kind="stable")
    sizes = np.broadcast_to(np.asarray(size, float), wanted.shape)[order]
    offset = np.concatenate([np.zeros(min(1, len(sizes))), np.cumsum((sizes[1:] + sizes[:-1]) / 2)])
    pools: list[list[float]] = []  # mean, count
    for value in wanted[order] - offset:
        pools.append([value, 1])
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            mean, count = pools.pop()
            last = pools[-1]
            last[0] = (last[0] * last[1] + mean * count) / (last[1] + count)
            last[1] += count
    flat = np.concatenate([np.full(int(count), mean) for mean, count in pools]) if pools else wanted
    if len(wanted):
        first = low + sizes[0] / 2
        flat = np.clip(flat, first, max(high - sizes[-1] / 2 - offset[-1], first))
    places = np.empty(len(wanted))
    places[order] = flat + offset
    return places


def without_room(names: int) -> str:
    """What a figure says of names that it does not show; empty where it shows all.

    Examples
    --------
    >>> without_room(1)
    '1 name without room: see the table'
    """
    return (
        f"{names} {'name' if names == 1 else 'names'} without room: see the table" if names else ""
    )
