"""Does better next-word prediction mean a better brain score?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import panel_material_ui as pmui

from analysis.answers.hadidi import CONTROLS
from dashboards.controls import ModelPicker, ProtocolPicker, RecordingPicker
from dashboards.figures.spec import FigureSpec, Mark, Rule
from dashboards.lens import Lens, Picture, View
from dashboards.look import heading, note
from dashboards.perplexities import TextTasks, texts, unpredictive
from dashboards.scores import NOTES, PUBLISHED_NOTES, ScoreTasks, stamps, unscorable
from data.errors import BrainLensError

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

TABLES = {"Schrimpf et al. 2021 (43 models)": "schrimpf2021", "Hadidi et al. 2025 (two kinds of folds)": "hadidi2025"}
OWN = {
    "Bits per byte": "bits-per-byte",
    "Bits per word": "bits-per-word",
    "Read-out perplexity": "readout",
    "Parameters": "parameters",
    "Year": "year",
    "Features per layer": "width",
}


class Task(Lens):
    """Published scores of 43 models against perplexity, tasks or width; own scores beside them, on axes of their own."""

    slug, label, icon = "task", "Task", "scatter_plot"
    question = "Does better next-word prediction mean a better brain score?"
    watches = ("tables", "pooling", "benchmark", "x", "clip", "own_x", "text", "scale", "layer", "models", "recording", "preset",
               "changes")  # fmt: skip

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
        small = dict(sizing_mode="stretch_width", size="small", margin=(8, 0, 4, 0))
        self._labels = texts()
        self._text = pmui.AutocompleteInput(
            label="Text",
            options=list(self._labels),
            value=self._label(self.selection.text),
            restrict=False,
            min_characters=0,
            search_strategy="includes",
            description="A text of the list, a recording, or the path of a text file",
            **small,
        )
        self._text.param.watch(self._named_text, "value")
        self.selection.param.watch(lambda event: setattr(self._text, "value", self._label(event.new)), "text")
        scale = pmui.RadioButtonGroup(
            label="Score", options={"Raw r": "raw", "Normalised": "normalised"}, value=self.selection.scale,
            **(small | {"margin": (10, 0)}),
        )  # fmt: skip
        layer = pmui.TextInput(
            label="Layer",
            value=self.selection.layer,
            placeholder="chosen on inner folds",
            description="Empty: chosen on inner folds. A number (-1: the last) or a depth such as 0.67 commits beforehand",
            **small,
        )
        tables = pmui.MultiChoice(
            label="Published tables", options=TABLES, value=self.selection.tables, margin=(8, 0, 4, 0),
            sizing_mode="stretch_width",
        )  # fmt: skip
        pooling = pmui.Select(
            label="Tokens pooled by (Hadidi et al.)", options=["last", "mean", "sum"], value=self.selection.pooling, **small
        )
        self.link(own_x, "own_x")
        self.link(scale, "scale")
        self.link(layer, "layer")
        self.link(tables, "tables")
        self.link(pooling, "pooling")
        self.link(benchmark, "benchmark")
        self.link(x, "x")
        self.link(clip, "clip")
        return [
            heading("Published", "overline", margin=(6, 0, 0, 0)),
            tables,
            benchmark,
            x,
            clip,
            pooling,
            heading("Your own scores", "overline", margin=(16, 0, 0, 0)),
            note("Beside the published ones, on axes of their own.", margin=(0, 0, 2, 0)),
            ModelPicker(self.selection),
            RecordingPicker(self.selection),
            own_x,
            self._text,
            scale,
            layer,
            ProtocolPicker(self.selection),
        ]

    def _label(self, text: str) -> str:
        return next((label for label, name in self._labels.items() if name == text), text)

    def _named_text(self, event) -> None:
        if event.new:
            self.selection.text = self._labels.get(event.new, event.new)

    def tasks(self) -> list:
        choice, wanted = self.selection, self.scores.tasks(self.selection.models)
        if choice.own_x in _READ_FROM_TEXT:  # only for models whose score is there: the score comes first
            ready = [score.model for score in self.scores.found(choice.models) if score.complete]
            wanted += self.texts.tasks(ready, choice.text, readout=choice.own_x == "readout")
        return wanted

    def take(self, key: str, result: object, *, final: bool) -> None:
        if not self.texts.take(key, result):
            self.scores.take(key, result, final=final)

    def view(self) -> View:
        choice, pictures = self.selection, []
        if "schrimpf2021" in choice.tables:
            pictures.append(self._schrimpf())
        if "hadidi2025" in choice.tables:
            pictures.append(self._hadidi())
        scores = [score for score in self.scores.found(choice.models) if score.complete]
        if scores:
            pictures.append(self._own_picture(scores))
        if not pictures:
            show = ("Show the published models", lambda: self.selection.param.update(tables=["schrimpf2021"]))
            return View(empty="Choose a published table, or models and a recording of your own.", action=show)
        return View(tuple(pictures), stamps(scores), notes=(*PUBLISHED_NOTES, *(NOTES if scores else ())))

    def _schrimpf(self) -> Picture:
        from analysis.answers.task import task
        from analysis.methods import python_answer

        choice = self.selection
        published = task(choice.benchmark, choice.x, clip=choice.clip)
        return Picture(
            "Published" if len(choice.tables) == 1 else "Published, Schrimpf et al. 2021",
            scatter(self.question, published, flag_above=1.0),
            published.frame,
            published=("schrimpf2021",),
            python=python_answer("task", benchmark=choice.benchmark, x=choice.x, clip=choice.clip),
        )

    def _hadidi(self) -> Picture:
        from analysis.answers.hadidi import RECORDINGS, hadidi
        from analysis.methods import python_answer

        choice = self.selection
        held = choice.benchmark in RECORDINGS
        name = choice.benchmark if held else RECORDINGS[0]
        answer = hadidi(name, pooling=choice.pooling)
        return Picture(
            "Published, Hadidi et al. 2025",
            two_folds(answer, "" if held else f"The table does not hold the benchmark chosen beside it: {name} is shown."),
            answer.frame,
            published=("hadidi2025",),
            python=python_answer("hadidi", benchmark=name, pooling=choice.pooling),
        )

    def _own_picture(self, scores: list) -> Picture:
        from analysis.answers.task import own_task

        choice, how = self.selection, _AXES[self.selection.own_x]
        share = choice.scale == "normalised"
        text = self._label(choice.text)
        rule = [f"Held out: {scores[0].provenance['folds']}."]
        rule.append(f"Layer {choice.layer}, committed to beforehand." if choice.layer else "Layer: chosen on inner folds.")
        if choice.own_x == "readout":
            rule.append("A read-out predicts each model's own tokens: only models with one tokenizer can be compared.")
        own = own_task(
            self._own(scores),
            x_title=how.title.format(text=text),
            y_title="Share of the ceiling" if share else "Pearson r, held out",
            better=how.better,
            log=how.log,
            rule=" ".join(rule),
        )
        spec = scatter(self.question, own, stamp=scores[0].stamp, flag_above=1.0 if share else None)
        return Picture("Your own", spec, own.frame, tuple(scores))

    def _own(self, scores: list) -> pd.DataFrame:
        """The table of :func:`analysis.answers.task.own_task`."""
        from analysis.answers.task import committed

        rows, choice = [], self.selection
        y = "normalised" if choice.scale == "normalised" else "r"
        for score in scores:
            about = score.provenance["model"]
            x, reason = self._x(score, about)
            try:
                at = committed(score, choice.layer)
            except BrainLensError as error:
                at, reason = dict.fromkeys(("layer", y, f"{y}_low", f"{y}_high"), np.nan), str(error.problem)
            if not reason and not np.isfinite(at[y]):
                reason = f"no ceiling: {score.ceiling.flag}" if y == "normalised" else "no score"
            rows.append(
                {
                    "model": score.model,
                    "family": about["family"] or score.model,
                    "x": x,
                    "y": at[y],
                    "low": at[f"{y}_low"],
                    "high": at[f"{y}_high"],
                    "layer": at["layer"],
                    "width": about["width"],
                    "parameters": about["parameters"],
                    "recording": choice.recording,
                    "reason": reason,
                }
            )
        known = dict.fromkeys(("x", "y", "low", "high", "layer", "width", "parameters"), np.nan)
        for model in choice.models:
            if reason := unscorable(model):
                rows.append({"model": model, "family": model, "recording": choice.recording, "reason": reason, **known})
        return pd.DataFrame(rows)

    def _x(self, score, about: dict) -> tuple[float, str]:
        """The number of one model, and why it is missing."""
        name = self.selection.own_x
        if name not in _READ_FROM_TEXT:
            number = _year(score.model) if name == "year" else about[name]
            return (float(number), "") if number else (np.nan, f"{name} not known")
        readout = name == "readout"
        found = self.texts.found(score.model, self.selection.text, readout=readout)
        said = "read-out perplexity" if readout else name.replace("-", " ")
        if found is None:
            return np.nan, unpredictive(score.model, readout=readout) or f"{said} not computed yet"
        number = found.perplexity if readout else getattr(found, name.replace("-", "_"))
        return number, "" if np.isfinite(number) else f"the model scores whole words: no {said}"


@dataclass(frozen=True)
class _Axis:
    """What an own number is called, which way is better, and whether it is drawn on a log scale."""

    title: str
    better: int = 1
    log: bool = False


_NAMED = 5  # models named at either end of a crowded cloud
_READ_FROM_TEXT = ("bits-per-byte", "bits-per-word", "readout")
_AXES = {
    "bits-per-byte": _Axis("Bits per byte ({text}; better to the right)", -1),
    "bits-per-word": _Axis("Bits per word ({text}; better to the right)", -1),
    "readout": _Axis("Read-out perplexity ({text}; log scale, better to the right)", -1, True),
    "parameters": _Axis("Parameters (log scale)", 1, True),
    "year": _Axis("Year of publication"),
    "width": _Axis("Features per layer (log scale)", 1, True),
}


def _year(model: str) -> int | None:
    from analysis.models.catalog import card

    return card(model).year


def two_folds(answer, note: str = "") -> FigureSpec:
    """The figure of :func:`analysis.answers.hadidi.hadidi`: contiguous against shuffled folds, with the controls."""
    hover = ("model", "family", "x", "y", "x_error", "error", "kept")
    controls = answer.facts["controls"].assign(words=lambda table: table["model"].map(CONTROLS))
    ends = answer.frame["y"].rank(method="first")
    named = (ends <= _NAMED) | (ends > len(ends) - _NAMED)  # 45 names in one cloud cannot be read
    frame = answer.frame.assign(words=answer.frame["model"].where(named, ""))
    marks = (
        Mark("points", frame, "x", "y", "low", "high", colour="model", label="words", hover=hover),
        Mark("points", controls, "x", "y", "low", "high", label="words", hover=hover, name="controls", ringed=True),
    )
    return FigureSpec(
        "What is left of a score when neighbours are held out together?",
        marks,
        answer.axes["x_title"],
        answer.axes["y_title"],
        (Rule("xy"), Rule("y", 0.0)),
        answer=answer.sentence,
        caption=f"{answer.caption} {note}".strip(),
    )


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
