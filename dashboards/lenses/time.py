"""When is the brain predicted?"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import ClassVar

import pandas as pd
import panel_material_ui as pmui
import param

from analysis.answers.answer import interval, signed
from analysis.answers.each_person import each_person_over_time
from analysis.answers.time_course import ALL, methods, rows_over_time, time_course
from analysis.paper.methods_answers import beside
from analysis.progress import Report
from analysis.protocol import Protocol
from analysis.scoring.cost import cost
from analysis.scoring.lags import has_time, lag_course, lags_of
from dashboards.figures.people import each_person_over_time as people_over_time
from dashboards.figures.spec import FigureSpec, Mark, Rule
from dashboards.lens.controls import ModelPicker, ProtocolPicker, RecordingPicker
from dashboards.lens.lens import Computation, Lens, Picture, View
from dashboards.state import Selection, Words
from dashboards.work import identity, opened
from dashboards.work.heard import Doctors, no_bits
from dashboards.work.ledger import Ledger, Priced, Ready, Refused, Wish
from dashboards.work.score_computations import offered, unscorable
from data.files import guarded

__all__ = ["Time"]

SHOWN = {"Everything together": ALL, "Each region or electrode": "region"}
NOTES = (
    (
        "lag",
        "Seconds (a story) or milliseconds (epochs) after the words; analysis.scoring.lags.lag_course.",
    ),
    (
        "interval",
        "95 %, people and held-out blocks drawn independently; analysis.statistics.turning.people_by_blocks.",
    ),
    (
        "p",
        "Corrected over lags and regions: the largest r of predictions shifted around their run; "
        "analysis.statistics.turning.turned.",
    ),
    (
        "onset",
        "Where a curve first exceeds half of its peak, jackknife interval over people; analysis.answers.time_course.latencies.",
    ),
    (
        "gain",
        "Model minus the best control at the model's peak, on the same draws of people and blocks.",
    ),
    ("before", "The highest r before the words: neighbouring words and samples are alike."),
    (
        "offset",
        "Seconds added to the times of a story's words; analysis.answers.word_times.word_times.",
    ),
)


class Courses(Ledger):
    """Curves over lags of a session, by model, recording and protocol."""

    def __init__(self, selection: Selection):
        super().__init__()
        self._selection = selection

    def key(self, model: str) -> str:
        """Content key of one model's curves."""
        return f"lags:{identity.case(model, self._selection.recording, self._selection.protocol)}"

    def missing(self, models: list[str]) -> list[Computation]:
        """A look into the store, then the computation."""
        recording, protocol = self._selection.recording, self._selection.protocol
        return self.computations(
            Wish(
                self.key(model),
                f"{model} on {recording} over time",
                partial(_course, model, recording, protocol),
                partial(_look, model, recording, protocol),
            )
            for model in models
            if not unscorable(model)
        )


class Time(Lens):
    """Scores of models and controls at every lag after (and before) the words.

    Examples
    --------
    >>> Time(models=["zoo-causal-3m"], recording="simulated-story", protocol="story").run(wait=True)  # doctest: +SKIP
    """

    slug, label, icon = "time", "Time", "schedule"
    question = "When is the brain predicted?"
    opens_with: ClassVar = {"recording": "simulated-story", "preset": "story"}
    fields: ClassVar = {
        "places": param.Selector(
            default=ALL,
            objects=list(SHOWN.values()),
            doc="What has a curve over time: all, or each region.",
        ),
        "bits": Words(
            "", doc="The model whose surprisal is followed through a story beside its words."
        ),
    }
    watches = ("models", "recording", "preset", "changes", "places", "bits")

    def make_controls(self) -> dict:
        self.courses, self.doctors = Courses(self.selection), Doctors()
        places = self.control(pmui.Select, "places", "A curve for", options=SHOWN)
        self._bits = self.control(
            pmui.Select,
            "bits",
            "Surprisal beside a story's words",
            options=self._readers(),
            description="The doctor of a story follows the number of words; surprisal of one of the chosen models is followed "
            "beside it.",
        )
        return {
            "What": [RecordingPicker(self.selection), ModelPicker(self.selection)],
            "How": [ProtocolPicker(self.selection)],
            "View": [places, self._bits],
        }

    def _readers(self) -> dict[str, str]:
        """Whose surprisal can be followed: of the chosen models those with next-word probabilities."""
        named = dict.fromkeys(filter(None, [*self.selection.models, self.selection.bits]))
        return {"none": ""} | {name: name for name in named if not no_bits(name)}

    def reflect(self, view: View) -> None:
        if self._bits.options != (options := self._readers()):
            self._bits.options = options

    def missing(self) -> list[Computation]:
        choice, models = self.selection, self.selection.models
        asked = self.doctors.missing(choice.recording, self._reader, choice.protocol)
        return self.courses.missing(models) + (asked if models else [])

    @property
    def _reader(self) -> str:
        """The model whose surprisal is followed, where it has one."""
        bits = self.selection.bits
        return "" if not bits or no_bits(bits) else bits

    def view(self) -> View:
        models = [model for model in self.selection.models if not unscorable(model)]
        shown = ("Show the built-in example", lambda: self.selection.param.update(**example()))
        if not models:
            return View(
                empty="Choose a model with activations and a recording over time: a story, or epochs around each word.",
                action=offered(self.selection, example),
            )
        keys = [self.courses.key(model) for model in models]
        refused = [
            one.reason for one in map(self.courses.finding, keys) if isinstance(one, Refused)
        ]
        found = self.courses.values(keys)
        if not found and refused:
            return View(empty=f"{refused[0][0].upper()}{refused[0][1:]}.", action=shown)
        if not found:
            if self.courses.looking(keys):
                failed = (
                    "It is not known what is stored: see the error above." if self.failed else ""
                )
                return View(empty=failed or "Looking into the store ...")
            return View(
                empty="Nothing is stored for this selection yet. Press Run (or the key r).",
                action=("Run", self.run),
            )
        answer = time_course(found, by=self.selection.places)
        stamp = str(found[0].attrs["stamp"])
        done, choice = methods(found), self.selection
        paper = partial(
            beside, done, models=models, recording=choice.recording, protocol=choice.protocol
        )
        common = {"python": _python(choice, models), "methods": done, "paper": paper}
        pictures = [
            Picture(
                "Time",
                curves(answer, found, stamp),
                answer.frame,
                more=partial(_rows, found),
                **common,
            ),
            Picture("Peaks", peaks(answer, found, stamp), answer.facts["peaks"], **common),
        ]
        if (people := each_person_over_time(found)) is not None:
            spec = replace(people_over_time(people), stamp=stamp)
            more = partial(_peaks_of_people, people.facts["people"])
            pictures.append(Picture("People", spec, rows_over_time(found), more=more, **common))
        heard, lacking = self.doctors.best(choice.recording, self._reader, choice.protocol)
        if heard is not None:
            read = partial(beside, heard.caption, recording=self.selection.recording)
            if lacking := lacking or (choice.bits and no_bits(choice.bits)):
                said = f"{heard.caption} Surprisal of {choice.bits}: {lacking}."
                heard = replace(heard, caption=said)
            python = _python_of_words(choice, "" if lacking else self._reader)
            pictures.append(
                Picture("Words", words(heard, stamp), heard.frame, python=python, paper=read)
            )
        return View(tuple(pictures), tuple(filter(None, (stamp,))), notes=NOTES)


# ---- figures ---------------------------------------------------------------------------------------------------------
def curves(answer, courses: list, stamp: str) -> FigureSpec:
    """r against lag: models in their colours, controls in grey, what lies before the words shaded."""
    frame, several = answer.frame, answer.frame["group"].nunique() > 1
    frame = frame[frame["r"].notna()]
    hover = ("model", "group", "lag", "r", "r_low", "r_high")
    marks = [
        Mark("line", mine, "lag", "r", name=str(name), muted=True, dashed=True, hover=hover)
        for name, mine in frame[frame["kind"] == "control"].groupby("model", sort=False)
    ]
    trained = frame[frame["kind"] == "model"]
    marks.append(Mark("line", trained, "lag", "r", "r_low", "r_high", colour="model", hover=hover))
    top = trained.loc[trained.groupby(["model", "group"], sort=False)["r"].idxmax()]
    marks.append(
        Mark("points", top, "lag", "r", colour="model", name="peak", hover=hover, ringed=True)
    )
    rules = [Rule("y", 0.0), Rule("x", 0.0, "words", *_before(frame))]
    ceiling = float(courses[0].attrs["ceiling"])
    if not several and ceiling == ceiling:
        rules.append(Rule("y", ceiling, f"ceiling {ceiling:.2f}"))
    return FigureSpec(
        Time.question,
        tuple(marks),
        answer.axes["x_title"],
        answer.axes["y_title"],
        tuple(rules),
        answer=answer.sentence,
        caption=answer.caption,
        stamp=stamp,
        facet="group" if several else None,
    )


def _before(frame: pd.DataFrame) -> tuple[float | None, float | None]:
    """The stretch before the words."""
    first = float(frame["lag"].min())
    return (first, 0.0) if first < 0 else (None, None)


def peaks(answer, courses: list, stamp: str) -> FigureSpec:
    """What each model adds to the best control at its peak, by region."""
    table = answer.facts["peaks"]
    table = table[table["gain"].notna()]
    hover = (
        "model",
        "group",
        "peak",
        "r",
        "control",
        "control_r",
        "gain",
        "gain_low",
        "gain_high",
        "p",
    )
    said = [
        f"{row.model}{'' if row.group == ALL else f', {row.group}'}: {signed(row.gain, 2)} "
        f"{interval(row.gain_low, row.gain_high)} "
        f"beyond {row.control} at {row.peak:g} {courses[0].attrs['unit']}"
        for row in table.itertuples()
    ]
    return FigureSpec(
        "What does the model add to when words come?",
        (
            Mark(
                "points",
                table,
                "group",
                "gain",
                "gain_low",
                "gain_high",
                colour="model",
                hover=hover,
            ),
        ),
        "Region" if (table["group"] != ALL).any() else "",
        "Model minus best control, r",
        (Rule("y", 0.0, "no more than the control"),),
        answer="; ".join(said) + ("." if said else ""),
        caption="At the lag of the model's highest r. The control is the one that predicts best there, which favours it. "
        + answer.caption,
        stamp=stamp,
    )


def words(answer, stamp: str) -> FigureSpec:
    """Word rate against the signal, all words moved by so many seconds."""
    frame, more = answer.frame, ()
    if "surprisal" in frame:
        more = (Mark("line", frame, "offset", "surprisal", name="surprisal", dashed=True,
                     hover=("offset", "surprisal")),)  # fmt: skip
    return FigureSpec(
        "Do the words stand where they were heard?",
        (
            Mark("line", frame, "offset", "r", name="word rate", hover=("offset", "r")),
            *more,
            Mark("line", frame, "offset", "chance", name="chance", muted=True, dashed=True),
        ),
        answer.axes["x_title"],
        answer.axes["y_title"],
        (Rule("x", 0.0), Rule("y", 0.0)),
        answer=answer.sentence,
        caption=answer.caption,
        stamp=stamp,
    )


# ---- files beside the figure -----------------------------------------------------------------------------------------
def _rows(found: list) -> dict[str, bytes]:
    """Every person in every region at every lag."""
    return {"people_regions_lags.csv": _csv(rows_over_time(found))}


def _peaks_of_people(table: pd.DataFrame) -> dict[str, bytes]:
    """Each person where the others peak."""
    return {"people_peaks.csv": _csv(table)}


def _csv(table: pd.DataFrame) -> bytes:
    return guarded(table).to_csv(index=False).encode()


# ---- helpers ---------------------------------------------------------------------------------------------------------
def example() -> dict:
    """A model and a story that ship with the program."""
    return {
        "models": ["zoo-causal-3m"],
        "recording": "simulated-story",
        "preset": "story",
        "changes": {},
    }


def _python(choice, models: list[str]) -> str:
    return "\n".join([
        '"""Made by BrainLens: how well models predict a recording at every lag."""',
        "",
        "from analysis import preset",
        "from analysis.answers.each_person import each_person_over_time",
        "from analysis.answers.time_course import rows_over_time, time_course",
        "from analysis.scoring.lags import lag_course",
        "",
        f"protocol = {_protocol(choice)}",
        f"courses = [lag_course(model, {choice.recording!r}, protocol) for model in {models!r}]",
        f"answer = time_course(courses, by={choice.places!r})",
        "print(answer.sentence)",
        "print(answer.caption)",
        'print(answer.facts["peaks"].to_string(index=False))',
        'answer.frame.to_csv("time.csv", index=False)',
        'rows_over_time(courses).to_csv("people_regions_lags.csv", index=False)',
        "people = each_person_over_time(courses)  # None where the responses are of nobody, or averages",
        "if people is not None:",
        "    print(people.sentence)",
        '    people.facts["people"].to_csv("people_peaks.csv", index=False)',
        "",
    ])  # fmt: skip


def _python_of_words(choice, model: str = "") -> str:
    more = f", surprisal={model!r}, protocol={_protocol(choice)}" if model else ""
    return "\n".join([
        '"""Made by BrainLens: whether the words of a story stand where they were heard."""',
        "",
        *(["from analysis import preset"] if model else []),
        "from analysis.answers.word_times import word_times",
        "from data.catalog.catalog import recording",
        "",
        f"answer = word_times(recording({choice.recording!r}){more})",
        "print(answer.sentence)",
        "print(answer.caption)",
        'answer.frame.to_csv("words.csv", index=False)',
        "",
    ])  # fmt: skip


def _protocol(choice) -> str:
    """The protocol of a selection, as code."""
    changes = ", ".join(f"{name}={value!r}" for name, value in choice.changes.items())
    return f"preset({choice.preset!r})" + (f".but({changes})" if changes else "")


def _look(model: str, name: str, protocol: Protocol, report: Report) -> Ready | Priced | Refused:
    loaded = opened.recording(name)
    if why := has_time(loaded):
        return Refused(why)
    if (found := lag_course(model, loaded, protocol, known=True)) is not None:
        return Ready(found)
    price = cost(model, loaded, protocol)
    fits = len(lags_of(loaded)) if loaded.sampled else 1
    more = 2e-8 * fits * loaded.n_stimuli**2 * loaded.n_targets / 100 + 3.0
    return Priced(replace(price, seconds=None if price.seconds is None else price.seconds + more))


def _course(model: str, name: str, protocol: Protocol, report: Report):
    return lag_course(model, name, protocol, report=report)
