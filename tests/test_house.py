"""The house itself: floors, packages, locked requirements, and a user's own files of the same names."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
FLOORS = ("data", "analysis", "dashboards", "app")
SCREEN = {"panel", "panel_material_ui", "holoviews", "bokeh", "hvplot", "matplotlib"}
HEAVY = {"torch", "transformers", "sklearn", "hvplot", "distributed"}


def modules(floor: str) -> list[Path]:
    return [ROOT / "app.py"] if floor == "app" else sorted((ROOT / floor).rglob("*.py"))


def imports(path: Path):
    """(top-level package, line, whether it runs when the module is imported) of every import."""
    tree = ast.parse(path.read_text())
    functions = [
        node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    inside = {id(node) for function in functions for node in ast.walk(function)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            names = [node.module] if isinstance(node, ast.ImportFrom) else []
        for name in names:
            yield name.split(".")[0], node.lineno, id(node) not in inside


@pytest.mark.parametrize("floor", FLOORS)
def test_no_floor_knows_what_is_above_it(floor):
    above = set(FLOORS[FLOORS.index(floor) + 1 :]) | (
        SCREEN if floor in {"data", "analysis"} else set()
    )
    above |= {"torch", "transformers"} if floor == "data" else set()
    wrong = [
        f"{path}:{line} imports {name}"
        for path in modules(floor)
        for name, line, _ in imports(path)
        if name in above
    ]
    assert not wrong, "\n".join(wrong)


def test_the_page_imports_nothing_heavy():
    wrong = [
        f"{path}:{line} imports {name}"
        for floor in ("dashboards", "app")
        for path in modules(floor)
        for name, line, at_once in imports(path)
        if at_once and name in HEAVY
    ]
    assert not wrong, "\n".join(wrong)


def test_no_relative_imports_and_no_module_above_800_lines():
    for floor in FLOORS:
        for path in modules(floor):
            tree = ast.parse(path.read_text())
            assert not [
                n.lineno for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.level
            ], path
            assert len(path.read_text().splitlines()) <= 800, path


def declared() -> dict[str, Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    return {canonical(r.name): r for lines in groups for r in map(Requirement, lines)}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def locked() -> dict[str, str]:
    lines = [
        line
        for line in (ROOT / "requirements.txt").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    return {canonical(name): version for name, version in (line.split("==") for line in lines)}


def test_lock_file_satisfies_every_declared_range():
    pins = locked()
    for name, requirement in declared().items():
        assert name in pins, f"{name} is declared but not locked; run 'make lock'"
        assert requirement.specifier.contains(pins[name], prereleases=True), (
            f"{name}=={pins[name]} is outside {requirement}"
        )
    assert pins["torch"] == "2.13.0"


def test_lock_file_names_packages_only():
    text = (ROOT / "requirements.txt").read_text()
    assert not re.search(r"--|://|\+cpu|sha256|@", text)


def test_conda_environment_installs_the_same():
    lines = re.findall(r'^      - "(.+)"$', (ROOT / "environment.yml").read_text(), re.M)
    assert {str(Requirement(line)) for line in lines} == {str(r) for r in declared().values()}


def run_in(folder: Path, code: str) -> subprocess.CompletedProcess:
    """Run code as a user would in a folder of theirs, with the project installed but not on PYTHONPATH."""
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=env, capture_output=True, text=True
    )


def test_an_empty_data_folder_of_the_user_hides_nothing(tmp_path):
    (tmp_path / "data").mkdir()
    done = run_in(tmp_path, "import data.errors, dashboards; print(data.__file__)")
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()) == ROOT / "data" / "__init__.py"


@pytest.mark.parametrize("name", ["data.py", "analysis.py", "analysis/__init__.py"])
def test_a_file_of_the_user_in_the_way_is_named(tmp_path, name):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("")
    done = run_in(tmp_path, "import dashboards")
    assert done.returncode != 0
    last = done.stderr.strip().splitlines()[-1]
    assert str(tmp_path / name) in last and "Rename that file" in last
