"""Are reading times linear in probability or in its logarithm?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from analysis.answers.answer import Answer, plural
from analysis.answers.persons import Bits, surprisals_of
from analysis.progress import SILENT, Report
from analysis.reading.by_trial import trial_table
from analysis.reading.crossed import crossed_mean
from analysis.reading.held_out import held_out
from analysis.reading.lmm import mixed_model
from data.errors import BrainLensError

__all__ = ["predictability"]


def predictability(
    surprisals: Bits, *, cloze: Mapping[str, float] | None = None, smoothing: Sequence[float] = (0.001, 0.005, 0.01, 0.05),
    over: str = "items", n_folds: int = 5, report: Report = SILENT,
) -> Answer:  # fmt: skip
    """Reading times of critical words on probability and on log probability, and a spline of it, held out.

    Parameters
    ----------
    surprisals : mapping
        Name -> model's id, table, or bits per stimulus of ``brothers2021``.
    cloze : mapping of str to float, optional
        Mean cloze of the levels ``LC``, ``MC``, ``HC``, which the file does not hold: with them, cloze is compared too.
    smoothing : sequence of float
        Added to cloze before its logarithm.

    Returns
    -------
    Answer
        ``frame``: predictor, shape (``probability``, ``log probability``, ``spline``), aic, delta_aic (against no
        predictability), delta_ll,
        low, high (nats per held-out trial, against no predictability), converged. ``facts["linear_against_log"]``: predictor,
        difference
        (probability - log probability, nats per trial), low, high, p; ``facts["levels"]``: mean time by level of cloze.
    """
    bits = surprisals_of(surprisals, "brothers2021", report)
    table = trial_table("brothers2021", filter="none").table
    shapes: dict[tuple[str, str], str] = {}
    for number, (name, own) in enumerate(bits.items()):
        table[f"bits{number}"] = table["stimulus"].map(own)
        table[f"probability{number}"] = 2.0 ** -table[f"bits{number}"]
        shapes |= {(name, "probability"): f"scale(probability{number})", (name, "log probability"): f"scale(bits{number})",
                   (name, "spline"): f"ns(bits{number}, 3)"}  # fmt: skip
    table = table.dropna(subset=[c for c in table if c.startswith("bits")])
    if cloze is not None:
        missing = set(table["condition"]) - set(cloze)
        if missing:
            raise BrainLensError(
                f"No cloze is given for the level {sorted(missing)[0]}", remedy="Give LC, MC and HC"
            )
        table["cloze"] = table["condition"].map(cloze).astype(float)
        shapes["cloze", "probability"] = "scale(cloze)"
        for added in smoothing:
            table[f"log_cloze_{added}".replace(".", "_")] = np.log2(table["cloze"] + added)
            shapes[f"cloze + {added:g}", "log probability"] = (
                f"scale(log_cloze_{str(added).replace('.', '_')})"
            )
    base = "rt ~ length + frequency + (1 | person) + (1 | item)"
    table = table.dropna(subset=["rt", "length", "frequency"])
    small, rows, gains = mixed_model(table, base), [], {}
    for step, ((name, shape), term) in enumerate(shapes.items()):
        report.step(step, len(shapes), f"{name}: {shape}")
        full = base.replace("~ ", f"~ {term} + ")
        fit = mixed_model(table, full, start=small)
        gain = held_out(table, base, full, over=over, n_folds=n_folds)
        gains[name, shape] = pd.Series(gain.trials, gain.rows)
        rows.append(
            (
                name,
                shape,
                fit.aic,
                small.aic - fit.aic,
                gain.per_trial,
                gain.low,
                gain.high,
                fit.converged,
            )
        )
    frame = pd.DataFrame(
        rows,
        columns=["predictor", "shape", "aic", "delta_aic", "delta_ll", "low", "high", "converged"],
    )
    against, used = [], table.reset_index(drop=True)
    for (name, shape), gain in gains.items():
        if shape != "log probability":
            continue
        straight = gains.get(
            (name, "probability"), gains.get((name.partition(" + ")[0], "probability"))
        )
        difference = straight - gain
        mean = crossed_mean(
            difference, used.loc[difference.index, "person"], used.loc[difference.index, "item"]
        )
        against.append((name, mean.value, mean.low, mean.high, mean.p))
    against = pd.DataFrame(against, columns=["predictor", "difference", "low", "high", "p"])
    levels = used.groupby("condition")["rt"].agg(["mean", "sem", "size"])
    said = [
        f"by {row.predictor} {'probability' if row.difference > 0 else 'log probability'} fits better ({row.difference:.2g} "
        "nats per trial "
        f"[{row.low:.2g}, {row.high:.2g}])"
        + ("" if row.low > 0 or row.high < 0 else ", not beyond chance")
        for row in against.itertuples()
    ]
    sentence = (
        f"Linear in probability or in log probability? {'; '.join(said)}. Cloze has three levels here, and three levels "
        "alone cannot "
        "settle how the curve bends."
    )
    caption = (
        f"{len(used):,} single trials of {plural(used['person'].nunique(), 'person')} and "
        f"{plural(used['item'].nunique(), 'item')}, new {over} held out; mixed "
        "models of the summed time of three words (ms) with length and frequency, random intercepts of people and items. "
        "Intervals: 95 %, people and "
        "items resampled. What is added to cloze before its logarithm is part of its name."
    )
    return Answer(frame, sentence, caption, facts={"linear_against_log": against, "levels": levels},
                  axes={"x_title": "", "y_title": "Held-out gain (nats per trial)"})  # fmt: skip
