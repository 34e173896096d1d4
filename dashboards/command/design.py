"""The commands ``design drive``, ``design controversial`` and ``design power``: experiments to run next."""

from __future__ import annotations

from pathlib import Path

import click

from analysis.answers.controversial import controversial as disagreeing
from analysis.answers.drive import candidates_of
from analysis.answers.drive import drive as driven
from analysis.answers.planning import PEOPLE, check_effect, growth, pilot_of, pilot_table, planning
from analysis.design.drive import Limits
from analysis.design.templates import write_templates
from dashboards.command.console import progress, show_frame
from dashboards.command.options import check_out, device_option
from dashboards.command.people import _OUT, _choices, _finish, _preset
from data.errors import BrainLensError

__all__ = ["COMMANDS", "design"]

_FROM = click.option(
    "--from",
    "candidates",
    default="prose",
    show_default=True,
    metavar="SENTENCES",
    help="prose (built in), a text file with a sentence per line, or a recording.",
)
_TEMPLATES = click.option(
    "--templates",
    type=click.Path(file_okay=False, path_type=Path),
    default=None,
    help="Also write a folder with the items and experiments for PCIbex and PsychoPy.",
)
_QUESTION = click.option(
    "--question", default="", help="What participants are asked in the templates."
)
_TARGET = click.option("--target", default="", help="A target of the recording; all by default.")


@click.group()
def design():
    """Experiments to run next: sentences, items that set models apart, people and items a study needs."""


@design.command()
@click.argument("model")
@click.option("--on", "recording", required=True, metavar="RECORDING",
              help="Whose responses are to be driven: a catalogue id or a file of your own.")  # fmt: skip
@_FROM
@_TARGET
@click.option("--layer", default=None, help="The one that predicts best, by default.")
@click.option("--count", default=10, show_default=True, help="Sentences at either end.")
@click.option("--shortest", default=3, show_default=True, help="Words of a sentence at least.")
@click.option("--longest", default=30, show_default=True, help="Words of a sentence at most.")
@click.option("--overlap", default=0.8, show_default=True,
              help="Share of words that a sentence may have in common with a measured one.")  # fmt: skip
@click.option("--words", type=click.Path(exists=True, dir_okay=False, path_type=Path), default=None,
              help="A file with words: picked sentences are searched on by replacing single words.")  # fmt: skip
@click.option(
    "--rounds", default=3, type=click.IntRange(1), show_default=True, help="Of that search."
)
@_TEMPLATES
@_QUESTION
@device_option
@_choices
@_OUT
def drive(model, recording, candidates, target, layer, count, shortest, longest, overlap, words, rounds,
          templates, question, protocol, changes, out):  # fmt: skip
    """Rank or search sentences by the response that MODEL predicts for them."""
    _ready(out, templates)
    listed = words.read_text(encoding="utf-8-sig").split() if words is not None else ()
    with progress(model) as report:
        found = driven(
            model, recording, candidates_of(candidates), _preset(protocol, changes), target=target, layer=layer,
            count=count, limits=Limits(shortest, longest, overlap), words=listed, rounds=rounds, report=report,
        )  # fmt: skip
    picked = found.facts["picked"]
    show_frame(
        picked[["condition", "text", "prediction", "low", "high", "distance"]],
        f"Picked of {recording}",
    )
    _said(found)
    _templates(picked, templates, "rating", question)
    _finish(found.frame, out)


@design.command()
@click.argument("first")
@click.argument("second")
@_FROM
@click.option(
    "--by",
    type=click.Choice(["surprisal", "response"]),
    default="surprisal",
    show_default=True,
    help="How probable a sentence is, or the response predicted for it (then FIRST may be model#layer).",
)
@click.option(
    "--on",
    "recording",
    default=None,
    metavar="RECORDING",
    help="Whose responses are predicted, with --by response.",
)
@_TARGET
@click.option("--count", default=20, show_default=True, help="Pairs at most.")
@click.option(
    "--match-words",
    default=1.0,
    show_default=True,
    help="Words by which the two of a pair may differ.",
)
@click.option(
    "--match-frequency",
    default=0.2,
    show_default=True,
    help="Mean log10 frequency by which they may differ.",
)
@_TEMPLATES
@_QUESTION
@device_option
@_choices
@_OUT
def controversial(first, second, candidates, by, recording, target, count, match_words, match_frequency,
                  templates, question, protocol, changes, out):  # fmt: skip
    """Pairs of sentences that FIRST and SECOND put in opposite orders, matched in length and frequency."""
    _ready(out, templates)
    with progress(f"{first} and {second}") as report:
        found = disagreeing(
            first, second, candidates_of(candidates), _preset(protocol, changes), by=by, recording=recording,
            target=target, count=count, words=match_words, frequency=match_frequency, report=report,
        )  # fmt: skip
    show_frame(
        found.frame[["pair", "preferred_by_first", "preferred_by_second", "gap"]],
        f"{first} against {second}",
    )
    _said(found)
    _templates(found.frame, templates, "choice", question)
    _finish(found.frame, out)


@design.command("power")
@click.argument("models", nargs=-1)
@click.option(
    "--on",
    "recording",
    default=None,
    metavar="RECORDING",
    help="The pilot: a recording of single people.",
)
@click.option("--pilot", type=click.Path(exists=True, dir_okay=False, path_type=Path), default=None,
              help="Or a table of your own (.csv) with person, item and difference (and repeat).")  # fmt: skip
@click.option(
    "--effect",
    type=float,
    required=True,
    help="The smallest difference of interest, above 0, in the pilot's unit (between two models: variance explained).",
)
@click.option("--people", default="", help="Such as 10,20,40; a range by default.")
@click.option(
    "--items", default="", help="Such as 100,200; half, all and twice the pilot's by default."
)
@click.option("--repeats", default=1, show_default=True, help="Times that a person meets an item.")
@click.option("--wanted", default=0.8, show_default=True, help="Power to reach.")
@click.option("--alpha", default=0.05, show_default=True, help="Of the two-sided test.")
@click.option(
    "--learning",
    is_flag=True,
    help="Items also train the regression: score parts of the stimuli first.",
)
@_choices
@_OUT
def power(
    models,
    recording,
    pilot,
    effect,
    people,
    items,
    repeats,
    wanted,
    alpha,
    learning,
    protocol,
    changes,
    out,
):
    """How many people and items it takes to tell two MODELS apart."""
    _ready(out, None)
    check_effect(effect)
    if (pilot is None) == (len(models) != 2 or recording is None) and pilot is None:
        raise BrainLensError(
            "There is no pilot", remedy="Give two models and --on RECORDING, or --pilot FILE"
        )
    chosen, curve = _preset(protocol, changes), None
    if pilot is not None:
        if learning:
            raise BrainLensError(
                "--learning scores a recording's stimuli",
                remedy="Give two models and --on RECORDING",
            )
        table = pilot_table(pilot)
    else:
        with progress("pilot") as report:
            table = pilot_of(*models, recording, chosen, report=report)
            curve = growth(*models, recording, chosen, report=report) if learning else None
    names = tuple(models) if len(models) == 2 else ("A", "B")
    found = planning(table, effect, people=_numbers(people) or PEOPLE, items=_numbers(items), repeats=repeats,
                     wanted=wanted, alpha=alpha, learning=curve, names=names)  # fmt: skip
    show_frame(found.frame, "Power")
    _said(found)
    _finish(found.frame, out)


def _numbers(text: str) -> list[int]:
    try:
        return [int(one) for one in text.split(",") if one.strip()]
    except ValueError:
        raise BrainLensError(
            f"{text!r} is no list of whole numbers", remedy="For example 10,20,40"
        ) from None


def _ready(out: Path | None, templates: Path | None) -> None:
    if out is not None:
        check_out(out)
    if templates is not None and templates.exists() and any(templates.iterdir()):
        raise BrainLensError(
            f"--templates {str(templates)!r} is not empty", remedy="Name a new folder"
        )


def _said(found) -> None:
    click.echo(found.sentence)
    click.echo(found.caption)


def _templates(items, folder: Path | None, kind: str, question: str) -> None:
    if folder is None:
        return

    for path in write_templates(items, folder, kind=kind, question=question):
        click.echo(f"Wrote {path}")


COMMANDS = (design,)
