"""Where in the model is the brain predicted?"""

from __future__ import annotations

import numpy as np
import panel_material_ui as pmui

from dashboards.controls import ModelPicker, ProtocolPicker, RecordingPicker
from dashboards.figures.spec import FigureSpec, Mark, Rule
from dashboards.lens import Lens, Picture, Task, View
from dashboards.scores import NOTES, ScoreTasks, example, stamps

__all__ = ["Layers"]

_HOVER = ("model", "layer", "r", "r_low", "r_high", "ceiling", "normalised", "n_stimuli", "source")
_CONTROLS = {"position+length": "position and length alone", "random-embedding": "random embedding"}


class Layers(Lens):
    """The score of every layer of the chosen models, as it is computed.

    Examples
    --------
    >>> Layers(models=["zoo-causal-400k"], recording="simulated").run(wait=True)  # doctest: +SKIP
    """

    slug, label, icon = "layers", "Layers", "stacked_line_chart"
    question = "Where in the model is the brain predicted?"
    watches = ("models", "recording", "preset", "changes", "scale")

    def make_controls(self) -> list:
        self.scores = ScoreTasks(self.selection)
        scale = pmui.RadioButtonGroup(
            label="Score",
            options={"Raw r": "raw", "Normalised": "normalised"},
            value=self.selection.scale,
            size="small",
            variant="outlined",
            sizing_mode="stretch_width",
            margin=(10, 0),
        )
        self.link(scale, "scale")
        return [RecordingPicker(self.selection), ModelPicker(self.selection), ProtocolPicker(self.selection), scale]

    def tasks(self) -> list[Task]:
        return self.scores.tasks(self.selection.models)

    def take(self, key: str, result: object, *, final: bool) -> None:
        self.scores.take(key, result, final=final)

    def view(self) -> View:
        from analysis.answers.layers import layers

        if not self.selection.models:
            return View(
                empty="Choose a model and a recording: every layer of the model is asked how well it predicts the recording.",
                action=("Show the built-in example", lambda: self.selection.param.update(**example())),
            )
        scores = self.scores.found(self.selection.models)
        if not scores and self.scores.looking(self.selection.models):
            failed = "It is not known what is stored: see the error above." if self.failed else ""
            return View(empty=failed or "Looking into the store ...")
        if not scores:
            return View(
                empty="Nothing is stored for this selection yet. Press Run (or the key r): layers appear as they are computed.",
                action=("Run", self.run),
            )
        answer = layers(scores)
        spec = profile(answer, scores, normalised=self.selection.scale == "normalised")
        if spec.empty:
            return View(empty=f"{answer.sentence} {answer.caption}")
        return View((Picture("Layers", spec, answer.frame, tuple(scores)),), stamps(scores), notes=NOTES)


def profile(answer, scores: list, *, normalised: bool) -> FigureSpec:
    """The figure of :func:`analysis.answers.layers`.

    Parameters
    ----------
    answer : Answer
    scores : list of Score
    normalised : bool
        Divide by the ceiling (where there is one); scores above 1 are flagged.
    """
    value, title = ("normalised", "Share of the ceiling") if normalised else ("r", answer.axes["y_title"])
    frame = answer.frame[answer.frame[value].notna()]
    marks = [Mark("line", frame, "depth", value, f"{value}_low", f"{value}_high", colour="model", hover=_HOVER)]
    if not normalised and "r_shuffled" in frame and frame["r_shuffled"].notna().any():
        marks.insert(0, Mark("line", frame, "depth", "r_shuffled", colour="model", name="shuffled folds", dashed=True))
    chosen = frame[frame["chosen"]]
    if len(chosen):
        marks.append(Mark("points", chosen, "depth", value, colour="model", hover=_HOVER, ringed=True))
    rules = [Rule("y", 0.0)]
    score = scores[0]
    if normalised:
        rules.append(Rule("y", 1.0, "ceiling"))
    else:
        rules += [
            Rule("y", row.r, f"{_CONTROLS[row.control]} {row.r:.2f}")
            for row in score.controls.itertuples()
            if row.control in _CONTROLS and np.isfinite(row.r)
        ]
        if np.isfinite(score.ceiling.value):
            rules.append(Rule("y", score.ceiling.value, f"ceiling {score.ceiling.value:.2f}", *_ends(score.ceiling)))
    return FigureSpec(
        Layers.question,
        tuple(marks),
        answer.axes["x_title"],
        title,
        tuple(rules),
        answer=answer.sentence,
        caption=answer.caption,
        stamp=score.stamp,
        flag_above=1.0 if normalised else None,
    )


def _ends(ceiling) -> tuple[float | None, float | None]:
    return (ceiling.low, ceiling.high) if np.isfinite(ceiling.low) and np.isfinite(ceiling.high) else (None, None)
