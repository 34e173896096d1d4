"""What breaks it? Noise in the weights by depth, and units cut out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from analysis.answers.answer import Answer, decimal, interval, listed, p_value, plural
from analysis.answers.outcomes import LEAST_SEEDS, Outcome, mean_over_seeds
from analysis.models.variants.maps import maps_told
from analysis.models.variants.spec import split
from data.errors import BrainLensError

__all__ = [
    "PERCENTS",
    "SDS",
    "at_same_kl",
    "lesion_names",
    "lesions",
    "noise",
    "noise_names",
]

SDS = (0.2, 0.4, 0.8)
"""Of the noise, relative to each tensor's own standard deviation."""
THIRDS = ("lower", "middle", "upper")
PERCENTS = (1.0, 5.0, 20.0)
"""Of the units that are cut out."""
_VALUES = ("r", "r_nested", "bits_per_byte", "delta_ll", "kl")


# ---- noise ------------------------------------------------------------------------------------------------------------
def noise_names(model: str, seeds: int = 5, sds: Sequence[float] = SDS) -> list[str]:
    """The model, and its copies with noise in a third of its blocks."""
    return [model] + [
        f"{model}@noise:{third}-third:{sd:g}:{seed}"
        for sd in sds
        for third in THIRDS
        for seed in range(seeds)
    ]


def noise(found: Iterable[Outcome]) -> Answer:
    """Which depth breaks first, at the same noise and at the same change of what is predicted.

    Parameters
    ----------
    found : iterable of Outcome
        Of :func:`noise_names`, of one model.

    Returns
    -------
    Answer
        ``frame``: depth, sd, seeds, and mean and t interval over seeds of r (output layer), r_nested, bits_per_byte, delta_ll,
        kl. ``facts``: ``seeds`` (a row per copy), ``whole`` (the model's own row), ``matched`` (r of every depth at the
        divergences that all of them reach, interpolated seed by seed over log KL), ``contrasts`` (lower minus upper, with a
        paired t interval).
    """
    found = list(found)
    rows, whole = [], None
    for one in found:
        base, _, variant = split(one.model)
        if not variant:
            whole = {"model": base, **one.row}
        elif variant.kind == "noise" and variant.scheme.endswith("-third"):
            depth = variant.scheme.removesuffix("-third")
            about = {"depth": f"{depth} third", "sd": variant.amount, "seed": variant.seed}
            rows.append({"model": base, **about, **one.row})
    if whole is None or not rows:
        raise BrainLensError(
            "Noise is judged by the model without it", remedy="Run the model and its noisy copies"
        )
    single = pd.DataFrame(rows)
    order = {f"{third} third": n for n, third in enumerate(THIRDS)}
    single = single.sort_values(
        ["depth", "sd", "seed"],
        key=lambda c: c.map(order) if c.name == "depth" else c,
        ignore_index=True,
    )
    frame = mean_over_seeds(single, ("depth", "sd"), _VALUES)
    matched = _matched(single)
    contrasts = _contrasts(single, matched)
    seeds = int(frame["seeds"].min())
    sentence = _noise_sentence(whole, frame, contrasts)
    caption = (
        "Gaussian noise on every weight of a third of the blocks (as many in each), relative to its tensor's standard "
        f"deviation; {plural(seeds, 'seed')} or more, t intervals over seeds. r is of the output layer, so that no layer below "
        "the noise can be chosen instead; r of the layer chosen inside stands in the table. At the same KL: what the whole "
        "model predicts next against what the noisy one does."
    )
    if seeds < 5:
        caption += f" Fewer than 5 seeds: a look, not a finding; with fewer than {LEAST_SEEDS} nothing is claimed."
    return Answer(
        frame,
        sentence,
        caption,
        facts={"seeds": single, "whole": whole, "matched": matched, "contrasts": contrasts},
        axes={
            "x_title": "Noise, in sd of each tensor",
            "y_title": "Pearson r, held out, output layer",
        },
    )


def _matched(single: pd.DataFrame, points: int = 5) -> pd.DataFrame:
    """r of each depth and seed at common divergences, interpolated over log KL."""
    courses = {
        key: own.sort_values("kl")
        for key, own in single.dropna(subset=["kl"]).groupby(["depth", "seed"], sort=False)
        if own["kl"].nunique() > 1 and (own["kl"] > 0).all()
    }
    empty = pd.DataFrame(columns=["depth", "seed", "kl", "r"])
    if len({depth for depth, _ in courses}) < 2:
        return empty
    low = max(own["kl"].min() for own in courses.values())
    high = min(own["kl"].max() for own in courses.values())
    if low >= high:
        return empty
    grid = np.geomspace(low, high, points)
    rows = [
        pd.DataFrame({"depth": depth, "seed": seed, "kl": grid,
                      "r": np.interp(np.log(grid), np.log(own["kl"]), own["r"])})
        for (depth, seed), own in courses.items()
    ]  # fmt: skip
    return pd.concat(rows, ignore_index=True)


def _contrasts(single: pd.DataFrame, matched: pd.DataFrame) -> pd.DataFrame:
    """Lower minus upper third: mean over noise (over divergences), paired by seed."""
    from scipy import stats

    rows = []
    for at, table in (("the same noise", single), ("the same KL", matched)):
        if table.empty:
            continue
        means = table.pivot_table(index="seed", columns="depth", values="r", aggfunc="mean")
        if not {"lower third", "upper third"} <= set(means.columns):
            continue
        gap = (means["lower third"] - means["upper third"]).dropna().to_numpy(float)
        n = len(gap)
        reach = stats.t.ppf(0.975, n - 1) * gap.std(ddof=1) / np.sqrt(n) if n > 1 else np.nan
        mean = gap.mean() if n else np.nan  # no seed has both where copies share no range of KL
        rows.append((at, mean, mean - reach, mean + reach, n))
    return pd.DataFrame(rows, columns=["at", "difference", "low", "high", "seeds"])


def _noise_sentence(whole: dict, frame: pd.DataFrame, contrasts: pd.DataFrame) -> str:
    top = frame[frame["sd"] == frame["sd"].max()]
    ends = listed(f"{decimal(row.r)} ({row.depth})" for row in top.itertuples())
    fewest, most = int(top["seeds"].min()), int(top["seeds"].max())
    over = plural(most, "seed") if fewest == most else f"{fewest} to {most} seeds"
    said = (
        f"{whole['model']} predicts with r = {decimal(whole['r'])} at its output layer; noise of "
        f"{top['sd'].iloc[0]:g} sd leaves {ends}, means of {over}"
    )
    if lacking := [
        f"{third} third" for third in THIRDS if f"{third} third" not in set(top["depth"])
    ]:
        said += f" (nothing yet of the {listed(lacking)})"
    for row in contrasts.itertuples():
        said += f"; at {row.at} {_verdict(row)}"
    return said + "."


def _verdict(row) -> str:
    """Which third is the more delicate, of one contrast."""
    if row.seeds < LEAST_SEEDS:
        return f"{plural(int(row.seeds), 'seed')} cannot say whether depth matters"
    found = f"(lower minus upper {decimal(row.difference)} {interval(row.low, row.high)})"
    if row.low > 0:
        return f"the upper third is the more delicate {found}"
    if row.high < 0:
        return f"the lower third is the more delicate {found}"
    return f"no difference of depth is shown {found}"


def at_same_kl(contrasts: pd.DataFrame) -> str:
    """Which third is the more delicate at the same change of what is predicted next, of the contrasts of :func:`noise`."""
    for row in contrasts.itertuples():
        if row.at == "the same KL":
            return f"At the same KL of the next piece {_verdict(row)}."
    return "The copies share no range of KL, so that depths are not compared at the same change of what is predicted."


# ---- lesions ------------------------------------------------------------------------------------------------------------
def lesion_names(
    model: str, seeds: int = 5, percents: Sequence[float] = PERCENTS, *, named: str = ""
) -> list[str]:
    """The model; its copies without localised units, and without others of the same blocks; without heads and blocks.

    Parameters
    ----------
    named : str
        The map that localises the units; empty: sentences above non-words, on the model itself.
    """
    own, others = (f"map-{named}", f"matched-{named}") if named else ("language", "matched")
    names = [model]
    for amount in percents:
        names.append(f"{model}@lesion:{own}:{amount:g}:0")
        for kind in (others, "heads"):
            names += [f"{model}@lesion:{kind}:{amount:g}:{seed}" for seed in range(seeds)]
    return names + [f"{model}@lesion:blocks:1:{seed}" for seed in range(seeds)]


_CUT = {
    "language": "localised units",
    "matched": "other units, same blocks",
    "random": "other units",
    "least": "units that tell least",
    "heads": "attention heads",
    "blocks": "one block",
}


def lesions(found: Iterable[Outcome]) -> Answer:
    """Whether localised units are needed more than others of the same blocks.

    Parameters
    ----------
    found : iterable of Outcome
        Of :func:`lesion_names`, of one model.

    Returns
    -------
    Answer
        ``frame``: what (was cut out), percent, seeds, and mean and t interval over seeds of each outcome. ``facts``:
        ``seeds``, ``whole``, ``tests`` (percent, lost by localised units, mean lost by others, p = share of the random
        lesions, and of the localised one itself, that lose at least as much).
    """
    rows, whole, named = [], None, set()
    for one in found:
        base, _, variant = split(one.model)
        if not variant:
            whole = {"model": base, **one.row}
        elif variant.kind == "lesion":
            kind, _, saved = variant.scheme.partition("-")
            named.add(saved if kind in ("map", "matched") else "")
            what = _CUT["language" if kind == "map" else kind]
            rows.append({"model": base, "what": what, "percent": variant.amount, "seed": variant.seed, **one.row})  # fmt: skip
    if whole is None or not rows:
        raise BrainLensError(
            "A lesion is judged by the whole model", remedy="Run the model and its lesioned copies"
        )
    single = pd.DataFrame(rows)
    frame = mean_over_seeds(single, ("what", "percent"), _VALUES)
    tests = _lesion_tests(single, whole)
    said = []
    for row in tests.itertuples():
        verdict = "more than any" if row.p <= 1 / (row.seeds + 1) + 1e-12 else "not more than all"
        said.append(
            f"cutting the {row.percent:g} % most localised units costs {decimal(row.lost)} of r, {verdict} of "
            f"{plural(row.seeds, 'random lesion')} of the same blocks (mean {decimal(row.others)}; {p_value(row.p, 2)})"
        )
    sentence = f"{whole['model']} predicts with r = {decimal(whole['r'])} at its output layer. " + (
        "; ".join([said[0].capitalize(), *said[1:]]) + "."
        if said
        else "No localised lesion has been run beside random ones yet."
    )
    saved = listed(f"the map {name} ({_contrasted(name)})" for name in sorted(filter(None, named)))
    how = f"by {saved}" if saved else "on the model itself, sentences against non-words"
    caption = (
        f"Units are localised {how}, over all blocks together; the others are drawn "
        "in the same blocks, as many in each. Heads and blocks are drawn by seed, one at least: of a small model one head is "
        "more than the per cent that is asked for. r is of the output layer; t intervals over seeds. p counts random lesions, "
        "and the localised one, that lose at least as much r: with n seeds it is never below 1 / (n + 1)."
    )
    return Answer(
        frame,
        sentence,
        caption,
        facts={"seeds": single, "whole": whole, "tests": tests},
        axes={"x_title": "Per cent cut out", "y_title": "Pearson r, held out, output layer"},
    )


def _contrasted(name: str) -> str:
    """What a map contrasts, in words."""
    return maps_told().get(name, {}).get("about") or "its first texts above its second"


def _lesion_tests(single: pd.DataFrame, whole: dict) -> pd.DataFrame:
    rows = []
    for amount, own in single.groupby("percent"):
        lost = whole["r"] - own[own["what"] == _CUT["language"]]["r"]
        others = whole["r"] - own[own["what"] == _CUT["matched"]]["r"]
        if len(lost) == 1 and len(others):
            value = float(lost.iloc[0])
            p = (1 + int((others >= value).sum())) / (len(others) + 1)
            rows.append((amount, value, float(others.mean()), p, len(others)))
    return pd.DataFrame(rows, columns=["percent", "lost", "others", "p", "seeds"])
