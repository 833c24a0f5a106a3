"""The grid in a real browser: what it draws, and that it answers the mouse and the keyboard."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from brickbook.init import initialize, plan
from brickbook.measure import compare, snapshot
from brickbook.views.grid import GRID_CSS, GRID_JS, GridPayload, grid_payload
from brickbook.views.page import page as page_of

pytestmark = pytest.mark.browser

EVIL = "<img src=x onerror=alert(1)>"
# A model as anywidget has it, with a "kernel" that the test plays.
HOST = """<!DOCTYPE html><meta charset="utf-8"><style>%s</style><div id="grid"></div>
<script type="module">
import grid from "data:text/javascript;base64,%s";
const traits = {}, heard = {};
window.saved = [];
const model = {
  get: (key) => traits[key],
  set: (key, value) => { traits[key] = value; },
  on: (event, act) => { (heard[event] ??= new Set()).add(act); },
  off: (event, act) => heard[event].delete(act),
  save_changes: () => window.saved.push(traits.selected),
};
window.push = (meta, buffer, rev) => {
  const bytes = Uint8Array.from(atob(buffer), (letter) => letter.charCodeAt(0));
  const shifted = new Uint8Array(bytes.length + 3);  // as a message has it: in the middle
  shifted.set(bytes, 3);
  Object.assign(traits, { meta, rev, buffer: new DataView(shifted.buffer, 3, bytes.length) });
  for (const act of heard["change:rev"] ?? []) act();
};
window.choose = (name) => { traits.selected = name; heard["change:selected"].forEach((f) => f()); };
window.traits = traits;
window.scale = (log) => {
  traits.log_counts = log;
  heard["change:log_counts"].forEach((f) => f());
};
window.listeners = () => Object.values(heard).reduce((total, set) => total + set.size, 0);
window.start = () => {
  window.stop = grid.render({ model, el: document.getElementById("grid") });
};
</script>"""


def network() -> nn.Module:
    net = nn.Sequential(nn.Linear(40, 30), nn.BatchNorm1d(30), nn.Linear(30, 5))
    net.register_parameter(EVIL, nn.Parameter(torch.ones(3)))
    return net


def start(net: nn.Module, std: float) -> tuple[Any, GridPayload]:
    before = snapshot(net)
    report = initialize(net, {"type": "Normal", "std": std, "layer": "Linear"}, seed=3)
    comparison = compare(before, snapshot(net))
    return comparison, grid_payload(comparison, report.plan, report)


@pytest.fixture
def tab(browser: Any) -> Iterator[Any]:
    """A tab without a network, in which any complaint fails the test."""
    context = browser.new_context(offline=True, viewport={"width": 1000, "height": 700})
    tab = context.new_page()
    troubles: list[str] = []
    tab.on("pageerror", lambda error: troubles.append(str(error)))
    tab.on("console", lambda line: troubles.append(line.text) if line.type == "error" else None)
    tab.on("dialog", lambda dialog: troubles.append(dialog.message))
    yield tab
    context.close()
    assert troubles == []


@pytest.fixture
def hosted(tab: Any, tmp_path: Path) -> Any:
    script = base64.b64encode(GRID_JS.read_bytes()).decode()
    file = tmp_path / "host.html"
    file.write_text(HOST % (GRID_CSS.read_text(encoding="utf-8"), script), encoding="utf-8")
    tab.goto(file.as_uri())
    tab.wait_for_function("() => Boolean(window.push)")
    return tab


def push(tab: Any, payload: GridPayload, rev: int) -> None:
    buffer = base64.b64encode(payload.buffer).decode()
    tab.evaluate("([meta, buffer, rev]) => push(meta, buffer, rev)", [payload.meta, buffer, rev])


def shown(tab: Any) -> list[str]:
    return tab.eval_on_selector_all(".bb-cell", "cells => cells.map(c => c.dataset.name)")


def after(tab: Any, name: str) -> list[int]:
    return tab.evaluate(
        "name => Array.from(document.querySelector(`[data-name='${name}']`).__data.counts.after)",
        name,
    )


def test_a_page_opens_from_a_file_and_shows_every_number(tab, tmp_path):
    net = network()
    comparison, payload = start(net, 0.5)
    file = tmp_path / "page.html"
    file.write_text(page_of("Test", comparison), encoding="utf-8")
    tab.goto(file.as_uri())
    tab.wait_for_selector(".bb-cell path")
    assert shown(tab) == [name for name, _ in net.named_parameters()]
    for name, item in comparison.items():
        if item.kind == "parameter" and name != EVIL:
            assert after(tab, name) == list(item.counts_after)
            cell = tab.locator(f"[data-name='{name}']")
            assert cell.get_attribute("data-after-total") == str(item.after.count)
    assert tab.locator("img").count() == 0
    assert len(json.dumps(payload.meta)) < 5000


def test_a_histogram_is_drawn_as_steps_fill_and_line(hosted):
    _, payload = start(network(), 0.5)
    push(hosted, payload, 1)
    hosted.evaluate("start()")
    cell = hosted.locator("[data-name='0.weight']")
    cell.locator("path").first.wait_for(state="attached")
    kinds = cell.locator("path").evaluate_all("paths => paths.map(p => p.getAttribute('class'))")
    assert kinds == ["bb-after", "bb-before", "bb-law"]
    label = cell.locator("svg").get_attribute("aria-label")
    assert label.startswith("0.weight, 1,200 values, changed, Normal(0, 0.5), std 0.")
    assert label.endswith(", expected 0.5")
    assert cell.locator(".bb-badge").text_content() == "changed"


def test_an_update_repaints_in_place(hosted):
    net = network()
    push(hosted, start(net, 0.5)[1], 1)
    hosted.evaluate("start()")
    hosted.wait_for_selector(".bb-cell path")
    hosted.evaluate("document.querySelector('.bb-cell').kept = true")
    comparison, payload = start(net, 2.0)
    push(hosted, payload, 2)
    assert after(hosted, "0.weight") == read(payload, "0.weight")
    assert sum(read(payload, "0.weight")) == comparison["0.weight"].after.count
    assert hosted.evaluate("document.querySelector('.bb-cell').kept")
    std = hosted.locator("[data-name='0.weight'] .bb-std").text_content()
    assert std.endswith("expected 2")


def words_of(tab: Any, name: str) -> tuple[str, str]:
    cell = tab.locator(f"[data-name='{name}']")
    return cell.locator(".bb-badge").text_content(), cell.locator(".bb-std").text_content()


def test_what_was_written_and_what_comes_next_have_words_of_their_own(hosted):
    net = nn.Linear(4, 3)
    net.bias.data.zero_()
    before = snapshot(net)
    law = {"type": "Normal", "std": 0.5, "layer": "Linear"}
    report = initialize(net, law, seed=3)
    comparison = compare(before, snapshot(net))
    push(hosted, grid_payload(comparison, report.plan, report), 1)
    hosted.evaluate("start()")
    assert words_of(hosted, "bias") == ("same values", "mean 0, expected 0")
    assert words_of(hosted, "weight")[1].endswith(", expected 0.5")
    todo = plan(net, {**law, "std": 2, "bias": -4.595})
    push(hosted, grid_payload(comparison, todo, report), 2)
    assert words_of(hosted, "bias") == ("same values", "mean 0, next -4.595")
    badge, std = words_of(hosted, "weight")
    assert badge == "changed" and std.startswith("std 0.") and std.endswith(", next 2")
    label = hosted.locator("[data-name='bias'] svg").get_attribute("aria-label")
    assert label == "bias, 3 values, same values, Constant(-4.595), mean 0, next -4.595"


def read(payload: GridPayload, name: str) -> list[int]:
    cell = next(cell for cell in payload.meta["cells"] if cell["name"] == name)
    code, begin, length = cell["at"]["after"]
    return np.frombuffer(payload.buffer, f"<{code}", length, begin).tolist()


def test_filter_show_and_sort(hosted):
    push(hosted, start(network(), 3.0)[1], 1)
    hosted.evaluate("start()")
    every = shown(hosted)
    hosted.get_by_label("Filter").fill("2. WEIGHT")
    assert shown(hosted) == ["2.weight"]
    assert hosted.get_by_role("status").text_content() == "1 of 7 parameters"
    hosted.get_by_label("Filter").fill("nothing of this kind")
    assert shown(hosted) == [] and hosted.get_by_role("status").text_content().startswith("0 of")
    hosted.get_by_label("Filter").fill("")
    hosted.get_by_label("Show").select_option("untouched")
    assert shown(hosted) == [EVIL, "1.weight", "1.bias"]
    hosted.get_by_label("Show").select_option("all")
    hosted.get_by_label("Sort by").select_option("size")
    assert shown(hosted)[:2] == ["0.weight", "2.weight"]
    hosted.get_by_label("Sort by").select_option("depth")
    assert shown(hosted) == every


def test_the_keyboard_moves_and_chooses(hosted):
    push(hosted, start(network(), 0.5)[1], 1)
    hosted.evaluate("start()")
    hosted.locator("[tabindex='0']").focus()
    hosted.keyboard.press("ArrowRight")
    hosted.keyboard.press("End")
    hosted.keyboard.press("ArrowLeft")
    hosted.keyboard.press("Enter")
    assert hosted.evaluate("window.saved") == [shown(hosted)[-2]]
    assert hosted.locator("[tabindex='0']").count() == 1
    assert hosted.locator("[aria-selected='true']").get_attribute("data-name") == "2.weight"
    hosted.locator("[data-name='1.bias']").click()
    assert hosted.evaluate("window.saved") == ["2.weight", "1.bias"]
    hosted.evaluate("choose('0.bias')")
    assert hosted.locator("[aria-selected='true']").get_attribute("data-name") == "0.bias"


def test_the_table_says_the_numbers_and_is_built_when_opened(hosted):
    push(hosted, start(network(), 0.5)[1], 1)
    hosted.evaluate("start()")
    assert hosted.locator(".bb-table table").count() == 0
    hosted.get_by_text("Show as table").click()
    hosted.wait_for_selector(".bb-table td")
    row = hosted.locator(".bb-table tr", has_text="1.weight").locator("td")
    assert row.all_text_contents() == ["30", "1", "1", "0", "0", "–"]
    hosted.get_by_label("Filter").fill("bias")
    assert hosted.locator(".bb-table tbody tr").count() == 3


def test_closing_leaves_nothing_behind(hosted):
    push(hosted, start(network(), 0.5)[1], 1)
    hosted.evaluate("start()")
    assert hosted.evaluate("listeners()") == 3
    hosted.evaluate("stop()")
    assert hosted.evaluate("listeners()") == 0
    assert hosted.locator("#grid > *").count() == 0


def test_logarithmic_counts_raise_what_is_low(hosted):
    push(hosted, start(network(), 0.5)[1], 1)
    hosted.evaluate("start()")
    path = hosted.locator("[data-name='0.weight'] .bb-after")
    path.wait_for(state="attached")
    before = path.get_attribute("d")
    hosted.get_by_label("log counts").check()
    drawn = "document.querySelector(\"[data-name='0.weight'] .bb-after\")"
    hosted.wait_for_function(f"old => {drawn}.getAttribute('d') !== old", arg=before)
    assert hosted.evaluate("traits.log_counts") is True
    hosted.evaluate("scale(false)")
    hosted.wait_for_function(f"old => {drawn}.getAttribute('d') === old", arg=before)
    assert not hosted.get_by_label("log counts").is_checked()


def test_cells_far_below_are_drawn_when_they_come_near(hosted):
    weights = {f"layer{n}.weight": torch.rand(50) for n in range(300)}
    snap = snapshot(weights)
    push(hosted, grid_payload(compare(snap, snap)), 1)
    hosted.evaluate("start()")
    hosted.wait_for_selector(".bb-cell path", state="attached")
    last = hosted.locator("[data-name='layer299.weight']")
    assert last.locator("path").count() == 0
    last.scroll_into_view_if_needed()
    last.locator("path").first.wait_for(state="attached")
