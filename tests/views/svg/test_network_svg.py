"""A network's picture: boxes where they belong, no wire through a box, hostile names escaped."""

import re
import xml.etree.ElementTree as ET

import network_support as nets
import pytest
import torch
from torch import nn

from brickbook.i18n import Texts
from brickbook.measure import network, probe
from brickbook.views.data.network_layout import lay_out
from brickbook.views.data.network_scene import closed_for, make_scene
from brickbook.views.data.network_shades import box_extent
from brickbook.views.svg.network import NetworkDrawing, network_svg

SVG = "{http://www.w3.org/2000/svg}"


def encoder():
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    return nn.TransformerEncoder(layer, 3)


NETS = {
    "lenet": (nets.LeNet, (1, 1, 28, 28)),
    "wrong": (lambda: nets.LeNet(500), (1, 1, 28, 28)),
    "unet": (nets.UNet, (1, 3, 32, 32)),
    "encoder": (encoder, (1, 5, 8)),
    "deep": (lambda: nets.deep_net(30), (1, 3, 8, 8)),
    "linear": (lambda: nn.Linear(3, 2), (1, 3)),
    "alone": (lambda: nn.Sequential(), (1, 3)),
}


def shown(svg, kind):
    """The places of the nodes that are drawn as such."""
    return [
        int(part.get("data-node", "-1"))
        for part in ET.fromstring(svg).iter(f"{SVG}g")
        if part.get("data-kind") == kind
    ]


@pytest.mark.parametrize("width", [300, 900])
@pytest.mark.parametrize("folding", [True, False])
@pytest.mark.parametrize("name", NETS)
def test_nothing_overlaps_and_no_wire_runs_through_a_box(name, folding, width):
    make, shape = NETS[name]
    found = network(make(), input_shape=shape)
    unfolded = () if folding else [blocks[0][0] for blocks in found.repeats]
    scene = make_scene(found, (), unfolded)
    drawing = NetworkDrawing(scene, None, Texts("en"))
    done = lay_out(scene, width, drawing.box_size, drawing.title_width)
    boxes = [one for one in done.placed if not one.item.frame]
    assert len({one.item.key for one in boxes}) == len(boxes)
    for at, a in enumerate(boxes):
        assert a.x >= 0 and a.y >= 0
        assert a.x + a.width <= done.width + 0.1 and a.y + a.height <= done.height + 0.1
        for b in boxes[:at]:
            apart = (a.x >= b.x + b.width or b.x >= a.x + a.width
                     or a.y >= b.y + b.height or b.y >= a.y + a.height)  # fmt: skip
            assert apart, (a, b)
    for wire in done.wires:
        for (x, y), (x2, y2) in zip(wire.points, wire.points[1:], strict=False):
            assert abs(x - x2) < 0.6 or abs(y - y2) < 0.6
            for box in boxes:
                inside = (
                    max(x, x2) > box.x + 1 and min(x, x2) < box.x + box.width - 1
                    and max(y, y2) > box.y + 1 and min(y, y2) < box.y + box.height - 1
                )  # fmt: skip
                assert not inside, (wire, box)


@pytest.mark.parametrize("name", NETS)
def test_every_edge_that_is_shown_has_a_wire(name):
    make, shape = NETS[name]
    found = network(make(), input_shape=shape)
    scene = make_scene(found, (), [blocks[0][0] for blocks in found.repeats])
    wires = {(begin, end) for item in scene.walk() for begin, end, _ in item.wires}
    for source, at in found.edges:
        assert any(begin == source for begin, _ in wires) and any(end == at for _, end in wires)


def test_a_repeat_is_drawn_once_and_unfolds():
    found = network(nets.deep_net(12), input_shape=(1, 3, 8, 8))
    svg = network_svg(found, language="en")
    assert "Residual ×12" in svg and len(shown(svg, "module")) == 5
    whole = network_svg(found, unfolded=[found.repeats[0][0][0]], language="en")
    assert "×12" not in whole and len(shown(whole, "module")) == 12 * 3 + 2


def test_deep_groups_are_closed_until_few_boxes_are_left():
    found = network(nn.Sequential(nets.UNet(), nn.Sequential(nets.Residual(8))),
                    input_shape=(1, 3, 16, 16))  # fmt: skip
    assert closed_for(found, 100) == frozenset()
    closed = closed_for(found, 13)
    assert [found[at].name for at in closed] == ["1.0"]
    svg = network_svg(found, closed=closed_for(found, 1))
    assert [found[at].name for at in shown(svg, "closed")] == ["0", "1"]


def test_the_error_stands_below_its_box_and_the_rest_is_dashed():
    svg = network_svg(network(nets.LeNet(500), input_shape=(1, 1, 28, 28)), language="en")
    assert "takes 500, gets 256." in svg and svg.count('stroke-dasharray="3 2"') == 2
    assert 'aria-label="Network of 4 layer calls, 63,902 parameters; stopped at fc1: ' in svg


def test_hostile_names_are_text():
    evil = "<img src=x onerror=alert(1)>"
    net = nn.Sequential()
    net.add_module(evil, nn.Linear(3, 3))
    part = nn.Sequential(nn.ReLU())
    net.add_module('"><script>', part)
    svg = network_svg(network(net, input_shape=(1, 3)), title=evil)
    ET.fromstring(svg)
    assert "<img" not in svg and "<script" not in svg


def test_colours_by_what_a_probe_found():
    first, x = nn.Linear(8, 8), torch.randn(16, 8)
    net = nn.Sequential(first, nn.ReLU(), nn.Linear(8, 4))
    torch.manual_seed(0)
    small = probe(net, x)
    with torch.no_grad():
        first.weight.mul_(100)
    svg = network_svg(
        network(net, x), colour="std", signals=probe(net, x), before=small, language="en"
    )
    assert "output std: left half before, right half after" in svg
    assert len(re.findall(r"output std before: [\d.]+\noutput std: ", svg)) == 3
    assert "dead units" in network_svg(network(net, x), colour="dead", signals=small, language="en")


@pytest.mark.parametrize("language, words", [
    ("en", "Data flow as it was in a run."), ("zh", "数据流来自一次运行。"),
])  # fmt: skip
def test_the_picture_says_whence_the_flow_is(language, words):
    net = nn.Sequential(nn.Linear(3, 3))
    assert words in network_svg(network(net), language=language)


def test_sizes_follow_the_shapes():
    found = network(nets.UNet(), input_shape=(1, 3, 32, 32))
    sizes = {node.label: box_extent(found)[at] for at, node in enumerate(found)}
    assert sizes["downs.0"] == (32.0, 8.0) and sizes["mid"] == (8.0, 32.0)
    found = network(encoder(), input_shape=(1, 5, 8))
    assert box_extent(found)[3:6] == [(5.0, 8.0)] * 3
