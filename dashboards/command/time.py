"""The commands ``time`` and ``regions``: when, and in which part of the brain, models predict a recording."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from analysis import score
from analysis.answers.each_person import each_person_over_time
from analysis.answers.regions import brain_values, regions
from analysis.answers.time_course import rows_over_time, time_course
from analysis.protocol import Protocol, preset
from analysis.scoring.lags import lag_course
from analysis.scoring.layer_map import LayerMap, commit, layer_map, map_of
from analysis.scoring.parcelled import parcelled
from dashboards.command.console import progress, show_frame
from dashboards.command.options import (
    check_out,
    device_option,
    fields,
    file_option,
    models_argument,
    on_option,
    set_option,
    write_frame,
)
from data.catalog.catalog import recording as loaded
from data.errors import BrainLensError, unknown
from data.stories.kept_parcels import kept_parcels, load_parcels
from data.stories.parcels import Parcels, in_parcels, parcels

__all__ = ["COMMANDS"]


@click.command("time")
@models_argument
@on_option("A story, or epochs around each word.")
@click.option(
    "--protocol",
    default=None,
    help="A preset; by default story for samples, epochs for lags, defended for sentences.",
)
@set_option
@click.option(
    "--by",
    type=click.Choice(["all", "region"]),
    default="all",
    show_default=True,
    help="One curve for everything, or one for each region or electrode.",
)
@file_option("--out", help="Write the curves: .csv or .parquet.")
@file_option("--people", help="Write each person's curve: .csv or .parquet.")
@file_option(
    "--rows", help="Write every person in every region at every lag, a row each: .csv or .parquet."
)
@file_option("--figure", help="Write the figure: .pdf, .svg or .png, 174 mm wide.")
@device_option
def over_time(models, recording, protocol, changes, by, out, people, rows, figure):
    """When is the brain predicted? r at every lag after (and before) the words, beside word rate and the power of the sound."""
    for wanted in filter(None, (out, people, rows)):
        check_out(wanted)
    if figure is not None:
        check_figure(figure)
    data, courses = loaded(recording), []
    chosen = protocol_of(data, protocol, changes)
    for name in models:
        with progress(name) as report:
            courses.append(lag_course(name, data, chosen, report=report))
    answer, each = time_course(courses, by=by), each_person_over_time(courses)
    click.echo(answer.sentence)
    show_frame(answer.facts["peaks"].round(3), "Peaks")
    click.echo(answer.caption)
    if each is not None:
        click.echo(each.sentence)
        show_frame(
            each.facts["people"].round(3), "People, each where the curve of the others peaks"
        )
    if people is not None:
        write_people(each, data, people)
    for table, place in ((answer.frame, out), (rows_over_time(courses), rows)):
        if place is not None:
            write_frame(table, place)
            click.echo(f"Wrote {place}")
    if figure is not None:
        from dashboards.lenses.time import curves

        write_figure(curves(answer, courses, str(courses[0].attrs["stamp"])), figure)


def protocol_of(recording, name: str | None, changes) -> Protocol:
    """The preset that is named, else that of the recording's kind, with its changes."""
    if name is None and recording.sampled:
        name = "story"
    elif name is None:
        name = "epochs" if "lag" in recording.responses.coords else "defended"
    made = preset(name)
    return made.but(**fields(changes)) if changes else made


def write_people(each, recording, path: Path) -> None:
    """A table with a row for each person, of an answer about each of them."""
    if each is None:
        raise BrainLensError(
            f"{recording.id} has no table of people: its responses are of one person, of nobody, or averages",
            remedy="Leave --people out, or choose a recording of several people",
        )
    write_frame(each.frame, path)
    click.echo(f"Wrote {path}")


def check_figure(path: Path) -> None:
    """Find out before the work whether the figure can be written."""
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
@models_argument
@on_option("A recording whose targets have a region.")
@click.option(
    "--protocol",
    default=None,
    help="A preset; by default story for samples, epochs for lags, defended for sentences.",
)
@set_option
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
    help="Take each region's layer from a committed map; the same as --set layer=map:NAME.",
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
    "--parcels",
    "annotation",
    multiple=True,
    metavar="FILE",
    help="Annotation of a hemisphere (lh.NAME.annot, .label.gii) on fsaverage, once for each side, or the name of parcels that "
    "are kept: voxels and vertices take their parcel as region, and the figure shows parcels (HCP-MMP, Schaefer, your own).",
)
@file_option("--out", help="Write the table: .csv or .parquet.")
@file_option("--people", help="Write each person's score in each region: .csv or .parquet.")
@file_option(
    "--figure", help="Write the first model's brain figure: .pdf, .svg or .png, 174 mm wide."
)
@device_option
def by_region(
    models,
    recording,
    protocol,
    changes,
    name,
    chosen,
    surface,
    threshold,
    annotation,
    out,
    people,
    figure,
):
    """Which part of the brain is predicted, and from which depth of the model? Scores and layers by region, and the cortex."""
    for wanted in filter(None, (out, people)):
        check_out(wanted)
    if figure is not None:
        check_figure(figure)
    changes, one = by_map(changes, chosen)
    data, scores = loaded(recording), []
    drawn = parcels_of(annotation)
    if drawn is not None:
        in_parcels(data, drawn)  # before anything is computed
    protocol = protocol_of(data, protocol, changes)
    for model in models:
        with progress(model) as report:
            scores.append(score(model, data, protocol, report=report))
    answer = regions(scores, recording=data, committed=one, parcels=drawn)
    click.echo(answer.sentence)
    show_frame(answer.frame.round(3), "Regions")
    if one is not None:
        show_frame(
            answer.facts["together"].round(3), "All targets, each at the layer of its region"
        )
    click.echo(answer.caption)
    each = answer.facts["people"]
    if each is not None:
        click.echo(each.sentence)
        show_frame(each.facts["summary"].round(3), "People")
    if people is not None:
        write_people(each, data, people)
    if name is not None:
        first = scores[0] if drawn is None else parcelled(scores[0], data, drawn)[0]
        path = commit(layer_map(first, data, answer.facts["place"], name))
        click.echo(f"Committed the map {name}: {path}")
    if out is not None:
        write_frame(answer.frame, out)
        click.echo(f"Wrote {out}")
    if figure is not None:
        from dashboards.lenses.regions import brain_of

        cortex = brain_values(answer, scores[0].model, data, drawn)
        write_figure(
            brain_of(answer, scores[0].model, cortex, surface, threshold, scores[0].stamp), figure
        )


def parcels_of(named: Sequence[str]) -> Parcels | None:
    """The parcels of annotation files, or those that are kept under a name; None where none are asked for."""
    if len(named) == 1 and named[0] in kept_parcels() and not Path(named[0]).is_file():
        return load_parcels(named[0])
    if len(named) == 1 and not Path(named[0]).exists() and not Path(named[0]).suffix:
        raise unknown("parcels or annotation file", named[0], kept_parcels())
    return parcels([Path(one) for one in named]) if named else None


def by_map(changes, chosen: str | None) -> tuple[list[str], LayerMap | None]:
    """The changes of the protocol without ``layer=map:NAME``, and the map that it or --map names."""
    named = [one.partition("=")[2] for one in changes if one.startswith("layer=map:")]
    named += [f"map:{chosen}"] if chosen else []
    if len(set(named)) > 1:
        raise BrainLensError(
            f"Two maps at once: {', '.join(named)}", remedy="Name one of them", choices=named
        )
    rest = [one for one in changes if not one.startswith("layer=map:")]
    return rest, map_of(named[0]) if named else None


COMMANDS = (over_time, by_region)
