"""From a table and a formula to numbers: the response, the fixed effects and what varies by person and item."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from analysis.reading.factors import (
    CONTRASTS,
    Factor,
    as_factor,
    contrast_names,
    contrasts,
    numbers_only,
    polynomial,
    truths,
    used_levels,
)
from analysis.reading.formula import (
    OPTIONS,
    Call,
    Formula,
    Name,
    Named,
    Number,
    RandomTerm,
    Term,
    Text,
    parse,
)
from data.errors import BrainLensError, unknown

__all__ = ["Block", "Design", "design", "natural_spline"]

_ELEMENTWISE = {
    "log": np.log, "log2": np.log2, "log10": np.log10, "log1p": np.log1p,
    "exp": np.exp, "sqrt": np.sqrt, "abs": np.abs, "round": np.round, "floor": np.floor,
    "ceiling": np.ceil, "sin": np.sin, "cos": np.cos, "I": lambda x: x, "(": lambda x: x,
}  # fmt: skip
_SIGNS = {"+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "^": np.power}
_SUMMARIES = {
    "mean": np.mean,
    "sd": lambda x: np.std(x, ddof=1),
    "median": np.median,
    "min": np.min,
    "max": np.max,
}
_NUMBERED = ("as.numeric", "as.integer")
FUNCTIONS = (
    *(name for name in _ELEMENTWISE if name != "("),
    "scale",
    "center",
    *_SUMMARIES,
    "factor",
    "as.factor",
    "ordered",
    *_NUMBERED,
    "offset",
    "poly",
    "ns",
    "relevel",
    "C",
)
_COMPARED = {"==": np.equal, "!=": np.not_equal, "<": np.less, "<=": np.less_equal, ">": np.greater,
             ">=": np.greater_equal}  # fmt: skip


@dataclass(frozen=True)
class Block:
    """What one bar of the formula adds: columns whose weights are drawn for every level of a group.

    Parameters
    ----------
    group : str
        Such as ``"person"`` or ``"a:b"``.
    levels : ndarray
        Labels of the levels.
    codes : ndarray of int, shape (n,)
        Level of each row.
    names : tuple of str
        Of the k columns.
    columns : ndarray, shape (n, k)
    """

    group: str
    levels: np.ndarray = field(repr=False)
    codes: np.ndarray = field(repr=False)
    names: tuple[str, ...]
    columns: np.ndarray = field(repr=False)


@dataclass(frozen=True)
class Design:
    """Numbers of a formula on a table.

    Parameters
    ----------
    formula : Formula
    y : ndarray, shape (n,)
        Less the offsets of the formula.
    x : ndarray, shape (n, p)
    names : tuple of str
        Of the p fixed effects.
    blocks : tuple of Block
    rows : ndarray of int, shape (n,)
        Positions in the table; rows with a missing value are left out.
    n_dropped : int
    unused : tuple of str
        Levels of factors that no row is left of.
    """

    formula: Formula
    y: np.ndarray = field(repr=False)
    x: np.ndarray = field(repr=False)
    names: tuple[str, ...]
    blocks: tuple[Block, ...]
    rows: np.ndarray = field(repr=False)
    n_dropped: int = 0
    unused: tuple[str, ...] = ()


def design(
    table: pd.DataFrame, formula: str | Formula, *, train: np.ndarray | None = None
) -> Design:
    """The numbers of a formula on a table.

    Parameters
    ----------
    table : pandas.DataFrame
        One row per trial.
    formula : str
        See :func:`analysis.reading.formula.parse`. Functions: log, log2, log10, log1p, exp, sqrt, abs, I, scale (with
        ``center = FALSE``, ``scale = FALSE``), center, factor, poly(x, degree) (with ``raw = TRUE``), ns(x, df),
        relevel(f, ref = "b"), C(f, contr.sum) (contr.helmert, contr.poly), ordered(f), as.numeric(f), round, floor, ceiling,
        sin, cos, mean, sd, median, min, max, comparisons such as ``I(x > 3)`` and ``I(f == "b")``; ``offset(x)`` is taken from
        the response. Truth values count as 0 and 1 inside functions, ordered columns have polynomial contrasts; other columns
        of words and truth values are factors with treatment contrasts, the first level (of a categorical column: its own order,
        else sorted without regard to capitals) as the reference, as in R. Levels that no row is left of are dropped.
    train : ndarray of bool, optional
        The rows that ``scale``, ``center``, ``poly`` and ``ns`` learn their numbers from; None: all. As in R these are taken over
        every present value of a column, before rows that lack another column are left out.

    Raises
    ------
    BrainLensError
        For unknown columns and functions, values a function cannot take, and too few complete rows.
    """
    formula = parse(formula)
    for name in formula.columns:
        if name not in table.columns:
            raise unknown("column of the table", name, table.columns)
    read = _Reader(table, np.ones(len(table), bool) if train is None else np.asarray(train, bool))
    response = read(formula.response)
    if isinstance(response, Factor) or response.shape[1] != 1:
        raise BrainLensError(f"The response {formula.response} is not one column of numbers",
                             remedy="Name a numeric column, such as log(rt)")  # fmt: skip
    terms, offsets = _apart(formula.terms)
    y = response[:, 0]
    for one in offsets:
        known = read(one)
        assert not isinstance(known, Factor)  # offset() refuses words
        y = y - known[:, 0]
    fixed, names = read.terms(terms)
    bars = [(bar, *read.terms(bar.terms)) for bar in formula.random]
    present = np.isfinite(y) & np.isfinite(fixed).all(axis=1)
    for bar, columns, _ in bars:
        present &= np.isfinite(columns).all(axis=1)
        present &= table[list(bar.group)].notna().all(axis=1).to_numpy()
    rows = np.flatnonzero(present)
    if unused := read.keep_levels(rows):
        fixed, names = read.terms(terms)
        bars = [(bar, *read.terms(bar.terms)) for bar in formula.random]
    if len(rows) <= len(names):
        raise BrainLensError(
            f"{len(rows)} complete rows are too few for {len(names)} fixed effects",
            remedy="Give more rows, or a shorter formula",
        )
    blocks = [
        made
        for bar, columns, own in bars
        for made in _blocks(table, rows, bar, columns[rows], own, read)
    ]
    return Design(
        formula,
        y[rows],
        fixed[rows],
        tuple(names),
        tuple(blocks),
        rows,
        len(table) - len(rows),
        unused,
    )


def _apart(terms: Sequence[Term]) -> tuple[tuple[Term, ...], list]:
    """The terms that have a weight, and the expressions inside ``offset()``, which have none."""
    offsets = [term[0] for term in terms if len(term) == 1 and _is_offset(term[0])]
    kept = tuple(term for term in terms if not (len(term) == 1 and _is_offset(term[0])))
    if inside := next((one for term in kept for one in term if _is_offset(one)), None):
        raise BrainLensError(
            f"{inside} is joined to another term, but an offset has no weight",
            remedy=f"Add it alone: + {inside}",
        )
    return kept, offsets


def _is_offset(expression) -> bool:
    return isinstance(expression, Call) and expression.function == "offset"


# ---- what varies -----------------------------------------------------------------------------------------------------------
def _blocks(
    table, rows, bar: RandomTerm, columns: np.ndarray, names: Sequence[str], read
) -> list[Block]:
    """One block, or without correlations one for each term; columns of one factor stay together, as in lme4."""
    codes, levels = _levels(table[list(bar.group)].iloc[rows])
    if bar.correlated:
        return [Block(bar.group_name, levels, codes, tuple(names), columns)]
    made = []
    for term in bar.terms:
        own, own_names = (
            read.terms((term,)) if term else (np.ones((len(table), 1)), ["(Intercept)"])
        )
        made.append(Block(bar.group_name, levels, codes, tuple(own_names), own[rows]))
    return made


def _levels(columns: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    labels = columns.iloc[:, 0].astype(str)
    for name in columns.columns[1:]:
        labels = labels + ":" + columns[name].astype(str)
    codes, levels = pd.factorize(labels.to_numpy(), sort=True)
    return codes, np.asarray(levels)


# ---- expressions -----------------------------------------------------------------------------------------------------------
class _Reader:
    """Evaluates expressions on a table, and codes terms as R does."""

    def __init__(self, table: pd.DataFrame, train: np.ndarray):
        self.table, self.train, self.known = table, train, {}

    def __call__(self, expression) -> np.ndarray | Factor:
        if expression not in self.known:
            self.known[expression] = self._evaluate(expression)
        return self.known[expression]

    def keep_levels(self, rows: np.ndarray) -> tuple[str, ...]:
        """Drop the levels of factors that no row has, as R does before it codes them; and name them."""
        dropped = []
        for expression, value in self.known.items():
            if isinstance(value, Factor):
                self.known[expression] = kept = used_levels(value, rows)
                dropped += [
                    f"{level} of {expression}" for level in value.levels if level not in kept.levels
                ]
        return tuple(dropped)

    def terms(self, terms: Sequence[Term]) -> tuple[np.ndarray, list[str]]:
        """Columns and names of a sum of terms."""
        every = {frozenset(term) for term in terms}
        columns, names = [np.empty((len(self.table), 0))], []
        for term in terms:
            own, own_names = np.ones((len(self.table), 1)), [""]
            for one in term:
                coded, labels = self._coded(one, full=frozenset(term) - {one} not in every)
                own = (own[:, :, None] * coded[:, None, :]).transpose(0, 2, 1).reshape(len(own), -1)
                own_names = [f"{a}:{b}" if a else b for b in labels for a in own_names]
            columns.append(own)
            names += own_names if term else ["(Intercept)"]
        return np.column_stack(columns), names

    def _coded(self, expression, *, full: bool) -> tuple[np.ndarray, list[str]]:
        value, name = self(expression), str(expression)
        if not isinstance(value, Factor):
            count = value.shape[1]
            return value, [name] if count == 1 else [f"{name}{i + 1}" for i in range(count)]
        shown = value.levels if full else contrast_names(value)
        if not shown:
            raise BrainLensError(f"The column {name} has one level only: {', '.join(value.levels) or 'none'}",
                                 remedy="Leave it out of the formula")  # fmt: skip
        matrix = np.eye(len(value.levels)) if full else contrasts(value)
        coded = np.vstack([matrix, np.full(matrix.shape[1], np.nan)])[value.codes]
        return coded, [f"{name}{level}" for level in shown]

    def _evaluate(self, expression):
        if isinstance(expression, Number):
            return np.full((len(self.table), 1), expression.value)
        if isinstance(expression, Name):
            return self._column(expression.name)
        assert isinstance(expression, Call)
        name, arguments = expression.function, expression.arguments
        if name not in (*FUNCTIONS, "(", *_SIGNS, *_COMPARED):
            raise BrainLensError(
                f"Unknown function of a formula {name!r}",
                choices=FUNCTIONS,
                remedy="For another one, make the column in the table first",
            )
        if name == "offset" and len(arguments) != 1:
            raise BrainLensError(
                f"{expression}: offset() takes one column", remedy="Write offset(x)"
            )
        if name in (*_SIGNS, *_COMPARED):
            return self._signed(name, arguments, expression)
        arguments, options = _bound(name, arguments, expression)
        if name in ("factor", "as.factor", "ordered", "relevel", "C"):
            return self._factor(name, arguments[0], options, expression)
        if name in ("I", "(", *_NUMBERED) and isinstance(value := self(arguments[0]), Factor):
            if name not in _NUMBERED:
                return value
            if not value.truth:
                return np.where(value.codes >= 0, value.codes + 1.0, np.nan)[:, None]
        values = self._numbers(arguments[0], expression)
        if "base" in options:
            return self._elementwise(name, values, expression) / np.log(
                _constant(options["base"], expression)
            )
        if name in _NUMBERED or name == "offset":
            return np.trunc(values) if name == "as.integer" else values
        if name in _SUMMARIES:
            own = values[self.train & np.isfinite(values[:, 0])]
            return np.full((len(self.table), 1), _SUMMARIES[name](own) if len(own) else np.nan)
        if name in _ELEMENTWISE:
            return self._elementwise(name, values, expression)
        return self._learned(name, values, options, expression)

    def _signed(self, name: str, arguments, expression):
        """Arithmetic, and comparisons with a number or a level."""
        if len(arguments) == 1:
            return -self._numbers(arguments[0], expression)
        if name in _SIGNS:
            return _SIGNS[name](*(self._numbers(one, expression) for one in arguments))
        left, right = arguments
        if isinstance(left, Text):
            left, right = right, left
        if not isinstance(right, Text):
            values = [self._numbers(one, expression) for one in (left, right)]
            known = np.asarray(np.isfinite(values).all(axis=0))[:, 0]
            return truths(_COMPARED[name](*values)[:, 0], known)
        value = self(left)
        if not isinstance(value, Factor) or name not in ("==", "!="):
            raise BrainLensError(f"{expression}: a word is compared with words by == or !=",
                                 remedy="Compare numbers with numbers")  # fmt: skip
        if right.value not in value.levels:
            raise unknown(f"level of {left}", right.value, value.levels)
        same = value.codes == value.levels.index(right.value)
        return truths(same == (name == "=="), value.codes >= 0)

    def _factor(self, name: str, argument, options: dict, expression) -> Factor:
        """A factor made of a column, or one with another reference or other contrasts."""
        if name in ("factor", "as.factor", "ordered"):
            if not isinstance(argument, Name):
                raise BrainLensError(
                    f"{expression}: a factor is made of a column", remedy="Write factor(column)"
                )
            made = as_factor(self.table[argument.name])
            return replace(made, contrast="poly") if name == "ordered" else made
        value = self(argument)
        if not isinstance(value, Factor):
            raise BrainLensError(
                f"{expression}: {argument} holds numbers, no levels",
                remedy=f"Write {name}(factor({argument}), ...)",
            )
        said = next(iter(options.values()), None)
        word = str(getattr(said, "value", said))
        if name == "relevel":
            if word not in value.levels:
                raise unknown(f"level of {argument}", word, value.levels)
            first = value.levels.index(word)
            order = [first, *(k for k in range(len(value.levels)) if k != first)]
            place = np.append(np.argsort(order), -1)
            return Factor(place[value.codes], tuple(value.levels[k] for k in order))
        word = word.removeprefix("contr.")
        if word not in CONTRASTS:
            raise unknown("contrast", word, [f"contr.{one}" for one in CONTRASTS])
        return Factor(value.codes, value.levels, word)

    def _numbers(self, expression, inside) -> np.ndarray:
        value = self(expression)
        if isinstance(value, Factor) and value.truth:
            return value.numbers
        if isinstance(value, Factor):
            raise BrainLensError(f"{inside} needs numbers, but {expression} holds words such as {value.levels[0]!r}",
                                 remedy="Name a numeric column")  # fmt: skip
        return value

    def _elementwise(self, name: str, values: np.ndarray, expression) -> np.ndarray:
        with np.errstate(all="ignore"):
            made = _ELEMENTWISE[name](values)
        wrong = int((np.isfinite(values) & ~np.isfinite(made)).sum())
        if wrong:
            raise BrainLensError(
                f"{wrong} values have no {expression} (the smallest is {np.nanmin(values):g})",
                remedy="Filter them out first, or use another scale",
            )
        return made

    def _learned(self, name: str, values: np.ndarray, options, expression) -> np.ndarray:
        """Functions that take numbers from the training rows."""
        own = values[self.train & np.isfinite(values).all(axis=1)]
        if len(own) < 2 or (name != "center" and np.ptp(own, axis=0).min() == 0):
            raise BrainLensError(
                f"{expression}: the column is constant or empty", remedy="Leave it out"
            )
        if name == "center":
            return values - own.mean(axis=0)
        if name == "scale":
            if _flag(options.get("center"), expression):
                values, own = values - own.mean(axis=0), own - own.mean(axis=0)
            if not _flag(options.get("scale"), expression):
                return values
            return values / np.sqrt(
                (own**2).sum(axis=0) / (len(own) - 1)
            )  # as R: around 0 where not centred
        given = options.get("degree" if name == "poly" else "df")
        if not isinstance(given, Number) or given.value < 1:
            raise BrainLensError(f"{expression}: give the {'degree' if name == 'poly' else 'df'} as a number",
                                 remedy=f"Write it as {name}(x, 3)")  # fmt: skip
        count = int(given.value)
        if _flag(options.get("raw"), expression, default=False):
            return values ** np.arange(1, count + 1)
        return (polynomial if name == "poly" else natural_spline)(values[:, 0], own[:, 0], count)

    def _column(self, name: str):
        column = self.table[name]
        if (
            isinstance(column.dtype, pd.CategoricalDtype)
            or column.dtype == bool
            or column.dtype.kind in "OUST"
        ):
            if column.dtype == object and numbers_only(column):
                return pd.to_numeric(column).to_numpy(float, na_value=np.nan)[:, None]
            return as_factor(column)
        values = column.to_numpy(float, na_value=np.nan)[:, None]
        if infinite := int(np.isinf(values).sum()):
            raise BrainLensError(
                f"{infinite:,} values of {name} are infinite",
                remedy="Leave these rows out, or mark them as missing",
            )
        return values


def _bound(name: str, arguments: tuple, expression) -> tuple[tuple, dict]:
    """The column of a call, and its options by name."""
    known = OPTIONS.get(name, ())
    plain = [one for one in arguments if not isinstance(one, Named)]
    if not plain or len(arguments) > 1 + len(known):
        takes = {0: "one column", 1: "a column and one number"}.get(
            len(known), f"a column, {', '.join(known)}"
        )
        raise BrainLensError(
            f"{expression}: {name}() takes {takes}, not {len(arguments)} arguments",
            remedy="Make the column in the table first, where you need more",
        )
    options = dict(zip(known, plain[1:]))
    for one in arguments:
        if isinstance(one, Named):
            if one.name not in known:
                raise unknown(f"option of {name}()", one.name, known)
            options[one.name] = one.value
    return (plain[0],), options


def _flag(value, expression, *, default: bool = True) -> bool:
    """TRUE or FALSE of an option."""
    if value is None:
        return default
    said = {"TRUE": True, "T": True, "True": True, "FALSE": False, "F": False, "False": False}
    if not isinstance(value, Name) or value.name not in said:
        raise BrainLensError(
            f"{expression}: {value} is neither TRUE nor FALSE", remedy="Write one of them"
        )
    return said[value.name]


def _constant(expression, inside) -> float:
    if not isinstance(expression, Number) or not 0 < expression.value != 1:
        raise BrainLensError(
            f"{inside}: the base is {expression}", remedy="Write it as a number, such as log(x, 2)"
        )
    return expression.value


def natural_spline(values: np.ndarray, own: np.ndarray, df: int) -> np.ndarray:
    r"""Natural cubic spline with knots at quantiles, linear beyond the ends; the same span as R's ``ns(x, df)``.

    Columns :math:`x` and :math:`d_k(x) - d_{K-1}(x)`, :math:`d_k(x) = \frac{(x-\xi_k)_+^3 - (x-\xi_K)_+^3}{\xi_K-\xi_k}`
    (Hastie, Tibshirani & Friedman 2009, eq. 5.4).
    """
    knots = np.unique(np.quantile(own, np.linspace(0, 1, df + 1)))
    centre, spread = own.mean(), own.std()
    z, knots = (values - centre) / spread, (knots - centre) / spread

    def piece(k: int) -> np.ndarray:
        cubes = np.maximum(z - knots[k], 0) ** 3 - np.maximum(z - knots[-1], 0) ** 3
        return cubes / (knots[-1] - knots[k])

    last = piece(len(knots) - 2)
    return np.column_stack([z, *(piece(k) - last for k in range(len(knots) - 2))])
