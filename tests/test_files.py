"""Files of the user's: whole or as they were."""

import errno
import os
import sys
import threading

import pytest
import torch
from disk_support import disk_of
from torch import nn

import brickbook
from brickbook import views
from brickbook.cli import main
from brickbook.errors import WriteError
from brickbook.files import atomic_write, write_whole
from brickbook.init.planning import plan

MODEL = "from torch import nn\ndef make(): return nn.Linear(300, 300)\n"
TOO_LARGE = os.strerror(errno.EFBIG)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(MODEL)
    (tmp_path / "cfg.json").write_text('[{"type": "Linear", "in_features": 9, "out_features": 9}]')
    yield tmp_path
    sys.modules.pop("net", None)


def names(folder):
    return sorted(file.name for file in folder.iterdir() if file.name != "__pycache__")


# What writes files, the file, and what the error calls it.
COMMANDS = [
    ("export net.py:make old.html --force", "old.html", "file"),
    ("export net.py:make old.svg --force", "old.svg", "file"),
    ("export net.py:make old.csv --force", "old.csv", "file"),
    ("export net.py:make old.bins.csv --force", "old.bins.csv", "file"),
    ("export net.py:make old.json --force", "old.json", "file"),
    ("show net.py:make --html old.html", "old.html", "--html"),
    ("plan net.py:make --json old.json --force", "old.json", "--json"),
    ("complexity net.py:make --input 300 --json old.json --force", "old.json", "--json"),
    ("init net.py:make --init Normal --layer Linear --save old.pt --force", "old.pt", "filename"),
    ("build cfg.json --save old.pt", "old.pt", "filename"),
    ("zoo convert weights.pt old.pt --force", "old.pt", "filename"),
]


@pytest.mark.parametrize("size", [0, 100])
@pytest.mark.parametrize(("line", "name", "path"), COMMANDS, ids=lambda word: str(word)[:30])
def test_a_full_disk_leaves_the_old_file(folder, capsys, line, name, path, size):
    torch.save(nn.Linear(9, 9).state_dict(), folder / "weights.pt")
    (folder / name).write_text("what was there")
    before = names(folder)
    with disk_of(size):
        code = main(line.split())
    told = capsys.readouterr().err.splitlines()
    assert code == 2
    assert told == [f"brickbook: {path}: {name} cannot be written: {TOO_LARGE}."]
    assert (folder / name).read_text() == "what was there" and names(folder) == before


def test_a_full_disk_leaves_the_old_picture(tmp_path, monkeypatch):
    monkeypatch.setattr("brickbook.views.export.svg_to_png", lambda *_: b"a picture" * 99)
    file = tmp_path / "a.png"
    file.write_text("what was there")
    with disk_of(100), pytest.raises(OSError) as caught:
        views.export.export(plan(nn.Linear(2, 2), []), file, force=True)
    assert str(caught.value) == f"file: {file} cannot be written: {TOO_LARGE}."
    assert caught.value.errno == errno.EFBIG
    assert file.read_text() == "what was there" and names(tmp_path) == ["a.png"]


@pytest.mark.parametrize("size", [0, 100, 5_000, 300_000])
@pytest.mark.parametrize("name", ["a.pth", "a.safetensors"])
def test_a_full_disk_leaves_the_old_checkpoint(tmp_path, name, size):
    file = tmp_path / name
    file.write_text("what was there")
    with disk_of(size), pytest.raises(WriteError) as caught:
        brickbook.save_checkpoint(nn.Linear(300, 300), file)
    assert str(caught.value) == f"filename: {file} cannot be written: {TOO_LARGE}."
    assert isinstance(caught.value, OSError) and caught.value.errno == errno.EFBIG
    assert file.read_text() == "what was there" and names(tmp_path) == [name]


def test_what_torch_cannot_save_is_no_full_disk(tmp_path):
    with pytest.raises(Exception) as caught:
        brickbook.save_checkpoint({"state_dict": {}, "meta": threading.Lock()}, tmp_path / "a.pth")
    assert not isinstance(caught.value, OSError) and "pickle" in str(caught.value)
    assert names(tmp_path) == []


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, MemoryError, ValueError])
def test_whatever_comes_in_between(tmp_path, interrupt):
    file = tmp_path / "a.txt"
    write_whole(file, "before")
    with pytest.raises(interrupt), atomic_write(file) as part:
        part.write_text("half")
        raise interrupt
    assert file.read_text() == "before" and names(tmp_path) == ["a.txt"]


def test_a_link_and_the_permissions_stay(tmp_path):
    (tmp_path / "far").mkdir()
    file, link = tmp_path / "far" / "a.txt", tmp_path / "a.txt"
    file.write_text("before")
    file.chmod(0o640)
    link.symlink_to(file)
    write_whole(link, "after")
    assert link.is_symlink() and file.read_text() == "after"
    assert file.stat().st_mode & 0o777 == 0o640


def test_the_longest_name_that_a_folder_takes(tmp_path):
    write_whole(tmp_path / ("a" * 255), "text")
    with pytest.raises(WriteError) as caught:
        write_whole(tmp_path / ("a" * 256), "text")
    assert caught.value.errno == errno.ENAMETOOLONG
    assert names(tmp_path) == ["a" * 255]


def test_a_folder_is_in_the_way(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(WriteError) as caught:
        write_whole(tmp_path / "a", "text", "--html")
    assert str(caught.value) == f"--html: {tmp_path}/a cannot be written: Is a directory."
    assert names(tmp_path) == ["a"]


def test_a_pipe_is_written_and_stays(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_whole(pipe, "text")
    assert os.read(reader, 99) == b"text" and pipe.is_fifo() and names(tmp_path) == ["pipe"]
    os.close(reader)


def test_half_a_surrogate_pair_is_written_as_its_escape(tmp_path):
    write_whole(tmp_path / "a.txt", "é\ud800")
    assert (tmp_path / "a.txt").read_bytes() == "é\\ud800".encode()
