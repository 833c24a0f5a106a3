"""The tab of the network: its boxes, coloured by what ran through it, and small weights to edit."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import ipywidgets as w
from torch import nn
from torch.nn.parameter import is_lazy

from brickbook.errors import BadValueError
from brickbook.html import escape
from brickbook.i18n import Texts
from brickbook.introspect import is_sharded, plain_name
from brickbook.lab.init.tabs.lab_state import LabActions, LabState, WeightEdit
from brickbook.lab.model_copy import copy_model
from brickbook.lab.network import HeatMap, NetworkView
from brickbook.lab.network.heat_map import MAX_CELLS
from brickbook.lab.widgets import (
    Button,
    HTMLText,
    JobProgress,
    ProgressCallback,
    Section,
    full_width,
    reports_errors,
    tighten_lines,
)
from brickbook.measure.network import Network, network
from brickbook.views.data.network_scene import closed_for
from brickbook.views.data.network_shades import Colouring
from brickbook.views.svg.network import MOST_BOXES, network_svg

__all__ = ["NetworkTab"]

COLOURINGS: tuple[Colouring, ...] = ("kind", "std", "grad", "dead")
GHOSTS = ("before", "now")
DELAY = 0.3


class NetworkTab(Section):
    """The ``picture`` of the model, and below it the ``map`` of the weight that was opened.

    ``colour`` chooses what the boxes are coloured by. A click on a frame closes it, on a closed box
    opens it, on a repeat unfolds it; on a small layer it opens its weight, and on a larger one it
    shows that in the tab of the weights.
    """

    message_position = 1

    def __init__(self, texts: Texts, actions: LabActions) -> None:
        self.texts, self.actions = texts, actions
        self.state: LabState | None = None
        self.found: Network | None = None
        self.known: Hashable = None
        self.closed: set[int] = set()
        self.unfolded: set[int] = set()
        self.opened = ""  # the parameter in the map
        self.colour = w.Dropdown(
            options=[(texts[f"network.{key}"], key) for key in COLOURINGS],
            description=texts["network.colour"],
            layout=full_width(max_width="22em"),
            style={"description_width": "initial"},
        )
        self.colour.observe(self.on_colour, "value")
        self.fold = Button(
            description=texts["network.fold"],
            tooltip=texts["network.fold_tip"],
            layout=full_width(flex="0 0 auto"),
        )
        self.fold.on_click(self.on_fold)
        self.progress = JobProgress(texts["network.cancel"], texts)
        row = w.HBox([self.colour, self.fold], layout=full_width(flex_flow="row wrap"))
        self.words = HTMLText(layout=full_width())
        self.picture = NetworkView(hint=texts["network.keys"], layout=full_width())
        self.picture.observe(self.on_width, "width")
        self.picture.on_msg(self.on_picture)
        self.map = HeatMap(layout=full_width(display="none"))
        self.map.on_msg(self.on_map)
        super().__init__(row, self.progress, self.words, self.picture, self.map)

    def show(self, state: LabState) -> None:
        """Draw the model; its flow is found anew where its modules or its input are others."""
        self.state = state
        key = flow_key(state)
        if key != self.known:
            self.known = key
            self.find(state)
        else:
            self.redraw()

    def find(self, state: LabState) -> None:
        """Find the data flow in a thread."""
        model, given = state.model, state.probe_arguments

        def task(_report: ProgressCallback) -> Network:
            return network(copy_model(model), **given)

        self.progress.start_job(self.texts["network.busy"], task, self.on_found, DELAY)

    @reports_errors
    def on_found(self, found: Network | None, error: Exception | None) -> None:
        """Draw what was found."""
        self.progress.finish()
        if error is not None:
            raise error
        if found is not None:
            self.found, self.opened = found, ""
            self.reset()
            self.redraw()

    def reset(self) -> None:
        """Close and fold as at first."""
        self.unfolded = set()
        self.closed = set(closed_for(self.found, MOST_BOXES)) if self.found else set()

    def redraw(self) -> None:
        """Draw the picture, and the weight that is open."""
        if self.found is None or self.state is None:
            return
        lines = self.state.lines
        old = lines[0] if len(lines) > 1 and lines[0].kind in GHOSTS else None
        new = next((line for line in lines if line is not old and line.kind != "variant"), None)
        self.picture.svg = network_svg(
            self.found,
            width=self.picture.draw_width,
            colour=self.colour.value or "kind",
            signals=new.signals if new is not None else None,
            before=old.signals if old is not None else None,
            closed=self.closed,
            unfolded=self.unfolded,
            language=self.texts.language,
        )
        said = []
        if self.colour.value != "kind":
            if new is None:
                said.append(self.texts["network.no_signals"])
            elif old is not None:
                said.append(self.texts("network.compared", old=old.label, new=new.label))
        if self.found.flow == "tree":
            said.append(self.found.why)
        self.words.value = tighten_lines(escape(" ".join(said)))
        self.show_map()

    @reports_errors
    def on_width(self, _change: object) -> None:
        """Draw for another width."""
        self.redraw()

    @reports_errors
    def on_colour(self, _change: object) -> None:
        """Draw in other colours."""
        self.redraw()

    @reports_errors
    def on_fold(self, _button: object) -> None:
        """Close and fold as at first."""
        self.reset()
        self.redraw()

    @reports_errors
    def on_picture(self, _view: object, content: dict[str, Any], _buffers: object) -> None:
        """Open, close or unfold what was chosen, or show its weight."""
        at, kind = content["node"], content["kind"]
        if self.found is None or not 0 <= at < len(self.found):
            return
        if kind == "repeat":
            self.unfolded ^= {at}
        elif kind in ("group", "closed"):
            self.closed ^= {at}
        else:
            self.open_layer(at)
        self.redraw()

    def open_layer(self, at: int) -> None:
        """Show the weight of a layer: small ones as cells, others in the tab of the weights."""
        assert self.found is not None and self.state is not None
        self.picture.selected = at
        node, self.opened = self.found[at], ""
        if node.part != "module":
            return
        layer = find_layer(self.state.model, node.name)
        own = layer.named_parameters(recurse=False) if layer is not None else ()
        for key, weight in own:
            name = f"{node.name}.{key}".lstrip(".")
            if editable(weight):
                self.opened = name
            else:
                self.actions.select(name)
            return

    def show_map(self) -> None:
        """Show the cells of the weight that is open."""
        weight = self.opened_weight()
        self.map.layout.display = "none" if weight is None else None
        if weight is not None:
            keys = ("cell", "keys_of_cells", "value", "write", "zero")
            words = {key.partition("_")[0]: self.texts[f"network.map.{key}"] for key in keys}
            self.map.show(self.opened, weight, words)

    def opened_weight(self) -> nn.Parameter | None:
        """Return the weight that is open, None if there is none any more."""
        if not self.opened or self.state is None:
            return None
        named = {plain_name(name): weight for name, weight in self.state.model.named_parameters()}
        weight = named.get(self.opened)
        return weight if weight is not None and editable(weight) else None

    @reports_errors
    def on_map(self, _map: object, content: dict[str, Any], _buffers: object) -> None:
        """Write a cell, or set a unit to zero: its row of the weight and its bias."""
        weight = self.opened_weight()
        if weight is None or self.state is None:
            return
        row, column = content["row"], content["column"]
        try:
            value = float(content["value"])
        except ValueError:
            raise BadValueError(
                "value", self.texts("network.map.no_number", text=repr(content["value"]))
            ) from None
        self.show_message("")
        if column >= 0:
            edits = [WeightEdit(self.opened, row, column, value)]
        else:
            edits = [WeightEdit(self.opened, row, None, value)]
            bias = f"{self.opened.rpartition('.')[0]}.bias".lstrip(".")
            known = {plain_name(name): one for name, one in self.state.model.named_parameters()}
            if bias in known and bias != self.opened and known[bias].shape == weight.shape[:1]:
                edits.append(WeightEdit(bias, row, None, value))
        self.actions.write(edits)

    def close(self) -> None:
        """Stop, and close everything."""
        self.progress.close()
        super().close()


def flow_key(state: LabState) -> Hashable:
    """Return what tells a model's modules and its input from others."""
    kinds = tuple((name, type(part)) for name, part in state.model.named_modules())
    return id(state.model), kinds, id(state.batch), state.input_shape


def find_layer(model: nn.Module, name: str) -> nn.Module | None:
    """Return a module by its plain name."""
    return next((part for own, part in model.named_modules() if plain_name(f"{own}.")[:-1] == name),
                None)  # fmt: skip


def editable(weight: nn.Parameter) -> bool:
    """Whether a weight is small enough for cells, and has values here."""
    absent = is_lazy(weight) or weight.is_meta or is_sharded(weight)
    return not absent and weight.is_floating_point() and 0 < weight.numel() <= MAX_CELLS
