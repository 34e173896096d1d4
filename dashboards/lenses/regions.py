"""Which part of the brain is predicted?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import ClassVar

import numpy as np
import panel_material_ui as pmui
import param

from analysis.answers.regions import brain_values, regions
from analysis.progress import Report
from analysis.protocol import Protocol
from analysis.scoring import verb
from analysis.scoring.layer_map import committed
from analysis.scoring.result import Score
from dashboards.figures.brain import Brain
from dashboards.figures.people import each_person_by_region
from dashboards.figures.spec import FigureSpec, Mark, Rule
from dashboards.lens.controls import ModelPicker, ProtocolPicker, RecordingPicker
from dashboards.lens.lens import Computation, Lens, Picture, View
from dashboards.lens.parcels_picker import ParcelsPicker
from dashboards.lens.view import led_by
from dashboards.state import MAPS, Words
from dashboards.work import identity
from dashboards.work.ledger import Ledger, Refused, Wish
from dashboards.work.score_computations import Scores, offered, stamps, unscorable
from data.catalog.catalog import recording
from data.errors import BrainLensError
from data.shares import percent
from data.stories.kept_parcels import load_parcels, parcels_mark

__all__ = ["Regions", "brain_of"]

SHOWN = {
    "Inflated": "inflated",
    "Pial": "pial",
    "Flat": "flat",
    "Pial, inflated and flat": "all",
    "No brain": "none",
}
NOTES = (
    (
        "r",
        "Each region, in each fold, at the layer that predicts it best in the training rows; analysis.answers.regions.",
    ),
    (
        "interval",
        "95 %, people and held-out blocks drawn independently; analysis.statistics.turning.people_by_blocks.",
    ),
    ("q", "Share of false discoveries over the regions of a model; analysis.statistics.fdr."),
    (
        "depth",
        "Relative depth of the chosen layer, mean over folds; agreement: share of folds that chose the same.",
    ),
    (
        "brain",
        "Values on fsaverage5 as it comes inside nilearn: targets within 8 mm of a vertex, averaged; data.surface.",
    ),
)


class Regions(Lens):
    """Scores by region, the layer that predicts each best, and the cortex.

    Examples
    --------
    >>> Regions(models=["zoo-causal-3m"], recording="simulated-story", protocol="story").run(wait=True)  # doctest: +SKIP
    """

    slug, label, icon = "regions", "Regions", "public"
    question = "Which part of the brain is predicted?"
    opens_with: ClassVar = {"recording": "simulated-story", "preset": "story"}
    fields: ClassVar = {
        "cortex": param.Selector(
            default="inflated",
            objects=list(SHOWN.values()),
            doc="Shape of the cortex that is drawn.",
        ),
        "threshold": param.Integer(
            0, bounds=(0, 99), doc="Hundredths of r below which the cortex stays grey."
        ),
        "map": Words("", doc="Committed map of layers; empty: each fold chooses for itself."),
        "parcels": Words("", doc="Parcels that targets are pooled by; empty: their own regions."),
    }
    watches = ("models", "recording", "preset", "changes", "cortex", "threshold", "map", "parcels")

    def make_controls(self) -> dict:
        self.scores, self._answers = Scores(self.selection), Ledger()
        cortex = self.control(pmui.Select, "cortex", "Cortex", options=SHOWN)
        threshold = self.control(
            pmui.IntSlider, "threshold", "Threshold (hundredths of r)", start=0, end=99
        )
        names = {"Each fold for itself": "", **{name: name for name in committed()}}
        if self.selection.map not in names.values():
            names[self.selection.map] = self.selection.map
        layers = self.control(pmui.Select, "map", MAPS, options=names)
        return {
            "What": [RecordingPicker(self.selection), ModelPicker(self.selection)],
            "How": [
                ProtocolPicker(self.selection),
                layers,
                ParcelsPicker(self.selection, self.desk),
            ],
            "View": [cortex, threshold],
        }

    @property
    def _models(self) -> list[str]:
        return [model for model in self.selection.models if not unscorable(model)]

    @property
    def _key(self) -> str:
        choice = self.selection
        case = identity.case(self._models, choice.recording, choice.protocol)
        return f"regions:{choice.map}:{choice.parcels}:{parcels_mark(choice.parcels)}:{case}"

    def missing(self) -> list[Computation]:
        if not self._models:
            return []
        if missing := self.scores.missing(self._models):
            return missing
        choice, there = self.selection, self.scores.found(self._models)
        known = {score.model: score for score in there if score.complete}
        work = partial(
            _answered,
            known,
            self._models,
            choice.recording,
            choice.protocol,
            choice.map,
            choice.parcels,
        )
        return self._answers.computations([Wish(self._key, f"regions of {choice.recording}", work)])

    def view(self) -> View:
        models = self._models
        shown = ("Show the built-in example", lambda: self.selection.param.update(**example()))
        if not models:
            return View(
                empty="Choose a model with activations and a recording of several regions.",
                action=offered(self.selection, example),
            )
        scores = [score for score in self.scores.found(models) if score.complete]
        found = self._answers.finding(self._key)
        if isinstance(found, Refused):
            return View(empty=f"{found.reason}.", action=shown)
        if found is None:
            there = len(scores) == len(models)
            if there or self.scores.unseen(models):
                looking = "Looking into the store ..."
                if there:
                    looking = "The scores are there; intervals of the regions are being drawn ..."
                if self.failed:
                    looking = "It is not known what is stored: see the error above."
                return View(empty=looking)
            return View(
                empty="Nothing is stored for this selection yet. Press Run (or the key r).",
                action=("Run", self.run),
            )
        answer, cortex = found.value
        stamp, common = scores[0].stamp, {"python": _python(self.selection, models)}
        pictures = [
            Picture("Regions", by_region(answer, stamp), answer.frame, tuple(scores), **common),
            Picture("Depth", by_depth(answer, stamp), answer.frame, tuple(scores), **common),
        ]
        if (people := answer.facts.get("people")) is not None:
            spec = replace(each_person_by_region(people), stamp=stamp)
            pictures.append(Picture("People", spec, people.frame, tuple(scores), **common))
        if self.selection.cortex != "none":
            brains = [
                Picture(
                    "Brain" if len(models) == 1 else f"Brain, {score.model}",
                    brain_of(answer, score.model, cortex[score.model], self.selection.cortex,
                             self.selection.threshold / 100, stamp),
                    answer.frame[answer.frame["model"] == score.model], (score,), **common,
                )
                for score in scores
                if not isinstance(cortex[score.model], str)
            ]  # fmt: skip
            pictures = [*brains, *pictures]
        return View(led_by(pictures, ""), stamps(scores), notes=NOTES)


# ---- figures ---------------------------------------------------------------------------------------------------------
OTHERS = "other people (lower bound of the ceiling)"
"""What the mean of the other people's signals predicts of each person, as the figure calls it."""
_HOVER = (
    "model",
    "region",
    "r",
    "r_low",
    "r_high",
    "q",
    "layer",
    "depth",
    "agreement",
    "ceiling",
    "others",
    "n_people",
)


def by_region(answer, stamp: str) -> FigureSpec:
    """r of each region with its interval; ceilings and what the other people predict in grey."""
    frame = answer.frame[answer.frame["r"].notna()]
    marks = [Mark("points", frame, "region", "r", "r_low", "r_high", colour="model", hover=_HOVER)]
    once = frame.drop_duplicates("region")
    for column, name in (("others", OTHERS), ("ceiling", "ceiling")):
        if len(known := once[once[column].notna()]):
            grey = Mark(
                "points", known, "region", column, name=name, muted=True, hover=("region", column)
            )
            marks.insert(0, replace(grey, ringed=column == "others"))
    return FigureSpec(
        Regions.question,
        tuple(marks),
        answer.axes["x_title"],
        answer.axes["y_title"],
        (Rule("y", 0.0),),
        answer=answer.sentence,
        caption=answer.caption,
        stamp=stamp,
    )


def by_depth(answer, stamp: str) -> FigureSpec:
    """How deep in the model each region's layer lies."""
    frame = answer.frame[answer.frame["depth"].notna()]
    said = [
        f"{row.model}, {row.region}: layer {row.layer} (depth {row.depth:.2f}, {percent(row.agreement)} of folds)"
        for row in frame.itertuples()
    ]
    return FigureSpec(
        "From which depth of the model is each region predicted?",
        (Mark("points", frame, "region", "depth", colour="model", hover=_HOVER),),
        answer.axes["x_title"],
        "Relative depth (0 embedding, 1 top layer)",
        answer="; ".join(said) + "." if said else "",
        caption=answer.caption,
        stamp=stamp,
    )


def brain_of(answer, model: str, cortex, surface: str, threshold: float, stamp: str) -> FigureSpec:
    """r of a model's regions on the cortex."""
    frame = answer.frame[(answer.frame["model"] == model) & answer.frame["r"].notna()]
    values = np.concatenate([cortex.left, cortex.right])
    top = float(np.nanmax(values)) if np.isfinite(values).any() else 1.0
    high = max(np.ceil(20 * top) / 20, threshold + 0.05, 0.05)
    people = int(frame["n_people"].max()) if len(frame) else 0
    shown = int((frame["r"] >= threshold).sum())
    under = (
        f"; grey below {threshold:.2f} ({len(frame) - shown} of {len(frame)} regions)"
        if threshold
        else ""
    )
    far = (
        f"; {cortex.missed} targets lie further than that from the cortex and are not shown"
        if cortex.missed
        else ""
    )
    label = f"Pearson r of {model}" + (f", mean over {people} people" if people > 1 else "")
    label += f"; grey below {threshold:.2f}" if threshold else ""
    return FigureSpec(
        f"{Regions.question} ({model})",
        (Mark("points", frame, "region", "r", "r_low", "r_high", hover=_HOVER),),
        answer.axes["x_title"],
        answer.axes["y_title"],
        answer=answer.facts["said"][model],
        caption=f"fsaverage5, left and right, from outside and from the middle. Drawn from {cortex.how}{far}{under}. "
        + answer.caption,
        stamp=stamp,
        brain=Brain(
            cortex.left, cortex.right, label,
            ("pial", "inflated", "flat") if surface == "all" else (surface,), threshold, min(0.0, threshold), high,
        ),
    )  # fmt: skip


# ---- helpers ---------------------------------------------------------------------------------------------------------
def example() -> dict:
    """A model and a story that ship with the program."""
    return {
        "models": ["zoo-causal-3m"],
        "recording": "simulated-story",
        "preset": "story",
        "changes": {},
    }


def _python(choice, models: list[str]) -> str:
    changes = ", ".join(f"{name}={value!r}" for name, value in choice.changes.items())
    protocol = f"preset({choice.preset!r})" + (f".but({changes})" if changes else "")
    chosen = f", layer={'map:' + choice.map!r}" if choice.map else ""
    pooled = ", parcels=parcels" if choice.parcels else ""
    return "\n".join([
        '"""Made by BrainLens: scores by region, each at a layer of its own, and the cortex."""',
        "",
        "from analysis import preset, score",
        "from analysis.answers.regions import brain_values, regions",
        "from data.catalog.catalog import recording",
        *(["from data.stories.kept_parcels import load_parcels"] if choice.parcels else []),
        "",
        f"data, protocol = recording({choice.recording!r}), {protocol}",
        f"scores = [score(model, data, protocol) for model in {models!r}]",
        *([f"parcels = load_parcels({choice.parcels!r})"] if choice.parcels else []),
        f"answer = regions(scores, recording=data{chosen}{pooled})",
        "print(answer.sentence)",
        "print(answer.caption)",
        f"cortex = brain_values(answer, {models[0]!r}, data{pooled})  # left and right, 10,242 vertices each",
        'answer.frame.to_csv("regions.csv", index=False)',
        'people = answer.facts["people"]  # None where the responses are of nobody, or averages',
        "if people is not None:",
        "    print(people.sentence)",
        '    people.frame.to_csv("people.csv", index=False)',
        "",
    ])  # fmt: skip


def _answered(
    known: Mapping[str, Score], models: list[str], name: str, protocol: Protocol, chosen: str, pooled: str, report: Report
):  # fmt: skip
    """The answer, and per model the cortex or why there is none; scores that are at hand are not read again."""
    loaded, cortex = recording(name), {}
    try:
        scores = [
            known.get(model) or verb.score(model, loaded, protocol, report=report.inner())
            for model in models
        ]
        parcels = load_parcels(pooled) if pooled else None
        layer = f"map:{chosen}" if chosen else "nested"
        answer = regions(scores, recording=loaded, layer=layer, parcels=parcels)
    except BrainLensError as error:
        return Refused(str(error).rstrip("."))
    for one in scores:
        try:
            cortex[one.model] = brain_values(answer, one.model, loaded, parcels)
        except BrainLensError as error:
            cortex[one.model] = str(error)
    return answer, cortex
