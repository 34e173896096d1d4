"""Panels about the number itself: leak meter, Omega, ceiling court, optimism. Each: its runs, its answer, its seconds beside."""

from __future__ import annotations

from dataclasses import replace

from analysis.answers.answer import Answer
from analysis.answers.trust.asked import Asked, Panel, plain, scores_of
from analysis.answers.trust.court import ceiling_court
from analysis.answers.trust.leaks import holds_out, leak_meter
from analysis.answers.trust.optimism import optimism
from analysis.answers.trust.shares import explained_by_controls
from analysis.ceiling.kinds import KINDS
from analysis.ceiling.result import Ceiling, published
from analysis.features.controls import SIGMAS
from analysis.models.catalog import card
from analysis.progress import Report
from analysis.protocol import Protocol
from analysis.scoring import folds, verb
from analysis.scoring.beside import beyond, for_oasm, oasm_of
from analysis.scoring.comparisons import ceiling_of
from analysis.scoring.cost_beside import court_seconds, fit_seconds, joint_seconds
from data.errors import BrainLensError
from data.recording import Recording

__all__ = [
    "CEILINGS",
    "COURT",
    "JOINT",
    "LEAKS",
    "OMEGA",
    "OPTIMISM",
    "omega_seconds",
    "whole",
]


def _untrained(asked: Asked) -> list[tuple[str, str]]:
    """Model and the id of each of its copies; static vectors and files have none."""
    found = []
    for model in asked.models:
        if "@" in model:
            continue
        try:
            about = card(model)
        except BrainLensError:  # said where it is scored
            continue
        if about.cls not in ("embedding", "random", "n-gram", "activations"):
            found += [(model, f"{model}@untrained:init:{seed}") for seed in range(asked.copies)]
    return found


# ---- leak meter ---------------------------------------------------------------------------------------------------------
LEAK_CONTROLS = ("position", "length", "random-embedding")
"""What the leak meter reads beside a score, whatever the protocol's own controls are."""


def whole(asked: Asked, recording: Recording) -> Protocol:
    """The protocol with all that the leak meter reads beside a score."""
    more = () if recording.sampled else LEAK_CONTROLS
    controls = tuple(dict.fromkeys((*asked.protocol.controls, *more)))
    if asked.protocol.shuffled_twin and controls == asked.protocol.controls:
        return asked.protocol
    return asked.protocol.but(shuffled_twin=True, controls=controls)


def _leak_needs(asked: Asked, recording: Recording):
    holds_out(asked.protocol)  # before anything is computed
    held = replace(plain(asked.protocol), shuffled_twin=True)
    return [(model, asked.recording, whole(asked, recording)) for model in asked.models] + [
        (copy, asked.recording, held) for _, copy in _untrained(asked)
    ]


def _leaks(asked: Asked, recording: Recording, store, report: Report) -> Answer:
    scores = scores_of(asked, recording, store, report, whole(asked, recording))
    held = replace(plain(asked.protocol), shuffled_twin=True)
    named = dict(
        zip(asked.models, (one.model for one in scores))
    )  # a score has the model's whole id
    copies: dict[str, list] = {}
    for model, copy in _untrained(asked):
        copies.setdefault(named[model], []).append(
            verb.score(copy, recording, held, store=store, report=report)
        )
    try:
        oasm, why = oasm_of(recording, asked.protocol, store=store, report=report), ""
    except BrainLensError as error:
        oasm, why = None, f" {error.problem}."
    answer = leak_meter(scores, oasm, copies)
    return replace(answer, caption=answer.caption + why)


def _oasm_seconds(asked: Asked, recording: Recording) -> float:
    here = for_oasm(recording, asked.protocol)
    return len(SIGMAS) * fit_seconds(here, asked.protocol, here.n_measured, 2)


# ---- Omega --------------------------------------------------------------------------------------------------------------
def _omega_needs(asked: Asked, recording: Recording):
    return [(model, asked.recording, asked.protocol) for model in asked.models]


def _omega(asked: Asked, recording: Recording, store, report: Report) -> Answer:
    scores = scores_of(asked, recording, store, report)
    names = asked.controls
    if recording.sampled:
        names = tuple(asked.protocol.nuisance)
    fits = {
        one.model: beyond(model, recording, one, names, store=store, report=report)
        for model, one in zip(asked.models, scores)
    }
    return explained_by_controls(fits, names, recording.subjects)


def omega_seconds(asked: Asked, recording: Recording) -> float:
    """Of the joint fits beside each score, about."""
    return len(asked.models) * joint_seconds(recording, asked.protocol)


# ---- ceiling court --------------------------------------------------------------------------------------------------------
def _court(asked: Asked, recording: Recording, store, report: Report) -> Answer:
    scores, bounds = scores_of(asked, recording, store, report), {}
    for kind in KINDS[:-1]:
        how = asked.protocol.but(ceiling=kind)
        try:
            bounds[kind] = ceiling_of(recording, how, folds.runs(recording, how), store, report)
        except BrainLensError as error:
            bounds[kind] = Ceiling.none(error.problem, recording.n_targets)
    for name in ("schrimpf2021", "brainscore2026"):
        if (known := published(asked.recording, name, recording.n_targets)) is not None:
            flag = f"{known.flag}; of another protocol"
            bounds[f"published ({name})"] = replace(known, holds_for="nothing", flag=flag)
    return ceiling_court(scores, bounds)


def _court_seconds(asked: Asked, recording: Recording) -> float:
    return court_seconds(recording, asked.protocol)


# ---- optimism -------------------------------------------------------------------------------------------------------------
def _optimism_needs(asked: Asked, recording: Recording):
    found = [(model, asked.recording, asked.protocol) for model in asked.models]
    if asked.elsewhere:
        found += [(model, asked.elsewhere, plain(asked.protocol)) for model in asked.models]
    return found


def _optimism(asked: Asked, recording: Recording, store, report: Report) -> Answer:
    there = {}
    if asked.elsewhere:
        other = asked.open(asked.elsewhere)
        for model in asked.models:
            found = verb.score(model, other, plain(asked.protocol), store=store, report=report)
            there[found.model] = found
    scores = scores_of(asked, recording, store, report)
    named = {one.model: model for model, one in zip(asked.models, scores)}
    committed = {
        name: asked.committed[model] for name, model in named.items() if model in asked.committed
    }
    return optimism(scores, committed=committed, elsewhere=there)


JOINT = "joint fits with controls"
CEILINGS = "ceilings"
LEAKS = Panel("Leak meter", "Does the score leak?", _leak_needs, _leaks, _oasm_seconds, "OASM")
OMEGA = Panel(
    "Omega", "What do plain controls explain?", _omega_needs, _omega, omega_seconds, JOINT
)
COURT = Panel(
    "Ceiling court",
    "Which ceiling, and what does it do?",
    _omega_needs,
    _court,
    _court_seconds,
    CEILINGS,
)
OPTIMISM = Panel("Optimism", "What did choosing the layer add?", _optimism_needs, _optimism)
