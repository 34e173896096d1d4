"""The figures of the Reading lens."""

from __future__ import annotations

import pandas as pd

from analysis.answers.further_words import of_a_word
from analysis.answers.reading import verdicts
from dashboards.figures.spec import FigureSpec, Mark, Rule

__all__ = ["QUESTION", "gains", "inspector", "nothing", "pooled", "profile"]

QUESTION = "Does the model read like people?"
SHOWN_WORDS = 24
"""Words in the picture of the inspector; its table has all of them."""
_UNITS = {"log": "log time", "identity": "unit of the response"}


def gains(said) -> FigureSpec:
    """Delta log-likelihood per recording and model with its interval."""
    frame = said.frame.copy()
    several = frame.groupby("recording")["measure"].transform("nunique") > 1
    frame["read"] = frame["recording"].where(~several, frame["recording"] + ": " + frame["measure"])
    hover = (
        "model",
        "read",
        "delta_ll",
        "low",
        "high",
        "bias",
        "n_words",
        "n_dropped",
        "n_texts",
        "bits_per_word",
        "verdict",
    )
    marks = (Mark("points", frame, "read", "delta_ll", "low", "high", colour="model", hover=hover),)
    notes = "; ".join(said.facts["notes"])
    return FigureSpec(
        QUESTION,
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
    answer, words = _alignment(said, recording, measure)
    hover = ("model", "recording", "measure", "word", "coefficient", "low", "high", "t")
    return FigureSpec(
        "To which word do people respond?",
        (Mark("line", frame, "lag", "coefficient", "low", "high", colour="model", hover=hover),),
        "Words back (-1: the next word, 0: the word itself)",
        f"Change per bit of surprisal ({_UNITS[frame['link'].iloc[0]]})",
        (Rule("y", 0.0),),
        answer=answer,
        caption=f"{measure}: {words} Least squares on surprisal, length and log frequency of the words t+2 to t-3 "
        "jointly, plus the number of the word and its square; edges of sentences kept. Bands: 95 %, as if words were "
        "independent.",
        stamp=said.facts["stamps"][recording],
    )


def _alignment(said, recording: str, measure: str) -> tuple[str, str]:
    """What has to be said above the figure (a shift), and the verdicts of all models with the words of one model for each."""
    says = {
        model: one for (model, *of), one in said.facts["says"].items() if of == [recording, measure]
    }
    first = {}
    for model, (verdict, _) in says.items():
        first.setdefault(verdict, model)
    words = [(f"{model}: " if len(says) > 1 else "") + says[model][1] for model in first.values()]
    caption = f"{verdicts(said.facts['says'], recording, measure)}. {' '.join(words)}"
    if "shifted" not in first or (shifted := says[first["shifted"]][1])[1:] in said.sentence:
        return "", caption
    by = f" by the surprisal of {first['shifted']}" if len(says) > 1 else ""
    return f"{recording}{by}: {shifted}", caption


def pooled(said) -> FigureSpec:
    """Coefficients of all recordings of self-paced reading together, per model, with the verdict in words."""
    frames, words = [], []
    for model, found in said.facts["pooled"].items():
        frame = found.frame[found.frame["predictor"] == "surprisal"]
        reach = 1.96 * frame["standard_error"]
        frames.append(frame.assign(model=model, low=frame["coefficient"] - reach, high=frame["coefficient"] + reach,
                                   verdict=found.verdict))  # fmt: skip
        words.append(f"{model}: {found.verdict}. {found.sentence}")
    hover = ("model", "word", "coefficient", "low", "high", "t", "verdict")
    single = {
        name: verdicts(said.facts["says"], name, measure)
        for name, measure in said.facts["pooled_of"]
    }
    alone = "; ".join(f"{name}: {verdict}" for name, verdict in single.items())
    return FigureSpec(
        "To which word do people respond, over all recordings?",
        (
            Mark(
                "line",
                pd.concat(frames),
                "lag",
                "coefficient",
                "low",
                "high",
                colour="model",
                hover=hover,
            ),
        ),
        "Words back (-1: the next word, 0: the word itself)",
        "Change per bit of surprisal (log time)",
        (Rule("y", 0.0),),
        answer=" ".join(words),
        caption=f"First measures of {len(single)} recordings of self-paced reading, coefficients weighted by "
        f"their precision; one shifted recording can shift them all. Each alone: {alone}. Simulated recordings and eye movements "
        "are left out.",
        stamp=said.facts["stamp"],
    )


def nothing(found) -> tuple[Mark, ...]:
    """Words where points would stand: who lacks which number."""
    lines = pd.DataFrame({"x": 0.0, "y": -1.0 * found.missing.index.to_numpy(float),
                          "label": found.missing["model"] + ": " + found.missing["reason"]})  # fmt: skip
    return (Mark("text", lines, "x", "y", label="label"),)


def inspector(reading, start: int = 0, count: int = SHOWN_WORDS) -> FigureSpec:
    """Surprisal of the first words of the first text, with and without correction; tokens above the words."""
    words = reading.words[reading.words["story"] == reading.words["story"].iloc[0]].iloc[
        start : start + count
    ]
    words = words.assign(
        label=[
            text if text == pieces else pieces
            for text, pieces in zip(words["text"], words["pieces"])
        ]
    )
    marks = []
    for column, dashed in (("uncorrected", True), ("corrected", False)):
        if words[column].notna().any():
            name = f"{column} for word boundaries" if column == "corrected" else column
            marks.append(
                Mark(
                    "line",
                    words,
                    "zone",
                    column,
                    name=name,
                    dashed=dashed,
                    hover=("text", "pieces", column),
                )
            )
    marks.append(
        Mark(
            "points",
            words,
            "zone",
            "surprisal",
            label="label",
            hover=("text", "pieces", "uncorrected", "corrected"),
        )
    )
    text = reading.words["story"].iloc[0]
    return FigureSpec(
        f"How surprising is each word to {reading.model}?",
        tuple(marks),
        f"Word of text {text} of {reading.recording}",
        "Surprisal (bits)",
        answer=of_a_word(words, "text", "surprisal"),
        caption=f"The first {len(words)} words; a word of several tokens is written with bars between them. The table has every "
        "word, its tokens and its times.",
        stamp=reading.stamp,
    )
