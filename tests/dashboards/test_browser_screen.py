"""The screen itself: where the figure stands, back and forward, talk mode, a frame in another page, and who can read it."""

from __future__ import annotations

import pytest

from tests.dashboards.test_browser import button, ready

pytestmark = pytest.mark.browser


def canvas(page):
    """Box of the figure that is seen."""
    return page.locator("canvas:visible").first.bounding_box()


def test_the_figure_starts_high_and_fills_the_window(server, visit):
    for width, height in ((1440, 900), (1280, 800)):
        page = ready(visit(server.url, width=width, height=height))
        page.wait_for_timeout(1500)
        box = canvas(page)
        assert box["y"] < 200, (width, box)
        assert box["height"] > height - 320, (width, box)
        page.context.close()


def test_back_returns_to_the_lens_before_and_talk_mode_shows_the_figure_alone(server, visit):
    page = ready(visit(server.url))
    page.get_by_role("tab", name="Compare", exact=True).click()
    page.get_by_role("heading", name="How do the models rank?").wait_for()
    page.wait_for_function("location.search.includes('lens=compare')")
    page.go_back()
    page.wait_for_function("!location.search.includes('lens=compare')")
    page.get_by_role("heading", name="Does better next-word prediction").wait_for()
    page.go_forward()
    page.get_by_role("heading", name="How do the models rank?").wait_for()
    page.keyboard.press("t")
    page.get_by_text("arrow keys go on, Esc ends").wait_for()
    page.keyboard.press("Escape")
    page.get_by_text("arrow keys go on, Esc ends").wait_for(state="hidden")


def test_a_frame_in_another_page_holds_the_lens_alone(server, visit):
    page = visit(f"{server.url}?embed=1&lens=compare")
    page.get_by_role("heading", name="How do the models rank?").wait_for()
    assert (
        not page.get_by_role("tab", name="Library").count()
        and not button(page, "Settings").is_visible()
    )


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_serious_violation_of_accessibility(theme, server, visit):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = ready(visit(f"{server.url}?theme={theme}"))
    page.wait_for_timeout(1500)
    found = axe.run(page).response["violations"]
    serious = {one["id"]: [node["html"][:120] for node in one["nodes"]][:3] for one in found
               if one["impact"] in ("serious", "critical")}  # fmt: skip
    assert serious == {}
