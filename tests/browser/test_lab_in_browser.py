"""The notebook's main path in a real JupyterLab with a real browser."""

from __future__ import annotations

import json
import re

import pytest
from notebook_pages import open_rule, open_tab, run_cell, theme

pytest_plugins = ["browser_fixtures"]
pytestmark = pytest.mark.browser

TOLD = """
import json
pair = Out[2].comparison["0.conv.weight"]
print("TOLD", json.dumps(dict(count=pair.after.count, std=pair.after.std, counts=pair.counts_after,
                              before=pair.counts_before)))
"""
RESNET = """
from torchvision_support import import_torchvision
model = import_torchvision().models.resnet50(weights=None)
"""
CELL = ".bb-cell[data-name='{}']"


def messages(page):
    """Read what a cell printed."""
    line = page.locator(".jp-OutputArea-output pre", has_text="TOLD").last
    line.wait_for()
    return json.loads(line.inner_text().split("TOLD ", 1)[1])


def test_build_show_change_the_law_initialize_and_read_the_histogram(stage, shoot):
    page = stage.set_cells("%brickbook build --as model", "%brickbook show model", TOLD)
    run_cell(page, 0)
    page.get_by_role("button", name="Use as `model`").click()
    page.get_by_text("`model` is the new model").wait_for()
    shoot("builder_light")
    run_cell(page, 1)
    open_tab(page, "Weights")
    cell = page.locator(CELL.format("0.conv.weight"))
    cell.wait_for()
    rules = page.locator(".jp-CodeCell").nth(1)
    open_rule(rules, 1)
    rules.get_by_label("type").first.select_option("Normal")
    std = rules.get_by_label("std", exact=True)
    std.fill("0.5")
    std.press("Enter")
    page.locator(CELL.format("0.conv.weight"), has_text="Normal(0, 0.5)").wait_for()
    assert "untouched" in cell.inner_text()  # planned, not written
    page.get_by_role("button", name="Initialize").click()
    page.locator(CELL.format("0.conv.weight"), has_text="changed").wait_for()
    cell.scroll_into_view_if_needed()
    run_cell(page, 2)
    kernel = messages(page)
    shown = cell.evaluate("element => element.__data")
    assert list(shown["counts"]["after"]) == kernel["counts"] or (
        list(shown["counts"]["after"].values()) == kernel["counts"]
    )
    assert int(cell.get_attribute("data-after-total")) == kernel["count"] == 432
    assert shown["after"]["std"] == pytest.approx(kernel["std"], rel=1e-6)
    assert kernel["std"] == pytest.approx(0.5, rel=0.1)
    assert cell.locator(".bb-std").text_content().startswith(f"std {kernel['std']:.3g}")
    page.get_by_role("button", name="Undo").last.click()
    page.locator(CELL.format("0.conv.weight"), has_text="untouched").wait_for()


def test_a_mistake_is_shown_at_its_field_and_the_panel_lives_on(stage, shoot):
    model = "from torch import nn\nmodel = nn.Sequential(nn.Linear(20, 30))"
    page = stage.set_cells(model, "%brickbook show model --init Normal --layer Linear")
    run_cell(page, 0)
    run_cell(page, 1)
    panel = page.locator(".jp-CodeCell").nth(1)
    open_rule(panel, 1)
    panel.get_by_text("Arguments").first.click()
    std = panel.get_by_label("std", exact=True)
    std.fill("-1")
    std.press("Enter")
    panel.get_by_text("expected a finite number of 0 or more").first.wait_for()
    panel.locator("button:disabled", has_text="Initialize").wait_for()
    shoot("mistake")
    std.fill("0.25")
    std.press("Enter")
    layer = panel.get_by_label("add class")
    layer.fill("Linaer")
    layer.press("Enter")
    panel.get_by_text("Did you mean 'Linear'?").first.wait_for()
    shoot("unmatched")
    open_tab(page, "Weights")
    page.locator(CELL.format("0.weight"), has_text="Normal(0, 0.25)").wait_for()
    panel.get_by_role("button", name="Initialize").click()
    page.locator(CELL.format("0.weight"), has_text="changed").wait_for()


MLP = """
from torch import nn
layers = [part for _ in range(8) for part in (nn.Linear(64, 64), nn.ReLU())]
model = nn.Sequential(*layers, nn.Linear(64, 10))
"""


def test_variants_diagnosis_undo_and_redo(stage, shoot):
    show = "%brickbook show model --init Normal --set std=0.01 --layer Linear"
    page = stage.set_cells(MLP, show)
    run_cell(page, 0)
    run_cell(page, 1)
    panel = page.locator(".jp-CodeCell").nth(1)
    open_tab(page, "Weights")
    first = page.locator(CELL.format("0.weight"))
    first.wait_for()
    panel.get_by_role("button", name="Keep to compare").click()
    panel.get_by_text("A: Normal, seed 0").wait_for()
    panel.get_by_label("presets").select_option("Kaiming, fan in")
    panel.get_by_role("button", name="Keep to compare").click()
    panel.get_by_text("B: Kaiming, seed 0").wait_for()
    assert panel.get_by_title(re.compile("^Take the rules of [AB]$")).count() == 2
    shoot("variants_light")
    panel.get_by_title("Take the rules of A").click()
    panel.get_by_role("button", name="Initialize").click()
    page.locator(CELL.format("0.weight"), has_text="changed").wait_for()
    panel.get_by_role("button", name="Undo").click()
    panel.get_by_text("Undone").wait_for()
    panel.get_by_role("button", name="Redo").click()
    panel.get_by_text("Done again").wait_for()
    panel.locator(".bb-verdict").click()
    shape = panel.get_by_label("input", exact=True)
    shape.fill("64, 64")
    shape.press("Enter")
    panel.get_by_role("button", name="Run a batch").click()
    panel.get_by_text("The std of the signals shrinks").wait_for()
    panel.get_by_text("The std of the signals shrinks").click()
    finding = panel.get_by_text("The std of the signals shrinks").first
    finding.scroll_into_view_if_needed()
    shoot("diagnosis_light")
    theme(page, "JupyterLab Dark")
    colour = first.evaluate("element => getComputedStyle(element).color")
    assert min(int(number) for number in re.findall(r"\d+", colour)[:3]) > 150  # light on dark
    finding.scroll_into_view_if_needed()
    shoot("diagnosis_dark")
    panel.get_by_role("button", name="Keep to compare").scroll_into_view_if_needed()
    shoot("variants_dark")


def test_resnet50_in_both_themes(stage, shoot):
    show = "%brickbook show model --init Xavier --set distribution=uniform --layer Conv2d"
    page = stage.set_cells(RESNET, show)
    run_cell(page, 0)
    run_cell(page, 1)
    page.locator(".bb-drawing svg").wait_for()
    shoot("resnet50_signals_light")
    open_tab(page, "Weights")
    page.locator(CELL.format("fc.bias")).wait_for(state="attached")
    assert page.locator(".bb-cell").count() == 161
    page.get_by_role("button", name="Initialize").click()
    first = page.locator(CELL.format("conv1.weight"))
    page.locator(CELL.format("conv1.weight"), has_text="changed").wait_for()
    first.click()
    page.locator(".js-plotly-plot .main-svg").first.wait_for()
    page.get_by_text("161 parameters, 25.6 M values").scroll_into_view_if_needed()
    shoot("resnet50_light")
    page.locator(".js-plotly-plot").scroll_into_view_if_needed()
    shoot("resnet50_detail_light")
    theme(page, "JupyterLab Dark")
    shoot("resnet50_detail_dark")
    first.scroll_into_view_if_needed()
    shoot("resnet50_dark")
    colour = first.evaluate("element => getComputedStyle(element).color")
    assert min(int(number) for number in re.findall(r"\d+", colour)[:3]) > 150
