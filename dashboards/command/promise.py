"""The commands ``lock`` and ``reveal``: a prediction is frozen before its scores are shown."""

from __future__ import annotations

import click

from analysis.protocol import preset
from analysis.scoring.lock import lock as freeze
from analysis.scoring.lock import reveal as open_
from analysis.store.promises import promises
from analysis.store.store import Store
from dashboards.command.columns import column_options, filter_option, open_said
from dashboards.command.options import fields, set_option

__all__ = ["COMMANDS"]


@click.command()
@click.argument("hypothesis", default="")
@click.option("--model", "models", multiple=True, metavar="NAME", help="A model; may be repeated.")
@click.option("--on", "recordings", multiple=True, metavar="RECORDING",
              help="A catalogue id or a file of your own; may be repeated.")  # fmt: skip
@click.option("--protocol", default="defended", show_default=True, help="A preset.")
@set_option
@click.option("--list", "listed", is_flag=True, help="List what is locked and what was revealed.")
@filter_option
@column_options
def lock(hypothesis, models, recordings, protocol, changes, listed, **columns):
    """Freeze a HYPOTHESIS about models on recordings before their scores are shown; a promise to yourself."""
    if listed:
        for one in promises(Store().root):
            _show(one)
        return
    chosen = preset(protocol)
    chosen = chosen.but(**fields(changes)) if changes else chosen
    opened = [open_said(one, columns) for one in recordings]
    made = freeze(hypothesis, models, opened, chosen)
    _show(made)
    click.echo(
        f"{len(made.cells)} cells are refused until 'brainlens reveal {made.hash[:12]}'. The hash is a promise to "
        "yourself, not tamper-proof: write it down, or register it, before you look."
    )


@click.command()
@click.argument("name")
def reveal(name):
    """Show the scores of the locked prediction whose hash begins with NAME."""
    made = open_(name)
    _show(made)
    click.echo("Its scores are shown from now on")


def _show(one) -> None:
    state = f"revealed {one.revealed}" if one.revealed else "locked"
    changed = " CHANGED after it was locked" if one.changed else ""
    click.echo(f"{one.hash[:12]}  {one.time}  {state}{changed}  {one.hypothesis}")
    what = f"{', '.join(one.models)} on {', '.join(one.recordings)}, {one.protocol['name']}"
    click.echo(f"  {what}; version {one.version}")
    for words, rows in (("seen before", one.seen), ("seen meanwhile", one.meanwhile)):
        if rows:
            click.echo(f"  {words}: {'; '.join(rows)}")


COMMANDS = (lock, reveal)
