"""One rule of an ``init_cfg`` as a card: its type, its layers, its arguments, its overrides."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets as w

from brickbook.lab.init_law import LawPart
from brickbook.lab.init_layers import Classes, LayerPicker
from brickbook.lab.init_look import Part, icon_button, wide
from brickbook.lab.init_state import overrides_of, with_overrides
from brickbook.lab.light import Button, Slim
from brickbook.lab.panels import close_tree, guarded
from brickbook.registry import Config
from brickbook.texts import Texts

__all__ = ["OverrideCard", "RuleCard"]


class OverrideCard(Part):
    """An override: the name of a part of the model, and a law of its own or the rule's.

    One that was added here is ``begun`` until it has a name: it is no part of the rule yet.
    """

    def __init__(
        self,
        cfg: Config,
        names: Sequence[str],
        changed: Callable[[], None],
        remove: Callable[[OverrideCard], None],
        texts: Texts,
    ) -> None:
        self.texts = texts
        self.given_name, self.names, self.changed = cfg.get("name"), names, changed
        self.added = not cfg
        self.layer = {"layer": cfg["layer"]} if "layer" in cfg else {}
        self.name = w.Combobox(
            value="" if self.given_name is None else str(self.given_name),
            options=list(names),
            placeholder=texts["rules.part_hint"],
            description=texts["rules.part"],
            continuous_update=False,
            style={"description_width": "9ch"},
            layout=wide(flex="1 1 0", min_width="0", max_width="26em"),
        )
        self.law = LawPart(cfg, changed, texts, like=texts["rules.as_rule"])
        drop = icon_button("trash", texts["rules.no_override"])
        drop.on_click(lambda _: remove(self))
        edge = "2px solid var(--jp-border-color1, #888)"
        super().__init__(
            w.HBox([self.name, drop], layout=wide()),
            self.law,
            border_left=edge,
            margin="2px 0 2px 0.5em",
            padding="0 0 0 0.6em",
        )
        self.name.observe(self.take_name, "value")
        self.forgive()

    @property
    def begun(self) -> bool:
        """Whether it still lacks its name."""
        return self.added and self.given_name is None

    @property
    def value(self) -> dict[str, Any]:
        """The override as a config; without a name it has no key ``name``."""
        name = {} if self.given_name is None else {"name": self.given_name}
        return {**self.law.value, **self.layer, **name}

    @property
    def errors(self) -> dict[str, str]:
        """The messages shown, by key."""
        own = {"name": self.message} if self.message else {}
        return {**own, **self.law.errors}

    @guarded
    def take_name(self, change: Mapping[str, Any]) -> None:
        """Take the name of another part."""
        self.given_name = change["new"].strip() or None
        self.forgive()
        self.changed()

    def complain(self, path: str, message: str) -> None:
        """Show a message at a key; one of the whole override is about its name, or its type."""
        whole_is_name = path == "" and self.given_name is None
        if path == "name" or whole_is_name:
            head = str(self.given_name).rpartition(".")[0]
            near = head in self.names and self.given_name not in self.names
            missed = self.texts("rules.no_module", name=repr(self.given_name), near=repr(head))
            self.say(missed if near else message)
        else:
            self.law.complain(path, message)

    def forgive(self) -> None:
        """Take the messages of `complain` away; without a name, ask for one."""
        self.say("")
        self.law.forgive()
        if self.begun:
            self.notice.say(self.texts["rules.choose_part"], "info")


class RuleCard(Part):
    """A rule: ``value`` is its config; ``changed`` is called after every edit."""

    spot = 2

    def __init__(
        self,
        rule: Config,
        classes: Classes,
        names: Sequence[str],
        changed: Callable[[], None],
        texts: Texts,
    ) -> None:
        self.names, self.changed, self.given_kind = names, changed, rule.get("type")
        self.texts = texts
        self.law = LawPart(rule, self.take, texts)
        self.picker = LayerPicker(classes, rule.get("layer"), self.take, texts)
        self.overrides = tuple(self.card(cfg) for cfg in overrides_of(rule))
        self.add = Button(
            description=texts["rules.override"],
            icon="plus",
            tooltip=texts["rules.override_tip"],
            layout=Slim(width="auto", align_self="flex-start"),
        )
        self.add.on_click(self.press_add)
        self.arrange()
        super().__init__(padding="4px 0")

    @property
    def value(self) -> dict[str, Any]:
        """The rule as a config."""
        rule = self.law.value
        if self.picker.value and self.has_layer:
            rule["layer"] = self.picker.value
        return with_overrides(rule, [card.value for card in self.complete])

    @property
    def complete(self) -> list[OverrideCard]:
        """The overrides that are part of the rule."""
        return [card for card in self.overrides if not card.begun]

    @property
    def has_layer(self) -> bool:
        """Whether the rule's type takes a ``layer``, or was given one that it does not take."""
        return self.law.takes_layer or (
            bool(self.picker.value) and self.law.kind == self.given_kind
        )

    @property
    def errors(self) -> dict[str, str]:
        """The messages shown, by key path below the rule."""
        found = dict(self.law.errors)
        for key, part in (("", self), ("layer", self.picker)):
            found.update({key: part.message} if part.message else {})
        for at, card in enumerate(self.complete):
            path = "override" if len(self.complete) == 1 else f"override[{at}]"
            found.update({f"{path}.{key}": text for key, text in card.errors.items()})
        return found

    def card(self, cfg: Config) -> OverrideCard:
        """Make the card of an override."""
        return OverrideCard(cfg, self.names, self.take, self.drop, self.texts)

    def arrange(self) -> None:
        """Show what the chosen type has: layers, or none."""
        self.picker.layout.display = None if self.has_layer else "none"
        self.hold(self.law, self.picker, *self.overrides, self.add)

    @guarded
    def take(self) -> None:
        """Take any edit."""
        self.arrange()
        self.changed()

    @guarded
    def press_add(self, _button: w.Button) -> None:
        """Add an override that has no name yet."""
        self.overrides = (*self.overrides, self.card({}))
        self.take()

    @guarded
    def drop(self, card: OverrideCard) -> None:
        """Remove an override."""
        self.overrides = tuple(item for item in self.overrides if item is not card)
        self.take()
        close_tree(card)

    def complain(self, path: str, message: str) -> None:
        """Show a message at the field that ``path``, below the rule, belongs to."""
        found = re.match(r"override(?:\[(\d+)\])?(?:$|\.)", path)
        if found and int(found[1] or 0) < len(self.complete):
            self.complete[int(found[1] or 0)].complain(path[found.end() :], message)
        elif path == "layer":
            self.picker.say(message)
        elif path:
            self.law.complain(path, message)
        else:
            self.say(message)

    def forgive(self) -> None:
        """Take the messages of `complain` away."""
        for part in (self.law, *self.overrides):
            part.forgive()
        for part in (self, self.picker):
            part.say("")
