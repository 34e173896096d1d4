"""On which sentences or words does one model beat another?"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import ClassVar

import pandas as pd
import panel_material_ui as pmui
import param

from analysis.answers.further_words import ahead, of_a_word
from analysis.answers.items import SLICES, farthest, interval_rule, items, methods
from analysis.answers.told_apart import told_apart
from analysis.paper.methods import paragraph
from analysis.progress import Report
from analysis.protocol import Protocol
from analysis.scoring import per_stimulus
from analysis.scoring.case import as_recording
from analysis.scoring.cost import Cost
from analysis.scoring.decoding import decode
from analysis.scoring.per_stimulus import price, refit_price, token_bits
from dashboards.figures import tasks as figures
from dashboards.figures.spec import FigureSpec, Mark, Rule
from dashboards.lens.controls import ModelPicker, ProtocolPicker, RecordingPicker
from dashboards.lens.lens import Computation, Lens, Picture, View
from dashboards.look.look import note
from dashboards.work import identity, opened
from dashboards.work.ledger import Ledger, Priced, Ready, Refused, Wish
from dashboards.work.score_computations import Scores, offered, stamps
from dashboards.work.text_computations import unpredictive
from data.errors import BrainLensError
from data.recording import Recording

__all__ = ["Items"]

NOTES = (
    (
        "explained",
        "((y - mean of the training rows)^2 - (y - prediction)^2) / variance of the target, out of fold, mean over targets, then "
        "over people; its mean over stimuli is the out-of-sample R2; analysis.scoring.per_stimulus.explained.",
    ),
    (
        "difference",
        "First model minus second: how much smaller its squared error is, in shares of the target's variance.",
    ),
    ("slices", "Quarters of the stimuli by a number, or topics; analysis.answers.items.items."),
    (
        "interval",
        "95 %, bootstrap over people and the groups held out together (by topic: over the texts inside it); stimuli are never "
        "drawn alone. Trends: highest against lowest quarter, widened for the number of slices.",
    ),
    ("length", "Words of the sentence without punctuation; letters where a stimulus is one word."),
    ("frequency", "Mean Zipf frequency (log10 of occurrences in 10^9 words) of the words."),
    (
        "told apart",
        "Two held-out stimuli of one topic and a similar length compete: a pair is decoded where the right two correlations of "
        "patterns exceed the wrong two (chance .5); analysis.scoring.decoding.decode.",
    ),
    (
        "bits",
        "Surprisal: minus log2 of the probability of the word given all before it; analysis.scoring.per_stimulus.token_bits.",
    ),
)


class Items(Lens):
    """Two models on one recording, stimulus by stimulus; the words of a picked one with their probabilities.

    The first two of the selection's models are compared.

    Examples
    --------
    >>> Items(models=["zoo-causal-400k", "random-64"], recording="simulated").run(wait=True)  # doctest: +SKIP
    """

    slug, label, icon = "items", "Items", "segment"
    question = "On which sentences does one model beat another?"
    watches = ("models", "recording", "preset", "changes", "slice", "picked", "decoded")
    fields: ClassVar[Mapping[str, param.Parameter]] = {
        "decoded": param.Boolean(
            False, doc="Held-out stimuli are told apart from what each model predicts, too."
        )
    }

    def make_controls(self) -> dict:
        self.scores, self._stimuli, self._words = Scores(self.selection), Ledger(), Ledger()
        self._decoded = Ledger()
        apart = self.control(pmui.Switch, "decoded", "Tell stimuli apart (2-v-2)")
        slices = {words[0].upper() + words[1:]: name for name, words in SLICES.items()}
        by = self.control(pmui.Select, "slice", "Slices by", options=slices)
        return {
            "What": [
                ModelPicker(self.selection),
                note("The first two are compared.", margin=(0, 4)),
                RecordingPicker(self.selection),
            ],
            "How": [ProtocolPicker(self.selection), apart],
            "View": [by],
        }

    # ---- work ----------------------------------------------------------------------------------------------------------
    @property
    def _pair(self) -> list[str]:
        return list(self.selection.models[:2])

    @property
    def _key(self) -> str:
        return (
            f"items:{identity.case(self._pair, self.selection.recording, self.selection.protocol)}"
        )

    def missing(self) -> list[Computation]:
        pair, choice = self._pair, self.selection
        if len(pair) < 2:
            return []
        if missing := self.scores.missing(pair):
            return missing
        if self._stimuli.value(self._key) is None:
            work = (*pair, choice.recording, choice.protocol)
            title = f"{pair[0]} and {pair[1]}, stimulus by stimulus"
            wish = Wish(self._key, title, partial(_items, *work), partial(_look, *work))
            return self._stimuli.computations([wish])
        item = self._item()
        wanted = self._decoded.computations(self._apart()) if choice.decoded else []
        return wanted + self._words.computations(
            Wish(
                self._words_key(model, item),
                f"words of {item} for {model}",
                partial(_bits, model, choice.recording, item, choice.protocol),
                quiet=bool(unpredictive(model)),
            )
            for model in pair
        )

    def run(self, *, wait: bool = False) -> Lens:
        super().run(wait=wait)
        if wait and any(
            one.key == self._key and one.key not in self.desk.held for one in self._wanted
        ):
            super().run(wait=True)  # the scores were the first step
        return self

    def _words_key(self, model: str, item: str) -> str:
        return (
            f"bits:{identity.case(model, self.selection.recording, self.selection.protocol)}|{item}"
        )

    def _apart(self) -> list[Wish]:
        """What tells the stimuli apart, for each model."""
        choice = self.selection
        return [
            Wish(
                f"apart:{identity.case(model, choice.recording, choice.protocol)}",
                f"stimuli of {choice.recording} told apart by {model}",
                partial(_decode, model, choice.recording, choice.protocol),
                partial(_priced, model, choice.recording, choice.protocol),
            )
            for model in self._pair
        ]

    def _answer_now(self):
        first, second, about, drawn, unit = self._stimuli.value(self._key)
        return items(first, second, about, drawn, by=self.selection.slice, unit=unit)

    def _item(self) -> str:
        """The picked item whose words are shown: the last one that is picked, else the one with the largest difference."""
        first, second, about, _, _ = self._stimuli.value(self._key)
        known = set(about["item"])
        for name in reversed(self.selection.picked):
            if name in known:
                return name
        return str(about["item"].iloc[farthest(first, second) or 0])

    # ---- what is shown -------------------------------------------------------------------------------------------------
    def view(self) -> View:
        pair = self._pair
        if len(pair) < 2:
            return View(
                empty="Choose two models and a recording: then you see how much each explains of every sentence or word.",
                action=offered(self.selection, example),
            )
        if self._stimuli.value(self._key) is None:
            scored = len([one for one in self.scores.found(pair) if one.complete]) == 2
            if self.scores.unseen(pair) or (scored and self._stimuli.looking([self._key])):
                failed = (
                    "It is not known what is stored: see the error above." if self.failed else ""
                )
                return View(empty=failed or "Looking into the store ...")
            words = "Both models need a score on this recording first."
            if scored:
                words = "Both models have a score; what each explains of every stimulus is not computed yet."
            return View(empty=f"{words} Press Run (or the key r).", action=("Run", self.run))
        answer, scores = self._answer_now(), tuple(self.scores.found(pair))
        stamp = scores[0].stamp if scores else ""
        common = {"python": _python(self.selection), "methods": self._methods(answer, scores)}
        pictures = [
            Picture("Every item", scatter(answer, pair, stamp), answer.frame, scores, **common)
        ]
        by, table = SLICES.get(answer.facts["by"], "nothing"), answer.facts["slices"]
        pictures.append(Picture(f"By {by}", slices(answer, pair, stamp), table, scores, **common))
        item = self._item()
        keys = [self._words_key(model, item) for model in pair]
        tables = self._words.values(keys)
        silent = [one.reason for one in map(self._words.finding, keys) if isinstance(one, Refused)]
        if tables:
            table = pd.concat(tables, ignore_index=True)
            text = answer.frame.set_index("item").loc[item, "text"]
            table.insert(0, "item", item)  # a picked word is one of this item, not of its model
            read = (f"Surprisal of each word of {item} is the sum of the bits of its tokens, without the correction for word "
                    "boundaries.")  # fmt: skip
            common |= {"python": _python_words(self.selection, item, list(table["model"].unique())),
                       "methods": f"{common['methods']} {read}"}  # fmt: skip
            pictures.append(
                Picture(
                    "Words", inspector(table, item, text, silent, stamp), table, scores, **common
                )
            )
        elif len(silent) == len(pair):
            pictures[0] = _with_caption(
                pictures[0], f"No words with probabilities: {'; '.join(silent)}."
            )
        if self.selection.decoded:
            pictures = self._with_decoding(pictures, scores, stamp)
        return View(tuple(pictures), stamps(list(scores)), notes=NOTES)

    def _with_decoding(self, pictures: list, scores: tuple, stamp: str) -> list[Picture]:
        """The pictures and how stimuli are told apart, or under the first of them why they are not."""
        keys = dict(zip(self._pair, (wish.key for wish in self._apart()), strict=True))
        known = {model: self._decoded.value(key) for model, key in keys.items()}
        found = {model: one for model, one in known.items() if one is not None}
        refused = [one.reason for one in map(self._decoded.finding, keys.values()) if isinstance(one, Refused)]  # fmt: skip
        if refused:
            words = f"Stimuli are not told apart: {'; '.join(dict.fromkeys(refused))}."
            pictures = [_with_caption(pictures[0], words), *pictures[1:]]
        if not found:
            return pictures
        answer = told_apart(found, self.selection.recording)
        spec = figures.told_apart(answer, stamp)
        methods = f"{paragraph(scores)}\n\n{answer.caption}"
        python = _python_apart(self.selection, list(found))
        method = "causes#2-v-2-decoding-and-retrieval"
        told = Picture("Told apart", spec, answer.frame, scores, python=python, methods=methods, method=method)  # fmt: skip
        return [*pictures, told]

    def _methods(self, answer, scores: tuple) -> str:
        first, second, _, _, unit = self._stimuli.value(self._key)
        return "\n\n".join(filter(None, [paragraph(scores), methods(first, second, answer, unit)]))


# ---- figures -----------------------------------------------------------------------------------------------------------
def scatter(answer, pair: list[str], stamp: str) -> FigureSpec:
    """What the first model explains of each stimulus against what the second does; colours say which is ahead."""
    first, second = pair
    known = answer.frame[answer.frame["difference"].notna()]
    hover = ("item", "text", first, second, "difference", "length", "frequency")
    return FigureSpec(
        Items.question,
        (Mark("points", known, second, first, colour="model", hover=hover),),
        answer.axes["x_title"],
        answer.axes["y_title"],
        (Rule("xy", label="as good"), Rule("x", 0.0), Rule("y", 0.0)),
        answer=answer.sentence,
        caption=f"Coloured by the model that explains more. {answer.caption}",
        stamp=stamp,
    )


def slices(answer, pair: list[str], stamp: str) -> FigureSpec:
    """Mean difference per slice with its interval."""
    by = answer.facts["by"]
    frame = answer.facts["slices"]
    frame = frame[frame["slice"] == by] if len(frame) else frame
    hover = ("level", "difference", "low", "high", "n", "n_clusters")
    marks = (
        (Mark("points", frame, "level", "difference", "low", "high", hover=hover),)
        if len(frame)
        else ()
    )
    few = "; without an interval where a topic is one text" if by == "topic" else ""
    return FigureSpec(
        f"Where is {pair[0]} ahead of {pair[1]}?",
        marks,
        SLICES.get(by, "").capitalize(),
        f"{pair[0]} minus {pair[1]} (explained variance)",
        (Rule("y", 0.0, "no difference"),),
        answer=ahead(frame, *pair),
        caption=f"Mean difference per slice. Intervals: 95 %, {interval_rule(answer.facts['people'], by)}{few}. Above 0 "
        f"{pair[0]} explains more. Each interval is for its own slice; the sentence above corrects for the number of slices.",
        stamp=stamp,
    )


def inspector(
    table: pd.DataFrame, item: str, text: str, silent: list[str], stamp: str
) -> FigureSpec:
    """Bits of each word of one stimulus, its tokens above it."""
    table = table.copy()
    names = dict(table[["place", "word"]].drop_duplicates("place").itertuples(index=False))
    axis = {}
    for place, word in names.items():  # a word that comes twice keeps two places on the axis
        while word in axis.values():
            word += " "
        axis[place] = word
    table["shown"] = table["place"].map(axis)
    split = table[table["pieces"].str.contains("|", regex=False)]
    marks = [
        Mark(
            "bars",
            table,
            "shown",
            "bits",
            colour="model",
            hover=("model", "word", "bits", "probability", "tokens"),
        )
    ]
    if len(split):
        top = split.sort_values("bits").drop_duplicates("shown", keep="last")
        top = top.assign(above=top["bits"] + 0.04 * table["bits"].max())
        marks.append(Mark("text", top, "shown", "above", label="pieces"))
    told = f" Without probabilities: {'; '.join(silent)}." if silent else ""
    return FigureSpec(
        "How surprising is each word?",
        tuple(marks),
        item,
        "Surprisal (bits)",
        answer=" ".join(
            f"{model}: {of_a_word(own, 'word', 'bits')}"
            for model, own in table.groupby("model", sort=False)
        ),
        caption=f"“{text}” Words read in the protocol's context; a word of several tokens has them above it, with bars "
        f"between. Pick another point or row for its words.{told}",
        stamp=stamp,
    )


def _with_caption(picture: Picture, words: str) -> Picture:
    from dataclasses import replace

    return replace(picture, spec=replace(picture.spec, caption=f"{picture.spec.caption} {words}"))


# ---- helpers -----------------------------------------------------------------------------------------------------------
def example() -> dict:
    """Two models and a recording that ship with the program."""
    return {"models": ["zoo-causal-400k", "random-64"], "recording": "simulated"}


def _protocol(choice) -> str:
    changes = ", ".join(f"{name}={value!r}" for name, value in choice.changes.items())
    return f"preset({choice.preset!r})" + (f".but({changes})" if changes else "")


def _python(choice) -> str:
    return "\n".join([
        '"""Made by BrainLens: what two models explain of each stimulus, and in which slices one is ahead."""',
        "",
        "from analysis import preset",
        "from analysis.answers.items import items",
        "from analysis.scoring.per_stimulus import about, clusters, item_values",
        "from data.catalog.catalog import recording",
        "",
        f"data, protocol = recording({choice.recording!r}), {_protocol(choice)}",
        f"first, second = (item_values(model, data, protocol) for model in {choice.models[:2]!r})",
        f"answer = items(first, second, about(data), clusters(data, protocol), by={choice.slice!r}, unit=data.scored_unit)",
        "print(answer.sentence)",
        "print(answer.caption)",
        'print(answer.facts["slices"].to_string(index=False))',
        'answer.frame.to_csv("items.csv", index=False)',
        "",
    ])  # fmt: skip


def _python_words(choice, item: str, models: list[str]) -> str:
    return "\n".join([
        '"""Made by BrainLens: how surprising each word of one stimulus is."""',
        "",
        "import pandas as pd",
        "",
        "from analysis import preset",
        "from analysis.scoring.per_stimulus import token_bits",
        "from data.catalog.catalog import recording",
        "",
        f"data, protocol = recording({choice.recording!r}), {_protocol(choice)}",
        f"tables = [token_bits(model, data, {item!r}, protocol) for model in {models!r}]",
        "table = pd.concat(tables, ignore_index=True)",
        "print(table.to_string(index=False))",
        'table.to_csv("words.csv", index=False)',
        "",
    ])  # fmt: skip


def _python_apart(choice, models: list[str]) -> str:
    return "\n".join([
        '"""Made by BrainLens: how well held-out stimuli are told apart from what models predict."""',
        "",
        "from analysis import preset",
        "from analysis.answers.told_apart import told_apart",
        "from analysis.scoring.decoding import decode",
        "",
        f"recording, protocol = {choice.recording!r}, {_protocol(choice)}",
        f"found = {{model: decode(model, recording, protocol) for model in {models!r}}}",
        "answer = told_apart(found, recording)",
        "print(answer.sentence)",
        "print(answer.caption)",
        'answer.frame.to_csv("told_apart.csv", index=False)',
        "",
    ])  # fmt: skip


def _priced(model: str, name: str, protocol: Protocol, report: Report):
    return Priced(refit_price(model, opened.recording(name), protocol.each_seed()[0]))


def _decode(model: str, name: str, protocol: Protocol, report: Report):
    """How well stimuli are told apart, or why that cannot be asked, in words."""
    try:
        return decode(model, as_recording(name), protocol, report=report)
    except BrainLensError as error:
        return Refused(f"{model} ({error.problem})")


def _look(first: str, second: str, name: str, protocol: Protocol, report: Report):
    """What is explained, where it is stored for both, else what it costs for both together."""
    loaded = opened.recording(name)
    costs = [price(model, loaded, protocol) for model in (first, second)]
    if all(one.cached for one in costs):
        return Ready(_items(first, second, loaded, protocol, report))
    unknown = any(one.seconds is None for one in costs)
    seconds = None if unknown else sum(one.seconds for one in costs)
    return Priced(Cost(2, seconds=seconds, memory=max(one.memory for one in costs)))


def _items(
    first: str, second: str, on: str | Recording, protocol: Protocol, report: Report
) -> tuple:
    loaded = as_recording(on)
    values = [
        per_stimulus.item_values(model, loaded, protocol, report=report)
        for model in (first, second)
    ]
    return (
        *values,
        per_stimulus.about(loaded),
        per_stimulus.clusters(loaded, protocol),
        {"tr": "stimulus"}.get(loaded.scored_unit, loaded.scored_unit),
    )


def _bits(model: str, name: str, item: str, protocol: Protocol, report: Report):
    """The words' table, or why there is none, in words."""
    if reason := unpredictive(model):
        return Refused(f"{model} ({reason})")
    try:
        return token_bits(model, as_recording(name), item, protocol, report=report)
    except BrainLensError as error:
        return Refused(f"{model} ({error.problem})")
