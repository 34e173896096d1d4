"""What one kind of computation gave, by content key: looked up, priced, computed, or refused."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from functools import partial

from analysis.progress import Report
from analysis.scoring.cost import Cost
from dashboards.work.computation import FREE_SECONDS, Computation
from data.errors import BrainLensError

__all__ = ["Ledger", "Priced", "Ready", "Refused", "Wish", "failure", "look_key"]


@dataclass(frozen=True)
class Ready:
    """It is stored, or needs no computation."""

    value: object


@dataclass(frozen=True)
class Priced:
    """It can be computed, at this cost."""

    cost: Cost


@dataclass(frozen=True)
class Refused:
    """It cannot be had, and why; that is an answer, not an error."""

    reason: str


Finding = Ready | Priced | Refused


@dataclass(frozen=True)
class Wish:
    """One thing that is asked of a ledger.

    Parameters
    ----------
    key : str
        Content key.
    title : str
        For progress and the activity list.
    work : callable
        ``work(report)``: the value, or :class:`Refused`.
    look : callable, optional
        ``look(report)``: :class:`Ready`, :class:`Priced` or :class:`Refused`; quick. None: ``cost`` says what it costs.
    cost : Cost, optional
        Where there is no look; None: cheap, it runs by itself.
    quiet : bool
        The work, too, is a quick look: no progress is shown.
    grows : type, optional
        What look and work hand over while they are under way, and may be shown; None: only what is finished counts.
        Work that scores on its way is told the parts of that score too, and those are not its value.
    """

    key: str
    title: str
    work: Callable[[Report], object]
    look: Callable[[Report], Finding] | None = None
    cost: Cost | None = None
    quiet: bool = False
    grows: type | None = None


class Ledger:
    """Findings by key. Lives as long as a session; knows no screen."""

    def __init__(self):
        self._found: dict[str, Finding] = {}
        self._partial: dict[str, object] = {}
        self._failures: dict[str, str] = {}

    # ---- asking ----------------------------------------------------------------------------------------------------
    def computations(self, wishes: Iterable[Wish]) -> list[Computation]:
        """What is missing: first a look, then, where there is a price, the work itself."""
        found = []
        for wish in wishes:
            known = self._found.get(wish.key)
            if isinstance(known, Ready | Refused):
                continue
            if known is None and wish.look is not None:
                found.append(self._looking(wish))
            else:
                found.append(self._working(wish, known.cost if known else wish.cost))
        return found

    def _looking(self, wish: Wish) -> Computation:
        key = look_key(wish.key)
        return Computation(key, wish.title, wish.look, partial(self._take_finding, wish),
                           partial(self.fail, wish.key), free=True, quiet=True)  # fmt: skip

    def _working(self, wish: Wish, cost: Cost | None) -> Computation:
        take, failed = partial(self._take_value, wish), partial(self.fail, wish.key)
        if cost is None:
            return Computation(
                wish.key, wish.title, wish.work, take, failed, free=True, quiet=wish.quiet
            )
        cheap = cost.download == 0 and cost.seconds is not None and cost.seconds <= FREE_SECONDS
        return Computation(wish.key, wish.title, wish.work, take, failed, cost.seconds, cost.downloads, cost.memory,
                           cost.made_of, cost.once, free=cheap, quiet=wish.quiet)  # fmt: skip

    # ---- keeping ---------------------------------------------------------------------------------------------------
    def keep(self, key: str, finding: Finding) -> None:
        """Write down what is known of a key."""
        self._failures.pop(key, None)
        self._partial.pop(key, None)
        self._found[key] = finding

    def forget(self, keys: Iterable[str]) -> None:
        """Look again where it is asked the next time."""
        for key in list(keys):
            self._found.pop(key, None)
            self._failures.pop(key, None)

    def keep_part(self, key: str, value: object) -> None:
        """Write down a value that is not finished."""
        self._partial[key] = value

    def fail(self, key: str, error: BaseException) -> None:
        """Write down why a key has no value."""
        self._failures[key] = failure(error)

    def _take_finding(self, wish: Wish, finding: Finding, final: bool) -> None:
        if final:
            self.keep(wish.key, finding)
        else:  # a look that finds a score reads it layer by layer
            self._take_part(wish, finding)

    def _take_value(self, wish: Wish, value: object, final: bool) -> None:
        if final:
            self.keep(wish.key, value if isinstance(value, Refused) else Ready(value))
        else:
            self._take_part(wish, value)

    def _take_part(self, wish: Wish, value: object) -> None:
        """What is not of the kind that was wished for is a step on the way."""
        if wish.grows is not None and isinstance(value, wish.grows):
            self.keep_part(wish.key, value)

    # ---- reading ---------------------------------------------------------------------------------------------------
    def finding(self, key: str) -> Finding | None:
        """What is known of a key; None where nobody has looked."""
        return self._found.get(key)

    def value(self, key: str) -> object | None:
        """The value, whole or partial, or None."""
        found = self._found.get(key)
        return found.value if isinstance(found, Ready) else self._partial.get(key)

    def values(self, keys: Iterable[str]) -> list:
        """The values that are there, in the order of the keys."""
        return [value for key in keys if (value := self.value(key)) is not None]

    def looking(self, keys: Iterable[str]) -> bool:
        """Whether some key has been looked up by nobody yet."""
        return any(key not in self._found and key not in self._partial for key in keys)

    def lacking(self, key: str, held: Collection[str] = ()) -> str:
        """Why there is no finished value; empty where there is one.

        Parameters
        ----------
        key : str
        held : collection of str
            Keys of computations that failed or were cancelled.
        """
        found = self._found.get(key)
        if isinstance(found, Ready):
            return ""
        if isinstance(found, Refused):
            return found.reason
        if key in held or look_key(key) in held:
            return self._failures.get(key, "cancelled")
        return "still being computed" if key in self._partial else "not computed yet"


def look_key(key: str) -> str:
    """Key of the job that looks a key up."""
    return f"look:{key}"


def failure(error: BaseException) -> str:
    """Why something could not be computed, short enough for a caption."""
    return "failed: " + (
        error.problem if isinstance(error, BrainLensError) else f"{type(error).__name__}: {error}"
    ).rstrip(".")
