"""A batch norm in evaluation, computed together with the convolution before it."""

import copy

import pytest
import torch
from torch import nn

from brickbook import ConfigError
from brickbook.bricks import conv_module
from brickbook.bricks.conv_module import ConvModule
from brickbook.bricks.transforms import efficient_eval as efficient_conv_bn_eval
from brickbook.bricks.transforms.efficient_eval import (
    fold,
    is_foldable,
    turn_on_efficient_conv_bn_eval,
    turn_on_efficient_conv_bn_eval_for_single_model,
)


def trained(module):
    """Give every batch norm statistics and weights of its own."""
    for part in module.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            for tensor in (part.running_mean, part.weight, part.bias):
                if tensor is not None:
                    nn.init.normal_(tensor)
            if part.running_var is not None:
                nn.init.uniform_(part.running_var, 0.5, 2)
    return module


def pair(**kwargs):
    """A plain and an efficient module with one state."""
    plain = trained(ConvModule(4, 8, 3, **kwargs))
    efficient = ConvModule(4, 8, 3, efficient_conv_bn_eval=True, **kwargs)
    assert list(plain.state_dict()) == list(efficient.state_dict())
    efficient.load_state_dict(plain.state_dict())
    return plain, efficient


KWARGS = {
    "2d": dict(norm_cfg=dict(type="BN")),
    "1d": dict(conv_cfg=dict(type="Conv1d"), norm_cfg=dict(type="BN1d")),
    "3d": dict(conv_cfg=dict(type="Conv3d"), norm_cfg=dict(type="BN3d")),
    "grouped": dict(groups=2, stride=2, dilation=2, padding=2, norm_cfg=dict(type="BN")),
    "no affine": dict(norm_cfg=dict(type="BN", affine=False)),
    "sync": dict(norm_cfg=dict(type="SyncBN")),
    "circular": dict(padding=1, padding_mode="circular", norm_cfg=dict(type="BN")),
    "reflect": dict(padding=1, padding_mode="reflect", norm_cfg=dict(type="BN")),
    "act between": dict(norm_cfg=dict(type="BN"), order=("conv", "act", "norm")),
    "norm first": dict(norm_cfg=dict(type="BN"), order=("norm", "conv", "act")),
    "transposed": dict(conv_cfg=dict(type="deconv"), norm_cfg=dict(type="BN")),
    "no statistics": dict(norm_cfg=dict(type="BN", track_running_stats=False)),
    "group norm": dict(norm_cfg=dict(type="GN", num_groups=2)),
    "spectral": dict(norm_cfg=dict(type="BN"), with_spectral_norm=True),
    "no norm": dict(),
}
FOLDED = ("2d", "1d", "3d", "grouped", "no affine", "sync", "circular", "reflect")


@pytest.mark.parametrize("name", KWARGS)
def test_the_output_is_the_same(name):
    plain, efficient = pair(**KWARGS[name])
    axes = {"1d": 1, "3d": 3}.get(name, 2)
    x = torch.randn(4, 4, *[8] * axes)
    torch.testing.assert_close(efficient(x), plain(x), rtol=0, atol=0)  # training is untouched
    plain.eval(), efficient.eval()
    torch.testing.assert_close(efficient(x), plain(x), rtol=1e-4, atol=1e-5)
    for kwargs in (dict(norm=False), dict(activate=False), dict(norm=False, activate=False)):
        torch.testing.assert_close(efficient(x, **kwargs), plain(x, **kwargs), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", KWARGS)
def test_which_pairs_are_folded(name, monkeypatch):
    _, module = pair(**KWARGS[name])
    module.eval()
    assert is_foldable(module.conv, module.norm) is (name in (*FOLDED, "act between", "norm first"))
    calls = []
    monkeypatch.setattr(conv_module, "fold", lambda *args: calls.append("fold") or fold(*args))
    module(torch.randn(4, 4, *[8] * {"1d": 1, "3d": 3}.get(name, 2)))
    assert calls == ["fold"] * (name in FOLDED)


def test_a_hook_is_never_passed_over():
    plain, efficient = pair(norm_cfg=dict(type="BN"))
    seen = []
    efficient.eval().bn.register_forward_hook(lambda *args: seen.append("bn"))
    x = torch.randn(2, 4, 6, 6)
    torch.testing.assert_close(efficient(x), plain.eval()(x))
    assert seen == ["bn"]


def test_a_forward_of_its_own_is_never_passed_over():
    _, efficient = pair(norm_cfg=dict(type="BN"), act_cfg=None)
    efficient.eval().bn.forward = lambda x: x * 0
    assert efficient(torch.randn(2, 4, 6, 6)).abs().max() == 0


def test_a_convolution_of_another_class_is_not_folded():
    class Doubled(nn.Conv2d):
        def forward(self, x):
            return 2 * super().forward(x)

    plain, efficient = pair(norm_cfg=dict(type="BN"), conv_cfg=dict(type=Doubled))
    x = torch.randn(2, 4, 6, 6)
    torch.testing.assert_close(efficient.eval()(x), plain.eval()(x))


def test_a_convolution_that_is_replaced():
    plain, efficient = pair(norm_cfg=dict(type="BN"))
    conv = nn.Conv2d(4, 8, 3, bias=True)
    plain.conv = efficient.conv = conv
    x = torch.randn(2, 4, 6, 6)
    torch.testing.assert_close(efficient.eval()(x), plain.eval()(x), rtol=1e-4, atol=1e-5)


def test_gradients_reach_what_is_trained():
    plain, efficient = pair(norm_cfg=dict(type="BN"), act_cfg=None)
    x = torch.randn(2, 4, 6, 6)
    for module in (plain.eval(), efficient.eval()):
        (module(x) ** 2).sum().backward()
    for a, b in zip(plain.parameters(), efficient.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-3, atol=1e-3)


def test_turning_it_on_and_off():
    module = ConvModule(4, 8, 3, norm_cfg=dict(type="BN"))
    assert module.efficient_conv_bn_eval is False
    module.turn_on_efficient_conv_bn_eval()
    assert module.efficient_conv_bn_eval is True
    module.turn_on_efficient_conv_bn_eval(False)
    assert module.efficient_conv_bn_eval is False


@pytest.mark.parametrize("bias", [True, False])
def test_create_from_conv_bn(bias):
    conv, bn = nn.Conv2d(4, 8, 3, padding=1, bias=bias), nn.BatchNorm2d(8)
    trained(bn)
    weight = conv.weight.detach().clone()
    module = ConvModule.create_from_conv_bn(conv, bn)
    assert (
        module.conv is conv and module.bn is bn is module.norm and torch.equal(conv.weight, weight)
    )
    assert (module.with_norm, module.with_activation, module.with_bias) == (True, False, bias)
    assert (module.in_channels, module.out_channels, module.padding) == (4, 8, (1, 1))
    assert module.efficient_conv_bn_eval is True
    x = torch.randn(2, 4, 6, 6)
    for mode in (True, False):
        module.train(mode)
        torch.testing.assert_close(module(x), bn(conv(x)), rtol=1e-4, atol=1e-5)
    assert ConvModule.create_from_conv_bn(conv, bn, False).efficient_conv_bn_eval is False
    module.init_weights()
    assert copy.deepcopy(module)(x).shape == (2, 8, 6, 6)


class Backbone(nn.Module):
    """A convolution that is called twice, a norm that is called twice, an output read twice."""

    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(6, 6, 6), nn.BatchNorm2d(6)
        self.conv2, self.bn2 = nn.Conv2d(6, 6, 6, bias=False), nn.BatchNorm2d(6)
        self.conv3 = nn.Conv2d(6, 6, 6)
        self.bn3 = nn.BatchNorm2d(6)
        self.block = nn.Sequential(nn.Conv2d(6, 6, 1), nn.BatchNorm2d(6), nn.ReLU())

    def forward(self, x):
        x = self.bn1(self.conv1(x))
        x = self.bn1(self.conv2(x))
        x = self.conv3(self.conv3(x))
        y = self.conv1(x)
        x = self.bn2(y) + self.bn3(y)
        return self.block(x)


@pytest.mark.parametrize("training_first", [True, False])
def test_a_whole_model(training_first):
    model = trained(Backbone())
    same = copy.deepcopy(model)
    keys = list(model.state_dict())
    model.train(training_first)
    assert turn_on_efficient_conv_bn_eval_for_single_model(model) is None
    x = torch.randn(2, 6, 40, 40)
    with torch.no_grad():
        torch.testing.assert_close(model.train()(x), same.train()(x))
        expected = same.eval()(x)
        torch.testing.assert_close(model.eval()(x), expected, rtol=1e-3, atol=1e-4)
        assert list(model.state_dict()) == keys


def test_which_pairs_of_a_model_are_folded(monkeypatch):
    model = trained(Backbone()).eval()
    turn_on_efficient_conv_bn_eval_for_single_model(model)
    calls = []
    monkeypatch.setattr(
        efficient_conv_bn_eval, "fold", lambda *args: calls.append(args[:2]) or fold(*args)
    )
    model(torch.randn(2, 6, 40, 40))
    folded = [(model.conv1, model.bn1), (model.conv2, model.bn1), tuple(model.block)[:2]]
    assert calls == folded


@pytest.mark.parametrize("names", ["1", ["0.block", "1"]])
def test_parts_of_a_model(names):
    model = trained(nn.Sequential(Backbone(), nn.Sequential(nn.Conv2d(8, 4, 1), nn.BatchNorm2d(4))))
    model.eval()
    parts = [model.get_submodule(name) for name in ([names] if isinstance(names, str) else names)]
    assert turn_on_efficient_conv_bn_eval(model, names) is None
    assert [part for part in model.modules() if "forward" in vars(part)] == parts


def test_a_part_that_is_not_there():
    model = nn.Sequential(nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)))
    with pytest.raises(ConfigError) as caught:
        turn_on_efficient_conv_bn_eval(model, ["0", "0.2"])
    assert isinstance(caught.value, RuntimeError)
    assert str(caught.value) == "modules[1]: the model has no module '0.2'. Did you mean '0.1'?"
    assert not any("forward" in vars(part) for part in model.modules())
