"""What did the mixed models of single trials estimate?"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from analysis.answers.answer import Answer, p_value, plural
from analysis.reading.run import Reading

__all__ = ["mixed_fits"]


def mixed_fits(found: Sequence[Reading], recording: str) -> Answer | None:
    """Fixed effects and variances of every model's fit to one recording, and the test of surprisal.

    Parameters
    ----------
    found : sequence of Reading
        Of :func:`analysis.reading.run.read` with ``form="mixed"``.

    Returns
    -------
    Answer or None
        ``frame``: model, then the columns of :func:`analysis.reading.fit_table.fit_table`. ``facts["tests"]``: model, b,
        standard_error, z, chi2, df, p, aic, delta_aic, n, n_people, n_items, converged, singular, formula. None where no model
        was fitted to trials of the recording.
    """
    own = [one for one in found if one.recording == recording and one.fit is not None]
    if not own:
        return None
    fits = [one.fit.assign(model=one.model) for one in own if one.fit is not None]
    frame = pd.concat(fits, ignore_index=True)
    frame = frame[["model", *frame.columns.drop("model")]]
    tests = pd.DataFrame([one.about["test"] for one in own])
    said = []
    for row in tests.itertuples():
        failed = "" if row.converged else ", NOT CONVERGED"
        said.append(
            f"{row.model}: surprisal b = {row.b:.4g} per bit (z = {row.z:.2f}), chi2({row.df}) = {row.chi2:.1f}, "
            f"{p_value(row.p)}, AIC {row.aic:,.1f} ({abs(row.delta_aic):.1f} {'less' if row.delta_aic > 0 else 'more'} than "
            f"without it){failed}"
        )
    several = tests["formula"].nunique() > 1
    formulas = "; ".join(
        f"{row.model}: {row.formula}" if several else row.formula
        for row in (tests if several else tests.head(1)).itertuples()
    )
    notes = dict.fromkeys(
        f"{one.model}: {note}" for one in own for note in one.about["fit_notes"] if note
    )
    counts = "; ".join(
        dict.fromkeys(
            f"{row.n:,} trials of {plural(row.n_people, 'person')} and {plural(row.n_items, 'item')}"
            for row in tests.itertuples()
        )
    )
    response = tests["formula"].iloc[0].partition(" ~ ")[0]
    caption = (
        f"{formulas}; maximum likelihood, {counts}. Each fixed effect by one standard deviation of its predictor; whiskers: "
        "Wald's 95 %, which take the variances as known and are too narrow with few people. The table has every estimate in "
        "its own unit, its standard error, and the variances. chi2: against the same model without fixed effects of surprisal."
        + (f" {'; '.join(notes)}." if notes else "")
    )
    return Answer(
        frame,
        f"On {recording}, {'; '.join(said)}.",
        caption,
        facts={"tests": tests},
        axes={"x_title": "", "y_title": f"Change of {response} per SD of the predictor"},
    )
