"""Which experiment should be run next?"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import panel_material_ui as pmui

from analysis.answers.answer import listed
from analysis.answers.controversial import controversial
from analysis.answers.drive import candidates_of, drive
from analysis.answers.planning import check_effect, growth, pilot_of, planning
from analysis.design.templates import write_templates
from analysis.models.catalog import card
from analysis.paper.methods_answers import beside
from analysis.progress import Report
from analysis.protocol import Protocol
from analysis.scoring.cost import Cost, downloads
from dashboards.figures.designs import apart, curves, ranked
from dashboards.lens.controls import ModelPicker, ProtocolPicker, RecordingPicker
from dashboards.lens.lens import Computation, Lens, Picture, View
from dashboards.lens.sidebar import put_in_use
from dashboards.lenses.perturb import simulated_stamp
from dashboards.look.look import note
from dashboards.work import identity
from dashboards.work.ledger import Ledger, Wish
from data.errors import BrainLensError

__all__ = ["Design"]

WAYS = {
    "Drive or suppress a response": "drive",
    "Items on which two models disagree": "controversial",
    "How many people and items": "power",
}
_NOTES = {
    "drive": (
        ("prediction", "Of a ridge regression on one layer, learnt from the recording's stimuli; analysis.answers.drive.drive."),
        ("sd, low, high", "Bootstrap over the training stimuli's groups: of the mean prediction, not of a single response."),
        ("distance", "In feature space, over the limit that 99 % of left-out measured stimuli keep; above 1 a sentence lies "
         "outside of what was measured and is not picked."),
    ),
    "controversial": (
        ("gap", "The smaller of two gaps, in ranks within a model; analysis.design.controversial.pairs_apart."),
        ("words, frequency", "Of both sentences: words, and mean log10 of occurrences per billion words."),
    ),
    "power": (
        ("power", "Probability that a test over people and items finds the effect; analysis.design.power.power."),
        ("low, high", "95 %: what the size of the pilot leaves open about the variances."),
        ("effect", "The smallest difference of interest; with a learning curve, what it is with that many items."),
    ),
}  # fmt: skip


class Design(Lens):
    """Sentences that should drive or suppress a response, items that set two models apart, people and items that a study needs.

    Examples
    --------
    >>> Design(models=["zoo-causal-1m", "random-64"], design="controversial").run(wait=True)  # doctest: +SKIP
    """

    slug, label, icon = "design", "Design", "science"
    question = "Which experiment should be run next?"
    watches = (
        "models",
        "recording",
        "preset",
        "changes",
        "design",
        "candidates",
        "target",
        "layer",
        "by_response",
        "effect",
        "repeats",
        "grown",
    )

    def make_controls(self) -> dict:
        self.answers = Ledger()
        choice, text, switch = self.selection, pmui.TextInput, pmui.Switch
        way = self.control(pmui.Select, "design", "Design", options=WAYS)
        candidates = self.control(
            text,
            "candidates",
            "Candidate sentences",
            placeholder="prose",
            description="prose (built in), a text file with a sentence per line, or a recording",
        )
        target = self.control(text, "target", "Target", placeholder="mean over targets and people")
        layer = self.control(text, "layer", "Layer", placeholder="the one that predicts best")
        responses = self.control(
            switch, "by_response", "Disagree in predicted responses, not in surprisal"
        )
        effect = self.control(
            text,
            "effect",
            "Smallest effect of interest",
            placeholder="such as 0.01",
            description="Difference of variance explained that you would care about",
        )
        repeats = self.control(pmui.IntInput, "repeats", "Repeats of each item", start=1, end=20)
        grown = self.control(
            switch, "grown", "Items also train the regression (scores parts of the stimuli)"
        )
        for widget, ways in (
            (candidates, ("drive", "controversial")),
            (layer, ("drive",)),
            (responses, ("controversial",)),
            (effect, ("power",)),
            (repeats, ("power",)),
            (grown, ("power",)),
        ):
            self.only_with(widget, "design", *ways)
        recording = RecordingPicker(choice)

        def follow(*_) -> None:
            put_in_use(target, self._used(target=True))
            put_in_use(recording, self._used(target=False))

        choice.param.watch(follow, ["design", "by_response"])
        follow()
        exports = note(
            "The export's zip holds the items as experiments for PCIbex and PsychoPy, in the folder experiment.",
            margin=(0, 4),
        )
        self.only_with(exports, "design", "drive", "controversial")
        return {
            "What": [way, ModelPicker(choice), recording],
            "How": [
                candidates,
                responses,
                target,
                layer,
                effect,
                repeats,
                grown,
                ProtocolPicker(choice),
            ],
            "Results in and out": [exports],
        }

    def _used(self, target: bool) -> bool:
        """Whether what is chosen uses the recording, or one target of it: surprisals are of no recording."""
        choice = self.selection
        if choice.design == "controversial":
            return choice.by_response
        return choice.design == "drive" or not target

    # ---- work ----------------------------------------------------------------------------------------------------------
    def _lacking(self) -> str:
        """What has to be chosen first; empty where nothing is missing."""
        choice, count = self.selection, len(self.selection.models)
        if choice.design == "drive":
            return (
                ""
                if count
                else "Choose a model: sentences are ranked by the response that it predicts."
            )
        if count < 2:
            what = "set apart" if choice.design == "controversial" else "told apart"
            return f"Choose two models that are to be {what}."
        if mute := self._mute():
            return (
                f"{listed(mute)} {'gives' if len(mute) == 1 else 'give'} no probabilities of words: choose other models, or let "
                "both disagree in predicted responses."
            )
        if choice.design == "power":
            if not choice.effect:
                return "Say what the smallest difference is that you would care about (in variance explained, such as 0.01)."
            try:
                check_effect(float(choice.effect))
            except BrainLensError as error:
                return str(error)
            except ValueError:
                return f"{choice.effect!r} is no number: give the smallest effect of interest, such as 0.01."
        return ""

    def _mute(self) -> list[str]:
        """The chosen models that do not say how probable a sentence is, where that is asked."""
        choice = self.selection
        if choice.design != "controversial" or choice.by_response:
            return []
        return [name for name in choice.models[:2] if not card(name).rates_sentences]

    def _by_response(self) -> None:
        self.selection.by_response = True

    def show_example(self) -> None:
        """Choose models that ship."""
        self.selection.models = ["zoo-causal-400k", "zoo-causal-1m"]

    def _wish(self) -> Wish | None:
        if self._lacking():
            return None
        choice = self.selection
        models, protocol = list(choice.models), choice.protocol
        used = models[:1] if choice.design == "drive" else models[:2]
        case = identity.case(used, choice.recording, protocol)
        if choice.design == "drive":
            key = f"drive:{case}|{choice.candidates}|{choice.target}|{choice.layer}"
            work = partial(
                _drive,
                used[0],
                choice.recording,
                protocol,
                choice.candidates,
                choice.target,
                choice.layer,
            )
        elif choice.design == "controversial":
            by = "response" if choice.by_response else "surprisal"
            key = f"apart:{case}|{choice.candidates}|{choice.target}|{by}"
            work = partial(
                _apart, used, choice.recording, protocol, choice.candidates, choice.target, by
            )
        else:
            key = f"power:{case}|{choice.effect}|{choice.repeats}|{choice.grown}"
            work = partial(
                _power,
                used,
                choice.recording,
                protocol,
                float(choice.effect),
                choice.repeats,
                choice.grown,
            )
        title = f"{choice.design}: {' and '.join(used)}"
        return Wish(
            key, title, work, cost=Cost(1, seconds=30.0 * len(used), downloads=downloads(*used))
        )

    def missing(self) -> list[Computation]:
        wish = self._wish()
        return self.answers.computations([wish]) if wish else []

    def view(self) -> View:
        if lacking := self._lacking():
            few = len(self.selection.models) < (1 if self.selection.design == "drive" else 2)
            action = ("Choose models that ship", self.show_example) if few else None
            if self._mute():
                action = ("Compare predicted responses", self._by_response)
            return View(empty=lacking, action=action)
        wish, choice = self._wish(), self.selection
        answer = self.answers.value(wish.key)
        if answer is None:
            return View(
                empty="Not computed yet. Press Run (or the key r).", action=("Run", self.run)
            )
        draw = {"drive": ranked, "controversial": apart, "power": curves}[choice.design]
        spec, table = draw(self.question, answer)
        if self._used(target=False):
            spec = replace(spec, stamp=simulated_stamp(choice.recording))
        asked: dict = {"models": choice.models[: 1 if choice.design == "drive" else 2]}
        if self._used(target=False):
            asked |= {"recording": choice.recording, "protocol": choice.protocol}
        paper = partial(beside, answer.caption, mapped=choice.design == "power", **asked)
        python = _python(choice)
        more = _experiments(choice.design, answer)
        picture = Picture(
            _LABELS[choice.design], spec, table, python=python, paper=paper, more=more
        )
        return View((picture,), (spec.stamp,) if spec.stamp else (), notes=_NOTES[choice.design])


def _experiments(design: str, answer) -> Callable[[], Mapping[str, bytes]] | None:
    """Gives the items as experiments for PCIbex and PsychoPy, for the zip; None where there are no items to show."""
    items = {"drive": answer.facts.get("picked"), "controversial": answer.frame}.get(design)
    if items is None or not len(items):
        return None
    return partial(_written, items, "rating" if design == "drive" else "choice")


def _written(items, kind: str) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "experiment"
        return {
            path.relative_to(place).as_posix(): path.read_bytes()
            for path in write_templates(items, folder, kind=kind)
        }


_LABELS = {"drive": "Sentences", "controversial": "Pairs", "power": "Power"}


def _drive(model, recording, protocol: Protocol, candidates, target, layer, report: Report):
    return drive(
        model,
        recording,
        candidates_of(candidates),
        protocol,
        target=target,
        layer=layer or None,
        report=report,
    )


def _apart(models, recording, protocol: Protocol, candidates, target, by, report: Report):
    return controversial(*models, candidates_of(candidates), protocol, by=by, recording=recording, target=target,
                         report=report)  # fmt: skip


def _power(models, recording, protocol: Protocol, effect, repeats, grown, report: Report):
    if repeats < 1:
        raise BrainLensError(
            f"repeats={repeats}: at least 1 is needed", remedy="Set it to 1 or more"
        )
    pilot = pilot_of(*models, recording, protocol, report=report)
    learning = growth(*models, recording, protocol, report=report) if grown else None
    return planning(pilot, effect, repeats=repeats, learning=learning, names=tuple(models))


def _python(choice) -> str:
    changes = ", ".join(f"{name}={value!r}" for name, value in choice.changes.items())
    protocol = f"preset({choice.preset!r})" + (f".but({changes})" if changes else "")
    models, recording = list(choice.models), choice.recording
    if choice.design == "drive":
        made = [
            "from analysis.answers.drive import candidates_of, drive",
            "",
            f"answer = drive({models[0]!r}, {recording!r}, candidates_of({choice.candidates!r}), {protocol},",
            f"               target={choice.target!r}, layer={choice.layer or None!r})",
        ]
    elif choice.design == "controversial":
        by = "response" if choice.by_response else "surprisal"
        made = [
            "from analysis.answers.controversial import controversial",
            "from analysis.answers.drive import candidates_of",
            "",
            f"answer = controversial({models[0]!r}, {models[1]!r}, candidates_of({choice.candidates!r}), {protocol},",
            f"                       by={by!r}, recording={recording!r}, target={choice.target!r})",
        ]
    else:
        made = [
            "from analysis.answers.planning import growth, pilot_of, planning",
            "",
            f"models, protocol = {models[:2]!r}, {protocol}",
            f"pilot = pilot_of(*models, {recording!r}, protocol)",
            f"learning = growth(*models, {recording!r}, protocol)"
            if choice.grown
            else "learning = None",
            f"answer = planning(pilot, {choice.effect}, repeats={choice.repeats}, learning=learning, names=tuple(models))",
        ]
    return "\n".join([
        '"""Made by BrainLens: a design."""',
        "",
        "from analysis import preset",
        *made,
        "print(answer.sentence)",
        "print(answer.caption)",
        f'answer.frame.to_csv("{choice.design}.csv", index=False)',
        "",
    ])  # fmt: skip
