"""A real JupyterLab and a real browser for tests; loaded by ``pytest_plugins``.

PYTEST_DONT_REWRITE: the doctest collector imports this file before the plugin does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from lab_server import Lab, running_lab

ARTIFACTS = Path(__file__).parent.parent / "artifacts"


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Start JupyterLab once."""
    with running_lab(tmp_path_factory.mktemp("jupyter")) as running:
        yield running


@pytest.fixture
def page(browser, lab) -> Iterator[object]:
    """A page that fails the test for a console error or a request to another host."""
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    opened = context.new_page()
    opened.set_default_timeout(60_000)
    strangers: list[str] = []
    errors: list[str] = []
    opened.on(
        "request",
        lambda request: (
            None
            if request.url.startswith((lab.url, lab.url.replace("http", "ws"), "data:", "blob:"))
            else strangers.append(request.url)
        ),
    )
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.on(
        "console",
        lambda said: errors.append(said.text) if said.type == "error" else None,
    )
    yield opened
    context.close()
    assert strangers == []
    assert [
        text for text in errors if "brickbook" in text.lower() or "widget" in text.lower()
    ] == []


@pytest.fixture
def run_all(page) -> Callable[[str], None]:
    """Open a notebook and run all its cells."""

    def run(address: str) -> None:
        page.goto(address)
        page.locator(".jp-Notebook").wait_for()
        page.locator(".jp-Notebook-ExecutionIndicator[data-status='idle']").wait_for(timeout=60_000)
        page.keyboard.press("Escape")
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()

    return run


@pytest.fixture
def shoot(page, request) -> Callable[[str], None]:
    """Keep a screenshot under tests/artifacts."""

    def keep(name: str) -> None:
        ARTIFACTS.mkdir(exist_ok=True)
        page.screenshot(path=ARTIFACTS / f"{name}.png")

    return keep
