"""A server, a cache and files for the tests of checkpoints.

Loaded by ``pytest_plugins``: folders of tests are no packages, and among such folders the doctest
collector allows one conftest.py. It imports this file before the plugin does: PYTEST_DONT_REWRITE.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from checkpoint_support import save


@dataclass
class Page:
    """What the server answers under one path."""

    body: bytes = b""
    status: int = 200
    sent: int | None = None  # break off after so many bytes
    location: str = ""


@dataclass
class Server:
    url: str
    pages: dict[str, Page] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def put(self, name: str, body: bytes = b"", **how) -> str:
        """Serve a page and return its URL; ``#`` in the name becomes the body's hash."""
        name = name.replace("#", hashlib.sha256(body).hexdigest()[:8])
        self.pages[f"/{name}"] = Page(body, **how)
        return f"{self.url}/{name}"


class Handler(BaseHTTPRequestHandler):
    server: Listener

    def do_GET(self) -> None:
        known = self.server.known
        known.asked.append(self.path)
        page = known.pages.get(self.path, Page(status=404))
        self.send_response(page.status)
        self.send_header("Content-Length", str(len(page.body)))
        if page.location:
            self.send_header("Location", page.location)
        self.end_headers()
        self.wfile.write(page.body[: page.sent])

    def log_message(self, *_: object) -> None:
        pass


class Listener(ThreadingHTTPServer):
    known: Server


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "*")
    with Listener(("127.0.0.1", 0), Handler) as listener:
        listener.known = Server(f"http://127.0.0.1:{listener.server_address[1]}")
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield listener.known
        listener.shutdown()
        thread.join()


@pytest.fixture
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of an empty cache."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("BRICKBOOK_HOME", str(home))
    return home


@pytest.fixture
def in_cache(cache: Path):
    """Return the names of the files in the cache."""
    return lambda: sorted(file.name for file in cache.rglob("*") if file.is_file())


@pytest.fixture
def write(tmp_path: Path):
    """Write a file in the format that its name says, and return its path."""
    return lambda content, name="zip.pth": save(content, tmp_path / name)


@pytest.fixture
def file(tmp_path: Path) -> str:
    """Return the path of a file to be written."""
    return str(tmp_path / "a.pth")
