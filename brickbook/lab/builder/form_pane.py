"""The selected brick: its type, and the form of its arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from inspect import cleandoc
from typing import Any

import ipywidgets as w
from torch import nn

from brickbook.blueprint import ARGUMENT_AXES, resolve, slots_of
from brickbook.config import unwrap_partial
from brickbook.errors import ConfigError
from brickbook.lab.builder.brick_list import can_make_auto
from brickbook.lab.builder.layout import COLUMN_LAYOUT, make_dropdown, make_line, set_options
from brickbook.lab.builder.menus import type_option_of, type_options
from brickbook.lab.builder.preview import Preview, container_of, type_name
from brickbook.lab.builder.state import BuilderState
from brickbook.lab.builder.words import builder_text
from brickbook.lab.form import Field, FieldDoc, Form, fields_of, input_errors, strip_markup
from brickbook.lab.widgets import Notice

__all__ = ["Edit", "FormPane"]

Edit = Callable[[BuilderState], BuilderState | None]
FormKey = tuple[str, Callable[..., Any] | None]

CACHE_SIZE = 6
CLASS = "bb-form-pane"


class FormCache:
    """The forms of the bricks selected last: selecting one again sends nothing to the page.

    A form is about a hundred models for the page. ``on_edit`` observes the ``value`` of each.
    ``drafts`` are the forms in which a wrong text was left, each with the brick it belongs to:
    two bricks with equal configs share a form, but not a draft.
    """

    def __init__(self, on_edit: Callable[[Any], None]) -> None:
        self.on_edit = on_edit
        self.forms: dict[FormKey, Form] = {}
        self.drafts: list[tuple[Mapping[str, Any], Form]] = []

    def get(self, cfg: Mapping[str, Any]) -> Form:
        """Return the form of a brick, without messages of its owner."""
        key = form_key(cfg)
        form = self.draft_of(cfg)
        if form is not None:
            self.drafts = [pair for pair in self.drafts if pair[1] is not form]
            self.discard(key)
        else:
            form = self.forms.pop(key, None)
        if form is not None:
            form.clear_errors()
        else:
            form = make_form(cfg, key[1])
            form.observe(self.on_edit, "value")
        self.forms[key] = form
        while len(self.forms) > CACHE_SIZE:
            self.forms.pop(next(iter(self.forms))).close()
        return form

    def keep_draft(self, cfg: Mapping[str, Any], form: Form) -> None:
        """Keep a form with a wrong text until its brick is selected again."""
        if input_errors(form.rows):
            self.forms = {key: kept for key, kept in self.forms.items() if kept is not form}
            self.drafts.append((cfg, form))

    def draft_of(self, cfg: Mapping[str, Any]) -> Form | None:
        """Return the form in which a wrong text was left for this very brick."""
        return next((form for brick, form in self.drafts if brick is cfg), None)

    def discard(self, key: FormKey) -> None:
        """Close the form of this key, if there is one."""
        form = self.forms.pop(key, None)
        if form is not None:
            form.close()

    def rekey(self, form: Form, cfg: Mapping[str, Any]) -> None:
        """Keep a form under the config that it was edited to."""
        key = form_key(cfg)
        other = self.forms.get(key)
        self.forms = {k: kept for k, kept in self.forms.items() if kept not in (form, other)}
        self.forms[key] = form
        if other is not None and other is not form:
            other.close()

    def close(self) -> None:
        """Close all of them."""
        for form in (*self.forms.values(), *(form for _, form in self.drafts)):
            form.close()
        self.forms, self.drafts = {}, []


def form_key(cfg: Mapping[str, Any]) -> FormKey:
    """Return what a form is made from: a class that is registered again needs a new one.

    The bricks inside of a brick are no part of it.
    """
    try:
        make = resolve(cfg.get("type"))[1]
    except ConfigError:
        return repr(dict(cfg)), None
    slots = slots_of(make)
    return repr({key: value for key, value in cfg.items() if key not in slots}), make


def make_form(cfg: Mapping[str, Any], make: Callable[..., Any] | None) -> Form:
    """Make the form of a brick; that of an unknown type has a text field for each key."""
    values = {key: value for key, value in cfg.items() if key != "type"}
    if make is None:
        return Form(type_name, values, fields=(), fold_defaults=True)
    slots = slots_of(make)
    values = {key: value for key, value in values.items() if key not in slots}
    fields = [optional_if_inferable(field) for field in fields_of(make) if field.name not in slots]
    # The row's name is the mode of an upsampling already.
    fixed = (
        ("mode",) if unwrap_partial(make) is nn.Upsample and isinstance(cfg["type"], str) else ()
    )
    return Form(make, values, hidden=fixed, fields=fields, fold_defaults=True)


def optional_if_inferable(field: Field) -> Field:
    """Return the field of an argument that may be left out if its input tells the size."""
    if field.name not in ARGUMENT_AXES or not field.required:
        return field
    return replace(field, kind="text", required=False, default=None, auto=True)


def class_summary(make: Callable[..., Any] | None) -> str:
    """Return the first sentence of a class's docstring."""
    if make is None:
        return ""
    # getdoc would give a class without a docstring that of nn.Module.
    text = cleandoc(unwrap_partial(make).__doc__ or "").partition("\n\n")[0]
    first = strip_markup(" ".join(text.split())).partition(". ")[0].rstrip(".")
    return f"{first}." if first else ""


class FormPane(w.VBox):
    """The right side of the builder: the selected brick's number, type and arguments.

    Controls: ``title``, ``retype_menu``, ``about``, ``auto_button`` (where an error is about a size
    that the input tells), ``form`` (None while a slot is selected); below it the words of the field
    that has the focus.
    ``on_edit`` gets a function from the state to the edited one, or to None for no edit.
    """

    def __init__(self, on_edit: Callable[[Edit], None]) -> None:
        self.on_edit = on_edit
        self.cache = FormCache(self.on_form_change)
        self.form: Form | None = None
        self.shown_key: FormKey | None = None
        self.config: Mapping[str, Any] | None = None  # of the brick that is shown
        self.shown_error: tuple[str, str] | None = None
        self.updating_menu = False
        self.auto_key = ""
        self.title, self.about = w.Label(style={"font_weight": "bold"}), Notice()
        self.retype_menu = make_dropdown("change")
        self.retype_menu.observe(self.on_type_change, "value")
        self.auto_button = w.Button(
            description=builder_text("make auto"),
            layout=w.Layout(width="auto", align_self="flex-start", display="none"),
        )
        self.auto_button.on_click(self.on_make_auto)
        self.form_box = w.VBox(layout=w.Layout(width="auto"))
        heading = make_line(self.title, self.retype_menu)
        self.doc = FieldDoc(selector=f".{CLASS}")
        parts = [heading, self.about, self.auto_button, self.form_box, self.doc]
        super().__init__(parts, layout=w.Layout(**COLUMN_LAYOUT))
        self.add_class(CLASS)

    def form_with_input(self, cfg: Mapping[str, Any]) -> Form | None:
        """Return the form in which something was typed for this very brick, None if none was."""
        return self.form if cfg is self.config else self.cache.draft_of(cfg)

    def show(self, state: BuilderState, preview: Preview) -> None:
        """Show the selected brick: another form, if it is not the one at hand."""
        cfg = state.selected_config
        if self.form is not None and self.config is not None and self.config is not cfg:
            self.cache.keep_draft(self.config, self.form)
            self.form = None
        self.config = cfg
        self.show_heading(state, preview)
        row = preview.row_at(state.selected) if cfg is not None else None
        self.auto_key = row.key if row is not None and can_make_auto(row) else ""
        self.auto_button.layout.display = None if self.auto_key else "none"
        if cfg is None or row is None:
            self.shown_key, self.form_box.children = None, ()
            self.about.clear()
            return
        key = form_key(cfg)
        if self.form is None or self.shown_key != key:
            self.form, self.shown_error = self.cache.get(cfg), ("", "")
            self.about.show(class_summary(key[1]), "plain")
            self.form_box.children = (self.form,)
        self.shown_key = key
        self.doc.docs = self.form.docs
        self.form.set_hints(row.inferred)
        if self.shown_error != (row.key, row.error):  # the same words need not be read out again
            self.shown_error = (row.key, row.error)
            self.form.clear_errors()
            if row.error and not set(row.missing) & set(input_errors(self.form.rows)):
                self.form.show_error(row.key, row.error)

    def show_heading(self, state: BuilderState, preview: Preview) -> None:
        """Show the number and type of what is selected, and the types it can be changed to."""
        cfg = state.selected_config
        self.retype_menu.layout.display = None if cfg is not None else "none"
        if not state.selected:
            self.title.value = ""
            return
        row = preview.row_at(state.selected)
        if cfg is None:
            container = preview.row_at(container_of(row.path))
            self.title.value = f"{container.number}. {container.kind}, {row.kind}"
            return
        self.title.value = f"{row.number}. {row.kind}"
        self.updating_menu = True
        try:
            set_options(self.retype_menu, type_options(cfg))
            self.retype_menu.value = type_option_of(cfg)
        finally:
            self.updating_menu = False

    def on_make_auto(self, _button: w.Button) -> None:
        """Leave the size that does not fit to the input."""
        self.on_edit(lambda state: state.make_auto(state.selected, self.auto_key))

    def on_type_change(self, change: Mapping[str, Any]) -> None:
        """Give the selected brick another type."""
        if not self.updating_menu and change["new"]:
            self.on_edit(partial(self.change_type, change["new"]))

    def change_type(self, option: str, state: BuilderState) -> BuilderState | None:
        """Return the state with another type of the selected brick."""
        cfg = state.selected_config
        if cfg is None or option == type_option_of(cfg):
            return None
        kind, _, name = option.partition(" ")
        return state.change_type(kind, name)

    def on_form_change(self, change: Mapping[str, Any]) -> None:
        """Give the selected brick the arguments in its form."""
        self.on_edit(partial(self.set_arguments, change["owner"], change["new"]))

    def set_arguments(
        self, form: Form, arguments: Mapping[str, Any], state: BuilderState
    ) -> BuilderState | None:
        """Return the state with other arguments of the selected brick; None from an old form."""
        if form is not self.form or state.selected_config is None:
            return None
        state = state.set_arguments(arguments)
        if state.selected_config is not None:
            self.cache.rekey(form, state.selected_config)
            self.config, self.shown_key = state.selected_config, form_key(state.selected_config)
        self.shown_error = None  # the form may have taken it away
        return state
