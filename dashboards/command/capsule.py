"""The commands ``results capsule``, ``results diff`` and ``results checklist``."""

from __future__ import annotations

from pathlib import Path

import click

from analysis.answers.difference import compare_results, record_of
from analysis.answers.layers import layers
from analysis.answers.splitting import between, split_difference
from analysis.models import load as load_model
from analysis.paper.capsule import write_capsule
from analysis.paper.checklist import checklist as filled
from analysis.protocol import Protocol, preset
from analysis.scoring.beside import stored_oasm
from analysis.scoring.results import results
from analysis.scoring.verb import score
from dashboards.command.columns import column_options, filter_option, open_said, said_of
from dashboards.command.console import progress, show_frame
from dashboards.command.options import device_option, fields, set_option
from data.catalog.catalog import recording as open_recording
from data.errors import BrainLensError
from data.files import atomic
from data.filters import FILTERS

__all__ = ["COMMANDS"]

_WHICH = (
    click.option("--on", "recording", default="", metavar="RECORDING",
                 help="A catalogue id or a file of your own."),
    click.option("--protocol", default="defended", show_default=True, help="A preset."),
    set_option,
)  # fmt: skip


def _which(command):
    for option in reversed(_WHICH):
        command = option(command)
    return command


def _scored(model: str, recording: str, protocol: str, changes: tuple[str, ...], columns: dict):
    if not recording:
        raise BrainLensError(f"On which recording was {model} scored?", remedy="Add --on RECORDING")
    chosen = preset(protocol)
    chosen = chosen.but(**fields(changes)) if changes else chosen
    loaded = open_said(recording, columns)
    with progress(model) as report:
        return score(model, loaded, chosen, report=report), loaded


@click.command()
@click.argument("model")
@_which
@click.option(
    "-o",
    "--out",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The zip to write.",
)
@click.option("--predictions/--no-predictions", default=True, show_default=True,
              help="With the held-out predictions of the first fold seed.")  # fmt: skip
@filter_option
@column_options
@device_option
def capsule(model, recording, protocol, changes, out, predictions, **columns):
    """One result of MODEL with all that determines it, as a zip that opens in Compare and in Python."""
    from dashboards.figures.export import figure
    from dashboards.lenses.layers import profile

    if out.suffix != ".zip":
        raise BrainLensError(f"{out} does not end in .zip", remedy="Name it NAME.zip")
    found, loaded = _scored(model, recording, protocol, changes, columns)
    spec = profile(layers([found]), [found], normalised=False)
    drawn = {"figure.pdf": figure(spec, "pdf")}
    path = write_capsule(
        out,
        found,
        loaded,
        name=recording,
        model=model,
        columns=said_of(columns),
        predictions=predictions,
        more=drawn,
    )
    click.echo(f"Wrote {path}: {found.sentence()}")
    click.echo(
        "Open it with 'brainlens results import', in Compare, or analysis.scoring.capsules.read_capsule"
    )


@click.command()
@click.argument("first")
@click.argument("second")
@click.option(
    "--split",
    is_flag=True,
    help="Compute the difference choice by choice, where both can be run here.",
)
@click.option(
    "--model", default="", help="The model of FIRST, for --split, where it is not known by its id."
)
@click.option("--model-second", default="", help="That of SECOND.")
@click.option(
    "--on",
    "recording",
    default="",
    metavar="RECORDING",
    help="The recording of FIRST, for --split: a file is not known by its id.",
)
@click.option("--on-second", "second_recording", default="", metavar="RECORDING", help="That of SECOND.")  # fmt: skip
def diff(first, second, split, model, model_second, recording, second_recording):
    """Why do FIRST and SECOND differ? Capsules, hashes of results here, or files of Brain-Score, neural-nlp, LITcoder.

    A file with several results is named as FILE#MODEL.
    """
    a, b = (_record(one) for one in (first, second))
    answer = compare_results(a, b)
    if len(answer.frame):
        show_frame(_by_field(answer.frame), "What differs, the likely cause first")
    click.echo(answer.sentence)
    click.echo(answer.caption)
    if split:
        said = _split(a, b, (model, model_second), (recording, second_recording))
        show_frame(said.frame[["step", "value", "change", "share"]], "One thing at a time")
        click.echo(said.sentence)
        click.echo(said.caption)


def _split(a, b, models: tuple[str, str], recordings: tuple[str, str]):
    """The difference computed here; a model or recording of the second that is not here is taken for that of the first."""
    who, on = [models[0] or a.get("model.id")], [recordings[0] or a.get("recording.id")]
    who.append(models[1] or (b.get("model.id") if not models[0] else "") or who[0])
    on.append(recordings[1] or (b.get("recording.id") if not recordings[0] else "") or on[0])
    filters = [_filter_of(one) for one in (a, b)]
    opened = [open_recording(on[0], filter=filters[0])]
    for named, kept, open_one in (
        (on, opened, lambda name: open_recording(name, filter=filters[1])),
        (who, None, load_model),
    ):
        if named[1] != named[0] or (kept is opened and filters[1] != filters[0]):
            try:
                found = open_one(named[1])
            except BrainLensError as error:
                click.echo(f"{error.problem}; what differs in it is not split", err=True)
                named[1] = named[0]
            else:
                kept is not None and kept.append(found)
    with progress(f"{who[0]} on {on[0]}") as report:

        def number(protocol: Protocol, model: int, taken: frozenset) -> float:
            found = between(opened[0], opened[-1], taken)
            return score(who[model], found, protocol, report=report).value

        return split_difference(a, b, number, models=who[0] != who[1], recordings=len(opened) > 1)


def _filter_of(record) -> str:
    """The preset that its reading times were filtered with, as its notes tell it."""
    for note in record.get("recording.filters") or ():
        name = str(note).removeprefix("filter ").partition(":")[0]
        if name in FILTERS:
            return name
    return ""


def _by_field(frame):
    """The differences to be shown; where one cause shows in several fields, each row says which."""
    last = frame["path"].str.rpartition(".")[2].str.replace("_", " ")
    several = frame["what"].duplicated(keep=False)
    return frame.assign(what=frame["what"].where(~several, frame["what"] + ": " + last)).drop(
        columns="path"
    )


def _record(name: str):
    """A result of the store by the beginning of its hash, else a file."""
    if not Path(name.partition("#")[0]).is_file():
        known = results()
        mine = known[known["hash"].str.startswith(name) & (known["hash"] != "")]
        if len(mine) == 1 and len(name) >= 6:
            return record_of(mine.iloc[0].to_dict())

        raise BrainLensError(
            f"{name!r} is no file, and {len(mine)} results have a hash that begins so",
            choices=[
                f"{row.hash[:12]} ({row.model} on {row.recording})"
                for row in known.itertuples()
                if row.hash
            ],
            remedy="Give a capsule, a file, or six letters of a result's hash and more",
        )
    return record_of(name)


@click.command()
@click.argument("model")
@_which
@click.option(
    "-o",
    "--out",
    default=None,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The Markdown file to write.",
)
@filter_option
@column_options
def checklist(model, recording, protocol, changes, out, **columns):
    """What was done about splits, layers, ceilings, controls and multiple tests, from the provenance of MODEL's score."""
    found, loaded = _scored(model, recording, protocol, changes, columns)
    words = filled(found, oasm=stored_oasm(loaded.content_hash, found.protocol))
    if out is None:
        click.echo(words)
        return
    with atomic(out) as part:
        part.write_text(words, encoding="utf-8")
    click.echo(f"Wrote {out}")


COMMANDS = (capsule, diff, checklist)
