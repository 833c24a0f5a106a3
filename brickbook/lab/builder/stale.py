"""What the builder shows when the name means another model than the one that is shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from brickbook.lab.builder.words import builder_text
from brickbook.lab.widgets import Button, LeanLayout, Section

__all__ = ["BuilderStale"]


class BuilderStale(Section):
    """Says that the name is another model now, or the model of an earlier step.

    ``use_button`` takes the model that is shown, as the button below does.
    """

    message_position = 0

    def __init__(self, use: Callable[[Any], None]) -> None:
        self.use_button = Button(
            icon="refresh", layout=LeanLayout(width="auto", align_self="flex-start", display="none")
        )
        self.use_button.on_click(use)
        super().__init__(self.use_button)

    def update(
        self, namespace: Mapping[str, Any] | None, name: str, model: nn.Module | None, same: bool
    ) -> None:
        """Compare what ``name`` means with the ``model`` that was built, None for none.

        ``same`` says whether that is what the builder shows now.
        """
        text = ""
        if model is not None and namespace is not None and name in namespace:
            if namespace[name] is not model:
                text = builder_text("stale.rebound", name=name)
            elif not same:
                text = builder_text("stale.edited", name=name)
        self.use_button.description = builder_text("use", name=name) if text else ""
        self.use_button.layout.display = None if text else "none"
        if text or self.message:
            self.show_message(text)
