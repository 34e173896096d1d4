"""The suite is the user's too: it runs beside a home that is full, and neither reads nor changes what is in it."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILLED = """
import json
from analysis import preset, score
from data.catalog import shelf
from data.home import home
from dashboards.page import bookmarks

quick = preset("defended").but(folds=3, inner_folds=2, bootstrap=20, ceiling="none", controls=(), unique=False,
                               shuffled_twin=False)
for model in ("random-8", "zoo-causal-200k"):
    score(model, "simulated", quick)
staged = shelf.stage({"mine.csv": b"sentence,topic,bold\\n" + b"".join(
    f"Sentence {i} is read here,t{i % 4},{i % 7}\\n".encode() for i in range(24))})
shelf.keep(staged, "simulated-too", text="sentence", group=["topic"], responses=["bold"])
bookmarks.keep("mine", "lens=layers&models=zoo-causal-200k")
(home("results") / "imported.json").write_text(json.dumps({"origin": "elsewhere", "rows": [{"model": "gpt2"}]}))
(home("results") / "damaged.json").write_text("{")
cache = home("cache")
for number, path in enumerate(sorted(p for p in cache.rglob("*") if p.is_file())):
    if number % 3 == 0:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
(home() / "bookmarks.lock").touch()
"""
PART = (
    "tests/dashboards/test_bookmarks.py",
    "tests/dashboards/test_page.py",
    "tests/dashboards/test_welcome.py",
    "tests/data/test_shelf.py",
    "tests/analysis/test_versions.py",
)
LEFT_OUT = "imports_nothing_heavy or every_lens_behind"  # seconds each, and no more is read than by the others


@pytest.mark.slow
def test_a_part_of_the_suite_runs_beside_a_full_home_and_leaves_it_alone(tmp_path):
    surroundings = {**os.environ, "BRAINLENS_HOME": str(tmp_path / "full"), "BRAINLENS_SHARED": ""}
    surroundings.pop("BRAINLENS_USER_HOME", None)
    for name in [key for key in surroundings if key.startswith("PYTEST_")]:
        surroundings.pop(name)
    done = subprocess.run(
        [sys.executable, "-c", FILLED], cwd=ROOT, env=surroundings, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    before = contents(tmp_path / "full")
    assert len(before) > 10 and any("bookmarks.json" in name for name in before)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider",
         "-m", "not slow and not browser and not starter and not realdata", "-k", f"not ({LEFT_OUT})", *PART],
        cwd=ROOT, env=surroundings, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:]
    assert contents(tmp_path / "full") == before


def contents(folder: Path) -> dict[str, tuple[str, int]]:
    """Every file with its hash and the time of its last change."""
    return {
        str(path.relative_to(folder)): (
            hashlib.sha256(path.read_bytes()).hexdigest(),
            path.stat().st_mtime_ns,
        )
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
