"""One field of a form: its control, what its default is, and the message under it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any

import ipywidgets as w
from ipywidgets.widgets.widget_bool import CheckboxStyle
from ipywidgets.widgets.widget_description import DescriptionStyle
from ipywidgets.widgets.widget_string import TextStyle

from brickbook.blueprint import AUTO
from brickbook.config import to_literal
from brickbook.errors import ConfigError, with_hint
from brickbook.html import escape
from brickbook.i18n import Texts
from brickbook.lab.form.fields import Field, is_same_value, parse_field
from brickbook.lab.widgets import (
    HTMLText,
    Label,
    LeanLayout,
    Notice,
    close_tree,
    reports_errors,
    tighten_lines,
)

__all__ = ["FieldRow", "PlainRow", "RowStyles", "input_errors", "make_menu"]

MAX_DEFAULT_LENGTH = 16  # letters beside a field; a longer default is its tooltip

# Widths of letters in ch, the width of a 0: wide enough for the usual fonts of a notebook.
LETTER_WIDTHS = {**dict.fromkeys("mwMW", 1.6), **dict.fromkeys("fijlrt", 0.7)}

STYLES: Mapping[str, Callable[[str], Any]] = {
    # Control and default stand in one line, whatever else a row has takes a line of its own.
    "row": lambda _: LeanLayout(flex_flow="row wrap", align_items="center", flex="0 0 auto"),
    "control": lambda label: LeanLayout(
        width="auto", flex="1 1 0", min_width="0", max_width=f"calc({label} + 24em)"
    ),
    # The name of a check box stands on its right, where a narrow page would cut it.
    "check": lambda label: LeanLayout(
        width="auto", flex="1 1 auto", min_width="max-content", max_width=f"calc({label} + 24em)"
    ),
    "check default": lambda _: LeanLayout(flex="0 0 auto", margin="0 0 0 8px"),
    # Never at the very edge: what stands beside the form begins there.
    "default": lambda _: LeanLayout(flex="0 0 auto", min_width="7em", margin="0 4px 0 6px"),
    "text style": lambda label: TextStyle(description_width=label),
    "check style": lambda label: CheckboxStyle(description_width=label),
    "plain style": lambda label: DescriptionStyle(description_width=label),
}


class RowStyles(dict[str, Any]):
    """The layouts and styles that the rows of one form share: models to send once, not per row.

    ``owner_arguments`` are all arguments of what the form is for.
    """

    def __init__(self, names: Iterable[str], texts: Texts) -> None:
        super().__init__()
        self.texts = texts
        widths = (sum(LETTER_WIDTHS.get(letter, 1.0) for letter in name) for name in names)
        self.owner_arguments: frozenset[str] = frozenset()
        self.label_width = f"{max(widths, default=0) + 1:.1f}ch"

    def __missing__(self, part: str) -> Any:
        self[part] = made = STYLES[part](self.label_width)
        return made


class FieldRow(w.HBox):
    """A control with its default and a message.

    ``value`` is the last good one; ``missing`` says that there is none yet. ``input_error`` is
    about what was typed and goes when that is mended, ``owner_error`` what the form's owner found.
    ``notify_owner`` is called after a change.
    """

    def __init__(
        self, field: Field, control: w.Widget, styles: RowStyles, notify_owner: Callable[[], None]
    ) -> None:
        self.field, self.control, self.notify_owner = field, control, notify_owner
        self.texts, self.label_width = styles.texts, styles.label_width
        self.value: Any = field.default
        self.inferred: Any = None  # what an empty field means, where its input tells it
        self.missing = False
        self.says_default = True  # whether it says so beside a field that has its default
        self.input_error = self.owner_error = ""
        self.last_error: Exception | None = None
        part = "check default" if isinstance(control, w.Checkbox) else "default"
        self.default_label = Label(layout=styles[part])
        super().__init__([control, self.default_label], layout=styles["row"])

    @cached_property
    def notice(self) -> Notice:
        """The widget of the message, made for the first one."""
        notice = Notice()
        notice.layout.flex = "1 1 100%"
        control, label, *rest = self.children
        self.children = (control, label, notice, *rest)
        return notice

    @property
    def is_given(self) -> bool:
        """Whether the value belongs into a config: it is required, or not the default."""
        if self.missing:
            return False
        return self.field.required or not is_same_value(self.value, self.field.default)

    @property
    def errors(self) -> dict[str, str]:
        """The message shown, by key path."""
        text = self.input_error or self.owner_error
        return {self.field.name: text} if text else {}

    def update_labels(self) -> None:
        """Bring default, message and tooltip up to date."""
        field, label = self.field, self.default_label
        if field.required:
            label.value = self.texts["form.required"]
        elif self.is_given and field.auto:
            label.value, label.tooltip = self.texts["form.auto_if_empty"], None
        elif self.is_given:
            default = to_literal(field.default)
            label.tooltip = self.texts("form.default_is", value=default)
            is_short = len(default) <= MAX_DEFAULT_LENGTH
            label.value = label.tooltip if is_short else self.texts["form.changed"]
        else:
            label.value = self.default_text()
        text = self.input_error or self.owner_error
        if text or "notice" in vars(self):
            self.notice.show(text)
        # The tooltip is what a screen reader reads with the control.
        tooltip = text or self.texts.translate(field.doc) or None
        self.control.tooltip = tooltip  # pyright: ignore[reportAttributeAccessIssue]

    def default_text(self) -> str:
        """Return what stands beside a field with its default value."""
        key = "form.auto" if self.field.auto else "form.default"
        if self.inferred is None:
            return self.texts[key] if self.field.auto or self.says_default else ""
        return self.texts(f"{key}_is", value=to_literal(self.inferred))

    def explain(self, words: str) -> None:
        """Show what the argument is, in a line of its own under the control."""
        html = f'<span style="opacity: 0.75; font-size: 0.92em">{escape(words)}</span>'
        layout = LeanLayout(flex="1 1 100%", margin=f"-2px 2px 4px calc({self.label_width} + 8px)")
        self.children = (*self.children, HTMLText(tighten_lines(html), layout=layout))

    def set_hint(self, value: Any) -> None:
        """Show what an empty field means."""
        if value != self.inferred:
            self.inferred = value
            self.update_labels()

    def show_error(self, key_path: str, message: str) -> None:
        """Show the owner's message; ``key_path`` is the path below this field."""
        self.owner_error = f"{key_path}: {message}" if key_path else message
        self.update_labels()

    def clear_errors(self) -> None:
        """Take the owner's message away."""
        self.owner_error = ""
        self.update_labels()

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
        styles: RowStyles,
        notify_owner: Callable[[], None],
    ) -> None:
        given = field.name in values
        value = values[field.name] if given else field.default
        if field.auto and isinstance(value, str) and value == AUTO:
            value = field.default
        control = make_control(field, value, styles)
        super().__init__(field, control, styles, notify_owner)
        self.value = value
        if field.required and not given:
            self.missing, self.input_error = True, self.texts["form.needs_value"]
        self.update_labels()
        control.observe(self.on_change, "value")

    @reports_errors
    def on_change(self, _change: object) -> None:
        """Read the control; a wrong text keeps the last good value."""
        self.owner_error = ""
        try:
            self.value = self.read_control()
        except ConfigError as error:
            self.input_error = self.texts.translate(with_hint(error.problem, error.hint))
        else:
            self.input_error, self.missing = "", False
        self.update_labels()
        self.notify_owner()

    def read_control(self) -> Any:
        """Return the control's value; an emptied text field is its default again."""
        shown = self.control.value  # pyright: ignore[reportAttributeAccessIssue]
        if not isinstance(self.control, (w.Text, w.Dropdown)):
            return shown
        empty = ("", AUTO) if self.field.auto else ("",)
        if shown.strip() in empty and not self.field.required:
            return self.field.default
        return parse_field(self.field, shown)


def make_control(field: Field, value: Any, styles: RowStyles) -> w.Widget:
    """Make a control that can show ``value``: a text field where the field's own cannot."""
    if field.kind == "bool" and isinstance(value, bool):
        return w.Checkbox(
            value=value, description=field.name, style=styles["check style"], layout=styles["check"]
        )
    common: dict[str, Any] = {"description": field.name, "layout": styles["control"]}
    missing = value is None and (field.required or field.auto)
    if field.auto:
        common["placeholder"] = AUTO
    if field.kind == "choice" and not missing:
        words = [to_literal(choice) for choice in field.choices]
        return make_menu(field, words, to_literal(value), styles)
    # No number field: a page that reads one drops what it cannot read, and 3.5 becomes 35.
    shown = "" if missing else to_literal(value)
    return w.Text(value=shown, continuous_update=False, style=styles["text style"], **common)


def input_errors(rows: Mapping[str, FieldRow], path: str = "") -> dict[str, str]:
    """Return what cannot be read in the fields themselves, and what is missing, by key path."""
    found: dict[str, str] = {}
    for name, row in rows.items():
        if row.input_error:
            found[f"{path}{name}"] = row.input_error
        nested = getattr(row, "nested", None)
        if nested is not None:
            found.update(input_errors(nested.rows, f"{path}{name}."))
    return found


def make_menu(field: Field, words: Iterable[str], selected: str, styles: RowStyles) -> w.Dropdown:
    """Make a menu of words and the selected one, known or not."""
    options = list(dict.fromkeys([*words, selected]))
    return w.Dropdown(
        options=options,
        value=selected,
        description=field.name,
        style=styles["plain style"],
        layout=styles["control"],
    )
