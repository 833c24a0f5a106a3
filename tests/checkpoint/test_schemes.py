"""The table of schemes."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from checkpoint_support import net, ones
from peers import import_peer
from torch import nn

from brickbook.checkpoint import CheckpointLoader, load_checkpoint, locate
from brickbook.checkpoint.cache import _get_mmcv_home
from brickbook.checkpoint.schemes import (
    load_from_http,
    load_from_local,
    load_from_pavi,
    read_checkpoint,
)
from brickbook.errors import (
    BadArgumentError,
    BadValueError,
    CheckError,
    ConfigError,
    NameTakenError,
)

pytest_plugins = ["checkpoint_fixtures"]
pytestmark = pytest.mark.usefixtures("cache")


@pytest.fixture(autouse=True)
def schemes(monkeypatch):
    """Forget afterwards what a test registers."""
    monkeypatch.setattr(CheckpointLoader, "_schemes", CheckpointLoader._schemes)


@pytest.mark.parametrize(
    ("name", "loader"),
    [
        ("http://a/b.pth", "load_from_http"),
        ("https://a/b.pth", "load_from_http"),
        ("modelzoo://resnet50", "load_from_torchvision"),
        ("torchvision://resnet50", "load_from_torchvision"),
        ("open-mmlab://resnet50", "load_from_openmmlab"),
        ("openmmlab://resnet50", "load_from_openmmlab"),
        ("mmcls://resnet50", "load_from_mmcls"),
        ("pavi://a", "load_from_pavi"),
        ("s3://a", "load_from_ceph"),
        ("open-mmlab:s3://a", "load_from_ceph"),
        ("openmmlab:s3://a", "load_from_ceph"),
        ("petrel://a", "load_from_ceph"),
        ("hf://org/repo/a.pth", "load_from_hub"),
        ("ss3://a", "load_from_local"),
        (" s3://a", "load_from_local"),
        ("openmmlabs3://a", "load_from_local"),
        (":s3://a", "load_from_local"),
        ("a/b.pth", "load_from_local"),
        ("C://a/b.pth", "load_from_local"),
        ("", "load_from_local"),
    ],
)
def test_which_loader(name, loader):
    assert CheckpointLoader._get_checkpoint_loader(name).__name__ == loader


def test_a_scheme_as_call_and_as_decorator():
    CheckpointLoader.register_scheme("one://", lambda name, place: (name, place))
    assert read_checkpoint("one://a", "cpu") == ("one://a", "cpu")

    @CheckpointLoader.register_scheme(["two://", "three://"])
    def both(filename, map_location=None):
        return filename

    assert both("x") == "x"
    assert CheckpointLoader._get_checkpoint_loader("three://a") is both
    with pytest.raises(NameTakenError) as caught:
        CheckpointLoader.register_scheme("two://", print)
    assert str(caught.value) == "prefixes: two:// is a scheme already. force=True replaces it."
    CheckpointLoader.register_scheme(("two://",), print, force=True)
    assert CheckpointLoader._get_checkpoint_loader("two://a") is print


def test_the_longest_prefix_wins():
    for word in ("a/b", "a/b/c"):
        CheckpointLoader.register_scheme(word, partial(lambda word, *_: {"word": word}, word))
    assert read_checkpoint("a/b/c/d") == {"word": "a/b/c"}
    assert read_checkpoint("a/b/d") == {"word": "a/b"}
    assert CheckpointLoader.load_checkpoint("a/b/d", logger="mine") == {"word": "a/b"}


def test_a_scheme_that_gives_a_path(tmp_path):
    torch.save(ones(net()), tmp_path / "a.pth")

    @CheckpointLoader.register_scheme("shelf://")
    def from_shelf(filename, map_location=None):
        return tmp_path / filename.removeprefix("shelf://")

    model = net()
    load_checkpoint(model, "shelf://a.pth", strict=True)
    assert model.conv.bias.tolist() == [1] * 4
    assert locate("shelf://a.pth") == tmp_path / "a.pth"


def test_a_scheme_that_gives_no_path():
    CheckpointLoader.register_scheme("made://", lambda *_: ones(net()))
    load_checkpoint(net(), "made://up", strict=True)
    with pytest.raises(ConfigError) as caught:
        locate("made://up")
    assert str(caught.value) == (
        "checkpoint: made://up is no file: its scheme gives what it holds."
    )


@pytest.mark.parametrize(
    ("prefixes", "loader", "kind", "message"),
    [
        ("a://", 3, BadArgumentError, "loader: expected a function, got 3."),
        ([3], print, BadArgumentError, "prefixes: expected a str, got 3."),
        ("(", print, BadValueError, "prefixes: '(' is no pattern: missing ), unterminated "
         "subpattern at position 0."),
    ],
)  # fmt: skip
def test_no_scheme(prefixes, loader, kind, message):
    with pytest.raises(kind) as caught:
        CheckpointLoader.register_scheme(prefixes, loader)
    assert str(caught.value) == message


def test_pavi_is_for_pavi():
    with pytest.raises(CheckError) as caught:
        load_from_pavi("a.pth")
    assert str(caught.value) == ("filename: expected a name that begins with pavi://, got 'a.pth'.")


def test_loaders_of_mmcv_by_name(server, tmp_path, cache):
    torch.save(ones(net()), tmp_path / "a.pth")
    url = server.put("a-#.pth", (tmp_path / "a.pth").read_bytes())
    assert list(load_from_http(url, "cpu", model_dir=tmp_path / "models")) == list(ones(net()))
    assert [each.name for each in (tmp_path / "models").iterdir()] == [url.rpartition("/")[2]]
    assert not (cache / "checkpoints").exists()
    assert list(load_from_http(url)) == list(load_from_local(str(tmp_path / "a.pth")))
    home = _get_mmcv_home()
    assert home == str(cache)


# Hugging Face's hub


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A huggingface_hub that has one file, and keeps what it was asked for."""
    import_peer("huggingface_hub.errors")
    torch.save(ones(net()), tmp_path / "model.pth")
    asked = []

    def fetch(repo, file, *, revision=None, local_files_only=False):
        asked.append((repo, file, revision, local_files_only))
        return str(tmp_path / "model.pth")

    monkeypatch.setitem(sys.modules, "huggingface_hub", SimpleNamespace(hf_hub_download=fetch))
    return asked


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("hf://org/repo/model.pth", ("org/repo", "model.pth", None)),
        ("hf://org/repo/sub/model.pth@v1.0", ("org/repo", "sub/model.pth", "v1.0")),
        ("hf://org/repo/model.pth@refs/pr/1", ("org/repo", "model.pth", "refs/pr/1")),
        ("hf://gpt2/model.pth", ("gpt2", "model.pth", None)),
    ],
)
def test_the_hub(name, asked, hub, monkeypatch):
    load_checkpoint(net(), name, strict=True)
    monkeypatch.setenv("BRICKBOOK_OFFLINE", "1")
    locate(name)
    assert hub == [(*asked, False), (*asked, True)]


@pytest.mark.parametrize("name", ["hf://", "hf://repo", "hf://repo@v1", "hf://org/repo/@v1"])
def test_no_name_of_the_hub(name):
    with pytest.raises(BadValueError) as caught:
        locate(name)
    assert str(caught.value) == (
        f"checkpoint: {name} names no file: expected hf://org/repo/file[@revision]."
    )


@pytest.mark.parametrize(
    ("kind", "offline", "message"),
    [
        ("EntryNotFoundError", "0", "can not be found: no such thing."),
        ("RevisionNotFoundError", "0", "can not be found: no such thing."),
        ("LocalEntryNotFoundError", "0", "could not be downloaded: no such thing."),
        ("LocalEntryNotFoundError", "1", "is not in the cache (that of Hugging Face), and the "
         "network is not to be used. Fetch it without --offline and BRICKBOOK_OFFLINE, or put the "
         "file there."),
        ("GatedRepoError", "0", "could not be downloaded: no such thing."),
        ("OSError", "0", "could not be downloaded: no such thing."),
        ("HFValidationError", "0", "could not be downloaded: no such thing."),
    ],
)  # fmt: skip
def test_what_the_hub_has_not(kind, offline, message, hub, monkeypatch):
    errors = sys.modules["huggingface_hub.errors"]

    def fail(*_, **__):
        error = getattr(errors, kind, OSError)
        made = error.__new__(error)
        made.args = ("no such thing.",)
        raise made

    monkeypatch.setattr(sys.modules["huggingface_hub"], "hf_hub_download", fail)
    monkeypatch.setenv("BRICKBOOK_OFFLINE", offline)
    with pytest.raises((ConfigError, OSError)) as caught:
        locate("hf://org/repo/a.pth")
    assert str(caught.value) == f"checkpoint: hf://org/repo/a.pth {message}"


def test_without_the_hub(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ImportError) as caught:
        locate("hf://org/repo/a.pth")
    assert str(caught.value).startswith(
        "checkpoint: hf://org/repo/a.pth needs huggingface_hub, which cannot be imported: "
    )
    assert str(caught.value).endswith("Install it: pip install huggingface_hub.")


HUB = """
import sys
from torch import nn
from brickbook.checkpoint import load_weights
found = load_weights(nn.Linear(2, 1), sys.argv[1], strict=True)
try:
    load_weights(nn.Linear(2, 1), "hf://org/repo/none.pth@v1", strict=True)
except FileNotFoundError as error:
    print(len(found.loaded), str(error).split(":", 2)[1:2], type(error).__name__)
"""


@pytest.mark.processes
def test_the_real_hub_library_against_a_server_of_ours(server, tmp_path):
    import_peer("huggingface_hub")
    torch.save(nn.Linear(2, 1).state_dict(), tmp_path / "a.pth")
    commit = "0123456789abcdef0123456789abcdef01234567"
    headers = {"ETag": '"0123456789abcdef"', "X-Repo-Commit": commit}
    body = (tmp_path / "a.pth").read_bytes()
    server.put("org/repo/resolve/v1/sub/model.pth", body, headers=headers)
    missing = {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit}
    server.put("org/repo/resolve/v1/none.pth", status=404, headers=missing)
    environment = {**os.environ, "HF_ENDPOINT": server.url, "HF_HOME": str(tmp_path / "hf"),
                   "HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_OFFLINE": "0"}  # fmt: skip
    command = [sys.executable, "-W", "ignore", "-c", HUB, "hf://org/repo/sub/model.pth@v1"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=100)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[0] == "2"
    assert done.stdout.split()[-1] == "MissingFileError"
