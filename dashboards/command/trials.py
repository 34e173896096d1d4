"""The command ``data trials``: what experiment software wrote becomes a recording of one's own."""

from __future__ import annotations

from pathlib import Path

import click

from dashboards.command.options import pairs
from data.errors import BrainLensError
from data.own.experiments import import_trials
from data.own.validation import check

__all__ = ["data_trials"]


@click.command("trials")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), default=None,
              help="Write the trials with their sidecar: .csv or .parquet.")  # fmt: skip
@click.option(
    "--layout",
    default="auto",
    show_default=True,
    help="auto, ibex (Ibex, PCIbex), prompts (PsychLing-101), files (one per person, as Pavlovia), table.",
)
@click.option("--column", "columns", multiple=True, metavar="ROLE=COLUMN",
              help="What a column is: person, text, rt, item, condition, trial, word_position, correct.")  # fmt: skip
@click.option(
    "--rule",
    "rules",
    multiple=True,
    help="What trials have to keep to, in order: '100 < rt < 3000', 'mean(correct) by person >= 0.8', "
    "'rt within 3 sd by person', 'condition != practice'.",
)
@click.option(
    "--missing", default="", metavar="CODES", help="Values that mean 'no value', such as -999,-1."
)
def data_trials(paths, out, layout, columns, rules, missing):
    """Take in trials of Ibex, PCIbex, Pavlovia, PsychLing-101 or a long table: PATHS are files, a folder or a zip.

    Says how they were understood and what each rule leaves out; with --out they are a recording from then on:
    'brainlens reading MODEL --on FILE --form mixed'.
    """
    if out is not None and out.suffix.lower() not in (".csv", ".parquet"):
        raise BrainLensError(f"--out {str(out)!r} ends in {out.suffix!r}", choices=(".csv", ".parquet"),
                             remedy="End the file's name in one of these")  # fmt: skip
    made = import_trials(
        paths[0] if len(paths) == 1 else paths,
        layout=layout,
        columns=pairs(columns, "--column", "rt=key_resp.rt"),
        rules=rules,
        missing=missing.split(","),
    )
    click.echo(str(made))
    if out is None:
        click.echo(made.table.head(8).to_string(index=False))
        click.echo("Nothing was written: give --out FILE.csv")
        return
    made.write(out)
    click.echo(f"Wrote {out} and its sidecar")
    report = check(out)
    for error in report.errors:
        click.echo(f"  error: {error.what}" + (f"\n         -> {error.fix}" if error.fix else ""))
    click.echo(f"Next: brainlens reading MODEL --on {out} --form mixed --held-out people")
