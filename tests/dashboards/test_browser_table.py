"""The table of a lens while the browser builds it: nothing that comes meanwhile is lost, nothing that has gone goes on."""

from __future__ import annotations

import pytest

from tests.dashboards.test_browser import ready, seen

pytestmark = pytest.mark.browser

DISTURBED = """async ([how, rows]) => {
    const model = [...Bokeh.documents].flatMap(d => [...d._all_models.values()])
        .find(m => m.type === "panel.models.tabulator.DataTabulator")
    const view = Bokeh.index.find_one(model)
    const cut = (rows) => Object.fromEntries(Object.entries(all).map(([name, values]) => [name, [...values].slice(0, rows)]))
    const shown = () => view.shadow_el.querySelectorAll(".tabulator-row").length
    const all = {...model.source.data}
    const patience = (ms) => new Promise((done) => setTimeout(done, ms))
    const told = (rows) => { model.source.data = cut(rows); model.max_page = 1 }
    view.render()
    if (how === "drawn twice") { view.render() }
    if (how === "drawn again") { told(rows + 1); await patience(0); view.render() }
    if (how === "taken away") { view.invalidate_render() }
    told(rows)
    for (let tries = 0; tries < 100 && (shown() !== rows || view._building); tries++) { await patience(100) }
    return [shown(), view._building]
}"""


def test_a_table_that_is_disturbed_while_it_is_built_shows_what_came_last(server, visit):
    page = ready(visit(f"{server.url}?lens=task&tab=table"))
    seen(page.locator(".tabulator-row")).wait_for()
    rows = 9
    for how in ("filled", "drawn twice", "drawn again", "taken away"):
        assert page.evaluate(DISTURBED, [how, rows := rows - 1]) == [rows, False], how
