"""The classes a rule speaks of: a check box for each that is in the model, and room for more."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets as w
from ipywidgets.widgets.widget_bool import CheckboxStyle
from torch import nn

from brickbook.init.matching import known_classes, matches
from brickbook.lab.init_look import Part, wide
from brickbook.lab.init_state import layer_choices
from brickbook.lab.light import Label, Slim
from brickbook.lab.panels import guarded
from brickbook.texts import Texts

__all__ = ["Classes", "LayerPicker"]


class Classes:
    """What a model's rules may name: looked up once for all pickers."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.own = dict(layer_choices(model))
        self.others = sorted(known_classes(model.modules()) - set(self.own))

    def met(self, layer: str | type) -> int:
        """Count the modules that ``layer`` meets."""
        name = word(layer)
        if name in self.own:
            return self.own[name]
        return sum(matches(part, (layer,)) for part in self.model.modules())


class LayerPicker(Part):
    """The ``layer`` of a rule: ``value`` is a list of class names or classes, in order."""

    spot = 2

    def __init__(
        self, classes: Classes, value: Any, changed: Callable[[], None], texts: Texts
    ) -> None:
        self.classes, self.changed = classes, changed
        self.named: dict[str, Any] = {word(layer): layer for layer in listed(value)}
        self.boxes: dict[str, w.Checkbox] = {}
        # A name too long for the shelf ends in dots; the page has it whole as the tooltip.
        self.shared_layout = wide(margin="0 1em 0 0", flex="0 0 auto", max_width="calc(100% - 1em)")
        self.shared_style = CheckboxStyle()
        for name in (*classes.own, *self.named):
            self.offer(name)
        self.shelf = w.HBox(
            list(self.boxes.values()),
            layout=Slim(
                flex="1 1 0", flex_flow="row wrap", max_height="11em", overflow="hidden auto"
            ),
        )
        at_right = Slim(
            display="flex", justify_content="flex-end", width="9ch", margin="2px 8px 2px 2px"
        )
        line = w.HBox([Label(texts["place.layer"], layout=at_right), self.shelf], layout=wide())
        self.more = w.Combobox(
            options=classes.others,
            placeholder=texts["rules.class_hint"],
            description=texts["rules.class"],
            continuous_update=False,
            style={"description_width": "9ch"},
            layout=wide(max_width="26em"),
        )
        self.more.observe(self.take_more, "value")
        super().__init__(line, self.more)

    @property
    def value(self) -> list[Any]:
        """The classes chosen."""
        return list(self.named.values())

    def offer(self, name: str) -> None:
        """Make a check box for a class, once."""
        if name in self.boxes:
            return
        box = w.Checkbox(
            value=name in self.named,
            description=f"{name} × {self.classes.met(self.named.get(name, name))}",
            indent=False,
            layout=self.shared_layout,
            style=self.shared_style,
        )
        box.observe(self.take, "value")
        self.boxes[name] = box

    @guarded
    def take(self, change: Mapping[str, Any]) -> None:
        """Take one check box."""
        [name] = [name for name, box in self.boxes.items() if box is change["owner"]]
        if change["new"]:
            self.named.setdefault(name, name)
        else:
            self.named.pop(name, None)
        self.changed()

    @guarded
    def take_more(self, change: Mapping[str, Any]) -> None:
        """Take a class that was typed: it gets a box, whether the model has it or not."""
        name = change["new"].strip()
        if not name:
            return
        self.more.value = ""
        self.offer(name)
        self.shelf.children = tuple(self.boxes.values())
        self.boxes[name].value = True


def listed(value: Any) -> Sequence[Any]:
    """Return what a ``layer`` names, as a list; what is no layer is for the plan to refuse."""
    if value is None:
        return ()
    return value if isinstance(value, (list, tuple)) else (value,)


def word(layer: Any) -> str:
    """Return the name of a class, or the word that stands for it."""
    return layer.__name__ if isinstance(layer, type) else str(layer)
