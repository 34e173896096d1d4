"""How one model reads one recording: its surprisal, what that adds to length and frequency, and whether the times are aligned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from analysis.features.surprisal import is_stored, token_surprisals, window_of, word_surprisal
from analysis.models.catalog import card, load, state
from analysis.progress import SILENT, Report
from analysis.protocol import Protocol
from analysis.reading.by_trial import TrialReading, read_trials, require_persons, trial_table
from analysis.reading.delta_ll import MODELS, DeltaLL, add_spillover, delta_log_likelihood
from analysis.reading.doctor import lag_profile
from analysis.reading.frame import word_frame
from analysis.reading.source import corpus
from analysis.scoring.case import as_model
from analysis.scoring.cost import READING, Cost, downloads
from analysis.scoring.lock import require_open
from analysis.store.store import Store
from analysis.text.alignment import partition
from analysis.text.passages import passages
from data.errors import BrainLensError, unknown
from data.filters import apply_filter
from data.recording import Recording

__all__ = ["BASE", "SPILLOVER", "Reading", "bits_per_word", "corpus", "price", "read"]

BASE = ("length", "log_frequency")
SPILLOVER = 2


@dataclass(frozen=True)
class Reading:
    """How one model reads one recording.

    Parameters
    ----------
    model, recording : str
    rows : pandas.DataFrame
        One row per measure: model, family, recording, measure, kind, simulated, delta_ll (nats per word), low, high,
        standard_error (over texts), n_texts, bias, n_words, n_dropped, bits_per_word (of the words that were used, each once),
        verdict, rule. A mixed model has one measure, ``"people"``, and its n are times of people.
    profile : pandas.DataFrame
        model, recording, measure, link, predictor, lag, word, coefficient, standard_error, t, low, high.
    says : dict
        Measure -> the doctor's verdict in words.
    each : dict
        Measure -> one row per word that was used (and person), indexed by its number in the recording: story, gain (nats), bits,
        and of a mixed model person.
    words : pandas.DataFrame
        story, zone, text, pieces (the model's tokens), uncorrected, corrected, surprisal (bits), one column per measure.
    notes : tuple of str
        The recording's quality note, what its filter left out, how surprisal was made.
    stamp : str
        What has to be seen on every figure.
    about : dict
        For a methods paragraph: filter, form, link, window, context, word_boundary, citation, unit, texts, people of the
        recording; model_class, parameters, model_citation.
    people : pandas.DataFrame or None
        person, gain (nats per held-out trial), n of a mixed model of single trials.
    fit : pandas.DataFrame or None
        What a mixed model estimated, of :func:`analysis.reading.fit_table.fit_table`; ``about`` then has ``test``, the row of
        :class:`analysis.reading.by_trial.TrialReading`, and ``fit_notes``.
    by_trial : TrialReading or None
        The mixed model with the trials that were fitted, for R.
    """

    model: str
    recording: str
    rows: pd.DataFrame
    profile: pd.DataFrame
    says: dict
    each: dict
    words: pd.DataFrame
    notes: tuple[str, ...]
    stamp: str
    about: dict = field(default_factory=dict)
    people: pd.DataFrame | None = None
    fit: pd.DataFrame | None = None
    by_trial: TrialReading | None = None

    def verdict(self, measure: str) -> tuple[str, str]:
        """The doctor's verdict on a measure, and its words; people have that of their mean."""
        return self.says.get(measure) or next(iter(self.says.values()))


def price(
    model: str, recording: Recording | str, protocol: Protocol | None = None, *, store=None
) -> Cost:
    """What :func:`read` would cost; ``cached`` where the surprisals are stored. Loads no weights and fetches nothing."""
    protocol = protocol or Protocol()
    texts = [passage.text for passage in passages(corpus(recording), protocol.context)]
    about = card(model)
    parameters = about.parameters_about
    seconds = (
        None
        if parameters is None
        else 2.0 + 2 * 1.4 * parameters * sum(len(text.split()) for text in texts) / READING
    )
    if about.cls == "n-gram":
        seconds = 1.0
    if state(model) == "needs download":
        return Cost(1, seconds=seconds, downloads=downloads(model), memory=6 * (parameters or 0))
    reader = load(model)
    if is_stored(reader, texts, window=window_of(reader, protocol), store=store):
        return Cost(1, 1, 1, seconds=0.5)
    return Cost(1, seconds=seconds, memory=6 * (parameters or 0))


def read(
    model,
    recording: Recording | str,
    *,
    protocol: Protocol | None = None,
    filter: str = "no-edges",
    link: str = "identity",
    form: str = "linear",
    surprisal: pd.Series | None = None,
    over: str = "texts",
    formula: str | None = None,
    store=None,
    report: Report = SILENT,
) -> Reading:
    """How one model reads one recording: surprisal through the store, held-out delta log-likelihood, alignment doctor.

    Parameters
    ----------
    model : str or Model
        With probabilities of the next word.
    recording : str or Recording
        Of words.
    protocol : Protocol, optional
        ``context`` and ``word_boundary`` count; None: the defended one.
    filter : str
        One of :data:`data.filters.FILTERS`; the doctor keeps the edges of sentences.
    link, form : str
        As ``link`` and ``model`` of :func:`analysis.reading.delta_ll.delta_log_likelihood`. ``form="mixed"`` is that of
        single trials of :func:`analysis.reading.by_trial.read_trials`: times are on a logarithmic scale, whatever ``link`` says.
    surprisal : pandas.Series, optional
        In bits, indexed by stimulus, in place of what the model would give; ``model`` is then a name.
    over, formula : str
        What is held out from a mixed model, and another formula for it.

    Raises
    ------
    BrainLensError
        A model without probabilities, a recording that is not of words, too few words.
    """
    if form not in MODELS:
        raise unknown("reading-time model", form, MODELS)
    if surprisal is not None:
        model = _Given(str(model))
    else:
        model = as_model(model)
    named, recording = recording, corpus(recording)
    if surprisal is None:
        require_open(model, recording, protocol or Protocol(), store or Store())
    if form == "mixed":
        require_persons(recording)  # before the model reads
    whole = word_frame(recording)  # before the model reads, for what is wrong with the recording
    kept = _filtered(recording, whole.table, filter)
    scored, about = (
        _surprisal(model, recording, protocol or Protocol(), store, report)
        if surprisal is None
        else _given(surprisal, recording)
    )
    report.step(0, 1, "regressions")
    bits = scored["surprisal"]
    rows, profiles, says, people, fit, of_fit, slim = [], [], {}, None, None, {}, None
    target, base = (_lagged(names) for names in (("surprisal",), BASE))
    frame = word_frame(kept, bits)
    if form == "mixed":
        table, gains, people, found = _by_trial(
            model.id, named, bits, filter, over, formula, report
        )
        fit, notes, slim = found.table(), (_tested(found.row), *found.notes), found.slim()
        of_fit = {"test": found.row, "fit_notes": found.fit.notes}
        numbers = recording.stimuli.index.get_indexer(table["stimulus"])
        about = "; ".join([about, *notes])
    else:
        table = add_spillover(frame.table, ["surprisal", *BASE], "story", SPILLOVER)
        table["story"] = _together(kept, table)
        gains = {
            name: delta_log_likelihood(
                table, name, base, target, folds="story", link=link, model=form
            )
            for name in frame.measures
        }
        about = "; ".join([about, *dict.fromkeys(g.left_out for g in gains.values() if g.left_out)])
        numbers = np.arange(len(table))
    each = {name: _each(table, gain, numbers, form == "mixed") for name, gain in gains.items()}
    unfiltered = whole.table.assign(surprisal=bits.to_numpy())
    for name in whole.measures:
        report.checkpoint()
        try:
            profile = lag_profile(
                unfiltered, name, ("surprisal", *BASE), link=whole.link, kind=whole.kind
            )
        except BrainLensError as error:
            says[name] = ("undecided", f"The alignment could not be judged: {error.problem}.")
            continue
        says[name] = (profile.verdict, profile.sentence)
        reach = 1.96 * profile.frame["standard_error"]
        about_it = dict(model=model.id, recording=recording.id, measure=name, link=whole.link)
        ends = dict(
            low=profile.frame["coefficient"] - reach, high=profile.frame["coefficient"] + reach
        )
        profiles.append(profile.frame.assign(**ends, **about_it))
    for name, gain in gains.items():
        rows.append({
            "model": model.id,
            "family": model.card.family or model.id,
            "recording": recording.id,
            "measure": name,
            "kind": recording.kind,
            "simulated": recording.simulated,
            "delta_ll": gain.per_word,
            "low": gain.low,
            "high": gain.high,
            "standard_error": gain.standard_error,
            "n_texts": len(gain.by_text),
            "bias": gain.bias,
            "n_words": gain.n_words,
            "n_dropped": gain.n_dropped,
            "bits_per_word": bits_per_word(each[name]),
            "verdict": says.get(name, next(iter(says.values())))[0],
            "rule": gain.rule,
        })  # fmt: skip
    report.step(1, 1, "regressions")
    bits = scored[["pieces", "uncorrected", "corrected", "surprisal"]]
    words = whole.table[["story", "zone", "text", *whole.measures]].join(bits)
    profiles = (
        pd.concat(profiles, ignore_index=True)
        if profiles
        else pd.DataFrame(columns=["model", "recording", "measure"])
    )
    stamp = list(recording.stamps)
    recipe = {
        "filter": filter, "form": form, "link": link, "window": scored.attrs["window"],
        "context": (protocol or Protocol()).context, "word_boundary": bool(scored.attrs["word_boundary"]),
        "surprisal": scored.attrs["kind"], "citation": recording.citation, "unit": recording.unit,
        "texts": whole.table["story"].nunique(), "people": None if recording.subjects is None else recording.n_targets,
        "model_class": model.card.cls, "parameters": model.card.parameters, "model_citation": model.card.citation,
        **of_fit,
    }  # fmt: skip
    notes = (*kept.notes, about)
    return Reading(
        model.id,
        recording.id,
        pd.DataFrame(rows),
        profiles,
        says,
        each,
        words,
        notes,
        "; ".join(stamp),
        recipe,
        people,
        fit,
        slim,
    )


# ---- pieces ------------------------------------------------------------------------------------------------------------
def _lagged(names: Sequence[str]) -> list[str]:
    return [*names, *(f"{name}_prev_{lag}" for name in names for lag in range(1, SPILLOVER + 1))]


def _together(recording: Recording, table: pd.DataFrame) -> pd.Series:
    """What is held out as one: the texts, or the items where texts are versions of an item and share its words."""
    group = recording.group
    if group is None or (table.groupby("story")[group].nunique() > 1).any():
        return table["story"]
    return table[group].astype(str).where(table[group].notna())


def _each(
    table: pd.DataFrame, gain: DeltaLL, numbers: np.ndarray, with_people: bool
) -> pd.DataFrame:
    used = (
        table[["story", "surprisal", *(["person"] if with_people else [])]]
        .iloc[gain.rows]
        .rename(columns={"surprisal": "bits"})
        .set_axis(numbers[gain.rows])
    )
    used.insert(1, "gain", gain.words)
    return used


def bits_per_word(each: pd.DataFrame) -> float:
    """Mean surprisal of the words in a table of ``Reading.each``, each word once however many people read it."""
    return float(each["bits"][~each.index.duplicated()].mean())


def _filtered(recording: Recording, table: pd.DataFrame, filter: str) -> Recording:
    """The filter on a recording that may lack the columns it asks for."""
    extra = table[["first_in_sentence", "last_in_sentence"]]
    return apply_filter(replace(recording, stimuli=recording.stimuli.assign(**extra)), filter)


@dataclass(frozen=True)
class _Given:
    """A name for surprisals that come from a table."""

    id: str

    @property
    def card(self):
        from types import SimpleNamespace

        return SimpleNamespace(
            family=self.id, cls="surprisals from a table", parameters=None, citation=""
        )


def _given(surprisal: pd.Series, recording: Recording) -> tuple[pd.DataFrame, str]:
    """Given surprisals in the form of :func:`_surprisal`."""
    bits = surprisal.reindex(recording.stimuli.index).to_numpy(float)
    scored = pd.DataFrame(
        {"pieces": "", "uncorrected": bits, "corrected": np.nan, "surprisal": bits},
        recording.stimuli.index,
    )
    scored.attrs = {"window": None, "word_boundary": False, "kind": "surprisal"}
    return scored, "surprisal in bits, from a table"


def _by_trial(
    model: str,
    recording: Recording | str,
    bits: pd.Series,
    filter: str,
    over: str,
    formula: str | None,
    report: Report,
) -> tuple[pd.DataFrame, dict, pd.DataFrame, TrialReading]:
    """Trials, what surprisal adds to each of them held out, to each person, and the fit."""
    trials = trial_table(recording, bits, filter=filter)
    found = read_trials(
        bits, recording, model=model, formula=formula, over=over, trials=trials, report=report
    )
    gain, fit = found.gain, found.fit
    assert gain is not None  # something was held out
    table = trials.table.assign(story=trials.table[trials.together].astype(str))
    by_text = pd.Series(gain.trials).groupby(table["story"].to_numpy()[gain.rows]).mean()
    coefficients = (
        fit.coefficients.reset_index()
        .rename(columns={"estimate": "coefficient", "z": "t"})
        .drop(columns="p")
    )
    delta = DeltaLL(
        gain.per_trial, gain.low, gain.high, (gain.high - gain.low) / 3.92, gain.trials, gain.rows, by_text, len(gain.trials),
        len(table) - len(gain.trials), coefficients, True, -found.row["df"] / (2 * len(gain.trials)),
        f"{fit.formula}; {gain.rule}",
    )  # fmt: skip
    own = (
        table.loc[gain.rows]
        .assign(gain=gain.trials)
        .groupby("person", sort=False)["gain"]
        .agg(["mean", "size"])
    )
    people = own.rename(columns={"mean": "gain", "size": "n"}).reset_index()
    return table, {"people": delta}, people, found


def _tested(row: dict) -> str:
    return f"chi2({row['df']}) = {row['chi2']:.1f}, b = {row['b']:.4g} per bit, z = {row['z']:.2f}"


def _surprisal(
    model, recording: Recording, protocol: Protocol, store, report: Report
) -> tuple[pd.DataFrame, str]:
    """Surprisal of every word with the model's tokens, and how it was made, in words."""
    scored = word_surprisal(model, recording, protocol, store=store, report=report)
    read, window = passages(recording, protocol.context), scored.attrs["window"]
    found = token_surprisals(
        model, [p.text for p in read], window=window, store=store, report=report
    )
    pieces = np.empty(len(scored), dtype=object)
    for passage, tokens in zip(read, found, strict=True):
        texts = [passage.text[a:b].strip() for a, b in tokens.offsets]
        for row, (first, last) in zip(
            passage.rows, partition(passage.text, passage.spans, tokens.offsets), strict=True
        ):
            pieces[row] = "|".join(filter(None, texts[first:last]))
    scored["pieces"] = pieces
    corrected = "with" if scored.attrs["word_boundary"] else "without"
    about = f"{scored.attrs['kind']} in bits, {corrected} word-boundary correction, context: {protocol.context}"
    if scored.attrs["window"] is not None:
        about += f", window {scored.attrs['window']}"
    if count := scored.attrs["joined"]:
        about += f"; {count} of {len(scored)} words share a token with a neighbour and are left out"
    return scored, about
