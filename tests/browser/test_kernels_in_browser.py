"""Notebook 7, kernels that start anew, and notebooks that are opened again, in a real browser."""

from __future__ import annotations

import json

import pytest
from browser_fixtures import fenced
from notebook_pages import IDLE, open_notebook, open_rule, open_tab, run_cell, theme

pytest_plugins = ["browser_fixtures"]
pytestmark = pytest.mark.browser

CELL = ".bb-cell[data-name='{}']"
FIRST = "%load_ext brickbook\nfrom torch import nn\nmodel = nn.Sequential(nn.Linear(20, 30))"
SHOW = "panel = %brickbook show model --init Normal --layer Linear\npanel"
STATIC = "panel.static()"
# What ipywidgets itself says of a panel whose kernel is gone.
GONE = ("widget model not found", "Cannot send")


def test_notebook_7_shows_the_panel_and_it_answers(page, lab, shoot):
    address = lab.notebook("seven.ipynb", FIRST, SHOW)
    open_notebook(page, address.replace("/doc/tree/", "/notebooks/"), 2)
    run_cell(page, 0)
    run_cell(page, 1)
    page.locator(".bb-drawing svg").wait_for()
    open_tab(page, "Weights")
    weight = page.locator(CELL.format("0.weight"))
    weight.wait_for()
    panel = page.locator(".jp-CodeCell").nth(1)
    open_rule(panel, 1)
    panel.get_by_label("type").first.select_option("Uniform")
    weight.get_by_text("Uniform(").wait_for()
    assert "untouched" in weight.inner_text()  # planned, not written
    page.get_by_role("button", name="Initialize").click()
    weight.get_by_text("changed").wait_for()
    weight.click()
    page.locator(".js-plotly-plot .main-svg").first.wait_for()
    for name in ("JupyterLab Dark", "JupyterLab Light"):
        theme(page, name)
        shoot(f"notebook_7_{name.split()[1].lower()}")
    page.get_by_role("button", name="Undo").click()
    weight.get_by_text("untouched").wait_for()


def restart(page):
    """Restart the kernel and wait until it can be used."""
    page.evaluate("() => { jupyterapp.commands.execute('kernelmenu:restart') }")
    page.get_by_role("button", name="Confirm Kernel Restart").click()
    page.locator(".jupyter-widgets-disconnected").first.wait_for()
    page.wait_for_function(IDLE)


def test_a_restart_and_another_visit_are_honest(browser, lab, shoot, request):
    with fenced(browser, *lab.addresses, known=GONE) as (page, _):
        address = lab.notebook("again.ipynb", FIRST, SHOW, STATIC)
        open_notebook(page, address, 3)
        for at in range(3):
            run_cell(page, at)
        still = page.locator(".jp-OutputArea-output img")
        still.wait_for()
        page.evaluate("jupyterapp.commands.execute('docmanager:save')")
        saved = (lab.folder / "again.ipynb").read_text()
        assert len(saved) < 30_000 and "widgets" not in json.loads(saved)["metadata"]
        open_tab(page, "Weights")
        page.locator(CELL.format("0.weight")).wait_for()
        restart(page)
        # One line stands over the last picture; what needs no kernel goes on.
        line = page.get_by_text("The kernel of this panel is gone: run this cell again.")
        line.wait_for()
        page.get_by_role("button", name="Initialize").wait_for(state="hidden")
        page.screenshot(path=request.config.rootpath / "tests/artifacts/kernel_gone.png")
        page.get_by_label("Search", exact=True).fill("bias")
        page.locator(CELL.format("0.weight")).wait_for(state="hidden")
        for at in range(3):
            run_cell(page, at)
        open_tab(page, "Weights")
        page.locator(CELL.format("0.weight")).wait_for()
        assert page.locator(".bb-grid").count() == 1 and line.count() == 0
        assert page.locator(".jupyter-widgets-disconnected").count() == 0
        page.get_by_role("button", name="Initialize").click()
        page.locator(CELL.format("0.weight"), has_text="changed").wait_for()
        page.evaluate("jupyterapp.commands.execute('docmanager:save')")
        page.evaluate("jupyterapp.shell.currentWidget.sessionContext.shutdown()")
        open_notebook(page, address, 3)
        page.get_by_text("Error displaying widget: model not found").wait_for()
        still.wait_for()
        assert still.evaluate("one => one.naturalWidth") > 500
        page.screenshot(path=request.config.rootpath / "tests/artifacts/another_visit.png")
