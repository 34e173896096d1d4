"""In which order the rows of a table were read."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from data.errors import BrainLensError
from data.own.meaning import listed
from data.own.tables import Table, numbers

__all__ = ["holes", "once", "order_keys", "other_orders", "reading_order"]

NONE = "say that there is none (--order none)"


def order_keys(table: Table, names: list[str]) -> pd.DataFrame:
    """The columns to sort by as numbers, one row per row of the table; every cell must be one, or a date."""
    keys = {}
    for name in names:
        values = table.frame[name]
        if values.dtype.kind in "mM":
            keys[name] = values.astype("int64").where(values.notna()).to_numpy(float)
        else:
            keys[name] = numbers(table, name, remedy=f"Number the rows in reading order, or {NONE}")
        missing = np.flatnonzero(np.isnan(keys[name]))
        if len(missing):
            raise BrainLensError(
                f"{table.path.name}: column {name!r} is empty in {len(missing)} rows: {table.places(missing)}",
                remedy="Fill in the order",
            )
    return pd.DataFrame(keys, index=table.frame.index)


def reading_order(
    table: Table,
    keys: pd.DataFrame,
    labels: Mapping[str, pd.Series],
    rows: np.ndarray,
    *,
    guessed: bool,
):
    """The stimuli sorted by their order.

    An order that starts again in every text holds inside a text: where the rows of equal order stand mostly in different contexts
    or groups (the larger of the two), rows are sorted inside these, which stay in the order of the file.

    Parameters
    ----------
    keys : pandas.DataFrame
        What to sort by, shape (n_stimuli, n_columns).
    labels : mapping
        Column -> label of each stimulus, for the contexts and the groups.
    rows : numpy.ndarray
        Shape (n_stimuli,): row of the table.
    guessed : bool
        Nobody said that it is an order: one that is mostly ties is none.

    Returns
    -------
    order : numpy.ndarray
        Shape (n_stimuli,).
    inside : str
        The column inside whose labels it holds, or "".
    doubts : list of (str, str)
    """
    names, tied, blocks = listed(keys.columns), keys.duplicated(keep=False), []
    for label, values in labels.items() if tied.any() else ():
        block = pd.Series(pd.factorize(values)[0], index=keys.index)
        again = keys.assign(**{"": block}).duplicated(keep=False)
        if 2 * again.sum() < tied.sum():
            blocks.append((block.nunique(), label, block, again))
    inside = ""
    if blocks:
        _, inside, block, tied = min(blocks, key=lambda one: one[0])
        keys = keys.assign(**{"": block})[["", *keys.columns]]
    none = guessed and tied.mean() > 0.5
    order = (
        np.arange(len(keys))
        if none
        else keys.sort_values(list(keys.columns), kind="stable").index.to_numpy()
    )
    if not tied.any():
        return order, inside, []
    what = f"{names} is the same{f' inside one {inside!r}' if inside else ''} in {int(tied.sum())} rows, "
    what += "so all rows stay" if none else "which stay in turn"
    doubt = (
        f"{what} as they stand in the file: {table.places(np.sort(rows[tied.to_numpy()]))}",
        "Number the rows of each text 1, 2, 3, ... in reading order, and name the column of the texts (--context COLUMN)",
    )
    return order, inside, [doubt]


def once(table: Table, keys: pd.DataFrame, block: pd.Series, texts: pd.Series) -> None:
    """Make sure that a word stands at its place of a text once, where nothing says whose rows these are.

    Raises
    ------
    BrainLensError
        Where the same word stands at the same place again and again: other people, presentations or fixations.
    """
    cells = keys.assign(**{"\x1f": block.to_numpy(), "\x1e": texts.to_numpy()})
    again = np.flatnonzero(cells.duplicated())
    if len(again) < 0.1 * len(cells):
        return
    raise BrainLensError(
        f"{table.path.name}: the same word stands at the same place of its text ({listed(keys.columns)}) in {len(again):,} rows "
        f"too many: {table.places(again)}. Fixations, people or presentations?",
        remedy="Name the column that tells them apart (--subject COLUMN, --repeat COLUMN), add up the fixations of each word, "
        "or say that the numbers are no order (--order none)",
    )


def holes(
    table: Table, keys: pd.DataFrame, block: pd.Series, rows: np.ndarray
) -> list[tuple[str, str]]:
    """Words that are missing from their text, where its words are numbered and the numbers jump."""
    name = str(keys.columns[0])
    frame = pd.DataFrame({"b": block.to_numpy(), "k": keys[name].to_numpy(float), "r": rows})
    if (frame["k"] % 1 != 0).any():
        return []
    frame = frame.sort_values(["b", "k"], kind="stable").drop_duplicates(["b", "k"])
    each = frame.groupby("b", sort=False)["k"].agg(["min", "max", "count"])
    first = each["min"].mode().iloc[0]
    start = min(first, 1)
    span = each["max"] - np.minimum(each["min"], start) + 1
    gone = span - each["count"]
    if first not in (0, 1, 2) or not gone.any() or gone.sum() > 0.2 * span.sum():
        return []
    jumps = (frame["k"] - frame.groupby("b")["k"].shift() > 1) | (
        ~frame["b"].duplicated() & (frame["k"] > start)
    )
    at = int(frame.loc[jumps, "r"].min())
    return [(
        f"{name} jumps: {int(gone.sum())} words of {int((gone > 0).sum())} texts have no row, first before {table.where(at)}, so "
        "the model reads these texts without them",
        "Give every word of a text a row, and leave its response empty where none was measured",
    )]  # fmt: skip


def other_orders(
    table: Table, keys: pd.DataFrame, cells: np.ndarray, names: list[str]
) -> list[tuple[str, str]]:
    """Stimuli that people met at different times: the recording has one order."""
    differ = np.zeros(len(cells), dtype=bool)
    for name in names:
        values = keys[name].to_numpy()
        differ |= (np.where(cells >= 0, values[cells], -np.inf).max(axis=1) !=
                   np.where(cells >= 0, values[cells], np.inf).min(axis=1))  # fmt: skip
    if not differ.any():
        return []
    return [(
        f"{listed(names)} differs between people for {int(differ.sum())} stimuli: the first person's is taken, first "
        f"{table.where(int(cells[differ][0][cells[differ][0] >= 0].min()))}",
        "Give the order of the text, not of each person's presentation",
    )]  # fmt: skip
