"""Bricks of this package as classes of plain torch: what a written module brings along."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import nn

from brickbook.bricks.activation import Clamp
from brickbook.bricks.containers import Add, Concat, Residual
from brickbook.bricks.drop import DropPath
from brickbook.bricks.hsigmoid import HSigmoid
from brickbook.bricks.layer_scale import LayerScale
from brickbook.bricks.norm.channel import ChannelLayerNorm
from brickbook.bricks.scale import Scale
from brickbook.bricks.swish import Swish
from brickbook.bricks.transformer import FFN, MultiheadAttention

__all__ = ["HELPERS", "Helper"]


@dataclass(frozen=True)
class Helper:
    """A class of plain torch that stands for a brick, with the same keys and the same numbers.

    ``arguments`` are attributes of the brick, or of one of its parts (``"attn.dropout"``), which
    the constructor takes in this order: modules are written out, a list of them as a list.
    ``needs`` is what must hold for the two to be the same, by attribute.
    """

    source: str
    arguments: tuple[str, ...] = ()
    needs: Mapping[str, object] | None = None

    @property
    def name(self) -> str:
        """The name of the class."""
        return self.source.partition("(")[0].removeprefix("class ")


def one_line(name: str, shown: str, arguments: tuple[str, ...] = ()) -> Helper:
    """Return the class of a formula over ``x`` and attributes of the constructor's arguments."""
    given = "".join(f", {argument}" for argument in arguments)
    kept = "".join(f"        self.{argument} = {argument}\n" for argument in arguments)
    init = f"    def __init__(self{given}):\n        super().__init__()\n{kept}\n" if given else ""
    return Helper(
        f"class {name}(nn.Module):\n{init}    def forward(self, x):\n        return {shown}\n",
        arguments,
    )


BRANCHES = """class {name}(nn.Module):
    def __init__(self, branches{more}):
        super().__init__()
        self.branches = nn.ModuleList(branches){keep}

    def forward(self, x):
        {body}
"""

SUM = """out = self.branches[0](x)
        for branch in self.branches[1:]:
            out = out + branch(x)
        return out"""

SCALE = """class Scale(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(1.0))

    def forward(self, x):
        return x * self.scale
"""

LAYER_SCALE = """class LayerScale(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.weight = nn.Parameter(torch.full((dim,), 1e-5))

    def forward(self, x):
        return x * self.weight
"""

CHANNEL_NORM = """class ChannelLayerNorm(nn.LayerNorm):
    def forward(self, x):
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)
"""

DROP_PATH = """class DropPath(nn.Module):
    def __init__(self, drop_prob):
        super().__init__()
        self.drop_prob = drop_prob

    def forward(self, x):
        keep = 1 - self.drop_prob
        if not self.training or keep == 1:
            return x
        if keep <= 0:
            return x * 0
        draw = torch.rand([len(x)] + [1] * (x.dim() - 1), device=x.device)
        return x.div(keep) * (draw + keep).floor().to(x.dtype)
"""

ATTENTION = """class SelfAttention(nn.Module):
    def __init__(self, attn, proj_drop, dropout_layer, batch_first):
        super().__init__()
        self.attn = attn
        self.proj_drop = proj_drop
        self.dropout_layer = dropout_layer
        self.batch_first = batch_first

    def forward(self, x):
        attn = self.attn
        packed = F.linear(x, attn.in_proj_weight, attn.in_proj_bias)
        heads = (part.unflatten(-1, (attn.num_heads, -1)) for part in packed.chunk(3, dim=-1))
        order = (0, 2, 1, 3) if self.batch_first else (1, 2, 0, 3)
        q, k, v = (part.permute(order) for part in heads)
        drop = attn.dropout if attn.training else 0.0
        seen = F.scaled_dot_product_attention(q, k, v, dropout_p=drop)
        seen = seen.permute((0, 2, 1, 3) if self.batch_first else (2, 0, 1, 3)).flatten(2)
        return x + self.dropout_layer(self.proj_drop(attn.out_proj(seen)))
"""

FEED_FORWARD = """class FeedForward(nn.Module):
    def __init__(self, layers, gamma2, dropout_layer, add_identity):
        super().__init__()
        self.layers = layers
        self.dropout_layer = dropout_layer
        self.gamma2 = gamma2
        self.add_identity = add_identity

    def forward(self, x):
        out = self.dropout_layer(self.gamma2(self.layers(x)))
        return x + out if self.add_identity else out
"""

HELPERS: Mapping[type[nn.Module], Helper] = {
    Residual: one_line("Residual", "self.body(x) + self.shortcut(x)", ("body", "shortcut")),
    Add: Helper(BRANCHES.format(name="Add", more="", keep="", body=SUM), ("branches",)),
    Concat: Helper(
        BRANCHES.format(
            name="Concat", more=", dim", keep="\n        self.dim = dim",
            body="return torch.cat([branch(x) for branch in self.branches], dim=self.dim)",
        ),
        ("branches", "dim"),
    ),
    Scale: Helper(SCALE),
    LayerScale: Helper(
        LAYER_SCALE, ("weight.numel",), {"data_format": "channels_last", "inplace": False}
    ),
    ChannelLayerNorm: Helper(
        CHANNEL_NORM, ("normalized_shape", "eps"), {"elementwise_affine": True}
    ),
    DropPath: Helper(DROP_PATH, ("drop_prob",)),
    Swish: one_line("Swish", "x * torch.sigmoid(x)"),
    Clamp: one_line("Clamp", "torch.clamp(x, min=self.min, max=self.max)", ("min", "max")),
    HSigmoid: one_line(
        "HSigmoid", "((x + self.bias) / self.divisor).clamp(self.min_value, self.max_value)",
        ("bias", "divisor", "min_value", "max_value"),
    ),
    MultiheadAttention: Helper(
        ATTENTION, ("attn", "proj_drop", "dropout_layer", "batch_first"),
        {"attn.bias_k": None, "attn.add_zero_attn": False, "attn._qkv_same_embed_dim": True},
    ),
    FFN: Helper(FEED_FORWARD, ("layers", "gamma2", "dropout_layer", "add_identity")),
}  # fmt: skip
