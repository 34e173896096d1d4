"""A computation that a lens asks for, and what it costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from analysis.progress import Report
from dashboards.work.jobs import duration

__all__ = ["Computation", "cost_in_words"]


@dataclass(frozen=True)
class Computation:
    """A computation that the selection asks for and that is not there yet.

    Parameters
    ----------
    key : str
        Content key: the same in every window that asks for the same.
    title : str
        For progress and the activity list.
    work : callable
        ``work(report) -> result``; must not hold on to a session.
    seconds : float, optional
        Estimated; None where nothing is known.
    download : int
        Bytes to fetch first.
    memory : int
        Bytes it needs, about.
    free : bool
        Cheap enough to run without being asked.
    quiet : bool
        A look into the store: no progress, not in the activity list.
    """

    key: str
    title: str
    work: Callable[[Report], object]
    seconds: float | None = None
    download: int = 0
    memory: int = 0
    free: bool = False
    quiet: bool = False


def cost_in_words(tasks: list[Computation]) -> str:
    """What a click on Run costs.

    Examples
    --------
    >>> cost_in_words([Computation("k", "gpt2 on pereira2018", print, seconds=40.0)])
    'Not computed yet: gpt2 on pereira2018. About 40 s; nothing to download.'
    """
    if not tasks:
        return ""
    names = ", ".join(task.title for task in tasks[:3]) + (
        f" and {len(tasks) - 3} more" if len(tasks) > 3 else ""
    )
    known = [task.seconds for task in tasks if task.seconds is not None]
    seconds = (
        f"About {duration(sum(known))}" + (" or more" if len(known) < len(tasks) else "")
        if known
        else "Time not known yet"
    )
    size = sum(task.download for task in tasks)
    fetch = f"{size / 1e6:,.0f} MB to download" if size else "nothing to download"
    memory = max(task.memory for task in tasks)
    return f"Not computed yet: {names}. {seconds}; {fetch}" + (
        f"; {max(memory, 5e7) / 1e9:.1f} GB of memory." if memory else "."
    )
