"""The init lab in Chinese in a real JupyterLab: what is shown, and that nothing is cut off."""
# ruff: noqa: RUF001 - the commas, colons and brackets of Chinese are wide ones.

from __future__ import annotations

import pytest
from notebook_pages import open_tab, theme

pytest_plugins = ["browser_fixtures"]
pytestmark = pytest.mark.browser

CELL = ".bb-cell[data-name='{}']"
MODEL = """
from torch import nn
from brickbook.lab import InitLab
layers = [part for _ in range(5) for part in (nn.Linear(64, 64), nn.Tanh())]
model = nn.Sequential(nn.Linear(64, 64), nn.BatchNorm1d(64), *layers, nn.Linear(64, 10))
other = {"name": "2", "type": "Normal", "std": 0.02}
rules = [
    {"type": "Normal", "std": 0.01, "layer": ["Linear"], "override": other},
    {"type": "Constant", "val": 1, "layer": ["BatchNorm1d"]},
]
InitLab(model, init_cfg=rules, language="zh")
"""
# Labels, buttons and menus whose words are wider than they are.
CUT = """panel => [...panel.querySelectorAll(
    "button, .widget-label, .widget-label-basic, select, summary, label, .bb-grid button, th")]
  .filter((part) => part.offsetParent && part.scrollWidth > part.clientWidth + 1 &&
                    getComputedStyle(part).overflowX !== "visible")
  .map((part) => `${part.className}: ${part.textContent}`)"""


def test_a_chinese_panel_in_both_themes(stage, shoot):
    page, panel = stage.page, stage.play(MODEL)
    page.locator(".bb-drawing svg").wait_for()
    shoot("chinese_signals_light")
    open_tab(page, "权重")
    page.locator(CELL.format("0.weight")).wait_for()
    panel.get_by_role("button", name="保留以便对比").click()
    panel.get_by_text("A：Normal + Constant，种子 0").wait_for()
    panel.get_by_label("预设").select_option("Kaiming fan_in")
    panel.get_by_role("button", name="撤销").click()
    panel.get_by_text("计划：逐个参数").click()
    panel.get_by_role("button", name="初始化").click()
    panel.get_by_text("已初始化（种子 0）").wait_for()
    panel.locator(".bb-verdict").click()
    shape = panel.get_by_label("输入", exact=True)
    shape.fill("64, 64")
    shape.press("Enter")
    panel.get_by_role("button", name="运行一批数据").click()
    messages = panel.get_by_text("信号的标准差").first
    messages.wait_for()
    messages.click()
    page.get_by_text("model：Sequential").scroll_into_view_if_needed()
    shoot("chinese_diagnosis_light")
    assert panel.evaluate(CUT) == []
    panel.locator(".bb-verdict").click()
    panel.get_by_text("计划：逐个参数").click()
    page.locator(CELL.format("0.weight")).click()
    page.locator(".js-plotly-plot .barlayer .point").first.wait_for(state="attached")
    page.get_by_text("model：Sequential").scroll_into_view_if_needed()
    shoot("chinese_light")
    theme(page, "JupyterLab Dark")
    shoot("chinese_dark")
    page.locator(".js-plotly-plot").scroll_into_view_if_needed()
    shoot("chinese_detail_dark")
