"""What a lens shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import pandas as pd

from dashboards.figures.spec import FigureSpec

__all__ = ["Picture", "View", "led_by"]


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
    paper : callable, optional
        Gives both, where recordings have to be read for them; slow, so called when a zip is made.
    link : (words, query)
        The run behind it, as a link of the page.
    method : str
        How it is computed: a page and its heading, such as ``method#score``, of :mod:`dashboards.serve.written`.
    more : callable, optional
        Gives further files for the zip, path -> content; slow, so called when it is made.
    """

    label: str
    spec: FigureSpec
    table: pd.DataFrame
    scores: tuple = ()
    published: tuple[str, ...] = ()
    python: str = ""
    methods: str = ""
    bibtex: str = ""
    paper: Callable[[], tuple[str, str]] | None = None
    link: tuple[str, str] = ("", "")
    method: str = ""
    more: Callable[[], Mapping[str, bytes]] | None = None


def led_by(pictures: list[Picture], verdict: str) -> tuple[Picture, ...]:
    """The pictures, the first one's answer behind the verdict."""
    if not verdict or not pictures:
        return tuple(pictures)
    first, *rest = pictures
    spec = replace(first.spec, answer=f"{verdict} {first.spec.answer}".strip())
    return (replace(first, spec=spec), *rest)


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
    tiles : tuple of Tile
        One line per model above the figure.
    controls : mapping
        What the lens's controls have to say beside it: see :meth:`dashboards.lens.lens.Lens.reflect`.
    verdict : str
        Above the figures in place of the first one's answer, where they are panels of one question.
    """

    pictures: tuple[Picture, ...] = ()
    stamps: tuple[str, ...] = ()
    empty: str = ""
    action: tuple[str, Callable] | None = None
    notes: tuple[tuple[str, str], ...] = ()
    tiles: tuple = ()
    controls: Mapping[str, object] = field(default_factory=dict)
    verdict: str = ""

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
