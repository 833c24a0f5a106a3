"""What leaves the builder: the model into the notebook, its config as text."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from IPython.core.getipython import get_ipython
from torch import nn

from brickbook.errors import ConfigError
from brickbook.lab.builder_places import path_in
from brickbook.lab.builder_side import BuilderSide
from brickbook.lab.builder_state import BuilderState
from brickbook.lab.builder_texts import say
from brickbook.lab.rows import wrong_texts

__all__ = ["Delivery"]


class Delivery(BuilderSide):
    """Hands the model over, unless a field has a wrong text or none."""

    def __init__(
        self, state: BuilderState, namespace: MutableMapping[str, Any] | None = None
    ) -> None:
        super().__init__(state)
        self.namespace = namespace
        self.model: nn.Module | None = None

    def refuses(self, done: str) -> bool:
        """Say which field of which brick has a wrong text or none, and choose that brick."""
        for path, cfg in self.state.blueprint.walk():
            form = self.form if cfg is self.shown else self.shelf.draft(cfg)
            line = self.preview.at(path)
            missing = dict.fromkeys(line.missing, say("needs value"))
            for key, problem in (wrong_texts(form.rows) if form else missing).items():
                self.go(self.state.select(path))
                words = {"brick": line.number, "path": key, "problem": problem}
                self.notice.say(say(f"refused.{done}", **words))
                return True
        return False

    def use(self) -> None:
        """Build the model and hand it over; an error goes to its brick."""
        name, space = self.state.name, self.space()
        if space is not None and name in space and not isinstance(space[name], nn.Module):
            self.name_notice.say(say("taken", name=name))
            return
        try:
            self.model = self.state.build()
        except ConfigError as error:
            self.go(self.state.select(path_in(error.path) or self.state.selected))
            self.notice.say(say("not built", error=error))
            return
        if space is None:
            self.notice.say(say("built"), "info")
            return
        space[name] = self.model
        text = say("new model", name=name)
        if self.preview.fits:
            self.notice.say(text, "info")
        else:
            self.notice.say(f"{text}\n{say('cannot run', summary=self.preview.summary())}")

    def space(self) -> MutableMapping[str, Any] | None:
        """Return where the model goes: what was given, else the notebook's variables."""
        shell = get_ipython()
        return self.namespace if self.namespace is not None or shell is None else shell.user_ns

    def show_code(self, text: str) -> None:
        """Show a text below, and offer it to the clipboard of the page."""
        self.code.value = text
        self.code.layout.display = None
        self.notice.say(say("below"), "info")
        self.bricks.send({"copy": text})
