"""What names say: of a column, which part it plays; of a response, what was measured and in which unit."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import pandas as pd

from data.own.tables import squashed

__all__ = [
    "GUESSES",
    "REGION_NAMES",
    "WORD_TEXTS",
    "kind_of",
    "listed",
    "plain",
    "said_kind",
    "twins",
]

GUESSES: Mapping[str, tuple[str, ...]] = {
    "text": (
        *("text", "sentence", "sentences", "stimulus", "word", "words", "chunk", "token", "ia label"),
        *("sentence text", "stimulus text", "word text"),
    ),
    "responses": (
        *("response", "responses", "effect size", "rt", "mean rt", "mean rt ms", "reading time"),
        *("reading times", "reaction time", "reaction times", "rt ms", "log rt", "bold", "amplitude"),
    ),
    "group": (
        *("group", "topic", "passage category", "story", "story id", "text idx", "run"),
        *("text id", "passage id", "article", "document"),
    ),
    "context": (
        *("context", "passage", "passage id", "story", "story id", "text idx", "text id"),
        *("paragraph id", "article", "document"),
    ),
    "subject": (
        *("subject", "subject id", "subject uid", "participant", "participant id", "worker id"),
        *("subj", "subj id", "subj nr", "subject nr", "participant nr", "ppt", "ppt id", "reader"),
        *("person", "person id"),
        *("reader id", "sub", "recording session label", "prolific id", "md5 hash of participant s ip address"),
    ),
    "order": ("order", "presentation order", "word idx"),
    "target": ("target", "voxel", "voxel id", "roi", "electrode", "channel", "neuroid", "neuroid id", "parcel", "froi"),
    "repeat": ("repeat", "repetition", "presentation"),
    "id": ("stimulus id", "item id"),
}  # fmt: skip
"""Names that are plain enough to be taken without asking, however they are capitalised and joined."""

REGION_NAMES = ("region", "roi", "parcel", "network", "area", "froi", "hemisphere network")
"""Names of columns that say where a target lies."""

WORD_TEXTS = ("word", "words", "token", "ia label", "word text")
"""Names of columns of single words."""


def listed(names, most: int = 8) -> str:
    """The first few names, and how many more there are."""
    names = list(names)
    return ", ".join(map(str, names[:most])) + (
        f" and {len(names) - most} more" if len(names) > most else ""
    )


def plain(frame: pd.DataFrame, name: str) -> list[str]:
    """The columns called so, one that is written exactly so first.

    Examples
    --------
    >>> plain(pd.DataFrame(columns=["Word", "word"]), "word")
    ['word', 'Word']
    """
    wanted = squashed(name)
    found = [str(column) for column in frame.columns if squashed(column) == wanted]
    return sorted(found, key=lambda column: column != column.lower())


def twins(frame: pd.DataFrame, column: str) -> list[str]:
    """Other columns whose names differ in capitals and joints only, and that hold other cells."""
    return [
        str(other)
        for other in frame.columns
        if other != column
        and squashed(other) == squashed(column)
        and not frame[other].astype(str).equals(frame[column].astype(str))
    ]


# ---- what was measured ----------------------------------------------------------------------------------------------------
_EYES = (
    "gaze ffd gd gpt trt fpf fpp fprt rpd firstrun first_run firstpass first_pass firstfix first_fix first_fixation "
    "go_past gopast regression_path rightbound right_bounded dwell fixation fixations refix total_reading_time skip saccade"
)
_MEASURES = {
    "eye_tracking": _EYES,
    "eeg": "n400 p600 elan lan epnp pnp erp eeg meg uv microvolt alpha theta n1 p2 p3",
    "ecog": "ecog ieeg electrode seeg gamma high_gamma hgp",
    "fmri": "bold fmri beta betas voxel voxels roi froi parcel effect_size psc zstat tstat ifg ifgorb mfg mtg stg sts atl ptl "
    "temporal frontal parietal occipital temp amygdala hippocampus lh rh language network md dmn",
    "behaviour": "rating ratings rater raters slider accuracy acc cloze plausibility acceptability judgement judgment choice "
    "probability likert",
    "reading_times": "rt rts reading reading_time reaction_time spr ms latency",
}
_SCALP = re.compile(r"(Fp|AF|F|FC|FT|C|T|TP|CP|P|PO|O)(z|[1-9]\d?)")
"""An electrode of the 10-20 system: Cz, CP3; a row of P1, P2, ... may be people."""
_UNITS = {
    "reading_times": "ms",
    "eye_tracking": "ms",
}


def _tokens(name: str) -> str:
    """A name as ``_mean_item_rt_``: parted at capitals, digits and joints."""
    text = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", str(name))
    text = re.sub(r"(?<=[A-Z])(?=[A-Z][a-z])", "_", text)
    return "_" + re.sub(r"[\W_]+", "_", text).strip("_").lower() + "_"


def said_kind(name: str) -> str:
    """The kind of recording that the name of a response says, or "".

    Examples
    --------
    >>> said_kind("GazeDuration"), said_kind("meanItemRT"), said_kind("firstrun.dur"), said_kind("y")
    ('eye_tracking', 'reading_times', 'eye_tracking', '')
    """
    tokens = _tokens(name) + _tokens(re.sub(r"\d+$", "", str(name)))  # rater1, rt2
    for kind, words in _MEASURES.items():
        if any(f"_{word}_" in tokens for word in words.split()):
            return kind
    return (
        "eye_tracking" if re.match(r"_r?t?(firstpass|firstfix|gopast|rightbound)", tokens) else ""
    )


def kind_of(responses: Iterable[str]) -> tuple[str, str]:
    """Kind and unit that the names of the responses agree on; "" where they say nothing or different things."""
    responses = list(responses)
    scalp = [_SCALP.fullmatch(str(name)) for name in responses]
    if all(scalp) and (
        len({found[1] for found in scalp if found}) > 1
        or any(found[2] == "z" for found in scalp if found)
    ):
        return "eeg", ""
    kinds = {said_kind(name) for name in responses}
    if len(kinds) != 1 or kinds == {""}:
        return "", ""
    kind = kinds.pop()
    unit = _UNITS.get(kind, "")
    if unit and any("_log_" in _tokens(name) for name in responses):
        unit = "log ms"
    return kind, unit
