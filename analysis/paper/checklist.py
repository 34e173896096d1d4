"""What a reviewer asks of an encoding study, answered from the provenance of a score."""

from __future__ import annotations

import numpy as np

from analysis.answers.answer import decimal, interval
from analysis.paper.methods import several
from data.shares import percent

__all__ = ["checklist"]


def checklist(scores, *, oasm=None, tests: str = "", lock: str = "") -> str:
    """A reporting checklist as Markdown: splits, layers, ceilings, controls, multiple tests.

    Parameters
    ----------
    scores : Score or iterable of Score
    oasm : Oasm, optional
        As of :func:`analysis.scoring.beside.stored_oasm`.
    tests : str
        How many tests were corrected and how, where targets were tested.
    lock : str
        Hash of the prediction that was locked before, where there was one.

    Returns
    -------
    str
        One line a question: ``[x]`` done, ``[ ]`` not done or not known, with the numbers.
    """
    lines = [
        "# Reporting checklist",
        "",
        "Filled from the provenance of each score; `[ ]` is what was not done.",
    ]
    for score in several(scores):
        lines += ["", f"## {score.model} on {score.recording}", ""]
        rows = [*_data(score), *_scored(score, oasm), *_claimed(score, tests, lock)]
        lines += [f"- [{'x' if done else ' '}] **{what}** {said}" for what, done, said in rows]
    return "\n".join(lines) + "\n"


Row = tuple[str, bool, str]


def _data(score) -> list[Row]:
    about = score.provenance
    data, model, p = about["recording"], about["model"], score.protocol
    people = data["n_subjects"] or "no single"
    counts = f"{data['n_stimuli']:,} {data['scored_unit']}s, {data['n_targets']:,} targets, {people} people"
    named = f"weights {str(model['fingerprint'])[:12]}, tokenizer {str(model['tokenizer_hash'])[:12] or 'none'}"
    software = (
        about["versions"].get("brainlens", ""),
        f"code {about['code_version']}",
        about["machine"],
    )
    return [
        (
            "Data",
            True,
            f"{counts}; sha256 {str(data['response_hash'])[:12]}; licence: {data['licence'] or 'not stated'}.",
        ),
        ("Neither simulated nor of doubtful quality", not score.stamp, score.stamp or "Neither."),
        (
            "Model named exactly",
            bool(model["fingerprint"]),
            f"{model['id']}, {named}, context {p.context}, pooling {p.pooling}, start {p.start}, {p.dtype}.",
        ),
        ("Software named exactly", True, f"{'; '.join(map(str, software))}; {about['computed']}."),
    ]


def _scored(score, oasm) -> list[Row]:
    p, about, whole = score.protocol, score.provenance, score.summary()
    held = p.split in ("grouped", "contiguous", "leave-one-group-out")
    twin = "r_shuffled" in score.dataset
    controls = [
        f"{row['control']} {decimal(row['r'], 3)}" for row in score.controls.to_dict("records")
    ]
    seeds = f"r {decimal(whole['r_seed_low'], 3)} to {decimal(whole['r_seed_high'], 3)}"
    penalty = p.criterion if p.method == "ridge" else "no penalty"
    return [
        (
            "Stimuli held out in groups",
            held,
            f"{about['folds']}." + ("" if held else " Neighbours stand on both sides."),
        ),
        (
            "Shuffled twin shown",
            twin,
            f"r = {decimal(score.shuffled, 3)} shuffled, {decimal(score.value, 3)} held out."
            if twin
            else "Not run.",
        ),
        (
            "Autocorrelation without text (OASM)",
            oasm is not None,
            "Not run; see Trust."
            if oasm is None
            else f"{decimal(oasm.shuffled, 3)} shuffled, {decimal(oasm.grouped, 3)} held out"
            + (f" ({oasm.part})." if oasm.part else "."),
        ),
        (
            "Several draws of the folds",
            whole["seeds"] > 1,
            f"{whole['seeds']} fold seeds, {seeds}.",
        ),
        (
            "Layer chosen without the reported data",
            p.layer == "nested" or len(score.layers) == 1,
            f"{score.layer_words}; of {len(score.layers)}; the reported data would add {whole['optimism']:+.3f}.",
        ),
        (
            "Penalty chosen inside the training folds",
            p.method == "ridge" and p.criterion in ("logo", "kfold"),
            f"{p.method}, {penalty}, {len(p.alphas)} values.",
        ),
        ("Controls on the same folds", bool(controls), f"{'; '.join(controls) or 'None'}."),
        (
            "Unique variance with its control set named",
            "unique_r2" in score.headline,
            f"{decimal(whole['unique_r2'], 3)} beyond {score.headline['beyond']}; Omega {percent(score.omega / 100)}."
            if "unique_r2" in score.headline
            else "Not computed.",
        ),
    ]


def _claimed(score, tests: str, lock: str) -> list[Row]:
    whole, data, bound = score.summary(), score.provenance["recording"], score.ceiling
    span = interval(whole["r_low"], whole["r_high"], 3)
    share = f"share {decimal(whole['share'])} {interval(whole['share_low'], whole['share_high'])}".strip()
    ceiling = f"{bound.kind} {decimal(bound.value, 3)}, {share}. {bound.flag}".strip()
    return [
        (
            "Interval",
            bool(np.isfinite(whole["r_low"])),
            f"r = {decimal(whole['r'], 3)} {span}; {score.dataset.attrs.get('interval', 'bootstrap')}.",
        ),
        (
            "Ceiling that may be divided by",
            bool(np.isfinite(whole["share"])),
            ceiling if np.isfinite(bound.value) else (bound.flag or "None."),
        ),
        (
            "Inference over people",
            not data["averaged"] and data["n_subjects"] > 1,
            "The responses are averages over people."
            if data["averaged"]
            else f"{data['n_subjects']} people.",
        ),
        ("Multiple tests corrected", bool(tests), tests or "No target was tested here."),
        (
            "Predicted before it was seen",
            bool(lock),
            f"Locked as {lock[:12]}." if lock else "Not locked.",
        ),
    ]
