"""The backbones' ``init_weights`` takes what every other takes."""

from __future__ import annotations

import inspect

import pytest
import torch
from torch import nn

from brickbook import VGG, AlexNet, BaseModule, InitReport, ResNet

MAKE = {"ResNet": lambda: ResNet(18), "VGG": lambda: VGG(11, num_classes=2), "AlexNet": AlexNet}


@pytest.mark.parametrize("name", ["ResNet", "AlexNet"])
def test_the_arguments_are_the_same(name):
    ours = dict(inspect.signature(MAKE[name]().init_weights).parameters)
    assert ours.pop("pretrained").default is None
    assert list(ours.items()) == [
        pair for pair in inspect.signature(BaseModule.init_weights).parameters.items()
        if pair[0] != "self"
    ]  # fmt: skip


def test_a_seed_gives_the_same_numbers_in_one_model_or_another():
    models = [ResNet(18), ResNet(18)]
    for model in models:
        report = model.init_weights(seed=4)
        assert isinstance(report, InitReport) and report.seed == 4
    assert all(map(torch.equal, models[0].parameters(), models[1].parameters()))


def test_protect_and_frozen():
    model = ResNet(18)
    model.layer1.requires_grad_(False)
    kept = [model.conv1.weight, *model.layer1.parameters()]
    before = [each.clone() for each in kept]
    model.init_weights(seed=0, protect="conv1", frozen="skip", strict=True, atomic=True)
    assert all(map(torch.equal, kept, before))


def test_without_rules_nothing_is_drawn():
    model = AlexNet()
    before = [each.clone() for each in model.parameters()]
    assert isinstance(model.init_weights(seed=1), InitReport)
    assert all(map(torch.equal, model.parameters(), before))


@pytest.mark.parametrize(
    "options",
    [dict(strict=True), dict(frozen="skip"), dict(only_missing=True), dict(protect="conv1")],
    ids=str,
)
def test_what_a_checkpoint_cannot_follow(options, tmp_path):
    model = ResNet(18)
    torch.save(nn.Module.state_dict(model), tmp_path / "a.pth")
    assert model.init_weights(tmp_path / "a.pth", seed=3) is None
    with pytest.raises(TypeError) as caught:
        model.init_weights(tmp_path / "a.pth", **options)
    (key,) = options
    assert str(caught.value) == f"{key}: it is for rules: a checkpoint is loaded whole."
