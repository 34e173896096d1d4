"""Reading times and other word-level measures: Natural Stories, the UCL corpus and tables of words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from data.catalog import catalog
from data.errors import BrainLensError, unknown
from data.filters import apply_filter
from data.notes import INFERRED, Note
from data.own.tables import numbers, read_table
from data.recording import Recording
from data.words import add_word_columns

__all__ = [
    "UCL_MEASURES",
    "VERSIONS",
    "gpt3_surprisal",
    "natural_stories",
    "realign",
    "ucl",
    "word_table",
]

VERSIONS = ("realigned", "as-released")


# ---- Natural Stories ------------------------------------------------------------------------------------------------------
def natural_stories(
    path: Path,
    *,
    people: Path | None = None,
    version: str = "realigned",
    filter: str = "none",
    **facts,
) -> Recording:
    """Self-paced reading of ten stories, 10,256 words (Futrell et al. 2021).

    Parameters
    ----------
    path : path-like
        ``processed_wordinfo.tsv``: mean time per word. It still has the old alignment: times stand one word too early.
    people : path-like, optional
        ``processed_RTs.tsv``: times per person, corrected in 2025; used instead of the means where it is given. Of a word that
        a person read twice the first time counts; the others are counted in the notes.
    version : str
        Of the means: ``"realigned"`` gives each word the time that stands at the word before it, ``"as-released"`` leaves them.
        The direction is inferred from the data (a word cannot be slowed by the word after it); no corrected mean
        file is published.
    filter : str
        One of :data:`FILTERS`.
    """
    table = (
        read_table(path, texts=("word",))
        .frame.sort_values(["item", "zone"], kind="stable")
        .reset_index(drop=True)
    )
    _contiguous(table, Path(path).name)
    words = pd.DataFrame(
        {
            "text": table["word"].astype(str),
            "story": table["item"].astype(str),
            "zone": table["zone"],
        }
    )
    words = add_word_columns(words)
    words.index = pd.Index(
        [f"{s}.{z}" for s, z in zip(words["story"], words["zone"])], name="stimulus"
    )
    common: dict[str, Any] = dict(
        kind="reading_times",
        unit="ms",
        scored_unit="word",
        context="story",
        group="story",
        roles={
            "passage": "story",
            "topic": "story",
            "paper_context": "story",
            "paper_group": "sentence",
            "paper_stratify": "sentence",
        },
        **facts,
    )
    if people is not None:
        recording = _people(Path(people), words, common)
    else:
        if version not in VERSIONS:
            raise unknown("version of natural-stories", version, VERSIONS)
        responses = xr.DataArray(
            table[["meanItemRT"]].to_numpy(float),
            dims=("stimulus", "target"),
            coords={
                "stimulus": words.index.to_numpy(),
                "target": np.array(["mean_rt"], dtype=object),
            },
        )
        words["readers"] = table["nItem"].to_numpy()
        recording = Recording(responses=responses, stimuli=words, averaged=True, **common)
        if version == "realigned":
            recording = realign(recording)
        else:
            recording = replace(
                recording,
                id=f"{recording.id}@as-released",
                notes=(
                    *recording.notes,
                    "as released: the time of a word stands at the word before it",
                ),
            )
    return apply_filter(recording, filter)


def realign(recording: Recording, *, by: int = 1, text: str = "story") -> Recording:
    """Move the responses ``by`` words later inside each text; what has no word any more, or no time, is counted.

    The first ``by`` words of a text are left without a time, the last ``by`` times without a word.
    """
    values = recording.responses.values
    moved = np.full_like(values, np.nan)
    texts = recording.column(text)
    for label in pd.unique(texts):
        rows = np.flatnonzero(texts == label)
        moved[rows[by:]] = values[rows[:-by]]
    count = len(pd.unique(texts)) * by
    note = (
        f"realigned: each time moved {by} word later inside its {text}, {count} times without a word left out; "
        "the direction is inferred from the data, no corrected mean file is published"
    )
    return replace(
        recording,
        responses=recording.responses.copy(data=moved),
        notes=(*recording.notes, Note(note, INFERRED)),
    )


def _people(path: Path, words: pd.DataFrame, common: dict) -> Recording:
    """Times per person: columns WorkerId, correct, item, zone, RT, word."""
    source = read_table(path, texts=("word", "WorkerId"))
    table = source.frame
    needed = ["WorkerId", "item", "zone", "RT"]
    if missing := [c for c in needed if c not in table.columns]:
        raise BrainLensError(
            f"{path.name} has no columns {missing}",
            choices=table.columns,
            remedy="Fetch it again: it is another file",
        )
    places = {name: numbers(source, name) for name in ("item", "zone")}
    for name, values in places.items():
        wrong = np.flatnonzero(values % 1 != 0)  # NaN too
        if len(wrong):
            raise BrainLensError(
                f"{path.name}: {len(wrong):,} rows have no whole number as {name} ({source.places(wrong)})",
                remedy="Fetch the file again",
            )
    row_of = pd.Series(np.arange(len(words)), index=words.index)
    rows = row_of.reindex(
        [f"{i:.0f}.{z:.0f}" for i, z in zip(places["item"], places["zone"])]
    ).to_numpy()
    left = int(np.isnan(rows).sum())
    known = ~np.isnan(rows)
    times = numbers(source, "RT")[known]
    table, rows = table[known], rows[known].astype(int)
    if "word" in table.columns:
        other = table["word"].astype(str).str.strip().to_numpy() != words["text"].to_numpy()[rows]
        if other.mean() > 0.02:
            first = int(np.flatnonzero(other)[0])
            raise BrainLensError(
                f"{path.name}: {int(other.sum()):,} of {len(other):,} words are not the corpus's, first "
                f"{table['word'].iloc[first]!r} where {words['text'].iloc[rows[first]]!r} stands",
                remedy="Fetch the file of the same version as the words",
            )
    people, names = pd.factorize(table["WorkerId"].astype(str))
    values = np.full((len(words), len(names)), np.nan)
    again = pd.DataFrame({"row": rows, "person": people}).duplicated().to_numpy()
    values[rows[~again], people[~again]] = times[~again]
    coords = {
        "stimulus": words.index.to_numpy(),
        "target": np.array(names, dtype=object),
        "subject": ("target", np.array(names, dtype=object)),
    }
    if "correct" in table.columns:
        coords["correct"] = ("target", table.groupby(people)["correct"].first().to_numpy(float))
    notes = [f"{len(names)} people, corrected alignment of 2025-05-12"]
    notes += [f"{left:,} times at unknown words left out"] if left else []
    if again.any():
        first = np.flatnonzero(again)[0]
        notes.append(
            f"{int(again.sum()):,} times left out because the person had read the word before, first that of "
            f"{names[people[first]]} at word {words.index[rows[first]]}"
        )
    return Recording(
        responses=xr.DataArray(values, dims=("stimulus", "target"), coords=coords),
        stimuli=words,
        notes=tuple(notes),
        **common,
    )


def _contiguous(table: pd.DataFrame, name: str) -> None:
    """Zones of every story run 1, 2, 3, ... without a gap or a repetition."""
    for story, zones in table.groupby("item")["zone"]:
        expected = np.arange(1, len(zones) + 1)
        wrong = np.flatnonzero(zones.to_numpy() != expected)
        if len(wrong):
            raise BrainLensError(
                f"{name}: story {story} has word {zones.iloc[wrong[0]]} where word {expected[wrong[0]]} should stand",
                remedy="Fetch the file again: words are missing or doubled",
            )


NAMED_EXCEPTIONS = {("2", 749): ("peaked", "peeked")}
"""Words that the corpus and its GPT-3 probabilities spell differently: (story, zone) -> (corpus, probabilities)."""


def gpt3_surprisal(
    path: Path | None = None,
    words: pd.DataFrame | None = None,
    *,
    id: str = "natural-stories-gpt3",
    **_facts,
) -> pd.Series:
    """Surprisal in bits of each word under GPT-3, from the corpus's ``all_stories_gpt3.csv``; NaN for the first word of a story.

    Parameters
    ----------
    path : path-like, optional
        The file; None: looked up in the catalogue.
    words : pandas.DataFrame, optional
        Columns ``text``, ``story``, ``zone``, as the stimuli of :func:`natural_stories`; None: those of ``natural-stories``.

    Raises
    ------
    BrainLensError
        Where a word is not the corpus's word and not in :data:`NAMED_EXCEPTIONS`.
    """
    path = catalog.paths(id)[0] if path is None else path
    known = catalog.recording("natural-stories").stimuli if words is None else words
    table = read_table(path, texts=("token",)).frame
    bits = pd.Series(np.nan, index=known.index)
    for story, tokens in table.groupby("story", sort=True):
        here = known[known["story"] == str(int(story) + 1)]
        text = "".join(tokens["token"].astype(str))
        spans = [match.span() for match in re.finditer(r"\S+", text)]
        if len(spans) != len(here):
            raise BrainLensError(
                f"{Path(path).name}: story {story + 1} has {len(spans)} words, the corpus {len(here)}",
                remedy="Fetch both again",
            )
        for (start, end), (index, row) in zip(spans, here.iterrows()):
            found, expected = text[start:end], row["text"]
            if found != expected and NAMED_EXCEPTIONS.get((row["story"], row["zone"])) != (
                expected,
                found,
            ):
                raise BrainLensError(
                    f"{Path(path).name}: word {index} is {found!r}, the corpus says {expected!r}",
                    remedy="Fetch both again",
                )
        ends = np.cumsum(tokens["token"].str.len().to_numpy())
        first_letter = ends - tokens["token"].str.lstrip().str.len().to_numpy()
        word = np.searchsorted([start for start, _ in spans], first_letter, side="right") - 1
        nats = -pd.to_numeric(tokens["logprob"], errors="coerce").to_numpy()
        total = np.zeros(len(spans))
        np.add.at(total, word, nats)  # NaN where a token of the word has no probability
        bits.loc[here.index] = total / np.log(2)
    return bits


# ---- UCL ------------------------------------------------------------------------------------------------------------------
UCL_MEASURES = {
    "erp": (
        {
            "ELAN": "elan",
            "LAN": "lan",
            "N400": "n400",
            "EPNP": "epnp",
            "P600": "p600",
            "PNP": "pnp",
        },
        "eeg",
        "a.u.",
    ),
    "eye": (
        {
            "RTfirstfix": "first_fixation",
            "RTfirstpass": "first_pass",
            "RTrightbound": "right_bounded",
            "RTgopast": "go_past",
        },
        "eye_tracking",
        "ms",
    ),
    "spr": ({"self_paced_reading_time": "self_paced"}, "reading_times", "ms"),
}
"""``{set: ({column: target}, kind, unit)}`` of the UCL corpus."""


def ucl(
    path: Path,
    *,
    measures: str = "spr",
    targets: Sequence[str] | str | None = None,
    filter: str = "none",
    **facts,
) -> Recording:
    """One set of measures of the UCL corpus: 205 sentences, means over people (Frank et al. 2013, 2015; de Varda et al. 2023).

    The table holds the words that were analysed; the other words of each sentence are added without a measurement, so that
    models read whole sentences.

    Parameters
    ----------
    measures : str
        ``"erp"``, ``"eye"`` or ``"spr"``.
    targets : str or list of str, optional
        Some of the set's targets, such as ``"n400"``.
    """
    if measures not in UCL_MEASURES:
        raise unknown("set of UCL measures", measures, UCL_MEASURES)
    columns, kind, unit = UCL_MEASURES[measures]
    targets = (
        list(columns.values())
        if targets is None
        else [targets]
        if isinstance(targets, str)
        else list(targets)
    )
    for target in targets:
        if target not in columns.values():
            raise unknown(f"target of ucl-{measures}", target, columns.values())
    table = read_table(path, texts=("word", "word2", "sentence", "item")).frame
    rows = []
    for number, text in sorted(dict(zip(table["sent_id"], table["sentence"])).items()):
        rows += [(int(number), i, word) for i, word in enumerate(text.split())]
    words = pd.DataFrame(rows, columns=["sentence", "position", "text"])
    measured = table.set_index(["sent_id", "context_length"])
    word_at = dict(zip(zip(words["sentence"], words["position"]), words["text"]))
    wrong = [key for key, word in measured["word"].items() if word_at.get(key) != word]
    if wrong:
        raise BrainLensError(
            f"{Path(path).name}: {len(wrong)} words are not where their sentence has them, first {wrong[0]}",
            remedy="Fetch the file again",
        )
    keys = pd.MultiIndex.from_arrays([words["sentence"], words["position"]])
    inverse = {target: column for column, target in columns.items()}
    values = np.column_stack(
        [measured[inverse[target]].reindex(keys).to_numpy(float) for target in targets]
    )
    words = add_word_columns(words, text="sentence")
    words["measured"] = ~np.isnan(values).all(axis=1)
    words.index = pd.Index(
        [f"{s}.{p}" for s, p in zip(words["sentence"], words["position"])], name="stimulus"
    )
    responses = xr.DataArray(
        values,
        dims=("stimulus", "target"),
        coords={"stimulus": words.index.to_numpy(), "target": np.array(targets, dtype=object)},
    )
    unmeasured = int((~words["measured"]).sum())
    notes = (
        *facts.pop("notes", ()),
        f"{unmeasured} words without a measurement are read as context only (among them every first word)",
    )
    recording = Recording(
        responses=responses,
        stimuli=words,
        kind=kind,
        unit=unit,
        scored_unit="word",
        context="sentence",
        group="sentence",
        averaged=True,
        notes=notes,
        **facts,
    )
    return apply_filter(recording, filter)


# ---- any table of words ---------------------------------------------------------------------------------------------------
WORD_COLUMNS = {
    "corpus": "corpus",
    "text": "text_idx",
    "word": "word",
    "time": "mean_rt_ms",
    "order": "word_idx",
}
"""Default columns of a table of words, one row per word."""


def word_table(
    path: str | Path,
    *,
    corpus: str | None = None,
    columns: Mapping[str, str] | None = None,
    filter: str = "none",
    kind: str = "reading_times",
    averaged: bool = True,
    **facts,
) -> Recording:
    """One corpus of a table with one row per word and its mean reading time.

    Parameters
    ----------
    corpus : str, optional
        Which corpus; needed where the table holds several.
    columns : mapping, optional
        Other names for the columns of :data:`WORD_COLUMNS`.

    Raises
    ------
    BrainLensError
        Naming the columns or corpora there are.
    """
    names = {**WORD_COLUMNS, **(columns or {})}
    source = read_table(path, texts=(names["word"],))
    table = source.frame
    for key in ("word", "text", "time"):
        if names[key] not in table.columns:
            raise unknown(f"{key} column of {Path(path).name}", names[key], table.columns)
    table = table.assign(**{names["time"]: numbers(source, names["time"])})
    if names["corpus"] in table.columns:
        corpora = list(pd.unique(table[names["corpus"]].astype(str)))
        if corpus is None and len(corpora) > 1:
            raise BrainLensError(
                f"{Path(path).name} holds {len(corpora)} corpora",
                choices=corpora,
                remedy="Name one (corpus=...)",
            )
        corpus = corpora[0] if corpus is None else corpus
        if corpus not in corpora:
            raise unknown(f"corpus of {Path(path).name}", corpus, corpora)
        table = table[table[names["corpus"]].astype(str) == corpus]
    if names["order"] in table.columns:
        table = table.sort_values([names["text"], names["order"]], kind="stable")
    words = pd.DataFrame(
        {
            "text": table[names["word"]].astype(str).str.strip(),
            "story": table[names["text"]].astype(str),
        }
    ).reset_index(drop=True)
    words = add_word_columns(words)
    words.index = pd.Index(
        [f"{s}.{p}" for s, p in zip(words["story"], words["position"])], name="stimulus"
    )
    responses = xr.DataArray(
        table[[names["time"]]].to_numpy(float),
        dims=("stimulus", "target"),
        coords={
            "stimulus": words.index.to_numpy(),
            "target": np.array([names["time"]], dtype=object),
        },
    )
    missing = int(np.isnan(responses.values).sum())
    notes = (
        *facts.pop("notes", ()),
        *([f"{missing:,} words without a time are read as context only"] if missing else []),
    )
    name = Path(path).name.split(".")[0] + (f"-{corpus}" if corpus else "")
    return apply_filter(
        Recording(
            id=facts.pop("id", name.replace("_", "-").lower()),
            responses=responses,
            stimuli=words,
            kind=kind,
            unit="ms",
            scored_unit="word",
            context="story",
            group="story",
            averaged=averaged,
            notes=notes,
            roles={"passage": "story", "topic": "story"},
            **facts,
        ),
        filter,
    )
