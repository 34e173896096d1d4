"""A lab's server computes in processes of their own, under the limits and the rights of its file."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

RULES = """
[rights]
administrators = ["ada"]
[limits]
jobs = 3
job_gigabytes = 1.5
job_minutes = 7
"""
STOPPED_BEFORE_IT_LISTENS = """
import json, os, threading
import panel.io.server as served

def serve(*given, **named):
    from dashboards.work.jobs import RUNNER
    from data.home import acting_for
    from tests.dashboards.test_serve_jobs import asked
    told = {"here": os.getpid(), "memory": RUNNER.elsewhere.memory, "seconds": RUNNER.elsewhere.seconds,
            "places": RUNNER._slots[False]._free}
    for name in ("ada", "bob"):
        ended = threading.Event()
        def hear(event, name=name):
            if event.kind in ("done", "failed"):
                told[name] = event.result if event.kind == "done" else str(event.job.error)
                ended.set()
        with acting_for(name):
            RUNNER.submit(name, "a computation", asked, hear)
        ended.wait(120)
    RUNNER.elsewhere.close()
    print(json.dumps(told))
    os._exit(0)

served.get_server = serve
if __name__ == "__main__":
    from dashboards.command.cli import main
    main(["serve", *%r])
"""


def asked(report) -> dict:
    """Who computes, where, for whom, and whether a model would be fetched for them."""
    from analysis.models.catalog import fetch
    from data.errors import BrainLensError
    from data.gate import served
    from data.home import person

    try:
        fetch("nobody/has-such-a-model")
        words = ""
    except BrainLensError as error:
        words = str(error)
    return {"process": os.getpid(), "person": person(), "words": words, "served": served()}


def started(folder, *options: str) -> dict:
    """What a server that was started so would do with two people's computations."""
    home = folder / "home"
    (home / "server").mkdir(parents=True)
    (home / "server" / "server.toml").write_text(RULES)
    script = folder / "serve.py"
    script.write_text(STOPPED_BEFORE_IT_LISTENS % (list(options),))
    environment = {**os.environ, "BRAINLENS_HOME": str(home), "BRAINLENS_SHARED": "", "HF_HUB_OFFLINE": "1",
                   "PYTHONPATH": os.pathsep.join(filter(None, [os.getcwd(), os.environ.get("PYTHONPATH")]))}  # fmt: skip
    for name in ("BRAINLENS_WORKERS", "BRAINLENS_MIRROR"):
        environment.pop(name, None)
    if "password" in options:
        added = "from dashboards.serve.passwords import add; add('ada', 'a long password')"
        subprocess.run([sys.executable, "-c", added], env=environment, check=True)
    done = subprocess.run([sys.executable, str(script)], env=environment, capture_output=True, text=True)  # fmt: skip
    assert done.stdout.strip(), done.stderr[-2000:]
    return json.loads(done.stdout.strip().splitlines()[-1])


def test_people_compute_elsewhere_under_the_limits_and_rights_of_the_servers_file(tmp_path):
    told = started(tmp_path, "--login", "password")
    assert (told["memory"], told["seconds"], told["places"]) == (1_500_000_000, 420, 3)
    for name in ("ada", "bob"):
        assert told[name]["process"] != told["here"] and told[name]["person"] == name
        assert told[name]["served"]
    assert "bob may not fetch models" in told["bob"]["words"]
    assert "may not" not in told["ada"]["words"] and told["ada"]["words"]  # there is no network


def test_limits_have_defaults_and_wrong_ones_stop_the_start(clean_home, tmp_path):
    import psutil

    from dashboards.serve.rules import Rules
    from data.errors import BrainLensError

    plain = Rules.read(tmp_path / "none.toml")
    assert plain.job_bytes == psutil.virtual_memory().total // 2
    assert (plain.jobs, plain.job_minutes) == (2, 240)
    path = tmp_path / "server.toml"
    for text in (
        "jobs = 0",
        "jobs = 1.5",
        "jobs = true",
        "job_gigabytes = -1",
        "job_minutes = '3'",
    ):
        path.write_text(f"[limits]\n{text}\n")
        with pytest.raises(BrainLensError, match="Correct the server's file"):
            Rules.read(path)
