"""Does the model read like people? What surprisal adds to the log-likelihood of reading times, with spillover."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from analysis.reading.mixed import fit_crossed
from data.errors import BrainLensError, unknown

__all__ = [
    "LINKS",
    "MODELS",
    "MOST_FOLDS",
    "DeltaLL",
    "Mean",
    "add_spillover",
    "delta_log_likelihood",
    "mean_over_texts",
]

LINKS = ("identity", "log")
MODELS = ("linear", "mixed", "gam")
MOST_FOLDS = 20
"""More texts than this share the folds; a text is never divided."""
SPLINE_COLUMNS = 5


# ---- columns of earlier words ------------------------------------------------------------------------------------------
def add_spillover(
    table: pd.DataFrame,
    columns: Sequence[str] | str,
    by: str | Sequence[str] = "story",
    lags: int = 2,
    *,
    fill: str | None = None,
) -> pd.DataFrame:
    """Columns with the values of the words before.

    Parameters
    ----------
    table : pandas.DataFrame
        One row per word, in reading order inside each group.
    columns : str or sequence of str
        What spills over (surprisal, length, log frequency).
    by : str or sequence of str
        A value never crosses the border of these groups (story; or story and sentence).
    lags : int
        How many words back.
    fill : str, optional
        ``"mean"``: words without a predecessor get the column's mean over all words; None: NaN.

    Returns
    -------
    pandas.DataFrame
        A copy with ``<column>_prev_1`` .. ``<column>_prev_<lags>``.

    Raises
    ------
    BrainLensError
        For columns that are not there, or a fill that does not exist.
    """
    columns, keys = _names(columns), _names(by)
    _check_columns(table, [*columns, *keys])
    if fill not in (None, "mean"):
        raise unknown("fill", fill, ("mean", None))
    added, groups = {}, table.groupby(keys, sort=False)
    for column in columns:
        for lag in range(1, lags + 1):
            earlier = groups[column].shift(lag)
            added[f"{column}_prev_{lag}"] = (
                earlier.fillna(table[column].mean()) if fill == "mean" else earlier
            )
    return table.assign(**added)


# ---- delta log-likelihood ----------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class DeltaLL:
    """What the target columns add to the log-likelihood of the response.

    Parameters
    ----------
    per_word : float
        Mean over words of log p(full) - log p(base), in nats.
    low, high : float
        95 % interval over texts (folds, where folds were given by position); NaN in sample.
    standard_error : float
        Of ``per_word``, over texts; the interval is the t interval with one degree of freedom less than texts. NaN in sample.
    words : ndarray, shape (n_words,)
        The difference of every word that was used, in the table's order.
    rows : ndarray, shape (n_words,)
        Their positions in the table.
    by_text : pandas.Series
        Mean per text, or per fold; empty in sample.
    n_words, n_dropped : int
        Words used; words left out because a column, or the text to hold out, was missing, or no fold tests them.
    coefficients : pandas.DataFrame
        term, coefficient, standard_error, t of a linear model with all columns, fitted to all words by least squares.
    held_out : bool
    bias : float
        What a target without any effect is expected to give held out, about -k / 2n for k added columns; in sample k / 2n.
    rule : str
        Model, link and folds in words.
    left_out : str
        Columns of the base model that follow from others of it, in words; empty: none.
    """

    per_word: float
    low: float
    high: float
    standard_error: float
    words: np.ndarray = field(repr=False)
    rows: np.ndarray = field(repr=False)
    by_text: pd.Series = field(repr=False)
    n_words: int
    n_dropped: int
    coefficients: pd.DataFrame = field(repr=False)
    held_out: bool
    bias: float
    rule: str
    left_out: str = ""


def delta_log_likelihood(
    table: pd.DataFrame,
    response: str,
    base: Sequence[str],
    target: Sequence[str] | str,
    *,
    folds: Sequence[tuple[np.ndarray, np.ndarray]] | str | None = None,
    link: str = "identity",
    model: str = "linear",
    groups: Sequence[str] | str = (),
) -> DeltaLL:
    r"""Log-likelihood that the target columns add to a regression of the response on the base columns.

    .. math:: \Delta LL = \frac1n \sum_t \log N(y_t; \hat y^{full}_t, \hat\sigma^2_{full})
              - \log N(y_t; \hat y^{base}_t, \hat\sigma^2_{base})

    Parameters
    ----------
    table : pandas.DataFrame
        One row per word (``model="mixed"``: per word and subject).
    response : str
        Column of the response, such as the mean reading time in ms.
    base, target : sequence of str
        Columns of the base model and those added to it; an intercept is always in both.
    folds : list of (train, test), str or None
        Positions in the table; or a column (story) whose values are held out together, each once (rows without a value are left
        out and counted); None: in sample.
    link : str
        ``"identity"``, or ``"log"``: the response is log-normal (its Jacobian cancels in the difference).
    model : str
        ``"linear"``; ``"mixed"``: random intercepts for the columns of ``groups``; ``"gam"``: a natural cubic spline of every
        column.
    groups : sequence of str
        Columns of the random intercepts, one or two: subject, word.

    Returns
    -------
    DeltaLL

    Raises
    ------
    BrainLensError
        For unknown columns, links and models, target columns that follow from others, too few words, responses that a log link
        cannot take.

    Notes
    -----
    :math:`\hat\sigma^2` is the maximum-likelihood estimate on the rows that were fitted. The interval is the t interval of the
    mean over texts, weighted by their words. A mixed model predicts from its fixed effects; its :math:`\hat\sigma^2` is then the
    sum of all variance components. Source of the measure: Goodman & Bicknell 2018, doi 10.18653/v1/W18-0102.
    """
    base, target, groups = list(base), _names(target), _names(groups)
    for kind, value, choices in (("link", link, LINKS), ("reading-time model", model, MODELS)):
        if value not in choices:
            raise unknown(kind, value, choices)
    if model == "mixed" and not 1 <= len(groups) <= 2:
        raise BrainLensError(
            f"A mixed model takes one or two groups, not {len(groups)}",
            remedy="Give groups=('subject',) or ('subject', 'word')",
        )
    labelled = [*groups, *([folds] if isinstance(folds, str) else [])]
    used, y, rows = _usable(table, response, [*base, *target], labelled, link)
    base, idle = _defined(used, base, target)
    parts, labels, rule = _folds(folds, table, rows)
    small, full = (_model(model, used, y, columns, groups) for columns in (base, [*base, *target]))
    words, tested = np.full(len(y), np.nan), np.zeros(len(y), bool)
    for train, test in parts:
        words[test] = full.density(train, test) - small.density(train, test)
        tested[test] = True
    words, rows, labels = words[tested], rows[tested], labels[tested]
    held_out = folds is not None
    by_text = pd.Series(words).groupby(labels).mean() if held_out else pd.Series(dtype=float)
    over = mean_over_texts(words, labels) if held_out else Mean(float(words.mean()))
    added = full.columns - small.columns
    return DeltaLL(
        over.value,
        over.low,
        over.high,
        over.standard_error,
        words,
        rows,
        by_text,
        len(words),
        len(table) - len(words),
        _coefficients(used, y, [*base, *target]),
        held_out,
        (-1 if held_out else 1) * added / (2 * len(words)),
        f"{model} model, {link} link, {rule}",
        f"not in the model, because they follow from others: {', '.join(idle)}" if idle else "",
    )


# ---- rows and folds ----------------------------------------------------------------------------------------------------
def _names(columns: Sequence[str] | str) -> list[str]:
    return [columns] if isinstance(columns, str) else list(columns)


def _check_columns(table: pd.DataFrame, names: Sequence[str]) -> None:
    for name in names:
        if name not in table.columns:
            raise unknown("column of the word table", name, table.columns)


def _usable(table: pd.DataFrame, response: str, columns: list[str], labelled: list[str], link: str):
    """The rows that have everything, their response on the scale of the link, and their positions.

    A row without a label (of its text, person or word) has nothing: in the training rows it might be of the text held out.
    """
    _check_columns(table, [response, *columns, *labelled])
    values = table[[response, *columns]].to_numpy(float)
    rows = np.flatnonzero(
        np.isfinite(values).all(axis=1) & table[labelled].notna().all(axis=1).to_numpy()
    )
    if len(rows) < 10 * (len(columns) + 1):
        raise BrainLensError(
            f"{len(rows)} complete words are too few for {len(columns)} columns",
            remedy="Give more words, fewer columns, or fill the missing values",
        )
    y = on_link(values[rows, 0], link, response)
    return table.iloc[rows], y, rows


def _defined(
    table: pd.DataFrame, base: list[str], target: list[str]
) -> tuple[list[str], list[str]]:
    """The base columns that do not follow from those before them, and those that do; a target column that does is an error."""
    centred = _design(table, [*base, *target])[:, 1:]
    centred = centred - centred.mean(axis=0)
    kept, idle, basis = [], [], np.empty((len(centred), 0))
    for name, column in zip([*base, *target], centred.T):
        rest = column - basis @ (basis.T @ column)
        rest = rest - basis @ (basis.T @ rest)
        norm = np.linalg.norm(rest)
        if norm > 1e-9 * np.linalg.norm(column) and norm > 0:
            kept.append(name)
            basis = np.column_stack([basis, rest / norm])
        else:
            idle.append(name)
    if wrong := [name for name in idle if name in target]:
        raise BrainLensError(
            f"{', '.join(wrong)}: constant or collinear with the other columns, so what it adds is not defined",
            remedy=f"Leave it out, or give another base than {', '.join(base)}",
        )
    return [name for name in kept if name not in target], idle


def on_link(values: np.ndarray, link: str, name: str) -> np.ndarray:
    """The response on the scale it is fitted on.

    Raises
    ------
    BrainLensError
        Where a logarithm is asked of values that have none.
    """
    if link == "identity":
        return values
    if (values <= 0).any():
        raise BrainLensError(
            f"{int((values <= 0).sum())} values of {name!r} are 0 or negative and have no logarithm",
            remedy="Filter them out, or use link='identity'",
        )
    return np.log(values)


def _folds(folds, table: pd.DataFrame, rows: np.ndarray):
    """(train, test) among the usable rows, the label of each row that its interval goes by, and the rule in words."""
    every = np.arange(len(rows))
    if folds is None:
        return [(every, every)], every, "in sample, so always above 0"
    if isinstance(folds, str):
        _check_columns(table, [folds])
        labels, names = pd.factorize(table[folds].to_numpy()[rows])
        if len(names) < 2:
            raise BrainLensError(
                f"The column {folds!r} has one value only, so nothing can be held out",
                remedy="Name a column with two or more values, or give folds=None",
            )
        count = min(len(names), MOST_FOLDS)
        fold = (np.arange(len(names)) * count // len(names))[labels]
        parts = [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(count)]
        shared = "" if count == len(names) else f" in {count} folds"
        return parts, labels, f"held out by {folds} ({len(names)}{shared})"
    place = np.full(len(table), -1)
    place[rows] = every
    parts, labels = [], np.full(len(rows), -1)
    for number, (train, test) in enumerate(folds):
        train, test = (place[np.asarray(part)] for part in (train, test))
        train, test = train[train >= 0], test[test >= 0]
        if (labels[test] >= 0).any():
            raise BrainLensError(
                "A word is tested in two folds",
                remedy="Give folds that test every word once at most",
            )
        labels[test] = number
        if len(test):
            parts.append((train, test))
    if not parts:
        raise BrainLensError(
            "No fold tests a complete word",
            remedy="Give folds as (train, test) positions in the table",
        )
    return parts, labels, f"held out in {len(parts)} folds"


@dataclass(frozen=True)
class Mean:
    """A mean over words and its t interval over texts; NaN where there are fewer than two texts."""

    value: float
    standard_error: float = np.nan
    low: float = np.nan
    high: float = np.nan
    texts: int = 0


def mean_over_texts(words: np.ndarray, labels: np.ndarray) -> Mean:
    r"""Mean over all words, and its 95 % t interval over the texts they stand in.

    With :math:`d_g` the summed deviation of text :math:`g`'s words from the mean, the standard error is
    :math:`\sqrt{\frac{G}{G - 1} \sum_g d_g^2} / n`, with :math:`G - 1` degrees of freedom.

    Parameters
    ----------
    words : ndarray, shape (n_words,)
    labels : ndarray, shape (n_words,)
        Text of each word.
    """
    from scipy.stats import t

    words, mean = np.asarray(words, float), float(np.mean(words))
    grouped = pd.Series(words).groupby(np.asarray(labels))
    count = grouped.ngroups
    if count < 2:
        return Mean(mean, texts=count)
    error = float(
        np.sqrt(count / (count - 1) * ((grouped.sum() - mean * grouped.size()) ** 2).sum())
        / len(words)
    )
    reach = float(t.ppf(0.975, count - 1)) * error
    return Mean(mean, error, mean - reach, mean + reach, count)


# ---- models of the response --------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class _Fitted:
    """``density(train, test)``: log density of the test rows under the model fitted to the training rows."""

    density: Callable[[np.ndarray, np.ndarray], np.ndarray]
    columns: int


def _model(
    name: str, table: pd.DataFrame, y: np.ndarray, columns: list[str], groups: list[str]
) -> _Fitted:
    design = _splines(table, columns) if name == "gam" else _design(table, columns)
    labels = (
        np.column_stack([pd.factorize(table[group])[0] for group in groups])
        if name == "mixed"
        else None
    )

    def density(train: np.ndarray, test: np.ndarray) -> np.ndarray:
        if labels is None:
            weights, *_ = np.linalg.lstsq(design[train], y[train], rcond=None)
            variance = np.mean((y[train] - design[train] @ weights) ** 2)
        else:
            fitted = fit_crossed(design[train], y[train], labels[train])
            weights, variance = fitted.weights, fitted.total
        return -0.5 * np.log(2 * np.pi * variance) - (y[test] - design[test] @ weights) ** 2 / (
            2 * variance
        )

    return _Fitted(density, design.shape[1])


def _design(table: pd.DataFrame, columns: Sequence[str]) -> np.ndarray:
    return np.column_stack([np.ones(len(table)), table[list(columns)].to_numpy(float)])


def _splines(table: pd.DataFrame, columns: Sequence[str]) -> np.ndarray:
    """Natural cubic splines; knots at quantiles of all words, so of the columns only and never of the response."""
    from patsy import dmatrix

    parts = [np.ones((len(table), 1))]
    for column in columns:
        x = table[column].to_numpy(float)
        freedom = min(SPLINE_COLUMNS, len(np.unique(x)) - 2)
        spline = (
            dmatrix(f"cr(x, df={freedom}, constraints='center') - 1", {"x": x})
            if freedom >= 3
            else x[:, None]
        )
        parts.append(np.asarray(spline))
    return np.hstack(parts)


def _coefficients(table: pd.DataFrame, y: np.ndarray, columns: list[str]) -> pd.DataFrame:
    return least_squares(_design(table, columns), y).assign(term=["intercept", *columns])[
        ["term", "coefficient", "standard_error", "t"]
    ]


def least_squares(design: np.ndarray, y: np.ndarray) -> pd.DataFrame:
    """Coefficients of ordinary least squares with their standard errors: coefficient, standard_error, t; one row per column."""
    scale = np.abs(design).max(axis=0)
    scale[scale == 0] = 1.0
    left, sizes, right = np.linalg.svd(design / scale, full_matrices=False)
    weights = right.T @ ((left.T @ y) / sizes) / scale
    variance = np.sum((y - design @ weights) ** 2) / (len(y) - design.shape[1])
    errors = np.sqrt(variance * ((right.T / sizes) ** 2).sum(axis=1)) / scale
    return pd.DataFrame({"coefficient": weights, "standard_error": errors, "t": weights / errors})
