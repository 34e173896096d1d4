"""Looks that follow what is typed: one at a time, the newest answer only."""

from __future__ import annotations

import threading
import time
from functools import partial

import pytest

from dashboards.work.desk import Desk
from dashboards.work.jobs import Runner
from dashboards.work.newest import Newest


class Looks:
    """Looks that wait until they are let go; how many ran at once is remembered."""

    def __init__(self):
        self.go, self.begun = threading.Event(), threading.Event()
        self.now = self.most = 0
        self.lock = threading.Lock()

    def look(self, answer, report):
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        self.begun.set()
        assert self.go.wait(60)
        with self.lock:
            self.now -= 1
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def looks():
    return Looks()


@pytest.fixture
def desk():
    return Desk(Runner(), copy=lambda text: None)


@pytest.fixture
def newest(desk):
    return Newest(desk, "look", "Looking")


def test_only_the_newest_answer_is_told_and_no_two_look_at_once(desk, newest, looks):
    told = []
    newest.ask(partial(looks.look, "first"), told.append)
    assert looks.begun.wait(60)
    newest.ask(partial(looks.look, "second"), told.append)
    newest.ask(partial(looks.look, "third"), told.append)
    looks.go.set()
    desk.wait(60)
    assert told == ["third"] and looks.most == 1
    newest.ask(partial(looks.look, "fourth"), told.append)
    desk.wait(60)
    assert told == ["third", "fourth"]


def test_what_is_forgotten_is_not_told_and_its_failure_not_shown(desk, newest, looks):
    told, failed = [], []
    newest.ask(partial(looks.look, ValueError("gone")), told.append, failed.append)
    assert looks.begun.wait(60)
    newest.forget()
    looks.go.set()
    desk.wait(60)
    assert not told and not failed and not desk.errors.objects
    newest.ask(partial(looks.look, ValueError("here")), told.append, failed.append)
    desk.wait(60)
    assert not told and [str(error) for error in failed] == ["here"]
    assert len(desk.errors.objects) == 1


def test_a_failure_that_something_newer_follows_is_not_shown(desk, newest, looks):
    told = []
    newest.ask(partial(looks.look, ValueError("old")), told.append)
    assert looks.begun.wait(60)
    newest.ask(partial(looks.look, "new"), told.append)
    looks.go.set()
    until = time.monotonic() + 60
    while not told and time.monotonic() < until:
        desk.wait(1)
    assert told == ["new"] and not desk.errors.objects


def test_of_many_jobs_whole_rows_are_shown_those_that_run_first_and_the_rest_is_counted():
    """Rows of a queue of nine stood in a strip that cut the third in half."""
    from dashboards.work.cards import ProgressRow

    go, desk = threading.Event(), Desk(Runner(), copy=lambda text: None)
    done = []
    for number in range(9):
        desk.submit(f"job{number}", f"job {number}", lambda report: go.wait(20), done.append)
    *rows, more = desk.progress.objects
    assert [type(row) for row in rows] == [ProgressRow] * 2
    assert "and 7 more" in more.object and "Activity" in more.object
    desk._waits = lambda key: key not in ("job5", "job8")
    desk._arrange()
    assert desk.progress.objects[:2] == [desk._rows["job5"], desk._rows["job8"]]
    go.set()
    desk.wait(30)
    assert list(desk.progress.objects) == [] and len(done) == 9
