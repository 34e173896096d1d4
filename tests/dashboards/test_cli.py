"""The command line: the main job on a user's own table, and one readable line for every mistake."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from analysis.answers.trust.asked import Asked
from analysis.answers.trust.doubts import _oasm_seconds
from analysis.protocol import preset
from dashboards.command.cli import main
from dashboards.command.console import _doubts
from data.catalog.catalog import recording
from data.errors import BrainLensError
from tests.analysis.conftest import build_score

QUICK = ["--set", "bootstrap=50", "--set", "criterion=gcv", "--set", "unique=no"]


def run(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A user's own file: the embedded sentences with two made-up response columns."""
    from data.embedded import stimuli

    frame = stimuli().reset_index(drop=True)
    rng = np.random.default_rng(0)
    length = frame["text"].str.len().to_numpy()
    frame["left"], frame["right"] = (
        length + rng.normal(0, 10, len(frame)),
        rng.normal(size=len(frame)),
    )
    path = tmp_path_factory.mktemp("own") / "mine.csv"
    frame.to_csv(path, index=False)
    return path


def test_scores_of_two_models_on_an_own_table_are_printed_and_written(table, tmp_path):
    out = tmp_path / "scores.csv"
    done = run(
        "score",
        "zoo-causal-200k",
        "zoo-causal-400k",
        "--on",
        table,
        "--text",
        "text",
        "--response",
        "left,right",
        "--group",
        "topic",
        "--context",
        "passage",
        "--layers",
        "0,1",
        *QUICK,
        "--out",
        out,
    )
    assert done.exit_code == 0, done.output
    written = pd.read_csv(out)
    assert list(written.columns[:2]) == ["model", "layer"] and {"r", "r_shuffled", "note"} <= set(
        written.columns
    )
    assert written.groupby("model").size().to_dict() == {"zoo-causal-200k": 2, "zoo-causal-400k": 2}
    assert "Leak meter" in done.output and "Position and length alone" in done.output
    assert [p.name for p in tmp_path.iterdir()] == ["scores.csv"]


@pytest.mark.parametrize(
    "arguments, says",
    [
        (["score", "zoo-causal-20k", "--on", "simulated"], "did you mean 'zoo-causal-200k'"),
        (["score", "random-8", "--on", "simulate"], "did you mean 'simulated'"),
        (
            ["score", "random-8", "--on", "simulated", "--protocol", "defend"],
            "did you mean 'defended'",
        ),
        (["score", "random-8", "--on", "simulated", "--set", "fold=3"], "did you mean 'folds'"),
        (["score", "random-8", "--on", "simulated", "--set", "folds"], "has no value"),
        (["score", "random-8", "--on", "simulated", "--layers", "7"], "Unknown layer"),
        (["score", "random-8", "--on", "nowhere.csv"], "nowhere.csv"),
        (["score", "random-8", "--on", "simulated", "--out", "x.docx"], ".csv, .parquet"),
        (
            ["score", "random-8", "--on", "simulated", "--out", "/no/such/folder/x.csv"],
            "there is no folder",
        ),
        (["models", "fetch", "gtp2"], "did you mean 'gpt2'"),
        (["models", "starter", "smolm2-135m"], "smollm2-135m"),
        (["data", "fetch", "pereira"], "pereira2018"),
    ],
)
def test_mistakes_are_one_readable_message(arguments, says):
    done = run(*arguments)
    assert done.exit_code == 1, done.output
    assert (
        done.output.startswith("Error: ") and says in done.output and "Traceback" not in done.output
    )


@pytest.mark.parametrize(
    "change, says",
    [
        (lambda f: f.drop(columns="text"), "text"),
        (lambda f: f.assign(text=["" if i == 7 else t for i, t in enumerate(f["text"])]), "line 9"),
        (lambda f: f.assign(left=np.nan), "left"),
        (lambda f: f.assign(topic="all"), "two or more"),
    ],
)
def test_a_broken_table_is_refused_in_words_and_leaves_no_file(table, tmp_path, change, says):
    path, out = tmp_path / "broken.csv", tmp_path / "scores.csv"
    change(pd.read_csv(table)).to_csv(path, index=False)
    columns = ["--response", "left", "--group", "topic"]
    done = run("score", "random-8", "--on", path, *columns, *QUICK, "--out", out)
    assert done.exit_code == 1 and says in done.output, done.output
    assert not out.exists() and len(list(tmp_path.iterdir())) == 1


def test_checking_says_what_is_wrong_and_fails(tmp_path):
    done = run("data", "check", tmp_path / "nowhere.csv")
    assert done.exit_code == 1 and "nowhere.csv" in done.output and "Traceback" not in done.output


def test_a_checked_table_tells_its_groups(table):
    done = run(
        "data", "check", table, "--text", "text", "--response", "left,right", "--group", "topic"
    )
    assert done.exit_code == 0, done.output
    assert "288" in done.output and "24" in done.output


def test_surprisal_is_followed_through_stories_only(table):
    done = run("data", "check", table, "--text", "text", "--surprisal", "zoo-causal-200k")
    assert done.exit_code == 1 and "followed through a story in the scanner" in done.output


def test_an_option_that_comes_twice_loses_nothing_in_silence(table):
    said = "data", "check", table, "--text", "text", "--group", "topic", "--response", "left"
    both = run(*said, "--response", "right")
    assert both.exit_code == 0 and "responses = left, right" in both.output
    twice = run(*said, "--kind", "fmri", "--kind", "eeg")
    assert twice.exit_code == 1 and "--kind is given 2 times: 'fmri', 'eeg'" in twice.output


def test_lists_show_what_is_here():
    models, recordings = run("models", "list"), run("data", "list")
    assert models.exit_code == recordings.exit_code == 0
    assert "zoo-causal-200k" in models.output and "gpt2" in models.output
    assert "simulated" in recordings.output and "pereira2018" in recordings.output
    row = next(line for line in recordings.output.splitlines() if "pereira2018-language" in line)
    assert "about 68.0 MB" in row and "size" in recordings.output


@pytest.fixture
def staged(clean_home, tmp_path, monkeypatch):
    """A mirror with one small file that two recordings of the catalogue share."""
    from data.catalog import catalog
    from data.catalog.fetch import RemoteFile

    monkeypatch.delenv("BRAINLENS_MIRROR", raising=False)
    monkeypatch.setattr(catalog, "_EXTRA", {})
    (tmp_path / "mirror" / "ours").mkdir(parents=True)
    (tmp_path / "mirror" / "ours" / "words.csv").write_text("a,b\n1,2\n")
    for name in ("ours-spr", "ours-eye"):
        one = replace(
            catalog.entry("ucl-spr"),
            id=name,
            aliases=(),
            files=(RemoteFile("ours", "words.csv", size=8),),
        )
        catalog.register(one)
    return tmp_path / "mirror"


def test_size_and_licence_are_said_before_the_transfer(staged, monkeypatch):
    def fetch(name, **_):
        raise AssertionError("the transfer")

    with monkeypatch.context() as patched:
        patched.setattr("dashboards.command.cli.fetch_recording", fetch)
        done = run("data", "fetch", "ours-spr", "--mirror", staged)
    assert str(done.exception) == "the transfer"
    assert done.stderr == "ours-spr: 8 bytes, not stated; ask the authors before passing it on\n"
    done = run("data", "fetch", "ours-spr", "--mirror", staged.as_uri())
    assert done.exit_code == 0 and done.stdout.strip().endswith("words.csv")
    done = run("data", "fetch", "ours-spr", "--mirror", "ftp://far.example")
    assert (
        done.exit_code == 1
        and "The mirror 'ftp://far.example' is neither a folder nor" in done.output
    )


def test_size_and_licence_of_a_model_are_said_before_the_transfer(
    clean_home, monkeypatch, tmp_path
):
    from analysis.models.files import hub

    def fetch(name, **_):
        raise BrainLensError("the transfer")

    monkeypatch.setattr(hub, "cached", lambda *_: None)
    monkeypatch.setattr(
        hub,
        "offer",
        lambda *_: hub.Offer({"model.safetensors": 5_000_000, "config.json": 500}, "mit"),
    )
    monkeypatch.setattr("dashboards.command.cli.fetch", fetch)
    done = run("models", "fetch", "some/model")
    assert done.stderr.splitlines() == [
        "some/model: 5.0 MB in 2 files, mit",
        "Error: the transfer.",
    ]


def test_a_removal_names_the_recordings_that_share_the_files(staged, clean_home):
    assert run("data", "fetch", "ours-spr", "--mirror", staged).exit_code == 0
    done = run("data", "remove", "ours-spr", "--yes")
    assert (
        done.exit_code == 1
        and "ours-spr shares its files with ours-eye" in done.output
        and "--also" in done.output
    )
    done = run("data", "remove", "ours-spr", "--also", "--yes")
    assert done.exit_code == 0 and "freed" in done.output
    assert "not in your own data folder" in run("data", "remove", "ours-spr", "--yes").output


def test_a_home_that_is_a_file_is_one_readable_message(clean_home):
    clean_home.write_text("a file")
    done = run("data", "list")
    assert (
        done.exit_code == 1
        and done.output.startswith("Error: The folder")
        and "Set BRAINLENS_HOME" in done.output
    )


def test_the_app_does_not_start_on_a_home_or_a_mirror_that_is_none(clean_home, monkeypatch):
    monkeypatch.setattr("os.execv", lambda *_: pytest.fail("it started"))
    monkeypatch.setenv("BRAINLENS_MIRROR", "ftp://far.example")
    assert "The mirror 'ftp://far.example' is neither" in run("app").output
    monkeypatch.delenv("BRAINLENS_MIRROR")
    clean_home.rmdir()
    clean_home.write_text("a file")
    assert run("app").output.startswith("Error: The folder")


def test_the_app_knows_where_it_is_served(clean_home, monkeypatch):
    started = []
    monkeypatch.setattr(
        "os.execv",
        lambda program, command: started.append((command, os.environ["BRAINLENS_ADDRESS"])),
    )
    monkeypatch.setenv("BRAINLENS_ADDRESS", "")
    refused = run("app", "--address", "0.0.0.0", "--port", "1234")
    assert not started and refused.exit_code == 1 and "brainlens serve" in refused.output
    assert "without logging in" in refused.output
    run("app", "--address", "0.0.0.0", "--port", "1234", "--open")
    ((command, address),) = started
    place = command.index("--port")
    assert address == "0.0.0.0"
    assert command[place : place + 4] == ["--port", "1234", "--address", "0.0.0.0"]


def test_a_port_that_browsers_refuse_is_said_before_it_is_served(clean_home, monkeypatch):
    served = []
    monkeypatch.setattr("os.execv", lambda program, command: served.append(command))
    for port in (5061, 6000, 6667, 10080):
        said = run("app", "--port", str(port))
        assert said.exit_code == 0 and f"No browser opens a page on port {port}" in said.output
        assert said.output.index("No browser") < said.output.index("BrainLens at")
    assert "No browser" not in run("app", "--port", "5006").output
    assert len(served) == 5
    for port in ("0", "65536", "-1"):
        said = run("app", "--port", port)
        assert said.exit_code == 2 and "1<=x<=65535" in said.output
    assert len(served) == 5


def test_the_cache_can_be_listed_and_cleared(clean_home):
    assert (
        run("score", "random-8", "--on", "simulated", "--set", "controls=", *QUICK).exit_code == 0
    )
    assert "random-8" in run("cache", "list").output
    assert run("cache", "clear", "--yes").exit_code == 0
    assert "random-8" not in run("cache", "list").output


def test_help_needs_nothing_heavy():
    code = (
        "import sys; from click.testing import CliRunner; from dashboards.command.cli import main\n"
        "assert CliRunner().invoke(main, ['--help']).exit_code == 0\n"
        "assert not {'torch', 'panel', 'transformers', 'sklearn', 'bokeh'} & set(sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_two_versions_side_by_side_in_a_table_in_words_and_in_a_file(tmp_path):
    one, pairs = recording("simulated-reading"), []
    texts = one.column(one.context)
    mean = np.nanmean(one.responses.values, axis=1)
    for name, step in (("late", 0), ("early", 1)):
        frame = pd.DataFrame({"word": one.texts, "story": texts, "rt": mean})
        frame["rt"] = frame.groupby("story")["rt"].shift(-step)
        pairs.append(tmp_path / f"{name}.csv")
        frame.to_csv(pairs[-1], index=False)
    out = tmp_path / "diff.csv"
    done = run("data", "diff", pairs[1], pairs[0], "--surprisal", "zoo-causal-200k", "--out", out)
    assert done.exit_code == 0, done.output
    assert (
        "early: " in done.output
        and "late: " in done.output
        and "delta log-likelihood" in done.output
    )
    assert "next, unseen word" in done.output.replace("\n", " ") and "direction" not in done.output
    written = pd.read_csv(out)
    assert list(written.columns[-3:]) == ["early", "late", "difference"] and len(written) > 18
    wrong = run("data", "diff", pairs[1], pairs[0])
    assert wrong.exit_code == 1 and "belong to Natural Stories" in wrong.output


def test_a_filter_by_its_name_and_ready_activations_as_a_model(tmp_path):
    one = recording("simulated-reading")
    ids = np.array([str(i) for i in one.stimuli.index])
    np.savez(
        tmp_path / "mine.npz",
        stimulus=ids,
        layer_0=np.random.default_rng(0).standard_normal((len(ids), 3)),
    )
    quick = [*QUICK, "--set", "controls=", "--set", "shuffled_twin=no"]
    done = run(
        "score", tmp_path / "mine.npz", "--on", "simulated-reading", "--filter", "no-edges", *quick
    )
    assert done.exit_code == 0, done.output
    assert "mine on simulated-reading" in done.output and "filter no-edges: left out" in done.output
    assert "more without a measurement" in done.output
    wrong = run("score", "random-8", "--on", "simulated-reading", "--filter", "offical", *quick)
    assert wrong.exit_code == 1 and "did you mean 'official'" in wrong.output
    assert (
        run("score", "random-8", "--on", "simulated", "--filter", "official", *quick).output.count(
            "Leave the filter out"
        )
        == 1
    )


def test_results_leave_and_come_in(clean_home, tmp_path):
    (tmp_path / "theirs.csv").write_text(
        "model,recording,r\ngpt2,simulated,0.31\nglove,simulated,0.12\n"
    )
    done = run("results", "import", tmp_path / "theirs.csv")
    assert done.exit_code == 0 and "2 results of theirs.csv" in done.output
    done = run("results", "export", tmp_path / "all.csv")
    assert done.exit_code == 0 and "Wrote 2 results" in done.output
    assert pd.read_csv(tmp_path / "all.csv")["r"].tolist() == [0.31, 0.12]
    (tmp_path / "poor.csv").write_text("model,score\ngpt2,1\n")
    done = run("results", "import", tmp_path / "poor.csv")
    assert done.exit_code == 1 and "has no column recording, r" in done.output
    done = run("results", "export", tmp_path / "all.xlsx")
    assert done.exit_code == 1 and ".parquet" in done.output


def test_a_licence_that_asks_something_is_asked_before_the_transfer(staged):
    from data.catalog import catalog

    catalog.register(replace(catalog.entry("ours-spr"), licence="CC BY-NC 4.0"))
    done = run("data", "fetch", "ours-spr", "--mirror", staged)  # nobody is there to ask
    assert done.exit_code == 1 and "no commercial use; it was not accepted yet" in done.output
    assert "--accept-licence" in done.output
    done = run("data", "fetch", "ours-spr", "--mirror", staged, "--accept-licence")
    assert done.exit_code == 0 and done.stdout.strip().endswith("words.csv")
    assert run("data", "remove", "ours-spr", "--yes", "--also").exit_code == 0
    assert run("data", "fetch", "ours-spr", "--mirror", staged).exit_code == 0  # it was kept


@pytest.mark.parametrize(
    "command",
    [
        ("score", "--on", "simulated"),
        ("time", "--on", "simulated-story"),
        ("regions", "--on", "simulated-story"),
        ("perturb", "--on", "simulated"),
        ("alike", "--on", "simulated"),
        ("decode", "--on", "simulated"),
        ("reading", "--on", "simulated-reading"),
        ("similarity", "--on", "simulated"),
        ("trust", "--on", "simulated"),
    ],
    ids=lambda command: command[0],
)
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("skip-thoughts", "skip-thoughts cannot be run here"),
        ("bert-base-uncaste", "bert-base-uncased"),
    ],
)
def test_a_model_that_cannot_be_run_is_told_before_the_first_is(
    command, name, words, monkeypatch, tmp_path
):
    def never(*_, **__):
        raise AssertionError("a model was run")

    monkeypatch.setenv("BRAINLENS_HOME", str(tmp_path))
    monkeypatch.setattr("analysis.models.transformer.TransformerModel.read", never)
    first, *options = command
    result = CliRunner().invoke(main, [first, "zoo-causal-200k", name, *options])
    assert result.exit_code != 0 and re.search(words, result.output), result.output


def test_a_story_is_sent_to_trust_for_oasm_and_told_its_price():
    """There every sample has a column, and the runs are the blocks."""
    assert "not run, see 'brainlens trust'" in _doubts(build_score())
    asked = Asked(("random-8",), "simulated-story", preset("story"))
    assert _oasm_seconds(asked, recording("simulated-story")) > 0
