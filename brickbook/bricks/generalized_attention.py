"""Attention over positions by content, by relative place, or by both."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from brickbook.bricks.registry import PLUGIN_LAYERS
from brickbook.bricks.transformer.qkv_sites import out_of_range_mask, relative_position_embedding
from brickbook.errors import BadValueError
from brickbook.init.initializers import caffe2_xavier_init
from brickbook.init.planning import plan_driven

__all__ = ["GeneralizedAttention"]

# mmcv keeps the constraint for maps of these sides, and cannot be built for other channels.
STORED_MAP_SIDES = {256: 84, 512: 42}
DEFAULT_MAP_SIDE = 42


@PLUGIN_LAYERS.register_module()
class GeneralizedAttention(nn.Module):
    """``x`` plus ``gamma`` (0 at first) times an attention whose energy is a sum of four terms.

    (N, C, H, W) keeps its shape. Source: Zhu et al. 2019, arXiv 1904.05873, eq. 1 and table 1.

    Args:
        in_channels: C.
        spatial_range: How many pixels up, down, left and right a query sees; -1 is all. The query's
            place is counted in its own, by ``q_stride`` coarser grid, as in mmcv.
        num_heads: Each head has C // num_heads channels.
        position_embedding_dim: Width of the sine embedding of relative places, a multiple of 4;
            -1 is C.
        position_magnitude: Factor on relative places.
        kv_stride: Keys and values are every so manieth pixel.
        q_stride: Queries are every so manieth pixel; the output is then enlarged again.
        attention_type: Four digits 0 or 1: query and key content, query content and relative
            place, key content alone, relative place alone.

    Raises:
        ValueError: An argument is a number or a word of which no block can be made.
    """

    _abbr_ = "gen_attention_block"

    def __init__(
        self,
        in_channels: int,
        spatial_range: int = -1,
        num_heads: int = 9,
        position_embedding_dim: int = -1,
        position_magnitude: float = 1,
        kv_stride: int = 2,
        q_stride: int = 1,
        attention_type: str = "1111",
    ) -> None:
        super().__init__()
        width = position_embedding_dim if position_embedding_dim > 0 else in_channels
        check_arguments(in_channels, num_heads, width, attention_type)
        self.position_embedding_dim = width
        self.position_magnitude = position_magnitude
        self.num_heads = num_heads
        self.in_channels = in_channels
        self.spatial_range = spatial_range
        self.kv_stride = kv_stride
        self.q_stride = q_stride
        self.attention_type = [digit == "1" for digit in attention_type]
        self.qk_embed_dim = self.v_dim = in_channels // num_heads
        self._add_layers(self.qk_embed_dim * num_heads)
        self.local_constraint_map: Tensor | None
        self.register_buffer("local_constraint_map", self._stored_map())
        self.q_downsample = nn.AvgPool2d(1, stride=q_stride) if q_stride > 1 else None
        self.kv_downsample = nn.AvgPool2d(1, stride=kv_stride) if kv_stride > 1 else None
        self._initialize_layers()

    def _add_layers(self, width: int) -> None:
        content, place, key_alone, place_alone = self.attention_type

        def conv() -> nn.Conv2d:
            return nn.Conv2d(self.in_channels, width, kernel_size=1, bias=False)

        if content or place:
            self.query_conv = conv()
        if content or key_alone:
            self.key_conv = conv()
        self.value_conv = conv()
        if place or place_alone:
            half = self.position_embedding_dim // 2
            self.appr_geom_fc_x = nn.Linear(half, width, bias=False)
            self.appr_geom_fc_y = nn.Linear(half, width, bias=False)
        if key_alone:
            self.appr_bias = nn.Parameter(self._fill_uniform(torch.empty(width)))
        if place_alone:
            self.geom_bias = nn.Parameter(self._fill_uniform(torch.empty(width)))
        self.proj_conv = nn.Conv2d(width, self.in_channels, kernel_size=1)
        self.gamma = nn.Parameter(torch.zeros(1))

    def _bound(self) -> float:
        return 1 / math.sqrt(self.qk_embed_dim * 2)

    def _fill_uniform(self, bias: Tensor) -> Tensor:
        return bias.uniform_(-self._bound(), self._bound())

    def _stored_map(self) -> Tensor | None:
        if self.spatial_range < 0:
            return None
        side = STORED_MAP_SIDES.get(self.in_channels, DEFAULT_MAP_SIDE)
        side_kv = (side - 1) // self.kv_stride + 1
        sides = (side, side, side_kv, side_kv)
        return out_of_range_mask(
            None, self.spatial_range, self.kv_stride, *sides, self.gamma.device
        )

    def _bias_names(self) -> list[str]:
        return [name for name in ("appr_bias", "geom_bias") if name in self._parameters]

    def _initialize_layers(self) -> None:
        for name, layer in self.named_children():
            if name not in ("q_downsample", "kv_downsample"):
                caffe2_xavier_init(layer)

    @plan_driven
    def init_weights(self) -> None:
        """Initialise layers by Caffe2's XavierFill, free biases uniformly, ``gamma`` with 0.

        The bound of a bias is ``1 / sqrt(2 * C // num_heads)``.
        """
        self._initialize_layers()
        with torch.no_grad():
            for name in self._bias_names():
                self._fill_uniform(getattr(self, name))
            self.gamma.zero_()

    def default_init_cfg(self) -> list[dict[str, Any]]:
        """Return the ``init_cfg`` that says what `init_weights` does."""
        layers = [name for name, part in self.named_children() if hasattr(part, "weight")]
        uniform = {"type": "Uniform", "a": -self._bound(), "b": self._bound()}
        return [
            *({"type": "Caffe2Xavier", "override": {"name": name}} for name in layers),
            *({**uniform, "override": {"name": name}} for name in self._bias_names()),
            {"type": "Constant", "val": 0, "override": {"name": "gamma"}},
        ]

    def _split_heads(self, rows: Tensor) -> Tensor:
        """Split the last axis into the heads and what each has."""
        return rows.unflatten(-1, (self.num_heads, self.qk_embed_dim))

    def _query_plus_bias(self, query: Tensor | None, bias: str) -> Tensor:
        """Return the queries plus a free bias, or the one of both that there is.

        Their shape is (n, heads, h, w, d), with 1 for n, h and w where the bias stands alone.
        """
        if bias not in self._parameters and query is not None:
            return query
        free = self._split_heads(getattr(self, bias))[:, None, None]
        return free.unsqueeze(0) if query is None else query + free

    def _content_energy(self, query: Tensor | None, x_kv: Tensor) -> Tensor:
        """Return the energies by the content of the keys, shape (n, heads, h, w, h_kv, w_kv)."""
        asking = self._query_plus_bias(query, "appr_bias")
        keys = self.key_conv(x_kv).unflatten(1, (self.num_heads, self.qk_embed_dim))
        energy = torch.matmul(asking.flatten(2, 3), keys.flatten(3))
        return energy.unflatten(3, keys.shape[3:]).unflatten(2, asking.shape[2:4])

    def _position_energy(self, query: Tensor | None, x_q: Tensor, x_kv: Tensor) -> Tensor:
        """Return the energies by relative place, shape (n or 1, heads, h, w, h_kv, w_kv)."""
        asking = self._query_plus_bias(query, "geom_bias") / math.sqrt(2)
        rows, columns = (
            self._split_heads(fc(self._position_embedding(x_q, x_q.shape[axis], x_kv.shape[axis])))
            for fc, axis in ((self.appr_geom_fc_y, 2), (self.appr_geom_fc_x, 3))
        )
        along_y = torch.einsum("nahwd,hkad->nahwk", asking, rows).unsqueeze(5)
        return along_y + torch.einsum("nahwd,wkad->nahwk", asking, columns).unsqueeze(4)

    def _position_embedding(self, like: Tensor, size: int, size_kv: int) -> Tensor:
        strides = (self.q_stride, self.kv_stride)
        width = self.position_embedding_dim
        return relative_position_embedding(
            like, size, size_kv, strides, width, self.position_magnitude
        )

    def _energy(self, x_q: Tensor, x_kv: Tensor) -> Tensor:
        """Return the energies, shape (n, heads, h, w, h_kv, w_kv), with 1 where all are alike."""
        content, place, key_alone, place_alone = self.attention_type
        query = None
        if content or place:
            query = self.query_conv(x_q).unflatten(1, (self.num_heads, self.qk_embed_dim))
            query = query.permute(0, 1, 3, 4, 2)
        sides = (x_q.shape[2], x_q.shape[3], x_kv.shape[2], x_kv.shape[3])
        energy = x_q.new_zeros(1, 1, *sides)
        if content or key_alone:
            energy = self._content_energy(query if content else None, x_kv)
        if place or place_alone:
            energy = energy + self._position_energy(query if place else None, x_q, x_kv)
        return energy

    def forward(self, x_input: Tensor) -> Tensor:
        """Return ``x_input`` with the attended values added."""
        x_q = x_input if self.q_downsample is None else self.q_downsample(x_input)
        x_kv = x_input if self.kv_downsample is None else self.kv_downsample(x_input)
        energy = self._energy(x_q, x_kv)
        h, w, h_kv, w_kv = energy.shape[2:]
        if self.spatial_range >= 0:
            reach = self.spatial_range, self.kv_stride
            stored = self.local_constraint_map
            hidden = out_of_range_mask(stored, *reach, h, w, h_kv, w_kv, energy.device)
            energy = energy.masked_fill(hidden, -torch.inf)
        weights = F.softmax(energy.flatten(4).flatten(2, 3), dim=3)
        values = self._split_heads(self.value_conv(x_kv).flatten(2).transpose(1, 2)).transpose(1, 2)
        out = torch.matmul(weights, values).transpose(2, 3)
        out = self.proj_conv(out.flatten(1, 2).unflatten(-1, (h, w)))
        if self.q_downsample is not None:
            out = F.interpolate(out, size=x_input.shape[2:], mode="bilinear", align_corners=False)
        return self.gamma * out + x_input


# Steps that a tracer takes as one: what they make depends on the input's size.
fx.wrap("relative_position_embedding")
fx.wrap("out_of_range_mask")


def check_arguments(in_channels: int, num_heads: int, width: int, attention_type: object) -> None:
    """Raise for arguments of which no block can be made."""
    if not 1 <= num_heads <= in_channels:
        raise BadValueError(
            "num_heads", f"expected 1 to {in_channels}, one channel a head, got {num_heads!r}."
        )
    digits = attention_type if isinstance(attention_type, str) else ""
    if len(digits) != 4 or digits.strip("01"):
        raise BadValueError(
            "attention_type", f"expected four digits 0 or 1, got {attention_type!r}."
        )
    if width % 4 and "1" in (digits[1], digits[3]):
        raise BadValueError("position_embedding_dim", f"expected a multiple of 4, got {width!r}.")
