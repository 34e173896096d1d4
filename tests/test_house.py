"""The house itself: floors, packages, locked requirements, and a user's own files of the same names."""

from __future__ import annotations

import ast
import importlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
FLOORS = ("data", "analysis", "dashboards", "app")
HEAVY = {"torch", "transformers", "sklearn", "hvplot", "distributed"}


def modules(floor: str) -> list[Path]:
    return [ROOT / "app.py"] if floor == "app" else sorted((ROOT / floor).rglob("*.py"))


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(path: Path):
    """(top-level package, line, whether it runs when the module is imported) of every import."""
    tree = tree_of(path)
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


def test_floors_and_rooms_stand_as_drawn():
    """The contracts of pyproject.toml: floors, rooms, no import circle, no screen below dashboards."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from importlinter.cli import lint_imports_command as run; run()",
            "--no-cache",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "200", "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
    )
    assert done.returncode == 0, done.stdout[done.stdout.find("Broken contracts") :] + done.stderr


def test_nobody_imports_the_page_of_the_app():
    wrong = [
        f"{path}:{line}"
        for floor in FLOORS[:-1]
        for path in modules(floor)
        for name, line, _ in imports(path)
        if name == "app"
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


LOADED_LATE = {"torch", "transformers", "sklearn", "scipy", "panel", "panel_material_ui", "bokeh", "matplotlib"}  # fmt: skip
"""What makes an import of ours stand in a function: it would come with it, where it is not there yet."""


@cache
def file_of(name: str) -> Path | None:
    """The file of a module of ours; None for what is none."""
    if name.split(".")[0] not in (*FLOORS, "tools"):
        return None
    path = ROOT.joinpath(*name.split("."))
    return next(
        (one for one in (path / "__init__.py", path.with_suffix(".py")) if one.is_file()), None
    )


def imported(node: ast.Import | ast.ImportFrom) -> set[str]:
    """Modules that a statement loads, the packages they are in among them."""
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    else:
        names = [f"{node.module}.{alias.name}" for alias in node.names]
    parts = [name.split(".") for name in names]
    return {".".join(some[:n]) for some in parts for n in range(1, len(some) + 1)}


@cache
def import_statements(path: Path) -> tuple[list, list]:
    """Those that run when the module is loaded, and those inside of functions."""
    at_once, later = [], []
    waiting = [(node, at_once) for node in tree_of(path).body]
    while waiting:
        node, kind = waiting.pop()
        if isinstance(node, ast.Import | ast.ImportFrom):
            kind.append(node)
        elif isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
            continue
        inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        waiting += [
            (child, later if inside else kind)
            for child in ast.iter_child_nodes(node)
            if isinstance(child, ast.stmt | ast.excepthandler | ast.match_case)
        ]
    return at_once, later


@cache
def heavy_of(path: Path) -> set[str]:
    """The heavy libraries that are there once a module of ours is."""
    seen, waiting, heavy = set(), [path], set()
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        for node in import_statements(path)[0]:
            names = imported(node)
            heavy |= names & LOADED_LATE
            waiting += [file for name in names if (file := file_of(name)) is not None]
    return heavy


def test_own_modules_are_imported_at_the_top():
    """Inside a function only where a heavy library follows that is not there yet; each fault is a process of its own."""
    wrong = []
    for path in [path for floor in (*FLOORS, "tools") for path in modules(floor)]:
        for node in import_statements(path)[1] if not path.name.startswith("faults") else ():
            files = [file for name in imported(node) if (file := file_of(name)) is not None]
            if files and not set().union(*map(heavy_of, files)) - heavy_of(path):
                wrong.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert not wrong, "\n".join(wrong)


def test_no_relative_imports_and_no_module_above_800_lines():
    for floor in FLOORS:
        for path in modules(floor):
            tree = tree_of(path)
            assert not [
                n.lineno for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.level
            ], path
            assert len(path.read_text().splitlines()) <= 800, path


DOTTED = re.compile(r"\b(?:data|analysis|dashboards|tools)(?:\.[A-Za-z_]\w*)+(?::\w+)?")
NO_MODULE = {"csv", "md", "tsv", "json", "parquet", "npz", "npy", "frame", "scored_unit"}
"""What follows ``data`` in the name of a file, of an R function, or of a recording that exported code calls data."""


def strings(path: Path) -> str:
    """What a file says: all of a document, the strings of a module."""
    if path.suffix != ".py":
        text = path.read_text(encoding="utf-8")
        return re.sub(r"```diff.*?```", "", text, flags=re.S)  # what a reader may add
    return "\n".join(
        n.value
        for n in ast.walk(tree_of(path))
        if isinstance(n, ast.Constant) and isinstance(n.value, str)
    )


def defined(body: list[ast.stmt]) -> dict[str, ast.stmt]:
    """Names that a module or a class defines, each with its statement."""
    found = {}
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found[node.name] = node
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {alias.asname or alias.name: node for alias in node.names}
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {
                t.id: node
                for target in targets
                for t in ast.walk(target)
                if isinstance(t, ast.Name)
            }
        elif isinstance(node, ast.If | ast.Try | ast.With):
            found |= defined(node.body)
    return found


@cache
def definitions(path: Path) -> dict[str, ast.stmt]:
    return defined(tree_of(path).body)


@cache
def resolves(name: str) -> bool:
    """Whether ``package.module.attribute`` or ``module:attribute`` is there, told from the text of the modules."""
    parts = name.replace(":", ".").split(".")
    where, rest = ROOT, parts
    while rest and (where / rest[0]).is_dir():
        where, rest = where / rest[0], rest[1:]
    if rest and (where / f"{rest[0]}.py").is_file():
        where, rest = where / f"{rest[0]}.py", rest[1:]
    else:
        where = where / "__init__.py"
    if not rest:
        return True
    names = definitions(where) if where.is_file() else {}
    thing = names.get(rest[0])
    if thing is None and (table := lazy(where)):
        return rest[0] in table and resolves(f"{table[rest[0]]}.{'.'.join(rest)}")
    if thing is None or len(rest) == 1 or not isinstance(thing, ast.ClassDef):
        return thing is not None
    return bool(thing.bases) or rest[1] in defined(thing.body)


def test_every_dotted_name_resolves():
    """Of docs, README, docstrings, meanings and registries: a moved module leaves no dead name behind."""
    texts = [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "notebooks").glob("*.ipynb"),
    ]
    texts += [path for floor in (*FLOORS, "tools") for path in modules(floor)]
    wrong = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in texts
        if path.name != "CHANGELOG.md"
        for name in sorted(set(DOTTED.findall(strings(path))))
        if not NO_MODULE & set(name.split(".")[1:]) and not resolves(name)
    ]
    assert not wrong, "\n".join(wrong)


def lazy(path: Path) -> dict[str, str]:
    """Name -> module of the public names that a package loads when they are asked for."""
    table = definitions(path).get("_NAMES") if path.is_file() else None
    if not isinstance(table, ast.Assign):
        return {}
    if isinstance(table.value, ast.Dict):
        return ast.literal_eval(table.value)
    package = importlib.import_module(".".join(path.relative_to(ROOT).parent.parts))
    return package._NAMES


def test_every_public_name_of_a_package_is_there():
    for floor in FLOORS[:-1]:
        for path in modules(floor):
            for name, module in lazy(path).items():
                assert resolves(f"{module}.{name}"), f"{path}: {name} is not in {module}"


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
    """The project that is installed is found, wherever it lies: this checkout, or another one of which this is a worktree."""
    (tmp_path / "with" / "data").mkdir(parents=True)
    (tmp_path / "without").mkdir()
    code, found = "import data.errors, dashboards; print(data.__file__)", []
    for folder in ("without", "with"):
        done = run_in(tmp_path / folder, code)
        assert done.returncode == 0, done.stderr
        found.append(Path(done.stdout.strip()))
    assert found[0] == found[1] and found[0].parts[-2:] == ("data", "__init__.py")
    assert tmp_path not in found[1].parents


@pytest.mark.parametrize(
    "name", ["data.py", "data/__init__.py", "analysis.py", "analysis/__init__.py"]
)
def test_a_file_of_the_user_in_the_way_is_named(tmp_path, name):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("")
    done = run_in(tmp_path, "import dashboards")
    assert done.returncode != 0
    last = done.stderr.strip().splitlines()[-1]
    assert str(tmp_path / name) in last and "Rename that file" in last


@pytest.mark.deep
def test_types_of_data_and_analysis_are_clean():
    """``make types`` finds no error."""
    if shutil.which("node") is None:
        pytest.skip("pyright needs node, and no test fetches it")
    done = subprocess.run(
        [sys.executable, "-m", "pyright"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-3000:]


def test_every_table_that_leaves_is_guarded():
    """A text that a spreadsheet would run as a formula has an apostrophe before it (:func:`data.files.guarded`)."""
    bare = []
    for floor in ("analysis", "dashboards"):
        for path in modules(floor):
            source = path.read_text()
            for node in ast.walk(tree_of(path)):
                if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "to_csv":
                    said = ast.get_source_segment(source, node.func.value) or ""
                    if "guarded(" not in said:
                        bare.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert bare == [], "guard it, or print numbers only"
