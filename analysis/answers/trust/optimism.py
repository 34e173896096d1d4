"""Selection optimism: what choosing the layer on the reported data adds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from analysis.answers.answer import Answer, decimal, interval, plural, signed
from analysis.scoring.summary import ends, summarise
from data.errors import BrainLensError

__all__ = ["RULES", "optimism"]

RULES = {
    "same": "best on the same data",
    "nested": "chosen inside each fold",
    "committed": "committed beforehand",
    "elsewhere": "chosen on another recording",
}


def optimism(
    scores: Iterable,
    *,
    committed: Mapping[str, Any] | None = None,
    elsewhere: Mapping[str, Any] | None = None,
) -> Answer:
    """The same model with its layer chosen four ways.

    Parameters
    ----------
    scores : iterable of Score
        Under a nested protocol, on one recording.
    committed : mapping of str to int, optional
        Model -> the layer that was named before looking. Default: the middle layer, a rule that looks at no data.
    elsewhere : mapping of str to Score, optional
        Model -> its score on another recording, whose layer is taken over.

    Returns
    -------
    Answer
        ``frame``: model, rule, how (the rule in words), layer, r, low, high, added (r minus the nested r).
    """
    scores = list(scores)
    if not scores:
        raise BrainLensError(
            "No score to answer with", remedy="Choose a model and a recording, then run"
        )
    rows, said, others = [], [], set()
    for score in scores:
        own = [_at(score, "same", score.best_layer)]
        own.append(
            {
                "rule": "nested",
                "layer": score.chosen_layer,
                "r": score.value,
                "low": score.low,
                "high": score.high,
            }
        )
        middle = score.layers[len(score.layers) // 2]
        layer = (committed or {}).get(score.model, middle)
        if layer not in score.layers:
            raise BrainLensError(
                f"Layer {layer} of {score.model} was not scored",
                choices=score.layers,
                remedy="Commit to one of these",
            )
        own.append(_at(score, "committed", layer))
        there = (elsewhere or {}).get(score.model)
        if there is not None and there.chosen_layer in score.layers:
            others.add(there.recording)
            own.append(_at(score, "elsewhere", there.chosen_layer))
        frame = pd.DataFrame(own)
        frame.insert(0, "model", score.model)
        frame["how"] = frame["rule"].map(RULES)
        frame["added"] = frame["r"] - score.value
        rows.append(frame)
        top = frame.iloc[0]
        said.append(
            f"{score.model}: the best of {plural(len(score.layers), 'layer')} on the same data gives {decimal(top['r'])}, "
            f"the nested choice {decimal(score.value)} {interval(score.low, score.high)}".rstrip()
            + f": optimism {signed(top['added'])}."
        )
    taken = f" The layer was taken over from {', '.join(sorted(others))}." if others else ""
    caption = (
        "Best on the same data: the highest of all layers on the very numbers that are reported, never a result. Nested: chosen "
        "on inner folds, the headline. Committed: "
        + ("as named" if committed else "the middle layer, a rule that looks at no data")
        + f".{taken} Whiskers: 95 % bootstrap interval of the layers as they were chosen; that of the best layer does not "
        "know that it was chosen."
    )
    return Answer(
        pd.concat(rows, ignore_index=True),
        " ".join(said),
        caption,
        axes={"x_title": "", "y_title": "Pearson r, held out"},
    )


def _at(score, rule: str, layer: int) -> dict:
    at = score.dataset.sel(layer=layer)
    subjects = (
        score.dataset.subject.values.astype(str) if "subject" in score.dataset.coords else None
    )
    r = summarise(at.r.values, at.part.values, subjects, score.protocol)
    low, high = ends(at["draws_r"].values) if "draws_r" in at else (np.nan, np.nan)
    return {"rule": rule, "layer": layer, "r": r, "low": low, "high": high}
