"""What looks wrong in a table of trials although it can be read: codes, practice, item numbers that start anew in each list."""

from __future__ import annotations

from itertools import combinations

import pandas as pd

__all__ = ["versions", "warnings"]

_PRACTICE = (
    "practice",
    "practise",
    "training",
    "warmup",
    "warm-up",
    "example",
    "filler",
    "fillers",
)
_ROLES = ("person", "item", "stimulus_id", "text_id", "text", "rt", "word_position")
_OVERLAP = 0.2
"""Share of words that two versions of an item have in common at least."""


def warnings(table: pd.DataFrame, *, missing: bool = False) -> list[str]:
    """Sentences on what to look at before a table of trials is used, each with what to do.

    Parameters
    ----------
    table : pandas.DataFrame
        person, item, text_id, text, rt, and whatever else the file holds.
    missing : bool
        Whether codes for "no value" were named already.
    """
    return [*_no_times(table["rt"], missing), *_practice(table), *_lists(table)]


def versions(table: pd.DataFrame) -> list[str]:
    """Columns that tell apart what stands at one place of an item for different people, those called list last."""
    found = []
    people = table["person"].nunique()
    for name in table.columns:
        count = table[name].nunique()
        if name in (*_ROLES, "trial", "correct") or not 1 < count <= max(2, people / 2):
            continue
        if table.groupby(["stimulus_id", name])["text"].nunique().max() == 1:
            found.append((("list" in str(name).casefold()), count, str(name)))
    return [name for _, _, name in sorted(found)]


def _no_times(times: pd.Series, missing: bool) -> list[str]:
    low = times[times <= 0]
    if low.empty:
        return []
    value, count = next(iter(low.value_counts().items()))
    what = f"{value:g}" if low.nunique() == 1 else f"{value:g} most often, {int(count):,}"
    code = "" if missing else f"name {value:g} as a code for 'no value' (--missing), or "
    return [
        f"WARNING: {len(low):,} times are 0 or less ({what}): {code}leave them out by the rule 'rt > 0'"
    ]


def _practice(table: pd.DataFrame) -> list[str]:
    said = []
    for name in table.columns:
        if name in _ROLES or table[name].dtype.kind not in "OUST":
            continue
        words = table[name].astype(str).str.strip()
        for value in words.unique():
            if value.casefold() in _PRACTICE:
                count = int((words == value).sum())
                said.append(
                    f"{count:,} rows are {value!r} in {name}: leave them out by the rule '{name} != {value}'"
                )
    return said


def _lists(table: pd.DataFrame) -> list[str]:
    """Items whose texts have next to no words in common: versions of an item have most of theirs."""
    versions = table.groupby("item", sort=False)["text_id"].nunique()
    several = versions.index[versions > 1]
    if not len(several):
        return []
    some = table[table["item"].isin(several[:200])].drop_duplicates(["text_id", "stimulus_id"])
    words = some.groupby(["item", "text_id"], sort=False)["text"].agg(" ".join)
    apart = {}
    for item, texts in words.groupby(level="item", sort=False):
        sets = [set(one.casefold().split()) for one in texts]
        shares = [len(a & b) / len(a | b) for a, b in combinations(sets[:6], 2)]
        if max(shares) < _OVERLAP:
            apart[item] = [" ".join(one.split()[:5]) for one in texts[:2]]
    if len(apart) <= len(words.index.unique("item")) / 2:
        return []
    item, texts = next(iter(apart.items()))
    by = _telling(table[table["item"].isin(several)])
    advice = f"--column item={by}+item" if by else "make one column of both in the file"
    return [
        f"WARNING: {len(apart):,} items have texts without words in common, such as {item}: {texts[0]!r} and {texts[1]!r}. Where "
        f"numbers start anew in each list these are different items: {advice}"
    ]


def _telling(table: pd.DataFrame) -> str:
    """The column whose values tell the texts of an item apart, one called list first; empty: none."""
    for name in sorted(table.columns, key=lambda one: "list" not in str(one).casefold()):
        if (
            name in (*_ROLES, "trial", "correct", "condition")
            or not 1 < table[name].nunique() <= 20
        ):
            continue
        pairs = table[["item", "text_id", name]].drop_duplicates()
        one = pairs.groupby("text_id")[name].nunique().max() == 1
        if one and not pairs.duplicated(["item", name]).any():
            return str(name)
    return ""
