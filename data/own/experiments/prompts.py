"""Transcripts of PsychLing-101 and Psych-201: one line of JSON per person, what the person did between ``<<`` and ``>>``."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd

from data.errors import BrainLensError
from data.limits import within
from data.own.archive import unpacking

__all__ = ["is_prompts", "prompt_trials"]

_TRIAL = re.compile(r"^\s*(?:trial|sentence|item|block)\s+(\d+)\b[:.]?", re.IGNORECASE)
_DONE = re.compile(r"<<(.*?)>>", re.DOTALL)
_END = r"(?=[\s.,;:!?)]|$)"
_QUOTED = re.compile(rf"‘(.*?)’{_END}|“(.*?)”|«(.*?)»|(?<!\w)\"(.*?)\"{_END}|(?<!\w)'(.*?)'{_END}")
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?")
_KEYS = ("text", "experiment")


def is_prompts(path: Path) -> bool:
    """Whether a file is one of transcripts: ``.jsonl``, alone or zipped, but for a table with one object per row."""
    name = path.name.lower()
    if not name.endswith(".jsonl") or not path.is_file():
        return name.endswith((".jsonl", ".jsonl.zip"))
    with open(path, "rb") as stream:
        head = stream.read(200_000)
    try:
        row = json.loads(head.partition(b"\n")[0])
    except ValueError:
        return True
    return not isinstance(row, dict) or b"<<" in head


def prompt_trials(path: Path) -> tuple[pd.DataFrame, list[str]]:
    """What every person did, one row per ``<<...>>``.

    Parameters
    ----------
    path : path-like
        ``prompts.jsonl`` or ``prompts.jsonl.zip``; every line an object with ``text``, ``participant_id`` (or ``participant``),
        ``experiment``, and perhaps ``rt``: a list of times in ms, one for each ``<<...>>``.

    Returns
    -------
    table : pandas.DataFrame
        person, trial, word_position, text (the last words in quotation marks before the answer), response or rt, and the other
        fields that hold one value (age, ...).
    notes : list of str

    Raises
    ------
    BrainLensError
        With the line, for what is no such transcript.
    """
    rows, empty, without = [], 0, 0
    for number, line in enumerate(_text(path).splitlines(), 1):
        if not line.strip():
            continue
        rows_of, lacking = _person(line, path.name, number)
        rows += rows_of
        without += lacking
        empty += not rows_of
    if not rows:
        raise BrainLensError(
            f"{path.name}: no words in quotation marks are followed by an answer <<...>>",
            remedy="Transcripts quote what was read, such as: Word 1: 'The' <<245>> ms; or use the tables in processed_data/",
        )
    table = pd.DataFrame(rows)
    notes = []
    if empty:
        notes.append(f"{empty} people have no answer in their transcript")
    if without:
        notes.append(f"{without:,} answers without words in quotation marks before them left out")
    if "response" in table and table["response"].isna().all():
        table = table.drop(columns="response")
    return table, notes


def _text(path: Path) -> str:
    if path.suffix.lower() != ".zip":
        return _decoded(path.read_bytes(), path.name)
    with unpacking(path) as packed:
        members = [one for one in packed.infolist() if one.filename.lower().endswith(".jsonl")]
        members = [one for one in members if not Path(one.filename).name.startswith(".")]
        if len(members) != 1:
            raise BrainLensError(
                f"{path.name} holds {len(members)} files of transcripts (.jsonl), not one",
                remedy="Unpack it and name one of them",
            )
        within(path, members[0].file_size)
        return _decoded(packed.read(members[0]), members[0].filename)


def _decoded(raw: bytes, name: str) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BrainLensError(
            f"{name} is not UTF-8 text: {error}", remedy="Save it as UTF-8"
        ) from None


def _person(line: str, file: str, number: int) -> tuple[list[dict], int]:
    try:
        said = json.loads(line)
    except json.JSONDecodeError as error:
        raise BrainLensError(
            f"{file}, line {number}: no JSON: {error}", remedy="Make it anew"
        ) from None
    who = None
    if isinstance(said, dict):
        who = next((said[key] for key in ("participant_id", "participant") if key in said), None)
    if who is None or not isinstance(said.get("text"), str):
        raise BrainLensError(
            f"{file}, line {number} lacks 'participant_id' or 'text'",
            choices=list(said) if isinstance(said, dict) else (type(said).__name__,),
            remedy="Each line is an object with text, experiment and participant_id",
        )
    fixed = {
        key: value
        for key, value in said.items()
        if isinstance(value, str | int | float)
        and key not in ("text", "participant_id", "participant", "rt")
    }
    times = said.get("rt", said.get("RT"))
    done = list(_DONE.finditer(said["text"]))
    if isinstance(times, list) and len(times) != len(done):
        raise BrainLensError(
            f"{file}, line {number}: {len(times)} times (rt) for {len(done)} answers <<...>> of {who}",
            remedy="Give one time for each answer, or leave rt out",
        )
    rows, lacking, trial, place, at = [], 0, 0, 0, 0
    for k, match in enumerate(done):
        between = said["text"][at : match.start()]
        at = match.end()
        named = [int(one[1]) for one in map(_TRIAL.match, between.splitlines()) if one]
        if named:
            trial, place = named[-1], 0
        quoted = [next(filter(None, one), "").strip() for one in _QUOTED.findall(between)]
        quoted = [one for one in quoted if one]
        if not quoted:
            lacking += 1
            continue
        place += 1
        answer, after = match[1].strip(), said["text"][match.end() : match.end() + 12].strip()
        timed = after.lower().startswith(("ms", "millisecond")) and _NUMBER.fullmatch(answer)
        rt = float(answer) if timed else times[k] if isinstance(times, list) else None
        rows.append({"person": str(who), "trial": trial or None, "word_position": place, "text": quoted[-1],
                     "response": None if timed else answer, "rt": rt, **fixed})  # fmt: skip
    if all(row["trial"] is None for row in rows):
        for count, row in enumerate(rows, 1):
            row["trial"], row["word_position"] = count, 1
    return rows, lacking
