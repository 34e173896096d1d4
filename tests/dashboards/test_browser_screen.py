"""The screen itself: where the figure stands, what outlives a reload, back and forward, talk mode, a frame in another page."""

from __future__ import annotations

import re
import time

import pytest

from tests.dashboards.test_browser import (
    ENDLESS,
    LIGHT,
    MODEL,
    button,
    gone,
    ready,
    said,
    seen,
    started,
    still,
    turned,
)

pytestmark = pytest.mark.browser


STAND = """() => {
  const walk = (root) => {
    for (const node of root.querySelectorAll("*")) {
      if (node.tagName === "MAIN") { return node }
      const found = node.shadowRoot && walk(node.shadowRoot)
      if (found) { return found }
    }
  }
  return Math.round(walk(document).getBoundingClientRect().x)
}"""
"""Where the page begins, beside the controls."""
UPPER = """() => {
  const walk = (root) => {
    for (const node of root.querySelectorAll("*")) {
      if (node.tagName === "CANVAS" && node.getBoundingClientRect().width > 50) { return node }
      const found = node.shadowRoot && walk(node.shadowRoot)
      if (found) { return found }
    }
  }
  return walk(document)?.getBoundingClientRect().y ?? Infinity
}"""
"""Upper edge of the first figure."""


TOLD = """() => {
  window.told = 0
  const {send} = WebSocket.prototype
  WebSocket.prototype.send = function(message) {
    if (String(message).includes("dark_theme")) { window.told += 1 }
    return send.call(this, message)
  }
}"""
"""Count what the server is told of the theme from here."""


def figure(page) -> tuple[float, float]:
    """Upper edge and height of the first figure that is seen."""
    canvas = seen(page.locator("canvas"))
    canvas.wait_for()
    box = canvas.bounding_box()
    return box["y"], box["height"]


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (800, 1000)])
def test_the_figure_starts_high_and_fills_the_window(width, height, server, visit):
    page = ready(visit(f"{server.url}?lens=task", width=width, height=height))
    said(page, "over 42 published models").wait_for()
    began = time.monotonic()
    while figure(page)[1] <= height - 320 and time.monotonic() - began < 180:
        page.wait_for_timeout(250)  # until the window's height has reached the server and come back
    page.wait_for_timeout(1500)
    top, tall = figure(page)
    assert top < (200 if width > 1000 else 250)  # a narrow window breaks the title and the answer
    assert tall > height - 320
    for across, more in ((width, -150), (width - 60, 60)):  # smaller, then larger and narrower
        page.set_viewport_size({"width": across, "height": height + more})
        began = time.monotonic()
        while abs(figure(page)[1] - (tall + more)) >= 5 and time.monotonic() - began < 180:
            page.wait_for_timeout(250)
        assert abs(figure(page)[1] - (tall + more)) < 5  # it follows the window


def test_tiles_a_price_and_a_run_leave_the_figure_where_it_is(server, visit):
    quick = f"{LIGHT}&set.seeds=1&set.folds=3&set.inner_folds=2&set.bootstrap=50"
    three = "models=random-16&models=random-64&models=random-32"
    there = f"{server.url}?lens=layers"
    page = visit(f"{there}&{three}&{quick}", width=1440, height=900)
    tiles = started(page, until=seen(page.get_by_role("region", name="3 verdicts")))
    still(page)
    page.wait_for_timeout(1500)
    assert figure(page)[0] < 200
    tiles.focus()
    said(page, "random-32 layer 0").wait_for()  # opened over the figure
    assert figure(page)[0] < 200
    page.evaluate(STAND)
    page.set_viewport_size({"width": 800, "height": 1000})
    assert page.evaluate(STAND) == 0  # the room of the controls is the page's at once
    for width, height in ((1280, 800), (800, 1000)):
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_function(f"({STAND})() === {300 if width > 1000 else 0}")
        page.wait_for_function(f"({UPPER})() < 200")
    page.close()
    page = visit(f"{there}&models={MODEL}&{LIGHT}&{ENDLESS}&set.seed=78", width=1440, height=900)
    started(page, until=button(page, "Cancel", exact=True))
    seen(page.locator("canvas")).wait_for()  # the first result of a run that goes on
    page.wait_for_function(f"({UPPER})() < 200")
    page.keyboard.press("Escape")
    still(page)
    page.wait_for_function(f"({UPPER})() < 200")  # beside the price of what was left


def test_back_returns_to_the_lens_before_and_talk_mode_shows_the_figure_alone(server, visit):
    page = ready(visit(f"{server.url}?lens=task"))
    turned(page, "Compare")
    page.get_by_role("heading", name="How do the models rank?").wait_for()
    page.wait_for_function("location.search.includes('lens=compare')")
    page.go_back()
    page.wait_for_function("!location.search.includes('lens=compare')")
    page.get_by_role("heading", name="Does better next-word prediction").wait_for()
    page.go_forward()
    page.get_by_role("heading", name="How do the models rank?").wait_for()
    page.go_back()
    page.get_by_role("heading", name="Does better next-word prediction").wait_for()
    page.keyboard.press("t")
    said(
        page, re.compile(r"1 of \d+; arrow keys go on, Esc ends")
    ).wait_for()  # and bookmarks of other tests
    page.keyboard.press("ArrowRight")
    said(page, re.compile(r"2 of \d+; arrow keys go on, Esc ends")).wait_for()
    page.keyboard.press("Escape")
    gone(page, "arrow keys go on, Esc ends")


@pytest.mark.parametrize("width", [1280, 1440])
def test_lenses_of_a_group_stand_in_the_header_clear_of_its_icons(width, server, visit):
    page = visit(f"{server.url}?lens=wiring", width=width)
    header = page.get_by_role("navigation", name="Lenses")
    last = header.get_by_role("link", name=re.compile("^Similarity")).locator("visible=true").first
    last.wait_for()
    box, icon = last.bounding_box(), button(page, "Copy a link").bounding_box()
    assert box["x"] + box["width"] + 4 <= icon["x"]


def test_the_librarys_table_takes_what_the_window_leaves(server, visit):
    page = visit(f"{server.url}?lens=library")
    table = page.locator(".pnx-tabulator").first
    table.locator(".tabulator-row").first.wait_for()
    for width, height in ((1440, 900), (1280, 640), (800, 1000)):  # while it is open
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_function(
            "([table, high]) => table.clientHeight === high",
            arg=[table.element_handle(), height - 235],
        )
        assert page.get_by_text(re.compile(r"^\d+ rows$")).first.bounding_box()["y"] < height


def test_a_press_of_the_theme_is_told_once(server, visit):
    """Every widget told the server, a hundred and more messages before the figure could follow."""
    page = visit(f"{server.url}?lens=task")
    button(page, "Toggle theme").wait_for()
    page.evaluate(TOLD)
    button(page, "Toggle theme").click()  # while the lens is still being made
    page.wait_for_function("location.search.includes('theme=dark')")
    ready(page)
    page.wait_for_timeout(1000)
    assert page.evaluate("window.told") == 1


def test_a_frame_in_another_page_holds_the_lens_alone(server, visit):
    page = visit(f"{server.url}?embed=1&lens=task")
    page.get_by_role("heading", name="Does better next-word prediction").wait_for()
    ready(page)
    assert not page.get_by_role("navigation", name="Lenses").count()
    assert not button(page, "Settings").is_visible()
    top, _ = figure(page)
    assert top < 150


COUNT = """() => {
  window.resized = 0
  const every = root => [...root.querySelectorAll("*")].flatMap(
    one => [one, ...(one.shadowRoot ? every(one.shadowRoot) : [])])
  const places = every(document).filter(one => one.shadowRoot && one.style.top === "-100000px" && one.offsetParent)
  const watch = new ResizeObserver(all => { window.resized += all.length })
  window.behind = places
  places.forEach(one => watch.observe(one))
  return places.length
}"""
"""Watch the size of what stands behind the lens in front; how many parts that are."""


def test_a_lens_that_was_seen_keeps_its_layout_behind_another(server, visit):
    """Going back measures and draws nothing anew; what is behind is neither seen, nor read aloud, nor scrolled to."""
    page = visit(f"{server.url}?lens=compare")
    links = page.get_by_role("navigation", name="Lenses")
    asked = {"Compare": "How do the models rank?", "Trust": "Is this number real?"}
    page.get_by_role("heading", name=asked["Compare"]).wait_for()
    for name in ("Trust", "Compare", "Trust"):
        links.get_by_role("link", name=name).first.click()
        page.get_by_role("heading", name=asked[name]).wait_for()
        still(page)
    assert page.get_by_role("heading", name=asked["Compare"]).count() == 0  # hidden from everybody
    assert page.evaluate(COUNT) == 2  # its body and its controls
    page.wait_for_timeout(200)
    assert page.evaluate("window.resized") == 2  # the observer's first word
    high = page.evaluate("window.behind[0].getBoundingClientRect().height")
    assert high > 300
    for name in ("Compare", "Trust"):
        links.get_by_role("link", name=name).first.click()
        page.get_by_role("heading", name=asked[name]).wait_for()
        still(page)
    assert page.evaluate("window.resized") == 2
    scrolled = (
        "const at = document.querySelector('main'); document.scrollingElement.scrollTop = -9999;"
    )
    assert page.evaluate(f"() => {{ {scrolled} return document.scrollingElement.scrollTop }}") == 0
