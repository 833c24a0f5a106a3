"""Widgets that cost a page little: a panel has a hundred models, and each is a message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ipywidgets as w
import traitlets

__all__ = ["Button", "HTMLText", "Label", "LeanLayout", "LeanWidget", "full_width", "icon_button"]

# A page knows the view of a model by the model's class.
VIEW_KEYS = frozenset({"_view_module", "_view_module_version", "_view_name"})
Base = w.Widget if TYPE_CHECKING else traitlets.HasTraits


class LeanWidget(Base):
    """A widget that sends only what is set: None is what the page begins with."""

    def get_state(self, key: Any = None, drop_defaults: bool = False) -> dict[str, Any]:
        """Return what is sent to the page; what is asked for by ``key`` even if it is not set."""
        state = super().get_state(key, drop_defaults)
        if key is not None:
            return state
        return {k: v for k, v in state.items() if v is not None and k not in VIEW_KEYS}


class LeanLayout(LeanWidget, w.Layout):
    """A layout. A plain one also lists the forty things that are not set: a kilobyte."""


class Unstyled(LeanWidget):
    """A widget without a model for its style: it looks as the page has it."""

    style = traitlets.Any()


class HTMLText(Unstyled, w.HTML):
    """Text with markup."""


class Label(Unstyled, w.Label):
    """Plain text."""


class Button(Unstyled, w.Button):
    """A button."""


def full_width(**layout: Any) -> LeanLayout:
    """Return a layout as wide as there is room."""
    return LeanLayout(width="auto", **layout)


def icon_button(icon: str, tooltip: str, layout_from: w.Button | None = None) -> Button:
    """Return a small square button; the tooltip is its name for a screen reader too.

    It shares its layout with the button ``layout_from``.
    """
    if layout_from is None:
        layout = LeanLayout(width="2.4em", flex="0 0 auto", padding="0")
    else:
        layout = layout_from.layout
    return Button(icon=icon, tooltip=tooltip, layout=layout)
