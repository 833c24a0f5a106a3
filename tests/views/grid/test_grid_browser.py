"""The grid in a real browser: what it draws, and that it answers the mouse and the keyboard."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from axe_support import violations
from grid_support import EVIL, begin, host, many, network, normal, push, start
from torch import nn

from brickbook.init.execution import initialize
from brickbook.init.planning import plan
from brickbook.measure.snapshot import compare, snapshot
from brickbook.views.grid.payload import GridPayload, Variant, grid_payload
from brickbook.views.page import page as page_of

pytestmark = pytest.mark.browser

ARTIFACTS = Path(__file__).parents[2] / "artifacts"
NAMES = ["0.weight", "0.bias", "1.weight", "1.bias", "2.weight", "2.bias"]


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Open tabs without a network, in which any complaint fails the test."""
    contexts = []
    troubles: list[str] = []

    def open_tab(text: str, **options: Any) -> Any:
        size = {"width": 1000, "height": 700}
        context = browser.new_context(offline=True, viewport=size, **options)
        contexts.append(context)
        tab = context.new_page()
        tab.on("pageerror", lambda error: troubles.append(str(error)))
        tab.on("console", lambda line: troubles.append(line.text) if line.type == "error" else None)
        tab.on("dialog", lambda dialog: troubles.append(dialog.message))
        file = tmp_path / f"{len(contexts)}.html"
        file.write_text(text, encoding="utf-8")
        tab.goto(file.as_uri())
        return tab

    yield open_tab
    for context in contexts:
        context.close()
    assert troubles == []


@pytest.fixture
def hosted(opened: Callable[..., Any]) -> Any:
    tab = opened(host())
    tab.wait_for_function("() => Boolean(window.push)")
    return tab


def payload_of(std: float = 0.5, language: str = "en") -> GridPayload:
    return start(network(), normal(std), language=language)[2]


def shown(tab: Any) -> list[str]:
    return tab.eval_on_selector_all(
        ".bb-cell", "cells => cells.filter(c => c.checkVisibility()).map(c => c.dataset.name)"
    )


def path_of(tab: Any, name: str, kind: str) -> str:
    path = tab.locator(f"[data-name='{name}'] .{kind}").first
    path.wait_for(state="attached")
    return path.get_attribute("d")


def after(tab: Any, name: str) -> list[int]:
    return tab.evaluate(
        "name => Array.from(document.querySelector(`[data-name='${name}']`).__data.counts.after)",
        name,
    )


def read(payload: GridPayload, name: str) -> list[int]:
    cell = next(cell for cell in payload.meta["cells"] if cell["name"] == name)
    code, begins, length = cell["at"]["after" if "status" in cell else "before"]
    return np.frombuffer(payload.buffer, f"<{code}", length, begins).tolist()


def saved(tab: Any, trait: str) -> Any:
    return tab.evaluate("name => window.saved.at(-1)[name]", trait)


def test_a_page_opens_from_a_file_and_shows_every_number(opened):
    net = network()
    comparison, _, payload = start(net, normal(0.5))
    tab = opened(page_of("Test", comparison))
    tab.wait_for_selector(".bb-cell path")
    assert shown(tab) == [name for name, _ in net.named_parameters()]
    for name, item in comparison.items():
        if item.kind == "parameter" and name != EVIL:
            assert after(tab, name) == list(item.counts_after)
            cell = tab.locator(f"[data-name='{name}']")
            assert cell.get_attribute("data-after-total") == str(item.after.count)
    assert tab.locator("img").count() == 0
    assert len(json.dumps(payload.meta)) < 8000
    tab.get_by_label("Search").fill("bias")  # no kernel listens, and it works all the same
    assert shown(tab) == ["0.bias", "1.bias", "2.bias"]


def test_a_histogram_is_drawn_as_steps_fill_and_line(hosted):
    begin(hosted, payload_of())
    cell = hosted.locator("[data-name='0.weight']")
    cell.locator("path").first.wait_for(state="attached")
    kinds = cell.locator("path").evaluate_all("paths => paths.map(p => p.getAttribute('class'))")
    assert kinds == ["bb-after", "bb-before", "bb-law"]
    label = cell.locator("svg").get_attribute("aria-label")
    assert label == cell.get_attribute("aria-label")
    assert label.startswith(
        "0.weight, 1,200 values, changed, Normal by init_cfg, Normal(0, 0.5), std 0."
    )
    assert ", expected 0.5, was 0." in label and label.endswith(", as expected")
    assert cell.locator(".bb-badge").text_content() == "changed"
    assert cell.locator(".bb-chip").text_content() == "1"


def test_an_update_repaints_in_place(hosted):
    net = network()
    begin(hosted, start(net, normal(0.5))[2])
    hosted.wait_for_selector(".bb-cell path")
    hosted.evaluate("document.querySelector('.bb-cell').kept = true")
    comparison, _, payload = start(net, normal(2.0))
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
    comparison, report, payload = start(net, normal(0.5))
    begin(hosted, payload)
    assert words_of(hosted, "bias") == ("same values", "mean 0, expected 0")
    assert words_of(hosted, "weight")[1].endswith(", expected 0.5")
    todo = plan(net, {**normal(2), "bias": -4.595})
    push(hosted, grid_payload(comparison, todo, report, language="en"), 2)
    assert words_of(hosted, "bias") == ("same values", "mean 0, next -4.595")
    badge, std = words_of(hosted, "weight")
    assert badge == "changed" and std.startswith("std 0.") and std.endswith(", next 2")
    label = hosted.locator("[data-name='bias'] svg").get_attribute("aria-label")
    assert label == (
        "bias, 3 values, same values, Normal by init_cfg, Constant(-4.595), mean 0, next -4.595"
    )


def test_a_std_far_from_its_law_is_said_in_words(hosted):
    net = nn.Linear(50, 50)
    report = initialize(net, normal(0.5), seed=0)
    before = snapshot(net)
    net.weight.data.mul_(1.5 / net.weight.std())
    begin(hosted, grid_payload(compare(before, snapshot(net)), report=report, language="en"))
    cell = hosted.locator("[data-name='weight']")
    assert cell.locator(".bb-far").text_content() == "3 × what is expected"
    assert cell.get_attribute("aria-label").endswith("3 × what is expected")


def test_search_filter_and_sort(hosted):
    begin(hosted, payload_of(3.0))
    every = shown(hosted)
    for query, names in {
        "2. WEIGHT": ["2.weight"],
        "*.weight": ["0.weight", "1.weight", "2.weight"],
        "re:^[01]\\.b": ["0.bias", "1.bias"],
        "<img src": [EVIL],
    }.items():
        hosted.get_by_label("Search").fill(query)
        assert shown(hosted) == names and saved(hosted, "query") == query
        count = f"{len(names)} of 7 parameters"
        assert hosted.get_by_role("status").text_content() == count
    hosted.get_by_label("Search").fill("re:(")
    assert hosted.get_by_role("status").text_content() == "The search is no regular expression."
    assert hosted.get_by_label("Search").get_attribute("aria-invalid") == "true"
    assert shown(hosted) == every
    hosted.get_by_label("Search").fill("nothing of this kind")
    assert shown(hosted) == [] and hosted.get_by_role("status").text_content().startswith("0 of")
    assert hosted.get_by_text("No parameter fits the search and the filter.").is_visible()
    hosted.get_by_label("Search").fill("")
    hosted.get_by_label("Show").select_option("untouched")
    assert shown(hosted) == [EVIL, "1.weight", "1.bias"]
    hosted.get_by_label("Show").select_option("rule:init_cfg")
    assert shown(hosted) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert saved(hosted, "filter") == "rule:init_cfg"
    hosted.get_by_label("Show").select_option("all")
    hosted.get_by_label("Sort by").select_option("size")
    assert shown(hosted)[:2] == ["0.weight", "2.weight"] and saved(hosted, "sort") == "size"
    hosted.get_by_label("Sort by").select_option("model")
    assert shown(hosted) == every


def test_groups_fold(hosted):
    begin(hosted, payload_of())
    hosted.get_by_label("Group by").select_option("first")
    buttons = hosted.locator(".bb-fold:visible")
    assert buttons.all_text_contents() == [
        "▾(the model itself): 1 parameter, 3 values, none changed",
        "▾0: 2 parameters, 1,230 values, 2 changed",
        "▾1: 2 parameters, 60 values, none changed",
        "▾2: 2 parameters, 155 values, 2 changed",
    ]
    buttons.nth(1).click()
    assert saved(hosted, "collapsed") == ["0"]
    assert buttons.nth(1).get_attribute("aria-expanded") == "false"
    assert shown(hosted) == [EVIL, *NAMES[2:]]
    push(hosted, payload_of(2.0), 2)  # other numbers do not unfold it
    assert shown(hosted) == [EVIL, *NAMES[2:]]
    buttons.nth(1).click()
    assert shown(hosted) == [EVIL, *NAMES] and saved(hosted, "collapsed") == []


def test_the_keyboard_moves_and_chooses(hosted):
    begin(hosted, payload_of())
    hosted.get_by_role("button", name="as table").focus()
    hosted.keyboard.press("Tab")
    hosted.keyboard.press("ArrowRight")
    hosted.keyboard.press("End")
    hosted.keyboard.press("ArrowLeft")
    hosted.keyboard.press("Enter")
    assert [one["selected"] for one in hosted.evaluate("window.saved")] == ["2.weight"]
    assert hosted.locator(".bb-list [tabindex='0']").count() == 1
    assert hosted.locator("[aria-selected='true']").get_attribute("data-name") == "2.weight"
    hosted.keyboard.press("Home")
    hosted.keyboard.press("ArrowDown")  # four in a row
    hosted.keyboard.press("Space")
    assert saved(hosted, "selected") == "1.bias"
    hosted.keyboard.press("Tab")  # one stop, whatever there is in it
    focused = hosted.evaluate("document.activeElement.closest('.bb-list')?.className")
    assert focused is None
    hosted.locator("[data-name='1.bias']").click()
    hosted.evaluate("assign('selected', '0.bias')")
    assert hosted.locator("[aria-selected='true']").get_attribute("data-name") == "0.bias"


def test_escape_leads_out_step_by_step(hosted):
    begin(hosted, payload_of())
    hosted.get_by_label("Search").fill("weight")
    hosted.locator("[data-name='1.weight']").focus()
    active = "document.activeElement.type ?? document.activeElement.id"
    hosted.keyboard.press("Escape")
    assert hosted.evaluate(active) == "search" and len(shown(hosted)) == 3
    hosted.keyboard.press("Escape")
    assert hosted.evaluate(active) == "search" and len(shown(hosted)) == 7
    hosted.keyboard.press("Escape")
    assert hosted.evaluate(active) == "outside"


def test_headings_are_part_of_the_way(hosted):
    begin(hosted, payload_of())
    hosted.get_by_label("Group by").select_option("first")
    here = "document.activeElement.dataset.name ?? '#' + document.activeElement.dataset.group"
    hosted.locator(".bb-list [tabindex='0']").focus()
    path = [hosted.evaluate(here)]
    for key in (
        "ArrowDown",
        "ArrowDown",
        "ArrowLeft",
        "ArrowDown",
        "Enter",
        "ArrowUp",
        "ArrowRight",
    ):
        hosted.keyboard.press(key)
        path.append(hosted.evaluate(here))
    assert path == ["#", EVIL, "#0", "#0", "#1", "#1", "#0", "#0"]
    assert hosted.evaluate("traits.collapsed") == ["1"]


def test_the_focus_stays_where_it_was(hosted):
    begin(hosted, payload_of())
    hosted.locator("[data-name='2.weight']").focus()
    hosted.evaluate("assign('sort', 'size')")
    assert hosted.evaluate("document.activeElement.dataset.name") == "2.weight"
    push(hosted, payload_of(2.0), 2)
    assert hosted.evaluate("document.activeElement.dataset.name") == "2.weight"


def test_python_sets_every_control(hosted):
    begin(hosted, payload_of())
    for trait, value in {
        "query": "weight", "filter": "changed", "sort": "size", "group": "second",
        "same_x": True, "log_counts": True,
    }.items():  # fmt: skip
        hosted.evaluate("([trait, value]) => assign(trait, value)", [trait, value])
    assert hosted.get_by_label("Search").input_value() == "weight"
    assert hosted.get_by_label("Show").input_value() == "changed"
    assert hosted.get_by_label("Group by").input_value() == "second"
    assert hosted.get_by_label("same x for all").is_checked()
    assert shown(hosted) == ["0.weight", "2.weight"] and hosted.evaluate("saved.length") == 0
    hosted.evaluate("assign('filter', 'rule:init_cfg[9]')")  # a rule that is not there
    assert shown(hosted) == []
    assert hosted.get_by_label("Show").input_value() == "rule:init_cfg[9]"


def test_the_table_says_the_numbers_and_is_built_when_asked_for(hosted):
    begin(hosted, payload_of())
    assert hosted.locator(".bb-table table").count() == 0
    button = hosted.get_by_role("button", name="as table")
    button.click()
    assert button.get_attribute("aria-pressed") == "true" and saved(hosted, "as_table") is True
    row = hosted.get_by_role("row").filter(has_text="1.weight").get_by_role("cell")
    assert row.all_text_contents() == [
        "30", "30", "untouched", "–", "1", "0", "–", "1", "0", "–",
    ]  # fmt: skip
    assert shown(hosted) == []
    hosted.get_by_label("Search").fill("bias")
    names = hosted.locator(".bb-table tbody th")
    assert names.all_text_contents() == ["0.bias", "1.bias", "2.bias"]
    head = hosted.get_by_role("columnheader", name="values")
    for _ in range(2):
        head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert names.all_text_contents() == ["2.bias", "0.bias", "1.bias"]
    hosted.get_by_role("button", name="1.bias").focus()
    hosted.keyboard.press("ArrowUp")
    hosted.keyboard.press("Enter")
    assert saved(hosted, "selected") == "0.bias"
    assert hosted.locator("[aria-current='true']").text_content() == "0.bias"
    button.click()
    assert shown(hosted) == ["0.bias", "1.bias", "2.bias"]


def test_closing_leaves_nothing_behind(hosted):
    push(hosted, payload_of())
    hosted.evaluate("initialize()")
    hosted.evaluate("start()")
    assert hosted.evaluate("listeners()") == 12
    hosted.evaluate("stop()")
    assert hosted.evaluate("listeners()") == 0
    assert hosted.locator("#grid > *").count() == 0
    hosted.evaluate("end()")
    assert hosted.evaluate("[traits.meta, traits.buffer.byteLength]") == [{}, 0]


def test_logarithmic_counts_raise_what_is_low(hosted):
    begin(hosted, payload_of())
    before = path_of(hosted, "0.weight", "bb-after")
    hosted.get_by_label("log counts").check()
    drawn = "document.querySelector(\"[data-name='0.weight'] .bb-after\")"
    hosted.wait_for_function(f"old => {drawn}.getAttribute('d') !== old", arg=before)
    assert saved(hosted, "log_counts") is True
    hosted.evaluate("assign('log_counts', false)")
    hosted.wait_for_function(f"old => {drawn}.getAttribute('d') === old", arg=before)
    assert not hosted.get_by_label("log counts").is_checked()


def test_one_x_axis_for_all_that_is_shown(hosted):
    begin(hosted, payload_of(3.0))
    hosted.get_by_label("same x for all").check()
    ends = "cells => cells.map(c => [c.children[0].textContent, c.children[2].textContent].join())"
    axes = hosted.locator(".bb-axis:visible")
    hosted.wait_for_function("document.querySelectorAll('.bb-cell path').length > 6")
    (wide,) = set(axes.evaluate_all(ends))
    assert float(wide.split(",")[1]) >= 9
    hosted.get_by_label("Search").fill("1.")
    ended = "every(axis => axis.lastChild.textContent === '1')"
    hosted.wait_for_function(f"() => [...document.querySelectorAll('.bb-axis')].{ended}")
    assert axes.evaluate_all(ends) == ["0,1", "0,1"]


def variants() -> GridPayload:
    net = network()
    state = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    before, found = snapshot(net), {}
    for label, std in {"A": 0.1, "B": 0.5, "C": 2.0}.items():
        net.load_state_dict(state)
        report = initialize(net, normal(std), seed=0)
        found[label] = Variant(compare(before, snapshot(net)), report=report)
    return grid_payload(compare(before, before), variants=found, language="en")


def test_variants_lie_over_each_other_or_side_by_side(hosted):
    begin(hosted, variants())
    cell = hosted.locator("[data-name='0.weight']")
    cell.locator("path").first.wait_for(state="attached")
    kinds = "paths => paths.map(p => p.getAttribute('class'))"
    overlaid = ["bb-base", "bb-line bb-v0", "bb-line bb-v1", "bb-line bb-v2"]
    assert cell.locator("path").evaluate_all(kinds) == overlaid
    dashes = cell.locator(".bb-line").evaluate_all(
        "lines => lines.map(line => getComputedStyle(line).strokeDasharray)"
    )
    assert len(set(dashes)) == 3  # told apart without their colours
    words = cell.locator(".bb-std").all_text_contents()
    assert [text[:7] for text in words] == ["A: std ", "B: std ", "C: std "]
    assert hosted.locator("[aria-label='Legend'] li").all_text_contents() == [
        "before", "A", "B", "C",
    ]  # fmt: skip
    label = cell.locator("svg").get_attribute("aria-label")
    assert ", A: Normal(0, 0.1), std 0." in label and ", C: Normal(0, 2), std 1.9" in label
    hosted.get_by_label("Compare").select_option("beside")
    assert saved(hosted, "variants_as") == "beside"
    assert cell.locator("svg").count() == 3
    cell.locator("path").first.wait_for(state="attached")
    hosted.wait_for_function("document.querySelectorAll('.bb-cell .bb-after').length >= 6")
    assert cell.locator("path").evaluate_all(kinds)[:3] == ["bb-after bb-v0", "bb-before", "bb-law"]
    assert cell.locator(".bb-caption").all_text_contents() == [
        "A: Normal(0, 0.1)", "B: Normal(0, 0.5)", "C: Normal(0, 2)",
    ]  # fmt: skip
    hosted.get_by_role("button", name="as table").click()
    heads = hosted.get_by_role("columnheader").all_text_contents()
    assert heads[-4:] == ["law C", "mean C", "std C", "expected std C"]
    push(hosted, payload_of(), 2)
    assert hosted.get_by_label("Compare").count() == 0 or not (
        hosted.get_by_label("Compare").is_visible()
    )


def test_cells_far_below_are_drawn_when_they_come_near(hosted):
    weights = {f"layer{n}.weight": torch.rand(50) for n in range(300)}
    snap = snapshot(weights)
    begin(hosted, grid_payload(compare(snap, snap), language="en"))
    hosted.wait_for_selector(".bb-cell path", state="attached")
    last = hosted.locator("[data-name='layer299.weight']")
    assert last.locator("path").count() == 0
    last.scroll_into_view_if_needed()
    last.locator("path").first.wait_for(state="attached")


def test_a_thousand_parameters(hosted):
    payload = many(1000)
    size = len(payload.buffer) + len(json.dumps(payload.meta, separators=(",", ":")))
    assert size < 1_000_000
    begin(hosted, payload)
    hosted.wait_for_selector(".bb-cell path")
    hosted.get_by_label("Group by").select_option("first")
    assert hosted.locator(".bb-fold:visible").count() == 100
    hosted.get_by_label("Search").fill("layers_42.*")
    assert len(shown(hosted)) == 10
    hosted.get_by_label("Search").fill("")
    # By its text: to find a role by its name takes the driver 5 s among a thousand rows.
    as_table = hosted.locator("button", has_text="as table")
    as_table.click()
    assert hosted.get_by_role("row").count() == 1001
    as_table.click()
    hosted.locator(".bb-fold:visible").first.focus()
    hosted.keyboard.press("End")
    last = hosted.locator("[data-name='layers_99.4.bias']")
    last.locator("path").first.wait_for(state="attached")
    hosted.keyboard.press("Enter")
    assert saved(hosted, "selected") == "layers_99.4.bias"


def test_it_speaks_chinese_when_told_to(hosted):
    begin(hosted, payload_of(language="zh"))
    assert hosted.get_by_label("搜索").is_visible()
    assert hosted.get_by_role("status").text_content() == "7 / 7 个参数"
    assert hosted.locator(".bb-grid").get_attribute("lang") == "zh"
    badge, std = words_of(hosted, "0.weight")
    assert badge == "已改变" and std.startswith("标准差 0.") and std.endswith("预期 0.5")
    push(hosted, payload_of(language="en"), 2)
    assert hosted.get_by_label("Search").is_visible()
    assert hosted.get_by_role("status").text_content() == "7 of 7 parameters"


SCHEMES = [{"color_scheme": "light"}, {"color_scheme": "dark"}, {"forced_colors": "active"}]


@pytest.mark.parametrize("scheme", SCHEMES, ids=["light", "dark", "forced"])
def test_nothing_keeps_anybody_out(opened, scheme):
    comparison, report, _ = start(network(), normal(0.5))
    tab = opened(page_of("Test", comparison, report=report), **scheme)
    tab.wait_for_selector(".bb-cell path")
    tab.get_by_label("Group by").select_option("first")
    assert violations(tab, ".bb-grid") == []
    keep(tab, f"grid_{'_'.join(scheme.values())}")
    tab.get_by_role("button", name="as table").click()
    assert violations(tab, ".bb-grid") == []
    keep(tab, f"grid_table_{'_'.join(scheme.values())}")


@pytest.mark.parametrize("way", ["overlay", "beside"])
def test_variants_keep_nobody_out(hosted, way):
    begin(hosted, variants())
    hosted.get_by_label("Compare").select_option(way)
    hosted.wait_for_selector(".bb-cell path")
    assert violations(hosted, ".bb-grid") == []
    keep(hosted, f"grid_variants_{way}")


def keep(tab: Any, name: str) -> None:
    ARTIFACTS.mkdir(exist_ok=True)
    tab.wait_for_timeout(300)
    tab.screenshot(path=ARTIFACTS / f"{name}.png")


def test_reduced_motion_is_respected(opened):
    for motion, time in (("reduce", "0s"), ("no-preference", "0.12s")):
        tab = opened(host(), reduced_motion=motion)
        tab.wait_for_function("() => Boolean(window.push)")
        begin(tab, payload_of())
        duration = tab.locator(".bb-cell").first.evaluate(
            "c => getComputedStyle(c).transitionDuration"
        )
        assert duration == time


def test_many_constants_have_one_line_which_unfolds(hosted):
    parts = [nn.BatchNorm1d(4) for _ in range(3)]
    net = nn.Sequential(nn.Linear(4, 4, bias=False), *parts)
    state = snapshot(net)
    begin(hosted, grid_payload(compare(state, state)))
    assert shown(hosted) == ["0.weight"]
    line = hosted.get_by_role("button", name="6 parameters are one constant: 3 × 0, 3 × 1")
    line.click()
    assert len(shown(hosted)) == 7 and saved(hosted, "constants_shown") is True
    line.click()
    assert shown(hosted) == ["0.weight"] and saved(hosted, "constants_shown") is False
    hosted.get_by_label("Search").fill("2.bias")  # who searches is shown it
    assert shown(hosted) == ["2.bias"]
