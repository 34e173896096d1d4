"""Installed is as good as checked out: wheel and sdist are built, the wheel installed, and used from an empty folder."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import tarfile
import textwrap
import time
import urllib.request
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("data", "analysis", "dashboards")
MOST_BYTES = 30e6
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """A folder with wheel and sdist of what git tracks, built without a network."""
    if importlib.util.find_spec("hatchling") is None:
        reason = "hatchling is not installed; run 'make env'"
        pytest.fail(reason) if os.environ.get("CI", "").lower() == "true" else pytest.skip(reason)
    folder = tmp_path_factory.mktemp("built")
    source = folder / "source"
    for name in tracked():
        target = source / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, target)
    command = [
        sys.executable,
        "-m",
        "build",
        "--no-isolation",
        "--outdir",
        str(folder),
        str(source),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return folder


def tracked() -> list[str]:
    """Files of the checkout that git knows or would know."""
    command = ["git", "ls-files", "-co", "--exclude-standard"]
    lines = subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout.splitlines()
    return [line for line in lines if (ROOT / line).is_file()]


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory) -> Path:
    """The Python of a fresh environment with the wheel in it, on top of the packages that are installed here."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    site = next((folder / "lib").glob("python*/site-packages"))
    below = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    (site / "below.pth").write_text("\n".join(below) + "\n")
    (wheel,) = built.glob("*.whl")
    install(python, wheel)
    install(python, ROOT / "docs" / "examples" / "plugin", "--no-build-isolation")
    return python


def install(python: Path, what: Path, *options: str) -> None:
    command = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "--quiet",
        "--no-deps",
    ]
    done = subprocess.run(
        [*command, "--no-index", "--force-reinstall", *options, str(what)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.fixture(scope="module")
def surroundings(tmp_path_factory) -> dict[str, str]:
    """As on a machine of a user's: a home of its own, no checkout on the path."""
    named = {"PYTHONPATH", "BRAINLENS_MIRROR", "BRAINLENS_OWN_DATA"}
    kept = {key: value for key, value in os.environ.items() if key not in named}
    home = tmp_path_factory.mktemp("home")
    return {**kept, "BRAINLENS_HOME": str(home), "BRAINLENS_SHARED": "", "HF_HUB_OFFLINE": "1"}


@pytest.fixture
def run(installed, surroundings, tmp_path):
    """Run the installed Python or one of its scripts in an empty folder."""

    def runs(*arguments: str) -> subprocess.CompletedProcess:
        name, *rest = arguments
        command = [str(installed.parent / name), *rest]
        return subprocess.run(
            command, cwd=tmp_path, env=surroundings, capture_output=True, text=True
        )

    return runs


def test_the_wheel_holds_every_file_of_the_packages_and_nothing_else(built):
    (wheel,) = built.glob("*.whl")
    assert wheel.stat().st_size < MOST_BYTES
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    written = {f"dashboards/serve/docs/{name}.md" for name in ("method", "people", "trust")}
    assert held == written | {name for name in tracked() if name.split("/")[0] in PACKAGES}


def test_the_source_archive_holds_what_the_wheel_is_built_from(built):
    (archive,) = built.glob("*.tar.gz")
    assert archive.stat().st_size < MOST_BYTES
    with tarfile.open(archive) as opened:
        held = {name.partition("/")[2] for name in opened.getnames()}
    wanted = {"pyproject.toml", "README.md", "LICENSE", "requirements.txt", "app.py"}
    assert (
        wanted | {name for name in tracked() if name.split("/")[0] in (*PACKAGES, "tests")} <= held
    )


def test_it_is_the_installed_one_that_runs(run, installed):
    done = run("python", "-c", "import dashboards; print(dashboards.__file__)")
    assert Path(done.stdout.strip()).is_relative_to(installed.parent.parent), done.stderr


def test_the_app_answers(installed, surroundings, tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(installed.parent / "brainlens"), "app", "--port", str(port)]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=tmp_path, env=surroundings, stdout=log, stderr=log)
    try:
        page = ""
        while process.poll() is None and not page:
            try:
                with urllib.request.urlopen(f"http://localhost:{port}/app", timeout=60) as answer:
                    page = answer.read().decode()
                with urllib.request.urlopen(f"http://localhost:{port}/docs/method") as answer:
                    method = answer.read().decode()
            except OSError:
                time.sleep(0.2)
    finally:
        process.terminate()
        process.wait(20)
    assert "BrainLens" in page, (tmp_path / "log").read_text()
    assert "Leak meter" in method and "katex.min.js" in method


def test_a_score_and_a_check_of_a_file(run, tmp_path):
    quick = ("--set", "folds=3", "--set", "inner_folds=2", "--set", "ceiling=none")
    done = run(
        "brainlens", "score", "zoo-causal-200k", "--on", "simulated", "--layers", "1", *quick
    )
    assert done.returncode == 0 and "zoo-causal-200k" in done.stdout, done.stderr
    rows = [f"{text} {number} things were seen by the river,t{number % 5},{number % 7}" for number, text in
            enumerate(["Old", "New", "Red", "Blue", "Green"] * 6)]  # fmt: skip
    (tmp_path / "mine.csv").write_text("sentence,topic,bold\n" + "\n".join(rows))
    done = run("brainlens", "data", "check", "mine.csv", "--group", "topic", "--response", "bold")
    assert done.returncode == 0 and "mine.csv: can be used" in done.stdout, (
        done.stdout + done.stderr
    )


def test_a_notebook_cell(run, tmp_path):
    (tmp_path / "cell.py").write_text(
        textwrap.dedent("""
        import nbformat
        from nbclient import NotebookClient
        source = (
            "import panel\\npanel.extension()\\nfrom dashboards import Layers\\n"
            "Layers(models=['zoo-causal-200k'], recording='simulated')"
        )
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
        NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
        print([list(output.get("data", {})) for output in notebook.cells[0].outputs])
        """)
    )
    done = run("python", "cell.py")
    assert done.returncode == 0 and "text/html" in done.stdout, done.stdout + done.stderr[-2000:]


def test_an_entry_point_plugin(run):
    done = run("brainlens", "models", "list")
    assert "letter-counts" in done.stdout, done.stdout + done.stderr
    done = run("brainlens", "score", "letter-counts", "--on", "rhythm")
    assert done.returncode == 0 and "letter-counts" in done.stdout, done.stderr


def test_the_package_data_is_whole(run, tmp_path):
    """The tests of what ships, run beside the installed packages."""
    shutil.copytree(
        ROOT / "tests", tmp_path / "tests", ignore=shutil.ignore_patterns("__pycache__")
    )
    files = ["tests/data/test_embedded.py", "tests/data/test_published.py"]
    done = run("python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib",
               "-m", "not slow and not realdata", *files)  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.parametrize("name", ["data/__init__.py", "analysis.py"])
def test_a_file_of_the_user_in_the_way_is_named(run, tmp_path, name):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("")
    done = run("python", "-c", "import dashboards")
    assert done.returncode != 0
    last = done.stderr.strip().splitlines()[-1]
    assert str(tmp_path / name) in last and "Rename that file" in last
