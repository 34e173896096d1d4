"""Published results as tables of our own form: facts from the literature, each with its citation."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from data.errors import unknown

__all__ = [
    "BENCHMARKS",
    "CITATIONS",
    "citation",
    "family",
    "hadidi2025",
    "schrimpf2021",
    "schrimpf2021_models",
    "schrimpf2021_tasks",
]

_FOLDER = Path(__file__).parent.parent / "published"

BENCHMARKS = ("pereira2018", "fedorenko2016", "blank2014", "futrell2018")
"""The four recordings of Schrimpf et al. 2021, in the order of the paper."""

CITATIONS = {
    "schrimpf2021": """@article{schrimpf2021neural,
  title = {The neural architecture of language: Integrative modeling converges on predictive processing},
  author = {Schrimpf, Martin and Blank, Idan Asher and Tuckute, Greta and Kauf, Carina and Hosseini, Eghbal A. and
            Kanwisher, Nancy and Tenenbaum, Joshua B. and Fedorenko, Evelina},
  journal = {Proceedings of the National Academy of Sciences},
  volume = {118}, number = {45}, pages = {e2105646118}, year = {2021}, doi = {10.1073/pnas.2105646118}
}""",
    "hadidi2025": """@article{hadidi2025illusions,
  title = {Illusions of Alignment Between Large Language Models and Brains Emerge From Fragile Methods and Overlooked Confounds},
  author = {Hadidi, Nima and Feghhi, Ebrahim and Song, Bryan H. and Blank, Idan A. and Kao, Jonathan C.},
  journal = {arXiv preprint arXiv:2406.01538}, year = {2025}
}""",
}
"""BibTeX of each table."""


@lru_cache
def _read(name: str) -> pd.DataFrame:
    return pd.read_csv(_FOLDER / f"{name}.csv")


def schrimpf2021_models() -> pd.DataFrame:
    """The models of Schrimpf et al. 2021: model, family, group, layers, width, in_paper.

    ``family`` is what a clustered bootstrap draws (15 among the 43); ``width`` is the number of features of a layer. The released
    table holds a 44th model, ``transformer``, that is not in the paper: its ``in_paper`` is False and its width unknown.
    """
    return _read("schrimpf2021_models").copy()


def schrimpf2021(*, best: bool = True, extra: bool = False) -> pd.DataFrame:
    """Normalised predictivity of Schrimpf et al. 2021, trained and untrained, tidy.

    Parameters
    ----------
    best : bool
        One row per model, benchmark and variant: the layer with the highest score on the reported data, chosen anew for the
        untrained variant, as in the paper. False: every layer.
    extra : bool
        Also the model of the released table that is not in the paper.

    Returns
    -------
    pandas.DataFrame
        model, family, group, width, in_paper, benchmark (one of :data:`BENCHMARKS`), variant (trained or untrained), layer,
        layer_index (0 = first released), depth (0 to 1), score (ceiling-normalised r, never clipped), error (median absolute
        deviation over subjects; standard deviation for futrell2018). futrell2018 was scored for the last layer only.
    """
    scores = _read("schrimpf2021_layers").copy()
    groups = scores.groupby(["model", "benchmark", "variant"], sort=False)
    scores["layer_index"] = groups.cumcount()
    layers = groups["layer"].transform("size")
    scores["depth"] = np.where(layers > 1, scores["layer_index"] / (layers - 1).clip(lower=1), 1.0)
    if best:
        valid = scores[scores["score"].notna()]
        rows = valid.groupby(["model", "benchmark", "variant"], sort=False)["score"].idxmax()
        scores = scores.loc[rows]
    scores = scores.merge(
        _read("schrimpf2021_models").drop(columns="layers"), on="model", how="left"
    )
    if not extra:
        scores = scores[scores["in_paper"]]
    first = [
        "model",
        "family",
        "group",
        "width",
        "in_paper",
        "benchmark",
        "variant",
        "layer",
        "layer_index",
        "depth",
    ]
    return scores[[*first, "score", "error"]].reset_index(drop=True)


def schrimpf2021_tasks(*, extra: bool = False) -> pd.DataFrame:
    """Language tasks of Schrimpf et al. 2021, one row per model and variant.

    Returns
    -------
    pandas.DataFrame
        model, family, group, width, variant, wikitext2_loss (nats per token of a read-out trained on frozen features),
        wikitext2_ppl (its exponential), glue_mean (over the eight development scores) and the eight GLUE scores (trained only).
    """
    tasks = (
        _read("schrimpf2021_tasks")
        .pivot(index=["model", "variant"], columns="measure", values="value")
        .reset_index()
    )
    tasks = tasks.rename(columns={"wikitext-2": "wikitext2_loss"}).rename(
        columns=lambda c: c.replace("glue-", "glue_")
    )
    tasks.columns.name = None
    glue = [c for c in tasks.columns if c.startswith("glue_")]
    tasks["wikitext2_ppl"] = np.exp(tasks["wikitext2_loss"])
    tasks["glue_mean"] = tasks[glue].mean(axis=1)
    models = _read("schrimpf2021_models")
    tasks = models[["model", "family", "group", "width", "in_paper"]].merge(
        tasks, on="model", how="left"
    )
    if not extra:
        tasks = tasks[tasks["in_paper"]]
    return tasks[
        [
            "model",
            "family",
            "group",
            "width",
            "in_paper",
            "variant",
            "wikitext2_loss",
            "wikitext2_ppl",
            "glue_mean",
            *glue,
        ]
    ].reset_index(drop=True)


def hadidi2025() -> pd.DataFrame:
    """Ridge r of Hadidi, Feghhi et al. 2025 under shuffled and contiguous folds, tidy.

    Returns
    -------
    pandas.DataFrame
        model, family, benchmark, split (shuffled or contiguous), pooling (last, mean or sum over tokens), score (mean r, not
        normalised), error (standard error). ``OASM-all-sigma`` is the text-free autocorrelation model, ``PWR`` is position and
        word rate.
    """
    table = _read("hadidi2025").copy()
    table.insert(1, "family", [family(model) for model in table["model"]])
    return table


def citation(name: str) -> str:
    """BibTeX of a published table.

    Raises
    ------
    BrainLensError
        Where there is no such table.
    """
    if name not in CITATIONS:
        raise unknown("published table", name, CITATIONS)
    return CITATIONS[name]


_FAMILIES = (
    ("distilgpt2", "gpt"),
    ("gpt", "gpt"),
    ("openai", "gpt"),
    ("distilbert", "bert"),
    ("bert", "bert"),
    ("distilroberta", "roberta"),
    ("roberta", "roberta"),
    ("xlm-roberta", "xlm-r"),
    ("xlm", "xlm"),
    ("xlnet", "xlnet"),
    ("t5", "t5"),
    ("albert", "albert"),
    ("llama", "llama"),
    ("rwkv", "rwkv"),
    ("pythia", "pythia"),
    ("opt-", "opt"),
    ("smollm", "smollm"),
    ("olmo", "olmo"),
)


def family(model: str) -> str:
    """Family of a model by its name, the cluster of a bootstrap over models; a model without relatives is its own."""
    name = model.rsplit("/", 1)[-1].lower()
    return next((label for start, label in _FAMILIES if name.startswith(start)), model)
