"""Generalized attention: its four terms by their formula, the range, the start."""

import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from brickbook import GeneralizedAttention, initialize, plan
from brickbook.bricks.transformer.qkv_sites import axis_out_of_range, relative_position_embedding
from brickbook.errors import ConfigError
from brickbook.modules import Sequential

TYPES = ["".join(digits) for digits in itertools.product("01", repeat=4)]


def by_the_formula(block, x, hidden=None):
    """One query and one key at a time, in the words of the paper."""
    n, channels = x.shape[:2]
    heads, d = block.num_heads, channels // block.num_heads
    x_q, x_kv = (x[:, :, ::stride, ::stride] for stride in (block.q_stride, block.kv_stride))
    (h, w), (h_kv, w_kv) = x_q.shape[2:], x_kv.shape[2:]
    content, place, key_alone, place_alone = block.attention_type
    energy = torch.zeros(n, heads, h, w, h_kv, w_kv)
    query = block.query_conv(x_q).view(n, heads, d, h, w) if content or place else None
    key = block.key_conv(x_kv).view(n, heads, d, h_kv, w_kv) if content or key_alone else None
    if content:
        energy += torch.einsum("nadhw,nadij->nahwij", query, key)
    if key_alone:
        bias = block.appr_bias.view(heads, d)
        energy += torch.einsum("ad,nadij->naij", bias, key)[:, :, None, None]
    if place or place_alone:
        for axis, fc in ((2, block.appr_geom_fc_y), (3, block.appr_geom_fc_x)):
            steps = torch.arange(x_q.shape[axis])[:, None] * block.q_stride
            offsets = steps - torch.arange(x_kv.shape[axis])[None] * block.kv_stride
            waves = 1000 ** (4 / channels * torch.arange(channels // 4))
            angles = offsets[..., None] / waves
            sines = torch.cat([angles.sin(), angles.cos()], dim=-1)
            known = fc(sines).view(*offsets.shape, heads, d) / math.sqrt(2)
            where = "h" if axis == 2 else "w"
            to = "i" if axis == 2 else "j"
            if place:
                found = torch.einsum(f"nadhw,{where}{to}ad->nahw{to}", query, known)
                energy += found[..., None] if axis == 2 else found[..., None, :]
            if place_alone:
                found = torch.einsum(
                    f"ad,{where}{to}ad->a{where}{to}", block.geom_bias.view(heads, d), known
                )
                shape = (1, heads, h, 1, h_kv, 1) if axis == 2 else (1, heads, 1, w, 1, w_kv)
                energy += found.view(shape)
    if hidden is not None:
        energy = energy.masked_fill(hidden, -torch.inf)
    weights = energy.flatten(4).softmax(-1).view_as(energy)
    values = block.value_conv(x_kv).view(n, heads, d, h_kv, w_kv)
    out = torch.einsum("nahwij,nadij->nadhw", weights, values).reshape(n, channels, h, w)
    out = block.proj_conv(out)
    if block.q_stride > 1:
        out = F.interpolate(out, size=x.shape[2:], mode="bilinear", align_corners=False)
    return x + block.gamma * out


@pytest.mark.parametrize("digits", TYPES)
@pytest.mark.parametrize(("q_stride", "kv_stride"), [(1, 2), (2, 1)])
def test_the_four_terms(digits, q_stride, kv_stride):
    block = GeneralizedAttention(
        8, num_heads=2, attention_type=digits, q_stride=q_stride, kv_stride=kv_stride
    )
    nn.init.constant_(block.gamma, 0.7)
    x = torch.rand(2, 8, 6, 5)
    torch.testing.assert_close(block(x), by_the_formula(block, x), rtol=1e-4, atol=1e-5)
    assert (block.q_downsample is not None) == (q_stride == 2)
    assert (block.kv_downsample is not None) == (kv_stride == 2)


@pytest.mark.parametrize(
    ("digits", "there"),
    [
        ("1000", {"query_conv", "key_conv"}),
        ("0100", {"query_conv", "appr_geom_fc_x", "appr_geom_fc_y"}),
        ("0010", {"key_conv", "appr_bias"}),
        ("0001", {"appr_geom_fc_x", "appr_geom_fc_y", "geom_bias"}),
    ],
)
def test_what_a_type_has(digits, there):
    block = GeneralizedAttention(16, attention_type=digits)
    every = {
        "query_conv", "key_conv", "appr_geom_fc_x", "appr_geom_fc_y", "appr_bias", "geom_bias",
    }  # fmt: skip
    assert {name for name in every if hasattr(block, name)} == there
    for name in there & {"appr_geom_fc_x", "appr_geom_fc_y"}:
        assert getattr(block, name).in_features == 8
    x = torch.rand(2, 16, 20, 20)
    assert torch.equal(block(x), x)  # gamma starts with 0


@pytest.mark.parametrize("channels", [8, 256, 512])
@pytest.mark.parametrize("shape", [(6, 9), (43, 2)])
def test_the_range(channels, shape):
    block = GeneralizedAttention(channels, spatial_range=1, num_heads=2, attention_type="1000")
    side = {256: 84, 512: 42, 8: 42}[channels]
    kept = block.local_constraint_map
    assert kept.shape == (side, side, side // 2, side // 2) and kept.dtype is torch.bool
    assert "local_constraint_map" in block.state_dict()
    nn.init.constant_(block.gamma, 1)
    x = torch.rand(1, channels, *shape)
    h, w = shape
    hidden = torch.ones(h, w, (h + 1) // 2, (w + 1) // 2, dtype=torch.bool)
    for i, j, k, m in itertools.product(*map(range, hidden.shape)):
        near = (i - 1) // 2 <= k <= (i + 2) // 2 and (j - 1) // 2 <= m <= (j + 2) // 2
        hidden[i, j, k, m] = not near
    if h <= side:
        assert torch.equal(kept[:h, :w, : (h + 1) // 2, : (w + 1) // 2], hidden)
    expected = by_the_formula(block, x, hidden)
    torch.testing.assert_close(block(x), expected, rtol=1e-4, atol=1e-4)


def test_a_checkpoint_of_mmcv_with_a_range_loads():
    block = GeneralizedAttention(256, spatial_range=3, num_heads=8)
    state = block.state_dict()
    state["local_constraint_map"] = state["local_constraint_map"].byte()  # as mmcv keeps it
    other = GeneralizedAttention(256, spatial_range=3, num_heads=8)
    other.load_state_dict(state)
    assert torch.equal(other.local_constraint_map, block.local_constraint_map)
    block.init_weights()  # the mask is no parameter to start
    assert "local_constraint_map" not in dict(block.named_parameters())


def test_places():
    assert axis_out_of_range(4, 2, 0, 2).tolist() == [
        [False, True], [False, False], [True, False], [True, False],
    ]  # fmt: skip
    sines = relative_position_embedding(torch.zeros(1, dtype=torch.half), 300, 3, (1, 1), 8, 2)
    exact = relative_position_embedding(torch.zeros(1, dtype=torch.double), 300, 3, (1, 1), 8, 2)
    assert sines.dtype is torch.half and sines.shape == (300, 3, 4)
    torch.testing.assert_close(sines.double(), exact, rtol=0, atol=1e-3)


@pytest.mark.parametrize("digits", TYPES)
def test_starts(digits):
    block = GeneralizedAttention(128, num_heads=4, attention_type=digits)
    bound = math.sqrt(3 / 128)
    assert 0.99 * bound < block.proj_conv.weight.abs().max() <= bound
    torch.manual_seed(4)
    nn.init.constant_(block.gamma, 3)
    block.init_weights()
    expected = {key: value.clone() for key, value in block.state_dict().items()}
    for parameter in block.parameters():
        nn.init.normal_(parameter)
    torch.manual_seed(4)
    initialize(block, block.default_init_cfg())
    assert all(torch.equal(expected[key], value) for key, value in block.state_dict().items())
    assert block.gamma.item() == 0
    for name in {"appr_bias", "geom_bias"} & set(expected):
        assert 0.9 * 64**-0.5 < expected[name].abs().max() <= 64**-0.5


def test_the_plan_of_a_model_with_a_block():
    todo = plan(Sequential(GeneralizedAttention(16, num_heads=4)))
    assert all(row.law is not None for row in todo.values())
    assert todo["0.gamma"].law.mean == 0 and todo["0.appr_bias"].law.mean == 0


MESSAGES = [
    (dict(num_heads=17), "num_heads: expected 1 to 16, one channel a head, got 17."),
    (dict(num_heads=0), "num_heads: expected 1 to 16, one channel a head, got 0."),
    (dict(attention_type="111"), "attention_type: expected four digits 0 or 1, got '111'."),
    (dict(attention_type="1121"), "attention_type: expected four digits 0 or 1, got '1121'."),
    (dict(attention_type=1111), "attention_type: expected four digits 0 or 1, got 1111."),
    (dict(position_embedding_dim=6),
     "position_embedding_dim: expected a multiple of 4, got 6."),
]  # fmt: skip


@pytest.mark.parametrize(("kwargs", "message"), MESSAGES)
def test_messages(kwargs, message):
    with pytest.raises(ValueError) as caught:
        GeneralizedAttention(16, **kwargs)
    assert isinstance(caught.value, ConfigError) and str(caught.value) == message
