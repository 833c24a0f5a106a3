"""The tabs of the init lab: one is open, each is made when it is opened first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import ipywidgets as w

from brickbook.i18n import Texts
from brickbook.lab.init.tabs.lab_state import LabActions, LabState
from brickbook.lab.init.tabs.law import LawTab
from brickbook.lab.init.tabs.network import NetworkTab
from brickbook.lab.init.tabs.race import RaceTab
from brickbook.lab.init.tabs.signals import SignalsTab
from brickbook.lab.init.tabs.triple import TripleTab
from brickbook.lab.init.tabs.weights import WeightsTab
from brickbook.lab.widgets import Section, full_width, reports_errors
from brickbook.lab.widgets.tab_bar import TabBar

__all__ = ["TABS", "MakesTab", "Tabs"]


class MakesTab(Protocol):
    """A class of sections, each with a method ``show(state)``."""

    def __call__(self, texts: Texts, actions: LabActions) -> Any:
        """Make the section; quick, because the reader waits: what takes time comes by ``show``."""
        ...


# From the left. A further tab is a row here and the text "tabs.KEY" in both languages. Its class is
# a `Section` made of (texts, actions), with one method:
#
#     def show(self, state: LabState) -> None
#
# It is called when the tab is opened and, while it is open, whenever something has changed: rules,
# report, weights, variants, input. It is called often with what is known already (compare what it
# depends on), from any thread, under PANEL_LOCK: work of more than 50 ms belongs into a
# `JobProgress`. What it raises is shown in the tab. ``close()`` stops its work.
# One whose work runs by itself has also ``pause()`` and ``resume()``, called before and after a
# cell of the user's.
TABS: Mapping[str, MakesTab] = {
    "signals": SignalsTab,
    "weights": WeightsTab,
    "triple": TripleTab,
    "network": NetworkTab,
    "race": RaceTab,
    "law": LawTab,
}


class Tabs(Section):
    """A row of tabs, and the one that is open.

    ``sections`` are those made so far, by name; ``bar`` is the row, ``selected`` the open one;
    what is ``beside`` stands in the row too.
    """

    message_position = 2

    def __init__(
        self,
        texts: Texts,
        actions: LabActions,
        table: Mapping[str, MakesTab] = TABS,
        beside: tuple[w.Widget, ...] = (),
    ) -> None:
        self.texts, self.actions, self.table = texts, actions, table
        self.sections: dict[str, Any] = {}
        self.state: LabState | None = None
        self.shown: dict[str, LabState] = {}
        self.bar = TabBar(
            names=list(table),
            labels=[texts[f"tabs.{key}"] for key in table],
            selected=next(iter(table)),
            hint=texts["tabs.hint"],
            gone=texts["live.gone"],
            layout=full_width(flex="1 1 auto"),
        )
        self.content = w.Box(layout=full_width(display="block"))
        self.content.add_class("bb-tab-content")
        row = w.HBox(
            [self.bar, *beside],
            layout=full_width(flex_flow="row wrap", align_items="center"),
        )
        super().__init__(row, self.content)
        self.add_class("bb-tabs")
        self.bar.observe(self.on_select, "selected")

    @property
    def selected(self) -> str:
        """The name of the open tab."""
        return self.bar.selected

    def section(self, name: str) -> Any:
        """Return the section of a tab, made if it was never opened, and brought up to date."""
        made = self.made_section(name)
        if self.state is not None and self.shown.get(name) is not self.state:
            self.shown[name] = self.state
            made.show(self.state)
        return made

    def made_section(self, name: str) -> Any:
        """Return the section of a tab as it is."""
        if name not in self.sections:
            self.sections[name] = self.table[name](self.texts, self.actions)
        return self.sections[name]

    def open_tab(self, name: str) -> None:
        """Open a tab."""
        self.bar.selected = name

    def show(self, state: LabState) -> None:
        """Show the panel as it is now, in the open tab."""
        self.state = state
        self.show_open()

    @reports_errors
    def on_select(self, _change: object) -> None:
        """Show another tab."""
        self.show_message("")
        self.show_open()

    @reports_errors
    def show_open(self) -> None:
        """Show the open tab, with the state at hand."""
        shown = self.made_section(self.selected)
        if self.content.children != (shown,):
            self.content.children = (shown,)
        self.section(self.selected)

    def pause(self) -> None:
        """Stop what runs by itself: a cell of the user's begins."""
        for section in self.sections.values():
            if hasattr(section, "pause"):
                section.pause()

    def resume(self) -> None:
        """Go on with it."""
        for section in self.sections.values():
            if hasattr(section, "resume"):
                section.resume()

    def close(self) -> None:
        """Stop and close all tabs, also those that are not open."""
        for section in self.sections.values():
            section.close()
        super().close()
