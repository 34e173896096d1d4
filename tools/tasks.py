"""Five tasks of a first visit, done in a browser and counted: clicks, words typed, seconds.

``python -m tools.tasks`` starts an app with an empty home, does each task on a page of its own, and prints a table for
``docs/performance.md``. What a task computes, the next finds stored, as a user would.
"""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tools.shots import served

MODELS = ("zoo-causal-200k", "zoo-causal-400k")
WAIT = 120_000
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

    def role(self, role: str, name, **how):
        """The first of a role and name that is seen."""
        return self.page.get_by_role(role, name=name, **how).locator("visible=true").first

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
            self.click(
                header.get_by_role("button", name=re.compile(f"^{group}"))
                .locator("visible=true")
                .first
            )
        self.click(link.first)

    def pick(self, models) -> None:
        """Models by their names, in the field of the controls."""
        for model in models:
            field_ = self.role("combobox", "Models")
            self.click(field_)
            field_.fill(model)
            self.words += 1
            self.press("option", model, exact=True)
        self.page.keyboard.press("Escape")

    def see(self, words) -> None:
        """Run what is asked for, and wait until words are seen."""
        place, run = (
            self.page.get_by_text(words).locator("visible=true").first,
            self.role("button", "Run", exact=True),
        )
        until = time.monotonic() + WAIT / 1000
        while not place.is_visible() and time.monotonic() < until:
            if run.is_visible():
                self.click(run)
            self.page.wait_for_timeout(200)
        place.wait_for(timeout=1000)

    @property
    def seconds(self) -> float:
        """Since the address was typed."""
        return time.monotonic() - self.began


def own(hand: Hand, folder: Path) -> None:
    """Which of two models is best on my CSV?"""
    (folder / "mine.csv").write_text(TABLE)
    hand.turn("Library", "Library")
    hand.press("tab", "Add your own")
    hand.page.locator("input[type=file]").first.wait_for(state="attached")
    hand.page.set_input_files("input[type=file]", str(folder / "mine.csv"))
    hand.clicks += 2  # the dialog of the system: the file, and open
    hand.page.get_by_text("It can be used").wait_for()
    hand.press("button", "Add to the library")
    hand.page.get_by_text("What a check finds").wait_for()
    hand.turn("Predict", "Layers")
    hand.pick(MODELS)
    for model in MODELS:
        hand.see(re.compile(rf"{model} predicts mine"))


def above(hand: Hand, folder: Path) -> None:
    """Is it better than length and position?"""
    hand.turn("Predict", "Layers")
    hand.pick(MODELS[:1])
    hand.see("Above length + position?")


def export(hand: Hand, folder: Path) -> None:
    """Export that figure for PNAS with BibTeX."""
    above(hand, folder)
    hand.clicks = hand.words = 0
    hand.began = time.monotonic()
    hand.press("button", "Export")
    hand.page.get_by_role("img", name="Preview of the figure").wait_for()
    hand.press("combobox", re.compile("Preset|For"))
    hand.press("option", re.compile("PNAS"))
    hand.page.wait_for_timeout(500)
    ready = hand.role("button", "Everything as zip")
    with hand.page.expect_download() as download:
        hand.click(ready)
    import zipfile

    names = zipfile.ZipFile(download.value.path()).namelist()
    assert any(name.endswith("references.bib") for name in names), names


def compare(hand: Hand, folder: Path) -> None:
    """Compare two models."""
    hand.turn("Judge", "Compare")
    hand.pick(MODELS)
    hand.see(re.compile("scores"))


def sentence(hand: Hand, folder: Path) -> None:
    """Find the sentence on which they differ most."""
    hand.turn("Predict", "Items")
    hand.pick(MODELS)
    hand.see("Over all sentences, ")
    hand.press("tab", "Table", exact=True)
    hand.page.locator(".tabulator-row:visible").first.wait_for()


TASKS: tuple[Callable[[Hand, Path], None], ...] = (own, above, export, compare, sentence)


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
        for task in TASKS:
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.set_default_timeout(WAIT)
            hand = Hand(page)
            page.goto(url)
            page.get_by_role("navigation", name="Lenses").wait_for()
            task(hand, Path(place))
            said = str(task.__doc__).rstrip(".?")
            print(f"| {said} | {hand.clicks} | {hand.words} | {hand.seconds:.0f} |", flush=True)
            page.close()
        browser.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
