"""A page that plays the kernel of a grid, and models to show on it."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from brickbook.init.execution import InitReport, initialize
from brickbook.measure.snapshot import Comparison, compare, snapshot
from brickbook.views.grid.payload import GRID_CSS, GRID_JS, GridPayload, grid_payload

EVIL = "<img src=x onerror=alert(1)>"
# A model as anywidget has it: `set` tells its own listeners too, as Backbone does.
HOST = """<!DOCTYPE html><html lang="en" %s><meta charset="utf-8"><title>grid</title>
<meta name="viewport" content="width=device-width">
<style>body {{ margin: 8px; }} %s</style>
<main tabindex="-1" id="outside"><div id="grid"></div></main>
<script type="module">
import grid from "data:text/javascript;base64,%s";
const traits = {{}}, heard = {{}};
const tell = (event) => (heard[event] ?? []).forEach((act) => act());
window.saved = [];
const model = {{
  get: (key) => traits[key],
  set: (key, value) => {{
    const told = typeof key === "object" ? key : {{ [key]: value }};
    Object.assign(traits, told);
    for (const name of Object.keys(told)) tell(`change:${{name}}`);
  }},
  on: (event, act) => {{ (heard[event] ??= new Set()).add(act); }},
  off: (event, act) => heard[event].delete(act),
  save_changes: () => {{
    const {{ meta, buffer, ...others }} = traits;
    window.saved.push(structuredClone(others));
  }},
}};
window.push = (meta, buffer, rev) => {{
  const bytes = Uint8Array.from(atob(buffer), (letter) => letter.charCodeAt(0));
  const shifted = new Uint8Array(bytes.length + 3);  // as a message has it: in the middle
  shifted.set(bytes, 3);
  Object.assign(traits, {{ meta, rev, buffer: new DataView(shifted.buffer, 3, bytes.length) }});
  tell("change:rev");
}};
window.assign = (key, value) => {{ traits[key] = value; tell(`change:${{key}}`); }};
window.traits = traits;
window.listeners = () => Object.values(heard).reduce((total, set) => total + set.size, 0);
window.initialize = () => {{ window.end = grid.initialize({{ model }}); }};
window.start = () => {{
  window.stop = grid.render({{ model, el: document.getElementById("grid") }});
}};
</script></html>""".replace("{{", "{").replace("}}", "}")


def host(attributes: str = "", style: str = "") -> str:
    """Return the page; ``attributes`` and ``style`` are those of a theme."""
    script = base64.b64encode(GRID_JS.read_bytes()).decode()
    return HOST % (attributes, style + GRID_CSS.read_text(encoding="utf-8"), script)


def push(tab: Any, payload: GridPayload, rev: int = 1) -> None:
    """Set the traits of a payload."""
    buffer = base64.b64encode(payload.buffer).decode()
    tab.evaluate("([meta, buffer, rev]) => push(meta, buffer, rev)", [payload.meta, buffer, rev])


def begin(tab: Any, payload: GridPayload) -> None:
    """Show a payload."""
    push(tab, payload)
    tab.evaluate("start()")


def network() -> nn.Module:
    """Two linear layers in a Sequential with a norm, and a parameter with a bad name."""
    net = nn.Sequential(nn.Linear(40, 30), nn.BatchNorm1d(30), nn.Linear(30, 5))
    net.register_parameter(EVIL, nn.Parameter(torch.ones(3)))
    return net


def start(
    net: nn.Module, rules: object, seed: int = 3, language: str = "en"
) -> tuple[Comparison, InitReport, GridPayload]:
    """Initialize a model, and return what a grid shows of that."""
    before = snapshot(net)
    report = initialize(net, rules, seed=seed)
    comparison = compare(before, snapshot(net))
    return comparison, report, grid_payload(comparison, report=report, language=language)


def normal(std: float) -> Mapping[str, object]:
    """Return a config for linear layers."""
    return {"type": "Normal", "std": std, "layer": "Linear"}


def many(count: int) -> GridPayload:
    """Return a payload of so many parameters in groups of ten, each with its law."""
    torch.manual_seed(0)
    net = nn.Module()
    for at in range(count // 10):
        block = nn.Sequential(*(nn.Linear(20, 20) for _ in range(5)))
        net.add_module(f"layers_{at}", block)
    rules = [normal(0.05), {"type": "Normal", "std": 0.1, "layer": "re:layers_1.*"}]
    return start(net, rules)[2]
