"""What real checkpoints hold beside tensors, and checkpoints in several files."""

from __future__ import annotations

import json
import sys
import types
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from checkpoint_support import TORCH_FORMATS, net, ones
from safetensors.torch import save_file
from torch import nn
from torch.serialization import get_safe_globals, safe_globals
from torchvision_support import import_torchvision

from brickbook.checkpoint import CheckpointError, load_checkpoint, locate
from brickbook.checkpoint.formats.safe_globals import HistoryBuffer
from brickbook.checkpoint.schemes import read_checkpoint
from brickbook.errors import MissingFileError

pytest_plugins = ["checkpoint_fixtures"]
pytestmark = pytest.mark.usefixtures("cache")

VALUES = {
    "float64": np.float64(0.5),
    "int64": np.int64(3),
    "bool": np.bool_(True),
    "float16": np.float16(0.5),
    "string": np.str_("abc"),
    "array": np.arange(6.0).reshape(2, 3),
    "fortran": np.asfortranarray(np.arange(6).reshape(2, 3)),
    "bools": np.array([True, False]),
    "words": np.array(["a", "bc"]),
    "time": np.datetime64("2024-01-02"),
}


@pytest.mark.parametrize("name", TORCH_FORMATS)
@pytest.mark.parametrize("kind", VALUES)
def test_numpy(kind, name, write):
    value = VALUES[kind]
    found = read_checkpoint(write({"meta": OrderedDict(a=value)}, name))["meta"]["a"]
    assert type(found) is type(value)
    assert np.array_equal(found, value) and np.asarray(found).dtype == np.asarray(value).dtype


@pytest.mark.parametrize("old", ["numpy.core", "numpy._core"])
def test_numpy_of_another_generation(old, write):
    file = Path(write({"meta": (np.float64(0.5), np.arange(3))}, "legacy.pth"))
    core = np.float64(0).__reduce__()[0].__module__.removesuffix(".multiarray")
    body = file.read_bytes()
    assert f"c{core}.multiarray\n".encode() in body
    file.write_bytes(body.replace(f"c{core}.".encode(), f"c{old}.".encode()))
    number, array = read_checkpoint(file)["meta"]
    assert number == 0.5 and array.tolist() == [0, 1, 2]


def test_arrays_of_objects_are_refused(write):
    with pytest.raises(CheckpointError):
        read_checkpoint(write({"a": np.array([{}, None], dtype=object)}))


class Sly:
    """Asks for a dtype of plain numbers that numpy would take for addresses."""

    def __reduce__(self):
        return np.dtype, ("f8", False, True), (3, "<", None, None, None, -1, -1, 63)


def test_flags_of_a_dtype_are_not_taken_from_a_file(write):
    found = read_checkpoint(write({"a": Sly()}))["a"]
    assert found == np.dtype("f8") and found.flags == np.dtype("f8").flags


class Short:
    """Asks for an array of more numbers than it has bytes for."""

    def __init__(self, shape, data=b"12345678"):
        self.shape, self.data = shape, data

    def __reduce__(self):
        make, start, state = np.zeros(1).__reduce__()
        return make, start, (1, self.shape, state[2], False, self.data)


@pytest.mark.parametrize("array", [Short((2,)), Short((-1,)), Short((1,), [object])])
def test_arrays_that_are_none(array, write):
    with pytest.raises(CheckpointError):
        read_checkpoint(write({"a": array}))


def test_what_others_allow_is_not_for_our_files(write):
    with safe_globals([net]):
        found = read_checkpoint(write({"a": net}))["a"]
        assert repr(found) == "<checkpoint_support.net>"
        assert net in get_safe_globals()


def test_arrays_within_all_containers(write):
    array = np.arange(3)
    content = {"a": [array, (array, {"b": array})], "c": OrderedDict(d=(1, 2)), "e": array.dtype}
    found = read_checkpoint(write(content))
    assert found["a"][0].tolist() == found["a"][1][0].tolist() == [0, 1, 2]
    assert found["a"][1][1]["b"].tolist() == [0, 1, 2]
    assert found["c"]["d"] == (1, 2) and found["e"] == array.dtype


def test_torchs_own_list_is_as_before(write):
    before = set(get_safe_globals())
    read_checkpoint(write(VALUES))
    with pytest.raises(CheckpointError):
        read_checkpoint(write({"a": np.array([None], dtype=object)}))
    assert set(get_safe_globals()) == before


@pytest.fixture
def mmengines(monkeypatch):
    """Return a class that is pickled as mmengine's HistoryBuffer is."""
    name = "mmengine.logging.history_buffer"

    class HistoryBuffer:
        def __init__(self, values):
            self.max_length = 1000
            self._log_history = np.array(values)
            self._count_history = np.ones(len(values))
            self._statistics_methods = OrderedDict(mean=HistoryBuffer.mean)

        def __getstate__(self):
            return {**vars(self), "statistics_methods": self._statistics_methods}

        def mean(self):
            return self._log_history.mean()

    module = types.ModuleType(name)
    for each in (HistoryBuffer, HistoryBuffer.mean):
        each.__module__ = name
        each.__qualname__ = each.__qualname__.rpartition("<locals>.")[2]
    module.HistoryBuffer = HistoryBuffer
    for part in ("mmengine", "mmengine.logging"):
        monkeypatch.setitem(sys.modules, part, types.ModuleType(part))
    monkeypatch.setitem(sys.modules, name, module)
    return HistoryBuffer


@pytest.mark.parametrize("name", TORCH_FORMATS)
def test_a_history_buffer_is_a_stand_in(name, write, mmengines, monkeypatch):
    scalars = OrderedDict({"train/loss": mmengines([3.0, 2.0, 1.0])})
    state = {"message_hub": {"log_scalars": scalars}, "state_dict": ones(net()), "meta": {}}
    file = write(state, name)
    for part in ("mmengine", "mmengine.logging", "mmengine.logging.history_buffer"):
        monkeypatch.delitem(sys.modules, part)
    found = load_checkpoint(net(), file, strict=True)
    buffer = found["message_hub"]["log_scalars"]["train/loss"]
    assert type(buffer) is HistoryBuffer
    assert buffer.log_history.tolist() == [3, 2, 1]
    assert buffer.count_history.tolist() == [1, 1, 1]
    assert buffer.max_length == 1000


def test_a_file_in_the_layout_of_mmcv_1_with_a_resnet50(write):
    models = import_torchvision().models
    source, model = models.resnet50(weights=None), models.resnet50(weights=None)
    optimizer = torch.optim.SGD(source.parameters(), 0.02, momentum=0.9)
    meta = {
        "env_info": "sys.platform: linux\nPython: 3.7", "config": "model = dict(type='ResNet')",
        "seed": np.int64(0), "exp_name": "r50.py", "epoch": 12, "iter": 87960,
        "mmcv_version": "1.4.5", "time": "Thu Jan 30 01:02:03 2020",
        "CLASSES": ("person", "bicycle"), "PALETTE": [(220, 20, 60), (119, 11, 32)],
        "hook_msgs": {"best_score": np.float64(0.374), "best_ckpt": "a.pth"},
    }  # fmt: skip
    state = {f"module.{name}": value for name, value in source.state_dict().items()}
    file = write({"meta": meta, "state_dict": state, "optimizer": optimizer.state_dict()})
    found = load_checkpoint(model, file, strict=True)
    assert found["meta"] == meta
    assert len(found["state_dict"]) == 320
    assert all(
        torch.equal(value, source.state_dict()[name]) for name, value in model.state_dict().items()
    )


# Several files


def shards(folder: Path, suffix: str, **index) -> Path:
    """Write a model in two files and an index, as Hugging Face's libraries do."""
    state = ones(net())
    names = list(state)
    halves = {f"model-1{suffix}": names[:3], f"model-2{suffix}": names[3:]}
    for file, half in halves.items():
        part = {name: state[name] for name in half}
        if suffix == ".safetensors":
            save_file(part, folder / file)
        else:
            torch.save(part, folder / file)
    where = {name: file for file, half in halves.items() for name in half}
    file = folder / f"model{suffix}.index.json"
    file.write_text(json.dumps({"metadata": {}, "weight_map": {**where, **index}}))
    return file


@pytest.mark.parametrize("suffix", [".safetensors", ".bin"])
def test_an_index_stands_for_its_files(suffix, tmp_path):
    model = net()
    found = load_checkpoint(model, shards(tmp_path, suffix), strict=True)
    assert list(found) == list(ones(model))
    assert all(each.eq(1).all() for each in model.parameters())


def test_an_index_behind_a_url(server, tmp_path):
    for file in (shards(tmp_path, ".safetensors"), *tmp_path.glob("*.safetensors")):
        server.put(f"repo/{file.name}?a=1", file.read_bytes())
    model = net()
    load_checkpoint(model, f"{server.url}/repo/model.safetensors.index.json?a=1", strict=True)
    assert all(each.eq(1).all() for each in model.parameters())
    assert server.asked == [
        f"/repo/{name}?a=1"
        for name in ("model.safetensors.index.json", "model-1.safetensors", "model-2.safetensors")
    ]


@pytest.mark.parametrize(
    ("index", "problem"),
    [
        ({"fc.weight": "model-1.bin"}, "looks for fc.weight in model-1.bin, which has it not."),
        ({"fc.weight": "../x.bin"}, "lists '../x.bin', which is no file beside it."),
        ({"fc.weight": "a\\x.bin"}, "lists 'a\\\\x.bin', which is no file beside it."),
    ],
)
def test_an_index_that_is_wrong(index, problem, tmp_path):
    file, model = shards(tmp_path, ".bin", **index), nn.Linear(1, 1)
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(model, file)
    assert str(caught.value) == f"filename: {file} {problem}"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        ("[]", "no weight_map"),
        ("{}", "no weight_map"),
        ('{"weight_map": 3}', "no weight_map"),
    ],
)
def test_an_index_that_is_none(text, why, tmp_path):
    file = tmp_path / "a.index.json"
    file.write_text(text)
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(file)
    assert str(caught.value).startswith(
        f"checkpoint: {file} is no index of a checkpoint: {why}"[:-9]
    )


def test_a_file_of_an_index_that_is_missing(tmp_path):
    file = shards(tmp_path, ".bin")
    (tmp_path / "model-2.bin").unlink()
    with pytest.raises(MissingFileError) as caught:
        read_checkpoint(file)
    assert str(caught.value) == (
        f"checkpoint: {tmp_path}/model-2.bin can not be found. Did you mean 'model-1.bin'?"
    )
    assert locate(file) == file
