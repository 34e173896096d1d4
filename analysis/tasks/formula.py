"""The language in which a SyntaxGym suite says what must be surprising: parsed once, true or false of an item."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from data.errors import BrainLensError

__all__ = ["Formula", "chance", "parse"]

Regions = Mapping[tuple[str, int], float]
"""(condition, region) -> surprisal in bits."""

_TOKEN = re.compile(
    r"\s*(?:\(\s*(?P<region>\d+|\*)\s*;\s*%(?P<condition>[^%]+)%\s*\)|(?P<number>\d+(?:\.\d+)?)|(?P<mark>[-+<>=&|()\[\]]))"
)
_COMPARED: dict[str, Callable] = {
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
    "=": lambda a, b: a == b,
}


@dataclass(frozen=True)
class Formula:
    """What one prediction of a suite says.

    Parameters
    ----------
    text : str
    regions : tuple of (condition, region)
        Those that are read; region 0 stands for all of a condition.
    holds : callable
        ``holds(surprisals)``: True, False, or None where a surprisal that is read is not known.
    equality : bool
        Two surprisals have to be equal, which numbers of a model never are: such a prediction is shown and not counted.
    """

    text: str
    regions: tuple[tuple[str, int], ...]
    holds: Callable[[Regions], bool | None]
    equality: bool


def parse(text: str) -> Formula:
    """Read a formula.

    ``&`` and ``|`` bind least, then ``<``, ``>`` and ``=``, then ``+`` and ``-``; round and square brackets group;
    ``(6;%cond%)`` is the summed surprisal of region 6 of the condition, ``(*;%cond%)`` of all its regions.

    Raises
    ------
    BrainLensError
        Where it is not a formula.

    Examples
    --------
    >>> rule = parse("((6;%a%) + 1) < (6;%b%)")
    >>> rule.holds({("a", 6): 2.0, ("b", 6): 4.0})
    True
    """
    reader = _Reader(text)
    tree = reader.either()
    if reader.at < len(reader.tokens):
        raise reader.error("is not the end")
    regions = tuple(dict.fromkeys(reader.regions))

    def holds(surprisals: Regions) -> bool | None:
        values = {one: _of(surprisals, *one) for one in regions}
        if not all(np.isfinite(value) for value in values.values()):
            return None
        return bool(tree(values))

    return Formula(text, regions, holds, "=" in text)


def chance(formula: Formula, draws: int = 20_000) -> float:
    """How often it holds of surprisals that say nothing: independent, and alike in all conditions."""
    rng = np.random.default_rng(0)
    drawn = rng.standard_normal((draws, len(formula.regions)))
    return float(
        np.mean(
            [bool(formula.holds(dict(zip(formula.regions, row, strict=True)))) for row in drawn]
        )
    )


def _of(surprisals: Regions, condition: str, region: int) -> float:
    if (condition, region) in surprisals:
        return surprisals[condition, region]
    if region == 0:
        return sum(value for (name, _), value in surprisals.items() if name == condition)
    return float("nan")


class _Reader:
    """Recursive descent over the tokens of one formula; gives functions of a mapping region -> surprisal."""

    def __init__(self, text: str):
        self.text, self.tokens, self.regions, self.at = text, [], [], 0
        place = 0
        while place < len(text.rstrip()):
            match = _TOKEN.match(text, place)
            if match is None:
                raise BrainLensError(
                    f"{text!r} is no formula: {text[place : place + 12]!r} is not understood",
                    remedy="Write it as (6;%plaus%) < (6;%implaus%)",
                )
            self.tokens.append(match)
            place = match.end()

    def error(self, why: str) -> BrainLensError:
        here = self.tokens[self.at][0].strip() if self.at < len(self.tokens) else "the end"
        return BrainLensError(
            f"{self.text!r} is no formula: {here!r} {why}",
            remedy="Write it as (6;%plaus%) < (6;%implaus%)",
        )

    def _next(self, marks: str) -> str:
        mark = self.tokens[self.at]["mark"] if self.at < len(self.tokens) else None
        if mark and mark in marks:
            self.at += 1
            return mark
        return ""

    def either(self) -> Callable:
        tree = self.both()
        while self._next("|"):
            left, right = tree, self.both()
            tree = lambda v, left=left, right=right: left(v) or right(v)  # noqa: E731
        return tree

    def both(self) -> Callable:
        tree = self.compared()
        while self._next("&"):
            left, right = tree, self.compared()
            tree = lambda v, left=left, right=right: left(v) and right(v)  # noqa: E731
        return tree

    def compared(self) -> Callable:
        tree = self.summed()
        while mark := self._next("<>="):
            left, right, how = tree, self.summed(), _COMPARED[mark]
            tree = lambda v, left=left, right=right, how=how: how(left(v), right(v))  # noqa: E731
        return tree

    def summed(self) -> Callable:
        tree = self.single()
        while mark := self._next("+-"):
            left, right, sign = tree, self.single(), 1 if mark == "+" else -1
            tree = lambda v, left=left, right=right, sign=sign: left(v) + sign * right(v)  # noqa: E731
        return tree

    def single(self) -> Callable:
        if opened := self._next("(["):
            tree = self.either()
            if not self._next(")" if opened == "(" else "]"):
                raise self.error("stands where a bracket closes")
            return tree
        if self.at >= len(self.tokens):
            raise self.error("stands where a region is expected")
        token = self.tokens[self.at]
        if token["number"]:
            self.at += 1
            return lambda v, number=float(token["number"]): number
        if token["condition"]:
            self.at += 1
            one = (token["condition"], 0 if token["region"] == "*" else int(token["region"]))
            self.regions.append(one)
            return lambda v, one=one: v[one]
        raise self.error("stands where a region is expected")
