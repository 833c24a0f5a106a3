"""The builder: a model put together by hand, with shapes and costs at every step."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from functools import partial
from typing import Any

import ipywidgets as w
from IPython.core.getipython import get_ipython
from torch import nn

from brickbook.blueprint import Blueprint, Path, resolve
from brickbook.config import copy_config
from brickbook.errors import BadValueError, ConfigError
from brickbook.i18n import Texts
from brickbook.lab.builder.brick_list import row_dict
from brickbook.lab.builder.form_pane import Edit, FormPane
from brickbook.lab.builder.layout import (
    BRANCH,
    BUTTON_EDITS,
    COPY,
    FORMS,
    LABEL_STYLE,
    SHORTCUT,
    START,
    UNWRAP,
    USE,
    WRAP,
    BuilderControls,
    set_options,
)
from brickbook.lab.builder.menus import container_types
from brickbook.lab.builder.picture import NetworkPicture, brick_at
from brickbook.lab.builder.preview import BrickRow, Preview
from brickbook.lab.builder.search import SearchBox, read_request
from brickbook.lab.builder.shortcuts import shortcut_of
from brickbook.lab.builder.stale import BuilderStale
from brickbook.lab.builder.state import BuilderState
from brickbook.lab.builder.tree_edits import parse_error_path
from brickbook.lab.builder.words import builder_text, shortcut_text
from brickbook.lab.form import default_blueprint, input_errors
from brickbook.lab.history import History
from brickbook.lab.init import InitLab
from brickbook.lab.widgets import Panel, reports_errors
from brickbook.live_panels import PANEL_LOCK, replace_live_panel

__all__ = ["Builder"]

# What the list on the page asks for by name, beside the buttons: edits with a path.
LIST_EDITS = ("extend", "fold", "move")
AUTO = "auto"  # what is asked for beside an error: leave the size to the input


class Builder(Panel):
    """Pick bricks, fill in their arguments, take the model: ``Builder()`` in a notebook cell.

    The controls mirror ``self.state``, a `BuilderState`; `go` shows another one. They are in
    ``controls``, and in ``form_pane`` on the right; ``code`` is a text below, ``lab`` the init lab
    that *Start it* opens below that. A new builder of the same name closes the old one.

    Args:
        blueprint: What to begin with: None for a small net, ``Blueprint()`` for nothing.
        name: The name of the model in the notebook.
        namespace: Where "Use as" puts the model, besides ``self.model``: None for the variables
            of the notebook.
        input_shape: The shape of one sample.

    Raises:
        BadValueError: ``name`` is no name for a variable.
    """

    def __init__(
        self,
        blueprint: Blueprint | None = None,
        *,
        name: str = "model",
        namespace: MutableMapping[str, Any] | None = None,
        input_shape: Sequence[int] = (3, 32, 32),
    ) -> None:
        shape = tuple(input_shape)
        given = default_blueprint(shape) if blueprint is None else blueprint
        given = Blueprint(tuple(copy_config(cfg) for cfg in given.bricks))  # no config stands twice
        self.state = BuilderState(History(given), input_shape=shape).rename(name)
        super().__init__(layout=w.Layout(width="100%"))
        self.namespace = namespace
        self.model: nn.Module | None = None
        self.used: object = None  # what the model was built from
        self.lab: InitLab | None = None
        self.preview = Preview(shape)
        self.shown_classes: list[object] = []
        self.preview_inputs: tuple[Blueprint, tuple[int, ...]] | None = None
        self.visible_rows: list[BrickRow] = []
        search = SearchBox(self.on_add, self.shape_after)
        self.picture = NetworkPicture(self.on_choose)
        self.controls = BuilderControls(self.notice, search, self.picture)
        self.form_pane = FormPane(self.edit)
        self.stale = BuilderStale(partial(self.on_button, USE))
        self.code = w.Textarea(
            description=builder_text("code"),
            rows=12,
            style=LABEL_STYLE,
            layout=w.Layout(width="auto", display="none"),
        )
        # Two sides next to each other where there is room, else below each other.
        sides = w.HBox(
            [self.controls.left, self.form_pane],
            layout=w.Layout(flex_flow="row wrap", width="100%"),
        )
        self.lab_box = w.VBox(layout=w.Layout(width="100%", display="none"))
        controls = self.controls
        self.children = (
            self.stale, controls.top, sides, controls.bottom, self.code, self.lab_box,
        )  # fmt: skip
        self.connect_controls()
        self.go(self.state)
        replace_live_panel(("builder", name), self)

    def __repr__(self) -> str:
        return f"Builder({self.state.name}: {self.preview.summary()})"

    def close(self) -> None:
        """Close the panel and everything in it, also the forms that are not shown."""
        super().close()
        self.form_pane.cache.close()

    def connect_controls(self) -> None:
        """Let every control edit the state."""
        controls = self.controls
        for name, button in controls.buttons.items():
            button.on_click(partial(self.on_button, name))
        for name, button in controls.templates.items():
            button.on_click(partial(self.on_template, name))
        controls.bricks.observe(self.on_select, "selected")
        controls.bricks.on_msg(self.on_list_message)
        controls.shape.observe(self.on_shape_change, "value")
        controls.name.observe(self.on_name_change, "value")

    # What is shown.

    def go(self, state: BuilderState) -> None:
        """Show a state."""
        with PANEL_LOCK:
            if (state.blueprint, state.name) != (self.state.blueprint, self.state.name):
                self.code.layout.display = "none"  # it is the code of another model
            self.state = state
            if (state.blueprint, state.input_shape) != self.preview_inputs:
                self.preview = state.preview()
                self.shown_classes = [meaning_of(cfg) for _, cfg in state.blueprint.walk()]
                self.preview_inputs = (state.blueprint, state.input_shape)
                self.picture.draw(state.blueprint, self.preview)
            self.notice.clear()
            self.controls.search_notice.clear()
            set_options(self.controls.container_menu, container_types())
            self.show_bricks()
            self.picture.choose(state.selected)
            self.form_pane.show(state, self.preview)
            self.show_controls()

    def show_bricks(self) -> None:
        """Show the bricks that are in no folded one."""
        state, bricks = self.state, self.controls.bricks
        self.visible_rows = state.visible_rows(self.preview)
        marked: set[Any] = set()
        if state.anchor is not None:
            chain, first, length = state.siblings
            marked = {(*chain, at) for at in range(first, first + length)}
        with bricks.hold_sync():
            bricks.rows = [self.list_row(row) for row in self.visible_rows]
            indices = {row.path: at for at, row in enumerate(self.visible_rows)}
            bricks.marked = [indices[path] for path in indices if path in marked]
            bricks.selected = indices.get(state.selected, -1)

    def list_row(self, row: BrickRow) -> dict[str, Any]:
        """Return a row as the page shows it."""
        folded = row.path in self.state.folded
        hidden = self.preview.rows if folded else ()
        inside = (other for other in hidden if other.path[: len(row.path)] == row.path)
        return row_dict(row, folded, [other.error for other in inside if other.error])

    def show_controls(self) -> None:
        """Show the sums, shape and name, and which buttons can be pressed."""
        state, controls = self.state, self.controls
        controls.summary.show(self.preview.summary(), "info")
        controls.shape.value = ", ".join(map(str, state.input_shape))
        controls.name.value = state.name
        controls.buttons[USE].description = builder_text("use", name=state.name)
        self.show_stale()
        shortcut = shortcut_of(state.blueprint, state.siblings, self.preview) if (
            state.selected_config is not None
        ) else None  # fmt: skip
        controls.buttons[SHORTCUT].description = shortcut_text(shortcut)
        is_brick, is_nested = state.selected_config is not None, len(state.selected) > 1
        siblings = state.siblings if is_brick else None
        at_front = siblings is not None and not is_nested and siblings.first == 0
        at_end = siblings is not None and not is_nested and siblings.end == len(state.blueprint)
        disabled = {
            "Up": not is_brick or at_front,
            "Down": not is_brick or at_end,
            "Out": not is_brick or not is_nested,
            "Into": not is_brick or state.into() is state,
            "Duplicate": not state.selected or isinstance(state.selected[-1], str),
            "Delete": not state.selected,
            "Undo": not state.history.past,
            "Redo": not state.history.future,
            WRAP: not is_brick,
            UNWRAP: not is_brick or not self.preview.row_at(state.selected).is_container,
            BRANCH: state.branch() is state,
            SHORTCUT: shortcut is None,
        }
        for name, value in disabled.items():
            controls.buttons[name].disabled = value

    # What the reader does.

    @reports_errors
    def edit(self, edit: Edit) -> None:
        """Show the state that an edit makes of this one, if it makes one."""
        state = edit(self.state)
        if state is not None:
            self.go(state)

    @reports_errors
    def on_button(self, name: str, _button: object = None) -> None:
        """Do what a button says."""
        controls = self.controls
        if name in (USE, START, COPY):
            if self.report_incomplete("copied" if name == COPY else "used"):
                return
            if name == USE:
                self.use()
            elif name == START:
                self.start()
            else:
                self.copy(str(controls.form_menu.value))
        elif name == WRAP:
            self.go(self.state.wrap(str(controls.container_menu.value)))
        else:
            self.go(self.state.apply(BUTTON_EDITS[name]))

    @reports_errors
    def on_template(self, name: str, _button: object = None) -> None:
        """Begin anew with a template."""
        self.go(self.state.use_template(name))

    @reports_errors
    def on_choose(self, path: Path) -> None:
        """Select the brick whose box was clicked, with all that hides it unfolded."""
        self.go(self.state.select(path))

    def on_add(self, text: str, chosen: str) -> None:
        """Add the brick that was asked for in the search box, or say there why not."""
        with PANEL_LOCK:
            try:
                self.add(text, chosen)
            except ConfigError as error:
                self.controls.search_notice.show(Texts().explain(error))

    @reports_errors
    def on_message_of_fault(self, path: Path) -> None:
        """Leave the size at which a brick's error is to its input."""
        self.go(self.state.make_auto(path, self.preview.row_at(path).key))

    def add(self, text: str, chosen: str = "") -> None:
        """Add the brick that a text means, with the arguments behind its name.

        Raises:
            ConfigError: No type is meant, or an argument cannot be read.
        """
        found, arguments = read_request(text, self.shape_after(), chosen)
        position = self.controls.position.value or "after"
        self.go(self.state.add(found.kind, found.name, position, arguments))

    def shape_after(self) -> tuple[int, ...] | None:
        """Return the shape that a brick from the search box would get."""
        path = self.state.insertion_path(self.controls.position.value or "after")
        return self.preview.shape_before(path)

    @reports_errors
    def on_select(self, change: Mapping[str, Any]) -> None:
        """Select the brick that was clicked."""
        at = change["new"]
        path = self.visible_rows[at].path if 0 <= at < len(self.visible_rows) else ()
        if path != self.state.selected and path:
            self.go(self.state.select(path))

    @reports_errors
    def on_list_message(
        self, _widget: object, content: Mapping[str, Any], _buffers: object
    ) -> None:
        """Do what a key or the mouse asks for in the list."""
        if content.get("copied"):
            self.notice.show(builder_text("copied"), "info")
        edit = str(content.get("do"))
        if edit in BUTTON_EDITS.values():
            self.go(self.state.apply(edit))
        elif edit == AUTO:
            self.on_message_of_fault(tuple(content["path"]))
        elif edit in LIST_EDITS:
            position = [content["where"]] if "where" in content else []
            self.go(self.state.apply(edit, tuple(content["path"]), *position))

    @reports_errors
    def on_shape_change(self, change: Mapping[str, Any]) -> None:
        """Take another input shape."""
        self.controls.shape_notice.clear()
        try:
            self.go(self.state.with_input(change["new"]))
        except ConfigError as error:
            self.controls.shape_notice.show(Texts().translate(error.problem))

    @reports_errors
    def on_name_change(self, change: Mapping[str, Any]) -> None:
        """Take another name for the model."""
        self.controls.name_notice.clear()
        try:
            self.go(self.state.rename(change["new"].strip()))
        except ConfigError as error:
            self.controls.name_notice.show(Texts().translate(error.problem))

    # What leaves the builder: the model into the notebook, its config as text.

    def report_incomplete(self, action: str) -> bool:
        """Select the first brick with a wrong text or an empty field, and say which."""
        for path, cfg in self.state.blueprint.walk():
            form = self.form_pane.form_with_input(cfg)
            row = self.preview.row_at(path)
            missing = dict.fromkeys(row.missing, builder_text("needs value"))
            for key, problem in (input_errors(form.rows) if form else missing).items():
                self.go(self.state.select(path))
                values = {"brick": row.number, "path": key, "problem": problem}
                self.notice.show(builder_text(f"refused.{action}", **values))
                return True
        return False

    def use(self) -> bool:
        """Build the model and put it into the notebook; an error selects its brick.

        Returns whether there is a model.
        """
        name, namespace = self.state.name, self.target_namespace()
        if namespace and name in namespace and not isinstance(namespace[name], nn.Module):
            self.controls.name_notice.show(builder_text("taken", name=name))
            return False
        try:
            self.model = self.state.build()
        except ConfigError as error:
            self.go(self.state.select(parse_error_path(error.path) or self.state.selected))
            self.notice.show(builder_text("not built", error=Texts().explain(error)))
            return False
        self.used = self.what_is_shown()
        if namespace is None:
            self.notice.show(builder_text("built"), "info")
            return True
        namespace[name] = self.model
        self.show_stale()
        text = builder_text("new model", name=name)
        if self.preview.fits:
            self.notice.show(text, "info")
        else:
            cannot_run = builder_text("cannot run", summary=self.preview.summary())
            self.notice.show(f"{text}\n{cannot_run}")
        return True

    def start(self) -> None:
        """Build the model, put it into the notebook, and open the init lab on it below."""
        if not self.use() or self.model is None:
            return
        if self.lab is not None:
            self.lab.close()
        self.lab = InitLab(
            self.model,
            name=self.state.name,
            namespace=self.target_namespace(),
            input_shape=self.state.input_shape,
        )
        self.lab_box.children, self.lab_box.layout.display = (self.lab,), None
        self.notice.show(builder_text("started", name=self.state.name), "info")

    def what_is_shown(self) -> object:
        """Return what a model is built from: the bricks, what their types mean, the shape."""
        state = self.state
        classes = [meaning_of(cfg) for _, cfg in state.blueprint.walk()]
        return state.blueprint, classes, state.input_shape if state.blueprint.open else None

    def show_stale(self) -> None:
        """Say whether the name means another model than what is shown."""
        same = self.used == self.what_is_shown()
        self.stale.update(self.target_namespace(), self.state.name, self.model, same)

    @reports_errors
    def look_again(self) -> None:
        """See whether something else has changed the name, or a class: after every cell."""
        if [meaning_of(cfg) for _, cfg in self.state.blueprint.walk()] != self.shown_classes:
            self.preview_inputs = None
            self.go(self.state)
        else:
            self.show_stale()

    def target_namespace(self) -> MutableMapping[str, Any] | None:
        """Return where the model goes: what was given, else the notebook's variables."""
        shell = get_ipython()
        return self.namespace if self.namespace is not None or shell is None else shell.user_ns

    def copy(self, form: str) -> None:
        """Show the model in one of `FORMS`."""
        try:
            self.show_code(getattr(self.state, FORMS[form])())
        except BadValueError as error:
            path = brick_at(self.state.blueprint, error.path)
            if path:
                self.go(self.state.select(path))
            self.notice.show(builder_text("not copied", error=Texts().explain(error)))

    def show_code(self, text: str) -> None:
        """Show a text below, and offer it to the clipboard of the page."""
        self.code.value = text
        self.code.layout.display = None
        self.notice.show(builder_text("below"), "info")
        self.controls.bricks.send({"copy": text})


def meaning_of(cfg: Mapping[str, Any]) -> object:
    """Return the class that a brick's type means now, None for an unknown one."""
    try:
        return resolve(cfg.get("type"))[1]
    except ConfigError:
        return None
