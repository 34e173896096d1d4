"""How alike are the geometries? RSA and CKA of every layer with the responses, without a fit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.features.activations import extract
from analysis.mapping.similarity import dissimilarity, linear_cka, rsa
from analysis.models import load
from analysis.progress import SILENT, Report
from analysis.protocol import Protocol
from analysis.scoring.in_time import followed
from analysis.scoring.lock import require_open
from analysis.store.store import Store
from data.catalog.catalog import recording as load_recording
from data.errors import BrainLensError
from data.recording import Recording

__all__ = ["complete", "layers_of", "similarities"]


def layers_of(
    model: str, recording: Recording, protocol: Protocol, *, store=None, report: Report = SILENT
) -> tuple[list[np.ndarray], list[int]]:
    """Features of every layer of a model for a recording, and the layers' numbers; a model without layers is refused.

    Those of a recording whose rows are moments are as the signal follows them (``protocol.hrf``), as in a score.
    """
    source = load(model)
    if not source.n_layers:
        raise BrainLensError(
            f"{model} has no layers: it gives probabilities of words only",
            remedy="Choose a model with layers, such as zoo-causal-400k",
        )
    require_open(source, recording, protocol, store or Store())
    numbers = list(range(source.n_layers))
    read = extract(source, recording.reading(), protocol, numbers, store=store, report=report)
    return [followed(read.layer(number), recording, protocol) for number in numbers], numbers


def complete(recording: Recording) -> tuple[np.ndarray, np.ndarray]:
    """Stimuli that have every response, of targets that were measured for half of the stimuli or more; both as masks.

    Raises
    ------
    BrainLensError
        Where there are fewer than four.
    """
    measured = np.isfinite(recording.responses.values)
    targets = measured.mean(axis=0) >= 0.5
    rows = np.asarray(
        measured[:, targets].all(axis=1) if targets.any() else np.zeros(len(measured), bool)
    )
    if rows.sum() < 4:
        raise BrainLensError(
            f"{int(rows.sum())} stimuli of {recording.id} have every response: too few for a geometry",
            remedy="Choose a recording, or one person of it, whose targets share their stimuli",
        )
    return rows, targets


def similarities(
    models: Sequence[str],
    recording: Recording | str,
    protocol: Protocol | None = None,
    *,
    distance: str = "correlation",
    store=None,
    report: Report = SILENT,
) -> pd.DataFrame:
    """RSA and debiased CKA of every layer with the responses.

    Parameters
    ----------
    models : sequence of str
    distance : str
        ``"correlation"`` or ``"euclidean"``, of features and responses alike.

    Returns
    -------
    pandas.DataFrame
        model, layer, rsa (Spearman over pairs of stimuli of different groups; of all where there are no groups), cka, n_stimuli,
        n_targets.

    Raises
    ------
    BrainLensError
        Where fewer than four stimuli have every response.

    Notes
    -----
    Stimuli and targets without a value are left out: targets measured for less than half of the stimuli first, then the stimuli
    that lack one of the others; of a story the samples that no word has reached yet. No interval: pairs of stimuli are not
    independent.
    """
    if isinstance(recording, str):
        recording = load_recording(recording)
    protocol = protocol or Protocol()
    rows, targets = complete(recording)
    responses = recording.responses.values[np.ix_(rows, targets)]
    groups = (
        recording.column(recording.group)[rows] if recording.group else np.arange(int(rows.sum()))
    )
    codes = pd.factorize(np.asarray(groups))[0]
    keep = codes[:, None] != codes if recording.group and len(set(codes)) > 1 else None
    space = dissimilarity(responses, distance=distance if responses.shape[1] > 2 else "euclidean")
    found = []
    for name in models:
        values, numbers = layers_of(name, recording, protocol, store=store, report=report)
        for number, features in zip(numbers, values):
            x = np.asarray(features, float)[rows]
            there = np.ptp(x, axis=1) > 0 if recording.sampled else np.ones(len(x), bool)
            both = np.ix_(there, there)
            x = x[there]
            own = rsa(
                dissimilarity(x, distance=distance if x.shape[1] > 2 else "euclidean"),
                space[both],
                keep=None if keep is None else keep[both],
            )
            alike = linear_cka(x, responses[there])
            found.append((name, number, own, alike, int(there.sum()), int(targets.sum())))
    return pd.DataFrame(found, columns=["model", "layer", "rsa", "cka", "n_stimuli", "n_targets"])
