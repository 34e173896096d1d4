"""Markup in every field that there is: nothing of it runs in the browser, and all of it is shown as text."""

from __future__ import annotations

import json
import urllib.parse
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.models.variants.maps import UnitMap, save_map
from dashboards.page import bookmarks
from data.catalog import shelf
from data.home import home
from tests.dashboards.conftest import PATIENCE, start

pytestmark = pytest.mark.browser


def bad(where: str) -> str:
    """Three ways to run, in one text."""
    mark = f"(window.ran=window.ran||[]).push('{where}')"
    return f'<img src=x onerror="{mark}"><script>{mark}</script><svg onload={mark}></svg>[x](javascript:{mark})'


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A server whose home is full of it."""
    folder = tmp_path_factory.mktemp("markup")
    patch = pytest.MonkeyPatch()
    patch.setenv("BRAINLENS_HOME", str(folder / "home"))
    patch.setenv("BRAINLENS_SHARED", "")
    rng = np.random.default_rng(0)
    count = 24
    frame = pd.DataFrame({"text": [f"{bad('text')} {i}" for i in range(count)],
                          bad("group"): [f"{bad('label')} {i // 4}" for i in range(count)],
                          bad("column"): rng.standard_normal(count), "r2": rng.standard_normal(count)})  # fmt: skip
    staged = shelf.stage({"mine.csv": frame.to_csv(index=False).encode()})
    shelf.keep(staged, "mine", text="text", group=bad("group"), responses=[bad("column"), "r2"], quality=bad("quality"),
               citation=bad("citation"), licence=bad("licence"), source=bad("source"))  # fmt: skip
    for name in ("toy", "<img src=x onerror=ran=['folder']>"):
        model = home("models") / name
        model.mkdir()
        np.save(model / "vectors.npy", rng.standard_normal((3, 4)).astype(np.float32))
        (model / "words.txt").write_text("img\nsrc\nx\n")
        (model / "card.json").write_text(json.dumps({"adapter": "static", "cls": "embedding", "layers": 0, "width": 4,
            **{field: bad(field) for field in ("family", "licence", "citation", "note")}}))  # fmt: skip
    rows = pd.DataFrame({"model": [bad("model"), "other"], "recording": [bad("recording")] * 2, "r": [0.3, 0.2],
                         "family": [bad("family")] * 2, "protocol": [bad("protocol")] * 2, "folds": ["5"] * 2})  # fmt: skip
    from analysis.scoring.results import bring

    path = folder / "theirs.csv"
    rows.to_csv(path, index=False)
    bring(path, name=bad("origin"))
    bookmarks.keep(
        "<img src=x onerror=\"ran=['bookmark']\">",
        "lens=layers&models=" + urllib.parse.quote(bad("bookmark link")),
    )
    units = rng.standard_normal((2, 3))
    save_map(UnitMap("spread", "toy", units, 3, 3, bad("about a map")))
    save_map(UnitMap("other", bad("model of a map"), units, 3, 3, bad("about a map")))
    (folder / "handed-in.json").write_text(json.dumps({"format": "brainlens-submission/1", "lab": bad("lab"), "rows": [
        {"model": bad("handed in"), "recording": bad("on"), "protocol": bad("how"), "r": 0.1},
        {"model": "random-8", "recording": "simulated", "r": 0.1, "provenance": json.dumps({bad("recipe"): 1})}]}))  # fmt: skip
    patch.undo()
    running = start(folder)
    yield running
    running.process.terminate()
    running.process.wait(10)


def settle(page) -> None:
    """Until what is asked for is there."""
    page.wait_for_function("window.Bokeh && Bokeh.documents.length > 0")
    page.get_by_role("heading", level=1).or_(page.get_by_role("heading")).first.wait_for()
    page.wait_for_timeout(1000)  # what runs, runs at once


LEAVES = """() => {
    const texts = []
    const walk = (root) => { for (const node of root.querySelectorAll('*')) {
        if (node.shadowRoot) walk(node.shadowRoot)
        if (!node.children.length && node.textContent.includes('onerror')) texts.push(node.textContent) } }
    walk(document); return texts.join('\\n') }"""
ELEMENTS = """() => {
    const found = []
    const walk = (root) => { for (const node of root.querySelectorAll('*')) {
        if (node.shadowRoot) walk(node.shadowRoot)
        for (const name of node.getAttributeNames()) if (name.startsWith('on')) found.push(node.outerHTML.slice(0, 200))
        if (node.tagName === 'IMG' && node.getAttribute('src') === 'x') found.push(node.outerHTML)
        if ((node.getAttribute('href') || '').startsWith('javascript:')) found.push(node.outerHTML) } }
    walk(document); return found }"""


def harmless(page, where: str) -> str:
    """Nothing ran and there is not even an element of it: the policy is the second wall. Gives what stands there as text."""
    assert page.evaluate("window.ran || []") == [], where
    assert page.evaluate(ELEMENTS) == [], where
    return page.evaluate(LEAVES)


def given(name: str, text: str) -> dict:
    """A file as a browser hands it over: its name may be anything."""
    return {"name": f"<img src=x onerror=ran=['{name}']>{name}", "mimeType": "text/plain", "buffer": text.encode()}  # fmt: skip


def test_nothing_runs_and_the_policy_stops_what_would(hostile, chromium):
    context = chromium.new_context(viewport={"width": 1400, "height": 1000})
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.on("dialog", lambda dialog: pytest.fail("a dialog opened"))
    quick = "set.ceiling=none&set.controls=position&set.shuffled_twin=false&set.folds=3&set.inner_folds=2&set.bootstrap=20"
    quoted = urllib.parse.quote(bad("link"))
    views = (
        f"lens=layers&models=toy&recording=mine&{quick}",
        f"lens=items&models=toy&models=random-8&recording=mine&{quick}",
        "lens=compare",
        "lens=library",
        f"lens=task&models={quoted}&text={quoted}&benchmark={quoted}&{quoted}={quoted}",
        f"lens=reading&corpora={quoted}&models=toy&set.group={quoted}",
    )
    seen = ""
    for view in views:
        page.goto(f"{hostile.url}?{view}")
        settle(page)
        page.mouse.move(700, 500)
        for label in ("Table", "Numbers", "Models", "Recordings", "Storage", "Sweeps"):
            found = page.get_by_role("tab", name=label)
            if found.count() and found.first.is_visible():
                found.first.click()
                page.wait_for_timeout(700)
        if view == views[0]:
            page.get_by_role("button", name="Bookmarks").first.click()
            page.wait_for_timeout(600)
            page.keyboard.press("Escape")
        if view in ("lens=compare", "lens=library"):  # its results, its recordings
            page.get_by_text("onerror").first.wait_for()
        seen += harmless(page, view)
    assert "onerror" in seen  # it was there, as text
    page.evaluate(  # what the first wall would let through is stopped by the policy
        "document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.ran=1\">')"
    )
    page.wait_for_timeout(500)
    assert page.evaluate("window.ran") is None
    assert Path(hostile.log).exists()
    context.close()


def test_nothing_runs_of_what_is_handed_in(hostile, chromium):
    """A submission, and the files of a story, with markup in every field and in the names of the files."""
    context = chromium.new_context(viewport={"width": 1400, "height": 1400})
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(f"{hostile.url}?lens=compare")
    settle(page)
    page.get_by_text("Results in and out").first.click()
    content = (Path(hostile.log).parent / "handed-in.json").read_text()
    page.locator("input[type=file]").first.set_input_files(given("s.json", content))
    page.get_by_text("Submissions").first.click()
    page.get_by_text("2 results of 2 models").first.wait_for()
    told = harmless(page, "handed in")
    page.keyboard.press("r")
    page.get_by_text("0 of 2 results of").first.wait_for()
    told += harmless(page, "run again")
    for where in ("lab", "s.json"):  # names of models stand in the canvas of the figure
        assert f"'{where}'" in told, where
    page.goto(f"{hostile.url}?lens=perturb&models=toy&breaks=lesion&unit_map=spread")
    page.get_by_text("about a map").first.wait_for()
    harmless(page, "map of units")
    page.goto(f"{hostile.url}?lens=library")
    settle(page)
    page.get_by_role("tab", name="Add your own").click()
    words = "".join(f"{i},0.5,{bad('heard').replace(',', ' ')}\n" for i in range(30))
    signal = "\n".join(
        [bad("signal").replace(",", " ") + ",b", *(f"{i % 7},{i % 5}" for i in range(30))]
    )
    page.locator("input[type=file]").first.set_input_files(
        [given("events.csv", f"onset,duration,word\n{words}"), given("sub-01_bold.csv", signal)]
    )
    page.get_by_text("sub-01_bold").first.wait_for()
    page.wait_for_timeout(1500)
    harmless(page, "a story")
    context.close()
