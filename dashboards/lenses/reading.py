"""Does the model read like people?"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import panel_material_ui as pmui

from analysis.progress import Report
from analysis.protocol import Protocol
from dashboards.controls import ModelPicker, ProtocolPicker
from dashboards.figures.spec import FigureSpec, Mark, Rule
from dashboards.lens import Lens, Picture, Task, View
from dashboards.lenses.task import scatter
from dashboards.look import note
from dashboards.scores import FREE_SECONDS

__all__ = ["Reading"]

FORMS = {"Linear": "linear", "Mixed: people and words": "mixed", "Splines (GAM)": "gam"}
LINKS = {"As measured": "identity", "Logarithm": "log"}
_UNITS = {"log": "log time", "identity": "unit of the response"}
SHOWN_WORDS = 24
"""Words in the picture of the inspector; its table has all of them."""

NOTES = (
    (
        "delta log-likelihood",
        "What surprisal of the word and of the two words before it adds to length and log frequency of the same words, in nats "
        "per word, held out text by text; analysis.reading.delta_log_likelihood.",
    ),
    ("interval", "95 %, t interval of the mean over texts; with few texts it is wide."),
    ("bias", "What a model without any effect is expected at: about -k / 2n for k added columns and n words."),
    ("bits per word", "Mean surprisal of the same words; the lower, the better the model predicts them."),
    (
        "alignment",
        "Time regressed on surprisal, length and log frequency of the words t+2 to t-3 at once. A person who reads word by word "
        "cannot respond to the next word; where the peak lies decides nothing. Times that stand too late look like spillover; "
        "analysis.doctor.lag_profile.",
    ),
    (
        "word-boundary correction",
        "The probability of the space after a word belongs to the word, not the space before it (Oh & Schuler 2024; Pimentel & "
        "Meister 2024); analysis.surprisal.span_surprisal.",
    ),
    ("mean of N", "Mean over the chosen recordings of times, each with the same weight; simulated ones are left out."),
)


class Reading(Lens):
    """What a model's surprisal adds to length and frequency in predicting reading times, and whether the times are aligned.

    Examples
    --------
    >>> Reading(models=["zoo-causal-400k"], corpora=["simulated-reading"]).run(wait=True)  # doctest: +SKIP
    """

    slug, label, icon = "reading", "Reading", "menu_book"
    question = "Does the model read like people?"
    watches = ("models", "corpora", "preset", "changes", "form", "link")

    def make_controls(self) -> list:
        self._found: dict[str, object] = {}
        self._prices: dict[str, object] = {}
        options = _corpora()
        options |= {name: name for name in self.selection.corpora if name not in options.values()}
        corpora = pmui.MultiChoice(
            label="Recordings of words",
            options=options,
            value=self.selection.corpora,
            sizing_mode="stretch_width",
            margin=(8, 0, 4, 0),
        )
        own = pmui.TextInput(
            label="A file of your own",
            placeholder="words.csv, or table.csv#corpus",
            sizing_mode="stretch_width",
            size="small",
            margin=(8, 0, 4, 0),
            description="One row per word; #corpus names one of several in a table, #corpus:eye_tracking one of eye movements",
        )
        own.param.watch(lambda event: self._add(own, corpora, event.new.strip()), "value")
        look = dict(sizing_mode="stretch_width", size="small", margin=(8, 0, 4, 0))
        form = pmui.Select(label="Model of the times", options=FORMS, value=self.selection.form, **look)
        link = pmui.Select(label="Scale of the times", options=LINKS, value=self.selection.link, **look)
        self.link(corpora, "corpora")
        self.link(form, "form")
        self.link(link, "link")
        return [ModelPicker(self.selection), corpora, own, form, link, ProtocolPicker(self.selection),
                note("Of the protocol, context and word boundary count here.", margin=(0, 4))]  # fmt: skip

    def _add(self, own, corpora, name: str) -> None:
        if not name:
            return
        corpora.options = {**corpora.options, name: name}
        if name not in self.selection.corpora:
            self.selection.corpora = [*self.selection.corpora, name]
        own.value = ""

    # ---- work ----------------------------------------------------------------------------------------------------------
    def _pairs(self) -> list[tuple[str, str, str]]:
        """Key, model and recording of everything that is asked for."""
        choice = self.selection
        how = f"{choice.protocol.key()}|{choice.form}|{choice.link}"
        return [(f"reading:{model}|{name}|{how}", model, name) for name in choice.corpora for model in choice.models]

    def tasks(self) -> list[Task]:
        choice, found = self.selection, []
        for key, model, name in self._pairs():
            if key in self._found:
                continue
            title = f"{model} reads {name}"
            work = (model, name, choice.protocol, choice.form, choice.link)
            if key not in self._prices:
                found.append(Task(f"look:{key}", title, partial(_look, *work), free=True, quiet=True))
                continue
            cost = self._prices[key]
            cheap = not cost.download and cost.seconds is not None and cost.seconds <= FREE_SECONDS
            found.append(Task(key, title, partial(_read, *work), cost.seconds, cost.download, cost.memory, free=cheap))
        return found

    def take(self, key: str, result: object, *, final: bool) -> None:
        place = self._found if hasattr(result, "rows") else self._prices
        place[key.removeprefix("look:")] = result

    # ---- what is shown -------------------------------------------------------------------------------------------------
    def view(self) -> View:
        from analysis.answers.reading import against, answer

        if not (self.selection.models and self.selection.corpora):
            return View(
                empty="Choose a model and a recording of words: the model then reads the words that people read, and what its "
                "surprisal says about their times is compared with what length and frequency say.",
                action=("Show the built-in example", lambda: self.selection.param.update(**example())),
            )
        pairs = self._pairs()
        found = [self._found[key] for key, _, _ in pairs if key in self._found]
        if not found:
            if any(key not in self._prices for key, _, _ in pairs) and not getattr(self, "failed", False):
                return View(empty="Looking into the store ...")
            return View(empty="Nothing is stored for this selection yet. Press Run (or the key r).", action=("Run", self.run))
        said = answer(found)
        python = _python(self.selection)
        pictures = [Picture("Delta log-likelihood", gains(said), said.frame, python=python)]
        for name, table in said.facts["profile"].groupby("recording", sort=False):
            label = f"Alignment: {name}" if len(said.facts["stamps"]) > 1 else "Alignment"
            pictures.append(Picture(label, profile(said, name), table, python=python))
        if said.frame["model"].nunique() > 2:
            better = against(said.frame)
            better = better if better.correlation is not None else replace(better, sentence="")
            spec = scatter("Do better predictors read more like people?", better, stamp=said.facts["stamp"])
            pictures.append(Picture("Against prediction", spec, better.frame, python=python))
        pictures.append(Picture("Words", inspector(found[0]), found[0].words.reset_index(), python=python))
        return View(tuple(pictures), (said.facts["stamp"],) if said.facts["stamp"] else (), notes=NOTES)


# ---- figures -----------------------------------------------------------------------------------------------------------
def gains(said) -> FigureSpec:
    """Delta log-likelihood per recording and model with its interval."""
    frame = said.frame.copy()
    several = frame.groupby("recording")["measure"].transform("nunique") > 1
    frame["read"] = frame["recording"].where(~several, frame["recording"] + ": " + frame["measure"])
    hover = ("model", "read", "delta_ll", "low", "high", "bias", "n_words", "n_dropped", "bits_per_word", "verdict")
    marks = (Mark("points", frame, "read", "delta_ll", "low", "high", colour="model", hover=hover),)
    notes = "; ".join(said.facts["notes"])
    return FigureSpec(
        Reading.question,
        marks,
        "",
        said.axes["y_title"],
        (Rule("y", 0.0, "no effect"),),
        answer=said.sentence,
        caption=f"{said.caption} {notes}.",
        stamp=said.facts["stamp"],
    )


def profile(said, recording: str) -> FigureSpec:
    """Coefficients of the surprisal of the words around, for the first measure of a recording."""
    table = said.facts["profile"]
    table = table[(table["recording"] == recording) & (table["predictor"] == "surprisal")]
    measure = table["measure"].iloc[0]
    frame = table[table["measure"] == measure]
    verdict, words = said.facts["says"][recording, measure]
    hover = ("model", "recording", "measure", "word", "coefficient", "low", "high", "t")
    return FigureSpec(
        "To which word do the times respond?",
        (Mark("line", frame, "lag", "coefficient", "low", "high", colour="model", hover=hover),),
        "Words back (-1: the next word, 0: the word itself)",
        f"Change per bit of surprisal ({_UNITS[frame['link'].iloc[0]]})",
        (Rule("y", 0.0),),
        answer=f"{recording}: {words}" if verdict == "shifted" and words not in said.sentence else "",
        caption=f"{measure}: {verdict}. {words} Least squares on surprisal, length and log frequency of the words t+2 to t-3 "
        "jointly, plus the number of the word and its square; edges of sentences kept. Bands: 95 %, as if words were "
        "independent.",
        stamp=said.facts["stamps"][recording],
    )


def inspector(reading, start: int = 0, count: int = SHOWN_WORDS) -> FigureSpec:
    """Surprisal of the first words of the first text, with and without correction; tokens above the words."""
    words = reading.words[reading.words["story"] == reading.words["story"].iloc[0]].iloc[start : start + count]
    words = words.assign(label=[text if text == pieces else pieces for text, pieces in zip(words["text"], words["pieces"])])
    marks = []
    for column, dashed in (("uncorrected", True), ("corrected", False)):
        if words[column].notna().any():
            name = f"{column} for word boundaries" if column == "corrected" else column
            marks.append(Mark("line", words, "zone", column, name=name, dashed=dashed, hover=("text", "pieces", column)))
    marks.append(Mark("points", words, "zone", "surprisal", label="label", hover=("text", "pieces", "uncorrected", "corrected")))
    text = reading.words["story"].iloc[0]
    return FigureSpec(
        f"How surprising is each word to {reading.model}?",
        tuple(marks),
        f"Word of text {text} of {reading.recording}",
        "Surprisal (bits)",
        caption=f"The first {len(words)} words; a word of several tokens is written with bars between them. The table has every "
        "word, its tokens and its times.",
        stamp=reading.stamp,
    )


# ---- helpers -----------------------------------------------------------------------------------------------------------
def example() -> dict:
    """A model and a recording that ship with the program."""
    return {"models": ["zoo-causal-400k"], "corpora": ["simulated-reading"]}


def _corpora() -> dict[str, str]:
    from data.catalog import entries

    words = ("reading_times", "eye_tracking", "eeg")
    found = {name: one for name, one in entries(recordings=True).items() if one.kind in words}
    return {f"{name}  ({one.state})" if one.state != "ready" else name: name for name, one in found.items()}


def _python(choice) -> str:
    options = "".join(
        f", {name}={value!r}" for name, value in (("form", choice.form), ("link", choice.link)) if value != "identity"
    )
    changes = ", ".join(f"{name}={value!r}" for name, value in choice.changes.items())
    protocol = f"preset({choice.preset!r})" + (f".but({changes})" if changes else "")
    return "\n".join([
        '"""Made by BrainLens: reads the same words again and says what surprisal adds to length and frequency."""',
        "",
        "from analysis import preset",
        "from analysis.answers.reading import reading",
        "",
        f"answer = reading({choice.models!r}, {choice.corpora!r}, protocol={protocol}{options})",
        "print(answer.sentence)",
        "print(answer.caption)",
        "print(answer.frame.to_string(index=False))",
        'answer.frame.to_csv("reading.csv", index=False)',
        'answer.facts["profile"].to_csv("lags.csv", index=False)',
        "",
    ])  # fmt: skip


def _look(model: str, name: str, protocol: Protocol, form: str, link: str, report: Report):
    """The reading where the surprisals are stored, else what it costs."""
    from analysis.reader import price, read

    cost = price(model, name, protocol)
    return read(model, name, protocol=protocol, form=form, link=link, report=report) if cost.cached else cost


def _read(model: str, name: str, protocol: Protocol, form: str, link: str, report: Report):
    from analysis.reader import read

    return read(model, name, protocol=protocol, form=form, link=link, report=report)
