"""What does the architecture give before training?"""

from __future__ import annotations

from dataclasses import replace

import panel_material_ui as pmui

from analysis.answers.untrained import at_chosen_layer, own_untrained, untrained
from analysis.paper.code import python_answer
from dashboards.figures.spec import FigureSpec, Mark, Rule
from dashboards.lens.controls import ModelPicker, ProtocolPicker, RecordingPicker, ScalePicker
from dashboards.lens.lens import Computation, Lens, Picture, View
from dashboards.lenses.layers import ceiling_rules, control_rules
from dashboards.lenses.task import BENCHMARKS
from dashboards.work.score_computations import NOTES, PUBLISHED_NOTES, Scores, stamps

__all__ = ["Untrained"]

SCHEMES = {
    "Library initialisation": "init",
    "Trained weights, shuffled per tensor": "permute",
    "Gaussian with the trained mean and sd": "gaussian",
    "Mixture fitted to each tensor": "mixture",
    "256 shared values per tensor, hashed": "hashed",
    "Untrained blocks, trained embeddings": "blocks",
}


class Untrained(Lens):
    """Trained against untrained: the published 43 models, and own runs as a band over seeds."""

    slug, label, icon = "untrained", "Untrained", "egg"
    question = "What does the architecture give before training?"
    watches = (
        "benchmark",
        "clip",
        "models",
        "recording",
        "preset",
        "changes",
        "scheme",
        "seeds",
        "scale",
    )

    def make_controls(self) -> dict:
        self.scores = Scores(self.selection)
        benchmark = self.control(pmui.Select, "benchmark", "Score (published)", options=BENCHMARKS)
        clip = self.control(pmui.Switch, "clip", "Clip at 1, the paper's rule")
        scheme = self.control(pmui.MultiChoice, "scheme", "Untrained by", options=SCHEMES)
        seeds = self.control(
            pmui.IntSlider, "seeds", "Seeds of each (a band needs 5)", start=1, end=10
        )
        return {
            "Your own": [ModelPicker(self.selection), RecordingPicker(self.selection)],
            "How": [scheme, seeds, ProtocolPicker(self.selection)],
            "Published": [benchmark, clip],
            "View": [ScalePicker(self.selection)],
        }

    def wanted(self) -> list[str]:
        """The chosen models and their untrained copies."""
        choice, found = self.selection, []
        for model in choice.models:
            found.append(model)
            if "@" not in model:
                found += [
                    f"{model}@untrained:{scheme}:{seed}"
                    for scheme in choice.scheme
                    for seed in range(choice.seeds)
                ]
        return found

    def missing(self) -> list[Computation]:
        return self.scores.missing(self.wanted())

    def view(self) -> View:
        published = untrained(self.selection.benchmark, clip=self.selection.clip)
        pictures = [
            Picture(
                "Published",
                _against(published),
                published.frame,
                published=("schrimpf2021",),
                python=python_answer(
                    "untrained", benchmark=self.selection.benchmark, clip=self.selection.clip
                ),
            )
        ]
        scores = [score for score in self.scores.found(self.wanted()) if score.complete]
        if scores:
            own = own_untrained(scores, self.scores.without(self.wanted(), self.desk.held))
            chosen = at_chosen_layer(scores)
            normalised = self.selection.scale == "normalised"
            if normalised and own.frame["normalised"].isna().all():
                flag = scores[0].ceiling.flag or "it has no ceiling"
                own, chosen = (
                    replace(one, caption=f"{one.caption} Raw r is shown: {flag}.")
                    for one in (own, chosen)
                )
                normalised = False
            for label, answer, draw in (
                ("per layer", own, _bands),
                ("chosen layer", chosen, _chosen),
            ):
                spec = draw(answer, scores, normalised=normalised)
                pictures.append(Picture(f"Your own, {label}", spec, answer.frame, tuple(scores)))
        return View(
            tuple(pictures), stamps(scores), notes=(*PUBLISHED_NOTES, *(NOTES if scores else ()))
        )


def _against(answer) -> FigureSpec:
    marks = (
        Mark(
            "points",
            answer.frame,
            "untrained",
            "trained",
            colour="model",
            label="model",
            hover=("model", "family", "untrained", "trained", "gain"),
        ),
    )
    return FigureSpec(
        Untrained.question,
        marks,
        answer.axes["x_title"],
        answer.axes["y_title"],
        (Rule("xy"),),
        answer=answer.sentence,
        caption=answer.caption,
        flag_above=1.0,
    )


def _chosen(answer, scores: list, *, normalised: bool) -> FigureSpec:
    """Trained, every scheme and the random embedding beside each other, single seeds behind the means."""
    hover = (
        "model",
        "condition",
        "layer",
        "r",
        "low",
        "high",
        "normalised",
        "ceiling",
        "seeds",
        "width",
        "n_stimuli",
        "source",
    )
    alone = (
        "model",
        "condition",
        "seed",
        "layer",
        "r",
        "normalised",
        "ceiling",
        "n_stimuli",
        "source",
    )
    value, ends, title = _drawn(normalised)
    frame, single = answer.frame, answer.facts["seeds"]
    frame = frame[frame[value].notna()]
    marks = [Mark("points", frame, "label", value, *ends, colour="model", hover=hover)]
    if len(single):
        marks.append(
            Mark(
                "points",
                single,
                "label",
                value,
                colour="model",
                name="single seeds",
                muted=True,
                hover=alone,
            )
        )
    return FigureSpec(
        "What does the architecture give before training, at the chosen layer?",
        tuple(marks),
        answer.axes["x_title"],
        f"{title}, at the chosen layer",
        (Rule("y", 0.0), *ceiling_rules(scores[0], normalised=normalised)),
        answer=answer.sentence,
        caption=answer.caption,
        stamp=scores[0].stamp,
        flag_above=1.0 if normalised else None,
    )


def _bands(answer, scores: list, *, normalised: bool) -> FigureSpec:
    """Every layer, trained and untrained; the random embedding has no layers and is a line across, for each width."""
    value, ends, title = _drawn(normalised)
    frame = answer.frame[answer.frame[value].notna()]
    hover = (
        "model",
        "condition",
        "layer",
        "r",
        "low",
        "high",
        "normalised",
        "ceiling",
        "seeds",
        "n_stimuli",
        "source",
    )
    trained, copies = frame[frame["condition"] == "trained"], frame[frame["condition"] != "trained"]
    marks = tuple(
        Mark("line", part, "depth", value, *ends, colour="model", hover=hover)
        for part in (copies, trained)
        if len(part)
    )
    controls = control_rules(scores, ("random-embedding",), normalised=normalised)
    said = " Random embedding: a vector for each word, as wide as the model." if controls else ""
    return FigureSpec(
        Untrained.question,
        marks,
        answer.axes["x_title"],
        title,
        (Rule("y", 0.0), *controls, *ceiling_rules(scores[0], normalised=normalised)),
        answer=answer.sentence,
        caption=answer.caption + said,
        stamp=scores[0].stamp,
        flag_above=1.0 if normalised else None,
    )


def _drawn(normalised: bool) -> tuple[str, tuple[str, str], str]:
    """Column of y, columns of its interval, title of the axis."""
    if normalised:
        return "normalised", ("normalised_low", "normalised_high"), "Share of the ceiling"
    return "r", ("low", "high"), "Pearson r, held out"
