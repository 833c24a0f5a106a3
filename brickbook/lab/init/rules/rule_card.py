"""One rule as a card: its type with arguments, the layers it matches, its overrides."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import ipywidgets as w
from ipywidgets.widgets.widget_bool import CheckboxStyle
from torch import nn

from brickbook.config import to_literal
from brickbook.errors import ConfigError
from brickbook.html import escape
from brickbook.i18n import Texts
from brickbook.init.initializers import INITIALIZERS, BaseInit
from brickbook.introspect import (
    ModuleIndex,
    known_class_names,
    module_matches,
    parse_selector,
    resolve_selector,
)
from brickbook.lab.form import Field, Form, fields_of
from brickbook.lab.init.state import count_layer_classes, overrides_of, with_overrides
from brickbook.lab.widgets import (
    Button,
    HTMLText,
    Label,
    LeanLayout,
    Section,
    close_tree,
    full_width,
    icon_button,
    reports_errors,
    tighten_lines,
)
from brickbook.registry import Config

NON_ARGUMENT_KEYS = ("layer", "override", "name")
NO_TYPE = ""  # an override without a type; None would be no choice for a menu
SHARED_ARGUMENTS = frozenset(field.name for field in fields_of(BaseInit)) - {"layer"}


class RuleCard(Section):
    """A rule: ``value`` is its config; ``on_change`` is called after every edit.

    With ``folded`` its arguments, and those of its overrides, stand in one line at first.
    """

    message_position = 2

    def __init__(
        self,
        rule: Config,
        classes: LayerClasses,
        module_names: Sequence[str],
        on_change: Callable[[], None],
        texts: Texts,
        folded: bool = False,
    ) -> None:
        self.texts, self.on_change = texts, on_change
        self.module_names, self.original_type = module_names, rule.get("type")
        self.initializer = InitializerSection(rule, self.on_part_change, texts, folded=folded)
        self.picker = LayerPicker(classes, rule.get("layer"), self.on_part_change, texts)
        self.overrides = tuple(self.make_override(cfg, folded) for cfg in overrides_of(rule))
        self.add = Button(
            description=texts["rules.override"],
            icon="plus",
            tooltip=texts["rules.override_tip"],
            layout=LeanLayout(width="auto", align_self="flex-start"),
        )
        self.add.on_click(self.on_add)
        self.arrange()
        super().__init__(padding="4px 0")

    @property
    def value(self) -> dict[str, Any]:
        """The rule as a config."""
        rule = self.initializer.value
        if self.picker.value and self.shows_layer:
            rule["layer"] = self.picker.value
        return with_overrides(rule, [card.value for card in self.complete_overrides])

    @property
    def complete_overrides(self) -> list[OverrideCard]:
        """The overrides that are part of the rule."""
        return [card for card in self.overrides if not card.is_incomplete]

    @property
    def shows_layer(self) -> bool:
        """Whether the rule's type takes a ``layer``, or was given one that it does not take."""
        return self.initializer.takes_layer or (
            bool(self.picker.value) and self.initializer.chosen_type == self.original_type
        )

    @property
    def errors(self) -> dict[str, str]:
        """The messages shown, by key path below the rule."""
        found = dict(self.initializer.errors)
        for key, part in (("", self), ("layer", self.picker)):
            found.update({key: part.message} if part.message else {})
        for at, card in enumerate(self.complete_overrides):
            path = "override" if len(self.complete_overrides) == 1 else f"override[{at}]"
            found.update({f"{path}.{key}": text for key, text in card.errors.items()})
        return found

    def make_override(self, cfg: Config, folded: bool = False) -> OverrideCard:
        """Make the card of an override."""
        changes = (self.on_part_change, self.remove_override)
        return OverrideCard(cfg, self.module_names, *changes, self.texts, folded)

    def arrange(self) -> None:
        """Show what the chosen type has: layers, or none."""
        self.picker.layout.display = None if self.shows_layer else "none"
        self.set_children(self.initializer, self.picker, *self.overrides, self.add)

    @reports_errors
    def on_part_change(self) -> None:
        """Show what the rule has now, and report the edit."""
        self.arrange()
        self.on_change()

    @reports_errors
    def on_add(self, _button: w.Button) -> None:
        """Add an override that has no name yet."""
        self.overrides = (*self.overrides, self.make_override({}))
        self.on_part_change()

    @reports_errors
    def remove_override(self, card: OverrideCard) -> None:
        """Remove an override."""
        self.overrides = tuple(item for item in self.overrides if item is not card)
        self.on_part_change()
        close_tree(card)

    def show_error(self, path: str, message: str) -> None:
        """Show a message at the field that ``path``, below the rule, belongs to."""
        found = re.match(r"override(?:\[(\d+)\])?(?:$|\.)", path)
        if found and int(found[1] or 0) < len(self.complete_overrides):
            self.complete_overrides[int(found[1] or 0)].show_error(path[found.end() :], message)
        elif path == "layer":
            self.picker.show_message(message)
        elif path:
            self.initializer.show_error(path, message)
        else:
            self.show_message(message)

    def clear_errors(self) -> None:
        """Take away the messages of `show_error`."""
        for part in (self.initializer, *self.overrides):
            part.clear_errors()
        for part in (self, self.picker):
            part.show_message("")


class OverrideCard(Section):
    """An override: the name of a part of the model, and a law of its own or the rule's.

    One that was added here `is_incomplete` until it has a name: it is no part of the rule yet.
    """

    def __init__(
        self,
        cfg: Config,
        module_names: Sequence[str],
        on_change: Callable[[], None],
        on_remove: Callable[[OverrideCard], None],
        texts: Texts,
        folded: bool = False,
    ) -> None:
        self.texts, self.on_change = texts, on_change
        self.module_name, self.module_names = cfg.get("name"), module_names
        self.is_new = not cfg
        self.layer_entry = {"layer": cfg["layer"]} if "layer" in cfg else {}
        self.name = w.Combobox(
            value="" if self.module_name is None else str(self.module_name),
            options=list(module_names),
            placeholder=texts["rules.part_hint"],
            description=texts["rules.part"],
            continuous_update=False,
            style={"description_width": "9ch"},
            layout=full_width(flex="1 1 0", min_width="0", max_width="26em"),
        )
        self.initializer = InitializerSection(
            cfg, on_change, texts, no_type_label=texts["rules.as_rule"], folded=folded
        )
        drop = icon_button("trash", texts["rules.no_override"])
        drop.on_click(lambda _: on_remove(self))
        edge = "2px solid var(--jp-border-color1, #888)"
        super().__init__(
            w.HBox([self.name, drop], layout=full_width()),
            self.initializer,
            border_left=edge,
            margin="2px 0 2px 0.5em",
            padding="0 0 0 0.6em",
        )
        self.name.observe(self.on_name_change, "value")
        self.clear_errors()

    @property
    def is_incomplete(self) -> bool:
        """Whether it still lacks its name."""
        return self.is_new and self.module_name is None

    @property
    def value(self) -> dict[str, Any]:
        """The override as a config; without a name it has no key ``name``."""
        name = {} if self.module_name is None else {"name": self.module_name}
        return {**self.initializer.value, **self.layer_entry, **name}

    @property
    def errors(self) -> dict[str, str]:
        """The messages shown, by key."""
        own = {"name": self.message} if self.message else {}
        return {**own, **self.initializer.errors}

    @reports_errors
    def on_name_change(self, change: Mapping[str, Any]) -> None:
        """Use the name of another part of the model."""
        self.module_name = change["new"].strip() or None
        self.clear_errors()
        self.on_change()

    def show_error(self, path: str, message: str) -> None:
        """Show a message at a key; one of the whole override is about its name, or its type."""
        whole_is_name = path == "" and self.module_name is None
        if path == "name" or whole_is_name:
            head = str(self.module_name).rpartition(".")[0]
            near = head in self.module_names and self.module_name not in self.module_names
            missed = self.texts("rules.no_module", name=repr(self.module_name), near=repr(head))
            self.show_message(missed if near else message)
        else:
            self.initializer.show_error(path, message)

    def clear_errors(self) -> None:
        """Take away the messages of `show_error`; without a name, ask for one."""
        self.show_message("")
        self.initializer.clear_errors()
        if self.is_incomplete:
            self.notice.show(self.texts["rules.choose_part"], "info")


class InitializerForm(Form):
    """The form of an initialiser; ``on_edit`` follows every edit, also of a text it cannot read."""

    def __init__(
        self,
        factory: Callable[..., Any],
        values: Mapping[str, Any],
        on_edit: Callable[[], None],
        texts: Texts,
    ) -> None:
        self.on_edit = on_edit
        fields = map(offer_auto_gain, fields_of(factory))
        super().__init__(
            factory,
            values,
            hidden=NON_ARGUMENT_KEYS,
            fields=fields,
            texts=texts,
        )
        for row in self.rows.values():
            row.says_default = False
            row.update_labels()
            if row.field.doc:
                row.explain(texts.translate(row.field.doc))
            if row.field.required:  # no default stands beside it: its text has all the room
                row.default_label.layout = LeanLayout(flex="0 0 auto")
        if any(not row.field.required for row in self.rows.values()):
            words = tighten_lines(escape(texts["rules.defaults"]))
            heading = HTMLText(words, layout=full_width(margin="0 2px 2px 9ch"))
            self.children = (self.notice, heading, *self.children[1:])

    def update_value(self) -> None:
        """Put together what the rows hold, and call ``on_edit``."""
        super().update_value()
        self.on_edit()


def offer_auto_gain(field: Field) -> Field:
    """Offer 'auto' where an initialiser takes it: the gain of what follows each layer."""
    if field.name != "nonlinearity" or field.kind != "choice":
        return field
    return replace(field, choices=tuple(dict.fromkeys(("auto", *field.choices))))


class InitializerSection(Section):
    """A type, and the form of its arguments; folded while all of them are the defaults.

    ``value`` is the config without ``layer``, ``override`` and ``name``. With ``no_type_label`` the
    menu has a first entry of that name, which stands for no type: ``value`` is {} then. With
    ``folded`` the arguments that are given stand in one line at first.
    """

    def __init__(
        self,
        cfg: Config,
        on_change: Callable[[], None],
        texts: Texts,
        no_type_label: str = "",
        folded: bool = False,
    ) -> None:
        self.on_change, self.texts = on_change, texts
        self.arguments = {key: value for key, value in cfg.items() if key not in NON_ARGUMENT_KEYS}
        self.chosen_type = self.arguments.pop("type", NO_TYPE)
        self.menu = w.Dropdown(
            options=type_options(self.chosen_type, no_type_label),
            value=self.chosen_type,
            description=texts["place.type"],
            style={"description_width": "9ch"},
            layout=full_width(max_width="26em"),
        )
        self.form: InitializerForm | None = None
        self.body: w.Widget | None = None
        self.menu.observe(self.on_type_change, "value")
        self.arrange(bool(self.arguments) and not folded)
        super().__init__()

    @property
    def factory(self) -> Callable[..., Any] | None:
        """The class or function of the type, None if there is none of that name."""
        chosen = self.chosen_type
        return INITIALIZERS.get(chosen) if isinstance(chosen, str) else chosen

    @property
    def fields(self) -> tuple[Field, ...]:
        """The arguments that the type takes, ``layer`` among them."""
        return () if self.factory is None else fields_of(self.factory)

    @property
    def value(self) -> dict[str, Any]:
        """The type and its arguments."""
        own = self.form.value if self.form is not None else self.arguments
        return {**({"type": self.chosen_type} if self.chosen_type != NO_TYPE else {}), **own}

    @property
    def takes_layer(self) -> bool:
        """Whether the chosen type has a ``layer``."""
        return any(field.name == "layer" for field in self.fields)

    @property
    def errors(self) -> dict[str, str]:
        """The messages shown, by key."""
        own = {"type": self.message} if self.message else {}
        return {**own, **(self.form.errors if self.form is not None else {})}

    def arrange(self, expanded: bool) -> None:
        """Show the type, and its form, or a button that unfolds it."""
        shown = [field for field in self.fields if field.name not in NON_ARGUMENT_KEYS]
        self.form = None
        lacks = any(field.required and field.name not in self.arguments for field in shown)
        if self.factory is not None and (expanded or lacks):
            self.form = InitializerForm(
                self.factory, self.arguments, self.on_form_change, self.texts
            )
        below = self.form or (self.make_expand_button() if shown else None)
        given = [] if self.form is not None or not self.arguments else [self.list_arguments()]
        old, self.body = self.children[1:], below
        self.set_children(self.menu, *given, *([below] if below is not None else []))
        for widget in old:
            if widget is not vars(self).get("notice"):
                close_tree(widget)

    def list_arguments(self) -> w.Widget:
        """Make the line with the arguments that are given."""
        words = (f"{key}={to_literal(value)}" for key, value in self.arguments.items())
        return HTMLText(
            escape(self.texts["list.comma"].join(words)),
            layout=full_width(margin="0 2px 0 calc(9ch + 4px)"),
        )

    def make_expand_button(self) -> w.Button:
        """Make the button that unfolds the form."""
        text = self.texts["rules.fold"]
        button = Button(
            description=self.texts("rules.folded", n=len(self.arguments))
            if self.arguments
            else text,
            icon="caret-right",
            tooltip=self.texts["rules.fold_tip"],
            layout=LeanLayout(width="auto", align_self="flex-start", margin="2px 2px 2px 9ch"),
        )
        button.on_click(self.on_expand)
        return button

    @reports_errors
    def on_expand(self, _button: w.Button) -> None:
        """Unfold the arguments."""
        self.arrange(expanded=True)

    @reports_errors
    def on_type_change(self, change: Mapping[str, Any]) -> None:
        """Use another type; the arguments that all initialisers share are kept."""
        kept = {key: value for key, value in self.value.items() if key in SHARED_ARGUMENTS}
        self.chosen_type = change["new"]
        names = {field.name for field in self.fields}
        self.arguments = {key: value for key, value in kept.items() if key in names}
        self.arrange(expanded=True)
        self.on_change()

    def on_form_change(self) -> None:
        """Use another argument; while the form is being made there is none."""
        if self.form is not None:
            self.on_change()

    def show_error(self, path: str, message: str) -> None:
        """Show a message at a key."""
        if path in ("", "type") or self.factory is None:
            self.show_message(message)
            return
        if self.form is None:
            self.arrange(expanded=True)
        if self.form is not None:
            self.form.show_error(path, message)

    def clear_errors(self) -> None:
        """Take away the messages of `show_error`."""
        self.show_message("")
        if self.form is not None:
            self.form.clear_errors()


def lacks_arguments(rule: Config) -> bool:
    """Whether a rule, or one of its overrides, has no value for what its type needs."""
    for part in (rule, *overrides_of(rule)):
        kind = part.get("type")
        factory = INITIALIZERS.get(kind) if isinstance(kind, str) else kind
        fields = () if factory is None else fields_of(factory)
        if any(f.required and f.name not in (*part, *NON_ARGUMENT_KEYS) for f in fields):
            return True
    return False


def type_options(chosen_type: Any, no_type_label: str = "") -> list[tuple[str, Any]]:
    """Return the menu of types: all registered ones that can be called, and ``chosen_type``."""
    options: list[tuple[str, Any]] = [(no_type_label, NO_TYPE)] if no_type_label else []
    options += [
        (name, name)
        for name, make in list(INITIALIZERS.module_dict.items())
        if builds_callable(make)
    ]
    if chosen_type not in [value for _, value in options]:
        is_name = isinstance(chosen_type, str)
        label = chosen_type if is_name else getattr(chosen_type, "__name__", "?")
        options.append((label, chosen_type))
    return options


def builds_callable(factory: Any) -> bool:
    """Whether what a type builds can be called with a module."""
    is_class = isinstance(factory, type)
    return not is_class or any("__call__" in vars(base) for base in factory.__mro__)


class LayerClasses:
    """The classes that a model's rules may name, looked up once for all pickers."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.counts = dict(count_layer_classes(model))
        self.other_names = sorted(known_class_names(model.modules()) - set(self.counts))

    def count_matches(self, layer: str | type) -> int:
        """Count the modules that ``layer`` matches."""
        name = layer_name(layer)
        if name in self.counts:
            return self.counts[name]
        if not isinstance(layer, (str, type)):
            return 0  # the plan refuses it
        found = sum(module_matches(part, (layer,)) for part in self.model.modules())
        if found:
            return found
        try:
            index = ModuleIndex(self.model)
            matches = resolve_selector(parse_selector(layer), index).matches
            parts = {match.position: index.named_modules[match.position][1] for match in matches}
            return sum(bool(part._parameters) for part in parts.values())
        except ConfigError:
            return 0  # it too


class LayerPicker(Section):
    """The ``layer`` of a rule: ``value`` is a list of class names or classes, in order."""

    message_position = 2

    def __init__(
        self, classes: LayerClasses, value: Any, on_change: Callable[[], None], texts: Texts
    ) -> None:
        self.classes, self.on_change = classes, on_change
        self.chosen: dict[str, Any] = {layer_name(layer): layer for layer in as_sequence(value)}
        self.boxes: dict[str, w.Checkbox] = {}
        # A name too long for the box area ends in dots; the page has it whole as the tooltip.
        self.shared_layout = full_width(
            margin="0 1em 0 0", flex="0 0 auto", max_width="calc(100% - 1em)"
        )
        self.shared_style = CheckboxStyle()
        for name in (*classes.counts, *self.chosen):
            self.add_box(name)
        self.box_area = w.HBox(
            list(self.boxes.values()),
            layout=LeanLayout(
                flex="1 1 0", flex_flow="row wrap", max_height="11em", overflow="hidden auto"
            ),
        )
        at_right = LeanLayout(
            display="flex", justify_content="flex-end", width="9ch", margin="2px 8px 2px 2px"
        )
        line = w.HBox(
            [Label(texts["place.layer"], layout=at_right), self.box_area], layout=full_width()
        )
        self.other_class = w.Combobox(
            options=classes.other_names,
            placeholder=texts["rules.class_hint"],
            description=texts["rules.class"],
            continuous_update=False,
            style={"description_width": "9ch"},
            layout=full_width(max_width="26em"),
        )
        self.other_class.observe(self.on_other_class, "value")
        super().__init__(line, self.other_class)

    @property
    def idle(self) -> list[str]:
        """What is chosen, and matches nothing."""
        return [
            name for name, layer in self.chosen.items() if not self.classes.count_matches(layer)
        ]

    @property
    def value(self) -> list[Any]:
        """The classes chosen."""
        return list(self.chosen.values())

    def add_box(self, name: str) -> None:
        """Make a check box for a class, once."""
        if name in self.boxes:
            return
        box = w.Checkbox(
            value=name in self.chosen,
            description=f"{name} × {self.classes.count_matches(self.chosen.get(name, name))}",
            indent=False,
            layout=self.shared_layout,
            style=self.shared_style,
        )
        box.observe(self.on_box_change, "value")
        self.boxes[name] = box

    @reports_errors
    def on_box_change(self, change: Mapping[str, Any]) -> None:
        """Choose a class, or no longer."""
        [name] = [name for name, box in self.boxes.items() if box is change["owner"]]
        if change["new"]:
            self.chosen.setdefault(name, name)
        else:
            self.chosen.pop(name, None)
        self.on_change()

    @reports_errors
    def on_other_class(self, change: Mapping[str, Any]) -> None:
        """Choose a class that was typed: it gets a box, whether the model has it or not."""
        name = change["new"].strip()
        if not name:
            return
        self.other_class.value = ""
        self.add_box(name)
        self.box_area.children = tuple(self.boxes.values())
        self.boxes[name].value = True


def as_sequence(value: Any) -> Sequence[Any]:
    """Return what a ``layer`` names, as a list; what is no layer is for the plan to refuse."""
    if value is None:
        return ()
    return value if isinstance(value, (list, tuple)) else (value,)


def layer_name(layer: Any) -> str:
    """Return the name of a class, or the word that stands for it."""
    return layer.__name__ if isinstance(layer, type) else str(layer)
