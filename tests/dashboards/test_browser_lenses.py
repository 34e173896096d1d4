"""Every lens in a real browser: run, see, find again by its link, export, cancel, fail, with the keyboard and in the dark."""

from __future__ import annotations

import io
import re
import time
import zipfile
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

pytestmark = pytest.mark.browser

LIGHT = "set.ceiling=none&set.controls=position&set.shuffled_twin=false"
QUICK = f"{LIGHT}&set.folds=3&set.inner_folds=2&set.bootstrap=50&set.seed=4712"
SLOW = "set.folds=24&set.inner_folds=20&set.bootstrap=20000&set.seed=4713"
SMALL = "zoo-causal-200k"
FOCUSED = """() => {
    let node = document.activeElement
    while (node?.shadowRoot?.activeElement) { node = node.shadowRoot.activeElement }
    return node
}"""


@dataclass(frozen=True)
class Case:
    """A lens, a selection that takes it a few seconds, and the first words of its answer."""

    lens: str
    selection: str
    answer: str
    slow: str = SLOW
    wrong: str = "set.group=galaxy"
    cause: str = "Unknown grouping of simulated 'galaxy'"

    def address(self, url: str, protocol: str = QUICK) -> str:
        return f"{url}?lens={self.lens}&{self.selection}&{protocol}"


LONG = "The tea went cold while they waited for the train. " * 4000
CASES = {
    case.lens: case
    for case in (
        Case("layers", f"models={SMALL}", f"{SMALL}'s layer"),
        Case("task", f"models={SMALL}&models=zoo-causal-400k", "2 models of your own"),
        Case("untrained", f"models={SMALL}&seeds=2", f"{SMALL}, trained .r = "),
        Case(
            "training",
            "models=zoo-causal-400k",
            "The score of zoo-causal-400k on simulated (rises|falls)",
        ),
        Case("items", f"models={SMALL}&models=random-64", "Over all sentences, "),
        Case("reading", f"models={SMALL}", f"The surprisal of {SMALL} goes with how people read"),
    )
}
ALL = sorted(CASES)


def button(page, name, **how):
    return page.get_by_role("button", name=name, **how).first


def idle(page):
    """Nothing runs any more."""
    page.wait_for_timeout(300)
    button(page, "Cancel", exact=True).wait_for(state="hidden")


def computed(page, case: Case, *, press: bool = True) -> str:
    """Press the key r whenever something is missing, and give the answer when all is there and nothing runs."""
    said = page.get_by_text(re.compile(case.answer)).first
    quiet, until = 0, time.monotonic() + 120
    while quiet < 4 and time.monotonic() < until:
        page.wait_for_timeout(250)
        missing = button(page, "Run", exact=True).is_visible()
        if press and missing:
            page.keyboard.press("r")
        busy = missing or button(page, "Cancel", exact=True).is_visible() or not said.is_visible()
        quiet = 0 if busy else quiet + 1
    said.wait_for(timeout=1000)
    assert quiet, "still running, or Run was offered again"
    return said.inner_text()


def table(page) -> pd.DataFrame:
    """The table of the first figure, as the user downloads it."""
    page.get_by_role("tab", name="Table", exact=True).click()
    page.locator(".tabulator-row").first.wait_for()
    with page.expect_download() as download:
        button(page, re.compile("as CSV$")).click()
    frame = pd.read_csv(download.value.path())
    page.get_by_role("tab", name="Figure", exact=True).click()
    return frame


def drawn(page) -> list[dict]:
    """The columns behind the points of the figures on the page."""
    return page.evaluate("""() => [...Bokeh.documents].flatMap(d => [...d._all_models.values()])
        .filter(m => m.type === "ColumnDataSource").map(m => Object.entries(m.data)).filter(c => c.some(([n]) => n === "_key"))
        .map(columns => Object.fromEntries(columns.filter(([n]) => !n.startsWith("_")).map(([n, v]) => [n, Array.from(v)])))
    """)


@pytest.mark.parametrize("lens", ALL)
def test_run_see_export_and_find_it_again(lens, server, visit):
    case = CASES[lens]
    page = visit(case.address(server.url))
    said = computed(page, case)
    page.locator("canvas").first.wait_for(state="attached")
    shown = table(page)
    assert len(shown)
    assert_plotted(shown, drawn(page))

    page.keyboard.press("e")  # the zip: real text in print, and the numbers of the plot
    page.get_by_role("img", name="Preview of the figure").wait_for()
    with page.expect_download() as download:
        button(page, "Everything as zip").click()
    archive = zipfile.ZipFile(io.BytesIO(download.value.path().read_bytes()))
    files = {name.split("/")[-1]: archive.read(name) for name in archive.namelist()}
    stem = archive.namelist()[0].split("/")[0]
    assert stem.startswith(f"brainlens-{lens}-")  # each picture has a name of its own
    pdf, svg = files[f"{stem}.pdf"], files[f"{stem}.svg"].decode()
    assert b"/FontFile2" in pdf and b"/Type3" not in pdf
    assert svg.count("<text") > 5
    written = pd.read_csv(io.BytesIO(files[f"{stem}.csv"]))
    if "stamp" in written:  # what no file may lose
        assert set(written.pop("stamp")) == {"simulated data"}
    pd.testing.assert_frame_equal(written, shown)
    for name in (
        "recipe.json",
        "references.bib",
        "methods.txt",
        "caption.txt",
        f"{stem}.py",
    ):
        assert len(files[name]) > 20, name
    page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="hidden")

    again = visit(page.url)  # the same link: the same answer, the same numbers, nothing to run
    assert computed(again, case, press=False) == said
    pd.testing.assert_frame_equal(
        table(again).drop(columns="source", errors="ignore"),
        shown.drop(columns="source", errors="ignore"),
    )


def assert_plotted(shown: pd.DataFrame, sources: list[dict]) -> None:
    """Some source of the page holds numbers, and all numbers of its columns stand in the table."""
    numbers = shown.select_dtypes("number")
    matched = 0
    for source in sources:
        common = [name for name in source if name in numbers]
        if not common or len(source[common[0]]) > len(shown):
            continue
        values = {
            name: pd.to_numeric(pd.Series(source[name]), errors="coerce").to_numpy()
            for name in common
        }
        if all(
            np.isin(np.round(v[np.isfinite(v)], 9), np.round(numbers[name], 9)).all()
            for name, v in values.items()
        ):
            matched += len(common)
    assert matched >= 2, (list(shown), [list(source) for source in sources])


@pytest.mark.parametrize(
    "lens", sorted(set(ALL) - {"reading"})
)  # reading the built-in text takes a second
def test_cancel_takes_effect_at_once(lens, server, visit):
    case = CASES[lens]
    page = visit(case.address(server.url, case.slow))
    button(page, "Run", exact=True).click()
    page.get_by_role("progressbar").first.wait_for()
    button(page, "Cancel", exact=True).wait_for()
    page.get_by_text(
        re.compile(r"\d of \d")
    ).first.wait_for()  # it computes; before that it imports
    button(page, "Cancel", exact=True).click()
    button(page, "Cancel", exact=True).wait_for(
        state="hidden", timeout=30_000
    )  # half a second on a quiet machine
    button(page, "Activity").click()
    page.get_by_text("cancelled after").first.wait_for()


def test_a_long_reading_can_be_cancelled(server, visit, tmp_path):
    words = LONG.split()
    rng = np.random.default_rng(0)
    times = 300 + 30 * rng.standard_normal(len(words))
    frame = pd.DataFrame({"word": words, "rt": times, "story": np.arange(len(words)) // 4000})
    frame.to_csv(tmp_path / "long.csv", index=False)
    page = visit(
        f"{server.url}?lens=reading&models=zoo-causal-1m&corpora={tmp_path / 'long.csv'}&filter=none"
    )
    button(page, "Run", exact=True).click()
    page.get_by_role("progressbar").first.wait_for()
    page.get_by_text(
        re.compile(r"\d of \d")
    ).first.wait_for()  # it computes; before that it imports
    button(page, "Cancel", exact=True).click()
    button(page, "Cancel", exact=True).wait_for(state="hidden", timeout=30_000)


@pytest.mark.parametrize("lens", sorted(set(ALL) - {"reading"}))
def test_an_error_stays_until_it_is_dismissed(lens, server, visit):
    case = CASES[lens]
    page = visit(case.address(server.url, case.wrong))
    button(page, "Run", exact=True).or_(page.get_by_text(case.cause)).first.wait_for()
    if button(page, "Run", exact=True).is_visible():  # what is cheap has run by itself
        button(page, "Run", exact=True).click()
    page.get_by_text(case.cause).first.wait_for()
    page.get_by_text("Choices: topic").first.wait_for()
    idle(page)  # all have failed
    button(page, "Dismiss", exact=True).click()
    page.get_by_text(case.cause).first.wait_for(state="hidden")
    assert not page.get_by_text(case.cause).count()


def test_words_that_cannot_be_read_are_said_with_their_column(server, visit, tmp_path):
    (tmp_path / "bad.csv").write_text("word,colour\nthe,red\ncat,blue\n")
    page = visit(f"{server.url}?lens=reading&models={SMALL}&corpora={tmp_path / 'bad.csv'}")
    cause = page.get_by_text(
        "bad.csv: which columns hold the responses is not plain. Choices: word, colour."
    ).first
    cause.wait_for()
    button(page, "Dismiss", exact=True).click()
    cause.wait_for(state="hidden")


@pytest.mark.parametrize("lens", ALL)
def test_a_filled_lens_fits_a_narrow_page_in_the_dark(lens, server, visit):
    case = CASES[lens]
    page = visit(case.address(server.url) + "&theme=dark", width=800)
    computed(page, case)
    page.locator("canvas").first.wait_for(state="attached")
    assert page.evaluate("document.documentElement.scrollWidth") <= 800
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert sum(map(int, re.findall(r"\d+", background)[:3])) < 200, background


def test_without_a_mouse(server, visit):
    """Search, pick, run, look at the table and export with the keyboard alone; the focus can be seen."""
    page = visit(f"{server.url}?lens=layers&{QUICK}")
    page.get_by_role("heading", name="Where in the model").wait_for()
    page.wait_for_timeout(500)
    for _ in range(20):  # until the page listens
        page.keyboard.press("/")
        if page.evaluate(f"({FOCUSED})()?.tagName") == "INPUT":
            break
        page.wait_for_timeout(250)
    page.keyboard.type(SMALL)
    page.get_by_role("option", name=SMALL, exact=True).wait_for()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    page.wait_for_function(f"location.search.includes('models={SMALL}')")
    page.evaluate(f"({FOCUSED})()?.blur()")
    computed(page, CASES["layers"])
    for _ in range(80):
        page.keyboard.press("Tab")
        at = page.evaluate(f"""() => {{ const n = ({FOCUSED})(), s = n && getComputedStyle(n);
            return n && [n.getAttribute("role") || n.tagName, n.innerText, n.matches(":focus-visible")] }}""")
        if at and at[0] == "tab" and at[1] in ("Figure", "Table"):
            break
    assert at[0] == "tab" and at[2], at
    if at[1] == "Figure":
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.locator(".tabulator-row").first.wait_for()
    page.evaluate(f"({FOCUSED})()?.blur()")
    page.keyboard.press("e")
    page.get_by_role("img", name="Preview of the figure").wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="hidden")


def test_compare_ranks_what_was_computed_and_takes_results_in(server, visit, tmp_path):
    case = Case("compare", f"models={SMALL}&models=random-64", "is first of|scores .* than")
    one = visit(CASES["items"].address(server.url))
    computed(one, CASES["items"])  # two scores in the store
    page = visit(case.address(server.url))
    page.get_by_text(re.compile("On simulated, .* scores")).first.wait_for()
    ranked = table(page)
    assert {SMALL, "random-64"} <= set(ranked["model"])

    page.keyboard.press("e")
    page.get_by_role("img", name="Preview of the figure").wait_for()
    with page.expect_download() as download:
        button(page, "Everything as zip").click()
    archive = zipfile.ZipFile(io.BytesIO(download.value.path().read_bytes()))
    csv = next(name for name in archive.namelist() if name.endswith(".csv"))
    assert SMALL in archive.read(csv).decode()
    page.keyboard.press("Escape")

    (tmp_path / "broken.csv").write_text("who,how much\nme,1\n")
    page.locator("input[type=file]").first.set_input_files(tmp_path / "broken.csv")
    page.get_by_text("has no column model, recording, r").first.wait_for()
    button(page, "Dismiss", exact=True).click()
    (tmp_path / "mine.csv").write_text("model,recording,r\nmy-own-model,simulated,0.123\n")
    page.locator("input[type=file]").first.set_input_files(tmp_path / "mine.csv")
    page.get_by_role("tab", name="Table", exact=True).click()
    page.get_by_text("my-own-model").first.wait_for()
