"""The builder: a model put together by hand, with shapes and parameters at every step."""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping, Sequence
from functools import partial
from typing import Any

from IPython.core.getipython import get_ipython
from torch import nn

from brickbook.blueprint import Blueprint, kinds
from brickbook.errors import ConfigError
from brickbook.lab.brick_list import row_dict
from brickbook.lab.builder_forms import FormShelf, Key, about, fitting, key_of, kind_options
from brickbook.lab.builder_state import BuilderState
from brickbook.lab.builder_view import ADD, EDITS, JSON, PYTHON, TAKEN, USE, BuilderView, offer
from brickbook.lab.form import Form
from brickbook.lab.panels import MODEL_LOCK, guarded, take_place
from brickbook.lab.preview import Preview, name_of
from brickbook.lab.rows import wrong_texts
from brickbook.lab.starting import starter

__all__ = ["Builder"]


class Builder(BuilderView):
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
        super().__init__()
        shape = tuple(input_shape)
        start = starter(shape) if blueprint is None else blueprint
        start = Blueprint(tuple(dict(cfg) for cfg in start.bricks))  # no config stands twice
        self.state = BuilderState(start, input_shape=shape).rename(name)
        self.namespace = namespace
        self.model: nn.Module | None = None
        self.form: Form | None = None
        self.formed: tuple[int, Key] | None = None
        self.shown: Mapping[str, Any] | None = None
        self.complaint: tuple[str, str] | None = None
        self.shelf = FormShelf(self.fill)
        self.previewed: tuple[Blueprint, tuple[int, ...]] | None = None
        self.preview = Preview(shape)
        self.connect()
        self.go(self.state)
        take_place(("builder", name), self)

    def __repr__(self) -> str:
        return f"Builder({self.state.name}: {self.preview.summary()})"

    def close(self) -> None:
        """Close the panel and everything in it."""
        super().close()
        self.shelf.close()

    def connect(self) -> None:
        """Let every control edit the state."""
        for word, clicked in self.buttons.items():
            clicked.on_click(partial(self.press, word))
        self.kind.observe(self.list_types, "value")
        self.bricks.observe(self.choose, "selected")
        self.bricks.on_msg(self.told)
        self.shape.observe(self.reshape, "value")
        self.name.observe(self.rename, "value")

    def go(self, state: BuilderState) -> None:
        """Show a state."""
        with MODEL_LOCK:
            if (state.blueprint, state.name) != (self.state.blueprint, self.state.name):
                self.code.layout.display = "none"  # it says what was
            self.state = state
            if (state.blueprint, state.input_shape) != self.previewed:
                self.preview = state.preview()
                self.previewed = (state.blueprint, state.input_shape)
            self.notice.clear()
            self.list_kinds()
            self.bricks.rows = [row_dict(row) for row in self.preview.rows]
            self.bricks.selected = state.selected
            self.show_form()
            self.show_rest()

    def show_form(self) -> None:
        """Show the chosen brick's form, another one if it is not the one at hand."""
        at, cfg = self.state.selected, self.state.chosen
        if self.form is not None and self.shown is not None and self.shown is not cfg:
            self.shelf.leave(self.shown, self.form)
            self.form = None
        self.shown = cfg
        if cfg is None:
            self.formed, self.title.value, self.place.children = None, "", ()
            self.about.clear()
            return
        key = key_of(cfg)
        if self.form is None or self.formed is None or self.formed[1] != key:
            self.form, self.complaint = self.shelf.take(cfg), ("", "")
            self.about.say(about(key[1]), "plain")
            self.place.children = (self.form,)
        self.formed = (at, key)
        self.title.value = f"{at + 1}. {name_of(cfg['type'])}"
        row = self.preview.rows[at]
        if self.complaint != (row.key, row.error):  # the same words need not be read out again
            self.complaint = (row.key, row.error)
            self.form.clear_errors()
            if row.error and not set(row.missing) & set(wrong_texts(self.form.rows)):
                self.form.show_error(row.key, row.error)

    def show_rest(self) -> None:
        """Show the sums, the fields below, and what can be pressed."""
        state, last = self.state, len(self.state.blueprint) - 1
        self.total.say(self.preview.summary(), "info")
        self.shape.value = ", ".join(map(str, state.input_shape))
        self.name.value = state.name
        self.buttons[USE].description = f"Use as `{state.name}`"
        for word in ("Duplicate", "Delete"):
            self.buttons[word].disabled = state.chosen is None
        self.buttons["Up"].disabled = state.selected <= 0
        self.buttons["Down"].disabled = state.selected in (-1, last)
        self.buttons["Undo"].disabled = not state.past
        self.buttons["Redo"].disabled = not state.future

    def list_kinds(self) -> None:
        """Bring both menus up to date: a class may have been registered since."""
        offer(self.kind, kind_options())
        self.list_types()

    @guarded
    def list_types(self, change: object = None) -> None:
        """List the types of the kind; for another kind, choose one that fits."""
        if (kind := self.kind.value) is not None:
            offer(self.type, kinds()[kind].module_dict)
            if change is not None:
                self.type.value = fitting(kind, self.preview, self.state) or self.type.value

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
            self.go(self.state.add(str(self.kind.value), str(self.type.value)))
        else:
            self.go(EDITS[word](self.state))

    @guarded
    def choose(self, change: Mapping[str, Any]) -> None:
        """Choose the brick that was clicked."""
        if change["new"] != self.state.selected:
            self.go(self.state.select(change["new"]))

    @guarded
    def fill(self, change: Mapping[str, Any]) -> None:
        """Take the arguments from the form, unless it is an old one."""
        form = self.form
        if form is not None and change["owner"] is form and self.state.chosen is not None:
            state = self.state.change(change["new"])
            if state.chosen is not None:
                self.shelf.keep(form, state.chosen)
                self.formed, self.shown = (state.selected, key_of(state.chosen)), state.chosen
            self.complaint = None  # the form may have taken it away
            self.go(state)

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

    def refuses(self, done: str) -> bool:
        """Say which field of which brick has a wrong text or none, and choose that brick."""
        for at, cfg in enumerate(self.state.blueprint.bricks):
            form = self.form if cfg is self.shown else self.shelf.draft(cfg)
            missing = dict.fromkeys(self.preview.rows[at].missing, "needs a value.")
            for path, problem in (wrong_texts(form.rows) if form else missing).items():
                self.go(self.state.select(at))
                self.notice.say(f"Brick {at + 1}, {path}: {problem} Nothing was {done}.")
                return True
        return False

    def use(self) -> None:
        """Build the model and hand it over; an error goes to its brick."""
        name, space = self.state.name, self.space()
        if space is not None and name in space and not isinstance(space[name], nn.Module):
            self.name_notice.say(TAKEN.format(name))
            return
        try:
            self.model = self.state.build()
        except ConfigError as error:
            self.go(self.state.select(int((re.findall(r"\d+", error.path) or ["0"])[0])))
            self.notice.say(f"Not built. {error}")
            return
        if space is None:
            self.notice.say("Built. It is the attribute `model` of this builder.", "info")
            return
        space[name] = self.model
        text = f"`{name}` is the new model. See how it starts: %brickbook show {name}"
        if self.preview.fits:
            self.notice.say(text, "info")
        else:
            self.notice.say(f"{text}\nIt cannot run yet: {self.preview.summary()}")

    def space(self) -> MutableMapping[str, Any] | None:
        """Return where the model goes: what was given, else the notebook's variables."""
        shell = get_ipython()
        return self.namespace if self.namespace is not None or shell is None else shell.user_ns

    def show_code(self, text: str) -> None:
        """Show a text below, and offer it to the clipboard of the page."""
        self.code.value = text
        self.code.layout.display = None
        self.notice.say("The text is below.", "info")
        self.bricks.send({"copy": text})

    @guarded
    def told(self, _widget: object, content: Mapping[str, Any], _buffers: object) -> None:
        """Say that the page has copied the text."""
        if content.get("copied"):
            self.notice.say("Copied to the clipboard; the text is also below.", "info")
