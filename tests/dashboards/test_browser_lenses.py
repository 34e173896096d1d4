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

from tests.dashboards.test_browser import ENDLESS, button, gone, said, seen, started, still

pytestmark = pytest.mark.browser

LIGHT = "set.seeds=1&set.ceiling=none&set.controls=position&set.shuffled_twin=false"
QUICK = f"{LIGHT}&set.folds=3&set.inner_folds=2&set.bootstrap=50&set.seed=4712"
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
    slow: str = f"{ENDLESS}&set.seed=4713"
    wrong: str = "set.group=galaxy"
    cause: str = "Unknown grouping of simulated 'galaxy'"

    def address(self, url: str, protocol: str = QUICK) -> str:
        return f"{url}?lens={self.lens}&{self.selection}&{protocol}"


LONG = "The tea went cold while they waited for the train. " * 4000
CASES = {
    case.lens: case
    for case in (
        Case("layers", f"models={SMALL}", f"{SMALL} predicts simulated"),
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


def sliced(lenses, kept: str) -> list:
    """One lens in every run of the suite, the others, half a minute to minutes each, with the deep tests."""
    return [name if name == kept else pytest.param(name, marks=pytest.mark.deep) for name in lenses]


def computed(page, case: Case, *, press: bool = True) -> str:
    """Press the key r whenever something is missing, and give the answer when all is there and nothing runs."""
    answer = said(page, re.compile(case.answer))
    quiet, until = 0, time.monotonic() + 240
    while quiet < 4 and time.monotonic() < until:
        page.wait_for_timeout(250)
        missing = button(page, "Run", exact=True).is_visible()
        if press and missing:
            page.keyboard.press("r")
        busy = missing or button(page, "Cancel", exact=True).is_visible() or not answer.is_visible()
        quiet = 0 if busy else quiet + 1
    answer.wait_for(timeout=1000)
    assert quiet, "still running, or Run was offered again"
    whole = answer.evaluate("(one) => (one.closest('details') ?? one).textContent")
    return " ".join(whole.replace(" more", " ", 1).split())  # wherever it is folded


def tab(page, name):
    """Figure or table of the lens in front."""
    return seen(page.get_by_role("tab", name=name, exact=True))


def exported(page) -> dict[str, bytes]:
    """The files of the zip, by name."""
    page.keyboard.press("e")
    page.get_by_role("img", name="Preview of the figure").wait_for()
    button(page, "Everything as zip").and_(page.locator(":enabled")).wait_for()
    with page.expect_download() as download:
        button(page, "Everything as zip").click()
    archive = zipfile.ZipFile(io.BytesIO(download.value.path().read_bytes()))
    page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="hidden")
    return {name: archive.read(name) for name in archive.namelist()}


def table(page) -> pd.DataFrame:
    """The table of the first figure, as the user downloads it."""
    tab(page, "Table").click()
    seen(page.locator(".tabulator-row")).wait_for()
    with page.expect_download() as download:
        button(page, re.compile("^CSV")).click()
    frame = pd.read_csv(download.value.path())
    tab(page, "Figure").click()
    return frame


def drawn(page) -> list[dict]:
    """The columns behind the points of the figures on the page."""
    return page.evaluate("""() => [...Bokeh.documents].flatMap(d => [...d._all_models.values()])
        .filter(m => m.type === "ColumnDataSource").map(m => Object.entries(m.data)).filter(c => c.some(([n]) => n === "_key"))
        .map(columns => Object.fromEntries(columns.filter(([n]) => !n.startsWith("_")).map(([n, v]) => [n, Array.from(v)])))
    """)


@pytest.mark.parametrize("lens", sliced(ALL, "layers"))
def test_run_see_export_and_find_it_again(lens, server, visit):
    case = CASES[lens]
    page = visit(case.address(server.url))
    words = computed(page, case)
    page.locator("canvas").first.wait_for(state="attached")
    shown = table(page)
    assert len(shown)
    assert_plotted(shown, drawn(page))

    files = exported(page)  # the zip: real text in print, and the numbers of the plot
    stem = next(iter(files)).split("/")[0]
    files = {name.split("/")[-1]: data for name, data in files.items()}
    assert stem.startswith(f"brainlens-{lens}-")  # each picture has a name of its own
    pdf, svg = files[f"{stem}.pdf"], files[f"{stem}.svg"].decode()
    assert b"/FontFile2" in pdf and b"/Type3" not in pdf
    assert svg.count("<text") > 5
    written = pd.read_csv(io.BytesIO(files[f"{stem}.csv"]))
    if "stamp" in written:  # what no file may lose
        assert set(written.pop("stamp")) == {"simulated data"}
    pd.testing.assert_frame_equal(written, shown)
    for name in ("recipe.json", "references.bib", "methods.txt", "caption.txt", f"{stem}.py"):
        assert len(files[name]) > 20, name

    # the same link in the dark on a narrow page: the same answer, the same numbers, nothing to run, nothing too wide
    again = visit(f"{page.url.replace('&tab=table', '')}&theme=dark", width=800)
    assert computed(again, case, press=False) == words
    again.locator("canvas").first.wait_for(state="attached")
    assert again.evaluate("document.documentElement.scrollWidth") <= 800
    background = again.evaluate("getComputedStyle(document.body).backgroundColor")
    assert sum(map(int, re.findall(r"\d+", background)[:3])) < 200, background
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


# reading the built-in text takes a second
@pytest.mark.parametrize("lens", sliced(sorted(set(ALL) - {"reading"}), "items"))
def test_cancel_takes_effect_at_once(lens, server, visit):
    case = CASES[lens]
    page = visit(case.address(server.url, case.slow))
    started(page, until=button(page, "Cancel", exact=True))
    seen(page.get_by_role("progressbar")).wait_for()
    said(page, re.compile(r"\d of \d")).wait_for()  # it computes; before that it imports
    button(page, "Cancel", exact=True).click()
    still(page)  # half a second on a quiet machine: docs/performance.md
    button(page, "Try again").wait_for()
    button(page, "Activity").click()
    said(page, "cancelled after").wait_for()


@pytest.mark.deep
def test_a_long_reading_can_be_cancelled(server, visit, tmp_path):
    words = LONG.split()
    rng = np.random.default_rng(0)
    times = 300 + 30 * rng.standard_normal(len(words))
    frame = pd.DataFrame({"word": words, "rt": times, "story": np.arange(len(words)) // 4000})
    frame.to_csv(tmp_path / "long.csv", index=False)
    page = visit(
        f"{server.url}?lens=reading&models=zoo-causal-1m&corpora={tmp_path / 'long.csv'}&filter=none"
    )
    started(page, until=button(page, "Cancel", exact=True))
    seen(page.get_by_role("progressbar")).wait_for()
    said(page, re.compile(r"\d of \d")).wait_for()  # it computes; before that it imports
    button(page, "Cancel", exact=True).click()
    still(page)


@pytest.mark.deep  # of one lens, with its traceback: test_browser.py
@pytest.mark.parametrize("lens", sorted(set(ALL) - {"reading"}))
def test_an_error_stays_until_it_is_dismissed(lens, server, visit):
    case = CASES[lens]
    page = visit(case.address(server.url, case.wrong))
    started(page, until=said(page, case.cause))
    said(page, "Choices: topic").wait_for()
    still(page)  # all have failed
    button(page, "Dismiss", exact=True).click()
    gone(page, case.cause)


def test_words_that_cannot_be_read_are_said_with_their_column(server, visit, tmp_path):
    (tmp_path / "bad.csv").write_text("word,colour\nthe,red\ncat,blue\n")
    page = visit(f"{server.url}?lens=reading&models={SMALL}&corpora={tmp_path / 'bad.csv'}")
    cause = "bad.csv: no column holds plain numbers; 'colour' has 'red'. Choices: colour."
    said(page, cause).wait_for()
    button(page, "Dismiss", exact=True).click()
    gone(page, cause)


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
    seen(page.locator(".tabulator-row")).wait_for()
    page.evaluate(f"({FOCUSED})()?.blur()")
    page.keyboard.press("e")
    page.get_by_role("img", name="Preview of the figure").wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="hidden")


@pytest.mark.deep
def test_compare_ranks_what_was_computed_and_takes_results_in(server, visit, tmp_path):
    case = Case("compare", f"models={SMALL}&models=random-64", "is first of|scores .* than")
    one = visit(CASES["items"].address(server.url))
    computed(one, CASES["items"])  # two scores in the store
    page = visit(case.address(server.url))
    said(page, re.compile("On simulated, .* scores")).wait_for()
    ranked = table(page)
    assert {SMALL, "random-64"} <= set(ranked["model"])

    files = exported(page)
    csv = next(name for name in files if name.endswith(".csv"))
    assert SMALL in files[csv].decode()

    (tmp_path / "broken.csv").write_text("who,how much\nme,1\n")
    page.locator("input[type=file]").first.set_input_files(tmp_path / "broken.csv")
    said(page, "has no column model, recording, r").wait_for()
    button(page, "Dismiss", exact=True).click()
    (tmp_path / "mine.csv").write_text("model,recording,r\nmy-own-model,simulated,0.123\n")
    page.locator("input[type=file]").first.set_input_files(tmp_path / "mine.csv")
    tab(page, "Table").click()
    said(page, "my-own-model").wait_for()
