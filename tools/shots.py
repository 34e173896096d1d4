"""Screenshots of every lens, empty, running, full and failed, in three windows and both themes, on contact sheets to look at.

``make shots`` writes ``build/shots/LENS-STATE-WIDTHxHEIGHT-THEME.png`` and one sheet for each state. With arguments only some:
``python -m tools.shots --lens layers --lens compare --state full --size 1280x800 --theme dark``.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

SIZES = ("1440x900", "1280x800", "800x1000")
THEMES = ("light", "dark")
STATES = ("empty", "running", "full", "failed")
QUICK = "set.seeds=1&set.folds=3&set.inner_folds=2&set.bootstrap=50&set.controls=position&set.ceiling=none"
SLOW = "set.seeds=1&set.folds=24&set.inner_folds=20&set.bootstrap=20000"
SMALL = "zoo-causal-200k"
SELECTED = {
    "layers": f"models={SMALL}&models=random-64",
    "task": f"models={SMALL}&models=zoo-causal-400k",
    "untrained": f"models={SMALL}&seeds=2",
    "training": "models=zoo-causal-400k",
    "items": f"models={SMALL}&models=random-64",
    "reading": f"models={SMALL}",
    "time": f"models={SMALL}&recording=simulated-story&preset=story",
    "regions": f"models={SMALL}&recording=simulated-story&preset=story",
    "trust": f"models={SMALL}",
    "compare": f"models={SMALL}&models=random-64&tables=schrimpf2021",
}
"""What each lens shows when it is full; the others show what they open with."""
SETTLE = 1500
"""Milliseconds from the last change to the picture."""


@contextlib.contextmanager
def served(home: Path) -> Iterator[str]:
    """Address of an app with a home of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["-c", "from dashboards.command.cli import main; main()", "app", "--port", str(port)]
    own = {
        **os.environ,
        "BRAINLENS_HOME": str(home),
        "BRAINLENS_SHARED": "",
        "BRAINLENS_MIRROR": "",
    }
    with (home.parent / "server.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, *command], env=own, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"http://localhost:{port}/favicon.ico", timeout=1).close()
                break
            except urllib.error.HTTPError:
                break
            except OSError:
                time.sleep(0.1)
        yield f"http://localhost:{port}/app"
    finally:
        process.terminate()
        process.wait(20)


def link(url: str, lens: str, state: str) -> str:
    """Address of a lens in a state.

    Examples
    --------
    >>> link("/app", "library", "full")
    '/app?lens=library'
    """
    parts = [f"lens={lens}"]
    if state != "empty" and lens in SELECTED:
        parts.append(SELECTED[lens])
        parts.append({"running": SLOW, "full": QUICK, "failed": f"{QUICK}&set.group=galaxy"}[state])
    return f"{url}?{'&'.join(parts)}"


def settled(page, state: str, question: str) -> None:
    """Wait until a state is there: run what is missing, and for all but *running* until nothing runs."""

    def button(name: str):
        return page.get_by_role("button", name=name, exact=True).locator("visible=true")

    page.get_by_role("heading", name=question).locator(
        "visible=true"
    ).first.wait_for()  # no skeleton
    page.locator("#splash").wait_for(state="detached")
    until, quiet = time.monotonic() + 240, 0
    while quiet < 6 and time.monotonic() < until:
        page.wait_for_timeout(400)
        if state != "empty" and button("Run").count():
            button("Run").first.click()
            quiet = 0
        busy = bool(button("Cancel").count())
        if busy and state == "running":
            break
        quiet = 0 if busy else quiet + 1
    page.wait_for_timeout(SETTLE)


def photographed(page, folder: Path, name: str, sizes, themes) -> list[Path]:
    """One picture for each window and theme, without loading the page again."""
    made, dark = [], False
    for size in sizes:
        width, height = map(int, size.split("x"))
        page.set_viewport_size({"width": width, "height": height})
        for theme in themes if not dark else reversed(themes):
            if (theme == "dark") != dark:
                page.get_by_role("button", name="Toggle theme").first.click()
                dark = not dark
                page.wait_for_function(
                    f"location.search.includes('theme=dark') === {str(dark).lower()}"
                )
            page.wait_for_timeout(SETTLE)
            made.append(folder / f"{name}-{size}-{theme}.png")
            page.screenshot(path=made[-1])
    return made


def sheet(pictures: list[Path], path: Path, *, across: int = 6, width: int = 480) -> None:
    """A contact sheet with the name of each picture below it."""
    from PIL import Image, ImageDraw

    thumbs = []
    for picture in pictures:
        image = Image.open(picture).convert("RGB")
        thumbs.append((picture.stem, image.resize((width, image.height * width // image.width))))
    tall = max(image.height for _, image in thumbs) + 22
    rows = -(-len(thumbs) // across)
    whole = Image.new("RGB", (across * (width + 10), rows * tall), "white")
    draw = ImageDraw.Draw(whole)
    for place, (name, image) in enumerate(thumbs):
        corner = (place % across) * (width + 10), (place // across) * tall
        whole.paste(image, corner)
        draw.text((corner[0] + 2, corner[1] + image.height + 4), name, fill="black")
    whole.save(path)


def main() -> int:
    """Make the pictures and say where they are."""
    from playwright.sync_api import sync_playwright

    from dashboards import LENSES
    from tests.browser import find

    ask = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, known in (
        ("lens", tuple(LENSES.own)),
        ("state", STATES),
        ("size", SIZES),
        ("theme", THEMES),
    ):
        ask.add_argument(f"--{name}", action="append", choices=known if name != "size" else None)
    ask.add_argument("--out", type=Path, default=Path("build/shots"))
    told = ask.parse_args()
    told.out.mkdir(parents=True, exist_ok=True)
    if (browser_path := find()) is None:
        ask.error("no Chromium found; name one in BRAINLENS_CHROMIUM")
    with (
        tempfile.TemporaryDirectory() as folder,
        served(Path(folder) / "home") as url,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        for state in told.state or STATES:
            made = []
            for lens in told.lens or LENSES.own:
                if state in ("running", "failed") and lens not in SELECTED:
                    continue
                page = browser.new_page()
                page.set_default_timeout(120_000)
                page.goto(link(url, lens, state))
                settled(page, state, LENSES[lens].question)
                made += photographed(
                    page, told.out, f"{lens}-{state}", told.size or SIZES, told.theme or THEMES
                )
                page.close()
            sheet(made, told.out / f"sheet-{state}.png")
            print(told.out / f"sheet-{state}.png")
        browser.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
