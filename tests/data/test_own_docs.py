"""The examples of docs/own-data.md are what they look like: copied into a folder, they run."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

PAGE = Path(__file__).parents[2] / "docs" / "own-data.md"
BLOCKS = re.findall(
    r"^```(\w+)\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
)
TIMES = "corpus,text_idx,word_idx,word,rt\n" + "".join(
    f"{corpus},{text},{word},word{word},{300 + 7.5 * word + text}\n"
    for corpus in ("first", "second")
    for text in range(5)
    for word in range(10)
)


def blocks(language: str) -> list[str]:
    return [body for kind, body in BLOCKS if kind == language]


@pytest.fixture
def folder(tmp_path, monkeypatch, clean_home):
    monkeypatch.chdir(tmp_path)
    Path("mine.csv").write_text(blocks("csv")[0])
    Path("people.csv").write_text(blocks("csv")[1])
    Path("times.csv").write_text(TIMES)
    return tmp_path


def test_the_python_examples_run(folder, capsys):
    from data import read
    from data.own.sidecar import sidecar

    for body in blocks("python"):
        exec(compile(body, "own-data.md", "exec"), {})
    assert (
        "understood as: text = sentence (guessed); responses = left_ifg, left_temporal"
        in capsys.readouterr().out
    )
    assert read("scan.nc").n_targets == 100 and sidecar("mine.csv")["quality"] == "pilot"
    assert read("people.csv").subjects.tolist() == ["s1", "s2"]


def test_the_sidecar_is_one(folder):
    from data import read

    (folder / "mine.csv.brainlens.json").write_text(blocks("json")[0])
    recording = read("mine.csv")
    assert recording.averaged and recording.unit == json.loads(blocks("json")[0])["unit"]


def test_the_checks_run(folder):
    from dashboards.command.cli import main

    lines = [
        line
        for body in blocks("sh")
        for line in body.splitlines()
        if line.startswith("brainlens data check")
    ]
    assert len(lines) == 2
    for line in lines:
        result = CliRunner().invoke(main, line.split()[1:])
        assert result.exit_code == 0, result.output
