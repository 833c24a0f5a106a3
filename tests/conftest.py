from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from process_state import kept_process_state
from seeds import seed_torch

os.environ["BRICKBOOK_LANGUAGE"] = "en"  # also of the servers that tests start

CHROMIUMS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


@pytest.fixture(autouse=True)
def process_as_it_was() -> Iterator[None]:
    """A test that leaves torch or the process changed fails itself, not the tests after it."""
    with kept_process_state():
        yield


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Every test draws the same numbers, whichever tests ran before it."""
    seed_torch(0)


def find_chromium() -> Path | None:
    """Return the Chromium to hand to a driver, None where there is none."""
    found = (shutil.which(name) for name in CHROMIUMS)
    return next((Path(path) for path in found if path), None)


@pytest.fixture(scope="session")
def chromium() -> Path:
    """The Chromium to hand to a driver; where there is none, skip, or fail if this is CI."""
    if found := find_chromium():
        return found
    message = "no Chromium found: install chromium or google-chrome to run the browser tests"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="session")
def browser(chromium: Path) -> Iterator[Any]:
    """One browser for all tests: a second driver cannot start in the same process."""
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=chromium, args=FLAGS)
        yield running
        running.close()
