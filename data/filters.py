"""Which measurements count, and what two versions of a recording do not share."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from data.errors import BrainLensError, unknown
from data.notes import FILTER, Note
from data.recording import Recording
from data.words import add_word_columns

__all__ = ["FILTERS", "Filter", "apply_filter", "compare_versions", "filtered"]


@dataclass(frozen=True)
class Filter:
    """Which reading times count.

    Parameters
    ----------
    shortest, longest : float or None
        Times must lie strictly between them, in ms.
    correct : int or None
        Questions that must be answered right, at least (people only).
    edges : bool
        Keep the first and the last word of a sentence.
    """

    shortest: float | None = None
    longest: float | None = None
    correct: int | None = None
    edges: bool = True


FILTERS = {
    "none": Filter(),
    "official": Filter(shortest=100.0, longest=3000.0, correct=5, edges=False),
    "times-only": Filter(shortest=100.0, longest=3000.0),
    "no-edges": Filter(edges=False),
}
"""Presets: ``official`` = 100 < RT < 3000 ms, more than 4 of 6 questions right, sentence-initial and -final words out."""


def apply_filter(recording: Recording, filter: str | Filter) -> Recording:
    """The recording with what a filter leaves out marked as missing, and counted in its notes; every word stays as context.

    Raises
    ------
    BrainLensError
        For an unknown preset, limits in ms on what is not in ms, or where nothing is left.
    """
    if isinstance(filter, str):
        if filter not in FILTERS:
            raise unknown("filter", filter, FILTERS)
        name, filter = filter, FILTERS[filter]
    else:
        name = "own"
    timed = filter.shortest is not None or filter.longest is not None
    if timed and recording.unit != "ms":
        raise BrainLensError(
            f"{recording.id}: the filter {name!r} needs reading times in ms, and these are {recording.kind} in {recording.unit}",
            choices=[
                key for key, one in FILTERS.items() if one.shortest is None and one.longest is None
            ],
            remedy='Choose one of these; where they are times in ms, say so ("unit": "ms" in the sidecar)',
        )
    values, notes = recording.responses.values.copy(), []

    def leave_out(mask: np.ndarray, what: str) -> None:
        count = int((mask & ~np.isnan(values)).sum())
        values[mask] = np.nan
        if count:
            notes.append(f"{count:,} {what}")

    for limit, mask, what in (
        (filter.shortest, values <= (filter.shortest or 0), "not above {:g} ms"),
        (filter.longest, values >= (filter.longest or 0), "not below {:g} ms"),
    ):
        if limit is not None:
            leave_out(mask, "times " + what.format(limit))
    if filter.correct is not None and "correct" in recording.responses.coords:
        poor = recording.responses["correct"].values.astype(float) < filter.correct
        leave_out(
            np.broadcast_to(poor, values.shape),
            f"times of {int(poor.sum())} people with fewer than {filter.correct} right answers",
        )
    if not filter.edges:
        edge = (
            recording.stimuli["first_in_sentence"] | recording.stimuli["last_in_sentence"]
        ).to_numpy()
        leave_out(
            np.broadcast_to(edge[:, None], values.shape),
            f"times of {int(edge.sum()):,} first and last words of sentences",
        )
    if np.isnan(values).all():
        raise BrainLensError(
            f"{recording.id}: the filter {name!r} leaves nothing",
            choices=FILTERS,
            remedy="Choose a wider filter",
        )
    if name == "none":
        return recording
    kept = np.flatnonzero(~np.isnan(values).all(axis=0))
    if len(kept) < recording.n_targets:
        notes.append(f"{recording.n_targets - len(kept)} targets of which nothing is left")
    responses = recording.responses.copy(data=values).isel(target=kept)
    note = f"filter {name}: left out " + (", ".join(notes) or "nothing")
    return replace(recording, responses=responses, notes=(*recording.notes, Note(note, FILTER)))


def filtered(recording: Recording, filter: str | Filter) -> Recording:
    """:func:`apply_filter` on any recording of words; the edges of sentences are found where its table does not say them.

    Raises
    ------
    BrainLensError
        Where its rows are not words.
    """
    if recording.scored_unit != "word":
        raise BrainLensError(
            f"{recording.id} has one response per {recording.scored_unit}; filters are for words that were read",
            remedy="Leave the filter out",
        )
    if "first_in_sentence" not in recording.stimuli.columns:
        label = recording.context or recording.group
        text = (
            recording.column(label).astype(str) if label else np.full(recording.n_stimuli, "text")
        )
        words = add_word_columns(recording.stimuli.assign(story=text, text=recording.texts))
        edges = words[["first_in_sentence", "last_in_sentence"]]
        recording = replace(
            recording,
            stimuli=recording.stimuli.assign(**{name: edges[name].to_numpy() for name in edges}),
        )
    return apply_filter(recording, filter)


def compare_versions(first: Recording, second: Recording) -> pd.DataFrame:
    """What differs between two versions of a recording, one row per stimulus and target where text or response is not the same.

    Returns
    -------
    pandas.DataFrame
        stimulus, target, text_first, text_second, first, second, delta (second - first); sorted as the first version. Stimuli
        or targets that only one version has show NaN on the other side.
    """
    ids = list(dict.fromkeys([*first.stimuli.index, *second.stimuli.index]))
    targets = list(dict.fromkeys([*first.responses.target.values, *second.responses.target.values]))
    frames = []
    for recording in (first, second):
        values = recording.responses.to_pandas().reindex(index=ids, columns=targets)
        texts = recording.stimuli["text"].reindex(ids)
        frames.append((values, texts))
    (one, text_one), (two, text_two) = frames
    table = pd.DataFrame(
        {
            "stimulus": np.repeat(np.array(ids, dtype=object), len(targets)),
            "target": np.tile(np.array(targets, dtype=object), len(ids)),
            "text_first": np.repeat(text_one.to_numpy(dtype=object), len(targets)),
            "text_second": np.repeat(text_two.to_numpy(dtype=object), len(targets)),
            "first": one.to_numpy(float).ravel(),
            "second": two.to_numpy(float).ravel(),
        }
    )
    table["delta"] = table["second"] - table["first"]
    same = (table["text_first"] == table["text_second"]) & (
        (table["first"] == table["second"]) | (table["first"].isna() & table["second"].isna())
    )
    return table[~same].reset_index(drop=True)
