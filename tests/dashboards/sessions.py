"""``python sessions.py``: sessions of a real server come and go; prints what of them is still in memory."""

from __future__ import annotations

import contextlib
import gc
import os
import socket
import threading
import time
import urllib.request
import weakref

import panel as pn

from dashboards import LENSES
from dashboards.page.page import open_page
from dashboards.work import jobs

LENSES_EACH = 4
SESSIONS = -(-len(LENSES) // LENSES_EACH)
SOON = {"check_unused_sessions_milliseconds": 100, "unused_session_lifetime_milliseconds": 100}


def main() -> None:
    """Open and abandon sessions, each on some lenses more, which listened to a computation of the process-wide runner."""
    go, alive = threading.Event(), []

    def work(report):
        while not go.wait(0.05):  # until nobody listens any more, however slow the machine is
            report.checkpoint()

    def window():
        bench = open_page()
        for number in range(LENSES_EACH):
            bench.selection.lens = list(LENSES)[(LENSES_EACH * len(alive) + number) % len(LENSES)]
            bench._open_lens()
            bench.lens.desk.submit("leak", "leak", work, print)
        parts = (bench, bench.selection, *bench.lenses.values(), bench.activity, bench.client)
        alive.append([weakref.ref(part) for part in parts])
        return bench

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    pn.serve({"app": window}, port=port, threaded=True, show=False, **SOON)
    until = time.monotonic() + 300
    while len(alive) < SESSIONS and time.monotonic() < until:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"http://localhost:{port}/app", timeout=60).read()
        time.sleep(0.05)
    until = time.monotonic() + 180
    while any(ref() is not None for refs in alive for ref in refs) and time.monotonic() < until:
        gc.collect()
        time.sleep(0.2)
    left = [type(ref()).__name__ for refs in alive for ref in refs if ref() is not None]
    state = next((job.state for job in jobs.RUNNER.jobs() if job.key == "leak"), "none")
    print(f"opened {len(alive)}, left {left}, job {state}", flush=True)
    os._exit(0)  # the server's thread has no other end


if __name__ == "__main__":
    main()
