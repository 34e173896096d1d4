"""The command ``task``: what models can do, run here."""

from __future__ import annotations

from pathlib import Path

import click

from analysis.answers.live_tasks import live_tasks, run_task, task_kind
from dashboards.command.console import progress, show_frame
from dashboards.command.options import check_out, device_option, models_argument
from dashboards.command.people import _OUT, _choices, _finish, _preset

__all__ = ["COMMANDS"]


@click.command("task")
@click.argument("task")
@models_argument
@click.option(
    "--layer",
    default="-1",
    show_default=True,
    help="Frozen layer under a head (GLUE and tables): a number or the paper's name.",
)
@click.option(
    "--seeds", default=3, show_default=True, help="Of heads: training rows and folds drawn anew."
)
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=None,
    help="Holds a folder for each GLUE set, as on the hub or in the benchmark; 'glue' in the data folder by default.",
)
@device_option
@_choices
@_OUT
def task(task, models, layer, seeds, folder, protocol, changes, out):
    """Run TASK on MODELS: syntaxgym, syntaxgym:SUITE, glue, glue:SET, pairs:FILE or table:FILE.

    SyntaxGym and minimal pairs need next-word probabilities; GLUE and tables train a linear head on a frozen layer.
    """
    if out is not None:
        check_out(out)
    task_kind(task)
    chosen, found = _preset(protocol, changes), []
    for name in models:
        with progress(name) as report:
            found.append(
                run_task(name, task, chosen, layer=layer, seeds=seeds, folder=str(folder or ""), report=report)
            )  # fmt: skip
    answer = live_tasks(found)
    show_frame(answer.frame, task)
    show_frame(answer.facts["means"], "Mean over parts")
    click.echo(answer.sentence)
    click.echo(answer.caption)
    _finish(answer.frame, out)


COMMANDS = (task,)
