"""Does better next-word prediction mean a better brain score?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np
import pandas as pd
import panel_material_ui as pmui
import param

from analysis.answers.answer import decimal, interval
from analysis.answers.hadidi import CONTROLS, RECORDINGS, hadidi
from analysis.answers.live_tasks import live_tasks, told
from analysis.answers.task import FEWEST, committed, own_task, task, tokenizers
from analysis.answers.tiles import tiles
from analysis.models.catalog import card
from analysis.paper.code import python_answer
from analysis.paper.methods_answers import beside
from analysis.scoring.summary import statistic
from dashboards.figures.spec import FigureSpec, Mark, Rule
from dashboards.figures.tasks import parts_of, task_code
from dashboards.lens.controls import ModelPicker, ProtocolPicker, RecordingPicker, ScalePicker
from dashboards.lens.lens import Computation, Lens, Picture, View
from dashboards.lens.sidebar import put_in_use
from dashboards.state import Words
from dashboards.work.score_computations import NOTES, PUBLISHED_NOTES, Scores, stamps
from dashboards.work.task_computations import TaskReadings
from dashboards.work.text_computations import TextReadings, texts
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

TABLES = {
    "Schrimpf et al. 2021 (43 models)": "schrimpf2021",
    "Hadidi et al. 2025 (two kinds of folds)": "hadidi2025",
}
OWN = {
    "Bits per byte": "bits-per-byte",
    "Bits per word": "bits-per-word",
    "Native token perplexity (only within one tokenizer)": "perplexity",
    "Read-out perplexity": "readout",
    "Task score (SyntaxGym, GLUE, pairs, own table)": "task",
    "Parameters": "parameters",
    "Year": "year",
    "Features per layer": "width",
}


class Task(Lens):
    """Published scores of 43 models against perplexity, tasks or width; own scores beside them, on axes of their own."""

    slug, label, icon = "task", "Task", "scatter_plot"
    question = "Does better next-word prediction mean a better brain score?"
    fields: ClassVar[Mapping[str, param.Parameter]] = {
        "folder": Words("", doc="Folder of GLUE's files; empty: the mirror, or data/glue."),
    }
    watches = (
        "tables",
        "pooling",
        "benchmark",
        "x",
        "clip",
        "own_x",
        "text",
        "task",
        "folder",
        "scale",
        "layer",
        "models",
        "recording",
        "preset",
        "changes",
    )

    def make_controls(self) -> dict:
        self.scores, self.texts, self.tasks = Scores(self.selection), TextReadings(), TaskReadings()
        benchmark = self.control(pmui.Select, "benchmark", "Score (published)", options=BENCHMARKS)
        x = self.control(pmui.Select, "x", "Against", options=MEASURES)
        clip = self.control(pmui.Switch, "clip", "Clip at 1, the paper's rule")
        own_x = self.control(pmui.Select, "own_x", "Against", options=OWN)
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
        self.selection.param.watch(
            lambda event: setattr(self._text, "value", self._label(event.new)), "text"
        )
        layer = self.control(
            pmui.TextInput,
            "layer",
            "Layer",
            placeholder="chosen on inner folds",
            description="Empty: chosen on inner folds. A number (-1: the last) or a depth such as 0.67 commits beforehand",
        )
        tables = self.control(pmui.MultiChoice, "tables", "Published tables", options=TABLES)
        pooling = self.control(
            pmui.Select,
            "pooling",
            "Tokens pooled by (Hadidi et al.)",
            options=["last", "mean", "sum"],
        )
        self._task = pmui.TextInput(
            label="Task",
            value=self.selection.task,
            placeholder="syntaxgym",
            description="syntaxgym, syntaxgym:SUITE, glue:SET, pairs:FILE or table:FILE; drawn against the task score",
            **small,
        )
        self._task.param.watch(
            self._typed_task, "value"
        )  # before the link: the old one still stands
        self.link(self._task, "task")
        folder = self.control(
            pmui.TextInput,
            "folder",
            "Folder of GLUE's files",
            placeholder="glue in the data folder",
            description="Holds a folder for each set, as on the hub (sst2) or as the benchmark gives it out (SST-2)",
        )

        def follow(*_) -> None:
            put_in_use(folder, self._on_glue())

        self.selection.param.watch(follow, ["task", "own_x"])
        follow()
        return {
            "Published": [tables, benchmark, x, clip, pooling],
            "Your own": [ModelPicker(self.selection), RecordingPicker(self.selection)],
            "How": [ProtocolPicker(self.selection), layer],
            "View": [own_x, self._text, self._task, folder, ScalePicker(self.selection)],
        }

    def _typed_task(self, event) -> None:
        """A task that is typed is shown; one that a link brings says itself what it is drawn against."""
        if event.new and event.new != self.selection.task:
            self.selection.own_x = "task"

    def _label(self, text: str) -> str:
        return next((label for label, name in self._labels.items() if name == text), text)

    def _named_text(self, event) -> None:
        if event.new:
            self.selection.text = self._labels.get(event.new, event.new)

    def missing(self) -> list[Computation]:
        choice, wanted = self.selection, self.scores.missing(self.selection.models)
        if (
            choice.own_x in _READ_FROM_TEXT
        ):  # only for models whose score is there: the score comes first
            ready = [score.model for score in self.scores.found(choice.models) if score.complete]
            wanted += self.texts.missing(ready, choice.text, readout=choice.own_x == "readout")
        if choice.own_x == "task":  # a task needs no score
            wanted += self.tasks.missing(choice.models, *self._asked())
        return wanted

    def _on_glue(self) -> bool:
        """Whether what is asked for is read from GLUE's files."""
        return self.selection.own_x == "task" and self.selection.task.strip().startswith("glue")

    def _asked(self) -> tuple:
        """The task, how sentences become features of a head, and where GLUE's files are."""
        choice = self.selection
        folder = choice.folder.strip() if self._on_glue() else ""
        return choice.task or "syntaxgym", choice.protocol, choice.layer, folder

    def view(self) -> View:
        choice, pictures, strips = self.selection, [], []
        if "schrimpf2021" in choice.tables:
            cloud, *strips = self._schrimpf()
            pictures.append(cloud)
        if "hadidi2025" in choice.tables:
            pictures.append(self._hadidi())
        scores = [score for score in self.scores.found(choice.models) if score.complete]
        if scores:
            cloud, *more = self._own_picture(scores)
            pictures.insert(0, cloud)  # what is asked of one's own comes first
            strips += more
        if choice.own_x == "task":
            at = (
                len(scores) >= FEWEST
            )  # fewer have no correlation to tell: the task itself comes first
            pictures[at:at] = self._task_pictures()
        pictures += strips
        refused = self._refused()
        if not pictures:
            if refused:
                return View(empty=refused)
            show = (
                "Show the published models",
                lambda: self.selection.param.update(tables=["schrimpf2021"]),
            )
            return View(
                empty="Choose a published table, or models and a recording of your own.",
                action=show,
            )
        return View(
            tuple(pictures),
            stamps(scores),
            notes=(*PUBLISHED_NOTES, *(NOTES if scores else ())),
            tiles=tuple(tiles(scores)),
            verdict=refused,
        )

    def _refused(self) -> str:
        """Why nobody did the task that is asked for, once that is known; empty where somebody did or may still do it."""
        choice = self.selection
        if choice.own_x != "task" or not choice.models:
            return ""
        reasons = self.tasks.refusals(list(choice.models), *self._asked())
        if len(reasons) < len(choice.models):
            return ""
        if len(set(reasons.values())) == 1:
            why = reasons[choice.models[0]]
        else:
            why = "; ".join(f"{model}: {reason}" for model, reason in reasons.items())
        return f"Nothing was run on {told(self._asked()[0])}: {why}"

    def _schrimpf(self) -> list[Picture]:
        choice = self.selection
        published = task(choice.benchmark, choice.x, clip=choice.clip)
        made = dict(
            published=("schrimpf2021",),
            python=python_answer("task", benchmark=choice.benchmark, x=choice.x, clip=choice.clip),
        )
        label = "Published" if len(choice.tables) == 1 else "Published, Schrimpf et al. 2021"
        cloud = Picture(
            label, scatter(self.question, published, flag_above=1.0), published.frame, **made
        )
        strip = without_families(published)
        return [
            cloud,
            Picture(f"{label}: without one family", strip, published.facts["without"], **made),
        ]

    def _hadidi(self) -> Picture:
        choice = self.selection
        held = choice.benchmark in RECORDINGS
        name = choice.benchmark if held else RECORDINGS[0]
        answer = hadidi(name, pooling=choice.pooling)
        return Picture(
            "Published, Hadidi et al. 2025",
            two_folds(
                answer,
                ""
                if held
                else f"The table does not hold the benchmark chosen beside it: {name} is shown.",
            ),
            answer.frame,
            published=("hadidi2025",),
            python=python_answer("hadidi", benchmark=name, pooling=choice.pooling),
        )

    def _task_pictures(self) -> list[Picture]:
        """Every part of the task, model by model; nothing where no model was run on it."""
        choice = self.selection
        found = [self.tasks.found(model, *self._asked()) for model in choice.models]
        found = [one for one in found if one is not None]
        if not found:
            return []
        answer = live_tasks(found)
        why = [
            f"{model}: {self.tasks.without(model, *self._asked(), held=self.desk.held)}"
            for model in choice.models
            if self.tasks.found(model, *self._asked()) is None
        ]
        left = f" Left out: {'; '.join(why)}." if why else ""
        paper = partial(beside, answer.caption, models=[one.model for one in found])
        code = task_code(choice)
        return [Picture("The task", parts_of(answer, left), answer.frame, python=code, paper=paper)]

    def _own_picture(self, scores: list) -> list[Picture]:
        choice, how = self.selection, _AXES[self.selection.own_x]
        share = choice.scale == "normalised"
        text, table = self._label(choice.text), self._own(scores)
        rule = [f"Held out: {scores[0].provenance['folds']}.", _layer_rule(scores, choice.layer)]
        if choice.own_x in _IN_TOKENS:
            rule.append(f"{_IN_TOKENS[choice.own_x]} {self._tokenizers(scores, table)}".rstrip())
        own = own_task(
            table,
            x_title=how.title.format(text=told(choice.task) if choice.own_x == "task" else text),
            y_title="Share of the ceiling" if share else statistic(scores[0].protocol),
            better=how.better,
            log=how.log,
            rule=" ".join(rule),
        )
        spec = scatter(self.question, own, stamp=scores[0].stamp, flag_above=1.0 if share else None)
        pictures = [Picture("Your own", spec, own.frame, tuple(scores))]
        if len(own.facts["without"]):
            strip = without_families(own, stamp=scores[0].stamp)
            table = own.facts["without"]
            pictures.append(Picture("Your own: without one family", strip, table, tuple(scores)))
        return pictures

    def _own(self, scores: list) -> pd.DataFrame:
        """The table of :func:`analysis.answers.task.own_task`: every chosen model, with the reason where it has no number."""
        rows, choice = [], self.selection
        y = "normalised" if choice.scale == "normalised" else "r"
        for score in scores:
            about = score.provenance["model"]
            x, reason = self._x(score, about)
            try:
                at = committed(score, choice.layer)
            except BrainLensError as error:
                at, reason = (
                    dict.fromkeys(("layer", y, f"{y}_low", f"{y}_high"), np.nan),
                    str(error.problem),
                )
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
                    "ceiling": score.ceiling.value,
                    "n_stimuli": score.provenance["recording"]["n_stimuli"],
                    "width": about["width"],
                    "parameters": about["parameters"],
                    "recording": choice.recording,
                    "source": "stored" if score.cached else "fresh",
                    "reason": reason,
                }
            )
        words = ("model", "family", "recording", "source", "reason")
        known = {name: np.nan for name in rows[0] if name not in words}
        for model, reason in self.scores.without(choice.models, self.desk.held).items():
            rows.append(
                known
                | {
                    "model": model,
                    "family": model,
                    "recording": choice.recording,
                    "source": "",
                    "reason": reason,
                }
            )
        return pd.DataFrame(rows)

    def _tokenizers(self, scores: list, table: pd.DataFrame) -> str:
        """Whether the models that are drawn share a tokenizer."""
        drawn, choice = (
            set(table.loc[table["x"].notna() & table["y"].notna(), "model"]),
            self.selection,
        )
        found = []
        for score in scores:
            if score.model in drawn:
                read = self.texts.found(score.model, choice.text)
                tokens = None if read is None else read.tokens + read.left_out
                found.append((score.model, score.provenance["model"]["tokenizer_hash"], tokens))
        return tokenizers(found)

    def _x(self, score, about: dict) -> tuple[float, str]:
        """The number of one model, and why it is missing."""
        name, text = self.selection.own_x, self.selection.text
        if name == "task":
            done = self.tasks.found(score.model, *self._asked())
            if done is not None:
                return done.score, ""
            return np.nan, self.tasks.without(score.model, *self._asked(), held=self.desk.held)
        if name not in _READ_FROM_TEXT:
            number = _year(score.model) if name == "year" else about[name]
            return (float(number), "") if number else (np.nan, f"{name} not known")
        readout = name == "readout"
        found = self.texts.found(score.model, text, readout=readout)
        said = {"readout": "read-out perplexity", "perplexity": "token perplexity"}.get(
            name, name.replace("-", " ")
        )
        if found is None:
            return (
                np.nan,
                f"{said}: {self.texts.without(score.model, text, self.desk.held, readout=readout)}",
            )
        column = {"readout": "perplexity", "perplexity": "token_perplexity"}.get(
            name, name.replace("-", "_")
        )
        number = getattr(found, column)
        return number, "" if np.isfinite(number) else f"the model scores whole words: no {said}"


@dataclass(frozen=True)
class _Axis:
    """What an own number is called, which way is better, and whether it is drawn on a log scale."""

    title: str
    better: int = 1
    log: bool = False


_NAMED = 5  # models named at either end of a crowded cloud
_READ_FROM_TEXT = ("bits-per-byte", "bits-per-word", "perplexity", "readout")
_IN_TOKENS = {
    "perplexity": "Perplexity per token compares only models that cut a text into the same tokens.",
    "readout": "A read-out predicts each model's own tokens: only models with one tokenizer can be compared.",
}
_AXES = {
    "bits-per-byte": _Axis("Bits per byte ({text}; better to the right)", -1),
    "bits-per-word": _Axis("Bits per word ({text}; better to the right)", -1),
    "perplexity": _Axis(
        "Native token perplexity ({text}; log scale, better to the right)", -1, True
    ),
    "readout": _Axis("Read-out perplexity ({text}; log scale, better to the right)", -1, True),
    "task": _Axis("Score on {text}"),
    "parameters": _Axis("Parameters (log scale)", 1, True),
    "year": _Axis("Year of publication"),
    "width": _Axis("Features per layer (log scale)", 1, True),
}


def _layer_rule(scores: list, layer: str) -> str:
    """How the layer was found, and what a whisker is then an interval of."""
    if layer:
        return f"Layer {layer}, committed to beforehand."
    how = scores[0].protocol.layer
    if how != "nested":
        return {"max": "Layer: the best one on the reported data.", "last": "Layer: the last."}[how]
    if all(len(score.layers) == 1 for score in scores):
        return "One layer each."
    return "Layer: chosen on inner folds. A point takes the layer chosen in each fold, and its whisker is of exactly that."


def _year(model: str) -> int | None:
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
        Mark(
            "points",
            controls,
            "x",
            "y",
            "low",
            "high",
            label="words",
            hover=hover,
            name="controls",
            ringed=True,
        ),
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


def without_families(answer, *, stamp: str = "") -> FigureSpec:
    """The correlation with all models, and without each family in turn: what a single family carries."""
    found, rest = answer.correlation, answer.facts["without"]
    names = ("n", "r", "low", "high", "rho", "rho_low", "rho_high")
    every = pd.DataFrame([{"family": "all"} | {name: getattr(found, name) for name in names}])
    hover = ("family", *names)
    if rest.empty:
        said = "A single family cannot be left out of these few."
    else:
        least = rest.loc[(rest["r"] * np.sign(found.r)).idxmin()]
        both = "both" if found.claim else "do not both"
        weakest = " ".join(
            filter(None, [decimal(least["r"]), interval(least["low"], least["high"])])
        )
        said = (
            f"With all models, the intervals of r and of the rank r {both} leave out 0; leaving out the {least['family']} family "
            f"weakens r most, to {weakest}."
        )
    return FigureSpec(
        "Does one family of models carry the correlation?",
        (
            Mark(
                "points", every, "family", "r", "low", "high", hover=hover, name="all", ringed=True
            ),
            Mark("points", rest, "family", "r", "low", "high", hover=hover, name="without it"),
        ),
        "Model family left out",
        "Pearson r over the other models",
        (Rule("y", 0.0),),
        answer=said,
        caption="Whiskers: 95 %, jackknife of Fisher's z over the families that are left (t). "
        + answer.caption,
        stamp=stamp,
    )


def scatter(title: str, answer, *, stamp: str = "", flag_above: float | None = None) -> FigureSpec:
    """The figure of a score-task answer: points, fitted line with its band."""
    frame = answer.frame
    named = (
        "model",
        "family",
        "layer",
        "x",
        "y",
        "low",
        "high",
        "ceiling",
        "n_stimuli",
        "width",
        "source",
    )
    hover = tuple(column for column in named if column in frame)
    marks = []
    if len(answer.fit):
        band = ("low", "high") if answer.fit["low"].notna().any() else (None, None)
        marks.append(
            Mark(
                "line",
                answer.fit,
                "x",
                "y",
                *band,
                name="fit, 95 %" if band[0] else "fit",
                muted=True,
            )
        )
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
