"""The documentation says everything there is, its examples run, and it builds without a warning."""

from __future__ import annotations

import dataclasses
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from analysis.features.controls import CONTROLS
from analysis.models.classes import CLASSES
from analysis.protocol import CHOICES, Protocol
from analysis.scoring.metrics import METRICS
from dashboards import LENSES
from dashboards.command.cli import main
from dashboards.state import Selection
from tools.reference import commands, described, pages

ROOT = Path(__file__).parent.parent
DOCS = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs" / "tutorials").glob("*.md")),
]
COMMANDS = [
    (" ".join(path), one)
    for path, one in commands(main, ("brainlens",))
    if not isinstance(one, click.Group)
]


# ---- everything is said ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", [one.name for one in dataclasses.fields(Protocol)])
def test_a_protocol_field_is_documented(name):
    words = described(Protocol)[name]
    assert len(words) > 10
    missing = [value for value in CHOICES.get(name, ()) if str(value) not in words]
    assert not missing, f"{name}: {missing} not in {words!r}"


@pytest.mark.parametrize("name,command", COMMANDS, ids=[name for name, _ in COMMANDS])
def test_a_command_and_its_options_are_documented(name, command):
    assert command.help and len(command.help) > 15
    silent = [one.opts for one in command.params if isinstance(one, click.Option) and not one.help]
    assert not silent, f"{name}: {silent}"


@pytest.mark.parametrize("slug", LENSES.own)
def test_a_lens_and_the_fields_it_follows_are_documented(slug):
    lens = LENSES[slug]
    assert lens.__doc__ and lens.question
    assert not [field for field in getattr(lens, "watches", ()) if not Selection.param[field].doc]


@pytest.mark.parametrize("registry", [CLASSES, METRICS, CONTROLS], ids=lambda one: one.group)
def test_what_has_a_name_is_documented(registry):
    assert not [name for name in registry.own if not registry[name].__doc__]


def test_the_reference_has_a_row_for_each():
    made = pages()
    for one in dataclasses.fields(Protocol):
        assert f"| `{one.name}` |" in made["protocol.md"]
    for name, _ in COMMANDS:
        assert f"## `{name}`" in made["command.md"]
    for slug in LENSES.own:
        assert f"| `{slug}` |" in made["lenses.md"]
    for module in ("data.recording", "analysis.scoring.verb", "dashboards.lens.lens"):
        assert f"::: {module}\n" in made[f"{module.split('.')[0]}.md"]


# ---- examples run ---------------------------------------------------------------------------------------------------------
def blocks(path: Path, language: str) -> list[str]:
    """Fenced examples of a page; one under ``<!-- not run: why -->`` is left out."""
    text = path.read_text(encoding="utf-8")
    text = re.sub(r"<!-- not run:[^>]*-->\n```.*?```", "", text, flags=re.S)
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.S)


def files(path: Path) -> dict[str, str]:
    """What a page tells of a file before its examples use it: a block under ``<!-- file: name -->``."""
    found = re.findall(r"<!-- file: (\S+) -->\n```\w+\n(.*?)```", path.read_text(encoding="utf-8"), flags=re.S)  # fmt: skip
    return dict(found)


WITH_PYTHON = [path for path in DOCS if blocks(path, "python")]
WITH_SHELL = [path for path in DOCS if "brainlens" in " ".join(blocks(path, "sh"))]


@pytest.mark.deep  # whole scores under the default protocol: minutes a page
@pytest.mark.parametrize("path", WITH_PYTHON, ids=lambda path: path.stem)
def test_the_python_examples_of_a_page_run(path, clean_home, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, content in files(path).items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    names: dict[str, object] = {"__name__": "example"}
    for number, block in enumerate(blocks(path, "python")):
        exec(compile(block, f"{path.name}, example {number + 1}", "exec"), names)
    assert len(names) > 1


@pytest.mark.parametrize("path", WITH_SHELL, ids=lambda path: path.stem)
def test_the_commands_of_a_page_exist_with_these_options(path):
    lines = "\n".join(blocks(path, "sh")).replace("\\\n", " ").splitlines()
    asked = [line.split("brainlens ", 1)[1] for line in lines if re.match(r"\s*brainlens ", line)]
    assert asked
    for line in asked:
        words = shlex.split(line, comments=True)
        context, command = click.Context(main), main
        while isinstance(command, click.Group):
            name, *words = words
            command = command.get_command(context, name)
            assert command is not None, f"brainlens {line}: no command {name!r}"
        if "..." in words:
            words = [word for word in words if word != "..."]
            known = {opt for one in command.params for opt in one.opts}
            assert not [word for word in words if word.startswith("--") and word not in known], line
        else:
            command.make_parser(context).parse_args(list(words))


# ---- the site -------------------------------------------------------------------------------------------------------------
@pytest.mark.slow
def test_the_site_builds_without_a_warning_and_asks_no_other_host(tmp_path):
    pytest.importorskip("material", reason="mkdocs-material is not installed; run 'make env'")
    for name in ("mkdocs.yml", "data", "analysis", "dashboards"):
        (tmp_path / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "docs", tmp_path / "docs", ignore=shutil.ignore_patterns("reference"))
    (tmp_path / "docs" / "reference").mkdir()
    for name, text in pages().items():
        if name in ("data.md", "analysis.md", "dashboards.md"):  # one room of each will do
            text = (
                "\n".join(line for line in text.splitlines() if not line.startswith(":::")) + "\n"
            )
            text += {
                "data.md": "\n::: data.recording\n",
                "analysis.md": "\n::: analysis.scoring.verb\n",
            }.get(name, "")
        (tmp_path / "docs" / "reference" / name).write_text(text)
    (tmp_path / "mkdocs.yml").unlink()
    shutil.copyfile(ROOT / "mkdocs.yml", tmp_path / "mkdocs.yml")
    command = [
        sys.executable,
        "-m",
        "mkdocs",
        "build",
        "--strict",
        "--site-dir",
        str(tmp_path / "site"),
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    for page in (tmp_path / "site").rglob("*.html"):
        loaded = re.findall(r'(?:<script|<img)[^>]*src="(https?://[^"]+)"|<link[^>]*rel="stylesheet"[^>]*href="(https?://[^"]+)"',
                            page.read_text())  # fmt: skip
        assert not loaded, (page.name, loaded[:3])
