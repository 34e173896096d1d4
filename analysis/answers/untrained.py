"""What does the architecture give before training?"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import numpy as np
import pandas as pd

from analysis.answers.answer import Answer, decimal, interval, listed, plural
from analysis.answers.task import DRAWS, MEASURES, correlation_words, published
from analysis.statistics import correlate, leave_one_family_out
from analysis.statistics.measured import beside_scores
from data.errors import BrainLensError, unknown
from data.readers.published import BENCHMARKS
from data.shares import percent

__all__ = ["LABELS", "at_chosen_layer", "own_untrained", "untrained"]

LABELS = {
    "trained": "trained",
    "init": "library initialisation",
    "permute": "weights shuffled",
    "gaussian": "Gaussian weights",
    "mixture": "mixture weights",
    "hashed": "hashed weights",
    "blocks": "trained embeddings only",
    "random embedding": "random embedding",
}
"""Conditions as they are written on an axis."""


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
        ``frame``: model, family, group, width, untrained, trained, gain; ``facts``: r, r_clipped, partial (on log width), and for
        each benchmark how many models are at least as good untrained.
    """
    if benchmark not in (*BENCHMARKS, "neural"):
        raise unknown("benchmark", benchmark, (*BENCHMARKS, "neural"))
    found = {rule: _pairs(benchmark, rule) for rule in (False, True)}
    correlations = {rule: _correlation(benchmark, rule) for rule in found}
    frame, here = found[clip], correlations[clip]
    at_least = {
        name: int((_pairs(name, False)["gain"] <= 0).sum()) for name in (*BENCHMARKS, "neural")
    }
    label = "neural predictivity" if benchmark == "neural" else benchmark
    before, after = decimal(frame["untrained"].mean()), decimal(frame["trained"].mean())
    sentence = (
        f"Untrained models reach {before} on average where trained ones reach {after} ({label}); the two "
        f"{'go' if here.claim > 0 else 'are not shown to go'} together ({correlation_words(here, _without(frame))}). "
        f"{at_least[benchmark]} of {len(frame)} models are at least as good untrained."
    )
    averaged, drawn = (
        "before averaging " if benchmark == "neural" else "",
        "clipped" if clip else "as they are",
    )
    raw, clipped = (decimal(correlations[rule].r, 3) for rule in (False, True))
    counts = listed(f"{name} {at_least[name]}" for name in BENCHMARKS)
    caption = (
        "Schrimpf et al. 2021, released table: one untrained copy per model (one seed), best layer of each chosen anew on the "
        f"reported data. r = {raw} with the scores as they are, {clipped} with each benchmark clipped at 1 {averaged}(the "
        f"paper's rule); drawn: {drawn}. Untrained at least as good as trained: {counts} of {len(frame)}. "
        f"n = {plural(here.n, 'model')}; interval: 95 %, jackknife over model families. With log width taken out of both, "
        f"r = {decimal(here.partial)} {interval(here.partial_low, here.partial_high)}. "
        "The dotted line is where training changes nothing."
    )
    title = MEASURES[benchmark].title
    return Answer(
        frame,
        sentence,
        caption,
        correlation=here,
        facts={
            "r": correlations[False].r,
            "r_clipped": correlations[True].r,
            "partial": here.partial,
            "at_least": at_least,
            "clip": clip,
        },
        axes={
            "x_title": f"Untrained: {title[0].lower()}{title[1:]}",
            "y_title": f"Trained: {title[0].lower()}{title[1:]}",
            "log_x": False,
            "invert_x": False,
        },
    )


def own_untrained(scores: Iterable, missing: dict[str, str] | None = None) -> Answer:
    """Own runs: trained models and their untrained copies, per layer, as a band over seeds.

    Parameters
    ----------
    scores : iterable of Score
        Trained models (``gpt2``) and copies (``gpt2@untrained:init:0``) on one recording. Other models (a random embedding) are
        kept as they are.
    missing : dict, optional
        Model or copy that was asked for -> why it has no score.

    Returns
    -------
    Answer
        ``frame``: model (the copies of one scheme share ``<model>@untrained:<scheme>``), base, condition (``"trained"``,
        ``"random embedding"`` or the scheme), layer, depth, r, low, high, normalised, normalised_low, normalised_high, ceiling,
        n_stimuli, seeds, source. For copies r is the mean over seeds and low, high are the lowest and highest seed; for others
        the bootstrap interval. ``missing``: what was asked for and has no score, and trained models without a copy.
    """
    scores = list(scores)
    if not scores:
        raise BrainLensError(
            "No score to answer with", remedy="Choose a model and a recording, then run"
        )
    rows = pd.concat([_labelled(score) for score in scores], ignore_index=True)
    single = rows["condition"].isin(_SINGLE)
    plain = rows[single].rename(columns={"r_low": "low", "r_high": "high"}).assign(seeds=0)
    copies = rows[~single].groupby(["model", "base", "condition", "layer", "depth"], sort=False)
    copies = copies.agg(
        r=("r", "mean"), low=("r", "min"), high=("r", "max"), normalised=("normalised", "mean"),
        normalised_low=("normalised", "min"), normalised_high=("normalised", "max"), ceiling=("ceiling", "first"),
        n_stimuli=("n_stimuli", "first"), seeds=("r", "count"), source=("source", _one_source),
    ).reset_index()  # fmt: skip
    columns = ["model", "base", "condition", "layer", "depth", "r", "low", "high", "normalised", "normalised_low",
               "normalised_high", "ceiling", "n_stimuli", "seeds", "source"]  # fmt: skip
    frame = pd.concat([part[columns] for part in (plain, copies) if len(part)], ignore_index=True)
    summary = pd.DataFrame([_summary(score) for score in scores])
    sentences = [
        text
        for base in dict.fromkeys(summary["base"])
        if (text := _compared(base, summary[summary["base"] == base]))
    ]
    copied = summary[~summary["condition"].isin(_SINGLE)]
    lacking = _lacking(summary, copied, missing or {})
    folds = listed(dict.fromkeys(score.provenance["folds"] for score in scores))
    caption = f"Held out: {folds}. Untrained: mean over seeds, band from lowest to highest; trained: 95 % bootstrap interval."
    if kept := beside_scores(score for score in scores if "@" not in score.model):
        caption += f" {kept}"
    few = copied.groupby("model").size()
    if len(few) and few.min() < 5:
        counts = ", ".join(f"{name}: {count}" for name, count in few.items() if count < 5)
        caption += f" Fewer than 5 seeds ({counts}): the band is too narrow."
    if len(lacking):
        caption += (
            " Left out: "
            + "; ".join(f"{row.model} ({row.reason})" for row in lacking.itertuples())
            + "."
        )
    return Answer(
        frame,
        " ".join(sentences) or "No untrained copy was scored yet.",
        caption,
        missing=lacking,
        facts={"summary": summary},
        axes={
            "x_title": "Relative depth (0 embedding, 1 top layer)",
            "y_title": "Pearson r, held out",
            "log_x": False,
            "invert_x": False,
        },
    )


def _one_source(sources: pd.Series) -> str:
    return sources.iloc[0] if sources.nunique() == 1 else "fresh"


def _lacking(summary: pd.DataFrame, copied: pd.DataFrame, missing: dict[str, str]) -> pd.DataFrame:
    """What was asked for and has no score, the seeds of one scheme in one row; then trained models of which no copy was asked."""
    seeds: dict[tuple[str, str], list[str]] = {}
    for model, reason in missing.items():
        name, seed = _named(model)[2], _seed(model)
        seeds.setdefault((name, reason), []).extend([] if seed is None else [str(seed)])
    rows = [{"model": f"{name}, {'seed' if len(which) == 1 else 'seeds'} {listed(which)}" if which else name, "reason": reason}
            for (name, reason), which in seeds.items()]  # fmt: skip
    awaited = {_named(model)[0] for model in missing if "@" in model}
    alone = sorted(
        set(summary[summary["condition"] == "trained"]["base"]) - set(copied["base"]) - awaited
    )
    rows += [{"model": name, "reason": "no untrained copy was scored"} for name in alone]
    return pd.DataFrame(rows, columns=["model", "reason"])


def at_chosen_layer(scores: Iterable) -> Answer:
    """Trained models, their untrained copies and their controls at the layer chosen for each.

    Parameters
    ----------
    scores : iterable of Score
        As for :func:`own_untrained`.

    Returns
    -------
    Answer
        ``frame``: model (the trained one), condition, label, r, low, high, normalised, normalised_low, normalised_high, width,
        seeds, ceiling, layer, n_stimuli, source. An untrained copy's layer is chosen anew on its own inner folds. For copies r is
        the mean over seeds, low and high the lowest and highest; the trained model has the bootstrap interval of its score,
        the random embedding of the same width that of its control fit, divided by the aggregate ceiling.
        ``facts["seeds"]``: the same columns and seed, one row for each single copy.
    """
    scores = list(scores)
    if not scores:
        raise BrainLensError(
            "No score to answer with", remedy="Choose a model and a recording, then run"
        )
    rows, single = [], []
    for score in scores:
        base, condition, _ = _named(score.model)
        whole, about = score.summary(), score.provenance
        row = {"model": base, "condition": condition, "r": whole["r"], "low": whole["r_low"], "high": whole["r_high"],
               "normalised": whole["share"], "normalised_low": whole["share_low"], "normalised_high": whole["share_high"],
               "width": about["model"]["width"], "seeds": 0, "ceiling": whole["ceiling"], "layer": whole["layer"],
               "n_stimuli": about["recording"]["n_stimuli"], "source": _source(score)}  # fmt: skip
        if condition in _SINGLE:
            rows.append(row)
        else:
            single.append(row | {"seed": _seed(score.model)})
        if condition == "trained" and len(score.controls):
            control = score.controls.set_index("control")
            if "random-embedding" in control.index:
                ends = control.loc["random-embedding", ["r", "r_low", "r_high"]]
                share = (
                    1 / whole["ceiling"]
                    if score.ceiling.divides and whole["ceiling"] > 0
                    else np.nan
                )
                rows.append(row | dict(zip(("r", "low", "high"), ends, strict=True)) | _shares(*ends, share=share)
                            | {"condition": "random embedding", "layer": pd.NA})  # fmt: skip
    for key in dict.fromkeys((row["model"], row["condition"]) for row in single):
        same = pd.DataFrame([row for row in single if (row["model"], row["condition"]) == key])
        spread = {f"{name}{end}": getattr(same[value], how)()
                  for value, name in (("r", ""), ("normalised", "normalised_"))
                  for end, how in (("low", "min"), ("high", "max"))}  # fmt: skip
        rows.append(same.iloc[0].drop("seed").to_dict() | spread
                    | {"r": same["r"].mean(), "normalised": same["normalised"].mean(), "seeds": len(same),
                       "layer": same["layer"].iloc[0] if same["layer"].nunique() == 1 else pd.NA,
                       "source": _one_source(same["source"])})  # fmt: skip
    frame = pd.DataFrame(rows)
    order = {name: i for i, name in enumerate(LABELS)}
    frame = frame.sort_values(
        "condition",
        key=lambda c: c.map(lambda v: order.get(v, 99)),
        kind="stable",
        ignore_index=True,
    )
    frame.insert(2, "label", [LABELS.get(name, name) for name in frame["condition"]])
    widths = ", ".join(
        f"{row.model} {row.width:,}"
        for row in frame.drop_duplicates("model").itertuples()
        if row.width
    )
    caption = (
        f"Held out: {listed(dict.fromkeys(score.provenance['folds'] for score in scores))}. Each at the layer chosen on its own "
        "inner folds. Trained and random embedding: 95 % bootstrap interval; untrained: mean over seeds, whisker from the lowest "
        f"to the highest. A random embedding has the model's width and knows which word it is, nothing else. Width: {widths}."
    )
    single = pd.DataFrame(
        [{**row, "label": LABELS.get(row["condition"], row["condition"])} for row in single]
    )
    return Answer(
        frame,
        _ranked(frame),
        caption,
        facts={"seeds": single},
        axes={"x_title": "", "y_title": "Pearson r, held out, at the chosen layer"},
    )


def _shares(r: float, low: float, high: float, share: float) -> dict[str, float]:
    return dict(
        zip(
            ("normalised", "normalised_low", "normalised_high"),
            (r * share, low * share, high * share),
            strict=True,
        )
    )


def _source(score) -> str:
    return "stored" if score.cached else "fresh"


def _seed(model: str) -> int | None:
    """The seed of an untrained copy; None for other models."""
    last = model.rpartition(":")[2]
    return int(last) if "@untrained" in model and last.isdigit() else None


def _ranked(frame: pd.DataFrame) -> str:
    """Whether training is seen above all copies and above the random embedding, model by model."""
    said = []
    for model, own in frame.groupby("model", sort=False):
        trained = own[own["condition"] == "trained"]
        copies = own[~own["condition"].isin(_SINGLE)]
        if trained.empty or copies.empty:
            continue
        r = trained["r"].iloc[0]
        above = [row.label for row in copies.itertuples() if r > row.high]
        below = [row.label for row in copies.itertuples() if r <= row.high]
        parts = (
            [f"{model}, trained (r = {decimal(r)}), is above every seed of {listed(above)}"]
            if above
            else []
        )
        if below:
            who = "" if above else f"{model}, trained (r = {decimal(r)}), is "
            parts.append(f"{who}not above every seed of {listed(below)}")
        random = own[own["condition"] == "random embedding"]["r"]
        if len(random):
            best = copies.loc[copies["r"].idxmax()]
            relation = "above" if best["r"] > random.iloc[0] else "not above"
            parts.append(
                f"the best scheme ({best['label']}, {decimal(best['r'])}) is {relation} a random embedding "
                f"of the same width ({decimal(random.iloc[0])})"
            )
        said.append("; ".join(parts) + ".")
    return " ".join(said) or "No untrained copy was scored yet."


# ---- pieces -------------------------------------------------------------------------------------------------------------
def _pairs(benchmark: str, clip: bool) -> pd.DataFrame:
    trained, copies = (
        published(variant=variant, clip=clip).set_index("model")
        for variant in ("trained", "untrained")
    )
    column = MEASURES[benchmark].column
    frame = trained[["family", "group", "width"]].assign(
        untrained=copies[column], trained=trained[column]
    )
    return frame.assign(gain=frame["trained"] - frame["untrained"]).reset_index()


def _without(frame: pd.DataFrame) -> pd.DataFrame:
    values = (frame[name].to_numpy(float) for name in ("untrained", "trained"))
    return leave_one_family_out(*values, frame["family"].to_numpy(str))


@lru_cache(maxsize=32)
def _correlation(benchmark: str, clip: bool):
    frame = _pairs(benchmark, clip)
    values = (frame[name].to_numpy(float) for name in ("untrained", "trained"))
    return correlate(
        *values,
        frame["family"].to_numpy(str),
        partial=np.log(frame["width"].to_numpy(float)),
        draws=DRAWS,
    )


def _named(model: str) -> tuple[str, str, str]:
    """(base, condition, name without the seed) of a model id."""
    base, _, variant = model.partition("@")
    if not variant.startswith("untrained"):
        return base, "random embedding" if base.startswith("random-") else "trained", model
    scheme = variant.split(":")[1] if ":" in variant else "init"
    return base, scheme, f"{base}@untrained:{scheme}"


def _labelled(score) -> pd.DataFrame:
    base, condition, name = _named(score.model)
    return score.table().assign(model=name, base=base, condition=condition, source=_source(score))


def _summary(score) -> dict:
    base, condition, name = _named(score.model)
    return {"base": base, "condition": condition, "model": name, "r": float(score.value)}


def _compared(base: str, rows: pd.DataFrame) -> str:
    trained, copies = (
        rows[rows["condition"] == "trained"]["r"],
        rows[~rows["condition"].isin(_SINGLE)],
    )
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
