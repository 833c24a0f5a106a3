"""The builder's main paths in a real JupyterLab with a real browser."""

from __future__ import annotations

import json
import re

import pytest
from axe_support import violations
from notebook_pages import run_cell, theme

pytest_plugins = ["browser_fixtures"]
pytestmark = pytest.mark.browser

BUILD = "%brickbook build --as net"
TOLD = 'print("TOLD", str(net(__import__("torch").ones(1, 3, 32, 32)).shape), net)'
OWN = """
from torch import nn
from brickbook import MODELS

@MODELS.register_module()
class Tower(nn.Module):
    def __init__(self, channels: int, floors: int = 2):
        super().__init__()
        self.floors = nn.Sequential(*(nn.Conv2d(channels, channels, 1) for _ in range(floors)))

    def forward(self, x):
        return self.floors(x)
"""
# Names and labels that are cut, or broken within a word.
WORDS = """() => [...document.querySelectorAll(
  ".bb-bricks .bb-kind, .bb-bricks ~ * button, .widget-button, .bb-head span")]
  .filter((node) => node.offsetParent && (node.scrollWidth > node.clientWidth + 1
    && getComputedStyle(node).display !== "inline" || node.getClientRects().length > 1))
  .map((node) => node.textContent)"""
ROW = ".bb-bricks [role='treeitem']"


@pytest.fixture
def built(stage):
    """An open builder; what a cell of the notebook says goes before it."""

    def start(*before):
        page = stage.set_cells(*before, BUILD, TOLD)
        for at in range(len(before) + 1):
            run_cell(page, at)
        page.locator(ROW).first.wait_for()
        return page

    return start


def kinds(page):
    return page.locator(f"{ROW} .bb-kind").all_inner_texts()


def wait_for_kinds(page, *wanted):
    page.wait_for_function(
        "wanted => JSON.stringify([...document.querySelectorAll('.bb-bricks li .bb-kind')]"
        ".map(one => one.textContent)) === wanted",
        arg=json.dumps(list(wanted), separators=(",", ":")),
    )


START = ["ConvModule", "MaxPool2d", "ConvModule", "MaxPool2d", "Flatten", "Linear"]
SWAPPED = ["ConvModule", "ConvModule", "MaxPool2d", "MaxPool2d", "Flatten", "Linear"]


def messages(page):
    """Read what the last cell printed."""
    run_cell(page, page.locator(".jp-CodeCell").count() - 1)
    line = page.locator(".jp-OutputArea-output pre", has_text="TOLD").last
    line.wait_for()
    return line.inner_text()


def add(page, text):
    """Type into the search box and press Enter."""
    box = page.get_by_role("combobox", name="Add a layer")
    box.fill(text)
    box.press("Enter")


def focused(page):
    return page.evaluate("document.activeElement.closest('[role=treeitem]')?.textContent ?? ''")


def test_by_keyboard_alone(built, shoot):
    page = built()
    page.locator(ROW).first.focus()
    press = page.keyboard.press
    press("ArrowDown")
    press("Alt+ArrowDown")
    wait_for_kinds(page, *SWAPPED)
    page.wait_for_function("document.activeElement.textContent.startsWith('3MaxPool2d')")
    press("Control+z")
    wait_for_kinds(page, *START)
    press("Control+y")
    wait_for_kinds(page, *SWAPPED)
    press("Delete")
    wait_for_kinds(page, "ConvModule", "MaxPool2d", "MaxPool2d", "Flatten", "Linear")
    press("Control+d")
    wait_for_kinds(page, "ConvModule", "MaxPool2d", "MaxPool2d", "MaxPool2d", "Flatten", "Linear")
    press("Control+z")
    wait_for_kinds(page, "ConvModule", "MaxPool2d", "MaxPool2d", "Flatten", "Linear")
    press("Home")
    press("Shift+ArrowDown")
    page.wait_for_function(
        "document.querySelectorAll('.bb-bricks [aria-selected=true]').length === 2"
    )
    # Tab leaves the list for the controls: what to wrap in is chosen and pressed without a mouse.
    menu = page.get_by_label("Wrap in", exact=True)
    for _ in range(20):
        press("Tab")
        if menu.evaluate("menu => menu === document.activeElement"):
            break
    page.keyboard.type("Sequential")
    press("Tab")
    press("Enter")
    wait_for_kinds(page, "Sequential", "ConvModule", "MaxPool2d", "MaxPool2d", "Flatten", "Linear")
    page.locator(ROW).first.focus()
    press("ArrowRight")
    page.wait_for_function("document.activeElement.textContent.startsWith('1.1ConvModule')")
    press("Alt+ArrowLeft")
    wait_for_kinds(page, "Sequential", "MaxPool2d", "ConvModule", "MaxPool2d", "Flatten", "Linear")
    press("Alt+ArrowRight")
    wait_for_kinds(page, "Sequential", "MaxPool2d", "ConvModule", "MaxPool2d", "Flatten", "Linear")
    page.wait_for_function("document.activeElement.textContent.startsWith('1.2ConvModule')")
    shoot("builder_keyboard")
    press("ArrowLeft")
    press("ArrowLeft")
    wait_for_kinds(page, "Sequential", "MaxPool2d", "Flatten", "Linear")
    assert page.locator(f"{ROW}[tabindex='0']").count() == 1
    # The notebook has plain keys of its own: "b" and "a" make a cell, "x" cuts one.
    use = page.get_by_role("button", name="Use as `net`")
    box = page.get_by_role("combobox", name="Add a layer")
    for place in (page.locator(ROW).first, menu, box, use):
        place.focus()
        page.keyboard.type("bax")
    assert page.locator(".jp-CodeCell").count() == 2
    press("Enter")
    page.get_by_text("`net` is the new model").wait_for()
    assert "torch.Size([1, 10])" in messages(page)


def test_lenet_by_keys_started_and_copied(built, shoot):
    page = built()
    press(page, "LeNet")
    page.get_by_text("10 bricks, 61,706 parameters").wait_for()
    picture = page.locator(".bb-picture")
    picture.locator("[data-kind='module']").last.click()
    page.wait_for_function("document.querySelector('.bb-current')?.textContent.startsWith('10')")
    assert picture.locator(".bb-chosen").count() == 1
    box = page.get_by_role("combobox", name="Add a layer")
    box.focus()
    page.keyboard.type("drop")
    page.locator(".bb-option", has_text="DropPath").wait_for()
    page.keyboard.press("ArrowDown")
    assert box.get_attribute("aria-activedescendant")
    page.keyboard.press("Escape")
    box.fill("")
    page.keyboard.type("lin in_features=5")
    page.keyboard.press("Enter")
    page.locator(".bb-bricks .bb-error", has_text="takes 5, gets 10.").wait_for()
    assert box.evaluate("box => box === document.activeElement") and box.input_value() == ""
    page.locator(".bb-fix").click()
    page.locator(".bb-bricks .bb-error").wait_for(state="detached")
    page.get_by_label("out_features", exact=True).focus()
    page.locator(".bb-field-doc", has_text="out_features: size of each output sample").wait_for()
    choose(page, "Copy as", "nn.Module class")
    press(page, "Copy")
    code = page.get_by_label("Code", exact=True)
    code.wait_for()
    assert code.input_value().count("nn.Linear(") == 4
    for name in ("JupyterLab Dark", "JupyterLab Light"):
        theme(page, name)
        box.fill("pool")
        page.locator(".bb-option").first.wait_for()
        shoot(f"builder_search_{name.split()[-1].lower()}")
        assert violations(page, ".jp-OutputArea:has(.bb-bricks)") == []
    box.fill("")
    for width in (933, 1400, 1920):
        page.set_viewport_size({"width": width, "height": 1000})
        page.wait_for_timeout(300)
        assert page.evaluate(WORDS) == []
        shoot(f"builder_{width}")
    page.get_by_role("button", name=re.compile("^Start it")).click()
    page.locator(".jp-OutputArea").get_by_role("button", name="Initialize").wait_for()
    page.get_by_text("How it starts is shown below").wait_for()
    assert page.locator(".jp-CodeCell").count() == 2


def test_drag_and_drop(built, shoot):
    page = built()
    rows = page.locator(ROW)
    rows.nth(1).drag_to(rows.nth(2), target_position={"x": 80, "y": 38})
    wait_for_kinds(page, *SWAPPED)
    rows.nth(0).click()
    page.get_by_role("button", name="Wrap", exact=True).click()
    wait_for_kinds(page, "Sequential", *SWAPPED)
    rows.nth(2).drag_to(rows.nth(0), target_position={"x": 80, "y": 13})
    wait_for_kinds(page, "Sequential", *SWAPPED)
    page.wait_for_function(
        "[...document.querySelectorAll('.bb-bricks li')][2].textContent.startsWith('1.2')"
    )
    page.locator(ROW).nth(0).locator(".bb-fold").click()
    wait_for_kinds(page, "Sequential", "MaxPool2d", "MaxPool2d", "Flatten", "Linear")
    shoot("builder_folded")
    assert page.locator(".jp-CodeCell").count() == 2


def choose(page, label, word):
    page.get_by_label(label, exact=True).select_option(word)


def press(page, name):
    page.get_by_role("button", name=name, exact=True).click()


def select(page, at):
    """Choose a row; while the list is drawn anew a click on an old row is lost."""
    row = page.locator(ROW).nth(at)
    for _ in range(100):
        row.click()
        page.wait_for_timeout(100)
        if row.get_attribute("aria-selected") == "true":
            return
    raise AssertionError(f"row {at} is not chosen")


def wrap(page, kind):
    choose(page, "Wrap in", kind)
    press(page, "Wrap")


def test_a_tree_with_a_users_class_in_both_themes(built, shoot):
    page = built(OWN)
    select(page, 2)
    add(page, "tower")
    page.get_by_label("floors", exact=True).wait_for()
    wrap(page, "Residual")
    page.locator(f"{ROW} .bb-kind", has_text="shortcut").wait_for()
    select(page, 1)
    page.get_by_text("2. MaxPool2d", exact=True).wait_for()
    wrap(page, "Concat")
    page.locator(f"{ROW} .bb-kind", has_text="branch 1").wait_for()
    choose(page, "Place", "inside the chosen")
    add(page, "conv")
    words = "the branches give 16 × 16 × 16 and 16 × 32 × 32"
    fault = page.locator(".bb-bricks .bb-error", has_text=words)
    fault.wait_for()
    shoot("builder_misfit_light")
    theme(page, "JupyterLab Dark")
    shoot("builder_misfit_dark")
    colours = fault.evaluate(
        "node => [getComputedStyle(node).color, getComputedStyle(document.body).backgroundColor]"
    )
    light, dark = (sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in colours)
    assert light - dark > 300
    theme(page, "JupyterLab Light")
    page.get_by_role("button", name=re.compile("more, default")).click()
    stride = page.get_by_label("stride", exact=True)
    stride.fill("2")
    stride.press("Enter")
    fault.wait_for(state="detached")
    page.get_by_text("3 × 32 × 32 becomes 10").wait_for()
    choose(page, "Copy as", "Python that builds it")
    press(page, "Copy")
    page.get_by_label("Code", exact=True).wait_for()
    page.get_by_label("Code", exact=True).scroll_into_view_if_needed()
    shoot("builder_code")
    press(page, "Use as `net`")
    page.get_by_text("`net` is the new model").wait_for()
    assert "Tower" in messages(page)


def test_nothing_keeps_people_out(built):
    page = built()
    wrap(page, "Residual")
    page.locator(f"{ROW} .bb-kind", has_text="shortcut").wait_for()
    for name in ("JupyterLab Dark", "JupyterLab Light"):
        theme(page, name)
        assert violations(page, ".jp-OutputArea:has(.bb-bricks)") == []


def test_another_type_and_an_automatic_size(built, shoot):
    page = built()
    page.locator(ROW).nth(2).click()
    choose(page, "Change to", "norm:\xa0GN")
    groups = page.get_by_label("num_groups", exact=True)
    groups.wait_for()
    page.get_by_text("auto: 16").wait_for()
    shoot("builder_retyped")
    groups.fill("3")
    groups.press("Enter")
    page.locator(".bb-bricks .bb-error", has_text="num_channels").wait_for()
    groups.press("Control+z")  # the field's own undo, not the builder's
    page.set_viewport_size({"width": 700, "height": 1000})
    page.wait_for_timeout(500)
    wide = "[...document.querySelectorAll('.bb-bricks, .bb-bricks *')]"
    assert page.evaluate(f"{wide}.every(node => node.scrollWidth <= node.clientWidth + 1 || "
                         "getComputedStyle(node).display === 'inline')")  # fmt: skip
    shoot("builder_narrow")
