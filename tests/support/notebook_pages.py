"""Notebooks in a page of a browser: open one, run cells in it, ask its kernel."""

from __future__ import annotations

import re
from typing import Any

__all__ = [
    "IDLE",
    "Stage",
    "open_notebook",
    "open_rule",
    "open_tab",
    "run_cell",
    "theme",
    "wait_for_value",
]

IDLE = "jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"
PLAY = """async (source) => {
  const { content } = jupyterapp.shell.currentWidget;
  content.widgets[0].model.sharedModel.setSource(source);
  content.activeCellIndex = 0;
  await jupyterapp.commands.execute("notebook:run-cell");
}"""
CELLS = """(sources) => {
  const { sharedModel } = jupyterapp.shell.currentWidget.content.model;
  const { length } = sharedModel.cells;
  sharedModel.insertCells(
    length, sources.map((source) => ({ cell_type: "code", source, metadata: {} })));
  sharedModel.deleteCellRange(0, length);
}"""
ASK = """async (expression) => {
  const { kernel } = jupyterapp.shell.currentWidget.sessionContext.session;
  const asked = { code: "", store_history: false, user_expressions: { it: expression } };
  const { it } = (await kernel.requestExecute(asked).done).content.user_expressions;
  return it.status === "ok" ? it.data["text/plain"] : `${it.ename}: ${it.evalue}`;
}"""
CLEAR = "(__import__('ipywidgets').Widget.close_all(), get_ipython().reset(new_session=True))[-1]"
# How light the paper of the notebook is, from 0 to 255.
PAPER = """Math.max(...getComputedStyle(document.querySelector(".jp-Notebook"))
  .backgroundColor.match(/[0-9]+/g).slice(0, 3))"""


def open_notebook(page: Any, address: str, cells: int) -> None:
    """Open a notebook and wait for its cells and its kernel."""
    page.goto(address)
    page.wait_for_function("globalThis.jupyterapp?.shell.currentWidget?.context?.isReady")
    page.locator(".jp-CodeCell").nth(cells - 1).wait_for()
    page.wait_for_function(IDLE)


def open_tab(page: Any, name: str) -> None:
    """Open a tab of an init lab."""
    page.get_by_role("tab", name=name).click()


def open_rule(page: Any, number: int) -> None:
    """Open the card of a rule of an init lab."""
    page.locator("button", has_text=re.compile(rf"^\s*(⚠ )?{number} ")).click()


def run_cell(page: Any, at: int) -> None:
    """Click into a cell and press Shift-Enter."""
    page.locator(".jp-CodeCell .jp-InputArea .cm-content").nth(at).click()
    page.keyboard.press("Shift+Enter")


def wait_for_value(page: Any, expression: str, value: object) -> None:
    """Wait until an expression has a value in the kernel: widgets send their changes one by one."""
    for _ in range(100):
        found = page.evaluate(ASK, f"repr({expression})")  # a text, which is not broken into lines
        if found == repr(repr(value)):
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"{found} instead of {value!r}")


def theme(page: Any, name: str) -> None:
    """Change the theme; its colours come after its name, and the notebook after them."""
    page.evaluate(f"jupyterapp.commands.execute('apputils:change-theme', {{theme: '{name}'}})")
    page.locator(f"body[data-jp-theme-name='{name}']").wait_for(state="attached")
    page.wait_for_function(f"() => {PAPER} {'>' if 'Light' in name else '<'} 128")
    page.locator("#jupyterlab-splash").wait_for(state="detached")  # it covers the page


class Stage:
    """An open notebook in which one scene after another is played by one kernel.

    ``received`` counts the bytes that the page got through its websockets.
    """

    def __init__(self, page: Any) -> None:
        self.page = page
        self.received = 0
        self.size = page.viewport_size
        page.on("websocket", lambda socket: socket.on("framereceived", self.count))

    def count(self, frame: str | bytes) -> None:
        """Add what came through a websocket."""
        self.received += len(frame if isinstance(frame, bytes) else frame.encode())

    def clear(self) -> None:
        """Leave one empty cell, no widget, no name and no output of the kernel, as at the start."""
        self.set_cells("")
        self.page.set_viewport_size(self.size)
        if self.page.locator("body[data-jp-theme-light='true']").count() == 0:
            theme(self.page, "JupyterLab Light")
        assert self.ask(CLEAR) == "None"

    def set_cells(self, *sources: str) -> Any:
        """Put these cells in the place of those before, without running them; return the page."""
        self.page.evaluate(CELLS, sources)
        cells = self.page.locator(".jp-CodeCell")
        cells.nth(len(sources) - 1).wait_for()
        self.page.wait_for_function(
            "count => document.querySelectorAll('.jp-CodeCell').length === count", arg=len(sources)
        )
        return self.page

    def play(self, source: str) -> Any:
        """Run a source in the place of the one before, and return the cell."""
        self.page.evaluate(PLAY, source)
        cell = self.page.locator(".jp-CodeCell")
        errors = cell.locator("[data-mime-type='application/vnd.jupyter.error']")
        assert errors.all_inner_texts() == []
        return cell

    def again(self) -> None:
        """Run the cell once more."""
        self.page.evaluate("jupyterapp.commands.execute('notebook:run-cell')")

    def ask(self, expression: str) -> str:
        """Return how the kernel writes the value of an expression."""
        return self.page.evaluate(ASK, expression)
