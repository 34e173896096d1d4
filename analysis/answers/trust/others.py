"""The panel about others: what is left of each model on other people, laboratories, topics and experiments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pandas as pd
import xarray as xr

from analysis.answers.answer import Answer
from analysis.answers.similarity import layers_of
from analysis.answers.trust.asked import VERSION, Asked, Panel, plain
from analysis.answers.trust.generalise import (
    across_people,
    across_stimuli,
    blocks_of,
    by_laboratory,
    matrix,
    pairs_of_targets,
)
from analysis.features.activations import extract
from analysis.models import load
from analysis.progress import Report
from analysis.protocol import Protocol
from analysis.scoring import folds, verb
from analysis.scoring.cost_beside import fit_seconds
from analysis.scoring.keys import cell_numbers, score_key
from analysis.scoring.lock import require_open
from analysis.scoring.predictions import held_out
from analysis.store.keys import content_key
from data.errors import BrainLensError
from data.recording import Recording

__all__ = ["MATRIX", "every_model"]


def _matrix(asked: Asked, recording: Recording, store, report: Report) -> Answer:
    if recording.sampled:
        raise BrainLensError(
            f"{recording.id}: its rows are samples of a run, not stimuli that could change places",
            remedy="Choose a recording of sentences or words",
        )
    answers, missing = {}, {}
    for number, model in enumerate(asked.models):
        inside = report.part(number, 1, len(asked.models), "models", of="blocks of stimuli")
        found, why = _matrices(model, asked, recording, store, inside)
        missing |= dict.fromkeys(why)  # of the recording: the same for every model
        if found:
            name = load(model).id
            answers[name] = matrix(found, what="The layer chosen on training data.", model=name)
    if not answers:
        raise BrainLensError(
            f"Nothing generalises here: {'; '.join(missing)}", remedy="Choose another recording"
        )
    answer = every_model(answers)
    rows = pd.DataFrame([one.split(": ", 1) for one in missing], columns=["model", "reason"])
    said = f" Empty: {'; '.join(missing)}." if missing else ""
    return replace(answer, caption=answer.caption + said, missing=rows)


def every_model(answers: Mapping[str, Answer]) -> Answer:
    """The matrices of several models as one answer: their rows below each other, each model's sentence by its name."""
    first = next(iter(answers.values()))
    return replace(
        first,
        frame=pd.concat([one.frame for one in answers.values()], ignore_index=True),
        sentence=" ".join(one.sentence for one in answers.values()),
        facts={
            "kept": {model: one.facts["kept"] for model, one in answers.items()},
            "sentences": {model: one.sentence for model, one in answers.items()},
        },
    )


def _matrix_key(model: str, asked: Asked, recording: Recording) -> str:
    return content_key(
        f"matrices-{VERSION}", score_key(load(model), recording, plain(asked.protocol))
    )


def _matrices(model: str, asked: Asked, recording: Recording, store, report: Report):
    """What generalises -> its matrix, and why others are empty; kept in the store."""
    require_open(load(model), recording, plain(asked.protocol), store)
    key = _matrix_key(model, asked, recording)
    if (known := store.load_score(key)) is not None:
        tables = {
            str(over): pd.DataFrame(
                known[over].values, known.attrs["names"][over], known.attrs["names"][over]
            )
            for over in known.data_vars
        }
        return tables, list(known.attrs["why"])
    found, why, first, layers = {}, [], plain(asked.protocol), None
    try:
        found["people"] = _people(model, recording, first, store, report)
    except BrainLensError as error:
        why.append(f"people: {error.problem}")
    try:
        found["laboratories"] = _people(model, by_laboratory(recording), first, store, report)
    except BrainLensError as error:
        why.append(f"laboratories: {error.problem}")
    for over, by in (("topics", "group"), ("experiments", "within")):
        try:
            blocks = blocks_of(recording, by)
            if layers is None:
                values, numbers = layers_of(model, recording, first, store=store, report=report)
                layers = dict(zip(numbers, values))
            found[over] = across_stimuli(layers, recording, blocks, first, report=report)
        except BrainLensError as error:
            why.append(f"{over}: {error.problem}")
    if found:
        kept = xr.Dataset(
            {over: ((f"{over}_trained", f"{over}_tested"), table.to_numpy(float)) for over, table in found.items()},
            attrs={"names": {over: list(map(str, table.index)) for over, table in found.items()}, "why": why,
                   "model": model, "recording": recording.id},
        )  # fmt: skip
        numbers = cell_numbers(load(model), recording, plain(asked.protocol))
        store.save_score(key, kept, numbers=numbers)
    return found, why


def _people(model: str, recording: Recording, first: Protocol, store, report: Report):
    targets = pairs_of_targets(recording)
    run = verb.score(model, recording, first, store=store, report=report)
    wanted = sorted(set(run.fold_layers))
    read = extract(load(model), recording.reading(), first, wanted, store=store, report=report)
    parts = folds.runs(recording, first)[0].parts
    held = held_out(read, run.fold_layers, recording, first, parts, report)
    return across_people(list(held), targets)


def _matrix_needs(asked: Asked, recording: Recording):
    known = recording.subjects is not None and not recording.sampled
    return [(one, asked.recording, plain(asked.protocol)) for one in asked.models] if known else []


def _matrix_seconds(asked: Asked, recording: Recording) -> float:
    return len(asked.models) * 10 * fit_seconds(recording, asked.protocol, recording.n_measured, 1)


MATRIX = Panel(
    "Generalisation",
    "Does it hold for others?",
    _matrix_needs,
    _matrix,
    _matrix_seconds,
    "fits of others",
)
