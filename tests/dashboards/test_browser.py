"""The page in a real browser: load, pick, run, cancel, error, export, links, two windows."""

from __future__ import annotations

import io
import re
import zipfile

import pytest

from dashboards import LENSES

pytestmark = pytest.mark.browser

LIGHT = "set.ceiling=none&set.controls=position"
QUICK = (
    f"{LIGHT}&set.seed=4711&set.folds=3&set.inner_folds=2&set.bootstrap=50&set.shuffled_twin=false"
)
SLOW = "set.folds=24&set.inner_folds=20&set.bootstrap=20000"
MODEL = "zoo-causal-400k"
_FIRST, *_REST = LENSES.own  # the lens that a fresh page shows comes last, so that each is clicked
QUESTIONS = {LENSES[slug].label: LENSES[slug].question for slug in (*_REST, _FIRST)}


def button(page, name, **how):
    return page.get_by_role("button", name=name, **how).first


def ready(page):
    """The lens in front has drawn its figure."""
    button(page, "Export").wait_for()
    page.locator("canvas").first.wait_for(state="attached")
    return page


def test_the_server_answers_and_the_page_paints(tmp_path, visit):
    from tests.dashboards.conftest import start

    running = start(tmp_path)
    try:
        assert running.url.endswith("/app") and "/lab" not in running.url
        page = visit(running.url)
        page.wait_for_function("performance.getEntriesByName('first-contentful-paint').length > 0")
        assert page.title()
        ready(page)
    finally:
        running.process.terminate()
        running.process.wait(10)


def test_it_opens_on_the_published_models_without_any_other_host(server, visit):
    page = ready(visit(server.url))
    page.get_by_role("heading", name="Does better next-word prediction").wait_for()
    page.get_by_text("over 42 published models").first.wait_for()
    page.get_by_text("more", exact=True).locator("visible=true").first.click()
    page.get_by_text("Left out: t5-11b").wait_for()
    page.get_by_role("tab", name="Table").click()
    page.get_by_text("distilbert-base-uncased").first.wait_for()
    page.get_by_text("42 rows").wait_for()


def test_every_lens_opens_at_every_width_in_both_themes(server, visit):
    for width in (1280, 800):
        page = ready(visit(f"{server.url}?theme=dark", width=width))
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        for name, question in QUESTIONS.items():
            page.get_by_role("tab", name=name, exact=True).click()
            page.get_by_role("heading", name=question).wait_for()
            assert page.evaluate("document.documentElement.scrollWidth") <= width
        button(page, "Toggle theme").click()
        page.wait_for_function("!location.search.includes('dark')")
        page.context.close()


def test_pick_run_see_and_find_it_stored(server, visit):
    page = visit(f"{server.url}?lens=layers&{QUICK}")
    search = page.get_by_role("combobox", name="Models")
    search.click()
    search.fill("zoo-caus")
    page.get_by_role("option", name=MODEL, exact=True).click()
    button(page, "Run").click()
    page.get_by_text(re.compile(f"{MODEL}'s layer")).wait_for()
    button(page, "Cancel").wait_for(state="hidden")
    said = page.get_by_text(re.compile(f"{MODEL}'s layer")).first.inner_text()
    assert page.get_by_text("simulated data").count()
    assert f"models={MODEL}" in page.url and "set.folds=3" in page.url

    again = visit(page.url)  # the same link: the same picture, the same numbers, and nothing to run
    again.get_by_text(re.compile(f"{MODEL}'s layer")).wait_for()
    assert again.get_by_text(re.compile(f"{MODEL}'s layer")).first.inner_text() == said
    assert not button(again, "Run").is_visible()
    again.get_by_role("tab", name="Table").click()
    again.get_by_text("4 rows").wait_for()


def test_cancel_takes_effect_at_once(server, visit):
    page = visit(f"{server.url}?lens=layers&models={MODEL}&{SLOW}&set.seed=1")
    button(page, "Run").click()
    page.get_by_role("progressbar").first.wait_for()
    button(page, "Cancel", exact=True).wait_for()
    page.wait_for_timeout(1500)
    button(page, "Cancel", exact=True).click()
    button(page, "Try again").wait_for(
        timeout=30_000
    )  # half a second on a quiet machine: docs/performance.md
    button(page, "Activity").click()
    page.get_by_text("cancelled after").first.wait_for()


def test_two_windows_share_one_computation_and_one_may_close(server, visit):
    link = f"{server.url}?lens=layers&models={MODEL}&{LIGHT}&set.folds=9&set.inner_folds=6&set.bootstrap=100&set.seed=2"
    one, other = visit(link), visit(link)
    for page in (one, other):
        button(page, "Run").wait_for()
    for page in (one, other):
        button(page, "Run").click()
    button(other, "Cancel", exact=True).wait_for()
    one.context.close()
    other.get_by_text(re.compile(f"{MODEL}'s layer")).wait_for(timeout=180_000)
    button(other, "Cancel", exact=True).wait_for(state="hidden", timeout=180_000)
    button(other, "Activity").click()
    other.get_by_text("done after").first.wait_for()


def test_an_error_stays_says_what_to_do_and_goes_when_dismissed(server, visit):
    page = visit(f"{server.url}?lens=layers&models={MODEL}&set.group=galaxy")
    button(page, "Run").click()
    page.get_by_text("Unknown grouping of simulated 'galaxy'").first.wait_for()
    page.get_by_text("Choices: topic").first.wait_for()
    button(page, "Technical details").click()
    button(page, "Copy traceback").click()
    page.wait_for_function(
        "navigator.clipboard.readText().then(text => text.includes('Traceback'))"
    )
    button(page, "Dismiss").click()
    page.get_by_text("Unknown grouping").first.wait_for(state="hidden")


def test_a_recording_that_is_not_here_is_said_in_words(server, visit):
    page = visit(f"{server.url}?lens=layers&models={MODEL}&recording=natural-stories")
    page.get_by_text("Run 'brainlens data fetch natural-stories'").first.wait_for()


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
    page.get_by_text("a higher score on blank2014").wait_for()
    assert "benchmark=blank2014" in page.url and "colour" not in page.url


def test_export_opens_and_the_zip_holds_everything(server, visit):
    page = ready(visit(server.url))
    page.keyboard.press("e")
    page.get_by_role("img", name="Preview of the figure").wait_for()
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


def test_copy_link_and_help(server, visit):
    page = ready(visit(f"{server.url}?benchmark=futrell2018"))
    button(page, "Copy a link").click()
    page.wait_for_function(
        "navigator.clipboard.readText().then(text => text.endsWith('/lab/app?v=1&benchmark=futrell2018'))"
    )
    page.keyboard.press("?")
    page.get_by_text("run what is missing").wait_for()
    page.keyboard.press("Escape")
    page.get_by_text("run what is missing").wait_for(state="hidden")


@pytest.mark.parametrize("lens", sorted(QUESTIONS))
def test_every_control_has_a_name(lens, server, visit):
    page = visit(f"{server.url}?lens={lens.lower()}")
    page.get_by_role("heading", name=QUESTIONS[lens]).wait_for()
    page.wait_for_timeout(500)
    for role in ("button", "combobox", "textbox", "switch", "tab", "checkbox", "slider"):
        for control in page.get_by_role(role).all():
            named = page.get_by_role(role, name=re.compile(r"\w"))
            assert control.is_hidden() or named.and_(control).count() == 1, control.evaluate(
                "node => node.outerHTML"
            )[:200]


def test_what_is_picked_is_marked_everywhere_and_in_the_link(server, visit):
    page = ready(visit(server.url))
    page.get_by_role("tab", name="Table").click()
    page.get_by_role("textbox", name="Filter rows").fill("gpt2-xl")
    page.get_by_text("1 rows").or_(page.get_by_text("1 of 42 rows")).first.wait_for()
    page.locator(".tabulator-cell", has_text="gpt2-xl").first.click()
    page.wait_for_function("location.search.includes('picked=gpt2-xl')")
    page.get_by_role("tab", name="Untrained").click()
    page.get_by_text("before training").first.wait_for()
    marked = """count => [...Bokeh.documents].flatMap(d => [...d._all_models.values()])
        .filter(m => m.type === "ColumnDataSource" && m.selected.indices.length === 1).length >= count"""
    page.wait_for_function(marked, arg=2)  # the table's own source, and the point in the other lens
    again = visit(page.url)
    again.wait_for_function(marked, arg=1)


def test_a_view_is_kept_by_name_and_opened_again(server, visit):
    page = ready(visit(f"{server.url}?benchmark=blank2014"))
    button(page, "Bookmarks").click()
    page.get_by_role("textbox", name="Name of this view").fill("Blank, all models")
    button(page, "Keep").click()
    button(page, "Open Blank, all models").wait_for()
    page.keyboard.press("Escape")
    other = ready(visit(server.url))  # another window
    button(other, "Bookmarks").click()
    button(other, "Open Blank, all models").click()
    other.get_by_text("a higher score on blank2014").wait_for()
    assert "benchmark=blank2014" in other.url


def test_the_colour_of_a_model_can_be_changed(server, visit):
    page = ready(visit(f"{server.url}?models={MODEL}"))
    dot = page.get_by_label(f"Colour of {MODEL}")
    dot.evaluate("node => { node.value = '#12ab9f'; node.dispatchEvent(new Event('change')) }")
    page.wait_for_function(f"location.search.includes('colour.{MODEL}=12ab9f')")
    assert page.get_by_label(f"Colour of {MODEL}").input_value() == "#12ab9f"


def test_the_first_step_shows_a_model_layer_by_layer(server, visit):
    page = ready(visit(server.url))
    button(page, "1. Layers").click()
    page.get_by_text(re.compile(r"'s layer \d")).first.wait_for()
    page.locator("canvas").first.wait_for(state="attached")
    assert "lens=layers" in page.url
