"""The language of mixed-model formulas, as in lme4: ``log(rt) ~ a * b + (1 + a | person) + (1 | item)``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from data.errors import BrainLensError

__all__ = [
    "COMPARISONS",
    "Call",
    "Formula",
    "Name",
    "Named",
    "Number",
    "RandomTerm",
    "Text",
    "parse",
]

COMPARISONS = ("==", "!=", "<=", ">=", "<", ">")
_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+)|(?P<name>[A-Za-z_.][\w.]*)|`(?P<quoted>(?:[^`\\]|\\.)+)`"
    r"|\"(?P<text>(?:[^\"\\]|\\.)*)\"|'(?P<text_>(?:[^'\\]|\\.)*)'|(?P<sign>\|\||\*\*|%in%|==|!=|<=|>=|[~+\-*/:^(),|=<>]))"
)
_PLAIN = re.compile(r"[A-Za-z_.][\w.]*")


def _quoted(text: str, mark: str) -> str:
    """A text between marks, as R reads it: a mark inside ends nothing, for what follows would be code."""
    return f"{mark}{text.replace(chr(92), chr(92) * 2).replace(mark, chr(92) + mark)}{mark}"


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


# ---- expressions ----------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Name:
    """A column."""

    name: str

    def __str__(self):
        return self.name if _PLAIN.fullmatch(self.name) else _quoted(self.name, "`")

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the table that it reads."""
        return (self.name,)


@dataclass(frozen=True)
class Number:
    """A constant."""

    value: float

    def __str__(self):
        return f"{self.value:g}"

    columns = ()


@dataclass(frozen=True)
class Text:
    """A word between quotation marks, such as a level."""

    value: str

    def __str__(self):
        return _quoted(self.value, '"')

    columns = ()


@dataclass(frozen=True)
class Named:
    """An argument with its name, such as ``scale = FALSE``."""

    name: str
    value: object

    def __str__(self):
        return f"{self.name} = {self.value}"

    @property
    def columns(self) -> tuple[str, ...]:
        """An option reads no column."""
        return ()


@dataclass(frozen=True)
class Call:
    """A function or an arithmetic sign with its arguments."""

    function: str
    arguments: tuple

    def __str__(self):
        inner = [str(one) for one in self.arguments]
        if self.function in ("/", "^"):
            return self.function.join(inner)
        if self.function in ("+", "-", "*", *COMPARISONS) and len(inner) == 2:
            return f"{inner[0]} {self.function} {inner[1]}"
        if self.function == "-":
            return f"-{inner[0]}"
        if self.function == "(":
            return f"({inner[0]})"
        return f"{self.function}({', '.join(inner)})"

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the table that it reads; the options of :data:`OPTIONS` read none."""
        own = self.arguments[:1] if self.function in OPTIONS else self.arguments
        return tuple(name for one in own for name in one.columns)


OPTIONS = {
    "scale": ("center", "scale"), "log": ("base",), "poly": ("degree", "raw"), "ns": ("df",), "C": ("contr",),
    "relevel": ("ref",),
}  # fmt: skip
"""What functions take after their column."""


Term = tuple  # of expressions, in order; the empty tuple is the intercept


@dataclass(frozen=True)
class RandomTerm:
    """One bar of a formula.

    Parameters
    ----------
    terms : tuple of tuple
        What varies; the empty tuple is the intercept.
    group : tuple of str
        The columns whose combinations are the levels.
    correlated : bool
        ``|``; False: ``||``.
    """

    terms: tuple[Term, ...]
    group: tuple[str, ...]
    correlated: bool

    def __str__(self):
        alone = self.terms == ((),)  # nothing to correlate, and lme4 reads no (1 || g)
        group = ":".join(str(Name(one)) for one in self.group)
        return f"({_sum(self.terms)} {'|' if self.correlated or alone else '||'} {group})"

    @property
    def group_name(self) -> str:
        """The grouping factors, joined as in the formula."""
        return ":".join(self.group)


@dataclass(frozen=True)
class Formula:
    """A parsed formula.

    Parameters
    ----------
    response : Name or Call
    terms : tuple of tuple
        Fixed effects; the empty tuple is the intercept.
    random : tuple of RandomTerm
    """

    response: Name | Call
    terms: tuple[Term, ...]
    random: tuple[RandomTerm, ...]

    def __str__(self):
        bars = "".join(f" + {bar}" for bar in self.random)
        return f"{self.response} ~ {_sum(self.terms)}{bars}"

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that is used, each once."""
        fixed = [name for term in self.terms for one in term for name in one.columns]
        bars = [
            name
            for bar in self.random
            for term in bar.terms
            for one in term
            for name in one.columns
        ]
        groups = [name for bar in self.random for name in bar.group]
        return tuple(dict.fromkeys([*self.response.columns, *fixed, *bars, *groups]))

    def without_correlations(self) -> Formula:
        """Every ``|`` as ``||``; an intercept alone has nothing to correlate."""
        bars = tuple(RandomTerm(bar.terms, bar.group, False) for bar in self.random)
        return Formula(self.response, self.terms, bars)

    def intercepts_only(self) -> Formula:
        """Every random term as ``(1 | group)``, each group once."""
        groups = dict.fromkeys(bar.group for bar in self.random)
        return Formula(self.response, self.terms, tuple(RandomTerm(((),), g, True) for g in groups))

    def without(self, name: str) -> Formula:
        """Without the fixed effects that name a column; its random slopes stay, as a likelihood-ratio test wants it."""
        kept = tuple(
            term for term in self.terms if name not in {c for one in term for c in one.columns}
        )
        return Formula(self.response, kept, self.random)


def _sum(terms: Sequence[Term]) -> str:
    said = [":".join(map(str, term)) if term else "1" for term in terms]
    return " + ".join(said if () in terms else ["0", *said])


# ---- the parser -----------------------------------------------------------------------------------------------------------
def parse(text: str | Formula) -> Formula:
    """Read a formula.

    Parameters
    ----------
    text : str
        ``response ~ terms``; ``+ - * : / ^ %in%`` and brackets as in R, ``(x | g)``, ``(x || g)``, ``(1 | a:b)``, ``(1 | a/b)``;
        names with other signs in backticks.

    Raises
    ------
    BrainLensError
        Where it cannot be read, with the place.

    Examples
    --------
    >>> str(parse("log(rt) ~ a * b + (a || person)"))
    'log(rt) ~ 1 + a + b + a:b + (1 + a || person)'
    """
    return text if isinstance(text, Formula) else _Parser(str(text)).formula()


@dataclass
class _Side:
    """A sum of terms while it is read: what is in, whether the intercept was taken out, and bars."""

    terms: dict
    bars: list
    no_intercept: bool = False


class _Parser:
    def __init__(self, text: str):
        self.text, self.tokens, place = text, [], 0
        while place < len(text.rstrip()):
            match = _TOKEN.match(text, place)
            if match is None:
                raise self.error(
                    f"the sign {text[place:].strip()[0]!r}; what needs more is made in the table first"
                )
            kind = match.lastgroup
            assert kind is not None  # every kind of token is a named group
            name = {"quoted": "name", "text_": "text"}.get(kind, kind)
            quoted = kind in ("quoted", "text", "text_")
            value = _unquoted(match[kind]) if quoted else match[kind]
            self.tokens.append((name, value))
            place = match.end()
        self.tokens.append(("end", ""))
        self.at = 0
        self.seen: list = []  # what terms are made of, in the order in which it stands

    def error(self, what: str) -> BrainLensError:
        return BrainLensError(
            f"The formula {self.text!r} cannot be read: {what}",
            remedy="Write it as 'log(rt) ~ surprisal + length + (1 + surprisal | person) + (1 | item)'",
        )

    def peek(self, *signs: str) -> bool:
        kind, value = self.tokens[self.at]
        return kind == "sign" and value in signs

    def take(self, *signs: str) -> str:
        if signs and not self.peek(*signs):
            found = self.tokens[self.at][1] or "its end"
            raise self.error(f"{' or '.join(signs)} is expected where {found!r} stands")
        self.at += 1
        return self.tokens[self.at - 1][1]

    # ---- formula: terms
    def formula(self) -> Formula:
        response = self.arithmetic()
        self.take("~")
        side = self.sum()
        if self.tokens[self.at][0] != "end":
            raise self.error(f"nothing can follow {self.tokens[self.at][1]!r}")
        return Formula(response, _ordered(side, self.seen), tuple(side.bars))

    def sum(self) -> _Side:
        side = _Side({}, [])
        sign = self.take("-") if self.peek("-") else "+"
        while True:
            found = self.product()
            side.bars += found.bars
            if sign == "-":
                for term in found.terms:
                    side.terms.pop(term, None)
                if () in found.terms:
                    side.no_intercept = True
                elif found.no_intercept:
                    side.no_intercept = False
            else:
                side.terms |= found.terms
                side.no_intercept |= found.no_intercept
            if not self.peek("+", "-"):
                return side
            sign = self.take()

    def product(self) -> _Side:
        left = self.interaction()
        while self.peek("*", "/"):
            sign, right = self.take(), self.interaction()
            self.plain(left, right, sign)
            if sign == "*":
                left = _Side({**left.terms, **right.terms, **_crossed(left.terms, right.terms)}, [])
            else:
                every = _joined(*left.terms)
                left = _Side({**left.terms, **_crossed({every: None}, right.terms)}, [])
        return left

    def interaction(self) -> _Side:
        left = self.power()
        while self.peek(":", "%in%"):
            sign, right = self.take(), self.power()
            self.plain(left, right, sign)
            left = _Side(_crossed(left.terms, right.terms), [])
        return left

    def power(self) -> _Side:
        left = self.atom()
        if self.peek("^", "**"):
            self.take()
            kind, value = self.tokens[self.at]
            if kind != "number" or not value.isdigit():
                raise self.error("a power of terms is a whole number")
            self.at += 1
            terms = [term for term in left.terms if term]
            left = _Side(
                {
                    _joined(*some): None
                    for n in range(1, int(value) + 1)
                    for some in combinations(terms, n)
                },
                [],
            )
        return left

    def plain(self, left: _Side, right: _Side, sign: str) -> None:
        if left.bars or right.bars:
            raise self.error(f"random terms are added, never joined by {sign!r}")

    def atom(self) -> _Side:
        kind, value = self.tokens[self.at]
        if kind == "number":
            self.at += 1
            if value not in ("0", "1"):
                raise self.error(f"the number {value} is no term (write I(...) for arithmetic)")
            return _Side({(): None}, []) if value == "1" else _Side({}, [], no_intercept=True)
        if self.peek("("):
            return self.bracket()
        if kind == "name":
            if value == ".":
                raise self.error("the point for 'all other columns'; name each column")
            self.seen.append(self.primary())
            return _Side({(self.seen[-1],): None}, [])
        raise self.error(f"a term is expected where {value or 'its end'!r} stands")

    def bracket(self) -> _Side:
        self.take("(")
        before = len(self.seen)
        inner = self.sum()
        if not self.peek("|", "||"):
            self.take(")")
            return inner
        if inner.bars:
            raise self.error("a random term stands inside another")
        correlated, own = self.take() == "|", self.seen[before:]
        start, groups = self.at, self.sum()
        signs = [value for kind, value in self.tokens[start : self.at] if kind == "sign"]
        if other := next((sign for sign in signs if sign in ("+", "-", "*", "^", "**")), ""):
            raise self.error(
                f"behind the bar stand columns, joined by : or /, not by {other!r}; several groups are several "
                "terms: (1 | a) + (1 | b) + (1 | a:b)"
            )
        self.take(")")
        del self.seen[before:]  # a random term orders itself alone
        terms, bars = _ordered(inner, own), []
        if not terms:
            raise self.error("a random term varies nothing")
        for group in groups.terms:
            if not group or not all(isinstance(one, Name) for one in group):
                raise self.error("behind the bar stand columns, joined by : or /")
            bars.append(RandomTerm(terms, tuple(one.name for one in group), correlated))
        if not bars:
            raise self.error("behind the bar stand columns, joined by : or /")
        return _Side({}, bars)

    # ---- arithmetic inside functions
    def comparison(self):
        left = self.arithmetic()
        if self.peek(*COMPARISONS):
            return Call(self.take(), (left, self.arithmetic()))
        return left

    def arithmetic(self):
        left = self.factor()
        while self.peek("+", "-"):
            left = Call(self.take(), (left, self.factor()))
        return left

    def factor(self):
        left = self.unary()
        while self.peek("*", "/"):
            left = Call(self.take(), (left, self.unary()))
        return left

    def unary(self):
        if self.peek("-"):
            self.take()
            return Call("-", (self.unary(),))
        base = self.primary()
        if self.peek("^", "**"):
            self.take()
            return Call("^", (base, self.unary()))
        return base

    def primary(self):
        kind, value = self.tokens[self.at]
        if self.peek("("):
            self.take()
            inner = self.comparison()
            self.take(")")
            return Call("(", (inner,))
        if kind == "text":
            self.at += 1
            return Text(value)
        if kind not in ("name", "number"):
            raise self.error(f"a column is expected where {value or 'its end'!r} stands")
        self.at += 1
        if kind == "number":
            return Number(float(value))
        if not self.peek("("):
            return Name(value)
        self.take("(")
        arguments = []
        while not self.peek(")"):
            kind, name = self.tokens[self.at]
            named = kind == "name" and self.tokens[self.at + 1] == ("sign", "=")
            self.at += 2 * named
            given = self.comparison()
            arguments.append(Named(name, given) if named else given)
            if not self.peek(")"):
                self.take(",")
        self.take(")")
        return Call(value, tuple(arguments))


def _joined(*terms: Term) -> Term:
    return tuple(dict.fromkeys(one for term in terms for one in term))


def _crossed(left: dict, right: dict) -> dict:
    return {_joined(a, b): None for a in left for b in right}


def _ordered(side: _Side, seen: list) -> tuple[Term, ...]:
    """Intercept first, then by order of interaction, each term once; inside a term in the order of the formula."""
    place: dict = {}
    for one in seen:
        place.setdefault(one, len(place))
    unique: dict[frozenset, Term] = {}
    for term in side.terms:
        if term:
            unique.setdefault(frozenset(term), tuple(sorted(term, key=place.__getitem__)))
    terms = sorted(unique.values(), key=len)
    return tuple(terms) if side.no_intercept else ((), *terms)
