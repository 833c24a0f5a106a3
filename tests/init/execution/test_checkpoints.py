"""``dict(type='Pretrained')`` through `initialize`, as the source document has it."""

import hashlib
import io
import json
import logging
import re
from collections import OrderedDict

import pytest
import torch
from torch import nn
from torchvision_support import import_torchvision

from brickbook import BaseModule, Sequential, initialize, load_weights, plan
from brickbook.checkpoint import CheckpointError
from brickbook.checkpoint.zoo import Weights
from brickbook.errors import BadArgumentError, BadValueError, ConfigError
from brickbook.init import InitPlan, PretrainedInit

pytest_plugins = ["checkpoint_fixtures"]


class Detector(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
        self.head = nn.Linear(4, 2)


def packed(state):
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def state(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(model, other):
    return all(torch.equal(value, other[name]) for name, value in model.state_dict().items())


def test_a_file(tmp_path):
    source, model = Detector(), Detector()
    torch.save({"state_dict": source.state_dict()}, tmp_path / "all.pth")
    report = initialize(model, dict(type="Pretrained", checkpoint=str(tmp_path / "all.pth")))
    assert same(model, source.state_dict())
    assert report["head.weight"].action == "loaded" and report["head.weight"].source == "init_cfg"
    assert report.matches[0].exact


def test_an_url_with_a_prefix(server):
    source = Detector()
    url = server.put("retinanet-#.pth", packed({"state_dict": source.state_dict()}))
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    initialize(model, dict(type="Pretrained", checkpoint=url, prefix="backbone."))
    assert same(model, source.backbone.state_dict())


def test_torchvision(server, monkeypatch):
    models = import_torchvision().models
    source, model = models.resnet18(weights=None), models.resnet18(weights=None)
    body = packed(source.state_dict())
    url = server.put(f"resnet18-{hashlib.sha256(body).hexdigest()[:8]}.pth", body)
    row = Weights("torchvision", "resnet18", url)
    monkeypatch.setattr("brickbook.checkpoint.schemes.find_weights", lambda *_: row)
    initialize(model, dict(type="Pretrained", checkpoint="torchvision://resnet18"))
    assert same(model, source.state_dict())


def test_pretrained_is_last_and_what_it_lacks_keeps_its_planned_start(tmp_path, caplog):
    source, model = Detector(), Detector()
    torch.save(source.backbone.state_dict(prefix="backbone."), tmp_path / "part.pth")
    cfg = [
        dict(type="Pretrained", checkpoint=str(tmp_path / "part.pth")),
        dict(type="Constant", val=7, layer=["Conv2d", "Linear"]),
    ]
    with caplog.at_level(logging.WARNING, "brickbook"):
        report = initialize(model, cfg)
    assert same(model.backbone, source.backbone.state_dict())
    assert model.head.weight.unique().tolist() == [7]
    assert report["head.weight"].action == "written"
    assert report.plan["backbone.0.weight"].later_writers == ("init_cfg[0]",)
    assert set(report.matches[0].missing) == {"head.weight", "head.bias"}


def test_an_override_in_a_checkpoints_own_entry_comes_after_it(tmp_path):
    source, model = Detector(), Detector()
    torch.save(source.state_dict(), tmp_path / "all.pth")
    cfg = dict(
        type="Pretrained",
        checkpoint=str(tmp_path / "all.pth"),
        override=dict(type="Constant", name="head", val=3, bias=4),
    )
    report = initialize(model, cfg)
    assert same(model.backbone, source.backbone.state_dict())
    assert model.head.weight.unique().tolist() == [3]
    assert report["head.weight"].source == "init_cfg.override"


def test_inner_and_outer_checkpoints(tmp_path):
    class Part(BaseModule):
        def __init__(self, init_cfg=None):
            super().__init__(init_cfg)
            self.fc = nn.Linear(2, 2)

    for name, value in (("inner", 1.0), ("outer", 2.0)):
        prefix = "0." if name == "outer" else ""
        torch.save({f"{prefix}fc.weight": torch.full((2, 2), value)}, tmp_path / f"{name}.pth")
    inner = dict(type="Pretrained", checkpoint=str(tmp_path / "inner.pth"))
    outer = dict(type="Pretrained", checkpoint=str(tmp_path / "outer.pth"))
    model = Sequential(Part(inner), init_cfg=dict(type="Constant", val=5, layer="Linear"))
    model.init_weights()
    assert model[0].fc.weight.unique().tolist() == [1]
    assert model[0].fc.bias.unique().tolist() == [0]
    model = Sequential(Part(inner), init_cfg=outer)
    model.init_weights()
    assert model[0].fc.weight.unique().tolist() == [2]


@pytest.mark.parametrize(
    ("cfg", "error", "message"),
    [
        (dict(checkpoint="nothing.pth"), FileNotFoundError,
         "init_cfg[1].checkpoint: nothing.pth can not be found."),
        (dict(checkpoint="all.pth", prefix="bakbone"), AssertionError,
         "init_cfg[1].prefix: bakbone. is not in the pretrained model. Did you mean 'backbone'?"),
    ],
)  # fmt: skip
def test_a_checkpoint_that_fails_changes_nothing(tmp_path, monkeypatch, cfg, error, message):
    monkeypatch.chdir(tmp_path)
    torch.save(Detector().state_dict(), "all.pth")
    model = Detector()
    before = state(model)
    todo = [dict(type="Constant", val=1, layer="Linear"), dict(type="Pretrained", **cfg)]
    plan(model, todo)  # a plan reads no file
    with pytest.raises(error) as caught:
        initialize(model, todo)
    assert str(caught.value).startswith(message)
    assert same(model, before)


class Renamed(nn.Module):
    """Version 2 calls fc what version 1 called linear."""

    _version = 2

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(1, 1)

    def _load_from_state_dict(self, state, prefix, local, *rest):
        if local.get("version") == 1:
            for key in ("weight", "bias"):
                state[f"{prefix}fc.{key}"] = state.pop(f"{prefix}linear.{key}")
        super()._load_from_state_dict(state, prefix, local, *rest)


def test_versions_of_modules_count(tmp_path):
    old = OrderedDict({"b.linear.weight": torch.ones(1, 1), "b.linear.bias": torch.ones(1)})
    old._metadata = OrderedDict({"b": {"version": 1}})
    torch.save(old, tmp_path / "old.pth")
    model = Renamed()
    initialize(model, dict(type="Pretrained", checkpoint=str(tmp_path / "old.pth"), prefix="b."))
    assert model.fc.weight.item() == model.fc.bias.item() == 1


def test_a_misfit_says_which_prefix_would_fit(tmp_path):
    torch.save({f"a.{name}": v for name, v in Detector().state_dict().items()}, tmp_path / "a.pth")
    model = Detector()
    before = state(model)
    with pytest.raises(RuntimeError) as caught:
        initialize(model, [dict(type="Pretrained", checkpoint=str(tmp_path / "a.pth"))])
    assert str(caught.value) == (
        "init_cfg[0].checkpoint: none of the file's 9 tensors fits the model. "
        "Did you mean prefix='a.'?"
    )
    assert same(model, before)


# The options of load_weights


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("checkpoint", 3, "expected str, got 3 (int)."),
        ("checkpoint", "", "expected a str, got ''."),
        ("prefix", 3, "expected str or None, got 3 (int)."),
        ("key", ["teacher"], "expected str or None, got ['teacher'] (list)."),
        ("map_location", 2.5, "expected str or None, got 2.5 (float)."),
        ("trust", "yes", "expected bool, got 'yes' (str)."),
        ("adapt", "position", "'position' is unknown. Did you mean 'positions'?"),
        ("adapt", 3, "expected a str or a list of them, got 3."),
        ("revise_keys", {"(": ""},
         "'(' is no pattern: missing ), unterminated subpattern at position 0."),
        ("revise_keys", [("a",)], "expected pairs of a pattern and a replacement, got ('a',)."),
        ("revise_keys", "^a", "expected pairs of a pattern and a replacement, got '^'."),
        ("revise_keys", 3, "expected pairs of a pattern and a replacement, got 3."),
        ("revise_keys", {"a": 3}, "expected pairs of a pattern and a replacement, got ('a', 3)."),
        ("keys", "a", "PretrainedInit has no such argument. Did you mean 'key'?"),
    ],
)  # fmt: skip
def test_a_plan_refuses_what_cannot_be_used(option, value, message):
    cfg = {"type": "Pretrained", "checkpoint": "nothing.pth", option: value}
    with pytest.raises(ConfigError) as caught:
        plan(Detector(), [dict(type="Constant", val=1, layer="Linear"), cfg])
    assert str(caught.value) == f"init_cfg[1].{option}: {message}"


def test_a_plan_refuses_a_device_that_is_none():
    with pytest.raises(BadValueError) as caught:
        plan(Detector(), dict(type="Pretrained", checkpoint="a.pth", map_location="gpu"))
    assert str(caught.value).startswith("init_cfg.map_location: 'gpu' can not be used: Expected")


SHOWN = (
    "init_cfg[0] loads a.pth (prefix='backbone', key='teacher', "
    "revise_keys=(('^enc', ''),), adapt=('classes',), trust=True)"
)


def test_a_plan_shows_what_is_loaded_and_goes_through_json():
    options = dict(
        checkpoint="a.pth", prefix="backbone", key="teacher", revise_keys={"^enc": ""},
        adapt="classes", trust=True,
    )  # fmt: skip
    found = plan(Detector(), [dict(type="Pretrained", **options)])
    assert repr(found) == f"InitPlan: 0 of 6 parameters by a law, 1 checkpoint(s); {SHOWN}"
    assert InitPlan.from_json(found.to_json()) == found
    part = plan(Detector(), dict(type="Pretrained", checkpoint="a", override=dict(
        type="Pretrained", name="head", checkpoint="b", map_location="cpu")))  # fmt: skip
    assert [str(load) for load in part.loads] == [
        "init_cfg loads a", "init_cfg.override loads b (map_location='cpu') into head",
    ]  # fmt: skip
    old = json.loads(found.to_json())
    old["loads"] = [{"path": "p", "name": "", "checkpoint": "a", "prefix": None,
                     "map_location": None}]  # fmt: skip
    assert InitPlan.from_dict(old).loads[0].init == PretrainedInit("a")


def test_patterns_and_functions_in_json():
    pairs = [(re.compile("^A", re.IGNORECASE), "b"), ("c", lambda found: found[0])]
    found = plan(Detector(), dict(type="Pretrained", checkpoint="a", revise_keys=pairs[:1]))
    again = InitPlan.from_json(found.to_json()).loads[0].init
    assert again.revise_keys == (("(?i)^A", "b"),)
    found = plan(Detector(), dict(type="Pretrained", checkpoint="a", revise_keys=pairs))
    with pytest.raises(BadValueError) as caught:
        InitPlan.from_json(found.to_json())
    assert str(caught.value) == (
        "init_cfg.revise_keys: a function in place of a replacement cannot be read back."
    )


OPTIONS = {
    "key": (lambda s: {"student": {}, "teacher": s}, {"key": "teacher"}),
    "list": (lambda s: prefixed(s, "x.y."), {"revise_keys": [(r"^x\.", ""), (r"^y\.", "")]}),
    "dict": (lambda s: prefixed(s, "x."), {"revise_keys": {r"^x\.": ""}}),
    "function": (lambda s: prefixed(s, "x."), {"revise_keys": [("^x(.)", lambda m: "")]}),
    "a word more": (lambda s: prefixed(s, "x."), {"revise_keys": {r"^x\.": "p."}, "prefix": "p"}),
    "object": (lambda s: {"state_dict": s, "meta": Holder()}, {"trust": True}),
}


class Holder:
    pass


def prefixed(state, prefix):
    return {f"{prefix}{name}": value for name, value in state.items()}


@pytest.mark.parametrize("name", OPTIONS)
def test_options_are_those_of_load_weights(name, tmp_path):
    make, options = OPTIONS[name]
    source, file = Detector(), str(tmp_path / "a.pth")
    torch.save(make(source.state_dict()), file)
    for load in (
        lambda model: load_weights(model, file, strict=True, **options),
        lambda model: initialize(model, dict(type="Pretrained", checkpoint=file, **options)),
        lambda model: PretrainedInit(file, **options)(model),
    ):
        model = Detector()
        load(model)
        assert same(model, source.state_dict())


def test_adapt(tmp_path):
    source, file = Detector(), str(tmp_path / "a.pth")
    source.backbone[0], source.head = nn.Conv2d(1, 4, 3), nn.Linear(4, 5)
    torch.save({"model": source.state_dict()}, file)
    model, other = Detector(), Detector()
    cfg = [
        dict(type="Pretrained", checkpoint=file, adapt=["channels", "classes"]),
        dict(type="Constant", val=7, layer="Linear"),
    ]
    report = initialize(model, cfg)
    found = load_weights(other, file, adapt=["channels", "classes"])
    assert torch.equal(model.backbone[0].weight, other.backbone[0].weight)
    assert model.head.weight.unique().tolist() == [7]
    assert report.matches[0] == found and found.exact
    assert report["backbone.0.weight"].action == "loaded"
    assert report["head.weight"].action == "written"


def test_an_option_that_a_file_does_not_fit_changes_nothing(tmp_path):
    file, model = str(tmp_path / "a.pth"), Detector()
    torch.save({"a": Detector().state_dict(), "b": Detector().state_dict()}, file)
    before = state(model)
    for options, message in (
        ({}, f"checkpoint: {file} holds several state dicts: a, b. Say which: key='a'."),
        ({"key": "c"}, f"key: {file} holds no state dict under 'c'. Known: a, b."),
        ({"key": "a", "revise_keys": {"weight|bias": "w"}},
         "revise_keys: backbone.0.weight and backbone.0.bias would both become backbone.0.w."),
        ({"key": "a", "revise_keys": {"a": r"\3"}},
         r"revise_keys: '\\3' replaces nothing: invalid group reference 3 at position 1."),
    ):  # fmt: skip
        cfg = [dict(type="Constant", val=1, layer="Linear"),
               dict(type="Pretrained", checkpoint=file, **options)]  # fmt: skip
        with pytest.raises((CheckpointError, BadValueError)) as caught:
            initialize(model, cfg)
        assert str(caught.value) == f"init_cfg[1].{message}"
        assert same(model, before)


def test_trust_is_for_the_entry_that_says_it(tmp_path, caplog):
    file = str(tmp_path / "a.pth")
    torch.save({"state_dict": Detector().state_dict(), "meta": Holder()}, file)
    with caplog.at_level(logging.WARNING, "brickbook"):
        initialize(Detector(), dict(type="Pretrained", checkpoint=file, trust=True))
    assert caplog.messages == [f"trust=True: whatever {file} says is run while it is read"]
    with pytest.raises(BadArgumentError):
        load_weights(Detector(), file, trust="no")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"checkpoint": 3}, "checkpoint: expected a str, got 3."),
        ({"prefix": 3}, "prefix: expected a str, got 3."),
        ({"key": 3}, "key: expected a str, got 3."),
        ({"trust": 1}, "trust: expected a bool, got 1."),
        ({"map_location": 2.5},
         "map_location: expected a device, a dict or a function, got 2.5."),
    ],
)  # fmt: skip
def test_the_class_refuses_it_too(arguments, message):
    with pytest.raises(BadArgumentError) as caught:
        PretrainedInit(**{"checkpoint": "a.pth", **arguments})
    assert str(caught.value) == message
