"""Small tables of a user, as the tests write them."""

from __future__ import annotations

import numpy as np
import pandas as pd


def table(n=48, groups=6, **columns):
    """Sentences with a topic and one column of responses."""
    rng = np.random.default_rng(0)
    frame = {
        "sentence": [f"Sentence {i} is about thing {i % 7}." for i in range(n)],
        "topic": [f"topic{i * groups // n}" for i in range(n)],
        "bold": rng.standard_normal(n).round(4),
    }
    return pd.DataFrame({**frame, **columns})


def saved(folder, frame, name="mine.csv"):
    """The path of a table written as CSV."""
    frame.to_csv(folder / name, index=False)
    return folder / name
