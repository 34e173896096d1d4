"""The commands ``alike`` and ``decode``, those of tasks and of designs."""

from __future__ import annotations

import click

from analysis.answers.model_map import model_map
from analysis.scoring.decoding import decode as decoded
from dashboards.command.console import progress, show_frame
from dashboards.command.design import COMMANDS as DESIGN
from dashboards.command.options import check_out, models_argument
from dashboards.command.people import _OUT, _choices, _finish, _preset
from dashboards.command.tasks import COMMANDS as TASKS

__all__ = ["COMMANDS"]

_ON = click.option(
    "--on",
    "recording",
    required=True,
    metavar="RECORDING",
    help="A catalogue id or a file of your own.",
)


@click.command()
@models_argument
@_ON
@click.option(
    "--measure",
    type=click.Choice(["cka", "rsa", "shape"]),
    default="cka",
    show_default=True,
    help="How two geometries are compared.",
)
@_choices
@_OUT
def alike(models, recording, measure, protocol, changes, out):
    """Which of MODELS are alike: every layer with every other layer, and with the responses, on the stimuli of RECORDING."""
    if out is not None:
        check_out(out)
    with progress("layers") as report:
        found = model_map(
            models, recording, _preset(protocol, changes), measure=measure, report=report
        )
    click.echo(found.sentence)
    if len(found.facts["between"]):
        show_frame(found.facts["between"], "Models")
    show_frame(found.facts["brain"][["model", "layer", "brain"]], f"Layers with {recording}")
    click.echo(found.caption)
    _finish(found.frame, out)


@click.command()
@models_argument
@_ON
@click.option(
    "--tolerance",
    default=2.0,
    show_default=True,
    help="Words by which two stimuli that compete may differ in length.",
)
@click.option("--draws", default=1000, show_default=True, help="Permutations behind p.")
@_choices
@_OUT
def decode(models, recording, tolerance, draws, protocol, changes, out):
    """Tell held-out stimuli apart from what MODELS predict: 2-v-2 and retrieval, within one topic and a similar length."""
    import pandas as pd

    if out is not None:
        check_out(out)
    chosen, frames = _preset(protocol, changes), []
    for name in models:
        with progress(name) as report:
            found = decoded(
                name, recording, chosen, tolerance=tolerance, draws=draws, report=report
            )
        click.echo(found.sentence(name, recording))
        click.echo(
            f"  {found.strata:,} strata; {found.alone:,} stimuli have no rival of their topic and length"
        )
        frames.append(found.table.assign(model=name))
    frame = pd.concat(frames, ignore_index=True)[["model", "measure", "value", "chance", "p", "n"]]
    show_frame(frame, f"{recording}: mean over people, first fold seed")
    _finish(frame, out)


COMMANDS = (alike, decode, *TASKS, *DESIGN)
