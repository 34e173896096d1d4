"""Which models are alike, and which is like the brain?"""

from __future__ import annotations

from functools import partial
from string import ascii_uppercase

import pandas as pd
import panel_material_ui as pmui

from analysis.answers.further_words import alike
from analysis.answers.model_map import model_map, shown_layers
from analysis.paper.methods_answers import beside
from analysis.progress import Report
from analysis.protocol import Protocol
from analysis.scoring.cost import Cost, downloads
from dashboards.figures.spec import FigureSpec, Mark, Rule
from dashboards.lens.controls import ModelPicker, ProtocolPicker, RecordingPicker
from dashboards.lens.lens import Computation, Lens, Picture, View
from dashboards.work import identity
from dashboards.work.ledger import Ledger, Wish

__all__ = ["Similarity"]

_NOTES = (
    ("value", "The measure between two layers, on the recording's stimuli; analysis.answers.model_map.model_map."),
    ("brain", "The same measure between a layer and the responses of all people together."),
    ("RSA, CKA, shape", "analysis.mapping.similarity and analysis.mapping.alignment; as scores of a model, held out and with "
     "intervals: protocol field method."),
)  # fmt: skip


class Similarity(Lens):
    """Every layer of the chosen models with every other, beside its similarity with the responses; nothing is fitted.

    Examples
    --------
    >>> Similarity(models=["zoo-causal-1m", "zoo-masked-1m"], recording="simulated").run(wait=True)  # doctest: +SKIP
    """

    slug, label, icon = "similarity", "Similarity", "hub"
    question = "Which models are alike, and which is like the brain?"
    watches = ("models", "recording", "preset", "changes", "alike")

    def make_controls(self) -> dict:
        self.maps = Ledger()
        measures = {"CKA, debiased": "cka", "RSA": "rsa", "Shape (rotation)": "shape"}
        measure = self.control(pmui.Select, "alike", "Measure", options=measures)
        return {
            "What": [ModelPicker(self.selection), RecordingPicker(self.selection)],
            "How": [measure, ProtocolPicker(self.selection)],
        }

    def _wish(self) -> Wish | None:
        choice = self.selection
        if not choice.models:
            return None
        models = list(choice.models)
        key = f"map:{choice.alike}|{identity.case(models, choice.recording, choice.protocol)}"
        work = partial(_map, models, choice.recording, choice.protocol, choice.alike)
        title = f"{len(models)} models on {choice.recording}"
        return Wish(
            key, title, work, cost=Cost(1, seconds=10.0 * len(models), downloads=downloads(*models))
        )

    def missing(self) -> list[Computation]:
        wish = self._wish()
        return self.maps.computations([wish]) if wish else []

    def show_example(self) -> None:
        """Choose models that ship, one that reads from left to right and one that sees both sides."""
        self.selection.models = ["zoo-causal-1m", "zoo-masked-1m"]

    def view(self) -> View:
        wish = self._wish()
        if wish is None:
            return View(
                empty="Choose two or more models: their layers are compared with each other and with the responses.",
                action=("Choose models that ship", self.show_example),
            )
        answer = self.maps.value(wish.key)
        if answer is None:
            return View(
                empty="Not compared yet. Press Run (or the key r).", action=("Run", self.run)
            )
        spec = cells(self.question, answer, answer.facts["stamp"])
        choice, between = self.selection, answer.facts["between"]
        asked = dict(models=list(choice.models), recording=choice.recording, mapped=False)
        paper = partial(beside, answer.caption, protocol=choice.protocol, **asked)
        common = {"python": _python(choice), "paper": paper}
        pictures = [Picture("Layers", spec, answer.frame, **common)]
        if len(between) > 1:
            pictures.append(Picture("Models", pairs(answer, spec.stamp), between, **common))
        return View(tuple(pictures), (spec.stamp,) if spec.stamp else (), notes=_NOTES)


def cells(title: str, answer, stamp: str = "") -> FigureSpec:
    """Layers below each other by their similarity with the responses, and cells with each other layer."""
    brain, matrix = answer.facts["brain"], answer.facts["matrix"]
    kept = shown_layers(list(zip(brain["model"], brain["layer"], strict=True)))
    frame = _lettered(brain).iloc[kept]
    left = f" {len(kept)} of {len(brain)} layers are drawn, evenly over depth; the table has all."
    left = left if len(kept) < len(brain) else ""
    models = ", ".join(dict.fromkeys(frame["letter"] + " " + frame["model"]))
    left = f" Cells: letter of the model ({models}) and layer.{left}"
    heat = matrix.iloc[kept, kept].set_axis(frame["entry"]).set_axis(frame["cell"], axis=1)
    return FigureSpec(
        title,
        (Mark("points", frame.fillna({"brain": 0.0}), "entry", "brain", colour="model", hover=("model", "layer", "brain")),),
        "",
        answer.axes["y_title"][:1].upper() + answer.axes["y_title"][1:],
        (Rule("y", 0.0),),
        answer=answer.sentence,
        caption=answer.caption + left,
        stamp=stamp,
        horizontal=True,
        heat=heat,
        heat_title=answer.axes["y_title"].partition(" with ")[0],
    )  # fmt: skip


def _lettered(brain: pd.DataFrame) -> pd.DataFrame:
    """Layers with the letter of their model (A is the first), what a column is called, and a row."""
    letters = {model: _letter(place) for place, model in enumerate(dict.fromkeys(brain["model"]))}
    frame = brain.assign(letter=brain["model"].map(letters))
    frame["cell"] = frame["letter"] + frame["layer"].astype(str)
    return frame.assign(entry=frame["model"] + " " + frame["cell"])


def _letter(place: int) -> str:
    """A to Z, then AA, AB and so on.

    Examples
    --------
    >>> _letter(0), _letter(25), _letter(26)
    ('A', 'Z', 'AA')
    """
    return (_letter(place // 26 - 1) if place >= 26 else "") + ascii_uppercase[place % 26]


def pairs(answer, stamp: str = "") -> FigureSpec:
    """Pairs of models, the most similar first."""
    frame = answer.facts["between"].sort_values("value", ascending=False)
    frame = frame.assign(entry=frame["first"] + " and " + frame["second"])
    return FigureSpec(
        "Which two models are most alike?",
        (Mark("points", frame, "entry", "value", hover=("first", "second", "value")),),
        "",
        answer.axes["y_title"].partition(" with ")[0],
        (Rule("y", 0.0), Rule("y", 1.0)),
        answer=alike(frame),
        caption="Mean over layers of the other model's most similar layer, both ways.",
        stamp=stamp,
        horizontal=True,
    )


def _map(models: list[str], recording: str, protocol: Protocol, measure: str, report: Report):
    return model_map(models, recording, protocol, measure=measure, report=report)


def _python(choice) -> str:
    changes = ", ".join(f"{name}={value!r}" for name, value in choice.changes.items())
    protocol = f"preset({choice.preset!r})" + (f".but({changes})" if changes else "")
    return "\n".join([
        '"""Made by BrainLens: every layer with every other layer and with the responses."""',
        "",
        "from analysis import preset",
        "from analysis.answers.model_map import model_map",
        "",
        f"answer = model_map({list(choice.models)!r}, {choice.recording!r}, {protocol}, measure={choice.alike!r})",
        "print(answer.sentence)",
        "print(answer.caption)",
        'answer.frame.to_csv("map.csv", index=False)',
        "",
    ])  # fmt: skip
