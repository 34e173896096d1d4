"""From a table and a formula to numbers: the response, the fixed effects and what varies by person and item."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from analysis.reading.formula import Call, Formula, Name, Number, RandomTerm, Term, parse
from data.errors import BrainLensError, unknown

__all__ = ["Block", "Design", "design", "natural_spline"]

_ELEMENTWISE = {
    "log": np.log, "log2": np.log2, "log10": np.log10, "log1p": np.log1p,
    "exp": np.exp, "sqrt": np.sqrt, "abs": np.abs, "I": lambda x: x, "(": lambda x: x,
}  # fmt: skip
_SIGNS = {"+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "^": np.power}
FUNCTIONS = (
    *(name for name in _ELEMENTWISE if name != "("),
    "scale",
    "center",
    "factor",
    "as.factor",
    "poly",
    "ns",
)
_MOST_ARGUMENTS = {"log": 2, "poly": 2, "ns": 2}


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
    x : ndarray, shape (n, p)
    names : tuple of str
        Of the p fixed effects.
    blocks : tuple of Block
    rows : ndarray of int, shape (n,)
        Positions in the table; rows with a missing value are left out.
    n_dropped : int
    """

    formula: Formula
    y: np.ndarray = field(repr=False)
    x: np.ndarray = field(repr=False)
    names: tuple[str, ...]
    blocks: tuple[Block, ...]
    rows: np.ndarray = field(repr=False)
    n_dropped: int = 0


def design(
    table: pd.DataFrame, formula: str | Formula, *, train: np.ndarray | None = None
) -> Design:
    """The numbers of a formula on a table.

    Parameters
    ----------
    table : pandas.DataFrame
        One row per trial.
    formula : str
        See :func:`analysis.reading.formula.parse`. Functions: log, log2, log10, log1p, exp, sqrt, abs, I, scale, center, factor,
        poly(x, degree), ns(x, df). Columns of words and truth values are factors with treatment contrasts, the first
        level (of a categorical column: its own order, else sorted without regard to capitals) as the reference, as in R.
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
    if isinstance(response, _Factor) or response.shape[1] != 1:
        raise BrainLensError(f"The response {formula.response} is not one column of numbers",
                             remedy="Name a numeric column, such as log(rt)")  # fmt: skip
    fixed, names = read.terms(formula.terms)
    bars = [(bar, *read.terms(bar.terms)) for bar in formula.random]
    present = np.isfinite(response[:, 0]) & np.isfinite(fixed).all(axis=1)
    for bar, columns, _ in bars:
        present &= np.isfinite(columns).all(axis=1)
        present &= table[list(bar.group)].notna().all(axis=1).to_numpy()
    rows = np.flatnonzero(present)
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
        response[rows, 0],
        fixed[rows],
        tuple(names),
        tuple(blocks),
        rows,
        len(table) - len(rows),
    )


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
@dataclass(frozen=True)
class _Factor:
    """A column of labels: ``codes`` with -1 where it is missing."""

    codes: np.ndarray
    levels: tuple[str, ...]


class _Reader:
    """Evaluates expressions on a table, and codes terms as R does."""

    def __init__(self, table: pd.DataFrame, train: np.ndarray):
        self.table, self.train, self.known = table, train, {}

    def __call__(self, expression) -> np.ndarray | _Factor:
        if expression not in self.known:
            self.known[expression] = self._evaluate(expression)
        return self.known[expression]

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
        if not isinstance(value, _Factor):
            count = value.shape[1]
            return value, [name] if count == 1 else [f"{name}{i + 1}" for i in range(count)]
        shown = value.levels if full else value.levels[1:]
        if not shown:
            raise BrainLensError(f"The column {name} has one level only: {value.levels}",
                                 remedy="Leave it out of the formula")  # fmt: skip
        start = 0 if full else 1
        coded = (value.codes[:, None] == np.arange(start, len(value.levels))).astype(float)
        coded[value.codes < 0] = np.nan
        return coded, [f"{name}{level}" for level in shown]

    def _evaluate(self, expression):
        if isinstance(expression, Number):
            return np.full((len(self.table), 1), expression.value)
        if isinstance(expression, Name):
            return self._column(expression.name)
        assert isinstance(expression, Call)
        name, arguments = expression.function, expression.arguments
        most = _MOST_ARGUMENTS.get(name, 2 if name in _SIGNS else 1)
        if name in (*FUNCTIONS, "(", *_SIGNS) and not 1 <= len(arguments) <= most:
            raise BrainLensError(
                f"{expression}: {name}() takes {'one column' if most == 1 else 'a column and one number'}, not "
                f"{len(arguments)} arguments",
                remedy="Make the column in the table first, where you need more",
            )
        if name in ("factor", "as.factor"):
            if not isinstance(arguments[0], Name):
                raise BrainLensError(
                    f"{expression}: a factor is made of a column", remedy="Write factor(column)"
                )
            return _as_factor(self.table[arguments[0].name])
        if name in _SIGNS and len(arguments) == 2:
            return _SIGNS[name](*(self._numbers(one, expression) for one in arguments))
        if name == "-":
            return -self._numbers(arguments[0], expression)
        if name not in FUNCTIONS and name != "(":
            raise unknown("function of a formula", name, FUNCTIONS)
        values = self._numbers(arguments[0], expression)
        if name == "log" and len(arguments) == 2:
            base = _constant(arguments[1], expression)
            return self._elementwise(name, values, expression) / np.log(base)
        if name in _ELEMENTWISE:
            return self._elementwise(name, values, expression)
        return self._learned(name, values, arguments[1:], expression)

    def _numbers(self, expression, inside) -> np.ndarray:
        value = self(expression)
        if isinstance(value, _Factor):
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
            return (values - own.mean(axis=0)) / own.std(axis=0, ddof=1)
        if len(options) != 1 or not isinstance(options[0], Number) or options[0].value < 1:
            raise BrainLensError(f"{expression}: give the {'degree' if name == 'poly' else 'df'} as a number",
                                 remedy=f"Write it as {name}(x, 3)")  # fmt: skip
        count = int(options[0].value)
        return (_polynomial if name == "poly" else natural_spline)(values[:, 0], own[:, 0], count)

    def _column(self, name: str):
        column = self.table[name]
        if (
            isinstance(column.dtype, pd.CategoricalDtype)
            or column.dtype == bool
            or column.dtype.kind in "OUST"
        ):
            return _as_factor(column)
        return column.to_numpy(float, na_value=np.nan)[:, None]


def _constant(expression, inside) -> float:
    if not isinstance(expression, Number) or not 0 < expression.value != 1:
        raise BrainLensError(
            f"{inside}: the base is {expression}", remedy="Write it as a number, such as log(x, 2)"
        )
    return expression.value


def _collated(level) -> tuple:
    """The order of levels as R has it in every language but C: ``b``, ``B``, ``c``; signs before digits before letters."""
    if not isinstance(level, str):
        return (level,)
    base = "".join(c for c in unicodedata.normalize("NFD", level) if not unicodedata.combining(c))
    ranks = [
        (1 + c.isdigit() if c.isalnum() and not c.isalpha() else 3 * c.isalpha(), c.casefold())
        for c in base
    ]
    return (ranks, level.casefold(), level.swapcase())


def _as_factor(column: pd.Series) -> _Factor:
    if isinstance(column.dtype, pd.CategoricalDtype):
        used = column.cat.remove_unused_categories()
        return _Factor(used.cat.codes.to_numpy(), tuple(map(str, used.cat.categories)))
    present = column.notna().to_numpy()
    levels = sorted(pd.unique(column[present]), key=_collated)
    codes = np.full(len(column), -1)
    codes[present] = pd.Index(levels).get_indexer(column[present])
    return _Factor(codes, tuple(map(str, levels)))


def _polynomial(values: np.ndarray, own: np.ndarray, degree: int) -> np.ndarray:
    """Orthonormal polynomials over the training values."""
    centre, spread = own.mean(), own.std()
    _, triangle = np.linalg.qr(np.vander((own - centre) / spread, degree + 1, increasing=True))
    triangle = triangle * np.sign(np.diag(triangle))[:, None]
    made = np.vander((values - centre) / spread, degree + 1, increasing=True)
    return np.linalg.solve(triangle.T, made.T).T[:, 1:]


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
