"""A notebook in a real browser, measured from inside the page."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

TESTS = Path(__file__).parent.parent
sys.path[:0] = [str(TESTS), str(TESTS / "support")]

import conftest  # noqa: E402
from lab_server import Lab, running_lab  # noqa: E402

__all__ = ["Bench", "Notebook", "bench_or_reason"]

IDLE = ".jp-Notebook-ExecutionIndicator[data-status='idle']"

# Runs a cell and waits until so many elements are new; the answer is the time that took in ms.
RUN = """async ([at, wanted]) => {
  const notebook = jupyterapp.shell.currentWidget.content;
  notebook.activeCellIndex = at;
  notebook.deselectAll();
  const found = (selector) => [...document.querySelectorAll(selector)];
  const old = new Set(Object.keys(wanted).flatMap(found));
  const there = ([selector, count]) =>
    found(selector).filter((one) => !old.has(one)).length >= count;
  const frame = () => new Promise(requestAnimationFrame);
  const start = performance.now();
  const run = jupyterapp.commands.execute("notebook:run-cell");
  while (!Object.entries(wanted).every(there)) {
    if (performance.now() - start > 60000) throw new Error("the cell does not show it");
    await frame();
  }
  await frame(); // what there is has been painted when the next one begins
  const took = performance.now() - start;
  await run;
  return took;
}"""


class Notebook:
    """An open notebook: what it received, whom it asked, what went wrong, how much it holds."""

    def __init__(self, context: Any, lab: Lab, name: str, cells: tuple[str, ...]) -> None:
        self.received, self.foreign_requests, self.errors = 0, [], []
        self.page = context.new_page()
        self.page.set_default_timeout(60_000)
        self.own = (lab.url, lab.url.replace("http", "ws"), "data:", "blob:")
        self.listen()
        self.devtools = context.new_cdp_session(self.page)
        self.page.goto(lab.notebook(f"{name}.ipynb", *cells))
        self.page.locator(".jp-CodeCell").nth(len(cells) - 1).wait_for()
        self.page.locator(IDLE).wait_for()
        self.page.wait_for_function(
            "() => [...jupyterapp.serviceManager.sessions.running()].length > 0"
        )
        self.page.wait_for_timeout(1000)

    def listen(self) -> None:
        """Count what comes over the websockets, requests to other hosts, and errors."""

        def count(frame: str | bytes) -> None:
            self.received += len(frame if isinstance(frame, bytes) else frame.encode())

        def ask(request: Any) -> None:
            if not request.url.startswith(self.own):
                self.foreign_requests.append(request.url)

        def receive(sentences: Any) -> None:
            if sentences.type == "error":
                self.errors.append(sentences.text)

        self.page.on("websocket", lambda socket: socket.on("framereceived", count))
        self.page.on("request", ask)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", receive)

    def run(self, at: int, wanted: Mapping[str, int] | None = None) -> float:
        """Run a cell in its place; return the seconds until new elements are painted.

        ``wanted`` are the numbers of new elements, by selector.
        """
        return self.page.evaluate(RUN, [at, dict(wanted or {})]) / 1000

    def heap(self) -> float:
        """Return the megabytes that JavaScript holds, without what it could let go."""
        self.page.wait_for_timeout(1000)
        for _ in range(3):
            self.devtools.send("HeapProfiler.collectGarbage")
        return self.devtools.send("Runtime.getHeapUsage")["usedSize"] / 1e6


class Bench:
    """A running JupyterLab and a running browser."""

    def __init__(self, lab: Lab, browser: Any) -> None:
        self.lab, self.browser = lab, browser
        self.foreign_requests: list[str] = []
        self.errors: list[str] = []

    @contextmanager
    def notebook(self, name: str, *cells: str) -> Iterator[Notebook]:
        """Open a notebook, in a browser that has seen none before."""
        context = self.browser.new_context(viewport={"width": 1280, "height": 1000})
        try:
            opened = Notebook(context, self.lab, name, cells)
            yield opened
            self.foreign_requests += opened.foreign_requests
            self.errors += opened.errors
        finally:
            context.close()


@contextmanager
def bench_or_reason() -> Iterator[Bench | str]:
    """Start both; where that cannot be, give the reason in a line."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        yield "playwright is not installed"
        return
    chromium = conftest.find_chromium()
    if chromium is None:
        yield "no Chromium found"
        return
    with ExitStack() as stack:
        home = stack.enter_context(TemporaryDirectory())
        driver = stack.enter_context(sync_playwright())
        lab = stack.enter_context(running_lab(Path(home)))
        browser = driver.chromium.launch(executable_path=chromium, args=conftest.FLAGS)
        stack.callback(browser.close)
        yield Bench(lab, browser)
