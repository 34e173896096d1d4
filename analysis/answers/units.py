"""Do the units that answer to language predict the brain? A map of units by a user's own contrast."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.answers.answer import Answer, decimal, interval, listed, p_value, plural
from analysis.answers.outcomes import lean
from analysis.features.activations import extract
from analysis.models import load
from analysis.models.architectures import anatomy
from analysis.models.transformer import TransformerModel
from analysis.models.variants.lesion import nonwords, select, sentences, t_map
from analysis.models.variants.maps import UnitMap, check_name, load_map, save_map
from analysis.progress import SILENT, Report
from analysis.protocol import Protocol
from analysis.scoring.case import as_recording
from analysis.scoring.folds import fit_parts, runs
from analysis.scoring.lock import require_open
from analysis.scoring.summary import interval as ends
from analysis.scoring.summary import summarise
from analysis.store.store import Store
from data.errors import BrainLensError
from data.recording import Recording

__all__ = ["localised", "make_map", "score_map", "score_units"]

FEWEST, MOST = 8, 5000  # texts of each kind
SHARES = (1.0, 5.0, 20.0)
"""Per cent of a map's units that are scored."""


def make_map(
    model: str,
    name: str,
    first: Sequence[str] = (),
    second: Sequence[str] = (),
    *,
    about: str = "",
    report: Report = SILENT,
) -> UnitMap:
    """Welch's t of every unit of every block, first texts above second ones, saved under a name.

    Parameters
    ----------
    model : str
        A transformer.
    name : str
        Under which it can be cut out: ``@lesion:map-NAME:1``.
    first, second : sequence of str
        Texts of the two kinds; none: 96 sentences against as many strings of non-words.
    about : str
        The contrast in words.

    Raises
    ------
    BrainLensError
        For a name that cannot be one, fewer than eight texts of a kind or more than 5,000, and models without blocks of
        their own.
    """
    check_name(name)
    first, second = list(first), list(second)
    if bool(first) != bool(second):
        raise BrainLensError("A contrast has two kinds of texts", remedy="Give both, or neither")
    if not first:
        first = sentences()
        second, about = nonwords(first), about or "sentences above non-words"
    if min(len(first), len(second)) < FEWEST:
        raise BrainLensError(
            f"{min(len(first), len(second))} texts of a kind are too few for a t value of each unit",
            remedy=f"Give {FEWEST} or more of each",
        )
    reader = load(model, report=report)
    if not isinstance(reader, TransformerModel):
        raise BrainLensError(
            f"{reader.id} is {reader.card.kind_of_model}, and its units stand in no blocks",
            remedy="Pick a transformer",
        )
    if max(len(first), len(second)) > MOST:
        raise BrainLensError(
            f"{max(len(first), len(second)):,} texts of a kind are more than the {MOST:,} that a map is made of",
            remedy="Give fewer: a few hundred of each tell the units apart",
        )
    report.step(0, 1, "units")
    body = reader.module
    t = t_map(body, anatomy(body), reader.tokenizer, first, second)
    made = UnitMap(name, model, t, len(first), len(second), about)
    save_map(made)
    return made


def localised(name: str, percent: float = 5.0) -> Answer:
    """The units that answer most to the first texts of a map, and how many of them each block has.

    Returns
    -------
    Answer
        ``frame``: block, unit, t, the largest t first. ``facts["blocks"]``: block, units (localised), of, share (per cent),
        largest (t).
    """
    found = load_map(name)
    chosen = select(found.t, "language", percent)
    block, unit = np.nonzero(chosen)
    frame = pd.DataFrame({"block": block + 1, "unit": unit, "t": found.t[chosen]})
    frame = frame.sort_values("t", ascending=False, ignore_index=True)
    count, width = chosen.sum(axis=1), found.t.shape[1]
    blocks = pd.DataFrame({"block": np.arange(1, len(count) + 1), "units": count, "of": width,
                           "share": 100 * count / width, "largest": found.t.max(axis=1)})  # fmt: skip
    top = int(count.max())
    most = [str(at + 1) for at in np.flatnonzero(count == top)]
    where = (
        f"block {most[0]} has the most, {top} of its {width}"
        if len(most) == 1
        else f"blocks {listed(most)} have the most, {top} of {width} each"
    )
    about = found.about or "the first texts"
    sentence = (
        f"Of the {plural(int(chosen.sum()), 'unit')} of {found.model} that answer most to {about} (t of "
        f"{found.t[chosen].min():.1f} or more), {where}."
    )
    caption = (
        f"Map {name}: Welch's t of each unit, {found.first} texts against {found.second}, mean over tokens; the largest "
        f"{percent:g} % over all blocks together. That a unit answers is no proof that it is needed: it is cut out beside."
    )
    return Answer(frame, sentence, caption, facts={"blocks": blocks})


def score_map(
    name: str,
    recording: Recording | str,
    protocol: Protocol | str = "defended",
    *,
    percents: Sequence[float] = SHARES,
    seeds: int = 5,
    store=None,
    report: Report = SILENT,
) -> Answer:
    """:func:`score_units` at several sizes.

    Returns
    -------
    Answer
        ``frame``: percent, units (localised, others), seed, n, r, r_low, r_high. ``facts["p"]``: of each size.
    """
    done, frames = {}, []
    for percent in percents:
        done[percent] = one = score_units(
            name, recording, protocol, percent=percent, seeds=seeds, store=store, report=report
        )
        frames.append(one.frame.assign(percent=percent))
    frame = pd.concat(frames, ignore_index=True)
    found, told = load_map(name), []
    for percent, one in done.items():
        own, others = one.frame.iloc[0], one.frame.iloc[1:]["r"]
        told.append(
            f"{percent:g} % r = {decimal(own['r'])} {interval(own['r_low'], own['r_high'])}, as many others of the same blocks "
            f"{decimal(others.mean())} ({p_value(one.facts['p'], 2)})"
        )
    sentence = (
        f"What the units of {found.model} that answer most to {found.about or 'the first texts'} predict of "
        f"{as_recording(recording).id}: {'; '.join(told)}."
    )
    caption = (
        f"Per cent of all units, over all blocks together, as one set of features; {plural(seeds, 'draw')} of others. p counts "
        "draws, and the localised units, that predict as well or better: it is never below 1 / (draws + 1)."
    )
    facts = {"p": {percent: one.facts["p"] for percent, one in done.items()}}
    return Answer(frame, sentence, caption, facts=facts)


def score_units(
    name: str,
    recording: Recording | str,
    protocol: Protocol | str = "defended",
    *,
    percent: float = 1.0,
    seeds: int = 5,
    store=None,
    report: Report = SILENT,
) -> Answer:
    """How well the localised units of a map predict a recording, against as many others of the same blocks.

    Parameters
    ----------
    name : str
        Of a saved map.
    percent : float
        Of all units.
    seeds : int
        Draws of other units.

    Returns
    -------
    Answer
        ``frame``: units (localised, others), seed, n, r, r_low, r_high.
    """
    found, protocol, recording = load_map(name), lean(protocol), as_recording(recording)
    reader = load(found.model, report=report)
    if found.t.shape != (reader.n_layers - 1, reader.widths[-1]):
        raise BrainLensError(
            f"The map {name!r} has {found.t.shape} blocks and units, and {reader.id} {reader.n_layers - 1, reader.widths[-1]}",
            remedy="Make it again: brainlens units map",
        )
    require_open(reader, recording, protocol, store or Store())
    numbers = list(range(1, reader.n_layers))
    read = extract(reader, recording.reading(), protocol, numbers, store=store, report=report)
    (run,) = runs(recording, protocol)
    asked = [("localised", 0, "language")] + [("others", seed, "matched") for seed in range(seeds)]
    rows = []
    for at, (what, seed, rule) in enumerate(asked):
        report.step(at, len(asked), "sets of units")
        chosen = select(found.t, rule, percent, seed)
        x = np.concatenate(
            [read.layer(block + 1)[:, own] for block, own in enumerate(chosen) if own.any()], axis=1
        )
        fit = fit_parts(x, recording, protocol, run.parts, report, draws=True)
        r = summarise(fit.r.values, fit.part.values, recording.subjects, protocol)
        low, high = ends(fit)
        rows.append(
            {
                "units": what,
                "seed": seed,
                "n": int(chosen.sum()),
                "r": r,
                "r_low": low,
                "r_high": high,
            }
        )
    frame = pd.DataFrame(rows)
    own, others = frame.iloc[0], frame.iloc[1:]["r"]
    above = int((others >= own["r"]).sum())
    p = (1 + above) / (len(others) + 1)
    sentence = (
        f"The {plural(int(own['n']), 'unit')} of {found.model} that answer most to {found.about or 'the first texts'} predict "
        f"{recording.id} with r = {decimal(own['r'])} {interval(own['r_low'], own['r_high'])}; as many others of the same blocks "
        f"with {decimal(others.mean())} ({decimal(others.min())} to {decimal(others.max())} over {plural(len(others), 'draw')}; "
        f"{p_value(p, 2)})."
    )
    caption = (
        f"{percent:g} % of all units, over all blocks together, as one set of features; {found.first} texts against "
        f"{found.second}. "
        "p counts draws, and the localised units, that predict as well or better."
    )
    return Answer(frame, sentence, caption, facts={"p": p})
