"""SyntaxGym: does surprisal rise where grammar says it must?"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.features.surprisal import LN2, token_surprisals
from analysis.models.base import Model, TokenSurprisal
from analysis.progress import SILENT, Report
from analysis.tasks.formula import chance, parse
from analysis.tasks.shares import share_interval
from data.errors import BrainLensError, unknown
from data.readers.texts import Suite

__all__ = ["SuiteScore", "evaluate", "placed", "region_surprisals"]

DRAWS = 2000


@dataclass(frozen=True)
class SuiteScore:
    """What one model does on one suite.

    Parameters
    ----------
    items : pandas.DataFrame
        One row per item and prediction: item, prediction (number), holds (True, False, or None where a surprisal is not known).
    regions : pandas.DataFrame
        item, condition, region, text, bits.
    accuracy, low, high : float
        Share of items of which a prediction holds, mean over the predictions that count; 95 % interval over items.
    chance : float
        The same of surprisals that say nothing.
    n, unknown : int
        Items that count, and those left out because a region has no surprisal.
    """

    suite: str
    items: pd.DataFrame
    regions: pd.DataFrame
    accuracy: float
    low: float
    high: float
    chance: float
    n: int
    unknown: int


def placed(texts: Sequence[str]) -> tuple[str, list[tuple[int, int]]]:
    """The sentence that regions make, and where each stands in it: blanks between them, none before a mark.

    Examples
    --------
    >>> placed(["Anna", "", "slept", "."])
    ('Anna slept.', [(0, 4), (4, 4), (5, 10), (10, 11)])
    """
    sentence, spans = "", []
    for text in texts:
        text = re.sub(r" (?=[,.?!;:])", "", text)
        blank = " " if sentence and text and not re.match(r"[,.?!;:]", text) else ""
        begin = len(sentence) + len(blank)
        sentence += blank + text
        spans.append((begin, begin + len(text)) if text else (len(sentence), len(sentence)))
    return sentence, spans


def region_surprisals(spans: Sequence[tuple[int, int]], tokens: TokenSurprisal) -> np.ndarray:
    """Bits of each region: the sum over the tokens that begin in it (a leading blank is no beginning); 0 for an empty one.

    NaN where such a token has no probability, as the first word of a model without a start token.
    """
    bits = np.zeros(len(spans))
    starts = np.array([begin for begin, _ in spans])
    ends = np.array([end for _, end in spans])
    for (begin, end), nats in zip(tokens.offsets, tokens.nats, strict=True):
        inside = np.flatnonzero((starts < end) & (ends > begin))
        if len(inside):  # a token across two regions belongs to the first
            bits[inside[0]] += nats / LN2
    return bits


def evaluate(
    model: Model,
    suites: Mapping[str, Suite],
    names: Sequence[str] = (),
    *,
    store=None,
    report: Report = SILENT,
) -> dict[str, SuiteScore]:
    """A model on SyntaxGym suites.

    Parameters
    ----------
    model : Model
        One with next-word probabilities; of a masked one the pseudo-log-likelihood counts.
    suites : mapping
        Of :func:`data.readers.texts.syntaxgym`.
    names : sequence of str
        Suites; none: all.

    Raises
    ------
    BrainLensError
        For an unknown suite, and a model without probabilities.

    Notes
    -----
    Gauthier et al. 2020, doi 10.18653/v1/2020.acl-demos.10; Hu et al. 2020, doi 10.18653/v1/2020.acl-main.158. Surprisals are not
    corrected for word boundaries, as in the suites' own evaluation; a leading blank belongs to the word after it.
    """
    for name in names:
        if name not in suites:
            raise unknown("SyntaxGym suite", name, suites)
    found = {}
    chosen = list(names) or list(suites)
    for number, name in enumerate(chosen):
        report.step(number, len(chosen), "suites")
        found[name] = _suite(model, suites[name], store, report)
    report.step(len(chosen), len(chosen), "suites")
    return found


def _suite(model: Model, suite: Suite, store, report: Report) -> SuiteScore:
    keys, sentences, spans, texts = [], [], [], []
    for key, rows in suite.regions.groupby(["item", "condition"], sort=False):
        rows = rows.sort_values("region")
        sentence, places = placed(rows["text"].tolist())
        keys.append((*key, rows["region"].tolist()))
        sentences.append(sentence)
        spans.append(places)
        texts.append(rows["text"].tolist())
    read = token_surprisals(model, sentences, store=store, report=_Quiet(report))
    rows, by_item = [], {}
    for (item, condition, regions), places, words, tokens in zip(
        keys, spans, texts, read, strict=True
    ):
        bits = region_surprisals(places, tokens)
        for region, word, value in zip(regions, words, bits, strict=True):
            rows.append((item, condition, region, word, value))
            by_item.setdefault(item, {})[condition, region] = float(value)
    formulas = [parse(text) for text in suite.predictions]
    counted = [one for one in formulas if not one.equality]
    if not counted:
        raise BrainLensError(
            f"{suite.name}: every prediction asks two surprisals to be equal",
            remedy="Give a suite that says which is higher",
        )
    items = pd.DataFrame(
        [
            (item, number, formula.holds(values))
            for item, values in by_item.items()
            for number, formula in enumerate(formulas)
        ],
        columns=["item", "prediction", "holds"],
    )
    wanted = [number for number, one in enumerate(formulas) if not one.equality]
    table = items[items["prediction"].isin(wanted)].pivot(
        index="item", columns="prediction", values="holds"
    )
    known = table.notna().all(axis=1)
    mean = table[known].astype(float).mean(axis=1).to_numpy()
    low, high = share_interval(mean)
    return SuiteScore(
        suite.name,
        items,
        pd.DataFrame(rows, columns=["item", "condition", "region", "text", "bits"]),
        float(mean.mean()) if len(mean) else float("nan"),
        low,
        high,
        float(np.mean([chance(one) for one in counted])),
        len(mean),
        int((~known).sum()),
    )


class _Quiet(Report):
    """The same report for an inner loop: it can be cancelled, and says nothing of its own."""

    def __init__(self, report: Report):
        super().__init__()
        self._outer = report

    def checkpoint(self) -> None:
        self._outer.checkpoint()
