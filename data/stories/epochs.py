"""Epochs as recordings: a row a word, a target a channel at a lag."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from data.errors import BrainLensError, unknown
from data.language import joiner_of
from data.own.gate import beside_of
from data.own.tables import read_table, squashed
from data.recording import KINDS, Recording
from data.stories.epoch_files import EPOCH, WORDS, Epochs, holds_epochs, read_epochs

__all__ = ["FIELDS", "bound_epochs", "epochs_recording", "is_epochs", "read_epochs_recording"]

FIELDS = (
    "id", "kind", "unit", "language", "licence", "citation", "source", "quality", "first_lag", "lag_step",
)  # fmt: skip
"""Fields of a ``story.toml`` that binds epochs, besides ``words`` and ``epochs``."""
GROUPS = ("story", "run", "block", "passage", "sentence")
"""Columns that are taken for what is read as one text, the first that is there."""
ITEMS = ("item", "itemid", "stimulusid", "wordid", "wordnumber", "wordidx", "position", "wordinstory")  # fmt: skip
"""Columns that number the words of a text: people who lost other epochs are brought together by them."""


def is_epochs(path: Path) -> bool:
    """Whether a path is a file of epochs."""
    return path.is_file() and holds_epochs(path)


def read_epochs_recording(
    path: str | Path, *, words: str | Path | None = None, subject: str | None = None, **facts
) -> Recording:
    """A file of epochs, one epoch a word.

    Parameters
    ----------
    path : path-like
        As of :func:`data.stories.epoch_files.read_epochs`.
    words : path-like, optional
        A table with a column ``word``, as of :func:`bound_epochs`; None: what the file says of its epochs, else a table of the
        same stem beside it (``.tsv`` or ``.csv``).
    subject : str, optional
        Whose it is; None: what stands before the first ``_`` of the name.
    **facts
        As the fields of a ``story.toml``.

    Raises
    ------
    BrainLensError
        As :func:`bound_epochs`.
    """
    path = Path(path)
    stem = path.name.partition(".")[0].removesuffix("-epo").removesuffix("_epo")
    who = subject or path.name.partition("_")[0].partition(".")[0].removesuffix("-epo")
    if words is None:
        whole = path.name.partition(".")[0]
        beside = [path.with_name(f"{whole}{end}") for end in (".tsv", ".csv")]
        words = next((one for one in beside if one.is_file() and one != path), None)
    told = {"id": stem.lower().replace("_", "-"), **facts}
    return _recording({who: path}, {who: None if words is None else Path(words)}, told)


def bound_epochs(path: Path, told: Mapping[str, Any]) -> Recording:
    """Epochs that a ``story.toml`` binds: its table ``epochs`` has a file for each person.

    ``words`` names a table with a column ``word``, or is a table with one for each person; it is left out where the files say
    themselves which word an epoch belongs to. It has one row per epoch, in their order; or one per word, then a column ``epoch``
    says which epochs are whose (of MNE files, one row per event will do): words without an epoch stay as what was read.

    Raises
    ------
    BrainLensError
        Where words are not known, have another number, or are others for another person; where people have other lags.
    """
    for name in told:
        if name not in (*FIELDS, "words", "epochs"):
            raise unknown(f"field of {path.name}", name, (*FIELDS, "words", "epochs"))
    files, words = told["epochs"], told.get("words")
    if not isinstance(files, dict) or not files:
        raise BrainLensError(
            f"{path.name} needs a file for each person in [epochs]",
            remedy='[epochs] sub-01 = "sub-01-epo.fif"',
        )

    def inside(name: object) -> Path:
        return beside_of(path, str(name), "file of epochs")

    each = words if isinstance(words, dict) else dict.fromkeys(files, words)
    facts = {name: value for name, value in told.items() if name not in ("words", "epochs")}
    return _recording(
        {who: inside(name) for who, name in files.items()},
        {who: None if each.get(who) is None else inside(each[who]) for who in files},
        {"id": path.parent.name.lower().replace("_", "-"), **facts},
    )


# ---- words and epochs ------------------------------------------------------------------------------------------------
def _recording(
    files: Mapping[str, Path], words: Mapping[str, Path | None], told: Mapping[str, Any]
) -> Recording:
    facts = {name: value for name, value in told.items() if value not in (None, "")}
    lags = {name: _number(name, facts.pop(name, None)) for name in ("first_lag", "lag_step")}
    blocks = {who: read_epochs(path, **lags) for who, path in files.items()}
    kinds = [block.kind for block in blocks.values() if block.kind]
    facts = {"kind": kinds[0] if kinds else "eeg", **facts}
    if facts["kind"] not in KINDS:
        raise unknown("kind of recording", str(facts["kind"]), KINDS)
    rows = {who: _rows(files[who], block, words[who]) for who, block in blocks.items()}
    _same_lags(blocks)
    table, places = _together(rows)
    values, coords = [], {"subject": [], "electrode": [], "lag": []}
    said: dict[str, list[str]] = {}  # a note -> whose it is
    for who, block in blocks.items():
        flat, kept, notes = _laid_out(block, rows[who]["epoch"].to_numpy(), places[who], len(table))
        names = np.repeat([f"{who}.{name}" for name in block.channels], len(block.lags))
        values.append(flat[:, kept])
        coords["subject"] += [who] * int(kept.sum())
        coords["electrode"] += list(names[kept])
        coords["lag"] += list(np.tile(np.round(block.lags, 3), len(block.channels))[kept])
        for one in (*block.notes, *notes):
            said.setdefault(one, []).append(who)
    if not coords["lag"]:
        raise BrainLensError("No channel varies", remedy="Look at the files in another program")
    notes = [
        one if len(who) == len(blocks) else f"{', '.join(who)}: {one}" for one, who in said.items()
    ]
    return epochs_recording(np.hstack(values), coords, table, notes=tuple(notes), **facts)


def _laid_out(
    block: Epochs, epochs: np.ndarray, places: np.ndarray, n: int
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """A person's values (n words, targets), NaN where a word has no epoch; which targets count; and notes."""
    held, notes = np.asarray(block.values, np.float32), []
    flat = np.full((n, held[0].size), np.nan, np.float32)
    there = epochs >= 0
    flat[places[there]] = held.reshape(len(held), -1)[epochs[there]]
    varies = (np.nanstd(held, axis=0) > 0).any(axis=1)
    if not varies.all():
        gone = [name for name, one in zip(block.channels, varies) if not one]
        what = f"{len(gone)} channels that do not vary were left out"
        notes.append(f"{what} ({', '.join(gone[:6])})")
    if n > there.sum():
        notes.append(f"{n - int(there.sum())} words have no epoch and stay as what was read")
    return flat, np.repeat(varies, len(block.lags)), notes


def _number(name: str, value: Any) -> float | None:
    try:
        return None if value is None else float(value)
    except (TypeError, ValueError):
        raise BrainLensError(
            f"{name}={value!r} is no number", remedy="Give milliseconds, such as -200"
        ) from None


def _same_lags(blocks: Mapping[str, Epochs]) -> None:
    first, *others = blocks
    for who in others:
        one, other = blocks[first].lags, blocks[who].lags
        if len(one) != len(other) or not np.allclose(one, other, atol=0.5):
            raise BrainLensError(
                f"{who} has other lags than {first}: {len(other)} from {other[0]:g} to {other[-1]:g} ms, not {len(one)} from "
                f"{one[0]:g} to {one[-1]:g} ms",
                remedy="Cut and resample all people alike",
            )


def _rows(path: Path, block: Epochs, named: Path | None) -> pd.DataFrame:
    """The words of a person: text, run, item where it is told, and ``epoch``, the place of its epoch or -1."""
    n = len(block.values)
    if named is None:
        table, what = block.words, path.name
    else:
        table, what = read_table(named, texts=(*WORDS, "sentence")).frame, named.name
    names = {squashed(name): str(name) for name in ([] if table is None else table.columns)}
    column = next((names[one] for one in WORDS if one in names), None)
    if table is None or column is None:
        stem = path.name.partition(".")[0]
        raise BrainLensError(
            f"{what}: it is not known which word each epoch belongs to: there is no column 'word'",
            choices=[] if table is None else list(map(str, table.columns)),
            remedy=f"Put {stem}.tsv with a column 'word', one row per epoch, beside it",
        )
    epoch = _epochs_of(
        table, next((names[one] for one in EPOCH if one in names), None), block, named
    )
    if epoch is None:
        raise BrainLensError(
            f"{path.name} holds {n} epochs, its words {len(table)} rows",
            remedy="Give one row per epoch, dropped ones left out; or all words with a column 'epoch' that numbers those that "
            "have one",
        )
    text = table[column].astype(object).map(lambda one: str(one).strip() if one == one else "")
    if bad := int((text == "").sum()):
        row = int(np.flatnonzero(text == "")[0]) + 1
        raise BrainLensError(
            f"{what}: {bad} rows have no word, first row {row}", remedy="Fill in or leave these out"
        )
    out = pd.DataFrame({"text": text.to_numpy(object), "epoch": epoch})
    group = next((names[one] for one in GROUPS if one in names), None)
    out["run"] = "1" if group is None else table[group].astype(str).to_numpy()
    item = next((names[one] for one in ITEMS if one in names), None)
    if (
        item is not None
        and not pd.DataFrame({"r": out["run"], "i": table[item].to_numpy()}).duplicated().any()
    ):
        out["item"] = table[item].to_numpy()
    return out


def _epochs_of(table, column: str | None, block: Epochs, named: Path | None) -> np.ndarray | None:
    """The place of each row's epoch, -1 where it has none; None where rows and epochs do not go together."""
    n = len(block.values)
    numbers = np.arange(n) if block.numbers is None else block.numbers
    if column is not None and named is not None:
        place = pd.Index(numbers.astype(str)).get_indexer(_whole(table[column]))
        if np.array_equal(np.sort(place[place >= 0]), np.arange(n)):
            return place
    if len(table) == n:
        return np.arange(n)
    if block.events is not None and len(table) == block.events:  # a row per event, dropped ones too
        place = np.full(len(table), -1)
        place[numbers.astype(int)] = np.arange(n)
        return place
    return None


def _whole(values: pd.Series) -> np.ndarray:
    """Numbers of epochs as text: ``3`` where a table with holes says ``3.0``."""
    number = pd.to_numeric(values, errors="coerce")
    whole = number.notna() & (number % 1 == 0)
    return np.where(whole, number.fillna(0).astype(int).astype(str), values.astype(str))


def _together(rows: Mapping[str, pd.DataFrame]) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """The words of everybody, and where each person's rows stand among them."""
    first, *others = rows
    base = rows[first]

    def read(one: pd.DataFrame) -> list[tuple[str, str]]:
        return list(zip(one["run"], one["text"]))

    def same(who: str) -> bool:
        return read(rows[who]) == read(base)

    if all(map(same, others)):
        return base[["text", "run"]].copy(), dict.fromkeys(rows, np.arange(len(base)))
    if not all("item" in one for one in rows.values()):
        who = next(who for who in others if not same(who))
        raise BrainLensError(
            f"The words of {who} are not those of {first}: {_differs(base, rows[who])}",
            remedy="Give a column 'item' that numbers the words of each story, or one table of words with a column 'epoch'",
        )
    union = pd.concat(list(rows.values()))[["run", "item", "text"]].drop_duplicates()
    if (twice := union.duplicated(["run", "item"])).any():
        run, item = union.loc[twice, ["run", "item"]].iloc[0]
        texts = union[(union["run"] == run) & (union["item"] == item)]["text"].tolist()
        raise BrainLensError(
            f"Word {item} of {run} is {texts[0]!r} for one person and {texts[1]!r} for another",
            remedy="Number the same words alike for everybody",
        )
    order = {run: place for place, run in enumerate(pd.unique(union["run"]))}
    union = union.assign(at=union["run"].map(order)).sort_values(["at", "item"], kind="stable")
    keys = pd.MultiIndex.from_frame(union[["run", "item"]])
    places = {who: keys.get_indexer(pd.MultiIndex.from_frame(one[["run", "item"]])) for who, one in rows.items()}  # fmt: skip
    return union[["text", "run"]].reset_index(drop=True), places


def _differs(one: pd.DataFrame, other: pd.DataFrame) -> str:
    if len(one) != len(other):
        return f"{len(other)} words, not {len(one)}"
    row = int(np.flatnonzero((one[["run", "text"]].to_numpy() != other[["run", "text"]].to_numpy()).any(axis=1))[0])  # fmt: skip
    return f"row {row + 1} is {other['text'].iloc[row]!r}, not {one['text'].iloc[row]!r}"


def epochs_recording(values: np.ndarray, coords: dict, words: pd.DataFrame, **facts) -> Recording:
    """Epochs as a recording: a row a word, a target a channel at a lag.

    Parameters
    ----------
    values : ndarray, shape (n_words, n_targets)
    coords : mapping of str to sequence, length n_targets
        ``electrode`` and ``lag`` (milliseconds) among them; NaN coordinates are left out.
    words : pandas.DataFrame
        ``text``, ``run``, ``onset``, ``offset``.
    """
    table = words.rename(columns={"run": "story"})
    table["position"] = table.groupby("story").cumcount()
    table.index = pd.Index(
        [f"{s}.{p}" for s, p in zip(table["story"], table["position"])], name="stimulus"
    )
    names = np.array(
        [f"{e}.{lag:+g}ms" for e, lag in zip(coords["electrode"], coords["lag"])], object
    )
    own = {
        name: np.asarray(one, float if name in ("lag", "x", "y", "z") else object)
        for name, one in coords.items()
    }
    kept = {
        name: ("target", one)
        for name, one in own.items()
        if name not in "xyz" or np.isfinite(one).all()
    }
    several = table["story"].nunique() > 2
    return Recording(
        responses=xr.DataArray(
            values, dims=("stimulus", "target"), coords={"stimulus": table.index.to_numpy(), "target": names, **kept}
        ),
        stimuli=table, scored_unit="word", context="story", group="story" if several else None,
        roles={"story": "story", "passage": "story"}, joiner=joiner_of(list(table["text"]))[0], **{"kind": "ecog", **facts},
    )  # fmt: skip
