from __future__ import annotations

from html.parser import HTMLParser

import pytest
import torch
from torch import nn

from brickbook.init import initialize, plan
from brickbook.markup import table
from brickbook.measure import snapshot

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
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def evil() -> nn.Module:
    net = nn.Sequential(nn.Linear(2, 2))
    net.register_parameter(EVIL, nn.Parameter(torch.zeros(3)))
    return net


def texts() -> dict[str, str]:
    net = evil()
    todo = plan(net, RULES)
    return {
        "plan": todo._repr_html_(),
        "snapshot": snapshot(net)._repr_html_(),
        "report": initialize(net, RULES)._repr_html_(),
    }


@pytest.mark.parametrize("name", ["plan", "snapshot", "report"])
def test_only_harmless_tags_and_every_name_as_text(name):
    tags = Tags(texts()[name])
    assert not tags.open
    assert {tag for tag, _ in tags.found} <= {
        "div", "details", "summary", "table", "thead", "tbody", "tr", "th", "td"
    }  # fmt: skip
    assert {key for _, key in tags.found} <= {"", "style"}
    assert EVIL in tags.words
    assert {"0.weight", "0.bias"} <= set(tags.words)


def test_a_rule_without_effect_is_said_above_the_table():
    text = plan(nn.Linear(2, 2), {"type": "Normal", "layer": "Linaer"})._repr_html_()
    words = Tags(text).words
    assert words[1] == "⚠ init_cfg.layer: Linaer matches nothing. Did you mean 'Linear'?"


def test_a_long_table_is_cut():
    text = table(["n"], [[str(n)] for n in range(500)])
    assert text.count("<tr>") == 201 and text.endswith("and 300 more</div>")
