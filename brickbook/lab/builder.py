"""The builder: a model put together by hand, with shapes and costs at every step."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from functools import partial
from typing import Any

from brickbook.arguments import copied
from brickbook.blueprint import Blueprint, kinds
from brickbook.errors import ConfigError
from brickbook.lab.brick_list import row_dict
from brickbook.lab.builder_delivery import Delivery
from brickbook.lab.builder_forms import fitting, holders, kind_options
from brickbook.lab.builder_state import BuilderState
from brickbook.lab.builder_texts import say
from brickbook.lab.builder_view import ADD, BRANCH, EDITS, JSON, PYTHON, UNWRAP, USE, WRAP, offer
from brickbook.lab.panels import PANEL_LOCK, guarded, take_place
from brickbook.lab.preview import BrickRow
from brickbook.lab.starting import starter

__all__ = ["Builder"]

# What the list on the page asks for by name, beside the buttons: edits with a place.
ASKED = ("extend", "fold", "move")


class Builder(Delivery):
    """Pick bricks, fill in their arguments, take the model: ``Builder()`` in a notebook cell.

    ``blueprint`` is what to start from: None for a small net, ``Blueprint()`` for nothing.
    ``input_shape`` is the shape of one sample. "Use as" puts the model into ``namespace`` under
    ``name`` (by default the notebook's) and in ``self.model``. A new builder of the same name
    closes the old one.

    The controls mirror ``self.state``, a `BuilderState`; `go` shows another one.
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
        start = starter(shape) if blueprint is None else blueprint
        start = Blueprint(tuple(copied(cfg) for cfg in start.bricks))  # no config stands twice
        super().__init__(BuilderState(start, input_shape=shape).rename(name), namespace)
        self.connect()
        self.go(self.state)
        take_place(("builder", name), self)

    def __repr__(self) -> str:
        return f"Builder({self.state.name}: {self.preview.summary()})"

    def connect(self) -> None:
        """Let every control edit the state."""
        for word, clicked in self.buttons.items():
            clicked.on_click(partial(self.press, word))
        self.kind.observe(self.list_types, "value")
        self.change.observe(self.retype, "value")
        self.bricks.observe(self.choose, "selected")
        self.bricks.on_msg(self.told)
        self.shape.observe(self.reshape, "value")
        self.name.observe(self.rename, "value")

    def go(self, state: BuilderState) -> None:
        """Show a state."""
        with PANEL_LOCK:
            if (state.blueprint, state.name) != (self.state.blueprint, self.state.name):
                self.code.layout.display = "none"  # it says what was
            self.state = state
            if (state.blueprint, state.input_shape) != self.previewed:
                self.preview = state.preview()
                self.previewed = (state.blueprint, state.input_shape)
            self.notice.clear()
            self.list_kinds()
            self.show_list()
            self.show_form()
            self.show_rest()

    def show_list(self) -> None:
        """Show the bricks that are in no folded one."""
        state = self.state
        self.lines: list[BrickRow] = state.rows(self.preview)
        marked: set[Any] = set()
        if state.anchor is not None:
            above, first, length = state.run
            marked = {(*above, at) for at in range(first, first + length)}
        with self.bricks.hold_sync():
            self.bricks.rows = [self.row(line) for line in self.lines]
            places = {line.path: at for at, line in enumerate(self.lines)}
            self.bricks.marked = [places[path] for path in places if path in marked]
            self.bricks.selected = places.get(state.selected, -1)

    def row(self, line: BrickRow) -> dict[str, Any]:
        """Write a line as the page shows it."""
        folded = line.path in self.state.folded
        hidden = self.preview.rows if folded else ()
        length = len(line.path)
        faults = [row.error for row in hidden if row.path[:length] == line.path and row.error]
        return row_dict(line, folded, faults)

    def show_rest(self) -> None:
        """Show the sums, the fields below, and what can be pressed."""
        state = self.state
        self.total.say(self.preview.summary(), "info")
        self.shape.value = ", ".join(map(str, state.input_shape))
        self.name.value = state.name
        self.buttons[USE].description = say("use", name=state.name)
        is_brick, held = state.chosen is not None, len(state.selected) > 1
        run = state.run if is_brick else None
        last = run is not None and not held and run.first + run.length == len(state.blueprint)
        idle = {
            "Up": run is None or (not held and run.first == 0),
            "Down": run is None or last,
            "Out": run is None or not held,
            "Into": not is_brick or state.into() is state,
            "Duplicate": not state.selected or isinstance(state.selected[-1], str),
            "Delete": not state.selected,
            "Undo": not state.past,
            "Redo": not state.future,
            WRAP: not is_brick,
            UNWRAP: not is_brick or not self.line.holds,
            BRANCH: state.branch() is state,
        }
        for word, disabled in idle.items():
            self.buttons[word].disabled = disabled

    def list_kinds(self) -> None:
        """Bring the menus up to date: a class may have been registered since."""
        offer(self.kind, kind_options())
        offer(self.wrapping, holders())
        self.list_types()

    @guarded
    def list_types(self, change: object = None) -> None:
        """List the types of the kind; for another kind, choose one that fits."""
        if (kind := self.kind.value) is not None:
            offer(self.type, kinds()[kind].module_dict)
            if change is not None:
                fits = fitting(kind, self.preview, self.state, self.where.value or "after")
                self.type.value = fits or self.type.value

    @guarded
    def press(self, word: str, _button: object = None) -> None:
        """Do what a button says."""
        if word in (USE, PYTHON, JSON) and self.refuses("used" if word == USE else "copied"):
            return
        if word == USE:
            self.use()
        elif word in (PYTHON, JSON):
            self.show_code(self.state.to_python() if word == PYTHON else self.state.to_json())
        elif word == ADD:
            where = self.where.value or "after"
            self.go(self.state.add(str(self.kind.value), str(self.type.value), where))
        elif word == WRAP:
            self.go(self.state.wrap(str(self.wrapping.value)))
        else:
            self.go(self.state.apply(EDITS[word]))

    @guarded
    def choose(self, change: Mapping[str, Any]) -> None:
        """Choose the brick that was clicked."""
        at = change["new"]
        path = self.lines[at].path if 0 <= at < len(self.lines) else ()
        if path != self.state.selected and path:
            self.go(self.state.select(path))

    @guarded
    def told(self, _widget: object, content: Mapping[str, Any], _buffers: object) -> None:
        """Do what a key or the mouse asks for in the list."""
        if content.get("copied"):
            self.notice.say(say("copied"), "info")
        edit = str(content.get("do"))
        if edit in EDITS.values():
            self.go(self.state.apply(edit))
        elif edit in ASKED:
            more = [content["where"]] if "where" in content else []
            self.go(self.state.apply(edit, tuple(content["path"]), *more))

    @guarded
    def reshape(self, change: Mapping[str, Any]) -> None:
        """Take another input shape."""
        self.shape_notice.clear()
        try:
            self.go(self.state.with_input(change["new"]))
        except ConfigError as error:
            self.shape_notice.say(error.problem)

    @guarded
    def rename(self, change: Mapping[str, Any]) -> None:
        """Take another name for the model."""
        self.name_notice.clear()
        try:
            self.go(self.state.rename(change["new"].strip()))
        except ConfigError as error:
            self.name_notice.say(error.problem)
