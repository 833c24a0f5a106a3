"""Signals through depth: the figure as JSON, the SVG as XML, and that both can be read."""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import pytest

from brickbook.measure.probe import Signal, Signals
from brickbook.views.data.depth_curves import COLOURS
from brickbook.views.plotly.depth import depth_figure
from brickbook.views.svg.depth import depth_svg

GOLDEN = Path(__file__).parents[1] / "golden"
SVG = "{http://www.w3.org/2000/svg}"
EVIL = "<img src=x onerror=alert(1)>"


def layer(name: str, std: float | None, grad: float | None = None) -> Signal:
    return Signal(name, "Linear", "layer", (8, 8), 64, 0.0, std, 3.0, units=8, grad=grad)


def relu(name: str, dead: float) -> Signal:
    return Signal(name, "ReLU", "activation", (8, 8), 64, 0.4, 0.6, 3.0, units=8, dead=dead)


def tanh(name: str, saturated: float) -> Signal:
    return Signal(name, "Tanh", "activation", (8, 8), 64, 0, 0.6, 1, units=8, saturated=saturated)


def signals(*rows: Signal) -> Signals:
    return Signals(rows)


STEADY = signals(
    layer("fc1", 1.2, 0.01), relu("a1", 0.0), layer("fc2", 1.1, 0.02), layer("0", 0.9, 0.02)
)
SMALL = signals(
    layer("fc1", 0.1, 1e-9), relu("a1", 0.25), layer("fc2", 0.002, 0.0), layer("0", 0.0, 1e-4)
)
BENT = signals(layer("fc1", 9.0), tanh("a1", 0.75), layer("fc2", None), layer("fc3", 2.0))
LONG = signals(*(layer(f"blocks.{at}.attention.project", 1.5**-at, 1.5**at) for at in range(20)))
CASES: dict[str, tuple[Any, dict[str, Any]]] = {
    "one": (STEADY, {"title": "a <b> & c"}),
    "several": ({"A": STEADY, f"B {EVIL}": SMALL, "C": BENT}, {}),
    "without_gradients": (SMALL, {"gradients": False}),
    "long": (LONG, {}),
    "nothing": (signals(), {}),
}  # fmt: skip


def stored(figure: go.Figure) -> Any:
    value = json.loads(figure.to_json())
    value["layout"].pop("template")
    return rounded(value)


def rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    return [rounded(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", CASES)
def test_figures_are_the_stored_ones(name):
    given, options = CASES[name]
    golden = json.loads((GOLDEN / f"depth_{name}.json").read_text())
    assert stored(depth_figure(given, **options)) == golden
    assert stored(depth_figure(given, **options)) == golden


@pytest.mark.parametrize("name", CASES)
def test_svgs_are_the_stored_ones(name):
    given, options = CASES[name]
    options = {key: value for key, value in options.items() if key == "title"}
    svg = depth_svg(given, gradients=name == "several", **options)
    assert svg == (GOLDEN / f"depth_{name}.svg").read_text().rstrip("\n")
    root = ET.fromstring(svg)
    assert root.get("role") == "img" and root.get("aria-label") == root.findtext(f"{SVG}title")


def test_each_config_has_a_colour_a_dash_and_a_marker_of_its_own():
    figure = depth_figure({str(at): STEADY for at in range(6)})
    lines = [trace for trace in figure.data if trace.type == "scatter" and trace.showlegend]
    assert len({line.line.dash for line in lines}) == len(lines) == 6
    assert len({line.marker.symbol for line in lines}) == 6
    assert len({line.line.color for line in lines}) == 5
    assert len({(line.line.color, line.line.dash) for line in lines}) == 6
    assert figure.layout.showlegend and not depth_figure(STEADY).layout.showlegend


def test_a_zero_is_a_cross_at_the_lower_edge_and_a_gap_is_a_gap():
    top = depth_figure(SMALL).data[0]
    assert list(top.y) == [0.1, 0.002, 1e-4] and list(top.marker.symbol)[-1] == "x"
    assert [list(item) for item in top.customdata][-1] == ["Linear 0", "0"]
    axis = depth_figure(SMALL).layout.yaxis
    assert (axis.tickvals[0], axis.ticktext[0]) == (1e-4, "0")
    assert list(depth_figure(BENT).data[0].y) == [9.0, None, 2.0]


def test_the_guide_stands_at_one():
    guide = depth_figure(STEADY).data[1]
    assert list(guide.y) == [1, 1] and guide.hoverinfo == "skip"


def luminance(colour: str) -> float:
    """Relative luminance of #rrggbb, as WCAG 2 has it."""
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("page", ["#ffffff", "#111111"])
@pytest.mark.parametrize("colour", COLOURS)
def test_every_line_can_be_seen_in_both_themes(page, colour):
    low, high = sorted([luminance(page), luminance(colour)])
    assert (high + 0.05) / (low + 0.05) >= 3


def test_the_figure_is_transparent():
    layout = depth_figure(STEADY).layout
    assert layout.paper_bgcolor == layout.plot_bgcolor == "rgba(0,0,0,0)"
    assert not layout.template.layout.to_plotly_json()


def test_labels_and_names_are_no_markup():
    evil = signals(layer(EVIL, 1.0), layer(f"x{EVIL}", 0.5))
    svg = depth_svg({EVIL: evil, "b": evil}, title=EVIL)
    assert "<img" not in svg
    ET.fromstring(svg)
    figure = depth_figure({EVIL: evil}, title=EVIL)
    texts = [figure.layout.title.text, figure.data[0].name, *figure.layout.xaxis.ticktext]
    assert not any("<" in text for text in [*texts, *(row[0] for row in figure.data[0].customdata)])


def test_the_words_say_where_it_begins_and_ends():
    words = ET.fromstring(depth_svg({"A": STEADY, "B": SMALL})).get("aria-label")
    assert words == (
        "Signals through depth: A: std 1.2 at fc1, 0.9 at Linear 0 (3 layers); "
        "B: std 0.1 at fc1, 0 at Linear 0 (3 layers), up to 25 % dead after fc1"
    )


@pytest.mark.parametrize("width", [160, 360, 900])
def test_everything_lies_within_the_picture(width):
    root = ET.fromstring(depth_svg({f"config {at}": LONG for at in range(7)}, width=width))
    high = float(root.get("height"))
    assert float(root.get("width")) == width
    for text in root.iter(f"{SVG}text"):
        assert 0 <= float(text.get("x")) <= width and float(text.get("y")) <= high
    shown = [text.text for text in root.iter(f"{SVG}text")]
    assert all(f"config {at}" in shown for at in range(7))


@pytest.mark.processes
def test_the_svg_does_without_plotly():
    code = (
        "import sys\n"
        "from brickbook.measure import Signals\n"
        "from brickbook.views.svg.depth import depth_svg\n"
        "depth_svg(Signals(()))\n"
        "print('plotly' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"


@pytest.mark.browser
def test_both_are_drawn_by_a_browser(browser):
    """Pictures to be looked at are left in tests/artifacts."""
    folder = Path(__file__).parents[2] / "artifacts"
    folder.mkdir(exist_ok=True)
    given = CASES["several"][0]
    figure = depth_figure(given).to_html(include_plotlyjs=True, full_html=False)
    parts = [depth_svg(item, gradients=True) for item in (given, STEADY, LONG)]
    page = browser.new_page(viewport={"width": 1000, "height": 1000})
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    for theme, paper in (("light", "#ffffff"), ("dark", "#111111")):
        page.set_content(
            f"<!doctype html><meta charset=utf-8><body style='background:{paper}'>"
            f"{''.join(parts)}{figure}"
        )
        page.wait_for_selector(".scatterlayer .point")
        page.screenshot(path=folder / f"depth_{theme}.png", full_page=True)
    crossing = page.evaluate(
        """() => [...document.querySelectorAll('svg[role=img]')].flatMap(svg => {
            const boxes = [...svg.querySelectorAll('text')].map(t => t.getBoundingClientRect());
            return boxes.flatMap((a, i) => boxes.slice(i + 1).filter(b =>
                a.left < b.right - 1 && b.left < a.right - 1 &&
                a.top < b.bottom - 3 && b.top < a.bottom - 3)).map(b => b.x);
        })"""
    )
    page.close()
    assert not problems and crossing == []


def write_golden() -> None:
    """Write the stored pictures anew, to be looked at before they are committed."""
    for name, (given, options) in CASES.items():
        figure = stored(depth_figure(given, **options))
        (GOLDEN / f"depth_{name}.json").write_text(json.dumps(figure, indent=1) + "\n")
        words = {key: value for key, value in options.items() if key == "title"}
        svg = depth_svg(given, gradients=name == "several", **words)
        (GOLDEN / f"depth_{name}.svg").write_text(svg + "\n")
