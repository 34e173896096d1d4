"""One line per model: the number, and what it has to be seen beside, each as a value with a verdict."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.scoring.beside import stored_oasm
from analysis.statistics.bootstrap import paired

__all__ = ["Gain", "Tile", "tiles", "verdict", "verdict_first"]


@dataclass(frozen=True)
class Gain:
    """A paired difference with its 95 % interval; NaN ends where nothing was drawn."""

    value: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """``yes``, ``no`` or ``cannot tell``."""
        return verdict(self.low, self.high)


@dataclass(frozen=True)
class Tile:
    """What stands beside one model's number.

    Parameters
    ----------
    model : str
    r, low, high : float
        Every fold with the layer chosen for it.
    layer : int
        The one that most folds use.
    ceiling : float
        NaN where there is none; ``flag`` says why.
    flag : str
    above_plain, above_random : Gain or None
        Over length and position, and over a random embedding as wide as the model; None where that was not asked.
    inflation : float
        What folds that ignore groups would add to r at that layer; NaN without a shuffled twin.
    optimism : float
        What choosing the layer on the reported data would add; NaN where there is nothing to choose.
    omega : float
        Percent of the model's R2 that position and length explain; NaN where that is not defined or was not asked.
    oasm : tuple of float, or None
        r of the model without text, shuffled and held out, where it was computed before; None: not yet.
    place : str
        What that layer is called; empty: by its number.
    """

    model: str
    r: float
    low: float
    high: float
    layer: int
    ceiling: float
    flag: str
    above_plain: Gain | None
    above_random: Gain | None
    inflation: float
    optimism: float
    omega: float = np.nan
    oasm: tuple[float, float] | None = None
    place: str = ""


def tiles(scores: list) -> list[Tile]:
    """One tile per complete score, in the order given.

    Parameters
    ----------
    scores : list of Score
    """
    return [_tile(score) for score in scores if score.complete]


def verdict_first(found: list[Tile], recording: str) -> str:
    """Whether the models are above length and position, in one sentence; empty where that was not asked.

    Parameters
    ----------
    found : list of Tile
    recording : str
    """
    asked = [(tile.model, gain) for tile in found if (gain := tile.above_plain) is not None]
    if not asked:
        return ""
    if len(asked) == 1:
        (model, above), *_ = asked
        gain = f"{_r(above.value, sign=True)} {_span(above)}".strip()
        return {
            "yes": f"{model} predicts {recording} better than length and position alone ({gain}).",
            "no": f"{model} predicts {recording} worse than length and position alone ({gain}).",
            "cannot tell": f"Whether {model} predicts {recording} better than length and position alone "
            f"cannot be told ({gain}).",
        }[above.verdict]
    told = {
        code: [m for m, above in asked if above.verdict == code]
        for code in ("yes", "no", "cannot tell")
    }
    open_ = told["cannot tell"]
    if len(open_) == len(asked):
        return f"Whether {_list(open_)} predict {recording} better than length and position alone cannot be told."
    parts = [
        f"{_list(names)} predict{'s' * (len(names) == 1)} {recording} {words}"
        for code, words in (("yes", "better"), ("no", "worse"))
        if (names := told[code])
    ]
    parts += [f"for {_list(open_)} it cannot be told"] if open_ else []
    return f"Against length and position alone: {'; '.join(parts)}."


def _list(names: list[str], most: int = 3) -> str:
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _r(value: float, *, sign: bool = False) -> str:
    return (f"{value:+.2f}" if sign else f"{value:.2f}").replace("0.", ".", 1)


def _span(gain: Gain) -> str:
    known = np.isfinite(gain.low) and np.isfinite(gain.high)
    return f"[{_r(gain.low)}, {_r(gain.high)}]" if known else ""


def verdict(low: float, high: float) -> str:
    """Whether an interval of a difference lies above zero.

    Examples
    --------
    >>> [verdict(0.1, 0.2), verdict(-0.2, -0.1), verdict(-0.1, 0.1), verdict(float("nan"), 1.0)]
    ['yes', 'no', 'cannot tell', 'cannot tell']
    """
    if low > 0:
        return "yes"
    return "no" if high < 0 else "cannot tell"


def _tile(score) -> Tile:
    row = score.table().set_index("layer").loc[score.chosen_layer]
    several = score.protocol.layer == "nested" and len(score.layers) > 1
    return Tile(
        score.model,
        float(score.value),
        float(score.low),
        float(score.high),
        score.chosen_layer,
        float(score.ceiling.value),
        score.ceiling.flag or "",
        _gain(score, "position+length"),
        _gain(score, "random-embedding"),
        float(row.get("r_shuffled", np.nan) - row["r"]),
        float(score.optimism) if several else np.nan,
        float(score.omega),
        _oasm(score),
        score.place(score.chosen_layer),
    )


def _oasm(score) -> tuple[float, float] | None:
    """Shuffled and held-out r of OASM on the score's recording and folds, where the store has it."""
    known = stored_oasm(score.provenance["recording"].get("content_hash", ""), score.protocol)
    return None if known is None else (known.shuffled, known.grouped)


def _gain(score, control: str) -> Gain | None:
    """The model's r less the control's, interval from draws of the same people and stimulus groups."""
    known = score.controls.set_index("control")["r"] if len(score.controls) else {}
    if control not in known:
        return None
    mine, theirs = np.asarray(score.draws), score.control_draws.get(control)
    low = high = np.nan
    if theirs is not None and len(theirs) == len(mine) > 0:
        low, high, _ = paired(mine, theirs)
    return Gain(float(score.value) - float(known[control]), float(low), float(high))
