"""A ``type`` and its arguments: the part that a rule and an override have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import ipywidgets as w

from brickbook.init.initializers import INITIALIZERS, BaseInit
from brickbook.lab.fields import Field, fields_of
from brickbook.lab.form import Form
from brickbook.lab.init_look import Part, wide
from brickbook.lab.light import Button, Slim
from brickbook.lab.panels import close_tree, guarded
from brickbook.registry import Config
from brickbook.texts import Texts

__all__ = ["LawForm", "LawPart"]

OWN = ("layer", "override", "name")
LIKE = ""  # no type of one's own; None would be no choice for a menu
COMMON = frozenset(field.name for field in fields_of(BaseInit)) - {"layer"}


class LawForm(Form):
    """The form of an initialiser, which tells of every edit: also of a text it cannot read."""

    def __init__(
        self,
        make: Callable[..., Any],
        values: Mapping[str, Any],
        edited: Callable[[], None],
        texts: Texts,
    ) -> None:
        self.edited = edited
        super().__init__(
            make, values, hidden=OWN, fields=map(with_auto, fields_of(make)), texts=texts
        )
        for row in self.rows.values():
            if row.field.required:  # no default stands beside it: its text has all the room
                row.mark.layout = Slim(flex="0 0 auto")

    def refresh(self) -> None:
        """Put together what the rows hold, and tell."""
        super().refresh()
        self.edited()


def with_auto(field: Field) -> Field:
    """Offer 'auto' where an initialiser takes it: the gain of what follows each layer."""
    if field.name != "nonlinearity" or field.kind != "choice":
        return field
    return replace(field, choices=tuple(dict.fromkeys(("auto", *field.choices))))


class LawPart(Part):
    """A type, and the form of its arguments; folded while all of them are the defaults.

    ``value`` is the config without ``layer``, ``override`` and ``name``. With ``like`` there is a
    first entry of that name in the menu, which stands for no type of one's own: ``value`` is {}.
    """

    def __init__(
        self, cfg: Config, changed: Callable[[], None], texts: Texts, like: str = ""
    ) -> None:
        self.changed, self.texts = changed, texts
        self.own = {key: value for key, value in cfg.items() if key not in OWN}
        self.kind = self.own.pop("type", LIKE)
        self.menu = w.Dropdown(
            options=type_options(self.kind, like),
            value=self.kind,
            description=texts["place.type"],
            style={"description_width": "9ch"},
            layout=wide(max_width="26em"),
        )
        self.form: LawForm | None = None
        self.below: w.Widget | None = None
        self.menu.observe(self.take_kind, "value")
        self.arrange(bool(self.own))
        super().__init__()

    @property
    def make(self) -> Callable[..., Any] | None:
        """What the type means, None if it means nothing."""
        return INITIALIZERS.get(self.kind) if isinstance(self.kind, str) else self.kind

    @property
    def fields(self) -> tuple[Field, ...]:
        """The arguments that the type takes, ``layer`` among them."""
        return () if self.make is None else fields_of(self.make)

    @property
    def value(self) -> dict[str, Any]:
        """The type and its arguments."""
        own = self.form.value if self.form is not None else self.own
        return {**({"type": self.kind} if self.kind != LIKE else {}), **own}

    @property
    def takes_layer(self) -> bool:
        """Whether the chosen type has a ``layer``."""
        return any(field.name == "layer" for field in self.fields)

    @property
    def errors(self) -> dict[str, str]:
        """The messages shown, by key."""
        own = {"type": self.message} if self.message else {}
        return {**own, **(self.form.errors if self.form is not None else {})}

    def arrange(self, unfolded: bool) -> None:
        """Show the type, and its form, or a button that unfolds it."""
        shown = [field for field in self.fields if field.name not in OWN]
        self.form = None
        if self.make is not None and (unfolded or any(field.required for field in shown)):
            self.form = LawForm(self.make, self.own, self.take_form, self.texts)
        below = self.form or (self.fold() if shown else None)
        old, self.below = self.below, below
        self.hold(self.menu, *([below] if below is not None else []))
        if old is not None:
            close_tree(old)

    def fold(self) -> w.Button:
        """Make the button that stands for the form."""
        button = Button(
            description=self.texts["rules.fold"],
            icon="caret-right",
            tooltip=self.texts["rules.fold_tip"],
            layout=Slim(width="auto", align_self="flex-start", margin="2px 2px 2px 9ch"),
        )
        button.on_click(self.press_fold)
        return button

    @guarded
    def press_fold(self, _button: w.Button) -> None:
        """Unfold the arguments."""
        self.arrange(unfolded=True)

    @guarded
    def take_kind(self, change: Mapping[str, Any]) -> None:
        """Take another type; what all initialisers share is kept."""
        kept = {key: value for key, value in self.value.items() if key in COMMON}
        self.kind = change["new"]
        names = {field.name for field in self.fields}
        self.own = {key: value for key, value in kept.items() if key in names}
        self.arrange(unfolded=True)
        self.changed()

    def take_form(self) -> None:
        """Take another argument; while the form is being made there is none."""
        if self.form is not None:
            self.changed()

    def complain(self, path: str, message: str) -> None:
        """Show a message at a key."""
        if path in ("", "type") or self.make is None:
            self.say(message)
            return
        if self.form is None:
            self.arrange(unfolded=True)
        if self.form is not None:
            self.form.show_error(path, message)

    def forgive(self) -> None:
        """Take the messages of `complain` away."""
        self.say("")
        if self.form is not None:
            self.form.clear_errors()


def type_options(kind: Any, like: str = "") -> list[tuple[str, Any]]:
    """Return the menu of types: all that are registered and can be called, and ``kind``."""
    options: list[tuple[str, Any]] = [(like, LIKE)] if like else []
    options += [(name, name) for name, make in INITIALIZERS.module_dict.items() if works(make)]
    if kind not in [value for _, value in options]:
        options.append((kind if isinstance(kind, str) else getattr(kind, "__name__", "?"), kind))
    return options


def works(make: Any) -> bool:
    """Whether what a type builds can be called with a module."""
    return not isinstance(make, type) or any("__call__" in vars(base) for base in make.__mro__)
