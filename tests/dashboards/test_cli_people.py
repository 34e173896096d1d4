"""The commands reading, surprisal, similarity and test: same numbers as in Python, and what they refuse."""

import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from dashboards.command.cli import main
from data.files import unguarded

MODEL = "zoo-causal-400k"


def run(*arguments):
    return CliRunner().invoke(main, [str(one) for one in arguments])


@pytest.fixture(scope="module")
def bits(tmp_path_factory):
    """Surprisals of a recording's words, written by the command itself."""
    path = tmp_path_factory.mktemp("bits") / "bits.csv"
    said = run("surprisal", MODEL, "--on", "simulated-reading", "--out", path)
    assert said.exit_code == 0, said.output
    return path


def test_a_text_of_ones_own(tmp_path):
    (tmp_path / "story.txt").write_text("The dog saw the cat.\nThe cat ran.", encoding="utf-8")
    said = run("surprisal", MODEL, "--text", tmp_path / "story.txt", "--out", tmp_path / "bits.csv")
    table = pd.read_csv(tmp_path / "bits.csv")
    assert said.exit_code == 0 and table["text"].tolist() == [
        "The",
        "dog",
        "saw",
        "the",
        "cat.",
        "The",
        "cat",
        "ran.",
    ]
    lines = run(
        "surprisal",
        MODEL,
        "--text",
        tmp_path / "story.txt",
        "--lines",
        "--out",
        tmp_path / "lines.csv",
    )
    apart = pd.read_csv(tmp_path / "lines.csv")
    assert lines.exit_code == 0 and apart["text_number"].tolist() == [0] * 5 + [1] * 3
    assert apart["surprisal"].iloc[-1] != pytest.approx(
        table["surprisal"].iloc[-1]
    )  # another context
    assert "text,surprisal" in run("surprisal", MODEL, "--text", tmp_path / "story.txt").output


def test_a_mixed_model_from_a_table_of_surprisals_is_that_of_python(bits, tmp_path):
    from analysis.reading import mixed_model
    from analysis.reading.by_trial import trial_table

    formula = "log(rt) ~ surprisal + length + (1 | person) + (1 | item)"
    said = run("reading", "--on", "simulated-reading", "--surprisal", bits, "--form", "mixed", "--formula", formula,
               "--held-out", "people", "--folds", 2, "--out", tmp_path / "out.csv", "--r-folder", tmp_path / "r")  # fmt: skip
    assert said.exit_code == 0, said.output
    row = pd.read_csv(tmp_path / "out.csv").iloc[0]
    series = pd.read_csv(bits, dtype={"stimulus": str}).set_index("stimulus")["surprisal"]
    table = trial_table("simulated-reading", series).table
    fit = mixed_model(table, formula)
    assert row["aic"] == pytest.approx(fit.aic, abs=1e-4) and row["z"] == pytest.approx(
        fit.coefficients.loc["surprisal", "z"], rel=1e-4
    )
    assert (
        row["n"] == fit.n
        and row["low"] <= row["delta_ll"] <= row["high"]
        and "new people in 2 folds" in row["rule"]
    )
    assert {path.name for path in (tmp_path / "r").iterdir()} == {
        "models.csv",
        "trials_0_bits.csv",
        "ours.csv",
        "models.R",
        "README.md",
    }
    again = run("reading", "--on", "simulated-reading", "--surprisal", bits, "--form", "mixed", "--r-folder", tmp_path / "r",
                "--formula", formula)  # fmt: skip
    assert again.exit_code == 1 and "is not empty" in again.output


def test_the_folder_for_r_runs_nothing_in_a_spreadsheet(tmp_path):
    from analysis.reading import r_folder

    texts = ["=1+1", "-- no", "'=x", "plain", "@home", "it's"]
    (tmp_path / "t.csv").write_bytes(r_folder._csv(pd.DataFrame({"word": texts, "rt": range(6)})))
    written = (tmp_path / "t.csv").read_text()
    assert "\n=" not in written and "\n@" not in written and "\n-" not in written
    assert list(unguarded(pd.read_csv(tmp_path / "t.csv"))["word"]) == texts
    if shutil.which("Rscript") is not None:  # as the script reads them
        start = r_folder._SCRIPT.index("table_of <-")
        code = r_folder._SCRIPT[start : r_folder._SCRIPT.index("models <-")]
        said = subprocess.run(
            ["Rscript", "-e", code + 'writeLines(table_of("t.csv")$word)'],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        assert said.stdout.splitlines() == texts


@pytest.mark.skipif(shutil.which("Rscript") is None, reason="R is not installed")
@pytest.mark.slow
@pytest.mark.parametrize("different", ["many", "few"])
def test_r_gives_the_same_numbers(bits, tmp_path, different):
    from analysis.reading.r_folder import compare_with_r

    formula = "log(rt) ~ surprisal + length + (1 + surprisal | person) + (1 | story)"
    if different == "few":  # fewer than the basis functions of a smooth
        table = pd.read_csv(bits, dtype={"stimulus": str})
        bits = tmp_path / "few.csv"
        table.assign(surprisal=(table["surprisal"] / 5).round() * 5).to_csv(bits, index=False)
        formula = "log(rt) ~ surprisal + length + (1 + surprisal || person) + (1 || story)"  # the last lme4 cannot read
    said = run("reading", "--on", "simulated-reading", "--surprisal", bits, "--form", "mixed", "--formula", formula,
               "--r-folder", tmp_path / "r")  # fmt: skip
    assert said.exit_code == 0, said.output
    found = compare_with_r(tmp_path / "r").set_index("quantity")
    assert found.loc[["aic", "loglik", "chi2"], "difference"].abs().max() < 0.01
    np.testing.assert_allclose(
        found.loc[["b", "standard_error"], "ours"],
        found.loc[["b", "standard_error"], "r"],
        rtol=1e-3,
    )


def test_linear_forms_of_a_table_and_of_a_model_agree(bits, tmp_path):
    for number, arguments in enumerate(([MODEL], ["--surprisal", bits])):
        said = run(
            "reading", *arguments, "--on", "simulated-reading", "--out", tmp_path / f"{number}.csv"
        )
        assert said.exit_code == 0, said.output
    one, two = (pd.read_csv(tmp_path / f"{number}.csv").iloc[0] for number in range(2))
    assert one["delta_ll"] == pytest.approx(two["delta_ll"]) and one["low"] > 0


def test_geometry_and_chance(tmp_path):
    said = run("similarity", MODEL, "--on", "simulated", "--out", tmp_path / "s.csv")
    table = pd.read_csv(tmp_path / "s.csv")
    assert said.exit_code == 0 and table["rsa"].between(-1, 1).all() and table["cka"].max() > 0.01
    said = run(
        "test",
        MODEL,
        "--on",
        "simulated",
        "--draws",
        3,
        "--set",
        "folds=3",
        "--out",
        tmp_path / "t.csv",
    )
    assert said.exit_code == 0, said.output
    table = pd.read_csv(tmp_path / "t.csv")
    assert (
        set(table["p"]) <= {0.25, 0.5, 0.75, 1.0}
        and (table["q"] >= table["p"]).all()
        and "smallest possible p .25" in said.output
    )


@pytest.mark.parametrize("arguments, said", [
    (["reading", "--on", "simulated-reading"], "Nothing reads"),
    (["reading", MODEL, "--on", "simulated-reading", "--held-out", "people"], "needs single trials"),
    (["reading", MODEL, "--on", "simulated-reading", "--formula", "rt ~ 1"], "belongs to mixed models"),
    (["reading", MODEL, "--on", "simulated-reading", "--out", "x.txt"], "ends in '.txt'"),
    (["surprisal", MODEL], "Give one of --text FILE and --on RECORDING"),
    (["test", MODEL, "--on", "simulated", "--draws", "0"], "no number of permutations"),
])  # fmt: skip
def test_what_is_refused_says_the_next_step(arguments, said):
    found = run(*arguments)
    assert found.exit_code == 1 and said in found.output


def test_averages_have_no_trials(bits, tmp_path):
    from analysis.reading.by_trial import trial_table
    from data.errors import BrainLensError
    from data.readers.simulated import default

    with pytest.raises(BrainLensError, match="single trials need persons and words"):
        trial_table(default())


def done_with(*arguments):
    said = run(*arguments)
    assert said.exit_code == 0, said.output
    return said.output


def failed(*arguments):
    said = run(*arguments)
    assert said.exit_code
    return f"{said.output} {said.exception}"


def test_one_question_has_its_sentence_table_and_figure(tmp_path):
    table, drawn = tmp_path / "t.csv", tmp_path / "f.svg"
    done = done_with(
        "people",
        "persons",
        "zoo-causal-400k",
        "--on",
        "simulated-reading",
        "--out",
        str(table),
        "--figure",
        str(drawn),
    )
    assert "How well is a person predicted on simulated-reading?" in done and table.exists()
    assert drawn.read_bytes().lstrip().startswith(b"<?xml")


@pytest.mark.parametrize("arguments, said", [
    (["foo"], "Unknown question 'foo'"),
    (["persons", "zoo-causal-400k"], "needs a recording of people"),
    (["n400"], "No model is named"),
    (["shape", "m", "--cloze", "LC=2"], "no share between 0 and 1"),
    (["n400", "m", "--on", "brothers2021"], "is about nieuwland2018"),
    (["n400", "m", "--figure", "x.jpg"], "ends in '.jpg'"),
])  # fmt: skip
def test_questions_that_cannot_be_answered_say_why(arguments, said):
    assert said in failed("people", *arguments)


def test_trials_are_taken_in_and_say_what_a_rule_leaves_out(tmp_path):
    from tests.data import experiment_files as files

    results = files.ibex(tmp_path / "results.csv", files.readings())
    done = done_with(
        "data", "trials", str(results), "--rule", "rt < 450", "--out", str(tmp_path / "mine.csv")
    )
    assert "break the rule 'rt < 450'" in done and (tmp_path / "mine.csv.brainlens.json").exists()
    assert "Take its trials in first" in failed("data", "check", str(results))
    assert "cannot be read" in failed("data", "trials", str(results), "--rule", "fast")
    assert "Write it as --column NAME=VALUE" in failed(
        "data", "trials", str(results), "--column", "rt"
    )


def test_averages_are_refused_before_a_model_reads(tmp_path, monkeypatch):
    monkeypatch.setattr("analysis.models.transformer.TransformerModel.surprisal", None)
    rows = [f"t{t},w{w}{t},{300 + w}" for t in range(6) for w in range(8)]
    (tmp_path / "means.csv").write_text("story,word,rt\n" + "\n".join(rows))
    said = failed("reading", "zoo-causal-200k", "--on", tmp_path / "means.csv", "--form", "mixed")
    assert "single trials need persons and words" in said


@pytest.mark.parametrize("arguments, said", [
    (["reading", "zoo-causal-400k"], "No recording is named. Choices: simulated"),
    (["test", "zoo-causal-400k"], "Add --on RECORDING, such as --on simulated-reading"),
    (["similarity", "--on", "simulated"], "No model is named. Name one, such as zoo-causal-400k"),
    (["people", "shape", "zoo-causal-400k", "--cloze", "LC=2"], "Write it as --cloze HC=0.9"),
    (["people", "curves", "zoo-causal-400k"], "Leave models out; 'brainlens people range MODEL...'"),
])  # fmt: skip
def test_what_is_not_named_is_asked_for_with_the_choices(arguments, said):
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code != 0 and said in f"{result.output}{result.exception}"


@pytest.mark.parametrize("command", ["similarity", "test"])
def test_a_model_without_layers_is_refused(command, monkeypatch):
    from types import SimpleNamespace

    monkeypatch.setattr("analysis.answers.similarity.load", lambda _: SimpleNamespace(n_layers=0))
    result = CliRunner().invoke(main, [command, "zoo-causal-200k", "--on", "simulated"])
    assert result.exit_code != 0
    assert "zoo-causal-200k has no layers" in f"{result.output}{result.exception}"
