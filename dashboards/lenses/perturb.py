"""What breaks it?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import ClassVar

import numpy as np
import panel_material_ui as pmui
import param

from analysis.answers.answer import decimal
from analysis.answers.further_words import at_the_end, half_gone
from analysis.models.catalog import card, must_apply
from analysis.models.variants.maps import load_map
from analysis.models.variants.spec import HIDING
from analysis.paper.methods_answers import beside
from analysis.progress import Report
from analysis.store.promises import Locked
from dashboards.figures import units
from dashboards.figures.spec import FigureSpec, Mark, Rule
from dashboards.lens.controls import ModelPicker, ProtocolPicker, RecordingPicker
from dashboards.lens.lens import Computation, Lens, Picture, View
from dashboards.lens.unit_maps import UnitMaps
from dashboards.state import Words
from dashboards.work import identity
from dashboards.work.ledger import Ledger, Ready, Refused, Wish
from dashboards.work.outcome_computations import (
    Answers,
    Outcomes,
    asked_of,
    bits_seconds,
    outcome_key,
    priced,
    reading_seconds,
)
from dashboards.work.text_computations import code_of, words_of
from data.catalog.catalog import recording as load
from data.errors import BrainLensError
from data.gate import existing
from data.hashes import marks

__all__ = ["Perturb", "simulated_stamp", "stamped_times"]

KINDS = {
    "Noise in the weights": "noise",
    "Units cut out": "lesion",
    "Masked words": "masks",
    "Changed sentences": "words",
}
_BY_CURVE = ("masks", "words")  # several models, and no copies with names of their own
WAYS = {"Another word, as frequent": "word", "Left out": "delete", "Mask token": "token"}

_NOTES = (
    ("r", "Pearson's r at the output layer under one fold seed; analysis.answers.outcomes.brain."),
    ("r_nested", "Each fold with the layer chosen on its training rows: it dodges noise above that layer."),
    ("kl", "KL of the next piece, whole model to changed one, in nats per piece; analysis.features.divergence.next_piece_kl."),
    ("bits per byte", "Of the chosen text, lower is better; analysis.features.perplexity.evaluate."),
    ("delta log-likelihood", "What surprisal adds to reading times, held out, nats per word; analysis.answers.outcomes.gain."),
    ("names", "Every point is a model with a name: zoo-causal-1m@noise:upper-third:0.4:0 works in every lens and command."),
)  # fmt: skip


class Perturb(Lens):
    """Noise by depth, lesions of localised and other units, masked words; each with its cost in score, bits and reading times.

    Examples
    --------
    >>> Perturb(models=["zoo-causal-1m"], recording="simulated").run(wait=True)  # doctest: +SKIP
    """

    slug, label, icon = "perturb", "Perturb", "bolt"
    question = "What breaks it?"
    watches = (
        "models", "recording", "preset", "changes", "text", "corpora", "breaks", "hiding", "draws", "paraphrases", "unit_map",
    )  # fmt: skip
    fields: ClassVar = {
        "breaks": param.Selector(
            default="noise",
            objects=list(KINDS.values()),
            doc="What is broken: noise, lesion, masks or words.",
        ),
        "hiding": param.Selector(
            default="word", objects=list(HIDING), doc="What stands in place of a masked word."
        ),
        "paraphrases": Words(
            "", doc="A table of the stimuli in other words: columns text and paraphrase."
        ),
        "unit_map": Words(
            "",
            doc="Map of units that are cut out; empty: sentences above non-words, on the model itself.",
        ),
        "draws": param.Integer(
            5, bounds=(1, 20), doc="Seeds of noise, lesions, masks and trainings."
        ),
    }

    def make_controls(self) -> dict:
        self.outcomes, self.curves = Outcomes(self.selection), Answers()
        self.changed, self.mapped = Answers(), Ledger()
        breaks = self.control(pmui.Select, "breaks", "What is broken", options=KINDS)
        hiding = self.control(pmui.Select, "hiding", "In place of a masked word", options=WAYS)
        draws = self.control(
            pmui.IntSlider, "draws", "Seeds (an interval needs 5)", start=1, end=10
        )
        own = self.control(
            pmui.TextInput,
            "paraphrases",
            "Your paraphrases",
            placeholder="none",
            description="A CSV, TSV, Parquet or JSON lines file with the columns text and paraphrase, a row for each stimulus",
        )
        self.only_with(own, "breaks", "words")
        self.only_with(hiding, "breaks", "masks")
        maps = UnitMaps(self.selection, self.desk)
        self.only_with(maps, "breaks", "lesion")
        return {
            "What": [ModelPicker(self.selection), RecordingPicker(self.selection), breaks],
            "How": [draws, hiding, own, ProtocolPicker(self.selection)],
            "Localised units": [maps],
        }

    # ---- what is asked for -------------------------------------------------------------------------------------------
    def wanted(self) -> list[str]:
        """The first chosen model and its broken copies."""
        from analysis.answers.perturb import lesion_names, noise_names

        choice = self.selection
        if not choice.models or choice.breaks in _BY_CURVE or self._shallow():
            return []
        if choice.breaks == "noise":
            return noise_names(choice.models[0], choice.draws)
        return lesion_names(choice.models[0], choice.draws, named=choice.unit_map)

    def _shallow(self) -> str:
        """Why the chosen model cannot be broken this way, or nothing: noise goes into thirds of its blocks."""
        model = self.selection.models[0]
        blocks = card(model).layers
        if self.selection.breaks == "lesion":
            return self._unfit(model)
        if self.selection.breaks != "noise" or blocks is None or blocks >= 3:
            return ""
        have = f"has {blocks} block{'s' if blocks > 1 else ''}" if blocks else "has no blocks"
        return (
            f"{model} {have}, and noise is put into thirds of them: choose a model with three blocks or more first in the "
            "list, or another way to break it (masked words ask for none)."
        )

    def _unfit(self, model: str) -> str:
        """Why the chosen map does not localise units of the model, or nothing."""
        if not self.selection.unit_map:
            return ""
        made, about = load_map(self.selection.unit_map), card(model)
        if None in (about.layers, about.width) or made.t.shape == (about.layers, about.width):
            return ""
        return (
            f"The map {made.name} was made on {made.model}, with {made.t.shape[0]} blocks of {made.t.shape[1]} units; {model} "
            f"has {about.layers} of {about.width}: choose {made.model} first in the list, or make a map of {model}."
        )

    def _curve_wishes(self) -> list[Wish]:
        choice = self.selection
        return [
            Wish(
                outcome_key("curve", model, choice, choice.hiding, seed),
                f"{model}, masked words, seed {seed}",
                partial(_curve, model, choice.hiding, seed, *asked_of(choice)),
            )
            for model, _, seed in self._curves_asked()
        ]

    def _curves_asked(self) -> list[tuple[str, str, int]]:
        choice = self.selection
        return [
            (model, choice.hiding, seed) for model in choice.models for seed in range(choice.draws)
        ]

    def _changed_wishes(self) -> list[Wish]:
        choice = self.selection
        return [
            Wish(
                outcome_key("changed", model, choice, seed, own, _stamped(own)),
                f"{model}, changed sentences, seed {seed}",
                partial(_changed, model, seed, own, choice.recording, choice.protocol),
            )
            for model, seed, own in self._changed_asked()
        ]

    def _changed_asked(self) -> list[tuple[str, int, str]]:
        choice = self.selection
        return [
            (model, seed, "" if seed else choice.paraphrases)
            for model in choice.models
            for seed in range(choice.draws)
        ]

    def missing(self) -> list[Computation]:
        if self.selection.breaks == "words":
            return self.changed.wanted(
                self._changed_wishes(), _look_changed, self._changed_asked(), self.selection
            )
        if self.selection.breaks == "masks":
            return self.curves.wanted(
                self._curve_wishes(), _look, self._curves_asked(), self.selection
            )
        whole = self.selection.models[0] if self.selection.models else ""
        scored = self._map_wish()
        return [
            *self.outcomes.missing(self.wanted(), whole),
            *self.mapped.computations([scored] if scored else []),
        ]

    def _map_wish(self) -> Wish | None:
        """What the units of the chosen map predict; None where units are found on the model itself."""
        choice = self.selection
        if choice.breaks != "lesion" or not choice.unit_map or not choice.models or self._shallow():
            return None
        made = load_map(choice.unit_map)
        key = f"units:{identity.case(made.model, choice.recording, choice.protocol)}|{made.mark}|{choice.draws}"
        asked = (choice.unit_map, choice.recording, choice.protocol, choice.draws)
        cost = priced(made.model, 3 * reading_seconds(made.model)).cost
        title = f"units of the map {choice.unit_map} on {choice.recording}"
        return Wish(key, title, partial(_units, *asked), cost=cost)

    def show_example(self) -> None:
        """Choose models that ship."""
        from analysis.answers.occlusion import MODELS

        self.selection.models = list(MODELS) if self.selection.breaks in _BY_CURVE else [MODELS[0]]

    # ---- what is shown -----------------------------------------------------------------------------------------------
    def view(self) -> View:
        choice = self.selection
        if not choice.models:
            return View(
                empty="Choose a model: copies of it are broken in small steps, and what is left is measured three ways.",
                action=("Choose models that ship", self.show_example),
            )
        if choice.breaks == "masks":
            return self._masks()
        if choice.breaks == "words":
            return self._words()
        if shallow := self._shallow():
            return View(empty=shallow, action=("Choose models that ship", self.show_example))
        model = choice.models[0]
        found = self.outcomes.found(self.wanted(), model)
        if len(found) < 2 or found[0].model != model:
            return View(
                empty=f"{model} and {len(self.wanted()) - 1} broken copies have not been run. Press Run (or the key r).",
                action=("Run", self.run),
            )
        from analysis.answers.perturb import lesions, noise

        if choice.breaks == "noise":
            answer = noise(found)
            draw = noise_pictures
        else:
            answer = lesions(found)
            draw = lesion_pictures
        stamp, paper = simulated_stamp(choice.recording), _paper(choice, answer, [model])
        more = len(choice.models) - 1
        note = f" {more} further chosen models are not drawn: one at a time." if more else ""
        answer = replace(answer, caption=answer.caption + note)
        python = _python(choice, "noise" if choice.breaks == "noise" else "lesions")
        shown = stamped_times(draw(answer, stamp, python, paper), choice.corpora)
        shown = (*shown, *self._map_pictures(stamp))
        return View(shown, (stamp,) if stamp else (), notes=_NOTES)

    def _map_pictures(self, stamp: str) -> list[Picture]:
        """Where the units of the chosen map stand, and what they predict."""
        wish, choice = self._map_wish(), self.selection
        if wish is None:
            return []
        from analysis.answers.units import localised

        where, scored = localised(choice.unit_map), self.mapped.value(wish.key)
        models = [load_map(choice.unit_map).model]
        common = {"python": _python(choice, "units")}
        shown = [
            Picture("Localised units", units.in_blocks(where), where.frame, paper=_paper(choice, where, models), **common)
        ]  # fmt: skip
        if scored is not None:
            paper = _paper(choice, scored, models)
            spec = units.predicted(scored, stamp)
            shown.append(Picture("What they predict", spec, scored.frame, paper=paper, **common))
        return shown

    def _masks(self) -> View:
        keys = [wish.key for wish in self._curve_wishes()]
        found, told = self.curves.values(keys), [self.curves.finding(key) for key in keys]
        refused = list(dict.fromkeys(one.reason for one in told if isinstance(one, Refused)))
        if not found and refused:
            return View(empty=" ".join(refused))
        if not found:
            return View(
                empty=f"{len(keys)} curves have not been run. Press Run (or the key r).",
                action=("Run", self.run),
            )
        from analysis.answers.occlusion import occlusion

        answer, stamp = occlusion(found), simulated_stamp(self.selection.recording)
        answer = replace(answer, caption=" ".join([answer.caption, *refused]))
        python = _python(self.selection, "occlusion")
        paper = _paper(self.selection, answer, list(self.selection.models))
        shown = mask_pictures(answer, stamp, python, paper)
        shown = stamped_times(shown, self.selection.corpora)
        return View(shown, (stamp,) if stamp else (), notes=_NOTES)

    def _words(self) -> View:
        wishes = self._changed_wishes()
        found = self.changed.values(wish.key for wish in wishes)
        if not any(one.seed == 0 for one in found):
            return View(
                empty=f"{len(wishes)} runs on changed sentences have not been made. Press Run (or the key r).",
                action=("Run", self.run),
            )
        from analysis.answers.changed import changed

        begun = {one.model for one in found if one.seed == 0}
        answer = changed(one for one in found if one.model in begun)
        stamp, choice = simulated_stamp(self.selection.recording), self.selection
        common = {
            "python": _python(choice, "changed"),
            "paper": _paper(choice, answer, list(choice.models)),
        }
        shown = changed_pictures(answer, stamp, **common)
        return View(shown, (stamp,) if stamp else (), notes=_NOTES)


def _paper(choice, answer, models: list[str]) -> Callable[[], tuple[str, str]]:
    """Methods paragraph and references of an answer about models on a recording."""
    from analysis.answers.outcomes import lean

    protocol, done = lean(choice.protocol), answer.caption
    return partial(beside, done, models=models, recording=choice.recording, protocol=protocol)


def _line(frame, x: str, value: str, colour: str, hover: tuple) -> tuple[Mark, ...]:
    frame = frame.dropna(subset=[value])
    ends = (f"{value}_low", f"{value}_high")
    return (
        Mark("line", frame, x, value, colour=colour),
        Mark("points", frame, x, value, *ends, colour=colour, hover=(x, value, *ends, *hover)),
    )


def _others(
    answer,
    x: str,
    colour: str,
    stamp: str,
    hover: tuple,
    *,
    unit: str,
    log_x: bool = False,
    **common,
) -> list[Picture]:
    """Bits per byte and delta log-likelihood over the same axis, where there are any."""
    from analysis.answers.outcomes import MEASURES

    made, whole = [], answer.facts.get("whole", {})
    for name, label in (("bits_per_byte", "Bits per byte"), ("delta_ll", "Reading times")):
        if answer.frame[name].notna().any():
            known = whole.get(name) is not None and np.isfinite(whole[name])
            rules = (Rule("y", whole[name], f"{whole['model']}, whole"),) if known else ()
            digits = 4 if name == "delta_ll" else 2
            before = f"{decimal(whole[name], digits)} of {whole['model']}, whole" if known else ""
            said = at_the_end(
                answer.frame,
                name,
                colour,
                x,
                unit,
                label=MEASURES[name],
                whole=before,
                first=not known,
            )
            spec = FigureSpec(
                Perturb.question, _line(answer.frame, x, name, colour, hover), answer.axes["x_title"],
                MEASURES[name], rules, answer=said, caption=answer.caption, stamp=stamp if name != "bits_per_byte" else "",
                log_x=log_x,
            )  # fmt: skip
            made.append(Picture(label, spec, answer.frame, **common))
    return made


def noise_pictures(answer, stamp: str = "", python: str = "", paper=None) -> tuple[Picture, ...]:
    """Score over noise, score over divergence, bits per byte and reading times; a line for each third."""
    from analysis.answers.perturb import at_same_kl

    common = {"python": python, "paper": paper}
    whole, hover = answer.facts["whole"], ("seeds", "r_nested", "bits_per_byte", "kl")
    rules = (
        Rule("y", 0.0),
        Rule("y", whole["r"], f"{whole['model']}, without noise {whole['r']:.2f}"),
    )
    score = FigureSpec(
        Perturb.question, _line(answer.frame, "sd", "r", "depth", hover), answer.axes["x_title"],
        answer.axes["y_title"], rules, answer=answer.sentence, caption=answer.caption, stamp=stamp,
    )  # fmt: skip
    pictures = [Picture("Score", score, answer.frame, **common)]
    single = answer.facts["seeds"].dropna(subset=["kl"])
    if len(single):
        hover = ("depth", "sd", "seed", "kl", "r", "r_nested")
        mean = answer.frame.dropna(subset=["kl"])
        marks = (
            Mark("line", mean, "kl", "r", colour="depth"),
            Mark("points", single, "kl", "r", colour="depth", hover=hover),
        )
        spec = FigureSpec(
            "What breaks it, at the same change of what is predicted?", marks,
            "KL of the next piece, nats (log scale)", answer.axes["y_title"], rules, log_x=True, stamp=stamp,
            answer=at_same_kl(answer.facts["contrasts"]),
            caption="Lines join means over seeds; one point per copy. Read upwards: the same KL, another depth.",
        )  # fmt: skip
        pictures.append(Picture("At the same KL", spec, single, **common))
    return (*pictures, *_others(answer, "sd", "depth", stamp, ("seeds",), unit=" sd", **common))


def lesion_pictures(answer, stamp: str = "", python: str = "", paper=None) -> tuple[Picture, ...]:
    """Score over what was cut out, a line for each kind."""
    common = {"python": python, "paper": paper}
    whole = answer.facts["whole"]
    rules = (Rule("y", 0.0), Rule("y", whole["r"], f"{whole['model']}, whole {whole['r']:.2f}"))
    hover = ("what", "seeds", "r_nested", "bits_per_byte", "kl")
    units = answer.frame[answer.frame["what"] != "one block"]
    score = FigureSpec(
        Perturb.question, _line(units, "percent", "r", "what", hover), answer.axes["x_title"],
        answer.axes["y_title"], rules, answer=answer.sentence, caption=answer.caption, stamp=stamp, log_x=True,
    )  # fmt: skip
    pictures = [Picture("Score", score, answer.frame, **common)]
    answer = replace(answer, frame=units)
    hover = ("what", "seeds")
    others = _others(answer, "percent", "what", stamp, hover, unit=" %", log_x=True, **common)
    return (*pictures, *others)


def mask_pictures(answer, stamp: str = "", python: str = "", paper=None) -> tuple[Picture, ...]:
    """Score, and what is left of it, over masked words; a line for each model."""
    common = {"python": python, "paper": paper}
    left = half_gone(answer.facts["half"], answer.frame["percent"].max())
    hover = ("model", "class", "seeds", "share", "r_nested", "bits_per_byte")
    score = FigureSpec(
        Perturb.question, _line(answer.frame, "percent", "r", "model", hover), answer.axes["x_title"],
        answer.axes["y_title"], (Rule("y", 0.0),), answer=answer.sentence, caption=answer.caption, stamp=stamp,
    )  # fmt: skip
    share = FigureSpec(
        "How much is left?", _line(answer.frame, "percent", "share", "model", hover), answer.axes["x_title"],
        "Share of r with nothing masked", (Rule("y", 1.0), Rule("y", 0.5)), answer=left, caption=answer.caption, stamp=stamp,
    )  # fmt: skip
    pictures = [
        Picture("Score", score, answer.frame, **common),
        Picture("What is left", share, answer.frame, **common),
    ]
    hover = ("model", "words")
    return (*pictures, *_others(answer, "percent", "model", stamp, hover, unit=" %", **common))


def changed_pictures(answer, stamp: str = "", python: str = "", paper=None) -> tuple[Picture, ...]:
    """What is left of r with each change, and r itself; a point for each model."""
    common = {"python": python, "paper": paper}
    hover = ("model", "class", "what", "seeds", "r", "share", "r_nested")
    rest = answer.frame[answer.frame["change"] != "whole"].dropna(subset=["share"])
    ends = ("share_low", "share_high")
    left = FigureSpec(
        Perturb.question, (Mark("points", rest, "what", "share", *ends, colour="model", hover=hover),), "",
        "Share of r with nothing changed", (Rule("y", 0.0), Rule("y", 1.0, "whole sentences")),
        answer=answer.sentence, caption=answer.caption, stamp=stamp, horizontal=True,
    )  # fmt: skip
    score = FigureSpec(
        Perturb.question, (Mark("points", answer.frame, "what", "r", "r_low", "r_high", colour="model", hover=hover),), "",
        answer.axes["y_title"], (Rule("y", 0.0),), answer=answer.sentence, caption=answer.caption, stamp=stamp,
        horizontal=True,
    )  # fmt: skip
    pictures = (
        Picture("What is left", left, answer.frame, **common),
        Picture("Score", score, answer.frame, **common),
    )
    return pictures if len(rest) else pictures[1:]


def simulated_stamp(recording: str) -> str:
    """What has to be seen on every figure of a recording."""
    return "; ".join(load(recording).stamps)


def stamped_times(pictures: tuple[Picture, ...], corpora: Sequence[str]) -> tuple[Picture, ...]:
    """The pictures, those of reading times with the stamp of these and not of the recording."""
    told = simulated_stamp(corpora[0]) if corpora else ""
    return tuple(
        replace(one, spec=replace(one.spec, stamp=told)) if one.label == "Reading times" else one
        for one in pictures
    )


def _curve(model, how, seed, recording, protocol, text, corpus, report: Report):
    from analysis.answers.occlusion import occlusion_curve

    asked = dict(how=how, seed=seed, text=words_of(text), corpus=corpus)
    return occlusion_curve(model, recording, protocol, report=report, **asked)


def _units(name, recording, protocol, draws, report: Report):
    from analysis.answers.units import score_map

    return score_map(name, recording, protocol, seeds=draws, report=report)


def _changed(model, seed, own, recording, protocol, report: Report):
    from analysis.answers.changed import changed_sentences

    return changed_sentences(model, recording, protocol, seed=seed, own=own, report=report)


def _look_changed(model: str, seed: int, own: str, recording, protocol, **_):
    """What was found on changed sentences, where it is stored, else what it costs."""
    from analysis.answers.changed import stored_changed

    try:
        found = stored_changed(model, recording, protocol, seed=seed, own=own)
    except Locked:
        raise
    except BrainLensError:  # the run says what is wrong with the paraphrases
        found = None
    return priced(model, 3 * reading_seconds(model)) if found is None else Ready(found)


def _stamped(own: str) -> str:
    """Another word as soon as the file of paraphrases changes."""
    place = existing(own)
    return "" if place is None else marks([place])


def _look(model: str, how: str, seed: int, **asked):
    """The curve where it is stored, else what it costs, or why the model's words cannot be hidden so."""
    from analysis.answers.occlusion import LEVELS, stored_curve

    try:
        must_apply(f"{model}@mask:50:{how}")
    except BrainLensError as error:
        return Refused(str(error))
    found = stored_curve(model, how=how, seed=seed, **asked)
    return priced(model, len(LEVELS) * bits_seconds(model)) if found is None else Ready(found)


def _python(choice, kind: str) -> str:
    """Code that makes the answer again."""
    changes = ", ".join(f"{name}={value!r}" for name, value in choice.changes.items())
    protocol = f"preset({choice.preset!r})" + (f".but({changes})" if changes else "")
    corpus = choice.corpora[0] if choice.corpora else ""
    asked = f"{choice.recording!r}, protocol, text=text, corpus={corpus!r}"
    if kind == "changed":
        body = [
            "from analysis.answers.changed import changed, changed_sentences",
            f"own = {choice.paraphrases!r}  # your sentences in other words",
            f"runs = [changed_sentences(model, {choice.recording!r}, protocol, seed=seed, own='' if seed else own)",
            f"        for model in {list(choice.models)!r} for seed in range({choice.draws})]",
            "answer = changed(runs)",
        ]
    elif kind == "occlusion":
        body = [
            "from analysis.answers.occlusion import occlusion, occlusion_curve",
            f"curves = [occlusion_curve(model, {asked}, how={choice.hiding!r}, seed=seed)",
            f"          for model in {list(choice.models)!r} for seed in range({choice.draws})]",
            "answer = occlusion(curves)",
        ]
    elif kind == "units":
        body = [
            "from analysis.answers.units import localised, score_map",
            f"where = localised({choice.unit_map!r})  # made by make_map, or 'brainlens units map'",
            "print(where.sentence)",
            f"answer = score_map({choice.unit_map!r}, {choice.recording!r}, protocol, seeds={choice.draws})",
        ]
    else:
        names = "noise_names" if kind == "noise" else "lesion_names"
        named = f", named={choice.unit_map!r}" if kind != "noise" and choice.unit_map else ""
        body = [
            "from analysis.answers.outcomes import outcome",
            f"from analysis.answers.perturb import {names}, {kind}",
            f"model = {choice.models[0]!r}",
            f"answer = {kind}(outcome(name, {asked}, whole=model) for name in {names}(model, {choice.draws}{named}))",
        ]
    return "\n".join([
        '"""Made by BrainLens: what is left of a model when it is broken."""',
        "",
        "from analysis import preset",
        *code_of(choice.text),
        f"protocol = {protocol}",
        *body,
        "print(answer.sentence)",
        "print(answer.caption)",
        'answer.frame.to_csv("perturb.csv", index=False)',
        "",
    ])  # fmt: skip
