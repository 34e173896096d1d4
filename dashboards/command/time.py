"""The commands ``time`` and ``regions``: when, and in which part of the brain, models predict a recording."""

from __future__ import annotations

from pathlib import Path

import click

from dashboards.command.options import check_out, device_option, fields, write_frame

__all__ = ["COMMANDS"]


@click.command("time")
@click.argument("models", nargs=-1, required=True)
@click.option(
    "--on",
    "recording",
    required=True,
    metavar="RECORDING",
    help="A story, or epochs around each word.",
)
@click.option("--protocol", default="story", show_default=True, help="A preset.")
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="FIELD=VALUE",
    help="Change one choice of the preset; may be repeated.",
)
@click.option(
    "--by",
    type=click.Choice(["all", "region"]),
    default="all",
    show_default=True,
    help="One curve for everything, or one for each region or electrode.",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=None,
    help="Write the curves: .csv or .parquet.",
)
@click.option(
    "--figure",
    type=click.Path(dir_okay=False, path_type=Path),
    default=None,
    help="Write the figure: .pdf, .svg or .png, 174 mm wide.",
)
@device_option
def over_time(models, recording, protocol, changes, by, out, figure):
    """When is the brain predicted? r at every lag after (and before) the words, beside word rate and the power of the sound."""
    from analysis.answers.time_course import time_course
    from analysis.protocol import preset
    from analysis.scoring.lags import lag_course
    from dashboards.command.console import progress, show_frame

    if out is not None:
        check_out(out)
    if figure is not None:
        check_figure(figure)
    chosen = preset(protocol)
    chosen = chosen.but(**fields(changes)) if changes else chosen
    courses = []
    for name in models:
        with progress(name) as report:
            courses.append(lag_course(name, recording, chosen, report=report))
    answer = time_course(courses, by=by)
    click.echo(answer.sentence)
    show_frame(answer.facts["peaks"].round(3), "Peaks")
    click.echo(answer.caption)
    if out is not None:
        write_frame(answer.frame, out)
        click.echo(f"Wrote {out}")
    if figure is not None:
        from dashboards.lenses.time import curves

        write_figure(curves(answer, courses, str(courses[0].attrs["stamp"])), figure)


def check_figure(path: Path) -> None:
    """Find out before the work whether the figure can be written."""
    from data.errors import BrainLensError

    if path.suffix.lower() not in {".pdf", ".svg", ".png"}:
        raise BrainLensError(
            f"--figure {str(path)!r} ends in {path.suffix!r}",
            choices=(".pdf", ".svg", ".png"),
            remedy="End the file's name in one of these",
        )


def write_figure(spec, path: Path) -> None:
    """A figure of two columns' width (174 mm)."""
    from dashboards.figures.export import figure, save

    save(figure(spec, path.suffix.lower().lstrip("."), width_mm=174), path)
    click.echo(f"Wrote {path}")


@click.command("regions")
@click.argument("models", nargs=-1, required=True)
@click.option(
    "--on",
    "recording",
    required=True,
    metavar="RECORDING",
    help="A recording whose targets have a region.",
)
@click.option("--protocol", default="story", show_default=True, help="A preset.")
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="FIELD=VALUE",
    help="Change one choice of the preset; may be repeated.",
)
@click.option(
    "--commit",
    "name",
    default=None,
    metavar="NAME",
    help="Write down each region's layer of the first model as a map, for use on other recordings.",
)
@click.option(
    "--map",
    "chosen",
    default=None,
    metavar="NAME",
    help="Take each region's layer from a committed map.",
)
@click.option(
    "--surface",
    type=click.Choice(["inflated", "pial", "flat", "all"]),
    default="inflated",
    show_default=True,
    help="Shape of the cortex in the figure.",
)
@click.option(
    "--threshold",
    type=click.FloatRange(0, 0.99),
    default=0.0,
    show_default=True,
    help="r below which the cortex stays grey.",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=None,
    help="Write the table: .csv or .parquet.",
)
@click.option(
    "--figure",
    type=click.Path(dir_okay=False, path_type=Path),
    default=None,
    help="Write the first model's brain figure: .pdf, .svg or .png, 174 mm wide.",
)
@device_option
def by_region(models, recording, protocol, changes, name, chosen, surface, threshold, out, figure):
    """Which part of the brain is predicted, and from which depth of the model? Scores and layers by region, and the cortex."""
    from analysis import score
    from analysis.answers.regions import brain_values, regions
    from analysis.protocol import preset
    from analysis.scoring.layer_map import commit, layer_map, load_map
    from dashboards.command.console import progress, show_frame
    from data.catalog.catalog import recording as loaded

    if out is not None:
        check_out(out)
    if figure is not None:
        check_figure(figure)
    one = load_map(chosen) if chosen else None
    protocol = preset(protocol)
    protocol = protocol.but(**fields(changes)) if changes else protocol
    data, scores = loaded(recording), []
    for model in models:
        with progress(model) as report:
            scores.append(score(model, data, protocol, report=report))
    answer = regions(scores, recording=data, committed=one)
    click.echo(answer.sentence)
    show_frame(answer.frame.round(3), "Regions")
    click.echo(answer.caption)
    if name is not None:
        path = commit(layer_map(scores[0], data, answer.facts["place"], name))
        click.echo(f"Committed the map {name}: {path}")
    if out is not None:
        write_frame(answer.frame, out)
        click.echo(f"Wrote {out}")
    if figure is not None:
        from dashboards.lenses.regions import brain_of

        cortex = brain_values(answer, scores[0].model, data)
        write_figure(
            brain_of(answer, scores[0].model, cortex, surface, threshold, scores[0].stamp), figure
        )


COMMANDS = (over_time, by_region)
