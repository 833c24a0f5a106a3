"""The grid and the still views in marimo, where there is nothing of Jupyter."""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.request
from importlib.util import find_spec

import pytest
from browser_fixtures import ARTIFACTS
from lab_server import free_port

pytestmark = pytest.mark.browser

APP = """
import marimo

app = marimo.App()


@app.cell
def _():
    import marimo as mo
    from torch import nn
    from brickbook import initialize, plan
    from brickbook.lab.widgets import Grid
    from brickbook.measure import compare, snapshot

    net = nn.Sequential(nn.Linear(40, 30), nn.BatchNorm1d(30))
    before = snapshot(net)
    report = initialize(net, dict(type="Normal", std=0.5, layer="Linear"), seed=0)
    grid = Grid(group="first")
    grid.show(compare(before, snapshot(net)), report=report, language="en")
    ui = mo.ui.anywidget(grid)
    ui
    return before, compare, mo, net, plan, report, snapshot, ui


@app.cell
def _(mo, ui):
    mo.md(f"CHOSEN {ui.value['selected']} of {ui.value['query']}")
    return


@app.cell
def _(before, compare, net, report, snapshot):
    from brickbook.views.page import static_report

    static_report(compare(before, snapshot(net)), report=report, title="Linear and norm")
    return


@app.cell
def _(net, plan):
    plan(net, dict(type="Xavier", layer="Linear"))
    return


@app.cell
def _(report):
    report
    return
"""


@pytest.fixture
def address(tmp_path):
    """Run the notebook as an app."""
    if find_spec("marimo") is None:
        pytest.skip("no marimo here: pip install marimo")
    (tmp_path / "app.py").write_text(APP)
    port = free_port()
    command = ["run", "app.py", "--headless", "--no-token", "--port", str(port)]
    server = subprocess.Popen([sys.executable, "-m", "marimo", *command], cwd=tmp_path)
    try:
        url = f"http://127.0.0.1:{port}"
        for _ in range(240):
            try:
                urllib.request.urlopen(url, timeout=5).read()
                break
            except OSError:
                time.sleep(0.25)
        yield url
    finally:
        server.terminate()
        server.wait(30)


def test_it_is_drawn_and_python_hears_of_it(browser, address):
    context = browser.new_context(color_scheme="dark")
    page = context.new_page()
    foreign_requests: list[str] = []
    own = (address, address.replace("http", "ws"), "data:", "blob:")
    page.on(
        "request", lambda it: None if it.url.startswith(own) else foreign_requests.append(it.url)
    )
    page.goto(address)
    page.locator(".bb-cell path").first.wait_for(state="attached", timeout=60_000)
    assert page.locator(".bb-cell").count() == 4
    page.locator("[data-name='1.weight']").click()
    page.get_by_label("Search", exact=True).fill("weight")
    page.get_by_text("CHOSEN 1.weight of weight").wait_for(timeout=30_000)
    image = page.locator("img[src^='data:image/svg']")
    image.wait_for()
    assert image.evaluate("one => one.naturalWidth") > 500
    for words in ("Linear and norm: ", "InitPlan: 2 of 4", "InitReport: 4 parameters"):
        page.get_by_text(words).last.wait_for()
    assert page.locator("table").count() == 3
    image.scroll_into_view_if_needed()
    ARTIFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTIFACTS / "marimo.png")
    context.close()
    assert foreign_requests == []
