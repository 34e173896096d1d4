"""How little training is enough?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import ClassVar

import numpy as np
import panel_material_ui as pmui
import param

from analysis.answers.further_words import at_birth, at_the_end, plane
from analysis.paper.methods_answers import GEIGER, beside
from analysis.progress import Report
from dashboards.figures.spec import FigureSpec, Mark, Rule
from dashboards.lens.controls import ModelPicker, ProtocolPicker, RecordingPicker
from dashboards.lens.lens import Computation, Lens, Picture, View
from dashboards.lenses.perturb import simulated_stamp
from dashboards.work.ledger import Ready, Wish
from dashboards.work.outcome_computations import (
    Answers,
    asked_of,
    outcome_key,
    priced,
    reading_seconds,
)
from dashboards.work.text_computations import code_of, words_of

__all__ = ["Wiring"]

MODEL = "zoo-causal-1m"
LENGTHS = {"2 % of the updates": 64, "5 %": 160, "20 %": 640, "All": 3200}
PARTS = {
    "All weights": "all", "Embeddings": "embeddings", "Gains and biases": "norms", "Attention": "attention",
    "Last matrix of each feed-forward part": "down", "Last block": "last-1", "Update of rank 8": "rank-8",
}  # fmt: skip
BIRTHS = {
    "Library initialisation": "init", "Mixture (weight compression)": "mixture", "Shuffled": "permute", "Gaussian": "gaussian",
    "Hashed": "hashed",
}  # fmt: skip
_NOTES = (
    ("share", "r of a run at its output layer over that of the finished model; analysis.answers.wiring.wiring."),
    ("updates", "Of the weights, four texts of 256 pieces each, with the zoo's schedule; birth is at the left of the axis."),
    ("seed", "Of initial weights and of the order of the text; the same seed gives the same bits on one machine."),
    ("names", "Every point is a model with a name: zoo-causal-1m@wire:attention:640:0 works in every lens and command."),
    ("vision", "Anchors of Geiger, Schrimpf et al. 2022, Wiring up vision: minimizing supervised synaptic updates."),
)  # fmt: skip


class Wiring(Lens):
    """Score against updates and trained weights, trained live from several births, with the anchors of vision beside it.

    Examples
    --------
    >>> Wiring(models=["zoo-causal-1m"], recording="simulated", updates=64).run(wait=True)  # doctest: +SKIP
    """

    slug, label, icon = "wiring", "Wiring", "cable"
    question = "How little training is enough?"
    watches = (
        "models", "recording", "preset", "changes", "text", "corpora", "parts", "births", "updates", "runs",
    )  # fmt: skip
    fields: ClassVar = {
        "parts": param.List(list(PARTS.values()), item_type=str, doc="Sets of trained weights."),
        "births": param.List(
            ["init"], item_type=str, doc="How weights are before they are trained."
        ),
        "updates": param.Integer(640, bounds=(0, 3200), doc="Updates of each run, of 3,200."),
        "runs": param.Integer(3, bounds=(1, 10), doc="Runs of each set of weights, by seed."),
    }

    def make_controls(self) -> dict:
        self.courses = Answers()
        parts = self.control(pmui.MultiChoice, "parts", "Trained weights", options=PARTS)
        births = self.control(pmui.MultiChoice, "births", "Trained from", options=BIRTHS)
        updates = self.control(pmui.Select, "updates", "Updates", options=LENGTHS)
        runs = self.control(pmui.IntSlider, "runs", "Seeds", start=1, end=5)
        return {
            "What": [ModelPicker(self.selection), RecordingPicker(self.selection)],
            "How": [updates, parts, births, runs, ProtocolPicker(self.selection)],
        }

    def _runs(self) -> list[tuple[str, str, int]]:
        """Birth, part and seed of every run: the finished model, every birth, then the trainings."""
        from analysis.answers.wiring import BIRTHS as ALL

        choice = self.selection
        seeds = range(choice.runs)
        return (
            [("", "", 0)]
            + [(birth, "", seed) for birth in ALL for seed in seeds]
            + [(birth, part, seed) for seed in seeds for birth in choice.births for part in choice.parts]
        )  # fmt: skip

    def _wishes(self) -> list[Wish]:
        choice = self.selection
        if not choice.models:
            return []
        model, wishes = choice.models[0], []
        for birth, part, seed in self._runs():
            steps = self._steps(part)
            key = outcome_key("course", model, choice, birth, part, seed, max(steps))
            made = f"{part} trained from {birth}" if part else f"at birth: {birth}"
            title = f"{model} ({made}, seed {seed})" if birth else f"{model} (finished)"
            work = partial(_course, model, birth, part, seed, steps, *asked_of(choice))
            wishes.append(Wish(key, title, work))
        return wishes

    def missing(self) -> list[Computation]:
        choice, runs = self.selection, self._runs() if self.selection.models else []
        asked = [(choice.models[0], *run, self._steps(run[1])) for run in runs]
        return self.courses.wanted(self._wishes(), _look, asked, choice)

    def _steps(self, part: str) -> list[int]:
        """Updates after which a run is scored."""
        from analysis.answers.wiring import UPDATES

        return [n for n in UPDATES if n <= self.selection.updates] if part else [0]

    def show_example(self) -> None:
        """Choose the model that the lens is made for."""
        self.selection.models = [MODEL]

    def view(self) -> View:
        choice = self.selection
        if not choice.models:
            return View(
                empty="Choose a model: parts of it are trained anew from its birth, and scored on the way.",
                action=(f"Choose {MODEL}", self.show_example),
            )
        found = self.courses.values(wish.key for wish in self._wishes())
        if not any(not one.birth for one in found) or not any(one.birth for one in found):
            return View(
                empty=f"{len(self._wishes())} runs and births of {choice.models[0]} have not been scored. Press Run (or the "
                "key r); what is trained is kept, and a run that is cancelled goes on where it was.",
                action=("Run", self.run),
            )
        from analysis.answers.wiring import wiring

        answer, stamp = wiring(found), simulated_stamp(choice.recording)
        shown = pictures(answer, stamp, _python(choice), _paper(choice, answer))
        return View(shown, (stamp,) if stamp else (), notes=_NOTES)


def _paper(choice, answer) -> Callable[[], tuple[str, str]]:
    """Methods paragraph and references."""
    from analysis.answers.outcomes import lean

    asked = dict(recording=choice.recording, protocol=lean(choice.protocol), cited=[GEIGER])
    return partial(beside, answer.caption, models=choice.models[:1], **asked)


def pictures(answer, stamp: str = "", python: str = "", paper=None) -> tuple[Picture, ...]:
    """Share against updates with the anchors, births, the plane of updates and weights, bits per byte."""
    common = {"python": python, "paper": paper}
    frame = answer.frame[answer.frame["part"] != "none"]
    made = []
    if len(frame):
        made.append(Picture("Updates", _updates(answer, frame, stamp), answer.frame, **common))
    made.append(Picture("At birth", _births(answer, stamp), answer.facts["born"], **common))
    if len(answer.facts["iso"]):
        reached = answer.facts["iso"]
        made.append(Picture("Updates x weights", _plane(answer, stamp), reached, **common))
    if len(frame) and frame["bits_per_byte"].notna().any():
        made.append(Picture("Bits per byte", _bits(frame), frame, **common))
    if not len(frame):  # the answer stands above the first picture
        made[0] = replace(
            made[0], spec=replace(made[0].spec, answer=answer.sentence, caption=answer.caption)
        )
    return tuple(made)


def _placed(frame):
    """The axis of updates with a place for none, and a name for every line."""
    some = frame.loc[frame["updates_percent"] > 0, "updates_percent"]
    floor = float(some.min()) / 3 if len(some) else 0.1
    several = frame["birth"].nunique() > 1
    names = [f"{row.part}, {row.birth}" if several else row.part for row in frame.itertuples()]
    return frame.assign(x=frame["updates_percent"].clip(lower=floor), set=names)


_HOVER = ("set", "updates", "weights", "weights_percent", "seeds", "r", "share", "bits_per_byte")


def _updates(answer, frame, stamp: str) -> FigureSpec:
    frame = _placed(frame)
    anchors = (
        answer.facts["anchors"]
        .query("weights_percent == 100")
        .assign(x=lambda t: t["updates_percent"])
    )
    marks = (
        Mark("line", frame, "x", "share", colour="set"),
        Mark("points", frame, "x", "share", "share_low", "share_high", colour="set", hover=_HOVER),
        Mark("points", anchors, "x", "share", name="vision, 2 % of the updates", muted=True, hover=("what", "share")),
    )  # fmt: skip
    rules = (
        Rule("y", 1.0, "finished"),
        Rule("y", 0.54, "vision, weight compression"),
        Rule("y", 0.0),
    )
    return FigureSpec(
        Wiring.question, marks, f"{answer.axes['x_title']} (log scale; birth at the left)", answer.axes["y_title"], rules,
        log_x=True, answer=answer.sentence, caption=answer.caption, stamp=stamp,
    )  # fmt: skip


def _births(answer, stamp: str) -> FigureSpec:
    from analysis.answers.wiring_words import BIRTH_WORDS

    born = answer.facts["born"]
    born = born.assign(label=[BIRTH_WORDS.get(name, name) for name in born["birth"]])
    marks = (
        Mark("points", born, "label", "share", "share_low", "share_high",
             hover=("label", "seeds", "r", "share", "bits_per_byte")),
    )  # fmt: skip
    rules = (
        Rule("y", 0.0),
        Rule("y", 0.54, "vision, weight compression"),
        Rule("y", 1.0, "finished"),
    )
    return FigureSpec(
        "How much is there at birth?", marks, "", answer.axes["y_title"], rules, stamp=stamp, horizontal=True,
        answer=at_birth(born), caption="Mean over seeds with t interval; nothing is trained.",
    )  # fmt: skip


def _plane(answer, stamp: str) -> FigureSpec:
    iso = answer.facts["iso"].sort_values(["level", "updates_percent"], ignore_index=True)
    edge = iso[iso["front"]]
    hover = ("name", "part", "updates_percent", "weights_percent")
    anchors = answer.facts["anchors"].query("updates_percent > 0")
    anchors = anchors.assign(log_weights=np.log10(anchors["weights_percent"]))
    marks = (
        Mark("line", edge, "updates_percent", "log_weights", colour="name"),
        Mark("points", iso, "updates_percent", "log_weights", colour="name", hover=hover),
        Mark(
            "points",
            anchors,
            "updates_percent",
            "log_weights",
            name="vision, 80 %",
            muted=True,
            hover=("what", "share", "updates_percent", "weights_percent"),
        ),
    )
    return FigureSpec(
        "Which updates of which weights reach the same score?", marks, f"{answer.axes['x_title']} (log scale)",
        "Trained weights, per cent (log scale)", log_x=True, powers_y=True, stamp=stamp,
        answer=plane(iso),
        caption="A point for each set of weights that reaches a share of the finished model's r (library initialisation); a line "
        "joins those that no other reaches with as few updates and weights. 100 is all weights. Grey: vision, 80 %.",
    )  # fmt: skip


def _bits(frame) -> FigureSpec:
    frame = _placed(frame)
    asked = dict(label="Bits per byte", first=True)
    said = at_the_end(frame, "bits_per_byte", "set", "updates", " updates", **asked)
    marks = (
        Mark("line", frame, "x", "bits_per_byte", colour="set"),
        Mark("points", frame, "x", "bits_per_byte", "bits_per_byte_low", "bits_per_byte_high", colour="set", hover=_HOVER),
    )  # fmt: skip
    return FigureSpec(
        Wiring.question, marks, "Updates, per cent of a whole training (log scale; birth at the left)", "Bits per byte",
        log_x=True, answer=said, caption="Of the chosen text; lower is better. Intervals: t, over seeds.",
    )  # fmt: skip


def _course(model, birth, part, seed, updates, recording, protocol, text, corpus, report: Report):
    from analysis.answers.wiring import course

    return course(
        model, part, seed, birth=birth, updates=updates, recording=recording, protocol=protocol, text=words_of(text),
        corpus=corpus, report=report,
    )  # fmt: skip


def _look(model: str, birth: str, part: str, seed: int, updates: list[int], **asked):
    """The course where it is stored, else what is missing of it costs: a part, and its training, that is scored to its end."""
    from analysis.answers.wiring import price, stored_course

    found, lacking = stored_course(model, part, seed, birth=birth, updates=updates, **asked)
    if found is not None:
        return Ready(found)
    training = price(model, max(updates)) if part and max(updates) in lacking else 0.0
    return priced(model, max(1, len(lacking)) * reading_seconds(model) + training)


def _python(choice) -> str:
    """Code that trains, scores and draws again."""
    changes = ", ".join(f"{name}={value!r}" for name, value in choice.changes.items())
    protocol = f"preset({choice.preset!r})" + (f".but({changes})" if changes else "")
    corpus = choice.corpora[0] if choice.corpora else ""
    return "\n".join([
        '"""Made by BrainLens: how little training is enough; trains again, or takes what is kept."""',
        "",
        "from analysis import preset",
        "from analysis.answers.wiring import UPDATES, at_birth, course, wiring",
        *code_of(choice.text),
        f"asked = dict(recording={choice.recording!r}, protocol={protocol}, text=text, corpus={corpus!r})",
        f"model, updates = {choice.models[0]!r}, [n for n in UPDATES if n <= {choice.updates}]",
        f"courses = at_birth(model, {choice.runs}, **asked) + [",
        "    course(model, part, seed, birth=birth, updates=updates, **asked)",
        f"    for seed in range({choice.runs}) for birth in {list(choice.births)!r} for part in {list(choice.parts)!r}",
        "]",
        "answer = wiring(courses)",
        "print(answer.sentence)",
        "print(answer.caption)",
        'answer.frame.to_csv("wiring.csv", index=False)',
        "",
    ])  # fmt: skip
