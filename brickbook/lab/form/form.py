"""A form for any callable: one control per argument, sub-configs as forms inside."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

import ipywidgets as w
import traitlets

from brickbook.i18n import Texts
from brickbook.lab.form.fields import (
    Field,
    fields_of,
    is_same_value,
    nested_fields,
    registry_of,
    registry_scope,
)
from brickbook.lab.form.rows import FieldRow, PlainRow, RowStyles, make_menu
from brickbook.lab.form.suggest import default_values
from brickbook.lab.widgets import Disclosure, LeanLayout, Panel, close_tree, reports_errors

__all__ = ["Form"]

NONE = "none"

# By sub-config: its arguments that a transformer layer fills in, from which of its own, and where
# in that.
PASSED_DOWN: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "attn_cfgs": {"batch_first": ("batch_first", "")},
    "ffn_cfgs": {"embed_dims": ("attn_cfgs", "embed_dims")},
}


class Form(Panel):
    """The arguments of ``make``, to be filled in.

    ``value`` (observe it) holds the required and the changed arguments only, sub-configs as dicts
    with their ``type``; it can be passed to ``make``, or merged into a config. A wrong text is an
    entry in ``errors`` and a message at its field; ``value`` keeps the last good one.

    Args:
        make: The callable whose arguments are shown.
        values: The first values: a required argument that is not in them is empty, with a message.
            Keys that ``make`` does not name get a text field. With None required numbers and
            choices get valid values.
        only: The names of the fields to show; None for all.
        hidden: Fields to leave out; their ``values`` stay in ``value``.
        fields: Fields in place of those read from ``make``.
        texts: The texts shown; by default in the reader's language.
        fold_defaults: Whether fields that need nothing, and have their defaults, are folded away
            under the others.
    """

    value = traitlets.Dict(read_only=True)

    def __init__(
        self,
        make: Callable[..., Any],
        values: Mapping[str, Any] | None = None,
        *,
        only: Collection[str] | None = None,
        hidden: Collection[str] = (),
        fields: Iterable[Field] | None = None,
        texts: Texts | None = None,
        fold_defaults: bool = False,
    ) -> None:
        super().__init__(layout=LeanLayout(width="auto"))
        self.fold_defaults = fold_defaults
        self.more: Disclosure | None = None
        self.make, self.texts, self.only = make, texts or Texts(), only
        known = tuple(fields_of(make) if fields is None else fields)
        shown = [f for f in known if f.name not in hidden]
        self.fields = tuple(f for f in shown if only is None or f.name in only)
        self.known_names = frozenset(f.name for f in known)
        self.hidden = frozenset(hidden)
        self.rows: dict[str, FieldRow] = {}
        self.folded: tuple[FieldRow, ...] = ()
        self.hidden_values: dict[str, Any] = {}
        self.reset(default_values(self.fields) if values is None else values)

    def reset(self, values: Mapping[str, Any]) -> None:
        """Show other values."""
        shown = list(self.fields)
        self.hidden_values = {}
        for key, value in values.items():
            if key in self.hidden or (self.only is not None and key not in self.only):
                self.hidden_values[key] = value
            elif key not in self.known_names:
                shown.append(Field(key, "text"))
        old = self.children
        styles = RowStyles((field.name for field in shown if field.kind != "bool"), self.texts)
        styles.owner_arguments = self.known_names
        self.rows = {f.name: make_row(f, values, styles, self.update_value) for f in shown}
        empty = [] if shown else [w.Label(self.texts["form.empty"])]
        self.notice.clear()
        self.children = (self.notice, *self.arranged_rows(), *empty)
        for child in old:
            if child is not self.notice:
                close_tree(child)
        self.update_value()

    def arranged_rows(self) -> tuple[w.Widget, ...]:
        """Return the rows, those with nothing but a default behind a line that unfolds them."""
        rows = tuple(self.rows.values())
        first = [row for row in rows if row.is_given or row.missing or row.field.required
                 or row.field.auto or row.errors]  # fmt: skip
        rest = [row for row in rows if row not in first]
        self.folded, self.more = (), None
        if not self.fold_defaults or not first or len(rest) < 2:
            return rows
        self.folded = tuple(rest)
        self.more = Disclosure(self.texts("form.more", n=len(rest)), self.texts)
        self.more.body.layout.display = "none"
        self.more.body.children = self.folded
        return (*first, self.more)

    def __getitem__(self, name: str) -> FieldRow:
        return self.rows[name]

    def __repr__(self) -> str:
        return f"Form({getattr(self.make, '__name__', self.make)!s}: {', '.join(self.rows)})"

    @property
    def docs(self) -> dict[str, str]:
        """What arguments mean, by name; those of sub-configs after the form's own."""
        found = {name: row.field.doc for name, row in self.rows.items() if row.field.doc}
        for row in self.rows.values():
            nested = row.nested if isinstance(row, ConfigRow) else None
            found = {**(nested.docs if nested is not None else {}), **found}
        return found

    def control(self, key_path: str) -> w.Widget:
        """Return the control at a path: ``"stride"``, ``"norm_cfg.type"``, ``"norm_cfg.eps"``."""
        head, _, rest = key_path.partition(".")
        row = self.rows[head]
        if isinstance(row, ConfigRow) and row.nested is not None and rest not in ("", "type"):
            return row.nested.control(rest)
        return row.control

    @property
    def errors(self) -> dict[str, str]:
        """All messages shown, by key path; ``""`` is the form's own."""
        found = {"": self.notice.text} if self.notice.text else {}
        for row in self.rows.values():
            found.update(row.errors)
        return found

    @reports_errors
    def update_value(self) -> None:
        """Put the values of the rows together."""
        for row in self.rows.values():
            if isinstance(row, ConfigRow):
                row.set_passed_down(self.passed_down(row.field.name))
        given = {name: row.value for name, row in self.rows.items() if row.is_given}
        self.set_trait("value", {**self.hidden_values, **given})

    def passed_down(self, name: str) -> dict[str, Any]:
        """Return the arguments that ``make`` gives a sub-config which does not name them."""
        found = {}
        for key, (sibling, inner) in PASSED_DOWN.get(name, {}).items():
            value = self.rows[sibling].value if sibling in self.rows else None
            if inner:
                value = value.get(inner) if isinstance(value, Mapping) else None
            if value is not None:
                found[key] = value
        return found

    def show_error(self, key_path: str, message: str) -> None:
        """Show a message under the field it belongs to, at the top if there is no such field."""
        head, rest = re.fullmatch(r"([^.\[]*)(?:\[\d+\])?\.?(.*)", key_path, re.DOTALL).groups()  # pyright: ignore[reportOptionalMemberAccess]
        if head in self.rows:
            self.rows[head].show_error(rest, message)
            if self.more is not None and self.rows[head] in self.folded:
                self.more.unfolded = True
        else:
            text = f"{key_path}: {message}" if key_path else message
            self.notice.show("\n".join(filter(None, (self.notice.text, text))))

    def set_hints(self, values: Mapping[str, Any]) -> None:
        """Show what empty fields mean whose values are inferred."""
        for row in (row for row in self.rows.values() if row.field.auto):
            row.set_hint(values.get(row.field.name))

    def clear_errors(self) -> None:
        """Take away what `show_error` showed; what is wrong in a field itself stays."""
        self.notice.clear()
        for row in self.rows.values():
            row.clear_errors()


class ConfigRow(FieldRow):
    """A sub-config: a menu of types, None among them, and the form of the selected one."""

    def __init__(
        self,
        field: Field,
        values: Mapping[str, Any],
        styles: RowStyles,
        notify_owner: Callable[[], None],
    ) -> None:
        self.nested: Form | None = None
        self.kind: Any = None
        self.passed_down: dict[str, Any] = {}
        self.owner_arguments = styles.owner_arguments
        registry = registry_of(field.name)
        known = list(registry.module_dict) if registry is not None else []
        value = values.get(field.name, field.default)
        kind = value.get("type") if isinstance(value, Mapping) else value
        self.unregistered = {menu_word(kind): kind}
        words = [str(choice) for choice in field.choices]
        control = make_menu(field, [NONE, *words, *known], menu_word(kind), styles)
        super().__init__(field, control, styles, notify_owner)
        self.nested_box = w.VBox(
            layout=LeanLayout(
                margin="0 0 4px 2em",
                padding="0 0 0 8px",
                border_left="1px solid var(--jp-border-color1, #888)",
                flex="1 1 calc(100% - 3em)",
                min_width="0",
            )
        )
        self.children = (*self.children, self.nested_box)
        self.show_type(kind, value if isinstance(value, Mapping) else {})
        control.observe(self.on_type_change, "value")

    @reports_errors
    def on_type_change(self, change: Mapping[str, Any]) -> None:
        """Take another type, with the arguments of the default where that is its type."""
        kind = self.unregistered.get(change["new"], change["new"])
        default = self.field.default
        same_kind = isinstance(default, Mapping) and default.get("type") == kind
        self.owner_error = ""
        self.show_type(kind, default if same_kind else None)
        self.notify_owner()

    def show_type(self, kind: Any, values: Mapping[str, Any] | None) -> None:
        """Show the form of ``kind``; with None as values, those of a new one."""
        old, self.nested, self.kind = self.nested, None, kind
        registry = registry_of(self.field.name)
        make = kind
        if isinstance(kind, str):
            make = registry.get(kind) if registry is not None and kind != NONE else None
        own = None if values is None else {k: v for k, v in values.items() if k != "type"}
        found = nested_fields(self.field.name, make) if callable(make) else ()
        # The owner passes on an argument that it has too: an inplace is asked for once.
        passed_on = self.owner_arguments if registry_scope(self.field.name) == "activation" else ()
        fields = [
            replace(f, default=self.passed_down[f.name], required=False)
            if f.name in self.passed_down
            else f
            for f in found
            if f.name not in passed_on or f.name in (own or ())
        ]
        if fields or own:
            self.nested = Form(make, own, fields=fields, texts=self.texts)  # pyright: ignore[reportArgumentType]
            self.nested.observe(self.on_nested_change, "value")
        self.nested_box.children = () if self.nested is None else (self.nested,)
        self.nested_box.layout.display = None if self.nested is not None else "none"
        if old is not None:
            old.close()
        self.update_value()

    def set_passed_down(self, values: dict[str, Any]) -> None:
        """Show as defaults what the owner gives the type; what is given here stays."""
        if values != self.passed_down:
            self.passed_down = values
            if self.nested is not None:
                self.show_type(self.kind, self.nested.value)

    @reports_errors
    def on_nested_change(self, _change: object) -> None:
        """Take an argument of the type."""
        self.update_value()
        self.notify_owner()

    def update_value(self) -> None:
        """Put the sub-config together."""
        if self.kind is None or self.kind == NONE:
            self.value = None
        elif self.kind in self.field.choices:
            self.value = self.kind
        else:
            default = self.field.default
            own = dict(self.nested.value) if self.nested is not None else {}
            made = {"type": self.kind, **own}
            self.value = default if is_same_value(made, default) else made
        self.update_labels()

    @property
    def errors(self) -> dict[str, str]:
        """The message of the row and those of the form inside, by key path."""
        found, name = super().errors, self.field.name
        for key, text in (self.nested.errors if self.nested is not None else {}).items():
            path = f"{name}.{key}" if key else name
            found[path] = "\n".join(filter(None, (found.get(path), text)))
        return found

    def show_error(self, key_path: str, message: str) -> None:
        """Show a message at the menu, or at the argument it is about."""
        if self.nested is not None and key_path not in ("", "type"):
            self.nested.show_error(key_path, message)
        else:
            super().show_error("", message)

    def clear_errors(self) -> None:
        """Take the owner's messages away."""
        super().clear_errors()
        if self.nested is not None:
            self.nested.clear_errors()


def make_row(
    field: Field, values: Mapping[str, Any], styles: RowStyles, notify_owner: Callable[[], None]
) -> FieldRow:
    """Return the row for a field; a list of configs is shown as text."""
    value = values.get(field.name, field.default)
    if field.kind == "config" and not isinstance(value, (list, tuple)):
        return ConfigRow(field, values, styles, notify_owner)
    return PlainRow(field, values, styles, notify_owner)


def menu_word(kind: Any) -> str:
    """Return the word in the menu for a type, a plain word or None."""
    if kind is None:
        return NONE
    return kind if isinstance(kind, str) else getattr(kind, "__name__", repr(kind))
