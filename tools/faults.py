"""Faults, tried and counted: kill -9, a full and a read-only disk at every change of a file, several processes.

``python -m tools.faults --write`` writes ``docs/reliability.md``; ``--kills``, ``--sites`` and ``--rounds`` make it shorter.
Everything happens in a home of its own. Children are forked from one process that has imported all, so that a try is short.
"""

from __future__ import annotations

import argparse
import ctypes
import errno
import json
import os
import platform
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tools.faults_work import STEPS, prepare, work

ROOT = Path(__file__).parents[1]


# ---- children ------------------------------------------------------------------------------------------------------------------
def child(home: Path, fault: tuple[int, int] | None = None, steps: tuple[str, ...] = STEPS) -> int:
    """Fork a child that works and writes what it was told beside the home; its process id."""
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        os.environ["BRAINLENS_HOME"] = str(home)
        sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115
        if fault is not None:
            _arm(*fault, home)
        told = work(home, steps)
        _arm(-1, 0, home)
        (home.parent / f"told-{os.getpid()}.json").write_text(json.dumps(told))
        code = 0
    finally:
        os._exit(code)


def told_by(home: Path, process: int) -> tuple[int, dict | None]:
    """Wait for a child: its exit status, and what it was told."""
    _, status = os.waitpid(process, 0)
    path = home.parent / f"told-{process}.json"
    return status, json.loads(path.read_text()) if path.exists() else None


def _arm(at: int, number: int, home: Path) -> None:
    library = ctypes.CDLL(None)
    if hasattr(library, "fault_arm"):
        library.fault_arm(ctypes.c_long(at), ctypes.c_int(number), str(home).encode())


def fresh(base: Path, template: Path, name: str) -> Path:
    """A copy of the prepared home, with its tables beside it."""
    place = base / name
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(template.parent, place)
    return place / template.name


# ---- faults ----------------------------------------------------------------------------------------------------------
def judge(home: Path, truth: dict, outcome: Counter) -> None:
    """After the fault: nothing is damaged, and the work ends as if nothing had been."""
    from analysis.store.store import Store

    os.environ["BRAINLENS_HOME"] = str(home)
    outcome["damaged"] += len(Store().verify())
    status, told = told_by(home, child(home))
    outcome["raw"] += told is None or any(
        "raw" in one for one in told.values() if isinstance(one, dict)
    )
    wrong = told is not None and {k: v for k, v in told.items() if truth[k] != v}
    outcome["wrong"] += bool(wrong)
    if wrong or told is None:
        outcome[f"detail: {str(wrong)[:600]} {status}"] += 1


def kills(base: Path, template: Path, truth: dict, tries: int, seconds: float) -> Counter:
    """kill -9 at random moments of the whole work, again and again in the same home."""
    outcome, pick = Counter(), random.Random(0)
    for number in range(tries):
        if number % 5 == 0:
            home = fresh(base, template, f"kill{number}")
        process = child(home)
        time.sleep(pick.uniform(0.0, seconds))
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        outcome["tries"] += 1
        if number % 5 == 4 or number == tries - 1:
            judge(home, truth, outcome)
    return outcome


def failing(base: Path, template: Path, truth: dict, number: int, sites: int) -> Counter:
    """The n-th change of a file fails, and every later one, for n = 1, 2, ...; then there is room again."""
    outcome = Counter()
    home = fresh(base, template, "count")
    process = os.fork()
    if not process:
        _arm(0, 0, home)
        os.environ["BRAINLENS_HOME"] = str(home)
        work(home)
        (home.parent / "count").write_text(str(ctypes.CDLL(None).fault_seen()))
        os._exit(0)
    os.waitpid(process, 0)
    every = int((home.parent / "count").read_text())
    step = max(1, every // sites) if sites else 1
    for at in range(1, every + 1, step):
        home = fresh(base, template, f"site{at}")
        _, told = told_by(home, child(home, (at, number)))
        outcome["tries"] += 1
        outcome["deaths"] += told is None
        for name, one in (told or {}).items():
            if isinstance(one, dict) and "raw" in one:
                outcome["raw"] += 1
                outcome[f"detail: {name} at {at}: {one['raw'][-700:]}"] += 1
            elif isinstance(one, dict) and "words" in one:
                outcome["in words"] += 1
            elif one != truth[name]:
                outcome["wrong"] += 1
                outcome[f"detail: {name} at {at}: {str(one)[:300]}"] += 1
        judge(home, truth, outcome)
        shutil.rmtree(home.parent)
    outcome["sites"] = every
    return outcome


def read_only(base: Path, template: Path, truth: dict) -> Counter:
    """Everything is there and nothing may be written: what is there is shown."""
    outcome = Counter(tries=1)
    home = fresh(base, template, "readonly")
    told_by(home, child(home))
    _, told = told_by(
        home,
        child(
            home,
            (1, errno.EROFS),
            ("score", "piece", "upload", "story", "epochs", "sweep", "starter"),
        ),
    )
    outcome["wrong"] = 1 if told is None else sum(one != truth[name] for name, one in told.items())
    if outcome["wrong"]:
        outcome[f"detail: {str(told)[:900]}"] += 1
    return outcome


def together(base: Path, template: Path, truth: dict, processes: int, rounds: int) -> Counter:
    """Several processes at the same work in the same home."""
    outcome = Counter()
    for number in range(rounds):
        home = fresh(base, template, f"together{processes}-{number}")
        running = [
            child(home, steps=tuple(s for s in STEPS if s not in ("sweep", "starter")))
            for _ in range(processes)
        ]
        for process in running:
            _, told = told_by(home, process)
            outcome["tries"] += 1
            raw = told is None or any(
                isinstance(one, dict) and "raw" in one for one in told.values()
            )
            outcome["raw"] += raw
            wrong = {} if told is None else {k: v for k, v in told.items() if truth[k] != v}
            outcome["wrong"] += bool(wrong) and not raw
            if raw or wrong:
                outcome[f"detail: {str(wrong)[:900]}"] += 1
        judge(home, truth, outcome)
    return outcome


# ---- all of them --------------------------------------------------------------------------------------------------
def run(kill: int, sites: int, rounds: int, crowds: list[int]) -> dict[str, Counter]:
    """Every fault, in a folder that is gone afterwards."""
    found: dict[str, Counter] = {}
    with tempfile.TemporaryDirectory(prefix="brainlens-faults-") as folder:
        base = Path(folder).resolve()
        template = base / "template" / "home"
        prepare(template)
        home = fresh(base, template, "truth")
        began = time.monotonic()
        _, truth = told_by(home, child(home))
        seconds = time.monotonic() - began
        if truth is None or any(isinstance(one, dict) for one in truth.values()):
            raise SystemExit(f"the work fails without a fault: {truth}")
        found["kill -9 at random moments"] = kills(base, template, truth, kill, seconds)
        if hasattr(ctypes.CDLL(None), "fault_arm"):
            for name, number in (("disk full (ENOSPC)", errno.ENOSPC), ("over quota (EDQUOT)", errno.EDQUOT),
                                 ("read-only (EROFS)", errno.EROFS)):  # fmt: skip
                found[f"{name} from the n-th change of a file on"] = failing(
                    base, template, truth, number, sites
                )
            found["a read-only home with everything in it"] = read_only(base, template, truth)
        for processes in crowds:
            found[f"{processes} processes at once"] = together(
                base, template, truth, processes, rounds
            )
    return found


def shim() -> str:
    """The library that fails; an empty text where there is no C compiler."""
    compiler = shutil.which("cc")
    if compiler is None or platform.system() != "Linux":
        return ""
    target = Path(tempfile.gettempdir()) / f"brainlens-faults-{os.getuid()}.so"
    subprocess.run(
        [
            compiler,
            "-shared",
            "-fPIC",
            "-O1",
            "-o",
            str(target),
            str(ROOT / "tools" / "faults_shim.c"),
            "-ldl",
        ],
        check=True,
    )
    return str(target)


def again(arguments: list[str]) -> subprocess.CompletedProcess:
    """Run this module in a process of its own, behind the library, one thread for numerics: it forks."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    environment = {**os.environ, **threads, "LD_PRELOAD": shim(), "BRAINLENS_FAULTS": "1"}
    return subprocess.run([sys.executable, "-m", "tools.faults", *arguments], cwd=ROOT, env=environment, text=True,
                          stdout=subprocess.PIPE)  # fmt: skip


def main() -> int:
    """Run, print, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument(
        "--sites", type=int, default=0, help="changes of a file that are tried; 0: every one"
    )
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument(
        "--processes",
        type=int,
        nargs="+",
        default=[2, 4, 8],
        help="how many at once, one after the other",
    )
    parser.add_argument("--write", action="store_true", help="write docs/reliability.md")
    given = parser.parse_args()
    if not os.environ.get("BRAINLENS_FAULTS"):
        done = again([one for one in sys.argv[1:] if one != "--write"])
        print(done.stdout)
        if given.write and done.returncode in (0, 1):
            from tools.faults_table import write

            write(json.loads(done.stdout.splitlines()[-1]))
        return done.returncode
    import analysis.answers.compare
    import analysis.scoring.verb  # noqa: F401
    import dashboards.page.bookmarks  # noqa: F401

    with tempfile.TemporaryDirectory() as warm:
        prepare(Path(warm) / "home")
        work(Path(warm) / "home")
    found = run(given.kills, given.sites, given.rounds, given.processes)
    bad = 0
    for name, outcome in found.items():
        plain = {k: v for k, v in outcome.items() if not k.startswith("detail")}
        print(f"{name}: {plain}")
        for detail in [k for k in outcome if k.startswith("detail")][:3]:
            print("   ", detail)
        bad += sum(outcome[k] for k in ("damaged", "wrong", "raw", "deaths"))
    print(json.dumps(found))
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
