"""When does it emerge? Score and bits per byte along the training of a model."""

from __future__ import annotations

import numpy as np
import panel_material_ui as pmui

from analysis.answers.further_words import by_layer, by_step
from analysis.answers.training import LIMITS, checkpoints, training
from dashboards.figures.spec import FigureSpec, Mark, Rule
from dashboards.lens.controls import ModelPicker, ProtocolPicker, RecordingPicker, ScalePicker
from dashboards.lens.lens import Computation, Lens, Picture, View
from dashboards.look.look import note
from dashboards.work.score_computations import NOTES, Scores, stamps
from dashboards.work.text_computations import TextReadings, texts

__all__ = ["CHECKPOINTED", "Training"]

CHECKPOINTED = "zoo-causal-400k"
"""The model that ships with checkpoints."""

_HOVER = (
    "checkpoint",
    "step",
    "layer",
    "r",
    "r_low",
    "r_high",
    "ceiling",
    "normalised",
    "n_stimuli",
    "source",
    "bits_per_byte",
)
_NOTES = (
    (
        "step",
        "Updates of the weights before the checkpoint was taken; the axis shows step + 1, so that step 0 has a place.",
    ),
    (
        "bits per byte",
        "Bits of the scored tokens over the bytes they stand for, lower is better; analysis.features.perplexity.evaluate.",
    ),
    (
        "half",
        "The first checkpoint at which half of the change from the first to the last is there; analysis.answers.training.",
    ),
)


class Training(Lens):
    """Score and bits per byte of a model's checkpoints against the training step, and the layers of each checkpoint.

    Examples
    --------
    >>> Training(models=["zoo-causal-400k"], recording="simulated").run(wait=True)  # doctest: +SKIP
    """

    slug, label, icon = "training", "Training", "trending_up"
    question = "When does it emerge?"
    watches = ("models", "recording", "preset", "changes", "scale", "text")

    def make_controls(self) -> dict:
        self.scores, self.texts = Scores(self.selection), TextReadings()
        self._text = pmui.Select(
            label="Text of the bits per byte",
            options=self._texts(),
            value=self.selection.text,
            sizing_mode="stretch_width",
            size="small",
            margin=(8, 0, 4, 0),
        )
        self._text.param.watch(lambda event: setattr(self.selection, "text", event.new), "value")
        self.selection.param.watch(
            lambda event: self._text.param.update(options=self._texts(), value=event.new), "text"
        )
        return {
            "What": [
                ModelPicker(self.selection),
                note(
                    f"A model brings its checkpoints: {CHECKPOINTED} ships with eight. Others are named singly, such as "
                    "pythia-70m@revision:step1000.",
                    margin=(0, 0, 4, 0),
                ),
                RecordingPicker(self.selection),
            ],
            "How": [ProtocolPicker(self.selection), self._text],
            "View": [ScalePicker(self.selection)],
        }

    def _texts(self) -> dict[str, str]:
        """Label -> text; the one that is chosen, in another lens or by a link, may be a file of one's own."""
        known, chosen = texts(), self.selection.text
        return known if chosen in known.values() else {**known, chosen: chosen}

    def wanted(self) -> list[str]:
        """The checkpoints of the chosen models."""
        return checkpoints(self.selection.models)

    def missing(self) -> list[Computation]:
        wanted = self.wanted()
        ready = [
            score.model for score in self.scores.found(wanted) if score.complete
        ]  # the score comes first
        return self.scores.missing(wanted) + self.texts.missing(ready, self.selection.text)

    def show_example(self) -> None:
        """Add the model that ships with checkpoints."""
        self.selection.models = [*self.selection.models, CHECKPOINTED]

    def view(self) -> View:
        wanted = self.wanted()
        if not wanted:
            chosen = (
                "None of the chosen models has checkpoints here. " if self.selection.models else ""
            )
            return View(
                empty=f"{chosen}Choose one with checkpoints: score and bits per byte are drawn against the training step.",
                action=(f"Add {CHECKPOINTED}, eight checkpoints", self.show_example),
            )
        scores = [score for score in self.scores.found(wanted) if score.complete]
        if not scores and self.scores.unseen(wanted):
            failed = "It is not known what is stored: see the error above." if self.failed else ""
            return View(empty=failed or "Looking into the store ...")
        if not scores:
            return View(
                empty=f"Nothing is stored for these {len(wanted)} checkpoints yet. Press Run (or the key r).",
                action=("Run", self.run),
            )
        found = {
            score.model: self.texts.found(score.model, self.selection.text) for score in scores
        }
        answer = training(scores, {model: one for model, one in found.items() if one is not None})
        text = next(
            (label for label, name in self._text.options.items() if name == self.selection.text),
            self.selection.text,
        )
        score = course(answer, scores[0], normalised=self.selection.scale == "normalised")
        pictures = [Picture("Score", score, answer.frame, tuple(scores))]
        bits = answer.frame.dropna(subset=["bits_per_byte"])
        if len(bits):
            pictures.append(
                Picture(
                    "Bits per byte",
                    predictions(answer, bits, text, scores[0].stamp),
                    bits,
                    tuple(scores),
                )
            )
        pictures.append(
            Picture(
                "Layers", profiles(answer, scores[0].stamp), answer.facts["layers"], tuple(scores)
            )
        )
        limits = (
            (("tiny models", LIMITS),)
            if any("tiny" in score.provenance["model"]["note"] for score in scores)
            else ()
        )
        return View(tuple(pictures), stamps(scores[-1:]), notes=(*limits, *_NOTES, *NOTES))


def course(answer, score, *, normalised: bool) -> FigureSpec:
    """Score against step.

    Parameters
    ----------
    answer : Answer
        Of :func:`analysis.answers.training.training`.
    score : Score
        One of those in it, for stamp and ceiling.
    normalised : bool
        Divide by the ceiling; scores above 1 are flagged.
    """
    value, ends = (
        ("normalised", ("normalised_low", "normalised_high"))
        if normalised
        else ("r", ("r_low", "r_high"))
    )
    frame = answer.frame.dropna(subset=[value])
    rules = [Rule("y", 0.0)]
    if normalised:
        rules.append(Rule("y", 1.0, "ceiling"))
    elif np.isfinite(score.ceiling.value):
        rules.append(Rule("y", score.ceiling.value, f"ceiling {score.ceiling.value:.2f}"))
    return _against_step(
        frame,
        value,
        ends,
        answer.axes,
        "Share of the ceiling" if normalised else answer.axes["y_title"],
        tuple(rules),
        answer=answer.sentence,
        caption=answer.caption,
        stamp=score.stamp,
        flag_above=1.0 if normalised else None,
    )


def predictions(answer, bits, text: str, stamp: str) -> FigureSpec:
    """Bits per byte against step."""
    caption = f"Text: {text}. Lower is better. {len(bits)} of {len(answer.frame)} checkpoints."
    return _against_step(
        bits,
        "bits_per_byte",
        (None, None),
        answer.axes,
        "Bits per byte",
        answer=by_step(bits),
        caption=caption,
        stamp=stamp,
    )


def _against_step(
    frame, value: str, ends: tuple, axes: dict, y_title: str, rules: tuple = (), **more
) -> FigureSpec:
    marks = (
        Mark("line", frame, "x", value, colour="model"),
        Mark("points", frame, "x", value, *ends, colour="model", hover=_HOVER),
    )
    return FigureSpec(
        Training.question, marks, axes["x_title"], y_title, rules, log_x=axes["log_x"], **more
    )


def profiles(answer, stamp: str) -> FigureSpec:
    """Score per layer, one line per checkpoint; a panel for each training."""
    frame = answer.facts["layers"].dropna(subset=["r"])
    hover = tuple(name for name in _HOVER if name != "bits_per_byte")
    marks = [Mark("line", frame, "layer", "r", colour="trained", hover=hover)]
    chosen = frame[frame["chosen"]]
    if len(chosen):
        marks.append(
            Mark(
                "points",
                chosen,
                "layer",
                "r",
                colour="trained",
                name="chosen layer",
                hover=hover,
                ringed=True,
            )
        )
    return FigureSpec(
        Training.question,
        tuple(marks),
        "Layer (0 embedding)",
        answer.axes["y_title"],
        (Rule("y", 0.0),),
        answer=by_layer(frame),
        caption="One line per checkpoint; the ringed layer is the one that most folds use.",
        stamp=stamp,
        facet="model",
        whole_x=True,
    )
