"""How well a model predicts a text, as a computation of a lens."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from pathlib import Path

from analysis.features.perplexity import evaluate, stored_evaluation
from analysis.features.readout import readout_perplexity, stored_readout
from analysis.models import catalog
from analysis.models.catalog import card
from analysis.progress import Report
from analysis.scoring.cost import Cost, downloads
from dashboards.work import identity
from dashboards.work.computation import Computation
from dashboards.work.ledger import Ledger, Priced, Ready, Wish
from data.catalog.catalog import entries, entry, load, recording
from data.embedded import prose
from data.errors import BrainLensError
from data.gate import existing
from data.readers.texts import read_text

__all__ = [
    "TEXTS",
    "TextReadings",
    "code_of",
    "seconds_of_reading",
    "split",
    "texts",
    "unpredictive",
    "words_of",
]

TEXTS = {"Built-in prose (11 kB)": "prose", "WikiText-2, test part": "wikitext-2"}
_READ = ("causal", "bidirectional", "encoder-decoder")
_VOCABULARY = 30_000  # of a tokenizer, about
_TOKENS = {"prose": 2_800, "wikitext-2": 290_000}
_SPEED = 2.5e10  # multiplications per second on two laptop cores, about


class TextReadings(Ledger):
    """Bits per byte and per word of a session's models on one text, or the perplexity of a read-out."""

    def missing(self, models: list[str], text: str, *, readout: bool = False) -> list[Computation]:
        """What is missing for those models that have such a number."""
        said = f" on {Path(text).name}" + (", read-out" if readout else "")
        return self.computations(
            Wish(
                _key(model, text, readout),
                model + said,
                partial(_readout if readout else _evaluate, model, text),
                partial(_look, model, text, readout),
            )
            for model in models
            if not unpredictive(model, readout=readout)
        )

    def without(
        self, model: str, text: str, held: Collection[str], *, readout: bool = False
    ) -> str:
        """Why the number of a model is not there; ``held``: keys of computations that failed or were cancelled."""
        return unpredictive(model, readout=readout) or self.lacking(
            _key(model, text, readout), held
        )

    def found(self, model: str, text: str, *, readout: bool = False):
        """The Perplexity or the Readout of a model, or None."""
        return self.value(_key(model, text, readout))


def texts() -> dict[str, str]:
    """Label -> what a model can be evaluated on: built-in prose, WikiText-2, and every recording that is here."""
    here = {
        f"{one.title} (its words)": one.id
        for one in entries(recordings=True).values()
        if one.state == "ready"
    }
    return {**TEXTS, **here}


def unpredictive(model: str, *, readout: bool = False) -> str:
    """Why a model has no next-word probabilities, or no tokens to train a read-out on; empty where it has."""
    about = card(model)
    kind = about.cls
    if readout:
        return (
            ""
            if kind in _READ
            else f"{kind}: a read-out is defined for the tokens of a transformer"
        )
    return "" if about.predicts_words else f"{kind}: no next-word probabilities"


def words_of(text: str) -> str:
    """The words behind a choice: ``prose``, ``wikitext-2``, a recording's own stimuli, or a text file.

    Raises
    ------
    BrainLensError
        Where there is no such text, or its files are not here.
    """
    if text == "prose":
        return "\n\n".join(prose())
    if Path(text).suffix.lower() in (".txt", ".md", ".text"):
        if existing(text) is None:
            raise BrainLensError(f"There is no text {text!r}", remedy="Name a file of your own")
        return read_text(Path(text).expanduser())

    if text == "wikitext-2":
        return load(entry("wikitext-2"))
    one = recording(text)
    groups = one.column(one.context) if one.context is not None else range(one.n_stimuli)
    told: dict[object, list[str]] = {}
    for group, words in zip(groups, one.texts, strict=True):
        told.setdefault(group, []).append(str(words).strip())
    return "\n\n".join(" ".join(parts) for parts in told.values())


def code_of(text: str) -> list[str]:
    """Lines of a script that lay the words behind a choice into ``text``."""
    if text == "prose":
        return ["from data.embedded import prose", "", 'text = "\\n\\n".join(prose())']
    return [
        "from dashboards.work.text_computations import words_of",
        "",
        f"text = words_of({text!r})",
    ]


def split(text: str) -> tuple[str, str, str]:
    """Training, validation and test part of a text: 80, 10 and 10 % of its paragraphs, in order.

    Raises
    ------
    BrainLensError
        Below ten paragraphs.
    """
    parts = [part for part in text.split("\n\n" if "\n\n" in text else "\n") if part.strip()]
    if len(parts) < 10:
        raise BrainLensError(
            f"A text of {len(parts)} paragraphs cannot be split for a read-out",
            remedy="Give ten or more",
        )
    first, second = round(0.8 * len(parts)), round(0.9 * len(parts))
    return tuple("\n\n".join(some) for some in (parts[:first], parts[first:second], parts[second:]))


def _key(model: str, text: str, readout: bool) -> str:
    known = text in TEXTS.values()
    return f"{'readout' if readout else 'text'}:{identity.model(model)}|{text if known else identity.recording(text)}"


def _seconds(model: str, text: str, readout: bool) -> float | None:
    facts = card(model)
    parameters = facts.parameters_about
    if parameters is None or text not in _TOKENS:
        return None
    reading = seconds_of_reading(model, _TOKENS[text]) or 0.0
    return (
        reading + 10 * 6 * (facts.width or 768) * _VOCABULARY * _TOKENS[text] / _SPEED
        if readout
        else reading
    )


def seconds_of_reading(model: str, tokens: int) -> float | None:
    """About what a model's surprisal of so many tokens takes; None where its size is not known."""
    parameters = card(model).parameters_about
    return None if parameters is None else 1.0 + 4 * parameters * tokens / _SPEED


def _look(model: str, text: str, readout: bool, report: Report):
    """What it gave before, else what it costs; what is wrong with a text is told by the run."""
    try:
        found = _stored(model, text, readout)
    except BrainLensError:
        found = None
    if found is not None:
        return Ready(found)
    return Priced(Cost(1, seconds=_seconds(model, text, readout), downloads=downloads(model)))


def _stored(model: str, text: str, readout: bool):
    if catalog.state(model) == "needs download":
        return None
    reader, words = catalog.load(model), words_of(text)
    return stored_readout(reader, *split(words)) if readout else stored_evaluation(reader, words)


def _evaluate(model: str, text: str, report: Report):
    return evaluate(catalog.load(model, report=report), words_of(text), report=report)


def _readout(model: str, text: str, report: Report):
    return readout_perplexity(
        catalog.load(model, report=report), *split(words_of(text)), report=report
    )
