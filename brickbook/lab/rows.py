"""One field of a form: its control, what its default is, and the message under it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any

import ipywidgets as w
from ipywidgets.widgets.widget_bool import CheckboxStyle
from ipywidgets.widgets.widget_description import DescriptionStyle
from ipywidgets.widgets.widget_string import TextStyle

from brickbook.blueprint.inferring import AUTO
from brickbook.errors import ConfigError
from brickbook.lab.fields import Field, parse, same
from brickbook.lab.light import Label, Slim
from brickbook.lab.panels import Notice, close_tree, guarded
from brickbook.literals import spell
from brickbook.texts import Texts

__all__ = ["FieldRow", "Look", "PlainRow", "make_menu", "wrong_texts"]

SHOWN = 16  # letters of a default that stand beside a field; a longer one is its tooltip

# Widths of letters in ch, the width of a 0: wide enough for the usual fonts of a notebook.
WIDTHS = {**dict.fromkeys("mwMW", 1.6), **dict.fromkeys("fijlrt", 0.7)}

PARTS: Mapping[str, Callable[[str], Any]] = {
    # Control and mark stand in one line, whatever else a row has takes a line of its own.
    "row": lambda _: Slim(flex_flow="row wrap", align_items="center", flex="0 0 auto"),
    "control": lambda label: Slim(
        width="auto", flex="1 1 0", min_width="0", max_width=f"calc({label} + 24em)"
    ),
    # The name of a check box stands on its right, where a narrow page would cut it.
    "check": lambda label: Slim(
        width="auto", flex="1 1 auto", min_width="max-content", max_width=f"calc({label} + 24em)"
    ),
    "check mark": lambda _: Slim(flex="0 0 auto", margin="0 0 0 8px"),
    # Never at the very edge: what stands beside the form begins there.
    "mark": lambda _: Slim(flex="0 0 auto", min_width="7em", margin="0 4px 0 6px"),
    "text style": lambda label: TextStyle(description_width=label),
    "check style": lambda label: CheckboxStyle(description_width=label),
    "plain style": lambda label: DescriptionStyle(description_width=label),
}


class Look(dict[str, Any]):
    """The layouts and styles that the rows of one form share: models to send once, not per row.

    ``texts`` are what the rows say.
    """

    def __init__(self, names: Iterable[str], texts: Texts) -> None:
        super().__init__()
        self.texts = texts
        widths = (sum(WIDTHS.get(letter, 1.0) for letter in name) for name in names)
        self.owner: frozenset[str] = frozenset()  # all arguments of what the form is for
        self.label = f"{max(widths, default=0) + 1:.1f}ch"

    def __missing__(self, part: str) -> Any:
        self[part] = made = PARTS[part](self.label)
        return made


class FieldRow(w.HBox):
    """A row's state: ``value``, ``missing`` (nothing to say yet), and its messages.

    ``problem`` is about what was typed and goes when that is mended; ``complaint`` is the owner's.
    """

    def __init__(
        self, field: Field, control: w.Widget, look: Look, changed: Callable[[], None]
    ) -> None:
        self.field, self.control, self.changed = field, control, changed
        self.texts = look.texts
        self.value: Any = field.default
        self.found: Any = None  # what an empty field means, where it is found elsewhere
        self.missing = False
        self.problem = self.complaint = ""
        self.last_error: Exception | None = None
        place = "check mark" if isinstance(control, w.Checkbox) else "mark"
        self.mark = Label(layout=look[place])
        super().__init__([control, self.mark], layout=look["row"])

    @cached_property
    def notice(self) -> Notice:
        """The place of the message, made for the first one."""
        notice = Notice()
        notice.layout.flex = "1 1 100%"
        control, mark, *rest = self.children
        self.children = (control, mark, notice, *rest)
        return notice

    @property
    def given(self) -> bool:
        """True if the value belongs into a config: it is required, or not the default."""
        if self.missing:
            return False
        return self.field.required or not same(self.value, self.field.default)

    @property
    def errors(self) -> dict[str, str]:
        """The message shown, by key path."""
        text = self.problem or self.complaint
        return {self.field.name: text} if text else {}

    def show(self) -> None:
        """Bring mark, message and tooltip up to date."""
        field = self.field
        if field.required:
            self.mark.value = self.texts["form.required"]
        elif self.given and field.auto:
            self.mark.value, self.mark.tooltip = self.texts["form.auto_if_empty"], None
        elif self.given:
            default = spell(field.default)
            text = self.texts("form.default_is", value=default)
            self.mark.value = text if len(default) <= SHOWN else self.texts["form.changed"]
            self.mark.tooltip = text
        else:
            self.mark.value = self.unchanged()
        text = self.problem or self.complaint
        if text or "notice" in vars(self):
            self.notice.say(text)
        # The tooltip is what a screen reader reads with the control.
        self.control.tooltip = text or field.doc or None  # pyright: ignore[reportAttributeAccessIssue]

    def unchanged(self) -> str:
        """Say what stands beside a field that holds its default, or nothing."""
        key = "form.auto" if self.field.auto else "form.default"
        if self.found is None:
            return self.texts[key]
        return self.texts(f"{key}_is", value=spell(self.found))

    def tell(self, found: Any) -> None:
        """Show what an empty field means."""
        if found != self.found:
            self.found = found
            self.show()

    def complain(self, rest: str, message: str) -> None:
        """Show the owner's message; ``rest`` is the path below this field."""
        self.complaint = f"{rest}: {message}" if rest else message
        self.show()

    def forgive(self) -> None:
        """Take the owner's message away."""
        self.complaint = ""
        self.show()

    def close(self) -> None:
        """Close the row and everything in it."""
        if getattr(self, "comm", None) is not None:
            close_tree(self)


class PlainRow(FieldRow):
    """A number, a check box, a menu or a text."""

    def __init__(
        self,
        field: Field,
        values: Mapping[str, Any],
        look: Look,
        changed: Callable[[], None],
    ) -> None:
        given = field.name in values
        value = values[field.name] if given else field.default
        if field.auto and isinstance(value, str) and value == AUTO:
            value = field.default
        control = make_control(field, value, look)
        super().__init__(field, control, look, changed)
        self.value = value
        if field.required and not given:
            self.missing, self.problem = True, self.texts["form.needs_value"]
        self.show()
        control.observe(self.take, "value")

    @guarded
    def take(self, _change: object) -> None:
        """Read the control; a wrong text keeps the last good value."""
        self.complaint = ""
        try:
            self.value = self.read()
        except ConfigError as error:
            self.problem = f"{error.problem} {error.hint}".strip()
        else:
            self.problem, self.missing = "", False
        self.show()
        self.changed()

    def read(self) -> Any:
        """Return the control's value; an emptied text field is its default again."""
        shown = self.control.value  # pyright: ignore[reportAttributeAccessIssue]
        if not isinstance(self.control, (w.Text, w.Dropdown)):
            return shown
        empty = ("", AUTO) if self.field.auto else ("",)
        if shown.strip() in empty and not self.field.required:
            return self.field.default
        return parse(self.field, shown)


def make_control(field: Field, value: Any, look: Look) -> w.Widget:
    """Make the control that can show ``value``: a text field where the field's own cannot."""
    if field.kind == "bool" and isinstance(value, bool):
        return w.Checkbox(
            value=value, description=field.name, style=look["check style"], layout=look["check"]
        )
    common: dict[str, Any] = {"description": field.name, "layout": look["control"]}
    missing = value is None and (field.required or field.auto)
    if field.auto:
        common["placeholder"] = AUTO
    if field.kind == "choice" and not missing:
        words = [spell(choice) for choice in field.choices]
        return make_menu(field, words, spell(value), look)
    # No number field: a page that reads one drops what it cannot read, and 3.5 becomes 35.
    shown = "" if missing else spell(value)
    return w.Text(value=shown, continuous_update=False, style=look["text style"], **common)


def wrong_texts(rows: Mapping[str, FieldRow], path: str = "") -> dict[str, str]:
    """Return what cannot be read in the fields themselves, and what is missing, by key path."""
    found: dict[str, str] = {}
    for name, row in rows.items():
        if row.problem:
            found[f"{path}{name}"] = row.problem
        nested = getattr(row, "nested", None)
        if nested is not None:
            found.update(wrong_texts(nested.rows, f"{path}{name}."))
    return found


def make_menu(field: Field, words: Iterable[str], chosen: str, look: Look) -> w.Dropdown:
    """Make a menu of words that has the chosen one, known or not."""
    options = list(dict.fromkeys([*words, chosen]))
    return w.Dropdown(
        options=options,
        value=chosen,
        description=field.name,
        style=look["plain style"],
        layout=look["control"],
    )
