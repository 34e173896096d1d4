"""What is said of a user's file on the command line: one set of options for every command that takes a recording."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from data.catalog.catalog import recording
from data.errors import BrainLensError
from data.own.wide import pairs_of

__all__ = ["column_options", "filter_option", "open_said", "said_of"]

_OPTIONS = (
    ("--text", "COLUMN", "The words that were read."),
    ("--response", "COLUMNS", "The measurements, separated by commas, or a pattern: 'sub-*', 'sub-{subject}_{region}'."),
    ("--group", "COLUMNS", "Rows that are held out together."),
    ("--context", "COLUMNS", "Rows that are read as one text; none: each row alone."),
    ("--subject", "COLUMN", "Who read each row; or the person of each column: left=s1,right=s2; none: rows are no people's."),
    ("--order", "COLUMNS", "The order of presentation."),
    ("--within", "COLUMN", "Parts that are scored apart and averaged."),
    ("--target", "COLUMN", "Voxel, region, electrode or measure of each row."),
    ("--region", "COLUMN", "Where each row's target lies; or that of each column: left=IFG,right=STG."),
    ("--repeat", "COLUMN", "Number of the presentation."),
    ("--targets", "FILE", "A table that describes the response columns: subject, region."),
    ("--kind", "KIND", "fmri, ecog, eeg, reading_times, eye_tracking or behaviour."),
    ("--unit", "UNIT", "Unit of the measurements, such as ms."),
    ("--language", "CODE", "Language of the texts, such as de: word frequencies are looked up in it."),
    ("--joiner", "RULE", "What stands between words: blank, none, treebank, or a column."),
    ("--missing", "CODES", "Values that mean 'not measured', such as -999,-1."),
    ("--decimal", "MARK", "The decimal mark, . or , where columns do not show it."),
    ("--sheet", "NAME", "Sheet of a spreadsheet."),
    ("--range", "CELLS", "Cells of a spreadsheet, such as B3:F90."),
)  # fmt: skip


def _one(metavar: str) -> Callable:
    """What was given once, or in several parts where several are meant; else click would keep the last without a word."""

    def value(_, option: click.Option, given: tuple[str, ...]) -> str | None:
        if len(given) > 1 and metavar not in ("COLUMNS", "CODES"):
            raise BrainLensError(
                f"{option.opts[0]} is given {len(given)} times: {', '.join(map(repr, given))}",
                remedy="Give it once",
            )
        return ",".join(given) if given else None

    return value


def column_options(command: Callable) -> Callable:
    """A command with an option for every role of a column and every way to read its cells."""
    averaged = click.option(
        "--averaged/--per-person",
        default=None,
        help="Whether the measurements are means over people, or one person's (or electrode's) own.",
    )
    command = averaged(command)
    for name, value, text in reversed(_OPTIONS):
        command = click.option(name, multiple=True, metavar=value, help=text, callback=_one(value))(
            command
        )
    return command


filter_option = click.option(
    "--filter",
    default=None,
    metavar="PRESET",
    help="Which reading times count: none, official, times-only, no-edges.",
)


def said_of(options: dict) -> dict:
    """The options that were given, as :func:`data.catalog.catalog.recording` takes them."""
    said = {key: value for key, value in options.items() if value is not None}
    if "response" in said:
        said["responses"] = [
            part.strip() for part in said.pop("response").split(",") if part.strip()
        ]
    for role in ("subject", "region"):
        if role in said and (pairs := pairs_of(said[role])):
            said[role] = pairs
    return said


def open_said(name: str, columns: dict):
    """The recording of an id, or of a file as the options say; what was taken for granted in a file is never silent."""
    found = recording(name, **said_of(columns))
    if Path(name.partition("#")[0]).expanduser().is_file():
        for note in found.notes:
            click.echo(f"{found.id}: {note}", err=True)
    return found
