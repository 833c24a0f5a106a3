"""Checkpoints that are written."""

from __future__ import annotations

import errno
import json
import os
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from checkpoint_support import FORMATS, equal, net, ones
from safetensors.torch import load_file, save_model
from torch import nn

import brickbook
from brickbook import initialize, plan
from brickbook.checkpoint import (
    convert,
    find_latest_checkpoint,
    get_state_dict,
    load_checkpoint,
    load_state_dict,
    load_weights,
    read_state,
    save_checkpoint,
    weights_to_cpu,
)
from brickbook.checkpoint.errors import WriteError
from brickbook.checkpoint.save import read_meta
from brickbook.errors import BadArgumentError, BadValueError
from brickbook.init.planning import InitPlan

pytest_plugins = ["checkpoint_fixtures"]
pytestmark = pytest.mark.usefixtures("cache")

CFG = dict(type="Normal", layer="Conv2d", std=0.02)


def files(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


# State dicts


@pytest.mark.parametrize("wrap", [lambda model: model, nn.DataParallel])
def test_a_state_dict_has_no_names_of_wrappers(wrap):
    model, bare = net(), None
    bare = model.state_dict()
    model.conv = wrap(model.conv)
    found = get_state_dict(wrap(model))
    assert type(found) is OrderedDict
    assert list(found) == list(bare)
    assert all(torch.equal(found[name], bare[name]) for name in bare)
    assert found["conv.weight"].data_ptr() == bare["conv.weight"].data_ptr()
    assert found._metadata == bare._metadata


def test_arguments_of_get_state_dict():
    model = net()
    model.register_buffer("scratch", torch.ones(1), persistent=False)
    destination = OrderedDict(a=1)
    destination._metadata = OrderedDict()
    found = get_state_dict(model, destination, "x.", keep_vars=True)
    assert found is destination and list(found)[:3] == ["a", "x.scratch", "x.conv.weight"]
    assert found["x.conv.weight"] is model.conv.weight
    assert "x.bn" in found._metadata


def test_hooks_and_extra_state_are_torchs():
    class Counter(nn.Module):
        def get_extra_state(self):
            return 3

    model = nn.Sequential(Counter())
    model._register_state_dict_hook(lambda module, state, prefix, _: state.update(hooked=1))
    assert dict(get_state_dict(model)) == {"0._extra_state": 3, "hooked": 1}


def test_weights_to_cpu_keeps_the_metadata():
    state = net().state_dict()
    found = weights_to_cpu(state)
    assert type(found) is OrderedDict and found._metadata == state._metadata
    assert all(value.device.type == "cpu" for value in found.values())


# save_checkpoint


@pytest.mark.parametrize("name", ["a.pth", "deep/er/a.pth", "a.safetensors"])
def test_what_is_saved_is_loaded(name, tmp_path):
    source, model = net(), net()
    file = tmp_path / name
    save_checkpoint(nn.DataParallel(source), str(file), meta={"epoch": 3})
    assert files(file.parent) == [file.name]
    load_checkpoint(model, file, strict=True)
    assert equal(model, source.state_dict())
    meta = read_meta(file)
    assert meta["epoch"] == 3 and meta["brickbook_version"] == brickbook.__version__
    assert isinstance(meta["time"], str)
    assert "CLASSES" not in meta


def test_the_layout_is_mmcvs(tmp_path):
    model, file = net(), tmp_path / "a.pth"
    model.CLASSES = ("cat", "dog")
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    given = {"epoch": 3}
    save_checkpoint(nn.DataParallel(model), file, optimizer, given, {"backend": "disk"})
    found = torch.load(file, weights_only=True)
    assert list(found) == ["meta", "state_dict", "optimizer"]
    assert found["meta"]["CLASSES"] == ("cat", "dog")
    assert found["optimizer"] == optimizer.state_dict()
    assert found["state_dict"]._metadata["bn"] == {"version": 2}
    assert given == {"epoch": 3}
    model.CLASSES = None
    save_checkpoint(model, file, {"one": optimizer, "two": optimizer})
    found = torch.load(file, weights_only=True)
    assert list(found["optimizer"]) == ["one", "two"]
    assert "CLASSES" not in found["meta"]


@pytest.mark.parametrize("name", ["a.pth", "a.safetensors"])
def test_a_file_knows_how_its_weights_began(name, tmp_path):
    model, file = net(), tmp_path / name
    todo = plan(model, CFG)
    report = initialize(model, CFG, seed=3)
    save_checkpoint(model, file, report=report)
    init = read_meta(file)["init"]
    assert repr(InitPlan.from_json(init["plan"])) == repr(todo)
    assert json.loads(init["report"])["seed"] == 3
    save_checkpoint(model, file, plan=todo)
    assert list(read_meta(file)["init"]) == ["plan"]


@pytest.mark.parametrize("name", ["a.pth", "a.safetensors"])
def test_tied_weights_are_written_once(name, tmp_path):
    model = nn.Module()
    model.embed, model.head = nn.Embedding(50, 30), nn.Linear(30, 50, bias=False)
    model.head.weight = model.embed.weight
    model.register_buffer("part", model.embed.weight.detach()[:5])
    model.register_buffer("turned", torch.arange(6.0).reshape(2, 3).T)
    file = tmp_path / name
    save_checkpoint(model, file)
    assert file.stat().st_size < 2 * 50 * 30 * 4
    found = read_state(file)
    assert set(found) == {"embed.weight", "head.weight", "part", "turned"}
    assert torch.equal(found["head.weight"], model.embed.weight)
    assert torch.equal(found["part"], model.part) and torch.equal(found["turned"], model.turned)


def test_tied_weights_as_safetensors_writes_them(tmp_path):
    model = nn.Module()
    model.embed, model.head = nn.Embedding(5, 3), nn.Linear(3, 5, bias=False)
    model.head.weight = model.embed.weight
    save_model(model, str(tmp_path / "a.safetensors"))
    assert set(read_state(tmp_path / "a.safetensors")) == {"embed.weight", "head.weight"}


def test_a_dict_is_written_as_it_is(tmp_path):
    content = {"state_dict": ones(net()), "message_hub": {"a": 1}}
    save_checkpoint(content, tmp_path / "a.pth")
    assert torch.load(tmp_path / "a.pth", weights_only=True)["message_hub"] == {"a": 1}


def test_a_url_is_written_through_fsspec(tmp_path):
    system = pytest.importorskip("fsspec").filesystem("memory")
    system.store.clear()
    for name in ("memory://bucket/a.pth", "memory://bucket/sub/a.safetensors"):
        save_checkpoint(net(), name, file_client_args={"backend": "petrel"})
        load_checkpoint(net(), name, strict=True)
    system.store.clear()


class Stateful(nn.Module):
    def get_extra_state(self):
        return 3


@pytest.mark.parametrize(
    ("model", "name", "more", "kind", "message"),
    [
        (net(), "a.pth", {"meta": 3}, BadArgumentError,
         "meta: expected a dict or None, got <class 'int'>."),
        (net(), "a.pth", {"optimizer": 3}, BadArgumentError,
         "optimizer: expected an Optimizer or a dict, got 3."),
        (net(), "a.pth", {"plan": 3}, BadArgumentError,
         "plan: expected what initialize or plan returns, got 3."),
        (net(), "a.pth", {"file_client_args": {"backend": "petrel"}}, BadValueError,
         "file_client_args.backend: 'petrel' is not asked: {}/a.pth is a path. What is not on disk "
         "is written to a URL that fsspec knows, as s3://bucket/name."),
        (net(), "a.safetensors", {"optimizer": {}}, BadValueError,
         "optimizer: {}/a.safetensors holds tensors only. Write to a .pth file."),
        (nn.Sequential(Stateful(), nn.Linear(1, 1)), "a.safetensors", {}, BadValueError,
         "filename: {}/a.safetensors holds tensors only, not 0._extra_state. Write to a .pth "
         "file."),
    ],
)  # fmt: skip
def test_what_cannot_be_saved(model, name, more, kind, message, tmp_path):
    with pytest.raises(kind) as caught:
        save_checkpoint(model, f"{tmp_path}/{name}", **more)
    assert str(caught.value) == message.format(tmp_path)
    assert files(tmp_path) == []


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    file = tmp_path / "a.pth"
    save_checkpoint(net(), file)
    before = file.read_bytes()

    def full(content, part):
        part.write(b"half of it")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("brickbook.checkpoint.save.torch.save", full)
    with pytest.raises(OSError) as caught:
        save_checkpoint(net(), file)
    assert str(caught.value) == f"filename: {file} cannot be written: No space left on device."
    assert file.read_bytes() == before and files(tmp_path) == ["a.pth"]


def test_a_folder_that_is_none(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(WriteError) as caught:
        save_checkpoint(net(), tmp_path / "file" / "a.pth")
    assert str(caught.value) == (f"filename: {tmp_path}/file/a.pth cannot be written: File exists.")


def test_a_file_is_replaced_while_its_tensors_are_in_use(tmp_path):
    model, file = net(), tmp_path / "a.pth"
    save_checkpoint(model, file)
    found = load_checkpoint(model, file)
    before = {name: value.clone() for name, value in found["state_dict"].items()}
    load_state_dict(model, ones(model))
    save_checkpoint(model, file)
    assert all(torch.equal(found["state_dict"][name], before[name]) for name in before)


# What a folder says


def test_the_latest_checkpoint(tmp_path):
    assert find_latest_checkpoint(tmp_path) is None
    (tmp_path / "last_checkpoint").write_text("/runs/epoch_3.pth\n")
    assert find_latest_checkpoint(str(tmp_path)) == "/runs/epoch_3.pth"


# convert


@pytest.mark.parametrize("source", FORMATS)
@pytest.mark.parametrize("target", ["out.pth", "out.safetensors"])
def test_convert(source, target, write, tmp_path):
    state = {"backbone.conv.weight": torch.ones(2), "head.bias": torch.zeros(3)}
    content = state if source == "a.safetensors" else {
        "state_dict": {f"module.{name}": value for name, value in state.items()},
        "meta": {"epoch": 3, "best": np.float64(0.5)},
    }  # fmt: skip
    made = convert(write(content, source), tmp_path / target, strip_prefix="backbone.")
    assert (made.file, made.tensors) == (tmp_path / target, 1)
    assert made.size == (tmp_path / target).stat().st_size
    assert made.left_out == (("module." if source != "a.safetensors" else "") + "head.bias",)
    assert list(read_state(made.file)) == ["conv.weight"]
    meta = read_meta(made.file)
    assert meta["converted_from"] == str(tmp_path / source)
    if source != "a.safetensors":
        assert meta["epoch"] == 3 and float(meta["best"]) == 0.5
    with pytest.raises(BadValueError) as caught:
        convert(tmp_path / source, made.file)
    assert str(caught.value) == (f"target: {made.file} is there already. force=True replaces it.")
    assert convert(made.file, made.file, force=True).tensors == 1


def test_a_part_is_converted_without_the_whole(write, tmp_path):
    whole = torch.zeros(10_000)
    made = convert(write({"a": whole[:10]}), tmp_path / "out.pth")
    assert made.size < 5_000
    assert list(load_file(convert(made.file, tmp_path / "a.safetensors").file)) == ["a"]


def test_a_checkpoint_from_load_weights_to_save(tmp_path):
    save_checkpoint(net(), tmp_path / "a.pth")
    assert load_weights(net(), tmp_path / "a.pth", strict=True).total == 7
