from __future__ import annotations

import base64
import re
from html.parser import HTMLParser

import pytest
import torch
from torch import nn

from brickbook.html import html_table
from brickbook.init.execution import initialize
from brickbook.init.planning import plan
from brickbook.measure.snapshot import alternatives, compare, snapshot
from brickbook.views.diff import differences
from brickbook.views.page import static_report

EVIL = "<img src=x onerror=alert(1)>"
RULES = [{"type": "Constant", "val": 1.0, "layer": "Linear"}]


class Tags(HTMLParser):
    """The tags and attributes of a text, and whether every tag is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: set[tuple[str, str]] = set()
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.found |= {(tag, key) for key, _ in attrs} or {(tag, "")}

    def handle_endtag(self, tag):
        while self.open[-1] == "img":  # it has no end
            self.open.pop()
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def evil() -> nn.Module:
    net = nn.Sequential(nn.Linear(2, 2))
    net.register_parameter(EVIL, nn.Parameter(torch.zeros(3)))
    return net


def texts() -> dict[str, str]:
    net = evil()
    todo, before = plan(net, RULES), snapshot(net)
    found = alternatives(net, {"a": RULES, EVIL: RULES})
    report = initialize(net, RULES)
    comparison = compare(before, snapshot(net))
    records = dict(
        plan=todo, snapshot=before, report=report, comparison=comparison, alternatives=found,
        differences=differences(before, {**net.state_dict(), EVIL: torch.ones(3)}),
        static=static_report(comparison, report=report, title=EVIL),
    )  # fmt: skip
    for record in records.values():
        bundle = record._repr_mimebundle_(include=None, exclude=None)
        assert bundle == {"text/plain": repr(record), "text/html": record._repr_html_()}
        assert "\n" not in repr(record)
    return {name: record._repr_html_() for name, record in records.items()}


RECORDS = ["plan", "snapshot", "report", "comparison", "alternatives", "differences", "static"]


@pytest.mark.parametrize("name", RECORDS)
def test_only_harmless_tags_and_every_name_as_text(name):
    tags = Tags(texts()[name])
    assert not [tag for tag in tags.open if tag != "img"]
    assert {tag for tag, _ in tags.found} <= {
        "div", "details", "summary", "table", "thead", "tbody", "tr", "th", "td", "img"
    }  # fmt: skip
    assert {pair for pair in tags.found if pair[1] not in ("", "style")} == (
        {("img", "alt"), ("img", "src")} if name == "static" else set()
    )
    assert EVIL in tags.words
    assert {"0.weight", "0.bias"} <= set(tags.words)


@pytest.mark.parametrize("name", RECORDS)
def test_no_colour_of_text_or_paper_is_set(name):
    styles = re.findall(r'style="([^"]*)"', texts()[name])
    assert styles and not [style for style in styles if "color" in style or "background" in style]


def test_a_static_view_shows_what_changed_first():
    net = nn.Sequential(*(nn.Linear(2, 2) for _ in range(10)))
    before = snapshot(net)
    report = initialize(net, dict(type="Ones", layer="9"))
    shown = static_report(
        compare(before, snapshot(net)), report=report, max_histograms=3, title="net"
    )
    assert repr(shown) == (
        "net: InitReport: 20 parameters: 2 written by a law, 18 left as they were; "
        "3 of 20 parameters in the picture"
    )
    svg = base64.b64decode(re.search('base64,([^"]*)', shown.html).group(1)).decode()
    assert re.findall(">([0-9.]+(?:weight|bias))<", svg) == ["0.weight", "9.weight", "9.bias"]
    assert shown.html.count("<tr>") == 21
    assert "<script" not in shown.html and "<svg" not in shown.html


def test_a_rule_without_effect_is_said_above_the_table():
    text = plan(nn.Linear(2, 2), {"type": "Normal", "layer": "Linaer"})._repr_html_()
    words = Tags(text).words
    assert words[1] == "⚠ init_cfg.layer: Linaer matches nothing. Did you mean 'Linear'?"


def test_a_long_table_is_cut():
    text = html_table(["n"], [[str(n)] for n in range(500)])
    assert text.count("<tr>") == 201 and text.endswith("and 300 more</div>")
