"""What the columns of a table mean: as the lens's notes say it, else in a few words, with the function that computes them."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["meanings"]

_TERMS = {
    "r_shuffled": ("shuffled",),
    "optimism": ("selection optimism",),
    "delta_ll": ("delta log-likelihood",),
    "verdict": ("alignment",),
    "trained": ("published score",),
    "untrained": ("published score",),
    "source": ("own, imported",),
    "low": ("interval",),
    "high": ("interval",),
}
"""Column -> the term of the note that explains it, where it is not the column's own name."""

_INTERVAL = "95 % interval, a bootstrap of held-out predictions; analysis.statistics.hierarchical_bootstrap."
_MEANINGS = {
    "r": "Pearson's r between predicted and measured responses, per held-out fold, then averaged; analysis.scoring.verb.score.",
    "r2": "Out-of-sample R2: 1 less the squared error over the variance around the training mean; analysis.scoring.verb.score.",
    "r_shuffled": "r under folds that ignore topics and stories: what is higher there leaks; analysis.mapping.splits.make_folds.",
    "r_position": "r of position and length alone, on the same folds; analysis.features.controls.features.",
    "ceiling": "What a perfect model could reach, given the recording's noise; analysis.ceiling.kinds.",
    "normalised": "r divided by the ceiling, never clipped; above 1 the ceiling is too low.",
    "unique_r2": "Out-of-sample R2 of model and controls together less that of the controls alone; analysis.mapping.banded.",
    "joint_r2": "Out-of-sample R2 of model and controls together; analysis.mapping.banded.",
    "controls_r2": "Out-of-sample R2 of the controls alone; analysis.mapping.banded.",
    "optimism": "What choosing the layer on the reported data adds to the nested choice; analysis.scoring.verb.Score.",
    "chosen": "The layer picked on inner folds, without looking at the held-out ones; analysis.scoring.summary.choose_layers.",
    "best": "The layer with the highest score on the reported data.",
    "layer": "0 is the embedding, the last number the last block.",
    "depth": "Layer over the number of layers: 0 the embedding, 1 the last block.",
    "p": "Probability of such an r where responses and stimuli have nothing to do with each other; "
    "analysis.scoring.significance.targets_test.",
    "q": "Share of false discoveries among targets called above chance; analysis.statistics.fdr.",
    "significant": "Whether q is below .05.",
    "n_stimuli": "Stimuli that were scored.",
    "n_targets": "Voxels, electrodes or measures that were scored.",
    "n_subjects": "People behind the responses.",
    "n_words": "Words whose times count.",
    "n_dropped": "Words left out by the filter, or without a surprisal.",
    "folds": "Parts that were held out in turn.",
    "held_out": "How the folds were made; analysis.mapping.splits.make_folds.",
    "source": "Stored: read from the store; fresh: computed just now; partial: still on its way.",
    "seed": "Of everything that is drawn at random.",
    "seeds": "Copies with other random weights.",
    "family": "Relatives share it: correlations cluster on it.",
    "width": "Features per layer.",
    "parameters": "Weights of the model.",
    "bits_per_byte": "Bits of the scored tokens over the bytes they stand for, lower is better; "
    "analysis.features.perplexity.evaluate.",
    "bits_per_word": "Mean surprisal of the same words, lower is better; analysis.features.surprisal.span_surprisal.",
    "delta_ll": "What surprisal adds to length and frequency, in nats per word; analysis.reading.delta_ll.delta_log_likelihood.",
    "bias": "What a model without any effect is expected at: about -k / 2n for k added columns and n words.",
    "surprisal": "Minus log2 of the probability of the word given all before it; analysis.features.surprisal.span_surprisal.",
    "bits": "Minus log2 of the probability of the word given all before it; analysis.scoring.per_stimulus.token_bits.",
    "difference": "First model minus second.",
    "gain": "Trained minus untrained.",
    "mean": "Over the chosen recordings, each with the same weight; analysis.answers.compare.rank.",
    "kept": "Share of the score under shuffled folds that is left under contiguous ones; analysis.answers.hadidi.hadidi.",
    "length": "Words of a sentence; letters of a word.",
    "frequency": "Mean Zipf frequency: log10 of occurrences in 10^9 words.",
    "reason": "Why there is no number.",
}
_ENDS = {"low": "Lower", "high": "Upper"}


def meanings(columns: Iterable[str], notes: Iterable[tuple[str, str]] = ()) -> dict[str, str]:
    """What each column means, where it is known.

    Parameters
    ----------
    columns : iterable of str
    notes : iterable of (term, meaning)
        Of the view; they go before the words of this module.

    Returns
    -------
    dict
        Column -> one sentence or two.

    Examples
    --------
    >>> meanings(["ceiling", "mine"], [("ceiling", "Noise.")])
    {'ceiling': 'Noise.'}
    """
    said = {term.lower(): meaning for term, meaning in notes}
    found = {str(column): _meaning(str(column), said) for column in columns}
    return {column: meaning for column, meaning in found.items() if meaning}


def _meaning(column: str, said: dict[str, str]) -> str:
    if end := re.fullmatch(r"(?:(.+)_)?(low|high)", column):
        whose = f" of {end[1].replace('_', ' ')}" if end[1] else ""
        return f"{_ENDS[end[2]]} end of the interval{whose}. {said.get('interval', _INTERVAL)}"
    for term in (column.replace("_", " ").lower(), column.lower(), *_TERMS.get(column, ())):
        if term in said:
            return said[term]
    return _MEANINGS.get(column, "")
