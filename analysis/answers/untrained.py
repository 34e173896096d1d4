"""What does the architecture give before training?"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import numpy as np
import pandas as pd

from analysis.answers.answer import Answer, decimal, interval, listed, percent, plural
from analysis.answers.task import DRAWS, MEASURES, published
from data.errors import BrainLensError, unknown
from data.published import BENCHMARKS

__all__ = ["own_untrained", "untrained"]

_SINGLE = ("trained", "random embedding")  # conditions that are not a band over seeds


def untrained(benchmark: str = "neural", *, clip: bool = False) -> Answer:
    """The 43 published models, trained against untrained.

    Parameters
    ----------
    benchmark : str
        A benchmark, or ``"neural"``, the mean of the three neural ones.
    clip : bool
        Each benchmark clipped at 1 before averaging: the paper's rule, drawn as such. Both rules are always in the caption.

    Returns
    -------
    Answer
        ``frame``: model, family, group, untrained, trained, gain; ``facts``: r, r_clipped, and for each benchmark how many
        models are at least as good untrained.
    """
    if benchmark not in (*BENCHMARKS, "neural"):
        raise unknown("benchmark", benchmark, (*BENCHMARKS, "neural"))
    found = {rule: _pairs(benchmark, rule) for rule in (False, True)}
    correlations = {rule: _correlation(benchmark, rule) for rule in found}
    frame, here = found[clip], correlations[clip]
    at_least = {name: int((_pairs(name, False)["gain"] <= 0).sum()) for name in (*BENCHMARKS, "neural")}
    label = "neural predictivity" if benchmark == "neural" else benchmark
    before, after = decimal(frame["untrained"].mean()), decimal(frame["trained"].mean())
    sentence = (
        f"Untrained models reach {before} on average where trained ones reach {after} ({label}); the two go together with "
        f"r = {decimal(here.r)} {interval(here.low, here.high)}, and {at_least[benchmark]} of {len(frame)} models are at least "
        "as good untrained."
    )
    averaged, drawn = "before averaging " if benchmark == "neural" else "", "clipped" if clip else "as they are"
    raw, clipped = (decimal(correlations[rule].r, 3) for rule in (False, True))
    counts = listed(f"{name} {at_least[name]}" for name in BENCHMARKS)
    caption = (
        "Schrimpf et al. 2021, released table: one untrained copy per model (one seed), best layer of each chosen anew on the "
        f"reported data. r = {raw} with the scores as they are, {clipped} with each benchmark clipped at 1 {averaged}(the "
        f"paper's rule); drawn: {drawn}. Untrained at least as good as trained: {counts} of {len(frame)}. "
        f"n = {plural(here.n, 'model')}; interval: 95 %, bootstrap over model families. "
        "The dotted line is where training changes nothing."
    )
    title = MEASURES[benchmark].title
    return Answer(
        frame,
        sentence,
        caption,
        correlation=here,
        facts={"r": correlations[False].r, "r_clipped": correlations[True].r, "at_least": at_least, "clip": clip},
        axes={
            "x_title": f"Untrained: {title[0].lower()}{title[1:]}",
            "y_title": f"Trained: {title[0].lower()}{title[1:]}",
            "log_x": False,
            "invert_x": False,
        },
    )


def own_untrained(scores: Iterable) -> Answer:
    """Own runs: trained models and their untrained copies, per layer, as a band over seeds.

    Parameters
    ----------
    scores : iterable of Score
        Trained models (``gpt2``) and copies (``gpt2@untrained:init:0``) on one recording. Other models (a random embedding) are
        kept as they are.

    Returns
    -------
    Answer
        ``frame``: model (the copies of one scheme share ``<model>@untrained:<scheme>``), base, condition (``"trained"``,
        ``"random embedding"`` or the scheme), layer, depth, r, low, high, seeds. For copies r is the mean over seeds and low,
        high are the lowest and highest seed; for others the bootstrap interval. ``missing``: trained models without a copy.
    """
    scores = list(scores)
    if not scores:
        raise BrainLensError("No score to answer with", remedy="Choose a model and a recording, then run")
    rows = pd.concat([_labelled(score) for score in scores], ignore_index=True)
    single = rows["condition"].isin(_SINGLE)
    plain = rows[single].rename(columns={"r_low": "low", "r_high": "high"}).assign(seeds=0)
    copies = rows[~single].groupby(["model", "base", "condition", "layer", "depth"], sort=False)
    copies = copies["r"].agg(r="mean", low="min", high="max", seeds="count").reset_index()
    columns = ["model", "base", "condition", "layer", "depth", "r", "low", "high", "seeds"]
    frame = pd.concat([part[columns] for part in (plain, copies) if len(part)], ignore_index=True)
    summary = pd.DataFrame([_summary(score) for score in scores])
    sentences = [text for base in dict.fromkeys(summary["base"]) if (text := _compared(base, summary[summary["base"] == base]))]
    copied = summary[~summary["condition"].isin(_SINGLE)]
    alone = sorted(set(summary[summary["condition"] == "trained"]["base"]) - set(copied["base"]))
    missing = pd.DataFrame({"model": alone, "reason": ["no untrained copy was scored"] * len(alone)})
    folds = listed(dict.fromkeys(score.provenance["folds"] for score in scores))
    caption = f"Held out: {folds}. Untrained: mean over seeds, band from lowest to highest; trained: 95 % bootstrap interval."
    few = copied.groupby("model").size()
    if len(few) and few.min() < 5:
        counts = ", ".join(f"{name}: {count}" for name, count in few.items() if count < 5)
        caption += f" Fewer than 5 seeds ({counts}): the band is too narrow."
    return Answer(
        frame,
        " ".join(sentences) or "No untrained copy was scored yet.",
        caption,
        missing=missing,
        facts={"summary": summary},
        axes={
            "x_title": "Relative depth (0 embedding, 1 top layer)",
            "y_title": "Pearson r, held out",
            "log_x": False,
            "invert_x": False,
        },
    )


# ---- pieces -------------------------------------------------------------------------------------------------------------
def _pairs(benchmark: str, clip: bool) -> pd.DataFrame:
    trained, copies = (published(variant=variant, clip=clip).set_index("model") for variant in ("trained", "untrained"))
    column = MEASURES[benchmark].column
    frame = trained[["family", "group", "width"]].assign(untrained=copies[column], trained=trained[column])
    return frame.assign(gain=frame["trained"] - frame["untrained"]).reset_index()


@lru_cache(maxsize=32)
def _correlation(benchmark: str, clip: bool):
    from analysis.statistics import correlate

    frame = _pairs(benchmark, clip)
    values = (frame[name].to_numpy(float) for name in ("untrained", "trained"))
    return correlate(*values, frame["family"].to_numpy(str), draws=DRAWS)


def _named(model: str) -> tuple[str, str, str]:
    """(base, condition, name without the seed) of a model id."""
    base, _, variant = model.partition("@")
    if not variant.startswith("untrained"):
        return base, "random embedding" if base.startswith("random-") else "trained", model
    scheme = variant.split(":")[1] if ":" in variant else "init"
    return base, scheme, f"{base}@untrained:{scheme}"


def _labelled(score) -> pd.DataFrame:
    base, condition, name = _named(score.model)
    return score.table().assign(model=name, base=base, condition=condition)


def _summary(score) -> dict:
    base, condition, name = _named(score.model)
    return {"base": base, "condition": condition, "model": name, "r": float(score.value)}


def _compared(base: str, rows: pd.DataFrame) -> str:
    trained, copies = rows[rows["condition"] == "trained"]["r"], rows[~rows["condition"].isin(_SINGLE)]
    if trained.empty or copies.empty:
        return ""
    said = []
    for scheme, group in copies.groupby("condition", sort=False):
        span = (
            f" ({decimal(group['r'].min())} to {decimal(group['r'].max())} over {plural(len(group), 'seed')})"
            if len(group) > 1
            else " (one seed)"
        )
        said.append(f"r = {decimal(group['r'].mean())}{span} untrained, scheme {scheme}")
    share = np.mean(copies["r"]) / trained.iloc[0]
    return f"{base} predicts with r = {decimal(trained.iloc[0])} trained and {listed(said)}" + (
        f": {percent(share)} is there before training." if 0 < share < 1.5 else "."
    )
