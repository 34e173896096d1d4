"""Does the model read like people?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from analysis.answers.answer import Answer, decimal, interval, listed, plural
from analysis.doctor import lag_profile, version_diff
from analysis.progress import SILENT, Report
from analysis.protocol import Protocol
from analysis.reading import MODELS, add_spillover, delta_log_likelihood
from analysis.word_frame import people_frame, word_frame
from data.errors import BrainLensError, unknown
from data.filters import apply_filter
from data.recording import Recording

__all__ = ["BASE", "Reading", "against", "answer", "read", "reading", "versions"]

BASE = ("length", "log_frequency")
SPILLOVER = 2


@dataclass(frozen=True)
class Reading:
    """How one model reads one recording.

    Parameters
    ----------
    model, recording : str
    rows : pandas.DataFrame
        One row per measure: model, family, recording, measure, delta_ll (nats per word), low, high, bias, n_words, n_dropped,
        bits_per_word, verdict, rule.
    profile : pandas.DataFrame
        model, recording, measure, predictor, lag, word, coefficient, standard_error, t, low, high.
    says : dict
        Measure -> the doctor's verdict in words.
    words : pandas.DataFrame
        story, zone, text, pieces (the model's tokens), uncorrected, corrected, surprisal (bits), one column per measure.
    notes : tuple of str
        The recording's quality note, what its filter left out, how surprisal was made.
    stamp : str
        What has to be seen on every figure.
    """

    model: str
    recording: str
    rows: pd.DataFrame
    profile: pd.DataFrame
    says: dict
    words: pd.DataFrame
    notes: tuple[str, ...]
    stamp: str


def read(
    model,
    recording: Recording | str,
    *,
    protocol: Protocol | None = None,
    filter: str = "no-edges",
    link: str = "identity",
    form: str = "linear",
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
        As ``link`` and ``model`` of :func:`analysis.reading.delta_log_likelihood`; ``form="mixed"`` has random intercepts for
        people and words.

    Raises
    ------
    BrainLensError
        A model without probabilities, a recording that is not of words, too few words.
    """
    if form not in MODELS:
        raise unknown("reading-time model", form, MODELS)
    if isinstance(model, str):
        from analysis.models import load

        model = load(model)
    if not isinstance(recording, Recording):
        from data.catalog import recording as find

        recording = find(recording)
    whole = word_frame(recording)  # before the model reads, for what is wrong with the recording
    kept = _filtered(recording, whole.table, filter)
    scored, about = _surprisal(model, recording, protocol or Protocol(), store, report)
    report.step(0, 1, "regressions")
    bits = scored["surprisal"]
    rows, profiles, says = [], [], {}
    target, base = (_lagged(names) for names in (("surprisal",), BASE))
    frame = word_frame(kept, bits)
    if form == "mixed":
        long = _spread(word_frame(kept, bits).table, people_frame(kept, bits))
        gains = {"people": delta_log_likelihood(long, "rt", base, target, folds="story", link=link, model="mixed",
                                                groups=("subject", "word"))}  # fmt: skip
    else:
        wide = add_spillover(frame.table, ["surprisal", *BASE], "story", SPILLOVER)
        gains = {
            name: delta_log_likelihood(wide, name, base, target, folds="story", link=link, model=form) for name in frame.measures
        }
    unfiltered = whole.table.assign(surprisal=bits.to_numpy())
    for name in whole.measures:
        report.checkpoint()
        try:
            profile = lag_profile(unfiltered, name, ("surprisal", *BASE), link=whole.link, kind=whole.kind)
        except BrainLensError as error:
            says[name] = ("undecided", f"The alignment could not be judged: {error.problem}.")
            continue
        says[name] = (profile.verdict, profile.sentence)
        reach = 1.96 * profile.frame["standard_error"]
        here = profile.frame.assign(low=profile.frame["coefficient"] - reach, high=profile.frame["coefficient"] + reach)
        profiles.append(here.assign(model=model.id, recording=recording.id, measure=name))
    for name, gain in gains.items():
        rows.append({
            "model": model.id,
            "family": model.card.family or model.id,
            "recording": recording.id,
            "measure": name,
            "delta_ll": gain.per_word,
            "low": gain.low,
            "high": gain.high,
            "bias": gain.bias,
            "n_words": gain.n_words,
            "n_dropped": gain.n_dropped,
            "bits_per_word": float(bits.mean()),
            "verdict": says.get(name, next(iter(says.values())))[0],
            "rule": gain.rule,
        })  # fmt: skip
    report.step(1, 1, "regressions")
    bits = scored[["pieces", "uncorrected", "corrected", "surprisal"]]
    words = whole.table[["story", "zone", "text", *whole.measures]].join(bits)
    profiles = pd.concat(profiles, ignore_index=True) if profiles else pd.DataFrame(columns=["model", "recording", "measure"])
    stamp = "; ".join(filter(None, ("simulated data" if recording.simulated else "", recording.quality)))
    return Reading(model.id, recording.id, pd.DataFrame(rows), profiles, says, words, (*kept.notes, about), stamp)


def reading(models: Sequence[str], recordings: Sequence[str | Recording], **options) -> Answer:
    """Delta log-likelihood and lag profile of every model on every recording; a model that cannot is listed with its reason.

    Parameters
    ----------
    models, recordings : sequence
        As for :func:`read`, which takes the options.

    Returns
    -------
    Answer
        As of :func:`answer`.
    """
    found, missing = [], []
    for recording in recordings:
        for model in models:
            try:
                found.append(read(model, recording, **options))
            except BrainLensError as error:
                name = getattr(recording, "id", recording)
                missing.append({"model": getattr(model, "id", model), "reason": f"{name}: {error.problem}"})
    return answer(found, missing=pd.DataFrame(missing, columns=["model", "reason"]))


def answer(found: Iterable[Reading], *, missing: pd.DataFrame | None = None) -> Answer:
    """What some readings say together.

    Returns
    -------
    Answer
        ``frame``: the rows of all readings and, where a model has read several recordings, ``"mean of N"`` of the first measure
        of each. ``facts``: profile, words (of the first reading), says, notes, stamp.
    """
    found = list(found)
    missing = Answer(pd.DataFrame(), "").missing if missing is None else missing
    if not found:
        reasons = " ".join(f"{row.model} ({row.reason})." for row in missing.itertuples())
        return Answer(pd.DataFrame(), f"No model has read anything yet. {reasons}".strip(), missing=missing)
    frame = pd.concat([one.rows for one in found], ignore_index=True)
    pooled = [_pooled(rows) for _, rows in frame.groupby("model", sort=False) if rows["recording"].nunique() > 1]
    says = {(one.recording, measure): said for one in found[::-1] for measure, said in one.says.items()}
    rules = listed(dict.fromkeys(frame["rule"]))
    caption = (
        f"Delta log-likelihood: what surprisal of the word and of the {SPILLOVER} words before it adds to length and log "
        f"frequency of the same words, in nats per word; {rules}. Intervals: 95 %, over texts. Held out, a model without any effect is "
        f"expected at about {frame['bias'].median():.1e}, and not at 0; in sample the value is always above 0. "
        f"n = {listed(f'{rows.n_words.iloc[0]:,} words ({name})' for name, rows in frame.groupby('recording', sort=False))}."
    )
    if len(missing):
        caption += " Left out: " + "; ".join(f"{row.model} ({row.reason})" for row in missing.itertuples()) + "."
    stamp = "; ".join(dict.fromkeys(filter(None, (one.stamp for one in found))))
    facts = {
        "profile": pd.concat([one.profile for one in found], ignore_index=True),
        "words": found[0].words,
        "says": says,
        "notes": tuple(dict.fromkeys(note for one in found for note in one.notes)),
        "stamp": stamp,
    }
    frame = pd.concat([frame, *([pd.DataFrame(pooled)] if pooled else [])], ignore_index=True)
    axes = {"x_title": "", "y_title": "Delta log-likelihood, held out (nats per word)", "log_x": False, "invert_x": False}
    return Answer(frame, _sentence(frame, says), caption, missing=missing, facts=facts, axes=axes)


def against(frame: pd.DataFrame) -> Answer:
    """Delta log-likelihood against how well the models predict the same words, on one recording.

    Parameters
    ----------
    frame : pandas.DataFrame
        Of :func:`answer`; the first recording and measure count.

    Returns
    -------
    Answer
        As of :func:`analysis.answers.task.own_task`: a fit from four models on.
    """
    from analysis.answers.task import own_task

    first = frame.iloc[0]
    here = frame[(frame["recording"] == first["recording"]) & (frame["measure"] == first["measure"])]
    table = here.rename(columns={"bits_per_word": "x", "delta_ll": "y"})[["model", "family", "x", "y", "low", "high"]]
    found = own_task(table, x_title=f"Bits per word on {first['recording']} (better to the right)",
                     y_title="Delta log-likelihood, held out (nats per word)")  # fmt: skip
    return replace(found, caption=f"{found.caption} Bits per word of the words the people read.")


def versions(first: Recording, second: Recording, surprisal: pd.Series, *, measure: str | None = None):
    """:func:`analysis.doctor.version_diff` of two recordings with the same words.

    Parameters
    ----------
    surprisal : pandas.Series
        In bits, indexed by stimulus.
    measure : str, optional
        Default: the first.
    """
    frames = [word_frame(one, surprisal) for one in (first, second)]
    measure = measure or frames[0].measures[0]
    if measure not in frames[0].measures:
        raise unknown(f"measure of {first.id}", measure, frames[0].measures)
    names = [first.id, second.id] if first.id != second.id else ["first", "second"]
    tables = dict(zip(names, (one.table for one in frames)))
    return version_diff(tables, measure, link=frames[0].link, kind=frames[0].kind)


# ---- pieces ------------------------------------------------------------------------------------------------------------
def _lagged(names: Sequence[str]) -> list[str]:
    return [*names, *(f"{name}_prev_{lag}" for name in names for lag in range(1, SPILLOVER + 1))]


def _filtered(recording: Recording, table: pd.DataFrame, filter: str) -> Recording:
    """The filter on a recording that may lack the columns it asks for."""
    extra = table[["first_in_sentence", "last_in_sentence"]]
    return apply_filter(replace(recording, stimuli=recording.stimuli.assign(**extra)), filter)


def _spread(words: pd.DataFrame, long: pd.DataFrame) -> pd.DataFrame:
    """Spillover made on the words, carried to every person's row."""
    wide = add_spillover(words, ["surprisal", *BASE], "story", SPILLOVER)
    made = [name for name in wide.columns if "_prev_" in name]
    return long.join(wide[made], on="word")


def _surprisal(model, recording: Recording, protocol: Protocol, store, report: Report) -> tuple[pd.DataFrame, str]:
    """Surprisal of every word with the model's tokens, and how it was made, in words."""
    from analysis.alignment import partition
    from analysis.stimuli import passages
    from analysis.surprisal import token_surprisals, word_surprisal

    scored = word_surprisal(model, recording, protocol, store=store, report=report)
    read = passages(recording, protocol.context)
    pieces = np.empty(len(scored), dtype=object)
    for passage, tokens in zip(read, token_surprisals(model, [p.text for p in read], store=store, report=report), strict=True):
        texts = [passage.text[a:b].strip() for a, b in tokens.offsets]
        for row, (first, last) in zip(passage.rows, partition(passage.text, passage.spans, tokens.offsets), strict=True):
            pieces[row] = "|".join(filter(None, texts[first:last]))
    scored["pieces"] = pieces
    corrected = "with" if scored.attrs["word_boundary"] else "without"
    about = f"{model.id}: {scored.attrs['kind']} in bits, {corrected} word-boundary correction, context: {protocol.context}"
    if scored.attrs["window"] is None:
        return scored, about
    return scored, f"{about}, window {scored.attrs['window']}"


def _pooled(rows: pd.DataFrame) -> dict:
    """Mean over recordings, each with the same weight; the interval takes them as independent."""
    first = rows.drop_duplicates("recording")
    error = np.sqrt((((first["high"] - first["low"]) / 3.92) ** 2).sum()) / len(first)
    mean = first["delta_ll"].mean()
    return {
        **first.iloc[0][["model", "family"]].to_dict(),
        "recording": f"mean of {len(first)}",
        "measure": "first measure of each",
        "delta_ll": mean,
        "low": mean - 1.96 * error,
        "high": mean + 1.96 * error,
        "bias": first["bias"].mean(),
        "n_words": int(first["n_words"].sum()),
        "n_dropped": int(first["n_dropped"].sum()),
        "bits_per_word": first["bits_per_word"].mean(),
        "verdict": "",
        "rule": "mean over recordings",
    }


def _sentence(frame: pd.DataFrame, says: dict) -> str:
    first = frame.iloc[0]
    here = frame[(frame["recording"] == first["recording"]) & (frame["measure"] == first["measure"])]
    best = here.loc[here["delta_ll"].idxmax()]
    verb = "reads like people" if best["low"] > 0 else "is not shown to read like people"
    if here["high"].max() < 0:
        verb = "makes the prediction worse"
    gain = f"{decimal(best['delta_ll'], 4)} nats per word {interval(best['low'], best['high'], 4)}"
    said = f"{best['model']} {verb} on {best['recording']}: its surprisal adds {gain} to length and frequency."
    if len(here) > 1:
        above = [row.model for row in here.itertuples() if row.low > 0]
        said += f" {len(above)} of {plural(len(here), 'model')} lie above 0."
    verdict = says.get((first["recording"], first["measure"])) or next(iter(says.values()), ("", ""))
    return f"{said} {verdict[1]}".strip()
