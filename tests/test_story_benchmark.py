"""The benchmark of a story of LeBel's size at a small one, and that documents quote what was measured."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks import common, story

RESULTS = Path(common.RESULTS)


def test_a_small_person_is_measured_and_written(tmp_path, monkeypatch):
    monkeypatch.setattr(common, "RESULTS", tmp_path)
    found = story.main(["--samples", "600", "--voxels", "40", "--folds", "3", "--units", "5"])
    kept = json.loads((tmp_path / "story-600x40.json").read_text())
    assert kept == json.loads(json.dumps(found)) and kept["folds"] == 3 and kept["features"] == 20
    assert kept["samples"] == 600 and kept["targets"] == 40 and abs(kept["mean_r"]) < 0.05
    assert kept["peak_gb"] > 0 and kept["seconds"] > 0 and kept["machine"]["cores"]


def test_documents_quote_what_was_measured():
    kept = json.loads((RESULTS / "story.json").read_text(encoding="utf-8"))
    assert kept["samples"] == 9000 and kept["targets"] == 20_000 and kept["holds"]
    assert kept["peak_gb"] <= kept["bar_gb"] == story.BAR_GB
    told = (RESULTS.parents[1] / "docs" / "performance.md").read_text(encoding="utf-8")
    for value in (f"{kept['peak_gb']:.1f} GB", f"{kept['seconds']:.0f} s"):
        assert value in told, value
