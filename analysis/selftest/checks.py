"""The checks. Each calls the functions that scores are made with, never a copy of them."""

from __future__ import annotations

import json
import logging
import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from analysis import mapping
from analysis.answers.trust import waterfall
from analysis.ceiling import kinds
from analysis.features import activations
from analysis.mapping import splits
from analysis.models import load
from analysis.models.catalog import state
from analysis.progress import SILENT
from analysis.protocol import Protocol, preset
from analysis.reading import delta_ll
from analysis.scoring import beside, folds, summary, verb
from analysis.selftest.check import Absent, Check
from analysis.statistics import bootstrap, multiple
from analysis.store.store import Store
from data.catalog.catalog import recording
from data.home import mirror
from data.readers import published
from data.readers.simulated import simulate

__all__ = ["CHECKS"]


# ---- published tables -----------------------------------------------------------------------------------------------
def _hadidi(model: str, split: str):
    def number() -> float:
        table = published.hadidi2025()
        mine = (table["model"] == model) & (table["benchmark"] == "pereira2018")
        mine &= (table["split"] == split) & (table["pooling"] == "last")
        return table.loc[mine, "score"].item()

    return number


def _schrimpf_best() -> float:
    table = published.schrimpf2021()
    mine = (table["model"] == "gpt2-xl") & (table["benchmark"] == "pereira2018")
    return table.loc[mine & (table["variant"] == "trained"), "score"].item()


def _between(other: str):
    def number() -> float:
        table = published.schrimpf2021()
        wide = table[table["variant"] == "trained"].pivot(
            index="model", columns="benchmark", values="score"
        )
        return float(wide["pereira2018"].corr(wide[other]))

    return number


# ---- peers ----------------------------------------------------------------------------------------------------------
@cache
def _numbers():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((90, 12))
    y = x @ rng.standard_normal((12, 5)) + 2 * rng.standard_normal((90, 5))
    parts = np.array_split(np.arange(90), 5)
    folds = [(np.setdiff1d(np.arange(90), test), test) for test in parts]
    return x, y, folds


def _mean_r(predict) -> float:
    x, y, folds = _numbers()
    found = []
    for train, test in folds:
        predicted = predict(x[train], y[train], x[test])
        found.append([np.corrcoef(a, b)[0, 1] for a, b in zip(predicted.T, y[test].T)])
    return float(np.mean(found))


def _ridge() -> float:
    """Ours minus scikit-learn's, at one penalty."""
    from sklearn.linear_model import Ridge

    x, y, folds = _numbers()
    ours = mapping.cross_validate(x, y, folds, alphas=(30.0,), criterion="gcv", standardize=False)
    theirs = _mean_r(lambda a, b, c: Ridge(alpha=30.0).fit(a, b).predict(c))
    return float(ours.r.mean()) - theirs


def _ols() -> float:
    """Ours minus numpy's least squares."""

    def theirs(a, b, c):
        ones = lambda z: np.column_stack([np.ones(len(z)), z])  # noqa: E731
        return ones(c) @ np.linalg.lstsq(ones(a), b, rcond=None)[0]

    x, y, folds = _numbers()
    ours = mapping.cross_validate(x, y, folds, method="ols", standardize=False)
    return float(ours.r.mean()) - _mean_r(theirs)


def _penalty() -> float:
    """Share of targets whose exact leave-one-out penalty is the one that scikit-learn finds."""
    from sklearn.linear_model import RidgeCV

    x, y, folds = _numbers()
    grid = (0.1, 1.0, 10.0, 100.0, 1000.0)
    ours = mapping.cross_validate(
        x, y, folds, alphas=grid, criterion="loo", standardize=False
    ).alpha[0]
    theirs = [
        RidgeCV(grid, alpha_per_target=True).fit(x[train], y[train]).alpha_ for train, _ in folds
    ]
    return float(np.mean(np.isclose(ours, theirs)))


def _folds() -> float:
    """Share of test sets that equal those of scikit-learn's shuffled KFold."""
    from sklearn.model_selection import KFold

    protocol = Protocol(split="shuffled", folds=5, seed=3, seeds=1)
    ours = splits.make_folds(_planted()[0], protocol)[0].folds
    theirs = KFold(5, shuffle=True, random_state=3).split(np.empty(len(_planted()[1])))
    return float(np.mean([np.array_equal(a[1], np.sort(b[1])) for a, b in zip(ours, theirs)]))


# ---- planted truths -------------------------------------------------------------------------------------------------
@cache
def _planted():
    """A recording whose responses are driven by features that are known, with noise of a known size."""
    rng = np.random.default_rng(1)
    x = rng.standard_normal((240, 8))
    table = pd.DataFrame(
        {"text": [f"Word {i} of it." for i in range(240)], "topic": np.repeat(np.arange(24), 10)}
    )
    made = simulate(
        x,
        table,
        n_subjects=4,
        targets_per_subject=6,
        noise=1.0,
        context="topic",
        group="topic",
        seed=2,
    )
    return made, x


def _quick():
    return Protocol(folds=6, inner_folds=3, seeds=1, bootstrap=50, criterion="gcv", ceiling="none", controls=(),
                    unique=False, shuffled_twin=False)  # fmt: skip


def _planted_r() -> float:
    """r of the features that drive the responses; the planted ceiling bounds it."""
    made, x = _planted()
    fit = folds.fit_parts(x, made, _quick(), splits.make_folds(made, _quick()), SILENT)
    return summary.summarise(fit.r.values, fit.part.values, made.subjects, _quick())


def _noise_r() -> float:
    """r of features that have nothing to do with the responses."""
    made, x = _planted()
    other = np.random.default_rng(9).standard_normal(x.shape)
    fit = folds.fit_parts(other, made, _quick(), splits.make_folds(made, _quick()), SILENT)
    return summary.summarise(fit.r.values, fit.part.values, made.subjects, _quick())


def _oasm(which: str):
    def number() -> float:
        made, _ = _planted()
        with tempfile.TemporaryDirectory() as folder:
            return getattr(beside.oasm_of(made, _quick(), store=Store(folder, readers=[])), which)

    return number


def _omega() -> float:
    """Omega where controls explain half of what the model predicts."""
    return float(summary.omega(0.30, 0.28, 0.16))


def _ceiling() -> float:
    """Estimated over planted ceiling, two disjoint pools of people."""
    made, _ = _planted()
    return kinds.ceiling(made, _quick(), kind="pools").value / made.truth["ceiling"]


# ---- models ---------------------------------------------------------------------------------------------------------
def _bits() -> float:
    """Summed surprisal of a sentence, in bits."""
    return float(
        np.sum(load("zoo-causal-200k").surprisal(["The cat sat on the mat."])[0].nats) / np.log(2)
    )


def _vector() -> float:
    """Length of the vector of the first sentence that ships."""
    read = recording("simulated").reading()
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder, readers=[])
        found = activations.extract(load("zoo-glove-64d"), read, Protocol(), [0], store=store)
        return float(np.linalg.norm(found.layer(0)[0]))


def _starter() -> float:
    """Summed surprisal under the starter pack's transformer, in bits."""
    if state("smollm2-135m") != "ready":
        raise Absent("smollm2-135m is not installed: 'brainlens models starter'")
    return float(
        np.sum(load("smollm2-135m").surprisal(["The cat sat on the mat."])[0].nats) / np.log(2)
    )


# ---- statistics -----------------------------------------------------------------------------------------------------
def _widening() -> float:
    return bootstrap.widening(10)


def _discoveries() -> float:
    """Rejections among the fifteen p-values of Benjamini & Hochberg's own example."""
    p = [
        0.0001,
        0.0004,
        0.0019,
        0.0095,
        0.0201,
        0.0278,
        0.0298,
        0.0344,
        0.0459,
        0.324,
        0.4262,
        0.5719,
        0.6528,
        0.759,
        1.0,
    ]
    return float(multiple.fdr(np.array(p)).rejected.sum())


def _permutation() -> float:
    """p of a value above 999 of 999 draws: never 0."""
    return float(multiple.permutation_p(np.array(1.0), np.linspace(0, 0.9, 999)))


def _shapley() -> float:
    """The shares of two switches that interact, against their definition."""
    values = {frozenset(): 0.0, frozenset("a"): 1.0, frozenset("b"): 2.0, frozenset("ab"): 5.0}
    return waterfall.shapley(values, ("a", "b"))["a"]


# ---- store ----------------------------------------------------------------------------------------------------------
def _kept() -> float:
    """Largest difference of what is stored and what comes back."""
    values = np.random.default_rng(4).standard_normal((7, 5))
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder, readers=[])
        store.save_score("selftest", xr.Dataset({"r": (("fold", "target"), values)}))
        back = store.load_score("selftest")
        assert back is not None  # as it was just saved
        return float(np.abs(back["r"].values - values).max())


def _damaged() -> float:
    """1 where a damaged file counts as none."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder, readers=[])
        store.save_score("selftest", xr.Dataset({"r": ("target", np.arange(9.0))}))
        (path,) = Path(folder).rglob("selftest.npz")
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 255
        path.write_bytes(bytes(content))
        log = logging.getLogger("brainlens.store")
        log.addFilter(_silent)  # the damage is planted: nobody need be warned of it
        try:
            return float(store.load_score("selftest") is None)
        finally:
            log.removeFilter(_silent)


def _silent(record: logging.LogRecord) -> bool:
    return False


# ---- goldens --------------------------------------------------------------------------------------------------------
def _delta_ll(model: str):
    def number() -> float:
        folder = Path(mirror() or "/nonexistent") / "delta_ll"
        if not (folder / "ns.csv").is_file():
            raise Absent("delta_ll is not in BRAINLENS_MIRROR")
        words = pd.read_csv(folder / "ns.csv", keep_default_na=False)
        words = words.sort_values(
            ["article", "sent_id", "tokenN_in_sent"], kind="stable"
        ).reset_index(drop=True)
        told = json.loads((folder / f"{model}.json").read_text(encoding="utf-8"))
        stories = sorted(told, key=int)
        words["surprisal"] = np.concatenate([np.concatenate(told[story]) for story in stories])
        table = delta_ll.add_spillover(words, "surprisal", ["article", "sent_id"], fill="mean")
        last = table.groupby(["article", "sent_id"])["tokenN_in_sent"].transform("max")
        inside = (table["tokenN_in_sent"] > 0) & (table["tokenN_in_sent"] < last)
        edge = table["is_first"].astype(str).eq("True") | table["is_last"].astype(str).eq("True")
        base = [
            f"{name}{lag}"
            for name in ("length", "log_gmean_freq")
            for lag in ("", "_prev_1", "_prev_2")
        ]
        kept = table[(table["time"] > 0) & inside & ~edge]
        base = ["surprisal_prev_1", "surprisal_prev_2", *base]
        return delta_ll.delta_log_likelihood(kept, "time", base, "surprisal").per_word

    return number


def _shipped_score() -> float:
    """The whole verb on the recording that ships, in a store of its own."""
    short = replace(preset("defended"), seeds=1, criterion="gcv", bootstrap=50, ceiling="none", controls=(),
                    unique=False, shuffled_twin=False)  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        return verb.score(
            "zoo-glove-64d", "simulated", short, store=Store(folder, readers=[])
        ).value


@cache
def _whole():
    """A score with all that stands beside it: layers chosen on inner folds, interval, twin, unique R2."""
    short = replace(preset("defended"), seeds=1, folds=5, inner_folds=3, criterion="gcv", bootstrap=200, ceiling="none",
                    controls=("position", "length"))  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        return verb.score("zoo-causal-200k", "simulated", short, store=Store(folder, readers=[]))


def _of_the_whole(what: str):
    def number() -> float:
        found = _whole()
        return float(found.headline[what] if what == "unique_r2" else getattr(found, what))

    return number


def _verdict() -> float:
    """1 where autocorrelation without language is called a leak: OASM high when shuffled, nothing held out."""
    rng = np.random.default_rng(3)
    slow = np.cumsum(rng.standard_normal((12, 20, 4)), axis=1).reshape(240, 4)
    made = replace(_planted()[0], responses=_planted()[0].responses.copy())
    made.responses.values[:] = np.tile(slow, (1, made.n_targets // 4))
    with tempfile.TemporaryDirectory() as folder:
        told = beside.oasm_of(made, _quick(), store=Store(folder, readers=[]))
    return float(told.shuffled > 0.3 and abs(told.grouped) < 1e-9)


_HADIDI, _PAPER = (
    "Hadidi, Feghhi et al. 2025, released table",
    "Schrimpf et al. 2021, released table",
)
_MADE = "measured when it was made"
_KURI = "Kuribayashi et al. 2024, stories in the order of their numbers"

CHECKS = (
    Check("published", "gpt2-xl on Pereira, shuffled", _hadidi("gpt2-xl", "shuffled"), 0.398, 5e-4, _HADIDI),
    Check("published", "gpt2-xl on Pereira, contiguous", _hadidi("gpt2-xl", "contiguous"), 0.140, 6e-4, _HADIDI),
    Check("published", "OASM on Pereira, shuffled", _hadidi("OASM-all-sigma", "shuffled"), 0.451, 5e-4, _HADIDI),
    Check("published", "gpt2-xl on Pereira, 2021", _schrimpf_best, 1.044, 5e-4, _PAPER),
    Check("published", "Pereira with Fedorenko over models", _between("fedorenko2016"), 0.500, 5e-4, _PAPER),
    Check("published", "Pereira with Blank over models", _between("blank2014"), 0.589, 5e-4, _PAPER),
    Check("peers", "ridge minus scikit-learn's", _ridge, 0.0, 1e-5, "scikit-learn Ridge"),
    Check("peers", "least squares minus numpy's", _ols, 0.0, 1e-5, "numpy lstsq"),
    Check("peers", "leave-one-out penalties like scikit-learn's", _penalty, 1.0, 0.0, "scikit-learn RidgeCV"),
    Check("peers", "shuffled folds like scikit-learn's", _folds, 1.0, 0.0, "scikit-learn KFold"),
    Check("planted", "r of the features that drive", _planted_r, 0.68, 0.05, "planted: ceiling .71"),
    Check("planted", "r of features that do not", _noise_r, 0.0, 0.06, "planted: nothing"),
    Check("planted", "OASM under held-out groups", _oasm("grouped"), 0.0, 1e-9, "predicts a constant"),
    Check("planted", "OASM of autocorrelation without language", _verdict, 1.0, 0.0, "shuffled above .3, held out 0"),
    Check("planted", "Omega of half", _omega, 50.0, 1e-9, "by definition"),
    Check("planted", "ceiling over the planted one", _ceiling, 1.0, 0.12, "planted", quick=False),
    Check("models", "bits of a sentence, zoo-causal-200k", _bits, 72.025, 0.02, _MADE),
    Check("models", "vector of a sentence, zoo-glove-64d", _vector, 2.1925, 1e-3, _MADE),
    Check("models", "bits of a sentence, smollm2-135m", _starter, 30.176, 0.2, _MADE, quick=False),
    Check("statistics", "widening at ten folds", _widening, 1.4529663, 1e-6, "Nadeau & Bengio 2003"),
    Check("statistics", "discoveries in the example of 1995", _discoveries, 4.0, 0.0, "Benjamini & Hochberg 1995"),
    Check("statistics", "smallest p of 999 draws", _permutation, 0.001, 1e-9, "Phipson & Smyth 2010"),
    Check("statistics", "Shapley share of two switches", _shapley, 2.0, 1e-12, "Shapley 1953"),
    Check("store", "what comes back", _kept, 0.0, 0.0, "the same bits"),
    Check("store", "a damaged file counts as none", _damaged, 1.0, 0.0, "checksums"),
    Check("goldens", "zoo-glove-64d on simulated", _shipped_score, 0.14437, 2e-3, _MADE),
    Check("goldens", "zoo-causal-200k on simulated, layer chosen on inner folds", _of_the_whole("value"), 0.30479, 3e-3, _MADE),
    Check("goldens", "lower end of its interval", _of_the_whole("low"), 0.28310, 4e-3, _MADE),
    Check("goldens", "its shuffled twin", _of_the_whole("shuffled"), 0.32372, 3e-3, _MADE),
    Check("goldens", "its unique R2 beyond position and length", _of_the_whole("unique_r2"), 0.06641, 3e-3, _MADE),
    Check("goldens", "its Omega", _of_the_whole("omega"), 43.41, 2.5, _MADE),
    Check("goldens", "delta log-likelihood of gpt2", _delta_ll("gpt2"), 0.012982, 5e-6, _KURI, quick=False),
    Check("goldens", "delta log-likelihood of opt-125m", _delta_ll("opt-125m"), 0.012747, 5e-6, _KURI, quick=False),
)  # fmt: skip
