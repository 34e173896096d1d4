"""What is left when sentences are changed? Scrambled, of one kind of words, another one, or in a user's own words."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from analysis.answers.answer import Answer, decimal, listed, plural
from analysis.answers.kept import Kept, here
from analysis.answers.occlusion import tested_changed
from analysis.answers.outcomes import LEAST_SEEDS, lean, mean_over_seeds
from analysis.models import load
from analysis.progress import SILENT, Report
from analysis.protocol import Protocol
from analysis.scoring.case import as_recording
from analysis.scoring.lock import require_open
from analysis.store.store import Store
from data.errors import BrainLensError
from data.readers.tasks import paraphrases
from data.recording import Recording
from data.shares import percent_within

__all__ = ["CHANGES", "Changed", "changed", "changed_sentences", "stored_changed"]

CODE_VERSION = 1
CHANGES = {
    "whole": "nothing changed",
    "scrambled": "words in a random order",
    "content": "content words only",
    "function": "function words only",
    "other": "another sentence",
    "paraphrase": "your paraphrases",
}
"""What is done to every stimulus, in words."""
_DRAWN = ("scrambled", "other")  # by a seed; the others are the same whatever the seed


@dataclass(frozen=True)
class Changed:
    """One model on changed sentences.

    Parameters
    ----------
    model, cls : str
        Its name and its class.
    seed : int
        Of the order of words, and of which sentence stands for which.
    frame : pandas.DataFrame
        change (one of :data:`CHANGES`), r (output layer), r_nested (layer chosen on whole training stimuli).
    """

    model: str
    cls: str
    seed: int
    frame: pd.DataFrame


def changed_sentences(
    model: str,
    recording="simulated",
    protocol: Protocol | str = "defended",
    *,
    seed: int = 0,
    own: str = "",
    store=None,
    report: Report = SILENT,
) -> Changed:
    """Mapping fitted on whole sentences, tested on changed ones.

    Parameters
    ----------
    seed : int
        With another than 0 only what is drawn by a seed is changed.
    own : str
        A file with ``text`` and ``paraphrase``, of every measured stimulus; empty: none.

    Raises
    ------
    BrainLensError
        For recordings of single words or of samples in time, and stimuli without a paraphrase.
    """
    recording, store, protocol = as_recording(recording), store or Store(), lean(protocol)
    made = _made(model, recording, seed, own)
    for reader, _ in made.values():
        require_open(reader, recording, protocol, store)
    place = _place(made, recording, protocol, store)
    if (kept := place.find()) is not None:
        return _told(model, seed, kept)
    r, nested = tested_changed(list(made.values()), recording, protocol, store=store, report=report)
    cls = made["whole"][0].card.cls
    for reader, _ in made.values():
        reader.close()
    frame = pd.DataFrame({"change": list(made), "r": r, "r_nested": nested})
    told = {"class": cls, "frame": frame.to_dict("list")}
    place.keep(told)
    return _told(model, seed, told)


def stored_changed(
    model: str,
    recording="simulated",
    protocol: Protocol | str = "defended",
    *,
    seed: int = 0,
    own: str = "",
    store=None,
) -> Changed | None:
    """What :func:`changed_sentences` gave before, or None; nothing is computed, loaded or fetched."""
    if here([model]) is None:
        return None
    recording, protocol = as_recording(recording), lean(protocol)
    kept = _place(_made(model, recording, seed, own), recording, protocol, store or Store()).find()
    return None if kept is None else _told(model, seed, kept)


def _made(model: str, recording: Recording, seed: int, own: str) -> dict:
    """Change -> who reads what."""
    found = {"whole": (load(model), recording)}
    for order in ("scrambled", "content", "function", "other"):
        if order in _DRAWN or not seed:
            found[order] = load(f"{model}@words:{order}:{seed}"), recording
    if own and not seed:
        found["paraphrase"] = found["whole"][0], _in_other_words(recording, own)
    return found


def _in_other_words(recording: Recording, own: str) -> Recording:
    """The recording with the user's own sentences in place of its texts."""
    known, texts = paraphrases(own), recording.texts
    measured = np.asarray(np.isfinite(recording.responses.values).any(axis=1))
    lacking = [
        text for text, there in zip(texts, measured, strict=True) if there and text not in known
    ]
    if lacking:
        raise BrainLensError(
            f"{len(lacking)} of {int(measured.sum())} sentences of {recording.id} have no paraphrase, first: {lacking[0]!r}",
            remedy="Give a row for each, its text as it stands in the recording",
        )
    words = [known.get(text, text) for text in texts]
    return replace(recording, stimuli=recording.stimuli.assign(text=words))


def _place(made: dict, recording: Recording, protocol: Protocol, store: Store) -> Kept:
    read = [hashlib.sha256(json.dumps(one.texts).encode()).hexdigest() for _, one in made.values()]
    readers = [reader for reader, _ in made.values()]
    return Kept(
        "changed", readers, recording, protocol, more=(CODE_VERSION, list(made), read), store=store
    )


def _told(model: str, seed: int, kept: dict) -> Changed:
    return Changed(model, kept["class"], seed, pd.DataFrame(kept["frame"]))


def changed(found: Iterable[Changed]) -> Answer:
    """How much of each model's prediction is left on changed sentences.

    Returns
    -------
    Answer
        ``frame``: model, class, change, what (in words), seeds, and mean and t interval over seeds of r and share (of r with
        nothing changed). ``facts``: ``seeds`` (a row per model, change and seed).
    """
    found = list(found)
    if not found:
        raise BrainLensError("No sentence was changed", remedy="Run a model first")
    rows = []
    for one in found:
        own = one.frame.assign(model=one.model, seed=one.seed)
        own["class"] = one.cls
        whole = own.loc[own["change"] == "whole", "r"].iloc[0]
        rows.append(own.assign(share=own["r"] / whole if whole > 0 else np.nan))
    single = pd.concat(rows, ignore_index=True)
    single = single[single["change"].isin(_DRAWN) | (single["seed"] == single["seed"].min())]
    frame = mean_over_seeds(single, ("model", "class", "change"), ("r", "r_nested", "share"))
    frame.insert(3, "what", frame["change"].map(CHANGES))
    place = {change: at for at, change in enumerate(CHANGES)}
    frame = frame.sort_values(
        "change", key=lambda c: c.map(place), kind="stable", ignore_index=True
    )
    drawn = frame[frame["change"].isin(_DRAWN)]["seeds"]
    caption = (
        "Mapping fitted on whole sentences, tested on changed ones, of which contexts are made too. r is of the output layer. A "
        "random order and the sentence that stands for another are drawn: "
        f"{plural(int(drawn.min()) if len(drawn) else 0, 'seed')} or more, t intervals over them; one sentence's content or "
        "function words are the same whatever the seed, and have none. A sentence without a word of the kind keeps its last "
        f"word. With fewer than {LEAST_SEEDS} seeds no difference is claimed. A changed text has no surprisal that could be "
        "compared."
    )
    return Answer(
        frame, _sentence(frame), caption, facts={"seeds": single},
        axes={"x_title": "", "y_title": "Pearson r, held out, output layer"},
    )  # fmt: skip


def _sentence(frame: pd.DataFrame) -> str:
    said = []
    for model, own in frame.groupby("model", sort=False):
        whole = own[own["change"] == "whole"]["r"].iloc[0]
        if not whole > 0:
            said.append(
                f"{model} predicts nothing here (r = {decimal(whole)}), so that no share is left"
            )
            continue
        rest = own[own["change"] != "whole"]
        told = [
            f"{_share(row)}{'' if at else ' of r'} with {row.what}"
            for at, row in enumerate(rest.itertuples())
        ]
        said.append(f"{model} (r = {decimal(whole)}) keeps {listed(told)}")
    return "; ".join([*said, *_of_order(frame)]) + "."


def _of_order(frame: pd.DataFrame) -> Sequence[str]:
    """Which models lose by the order of words alone, where seeds say so."""
    own = frame[(frame["change"] == "scrambled") & (frame["seeds"] >= LEAST_SEEDS)]
    lose = [row.model for row in own.itertuples() if row.share_high < 1]
    return [f"the order of words alone counts for {listed(lose)}"] if lose else []


def _share(row) -> str:
    return percent_within(row.share, row.share_low, row.share_high)
