"""The commands ``results submit``, ``results verify`` and ``results history``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from analysis.answers.history import history as moved
from analysis.scoring.results import results
from analysis.scoring.submission import OUTCOMES, read_submission
from analysis.scoring.submission import submit as written
from analysis.scoring.submission import verify as verified
from dashboards.command.console import progress, show_frame
from dashboards.command.options import file_option

__all__ = ["COMMANDS"]


@click.command("submit")
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--model", "models", multiple=True, help="Only of this model; may be repeated.")
@click.option("--on", "recordings", multiple=True, help="Only on this recording; may be repeated.")
@click.option("--lab", default="", help="Who submits, in words.")
def submit(path: Path, models, recordings, lab: str):
    """Write own results to PATH (.json), for another lab to run again: weights, data and every choice by their hashes."""
    written(path, models, recordings, lab=lab)
    click.echo(f"Wrote {len(read_submission(path)['rows'])} results to {path}")


@click.command("verify")
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@file_option("--receipt", help="Also write the outcome (.json), for whoever submitted.")
def verify(path: Path, receipt: Path | None):
    """Run every result of a submission again, with the models and recordings of this machine, and compare."""
    with progress(path.name) as report:
        found = verified(path, receipt=receipt, report=report)
    show_frame(found.table, str(path))
    for outcome in dict.fromkeys(found.table["outcome"]):
        click.echo(f"{outcome}: {OUTCOMES[outcome]}")
    click.echo(found.sentence())
    if not found.verified:
        sys.exit(1)


@click.command("history")
@click.option("--on", "recordings", multiple=True, help="Recordings to average; all by default.")
@click.option("--model", "models", multiple=True, help="Models to follow; all by default.")
def history(recordings, models):
    """How ranks have moved over the versions that computed the results."""
    answer = moved(results(), recordings, models=models)
    show_frame(answer.frame, "Ranks over versions")
    click.echo(answer.sentence)
    click.echo(answer.caption)


COMMANDS = (submit, verify, history)
