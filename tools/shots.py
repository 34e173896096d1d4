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

from dashboards import LENSES

SIZES = ("1440x900", "1280x800", "800x1000")
THEMES = ("light", "dark")
STATES = ("empty", "running", "full", "failed")
QUICK = "set.seeds=1&set.folds=3&set.inner_folds=2&set.bootstrap=50&set.controls=position&set.ceiling=none"
STORY = QUICK.replace("position", "word-rate")
"""Samples of a run have no position in a passage."""
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
    "trust": f"models={SMALL}&copies=1&exchanges=20&doubts=leaks&doubts=court",
    "compare": f"models={SMALL}&models=random-64&tables=schrimpf2021",
    "similarity": f"models={SMALL}&models=zoo-causal-400k",
    "perturb": f"models={SMALL}&draws=1&breaks=lesion",
    "wiring": f"models={SMALL}&runs=1&updates=64&parts=all&parts=norms",
    "architectures": "networks=8",
    "design": f"models={SMALL}&models=zoo-causal-400k&design=power&effect=0.01",
}
"""What each lens shows when it is full; the others (the library) show what they open with."""
FAILING = {
    "reading": "corpora=simulated",
    "similarity": "recording=simulated-story",
    "architectures": "recording=simulated-story",
}
"""What makes a lens fail that asks nothing of the groups of stimuli: a recording without what it needs."""
PUBLISHED = ("task", "untrained", "trust")
"""Lenses that show a figure before anything of their own is computed."""
IDLE = ("compare",)
"""Lenses that compute nothing of their own: what they show is in the store, or published."""
LONGEST = 420
"""Seconds that a state may take."""
ON_SHEET = 6
"""Pictures of a contact sheet: those of a lens in a state."""
SETTLE = 1200
"""Milliseconds from the last change to the picture."""
LAYOUT = """() => {
  const sizes = [document.documentElement.scrollHeight], colours = {}
  const walk = (root) => {
    for (const node of root.querySelectorAll("*")) {
      const {color, backgroundColor} = getComputedStyle(node), both = `${color} on ${backgroundColor}`
      colours[both] = (colours[both] ?? 0) + 1
      if (["CANVAS", "H4", "TABLE", "NAV"].includes(node.tagName)) {
        const {x, y, width, height} = node.getBoundingClientRect()
        sizes.push(node.tagName, x, y, width, height)
      }
      if (node.shadowRoot) { walk(node.shadowRoot) }
    }
  }
  walk(document)
  return JSON.stringify([sizes, colours])
}"""
"""Where everything stands that moves when a window or a lens changes, and the colours that change with the theme."""
ASIDE = """() => {
  const walk = (root) => {
    for (const node of root.querySelectorAll("*")) {
      if (node.tagName === "H4" && node.getBoundingClientRect().width) { return node }
      const found = node.shadowRoot && walk(node.shadowRoot)
      if (found) { return found }
    }
  }
  const x = walk(document)?.getBoundingClientRect().x ?? 0
  return x < 150 ? "narrow" : "wide"
}"""
"""Whether the controls stand beside the question."""
DARK = """() => {
  const walk = (root) => {
    for (const node of root.querySelectorAll("*")) {
      if (node.tagName === "H4" && node.getBoundingClientRect().width) { return node }
      const found = node.shadowRoot && walk(node.shadowRoot)
      if (found) { return found }
    }
  }
  const question = walk(document)
  return question ? Number(getComputedStyle(question).color.match(/\\d+/)[0]) > 127 : null
}"""
"""Whether the question is written as on a dark page: a busy server changes the address first and the colours seconds later."""


@contextlib.contextmanager
def served(home: Path, *, ahead: bool = True) -> Iterator[str]:
    """Address of an app with a home of its own; without ``ahead`` no lens is opened before it is asked for."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["-c", "from dashboards.command.cli import main; main()", "app", "--port", str(port)]
    own = {
        **os.environ,
        "BRAINLENS_HOME": str(home),
        "BRAINLENS_SHARED": "",
        "BRAINLENS_MIRROR": "",
        "BRAINLENS_AHEAD": str(int(ahead)),
    }
    with (home.parent / "server.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, *command], env=own, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        until = time.monotonic() + LONGEST
        while True:
            try:
                urllib.request.urlopen(f"http://localhost:{port}/favicon.ico", timeout=5).close()
                break
            except urllib.error.HTTPError:
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > until:
                    raise
                time.sleep(0.1)
        yield f"http://localhost:{port}/app"
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()


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
        quick = STORY if "preset=story" in SELECTED[lens] else QUICK
        failing = f"{quick}&{FAILING.get(lens, 'set.group=galaxy')}"
        parts.append({"running": SLOW, "full": quick, "failed": failing}[state])
    return f"{url}?{'&'.join(parts)}"


def settled(page, lens: str, state: str, question: str) -> None:
    """Wait until a state is there; press Run where it is offered.

    Raises
    ------
    TimeoutError
        If it does not come: a picture of something else would be taken for it.
    """
    from playwright.sync_api import Error as PlaywrightError

    def seen(found) -> bool:
        return bool(found.locator("visible=true").count())

    def button(name: str):
        return page.get_by_role("button", name=name, exact=True)

    heading = page.get_by_role("heading", name=question).locator("visible=true")
    heading.first.wait_for()  # no skeleton
    page.locator("#splash").wait_for(state="detached")
    runs = lens in SELECTED and lens not in IDLE and state != "empty"
    until, calm, began = time.monotonic() + LONGEST, 0, not runs
    while calm < 4:
        if time.monotonic() > until:
            raise TimeoutError(f"{lens} is not {state} after {LONGEST} s")
        page.wait_for_timeout(400)
        busy, failed = seen(button("Cancel")), seen(button("Technical details"))
        if runs and not busy and not failed and seen(button("Run")):
            calm = 0
            with contextlib.suppress(PlaywrightError):  # it may have gone by itself meanwhile
                button("Run").locator("visible=true").first.click(timeout=2000)
                began = True
            continue
        drawn = lens not in PUBLISHED and seen(page.locator("canvas"))
        began = began or busy or failed or drawn
        if busy and state == "running":
            break
        there = {
            "empty": not busy,
            "running": False,  # one that ends before it is seen is none
            "full": not busy and (seen(page.locator("canvas")) or lens not in SELECTED),
            "failed": failed and not busy,
        }[state]
        calm = calm + 1 if there and began else 0
    still(page)


def still(page) -> None:
    """Wait until nothing has moved for as long as it takes to settle: a plot fits its window after an answer of the server."""
    before, since = None, time.monotonic()
    until = since + 30
    while time.monotonic() - since < SETTLE / 1000 and time.monotonic() < until:
        page.wait_for_timeout(150)
        now = page.evaluate(LAYOUT)
        if now != before:
            before, since = now, time.monotonic()


def laid_out(page, width: int) -> None:
    """Wait until the controls stand beside the page, or are away in a narrow window: the server is told of its width."""
    from dashboards.lens.parts import NARROW

    aside = "narrow" if width < NARROW else "wide"
    with contextlib.suppress(Exception):  # then the picture shows it
        page.wait_for_function(f"({ASIDE})() === '{aside}'", timeout=30_000)


def photographed(page, folder: Path, name: str, sizes, themes) -> list[Path]:
    """One picture for each window and theme, without loading the page again."""
    made, dark = {}, False
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
                with contextlib.suppress(Exception):  # then the picture shows it
                    page.wait_for_function(f"({DARK})() === {str(dark).lower()}", timeout=60_000)
            page.mouse.move(5, height - 5)  # no tooltip
            laid_out(page, width)
            still(page)
            made[size, theme] = folder / f"{name}-{size}-{theme}.png"
            page.screenshot(path=made[size, theme])
    return [made[size, theme] for size in sizes for theme in themes]


def sheets(pictures: list[Path], folder: Path, name: str) -> list[Path]:
    """Contact sheets of six pictures each, large enough to be read; beside each other what differs by its theme only."""
    made = []
    for start in range(0, len(pictures), ON_SHEET):
        made.append(folder / f"sheet-{name}-{start // ON_SHEET + 1:02}.png")
        sheet(pictures[start : start + ON_SHEET], made[-1])
    return made


def sheet(pictures: list[Path], path: Path, *, across: int = 2, width: int = 900) -> None:
    """A contact sheet with the name of each picture below it."""
    from PIL import Image, ImageDraw

    thumbs = []
    for picture in pictures:
        image = Image.open(picture).convert("RGB")
        thumbs.append((picture.stem, image.resize((width, image.height * width // image.width))))
    rows = [thumbs[i : i + across] for i in range(0, len(thumbs), across)]
    tall = [max(image.height for _, image in row) + 22 for row in rows]
    whole = Image.new("RGB", (across * (width + 10), sum(tall)), "white")
    draw = ImageDraw.Draw(whole)
    for place, row in enumerate(rows):
        for column, (name, image) in enumerate(row):
            corner = column * (width + 10), sum(tall[:place])
            whole.paste(image, corner)
            draw.text((corner[0] + 2, corner[1] + image.height + 4), name, fill="black")
    whole.save(path)


def main() -> int:
    """Make the pictures and say where they are."""
    from playwright.sync_api import Error as PlaywrightError
    from playwright.sync_api import sync_playwright

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
        served(Path(folder) / "home", ahead=False) as url,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        missed = 0
        for state in told.state or STATES:
            made = []
            for lens in told.lens or LENSES.own:
                if state in ("running", "failed") and (lens not in SELECTED or lens in IDLE):
                    continue
                sizes, themes = told.size or SIZES, told.theme or THEMES
                width, height = map(int, sizes[0].split("x"))
                page = browser.new_page(viewport={"width": width, "height": height})
                page.set_default_timeout(LONGEST * 1000)
                try:
                    page.goto(link(url, lens, state))
                    settled(page, lens, state, LENSES[lens].question)
                except (TimeoutError, PlaywrightError) as error:
                    print(f"{lens}, {state}: {error}", file=sys.stderr)
                    missed += 1
                with contextlib.suppress(PlaywrightError):  # a page that does not answer
                    made += photographed(page, told.out, f"{lens}-{state}", sizes, themes)
                page.close()
            if made:
                for path in sheets(made, told.out, state):
                    print(path)
        browser.close()
    return min(missed, 100)


if __name__ == "__main__":
    raise SystemExit(main())
