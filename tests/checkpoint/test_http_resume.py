"""Downloads that break: what is gone on with, tried again, taken from elsewhere, and waited for."""

from __future__ import annotations

import gzip
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from brickbook.checkpoint import CheckpointError, locate, transfers
from brickbook.checkpoint.errors import DownloadError
from brickbook.checkpoint.http import cache_path, download
from brickbook.errors import MissingFileError

pytest_plugins = ["checkpoint_fixtures"]
pytestmark = pytest.mark.usefixtures("cache")

BODY = bytes(range(256)) * 9000  # more than one block
SHA = hashlib.sha256(BODY).hexdigest()
BY_HAND = "Download it by other means and give the file's path."
TAG = {"ETag": '"one"'}


@pytest.mark.parametrize(
    ("name", "how", "parts"),
    [
        ("model-#.pth", {"ranges": True}, [None, "bytes=1500000-"]),
        ("model-#.pth", {}, [None, "bytes=1500000-"]),  # answered with the whole
        # Without a hash it might be another file by now, whatever the server says.
        ("model.pth", {"ranges": True}, [None, None]),
        ("model.pth", {"ranges": True, "headers": TAG}, [None, None]),
    ],
)
def test_a_break_is_resumed_where_the_hash_is_known(name, how, parts, server, in_cache):
    url = server.put(name, BODY, sent=1_500_000, breaks=1, **how)
    assert locate(url).read_bytes() == BODY
    assert server.parts == parts
    assert in_cache() == [locate(url).name]


def test_every_break_that_brings_more_is_resumed(server):
    url = server.put("model-#.pth", BODY, sent=100_000, breaks=22, ranges=True)
    assert locate(url).read_bytes() == BODY
    assert server.parts == [None, *(f"bytes={at * 100_000}-" for at in range(1, 23))]


def test_the_next_call_resumes(server, in_cache):
    url = server.put("model-#.pth", BODY, sent=1_000_000)
    page = server.pages[url.removeprefix(server.url)]
    with pytest.raises(DownloadError) as caught:
        locate(url)
    assert str(caught.value) == (
        f"checkpoint: {url} could not be downloaded: the connection ended after 1000000 of 2304000 "
        f"bytes. The first 1000000 bytes are kept, and the next call goes on there. {BY_HAND}"
    )
    assert in_cache() == [f"model-{SHA[:8]}.pth.part"]
    page.sent, page.ranges = None, True
    assert locate(url).read_bytes() == BODY
    assert server.parts[-1] == "bytes=1000000-"
    assert in_cache() == [f"model-{SHA[:8]}.pth"]


@pytest.mark.parametrize(
    ("kept", "parts"),
    [
        (BODY, []),  # it only had to be moved
        (b"x" * 1000, ["bytes=1000-", None]),  # of another file: the hash says so
        (BODY + b"more", ["bytes=2304004-", None]),
        (b"", [None]),
    ],
)
def test_what_an_earlier_process_has_left(kept, parts, server, in_cache):
    url = server.put("model-#.pth", BODY, ranges=True)
    file = cache_path(url)
    file.parent.mkdir(parents=True)
    file.with_name(f"{file.name}.part").write_bytes(kept)
    assert locate(url).read_bytes() == BODY
    assert server.parts == parts
    assert in_cache() == [file.name]


def test_a_file_that_changes_meanwhile_is_fetched_anew(server):
    url = server.put("model.pth", BODY, sent=1_500_000, breaks=1, ranges=True, headers=TAG)
    page = server.pages["/model.pth"]
    part_of_old = []

    def change(received, total):
        part_of_old.append(received)
        page.body, page.headers = BODY[::-1], {"ETag": '"two"'}

    with transfers(progress=change):
        assert locate(url).read_bytes() == BODY[::-1]
    assert server.parts == [None, None]
    assert part_of_old[0] > 0 and part_of_old[-1] == len(BODY)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again(status, server, monkeypatch):
    waited = []
    monkeypatch.setattr("brickbook.checkpoint.http.sleep", waited.append)
    headers = {"Retry-After": "7" if status == 503 else "soon"}
    url = server.put("model-#.pth", BODY, status=status, breaks=2, headers=headers)
    assert locate(url).read_bytes() == BODY
    assert len(server.asked) == 3
    assert waited == ([7, 7] if status == 503 else [0, 0])


def test_a_server_that_stays_busy_is_given_up(server):
    url = server.put("model-#.pth", BODY, status=429)
    with pytest.raises(DownloadError) as caught:
        locate(url)
    assert str(caught.value) == (
        f"checkpoint: {url} could not be downloaded: HTTP 429 Too Many Requests. Nothing was kept. "
        f"{BY_HAND}"
    )
    assert len(server.asked) == 4


def test_a_silent_server_is_given_up(server, monkeypatch):
    monkeypatch.setattr("brickbook.checkpoint.http.TIMEOUT", 0.1)
    monkeypatch.setattr("brickbook.checkpoint.http.RETRY_WAITS", (0.0,))
    url = server.put("model.pth", BODY, pause=0.5)
    with pytest.raises(DownloadError) as caught:
        locate(url)
    assert str(caught.value) == (
        f"checkpoint: {url} could not be downloaded: timed out. Nothing was kept. {BY_HAND}"
    )
    assert len(server.asked) == 2


def test_a_packed_file_is_unpacked(server):
    packed, headers = gzip.compress(BODY), {"Content-Encoding": "gzip"}
    url = server.put(f"model-{SHA[:8]}.pth", packed, headers=headers)
    assert locate(url).read_bytes() == BODY


def test_a_break_in_a_packed_file_begins_anew(server):
    packed, headers = gzip.compress(BODY), {"Content-Encoding": "gzip", **TAG}
    url = server.put("model.pth", packed, headers=headers, sent=5000, breaks=1, ranges=True)
    assert locate(url).read_bytes() == BODY
    assert server.parts == [None, None]


# Hashes and mirrors


def test_a_hash_of_the_table(server, in_cache):
    url = server.put("model.pth", BODY)
    assert download(url, sha256=SHA[:12].upper()).read_bytes() == BODY
    with pytest.raises(CheckpointError) as caught:
        download(url, sha256="0" * 64)
    assert str(caught.value) == (
        f"checkpoint: {url} is not what was promised: its SHA-256 should begin with {'0' * 64}, "
        f"and is {SHA}. Nothing was kept."
    )
    assert in_cache() == ["model.pth"]


def test_mirrors_are_asked_in_turn(server):
    gone = server.put("gone.pth", status=404)
    broken = server.put("broken.pth", BODY, sent=1_000_000, ranges=True)
    server.pages["/broken.pth"].ranges = False
    whole = server.put("whole.pth", BODY, ranges=True)
    found = download(gone, sha256=SHA, mirrors=[broken, whole])
    assert found.read_bytes() == BODY
    assert found.name == "gone.pth"
    assert server.asked[-1] == "/whole.pth"
    assert server.parts[-1] == "bytes=1000000-"  # the hash is the same wherever it comes from


def test_no_mirror_has_it(server):
    one, two = server.put("one.pth", status=404), server.put("two.pth", status=403)
    with pytest.raises(MissingFileError) as caught:
        download(one, mirrors=[two])
    assert str(caught.value) == (
        f"checkpoint: {one} can not be found: HTTP 404 Not Found. {two} could not be downloaded: "
        f"HTTP 403 Forbidden. Nothing was kept. {BY_HAND}"
    )


# The network is not to be used


@pytest.mark.parametrize("how", ["argument", "1", "true", "Yes"])
def test_offline(how, server, monkeypatch):
    url = server.put("model-#.pth", BODY)
    if how != "argument":
        monkeypatch.setenv("BRICKBOOK_OFFLINE", how)
    with transfers(offline=how == "argument"), pytest.raises(DownloadError) as caught:
        locate(url)
    assert str(caught.value) == (
        f"checkpoint: {url} is not in the cache ({cache_path(url)}), and the network is not to be "
        "used. Fetch it without --offline and BRICKBOOK_OFFLINE, or put the file there."
    )
    assert server.asked == []
    monkeypatch.setenv("BRICKBOOK_OFFLINE", "0")
    file = locate(url)
    with transfers(offline=True):
        assert locate(url) == file


# Processes

TEN = """
import os, sys
from brickbook.checkpoint import locate
url, count = sys.argv[1], int(sys.argv[2])
children = []
for _ in range(count):
    child = os.fork()
    if not child:
        file = locate(url)
        os._exit(file.stat().st_size != int(sys.argv[3]))
    children.append(child)
print([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children])
"""


@pytest.mark.processes
@pytest.mark.skipif(sys.platform == "win32", reason="starts its processes with fork")
@pytest.mark.parametrize("name", ["model-#.pth", "model.pth"])
def test_ten_processes_download_once(name, server, in_cache):
    url = server.put(name, BODY, pause=0.3)
    command = [sys.executable, "-W", "ignore", "-c", TEN, url, "10", str(len(BODY))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert json.loads(done.stdout) == [0] * 10, done.stderr
    assert len(server.asked) == 1
    assert in_cache() == [Path(locate(url)).name]
