"""A server, a cache and files for the tests of checkpoints.

Loaded by ``pytest_plugins``: folders of tests are no packages, and among such folders the doctest
collector allows one conftest.py. It imports this file before the plugin does: PYTEST_DONT_REWRITE.
"""

from __future__ import annotations

import hashlib
import threading
import time
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
    sent: int | None = None  # break off after so many bytes of an answer
    breaks: int = 1 << 30  # so many times, then no more
    location: str = ""
    ranges: bool = False  # whether a part may be asked for
    headers: dict[str, str] = field(default_factory=dict)
    pause: float = 0  # seconds in the middle of the body


@dataclass
class Server:
    url: str
    pages: dict[str, Page] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    parts: list[str | None] = field(default_factory=list)  # what of each was asked for

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
        known.parts.append(self.headers.get("Range"))
        page = known.pages.get(self.path, Page(status=404))
        body, status, headers = page.body, page.status, dict(page.headers)
        if page.ranges and status == 200 and self.fresh(page):
            body, status, more = part_of(body, self.headers.get("Range"))
            headers.update(more)
        if page.breaks <= 0:
            page.sent, page.pause = None, 0
            if page.status >= 400:
                body, status = page.body, 200
        page.breaks -= 1
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        if page.location:
            self.send_header("Location", page.location)
        self.end_headers()
        half = len(body) // 2 if page.pause else 0
        self.wfile.write(body[:half])
        time.sleep(page.pause)
        self.wfile.write(body[half : page.sent])

    def do_HEAD(self) -> None:
        page = self.server.known.pages.get(self.path, Page(status=404))
        self.send_response(page.status)
        for name, value in {"Content-Length": str(len(page.body)), **page.headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def fresh(self, page: Page) -> bool:
        """Whether a part is wanted of this state of the file."""
        asked = self.headers.get("If-Range")
        return asked is None or asked == page.headers.get("ETag")

    def log_message(self, *_: object) -> None:
        pass


def part_of(body: bytes, asked: str | None) -> tuple[bytes, int, dict[str, str]]:
    """Return the bytes of a Range header ``bytes=N-``, the status and headers."""
    if asked is None:
        return body, 200, {}
    start = int(asked.removeprefix("bytes=").removesuffix("-"))
    if start >= len(body):
        return b"", 416, {"Content-Range": f"bytes */{len(body)}"}
    return body[start:], 206, {"Content-Range": f"bytes {start}-{len(body) - 1}/{len(body)}"}


class Listener(ThreadingHTTPServer):
    known: Server

    def handle_error(self, *_: object) -> None:
        """Say nothing: that clients hang up is what is tested."""


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
    monkeypatch.delenv("BRICKBOOK_OFFLINE", raising=False)
    monkeypatch.setattr("brickbook.checkpoint.http.RETRY_WAITS", (0.0, 0.0, 0.0))
    return home


@pytest.fixture
def in_cache(cache: Path):
    """Return the names of the files in the cache, without locks."""
    return lambda: sorted(
        file.name for file in cache.rglob("*") if file.is_file() and file.suffix != ".lock"
    )


@pytest.fixture
def write(tmp_path: Path):
    """Write a file in the format that its name says, and return its path."""
    return lambda content, name="zip.pth": save(content, tmp_path / name)


@pytest.fixture
def file(tmp_path: Path) -> str:
    """Return the path of a file to be written."""
    return str(tmp_path / "a.pth")
