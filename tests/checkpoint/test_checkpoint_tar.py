"""Files in the tar format that torch wrote until 2017: the test writes them, torch reads them."""

from __future__ import annotations

import io
import os
import pickle
import struct
import tarfile
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from checkpoint_support import equal, net

from brickbook.checkpoint import CheckpointError, load_checkpoint
from brickbook.checkpoint.loaders import read_checkpoint

pytest_plugins = ["checkpoint_fixtures"]

KINDS = {torch.float32: "Float", torch.int64: "Long", torch.float16: "Half", torch.uint8: "Byte"}


class Pickler(pickle.Pickler):
    def __init__(self, file, tensors):
        super().__init__(file, protocol=2)
        self.tensors = tensors

    def persistent_id(self, obj):
        return self.tensors.get(id(obj)) if isinstance(obj, torch.Tensor) else None


def packed(*values):
    return b"".join(pickle.dumps(value, protocol=2) for value in values)


def write_tar(path: Path, content, tensors, extra=b"", views=()):
    """Write the three members that torch 0.1.9 wrote."""
    storages, shapes = extra or packed(len(tensors)), packed(len(tensors))
    for at, tensor in enumerate(tensors):
        flat = tensor.contiguous().flatten()
        storages += packed((at, "cpu", getattr(torch, f"{KINDS[tensor.dtype]}Storage")))
        storages += struct.pack("<q", flat.numel()) + flat.numpy().tobytes()
        kind = getattr(torch, f"{KINDS[tensor.dtype]}Tensor")
        shapes += packed((100 + at, at, kind)) + struct.pack("<ii", tensor.ndim, 0)
        numbers = (*tensor.shape, *tensor.contiguous().stride(), 0)
        shapes += struct.pack(f"<{len(numbers)}q", *numbers)
    body = io.BytesIO()
    Pickler(body, {id(tensor): str(100 + at) for at, tensor in enumerate(tensors)}).dump(content)
    members = {"storages": storages + packed(list(views)), "tensors": shapes,
               "pickle": body.getvalue()}  # fmt: skip
    with tarfile.open(path, "w:", format=tarfile.PAX_FORMAT) as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def test_a_state_dict(tmp_path):
    source, model = net(), net()
    state = OrderedDict(source.state_dict())
    del state["bn.num_batches_tracked"]  # of a later torch
    content = {"state_dict": state, "epoch": 3, "arch": "net"}
    file = write_tar(tmp_path / "a.pth.tar", content, list(state.values()))
    theirs = torch.load(file, weights_only=False)
    found = read_checkpoint(file)
    assert list(found["state_dict"]) == list(theirs["state_dict"]) and found["epoch"] == 3
    assert all(torch.equal(found["state_dict"][name], theirs["state_dict"][name]) for name in state)
    load_checkpoint(model, file, strict=True)
    assert equal(model, source.state_dict())


@pytest.mark.parametrize(
    "tensor",
    [torch.arange(6).reshape(2, 3), torch.ones(2).half(), torch.zeros(0), torch.tensor([7]).byte()],
)
def test_kinds_of_tensors(tensor, tmp_path):
    file = write_tar(tmp_path / "a.pth", [tensor, ("x", tensor)], [tensor])
    found = read_checkpoint(file)
    assert torch.equal(found[0], tensor) and found[0].dtype == tensor.dtype
    assert found[1] == ("x", found[0])
    assert torch.equal(torch.load(file, weights_only=False)[0], tensor)


class Evil:
    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self):
        return os.mkdir, (str(self.trace),)


@pytest.mark.parametrize("where", ["storages", "pickle", "views"])
def test_nothing_runs(where, tmp_path):
    evil, tensor = Evil(tmp_path / "trace"), torch.ones(1)
    file = write_tar(
        tmp_path / "a.pth.tar",
        {"a": tensor, "b": evil if where == "pickle" else 0},
        [tensor],
        extra=packed(evil) if where == "storages" else b"",
        views=[evil] if where == "views" else (),
    )
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(file)
    assert str(caught.value).startswith(
        f"checkpoint: {file} asks for {os.mkdir.__module__}.mkdir, and is not read: "
    )
    assert not (tmp_path / "trace").exists()


def test_a_tensor_beyond_its_memory(tmp_path):
    file = write_tar(tmp_path / "a.tar", torch.ones(4), [])
    tensor = torch.ones(4)
    write_tar(file, tensor, [tensor])
    body = file.read_bytes()
    file.write_bytes(body.replace(struct.pack("<qqq", 4, 1, 0), struct.pack("<qqq", 9, 1, 0)))
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(file)
    assert str(caught.value).startswith(f"checkpoint: {file} is no checkpoint: ")


@pytest.mark.parametrize("part", [0.3, 0.6])
def test_cut_off(part, tmp_path):
    tensor = torch.ones(5000)
    file = write_tar(tmp_path / "a.tar", tensor, [tensor])
    file.write_bytes(file.read_bytes()[: int(part * file.stat().st_size)])
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(file)
    assert str(caught.value).startswith(f"checkpoint: {file} is no checkpoint: ")
