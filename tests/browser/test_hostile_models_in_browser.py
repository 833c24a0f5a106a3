"""Models that raise, and names that would like to be markup, in a real JupyterLab."""

from __future__ import annotations

import re

import pytest
from browser_fixtures import fenced
from notebook_pages import open_tab

pytest_plugins = ["browser_fixtures"]
pytestmark = pytest.mark.browser

CELL = ".bb-cell[data-name='{}']"
CRACKED = """
from torch import nn
from brickbook import MODELS
from brickbook.lab import Builder
from brickbook.lab import InitLab

@MODELS.register_module(force=True)
class Cracked(nn.Linear):
    def __init__(self, inside, outside, size=1):
        if size < 1:
            raise RuntimeError("the mould is <b>too small</b>")
        super().__init__(inside, outside)

    def forward(self, x):
        raise RuntimeError("the pipe is <b>cracked</b>")

net = nn.Sequential(nn.Linear(20, 30), Cracked(30, 5))
panel = InitLab(net, init_cfg=dict(type="Normal", std=0.1, layer=["Linear", "Cracked"]))
panel
"""
BUILD = "%brickbook build --as made"
# Every "/" asks for an end of what stands around it.
EVIL = "</script><img src=x onerror=alert(1)>"
NAMED = f"""
from torch import nn
from brickbook import MODELS
from brickbook.lab import InitLab
evil = {EVIL!r}
kind = MODELS.register_module(name=evil, force=True)(type(evil, (nn.Linear,), {{}}))
net = nn.Sequential()
net.add_module(evil, kind(20, 30))
net.add_module("end", nn.Linear(30, 5))
net.register_parameter("p" + evil, nn.Parameter(net.end.bias.detach().clone()))
rules = [
    dict(type="Normal", std=0.1, layer=["Linear", evil]),
    dict(type="Zeros", layer=evil + "?"),
    dict(type="Constant", val=2.0, layer=[], override=dict(name=evil)),
]
panel = InitLab(net, init_cfg=rules)
panel
"""
EXPORTS = """
[panel.export(f"evil{suffix}", force=True) for suffix in (".html", ".svg", ".csv", ".json")]
from IPython.display import display
for value in (panel.static(), panel.plan, panel.report, panel.comparison):
    display(value)
"""
IMAGES = "document.querySelectorAll('img[src=x]').length"


def test_a_layer_that_raises_is_spoken_of_and_the_panel_lives_on(stage, shoot):
    cell = stage.play(CRACKED)
    shape = cell.get_by_label("input", exact=True)
    shape.fill("8, 20")
    shape.press("Enter")
    cell.get_by_role("button", name="Run a batch").click()
    messages = cell.get_by_role("alert").filter(has_text="the pipe is <b>cracked</b>").first
    messages.wait_for()
    shoot("lab_with_a_cracked_layer")
    cell.get_by_role("button", name="Initialize").click()
    open_tab(cell, "Weights")
    cell.locator(CELL.format("1.weight"), has_text="changed").wait_for()
    messages.wait_for()


def test_a_brick_that_raises_is_spoken_of_and_the_builder_lives_on(stage, shoot):
    stage.play(CRACKED)
    cell = stage.play(BUILD)
    rows = cell.locator("[role='treeitem']")
    rows.last.click()
    box = cell.get_by_role("combobox", name="Add a layer")
    box.fill("cracked")
    box.press("Enter")
    for key, value in {"inside": "10", "outside": "5"}.items():
        field = cell.get_by_label(key, exact=True)
        field.fill(value)
        field.press("Enter")
    cell.locator(".bb-bricks .bb-error", has_text="the pipe is <b>cracked</b>").wait_for()
    size = cell.get_by_label("size", exact=True)
    size.fill("0")
    size.press("Enter")
    cell.locator(".bb-bricks .bb-error", has_text="the mould is <b>too small</b>").wait_for()
    shoot("builder_with_a_cracked_brick")
    rows.last.press("Delete")
    cell.get_by_text("3 × 32 × 32 becomes 10").wait_for()
    cell.get_by_role("button", name="Use as `made`").click()
    cell.get_by_text("`made` is the new model").wait_for()


def test_names_of_markup_are_never_run(stage, browser, lab, shoot):
    page = stage.page
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    cell = stage.play(NAMED)
    open_tab(cell, "Weights")
    weight = cell.get_by_role("option", name=f"{EVIL}.weight, 600 values")
    weight.wait_for()
    cell.get_by_text("Plan, parameter by parameter").first.click()
    cell.locator(".bb-verdict").click()
    shape = cell.get_by_label("input", exact=True)
    shape.fill("8, 20")
    shape.press("Enter")
    cell.get_by_role("button", name="Run a batch").click()
    open_tab(cell, "Signals")
    cell.locator(".bb-drawing svg").wait_for()
    open_tab(cell, "Weights")
    weight.click()
    cell.locator(".js-plotly-plot .main-svg").first.wait_for()
    cell.locator(".js-plotly-plot .nsewdrag").first.hover()
    cell.get_by_role("button", name="Keep to compare").click()
    cell.get_by_text("A: ").wait_for()
    cell.get_by_role("button", name="Initialize").click()
    cell.locator(".bb-cell", has_text="changed").first.wait_for()
    shoot("lab_with_a_name_of_markup")
    cell.get_by_role("button", name="as table").click()
    cell.locator(".bb-table tr", has_text="onerror").first.wait_for()
    cell.get_by_role("button", name="Copy config").click()
    assert page.evaluate(IMAGES) == 0
    assert stage.ask("panel.last_error") == "None"
    cell = stage.play(EXPORTS)
    cell.locator("table td", has_text="onerror").nth(3).wait_for(state="attached")
    shoot("reprs_with_a_name_of_markup")
    cell = stage.play(BUILD)
    cell.locator("[role='treeitem']").last.click()
    box = cell.get_by_role("combobox", name="Add a layer")
    box.fill("<img")
    cell.locator(".bb-option", has_text="<img").first.wait_for()
    box.press("Enter")
    cell.locator("[role='treeitem']", has_text="onerror").first.wait_for()
    shoot("builder_with_a_name_of_markup")
    assert page.evaluate(IMAGES) == 0 and not [url for url in asked if url.endswith("/x")]
    for suffix in (".html", ".svg"):
        with fenced(browser, "file:") as (file, _):
            file.goto((lab.folder / f"evil{suffix}").as_uri())
            file.locator("text", has_text="onerror").or_(file.locator(".bb-cell")).first.wait_for()
            assert file.evaluate(IMAGES) == 0


def test_the_fence_notes_what_goes_wrong(browser):
    tries = {
        "http://other.invalid/x.js": "fetch('http://other.invalid/x.js').catch(() => 0)",
        "brickbook fails": "console.error('brickbook fails')",
        "an alert": "alert('an alert')",
    }
    for noted, script in tries.items():
        messages = re.escape(noted)
        with (
            pytest.raises(pytest.fail.Exception, match=messages),
            fenced(browser, "about:") as (page, _),
        ):
            page.evaluate(script)
    with fenced(browser, "about:") as (page, _):
        page.evaluate("console.error('another extension fails')")
