"""What goes into the paper beside the figure: the methods paragraph, the references, the code, and a table for R.

``paragraph(scores)``, ``bibtex(scores)``, ``r_script(scores)`` and ``long_table(scores)`` all take one
Score or several; ``published=("schrimpf2021",)`` adds published tables that stand in the same figure. Everything is written from
the scores' provenance, so that it says what was done and not what is usually done.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from analysis.answers.answer import decimal, listed, plural
from analysis.protocol import PRESETS, Protocol
from data.readers.published import CITATIONS

__all__ = [
    "HOERL",
    "POOLING",
    "add_reference",
    "bibtex",
    "bibtex_of_rows",
    "context_words",
    "data_sentences",
    "mapping_sentences",
    "model_words",
    "own_reference",
    "paragraph",
    "read_unit",
    "software_sentence",
    "time_sentences",
]

_KINDS = {
    "fmri": "functional MRI responses",
    "ecog": "intracranial recordings",
    "eeg": "EEG responses",
    "reading_times": "reading times",
    "eye_tracking": "eye-tracking measures",
    "behaviour": "behavioural responses",
}
POOLING = {
    "last": "the activations at its last token",
    "mean": "the mean of the activations over its tokens",
    "sum": "the sum of the activations over its tokens",
    "max": "the maximum of the activations over its tokens",
}
_CRITERIA = {
    "loo": "exact leave-one-out error on the training fold",
    "logo": "the squared error of every group of stimuli predicted from the others of the training fold (exact, pooled)",
    "gcv": "generalised cross-validation on the training fold",
}
_CEILINGS = {
    "extrapolated": "predicting each subject from growing pools of the others and extrapolating to infinitely many",
    "pools": "two disjoint pools of other subjects, fitted on disjoint halves of the training groups, corrected for attenuation",
    "leave-one-out": "predicting each subject from all targets of the others",
    "split-half": "correlating random halves of the subjects, corrected by Spearman and Brown",
    "repeats": "correlating repeated presentations",
    "synchrony": "correlating each person's signal with the mean of the others in the same region, divided by the square root "
    "of that mean's reliability (random halves of the others, corrected by Spearman and Brown)",
}
_CHOICES = {
    "nested": "The layer that stands for a model was chosen in each fold on inner folds of the training data.",
    "max": "The layer that stands for a model is the one with the highest score on the reported data, which is optimistic.",
    "last": "The last layer stands for a model.",
}
_CONTROLS = {"position": "position in the text", "length": "length", "position+length": "position and length together",
             "rate": "word rate", "frequency": "log word frequency", "random-embedding": "a random embedding of the same width",
             "oasm": "a text-free autocorrelation model (OASM)", "static": "static word embeddings"}  # fmt: skip
_PUBLISHED = {
    "schrimpf2021": "Published scores are those of the released table of Schrimpf et al. (2021): the best layer per benchmark on "
    "the reported data, divided by the ceiling and not clipped; perplexity is that of a read-out trained on frozen features.",
    "hadidi2025": "Published scores under shuffled and contiguous folds are those of Hadidi et al. (2025): ridge regression, not "
    "normalised.",
}
HOERL = """@article{hoerl1970ridge,
  title = {Ridge Regression: Biased Estimation for Nonorthogonal Problems},
  author = {Hoerl, Arthur E. and Kennard, Robert W.},
  journal = {Technometrics}, volume = {12}, number = {1}, pages = {55--67}, year = {1970},
  doi = {10.1080/00401706.1970.10488634}
}"""
_FIELD = """@article{field2007bootstrapping,
  title = {Bootstrapping Clustered Data},
  author = {Field, C. A. and Welsh, A. H.},
  journal = {Journal of the Royal Statistical Society Series B}, volume = {69}, number = {3}, pages = {369--390}, year = {2007},
  doi = {10.1111/j.1467-9868.2007.00593.x}
}"""
_BRAINLENS = """@software{brainlens,
  title = {BrainLens: which language models predict the human brain and human reading, why, and is the number real?},
  author = {{The BrainLens authors}},
  version = {VERSION}
}"""


# ---- the paragraph ---------------------------------------------------------------------------------------------------------
def paragraph(scores=(), *, published: Sequence[str] = ()) -> str:
    """The methods paragraph of one or several scores, in complete sentences.

    Parameters
    ----------
    scores : Score or iterable of Score
        Scores with the same recording and protocol share a paragraph.
    published : sequence of str
        Names of published tables in the same figure.

    Returns
    -------
    str
        One paragraph per recording and protocol.
    """
    groups: dict[tuple, list] = {}
    for score in several(scores):
        about = score.provenance["recording"]
        groups.setdefault((about["id"], about["response_hash"], score.protocol.key()), []).append(
            score
        )
    paragraphs = [_paragraph(group) for group in groups.values()]
    tables = " ".join(_PUBLISHED[name] for name in published)
    return "\n\n".join([*paragraphs, *([tables] if tables else [])])


def _paragraph(scores: list) -> str:
    first = scores[0]
    about, protocol = first.provenance["recording"], first.protocol
    sentences = [
        *data_sentences(about),
        *_models(scores, about, protocol),
        *time_sentences(about, protocol),
        *mapping_sentences(first.provenance["folds"], protocol),
        *_scored(scores, about, protocol),
        *_beside(scores),
        _software(first.provenance),
    ]
    return " ".join(sentences)


def data_sentences(about: Mapping) -> list[str]:
    """What was measured, of whom, in which unit."""
    people = (
        "averaged over people"
        if about["averaged"]
        else f"in {plural(about['n_subjects'], 'subject')}"
        if about["n_subjects"]
        else "of unknown people"
    )
    what = "simulated responses" if about["simulated"] else _KINDS.get(about["kind"], about["kind"])
    unit = "volume (TR)" if about["scored_unit"] == "tr" else about["scored_unit"]
    size = f"{plural(about['n_stimuli'], unit)} and {plural(about['n_targets'], 'target')} {people}"
    said = [
        f"Models were compared with {what} of the recording {about['id']} ({size}; unit {about['unit']})."
    ]
    if about["simulated"]:
        said.append("These data are simulated: the truth was planted and nobody was measured.")
    if about["quality"]:
        said.append(f"Note on the data: {about['quality'].rstrip('.')}.")
    return said


def _models(scores: list, about: Mapping, protocol: Protocol) -> list[str]:
    named = [
        model_words(score.provenance["model"])
        for score in {score.model: score for score in scores}.values()
    ]
    one = read_unit(about)
    future = (
        "no model saw words to come"
        if protocol.attention == "prefix"
        else "bidirectional models saw the whole text"
    )
    seen = f", in windows of the newest {protocol.window} tokens" if protocol.window else ""
    layers = sorted({layer for score in scores for layer in score.layers})
    which = (
        f"layers {layers[0]} to {layers[-1]}"
        if len(layers) > 2
        else f"layer{'s' if len(layers) > 1 else ''} {listed(map(str, layers))}"
    )
    return [
        f"The model was {named[0]}." if len(named) == 1 else f"The models were {listed(named)}.",
        f"Each {one} was read {context_words(about, protocol)}{seen}; {future}.",
        f"A {one} was represented by {_represented(scores, which, protocol)}.",
    ]


def read_unit(about: Mapping) -> str:
    """What a model reads one of: the words of a story, whose rows are samples; else the stimuli."""
    return "word" if about["scored_unit"] == "tr" else about["scored_unit"]


def time_sentences(about: Mapping, protocol: Protocol) -> list[str]:
    """How features of words became what a sampled signal can follow, and what was taken out; nothing of other recordings."""
    if about["scored_unit"] != "tr":
        return []
    reply = _RESPONSES.get(protocol.hrf, "")
    if protocol.hrf == "fir":
        one = "a delay of 1 sample" if protocol.delays == (1,) else ""
        late = one or f"delays of {listed(map(str, protocol.delays))} samples"
        reply = f", and copied at {late} within each run (finite impulse response)"
    slow = (
        "the mean was"
        if protocol.highpass is None
        else f"cycles longer than {protocol.highpass:g} s (discrete cosines) were"
    )
    scaled = "; responses were z-scored there" if protocol.standardize_run else ""
    said = [
        f"Features of words were brought to the samples of the signal {_RESAMPLED[protocol.resample]}{reply}.",
        "In each contiguous stretch of training rows, and in each held-out block apart, "
        f"{slow} taken out of features and responses{scaled}.",
    ]
    if any(protocol.trim):
        said.append(
            f"The first {protocol.trim[0]} and the last {protocol.trim[1]} samples of each run were left out."
        )
    if "motion" in protocol.nuisance:
        said.append(
            "Where the recording has a person's motion, it was regressed out of that person's signal."
        )
    return said


_RESAMPLED = {
    "lanczos": "by Lanczos interpolation (window 3, cut-off at the Nyquist frequency)",
    "sum": "as the sum over the words of a sample's interval",
    "mean": "as the mean over the words of a sample's interval",
    "last": "as those of the last word of a sample's interval",
    "boxcar": "as the sum over words, each weighted by the share of the sample that it fills",
}
_RESPONSES = {
    name: f", and convolved with the {said} haemodynamic response"
    for name, said in (("spm", "SPM"), ("glover", "Glover"))
}


def _represented(scores: list, which: str, protocol: Protocol) -> str:
    """What a stimulus is in a model: a static embedding has no last token that would stand for all."""
    static = [score.provenance["model"]["class"] == "embedding" for score in scores]
    how = {"sum": "sum", "max": "maximum"}.get(protocol.pooling, "mean")
    words = f"the {how} of the vectors of its words"
    if all(static):
        return words
    pooled = POOLING[protocol.pooling]
    if protocol.start != "tokenizer":  # which keeps the mark behind the word
        pooled = pooled.replace("its last token", "the last token of its last word")
    said = (
        f"{pooled} in {which}, where layer 0 is the output of the embedding "
        f"(forward passes in {protocol.dtype})"
    )
    return said + (f"; in static embeddings by {words}" if any(static) else "")


def context_words(about: Mapping, protocol: Protocol) -> str:
    """What a model had read before a stimulus."""
    context, note = protocol.context, ""
    if context in ("recording", "paper"):
        context, note = about["context"], " (the paper's choice)" if context == "paper" else ""
    if context in (None, "none"):
        return "alone, without preceding text"
    if context.startswith("words:"):
        return f"after the {context.partition(':')[2]} words before it"
    what = "words" if about["scored_unit"] == "tr" else "stimuli"
    return f"after the preceding {what} of the same {context}{note}"


def model_words(model: Mapping) -> str:
    """A model with its class, sizes, weights and note."""
    facts = [model["class"]]
    if model["layers"]:
        facts.append(plural(model["layers"], "layer") + f" of {model['width']:,} units")
    elif model["width"]:
        facts.append(f"{model['width']:,} units")
    if model["parameters"]:
        millions = model["parameters"] / 1e6
        facts.append(
            f"{millions:,.0f} million parameters"
            if millions >= 10
            else f"{millions:,.2f} million parameters"
        )
    facts += [f"weights {str(model['fingerprint'])[:12]}"] if model["fingerprint"] else []
    facts += [model["note"]] if model["note"] else []
    return f"{model['id']} ({', '.join(facts)})"


def mapping_sentences(rules: str, protocol: Protocol) -> list[str]:
    """How responses were predicted: the rules of the folds, the mapping, its penalty."""
    folds = str(rules).rstrip(".")
    seed = "" if "seed" in folds else f" (seed {protocol.seed})"
    scaled = (
        "z-scored with the mean and standard deviation of the training fold"
        if protocol.standardize
        else "not scaled"
    )
    if protocol.method in _GEOMETRIES:
        return [
            f"Geometries of activations and responses were compared on held-out stimuli: {folds}{seed}.",
            f"Similarity was {_GEOMETRIES[protocol.method]}.",
            *_narrowed(protocol),
        ]
    if protocol.method == "ols":
        cut = (
            "machine precision times the larger dimension of the data"
            if protocol.rcond is None
            else f"{protocol.rcond:g}"
        )
        rest = f"(singular values below the largest one times {cut} were left out)"
        mapping = f"ordinary least squares with an intercept, as the minimum-norm solution {rest}"
    else:
        grouped = f"{protocol.inner_folds}-fold cross-validation within the training fold, grouped as the outer folds"
        whose = "one penalty for all targets" if protocol.shared_alpha else "one penalty per target"
        low, high = protocol.alphas[0], protocol.alphas[-1]
        grid = (
            f"{len(protocol.alphas)} values from {low:g} to {high:g}"
            if len(protocol.alphas) > 1
            else f"the single value {low:g}"
        )
        how = _CRITERIA.get(protocol.criterion, grouped)
        mapping = f"ridge regression with an intercept and {whose}, chosen among {grid} by {how}"
    return [
        f"Responses were predicted from the activations and evaluated on held-out stimuli: {folds}{seed}.",
        f"The mapping was {mapping}; features were {scaled}.",
        *_narrowed(protocol),
    ]


_GEOMETRIES = {
    "rsa": "the Spearman correlation of representational dissimilarities (1 - r over units) over pairs of stimuli of "
    "different groups, where a fold holds out several (Kriegeskorte et al. 2008)",
    "cka": "debiased centred kernel alignment with linear kernels (Kornblith et al. 2019; Murphy et al. 2024)",
    "shape": "the cosine of the two shapes after the rotation that fits the training stimuli best (Williams et al. 2021)",
    "soft-matching": "the mean correlation of single units, matched on the training stimuli (Khosla & Williams 2024)",
}


def _narrowed(protocol: Protocol) -> list[str]:
    """How layers were brought to a common width."""
    kind = protocol.dimensions.partition(":")[0]
    if kind == "all":
        return []
    how = {
        "pca": "the first principal components of each training fold",
        "random": "a random Gaussian projection, drawn anew with each fold seed",
    }[kind]
    return [f"Every layer was brought to {protocol.width} dimensions by {how}."]


def _scored(scores: list, about: Mapping, protocol: Protocol) -> list[str]:
    steps = [f"the {protocol.targets} over targets"] if about["n_targets"] > 1 else []
    steps += [f"the {protocol.people} over subjects"] if about["n_subjects"] > 1 else []
    steps = (
        ["the mean over folds", *steps]
        if protocol.order == "targets-first"
        else [*steps, "the mean over folds"]
    )
    similar = protocol.method in _GEOMETRIES
    what = "that similarity" if similar else "Pearson's r between predicted and measured responses"
    still = "" if similar else "; a constant prediction counts as r = 0"
    said = [
        f"The score is {what} in each held-out fold, summarised by {', then '.join(steps)}{still}."
    ]
    if about["within"] and protocol.by_experiment:
        said.append(
            f"The parts of the recording ({about['within']}) were scored apart and averaged."
        )
    if any(len(score.layers) > 1 for score in scores):
        said.append(_CHOICES[protocol.layer])
    drawn = (
        "subjects and stimulus groups"
        if about["n_subjects"] > 1 and not about["averaged"]
        else "stimulus groups"
    )
    nested = protocol.layer == "nested" and any(len(score.layers) > 1 for score in scores)
    with_layer = (
        ", every fold with the layer chosen for it and each side no narrower than with the layers chosen anew in every draw"
        if nested
        else ""
    )
    widened = float(scores[0].dataset.attrs.get("widened", 1.0))
    wider = (
        f"; they were widened by {widened:.2f} for the variability of training (Nadeau & Bengio 2003)"
        if widened > 1
        else ""
    )
    of = "the influence of each" if similar else "the held-out predictions"
    wider = "" if similar else wider
    said.append(f"Intervals are 95 % percentile intervals of a bootstrap of {of} over {drawn} "
                f"({protocol.bootstrap:,} draws, without refitting{with_layer}){wider}.")  # fmt: skip
    seeds = len(scores[0].by_seed)
    if seeds > 1:
        said.append(
            f"Scores are means over {seeds} random draws of the folds; the interval draws the same stimuli for all of them."
        )
    return [*said, _ceiling(scores[0].ceiling, protocol)]


def _ceiling(ceiling, protocol: Protocol) -> str:
    if not np.isfinite(ceiling.value):
        why = str(ceiling.flag or "none was asked for").rstrip(".")
        said = f"No ceiling was estimated ({why}), so scores are not normalised."
        return " ".join(filter(None, [said, _others(ceiling)]))
    span = f" [{decimal(ceiling.low)}, {decimal(ceiling.high)}]" if np.isfinite(ceiling.low) else ""
    origin = (
        f"was estimated by {_CEILINGS[ceiling.kind]}"
        if ceiling.kind != "published"
        else "is a published value"
    )
    note = f" ({ceiling.flag.rstrip('.')})" if ceiling.flag else ""
    if not ceiling.divides:
        whose = f" of {ceiling.holds_for}" if ceiling.holds_for.startswith("the ") else ""
        what = (
            "A lower bound of the ceiling"
            if ceiling.kind == "leave-one-out"
            else f"The ceiling{whose}"
        )
        said = f"{what}, r = {decimal(ceiling.value)}{span}, {origin}{note}; scores were not divided by it."
        return " ".join(filter(None, [said, _others(ceiling)]))
    per = (
        "as a mean of ratios, target by target"
        if protocol.normalise == ceiling.holds_for[:-1] == "target"
        else "as a ratio of means, with an interval that carries the ceiling's"
    )
    kept = "were clipped to [0, 1]" if protocol.clip else "above 1 were kept"
    said = f"The ceiling, r = {decimal(ceiling.value)}{span}, {origin}{note}; scores were divided by it {per}, and values {kept}."
    return " ".join(filter(None, [said, _others(ceiling)]))


def _others(ceiling) -> str:
    """What other people predict, beside the ceiling."""
    bound = ceiling.lower_bound
    if bound is None:
        return ""
    if ceiling.kind == "synchrony":
        return (
            f"With the mean of the others a person's signal correlates at r = {decimal(bound.value)} "
            f"[{decimal(bound.low)}, {decimal(bound.high)}], which is a lower bound of the ceiling."
        )
    return (
        f"Other people, by the same regression from all their targets, predict r = {decimal(bound.value)} "
        f"[{decimal(bound.low)}, {decimal(bound.high)}], which is a lower bound of the ceiling."
    )


def _beside(scores: list) -> list[str]:
    said, first = [], scores[0]
    if len(first.controls):
        names = listed(_CONTROLS.get(name, name) for name in map(str, first.controls["control"]))
        said.append(f"The controls, scored on the same folds, were {names}.")
    if headline := next(
        (score.headline for score in scores if "unique_r2" in score.headline), None
    ):
        beyond = headline.get("beyond", "the controls")
        said.append("Unique R2 is the out-of-sample R2 of model and controls together less that of the controls alone "
                    f"({beyond}; banded ridge regression), in each fold with the layer chosen for it.")  # fmt: skip
    if "r_shuffled" in first.dataset:
        said.append("Each score was also computed with folds of single stimuli drawn at random, to show what neighbouring "
                    "stimuli give away.")  # fmt: skip
    return said


def _software(provenance: Mapping) -> str:
    preset, changed = provenance["protocol"]["name"], {}
    if preset != (base := preset.rstrip("*")) and base in PRESETS:
        changed = Protocol.from_dict(provenance["protocol"]).changes()
    return software_sentence(provenance["versions"], preset, changed)


def software_sentence(versions: Mapping, preset: str = "", changed: Mapping | None = None) -> str:
    """What it was computed with.

    Parameters
    ----------
    versions : mapping
        Package -> version.
    preset : str
        Name of the protocol; empty: none was used.
    changed : mapping, optional
        What was changed of it.
    """
    known = {name: version for name, version in versions.items() if version != "not installed"}
    own = known.pop("brainlens", "")
    others = listed(f"{name} {version}" for name, version in known.items())
    under = f" (protocol {preset.rstrip('*')}" if preset else ""
    if changed:
        under += f" with {listed(f'{name} = {value}' for name, value in changed.items())}"
    return f"Computed with BrainLens {own}{under}{')' if preset else ''}, {others}."


# ---- references ------------------------------------------------------------------------------------------------------------
def bibtex(scores=(), *, published: Sequence[str] = ()) -> str:
    """BibTeX of the recordings, models, methods and published tables behind some scores, and of BrainLens; each entry once."""
    scores = several(scores)
    twin = any("r_shuffled" in score.dataset for score in scores)
    cited = [*(["hadidi2025"] if twin else []), *published]
    return _references([score.provenance for score in scores], cited, _version(scores))


def bibtex_of_rows(told: Iterable[object]) -> str:
    """BibTeX of what stands behind the rows of a ranking.

    Parameters
    ----------
    told : iterable
        Their provenance, as JSON; what is none is passed over.
    """
    recipes = []
    for one in told:
        with contextlib.suppress(ValueError, TypeError):
            recipe = json.loads(one)  # type: ignore[arg-type]
            if {"recording", "model", "protocol"} <= set(recipe):
                recipes.append(recipe)
    return _references(recipes, (), _version([]))


def _references(recipes: Sequence[Mapping], cited: Iterable[str], version: str) -> str:
    entries: dict[str, str] = {}
    for recipe in recipes:
        about, model, protocol = recipe["recording"], recipe["model"], recipe["protocol"]
        name = str(model["id"]).partition("@")[0]
        source = str(about.get("citation", ""))
        add_reference(entries, source, f"recording-{about['id']}", f"Recording {about['id']}")
        add_reference(entries, str(model.get("citation", "")), f"model-{name}", f"Model {name}")
        base = str(protocol["name"]).rstrip("*")
        if base in CITATIONS:
            add_reference(entries, CITATIONS[base], base, base)
        if protocol.get("method") == "ridge":
            add_reference(entries, HOERL, "hoerl1970ridge", "")
        if protocol.get("bootstrap"):
            add_reference(entries, _FIELD, "field2007bootstrapping", "")
    for name in cited:
        add_reference(entries, CITATIONS[name], name, name)
    entries["brainlens"] = own_reference(version)
    data = [recipe["recording"] for recipe in recipes]
    unknown = dict.fromkeys(one["id"] for one in data if not str(one.get("citation", "")).strip())
    notes = [f"% No citation is known for the recording {name}." for name in unknown]
    if any(one.get("simulated") for one in data):
        notes = ["% The data behind these scores are simulated."]
    return "\n\n".join(["\n".join(notes), *entries.values()]).lstrip("\n") + "\n"


def add_reference(entries: dict[str, str], citation: str, key: str, title: str) -> None:
    """Take over BibTeX as it is; make an entry of a plain reference."""
    if not citation.strip():
        return
    if "@" in citation and (found := re.findall(r"@\w+\s*\{\s*([^,\s]+)\s*,", citation)):
        entries[found[0]] = citation.strip()
        return
    key = re.sub(r"[^A-Za-z0-9-]+", "-", key).strip("-").lower()
    year = re.search(r"\b(19|20)\d\d\b", citation)
    dated = f",\n  year = {{{year.group()}}}" if year else ""
    entries[key] = (
        f"@misc{{{key},\n  title = {{{title}}},\n  note = {{{citation.strip()}}}{dated}\n}}"
    )


def own_reference(version: str) -> str:
    """BibTeX of BrainLens."""
    return _BRAINLENS.replace("VERSION", version)


def _version(scores: list) -> str:
    from importlib.metadata import PackageNotFoundError, version

    if scores:
        return scores[0].provenance["versions"].get("brainlens", "")
    try:
        return version("brainlens")
    except PackageNotFoundError:
        return ""


# ---- code ------------------------------------------------------------------------------------------------------------------


# ---- for R -----------------------------------------------------------------------------------------------------------------


def several(scores) -> list:
    return (
        list(scores)
        if isinstance(scores, Iterable) and not hasattr(scores, "provenance")
        else [scores]
    )
