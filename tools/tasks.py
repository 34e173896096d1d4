"""Five tasks of a first visit, done in a browser and counted: clicks, words typed, seconds.

``python -m tools.tasks`` starts an app with an empty home, does each task in a window of its own, and prints a table for
``docs/performance.md``. The first finds nothing computed; what one task computes, the next finds stored, as a user would.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from dashboards import LENSES
from tools.shots import served

MODELS = ("zoo-causal-200k", "zoo-causal-400k")
WAIT = 240_000
"""Milliseconds that an answer may take."""
TABLE = "sentence,topic,rt\n" + "".join(
    f"Word {i} of many came late{' and slowly' * (i % 5)}.,t{i % 6},{i % 5 + i * 1.7 % 3:.2f}\n"
    for i in range(60)
)
"""A user's own file: 60 sentences of six topics, slower where they are longer."""


@dataclass
class Hand:
    """What a user does, counted; what is waited for is the page's."""

    page: object
    clicks: int = 0
    words: int = 0
    began: float = field(default_factory=time.monotonic)

    def begin(self) -> None:
        """Count anew from here."""
        self.clicks = self.words = 0
        self.began = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since the task began."""
        return time.monotonic() - self.began

    def role(self, role: str, name, **how):
        """The first of a role and name that is seen."""
        return self.page.get_by_role(role, name=name, **how).locator("visible=true").first

    def said(self, words):
        """The first place where words are seen."""
        return self.page.get_by_text(words).locator("visible=true").first

    def click(self, place) -> None:
        """One click."""
        place.click()
        self.clicks += 1

    def press(self, role: str, name, **how) -> None:
        """One click on something named."""
        self.click(self.role(role, name, **how))

    def turn(self, group: str, lens: str) -> None:
        """To another lens: its link where it is seen, else in the menu of its group."""
        header = self.page.get_by_role("navigation", name="Lenses")
        link = header.get_by_role("link", name=re.compile(rf"^{lens}\b")).locator("visible=true")
        if not link.count():
            group_ = header.get_by_role("button", name=re.compile(f"^{group}"))
            self.click(group_.locator("visible=true").first)
        self.click(link.first)
        self.page.wait_for_function(f"location.search.includes('lens={lens.lower()}')")

    def choose(self, label: str, option: str) -> None:
        """One of a list: a click opens it, one takes it."""
        self.press("combobox", re.compile(f"^{label}"))
        self.press("option", re.compile(f"^{option}"))

    def pick(self, models) -> None:
        """Models by their names, in the field of the controls."""
        for model in models:
            place = self.role("combobox", re.compile("^Models"))
            self.click(place)
            place.fill(model)
            self.words += 1
            self.press("option", re.compile(f"^{model}"))
            self.role("button", f"Remove {model}").wait_for()
        self.page.keyboard.press("Escape")

    def see(self, words) -> None:
        """Wait until words are seen; press Run where it is asked for."""
        from playwright.sync_api import Error, expect

        place, run = self.said(words), self.role("button", "Run", exact=True)
        until = time.monotonic() + WAIT / 1000
        while not place.is_visible() and time.monotonic() < until:
            if run.is_visible():
                with contextlib.suppress(Error):  # it goes where the run begins by itself
                    run.click(timeout=1000)
                    self.clicks += 1
                    run.wait_for(state="hidden", timeout=5000)
            self.page.wait_for_timeout(100)
        expect(place).to_be_visible(timeout=1000)


def own(hand: Hand, folder: Path) -> None:
    """Which of two models is best on my CSV?"""
    (folder / "mine.csv").write_text(TABLE)
    hand.turn("Library", "Library")
    hand.press("tab", "Add your own")
    place = hand.page.locator("input[type=file]").first
    place.wait_for(state="attached")
    place.set_input_files(str(folder / "mine.csv"))
    hand.clicks += 3  # the place to drop, and the system's dialog: the file, open
    hand.said("It can be used").wait_for()
    hand.press("button", "Add to the library")
    hand.said("What a check finds").wait_for()
    hand.turn("Predict", "Layers")
    hand.pick(MODELS)
    for model in MODELS:
        hand.see(re.compile(rf"^\s*{model}\s+layer \d"))
    _quiet(hand)


def above(hand: Hand, folder: Path) -> None:
    """Is it better than length and position?"""
    hand.turn("Predict", "Layers")
    hand.choose("Recording", "mine")
    hand.pick(MODELS[:1])
    hand.see("Above length + position?")
    _quiet(hand)
    hand.said(re.compile("✓ yes|✗ no|[?] cannot tell")).wait_for()


def export(hand: Hand, folder: Path) -> None:
    """Export that figure for PNAS with BibTeX."""
    hand.begin()
    hand.press("button", "Export")
    hand.page.get_by_role("img", name="Preview of the figure").wait_for()
    hand.choose("For", "PNAS")
    hand.said(re.compile("87 mm wide")).wait_for()
    with hand.page.expect_download() as download:
        hand.press("button", "Everything as zip")
    names = zipfile.ZipFile(download.value.path()).namelist()
    assert any(name.endswith(".bib") for name in names), names
    assert any(name.endswith(".pdf") for name in names), names


def compare(hand: Hand, folder: Path) -> None:
    """Compare two models."""
    hand.turn("Judge", "Compare")
    hand.pick(MODELS)
    hand.role("heading", "Two models", exact=True).wait_for()


def sentence(hand: Hand, folder: Path) -> None:
    """Find the sentence on which they differ most."""
    hand.turn("Predict", "Items")
    hand.choose("Recording", "mine")
    hand.pick(MODELS)
    hand.see("Over all sentences, ")


TASKS: tuple[Callable[[Hand, Path], None], ...] = (own, above, export, compare, sentence)
SAME_WINDOW = (export,)
"""Tasks that go on in the window of the one before."""


def _quiet(hand: Hand) -> None:
    """Until nothing runs any more."""
    busy = hand.page.get_by_role("button", name="Cancel", exact=True).locator("visible=true")
    until, calm = time.monotonic() + WAIT / 1000, 0
    while calm < 5 and time.monotonic() < until:
        hand.page.wait_for_timeout(200)
        calm = 0 if busy.count() else calm + 1


def main() -> int:
    """Do them all and print the table."""
    from playwright.sync_api import sync_playwright

    from tests.browser import find

    with (
        tempfile.TemporaryDirectory() as place,
        served(Path(place) / "home") as url,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=find(), args=["--no-sandbox"])
        print("| task | clicks | words typed | seconds |\n|---|---|---|---|")
        hand: Hand | None = None
        for task in TASKS:
            if hand is None or task not in SAME_WINDOW:
                if hand is not None:
                    hand.page.close()
                page = browser.new_page(viewport={"width": 1440, "height": 900})
                page.set_default_timeout(WAIT)
                hand = Hand(page)
                page.goto(url)
                page.get_by_role("heading", name=LENSES["task"].question).wait_for()
                page.locator("canvas").first.wait_for(state="attached")
            try:
                task(hand, Path(place))
            except Exception:
                hand.page.screenshot(path="build/task-failed.png")
                raise
            said = str(task.__doc__).rstrip(".?")
            print(f"| {said} | {hand.clicks} | {hand.words} | {hand.seconds:.0f} |", flush=True)
            hand.page.screenshot(path=f"build/task-{task.__name__}.png")
        browser.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
