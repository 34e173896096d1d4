"""What changes between two versions of a recording: the same analysis on both, side by side."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from analysis.answers.answer import Answer, plural
from analysis.answers.reading import versions
from analysis.models.catalog import cards, state
from analysis.progress import SILENT, Report
from analysis.protocol import Protocol
from analysis.reading.source import GPT3, surprisal_of
from data.catalog import catalog
from data.catalog.catalog import entries
from data.errors import BrainLensError
from data.filters import compare_versions
from data.notes import INFERRED, of_kind
from data.recording import Recording

__all__ = ["compare", "sources", "surprisal_of"]

DIRECTION = (
    "The direction of the realignment is inferred from the data (nobody responds to a word not yet shown); a corrected file of "
    "means has not been seen."
)


def compare(
    first: str | Recording,
    second: str | Recording,
    surprisal: str | pd.Series = GPT3,
    *,
    measure: str | None = None,
    protocol: Protocol | None = None,
    store=None,
    report: Report = SILENT,
) -> Answer:
    """Lag profile, verdict of the alignment doctor and delta log-likelihood on two versions of a recording of words.

    Parameters
    ----------
    first, second : str or Recording
        Ids such as ``natural-stories@as-released``, or files; the older one first.
    surprisal : str or pandas.Series
        As for :func:`surprisal_of`; a Series in bits, indexed by stimulus.
    measure : str, optional
        Default: the first.
    protocol : Protocol, optional
        How a model reads.

    Returns
    -------
    Answer
        ``frame``: quantity, predictor, word, one column per version, difference (second - first). ``facts``: profile (version,
        predictor, lag, word, t), verdicts (version -> word), changed (responses that are not the same).

    Raises
    ------
    BrainLensError
        Recordings without words, with different words, or without a difference; surprisals that cannot be had.
    """
    loaded = [_named(one) for one in (first, second)]
    if loaded[0].id == loaded[1].id:
        raise BrainLensError(
            f"{loaded[0].id} is named twice", remedy="Name two versions, the older one first"
        )
    one, two = loaded
    if list(one.stimuli.index) != list(two.stimuli.index) or one.texts != two.texts:
        different = len(set(one.stimuli.index) ^ set(two.stimuli.index)) or sum(
            a != b for a, b in zip(one.texts, two.texts)
        )
        raise BrainLensError(
            f"{one.id} and {two.id} do not hold the same words: {different:,} differ",
            remedy="Compare two versions of one recording",
        )
    changed = int(compare_versions(one, two)["stimulus"].nunique())
    if not changed:
        raise BrainLensError(
            f"{one.id} and {two.id} are the same: the responses to all {plural(one.n_stimuli, 'word')} are equal",
            choices=_versions(one.id),
            remedy="Name two versions that differ",
        )
    bits = surprisal_of(surprisal, one, protocol=protocol, store=store, report=report)
    report.step(0, 1, "regressions on both versions")
    found = versions(one, two, bits, measure=measure)
    report.step(1, 1, "regressions on both versions")
    source = surprisal if isinstance(surprisal, str) else "the given surprisals"
    caption = (
        "Log time on surprisal, length and log frequency of the words t+2 to t-3 jointly, plus the number of the word and its "
        "square; sentence edges kept; t of each coefficient, as if words were independent. Delta log-likelihood: held out text "
        f"by text, in nats per word. Surprisal: {source}. {plural(changed, 'word')} of {one.n_stimuli:,} "
        f"{'has' if changed == 1 else 'have'} another response in the two versions. A verdict rests on the response to the "
        "next, unseen word alone; where the peak lies decides nothing."
    )
    inferred = any(of_kind(recording.notes, INFERRED) for recording in loaded)
    caption += f" {DIRECTION}" if inferred else ""
    names = (one.id, two.id)
    rows = found.frame[found.frame["quantity"] == "t"]
    profile = pd.concat(
        [
            rows[["predictor", "word"]].assign(
                lag=rows["word"].map(_lag), t=rows[name], version=name
            )
            for name in names
        ],
        ignore_index=True,
    )
    facts = {
        "profile": profile,
        "verdicts": dict(found.verdicts),
        "changed": changed,
        "inferred": inferred,
        "names": names,
    }
    return Answer(found.frame, found.sentence, caption, facts=facts)


def sources(recording_id: str) -> list[str]:
    """What can give surprisals for this recording without a download: ``gpt3`` first, then models with probabilities."""
    known = entries()
    released = (
        recording_id.startswith("natural-stories")
        and known["natural-stories-gpt3"].state == "ready"
    )
    models = [
        name for name, card in cards().items() if card.predicts_words and state(name) == "ready"
    ]
    return [*([GPT3] if released else []), *models]


def _named(one: str | Recording) -> Recording:
    """A recording under the name it was asked for."""
    if isinstance(one, Recording):
        return one
    loaded = catalog.recording(one)
    return replace(loaded, id=one) if "@" in one else loaded


def _versions(name: str) -> list[str]:
    """The versions of a recording of the catalogue by name; none of a file."""
    one = entries().get(name.partition("@")[0])
    return [f"{one.id}@{version}" for version in one.versions] if one else []


def _lag(word: str) -> int:
    """``t+1`` is -1, ``t`` is 0, ``t-2`` is 2: words back."""
    return -int(word[1:]) if len(word) > 1 else 0
