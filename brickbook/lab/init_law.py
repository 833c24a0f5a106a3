"""A ``type`` and its arguments: the part that a rule and an override have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import ipywidgets as w

from brickbook.init.initializers import INITIALIZERS, BaseInit
from brickbook.lab.fields import fields_of
from brickbook.lab.form import Form
from brickbook.lab.panels import Panel, close_tree, guarded
from brickbook.registry import Config

__all__ = ["LawForm", "LawPart"]

OWN = ("layer", "override", "name")
COMMON = frozenset(field.name for field in fields_of(BaseInit)) - {"layer"}


class LawForm(Form):
    """The form of an initialiser, which tells of every edit: also of a text it cannot read."""

    def __init__(
        self, make: Callable[..., Any], values: Mapping[str, Any], edited: Callable[[], None]
    ) -> None:
        self.edited = edited
        super().__init__(make, values, hidden=OWN)

    def refresh(self) -> None:
        """Put together what the rows hold, and tell."""
        super().refresh()
        self.edited()


class LawPart(Panel):
    """A ``type`` and its arguments: what a rule and an override have in common.

    ``value`` is the config without ``layer``, ``override`` and ``name``. With ``like`` there is a
    first entry of that name in the menu, which stands for no type of one's own: ``value`` is {}.
    """

    def __init__(self, cfg: Config, changed: Callable[[], None], like: str = "") -> None:
        super().__init__(layout=w.Layout(width="auto"))
        self.changed = changed
        own = {key: value for key, value in cfg.items() if key not in OWN}
        self.kind = own.pop("type", None)
        self.bare = own  # what stands in a config without a type, for the plan to refuse
        self.menu = w.Dropdown(
            options=type_options(self.kind, like),
            value=self.kind,
            description="type",
            style={"description_width": "6ch"},
            layout=w.Layout(width="auto", max_width="24em"),
        )
        self.form: Form | None = None
        self.inner = w.VBox(layout=w.Layout(width="auto"))
        self.children = (self.menu, self.notice, self.inner)
        self.show_form(own)
        self.menu.observe(self.take_kind, "value")

    @property
    def value(self) -> dict[str, Any]:
        """The type and its arguments."""
        if self.form is not None:
            return {"type": self.kind, **self.form.value}
        return {**({"type": self.kind} if self.kind is not None else {}), **self.bare}

    @property
    def takes_layer(self) -> bool:
        """Whether the chosen type has a ``layer``."""
        return self.form is not None and "layer" in self.form.names

    @property
    def errors(self) -> dict[str, str]:
        """The messages shown, by key."""
        own = {"type": self.notice.text} if self.notice.text else {}
        return {**own, **(self.form.errors if self.form is not None else {})}

    @guarded
    def take_kind(self, change: Mapping[str, Any]) -> None:
        """Take another type; what all initialisers share is kept."""
        kept = {key: value for key, value in self.value.items() if key in COMMON}
        self.kind, self.bare = change["new"], {}
        self.show_form(kept)
        self.changed()

    def take_form(self) -> None:
        """Take another argument; while the form is being made there is none."""
        if self.form is not None:
            self.changed()

    def show_form(self, values: Mapping[str, Any]) -> None:
        """Make the form for the chosen type."""
        old, self.form = self.form, None
        make = INITIALIZERS.get(self.kind) if isinstance(self.kind, str) else self.kind
        if make is not None:
            names = {field.name for field in fields_of(make)}
            kept = values if old is None else {k: v for k, v in values.items() if k in names}
            self.form = LawForm(make, kept, self.take_form)
        self.inner.children = (self.form,) if self.form is not None and self.form.rows else ()
        if old is not None:
            close_tree(old)

    def complain(self, path: str, message: str) -> None:
        """Show a message at a key."""
        if self.form is None or path in ("", "type"):
            self.notice.say(message)
        else:
            self.form.show_error(path, message)

    def forgive(self) -> None:
        """Take the messages of `complain` away."""
        self.notice.clear()
        if self.form is not None:
            self.form.clear_errors()


def type_options(kind: Any, like: str = "") -> list[tuple[str, Any]]:
    """Return the menu of types: all that are registered and can be called, and ``kind``."""
    options: list[tuple[str, Any]] = [(like, None)] if like else []
    options += [(name, name) for name, make in INITIALIZERS.module_dict.items() if works(make)]
    if kind is not None and kind not in [value for _, value in options]:
        options.append((kind if isinstance(kind, str) else getattr(kind, "__name__", "?"), kind))
    return options


def works(make: Any) -> bool:
    """Whether what a type builds can be called with a module."""
    return not isinstance(make, type) or any("__call__" in vars(base) for base in make.__mro__)
