"""Memory that runs out is named as that, whatever was being read or computed."""

from __future__ import annotations

import ast
import errno
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from dashboards.command.cli import _Group
from dashboards.work.cards import explain
from data.errors import memory_error

ROOT = Path(__file__).resolve().parents[1]
FULL = [
    MemoryError("Unable to allocate 93.1 GiB for an array with shape (50000, 250000)"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you tried"),
    type("OutOfMemoryError", (RuntimeError,), {})("CUDA out of memory. Tried to allocate 20.00 GiB"),
    OSError(errno.ENOMEM, "Cannot allocate memory"),
]  # fmt: skip


@pytest.mark.parametrize("error", FULL, ids=lambda error: type(error).__name__)
def test_every_way_of_running_out_has_the_same_words(error):
    said = memory_error(error)
    assert said.problem.startswith("Out of memory: ") and "smaller model" in said.remedy
    heading, cause, remedy = explain(error)
    assert (heading, cause, remedy) == ("Out of memory", said.problem + ".", said.remedy)


def test_the_cause_is_looked_at_and_other_errors_stay_what_they_are():
    wrapped = RuntimeError("worker failed")
    wrapped.__cause__ = MemoryError()
    assert memory_error(wrapped).problem == "Out of memory"
    for other in (RuntimeError("shapes differ"), OSError(errno.ENOENT, "no file"), ValueError("x")):
        assert memory_error(other) is None
        assert explain(other)[0] == "Something broke"


def test_a_command_says_it_in_one_line():
    @click.group(cls=_Group)
    def group():
        """A group."""

    @group.command()
    def fill():
        """Run out of memory."""
        raise MemoryError("Unable to allocate 93.1 GiB")

    found = CliRunner().invoke(group, ["fill"])
    assert found.exit_code == 1
    assert found.output.startswith("Error: Out of memory: Unable to allocate 93.1 GiB.")


def test_no_reader_takes_memory_that_ran_out_for_a_broken_file():
    """A handler for everything that a library may raise must let MemoryError through before it blames the file."""
    blamed = []
    for path in [*ROOT.glob("data/**/*.py"), *ROOT.glob("analysis/**/*.py")]:
        for tried in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(tried, ast.Try | ast.TryStar):
                continue
            before = ""
            for handler in tried.handlers:
                kind = ast.unparse(handler.type) if handler.type else "Exception"
                says = any(
                    isinstance(n, ast.Raise) and n.exc is not None for n in ast.walk(handler)
                )
                if kind == "Exception" and says and "MemoryError" not in before:
                    blamed.append(f"{path.relative_to(ROOT)}:{handler.lineno}")
                before += kind
    assert not blamed
