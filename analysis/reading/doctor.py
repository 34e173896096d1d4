"""The alignment doctor: to which word does a reading time belong, and what changes between two versions of a recording?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from analysis.reading.delta_ll import add_spillover, delta_log_likelihood, least_squares, on_link
from data.errors import BrainLensError, unknown
from data.shares import percent

__all__ = ["KINDS", "LagProfile", "VersionDiff", "lag_profile", "pooled_profile", "version_diff"]

KINDS = ("self-paced", "eye-tracking")
PREDICTORS = ("surprisal", "length", "log_frequency")
AHEAD_T = 4.0
"""|t| from which a response to the next, unseen word is taken for a misalignment ..."""
AHEAD_SHARE = 0.25
"""... where its coefficient is also at least this share of the largest one in the profile."""
SEEN_T = 3.0
"""|t| that a word already seen must reach, or there is nothing to judge by."""


@dataclass(frozen=True)
class LagProfile:
    """The response on the words around, fitted jointly.

    Parameters
    ----------
    frame : pandas.DataFrame
        predictor, lag (-1: the next word), word (``t+1``), coefficient, standard_error, t.
    verdict : str
        ``"aligned"``, ``"shifted"``, ``"exempt"`` (eye-tracking: readers see the next word from the corner of the eye) or
        ``"undecided"``.
    sentence : str
        The verdict in words.
    n_words, n_dropped : int
        Words fitted; words without a response or too near the edge of their text.
    """

    frame: pd.DataFrame
    verdict: str
    sentence: str
    n_words: int
    n_dropped: int

    def at(self, predictor: str, lag: int) -> pd.Series:
        """One row of the frame."""
        return self.frame[(self.frame["predictor"] == predictor) & (self.frame["lag"] == lag)].iloc[
            0
        ]


def lag_profile(
    table: pd.DataFrame,
    response: str,
    predictors: Sequence[str] = PREDICTORS,
    *,
    by: str | Sequence[str] = "story",
    lags: Sequence[int] = range(-2, 4),
    extra: Sequence[str] = ("zone", "zone2"),
    link: str = "log",
    kind: str = "self-paced",
) -> LagProfile:
    """Regress the response on the predictors of the words t+2 .. t-3, all at once, and judge whether it stands at its own word.

    Parameters
    ----------
    table : pandas.DataFrame
        One row per word, in reading order inside each text; words without a response stay in it, as neighbours of others.
    response : str
        Column, such as the mean reading time.
    predictors : sequence of str
        The first one judges.
    by : str or sequence of str
        Columns of the text; the window never crosses its edges.
    lags : sequence of int
        Words back; negative: words ahead.
    extra : sequence of str
        Further columns of the word itself; ``<name>2`` is the square of ``<name>`` where there is no such column.
    link : str
        ``"log"`` or ``"identity"``.
    kind : str
        One of :data:`KINDS`.

    Raises
    ------
    BrainLensError
        For unknown columns and kinds, lags without -1, too few words.

    Notes
    -----
    A person who reads word by word cannot respond to word t+1 at word t; where they seem to, the times stand one word too
    early. Where the peak lies decides nothing: with spillover it may be at t-1. Times that stand too late look like spillover and
    are not found. Standard errors are those of least squares, as if words were independent.
    """
    if kind not in KINDS:
        raise unknown("kind of reading", kind, KINDS)
    predictors, lags, by = list(predictors), list(lags), [by] if isinstance(by, str) else list(by)
    if -1 not in lags or 0 not in lags:
        raise BrainLensError(
            f"The lags {lags} leave out the next word or the word itself",
            remedy="Give lags=range(-2, 4)",
        )
    for name in [response, *predictors, *by]:
        if name not in table.columns:
            raise unknown("column of the word table", name, table.columns)
    groups = table.groupby(by, sort=False)
    window = {(name, lag): groups[name].shift(lag) for name in predictors for lag in lags}
    columns = {**window, **{(name, None): _extra(table, name) for name in extra}}
    design = np.column_stack([np.ones(len(table)), *columns.values()]).astype(float)
    y = table[response].to_numpy(float)
    rows = np.isfinite(design).all(axis=1) & np.isfinite(y)
    if rows.sum() < 10 * design.shape[1]:
        raise BrainLensError(
            f"{int(rows.sum())} words with all their neighbours are too few for {design.shape[1] - 1} columns",
            remedy="Give longer texts or fewer lags",
        )
    found = least_squares(design[rows], on_link(y[rows], link, response)).iloc[1 : 1 + len(window)]
    frame = pd.DataFrame(list(window), columns=["predictor", "lag"])
    frame["word"] = [_word(lag) for lag in frame["lag"]]
    frame = pd.concat([frame, found.reset_index(drop=True)], axis=1)
    verdict, sentence = _verdict(
        frame[frame["predictor"] == predictors[0]].set_index("lag"), predictors[0], kind
    )
    return LagProfile(frame, verdict, sentence, int(rows.sum()), int((~rows).sum()))


def pooled_profile(profiles: Sequence[pd.DataFrame], predictor: str = "surprisal") -> LagProfile:
    r"""One profile of several recordings of the same kind and scale, and its verdict.

    .. math:: b_l = \frac{\sum_c b_{cl} / s_{cl}^2}{\sum_c 1 / s_{cl}^2}, \quad s_l = (\sum_c 1 / s_{cl}^2)^{-1/2}

    Parameters
    ----------
    profiles : sequence of pandas.DataFrame
        ``frame`` of :func:`lag_profile`, two or more, of self-paced reading.
    predictor : str
        The one that judges.

    Raises
    ------
    BrainLensError
        For fewer than two profiles.

    Notes
    -----
    Weights by precision (a fixed effect over recordings): large recordings count most, and one that is shifted can shift the
    pooled profile. The verdicts of the single recordings come first.
    """
    if len(profiles) < 2:
        raise BrainLensError(
            f"{len(profiles)} profiles given, at least 2 are pooled", remedy="Give more recordings"
        )
    every = pd.concat(profiles, ignore_index=True)
    weight = every["standard_error"] ** -2.0
    every = every.assign(weight=weight, weighted=weight * every["coefficient"])
    summed = (
        every.groupby(["predictor", "lag", "word"], sort=False)[["weight", "weighted"]]
        .sum()
        .reset_index()
    )
    frame = summed[["predictor", "lag", "word"]].assign(
        coefficient=summed["weighted"] / summed["weight"], standard_error=summed["weight"] ** -0.5
    )
    frame["t"] = frame["coefficient"] / frame["standard_error"]
    verdict, sentence = _verdict(
        frame[frame["predictor"] == predictor].set_index("lag"), predictor, "self-paced"
    )
    return LagProfile(frame, verdict, sentence, 0, 0)


def _extra(table: pd.DataFrame, name: str) -> pd.Series:
    if name in table.columns:
        return table[name].astype(float)
    if name.endswith("2") and name[:-1] in table.columns:
        return table[name[:-1]].astype(float) ** 2
    raise unknown("column of the word table", name, table.columns)


def _word(lag: int) -> str:
    return f"t{-lag:+d}" if lag else "t"


def _verdict(profile: pd.DataFrame, predictor: str, kind: str) -> tuple[str, str]:
    ahead, seen = profile.loc[-1], profile[profile.index >= 0]
    share = abs(ahead["coefficient"]) / profile["coefficient"].abs().max()
    best = seen["t"].abs().idxmax()
    numbers = (
        f"{predictor} of t+1: t = {ahead['t']:.1f}, {percent(share)} of the largest coefficient"
    )
    strongest = (
        f"the word already seen that counts most is {_word(best)} (t = {seen.loc[best, 't']:.1f})"
    )
    if kind == "eye-tracking":
        return (
            "exempt",
            f"Eyes see the next word before they land on it, so a response to it says nothing here ({numbers}).",
        )
    opposite = ahead["t"] * seen.loc[best, "t"] < 0 and abs(seen.loc[best, "t"]) >= SEEN_T
    if opposite and abs(ahead["t"]) >= 2:
        return "aligned", (
            f"The next, unseen word goes with the measurements in the opposite direction ({numbers}), which no shift does: "
            f"people do not respond to it; {strongest}."
        )
    if abs(ahead["t"]) >= AHEAD_T and share >= AHEAD_SHARE:
        return "shifted", (
            f"People respond to the next word, which nobody had seen ({numbers}): "
            "the measurements seem to stand one word too early."
        )
    if abs(seen.loc[best, "t"]) < SEEN_T:
        return (
            "undecided",
            f"People respond to no word clearly enough to judge by: {strongest}; {numbers}.",
        )
    if abs(ahead["t"]) >= 2 and share >= AHEAD_SHARE:
        return (
            "undecided",
            f"A response to the next, unseen word can neither be shown nor ruled out ({numbers}); {strongest}.",
        )
    return "aligned", f"People do not respond to the next, unseen word ({numbers}); {strongest}."


# ---- two versions of one recording -------------------------------------------------------------------------------------
@dataclass(frozen=True)
class VersionDiff:
    """The same analysis on two versions, side by side.

    Parameters
    ----------
    frame : pandas.DataFrame
        quantity, predictor, word, one column per version, difference (second - first): t of the lag profile, delta
        log-likelihood in nats per word with its interval, and words used.
    verdicts : dict
        Version -> verdict of the doctor.
    sentence : str
    """

    frame: pd.DataFrame
    verdicts: Mapping[str, str] = field(repr=False)
    sentence: str


def version_diff(
    versions: Mapping[str, pd.DataFrame],
    response: str,
    *,
    by: str = "story",
    base: Sequence[str] = ("length", "log_frequency"),
    target: Sequence[str] = ("surprisal",),
    spillover: int = 2,
    extra: Sequence[str] = ("zone", "zone2"),
    link: str = "log",
    kind: str = "self-paced",
) -> VersionDiff:
    """Doctor and held-out delta log-likelihood on two versions of a word table.

    Parameters
    ----------
    versions : mapping
        Two names with their word tables, the older one first.
    by : str
        Column of the text; held out text by text.
    base, target : sequence of str
        Columns of the word; those of the ``spillover`` words before are added to each.

    Raises
    ------
    BrainLensError
        Where there are not two versions, and as in :func:`lag_profile` and
        :func:`analysis.reading.delta_ll.delta_log_likelihood`.
    """
    if len(versions) != 2:
        raise BrainLensError(
            f"{len(versions)} versions given, not 2", choices=versions, remedy="Name two versions"
        )
    sides, profiles, gains = {}, {}, {}
    lagged = [
        [*names, *(f"{name}_prev_{lag}" for name in names for lag in range(1, spillover + 1))]
        for names in (base, target)
    ]
    for name, table in versions.items():
        profile = lag_profile(
            table, response, [*target, *base], by=by, extra=extra, link=link, kind=kind
        )
        wide = add_spillover(table, [*base, *target], by, spillover)
        gain = delta_log_likelihood(wide, response, *lagged, folds=by, link=link)
        side = {("t", row.predictor, row.word): row.t for row in profile.frame.itertuples()}
        for quantity, value in (
            ("delta_ll", gain.per_word),
            ("delta_ll_low", gain.low),
            ("delta_ll_high", gain.high),
        ):
            side[quantity, "", ""] = value
        side["words", "", ""] = profile.n_words
        sides[name], profiles[name], gains[name] = side, profile, gain
    first, second = versions
    frame = pd.DataFrame(
        [
            (*key, sides[first][key], sides[second][key], sides[second][key] - sides[first][key])
            for key in sides[first]
        ],
        columns=["quantity", "predictor", "word", first, second, "difference"],
    )
    says = [
        f"{name}: {profiles[name].verdict} ({target[0]} of t+1 has t = {profiles[name].at(target[0], -1)['t']:.1f}), "
        f"delta log-likelihood {1000 * gains[name].per_word:.2f} millinats per word"
        for name in versions
    ]
    return VersionDiff(
        frame, {name: profile.verdict for name, profile in profiles.items()}, "; ".join(says) + "."
    )
