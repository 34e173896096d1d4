"""What was understood of a story, drawn: words against samples, run by run."""

from __future__ import annotations

import numpy as np
import pandas as pd

from data.errors import BrainLensError
from data.recording import Recording

__all__ = ["drawn"]

BARS = " ▁▂▃▄▅▆▇█"
WIDTH = 60


def drawn(recording: Recording) -> str:
    """Runs, samples and words of a sampled recording in lines of text.

    Each run's line shows how many words fall into each part of it; what looks wrong stands below.

    Raises
    ------
    BrainLensError
        For a recording without times of words.
    """
    presentation = recording.presentation
    if presentation is None:
        raise BrainLensError(
            f"{recording.id} has no times of words", remedy="Choose a story recording"
        )
    table, words, step = recording.stimuli, presentation.words, presentation.interval
    people = recording.subjects
    lines = [
        f"{recording.id}: {table['run'].nunique()} runs, {len(table):,} samples of {step:g} s, {recording.n_targets:,} targets "
        f"of {0 if people is None else len(set(people))} people, {len(words):,} words"
    ]
    warnings = list(recording.notes)
    for run in pd.unique(table["run"]):
        samples = int((table["run"] == run).sum())
        mine = words[words["run"] == run]
        end, middle = samples * step, presentation.middle[(words["run"] == run).to_numpy()]
        if not len(mine):
            warnings.append(f"run {run}: no words")
            continue
        counts, _ = np.histogram(middle, bins=min(WIDTH, samples), range=(0, end))
        heights = np.ceil(counts / max(counts.max(), 1) * (len(BARS) - 1)).astype(int)
        lines += [
            f"run {run}: {samples} samples, 0 to {end:g} s; "
            f"words from {mine['onset'].iloc[0]:g} to {mine['offset'].iloc[-1]:g} s",
            f"  |{''.join(BARS[height] for height in heights)}|",
        ]
        before, after = int((middle < 0).sum()), int((middle >= end).sum())
        if before + after:
            warnings.append(
                f"run {run}: {before} words before the first sample and {after} after the last have no signal"
            )
        onset, offset = mine["onset"].to_numpy(float), mine["offset"].to_numpy(float)
        overlapping = int((onset[1:] < offset[:-1] - 1e-6).sum())
        if overlapping:
            warnings.append(
                f"run {run}: {overlapping} words begin before the word before them ends"
            )
        if (quiet := float(np.mean(counts == 0))) > 0.5:
            warnings.append(f"run {run}: no words in {quiet:.0%} of it")
    per_sample = len(words) * step / max(len(table) * step, 1e-9)
    lines.append(f"{per_sample:.1f} words a sample on average")
    return "\n".join(lines + [f"- {warning}" for warning in warnings])
