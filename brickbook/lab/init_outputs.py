"""What the init lab gives away: its rules as Python, a still page, files."""

from __future__ import annotations

import os
from html import escape
from pathlib import Path
from typing import Any

import ipywidgets as w

from brickbook.init.report import InitReport
from brickbook.lab.init_actions import InitActions
from brickbook.lab.init_exports import Exports, Shown
from brickbook.lab.init_words import plan_table, result, size_text
from brickbook.lab.panels import guarded
from brickbook.markup import table
from brickbook.measure.comparisons import Comparison
from brickbook.views.exports import export
from brickbook.views.markup import Static, static

__all__ = ["InitOutputs"]

FALLBACK_ROWS = 12


class InitOutputs(InitActions):
    """The part of the init lab that needs no kernel afterwards; `InitLab` lays it out."""

    exports: Exports | None = None  # made when it is asked for

    @property
    def comparison(self) -> Comparison:
        """The numbers of every tensor before and after the last Initialize."""
        return self.session.comparison

    @property
    def report(self) -> InitReport | None:
        """What the last Initialize did; None before it and after Undo."""
        return self.session.report

    def python(self) -> str:
        """Return the rules and the seed as Python that runs as pasted."""
        return self.rules.state.to_python(self.name)

    def headline(self) -> str:
        """Say what model it is, and how large."""
        values = sum(p.latest.count for p in self.comparison.values() if p.kind == "parameter")
        return self.texts(
            "init.title",
            name=self.name,
            kind=type(self.model).__name__,
            parameters=self.count(),
            values=size_text(values),
        )

    def count(self) -> str:
        """Say how many parameters there are."""
        own = sum(pair.kind == "parameter" for pair in self.comparison.values())
        return self.texts("grid.parameters", n=own)

    def static(self) -> Static:
        """Return what the panel shows as fixed HTML, for viewers without a kernel or widgets."""
        told = self.texts["static.nothing"]
        if self.report is not None:
            told = result(self.report, self.texts)
        return static(
            self.comparison,
            self.plan,
            self.report,
            title=self.title.value,
            told=told,
            language=self.texts.language,
        )

    def export(self, file: str | os.PathLike[str], *, force: bool = False) -> Path:
        """Write what the panel shows to a file: .html, .svg, .png, .csv or .json; see `export`."""
        return export(self, file, force=force, title=self.title.value)

    @guarded
    def press_export(self, _button: w.Button) -> None:
        """Unfold the formats of files below the buttons, or fold them."""
        if self.exports is not None:
            self.exports.fold()
            return
        self.exports = Exports(self.name, self.shown, self.texts)
        parts = list(self.children)
        parts.insert(parts.index(self.bar) + 1, self.exports)
        self.children = parts

    def shown(self) -> tuple[Shown, str]:
        """Return what the panel shows now, as a value, and its title."""
        return Shown(self.comparison, self.plan, self.report), self.title.value

    def __repr__(self) -> str:
        return f"InitLab({self.name}: {self.count()})"

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        """Show the panel; where there are no widgets, the plan and what to do."""
        bundle = super()._repr_mimebundle_(**kwargs)
        return {**(bundle or {}), "text/html": self.fallback()}

    def fallback(self) -> str:
        """Return what a saved notebook shows of a panel whose kernel is gone: a few kilobytes.

        The same for the same rules: no number of the weights is in it, which may be drawn anew.
        """
        words = (self.title.value, self.texts["live.fallback"])
        told = "".join(f"<p>{escape(text)}</p>" for text in words)
        if self.plan is None:
            return told
        rest = self.texts["plan.more"]
        return told + table(*plan_table(self.plan, self.texts), shown=FALLBACK_ROWS, rest=rest)
