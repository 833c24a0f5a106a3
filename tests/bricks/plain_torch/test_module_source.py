"""A model as the source of a class of plain torch: same keys, same outputs, or a refusal."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from brickbook import Blueprint, ConfigError, to_module_source
from brickbook.bricks.plain_torch.helpers import HELPERS

IMAGE, TOKENS = (4, 8, 8), (6, 8)


def cfg(kind: object, **more: Any) -> dict[str, Any]:
    return {"type": kind, **more}


def conv(**more: Any) -> dict[str, Any]:
    return cfg("ConvModule", out_channels=8, kernel_size=3, **more)


def check_same(bricks: list[Any], shape: tuple[int, ...]) -> None:
    """The source runs without brickbook, takes the state dict, and gives the same bits."""
    model = Blueprint.from_config(bricks).build(shape)
    with torch.no_grad():
        for value in model.parameters():
            value.copy_(torch.randn(value.shape, generator=torch.Generator().manual_seed(1)))
    source = to_module_source(bricks, shape, "Net")
    assert "brickbook" not in source
    space: dict[str, Any] = {}
    exec(source, space)
    made = space["Net"]()
    made.load_state_dict(model.state_dict())
    flags = {name: value.requires_grad for name, value in model.named_parameters()}
    assert {name: value.requires_grad for name, value in made.named_parameters()} == flags
    x = torch.randn(3, *shape, generator=torch.Generator().manual_seed(2))
    for training in (True, False):
        outs = []
        for net in (model.train(training), made.train(training)):
            torch.manual_seed(3)
            outs.append(net(x.clone()))
        assert torch.equal(*outs)
    for name, value in model.state_dict().items():  # running statistics too
        assert torch.equal(value, made.state_dict()[name])


@pytest.mark.parametrize(
    "brick",
    [
        conv(), conv(norm_cfg=cfg("BN", requires_grad=False)), conv(bias=True, act_cfg=None),
        conv(norm_cfg=cfg("GN", num_groups=2), order=("norm", "act", "conv"), norm_first=None),
        conv(norm_cfg=cfg("LN"), padding=1, padding_mode="reflect"),
        conv(conv_cfg=cfg("Conv2d"), act_cfg=cfg("HSwish"), stride=(2, 1), dilation=(1, 2)),
        conv(act_cfg=cfg("PReLU")), conv(act_cfg=cfg("Clamp", max=0.5)),
        cfg("DepthwiseSeparableConvModule", out_channels=6, kernel_size=3, norm_cfg=cfg("BN")),
        cfg("Residual", body=[conv(padding=1)], shortcut=[cfg("Conv2d", out_channels=8,
                                                              kernel_size=1)]),
        cfg("Residual", body=[cfg("DropPath", drop_prob=0.4)]),
        cfg("Add", branches=[[], [cfg("Swish")], [cfg("HSigmoid", bias=1.0)]]),
        cfg("Concat", branches=[[], [cfg("deconv", out_channels=2, kernel_size=1)]]),
        cfg("Repeat", times=2, body=[cfg("BN"), cfg("GELU", approximate="tanh")]),
        cfg("Sequential", bricks=[cfg("LN2d"), cfg("Scale", scale=2.0)]),
        cfg("Sequential", bricks=[]),
        cfg("bilinear", scale_factor=2, align_corners=True), cfg("nearest", size=(5, 7)),
        cfg("MaxPool2d", kernel_size=3, stride=1), cfg("Flatten", start_dim=2),
        cfg("LayerScale", dim=8), cfg("reflect", padding=1), cfg("constant", padding=2, value=0.5),
        cfg("Dropout", p=0.3), cfg("drop.Dropout", drop_prob=0.3), cfg(nn.LPPool2d, norm_type=2,
                                                                       kernel_size=2),
    ],
)  # fmt: skip
def test_every_bit_of_a_picture(brick):
    brick.pop("norm_first", None)
    if brick["type"] == "ConvModule" and "order" in brick:
        brick["in_channels"] = 4
    check_same([brick], IMAGE)


@pytest.mark.parametrize(
    "brick",
    [
        cfg("MultiheadAttention", embed_dims=8, num_heads=2, batch_first=True),
        cfg("MultiheadAttention", embed_dims=8, num_heads=4, bias=False, proj_drop=0.2),
        cfg("MultiheadAttention", embed_dims=8, num_heads=2, dropout_layer=None, attn_drop=0.3),
        cfg("FFN", embed_dims=8, feedforward_channels=12, num_fcs=3, ffn_drop=0.2),
        cfg("FFN", embed_dims=8, feedforward_channels=12, layer_scale_init_value=0.1,
            dropout_layer=cfg("DropPath", drop_prob=0.2), add_identity=False),
        cfg("LN", elementwise_affine=False), cfg("RMSNorm"), cfg("Linear", out_features=3,
                                                                 bias=False),
    ],
)  # fmt: skip
def test_every_bit_of_a_sequence(brick):
    check_same([brick], TOKENS)


class Tower(nn.Module):
    def forward(self, x):
        return x


TORCH = "cannot be written in plain torch:"


@pytest.mark.parametrize(
    "bricks, message",
    [
        ([cfg("Flatten"), cfg(Tower)], f"1: Tower {TORCH} it is no layer of torch."),
        ([cfg("Residual", body=[cfg("ConvWS", out_channels=4, kernel_size=1)])],
         f"0.body.0: ConvWS2d {TORCH} it is no layer of torch."),
        ([cfg("SqueezeExcite")], f"0: SqueezeExcite {TORCH} it is no layer of torch."),
        ([conv(with_spectral_norm=True)], f"0: ConvModule {TORCH} its spectral norm is no layer."),
        ([cfg("LayerScale", dim=4, data_format="channels_first")],
         f"0: LayerScale {TORCH} only data_format='channels_last' is known in plain torch."),
        ([cfg("ResNet", depth=18)], f"0: ResNet {TORCH} it is no layer of torch."),
    ],
)  # fmt: skip
def test_what_has_no_exact_form_is_refused_by_name(bricks, message):
    with pytest.raises(ConfigError) as caught:
        to_module_source(bricks, (4, 32, 32) if "ResNet" not in message else (3, 32, 32))
    assert str(caught.value) == message


def test_a_built_model_is_written_unless_something_was_changed_in_it():
    model = nn.Sequential(nn.Linear(3, 3), nn.ReLU())
    assert "nn.Linear(3, 3),\n            nn.ReLU()," in to_module_source(model)
    model[0].register_forward_hook(lambda *_: None)
    with pytest.raises(ConfigError) as caught:
        to_module_source(model)
    assert str(caught.value) == f"0: Linear {TORCH} it was changed after it was made."
    shared = nn.Linear(3, 3)
    with pytest.raises(ConfigError) as caught:
        to_module_source(nn.Sequential(shared, shared))
    assert str(caught.value) == (
        "1: it stands at two places of the model, which the source would not share."
    )
    with pytest.raises(ConfigError) as caught:
        to_module_source(nn.Linear(3, 3))
    assert str(caught.value) == (
        "config: expected bricks in a row, or a model that is an nn.Sequential."
    )


@pytest.mark.parametrize("name", ["2nd", "class", "nn"])
def test_a_name_that_no_class_can_have_there(name):
    with pytest.raises(ConfigError, match="name: "):
        to_module_source(nn.Sequential(nn.ReLU()), name=name)


def test_helpers_are_classes_by_their_names():
    for helper in HELPERS.values():
        space: dict[str, Any] = {"nn": nn, "torch": torch, "F": nn.functional}
        exec(helper.source, space)
        assert issubclass(space[helper.name], nn.Module)
