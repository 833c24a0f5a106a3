"""Servers that give something other than the file, or never end."""

from __future__ import annotations

import gzip
import hashlib
import io
import zipfile

import pytest

from brickbook.checkpoint import CheckpointError, locate
from brickbook.checkpoint.errors import DownloadError

pytest_plugins = ["checkpoint_fixtures"]
pytestmark = pytest.mark.usefixtures("cache")

BODY = bytes(range(256)) * 900
BY_HAND = "Nothing was kept. Download it by other means and give the file's path."


def zipped() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("a/data.pkl", BODY)
    return content.getvalue()


PART = {"status": 206, "body": BODY}
FAILURES = {
    "204": ({"status": 204}, DownloadError, "HTTP 204 No Content is not the file"),
    "202": ({"status": 202, "body": BODY}, DownloadError, "HTTP 202 Accepted is not the file"),
    "an empty 200": ({}, DownloadError, "the file is empty"),
    "a part unasked": (PART, DownloadError, "HTTP 206 Partial Content is not the file"),
    "a packed body without end": (
        {"body": gzip.compress(bytes(90 << 20)), "headers": {"Content-Encoding": "gzip"}},
        DownloadError,
        "what is packed grows to more than its size explains",
    ),
    "ftp": ({"status": 302, "location": "ftp://127.0.0.1:1/a.pth"}, DownloadError,
            "it leads to ftp://, where no file is taken from"),
    "file": ({"status": 302, "location": "file:///etc/passwd"}, DownloadError,
             "HTTP 302 Found - Redirection to url 'file:///etc/passwd' is not allowed"),
    "a page": ({"body": b"<!DOCTYPE html><html></html>"}, CheckpointError, "it is an HTML page"),
    "half an archive": ({"body": zipped()[:-99]}, CheckpointError, "it ends too early"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAILURES)
def test_what_is_not_the_file_is_not_kept(name, server, in_cache):
    how, kind, why = FAILURES[name]
    url = server.put("model.pth", **how)
    with pytest.raises(kind) as caught:
        locate(url)
    if kind is DownloadError:
        assert str(caught.value) == f"checkpoint: {url} could not be downloaded: {why}. {BY_HAND}"
    else:
        shown = f"checkpoint: {url} gives no checkpoint: {why}. Nothing was kept."
        assert str(caught.value).startswith(shown)
    assert in_cache() == []


RANGES = ("bytes 0-9/230400", "bytes 1000-9/230400", "bytes 1000-230399/9", "lines 1000-", None)


@pytest.mark.parametrize("asked", RANGES)
def test_a_wrong_range_is_no_continuation(asked, server, cache, in_cache):
    url = server.put("model-#.pth", status=206, body=BODY)
    digits = hashlib.sha256(BODY).hexdigest()[:8]
    page = server.pages.pop(url.removeprefix(server.url))
    url = f"{server.url}/model-{digits}.pth"
    page.headers, page.body = ({"Content-Range": asked} if asked else {}), BODY[1000:]
    server.pages[f"/model-{digits}.pth"] = page
    (cache / "checkpoints").mkdir()
    (cache / "checkpoints" / f"model-{digits}.pth.part").write_bytes(BODY[:1000])
    with pytest.raises(DownloadError) as caught:
        locate(url)
    assert "HTTP 206 Partial Content is not the file" in str(caught.value)
    assert in_cache() == []


@pytest.mark.parametrize("known", [True, False])
def test_a_link_in_place_of_a_part_is_not_followed(known, server, cache, tmp_path):
    url = server.put("model-#.pth" if known else "model.pth", BODY)
    victim = tmp_path / "victim"
    victim.write_bytes(BODY[:1000])
    file = locate(url)
    file.unlink()
    file.with_name(f"{file.name}.part").symlink_to(victim)
    assert locate(url).read_bytes() == BODY
    assert not locate(url).is_symlink()
    assert victim.read_bytes() == BODY[:1000]


def test_a_packed_body_is_unpacked(server):
    packed = {"Content-Encoding": "gzip"}
    assert locate(server.put("a.pth", gzip.compress(BODY), headers=packed)).read_bytes() == BODY


@pytest.mark.parametrize("known", [True, False])
def test_a_server_that_is_too_slow_is_given_up(known, server, monkeypatch):
    monkeypatch.setattr("brickbook.checkpoint.http.PATIENCE", -100.0)
    url = server.put("model-#.pth" if known else "model.pth", BODY)
    with pytest.raises(DownloadError) as caught:
        locate(url)
    assert "the server is too slow: " in str(caught.value)
    monkeypatch.setattr("brickbook.checkpoint.http.PATIENCE", 100.0)
    assert locate(url).read_bytes() == BODY


def test_a_part_that_is_a_folder(server, tmp_path):
    url = server.put("model.pth", BODY)
    file = locate(url)
    file.unlink()
    part = file.with_name("model.pth.part")
    part.mkdir()
    with pytest.raises(DownloadError) as caught:
        locate(url)
    assert str(caught.value) == (f"checkpoint: {part} is a folder, where a part of a file belongs.")


@pytest.mark.parametrize(
    ("home", "why"), [("a" * 300, "File name too long"), ("/dev/null/a", "Not a directory")]
)
def test_a_home_that_cannot_be_used(home, why, server, tmp_path, monkeypatch):
    home = home if home.startswith("/") else str(tmp_path / home)
    monkeypatch.setenv("BRICKBOOK_HOME", home)
    with pytest.raises(DownloadError) as caught:
        locate(server.put("model-#.pth", BODY))
    assert str(caught.value).endswith(
        f"cannot be written to: {why}. Set BRICKBOOK_HOME to a folder that can."
    )
