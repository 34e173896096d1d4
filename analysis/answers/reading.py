"""Does the model read like people?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from analysis.answers.answer import Answer, decimal, interval, listed, plural
from analysis.answers.task import own_task
from analysis.reading.crossed import crossed_mean
from analysis.reading.delta_ll import Mean, mean_over_texts
from analysis.reading.doctor import VersionDiff, pooled_profile, version_diff
from analysis.reading.frame import word_frame
from analysis.reading.run import SPILLOVER, Reading, bits_per_word, read
from analysis.statistics.measured import beside
from data.errors import BrainLensError, unknown
from data.recording import Recording

__all__ = ["against", "against_scores", "answer", "benchmark", "reading", "verdicts", "versions"]


POOLED = "first measure of each"
"""Measure of the rows that are means over recordings."""
FEW_TEXTS = 3
"""With fewer texts in one of the recordings the mean over recordings has no interval."""


def reading(models: Sequence[str], recordings: Sequence[str | Recording], **options) -> Answer:
    """Delta log-likelihood and lag profile of every model on every recording; a model that cannot is listed with its reason.

    Parameters
    ----------
    models, recordings : sequence
        As for :func:`analysis.reading.run.read`, which takes the options.

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
                missing.append(
                    {"model": getattr(model, "id", model), "reason": f"{name}: {error.problem}"}
                )
    return answer(found, missing=pd.DataFrame(missing, columns=["model", "reason"]))


def answer(found: Iterable[Reading], *, missing: pd.DataFrame | None = None) -> Answer:
    r"""What some readings say together.

    Returns
    -------
    Answer
        ``frame``: the rows of all readings and, where a model has read several recordings of times, ``"mean of N"`` of the first
        measure of each (simulated ones left out). Models are compared over the same words: where they know different ones, their
        values are those of the words that all of them know, and ``delta_ll_alone`` and ``n_words_alone`` are a model's by itself.
        ``facts``: profile, words (of the first reading), says ((model, recording, measure) -> verdict of the doctor and its
        words), notes, stamp, stamps (by recording), pooled (model -> pooled profile) and pooled_of (its recordings and measures).

    Notes
    -----
    Over the words that all models know only the mean is taken anew; each model's regressions stay fitted to all the words it
    knows. The mean over N recordings has the standard error :math:`\sqrt{\sum_i s_i^2} / N`, and a t interval with the degrees
    of freedom of Welch and Satterthwaite, :math:`(\sum_i s_i^2)^2 / \sum_i s_i^4 / (G_i - 1)` for :math:`G_i` texts.
    """
    found = list(found)
    left_out = Answer(pd.DataFrame(), "").missing if missing is None else missing
    if not found:
        reasons = " ".join(f"{row.model} ({row.reason})." for row in left_out.itertuples())
        return Answer(
            pd.DataFrame(), f"No model has read anything yet. {reasons}".strip(), missing=left_out
        )
    frame = pd.concat(_same_words(found), ignore_index=True)
    timed = frame[frame["kind"].isin(("reading_times", "eye_tracking")) & ~frame["simulated"]]
    timed = timed[timed["recording"].isin(_once(timed["recording"]))]
    pooled = [
        _pooled(rows)
        for _, rows in timed.groupby("model", sort=False)
        if rows["recording"].nunique() > 1
    ]
    says = {
        (one.model, one.recording, name): one.verdict(name)
        for one in found
        for name in (*one.says, *one.rows["measure"])
    }
    rules = listed(dict.fromkeys(rule.partition(", held out")[0] for rule in frame["rule"]))
    trials = all(one.about.get("form") == "mixed" for one in found)
    caption = (
        _of_trials(frame, rules)
        if trials
        else f"Delta log-likelihood: what surprisal of the word and of the {SPILLOVER} words before it adds to length and log "
        f"frequency of the same words, in nats per word; {rules}, whole texts held out. Intervals: 95 %, over texts. "
        f"{beside('delta-LL')} "
        "Held out, the k added columns bias the value downwards by about k / 2n: a model without any effect is expected at "
        f"{frame['bias'].median():.1e}, not at 0. In sample the value would always be above 0. "
        "A word counts where it has a response and the model knows it and the words before it. "
    )
    caption += f"n = {'; '.join(_counts(name, rows) for name, rows in frame.groupby('recording', sort=False))}."
    if (frame["n_words"] < frame["n_words_alone"]).any():
        caption += " Each regression is fitted to all the words that its model knows."
    if pooled:
        caption += f" {_independent(found, list(dict.fromkeys(timed['recording'])))}"
        if any(np.isnan(one["low"]) for one in pooled):
            caption += f" It has no interval: one of them has fewer than {FEW_TEXTS} texts."
    if len(left_out):
        caption += (
            " Left out: "
            + "; ".join(f"{row.model} ({row.reason})" for row in left_out.itertuples())
            + "."
        )
    several = frame["recording"].nunique() > 1
    stamp = "; ".join(
        dict.fromkeys(
            f"{one.recording}: {one.stamp}" if several else one.stamp for one in found if one.stamp
        )
    )
    together, members = _doctor(found)
    facts = {
        "pooled": together,
        "pooled_of": members,
        "profile": pd.concat([one.profile for one in found], ignore_index=True),
        "words": found[0].words,
        "says": says,
        "notes": tuple(
            dict.fromkeys(f"{one.recording}: {note}" for one in found for note in one.notes)
        ),
        "stamps": {one.recording: one.stamp for one in found},
        "stamp": stamp,
    }
    frame = pd.concat([frame, *([pd.DataFrame(pooled)] if pooled else [])], ignore_index=True)
    axes = {
        "x_title": "",
        "y_title": f"Delta log-likelihood, held out (nats per {'trial' if trials else 'word'})",
        "log_x": False,
        "invert_x": False,
    }
    sentence = _sentence(frame, says)
    sentence = sentence.replace("nats per word", "nats per trial") if trials else sentence
    return Answer(frame, sentence, caption, missing=left_out, facts=facts, axes=axes)


def _of_trials(frame: pd.DataFrame, rules: str) -> str:
    """What was compared where single trials were fitted: the model as it was fitted stands in the rule."""
    return (
        "Delta log-likelihood: what the fixed effects of surprisal (of the word, and of the word before it where it is in the "
        f"formula) add to a mixed model of single trials, in nats per held-out trial; {rules}. Intervals: 95 %, people and texts "
        "resampled. Held out, the k added columns bias the value downwards by about k / 2n: a model without any effect is "
        f"expected at {frame['bias'].median():.1e}, not at 0. A trial counts where it has a response and every predictor. "
    )


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
    first = frame.iloc[0]
    here = frame[
        (frame["recording"] == first["recording"]) & (frame["measure"] == first["measure"])
    ]
    table = here.rename(columns={"bits_per_word": "x", "delta_ll": "y"})[
        ["model", "family", "x", "y", "low", "high"]
    ]
    found = own_task(table, x_title=f"Bits per word on {first['recording']} (better to the right)",
                     y_title=f"Delta log-likelihood, held out (nats per {_unit(here)})")  # fmt: skip
    return replace(
        found,
        caption=f"{found.caption} Bits per word and delta log-likelihood are of the same words.",
    )


def versions(
    first: Recording, second: Recording, surprisal: pd.Series, *, measure: str | None = None
) -> VersionDiff:
    """:func:`analysis.reading.doctor.version_diff` of two recordings with the same words.

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


def against_scores(frame: pd.DataFrame, scores: pd.DataFrame, recording: str) -> Answer:
    """Delta log-likelihood against the score of the same models on a recording of the brain.

    Parameters
    ----------
    frame : pandas.DataFrame
        Of :func:`answer`; the mean over recordings where there is one, else the first recording and measure.
    scores : pandas.DataFrame
        model, x (Pearson r, held out), layer, and ``reason`` where there is none. Every model in it has to be paired.
    recording : str
        Of the brain.

    Returns
    -------
    Answer
        ``frame``: the pairs; ``missing``: models that lack one of the two, with the reason; a fit from four models on.
    """
    pooled = frame[frame["measure"] == POOLED]
    first = frame.iloc[0] if pooled.empty else pooled.iloc[0]
    here = frame[
        (frame["recording"] == first["recording"]) & (frame["measure"] == first["measure"])
    ]
    rows = here.rename(columns={"delta_ll": "y"})[["model", "family", "y", "low", "high"]]
    table = scores.merge(rows, on="model", how="outer", sort=False)
    table["family"] = table["family"].fillna(table["model"])
    unread = table["y"].isna()
    said = table["reason"] if "reason" in table else pd.Series("", index=table.index)
    table["reason"] = said.where(
        said.fillna("") != "", np.where(unread, "no delta log-likelihood", "no score")
    ).where(table[["x", "y"]].isna().any(axis=1), "")
    found = own_task(table, better=1, x_title=f"Score on {recording} (Pearson r, held out)",
                     y_title=f"Delta log-likelihood, held out (nats per {_unit(here)})")  # fmt: skip
    caption = f"{found.caption} Reading: {first['recording']}; brain: {recording}, the layer chosen on inner folds."
    pairs = f"Pairs: {listed(found.frame['model'])}." if len(found.frame) else "No model has both."
    return replace(found, caption=f"{caption} {pairs}")


def benchmark(scores: Sequence) -> Answer:
    """Reading times predicted from activations, the paper's reading benchmark: the score of every model on every recording.

    Parameters
    ----------
    scores : sequence of Score
        Of :func:`analysis.score` on recordings of words.

    Returns
    -------
    Answer
        ``frame``: model, recording, people (0: means over people), layer, r, low, high, ceiling, normalised, n_stimuli.
    """
    rows = []
    for score in scores:
        whole, about = score.summary(), score.provenance["recording"]
        people = 0 if about["averaged"] else about["n_subjects"]
        rows.append({"model": score.model, "recording": score.recording, "people": people, "layer": whole["layer"],
                     "r": whole["r"], "low": whole["r_low"], "high": whole["r_high"], "ceiling": whole["ceiling"],
                     "normalised": whole["share"], "n_stimuli": about["n_stimuli"],
                     "protocol": score.protocol.name, "stamp": score.stamp})  # fmt: skip
    frame = pd.DataFrame(rows)
    if frame.empty:
        return Answer(frame, "No reading times have been predicted from activations yet.")
    best = frame.loc[frame["r"].idxmax()]
    whose = f"of {best['people']} people" if best["people"] else "averaged over people"
    sentence = (
        f"The activations of {best['model']} predict the times {whose} on {best['recording']} with r = {decimal(best['r'])} "
        f"{interval(best['low'], best['high'])}."
    )
    caption = (
        f"Protocol {listed(dict.fromkeys(frame['protocol']))}: activations to reading times, "
        "fitted for each person apart where the recording has people, the layer chosen on inner folds; intervals: 95 %. "
        "A ceiling of the average over people is in the table and divides no single person's r. This is another question than "
        "delta log-likelihood: activations also carry length, frequency and position, which a regression can read out. Compare "
        "the controls in the lens Layers."
    )
    axes = {"x_title": "", "y_title": "Pearson r, held out", "log_x": False, "invert_x": False}
    return Answer(
        frame,
        sentence,
        caption,
        axes=axes,
        facts={"stamp": "; ".join(filter(None, dict.fromkeys(frame["stamp"])))},
    )


# ---- pieces ------------------------------------------------------------------------------------------------------------
def verdicts(says: dict, recording: str, measure: str) -> str:
    """What the doctor says of a measure, with the models' names where there are several: ``aligned (a and b), shifted (c)``."""
    by: dict[str, list[str]] = {}
    for (model, *of), (verdict, _) in says.items():
        if of == [recording, measure]:
            by.setdefault(verdict, []).append(model)
    if sum(map(len, by.values())) == 1:
        return next(iter(by))
    return ", ".join(f"{verdict} ({listed(models)})" for verdict, models in by.items())


def _unit(rows: pd.DataFrame) -> str:
    """What a gain is of: a trial of a mixed model, or a word."""
    return "trial" if (rows["measure"] == "people").all() else "word"


def _same_words(found: Sequence[Reading]) -> list[pd.DataFrame]:
    """The rows of each reading, over the words that all models know of the same recording and measure."""
    every: dict[tuple[str, str], list[pd.Index]] = {}
    for one in found:
        for measure, each in one.each.items():
            every.setdefault((one.recording, measure), []).append(each.index)
    shared = {key: _shared(words) for key, words in every.items()}
    frames = []
    for one in found:
        rows = []
        for row in one.rows.to_dict("records"):
            row |= {"delta_ll_alone": row["delta_ll"], "n_words_alone": row["n_words"]}
            words = shared.get((one.recording, row["measure"]))
            rows.append(row if words is None else row | _over(row, one.each[row["measure"]], words))
        frames.append(pd.DataFrame(rows))
    return frames


def _shared(words: Sequence[pd.Index]) -> pd.Index | None:
    """The words in all of them; None where they are the same anyway, or have none in common."""
    if all(one.equals(words[0]) for one in words):
        return None
    shared = words[0].unique()
    for one in words[1:]:
        shared = shared[shared.isin(one)]
    return shared if len(shared) else None


def _over(row: dict, each: pd.DataFrame, words: pd.Index) -> dict:
    """What changes in a row over fewer words."""
    used = each[each.index.isin(words)]
    if "person" in used:
        both = crossed_mean(used["gain"], used["person"], used["story"])
        mean = Mean(both.value, (both.high - both.low) / 3.92, both.low, both.high, both.n_items)
    else:
        mean = mean_over_texts(used["gain"].to_numpy(), used["story"].to_numpy())
    return {"delta_ll": mean.value, "low": mean.low, "high": mean.high, "standard_error": mean.standard_error,
            "n_texts": mean.texts, "n_words": len(used), "n_dropped": row["n_dropped"] + row["n_words"] - len(used),
            "bits_per_word": bits_per_word(used)}  # fmt: skip


def _counts(name: str, rows: pd.DataFrame) -> str:
    """How many words a recording's values are of, and of how many more a model has one by itself."""
    unit = "times of people" if (rows["measure"] == "people").all() else "words"
    alone = rows.groupby("model", sort=False)["n_words_alone"].max()
    own = listed(f"{model} {n:,}" for model, n in alone.items())
    if rows.groupby("measure")["n_words"].nunique().max() > 1:
        return (
            f"{own} {unit} ({name}; none is known to all models: their values cannot be compared)"
        )
    low, high = rows["n_words"].min(), rows["n_words"].max()
    count = (
        f"{low:,} {unit} ({name})"
        if low == high
        else f"{low:,} to {high:,} {unit}, by measure ({name})"
    )
    return count if (rows["n_words"] == rows["n_words_alone"]).all() else (
        f"{count}, those that all {plural(len(alone), 'model')} know (alone: {own})"
    )  # fmt: skip


def _pooled(rows: pd.DataFrame) -> dict:
    """Mean over recordings, each with the same weight; the interval takes them as independent."""
    from scipy.stats import t

    first = rows.drop_duplicates("recording")
    few = (first["n_texts"] < FEW_TEXTS).any()  # a spread over two texts is no estimate
    mean, squares = first["delta_ll"].mean(), first["standard_error"] ** 2
    error = np.sqrt(squares.sum(skipna=False)) / len(first)
    freedom = squares.sum() ** 2 / (squares**2 / (first["n_texts"] - 1)).sum()
    reach = np.nan if few else t.ppf(0.975, freedom) * error
    return {
        **first.iloc[0][["model", "family", "kind", "simulated"]].to_dict(),
        "recording": f"mean of {len(first)}",
        "measure": POOLED,
        "delta_ll": mean,
        "low": mean - reach,
        "high": mean + reach,
        "standard_error": error,
        "n_texts": int(first["n_texts"].sum()),
        "bias": first["bias"].mean(),
        "n_words": int(first["n_words"].sum()),
        "n_dropped": int(first["n_dropped"].sum()),
        "bits_per_word": first["bits_per_word"].mean(),
        "verdict": "",
        "rule": "mean over recordings",
        "delta_ll_alone": first["delta_ll_alone"].mean(),
        "n_words_alone": int(first["n_words_alone"].sum()),
    }


def _independent(found: Sequence[Reading], recordings: list[str]) -> str:
    """What the interval of the mean over recordings takes for granted, and where that is not so."""
    words = {one.recording: one.words for one in found}
    texts = {name: _texts(words[name]) for name in recordings}
    pairs = [
        f"{a} and {b}"
        for i, a in enumerate(recordings)
        for b in recordings[i + 1 :]
        if texts[a] & texts[b]
    ]
    said = "Mean of several: each recording with the same weight; its interval takes recordings as independent"
    return (
        f"{said}, but {'; '.join(pairs)} are of the same sentences: it is too narrow."
        if pairs
        else f"{said}."
    )


def _texts(words: pd.DataFrame) -> set[str]:
    told: dict[object, list[str]] = {}
    for story, word in zip(words["story"].tolist(), words["text"].tolist(), strict=True):
        told.setdefault(story, []).append(word)
    return {" ".join(text).casefold() for text in told.values()}


def _once(recordings: Iterable[str]) -> list[str]:
    """The first version of each recording: the same readers count once."""
    first: dict[str, str] = {}
    for name in recordings:
        first.setdefault(name.partition("@")[0], name)
    return list(first.values())


def _doctor(found: Sequence[Reading]) -> tuple[dict, tuple]:
    """Model -> pooled profile of the first measure of its self-paced recordings on a log scale; those recordings and measures."""
    kept: dict[str, dict[str, pd.DataFrame]] = {}
    members: dict[tuple[str, str], None] = {}
    once = _once(one.recording for one in found)
    for one in found:
        kind, simulated = one.rows[["kind", "simulated"]].iloc[0]
        if one.recording not in once or one.profile.empty or kind != "reading_times" or simulated:
            continue
        first = one.profile[one.profile["measure"] == one.profile["measure"].iloc[0]]
        if first["link"].iloc[0] == "log":
            kept.setdefault(one.model, {})[one.recording] = first
            members[one.recording, first["measure"].iloc[0]] = None
    return {
        model: pooled_profile(list(own.values())) for model, own in kept.items() if len(own) > 1
    }, tuple(members)


def _sentence(frame: pd.DataFrame, says: dict) -> str:
    first = frame.iloc[0]
    here = frame[
        (frame["recording"] == first["recording"]) & (frame["measure"] == first["measure"])
    ]
    best = here.loc[here["delta_ll"].idxmax()]
    verb = "goes with" if best["low"] > 0 else "is not shown to go with"
    adds = "adds" if best["low"] > 0 else "adds no gain that is shown,"
    gain = f"{decimal(best['delta_ll'], 4)} nats per word {interval(best['low'], best['high'], 4)}"
    said = (
        f"The surprisal of {best['model']} {verb} how people read {best['recording']}: it {adds} {gain} to what length and "
        "frequency predict."
    )
    if len(here) > 1:
        above = [row.model for row in here.itertuples() if row.low > 0]
        said += f" {len(above)} of {plural(len(here), 'model')} lie above 0."
    words = says[best["model"], best["recording"], best["measure"]][1]
    if len(here) == 1:
        return f"{said} {words}"
    said += f" By the surprisal of {best['model']}, {words[0].lower()}{words[1:]}"
    if len({says[row.model, row.recording, row.measure][0] for row in here.itertuples()}) > 1:
        said += f" The models do not agree on the alignment: {verdicts(says, best['recording'], best['measure'])}."
    return said
