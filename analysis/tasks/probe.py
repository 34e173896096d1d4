"""What a frozen layer of a model knows of a labelled task."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from analysis.features.activations import extract
from analysis.models.base import Model
from analysis.progress import SILENT, Report
from analysis.protocol import Protocol
from analysis.tasks.head import fit_head, measured
from data.readers.tasks import LabelledSet
from data.recording import Recording

__all__ = ["SEEDS", "TRAINING", "ProbeScore", "features_of", "probe", "sentence_features"]

SEEDS = 3
TRAINING = 5000
"""Training rows at most: of a larger set as many are drawn, anew with each seed."""
DEVELOPMENT = 5000
"""Rows of a development part at most; the same for all models."""
FOLDS = 5


@dataclass(frozen=True)
class ProbeScore:
    """A model on a labelled task.

    Parameters
    ----------
    table : pandas.DataFrame
        seed, part, one column per metric, score (their mean), penalty.
    score, low, high : float
        Mean over seeds and parts; lowest and highest seed. Seeds draw the training rows and the rows that choose the penalty, or
        the folds; the interval is no interval over people or items.
    majority : float
        The same measures of a head that knows nothing (the most frequent label, the mean).
    n_train, n_test : int
    layer : int
    """

    name: str
    table: pd.DataFrame
    score: float
    low: float
    high: float
    majority: float
    n_train: int
    n_test: int
    layer: int


def sentence_features(
    model: Model, texts: list[str], layer: int, protocol: Protocol, *, store=None, report: Report = SILENT
) -> np.ndarray:  # fmt: skip
    """One layer of a model for sentences read alone, (n, n_units); through the store, each text once."""
    known = pd.Index(pd.unique(np.asarray(texts, object)))
    ids = [f"s{i}" for i in range(len(known))]
    read = Recording(
        "sentences",
        xr.DataArray(
            np.arange(float(len(known)))[:, None],
            dims=("stimulus", "target"),
            coords={"stimulus": ids, "target": ["row"]},
        ),
        pd.DataFrame({"text": known.to_numpy()}, index=ids),
        kind="behaviour",
    )  # fmt: skip
    made = extract(model, read, protocol.but(context="none"), [layer], store=store, report=report)
    return np.asarray(made.layer(layer), float)[known.get_indexer(np.asarray(texts, object))]


def features_of(table: pd.DataFrame, read) -> np.ndarray:
    """Features of a row: the sentence's, or of a pair u, v, |u - v| and u * v (Conneau et al. 2017)."""
    u = read(table["first"].tolist())
    if not (table["second"] != "").any():
        return u
    v = read(table["second"].tolist())
    return np.hstack([u, v, np.abs(u - v), u * v])


def probe(
    model: Model,
    task: LabelledSet,
    protocol: Protocol | None = None,
    *,
    layer: int | str = -1,
    seeds: int = SEEDS,
    store=None,
    report: Report = SILENT,
) -> ProbeScore:
    """A linear head on one frozen layer.

    Parameters
    ----------
    model : Model
    task : LabelledSet
    protocol : Protocol, optional
        Its pooling, attention, window and start count; default: the defended one.
    layer : int or str
        The last by default, as in the published table.
    seeds : int
        Of a task without a test part: of five folds.

    Raises
    ------
    BrainLensError
        For a model without layers, and tasks that are too small.
    """
    protocol = protocol or Protocol()
    number = model.layer_number(layer)
    tests = {part: _some(table, DEVELOPMENT, 0) for part, table in task.tests.items()}
    every = pd.concat([_pool(task, seeds), *tests.values()], ignore_index=True)
    texts = [*every["first"], *every.loc[every["second"] != "", "second"]]
    values = sentence_features(model, texts, number, protocol, store=store, report=report)
    place = {text: at for at, text in reversed(list(enumerate(texts)))}

    def read(sentences: list[str]) -> np.ndarray:
        return values[[place[one] for one in sentences]]

    rows = []
    for seed in range(seeds):
        report.step(seed, seeds, "seeds")
        if tests:
            train = _some(task.train, TRAINING, seed)
            head = fit_head(features_of(train, read), train["label"].to_numpy(), numeric=task.numeric, seed=seed)  # fmt: skip
            for part, table in tests.items():
                said = head.predict(features_of(table, read))
                rows.append(
                    _row(seed, part, task.metrics, table["label"].to_numpy(), said, head.penalty)
                )
        else:
            rows.append(_crossed(_some(task.train, TRAINING, seed), task, read, seed))
    report.step(seeds, seeds, "seeds")
    table = pd.DataFrame(rows)
    by_seed = table.groupby("seed")["score"].mean()
    return ProbeScore(
        task.name,
        table,
        float(by_seed.mean()),
        float(by_seed.min()),
        float(by_seed.max()),
        _majority(task, tests),
        min(len(task.train), TRAINING),
        sum(len(one) for one in tests.values()) or min(len(task.train), TRAINING),
        number,
    )


def _pool(task: LabelledSet, seeds: int) -> pd.DataFrame:
    """Every training row that some seed uses."""
    return pd.concat([_some(task.train, TRAINING, seed) for seed in range(seeds)], ignore_index=True)  # fmt: skip


def _some(table: pd.DataFrame, most: int, seed: int) -> pd.DataFrame:
    if len(table) <= most:
        return table
    rows = np.random.default_rng([seed, 3]).permutation(len(table))[:most]
    return table.iloc[np.sort(rows)].reset_index(drop=True)


def _row(seed: int, part: str, metrics, labels, said, penalty: float) -> dict:
    values = {name: measured(name, labels, said) for name in metrics}
    return {"seed": seed, "part": part, **values, "score": float(np.mean(list(values.values()))), "penalty": penalty}  # fmt: skip


def _crossed(table: pd.DataFrame, task: LabelledSet, read, seed: int) -> dict:
    """Five folds over distinct first sentences, so that a sentence is never on both sides; measured over all held-out rows."""
    rng = np.random.default_rng([seed, 4])
    labels, group = table["label"].to_numpy(), pd.factorize(table["first"])[0]
    fold = rng.permutation(np.arange(group.max() + 1) % FOLDS)[group]
    x = features_of(table, read)
    said, penalties = np.empty(len(table), labels.dtype if not task.numeric else float), []
    for number in range(FOLDS):
        train, test = fold != number, fold == number
        if not test.any():
            continue
        head = fit_head(x[train], labels[train], numeric=task.numeric, seed=seed)
        said[test] = head.predict(x[test])
        penalties.append(head.penalty)
    return _row(seed, "cross-validated", task.metrics, labels, said, float(np.median(penalties)))


def _majority(task: LabelledSet, tests: dict) -> float:
    known = task.train["label"]
    said = float(known.mean()) if task.numeric else known.mode().iloc[0]
    found = []
    for table in tests.values() if tests else [task.train]:
        labels = table["label"].to_numpy()
        found.append(_row(0, "", task.metrics, labels, np.full(len(labels), said), 0.0)["score"])
    return float(np.mean(found))
