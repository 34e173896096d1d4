"""Language material: WikiText-2, any text file, SyntaxGym suites and localizer stimuli."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from data.catalog.catalog import paths
from data.errors import BrainLensError, unknown
from data.parquet import read_parquet

__all__ = ["Suite", "files_of", "langloc", "read_text", "syntaxgym", "wikitext2"]

MOST_BYTES = 2 * 1024**3
LINES = {"test": 4358, "validation": 3760}
PARTS = {"test": "test.", "validation": "val"}


def read_text(path: str | Path) -> str:
    """A text file as it is (UTF-8; a byte-order mark is dropped), or the column ``text`` of a Parquet file joined.

    Raises
    ------
    BrainLensError
        Where it is not there, empty, binary, not UTF-8, or no Parquet file with words.
    """
    path = Path(path)
    if not path.is_file():
        raise BrainLensError(f"There is no file {path}", remedy="Check the path")
    if path.suffix.lower() == ".parquet":
        table = read_parquet(path)
        if "text" not in table.columns:
            raise BrainLensError(
                f"{path.name} has no column 'text'",
                choices=table.columns,
                remedy="Rename the column that holds the words",
            )
        wrong = [row for row, line in enumerate(table["text"], 1) if not isinstance(line, str)]
        if wrong:
            raise BrainLensError(
                f"{path.name}: {len(wrong):,} cells of the column 'text' hold no text, first row {wrong[0]}",
                remedy="Write an empty text where a line is empty",
            )
        return "".join(line if line.endswith("\n") else line + "\n" for line in table["text"])
    if path.stat().st_size > MOST_BYTES:
        raise BrainLensError(
            f"{path.name} has {path.stat().st_size:,} bytes, more than {MOST_BYTES:,}",
            remedy="Cut it into parts",
        )
    raw = path.read_bytes()
    if not raw.strip():
        raise BrainLensError(f"{path.name} is empty", remedy="Give a file with words in it")
    if b"\0" in raw[:4096]:
        raise BrainLensError(
            f"{path.name} holds binary data, not text", remedy="Give a plain text file (UTF-8)"
        )
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise BrainLensError(
            f"{path.name} is not UTF-8: byte 0x{raw[error.start]:02x} on line {line}",
            remedy="Save it as UTF-8",
        ) from None


def wikitext2(
    path: Path | None = None, *, part: str = "test", id: str = "wikitext-2", **_facts
) -> str:
    """The text of WikiText-2, ``part`` test or validation.

    Parameters
    ----------
    path : path-like, optional
        A file of it (text, or Parquet as on the model hub), whatever its name; None: looked up in the catalogue.

    Raises
    ------
    BrainLensError
        For an unknown part, or a file whose number of lines is not WikiText-2's.
    """
    if part not in PARTS:
        raise unknown("part of WikiText-2", part, PARTS)
    remedy = f"Give the file of the {part} part" if path is not None else "Fetch it again"
    if path is None:
        path = next(p for p in files_of(id=id) if p.name.startswith(PARTS[part]))
    text = read_text(path)
    lines = text.count("\n")
    if abs(lines - LINES[part]) > 1:
        raise BrainLensError(
            f"{Path(path).name} has {lines:,} lines, WikiText-2 {part} has {LINES[part]:,}",
            remedy=remedy,
        )
    return text


def files_of(path: Path | None = None, *, id: str, **_facts) -> list[Path]:
    """All files of a catalogue entry."""
    return paths(id)


# ---- SyntaxGym ------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Suite:
    """One SyntaxGym suite: sentences cut into regions, and what must be surprising in them.

    Parameters
    ----------
    name : str
        Such as ``"npi_src_any"``.
    regions : pandas.DataFrame
        One row per item, condition and region: item, condition, region (number from 1), text.
    predictions : tuple of str
        Formulas such as ``"(6;%plaus%) < (6;%implaus%)"``: ``(region;%condition%)`` is the summed
        surprisal of a region, ``*`` of all.
    """

    name: str
    regions: pd.DataFrame
    predictions: tuple[str, ...]

    def sentence(self, item: int, condition: str) -> str:
        """The whole sentence of an item in a condition; empty regions leave no space."""
        rows = self.regions[
            (self.regions["item"] == item) & (self.regions["condition"] == condition)
        ]
        if rows.empty:
            raise unknown(
                f"condition of {self.name}, item {item}",
                condition,
                self.regions["condition"].unique(),
            )
        text = " ".join(part for part in rows.sort_values("region")["text"] if part)
        return re.sub(r" (?=[,.?!;:])", "", text)


def read_suite(path: str | Path) -> Suite:
    """The suite in a SyntaxGym JSON file.

    Raises
    ------
    BrainLensError
        Where the file is not a suite.
    """
    path = Path(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        rows = [
            (
                int(item["item_number"]),
                condition["condition_name"],
                int(region["region_number"]),
                region["content"].strip(),
            )
            for item in content["items"]
            for condition in item["conditions"]
            for region in condition["regions"]
        ]
        predictions = tuple(prediction["formula"] for prediction in content["predictions"])
        name = content["meta"]["name"]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BrainLensError(
            f"{path.name} is not a SyntaxGym suite: {type(error).__name__} {error}",
            remedy="Fetch it again",
        ) from None
    known = {condition for _, condition, _, _ in rows}
    for formula in predictions:
        for condition in re.findall(r"%([^%]+)%", formula):
            if condition not in known:
                raise unknown(f"condition in a formula of {path.name}", condition, known)
    return Suite(
        name, pd.DataFrame(rows, columns=["item", "condition", "region", "text"]), predictions
    )


def syntaxgym(path: Path | None = None, *, id: str = "syntaxgym", **_facts) -> dict[str, Suite]:
    """All suites by name."""
    suites = [read_suite(file) for file in files_of(id=id)]
    return {suite.name: suite for suite in suites}


# ---- localizer ------------------------------------------------------------------------------------------------------------
def langloc(path: Path | None = None, *, id: str = "langloc", **_facts) -> pd.DataFrame:
    """The language localizer of Fedorenko et al. 2010: run, set, trial, condition (sentence or non-words), shown, text.

    ``text`` is re-cased for reading: a sentence begins with a capital and ends with a full stop, non-words are lower case.
    """
    frames = []
    for file in files_of(id=id):
        named = re.search(r"run(\d)_stim_set(\d)", file.name)
        assert named is not None  # the catalogue's own names
        run, part = map(int, named.groups())
        table = pd.read_csv(file, keep_default_na=False)
        words = table[[f"stim{i}" for i in range(2, 14)]].apply(
            lambda row: " ".join(w.strip() for w in row), axis=1
        )
        frames.append(
            pd.DataFrame(
                {
                    "run": run,
                    "set": part,
                    "trial": table["stim1"].astype(int),
                    "condition": table["stim14"].map({"S": "sentence", "N": "non-words"}),
                    "shown": words,
                }
            )
        )
    table = pd.concat(frames, ignore_index=True)
    lower = table["shown"].str.lower().str.replace(r"\bi\b", "I", regex=True)
    cased = lower.str[:1].str.upper() + lower.str[1:] + "."
    table["text"] = cased.where(table["condition"] == "sentence", table["shown"].str.lower())
    return table
