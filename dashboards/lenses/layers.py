"""Where in the model is the brain predicted?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import ClassVar

import numpy as np
import panel_material_ui as pmui

from analysis.answers.each_person import each_person
from analysis.answers.groups import grouped, groupings, targets
from analysis.answers.layers import layers
from analysis.answers.tiles import tiles, verdict_first
from analysis.models.catalog import card
from analysis.models.sites import suffixes
from analysis.protocol import PRESETS, STRICTER, preset
from dashboards.figures.people import each_person as each_person_figure
from dashboards.figures.spec import FigureSpec, Mark, Rule
from dashboards.lens.controls import ModelPicker, ProtocolPicker, RecordingPicker, ScalePicker
from dashboards.lens.lens import Computation, Lens, Picture, View
from dashboards.lens.view import led_by
from dashboards.look.look import note
from dashboards.state import Words
from dashboards.work.kept import Kept
from dashboards.work.score_computations import (
    NOTES,
    Scores,
    TargetTests,
    example,
    offered,
    stamps,
    unscorable,
)
from data.errors import BrainLensError

__all__ = ["Layers", "ceiling_rules", "control_rules"]

_HOVER = ("model", "layer", "r", "r_low", "r_high", "ceiling", "normalised", "n_stimuli", "source")
_CONTROLS = {"position+length": "position and length alone", "random-embedding": "random embedding"}
BESIDE = {**{name: name for name in PRESETS}, "each group held out alone (stricter)": STRICTER}
SHOWN = {"Mean over everything": "mean", "Per subject": "subject", "Per region": "region"}


class Layers(Lens):
    """The score of every layer of the chosen models, as it is computed.

    Examples
    --------
    >>> Layers(models=["zoo-causal-400k"], recording="simulated").run(wait=True)  # doctest: +SKIP
    """

    slug, label, icon = "layers", "Layers", "stacked_line_chart"
    question = "Where in the model is the brain predicted?"
    watches = (
        "models",
        "recording",
        "preset",
        "changes",
        "scale",
        "by",
        "protocols",
        "tested",
        "sites",
    )
    fields: ClassVar = {
        "sites": Words(
            "", doc="Places inside the blocks that are read like layers; empty: the layers."
        )
    }

    def make_controls(self) -> dict:
        self.scores, self.tests = Scores(self.selection), TargetTests(self.selection)
        self._kept = Kept()
        small = dict(size="small", sizing_mode="stretch_width")
        self._by = pmui.Select(
            label="Show by", options=SHOWN, value=self.selection.by, margin=(8, 0, 2, 0), **small
        )
        self._why = note(margin=(0, 4))
        beside = self.control(
            pmui.MultiChoice, "protocols", "Other protocols beside it", options=BESIDE
        )
        tested = self.control(pmui.Switch, "tested", "Test each target against chance")
        self._by.param.watch(lambda event: setattr(self.selection, "by", event.new), "value")
        self.selection.param.watch(
            lambda event: self._by.param.update(disabled_options=[], value=event.new), "by"
        )
        self._places = pmui.TextInput(
            label="Inside the blocks", placeholder="such as attn, mlp, head:3; empty: layers",
            value=self.selection.sites, margin=(8, 0, 2, 0),
            description="Read attention (attn), the feed-forward part (mlp), single heads (head) or a decoder (dec) in place "
            "of the layers; with :3 behind it block 3 alone, head:3.5 one head. Other models keep their layers.",
            **small,
        )  # fmt: skip
        self._places.param.watch(self._placed, "value")
        self.selection.param.watch(
            lambda event: self._places.param.update(value=event.new), "sites"
        )
        return {
            "What": [
                RecordingPicker(self.selection),
                ModelPicker(self.selection),
                self._places,
            ],
            "How": [ProtocolPicker(self.selection), beside, tested],
            "View": [ScalePicker(self.selection), self._by, self._why],
        }

    def _suffixes(self, text: str) -> list[str] | None:
        """What the places that are asked for make of a model; what is wrong with them is said at the control."""
        try:
            found, problem = suffixes(text), ""
        except BrainLensError as error:
            found, problem = None, str(error)
        self._places.param.update(error_state=bool(problem), helper_text=problem)
        return found

    def _placed(self, event) -> None:
        text = (event.new or "").strip()
        if self._suffixes(text) is not None:
            self.selection.sites = text

    def models(self) -> list[str]:
        """The models chosen, each transformer once for every kind of place that is asked for."""
        places, found = self._suffixes(self.selection.sites) or [], []
        if not places:
            return self.selection.models
        for model in self.selection.models:
            inside = _has_blocks(model) and "@at:" not in model
            found += [f"{model}{place}" for place in places] if inside else [model]
        return found

    def protocols(self) -> list:
        """The selection's protocol, then the presets beside it; each one once."""
        chosen = self.selection.protocol
        found = {chosen.key(): chosen} | {
            preset(name).key(): preset(name) for name in self.selection.protocols
        }
        return [found.pop(chosen.key()), *found.values()]

    def missing(self) -> list[Computation]:
        models = self.models()
        wanted = self.scores.missing(models)
        for other in self.protocols()[1:]:
            wanted += self.scores.missing(models, other)
        if self.selection.tested:
            wanted += self.tests.missing(self._complete())
        return wanted

    def _complete(self) -> list:
        return [score for score in self.scores.found(self.models()) if score.complete]

    def view(self) -> View:
        models = self.models()
        if not models:
            return View(
                empty="Choose a model and a recording: every layer of the model is asked how well it predicts the recording.",
                action=offered(self.selection, example),
            )
        if all(map(unscorable, models)):
            return View(
                empty=f"{models[0]} has probabilities of words but no activations: choose another model here."
            )
        found = [
            (protocol, scores)
            for protocol in self.protocols()
            if (scores := self.scores.found(models, protocol))
        ]
        if not found and self.scores.unseen(models):
            failed = "It is not known what is stored: see the error above." if self.failed else ""
            return View(empty=failed or "Looking into the store ...")
        if not found:
            return View(
                empty="Nothing is stored for this selection yet. Press Run (or the key r): layers appear as they are computed.",
                action=("Run", self.run),
            )
        by, controls = self._shown_by(found[0][1][0])
        pictures = []
        for protocol, scores in found:
            label = "Layers" if len(self.protocols()) == 1 else f"Layers, {protocol.name}"
            pictures.append(self._picture(label, scores, by))
        whole = self._complete()
        if whole and len(whole[0].dataset.target) > 1:
            pictures.append(
                self._kept(
                    _histogram, whole, self.tests.found(whole) if self.selection.tested else {}
                )
            )
        if whole and (people := self._kept(each_person, whole)) is not None:
            spec = replace(each_person_figure(people), stamp=whole[0].stamp)
            pictures.append(Picture("People", spec, people.frame, tuple(whole)))
        said = [score for _, scores in found for score in scores]
        if all(picture.spec.empty for picture in pictures):
            return View(empty=f"{pictures[0].spec.answer} {pictures[0].spec.caption}")
        said_first = tiles(whole)
        return View(
            led_by(pictures, verdict_first(said_first, said[0].recording)),
            stamps(said),
            notes=NOTES,
            tiles=tuple(said_first),
            controls=controls,
        )

    def _shown_by(self, score) -> tuple[str, dict]:
        """The target coordinate that lines are split by, what the recording does not hold, and why."""
        known = groupings(score)
        reasons = [
            f"Not {words.lower()}: {known[key][1]}."
            for words, key in SHOWN.items()
            if key in known and known[key][1]
        ]
        chosen = (
            self.selection.by
        )  # a link may ask for what is not there: it stays chosen, the reason is beside it
        absent = [key for key, (name, _) in known.items() if not name and key != chosen]
        controls = {"absent": absent, "why": " ".join(reasons)}
        return "" if chosen == "mean" else known[chosen][0], controls

    def reflect(self, view: View) -> None:
        self._by.disabled_options = view.controls.get("absent", [])
        self._why.object = view.controls.get("why", "")

    def _picture(self, label: str, scores: list, by: str) -> Picture:
        normalised = self.selection.scale == "normalised"
        answer = self._kept(layers, scores)
        spec = profile(answer, scores, normalised=normalised)
        if not by:
            return Picture(label, replace(spec, title=_titled(label)), answer.frame, tuple(scores))
        split = self._kept(grouped, scores, by)
        spec = replace(by_group(split, scores, normalised=normalised), title=_titled(label))
        return Picture(f"{label} by {by}", spec, split.frame, tuple(scores))


def _has_blocks(model: str) -> bool:
    """Whether a model is a transformer, whose blocks have parts."""
    try:
        return card(model).cls in ("causal", "bidirectional", "encoder-decoder")
    except BrainLensError:  # said where it is looked up
        return False


def _titled(label: str) -> str:
    """The question, and the protocol where several stand beside each other."""
    return Layers.question + (f" ({label.partition(', ')[2]})" if ", " in label else "")


def by_group(answer, scores: list, *, normalised: bool) -> FigureSpec:
    """The figure of :func:`analysis.answers.groups.grouped`: a line for each group, a panel for each model."""
    value = "normalised" if normalised else "r"
    frame = answer.frame[answer.frame[value].notna()]
    hover = (
        "model",
        "group",
        "layer",
        "r",
        "r_low",
        "r_high",
        "ceiling",
        "normalised",
        "n_targets",
    )
    marks = [
        Mark(
            "line",
            frame,
            "depth",
            value,
            f"{value}_low",
            f"{value}_high",
            colour="group",
            hover=hover,
        )
    ]
    if (chosen := frame[frame["chosen"]]).size:
        marks.append(
            Mark(
                "points",
                chosen,
                "depth",
                value,
                colour="group",
                name="chosen layer",
                hover=hover,
                ringed=True,
            )
        )
    return FigureSpec(
        Layers.question,
        tuple(marks),
        answer.axes["x_title"],
        "Share of the group's ceiling" if normalised else answer.axes["y_title"],
        (Rule("y", 1.0 if normalised else 0.0, "ceiling" if normalised else ""),),
        answer=answer.sentence,
        caption=answer.caption,
        stamp=scores[0].stamp,
        facet="model" if frame["model"].nunique() > 1 else None,
        flag_above=1.0 if normalised else None,
    )


def _histogram(scores: list, tests: dict) -> Picture:
    """How the targets of the chosen layer are spread, those above chance in the model's colour."""
    answer = targets(scores, tests)
    counts = answer.facts["histogram"]
    marks = [Mark("bars", counts, "r", "targets", name="all targets", muted=True)]
    if (hits := counts[counts["tested"]]).size:
        marks.append(
            Mark(
                "bars",
                hits,
                "r",
                "significant",
                colour="model",
                name="above chance (q < .05)",
                hover=("model", "r", "significant"),
            )
        )
    spec = FigureSpec(
        "How well is each target predicted?",
        tuple(marks),
        answer.axes["x_title"],
        answer.axes["y_title"],
        (Rule("x", 0.0),),
        answer=answer.sentence,
        caption=answer.caption,
        stamp=scores[0].stamp,
        facet="model" if counts["model"].nunique() > 1 else None,
    )
    return Picture("Targets", spec, answer.frame, tuple(scores))


def profile(answer, scores: list, *, normalised: bool) -> FigureSpec:
    """The figure of :func:`analysis.answers.layers`.

    Parameters
    ----------
    answer : Answer
    scores : list of Score
    normalised : bool
        Divide by the ceiling (where there is one); scores above 1 are flagged.
    """
    value, title = (
        ("normalised", "Share of the ceiling") if normalised else ("r", answer.axes["y_title"])
    )
    frame = answer.frame[answer.frame[value].notna()]
    alone = not frame.empty and frame.groupby("model")["layer"].nunique().max() == 1
    across = "model" if alone else "depth"  # one layer has no depth
    marks = [
        Mark(
            "points" if alone else "line",
            frame,
            across,
            value,
            f"{value}_low",
            f"{value}_high",
            colour="model",
            hover=_HOVER,
        )
    ]
    if not normalised and "r_shuffled" in frame and frame["r_shuffled"].notna().any():
        marks.insert(
            0,
            Mark(
                "points" if alone else "line",
                frame,
                across,
                "r_shuffled",
                colour=None if alone else "model",
                name="shuffled folds",
                dashed=True,
                muted=alone,
            ),
        )
    nested = frame["optimism"].notna()
    if len(best := frame[frame["best"] & ~frame["chosen"] & nested]):
        marks.append(
            Mark(
                "points",
                best,
                across,
                value,
                hover=(*_HOVER, "optimism"),
                name="best on the same data",
            )
        )
    chosen = frame[frame["chosen"]]
    if len(chosen):
        marks.append(
            Mark(
                "points",
                chosen,
                across,
                value,
                colour="model",
                name="chosen layer",
                hover=_HOVER,
                ringed=True,
            )
        )
    controls = [] if normalised else control_rules(scores)
    rules = [Rule("y", 0.0), *controls, *ceiling_rules(scores[0], normalised=normalised)]
    return FigureSpec(
        Layers.question,
        tuple(marks),
        "Model (each has one layer)" if alone else answer.axes["x_title"],
        title,
        tuple(rules),
        answer=answer.sentence,
        caption=answer.caption,
        stamp=scores[0].stamp,
        flag_above=1.0 if normalised else None,
    )


def control_rules(
    scores: list, names: Iterable[str] = tuple(_CONTROLS), *, normalised: bool = False
) -> list[Rule]:
    """A line for each control; the random embedding has the model's width, so one for each width among the models."""
    several = len({score.provenance["model"]["width"] for score in scores}) > 1
    found: dict[tuple, Rule] = {}
    for score in scores:
        width, bound = (
            score.provenance["model"]["width"],
            score.ceiling.value if score.ceiling.divides and score.ceiling.value > 0 else np.nan,
        )
        for row in score.controls[score.controls["control"].isin(names)].itertuples():
            value = row.r / bound if normalised else row.r
            own = several and row.control == "random-embedding"
            if np.isfinite(value):
                words = (
                    f"{_CONTROLS[row.control]}{f' of width {width:,}' if own else ''} {value:.2f}"
                )
                found.setdefault((row.control, width if own else 0), Rule("y", value, words))
    return list(found.values())


def ceiling_rules(score, *, normalised: bool) -> list[Rule]:
    """The ceiling with its interval, what other people predict, and the planted ceiling of simulated data; or the line at 1."""
    if normalised:
        return [Rule("y", 1.0, "ceiling")]
    rules, others = [], score.ceiling.lower_bound
    if others is not None and np.isfinite(others.value):
        rules.append(Rule("y", others.value, f"other people {others.value:.2f} (lower bound)"))
    planted = score.provenance["recording"].get("planted_ceiling")
    if planted:
        rules.append(Rule("y", planted, f"planted ceiling {planted:.2f}"))
    value, ends = score.ceiling.value, (score.ceiling.low, score.ceiling.high)
    known = ends if np.isfinite(ends).all() else (None, None)
    if np.isfinite(value):
        name = "other people predict" if score.ceiling.kind == "leave-one-out" else "ceiling"
        rules.insert(0, Rule("y", value, f"{name} {value:.2f}", *known))
    return rules
