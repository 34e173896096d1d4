"""Wiring's intervals of shares on simulated data: runs from several seeds that reach a planted share of the finished r."""

from __future__ import annotations

import numpy as np


def _outcome(name: str, score):
    """What Wiring knows of a model, from a score of its one layer."""
    from analysis.answers.outcomes import Outcome

    return Outcome(name, r=score.value, r_low=score.low, r_high=score.high)


def shares(seed, *, seeds, people, share, spread, groups, length, targets, width):
    """The interval of a share, and what it would be of the runs' seeds alone; stimuli, people and seeds are drawn anew.

    A run's features are the finished model's, and noise of its seed beside them: the share of the signal that they hold differs
    from seed to seed by ``spread``.
    """
    from analysis.answers.outcomes import mean_over_seeds
    from analysis.answers.wiring import Course, wiring
    from benchmarks.simulated import defended, of_people, population, scored

    rng = np.random.default_rng(seed)
    finished = rng.standard_normal((groups * length, width))
    signal = finished @ population(7, width, targets)
    measured = of_people(signal, [seed], people, 0.5, length)
    protocol = defended(seeds=1, folds=5, inner_folds=3, criterion="gcv")

    def judged(name: str, features: np.ndarray):
        return _outcome(name, scored([features], measured, protocol)[0])

    steps, whole = 3200, judged("finished", finished)
    courses = [Course("m", "", "", 0, 1, 1, steps, ((steps, whole),))]
    for number in range(seeds):
        kept = float(np.clip(share + spread * rng.standard_normal(), 0, 1))
        noise = rng.standard_normal(finished.shape)
        run = judged(f"run {number}", kept * finished + np.sqrt(1 - kept**2) * noise)
        courses.append(Course("m", "init", "all", number, 1, 1, steps, ((64, run),)))
    if not whole.r > 0:
        return {"share": (np.nan,) * 3, "share, of the seeds alone": (np.nan,) * 3}
    answer = wiring(courses)
    row = answer.frame.iloc[0]
    alone = mean_over_seeds(answer.facts["seeds"], ("part",), ("share",)).iloc[0]
    return {
        "share": (row["share"], row["share_low"], row["share_high"]),
        "share, of the seeds alone": (alone["share"], alone["share_low"], alone["share_high"]),
    }


def cells():
    """Arguments of a cell each: name, function, sizes, nominal values, planted truths."""
    size = dict(groups=32, length=4, targets=3, width=12, spread=0.05)
    for share, people, seeds in ((0.8, 0, 3), (0.8, 0, 5), (0.8, 6, 3), (0.4, 0, 3)):
        who = f"{people} people" if people else "averaged"
        yield (
            f"wiring, a share of {share:g}, {who}, {seeds} seeds",
            shares,
            size | dict(people=people, share=share, seeds=seeds),
            {"share": 0.95, "share, of the seeds alone": 0.95},
            {},
        )
