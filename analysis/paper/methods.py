"""What goes into the paper beside the figure: the methods paragraph, the references, the code, and a table for R.

``paragraph(scores)``, ``bibtex(scores)``, ``python_code(scores)``, ``r_script(scores)`` and ``long_table(scores)`` all take one
Score or several; ``published=("schrimpf2021",)`` adds published tables that stand in the same figure. Everything is written from
the scores' provenance, so that it says what was done and not what is usually done.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from analysis.answers.answer import decimal, listed, plural
from analysis.protocol import PRESETS, Protocol
from data.errors import BrainLensError

__all__ = ["bibtex", "long_table", "paragraph", "python_answer", "python_code", "r_script"]

_KINDS = {
    "fmri": "functional MRI responses",
    "ecog": "intracranial recordings",
    "eeg": "EEG responses",
    "reading_times": "reading times",
    "eye_tracking": "eye-tracking measures",
    "behaviour": "behavioural responses",
}
_POOLING = {
    "last": "the activations at its last token",
    "mean": "the mean of the activations over its tokens",
    "sum": "the sum of the activations over its tokens",
    "max": "the maximum of the activations over its tokens",
}
_CRITERIA = {
    "loo": "exact leave-one-out error on the training fold",
    "gcv": "generalised cross-validation on the training fold",
}
_CEILINGS = {
    "extrapolated": "predicting each subject from growing pools of the others and extrapolating to infinitely many",
    "leave-one-out": "predicting each subject from the mean of the others",
    "split-half": "correlating random halves of the subjects, corrected by Spearman and Brown",
    "repeats": "correlating repeated presentations",
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
_HOERL = """@article{hoerl1970ridge,
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
    for score in _several(scores):
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
        *_data(about),
        *_models(scores, about, protocol),
        *_mapping(first, protocol),
        *_scored(scores, about, protocol),
        *_beside(scores),
        _software(first.provenance),
    ]
    return " ".join(sentences)


def _data(about: Mapping) -> list[str]:
    people = (
        "averaged over people"
        if about["averaged"]
        else f"in {plural(about['n_subjects'], 'subject')}"
        if about["n_subjects"]
        else "of unknown people"
    )
    what = "simulated responses" if about["simulated"] else _KINDS.get(about["kind"], about["kind"])
    unit = {"tr": "volume (TR)"}.get(about["scored_unit"], about["scored_unit"])
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
        _model(score.provenance["model"])
        for score in {score.model: score for score in scores}.values()
    ]
    one = "stimulus" if about["scored_unit"] == "tr" else about["scored_unit"]
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
        f"Each {one} was read {_context(about, protocol)}{seen}; {future}.",
        f"A {one} was represented by {_POOLING[protocol.pooling]} in {which}, where layer 0 is the output of the embedding "
        f"(forward passes in {protocol.dtype}).",
    ]


def _context(about: Mapping, protocol: Protocol) -> str:
    """What a model had read before a stimulus."""
    context, note = protocol.context, ""
    if context in ("recording", "paper"):
        context, note = about["context"], " (the paper's choice)" if context == "paper" else ""
    if context in (None, "none"):
        return "alone, without preceding text"
    if context.startswith("words:"):
        return f"after the {context.partition(':')[2]} words before it"
    return f"after the preceding stimuli of the same {context}{note}"


def _model(model: Mapping) -> str:
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


def _mapping(score, protocol: Protocol) -> list[str]:
    folds = str(score.provenance["folds"]).rstrip(".")
    seed = "" if "seed" in folds else f" (seed {protocol.seed})"
    scaled = (
        "z-scored with the mean and standard deviation of the training fold"
        if protocol.standardize
        else "not scaled"
    )
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
    ]


def _scored(scores: list, about: Mapping, protocol: Protocol) -> list[str]:
    steps = [f"the {protocol.targets} over targets"] if about["n_targets"] > 1 else []
    steps += [f"the {protocol.people} over subjects"] if about["n_subjects"] > 1 else []
    steps = (
        ["the mean over folds", *steps]
        if protocol.order == "targets-first"
        else [*steps, "the mean over folds"]
    )
    said = [f"The score is Pearson's r between predicted and measured responses in each held-out fold, summarised by "
            f"{', then '.join(steps)}; a constant prediction counts as r = 0."]  # fmt: skip
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
    said.append(f"Intervals are 95 % percentile intervals of a bootstrap of the held-out predictions over {drawn} "
                f"({protocol.bootstrap:,} draws, without refitting).")  # fmt: skip
    return [*said, _ceiling(scores[0].ceiling, protocol)]


def _ceiling(ceiling, protocol: Protocol) -> str:
    if not np.isfinite(ceiling.value):
        why = str(ceiling.flag or "none was asked for").rstrip(".")
        return f"No ceiling was estimated ({why}), so scores are not normalised."
    span = f" [{decimal(ceiling.low)}, {decimal(ceiling.high)}]" if np.isfinite(ceiling.low) else ""
    origin = (
        f"was estimated by {_CEILINGS[ceiling.kind]}"
        if ceiling.kind in _CEILINGS
        else "is a published value"
    )
    note = f" ({ceiling.flag.rstrip('.')})" if ceiling.flag else ""
    if ceiling.holds_for not in ("targets", "the aggregate"):
        whose = f"The ceiling of {ceiling.holds_for}, r = {decimal(ceiling.value)}{span}"
        return f"{whose}, {origin}{note}; scores were not divided by it."
    per = (
        "target by target"
        if protocol.normalise == ceiling.holds_for[:-1] == "target"
        else "aggregate by aggregate"
    )
    kept = "were clipped to [0, 1]" if protocol.clip else "above 1 were kept"
    return (
        f"The ceiling, r = {decimal(ceiling.value)}{span}, {origin}{note}; "
        f"scores were normalised by it {per}, and values {kept}."
    )


def _beside(scores: list) -> list[str]:
    said, first = [], scores[0]
    if len(first.controls):
        names = listed(_CONTROLS.get(name, name) for name in first.controls["control"])
        said.append(f"The controls, scored on the same folds, were {names}.")
    if headline := next((score.headline for score in scores if score.headline), None):
        beyond = headline.get("beyond", "the controls")
        said.append("Unique R2 is the out-of-sample R2 of model and controls together less that of the controls alone "
                    f"({beyond}; banded ridge regression).")  # fmt: skip
    if "r_shuffled" in first.dataset:
        said.append("Each score was also computed with folds of single stimuli drawn at random, to show what neighbouring "
                    "stimuli give away.")  # fmt: skip
    return said


def _software(provenance: Mapping) -> str:
    versions = {
        name: version
        for name, version in provenance["versions"].items()
        if version != "not installed"
    }
    own = versions.pop("brainlens", "")
    others = listed(f"{name} {version}" for name, version in versions.items())
    preset = provenance["protocol"]["name"]
    base = preset.rstrip("*")
    changed = ""
    if preset != base and base in PRESETS:
        changes = Protocol.from_dict(provenance["protocol"]).changes()
        changed = f" with {listed(f'{name} = {value}' for name, value in changes.items())}"
    return f"Computed with BrainLens {own} (protocol {base}{changed}), {others}.".replace("  ", " ")


# ---- references ------------------------------------------------------------------------------------------------------------
def bibtex(scores=(), *, published: Sequence[str] = ()) -> str:
    """BibTeX of the recordings, models, methods and published tables behind some scores, and of BrainLens; each entry once."""
    from data.readers.published import CITATIONS

    entries: dict[str, str] = {}
    scores = _several(scores)
    for score in scores:
        about, model = score.provenance["recording"], score.provenance["model"]
        _add(entries, about["citation"], f"recording-{about['id']}", f"Recording {about['id']}")
        _add(
            entries,
            model["citation"],
            f"model-{model['id'].partition('@')[0]}",
            f"Model {model['id'].partition('@')[0]}",
        )
        base = score.protocol.name.rstrip("*")
        if base in CITATIONS:
            _add(entries, CITATIONS[base], base, base)
        if score.protocol.method == "ridge":
            _add(entries, _HOERL, "hoerl1970ridge", "")
        if score.protocol.bootstrap:
            _add(entries, _FIELD, "field2007bootstrapping", "")
        if "r_shuffled" in score.dataset:
            _add(entries, CITATIONS["hadidi2025"], "hadidi2025", "")
    for name in published:
        _add(entries, CITATIONS[name], name, name)
    entries["brainlens"] = _BRAINLENS.replace("VERSION", _version(scores))
    unknown = dict.fromkeys(
        score.recording for score in scores if not score.provenance["recording"]["citation"].strip()
    )
    notes = [f"% No citation is known for the recording {name}." for name in unknown]
    if any(score.provenance["recording"]["simulated"] for score in scores):
        notes = ["% The data behind these scores are simulated."]
    return "\n\n".join(["\n".join(notes), *entries.values()]).lstrip("\n") + "\n"


def _add(entries: dict[str, str], citation: str, key: str, title: str) -> None:
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


def _version(scores: list) -> str:
    from importlib.metadata import PackageNotFoundError, version

    if scores:
        return scores[0].provenance["versions"].get("brainlens", "")
    try:
        return version("brainlens")
    except PackageNotFoundError:
        return ""


# ---- code ------------------------------------------------------------------------------------------------------------------
def python_code(scores, *, recording: str | Sequence[str] | None = None, columns: Mapping | None = None,
                models: Sequence[str] | None = None) -> str:  # fmt: skip
    """A script that computes the same numbers again and says so where they differ.

    Parameters
    ----------
    scores : Score or iterable of Score
    recording : str or sequence of str, optional
        What the user selected, once or for each score: an id, ``id@version``, the path of an own file, ``path#corpus``; None: the
        recording's id.
    columns : mapping, optional
        How an own file's columns are read, as for :func:`data.catalog.catalog.recording`.
    models : sequence of str, optional
        The same for the model of each score, such as the path of a file of activations; None: the model's id.
    """
    scores = _several(scores)
    if not scores:
        raise BrainLensError("No score to write code for", remedy="Compute a score first")
    data = (
        [recording] * len(scores)
        if recording is None or isinstance(recording, str)
        else list(recording)
    )
    data = [name or one.recording for name, one in zip(data, scores, strict=True)]
    models = [one.model for one in scores] if models is None else models
    lines = [
        '"""Made by BrainLens: computes these scores again and compares them with what was shown."""',
        "",
        "from analysis import preset, score",
        *(["from data.catalog.catalog import recording"] if columns else []),
        "",
        "# model, recording, protocol, layers, the r that was shown",
        "RUNS = [",
    ]
    for model, which, one in zip(models, data, scores, strict=True):
        how = (
            f"recording({which!r}, {', '.join(f'{k}={v!r}' for k, v in columns.items())})"
            if columns
            else repr(which)
        )
        changes = ", ".join(f"{name}={value!r}" for name, value in one.protocol.changes().items())
        protocol = f'preset("{one.protocol.name.rstrip("*")}")' + (
            f".but({changes})" if changes else ""
        )
        every = (
            one.layers == list(range(one.provenance["model"]["layers"] + 1))
            if one.provenance["model"]["layers"] is not None
            else True
        )
        lines.append(
            f"    ({model!r}, {how}, {protocol}, {None if every else one.layers}, {one.value:.6f}),"
        )
    simulated = any(one.provenance["recording"]["simulated"] for one in scores)
    lines += [
        "]",
        *(["# The data are simulated: the truth was planted."] if simulated else []),
        "",
        "for model, data, protocol, layers, shown in RUNS:",
        "    result = score(model, data, protocol, layers=layers)",
        "    print(result.sentence())",
        "    print(result.table().to_string(index=False))",
        "    same = abs(result.value - shown) < 5e-4",
        '    print(f"r = {result.value:.4f}, shown {shown:.4f}:", "the same" if same else "DIFFERENT")',
    ]
    return "\n".join(lines) + "\n"


def python_answer(name: str, **arguments) -> str:
    """A script that gives a published view again.

    Parameters
    ----------
    name : str
        ``"task"`` or ``"untrained"``: the file and the function in it.
    **arguments
        Of that function in :mod:`analysis.answers`.
    """
    call = f"{name}({', '.join(f'{key}={value!r}' for key, value in arguments.items())})"
    return "\n".join([
        '"""Made by BrainLens: the published table behind the figure, and its answer in words."""',
        "",
        f"from analysis.answers.{name} import {name}",
        "",
        f"answer = {call}",
        "print(answer.sentence)",
        "print(answer.caption)",
        f'answer.frame.to_csv("{name}.csv", index=False)',
        "",
    ])  # fmt: skip


# ---- for R -----------------------------------------------------------------------------------------------------------------
def long_table(scores) -> pd.DataFrame:
    """One row per model, layer, fold and target: what a mixed model wants.

    Returns
    -------
    pandas.DataFrame
        model, recording, layer, depth, chosen, part, fold, target, subject (empty where people are not known), r, r2, ceiling.
    """
    frames = []
    for score in _several(scores):
        data = score.dataset
        frame = data[["r", "r2"]].to_dataframe()[["r", "r2"]].reset_index()
        depth = pd.Series(data.depth.values, index=data.layer.values)
        frame.insert(0, "model", score.model)
        frame.insert(1, "recording", score.recording)
        frame["depth"], frame["chosen"] = (
            frame["layer"].map(depth),
            frame["layer"] == score.chosen_layer,
        )
        for name, dim in (("part", "fold"), ("subject", "target")):
            known = name in data.coords and data[name].dims == (dim,)
            frame[name] = (
                frame[dim]
                .map(dict(zip(data[dim].values, data[name].values, strict=True)))
                .astype(str)
                if known
                else ""
            )
        per = dict(
            zip(data.target.values, score.ceiling.per_target, strict=False)
        )  # empty where there is none
        frame["ceiling"] = frame["target"].map(per).astype(float)
        if score.provenance["recording"]["simulated"]:
            frame["stamp"] = "simulated data"
        frames.append(frame)
    if not frames:
        raise BrainLensError("No score to make a table of", remedy="Compute a score first")
    table = pd.concat(frames, ignore_index=True)
    first = [
        "model",
        "recording",
        "layer",
        "depth",
        "chosen",
        "part",
        "fold",
        "target",
        "subject",
        "r",
        "r2",
        "ceiling",
    ]
    return table[[*first, *(column for column in table.columns if column not in first)]]


def r_script(scores, *, file: str = "long.csv") -> str:
    """An R script that reads :func:`long_table` as CSV and fits the mixed model its shape allows."""
    scores = _several(scores)
    table = long_table(scores)
    people, targets, models = (
        table["subject"].nunique() > 1,
        table["target"].nunique() > 1,
        table["model"].nunique() > 1,
    )
    chance = ["(1 | subject/target)"] if people else ["(1 | target)"] if targets else []
    if chance or models:
        fit = f"lmer(z ~ {' + '.join(['model' if models else '1', *chance, '(1 | part:fold)'])}, data = d)"
    else:  # one value per fold: nothing to group
        fit = "lm(z ~ 1, data = d)"
    return "\n".join([
        "# Made by BrainLens. Each row of the table is one target in one held-out fold.",
        *(["# The data are simulated: the truth was planted."] if "stamp" in table else []),
        "library(lme4)",
        "",
        f'd <- read.csv("{file}", stringsAsFactors = TRUE, na.strings = c("", "NA"))',
        'd <- subset(d, chosen == "True" & !is.na(r))  # the layer that stands for each model',
        "d$fold <- factor(d$fold)",
        'if (all(is.na(d$part))) d$part <- factor("all")',
        "d$z <- atanh(d$r)  # Fisher's z",
        "",
        f"fit <- {fit}",
        "print(summary(fit))",
        'print(confint(fit, method = "Wald"))' if "lmer" in fit else "print(confint(fit))",
        *(["print(anova(fit, update(fit, . ~ . - model)))  # do the models differ?"] if models else []),
        "",
    ])  # fmt: skip


def _several(scores) -> list:
    return (
        list(scores)
        if isinstance(scores, Iterable) and not hasattr(scores, "provenance")
        else [scores]
    )
