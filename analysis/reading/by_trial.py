"""How a model reads, trial by trial: mixed models of single trials on surprisal, in sample and held out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from analysis.progress import SILENT, Report
from analysis.reading.crossed import contrast, crossed_mean
from analysis.reading.fit_table import fit_table
from analysis.reading.formula import Formula, parse
from analysis.reading.held_out import HeldOut, held_out
from analysis.reading.lmm import MixedFit, likelihood_ratio, mixed_model, settled
from analysis.reading.source import corpus, surprisal_of
from data.errors import BrainLensError, unknown
from data.filters import FILTERS
from data.readers.trials import TABLES, own_table, trials
from data.recording import Recording
from data.words import add_word_columns

__all__ = [
    "TrialReading",
    "Trials",
    "compare_models",
    "default_formula",
    "read_trials",
    "require_persons",
    "trial_table",
    "words_of",
]

LAGGED = ("surprisal", "length", "frequency")
SLOW = 1e5
"""Trials from which a fit takes long enough to be told."""


@dataclass(frozen=True)
class Trials:
    """Single trials with what a regression needs.

    Parameters
    ----------
    table : pandas.DataFrame
        person, item, the response, surprisal, length, frequency, each with ``_1`` for the word before, and covariates.
    response : str
        ``"rt"`` where it is a time in ms, else its name.
    together : str
        Column whose rows share context.
    recording : str
    notes : tuple of str
        What was left out, with counts.
    """

    table: pd.DataFrame
    response: str
    together: str
    recording: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class TrialReading:
    """How one model reads one recording, trial by trial.

    Parameters
    ----------
    row : dict
        model, recording, formula (as fitted), n, n_people, n_items, n_dropped, b, standard_error, z (of surprisal), chi2, df,
        p, aic, delta_aic (against the model without surprisal), converged, singular, and where held out: delta_ll, low, high
        (nats per trial), people_above, people_below, rule.
    fit, base : MixedFit
    gain : HeldOut or None
    trials : Trials
    notes : tuple of str
    """

    row: dict
    fit: MixedFit
    base: MixedFit
    gain: HeldOut | None
    trials: Trials = field(repr=False)
    notes: tuple[str, ...] = ()

    @property
    def tested(self) -> str:
        """What the test is of, in words: the slope is of one column, the test may be of several."""
        gone = [t for t in self.fit.coefficients.index if t not in self.base.coefficients.index]
        return f"chi2, delta AIC and the held-out gain are of {' and '.join(gone)} together; b and z are of surprisal alone"

    def slim(self) -> TrialReading:
        """The same with the rows and columns of the fit only: what a hand-over needs."""
        columns = [
            "person",
            "item",
            "stimulus",
            self.trials.response,
            *parse(self.fit.formula).columns,
        ]
        kept = [c for c in dict.fromkeys(columns) if c in self.trials.table]
        trials = replace(self.trials, table=self.trials.table.loc[self.fit.rows, kept])
        return replace(self, trials=trials, gain=None)

    def table(self) -> pd.DataFrame:
        """Every estimate of the fit: :func:`analysis.reading.fit_table.fit_table`."""
        return fit_table(self.trials.table.loc[self.fit.rows], self.fit)


# ---- the table -------------------------------------------------------------------------------------------------------------
def trial_table(
    recording: Recording | str, surprisal: pd.Series | None = None, *, filter: str = "no-edges"
) -> Trials:
    """The trials of a recording of persons, with surprisal and the columns of the word before.

    Parameters
    ----------
    recording : str or Recording
        A catalogue id has its covariates (baseline, laboratory, cloze, condition); a long table of one's own, named by its path
        or its id, all of its columns; any other recording with persons has its responses.
    surprisal : pandas.Series, optional
        In bits, indexed by stimulus.
    filter : str
        One of :data:`data.filters.FILTERS`: limits of times in ms, and edges of sentences.

    Raises
    ------
    BrainLensError
        Where the recording has no persons, or nothing is left.
    """
    if filter not in FILTERS:
        raise unknown("filter", filter, FILTERS)
    name = recording if isinstance(recording, str) else recording.id
    made = corpus(recording)
    words, text = words_of(made)
    if made.id in TABLES:
        long = trials(made.id)
        response, together, notes = (
            long.attrs["response"],
            long.attrs["together"],
            list(long.attrs["notes"]),
        )
        if isinstance(recording, str) and "@" in recording:
            kept = long["person"].isin(made.subjects)
            notes += [f"{int((~kept).sum()):,} trials of people left out in {recording}"]
            long = long[kept]
    elif isinstance(recording, str) and (own := own_table(recording)) is not None:
        long, response, together = own, own.attrs["response"], own.attrs["together"]
        notes = list(own.attrs["notes"])
    else:
        long, response, together, notes = _long(made), "rt", text, []
    timed = made.kind in ("reading_times", "eye_tracking")
    if timed and response != "rt":
        long = long.drop(columns="rt", errors="ignore").rename(columns={response: "rt"})
    response = "rt" if timed else response
    if surprisal is not None:
        words["surprisal"] = surprisal.reindex(words.index).to_numpy(float)
    lagged = [name for name in LAGGED if name in words.columns]
    before = words.groupby(text, sort=False)[lagged].shift(1).add_suffix("_1")
    used = pd.concat([words[[*lagged, "first_in_sentence", "last_in_sentence"]], before], axis=1)
    if together not in long.columns:
        used[together] = words[together]
    long = long.drop(columns=[c for c in used.columns if c in long.columns]).join(
        used, on="stimulus"
    )
    long, left = _filtered(long, response, filter, timed)
    if long.empty:
        raise BrainLensError(f"No trial of {name} is left under the filter {filter!r}", choices=FILTERS,
                             remedy="Choose another filter")  # fmt: skip
    return Trials(long.reset_index(drop=True), response, together, str(name), (*notes, *left))


def require_persons(recording: Recording) -> None:
    """Refuse a recording without persons and words, before a model reads it."""
    if recording.scored_unit != "word" or recording.subjects is None:
        what = (
            f"one response per {recording.scored_unit}"
            if recording.scored_unit != "word"
            else "averages, no persons"
        )
        raise BrainLensError(
            f"{recording.id} has {what}: single trials need persons and words",
            remedy="Choose a recording of persons, such as brothers2021, ucl-eeg or simulated-reading",
        )


def words_of(recording: Recording) -> tuple[pd.DataFrame, str]:
    """The words with their lengths and frequencies, and the column of the texts they stand in."""
    require_persons(recording)
    text = recording.context or recording.group
    words = recording.stimuli.copy()
    if text is None:
        words["passage"], text = "text", "passage"
    if not {"length", "log_frequency", "first_in_sentence", "last_in_sentence"} <= set(
        words.columns
    ):
        words = add_word_columns(words.assign(story=words[text].astype(str)))
    return words.rename(columns={"log_frequency": "frequency"}), text


def _long(recording: Recording) -> pd.DataFrame:
    rows, columns = np.nonzero(np.isfinite(recording.responses.values))
    ids = recording.stimuli.index.to_numpy()[rows]
    people = recording.subjects
    assert people is not None  # asked before
    return pd.DataFrame({"person": people[columns], "item": ids, "stimulus": ids,
                         "rt": recording.responses.values[rows, columns]})  # fmt: skip


def _filtered(
    long: pd.DataFrame, response: str, filter: str, timed: bool
) -> tuple[pd.DataFrame, list[str]]:
    rule, notes, kept = FILTERS[filter], [], np.ones(len(long), bool)

    def leave(out, why):
        nonlocal kept
        out = np.asarray(out, bool) & kept
        if out.any():
            notes.append(f"{int(out.sum()):,} trials left out: {why}")
        kept &= ~out

    if timed:
        leave(long[response] <= 0, "no time (skipped)")
        if rule.shortest is not None:
            leave((long[response] <= rule.shortest) | (long[response] >= rule.longest),
                  f"not between {rule.shortest:g} and {rule.longest:g} ms")  # fmt: skip
    if not rule.edges:
        leave(
            long["first_in_sentence"] | long["last_in_sentence"], "first or last words of sentences"
        )
        if "left_out" in long.columns:
            leave(long["left_out"], "words that the authors leave out")
    return long[kept], notes


def default_formula(trials: Trials) -> str:
    """The formula for a recording: of log time, or of the response with its baseline and laboratory where they are known.

    A predictor that no trial has, such as the surprisal of the word before where only critical words have one, is left out.

    Examples
    --------
    >>> default_formula(trials)  # doctest: +SKIP
    'log(rt) ~ surprisal + surprisal_1 + length + frequency + length_1 + frequency_1 + (1 + surprisal | person) + (1 | item)'
    """
    response = "log(rt)" if trials.response == "rt" else trials.response
    fixed = ["surprisal", "surprisal_1", "length", "frequency", "length_1", "frequency_1"]
    fixed = [name for name in fixed if name not in trials.table or trials.table[name].notna().any()]
    fixed += [name for name in ("baseline", "lab") if name in trials.table.columns]
    return f"{response} ~ {' + '.join(fixed)} + (1 + surprisal | person) + (1 | item)"


# ---- the models ------------------------------------------------------------------------------------------------------------
def read_trials(
    surprisal: pd.Series | str,
    recording: Recording | str,
    *,
    model: str = "",
    formula: str | None = None,
    over: str | None = None,
    filter: str = "no-edges",
    n_folds: int = 5,
    trials: Trials | None = None,
    protocol=None,
    store=None,
    report: Report = SILENT,
) -> TrialReading:
    """Mixed model of single trials on surprisal, against the same model without it.

    Parameters
    ----------
    surprisal : str or pandas.Series
        A model's id, a table with ``stimulus`` and ``surprisal`` (bits), or the numbers.
    recording : str or Recording
    model : str
        What the surprisals are called.
    formula : str, optional
        Default: :func:`default_formula`. The base model is the same without fixed effects of ``surprisal`` and ``surprisal_1``.
    over : str, optional
        Held-out log-likelihood over ``"items"``, ``"people"``, ``"texts"`` or ``"both"`` beside the in-sample values.
    trials : Trials, optional
        A table made before, such as one restricted to trials that several models share.

    Returns
    -------
    TrialReading
        The fit falls back from a singular or failed one to ``||`` and to intercepts, and its notes say so.
    """
    if trials is None:
        require_persons(corpus(recording))
        name = model or (surprisal if isinstance(surprisal, str) else "surprisal")
        bits = surprisal_of(
            surprisal, corpus(recording), protocol=protocol, store=store, report=report
        )
        trials = trial_table(recording, bits, filter=filter)
    else:
        name = model or "surprisal"
    full = parse(formula or default_formula(trials))
    used = [column for column in full.columns if column in trials.table.columns]
    table = trials.table.dropna(subset=used)
    short = len(trials.table) - len(table)
    notes = [
        *trials.notes,
        *(
            [f"{short:,} trials lack a predictor, such as the word before or a surprisal"]
            if short
            else []
        ),
    ]
    if table.empty:
        lacking = [column for column in used if trials.table[column].isna().all()]
        what = ", ".join(lacking) or "all of them"
        raise BrainLensError(
            f"No trial of {trials.recording} has every predictor; none has {what}",
            remedy="Give a formula without it, or surprisals of every word",
        )
    if formula is None and "surprisal_1" not in full.columns:
        notes.append(
            "the surprisal of the word before is not known for any trial, so it is not in the model"
        )
    report.step(0, 1, f"mixed model of {len(table):,} trials")
    fit = settled(table, full)
    full = parse(fit.formula)
    small = _base(full)
    base = mixed_model(table, small)
    test = likelihood_ratio(base, fit)
    slope = fit.coefficients.loc[next(t for t in fit.coefficients.index if _names(t, "surprisal"))]
    row = {
        "model": name, "recording": trials.recording, "formula": fit.formula, "n": fit.n,
        "n_people": table["person"].nunique(), "n_items": table["item"].nunique(), "n_dropped": short,
        "b": slope["estimate"], "standard_error": slope["standard_error"], "z": slope["z"],
        "chi2": test["chi2"], "df": int(test["df"]), "p": test["p"], "aic": fit.aic, "delta_aic": test["delta_aic"],
        "converged": fit.converged and base.converged, "singular": fit.singular,
        "bits": float(table.drop_duplicates("stimulus")["surprisal"].mean()) if "stimulus" in table else np.nan,
    }  # fmt: skip
    gain = None
    if over is not None:
        together = trials.together if over in ("items", "texts", "both") else "item"
        gain = held_out(
            table, small, full, over=over, together=together, n_folds=n_folds, report=report
        )
        gain = replace(gain, rows=table.index.to_numpy()[gain.rows])
        row |= {"delta_ll": gain.per_trial, "low": gain.low, "high": gain.high, "people_above": gain.mean.people_above,
                "people_below": gain.mean.people_below, "rule": gain.rule}  # fmt: skip
    report.step(1, 1, "done")
    return TrialReading(row, fit, base, gain, trials, tuple(dict.fromkeys([*notes, *fit.notes])))


def _names(term: str, column: str) -> bool:
    """Whether a coefficient is the column's own slope, whatever function is around it."""
    if column not in term or ":" in term:
        return False
    own = re.sub(r"\d+$", "", term) if term.endswith(tuple("0123456789")) and ")" in term else term
    return {name for one in parse(f"y ~ {own}").terms[-1] for name in one.columns} == {column}


def _base(full: Formula) -> Formula:
    base = full
    for name in ("surprisal", "surprisal_1"):
        base = base.without(name)
    if base.terms == full.terms:
        raise BrainLensError(
            f"The formula {full} has no fixed effect of surprisal", remedy="Add surprisal to it"
        )
    return base


def compare_models(readings: Mapping[str, TrialReading] | list[TrialReading]) -> pd.DataFrame:
    """Every pair of models by people and items, over the held-out trials that both have.

    Returns
    -------
    pandas.DataFrame
        first, second, difference (nats per trial, first - second), low, high (crossed bootstrap), p_bootstrap, p (mixed-model
        contrast with crossed intercepts), people_first, people_second, sign_p, n.

    Raises
    ------
    BrainLensError
        Where a reading was not held out.
    """
    readings = list(readings.values()) if isinstance(readings, Mapping) else list(readings)
    rows = []
    for number, one in enumerate(readings):
        for other in readings[number + 1 :]:
            if one.gain is None or other.gain is None:
                raise BrainLensError(
                    "Models are compared on held-out trials",
                    remedy="Hold out items, people, texts or both",
                )
            gains = [pd.Series(gain.trials, gain.rows) for gain in (one.gain, other.gain)]
            shared = gains[0].index.intersection(gains[1].index)
            difference = gains[0][shared] - gains[1][shared]
            table = one.trials.table.loc[shared]
            mean = crossed_mean(difference, table["person"], table[one.trials.together])
            test = contrast(difference, table["person"], table["item"])
            rows.append({
                "first": one.row["model"], "second": other.row["model"], "difference": mean.value, "low": mean.low,
                "high": mean.high, "p_bootstrap": mean.p, "p": test.p, "people_first": mean.people_above,
                "people_second": mean.people_below, "sign_p": mean.sign_p, "n": mean.n,
            })  # fmt: skip
    return pd.DataFrame(rows)
