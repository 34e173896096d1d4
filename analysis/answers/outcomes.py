"""What a model is worth, three ways: brain score, bits per byte, and what its surprisal adds to reading times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

import numpy as np
import pandas as pd
import xarray as xr

from analysis.answers.kept import Kept, here
from analysis.features.activations import extract
from analysis.features.divergence import next_piece_kl
from analysis.features.perplexity import evaluate
from analysis.features.surprisal import word_surprisal
from analysis.models import load
from analysis.models.variants.wired import progress_to
from analysis.progress import SILENT, Report
from analysis.protocol import Protocol, preset
from analysis.reading.delta_ll import add_spillover, delta_log_likelihood
from analysis.reading.frame import word_frame
from analysis.reading.run import BASE, SPILLOVER
from analysis.reading.source import corpus as as_corpus
from analysis.scoring.case import as_recording
from analysis.scoring.folds import fit_parts, runs
from analysis.scoring.keys import cell_numbers, score_key
from analysis.scoring.lock import require_open
from analysis.scoring.summary import choose_layers, interval, summarise
from analysis.store.keys import content_key
from analysis.store.promises import Locked
from analysis.store.store import Store
from data.errors import BrainLensError
from data.filters import apply_filter
from data.recording import Recording

__all__ = [
    "LEAST_SEEDS",
    "MEASURES",
    "Outcome",
    "brain",
    "gain",
    "lean",
    "mean_over_seeds",
    "outcome",
    "stored_outcome",
]

CODE_VERSION = 1
LEAST_SEEDS = 3
"""With fewer nothing is claimed: two seeds have an interval, and next to no knowledge of their own spread."""

MEASURES = {
    "r": "Pearson r, held out, output layer",
    "r_nested": "Pearson r, held out, layer chosen inside",
    "bits_per_byte": "Bits per byte",
    "delta_ll": "Delta log-likelihood, nats per word",
    "kl": "KL to the whole model, nats per piece",
}
"""Column -> title of its axis."""


@dataclass(frozen=True)
class Outcome:
    """What one model gave.

    Parameters
    ----------
    model : str
        As it was asked for.
    r, r_low, r_high : float
        At the output layer, whatever the model is, with its bootstrap interval.
    r_nested : float
        Each fold with the layer chosen on its training rows.
    layers : tuple of float
        r of every layer.
    bits_per_byte, delta_ll, kl : float
        NaN where the model has none, or it was not asked for.
    why : dict
        Measure -> why there is none.
    """

    model: str
    r: float = np.nan
    r_low: float = np.nan
    r_high: float = np.nan
    r_nested: float = np.nan
    layers: tuple[float, ...] = ()
    bits_per_byte: float = np.nan
    delta_ll: float = np.nan
    kl: float = np.nan
    why: dict = field(default_factory=dict)

    @property
    def row(self) -> dict:
        """Its numbers by name."""
        names = ("r", "r_low", "r_high", "r_nested", "bits_per_byte", "delta_ll", "kl")
        return {name: getattr(self, name) for name in names}


def lean(protocol: Protocol | str) -> Protocol:
    """The protocol without what is not asked of a variant: one fold seed, no twin, no controls, no joint fit, no ceiling."""
    protocol = preset(protocol) if isinstance(protocol, str) else protocol
    return protocol.but(
        seeds=1,
        shuffled_twin=False,
        controls=(),
        unique=False,
        ceiling="none",
        layer="nested",
        bootstrap=min(protocol.bootstrap, 500),
    )


def outcome(
    model: str,
    recording: Recording | str = "simulated",
    protocol: Protocol | str = "defended",
    *,
    text: str = "",
    corpus: Recording | str = "",
    whole: str = "",
    store: Store | None = None,
    report: Report = SILENT,
) -> Outcome:
    """Brain score, bits per byte and delta log-likelihood of one model; what it cannot give is said and not an error.

    Parameters
    ----------
    model : str
        With its variant.
    text : str
        The words of which bits per byte and divergence are; empty: neither.
    corpus : str or Recording
        Reading times; empty: none.
    whole : str
        The model that the divergence is from; empty: none.
    """
    why: dict[str, str] = {}
    store, found, final = store or Store(), {}, True
    recording = as_recording(recording)
    with progress_to(report):
        reader = load(model, report=report)
        place = _place(reader, recording, protocol, text, corpus, whole, store)
        if (kept := place.find()) is not None:
            reader.close()
            return _told(model, kept)
        fitted = brain(reader, recording, protocol, store=store, report=report.inner())

        def tried(name: str, work) -> None:
            nonlocal final
            try:
                found[name] = float(work())
            except BrainLensError as error:
                why[name] = error.problem
                final = final and not isinstance(error, Locked)

        if text:
            tried(
                "bits_per_byte",
                lambda: evaluate(reader, text, store=store, report=report).bits_per_byte,
            )
        if whole and text:  # without a text there is nothing to diverge on
            tried(
                "kl", lambda: next_piece_kl(load(whole), reader, text, store=store, report=report)
            )
        if corpus:
            tried("delta_ll", lambda: gain(reader, corpus, store=store, report=report))
        reader.close()
    made = Outcome(model, why=why, **fitted, **found)
    if final:  # what is locked is asked for again
        place.keep(asdict(made))
    return made


def stored_outcome(
    model: str,
    recording: Recording | str = "simulated",
    protocol: Protocol | str = "defended",
    *,
    text: str = "",
    corpus: Recording | str = "",
    whole: str = "",
    store: Store | None = None,
) -> Outcome | None:
    """What :func:`outcome` gave before, or None; nothing is computed, loaded or fetched."""
    if here([model, *filter(None, [whole])]) is None:
        return None
    place = _place(
        load(model), as_recording(recording), protocol, text, corpus, whole, store or Store()
    )
    kept = place.find()
    return None if kept is None else _told(model, kept)


def _place(reader, recording, protocol, text, corpus, whole, store: Store) -> Kept:
    from_whole = (load(whole).identity,) if whole and text else ()
    asked = (recording, lean(protocol), text, corpus, ("outcome", CODE_VERSION, *from_whole))
    return Kept("outcome", [reader], *asked, store=store)


def _told(model: str, kept: dict) -> Outcome:
    return Outcome(**kept | {"model": model, "layers": tuple(kept["layers"])})


def brain(
    reader,
    recording: Recording | str,
    protocol: Protocol | str = "defended",
    *,
    store: Store | None = None,
    report: Report = SILENT,
) -> dict:
    """Brain scores of a reader under the lean protocol, from the store where they are there.

    Returns
    -------
    dict
        ``r``, ``r_low``, ``r_high`` (output layer), ``r_nested``, ``layers``.
    """
    store, recording, protocol = store or Store(), as_recording(recording), lean(protocol)
    require_open(reader, recording, protocol, store)
    key = content_key("outcome", CODE_VERSION, score_key(reader, recording, protocol))
    kept = store.load_score(key)
    if kept is None:
        (run,) = runs(recording, protocol)
        numbers = list(range(reader.n_layers))
        read = extract(reader, recording.reading(), protocol, numbers, store=store, report=report)
        fits = []
        for number in numbers:
            report.step(number, len(numbers), "layers scored")
            last = number == numbers[-1]
            fits.append(
                fit_parts(
                    read.layer(number),
                    recording,
                    protocol,
                    run.parts,
                    report,
                    draws=last,
                    choosing=True,
                )
            )
        own, parts = recording.subjects, fits[0].part.values
        chosen = choose_layers(np.stack([fit.inner.values for fit in fits]), own)
        nested = np.stack([fits[layer].r.values[fold] for fold, layer in enumerate(chosen)])
        low, high = interval(fits[-1])
        kept = xr.Dataset(
            {
                "layers": (
                    "layer",
                    [summarise(fit.r.values, parts, own, protocol) for fit in fits],
                ),
                "nested": ((), summarise(nested, parts, own, protocol)),
                "ends": ("end", [low, high]),
            }
        )
        store.save_score(key, kept, numbers=cell_numbers(reader, recording, protocol))
    values = kept["layers"].values
    return {
        "r": float(values[-1]),
        "r_low": float(kept["ends"].values[0]),
        "r_high": float(kept["ends"].values[1]),
        "r_nested": float(kept["nested"]),
        "layers": tuple(float(one) for one in values),
    }


def gain(
    reader,
    corpus: Recording | str,
    *,
    filter: str = "no-edges",
    among: np.ndarray | None = None,
    spillover: bool = True,
    store: Store | None = None,
    report: Report = SILENT,
) -> float:
    """Delta log-likelihood of a reader's surprisal, held out, mean over the recording's measures; nats per word.

    Parameters
    ----------
    among : ndarray of bool, shape (n_words,), optional
        Words that count; None: all.
    spillover : bool
        Surprisal of the words before is part of what is added, as in the lens Reading; without it only the word's own.
    """
    recording = as_corpus(corpus)
    require_open(reader, recording, Protocol(), store or Store())
    whole = word_frame(recording)
    edges = whole.table[["first_in_sentence", "last_in_sentence"]]
    kept = apply_filter(_with(recording, edges), filter)
    bits = word_surprisal(reader, recording, Protocol(), store=store, report=report)["surprisal"]
    if among is not None:
        bits = bits.where(among)
    frame = word_frame(kept, bits)
    columns = [*BASE, *(["surprisal"] if spillover else [])]
    table = add_spillover(frame.table, columns, "story", SPILLOVER)

    def lagged(name: str) -> list[str]:
        return [name, *(f"{name}_prev_{lag}" for lag in range(1, SPILLOVER + 1))]

    base = [column for name in BASE for column in lagged(name)]
    target = lagged("surprisal") if spillover else ["surprisal"]
    found = [
        delta_log_likelihood(table, name, base, target, folds="story").per_word
        for name in frame.measures
    ]
    return float(np.mean(found))


def _with(recording: Recording, columns: pd.DataFrame) -> Recording:
    from dataclasses import replace

    return replace(recording, stimuli=recording.stimuli.assign(**columns))


def mean_over_seeds(
    frame: pd.DataFrame, by: Sequence[str], measures: Sequence[str]
) -> pd.DataFrame:
    """Mean of each measure over the seeds of a group, with the t interval of the mean; one seed has none.

    Returns
    -------
    DataFrame
        ``by``, ``seeds``, and for every measure its mean, ``<measure>_low`` and ``<measure>_high``.
    """
    from scipy import stats

    rows = []
    for key, own in frame.groupby(list(by), sort=False, dropna=False):
        row = dict(zip(by, key, strict=True)) | {"seeds": len(own)}
        for name in measures:
            values = own[name].dropna().to_numpy(float)
            n = len(values)
            row[name] = values.mean() if n else np.nan
            reach = stats.t.ppf(0.975, n - 1) * values.std(ddof=1) / np.sqrt(n) if n > 1 else np.nan
            row |= {f"{name}_low": row[name] - reach, f"{name}_high": row[name] + reach}
        rows.append(row)
    return pd.DataFrame(rows)
