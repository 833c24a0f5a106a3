"""Widgets that cost a page little: a panel has a hundred models, and each is a message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ipywidgets as w
import traitlets

__all__ = ["Button", "Label", "Slim", "Terse", "Words"]

# The page's class of a model knows its own view.
KNOWN = frozenset({"_view_module", "_view_module_version", "_view_name"})

Base = w.Widget if TYPE_CHECKING else traitlets.HasTraits


class Terse(Base):
    """What tells the page only what is set: what is None here is so there from the start."""

    def get_state(self, key: Any = None, drop_defaults: bool = False) -> dict[str, Any]:
        """Return what the page is told; what is asked for by ``key`` even if it is not set."""
        state = super().get_state(key, drop_defaults)
        if key is not None:
            return state
        return {k: v for k, v in state.items() if v is not None and k not in KNOWN}


class Slim(Terse, w.Layout):
    """A layout. A plain one also lists the forty things that are not set: a kilobyte."""


class Unstyled(Terse):
    """What has no style makes no model for one: it looks as the page has it."""

    style = traitlets.Any()


class Words(Unstyled, w.HTML):
    """Text with markup."""


class Label(Unstyled, w.Label):
    """Plain text."""


class Button(Unstyled, w.Button):
    """A button."""
