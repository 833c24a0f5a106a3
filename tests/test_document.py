"""Every example of the source document's page on bricks and initialisation, the import changed."""

import textwrap

import pytest
import torch
from torch import nn

from brickbook import (
    UPSAMPLE_LAYERS,
    ConvModule,
    ModuleDict,
    ModuleList,
    Sequential,
    bias_init_with_prob,
    build_activation_layer,
    build_conv_layer,
    build_norm_layer,
    build_padding_layer,
    build_upsample_layer,
    caffe2_xavier_init,
    constant_init,
    initialize,
    kaiming_init,
    normal_init,
    uniform_init,
    xavier_init,
)
from brickbook import BaseModule as Base


def values(tensor):
    return set(tensor.flatten().tolist())


def test_layer_building():
    cfg = dict(type="Conv3d")
    layer = build_conv_layer(cfg, in_channels=3, out_channels=8, kernel_size=3)
    assert type(layer) is nn.Conv3d and layer.weight.shape == (8, 3, 3, 3, 3)


LISTED = {
    build_conv_layer: (
        ["Conv1d", "Conv2d", "Conv3d", "Conv"],
        dict(in_channels=3, out_channels=8, kernel_size=3),
    ),
    build_norm_layer: (
        ["BN1d", "BN2d", "BN3d", "BN", "SyncBN", "GN", "LN", "IN1d", "IN2d", "IN3d", "IN"],
        dict(num_features=8),
    ),
    build_activation_layer: (
        ["ReLU", "LeakyReLU", "PReLU", "RReLU", "ReLU6", "ELU", "Sigmoid", "Tanh", "GELU"],
        {},
    ),
    build_upsample_layer: (["nearest", "bilinear"], dict(scale_factor=2)),
    build_padding_layer: (["zero", "reflect", "replicate"], dict(padding=2)),
}


@pytest.mark.parametrize(
    ("build", "name"), [(build, name) for build, (names, _) in LISTED.items() for name in names]
)
def test_every_listed_type_is_built(build, name):
    cfg = {"type": name, "num_groups": 2} if name == "GN" else {"type": name}
    built = build(cfg, **LISTED[build][1])
    layer = built[1] if isinstance(built, tuple) else built
    assert isinstance(layer, nn.Module)


def test_the_other_listed_upsamplings():
    x = torch.ones(1, 4, 10, 10)
    shuffle = dict(type="pixel_shuffle", in_channels=4, out_channels=4, scale_factor=2)
    deconv = dict(type="deconv", in_channels=4, out_channels=4, kernel_size=2, stride=2)
    assert build_upsample_layer({**shuffle, "upsample_kernel": 3})(x).shape == (1, 4, 20, 20)
    assert build_upsample_layer(deconv)(x).shape == (1, 4, 20, 20)


def test_extension():
    @UPSAMPLE_LAYERS.register_module()
    class MyUpsample:
        def __init__(self, scale_factor):
            pass

        def forward(self, x):
            pass

    try:
        cfg = dict(type="MyUpsample", scale_factor=2)
        layer = build_upsample_layer(cfg)
        assert type(layer) is MyUpsample
    finally:
        del UPSAMPLE_LAYERS.module_dict["MyUpsample"]


def children(module):
    return [type(child).__name__ for child in module.children()]


def test_module_bundles():
    # conv + bn + relu
    conv = ConvModule(3, 8, 2, norm_cfg=dict(type="BN"))
    assert children(conv) == ["Conv2d", "BatchNorm2d", "ReLU"]
    # conv + gn + relu
    conv = ConvModule(3, 8, 2, norm_cfg=dict(type="GN", num_groups=2))
    assert children(conv) == ["Conv2d", "GroupNorm", "ReLU"]
    # conv + relu
    conv = ConvModule(3, 8, 2)
    assert children(conv) == ["Conv2d", "ReLU"]
    # conv
    conv = ConvModule(3, 8, 2, act_cfg=None)
    assert children(conv) == ["Conv2d"]
    # conv + leaky relu
    conv = ConvModule(3, 8, 3, padding=1, act_cfg=dict(type="LeakyReLU"))
    assert children(conv) == ["Conv2d", "LeakyReLU"]
    # bn + conv + relu
    conv = ConvModule(3, 8, 2, norm_cfg=dict(type="BN"), order=("norm", "conv", "act"))
    assert conv(torch.ones(2, 3, 4, 4)).shape == (2, 8, 3, 3)
    assert conv.bn.num_features == 3  # the norm is before the convolution


def test_initialization_functions():
    conv1 = nn.Conv2d(3, 3, 1)
    # constant_init(module, val, bias=0)
    constant_init(conv1, 1, 0)
    assert values(conv1.weight) == {1.0} and values(conv1.bias) == {0.0}
    # xavier_init(module, gain=1, bias=0, distribution='normal')
    xavier_init(conv1, distribution="normal")
    # normal_init(module, mean=0, std=1, bias=0)
    normal_init(conv1, std=0.01, bias=0)
    assert conv1.weight.abs().max() < 0.1
    # uniform_init(module, a=0, b=1, bias=0)
    uniform_init(conv1, a=0, b=1)
    assert conv1.weight.min() >= 0
    # kaiming_init(module, a=0, mode='fan_out', nonlinearity='relu', bias=0, distribution='normal')
    kaiming_init(conv1)
    # caffe2_xavier_init(module, bias=0)
    caffe2_xavier_init(conv1)
    assert conv1.weight.abs().max() <= 1
    # bias_init_with_prob is proposed in Focal Loss
    bias = bias_init_with_prob(0.01)
    assert bias == -4.59511985013459


class FooNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.feat = nn.Conv1d(3, 1, 3)
        self.reg = nn.Conv2d(3, 3, 3)
        self.cls = nn.Linear(1, 2)


def test_one_configuration_for_several_layers():
    model = FooNet()
    init_cfg = dict(type="Constant", layer=["Conv1d", "Conv2d", "Linear"], val=1)
    # initialize whole module with same configuration
    initialize(model, init_cfg)
    assert init_cfg == dict(type="Constant", layer=["Conv1d", "Conv2d", "Linear"], val=1)
    for layer in (model.feat, model.reg, model.cls):
        assert values(layer.weight) == {1.0} and values(layer.bias) == {0.0}


def test_a_configuration_for_each_layer():
    from brickbook.init.execution import initialize

    model = FooNet()
    init_cfg = [
        dict(type="Constant", layer="Conv1d", val=1),
        dict(type="Constant", layer="Conv2d", val=2),
        dict(type="Constant", layer="Linear", val=3),
    ]
    initialize(model, init_cfg)
    assert values(model.feat.weight) == {1.0}
    assert values(model.reg.weight) == {2.0}
    assert values(model.cls.weight) == {3.0}


class Nested(nn.Module):
    def __init__(self):
        super().__init__()
        self.feat = nn.Conv1d(3, 1, 3)
        self.reg = nn.Conv2d(3, 3, 3)
        self.cls = nn.Sequential(nn.Conv1d(3, 1, 3), nn.Linear(1, 2))


def test_override():
    model = Nested()
    linear = model.cls[1].weight.clone()
    init_cfg = dict(
        type="Constant",
        layer=["Conv1d", "Conv2d"],
        val=1,
        bias=2,
        override=dict(type="Constant", name="reg", val=3, bias=4),
    )
    initialize(model, init_cfg)
    assert values(model.feat.weight) == values(model.cls[0].weight) == {1.0}
    assert values(model.feat.bias) == values(model.cls[0].bias) == {2.0}
    assert values(model.reg.weight) == {3.0} and values(model.reg.bias) == {4.0}
    assert torch.equal(model.cls[1].weight, linear)  # not in `layer`


def test_override_with_a_name_alone():
    model = Nested()
    before = {name: value.clone() for name, value in model.named_parameters()}
    init_cfg = dict(type="Constant", val=1, bias=2, override=dict(name="reg"))
    initialize(model, init_cfg)
    assert values(model.reg.weight) == {1.0} and values(model.reg.bias) == {2.0}
    for name, value in model.named_parameters():
        assert name.startswith("reg.") or torch.equal(value, before[name])


@pytest.mark.parametrize(
    "override",
    [dict(type="Constant", val=3, bias=4), dict(name="reg", val=3, bias=4)],
    ids=["no name", "no type"],
)
def test_invalid_usage(override):
    model = Nested()
    before = {name: value.clone() for name, value in model.named_parameters()}
    init_cfg = dict(type="Constant", layer=["Conv1d", "Conv2d"], val=1, bias=2, override=override)
    with pytest.raises(ValueError, match=r"^init_cfg\.override: an override "):
        initialize(model, init_cfg)
    assert all(torch.equal(value, before[name]) for name, value in model.named_parameters())


class FooConv1d(Base):
    def __init__(self, init_cfg=None):
        super().__init__(init_cfg)
        self.conv1d = nn.Conv1d(4, 1, 4)

    def forward(self, x):
        return self.conv1d(x)


class FooConv2d(Base):
    def __init__(self, init_cfg=None):
        super().__init__(init_cfg)
        self.conv2d = nn.Conv2d(3, 1, 3)

    def forward(self, x):
        return self.conv2d(x)


def test_base_module():
    init_cfg = dict(type="Constant", layer="Conv1d", val=0.0, bias=1.0)
    model = FooConv1d(init_cfg)
    model.init_weights()
    assert values(model.conv1d.weight) == {0.0} and values(model.conv1d.bias) == {1.0}


CONTAINERS = {
    "Sequential": lambda a, b, **more: Sequential(a, b, **more),
    "ModuleList": lambda a, b, **more: ModuleList([a, b], **more),
    "ModuleDict": lambda a, b, **more: ModuleDict(dict(model1=a, model2=b), **more),
}


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("outer", [False, True], ids=["inner only", "inner and outer"])
def test_the_inner_init_cfg_has_higher_priority(container, outer):
    init_cfg1 = dict(type="Constant", layer="Conv1d", val=0.0, bias=1.0)
    init_cfg2 = dict(type="Constant", layer="Conv2d", val=2.0, bias=3.0)
    init_cfg = dict(type="Constant", layer=["Conv1d", "Conv2d"], val=4.0, bias=5.0)
    model1, model2 = FooConv1d(init_cfg1), FooConv2d(init_cfg2)
    more = dict(init_cfg=init_cfg) if outer else {}
    CONTAINERS[container](model1, model2, **more).init_weights()
    assert values(model1.conv1d.weight) == {0.0} and values(model1.conv1d.bias) == {1.0}
    assert values(model2.conv2d.weight) == {2.0} and values(model2.conv2d.bias) == {3.0}


def test_old_import_paths():
    text = """
        from brickbook import constant_init, initialize, UPSAMPLE_LAYERS, ConvModule
        from brickbook.utils import initialize as same
        from brickbook import BaseModule, Sequential, ModuleList, ModuleDict
        from brickbook.bricks import ConvModule as Deep, build_norm_layer
        from brickbook.bricks.norm import infer_abbr
        assert same is initialize and Deep is ConvModule
    """
    exec(textwrap.dedent(text), {})
