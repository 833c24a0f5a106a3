"""What the panel shows beside a model that is not what its name says any more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import ipywidgets as w
from IPython.core.getipython import get_ipython
from torch import nn

from brickbook.i18n import Texts
from brickbook.lab.init.session import model_of_name, name_rebound
from brickbook.lab.widgets import Button, LeanLayout, Section, reports_errors

__all__ = ["StaleNotice", "current_cell", "find_namespace"]


class StaleNotice(Section):
    """Says that the name means another model, or that layers, code or mode are others now.

    ``take`` shows another model in the panel's place: the button ``take_button`` calls it with
    the one that the name means, or with this one as it is now.
    """

    message_position = 0

    def __init__(
        self,
        namespace: Mapping[str, Any],
        name: str,
        model: nn.Module,
        switch_model: Callable[[nn.Module], None],
        texts: Texts,
    ) -> None:
        self.namespace, self.name, self.model, self.switch_model = (
            namespace,
            name,
            model,
            switch_model,
        )
        self.texts = texts
        self.layers, self.code, self.mode = layers_of(model), code_of(model), mode_of(model)
        self.take_button = Button(
            description=texts["stale.take"],
            icon="refresh",
            tooltip=texts["stale.take_tip"],
            layout=LeanLayout(width="auto", align_self="flex-start", display="none"),
        )
        self.take_button.on_click(self.on_take)
        super().__init__(self.take_button)

    def problem(self) -> str:
        """Return why the model is not to be written or run; "" if nothing is against it."""
        if name_rebound(self.namespace, self.name, self.model):
            return self.texts("init.name_rebound", name=self.name)
        return ""

    @reports_errors
    def look_again(self, has_run: bool) -> bool:
        """Say what has changed; True if a batch that ran before, if one has, says nothing of it."""
        layers, code, mode = layers_of(self.model), code_of(self.model), mode_of(self.model)
        changed = (layers, code, mode) != (self.layers, self.code, self.mode)
        kind = type(self.model)
        defined = self.namespace.get(kind.__name__)
        found, can_take = self.problem(), True
        if not found and layers != self.layers:
            found = self.texts("stale.layers", name=self.name)
        elif not found:
            can_take = False
            is_class = isinstance(defined, type) and defined.__module__ == kind.__module__
            if is_class and defined is not kind:
                found = self.texts("stale.class", name=self.name, kind=kind.__name__)
            elif has_run and code != self.code:
                found = self.texts("stale.code", name=self.name)
            elif has_run and mode != self.mode:
                found = self.texts(f"stale.{mode_word(mode)}", name=self.name)
        self.code, self.mode = code, mode
        self.take_button.layout.display = None if found and can_take else "none"
        if found or not changed:
            self.show_message(found)
        return changed

    @reports_errors
    def on_take(self, _button: w.Button) -> None:
        """Show the model that the name means now."""
        found = model_of_name(self.namespace, self.name)
        self.switch_model(found if found is not None else self.model)


def find_namespace(
    namespace: Mapping[str, Any] | None, name: str, model: nn.Module
) -> Mapping[str, Any]:
    """Return the variables among which a name means a model: those given, or the notebook's."""
    shell = get_ipython()
    if namespace is None and shell is not None and model_of_name(shell.user_ns, name) is model:
        return shell.user_ns
    return namespace or {}


def current_cell() -> str | None:
    """Return the id of the notebook cell that runs; None where there is none, or it has none."""
    kernel = getattr(get_ipython(), "kernel", None)
    parent = kernel.get_parent() if kernel is not None else {}
    return parent.get("metadata", {}).get("cellId")


def layers_of(model: nn.Module) -> list[tuple[str, type]]:
    """Return the name and the class of every module."""
    return [(name, type(part)) for name, part in model.named_modules()]


def code_of(model: nn.Module) -> list[Any]:
    """Return what every module runs: its own ``forward`` or that of its class."""
    return [vars(part).get("forward") or type(part).forward for part in model.modules()]


def mode_of(model: nn.Module) -> list[bool]:
    """Return whether each module is in training mode."""
    return [part.training for part in model.modules()]


def mode_word(mode: list[bool]) -> str:
    """Return "train", "eval", or "mixed" where the parts differ."""
    return "train" if all(mode) else "mixed" if any(mode) else "eval"
