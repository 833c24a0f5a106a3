"""Exported files in a real browser: nothing is fetched, both colour schemes, PNG by itself."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
import torch
from torch import nn

from brickbook.init.execution import initialize
from brickbook.init.planning import plan
from brickbook.measure.snapshot import alternatives, compare, snapshot
from brickbook.views.export import export

pytestmark = pytest.mark.browser

ARTIFACTS = Path(__file__).parent.parent / "artifacts"
RULES = [
    dict(type="Kaiming", layer="Conv2d"),
    dict(type="TruncNormal", std=0.02, a=-0.04, b=0.04, layer="Linear"),
    dict(type="Ones", layer="Conv3d"),
]
OTHER = [
    dict(type="Xavier", layer=["Conv2d", "Linear"]),
    dict(type="Constant", val=2.0, layer="_BatchNorm"),
]
EVIL = "<img src=x onerror=document['title']='evil'>"


@pytest.fixture(scope="module")
def records():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16), nn.Linear(64, 32))
    net.register_parameter(EVIL, nn.Parameter(torch.zeros(3)))
    before = snapshot(net)
    found = alternatives(net, {"kaiming": RULES[:1], "mixed": RULES[:2], "xavier": OTHER})
    todo = plan(net, RULES)
    with pytest.warns(UserWarning, match="Conv3d matches nothing"):
        initialize(net, RULES, seed=0)
    return dict(plan=todo, comparison=compare(before, snapshot(net)), alternatives=found)


@pytest.fixture(params=["light", "dark"])
def scheme(request, browser):
    context = browser.new_context(
        color_scheme=request.param, viewport={"width": 1280, "height": 900}
    )
    page = context.new_page()
    page.sentences = []
    page.on("request", lambda request: page.sentences.append(request.url))
    page.on("pageerror", lambda error: page.sentences.append(str(error)))
    page.on("console", lambda messages: page.sentences.append(messages.text))
    yield request.param, page
    context.close()


def contrast(page, selector):
    """The contrast of a text to the paper of the page, as WCAG counts it."""
    return page.evaluate(
        """(selector) => {
            const light = (text) => {
                const part = text.match(/[\\d.]+/g).slice(0, 3).map((n) => n / 255)
                    .map((n) => n <= 0.04045 ? n / 12.92 : ((n + 0.055) / 1.055) ** 2.4);
                return 0.2126 * part[0] + 0.7152 * part[1] + 0.0722 * part[2];
            };
            const one = document.querySelector(selector);
            const style = getComputedStyle(one);
            const paper = document.querySelector(".bb-paper");
            const ink = one instanceof SVGElement ? style.fill : style.color;
            const back = paper ? getComputedStyle(paper).fill
                : getComputedStyle(document.body).backgroundColor;
            const [a, b] = [light(ink), light(back)].sort((x, y) => y - x);
            return (a + 0.05) / (b + 0.05);
        }""",
        selector,
    )


@pytest.mark.parametrize("name", ["plan", "comparison", "alternatives"])
@pytest.mark.parametrize("suffix", [".html", ".svg"])
def test_a_file_opens_by_itself_in_light_and_dark(records, scheme, tmp_path, name, suffix):
    colours, page = scheme
    file = export(records[name], tmp_path / f"{name}{suffix}", title=name)
    page.goto(file.as_uri())
    page.wait_for_timeout(200)
    ARTIFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTIFACTS / f"export_{name}{suffix.replace('.', '_')}_{colours}.png")
    foreign_requests = [
        one for one in page.sentences if not one.startswith(("file:", "data:", "blob:"))
    ]
    assert foreign_requests == []
    assert page.title() == name
    if suffix == ".svg" or name != "comparison":
        assert page.locator("svg.bb-picture").count() == 1
        assert contrast(page, "svg.bb-picture text") > 7
    if suffix == ".html" and name != "comparison":
        assert contrast(page, "td") > 7
        assert page.locator("script").count() == 0


def test_a_png_has_the_size_of_its_picture(chromium, records):
    ARTIFACTS.mkdir(exist_ok=True)
    file = export(records["comparison"], ARTIFACTS / "export_comparison.png", force=True)
    data = file.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", data[16:24])
    svg = export(records["comparison"], ARTIFACTS / "export_comparison.svg", force=True)
    assert f'width="{width // 2}" height="{height // 2}"' in svg.read_text(encoding="utf-8")
    assert len(data) > 10_000
