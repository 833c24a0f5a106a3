"""The grid alone in a real JupyterLab: its traits both ways, the keyboard, themes, many cells."""

from __future__ import annotations

import pytest
from axe_support import violations
from notebook_pages import run_cell, theme, wait_for_value

pytest_plugins = ["browser_fixtures"]
pytestmark = pytest.mark.browser

EVIL = "<img src=x onerror=alert(1)>"
SMALL = f"""
import torch
from torch import nn
from brickbook import initialize
from brickbook.lab.widgets import Grid
from brickbook.measure import compare, snapshot
torch.manual_seed(0)
net = nn.Sequential(nn.Linear(40, 30), nn.BatchNorm1d(30), nn.Linear(30, 5))
net.register_parameter({EVIL!r}, nn.Parameter(torch.ones(3)))
before = snapshot(net)
report = initialize(net, [dict(type="Normal", std=0.5, layer="Linear")], seed=0)
grid = Grid()
grid.show(compare(before, snapshot(net)), report=report, language="en")
grid
"""
LARGE = """
from torch import nn
from brickbook import initialize
from brickbook.lab.widgets import Grid
from brickbook.measure import compare, snapshot
blocks = [nn.Sequential(*(nn.Linear(20, 20) for _ in range(5))) for _ in range(100)]
net = nn.Sequential(*blocks)
before = snapshot(net)
report = initialize(net, [dict(type="Normal", std=0.5, layer="Linear")], seed=0)
grid = Grid(group="first")
grid.show(compare(before, snapshot(net)), report=report, language="en")
grid
"""
STATE = (
    "{name: getattr(grid, name) for name in ('selected', 'query', 'filter', 'sort', 'group', "
    "'collapsed', 'same_x', 'as_table')}"
)
SET = 'grid.query, grid.sort, grid.same_x = "*weight", "size", True'
CELL = ".bb-cell[data-name='{}']"


def names(page):
    return page.eval_on_selector_all(
        ".bb-cell", "cells => cells.filter(c => c.checkVisibility()).map(c => c.dataset.name)"
    )


def test_the_keyboard_alone_and_both_ways(stage):
    page = stage.set_cells(SMALL, SET)
    run_cell(page, 0)
    page.locator(".bb-cell path").first.wait_for(state="attached")
    assert page.locator(".bb-cell img").count() == 0
    page.get_by_label("Search", exact=True).focus()
    page.keyboard.type("re:w|img")
    page.keyboard.press("Tab")  # Show
    page.keyboard.press("Tab")  # Sort by
    page.keyboard.press("Tab")  # Group by
    page.keyboard.type("module")
    for _ in range(4):  # log counts, same x, as table, and in
        page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")  # on a heading: fold it
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.type") == "search"
    wait_for_value(page, STATE, {
        "selected": "2.weight", "query": "re:w|img", "filter": "all", "sort": "model",
        "group": "first", "collapsed": ["0"], "same_x": False, "as_table": False,
    })  # fmt: skip
    run_cell(page, 1)
    page.wait_for_function(
        "document.querySelector('.bb-bar input[type=search]').value === '*weight'"
    )
    page.get_by_label("same x for all").wait_for()
    assert page.get_by_label("same x for all").is_checked()
    assert names(page) == ["1.weight", "2.weight"]  # in the order of their sizes, in groups
    run_cell(page, 0)  # again: the old one is gone, with all that it was told
    page.wait_for_function("document.querySelector('.bb-bar input[type=search]')?.value === ''")
    assert page.locator(".bb-grid").count() == 1


@pytest.mark.parametrize("name", ["JupyterLab Dark", "JupyterLab Light"])
def test_a_theme_keeps_nobody_out(stage, shoot, name):
    page = stage.page
    theme(page, name)
    stage.play(SMALL)
    page.locator(".bb-cell path").first.wait_for(state="attached")
    assert violations(page, ".bb-grid") == []
    page.locator(CELL.format("0.weight")).click()
    shoot(f"grid_in_lab_{name.split()[1].lower()}")
    page.get_by_role("button", name="as table").click()
    page.locator(".bb-table td").first.wait_for()
    assert violations(page, ".bb-grid") == []
    shoot(f"grid_table_in_lab_{name.split()[1].lower()}")


def test_a_thousand_parameters_in_a_notebook(stage, shoot):
    page, start = stage.page, stage.received
    stage.play(LARGE)
    page.locator(".bb-cell path").first.wait_for(state="attached")
    assert page.locator(".bb-cell").count() == 1000
    assert stage.received - start < 1_000_000
    page.locator(".bb-fold").first.click()
    shoot("grid_of_a_thousand")
