"""Objects beside weights, read as data: no class of a file is imported, and nothing of it runs."""

from __future__ import annotations

import argparse
import collections
import dataclasses
import datetime
import decimal
import enum
import functools
import logging
import os
import pathlib
import pickle
import re
import typing
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from checkpoint_support import TORCH_FORMATS, equal, kept, net, ones
from torch import nn

from brickbook import initialize
from brickbook.checkpoint import CheckpointError, convert, load_checkpoint, load_weights, read_meta
from brickbook.checkpoint.formats import StandIn
from brickbook.checkpoint.schemes import read_checkpoint

pytest_plugins = ["checkpoint_fixtures"]
pytestmark = pytest.mark.usefixtures("cache")

TRUST = "Only if you trust whoever made it, say trust=True."


class Mode(enum.Enum):
    TRAIN = "train"


class Bits(enum.IntFlag):
    A = 1


class Outer:
    class Inner(enum.Enum):
        B = 2


@dataclasses.dataclass
class Settings:
    lr: float = 0.1
    parent: object = None


class OwnDict(dict):
    pass


class CfgNode(OwnDict):
    """As yacs has it: attributes beside the pairs."""

    def __init__(self, *pairs, **more):
        super().__init__(*pairs, **more)
        self.__dict__["_frozen"] = True


class Dict(dict):
    """As addict pickles it: its arguments are its pairs, its state is itself."""

    def __getnewargs__(self):
        return tuple(self.items())

    def __init__(self, *pairs):
        super().__init__(pairs)

    def __getstate__(self):
        return self

    def __setstate__(self, state):
        self.update(state)


class ConfigDict(dict):
    """As mmengine pickles it."""

    def __reduce_ex__(self, protocol):
        return type(self), (dict(self),)


class OwnList(list):
    pass


Point = collections.namedtuple("Point", ["x", "y"])


def step():
    pass


def at(name, **members):
    """Return a class that is pickled under a dotted name."""
    module, _, last = name.rpartition(".")
    return type(last, (), {"__module__": module, "__qualname__": last, **members})


def write_as(content, file, *classes):
    """Save a file whose classes are known only while it is written."""

    class Pickler(pickle._Pickler):
        def save_global(self, item, name=None):
            if item not in classes:
                return super().save_global(item, name)
            self.write(f"c{item.__module__}\n{item.__qualname__}\n".encode())
            self.memoize(item)

        dispatch = {**pickle._Pickler.dispatch, type: save_global}  # noqa: RUF012

    torch.save(content, file, pickle_module=SimpleNamespace(
        Pickler=Pickler, __name__="pickle", dump=pickle.dump))  # fmt: skip


VALUES = {
    "namespace": argparse.Namespace(lr=0.1, mode="a", nested=argparse.Namespace(b=[1])),
    "simple namespace": SimpleNamespace(a=1, b=SimpleNamespace(c=(2,))),
    "path": pathlib.Path("/data/run"),
    "posix path": pathlib.PurePosixPath("/data/run"),
    "windows path": pathlib.PureWindowsPath("C:/data/run"),
    "date": datetime.date(2020, 1, 2),
    "datetime": datetime.datetime(2020, 1, 2, 3, 4, 5, 6),
    "aware datetime": datetime.datetime(2020, 1, 2, tzinfo=datetime.timezone.utc),
    "time": datetime.time(1, 2, 3),
    "timedelta": datetime.timedelta(days=1, microseconds=3),
    "decimal": decimal.Decimal("0.1"),
    "set": {1, 2},
    "frozenset": frozenset({"a"}),
    "range": range(3),
    "slice": slice(1, None, 2),
    "bytes": b"\x00\xff",
    "scalar": np.float32(0.5),
    "dtype": torch.float16,
}


@pytest.mark.parametrize("name", TORCH_FORMATS)
@pytest.mark.parametrize("kind", VALUES)
def test_plain_values_are_as_they_were(kind, name, write):
    model = net()
    file = write({"model": ones(model), "args": VALUES[kind]}, name)
    found = load_checkpoint(model, file, strict=True)["args"]
    assert type(found) is type(VALUES[kind]) and found == VALUES[kind]
    assert equal(model, ones(model))
    model = net()
    initialize(model, dict(type="Pretrained", checkpoint=file))
    assert equal(model, ones(model))


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (OwnDict(a=1, b=OwnDict(c=[2])), {"a": 1, "b": {"c": [2]}}),
        (OwnDict(), {}),
        (CfgNode(a=CfgNode(b=1)), {"a": {"b": 1}}),
        (ConfigDict(a=ConfigDict(b=1), c=[ConfigDict(d=2)]), {"a": {"b": 1}, "c": [{"d": 2}]}),
        (collections.defaultdict(list, {1: [2]}), {1: [2]}),
        (OwnList([1, OwnList([2])]), [1, [2]]),
        (collections.deque([1, 2], maxlen=5), [1, 2]),
        ({"a": OwnDict(b=np.arange(2))}, {"a": {"b": [0, 1]}}),
    ],
)
def test_dicts_and_lists_of_somebodys_classes_are_plain(value, plain, write):
    found = read_checkpoint(write({"cfg": value, "model": ones(net())}))["cfg"]
    if isinstance(value, dict) and isinstance(found.get("a"), dict):
        found["a"] = {k: v.tolist() if isinstance(v, np.ndarray) else v
                      for k, v in found["a"].items()}  # fmt: skip
    assert found == plain and type(found) is type(plain)


def test_a_dict_that_is_its_own_state(write):
    value = Dict(("a", 1))
    value["a"], value["b"] = 1, Dict(("c", 2))
    value["b"]["c"] = 2
    found = read_checkpoint(write({"cfg": value}))["cfg"]
    assert found == {"a": 1, "b": {"c": 2}} and type(found["b"]) is dict


def test_configs_of_omegaconf(tmp_path):
    node, config = at("omegaconf.nodes.AnyNode"), at("omegaconf.dictconfig.DictConfig")
    many, meta = at("omegaconf.listconfig.ListConfig"), at("omegaconf.base.ContainerMetadata")

    def made(kind, content, parent):
        item = kind()
        key = "_val" if kind is node else "_content"
        vars(item).update(_metadata=meta(), _parent=parent, _flags_cache=None, **{key: content})
        return item

    root = made(config, {}, None)
    inner = made(many, [], root)
    root._content.update(lr=made(node, 0.1, root), sizes=inner, none=made(node, None, root))
    inner._content += [made(node, 3, inner), made(config, {"a": made(node, "b", inner)}, inner)]
    file = tmp_path / "a.pth"
    write_as({"cfg": root, "model": ones(net())}, file, node, config, many, meta)
    model = net()
    found = load_checkpoint(model, file, strict=True)["cfg"]
    assert found == {"lr": 0.1, "sizes": [3, {"a": "b"}], "none": None}
    assert type(found) is dict and type(found["sizes"]) is list
    assert equal(model, ones(model))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (Mode.TRAIN, "<test_stand_ins.Mode('train')>"),
        (Bits.A, "<test_stand_ins.Bits(1)>"),
        (Outer.Inner.B, "<test_stand_ins.Outer.Inner(2)>"),
        (Settings(), "<test_stand_ins.Settings object>"),
        (Point(1, 2), "<test_stand_ins.Point(1, 2)>"),
        (step, "<test_stand_ins.step>"),
        (Settings, "<test_stand_ins.Settings>"),
        (nn.ReLU, "<torch.nn.modules.activation.ReLU>"),
        (nn.CrossEntropyLoss(), "<torch.nn.modules.loss.CrossEntropyLoss object>"),
        (functools.partial(step), "<functools.partial object>"),
        (re.compile("a"), "<re._compile('a', 32)>"),
        (logging.getLogger("a"), "<logging.getLogger('a')>"),
        (list[int], "<types.GenericAlias object>"),
        (typing.Dict[str, int], "<_operator.getitem object>"),  # noqa: UP006
        (typing.Optional[int], "<_operator.getitem object>"),  # noqa: UP045
    ],
)  # fmt: skip
def test_other_objects_are_their_names(value, shown, write):
    model = net()
    held = load_checkpoint(model, write({"model": ones(model), "meta": [value]}), strict=True)
    assert repr(held["meta"][0]) == shown
    assert equal(model, ones(model))


def test_attributes_of_an_object(write):
    settings = Settings(0.5)
    settings.parent = Settings(2.0, settings)  # they know each other
    found = read_checkpoint(write({"cfg": settings}))["cfg"]
    assert (type(found), found.kind, found.lr) == (StandIn, "test_stand_ins.Settings", 0.5)
    assert found.parent.lr == 2.0 and found.parent.parent is found
    with pytest.raises(AttributeError, match=r"^this test_stand_ins.Settings was read with lr, pa"):
        _ = found.momentum


def test_nested_arguments_are_kept_and_not_shown(write):
    found = read_checkpoint(write({"cfg": Point([1, OwnDict(a=2)], 2)}))["cfg"]
    assert repr(found) == "<test_stand_ins.Point object>"
    assert found.arguments == [[1, {"a": 2}], 2]


class Loud:
    """Says when anything of it runs."""

    heard: typing.ClassVar[list[str]] = []

    def __new__(cls, *_):
        cls.heard.append("new")
        return super().__new__(cls)

    def __setstate__(self, state):
        self.heard.append("state")

    def __setitem__(self, key, value):
        self.heard.append("item")


class LoudDict(Loud, dict):
    pass


def test_nothing_of_a_class_runs(write):
    content = {"a": Loud(), "b": LoudDict(), "c": np.float32(1)}
    content["a"].value = 1
    dict.__setitem__(content["b"], "d", 2)
    file = write(content)
    Loud.heard.clear()
    found = read_checkpoint(file)
    assert found["a"].value == 1 and found["b"] == {"d": 2}
    assert Loud.heard == []
    read_checkpoint(file, trust=True)
    assert "new" in Loud.heard and "state" in Loud.heard


class Called:
    """Is pickled as a call."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    ("function", "arguments", "name"),
    [
        (os.mkdir, ("x",), f"{os.mkdir.__module__}.mkdir"),
        (eval, ("1",), "eval"),
        (step, (), "test_stand_ins.step"),
        (torch.load, ("x",), "torch.serialization.load"),
        (logging.FileHandler, ("x",), "logging.FileHandler"),
        (getattr, (int, "from_bytes"), "getattr"),
        (int, ("9" * 9,), "int"),
    ],
)
def test_calls_for_what_they_do_are_refused_by_name(function, arguments, name, write):
    model = net()
    before = kept(model)
    file = write({"model": ones(model), "meta": Called(function, *arguments)})
    with pytest.raises(CheckpointError) as caught:
        load_weights(model, file)
    assert str(caught.value) == (
        f"filename: {file} asks for {name}, and is not read: to make such an object is to run what "
        "the file says. Ask for a .safetensors file, or for one that holds a state_dict and "
        f"nothing else. {TRUST}"
    )
    assert equal(model, before)


@pytest.mark.parametrize("content", [net(), {"model": net(), "epoch": 1}])
def test_a_whole_model(content, write):
    file = write(content)
    with pytest.raises(CheckpointError) as caught:
        load_weights(net(), file)
    assert str(caught.value) == (
        f"filename: No state_dict found in checkpoint file {file}. It holds an object of "
        "torch.nn.modules.container.Sequential, of which nothing was run: save its state_dict. "
        f"{TRUST}"
    )


def test_a_weight_that_is_an_object(write):
    file = write({"model": {**ones(net()), "conv.packed": Settings()}, "cfg": Settings()})
    with pytest.raises(CheckpointError) as caught:
        load_weights(net(), file)
    assert str(caught.value) == (
        f"filename: {file} has an object of test_stand_ins.Settings as its conv.packed, and runs "
        f"nothing. {TRUST}"
    )
    file = write({**ones(net()), "cfg": Settings()})  # beside the weights it does no harm
    model = net()
    load_weights(model, file, strict=True)
    assert equal(model, ones(model))


@pytest.mark.parametrize("target", ["a.pth", "a.safetensors"])
def test_converted_files_ask_for_no_class_of_ours(target, write, tmp_path):
    source = write({"model": ones(net()), "meta": {"cfg": Settings(), "deep": [Mode.TRAIN]}})
    convert(source, tmp_path / target)
    shown, found = "<test_stand_ins.Settings object>", read_meta(tmp_path / target)
    if target.endswith(".safetensors"):
        assert found["cfg"] == shown
    else:
        assert torch.load(tmp_path / target, weights_only=True)["meta"] == found
        assert found["cfg"] == {"object": shown}
