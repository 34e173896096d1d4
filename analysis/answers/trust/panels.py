"""The panels of the Trust screen: the answer of each, the runs it needs, and what they cost."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import xarray as xr

from analysis.answers.answer import Answer
from analysis.answers.trust import choices, doubts, others
from analysis.answers.trust.asked import CONTROLS, COPIES, VERSION, Asked, Panel, plain
from analysis.features.activations import activation_key
from analysis.models import load
from analysis.progress import SILENT, Report
from analysis.protocol import Protocol
from analysis.scoring import verb
from analysis.scoring.comparisons import ceiling_key
from analysis.scoring.cost import Cost, cost
from analysis.scoring.cost_beside import (
    ceiling_seconds,
    control_seconds,
    embedding_key,
    embedding_seconds,
    headline_seconds,
)
from analysis.scoring.keys import data_key, score_key
from analysis.store.keys import content_key
from analysis.store.store import Store
from data.errors import BrainLensError, unknown
from data.recording import Recording

__all__ = [
    "CONTROLS",
    "COPIES",
    "PANELS",
    "Asked",
    "Panel",
    "made_of",
    "needs",
    "panel",
    "plain",
    "price",
    "stored_scores",
]

PANELS: dict[str, Panel] = {
    "leaks": doubts.LEAKS,
    "omega": doubts.OMEGA,
    "court": doubts.COURT,
    "optimism": doubts.OPTIMISM,
    "waterfall": choices.WATERFALL,
    "curve": choices.CURVE,
    "matrix": others.MATRIX,
}
"""Name -> panel, in the order of the screen."""


def panel(name: str, asked: Asked, *, store=None, report: Report = SILENT) -> Answer:
    """The answer of one panel; what it needs is taken from the store or computed.

    Raises
    ------
    BrainLensError
        For an unknown panel, and where the recording does not allow the question (people unknown, one experiment, ...).
    """
    recording, store = asked.open(), store or Store()
    answer = _panel(name).answer(asked, recording, store, report)
    done = _done_key(name, asked, recording)
    if not store.has_score(done):
        store.save_score(done, xr.Dataset(attrs={"panel": name, "recording": recording.id}))
    return answer


def _done_key(name: str, asked: Asked, recording: Recording) -> str:
    """Where it is written that everything behind a panel was computed and stored."""
    runs = [
        score_key(load(m), asked.open(r), p) for m, r, p in _panel(name).needs(asked, recording)
    ]
    runs += [score_key(load(m), recording, asked.protocol) for m in asked.models]
    return content_key(
        f"panel-{VERSION}",
        name,
        *runs,
        recording.content_hash,
        asked.protocol.key(),
        asked.controls,
        asked.draws,
    )


def needs(name: str, asked: Asked) -> list[tuple[str, str, Protocol]]:
    """The scores that a panel is made of: model, recording, protocol; each once."""
    found = _panel(name).needs(asked, asked.open())
    return list({(m, r, p.key()): (m, r, p) for m, r, p in found}.values())


def price(name: str, asked: Asked, *, before: tuple[str, ...] = (), store=None) -> Cost:
    """What a panel costs here beyond what is stored; everything stored: 0 seconds.

    A text is read once for all scores of the same activations, a ceiling and controls are made once for all models; ``made_of``
    tells what the seconds are spent on.

    Parameters
    ----------
    before : tuple of str
        Panels that are run first: what they compute too is theirs.
    """
    total, shared, made, store = Cost(1, 1, 1, seconds=0.0), set(), set(), store or Store()
    spent: defaultdict[str, float] = defaultdict(float)
    for model, on, protocol in (one for other in before for one in _asked_by(other, asked)):
        shared.add((model, on, protocol.key()))
        made |= set(_shared(model, asked.open(on), protocol))
    for model, on, protocol in needs(name, asked):
        if (model, on, protocol.key()) in shared:
            continue
        one = cost(model, asked.open(on), protocol, store=store)
        if one.cached:
            continue
        total = _added(total, one)
        if one.seconds is not None:
            here = asked.open(on)
            reading, beside, drawn = _shared(model, here, protocol)
            spent["reading"] += 0.0 if reading in made else one.reading
            spent["fits"] += one.seconds - one.reading
            spent[doubts.JOINT] += headline_seconds(here, protocol)
            if beside not in made:
                spent["controls"] += control_seconds(here, protocol)
                stored = store.has_score(ceiling_key(here, protocol))
                spent[doubts.CEILINGS] += 0.0 if stored else ceiling_seconds(here, protocol)
            if drawn not in made:
                spent["controls"] += embedding_seconds(model, here, protocol, store)
            made |= {reading, beside, drawn}
    recording, done, how = asked.open(), store.has_score, _panel(name)
    if total.seconds == 0 and done(_done_key(name, asked, recording)):
        return total
    covered = how.covered and (
        how.covered in before or done(_done_key(how.covered, asked, recording))
    )
    spent[how.made_of] += 0.0 if covered else how.extra(asked, recording)
    dearest = sorted(spent.items(), key=lambda part: -part[1])
    told = tuple((what, seconds) for what, seconds in dearest if seconds)
    seconds = None if total.seconds is None else sum(seconds for _, seconds in told)
    return replace(total, seconds=seconds, made_of=told)


def made_of(costs: Sequence[Cost]) -> tuple[tuple[str, float], ...]:
    """What several prices together are spent on, what takes longest first."""
    spent: defaultdict[str, float] = defaultdict(float)
    for one in costs:
        for what, seconds in one.made_of:
            spent[what] += seconds
    return tuple(sorted(spent.items(), key=lambda part: -part[1]))


def _asked_by(name: str, asked: Asked) -> list[tuple[str, str, Protocol]]:
    """The scores that a panel is made of; none where it is refused, which is no reason to refuse the next."""
    try:
        return needs(name, asked)
    except BrainLensError:
        return []


def _reading(model: str, recording: Recording, protocol: Protocol) -> str:
    """What tells one reading from another; of a model that is not here yet, its name and the protocol."""
    try:
        return activation_key(load(model), recording.reading(), protocol)
    except BrainLensError:
        return f"{model} {protocol.key()}"


def _shared(model: str, recording: Recording, protocol: Protocol) -> tuple[str, str, str]:
    """What tells apart what is made once: a reading, ceiling and narrow controls, a random embedding of a width."""
    return (
        _reading(model, recording, protocol),
        data_key(recording, protocol),
        embedding_key(model, recording, protocol),
    )


def _added(total: Cost, one: Cost) -> Cost:
    return Cost(
        total.layers + one.layers,
        total.scored + one.scored,
        total.read + one.read,
        None if total.seconds is None or one.seconds is None else total.seconds + one.seconds,
        {**total.downloads, **one.downloads},
        max(total.memory, one.memory),
    )


def _panel(name: str) -> Panel:
    if name not in PANELS:
        raise unknown("panel of Trust", name, PANELS)
    return PANELS[name]


def stored_scores(asked: Asked, *, store=None) -> tuple:
    """The scores of the models under the protocol that are whole in the store; nothing is computed."""
    recording, store, found = asked.open(), store or Store(), []
    for model in asked.models:
        for protocol in (asked.protocol, doubts.whole(asked, recording)):
            if cost(model, recording, protocol, store=store).cached:
                found.append(verb.score(model, recording, protocol, store=store))
                break
    return tuple(found)
