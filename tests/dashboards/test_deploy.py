"""The files for a server say what the program has."""

from __future__ import annotations

import ast
import re
import shlex
import tomllib
from pathlib import Path

import pytest

from dashboards.command.cli import main
from dashboards.serve.rules import Rules

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "docs" / "deploy"


def options_of(command: str) -> set[str]:
    return {name for option in main.commands[command].params for name in option.opts}


def commands() -> list[list[str]]:
    """Every ``brainlens serve`` that a file or the docs run."""
    found = []
    for path in (DEPLOY / "brainlens.service", ROOT / "docs" / "server.md"):
        found += [
            shlex.split(line.split("#")[0])
            for line in path.read_text().splitlines()
            if "brainlens serve " in line
        ]
    config = ast.parse((DEPLOY / "jupyterhub_config.py").read_text())
    lists = [
        n
        for n in ast.walk(config)
        if isinstance(n, ast.List) and n.elts and getattr(n.elts[0], "value", "") == "brainlens"
    ]
    found += [
        [
            getattr(one, "value", "x") if isinstance(one, ast.Constant) else "x"
            for one in lists[0].elts
        ]
    ]
    entry = re.search(r"CMD (\[.*serve.*\])", (DEPLOY / "Containerfile").read_text())
    return [*found, ast.literal_eval(entry[1])]


def test_the_commands_are_ours():
    found = commands()
    assert len(found) >= 4
    for words in found:
        named = [word for word in words[words.index("serve") + 1 :] if word.startswith("--")]
        assert "--login" in named and set(named) <= options_of("serve"), words


def test_the_servers_file_of_the_docs_is_read(tmp_path):
    text = re.search(r"```toml\n(.*?)```", (ROOT / "docs" / "server.md").read_text(), re.S)[1]
    (tmp_path / "server.toml").write_text(text)
    rules = Rules.read(tmp_path / "server.toml")
    assert rules.administrators == ("ada",) and rules.header == "X-Forwarded-User"
    from dashboards.serve.rules import _TABLES

    told = tomllib.loads(text)
    assert {table: set(inside) for table, inside in told.items()} == {
        table: set(inside) for table, inside in _TABLES.items()
    }


def test_what_is_copied_into_a_container_is_there():
    text = (DEPLOY / "Containerfile").read_text()
    copied = [name for line in re.findall(r"^COPY (.*)$", text, re.M) for name in line.split()[:-1]]
    copied += re.search(r"%files\n\s+(.*)", (DEPLOY / "brainlens.def").read_text())[1].split()[:-1]
    assert len(copied) > 10 and all((ROOT / name).exists() for name in copied)
    assert (
        "USER brainlens" in text
        and ":latest" not in text
        and "apt-get install --no-install-recommends" in text
    )
    assert text.index("USER brainlens") < text.index("ENTRYPOINT")


@pytest.mark.parametrize("name", ["nginx.conf", "apache.conf", "Caddyfile"])
def test_proxies_reach_the_port_and_keep_metrics_inside(name):
    text = (DEPLOY / name).read_text()
    assert "127.0.0.1:5006" in text and "/metrics" in text and text.count("{") == text.count("}")


def test_the_unit_confines_the_service():
    text = (DEPLOY / "brainlens.service").read_text()
    for line in (
        "NoNewPrivileges=true",
        "ProtectSystem=strict",
        "ReadWritePaths=/srv/brainlens/home",
        "User=brainlens",
        "MemoryMax=",
    ):
        assert line in text
