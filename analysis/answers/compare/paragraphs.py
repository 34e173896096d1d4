"""The methods paragraphs of a ranking and of two models in detail, from the recipes of their results."""

from __future__ import annotations

import json

import pandas as pd

from analysis.answers.answer import Answer, listed

__all__ = ["methods", "paired_methods"]

_LAYERS = {"nested": "the layer chosen in each fold on inner folds of the training data", "last": "the last layer",
           "max": "the layer with the highest score on the reported data, which is optimistic"}  # fmt: skip


def methods(board: pd.DataFrame, answer: Answer, scale: str = "raw") -> str:
    """The methods paragraph of a ranking, in complete sentences, from the recipes of its results.

    Parameters
    ----------
    board : pandas.DataFrame
        The results that were ranked.
    answer : Answer
        Of :func:`analysis.answers.compare.rank`.
    """
    kind = "Pearson's r of predicted and held-out responses"
    kind += ", divided by the ceiling and not clipped" if scale == "normalised" else ""
    said = [f"Models were ranked by the mean of {kind}, over {listed(answer.facts['recordings'])}; a model without a result on "
            "one of them has no mean."]  # fmt: skip
    said += _recipes(board)
    if answer.frame["low"].notna().any():
        said.append("Intervals are 95 % bootstrap intervals over people and stimulus groups, every fold with the layer "
                    "chosen for it; recordings are taken as independent.")  # fmt: skip
    if (board["source"] == "imported").any():
        brought = board[board["source"] == "imported"]
        said.append(
            f"Results of {listed(dict.fromkeys(brought['model']))} marked as imported were not computed here."
        )
    return " ".join(said)


def paired_methods(first: pd.Series, second: pd.Series) -> str:
    """The methods paragraph of :func:`analysis.answers.compare.detail`."""
    said = [f"{first['model']} and {second['model']} were compared on {first['recording']}, target by target, by Pearson's r of "
            "predicted and held-out responses."]  # fmt: skip
    said += _recipes(pd.DataFrame([first, second]))
    said.append("The 95 % interval of their difference is that of a paired bootstrap: the same people and stimulus groups were "
                "drawn for both, every fold with the layer chosen for it.")  # fmt: skip
    return " ".join(said)


def _recipes(board: pd.DataFrame) -> list[str]:
    """One sentence for each protocol and kind of folds, and the versions."""
    said, versions = {}, {}
    for text, protocol, recording in zip(
        board["provenance"], board["protocol"], board["recording"], strict=True
    ):
        if not isinstance(text, str) or not text:
            continue
        recipe = json.loads(text)
        rule = f"Protocol {protocol} (held out: {recipe['folds']}; {_LAYERS[recipe['protocol']['layer']]}) was used for"
        said.setdefault(rule, {})[recording] = None
        versions[recipe["versions"].get("brainlens", "")] = None
    sentences = [f"{rule} {listed(recordings)}." for rule, recordings in said.items()]
    return [
        *sentences,
        *([f"Computed with BrainLens {listed(versions)}."] if any(versions) else []),
    ]
