"""The way to the lenses: every one is in one group, and the header fits every window."""

from __future__ import annotations

import re

import pytest

from dashboards import LENSES
from dashboards.page.navigation import GROUPS, REST, grouped
from dashboards.page.page import Workbench
from tests.dashboards.test_browser import button, ready, turned


def test_every_lens_is_in_one_group_with_its_question():
    groups = grouped(LENSES.loadable())
    found = [lens["slug"] for group in groups for lens in group["lenses"]]
    assert sorted(found) == sorted(LENSES.own) and len(set(found)) == len(found)
    assert all(lens["question"].endswith("?") for group in groups for lens in group["lenses"])
    assert [group["name"] for group in groups] == list(GROUPS)


def test_a_lens_of_another_package_stands_in_a_group_of_its_own():
    class Mine:
        label, question = "Mine", "What is mine?"

    groups = grouped({"task": LENSES["task"], "mine": Mine})
    assert [group["name"] for group in groups] == ["Predict", REST]
    assert groups[-1]["lenses"] == [{"slug": "mine", "label": "Mine", "question": "What is mine?"}]


def test_the_header_and_the_selection_go_together():
    bench = Workbench("?lens=library")
    bench.navigation.lens = "layers"
    assert bench.selection.lens == "layers" and bench._places["layers"].front
    bench.selection.lens = "library"
    assert bench.navigation.lens == "library" and not bench._places["layers"].front
    assert bench._places["library"].body.objects == [bench.lenses["library"].body]
    bench.close()


@pytest.mark.browser
def test_the_header_fits_every_window_and_goes_by_mouse_and_by_keyboard(server, visit):
    page = ready(visit(f"{server.url}?lens=task&benchmark=blank2014", width=1440))
    header = page.get_by_role("navigation", name="Lenses")
    assert header.get_by_role("link", name="Layers", exact=True).is_visible()  # beside this one
    seen = {}
    for width in (1440, 1280, 800, 420):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(700)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        box = header.bounding_box()
        icon = button(page, "Copy a link").bounding_box()
        assert box["x"] + box["width"] <= icon["x"] + 1
        shown = header.get_by_role("button").locator("visible=true")
        seen[width] = shown.count()
    assert seen == {1440: 3, 1280: 3, 800: 1, 420: 1}
    page.set_viewport_size({"width": 1280, "height": 900})
    page.wait_for_timeout(700)

    page.keyboard.press("g")  # to the groups
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")  # opens the second
    menu = button(header, re.compile("^Explain"))
    assert menu.get_attribute("aria-expanded") == "true"
    page.keyboard.press("Escape")
    assert menu.get_attribute("aria-expanded") == "false"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name=LENSES["training"].question).wait_for()
    page.wait_for_function("location.search.includes('lens=training')")
    assert "benchmark=blank2014" in page.url
    turned(page, "Compare")
    page.get_by_role("heading", name=LENSES["compare"].question).wait_for()
    here = header.locator("[aria-current=page]").locator("visible=true")
    assert "Compare" in here.first.inner_text()
    link = header.get_by_role("link", name="Trust", exact=True)
    link.hover()
    assert "lens=trust" in link.get_attribute("href")


@pytest.mark.browser
def test_style_sheets_are_read_once_for_all_widgets(server, visit):
    page = ready(visit(server.url))
    turned(page, "Layers")
    page.get_by_role("heading", name=LENSES["layers"].question).wait_for()
    page.wait_for_timeout(1500)
    turned(page, "Trust")
    page.get_by_role("heading", name=LENSES["trust"].question).wait_for()
    page.wait_for_timeout(1500)
    linked, roots = page.evaluate("""() => {
        const found = [0, 0]
        const walk = (root) => { for (const node of root.querySelectorAll("*")) {
            if (node.matches("link[rel=stylesheet]")) { found[0] += 1 }
            if (node.shadowRoot) { found[1] += 1; walk(node.shadowRoot) }
        } }
        walk(document)
        return found
    }""")
    assert (
        roots > 150 and linked < roots / 2
    )  # each widget has two to four sheets, nearly all written in


@pytest.mark.browser
def test_the_header_has_the_colour_of_its_paper_before_the_server_is_heard(server, visit):
    page = visit(f"{server.url}?lens=library&theme=dark")
    header = page.get_by_role("navigation", name="Lenses")
    page.wait_for_function("location.search.includes('theme=dark')")
    header.wait_for()
    page.get_by_role("heading", name="What do I have?").wait_for()
    ink = header.evaluate(
        "node => { node.classList.remove('dark'); return getComputedStyle(node).color }"
    )
    assert ink == "rgb(230, 237, 243)"
