"""Where in the model is the brain predicted?"""

from __future__ import annotations

import json

import pandas as pd

from dashboards.controls import ModelPicker, ProtocolPicker, RecordingPicker
from dashboards.figures.spec import FigureSpec, Mark, Rule
from dashboards.lens import Lens, View
from dashboards.scores import ScoreTasks

__all__ = ["Layers"]


class Layers(Lens):
    """The score of every layer of the chosen models, as it is computed.

    Examples
    --------
    >>> lens = Layers(models=["zoo-causal-400k"], recording="simulated").run(wait=True)  # doctest: +SKIP
    """

    slug, label, icon = "layers", "Layers", "stacked_line_chart"
    question = "Where in the model is the brain predicted?"
    watches = ("models", "recording", "preset", "changes")

    def make_controls(self) -> list:
        self.scores = ScoreTasks(self.selection)
        return [RecordingPicker(self.selection), ModelPicker(self.selection), ProtocolPicker(self.selection)]

    def tasks(self):
        return self.scores.tasks(self.selection.models)

    def take(self, key, result, *, final):
        self.scores.take(key, result, final=final)

    def view(self) -> View:
        scores = self.scores.found(self.selection.models)
        if not scores:
            return View(empty="x")
        frame = pd.concat([score.table() for score in scores], ignore_index=True)
        marks = (Mark("line", frame, "depth", "r", "r_low", "r_high", colour="model"),)
        rules = tuple(Rule("y", s.ceiling.value, "ceiling") for s in scores[:1] if s.ceiling.value == s.ceiling.value)
        spec = FigureSpec(self.question, marks, "Relative depth", "r", rules, answer=" ".join(s.sentence() for s in scores),
                          caption=json.dumps([s.provenance["folds"] for s in scores]), stamp=scores[0].stamp)
        return View(spec, frame)
