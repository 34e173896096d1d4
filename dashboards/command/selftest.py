"""The command ``brainlens selftest``: golden values, planted truths and peers' numbers on this machine."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from analysis.selftest.check import GROUPS
from analysis.selftest.run import markdown, verdict
from analysis.selftest.run import selftest as run
from dashboards.command.console import _print, _table, progress
from data.files import atomic

__all__ = ["COMMANDS"]


@click.command()
@click.option(
    "--quick",
    is_flag=True,
    help="Only what takes a moment and needs nothing but what ships (under a minute).",
)
@click.option("--report", "out", default=None, type=click.Path(dir_okay=False, path_type=Path),
              help="Write the report to attach to a paper: a Markdown file.")  # fmt: skip
def selftest(quick, out):
    """Does this machine compute the right numbers? Green or red, with figure, tolerance and seconds; nothing is fetched."""
    with progress("self-test") as report:
        outcomes = run(quick=quick, report=report)
    shown = _table("group", "check", "state", ">found", ">expected", ">tolerance", ">s", "why")
    for one in outcomes:
        check = one.check
        shown.add_row(GROUPS[check.group], check.name, one.state, f"{one.found:.6g}", f"{check.expected:g}",
                      f"{check.tolerance:g}", f"{one.seconds:.1f}", one.words)  # fmt: skip
    _print(shown)
    click.echo(verdict(outcomes))
    if out is not None:
        with atomic(out) as part:
            part.write_text(markdown(outcomes), encoding="utf-8")
        click.echo(f"Wrote {out}")
    if any(one.state == "red" for one in outcomes):
        sys.exit(1)


COMMANDS = (selftest,)
