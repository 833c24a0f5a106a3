from __future__ import annotations

import pytest
import torch
import traitlets
from torch import nn

from brickbook.init.execution import initialize
from brickbook.init.planning import plan
from brickbook.lab.widgets import Grid
from brickbook.measure.snapshot import compare, snapshot
from brickbook.views.grid.payload import GRID_CSS, GRID_JS, Variant, grid_payload

RULE = {"type": "Normal", "std": 0.5, "layer": "Linear"}
# What a grid says when nobody has said anything: also what grid.js takes for granted on a page.
STATE = {
    "selected": "", "query": "", "filter": "all", "sort": "model", "group": "none",
    "collapsed": [],
    "constants_shown": False, "same_x": False, "log_counts": False, "as_table": False,
    "variants_as": "overlay",
}  # fmt: skip


def state(grid: Grid) -> dict[str, object]:
    return {name: getattr(grid, name) for name in STATE}


def test_a_new_grid_is_empty():
    grid = Grid()
    assert (grid.meta, grid.buffer, grid.rev) == ({}, b"", 0)
    assert state(grid) == STATE
    assert repr(grid) == "Grid(0 parameters)"


def test_the_page_knows_every_trait_with_its_default():
    script = GRID_JS.read_text()
    start = script.index("const STATE = {")
    messages = script[start : script.index("};", start)]
    for name, value in STATE.items():
        word = str(value).lower() if isinstance(value, bool) else value
        assert f"{name}: " + (f'"{word}"' if isinstance(value, str) else f"{word}") in messages
    assert set(STATE) | {"meta", "buffer", "rev"} == {
        name for name in Grid().traits(sync=True) if name in Grid.class_own_traits()
    }


def test_the_page_gets_the_script_and_the_style_of_the_views():
    grid = Grid()
    assert grid._esm == GRID_JS.read_text() and grid._css == GRID_CSS.read_text()


@pytest.mark.parametrize("name", ["sort", "group", "variants_as"])
def test_a_word_that_means_nothing_is_refused(name):
    grid = Grid()
    with pytest.raises(traitlets.TraitError):
        setattr(grid, name, "upside down")
    assert state(grid) == STATE


def test_show_sends_one_payload_at_once():
    model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))
    before = snapshot(model)
    with torch.no_grad():
        model[0].weight.zero_()
    comparison, todo = compare(before, snapshot(model)), plan(model, RULE)
    grid = Grid()
    messages: list[dict] = []
    grid.observe(lambda change: messages.append(dict(grid.meta)), "rev")
    grid.show(comparison, todo)
    payload = grid_payload(comparison, todo)
    assert (grid.meta, grid.buffer, grid.rev) == (payload.meta, payload.buffer, 1)
    assert messages == [payload.meta]  # complete by the time the page hears of it
    assert [cell["name"] for cell in grid.meta["cells"]] == [
        "0.weight", "0.bias", "1.weight", "1.bias",
    ]  # fmt: skip
    assert repr(grid) == "Grid(4 parameters)"
    grid.show(comparison)
    assert grid.rev == 2 and grid.meta["laws"] == []


def test_what_was_set_holds_when_other_numbers_are_shown():
    model = nn.Linear(4, 3)
    before = snapshot(model)
    chosen = STATE | {
        "selected": "weight", "query": "re:w", "filter": "rule:init_cfg", "sort": "ratio",
        "group": "second", "collapsed": [""], "same_x": True, "as_table": True,
    }  # fmt: skip
    grid = Grid(**chosen)
    grid.show(compare(before, before))
    report = initialize(model, RULE, seed=0)
    grid.show(compare(before, snapshot(model)), report=report)
    assert state(grid) == chosen


def test_variants_and_a_language():
    model = nn.Linear(4, 3)
    before = snapshot(model)
    report = initialize(model, RULE, seed=0)
    after = compare(before, snapshot(model))
    grid = Grid()
    grid.show(after, variants={"A": Variant(after, report=report), "B": after}, language="zh")
    assert grid.meta["variants"] == ["A", "B"] and grid.meta["language"] == "zh"
    assert [side["status"] for side in grid.meta["cells"][0]["variants"]] == ["changed"] * 2


def test_closing_takes_the_layout_along():
    grid = Grid()
    layout = grid.layout
    grid.close()
    grid.close()
    assert grid.comm is None and layout.comm is None
