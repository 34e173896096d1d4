"""What is known about every task of a sweep, in files beside the store: who works on it, what came out, what went wrong.

A task's state is keyed by content and belongs to no sweep, so sweeps that overlap share work. A claim is a lock of the operating
system: a killed worker lets go of it, and somebody else takes the task.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
import traceback
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd
from filelock import FileLock, Timeout

from analysis.scoring.verb import score
from analysis.store.promises import Locked
from analysis.store.store import Store
from analysis.sweep.plan import Cell, Plan, Task, tasks
from data.errors import BrainLensError, unknown
from data.files import atomic, in_words, touched

__all__ = ["STATES", "Standing", "Sweep", "finished_since", "standing", "sweeps"]

STATES = ("waiting", "running", "done", "failed", "blocked")
"""``blocked``: the reading that it needs has failed."""


class Sweep:
    """One plan, its tasks, and where they stand.

    Parameters
    ----------
    folder : Path
        ``<store>/sweeps/<name>-<key of the plan>``.
    """

    def __init__(self, folder: Path):
        self.folder = Path(folder)
        self.board = self.folder.parent / "tasks"
        try:
            said = json.loads((self.folder / "plan.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            known = [one.name for one in sweeps(self.folder.parent.parent)]
            raise BrainLensError(
                f"There is no sweep {self.folder.name!r}",
                choices=known,
                remedy="Start it with 'brainlens sweep run PLAN.toml'",
            ) from error
        self.plan = Plan.from_dict(said["plan"])
        self.tasks = [
            Task(one["key"], one["kind"], Cell(**one["cell"]), one["after"])
            for one in said["tasks"]
        ]
        self._by_key = {task.key: task for task in self.tasks}

    @property
    def root(self) -> Path:
        """The store's folder."""
        return self.folder.parent.parent

    @property
    def name(self) -> str:
        """Name of the sweep."""
        return self.folder.name

    @classmethod
    def of(cls, plan: Plan, store=None) -> Sweep:
        """The sweep of a plan: written down where it is new, the same one where it is not."""
        folder = (store or Store()).root / "sweeps" / f"{_slug(plan.name)}-{plan.key}"
        listed = [asdict(one) for one in tasks(plan)]
        said = {"plan": json.loads(json.dumps(plan.to_dict())), "tasks": listed}
        with contextlib.suppress(OSError, ValueError):
            known = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
            if {name: known.get(name) for name in said} == said:
                with contextlib.suppress(OSError):  # the newest is listed first
                    os.utime(folder / "plan.json")
                return cls(folder)
        with atomic(folder / "plan.json") as part:
            part.write_text(json.dumps(said | {"made": time.time()}, indent=1), encoding="utf-8")
        return cls(folder)

    @classmethod
    def find(cls, name: str, store=None) -> Sweep:
        """A sweep by its name, or the beginning of it.

        Raises
        ------
        BrainLensError
            Where none or several begin so.
        """
        known = {one.name: one for one in sweeps((store or Store()).root)}
        matches = [one for each, one in known.items() if each.startswith(name)]
        if name in known or len(matches) == 1:
            return cls(known.get(name) or matches[0])
        raise unknown("sweep", name, known)

    def task(self, key: str) -> Task:
        """The task of that key."""
        return self._by_key[key]

    # ---- one task ---------------------------------------------------------------------------------------------------
    def state(self, task: Task) -> dict:
        """What is written about a task; ``running`` only where somebody holds it now."""
        try:
            found = json.loads((self.board / f"{task.key}.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            found = {"state": "waiting"}
        if found["state"] == "running" and not self._held(task):
            return {"state": "waiting", "lost": found}
        return found

    def _held(self, task: Task) -> bool:
        lock = FileLock(self.board / f"{task.key}.lock", mode=0o666)
        try:
            with lock.acquire(timeout=0):
                return False
        except Timeout:
            return True
        except OSError:
            return False

    @contextlib.contextmanager
    def claim(self, task: Task) -> Iterator[bool]:
        """Whether the task is ours to do; nobody else has it while inside."""
        with in_words(self.board):
            self.board.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.board / f"{task.key}.lock", mode=0o666)
            try:
                lock.acquire(timeout=0)
                ours = True
            except Timeout:
                ours = False
        if not ours:
            yield False
            return
        try:
            yield True
        finally:
            lock.release()

    def write(self, task: Task, state: str, **facts) -> dict:
        """Put down where a task stands."""
        row = {
            "state": state,
            "kind": task.kind,
            **asdict(task.cell),
            "sweep": self.name,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "at": time.time(),
            **facts,
        }
        with atomic(self.board / f"{task.key}.json") as part:
            part.write_text(json.dumps(row, indent=1), encoding="utf-8")
        return row

    def fail(self, task: Task, error: BaseException, **facts) -> dict:
        """Keep an error with its traceback, until the task is retried."""
        trace = "".join(traceback.format_exception(error))
        return self.write(
            task, "failed", error=f"{type(error).__name__}: {error}", traceback=trace, **facts
        )

    def forget(self, *states: str) -> int:
        """Make tasks in these states wait again; how many."""
        count = 0
        for task in self.tasks:
            if self.state(task)["state"] in states:
                (self.board / f"{task.key}.json").unlink(missing_ok=True)
                count += 1
        return count

    # ---- the whole --------------------------------------------------------------------------------------------------
    def table(self) -> pd.DataFrame:
        """One row per task: key, kind, model, recording, protocol, state, seconds, estimated, host, error."""
        found = {task.key: self.state(task) for task in self.tasks}
        rows = []
        for task in self.tasks:
            said = found[task.key]
            state = said["state"]
            if state == "waiting" and task.after and found[task.after]["state"] == "failed":
                state = "blocked"
            rows.append(
                {
                    "key": task.key,
                    "kind": task.kind,
                    **asdict(task.cell),
                    "state": state,
                    "stored": bool(said.get("stored", False)),
                    "seconds": said.get("seconds"),
                    "estimated": said.get("estimated"),
                    "memory": said.get("memory"),
                    "host": said.get("host", ""),
                    "error": said.get("error", ""),
                }
            )
        return pd.DataFrame(rows)

    def counts(self) -> dict[str, int]:
        """State -> number of tasks."""
        counted = self.table()["state"].value_counts()
        return {state: int(counted.get(state, 0)) for state in STATES}

    def grid(self) -> pd.DataFrame:
        """Models x (recording, protocol): the state of each score."""
        frame = self.table()
        return _grid(frame[frame["kind"] == "score"])

    def scores(self) -> pd.DataFrame:
        """The layer tables of all cells that are done, side by side.

        A cell that a prediction has locked is one row without a number, whose ``note`` says so; ``attrs["locked"]`` is
        their count.
        """
        tables = [
            self._scores_of(task.cell)
            for task in self.tasks
            if task.kind == "score" and self.state(task)["state"] == "done"
        ]
        locked = sum("layer" not in one for one in tables)
        tables.sort(
            key=lambda one: "layer" not in one
        )  # columns in the order of a table of numbers
        frame = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
        frame.attrs["locked"] = locked
        return frame

    def _scores_of(self, cell: Cell) -> pd.DataFrame:
        """The layer table of one cell; of a locked one its names, and why nothing else."""
        how = self.plan.protocol(cell.protocol)
        try:
            table = score(
                cell.model, cell.recording, how, layers=self.plan.numbers, store=Store(self.root)
            ).table()
        except Locked as error:
            table = pd.DataFrame({"model": [cell.model], "note": [f"not shown: {error.problem}"]})
        return table.assign(recording=cell.recording, protocol=cell.protocol)


def sweeps(root: Path) -> list[Path]:
    """Folders of the sweeps of a store, newest first."""
    found = [path.parent for path in (Path(root) / "sweeps").glob("*/plan.json")]
    return sorted(found, key=lambda folder: -touched(folder / "plan.json"))


@dataclass(frozen=True)
class Standing:
    """Where a sweep stands, as plain values that a page draws.

    Parameters
    ----------
    name : str
    counts : dict of str to int
        State -> tasks.
    grid : DataFrame
        Models x (recording, protocol): ``cached`` where a score was there before, else the state of its task.
    models, recordings : tuple of str
        Of its cells.
    seconds, estimated : float
        Of the tasks that were computed: what they took, and what had been expected of them.
    errors : tuple of (str, str)
        What failed, and why; equal reasons once.
    """

    name: str
    counts: dict[str, int]
    grid: pd.DataFrame
    models: tuple[str, ...]
    recordings: tuple[str, ...]
    seconds: float
    estimated: float
    errors: tuple[tuple[str, str], ...]

    @property
    def goes_on(self) -> bool:
        """Whether somebody may still be working on it."""
        return bool(self.counts["waiting"] or self.counts["running"])


def standing(sweep: Sweep) -> Standing:
    """Look at every task once."""
    frame = sweep.table()
    scores = frame[frame["kind"] == "score"]
    shown = scores.assign(
        state=scores["state"].where(~((scores["state"] == "done") & scores["stored"]), "cached")
    )
    counted = frame["state"].value_counts()
    computed = frame[(frame["state"] == "done") & ~frame["stored"]]
    errors: dict[str, list[str]] = {}
    for row in frame[frame["state"] == "failed"].itertuples():
        errors.setdefault(row.error, []).append(f"{row.kind} {row.model} on {row.recording}")
    return Standing(
        sweep.name,
        {state: int(counted.get(state, 0)) for state in STATES},
        _grid(shown),
        tuple(dict.fromkeys(scores["model"])),
        tuple(dict.fromkeys(scores["recording"])),
        float(computed["seconds"].sum()),
        float(computed["estimated"].sum()),
        tuple((", ".join(who), why) for why, who in errors.items()),
    )


def _grid(scores: pd.DataFrame) -> pd.DataFrame:
    return scores.pivot_table(
        index="model",
        columns=["recording", "protocol"],
        values="state",
        aggfunc="first",
        sort=False,
    )


def finished_since(root: Path, at: float) -> float:
    """When the newest score of a sweep was finished, where that is later than ``at``; else ``at`` (seconds since 1970).

    Only what was written since then is read, so that a page may ask every few seconds.
    """
    newest = at
    with (
        contextlib.suppress(FileNotFoundError),
        os.scandir(Path(root) / "sweeps" / "tasks") as found,
    ):
        for entry in found:
            with contextlib.suppress(OSError, ValueError):  # gone, or half written, meanwhile
                if not entry.name.endswith(".json") or entry.stat().st_mtime <= at:
                    continue
                said = json.loads(Path(entry.path).read_text(encoding="utf-8"))
                if said["kind"] == "score" and said["state"] == "done":
                    newest = max(newest, entry.stat().st_mtime)
    return newest


def _slug(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_" else "-" for c in name).strip("-") or "sweep"
