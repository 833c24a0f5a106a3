"""Plugins by name, squeeze-excite, CBAM and the context block: names, shapes, formulas, starts."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from brickbook import MODELS, PLUGIN_LAYERS, initialize, plan
from brickbook.bricks.cbam import CBAM
from brickbook.bricks.context_block import ContextBlock
from brickbook.bricks.conv_module import ConvModule
from brickbook.bricks.plugin import build_plugin_layer, infer_abbr
from brickbook.bricks.squeeze_excite import SqueezeExcite
from brickbook.errors import ConfigError
from brickbook.modules import Sequential

ROWS = {
    "ConvModule": ("conv_block", dict(out_channels=4, kernel_size=3)),
    "ContextBlock": ("context_block", dict(ratio=1 / 4)),
    "GeneralizedAttention": ("gen_attention_block", {}),
    "NonLocal2d": ("nonlocal_block", {}),
    "SqueezeExcite": ("se_block", {}),
    "CBAM": ("cbam", {}),
}


def named(name):
    return type(name, (), {})


@pytest.mark.parametrize(
    ("kind", "abbr"),
    [
        (named("FancyPlugin"), "fancy_plugin"),
        (named("HTTPServer2D"), "http_server2_d"),
        (named("ABC"), "abc"),
        (type("Own", (), {"_abbr_": "mine"}), "mine"),
        (type("Below", (ContextBlock,), {}), "context_block"),
    ],
)
def test_abbreviations(kind, abbr):
    assert infer_abbr(kind) == abbr


def test_the_registry_holds_these():
    assert set(PLUGIN_LAYERS.module_dict) == set(ROWS)
    assert MODELS.get("plugin.CBAM") is CBAM


@pytest.mark.parametrize("postfix", ["", "_test", 1])
@pytest.mark.parametrize("name", ROWS)
def test_names_and_layers(name, postfix):
    abbr, kwargs = ROWS[name]
    cfg = dict(type=name, in_channels=16, **kwargs)
    before = dict(cfg)
    found, layer = build_plugin_layer(cfg, postfix)
    assert found == f"{abbr}{postfix}" and type(layer) is PLUGIN_LAYERS.get(name)
    assert cfg == before
    found, layer = build_plugin_layer(dict(type=name), postfix, in_channels=16, **kwargs)
    assert found == f"{abbr}{postfix}" and layer(torch.rand(2, 16, 8, 8)).shape[0] == 2
    assert build_plugin_layer(dict(cfg, type=PLUGIN_LAYERS.get(name)), postfix)[0] == found


MESSAGES = [
    (lambda: infer_abbr(0), TypeError, "class_type: expected a class, got 0."),
    (lambda: build_plugin_layer("ContextBlock"), TypeError,
     "plugin_cfg: cfg must be a dict, but got <class 'str'>."),
    (lambda: build_plugin_layer(dict(ratio=1)), KeyError,
     "plugin_cfg: the cfg dict must contain the key \"type\", but got {'ratio': 1}."),
    (lambda: build_plugin_layer(dict(type="ContextBlok")), KeyError,
     "plugin_cfg.type: ContextBlok is not in the plugin layer registry. "
     "Did you mean 'ContextBlock'?"),
    (lambda: build_plugin_layer(dict(type="BN")), KeyError,
     "plugin_cfg.type: BN is not in the plugin layer registry. "
     "BN is a norm layer: use build_norm_layer."),
    (lambda: build_plugin_layer(dict(type="CrissCrossAttention")), KeyError,
     "plugin_cfg.type: CrissCrossAttention is not in the plugin layer registry. "
     "It is one of mmcv's compiled operators, which brickbook does not have."),
    (lambda: build_plugin_layer(dict(type="CBAM", in_channels=4), [1]), AssertionError,
     "postfix: expected an int or a str, got [1]."),
    (lambda: build_plugin_layer(dict(type="CBAM"), in_channel=4), TypeError,
     "in_channel: CBAM has no such argument. Did you mean 'in_channels'?"),
    (lambda: build_plugin_layer(dict(type="CBAM", in_channels=4), in_channels=4), TypeError,
     "plugin_cfg.in_channels: CBAM gets multiple values for it: 4 here, 4 in the call."),
    (lambda: CBAM(16, kernel_size=4), ValueError, "kernel_size: expected an odd number, got 4."),
    (lambda: SqueezeExcite(16, 0), ValueError, "reduction: expected 1 or more, got 0."),
    (lambda: ContextBlock(16, 0.05), ValueError,
     "ratio: 0.05 of 16 channels is less than one."),
    (lambda: ContextBlock(16, 0.25, "max"), AssertionError,
     "pooling_type: expected 'att' or 'avg', got 'max'."),
    (lambda: ContextBlock(16, 0.25, fusion_types="channel_add"), AssertionError,
     "fusion_types: expected a list or a tuple, got 'channel_add'."),
    (lambda: ContextBlock(16, 0.25, fusion_types=("add",)), AssertionError,
     "fusion_types: expected 'channel_add', 'channel_mul' or both, got ('add',)."),
    (lambda: ContextBlock(16, 0.25, fusion_types=()), AssertionError,
     "fusion_types: expected 'channel_add', 'channel_mul' or both, got ()."),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "message"), MESSAGES)
def test_messages(call, error, message):
    with pytest.raises(error) as caught:
        call()
    assert isinstance(caught.value, ConfigError) and str(caught.value) == message


@pytest.mark.parametrize(
    "fusions", [("channel_add",), ["channel_mul"], ("channel_add", "channel_mul")]
)
@pytest.mark.parametrize("pooling", ["att", "avg"])
def test_context_block(pooling, fusions):
    block = ContextBlock(16, 1 / 4, pooling, fusions)
    x = torch.rand(2, 16, 5, 7)
    assert block(x).shape == x.shape
    assert (block.channel_add_conv is not None) == ("channel_add" in fusions)
    assert (block.channel_mul_conv is not None) == ("channel_mul" in fusions)
    if pooling == "att":
        assert (block.conv_mask.in_channels, block.conv_mask.out_channels) == (16, 1)
        weights = F.softmax(block.conv_mask(x).flatten(2), dim=2)
        context = (x.flatten(2) * weights).sum(2)
    else:
        context = x.mean((2, 3))
        assert isinstance(block.avg_pool, nn.AdaptiveAvgPool2d)
    torch.testing.assert_close(block.spatial_pool(x), context[..., None, None])
    expected = x * 0.5 if "channel_mul" in fusions else x  # sigmoid(0), and 0 to add
    assert torch.equal(block(x), expected)


def test_how_a_context_block_starts():
    block = ContextBlock(512, 1 / 4, fusion_types=("channel_add", "channel_mul"))
    assert block.conv_mask.weight.std().item() == pytest.approx(math.sqrt(2 / 512), rel=0.1)
    assert block.default_init_cfg() == [
        dict(type="Kaiming", mode="fan_in", override=dict(name="conv_mask")),
        dict(type="Constant", val=0, override=dict(name="channel_add_conv.3")),
        dict(type="Constant", val=0, override=dict(name="channel_mul_conv.3")),
    ]
    for parameter in block.parameters():
        nn.init.normal_(parameter)
    torch.manual_seed(2)
    block.reset_parameters()
    expected = {key: value.clone() for key, value in block.state_dict().items()}
    for name in ("conv_mask", "channel_add_conv.3", "channel_mul_conv.3"):
        nn.init.normal_(block.get_submodule(name).weight)
    torch.manual_seed(2)
    initialize(block, block.default_init_cfg())
    assert all(torch.equal(expected[key], value) for key, value in block.state_dict().items())


def test_squeeze_excite_by_its_formula():
    block = SqueezeExcite(16, 4)
    assert list(block.state_dict()) == ["fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"]
    assert block.fc1.weight.shape == (4, 16, 1, 1)
    for axes in (1, 2, 3):
        x = torch.rand(2, 16, *[5, 4, 3][:axes])
        means = x.flatten(2).mean(2)
        inner = F.relu(F.linear(means, block.fc1.weight[..., 0, 0], block.fc1.bias))
        gates = F.linear(inner, block.fc2.weight[..., 0, 0], block.fc2.bias).sigmoid()
        torch.testing.assert_close(block(x), x * gates.view(2, 16, *[1] * axes))
    other = SqueezeExcite(8, act_cfg=dict(type="SiLU"), gate_cfg=dict(type="HSigmoid"))
    assert other.fc1.out_channels == 1 and isinstance(other.activate, nn.SiLU)


def test_cbam_by_its_formula():
    block = CBAM(16, 8, kernel_size=3)
    x = torch.randn(2, 16, 6, 5)

    def mlp(v):
        inner = F.relu(F.linear(v, block.fc1.weight[..., 0, 0], block.fc1.bias))
        return F.linear(inner, block.fc2.weight[..., 0, 0], block.fc2.bias)

    channel = (mlp(x.mean((2, 3))) + mlp(x.amax((2, 3)))).sigmoid()
    once = x * channel[..., None, None]
    maps = torch.stack([once.mean(1), once.amax(1)], dim=1)
    spatial = F.conv2d(maps, block.spatial.conv.weight, block.spatial.conv.bias, padding=1)
    torch.testing.assert_close(block(x), once * spatial.sigmoid())
    assert CBAM(16).spatial.conv.kernel_size == (7, 7)
    assert CBAM(16, norm_cfg=dict(type="BN")).spatial.with_norm
    assert isinstance(block.spatial, ConvModule)


@pytest.mark.parametrize("name", ROWS)
def test_the_plan_has_a_law_for_all_that_a_plugin_starts(name):
    layer = build_plugin_layer(dict(type=name), in_channels=16, **ROWS[name][1])[1]
    rules = layer.default_init_cfg() if hasattr(layer, "default_init_cfg") else []
    started = tuple(f"0.{rule['override']['name']}" for rule in rules)
    laws = {key: row.law for key, row in plan(Sequential(layer)).items() if key.startswith(started)}
    assert None not in laws.values() and bool(laws) == bool(rules)
