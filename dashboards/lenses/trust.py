"""Is this number real? Every doubt on one screen, each panel with the run behind it."""

from __future__ import annotations

import contextlib
import io
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

import panel_material_ui as pmui
import param

from analysis.answers.trust.panels import (
    CONTROLS,
    COPIES,
    PANELS,
    Asked,
    made_of,
    panel,
    price,
    stored_scores,
)
from analysis.answers.trust.specifications import AXES, CHOSEN
from analysis.answers.trust.verdict import verdict
from analysis.answers.trust.waterfall import published_story
from analysis.models.catalog import card
from analysis.paper.handover import hand_over
from analysis.progress import Report
from analysis.scoring.cost import Cost
from analysis.store.store import Store
from analysis.sweep.panels import plans, run_plans
from dashboards.figures.spec import FigureSpec
from dashboards.figures.trust import figures, of_model, published
from dashboards.lens.controls import ModelPicker, ProtocolPicker, RecordingPicker
from dashboards.lens.lens import Computation, Lens, Picture, View
from dashboards.lens.sidebar import put_in_use
from dashboards.look.look import note
from dashboards.state import Words, encode
from dashboards.work import identity, opened
from dashboards.work.ledger import Ledger, Priced, Ready, Refused, Wish, look_key
from dashboards.work.score_computations import example, offered
from data.errors import BrainLensError

__all__ = ["Found", "Trust", "asked_of", "run_panels", "sheet", "verdicts"]

OPTIONS = {
    f"{axis}: {option}": f"{axis}={option}" for axis, all_ in AXES.items() for option in all_
}
"""Words of every option of the specification curve -> how the selection says it."""
CELLS = [f"{axis}={option}" for axis, some in CHOSEN.items() for option in some]
KEPT_SCREENS = 4
"""Whole screens that a process remembers, each some megabytes; putting one together from the store takes seconds."""
BEYOND = ("position", "length", "word-rate", "log-frequency", "random-embedding")
METHODS = {
    "leaks": "method#leak-meter-analysisanswerstrustleaks",
    "omega": "method#omega-analysisanswerstrustshares",
    "court": "method#ceiling-court-analysisanswerstrustcourt",
    "optimism": "method#selection-optimism-analysisanswerstrustoptimism",
    "waterfall": "method#waterfall-analysisanswerstrustwaterfall",
    "curve": "method#specification-curve-analysisanswerstrustspecifications",
    "matrix": "method#generalisation-matrix-analysisanswerstrustgeneralise",
}
"""Panel -> where its equations and sources stand."""
NOTES = (
    ("OASM", "A model of when a stimulus came, without its words; what it scores leaks; analysis.scoring.beside.oasm_of."),
    ("Omega", "Percent of the model's R2 that the named controls explain; analysis.scoring.summary.omega."),
    ("share of the ceiling", "r / c, or (r / c)^2 = r2 / reliability on the variance scale; analysis.answers.trust.court."),
    ("optimism", "What choosing the layer on the reported data adds; analysis.answers.trust.optimism."),
    ("order-free share", "Shapley value of a choice over all combinations of the switches; analysis.answers.trust.waterfall."),
    ("not counted", "Shuffled folds and same-data layers are drawn, never inferred from; analysis.answers.trust.specifications."),
    ("cells", "Trained on the row, tested on the column; analysis.answers.trust.generalise."),
)  # fmt: skip


@dataclass(frozen=True)
class Found:
    """What the panels gave.

    Parameters
    ----------
    answers : mapping of str to Answer
    empty : mapping of str to str
        Panel -> why it has none.
    simulated : bool
    scores : tuple of Score
        Of the models under the protocol, where the panels needed them: what is handed over.
    waiting : tuple of str
        Panels that were asked and have no answer yet.
    """

    answers: Mapping[str, object]
    empty: Mapping[str, str]
    simulated: bool = False
    scores: tuple = ()
    waiting: tuple[str, ...] = ()


class Screens(Ledger):
    """Findings of this session, and the last screens of this process: a page that is opened again shows its screen at once."""

    _last: ClassVar[OrderedDict[tuple[str, str], Found]] = OrderedDict()

    def keep(self, key: str, finding) -> None:
        """Write down what is known of a key; a whole screen for every session of this store."""
        super().keep(key, finding)
        if isinstance(finding, Ready):
            self._last[self._place(key)] = finding.value
            self._last.move_to_end(self._place(key))
            while len(self._last) > KEPT_SCREENS:
                self._last.popitem(last=False)

    def recall(self, key: str) -> None:
        """Take what another session of this store was shown, where this one has nothing."""
        found = self._last.get(self._place(key))
        if found is not None and self.finding(key) is None:
            self.keep(key, Ready(found))

    def _place(self, key: str) -> tuple[str, str]:
        return str(Store().root), key


class Trust(Lens):
    """All doubts about the chosen models' numbers on one recording: leaks, controls, ceilings, selection, choices, others.

    Examples
    --------
    >>> Trust(models=["zoo-causal-1m"], recording="simulated").run(wait=True)  # doctest: +SKIP
    """

    slug, label, icon = "trust", "Trust", "verified"
    question = "Is this number real?"
    panels = True
    fields: ClassVar[Mapping[str, param.Parameter]] = {
        "doubts": param.ListSelector(
            default=list(PANELS), objects=list(PANELS), doc="Panels of the Trust screen."
        ),
        "copies": param.Integer(
            COPIES, bounds=(0, 20), doc="Untrained copies behind the leak meter's band."
        ),
        "exchanges": param.Integer(
            100, bounds=(0, 2000), doc="Exchanges of the responses behind the specification curve."
        ),
        "cells": param.List(
            CELLS, item_type=str, doc="Options that the specification curve combines."
        ),
        "beyond": param.List(list(CONTROLS), item_type=str, doc="Controls that Omega goes beyond."),
        "elsewhere": Words("", doc="Recording on which a layer is chosen for this one."),
        "whose": Words(
            "", doc="Model whose waterfall, choices and cells are drawn; empty: the first."
        ),
    }
    watches = ("models", "recording", "preset", "changes", "layer", *fields)

    def make_controls(self) -> dict:
        self._ledger = Screens()
        several, slider = pmui.MultiChoice, pmui.IntSlider
        panels = {panel.label: name for name, panel in PANELS.items()}
        doubts = self.control(several, "doubts", "Panels", options=panels)
        copies = self.control(
            slider, "copies", "Untrained copies (a band needs 5)", start=0, end=10
        )
        exchanges = self.control(
            slider, "exchanges", "Exchanges behind the curve's null", start=0, end=500, step=20
        )
        cells = self.control(several, "cells", "Options of the curve", options=OPTIONS)
        beyond = self.control(several, "beyond", "Controls of Omega", options=list(BEYOND))
        elsewhere = self.control(
            pmui.TextInput, "elsewhere", "Layer chosen on", placeholder="another recording, by id"
        )
        files = dict(variant="outlined", size="small", icon=None, margin=(6, 0), disabled=True)
        self._page = pmui.FileDownload(
            label="One A4 page (PDF)",
            callback=self.leaving(lambda: io.BytesIO(self.page())),
            filename="brainlens-trust.pdf",
            description="The verdict and every panel on one page",
            **files,
        )
        self._handed = pmui.FileDownload(
            label="Capsules, checklist, R (zip)",
            callback=self.leaving(lambda: io.BytesIO(self.handed_over())),
            filename="brainlens-trust.zip",
            description="For a reviewer: a capsule of each score, the reporting checklist, and the table and script for R",
            **files,
        )
        return {
            "What": [ModelPicker(self.selection), RecordingPicker(self.selection), doubts],
            "How": [ProtocolPicker(self.selection), beyond, copies, cells, exchanges, elsewhere,
                    note("A layer picked in the link is the one committed beforehand.", margin=(0, 4))],
            "View": [self._switch(), self._page, self._handed],
        }  # fmt: skip

    def _switch(self) -> pmui.Select:
        """Whose waterfall, choices and cells are drawn, where there are several models."""
        switch = pmui.Select(
            label="Waterfall, choices and cells of",
            options=[self._whose],
            value=self._whose,
            size="small",
            sizing_mode="stretch_width",
            margin=(8, 0, 4, 0),
        )

        def follow(*_) -> None:
            models = self.selection.models
            switch.param.update(options=list(models) or [""], value=self._whose)
            put_in_use(switch, len(models) > 1)

        def choose(event) -> None:
            first = event.new in self.selection.models[:1]
            self.selection.whose = "" if first else event.new

        switch.param.watch(choose, "value")
        self.selection.param.watch(follow, ["models", "whose"])
        follow()
        return switch

    @property
    def _whose(self) -> str:
        """The model whose own figures are drawn: the first, unless another of them is named."""
        models = self.selection.models
        return self.selection.whose if self.selection.whose in models else next(iter(models), "")

    # ---- work ----------------------------------------------------------------------------------------------------------
    def asked(self) -> Asked:
        """What the selection asks, in plain values."""
        return asked_of(self.selection)

    @property
    def _key(self) -> str:
        choice = self.selection
        told = (
            choice.doubts,
            choice.copies,
            choice.exchanges,
            choice.cells,
            choice.beyond,
            choice.elsewhere,
            choice.layer,
        )
        return f"trust:{identity.case(choice.models, choice.recording, choice.protocol)}|{told}"

    def missing(self) -> list[Computation]:
        if not self.selection.models or not self.selection.doubts:
            return []
        work = (self.asked(), tuple(self.selection.doubts))
        words = ", ".join(PANELS[name].label for name in self.selection.doubts)
        wish = Wish(
            self._key,
            f"{words}: {', '.join(self.selection.models)} on {self.selection.recording}",
            partial(run_panels, *work),
            partial(_look, *work),
            grows=Found,
        )
        self._ledger.recall(self._key)
        return self._ledger.computations([wish])

    # ---- what is shown -------------------------------------------------------------------------------------------------
    def view(self) -> View:
        if not self.selection.models:
            return View(
                empty="Choose a model and a recording: every doubt about the number is answered by a run of its own.",
                action=offered(self.selection, example),
            )
        published = _published()
        finding = self._ledger.finding(self._key)
        if isinstance(finding, Refused):
            return View((published,), empty=finding.reason, notes=NOTES)
        found = self._ledger.value(self._key)
        if found is None:
            if self.desk.running(self._key):
                waiting = "Running: the runs first, then each panel as soon as it is answered."
            elif self.failed:
                waiting = "It did not come to an end: see the message, then try again."
            elif self._ledger.looking([self._key]):
                waiting = "Looking into the store ..."
            else:
                waiting = "Nothing was run for this selection yet. What it costs is written at the top; press Run (or the key r)."
            return View((published,), notes=NOTES, verdict=waiting)
        stamp = "simulated data" if found.simulated else ""
        others = _names(one for one in self.selection.models if one != self._whose)
        pictures = [
            Picture(label, replace(spec, stamp=stamp), answer.frame.drop(columns="changes", errors="ignore"),
                    scores=found.scores, python=self._python(name),
                    link=(PANELS[name].question + " The run behind it", self._link()), method=METHODS[name])
            for name, answer in found.answers.items()
            for label, spec in _figures(name, answer).items()
            if not any(of_model(label, one) for one in others)
        ]  # fmt: skip
        return View(
            (*pictures, published),
            (stamp,) if stamp else (),
            notes=NOTES,
            verdict=" ".join(verdicts(found, self.selection.models, running=self._running)),
        )

    @property
    def _running(self) -> bool:
        """Whether more is on its way: computed, or read from the store panel by panel."""
        return any(map(self.desk.running, (self._key, look_key(self._key))))

    def _link(self, fields: Mapping | None = None) -> str:
        """The run in the Layers lens: the selection, or with the protocol of one specification."""
        choice = self.selection
        return encode(
            {"models": choice.models, "recording": choice.recording, "preset": choice.preset,
             "changes": choice.changes, **(fields or {}), "lens": "layers"}
        )  # fmt: skip

    def _python(self, name: str) -> str:
        return "\n".join([
            '"""Made by BrainLens: one panel of Trust again, and its answer in words."""',
            "",
            "from analysis.answers.trust.panels import Asked, panel",
            "from analysis.protocol import preset",
            "",
            f"asked = {_source(self.asked())}",
            f"answer = panel({name!r}, asked)",
            "print(answer.sentence)",
            "print(answer.caption)",
            f'answer.frame.to_csv("trust-{name}.csv", index=False)',
            "",
        ])  # fmt: skip

    def _pick(self, values: list[str]) -> None:
        """A specification or a step that is clicked opens its run in Layers; a model is marked as everywhere."""
        found = self._ledger.value(self._key)
        for name in ("curve", "waterfall"):
            if found is None or name not in found.answers:
                continue
            frame = found.answers[name].frame
            if name == "waterfall":
                frame = frame[frame["model"] == verdict_name(self._whose)]
            known = frame["model"] + ": " + frame["cell"] if name == "curve" else frame["step"]
            rows = frame[known.isin(values)]
            if len(rows):
                row = rows.iloc[0]
                self.selection.param.update(
                    preset=row["preset"],
                    changes=dict(row["changes"]),
                    models=[row["model"]],
                    lens="layers",
                )
                return
        super()._pick(values)

    def reflect(self, view: View) -> None:
        alone = len(view.pictures) < 2  # the published story stands there without any run
        found = self._ledger.value(self._key)
        self._page.disabled = alone
        self._handed.disabled = (
            alone or found is None or not found.scores
        )  # while panels run there are none

    def page(self) -> bytes:
        """Everything that is shown as one A4 page, PDF."""
        found = self._ledger.value(self._key)
        if found is None:
            raise BrainLensError("Nothing was run yet", remedy="Run the panels first")
        return sheet(found, self.asked(), running=self._running)

    def handed_over(self) -> bytes:
        """Capsules, checklist and R tables of the scores behind the panels, as a zip."""
        found = self._ledger.value(self._key)
        if found is None or not found.scores:
            raise BrainLensError(
                "No score stands behind what is shown",
                remedy="Run the leak meter, Omega, the ceiling court or the optimism first",
            )
        asked = self.asked()
        names = dict(zip((one.model for one in found.scores), asked.models))
        return hand_over(found.scores, asked.open(), name=asked.recording, models=names)


# ---- in a worker ----------------------------------------------------------------------------------------------------
def asked_of(choice) -> Asked:
    """What a selection asks of the panels."""
    axes: dict[str, list[str]] = {}
    for cell in choice.cells:
        axis, _, option = cell.partition("=")
        axes.setdefault(axis, []).append(option)
    committed = {}
    if choice.layer.isdigit():
        committed = dict.fromkeys(choice.models, int(choice.layer))
    return Asked(
        tuple(choice.models),
        choice.recording,
        choice.protocol,
        choice.elsewhere,
        committed,
        tuple(choice.beyond),
        {axis: tuple(options) for axis, options in axes.items()},
        choice.copies,
        choice.exchanges,
    )


def _look(asked: Asked, names: tuple[str, ...], report: Report):
    """The panels where everything is stored, else their price together."""
    seconds, memory, every = 0.0, 0, []
    if not asked.said:
        with contextlib.suppress(BrainLensError):  # which each panel says in its own words
            asked.hold(opened.recording(asked.recording))
    for number, name in enumerate(names):
        report.step(number, len(names), "prices")
        try:
            one = price(name, asked, before=names[:number])
        except BrainLensError as error:
            if len(names) == 1:
                return Refused(error.problem)
            continue  # said in the panel's place
        every.append(one)
        seconds = None if None in (seconds, one.seconds) else seconds + one.seconds
        memory = max(memory, one.memory)
    if seconds == 0:
        return Ready(run_panels(asked, names, report))
    return Priced(
        Cost(
            1,
            seconds=seconds,
            downloads={name: size for one in every for name, size in one.downloads.items()},
            memory=memory,
            made_of=made_of(every),
        )
    )


def run_panels(asked: Asked, names: tuple[str, ...], report: Report) -> Found:
    """Run what is missing as a sweep, then answer panel by panel; a panel that cannot be asked says why."""
    simulated = asked.open().simulated
    answers: dict[str, object] = {}
    made, empty = plans(asked, names)
    inside = report.inner()
    run_plans(made, report=inside)
    for number, name in enumerate(names):
        report.step(number, len(names), "panels")
        if name in empty:
            continue
        try:
            answers[name] = panel(name, asked, report=inside)
        except BrainLensError as error:
            empty[name] = error.problem
        later = tuple(one for one in names[number + 1 :] if one not in empty)
        report.partial(Found(dict(answers), dict(empty), simulated, waiting=later))
    return Found(answers, empty, simulated, stored_scores(asked))


# ---- words and pages ----------------------------------------------------------------------------------------------------
def _figures(name: str, answer) -> dict[str, FigureSpec]:
    return figures(name, answer)


def verdicts(found: Found, models: Sequence[str], *, running: bool = False) -> list[str]:
    """The verdict of all panels on each model, under the name that its scores have; what is not drawn, and the rules."""
    said = [
        verdict(
            found.answers, verdict_name(one), found.empty, waiting=found.waiting, running=running
        )
        for one in models
    ]
    others = [one.facts["of_model"] for one in said[1:]] if found.answers else []
    words = [said[0].sentence, *others, *why_empty(found).values(), said[0].caption]
    return [one for one in words if one]


def verdict_name(model: str) -> str:
    """The name that a model's scores have."""
    try:
        known = card(model).id
    except BrainLensError:
        known = model
    return known + model[len(model.partition("@")[0]) :] if "@" in model else known


def _names(models: Iterable[str]) -> list[str]:
    """The names that the scores of these models have."""
    return [verdict_name(one) for one in models]


def why_empty(found: Found) -> dict[str, str]:
    """Panel with an answer -> why it, or a part of it, is not drawn, as a sentence; the verdict says it of the others."""
    told = {}
    for name, answer in found.answers.items():
        if all(spec.empty for spec in _figures(name, answer).values()):
            told[name] = f"{PANELS[name].label}: empty. {answer.sentence}"
        elif name == "matrix" and answer.missing is not None and len(answer.missing):
            why = "; ".join(
                f"over {row.model}: {row.reason}" for row in answer.missing.itertuples()
            )
            told[name] = f"{PANELS[name].label}, empty {why}"
    return {name: f"{words.rstrip('.')}." for name, words in told.items()}


def _published() -> Picture:
    said = published_story()
    spec = published(said)
    python = "\n".join([
        '"""Made by BrainLens: the published story, from the tables that ship."""',
        "",
        "from analysis.answers.trust.waterfall import published_story",
        "",
        "answer = published_story()",
        "print(answer.sentence)",
        'print(answer.facts["beside"])',
        "",
    ])  # fmt: skip
    return Picture(
        "As published, not recomputed",
        spec,
        said.facts["beside"],
        published=("schrimpf2021", "hadidi2025"),
        python=python,
        method=METHODS["waterfall"],
    )


def _source(asked: Asked) -> str:
    """The code that makes this question again."""
    changed = {f: getattr(asked.protocol, f) for f in asked.protocol.changes()}
    base = asked.protocol.name.rstrip("*")
    how = f"preset({base!r})" + (f".but(**{changed!r})" if changed else "")
    return (
        f"Asked({asked.models!r}, {asked.recording!r}, {how}, {asked.elsewhere!r}, {dict(asked.committed)!r}, "
        f"{asked.controls!r}, {dict(asked.axes)!r}, {asked.copies}, {asked.draws})"
    )


def sheet(found: Found, asked: Asked, format: str = "pdf", *, running: bool = False) -> bytes:
    """The whole screen as one A4 page: the verdict on each model in words, then every panel.

    Of several models waterfalls and generalisation are those figures that show all of them; the curve's choices are the first's.
    """
    from dashboards.figures.export import figure

    stamp = "simulated data" if found.simulated else ""
    names = _names(asked.models)
    specs = [
        replace(spec, stamp=stamp)
        for name, answer in found.answers.items()
        for label, spec in _figures(name, answer).items()
        if not spec.empty
        and not any(of_model(label, one) for one in (names[1:] if name == "curve" else names))
    ]
    story = _published().spec
    specs += [story] if specs else []
    if not specs:
        raise BrainLensError(
            "No panel has an answer", remedy="Choose another recording or other panels"
        )
    title = f"Is this number real? {', '.join(asked.models)} on {asked.open().id}, {asked.protocol.name}"
    changed = ", ".join(f"{name} {value}" for name, value in asked.protocol.changes().items())
    words = [
        title + (f" (changed: {changed})" if changed else ""),
        *verdicts(found, asked.models, running=running),
        story.answer,
    ]
    return figure(
        specs, format, width_mm=190, height_mm=277, margin_mm=10, font_size=6, heading=tuple(words),
        metadata={"Title": title},
    )  # fmt: skip
