from __future__ import annotations

import errno
import gzip
import hashlib
import os
import socket
from pathlib import Path

import pytest

from brickbook.checkpoint import CheckpointError, locate
from brickbook.checkpoint.cache import cache_folder, hash_in_name
from brickbook.checkpoint.errors import DownloadError
from brickbook.errors import BadValueError, MissingFileError

pytest_plugins = ["checkpoint_fixtures"]
pytestmark = pytest.mark.usefixtures("cache")

BODY = bytes(range(256)) * 9000  # more than one block
SHA = hashlib.sha256(BODY).hexdigest()
BY_HAND = "Nothing was kept. Download it by other means and give the file's path."


@pytest.mark.parametrize(
    ("name", "digits"),
    [
        ("resnet50-0676ba61.pth", "0676ba61"),
        ("retinanet_r50_fpn_1x_coco_20200130-c2398f9e.pth", "c2398f9e"),
        ("mnasnet0.5_top1_67.823-3ffadce67e.pth", "3ffadce67e"),
        ("model-5c106cde.pth.tar", "5c106cde"),
        (f"model-{SHA}.safetensors", SHA),
        ("first-0676ba61.second-c2398f9e.pth", "c2398f9e"),
        ("model-20200130.pth", None),  # a date
        ("model-20209930.pth", "20209930"),
        ("3f2504e0-4f89-41d3-9a0c-0305e82c3301.pth", None),  # a UUID
        ("model_a_9e5bac.pth", None),
        ("model-9e5bac.pth", None),
        ("model-0676ba61", None),
    ],
)
def test_promised_hash(name, digits):
    assert hash_in_name(name) == digits


def test_right_hash(server, in_cache):
    url = server.put("resnet-#.pth", BODY)
    file = locate(url)
    assert file.read_bytes() == BODY
    assert in_cache() == [f"resnet-{SHA[:8]}.pth"]
    assert locate(url) == file
    assert server.asked == [f"/resnet-{SHA[:8]}.pth"]  # the second time from the cache


def test_permissions_are_the_users(server):
    mask = os.umask(0o022)
    try:
        assert locate(server.put("a-#.pth", BODY)).stat().st_mode & 0o777 == 0o644
    finally:
        os.umask(mask)


def test_no_hash_means_a_folder_for_each_url(server):
    one, two = server.put("one/model.pth", b"one"), server.put("two/model.pth", b"two")
    assert locate(one).read_bytes() == b"one"
    assert locate(two).read_bytes() == b"two"
    assert locate(f"{one}").name == "model.pth"


def test_redirect_and_query(server):
    server.put("real", BODY)
    url = server.put("moved%20here.pth?download=1", status=302, location="/real")
    assert locate(url).name == "moved_here.pth"
    assert locate(url).read_bytes() == BODY


FAILURES = {
    "wrong hash": (
        "model-deadbeef.pth",
        {"body": BODY},
        CheckpointError,
        RuntimeError,
        "checkpoint: {url} is not what was promised: its SHA-256 should begin with deadbeef, "
        f"and is {SHA}. Nothing was kept.",
    ),
    "404": (
        "model-deadbeef.pth",
        {"status": 404},
        MissingFileError,
        FileNotFoundError,
        "checkpoint: {url} can not be found: HTTP 404 Not Found.",
    ),
    "403": (
        "model.pth",
        {"status": 403},
        DownloadError,
        OSError,
        "checkpoint: {url} could not be downloaded: HTTP 403 Forbidden. " + BY_HAND,
    ),
    "cut off": (
        "model.pth",
        {"body": BODY, "sent": 1_500_000},
        DownloadError,
        OSError,
        "checkpoint: {url} could not be downloaded: the connection ended after 1500000 of 2304000 "
        f"bytes. {BY_HAND}",
    ),
    "cut off, and packed": (
        "model-#.pth",
        {"body": gzip.compress(BODY), "sent": 5000, "headers": {"Content-Encoding": "gzip"}},
        DownloadError,
        OSError,
        "checkpoint: {url} could not be downloaded: the connection ended within the packed file. "
        f"{BY_HAND}",
    ),
    "packed as nobody asked for": (
        "model.pth",
        {"body": b"x", "headers": {"Content-Encoding": "br"}},
        DownloadError,
        OSError,
        "checkpoint: {url} could not be downloaded: the server has packed it with br, which was "
        f"not asked for. {BY_HAND}",
    ),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_keeps_nothing(name, server, in_cache):
    page, how, kind, builtin, message = FAILURES[name]
    url = server.put(page, **how)
    with pytest.raises(kind) as caught:
        locate(url)
    assert str(caught.value) == message.format(url=url)
    assert isinstance(caught.value, builtin)
    assert in_cache() == []
    server.pages[url.removeprefix(server.url)].__init__(BODY)
    if "deadbeef" not in page and "#" not in page:  # mended, it is fetched anew
        assert locate(url).read_bytes() == BODY


def test_nobody_answers(in_cache):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but not listening
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/model.pth"
        with pytest.raises(DownloadError) as caught:
            locate(url, "init_cfg.checkpoint")
    refused = f"[Errno {errno.ECONNREFUSED}] {os.strerror(errno.ECONNREFUSED)}"
    assert str(caught.value) == (
        f"init_cfg.checkpoint: {url} could not be downloaded: {refused}. {BY_HAND}"
    )
    assert in_cache() == []


@pytest.mark.parametrize(("name", "left"), [("model-#.pth", 1000), ("model.pth", 0)])
def test_an_interrupt_keeps_what_can_be_gone_on_with(name, left, server, in_cache, monkeypatch):
    def interrupted(transfer, response):
        transfer.part.write_bytes(BODY[:1000])
        transfer.received = 1000
        raise KeyboardInterrupt

    url = server.put(name, BODY, ranges=True)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("brickbook.checkpoint.http.Transfer.write_body", interrupted)
        locate(url)
    assert in_cache() == ([f"model-{SHA[:8]}.pth.part"] if left else [])
    assert locate(url).read_bytes() == BODY
    assert server.parts == [None, "bytes=1000-" if left else None]


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://127.0.0.1:1/", "http://127.0.0.1:1/ names no file."),
        ("http://127.0.0.1:1/a/%2e%2e", "http://127.0.0.1:1/a/%2e%2e names no file."),
        ("http://[1/a.pth", "http://[1/a.pth is no URL: Invalid IPv6 URL."),
    ],
)
def test_no_file_name(url, problem):
    with pytest.raises(BadValueError) as caught:
        locate(url)
    assert str(caught.value) == f"checkpoint: {problem}"


@pytest.mark.parametrize(
    "url", ["http:///a.pth", "http://127.0.0.1:port/a.pth", "http://127.0.0.1:1/a b.pth"]
)
def test_no_url(url, in_cache):
    with pytest.raises(DownloadError) as caught:
        locate(url)
    assert str(caught.value).startswith(f"checkpoint: {url} could not be downloaded: ")
    assert in_cache() == []


def test_a_cache_that_cannot_be_written_to(server, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("BRICKBOOK_HOME", str(tmp_path / "file"))
    url = server.put("model-#.pth", BODY)
    with pytest.raises(DownloadError) as caught:
        locate(url)
    assert str(caught.value) == (
        f"checkpoint: the cache folder {tmp_path / 'file' / 'checkpoints'} cannot be written to: "
        "Not a directory. Set BRICKBOOK_HOME to a folder that can."
    )
    assert server.asked == []


VARIABLES = ("BRICKBOOK_HOME", "MMCV_HOME", "XDG_CACHE_HOME", "HOME")


@pytest.mark.parametrize(
    ("unset", "expected"),
    [(0, "BRICKBOOK_HOME"), (1, "MMCV_HOME"), (2, "XDG_CACHE_HOME/brickbook")],
)
def test_cache_folder(unset, expected, monkeypatch):
    for place, variable in enumerate(VARIABLES):
        monkeypatch.setenv(variable, f"/{variable}" if place >= unset else "")
    assert cache_folder() == Path(f"/{expected}")


def test_cache_folder_by_default(monkeypatch):
    for variable in VARIABLES[:3]:
        monkeypatch.delenv(variable, raising=False)
    assert cache_folder() == Path.home() / ".cache" / "brickbook"
    monkeypatch.setenv("MMCV_HOME", "~/models")
    assert cache_folder() == Path.home() / "models"
