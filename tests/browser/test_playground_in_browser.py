"""The law playground and the race panel in a real JupyterLab with a real browser."""

from __future__ import annotations

import pytest
from axe_support import violations
from notebook_pages import theme, wait_for_value

pytest_plugins = ["browser_fixtures"]
pytestmark = pytest.mark.browser

LAW = """
from brickbook.lab import LawPlayground
panel = LawPlayground({"type": "Kaiming", "mode": "fan_in"}, language="en")
panel
"""
# Whatever is wider than its place.
CUT = """[...document.querySelectorAll(".jp-OutputArea .bb-slider, .jp-OutputArea .bb-slider *")]
  .filter((node) => node.offsetParent && node.tagName !== "INPUT" &&
    node.scrollWidth > node.clientWidth + 1).map((node) => node.textContent.slice(0, 60))"""


def test_sliders_of_a_law(stage, shoot):
    stage.play(LAW)
    page = stage.page
    page.get_by_text("std = gain / √fan_in = √2 / √512 = 0.0625").wait_for()
    images = page.locator(".jp-OutputArea img")
    assert images.count() == 2
    assert images.first.evaluate("image => image.complete && image.naturalWidth > 0")
    shoot("law_light")
    slider = page.get_by_label("fan_in, slider")
    slider.focus()
    for _ in range(8):
        page.keyboard.press("ArrowRight")  # by keys alone: eight steps double it
    page.get_by_text("√2 / √1024 = 0.04419").wait_for(timeout=5000)
    wait_for_value(page, "panel.study.fans", (1024, 512))
    assert page.get_by_label("fan_in", exact=True).input_value() == "1024"
    page.get_by_label("fan_out", exact=True).fill("many")
    page.keyboard.press("Tab")
    page.get_by_text("expected int, got 'many'").wait_for()
    page.get_by_label("fan_out", exact=True).fill("64")
    page.keyboard.press("Tab")
    wait_for_value(page, "panel.study.fans", (1024, 64))
    page.get_by_label("type", exact=True).select_option("Orthogonal")
    page.get_by_text("W Wᵀ = gain² · I").wait_for()
    theme(page, "JupyterLab Dark")
    page.set_viewport_size({"width": 933, "height": 1000})
    page.wait_for_timeout(200)
    shoot("law_dark_narrow")
    assert page.evaluate(CUT) == []
    assert violations(page, ".jp-OutputArea:has(.bb-slider)") == []


RACE = """
from torch import nn
from brickbook.lab import InitLab
model = nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 3))
panel = InitLab(model, language="en")
panel
"""


def test_a_race_of_the_variants(stage, shoot):
    stage.play(RACE)
    page = stage.page
    page.get_by_role("tab", name="Race").click()
    page.get_by_label("task", exact=True).wait_for()
    wait_for_value(page, "panel.tabs.sections['race'].race.task.value", "spirals")
    page.get_by_role("button", name="Keep").first.click()
    page.get_by_label("steps", exact=True).select_option("200")
    page.get_by_label("learning rate", exact=True).select_option("0.3")
    page.get_by_role("button", name="Race").last.click()
    picture = page.get_by_role("img", name="Loss over the steps: as it is")
    picture.wait_for()
    wait_for_value(page, "panel.tabs.sections['race'].race.result.runs[-1].status", "finished")
    shoot("race_light")
    theme(page, "JupyterLab Dark")
    page.set_viewport_size({"width": 933, "height": 1000})
    picture.scroll_into_view_if_needed()
    page.wait_for_timeout(200)
    shoot("race_dark_narrow")
    assert violations(page, ".jp-OutputArea .bb-tabs") == []
