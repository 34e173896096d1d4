"""A real server and a real browser, one of each for all tests of a process."""

from __future__ import annotations

import itertools
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import pytest

from dashboards import LENSES
from dashboards.library.library import Library
from dashboards.state import Selection
from tests.browser import find

PATIENCE = 1000 * int(os.environ.get("BRAINLENS_PATIENCE", "180"))
"""Milliseconds that a test waits for the page: of a busy machine. Less shows sooner what is wrong."""

_SEEDS = itertools.count(10_000)


@dataclass
class Server:
    """A running ``panel serve app.py``."""

    url: str
    process: subprocess.Popen
    seconds: float
    log: Path


def start(folder: Path, *, prefix: str = "", **environment: str) -> Server:
    """Start the app with a home of its own and wait until it answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable,
        "-c",
        "from dashboards.command.cli import main; main()",
        "app",
        "--port",
        str(port),
        "--prefix",
        prefix,
    ]
    log = folder / "server.log"
    began = time.monotonic()
    alone = {"BRAINLENS_HOME": str(folder / "home"), "BRAINLENS_SHARED": "", "BRAINLENS_MIRROR": ""}
    surroundings = {**os.environ, **alone, **environment}
    with log.open("w") as stream:
        process = subprocess.Popen(
            command, env=surroundings, stdout=stream, stderr=subprocess.STDOUT, cwd=folder
        )
    url = f"http://localhost:{port}{prefix}/app"
    while time.monotonic() - began < 180 and process.poll() is None:
        try:
            urllib.request.urlopen(url.removesuffix("app") + "favicon.ico", timeout=1).close()
            break
        except urllib.error.HTTPError:
            break
        except OSError:
            time.sleep(0.05)
    return Server(url, process, time.monotonic() - began, log)


TOLD = [
    LENSES[slug]
    for slug in (
        "perturb",
        "wiring",
        "architectures",
        "design",
        "similarity",
        "task",
        "training",
        "time",
    )
]
"""Lenses whose pictures are asked for their words; loaded here, for what a lens adds to a selection is shared by all tests."""


@pytest.fixture(autouse=True)
def told(monkeypatch):
    """Every picture that these lenses show in a test has its sentence, its caption, and what its methods paragraph is made of."""
    silent = []
    for lens in TOLD:

        def heard(self, view=lens.view):
            shown = view(self)
            for one in shown.pictures:
                said = (
                    one.spec.answer,
                    one.spec.caption,
                    one.methods or one.paper or one.scores or one.published,
                )
                if not one.spec.empty and not all(said):
                    silent.append((self.slug, one.label, *map(bool, said)))
            return shown

        monkeypatch.setattr(lens, "view", heard)
    yield
    assert silent == [], "lens, picture, and whether it has sentence, caption, methods"


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """The app behind a path prefix; what one test computes, another finds stored: seeds of its own where that matters."""
    running = start(tmp_path_factory.mktemp("server"), prefix="/lab", BRAINLENS_AHEAD="0")
    yield running
    running.process.terminate()
    running.process.wait(90)


@pytest.fixture(scope="session")
def chromium():
    """An installed Chromium, without a window."""
    path = find()
    if path is None:
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail("no Chromium found; browser tests must not be skipped in CI", pytrace=False)
        pytest.skip("no Chromium found; name one in BRAINLENS_CHROMIUM")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def profile(chromium):
    """One profile of the browser for all pages: scripts are read and compiled once."""
    context = chromium.new_context(permissions=["clipboard-read", "clipboard-write"])
    yield context
    context.close()


@pytest.fixture
def visit(profile):
    """``visit(url, width=1280) -> page``; the test fails on console errors and on requests to another host."""
    pages, wrong = [], []

    def open_(url: str, *, width: int = 1280, height: int = 900):
        page = profile.new_page()
        pages.append(page)
        page.set_viewport_size({"width": width, "height": height})
        page.set_default_timeout(PATIENCE)
        page.on(
            "console",
            lambda message: wrong.append(message.text) if message.type == "error" else None,
        )
        page.on("pageerror", lambda error: wrong.append(error.stack or str(error)))
        page.on(
            "request",
            lambda request: (
                None if _own(request.url) else wrong.append(f"request to {request.url}")
            ),
        )
        page.goto(url)
        return page

    yield open_
    for page in pages:
        page.close()
    assert wrong[:9] == []


@pytest.fixture
def fresh() -> int:
    """A seed with which nothing on the server was computed: each try of a test has its own."""
    return next(_SEEDS)


def nameless(page, *roles: str) -> list[str]:
    """Controls of these roles that are seen and have no name."""
    found = []
    for role in roles:
        every, named = page.get_by_role(role), page.get_by_role(role, name=re.compile(r"\w"))
        if every.count() != named.count():  # one by one they take seconds
            found += [
                control.evaluate("node => node.outerHTML")[:200]
                for control in every.all()
                if control.is_visible() and not named.and_(control).count()
            ]
    return found


def _own(url: str) -> bool:
    return url.startswith(("http://localhost:", "ws://localhost:", "data:", "blob:"))


def settle(library, there, seconds: float = 180):
    """Drain what a library's workers tell until something is there; what failed meanwhile stands in the message."""
    until = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < until, [card.says for card in library.desk.errors.objects]
        library.desk.drain()
        time.sleep(0.02)


@pytest.fixture
def library(clean_home, monkeypatch):
    """The Library over an empty home, once its tables stand."""
    monkeypatch.setenv("BRAINLENS_MIRROR", "")  # what a mirror holds would count as ready
    made = Library(Selection(lens="library"))
    settle(made, lambda: made.recordings.ids)
    yield made
    made.close()
