"""The right side of the builder: the chosen brick, its type and its form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from brickbook.blueprint import Blueprint
from brickbook.blueprint.tree import Path
from brickbook.lab.builder_forms import (
    FormShelf,
    Key,
    about,
    key_of,
    retype_options,
    retype_value,
)
from brickbook.lab.builder_state import BuilderState
from brickbook.lab.builder_view import BuilderView, offer
from brickbook.lab.form import Form
from brickbook.lab.panels import guarded
from brickbook.lab.preview import BrickRow, Preview, holder_of
from brickbook.lab.rows import wrong_texts

__all__ = ["BuilderSide"]


class BuilderSide(BuilderView):
    """Shows the form of the chosen brick, and takes what is typed there."""

    def __init__(self, state: BuilderState) -> None:
        super().__init__()
        self.state = state
        self.preview = Preview(state.input_shape)
        self.previewed: tuple[Blueprint, tuple[int, ...]] | None = None
        self.lines: list[BrickRow] = []
        self.form: Form | None = None
        self.formed: tuple[Path, Key] | None = None
        self.shown: Mapping[str, Any] | None = None
        self.complaint: tuple[str, str] | None = None
        self.offering = False
        self.shelf = FormShelf(self.fill)

    def go(self, state: BuilderState) -> None:
        """Show a state."""
        raise NotImplementedError

    def close(self) -> None:
        """Close the panel and everything in it."""
        super().close()
        self.shelf.close()

    @property
    def line(self) -> BrickRow:
        """The line of what is chosen."""
        return self.preview.at(self.state.selected)

    def show_form(self) -> None:
        """Show the chosen brick's form, another one if it is not the one at hand."""
        at, cfg = self.state.selected, self.state.chosen
        if self.form is not None and self.shown is not None and self.shown is not cfg:
            self.shelf.leave(self.shown, self.form)
            self.form = None
        self.shown = cfg
        self.show_heading(cfg)
        if cfg is None:
            self.formed, self.place.children = None, ()
            self.about.clear()
            return
        key = key_of(cfg)
        if self.form is None or self.formed is None or self.formed[1] != key:
            self.form, self.complaint = self.shelf.take(cfg), ("", "")
            self.about.say(about(key[1]), "plain")
            self.place.children = (self.form,)
        self.formed = (at, key)
        row = self.line
        self.form.tell(row.found)
        if self.complaint != (row.key, row.error):  # the same words need not be read out again
            self.complaint = (row.key, row.error)
            self.form.clear_errors()
            if row.error and not set(row.missing) & set(wrong_texts(self.form.rows)):
                self.form.show_error(row.key, row.error)

    def show_heading(self, cfg: Mapping[str, Any] | None) -> None:
        """Show the chosen brick's number and type, and the types it can be changed to."""
        self.change.layout.display = None if cfg is not None else "none"
        if not self.state.selected:
            self.title.value = ""
            return
        row = self.line
        self.title.value = f"{row.number}. {row.kind}"
        if cfg is None:
            holder = self.preview.at(holder_of(row.path))
            self.title.value = f"{holder.number}. {holder.kind}, {row.kind}"
            return
        self.offering = True
        try:
            offer(self.change, retype_options(cfg))
            self.change.value = retype_value(cfg)
        finally:
            self.offering = False

    @guarded
    def retype(self, change: Mapping[str, Any]) -> None:
        """Make a brick of another type of the chosen one."""
        chosen = self.state.chosen
        if self.offering or chosen is None or not change["new"]:
            return
        kind, _, name = change["new"].partition(" ")
        if change["new"] != retype_value(chosen):
            self.go(self.state.retype(kind, name))

    @guarded
    def fill(self, change: Mapping[str, Any]) -> None:
        """Take the arguments from the form, unless it is an old one."""
        form = self.form
        if form is not None and change["owner"] is form and self.state.chosen is not None:
            state = self.state.change(change["new"])
            if state.chosen is not None:
                self.shelf.keep(form, state.chosen)
                self.formed = (state.selected, key_of(state.chosen))
                self.shown = state.chosen
            self.complaint = None  # the form may have taken it away
            self.go(state)
