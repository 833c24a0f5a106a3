"""Files that are no checkpoints, and files that mean harm."""

from __future__ import annotations

import io
import os
import pickle
import sys
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from checkpoint_support import FORMATS, TORCH_FORMATS

from brickbook.checkpoint import CheckpointError, MissingPackageError, read_state
from brickbook.checkpoint.formats.safe_globals import HistoryBuffer, method_name
from brickbook.checkpoint.schemes import read_checkpoint

pytest_plugins = ["checkpoint_fixtures"]
pytestmark = pytest.mark.usefixtures("cache")

TRUST = (
    "Ask for a .safetensors file, or for one that holds a state_dict and nothing else. Only if you "
    "trust whoever made it, say trust=True."
)


class Evil:
    """Runs a function when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self):
        return os.mkdir, (str(self.trace),)


@pytest.mark.parametrize("name", TORCH_FORMATS)
def test_a_malicious_pickle_never_runs(name, write, tmp_path):
    trace = tmp_path / "trace"
    file = write({"state_dict": {"weight": torch.ones(1)}, "meta": Evil(trace)}, name)
    with pytest.raises(CheckpointError) as caught:
        read_state(file)
    assert str(caught.value) == (
        f"init_cfg.checkpoint: {file} asks for {os.mkdir.__module__}.mkdir, and is not read: to "
        "make such an object is to run what the file says. " + TRUST
    )
    assert not trace.exists()
    torch.load(file, weights_only=False)
    assert trace.exists()  # it would have run


@pytest.mark.parametrize("setting", ["1", "true"])
def test_no_setting_lets_it_run(setting, write, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", setting)
    trace = tmp_path / "trace"
    file = write(Evil(trace))
    with pytest.raises(CheckpointError):
        read_state(file)
    assert not trace.exists()


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("trust", [False, True])
def test_a_plain_malicious_pickle_never_runs(protocol, trust, tmp_path):
    file, trace = tmp_path / "evil.pkl", tmp_path / "trace"
    file.write_bytes(pickle.dumps(Evil(trace), protocol=protocol))
    with pytest.raises(CheckpointError) as caught:
        read_state(str(file), trust=trust)
    assert str(caught.value) == (
        f"init_cfg.checkpoint: {file} is a pickle that torch.save has not written. Only if you "
        "trust whoever made it, unpickle it yourself and torch.save its tensors."
    )
    assert not trace.exists()


@pytest.mark.parametrize("name", TORCH_FORMATS)
@pytest.mark.filterwarnings("ignore:Detected pickle protocol 4:UserWarning")
def test_a_newer_protocol(name, tmp_path):
    file, zipped = tmp_path / name, TORCH_FORMATS[name]
    state = {"weight": torch.ones(1)}
    torch.save(state, file, pickle_protocol=4, _use_new_zipfile_serialization=zipped)
    with pytest.raises(CheckpointError) as caught:
        read_state(str(file))
    assert str(caught.value) == (
        f"init_cfg.checkpoint: {file} is pickled with protocol 4 or 5, of which torch reads "
        "nothing without running what the file says. Ask for a .safetensors file, or for one of "
        "torch.save's own protocol, 2. Only if you trust whoever made it, say trust=True."
    )
    assert read_state(str(file), trust=True) == state


@pytest.mark.parametrize(
    "call",
    [
        (eval, "1"),
        (getattr, int, "from_bytes"),
        (getattr, "", "__class__"),
        (np.load, "a.npy"),
    ],
)
def test_what_is_allowed_opens_no_other_door(call, write):
    class Sly:
        def __reduce__(self):
            return call[0], call[1:]

    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(write({"a": Sly()}))
    assert "is not read: to make such an object is to run what the file says" in str(caught.value)


def test_getattr_is_a_word_and_nothing_more():
    assert method_name(HistoryBuffer, "__init__") == "__init__"
    for owner, name in ((HistoryBuffer, 3), (HistoryBuffer(), "mean"), ("", "join")):
        with pytest.raises(pickle.UnpicklingError):
            method_name(owner, name)


@pytest.mark.parametrize("name", TORCH_FORMATS)
def test_trust_reads_it_and_is_logged(name, write, tmp_path, caplog):
    trace = tmp_path / "trace"
    file = write({"state_dict": {"weight": torch.ones(1)}, "meta": Evil(trace)}, name)
    assert list(read_checkpoint(file, trust=True)["state_dict"]) == ["weight"]
    assert trace.exists()
    assert [(each.levelname, each.getMessage()) for each in caplog.records] == [
        ("WARNING", f"trust=True: whatever {file} says is run while it is read")
    ]
    with pytest.raises(CheckpointError):  # it holds for one call
        read_checkpoint(file)


def zipped(name: str) -> bytes:
    """Return a zip archive with one empty file."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(name, b"")
    return content.getvalue()


def test_a_torchscript_archive(tmp_path):
    file = tmp_path / "a.pth"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it is going out of use
        torch.jit.save(torch.jit.script(torch.nn.Linear(1, 1)), file)
        with pytest.raises(CheckpointError) as caught:
            read_state(str(file))
    assert str(caught.value) == (
        f"init_cfg.checkpoint: {file} is no checkpoint: it is a TorchScript archive, of which "
        "torch.jit.load gives the model."
    )


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("a.pth", b"", "it is empty"),
        ("a.pth", b"hello", "it begins with b'hello'"),
        ("a.pth", b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.garbage", "Unsupported operand 103"),
        ("a.pth", zipped("a.npy"), "it is a zip archive that torch.save has not written"),
        ("a.pth", zipped("a/data.pkl")[:-9], "it ends too early"),
    ],
)
def test_damaged(name, content, why, tmp_path):
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(CheckpointError) as caught:
        read_state(str(file))
    assert str(caught.value) == f"init_cfg.checkpoint: {file} is no checkpoint: {why}."


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("part", [0.1, 0.5, 0.99])
def test_cut_off(name, part, write):
    file = Path(write({"weight": torch.ones(5000)}, name))
    file.write_bytes(file.read_bytes()[: int(part * file.stat().st_size)])
    with pytest.raises(CheckpointError) as caught:
        read_state(str(file))
    assert str(caught.value).startswith(f"init_cfg.checkpoint: {file} is no ")


def test_no_safetensors_file(tmp_path):
    file = tmp_path / "a.safetensors"
    file.write_bytes(b"hello, world")
    with pytest.raises(CheckpointError) as caught:
        read_state(str(file))
    assert str(caught.value) == (
        f"init_cfg.checkpoint: {file} is no safetensors file: Error while deserializing header: "
        "header too large."
    )


def test_without_safetensors(write, monkeypatch):
    file = write({"a": torch.ones(1)}, "a.safetensors")
    monkeypatch.setitem(sys.modules, "safetensors", None)
    with pytest.raises(MissingPackageError) as caught:
        read_state(file)
    assert str(caught.value) == (
        f"init_cfg.checkpoint: {file} needs safetensors, which cannot be imported: import of "
        "safetensors halted; None in sys.modules. Install it: pip install safetensors."
    )
