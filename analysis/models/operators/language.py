"""A small language of networks: gates made of operators, depth, width, direction, heads and position code, as one name.

``net-2x64-forward-none-x.h.add.tanh`` is two layers of 64 units, read forward, without a position code, whose state is
``tanh(W x + U h)``: a gate in reverse Polish notation, joined by dots. ``x`` and ``h`` are what comes from below and the
layer's own previous state, each through a matrix of its own wherever it stands; ``p`` is the previous state as it is.
``attention4`` in place of a gate is causal attention of four heads. ``net-3x64-forward-none-tied-x.h.add.tanh`` has one set of
matrices, which all three layers share.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np

from data.errors import BrainLensError, unknown

__all__ = ["ARITY", "Candidate", "features", "mutated", "sampled"]

ARITY = {
    "x": 0,
    "h": 0,
    "p": 0,
    "sigmoid": 1,
    "tanh": 1,
    "sin": 1,
    "norm": 1,
    "add": 2,
    "mul": 2,
    "div": 2,
}
"""Word of a gate -> how many values it takes: inputs, functions, and operators. ``div`` is a / (1 + |b|)."""
DEPTHS, WIDTHS = (1, 2, 3), (32, 64, 96)
DIRECTIONS = ("forward", "backward")
POSITIONS = ("none", "sine")
HEADS = (1, 2, 4)
LONGEST = 13  # words of a gate

_NAME = re.compile(r"net-(\d{1,2})x(\d{1,4})-([a-z]+)-([a-z]+)(-tied)?-([a-z0-9.]+)")


@dataclass(frozen=True)
class Candidate:
    """One network of the language.

    Parameters
    ----------
    depth, width : int
        Layers, and units of each.
    direction : str
        ``forward``; ``backward``: each stimulus from its last piece to its first, without what stands before it.
    position : str
        ``none`` or ``sine`` (added to the embedding).
    gate : tuple of str
        In reverse Polish notation; or one word, ``attentionN``.
    tied : bool
        All layers share one set of weights; of a single layer never.
    """

    depth: int
    width: int
    direction: str
    position: str
    gate: tuple[str, ...]
    tied: bool = False

    def __post_init__(self):
        object.__setattr__(self, "tied", self.tied and self.depth > 1)
        for what, value, choices in (
            ("direction", self.direction, DIRECTIONS),
            ("position code", self.position, POSITIONS),
        ):
            if value not in choices:
                raise unknown(what, value, choices)
        if not 1 <= self.depth <= 12 or not 4 <= self.width <= 1024:
            raise BrainLensError(
                f"A network of {self.depth} layers and {self.width} units cannot be made",
                remedy="Give 1 to 12 layers and 4 to 1024 units: net-2x64-forward-none-x.h.add.tanh",
            )
        if self.heads is not None:
            if self.width % self.heads:
                raise BrainLensError(
                    f"{self.width} units cannot be dealt to {self.heads} heads",
                    remedy="Give a width that is a multiple of the heads",
                )
            return
        depth = 0
        for word in self.gate:
            if word not in ARITY:
                raise unknown("operator", word, (*ARITY, "attention4"))
            depth += 1 - ARITY[word]
            if depth < 1:
                break
        if depth != 1:
            raise BrainLensError(
                f"The gate {'.'.join(self.gate)!r} does not leave exactly one value",
                remedy="Write it in reverse Polish notation, such as x.h.add.tanh for tanh(x + h)",
            )

    @classmethod
    def parse(cls, name: str) -> Candidate | None:
        """The network of a name; None where it is not one of the language.

        Raises
        ------
        BrainLensError
            For an operator that does not exist, a gate without one value, sizes that cannot be made.

        Examples
        --------
        >>> Candidate.parse("net-1x32-forward-none-x.h.mul.sin").formula
        'sin(x * h)'
        """
        match = _NAME.fullmatch(name)
        if match is None:
            return None
        depth, width, direction, position, tied, gate = match.groups()
        if tied and int(depth) < 2:
            raise BrainLensError(
                f"{name!r} ties the weights of a single layer", remedy="Leave -tied out, or give two layers or more"
            )  # fmt: skip
        return cls(int(depth), int(width), direction, position, tuple(gate.split(".")), bool(tied))

    @property
    def name(self) -> str:
        """As the catalogue loads it."""
        tied = "-tied" if self.tied else ""
        gate = ".".join(self.gate)
        return f"net-{self.depth}x{self.width}-{self.direction}-{self.position}{tied}-{gate}"

    @property
    def heads(self) -> int | None:
        """Of attention; None for a gate."""
        match = re.fullmatch(r"attention(\d{1,2})", self.gate[0]) if len(self.gate) == 1 else None
        return int(match[1]) if match and int(match[1]) else None

    @property
    def recurrent(self) -> bool:
        """Whether the state before enters."""
        return bool({"h", "p"} & set(self.gate))

    @property
    def family(self) -> str:
        """What sets it apart: attention, or the unusual operators of its gate and whether it is recurrent."""
        if self.heads is not None:
            return "attention"
        odd = [word for word in ("sin", "div", "norm") if word in self.gate]
        kind = "recurrent" if self.recurrent else "feed-forward"
        return f"{'-'.join(odd) or 'plain'} {kind}"

    @property
    def formula(self) -> str:
        """The gate as it is read."""
        if self.heads is not None:
            return f"attention of {self.heads} heads"
        stack: list[str] = []
        for word in self.gate:
            taken = [stack.pop() for _ in range(ARITY[word])][::-1]
            if not taken:
                stack.append(word)
            elif len(taken) == 1:
                stack.append(
                    f"{word}({taken[0].removeprefix('(').removesuffix(')') if taken[0].startswith('(') else taken[0]})"
                )
            else:
                sign = {"add": "+", "mul": "*", "div": "/"}[word]
                stack.append(f"({taken[0]} {sign} {taken[1]})")
        return stack[0]


def sampled(rng: np.random.Generator) -> Candidate:
    """A random network: one of five is attention, the others have gates that end in a function that is bounded."""
    depth, width = int(rng.choice(DEPTHS)), int(rng.choice(WIDTHS))
    position = str(rng.choice(POSITIONS))
    if rng.random() < 0.2:
        return Candidate(depth, width, "forward", position, (f"attention{rng.choice(HEADS)}",))
    direction = "forward" if rng.random() < 0.8 else "backward"
    return Candidate(depth, width, direction, position, _gate(rng))


def _gate(rng: np.random.Generator) -> tuple[str, ...]:
    """One gate in two joins an input and a state by one operator; the others are trees of up to three levels."""

    def tree(levels: int) -> list[str]:
        if levels == 0 or rng.random() < 0.2:
            return [str(rng.choice(("x", "h", "p"), p=(0.45, 0.45, 0.1)))]
        if rng.random() < 0.45:
            return [*tree(levels - 1), str(rng.choice(("sigmoid", "tanh", "sin", "norm")))]
        return [*tree(levels - 1), *tree(levels - 1), _joint(rng)]

    while True:
        inside = ["x", "h", _joint(rng)] if rng.random() < 0.5 else tree(3)
        last = str(rng.choice(("tanh", "sin", "sigmoid", "norm"), p=(0.4, 0.3, 0.15, 0.15)))
        words = [*inside, last]
        if "x" in words and len(words) <= LONGEST:
            return tuple(words)


def _joint(rng: np.random.Generator) -> str:
    return str(rng.choice(("add", "mul", "div"), p=(0.5, 0.3, 0.2)))


_CHANGES = ("depth", "width", "position", "direction", "last", "word", "grow", "shrink", "gate")


def mutated(one: Candidate, rng: np.random.Generator) -> Candidate:
    """A neighbour: another size, direction or position code; a word of the gate another, one more or less; another gate."""
    for _ in range(50):
        what = rng.choice(_CHANGES, p=(0.08, 0.06, 0.06, 0.06, 0.26, 0.18, 0.14, 0.08, 0.08))
        if what == "depth":
            made = replace(one, depth=int(rng.choice(DEPTHS)))
        elif what == "width":
            made = replace(one, width=int(rng.choice(WIDTHS)))
        elif what == "position":
            made = replace(one, position=str(rng.choice(POSITIONS)))
        elif what == "direction" and one.heads is None:
            made = replace(one, direction=str(rng.choice(DIRECTIONS)))
        elif what == "last" and one.heads is None:
            last = str(rng.choice(("tanh", "sin", "sigmoid", "norm")))
            made = replace(one, gate=(*one.gate[:-1], last))
        elif what == "word" and one.heads is None:
            at = int(rng.integers(len(one.gate)))
            alike = [word for word, n in ARITY.items() if n == ARITY[one.gate[at]]]
            made = replace(one, gate=(*one.gate[:at], str(rng.choice(alike)), *one.gate[at + 1 :]))
        elif what == "grow" and one.heads is None and len(one.gate) + 2 <= LONGEST:
            leaves = [n for n, word in enumerate(one.gate) if ARITY[word] == 0]
            at = int(rng.choice(leaves))
            more = (str(rng.choice(("x", "h", "p"), p=(0.3, 0.6, 0.1))), _joint(rng))
            made = replace(one, gate=(*one.gate[: at + 1], *more, *one.gate[at + 1 :]))
        elif what == "shrink" and one.heads is None:
            inside = [n for n, word in enumerate(one.gate[:-1]) if ARITY[word] == 1]
            if not inside:
                continue
            at = int(rng.choice(inside))
            made = replace(one, gate=(*one.gate[:at], *one.gate[at + 1 :]))
        elif what == "gate":
            made = sampled(rng)
            made = replace(
                one, gate=made.gate, direction="forward" if made.heads else one.direction
            )
        else:
            continue
        if made != one and ("x" in made.gate or made.heads):
            return made
    return sampled(rng)


def features(one: Candidate) -> np.ndarray:
    """What a surrogate knows of a network: sizes, direction, position, attention, how often each word stands in the gate."""
    counts = [one.gate.count(word) for word in ARITY]
    last = [float(one.gate[-1] == word) for word in ("tanh", "sin", "sigmoid", "norm")]
    return np.array([
        one.depth, np.log2(one.width), one.direction == "backward", one.position == "sine",
        float(one.heads or 0), one.heads is not None, one.recurrent, *counts, *last,
    ], float)  # fmt: skip
