"""The commands ``wiring``, ``perturb``, ``architectures`` and ``units``: what makes a model predict, and what breaks it."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from analysis.answers import wiring as answers
from analysis.answers.architectures import searched
from analysis.answers.changed import changed, changed_sentences
from analysis.answers.occlusion import occlusion, occlusion_curve
from analysis.answers.outcomes import outcome
from analysis.answers.perturb import lesion_names, lesions, noise, noise_names
from analysis.answers.units import make_map, score_units
from analysis.models.operators.reader import save
from analysis.models.variants.maps import drop_map, load_map, maps
from dashboards.command.console import progress, show_frame
from dashboards.command.options import check_out, models_argument
from dashboards.command.people import _OUT, _choices, _finish, _preset
from dashboards.work.jobs import duration
from dashboards.work.text_computations import words_of
from data.errors import BrainLensError
from data.readers.texts import read_text

__all__ = ["COMMANDS"]

_ON = click.option(
    "--on", "recording", default="simulated", show_default=True, metavar="RECORDING",
    help="A catalogue id or a file of your own.",
)  # fmt: skip
_TEXT = click.option(
    "--text",
    default="prose",
    show_default=True,
    help="Text of the bits per byte; 'none' for no bits.",
)
_TIMES = click.option(
    "--times", "corpus", default="", help="Reading times, such as natural-stories; none by default."
)


def _words(text: str) -> str:
    return "" if text == "none" else words_of(text)


def _side_by_side(tasks: list, workers: int, report) -> list:
    """What each task gives, in their order; in processes, each on its share of the cores, where there are several."""
    import multiprocessing
    import os
    from concurrent.futures import ProcessPoolExecutor, as_completed

    if workers < 2:
        return [task(report=report) for task in tasks]
    cores = str(max(1, (os.cpu_count() or 1) // workers))
    with ProcessPoolExecutor(
        workers, multiprocessing.get_context("spawn"), initializer=_alone, initargs=(cores,)
    ) as pool:
        asked = [pool.submit(task) for task in tasks]
        for done, _ in enumerate(as_completed(asked), 1):
            report.step(done, len(asked), "runs and births")
        return [one.result() for one in asked]


def _alone(cores: str) -> None:
    """In a worker: its share of the cores."""
    import os

    import torch

    os.environ["BRAINLENS_CORES"] = cores
    torch.set_num_threads(int(cores))


def _told(answer, table, title: str, out: Path | None) -> None:
    click.echo(answer.sentence)
    show_frame(table, title)
    click.echo(answer.caption)
    _finish(answer.frame, out)


@click.command()
@click.argument("model", default="zoo-causal-1m")
@_ON
@click.option(
    "--part",
    "parts",
    multiple=True,
    help="A set of trained weights; may be repeated; seven by default.",
)
@click.option(
    "--birth",
    "births",
    multiple=True,
    help="How weights are before: init, permute, gaussian, mixture, hashed.",
)
@click.option("--updates", default=640, show_default=True, help="Updates of each run.")
@click.option("--seeds", default=3, show_default=True, help="Runs of each set of weights.")
@click.option(
    "--workers", default=2, show_default=True, help="Processes that train and score side by side."
)
@click.option("--price", "only_price", is_flag=True, help="Only tell what it would take.")
@_TEXT
@_TIMES
@_choices
@_OUT
def wiring(
    model,
    recording,
    parts,
    births,
    updates,
    seeds,
    workers,
    only_price,
    text,
    corpus,
    protocol,
    changes,
    out,
):
    """How little training is enough: train parts of MODEL from its birth, and score it on the way.

    What is trained is kept, and a run that was stopped goes on where it was.
    """
    if out is not None:
        check_out(out)
    parts, births = parts or answers.SETS, births or ("init",)
    runs = len(parts) * len(births) * seeds
    seconds = answers.price(model, updates, runs)
    click.echo(
        f"{runs} runs of {updates} updates: about {duration(seconds)} on one core, scoring apart",
        err=True,
    )
    if only_price:
        return
    steps = [n for n in answers.UPDATES if n < updates] + [updates]
    asked = dict(
        recording=recording, protocol=_preset(protocol, changes), text=_words(text), corpus=corpus
    )
    tasks = [partial(answers.course, model, "", birth="", **asked)]
    tasks += [
        partial(answers.course, model, "", seed, birth=birth, **asked)
        for birth in answers.BIRTHS
        for seed in range(seeds)
    ]
    tasks += [
        partial(answers.course, model, part, seed, birth=birth, updates=steps, **asked)
        for seed in range(seeds)
        for birth in births
        for part in parts
    ]
    with progress(model) as report:
        found = _side_by_side(tasks, workers, report)
    answer = answers.wiring(found)
    columns = ["birth", "part", "updates", "weights", "seeds", "r", "share", "bits_per_byte"]
    _told(answer, answer.frame[columns], f"Runs of {model} on {recording}", out)


@click.command()
@models_argument
@_ON
@click.option("--by", type=click.Choice(["noise", "lesion", "masks", "words"]), default="noise", show_default=True,
              help="Noise in the weights, units cut out, masked words, or changed sentences.")  # fmt: skip
@click.option(
    "--paraphrases",
    default="",
    help="With --by words: a table with the columns text and paraphrase.",
)
@click.option("--seeds", default=5, show_default=True, help="Seeds of noise, lesions and masks.")
@click.option(
    "--how",
    default="word",
    show_default=True,
    help="In place of a masked word: word, delete, token.",
)
@click.option(
    "--map", "named", default="", help="With --by lesion: the map of units that localises them."
)
@_TEXT
@_TIMES
@_choices
@_OUT
def perturb(
    models, recording, by, paraphrases, seeds, how, named, text, corpus, protocol, changes, out
):
    """What breaks MODELS: noise by depth, lesions of localised and other units (of one model), masked words, other sentences."""
    if out is not None:
        check_out(out)
    if named and by != "lesion":
        raise BrainLensError(
            f"The map {named!r} localises units that are cut out", remedy="Write --by lesion"
        )
    if named:
        load_map(named)  # before anything is computed
    asked = dict(protocol=_preset(protocol, changes), text=_words(text), corpus=corpus)
    if by == "masks":
        with progress("masked words") as report:
            curves = [
                occlusion_curve(model, recording, how=how, seed=seed, report=report, **asked)
                for model in models
                for seed in range(seeds)
            ]
        answer = occlusion(curves)
        columns = ["model", "percent", "seeds", "r", "share", "bits_per_byte", "delta_ll", "words"]
    elif by == "words":
        given = _preset(protocol, changes)
        with progress("changed sentences") as report:
            runs = [
                changed_sentences(
                    model,
                    recording,
                    given,
                    seed=seed,
                    own="" if seed else paraphrases,
                    report=report,
                )
                for model in models
                for seed in range(seeds)
            ]
        answer = changed(runs)
        columns = ["model", "what", "seeds", "r", "r_low", "r_high", "share"]
    else:
        if len(models) > 1:
            raise BrainLensError(
                f"{len(models)} models cannot be broken at once",
                remedy="Give one model, or --by masks or --by words",
            )
        names, judge = (
            (noise_names, noise) if by == "noise" else (partial(lesion_names, named=named), lesions)
        )
        with progress(models[0]) as report:
            found = [
                outcome(name, recording, whole=models[0], report=report, **asked)
                for name in names(models[0], seeds)
            ]
        answer = judge(found)
        first = ["depth", "sd"] if by == "noise" else ["what", "percent"]
        columns = [*first, "seeds", "r", "r_low", "r_high", "bits_per_byte", "delta_ll", "kl"]
    _told(answer, answer.frame[columns], f"On {recording}", out)


@click.group()
def architectures():
    """Search over small networks of usual and unusual operators."""


@architectures.command("search")
@_ON
@click.option("--candidates", default=200, show_default=True, help="Networks that are tried.")
@click.option("--strategy", type=click.Choice(["evolution", "random"]), default="evolution", show_default=True,
              help="How the search goes on.")  # fmt: skip
@click.option(
    "--updates", default=0, show_default=True, help="Training of each network before it is judged."
)
@click.option("--seed", default=0, show_default=True, help="Of the search and of its halves.")
@_TIMES
@_choices
@_OUT
def architectures_search(
    recording, candidates, strategy, updates, seed, corpus, protocol, changes, out
):
    """Search on one half of a recording's stimuli and people, and look at the other half afterwards."""
    if out is not None:
        check_out(out)
    if corpus and not updates:
        raise BrainLensError(
            "Networks as at birth predict no text that readers could meet",
            remedy="Train them first: --updates 64",
        )
    with progress("networks") as report:
        answer = searched(
            recording, _preset(protocol, changes), count=candidates, strategy=strategy, updates=updates, seed=seed,
            corpus=corpus, report=report,
        )  # fmt: skip
    top = answer.frame.sort_values("search", ascending=False).head(12)
    _told(
        answer,
        top[["name", "formula", "search", "held_out", "bits_per_byte", "weights"]],
        "The best twelve",
        out,
    )


@architectures.command("save")
@click.argument("name")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
def architectures_save(name, folder):
    """Write network NAME, as net-1x64-forward-none-x.h.add.sin@wire:all:64:0, as a model folder that loads like any other."""
    click.echo(f"Wrote {save(name, folder)}")


@click.group()
def units():
    """Units of a model that answer to one kind of text: map, score, list; cut out by @lesion:map-NAME:1."""


@units.command("map")
@click.argument("model")
@click.argument("name")
@click.option("--first", type=click.Path(exists=True, dir_okay=False, path_type=Path), default=None,
              help="A text file, one text a line; sentences by default.")  # fmt: skip
@click.option("--second", type=click.Path(exists=True, dir_okay=False, path_type=Path), default=None,
              help="The texts it is contrasted with; non-words by default.")  # fmt: skip
@click.option("--about", default="", help="The contrast in words.")
def units_map(model, name, first, second, about):
    """Make a map of the units of MODEL and save it as NAME: t of each unit, first texts above second ones."""
    texts = [
        [line for line in read_text(path).splitlines() if line.strip()] if path else []
        for path in (first, second)
    ]
    with progress(model) as report:
        made = make_map(model, name, *texts, about=about, report=report)
    click.echo(f"{name}: {made.t.shape[0]} blocks of {made.t.shape[1]} units, largest t {made.t.max():.1f}; "
               f"cut out by {model}@lesion:map-{name}:1")  # fmt: skip


@units.command("score")
@click.argument("name")
@_ON
@click.option("--percent", default=1.0, show_default=True, help="Of all units.")
@click.option(
    "--seeds", default=5, show_default=True, help="Draws of other units of the same blocks."
)
@_choices
@_OUT
def units_score(name, recording, percent, seeds, protocol, changes, out):
    """How well the units of map NAME predict a recording, against as many others of the same blocks."""
    if out is not None:
        check_out(out)
    with progress(name) as report:
        answer = score_units(
            name, recording, _preset(protocol, changes), percent=percent, seeds=seeds, report=report
        )
    _told(answer, answer.frame, f"Units of {name}", out)


@units.command("list")
def units_list():
    """The maps that are saved, one a line: name, model, contrast."""
    for name in maps():
        one = load_map(name)
        click.echo(f"{name}\t{one.model}\t{one.about}")


@units.command("remove")
@click.argument("name")
def units_remove(name):
    """Delete the map NAME."""
    drop_map(name)
    click.echo(f"The map {name} is deleted")


COMMANDS = (wiring, perturb, architectures, units)
