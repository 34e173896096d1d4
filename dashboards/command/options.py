"""What several commands take: changes of a protocol, and a file for the table."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from analysis.models.catalog import must_run
from analysis.models.device import choose
from dashboards.serve.ports import refused
from data.catalog import licences
from data.errors import BrainLensError
from data.files import atomic, guarded

__all__ = [
    "accept",
    "check_out",
    "device_option",
    "fields",
    "file_option",
    "models_argument",
    "on_option",
    "pairs",
    "port_option",
    "runnable",
    "set_option",
    "write_frame",
]


def _chosen(context: click.Context, option: click.Parameter, name: str | None) -> None:
    """Where models run, for this process and those it starts."""
    if name is not None:
        try:
            choose(name)
        except BrainLensError as error:
            raise click.BadParameter(str(error)) from None


device_option = click.option(
    "--device",
    metavar="NAME",
    callback=_chosen,
    expose_value=False,
    help="Where models run: auto, cpu, cuda, cuda:1, mps, or offload (cards, memory and disk together).",
)
"""``--device`` of every command that lets a model read."""


def _told(context: click.Context, option: click.Parameter, port: int) -> int:
    """Itself; what browsers refuse is said before anything is served."""
    if why := refused(port):
        click.echo(why, err=True)
    return port


port_option = click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=5006,
    show_default=True,
    callback=_told,
    help="Port of the page.",
)
"""``--port`` of the commands that serve."""

set_option = click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="FIELD=VALUE",
    help="Change one choice of the preset; may be repeated.",
)
"""``--set`` of every command with a protocol; :func:`fields` reads it."""


def runnable(context: click.Context, parameter: click.Parameter, names: tuple[str, ...]):
    """The models, each of which can be run here."""
    for name in names:
        must_run(name)
    return names


models_argument = click.argument("models", nargs=-1, required=True, callback=runnable)
"""``MODELS`` of every command that runs several: that each of them can be is known before the first is."""


def on_option(help: str):
    """``--on RECORDING``, which must be given."""
    return click.option("--on", "recording", required=True, metavar="RECORDING", help=help)


def file_option(*names: str, help: str):
    """An option that names a file to be written."""
    kind = click.Path(dir_okay=False, path_type=Path)
    return click.option(*names, type=kind, default=None, help=help)


def fields(changes: tuple[str, ...]) -> dict[str, str]:
    """``--set FIELD=VALUE`` as a mapping."""
    return pairs(changes, "--set", "folds=5")


def pairs(changes: tuple[str, ...], option: str, example: str) -> dict[str, str]:
    """``NAME=VALUE`` of an option that may be repeated, as a mapping."""
    found = {}
    for change in changes:
        name, equals, value = change.partition("=")
        if not equals:
            raise BrainLensError(
                f"{option} {change!r} has no value",
                remedy=f"Write it as {option} NAME=VALUE, for example {option} {example}",
            )
        found[name.strip()] = value.strip()
    return found


def accept(name: str, licence: str, at_once: bool, *, needed: bool = True) -> None:
    """Ask about a licence that asks something, once; the answer is kept.

    Parameters
    ----------
    at_once : bool
        It was accepted on the command line.
    needed : bool
        Whether a no, or nobody to ask, ends the command; else the fetch that follows leaves it out.

    Raises
    ------
    BrainLensError
        Where it is needed and not accepted.
    """
    question = licences.asked(name, licence)
    if not question:
        return
    if at_once or (sys.stdin.isatty() and click.confirm(question, err=True)):
        licences.accept(name, licence)
    elif needed:
        licences.require_accepted(name, licence)


def check_out(out: Path) -> None:
    """Find out before the work whether its result can be written."""
    if out.suffix.lower() not in {".csv", ".parquet"}:
        raise BrainLensError(
            f"--out {str(out)!r} ends in {out.suffix!r}",
            choices=(".csv", ".parquet"),
            remedy="End the file's name in one of these",
        )
    if not out.resolve().parent.is_dir():
        raise BrainLensError(
            f"--out {str(out)!r}: there is no folder {str(out.resolve().parent)!r}",
            remedy="Make it first",
        )


def write_frame(table, out: Path) -> None:
    """A table as CSV or Parquet, by the ending of the name."""
    with atomic(out) as part:
        if out.suffix.lower() == ".csv":
            guarded(table).to_csv(part, index=False)
        else:
            table.to_parquet(part)
