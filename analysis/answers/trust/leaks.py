"""Leak meter: does the score come from neighbours in time, which shuffled folds put on both sides?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from analysis.answers.answer import Answer, decimal, interval, listed
from analysis.protocol import SINGLE, Protocol
from analysis.statistics.measured import LEAKS
from data.errors import BrainLensError
from data.shares import percent

__all__ = ["NOTICED", "holds_out", "leak_meter"]

NOTICED = 0.02
"""A difference in r between shuffled and held-out folds that is smaller is not called a leak."""
_CONTROLS = {"position+length": "position and length", "random-embedding": "random embedding"}


def holds_out(protocol: Protocol) -> None:
    """Nothing where the folds of a protocol hold neighbours out together.

    Raises
    ------
    BrainLensError
        Where they hold out single stimuli: beside its shuffled twin such a score would look like one without a leak.
    """
    if protocol.split in SINGLE:
        raise BrainLensError(
            f"The folds ({protocol.split}) hold single stimuli out: no leak could be told from them",
            remedy="Choose a split that holds groups out: grouped, contiguous or leave-one-group-out",
        )


def leak_meter(
    scores: Iterable, oasm=None, untrained: Mapping[str, Sequence] | None = None
) -> Answer:
    """Models, controls and a model without text, each under the protocol's own folds and under shuffled ones.

    Parameters
    ----------
    scores : iterable of Score
        Of one or several models on one recording, with shuffled twins.
    oasm : Oasm, optional
        As of :func:`analysis.scoring.beside.oasm_of`.
    untrained : mapping of str to sequence of Score, optional
        Model -> its untrained copies, one for each seed.

    Returns
    -------
    Answer
        ``frame``: what, model, folds (``held-out groups`` or ``shuffled``), r, low, high, n (copies of an untrained band).
        ``facts["verdicts"]``: model -> ``leak``, ``partly a leak``, ``no leak`` or ``cannot tell``;
        ``facts["above"]``: model -> the controls that it is above.

    Raises
    ------
    BrainLensError
        Without a score, or where one has no shuffled twin or was scored under folds that hold no group out.

    Notes
    -----
    Of what shuffled folds add (more than :data:`NOTICED`) it is called *leak* where nothing is left under held-out groups (the
    interval includes 0), *partly a leak* where something is. OASM says whether autocorrelation alone can do it: where it cannot
    (its shuffled r is not above the half-width of the model's interval, or it was not computed) and the shuffled r lies inside
    the held-out interval, what was added may be chance, and the verdict is *cannot tell*.
    """
    scores = list(scores)
    if not scores:
        raise BrainLensError(
            "No score to answer with", remedy="Choose a model and a recording, then run"
        )
    rows: list[dict] = []
    for score in scores:
        holds_out(score.protocol)
        if "r_shuffled" not in score.dataset:
            raise BrainLensError(
                f"{score.model} was scored without its shuffled twin",
                remedy="Set shuffled_twin=true",
            )
        rows += _pair(score.model, score.model, score.value, score.low, score.high, score.shuffled)
        for control in score.controls.to_dict("records"):
            if control["control"] in _CONTROLS:
                beside = (
                    f" beside {score.model}"
                    if "embedding" in control["control"] and len(scores) > 1
                    else ""
                )
                rows += _pair(
                    _CONTROLS[control["control"]] + beside,
                    "controls",
                    control["r"],
                    control["r_low"],
                    control["r_high"],
                    control["r_shuffled"],
                )
        copies = [one for one in (untrained or {}).get(score.model, ())]
        if copies:
            grouped, shuffled = (
                [getattr(one, name) for one in copies] for name in ("value", "shuffled")
            )
            rows += [
                _row(f"{score.model}, untrained", "untrained", folds, np.mean(values), min(values), max(values), len(copies))
                for folds, values in (("held-out groups", grouped), ("shuffled", shuffled))
            ]  # fmt: skip
    if oasm is not None:
        rows += _pair("OASM, no text", "OASM", oasm.grouped, oasm.low, oasm.high, oasm.shuffled)
    # what belongs to no model stands behind them all, not below the first
    rows.sort(key=lambda row: row["group"] == "OASM" or row["what"] == _CONTROLS["position+length"])
    frame = pd.DataFrame(rows).drop_duplicates(["what", "folds"], ignore_index=True)
    verdicts = {score.model: _verdict(score, oasm) for score in scores}
    above = {score.model: _above(score, frame) for score in scores}
    said = [_words(score, verdicts[score.model], above[score.model], oasm) for score in scores]
    caption = (
        f"Held out: {listed(dict.fromkeys(score.provenance['folds'] for score in scores))}. Shuffled: as many folds of single "
        "stimuli at random, the same penalties and layers. Whiskers: 95 % bootstrap interval; of untrained copies lowest and "
        "highest seed; shuffled folds have none. OASM knows when a stimulus came and nothing of what it says"
        + _how(oasm)
        + f" Of simulated noise, where nothing can leak, {percent(LEAKS, 1)} of data sets were called a leak."
    )  # fmt: skip
    return Answer(
        frame,
        " ".join(said),
        caption,
        facts={"verdicts": verdicts, "above": above, "oasm": oasm},
        axes={"x_title": "", "y_title": "Pearson r, held out"},
    )


def _how(oasm) -> str:
    """With which width OASM was computed, and on what, to stand behind the sentence that says what it is."""
    if oasm is None:
        return "; it was not computed here."
    part = f"; {oasm.part}, in whole groups or unbroken stretches" if oasm.part else ""
    return f" (width: {oasm.sigma:g} rows, the highest shuffled r{part})."


def _row(what, group, folds, r, low=np.nan, high=np.nan, n=1) -> dict:
    return {
        "what": what,
        "group": group,
        "folds": folds,
        "r": float(r),
        "low": float(low),
        "high": float(high),
        "n": n,
    }


def _pair(what, group, grouped, low, high, shuffled) -> list[dict]:
    return [
        _row(what, group, "held-out groups", grouped, low, high),
        _row(what, group, "shuffled", shuffled),
    ]


def _verdict(score, oasm) -> str:
    if not np.isfinite([score.value, score.shuffled]).all():
        return "cannot tell"
    if score.shuffled - score.value <= NOTICED:
        return "no leak"
    if _by_chance(score, oasm):
        return "cannot tell"
    left = score.low > 0 if np.isfinite(score.low) else score.value > NOTICED
    return "partly a leak" if left else "leak"


def _by_chance(score, oasm) -> bool:
    """Whether what shuffled folds add lies within the held-out interval, and nothing else speaks for a leak."""
    if not np.isfinite(score.high):
        return False
    autocorrelated = oasm is not None and oasm.shuffled > max(NOTICED, score.high - score.value)
    return not autocorrelated and score.shuffled <= score.high


def _above(score, frame: pd.DataFrame) -> list[str]:
    """The other rows under held-out groups that the model's interval lies above (an untrained band: its highest seed)."""
    held = frame[(frame["folds"] == "held-out groups") & (frame["what"] != score.model)]
    mine = held[held["group"].isin(["controls", "untrained", "OASM"])]
    mine = mine[
        ~mine["what"].str.contains(" beside ") | mine["what"].str.endswith(f" beside {score.model}")
    ]
    mine = mine[(mine["group"] != "untrained") | mine["what"].str.startswith(f"{score.model},")]
    level = np.where(mine["group"] == "untrained", mine["high"], mine["r"])
    low = score.low if np.isfinite(score.low) else score.value
    return list(mine["what"][low > level])


def _words(score, verdict: str, above: list[str], oasm) -> str:
    held = f"{decimal(score.value)} {interval(score.low, score.high)}".strip()
    moved = f"{score.model}: r = {decimal(score.shuffled)} with shuffled folds, {held} with held-out groups"
    because = ""
    if oasm is not None and verdict in ("leak", "partly a leak"):
        because = (
            f"; OASM, which reads no text, reaches {decimal(oasm.shuffled)} when shuffled"
            f" and {decimal(oasm.grouped)} held out"
        )
    call = {
        "leak": "Verdict: leak. A score under shuffled folds says nothing about language here.",
        "partly a leak": "Verdict: partly a leak. Quote the held-out number only.",
        "no leak": "Verdict: no leak; shuffled folds add nothing that could be noticed.",
        "cannot tell": "Verdict: cannot tell; what shuffled folds add lies within the held-out interval."
        if np.isfinite([score.value, score.shuffled]).all()
        else "Verdict: cannot tell, one of the two is not defined.",
    }[verdict]
    beyond = f" Above {listed(above)}." if above else " Above none of the controls shown."
    return f"{moved}{because}. {call}{beyond if verdict != 'leak' else ''}"
