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
