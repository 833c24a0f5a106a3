"""The triple in a real JupyterLab: for everyone, in light and dark, narrow and wide."""

from __future__ import annotations

import pytest
from axe_support import violations
from notebook_pages import open_tab, theme

pytest_plugins = ["browser_fixtures"]
pytestmark = pytest.mark.browser

SHOW = """
from torch import nn
from brickbook.lab import InitLab

layers = [part for _ in range(4) for part in (nn.Linear(20, 20), nn.ReLU())]
net = nn.Sequential(*layers, nn.Linear(20, 10))
panel = InitLab(net, name="net", init_cfg=dict(type="Normal", std=0.1, layer="Linear"))
panel
"""


def test_it_is_there_by_itself_and_keeps_nobody_out(stage, shoot):
    page = stage.page
    cell = stage.play(SHOW)
    cell.get_by_text("Noise, N(0, 1)").first.wait_for()
    open_tab(page, "Triple")
    cell.get_by_text("weight gradients").wait_for()
    cell.get_by_label("a step of").select_option("Adam")
    cell.get_by_text("update/weight").wait_for()
    cell.get_by_label("gradients by").select_option("activations")
    cell.get_by_text("activation gradients").wait_for()
    for name in ("JupyterLab Dark", "JupyterLab Light"):
        theme(page, name)
        assert violations(page, ".jp-OutputArea:has(.bb-tabs)") == []
        for width in (933, 1400, 1920):
            page.set_viewport_size({"width": width, "height": 1000})
            page.wait_for_timeout(700)  # it is drawn anew
            shoot(f"triple_{name.split()[1].lower()}_{width}")
    cell.locator("[data-layer='2']").click()
    cell.locator(".bb-cell[data-name='2.weight']").wait_for()
    assert stage.ask("panel.last_error") == "None"
