"""The init lab in a real JupyterLab: by keyboard, for everyone, many parameters, long work."""

from __future__ import annotations

import pytest
from axe_support import violations
from notebook_pages import open_rule, open_tab, theme

pytest_plugins = ["browser_fixtures"]
pytestmark = pytest.mark.browser

CELL = ".bb-cell[data-name='{}']"
SHOW = """
from torch import nn
from brickbook.lab import InitLab

def show(net, **options):
    global panel
    panel = InitLab(net, init_cfg=dict(type="Normal", std=0.1, layer="Linear"), **options)
    panel.tabs.open_tab("weights")
    return panel
"""
SMALL = """
net = nn.Sequential(nn.Linear(20, 30), nn.ReLU(), nn.Linear(30, 5))
show(net, name="net")
"""
MANY = """
block = lambda: nn.Sequential(*(nn.Linear(20, 20) for _ in range(5)))
show(nn.Sequential(*(block() for _ in range(100))))
"""
# As if every tensor were so large that a twentieth of a second went by.
LARGE = """
import importlib, threading, time

counting = importlib.import_module("brickbook.measure.snapshot.snapshot")
real = counting.measure_tensor

def measure_tensor(*args):
    if threading.current_thread().name == "brickbook-worker":
        time.sleep(0.05)
    return real(*args)

counting.measure_tensor = measure_tensor
show(nn.Sequential(*(nn.Linear(8, 8) for _ in range(300))), exact_up_to=0)
"""
WORKERS = "[it.name for it in threading.enumerate() if it.name == 'brickbook-worker']"
# Whether the focus can be seen: without it, the same thing looks otherwise.
SEEN = """() => {
  const it = document.activeElement;
  const look = () => {
    const { outline, borderColor, boxShadow, backgroundColor } = getComputedStyle(it);
    return [outline, borderColor, boxShadow, backgroundColor].join();
  };
  const focused = look();
  it.blur();
  const plain = look();
  it.focus({ focusVisible: true });
  return focused !== plain;
}"""


def tab_to(page, wanted, key="Tab"):
    """Press Tab until the focus is where it is wanted, and look at every stop on the way."""
    for _ in range(90):
        page.keyboard.press(key)
        assert page.evaluate(SEEN), page.evaluate("document.activeElement.outerHTML")
        if wanted.evaluate("it => it === document.activeElement"):
            return
    raise AssertionError(f"Tab does not lead to {wanted}")


def test_by_keyboard_alone(stage, shoot):
    page = stage.page
    stage.play(SHOW)
    cell = stage.play(SMALL)
    press = page.keyboard.press
    first, last = cell.locator(CELL.format("0.weight")), cell.locator(CELL.format("2.weight"))
    first.wait_for()
    cell.get_by_label("presets").focus()
    page.keyboard.type("Xavier")
    press("ArrowDown")
    last.get_by_text("Uniform(").wait_for()
    tab_to(page, cell.get_by_role("button", name="1 Xavier"))
    press("Enter")
    tab_to(page, cell.get_by_label("type").first)
    page.keyboard.type("Norm")
    std = cell.get_by_label("std", exact=True)
    std.wait_for()
    tab_to(page, std)
    page.keyboard.type("5")
    press("Enter")
    first.get_by_text("Normal(0, 5)").wait_for()
    tab_to(page, cell.get_by_role("button", name="Initialize"), "Shift+Tab")
    press("Enter")
    first.get_by_text("changed").wait_for()
    tab_to(page, first)
    press("ArrowRight")
    press("ArrowRight")
    press("Enter")
    cell.locator(".js-plotly-plot .main-svg").first.wait_for()
    assert last.evaluate("it => it === document.activeElement && it.ariaSelected === 'true'")
    shoot("lab_by_keyboard")
    tab_to(page, cell.get_by_role("button", name="Undo"), "Shift+Tab")
    press("Space")
    first.get_by_text("untouched").wait_for()
    plan = cell.get_by_role("cell", name="init_cfg[0]").first
    for name, way, shown, key in (
        ("Plan, parameter by parameter", "Tab", plan, "Enter"),
        ("Now: ", "Shift+Tab", cell.get_by_text("The weights as they are"), "Space"),
    ):
        fold = cell.get_by_role("button", name=name)
        tab_to(page, fold, way)
        for words in ("Open: press to close", "Closed: press to open"):
            press(key)
            shown.wait_for(state="visible" if words.startswith("Open") else "hidden")
            assert fold.get_attribute("title") == words
        press(key)
        shown.wait_for()
    shoot("lab_unfolded_by_keyboard")
    assert page.locator(".jp-CodeCell").count() == 1  # no key went to the notebook
    assert stage.ask("panel.last_error") == "None"


def test_it_keeps_nobody_out(stage, shoot):
    page = stage.page
    cell = stage.play(SHOW + SMALL)
    cell.locator(CELL.format("0.weight")).click()
    cell.locator(".js-plotly-plot .main-svg").first.wait_for()
    cell.get_by_role("button", name="Plan, parameter by parameter").click()
    cell.get_by_role("button", name="Now: ").click()
    cell.get_by_label("input", exact=True).fill("16, 20")
    cell.get_by_role("button", name="Run a batch").click()
    cell.get_by_text("The weights as they are").wait_for()
    cell.get_by_role("button", name="Keep to compare").click()
    open_rule(cell, 1)
    std = cell.get_by_label("std", exact=True)
    std.fill("-1")
    std.press("Enter")
    cell.get_by_text("expected a finite number of 0 or more").first.wait_for()
    for name in ("JupyterLab Dark", "JupyterLab Light"):
        theme(page, name)
        assert violations(page, ".jp-OutputArea:has(.bb-grid)") == []
        shoot(f"lab_for_everyone_{name.split()[1].lower()}")


def test_a_second_run_closes_the_first_panel(stage):
    stage.play(SHOW + SMALL)
    stage.ask("globals().update(old=panel)")
    cell = stage.play("%brickbook show net")
    open_tab(cell, "Weights")
    cell.locator(CELL.format("0.weight")).wait_for()
    assert stage.ask("old.comm, old.grid.comm") == "(None, None)"
    before = stage.ask("len(panel.widgets)")
    for _ in range(2):
        stage.again()
        cell.locator(".bb-drawing svg").wait_for()
        open_tab(cell, "Weights")
        cell.locator(CELL.format("0.weight")).wait_for()
        assert stage.page.locator(".bb-grid").count() == 1
    assert stage.ask("len(panel.widgets)") == before


def test_a_thousand_parameters(stage, shoot):
    cell = stage.play(SHOW + MANY)
    cell.locator(".bb-cell path").first.wait_for()
    assert cell.locator(".bb-cell").count() == 1000
    cell.get_by_role("button", name="Initialize").click()
    cell.locator(CELL.format("0.0.weight"), has_text="changed").wait_for()
    cell.get_by_label("Search", exact=True).fill("99.4.weight")
    found = cell.locator(CELL.format("99.4.weight"))
    found.click()
    cell.locator(".js-plotly-plot .main-svg").first.wait_for()
    shoot("lab_of_a_thousand")
    cell.get_by_role("button", name="Undo").click()
    found.get_by_text("untouched").wait_for()


def test_long_work_shows_how_far_it_is_and_can_be_cancelled(stage, shoot):
    page = stage.page
    cell = stage.play(SHOW + LARGE)
    cancel = cell.get_by_role("button", name="Cancel")
    page.wait_for_function("parseFloat(document.querySelector('.progress-bar')?.style.width) > 5")
    assert "brickbook-worker" in stage.ask(WORKERS)
    cell.get_by_text("Counting all of them").wait_for()
    shoot("lab_counting")
    cell.locator(CELL.format("0.weight")).click()  # meanwhile it answers
    cell.locator(".js-plotly-plot .main-svg").first.wait_for()
    cancel.click()
    cancel.wait_for(state="hidden")
    cell.get_by_text("Shown is a sample").wait_for()
    assert cell.get_by_text("Counting all of them").count() == 0
    assert stage.ask("panel.counting.worker.wait(9)") == stage.ask("panel.last_error") == "None"
    assert stage.ask(WORKERS) == "[]"
    stage.ask("setattr(counting, 'measure_tensor', real)")
    cell.get_by_role("button", name="Initialize").click()
    cell.locator(CELL.format("0.weight"), has_text="changed").wait_for()
    cell.get_by_text("Shown is a sample").wait_for(state="detached")  # all are counted
