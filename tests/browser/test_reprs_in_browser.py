"""What a notebook that nobody trusts shows of records, in a real JupyterLab, in both themes."""

from __future__ import annotations

import json

import pytest
import torch
from notebook_pages import theme as change_theme
from torch import nn

from brickbook.init.execution import initialize
from brickbook.init.planning import plan
from brickbook.measure.snapshot import alternatives, compare, snapshot
from brickbook.views.page import static_report

pytest_plugins = ["browser_fixtures"]
pytestmark = pytest.mark.browser

EVIL = "<img src=x onerror=document['title']='evil'>"
RULES = [dict(type="Kaiming", layer="Conv2d"), dict(type="Normal", std=0.1, layer="Linear")]


def records():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16), nn.Linear(64, 32))
    net.register_parameter(EVIL, nn.Parameter(torch.zeros(3)))
    before = snapshot(net)
    found = alternatives(net, {"kaiming": RULES[:1], "both": RULES})
    todo = plan(net, RULES)
    report = initialize(net, RULES, seed=0)
    comparison = compare(before, snapshot(net))
    return (todo, report, before, comparison, found, static_report(comparison, report=report))


def saved(folder, name, values):
    """Write a notebook that was run elsewhere: its outputs are there and not signed."""
    cells = [
        {"cell_type": "code", "id": f"c{at}", "source": f"# {type(value).__name__}",
         "metadata": {}, "execution_count": at + 1,
         "outputs": [{"output_type": "execute_result", "execution_count": at + 1, "metadata": {},
                      "data": value._repr_mimebundle_()}]}
        for at, value in enumerate(values)
    ]  # fmt: skip
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    made = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    (folder / name).write_text(json.dumps(made))


def test_an_untrusted_notebook_shows_tables_and_the_picture(page, lab, shoot):
    values = records()
    saved(lab.folder, "untrusted.ipynb", values)
    page.goto(f"{lab.url}/doc/tree/untrusted.ipynb?reset")
    tables = page.locator(".jp-OutputArea-output table")
    tables.nth(len(values) - 1).wait_for(state="attached")
    assert tables.count() == len(values)
    image = page.locator(".jp-OutputArea-output img")
    image.wait_for()
    assert image.evaluate("one => one.naturalWidth") > 500
    assert page.title() != "evil"
    for at in range(len(values)):
        page.locator(".jp-OutputArea-output summary").nth(at).click()
    for theme in ("Light", "Dark"):
        change_theme(page, f"JupyterLab {theme}")
        for at, value in enumerate(values):
            kind = type(value).__name__.lower()
            output = page.locator(".jp-OutputArea-output").nth(at)
            output.scroll_into_view_if_needed()
            cell = output.locator("td").first
            ink = cell.evaluate("one => getComputedStyle(one).color")
            bright = sum(int(n) for n in ink[ink.index("(") + 1 : -1].split(",")[:3]) / 3
            assert bright < 110 if theme == "Light" else bright > 150, kind
            assert output.locator("td", has_text="<img src=x").first.is_visible()
            shoot(f"untrusted_{kind}_{theme.lower()}")
