from __future__ import annotations

import torch
from torch import nn

from brickbook.init import plan
from brickbook.lab.grid import Grid
from brickbook.measure import compare, snapshot
from brickbook.views.grid import GRID_CSS, GRID_JS, grid_payload

RULE = {"type": "Normal", "std": 0.5, "layer": "Linear"}


def test_a_new_grid_is_empty():
    grid = Grid()
    assert (grid.meta, grid.buffer, grid.rev, grid.selected) == ({}, b"", 0, "")
    assert repr(grid) == "Grid(0 parameters)"


def test_the_page_gets_the_script_and_the_style_of_the_views():
    grid = Grid()
    assert grid._esm == GRID_JS.read_text("utf-8") and grid._css == GRID_CSS.read_text("utf-8")


def test_show_sends_one_payload_at_once():
    model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))
    before = snapshot(model)
    with torch.no_grad():
        model[0].weight.zero_()
    comparison, todo = compare(before, snapshot(model)), plan(model, RULE)
    grid = Grid()
    told: list[dict] = []
    grid.observe(lambda change: told.append(dict(grid.meta)), "rev")
    grid.show(comparison, todo)
    payload = grid_payload(comparison, todo)
    assert (grid.meta, grid.buffer, grid.rev) == (payload.meta, payload.buffer, 1)
    assert told == [payload.meta]  # complete by the time the page hears of it
    assert [cell["name"] for cell in grid.meta["cells"]] == [
        "0.weight", "0.bias", "1.weight", "1.bias",
    ]  # fmt: skip
    assert repr(grid) == "Grid(4 parameters)"
    grid.show(comparison)
    assert grid.rev == 2 and "expected" not in grid.meta["cells"][0]


def test_closing_takes_the_layout_along():
    grid = Grid()
    layout = grid.layout
    grid.close()
    grid.close()
    assert grid.comm is None and layout.comm is None
