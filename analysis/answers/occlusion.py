"""What is left when words are masked? Mapping fitted on whole stimuli, tested on occluded ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.answers.answer import Answer, listed, plural
from analysis.answers.kept import Kept, here
from analysis.answers.outcomes import LEAST_SEEDS, gain, lean, mean_over_seeds
from analysis.features.activations import extract
from analysis.features.perplexity import evaluate
from analysis.mapping.splits import within
from analysis.models import Model, load
from analysis.progress import SILENT, Report
from analysis.protocol import Protocol
from analysis.reading.source import corpus as as_corpus
from analysis.scoring.case import as_recording
from analysis.scoring.folds import fit_parts, runs
from analysis.scoring.lock import require_open
from analysis.scoring.metrics import pearson
from analysis.scoring.solver import cross_validate_under
from analysis.scoring.summary import choose_layers, summarise
from analysis.store.store import Store
from analysis.text.occlusion import masked
from analysis.text.passages import passages, words
from data.errors import BrainLensError
from data.recording import Recording
from data.shares import percent

__all__ = [
    "LEVELS",
    "MODELS",
    "Curve",
    "occlusion",
    "occlusion_curve",
    "stored_curve",
    "tested_changed",
]

CODE_VERSION = 1
LEVELS = (0, 10, 20, 30, 40, 50, 60, 70, 80, 90)
"""Per cent of masked words."""
MODELS = ("zoo-causal-1m", "zoo-masked-1m", "zoo-lstm-1m", "zoo-glove-64d")
"""A causal, a masked, a recurrent and a static model that ship."""


@dataclass(frozen=True)
class Curve:
    """One model over per cents of masked words.

    Parameters
    ----------
    model : str
    cls : str
        Class of the model.
    how : str
        What stands in place of a masked word.
    seed : int
    frame : pandas.DataFrame
        percent, r (output layer), r_nested (layer chosen on whole training stimuli), bits_per_byte, delta_ll, words (that the
        last is of).
    """

    model: str
    cls: str
    how: str
    seed: int
    frame: pd.DataFrame


def occlusion_curve(
    model: str,
    recording="simulated",
    protocol: Protocol | str = "defended",
    *,
    levels: Sequence[int] = LEVELS,
    how: str = "word",
    seed: int = 0,
    text: str = "",
    corpus="",
    store=None,
    report: Report = SILENT,
) -> Curve:
    """Mapping fitted on whole stimuli, tested on stimuli with words masked.

    Parameters
    ----------
    levels : sequence of int
        Per cent of masked words; masks are nested, so that words masked at one level are masked at all higher ones.
    text, corpus
        As for :func:`analysis.answers.outcomes.outcome`. Reading times are those of the words that no level masks, and what is
        added is the word's own surprisal, since the words before it are masked at some levels.
    """
    recording, store, protocol = as_recording(recording), store or Store(), lean(protocol)
    readers = [load(name) for name in _names(model, levels, how, seed)]
    for reader in readers:
        require_open(reader, recording, protocol, store)
    place = _place(readers, recording, protocol, levels, text, corpus, store)
    if (kept := place.find()) is not None:
        return _told(model, how, seed, kept)
    r, nested = tested_changed(
        [(reader, recording) for reader in readers], recording, protocol, store=store, report=report
    )
    rows = []
    among = _never_masked(corpus, levels, how, seed) if corpus else None
    for number, (level, reader) in enumerate(zip(levels, readers, strict=True)):
        report.step(number, len(levels), "levels of masking")
        row = {"percent": level, "r": r[number], "r_nested": nested[number]}
        row |= {"bits_per_byte": np.nan, "delta_ll": np.nan, "words": 0}
        if reader.card.rates_sentences and not reader.words_only:
            if text:
                row["bits_per_byte"] = evaluate(
                    reader, text, store=store, report=report
                ).bits_per_byte
            if among is not None and reader.card.predicts_words:
                row["delta_ll"] = gain(reader, corpus, among=among, spillover=False, store=store, report=report)  # fmt: skip
                row["words"] = int(among.sum())
        rows.append(row)
        reader.close()
    frame = pd.DataFrame(rows)
    told = {"class": readers[0].card.cls, "frame": frame.to_dict("list")}
    place.keep(told)
    return _told(model, how, seed, told)


def stored_curve(
    model: str,
    recording="simulated",
    protocol: Protocol | str = "defended",
    *,
    levels: Sequence[int] = LEVELS,
    how: str = "word",
    seed: int = 0,
    text: str = "",
    corpus="",
    store=None,
) -> Curve | None:
    """What :func:`occlusion_curve` gave before, or None; nothing is computed, loaded or fetched."""
    readers = here(_names(model, levels, how, seed))
    if readers is None:
        return None
    asked = (as_recording(recording), lean(protocol), levels, text, corpus, store or Store())
    kept = _place(readers, *asked).find()
    return None if kept is None else _told(model, how, seed, kept)


def _names(model: str, levels: Sequence[int], how: str, seed: int) -> list[str]:
    return [model if not level else f"{model}@mask:{level}:{how}:{seed}" for level in levels]


def _place(readers, recording, protocol, levels, text, corpus, store) -> Kept:
    asked = (recording, protocol, text, corpus, (CODE_VERSION, tuple(levels)))
    return Kept("curve", readers, *asked, store=store)


def _told(model: str, how: str, seed: int, kept: dict) -> Curve:
    return Curve(model, kept["class"], how, seed, pd.DataFrame(kept["frame"]))


def _never_masked(corpus, levels, how: str, seed: int) -> np.ndarray:
    """Words of a recording of words that stand at every level, in the order of its stimuli."""
    recording = as_corpus(corpus)
    stands = np.ones(recording.n_stimuli, bool)
    for one in passages(recording, Protocol().context):
        hidden = masked(one.text, max(levels), seed)
        places = words(one.text)
        starts = np.array([a for a, _ in places])
        for row, (a, b) in zip(one.rows, one.spans, strict=True):
            first, last = np.searchsorted(starts, a, side="right") - 1, np.searchsorted(starts, b)
            stands[row] = not hidden[max(first, 0) : last].any()
    return stands


def tested_changed(
    heard: Sequence[tuple[Model, Recording]],
    recording: Recording,
    protocol: Protocol,
    *,
    store: Store,
    report: Report = SILENT,
) -> tuple[list[float], list[float]]:
    """r of mappings that are fitted on whole stimuli and tested on changed ones.

    Parameters
    ----------
    heard : sequence of (Model, Recording)
        Who reads what: the whole first, then what is changed, in the model or in the texts.
    recording : Recording
        Whose responses are predicted.
    protocol : Protocol
        With one fold seed.

    Returns
    -------
    tuple of two lists
        r of each that is heard, at the output layer and at the layer chosen inside the whole training stimuli.

    Raises
    ------
    analysis.store.promises.Locked
        Where the number of a reader on this recording is locked.
    """
    for reader in dict.fromkeys(reader for reader, _ in heard):
        require_open(reader, recording, protocol, store)
    (run,) = runs(recording, protocol)
    levels = range(len(heard))
    numbers = list(range(heard[0][0].n_layers))
    if recording.sampled:
        raise BrainLensError(
            f"{recording.id}: its rows are samples of a run; words are masked and changed in stimuli of their own",
            remedy="Choose a recording of sentences",
        )
    read = [
        extract(reader, read, protocol, numbers, store=store, report=report)
        for reader, read in heard
    ]
    whole = [
        fit_parts(read[0].layer(n), recording, protocol, run.parts, report, choosing=True)
        for n in numbers
    ]
    chosen = choose_layers(np.stack([fit.inner.values for fit in whole]), recording.subjects)
    labels = whole[0].part.values
    found = {}
    for rule, layers in (("last", np.full(len(chosen), numbers[-1])), ("nested", chosen)):
        values = np.full((len(levels), len(chosen), recording.n_targets), np.nan)
        at = 0
        for part in run.parts:
            local = np.full(recording.n_stimuli, -1)
            local[part.rows] = np.arange(len(part.rows))
            y = recording.responses.values[part.rows]
            seen = np.flatnonzero(~np.isnan(y).all(axis=0))
            y, n = np.ascontiguousarray(y[:, seen]), len(part.rows)
            criterion, inner = within(part, protocol)
            for number, (train, test) in enumerate(part.folds):
                report.checkpoint()
                layer = int(layers[at + number])
                stacked = np.concatenate([one.layer(layer)[part.rows] for one in read])
                tested = [local[test] + n * level for level in range(len(levels))]
                inside = inner and [[(local[a], local[b]) for a, b in inner[number]]]
                fit = cross_validate_under(
                    protocol,
                    stacked,
                    np.concatenate([y] * len(levels)),
                    [(local[train], np.concatenate(tested))],
                    criterion=criterion,
                    inner_folds=inside,
                    predictions=True,
                    report=report,
                )
                for level, rows in enumerate(tested):
                    values[level, at + number, seen] = pearson(
                        y[local[test]], fit.predictions[0][rows]
                    )
            at += len(part.folds)
        found[rule] = [summarise(one, labels, recording.subjects, protocol) for one in values]
    return found["last"], found["nested"]


def occlusion(curves: Iterable[Curve]) -> Answer:
    """How much of each model's prediction is left when words are masked: models with context against a bag of words.

    Returns
    -------
    Answer
        ``frame``: model, class, how, percent, seeds, mean and t interval over seeds of r, share (of r with nothing masked),
        bits_per_byte, delta_ll; ``words``. ``facts``: ``seeds``, ``half`` (model -> per cent at which half of r is gone).
    """
    curves = list(curves)
    if not curves:
        raise BrainLensError("No curve to draw", remedy="Run a model first")
    single = []
    for one in curves:
        own = one.frame.assign(model=one.model, how=one.how, seed=one.seed)
        own["class"] = one.cls
        start = own.loc[own["percent"] == own["percent"].min(), "r"].iloc[0]
        single.append(own.assign(share=own["r"] / start if start > 0 else np.nan))
    single = pd.concat(single, ignore_index=True)
    values = ("r", "r_nested", "share", "bits_per_byte", "delta_ll")
    frame = mean_over_seeds(single, ("model", "class", "how", "percent"), values)
    frame["words"] = [
        int(
            single[(single["model"] == row.model) & (single["percent"] == row.percent)][
                "words"
            ].mean()
        )
        for row in frame.itertuples()
    ]
    half = {model: _half(own) for model, own in frame.groupby("model", sort=False)}
    middle = 50 if (frame["percent"] == 50).any() else int(frame["percent"].max())
    at = frame[frame["percent"] == middle]
    shares = listed(f"{percent(row.share)} of {row.model} ({row._2})" for row in at.itertuples())
    sentence = f"With {middle} % of the words masked there is left of r: {shares}."
    static = at[at["class"] == "embedding"]
    rest = at[at["class"] != "embedding"]
    if len(static) and len(rest):
        bag = static.loc[static["share"].idxmax()]  # both have an interval over seeds of the masks
        told = rest[np.minimum(rest["seeds"], bag["seeds"]) >= LEAST_SEEDS]
        more = [row.model for row in told.itertuples() if row.share_low > bag["share_high"]]
        less = [row.model for row in told.itertuples() if row.share_high < bag["share_low"]]
        sentence += (
            f" Against the bag of words ({percent(bag['share'])}): "
            + listed(
                filter(
                    None,
                    [
                        f"context completes in {listed(more)}" if more else "",
                        f"context loses more in {listed(less)}" if less else "",
                        "the rest cannot be told from it"
                        if len(more) + len(less) < len(rest)
                        else "",
                    ],
                )
            )
            + "."
        )
    seeds = plural(int(frame["seeds"].min()), "seed")
    caption = (
        "Mapping fitted on whole stimuli, tested on stimuli with masked words "
        f"({listed(dict.fromkeys(frame['how']))}); masks are nested and the same for all models. r is of the output layer; "
        f"{seeds} of the masks or more, t intervals over them; with fewer than {LEAST_SEEDS} no difference is claimed. "
        "Bits per byte are of the words that are not masked. Delta log-likelihood is of the words that no level masks, the "
        "word's own surprisal added to length and frequency of it and of the two words before."
    )
    return Answer(
        frame,
        sentence,
        caption,
        facts={"seeds": single, "half": half},
        axes={"x_title": "Masked words, per cent", "y_title": "Pearson r, held out, output layer"},
    )


def _half(own: pd.DataFrame) -> float:
    """Per cent of masked words at which half of r is gone, interpolated; NaN where it never is."""
    own = own.sort_values("percent")
    below = np.flatnonzero(own["share"].to_numpy() <= 0.5)
    if not len(below) or below[0] == 0:
        return float("nan")
    a, b = below[0] - 1, below[0]
    share, level = own["share"].to_numpy(), own["percent"].to_numpy(float)
    return float(level[a] + (share[a] - 0.5) / (share[a] - share[b]) * (level[b] - level[a]))
