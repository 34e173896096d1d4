"""Parquet files as tables whose columns have names of their own."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from data.errors import BrainLensError, first_line
from data.limits import MOST_UNPACKED, within

__all__ = ["named", "read_parquet"]


def read_parquet(path: Path) -> pd.DataFrame:
    """A whole file; what it comes to is looked at while it is unpacked: a value that repeats is stored once.

    Raises
    ------
    BrainLensError
        Where it is none, two of its columns have the same name, or it unpacks to far more than such files do.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            about = file.metadata
            groups = [about.row_group(i) for i in range(about.num_row_groups)]
            sizes = [
                group.column(i).total_uncompressed_size
                for group in groups
                for i in range(group.num_columns)
            ]
            most = max(sizes, default=0)
            within(path, max(sum(sizes), about.num_rows * about.num_columns))
            named(path.name, pd.DataFrame(columns=file.schema_arrow.names))
            batches, held = [], 0
            # a text that repeats is stored once: what a batch may come to is bounded by its number of rows
            for batch in file.iter_batches(
                batch_size=int(min(65_536, max(MOST_UNPACKED // max(most, 1), 1)))
            ):
                batches.append(batch)
                held += batch.nbytes
                if held > MOST_UNPACKED:
                    within(path, held)
            frame = pa.Table.from_batches(batches, file.schema_arrow).to_pandas()
    except (BrainLensError, MemoryError):
        raise
    except Exception as error:  # pyarrow raises many kinds
        raise BrainLensError(
            f"{path.name} is not a Parquet file that can be read: {first_line(error)}",
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
