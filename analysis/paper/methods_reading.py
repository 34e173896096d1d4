"""What goes into the paper beside a figure of reading times: the methods paragraph and the references."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.answers.answer import listed, plural
from analysis.answers.reading import verdicts
from analysis.paper.methods import bibtex as score_references
from analysis.paper.methods import paragraph as of_scores
from analysis.reading.run import SPILLOVER, Reading

__all__ = ["bibtex", "paragraph"]

_FORMS = {
    "linear": "linear regressions",
    "gam": "regressions on natural cubic splines of every column",
}
_LINKS = {"identity": "the times as measured", "log": "the logarithm of the times"}
_FILTERS = {
    "none": "No word was left out by a filter.",
    "no-edges": "The first and last words of sentences were left out.",
    "times-only": "Times not between 100 and 3000 ms were left out.",
    "official": "Times not between 100 and 3000 ms, people with fewer than five right answers (where answers are known) and "
    "the first and last words of sentences were left out.",
}
_GOODKIND = """@inproceedings{goodkind2018predictive,
  title = {Predictive power of word surprisal for reading times is a linear function of language model quality},
  author = {Goodkind, Adam and Bicknell, Klinton},
  booktitle = {Proceedings of the 8th Workshop on Cognitive Modeling and Computational Linguistics},
  pages = {10--18}, year = {2018}, doi = {10.18653/v1/W18-0102}
}"""
_BATES = """@article{bates2015fitting,
  title = {Fitting Linear Mixed-Effects Models Using lme4},
  author = {Bates, Douglas and M{\\"a}chler, Martin and Bolker, Ben and Walker, Steve},
  journal = {Journal of Statistical Software}, volume = {67}, number = {1}, pages = {1--48}, year = {2015},
  doi = {10.18637/jss.v067.i01}
}"""
_BOUNDARIES = """@misc{oh2024leading,
  title = {Leading Whitespaces of Language Models' Subword Vocabulary Pose a Confound for Calculating Word Probabilities},
  author = {Oh, Byung-Doh and Schuler, William},
  year = {2024}, eprint = {2406.10851}, archivePrefix = {arXiv}
}

@misc{pimentel2024how,
  title = {How to Compute the Probability of a Word},
  author = {Pimentel, Tiago and Meister, Clara},
  year = {2024}, eprint = {2406.14561}, archivePrefix = {arXiv}
}"""


def paragraph(found: Sequence[Reading], scores: Sequence = ()) -> str:
    """The methods paragraph of some readings, in complete sentences, from what was done; and that of the scores beside them."""
    if not found:
        return ""
    about = found[0].about
    corpora = {one.recording: one for one in found}
    said = [
        f"Models were compared with the reading of {listed(_corpus(one) for one in corpora.values())}."
    ]
    if any(one.rows["simulated"].any() for one in corpora.values()):
        said.append(
            "Simulated recordings are computed: the truth was planted and nobody was measured."
        )
    models = listed(_model(one) for one in {one.model: one for one in found}.values())
    context = (
        "in the context of the recording"
        if about["context"] == "recording"
        else f"in the context {about['context']}"
    )
    boundary = (
        ", with the correction for word boundaries where the tokenizer needs it"
        if about["word_boundary"]
        else ""
    )
    window = f", in windows of {about['window']} tokens" if about["window"] else ""
    said.append(f"Surprisal in bits was computed with {models}, {context}{window}{boundary}.")
    said.append(
        _mixed(found)
        if about["form"] == "mixed"
        else f"Delta log-likelihood is the mean difference, in nats per word, between the Gaussian log-likelihoods of two "
        f"{_FORMS[about['form']]} of {_LINKS[about['link']]}: a base with length and log frequency of the word and of the "
        f"{SPILLOVER} words before it, and the same with the surprisal of these words. Variances are maximum-likelihood "
        "estimates on the training words; whole texts were held out, and intervals are 95 % t intervals over texts. Held out, k "
        "columns without an effect are expected at about -k / 2n."
    )
    said.append(_FILTERS[about["filter"]])
    if len({one.model for one in found}) > 1:
        said.append("Models were compared over the words of a recording that all of them know.")
    said.append(
        "Alignment was checked by regressing the times on surprisal, length and log frequency of the words t+2 to t-3 jointly."
    )
    says = {(one.model, one.recording, ""): next(iter(one.says.values())) for one in found}
    told = [f"{name}: {verdicts(says, name, '')}" for name in corpora]
    said.append(f"Verdicts: {'; '.join(told)}.")
    return "\n\n".join([" ".join(said), *([of_scores(scores)] if scores else [])])


def _mixed(found: Sequence[Reading]) -> str:
    """What was fitted to single trials, as it was fitted (a singular model falls back)."""
    formulas = {one.rows["rule"].iloc[0].split("; ")[0]: None for one in found}
    rule = found[0].rows["rule"].iloc[0].split("; ")[-1]
    return (
        f"Single trials were fitted by linear mixed models with crossed random effects ({'; '.join(formulas)}), by maximum "
        "likelihood (penalised least squares, Bates et al. 2015). Delta log-likelihood is the mean difference, in nats per "
        "trial, between this model and the same without the fixed effects of surprisal, on held-out trials: known people and "
        f"items by their conditional distribution, new ones integrated out with their covariances ({rule}). Intervals are 95 % "
        "intervals of a bootstrap over people and items."
    )


def bibtex(found: Sequence[Reading], scores: Sequence = ()) -> str:
    """BibTeX of the recordings, models and methods of some readings, of the scores beside them, and of BrainLens; each once."""
    parts, notes = [_GOODKIND], []
    if any(one.about["form"] == "mixed" for one in found):
        parts.append(_BATES)
    if any(one.about["word_boundary"] for one in found):
        parts.append(_BOUNDARIES)
    for one in {one.recording: one for one in found}.values():
        if one.about["citation"].strip():
            parts.append(one.about["citation"].strip())
        else:
            notes.append(
                f"% No citation is known for the recording {one.recording.rpartition('/')[2]}."
            )
    for one in {one.model: one for one in found}.values():
        if "@" in one.about["model_citation"]:
            parts.append(one.about["model_citation"].strip())
        elif one.about["model_citation"].strip():
            notes.append(f"% {one.model}: {' '.join(one.about['model_citation'].split())}")
    parts += score_references(scores).strip().split("\n\n")
    entries: dict[str, str] = {}
    for part in parts:
        entries.setdefault(part.partition(",")[0] if part.startswith("@") else part, part)
    return "\n\n".join([*(["\n".join(notes)] if notes else []), *entries.values()]) + "\n"


def _corpus(one: Reading) -> str:
    people = (
        "means over people"
        if one.about["people"] is None
        else plural(one.about["people"], "person").replace("persons", "people")
    )
    words, texts = plural(len(one.words), "word"), plural(one.about["texts"], "text")
    return f"{one.recording.rpartition('/')[2]} ({words} of {texts}, {people})"


def _model(one: Reading) -> str:
    size = one.about["parameters"]
    count = f", {size / 1e6:,.{0 if size >= 1e7 else 2}f} million parameters" if size else ""
    return f"{one.model} ({one.about['model_class']}{count})"
