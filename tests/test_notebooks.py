"""Every notebook runs from top to bottom, offline, in an empty home."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import nbformat
import pytest
from click.testing import CliRunner
from IPython.core.inputtransformer2 import TransformerManager
from nbclient import NotebookClient

from analysis.answers.trust.panels import PANELS
from dashboards.command.cli import main

FOLDER = Path(__file__).parent.parent / "notebooks"


SHORT = ("01_first_score", "02_models_read", "11_linked", "11_trust_4_optimism")
"""Notebooks that every run of the suite executes, with one fold seed; all of them take minutes under three."""
ONE_SEED = """
import dataclasses
from analysis.protocol import PRESETS
PRESETS["defended"] = dataclasses.replace(PRESETS["defended"], seeds=1, bootstrap=200)
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", SHORT)
def test_notebook_runs_with_one_fold_seed(name, tmp_path):
    cells = executed(FOLDER / f"{name}.ipynb", tmp_path, before=ONE_SEED)
    assert cells and all(cell.execution_count for cell in cells)
    assert "error" not in shown(cells) and {"execute_result", "display_data"} & shown(cells)


@pytest.mark.deep
@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.ipynb")), ids=lambda path: path.stem)
def test_notebook_runs(path, tmp_path):
    cells = executed(path, tmp_path)
    assert cells and all(cell.execution_count for cell in cells)
    assert "error" not in shown(cells) and {"execute_result", "display_data"} & shown(cells)


def test_each_panel_of_trust_has_a_notebook_a_command_and_a_figure_of_its_own():
    """A panel that is added has to bring them along."""
    books = {
        path.name: nbformat.read(path, as_version=4)
        for path in FOLDER.glob("11_trust_[0-9]_*.ipynb")
    }
    of = {}
    for name, book in books.items():
        words = "\n".join(cell.source for cell in book.cells if cell.cell_type == "markdown")
        code = "\n".join(cell.source for cell in book.cells if cell.cell_type == "code")
        (asked,) = set(re.findall(r'panel\("(\w+)", asked\)', code))
        assert f'figures("{asked}", answer)' in code and f"--panel {asked}" in words, name
        lines = [line for line in words.splitlines() if line.startswith("brainlens trust")]
        for line in lines:  # as it stands there, priced and not run
            if "--panel" in line:
                told = CliRunner().invoke(main, [*line.split()[1:], "--dry-run"])
                assert told.exit_code == 0 and PANELS[asked].label in told.output, told.output
        of[asked] = name
    assert {*of} == {*PANELS} and len(of) == len(books)


def shown(cells: list) -> set[str]:
    """The kinds of what the cells show."""
    return {output.output_type for cell in cells for output in cell.outputs}


def executed(path, tmp_path, *, before: str = "") -> list:
    """The code cells of a notebook after it ran; an error of a cell is raised."""
    notebook = nbformat.read(path, as_version=4)
    if before:
        notebook.cells.insert(0, nbformat.v4.new_code_cell(before))
    NotebookClient(
        notebook,
        timeout=400,
        kernel_name="python3",
        resources={"metadata": {"path": str(tmp_path)}},
    ).execute()
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.ipynb")), ids=lambda path: path.stem)
def test_every_cell_is_python_of_the_oldest_version_that_is_promised(path):
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":
            code = TransformerManager().transform_cell(cell.source)
            assert ast.parse(code, feature_version=(3, 11)) is not None


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.ipynb")), ids=lambda path: path.stem)
def test_notebook_is_committed_without_outputs(path):
    notebook = nbformat.read(path, as_version=4)
    assert not [
        cell
        for cell in notebook.cells
        if cell.cell_type == "code" and (cell.outputs or cell.execution_count)
    ]
