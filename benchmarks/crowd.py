"""Many people at one server: what a click costs while all of them are there, and whether memory stays flat.

``python -m benchmarks.crowd`` opens 50 pages by websocket, each a session of its own whose owner goes to another lens every few
seconds, and ``--browsers`` windows of Chromium in which the same is done with a mouse, for ``--minutes``; then all leave. It
writes ``results/crowd.json``: seconds from a click to the server's answer and to the first change on the screen, memory over
time, errors in the server's log, and the sockets that are left.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from benchmarks.common import machine, table, write
from benchmarks.page import serve

LENSES = ("task", "untrained", "compare", "layers", "trust", "library")
"""What people go through: each shows something, or says what it needs, without a computation."""
REST = (10.0, 30.0)
"""Seconds between two clicks of one person, who reads what came, from and to."""
BAR = 0.2
"""Seconds that a click may take in the median."""
LOADING = ThreadPoolExecutor(64)
"""Where pages are loaded: asyncio's own few threads look up addresses meanwhile."""
READY = {
    "kind": "MessageSent",
    "msg_type": "bokeh_event",
    "msg_data": {
        "type": "event",
        "name": "document_ready",
        "values": {"type": "map", "entries": []},
    },
}


class Person:
    """One session over a websocket, without a browser."""

    def __init__(self, url: str, seed: int):
        self.url, self.chance = url, random.Random(seed)
        self.answered: list[float] = []
        self.shown: list[float] = []
        self.failed: list[str] = []
        self.sent = 0

    async def come(self) -> None:
        """Load the page, open its socket, take the document, and say that it is drawn."""
        from tornado.httpclient import HTTPRequest
        from tornado.websocket import websocket_connect

        loop = asyncio.get_running_loop()
        fetched = await loop.run_in_executor(LOADING, _got, self.url)
        token = re.search(rb'"token"\s*:\s*"([^"]+)"', fetched)[1].decode()
        base = self.url.removesuffix("/app")
        request = HTTPRequest(
            base.replace("http", "ws") + "/app/ws",
            headers={"Origin": base},
            connect_timeout=600,
            request_timeout=600,
        )
        self.socket = await websocket_connect(
            request, subprotocols=["bokeh", token], max_message_size=10**9
        )
        await self._heard("ACK")
        await self._send("PULL-DOC-REQ", {})
        await self._heard("PULL-DOC-REPLY")
        await self.socket.read_message()  # what of it holds no values
        self.header = _named(json.loads(await self.socket.read_message()), "Navigation")
        await self._send("PATCH-DOC", {"events": [READY]})
        await self._heard("PATCH-DOC")

    async def stay(self, until: float) -> None:
        """Click, look, rest, and again."""
        while time.monotonic() < until:
            await asyncio.sleep(self.chance.uniform(*REST))
            try:
                await self._click(self.chance.choice(LENSES))
            except Exception as error:  # told in the results, whatever it was
                self.failed.append(f"{type(error).__name__}: {error}")
                return
        self.socket.close()

    async def _click(self, lens: str) -> None:
        await self._rest()
        changed = {"kind": "ModelChanged", "model": {"id": self.header}, "attr": "lens", "new": lens}  # fmt: skip
        began = time.monotonic()
        await self._send("PATCH-DOC", {"events": [changed]})
        answered = shown = None
        while answered is None:
            kind = await self._heard("OK", "PATCH-DOC")
            if kind == "OK":
                answered = time.monotonic() - began
            elif shown is None:
                shown = time.monotonic() - began
        self.answered.append(answered)
        self.shown.append(answered if shown is None else shown)

    async def _rest(self) -> None:
        """Take what is still on its way, as a browser would."""
        while True:
            try:
                await asyncio.wait_for(self.socket.read_message(), 0.05)
            except TimeoutError:
                return

    async def _send(self, kind: str, content: dict) -> None:
        self.sent += 1
        for part in ({"msgid": f"p{self.sent}", "msgtype": kind}, {}, content):
            await self.socket.write_message(json.dumps(part))

    async def _heard(self, *kinds: str) -> str:
        """The kind of the next message that is one of these; the others are read over."""
        while True:
            said = await asyncio.wait_for(self.socket.read_message(), 120)
            if said is None:
                raise ConnectionError(f"closed: {self.socket.close_code}")
            if isinstance(said, str) and said.startswith('{"msgid"'):
                kind = json.loads(said)["msgtype"]
                if kind in kinds:
                    return kind


def _got(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=600) as page:
        return page.read()


def _named(document: dict, name: str) -> str:
    """The id of the first model whose name begins so."""
    for found in _objects(document):
        if str(found.get("name")).startswith(name) and "lens" in found.get("attributes", {}):
            return found["id"]
    raise LookupError(name)


def _objects(part) -> Iterator[dict]:
    if isinstance(part, dict):
        if part.get("type") == "object":
            yield part
        part = list(part.values())
    if isinstance(part, list):
        for one in part:
            yield from _objects(one)


# ---- browsers, and the server from outside ------------------------------------------------------------------------
def window(url: str, until: float, seed: int) -> list[float]:
    """Seconds from a click on a lens in the header to its heading, in Chromium."""
    from playwright.sync_api import sync_playwright

    from tests.browser import find

    chance, seconds = random.Random(seed), []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find(), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1600, "height": 900})
        page.set_default_timeout(300_000)
        page.goto(url + "?lens=compare")
        header = page.get_by_role("navigation", name="Lenses")
        names = ("Compare", "Trust", "Design")
        header.get_by_role("link", name="Trust").first.wait_for()
        now = "Compare"
        while time.monotonic() < until:
            page.wait_for_timeout(1000 * chance.uniform(*REST))
            now = chance.choice([one for one in names if one != now])
            began = time.monotonic()
            header.get_by_role("link", name=now).first.click()
            page.wait_for_function(f"location.search.includes('lens={now.lower()}')")
            seconds.append(time.monotonic() - began)
        browser.close()
    return seconds


def memory(process: int) -> int:
    """Resident bytes of a process and all that it started."""
    parents, sizes = {}, {}
    for path in Path("/proc").glob("[0-9]*/status"):
        try:
            said = dict(line.split(":", 1) for line in path.read_text().splitlines() if ":" in line)
        except OSError:
            continue
        parents[int(said["Pid"])] = int(said["PPid"])
        sizes[int(said["Pid"])] = int(said.get("VmRSS", "0 kB").split()[0]) * 1024
    ours, more = {process}, True
    while more:
        more = {child for child, parent in parents.items() if parent in ours} - ours
        ours |= more
    return sum(sizes.get(one, 0) for one in ours)


def sockets(url: str) -> int:
    """Websockets that the server counts."""
    said = urllib.request.urlopen(url.removesuffix("/app") + "/metrics", timeout=60).read().decode()
    return int(float(re.search(r"^brainlens_sockets\S* ([\d.]+)", said, re.MULTILINE)[1]))


async def crowd(url: str, process: int, people: int, minutes: float, browsers: int) -> dict:
    """All come, stay and leave; what was seen."""
    everybody = [Person(url, seed) for seed in range(people)]
    began = time.monotonic()
    came = []

    async def arrive(person: Person) -> None:
        first = time.monotonic()
        await person.come()
        came.append(time.monotonic() - first)

    await asyncio.gather(*map(arrive, everybody))
    here = sockets(url)
    began, until, seen = time.monotonic(), time.monotonic() + 60 * minutes, []

    async def look() -> None:
        while time.monotonic() < until:
            seen.append((round(time.monotonic() - began), await asyncio.to_thread(memory, process)))
            await asyncio.sleep(min(20, 3 * minutes))

    windows = [asyncio.to_thread(window, url, until, seed) for seed in range(browsers)]
    done = await asyncio.gather(look(), *windows, *(one.stay(until) for one in everybody))
    await asyncio.sleep(30)
    clicks = [seconds for one in everybody for seconds in one.answered]
    changes = [seconds for one in everybody for seconds in one.shown]
    return {
        "people": people,
        "browsers": browsers,
        "minutes": minutes,
        "sockets while all are there": here,
        "arrival, s": _spread(came),
        "clicks": len(clicks),
        "answered, s": _spread(clicks),
        "first change on the screen, s": _spread(changes),
        "in a browser, s": _spread([s for one in done[1 : 1 + browsers] for s in one]),
        "failed": [why for one in everybody for why in one.failed],
        "memory, MB": [(at, round(size / 1e6)) for at, size in seen],
        "memory after all left, MB": round(memory(process) / 1e6),
        "sockets after all left": sockets(url),
    }


def _spread(seconds: list[float]) -> dict:
    if not seconds:
        return {}
    named = {"median": 50, "95 %": 95, "longest": 100}
    return {name: round(float(np.percentile(seconds, at)), 3) for name, at in named.items()}


def main(arguments: list[str] | None = None) -> int:
    """Run, print, write ``results/crowd.json``; 1 where a click failed or the median is over the bar."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, default=50)
    parser.add_argument("--browsers", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=30.0)
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as place:
        process, url, _ = serve(Path(place), "serve", "--open")
        try:
            found = asyncio.run(
                crowd(url, process.pid, chosen.people, chosen.minutes, chosen.browsers)
            )
        finally:
            process.terminate()
            process.wait(60)
        log = (Path(place) / "server.log").read_text()
    found["errors in the log"] = len(re.findall(r"^Traceback", log, re.MULTILINE))
    passed = not found["failed"] and found["answered, s"]["median"] <= BAR
    write("crowd", found | {"bar, s": BAR, "passed": passed, "machine": machine()})
    print(table([{"what": name, "seen": str(seen)[:160]} for name, seen in found.items()]))
    if found["errors in the log"]:
        print(log[-4000:])
    return 0 if passed else 1


if __name__ == "__main__":
    raise SystemExit(main())
