"""The commands ``reading``, ``surprisal``, ``similarity`` and ``test``."""

from __future__ import annotations

from pathlib import Path

import click

from analysis.answers.similarity import layers_of, similarities
from analysis.features.surprisal import word_surprisal
from analysis.models import load
from analysis.protocol import preset
from analysis.reading.by_trial import compare_models, read_trials, require_persons, trial_table
from analysis.reading.r_folder import write_r_folder
from analysis.reading.run import read
from analysis.reading.source import corpus, surprisal_of
from analysis.scoring.significance import targets_test
from analysis.statistics.multiple import fdr
from dashboards.command.console import progress, show_frame
from dashboards.command.options import (
    check_out,
    device_option,
    fields,
    file_option,
    runnable,
    set_option,
    write_frame,
)
from data.catalog.catalog import entries
from data.catalog.catalog import recording as loaded
from data.decimals import least_p
from data.errors import BrainLensError
from data.files import guarded

__all__ = ["COMMANDS"]

_OUT = file_option("--out", help="Write the table: .csv or .parquet.")
_PROTOCOL = (
    click.option("--protocol", default="defended", show_default=True, help="A preset."),
    set_option,
)


def _recording(context, parameter, value):
    """A command of a recording says which there are where none is named."""
    if value is None and not context.resilient_parsing:
        raise BrainLensError(
            "No recording is named",
            choices=list(entries()),
            remedy="Add --on RECORDING, such as --on simulated-reading, or a file of your own",
        )
    return value


def _models(context, parameter, value):
    if not value and not context.resilient_parsing:
        raise BrainLensError(
            "No model is named",
            remedy="Name one, such as zoo-causal-400k; 'brainlens models list' shows all",
        )
    return runnable(context, parameter, value)


_ON = click.option("--on", "recording", metavar="RECORDING", callback=_recording,
                   help="A catalogue id or a file of your own.  [required]")  # fmt: skip


def _choices(command):
    for option in reversed(_PROTOCOL):
        command = option(command)
    return command


def _preset(name: str, changes: tuple[str, ...]):
    chosen = preset(name)
    return chosen.but(**fields(changes)) if changes else chosen


def _finish(frame, out: Path | None) -> None:
    if out is not None:
        write_frame(frame, out)
        click.echo(f"Wrote {out}")


# ---- reading ----------------------------------------------------------------------------------------------------------------
@click.command()
@click.argument("models", nargs=-1, callback=runnable)
@_ON
@click.option(
    "--surprisal",
    "tables",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A table with the columns stimulus and surprisal (bits), in place of a model; may be repeated.",
)
@click.option(
    "--form",
    type=click.Choice(["linear", "mixed", "gam"]),
    default="linear",
    show_default=True,
    help="linear and gam: of means over people; mixed: of single trials, people and items random.",
)
@click.option(
    "--held-out",
    "over",
    type=click.Choice(["people", "items", "texts", "both"]),
    default=None,
    help="What is new in the test; texts by default for linear and gam, in sample only by default for mixed.",
)
@click.option(
    "--formula", default=None, help="Of a mixed model, in lme4's language; with surprisal in it."
)
@click.option(
    "--filter",
    "filter_",
    default="no-edges",
    show_default=True,
    help="none, official, times-only, no-edges.",
)
@click.option(
    "--link",
    type=click.Choice(["identity", "log"]),
    default="identity",
    show_default=True,
    help="For linear and gam.",
)
@click.option(
    "--folds",
    type=click.IntRange(min=2),
    default=5,
    show_default=True,
    help="Of a mixed model.",
)
@click.option(
    "--r-folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=None,
    help="Also write a folder with the trials, an R script and our numbers (mixed).",
)
@_choices
@_OUT
def reading(models, recording, tables, form, over, formula, filter_, link, folds, r_folder, protocol, changes, out):  # fmt: skip
    """What the surprisal of MODELS adds to predicting how people read RECORDING.

    With --form mixed: log(rt) ~ surprisal + surprisal_1 + length + frequency + length_1 + frequency_1
    + (1 + surprisal | person) + (1 | item), or your own formula; AIC, likelihood-ratio test and slopes, and held out where asked.
    """
    if out is not None:
        check_out(out)
    if not models and not tables:
        raise BrainLensError("Nothing reads", remedy="Name a model, or give --surprisal FILE")
    chosen = _preset(protocol, changes)
    sources = [(name, name) for name in models] + [(path.stem, str(path)) for path in tables]
    if form == "mixed":
        frame = _mixed(sources, recording, chosen, over, formula, filter_, folds, r_folder)
    else:
        if over not in (None, "texts"):
            raise BrainLensError(
                f"--held-out {over} needs single trials; --form {form} is of means over people, held out by text",
                remedy="Add --form mixed, or leave --held-out out",
            )
        for name, given in (("--formula", formula), ("--r-folder", r_folder)):
            if given:
                raise BrainLensError(f"{name} belongs to mixed models", remedy="Add --form mixed")
        frame = _means(sources, recording, chosen, form, filter_, link)
    _finish(frame, out)


def _mixed(sources, recording, protocol, over, formula, filter_, folds, r_folder):
    import pandas as pd

    with progress("surprisal") as report:
        trials = _shared_trials(sources, recording, protocol, filter_, report)
    found = []
    for name, _ in sources:
        with progress(name) as report:
            found.append(read_trials("", recording, model=name, formula=formula, over=over, n_folds=folds,
                                     trials=trials[name], report=report))  # fmt: skip
    frame = pd.DataFrame([one.row for one in found])
    shown = [c for c in ("model", "n", "n_people", "n_items", "b", "standard_error", "z", "chi2", "df", "p", "aic", "delta_aic",
                         "delta_ll", "low", "high", "people_above", "people_below") if c in frame]  # fmt: skip
    show_frame(frame[shown], f"{recording}: single trials")
    for one in found:
        click.echo(f"{one.row['model']}: {one.fit.formula}")
        if one.row["df"] > 1:
            click.echo(f"  {one.tested}")
        for note in one.notes:
            click.echo(f"  {note}")
        if not one.row["converged"]:
            click.echo("  NOT CONVERGED: do not use these numbers")
        show_frame(
            one.fit.coefficients.rename_axis("term").reset_index(),
            f"{one.row['model']}: fixed effects",
        )
        show_frame(
            one.fit.variances,
            f"{one.row['model']}: variances (rows with another term: covariances)",
        )
    if over is not None and len(found) > 1:
        show_frame(compare_models(found), "Models against each other, nats per held-out trial")
    if r_folder is not None:
        click.echo(f"Wrote {write_r_folder(found, r_folder)}")
    return frame


def _shared_trials(sources, recording, protocol, filter_, report) -> dict:
    """The trials of each source, over those that all have a surprisal for."""
    from dataclasses import replace

    made = corpus(recording)
    require_persons(made)
    tables = {name: trial_table(recording, surprisal_of(given, made, protocol=protocol, report=report), filter=filter_)
              for name, given in sources}  # fmt: skip
    if len(tables) == 1:
        return tables
    own = {name: one.table["surprisal"].notna() for name, one in tables.items()}
    known = None
    for mask in own.values():
        known = mask if known is None else known & mask
    return {
        name: replace(one, table=one.table[known], notes=(*one.notes, *(
            [f"{int((own[name] & ~known).sum()):,} trials left out: another of the models knows no surprisal"]
            if (own[name] & ~known).any() else [])))
        for name, one in tables.items()
    }  # fmt: skip


def _means(sources, recording, protocol, form, filter_, link):
    import pandas as pd

    found, options = [], {"protocol": protocol, "filter": filter_, "link": link, "form": form}
    for name, given in sources:
        bits = surprisal_of(given, corpus(recording)) if Path(given).is_file() else None
        with progress(name) as report:
            found.append(read(name, recording, surprisal=bits, report=report, **options))
    frame = pd.concat([one.rows for one in found], ignore_index=True)
    show_frame(frame[["model", "measure", "delta_ll", "low", "high", "n_words", "n_texts", "bits_per_word", "verdict"]],
               f"{recording}: delta log-likelihood, nats per word, held out by text")  # fmt: skip
    for one in found:
        for note in one.notes:
            click.echo(f"  {note}")
    return frame


# ---- surprisal --------------------------------------------------------------------------------------------------------------
@click.command()
@click.argument("model")
@click.option(
    "--text",
    "text",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default=None,
    help="A file of plain text (UTF-8).",
)
@click.option(
    "--on", "recording", default=None, metavar="RECORDING", help="The words of a recording instead."
)
@click.option(
    "--lines", is_flag=True, help="Each line is a text of its own, read without the others."
)
@device_option
@_choices
@_OUT
def surprisal(model, text, recording, lines, protocol, changes, out):
    """Surprisal of every word of a text under MODEL, in bits.

    The table of a recording's words (--on) is what 'brainlens reading --surprisal' takes.
    """
    if out is not None:
        check_out(out)
    if (text is None) == (recording is None):
        raise BrainLensError(
            "Give one of --text FILE and --on RECORDING", remedy="For example --text story.txt"
        )
    if text is not None:
        try:
            written = text.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            raise BrainLensError(
                f"{text} is not UTF-8 text: {error}", remedy="Save it as UTF-8"
            ) from error
        source = [line for line in written.splitlines() if line.strip()] if lines else [written]
        if not any(one.strip() for one in source):
            raise BrainLensError(f"{text} has no words", remedy="Give a file with text")
    else:
        source = corpus(recording)
    with progress(model) as report:
        frame = word_surprisal(load(model), source, _preset(protocol, changes), report=report)
    frame = (
        frame.rename_axis("stimulus").reset_index()
        if recording
        else frame.rename(columns={"passage": "text_number"})
    )
    told = frame.attrs or {}
    shown = frame[[c for c in ("stimulus", "text_number", "text", "surprisal") if c in frame]]
    if out is None:
        click.echo(guarded(shown).to_csv(index=False), nl=False)
    else:
        show_frame(shown.head(12), f"{model}: the first of {len(frame):,} words, bits")
    known = frame["surprisal"].notna()
    click.echo(f"{int(known.sum()):,} of {len(frame):,} words, mean {frame['surprisal'].mean():.3f} bits"
               f"{'' if not told.get('kind') else ', ' + told['kind']}", err=True)  # fmt: skip
    _finish(frame, out)


# ---- similarity -------------------------------------------------------------------------------------------------------------
@click.command()
@click.argument("models", nargs=-1, callback=_models)
@_ON
@click.option(
    "--distance",
    type=click.Choice(["correlation", "euclidean"]),
    default="correlation",
    show_default=True,
    help="1 - r over units, or the squared distance per unit.",
)
@_choices
@_OUT
def similarity(models, recording, distance, protocol, changes, out):
    """Geometry without a fit: RSA and debiased CKA of every layer with the responses.

    RSA compares pairs of stimuli of different groups (topic, story) only, so that neighbours in time do not count.
    """
    if out is not None:
        check_out(out)
    with progress("similarity") as report:
        frame = similarities(
            models, recording, _preset(protocol, changes), distance=distance, report=report
        )
    show_frame(
        frame, f"{recording}: RSA (Spearman over pairs of different groups) and debiased CKA"
    )
    _finish(frame, out)


# ---- permutation ------------------------------------------------------------------------------------------------------------
@click.command("test")
@click.argument("models", nargs=-1, callback=_models)
@_ON
@click.option(
    "--draws",
    default=200,
    show_default=True,
    help="Permutations; alpha and layer are chosen anew in each.",
)
@_choices
@_OUT
def test(models, recording, draws, protocol, changes, out):
    """Which targets does a model predict above chance? Whole groups of responses change places, everything is fitted anew."""
    import numpy as np
    import pandas as pd

    if out is not None:
        check_out(out)
    if draws < 1:
        raise BrainLensError(
            f"--draws {draws} is no number of permutations", remedy="Give 1 or more, such as 200"
        )
    chosen, made, frames = _preset(protocol, changes), loaded(recording), []
    for name in models:
        with progress(name) as report:
            values, _ = layers_of(name, made, chosen, report=report)
            found = targets_test(values, made, chosen, draws=draws, report=report)
        q = fdr(found.p).q
        target = [str(one) for one in made.responses.target.values]
        frames.append(
            pd.DataFrame(
                {
                    "model": name,
                    "target": target,
                    "r": found.r,
                    "p": found.p,
                    "q": q,
                    "draws": draws,
                }
            )
        )
        known = np.isfinite(found.p)
        above = f"{int((q[known] < 0.05).sum()):,} of {int(known.sum()):,} targets above chance"
        click.echo(
            f"{name} on {made.id}: mean r {np.nanmean(found.r):.3f}; {above} "
            f"(q < .05, smallest possible p {least_p(found.floor)})"
        )
        click.echo(f"  {found.rule}")
    frame = pd.concat(frames, ignore_index=True)
    show_frame(frame.head(20), "The first targets")
    _finish(frame, out)


COMMANDS = (reading, surprisal, similarity, test)
