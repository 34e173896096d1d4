"""What killed processes leave is taken away, and what a living one holds stays."""

from __future__ import annotations

import os
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from analysis.models.files import vectors
from analysis.store.leftovers import sweep_home
from data.files import touched, weighed, working
from data.home import home, personal


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("BRAINLENS_HOME", str(tmp_path / "home"))


def _aged(path: Path, days: float) -> Path:
    """A folder with a file of 1,000 bytes that was last touched so long ago."""
    path.mkdir(parents=True)
    (path / "half").write_bytes(b"x" * 1000)
    for one in (path / "half", path):
        os.utime(one, (time.time() - days * 86400,) * 2)
    return path


def test_half_made_things_go_everywhere_and_what_is_whole_stays():
    kept = [
        _aged(home("models") / "smollm2-135m", 90),
        _aged(personal("recordings", "own") / "mine", 90),
        _aged(home("models") / ".part-young", 0),
        _aged(home("cache", "activations") / "a" / "partial" / "recent", 2),
    ]
    gone = [
        _aged(home("models") / ".part-old", 2),
        _aged(home("cache", "embeddings") / ".part-old", 2),
        _aged(personal("recordings", "own") / ".staged-old", 2),
        _aged(home("cache", "activations") / "b" / "partial" / "long-ago", 31),
    ]
    assert sweep_home() == 4000
    assert all(one.is_dir() for one in kept) and not any(one.exists() for one in gone)


def test_a_folder_that_a_living_process_holds_stays():
    with working(home("models")) as held:
        (held / "half").write_bytes(b"x" * 1000)
        for one in (held / "half", held):
            os.utime(one, (time.time() - 90 * 86400,) * 2)
        assert sweep_home() == 0 and held.is_dir()
    assert not held.exists()


def test_what_a_killed_process_held_goes_at_once():
    held = _aged(home("models") / ".part-killed", 0)
    (held / ".lock").touch()
    assert sweep_home() >= 1000 and not held.exists()


def test_vectors_under_way_leave_one_whole_folder(tmp_path):
    text = tmp_path / "v.txt"
    text.write_text("a 1 2 3\nb 4 5 6\n", encoding="utf-8")
    made = vectors._converted(text)
    assert [one.name for one in made.parent.iterdir()] == [made.name]
    assert not (made / ".lock").exists() and not (made / "raw").exists()
    assert weighed(made) > 0


def test_a_folder_is_weighed_while_others_write_and_clear(tmp_path):
    (tmp_path / "kept").write_bytes(b"x" * 1000)
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    over = threading.Event()

    def churn():
        while not over.is_set():
            (tmp_path / "a" / "b" / "c").mkdir(parents=True)
            shutil.rmtree(tmp_path / "a")

    with ThreadPoolExecutor(1) as pool:
        pool.submit(churn)
        try:
            assert {weighed(tmp_path) for _ in range(2000)} == {1000}
            assert all(touched(tmp_path) > 0 for _ in range(200))
        finally:
            over.set()
    assert weighed(tmp_path / "nowhere") == touched(tmp_path / "nowhere") == 0
