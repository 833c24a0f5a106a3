"""A real JupyterLab and a real browser for tests; loaded by ``pytest_plugins``.

PYTEST_DONT_REWRITE: the doctest collector imports this file before the plugin does.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

SETTINGS = {
    "@jupyterlab/apputils-extension/themes.jupyterlab-settings": {"theme": "JupyterLab Light"},
    "@jupyterlab/apputils-extension/notification.jupyterlab-settings": {
        "fetchNews": "false",
        "checkForUpdates": False,
    },
}
ARTIFACTS = Path(__file__).parent.parent / "artifacts"


class Lab:
    """A running JupyterLab over a folder of its own."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.folder = url, folder

    def notebook(self, name: str, *cells: str) -> str:
        """Write a notebook of code cells and return the address that opens it alone."""
        made = {
            "cells": [
                {"cell_type": "code", "id": f"c{at}", "source": source, "metadata": {},
                 "outputs": [], "execution_count": None}
                for at, source in enumerate(cells)
            ],
            "metadata": {
                "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}
            },
            "nbformat": 4,
            "nbformat_minor": 5,
        }  # fmt: skip
        (self.folder / name).write_text(json.dumps(made))
        return f"{self.url}/doc/tree/{name}?reset"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Start JupyterLab once, with settings, runtime files and kernels under a folder of its own."""
    home = tmp_path_factory.mktemp("jupyter")
    folder = home / "notebooks"
    folder.mkdir()
    for name, setting in SETTINGS.items():
        file = home / "settings" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(setting))
    port = free_port()
    here = Path(__file__).parent.parent
    environment = os.environ | {
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "IPYTHONDIR": str(home / "ipython"),
        "PYTHONPATH": os.pathsep.join((str(here), os.environ.get("PYTHONPATH", ""))),
    }
    with (home / "log").open("w") as log:
        server = subprocess.Popen(
            [
                sys.executable, "-m", "jupyterlab", "--no-browser", f"--port={port}",
                "--ip=127.0.0.1", "--IdentityProvider.token=", "--allow-root",
                f"--ServerApp.root_dir={folder}", "--LabApp.expose_app_in_browser=True",
            ],
            stdout=log, stderr=subprocess.STDOUT, env=environment, cwd=folder,
        )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(240):
            try:
                urllib.request.urlopen(f"{url}/api", timeout=5).read()
                break
            except OSError:
                if server.poll() is not None:
                    pytest.fail(f"JupyterLab ended:\n{(home / 'log').read_text()[-2000:]}")
                time.sleep(0.25)
        else:
            pytest.fail(f"JupyterLab did not answer:\n{(home / 'log').read_text()[-2000:]}")
        yield Lab(url, folder)
    finally:
        server.terminate()
        server.wait(30)


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
