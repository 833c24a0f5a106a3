"""The network of a model in a real JupyterLab: mouse and keys, light and dark, three widths."""

from __future__ import annotations

import pytest
from axe_support import violations
from notebook_pages import theme, wait_for_value

pytest_plugins = ["browser_fixtures"]
pytestmark = pytest.mark.browser

CELL = """
from torch import nn
from brickbook.lab import InitLab
class Block(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.linear, self.norm, self.act = nn.Linear(size, size), nn.LayerNorm(size), nn.ReLU()
    def forward(self, x):
        return x + self.act(self.norm(self.linear(x)))
net = nn.Sequential(nn.Linear(12, 16), *(Block(16) for _ in range(12)), nn.Linear(16, 10))
lab = InitLab(net, name="net", input_shape=(12,), language="en")
lab
"""


def test_the_network_answers_to_mouse_and_keys(stage, shoot):
    stage.play(CELL)
    page = stage.page
    page.get_by_role("tab", name="Network").click()
    repeat = page.locator('.bb-network [data-kind="repeat"]')
    repeat.wait_for()
    shoot("network_light")
    box = page.locator('.bb-network [data-kind="module"]').first
    box.click()
    cells = page.locator(".bb-heat canvas")
    cells.wait_for()
    cells.focus()
    page.keyboard.press("ArrowRight")
    page.get_by_text("0.weight, unit 0, weight 1:").wait_for()
    page.keyboard.press("Enter")
    page.keyboard.type("0.25")
    page.keyboard.press("Enter")
    wait_for_value(page, "float(net[0].weight[0, 1])", 0.25)
    page.get_by_role("button", name="Set unit 0 to 0").click()
    wait_for_value(page, "float(net[0].weight[0].abs().sum())", 0.0)
    page.get_by_label("Colour").select_option("output std")
    page.locator(".bb-network").get_by_text("output std", exact=False).first.wait_for()
    shoot("network_cells")
    box.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")  # the repeat unfolds
    page.locator('.bb-network [data-kind="group"]').nth(11).wait_for()
    assert repeat.count() == 0
    theme(page, "JupyterLab Dark")
    for width in (933, 1920):
        page.set_viewport_size({"width": width, "height": 1000})
        page.wait_for_timeout(500)
        shoot(f"network_dark_{width}")
    assert violations(page, ".jp-OutputArea:has(.bb-network)") == []
