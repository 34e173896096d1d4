"""What a model explains of each single stimulus, out of fold; and the bits of each of its tokens."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from analysis.features.activations import activation_key
from analysis.features.controls import features, words
from analysis.features.surprisal import token_surprisals, window_of
from analysis.mapping.splits import make_folds
from analysis.models.catalog import card, load
from analysis.progress import SILENT, Report
from analysis.protocol import Protocol, preset
from analysis.scoring.case import Case, as_model
from analysis.scoring.cost import Cost, estimate
from analysis.scoring.keys import cell_numbers, score_key
from analysis.scoring.predictions import held_out
from analysis.scoring.verb import score
from analysis.store.store import Store
from analysis.text.alignment import joined, partition
from analysis.text.passages import passages
from analysis.text.passages import words as spans_of
from data.errors import BrainLensError, unknown
from data.recording import Recording

__all__ = [
    "Items",
    "about",
    "clusters",
    "explained",
    "item_values",
    "price",
    "refit_price",
    "token_bits",
]


@dataclass(frozen=True)
class Items:
    """What one model explains of each stimulus of a recording.

    Parameters
    ----------
    model, recording : str
    values : ndarray, shape (n_people, n_stimuli)
        Mean over a person's targets; one row where people are not known. NaN where a stimulus has no held-out response.
    people : tuple of str
    layers : tuple of int
        Layers that stand for the model, over folds.
    folds : str
        Rule of the folds, in words.
    n_folds : int
        How many there are of them, in the part that has fewest; an interval over stimuli alone is widened for them.
    """

    model: str
    recording: str
    values: np.ndarray
    people: tuple[str, ...]
    layers: tuple[int, ...]
    folds: str
    n_folds: int


def explained(responses: np.ndarray, predictions: np.ndarray, folds) -> np.ndarray:
    r"""What the predictions explain of each response, out of fold.

    .. math:: g_{iv} = \frac{(y_{iv} - \bar y_{f(i)v})^2 - (y_{iv} - \hat y_{iv})^2}
              {\frac{1}{n_v} \sum_j (y_{jv} - \bar y_{f(j)v})^2}

    with :math:`\bar y_{fv}` the mean response of target v over the training rows of fold f. The mean over stimuli is the
    out-of-sample R2 of the target; the difference between two models is the difference of their squared errors, in shares of the
    target's variance.

    Parameters
    ----------
    responses, predictions : ndarray, shape (n_stimuli, n_targets)
        NaN where not measured; predictions NaN where never tested.
    folds : list of (train, test)
        Each stimulus is tested once at most.

    Returns
    -------
    ndarray, shape (n_stimuli, n_targets)
        NaN where nothing was measured or tested, and for targets without variance.
    """
    base = np.full(responses.shape, np.nan)
    for train, test in folds:
        there = np.isfinite(responses[train])
        count = there.sum(axis=0)
        mean = np.where(there, responses[train], 0.0).sum(axis=0) / np.where(
            count > 0, count, np.nan
        )
        base[test] = (responses[test] - mean) ** 2
    error = (responses - predictions) ** 2
    both = np.isfinite(base) & np.isfinite(error)
    n = both.sum(axis=0)
    variance = np.where(both, base, 0.0).sum(axis=0) / np.where(n > 0, n, np.nan)
    return np.where(both, base - error, np.nan) / np.where(variance > 0, variance, np.nan)


def item_values(
    model, recording, protocol: Protocol | str = "defended", *, store=None, report: Report = SILENT
) -> Items:
    """What a model explains of each stimulus (:func:`explained`), under the first fold seed, each fold with its own layer.

    Parameters
    ----------
    model, recording, protocol
        As for :func:`analysis.score`, whose stored scores and activations are used where they are there.
    store : Store, optional
    report : Report
        Progress over folds, and cancel.

    Raises
    ------
    BrainLensError
        Where the protocol tests a stimulus more than once.
    """
    protocol = preset(protocol) if isinstance(protocol, str) else protocol
    if protocol.split == "shuffle-split":
        raise BrainLensError(
            f"The protocol {protocol.name} draws its test stimuli at random, some several times and some never",
            remedy="Choose a protocol that tests each stimulus once, such as defended",
        )
    case = Case.of(model, recording, protocol, store=store, report=report)
    recording, store, parts = case.recording, case.store, case.every[0].parts
    scored = score(case.source, recording, protocol, store=store, report=report.inner())
    first = scored.fold_layers[: sum(len(part.folds) for part in parts)]  # of the first fold seed
    people = (
        tuple(dict.fromkeys(map(str, recording.subjects)))
        if recording.subjects is not None
        else ("all",)
    )
    key = f"{case.key}-items"
    found = store.load_score(key)
    if found is None:
        values = _each(case.activations(first), first, recording, protocol, parts, report)
        found = xr.Dataset({"value": (("person", "stimulus"), _by_person(values, recording))})
        store.save_score(
            key,
            found.assign_attrs(model=scored.model, recording=recording.id, protocol=protocol.name),
            numbers=cell_numbers(case.source, recording, protocol),
        )
    return Items(
        scored.model,
        recording.id,
        found["value"].values,
        people,
        tuple(sorted(set(first))),
        scored.provenance["folds"],
        min(len(part.folds) for part in parts),
    )


def price(model: str, recording: Recording, protocol: Protocol, *, store=None) -> Cost:
    """What :func:`item_values` would cost where the score is stored; ``cached`` where its values are. Loads no weights.

    Notes
    -----
    The regressions of every fold once, each at the layer chosen for it: those of one layer of a score, without its twin. Where
    activations of a layer are not stored, the model reads again.
    """
    store, reader = store or Store(), load(model)
    if store.load_score(f"{score_key(reader, recording, protocol)}-items") is not None:
        return Cost(1, 1, 1, seconds=0.1)
    return refit_price(model, recording, protocol, store=store)


def refit_price(model: str, recording: Recording, protocol: Protocol, *, store=None) -> Cost:
    """What the predictions of a stored score would cost again: the regressions of every fold at the layer chosen for it."""
    store, facts, reader = store or Store(), card(model), load(model)
    read = (
        len(store.activations(activation_key(reader, recording, protocol)).complete())
        == reader.n_layers
    )
    parameters = facts.parameters_about
    seconds = estimate(facts, 0 if read else parameters, 0 if read else reader.n_layers, 1, max(reader.widths), recording,
                       protocol.but(shuffled_twin=False), window=None if read else getattr(reader, "window", None))  # fmt: skip
    return Cost(1, read=int(read), seconds=seconds, memory=0 if read else 6 * (parameters or 0))


def _each(
    held, fold_layers: list[int], recording: Recording, protocol: Protocol, parts, report: Report
) -> np.ndarray:
    """:func:`explained` of every response, mean over the parts it was measured in."""
    shape = recording.responses.shape
    sums, counts = np.zeros(shape), np.zeros(shape)
    for fitted in held_out(held, fold_layers, recording, protocol, parts, report):
        values = explained(fitted.responses, fitted.predictions, fitted.folds)
        place = np.ix_(fitted.rows, fitted.targets)
        sums[place] += np.nan_to_num(values)
        counts[place] += np.isfinite(values)
    return sums / np.where(counts > 0, counts, np.nan)


def _by_person(values: np.ndarray, recording: Recording) -> np.ndarray:
    subjects = recording.subjects
    groups = (
        [slice(None)] if subjects is None else [subjects == one for one in dict.fromkeys(subjects)]
    )
    rows = []
    for group in groups:
        mine = values[:, group]
        there = np.isfinite(mine)
        count = there.sum(axis=1)
        rows.append(np.where(there, mine, 0.0).sum(axis=1) / np.where(count > 0, count, np.nan))
    return np.stack(rows)


# ---- what the stimuli are -------------------------------------------------------------------------------------------------
def about(recording: Recording) -> pd.DataFrame:
    """What can be known of each stimulus without any response.

    Returns
    -------
    pandas.DataFrame
        item (id), text, length (words; letters where a stimulus is one word), frequency (mean Zipf frequency of the words),
        position (number inside its text, from 1), topic (where the recording has topics, stories or the like).
    """
    single = recording.scored_unit == "word"
    texts = recording.texts
    frame = pd.DataFrame({"item": list(map(str, recording.stimuli.index)), "text": texts})
    frame["length"] = [len("".join(words(text))) if single else len(words(text)) for text in texts]
    frame["frequency"] = features(recording, ("log-frequency",))["log-frequency"][:, 0]
    column = recording.context or recording.group
    inside = recording.column(column) if column is not None else np.zeros(len(frame), int)
    within = (
        recording.column(recording.within).astype(str)
        if recording.within
        else np.full(len(frame), "")
    )
    blocks = pd.Series([f"{a}|{b}" for a, b in zip(within, inside, strict=True)])
    frame["position"] = blocks.groupby(blocks).cumcount() + 1
    for name in ("topic", "story", "experiment", "sentence"):
        if name in recording.roles or name in recording.stimuli.columns:
            labels = recording.column(name).astype(str)
            if 2 <= len(set(labels)) < len(labels):
                frame["topic"] = labels
                break
    return frame


def clusters(recording: Recording, protocol: Protocol) -> tuple[np.ndarray, np.ndarray]:
    """What a bootstrap draws, per stimulus: the groups that are held out together, and the texts inside them."""
    groups = np.full(recording.n_stimuli, "", dtype=object)
    for part in make_folds(recording, protocol):
        for row in part.rows:
            groups[row] = f"{part.name}|{part.groups[row]}"
    for name in ("passage", recording.context):
        if name and (name in recording.roles or name in recording.stimuli.columns):
            inside = recording.column(name).astype(str)
            return groups, np.array(
                [f"{a}|{b}" for a, b in zip(groups, inside, strict=True)], dtype=object
            )
    return groups, groups


# ---- tokens over words -----------------------------------------------------------------------------------------------------
def token_bits(
    model,
    recording: Recording,
    item: str,
    protocol: Protocol | None = None,
    *,
    store=None,
    report: Report = SILENT,
) -> pd.DataFrame:
    """Surprisal of each word of one stimulus, and of the tokens it is made of, in bits.

    Returns
    -------
    pandas.DataFrame
        model, place (number of the word), word, bits (sum of its tokens, uncorrected; NaN where a token spans words),
        probability (2 to the minus bits), pieces (tokens with bars between them), tokens (each with its bits).

    Raises
    ------
    BrainLensError
        For an item that does not exist, and for a model without probabilities of the next word.
    """
    protocol = protocol or Protocol()
    ids = list(map(str, recording.stimuli.index))
    if item not in ids:
        raise unknown(f"item of {recording.id}", item, ids)
    model = as_model(model)
    row = ids.index(item)
    passage = next(one for one in passages(recording, protocol.context) if row in list(one.rows))
    start, end = passage.spans[list(passage.rows).index(row)]
    spans = [(a, b) for a, b in spans_of(passage.text) if a < end and b > start]
    tokens = token_surprisals(
        model, [passage.text], window=window_of(model, protocol), store=store, report=report
    )[0]
    rows, ranges = [], partition(passage.text, spans, tokens.offsets)
    shared = joined(ranges)
    for place, ((a, b), (first, last)) in enumerate(zip(spans, ranges, strict=True)):
        bits = tokens.nats[first:last] / np.log(2)
        pieces = [passage.text[max(x, a) : min(y, b)] for x, y in tokens.offsets[first:last]]
        said = " | ".join(
            f"{piece} {one:.1f}" for piece, one in zip(pieces, bits, strict=True)
        ).replace("nan", "?")
        total = float("nan") if shared[place] else float(bits.sum())
        rows.append({"model": model.id, "place": place + 1, "word": passage.text[a:b], "bits": total, "probability": 2.0**-total,
                     "pieces": "|".join(pieces), "tokens": said})  # fmt: skip
    return pd.DataFrame(rows)
