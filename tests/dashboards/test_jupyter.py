"""Every lens in a real JupyterLab that reaches no other host: a cell runs, the figure is drawn, a control works."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
import pytest
from jupyter_core.paths import jupyter_path

from dashboards import LENSES

pytestmark = [pytest.mark.browser, pytest.mark.deep]  # every lens computes in one kernel: minutes

QUICK = (
    "preset('defended').but(seeds=1, folds=3, inner_folds=2, bootstrap=50, ceiling='none', controls=('position',), "
    "shuffled_twin=False)"
)
ALL = "Compare, Items, Layers, Reading, Task, Training, Untrained"
OTHERS = {
    slug: place.partition(":")[2]
    for slug, place in LENSES.own.items()
    if slug != "library" and place.partition(":")[2] not in ALL
}
"""Lenses that only have to stand there: what they compute takes minutes, or is drawn alike."""
CELLS = [
    f"from analysis import preset\nfrom dashboards import {ALL}\n"  # a lens loads its own extension
    f"quick = {QUICK}\ncommon = dict(recording='simulated', protocol=quick)",
    "Layers(models=['zoo-causal-200k'], **common).run(wait=True)",
    "Items(models=['zoo-causal-200k', 'random-64'], **common).run(wait=True).run(wait=True)",
    "Reading(models=['zoo-causal-200k'], **common).run(wait=True)",
    "Task(models=['zoo-causal-200k'], **common).run(wait=True)",
    "Training(models=['zoo-causal-400k'], **common).run(wait=True)",
    "Untrained(models=['zoo-causal-200k'], seeds=2, **common).run(wait=True)",
    "Compare(models=['zoo-causal-200k', 'random-64']).run(wait=True)",
    *(f"from dashboards import {name}\n{name}()" for name in OTHERS.values()),
]
ANSWERS = [
    "zoo-causal-200k predicts simulated",
    "Over all sentences, ",
    "The surprisal of zoo-causal-200k goes with",
    "over 42 published models",
    "The score of zoo-causal-400k on simulated",
    "zoo-causal-200k, trained .r = ",
    "On simulated, zoo-causal-200k scores",
]


@pytest.fixture(scope="module")
def jupyter(tmp_path_factory):
    """Address of a JupyterLab with one notebook in it."""
    pytest.importorskip("jupyterlab", reason="JupyterLab is not installed; run 'make env'")
    if not any(
        (Path(p) / "labextensions/@pyviz/jupyterlab_pyviz").is_dir() for p in jupyter_path()
    ):
        pytest.skip("JupyterLab has no extension of pyviz_comms, so no control reaches the kernel")
    folder = tmp_path_factory.mktemp("jupyter")
    (folder / "work").mkdir()
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    notebook.metadata.kernelspec = {
        "name": "python3",
        "display_name": "Python 3",
        "language": "python",
    }
    nbformat.write(notebook, folder / "work" / "lens.ipynb")
    settings = folder / "settings" / "@jupyterlab" / "notebook-extension"
    settings.mkdir(parents=True)  # cells out of sight stay in the page
    (settings / "tracker.jupyterlab-settings").write_text('{"windowingMode": "none"}')
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    own = {
        "BRAINLENS_HOME": str(folder / "home"),
        "BRAINLENS_SHARED": "",
        "BRAINLENS_MIRROR": "",
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
        "IPYTHONDIR": str(folder / "ipython"),
    }
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}", "--ip=127.0.0.1",
               f"--ServerApp.root_dir={folder / 'work'}", "--IdentityProvider.token=", "--ServerApp.password=",
               "--LabApp.news_url=None", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]  # fmt: skip
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            command,
            env={**os.environ, **own},
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=folder / "work",
        )
    url, began = f"http://localhost:{port}/lab", time.monotonic()
    while time.monotonic() - began < 180 and process.poll() is None:
        try:
            urllib.request.urlopen(f"http://localhost:{port}/api", timeout=2).close()
            break
        except OSError:
            time.sleep(0.2)
    assert process.poll() is None, (folder / "log").read_text()
    yield f"{url}/tree/lens.ipynb"
    process.terminate()
    process.wait(20)


def test_every_lens_in_a_cell_of_jupyterlab(jupyter, chromium):
    context = chromium.new_context(viewport={"width": 1440, "height": 1100})
    page, elsewhere = context.new_page(), []
    page.set_default_timeout(
        300_000
    )  # the browser works off what fifteen lenses tell it long after the kernel is idle
    page.on("request", lambda request: None if _own(request.url) else elsewhere.append(request))
    context.route(lambda url: not _own(url), lambda route: route.abort())
    page.goto(jupyter)
    page.locator(".jp-Notebook .jp-CodeCell").first.wait_for()
    page.get_by_text(
        re.compile(r"\| Idle")
    ).first.wait_for()  # what is run before the kernel is there is lost
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_text("Run All Cells", exact=True).click()

    for number, answer in enumerate(ANSWERS, start=1):
        page.evaluate(
            "number => document.querySelectorAll('.jp-Cell')[number]?.scrollIntoView()", number
        )
        output = page.locator(".jp-Cell").nth(number).locator(".jp-OutputArea-output")
        output.get_by_text(re.compile(answer)).first.wait_for()
        output.locator("canvas").first.wait_for(state="attached")
    for number, slug in enumerate(OTHERS, start=1 + len(ANSWERS)):
        page.evaluate(
            "number => document.querySelectorAll('.jp-Cell')[number]?.scrollIntoView()", number
        )
        output = page.locator(".jp-Cell").nth(number).locator(".jp-OutputArea-output")
        output.get_by_text(LENSES[slug].question).first.wait_for()
    page.evaluate("document.querySelectorAll('.jp-Cell')[1].scrollIntoView()")
    output = page.locator(".jp-Cell").nth(1).locator(".jp-OutputArea-output")
    if shot := os.environ.get("BRAINLENS_SCREENSHOT"):
        page.wait_for_timeout(3000)
        page.screenshot(path=shot)
    output.get_by_role(
        "tab", name="Table"
    ).click()  # a control that asks the kernel: the table is drawn when it is looked at
    output.get_by_text("3 rows").first.wait_for()
    output.get_by_role("button", name="Targets").click()
    output.get_by_text("120 rows").first.wait_for()
    # in a notebook Panel asks its own host for style sheets and the icon font; the lens must do without them, and never need code
    asked = {request.resource_type for request in elsewhere}
    context.close()
    assert asked <= {"stylesheet", "font"}, [request.url for request in elsewhere]


def _own(url: str) -> bool:
    return url.startswith(("http://localhost:", "ws://localhost:", "data:", "blob:", "about:"))
