"""What can the models do? SyntaxGym, minimal pairs, GLUE and labelled tables, run here, with the published GLUE score beside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

import pandas as pd

from analysis.answers.answer import Answer, decimal, listed, plural
from analysis.answers.kept import here
from analysis.features.activations import CODE_VERSION as ACTIVATIONS
from analysis.features.surprisal import CODE_VERSION as SURPRISAL
from analysis.models import load
from analysis.progress import SILENT, Report
from analysis.protocol import Protocol
from analysis.store.keys import READING, content_key, packages
from analysis.store.store import Store
from analysis.store.told import find_told, keep_told
from analysis.tasks.pairs import judge
from analysis.tasks.probe import probe
from analysis.tasks.shares import mean_interval
from analysis.tasks.syntaxgym import evaluate
from data.errors import BrainLensError, unknown
from data.gate import existing
from data.hashes import file_hash
from data.readers.published import schrimpf2021_tasks
from data.readers.tasks import GLUE, glue, glue_folder, labelled_table, minimal_pairs
from data.readers.texts import files_of, syntaxgym
from data.shares import percent, percent_within

__all__ = [
    "KINDS",
    "TaskResult",
    "live_tasks",
    "run_task",
    "stored_task",
    "task_files",
    "task_kind",
    "told",
]

CODE_VERSION = 2
KINDS = ("syntaxgym", "pairs", "glue", "table")
_COLUMNS = ["part", "score", "low", "high", "chance", "n"]


@dataclass(frozen=True)
class TaskResult:
    """One model on one task.

    Parameters
    ----------
    model, task, kind : str
    parts : pandas.DataFrame
        part (suite, set of pairs, GLUE set), score, low, high, chance, n, and what else belongs to the kind.
    score, low, high, chance : float
        Mean over parts. Chance: of surprisals that say nothing, one half for pairs, the majority for a head.
    said : str
        What the interval is of, and how the number was got.
    """

    model: str
    task: str
    kind: str
    parts: pd.DataFrame
    score: float
    low: float
    high: float
    chance: float
    said: str


def task_kind(task: str) -> tuple[str, str]:
    """Kind and rest of a task's name.

    ``syntaxgym`` (all suites) or ``syntaxgym:npi_src_any``; ``glue`` (all eight sets) or ``glue:sst2``; ``pairs:FILE``;
    ``table:FILE``.

    Examples
    --------
    >>> task_kind("glue:sst2")
    ('glue', 'sst2')
    """
    kind, _, rest = task.strip().partition(":")
    if kind not in KINDS:
        raise unknown(
            "task", task, KINDS, remedy="Write syntaxgym, glue:sst2, pairs:FILE or table:FILE"
        )
    if kind in ("pairs", "table") and not rest:
        raise BrainLensError(f"The task {task!r} names no file", remedy=f"Write {kind}:FILE")
    return kind, rest


def told(task: str) -> str:
    """A task's name as it is read: of a file its name, not where it lies.

    Examples
    --------
    >>> told("pairs:/home/ana/agreement.jsonl"), told("syntaxgym"), told("glue:sst2")
    ('the pairs of agreement.jsonl', 'SyntaxGym', "GLUE's sst2")
    """
    kind, _, rest = task.strip().partition(":")
    named = {"syntaxgym": "SyntaxGym", "glue": "GLUE"}.get(kind)
    if named:
        return f"{named}'s {rest}" if rest else named
    return f"the {'pairs' if kind == 'pairs' else 'table'} of {Path(rest).name}" if rest else task


def run_task(
    model,
    task: str,
    protocol: Protocol | None = None,
    *,
    layer: int | str = -1,
    seeds: int = 3,
    folder: str = "",
    store=None,
    report: Report = SILENT,
) -> TaskResult:
    """One model on one task; what was finished before comes out of the store.

    Parameters
    ----------
    model : str or Model
    task : str
        As in :func:`task_kind`.
    protocol : Protocol, optional
        Of heads: how sentences become features.
    layer, seeds
        Of heads.
    folder : str
        That holds the GLUE sets; empty: ``glue`` in the mirror or in the data folder.

    Raises
    ------
    BrainLensError
        For tasks and files that are not there, and models that cannot do the task.
    """
    kind, rest = task_kind(task)
    source = load(model) if isinstance(model, str) else model
    store, key = store or Store(), _place(source, task, protocol, layer, seeds, folder)
    if (kept := find_told(store, key)) is not None:
        return _told(task, kept)
    if kind == "syntaxgym":
        made = _syntaxgym(source, task, rest, store, report)
    elif kind == "pairs":
        made = _pairs(source, task, rest, store, report)
    else:
        made = _heads(source, task, kind, rest, protocol, layer, seeds, folder, store, report)
    keep_told(store, key, asdict(made) | {"parts": made.parts.to_dict("list")})
    return made


def stored_task(
    model: str,
    task: str,
    protocol: Protocol | None = None,
    *,
    layer: int | str = -1,
    seeds: int = 3,
    folder: str = "",
    store=None,
) -> TaskResult | None:
    """What :func:`run_task` gave before, or None; nothing is computed, loaded or fetched."""
    readers = here([model])
    if readers is None:
        return None
    key = _place(readers[0], task, protocol, layer, seeds, folder)
    kept = find_told(store or Store(), key)
    return None if kept is None else _told(task, kept)


def _place(source, task: str, protocol: Protocol | None, layer, seeds: int, folder: str) -> str:
    """Key of a finished task: who does it, what its files hold, and of a head how it is made."""
    kind, rest = task_kind(task)
    head = ((protocol or Protocol()).key(), layer, seeds) if kind in ("glue", "table") else ()
    files = [(one.name, file_hash(one)) for one in task_files(task, folder)]
    part = "" if kind in ("pairs", "table") else rest
    code = (CODE_VERSION, SURPRISAL, ACTIVATIONS, packages(READING))
    return content_key("task", *code, source.id, source.identity, kind, part, files, *head)


def task_files(task: str, folder: str = "") -> list[Path]:
    """Everything that a task is read from, as far as it is there.

    Parameters
    ----------
    task : str
        As in :func:`task_kind`.
    folder : str
        That holds the GLUE sets.

    Raises
    ------
    BrainLensError
        For what is no task, and for a folder that is not there.
    """
    kind, rest = task_kind(task)
    if kind == "syntaxgym":
        return files_of(id="syntaxgym")
    if kind in ("pairs", "table"):
        roots = [place] if (place := existing(rest)) is not None else []
    else:
        names = [rest.lower()] if rest else list(GLUE)
        among = [(name, GLUE[name].released.folder) for name in names if name in GLUE]
        roots = [glue_folder(folder) / one for both in among for one in both]
    inside = [one for root in roots for one in ([root] if root.is_file() else root.glob("*"))]
    return sorted(set(filter(Path.is_file, inside)))


def _told(task: str, kept: dict) -> TaskResult:
    return TaskResult(**kept | {"task": task, "parts": pd.DataFrame(kept["parts"])})


def _syntaxgym(model, task: str, rest: str, store, report: Report) -> TaskResult:
    found = evaluate(model, syntaxgym(), [rest] if rest else [], store=store, report=report)
    parts = pd.DataFrame(
        [(n, s.accuracy, s.low, s.high, s.chance, s.n, s.unknown) for n, s in found.items()],
        columns=[*_COLUMNS, "unknown"],
    )
    low, high = mean_interval(parts["score"], parts["low"], parts["high"])
    said = (
        "Share of items of which the suite's own formula holds, mean over suites; intervals over items (Wilson's; of the "
        "mean, Zou and Donner's of these). Chance: surprisals that say nothing. A prediction that asks two surprisals to be "
        "equal is not counted."
    )
    score, chance = float(parts["score"].mean()), float(parts["chance"].mean())
    return TaskResult(model.id, task, "syntaxgym", parts, score, low, high, chance, said)


def _pairs(model, task: str, rest: str, store, report: Report) -> TaskResult:
    found = judge(model, minimal_pairs(rest), store=store, report=report)
    parts = found.sets.rename(columns={"set": "part", "accuracy": "score"}).assign(chance=0.5)
    return TaskResult(
        model.id, task, "pairs", parts, found.accuracy, found.low, found.high, 0.5,
        "Share of pairs whose good sentence is the more probable one, mean over sets; intervals over pairs (Wilson's; of the "
        "mean, Zou and Donner's of these).",
    )  # fmt: skip


def _heads(model, task, kind, rest, protocol, layer, seeds, folder, store, report) -> TaskResult:
    if kind == "glue":
        where = glue_folder(folder)
        names = [rest] if rest else list(GLUE)
        sets = [glue(name, where) for name in names]
    else:
        sets = [labelled_table(rest)]
    rows = []
    for number, one in enumerate(sets):
        report.step(number, len(sets), "sets")
        done = probe(model, one, protocol, layer=layer, seeds=seeds, store=store, report=report)
        metrics = {name: float(done.table[name].mean()) for name in one.metrics}
        rows.append(
            {"part": one.name, "score": done.score, "low": done.low, "high": done.high, "chance": done.majority,
             "n": done.n_test, "n_train": done.n_train, "layer": done.layer, **metrics}
        )  # fmt: skip
    parts = pd.DataFrame(rows)
    if kind == "glue":
        parts["published"] = [_published(model.id, name) for name in parts["part"]]
    mean = parts[["score", "low", "high", "chance"]].mean()
    score, low, high, chance = (float(mean[name]) for name in ("score", "low", "high", "chance"))
    left_out = sum(one.left_out for one in sets)
    return TaskResult(
        model.id, task, kind, parts, score, low, high, chance,
        f"A linear head on frozen layer {parts['layer'].iloc[0]}, each task's own measure (the mean where it has two); from the "
        f"lowest to the highest of {plural(seeds, 'seed')}, which is no interval over items. Baseline: always the most "
        "frequent answer (of numbers, their mean)."
        + (f" {plural(left_out, 'row')} without a sentence or a label left out." if left_out else ""),
    )  # fmt: skip


_RELEASED = {"stsb": "sts-b", "sst2": "sst-2"}


@lru_cache(maxsize=1)
def _table() -> pd.DataFrame:
    tasks = schrimpf2021_tasks()
    return tasks[tasks["variant"] == "trained"].set_index("model")


def _published(model: str, name: str) -> float:
    """The released GLUE score of a model on one set; NaN where there is none."""
    table = _table()
    wanted = _plain(_RELEASED.get(name, name))
    column = next((c for c in table.columns if c.startswith("glue_") and wanted in _plain(c)), None)
    return float(table.at[model, column]) if column and model in table.index else float("nan")


def _plain(text: str) -> str:
    return text.lower().replace("-", "").replace("_", "")


def _share(row: pd.Series) -> str:
    return percent_within(row["score"], row["low"], row["high"])


def live_tasks(results: Sequence[TaskResult]) -> Answer:
    """Results of one task side by side.

    Returns
    -------
    Answer
        ``frame``: model, part, score, low, high, chance, n and the kind's own columns; ``facts["means"]``: one row per model.

    Raises
    ------
    BrainLensError
        For results of several tasks.
    """
    tasks = dict.fromkeys(one.task for one in results)
    if len(tasks) != 1:
        raise BrainLensError(
            f"Results of {len(tasks)} tasks do not belong on one axis", remedy="Choose one task"
        )
    frame = pd.concat([one.parts.assign(model=one.model) for one in results], ignore_index=True)
    frame = frame[["model", *(c for c in frame.columns if c != "model")]]
    means = pd.DataFrame(
        [(one.model, one.score, one.low, one.high, one.chance) for one in results],
        columns=["model", "score", "low", "high", "chance"],
    ).sort_values("score", ascending=False, ignore_index=True)
    top = means.iloc[0]
    kind = results[0].kind
    verbs = {
        "syntaxgym": "is surprised where the suites say so in",
        "pairs": "prefers the good sentence in",
    }
    by_chance = decimal(top["chance"])
    if kind in verbs:
        first = f"{top['model']} {verbs[kind]} {_share(top)} (chance {percent(top['chance'])})"
        rest = [f"{row['model']} in {_share(row)}" for _, row in means.iloc[1:].iterrows()]
    else:
        first = f"{top['model']} reaches {decimal(top['score'])} (baseline {by_chance})"
        rest = [f"{row['model']} {decimal(row['score'])}" for _, row in means.iloc[1:].iterrows()]
    said = f"On {told(results[0].task)}, " + "; ".join(filter(None, [first, listed(rest)]))
    unknown_items = int(frame["unknown"].sum()) if "unknown" in frame else 0
    caption = results[0].said
    if unknown_items:
        caption += (
            f" {unknown_items:,} left out: a model gives a region or a sentence no probability."
        )
    return Answer(
        frame,
        said + ".",
        caption,
        facts={"means": means, "kind": kind},
        axes={"x_title": "", "y_title": {"glue": "Score", "table": "Score"}.get(kind, "Accuracy")},
    )
