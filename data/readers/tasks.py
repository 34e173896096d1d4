"""Tables of tasks: the GLUE sets, minimal pairs, and labelled tables of one's own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from data.counts import plural
from data.errors import BrainLensError, unknown
from data.gate import existing, may_be_named
from data.home import home, mirror
from data.parquet import read_parquet

__all__ = [
    "GLUE",
    "GlueSet",
    "LabelledSet",
    "glue",
    "glue_folder",
    "labelled_table",
    "minimal_pairs",
    "paraphrases",
]


@dataclass(frozen=True)
class Released:
    """What its files look like as the benchmark gives them out: tables with tabs in which a quote is a letter like any other.

    Parameters
    ----------
    folder : str
    label : str or int
        The label's column; a number: the files have no header.
    columns : tuple of (str or int)
        Where the sentences are; empty: under the names of the hub.
    classes : tuple of str
        Words of the labels, in the order of the hub's numbers; empty: they are numbers.
    """

    folder: str
    label: str | int = "label"
    columns: tuple[str | int, ...] = ()
    classes: tuple[str, ...] = ()


@dataclass(frozen=True)
class GlueSet:
    """What one GLUE set looks like.

    Parameters
    ----------
    columns : tuple of str
        The sentence, or the two of a pair.
    metrics : tuple of str
        Its own measures; the score is their mean.
    numeric : bool
        The label is a number and no class.
    development : tuple of str
        Names of the development parts; the score is the mean over them.
    released : Released
    """

    columns: tuple[str, ...]
    metrics: tuple[str, ...] = ("accuracy",)
    numeric: bool = False
    development: tuple[str, ...] = ("validation",)
    released: Released = field(kw_only=True)


_ENTAILS = ("entailment", "not_entailment")
GLUE: dict[str, GlueSet] = {
    "cola": GlueSet(("sentence",), ("matthews",), released=Released("CoLA", 1, (3,))),
    "sst2": GlueSet(("sentence",), released=Released("SST-2")),
    "mrpc": GlueSet(("sentence1", "sentence2"), ("accuracy", "f1"),
                    released=Released("MRPC", "Quality", ("#1 String", "#2 String"))),
    "stsb": GlueSet(("sentence1", "sentence2"), ("pearson", "spearman"), numeric=True, released=Released("STS-B", "score")),
    "qqp": GlueSet(("question1", "question2"), ("accuracy", "f1"), released=Released("QQP", "is_duplicate")),
    "mnli": GlueSet(("premise", "hypothesis"), development=("validation_matched", "validation_mismatched"),
                    released=Released("MNLI", "gold_label", ("sentence1", "sentence2"),
                                      ("entailment", "neutral", "contradiction"))),
    "qnli": GlueSet(("question", "sentence"), released=Released("QNLI", classes=_ENTAILS)),
    "rte": GlueSet(("sentence1", "sentence2"), released=Released("RTE", classes=_ENTAILS)),
}  # fmt: skip
"""The eight sets that the published table averages, by their names on the hub."""


@dataclass(frozen=True)
class LabelledSet:
    """Sentences, or pairs of them, with a label.

    Parameters
    ----------
    name : str
    train : pandas.DataFrame
        first, second (empty where there are no pairs), label.
    tests : mapping of str to pandas.DataFrame
        Part -> the same columns; empty: the training part is cross-validated.
    metrics : tuple of str
    numeric : bool
    left_out : int
        Rows without a sentence or a label, which the whole sets have a few of.
    """

    name: str
    train: pd.DataFrame
    tests: dict[str, pd.DataFrame]
    metrics: tuple[str, ...]
    numeric: bool
    left_out: int = 0


def glue_folder(folder: str | Path = "") -> Path:
    """Where the GLUE sets are: the folder that is named, ``glue`` in the mirror, or ``glue`` in the data folder.

    Raises
    ------
    BrainLensError
        Where a folder is named that is not there, or may not be named.
    """
    if str(folder).strip():
        named = existing(folder)
        if named is None or not named.is_dir():
            raise BrainLensError(
                f"There is no folder {folder}",
                remedy="Name the one that holds a folder for each GLUE set, such as SST-2 or sst2",
            )
        return named
    beside = Path(mirror()) / "glue" if mirror() else None
    return beside if beside is not None and beside.is_dir() else home("data", "glue")


def glue(name: str, folder: str | Path) -> LabelledSet:
    """One GLUE set from a folder: as it is on the hub, or as the benchmark gives it out.

    On the hub: ``<folder>/<set>/<part>-00000-of-00001.parquet``, or ``<part>.parquet``. Of the benchmark, unpacked:
    ``<folder>/MNLI/train.tsv``, ``dev_matched.tsv`` and ``dev_mismatched.tsv``; ``train.tsv`` and ``dev.tsv`` of the others.
    Labels are the hub's numbers in both.

    Parameters
    ----------
    name : str
        One of :data:`GLUE`.
    folder : path
        That holds a folder for each set.

    Raises
    ------
    BrainLensError
        For an unknown set, missing files (named), and tables without the set's columns. Parts whose labels are hidden (the test
        of the benchmark) are refused.
    """
    name = name.lower()
    if name not in GLUE:
        raise unknown("GLUE set", name, GLUE)
    how, folder = GLUE[name], Path(folder).expanduser()
    parts = {part: _glue_part(folder, name, part, how) for part in ("train", *how.development)}
    kept = {part: _with_sentences(table, how, part) for part, table in parts.items()}
    left_out = sum(len(parts[part]) - len(kept[part]) for part in parts)
    return LabelledSet(name, kept.pop("train"), kept, how.metrics, how.numeric, left_out)


def _glue_part(folder: Path, name: str, part: str, how: GlueSet) -> pd.DataFrame:
    """first, second, label of every row; what a row lacks is empty."""
    hub = folder / name
    files = sorted(hub.glob(f"{part}-*-of-*.parquet")) or sorted(hub.glob(f"{part}.parquet"))
    if files:
        _whole(files, part)
        table = pd.concat([read_parquet(file) for file in files], ignore_index=True)
        file, columns, label = files[0], how.columns, "label"
    else:
        inside = part.replace("validation", "dev") + ".tsv"
        among = [folder / how.released.folder / inside, hub / inside]
        file = next((one for one in among if one.is_file()), None)
        if file is None:
            raise BrainLensError(
                f"There is no {hub / f'{part}-00000-of-00001.parquet'} and no {among[0]}",
                remedy="Put the files of nyu-mll/glue there as they are on the hub, or unpack those of gluebenchmark.com",
            )
        columns, label = how.released.columns or how.columns, how.released.label
        table = _tabbed(file, header=isinstance(label, str))
    lacking = [str(one) for one in (*columns, label) if one not in table]
    if lacking:
        raise BrainLensError(
            f"{file} has no column {', '.join(lacking)}",
            choices=list(map(str, table.columns)),
            remedy="Give the training and the development part as they are given out: the test part has no labels",
        )
    labels = _labels(table[label], how) if not files else table[label]
    if not how.numeric and (labels < 0).any():
        raise BrainLensError(
            f"{file} has hidden labels (-1): it is the test part of the benchmark",
            remedy="Give the training and the validation part",
        )
    first, second = ([table[one].fillna("").astype(str) for one in columns] + [""])[:2]
    return pd.DataFrame({"first": first, "second": second, "label": labels})


def _tabbed(file: Path, *, header: bool) -> pd.DataFrame:
    """A table of a release: no quoting; a row that is cut short lacks its last cells."""
    try:
        lines = file.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise BrainLensError(f"{file} cannot be read: {error}", remedy="Unpack it again") from None
    rows = [line.rstrip("\r").split("\t") for line in lines if line.strip()]
    names = rows.pop(0) if header and rows else range(max(map(len, rows), default=0))
    return pd.DataFrame(
        {name: [row[at] if at < len(row) else "" for row in rows] for at, name in enumerate(names)}
    )


def _labels(given: pd.Series, how: GlueSet) -> pd.Series:
    """Numbers of the hub; what is neither a known word nor a number is missing."""
    words = {word: str(number) for number, word in enumerate(how.released.classes)}
    return pd.to_numeric(given.replace(words), errors="coerce")


def _with_sentences(table: pd.DataFrame, how: GlueSet, part: str) -> pd.DataFrame:
    """Rows that have what they need: the whole sets have a few that do not."""
    whole = (table["first"].str.strip() != "") & table["label"].notna()
    if len(how.columns) > 1:
        whole &= table["second"].str.strip() != ""
    if whole.sum() < 0.9 * len(table) or not len(table):
        raise BrainLensError(
            f"{len(table) - int(whole.sum()):,} of {len(table):,} rows of {part} have an empty sentence or no label",
            remedy="Give the files as they are given out",
        )
    kept = table[whole].reset_index(drop=True)
    return kept if how.numeric else kept.astype({"label": int})


def _whole(files: list[Path], part: str) -> None:
    """All shards that the first one's name counts."""
    first = files[0].stem
    if "-of-" not in first:
        return
    wanted = int(first.rpartition("-of-")[2])
    if len(files) != wanted:
        raise BrainLensError(
            f"{files[0].parent} has {len(files)} of {wanted} files of {part}",
            remedy="Fetch the others too",
        )


def _columns(table: pd.DataFrame, columns: Sequence[str], label: str) -> pd.DataFrame:
    second = _words(table[columns[1]]) if len(columns) > 1 else ""
    made = pd.DataFrame({"first": _words(table[columns[0]]), "second": second, "label": table[label]})  # fmt: skip
    empty = (made["first"].str.strip() == "") | made["label"].isna()
    if len(columns) > 1:
        empty |= made["second"].str.strip() == ""
    if empty.any():
        raise BrainLensError(
            f"An empty sentence or no label: {plural(int(empty.sum()), 'row')}, first row {empty.to_numpy().argmax() + 1}",
            remedy="Fill them in, or leave these rows out",
        )
    return made.reset_index(drop=True)


def _words(column: pd.Series) -> pd.Series:
    """A column as text; a cell that holds nothing is an empty text, not the word nan and not a number."""
    return column.astype("string").fillna("").astype(str)


def labelled_table(path: str | Path) -> LabelledSet:
    """A table of one's own: ``text`` (and ``text2`` for pairs), ``label``, and ``split`` (train, test) where it has one.

    A text may be called ``sentence`` too, those of a pair ``sentence1`` and ``sentence2``, as in GLUE.

    Parameters
    ----------
    path : path
        CSV, TSV, Parquet or JSON lines. Labels that are all numbers with decimals, or more than twenty different numbers, are
        predicted as numbers (r); all others as classes (accuracy and macro F1).

    Raises
    ------
    BrainLensError
        For missing columns, empty cells, and a label with one value only.
    """
    table = _read(Path(path).expanduser())
    for name, as_in_glue in (("text", ("sentence", "sentence1")), ("text2", ("sentence2",))):
        other = next((one for one in as_in_glue if one in table), None)
        if name not in table and other:
            table = table.rename(columns={other: name})
    lacking = [name for name in ("text", "label") if name not in table]
    if lacking:
        raise BrainLensError(
            f"{Path(path).name} has no column {', '.join(lacking)}",
            choices=list(map(str, table.columns)),
            remedy="Name the columns text (and text2; or sentence, or sentence1 and sentence2), label and, if you have it, split",
        )
    made = _columns(table, ("text", "text2") if "text2" in table else ("text",), "label")
    numeric = pd.api.types.is_float_dtype(made["label"]) or (
        pd.api.types.is_numeric_dtype(made["label"]) and made["label"].nunique() > 20
    )
    if made["label"].nunique() < 2:
        raise BrainLensError(
            f"{Path(path).name}: every row has the label {made['label'].iloc[0]!r}",
            remedy="Give a label that varies",
        )
    metrics = ("pearson", "spearman") if numeric else ("accuracy", "macro-f1")
    if "split" not in table:
        return LabelledSet(Path(path).stem, made, {}, metrics, bool(numeric))
    part = table["split"].astype(str).str.strip().str.lower()
    known = part.isin(("train", "test"))
    if not known.all():
        raise unknown("value of split", part[~known].iloc[0], ("train", "test"))
    tests = {"test": made[part == "test"].reset_index(drop=True)}
    if tests["test"].empty or (part == "test").all():
        raise BrainLensError(
            f"{Path(path).name}: split has no rows of {'test' if tests['test'].empty else 'train'}",
            remedy="Mark rows of both, or leave the column out",
        )
    return LabelledSet(Path(path).stem, made[part == "train"].reset_index(drop=True), tests, metrics, bool(numeric))  # fmt: skip


def minimal_pairs(path: str | Path) -> pd.DataFrame:
    """Pairs of sentences, one of which is good: a file or a folder of files.

    Parameters
    ----------
    path : path
        ``.jsonl`` in the form of BLiMP (``sentence_good``, ``sentence_bad``, ``UID``), or CSV, TSV or Parquet with the columns
        ``good`` and ``bad`` and, for several sets, ``set``. Of a folder all such files, each a set unless its rows name theirs.

    Returns
    -------
    pandas.DataFrame
        set, good, bad.

    Raises
    ------
    BrainLensError
        For missing columns, empty sentences, and pairs of equal sentences.
    """
    path = Path(path).expanduser()
    folder = may_be_named(path) and path.is_dir()
    files = sorted(f for f in path.glob("*") if f.suffix in _READERS) if folder else [path]
    if not files:
        raise BrainLensError(
            f"{path} holds no pairs", choices=tuple(_READERS), remedy="Give files that end in one of these"
        )  # fmt: skip
    frames = []
    for file in files:
        table = _read(file)
        table = table.rename(columns={"sentence_good": "good", "sentence_bad": "bad", "UID": "set"})
        lacking = [name for name in ("good", "bad") if name not in table]
        if lacking:
            raise BrainLensError(
                f"{file.name} has no column {', '.join(lacking)}",
                choices=list(map(str, table.columns)),
                remedy="Name the columns good and bad, or sentence_good and sentence_bad",
            )
        if "set" not in table:
            table = table.assign(set=file.stem)
        frames.append(_whole_pairs(table[["set", "good", "bad"]].apply(_words), file.name))
    return pd.concat(frames, ignore_index=True)


def paraphrases(path: str | Path) -> dict[str, str]:
    """Sentences in other words: a table with ``text`` and ``paraphrase``.

    Parameters
    ----------
    path : path
        CSV, TSV, Parquet or JSON lines.

    Returns
    -------
    dict
        Text -> paraphrase, both without blanks at their ends.

    Raises
    ------
    BrainLensError
        For missing columns, empty cells, and a text with two paraphrases.
    """
    path = Path(path).expanduser()
    table = _read(path)
    lacking = [name for name in ("text", "paraphrase") if name not in table]
    if lacking:
        raise BrainLensError(
            f"{path.name} has no column {', '.join(lacking)}",
            choices=list(map(str, table.columns)),
            remedy="Name the columns text and paraphrase",
        )
    table = table[["text", "paraphrase"]].apply(_words).apply(lambda column: column.str.strip())
    empty = (table == "").any(axis=1)
    if empty.any():
        raise BrainLensError(
            f"{path.name}: {int(empty.sum())} rows have an empty cell, first: row {empty.to_numpy().argmax() + 1}",
            remedy="Fill them in, or leave these rows out",
        )
    twice = table.drop_duplicates()["text"].duplicated()
    if twice.any():
        name = table.drop_duplicates()["text"][twice].iloc[0]
        raise BrainLensError(
            f"{path.name}: {name!r} has two paraphrases", remedy="Give one for each text"
        )
    return dict(zip(table["text"], table["paraphrase"], strict=True))


def _whole_pairs(pairs: pd.DataFrame, name: str) -> pd.DataFrame:
    """Pairs of one file, none of them empty or of equal sentences."""
    empty = (pairs["good"].str.strip() == "") | (pairs["bad"].str.strip() == "")
    equal = pairs["good"] == pairs["bad"]
    if empty.any() or equal.any():
        wrong, what = (empty, "an empty sentence") if empty.any() else (equal, "two equal sentences")  # fmt: skip
        raise BrainLensError(
            f"{name}: {plural(int(wrong.sum()), 'pair')} with {what}, first: row {wrong.to_numpy().argmax() + 1}",
            remedy="Correct or leave out these rows",
        )
    return pairs


def _json_lines(path: Path) -> pd.DataFrame:
    rows = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    return pd.DataFrame([json.loads(line) for line in rows])


_READERS = {
    ".csv": lambda path: pd.read_csv(path, keep_default_na=False, na_values=[""]),
    ".tsv": lambda path: pd.read_csv(path, sep="\t", keep_default_na=False, na_values=[""]),
    ".parquet": read_parquet,
    ".jsonl": _json_lines,
}


def _read(path: Path) -> pd.DataFrame:
    if path.suffix.lower() not in _READERS:
        raise unknown("file type", path.suffix, _READERS, remedy="Give a file that ends in one of these")  # fmt: skip
    if not may_be_named(path) or not path.is_file():
        raise BrainLensError(f"There is no file {path}", remedy="Check the path")
    try:
        table = _READERS[path.suffix.lower()](path)
    except (OSError, ValueError, UnicodeDecodeError) as error:
        raise BrainLensError(
            f"{path.name} cannot be read: {error}", remedy="Check the file"
        ) from None
    if not len(table):
        raise BrainLensError(f"{path.name} has no rows", remedy="Give a table with rows")
    return table
