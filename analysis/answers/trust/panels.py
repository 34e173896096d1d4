"""The panels of the Trust screen: which runs each needs, what they cost, and the answer made of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
import xarray as xr

from analysis.answers.answer import Answer
from analysis.answers.similarity import layers_of
from analysis.answers.trust.court import ceiling_court
from analysis.answers.trust.generalise import (
    across_people,
    across_stimuli,
    blocks_of,
    by_laboratory,
    matrix,
    pairs_of_targets,
)
from analysis.answers.trust.leaks import leak_meter
from analysis.answers.trust.optimism import optimism
from analysis.answers.trust.shares import explained_by_controls
from analysis.answers.trust.specifications import CHOSEN, curve, specifications
from analysis.answers.trust.waterfall import every_subset, ordered, shapley, waterfall
from analysis.ceiling.kinds import KINDS, Ceiling, published
from analysis.features.activations import extract
from analysis.models import load
from analysis.models.catalog import card
from analysis.progress import SILENT, Report
from analysis.protocol import Protocol, preset
from analysis.scoring import folds, verb
from analysis.scoring.beside import OASM_STIMULI, beyond, oasm_of
from analysis.scoring.comparisons import ceiling_of
from analysis.scoring.cost import SOLVING, Cost, cost
from analysis.scoring.keys import score_key
from analysis.scoring.lock import require_open
from analysis.scoring.predictions import held_out
from analysis.scoring.significance import exchanges, summary_of_moved
from analysis.store.keys import content_key
from analysis.store.store import Store
from data.catalog.catalog import recording as open_recording
from data.errors import BrainLensError, unknown
from data.recording import Recording

__all__ = [
    "CONTROLS",
    "PANELS",
    "Asked",
    "Panel",
    "needs",
    "panel",
    "plain",
    "price",
    "stored_scores",
]

CONTROLS = ("position", "length", "word-rate", "log-frequency")
"""What Omega goes beyond, unless other controls are named."""
VERSION = 3
"""Of what a panel computes beside its scores; raised where that changes, so that nothing older is served."""
COPIES = 5
"""Untrained copies behind the band of the leak meter."""
SWITCHES = (
    "OLS to ridge",
    "shuffled to held out",
    "topic to passage",
    "best to nested layer",
)
"""Of the waterfall, in its order."""


@dataclass(frozen=True)
class Asked:
    """What a Trust screen is about; plain values only, so that it travels to a worker.

    Parameters
    ----------
    models : tuple of str
    recording : str
        A catalogue id or a file.
    protocol : Protocol
        Today's choices: the end of the waterfall, and what a specification does not change.
    elsewhere : str
        Recording on which a layer is chosen for this one; empty: none.
    committed : mapping of str to int
        Model -> layer named beforehand; a model without one gets its middle layer.
    controls : tuple of str
        What Omega goes beyond.
    axes : mapping of str to tuple of str
        Cells of the specification curve, of :data:`analysis.answers.trust.specifications.AXES`.
    copies : int
        Untrained copies of each model; 0: no band.
    draws : int
        Exchanges of the responses behind the null of the specification curve; 0: none.
    said : mapping
        How the columns of an own file are read, as for :func:`data.catalog.catalog.recording`.
    """

    models: tuple[str, ...]
    recording: str
    protocol: Protocol = field(default_factory=Protocol)
    elsewhere: str = ""
    committed: Mapping[str, int] = field(default_factory=dict)
    controls: tuple[str, ...] = CONTROLS
    axes: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: dict(CHOSEN))
    copies: int = COPIES
    draws: int = 100
    said: Mapping = field(default_factory=dict)
    _opened: dict = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self):
        if not self.models:
            raise BrainLensError("No model is named", remedy="Name one model, or two")

    def open(self, name: str = "") -> Recording:
        """A recording of this question by its name, read once; by default the one it is about."""
        name = name or self.recording
        if name not in self._opened:
            said = self.said if name == self.recording else {}
            self._opened[name] = open_recording(name, **said)
        return self._opened[name]

    def __getstate__(self) -> dict:
        return vars(self) | {"_opened": {}}  # names travel, recordings do not


@dataclass(frozen=True)
class Panel:
    """One doubt.

    Parameters
    ----------
    label, question : str
    needs : callable
        ``needs(asked, recording)``: the scores it is made of, as (model, recording id, protocol).
    answer : callable
        ``answer(asked, recording, store, report)``.
    extra : callable
        ``extra(asked, recording)``: seconds beside those scores, about.
    """

    label: str
    question: str
    needs: Callable[[Asked, Recording], list[tuple[str, str, Protocol]]]
    answer: Callable[..., Answer]
    extra: Callable[[Asked, Recording], float] = lambda asked, recording: 0.0


def plain(protocol: Protocol) -> Protocol:
    """The same number without what stands beside it, under the first fold seed: a step or a specification of many."""
    return replace(
        protocol.each_seed()[0],
        name=f"{protocol.name.rstrip('*')}*",
        controls=(),
        shuffled_twin=False,
        unique=False,
        ceiling="none",
        bootstrap=min(protocol.bootstrap, 500),
    )


# ---- running ------------------------------------------------------------------------------------------------------------
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

    Parameters
    ----------
    before : tuple of str
        Panels that are run first: what they compute too is theirs.
    """
    total, shared = Cost(1, 1, 1, seconds=0.0), set()
    for other in before:
        shared |= {(m, r, p.key()) for m, r, p in needs(other, asked)}
    for model, on, protocol in needs(name, asked):
        if (model, on, protocol.key()) in shared:
            continue
        one = cost(model, asked.open(on), protocol, store=store)
        if not one.cached:
            total = _added(total, one)
    recording = asked.open()
    if total.seconds == 0 and (store or Store()).has_score(_done_key(name, asked, recording)):
        return total
    extra = _panel(name).extra(asked, recording)
    return replace(total, seconds=None if total.seconds is None else total.seconds + extra)


def _added(total: Cost, one: Cost) -> Cost:
    return Cost(
        total.layers + one.layers,
        total.scored + one.scored,
        total.read + one.read,
        None if total.seconds is None or one.seconds is None else total.seconds + one.seconds,
        None if total.download is None or one.download is None else total.download + one.download,
        max(total.memory, one.memory),
    )


def _panel(name: str) -> Panel:
    if name not in PANELS:
        raise unknown("panel of Trust", name, PANELS)
    return PANELS[name]


def _scores(asked: Asked, recording: Recording, store, report: Report, protocol=None) -> list:
    return [
        verb.score(model, recording, protocol or asked.protocol, store=store, report=report)
        for model in asked.models
    ]


def stored_scores(asked: Asked, *, store=None) -> tuple:
    """The scores of the models under the protocol that are whole in the store; nothing is computed."""
    recording, store, found = asked.open(), store or Store(), []
    for model in asked.models:
        for protocol in (asked.protocol, _whole(asked, recording)):
            if cost(model, recording, protocol, store=store).cached:
                found.append(verb.score(model, recording, protocol, store=store))
                break
    return tuple(found)


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


def _whole(asked: Asked, recording: Recording) -> Protocol:
    """The protocol with all that the leak meter reads beside a score."""
    more = () if recording.sampled else LEAK_CONTROLS
    controls = tuple(dict.fromkeys((*asked.protocol.controls, *more)))
    if asked.protocol.shuffled_twin and controls == asked.protocol.controls:
        return asked.protocol
    return asked.protocol.but(shuffled_twin=True, controls=controls)


def _leak_needs(asked: Asked, recording: Recording):
    held = replace(plain(asked.protocol), shuffled_twin=True)
    return [(model, asked.recording, _whole(asked, recording)) for model in asked.models] + [
        (copy, asked.recording, held) for _, copy in _untrained(asked)
    ]


def _leaks(asked: Asked, recording: Recording, store, report: Report) -> Answer:
    scores = _scores(asked, recording, store, report, _whole(asked, recording))
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
    if recording.n_stimuli > OASM_STIMULI:
        return 0.0
    return 5 * _fit_seconds(recording, asked.protocol, recording.n_measured, 2)


def _fit_seconds(recording: Recording, protocol: Protocol, width: int, times: int) -> float:
    n = recording.n_measured
    least = min(n, width)
    each = 5.0 * least**3 + 2.0 * n * least * recording.n_targets * len(protocol.alphas)
    return times * (0.05 + protocol.folds * each / SOLVING)


# ---- Omega --------------------------------------------------------------------------------------------------------------
def _omega_needs(asked: Asked, recording: Recording):
    return [(model, asked.recording, asked.protocol) for model in asked.models]


def _omega(asked: Asked, recording: Recording, store, report: Report) -> Answer:
    scores = _scores(asked, recording, store, report)
    names = asked.controls
    if recording.sampled:
        names = tuple(asked.protocol.nuisance)
    fits = {
        one.model: beyond(model, recording, one, names, store=store, report=report)
        for model, one in zip(asked.models, scores)
    }
    return explained_by_controls(fits, names, recording.subjects)


def _omega_seconds(asked: Asked, recording: Recording) -> float:
    seeds = asked.protocol.seeds
    return (
        len(asked.models)
        * 13
        * seeds
        * _fit_seconds(recording, asked.protocol, recording.n_measured, 1)
    )


# ---- ceiling court --------------------------------------------------------------------------------------------------------
def _court(asked: Asked, recording: Recording, store, report: Report) -> Answer:
    scores, bounds = _scores(asked, recording, store, report), {}
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
    people = 0 if recording.subjects is None else len(set(recording.subjects))
    if people < 2:
        return 0.0
    width = recording.n_targets
    return asked.protocol.seeds * people * 30 * _fit_seconds(recording, asked.protocol, width, 1)


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
    scores = _scores(asked, recording, store, report)
    named = {one.model: model for model, one in zip(asked.models, scores)}
    committed = {
        name: asked.committed[model] for name, model in named.items() if model in asked.committed
    }
    return optimism(scores, committed=committed, elsewhere=there)


# ---- waterfall --------------------------------------------------------------------------------------------------------------
def wider_context(recording: Recording) -> str | None:
    """The context of 2021 where it is wider than the recording's own: what the paper used, else the group; else None."""
    for name in ("paper_context", "group"):
        wide = recording.roles.get(name) if name == "paper_context" else recording.group
        if wide is None or recording.context is None:
            continue
        if len(set(recording.column(wide))) < len(set(recording.column(recording.context))):
            return "paper" if name == "paper_context" else wide
    return None


def _switches(asked: Asked, recording: Recording) -> dict[str, dict]:
    """Switch -> the fields of 2021 that it replaces by today's; what makes no difference here is no switch."""
    wide = wider_context(recording)
    found = {
        SWITCHES[0]: {"method": "ols"},
        SWITCHES[1]: {"split": "shuffled"},
        SWITCHES[2]: {"context": wide},
        SWITCHES[3]: {"layer": "max"},
    }
    today = plain(asked.protocol)
    return {
        name: fields
        for name, fields in found.items()
        if all(value is not None and getattr(today, k) != value for k, value in fields.items())
    }


def _stage(asked: Asked, switches: Mapping[str, dict], thrown: frozenset) -> Protocol:
    """The protocol with these switches thrown to today's side."""
    fields = {k: v for name, old in switches.items() if name not in thrown for k, v in old.items()}
    return plain(asked.protocol).but(**fields)


def _paper(asked: Asked) -> Protocol:
    return preset("schrimpf2021").but(ceiling="none", unique=False, bootstrap=100)


def _waterfall_needs(asked: Asked, recording: Recording):
    switches = _switches(asked, recording)
    runs = [_paper(asked)]
    for thrown in every_subset(list(switches)):
        runs.append(_run_of(asked, switches, thrown))
    return [(model, asked.recording, one) for model in asked.models[:2] for one in runs]


def _run_of(asked: Asked, switches, thrown: frozenset) -> Protocol:
    """The run behind a stage: both choices of the layer read the same fits."""
    return _stage(asked, switches, thrown).but(layer=asked.protocol.layer)


def _waterfall(asked: Asked, recording: Recording, store, report: Report) -> Answer:
    if recording.sampled:
        raise BrainLensError(
            f"{recording.id}: the choices of 2021 are not those of samples of a run",
            remedy="Choose a recording of sentences or words",
        )
    switches, made = _switches(asked, recording), []
    names = list(switches)
    for model in asked.models[:2]:
        values, links = {}, {}
        for thrown in every_subset(names):
            found = verb.score(
                model, recording, _run_of(asked, switches, thrown), store=store, report=report
            )
            stage = _stage(asked, switches, thrown)
            values[thrown] = replace(found, protocol=stage).value
            links[thrown] = stage
        then = verb.score(model, recording, _paper(asked), store=store, report=report)
        steps = [
            ("2021, raw r", then.value),
            ("other choices of 2021", values[frozenset()]),
            *ordered(values, names),
        ]
        whole = verb.score(model, recording, asked.protocol, store=store, report=report)
        answer = waterfall(
            steps,
            shares=shapley(values, names),
            beside=_other_scales(whole),
            model=whole.model,
            caption="Every bar is a run under the first fold seed; what controls and the ceiling take stands on axes of "
            "their own.",
        )
        answer.facts["minus"] = _minus(whole)
        stages = [_paper(asked), _stage(asked, switches, frozenset())]
        stages += [_stage(asked, switches, frozenset(names[: i + 1])) for i in range(len(names))]
        stages.append(stages[-1])
        made.append((whole.model, answer, stages))
    frame = pd.concat(
        [
            one.frame.assign(model=model, changes=[stage.changes() for stage in stages],
                             preset=[stage.name.rstrip("*") for stage in stages])
            for model, one, stages in made
        ],
        ignore_index=True,
    )  # fmt: skip
    beside = pd.concat(
        [one.facts["beside"].assign(model=m) for m, one, _ in made], ignore_index=True
    )
    first = made[0][1]
    left = [name for name in SWITCHES if name not in switches]
    said = f" No switch here: {', '.join(left)}." if left else ""
    return replace(
        first,
        frame=frame,
        sentence=" ".join(one.sentence for _, one, _ in made),
        caption=first.caption + said,
        facts={
            "beside": beside,
            "shares": {model: one.facts["shares"] for model, one, _ in made},
            "minus": {model: one.facts["minus"] for model, one, _ in made},
        },
    )


def _minus(score) -> Answer | None:
    """From the model's R2 to what is its own, on the scale of R2; None where no joint fit was asked for."""
    told = score.headline
    if "unique_r2" not in told or not np.isfinite([told["model_r2"], told["unique_r2"]]).all():
        return None
    return waterfall(
        [("the model alone", told["model_r2"]), (f"minus {told['beyond']}", told["unique_r2"])],
        scale="Out-of-sample R2",
        model=score.model,
    )


def _other_scales(score) -> pd.DataFrame:
    """What controls and the ceiling take, on scales of their own."""
    rows = []
    if "unique_r2" in score.headline:
        rows += [
            ("R2", "the model alone", score.headline["model_r2"]),
            ("R2", f"unique, beyond {score.headline['beyond']}", score.headline["unique_r2"]),
        ]
    rows += [("share of the ceiling", f"r / {score.ceiling.kind} ceiling", score.share[0])]
    return pd.DataFrame(rows, columns=["scale", "what", "value"])


# ---- specification curve ----------------------------------------------------------------------------------------------------
def _cells(asked: Asked):
    return specifications(plain(asked.protocol), asked.axes)


def _fit_of(protocol: Protocol) -> Protocol:
    """The run behind a cell: nested and best layer read the same fits."""
    return protocol.but(layer="nested") if protocol.layer == "max" else protocol


def _curve_needs(asked: Asked, recording: Recording):
    return [
        (model, asked.recording, _fit_of(cell.protocol))
        for model in asked.models
        for cell in _cells(asked)
    ]


def _curve(asked: Asked, recording: Recording, store, report: Report) -> Answer:
    cells, rows = _cells(asked), []
    done, total = 0, len(asked.models) * len(cells)
    for model in asked.models:
        for cell in cells:
            report.step(done, total, "specifications")
            run = verb.score(model, recording, _fit_of(cell.protocol), store=store, report=report)
            found = replace(run, protocol=cell.protocol)
            rows.append(
                {
                    "model": found.model,
                    "cell": cell.name,
                    **cell.choices,
                    "r": found.value,
                    "low": found.low,
                    "high": found.high,
                    "layer_used": found.chosen_layer,
                    "defensible": cell.defensible,
                    "changes": cell.protocol.changes(),
                    "preset": cell.protocol.name.rstrip("*"),
                }
            )
            done += 1
    null, rule = None, ""
    if asked.draws:
        null, rule = _null(asked, recording, cells, store, report)
    return curve(pd.DataFrame(rows), null, rule=rule)


def _null_key(asked: Asked, recording: Recording) -> str:
    """Of the exchanged numbers in the store: models by their files, data, and every cell."""
    sources = [load(model) for model in asked.models]
    cells = [score_key(one, recording, cell.protocol) for one in sources for cell in _cells(asked)]
    return content_key("exchanged", *cells, asked.draws)


def _null(asked: Asked, recording: Recording, cells, store, report: Report):
    """r of every defensible row with the responses exchanged, the same exchanges for all; kept in the store."""
    key = _null_key(asked, recording)
    if (known := store.load_score(key)) is not None:
        return known["null"].values, known.attrs["rule"]
    moved = exchanges(recording, asked.protocol, asked.draws)
    null, row = np.full((len(moved.rows), len(asked.models) * len(cells)), np.nan), 0
    for model in asked.models:
        read: dict[tuple, list] = {}
        for cell in cells:
            if cell.defensible:
                p = cell.protocol
                how = (p.pooling, p.context, p.start, p.attention, p.last_layer)
                if how not in read:
                    read[how] = layers_of(model, recording, p, store=store, report=report)[0]
                null[:, row] = summary_of_moved(read[how], recording, p, moved.rows, report=report)
            row += 1
    kept = xr.Dataset({"null": (("draw", "row"), null)}, attrs={"rule": moved.rule, "model": asked.models[0],
                      "recording": recording.id})  # fmt: skip
    store.save_score(key, kept)
    return null, moved.rule


def _curve_seconds(asked: Asked, recording: Recording) -> float:
    cells = sum(cell.defensible for cell in _cells(asked))
    each = _fit_seconds(recording, asked.protocol, recording.n_measured, 1)
    return asked.draws / 20 * len(asked.models) * cells * each


# ---- generalisation -----------------------------------------------------------------------------------------------------------
def _matrix(asked: Asked, recording: Recording, store, report: Report) -> Answer:
    if recording.sampled:
        raise BrainLensError(
            f"{recording.id}: its rows are samples of a run, not stimuli that could change places",
            remedy="Choose a recording of sentences or words",
        )
    found, why = _matrices(asked.models[0], asked, recording, store, report)
    if not found:
        raise BrainLensError(
            f"Nothing generalises here: {'; '.join(why)}", remedy="Choose another recording"
        )
    name = card(asked.models[0]).id
    answer = matrix(found, what=f"{name}, the layer chosen on training data.", model=name)
    missing = pd.DataFrame([one.split(": ", 1) for one in why], columns=["model", "reason"])
    said = f" Empty: {'; '.join(why)}." if why else ""
    return replace(answer, caption=answer.caption + said, missing=missing)


def _matrix_key(asked: Asked, recording: Recording) -> str:
    return content_key(
        f"matrices-{VERSION}", score_key(load(asked.models[0]), recording, plain(asked.protocol))
    )


def _matrices(model: str, asked: Asked, recording: Recording, store, report: Report):
    """What generalises -> its matrix, and why others are empty; kept in the store."""
    require_open(load(model), recording, plain(asked.protocol), store)
    key = _matrix_key(asked, recording)
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
        store.save_score(key, kept)
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
    return [(asked.models[0], asked.recording, plain(asked.protocol))] if known else []


def _matrix_seconds(asked: Asked, recording: Recording) -> float:
    return 20 * _fit_seconds(recording, asked.protocol, recording.n_measured, 1)


PANELS: dict[str, Panel] = {
    "leaks": Panel("Leak meter", "Does the score leak?", _leak_needs, _leaks, _oasm_seconds),
    "omega": Panel("Omega", "What do plain controls explain?", _omega_needs, _omega, _omega_seconds),
    "court": Panel("Ceiling court", "Which ceiling, and what does it do?", _omega_needs, _court, _court_seconds),
    "optimism": Panel("Optimism", "What did choosing the layer add?", _optimism_needs, _optimism),
    "waterfall": Panel("Waterfall", "From 2021's number to today's?", _waterfall_needs, _waterfall),
    "curve": Panel("Specification curve", "Does it hold under other choices?", _curve_needs, _curve, _curve_seconds),
    "matrix": Panel("Generalisation", "Does it hold for others?", _matrix_needs, _matrix, _matrix_seconds),
}  # fmt: skip
"""Name -> panel, in the order of the screen."""
