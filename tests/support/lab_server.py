"""A real JupyterLab over a folder of its own: for the browser tests, and for what measures them."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["Lab", "free_port", "running_lab"]

SETTINGS = {
    "@jupyterlab/apputils-extension/themes.jupyterlab-settings": {"theme": "JupyterLab Light"},
    "@jupyterlab/apputils-extension/notification.jupyterlab-settings": {
        "fetchNews": "false",
        "checkForUpdates": False,
    },
}


class Lab:
    """A running JupyterLab over a folder of its own."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.folder = url, folder
        self.addresses = url, url.replace("http", "ws")

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


@contextmanager
def running_lab(home: Path) -> Iterator[Lab]:
    """Run JupyterLab, with settings, runtime files and kernels in ``home``."""
    folder = home / "notebooks"
    folder.mkdir()
    for name, setting in SETTINGS.items():
        file = home / "settings" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(setting))
    port = free_port()
    here = Path(__file__).parent
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
                "--JupyterNotebookApp.expose_app_in_browser=True",
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
                    raise RuntimeError(
                        f"JupyterLab ended:\n{(home / 'log').read_text()[-2000:]}"
                    ) from None
                time.sleep(0.25)
        else:
            raise RuntimeError(f"JupyterLab did not answer:\n{(home / 'log').read_text()[-2000:]}")
        yield Lab(url, folder)
    finally:
        server.terminate()
        server.wait(30)
