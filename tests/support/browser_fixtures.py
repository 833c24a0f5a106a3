"""A real JupyterLab and a real browser for tests; loaded by ``pytest_plugins``.

PYTEST_DONT_REWRITE: the doctest collector imports this file before the plugin does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from lab_server import Lab, running_lab
from notebook_pages import Stage, open_notebook

ARTIFACTS = Path(__file__).parent.parent / "artifacts"
# The scripts of our widgets come from blob: addresses.
OURS = ("brickbook", "widget", "plotly", "blob:")


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Start JupyterLab once."""
    with running_lab(tmp_path_factory.mktemp("jupyter")) as running:
        yield running


class Fence:
    """Lets a browser's context ask for nothing but the addresses of its ``own``, and takes notes.

    Errors that name one of ours, or that come from a widget's script, are in ``errors``, but for
    those that say one of the ``known``; what was asked of others, and refused, in ``strangers``.
    """

    def __init__(self, context: Any, *own: str, known: tuple[str, ...] = ()) -> None:
        self.own, self.known = (*own, "data:", "blob:"), known
        self.foreign_requests: list[str] = []
        self.errors: list[str] = []
        context.route(lambda url: not url.startswith(self.own), lambda route: route.abort())
        context.on("request", lambda request: self.ask(request.url))
        context.on("weberror", lambda it: self.receive(f"{it.error} {it.error.stack}"))
        context.on("console", lambda it: it.type == "error" and self.receive(
            f"{it.text} {it.location['url']}"
        ))  # fmt: skip
        context.on("dialog", lambda it: (self.errors.append(it.message), it.dismiss()))

    def ask(self, url: str) -> None:
        if not url.startswith(self.own):
            self.foreign_requests.append(url)

    def receive(self, text: str) -> None:
        if any(word in text.lower() for word in OURS) and not any(it in text for it in self.known):
            self.errors.append(text)

    def check(self) -> None:
        """Fail for what was noted since the last time."""
        noted = "\n".join((*self.foreign_requests, *self.errors))
        self.foreign_requests.clear()
        self.errors.clear()
        if noted:
            pytest.fail(f"What the page asked of others, or errors of ours:\n{noted}")


@contextmanager
def fenced(browser: Any, *own: str, known: tuple[str, ...] = ()) -> Iterator[tuple[Any, Fence]]:
    """Open a page behind a fence, which is checked at the end."""
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    fence = Fence(context, *own, known=known)
    page = context.new_page()
    page.set_default_timeout(60_000)
    try:
        yield page, fence
        fence.check()
        page.evaluate("globalThis.jupyterapp?.shell.currentWidget?.sessionContext?.shutdown()")
    finally:
        context.close()


@pytest.fixture
def page(browser, lab) -> Iterator[Any]:
    """A page that fails the test for an error of ours or a request to another host."""
    with fenced(browser, *lab.addresses) as (opened, _):
        yield opened


@pytest.fixture(scope="session")
def theatre(browser, lab) -> Iterator[tuple[Stage, Fence]]:
    """The notebook of all stages: loading a page, a kernel and torch takes ten seconds."""
    with fenced(browser, *lab.addresses) as (opened, fence):
        made = Stage(opened)
        open_notebook(opened, lab.notebook("stage.ipynb", ""), 1)
        made.play("%load_ext brickbook")
        yield made, fence


@pytest.fixture
def stage(theatre) -> Iterator[Stage]:
    """A notebook for one scene after another; fails the test as a page does."""
    made, fence = theatre
    made.clear()
    yield made
    fence.check()


@pytest.fixture
def shoot(request) -> Callable[[str], None]:
    """Keep a screenshot under tests/artifacts."""
    names = request.fixturenames
    page = request.getfixturevalue("stage").page if "stage" in names else None

    def keep(name: str) -> None:
        ARTIFACTS.mkdir(exist_ok=True)
        (page or request.getfixturevalue("page")).screenshot(path=ARTIFACTS / f"{name}.png")

    return keep
