"""Every notebook runs from top to bottom, offline, in an empty home."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).parent.parent / "notebooks"


SHORT = ("01_first_score", "02_models_read", "11_linked")
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
def test_notebook_is_committed_without_outputs(path):
    notebook = nbformat.read(path, as_version=4)
    assert not [
        cell
        for cell in notebook.cells
        if cell.cell_type == "code" and (cell.outputs or cell.execution_count)
    ]
