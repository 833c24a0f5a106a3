"""What the five builders share: every row is built, nothing is mutated, every message is pinned."""

from functools import partial

import pytest
import torch
from bricks_support import (
    CONVS,
    EXTRA,
    FAMILIES,
    INTERPOLATED,
    ROWS_OF_ALL,
    UPSAMPLES,
    config_of,
    input_for,
)  # fmt: skip
from torch import nn

from brickbook.blueprint import MODELS, Blueprint
from brickbook.bricks.activation import build_activation_layer
from brickbook.bricks.conv import build_conv_layer
from brickbook.bricks.conv_module import ConvModule
from brickbook.bricks.drop import build_dropout
from brickbook.bricks.model_rows import ROWS
from brickbook.bricks.norm import build_norm_layer
from brickbook.bricks.padding import build_padding_layer
from brickbook.bricks.registry import PLUGIN_LAYERS, UPSAMPLE_LAYERS
from brickbook.bricks.upsample import build_upsample_layer
from brickbook.errors import ConfigError
from brickbook.registry import Registry


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_holds_exactly_its_rows(family):
    registry, rows, _ = FAMILIES[family]
    assert list(registry.module_dict) == list(rows)
    assert registry.scope == family and registry.parent is MODELS


@pytest.mark.parametrize(("family", "name"), ROWS_OF_ALL)
def test_every_row_is_built(family, name):
    _, rows, build = FAMILIES[family]
    cfg = config_of(name)
    before = dict(cfg)
    layer = build(cfg)
    assert type(layer) is rows[name]
    assert cfg == before
    assert layer(input_for(family, name)).shape[0] == 2
    twin = build(cfg)
    twin.load_state_dict(layer.state_dict())
    assert all(
        torch.equal(a, b) for a, b in zip(layer.parameters(), twin.parameters(), strict=True)
    )


@pytest.mark.parametrize(("family", "name"), ROWS_OF_ALL)
def test_every_row_is_found_from_models(family, name):
    registry, _, build = FAMILIES[family]
    assert MODELS.get(f"{family}.{name}") is registry.get(name)
    cfg = {"type": f"{family}.{name}", **EXTRA.get(name, {})}
    assert repr(build(cfg)) == repr(build({**cfg, "type": name}))


@pytest.mark.parametrize("name", UPSAMPLES)
def test_a_row_of_models_is_what_its_builder_makes(name):
    kwargs = EXTRA[name]
    layer = MODELS.build({"type": f"upsample.{name}", **kwargs})
    assert repr(layer) == repr(build_upsample_layer({"type": name, **kwargs}))


@pytest.mark.parametrize(("family", "name"), ROWS_OF_ALL)
def test_a_type_may_be_a_class_or_a_partial(family, name):
    _, rows, build = FAMILIES[family]
    kwargs = EXTRA.get(name, {})
    if name in INTERPOLATED:  # a class leaves the mode to the config
        kwargs = {**kwargs, "mode": name}
    by_name = build({"type": name, **EXTRA.get(name, {})})
    assert repr(build({"type": rows[name], **kwargs})) == repr(by_name)
    assert repr(build({"type": partial(rows[name], **kwargs)})) == repr(by_name)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_users_own_layer(family):
    registry, _, build = FAMILIES[family]

    class Mine(nn.BatchNorm2d):
        def __init__(self, *args, flavour="plain", **kwargs):
            super().__init__(16)
            self.flavour = flavour

    try:
        registry.register_module(module=Mine)
        registry.register_module(name="mine", module=lambda *args, **kwargs: Mine())
        assert build({"type": "Mine", "flavour": "salt"}).flavour == "salt"
        assert type(build({"type": "mine"})) is Mine
    finally:
        del registry.module_dict["Mine"], registry.module_dict["mine"]


def test_a_layer_that_is_no_module():
    class MyUpsample:
        def __init__(self, scale_factor):
            self.scale_factor = scale_factor

        def forward(self, x):
            return x

    try:
        UPSAMPLE_LAYERS.register_module()(MyUpsample)
        layer = build_upsample_layer(dict(type="MyUpsample", scale_factor=2))
        assert type(layer) is MyUpsample and layer.scale_factor == 2
    finally:
        del UPSAMPLE_LAYERS.module_dict["MyUpsample"]


def test_a_users_own_scope():
    project = Registry("project layer", parent=MODELS, scope="project")
    try:
        project.register_module(name="Odd", module=nn.BatchNorm2d)
        assert build_norm_layer(dict(type="project.Odd"), 4)[0] == "bn"
    finally:
        del MODELS.children["project"]


def test_conv_takes_none_and_positions():
    layer = build_conv_layer(None, 3, 8, 2, groups=1, dilation=2)
    assert type(layer) is nn.Conv2d
    assert (layer.in_channels, layer.out_channels, layer.kernel_size) == (3, 8, (2, 2))
    assert (layer.groups, layer.dilation) == (1, (2, 2))


@pytest.mark.parametrize("name", CONVS)
def test_every_conv_is_built_from_four_arguments(name):
    layer = build_conv_layer(
        dict(type=name), in_channels=6, out_channels=4, kernel_size=3, dilation=2
    )
    assert type(layer) is CONVS[name]
    assert (layer.in_channels, layer.out_channels) == (6, 4)


MESSAGES = [
    (lambda: build_conv_layer("Conv2d"), TypeError,
     "conv_cfg: cfg must be a dict, but got <class 'str'>."),
    (lambda: build_norm_layer("BN", 8), TypeError,
     "norm_cfg: cfg must be a dict, but got <class 'str'>."),
    (lambda: build_activation_layer("ReLU"), TypeError,
     "act_cfg: cfg must be a dict, but got <class 'str'>."),
    (lambda: build_padding_layer("zero", 2), TypeError,
     "padding_cfg: cfg must be a dict, but got <class 'str'>."),
    (lambda: build_upsample_layer(None), TypeError,
     "upsample_cfg: cfg must be a dict, but got <class 'NoneType'>."),
    (lambda: build_conv_layer({}), KeyError,
     'conv_cfg: the cfg dict must contain the key "type", but got {}.'),
    (lambda: build_norm_layer({}, 8), KeyError,
     'norm_cfg: the cfg dict must contain the key "type", but got {}.'),
    (lambda: build_activation_layer({}), KeyError,
     'act_cfg: the cfg dict must contain the key "type", but got {}.'),
    (lambda: build_padding_layer({}), KeyError,
     'padding_cfg: the cfg dict must contain the key "type", but got {}.'),
    (lambda: build_upsample_layer({}), KeyError,
     'upsample_cfg: the cfg dict must contain the key "type", but got {}.'),
    (lambda: build_conv_layer(dict(type="Conv2D"), 3, 8, 2), KeyError,
     "conv_cfg.type: Conv2D is not in the conv layer registry. Did you mean 'Conv2d'?"),
    (lambda: build_norm_layer(dict(type="BNN"), 8), KeyError,
     "norm_cfg.type: BNN is not in the norm layer registry. Did you mean 'BN'?"),
    (lambda: build_activation_layer(dict(type="softmax")), KeyError,
     "act_cfg.type: softmax is not in the activation layer registry. Did you mean 'Softmax'?"),
    (lambda: build_activation_layer(dict(type="gelu")), KeyError,
     "act_cfg.type: gelu is not in the activation layer registry. Did you mean 'GELU'?"),
    (lambda: build_activation_layer(dict(type="Threshold", value=1)), TypeError,
     "act_cfg: Threshold also needs threshold."),
    (lambda: build_padding_layer(dict(type="reflection"), 2), KeyError,
     "padding_cfg.type: reflection is not in the padding layer registry. Did you mean 'reflect'?"),
    (lambda: build_upsample_layer(dict(type="biliner")), KeyError,
     "upsample_cfg.type: biliner is not in the upsample layer registry. Did you mean 'bilinear'?"),
    (lambda: build_activation_layer(dict(type="BN")), KeyError,
     "act_cfg.type: BN is not in the activation layer registry. "
     "BN is a norm layer: use build_norm_layer."),
    (lambda: build_norm_layer(dict(type="conv.Conv2d"), 8), KeyError,
     "norm_cfg.type: conv.Conv2d is not in the norm layer registry. "
     "Conv2d is a conv layer: use build_conv_layer."),
    (lambda: build_conv_layer(dict(type="ReLU"), 3, 8, 2), KeyError,
     "conv_cfg.type: ReLU is not in the conv layer registry. "
     "ReLU is an activation layer: use build_activation_layer."),
    (lambda: build_upsample_layer(dict(type="reflect")), KeyError,
     "upsample_cfg.type: reflect is not in the upsample layer registry. "
     "reflect is a padding layer: use build_padding_layer."),
    (lambda: build_padding_layer(dict(type="nearest")), KeyError,
     "padding_cfg.type: nearest is not in the padding layer registry. "
     "nearest is an upsample layer: use build_upsample_layer."),
    (lambda: build_conv_layer(dict(type="ConvModule"), 3, 8, 2), KeyError,
     "conv_cfg.type: ConvModule is not in the conv layer registry. "
     "ConvModule is a plugin layer: use build_plugin_layer."),
    (lambda: build_norm_layer(dict(type="conv.Nope"), 8), KeyError,
     "norm_cfg.type: conv.Nope is not in the norm layer registry. "
     "Known: BN, BN1d, BN2d, BN3d, GN, GRN, IN, IN1d, IN2d, IN3d, LN, LN2d, and 4 more."),
    (lambda: build_norm_layer(dict(type=7), 8), TypeError,
     "norm_cfg.type: type must be a str or valid type, but got <class 'int'>."),
    (lambda: build_conv_layer(dict(type="Conv2d", padding=1), 3, 8, 2, padding=0), TypeError,
     "conv_cfg.padding: Conv2d gets multiple values for it: 1 here, 0 in the call."),
    (lambda: build_conv_layer(dict(type="Conv2d", in_channels=3), 3, 8, 2), TypeError,
     "conv_cfg.in_channels: Conv2d gets multiple values for it."),
    (lambda: build_conv_layer(None, 3, 8, kernel_sizes=2), TypeError,
     "kernel_sizes: Conv2d has no such argument. Did you mean 'kernel_size'?"),
    (lambda: build_conv_layer(dict(type="Conv2d", strides=2), 3, 8, 2), TypeError,
     "conv_cfg.strides: Conv2d has no such argument. Did you mean 'stride'?"),
    (lambda: build_conv_layer(None, 3, 8), TypeError, "conv_cfg: Conv2d also needs kernel_size."),
    (lambda: build_conv_layer(None, 3, 8, "3"), TypeError,
     "kernel_size: expected int or tuple[int, int], got '3' (str)."),
    (lambda: build_norm_layer(dict(type="BN", momentumm=0.1), 8), TypeError,
     "norm_cfg.momentumm: BatchNorm2d has no such argument. Did you mean 'momentum'?"),
    (lambda: build_norm_layer(dict(type="BN", num_features=8), 8), TypeError,
     "norm_cfg.num_features: BatchNorm2d gets multiple values for it."),
    (lambda: build_norm_layer(dict(type="BN", eps="tiny"), 8), TypeError,
     "norm_cfg.eps: expected float, got 'tiny' (str)."),
    (lambda: build_norm_layer(dict(type="BN"), "8"), TypeError,
     "num_features: expected int, got '8' (str)."),
    (lambda: build_norm_layer(dict(type="BN", requires_grad="no"), 8), TypeError,
     "norm_cfg.requires_grad: expected bool, got 'no'."),
    (lambda: build_norm_layer(dict(type="GN"), 8), AssertionError,
     "norm_cfg: GroupNorm also needs num_groups."),
    (lambda: build_norm_layer(dict(type="GN", num_groups=2, num_channels=8), 8), TypeError,
     "norm_cfg.num_channels: GroupNorm gets multiple values for it: 8 here, 8 in the call."),
    (lambda: build_norm_layer(dict(type="BN"), 8, postfix=[1]), AssertionError,
     "postfix: expected an int or a str, got [1]."),
    (lambda: build_activation_layer(dict(type="ReLU", inplaces=True)), TypeError,
     "act_cfg.inplaces: ReLU has no such argument. Did you mean 'inplace'?"),
    (lambda: build_activation_layer(dict(type="Tanh", inplace=True)), TypeError,
     "act_cfg.inplace: Tanh has no such argument. It takes none."),
    (lambda: build_activation_layer(dict(type="HSigmoid", divisor=0)), AssertionError,
     "act_cfg.divisor: expected a number other than 0, got 0."),
    (lambda: build_padding_layer(dict(type="reflect")), TypeError,
     "padding_cfg: ReflectionPad2d also needs padding."),
    (lambda: build_upsample_layer(dict(type="pixel_shuffle"), 3, 8, 2), TypeError,
     "upsample_cfg: PixelShufflePack also needs upsample_kernel."),
    (lambda: build_upsample_layer(dict(type="nearest", mode="bicubic")), ValueError,
     "upsample_cfg.mode: the type nearest fixes the mode, got 'bicubic'. "
     "Leave mode out, or use type=nn.Upsample."),
    (lambda: build_upsample_layer(dict(type="nearest", align_corners=True)), ValueError,
     "upsample_cfg.align_corners: nearest has no such choice, got True. "
     "It is for linear, bilinear, bicubic, trilinear."),
    (lambda: build_upsample_layer(dict(type="area"), align_corners=False), ValueError,
     "upsample_cfg.align_corners: area has no such choice, got False. "
     "It is for linear, bilinear, bicubic, trilinear."),
    (lambda: build_padding_layer(dict(type="constant3d"), 2), TypeError,
     "padding_cfg: ConstantPad3d also needs value."),
    (lambda: build_padding_layer(dict(type="Reflect3D"), 2), KeyError,
     "padding_cfg.type: Reflect3D is not in the padding layer registry. "
     "Did you mean 'reflect3d'?"),
    (lambda: build_conv_layer(dict(type="DCNv2"), 3, 8, 2), KeyError,
     "conv_cfg.type: DCNv2 is not in the conv layer registry. "
     "It is one of mmcv's compiled operators, which brickbook does not have."),
    (lambda: build_conv_layer(dict(type="ConvWS"), 4, 8, 1, groups=4), ValueError,
     "kernel_size: ConvWS2d needs two weights or more for an output channel, got one "
     "(in_channels=4, groups=4, kernel_size=(1, 1))."),
    (lambda: build_dropout("Dropout"), TypeError,
     "dropout_cfg: cfg must be a dict, but got <class 'str'>."),
    (lambda: build_dropout(dict(drop_prob=0.1)), KeyError,
     'dropout_cfg: the cfg dict must contain the key "type", but got {\'drop_prob\': 0.1}.'),
    (lambda: build_dropout(dict(type="Dropout"), [1]), TypeError,
     "default_args: default_args must be a dict or None, but got <class 'list'>."),
    (lambda: build_dropout(dict(type="dropPath")), KeyError,
     "dropout_cfg.type: dropPath is not in the drop out layers registry. "
     "Did you mean 'DropPath'?"),
    (lambda: build_dropout(dict(type="ReLU")), KeyError,
     "dropout_cfg.type: ReLU is not in the drop out layers registry. "
     "ReLU is an activation layer: use build_activation_layer."),
    (lambda: build_activation_layer(dict(type="DropPath")), KeyError,
     "act_cfg.type: DropPath is not in the activation layer registry. "
     "DropPath is a dropout layer: use build_dropout."),
    (lambda: build_dropout(dict(type="Dropout", p=0.1)), TypeError,
     "dropout_cfg.p: Dropout has no such argument. Known: drop_prob, inplace."),
    (lambda: build_dropout(dict(type="DropPath", drop_prob=1.5)), ValueError,
     "dropout_cfg.drop_prob: expected a number from 0 to 1, got 1.5."),
    (lambda: build_dropout(dict(type="Dropout", drop_prob=-0.5)), ValueError,
     "dropout_cfg.drop_prob: expected a number from 0 to 1, got -0.5."),
    (lambda: build_dropout(dict(type="Dropout", drop_prob="0.5")), TypeError,
     "dropout_cfg.drop_prob: expected float, got '0.5' (str)."),
    (lambda: build_upsample_layer(dict(type="bilinear", scale=2)), TypeError,
     "upsample_cfg.scale: Upsample has no such argument. "
     "Known: align_corners, mode, recompute_scale_factor, scale_factor, size."),
]  # fmt: skip


@pytest.mark.parametrize(("build", "builtin", "message"), MESSAGES, ids=[m for *_, m in MESSAGES])
def test_messages(build, builtin, message):
    with pytest.raises(builtin) as caught:
        build()
    assert isinstance(caught.value, ConfigError)
    assert str(caught.value) == message


def test_models_hold_what_a_builder_of_models_needs():
    assert {name: MODELS.get(name) for name in ROWS} == ROWS
    assert set(ROWS) >= {
        "ConvModule", "DepthwiseSeparableConvModule", "Linear", "Flatten", "Dropout", "MaxPool1d",
        "MaxPool2d", "MaxPool3d", "AvgPool2d", "AdaptiveAvgPool2d", "AdaptiveMaxPool2d", "Identity",
        "Embedding", "Scale", "LayerScale",
    }  # fmt: skip
    assert MODELS.get("ConvModule") is PLUGIN_LAYERS.get("ConvModule") is ConvModule
    assert ConvModule._abbr_ == "conv_block"


def test_a_blueprint_of_every_kind():
    blueprint = Blueprint((
        dict(type="ConvModule", in_channels=3, out_channels=8, kernel_size=3),
        dict(type="bilinear", scale_factor=2),
        dict(type="reflect", padding=1),
        dict(type="GN", num_groups=2, num_channels=8),
        dict(type="GELU"),
        dict(type="AdaptiveAvgPool2d", output_size=1),
        dict(type="Flatten"),
        dict(type="Linear", in_features=8, out_features=2),
    ))  # fmt: skip
    model = blueprint.build()
    assert model(torch.rand(2, 3, 8, 8)).shape == (2, 2)
    assert model[1].mode == "bilinear"


def test_a_layer_of_ones_own_in_models_is_known_to_every_family():
    """In mmcv 2 there is one registry for all."""

    @MODELS.register_module()
    class OwnNorm(nn.BatchNorm2d):
        pass

    try:
        name, layer = build_norm_layer(dict(type="OwnNorm", momentum=0.2), 4, 1)
        assert (name, type(layer), layer.momentum) == ("bn1", OwnNorm, 0.2)
        assert type(build_conv_layer(dict(type="OwnNorm"), 4)) is OwnNorm
    finally:
        del MODELS.module_dict["OwnNorm"]
    with pytest.raises(KeyError):
        build_norm_layer(dict(type="OwnNorm"), 4)
    for name in ("Linear", "ConvModule", "Flatten"):  # those that were there are of no family
        with pytest.raises(KeyError):
            build_norm_layer(dict(type=name), 4)
