from __future__ import annotations

import hashlib
import sys

import pytest

from brickbook.checkpoint import CheckpointError, MissingPackageError, locate, transfers
from brickbook.checkpoint.errors import DownloadError
from brickbook.errors import BadArgumentError, BadValueError, MissingFileError

pytest_plugins = ["checkpoint_fixtures"]
pytestmark = pytest.mark.usefixtures("cache")


@pytest.fixture
def folder(tmp_path):
    for name in ("resnet50.pth", "vgg16.safetensors", "notes.txt"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "empty").mkdir()
    return tmp_path


def test_local_file(folder, monkeypatch):
    file = folder / "resnet50.pth"
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.chdir(folder)
    assert locate(str(file)) == locate(file) == locate("~/resnet50.pth") == file
    assert locate("resnet50.pth").read_bytes() == b"x"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("{}/resnet5.pth", "{}/resnet5.pth can not be found. Did you mean 'resnet50.pth'?"),
        (
            "{}/deit.bin",
            "{}/deit.bin can not be found. Known: resnet50.pth, vgg16.safetensors.",
        ),
        ("{}/note.txt", "{}/note.txt can not be found. Did you mean 'notes.txt'?"),
        ("{}/empty/a.pth", "{}/empty/a.pth can not be found."),
        ("{}/no/a.pth", "{}/no/a.pth can not be found. There is no folder {}/no."),
        ("{}/empty", "{}/empty is a folder; a checkpoint is a file."),
        ("{}", "{} is a folder; a checkpoint is a file. Known: resnet50.pth, vgg16.safetensors."),
        (
            "~nobody-here/a.pth",
            "~nobody-here/a.pth can not be found. There is no folder ~nobody-here.",
        ),
        ("x" * 300, "x" * 300 + " can not be found. File name too long."),
        (
            "htp://a/b.pth",
            "htp://a/b.pth can not be found: htp:// is no known scheme. Did you mean 'http'?",
        ),
        (
            "ss3://a/b.pth",
            "ss3://a/b.pth can not be found: ss3:// is no known scheme. Did you mean 's3'?",
        ),
        ("file:///no/a.pth", "/no/a.pth can not be found. There is no folder /no."),
        (
            "pavi://a",
            "pavi://a can not be found: the service pavi:// stood for is gone. Ask who trained the "
            "model for the file, and give its path.",
        ),
        ("memory://no/a.pth", "memory://no/a.pth can not be found."),
    ],
)
def test_nothing_there(name, message, folder):
    with pytest.raises(MissingFileError) as caught:
        locate(name.format(folder), "init_cfg.checkpoint")
    assert str(caught.value) == f"init_cfg.checkpoint: {message.format(folder, folder)}".rstrip()
    assert isinstance(caught.value, FileNotFoundError)


def test_empty_name(folder, monkeypatch):
    monkeypatch.chdir(folder)
    with pytest.raises(MissingFileError) as caught:
        locate("")
    assert str(caught.value).startswith("checkpoint: '' can not be found.")


@pytest.mark.parametrize("name", [None, 3, ["a.pth"]])
def test_no_name(name):
    with pytest.raises(BadArgumentError) as caught:
        locate(name)
    assert str(caught.value) == f"checkpoint: expected a path or a URL, got {name!r}."


def test_file_urls(folder):
    file = folder / "a b.pth"
    file.write_bytes(b"x")
    assert locate(file.as_uri()) == locate(f"FILE://localhost{folder}/a%20b.pth") == file
    with pytest.raises(BadValueError) as caught:
        locate("file://server/a.pth")
    assert str(caught.value) == (
        "checkpoint: file://server/a.pth names a file of the machine server. A file of this "
        "machine is file:///path."
    )


@pytest.mark.parametrize("scheme", ["HTTP", "Http", "http"])
def test_the_case_of_a_scheme_is_nothing(scheme, server):
    url = server.put("a.pth", b"x")
    assert locate(f"{scheme}{url.removeprefix('http')}").read_bytes() == b"x"


# fsspec


@pytest.fixture
def memory():
    """Return a file system that has nothing in it."""
    system = pytest.importorskip("fsspec").filesystem("memory")
    system.store.clear()
    yield system
    system.store.clear()


def test_what_fsspec_reads(memory, in_cache):
    memory.pipe("/bucket/a.pth", b"one")
    assert locate("memory://bucket/a.pth").read_bytes() == b"one"
    memory.pipe("/bucket/a.pth", b"another")  # what stands under one name may change
    assert locate("memory://bucket/a.pth").read_bytes() == b"another"
    assert in_cache() == ["a.pth", "a.pth"]


def test_a_link_in_place_of_a_part_is_made_anew(memory, in_cache, tmp_path):
    memory.pipe("/bucket/a.pth", b"one")
    file, victim = locate("memory://bucket/a.pth"), tmp_path / "mine"
    victim.write_bytes(b"precious")
    file.unlink()
    part = file.with_name(f"{file.name}.part")
    part.symlink_to(victim)
    assert locate("memory://bucket/a.pth").read_bytes() == b"one"
    assert victim.read_bytes() == b"precious" and not part.is_symlink()


def test_what_fsspec_reads_has_to_have_its_hash(memory, in_cache):
    memory.pipe("/bucket/a-deadbeef.pth", b"one")
    with pytest.raises(CheckpointError) as caught:
        locate("memory://bucket/a-deadbeef.pth")
    digest = hashlib.sha256(b"one").hexdigest()
    assert str(caught.value) == (
        "checkpoint: memory://bucket/a-deadbeef.pth is not what was promised: its SHA-256 should "
        f"begin with deadbeef, and is {digest}. Nothing was kept."
    )
    assert in_cache() == []
    memory.pipe(f"/bucket/a-{digest[:8]}.pth", b"one")
    messages = []
    with transfers(progress=lambda *sizes: messages.append(sizes)):
        file = locate(f"memory://bucket/a-{digest[:8]}.pth")
    assert messages == [(3, 3)]
    with transfers(offline=True):
        assert locate(f"memory://bucket/a-{digest[:8]}.pth") == file
        with pytest.raises(DownloadError) as caught:
            locate("memory://bucket/b.pth")
    assert "b.pth is not in the cache (or may be of another day)" in str(caught.value)


@pytest.mark.parametrize("name", ["s3://b/a.pth", "openmmlab:s3://b/a.pth", "c:petrel://b/a.pth"])
def test_s3_is_fsspecs(name, memory, monkeypatch):
    asked = []

    def url_to_fs(url):
        asked.append(url)
        return memory, "/b/a.pth"

    memory.pipe("/b/a.pth", b"x")
    monkeypatch.setattr("fsspec.core.url_to_fs", url_to_fs)
    assert locate(name).read_bytes() == b"x"
    assert asked == ["s3://b/a.pth"]


def test_a_package_of_fsspec_that_is_missing(monkeypatch):
    pytest.importorskip("fsspec")
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(MissingPackageError) as caught:
        locate("s3://b/a.pth")
    assert str(caught.value) == (
        "checkpoint: s3://b/a.pth needs another package: Install s3fs to access S3."
    )


def test_an_error_of_a_package(memory, monkeypatch):
    monkeypatch.setattr(type(memory), "ukey", lambda *_: 1 / 0)
    with pytest.raises(DownloadError) as caught:
        locate("memory://b/a.pth")
    assert str(caught.value) == (
        "checkpoint: memory://b/a.pth could not be fetched: division by zero."
    )
