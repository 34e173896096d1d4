"""What a lens shows, and what it would still have to compute."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pandas as pd

from analysis.progress import Report
from dashboards.figures.spec import FigureSpec
from dashboards.work.jobs import duration

__all__ = ["Picture", "Task", "View", "cost_in_words"]


@dataclass(frozen=True)
class Task:
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


@dataclass(frozen=True)
class Picture:
    """A figure with the numbers behind it.

    Parameters
    ----------
    label : str
        Heading, where a lens shows several.
    spec : FigureSpec
        Carries the answer in words and the caption.
    table : pandas.DataFrame
    scores : tuple of Score
        What it was drawn from, for methods paragraph, references and code.
    published : tuple of str
        Published tables in it.
    python : str
        Code that makes it again, where there are no scores.
    methods, bibtex : str
        Methods paragraph and references, where they are not those of the scores.
    """

    label: str
    spec: FigureSpec
    table: pd.DataFrame
    scores: tuple = ()
    published: tuple[str, ...] = ()
    python: str = ""
    methods: str = ""
    bibtex: str = ""


@dataclass(frozen=True)
class View:
    """What a lens shows.

    Parameters
    ----------
    pictures : tuple of Picture
        None: the empty state is shown.
    stamps : tuple of str
        Labels that no export loses.
    empty : str
        Why there is nothing, and what to do.
    action : (str, callable), optional
        A button for the empty state.
    notes : tuple of (term, meaning)
        What the columns mean and which function computes them.
    """

    pictures: tuple[Picture, ...] = ()
    stamps: tuple[str, ...] = ()
    empty: str = ""
    action: tuple[str, Callable] | None = None
    notes: tuple[tuple[str, str], ...] = ()

    def coloured(self, colours: dict[str, str]) -> View:
        """The same with the colours that the user chose."""
        return replace(
            self,
            pictures=tuple(
                replace(p, spec=replace(p.spec, colours=colours)) for p in self.pictures
            ),
        )

    @property
    def there(self) -> bool:
        """Whether there is something to see."""
        return any(not picture.spec.empty for picture in self.pictures)


def cost_in_words(tasks: list[Task]) -> str:
    """What a click on Run costs.

    Examples
    --------
    >>> cost_in_words([Task("k", "gpt2 on pereira2018", print, seconds=40.0)])
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
