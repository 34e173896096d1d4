"""What a score says in words: its answer, and what has to be known before the number is quoted."""

from __future__ import annotations

import numpy as np

from analysis.scoring.summary import letter
from analysis.statistics.bootstrap import ENOUGH_PEOPLE, FEW_PEOPLE
from analysis.statistics.measured import beside
from data.shares import percent

__all__ = ["against_others", "question", "sentence", "warnings", "without_r"]


def sentence(score) -> str:
    """The one-line answer."""
    about = score.provenance["recording"]
    span = f" [{score.low:.3f}, {score.high:.3f}]" if np.isfinite(score.low) else ""
    name = letter(score.protocol)
    verb = "predicts" if name == "r" else "is like"
    return (
        f"{score.model} {verb} {about['id']} with {name} = {score.value:.3f}{span} "
        f"({score.layer_words}; {score.provenance['folds']}); {_bound(score)}"
    )


def _bound(score) -> str:
    """What the ceiling says, in words: a share only of what may be divided by, of a lower bound a comparison."""
    bound, share = score.ceiling, score.share
    said = []
    if np.isfinite(share[0]):
        span = f" [{percent(share[1])}, {percent(share[2])}]" if np.isfinite(share[1]) else ""
        said.append(f"{percent(share[0])}{span} of the ceiling {bound.value:.3f}")
    elif np.isfinite(bound.value) and bound.holds_for != "nothing":
        said.append(f"the ceiling of {bound.holds_for} is {bound.value:.3f}, not divided by")
    if (others := bound.lower_bound) is not None:
        span = f" [{others.low:.3f}, {others.high:.3f}]" if np.isfinite(others.low) else ""
        said.append(
            f"{against_others(score)} what the other people predict, {others.value:.3f}{span} "
            "(a lower bound of the ceiling)"
        )
    return "; ".join(said) or bound.flag


def against_others(score) -> str:
    """``above``, ``below`` or ``not told apart from``: a score and what other people predict, by intervals that do not meet.

    Both rest on the same stimuli, so two intervals of 95 % that do not meet are seldomer than one data set in twenty where the
    two are alike: what is said errs on the careful side.
    """
    others = score.ceiling.lower_bound
    if score.low > others.high:
        return "above"
    return "below" if score.high < others.low else "not told apart from"


def warnings(score) -> list[str]:
    """What has to be known before the number is quoted, one sentence each."""
    return [
        *_data(score),
        *_seeds(score),
        *question(score),
        *without_r(score),
        *_beside(score),
        *_choice(score),
        *_solver(score),
        *_people(score),
        *([beside(*score.measured)] if score.measured else []),
    ]


def _data(score) -> list[str]:
    about, lines = score.provenance["recording"], []
    if score.stamp:
        lines.append(f"Data: {score.stamp}.")
    if unmeasured := about.get("n_unmeasured"):
        lines.append(
            f"Scored: {about['n_stimuli']:,} {about['scored_unit']}s; {unmeasured:,} more without a measurement "
            "are read as context only."
        )
    if score.provenance["model"]["note"]:
        lines.append(f"Model: {score.provenance['model']['note']}.")
    return lines


def _seeds(score) -> list[str]:
    if len(score.by_seed) > 1:
        low, high = min(score.by_seed.values()), max(score.by_seed.values())
        return [
            f"{letter(score.protocol)} is the mean over {len(score.by_seed)} fold seeds, "
            f"alone {low:.3f} to {high:.3f}; the interval draws the same stimuli for all of them."
        ]
    alone = "seed" in score.dataset.coords and score.protocol.seeds == 1
    if alone and score.protocol.name.startswith("defended"):
        return [
            "One fold seed: another draw of the folds gives another r (seeds=3 shows by how much)."
        ]
    return []


def _beside(score) -> list[str]:
    """What shuffled folds, plain controls and controls taken together with the model make of the number."""
    lines, name = [], letter(score.protocol)
    if "r_shuffled" in score.dataset:
        relation = "more than" if score.shuffled > score.value else "not more than"
        lines.append(
            f"Leak meter: shuffled folds give {name} = {score.shuffled:.3f}, "
            f"{relation} the held-out groups' {score.value:.3f}."
        )
    lines += [
        f"Position and length alone give {name} = {row['r']:.3f} on the same folds."
        for row in score.controls.to_dict("records")
        if row["control"] == "position+length"
    ]
    if "why_not" in score.headline:
        lines.append(f"No unique R2: {score.headline['why_not']}.")
    elif score.headline:
        left_out = score.headline.get("left_out", 0)
        lines.append(
            f"Unique R2 beyond {score.headline['beyond']}, with the same layers: "
            f"{score.headline['unique_r2']:.3f} (joint {score.headline['joint_r2']:.3f}, "
            f"controls {score.headline['controls_r2']:.3f})"
            + (f", without {left_out} targets that miss too many stimuli." if left_out else ".")
        )
    return lines


def _choice(score) -> list[str]:
    if score.protocol.layer != "nested" or len(score.layers) == 1:
        return []
    best = score.place(score.best_layer)
    return [f"Choosing the layer on the reported data ({best}) would add {score.optimism:+.3f}."]


def _people(score) -> list[str]:
    """What the people behind the responses allow to say, their ceiling among it."""
    about, lines = score.provenance["recording"], []
    if about["averaged"]:
        lines.append(
            "The responses are averaged over people: no ceiling, no normalised score, no inference over people."
        )
    elif 1 < about["n_subjects"] < ENOUGH_PEOPLE:
        lines.append(
            f"Only {about['n_subjects']} subjects, who tell little of how people differ: the interval is wide."
        )
    elif 0 < about["n_subjects"] <= FEW_PEOPLE:
        lines.append(f"Only {about['n_subjects']} subjects: the interval is optimistic.")
    if not about["averaged"] and score.ceiling.flag:
        what = "Ceiling" if np.isfinite(score.ceiling.value) else "No ceiling"
        lines.append(f"{what}: {score.ceiling.flag}.")
    if score.share[0] > 1:
        lines.append("The share of the ceiling is above 1: the ceiling is too low.")
    return lines


def question(score) -> list[str]:
    """What the protocol's context and split make of the question, one sentence each; nothing for the usual ones."""
    about, lines = score.provenance["recording"], []
    alone = score.protocol.context == "none" or (
        score.protocol.context == "recording" and about.get("context") in (None, "none")
    )
    stops = about.get("stops", 0.0)
    static = score.provenance["model"].get("class") in ("embedding", "random")
    if alone and not static and score.protocol.pooling == "last" and stops > 0.5:
        lines.append(
            f"Each stimulus is read alone, and {percent(stops)} end with a punctuation mark: "
            + (
                "where that is a token of its own, it is the last token, not the word."
                if score.protocol.start == "tokenizer"
                else "it is read up to its last word, without the mark, which would be the last token of them all."
            )
        )
    if score.protocol.split == "leave-one-group-out":
        lines.append(
            "The stricter question: each group is held out alone and r is taken inside it, so that differences between "
            "groups add nothing."
        )
    return lines


def without_r(score) -> list[str]:
    """Targets, and people with all of theirs, that could not be predicted on held-out groups, in a sentence; else nothing."""
    none = ~np.isfinite(score.per_target()["r"].to_numpy())
    if not none.any() or none.all():
        return []
    known = score.subjects is not None and not score.provenance["recording"]["averaged"]
    whose = np.asarray(score.subjects).astype(str) if known else np.empty(len(none), str)
    people = dict.fromkeys(whose[none].tolist()) if known else {}
    silent = [one for one in people if none[whose == one].all()]
    named = f", all of {', '.join(silent[:6])}{' and others' * (len(silent) > 6)}" if silent else ""
    inner = score.protocol.method == "ridge" and score.protocol.criterion != "gcv"
    needed = "two to train and choose on; one with criterion=gcv" if inner else "one to train on"
    return [
        f"No r for {none.sum():,} of {len(none):,} targets{named}: they do not vary, or have values in too few groups "
        f"(one to test on, and {needed}). They count nowhere."
    ]


def _solver(score) -> list[str]:
    lines = []
    if score.protocol.method == "ridge":
        alpha = score.at_chosen_layers("alpha")
        alpha = alpha[~np.isnan(alpha)]
        low = np.mean(np.isclose(alpha, score.protocol.alphas[0])) if alpha.size else 0.0
        # the upper edge is harmless: it predicts the mean, as any larger penalty would
        if low > 0.05:
            lines.append(
                f"{percent(low)} of the alphas are the smallest of the grid, {score.protocol.alphas[0]:g}: a smaller one "
                "may predict better."
            )
    most = score.dataset.dropped.max("fold").values
    some = [
        f"{int(n)} in layer {layer}" for layer, n in zip(score.layers, most, strict=True) if n > 0
    ]
    if some:
        lines.append(f"Constant units left out: {', '.join(some)}.")
    return lines
