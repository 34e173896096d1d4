"""The page in a real browser: load, pick, run, cancel, error, export, links, two windows."""

from __future__ import annotations

import contextlib
import functools
import io
import re
import urllib.request
import zipfile

import pytest

from dashboards import LENSES
from dashboards.page.navigation import GROUPS

pytestmark = pytest.mark.browser

LIGHT = "set.ceiling=none&set.controls=position"
QUICK = f"{LIGHT}&set.seeds=1&set.seed=4711&set.folds=3&set.inner_folds=2&set.bootstrap=50&set.shuffled_twin=false"
SLOW = "set.folds=24&set.inner_folds=20&set.bootstrap=20000"
ENDLESS = f"{SLOW}&set.seeds=25"
"""Minutes of work on any machine: it does not end before it is cancelled."""
MODEL = "zoo-causal-400k"
_FIRST, *_REST = LENSES.own  # the lens that a fresh page shows comes last, so that each is clicked
QUESTIONS = {LENSES[slug].label: LENSES[slug].question for slug in (*_REST, _FIRST)}


def seen(found):
    """The first of some places that is seen: the lenses behind the one in front stand in the page too."""
    return found.locator("visible=true").first


def button(page, name, **how):
    return seen(page.get_by_role("button", name=name, **how))


def said(page, words):
    """The first place where words are seen."""
    return seen(page.get_by_text(words))


def gone(page, words):
    """Nothing that is seen has these words any more."""
    for _ in range(120):
        if not page.get_by_text(words).locator("visible=true").count():
            return
        page.wait_for_timeout(250)
    raise AssertionError(f"{words} is still seen")


def still(page):
    """Nothing runs any more."""
    for _ in range(480):
        if (
            not page.get_by_role("button", name="Cancel", exact=True)
            .locator("visible=true")
            .count()
        ):
            return
        page.wait_for_timeout(250)
    raise AssertionError("still running")


def started(page, *, until):
    """Press Run where it is offered (what is cheap runs by itself), until some place is seen."""
    playwright = pytest.importorskip("playwright.sync_api")
    page.bring_to_front()  # behind another, nothing is drawn, and a click waits for ever
    for _ in range(720):
        if button(page, "Run", exact=True).is_visible():
            with contextlib.suppress(
                playwright.TimeoutError
            ):  # it goes between the look and the click where the run began by itself
                button(page, "Run", exact=True).click(timeout=1000)
        if until.is_visible():
            return until
        page.wait_for_timeout(250)
    raise AssertionError(f"{until} is not seen")


def turned(page, name):
    """Another lens, by the header: its link beside the one in front, else in the menu of its group."""
    header = page.get_by_role("navigation", name="Lenses")
    link = header.get_by_role("link", name=re.compile(rf"^{name}\b")).locator("visible=true")
    if not link.count():
        slug = next(slug for slug in LENSES.own if LENSES[slug].label == name)
        group = next((one for one, slugs in GROUPS.items() if slug in slugs))
        menus = [button(header, re.compile(f"^{group}")), button(header, "Lenses, now")]
        next(menu for menu in menus if menu.is_visible()).click()
    link.first.click()


def ready(page):
    """The lens in front has drawn its figure."""
    button(page, "Export").wait_for()
    page.locator("canvas").first.wait_for(state="attached")
    return page


def test_a_server_answers_its_page_paints_and_when_it_is_lost_that_is_told(tmp_path, chromium):
    from tests.dashboards.conftest import PATIENCE, start

    running, wrong = start(tmp_path), []
    page = chromium.new_page()  # the socket's end is an error of the console: not "visit"
    page.set_default_timeout(PATIENCE)
    page.on("pageerror", lambda error: wrong.append(error.stack or str(error)))
    try:
        assert running.url.endswith("/app") and "/lab" not in running.url
        led = urllib.request.urlopen(f"{running.url.removesuffix('app')}?lens=time&models=a").url
        assert led == f"{running.url}?lens=time&models=a"  # the address alone leads to the page
        page.goto(running.url)
        page.wait_for_function("performance.getEntriesByName('first-contentful-paint').length > 0")
        assert page.title()
        ready(page)
        assert page.get_by_role("alert").count() == 0 and wrong == []
    finally:
        running.process.terminate()
        running.process.wait(90)
    seen(page.get_by_role("alert").filter(has_text="connection to the server was lost")).wait_for()
    assert button(page, "Reload", exact=True).is_visible()
    assert "Traceback" not in running.log.read_text()  # its open sockets are no error as it stops
    page.get_by_role("heading", name="Does better next-word prediction").wait_for()
    page.close()


def test_it_opens_on_the_published_models_without_any_other_host(server, visit):
    page = ready(visit(server.url))
    page.get_by_role("heading", name="Does better next-word prediction").wait_for()
    said(page, "over 42 published models").wait_for()
    seen(page.locator("details", has_text="Left out: t5-11b").locator("summary")).click()
    said(page, "Left out: t5-11b").wait_for()
    seen(page.get_by_role("tab", name="Table")).click()
    said(page, "distilbert-base-uncased").wait_for()
    said(page, "42 rows").wait_for()
    assert violations(page) == []  # every lens in both themes: the deep test


def serious(response: dict) -> list:
    """Rule and places of what axe-core calls serious or critical, but for Tabulator's own grid, which has its footer in it."""
    found = []
    for one in response["violations"]:
        if one["impact"] in ("serious", "critical"):
            places = [f"{node['target'][0][-1]} {node['html'][:120]}" for node in one["nodes"]]
            if places := [place for place in places if "tabulator" not in place]:
                found.append((one["id"], places[:4]))
    return found


AXE = {"resultTypes": ["violations"], "preload": False}
"""No style sheet is fetched anew for each of the hundreds of widgets: no rule that counts here reads them."""


def violations(page, *, first: int = 0) -> list:
    """What axe-core finds after some milliseconds, or later: roles that other widgets leave out are mended, a dialog fades in."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    found: list = []
    for wait in (first, *4 * [2500]):
        page.wait_for_timeout(wait)
        if not (found := serious(axe.run(page, options=AXE).response)):
            break
    return found


@pytest.mark.deep  # a look of axe at sixteen lenses in two themes takes minutes
@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 800)])
def test_every_lens_fits_has_named_controls_and_no_serious_violation(theme, width, server, visit):
    """By axe-core: names of buttons, fields and switches, contrast, roles."""
    wrong = {}
    for number, (name, question) in enumerate(QUESTIONS.items()):
        if (
            number % 5 == 0
        ):  # a page with every lens open asks for more style sheets at once than Chromium holds
            page = ready(visit(f"{server.url}?theme={theme}", width=width))
        turned(page, name)
        page.get_by_role("heading", name=question).wait_for()
        found = violations(page, first=2500)  # all of it is drawn
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        if found:
            wrong[name] = found
    assert wrong == {}
    button(page, "Toggle theme").click()
    page.wait_for_function(f"!location.search.includes('dark') == {str(theme == 'dark').lower()}")


@pytest.mark.deep
@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 800)])
def test_what_opens_over_a_lens_has_no_serious_violation(theme, width, server, visit):
    """Dialogs, drawers, the inspector, cards of the library: by axe-core, each while it is open."""
    wrong = {}
    page = ready(visit(f"{server.url}?theme={theme}&lens=task&picked=gpt2-xl", width=width))
    for what, shown in OPENED.items():
        if what in ("e", "?", "t"):
            page.keyboard.press(what)
        elif what == "Lenses":
            groups = page.get_by_role("navigation", name=what).get_by_role("button")
            seen(groups).click()
        elif what:
            button(page, what).click()
        places = page.get_by_text(shown), page.get_by_label(shown), page.get_by_alt_text(shown)
        functools.reduce(lambda one, other: one.or_(other), map(seen, places)).first.wait_for()
        if found := violations(page):
            wrong[shown] = found
        page.keyboard.press("Escape")
        page.wait_for_timeout(500)
    for tab, card in (("Recordings", "simulated"), ("Models", MODEL)):
        page = visit(f"{server.url}?theme={theme}&lens=library", width=width)
        seen(page.get_by_role("tab", name=tab, exact=True)).click()
        seen(page.locator(".tabulator-cell", has_text=card)).click()
        button(page, "Close the card").wait_for()
        if found := violations(page):
            wrong[card] = found
    page = visit(f"{server.url}?theme={theme}&lens=library", width=width)
    for tab, words in TABS.items():
        seen(page.get_by_role("tab", name=tab, exact=True)).click()
        said(page, words).wait_for()
        if found := violations(page):
            wrong[tab] = found
    seen(page.get_by_role("tab", name="Recordings", exact=True)).click()
    seen(page.locator(".tabulator-cell", has_text="futrell2018")).click()
    button(page, re.compile("^Fetch")).click()  # its licence is asked for first
    seen(page.get_by_role("dialog")).get_by_text("licence").first.wait_for()
    if found := violations(page):
        wrong["licence"] = found
    assert wrong == {}


OPENED = {
    "": "1,557,611,200 parameters",  # the inspector of what is picked
    "e": "Preview of the figure",
    "?": "run what is missing",
    "Bookmarks": "Name of this view",
    "Activity": "Everything this program computes",
    "Settings": "Where things are",
    "Every choice": "Folds",
    "Lenses": "Where in the model is the brain predicted?",
    "t": "1 of ",
}
"""A button or a key, and what is seen once it has opened something."""
TABS = {
    "Models": "zoo-causal-200k",
    "Add your own": "Drop",
    "Storage": "Stored results",
    "Sweeps": "Sweep",
}
"""Of the library, and words that are seen in each."""


def test_pick_run_and_see(server, visit):
    page = visit(f"{server.url}?lens=layers&{QUICK}")
    page.get_by_role("combobox", name="Recording").click()
    chosen = page.get_by_role("option", selected=True)  # a list has options, not items of a menu
    assert chosen.inner_text().strip() == "simulated"
    page.keyboard.press("Escape")
    search = page.get_by_role("combobox", name="Models")
    search.click()
    search.fill("zoo-caus")
    page.get_by_role("option", name=MODEL, exact=True).click()
    page.wait_for_function(f"location.search.includes('models={MODEL}')")
    started(page, until=said(page, f"{MODEL} predicts simulated"))
    still(page)
    said(page, "simulated data").wait_for()
    assert f"models={MODEL}" in page.url and "set.folds=3" in page.url


def test_a_run_outlives_a_window_that_closes_and_one_that_is_loaded_anew(server, visit, fresh):
    """Two windows share one computation; while it goes on, every icon of the header answers."""
    link = f"{server.url}?lens=layers&models={MODEL}&{LIGHT}&{ENDLESS}&set.seed={fresh}"
    one, other = visit(link), visit(link)
    for page in (one, other):
        started(page, until=button(page, "Cancel", exact=True))
    one.close()
    other.reload()
    button(other, "Cancel", exact=True).wait_for()  # it listens again, without a click
    far = said(other, re.compile(r"\d of \d"))
    far.wait_for()
    told = far.inner_text()
    for name, words in HEADER.items():
        button(other, name).hover()  # its tooltip lies over the neighbours, and swallows no click
        other.wait_for_timeout(400)
        button(other, name).click()
        if words:
            head = other.get_by_role("heading", name=words, exact=True)
            field = other.get_by_text(words).or_(other.get_by_label(words))
            shown = seen(head if name == "Activity" else field)
            shown.wait_for()
            if name == "Activity":  # one job for both
                assert other.get_by_role("button", name=f"Cancel {MODEL} on simulated").count() == 1
            other.keyboard.press("Escape")
            shown.wait_for(state="hidden")
    for _ in range(720):
        if far.inner_text() != told:
            break
        other.wait_for_timeout(250)
    assert far.inner_text() != told  # it went on
    other.keyboard.press("Escape")  # the ones before closed what was open, and no more
    still(other)


HEADER = {
    "Copy a link": None,
    "Bookmarks": "Name of this view",
    "Activity": "Activity",
    "Settings": "Where things are",
    "Help": "run what is missing",
}
"""An icon of the header, and words of what it opens."""


def test_an_error_stays_says_what_to_do_and_goes_when_dismissed(server, visit):
    page = visit(f"{server.url}?lens=layers&models={MODEL}&set.group=galaxy")
    started(page, until=said(page, "Unknown grouping of simulated 'galaxy'"))
    said(page, "Choices: topic").wait_for()
    still(page)
    button(page, "Technical details").click()
    button(page, "Copy traceback").click()
    page.wait_for_function(
        "navigator.clipboard.readText().then(text => text.includes('Traceback'))"
    )
    button(page, "Dismiss").click()
    gone(page, "Unknown grouping")


def test_a_recording_that_is_not_here_is_said_in_words(server, visit):
    page = visit(f"{server.url}?lens=layers&models={MODEL}&recording=natural-stories")
    said(page, "Run 'brainlens data fetch natural-stories'").wait_for()


def test_bad_fields_of_a_link_are_reported_together_and_never_run(server, visit):
    evil = "%3Cimg src=x onerror=document.title='owned'%3E"
    page = ready(
        visit(
            f"{server.url}?models={evil}&benchmark=blank2014&colour=red&seeds=none&recording={evil}"
        )
    )
    page.get_by_text("Parts of this link could not be used").wait_for()
    notice = page.get_by_text("Unknown field of a link 'colour'").inner_text()
    assert "seeds='none'" in notice and "<img" in notice
    assert page.title() == "BrainLens"
    said(page, "a higher score on blank2014").wait_for()
    assert "benchmark=blank2014" in page.url and "colour" not in page.url


def test_export_opens_and_the_zip_holds_everything(server, visit):
    page = ready(visit(server.url))
    page.keyboard.press("e")
    page.get_by_role("img", name="Preview of the figure").wait_for()
    button(page, "Everything as zip").and_(page.locator(":enabled")).wait_for()
    assert violations(page) == []
    with page.expect_download() as download:
        button(page, "Everything as zip").click()
    archive = zipfile.ZipFile(io.BytesIO(download.value.path().read_bytes()))
    names = {name.split("/")[-1] for name in archive.namelist()}
    files = [
        f"brainlens-task-published.{kind}" for kind in ("pdf", "svg", "png", "csv", "parquet", "py")
    ]
    assert {*files, "recipe.json", "references.bib", "methods.txt", "caption.txt"} <= names
    svg = archive.read(next(name for name in archive.namelist() if name.endswith(".svg"))).decode()
    assert "gpt2-xl" in svg  # text, not outlines
    page.get_by_role("tab", name="Python").click()
    button(page, "Copy Python").click()
    page.wait_for_function(
        "navigator.clipboard.readText().then(text => text.includes('analysis.answers.task'))"
    )
    page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="hidden")


def test_what_is_picked_is_marked_everywhere_and_in_the_link_until_it_is_let_go(server, visit):
    page = ready(visit(server.url))
    seen(page.get_by_role("tab", name="Table")).click()
    seen(page.get_by_role("textbox", name="Filter rows")).fill("gpt2-xl")
    said(page, "1 of 42 rows").wait_for()
    seen(page.locator(".tabulator-cell", has_text="gpt2-xl")).click()
    page.wait_for_function("location.search.includes('picked=gpt2-xl')")
    said(page, "1,557,611,200 parameters").wait_for()  # the inspector
    close = button(page, "Let go of gpt2-xl", exact=True)
    assert close.bounding_box()["x"] > 900  # on the right
    assert violations(page) == []
    turned(page, "Untrained")
    page.get_by_role("heading", name=QUESTIONS["Untrained"]).wait_for()
    marked = """count => [...Bokeh.documents].flatMap(d => [...d._all_models.values()])
        .filter(m => m.type === "ColumnDataSource" && m.selected.indices.length === 1).length >= count"""
    page.wait_for_function(marked, arg=2)  # the table's own source, and the point in the other lens
    seen(page.locator(".brainlens-item").get_by_text("trained", exact=True)).wait_for()
    again = visit(page.url)
    again.wait_for_function(marked, arg=1)
    again.close()
    page.bring_to_front()
    close.click()
    page.wait_for_function("!location.search.includes('picked')")
    close.wait_for(state="detached")


def test_a_view_is_kept_by_name_and_opened_again_and_its_link_is_copied(server, visit):
    page = ready(visit(f"{server.url}?benchmark=blank2014"))
    button(page, "Copy a link").click()
    page.wait_for_function(
        "navigator.clipboard.readText().then(text => text.endsWith('/lab/app?v=1&benchmark=blank2014'))"
    )
    page.keyboard.press("?")
    said(page, "run what is missing").wait_for()
    page.keyboard.press("Escape")
    gone(page, "run what is missing")
    button(page, "Bookmarks").click()
    page.get_by_role("textbox", name="Name of this view").fill("Blank, all models")
    button(page, "Keep").click()
    button(page, "Open Blank, all models").wait_for()
    page.keyboard.press("Escape")
    other = ready(visit(server.url))  # another window
    button(other, "Bookmarks").click()
    button(other, "Open Blank, all models").click()
    said(other, "a higher score on blank2014").wait_for()
    assert "benchmark=blank2014" in other.url


def test_the_colour_of_a_model_can_be_changed(server, visit):
    page = ready(visit(f"{server.url}?models={MODEL}"))
    dot = seen(page.get_by_label(f"Colour of {MODEL}"))
    dot.evaluate("node => { node.value = '#12ab9f'; node.dispatchEvent(new Event('change')) }")
    page.wait_for_function(f"location.search.includes('colour.{MODEL}=12ab9f')")
    assert dot.input_value() == "#12ab9f"


def test_the_first_step_computes_a_model_layer_by_layer(server, visit):
    page = ready(visit(server.url))
    button(page, "Layers:").wait_for()  # the first question, or the third of real people
    if (simulated := button(page, "Simulated:")).count():
        simulated.click()
    button(page, "1. Layers").click()
    page.get_by_role("heading", name="Where in the model").wait_for()
    runs = button(
        page, "Cancel", exact=True
    )  # without a click on Run, or an earlier try has let it end
    runs.or_(said(page, "predicts simulated")).first.wait_for()
    assert "lens=layers" in page.url
    page.keyboard.press("Escape")
    still(page)


def test_a_panel_of_trust_opens_where_its_method_is_written(server, visit):
    """The published story needs no run; its link leads behind the path prefix, formulas are drawn, no other host is asked."""
    page = ready(visit(f"{server.url}?lens=trust&models={MODEL}&theme=dark"))
    link = seen(page.get_by_role("link", name="Method: As published"))
    with page.context.expect_page() as opened:
        link.click()
    other = opened.value
    try:
        other.wait_for_load_state()
        assert "/lab/docs/method?theme=dark#waterfall" in other.url
        heading = other.locator("h2:target")
        assert heading.text_content().startswith("Waterfall")
        assert other.locator("math").count() > 50 and other.locator("main code").count() > 20
        assert (
            other.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(18, 19, 24)"
        )
        other.locator("main a", has_text="why two results differ").click()
        assert other.locator("h1:target").text_content().startswith("Why does my number differ")
        for wrong in ("odd", "trust.md"):
            assert other.goto(f"{server.url.rpartition('/')[0]}/docs/{wrong}").status == 404
    finally:
        other.close()
