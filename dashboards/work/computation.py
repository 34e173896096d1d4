"""What a selection asks for and is not there yet: one computation, with its price."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from analysis.progress import Report
from dashboards.work.jobs import duration

__all__ = ["FREE_SECONDS", "Computation", "cost_in_words", "parted", "spent"]

LONG, BUSY = 30.0, 1.5
"""Seconds of work, and times slower than idle, from which on it is said how busy the machine is."""
FREE_SECONDS = 2.0
"""What takes no longer, and needs no download, runs without being asked for."""


@dataclass(frozen=True)
class Computation:
    """A piece of work that a view wants.

    Parameters
    ----------
    key : str
        Content key: the same in every window that asks for the same.
    title : str
        For progress and the activity list.
    work : callable
        ``work(report) -> result``; must not hold on to a session.
    take : callable
        ``take(result, final)``: keeps a partial or the final result; called in the session's loop.
    failed : callable, optional
        ``failed(error)``: keeps why there is no result.
    seconds : float, optional
        Estimated; None where nothing is known.
    downloads : mapping of str to (int or None)
        Models to fetch first and their bytes; None where nobody knows how many.
    memory : int
        Bytes it needs, about.
    made_of : tuple of (str, float)
        Kinds of work and the seconds of each, where they are told apart.
    once : mapping of str to float
        Of the seconds those that are spent once for all computations that name them alike.
    free : bool
        Cheap enough to run without being asked.
    quiet : bool
        A look into the store: no progress, not in the activity list.
    """

    key: str
    title: str
    work: Callable[[Report], object]
    take: Callable[[object, bool], None]
    failed: Callable[[BaseException], None] | None = None
    seconds: float | None = None
    downloads: Mapping[str, int | None] = field(default_factory=dict)
    memory: int = 0
    made_of: tuple[tuple[str, float], ...] = ()
    once: Mapping[str, float] = field(default_factory=dict)
    free: bool = False
    quiet: bool = False


def spent(seconds: float, busy: float) -> str:
    """A duration of work, and what it becomes where other work runs: told of what takes longer than half a minute.

    Examples
    --------
    >>> spent(120.0, 1.2), spent(120.0, 4.0), spent(5.0, 4.0)
    ('2 min', '2 min on an idle machine, 8 min as busy as this one is now', '5 s')
    """
    if busy < BUSY or seconds < LONG:
        return duration(seconds)
    return f"{duration(seconds)} on an idle machine, {duration(seconds * busy)} as busy as this one is now"


def parted(made_of: Iterable[tuple[str, float]]) -> str:
    """What a price is made of, in words; what takes less than a second of it is left out.

    Examples
    --------
    >>> parted([("exchanges", 200.0), ("fits", 65.0), ("reading", 0.2)])
    'exchanges 3 min, fits 65 s'
    """
    return ", ".join(f"{what} {duration(seconds)}" for what, seconds in made_of if seconds >= 1)


def cost_in_words(wanted: list[Computation], busy: float = 1.0) -> str:
    """What a click on Run costs; ``busy`` as of :func:`analysis.scoring.cost.slowdown`.

    Examples
    --------
    >>> cost_in_words([Computation("k", "gpt2 on pereira2018", print, print, seconds=40.0)])
    'Not computed yet: gpt2 on pereira2018. About 40 s; nothing to download.'
    >>> two = [Computation(key, key, print, print, seconds=40.0, once={"ceiling": 10.0}) for key in ("a", "b")]
    >>> cost_in_words(two)
    'Not computed yet: a, b. About 70 s; nothing to download.'
    """
    if not wanted:
        return ""
    names = ", ".join(one.title for one in wanted[:3]) + (
        f" and {len(wanted) - 3} more" if len(wanted) > 3 else ""
    )
    known = [one.seconds for one in wanted if one.seconds is not None]
    seconds = (
        f"About {spent(sum(known) - _twice(wanted), busy)}"
        + (" or more" if len(known) < len(wanted) else "")
        if known
        else "Time not known yet"
    )
    parts = parted(wanted[0].made_of) if len(wanted) == 1 else ""
    parts = f" Made of: {parts}." if ", " in parts else ""
    memory = max(one.memory for one in wanted)
    told = f"Not computed yet: {names}. {seconds}; {_fetch(wanted)}"
    return told + (f"; {max(memory, 5e7) / 1e9:.1f} GB of memory." if memory else ".") + parts


def _twice(wanted: list[Computation]) -> float:
    """Seconds that several prices count and that are spent once."""
    every = [(what, seconds) for one in wanted for what, seconds in one.once.items()]
    return sum(seconds for _, seconds in every) - sum(dict(every).values())


def _fetch(wanted: list[Computation]) -> str:
    """What has to be fetched; a size that nobody knows is no zero."""
    sizes = {name: size for one in wanted for name, size in one.downloads.items()}.values()
    known, unknown = sum(size or 0 for size in sizes), None in sizes
    if not known:
        return "a download of unknown size" if unknown else "nothing to download"
    size = f"{known / 1e6:,.0f} MB to download"
    return f"{size}, and more of unknown size" if unknown else size
