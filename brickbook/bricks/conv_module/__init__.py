"""ConvModule: convolution, normalisation and activation in one module."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn
from torch.jit import is_scripting  # pyright: ignore[reportPrivateImportUsage] - it is public
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.instancenorm import _InstanceNorm

from brickbook.bricks.activation import build_activation_inplace
from brickbook.bricks.conv_module.arguments import (
    STEPS,
    check_arguments,
    copy_cfg,
    has_init_weights,
    is_disabled,
)
from brickbook.bricks.conv_module.default_init import conv_init_cfg
from brickbook.bricks.norm import attribute_stem, infer_abbr, make_norm, to_channel_norm
from brickbook.bricks.padding import build_padded_conv
from brickbook.bricks.registry import NORM_LAYERS, PLUGIN_LAYERS, find_layer
from brickbook.bricks.transforms.efficient_eval import fold, is_foldable
from brickbook.init.initializers import constant_init, kaiming_init, normal_init
from brickbook.init.planning import plan_driven
from brickbook.registry import Config, split_type

__all__ = ["RELU", "ConvModule", "Size"]

Size = int | tuple[int, ...]
RELU: Config = {"type": "ReLU"}

CONV_ATTRIBUTES = (
    "in_channels", "out_channels", "kernel_size", "stride", "dilation", "transposed",
    "output_padding", "groups",
)  # fmt: skip

FALSE_FLAGS = ("inplace", "with_activation", "with_spectral_norm", "with_explicit_padding")
MEAN_SUBTRACTING_NORMS = (_BatchNorm, _InstanceNorm)


@PLUGIN_LAYERS.register_module()
class ConvModule(nn.Module):
    """A convolution, a normalisation if one is given, and an activation, by default ReLU.

    (N, in_channels, ...) becomes (N, out_channels, ...). The parts are the attributes ``conv``,
    ``activate`` and, under its abbreviation (``bn``, ``gn``, …) and as ``norm``, the normalisation;
    state-dict keys are those of mmcv.

    The convolution is drawn from Kaiming's law (fan_out) with the gain of the activation, a norm
    has weight 1 and bias 0; see `init_weights`. LN normalises over the channels.

    Args:
        in_channels: Channels that come in.
        out_channels: Channels that go out.
        kernel_size: Of the convolution, in pixels.
        stride: Of the convolution.
        padding: Of the convolution, in pixels an end or as a word that torch knows.
        dilation: Of the convolution.
        groups: Of the convolution.
        bias: Whether the convolution has one; ``"auto"``: where no norm follows it.
        conv_cfg: The convolution; None is Conv2d.
        norm_cfg: The normalisation; None is none.
        act_cfg: The activation; None is none.
        inplace: The default for an activation that takes it.
        with_spectral_norm: Whether the weight is divided by its spectral norm.
        padding_mode: ``"zeros"``, ``"circular"`` or a registered padding layer, which then stands
            before the convolution as ``padding_layer``, with the class for its number of axes.
        order: The order of the three steps.
        efficient_conv_bn_eval: Whether a batch norm in evaluation is computed together with the
            convolution before it.

    Raises:
        AssertionError: A config is no dict, or ``order`` does not name the three steps once each.
        KeyError: A type or the padding mode is unknown.
        TypeError: A layer does not take an argument.
        ValueError: ``bias`` is another word, or the padding cannot be had.

    >>> ConvModule(3, 8, 2, norm_cfg=dict(type="BN"))(torch.ones(1, 3, 16, 16)).shape
    torch.Size([1, 8, 15, 15])
    """

    _abbr_ = "conv_block"
    if TYPE_CHECKING:  # TorchScript would read them
        in_channels: int
        out_channels: int
        norm_name: str | None
        order: tuple[str, ...]
    __jit_unused_properties__ = ("norm",)

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size | str = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool | Literal["auto"] = "auto",
        conv_cfg: Config | None = None,
        norm_cfg: Config | None = None,
        act_cfg: Config | None = RELU,
        inplace: bool = True,
        with_spectral_norm: bool = False,
        padding_mode: str = "zeros",
        order: tuple[str, str, str] = STEPS,
        efficient_conv_bn_eval: bool = False,
    ) -> None:
        super().__init__()
        check_arguments(conv_cfg, norm_cfg, act_cfg, order, bias)
        norm_follows = norm_cfg is not None and order.index("norm") > order.index("conv")
        # past Module.__setattr__: for plain values it only costs time, a tenth of the whole
        vars(self).update(
            conv_cfg=copy_cfg(conv_cfg),
            norm_cfg=copy_cfg(norm_cfg),
            act_cfg=copy_cfg(act_cfg),
            inplace=inplace,
            order=order,
            padding=padding,
            with_norm=norm_cfg is not None,
            with_activation=act_cfg is not None,
            with_spectral_norm=with_spectral_norm,
            efficient_conv_bn_eval=efficient_conv_bn_eval,
            # a norm that follows subtracts its own mean, and a bias of the convolution with it
            with_bias=not norm_follows if bias == "auto" else bool(bias),
        )
        conv, pad = build_padded_conv(
            conv_cfg,
            (in_channels, out_channels, kernel_size),
            {"stride": stride, "dilation": dilation, "groups": groups, "bias": self.with_bias},
            padding,
            padding_mode,
        )
        self.with_explicit_padding = pad is not None
        if pad is not None:
            self.padding_layer = pad
        self.conv = nn.utils.spectral_norm(conv) if with_spectral_norm else conv
        self._copy_conv_attributes()
        self.norm_name = None
        if norm_cfg is not None:
            self._add_norm(norm_cfg, self.out_channels if norm_follows else self.in_channels)
        if norm_follows and self.with_bias and isinstance(self.norm, MEAN_SUBTRACTING_NORMS):
            warnings.warn("Unnecessary conv bias before batch/instance norm", stacklevel=2)
        if act_cfg is not None:
            self.activate = build_activation_inplace(act_cfg, inplace)
        self.init_weights()

    def _copy_conv_attributes(self) -> None:
        conv = self.conv
        vars(self).update({name: getattr(conv, name) for name in CONV_ATTRIBUTES})

    def _add_norm(self, cfg: Config, channels: int) -> None:
        kind, own = split_type(cfg, "norm_cfg")
        make = to_channel_norm(find_layer(kind, NORM_LAYERS, "norm_cfg"))
        norm = make_norm(make, own, channels)
        self.norm_name = attribute_stem(make, norm)
        self.add_module(self.norm_name, norm)

    @property
    def norm(self) -> Any:
        """The normalisation, None without one."""
        return getattr(self, self.norm_name) if self.norm_name else None

    def _step_after_conv(self) -> str:
        """Return the step whose input the convolution makes, "" if it is the last."""
        for step in self.order[self.order.index("conv") + 1 :]:
            if (step == "norm" and self.with_norm) or (step == "act" and self.with_activation):
                return step
        return ""

    def _conv_init_cfg(self) -> dict[str, Any]:
        activation = self.activate if self.with_activation else None
        return conv_init_cfg(self.conv, activation, self._step_after_conv() == "norm")

    @plan_driven
    def init_weights(self) -> None:
        """Initialise the convolution and the norm.

        The convolution: N(0, gain² / fan_out), bias 0. The gain is that of the activation wherever
        the order puts it, since in a chain of such modules it stands between two convolutions; see
        `brickbook.bricks.conv_module.default_init.conv_init_cfg`. The norm: weight 1, bias 0. One
        of them that has an ``init_weights`` of its own is left as it is.
        """
        if not has_init_weights(self.conv):
            rule = self._conv_init_cfg()
            fill = kaiming_init if rule.pop("type") == "Kaiming" else normal_init
            fill(self.conv, **rule)
            if self.with_spectral_norm:
                # the hook computes `weight` from `weight_orig` at every forward
                with torch.no_grad():
                    self.conv.weight_orig.copy_(self.conv.weight)
        if self.with_norm and not has_init_weights(self.norm):
            constant_init(self.norm, 1, bias=0)

    def default_init_cfg(self) -> list[dict[str, Any]]:
        """Return the ``init_cfg`` that says what `init_weights` does."""
        rules = []
        if not has_init_weights(self.conv):
            rules.append({**self._conv_init_cfg(), "override": {"name": "conv"}})
        if self.norm_name and not has_init_weights(self.norm):
            rules.append({"type": "Constant", "val": 1, "override": {"name": self.norm_name}})
        return rules

    def forward(self, x: Tensor, activate: bool = True, norm: bool = True) -> Tensor:
        """Return the output; ``activate`` and ``norm`` can leave out a step that is there."""
        if is_scripting():
            return self._forward_scripted(x, activate, norm)
        with_norm = self.with_norm and (norm is True or not is_disabled(norm))
        with_act = self.with_activation and (activate is True or not is_disabled(activate))
        folds = self.efficient_conv_bn_eval and with_norm and self._step_after_conv() == "norm"
        folds = folds and is_foldable(self.conv, self.norm)
        for step in self.order:
            if step == "conv":
                if self.with_explicit_padding:
                    x = self.padding_layer(x)
                x = fold(self.conv, self.norm, x) if folds else self.conv(x)
            elif step == "norm":
                if with_norm and not folds:
                    x = self.norm(x)
            elif with_act:
                x = self.activate(x)
        return x

    def _forward_scripted(self, x: Tensor, activate: bool, norm: bool) -> Tensor:
        for step in self.order:
            for name, part in self.named_children():
                if name == "conv" or name == "padding_layer":
                    runs = step == "conv"
                elif name == "activate":
                    runs = step == "act" and activate
                else:
                    runs = step == "norm" and norm
                if runs:
                    x = part(x)
        return x

    def turn_on_efficient_conv_bn_eval(self, flag: bool = True) -> None:
        """Compute a batch norm in evaluation together with the convolution before it, or not."""
        self.efficient_conv_bn_eval = flag

    @staticmethod
    def create_from_conv_bn(
        conv: nn.Module, bn: nn.Module, efficient_conv_bn_eval: bool = True
    ) -> ConvModule:
        """Bundle two layers that exist already, without an activation; their numbers stay."""
        self = ConvModule.__new__(ConvModule)
        nn.Module.__init__(self)
        vars(self).update(
            dict.fromkeys(("conv_cfg", "norm_cfg", "act_cfg")),
            **dict.fromkeys(FALSE_FLAGS, False),
            order=STEPS,
            with_norm=True,
            with_bias=conv.bias is not None,
            padding=conv.padding,
            efficient_conv_bn_eval=efficient_conv_bn_eval,
        )
        self.conv = conv
        self._copy_conv_attributes()
        self.norm_name = infer_abbr(type(bn))
        self.add_module(self.norm_name, bn)
        return self
