"""Non-local blocks: every position sees every other one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn

from brickbook.bricks.conv_module import RELU, ConvModule
from brickbook.bricks.registry import PLUGIN_LAYERS
from brickbook.bricks.squeeze_excite import bottleneck_width
from brickbook.errors import BadValueError
from brickbook.init.initializers import constant_init, normal_init
from brickbook.init.planning import plan_driven
from brickbook.registry import Config

__all__ = ["NonLocal1d", "NonLocal2d", "NonLocal3d", "_NonLocalNd"]

Mode = Literal["gaussian", "embedded_gaussian", "dot_product", "concatenation"]
MODES = ("gaussian", "embedded_gaussian", "dot_product", "concatenation")


class _NonLocalNd(nn.Module):
    """``x`` plus a sum over all positions of ``g(x)``, weighted by how pairs of positions agree.

    (N, C, ...) keeps its shape. The 1×1 convolutions are ``g``, ``theta`` and ``phi`` (the last two
    not in the mode gaussian), ``conv_out`` and, for concatenation, ``concat_project``. Source: Wang
    et al. 2018, arXiv 1711.07971, eq. 1 to 6.

    Args:
        in_channels: C.
        reduction: The convolutions make C / reduction channels, one at least.
        use_scale: Divide the products of embedded_gaussian by the root of that number.
        conv_cfg: The convolution; None is Conv2d.
        norm_cfg: A normalisation after ``conv_out``.
        mode: How two positions are compared: by the softmax of a product (gaussian; with learned
            embeddings embedded_gaussian), by a product, or by a learned function of both.
        std: The initial std of the convolutions.
        zeros_init: Set ``conv_out``, or the norm after it, to 0: the block is the identity.

    Raises:
        ValueError: The mode is unknown.
    """

    def __init__(
        self,
        in_channels: int,
        reduction: int = 2,
        use_scale: bool = True,
        conv_cfg: Config | None = None,
        norm_cfg: Config | None = None,
        mode: Mode = "embedded_gaussian",
        std: float = 0.01,
        zeros_init: bool = True,
    ) -> None:
        super().__init__()
        if mode not in MODES:
            words = ", ".join(map(repr, MODES))
            raise BadValueError("mode", f"expected one of {words}, got {mode!r}.")
        self.in_channels = in_channels
        self.reduction = reduction
        self.use_scale = use_scale
        self.inter_channels = bottleneck_width(in_channels, reduction)
        self.mode = mode
        self.sub_sample = False
        self.std, self.zeros_init = std, zeros_init

        def inward() -> ConvModule:
            return ConvModule(in_channels, self.inter_channels, 1, conv_cfg=conv_cfg, act_cfg=None)

        self.g: nn.Module = inward()
        self.conv_out = ConvModule(
            self.inter_channels, in_channels, 1, conv_cfg=conv_cfg, norm_cfg=norm_cfg, act_cfg=None
        )
        if mode != "gaussian":
            self.theta = inward()
            self.phi: nn.Module = inward()
        if mode == "concatenation":
            self.concat_project = ConvModule(
                self.inter_channels * 2, 1, 1, bias=False, act_cfg=RELU
            )
        self.init_weights()

    def _input_convs(self) -> list[str]:
        """Return the names of the convolutions that the input goes through."""
        names = ["g"] if self.mode == "gaussian" else ["g", "theta", "phi"]
        inside = ".0" if self.sub_sample else ""
        return [f"{name}{'' if name == 'theta' else inside}.conv" for name in names]

    def _output_layer(self) -> str:
        """Return the name of what makes the output: the norm if there is one."""
        return f"conv_out.{self.conv_out.norm_name or 'conv'}"

    @plan_driven
    def init_weights(self, std: float | None = None, zeros_init: bool | None = None) -> None:
        """Draw from N(0, std²); with ``zeros_init`` the output is 0, as the biases are.

        What is not said is as it was given to the constructor.
        """
        std = self.std if std is None else std
        zeros_init = self.zeros_init if zeros_init is None else zeros_init
        for name in self._input_convs():
            normal_init(self.get_submodule(name), std=std)
        last = self.get_submodule(self._output_layer())
        if zeros_init:
            constant_init(last, 0)
        else:
            normal_init(last, std=std)

    def default_init_cfg(self) -> list[dict[str, Any]]:
        """Return the ``init_cfg`` that says what `init_weights` does."""
        normal = {"type": "Normal", "std": self.std}
        last = {"type": "Constant", "val": 0} if self.zeros_init else normal
        rules = [{**normal, "override": {"name": name}} for name in self._input_convs()]
        return [*rules, {**last, "override": {"name": self._output_layer()}}]

    def gaussian(self, theta_x: Tensor, phi_x: Tensor) -> Tensor:
        """Return the weights (N, P, Q) for (N, P, C) and (N, C, Q): eq. 2."""
        return torch.matmul(theta_x, phi_x).softmax(dim=-1)

    def embedded_gaussian(self, theta_x: Tensor, phi_x: Tensor) -> Tensor:
        """Return the weights (N, P, Q) for (N, P, C) and (N, C, Q): eq. 3."""
        weights = torch.matmul(theta_x, phi_x)
        if self.use_scale:
            weights = weights / theta_x.shape[-1] ** 0.5
        return weights.softmax(dim=-1)

    def dot_product(self, theta_x: Tensor, phi_x: Tensor) -> Tensor:
        """Return the weights (N, P, Q) for (N, P, C) and (N, C, Q): eq. 4."""
        return torch.matmul(theta_x, phi_x) / phi_x.shape[-1]

    def concatenation(self, theta_x: Tensor, phi_x: Tensor) -> Tensor:
        """Return the weights (N, P, Q) for (N, C, P, 1) and (N, C, 1, Q): eq. 5."""
        p, q = theta_x.shape[2], phi_x.shape[3]
        pairs = torch.cat([theta_x.expand(-1, -1, -1, q), phi_x.expand(-1, -1, p, -1)], dim=1)
        return self.concat_project(pairs).squeeze(1) / q

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` with what the other positions say added."""
        values = self.g(x).flatten(2).transpose(1, 2)
        if self.mode == "gaussian":
            theta_x = x.flatten(2).transpose(1, 2)
            phi_x = (self.phi(x) if self.sub_sample else x).flatten(2)
        elif self.mode == "concatenation":
            theta_x = self.theta(x).flatten(2).unsqueeze(-1)
            phi_x = self.phi(x).flatten(2).unsqueeze(2)
        else:
            theta_x = self.theta(x).flatten(2).transpose(1, 2)
            phi_x = self.phi(x).flatten(2)
        compare: Callable[[Tensor, Tensor], Tensor] = getattr(self, self.mode)
        seen = torch.matmul(compare(theta_x, phi_x), values).transpose(1, 2)
        return x + self.conv_out(seen.unflatten(2, x.shape[2:]))


class _SubSampled(_NonLocalNd):
    """A non-local block for a number of axes; ``sub_sample`` lets each position see fewer others.

    Then ``g`` and ``phi`` end in a max pooling over 2 pixels of each spatial axis. Other arguments
    are those of the base; ``conv_cfg=None`` is the convolution for the axes of the class.
    """

    conv: str
    pool: type[nn.Module]
    pool_size: int | tuple[int, ...]

    def __init__(
        self,
        in_channels: int,
        sub_sample: bool = False,
        conv_cfg: Config | None = None,
        reduction: int = 2,
        use_scale: bool = True,
        norm_cfg: Config | None = None,
        mode: Mode = "embedded_gaussian",
        std: float = 0.01,
        zeros_init: bool = True,
    ) -> None:
        conv_cfg = {"type": self.conv} if conv_cfg is None else conv_cfg
        super().__init__(
            in_channels, reduction, use_scale, conv_cfg, norm_cfg, mode, std, zeros_init
        )
        self.sub_sample = sub_sample
        if sub_sample:
            pool = self.pool(kernel_size=self.pool_size)
            self.g = nn.Sequential(self.g, pool)
            self.phi = pool if mode == "gaussian" else nn.Sequential(self.phi, pool)


class NonLocal1d(_SubSampled):
    """A non-local block for (N, C, L)."""

    conv, pool, pool_size = "Conv1d", nn.MaxPool1d, 2


@PLUGIN_LAYERS.register_module()
class NonLocal2d(_SubSampled):
    """A non-local block for (N, C, H, W)."""

    _abbr_ = "nonlocal_block"
    conv, pool, pool_size = "Conv2d", nn.MaxPool2d, (2, 2)


class NonLocal3d(_SubSampled):
    """A non-local block for (N, C, T, H, W); sub-sampling leaves T as it is."""

    conv, pool, pool_size = "Conv3d", nn.MaxPool3d, (1, 2, 2)
