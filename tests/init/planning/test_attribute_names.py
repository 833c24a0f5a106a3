"""Names that attribute access finds: properties, second names of shared modules, empty places."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import nn

from brickbook import ConvModule, initialize, plan
from brickbook.errors import NoSuchModuleError


class Block(nn.Module):
    """As ResNet's blocks in mmdetection: the norm's name depends on its kind."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 3)
        self.second = self.first
        self.bn3 = nn.BatchNorm2d(3)
        self.tail = nn.Sequential(nn.Conv2d(3, 3, 1))
        self.late = self.tail
        self.branches = nn.ModuleList([nn.ModuleList(), nn.Sequential()])
        self.places = nn.ModuleDict({"none": nn.Identity()})

    @property
    def norm3(self) -> nn.Module:
        return self.bn3

    @property
    def size(self) -> int:
        return 3

    @property
    def elsewhere(self) -> nn.Module:
        return nn.Linear(2, 2)


class Around(nn.Module):
    """A model with the block further in, behind a wrapper."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.DataParallel(Block())


NAMES = {
    "norm3": ["bn3.weight", "bn3.bias"],
    "norm3:bias": ["bn3.bias"],
    "second": ["first.weight", "first.bias"],
    "second:weight": ["first.weight"],
    "second.weight": ["first.weight"],
    "late": ["tail.0.weight", "tail.0.bias"],
    "late.0": ["tail.0.weight", "tail.0.bias"],
    "lat*": ["tail.0.weight", "tail.0.bias"],
    "*t*.0": ["tail.0.weight", "tail.0.bias"],
    "re:late.*:bias": ["tail.0.bias"],
    "branches": [],
    "branches.0": [],
    "branch*": [],
    "places": [],
    "places.none": [],
}  # fmt: skip
each_name = pytest.mark.parametrize(("name", "filled"), NAMES.items())


@pytest.fixture(autouse=True)
def _no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def planned(model, cfg, **options):
    return [row.name for row in plan(model, cfg, strict=True, **options).planned]


@each_name
def test_an_override_names_what_attribute_access_finds(name, filled):
    cfg = dict(type="Constant", val=1.0, override=dict(name=name))
    assert planned(Block(), cfg) == filled


@each_name
def test_a_rule_names_it_too(name, filled):
    assert planned(Block(), dict(type="Constant", val=1.0, layer=name)) == filled


@each_name
def test_protect_names_it_too(name, filled):
    cfg = dict(type="Constant", val=1.0, layer=["Linear", "BatchNorm2d", "Conv2d"])
    everything = planned(Block(), cfg)
    assert planned(Block(), cfg, protect=name) == [row for row in everything if row not in filled]


@pytest.mark.parametrize("name", ["inner.norm3", "inner.second", "inner.late.0"])
def test_names_further_in_and_through_a_wrapper(name):
    found = planned(Around(), dict(type="Constant", val=1.0, override=dict(name=name)))
    inside = NAMES[name.removeprefix("inner.")]
    assert found == [f"inner.module.{row}" for row in inside]


def test_the_norm_of_a_conv_module():
    model = ConvModule(3, 4, 3, norm_cfg=dict(type="BN"))
    initialize(model, dict(type="Constant", val=5.0, override=dict(name="norm")))
    assert model.bn.weight.eq(5).all() and not model.conv.weight.eq(5).any()


def test_a_rule_for_all_by_two_names_writes_once():
    model = Block()
    cfg = [
        dict(type="Constant", val=1.0, layer=["first", "second"]),
        dict(type="Constant", val=2.0, override=dict(name="second")),
    ]
    initialize(model, cfg, strict=True)
    assert torch.equal(model.first.weight, torch.full((3, 3), 2.0))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("size", "Block has no module 'size'."),
        ("elsewhere", "Block has no module 'elsewhere'."),
        ("secnd", "Block has no module 'secnd'. Did you mean 'second'?"),
        ("norm3.x", "Block has no module 'norm3.x'."),
    ],
)
def test_what_attribute_access_does_not_find(name, message):
    with pytest.raises(NoSuchModuleError) as caught:
        plan(Block(), dict(type="Constant", val=1.0, override=dict(name=name)))
    assert str(caught.value).startswith(f"init_cfg.override.name: {message}")


def test_a_class_without_numbers_is_still_said():
    found = plan(Block(), dict(type="Constant", val=1.0, layer=["Sequential", "Identity"]))
    assert [str(each) for each in found.unmatched] == [
        "init_cfg.layer: Sequential has no 'weight' or 'bias' parameter of its own.",
        "init_cfg.layer: Identity has no 'weight' or 'bias' parameter of its own.",
    ]
