"""``dict(type='Pretrained')`` through `initialize`, as the source document has it."""

import hashlib
import io
import logging
from collections import OrderedDict

import pytest
import torch
from torch import nn
from torchvision_support import import_torchvision

from brickbook import BaseModule, Sequential, initialize, plan
from brickbook.checkpoint.zoo import Weights

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
