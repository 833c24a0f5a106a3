from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from checkpoint_support import FORMATS, TORCH_FORMATS
from torch import nn

from brickbook.checkpoint import CheckpointError, read_state
from brickbook.checkpoint.schemes import read_checkpoint
from brickbook.checkpoint.state_dict import extract_state, revise_names
from brickbook.errors import (
    BadArgumentError,
    BadValueError,
    CheckError,
    ConfigError,
    MissingFileError,
)

pytest_plugins = ["checkpoint_fixtures"]
pytestmark = pytest.mark.usefixtures("cache")

STATE = {
    "backbone.conv1.weight": torch.arange(6.0).reshape(2, 3),
    "backbone.layer1.0.weight": torch.ones(2),
    "neck.weight": torch.zeros(3),
    "head.fc.bias": torch.full((4,), 7.0),
}
BARE = {name.removeprefix("backbone."): STATE[name] for name in list(STATE)[:2]}


def same(found, expected):
    assert list(found) == list(expected)
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert all(tensor.device.type == "cpu" for tensor in found.values())


@pytest.mark.parametrize("name", FORMATS)
def test_every_format(name, write):
    same(read_state(write(STATE, name)), dict(sorted(STATE.items())) if "safe" in name else STATE)


@pytest.mark.parametrize("name", TORCH_FORMATS)
def test_wrapped_and_from_data_parallel(name, write):
    inner = {f"module.{key}": value for key, value in STATE.items()}
    same(read_state(write({"state_dict": inner, "meta": {"epoch": 3}}, name)), STATE)


@pytest.mark.parametrize("name", TORCH_FORMATS)
def test_a_whole_model_as_mmcv_saves_it(name, write):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    saved = {"meta": {"mmcv_version": "1.4.5", "CLASSES": ("a", "b"), "time": "now"}}
    saved["state_dict"] = model.state_dict()
    saved["optimizer"] = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9).state_dict()
    same(read_state(write(saved, name)), model.state_dict())


@pytest.mark.parametrize("prefix", ["backbone", "backbone."])
@pytest.mark.parametrize("wrapper", ["", "module."])
def test_prefix(prefix, wrapper, write):
    file = write({"state_dict": {f"{wrapper}{key}": value for key, value in STATE.items()}})
    same(read_state(file, prefix=prefix), BARE)
    if wrapper:
        same(read_state(file, prefix="module"), STATE)
        same(read_state(file, prefix=f"module.{prefix}"), BARE)
    same(read_state(file, prefix=""), STATE)


@pytest.mark.parametrize(
    ("state", "prefix", "message"),
    [
        (STATE, "zzz", "zzz. is not in the pretrained model. Known: backbone, head, neck."),
        (STATE, "back", "back. is not in the pretrained model. Did you mean 'backbone'?"),
        (
            STATE,
            "backbone.layer2",
            "backbone.layer2. is not in the pretrained model. Did you mean 'backbone.layer1'?",
        ),
        (
            {"weight": torch.ones(1)},
            "backbone",
            "backbone. is not in the pretrained model. Its names are weight.",
        ),
    ],
)
def test_prefix_that_no_name_has(state, prefix, message, write):
    with pytest.raises(CheckError) as caught:
        read_state(write(state), prefix=prefix, path="init_cfg[1].checkpoint")
    assert str(caught.value) == f"init_cfg[1].prefix: {message}"
    assert isinstance(caught.value, AssertionError)


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        ([1, 2], "It holds [1, 2], not a dict."),
        ("words", "It holds 'words', not a dict."),
        ({}, "It holds nothing, and none of it is a tensor."),
        ({"state_dict": None}, "It holds None, not a dict."),
        ({"state_dict": {"a": 1}}, "It holds a, and none of it is a tensor."),
        (
            {"state": {0: {"exp_avg": torch.ones(1)}}, "param_groups": []},
            "It holds state, param_groups, and none of it is a tensor.",
        ),
        ({"model": [{"a": torch.ones(1)}]}, "It holds model, and none of it is a tensor."),
        ({1: torch.ones(1)}, "It holds 1, and none of it is a tensor."),
    ],
)
def test_no_state_dict(content, hint, write):
    file = write(content)
    with pytest.raises(CheckpointError) as caught:
        read_state(file)
    assert (
        str(caught.value)
        == f"init_cfg.checkpoint: No state_dict found in checkpoint file {file}. {hint}"
    )
    assert isinstance(caught.value, RuntimeError)


def test_a_url_is_named_with_its_file(server, cache):
    url = server.put("a-#.pth", b"hello")
    with pytest.raises(CheckpointError) as caught:
        read_state(url)
    file = cache / "checkpoints" / url.rpartition("/")[2]
    assert str(caught.value) == (
        f"init_cfg.checkpoint: {url} ({file}) is no checkpoint: it begins with b'hello'."
    )


def test_from_a_url(server, tmp_path):
    torch.save({"state_dict": STATE}, tmp_path / "a.pth")
    url = server.put("retinanet_20200130-#.pth", (tmp_path / "a.pth").read_bytes())
    same(read_state(url, prefix="backbone."), BARE)


def test_missing_file(tmp_path):
    with pytest.raises(MissingFileError) as caught:
        read_state(str(tmp_path / "a.pth"))
    assert str(caught.value) == f"init_cfg.checkpoint: {tmp_path / 'a.pth'} can not be found."


# Arguments


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ({"prefix": 3}, BadArgumentError, "init_cfg.prefix: expected a str, got 3."),
        (
            {"map_location": 2.5},
            BadArgumentError,
            "init_cfg.map_location: expected a device, a dict or a function, got 2.5.",
        ),
        (
            {"map_location": "gpu"},
            BadValueError,
            "init_cfg.map_location: 'gpu' can not be used: Expected one of cpu, ",
        ),
    ],
)
def test_arguments_are_checked_before_a_download(arguments, kind, message, server):
    with pytest.raises(kind) as caught:
        read_state(server.put("a.pth"), **arguments)
    assert str(caught.value).startswith(message)
    assert isinstance(caught.value, ConfigError)
    assert server.asked == []


@pytest.mark.parametrize(
    "place", [None, "cpu", torch.device("cpu"), {"cpu": "cpu"}, lambda s, _: s]
)
@pytest.mark.parametrize("name", ["zip.pth", "a.safetensors"])
def test_map_location(place, name, write):
    same(read_state(write(BARE, name), map_location=place), BARE)


@pytest.mark.parametrize("name", ["zip.pth", "a.safetensors"])
def test_unmapped_tensors_outlive_the_file(name, write):
    file = write({"a": torch.ones(5000)}, name)
    found = read_checkpoint(file)
    Path(file).write_bytes(b"")  # a mapped tensor would end the process here
    assert found["a"].sum() == 5000


# Names


def test_two_names_cannot_become_one():
    state = OrderedDict({"a": torch.ones(1), "module.a": torch.ones(1)})
    with pytest.raises(BadValueError) as caught:
        revise_names(state, [(r"^module\.", "")])
    assert str(caught.value) == "revise_keys: a and module.a would both become a."


def test_a_pattern_that_is_none():
    with pytest.raises(BadValueError) as caught:
        revise_names(OrderedDict({"a": torch.ones(1)}), [("(", "")])
    assert str(caught.value) == (
        "revise_keys: '(' is no pattern: missing ), unterminated subpattern at position 0."
    )


def test_metadata_is_renamed_too():
    class Deep(nn.Module):
        def __init__(self):
            super().__init__()
            self.backbone = nn.Sequential(nn.BatchNorm1d(2))

    state = extract_state(nn.DataParallel(Deep()).state_dict(), "a model")
    bare = revise_names(state, [(r"^module\.", "")])
    assert {part: each["version"] for part, each in bare._metadata.items()} == {
        "": 1,
        "backbone": 1,
        "backbone.0": 2,
    }
    assert revise_names(bare, [(r"^", "x.")])._metadata["x.backbone.0"] == {"version": 2}
