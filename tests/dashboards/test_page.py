"""The page: what it imports, what it opens on, and that no session outlives its window."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dashboards.page import LENSES, Workbench, checks
from dashboards.state import LENSES as NAMES
from dashboards.state import decode

HEAVY = ("torch", "transformers", "sklearn", "hvplot", "holoviews", "matplotlib", "distributed", "statsmodels")


def test_the_page_imports_nothing_heavy():
    opened = "import sys; from dashboards.page import Workbench; Workbench()._open_lens()"
    code = f"{opened}; print([name for name in {HEAVY} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()[-1]
    assert found == "[]"


def test_every_lens_has_its_name_in_the_link():
    assert [lens.slug for lens in LENSES] == list(NAMES)


def test_it_opens_on_the_task_lens_with_the_published_models():
    bench = Workbench()
    assert bench.selection.lens == "task"
    assert len(bench.lens.shown.pictures[0].table) == 42
    bench.close()


def test_a_link_opens_exactly_its_view():
    bench = Workbench("?lens=untrained&benchmark=blank2014&clip=true&theme=dark")
    assert bench.lens.slug == "untrained" and "blank2014" in bench.lens.shown.pictures[0].spec.answer
    assert bench.page.dark_theme and bench.client.query == "v=1&lens=untrained&benchmark=blank2014&clip=true&theme=dark"
    bench.close()


def test_changes_are_in_the_address():
    bench = Workbench()
    bench.selection.benchmark = "futrell2018"
    bench.selection.lens = "untrained"
    assert bench.client.query == "v=1&lens=untrained&benchmark=futrell2018"
    assert set(bench.lenses) == {"task", "untrained"}
    bench.close()


def test_ids_of_a_link_are_checked_one_by_one():
    query = "models=zoo-causal-400k&models=nothing-like-it&recording=atlantis&benchmark=x&x=y&scheme=z&layer=3"
    values, problems = decode(query, checks())
    assert values == {"models": ["zoo-causal-400k"], "layer": "3"}
    assert len(problems) == 5


def test_one_notice_names_all_bad_fields():
    bench = Workbench("?colour=red&seeds=none&benchmark=futrell2018")
    assert len(bench._notices) == 1
    assert bench.selection.benchmark == "futrell2018"
    bench.close()


@pytest.mark.slow
def test_no_session_outlives_its_window():
    """In a process of its own: sessions of a real server, while a computation runs that each of them listens to."""
    script = Path(__file__).with_name("sessions.py")
    found = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=400)
    assert found.stdout.splitlines()[-1] == "opened 50, left [], job cancelled", found.stderr[-2000:]
