"""One box that finds a type by a few letters and adds it, by keys or the mouse."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import anywidget
import ipywidgets as w
import traitlets

from brickbook.lab.builder.menus import kind_label
from brickbook.lab.builder.search.find import find_types, split_words
from brickbook.lab.builder.words import builder_text
from brickbook.views.grid.bundle import ScriptBundle, StyleBundle

__all__ = ["SearchBox"]

HERE = Path(__file__).parent
SEARCH_JS = ScriptBundle(("search_box.js",), HERE)
SEARCH_CSS = StyleBundle(("search_box.css",), HERE)


class SearchBox(anywidget.AnyWidget):
    """A text field with a list of the types that the text may mean.

    The page writes ``text`` and reads ``options``; Enter, or a click on one of them, sends
    ``{"add": text, "chosen": "kind name" or ""}``, which ``on_add`` gets as two arguments.

    Args:
        on_add: Adds a brick; an error that it raises is shown by whoever owns the box.
        shape_after: Returns the shape that a new brick would get; None if it is not known.
    """

    _esm = SEARCH_JS.read_text()
    _css = SEARCH_CSS.read_text()
    text = traitlets.Unicode().tag(sync=True)
    options = traitlets.List(traitlets.Dict()).tag(sync=True)
    words = traitlets.Dict().tag(sync=True)

    def __init__(self, on_add: Callable[[str, str], None], shape_after: Callable[[], Any]) -> None:
        self.on_add, self.shape_after = on_add, shape_after
        keys = ("search", "search_hint")
        layout = w.Layout(flex="1 1 16em", min_width="0")
        super().__init__(words={key: builder_text(key) for key in keys}, layout=layout)
        self.on_msg(self.on_message)

    @traitlets.observe("text")
    def update_options(self, _change: object) -> None:
        """List what the text may mean."""
        word = (split_words(self.text) or [""])[0]
        self.options = [
            {"value": f"{found.kind} {found.name}", "name": found.name,
             "kind": kind_label(found.kind)}
            for found in find_types(word, self.shape_after())
        ]  # fmt: skip

    def on_message(self, _widget: object, content: Mapping[str, Any], _buffers: object) -> None:
        """Add what was asked for."""
        if "add" in content:
            self.on_add(str(content["add"]), str(content.get("chosen", "")))
