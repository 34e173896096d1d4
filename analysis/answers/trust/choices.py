"""Panels about choices: waterfall and specification curve; with runs, answers, seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
import xarray as xr

from analysis.answers.answer import Answer, decimal, listed
from analysis.answers.similarity import layers_of
from analysis.answers.trust.asked import Asked, Panel, plain
from analysis.answers.trust.doubts import JOINT, omega_seconds
from analysis.answers.trust.shares import explained_by_controls
from analysis.answers.trust.specifications import curve, specifications
from analysis.answers.trust.waterfall import every_subset, ordered, shapley, waterfall
from analysis.models import load
from analysis.progress import Report
from analysis.protocol import Protocol, preset
from analysis.scoring import verb
from analysis.scoring.beside import beyond
from analysis.scoring.cost_beside import exchange_seconds
from analysis.scoring.keys import score_key
from analysis.scoring.significance import exchanges, summary_of_moved
from analysis.store.keys import content_key
from data.errors import BrainLensError
from data.recording import Recording

__all__ = ["CURVE", "SWITCHES", "WATERFALL"]

SWITCHES = (
    "OLS to ridge",
    "shuffled to held out",
    "topic to passage",
    "best to nested layer",
)
"""Of the waterfall, in its order."""
BESIDE = pd.DataFrame(columns=["scale", "what", "from", "to"])


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
    runs = [asked.protocol, _paper(asked)]
    for thrown in every_subset(list(switches)):
        runs.append(_run_of(asked, switches, thrown))
    return [(model, asked.recording, one) for model in asked.models for one in runs]


def _run_of(asked: Asked, switches, thrown: frozenset) -> Protocol:
    """The run behind a stage: both choices of the layer read the same fits."""
    return _stage(asked, switches, thrown).but(layer=asked.protocol.layer)


def _waterfall(asked: Asked, recording: Recording, store, report: Report) -> Answer:
    if recording.sampled:
        raise BrainLensError(
            f"{recording.id}: the choices of 2021 are not those of samples of a run",
            remedy="Choose a recording of sentences or words",
        )
    switches, made, undivided = _switches(asked, recording), [], set()
    names = list(switches)
    for model in asked.models:
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
        apart, why = _apart(model, whole, asked, recording, store, report)
        undivided |= {why} if why else set()
        answer = waterfall(
            steps,
            shares=shapley(values, names),
            beside=pd.concat([BESIDE, *(one.facts["row"] for one in apart.values())]),
            model=whole.model,
            caption="Every bar is a run under the first fold seed; what controls and the ceiling take stands on axes of "
            "their own.",
        )
        answer.facts["apart"] = apart
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
    said += f" Controls: {listed(name.replace('-', ' ') for name in asked.controls)}."
    said += f" No bar for the ceiling: {'; '.join(sorted(undivided))}." if undivided else ""
    return replace(
        first,
        frame=frame,
        sentence=" ".join(one.sentence for _, one, _ in made),
        caption=first.caption + said,
        facts={
            "beside": beside,
            "shares": {model: one.facts["shares"] for model, one, _ in made},
            "apart": {model: one.facts["apart"] for model, one, _ in made},
            "sentences": {model: one.sentence for model, one, _ in made},
        },
    )


def _apart(model, score, asked: Asked, recording: Recording, store, report: Report):
    """What controls and the ceiling take, each on a scale of its own; and why there is no bar for the ceiling, in words."""
    found = {}
    fits = beyond(model, recording, score, asked.controls, store=store, report=report)
    parts = explained_by_controls(
        {score.model: fits}, asked.controls, recording.subjects, draws=2
    ).frame.iloc[0]  # over all people
    if np.isfinite([parts["alone"], parts["unique"]]).all():
        steps = [("the model alone", parts["alone"]), ("minus controls", parts["unique"])]
        found["controls"] = _fall(steps, "Out-of-sample R2", score.model)
    share, c = score.share[0], score.ceiling
    if np.isfinite(share):
        steps = [("r, undivided", score.value), (f"divided by {decimal(c.value, 3)}", share)]
        found["ceiling"] = _fall(steps, f"Share of the ceiling ({c.kind})", score.model)
        return found, ""
    return found, (c.flag or "none that may be divided by").rstrip(".")


def _fall(steps, scale: str, model: str) -> Answer:
    made = waterfall(steps, scale=scale, model=model)
    row = pd.DataFrame([(scale, steps[1][0], steps[0][1], steps[1][1])], columns=BESIDE.columns)
    return replace(made, facts=made.facts | {"row": row})


def _waterfall_seconds(asked: Asked, recording: Recording) -> float:
    return omega_seconds(asked, recording)


# ---- specification curve ----------------------------------------------------------------------------------------------------
def _cells(asked: Asked, recording: Recording):
    """The cells of the curve; where each row is read alone anyway, no context is the same number and no cell of its own."""
    axes = dict(asked.axes)
    if recording.context is None and {"own", "none"} <= set(axes.get("context", ())):
        axes["context"] = tuple(option for option in axes["context"] if option != "none")
    return specifications(plain(asked.protocol), axes)


def _fit_of(protocol: Protocol) -> Protocol:
    """The run behind a cell: nested and best layer read the same fits."""
    return protocol.but(layer="nested") if protocol.layer == "max" else protocol


def _curve_needs(asked: Asked, recording: Recording):
    return [
        (model, asked.recording, _fit_of(cell.protocol))
        for model in asked.models
        for cell in _cells(asked, recording)
    ]


def _curve(asked: Asked, recording: Recording, store, report: Report) -> Answer:
    cells, rows = _cells(asked, recording), []
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
    cells = [
        score_key(one, recording, cell.protocol)
        for one in sources
        for cell in _cells(asked, recording)
    ]
    return content_key("exchanged", *cells, asked.draws)


def _null(asked: Asked, recording: Recording, cells, store, report: Report):
    """r of every defensible row with the responses exchanged, the same exchanges for all; kept in the store."""
    key = _null_key(asked, recording)
    if (known := store.load_score(key)) is not None:
        return known["null"].values, known.attrs["rule"]
    moved = exchanges(recording, asked.protocol, asked.draws)
    null, row = np.full((len(moved.rows), len(asked.models) * len(cells)), np.nan), 0
    done, total = 0, len(asked.models) * sum(cell.defensible for cell in cells)
    for model in asked.models:
        read: dict[tuple, list] = {}
        for cell in cells:
            if cell.defensible:
                p = cell.protocol
                how = (p.pooling, p.context, p.start, p.attention, p.last_layer)
                if how not in read:
                    read[how] = layers_of(model, recording, p, store=store, report=report)[0]
                inside = report.part(done, 1, total, "specifications by chance", of="exchanges")
                null[:, row] = summary_of_moved(read[how], recording, p, moved.rows, report=inside)
                done += 1
            row += 1
    kept = xr.Dataset({"null": (("draw", "row"), null)}, attrs={"rule": moved.rule, "model": asked.models[0],
                      "recording": recording.id})  # fmt: skip
    store.save_score(key, kept)
    return null, moved.rule


def _curve_seconds(asked: Asked, recording: Recording) -> float:
    cells = [cell.protocol for cell in _cells(asked, recording) if cell.defensible]
    return sum(
        exchange_seconds(model, recording, protocol, asked.draws)
        for model in asked.models
        for protocol in cells
    )


WATERFALL = Panel(
    "Waterfall",
    "From 2021's number to today's?",
    _waterfall_needs,
    _waterfall,
    _waterfall_seconds,
    JOINT,
    covered="omega",
)
CURVE = Panel(
    "Specification curve",
    "Does it hold under other choices?",
    _curve_needs,
    _curve,
    _curve_seconds,
    "exchanges",
)
