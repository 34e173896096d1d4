"""From the number of 2021 to today's, one choice at a time; and each choice's share whatever the order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from math import factorial

import numpy as np
import pandas as pd

from analysis.answers.answer import Answer, decimal, listed, signed
from data.errors import BrainLensError, unknown
from data.readers.published import hadidi2025, schrimpf2021
from data.shares import percent

__all__ = ["every_subset", "published_story", "shapley", "waterfall"]


def every_subset(names: Sequence[str]) -> list[frozenset[str]]:
    """All 2^k sets of switches, the empty one first."""
    return [frozenset(some) for size in range(len(names) + 1) for some in combinations(names, size)]


def shapley(values: Mapping[frozenset, float], names: Sequence[str]) -> dict[str, float]:
    r"""Each switch's share of the whole change, averaged over every order in which they can be thrown.

    .. math:: \phi_i = \sum_{S \not\ni i} \frac{|S|! \, (k - |S| - 1)!}{k!} \left(v(S \cup i) - v(S)\right)

    Parameters
    ----------
    values : mapping of frozenset to float
        Set of switches that are thrown -> the number; all 2^k of them.
    names : sequence of str

    Returns
    -------
    dict
        The shares add up to ``v(all) - v(none)`` exactly. Source: Shapley 1953.
    """
    missing = [some for some in every_subset(names) if some not in values]
    if missing:
        raise BrainLensError(
            f"{len(missing)} of {2 ** len(names)} combinations have no number",
            remedy="Run every combination of the switches",
        )
    k, found = len(names), {}
    for name in names:
        rest = [other for other in names if other != name]
        found[name] = sum(
            factorial(len(some)) * factorial(k - len(some) - 1) / factorial(k)
            * (values[some | {name}] - values[some])
            for some in every_subset(rest)
        )  # fmt: skip
    return found


def waterfall(
    steps: Sequence[tuple[str, float]],
    *,
    shares: Mapping[str, float] | None = None,
    scale: str = "Pearson r, held out",
    beside: pd.DataFrame | None = None,
    caption: str = "",
    model: str = "",
) -> Answer:
    """Bars from one number to another.

    Parameters
    ----------
    steps : sequence of (name, value)
        The first is where it starts; each further one names what was changed, and the number after it. All on one scale.
    shares : mapping of str to float, optional
        Switch -> its order-free share, as of :func:`shapley`.
    scale : str
        What the numbers are: r, R2 and shares of a ceiling are never in one waterfall.
    beside : pandas.DataFrame, optional
        Numbers on other scales, for the table.

    Returns
    -------
    Answer
        ``frame``: step, kind (``start``, ``change``, ``end``), value (after it), change, bottom, top (edges of the bar),
        share. The changes add up exactly to end minus start.
    """
    if len(steps) < 2:
        raise BrainLensError(
            "A waterfall needs two numbers at least", remedy="Name a start and one change"
        )
    values = [float(value) for _, value in steps]
    if not np.isfinite(values).all():
        raise BrainLensError(
            f"A number of the waterfall is not defined: {values}", remedy="Leave that step out"
        )
    rows = [_bar(steps[0][0], "start", values[0], np.nan, 0.0, values[0])]
    for (name, value), before in zip(steps[1:], values):
        rows.append(_bar(name, "change", value, value - before, before, value))
    rows.append(_bar("the end", "end", values[-1], np.nan, 0.0, values[-1]))
    frame = pd.DataFrame(rows)
    frame["share"] = frame["step"].map(shares or {}).astype(float)
    changes = frame[frame["kind"] == "change"]
    largest = changes.loc[changes["change"].abs().idxmax()]
    sentence = (
        f"{model + ': f' if model else 'F'}rom {decimal(values[0], 3)} to {decimal(values[-1], 3)}: the largest step is "
        f"{largest['step']} ({signed(largest['change'])})"
    )
    if shares:
        said = [
            f"{name} {signed(value)}" for name, value in sorted(shares.items(), key=lambda s: s[1])
        ]
        sentence += f"; whatever the order: {listed(said)}"
    order = f"Order: {', then '.join(name for name, _ in steps)}." + (
        " It matters, since the choices interact." if len(steps) > 2 else ""
    )
    if shares:
        order += f" Order-free shares: Shapley values over {2 ** len(shares)} runs."
    return Answer(
        frame,
        sentence + ".",
        f"{order} {caption}".strip(),
        facts={
            "beside": beside if beside is not None else pd.DataFrame(),
            "shares": dict(shares or {}),
        },
        axes={"x_title": "", "y_title": scale},
    )


def _bar(step, kind, value, change, bottom, top) -> dict:
    return {
        "step": step,
        "kind": kind,
        "value": value,
        "change": change,
        "bottom": min(bottom, top),
        "top": max(bottom, top),
    }


# ---- the published story --------------------------------------------------------------------------------------------
def published_story(model: str = "gpt2-xl", benchmark: str = "pereira2018") -> Answer:
    """What the released tables say of one model: shuffled to contiguous ridge, OASM beside, 2021's normalised score apart.

    Returns
    -------
    Answer
        ``frame``: as of :func:`waterfall`. ``facts["oasm"]``: the same of OASM. ``facts["beside"]``: what, scale, from, to,
        source. Nothing is recomputed.

    Raises
    ------
    BrainLensError
        For a model or benchmark that the table of Hadidi et al. does not have.
    """
    table = hadidi2025()
    table = table[table["pooling"] == "last"]
    if benchmark not in set(table["benchmark"]):
        raise unknown("benchmark of Hadidi et al.", benchmark, dict.fromkeys(table["benchmark"]))
    own = table[table["benchmark"] == benchmark].pivot(
        index="model", columns="split", values="score"
    )
    if model not in own.index:
        raise unknown("model of Hadidi et al.", model, own.index)
    oasm, source = "OASM-all-sigma", "Hadidi, Feghhi et al. 2025, released table"
    rows = [
        ("OASM, no text", "r", own.loc[oasm, "shuffled"], own.loc[oasm, "contiguous"], source),
        (
            "position and word rate",
            "r",
            own.loc["PWR", "shuffled"],
            own.loc["PWR", "contiguous"],
            source,
        ),
    ]
    then = schrimpf2021()
    then = then[
        (then["model"] == model) & (then["benchmark"] == benchmark) & (then["variant"] == "trained")
    ]
    if len(then):
        rows.append(
            ("2021, best layer on the same data", "share of the ceiling", np.nan, then["score"].iloc[0],
             "Schrimpf et al. 2021, released table")
        )  # fmt: skip
    beside = pd.DataFrame(rows, columns=["what", "scale", "from", "to", "source"])
    shuffled, held = own.loc[model, "shuffled"], own.loc[model, "contiguous"]
    answer = waterfall(
        [("shuffled folds, ridge", shuffled), ("neighbours held out together", held)],
        beside=beside,
        scale="Pearson r, as published",
        model=model,
    )
    read = waterfall(
        [("OASM, shuffled folds", rows[0][2]), ("OASM, held out together", rows[0][3])]
    )
    read.frame["step"] = read.frame["step"].replace("the end", "OASM, the end")
    apart = (
        f" Apart, on another scale: {decimal(rows[2][3], 3)} of the ceiling in 2021 (OLS, best layer on the same data)."
        if len(rows) > 2
        else ""
    )
    sentence = (
        f"As published, not recomputed: of {model}'s r = {decimal(shuffled, 3)} on {benchmark} with shuffled folds "
        f"{decimal(held, 3)} ({percent(held / shuffled)}) is left when neighbours are held out together; OASM, which reads no "
        f"text, goes from {decimal(rows[0][2], 3)} to {decimal(rows[0][3], 3)}.{apart}"
    )
    return Answer(
        answer.frame,
        sentence,
        f"Published, not recomputed. {source}: ridge, mean r, last token, not divided by a ceiling. The score of 2021 is a share "
        "of a ceiling: it shares no axis with r and stands in the table only.",
        facts=answer.facts | {"oasm": read.frame, "published": ("schrimpf2021", "hadidi2025")},
        axes=answer.axes,
    )


def ordered(values: Mapping[frozenset, float], names: Iterable[str]) -> list[tuple[str, float]]:
    """The numbers on the way from no switch to all, thrown in this order."""
    thrown, found = frozenset(), []
    for name in names:
        thrown |= {name}
        found.append((name, values[thrown]))
    return found
