"""The model as a picture in which a layer is chosen: boxes by size, errors where they happen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path as FilePath
from typing import Any

import anywidget
import ipywidgets as w
import torch
import traitlets
from torch import Tensor, nn

from brickbook.blueprint import Blueprint, Path, as_chain, resolve, slots_in
from brickbook.config import unwrap_partial
from brickbook.errors import BadValueError, ConfigError
from brickbook.lab.builder.preview import Preview, type_name
from brickbook.measure.network import Network, network
from brickbook.modules import Sequential
from brickbook.views.grid.bundle import ScriptBundle
from brickbook.views.svg.network import network_svg

__all__ = ["NetworkPicture", "brick_at", "network_of"]

HERE = FilePath(__file__).parent
WIDTH = 600  # where rows of boxes end, in pixels
STYLE = """.bb-picture {
background: var(--jp-layout-color1, Canvas);
border: 1px solid var(--jp-border-color1, #888);
max-height: 26em;
overflow: auto;
}
.bb-picture svg {
display: block;
}
.bb-picture [data-node] {
cursor: pointer;
}
.bb-picture .bb-chosen > rect {
stroke: var(--jp-brand-color1, #1976d2);
stroke-width: 3;
}
"""


class NetworkPicture(anywidget.AnyWidget):
    """The picture of a model; a click on a box chooses its brick.

    ``on_choose`` gets the path of that brick. The list of bricks beside it does the same by keys.
    """

    _esm = ScriptBundle(("network_picture.js",), HERE).read_text()
    _css = STYLE
    svg = traitlets.Unicode().tag(sync=True)
    chosen = traitlets.List(traitlets.Int()).tag(sync=True)

    def __init__(self, on_choose: Callable[[Path], None]) -> None:
        self.on_choose = on_choose
        self.paths: list[Path] = []  # the brick of each node
        super().__init__(layout=w.Layout(width="auto", display="none"))
        self.on_msg(self.on_message)

    def draw(self, blueprint: Blueprint, preview: Preview) -> None:
        """Show a model; nothing where there is none."""
        found = network_of(blueprint, preview) if len(blueprint) else None
        self.paths = [brick_at(blueprint, node.name) for node in found] if found else []
        self.svg = network_svg(found, width=WIDTH) if found else ""
        self.layout.display = None if found else "none"

    def choose(self, selected: Path) -> None:
        """Mark what belongs to a brick."""
        length = len(selected)
        self.chosen = [
            at for at, path in enumerate(self.paths) if selected and path[:length] == selected
        ]

    def on_message(self, _widget: object, content: Mapping[str, Any], _buffers: object) -> None:
        """Choose the brick of the box that was clicked."""
        at = content.get("choose", -1)
        if 0 <= at < len(self.paths) and self.paths[at]:
            self.on_choose(self.paths[at])


class Unbuilt(nn.Module):
    """Stands for a brick that cannot be built: it says why when it is run."""

    def __init__(self, problem: str) -> None:
        super().__init__()
        self.problem = problem

    def forward(self, x: Tensor) -> Tensor:
        """Raise the error of the brick."""
        raise BadValueError("brick", self.problem)


def network_of(blueprint: Blueprint, preview: Preview) -> Network:
    """Return how data flows through the bricks, with the words of the list where it stops.

    A brick that cannot be built stands there all the same.
    """
    parts = []
    with torch.device("meta"):
        for at, cfg in enumerate(blueprint.bricks):
            try:
                parts.append(blueprint.build_brick(at, preview.known_args))
            except Exception as error:  # whatever a class of anybody may raise
                name = type_name(cfg.get("type"))
                parts.append(type(name, (Unbuilt,), {})(str(error)))
    model = Sequential(*parts)
    shape = (1, *preview.input)
    if takes_numbers(blueprint):
        found = network(model, torch.zeros(shape, dtype=torch.long))
    else:
        found = network(model, input_shape=shape)
    errors = {row.path: row.error for row in preview.rows if row.error}
    nodes = tuple(
        replace(node, error=errors.get(brick_at(blueprint, node.name), node.error))
        if node.state == "error" else node
        for node in found
    )  # fmt: skip
    return replace(found, nodes=nodes)


def takes_numbers(blueprint: Blueprint) -> bool:
    """Whether a model begins with an embedding, which takes whole numbers."""
    try:
        make = unwrap_partial(resolve(blueprint.bricks[0].get("type"))[1])
    except ConfigError:
        return False
    return isinstance(make, type) and issubclass(make, nn.Embedding)


def brick_at(blueprint: Blueprint, name: str) -> Path:
    """Return the path of the brick that a module of the model belongs to; () for none.

    >>> body = [{"type": "ConvModule"}]
    >>> brick_at(Blueprint(({"type": "Residual", "body": body},)), "0.body.0.conv")
    (0, 'body', 0)
    """
    words, chain, place = name.split("."), blueprint.bricks, ()
    path: Path = ()
    while words and words[0].isdigit() and int(words[0]) < len(chain):
        at = int(words.pop(0))
        path, cfg = (*place, at), chain[at]
        slots = slots_in(cfg)
        if not slots or not words:
            break
        slot = words.pop(0) if words[0] in slots else next(iter(slots))
        place, chain = (*path, slot), as_chain(cfg.get(slot))
        if slots[slot] == "maker":
            words.pop(0)  # which of the repetitions
        elif slots[slot] == "chains":
            branch = int(words.pop(0)) if words and words[0].isdigit() else len(chain)
            if branch >= len(chain):
                break
            place, chain = (*place, branch), as_chain(chain[branch])
    return path
