"""The command ``people``: one question about people and items, its sentence, its table, its figure."""

from __future__ import annotations

from pathlib import Path

import click

from analysis.answers.choices import forced_choices, preferences
from analysis.answers.reverse import reverse
from dashboards.command.console import progress, show_frame
from dashboards.command.options import check_out, file_option, pairs, write_frame
from dashboards.figures import people as figures
from data.errors import BrainLensError, unknown

__all__ = ["people"]

QUESTIONS = {
    "n400": ("nieuwland2018", "Does predictability show in the N400 of every laboratory?"),
    "range": ("ucl-eeg", "How large is the effect on the N400 beside published networks?"),
    "curves": ("ucl-eeg", "How does the effect grow as networks predict better?"),
    "garden-paths": (
        "sap2024-agreement",
        "Do items with a larger difference in surprisal slow people more?",
    ),
    "shape": ("brothers2021", "Are reading times linear in probability or in its logarithm?"),
    "choices": ("contstim2022", "Whose preferences between sentences agree with people's?"),
    "persons": ("", "How well is each person predicted, by models and by other people?"),
    "likeness": ("", "Who is the model like, and do people fall into groups?"),
    "reverse": ("", "Do people's brains predict the model as it predicts them?"),
}
_FIGURES = (".pdf", ".svg", ".png")


@click.command()
@click.argument("question", metavar="QUESTION")
@click.argument("models", nargs=-1)
@click.option(
    "--on",
    "recording",
    default=None,
    metavar="RECORDING",
    help="For persons, likeness and reverse; the others have their own.",
)
@click.option("--surprisal", "tables", multiple=True, type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="A table with the columns stimulus and surprisal (bits), named by its file; may be repeated.")  # fmt: skip
@click.option(
    "--cloze",
    "cloze",
    multiple=True,
    metavar="LEVEL=VALUE",
    help="For shape: mean cloze of the levels LC, MC, HC.",
)
@click.option(
    "--smoothing",
    default="0.001,0.0056,0.01,0.05",
    show_default=True,
    help="For shape: added to cloze before its log.",
)
@click.option(
    "--over",
    default="items",
    show_default=True,
    help="For shape: items, people or both are held out.",
)
@click.option(
    "--measure",
    type=click.Choice(["EEG", "ET"]),
    default="EEG",
    show_default=True,
    help="For curves: N400 or first-pass time.",
)
@file_option("--figure", help="Write the figure: .pdf, .svg, .png.")
@file_option("--out", help="Write the table: .csv or .parquet.")
def people(question, models, recording, tables, cloze, smoothing, over, measure, figure, out):
    """Answer QUESTION about people and items for MODELS, in a sentence with its table and figure.

    \b
    n400          predictability in the N400 of nine laboratories (nieuwland2018)
    range         the effect on the N400 beside published networks (ucl-eeg)
    curves        published curves of the effect over a network's quality, redrawn (--measure)
    garden-paths  items and their slowing (sap2024-agreement)
    shape         probability or its logarithm (brothers2021)
    choices       forced choices between sentences (contstim2022)
    persons       each person predicted by models and by the others (--on)
    likeness      who the model is like; groups of people (--on)
    reverse       layers predicted from people, beside people from people (--on)
    """  # noqa: D301
    if question not in QUESTIONS:
        raise unknown("question", question, QUESTIONS)
    if out is not None:
        check_out(out)
    if figure is not None and figure.suffix.lower() not in _FIGURES:
        raise BrainLensError(f"--figure {str(figure)!r} ends in {figure.suffix!r}", choices=_FIGURES,
                             remedy="End the file's name in one of these")  # fmt: skip
    own = QUESTIONS[question][0]
    if own and recording not in (None, own):
        raise BrainLensError(
            f"The question {question} is about {own}, not {recording}", remedy="Leave --on out"
        )
    if not own and recording is None:
        raise BrainLensError(
            f"The question {question} needs a recording of people",
            remedy="Add --on RECORDING, such as ucl-eeg",
        )
    bits = {**{name: name for name in models}, **{path.stem: str(path) for path in tables}}
    if not bits and question not in ("choices", "curves"):
        raise BrainLensError("No model is named", remedy="Name a model, or give --surprisal FILE")
    said, specs = _answer(question, bits, recording, cloze, smoothing, over, measure)
    click.echo(said.sentence)

    for name, frame in (
        ("", said.frame),
        *(
            (k, v)
            for k, v in said.facts.items()
            if k in ("slopes", "summary", "linear_against_log", "agreement")
        ),
    ):
        if name or len(frame) <= 60:
            show_frame(frame, name or QUESTIONS[question][1])
    click.echo(said.caption)
    if out is not None:
        write_frame(said.frame, out)
        click.echo(f"Wrote {out}")
    if figure is not None:
        from dashboards.figures.export import figure as drawn
        from dashboards.figures.export import save

        for number, spec in enumerate(specs):
            place = figure if len(specs) == 1 else figure.with_stem(f"{figure.stem}-{number + 1}")
            save(drawn(spec, figure.suffix[1:].lower()), place)
            click.echo(f"Wrote {place}")


def _answer(question, bits, recording, cloze, smoothing, over, measure):
    with progress(question) as report:
        if question == "n400":
            from analysis.answers.n400 import n400_by_laboratory

            said = n400_by_laboratory(bits, report=report)
            return said, [figures.laboratories(said)]
        if question == "range":
            from analysis.answers.n400 import published_range

            said = published_range(bits, report=report)
            return said, [figures.published_range(said)]
        if question == "curves":
            from analysis.answers.n400 import effect_curves

            if bits:
                raise BrainLensError(
                    f"The question curves is of published fits only, not of {next(iter(bits))}",
                    remedy="Leave models out; 'brainlens people range MODEL...' puts them beside",
                )
            said = effect_curves(measure)
            return said, [figures.effect_curves(said)]
        if question == "garden-paths":
            from analysis.answers.garden_paths import garden_paths

            said = garden_paths(bits, report=report)
            return said, [
                figures.garden_paths(said, kind) for kind in said.frame["construction"].unique()
            ]
        if question == "shape":
            from analysis.answers.predictability import predictability

            levels = {
                name: _number(value, "--cloze")
                for name, value in pairs(cloze, "--cloze", "HC=0.9").items()
            }
            added = [_number(one, "--smoothing") for one in smoothing.split(",")]
            said = predictability(
                bits, cloze=levels or None, smoothing=added, over=over, report=report
            )
            return said, [figures.predictability(said)]
        if question == "choices":
            said = forced_choices(more=preferences(bits, report=report) if bits else None)
            return said, [figures.choices(said)]
        if question == "persons":
            from analysis.answers.persons import persons_of

            said = persons_of(bits, recording, report=report)
            return said, [figures.persons(said)]
        if question == "reverse":
            if tables := [name for name, given in bits.items() if name != given]:
                raise BrainLensError(
                    f"The way back needs layers; {tables[0]} is a table of surprisals",
                    remedy="Name a model",
                )
            said = reverse(list(bits), recording, report=report)
            return said, [figures.reverse(said)]
        from analysis.answers.likeness import likeness

        said = likeness(bits, recording, report=report)
        return said, [
            spec
            for spec in (figures.likeness(said), figures.kinds_of_readers(said))
            if spec is not None
        ]


def _number(text: str, option: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value <= 1:
        raise BrainLensError(
            f"{option}: {text!r} is no share between 0 and 1",
            remedy=f"Write it as {option} {'HC=0.9' if option == '--cloze' else '0.01'}",
        )
    return value
