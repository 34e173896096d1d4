"""Does better next-word prediction mean a better brain score?"""

from __future__ import annotations

import pandas as pd
import panel_material_ui as pmui

from dashboards.controls import ModelPicker, ProtocolPicker, RecordingPicker
from dashboards.figures.spec import FigureSpec, Mark
from dashboards.lens import Lens, Picture, View
from dashboards.look import heading, note
from dashboards.scores import NOTES, PUBLISHED_NOTES, ScoreTasks, stamps

__all__ = ["Task", "scatter"]

BENCHMARKS = {
    "Mean of the three neural benchmarks": "neural",
    "Pereira 2018 (fMRI, sentences)": "pereira2018",
    "Fedorenko 2016 (ECoG, words)": "fedorenko2016",
    "Blank 2014 (fMRI, stories)": "blank2014",
    "Futrell 2018 (reading times)": "futrell2018",
}
MEASURES = {
    "Perplexity, log scale": "log-perplexity",
    "Perplexity": "perplexity",
    "GLUE": "glue",
    "Features per layer, log scale": "log-width",
    "Features per layer": "width",
    "Neural benchmarks": "neural",
    "Reading times": "futrell2018",
}


class Task(Lens):
    """Published scores of 43 models against perplexity, tasks or width; own scores beside them, on axes of their own."""

    slug, label, icon = "task", "Task", "scatter_plot"
    question = "Does better next-word prediction mean a better brain score?"
    watches = ("benchmark", "x", "clip", "models", "recording", "preset", "changes")

    def make_controls(self) -> list:
        self.scores = ScoreTasks(self.selection)
        benchmark = pmui.Select(
            label="Score (published)",
            options=BENCHMARKS,
            value=self.selection.benchmark,
            sizing_mode="stretch_width",
            size="small",
            margin=(8, 0, 4, 0),
        )
        x = pmui.Select(
            label="Against",
            options=MEASURES,
            value=self.selection.x,
            sizing_mode="stretch_width",
            size="small",
            margin=(8, 0, 4, 0),
        )
        clip = pmui.Switch(label="Clip at 1, the paper's rule", value=self.selection.clip, margin=(4, 0))
        self.link(benchmark, "benchmark")
        self.link(x, "x")
        self.link(clip, "clip")
        return [
            heading("Published: 43 models", "overline", margin=(6, 0, 0, 0)),
            benchmark,
            x,
            clip,
            heading("Your own scores", "overline", margin=(16, 0, 0, 0)),
            note("Beside the published ones, on axes of their own.", margin=(0, 0, 2, 0)),
            ModelPicker(self.selection),
            RecordingPicker(self.selection),
            ProtocolPicker(self.selection),
        ]

    def tasks(self) -> list:
        return self.scores.tasks(self.selection.models)

    def take(self, key: str, result: object, *, final: bool) -> None:
        self.scores.take(key, result, final=final)

    def view(self) -> View:
        from analysis.answers.task import own_task, task
        from analysis.methods import python_answer

        choice = self.selection
        published = task(choice.benchmark, choice.x, clip=choice.clip)
        pictures = [
            Picture(
                "Published",
                scatter(self.question, published, flag_above=1.0),
                published.frame,
                published=("schrimpf2021",),
                python=python_answer("task", benchmark=choice.benchmark, x=choice.x, clip=choice.clip),
            )
        ]
        scores = [score for score in self.scores.found(choice.models) if score.complete]
        if scores:
            table, title, better = _own(scores, choice.x)
            own = own_task(table, x_title=title, y_title="Pearson r, held out", better=better, log=choice.x.startswith("log-"))
            pictures.append(Picture("Your own", scatter(self.question, own, stamp=scores[0].stamp), own.frame, tuple(scores)))
        return View(tuple(pictures), stamps(scores), notes=(*PUBLISHED_NOTES, *(NOTES if scores else ())))


def scatter(title: str, answer, *, stamp: str = "", flag_above: float | None = None) -> FigureSpec:
    """The figure of a score-task answer: points, fitted line with its band."""
    frame = answer.frame
    hover = tuple(column for column in ("model", "family", "x", "y", "low", "high", "width") if column in frame)
    marks = []
    if len(answer.fit):
        marks.append(Mark("line", answer.fit, "x", "y", "low", "high", name="fit, 95 %", muted=True))
    ends = ("low", "high") if {"low", "high"} <= set(frame) else (None, None)
    marks.append(Mark("points", frame, "x", "y", *ends, colour="model", label="model", hover=hover))
    return FigureSpec(
        title,
        tuple(marks),
        answer.axes["x_title"],
        answer.axes["y_title"],
        log_x=answer.axes["log_x"],
        invert_x=answer.axes["invert_x"],
        answer=answer.sentence,
        caption=answer.caption,
        stamp=stamp,
        flag_above=flag_above,
    )


def _own(scores: list, x: str) -> tuple[pd.DataFrame, str, int]:
    """The table of :func:`analysis.answers.own_task`, the title of its x axis, and whether more is better."""
    rows = []
    for score in scores:
        about, at = score.provenance["model"], score.table().set_index("layer").loc[score.chosen_layer]
        rows.append(
            {
                "model": score.model,
                "family": about["family"] or score.model,
                "y": score.value,
                "low": at["r_low"],
                "high": at["r_high"],
                "width": about["width"],
                "x": float(about["width"]),
                "reason": "",
            }
        )
    return pd.DataFrame(rows), "Features per layer", 1
