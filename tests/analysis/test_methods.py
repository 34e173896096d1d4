"""Methods paragraph, references, code and the table for R, from the provenance of a score."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from analysis.ceiling.kinds import KINDS
from analysis.paper import code, methods, tables
from analysis.paper.handover import write_r_files
from analysis.paper.methods_answers import GEIGER, beside
from analysis.protocol import CHOICES, preset
from data.errors import BrainLensError


def test_the_paragraph_says_every_choice(make_score):
    said = methods.paragraph([make_score(), make_score("glove", 1, peak=0)])
    for fact in (
        "pereira2018 (627 sentences and 8 targets in 4 subjects",
        "gpt2 (causal, 4 layers of 768 units, 124 million parameters",
        "after the preceding stimuli of the same passage",
        "the activations at the last token of its last word in layers 0 to 4",
        "4 folds grouped by topic (seed 0)",
        "ridge regression with an intercept and one penalty per target, chosen among 17 values from 0.1 to 1e+07",
        "the squared error of every group of stimuli predicted from the others of the training fold",
        "z-scored with the mean and standard deviation of the training fold",
        "the mean over folds, then the mean over targets, then the mean over subjects",
        "chosen in each fold on inner folds",
        "over subjects and stimulus groups (1,000 draws",
        "The ceiling, r = .50 [.45, .55]",
        "position and length together and a random embedding of the same width",
        "folds of single stimuli drawn at random",
        "BrainLens 0.1.0 (protocol defended), numpy 2.3.0.",
    ):
        assert fact in said, fact
    assert "torch" not in said
    assert "\n" not in said


def test_a_story_says_how_words_became_samples(make_score):
    score = make_score()
    story = {"scored_unit": "tr", "context": "run"}
    about = score.provenance["recording"] | story
    said = methods.paragraph(
        replace(
            score,
            protocol=preset("story"),
            provenance=score.provenance | {"recording": about},
            ceiling=replace(score.ceiling, kind="synchrony", lower_bound=score.ceiling),
        )
    )
    for fact in (
        "Each word was read after the preceding words of the same run",
        "A word was represented by",
        "brought to the samples of the signal by Lanczos interpolation (window 3",
        "copied at delays of 1, 2, 3 and 4 samples within each run",
        "cycles longer than 128 s (discrete cosines) were taken out of features and responses; responses were z-scored there.",
        "a person's motion, it was regressed out",
        "was estimated by correlating each person's signal with the mean of the others",
        "With the mean of the others a person's signal correlates at r = .50",
    ):
        assert fact in said, fact
    for word in ("published", "stimulus was represented", "same regression"):
        assert word not in said
    other = preset("story").but(
        hrf="glover",
        resample="boxcar",
        highpass=None,
        trim=(5, 3),
        nuisance=(),
        standardize_run=False,
    )
    assert " ".join(methods.time_sentences(story, other)) == (
        "Features of words were brought to the samples of the signal as the sum over words, each weighted by the share of the "
        "sample that it fills, and convolved with the Glover haemodynamic response. In each contiguous stretch of training rows, "
        "and in each held-out block apart, the mean was taken out of features and responses. The first 5 and the last 3 samples "
        "of each run were left out."
    )
    assert methods.time_sentences({"scored_unit": "sentence"}, other) == []
    for how in CHOICES["resample"]:
        for hrf in CHOICES["hrf"]:
            assert methods.time_sentences(story, other.but(resample=how, hrf=hrf))


def test_no_estimated_ceiling_is_called_published(make_score):
    score = make_score()
    for kind in (*(one for one in KINDS if one != "none"), "synchrony"):
        said = methods.paragraph(replace(score, ceiling=replace(score.ceiling, kind=kind)))
        assert "was estimated by" in said and "published value" not in said, kind


def test_a_static_embedding_has_no_last_token(make_score):
    from dataclasses import replace

    def static(score):
        model = score.provenance["model"] | {"class": "embedding"}
        return replace(score, provenance=score.provenance | {"model": model})

    alone = methods.paragraph(static(make_score("glove", 1, peak=0)))
    assert "represented by the mean of the vectors of its words." in alone and "token" not in alone
    both = methods.paragraph([make_score(), static(make_score("glove", 1, peak=0))])
    assert "; in static embeddings by the mean of the vectors of its words." in both


def test_every_sentence_is_one(make_score):
    for score in (
        make_score(),
        make_score(protocol="schrimpf2021"),
        make_score(averaged=True, quality="retyped"),
        make_score(ceiling=None),
    ):
        said = methods.paragraph(score)
        assert re.search(r"\.\.|  | ,|\( |None|nan", said) is None, said
        assert all(
            re.match(r"[A-Z]", part) for part in re.split(r"(?<=[a-z\])]\.) (?=[A-Z])", said)
        )


def test_the_paragraph_follows_the_protocol(make_score):
    said = methods.paragraph(make_score(protocol="schrimpf2021"))
    for fact in (
        "ordinary least squares",
        "not scaled",
        "the median over targets",
        "which is optimistic",
        "(seed 1)",
    ):
        assert fact in said, fact
    for fact in ("ridge", "controls", "drawn at random"):
        assert fact not in said, fact
    changed = methods.paragraph(
        make_score(changes={"pooling": "mean", "context": "none", "shared_alpha": True})
    )
    for fact in ("the mean of the activations over its tokens", "alone, without preceding text", "one penalty for all targets",
                 "(protocol defended with context = none, pooling = mean and shared_alpha = True)"):  # fmt: skip
        assert fact in changed, fact


@pytest.mark.parametrize("name", ["defended", "schrimpf2021", "brainscore2026"])
def test_every_preset_can_be_told(make_score, name):
    assert f"protocol {name})" in methods.paragraph(make_score(protocol=name))


def test_simulated_data_are_called_so_everywhere(make_score):
    score = make_score(simulated=True)
    assert "These data are simulated" in methods.paragraph(score)
    assert methods.bibtex(score).startswith("% The data behind these scores are simulated.")
    assert "simulated" in code.python_code(score)
    assert "simulated" in tables.r_script(score)
    assert set(tables.long_table(score)["stamp"]) == {"simulated data"}


def test_no_ceiling_is_said_with_its_reason(make_score):
    said = methods.paragraph(make_score(averaged=True))
    assert (
        "No ceiling was estimated (the responses are averaged over people), so scores are not normalised."
        in said
    )


def test_the_ceiling_is_told_for_what_it_holds(make_score):
    def said(**fields):
        score = make_score()
        return methods.paragraph(replace(score, ceiling=replace(score.ceiling, **fields)))

    assert "divided by it as a ratio of means" in said() and "values above 1 were kept." in said()
    bound = said(kind="leave-one-out", holds_for="nothing")
    assert "scores were not divided by it" in bound
    assert "predicting each subject from all targets of the others" in bound  # not from their mean
    assert "is a published value (Schrimpf et al. 2021)" in said(
        kind="published", flag="Schrimpf et al. 2021", holds_for="the aggregate"
    )
    assert "The ceiling of the average over people, r = .50" in said(
        holds_for="the average over people"
    )
    assert "scores were not divided by it." in said(holds_for="the average over people")


def test_one_paragraph_per_recording_and_protocol(make_score):
    said = methods.paragraph(
        [make_score(), make_score("bert"), make_score(recording="blank2014")],
        published=["schrimpf2021"],
    )
    assert len(said.split("\n\n")) == 3
    assert "Schrimpf et al. (2021)" in said.split("\n\n")[-1]


def test_bibtex_has_each_entry_once_and_balanced(make_score):
    cited = "@article{pereira2018toward,\n title = {Toward a universal decoder}, year = {2018}\n}"
    found = methods.bibtex([make_score(citation=cited), make_score(citation=cited), make_score("b", protocol="schrimpf2021")],
                           published=["schrimpf2021"])  # fmt: skip
    keys = re.findall(r"@\w+\{([^,]+),", found)
    assert len(keys) == len(set(keys))
    assert {
        "pereira2018toward",
        "hoerl1970ridge",
        "brainlens",
        "schrimpf2021neural",
        "model-gpt2",
        "hadidi2025illusions",
    } <= set(keys)
    assert found.count("{") == found.count("}")


def test_a_recording_without_citation_is_named(make_score):
    assert "% No citation is known for the recording pereira2018." in methods.bibtex(make_score())


def test_the_code_runs_and_compares(make_score, monkeypatch, capsys):
    scores = [make_score(), make_score(changes={"pooling": "mean"}, height=0.3)]
    written = code.python_code(scores)
    asked = []

    def stand_in(model, data, protocol, layers=None):
        asked.append((model, data, protocol, layers))
        return scores[len(asked) - 1]

    import analysis

    monkeypatch.setattr(analysis, "score", stand_in, raising=False)
    exec(compile(written, "made", "exec"), {})
    assert asked[0] == ("gpt2", "pereira2018", preset("defended"), None)
    assert asked[1][2] == preset("defended").but(pooling="mean")
    assert capsys.readouterr().out.count(": the same") == 2


def test_the_code_of_an_own_file_names_its_columns(make_score):
    written = code.python_code(
        make_score(recording="mine"),
        recording="folder/mine.csv",
        columns={"text": "sentence", "group": ["topic"]},
    )
    ast.parse(written)
    assert "recording('folder/mine.csv', text='sentence', group=['topic'])" in written


def test_some_layers_are_asked_for_by_number(make_score):
    score = make_score()
    some = type(score)(
        score.dataset.isel(layer=[1, 3]),
        score.ceiling,
        score.protocol,
        score.controls,
        {},
        score.provenance,
    )
    assert 'preset("defended"), [1, 3],' in code.python_code(some)


def test_the_code_of_a_published_view_runs(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(
        compile(code.python_answer("task", benchmark="neural", x="log-perplexity"), "made", "exec"),
        {},
    )
    assert "r = .62" in capsys.readouterr().out
    assert (tmp_path / "task.csv").read_text().count("\n") == 43


def test_the_long_table_has_every_fold_and_target(make_score):
    score = make_score()
    table = tables.long_table([score, make_score("glove", 1, peak=0)])
    assert len(table) == (5 + 1) * 4 * 8
    row = table[
        (table.model == "gpt2") & (table.layer == 3) & (table.fold == 2) & (table.target == "t5")
    ].iloc[0]
    assert (
        row.r == float(score.dataset.r.sel(layer=3, fold=2, target="t5"))
        and row.subject == "s2"
        and row.chosen
        and row.seed == 0
    )
    assert np.isfinite(table["ceiling"]).all()


def test_the_r_script_fits_what_the_table_holds(make_score):
    both = tables.r_script([make_score(), make_score("glove", 1, peak=0)])
    assert "z ~ model + (1 | subject/target) + (1 | part:fold)" in both
    assert "fit <- lm(z ~ 1, data = d)" in tables.r_script(make_score(averaged=True))


@pytest.mark.skipif(shutil.which("Rscript") is None, reason="R is not installed")
@pytest.mark.parametrize(
    ("averaged", "how"),
    [
        (False, {"targets": "median", "people": "median"}),
        (False, {"order": "folds-first"}),
        (True, {}),
    ],
)
def test_r_finds_the_same_number(make_score, tmp_path, averaged, how):
    """The folder for R is run in R: it stops where its r is not ours, and the mixed model comes out."""
    scores = [make_score(averaged=averaged), make_score("glove", 1, peak=0, averaged=averaged)][
        : 1 if averaged else 2
    ]
    scores = [replace(one, protocol=one.protocol.but(**how)) for one in scores]
    folder = write_r_files(scores, tmp_path / "r")
    said = subprocess.run(["Rscript", "models.R"], cwd=folder, capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    assert "r_here" in said.stdout and "97.5 %" in said.stdout
    if not averaged:
        return
    wrong = pd.read_csv(folder / "ours.csv").assign(r=lambda t: t["r"] + 0.001)
    wrong.to_csv(folder / "ours.csv", index=False)
    assert subprocess.run(["Rscript", "models.R"], cwd=folder, capture_output=True).returncode != 0


def test_an_answer_without_scores_has_methods_and_references_of_its_own():
    how = preset("defended").but(folds=3)
    said, references = beside(
        "It was done.", models=["zoo-causal-200k@noise:all:0.1:0", "zoo-causal-200k"], recording="simulated",
        protocol=how, cited=[GEIGER],
    )  # fmt: skip
    for fact in (
        "simulated responses of the recording simulated (",
        "The model was zoo-causal-200k (causal, ",
        "the activations at its last token",
        "3 folds",
        "ridge regression",
        "It was done. Computed with BrainLens ",
        "protocol defended with folds = 3)",
    ):
        assert fact in said, fact
    assert said.count("zoo-causal-200k (") == 1
    for fact in ("simulated", "hoerl1970ridge", "geiger2022wiring", "@software{brainlens"):
        assert fact in references, fact
    said, references = beside("Pairs were judged.", models=["zoo-causal-200k", "zoo-masked-1m"])
    assert "responses" not in said and "The models were zoo-causal-200k" in said
    assert "protocol" not in said and "hoerl1970" not in references


def test_references_of_the_rows_of_a_ranking(make_score):
    one = make_score(citation="A. Someone (2018), the recording")
    rows = [json.dumps(one.provenance), "", None, "no JSON", "[1]", "{}"]
    found = methods.bibtex_of_rows(rows)
    assert "A. Someone (2018), the recording" in found and "hoerl1970ridge" in found
    assert methods.bibtex_of_rows([]).startswith("@software{brainlens")


def test_nothing_is_written_for_no_score():
    assert methods.paragraph([]) == ""
    with pytest.raises(BrainLensError, match="No score"):
        code.python_code([])
    with pytest.raises(BrainLensError, match="No score"):
        tables.long_table([])
