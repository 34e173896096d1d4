"""The command ``brainlens trust``: every doubt about a number, priced, run and answered."""

from __future__ import annotations

from pathlib import Path

import click

from analysis.answers.trust.panels import (
    CONTROLS,
    PANELS,
    Asked,
    made_of,
    needs,
    panel,
    price,
    stored_scores,
)
from analysis.answers.trust.specifications import CHOSEN, specifications
from analysis.answers.trust.waterfall import published_story
from analysis.features.controls import CONTROLS as KNOWN
from analysis.models import load
from analysis.models.catalog import must_run
from analysis.paper.handover import write_r_files
from analysis.protocol import preset
from analysis.scoring.cost import slowdown
from analysis.sweep.panels import plans, run_plans
from dashboards.command.capsule import COMMANDS as OF_RESULTS
from dashboards.command.columns import column_options, filter_option, open_said, said_of
from dashboards.command.console import _print, _table, progress, show_frame
from dashboards.command.options import device_option, fields, file_option, write_frame
from dashboards.command.promise import COMMANDS as PROMISE
from dashboards.command.selftest import COMMANDS as SELFTEST
from dashboards.figures.paper import FORMATS
from dashboards.work.computation import parted, spent
from dashboards.work.jobs import duration
from data.errors import BrainLensError, unknown
from data.files import atomic, made_folder

__all__ = ["COMMANDS", "OF_RESULTS"]


@click.command()
@click.argument("models", nargs=-1)
@click.option("--on", "recording", default="", metavar="RECORDING",
              help="A catalogue id or a file of your own.")  # fmt: skip
@click.option("--protocol", default="defended", show_default=True, help="A preset.")
@click.option("--set", "changes", multiple=True, metavar="FIELD=VALUE",
              help="Change one choice of the preset; may be repeated.")  # fmt: skip
@click.option("--panel", "panels", multiple=True, metavar="NAME",
              help="leaks, omega, court, optimism, waterfall, curve or matrix; all by default.")  # fmt: skip
@click.option("--cell", "cells", multiple=True, metavar="CHOICE=OPTION",
              help="An option of the specification curve, such as split=grouped; may be repeated.")  # fmt: skip
@click.option(
    "--copies", default=5, show_default=True, help="Untrained copies behind the leak meter's band."
)
@click.option(
    "--exchanges",
    default=100,
    show_default=True,
    help="Exchanges behind the curve's null; 0: none.",
)
@click.option("--controls", default="", metavar="NAMES", help="What Omega goes beyond, by commas.")
@click.option("--committed", type=int, default=None, help="The layer that was named beforehand.")
@click.option(
    "--elsewhere",
    default="",
    metavar="RECORDING",
    help="Where a layer is chosen for this recording.",
)
@click.option("--workers", default=1, show_default=True, help="Processes for the runs.")
@click.option(
    "--dry-run", is_flag=True, help="Only tell what is stored and what the rest would cost."
)
@click.option(
    "--published",
    is_flag=True,
    help="The story that the released tables tell, nothing is computed.",
)
@file_option("--pdf", help="Write one A4 page: .pdf, .svg or .png.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=None,
              help="Write the table of every panel into this folder.")  # fmt: skip
@click.option("--r-folder", type=click.Path(file_okay=False, path_type=Path), default=None,
              help="Write tables, script and our numbers for R into this new folder.")  # fmt: skip
@filter_option
@column_options
@device_option
def trust(models, recording, protocol, changes, panels, cells, copies, exchanges, controls, committed, elsewhere,
          workers, dry_run, published, pdf, out, r_folder, **columns):  # fmt: skip
    """Is the number of MODELS on a recording real? Leaks, controls, ceilings, selection, choices, others."""
    if published:
        _published(models)
        return
    if not models or not recording:
        raise BrainLensError(
            "brainlens trust needs a model and --on RECORDING",
            remedy="For example: brainlens trust zoo-causal-1m --on simulated --dry-run",
        )
    for name in models:
        must_run(name)
    for name in panels:
        if name not in PANELS:
            raise unknown("panel", name, PANELS)
    chosen, said = preset(protocol), said_of(columns)
    if said and workers > 1:
        raise BrainLensError(
            f"{workers} processes cannot be told how the columns of {recording} are read",
            remedy="Leave --workers out, or write the columns into a sidecar, FILE.brainlens.json",
        )
    asked = Asked(
        models,
        recording,
        chosen.but(**fields(changes)) if changes else chosen,
        elsewhere,
        {} if committed is None else dict.fromkeys(models, committed),
        tuple(part.strip() for part in controls.split(",") if part.strip()) or CONTROLS,
        _axes(cells) or dict(CHOSEN),
        copies,
        exchanges,
        said,
    )
    names = tuple(panels) or tuple(PANELS)
    open_said(recording, columns)
    _check(asked)
    _show_price(asked, names)
    if not dry_run:
        _run(asked, names, workers, pdf, out, r_folder)


def _check(asked) -> None:
    """Every name is looked up before anything is priced."""
    for model in asked.models:
        load(model)
    if asked.elsewhere:
        asked.open(asked.elsewhere)
    for name in asked.controls:
        if name.partition(":")[0] not in KNOWN:
            raise unknown("control", name, KNOWN)
    specifications(asked.protocol, asked.axes)


def _axes(cells: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for cell in cells:
        ((axis, option),) = fields((cell,)).items()
        found[axis] = (*found.get(axis, ()), option)
    return found


def _show_price(asked, names) -> None:
    shown, total, open_ = _table("panel", ">runs", ">stored", "time", "why empty"), 0.0, 0
    every = []
    for number, name in enumerate(names):
        try:
            cost = price(name, asked, before=tuple(names[:number]))
            runs = len(needs(name, asked))
        except BrainLensError as error:
            shown.add_row(PANELS[name].label, "", "", "", error.problem)
            continue
        unknown_ = cost.seconds is None
        open_ += unknown_
        total += cost.seconds or 0.0
        every.append(cost)
        there = cost.seconds == 0 and price(name, asked).seconds == 0
        words = "?" if unknown_ else duration(cost.seconds) if cost.seconds else "with those above"
        shown.add_row(
            PANELS[name].label, str(runs), "yes" if there else "", "" if there else words, ""
        )
    _print(shown)
    click.echo(
        f"About {spent(total, slowdown())} in all"
        + (f", and {open_} of unknown cost" if open_ else "")
    )
    if words := parted(made_of(every)):
        click.echo(f"Made of: {words}")


def _run(
    asked, names, workers: int, pdf: Path | None, out: Path | None, r_folder: Path | None
) -> None:
    from dashboards.lenses.trust import Found, sheet, verdicts

    answers: dict[str, object] = {}
    with progress("runs") as report:
        made, empty = plans(asked, names)
        run_plans(
            made, runner="processes" if workers > 1 else "serial", workers=workers, report=report
        )
    for name in (one for one in names if one not in empty):
        with progress(PANELS[name].label) as report:
            try:
                answers[name] = panel(name, asked, report=report)
            except BrainLensError as error:
                empty[name] = error.problem
    for name, answer in answers.items():
        click.echo(f"\n{PANELS[name].label}\n  {answer.sentence}\n  {answer.caption}")
    found = Found(answers, empty, asked.open().simulated)
    click.echo("\n" + "\n".join(verdicts(found, asked.models)))
    if out is not None:
        made_folder(out)
        for name, answer in answers.items():
            frame = answer.frame.drop(columns=["changes"], errors="ignore")
            write_frame(frame, out / f"trust-{name}.csv")
        click.echo(f"Wrote {len(answers)} tables to {out}")
    if pdf is not None:
        with atomic(pdf) as part:
            kind = pdf.suffix[1:].lower()
            part.write_bytes(sheet(found, asked, kind if kind in FORMATS else "pdf"))
        click.echo(f"Wrote {pdf}")
    if r_folder is not None:
        click.echo(f"Wrote {write_r_files(stored_scores(asked), r_folder)}")


def _published(models) -> None:
    answer = published_story(*models[:1])
    click.echo(answer.sentence)
    show_frame(answer.facts["beside"], "Beside it")
    click.echo(answer.caption)


COMMANDS = (trust, *PROMISE, *SELFTEST)
