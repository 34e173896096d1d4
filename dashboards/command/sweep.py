"""The command ``brainlens sweep``: many scores as one plan."""

from __future__ import annotations

from pathlib import Path

import click

from analysis.protocol import preset
from analysis.store.store import Store
from analysis.sweep.board import Sweep, sweeps
from analysis.sweep.plan import Plan, checked_layers, read_plan
from analysis.sweep.price import preview, schedule
from analysis.sweep.runners import run as work
from analysis.sweep.runners import submit as hand_over
from dashboards.command.console import _print, _table, progress
from dashboards.command.options import check_out, fields, write_frame
from dashboards.work.jobs import duration
from data.catalog.fetch import size_text
from data.errors import BrainLensError
from data.files import atomic

__all__ = ["sweep"]


def _text(value, unit: str = "") -> str:
    if value is None or value != value:
        return "?"
    return duration(value) if unit == "s" else size_text(int(value))


@click.group()
def sweep():
    """Many scores as one plan: models x recordings x protocols."""


@sweep.command("plan")
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--name", default="", help="Name of the sweep; the file's by default.")
@click.option("--model", "models", multiple=True, required=True, help="A name or pattern.")
@click.option("--on", "recordings", multiple=True, required=True, help="A name or pattern.")
@click.option("--protocol", "protocols", multiple=True, default=("defended",), show_default=True,
              help="A preset; may be repeated.")  # fmt: skip
@click.option("--set", "changes", multiple=True, metavar="FIELD=VALUE",
              help="Change one choice of the one protocol.")  # fmt: skip
@click.option(
    "--layers",
    default="",
    help="Layers such as 0,6,12, or places such as attn,mlp:3; all by default.",
)
def plan_(path, name, models, recordings, protocols, changes, layers):
    """Write a plan to PATH (.toml), to be read, changed and run."""
    if path.suffix != ".toml":
        raise BrainLensError(f"{path} does not end in .toml", remedy="Name it PLAN.toml")
    changed = {}
    if changes:
        if len(protocols) > 1:
            raise BrainLensError(
                "--set changes one protocol, and there are several",
                remedy="Write the plan without --set and add [protocol.NAME] to it",
            )
        changed = {f"{protocols[0]}-changed": preset(protocols[0]).but(**fields(changes))}
        protocols = tuple(changed)
    named = checked_layers(one for one in layers.split(",") if one.strip())
    made = Plan(name or path.stem, models, recordings, protocols, changed, named)
    with atomic(path) as part:
        part.write_text(made.toml(), encoding="utf-8")
    click.echo(f"Wrote {path}: {len(read_plan(path).cells())} scores")


@sweep.command()
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Only tell what it would compute and cost.")
@click.option("--runner", type=click.Choice(["serial", "processes", "dask", "slurm"]),
              default="serial", show_default=True,
              help="One by one, in processes, on Dask, or as a job array.")  # fmt: skip
@click.option("--mode", type=click.Choice(["cached", "retry", "force", "read-only"]),
              default="cached", show_default=True,
              help="What is stored stays; failed ones again; scores anew; only look.")  # fmt: skip
@click.option(
    "--workers", default=2, show_default=True, help="Processes, or elements of the array."
)
@click.option("--scheduler", default="", help="Address of a Dask scheduler.")
def run(path, dry_run, runner, mode, workers, scheduler):
    """Run the plan in PATH."""
    made = Sweep.of(read_plan(path))
    if dry_run:
        _show_preview(made, workers)
        return
    _run(made, runner, mode, workers, scheduler)


@sweep.command()
@click.argument("name")
@click.option("--runner", type=click.Choice(["serial", "processes", "dask", "slurm"]),
              default="serial", show_default=True,
              help="One by one, in processes, on Dask, or as a job array.")  # fmt: skip
@click.option("--retry", is_flag=True, help="Failed tasks too.")
@click.option(
    "--workers", default=2, show_default=True, help="Processes, or elements of the array."
)
@click.option("--scheduler", default="", help="Address of a Dask scheduler.")
def resume(name, runner, retry, workers, scheduler):
    """Go on with the sweep NAME: what is done stays done."""
    _run(Sweep.find(name), runner, "retry" if retry else "cached", workers, scheduler)


@sweep.command()
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--workers", default=8, show_default=True, help="Elements of the job array.")
@click.option("--mode", type=click.Choice(["cached", "retry", "force"]), default="cached",
              show_default=True, help="What is stored stays; failed ones again; scores anew.")  # fmt: skip
@click.option("--memory", default=8192, show_default=True, help="MiB of each.")
@click.option("--hours", default=12, show_default=True, help="Hours of each.")
@click.option("--sbatch", "options", multiple=True, metavar="OPTION",
              help="A further option, such as --sbatch=--partition=short.")  # fmt: skip
def submit(path, workers, mode, memory, hours, options):
    """Hand the plan in PATH to SLURM as a job array; submit again to resume."""
    made = Sweep.of(read_plan(path))
    click.echo(hand_over(made, workers=workers, mode=mode, memory=memory, hours=hours,
                         options=options))  # fmt: skip
    click.echo(f"Follow it with: brainlens sweep status {made.name}")


@sweep.command()
@click.argument("name", default="")
@click.option("--errors", is_flag=True, help="Show the tracebacks.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), default=None,
              help="Write the scores that are done: .csv or .parquet.")  # fmt: skip
def status(name, errors, out):
    """Where the sweep NAME stands; without a name, all of them."""
    if not name:
        for folder in sweeps(Store().root):
            one = Sweep(folder)
            click.echo(f"{one.name}: {_counts(one.counts())}")
        return
    if out is not None:
        check_out(out)
    _show_status(Sweep.find(name), errors)
    if out is not None:
        found = Sweep.find(name).scores()
        write_frame(found, out)
        locked = found.attrs["locked"]
        click.echo(f"Wrote {out}" + (f"; {locked} locked: without a number" if locked else ""))


# ---- what is shown --------------------------------------------------------------------------------------------------
def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {state}" for state, count in counts.items() if count) or "no task"


def _run(made, runner: str, mode: str, workers: int, scheduler: str) -> None:
    with progress(made.name) as report:
        counts = work(made, runner, mode=mode, workers=workers, scheduler=scheduler, report=report)
    click.echo(f"{made.name}: {_counts(counts)}")
    _show_status(made, False)


def _show_preview(made, workers: int) -> None:
    frame = preview(made)
    shown = _table("task", "model", "recording", "protocol", "stored", "time", "memory", "disk",
                   title=made.name)  # fmt: skip
    for row in frame.itertuples():
        shown.add_row(row.kind, row.model, row.recording, row.protocol, "yes" if row.stored else "",
                      _text(row.seconds, "s"), _text(row.memory), _text(row.disk))  # fmt: skip
    _print(shown)
    seconds = dict(zip([t.key for t in made.tasks], frame["seconds"].fillna(0.0), strict=True))
    unknown = int(frame["seconds"].isna().sum())
    click.echo(
        f"{int((~frame['stored']).sum())} of {len(frame)} tasks to do: "
        f"{_text(frame['seconds'].sum(), 's')} on one worker, "
        f"{_text(schedule(seconds, made.tasks, workers), 's')} on {workers}; "
        f"at most {_text(frame['memory'].max())} of memory each, {_text(frame['disk'].sum())} on disk"
        + (f"; {unknown} of unknown cost" if unknown else "")
    )


def _show_status(made, errors: bool) -> None:
    frame = made.table()
    grid = made.grid()
    shown = _table("model", *(f"{on}, {how}" for on, how in grid.columns), title=made.name)
    for model, row in grid.iterrows():
        shown.add_row(model, *("" if one != one else str(one) for one in row))
    _print(shown)
    click.echo(_counts(made.counts()))
    done = frame[(frame["state"] == "done") & ~frame["stored"]]
    if len(done):
        click.echo(
            f"cost so far: {_text(done['seconds'].sum(), 's')} in {len(done)} tasks, "
            f"estimated {_text(done['estimated'].sum(), 's')}; most memory {_text(done['memory'].max())}"
        )
    for row in frame[frame["state"] == "failed"].itertuples():
        click.echo(
            f"failed: {row.kind} {row.model} on {row.recording}, {row.protocol}: {row.error}"
        )
        if errors:
            click.echo(made.state(made.task(row.key))["traceback"])
