"""Errors that tell a user what was wrong, what would have been right and what to do next."""

from __future__ import annotations

import errno
from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["BrainLensError", "Cancelled", "first_line", "memory_error", "unknown"]


_MEMORY = ("out of memory", "can't allocate memory", "cannot allocate memory", "not enough memory")


class BrainLensError(ValueError):
    """A mistake in the input, in words a user can act on.

    Parameters
    ----------
    problem : str
        What is wrong, with the offending value in it.
    choices : iterable of str, optional
        What would have been accepted.
    remedy : str, optional
        The next step, as an imperative sentence.
    """

    def __init__(self, problem: str, *, choices: Iterable[object] = (), remedy: str = ""):
        self.problem = problem
        self.choices = tuple(str(choice) for choice in choices)
        self.remedy = remedy
        super().__init__(self._text())

    def _text(self) -> str:
        parts = [self.problem if self.problem.endswith((".", "?", "!")) else self.problem + "."]
        if self.choices:
            shown = ", ".join(self.choices[:12])
            more = f" and {len(self.choices) - 12} more" if len(self.choices) > 12 else ""
            parts.append(f"Choices: {shown}{more}.")
        if self.remedy:
            parts.append(self.remedy if self.remedy.endswith(".") else self.remedy + ".")
        return " ".join(parts)


def memory_error(error: BaseException) -> BrainLensError | None:
    """The words for a computation that ran out of memory, on the machine or on a device; None for every other error.

    Examples
    --------
    >>> print(memory_error(MemoryError("Unable to allocate 93.1 GiB for an array")))
    Out of memory: Unable to allocate 93.1 GiB for an array. Take a smaller model, fewer layers, targets or stimuli; ...
    """
    seen: BaseException | None = error
    while seen is not None:
        words = str(seen).split("\n")[0].strip()
        if (
            isinstance(seen, MemoryError)
            or type(seen).__name__ == "OutOfMemoryError"
            or (isinstance(seen, OSError) and seen.errno == errno.ENOMEM)
            or (isinstance(seen, RuntimeError) and any(sign in words.lower() for sign in _MEMORY))
        ):
            return BrainLensError(
                "Out of memory" + (f": {words[:160].rstrip('.')}" if words else ""),
                remedy="Take a smaller model, fewer layers, targets or stimuli; what was finished is kept",
            )
        seen = seen.__cause__
    return None


def first_line(error: BaseException) -> str:
    r"""The first line of an error's words, or what kind it is where it has none.

    Examples
    --------
    >>> first_line(OSError("one\ntwo")), first_line(EOFError())
    ('one', 'EOFError')
    """
    return (str(error).strip() or type(error).__name__).splitlines()[0]


class Cancelled(Exception):
    """Raised at a checkpoint after the user asked a computation to stop."""


def unknown(
    kind: str, value: object, choices: Iterable[object], remedy: str = ""
) -> BrainLensError:
    """The error for a name that does not exist, with the closest one that does.

    Examples
    --------
    >>> raise unknown("model", "gtp2", ["gpt2", "bert-base-uncased"])
    Traceback (most recent call last):
    data.errors.BrainLensError: Unknown model 'gtp2'; did you mean 'gpt2'? Choices: gpt2, bert-base-uncased.
    """
    names = list(dict.fromkeys(str(choice) for choice in choices))
    close = get_close_matches(str(value), names, n=1, cutoff=0.5)
    hint = f"; did you mean {close[0]!r}?" if close else "."
    if close:  # the closest one first, so that a long list never hides it
        names = close + [name for name in names if name != close[0]]
    return BrainLensError(f"Unknown {kind} {value!r}{hint}", choices=names, remedy=remedy)
