"""Does the model read like people?"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pandas as pd
import panel_material_ui as pmui

from analysis.answers.likeness import likeness
from analysis.answers.mixed import mixed_fits
from analysis.answers.reading import against, against_scores, answer, benchmark
from analysis.paper import methods_reading
from analysis.progress import Report
from analysis.protocol import Protocol
from analysis.reading.by_trial import require_persons
from analysis.reading.frame import word_frame
from analysis.reading.r_folder import r_files
from analysis.reading.run import corpus, price, read
from analysis.scoring import verb
from analysis.scoring.cost import cost
from analysis.scoring.result import Score
from dashboards.figures.people import gains_of_people, kinds_of_readers
from dashboards.figures.people import likeness as likeness_figure
from dashboards.figures.people import mixed_fits as mixed_figure
from dashboards.figures.reading import QUESTION, gains, inspector, nothing, pooled, profile
from dashboards.figures.spec import FigureSpec, Mark, Rule
from dashboards.lens.controls import ModelPicker, ProtocolPicker
from dashboards.lens.lens import Computation, Lens, Picture, View
from dashboards.lenses.task import scatter
from dashboards.look.look import note
from dashboards.work import identity, opened
from dashboards.work.ledger import Ledger, Priced, Ready, Refused, Wish
from dashboards.work.text_computations import unpredictive
from data.catalog.catalog import entries
from data.errors import BrainLensError
from data.filters import FILTERS

__all__ = ["Reading"]

FORMS = {"Linear": "linear", "Mixed: people and words": "mixed", "Splines (GAM)": "gam"}
FILTER_LABELS = {
    "no-edges": "Without first and last words of sentences",
    "official": "Official: 100 to 3000 ms, 5 of 6 answers right, no edges",
    "times-only": "100 to 3000 ms",
    "none": "Everything",
}
LINKS = {"As measured": "identity", "Logarithm": "log"}

NOTES = (
    (
        "delta log-likelihood",
        "What surprisal of the word and of the two words before it adds to length and log frequency of the same words, in nats "
        "per word, held out text by text; analysis.reading.delta_ll.delta_log_likelihood.",
    ),
    (
        "mixed: people and words",
        "Single trials: log time on surprisal, length and frequency of the word and of the one before it, with random slopes and "
        "intercepts of people and intercepts of words; the same without surprisal is the base. A singular fit falls back and "
        "says so; the interval resamples people and texts; analysis.reading.by_trial.read_trials.",
    ),
    (
        "mixed model",
        "Fixed effects by standard deviations of their predictors, and in the table in their own units with variances; "
        "maximum likelihood, as lme4 fits them; analysis.reading.lmm.mixed_model.",
    ),
    (
        "models and people",
        "How well surprisal, one other person, the mean of the others and the best other person predict each person on held-out "
        "items (the people are the ceiling), and how well people predict the model and one more person; "
        "analysis.answers.likeness.likeness.",
    ),
    (
        "interval",
        "95 %, t interval of the mean over texts; with few texts it is wide; analysis.reading.delta_ll.mean_over_texts.",
    ),
    (
        "same words",
        "Models that know different words (a trigram knows those of its vocabulary) are compared over the words that all of them "
        "know; a model's value alone is in the table.",
    ),
    (
        "bias",
        "What a model without any effect is expected at: about -k / 2n for k added columns and n words.",
    ),
    (
        "bits per word",
        "Mean surprisal of the words that delta log-likelihood is of; the lower, the better they are predicted.",
    ),
    (
        "alignment",
        "Time regressed on surprisal, length and log frequency of the words t+2 to t-3 at once. A person who reads word by word "
        "cannot respond to the next word; where the peak lies decides nothing. Times that stand too late look like spillover; "
        "analysis.reading.doctor.lag_profile.",
    ),
    (
        "word-boundary correction",
        "The probability of the space after a word belongs to the word, not the space before it (Oh & Schuler 2024; Pimentel & "
        "Meister 2024); analysis.features.surprisal.span_surprisal.",
    ),
    (
        "neural score",
        "Pearson r of the same model on a recording of the brain, the layer chosen on inner folds; taken from the store, never "
        "computed here; analysis.scoring.verb.score.",
    ),
    (
        "times from activations",
        "The paper's reading benchmark: activations to reading times, for each person apart; under the preset schrimpf2021 with "
        "the paper's choices; analysis.scoring.verb.score.",
    ),
    (
        "pooled alignment",
        "Coefficients of all recordings of self-paced reading on a logarithmic scale, weighted by their precision; "
        "analysis.reading.doctor.pooled_profile.",
    ),
    (
        "mean of N",
        "Mean over the chosen recordings of times, each with the same weight; simulated ones are left out. Its interval takes "
        "recordings as independent: it is too narrow where they are of the same sentences, as UCL's two are.",
    ),
)


class Reading(Lens):
    """What a model's surprisal adds to length and frequency in predicting reading times, and whether the times are aligned.

    Examples
    --------
    >>> Reading(models=["zoo-causal-400k"], corpora=["simulated-reading"]).run(wait=True)  # doctest: +SKIP
    """

    slug, label, icon = "reading", "Reading", "menu_book"
    question = QUESTION
    watches = (
        "models",
        "corpora",
        "preset",
        "changes",
        "form",
        "link",
        "filter",
        "neural",
        "fitted",
    )

    def make_controls(self) -> dict:
        self._readings, self._stored, self._fits = Ledger(), Ledger(), Ledger()
        self._likeness = Ledger()
        options = _corpora()
        options |= {name: name for name in self.selection.corpora if name not in options.values()}
        corpora = self.control(pmui.MultiChoice, "corpora", "Recordings of words", options=options)
        own = pmui.TextInput(
            label="A file of your own",
            placeholder="words.csv, or table.csv#corpus",
            sizing_mode="stretch_width",
            size="small",
            margin=(8, 0, 4, 0),
            description="One row per word; #corpus names one of several in a table, #corpus:eye_tracking one of eye movements",
        )
        own.param.watch(lambda event: self._add(own, corpora, event.new.strip()), "value")
        form = self.control(pmui.Select, "form", "Model of the times", options=FORMS)
        link = self.control(pmui.Select, "link", "Scale of the times", options=LINKS)
        # a mixed model of trials is one of log times, whatever the scale
        self.only_with(link, "form", *(value for value in FORMS.values() if value != "mixed"))
        filters = {FILTER_LABELS[name]: name for name in FILTERS}
        which = self.control(pmui.Select, "filter", "Times that count", options=filters)
        neural = self.control(
            pmui.Select,
            "neural",
            "Compare with a score on",
            options=_neural(self.selection.neural),
            description="Scores that are in the store already, for the protocol below",
        )
        fitted = self.control(pmui.Switch, "fitted", "Also predict times from activations")
        self.selection.param.watch(
            lambda event: self._look_again() if event.new == self.slug else None, "lens"
        )
        return {
            "What": [ModelPicker(self.selection), corpora, own],
            "How": [
                which,
                form,
                link,
                ProtocolPicker(self.selection),
                note(
                    "For delta log-likelihood, context and word boundary of the protocol count.",
                    margin=(0, 4),
                ),
            ],
            "Beside it": [neural, fitted],
        }

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
        how = f"{choice.protocol.key()}|{choice.form}|{choice.link}|{choice.filter}|{identity.promised()}"
        return [
            (f"reading:{identity.model(model)}|{identity.recording(name)}|{how}", model, name)
            for name in choice.corpora
            for model in choice.models
        ]

    def _brain(self) -> list[tuple[str, str]]:
        """Key and model of the stored scores on a recording of the brain."""
        choice = self.selection
        models = choice.models if choice.neural else []
        return [
            (
                f"neural:{identity.case(one, choice.neural, choice.protocol)}",
                one,
            )
            for one in models
        ]

    def _from_activations(self) -> list[tuple[str, str, str]]:
        """Key, model and recording of the times that are predicted from activations."""
        choice = self.selection
        return [
            (
                f"fitted:{identity.case(model, name, choice.protocol)}",
                model,
                name,
            )
            for name in (choice.corpora if choice.fitted else ())
            for model in choice.models
        ]

    def _alike(self) -> list[tuple[str, str, dict]]:
        """Key, recording and surprisals of the models that are compared with people, where all have read."""
        if self.selection.form != "mixed":
            return []
        wanted = []
        for name in self.selection.corpora:
            keys = [key for key, _, recording in self._pairs() if recording == name]
            known = [self._readings.finding(key) for key in keys]
            read = [one for one in self._readings.values(keys) if one.fit is not None]
            if read and all(isinstance(one, Ready | Refused) for one in known):
                surprisals = {one.model: one.words["surprisal"] for one in read}
                wanted.append((f"alike:{'|'.join(keys)}", name, surprisals))
        return wanted

    def missing(self) -> list[Computation]:
        choice = self.selection
        protocol = choice.protocol
        options = {"protocol": protocol, "form": choice.form, "link": choice.link, "filter": choice.filter}  # fmt: skip
        readings = [
            Wish(
                key,
                f"{model} reads {name}",
                partial(_read, model, name, options),
                partial(_look, model, name, options),
            )
            for key, model, name in self._pairs()
        ]
        brain = [
            Wish(key, f"{model} on {choice.neural}", _nothing_else,
                 partial(_look_stored, model, choice.neural, protocol), grows=Score)
            for key, model in self._brain()
        ]  # fmt: skip
        fits = [
            Wish(key, f"{model} on {name}", partial(_score, model, name, protocol),
                 partial(_look_score, model, name, protocol), grows=Score)
            for key, model, name in self._from_activations()
        ]  # fmt: skip
        alike = [
            Wish(key, f"models and people on {name}", partial(_liken, bits, name))
            for key, name, bits in self._alike()
        ]
        return [
            *self._readings.computations(readings),
            *self._likeness.computations(alike),
            *self._stored.computations(brain),
            *self._fits.computations(fits),
        ]

    def run(self, *, wait: bool = False) -> Lens:
        self._look_again()
        return super().run(wait=wait)

    def _look_again(self) -> None:
        """Scores of the brain are computed in other lenses: what was not stored may be there now."""
        keys = (key for key, _ in self._brain())
        absent = [key for key in keys if isinstance(self._stored.finding(key), Refused)]
        self._stored.forget(absent)
        if absent:
            self.refresh()

    def _why(self, ledger: Ledger, key: str) -> str:
        """Why something that is asked for is not there."""
        if self.desk.running(key):
            return "being computed"
        unknown = ledger.looking([key]) and key not in self.desk.held
        return "not looked up yet" if unknown else ledger.lacking(key, self.desk.held)

    # ---- what is shown -------------------------------------------------------------------------------------------------
    def view(self) -> View:
        if not (self.selection.models and self.selection.corpora):
            return View(
                empty="Choose a model and a recording of words: the model then reads the words that people read, and what its "
                "surprisal says about their times is compared with what length and frequency say.",
                action=(
                    "Show the built-in example",
                    lambda: self.selection.param.update(**example()),
                ),
            )
        pairs = self._pairs()
        keys = [key for key, _, _ in pairs]
        found = self._readings.values(keys)
        refused = {
            key: (model, known.reason)
            for key, model, _ in pairs
            if isinstance(known := self._readings.finding(key), Refused)
        }
        lacking = list(refused.values())
        lacking += [
            (model, f"{name}: {self._why(self._readings, key)}")
            for key, model, name in pairs
            if self._readings.value(key) is None and key not in refused
        ]
        missing = pd.DataFrame(lacking, columns=["model", "reason"]).drop_duplicates()
        if not found:
            if refused and len(refused) == len(pairs):
                mute = any(map(unpredictive, missing["model"]))
                return View(empty=" ".join(f"{row.model}: {row.reason}." for row in missing.itertuples())
                            + (" Choose a model that gives every next word a probability." if mute else ""))  # fmt: skip
            if self._readings.looking(keys) and not self.failed:
                return View(empty="Looking into the store ...")
            return View(
                empty="Nothing is stored for this selection yet. Press Run (or the key r).",
                action=("Run", self.run),
            )
        said = answer(found, missing=missing)
        common = {"python": _python(self.selection), "methods": methods_reading.paragraph(found),
                  "bibtex": methods_reading.bibtex(found)}  # fmt: skip
        pictures = [Picture("Delta log-likelihood", gains(said), said.frame, **common)]
        if said.frame["model"].nunique() > 2:
            better = against(said.frame)
            better = better if better.correlation is not None else replace(better, sentence="")
            spec = scatter(
                "Do better predictors read more like people?", better, stamp=said.facts["stamp"]
            )
            pictures.append(Picture("Against prediction", spec, better.frame, **common))
        pictures += self._people(found, common)
        if self.selection.neural:
            pictures += self._against_scores(said, found, common)
        if self.selection.fitted:
            pictures += self._fitted()
        for name, table in said.facts["profile"].groupby("recording", sort=False):
            label = f"Alignment: {name}" if len(said.facts["stamps"]) > 1 else "Alignment"
            pictures.append(Picture(label, profile(said, name), table, **common))
        if said.facts["pooled"]:
            spec = pooled(said)
            pictures.append(Picture("Alignment: pooled", spec, spec.table, **common))
        pictures.append(
            Picture("Words", inspector(found[0]), found[0].words.reset_index(), **common)
        )
        return View(
            tuple(pictures), (said.facts["stamp"],) if said.facts["stamp"] else (), notes=NOTES
        )

    def _people(self, found: list, common: dict) -> list[Picture]:
        """What mixed models of single trials say: estimates, people one by one, and models as readers among readers."""
        pictures, recordings = [], list(dict.fromkeys(one.recording for one in found))
        several = len(recordings) > 1
        for name in recordings:
            if (fits := mixed_fits(found, name)) is not None:
                stamp = next(one.stamp for one in found if one.recording == name)
                spec = replace(mixed_figure(fits), stamp=stamp)
                label = f"Mixed model: {name}" if several else "Mixed model"
                own = [one.by_trial for one in found if one.recording == name and one.by_trial]
                pictures.append(
                    Picture(label, spec, fits.frame, more=partial(_for_r, own), **common)
                )
        if (by_person := gains_of_people(found)) is not None:
            stamp = "; ".join(dict.fromkeys(one.stamp for one in found if one.stamp))
            spec = replace(by_person, stamp=stamp)
            pictures.append(Picture("People", spec, spec.marks[0].frame, **common))
        for key, name, known in self._alike():
            if (alike := self._likeness.value(key)) is None:
                continue
            of = f": {name}" if several else ""
            stamp = next((one.stamp for one in found if one.recording == name), "")
            spec = replace(likeness_figure(alike), stamp=stamp)
            pictures.append(Picture(f"Models and people{of}", spec, alike.frame, **common))
            kinds = kinds_of_readers(alike)
            if kinds is not None and len(known) > 2:  # a profile over two models is one number
                table = kinds.marks[0].frame
                spec = replace(kinds, stamp=stamp)
                pictures.append(Picture(f"Kinds of readers{of}", spec, table, **common))
        return pictures

    def _against_scores(self, said, read: list, common: dict) -> list[Picture]:
        """Delta log-likelihood against the stored scores of the same models on a recording of the brain."""
        rows, name, scores = [], self.selection.neural, []
        for key, model in self._brain():
            score = self._stored.value(key)
            scores += [score] if score else []
            reason = "" if score else self._why(self._stored, key)
            rows.append({"model": model, "x": score.value if score else float("nan"), "reason": reason,
                         "stamp": score.stamp if score else ""})  # fmt: skip
        table = pd.DataFrame(rows)
        found = against_scores(said.frame, table.drop(columns="stamp"), name)
        stamp = "; ".join(dict.fromkeys(filter(None, [said.facts["stamp"], *table["stamp"]])))
        if scores:
            common = common | {
                "methods": methods_reading.paragraph(read, scores),
                "bibtex": methods_reading.bibtex(read, scores),
            }
        spec = scatter("Do models of the brain read more like people?", found, stamp=stamp)
        if found.frame.empty:  # said in words, under the first picture's answer
            return [
                Picture(
                    "Against neural score",
                    replace(spec, marks=nothing(found)),
                    found.missing,
                    **common,
                )
            ]
        return [
            Picture(
                "Against neural score",
                spec,
                pd.concat([found.frame, found.missing], ignore_index=True),
                **common,
            )
        ]

    def _fitted(self) -> list[Picture]:
        """Times predicted from activations, as the 2021 paper scores reading."""
        asked = self._from_activations()
        scores = self._fits.values(key for key, _, _ in asked)
        if not scores:
            return []
        left = "; ".join(
            f"{model} on {name} ({self._why(self._fits, key)})"
            for key, model, name in asked
            if self._fits.value(key) is None
        )
        found = benchmark(scores)
        hover = (
            "model",
            "recording",
            "people",
            "layer",
            "r",
            "low",
            "high",
            "ceiling",
            "normalised",
            "n_stimuli",
        )
        marks = (
            Mark(
                "points", found.frame, "recording", "r", "low", "high", colour="model", hover=hover
            ),
        )
        spec = FigureSpec("How well do activations predict the times?", marks, "", found.axes["y_title"], (Rule("y", 0.0),),
                          answer=found.sentence, caption=found.caption + (f" Left out: {left}." if left else ""),
                          stamp=found.facts["stamp"])  # fmt: skip
        return [Picture("Times from activations", spec, found.frame, tuple(scores))]


# ---- helpers -----------------------------------------------------------------------------------------------------------
def example() -> dict:
    """A model and a recording that ship with the program."""
    return {"models": ["zoo-causal-400k"], "corpora": ["simulated-reading"]}


def _corpora() -> dict[str, str]:
    words = ("reading_times", "eye_tracking", "eeg")
    found = {name: one for name, one in entries(recordings=True).items() if one.kind in words}
    names = {name: one for name, one in found.items()}
    names |= {f"{name}@{version}": one for name, one in found.items() for version in one.versions}
    return {
        f"{name}  ({one.state})" if one.state != "ready" else name: name
        for name, one in names.items()
    }


def _neural(chosen: str) -> dict[str, str]:
    """Recordings of the brain that are here."""
    kinds = ("fmri", "ecog", "eeg")
    found = {
        name: name
        for name, one in entries(recordings=True).items()
        if one.kind in kinds and one.state == "ready"
    }
    found = {name: name for name in found if "words" not in name}
    return {"nothing": "", **found, **({chosen: chosen} if chosen else {})}


def _python(choice) -> str:
    options = "".join(
        f", {name}={value!r}"
        for name, value in (("form", choice.form), ("link", choice.link), ("filter", choice.filter))
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


def _for_r(readings: list) -> dict[str, bytes]:
    """The folder for R, for the zip of the mixed models of a recording."""
    return {f"R/{name}": content for name, content in r_files(readings).items()}


def _look(model: str, name: str, options: dict, report: Report) -> Ready | Priced | Refused:
    """The reading where the surprisals are stored, else what it costs, or why the model cannot."""
    try:
        if options["form"] == "mixed" and not unpredictive(model):
            try:
                require_persons(opened.recording(name))
            except BrainLensError as error:  # nothing that a computation could mend
                return Refused(str(error).rstrip("."))
        cost = price(model, opened.recording(name), options["protocol"])
        if (
            not cost.cached or options["form"] == "mixed"
        ):  # fits of trials take a while: as work, with its progress
            return Priced(cost)
        return Ready(read(model, opened.recording(name), **options, report=report))
    except BrainLensError as error:
        return _refusal(model, name, error)


def _read(model: str, name: str, options: dict, report: Report):
    try:
        return read(model, name, **options, report=report)
    except BrainLensError as error:
        return _refusal(model, name, error)


def _liken(surprisals: dict, name: str, report: Report):
    try:
        return likeness(surprisals, name, report=report)
    except BrainLensError as error:  # too few people or texts: the other pictures stand
        return Refused(error.problem)


def _refusal(model: str, name: str, error: BrainLensError) -> Refused:
    """A model without probabilities of the next word is said in words; every other error stays an error."""
    if not (reason := unpredictive(model)):
        raise error
    word_frame(opened.recording(name))  # what is wrong with the recording comes first
    return Refused(reason)


def _look_score(model: str, name: str, protocol: Protocol, report: Report):
    """A score where it is stored, else what it costs, or why there is none."""
    loaded = opened.recording(name)
    try:
        price = cost(model, loaded, protocol)
    except BrainLensError as error:
        return Refused(error.problem)
    if not price.cached:
        return Priced(price)
    return Ready(verb.score(model, loaded, protocol, report=report))


def _look_stored(model: str, name: str, protocol: Protocol, report: Report) -> Ready | Refused:
    """A score where it is stored; it is never computed here."""
    found = _look_score(model, name, protocol, report)
    if isinstance(found, Priced):
        return Refused(f"no stored score on {name}: compute it in Layers")
    return found


def _nothing_else(report: Report) -> Refused:
    """What is not stored is computed in other lenses."""
    return Refused("not computed here")


def _score(model: str, name: str, protocol: Protocol, report: Report):
    return verb.score(model, corpus(name), protocol, report=report)
