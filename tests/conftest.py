"""Shared by all tests: own home folder, real data and real models where they are, nothing skipped in CI."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import tempfile
from pathlib import Path

import hypothesis  # noqa: F401 - its plugin imports it after the last test, where a finaliser that parses too ends the run (CPython 3.11)
import pytest
from platformdirs import user_data_dir

IN_CI = os.environ.get("CI", "").lower() == "true"
_LONG = json.loads((Path(__file__).parent / "seconds.json").read_text(encoding="utf-8"))
USER_HOME = None  # the real user's folder, where the starter pack was put


def pytest_configure(config):
    """Give every test process a home of its own, with the models of the user's real one behind it, read-only."""
    global USER_HOME
    named = os.environ.get("BRAINLENS_USER_HOME") or os.environ.get("BRAINLENS_HOME")
    USER_HOME = Path(named or user_data_dir("brainlens", appauthor=False)).expanduser()
    os.environ["BRAINLENS_USER_HOME"] = str(USER_HOME)  # for the workers of pytest-xdist
    folder = Path(tempfile.mkdtemp(prefix="brainlens-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)  # a worker is never unconfigured
    os.environ["BRAINLENS_HOME"] = str(folder / "home")
    os.environ["BRAINLENS_SHARED"] = str(_models_only(folder))
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    _share_the_cores(config)


def _share_the_cores(config) -> None:
    """Threads of BLAS for each worker of pytest-xdist: of more than there are cores, each burns what another waits for."""
    if workers := getattr(config.option, "numprocesses", None):
        each = str(max(1, (os.cpu_count() or 1) // workers))
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            os.environ.setdefault(name, each)


def _models_only(folder: Path) -> Path:
    """A shared folder in which nothing of the user's stands but the models: no results, recordings, bookmarks or scores."""
    shared = folder / "shared"
    shared.mkdir()
    if (USER_HOME / "models").is_dir():
        (shared / "models").symlink_to(USER_HOME / "models", target_is_directory=True)
    return shared


def pytest_itemcollected(item):
    """A browser on a machine under load gets a second try, named in the summary (``-rR``); what took long is marked."""
    name = f"{item.module.__name__}::{getattr(item, 'originalname', item.name)}"
    if name in _LONG:
        item.add_marker(pytest.mark.long)
    if item.get_closest_marker("browser"):
        item.add_marker(pytest.mark.flaky(reruns=1))


def pytest_collection_modifyitems(config, items):
    """Leave the deep tests out unless the marker expression asks for them (an own ``-m`` must not let them in)."""
    if "deep" in (config.option.markexpr or ""):
        return
    deep = [item for item in items if item.get_closest_marker("deep")]
    if deep and any("::" in argument for argument in config.args):
        return  # named one by one: that is asking
    if deep:
        config.hook.pytest_deselected(items=deep)
        items[:] = [item for item in items if not item.get_closest_marker("deep")]


@pytest.fixture(autouse=True, scope="session")
def _r_files_are_parsed_once():
    """What the program keeps in a home, where every test has a home of its own: parsing one takes up to twenty seconds."""
    from data.readers import trials

    parsed, kept = trials._parsed, {}

    def once(path: Path, name: str | None):
        key = (path, path.stat().st_mtime_ns, path.stat().st_size, name)
        if key not in kept:
            kept[key] = parsed(path, name)
        return kept[key].copy()

    trials._parsed = once
    yield
    trials._parsed = parsed


@pytest.fixture(autouse=True)
def _environment_of_its_own():
    """What a command sets in the environment of its process ends with the test."""
    before = dict(os.environ)
    yield
    if dict(os.environ) != before:
        os.environ.clear()
        os.environ.update(before)


def _need(present: bool, reason: str) -> None:
    if present:
        return
    if IN_CI:
        pytest.fail(f"{reason}; this must not be skipped in CI", pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def mirror() -> Path:
    """Folder of original files, by dataset (mark such tests ``realdata``)."""
    folder = Path(os.environ.get("BRAINLENS_MIRROR", "") or "/nonexistent")
    _need(folder.is_dir(), "BRAINLENS_MIRROR names no folder")
    return folder


@pytest.fixture(scope="session")
def own_data() -> Path:
    """Folder of other people's tables, read as a user's own data (mark such tests ``realdata``)."""
    folder = Path(os.environ.get("BRAINLENS_OWN_DATA", "") or "/nonexistent")
    _need(folder.is_dir(), "BRAINLENS_OWN_DATA names no folder")
    return folder


@pytest.fixture(scope="session")
def cases() -> Path:
    """Folder of collected cases: files as others wrote them, with what is known of each (mark such tests ``realdata``)."""
    folder = Path(os.environ.get("BRAINLENS_CASES", "") or "/nonexistent")
    _need(folder.is_dir(), "BRAINLENS_CASES names no folder")
    return folder


@pytest.fixture(scope="session")
def starter() -> Path:
    """The models folder with the starter pack in it (mark such tests ``starter``)."""
    folder = USER_HOME / "models"
    _need(
        (folder / "smollm2-135m-instruct-q4_1").is_dir(),
        "the starter pack is not installed; run 'make starter'",
    )
    return folder


@pytest.fixture
def clean_home(tmp_path, monkeypatch) -> Path:
    """An empty BRAINLENS_HOME with nothing behind it."""
    monkeypatch.setenv("BRAINLENS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("BRAINLENS_SHARED", "")
    return tmp_path / "home"
