"""How little training is enough? Score against updates and trained weights, from several births."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.answers.answer import Answer, decimal, plural
from analysis.answers.kept import here
from analysis.answers.outcomes import (
    LEAST_SEEDS,
    Outcome,
    mean_over_seeds,
    outcome,
    stored_outcome,
)
from analysis.answers.wiring_words import sentence
from analysis.models import load
from analysis.models.catalog import card
from analysis.models.variants.spec import SCHEMES, split
from analysis.models.variants.wired import trained_weights, wired
from analysis.models.zoo.wire import recipe_of
from analysis.progress import SILENT, Report
from analysis.protocol import Protocol
from analysis.statistics.measured import beside
from analysis.store.keys import content_key
from analysis.store.store import Store
from data.errors import BrainLensError
from data.shares import percent

__all__ = [
    "ANCHORS", "BIRTHS", "SETS", "UPDATES", "Course", "at_birth", "course", "price", "run_names", "stored_course",
    "wiring",
]  # fmt: skip

CODE_VERSION = 1
SETS = ("all", "embeddings", "norms", "attention", "down", "last-1", "rank-8")
"""Sets of trained weights."""
UPDATES = (0, 16, 64, 160, 320, 640, 1600, 3200)
"""Updates at which a run is scored: 0, .5, 2, 5, 10, 20, 50 and 100 % of 3,200."""
BIRTHS = ("init", "permute", "gaussian", "mixture", "hashed")
"""How weights may be at birth; mixture is weight compression."""
ANCHORS = pd.DataFrame(
    [
        ("2 % of the updates", 2.0, 100.0, 0.80),
        ("at birth, weight compression", 0.0, 0.0, 0.54),
        ("5 % of the synapses", 100.0, 5.0, 0.80),
    ],
    columns=["what", "updates_percent", "weights_percent", "share"],
)
"""What was found for vision: share of the fully trained model's score (Geiger, Schrimpf et al. 2022)."""
LEVELS = (0.5, 0.6, 0.7, 0.8, 0.9)
_SPEED = 5e10  # multiplications per second of a training on one core, about
_VALUES = ("r", "r_nested", "bits_per_byte", "delta_ll")


@dataclass(frozen=True)
class Course:
    """One run: what was trained, from which birth, and what it gave on the way.

    Parameters
    ----------
    model, birth, part : str
        ``part`` is empty where nothing is trained; ``birth`` too for the finished model.
    seed : int
    weights, total : int
        Trained weights, and all.
    steps : int
        Updates of a whole training.
    outcomes : tuple of (int, Outcome)
        By update.
    """

    model: str
    birth: str
    part: str
    seed: int
    weights: int
    total: int
    steps: int
    outcomes: tuple[tuple[int, Outcome], ...]


def run_names(
    model: str, birth: str, part: str, seed: int, updates: Sequence[int]
) -> dict[int, str]:
    """Update -> the name of the model after it.

    Examples
    --------
    >>> run_names("zoo-causal-1m", "mixture", "attention", 1, (0, 64))[64]
    'zoo-causal-1m@untrained:mixture:1@wire:attention:64:1'
    """
    front = model if birth == "init" else f"{model}@untrained:{birth}:{seed}"
    born = f"{model}@untrained:{birth}:{seed}"
    return {n: f"{front}@wire:{part}:{n}:{seed}" if n else born for n in updates}


def course(
    model: str,
    part: str,
    seed: int = 0,
    *,
    birth: str = "init",
    updates: Sequence[int] = UPDATES[:6],
    recording="simulated",
    protocol: Protocol | str = "defended",
    text: str = "",
    corpus="",
    store=None,
    report: Report = SILENT,
) -> Course:
    """Train a part of a model and score it on the way; what was trained or scored before is taken from where it is kept.

    Parameters
    ----------
    model : str
        A causal or recurrent model; of the zoo with its own recipe.
    part : str
        One of :data:`SETS`, or any of the grammar's; empty: nothing is trained, the birth alone is scored.
    birth : str
        One of :data:`BIRTHS`; empty, with an empty part: the finished model.
    updates : sequence of int
    text, corpus
        As for :func:`analysis.answers.outcomes.outcome`.
    """
    store = store or Store()
    weights, total, steps = sizes(model, part or "all", store)
    asked: dict[str, Any] = dict(
        protocol=protocol, text=text, corpus=corpus, store=store, report=report
    )
    if not birth:
        done = ((steps, outcome(model, recording, **asked)),)
        return Course(model, "", "", 0, total, total, steps, done)
    names = run_names(model, birth, part, seed, [n for n in updates if part or not n])
    if part:
        prepare(names[max(names)], report=report)
    done = tuple((n, outcome(name, recording, **asked)) for n, name in sorted(names.items()))
    return Course(model, birth, part, seed, weights if part else 0, total, steps, done)


def stored_course(
    model: str,
    part: str,
    seed: int = 0,
    *,
    birth: str = "init",
    updates: Sequence[int] = UPDATES[:6],
    store=None,
    **asked,
) -> tuple[Course | None, tuple[int, ...]]:
    """What :func:`course` gave before, and the updates that were not scored yet; nothing is computed, loaded or fetched.

    Returns
    -------
    Course or None
        None where something is missing.
    tuple of int
        Updates without an outcome; the finished model counts as 0.
    """
    store = store or Store()
    names = (
        run_names(model, birth, part, seed, [n for n in updates if part or not n])
        if birth
        else {0: model}
    )
    found = {n: stored_outcome(name, store=store, **asked) for n, name in sorted(names.items())}
    there = {n: one for n, one in found.items() if one is not None}
    lacking = tuple(n for n in found if n not in there)
    known = None if lacking else _stored_sizes(model, part or "all", store)
    if known is None:
        return None, lacking
    weights, total, steps = known
    if not birth:
        return Course(model, "", "", 0, total, total, steps, ((steps, there[0]),)), ()
    done = tuple(there.items())
    return Course(model, birth, part, seed, weights if part else 0, total, steps, done), ()


def prepare(name: str, *, report: Report = SILENT) -> None:
    """Train what a name with a ``wire`` step asks for, with progress and cancel; loading it is quick from then on."""
    base, _, variant = split(name)
    step = next((one for one in variant if one.kind == "wire"), None)
    if step is None or not step.amount:
        return
    born = variant.steps[0] if variant.kind == "untrained" else f"untrained:init:{step.seed}"
    reader = load(f"{base}@{born}", report=report)
    module = reader.module if reader.card.cls == "recurrent" else reader.lm
    wired(module, step, name=reader.card.id, tokenizer=lambda: reader.tokenizer, report=report)


def sizes(model: str, part: str, store: Store | None = None) -> tuple[int, int, int]:
    """Trained weights of a part, all weights, and updates of a whole training."""
    store = store or Store()
    known = _stored_sizes(model, part, store)
    return known if known is not None else _counted(model, part, store)


def _stored_sizes(model: str, part: str, store: Store) -> tuple[int, int, int] | None:
    readers = here([f"{model}@untrained:init:0"])
    kept = store.piece(_sizes_key(readers[0], part), "sizes") if readers else None
    if kept is None:
        return None
    weights, total, steps = (int(one) for one in kept["sizes"])
    return weights, total, steps


def _sizes_key(reader, part: str) -> str:
    return content_key("sizes", CODE_VERSION, reader.identity, part)


def _counted(model: str, part: str, store: Store) -> tuple[int, int, int]:
    if (cls := card(model).cls) not in ("causal", "recurrent"):
        raise BrainLensError(
            f"{model} is of the class {cls}: there is no training to next words to follow",
            remedy="Choose a causal or recurrent model",
        )
    reader = load(f"{model}@untrained:init:0")
    module = reader.module if reader.card.cls == "recurrent" else reader.lm
    total = sum(value.numel() for value in module.parameters())
    steps = recipe_of(reader.card.id, module.config, 0).steps
    counted = trained_weights(module, part), total, steps
    store.save_piece(_sizes_key(reader, part), "sizes", sizes=np.array(counted))
    return counted


def price(model: str, updates: int, runs: int = 1) -> float:
    """Seconds that trainings take on one core, about."""
    return runs * updates * 1024 * 6 * (card(model).parameters_about or 0) / _SPEED


def at_birth(model: str, seeds: int, births: Sequence[str] = BIRTHS, **asked) -> list[Course]:
    """The finished model, and every birth without any training."""
    return [course(model, "", birth="", **asked)] + [
        course(model, "", seed, birth=birth, **asked) for birth in births for seed in range(seeds)
    ]


def wiring(courses: Iterable[Course]) -> Answer:
    """Score against updates and trained weights.

    Parameters
    ----------
    courses : iterable of Course
        Of one model: the finished one, births and runs.

    Returns
    -------
    Answer
        ``frame``: birth, part, updates, updates_percent, weights, weights_percent, seeds, mean and t interval over seeds of r,
        share (of the finished model's r; its interval holds that of the finished model too), r_nested, bits_per_byte,
        delta_ll. ``facts``: ``seeds``, ``finished``, ``born``
        (shares at birth), ``iso`` (level, part, weights_percent, log_weights, updates at which it is reached, front (no other set
        reaches it with as few updates and weights), from the library's
        initialisation), ``enough`` (level -> the cheapest run that reaches it), ``anchors``.
    """
    courses = list(courses)
    finished = next((one for one in courses if not one.birth), None)
    if finished is None:
        raise BrainLensError(
            "Training is judged by the finished model", remedy="Score the finished model first"
        )
    full = finished.outcomes[0][1]
    if not full.r > 0:
        raise BrainLensError(
            f"The finished model predicts nothing here (r = {decimal(full.r)}): no share of it can be told",
            remedy="Choose another recording or model",
        )
    rows = [
        {"birth": one.birth, "part": one.part or "none", "seed": one.seed, "updates": n, "weights": one.weights,
         "updates_percent": 100 * n / one.steps, "weights_percent": 100 * one.weights / one.total,
         "share": found.r / full.r, **found.row}
        for one in courses if one.birth
        for n, found in one.outcomes
    ]  # fmt: skip
    if not rows:
        raise BrainLensError("No run was scored yet", remedy="Run one")
    single = pd.DataFrame(rows)
    by = ("birth", "part", "updates", "updates_percent", "weights", "weights_percent")
    frame = _with_finished(mean_over_seeds(single, by, ("share", *_VALUES)), full)
    born = frame[frame["updates"] == 0].drop_duplicates("birth")
    iso = _iso(frame[(frame["birth"] == "init") & (frame["part"] != "none")])
    enough = _enough(frame)
    caption = (
        f"r at the output layer under one fold seed, as a share of the finished model's ({decimal(full.r)}); t intervals over "
        f"{plural(int(frame['seeds'].min()), 'seed')} or more (initial weights and order of the text). Text: State of the Union "
        "addresses, Moby Dick, World English Bible; the finished model has read a dictionary too. Iso-score lines are "
        f"interpolated over log updates. With fewer than {LEAST_SEEDS} seeds nothing is claimed. Intervals of shares hold that "
        "of the finished model's r too, as if it were independent of the runs': wider than need be, for both predict the same "
        f"stimuli. {beside('wiring')} Vision: Geiger, Schrimpf et al. 2022, for images and ventral stream, drawn as reference."
    )
    return Answer(
        frame,
        sentence(finished, single, frame, enough),
        caption,
        facts={"seeds": single, "finished": full, "born": born, "iso": iso, "enough": enough, "anchors": ANCHORS},
        axes={"x_title": "Updates, per cent of a whole training", "y_title": f"Share of the finished {finished.model}'s r"},
    )  # fmt: skip


def _with_finished(frame: pd.DataFrame, full: Outcome) -> pd.DataFrame:
    """Intervals of shares with the finished model's own, squares added; none where that one is not told from 0."""
    own = (full.r_high - full.r_low) / 2 / full.r
    if not np.isfinite(own):
        return frame
    over_seeds = (frame["share_high"] - frame["share_low"]) / 2
    reach = np.hypot(over_seeds, own * frame["share"]) if full.r_low > 0 else np.nan
    return frame.assign(share_low=frame["share"] - reach, share_high=frame["share"] + reach)


def _iso(frame: pd.DataFrame) -> pd.DataFrame:
    """Updates at which each level of the share is first reached, part by part; a level never reached has no row."""
    rows = []
    for part, own in frame.groupby("part", sort=False):
        own = own.sort_values("updates")
        share, n = own["share"].to_numpy(float), own["updates_percent"].to_numpy(float)
        floor = n[n > 0].min() / 2 if (n > 0).any() else 1.0
        place = np.log(np.maximum(n, floor))
        for level in LEVELS:
            above = np.flatnonzero(share >= level)
            if not len(above):
                continue
            at = above[0]
            if at == 0:
                reached = place[0]
            else:
                part_of = (level - share[at - 1]) / (share[at] - share[at - 1])
                reached = place[at - 1] + part_of * (place[at] - place[at - 1])
            weights = float(own["weights_percent"].iloc[0])
            rows.append(
                (level, part, weights, np.log10(max(weights, 1e-4)), float(np.exp(reached)))
            )
    columns = ["level", "part", "weights_percent", "log_weights", "updates_percent"]
    made = pd.DataFrame(rows, columns=columns)
    v = made[["updates_percent", "weights_percent"]].to_numpy(float)
    as_good = (v[None] <= v[:, None]).all(-1) & (v[None] < v[:, None]).any(-1)
    same = made["level"].to_numpy()[:, None] == made["level"].to_numpy()[None]
    made["front"] = ~(as_good & same).any(axis=1)
    return made.assign(name=[f"{percent(level)} of r" for level in made["level"]])


def _enough(frame: pd.DataFrame) -> dict[float, pd.Series]:
    """Level -> the run that reaches it with the fewest updates times trained weights; births count as none."""
    cost = frame["updates_percent"] * frame["weights_percent"]
    found = {}
    for level in LEVELS:
        there = frame[frame["share"] >= level]
        if len(there):
            found[level] = there.loc[cost[there.index].idxmin()]
    return found


assert set(BIRTHS) <= set(SCHEMES)
