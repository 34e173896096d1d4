"""How many people and items does it take to tell these two models apart?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.answers.answer import Answer, listed, plural
from analysis.design.power import (
    Components,
    LearningCurve,
    components,
    learning_curve,
    power_curve,
    smallest,
)
from analysis.progress import SILENT, Report
from analysis.protocol import Protocol, preset
from analysis.scoring.per_stimulus import item_values
from analysis.scoring.verb import score
from data.catalog.catalog import recording as load
from data.errors import BrainLensError
from data.recording import Recording
from data.shares import percent

__all__ = ["check_effect", "growth", "pilot_of", "pilot_table", "planning"]

PEOPLE = (4, 6, 8, 10, 12, 16, 20, 30, 40, 60, 80)
FRACTIONS = (0.25, 0.5, 0.75, 1.0)


def pilot_of(
    first, second, recording: Recording | str, protocol: Protocol | str = "defended", *, store=None, report: Report = SILENT
) -> pd.DataFrame:  # fmt: skip
    """Differences of two models, person by person and stimulus by stimulus: what each explains of a stimulus, held out.

    Returns
    -------
    pandas.DataFrame
        person, item, difference (in shares of variance explained; their mean is the difference of R2).

    Raises
    ------
    BrainLensError
        For a recording that is averaged over people or has fewer than three.
    """
    if isinstance(first, str) and first == second:
        raise BrainLensError(
            f"{first} does not differ from itself", remedy="Choose two models to be told apart"
        )
    if isinstance(recording, str):
        recording = load(recording)
    if recording.averaged or recording.subjects is None or len(set(recording.subjects)) < 3:
        raise BrainLensError(
            f"{recording.id} has no three people: how much people differ cannot be told from it",
            remedy="Choose a recording of single people, or bring a table with person, item and difference",
        )
    one, two = (
        item_values(model, recording, protocol, store=store, report=report)
        for model in (first, second)
    )
    apart = pd.DataFrame(
        one.values - two.values, index=list(one.people), columns=recording.stimuli.index.astype(str)
    )
    table = apart.rename_axis("person").melt(
        var_name="item", value_name="difference", ignore_index=False
    )
    return table.reset_index().dropna(ignore_index=True)


def growth(
    first, second, recording: Recording | str, protocol: Protocol | str = "defended", *,
    fractions: Sequence[float] = FRACTIONS, store=None, report: Report = SILENT,
) -> LearningCurve:  # fmt: skip
    """How the difference of two scores grows with the number of stimuli: both scored on random parts of the groups.

    Raises
    ------
    BrainLensError
        Where too few groups are left for the folds.
    """
    if isinstance(recording, str):
        recording = load(recording)
    protocol = preset(protocol) if isinstance(protocol, str) else protocol
    quick = protocol.but(
        seeds=1, bootstrap=0, controls=(), shuffled_twin=False, unique=False, ceiling="none"
    )
    codes = (
        pd.factorize(np.asarray(recording.column(recording.group)))[0]
        if recording.group
        else np.arange(recording.n_stimuli)
    )
    order = np.random.default_rng(0).permutation(codes.max() + 1)
    rows = []
    for number, fraction in enumerate(fractions):
        report.step(number, len(fractions), "parts of the stimuli")
        kept = np.flatnonzero(np.isin(codes, order[: max(2, round(fraction * len(order)))]))
        part = recording.select(stimuli=kept) if len(kept) < recording.n_stimuli else recording
        values = [
            score(model, part, quick, store=store, report=report.inner()).value
            for model in (first, second)
        ]
        rows.append((len(kept), values[0] - values[1], *values))
    report.step(len(fractions), len(fractions), "parts of the stimuli")
    table = pd.DataFrame(rows, columns=["items", "score", "first", "second"])
    sign = 1.0 if table["score"].iloc[-1] >= 0 else -1.0
    return learning_curve(table.assign(score=sign * table["score"]))


def planning(
    pilot: pd.DataFrame,
    effect: float,
    *,
    people: Sequence[int] = PEOPLE,
    items: Sequence[int] = (),
    repeats: int = 1,
    wanted: float = 0.8,
    alpha: float = 0.05,
    learning: LearningCurve | None = None,
    names: tuple[str, str] = ("A", "B"),
) -> Answer:
    """Power against the number of people, one curve per number of items.

    Parameters
    ----------
    pilot : pandas.DataFrame
        Of :func:`pilot_of`, or of one's own: person, item, difference (and repeat).
    effect : float
        The smallest difference of interest, in the pilot's unit.
    items : sequence of int
        Empty: half, all and twice the pilot's.
    learning : LearningCurve, optional
        Of :func:`growth`: items also train the regression.

    Returns
    -------
    Answer
        ``frame``: people, items, repeats, effect, power, low, high; ``facts``: components, needed (items -> fewest people).

    Raises
    ------
    BrainLensError
        For an effect that is not above 0, numbers that no study has, and pilots that are too small or do not vary.
    """
    check_effect(effect)
    _checked(people, items, repeats, wanted, alpha)
    parts = components(pilot)
    if not any(parts.squares):
        raise BrainLensError(
            f"All differences of the pilot are {parts.mean:.3g}: nothing varies that could be planned with",
            remedy="Give two models that differ, or a pilot with its scatter",
        )
    counts = list(items) or sorted({max(3, parts.items // 2), parts.items, 2 * parts.items})
    frame = power_curve(parts, effect, people, counts, repeats, alpha=alpha, learning=learning)
    needed = {
        m: smallest(parts, effect * (learning.relative(m, parts.items) if learning else 1.0), m, wanted=wanted,
                    repeats=repeats, alpha=alpha)
        for m in counts
    }  # fmt: skip
    said = _needed(needed)
    what = f"a difference of {effect:g} between {names[0]} and {names[1]}"
    sentence = f"To find {what} with a power of {percent(wanted)}, it takes {said}."
    return Answer(
        frame, sentence, _caption(parts, repeats, alpha, learning), facts={"components": parts, "needed": needed},
        axes={"x_title": "People", "y_title": f"Power at alpha = {alpha:g}"},
    )  # fmt: skip


def check_effect(effect: float) -> None:
    """Refuse a smallest effect of interest that is not a size.

    Raises
    ------
    BrainLensError
        For 0, negative numbers and what is no number.
    """
    if not np.isfinite(effect) or effect == 0:
        raise BrainLensError(
            f"effect={effect:g}: what is the smallest difference that you would care about?",
            remedy="Give one in the unit of the pilot, not the difference that the pilot happens to show",
        )
    if effect < 0:
        raise BrainLensError(
            f"effect={effect:g}: the smallest effect of interest is a size, and the test is two-sided: it has no direction",
            remedy=f"Give {-effect:g}, which is as easily found either way",
        )


def _checked(people, items, repeats: int, wanted: float, alpha: float) -> None:
    """Refuse numbers that no study has: fewer than two people or items leave no variance to test with."""
    for name, counts in (("people", people), ("items", items)):
        few = [count for count in counts if count < 2]
        if few:
            raise BrainLensError(
                f"{name}={few[0]}: a test over people and items needs two of each", remedy="Give 2 or more"
            )  # fmt: skip
    if repeats < 1:
        raise BrainLensError(
            f"repeats={repeats}: a person meets an item at least once", remedy="Give 1 or more"
        )
    for name, value in (("wanted", wanted), ("alpha", alpha)):
        if not 0 < value < 1:
            raise BrainLensError(
                f"{name}={value:g} is no probability between 0 and 1", remedy="For example 0.8 and 0.05"
            )  # fmt: skip


def pilot_table(path: str | Path) -> pd.DataFrame:
    """A pilot of one's own: a table with person, item and difference (and repeat).

    Raises
    ------
    BrainLensError
        For a file that is no table.
    """
    path = Path(path)
    try:
        return pd.read_csv(path)
    except (OSError, ValueError) as error:
        reason = "it is empty" if isinstance(error, pd.errors.EmptyDataError) else str(error)
        raise BrainLensError(
            f"{path.name} cannot be read as a table: {reason}",
            remedy="Give a .csv file (UTF-8) with the columns person, item and difference",
        ) from None


def _needed(needed: dict[int, int | None]) -> str:
    """``30 people with 100 items or 24 with 200``; one number where the items make no difference."""
    if len(set(needed.values())) == 1 and (count := next(iter(needed.values()))):
        return f"{count} people, with {min(needed)} as with {max(needed)} items"
    enough = [f"{count} people with {items} items" for items, count in needed.items() if count]
    never = [str(items) for items, count in needed.items() if not count]
    if not never:
        return " or ".join(enough)
    short = f"{listed(never)} items are too few for any number of people"
    return f"{' or '.join(enough)} ({short})" if enough else f"more items: {short}"


def _caption(parts: Components, repeats: int, alpha: float, learning: LearningCurve | None) -> str:
    total = parts.person + parts.item + parts.residual + parts.trial
    named = {
        "people": parts.person,
        "items": parts.item,
        "people x items": parts.residual,
        "trials": parts.trial,
    }
    shares = ", ".join(
        f"{percent(value / total, 1)} {name}" for name, value in named.items() if value > 0
    )
    grown = (
        "Items also train the regression: the effect follows the pilot's learning curve, "
        f"{learning.top:.3g} - {learning.slope:.3g} m^-{learning.rate:.2g}."
        if learning is not None
        else "The effect is taken as the same for any number of items, although items also train the regression."
    )
    again = f", {parts.repeats} repeats" if parts.repeats > 1 else ""
    return (
        f"Pilot: {parts.people} people, {parts.items} items{again}; variance: {shares or 'none'}. "
        f"The same people meet the same items ({plural(repeats, 'time')} each); test: mean over both, people and items random "
        f"(quasi F, Satterthwaite), two-sided at {alpha:g}. Bands: 95 %, from the size of the pilot. {grown} The pilot's own "
        f"difference ({parts.mean:.3g}) is not planned with: what was noticed is larger than what is there."
    )
