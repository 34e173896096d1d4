"""Computations in processes: results, partial ones, cancel, errors, limits, and what happens when a process is lost."""

from __future__ import annotations

import os
import signal
import threading
import time
from functools import partial

import numpy as np
import pytest
from threadpoolctl import ThreadpoolController

from analysis.mapping.threads import cores
from analysis.progress import Cancelled, Report
from dashboards.work.jobs import Runner, Turns
from dashboards.work.processes import Workers, portable
from data.errors import BrainLensError


# ---- what is computed elsewhere (functions of this module: a worker imports it) -----------------------------------------
def who(report) -> int:
    return os.getpid()


def count(upto: int, report) -> list[int]:
    for number in range(upto):
        report.step(number, upto, "numbers")
        report.partial(list(range(number)))
    return list(range(upto))


def endless(path: str, report) -> None:
    number = 0
    while True:
        number += 1
        report.step(number, 10**9, "steps")
        with open(path, "w") as out:
            out.write(str(os.getpid()))
        time.sleep(0.01)


def place(report) -> str:
    return os.environ.get("BRAINLENS_DEVICE", "")


def threads(report) -> tuple[int, int]:
    """Cores it may use, and the most threads that a product of its matrices takes."""
    import scipy.linalg  # noqa: F401

    found = ThreadpoolController().select(user_api="blas").info()
    return cores(), max(library["num_threads"] for library in found)


def wrong(report) -> None:
    raise BrainLensError("the value 7 is odd", choices=("2", "4"), remedy="Give an even one")


def hungry(report) -> int:
    held = np.ones(400 * 2**20 // 8)
    while True:
        report.step(1, 2, "eating")
        time.sleep(0.05)
    return len(held)


@pytest.fixture(scope="module")
def workers():
    made = Workers()
    yield made
    made.close()


def test_a_worker_is_another_process_that_is_used_again(workers):
    first, second = (workers.run(who, Report()) for _ in range(2))
    assert first == second != os.getpid()


def test_progress_and_partial_results_come_over(workers):
    steps, parts = [], []
    report = Report(lambda *told: steps.append(told[:3]), parts.append)
    assert workers.run(partial(count, 4), report) == [0, 1, 2, 3]
    assert parts == [[], [0], [0, 1], [0, 1, 2]]
    assert steps[0] == (0, 4, "numbers")


def test_an_error_comes_over_whole_and_the_worker_lives(workers):
    before = workers.run(who, Report())
    with pytest.raises(BrainLensError, match="7 is odd") as caught:
        workers.run(wrong, Report())
    assert caught.value.choices == ("2", "4") and caught.value.remedy == "Give an even one"
    assert any("in wrong" in note for note in caught.value.__notes__)
    assert workers.run(who, Report()) == before


def test_cancel_reaches_the_computation(workers, tmp_path):
    report, before = Report(), workers.run(who, Report())
    threading.Timer(0.2, report.cancel).start()
    with pytest.raises(Cancelled):
        workers.run(partial(endless, str(tmp_path / "pid")), report)
    assert workers.run(who, Report()) == before


def test_what_begins_beside_another_gets_its_share_of_the_cores(workers, tmp_path, monkeypatch):
    monkeypatch.setenv("BRAINLENS_CORES", "2")
    path, first = tmp_path / "pid", Report()

    def beside():
        with pytest.raises(Cancelled):
            workers.run(partial(endless, str(path)), first)

    other = threading.Thread(target=beside)
    other.start()
    while not path.exists():
        time.sleep(0.01)
    assert workers.run(threads, Report()) == (1, 1)
    first.cancel()
    other.join()
    assert workers.run(threads, Report())[0] == cores()


def test_a_lost_process_is_an_error_and_the_next_computation_has_another(workers, tmp_path):
    path = tmp_path / "pid"

    def kill():
        while not path.exists() or not path.read_text():
            time.sleep(0.01)
        os.kill(int(path.read_text()), signal.SIGKILL)

    threading.Thread(target=kill, daemon=True).start()
    with pytest.raises(BrainLensError, match=r"was lost \(signal 9\)") as caught:
        workers.run(partial(endless, str(path)), Report())
    assert "Run it again" in caught.value.remedy
    assert workers.run(who, Report()) != int(path.read_text())


@pytest.mark.parametrize(
    "limit, work, words", [({"memory": 300 * 2**20}, hungry, "memory"), ({"seconds": 0.3}, hungry, "longer")]
)  # fmt: skip
def test_a_computation_over_its_limit_is_ended_and_says_so(limit, work, words):
    made = Workers(**limit)
    with pytest.raises(BrainLensError, match=words) as caught:
        made.run(work, Report())
    assert caught.value.remedy
    made.close()


def test_what_holds_on_to_this_process_is_no_work_for_another():
    lock = threading.Lock()
    assert not portable(lambda report: lock)
    assert not portable(partial(who, report=lock))
    assert portable(who)


# ---- the runner ---------------------------------------------------------------------------------------------------------
class Ear:
    def __init__(self):
        self.events, self.end = [], threading.Event()

    def hear(self, event):
        self.events.append((event.kind, event.result))
        if event.kind in ("done", "failed", "cancelled"):
            self.end.set()


def test_jobs_run_elsewhere_looks_and_closures_here(workers):
    runner, seen = Runner(elsewhere=workers), {}
    for name, work, options in (
        ("job", who, {}),
        ("look", who, {"quiet": True}),
        ("files", who, {"files": True}),
        ("closure", lambda report: os.getpid(), {}),
    ):
        ear = Ear()
        runner.submit(name, name, work, ear.hear, **options)
        assert ear.end.wait(60)
        seen[name] = ear.events[-1][1]
    assert seen.pop("job") != os.getpid()
    assert set(seen.values()) == {os.getpid()}


def test_a_job_outlives_its_page_and_a_reload_attaches(workers, tmp_path):
    runner, path = Runner(elsewhere=workers, linger=60), tmp_path / "pid"
    work = partial(endless, str(path))
    first = runner.submit("key", "title", work, Ear().hear)
    while not path.exists():
        time.sleep(0.01)
    runner.leave(first, gone=True)
    assert first.job.active and runner.goes_on("key") and not runner.goes_on("other")
    ear = Ear()
    again = runner.submit("key", "title", work, ear.hear)
    assert again.job is first.job
    runner.leave(again)
    assert not first.job.active and first.job.report.cancelled


def test_a_job_that_nobody_comes_back_to_ends():
    runner, release = Runner(linger=0.05), threading.Event()

    def work(report):
        while not release.wait(0.01):
            report.step(0, 1, "steps")

    ear = Ear()
    ticket = runner.submit("key", "title", work, ear.hear)
    runner.leave(ticket, gone=True)
    until = time.monotonic() + 180
    while ticket.job.active and time.monotonic() < until:
        time.sleep(0.01)
    release.set()
    assert ticket.job.state == "cancelled"


def test_turns_are_fair():
    """One owner that asks for many places does not keep another one waiting for all of them."""
    assert served(2, held=[("", 1), ("", 1)], asked=[("", 1), ("", 1), ("", 2)])[0] == ("", 2)


def served(places: int, held: list, asked: list) -> list:
    """In which order owners get a place that comes free, while all others stay taken."""
    turns, order, threads = Turns(places), [], []
    taken = [turns.taken(owner) for owner in held]
    for one in taken:
        one.__enter__()

    def ask(owner):
        with turns.taken(owner):
            order.append(owner)

    for number, owner in enumerate(asked):
        threads.append(threading.Thread(target=ask, args=(owner,)))
        threads[-1].start()
        while len(turns._waiting) < number + 1:
            time.sleep(0.01)
    taken.pop(0).__exit__(None, None, None)
    for thread in threads:
        thread.join(30)
    assert len(order) == len(asked)
    return order


def test_turns_are_fair_between_people_however_many_windows_one_has():
    windows = [("ada", view) for view in range(1, 6)]
    for places in (1, 2):
        held = windows[:places]
        assert served(places, held, [*windows[places:], ("bob", 9)])[0] == ("bob", 9)
    # two who ask for much take turns, and a third who came last waits for neither of them to end
    asked = [("ada", 1), ("ada", 1), ("ada", 1), ("bob", 2), ("bob", 2), ("eve", 3)]
    order = [who for who, _ in served(1, [("ada", 1)], asked)]
    assert order == ["bob", "eve", "ada", "bob", "ada", "ada"]


def test_closed_views_are_forgotten():
    turns = Turns(1)
    for view in range(3000):
        with turns.taken(("", view)):
            pass
    assert len(turns._served) < 1100 and len(turns._held) < 1100


def test_a_worker_takes_over_a_device_that_was_chosen_since(workers, monkeypatch):
    monkeypatch.setenv("BRAINLENS_DEVICE", "cpu")
    assert workers.run(place, Report()) == "cpu"
    monkeypatch.delenv("BRAINLENS_DEVICE")
    assert workers.run(place, Report()) == ""
