"""Parquet files as tables whose columns have names of their own."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from data.errors import BrainLensError

__all__ = ["named", "read_parquet"]


def read_parquet(path: Path) -> pd.DataFrame:
    """A whole file.

    Raises
    ------
    BrainLensError
        Where it is none, or two of its columns have the same name.
    """
    try:
        frame = pd.read_parquet(path)
    except MemoryError:
        raise
    except Exception as error:  # pyarrow raises many kinds
        raise BrainLensError(
            f"{path.name} is not a Parquet file that can be read: {(str(error) or type(error).__name__).splitlines()[0]}",
            remedy="Fetch or write it again",
        ) from None
    return named(path.name, frame)


def named(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    """The table with texts as names of its columns: what pandas wrote beside them may be several rows, or a name twice.

    Raises
    ------
    BrainLensError
        Where two columns have the same name.
    """
    names = [
        " ".join(map(str, column)).strip() if isinstance(column, tuple) else str(column)
        for column in frame.columns
    ]
    if twice := sorted({one for one in names if names.count(one) > 1}):
        raise BrainLensError(
            f"{name}: columns of the same name: {twice}",
            remedy="Give each column a name of its own",
        )
    return frame.set_axis(names, axis="columns")
