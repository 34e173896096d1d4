"""The job runner: one computation per key, listeners that come and go, cancel, errors, order."""

from __future__ import annotations

import gc
import threading
import time
import weakref

import pytest

from dashboards.work.jobs import Job, Runner, duration
from data.home import acting_for


class Ear:
    """A listener that remembers."""

    def __init__(self):
        self.events = []
        self.end = threading.Event()

    def hear(self, event):
        self.events.append((event.kind, event.result))
        if event.kind in ("done", "failed", "cancelled"):
            self.end.set()

    def kinds(self):
        return [kind for kind, _ in self.events]


LISTENING: list[Ear] = []
"""A runner holds its listeners weakly: what nobody keeps leaves at once, and its job with it."""


def listener():
    """The ear of somebody who stays."""
    LISTENING.append(Ear())
    return LISTENING[-1].hear


class Work:
    """A computation that waits at its checkpoints until it is let go."""

    def __init__(self, result="result", steps=1000):
        self.calls, self.result, self.steps = 0, result, steps
        self.go, self.running, self.stopped = (
            threading.Event(),
            threading.Event(),
            threading.Event(),
        )

    def __call__(self, report):
        self.calls += 1
        self.running.set()
        try:
            for step in range(self.steps):
                report.step(step, self.steps, "layers")
                if self.go.wait(0.01):
                    break
            return self.result
        except BaseException:
            self.stopped.set()
            raise


@pytest.fixture
def runner():
    return Runner(workers=2)


def settle(condition, seconds=180):
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        time.sleep(0.005)
    return condition()


def test_two_listeners_share_one_computation(runner):
    work, one, other = Work(), Ear(), Ear()
    runner.submit("key", "title", work, one.hear)
    assert work.running.wait(5)
    runner.submit("key", "title", work, other.hear)
    work.go.set()
    assert one.end.wait(5) and other.end.wait(5)
    assert work.calls == 1
    assert one.events[-1] == other.events[-1] == ("done", "result")


@pytest.mark.parametrize("shared", [False, True])
def test_two_people_share_what_is_said_to_be_the_same_for_everybody_only(runner, shared):
    """A recording of one's own may be called like a colleague's: its check, its card and its removal are one's own."""
    works, ears = [Work(), Work()], [Ear(), Ear()]
    for name, work, ear in zip(("ada", "ben"), works, ears, strict=True):
        with acting_for(name):
            runner.submit("check:mine", "title", work, ear.hear, shared=shared)
            assert runner.goes_on("check:mine")
    for work in works:
        work.go.set()
    assert all(ear.end.wait(30) for ear in ears)
    assert [work.calls for work in works] == ([1, 0] if shared else [1, 1])


def test_who_cancels_ends_a_shared_computation_for_oneself_only(runner):
    """The one who began it too: a colleague who waits for the same score gets it."""
    work, ears = Work(), [Ear(), Ear(), Ear()]
    for name, ear in zip(("ada", "ada", "ben"), ears, strict=True):
        with acting_for(name):
            runner.submit("key", "title", work, ear.hear, shared=True)
    assert work.running.wait(30)
    job = runner.jobs()[0]
    assert job.of("ada") and job.of("ben") and not job.of("eve")
    with acting_for("ada"):
        runner.stop(job)
    assert all(ear.end.wait(30) and ear.kinds()[-1] == "cancelled" for ear in ears[:2])
    assert job.active and job.of("ben") and not job.of("ada") and not work.stopped.is_set()
    work.go.set()
    assert ears[2].end.wait(30) and ears[2].events[-1] == ("done", "result")


def test_who_cancels_last_ends_it(runner):
    work, ears = Work(), [Ear(), Ear()]
    for name, ear in zip(("ada", "ben"), ears, strict=True):
        with acting_for(name):
            runner.submit("key", "title", work, ear.hear, shared=True)
    assert work.running.wait(30)
    job = runner.jobs()[0]
    for name in ("ada", "ben"):
        with acting_for(name):
            runner.stop(job)
    assert work.stopped.wait(30) and job.state == "cancelled"


def test_one_leaving_does_not_stop_the_other(runner):
    work, one, other = Work(), Ear(), Ear()
    first = runner.submit("key", "title", work, one.hear)
    runner.submit("key", "title", work, other.hear)
    runner.leave(first)
    heard = len(one.events)
    work.go.set()
    assert other.end.wait(5) and other.events[-1] == ("done", "result")
    assert not one.end.is_set() and len(one.events) <= heard + 1


def test_the_last_one_leaving_cancels(runner):
    work, one, other = Work(), Ear(), Ear()
    tickets = [runner.submit("key", "title", work, ear.hear) for ear in (one, other)]
    assert work.running.wait(5)
    runner.leave(tickets[0])
    time.sleep(0.05)
    assert not work.stopped.is_set()
    runner.leave(tickets[1])
    assert work.stopped.wait(30)
    assert runner.jobs()[0].state == "cancelled"
    assert "done" not in one.kinds() + other.kinds()


def test_leaving_twice_is_harmless(runner):
    work, one, other = Work(), Ear(), Ear()
    first = runner.submit("key", "title", work, one.hear)
    runner.submit("key", "title", work, other.hear)
    runner.leave(first)
    runner.leave(first)
    work.go.set()
    assert other.end.wait(5)


def test_after_a_cancel_the_same_key_starts_anew(runner):
    work, again = Work(), Work(result="second")
    runner.leave(runner.submit("key", "title", work, listener()))
    ear = Ear()
    again.go.set()
    runner.submit("key", "title", again, ear.hear)
    assert ear.end.wait(5) and ear.events[-1] == ("done", "second")


def test_what_is_done_is_not_kept(runner):
    """The store answers the second time; the runner holds no results."""
    ear, work = Ear(), Work()
    work.go.set()
    runner.submit("key", "title", work, ear.hear)
    assert ear.end.wait(5)
    ear = Ear()
    runner.submit("key", "title", work, ear.hear)
    assert ear.end.wait(5) and work.calls == 2


def test_partial_results_reach_those_who_come_late(runner):
    go = threading.Event()

    def work(report):
        report.partial("first layer")
        go.wait(5)
        report.partial("second layer")
        return "all"

    one, late = Ear(), Ear()
    runner.submit("key", "title", work, one.hear)
    assert settle(lambda: ("partial", "first layer") in one.events)
    runner.submit("key", "title", work, late.hear)
    assert ("partial", "first layer") in late.events
    go.set()
    assert late.end.wait(5)
    assert [result for kind, result in one.events if kind == "partial"] == [
        "first layer",
        "second layer",
    ]


def test_progress_carries_counts_and_time_left(runner):
    def work(report):
        for step in range(5):
            report.step(step, 4, "folds")
            time.sleep(0.12)

    seen = []
    done = threading.Event()

    def notify(event):
        seen.append(
            (
                event.kind,
                event.job.done,
                event.job.total,
                event.job.what,
                event.job.seconds_left,
                event.job.words(),
            )
        )
        if event.kind == "done":
            done.set()

    runner.submit("key", "title", work, notify)
    assert done.wait(5)
    halfway = next(row for row in seen if row[0] == "progress" and row[1] == 2)
    assert halfway[2:4] == (4, "folds") and halfway[4] > 0
    assert halfway[5].startswith("folds 2 of 4, about ") and halfway[5].endswith(" left")


def test_bytes_are_told_as_sizes():
    job = Job(
        "key",
        "title",
        1,
        state="running",
        done=3_500_000,
        total=112_351_287,
        what="bytes of the starter pack",
    )
    assert job.words() == "the starter pack: 3.5 MB of 112 MB"


@pytest.mark.parametrize(("done", "told"), [(0.0, "0"), (2.4375, "2"), (3, "3")])
def test_pieces_are_told_whole_where_a_part_of_one_is_done(done, told):
    """The bar has the part; "runs 2.4375 of 59" told nobody more."""
    job = Job("key", "title", 1, state="running", done=done, total=59, what="runs")
    assert job.words() == f"runs {told} of 59"


def test_progress_is_thinned_out(runner):
    def work(report):
        for step in range(20000):
            report.step(step, 20000, "batches")

    ear = Ear()
    runner.submit("key", "title", work, ear.hear)
    assert ear.end.wait(20)
    assert ear.kinds().count("progress") < 200


def test_an_error_keeps_its_traceback_and_frees_the_slot(runner):
    def broken_work(report):
        raise KeyError("lost")

    for number in range(3):  # more than there are workers
        ear = Ear()
        runner.submit(f"key{number}", "title", broken_work, ear.hear)
        assert ear.end.wait(5) and ear.kinds()[-1] == "failed"
    job = runner.jobs()[0]
    assert job.state == "failed" and isinstance(job.error, KeyError)
    assert "broken_work" in job.traceback and "lost" in job.traceback
    assert job.error.__traceback__ is None


def test_a_listener_that_breaks_stops_nobody(runner):
    def broken(event):
        raise RuntimeError("view is gone")

    ear, work = Ear(), Work()
    runner.submit("key", "title", work, broken)
    runner.submit("key", "title", work, ear.hear)
    work.go.set()
    assert ear.end.wait(5) and ear.kinds()[-1] == "done"


def test_no_more_than_the_workers_run_at_once(runner):
    works, ears = [Work() for _ in range(4)], [Ear() for _ in range(4)]
    for number in range(4):
        runner.submit(f"key{number}", "title", works[number], ears[number].hear)
    assert settle(lambda: sum(work.running.is_set() for work in works) == 2)
    time.sleep(0.05)
    assert sum(work.running.is_set() for work in works) == 2
    assert sorted(job.state for job in runner.jobs()) == [
        "running",
        "running",
        "waiting",
        "waiting",
    ]
    for work in works:
        work.go.set()
    assert all(ear.end.wait(5) for ear in ears)


def test_files_are_fetched_while_every_place_computes(runner):
    busy = [Work() for _ in range(3)]
    for number, work in enumerate(busy):
        runner.submit(f"score{number}", "title", work, listener())
        assert number == 2 or work.running.wait(5)
    assert not busy[2].running.is_set()
    ear, fetch = Ear(), Work()
    fetch.go.set()
    runner.submit("fetch", "title", fetch, ear.hear, files=True)
    assert ear.end.wait(5) and ear.kinds()[-1] == "done"
    assert not busy[2].running.is_set()
    for work in busy:
        work.go.set()


def test_a_waiting_job_that_nobody_wants_never_runs(runner):
    busy = [Work(), Work()]
    for number, work in enumerate(busy):
        runner.submit(f"busy{number}", "title", work, listener())
    assert all(work.running.wait(5) for work in busy)
    never = Work()
    runner.leave(runner.submit("never", "title", never, listener()))
    for work in busy:
        work.go.set()
    assert settle(lambda: not any(job.active for job in runner.jobs()))
    time.sleep(0.05)
    assert never.calls == 0


def test_quiet_jobs_are_not_listed_and_never_wait(runner):
    busy = [Work(), Work()]
    for number, work in enumerate(busy):
        runner.submit(f"busy{number}", "title", work, listener())
    ear, look = Ear(), Work()
    look.go.set()
    runner.submit("look", "title", look, ear.hear, quiet=True)
    assert ear.end.wait(5)
    assert [job.key for job in runner.jobs() if job.key == "look"] == []
    for work in busy:
        work.go.set()


def test_a_listener_that_is_gone_leaves(runner):
    """A notebook cell run again: the old view is collected, its computation is cancelled."""
    work, ear = Work(), Ear()
    runner.submit("key", "title", work, ear.hear)
    assert work.running.wait(5)
    gone = weakref.ref(ear)
    del ear
    gc.collect()
    assert gone() is None
    assert work.stopped.wait(2)


def test_watchers_are_told_and_not_kept(runner):
    class Watcher:
        told = 0

        def changed(self):
            self.told += 1

    watcher, ear, work = Watcher(), Ear(), Work()
    runner.watch(watcher.changed)
    work.go.set()
    runner.submit("key", "title", work, ear.hear)
    gone = weakref.ref(watcher)
    assert ear.end.wait(5) and settle(lambda: gone().told >= 2)
    del watcher
    gc.collect()
    assert gone() is None


def test_history_is_bounded():
    runner = Runner(workers=4, keep=5)
    for number in range(12):
        ear, work = Ear(), Work()
        work.go.set()
        runner.submit(f"key{number}", f"title {number}", work, ear.hear)
        assert ear.end.wait(5)
    assert settle(
        lambda: (
            [job.title for job in runner.jobs()]
            == [f"title {number}" for number in (11, 10, 9, 8, 7)]
        )
    )


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.42, "0.4 s"), (12.3, "12 s"), (200, "3 min"), (7200, "2.0 h"), (None, "an unknown time")],
)
def test_durations(seconds, words):
    assert duration(seconds) == words


def test_what_a_closed_drawer_holds_is_not_read_out(runner):
    from dashboards.work.activity import Activity

    activity = Activity(runner=runner)
    inside = activity.drawer.objects[0]
    assert not inside.visible
    activity._toggle()
    assert inside.visible
    activity.drawer.open = False  # Esc
    assert not inside.visible
    activity.close()


def test_progress_in_the_drawer_takes_no_button_away(runner):
    """A list made anew with each report would swallow clicks, and keep a slow browser busy."""
    from dashboards.work.activity import Activity

    ear, step, activity = Ear(), threading.Event(), Activity(runner=runner)
    activity._toggle()
    assert "Nothing" in activity._list[0].object

    def work(report):
        for done in (1, 2):
            report.step(done, 4, "folds")
            step.wait(10)
            step.clear()

    def told(words):
        return [one for one in activity._list.select() if words in str(getattr(one, "object", ""))]

    runner.submit("k", "title", work, ear.hear)
    assert settle(lambda: runner.jobs()[0].done == 1)
    activity._show()
    before = list(activity._list)
    stop = activity._list[0].select(lambda one: getattr(one, "icon", "") == "close")
    assert len(before) == len(stop) == 1 and told("folds 1 of 4")
    step.set()
    assert settle(lambda: runner.jobs()[0].done == 2)
    activity._show()
    assert list(activity._list) == before and told("folds 2 of 4")
    step.set()
    assert ear.end.wait(5)
    activity._show()
    assert list(activity._list) != before and told("done after")
    activity.close()


def test_the_drawer_names_no_recording_of_another_person_and_cancels_nothing_of_theirs(runner):
    from dashboards.work.activity import Activity

    work, ear = Work(), Ear()
    with acting_for("ada"):
        mine = Activity(runner=runner)
        runner.submit("score", "gpt2 on adas-patients", work, ear.hear)
    with acting_for("ben"):
        others = Activity(runner=runner)
    shown = {}
    for name, drawer in (("ada", mine), ("ben", others)):
        drawer._toggle()
        shown[name] = [
            str(getattr(one, "object", "") or getattr(one, "label", ""))
            for one in drawer._list.select()
        ]
    assert (
        "gpt2 on adas-patients" in shown["ada"] and "Cancel gpt2 on adas-patients" in shown["ada"]
    )
    assert "Somebody else's computation" in shown["ben"]
    assert not [words for words in shown["ben"] if "adas" in words or "Cancel" in words]
    assert (mine.button.content, others.button.content) == (1, 0)
    work.go.set()
    assert settle(lambda: not runner.jobs()[0].active)
    others._show()
    assert not [
        one for one in others._list.select() if "Somebody" in str(getattr(one, "object", ""))
    ]
    mine.close(), others.close()
