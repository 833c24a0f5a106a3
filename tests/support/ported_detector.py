"""A detector in the image of mmdetection 2.x, with mmcv's import paths under brickbook's name."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from brickbook.cnn import (
    MODELS as MMCV_MODELS,
)
from brickbook.cnn import (
    NORM_LAYERS,
    ConvModule,
    bias_init_with_prob,
    build_conv_layer,
    build_norm_layer,
)
from brickbook.registry import Registry
from brickbook.runner import BaseModule, ModuleList, Sequential

__all__ = ["MODELS", "build_detector", "detector_config", "register_norm"]

MODELS = Registry("models", parent=MMCV_MODELS, scope="ported")


def register_norm() -> type[nn.Module]:
    """Register a norm under a name that brickbook has and mmcv has not, as mmcls 0.x does."""

    @NORM_LAYERS.register_module("LN2d")
    class LayerNorm2d(nn.LayerNorm):
        def __init__(self, num_channels: int, **kwargs: Any) -> None:
            super().__init__(num_channels, **kwargs)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)

    return LayerNorm2d


class Bottleneck(BaseModule):
    """A residual block: its norms are attributes by a name that their kind decides."""

    expansion = 4

    def __init__(
        self, inplanes: int, planes: int, norm_cfg: dict[str, Any], init_cfg: Any = None
    ) -> None:
        super().__init__(init_cfg)
        self.norm1_name, norm1 = build_norm_layer(norm_cfg, planes, postfix=1)
        self.norm2_name, norm2 = build_norm_layer(norm_cfg, planes, postfix=2)
        self.norm3_name, norm3 = build_norm_layer(norm_cfg, planes * 4, postfix=3)
        self.conv1 = build_conv_layer(None, inplanes, planes, 1, bias=False)
        self.add_module(self.norm1_name, norm1)
        self.conv2 = build_conv_layer(None, planes, planes, 3, padding=1, bias=False)
        self.add_module(self.norm2_name, norm2)
        self.conv3 = build_conv_layer(None, planes, planes * 4, 1, bias=False)
        self.add_module(self.norm3_name, norm3)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = build_conv_layer(None, inplanes, planes * 4, 1, bias=False)

    @property
    def norm1(self) -> nn.Module:
        return getattr(self, self.norm1_name)

    @property
    def norm2(self) -> nn.Module:
        return getattr(self, self.norm2_name)

    @property
    def norm3(self) -> nn.Module:
        return getattr(self, self.norm3_name)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = self.relu(self.norm1(self.conv1(x)))
        out = self.relu(self.norm2(self.conv2(out)))
        return self.relu(self.norm3(self.conv3(out)) + self.downsample(x))


@MODELS.register_module()
class ResNet(BaseModule):
    """A residual network of one block a stage."""

    def __init__(
        self,
        stages: int = 2,
        norm_cfg: dict[str, Any] | None = None,
        zero_init_residual: bool = True,
        init_cfg: Any = None,
    ) -> None:
        super().__init__(init_cfg)
        norm_cfg = norm_cfg or dict(type="BN")
        block_init_cfg = None
        if init_cfg is None:
            self.init_cfg = [
                dict(type="Kaiming", layer="Conv2d"),
                dict(type="Constant", val=1, layer=["_BatchNorm", "GroupNorm"]),
            ]
            if zero_init_residual:
                block_init_cfg = dict(type="Constant", val=0, override=dict(name="norm3"))
        self.norm1_name, norm1 = build_norm_layer(norm_cfg, 8, postfix=1)
        self.conv1 = build_conv_layer(None, 3, 8, 3, stride=2, padding=1, bias=False)
        self.add_module(self.norm1_name, norm1)
        self.res_layers = []
        planes = 8
        for at in range(stages):
            name = f"layer{at + 1}"
            self.add_module(name, Sequential(Bottleneck(planes, 4, norm_cfg, block_init_cfg)))
            self.res_layers.append(name)
            planes = 16

    @property
    def norm1(self) -> nn.Module:
        return getattr(self, self.norm1_name)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        x, outs = self.norm1(self.conv1(x)).relu(), []
        for name in self.res_layers:
            x = getattr(self, name)(x)
            outs.append(x)
        return tuple(outs)


@MODELS.register_module()
class FPN(BaseModule):
    """A pyramid of features."""

    def __init__(
        self,
        in_channels: tuple[int, ...],
        out_channels: int,
        init_cfg: Any = (dict(type="Xavier", layer="Conv2d", distribution="uniform"),),
    ) -> None:
        super().__init__(init_cfg)
        self.lateral_convs, self.fpn_convs = nn.ModuleList(), nn.ModuleList()
        for channels in in_channels:
            self.lateral_convs.append(ConvModule(channels, out_channels, 1, act_cfg=None))
            self.fpn_convs.append(ConvModule(out_channels, out_channels, 3, padding=1))
        self.extra_convs = ModuleList()

    def forward(self, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        lateral = [conv(x) for conv, x in zip(self.lateral_convs, inputs, strict=True)]
        return tuple(conv(x) for conv, x in zip(self.fpn_convs, lateral, strict=True))


@MODELS.register_module()
class Head(BaseModule):
    """A head with branches that may be empty, and one predictor under two names."""

    def __init__(
        self, channels: int, num_classes: int, stacked: int = 0, init_cfg: Any = None
    ) -> None:
        super().__init__(
            init_cfg
            or dict(
                type="Normal",
                layer="Conv2d",
                std=0.01,
                override=[
                    dict(type="Normal", name="conv_cls", std=0.01, bias_prob=0.01),
                    dict(type="Normal", name="reg_convs", std=0.02),
                    dict(type="Constant", name="conv_shared", val=0.5),
                ],
            )
        )
        self.cls_convs, self.reg_convs = ModuleList(), ModuleList()
        for _ in range(stacked):
            self.cls_convs.append(ConvModule(channels, channels, 3, padding=1))
            self.reg_convs.append(ConvModule(channels, channels, 3, padding=1))
        self.act = MODELS.build(dict(type="GELU"))
        self.conv_cls = nn.Conv2d(channels, num_classes, 3, padding=1)
        self.conv_reg = nn.Conv2d(channels, 4, 3, padding=1)
        self.conv_shared = self.conv_reg

    def forward(self, feats: tuple[torch.Tensor, ...]) -> list[torch.Tensor]:
        outs = []
        for x in feats:
            for conv in self.cls_convs:
                x = conv(x)
            outs.append(self.conv_cls(self.act(x)))
        return outs


@MODELS.register_module()
class Detector(BaseModule):
    """Backbone, neck and head, each from its config."""

    def __init__(
        self, backbone: dict[str, Any], neck: dict[str, Any], bbox_head: dict[str, Any],
        init_cfg: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(init_cfg)
        self.backbone = MODELS.build(backbone)
        self.neck = MODELS.build(neck)
        self.bbox_head = MODELS.build(bbox_head)
        self.prior = bias_init_with_prob(0.01)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        return self.bbox_head(self.neck(self.backbone(x)))


def detector_config(**head: Any) -> dict[str, Any]:
    """Return the config of a whole detector."""
    return dict(
        type="Detector",
        backbone=dict(type="ResNet"),
        neck=dict(type="FPN", in_channels=(16, 16), out_channels=8),
        bbox_head=dict(type="Head", channels=8, num_classes=3, **head),
    )


def build_detector(cfg: dict[str, Any]) -> Any:
    """Build a detector from its config."""
    return MODELS.build(cfg)
