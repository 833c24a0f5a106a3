"""``brickbook zoo`` as a user of the shell and of the notebook says it."""

from __future__ import annotations

import hashlib
import json
import os

import pytest
import torch

from brickbook.checkpoint.zoo import list_weights
from brickbook.cli import main
from brickbook.commands import Message, NotebookFrontend, ShellFrontend, complete, run
from brickbook.errors import BadValueError

pytest_plugins = ["checkpoint_fixtures"]
pytestmark = pytest.mark.usefixtures("cache")

BODY = b"weights" * 1000


@pytest.fixture
def at_home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def announce(line):
    return run(ShellFrontend(), line.split())


def answer(capsys, line):
    code = main(line.split())
    messages = capsys.readouterr()
    return code, messages.out, messages.err


@pytest.fixture
def published(cache, server):
    """Publish a file under a name of the user's own."""
    url = server.put("model-#.pth", BODY)
    (cache / "open_mmlab.json").write_text(json.dumps({"own_model": url, "resnet18": url}))
    return url


# List


def test_all_of_them():
    messages = announce("zoo").text.splitlines()
    assert len(messages) == 1 + 48 + 57 + 166
    assert messages[0].split() == ["name", "MiB", "here", "paper", "also"]


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("zoo resnet50 GN", ["contrib/resnet50_gn", "detectron/resnet50_gn", "jhu/resnet50_gn_ws"]),
        ("zoo --scheme mmcls vgg11", ["vgg11", "vgg11_bn"]),
        ("zoo --scheme torchvision ResNet152.default", ["resnet152.imagenet1k_v2"]),
        ("zoo torchvision://resnet50.*", ["resnet50.imagenet1k_v1", "resnet50.imagenet1k_v2"]),
        ("zoo darknet*", ["darknet53"]),
    ],
)  # fmt: skip
def test_words_and_patterns(line, names):
    messages = announce(line).text.splitlines()[1:]
    assert [row.split()[0].partition("://")[2] for row in messages] == names


def test_a_row():
    assert announce("zoo torchvision://resnet18").text.splitlines()[-1].split() == [
        "torchvision://resnet18.imagenet1k_v1", "44.7", "https://arxiv.org/abs/1512.03385",
        "resnet18.default", "resnet18",
    ]  # fmt: skip


def test_as_json(published):
    found = json.loads(announce("zoo --json own_model").text)
    assert found == [
        {
            "scheme": "open-mmlab", "name": "own_model", "url": published, "mirrors": [],
            "sha256": hashlib.sha256(BODY).hexdigest()[:8], "mib": None, "licence": None,
            "paper": None, "aliases": [], "file": None,
        }
    ]  # fmt: skip


def test_nothing_found(capsys):
    assert answer(capsys, "zoo nonesuch") == (
        2, "", "brickbook: nonesuch: is in no name of published weights.\n",
    )  # fmt: skip
    assert answer(capsys, "zoo --json nonesuch")[:2] == (0, "[]\n")
    with pytest.raises(BadValueError) as caught:
        list(list_weights(scheme="mmcl"))
    assert str(caught.value) == "scheme: 'mmcl' has no table. Did you mean 'mmcls'?"


# Fetch


@pytest.mark.parametrize("name", ["own_model", "open-mmlab://own_model", "{url}"])
def test_fetch(name, published, cache, server, capsys):
    line = f"zoo fetch {name.format(url=published)}"
    code, messages, errors = answer(capsys, line)
    file = cache / "checkpoints" / published.rpartition("/")[2]
    digest = hashlib.sha256(BODY).hexdigest()
    assert (code, messages, errors) == (0, f"{file}: 0.0 MiB, SHA-256 {digest}\n", "")
    assert answer(capsys, f"{line} --offline")[1] == messages
    assert len(server.asked) == 1
    assert [row.split()[1] for row in announce("zoo own_model").text.splitlines()[1:]] == ["yes"]


def test_offline_touches_no_network(published, server, capsys):
    code, _, errors = answer(capsys, "zoo fetch own_model --offline")
    assert code == 2 and "is not in the cache" in errors
    assert server.asked == []


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("zoo fetch", "zoo fetch needs a name or a URL. zoo lists the names."),
        ("zoo fetch own_mode", "own_mode: is in no table. Did you mean 'own_model'?"),
        ("zoo fetch resnet18", "resnet18: is in more than one table. Say open-mmlab://resnet18 or "
         "mmcls://resnet18 or torchvision://resnet18."),
        ("zoo fetch x --trust", "--strip-prefix, --key, --trust and --force are for zoo convert."),
        ("zoo convert a", "zoo convert needs two files, got 1."),
    ],
)  # fmt: skip
def test_lines_that_are_wrong(line, message, published, capsys):
    assert answer(capsys, line) == (2, "", f"brickbook: {message}\n")


class Terminal:
    def __init__(self):
        self.messages = ""

    def isatty(self):
        return True

    def write(self, text):
        self.messages += text

    def flush(self):
        pass


def test_a_terminal_gets_a_bar(published, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    assert isinstance(announce("zoo fetch own_model"), Message)
    assert terminal.messages == f"\rown_model [{'#' * 30}] 0.0 of 0.0 MiB\n"


# Convert


def test_convert(at_home, capsys):
    state = {"backbone.conv.weight": torch.ones(2), "head.bias": torch.zeros(3)}
    torch.save({"state_dict": state}, "in.pth")
    line = "zoo convert in.pth out.safetensors --strip-prefix backbone."
    assert answer(capsys, line) == (
        0, "out.safetensors: 1 tensors, 0.0 MiB; left out: head.bias\n", "",
    )  # fmt: skip
    assert answer(capsys, line) == (
        2, "", "brickbook: OUT: out.safetensors is there already. Say --force to replace it.\n",
    )  # fmt: skip
    assert answer(capsys, f"{line} --force")[0] == 0
    assert answer(capsys, "zoo convert in.pth all.safetensors")[1] == (
        "all.safetensors: 2 tensors, 0.0 MiB\n"
    )


class Evil:
    def __reduce__(self):
        return os.mkdir, ("trace",)


def test_convert_runs_only_what_is_trusted(at_home, capsys):
    torch.save({"state_dict": {"a": torch.ones(1)}, "meta": Evil()}, "in.pth")
    code, _, errors = answer(capsys, "zoo convert in.pth out.safetensors")
    assert code == 2 and "and is not read" in errors
    assert errors.endswith("Only if you trust whoever made it, say --trust.\n")
    assert not (at_home / "trace").exists()
    assert answer(capsys, "zoo convert in.pth out.safetensors --trust")[0] == 0
    assert (at_home / "trace").exists()


def test_completing(at_home):
    (at_home / "model.pth").write_bytes(b"")
    session = NotebookFrontend({})
    assert complete(session, ["zoo"], "fe") == ["fetch"]
    assert complete(session, ["zoo", "fetch"], "mmcls://vgg11") == [
        "mmcls://vgg11", "mmcls://vgg11_bn",
    ]  # fmt: skip
    assert complete(session, ["zoo", "convert"], "mo") == ["model.pth"]
    assert complete(session, ["zoo", "--scheme"], "mm") == ["mmcls"]
