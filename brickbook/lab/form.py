"""A form for any callable: one control per argument, sub-configs as forms inside."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import ipywidgets as w
import traitlets

from brickbook.lab.fields import Field, family_of, fields_of, fields_under, registry_of, same
from brickbook.lab.light import Slim
from brickbook.lab.panels import Panel, close_tree, guarded
from brickbook.lab.rows import FieldRow, Look, PlainRow, make_menu
from brickbook.lab.starting import start_values
from brickbook.texts import Texts

__all__ = ["ConfigRow", "Form"]

NONE = "none"


class Form(Panel):
    """The arguments of ``make``, to be filled in.

    ``value`` (observe it) holds the required and the changed arguments only, sub-configs as dicts
    with their ``type``; it can be passed to ``make``, or merged into a config. ``values`` fills
    the form at the start: a required argument that is not in it is empty, and says so. Without
    ``values`` required numbers and choices start at something that can be meant. Keys that
    ``make`` does not name get a text field. ``only`` chooses the fields shown, ``hidden`` leaves
    some out: the hidden keys of ``values`` stay in ``value``. ``fields`` replaces what is read
    from ``make``. A text that cannot be meant is an entry in ``errors`` and a message at its
    field; ``value`` keeps the last good one. ``texts`` are in the reader's language by default.
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
    ) -> None:
        super().__init__(layout=Slim(width="auto"))
        self.make, self.texts, self.only = make, texts or Texts(), only
        known = tuple(fields_of(make) if fields is None else fields)
        shown = [f for f in known if f.name not in hidden]
        self.fields = tuple(f for f in shown if only is None or f.name in only)
        self.names = frozenset(f.name for f in known)
        self.hidden = frozenset(hidden)
        self.rows: dict[str, FieldRow] = {}
        self.kept: dict[str, Any] = {}
        self.fill(start_values(self.fields) if values is None else values)

    def fill(self, values: Mapping[str, Any]) -> None:
        """Start again from ``values``."""
        shown = list(self.fields)
        self.kept = {}
        for key, value in values.items():
            if key in self.hidden or (self.only is not None and key not in self.only):
                self.kept[key] = value
            elif key not in self.names:
                shown.append(Field(key, "text"))
        old = self.children
        look = Look((field.name for field in shown if field.kind != "bool"), self.texts)
        look.owner = self.names
        self.rows = {f.name: row_for(f, values, look, self.refresh) for f in shown}
        empty = [] if shown else [w.Label(self.texts["form.empty"])]
        self.notice.clear()
        self.children = (self.notice, *self.rows.values(), *empty)
        for child in old:
            if child is not self.notice:
                close_tree(child)
        self.refresh()

    def __getitem__(self, name: str) -> FieldRow:
        return self.rows[name]

    def __repr__(self) -> str:
        return f"Form({getattr(self.make, '__name__', self.make)!s}: {', '.join(self.rows)})"

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

    @guarded
    def refresh(self) -> None:
        """Put together what the rows hold."""
        given = {name: row.value for name, row in self.rows.items() if row.given}
        self.set_trait("value", {**self.kept, **given})

    def show_error(self, key_path: str, message: str) -> None:
        """Show a message under the field it belongs to, at the top if there is no such field."""
        head, rest = re.fullmatch(r"([^.\[]*)(?:\[\d+\])?\.?(.*)", key_path, re.DOTALL).groups()  # pyright: ignore[reportOptionalMemberAccess]
        if head in self.rows:
            self.rows[head].complain(rest, message)
        else:
            text = f"{key_path}: {message}" if key_path else message
            self.notice.say("\n".join(filter(None, (self.notice.text, text))))

    def tell(self, found: Mapping[str, Any]) -> None:
        """Show what empty fields mean that are found elsewhere."""
        for row in (row for row in self.rows.values() if row.field.auto):
            row.tell(found.get(row.field.name))

    def clear_errors(self) -> None:
        """Take away what `show_error` showed; what is wrong in a field itself stays."""
        self.notice.clear()
        for row in self.rows.values():
            row.forgive()


class ConfigRow(FieldRow):
    """A sub-config: a menu of types, None among them, and the form of the chosen one."""

    def __init__(
        self,
        field: Field,
        values: Mapping[str, Any],
        look: Look,
        changed: Callable[[], None],
    ) -> None:
        self.nested: Form | None = None
        self.kind: Any = None
        self.owner = look.owner
        registry = registry_of(field.name)
        known = list(registry.module_dict) if registry is not None else []
        value = values.get(field.name, field.default)
        kind = value.get("type") if isinstance(value, Mapping) else value
        self.foreign = {name_of(kind): kind}
        words = [str(choice) for choice in field.choices]
        control = make_menu(field, [NONE, *words, *known], name_of(kind), look)
        super().__init__(field, control, look, changed)
        self.inset = w.VBox(
            layout=Slim(
                margin="0 0 4px 2em",
                padding="0 0 0 8px",
                border_left="1px solid var(--jp-border-color1, #888)",
                flex="1 1 calc(100% - 3em)",
                min_width="0",
            )
        )
        self.children = (*self.children, self.inset)
        self.choose(kind, value if isinstance(value, Mapping) else {})
        control.observe(self.take, "value")

    @guarded
    def take(self, change: Mapping[str, Any]) -> None:
        """Take another type, with the arguments of the default where that is its type."""
        kind = self.foreign.get(change["new"], change["new"])
        default = self.field.default
        same_kind = isinstance(default, Mapping) and default.get("type") == kind
        self.complaint = ""
        self.choose(kind, default if same_kind else None)
        self.changed()

    def choose(self, kind: Any, values: Mapping[str, Any] | None) -> None:
        """Show the form of ``kind``; None starts afresh."""
        old, self.nested, self.kind = self.nested, None, kind
        registry = registry_of(self.field.name)
        make = kind
        if isinstance(kind, str):
            make = registry.get(kind) if registry is not None and kind != NONE else None
        own = None if values is None else {k: v for k, v in values.items() if k != "type"}
        found = fields_under(self.field.name, make) if callable(make) else ()
        # What the owner has too, it passes on itself: an inplace is asked for once.
        twice = self.owner if family_of(self.field.name) == "activation" else ()
        fields = [f for f in found if f.name not in twice or f.name in (own or ())]
        if fields or own:
            self.nested = Form(make, own, fields=fields, texts=self.texts)  # pyright: ignore[reportArgumentType]
            self.nested.observe(self.take_nested, "value")
        self.inset.children = () if self.nested is None else (self.nested,)
        self.inset.layout.display = None if self.nested is not None else "none"
        if old is not None:
            old.close()
        self.collect()

    @guarded
    def take_nested(self, _change: object) -> None:
        """Take an argument of the type."""
        self.collect()
        self.changed()

    def collect(self) -> None:
        """Put the sub-config together."""
        if self.kind is None or self.kind == NONE:
            self.value = None
        elif self.kind in self.field.choices:
            self.value = self.kind
        else:
            default = self.field.default
            own = dict(self.nested.value) if self.nested is not None else {}
            made = {"type": self.kind, **own}
            self.value = default if same(made, default) else made
        self.show()

    @property
    def errors(self) -> dict[str, str]:
        """The message of the row and those of the form inside, by key path."""
        found, name = super().errors, self.field.name
        for key, text in (self.nested.errors if self.nested is not None else {}).items():
            path = f"{name}.{key}" if key else name
            found[path] = "\n".join(filter(None, (found.get(path), text)))
        return found

    def complain(self, rest: str, message: str) -> None:
        """Show a message at the menu, or at the argument it speaks of."""
        if self.nested is not None and rest not in ("", "type"):
            self.nested.show_error(rest, message)
        else:
            super().complain("", message)

    def forgive(self) -> None:
        """Take the owner's messages away."""
        super().forgive()
        if self.nested is not None:
            self.nested.clear_errors()


def row_for(
    field: Field, values: Mapping[str, Any], look: Look, changed: Callable[[], None]
) -> FieldRow:
    """Return the row for a field; a list of configs is shown as text."""
    value = values.get(field.name, field.default)
    if field.kind == "config" and not isinstance(value, (list, tuple)):
        return ConfigRow(field, values, look, changed)
    return PlainRow(field, values, look, changed)


def name_of(kind: Any) -> str:
    """Return the word in the menu for a type, a plain word or None."""
    if kind is None:
        return NONE
    return kind if isinstance(kind, str) else getattr(kind, "__name__", repr(kind))
