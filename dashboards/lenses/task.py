"""Does better next-word prediction mean a better brain score?"""

from __future__ import annotations

import numpy as np
import pandas as pd
import panel_material_ui as pmui

from dashboards.controls import ModelPicker, ProtocolPicker, RecordingPicker
from dashboards.figures.spec import FigureSpec, Mark
from dashboards.lens import Lens, Picture, View
from dashboards.look import heading, note
from dashboards.perplexities import TEXTS, TextTasks, unpredictive
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

OWN = {
    "Bits per byte": "bits-per-byte",
    "Bits per word": "bits-per-word",
    "Parameters": "parameters",
    "Features per layer": "width",
}


class Task(Lens):
    """Published scores of 43 models against perplexity, tasks or width; own scores beside them, on axes of their own."""

    slug, label, icon = "task", "Task", "scatter_plot"
    question = "Does better next-word prediction mean a better brain score?"
    watches = ("benchmark", "x", "clip", "own_x", "text", "models", "recording", "preset", "changes")

    def make_controls(self) -> list:
        self.scores, self.texts = ScoreTasks(self.selection), TextTasks()
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
        own_x = pmui.Select(
            label="Against",
            options=OWN,
            value=self.selection.own_x,
            sizing_mode="stretch_width",
            size="small",
            margin=(8, 0, 4, 0),
        )
        text = pmui.Select(
            label="Text", options=TEXTS, value=self.selection.text, sizing_mode="stretch_width", size="small", margin=(8, 0, 4, 0)
        )
        self.link(own_x, "own_x")
        self.link(text, "text")
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
            own_x,
            text,
            ProtocolPicker(self.selection),
        ]

    def tasks(self) -> list:
        wanted = self.scores.tasks(self.selection.models)
        if self.selection.own_x.startswith("bits"):  # only for models whose score is there: the score comes first
            ready = [score.model for score in self.scores.found(self.selection.models) if score.complete]
            wanted += self.texts.tasks(ready, self.selection.text)
        return wanted

    def take(self, key: str, result: object, *, final: bool) -> None:
        if not self.texts.take(key, result):
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
            table = self._own(scores)
            bits = choice.own_x.startswith("bits")
            own = own_task(table, x_title=_title(choice), y_title="Pearson r, held out", better=-1 if bits else 1, log=not bits)
            pictures.append(Picture("Your own", scatter(self.question, own, stamp=scores[0].stamp), own.frame, tuple(scores)))
        return View(tuple(pictures), stamps(scores), notes=(*PUBLISHED_NOTES, *(NOTES if scores else ())))

    def _own(self, scores: list) -> pd.DataFrame:
        """The table of :func:`analysis.answers.task.own_task`."""
        rows, choice = [], self.selection
        for score in scores:
            about, at = score.provenance["model"], score.table().set_index("layer").loc[score.chosen_layer]
            x, reason = self._x(score, about)
            rows.append(
                {
                    "model": score.model,
                    "family": about["family"] or score.model,
                    "x": x,
                    "y": score.value,
                    "low": at["r_low"],
                    "high": at["r_high"],
                    "layer": score.chosen_layer,
                    "width": about["width"],
                    "parameters": about["parameters"],
                    "recording": choice.recording,
                    "reason": reason,
                }
            )
        return pd.DataFrame(rows)

    def _x(self, score, about: dict) -> tuple[float, str]:
        """The number of one model, and why it is missing."""
        name = self.selection.own_x
        if not name.startswith("bits"):
            number = about[name]
            return (float(number), "") if number else (np.nan, f"{name} not known")
        found = self.texts.found(score.model, self.selection.text)
        if found is None:
            return np.nan, unpredictive(score.model) or f"{name.replace('-', ' ')} not computed yet"
        number = getattr(found, name.replace("-", "_"))
        return number, "" if np.isfinite(number) else f"the model scores whole words: no {name.replace('-', ' ')}"


def _title(choice) -> str:
    text = next(label for label, name in TEXTS.items() if name == choice.text)
    return {
        "bits-per-byte": f"Bits per byte ({text}; better to the right)",
        "bits-per-word": f"Bits per word ({text}; better to the right)",
        "parameters": "Parameters (log scale)",
        "width": "Features per layer (log scale)",
    }[choice.own_x]


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
